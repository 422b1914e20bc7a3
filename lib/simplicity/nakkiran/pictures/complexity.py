"""Pictures of growing complexity.

Staircases of mu, a disk's boundary over time as a player, starts compared.
"""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from simplicity.nakkiran import information
from simplicity.pictures import seeds, style
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
COLOURS = (BLUE, ORANGE, GREEN)
_STRIDE = 0.02  # of the disk's radius: a boundary is drawn no finer


def staircase(
    recorded: Mapping[str, xr.Dataset], names: tuple[str, ...], titles: Mapping[str, str]
) -> Picture:
    """I(F;Y) and mu(F; G) over steps for fitted G1 and G2, one panel for each target.

    Dotted: noise of the same accuracy.

    `recorded` are the cells of each target, `names` the axis `simple` of their count tables.
    """
    with axes(len(recorded), height=3.9, sharey=True) as (figure, panels):
        for panel, (target, cells) in zip(panels, recorded.items(), strict=True):
            for degree, colour in ((1, BLUE), (2, ORANGE)):
                _explained(panel, cells, names.index(f"fitted {degree}"), colour)
                _explained(panel, cells, names.index(f"noise {degree}"), colour, ls=":")
            _gained(panel, cells)
            panel.set(
                xscale="log",
                xlabel="steps of SGD (0.5 stands for 0)",
                title=titles[target],
                ylim=(-0.03, None),
            )
        entries = [
            (INK, "I(F;Y), bits", "-"),
            (BLUE, "μ(F;G₁)", "-"),
            (ORANGE, "μ(F;G₂)", "-"),
            (INK, "noise as accurate", ":"),
        ]
        _lines_below(figure, entries, 4)
        return finish(
            figure,
            "Information over training steps: the network's, and what is explained by two simpler "
            "classifiers.",
        )


def networks(cells: xr.Dataset, names: tuple[str, ...]) -> Picture:
    """CIFAR-10 over steps.

    Left I(F;Y) and mu with each smaller network, right their shares of I(F;Y).
    """
    with axes(2, height=3.9) as (figure, (left, right)):
        _gained(left, cells)
        gained = information.information(cells.counts.isel(simple=0).values).network
        step = cells.step.values[0]
        shown = gained.mean(axis=0) > 0.01  # below that the ratio is noise
        for index, colour in enumerate(COLOURS):
            _explained(left, cells, index, colour)
            _explained(left, cells, index + 3, colour, ls=":")
            mu = information.information(cells.counts.isel(simple=index).values).mu
            right.plot(
                step[shown],
                (mu / np.where(gained > 0, gained, 1)).mean(axis=0)[shown],
                color=colour,
            )
        left.set(xscale="linear", xlabel="steps of SGD", title="bits", ylim=(0, None))
        right.set(xscale="log", xlabel="steps of SGD", title="μ(F;G) / I(F;Y)", ylim=(0, 1.03))
        entries = [
            (colour, f"μ(F;{name})", "-") for colour, name in zip(COLOURS, names, strict=False)
        ]
        _lines_below(figure, [(INK, "I(F;Y)", "-"), *entries, (INK, "noise as accurate", ":")], 5)
        return finish(
            figure,
            "CIFAR-10: information of a residual network over steps and what smaller networks "
            "explain of it.",
        )


