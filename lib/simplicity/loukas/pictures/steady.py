"""Pictures of steady learners.

Both sides of the three corollaries, the product bound over depth, Theorem 3's radius.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from numpy.typing import NDArray

from simplicity.evidence.claims import cells_where
from simplicity.grid.groups import Runs
from simplicity.pictures import legends, seeds, ticks
from simplicity.pictures.style import BLUE, GREEN, INK, ORANGE, PURPLE, RED, Picture, axes, finish

Array = NDArray[np.floating]
COLOURS = dict(zip((0.25, 0.5, 0.75, 1.0), (GREEN, BLUE, PURPLE, RED), strict=True))
FREQUENCIES = [(colour, f"f = {frequency:g}") for frequency, colour in COLOURS.items()]


def constants(fresh: xr.Dataset, recorded: xr.Dataset, tau: int) -> Picture:
    """Corollary 1, against epochs.

    Left: largest local constant of a training point over phi; right: phi and the product.
    """
    with axes(2, height=4.0) as (figure, (left, right)):
        for cells, colour in _coloured(recorded):
            _band(left, cells, lambda one: one.largest / one.phi, colour)
        _runs(right, fresh, recorded, lambda one: one["product"], lambda one: one.phi)
        ends = [float(recorded["product"].min()), float(recorded["product"].max())]
        right.plot(ends, ends, color=INK, alpha=0.5, lw=0.8, ls=":")
        left.axhline(1, color=INK, lw=0.9)
        left.axvline(tau, color=INK, alpha=0.5, lw=0.8, ls=":")
        left.set(xscale="log", yscale="log", xlabel="epochs; dotted: τ")
        left.set(title="largest λ of a training point / φ")
        right.set(xscale="log", yscale="log", xlabel="product of the layers' norms at the end")
        right.set(title="φ of the steps from τ on")
        ticks.only(right.xaxis)
        ticks.only(right.yaxis, (0.5, 1, 2, 5))
        legends.below(figure, FREQUENCIES, page="", recorded="")
        return finish(
            figure,
            "Largest local constant over phi against epochs, and phi against the product bound.",
        )


def variances(fresh: xr.Dataset, recorded: xr.Dataset) -> Picture:
    """Corollary 2: the variance of the bias.

    Against the bound's expression, and over the misfit against lambda.
    """
    with axes(2, height=4.0) as (figure, (left, right)):
        _runs(left, fresh, recorded, lambda one: one.scale, lambda one: one.variance)
        _runs(
            right,
            fresh,
            recorded,
            lambda one: one.slope_late,
            lambda one: one.variance / one.misfit,
        )
        left.set(xscale="log", yscale="log", xlabel="(α λ)² / c, the bound without its constant")
        left.set(title="variance of the bias")
        right.set(xscale="log", yscale="log", xlabel="λ, mean over training points")
        right.set(title="variance of the bias / mean of ε²")
        ticks.only(right.xaxis)
        legends.below(figure, FREQUENCIES, page="", recorded="")
        return finish(
            figure,
            "Variance of the bias at the end of training against the bound's expression and "
            "against lambda.",
        )


def distances(recorded: xr.Dataset) -> Picture:
    """Corollary 3, over epochs.

    Left: both sides for the lowest and the highest frequency; right: their ratio for all.
    """
    with axes(2, height=4.0) as (figure, (left, right)):
        for cells, colour in _coloured(recorded, (0.25, 1.0)):
            _band(left, cells, lambda one: one.distance, colour)
            _band(left, cells, lambda one: one.bound, colour, "--")
            _band(left, cells, lambda one: one.bound_smallest, colour, ":")
        for cells, colour in _coloured(recorded):
            _band(right, cells, lambda one: one.bound / one.distance, colour)
        right.axhline(1, color=INK, lw=0.9)
        left.set(xscale="log", yscale="log", xlabel="epochs")
        left.set(title="distance of b₁ from its start, and bounds")
        right.set(xscale="log", yscale="log", xlabel="epochs", title="bound / distance")
        ticks.only(right.yaxis, (1, 3, 10, 30, 100, 300))
        sides = [(INK, "distance", "-"), (INK, "bound", "--"), (INK, "with the smallest ε", ":")]
        legends.below(figure, [*FREQUENCIES, *sides], columns=4)
        return finish(
            figure,
            "Distance of the first bias from its start, the bound of Corollary 3, and their ratio "
            "over epochs.",
        )


def products(fresh: Runs, recorded: Runs) -> Picture:
    """Product of the layers' norms over the largest sampled constant, against depth."""
    looks = {"random": (ORANGE, "untrained"), "linear": (BLUE, "aligned, orthogonal, linear")}
    with axes(1, height=3.7) as (figure, (panel,)):
        for kind, (colour, _) in looks.items():
            for data, is_recorded in ((recorded, True), (fresh, False)):
                cells = data[kind]
                cells = cells.assign(ratio=cells["product"] / cells.largest)
                shift = seeds.spread(cells.sizes["cell"], 0.15) * is_recorded
                place = cells.depth.values + shift
                seeds.marks(panel, place, cells.ratio.values, colour, is_recorded)
                if is_recorded:
                    seeds.medians(panel, cells, "depth", "ratio", colour)
        panel.set(
            yscale="log",
            xlabel="layers d",
            xticks=np.unique(recorded["linear"].depth.values),
            title="product of the layers' norms / largest sampled constant",
        )
        legends.below(figure, looks.values(), page="", recorded=": seeds, median")
        return finish(figure, "The ratio of product bound to sampled constant against depth.")


