"""Pictures of one training run under four instruments.

A player with a panel for each, and their curves over the steps.
"""

from collections.abc import Callable

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from simplicity.nakkiran import information
from simplicity.pictures.player import Panel, Player, Ticks
from simplicity.pictures.style import BLUE, INK, ORANGE, Picture, axes, finish
from simplicity.pictures.tracks import Dots, Line, Note, Track

Array = NDArray[np.floating]
KERNEL, SMALL = BLUE, ORANGE
NAMES = {"kernel": "kernel-scale start, erf", "small": "small start, ReLU"}
COLOURS = {"kernel": KERNEL, "small": SMALL}
_LINEAR = 60.0  # the step at which both functions are a straight line
_WIDE, _HIGH = 380.0, 255.0


def over_steps(kernel: xr.Dataset, small: xr.Dataset, reach: float) -> Player:
    """Both runs at the same steps: outputs on a line, bits, slopes, directions of neurons.

    One cell each, with pictures.

    `reach` is the largest <x, u> on the line; u is the direction of the linear model's limit.
    """
    both = {"kernel": kernel, "small": small}
    panels = (_outputs(both, reach), _bits(both), _slopes(both, reach), _neurons(both))
    clocks = zip(kernel.step.values, kernel.clock.values, small.clock.values, strict=True)
    labels = [
        f"step {int(step)}, time {one:.3g} (blue) and {two:.3g} (orange)"
        for step, one, two in clocks
    ]
    about = (
        "Two networks over training under four instruments: outputs on a line, bits, slopes, "
        "directions of neurons."
    )
    both_linear = int(np.argmin(np.abs(np.log(np.maximum(kernel.step.values, 0.1) / _LINEAR))))
    return Player(panels, labels, about, "steps", milliseconds=500, start=both_linear).thinned(16)


def _outputs(both: dict[str, xr.Dataset], reach: float) -> Panel:
    places = np.linspace(-reach, reach, both["kernel"].sizes["place"])
    limit = np.stack([places, both["kernel"].line_model.values], axis=1)
    tracks: list[Track] = [Line("linear model's limit", [limit], INK, 1.2, 0.6, "4 3")]
    for name, run in both.items():
        lines = [np.stack([places, row], axis=1) for row in run.line_network.values]
        tracks.append(Line(NAMES[name], lines, COLOURS[name], 2.4))
    tracks.append(_note(both, lambda run: run.linear.values, "linear part", (-reach + 0.1, 2.1)))
    whole = [(x, f"{x:g}") for x in (-3, -2, -1, 0, 1, 2, 3)]
    return _panel(
        "1  the function on a line",
        (-reach, reach),
        (-2.4, 2.4),
        tracks,
        "⟨x, u⟩",
        whole,
        _ticks(-2, -1, 0, 1, 2),
    )


def _bits(both: dict[str, xr.Dataset]) -> Panel:
    tracks: list[Track] = []
    step = np.log10(both["kernel"].step.values)
    for name, run in both.items():
        found = information.information(run.counts.values[:, 0])
        for values, dashes, width in ((found.network, "", 1.6), (found.mu, "4 3", 1.6)):
            tracks.append(
                Line("", [np.stack([step, values], axis=1)], COLOURS[name], width, 0.55, dashes)
            )
        tracks.append(
            Dots(
                "",
                [np.array([[x, y]]) for x, y in zip(step, found.network, strict=True)],
                COLOURS[name],
                4.0,
            )
        )
        hollow = [np.array([[x, y]]) for x, y in zip(step, found.mu, strict=True)]
        tracks.append(Dots("", hollow, COLOURS[name], 4.0, hollow=True))
    top = 0.1 + max(
        float(information.information(run.counts.values[:, 0]).network.max())
        for run in both.values()
    )
    tracks.append(
        Note(["full: I(F;Y), hollow: what L explains, μ"], (0.05, top * 0.95), name="bits")
    )
    shown = [(np.log10(x), f"{x:g}") for x in (1, 10, 100, 1000)]
    upright = [y for y in (0, 0.2, 0.4, 0.6, 0.8, 1) if y < top]
    return _panel(
        "2  bits known of the label",
        (0, float(step[-1]) + 0.05),
        (0, top),
        tracks,
        "step",
        shown,
        _ticks(*upright),
    )


