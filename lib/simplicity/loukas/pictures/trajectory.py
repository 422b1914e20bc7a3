"""Pictures of the first bias's trajectory.

Curves and ends in the paper's arrangement, what is matched, what a defect does.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from simplicity.grid.groups import cells_where
from simplicity.loukas.pictures import learned_functions
from simplicity.pictures import legends, seeds, style, ticks
from simplicity.pictures.player import Panel, Player
from simplicity.pictures.style import BLUE, GREEN, INK, ORANGE, PURPLE, RED, Picture, axes, finish
from simplicity.pictures.tracks import Line, Note, Track

Array = NDArray[np.floating]
COLOURS = (GREEN, BLUE, ORANGE, RED)  # simple to complex, as in the paper
LEVEL = "bias trajectory, mean per step"
CURVES = {"loss": "training loss", "level": LEVEL, "test": "test loss"}
ENDS: dict[str, Callable[[xr.Dataset], xr.DataArray]] = {
    "variance of b₁ / α²": lambda data: data.variance_end,
    "the same / (2 × loss)": lambda data: data.variance_end / (2 * data.loss_end),
    "|b₁ − b₁(0)|": lambda data: data.distance_end,
}
WINDOWS = {
    "frozen": (BLUE, "frozen, with replacement"),
    "frozen, one sample": (RED, "frozen, one sample only"),
    "moving": (GREEN, "training, with replacement"),
    "moving, epochs": (PURPLE, "training, in epochs"),
}
WHENS = ((INK, "right: as initialised", "o"), (GREEN, "right: while training", "o"))


def coloured(dataset: xr.Dataset) -> list[tuple[float, str]]:
    """The frequencies of a run with their colours."""
    return list(zip(np.unique(dataset.frequency.values).tolist(), COLOURS, strict=False))


def paths(biases: Mapping[float, Array]) -> Picture:
    """b_1 after each epoch (epochs, n_1) of runs of several f.

    Each in its own first two principal directions.

    All panels have one scale, so that lengths can be compared by eye.
    """
    drawn = [_principal(bias) for bias in biases.values()]
    half = 0.55 * max(map(_extent, drawn))
    with axes(len(drawn), height=3.4) as (figure, panels):
        for panel, f, path, colour in zip(panels, biases, drawn, (GREEN, RED), strict=False):
            _path(panel, path, colour)
            _centred(panel, path, half)
            panel.set_title(f"f = {f:g}: {_length(biases[f]):.2f} from epoch to epoch")
            panel.set_xlabel("first direction")
        panels[0].set_ylabel("second direction")
        return finish(
            figure, "The path of the first bias during training for a simple and a complex target."
        )


def _principal(path: Array) -> Array:
    """A path (k, n) from its start in its first two principal directions, (k, 2)."""
    away = path - path[0]
    return away @ np.linalg.svd(away - away.mean(axis=0), full_matrices=False)[2][:2].T


def _extent(path: Array) -> float:
    """The larger of its width and its height."""
    return float(np.ptp(path, axis=0).max())


def _length(path: Array) -> float:
    return float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())


def _path(panel: Axes, path: Array, colour: str) -> None:
    """A path with its ends."""
    panel.plot(*path.T, color=colour, lw=0.9)
    panel.plot(*path[0], "o", color=INK, markersize=4)
    panel.plot(*path[-1], "s", color=colour, markersize=5)


def _centred(panel: Axes, path: Array, half: float) -> None:
    """The path lies in the middle of a square that reaches `half` to each side."""
    x, y = (path.max(axis=0) + path.min(axis=0)) / 2
    panel.set(xlim=(x - half, x + half), ylim=(y - half, y + half), aspect="equal")


def learning(cells: xr.Dataset, epochs: Sequence[int], fields: Array, places: Array) -> Player:
    """One seed: f over (u, v) for up to four frequencies; beside it the levels.

    The values `fields` are (frequency, frame, place).
    """
    names = [f for f, _ in coloured(cells)]
    about = (
        "The learned function of the plane at four frequencies during training, "
        "and the trajectory of the first bias beside it."
    )
    labels = [f"epoch {epoch}" for epoch in epochs]
    panels = [learned_functions.panel(names, fields, places), _levels(cells, epochs)]
    return Player(panels, labels, about, "epochs", milliseconds=600, start=len(labels) - 1)


def _levels(cells: xr.Dataset, epochs: Sequence[int]) -> Panel:
    """The level of each frequency over log10 of the epoch, and which frame is shown."""
    log, top = np.log10(cells.epoch.values), 1.05 * float(cells.level.max())
    tracks: list[Track] = [
        *_curves(cells, log),
        _now(epochs, top),
        Note([_order(cells, epoch) for epoch in epochs], (0.03, 0.93 * top)),
    ]
    last = float(log[-1])
    return Panel(
        LEVEL, (0, last), (0, top), tracks, "epoch", "", _decades(last), _tenths(top),
        width=370, height=learned_functions.HEIGHT,
    )  # fmt: skip


def _decades(last: float) -> ticks.Ticks:
    """The powers of ten on an axis of log10 from 0 on."""
    return ticks.at(10.0 ** np.arange(int(last) + 1), place=math.log10)


def _tenths(top: float) -> ticks.Ticks:
    """Every second or fourth from 0 on."""
    return ticks.at(np.arange(0, top, 0.2 if top < 1.3 else 0.4), ".1f")


def _now(epochs: Sequence[int], top: float) -> Line:
    """A line at the epoch of each frame."""
    frames = [np.array([[at, 0.0], [at, top]]) for at in np.log10(np.asarray(epochs))]
    return Line("now", frames, opacity=0.5, width=1.0, dashes="3 3")


def _curves(cells: xr.Dataset, log: Array) -> Iterator[Line]:
    """The level of each frequency over `log`."""
    for (f, colour), level in zip(coloured(cells), cells.level.values, strict=True):
        yield Line(f"level, f = {f:g}", [np.stack([log, level], axis=1)], colour)


def _order(cells: xr.Dataset, epoch: int) -> str:
    """The frequencies from the longest trajectory to the shortest at an epoch."""
    level = cells.level.isel(probe=int(np.searchsorted(cells.epoch.values, epoch))).values
    names = [f"{cells.frequency.values[i]:g}" for i in np.argsort(-level)]
    return "longest first: f = " + ", ".join(names)


def curves(recorded: xr.Dataset) -> Picture:
    """Figure 1a-c: training loss, trajectory, test loss over epochs.

    Mean and range over seeds.
    """
    with axes(3, height=3.3) as (figure, panels):
        for panel, (name, title) in zip(panels, CURVES.items(), strict=True):
            _over_epochs(panel, recorded, name)
            panel.set(title=title, xlabel="epoch")
        for panel in (panels[0], panels[2]):
            panel.set(ylim=(-0.01, 0.22))
        legends.below(figure, _frequencies(recorded), columns=4)
        return finish(
            figure, "Training loss, bias trajectory and test loss over epochs for four frequencies."
        )


def _over_epochs(panel: Axes, recorded: xr.Dataset, name: str) -> None:
    """One of `CURVES` for each frequency; under the level it is faint before its average."""
    for _, cells, colour in _by_frequency(recorded):
        seeds.mean_and_range(panel, recorded.epoch.values, cells[name].values, colour)
        if name == "level":
            panel.plot(recorded.epoch, cells.raw.mean("cell"), color=colour, alpha=0.35, lw=0.8)


def views(
    fresh: xr.Dataset,
    recorded: xr.Dataset,
    looks: Mapping[str, tuple[str, int | None]],
    slopes: Mapping[float, float],
) -> Picture:
    """The level of each run against f, one panel for each look.

    `looks` is {title: (variable, index on its second axis)}.

    `slopes` is the target's own mean slope for each f, dashed.
    """

    with axes(len(looks), height=3.4, sharey=True) as (figure, panels):
        for panel, (title, (name, index)) in zip(panels, looks.items(), strict=True):
            _runs(panel, fresh, recorded, partial(_column, name=name, index=index))
            _mean_slopes(panel, slopes)
            panel.set(title=title)
        _runs_below(figure, [(INK, "mean slope of the target", "--")])
        return finish(
            figure,
            "The trajectory's level against the frequency, at an early epoch, at the end and at "
            "matched loss.",
        )


def _mean_slopes(panel: Axes, slopes: Mapping[float, float]) -> None:
    """The target's own, dashed."""
    panel.plot(list(slopes), list(slopes.values()), color=INK, alpha=0.6, lw=1, ls="--")
    panel.set(yscale="log", xlabel="f")
    panel.set_xticks(list(slopes), [f"{f:g}" for f in slopes])


