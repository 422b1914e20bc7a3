"""Pictures of growing complexity.

Staircases of mu, a disk's boundary over time as a player, starts compared.
"""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from simplicity.nakkiran import information
from simplicity.nakkiran.complexity import FREQUENCY, HEIGHT
from simplicity.nakkiran.pictures import parts
from simplicity.pictures import legends, seeds, style, tracks
from simplicity.pictures.player import Panel, Player
from simplicity.pictures.style import BLUE, GREEN, INK, ORANGE, PURPLE, RED, Picture, axes, finish
from simplicity.pictures.tracks import Dots, Line, Track

Array = NDArray[np.floating]
COLOURS = (BLUE, ORANGE, GREEN)
_STRIDE = 0.02  # of the disk's radius: a boundary is drawn no finer
_STEPS = {"xscale": "log", "xlabel": "steps (0.5 stands for 0)"}
_DISK = (
    (GREEN, "clean labels right"),
    (PURPLE, "agreement with L"),
    (INK, "given labels right; I(F;Y)"),
    (BLUE, "μ(F;L)"),
    (BLUE, "independent errors", ":"),
    (RED, "coin-flip labels: right; μ"),
)
_STARTS = (GREEN, RED, PURPLE, BLUE)  # the good one first


def staircase(
    recorded: Mapping[str, xr.Dataset], names: tuple[str, ...], titles: Mapping[str, str]
) -> Picture:
    """I(F;Y) and mu(F; G) over steps for fitted G1 and G2, one panel for each target.

    Dotted: noise of the same accuracy.

    `recorded` are the cells of each target, `names` the axis `simple` of their count tables.
    """
    with axes(len(recorded), height=3.9, sharey=True) as (figure, panels):
        for panel, (target, cells) in zip(panels, recorded.items(), strict=True):
            _stairs(panel, cells, names)
            panel.set(title=titles[target])
        entries = [(INK, "I(F;Y), bits"), (BLUE, "μ(F;G₁)"), (ORANGE, "μ(F;G₂)")]
        legends.below(figure, [*entries, (INK, "noise as accurate", ":")], columns=4)
        return finish(
            figure,
            "Information over training steps: the network's, and what is explained by two simpler "
            "classifiers.",
        )


def _stairs(panel: Axes, cells: xr.Dataset, names: tuple[str, ...]) -> None:
    """One target."""
    for degree, colour in ((1, BLUE), (2, ORANGE)):
        fitted, noise = (names.index(f"{kind} {degree}") for kind in ("fitted", "noise"))
        _explained(panel, cells, fitted, noise, colour)
    _gained(panel, cells)
    panel.set(ylim=(-0.03, None), xscale="log", xlabel="steps of SGD (0.5 stands for 0)")


def networks(cells: xr.Dataset, names: tuple[str, ...]) -> Picture:
    """CIFAR-10 over steps.

    Left I(F;Y) and mu with each smaller network, right their shares of I(F;Y).
    """
    with axes(2, height=3.9) as (figure, (left, right)):
        _bits(left, cells)
        _ratios(right, cells)
        entries = [(colour, f"μ(F;{name})") for colour, name in zip(COLOURS, names, strict=False)]
        entries.insert(0, (INK, "I(F;Y)"))
        legends.below(figure, [*entries, (INK, "noise as accurate", ":")], columns=5)
        return finish(
            figure,
            "CIFAR-10: information of a residual network over steps and what smaller networks "
            "explain of it.",
        )


def _bits(panel: Axes, cells: xr.Dataset) -> None:
    """What the network gains, and what each smaller one explains of it."""
    _gained(panel, cells)
    for index, colour in enumerate(COLOURS):
        _explained(panel, cells, index, index + 3, colour)
    panel.set(xscale="linear", xlabel="steps of SGD", title="bits", ylim=(0, None))