def _slopes(both: dict[str, xr.Dataset], reach: float) -> Panel:
    tracks: list[Track] = []
    top = 1.25 * max(float(np.quantile(run.slope_shown.values[-1], 0.97)) for run in both.values())
    for name, run in both.items():
        at = np.clip(run.at_shown.values, -reach, reach)
        dots = [np.stack([at, np.minimum(row, top)], axis=1) for row in run.slope_shown.values]
        tracks.append(Dots("", dots, COLOURS[name], 2.8, 0.7))
    tracks.append(
        _note(
            both,
            lambda run: (run.slope_sd / run.slope).values,
            "spread / mean",
            (-reach + 0.1, top * 0.94),
        )
    )
    whole = [(x, f"{x:g}") for x in (-3, -2, -1, 0, 1, 2, 3)]
    ticks = _ticks(*(y for y in (0, 0.5, 1, 1.5, 2, 2.5, 3) if y < top))
    return _panel(
        "3  slope at sixty fresh inputs", (-reach, reach), (0, top), tracks, "⟨x, u⟩", whole, ticks
    )


def _neurons(both: dict[str, xr.Dataset]) -> Panel:
    tracks: list[Track] = []
    for name, run in both.items():
        dots = [
            np.stack([angle, np.minimum(weight, 3.0)], axis=1)
            for angle, weight in run.neurons.values
        ]
        tracks.append(Dots("", dots, COLOURS[name], 2.8, 0.7))
    tracks.append(
        _note(both, lambda run: run.towards_force.values, "cosine with own force", (-1, 3.05))
    )
    across = [(x, f"{x:g}") for x in (-1, -0.5, 0, 0.5, 1)]
    return _panel(
        "4  where sixty neurons point",
        (-1.05, 1.05),
        (0, 3.3),
        tracks,
        "sign(v) cos(w, u)",
        across,
        _ticks(0, 1, 2, 3),
        "weight / mean",
    )


def _note(
    both: dict[str, xr.Dataset],
    of: Callable[[xr.Dataset], Array],
    what: str,
    at: tuple[float, float],
) -> Note:
    first, second = (of(run) for run in both.values())
    return Note(
        [f"{what}: {a:.2f} blue, {b:.2f} orange" for a, b in zip(first, second, strict=True)],
        at,
        name=what,
    )


def _panel(
    title: str, xlim: tuple[float, float], ylim: tuple[float, float], tracks: list[Track],
    xlabel: str, xticks: Ticks, yticks: Ticks, ylabel: str = "",
) -> Panel:  # fmt: skip
    return Panel(
        title, xlim, ylim, tracks, xlabel, ylabel, xticks, yticks, width=_WIDE, height=_HIGH
    )


def _ticks(*values: float) -> Ticks:
    return [(value, f"{value:g}") for value in values]


