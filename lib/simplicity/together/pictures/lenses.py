"""Pictures of one training run under four instruments.

A player with a panel for each, and their curves over the steps.
"""

import functools
from collections.abc import Callable

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from numpy.typing import NDArray

from simplicity.hu.early_linear import LINE, REACH
from simplicity.nakkiran import information
from simplicity.pictures import seeds, ticks
from simplicity.pictures.legends import below
from simplicity.pictures.player import Panel, Player
from simplicity.pictures.style import BLUE, INK, ORANGE, Picture, axes, finish
from simplicity.pictures.tracks import Dots, Line, Note, Track, nearest, points

Array = NDArray[np.floating]
KERNEL, SMALL = BLUE, ORANGE
NAMES = {"kernel": "kernel-scale start, erf", "small": "small start, ReLU"}
COLOURS = {"kernel": KERNEL, "small": SMALL}
_LINEAR = 60.0  # the step at which both functions are a straight line
_panel = functools.partial(Panel, width=380.0, height=255.0)
Both = dict[str, xr.Dataset]


def over_steps(kernel: xr.Dataset, small: xr.Dataset) -> Player:
    """Both runs at the same steps: outputs on a line, bits, slopes, directions of neurons.

    One cell each, with pictures; u is the direction of the linear model's limit.
    """
    both = {"kernel": kernel, "small": small}
    panels = (_outputs(both), _bits(both), _slopes(both), _neurons(both))
    about = (
        "Two networks over training under four instruments: outputs on a line, bits, slopes, "
        "directions of neurons."
    )
    start = nearest(kernel.step, _LINEAR)
    player = Player(panels, _labels(both), about, "steps", milliseconds=500, start=start)
    return player.thinned(16)


def _labels(both: Both) -> list[str]:
    kernel, small = both.values()
    clocks = zip(kernel.step.values, kernel.clock.values, small.clock.values, strict=True)
    return [
        f"step {int(step)}, time {one:.3g} (blue) and {two:.3g} (orange)"
        for step, one, two in clocks
    ]


def _outputs(both: Both) -> Panel:
    places = np.linspace(-REACH, REACH, LINE)
    limit = points(places, both["kernel"].line_model)
    tracks: list[Track] = [Line("linear model's limit", limit, INK, 1.2, 0.6, "4 3")]
    for name, run in both.items():
        tracks.append(Line(NAMES[name], points(places, run.line_network), COLOURS[name], 2.4))
    tracks.append(_note(both, lambda run: run.linear, "linear part", (-REACH + 0.1, 2.1)))
    return _panel(
        "1  the function on a line", (-REACH, REACH), (-2.4, 2.4), tracks, "⟨x, u⟩",
        xticks=ticks.at(range(-3, 4)), yticks=ticks.at(range(-2, 3)),
    )  # fmt: skip


def _bits(both: Both) -> Panel:
    step = np.log10(both["kernel"].step.values)
    known = {name: information.information(run.counts.values[:, 0]) for name, run in both.items()}
    tracks: list[Track] = []
    for name, found in known.items():
        tracks += _known(step, found, COLOURS[name])
    top = 0.1 + max(float(found.network.max()) for found in known.values())
    told = "full: I(F;Y), hollow: what L explains, μ"
    tracks.append(Note([told], (0.05, top * 0.95), name="bits"))
    return _panel(
        "2  bits known of the label", (0, float(step[-1]) + 0.05), (0, top), tracks, "step",
        xticks=ticks.at((1, 10, 100, 1000), place=np.log10),
        yticks=ticks.at(bits for bits in (0, 0.2, 0.4, 0.6, 0.8, 1) if bits < top),
    )  # fmt: skip


def _known(step: Array, found: information.Information, colour: str) -> list[Track]:
    """What one network knows, and what L explains of that."""
    of_network, explained = (points(step, bits)[0] for bits in (found.network, found.mu))
    return [
        Line("", [of_network], colour, 1.6, 0.55),
        Line("", [explained], colour, 1.6, 0.55, "4 3"),
        Dots("", list(of_network[:, None]), colour, 4.0),
        Dots("", list(explained[:, None]), colour, 4.0, hollow=True),
    ]


def _slopes(both: Both) -> Panel:
    tracks: list[Track] = []
    top = 1.25 * max(_steepest(run) for run in both.values())
    for name, run in both.items():
        at = np.clip(run.at_shown.values, -REACH, REACH)
        tracks.append(_dots(at, np.minimum(run.slope_shown.values, top), name))
    corner = (-REACH + 0.1, top * 0.94)
    tracks.append(_note(both, lambda run: run.slope_sd / run.slope, "spread / mean", corner))
    return _panel(
        "3  slope at sixty fresh inputs", (-REACH, REACH), (0, top), tracks, "⟨x, u⟩",
        xticks=ticks.at(range(-3, 4)),
        yticks=ticks.at(slope for slope in (0, 0.5, 1, 1.5, 2, 2.5, 3) if slope < top),
    )  # fmt: skip


def _steepest(run: xr.Dataset) -> float:
    """Nearly the largest slope at the end."""
    return float(np.quantile(run.slope_shown.values[-1], 0.97))


