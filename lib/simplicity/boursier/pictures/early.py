"""Pictures of the early phase: neurons that turn, shares aligned, the exit from the plateau, three
points, what is conserved.

`neuron_frames` makes the numbers of the moving picture, for any d, and draws nothing; `turning`
draws them as a player over time for d = 2, and the module `sphere` does for d = 3.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from numpy.typing import NDArray

from simplicity.boursier import alignment, early, extremal
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
    joined,
)
from simplicity.pictures.tracks import Dots, Line, Note, Track

Array = NDArray[np.floating]
# sign of a_j: where to, colour, in words
SIDES = {1: ("maximisers", GREEN, "a > 0"), -1: ("minimisers", PURPLE, "a < 0")}
_STRIDE = 0.03  # of the unit circle's radius, three pixels: no neuron's path is drawn finer
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_CURVE = 0.32  # by how much G_n moves the polar curve off the unit circle
_CIRCLE = extremal.circle(np.linspace(0, 2 * np.pi, 361))


def neuron_frames(
    a: Array, w: Array, time: Array, x: Array, y: Array, found: extremal.Extremal
) -> dict[str, Array]:
    """What a picture of turning neurons shows, from a (p, m), w (p, m, d) at p times `time`.

    `position` (p, m, d): w_j / |a_j|, in the unit ball for a dominated start, on the sphere once
    aligned. `sign` (m,): of a_j at the start. `loss` (p,): plain train MSE. `aligned` (p,): share
    within cosine 0.99 of one of the directions at which they may end, which are the `maximisers`
    that were `found` for a_j > 0 and the `minimisers` for a_j < 0 (unit vectors; some lie on a
    border between sectors, where the force is a set).
    """
    tops, bottoms = found.ends(1), found.ends(-1)
    outputs = [np.maximum(x @ inner.T, 0) @ outer for outer, inner in zip(a, w, strict=True)]
    return {
        "time": time,
        "position": w / np.abs(a)[:, :, None],
        "sign": np.sign(a[0]),
        "loss": np.array([alignment.mse(output, y) for output in outputs]),
        "aligned": _near(w, a[0] > 0, tops, bottoms),
        "maximisers": tops,
        "minimisers": bottoms,
    }


def polar_curve(x: Array, y: Array) -> Array:
    """G_n around the circle of d = 2 as a curve (q, 2), at the radius 1 + 0.32 G_n / max |G_n|."""
    height = alignment.g_n(_CIRCLE, x, y)
    return (1 + _CURVE * height / np.abs(height).max())[:, None] * _CIRCLE


def _near(w: Array, positive: NDArray[np.bool_], tops: Array, bottoms: Array) -> Array:
    unit = w / np.linalg.norm(w, axis=2, keepdims=True)
    near = [
        (unit[:, mask] @ ends.T > early.ALIGNED).any(axis=2)
        for mask, ends in ((positive, tops), (~positive, bottoms))
    ]
    return np.concatenate(near, axis=1).mean(axis=1)


def turning(
    frames: dict[str, Array], curve: Array, moments: Mapping[str, float], every: int
) -> Player:
    """A player over time: neurons in the plane; beside them the loss and the share aligned.

    Each neuron's path up to the exit is drawn whole, so that the first frame tells where all of
    them will go.
    """
    index = np.arange(0, len(frames["time"]), every)
    tracks: list[Track] = [
        Line("unit circle", [_CIRCLE], opacity=0.3, width=0.8),
        Line("Gₙ", [curve], opacity=0.7),
    ]
    for sign, (ends, colour, word) in SIDES.items():
        for direction in frames[ends]:
            spoke = np.stack([0 * direction, 1.42 * direction])
            tracks.append(Line(f"{ends[:-1]} of Gₙ", [spoke], colour, 1.0, dashes="4 3"))
        chosen = frames["position"][:, frames["sign"] == sign]
        tracks.append(paths(before_exit(frames, chosen), _STRIDE, colour))
        tracks.append(
            Dots(
                f"neurons with {word}", [chosen[i] for i in index], colour, radius=2.4, opacity=0.7
            )
        )
    plane = Panel("neurons at w / |a|", (-1.45, 1.45), (-1.45, 1.45), tracks, width=320, height=320)
    about = (
        "Neurons of a network in the plane turning to the extremal directions, "
        "and beside them the loss and the share aligned."
    )
    labels = [f"t = {value:.1f}" for value in frames["time"][index]]
    return Player(
        [plane, over_time(frames, index, moments)],
        labels,
        about,
        step_name="time",
        milliseconds=120,
        start=all_turned(frames, index),
    )


def all_turned(frames: dict[str, Array], index: NDArray[np.intp]) -> int:
    """The first frame of a player at which as many neurons are aligned as ever."""
    return int(np.argmax(frames["aligned"][index]))


def before_exit(frames: dict[str, Array], places: Array) -> Array:
    """`places` (p, m, ...) up to the exit: later the forces are others."""
    return places[: early.left_plateau(frames["loss"])]


def paths(places: Array, stride: float, colour: str) -> Line:
    """The paths of all neurons, `places` (p, m, 2), as one quiet line.

    Points nearer than `stride` to the last one are left out.
    """
    return Line(
        "path up to the exit",
        [joined([_thinned(path, stride) for path in places.swapaxes(0, 1)])],
        colour,
        0.7,
        0.35,
    )


def _thinned(path: Array, stride: float) -> Array:
    kept = [path[0]]
    for place in path[1:]:
        if not np.linalg.norm(place - kept[-1]) < stride:  # a NaN is not near, and stays as a break
            kept.append(place)
    return np.array(kept)


def over_time(
    frames: dict[str, Array],
    index: NDArray[np.intp],
    moments: Mapping[str, float],
    width: float = 360,
    height: float = 320,
) -> Panel:
    """The loss and the share aligned, whole, at the frames `index`.

    Moments are named, and a line is where the shown frame is.
    """
    time, loss, aligned = (
        frames["time"][index],
        frames["loss"][index] / frames["loss"][0],
        frames["aligned"][index],
    )
    notes = [f"loss {a:.0%}, aligned {b:.0%}" for a, b in zip(loss, aligned, strict=True)]
    now = [np.stack([np.full(2, t), [0.0, 1.0]], axis=1) for t in time]
    last = float(time[-1])
    curves: list[Track] = [
        Line("loss / loss at the start", [np.stack([time, loss], axis=1)], BLUE),
        Line("share aligned", [np.stack([time, aligned], axis=1)], ORANGE),
        Line("now", now, opacity=0.5, width=1.0),
        Note(notes, (last, 1.08), anchor="end"),
    ]
    for name, moment in moments.items():
        curves.append(
            Line(
                "", [np.array([[moment, 0.0], [moment, 1.0]])], opacity=0.5, width=1.0, dashes="1 3"
            )
        )
        curves.append(Note([name], (moment + 0.01 * last, 0.03), size=12))
    shown = [(value, f"{value:.0f}") for value in (0.0, last / 2, last)]
    shares = [(value, f"{value:g}") for value in (0.0, 0.5, 1.0)]
    return Panel(
        "", (0.0, last), (0.0, 1.15), curves, "time t", "share", shown, shares, width, height
    )


def _scale(value: float) -> str:
    """Powers of ten as such: scale 10⁻⁶."""
    power = round(float(np.log10(value)))
    shown = (
        f"10{str(power).translate(_RAISED)}"
        if power and np.isclose(value, 10.0**power)
        else f"{value:g}"
    )
    return f"scale {shown}"


SCALES = {1e-6: BLUE, 1e-4: PURPLE, 1e-3: ORANGE, 0.1: GREEN, 1.0: RED}


def shares(fresh: xr.Dataset, recorded: xr.Dataset) -> Picture:
    """Share of aligned neurons against n in d = 5.

    At tau for both eps, and at scale 1 when the loss has moved.
    """
    with axes(2, sharey=True, height=3.4) as (figure, panels):
        for panel, moment, eps in zip(panels, (1, 2), (0.25, 0.5), strict=True):
            for scale in (1e-6, 1e-3, 1.0):
                at = moment if scale < 1 else 3
                parts = [cells_where(data, dim=5, scale=scale) for data in (fresh, recorded)]
                page, record = (part.assign(shown=part.aligned.isel(moment=at)) for part in parts)
                seeds.against(panel, page, record, "n", "shown", SCALES[scale])
            panel.axhline(0.99, color=INK, alpha=FAINT, lw=0.8)
            _log_n(panel, fresh)
            panel.set(title=f"at τ with ε = {eps:g}", ylim=(-0.04, 1.04))
        panels[0].set_ylabel("share of neurons aligned")
        entries = [(SCALES[scale], _scale(scale)) for scale in (1e-6, 1e-3)] + [
            (RED, "scale 1, when its loss moves")
        ]
        seeds.legend(panels[0], entries, fresh, recorded)
        return finish(
            figure,
            "Share of neurons within cosine 0.99 of their own force at tau, against the number of "
            "samples.",
        )


def plateau(fresh: xr.Dataset, n: int, seed: int) -> Picture:
    """Loss and share aligned over time in one seed.

    tau (eps 0.5) and the exit are marked for each scale.
    """
    with axes(2, height=3.2, sharex=True) as (figure, panels):
        for scale in np.unique(fresh.scale.values):
            run = cells_where(fresh, dim=5, n=n, seed=seed, scale=scale).isel(cell=0)
            loss = run.train_curve / run.train_curve[0]
            for panel, curve in zip(panels, (loss, run.aligned_curve), strict=True):
                panel.plot(run.time, curve, color=SCALES[scale], label=_scale(scale))
                for at, mark in ((2, "s"), (3, "D")):
                    if scale < 1 or at == 3:
                        moment = float(run.moment_time[at])
                        panel.plot(
                            moment,
                            np.interp(moment, run.time, curve),
                            mark,
                            color=SCALES[scale],
                            markersize=6,
                        )
        panels[0].set(ylabel="loss / loss at the start", ylim=(0, 1.05))
        panels[1].set(ylabel="share of neurons aligned", ylim=(-0.04, 1.04))
        panels[1].plot([], [], "s", color=INK, label="τ, ε = 0.5")
        panels[1].plot([], [], "D", color=INK, label="exit: loss down a tenth")
        for panel in panels:
            panel.set_xlabel("time t = steps × η")
        figure.legend(
            *panels[1].get_legend_handles_labels(),
            loc="outside lower center",
            ncols=5,
            handlelength=1.2,
        )
        return finish(
            figure,
            "Loss and share of aligned neurons over time for several scales of the initialisation.",
        )


def exits(fresh: xr.Dataset, recorded: xr.Dataset) -> Picture:
    """Exit time against ln(1/lambda), left in units of the leading neuron's force.

    Right: both units against n, at 1e-6.
    """
    with axes(2, height=3.4) as (figure, (left, right)):
        fresh, recorded = (_in_both_units(data) for data in (fresh, recorded))
        colours = dict(
            zip(np.unique(recorded.n.values).tolist(), (RED, ORANGE, GREEN, BLUE), strict=True)
        )
        for n, colour in colours.items():
            part = cells_where(recorded, dim=5, n=n)
            part = part.assign(depth=-np.log(part.scale))
            seeds.medians(left, part, "depth", "by_leader", colour, label=f"n = {n}")
            seeds.marks(left, part.depth.values, part.by_leader.values, colour, True)
        depth = np.array([0, 14.5])
        left.plot(depth, depth, color=INK, alpha=0.5, lw=1)
        left.set(
            title="exit time × force on the leading neuron",
            xlabel="ln(1 / scale)",
            xlim=(-0.3, 14.5),
            ylim=(0, None),
        )
        left.legend(loc="upper left")
        units = {
            "by_largest": (ORANGE, "largest force"),
            "by_leader": (BLUE, "force on the leading neuron"),
        }
        page, record = (cells_where(data, dim=5, scale=1e-6) for data in (fresh, recorded))
        for name, (colour, _) in units.items():
            drawn, kept = (
                part.assign(shown=part[name] / -np.log(part.scale)) for part in (page, record)
            )
            seeds.against(right, drawn, kept, "n", "shown", colour)
        right.axhline(1, color=INK, alpha=FAINT, lw=0.8)
        _log_n(right, fresh)
        right.set(title="the same / ln(1 / scale), scale 10⁻⁶", ylabel="ratio", ylim=(0.9, None))
        seeds.legend(right, list(units.values()), fresh, recorded)
        return finish(
            figure,
            "Exit time from the plateau against the logarithm of the scale, and in two units "
            "against n.",
        )


def _in_both_units(runs: xr.Dataset) -> xr.Dataset:
    """Exit times times the largest force, and times that on the leader at tau (eps 0.5)."""
    leading = runs.pull.isel(moment=2)
    return runs.assign(
        by_largest=runs.exit_time * runs.largest_force, by_leader=runs.exit_time * leading
    )


def three_points(fresh: xr.Dataset, x: Array, y: Array, least_squares: float) -> Picture:
    """Left: the points and the functions that training ends with; right: error over steps."""
    with axes(2, height=3.4) as (figure, (left, right)):
        # the small scales end on the same line: a wide one below a thin one
        styles = ((BLUE, 3.0), (ORANGE, 1.2), (RED, 0.8))
        for scale, (colour, width) in zip(np.unique(fresh.scale.values), styles, strict=False):
            part = cells_where(fresh, scale=scale)
            label = _scale(scale)
            for index in range(part.sizes["cell"]):
                left.plot(part.x, part.function[index], color=colour, lw=width, alpha=0.6)
                curve = part.train_curve[index].values
                right.plot(1 + part.step, np.maximum(curve, 1e-12), color=colour, lw=1.2, alpha=0.6)
            right.plot([], [], color=colour, label=label)
        left.plot(x[:, 0], y, "o", color=INK, markersize=6, zorder=5)
        left.set(xlabel="input", ylabel="output", ylim=(-0.6, 1.6))
        right.axhline(least_squares, color=INK, alpha=FAINT, lw=0.8)
        right.annotate("least squares", (1.2, 0.7 * least_squares), va="top", alpha=0.8, fontsize=9)
        right.set(
            xscale="log", yscale="log", xlabel="1 + gradient steps", ylabel="mean square error"
        )
        right.legend(loc="lower left")
        return finish(
            figure,
            "Three points, the functions learned from small and large starts, and the training "
            "errors.",
        )


_KINDS = {
    ("gradient descent", "dominated"): (GREEN, "gradient descent, dominated start"),
    ("gradient descent", "gaussian"): (BLUE, "gradient descent, Gaussian start"),
    ("adam", "dominated"): (RED, "Adam, dominated start"),
}


def conserved(fresh: xr.Dataset, recorded: xr.Dataset) -> Picture:
    """Left: final drift against the step size; right: share of signs that never changed."""
    with axes(2, height=3.4) as (figure, (left, right)):
        for (optimiser, kind), (colour, label) in _KINDS.items():
            page, record = (
                cells_where(data, optimiser=optimiser, kind=kind) for data in (fresh, recorded)
            )
            page, record = (part.assign(shown=part.drift.isel(probe=-1)) for part in (page, record))
            seeds.against(left, page, record, "step_size", "shown", colour)
            coarse = record.isel(cell=record.step_size.values == record.step_size.values.max())
            right.plot(coarse.fraction, coarse.kept.mean("cell"), color=colour, label=label)
        left.set(
            xscale="log", yscale="log", xlabel="step size", ylabel="largest drift of a² − |w|²"
        )
        _plain_ticks(left, np.unique(fresh.step_size.values))
        right.set(
            xlabel="time / whole time", ylabel="share of signs as at the start", ylim=(0, 1.04)
        )
        figure.legend(
            *right.get_legend_handles_labels(),
            loc="outside lower center",
            ncols=2,
            handlelength=1.4,
        )
        return finish(
            figure,
            "Drift of the conserved quantity against the step size, and the share of neurons that "
            "keep their sign.",
        )


def _log_n(panel: Axes, fresh: xr.Dataset) -> None:
    panel.set(xscale="log", xlabel="samples n")
    _plain_ticks(panel, np.unique(fresh.n.values))


def _plain_ticks(panel: Axes, values: Any) -> None:
    panel.set_xticks(values, [f"{value:g}" for value in values])
    panel.set_xticks([], minor=True)
