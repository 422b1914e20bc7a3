"""Pictures of extremal vectors.

G_n around the circle as a player over n, rates in n, counts, searched dimensions.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from numpy.typing import NDArray

from simplicity.boursier import extremal, sectors
from simplicity.boursier.pictures import panels
from simplicity.evidence.claims import Estimate, mean, share
from simplicity.grid.groups import Runs, cells_where
from simplicity.pictures import legends, seeds, ticks
from simplicity.pictures.player import Panel, Player
from simplicity.pictures.style import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    PURPLE,
    RED,
    Picture,
    axes,
    finish,
    joined,
)
from simplicity.pictures.tracks import Dots, Line, Note, Track

Array = NDArray[np.floating]
ANGLES = np.linspace(0, 2 * np.pi, 361)  # at which curves around the circle are drawn
_CIRCLE = sectors.circle(ANGLES)
RATE_TICKS, COUNT_TICKS = (50, 200, 800, 3200), (8, 32, 128, 1024, 4096)
_CENTRE = np.array([0.25, 0.0])  # of the picture: the population's curve lies to the right
_GROUND = 1.2  # the radius that stands for G = 0, larger than any |G_n| of the picture
Kind = tuple[str, str, dict[str, Any]]
# In words: colour, group of the runs for the rate, and which part of it.
_RATES: dict[str, Kind] = {
    "Gaussian inputs": (BLUE, "rate", {"law": "gaussian"}),
    "margin inputs": (GREEN, "rate", {"law": "margin"}),
    "null labels": (PURPLE, "null_rate", {}),
    "heavy-tailed noise": (RED, "heavy_rate", {"law": "gaussian"}),
}
_COUNTS: dict[str, Kind] = {
    "Gaussian inputs": (BLUE, "counted", {"law": "gaussian"}),
    "margin inputs": (GREEN, "counted", {"law": "margin"}),
    "Gaussian, σ = {:g}": (ORANGE, "noisy", {}),
    "null labels": (PURPLE, "null", {}),
}
# What concentrates: title, and for how many of the `_RATES` it is drawn.
_MEASURES = {
    "supremum": ("sup |Dₙ(w) − D|", 4),
    "farthest": ("farthest vector from D", 2),
    "widest": ("widest angle (radians)", 3),
}
_BELOW: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.18)}


class Landscape(NamedTuple):
    """G_n at the `ANGLES`, and the extremal vectors of one draw.

    `cloud` (any number, 2): those of many draws of the same law.
    """

    heights: Array
    found: extremal.Extremal
    cloud: Array

    @property
    def curve(self) -> Array:
        """G_n around the circle."""
        return _at(_CIRCLE, self.heights)

    @property
    def places(self) -> Array:
        """Where the critical points of G_n lie on the curve."""
        found = self.found
        return _at(found.directions, np.sum(found.directions * found.vectors, axis=1))


def landscapes(
    drawn: Mapping[str, Sequence[Landscape]], labels: Sequence[str], description: str
) -> Player:
    """For each title a polar plot of G_n with its critical points, a frame for each n."""
    curves = [one.curve for frames in drawn.values() for one in frames]
    reach = float(np.abs(np.concatenate(curves) - _CENTRE).max()) + 0.12
    polar = [_polar(title, frames, reach) for title, frames in drawn.items()]
    return Player(polar, labels, description, step_name="number of samples", milliseconds=1200)


def _polar(title: str, frames: Sequence[Landscape], reach: float) -> Panel:
    """Radius 1.2 + G_n(w).

    The extremal vectors themselves, in the same unit, are the spokes from the centre.
    """
    counted = [_counted(one.found) for one in frames]
    tracks = (
        *_levels(frames),
        *_vectors(frames),
        *_critical_points(frames),
        Note(counted, at=(_CENTRE[0] - reach, 0.02 - reach), size=14),
    )
    across = (_CENTRE[0] - reach, _CENTRE[0] + reach)
    return Panel(title, across, (-reach, reach), tracks, width=360, height=380)


def _levels(frames: Sequence[Landscape]) -> Iterator[Track]:
    """The level of 0, the population's G, and G_n."""
    yield Line("zero level", [_CIRCLE * _GROUND], opacity=0.35, width=0.8)
    population = [_at(_CIRCLE, np.cos(ANGLES) / 2)]
    yield Line("population G", population, opacity=0.6, width=1, dashes="3 4")
    yield Line("Gₙ(w)", [one.curve for one in frames], BLUE, width=2)


def _vectors(frames: Sequence[Landscape]) -> Iterator[Track]:
    """Those of many draws as points, those of this draw as spokes, and the population's."""
    clouds = [one.cloud for one in frames]
    yield Dots("those of other draws", clouds, GREEN, radius=1.5, opacity=0.45)
    spokes = [_spokes(one.found.vectors) for one in frames]
    yield Line("extremal vectors D of this draw", spokes, GREEN, width=1.6)
    yield Dots("population D", [np.array([[0.5, 0.0]])], INK, radius=5.5, hollow=True)


def _spokes(ends: Array) -> Array:
    return joined([np.stack([0 * end, end]) for end in ends])


def _critical_points(frames: Sequence[Landscape]) -> Iterator[Track]:
    """Those where G_n is smooth, and those on a boundary between sectors."""
    smooth = [one.places[~one.found.on_boundary] for one in frames]
    kinks = [one.places[one.found.on_boundary] for one in frames]
    yield Dots("critical point", smooth, ORANGE, radius=5)
    yield Dots("on a boundary", kinks, ORANGE, radius=5, hollow=True)


def _at(w: Array, heights: Array) -> Array:
    return w * (_GROUND + heights)[:, None]


