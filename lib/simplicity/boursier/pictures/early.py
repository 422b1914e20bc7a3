"""Pictures of the early phase: neurons that turn, shares aligned, the exit from the plateau, three
points, what is conserved.

`neuron_frames` makes the numbers of the moving picture, for any d, and draws nothing; `turning`
draws them as a player over time for d = 2, and the module `sphere` does for d = 3.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from numpy.typing import NDArray

from simplicity.boursier import alignment, early, extremal, ols, sectors
from simplicity.boursier.pictures import panels
from simplicity.grid.groups import cells_where
from simplicity.pictures import legends, seeds, style, ticks
from simplicity.pictures.player import Panel, Player
from simplicity.pictures.style import BLUE, GREEN, INK, ORANGE, PURPLE, RED, Picture, axes, finish
from simplicity.pictures.tracks import Dots, Line, Note, Track

Array = NDArray[np.floating]
# sign of a_j: where to, colour, in words
SIDES = {1: ("maximisers", GREEN, "a > 0"), -1: ("minimisers", PURPLE, "a < 0")}
_STRIDE = 0.03  # of the unit circle's radius, three pixels: no neuron's path is drawn finer
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_CURVE = 0.32  # by how much G_n moves the polar curve off the unit circle
_CIRCLE = sectors.circle(np.linspace(0, 2 * np.pi, 361))


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
    return {
        "time": time,
        "position": w / np.abs(a)[:, :, None],
        "sign": np.sign(a[0]),
        "loss": _losses(a, w, x, y),
        "aligned": _near(w, a[0] > 0, tops, bottoms),
        "maximisers": tops,
        "minimisers": bottoms,
    }


def _losses(a: Array, w: Array, x: Array, y: Array) -> Array:
    """Plain train MSE at each time."""
    outputs = [np.maximum(x @ inner.T, 0) @ outer for outer, inner in zip(a, w, strict=True)]
    return np.array([ols.mse(output, y) for output in outputs])


def polar_curve(x: Array, y: Array) -> Array:
    """G_n around the circle of d = 2 as a curve (q, 2), at the radius 1 + 0.32 G_n / max |G_n|."""
    height = alignment.g_n(_CIRCLE, x, y)
    return (1 + _CURVE * height / np.abs(height).max())[:, None] * _CIRCLE


def _near(w: Array, positive: NDArray[np.bool_], tops: Array, bottoms: Array) -> Array:
    """The share at each time of neurons near one of their ends."""
    unit = w / np.linalg.norm(w, axis=2, keepdims=True)
    sides = ((positive, tops), (~positive, bottoms))
    near = [unit[:, mask] @ ends.T > early.ALIGNED for mask, ends in sides]
    return np.concatenate([one.any(axis=2) for one in near], axis=1).mean(axis=1)


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
    for sign in SIDES:
        tracks += _neurons(frames, sign, index)
    limits = (-1.45, 1.45)
    plane = Panel("neurons at w / |a|", limits, limits, tracks, width=320, height=320)
    about = "Neurons of a network in the plane turning to the extremal directions"
    return player([plane, over_time(frames, index, moments)], frames, index, about)


def _neurons(frames: dict[str, Array], sign: int, index: NDArray[np.intp]) -> Iterator[Track]:
    """The neurons of one sign of a_j: where they may end, their paths, where they are."""
    ends, colour, word = SIDES[sign]
    for direction in frames[ends]:
        spoke = np.stack([0 * direction, 1.42 * direction])
        yield Line(f"{ends[:-1]} of Gₙ", [spoke], colour, 1.0, dashes="4 3")
    places = of_sign(frames, sign)
    yield paths(before_exit(frames, places), _STRIDE, colour)
    yield Dots(f"neurons with {word}", list(places[index]), colour, radius=2.4, opacity=0.7)


def of_sign(frames: dict[str, Array], sign: int) -> Array:
    """The positions of the neurons with this sign of a_j, (p, neurons, d)."""
    return frames["position"][:, frames["sign"] == sign]


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
    kept = style.joined([_thinned(path, stride) for path in places.swapaxes(0, 1)])
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
    shown = {name: frames[name][index] for name in ("time", "loss", "aligned")}
    shown["loss"] = shown["loss"] / frames["loss"][0]
    last = float(shown["time"][-1])
    tracks = [*_curves(**shown), *_at_frame(**shown), *_named(moments, last)]
    across, upwards = ticks.at((0.0, last / 2, last), ".0f"), ticks.at((0.0, 0.5, 1.0))
    limits = (0.0, last), (0.0, 1.15)
    return Panel("", *limits, tracks, "time t", "share", across, upwards, width, height)


def _curves(time: Array, loss: Array, aligned: Array) -> Iterator[Track]:
    yield Line("loss / loss at the start", [np.stack([time, loss], axis=1)], BLUE)
    yield Line("share aligned", [np.stack([time, aligned], axis=1)], ORANGE)


def _at_frame(time: Array, loss: Array, aligned: Array) -> Iterator[Track]:
    """A line at the shown frame, and both values there."""
    yield Line("now", [_upright(moment) for moment in time], opacity=0.5, width=1.0)
    notes = [f"loss {a:.0%}, aligned {b:.0%}" for a, b in zip(loss, aligned, strict=True)]
    yield Note(notes, (float(time[-1]), 1.08), anchor="end")


def _named(moments: Mapping[str, float], last: float) -> Iterator[Track]:
    """A dotted line at each moment, and its name."""
    for name, moment in moments.items():
        yield Line("", [_upright(moment)], opacity=0.5, width=1.0, dashes="1 3")
        yield Note([name], (moment + 0.01 * last, 0.03), size=12)


def _upright(moment: float) -> Array:
    return np.array([[moment, 0.0], [moment, 1.0]])


def _scale(value: float) -> str:
    """Powers of ten as such: scale 10⁻⁶."""
    power = round(np.log10(value))
    if power and np.isclose(value, 10.0**power):
        return f"scale 10{str(power).translate(_RAISED)}"
    return f"scale {value:g}"


SCALES = {1e-6: BLUE, 1e-4: PURPLE, 1e-3: ORANGE, 0.1: GREEN, 1.0: RED}
_UNITS = {
    "by_largest": (ORANGE, "largest force"),
    "by_leader": (BLUE, "force on the leading neuron"),
}
# The small scales end on the same line: a wide one below a thin one.
_STYLES = ((BLUE, 3.0), (ORANGE, 1.2), (RED, 0.8))
# Marks of `plateau`, as entries of its legend.
_MOMENTS = {
    early.TAU_HALF: (INK, f"τ, ε = {early.EPS[1]:g}", "s"),
    early.EXIT: (INK, "exit: loss down a tenth", "D"),
}


def shares(fresh: xr.Dataset, recorded: xr.Dataset) -> Picture:
    """Share of aligned neurons against n in d = 5.

    At tau for both eps, and at scale 1 when the loss has moved.
    """
    with axes(2, sharey=True, height=3.4) as (figure, drawn):
        taus = (early.TAU_QUARTER, early.TAU_HALF)
        for panel, tau, eps in zip(drawn, taus, early.EPS, strict=True):
            _at_tau(panel, (fresh, recorded), tau)
            panel.set(title=f"at τ with ε = {eps:g}", ylim=(-0.04, 1.04))
        drawn[0].set_ylabel("share of neurons aligned")
        entries = [*_scales((1e-6, 1e-3)), (RED, "scale 1, when its loss moves")]
        seeds.legend(drawn[0], entries, fresh, recorded)
        about = (
            "Share of neurons within cosine 0.99 of their own force at tau, against the number of "
            "samples."
        )
        return finish(figure, about)


def _at_tau(panel: Axes, both: tuple[xr.Dataset, xr.Dataset], tau: int) -> None:
    """The share aligned at one of the two tau, at scale 1 at the exit."""
    for scale, moment in ((1e-6, tau), (1e-3, tau), (1.0, early.EXIT)):
        shown = [data.assign(shown=data.aligned.isel(moment=moment)) for data in both]
        panels.against(panel, shown, "n", "shown", SCALES[scale], dim=5, scale=scale)
    panels.level(panel, 0.99)
    panels.log_samples(panel, both[0].n)


def _scales(scales: Iterable[float]) -> list[tuple[str, str]]:
    """Entries of a legend."""
    return [(SCALES[scale], _scale(scale)) for scale in scales]


def plateau(fresh: xr.Dataset, n: int, seed: int) -> Picture:
    """Loss and share aligned over time in one seed.

    tau (eps 0.5) and the exit are marked for each scale.
    """
    scales = np.unique(fresh.scale.values).tolist()
    with axes(2, height=3.2, sharex=True) as (figure, (left, right)):
        for scale in scales:
            run = cells_where(fresh, dim=5, n=n, seed=seed, scale=scale).isel(cell=0)
            _with_moments(left, run, run.train_curve / run.train_curve[0])
            _with_moments(right, run, run.aligned_curve)
        left.set(ylabel="loss / loss at the start", ylim=(0, 1.05))
        right.set(ylabel="share of neurons aligned", ylim=(-0.04, 1.04))
        legends.below(figure, [*_scales(scales), *_MOMENTS.values()])
        about = (
            "Loss and share of aligned neurons over time for several scales of the initialisation."
        )
        return finish(figure, about)


def _with_moments(panel: Axes, run: xr.Dataset, curve: xr.DataArray) -> None:
    """A curve of a run over time with its moments; at scale 1 tau is the start."""
    colour = SCALES[float(run.scale)]
    panel.plot(run.time, curve, color=colour)
    panel.set_xlabel("time t = steps × η")
    for at, (*_, mark) in _MOMENTS.items():
        if run.scale < 1 or at == early.EXIT:
            moment = float(run.moment_time[at])
            panel.plot(moment, np.interp(moment, run.time, curve), mark, color=colour, markersize=6)


def exits(fresh: xr.Dataset, recorded: xr.Dataset) -> Picture:
    """Exit time against ln(1/lambda), left in units of the leading neuron's force.

    Right: both units against n, at 1e-6.
    """
    fresh, recorded = (_in_both_units(data) for data in (fresh, recorded))
    with axes(2, height=3.4) as (figure, (left, right)):
        _exits_by_scale(left, recorded)
        _exits_by_samples(right, fresh, recorded)
        left.set(title="exit time × force on the leading neuron", xlabel="ln(1 / scale)")
        left.legend(loc="upper left")
        right.set(title="the same / ln(1 / scale), scale 10⁻⁶", ylabel="ratio", ylim=(0.9, None))
        seeds.legend(right, list(_UNITS.values()), fresh, recorded)
        about = (
            "Exit time from the plateau against the logarithm of the scale, and in two units "
            "against n."
        )
        return finish(figure, about)


def _exits_by_scale(panel: Axes, recorded: xr.Dataset) -> None:
    """Every exit, and the line on which the neuron grows at the rate of its force."""
    for n, colour in zip(np.unique(recorded.n), (RED, ORANGE, GREEN, BLUE), strict=True):
        _exits_at(panel, cells_where(recorded, dim=5, n=n), colour, f"n = {n}")
    panel.plot([0, 14.5], [0, 14.5], color=INK, alpha=0.5, lw=1)
    panel.set(xlim=(-0.3, 14.5), ylim=(0, None))


def _exits_at(panel: Axes, cells: xr.Dataset, colour: str, label: str) -> None:
    seeds.medians(panel, cells, "depth", "by_leader", colour, label=label)
    seeds.marks(panel, cells.depth.values, cells.by_leader.values, colour, True)


def _exits_by_samples(panel: Axes, fresh: xr.Dataset, recorded: xr.Dataset) -> None:
    for name, (colour, _) in _UNITS.items():
        ratios = (data.assign(shown=data[name] / data.depth) for data in (fresh, recorded))
        panels.against(panel, ratios, "n", "shown", colour, dim=5, scale=1e-6)
    panels.level(panel)
    panels.log_samples(panel, fresh.n)


def _in_both_units(runs: xr.Dataset) -> xr.Dataset:
    """`depth`: ln(1/lambda). Exit times times the largest force, and times that on the leader.

    The leader's force is that at tau (eps 0.5).
    """
    by_largest = runs.exit_time * runs.largest_force
    by_leader = runs.exit_time * runs.pull.isel(moment=early.TAU_HALF)
    return runs.assign(depth=-np.log(runs.scale), by_largest=by_largest, by_leader=by_leader)


def three_points(fresh: xr.Dataset, x: Array, y: Array, least_squares: float) -> Picture:
    """Left: the points and the functions that training ends with; right: error over steps."""
    with axes(2, height=3.4) as (figure, (left, right)):
        for scale, (colour, width) in zip(np.unique(fresh.scale.values), _STYLES, strict=False):
            part = cells_where(fresh, scale=scale)
            left.plot(part.x, part.function.values.T, color=colour, lw=width, alpha=0.6)
            _error(right, part, colour, _scale(scale))
        left.plot(x[:, 0], y, "o", color=INK, markersize=6, zorder=5)
        left.set(xlabel="input", ylabel="output", ylim=(-0.6, 1.6))
        _least_squares(right, least_squares)
        right.set(
            xscale="log", yscale="log", xlabel="1 + gradient steps", ylabel="mean square error"
        )
        right.legend(loc="lower left")
        about = (
            "Three points, the functions learned from small and large starts, and the training "
            "errors."
        )
        return finish(figure, about)


def _error(panel: Axes, cells: xr.Dataset, colour: str, label: str) -> None:
    error = np.maximum(cells.train_curve.values, 1e-12)
    panel.plot(1 + cells.step, error.T, color=colour, lw=1.2, alpha=0.6)
    panel.plot([], [], color=colour, label=label)


def _least_squares(panel: Axes, error: float) -> None:
    panels.level(panel, error)
    panel.annotate("least squares", (1.2, 0.7 * error), va="top", alpha=0.8, fontsize=9)


_KINDS = {
    ("gradient descent", "dominated"): (GREEN, "gradient descent, dominated start"),
    ("gradient descent", "gaussian"): (BLUE, "gradient descent, Gaussian start"),
    ("adam", "dominated"): (RED, "Adam, dominated start"),
}


def conserved(fresh: xr.Dataset, recorded: xr.Dataset) -> Picture:
    """Left: final drift against the step size; right: share of signs that never changed."""
    with axes(2, height=3.4) as (figure, (left, right)):
        _drifts(left, fresh, recorded)
        _signs_kept(right, recorded)
        page, record = ": seeds", ": seeds, median"
        legends.below(figure, _KINDS.values(), page=page, recorded=record, columns=2)
        about = (
            "Drift of the conserved quantity against the step size, and the share of neurons that "
            "keep their sign."
        )
        return finish(figure, about)


def _drifts(panel: Axes, fresh: xr.Dataset, recorded: xr.Dataset) -> None:
    ends = [data.assign(end=data.drift.isel(probe=-1)) for data in (fresh, recorded)]
    for (optimiser, kind), (colour, _) in _KINDS.items():
        panels.against(panel, ends, "step_size", "end", colour, optimiser=optimiser, kind=kind)
    panel.set(xscale="log", yscale="log")
    panel.set(xlabel="step size", ylabel="largest drift of a² − |w|²")
    ticks.only(panel.xaxis, fresh.step_size)


def _signs_kept(panel: Axes, recorded: xr.Dataset) -> None:
    """Over time at the largest step size."""
    coarse = cells_where(recorded, step_size=recorded.step_size.values.max())
    for (optimiser, kind), (colour, _) in _KINDS.items():
        part = cells_where(coarse, optimiser=optimiser, kind=kind)
        panel.plot(part.fraction, part.kept.mean("cell"), color=colour)
    panel.set(xlabel="time / whole time", ylabel="share of signs as at the start", ylim=(0, 1.04))
