"""Pictures of extremal vectors.

G_n around the circle as a player over n, rates in n, counts, searched dimensions.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from simplicity.boursier import extremal
from simplicity.evidence.claims import Estimate, cells_where, mean, share
from simplicity.grid.groups import Runs
from simplicity.pictures.player import Panel, Player
from simplicity.pictures.style import (
    BLUE,
    FAINT,
    GREEN,
    INK,
    ORANGE,
    PURPLE,
    RED,
    Picture,
    axes,
    finish,
)
from simplicity.pictures.tracks import Dots, Line, Note

Array = NDArray[np.floating]
ANGLES = np.linspace(0, 2 * np.pi, 361)  # at which curves around the circle are drawn
_CIRCLE = extremal.circle(ANGLES)
RATE_TICKS, COUNT_TICKS = (50, 200, 800, 3200), (8, 32, 128, 1024, 4096)
_CENTRE = np.array([0.25, 0.0])  # of the picture: the population's curve lies to the right
_GROUND = 1.2  # the radius that stands for G = 0, larger than any |G_n| of the picture
# In words: colour, group of the runs for the rate, and which part of it.
_RATES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "Gaussian inputs": (BLUE, "rate", {"law": "gaussian"}),
    "margin inputs": (GREEN, "rate", {"law": "margin"}),
    "null labels": (PURPLE, "null_rate", {}),
    "heavy-tailed noise": (RED, "heavy_rate", {"law": "gaussian"}),
}


class Landscape(NamedTuple):
    """G_n at the `ANGLES`, its critical points w and extremal vectors D (q, 2).

    And which of them are on a boundary.

    `cloud` (any number, 2): the extremal vectors of many draws of the same law, of which this is
    one.
    """

    heights: Array
    directions: Array
    vectors: Array
    on_boundary: NDArray[np.bool_]
    cloud: Array


def landscapes(
    drawn: Mapping[str, Sequence[Landscape]], labels: Sequence[str], description: str
) -> Player:
    """For each title a polar plot of G_n with its critical points, a frame for each n."""
    every = np.concatenate(
        [_at(_CIRCLE, one.heights) for frames in drawn.values() for one in frames]
    )
    reach = float(np.abs(every - _CENTRE).max()) + 0.12
    panels = [_polar(title, frames, reach) for title, frames in drawn.items()]
    return Player(panels, labels, description, step_name="number of samples", milliseconds=1200)


def _polar(title: str, frames: Sequence[Landscape], reach: float) -> Panel:
    """Radius 1.2 + G_n(w).

    The extremal vectors themselves, in the same unit, are the spokes from the centre.
    """
    place = [
        _at(one.directions, np.linalg.norm(one.vectors, axis=1) * _sign(one)) for one in frames
    ]
    spokes = [_from_centre(one.vectors) for one in frames]
    smooth = [at[~one.on_boundary] for at, one in zip(place, frames, strict=True)]
    kinks = [at[one.on_boundary] for at, one in zip(place, frames, strict=True)]
    tracks = (
        Line("zero level", [_CIRCLE * _GROUND], opacity=0.35, width=0.8),
        Line(
            "population G", [_at(_CIRCLE, np.cos(ANGLES) / 2)], opacity=0.6, width=1, dashes="3 4"
        ),
        Line("Gₙ(w)", [_at(_CIRCLE, one.heights) for one in frames], BLUE, width=2),
        Dots(
            "those of other draws", [one.cloud for one in frames], GREEN, radius=1.5, opacity=0.45
        ),
        Line("extremal vectors D of this draw", spokes, GREEN, width=1.6),
        Dots("population D", [np.array([[0.5, 0.0]])], INK, radius=5.5, hollow=True),
        Dots("critical point", smooth, ORANGE, radius=5),
        Dots("on a boundary", kinks, ORANGE, radius=5, hollow=True),
        Note([_counted(one) for one in frames], at=(_CENTRE[0] - reach, 0.02 - reach), size=14),
    )
    return Panel(
        title,
        (_CENTRE[0] - reach, _CENTRE[0] + reach),
        (-reach, reach),
        tracks,
        width=360,
        height=380,
    )


def _from_centre(vectors: Array) -> Array:
    """0, D, a break, and so on."""
    return np.stack(
        [np.zeros_like(vectors), vectors, np.full_like(vectors, np.nan)], axis=1
    ).reshape(-1, 2)


def _at(w: Array, heights: Array) -> Array:
    return w * (_GROUND + heights)[:, None]


def _sign(one: Landscape) -> Array:
    return np.sign(np.sum(one.directions * one.vectors, axis=1))


def _counted(one: Landscape) -> str:
    edge = int(one.on_boundary.sum())
    return f"{len(one.vectors)} extremal vectors" + (f", {edge} on a boundary" if edge else "")


def rates(fresh: Runs, recorded: Runs, exponent: Callable[[xr.Dataset, str], Estimate]) -> Picture:
    """Three measures of concentration on log axes; `exponent(cells, value)` of recorded runs."""
    titles = {
        "supremum": ("sup |Dₙ(w) − D|", 4),
        "farthest": ("farthest vector from D", 2),
        "widest": ("widest angle (radians)", 3),
    }
    with axes(len(titles), height=4.3) as (figure, panels):
        for panel, (value, (title, shown)) in zip(panels, titles.items(), strict=True):
            handles = []
            for colour, group, part in list(_RATES.values())[:shown]:
                page, record = (runs(group, **part) for runs in (fresh, recorded))
                _power_law(panel, page, record, value, colour)
                handles.append(Line2D([], [], color=colour, label=_slope(exponent(record, value))))
            _log_log(panel, RATE_TICKS)
            panel.set_title(title)
            below = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.18)}
            panel.legend(handles=handles, **below, fontsize=8.5, handlelength=0.8)
        kinds = [Line2D([], [], color=one[0], label=kind) for kind, one in _RATES.items()]
        _legend(figure, kinds)
        return finish(figure, "Three measures of concentration against n on log axes, with slopes.")


def _power_law(
    panel: Axes, fresh: xr.Dataset, recorded: xr.Dataset, value: str, colour: str
) -> None:
    """Geometric means: recorded in a band of eight seeds in ten, fresh ones as open circles."""
    ns = np.unique(recorded.n.values)
    low, high = np.array([np.quantile(cells_where(recorded, n=n)[value], (0.1, 0.9)) for n in ns]).T
    panel.fill_between(ns, low, high, color=colour, alpha=0.15, lw=0)
    panel.plot(*_geometric(recorded, value), color=colour)
    panel.plot(
        *_geometric(fresh, value),
        "o",
        color=colour,
        fillstyle="none",
        markersize=5,
        markeredgewidth=1,
    )


def _geometric(cells: xr.Dataset, value: str) -> tuple[Array, Array]:
    ns = np.unique(cells.n.values)
    return ns, np.array([np.exp(np.log(cells_where(cells, n=n)[value]).mean()) for n in ns])


def counts(fresh: Runs, recorded: Runs) -> Picture:
    """Mean number of extremal vectors against n, and the share of draws with exactly two.

    Bars are 95 % intervals.
    """
    sigma = float(recorded["noisy"].noise_variance[0]) ** 0.5
    kinds: dict[str, tuple[str, str, dict[str, Any]]] = {
        "Gaussian inputs": (BLUE, "counted", {"law": "gaussian"}),
        "margin inputs": (GREEN, "counted", {"law": "margin"}),
        f"Gaussian, σ = {sigma:g}": (ORANGE, "noisy", {}),
        "null labels": (PURPLE, "null", {}),
    }
    with axes(2, height=3.8) as (figure, panels):
        for runs in (recorded, fresh):
            shifts = (0.94, 0.98, 1.02, 1.06)
            for shift, (colour, group, part) in zip(shifts, kinds.values(), strict=True):
                _with_bars(panels, runs(group, **part), colour, shift, runs is recorded)
        for panel in panels:
            panel.axhline(1 if panel is panels[1] else 2, color=INK, alpha=FAINT, lw=0.8)
            _log_log(panel, COUNT_TICKS)
        ticks = (2, 3, 5, 10, 20, 50)
        panels[0].set(title="mean number of extremal vectors", yticks=ticks, yticklabels=ticks)
        panels[1].set(title="share of draws with exactly two", yscale="linear", ylim=(-0.04, 1.06))
        _legend(figure, [Line2D([], [], color=one[0], label=kind) for kind, one in kinds.items()])
        return finish(
            figure, "Number of extremal vectors in the plane against n, in four settings."
        )


def _with_bars(
    panels: Sequence[Axes], cells: xr.Dataset, colour: str, shift: float, recorded: bool
) -> None:
    ns = np.unique(cells.n.values)
    parts = [cells_where(cells, n=n)["count"].values for n in ns]
    for panel, estimates in zip(
        panels, ([mean(part) for part in parts], [share(part == 2) for part in parts]), strict=True
    ):
        values = np.array([one.value for one in estimates])
        if recorded:
            low, high = np.array([one.interval for one in estimates]).T
            bars = (values - low, high - values)
            panel.errorbar(
                ns * shift,
                values,
                bars,
                color=colour,
                fmt="o-",
                markersize=2.6,
                lw=1.4,
                elinewidth=1,
            )
        else:
            panel.plot(
                ns * shift,
                values,
                "o",
                color=colour,
                fillstyle="none",
                markersize=5,
                markeredgewidth=1,
            )


def dimensions(fresh: Runs, recorded: Runs) -> Picture:
    """The exact supremum in the plane beside searched ones: as they are, and times sqrt(n / d)."""
    dims = (2, *np.unique(recorded["searched"].dim.values).tolist())
    colours = dict(zip(dims, (BLUE, ORANGE, GREEN, PURPLE, RED), strict=False))
    with axes(2, height=3.6) as (figure, panels):
        for panel, scaled in zip(panels, (False, True), strict=True):
            for dim, colour in colours.items():
                group, part = ("rate", {"law": "gaussian"})
                if dim > 2:
                    group, part = ("searched", {"dim": dim})
                page, record = (
                    cells.assign(shown=cells.supremum * (cells.n / dim) ** (scaled / 2))
                    for cells in (runs(group, **part) for runs in (fresh, recorded))
                )
                _power_law(panel, page, record, "shown", colour)
            _log_log(panel, RATE_TICKS)
        panels[0].set_title("sup |Dₙ(w) − D|")
        panels[1].set(title="the same times √(n / d)", yscale="linear", ylim=(0, None))
        names = {dim: f"d = {dim}" + ("" if dim == 2 else ", searched") for dim in dims}
        _legend(figure, [Line2D([], [], color=colours[dim], label=names[dim]) for dim in dims])
        return finish(figure, "Largest deviation of D_n from D against n in several dimensions.")


def _slope(estimate: Estimate) -> str:
    if estimate.interval is None:
        return "not judged"
    return f"{estimate.value:.2f} [{estimate.interval[0]:.2f}, {estimate.interval[1]:.2f}]".replace(
        "-", "−"
    )


def _log_log(panel: Axes, ticks: Sequence[int]) -> None:
    panel.set(xscale="log", yscale="log", xlabel="samples n")
    panel.set_xticks(ticks, [f"{n:g}" for n in ticks])
    panel.set_xticks([], minor=True)
    panel.yaxis.set(
        major_locator=LogLocator(subs=(1, 2, 5)),
        major_formatter=FormatStrFormatter("%g"),
        minor_formatter=NullFormatter(),
    )


def _legend(figure: Any, handles: list[Line2D]) -> None:
    circle = Line2D(
        [], [], color=INK, marker="o", ls="", fillstyle="none", markersize=5, label="this page"
    )
    dot = Line2D([], [], color=INK, marker="o", lw=1, markersize=2.6, label="recorded")
    figure.legend(
        handles=[*handles, circle, dot], loc="outside lower center", ncols=3, handlelength=1.4
    )