def _neurons(both: Both) -> Panel:
    tracks: list[Track] = []
    for name, run in both.items():
        angle, weight = np.moveaxis(run.neurons.values, 1, 0)
        tracks.append(_dots(angle, np.minimum(weight, 3.0), name))
    tracks.append(_note(both, lambda run: run.towards_force, "cosine with own force", (-1, 3.05)))
    return _panel(
        "4  where sixty neurons point", (-1.05, 1.05), (0, 3.3), tracks, "sign(v) cos(w, u)",
        "weight / mean", ticks.at((-1, -0.5, 0, 0.5, 1)), ticks.at(range(4)),
    )  # fmt: skip


def _dots(x: Array, y: Array, name: str) -> Dots:
    """Rows of x (frames or one for all, k) and y (frames, k) of one run."""
    return Dots("", list(np.stack(np.broadcast_arrays(x, y), axis=2)), COLOURS[name], 2.8, 0.7)


def _note(
    both: Both, of: Callable[[xr.Dataset], xr.DataArray], what: str, at: tuple[float, float]
) -> Note:
    pairs = zip(*(of(run).values for run in both.values()), strict=True)
    return Note([f"{what}: {a:.2f} blue, {b:.2f} orange" for a, b in pairs], at, name=what)


def four(
    kernel: xr.Dataset, small: xr.Dataset, fresh: xr.Dataset, plateau: tuple[float, float]
) -> Picture:
    """Recorded runs, mean and range over seeds, against steps.

    The plateau of the kernel-scale start is shaded.

    `fresh` are the kernel-scale cells of a page, drawn as circles where they have fewer samples.
    """
    shaded = np.interp(plateau, kernel.clock.values[0], kernel.step.values[0])
    with axes(1, height=6.0) as (figure, _):
        figure.clear()
        panels = figure.subplots(2, 2).ravel()
        _recorded(panels, kernel, KERNEL, "--")
        _recorded(panels, small, SMALL, "-")
        _of_kernel(panels, kernel)
        _fresh(panels, fresh)
        for panel, title in zip(panels, _TITLES, strict=True):
            _steps(panel, shaded, title)
        panels[0].set(ylim=(0.6, 1.02))
        for panel in panels[2:]:
            panel.set(xlabel="steps")
        entries = [(COLOURS[name], label) for name, label in NAMES.items()]
        below(figure, entries, page=f", n = {int(fresh.n[0]):,}")
        about = (
            "Four instruments over the steps of training, for a start at the kernel's scale and a "
            "small one."
        )
        return finish(figure, about)


_TITLES = (
    "1  share that is linear; dashed blue: best fit",
    "2  I(F;Y); dashed μ(F;L); dotted μ, chance",
    "3  |∂f/∂x|; dashed |∂f/∂b|; dotted spread",
    "4  cosine: own force; dashed own start",
)


def _recorded(panels: Array, run: xr.Dataset, colour: str, linear: str) -> None:
    """What is drawn of both starts; `linear` is the style of the best linear fit."""
    found = information.information(run.counts.values[:, :, 0])
    for place, values, look in (
        (0, run.linear.values, linear),
        (1, found.network, "-"),
        (1, found.mu, "--"),
        (2, run.slope.values, "-"),
        (2, run.bias.values, "--"),
        (2, (run.slope_sd / run.slope).values, ":"),
        (3, run.towards_force.values, "-"),
        (3, run.from_start.values, "--"),
    ):
        seeds.mean_and_range(panels[place], run.step.values[0], values, colour, look)


def _of_kernel(panels: Array, kernel: xr.Dataset) -> None:
    """What is drawn of the start at the kernel's scale alone: the model's share, and chance."""
    steps = kernel.step.values[0]
    seeds.mean_and_range(panels[0], steps, kernel.explained.values, KERNEL)
    null = information.mu_null(*information.accuracies(kernel.counts.values[:, :, 0]))
    seeds.mean_and_range(panels[1], steps, null, INK, ":")


def _fresh(panels: Array, fresh: xr.Dataset) -> None:
    known = information.information(fresh.counts.values[:, :, 0]).network
    for panel, values in zip(panels, (fresh.explained.values, known), strict=False):
        at, middle = fresh.step.values[0], values.mean(axis=0)
        seeds.marks(panel, at[::3], middle[::3], KERNEL, False)


def _steps(panel: Axes, shaded: Array, title: str) -> None:
    panel.axvspan(*shaded, color=INK, alpha=0.07, lw=0)
    panel.set(xscale="log", ylim=(0, None), title=title)
    panel.set_xticks([1, 10, 100, 1000], ["1", "10", "100", "1000"])


def shares(
    runs: Both, bits: Callable[[xr.Dataset], Array], plateau: tuple[float, float]
) -> Picture:
    """What the linear model explains in squares and, with `bits`, of decisions, over the clock of
    each teacher: mean and range over seeds; the plateau is shaded."""
    with axes(len(runs), height=3.2, sharey=True) as (figure, panels):
        for panel, (name, run) in zip(panels, runs.items(), strict=True):
            _share(panel, run, bits(run))
            panel.axvspan(*plateau, color=INK, alpha=0.07, lw=0)
            panel.set(xscale="log", xlim=(0.3, None), ylim=(0.3, 1.02), title=name)
            panel.set(xlabel="time / (d log d / step size)")
        panels[0].legend(loc="lower left")
        about = "What the linear model explains of networks with a flat and a curved teacher."
        return finish(figure, about)


def _share(panel: Axes, run: xr.Dataset, in_bits: Array) -> None:
    clock = run.clock.values[0]
    seeds.mean_and_range(panel, clock, run.explained.values, BLUE, label="in squares")
    seeds.mean_and_range(panel, clock, in_bits, ORANGE, label="in bits")