def boundary(
    logit: Array,
    step: Array,
    points: Array,
    labels: Array,
    wrong: Array,
    curves: Mapping[str, Array],
) -> Player:
    """The decision boundary of one run over its steps, and beside it shares over log steps.

    Logits (p, side, side) on a grid over [-1, 1]^2, points (n, 2) with given `labels` (n,) and
    which are `wrong` (n,).
    """
    across = np.linspace(-1, 1, logit.shape[-1])
    lines = [_contour(across, frame) for frame in logit]
    x = np.linspace(-1, 1, 81)
    rule = np.stack([x, 0.4 * np.sin(6 * x)], axis=1)
    rule[(rule**2).sum(axis=1) > 1] = np.nan
    angle = np.linspace(0, 2 * np.pi, 91)
    tracks: list[Track] = [
        Line("", [np.stack([np.cos(angle), np.sin(angle)], axis=1)], opacity=0.5, width=0.8),
        Line("the rule", [rule], opacity=0.55, width=1.0, dashes="3 3"),
        Dots("label 1", [points[labels == 1]], BLUE, radius=2.6, opacity=0.8),
        Dots("label 0", [points[labels == 0]], ORANGE, radius=2.6, opacity=0.8),
        Dots("flipped label", [points[wrong]], RED, radius=5, hollow=True),
        Line("the network's boundary", lines, GREEN, width=2.2),
    ]
    left = Panel("boundary", (-1.04, 1.04), (-1.04, 1.04), tracks, width=330, height=350)
    log = np.log10(1 + step)
    end = float(log[-1])
    colours = dict(zip(curves, (GREEN, PURPLE, INK), strict=False))
    right = Panel(
        "shares", (0, end), (0, 1.03),
        [
            *(
                Line(name, [np.stack([log, values], axis=1)], colours[name])
                for name, values in curves.items()
            ),
            Line(
                "now", [np.array([[at, 0.0], [at, 1.0]]) for at in log],
                opacity=0.5, width=1.0, dashes="3 3",
            ),
            Note([_now(curves, at) for at in range(len(step))], (end, 0.04), anchor="end", size=12),
        ],
        "1 + steps", "", [(float(k), f"{10**k:g}") for k in range(int(end) + 1)],
        [(value, f"{value:g}") for value in (0.0, 0.5, 1.0)], width=360, height=350,
    )  # fmt: skip
    about = (
        "Points of a disk with the network's decision boundary over steps, "
        "and the shares that are correct beside it."
    )
    return Player(
        [left, right],
        [f"step {int(one)}" for one in step],
        about,
        step_name="steps",
        milliseconds=350,
        start=int(np.argmax(next(iter(curves.values())))),  # where most clean labels are right
    )


def phases(curves: Mapping[str, Mapping[str, Array]], train: Array, step: Array) -> Picture:
    """Recorded runs of the disk: left shares over steps, right bits.

    Means over seeds, with the range of seeds as bands.

    `curves["true"]` and `curves["random"]` are those of `disk.curves`, (seed, probe); `train`
    (seed, probe) of the true labels.
    """
    true, coin = curves["true"], curves["random"]
    at = np.maximum(step, 0.5)
    with axes(2, height=3.9) as (figure, (left, right)):
        for values, colour in (
            (true["clean"], GREEN),
            (true["agreement"], PURPLE),
            (train, INK),
            (coin["clean"], RED),
        ):
            left.plot(at, values.mean(axis=0), color=colour)
            left.fill_between(
                at, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.12, lw=0
            )
        for values, colour, style in (
            (true["network"], INK, "-"), (true["mu"], BLUE, "-"), (true["null"], BLUE, ":"),
            (coin["mu"], RED, "-"),
        ):  # fmt: skip
            right.plot(at, values.mean(axis=0), color=colour, ls=style)
        left.set(xscale="log", xlabel="steps (0.5 stands for 0)", title="shares", ylim=(0, 1.02))
        right.set(xscale="log", xlabel="steps (0.5 stands for 0)", title="bits", ylim=(0, None))
        entries = [
            (GREEN, "clean labels right", "-"), (PURPLE, "agreement with L", "-"),
            (INK, "given labels right; I(F;Y)", "-"), (BLUE, "μ(F;L)", "-"),
            (BLUE, "independent errors", ":"), (RED, "coin-flip labels: right; μ", "-"),
        ]  # fmt: skip
        _lines_below(figure, entries, 3)
        return finish(
            figure,
            "Accuracy, agreement with a linear classifier and information over steps, for true and "
            "random labels.",
        )