def _ratios(panel: Axes, cells: xr.Dataset) -> None:
    """The same as shares of what the network has gained."""
    gained = _information(cells, 0).network
    shown = gained.mean(axis=0) > 0.01  # below that the ratio is noise
    for index, colour in enumerate(COLOURS):
        ratios = _information(cells, index).mu / np.where(gained > 0, gained, 1)
        panel.plot(cells.step.values[0, shown], ratios.mean(axis=0)[shown], color=colour)
    panel.set(xscale="log", xlabel="steps of SGD", title="μ(F;G) / I(F;Y)", ylim=(0, 1.03))


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
    drawn: list[Track] = [
        _circle(),
        _rule(),
        *_sample(points, labels, wrong),
        Line("the network's boundary", [_contour(across, one) for one in logit], GREEN, width=2.2),
    ]
    left = Panel("boundary", (-1.04, 1.04), (-1.04, 1.04), drawn, width=330, height=350)
    about = (
        "Points of a disk with the network's decision boundary over steps, "
        "and the shares that are correct beside it."
    )
    most = int(np.argmax(next(iter(curves.values()))))  # where most clean labels are right
    return parts.player([left, _correct(step, curves)], "steps", step, about, most)


def _circle() -> Line:
    angle = np.linspace(0, 2 * np.pi, 91)
    return Line("", tracks.points(np.cos(angle), np.sin(angle)), opacity=0.5, width=0.8)


def _rule() -> Line:
    """The curve that parts the clean labels, inside the disk."""
    x = np.linspace(-1, 1, 81)
    height = HEIGHT * np.sin(FREQUENCY * x)
    height[x**2 + height**2 > 1] = np.nan
    return Line("the rule", tracks.points(x, height), opacity=0.55, width=1.0, dashes="3 3")


def _sample(points: Array, labels: Array, wrong: Array) -> list[Dots]:
    """The points by their given labels, and rings around the wrong ones."""
    return [
        Dots("label 1", [points[labels == 1]], BLUE, radius=2.6, opacity=0.8),
        Dots("label 0", [points[labels == 0]], ORANGE, radius=2.6, opacity=0.8),
        Dots("flipped label", [points[wrong]], RED, radius=5, hollow=True),
    ]


def _correct(step: Array, curves: Mapping[str, Array]) -> Panel:
    """The shares over log steps, told at each of them."""
    coloured = zip(curves.items(), (GREEN, PURPLE, INK), strict=False)
    shown = {name: (values, colour) for (name, values), colour in coloured}
    told = [_told(curves, at) for at in range(len(step))]
    heights = 1.03, 1.0, 0.04
    return parts.shares("shares", "1 + steps", step, shown, told, heights, height=350, size=12)


def _told(curves: Mapping[str, Array], at: int) -> str:
    return ", ".join(f"{name} {values[at]:.0%}" for name, values in curves.items())


def phases(curves: Mapping[str, Mapping[str, Array]], train: Array, step: Array) -> Picture:
    """Recorded runs of the disk: left shares over steps, right bits.

    Means over seeds, with the range of seeds as bands.

    `curves["true"]` and `curves["random"]` are those of `disk.curves`, (seed, probe); `train`
    (seed, probe) of the true labels.
    """
    true, coin = curves["true"], curves["random"]
    at = np.maximum(step, 0.5)
    with axes(2, height=3.9) as (figure, (left, right)):
        shares = {GREEN: true["clean"], PURPLE: true["agreement"], INK: train, RED: coin["clean"]}
        for colour, values in shares.items():
            seeds.mean_and_range(left, at, values, colour)
        left.set(title="shares", ylim=(0, 1.02), **_STEPS)
        _bits_of_phases(right, at, true, coin)
        legends.below(figure, _DISK)
        return finish(
            figure,
            "Accuracy, agreement with a linear classifier and information over steps, for true and "
            "random labels.",
        )


def _bits_of_phases(
    panel: Axes, at: Array, true: Mapping[str, Array], coin: Mapping[str, Array]
) -> None:
    curves = (INK, "-", true["network"]), (BLUE, "-", true["mu"]), (RED, "-", coin["mu"])
    for colour, look, values in (*curves, (BLUE, ":", true["null"])):
        panel.plot(at, values.mean(axis=0), look, color=colour)
    panel.set(title="bits", ylim=(0, None), **_STEPS)