def _column(data: xr.Dataset, name: str, index: int | None) -> xr.DataArray:
    return data[name] if index is None else data[name][:, index]


def released(block: xr.Dataset, ways: Sequence[str], titles: Mapping[str, str]) -> Picture:
    """One block of repeats, (frequency, way, epoch).

    The statistic as defined and with the released code's two defects.
    """
    with axes(len(titles), height=3.2) as (figure, panels):
        for panel, (way, title) in zip(panels, titles.items(), strict=True):
            _way(panel, block.isel(way=ways.index(way)))
            panel.set_title(title)
        legends.below(figure, _frequencies(block), columns=4)
        return finish(
            figure, "The trajectory as defined and as the released code computes it, over epochs."
        )


def _way(panel: Axes, shown: xr.Dataset) -> None:
    """The statistic computed in one way: faint as it is, and its average."""
    for cell, (_, colour) in enumerate(coloured(shown)):
        one = shown.isel(cell=cell)
        panel.plot(shown.epoch, one.raw, color=colour, alpha=0.35, lw=0.8)
        panel.plot(shown.epoch, one.level, color=colour)
    panel.set(xlabel="epoch", ylim=(0, 1.25 * float(shown.level.max())))


def tests(recorded: xr.Dataset, permuted: xr.Dataset, simple: xr.Dataset, early: int) -> Picture:
    """Test loss against level.

    At the end for all runs, and at an early epoch for true and permuted labels at f = 0.25.
    """
    with axes(2, height=3.5) as (figure, (left, right)):
        for _, cells, colour in _by_frequency(recorded):
            _scattered(left, cells.level_end, cells.test_end, colour)
        for cells, colour in ((simple, GREEN), (permuted, PURPLE)):
            _early(right, cells, early, colour)
        _against_level(left, "test loss, end of training")
        _against_level(right, "test loss, epoch 300, f = 0.25")
        entries = [*_frequencies(recorded, "o"), (PURPLE, "permuted labels", "o")]
        legends.below(figure, entries, columns=5)
        return finish(figure, "Test loss against the trajectory's level, for single runs.")


