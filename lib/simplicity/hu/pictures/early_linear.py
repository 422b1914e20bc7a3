"""Pictures of a network beside its linear model: losses, sizes, settings, labels, the end."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from simplicity.grid.groups import cells_where
from simplicity.pictures import seeds, style, ticks
from simplicity.pictures.legends import below
from simplicity.pictures.style import BLUE, GREEN, INK, ORANGE, PURPLE, RED, Picture, axes, finish

Array = NDArray[np.floating]
NETWORK, MODEL = BLUE, RED  # as in the paper's figure
_COLOURS = (BLUE, ORANGE)  # of a pair of groups
CLOCK = "time / (d log d / η)"
_TIMES = (0.1, 0.3, 1, 3, 10, 30)  # ticks of a clock
_LEVELS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1)  # ticks of a gap


def first_figure(cells: xr.Dataset, plateau: tuple[float, float]) -> Picture:
    """Recorded: train and test losses of every teacher; right, outputs of one."""
    with axes(3, height=3.5) as (figure, (left, middle, right)):
        _both_losses(left, cells, "train")
        _both_losses(middle, cells, "test")
        _shown_outputs(right, cells.isel(cell=0))
        for panel in (left, middle, right):
            panel.axvspan(*plateau, color=INK, alpha=0.07, lw=0)
            _clock(panel)
        below(figure, [(NETWORK, "network"), (MODEL, "linear model")])
        about = "Losses and outputs at five inputs over time, of network and linear model."
        return finish(figure, about)


def _both_losses(panel: Axes, cells: xr.Dataset, name: str) -> None:
    for of, colour in ((f"{name}_linear", MODEL), (name, NETWORK)):
        panel.plot(cells.clock.T, cells[of].T, color=colour, alpha=0.8, lw=1.1)
    panel.set(ylim=(0, 0.5), title=f"{name} loss")


def _shown_outputs(panel: Axes, cell: xr.Dataset) -> None:
    for name, colour in (("model", MODEL), ("network", NETWORK)):
        panel.plot(cell.clock, cell[f"shown_{name}"], color=colour, lw=1.1)
    panel.set(title="outputs, five fresh inputs")


Pair = tuple[xr.Dataset, xr.Dataset]


def sizes(fresh: Pair, dims: Pair, widths: Pair) -> Picture:
    """rel_T against d, with a width that grows and with 16 neurons; right, against the width.

    `fresh` and `dims` are (grown, narrow), `widths` is (fresh, recorded).
    """
    with axes(2, height=3.6) as (figure, (left, right)):
        _against_dim(left, fresh, dims, "rel_train", "rel_T, n = 2 d^1.5")
        _against_width(right, widths)
        _levels(left)
        _levels(right)
        _legend(left, ("m grows as d^1.5, or as marked", "m = 16"), fresh, dims)
        about = "rel_T falls with d where the width grows, rises with 16 neurons, and falls with m."
        return finish(figure, about)


def _against_width(panel: Axes, widths: Pair) -> None:
    seeds.against(panel, *widths, "width", "rel_train", BLUE)
    panel.set(xlabel="m", title="rel_T, d = 50, n = 2000", xscale="log")
    ticks.only(panel.xaxis, (16, 64, 256, 1024, 4096))


def _against_dim(panel: Axes, fresh: Pair, recorded: Pair, name: str, title: str) -> None:
    """A variable against d, the first of each pair blue and the second orange."""
    for now, cells, colour in zip(fresh, recorded, _COLOURS, strict=True):
        seeds.against(panel, now, cells, "dim", name, colour)
    panel.set(xlabel="d", title=title, xscale="log")
    ticks.only(panel.xaxis, recorded[0].dim)


def _legend(panel: Axes, labels: tuple[str, str], fresh: Pair, recorded: Pair) -> None:
    """What the colours of `_against_dim` mean; seeds are told without the width of their runs."""
    first, full = (pair[0].drop_vars("width") for pair in (fresh, recorded))
    seeds.legend(panel, list(zip(_COLOURS, labels, strict=True)), first, full)


Row = tuple[Array, Array, float, str]  # fresh, recorded, bound of the criterion, colour
_RECORDED: dict[str, Any] = {"alpha": 0.6, "markersize": 4}
_FRESH: dict[str, Any] = {"fillstyle": "none", "markersize": 7}


def settings(rows: Mapping[str, Row], of: str = "rel_T, training samples") -> Picture:
    """A gap of settings, a row each: {name: (fresh, recorded, bound of the criterion, colour)}."""
    with axes(1, height=0.27 * len(rows) + 1.1) as (figure, (panel,)):
        heights = range(len(rows) - 1, -1, -1)
        for height, row in zip(heights, rows.values(), strict=True):
            _row(panel, height, row)
        panel.set_yticks(heights, rows)
        _gap_axis(panel, of)
        below(figure, page="", recorded="", more=_bar_entry(rows))
        return finish(figure, "The gap over the model's power for each setting and control.")


def _gap_axis(panel: Axes, of: str) -> None:
    panel.set(xscale="log", xlabel=of, xlim=(0.002, 3))
    ticks.only(panel.xaxis, _LEVELS)
    panel.grid(axis="y", alpha=style.FAINT, lw=0.5)


def _row(panel: Axes, height: int, row: Row) -> None:
    """A mark a seed, and a bar at the bound of the criterion where there is one."""
    fresh, recorded, bound, colour = row
    for values, look in ((recorded, _RECORDED), (fresh, _FRESH)):
        panel.plot(values, np.full(len(values), height), "o", color=colour, **look)
    if np.isfinite(bound):
        panel.plot([bound, bound], [height - 0.35, height + 0.35], color=INK, lw=1.2)


def _bar_entry(rows: Mapping[str, Row]) -> list[Line2D]:
    """What a bar means; nothing where no row has one."""
    if not any(np.isfinite(bound) for _, _, bound, _ in rows.values()):
        return []
    told = "criterion: below; in the controls above"
    return [Line2D([], [], color=INK, marker="|", markersize=10, ls="", label=told)]


def labels(kinds: Mapping[str, xr.Dataset], many: xr.Dataset) -> Picture:
    """Recorded, a line a seed: {name of the labels: runs up to T}; `many` are the last with more
    samples.

    Share of fresh labels that network and model explain; train loss of the network over the
    model's; D, and the power of the model.
    """
    coloured = dict(zip((GREEN, PURPLE, ORANGE), kinds.values(), strict=True))
    with axes(3, height=3.6) as (figure, (left, middle, right)):
        _explained(left, coloured)
        _over_the_model(middle, coloured, many)
        _gap_and_power(right, coloured)
        for panel in (left, middle, right):
            panel.set(xlabel=CLOCK, xlim=(0, None))
        more = [(INK, "linear model", "--"), (ORANGE, f"{int(many.n[0]):,} samples", ":")]
        below(figure, [*zip(coloured, kinds, strict=True), *more])
        about = "Explained share, train losses and gap over time for three kinds of labels."
        return finish(figure, about)


def _explained(panel: Axes, coloured: Mapping[str, xr.Dataset]) -> None:
    for colour, cells in coloured.items():
        _up_to_T(panel, cells, 1 - 2 * cells.test, colour)
        _up_to_T(panel, cells, 1 - 2 * cells.test_linear, colour, "--")
    panel.set(title="explained, fresh labels")


def _over_the_model(panel: Axes, coloured: Mapping[str, xr.Dataset], many: xr.Dataset) -> None:
    for colour, cells in coloured.items():
        _up_to_T(panel, cells, cells.train / cells.train_linear, colour)
    panel.plot(_time(many), (many.train / many.train_linear).T, color=ORANGE, lw=0.9, ls=":")
    panel.axhline(1, color=INK, lw=0.8, alpha=0.4)
    panel.set(title="train loss / the model's")


def _gap_and_power(panel: Axes, coloured: Mapping[str, xr.Dataset]) -> None:
    for colour, cells in coloured.items():
        _up_to_T(panel, cells, cells.gap_train, colour)
        _up_to_T(panel, cells, cells.power, colour, "--")
    panel.set(yscale="log", title="gap D; dashed: power")


def _up_to_T(
    panel: Axes, cells: xr.Dataset, values: xr.DataArray, colour: str, look: str = "-"
) -> None:
    """A line a seed over time."""
    panel.plot(_time(cells), values.T, look, color=colour, lw=0.9, alpha=0.8)


def product(fresh: Pair, full: Pair, lines: tuple[Array, tuple[Array, Array]]) -> Picture:
    """Share of the product explained against d, with a curve each of what is expected.

    `fresh` and `full` are (early, late); `lines` has places along d and both curves there.
    """
    with axes(1, height=3.6) as (figure, (panel,)):
        _against_dim(panel, fresh, full, "share", "share explained, fresh labels")
        _expected(panel, *lines)
        _levels(panel)
        _legend(panel, ("up to T", "up to T d / 16"), fresh, full)
        about = "The share explained up to T falls with d; in a time longer by a factor d it rises."
        return finish(figure, about)


def _expected(panel: Axes, places: Array, curves: tuple[Array, Array]) -> None:
    """A dashed curve of the first group and of the second."""
    for curve, colour in zip(curves, _COLOURS, strict=True):
        panel.plot(places, curve, color=colour, lw=0.9, ls="--")


def _time(cells: xr.Dataset) -> Array:
    """The times of runs of one setting, in units of d log d / step."""
    one = cells.isel(cell=0)
    return np.asarray(one.step * one.step_size / (one.dim * np.log(one.dim)))


def horizon(cells: xr.Dataset, judged: float) -> Picture:
    """Recorded: rel(t) on fresh samples, left on the clock, right against steps."""
    dims = np.unique(cells.dim.values)
    colours = dict(zip(dims.tolist(), (GREEN, BLUE, PURPLE, ORANGE), strict=False))
    with axes(2, height=3.4, sharey=True) as (figure, (left, right)):
        _rel_over(left, "clock", cells, colours)
        _rel_over(right, "step", cells, colours)
        right.set(xscale="log", xlabel="steps", title="the same, counted in steps")
        _judged_on_clock(left, judged)
        entries = [(colour, f"d = {dim}", "-") for dim, colour in colours.items()]
        below(figure, [*entries, (INK, "half of the step", ":")])
        return finish(figure, "How long the linear model holds, on the clock and in steps.")


def _rel_over(panel: Axes, time: str, cells: xr.Dataset, colours: Mapping[int, str]) -> None:
    """A line a run in the colour of its dimension; runs of half the step are dotted."""
    for k in range(cells.sizes["cell"]):
        cell = cells.isel(cell=k)
        look = ":" if cell.step_size < 0.19 * cell.dim else "-"
        panel.plot(cell[time], cell.rel, look, lw=1.0, alpha=0.8, color=colours[int(cell.dim)])


def _judged_on_clock(panel: Axes, judged: float) -> None:
    panel.axvline(judged, color=INK, alpha=0.5, lw=0.8, ls="--")
    panel.set(title="rel(t), fresh samples")
    _clock(panel)
    _levels(panel)


def parting(fresh: Pair, full: Pair) -> Picture:
    """rel_T and the time at which network and model have parted against d; (grown, fixed) width."""
    with axes(2, height=3.6) as (figure, (left, right)):
        _against_dim(left, fresh, full, "rel_at_T", "rel_T")
        _against_dim(right, fresh, full, "parted", "parted, time / (d log d / η)")
        _levels(left)
        right.set(ylim=(0, None))
        _legend(left, ("n = m = 2 d^1.5", f"m = {int(full[1].width[0])}"), fresh, full)
        about = "With a width that grows the gap falls and the time of parting rises with d."
        return finish(figure, about)


def exit_of_kernel(long: xr.Dataset, wide: xr.Dataset, short: xr.Dataset) -> Picture:
    """Recorded: change of the kernel; train losses of network, frozen kernel and model; and against
    d the `movement` of the weights of `short`, by T.
    """
    with axes(3, height=3.5) as (figure, (left, middle, right)):
        _change_of_kernel(left, long, wide)
        _losses_of_three(middle, long)
        _movement(right, short)
        entries = [
            (BLUE, f"network, m = {int(long.width[0])}"), (PURPLE, f"m = {int(wide.width[0])}"),
            (GREEN, "kernel frozen"), (RED, "linear model"),
        ]  # fmt: skip
        below(figure, entries)
        about = "Change of the tangent kernel, train losses, and movement of the weights."
        return finish(figure, about)


def _change_of_kernel(panel: Axes, long: xr.Dataset, wide: xr.Dataset) -> None:
    for cells, colour in ((long, BLUE), (wide, PURPLE)):
        panel.plot(cells.step.T, cells.change.T, color=colour, lw=1.1, alpha=0.8)
    panel.set(xscale="log", yscale="log", xlabel="steps", title="change of the kernel")


def _losses_of_three(panel: Axes, long: xr.Dataset) -> None:
    _means(panel, long, {"linear": RED, "frozen": GREEN, "network": BLUE})
    panel.set(xscale="log", yscale="log", xlabel="steps", title="train loss")


def _means(panel: Axes, cells: xr.Dataset, colours: Mapping[str, str]) -> None:
    """The mean over runs of each variable over steps."""
    for name, colour in colours.items():
        panel.plot(cells.step[0], cells[name].mean("cell"), color=colour)


def _movement(panel: Axes, short: xr.Dataset) -> None:
    panel.plot(short.dim, short.movement, "o", color=BLUE, alpha=0.7)
    panel.set(xscale="log", xlabel="d", title="‖W_T − W_0‖ / √(d log d)", ylim=(0, None))
    ticks.only(panel.xaxis, short.dim)


def with_a_mean(
    limits: xr.Dataset, multiples: Sequence[float], relu: xr.Dataset, judged: xr.Dataset
) -> Picture:
    """Recorded. Left: largest loss over the first against the step in units of the linear limit;
    middle: test losses on the target |x|/sqrt d of the `judged` runs over steps; right: gaps of the
    network to the model with and without the norm feature, against m.
    """
    with axes(3, height=3.6) as (figure, (left, middle, right)):
        _largest_losses(left, limits, multiples)
        _losses_on_norms(middle, judged)
        _gaps_at_the_end(right, relu)
        below(figure, _OF_A_MEAN)
        about = "Stable steps with erf and ReLU; learning the norm with two linear models."
        return finish(figure, about)


_OF_A_MEAN = (
    (BLUE, "erf network"), (ORANGE, "ReLU network"),
    (RED, "model with the norm feature"), (PURPLE, "naive model"),
)  # fmt: skip


def _largest_losses(panel: Axes, limits: xr.Dataset, multiples: Sequence[float]) -> None:
    for name, colour in (("erf", BLUE), ("relu", ORANGE)):
        shown = _cut(cells_where(limits, activation=name).largest.values)
        panel.plot(multiples, shown.T, color=colour, lw=0.8, alpha=0.5)
    panel.axvline(1, color=INK, lw=0.8, ls="--", alpha=0.6)
    panel.set(yscale="log", xlabel="step / (2n / ‖Θ₀‖)", title="largest loss / first, cut")


def _cut(largest: Array) -> Array:
    """Losses of 1e4 at most, which stands for runs that diverged (NaN) as well."""
    return np.nan_to_num(np.minimum(largest, 1e4), nan=1e4)


def _losses_on_norms(panel: Axes, judged: xr.Dataset) -> None:
    _means(panel, judged, {"naive": PURPLE, "predicted": RED, "network": ORANGE})
    panel.set(yscale="log", xscale="log", xlabel="steps", title="test loss, target ‖x‖/√d")


def _gaps_at_the_end(panel: Axes, relu: xr.Dataset) -> None:
    _end_against_width(panel, relu, "to_naive", PURPLE)
    _end_against_width(panel, relu, "to_predicted", RED)
    panel.set(xscale="log", yscale="log", xlabel="m", title="gap to a model, end")
    ticks.only(panel.xaxis, relu.width)
    panel.minorticks_off()


def _end_against_width(panel: Axes, cells: xr.Dataset, name: str, colour: str) -> None:
    """The last value of every seed, and the medians as a line."""
    last = cells.assign(end=cells[name].isel(time=-1))
    seeds.medians(panel, last, "width", "end", colour)
    panel.plot(last.width, last.end, "o", color=colour, alpha=0.5, markersize=3.5)


def _clock(panel: Axes) -> None:
    panel.set(xscale="log", xlabel=CLOCK)
    ticks.only(panel.xaxis, _TIMES)


def _levels(panel: Axes) -> None:
    panel.set(yscale="log")
    ticks.only(panel.yaxis, _LEVELS)
