"""Pictures of steady learners.

Both sides of the three corollaries, the product bound over depth, Theorem 3's radius.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from numpy.typing import NDArray

from simplicity.grid.groups import Runs, cells_where
from simplicity.pictures import legends, seeds, ticks
from simplicity.pictures.style import BLUE, GREEN, INK, ORANGE, PURPLE, RED, Picture, axes, finish

Array = NDArray[np.floating]
COLOURS = dict(zip((0.25, 0.5, 0.75, 1.0), (GREEN, BLUE, PURPLE, RED), strict=True))
FREQUENCIES = [(colour, f"f = {frequency:g}") for frequency, colour in COLOURS.items()]
SHAPES = {"curve": BLUE, "surface": ORANGE}
KINDS = {"random": (ORANGE, "untrained"), "linear": (BLUE, "aligned, orthogonal, linear")}
SIDES = (  # of Corollary 3: name, style, variable
    ("distance", "-", "distance"), ("bound", "--", "bound"),
    ("with the smallest ε", ":", "bound_smallest"),
)  # fmt: skip
RECORDED: dict[str, Any] = {"markersize": 3.5, "alpha": 0.7}
FRESH: dict[str, Any] = {"markersize": 7, "fillstyle": "none"}

Quantity = Callable[[xr.Dataset], xr.DataArray]


def constants(fresh: xr.Dataset, recorded: xr.Dataset, tau: int) -> Picture:
    """Corollary 1, against epochs.

    Left: largest local constant of a training point over phi; right: phi and the product.
    """
    with axes(2, height=4.0) as (figure, (left, right)):
        _largest(left, recorded, tau)
        _phi(right, fresh, recorded)
        legends.below(figure, FREQUENCIES, page="", recorded="")
        return finish(
            figure,
            "Largest local constant over phi against epochs, and phi against the product bound.",
        )


def _largest(panel: Axes, recorded: xr.Dataset, tau: int) -> None:
    """The largest local constant over phi."""
    for cells, colour in _coloured(recorded):
        _band(panel, cells, cells.largest / cells.phi, colour)
    panel.axhline(1, color=INK, lw=0.9)
    panel.axvline(tau, color=INK, alpha=0.5, lw=0.8, ls=":")
    _log_log(panel, "epochs; dotted: τ", "largest λ of a training point / φ")


def _phi(panel: Axes, fresh: xr.Dataset, recorded: xr.Dataset) -> None:
    """Phi against the product of the norms, with the line where both are equal."""
    _runs(panel, fresh, recorded, lambda one: one["product"], lambda one: one.phi)
    _diagonal(panel, recorded["product"].values)
    _log_log(panel, "product of the layers' norms at the end", "φ of the steps from τ on")
    ticks.only(panel.xaxis)
    ticks.only(panel.yaxis, (0.5, 1, 2, 5))


def _diagonal(panel: Axes, values: Array) -> None:
    """Where both axes are equal, over the range of the values."""
    ends = [values.min(), values.max()]
    panel.plot(ends, ends, color=INK, alpha=0.5, lw=0.8, ls=":")


def variances(fresh: xr.Dataset, recorded: xr.Dataset) -> Picture:
    """Corollary 2: the variance of the bias.

    Against the bound's expression, and over the misfit against lambda.
    """
    with axes(2, height=4.0) as (figure, (left, right)):
        _bounds(left, fresh, recorded)
        _misfits(right, fresh, recorded)
        legends.below(figure, FREQUENCIES, page="", recorded="")
        return finish(
            figure,
            "Variance of the bias at the end of training against the bound's expression and "
            "against lambda.",
        )


def _bounds(panel: Axes, fresh: xr.Dataset, recorded: xr.Dataset) -> None:
    """The variance against the bound's expression."""
    _runs(panel, fresh, recorded, lambda one: one.scale, lambda one: one.variance)
    _log_log(panel, "(α λ)² / c, the bound without its constant", "variance of the bias")


def _misfits(panel: Axes, fresh: xr.Dataset, recorded: xr.Dataset) -> None:
    """The variance over the misfit against lambda."""
    _runs(panel, fresh, recorded, lambda one: one.slope_late, lambda one: one.variance / one.misfit)
    _log_log(panel, "λ, mean over training points", "variance of the bias / mean of ε²")
    ticks.only(panel.xaxis)


def distances(recorded: xr.Dataset) -> Picture:
    """Corollary 3, over epochs.

    Left: both sides for the lowest and the highest frequency; right: their ratio for all.
    """
    with axes(2, height=4.0) as (figure, (left, right)):
        _sides(left, recorded)
        _ratio(right, recorded)
        sides = [(INK, name, style) for name, style, _ in SIDES]
        legends.below(figure, [*FREQUENCIES, *sides], columns=4)
        return finish(
            figure,
            "Distance of the first bias from its start, the bound of Corollary 3, and their ratio "
            "over epochs.",
        )