def _scattered(panel: Axes, x: xr.DataArray, y: xr.DataArray, colour: str) -> None:
    panel.plot(x, y, "o", color=colour, alpha=0.75, markersize=3.5)


def _early(panel: Axes, cells: xr.Dataset, early: int, colour: str) -> None:
    """Both at one of the early epochs."""
    _scattered(panel, cells.level_early[:, early], cells.test_early[:, early], colour)


def _against_level(panel: Axes, title: str) -> None:
    panel.set(xscale="log", yscale="log", xlabel=LEVEL, title=title)
    ticks.only(panel.xaxis)


def ends(fresh: xr.Dataset, recorded: xr.Dataset) -> Picture:
    """The paper's Figure 2a-b, a dot a run, and between them the variance over twice the loss."""
    with axes(3, height=3.3) as (figure, panels):
        for panel, (title, look) in zip(panels, ENDS.items(), strict=True):
            _runs(panel, fresh, recorded, look)
            panel.set(title=title, xlabel="f", yscale="log")
            panel.set_xticks(np.unique(recorded.frequency.values))
        panels[2].set(yscale="linear", ylim=(0, None))
        _runs_below(figure)
        return finish(
            figure,
            "Variance of the bias, variance over loss, and distance from the start, in the last "
            "ten epochs.",
        )


