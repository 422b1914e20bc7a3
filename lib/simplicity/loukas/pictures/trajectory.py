"""Pictures of the first bias's trajectory.

Curves and ends in the paper's arrangement, what is matched, what a defect does.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from simplicity.evidence.claims import cells_where
from simplicity.pictures import seeds
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
from simplicity.pictures.tracks import Dots, Line, Note, Track

Array = NDArray[np.floating]
COLOURS = (GREEN, BLUE, ORANGE, RED)  # simple to complex, as in the paper
_BINS = (
    (-9.0, -0.6, ORANGE, 0.95),
    (-0.6, -0.2, ORANGE, 0.4),
    (0.2, 0.6, BLUE, 0.4),
    (0.6, 9.0, BLUE, 0.95),
)


def coloured(dataset: xr.Dataset) -> list[tuple[float, str]]:
    """The frequencies of a run with their colours."""
    return list(zip(np.unique(dataset.frequency.values).tolist(), COLOURS, strict=False))


def paths(biases: Mapping[float, Array]) -> Picture:
    """b_1 after each epoch (epochs, n_1) of runs of several f.

    Each in its own first two principal directions.

    All panels have one scale, so that lengths can be compared by eye.
    """
    drawn = {}
    for f, bias in biases.items():
        away = bias - bias[0]
        drawn[f] = away @ np.linalg.svd(away - away.mean(axis=0), full_matrices=False)[2][:2].T
    half = 0.55 * max(float(np.ptp(path, axis=0).max()) for path in drawn.values())
    with axes(len(drawn), height=3.4) as (figure, panels):
        for panel, (f, path), colour in zip(panels, drawn.items(), (GREEN, RED), strict=False):
            middle = (path.max(axis=0) + path.min(axis=0)) / 2
            panel.plot(*path.T, color=colour, lw=0.9)
            panel.plot(*path[0], "o", color=INK, markersize=4)
            panel.plot(*path[-1], "s", color=colour, markersize=5)
            length = np.linalg.norm(np.diff(biases[f], axis=0), axis=1).sum()
            panel.set(
                title=f"f = {f:g}: {length:.2f} from epoch to epoch",
                xlim=(middle[0] - half, middle[0] + half),
                ylim=(middle[1] - half, middle[1] + half), xlabel="first direction", aspect="equal",
            )  # fmt: skip
        panels[0].set_ylabel("second direction")
        return finish(
            figure, "The path of the first bias during training for a simple and a complex target."
        )


def learning(cells: xr.Dataset, epochs: Sequence[int], fields: Array, places: Array) -> Player:
    """One seed: f over (u, v) for up to four frequencies; beside it the levels.

    The values are (frequency, frame, place).
    """
    names, centres = (
        [f for f, _ in coloured(cells)],
        np.array([(-1.15, 1.2), (1.15, 1.2), (-1.15, -1.25), (1.15, -1.25)]),
    )
    everywhere = np.concatenate([places + centre for centre in centres[: len(names)]])
    values = np.swapaxes(fields, 0, 1).reshape(len(epochs), -1)
    zeros = np.concatenate([_zeros(f) + centre for f, centre in zip(names, centres, strict=False)])
    tracks: list[Track] = [
        Line("where the target is 0", [zeros], opacity=0.6, width=0.8, dashes="3 3")
    ]
    for index, (_, _, colour, opacity) in enumerate(_BINS):
        frames = [everywhere[_within(frame, index)] for frame in values]
        tracks.append(Dots(_BIN_NAMES[index], frames, colour, 3.9, opacity))
    tracks += [
        Note([f"f = {f:g}"], (x - 1, y + 1.07), size=12)
        for f, (x, y) in zip(names, centres, strict=False)
    ]
    panels = [
        Panel("the learned functions", (-2.25, 2.25), (-2.3, 2.45), tracks, width=340, height=372)
    ]
    log = np.log10(cells.epoch.values)
    top = 1.05 * float(cells.level.max())
    curves: list[Track] = []
    for (frequency, colour), level in zip(coloured(cells), cells.level.values, strict=True):
        curves.append(Line(f"level, f = {frequency:g}", [np.stack([log, level], axis=1)], colour))
    at = np.log10(np.asarray(epochs))
    curves.append(
        Line(
            "now",
            [np.array([[x, 0.0], [x, top]]) for x in at],
            opacity=0.5,
            width=1.0,
            dashes="3 3",
        )
    )
    curves.append(Note([_order(cells, epoch) for epoch in epochs], (0.03, 0.93 * top)))
    ticks = [(value, f"{value:.1f}") for value in np.arange(0, top, 0.2 if top < 1.3 else 0.4)]
    panels.append(
        Panel(
            "bias trajectory, mean per step", (0, float(log[-1])), (0, top), curves, "epoch", "",
            [(float(k), f"{10**k:g}") for k in range(int(log[-1]) + 1)], ticks, width=370,
            height=372,
        )
    )  # fmt: skip
    about = (
        "The learned function of the plane at four frequencies during training, "
        "and the trajectory of the first bias beside it."
    )
    labels = [f"epoch {epoch}" for epoch in epochs]
    return Player(panels, labels, about, "epochs", milliseconds=600, start=len(labels) - 1)


_BIN_NAMES = ("f(x) < −0.6", "−0.6 to −0.2", "0.2 to 0.6", "f(x) > 0.6")


def _zeros(frequency: float) -> Array:
    """The square's edge and the lines u, v = (2k + 1) / (4 f), (k, 2), NaN between them."""
    inside = (2 * np.arange(-8, 8) + 1) / (4 * frequency)
    places = [-1.0, *inside[np.abs(inside) < 0.999].tolist(), 1.0]
    pieces = [
        [[at, -1.0], [at, 1.0], [np.nan, np.nan], [-1.0, at], [1.0, at], [np.nan, np.nan]]
        for at in places
    ]
    return np.array(pieces).reshape(-1, 2)


