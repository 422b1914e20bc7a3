"""Pictures of steady learners.

Both sides of the three corollaries, the product bound over depth, Theorem 3's radius.
"""

from collections.abc import Callable

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from simplicity.evidence.claims import cells_where
from simplicity.grid.groups import Runs
from simplicity.pictures import seeds
from simplicity.pictures.style import BLUE, GREEN, INK, ORANGE, PURPLE, RED, Picture, axes, finish

Array = NDArray[np.floating]
COLOURS = dict(zip((0.25, 0.5, 0.75, 1.0), (GREEN, BLUE, PURPLE, RED), strict=True))


def constants(fresh: xr.Dataset, recorded: xr.Dataset, tau: int) -> Picture:
    """Corollary 1, against epochs.

    Left: largest local constant of a training point over phi; right: phi and the product.
    """
    with axes(2, height=4.0) as (figure, (left, right)):
        for frequency, colour in COLOURS.items():
            cells = cells_where(recorded, frequency=frequency)
            _band(left, cells, lambda one: one.largest / one.phi, colour)
            right.plot(cells["product"], cells.phi, "o", color=colour, alpha=0.6, markersize=3.5)
            page = cells_where(fresh, frequency=frequency)
            right.plot(
                page["product"],
                page.phi,
                "o",
                color=colour,
                fillstyle="none",
                markersize=7,
                markeredgewidth=1,
            )
        ends = [float(recorded["product"].min()), float(recorded["product"].max())]
        right.plot(ends, ends, color=INK, alpha=0.5, lw=0.8, ls=":")
        left.axhline(1, color=INK, lw=0.9)
        left.axvline(tau, color=INK, alpha=0.5, lw=0.8, ls=":")
        left.set(
            xscale="log",
            yscale="log",
            xlabel="epochs; dotted: τ",
            title="largest λ of a training point / φ",
        )
        right.set(
            xscale="log",
            yscale="log",
            xlabel="product of the layers' norms at the end",
            title="φ of the steps from τ on",
        )
        _plain(right, (0.5, 1, 2, 5, 10, 20), (0.5, 1, 2, 5))
        _under(figure, fresh=True)
        return finish(
            figure,
            "Largest local constant over phi against epochs, and phi against the product bound.",
        )


def variances(fresh: xr.Dataset, recorded: xr.Dataset) -> Picture:
    """Corollary 2: the variance of the bias.

    Against the bound's expression, and over the misfit against lambda.
    """
    with axes(2, height=4.0) as (figure, (left, right)):
        for frequency, colour in COLOURS.items():
            for data, look in (
                (recorded, {"markersize": 3.5, "alpha": 0.7}),
                (fresh, {"fillstyle": "none", "markersize": 7}),
            ):
                cells = cells_where(data, frequency=frequency)
                left.plot(cells.scale, cells.variance, "o", color=colour, **look)
                right.plot(
                    cells.slope_late, cells.variance / cells.misfit, "o", color=colour, **look
                )
        left.set(
            xscale="log",
            yscale="log",
            xlabel="(α λ)² / c, the bound without its constant",
            title="variance of the bias",
        )
        right.set(
            xscale="log",
            yscale="log",
            xlabel="λ, mean over training points",
            title="variance of the bias / mean of ε²",
        )
        _plain(right, (0.2, 0.5, 1, 2), ())
        _under(figure, fresh=True)
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
        for frequency in (0.25, 1.0):
            cells, colour = cells_where(recorded, frequency=frequency), COLOURS[frequency]
            _band(left, cells, lambda one: one.distance, colour)
            _band(left, cells, lambda one: one.bound, colour, ls="--")
            _band(left, cells, lambda one: one.bound_smallest, colour, ls=":", band=False)
        for frequency, colour in COLOURS.items():
            _band(
                right,
                cells_where(recorded, frequency=frequency),
                lambda one: one.bound / one.distance,
                colour,
            )
        right.axhline(1, color=INK, lw=0.9)
        left.set(
            xscale="log",
            yscale="log",
            xlabel="epochs",
            title="distance of b₁ from its start, and bounds",
        )
        right.set(xscale="log", yscale="log", xlabel="epochs", title="bound / distance")
        _plain(right, (), (1, 3, 10, 30, 100, 300))
        entries = [(INK, "distance", "-"), (INK, "bound", "--"), (INK, "with the smallest ε", ":")]
        _under(figure, fresh=False, more=entries)
        return finish(
            figure,
            "Distance of the first bias from its start, the bound of Corollary 3, and their ratio "
            "over epochs.",
        )