def four(
    kernel: xr.Dataset, small: xr.Dataset, fresh: xr.Dataset, plateau: tuple[float, float]
) -> Picture:
    """Recorded runs, mean and range over seeds, against steps.

    The plateau of the kernel-scale start is shaded.

    `fresh` are the kernel-scale cells of a page, drawn as circles where they have fewer samples.
    """
    with axes(1, height=6.0) as (figure, _):
        figure.clear()
        (first, second), (third, fourth) = figure.subplots(2, 2)
        for name, run in (("kernel", kernel), ("small", small)):
            colour, found = COLOURS[name], information.information(run.counts.values[:, :, 0])
            _band(first, run, run.linear.values, colour, "--" if name == "kernel" else "-")
            _band(second, run, found.network, colour, "-")
            _band(second, run, found.mu, colour, "--")
            _band(third, run, run.slope.values, colour, "-")
            _band(third, run, run.bias.values, colour, "--")
            _band(third, run, (run.slope_sd / run.slope).values, colour, ":")
            _band(fourth, run, run.towards_force.values, colour, "-")
            _band(fourth, run, run.from_start.values, colour, "--")
        _band(first, kernel, kernel.explained.values, KERNEL, "-")
        null = information.mu_null(*information.accuracies(kernel.counts.values[:, :, 0]))
        _band(second, kernel, null, INK, ":")
        known = information.information(fresh.counts.values[:, :, 0])
        for panel, values in ((first, fresh.explained.values), (second, known.network)):
            at = (fresh.step.values[0, ::3], values.mean(axis=0)[::3])
            panel.plot(*at, "o", color=KERNEL, fillstyle="none", markersize=5, markeredgewidth=1)
        shaded = [
            float(np.interp(clock, kernel.clock.values[0], kernel.step.values[0]))
            for clock in plateau
        ]
        for panel in (first, second, third, fourth):
            panel.axvspan(*shaded, color=INK, alpha=0.07, lw=0)
            panel.set(xscale="log", ylim=(0, None))
            panel.set_xticks([1, 10, 100, 1000], ["1", "10", "100", "1000"])
        first.set(ylim=(0.6, 1.02), title="1  share that is linear; dashed blue: best fit")
        second.set(title="2  I(F;Y); dashed μ(F;L); dotted μ, chance")
        third.set(title="3  |∂f/∂x|; dashed |∂f/∂b|; dotted spread", xlabel="steps")
        fourth.set(title="4  cosine: own force; dashed own start", xlabel="steps")
        handles = [
            Line2D([], [], color=COLOURS[name], label=label) for name, label in NAMES.items()
        ]
        here = f"this page, n = {int(fresh.n[0]):,}"
        handles.append(
            Line2D([], [], color=KERNEL, marker="o", ls="", fillstyle="none", label=here)
        )
        figure.legend(handles=handles, loc="outside lower center", ncols=3, handlelength=1.6)
        return finish(
            figure,
            "Four instruments over the steps of training, for a start at the kernel's scale and a "
            "small one.",
        )


def _band(panel: Axes, run: xr.Dataset, values: Array, colour: str, style: str) -> None:
    step = run.step.values[0]
    panel.plot(step, values.mean(axis=0), style, color=colour)
    if len(values) > 1:
        panel.fill_between(
            step, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.13, lw=0
        )


def shares(
    runs: dict[str, xr.Dataset], bits: Callable[[xr.Dataset], Array], plateau: tuple[float, float]
) -> Picture:
    """What the linear model explains in squares and, with `bits`, of decisions, over the clock of
    each teacher: mean and range over seeds; the plateau is shaded."""
    with axes(len(runs), height=3.2, sharey=True) as (figure, panels):
        for panel, (name, run) in zip(panels, runs.items(), strict=True):
            for values, colour, label in (
                (run.explained.values, BLUE, "in squares"), (bits(run), ORANGE, "in bits"),
            ):  # fmt: skip
                clock = run.clock.values[0]
                panel.plot(clock, np.nanmean(values, axis=0), color=colour, label=label)
                low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
                panel.fill_between(clock, low, high, color=colour, alpha=0.15, lw=0)
            panel.axvspan(*plateau, color=INK, alpha=0.07, lw=0)
            panel.set(xscale="log", xlim=(0.3, None), ylim=(0.3, 1.02), title=name)
            panel.set(xlabel="time / (d log d / step size)")
        panels[0].legend(loc="lower left")
        return finish(
            figure, "What the linear model explains of networks with a flat and a curved teacher."
        )