def _within(values: Array, index: int) -> NDArray[np.bool_]:
    low, high, *_ = _BINS[index]
    return (values >= low) & (values < high)


def _order(cells: xr.Dataset, epoch: int) -> str:
    """The frequencies from the longest trajectory to the shortest at an epoch."""
    level = cells.level.isel(probe=int(np.searchsorted(cells.epoch.values, epoch))).values
    names = [f"{cells.frequency.values[i]:g}" for i in np.argsort(-level)]
    return "longest first: f = " + ", ".join(names)


def curves(recorded: xr.Dataset) -> Picture:
    """Figure 1a-c: training loss, trajectory, test loss over epochs.

    Mean and deviation over seeds.
    """
    with axes(3, height=3.3) as (figure, panels):
        for frequency, colour in coloured(recorded):
            cells = cells_where(recorded, frequency=frequency)
            for panel, name in zip(panels, ("loss", "level", "test"), strict=True):
                _band(panel, recorded.epoch.values, cells[name].values, colour)
            panels[1].plot(
                recorded.epoch.values, cells.raw.mean("cell"), color=colour, alpha=0.35, lw=0.8
            )
        titles = ("training loss", "bias trajectory, mean per step", "test loss")
        for panel, title in zip(panels, titles, strict=True):
            panel.set(title=title, xlabel="epoch")
        for panel in (panels[0], panels[2]):
            panel.set(ylim=(-0.01, 0.175))
        _legend(figure, _frequencies(recorded), 4)
        return finish(
            figure, "Training loss, bias trajectory and test loss over epochs for four frequencies."
        )


def views(
    fresh: xr.Dataset,
    recorded: xr.Dataset,
    looks: Mapping[str, tuple[str, int | None]],
    slopes: Mapping[float, float],
) -> Picture:
    """The level of each run against f, one panel for each look.

    {title: (variable, index on its second axis)}.

    `slopes` is the target's own mean slope for each f, dashed.
    """
    with axes(len(looks), height=3.4, sharey=True) as (figure, panels):
        for panel, (title, (name, index)) in zip(panels, looks.items(), strict=True):
            _runs(panel, fresh, recorded, partial(_values, name=name, index=index))
            panel.plot(list(slopes), list(slopes.values()), color=INK, alpha=0.6, lw=1, ls="--")
            panel.set(yscale="log", xlabel="f", title=title)
            panel.set_xticks(list(slopes), [f"{f:g}" for f in slopes])
        _legend(figure, [(INK, "mean slope of the target", "--")], 3, marks=True)
        return finish(
            figure,
            "The trajectory's level against the frequency, at an early epoch, at the end and at "
            "matched loss.",
        )