def starts(end: Array, names: tuple[str, ...]) -> Picture:
    """Final test accuracy (seed, start).

    Left of each start, a line a seed; right the good start's lead over the others.
    """
    colours = (GREEN, RED, PURPLE, BLUE)
    with axes(2, height=3.6) as (figure, (left, right)):
        order = np.arange(len(names))
        left.plot(order, end.T, color=INK, alpha=FAINT, lw=0.8)
        for index, colour in zip(order, colours, strict=True):
            left.plot(
                index + seeds.spread(len(end), 0.0), end[:, index], "o", color=colour, alpha=0.7
            )
            left.plot([index - 0.2, index + 0.2], [end[:, index].mean()] * 2, color=colour, lw=2.5)
            if index:
                lead = np.sort(end[:, 0] - end[:, index])
                right.plot(
                    index - 1 + seeds.spread(len(lead), 0.2), lead, "o", color=colour, alpha=0.7
                )
                right.plot([index - 1.3, index - 0.7], [lead.mean()] * 2, color=colour, lw=2.5)
        right.axhline(0, color=INK, alpha=0.5, lw=0.8, ls=":")
        told = [name.replace(", ", "\n") for name in names]
        left.set(xlim=(-0.4, len(names) - 0.6), title="final test accuracy, one line a seed")
        left.set_xticks(order, told)
        right.set(xlim=(-0.6, len(names) - 1.4), title="lead of the good start over the")
        right.set_xticks(order[1:] - 1, told[1:])
        return finish(
            figure,
            "Test accuracy after training from good and bad starts, and the good start's lead.",
        )


def _explained(panel: Axes, cells: xr.Dataset, index: int, colour: str, ls: str = "-") -> None:
    """mu with one simpler classifier, mean and range over seeds.

    A faint line is all that it could explain.
    """
    found = information.information(cells.counts.isel(simple=index).values)
    at = np.maximum(cells.step.values[0], 0.5)
    panel.plot(at, found.mu.mean(axis=0), color=colour, ls=ls, alpha=1.0 if ls == "-" else 0.7)
    if ls == "-":
        panel.fill_between(
            at, found.mu.min(axis=0), found.mu.max(axis=0), color=colour, alpha=0.15, lw=0
        )
        panel.axhline(float(found.simple[:, 0].mean()), color=colour, alpha=0.5, lw=0.8, ls="--")


def _gained(panel: Axes, cells: xr.Dataset) -> None:
    """I(F;Y), mean and range over seeds."""
    found = information.information(cells.counts.isel(simple=0).values).network
    at = np.maximum(cells.step.values[0], 0.5)
    panel.plot(at, found.mean(axis=0), color=INK)
    panel.fill_between(at, found.min(axis=0), found.max(axis=0), color=INK, alpha=0.12, lw=0)


def _contour(across: Array, logit: Array) -> Array:
    """The line of logit 0 inside the disk, (k, 2) with NaN between pieces."""
    drawn = Figure().subplots().contour(across, across, logit, levels=[0.0])
    pieces = [_thinned(piece) for piece in drawn.allsegs[0] if len(piece)]
    line = style.joined(pieces) if pieces else np.full((1, 2), np.nan)
    return np.where((line**2).sum(axis=1, keepdims=True) <= 1.02, line, np.nan)


def _thinned(piece: Array) -> Array:
    """Every point that is a stride further along than the last one kept, and both ends."""
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(piece, axis=0), axis=1))])
    _, first = np.unique(np.floor(along / _STRIDE), return_index=True)
    return piece[np.unique(np.append(first, len(piece) - 1))]


def _now(curves: Mapping[str, Array], at: int) -> str:
    return ", ".join(f"{name} {values[at]:.0%}" for name, values in curves.items())


def _lines_below(figure: Figure, entries: list[tuple[str, str, str]], columns: int) -> None:
    handles = [
        Line2D([], [], color=colour, label=label, ls=style) for colour, label, style in entries
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, handlelength=1.6)
