"""Pictures of a network beside its linear model: over time, size, settings and labels, and how it
ends.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from simplicity.evidence.claims import cells_where
from simplicity.hu.early_linear import LINE, REACH
from simplicity.pictures import seeds, style, ticks
from simplicity.pictures.legends import below
from simplicity.pictures.player import Panel, Player
from simplicity.pictures.style import BLUE, GREEN, INK, ORANGE, PURPLE, RED, Picture, axes, finish
from simplicity.pictures.tracks import Dots, Line, Note, Track, nearest, points

Array = NDArray[np.floating]
NETWORK, MODEL = BLUE, RED  # as in the paper's figure
_PLATEAU = 2.0  # in units of d log d / eta: network and model are still together
_CLOCK = "time / (d log d / η)"
_TIMES = (0.1, 0.3, 1, 3, 10, 30)  # ticks of a clock
_LEVELS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1)  # ticks of a gap


def over_time(line: xr.Dataset, spectrum: xr.Dataset) -> Player:
    """One run each: outputs along a line, parts along principal directions, and both losses.

    `line` and `spectrum` are single cells of `first_figure` with pictures.
    """
    panels = [_outputs(line), _components(spectrum), _losses(line)]
    labels = [
        f"step {int(step)}, {clock:.2g} times d log d / η"
        for step, clock in zip(line.step, line.clock, strict=True)
    ]
    about = "Network and linear model over training: outputs on a line, learned parts, and losses."
    start = nearest(line.clock, _PLATEAU)
    return Player(panels, labels, about, "steps", milliseconds=450, start=start)


def _outputs(line: xr.Dataset) -> Panel:
    places = np.linspace(-REACH, REACH, LINE)
    network, model = (points(places, line[f"line_{name}"]) for name in ("network", "model"))
    tracks: list[Track] = [
        Dots("labels", points(places, line.line_label), INK, 2.0, 0.35),
        Line("network at the end", network[-1:], NETWORK, 1.2, 0.5, "3 3"),
        Line("linear model", model, MODEL, 2.2),
        Line("network", network, NETWORK, 2.2),
    ]
    return Panel(
        "outputs on a line", (-REACH, REACH), (-1.9, 1.9), tracks, "⟨x, u⟩", "",
        ticks.at(range(-3, 4)), ticks.at((-1, 0, 1)), width=300, height=300,
    )  # fmt: skip


def _components(spectrum: xr.Dataset) -> Panel:
    parts, wanted = np.arange(spectrum.sizes["component"]), np.abs(spectrum.wanted)
    network, model = (np.abs(spectrum[f"learned_{name}"]) for name in ("network", "model"))
    tracks: list[Track] = [
        Dots("labels' part", points(parts, wanted), INK, 2.6, 0.4, hollow=True),
        Line("linear model", points(parts, model), MODEL, 1.4),
        Dots("network", points(parts, network), NETWORK, 2.4),
    ]
    top = 1.1 * float(wanted.max())
    return Panel(
        "learned, by principal direction", (-1, len(parts)), (0, top), tracks,
        "direction by variance", "", ticks.at((1, 10, 20, 30, 40, 50), place=lambda part: part - 1),
        ticks.at(np.arange(0, top, 0.1), ".1f"), width=300, height=300,
    )  # fmt: skip


def _losses(cell: xr.Dataset) -> Panel:
    clock = np.log10(cell.clock.values)
    left, right = float(clock[0]), float(clock[-1])
    tracks: list[Track] = [
        Line(name, points(clock, cell[of]), colour, 1.6, dashes=dashes)
        for name, of, colour, dashes in (
            ("", "train_linear", MODEL, ""), ("", "test_linear", MODEL, "4 3"),
            ("", "train", NETWORK, ""), ("test loss", "test", NETWORK, "4 3"),
        )
    ]  # fmt: skip
    now = [np.array([[x, 0.0], [x, 0.5]]) for x in clock]
    tracks.append(Line("", now, INK, 1.0, 0.5, "3 3"))
    for height, name, of in ((0.04, "model", "test_linear"), (0.08, "network", "test")):
        told = [f"{name}: {value:.3f}" for value in cell[of].values]
        tracks.append(Note(told, (left + 0.1, height)))
    return Panel(
        "losses", (left, right), (0, 0.5), tracks, _CLOCK, "",
        ticks.at((0.1, 1, 10, 50), place=np.log10), ticks.at((0, 0.1, 0.2, 0.3, 0.4, 0.5), ".1f"),
        width=280, height=300,
    )  # fmt: skip


def first_figure(cells: xr.Dataset, plateau: tuple[float, float]) -> Picture:
    """Recorded: train and test losses of every teacher; right, outputs of one."""
    one = cells.isel(cell=0)
    with axes(3, height=3.5) as (figure, (left, middle, right)):
        for panel, name in ((left, "train"), (middle, "test")):
            for of, colour in ((f"{name}_linear", MODEL), (name, NETWORK)):
                panel.plot(cells.clock.T, cells[of].T, color=colour, alpha=0.8, lw=1.1)
            panel.set(ylim=(0, 0.5), title=f"{name} loss")
        for outputs, colour in ((one.shown_model, MODEL), (one.shown_network, NETWORK)):
            right.plot(one.clock, outputs, color=colour, lw=1.1)
        right.set(title="outputs, five fresh inputs")
        for panel in (left, middle, right):
            panel.axvspan(*plateau, color=INK, alpha=0.07, lw=0)
            _clock(panel)
        below(figure, [(NETWORK, "network"), (MODEL, "linear model")])
        about = "Losses and outputs at five inputs over time, of network and linear model."
        return finish(figure, about)


Pair = tuple[xr.Dataset, xr.Dataset]


def sizes(fresh: Pair, dims: Pair, widths: Pair) -> Picture:
    """rel_T against d, with a width that grows and with 16 neurons; right, against the width.

    `fresh` and `dims` are (grown, narrow), `widths` is (fresh, recorded).
    """
    with axes(2, height=3.6) as (figure, (left, right)):
        _against_dim(left, fresh, dims, "rel_train", "rel_T, n = 2 d^1.5")
        seeds.against(right, *widths, "width", "rel_train", BLUE)
        right.set(xlabel="m", title="rel_T, d = 50, n = 2000", xscale="log")
        ticks.only(right.xaxis, (16, 64, 256, 1024, 4096))
        _levels(left)
        _levels(right)
        entries = [(BLUE, "m grows as d^1.5, or as marked"), (ORANGE, "m = 16")]
        seeds.legend(left, entries, fresh[0].drop_vars("width"), dims[0].drop_vars("width"))
        about = "rel_T falls with d where the width grows, rises with 16 neurons, and falls with m."
        return finish(figure, about)


def _against_dim(panel: Axes, fresh: Pair, recorded: Pair, name: str, title: str) -> None:
    """A variable against d, the first of each pair blue and the second orange."""
    for now, cells, colour in zip(fresh, recorded, (BLUE, ORANGE), strict=True):
        seeds.against(panel, now, cells, "dim", name, colour)
    panel.set(xlabel="d", title=title, xscale="log")
    ticks.only(panel.xaxis, np.unique(recorded[0].dim.values))


_RECORDED: dict[str, Any] = {"alpha": 0.6, "markersize": 4}
_FRESH: dict[str, Any] = {"fillstyle": "none", "markersize": 7}


def settings(
    rows: Mapping[str, tuple[Array, Array, float, str]], of: str = "rel_T, training samples"
) -> Picture:
    """A gap of settings, a row each: {name: (fresh, recorded, bound of the criterion, colour)}."""
    with axes(1, height=0.27 * len(rows) + 1.1) as (figure, (panel,)):
        heights = range(len(rows) - 1, -1, -1)
        for height, (fresh, recorded, bound, colour) in zip(heights, rows.values(), strict=True):
            for values, look in ((recorded, _RECORDED), (fresh, _FRESH)):
                panel.plot(values, np.full(len(values), height), "o", color=colour, **look)
            if np.isfinite(bound):
                panel.plot([bound, bound], [height - 0.35, height + 0.35], color=INK, lw=1.2)
        panel.set_yticks(heights, rows)
        panel.set(xscale="log", xlabel=of, xlim=(0.002, 3))
        ticks.only(panel.xaxis, _LEVELS)
        panel.grid(axis="y", alpha=style.FAINT, lw=0.5)
        judged = any(np.isfinite(bound) for _, _, bound, _ in rows.values())
        told = "criterion: below; in the controls above"
        bar = Line2D([], [], color=INK, marker="|", markersize=10, ls="", label=told)
        below(figure, page="", recorded="", more=[bar] if judged else [])
        return finish(figure, "The gap over the model's power for each setting and control.")


def labels(kinds: Mapping[str, xr.Dataset], many: xr.Dataset) -> Picture:
    """Recorded, a line a seed: {name of the labels: runs up to T}; `many` are the last with more
    samples.

    Share of fresh labels that network and model explain; train loss of the network over the
    model's; D, and the power of the model.
    """
    with axes(3, height=3.6) as (figure, (left, middle, right)):
        colours = dict(zip(kinds, (GREEN, PURPLE, ORANGE), strict=True))
        for name, cells in kinds.items():
            for panel, values, look in (
                (left, 1 - 2 * cells.test, "-"),
                (left, 1 - 2 * cells.test_linear, "--"),
                (middle, cells.train / cells.train_linear, "-"),
                (right, cells.gap_train, "-"),
                (right, cells.power, "--"),
            ):
                panel.plot(_time(cells), values.T, look, color=colours[name], lw=0.9, alpha=0.8)
        middle.plot(_time(many), (many.train / many.train_linear).T, color=ORANGE, lw=0.9, ls=":")
        middle.axhline(1, color=INK, lw=0.8, alpha=0.4)
        left.set(title="explained, fresh labels")
        middle.set(title="train loss / the model's")
        right.set(yscale="log", title="gap D; dashed: power")
        for panel in (left, middle, right):
            panel.set(xlabel=_CLOCK, xlim=(0, None))
        more = [(INK, "linear model", "--"), (ORANGE, f"{int(many.n[0]):,} samples", ":")]
        below(figure, [*((colour, name) for name, colour in colours.items()), *more])
        about = "Explained share, train losses and gap over time for three kinds of labels."
        return finish(figure, about)


def product(fresh: Pair, full: Pair, lines: tuple[Array, tuple[Array, Array]]) -> Picture:
    """Share of the product explained against d, with a curve each of what is expected.

    `fresh` and `full` are (early, late); `lines` has places along d and both curves there.
    """
    places, curves = lines
    with axes(1, height=3.6) as (figure, (panel,)):
        _against_dim(panel, fresh, full, "share", "share explained, fresh labels")
        for curve, colour in zip(curves, (BLUE, ORANGE), strict=True):
            panel.plot(places, curve, color=colour, lw=0.9, ls="--")
        _levels(panel)
        entries = [(BLUE, "up to T"), (ORANGE, "up to T d / 16")]
        seeds.legend(panel, entries, fresh[0].drop_vars("width"), full[0].drop_vars("width"))
        about = "The share explained up to T falls with d; in a time longer by a factor d it rises."
        return finish(figure, about)


def _time(cells: xr.Dataset) -> Array:
    """The times of runs of one setting, in units of d log d / step."""
    one = cells.isel(cell=0)
    return np.asarray(one.step * one.step_size / (one.dim * np.log(one.dim)))


def horizon(cells: xr.Dataset, judged: float) -> Picture:
    """Recorded: rel(t) on fresh samples, left on the clock, right against steps."""
    dims = np.unique(cells.dim.values)
    colours = dict(zip(dims.tolist(), (GREEN, BLUE, PURPLE, ORANGE), strict=False))
    with axes(2, height=3.4, sharey=True) as (figure, (left, right)):
        for k in range(cells.sizes["cell"]):
            cell = cells.isel(cell=k)
            slow = cell.step_size < 0.19 * cell.dim
            look: dict[str, Any] = {"color": colours[int(cell.dim)], "ls": ":" if slow else "-"}
            for panel, time in ((left, cell.clock), (right, cell.step)):
                panel.plot(time, cell.rel, lw=1.0, alpha=0.8, **look)
        left.axvline(judged, color=INK, alpha=0.5, lw=0.8, ls="--")
        left.set(title="rel(t), fresh samples")
        right.set(xscale="log", xlabel="steps", title="the same, counted in steps")
        _clock(left)
        _levels(left)
        entries = [(colour, f"d = {dim}", "-") for dim, colour in colours.items()]
        below(figure, [*entries, (INK, "half of the step", ":")])
        return finish(figure, "How long the linear model holds, on the clock and in steps.")


def parting(fresh: Pair, full: Pair) -> Picture:
    """rel_T and the time at which network and model have parted against d; (grown, fixed) width."""
    with axes(2, height=3.6) as (figure, (left, right)):
        _against_dim(left, fresh, full, "rel_at_T", "rel_T")
        _against_dim(right, fresh, full, "parted", "parted, time / (d log d / η)")
        _levels(left)
        right.set(ylim=(0, None))
        entries = [(BLUE, "n = m = 2 d^1.5"), (ORANGE, f"m = {int(full[1].width[0])}")]
        seeds.legend(left, entries, fresh[0].drop_vars("width"), full[0].drop_vars("width"))
        about = "With a width that grows the gap falls and the time of parting rises with d."
        return finish(figure, about)


def exit_of_kernel(long: xr.Dataset, wide: xr.Dataset, short: xr.Dataset) -> Picture:
    """Recorded: change of the kernel; train losses of network, frozen kernel and model; and against
    d the `movement` of the weights of `short`, by T.
    """
    with axes(3, height=3.5) as (figure, (left, middle, right)):
        for cells, colour in ((long, BLUE), (wide, PURPLE)):
            left.plot(cells.step.T, cells.change.T, color=colour, lw=1.1, alpha=0.8)
        for name, colour in (("linear", RED), ("frozen", GREEN), ("network", BLUE)):
            middle.plot(long.step[0], long[name].mean("cell"), color=colour)
        right.plot(short.dim, short.movement, "o", color=BLUE, alpha=0.7)
        left.set(xscale="log", yscale="log", xlabel="steps", title="change of the kernel")
        middle.set(xscale="log", yscale="log", xlabel="steps", title="train loss")
        right.set(xscale="log", xlabel="d", title="‖W_T − W_0‖ / √(d log d)", ylim=(0, None))
        ticks.only(right.xaxis, np.unique(short.dim))
        entries = [
            (BLUE, f"network, m = {int(long.width[0])}"), (PURPLE, f"m = {int(wide.width[0])}"),
            (GREEN, "kernel frozen"), (RED, "linear model"),
        ]  # fmt: skip
        below(figure, entries)
        about = "Change of the tangent kernel, train losses, and movement of the weights."
        return finish(figure, about)


def with_a_mean(
    limits: xr.Dataset, multiples: Sequence[float], relu: xr.Dataset, judged: xr.Dataset
) -> Picture:
    """Recorded. Left: largest loss over the first against the step in units of the linear limit;
    middle: test losses on the target |x|/sqrt d of the `judged` runs over steps; right: gaps of the
    network to the model with and without the norm feature, against m.
    """
    with axes(3, height=3.6) as (figure, (left, middle, right)):
        for name, colour in (("erf", BLUE), ("relu", ORANGE)):
            largest = np.minimum(cells_where(limits, activation=name).largest.values, 1e4)
            shown = np.nan_to_num(largest, nan=1e4)  # NaN: diverged
            left.plot(multiples, shown.T, color=colour, lw=0.8, alpha=0.5)
        left.axvline(1, color=INK, lw=0.8, ls="--", alpha=0.6)
        for name, colour in (("naive", PURPLE), ("predicted", RED), ("network", ORANGE)):
            middle.plot(judged.step[0], judged[name].mean("cell"), color=colour)
        for name, colour in (("to_naive", PURPLE), ("to_predicted", RED)):
            last = relu.assign(end=relu[name].isel(time=-1))
            seeds.medians(right, last, "width", "end", colour)
            right.plot(last.width, last.end, "o", color=colour, alpha=0.5, markersize=3.5)
        left.set(yscale="log", xlabel="step / (2n / ‖Θ₀‖)", title="largest loss / first, cut")
        middle.set(yscale="log", xscale="log", xlabel="steps", title="test loss, target ‖x‖/√d")
        right.set(xscale="log", yscale="log", xlabel="m", title="gap to a model, end")
        ticks.only(right.xaxis, np.unique(relu.width.values))
        right.minorticks_off()
        entries = [
            (BLUE, "erf network"), (ORANGE, "ReLU network"),
            (RED, "model with the norm feature"), (PURPLE, "naive model"),
        ]  # fmt: skip
        below(figure, entries)
        about = "Stable steps with erf and ReLU; learning the norm with two linear models."
        return finish(figure, about)


def _clock(panel: Axes) -> None:
    panel.set(xscale="log", xlabel=_CLOCK)
    ticks.only(panel.xaxis, _TIMES)


def _levels(panel: Axes) -> None:
    panel.set(yscale="log")
    ticks.only(panel.yaxis, _LEVELS)