def starts(end: Array, names: tuple[str, ...]) -> Picture:
    """Final test accuracy (seed, start).

    Left of each start, a line a seed; right the good start's lead over the others.
    """
    with axes(2, height=3.6) as (figure, (left, right)):
        told = [name.replace(", ", "\n") for name in names]
        _final(left, end, told)
        _leads(right, end[:, :1] - end[:, 1:], told[1:])
        return finish(
            figure,
            "Test accuracy after training from good and bad starts, and the good start's lead.",
        )


def _final(panel: Axes, end: Array, told: list[str]) -> None:
    places = np.arange(len(told))
    panel.plot(places, end.T, color=INK, alpha=style.FAINT, lw=0.8)
    for at, colour in enumerate(_STARTS):
        _seeds_and_mean(panel, at, end[:, at], colour, width=0.0, bar=0.2)
    panel.set(xlim=(-0.4, len(told) - 0.6), title="final test accuracy, one line a seed")
    panel.set_xticks(places, told)


def _leads(panel: Axes, lead: Array, told: list[str]) -> None:
    """(seed, start), over each start but the good one."""
    for at, colour in enumerate(_STARTS[1:]):
        _seeds_and_mean(panel, at, np.sort(lead[:, at]), colour, width=0.2, bar=0.3)
    panel.axhline(0, color=INK, alpha=0.5, lw=0.8, ls=":")
    panel.set(xlim=(-0.6, len(told) - 0.4), title="lead of the good start over the")
    panel.set_xticks(np.arange(len(told)), told)


def _seeds_and_mean(
    panel: Axes, at: float, values: Array, colour: str, *, width: float, bar: float
) -> None:
    """A dot a seed, sideways within `width`, and the mean as a bar."""
    sideways = at + seeds.spread(len(values), width)
    panel.plot(sideways, values, "o", color=colour, alpha=0.7)
    panel.plot([at - bar, at + bar], [values.mean()] * 2, color=colour, lw=2.5)


def _information(cells: xr.Dataset, place: int) -> information.Information:
    """(seed, probe), with the classifier at this place of the axis `simple`."""
    return information.information(cells.counts.isel(simple=place).values)


def _explained(panel: Axes, cells: xr.Dataset, place: int, noise: int, colour: str) -> None:
    """mu with one simpler classifier, mean and range over seeds; dotted, with noise as accurate.

    A faint line is all that it could explain.
    """
    at = _steps(cells)
    found = _information(cells, place)
    seeds.mean_and_range(panel, at, found.mu, colour)
    panel.axhline(float(found.simple[:, 0].mean()), color=colour, alpha=0.5, lw=0.8, ls="--")
    panel.plot(at, _information(cells, noise).mu.mean(axis=0), color=colour, ls=":", alpha=0.7)


def _gained(panel: Axes, cells: xr.Dataset) -> None:
    """I(F;Y), mean and range over seeds."""
    seeds.mean_and_range(panel, _steps(cells), _information(cells, 0).network, INK)


def _steps(cells: xr.Dataset) -> Array:
    """On a log axis (probe,)."""
    return np.maximum(cells.step.values[0], 0.5)


def _contour(across: Array, logit: Array) -> Array:
    """The line of logit 0 inside the disk, (k, 2) with NaN between pieces."""
    drawn = Figure().subplots().contour(across, across, logit, levels=[0.0])
    line = style.joined([_thinned(piece) for piece in drawn.allsegs[0] if len(piece)])
    return np.where((line**2).sum(axis=1, keepdims=True) <= 1.02, line, np.nan)


def _thinned(piece: Array) -> Array:
    """Every point that is a stride further along than the last one kept, and both ends."""
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(piece, axis=0), axis=1))])
    _, first = np.unique(np.floor(along / _STRIDE), return_index=True)
    return piece[np.unique(np.append(first, len(piece) - 1))]
