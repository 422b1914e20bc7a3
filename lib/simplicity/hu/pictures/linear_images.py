"""Networks on images beside their linear model: losses, outputs, agreement, weights."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from simplicity.pictures import style
from simplicity.pictures.player import Panel, Player
from simplicity.pictures.style import BLUE, GREEN, INK, ORANGE, PURPLE, RED, Picture, axes, finish
from simplicity.pictures.tracks import Dots, Line, Note

Array = NDArray[np.floating]
_EARLY = 0.10  # opacity of the window
_REACH = 3.2  # root mean squares to either side of a scatter plot
COLOURS = {
    "infinite 8": INK, "infinite flattened 8": PURPLE, "connected 8": BLUE, "wide 8": GREEN,
    "connected 32": BLUE, "flattened 8": ORANGE, "pooled 8": RED,
    "connected": BLUE, "flattened": ORANGE, "pooled": RED, "infinite": INK,
}  # fmt: skip


def losses(panels: Mapping[str, xr.Dataset]) -> Picture:
    """Residual loss on V_lin and its complement, a panel a network; mean and range over seeds."""
    with axes(len(panels), height=3.5, sharey=True) as (figure, places):
        for panel, (title, runs) in zip(places, panels.items(), strict=True):
            _window(panel, runs)
            for name, colour in (("inside", BLUE), ("outside", ORANGE)):
                _band(panel, runs, name, colour)
                _band(panel, runs, f"linear_{name}", colour, ls="--")
            panel.set(xscale="log", xlabel="steps", title=title)
        # Once all panels are drawn: they share it.
        places[0].set(ylabel="residual loss on test images", ylim=(0, None))
        entries = [(BLUE, "on V_lin", "-"), (ORANGE, "on its complement", "-")]
        _legend(figure, [*entries, (INK, "linear model", "--")], 4)
        about = "Residual losses on the span of the test inputs and on its complement"
        return finish(figure, f"{about}, of networks and linear model.")


def outputs(panels: Mapping[str, xr.Dataset], points: Sequence[int]) -> Picture:
    """Outputs on a few test images over steps, one run (no axis `cell`) a panel."""
    with axes(len(panels), height=3.3, sharey=True) as (figure, places):
        for panel, (title, run) in zip(places, panels.items(), strict=True):
            step, half = run.step.values, float(run.half_time)
            panel.axvspan(half / 2, 2 * half, color=INK, alpha=_EARLY, lw=0)
            for point, colour in zip(points, (BLUE, ORANGE, GREEN), strict=True):
                panel.plot(step[1:], run.output.values[1:, point], color=colour)
                panel.plot(step[1:], run.linear_output.values[1:, point], color=colour, ls="--")
            panel.axhline(0, color=INK, alpha=style.FAINT, lw=0.8)
            panel.set(xscale="log", xlabel="steps", title=title)
        places[0].set_ylabel("output")
        _legend(figure, [(INK, "network", "-"), (INK, "linear model", "--")], 3)
        about = "Outputs on three test images over training steps, of networks and linear model."
        return finish(figure, about)


def agreement(groups: Mapping[str, Mapping[str, xr.Dataset]], titles: Mapping[str, str]) -> Picture:
    """Correlation and relative error with the linear model against steps over its half-time.

    `groups` are runs by group and setting, whose colour is that of `COLOURS`; `titles` are the
    settings' words.
    """
    with axes(2, height=5.0) as (figure, (left, right)):
        for panel, name in ((left, "correlation"), (right, "relative")):
            panel.axvspan(0.5, 2, color=INK, alpha=_EARLY, lw=0)
            for group, look in zip(groups.values(), ("-", "--"), strict=False):
                for setting, runs in group.items():
                    at, values = _curves(runs, name, runs.half_time.values)
                    panel.plot(at, values.mean(axis=0), color=COLOURS[setting], ls=look)
            panel.set(xscale="log", xlabel="steps / half-time of the model", ylim=(0, 1.05))
        left.axhline(0.95, color=INK, alpha=0.5, lw=0.8, ls=":")
        right.axhline(0.5, color=INK, alpha=0.5, lw=0.8, ls=":")
        left.set_title("correlation with the linear model")
        right.set_title("relative error")
        lines = zip(groups.items(), ("-", "--"), strict=False)
        names = {
            one: text.replace(" x 3,", ",").replace(" x ", "×") for one, text in titles.items()
        }
        entries = [(COLOURS[one], names[one], look) for (_, group), look in lines for one in group]
        _legend(figure, entries, 2)
        about = "Correlation and relative error between networks and the linear model over steps."
        return finish(figure, about)


def weights(pictures: Mapping[str, Array]) -> Picture:
    """Weights (planes, side, side) as images: one plane from violet to orange, three as R, G, B."""
    with axes(len(pictures), height=2.1) as (figure, places):
        for panel, (title, one) in zip(places, pictures.items(), strict=True):
            scaled = one / np.abs(one).max()
            if len(one) == 1:
                panel.imshow(scaled[0], cmap="PuOr_r", vmin=-1, vmax=1)
            else:
                panel.imshow(np.moveaxis(0.5 + scaled / 2, 0, -1))
            panel.set(title=title, xticks=[], yticks=[])
        return finish(figure, "Weights of linear models after their half-time, drawn as images.")


def scatter(panels: Mapping[str, xr.Dataset], positive: NDArray[np.bool_]) -> Player:
    """Network output against linear output, a dot a test image, over the steps that all share.

    Both are in units of the linear outputs' root mean square at that step, which grows by tens.
    `panels` hold single runs with `output` and `linear_output` (probe, point); `positive` (point,)
    are the images labelled +1.
    """
    steps = (set(run.step.values.astype(int).tolist()) for run in panels.values())
    shared = sorted(set.intersection(*steps) - {0})
    diagonal = np.array([[-_REACH, -_REACH], [_REACH, _REACH]])
    half = float(next(iter(panels.values())).half_time)
    ticks = [(value, f"{value:g}") for value in (-2.0, 0.0, 2.0)]
    corner, drawn = (-0.95 * _REACH, 0.88 * _REACH), []
    for title, run in panels.items():
        at = [int(np.argmax(run.step.values == step)) for step in shared]
        words = [f"correlation {run.correlation.values[k]:.2f}" for k in at]
        pairs = []
        for k in at:
            one = np.stack([run.linear_output.values[k], run.output.values[k]], axis=1)
            pairs.append(np.clip(one / np.sqrt(np.mean(one[:, 0] ** 2)), -_REACH, _REACH))
        drawn.append(
            Panel(
                title, (-_REACH, _REACH), (-_REACH, _REACH),
                [
                    Line("network = model", [diagonal], opacity=0.5, width=0.8),
                    Dots("label +1", [one[positive] for one in pairs], BLUE, 2.6, 0.8),
                    Dots("label -1", [one[~positive] for one in pairs], ORANGE, 2.6, 0.8),
                    Note(words, corner, size=12),
                ],
                "linear model", "network", ticks, ticks, width=250, height=260,
            )
        )  # fmt: skip
    labels = [f"step {step}, {step / half:.1f} half-times" for step in shared]
    about = "Output of three networks against that of the linear model, a dot for each test image."
    start = int(np.argmin(np.abs(np.log(np.array(shared) / half))))
    return Player(drawn, labels, about, step_name="steps", milliseconds=450, start=start)


def _band(panel: Axes, runs: xr.Dataset, name: str, colour: str, ls: str = "-") -> None:
    """Mean over seeds, and the range where there are several."""
    at, values = _curves(runs, name, np.ones(runs.sizes["cell"]))
    panel.plot(at, values.mean(axis=0), color=colour, ls=ls)
    if len(values) > 1 and ls == "-":
        low, high = values.min(axis=0), values.max(axis=0)
        panel.fill_between(at, low, high, color=colour, alpha=0.15, lw=0)


def _curves(runs: xr.Dataset, name: str, unit: Array) -> tuple[Array, Array]:
    """A variable (cell, at) at the places of step / unit that the first run has and all reach.

    Runs look at steps of their own, since their half-times differ. Step 0 has no place on a
    logarithmic axis.
    """
    steps = runs.step.values[:, 1:] / unit[:, None]
    at = np.unique(steps[0][(steps[0] >= steps[:, 0].max()) & (steps[0] <= steps[:, -1].min())])
    pairs = zip(steps, runs[name].values, strict=True)
    values = [np.interp(np.log(at), np.log(x), y[1:]) for x, y in pairs]
    return at, np.array(values)


def _window(panel: Axes, runs: xr.Dataset) -> None:
    half = float(np.median(runs.half_time.values))
    panel.axvspan(half / 2, 2 * half, color=INK, alpha=_EARLY, lw=0)


def _legend(figure: Figure, entries: Sequence[tuple[str, str, str]], columns: int) -> None:
    handles: list[Line2D | Patch] = [
        Line2D([], [], color=colour, label=label, ls=look) for colour, label, look in entries
    ]
    window = "half to twice the model's half-time"
    handles.append(Patch(color=INK, alpha=_EARLY, lw=0, label=window))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, handlelength=1.6)