def generalisation(
    recorded: xr.Dataset, confidence: tuple[Array, Array], depth: tuple[Array, Array, Array]
) -> Picture:
    """Theorem 3 with o(1) = 0.

    Left N for a bound below 1 against neurons; middle radius over depth; right radius over mu.

    `recorded` are cells of `covering`; `confidence` holds mu and r; `depth` holds d, r by phi and r
    by the product bound.
    """
    shapes = {"curve": BLUE, "surface": ORANGE}
    with axes(3, height=3.9, width=7.6) as (figure, (left, middle, right)):
        for shape, colour in shapes.items():
            cells = cells_where(recorded, shape=shape)
            neurons, needed = cells.neurons.values[0], cells.needed.values
            seeds.mean_and_range(left, neurons, needed, colour, "o-", middle=np.median)
        depths, steady, product = depth
        middle.plot(depths, steady, color=GREEN)
        middle.plot(depths, product, color=RED)
        right.plot(*confidence, color=GREEN)
        left.set(xscale="log", yscale="log", xlabel="neurons", title="N for a bound below 1")
        middle.set(yscale="log", xlabel="layers d", title="radius r", xticks=[3, 6, 9, 12])
        right.set(xlabel="μ, margin 1 − 2μ", ylim=(0, None), title="radius r")
        radii = [(GREEN, "by φ"), (RED, "by the product, norms 2")]
        entries = [(colour, shape) for shape, colour in shapes.items()]
        legends.below(figure, [*entries, *radii], columns=4)
        return finish(
            figure,
            "Samples that Theorem 3 asks for against neurons, and its radius against depth and "
            "confidence.",
        )


def _coloured(
    cells: xr.Dataset, frequencies: tuple[float, ...] = tuple(COLOURS)
) -> Iterator[tuple[xr.Dataset, str]]:
    """The runs of each frequency that there is, with its colour."""
    for frequency in frequencies:
        found = cells_where(cells, frequency=frequency)
        if found.sizes["cell"]:
            yield found, COLOURS[frequency]


Quantity = Callable[[xr.Dataset], xr.DataArray]


def _band(panel: Axes, cells: xr.Dataset, of: Quantity, colour: str, style: str = "-") -> None:
    """Median and range over seeds along epochs."""
    epoch = cells.epoch.values[0]
    known = np.isfinite(epoch)
    values = of(cells).values[:, known]
    seeds.mean_and_range(panel, epoch[known], values, colour, style, middle=np.median)


def _runs(panel: Axes, fresh: xr.Dataset, recorded: xr.Dataset, x: Quantity, y: Quantity) -> None:
    """A mark a run."""
    looks: tuple[Any, Any] = (
        {"markersize": 3.5, "alpha": 0.7},
        {"markersize": 7, "fillstyle": "none"},
    )
    for data, look in zip((recorded, fresh), looks, strict=True):
        for cells, colour in _coloured(data):
            panel.plot(x(cells), y(cells), "o", color=colour, **look)
