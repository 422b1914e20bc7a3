"""Marks for seeds: fresh ones as open circles, recorded ones as dots with their median, runs over
time as a line with a band.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from simplicity.pictures.legends import below as marks_below
from simplicity.pictures.style import DOT_OPACITY, DOT_SIZE, DOTS

BAND = 0.15  # opacity of the range of runs
_FRESH: dict[str, Any] = {
    "fillstyle": "none", "markersize": 5, "markeredgewidth": 1, "zorder": 3,
}  # fmt: skip
_RECORDED: dict[str, Any] = {
    "alpha": DOT_OPACITY, "markersize": DOT_SIZE, "markeredgewidth": 0, "zorder": 1, "gid": DOTS,
}  # fmt: skip


def against(
    panel: Axes, fresh: xr.Dataset, recorded: xr.Dataset | None, x: str, y: str, colour: str
) -> None:
    """Every seed of `y` at its `x`, and the recorded medians joined by a line.

    `x` is a numeric field on a log axis.
    """
    if recorded is not None and recorded.sizes["cell"]:
        medians(panel, recorded, x, y, colour)
        sideways = np.exp(spread(recorded.sizes["cell"], 0.05))
        marks(panel, recorded[x].values * sideways, recorded[y].values, colour, True)
    marks(panel, fresh[x].values, fresh[y].values, colour, False)


def medians(
    panel: Axes, recorded: xr.Dataset, x: str, y: str, colour: str, label: str = ""
) -> None:
    """The median over seeds at each `x`; undefined values (such as 0/0) do not count."""
    found = recorded[y].groupby(recorded[x]).median().dropna(x)
    panel.plot(found[x].values, found.values, color=colour, label=label or None)


def mean_and_range(
    panel: Axes,
    x: ArrayLike,
    values: np.ndarray,
    colour: str,
    style: str = "-",
    *,
    middle: Callable[..., np.ndarray] = np.nanmean,
    label: str = "",
) -> None:
    """The mean over runs as a line, and the range of the runs as a band.

    `values` (runs, x); one run is its line alone. `middle` may be `np.nanmedian`. Every band of the
    book is the range of the runs behind its line.
    """
    panel.plot(x, middle(values, axis=0), style, color=colour, label=label or None)
    if len(values) > 1:
        ends = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
        panel.fill_between(x, *ends, color=colour, alpha=BAND, lw=0)


def marks(panel: Axes, x: np.ndarray, y: np.ndarray, colour: str, recorded: bool) -> None:
    """One mark a seed."""
    panel.plot(x, y, "o", color=colour, **(_RECORDED if recorded else _FRESH))


def spread(count: int, width: float) -> np.ndarray:
    """Fixed sideways places, within +-`width`, for marks that would hide each other."""
    return width * (np.arange(count) * 0.618034 % 1 - 0.5) * 2


def legend(
    panel: Axes, entries: Sequence[tuple[str, str]], fresh: xr.Dataset, recorded: xr.Dataset | None
) -> None:
    """Under the panels: colours with their meaning, and what open circles and dots are."""
    told = None if recorded is None else f"{_width(recorded)}: seeds, median"
    marks_below(panel.figure, entries, page=f"{_width(fresh)}: seeds", recorded=told)


def _width(dataset: xr.Dataset) -> str:
    if "width" not in dataset.coords:
        return ""
    return ", m = " + " and ".join(f"{width:,}" for width in np.unique(dataset.width.values))