def _counted(one: extremal.Extremal) -> str:
    edge = int(one.on_boundary.sum())
    return f"{len(one.vectors)} extremal vectors" + (f", {edge} on a boundary" if edge else "")


def rates(fresh: Runs, recorded: Runs, exponent: Callable[[xr.Dataset, str], Estimate]) -> Picture:
    """Three measures of concentration on log axes; `exponent(cells, value)` of recorded runs."""
    with axes(len(_MEASURES), height=4.3) as (figure, drawn):
        for panel, (value, (title, shown)) in zip(drawn, _MEASURES.items(), strict=True):
            for colour, group, part in list(_RATES.values())[:shown]:
                page, record = (runs(group, **part) for runs in (fresh, recorded))
                slope = _slope(exponent(record, value))
                _power_law(panel, page[value], record[value], colour, slope)
            _rate_axes(panel, title)
            panel.legend(**_BELOW, fontsize=8.5, handlelength=0.8)
        legends.below(figure, _entries(_RATES), page="")
        about = "Three measures of concentration against n on log axes, with slopes."
        return finish(figure, about)


def _entries(kinds: Mapping[str, Kind], *told: float) -> list[tuple[str, str]]:
    """Of the legend: colours with their meaning, in which {} stands for what is `told`."""
    return [(colour, word.format(*told)) for word, (colour, *_) in kinds.items()]


def _rate_axes(panel: Axes, title: str) -> None:
    panels.log_samples(panel, RATE_TICKS)
    panel.set(title=title, yscale="log")


def _power_law(
    panel: Axes, fresh: xr.DataArray, recorded: xr.DataArray, colour: str, label: str = ""
) -> None:
    """Geometric means over seeds: recorded ones with the range, fresh ones as open circles."""
    table, page = panels.by_seed(recorded), panels.by_seed(fresh)
    seeds.mean_and_range(
        panel, table.columns, table.values, colour, middle=_geometric_mean, label=label
    )
    seeds.marks(panel, page.columns, _geometric_mean(page.values), colour, False)


def _geometric_mean(values: Array, axis: int = 0) -> Array:
    return np.exp(np.nanmean(np.log(values), axis=axis))


def counts(fresh: Runs, recorded: Runs) -> Picture:
    """Mean number of extremal vectors against n, and the share of draws with exactly two.

    Bars are 95 % intervals.
    """
    sigma = float(recorded["noisy"].noise_variance[0]) ** 0.5
    with axes(2, height=3.8) as (figure, (left, right)):
        for panel, estimate, height in ((left, mean, 2), (right, _two, 1)):
            for runs in (recorded, fresh):
                _of_kinds(panel, runs, estimate, runs is recorded)
            panels.level(panel, height)
            panels.log_samples(panel, COUNT_TICKS)
        left.set(title="mean number of extremal vectors", yscale="log")
        ticks.only(left.yaxis, (2, 3, 5, 10, 20, 50))
        right.set(title="share of draws with exactly two", ylim=(-0.04, 1.06))
        legends.below(figure, _entries(_COUNTS, sigma), page="", recorded=", 95 % interval")
        about = "Number of extremal vectors in the plane against n, in four settings."
        return finish(figure, about)


def _of_kinds(panel: Axes, runs: Runs, estimate: Callable[..., Estimate], recorded: bool) -> None:
    """`estimate` of the numbers of extremal vectors at each n, a kind beside the other."""
    shifts = (0.94, 0.98, 1.02, 1.06)
    for shift, (colour, group, part) in zip(shifts, _COUNTS.values(), strict=True):
        ns, counts = _counts(runs(group, **part))
        panels.estimates(panel, ns * shift, list(map(estimate, counts)), colour, recorded)


def _counts(cells: xr.Dataset) -> tuple[Array, list[Array]]:
    """The n, and the numbers of extremal vectors at each."""
    ns = np.unique(cells.n.values)
    return ns, [cells_where(cells, n=n)["count"].values for n in ns]


def _two(counted: Array) -> Estimate:
    return share(counted == 2)


def dimensions(fresh: Runs, recorded: Runs) -> Picture:
    """The exact supremum in the plane beside searched ones: as they are, and times sqrt(n / d)."""
    colours = dict(zip(_dimensions(recorded), panels.COLOURS, strict=False))
    with axes(2, height=3.6) as (figure, (left, right)):
        for dim, colour in colours.items():
            page, record = (_suprema(runs, dim) for runs in (fresh, recorded))
            _power_law(left, page, record, colour)
            _power_law(right, _in_units_of_rate(page), _in_units_of_rate(record), colour)
        for panel in (left, right):
            panels.log_samples(panel, RATE_TICKS)
        left.set(title="sup |Dₙ(w) − D|", yscale="log")
        right.set(title="the same times √(n / d)", ylim=(0, None))
        entries = [(colour, _dimension(dim)) for dim, colour in colours.items()]
        legends.below(figure, entries, page="")
        return finish(figure, "Largest deviation of D_n from D against n in several dimensions.")


def _in_units_of_rate(suprema: xr.DataArray) -> xr.DataArray:
    return suprema * (suprema.n / suprema.dim) ** 0.5


def _dimensions(runs: Runs) -> list[int]:
    """The plane and those that were searched."""
    return [2, *np.unique(runs["searched"].dim.values).tolist()]


def _suprema(runs: Runs, dim: int) -> xr.DataArray:
    return (runs("rate", law="gaussian") if dim == 2 else runs("searched", dim=dim)).supremum


def _dimension(dim: int) -> str:
    return f"d = {dim}" if dim == 2 else f"d = {dim}, searched"


def _slope(estimate: Estimate) -> str:
    if estimate.interval is None:
        return "not judged"
    low, high = estimate.interval
    return f"{estimate.value:.2f} [{low:.2f}, {high:.2f}]".replace("-", "−")