def released(block: xr.Dataset, ways: Sequence[str], titles: Mapping[str, str]) -> Picture:
    """One block of repeats, (frequency, way, epoch).

    The statistic as defined and with the released code's two defects.
    """
    with axes(len(titles), height=3.2) as (figure, panels):
        for panel, (way, title) in zip(panels, titles.items(), strict=True):
            for (_, colour), cell in zip(coloured(block), range(block.sizes["cell"]), strict=True):
                one = block.isel(cell=cell)
                index = ways.index(way)
                panel.plot(block.epoch, one.raw.isel(way=index), color=colour, alpha=0.35, lw=0.8)
                panel.plot(block.epoch, one.level.isel(way=index), color=colour)
            top = 1.25 * float(block.level.isel(way=ways.index(way)).max())
            panel.set(title=title, xlabel="epoch", ylim=(0, top))
        _legend(figure, _frequencies(block), 4)
        return finish(
            figure, "The trajectory as defined and as the released code computes it, over epochs."
        )


def tests(recorded: xr.Dataset, permuted: xr.Dataset, simple: xr.Dataset, early: int) -> Picture:
    """Test loss against level.

    At the end for all runs, and at an early epoch for true and permuted labels at f = 0.25.
    """
    with axes(2, height=3.5) as (figure, (left, right)):
        for frequency, colour in coloured(recorded):
            cells = cells_where(recorded, frequency=frequency)
            left.plot(
                cells.level_end, cells.test_end, "o", color=colour, alpha=0.75, markersize=3.5
            )
        for cells, colour in ((simple, GREEN), (permuted, PURPLE)):
            right.plot(
                cells.level_early[:, early],
                cells.test_early[:, early],
                "o",
                color=colour,
                alpha=0.75,
                markersize=3.5,
            )
        for panel, title in ((left, "end of training"), (right, "epoch 300, f = 0.25")):
            panel.set(
                xscale="log",
                yscale="log",
                xlabel="bias trajectory, mean per step",
                title=f"test loss, {title}",
            )
            low, high = panel.get_xlim()
            places = [
                tick for tick in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5) if low < tick < high
            ]
            panel.set_xticks(places, [f"{tick:g}" for tick in places])
            panel.set_xticks([], minor=True)
        _legend(figure, [*_frequencies(recorded, "o"), (PURPLE, "permuted labels", "o")], 5)
        return finish(figure, "Test loss against the trajectory's level, for single runs.")


def ends(fresh: xr.Dataset, recorded: xr.Dataset) -> Picture:
    """The paper's Figure 2a-b, a dot a run, and between them the variance over twice the loss."""
    looks = {
        "variance of b₁ / α²": lambda data: data.variance_end,
        "the same / (2 × loss)": lambda data: data.variance_end / (2 * data.loss_end),
        "|b₁ − b₁(0)|": lambda data: data.distance_end,
    }
    with axes(3, height=3.3) as (figure, panels):
        for panel, (title, look) in zip(panels, looks.items(), strict=True):
            _runs(panel, fresh, recorded, look)
            panel.set(title=title, xlabel="f", yscale="linear" if "(0)" in title else "log")
            panel.set_xticks(np.unique(recorded.frequency.values))
        panels[2].set(ylim=(0, None))
        _legend(figure, [], 3, marks=True)
        return finish(
            figure,
            "Variance of the bias, variance over loss, and distance from the start, in the last "
            "ten epochs.",
        )


