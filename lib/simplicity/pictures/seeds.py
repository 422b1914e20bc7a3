"""Marks for seeds: fresh ones as open circles, recorded ones as dots with their median."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from simplicity.evidence.claims import cells_where
from simplicity.pictures.style import DOT_OPACITY, DOT_SIZE, DOTS, INK


def against(
    panel: Axes, fresh: xr.Dataset, recorded: xr.Dataset | None, x: str, y: str, colour: str
) -> None:
    """Every seed of `y` at its `x`, and the recorded medians joined by a line.

    `x` is a numeric field on a log axis.
    """
    if recorded is not None and recorded.sizes["cell"]:
        medians(panel, recorded, x, y, colour)
        marks(
            panel,
            recorded[x].values * np.exp(spread(recorded.sizes["cell"], 0.05)),
            recorded[y].values,
            colour,
            True,
        )
    marks(panel, fresh[x].values, fresh[y].values, colour, False)


def medians(
    panel: Axes, recorded: xr.Dataset, x: str, y: str, colour: str, label: str = ""
) -> None:
    """The median over seeds at each `x`; undefined values (such as 0/0) do not count."""
    places = [
        place
        for place in np.unique(recorded[x].values)
        if np.isfinite(cells_where(recorded, **{x: place})[y]).any()
    ]
    values = [float(np.nanmedian(cells_where(recorded, **{x: place})[y])) for place in places]
    panel.plot(places, values, color=colour, label=label or None)


def marks(panel: Axes, x: np.ndarray, y: np.ndarray, colour: str, recorded: bool) -> None:
    """One mark a seed."""
    if recorded:
        panel.plot(
            x,
            y,
            "o",
            color=colour,
            alpha=DOT_OPACITY,
            markersize=DOT_SIZE,
            markeredgewidth=0,
            zorder=1,
            gid=DOTS,
        )
    else:
        panel.plot(
            x, y, "o", color=colour, fillstyle="none", markersize=5, markeredgewidth=1, zorder=3
        )


def spread(count: int, width: float) -> np.ndarray:
    """Fixed sideways places, within +-`width`, for marks that would hide each other."""
    return width * (np.arange(count) * 0.618034 % 1 - 0.5) * 2


def legend(
    panel: Axes, entries: Sequence[tuple[str, str]], fresh: xr.Dataset, recorded: xr.Dataset | None
) -> None:
    """Under the panels: colours with their meaning, and what open circles and dots are."""
    handles = [Line2D([], [], color=colour, label=label) for colour, label in entries]
    text = "a seed of this page" + (f", m = {_width(fresh)}" if "width" in fresh.coords else "")
    handles.append(
        Line2D([], [], color=INK, marker="o", ls="", fillstyle="none", markersize=5, label=text)
    )
    if recorded is not None:
        text = (
            "recorded"
            + (f", m = {_width(recorded)}" if "width" in recorded.coords else "")
            + ": seeds, median"
        )
        handles.append(Line2D([], [], color=INK, marker="o", lw=1, markersize=2.6, label=text))
    panel.figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=2 if len(handles) <= 4 else 3,
        handlelength=1.4,
    )


def _width(dataset: xr.Dataset) -> str:
    return " and ".join(f"{width:,}" for width in np.unique(dataset.width.values))