def law(windows: xr.Dataset, shares: Mapping[int, tuple[float, float]]) -> Picture:
    """Left the gap of Theorem 1 over the window's length; right shares above the bracket.

    The gaps are medians over seeds, the shares {n_1: shares}.
    """
    with axes(2, height=3.7) as (figure, (left, right)):
        _gaps(left, windows)
        _above(right, shares)
        legends.below(figure, [*WINDOWS.values(), *WHENS], columns=2)
        return finish(
            figure,
            "Gap between bias trajectory and Lipschitz constant over the window; violations of the "
            "upper bracket.",
        )


def _gaps(panel: Axes, windows: xr.Dataset) -> None:
    """The gap of each kind of window; broad and faint, one over the root of its length."""
    length = windows.length.values
    for kind, (colour, _) in WINDOWS.items():
        panel.plot(length, _gap(windows, kind), "o-", color=colour)
    _inverse_root(panel, length, float(_gap(windows, "frozen")[0]))
    panel.set(xscale="log", yscale="log", xlabel="window, epochs' worth of steps")
    panel.set(title="relative gap of the two sums")
    ticks.only(panel.xaxis, length)


def _inverse_root(panel: Axes, length: Array, first: float) -> None:
    """What independent steps would give."""
    panel.plot(length, first / np.sqrt(length), color=INK, alpha=style.FAINT, lw=5)


def _gap(windows: xr.Dataset, kind: str) -> xr.DataArray:
    """Median over seeds, (length,)."""
    return cells_where(windows, kind=kind).gap.median("cell")


def _above(panel: Axes, shares: Mapping[int, tuple[float, float]]) -> None:
    """The shares above the bracket against n_1."""
    for (colour, *_), values in zip(WHENS, zip(*shares.values(), strict=True), strict=True):
        panel.plot(values, "o", color=colour, alpha=0.85)
    panel.set(xlabel="n₁, for n = 10", ylim=(-0.03, 1.03), title="share of steps above λ / σₙ")
    panel.set_xticks(range(len(shares)), list(map(str, shares)))


def _by_frequency(data: xr.Dataset) -> Iterator[tuple[float, xr.Dataset, str]]:
    """Each frequency with its runs and its colour."""
    for frequency, colour in coloured(data):
        yield frequency, cells_where(data, frequency=frequency), colour


def _runs(
    panel: Axes, fresh: xr.Dataset, recorded: xr.Dataset, of: Callable[[xr.Dataset], xr.DataArray]
) -> None:
    """A number of each run against f, and bars at the medians of the recorded ones."""
    for frequency, cells, colour in _by_frequency(recorded):
        _marks(panel, frequency, of(cells).values, colour, True)
        _median(panel, frequency, of(cells).values, colour)
    for frequency, cells, colour in _by_frequency(fresh):
        _marks(panel, frequency, of(cells).values, colour, False)


def _median(panel: Axes, at: float, values: Array, colour: str) -> None:
    """A bar."""
    panel.plot([at - 0.07, at + 0.07], [np.nanmedian(values)] * 2, color=colour, lw=2.2)


def _marks(panel: Axes, at: float, values: Array, colour: str, recorded: bool) -> None:
    """A mark a run; fresh ones a little to the right."""
    shift = seeds.spread(len(values), 0.05) + (0.0 if recorded else 0.07)
    seeds.marks(panel, at + shift, values, colour, recorded)


def _runs_below(figure: Figure, entries: Sequence[tuple[str, str, str]] = ()) -> None:
    legends.below(figure, entries, page="", recorded=": seeds, median", columns=3)


def _frequencies(cells: xr.Dataset, look: str = "-") -> list[tuple[str, str, str]]:
    """Entries of a legend."""
    return [(colour, f"f = {frequency:g}", look) for frequency, colour in coloured(cells)]
