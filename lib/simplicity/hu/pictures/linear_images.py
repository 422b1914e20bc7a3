"""Networks on images beside their linear model: losses, outputs, agreement, weights."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from numpy.typing import NDArray

from simplicity.pictures import seeds, style, ticks
from simplicity.pictures.legends import below
from simplicity.pictures.player import Panel, Player
from simplicity.pictures.style import BLUE, GREEN, INK, ORANGE, PURPLE, RED, Picture, axes, finish
from simplicity.pictures.tracks import Dots, Line, Note, Track, nearest

Array = NDArray[np.floating]
_WINDOW: dict[str, Any] = {"color": INK, "alpha": 0.1, "lw": 0}
_MODEL = (INK, "linear model", "--")
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
            _residuals(panel, runs)
            _over_steps(panel, title)
        # Once all panels are drawn: they share it.
        places[0].set(ylabel="residual loss on test images", ylim=(0, None))
        entries = [(BLUE, "on V_lin", "-"), (ORANGE, "on its complement", "-"), _MODEL]
        below(figure, entries, more=[_window_patch()])
        about = "Residual losses on the span of the test inputs and on its complement"
        return finish(figure, f"{about}, of networks and linear model.")


def _over_steps(panel: Axes, title: str) -> None:
    panel.set(xscale="log", xlabel="steps", title=title)


def _residuals(panel: Axes, runs: xr.Dataset) -> None:
    """Both parts of network and model over the window of the half-time."""
    _window(panel, float(np.median(runs.half_time.values)))
    for name, colour in (("inside", BLUE), ("outside", ORANGE)):
        for of, look in ((name, "-"), (f"linear_{name}", "--")):
            at, values = _curves(runs, of, np.ones(runs.sizes["cell"]))
            seeds.mean_and_range(panel, at, values, colour, look)


def outputs(panels: Mapping[str, xr.Dataset], points: Sequence[int]) -> Picture:
    """Outputs on a few test images over steps, one run (no axis `cell`) a panel."""
    with axes(len(panels), height=3.3, sharey=True) as (figure, places):
        for panel, (title, run) in zip(places, panels.items(), strict=True):
            _outputs_at(panel, run, points)
            _over_steps(panel, title)
        places[0].set_ylabel("output")
        below(figure, [(INK, "network", "-"), _MODEL], more=[_window_patch()])
        about = "Outputs on three test images over training steps, of networks and linear model."
        return finish(figure, about)


def _outputs_at(panel: Axes, run: xr.Dataset, points: Sequence[int]) -> None:
    _window(panel, float(run.half_time))
    for point, colour in zip(points, (BLUE, ORANGE, GREEN), strict=True):
        for values, look in ((run.output, "-"), (run.linear_output, "--")):
            panel.plot(run.step[1:], values[1:, point], look, color=colour)
    panel.axhline(0, color=INK, alpha=style.FAINT, lw=0.8)


def agreement(groups: Mapping[str, Mapping[str, xr.Dataset]], titles: Mapping[str, str]) -> Picture:
    """Correlation and relative error with the linear model against steps over its half-time.

    `groups` are runs by group and setting, whose colour is that of `COLOURS`; `titles` are the
    settings' words.
    """
    looks = dict(zip(groups, ("-", "--"), strict=False))
    lines = [(look, *one) for group, look in looks.items() for one in groups[group].items()]
    with axes(2, height=5.0) as (figure, (left, right)):
        _over_half_times(left, lines, "correlation", level=0.95)
        left.set_title("correlation with the linear model")
        _over_half_times(right, lines, "relative", level=0.5)
        right.set_title("relative error")
        entries = [(COLOURS[one], _short(titles[one]), look) for look, one, _ in lines]
        below(figure, entries, more=[_window_patch()], columns=2)
        about = "Correlation and relative error between networks and the linear model over steps."
        return finish(figure, about)


Styled = tuple[str, str, xr.Dataset]  # style of the line, setting, runs


def _over_half_times(panel: Axes, lines: Sequence[Styled], name: str, level: float) -> None:
    """The mean over seeds of a variable, and the level that it is held against."""
    _window(panel, 1)
    for look, setting, runs in lines:
        at, values = _curves(runs, name, runs.half_time.values)
        panel.plot(at, values.mean(axis=0), look, color=COLOURS[setting])
    panel.axhline(level, color=INK, alpha=0.5, lw=0.8, ls=":")
    panel.set(xscale="log", xlabel="steps / half-time of the model", ylim=(0, 1.05))


def _short(title: str) -> str:
    """The words of a setting, sides of images as 8×8."""
    return title.replace(" x 3,", ",").replace(" x ", "×")


def weights(pictures: Mapping[str, Array]) -> Picture:
    """Weights (planes, side, side) as images: one plane from violet to orange, three as R, G, B."""
    with axes(len(pictures), height=2.1) as (figure, places):
        for panel, (title, one) in zip(places, pictures.items(), strict=True):
            _image(panel, one / np.abs(one).max())
            panel.set(title=title, xticks=[], yticks=[])
        return finish(figure, "Weights of linear models after their half-time, drawn as images.")


def _image(panel: Axes, scaled: Array) -> None:
    """Weights between -1 and 1 in colours."""
    if len(scaled) == 1:
        panel.imshow(scaled[0], cmap="PuOr_r", vmin=-1, vmax=1)
    else:
        panel.imshow(np.moveaxis(0.5 + scaled / 2, 0, -1))


def scatter(panels: Mapping[str, xr.Dataset], positive: NDArray[np.bool_]) -> Player:
    """Network output against linear output, a dot a test image, over the steps that all share.

    Both are in units of the linear outputs' root mean square at that step, which grows by tens.
    `panels` hold single runs with `output` and `linear_output` (probe, point); `positive` (point,)
    are the images labelled +1.
    """
    shared = _shared_steps(panels.values())
    half = float(next(iter(panels.values())).half_time)
    drawn = [_scattered(title, run, shared, positive) for title, run in panels.items()]
    labels = [f"step {step}, {step / half:.1f} half-times" for step in shared]
    about = "Output of three networks against that of the linear model, a dot for each test image."
    start = nearest(shared, half)
    return Player(drawn, labels, about, step_name="steps", milliseconds=450, start=start)


def _shared_steps(runs: Iterable[xr.Dataset]) -> list[int]:
    """The steps but the start at which all runs were looked at."""
    steps = (set(run.step.values.astype(int).tolist()) for run in runs)
    return sorted(set.intersection(*steps) - {0})


def _scattered(
    title: str, run: xr.Dataset, steps: Sequence[int], positive: NDArray[np.bool_]
) -> Panel:
    seen = _looks(run, steps)
    square, marked = (-_REACH, _REACH), ticks.at((-2, 0, 2))
    return Panel(
        title, square, square, _dots(seen, positive), "linear model", "network", marked, marked,
        width=250, height=260,
    )  # fmt: skip


def _looks(run: xr.Dataset, steps: Sequence[int]) -> xr.Dataset:
    """The looks at these steps."""
    return run.isel(probe=[int(np.argmax(run.step.values == step)) for step in steps])


def _dots(seen: xr.Dataset, positive: NDArray[np.bool_]) -> list[Track]:
    """Both classes about the diagonal, and the correlation as a number."""
    pairs, diagonal = _in_units(seen), np.array([[-_REACH, -_REACH], [_REACH, _REACH]])
    words = [f"correlation {value:.2f}" for value in seen.correlation.values]
    return [
        Line("network = model", [diagonal], opacity=0.5, width=0.8),
        Dots("label +1", list(pairs[:, positive]), BLUE, 2.6, 0.8),
        Dots("label -1", list(pairs[:, ~positive]), ORANGE, 2.6, 0.8),
        Note(words, (-0.95 * _REACH, 0.88 * _REACH), size=12),
    ]


def _in_units(seen: xr.Dataset) -> Array:
    """(probe, point, 2) of model and network in units of the model's root mean square, cut."""
    model, network = seen.linear_output.values, seen.output.values
    unit = np.sqrt(np.mean(model**2, axis=1))[:, None, None]
    return np.clip(np.stack([model, network], axis=2) / unit, -_REACH, _REACH)


def _curves(runs: xr.Dataset, name: str, unit: Array) -> tuple[Array, Array]:
    """A variable (cell, at) at the places of step / unit that the first run has and all reach.

    Runs look at steps of their own, since their half-times differ. Step 0 has no place on a
    logarithmic axis.
    """
    steps = runs.step.values[:, 1:] / unit[:, None]
    at = _common(steps)
    pairs = zip(steps, runs[name].values, strict=True)
    values = [np.interp(np.log(at), np.log(x), y[1:]) for x, y in pairs]
    return at, np.array(values)


def _common(places: Array) -> Array:
    """Of the first row the places that lie within every row."""
    first = places[0]
    return np.unique(first[(first >= places[:, 0].max()) & (first <= places[:, -1].min())])


def _window(panel: Axes, half: float) -> None:
    panel.axvspan(half / 2, 2 * half, **_WINDOW)


def _window_patch() -> Patch:
    return Patch(**_WINDOW, label="half to twice the model's half-time")
