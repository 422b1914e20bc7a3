"""Pictures of the early phase: neurons that turn, shares aligned, the exit from the plateau, three
points, what is conserved.

`neuron_frames` makes the numbers of the moving picture, for any d, and draws nothing; `turning`
draws them as a player over time for d = 2, and the module `sphere` does for d = 3.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from simplicity.boursier import alignment, early, extremal, ols
from simplicity.boursier.pictures import panels
from simplicity.evidence.claims import cells_where
from simplicity.pictures import legends, seeds, ticks
from simplicity.pictures.player import Panel, Player
from simplicity.pictures.style import (
    BLUE,
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
        "loss": np.array([ols.mse(output, y) for output in outputs]),
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
        neurons = [chosen[i] for i in index]
        tracks.append(paths(before_exit(frames, chosen), _STRIDE, colour))
        tracks.append(Dots(f"neurons with {word}", neurons, colour, radius=2.4, opacity=0.7))
    limits = (-1.45, 1.45)
    plane = Panel("neurons at w / |a|", limits, limits, tracks, width=320, height=320)
    about = "Neurons of a network in the plane turning to the extremal directions"
    return player([plane, over_time(frames, index, moments)], frames, index, about)


def player(
    drawn: Sequence[Panel], frames: dict[str, Array], index: NDArray[np.intp], about: str
) -> Player:
    """Panels at the frames `index`, from the first at which as many are aligned as ever."""
    labels = [f"t = {value:.1f}" for value in frames["time"][index]]
    story = f"{about}, and beside them the loss and the share aligned."
    start = int(np.argmax(frames["aligned"][index]))
    return Player(drawn, labels, story, "time", milliseconds=120, start=start)


def before_exit(frames: dict[str, Array], places: Array) -> Array:
    """`places` (p, m, ...) up to the exit: later the forces are others."""
    return places[: early.left_plateau(frames["loss"])]


def paths(places: Array, stride: float, colour: str) -> Line:
    """The paths of all neurons, `places` (p, m, 2), as one quiet line.

    Points nearer than `stride` to the last one are left out.
    """
    kept = joined([_thinned(path, stride) for path in places.swapaxes(0, 1)])
    return Line("path up to the exit", [kept], colour, 0.7, 0.35)


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
    time, aligned = frames["time"][index], frames["aligned"][index]
    loss, last = frames["loss"][index] / frames["loss"][0], float(time[-1])
    notes = [f"loss {a:.0%}, aligned {b:.0%}" for a, b in zip(loss, aligned, strict=True)]
    curves: list[Track] = [
        Line("loss / loss at the start", [np.stack([time, loss], axis=1)], BLUE),
        Line("share aligned", [np.stack([time, aligned], axis=1)], ORANGE),
        Line("now", [_upright(moment) for moment in time], opacity=0.5, width=1.0),
        Note(notes, (last, 1.08), anchor="end"),
    ]
    for name, moment in moments.items():
        curves.append(Line("", [_upright(moment)], opacity=0.5, width=1.0, dashes="1 3"))
        curves.append(Note([name], (moment + 0.01 * last, 0.03), size=12))
    shown = [(value, f"{value:.0f}") for value in (0.0, last / 2, last)]
    shares = [(value, f"{value:g}") for value in (0.0, 0.5, 1.0)]
    limits = (0.0, last), (0.0, 1.15)
    return Panel("", *limits, curves, "time t", "share", shown, shares, width, height)


def _upright(moment: float) -> Array:
    return np.array([[moment, 0.0], [moment, 1.0]])


def _scale(value: float) -> str:
    """Powers of ten as such: scale 10⁻⁶."""
    power = round(float(np.log10(value)))
    if power and np.isclose(value, 10.0**power):
        return f"scale 10{str(power).translate(_RAISED)}"
    return f"scale {value:g}"


SCALES = {1e-6: BLUE, 1e-4: PURPLE, 1e-3: ORANGE, 0.1: GREEN, 1.0: RED}
_MOMENTS = {2: ("s", "τ, ε = 0.5"), 3: ("D", "exit: loss down a tenth")}  # marks of `plateau`


def shares(fresh: xr.Dataset, recorded: xr.Dataset) -> Picture:
    """Share of aligned neurons against n in d = 5.

    At tau for both eps, and at scale 1 when the loss has moved.
    """
    with axes(2, sharey=True, height=3.4) as (figure, drawn):
        for panel, tau, eps in zip(drawn, (1, 2), (0.25, 0.5), strict=True):
            for scale, moment in ((1e-6, tau), (1e-3, tau), (1.0, 3)):
                at = [data.aligned.isel(moment=moment) for data in (fresh, recorded)]
                both = fresh.assign(shown=at[0]), recorded.assign(shown=at[1])
                panels.against(panel, both, "n", "shown", SCALES[scale], dim=5, scale=scale)
            panels.level(panel, 0.99)
            panels.log_samples(panel, fresh.n)
            panel.set(title=f"at τ with ε = {eps:g}", ylim=(-0.04, 1.04))
        drawn[0].set_ylabel("share of neurons aligned")
        entries = [(SCALES[scale], _scale(scale)) for scale in (1e-6, 1e-3)]
        entries.append((RED, "scale 1, when its loss moves"))
        seeds.legend(drawn[0], entries, fresh, recorded)
        about = (
            "Share of neurons within cosine 0.99 of their own force at tau, against the number of "
            "samples."
        )
        return finish(figure, about)


def plateau(fresh: xr.Dataset, n: int, seed: int) -> Picture:
    """Loss and share aligned over time in one seed.

    tau (eps 0.5) and the exit are marked for each scale.
    """
    scales = np.unique(fresh.scale.values).tolist()
    with axes(2, height=3.2, sharex=True) as (figure, drawn):
        for scale in scales:
            run = cells_where(fresh, dim=5, n=n, seed=seed, scale=scale).isel(cell=0)
            loss = run.train_curve / run.train_curve[0]
            for panel, curve in zip(drawn, (loss, run.aligned_curve), strict=True):
                panel.plot(run.time, curve, color=SCALES[scale])
                for at, (mark, _) in _MOMENTS.items():
                    if scale < 1 or at == 3:
                        moment = float(run.moment_time[at])
                        height = np.interp(moment, run.time, curve)
                        panel.plot(moment, height, mark, color=SCALES[scale], markersize=6)
        drawn[0].set(ylabel="loss / loss at the start", ylim=(0, 1.05))
        drawn[1].set(ylabel="share of neurons aligned", ylim=(-0.04, 1.04))
        for panel in drawn:
            panel.set_xlabel("time t = steps × η")
        lines = [(SCALES[scale], _scale(scale)) for scale in scales]
        marks = [(INK, label, mark) for mark, label in _MOMENTS.values()]
        legends.below(figure, [*lines, *marks])
        about = (
            "Loss and share of aligned neurons over time for several scales of the initialisation."
        )
        return finish(figure, about)


def exits(fresh: xr.Dataset, recorded: xr.Dataset) -> Picture:
    """Exit time against ln(1/lambda), left in units of the leading neuron's force.

    Right: both units against n, at 1e-6.
    """
    fresh, recorded = (_in_both_units(data) for data in (fresh, recorded))
    colours = dict(zip(np.unique(recorded.n.values), (RED, ORANGE, GREEN, BLUE), strict=True))
    units = {
        "by_largest": (ORANGE, "largest force"),
        "by_leader": (BLUE, "force on the leading neuron"),
    }
    with axes(2, height=3.4) as (figure, (left, right)):
        for n, colour in colours.items():
            part = cells_where(recorded, dim=5, n=n)
            seeds.medians(left, part, "depth", "by_leader", colour, label=f"n = {n}")
            seeds.marks(left, part.depth.values, part.by_leader.values, colour, True)
        left.plot([0, 14.5], [0, 14.5], color=INK, alpha=0.5, lw=1)
        left.set(title="exit time × force on the leading neuron", xlabel="ln(1 / scale)")
        left.set(xlim=(-0.3, 14.5), ylim=(0, None))
        left.legend(loc="upper left")
        for name, (colour, _) in units.items():
            ratios = (data.assign(shown=data[name] / data.depth) for data in (fresh, recorded))
            panels.against(right, ratios, "n", "shown", colour, dim=5, scale=1e-6)
        panels.level(right)
        panels.log_samples(right, fresh.n)
        right.set(title="the same / ln(1 / scale), scale 10⁻⁶", ylabel="ratio", ylim=(0.9, None))
        seeds.legend(right, list(units.values()), fresh, recorded)
        about = (
            "Exit time from the plateau against the logarithm of the scale, and in two units "
            "against n."
        )
        return finish(figure, about)


def _in_both_units(runs: xr.Dataset) -> xr.Dataset:
    """`depth`: ln(1/lambda). Exit times times the largest force, and times that on the leader.

    The leader's force is that at tau (eps 0.5).
    """
    by_largest = runs.exit_time * runs.largest_force
    by_leader = runs.exit_time * runs.pull.isel(moment=2)
    return runs.assign(depth=-np.log(runs.scale), by_largest=by_largest, by_leader=by_leader)


def three_points(fresh: xr.Dataset, x: Array, y: Array, least_squares: float) -> Picture:
    """Left: the points and the functions that training ends with; right: error over steps."""
    # the small scales end on the same line: a wide one below a thin one
    styles = ((BLUE, 3.0), (ORANGE, 1.2), (RED, 0.8))
    with axes(2, height=3.4) as (figure, (left, right)):
        for scale, (colour, width) in zip(np.unique(fresh.scale.values), styles, strict=False):
            part = cells_where(fresh, scale=scale)
            left.plot(part.x, part.function.values.T, color=colour, lw=width, alpha=0.6)
            error = np.maximum(part.train_curve.values, 1e-12)
            right.plot(1 + part.step, error.T, color=colour, lw=1.2, alpha=0.6)
            right.plot([], [], color=colour, label=_scale(scale))
        left.plot(x[:, 0], y, "o", color=INK, markersize=6, zorder=5)
        left.set(xlabel="input", ylabel="output", ylim=(-0.6, 1.6))
        panels.level(right, least_squares)
        right.annotate("least squares", (1.2, 0.7 * least_squares), va="top", alpha=0.8, fontsize=9)
        right.set(xscale="log", xlabel="1 + gradient steps")
        right.set(yscale="log", ylabel="mean square error")
        right.legend(loc="lower left")
        about = (
            "Three points, the functions learned from small and large starts, and the training "
            "errors."
        )
        return finish(figure, about)


_KINDS = {
    ("gradient descent", "dominated"): (GREEN, "gradient descent, dominated start"),
    ("gradient descent", "gaussian"): (BLUE, "gradient descent, Gaussian start"),
    ("adam", "dominated"): (RED, "Adam, dominated start"),
}


def conserved(fresh: xr.Dataset, recorded: xr.Dataset) -> Picture:
    """Left: final drift against the step size; right: share of signs that never changed."""
    ends = [data.assign(end=data.drift.isel(probe=-1)) for data in (fresh, recorded)]
    coarse = cells_where(recorded, step_size=recorded.step_size.values.max())
    with axes(2, height=3.4) as (figure, (left, right)):
        for (optimiser, kind), (colour, _) in _KINDS.items():
            fields = {"optimiser": optimiser, "kind": kind}
            panels.against(left, ends, "step_size", "end", colour, **fields)
            part = cells_where(coarse, **fields)
            right.plot(part.fraction, part.kept.mean("cell"), color=colour)
        left.set(xscale="log", xlabel="step size")
        left.set(yscale="log", ylabel="largest drift of a² − |w|²")
        ticks.only(left.xaxis, fresh.step_size)
        right.set(xlabel="time / whole time", ylabel="share of signs as at the start")
        right.set_ylim(0, 1.04)
        page, record = ": seeds", ": seeds, median"
        legends.below(figure, _KINDS.values(), page=page, recorded=record, columns=2)
        about = (
            "Drift of the conserved quantity against the step size, and the share of neurons that "
            "keep their sign."
        )
        return finish(figure, about)