def products(fresh: Runs, recorded: Runs) -> Picture:
    """Product of the layers' norms over the largest sampled constant, against depth."""
    with axes(1, height=3.7) as (figure, (panel,)):
        for kind, colour, name in (
            ("random", ORANGE, "untrained"),
            ("linear", BLUE, "aligned, orthogonal, linear"),
        ):
            for data, recording in ((recorded, True), (fresh, False)):
                cells = data[kind]
                ratio = (cells["product"] / cells.largest).values
                place = cells.depth.values + seeds.spread(len(ratio), 0.15) * recording
                seeds.marks(panel, place, ratio, colour, recording)
            cells = recorded[kind]
            depths = np.unique(cells.depth.values)
            middle = [_ratio_at(cells, depth) for depth in depths]
            panel.plot(depths, middle, color=colour, label=f"{name}: median")
        panel.set(
            yscale="log",
            xlabel="layers d",
            xticks=depths,
            title="product of the layers' norms / largest sampled constant",
        )
        figure.legend(loc="outside lower center", ncols=2, handlelength=1.4)
        return finish(figure, "The ratio of product bound to sampled constant against depth.")


def generalisation(
    recorded: xr.Dataset, confidence: tuple[Array, Array], depth: tuple[Array, Array, Array]
) -> Picture:
    """Theorem 3 with o(1) = 0.

    Left N for a bound below 1 against neurons; middle radius over depth; right radius over mu.

    `recorded` are cells of `covering`; `confidence` holds mu and r; `depth` holds d, r by phi and r
    by the product bound.
    """
    with axes(3, height=3.9, width=7.6) as (figure, (left, middle, right)):
        for shape, colour in (("curve", BLUE), ("surface", ORANGE)):
            cells = cells_where(recorded, shape=shape)
            needed = cells.needed.values
            left.plot(cells.neurons.values[0], np.median(needed, axis=0), "o-", color=colour)
            left.fill_between(
                cells.neurons.values[0],
                needed.min(axis=0),
                needed.max(axis=0),
                color=colour,
                alpha=0.15,
                lw=0,
            )
        depths, steady, product = depth
        middle.plot(depths, steady, color=GREEN)
        middle.plot(depths, product, color=RED)
        mu, radius = confidence
        right.plot(mu, radius, color=GREEN)
        left.set(xscale="log", yscale="log", xlabel="neurons", title="N for a bound below 1")
        middle.set(yscale="log", xlabel="layers d", title="radius r", xticks=[3, 6, 9, 12])
        right.set(xlabel="μ, margin 1 − 2μ", ylim=(0, None), title="radius r")
        entries = [
            (BLUE, "curve", "-"),
            (ORANGE, "surface", "-"),
            (GREEN, "by φ", "-"),
            (RED, "by the product, norms 2", "-"),
        ]
        handles = [
            Line2D([], [], color=colour, label=label, ls=style) for colour, label, style in entries
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=4, handlelength=1.4)
        return finish(
            figure,
            "Samples that Theorem 3 asks for against neurons, and its radius against depth and "
            "confidence.",
        )


def _band(
    panel: Axes,
    cells: xr.Dataset,
    of: Callable[[xr.Dataset], xr.DataArray],
    colour: str,
    ls: str = "-",
    band: bool = True,
) -> None:
    """Median and range over seeds along epochs."""
    if cells.sizes["cell"] == 0:
        return
    epoch = cells.epoch.values[0]
    known = np.isfinite(epoch)
    values = of(cells).values[:, known]
    panel.plot(epoch[known], np.median(values, axis=0), color=colour, ls=ls)
    if band:
        panel.fill_between(
            epoch[known], values.min(axis=0), values.max(axis=0), color=colour, alpha=0.13, lw=0
        )


def _ratio_at(cells: xr.Dataset, depth: int) -> float:
    one = cells_where(cells, depth=depth)
    return float(np.median(one["product"] / one.largest))


def _plain(panel: Axes, x: tuple[float, ...], y: tuple[float, ...]) -> None:
    """Plain numbers at these places of log axes."""
    for ticks, axis in ((x, panel.xaxis), (y, panel.yaxis)):
        if ticks:
            low, high = sorted(axis.get_view_interval())
            axis.set_ticks(
                [one for one in ticks if low <= one <= high],
                [f"{one:g}" for one in ticks if low <= one <= high],
            )
            axis.set_ticks([], minor=True)


def _under(figure: Figure, *, fresh: bool, more: list[tuple[str, str, str]] | None = None) -> None:
    handles = [
        Line2D([], [], color=colour, label=f"f = {frequency:g}")
        for frequency, colour in COLOURS.items()
    ]
    handles += [
        Line2D([], [], color=colour, label=label, ls=style) for colour, label, style in more or []
    ]
    if fresh:
        handles.append(
            Line2D(
                [],
                [],
                color=INK,
                marker="o",
                ls="",
                fillstyle="none",
                markersize=6,
                label="this page",
            )
        )
        handles.append(
            Line2D([], [], color=INK, marker="o", ls="", markersize=3.5, label="recorded")
        )
    columns = len(handles) if len(handles) <= 4 else 4
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, handlelength=1.6)