def law(windows: xr.Dataset, shares: Mapping[int, tuple[float, float]]) -> Picture:
    """Left the gap of Theorem 1 over the window's length; right shares above the bracket.

    The gaps are medians over seeds, the shares {n_1: shares}.
    """
    looks = {
        "frozen": ("frozen, with replacement", BLUE),
        "frozen, one sample": ("frozen, one sample only", RED),
        "moving": ("training, with replacement", GREEN),
        "moving, epochs": ("training, in epochs", PURPLE),
    }
    with axes(2, height=3.7) as (figure, (left, right)):
        for kind, (_, colour) in looks.items():
            gap = cells_where(windows, kind=kind).gap.median("cell")
            left.plot(windows.length, gap, color=colour, marker="o")
        first = float(cells_where(windows, kind="frozen").gap[:, 0].median())
        left.plot(windows.length, first / np.sqrt(windows.length), color=INK, alpha=FAINT, lw=5)
        left.set(
            xscale="log",
            yscale="log",
            xlabel="window, epochs' worth of steps",
            title="relative gap of the two sums",
        )
        left.set_xticks(windows.length.values, [f"{length}" for length in windows.length.values])
        left.set_xticks([], minor=True)
        place = np.arange(len(shares))
        whens = ((INK, "right: as initialised", "o"), (GREEN, "right: while training", "o"))
        for index, (colour, *_) in enumerate(whens):
            values = [pair[index] for pair in shares.values()]
            right.plot(place, values, "o", color=colour, alpha=0.85)
        right.set(xlabel="n₁, for n = 10", ylim=(-0.03, 1.03), title="share of steps above λ / σₙ")
        right.set_xticks(place, [str(width) for width in shares])
        lines = [(colour, name, "-") for name, colour in looks.values()]
        _legend(figure, [*lines, *whens], 2)
        return finish(
            figure,
            "Gap between bias trajectory and Lipschitz constant over the window; violations of the "
            "upper bracket.",
        )


def _values(cells: xr.Dataset, name: str, index: int | None) -> xr.DataArray:
    return cells[name] if index is None else cells[name][:, index]


def _runs(
    panel: Axes, fresh: xr.Dataset, recorded: xr.Dataset, of: Callable[[xr.Dataset], xr.DataArray]
) -> None:
    """A number of each run against f, and bars at the medians of the recorded ones."""
    for data, is_recorded in ((recorded, True), (fresh, False)):
        for frequency, colour in coloured(data):
            values = of(cells_where(data, frequency=frequency)).values
            shift = seeds.spread(len(values), 0.05) + (0.0 if is_recorded else 0.07)
            seeds.marks(panel, frequency + shift, values, colour, is_recorded)
            if is_recorded:
                bar = [frequency - 0.07, frequency + 0.07]
                panel.plot(bar, [np.nanmedian(values)] * 2, color=colour, lw=2.2)


def _frequencies(cells: xr.Dataset, style: str = "-") -> list[tuple[str, str, str]]:
    """Entries of a legend."""
    return [(colour, f"f = {frequency:g}", style) for frequency, colour in coloured(cells)]


def _band(panel: Axes, x: Array, values: Array, colour: str) -> None:
    middle, deviation = values.mean(axis=0), values.std(axis=0)
    panel.plot(x, middle, color=colour)
    panel.fill_between(x, middle - deviation, middle + deviation, color=colour, alpha=0.15, lw=0)


def _legend(
    figure: Figure, entries: Sequence[tuple[str, str, str]], columns: int, marks: bool = False
) -> None:
    handles = [
        Line2D(
            [],
            [],
            color=colour,
            label=label,
            ls="" if style == "o" else style,
            marker="o" if style == "o" else "",
        )
        for colour, label, style in entries
    ]
    if marks:
        handles.append(
            Line2D(
                [],
                [],
                color=INK,
                marker="o",
                ls="",
                fillstyle="none",
                markersize=5,
                label="a seed of this page",
            )
        )
        handles.append(
            Line2D(
                [],
                [],
                color=INK,
                marker="o",
                lw=1.6,
                markersize=2.6,
                label="recorded: seeds, median",
            )
        )
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, handlelength=1.4)