def _sides(panel: Axes, recorded: xr.Dataset) -> None:
    """`SIDES` for the lowest and the highest frequency."""
    for cells, colour in _coloured(recorded, (0.25, 1.0)):
        for _, style, variable in SIDES:
            _band(panel, cells, cells[variable], colour, style)
    _log_log(panel, "epochs", "distance of b₁ from its start, and bounds")


def _ratio(panel: Axes, recorded: xr.Dataset) -> None:
    """Bound over distance."""
    for cells, colour in _coloured(recorded):
        _band(panel, cells, cells.bound / cells.distance, colour)
    panel.axhline(1, color=INK, lw=0.9)
    _log_log(panel, "epochs", "bound / distance")
    ticks.only(panel.yaxis, (1, 3, 10, 30, 100, 300))


def products(fresh: Runs, recorded: Runs) -> Picture:
    """Product of the layers' norms over the largest sampled constant, against depth."""
    with axes(1, height=3.7) as (figure, (panel,)):
        for kind, (colour, _) in KINDS.items():
            _ratios(panel, recorded[kind], colour, True)
            _ratios(panel, fresh[kind], colour, False)
        panel.set(
            yscale="log",
            xlabel="layers d",
            xticks=np.unique(recorded["linear"].depth.values),
            title="product of the layers' norms / largest sampled constant",
        )
        legends.below(figure, KINDS.values(), page="", recorded=": seeds, median")
        return finish(figure, "The ratio of product bound to sampled constant against depth.")


def _ratios(panel: Axes, cells: xr.Dataset, colour: str, recorded: bool) -> None:
    """The ratio of each run against depth, and the medians of recorded ones."""
    cells = cells.assign(ratio=cells["product"] / cells.largest)
    shift = seeds.spread(cells.sizes["cell"], 0.15) * recorded
    seeds.marks(panel, cells.depth.values + shift, cells.ratio.values, colour, recorded)
    if recorded:
        seeds.medians(panel, cells, "depth", "ratio", colour)


def generalisation(
    recorded: xr.Dataset, confidence: tuple[Array, Array], depth: tuple[Array, Array, Array]
) -> Picture:
    """Theorem 3 with o(1) = 0.

    Left N for a bound below 1 against neurons; middle radius over depth; right radius over mu.

    `recorded` are cells of `covering`; `confidence` holds mu and r; `depth` holds d, r by phi and r
    by the product bound.
    """
    with axes(3, height=3.9, width=7.6) as (figure, (left, middle, right)):
        _samples(left, recorded)
        _radii(middle, *depth)
        _confidence(right, *confidence)
        radii = [(GREEN, "by φ"), (RED, "by the product, norms 2")]
        entries = [(colour, shape) for shape, colour in SHAPES.items()]
        legends.below(figure, [*entries, *radii], columns=4)
        return finish(
            figure,
            "Samples that Theorem 3 asks for against neurons, and its radius against depth and "
            "confidence.",
        )


def _samples(panel: Axes, recorded: xr.Dataset) -> None:
    """N for a bound below 1, for data on a curve and on a surface."""
    for shape, colour in SHAPES.items():
        cells = cells_where(recorded, shape=shape)
        neurons, needed = cells.neurons.values[0], cells.needed.values
        seeds.mean_and_range(panel, neurons, needed, colour, "o-", middle=np.median)
    _log_log(panel, "neurons", "N for a bound below 1")


def _confidence(panel: Axes, mu: Array, radius: Array) -> None:
    """The radius over mu."""
    panel.plot(mu, radius, color=GREEN)
    panel.set(xlabel="μ, margin 1 − 2μ", ylim=(0, None), title="radius r")


def _radii(panel: Axes, depths: Array, steady: Array, product: Array) -> None:
    """The radius by phi and by the product bound."""
    panel.plot(depths, steady, color=GREEN)
    panel.plot(depths, product, color=RED)
    panel.set(yscale="log", xlabel="layers d", title="radius r", xticks=[3, 6, 9, 12])


def _coloured(
    cells: xr.Dataset, frequencies: tuple[float, ...] = tuple(COLOURS)
) -> Iterator[tuple[xr.Dataset, str]]:
    """The runs of each frequency that there is, with its colour."""
    for frequency in frequencies:
        found = cells_where(cells, frequency=frequency)
        if found.sizes["cell"]:
            yield found, COLOURS[frequency]


def _band(
    panel: Axes, cells: xr.Dataset, values: xr.DataArray, colour: str, style: str = "-"
) -> None:
    """Median and range over seeds along epochs."""
    epoch = cells.epoch.values[0]
    known = np.isfinite(epoch)
    seeds.mean_and_range(
        panel, epoch[known], values.values[:, known], colour, style, middle=np.median
    )


def _runs(panel: Axes, fresh: xr.Dataset, recorded: xr.Dataset, x: Quantity, y: Quantity) -> None:
    """A mark a run."""
    for data, look in ((recorded, RECORDED), (fresh, FRESH)):
        for cells, colour in _coloured(data):
            panel.plot(x(cells), y(cells), "o", color=colour, **look)


def _log_log(panel: Axes, xlabel: str, title: str) -> None:
    panel.set(xscale="log", yscale="log", xlabel=xlabel, title=title)
