"""Gradient descent on a two-layer ReLU network that pays only for what is different.

It does the work of `two_layer.descend` after alignment.

Neurons that are active on the same samples obey the same linear recursion, z <- (I + eta H) z,
where

    z = (w, a),   H = [[0, D], [D^T, 0]],   D = 1/n sum_{k active} (y_k - h(x_k)) x_k

(Boursier & Flammarion 2025, after early alignment; h, loss and D as in `two_layer`). Their moments
M = sum z z^T obey M <- (I + eta H) M (I + eta H), their output is x -> <x, M_wa>, and each of them
is the product of the (I + eta H) times where it was. The engine keeps the neurons in cones of one
activation pattern, up to a few samples that the cone *watches*:

- A cone that watches nothing falls asleep once it turns slowly: a step of it is one of M and of the
  product, (d + 1)^2 numbers and not its neurons.
- The neurons of a cone that watches samples (many chatter for ever across one hyperplane, each with
  a phase of its own) are stepped one by one, each with the cone's D, which costs O(n d) once a
  cone, and its own samples' share, O(d).
- Every neuron has a certificate: an axis u and an angle, within which no sample that is not watched
  changes sides. The test |w|^2 <= <w, u>^2 (1 + tan^2) is made after each step; asleep, the bound
  prod (1 + eta |D|) - 1 on |z_t - z_0| / |z_0| stands in for it. A neuron that leaves it is
  examined, at once and before its output is used, and placed anew.
- Cones lie in sectors, caps of directions within which only 64 samples can be met: what is examined
  is 64 samples, not n.

All of it is exact: the same steps as `two_layer`, up to the rounding of float64 (1e-14 of the final
error after 20,000 steps). Until the neurons have aligned, and whenever cones would cost more
(counted in operations, so that a run is repeatable), the plain sweep makes the steps.

Ten times the plain sweep was the aim, in 8 of the 12 settings of `cones_runs.csv` (d = 5, 1,000 and
10,000 neurons, n = 80, 320, 1,280). It is met in 4 there, and on a newer processor, whose sweep
gained more than its cones, in 2. Two tries did not change that. Why no more, in numbers:

1. Margin data: alignment is too long a part of a short run. 56 to 84 steps pass until the patterns
   are fewer than a fiftieth of the neurons. To know the patterns is half of a step, to pull each of
   them the other half: even an engine that groups from the first step pays 40 to 66 steps of the
   sweep in runs of 388 to 593. Were all else free, the factor at n = 80, 320, 1,280 would be 8.4,
   9.0, 7.0 with 1,000 neurons, 11.4, 10.0, 7.4 with 10,000. It is 2 to 6. Nothing chatters there.
2. Gaussian data: after step 400 a third of the neurons to all of them chatter up to the end, on
   one to four samples each, with .2 to 1.6 flips a neuron and step. To step them one by one takes 3
   to 6 ns a lane, and 1.2 to 3.3 lanes a neuron, as blocks are not full; the sweep takes 53 ns a
   neuron at n = 80, 165 at 320, 630 at 1,280. So a factor 2.4 to 3.9 at n = 80, 7 to 16 at 320, 7
   to 37 at 1,280, and seconds that do grow with the width.
3. Sliding (Filippov) was tried. Neurons of one pattern that chatter on the same samples S are
   pulled by D + sum_S theta_k r_k x_k / n, with the theta in [0, 1] that keep <w, x_k> = 0: one
   pull for all, so that they sleep, in 6 to 106 groups. That is no gradient descent: a chattering
   neuron is off its hyperplane by up to eta |a D| |x|, and the outputs are apart by as much. At
   n = 80, 2,400 steps after step 400, they were apart by .023, .011, .0050 with eta = .1, .05, .025
   (the tests allow the weights 1e-9), the train error by .8, .3, .2 percent; after 20,000 steps by
   67 percent, at n = 320 and 1,280 by .03 and .07. Nor was it fast: its groups grew to 74, 11, 136
   on average, and alone, with nothing examined, were 1.4, 9.3 and .9 times as fast as the sweep.
4. No mode with an error is offered, nor a merging of what is nearly parallel. At n = 80 a nudge of
   every w by 1e-6 of itself after 250 steps changes the train error after 20,000 by a tenth
   (`cones_nudged.csv`), and rounding by 1e-15: below the threshold the end depends on which side of
   a hyperplane a neuron falls. The phases are a continuum, so that none merge exactly.

Larger angles mean fewer examinations and more watched samples; neurons choose theirs by how long
the last one lasted. At most five samples are watched: the compiler makes slow code of six, and with
four too much is examined. Of the parts, what a run takes longer without them in the worst of the 12
settings: 13 percent without sleeping, 19 without angles of the neurons' own, 21 without steps
compiled by the number of watched samples, 28 without watching begun afresh. Where nothing aligns a
run has .90 to .98 of the sweep's speed (`cones_never.csv`).

Float64 in the cones, whatever the precision of the sweep. Full batch and slope 0 only.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numba
import numpy as np
import xarray as xr
from numba.cpython.unsafe.tuple import tuple_setitem
from numpy.random import Generator
from numpy.typing import NDArray

from simplicity.boursier import driver, two_layer
from simplicity.boursier.driver import Array, Probe
from simplicity.nets import TwoLayer
from simplicity.problems import Problem, doors, training_doors
from simplicity.process import cached, lanes

LANES = 64  # neurons of a block, which are stepped together
WATCH = 5  # samples that a cone may watch
CANDIDATES = 64  # samples near a sector: the bits of a word
_SECTORS, _CONES = 256, 1024  # at most
_DIMS = 16  # the largest d for which the compiled code is worth its size
# plain steps before the first trial of cones, before another at most, and where there is none
_FIRST, _AGAIN, _NEVER = 32, 512, np.iinfo(np.int64).max
_REGROUP = 1024  # steps after which watching is begun afresh, at most
_DOZE = 16  # steps between two looks for cones that can sleep
_ONE = np.uint64(1)
# Rough nanoseconds, to compare the two ways of making a step.
_SWEEP, _NEURON, _LANE, _CONE, _SECTOR, _MOVE = 0.9, 12.0, 7.0, 80.0, 4.0, 600.0
# sqrt(_PRICE x angle / steps it lasted) is the next angle: moves against watching.
_PRICE = 220.0
_FASTMATH = lanes.FASTMATH
_compiled = numba.njit(nogil=True, cache=True, fastmath=_FASTMATH, error_model="numpy")


def descend(
    start: TwoLayer,
    x: Array,
    y: Array,
    *,
    step_size: float,
    schedule: Sequence[int],
    probes: Mapping[str, Probe],
    tolerance: float = 0.0,
    precision: str = "float64",
    slope: float = 0.0,
    batch: int = 0,
    rng: Generator | None = None,
) -> tuple[TwoLayer, xr.Dataset]:
    """`two_layer.descend` by cones, without slope and minibatches.

    Arguments, stopping rule and results are the same.

    The dataset has one scalar more, `plain_steps`: how many of the steps the plain sweep made.
    """
    asked = driver.looked_at(
        start, x, y, step_size=step_size, schedule=schedule, probes=probes, precision=precision,
        tolerance=tolerance,
    )  # fmt: skip
    _full_batch_without_slope(slope, batch, rng)
    cached.settle(_run.py_func.__globals__)
    hybrid = Hybrid(asked.x.shape[1])
    network, found = driver.drive(hybrid, asked)
    return network, found.assign(plain_steps=hybrid.plain_steps)


def _full_batch_without_slope(slope: float, batch: int, rng: Generator | None) -> None:
    doors.number("slope", slope)
    training_doors.minibatches(batch, rng, 0)
    if slope or batch:
        raise Problem(f"cones: got slope {slope:g} and batch {batch}, allowed 0 and 0")


class Hybrid:
    """Steps by the plain sweep or by cones, whichever is cheaper.

    What it has learned outlives a call.
    """

    def __init__(self, dim: int) -> None:
        self.sweep = two_layer.kernel(dim, 0.0, None)
        # plain steps before the next trial
        self.left = _FIRST if dim <= _DIMS else _NEVER
        self.taken = self.plain_steps = 0
        self.state: tuple = ()

    def __call__(self, a: Array, w: Array, *task: Any) -> tuple[int, float]:
        """(steps done, force), as a compiled loop of `two_layer`, whose arguments it takes."""
        columns, y, step_size, steps, tolerance = task
        done, force = 0, np.inf
        while done < steps:
            step, count = self._next(steps - done)
            taken, force = step(a, w, columns, y, step_size, count, tolerance)
            done, self.taken = done + taken, self.taken + taken
            if not np.isfinite(force) or force < tolerance:
                break
        return done, force

    def _next(self, steps: int) -> tuple[driver.Advance, int]:
        """Cones, or the plain sweep up to the next trial; and how many of these steps it makes."""
        return (self._cones, steps) if self.left == 0 else (self._plain, min(self.left, steps))

    def _plain(self, *task: Any) -> tuple[int, float]:
        taken, force = self.sweep(*task)
        self.left -= taken
        self.plain_steps += taken
        return taken, force

    def _cones(self, a: Array, w: Array, *task: Any) -> tuple[int, float]:
        columns, y, step_size, steps, tolerance = task
        self.state = self.state or state(len(y), *w.shape)
        outer, inner, data = a.astype(float), w.astype(float), data_of(columns, y)
        rest = (steps, tolerance, step_size, (0.0,) * len(columns))
        taken, force, pays = _run(outer, inner, data, *self.state, *rest)  # type: ignore[call-arg]
        self.left = 0 if pays else min(_AGAIN, max(_FIRST, (self.taken + taken) // 4))
        a[:], w[:] = outer, inner
        return taken, force


class Data(NamedTuple):
    """The samples, and their directions (zeros for a sample that is zero)."""

    x: np.ndarray  # (d, n)
    rays: np.ndarray  # (d, n), x / |x|
    norms: np.ndarray  # (n,)
    y: np.ndarray  # (n,)


# Of the arrays below the defaults say shape and kind of number; `state` makes them.


class Sectors(NamedTuple):
    """Caps of directions.

    Within `reach` (an angle) of its axis only `candidates` change sides; `far` stay active.
    """

    axis: Any = "R d float"
    reach: Any = "R float"
    number: Any = "R int"  # of candidates
    candidates: Any = "R C int"
    far: Any = "R n float"
    cones: Any = "R int"
    force: Any = "R d float"
    output: Any = "R d float"
    x: Any = "R d C float"
    rays: Any = "R d C float"
    r: Any = "R C float"
    h: Any = "R C float"


class Cones(NamedTuple):
    """Neurons of a sector with one pattern of its candidates.

    About the `watched` each of them decides for itself.
    """

    sector: Any = "G int"
    active: Any = "G uint64"
    watched: Any = "G uint64"
    mask: Any = "G C float"
    samples: Any = "G WATCH int"
    watching: Any = "G int"
    members: Any = "G int"
    open: Any = "G int"
    force: Any = "G d float"
    output: Any = "G d float"
    asleep: Any = "G bool"
    product: Any = "G d+1 d+1 float"
    moments: Any = "G d+1 d+1 float"
    turned: Any = "G float"
    slack: Any = "G float"


class Blocks(NamedTuple):
    """Neurons of one cone, 64 at a time; an empty lane is a neuron of zeros without an owner."""

    lanes: Any = "K rows*LANES float"  # rows: w (d), a, axis (d), limit, before (WATCH)
    owner: Any = "K LANES int"
    cone: Any = "K int"
    live: Any = "K int"
    free: Any = "K+1 int"  # a stack of emptied blocks, its height first


class Work(NamedTuple):
    """What belongs to neurons (m) wherever they are, and buffers."""

    used: Any = "3 int"  # sectors, cones, blocks in use
    lively: Any = "m int"  # neurons to be placed
    home: Any = "m int"  # their last sector
    since: Any = "m int"  # the step of their last examination
    nearness: Any = "m float"
    z: Any = "m d+1 float"  # of those in `lively`
    sine: Any = "n+C float"
    off: Any = "LANES float"  # 1 where a lane of the last block must be placed anew


def data_of(columns: Array, y: Array) -> Data:
    """From inputs (d, n)."""
    columns, y = doors.arrays(columns=(columns, "d n"), y=(y, "n"))
    x = np.ascontiguousarray(columns, dtype=float)
    norms = np.linalg.norm(x, axis=0)
    return Data(x, x / np.where(norms > 0, norms, 1), norms, np.ascontiguousarray(y, dtype=float))


def state(n: int, m: int, d: int) -> tuple[Sectors, Cones, Blocks, Work]:
    """Room for m neurons, all empty."""
    sizes = _sizes(n, m, d)
    sectors, cones, blocks, work = (
        [_zeros(says, sizes) for says in kind._field_defaults.values()]
        for kind in (Sectors, Cones, Blocks, Work)
    )
    return Sectors(*sectors), Cones(*cones), Blocks(*blocks), Work(*work)


def _sizes(n: int, m: int, d: int) -> dict[str, int]:
    """How long the axes are of which the defaults speak."""
    blocks = 2 * (m // LANES) + _CONES + 1
    sizes = {"3": 3, "n": n, "m": m, "d": d, "d+1": d + 1, "n+C": n + CANDIDATES}
    sizes |= {"R": _SECTORS, "C": CANDIDATES, "G": _CONES, "WATCH": WATCH, "LANES": LANES}
    sizes |= {"K": blocks, "K+1": blocks + 1, "rows*LANES": (2 * d + 2 + WATCH) * LANES}
    return sizes


def _zeros(says: str, sizes: Mapping[str, int]) -> NDArray:
    """An array of the shape and kind of number that a default says."""
    *axes, kind = says.split()
    return np.zeros([sizes[axis] for axis in axes], kind)


@_compiled
def _threshold(distance):  # type: ignore[no-untyped-def]
    """A number that at most CANDIDATES of the distances are below, and nearly as many as that."""
    low, high = 0.0, 1.0
    for _ in range(40):
        middle, count = (low + high) / 2, 0
        for k in range(len(distance)):
            count += distance[k] < middle
        if count > CANDIDATES:
            high = middle
        else:
            low = middle
    return low


@_compiled
def _new_sector(sectors, data, work, unit):  # type: ignore[no-untyped-def]
    d, n = data.x.shape
    s = 0
    while s < work.used[0] and sectors.cones[s] > 0:
        s += 1
    if s == len(sectors.reach):
        return -1
    sine = work.sine
    sine[:] = 0
    for i in range(d):
        for k in range(n):
            sine[k] += unit[i] * data.rays[i, k]
    distance, reach, whole = np.empty(n), 4.0, 0  # 4 is beyond every angle
    for k in range(n):
        distance[k] = abs(sine[k]) if data.norms[k] > 0 else 8.0
        whole += distance[k] < reach
    if whole > CANDIDATES:
        reach = _threshold(distance) * (1 - 1e-9)
    count = 0
    sectors.x[s] = 0
    sectors.rays[s] = 0
    for k in range(n):
        sectors.far[s, k] = 0
        if distance[k] < reach and count < CANDIDATES:
            sectors.candidates[s, count] = k
            for i in range(d):
                sectors.x[s, i, count] = data.x[i, k]
                sectors.rays[s, i, count] = data.rays[i, k]
            count += 1
        elif sine[k] > 0:
            sectors.far[s, k] = 1
    sectors.axis[s] = unit
    sectors.reach[s] = reach
    sectors.number[s] = count
    sectors.cones[s] = 0
    sectors.output[s] = 0
    sectors.h[s] = 0
    work.used[0] = max(work.used[0], s + 1)
    return s


@_compiled
def _angle_left(axis, reach, unit):  # type: ignore[no-untyped-def]
    chord = 0.0
    for i in range(len(unit)):
        chord += (unit[i] - axis[i]) ** 2
    return reach - 2 * np.arcsin(min(1.0, np.sqrt(chord) / 2))


@_compiled
def _examine(rays, count, unit, left, nearness, sine):  # type: ignore[no-untyped-def]
    """(active, near, free) of the candidates.

    The first two are bits; free is how far the direction may turn off, as an angle, < 0 where it is
    crowded.
    """
    for c in range(CANDIDATES):
        sine[c] = 0
    for i in range(len(unit)):
        u, ray = unit[i], rays[i]
        for c in range(CANDIDATES):
            sine[c] += u * ray[c]
    while nearness > 1e-6:
        active, near, free = np.uint64(0), np.uint64(0), left
        for c in range(count):
            distance = abs(sine[c])
            close = distance < nearness
            near |= np.uint64(close) << np.uint64(c)
            active |= np.uint64(sine[c] >= nearness) << np.uint64(c)
            distance = 9.0 if close else distance
            free = distance if distance < free else free
        crowd, bits = 0, near
        while bits:
            bits &= bits - _ONE
            crowd += 1
        if crowd <= WATCH:
            return active, near, free * (1 - 1e-9)
        nearness /= 2
    return np.uint64(0), np.uint64(0), -1.0


@_compiled
def _new_cone(sectors, cones, work, s, active, near):  # type: ignore[no-untyped-def]
    """A cone for this pattern; -1: no room."""
    g = 0
    while g < work.used[1] and cones.members[g] > 0:
        g += 1
    if g == min(len(cones.members), 16 + len(work.home) // 8):
        return -1
    work.used[1] = max(work.used[1], g + 1)
    cones.sector[g], cones.active[g], cones.watched[g] = s, active, near
    cones.open[g], cones.asleep[g], cones.members[g] = -1, False, 0
    count, bit = 0, _ONE
    for c in range(CANDIDATES):
        cones.mask[g, c] = 1.0 if active & bit else 0.0
        if near & bit:
            cones.samples[g, count] = sectors.candidates[s, c]
            count += 1
        bit <<= _ONE
    cones.watching[g] = count
    cones.output[g] = 0
    sectors.cones[s] += 1
    return g


@_compiled
def _new_block(cones, blocks, work, g):  # type: ignore[no-untyped-def]
    """A block of cone g with an empty lane; -1: no room."""
    for block in range(work.used[2]):
        if blocks.cone[block] == g and blocks.live[block] < LANES:
            cones.open[g] = block
            return block
    if blocks.free[0] > 0:
        block = blocks.free[blocks.free[0]]
        blocks.free[0] -= 1
    elif work.used[2] < len(blocks.cone):
        block = work.used[2]
        work.used[2] += 1
    else:
        return -1
    blocks.cone[block] = g
    blocks.live[block] = 0
    blocks.owner[block] = -1
    blocks.lanes[block] = 0
    cones.open[g] = block
    return block


@_compiled
def _nearness(work, owner, now, spacing):  # type: ignore[no-untyped-def]
    """The angle below which a sample is watched, 1/2 to 4 times 1/n.

    It comes from how long the neuron's last certificate lasted.
    """
    lasted = now - work.since[owner]
    if lasted > 0:
        want = np.sqrt(_PRICE * work.nearness[owner] * spacing / lasted)
        nearness = 0.5 * spacing
        while nearness < want and nearness < 4 * spacing:
            nearness *= 2
        work.nearness[owner] = nearness
        work.since[owner] = now
    return work.nearness[owner]


@_compiled
def _sector_of(sectors, data, work, unit, last, nearness):  # type: ignore[no-untyped-def]
    """(sector, angle left in it), sector -1 without room.

    The last one if it will do, else the one with most room, else a new one.
    """
    if last >= 0 and sectors.cones[last] > 0:
        left = _angle_left(sectors.axis[last], sectors.reach[last], unit)
        if left >= nearness:
            return last, left
    s, left = np.int64(-1), 2 * nearness
    for other in range(work.used[0]):
        if sectors.cones[other] > 0:
            angle = _angle_left(sectors.axis[other], sectors.reach[other], unit)
            if angle > left:
                s, left = other, angle
    if s >= 0:
        return s, left
    s = _new_sector(sectors, data, work, unit)
    return s, sectors.reach[s]


@_compiled
def _cone_of(cones, most, s, active, near):  # type: ignore[no-untyped-def]
    """The cone with the fewest watched samples that can hold this neuron, or -1."""
    best, fewest = np.int64(-1), WATCH + 1
    for g in range(most):
        seen = ~cones.watched[g]
        if (near | (active ^ cones.active[g])) & seen == 0 and cones.sector[g] == s:
            if cones.members[g] > 0 and cones.watching[g] < fewest:
                best, fewest = g, cones.watching[g]
    return best


@_compiled
def _insert(cones, blocks, block, data, z, unit, free, owner, h):  # type: ignore[no-untyped-def]
    """Give an empty lane of the block to this neuron, with its shares of output and h."""
    d, g, lane, lanes = len(unit), blocks.cone[block], 0, blocks.lanes[block]
    while blocks.owner[block, lane] >= 0:
        lane += 1
    blocks.owner[block, lane] = owner
    blocks.live[block] += 1
    cones.members[g] += 1
    for i in range(d + 1):
        lanes[i * LANES + lane] = z[i]
    for i in range(d):
        lanes[(d + 1 + i) * LANES + lane] = unit[i]
        cones.output[g, i] += z[d] * z[i]
    lanes[(2 * d + 1) * LANES + lane] = 1 + free * free
    for b in range(cones.watching[g]):
        k, before = cones.samples[g, b], 0.0
        for i in range(d):
            before += z[i] * data.x[i, k]
        lanes[(2 * d + 2 + b) * LANES + lane] = before
        h[k] += z[d] * max(before, 0.0)


@_compiled
def _place(sectors, cones, blocks, data, work, moved, now, h):  # type: ignore[no-untyped-def]
    """Put the first `moved` neurons of `work` where they belong; False: no room.

    Their shares of output and h go along.
    """
    d = data.x.shape[0]
    unit = np.empty(d)
    for index in range(moved):
        z, owner, length = work.z[index], work.lively[index], 0.0
        for i in range(d):
            length += z[i] * z[i]
        for i in range(d):
            unit[i] = z[i] / np.sqrt(length)
        nearness = _nearness(work, owner, now, 1 / len(data.y))
        s, left = _sector_of(sectors, data, work, unit, work.home[owner], nearness)
        if s < 0:
            return False
        work.home[owner] = s
        active, near, free = _examine(
            sectors.rays[s], sectors.number[s], unit, left, nearness, work.sine
        )
        if free < 0:
            return False
        g = _cone_of(cones, work.used[1], s, active, near)
        g = g if g >= 0 else _new_cone(sectors, cones, work, s, active, near)
        if g < 0:
            return False
        if cones.asleep[g]:
            _wake(cones, blocks, work, g)
        block = cones.open[g]
        if block < 0 or blocks.cone[block] != g or blocks.live[block] == LANES:
            block = _new_block(cones, blocks, work, g)
            if block < 0:
                return False
        _insert(cones, blocks, block, data, z, unit, free, owner, h)
    return True


@_compiled
def _pick(sectors, cones, blocks, work, block, d, moved):  # type: ignore[no-untyped-def]
    """Take the flagged lanes out of a block; returns how many are now to be placed.

    They are appended to those to be placed.
    """
    lanes, off, g = blocks.lanes[block], work.off, blocks.cone[block]
    for lane in range(LANES):
        if off[lane] > 0:
            for i in range(d + 1):
                work.z[moved, i] = lanes[i * LANES + lane]
            work.lively[moved] = blocks.owner[block, lane]
            for row in range(2 * d + 2 + WATCH):
                lanes[row * LANES + lane] = 0
            blocks.owner[block, lane] = -1
            blocks.live[block] -= 1
            cones.members[g] -= 1
            moved += 1
    cones.open[g] = block
    if blocks.live[block] == 0:
        blocks.free[0] += 1
        blocks.free[blocks.free[0]] = block
        blocks.cone[block] = -1
        cones.open[g] = -1
    if cones.members[g] == 0:
        sectors.cones[cones.sector[g]] -= 1
    return moved


@_compiled
def _forces(sectors, cones, data, work, r):  # type: ignore[no-untyped-def]
    """n D of every cone without its watched samples; outputs to zero."""
    d, n = data.x.shape
    for s in range(work.used[0]):
        if sectors.cones[s] > 0:
            far = sectors.far[s]
            for i in range(d):
                xi, total = data.x[i], 0.0
                for k in range(n):
                    total += far[k] * r[k] * xi[k]
                sectors.force[s, i] = total
            for c in range(sectors.number[s]):
                sectors.r[s, c] = r[sectors.candidates[s, c]]
    for g in range(work.used[1]):
        if cones.members[g] > 0:
            s = cones.sector[g]
            mask, rs = cones.mask[g], sectors.r[s]
            for i in range(d):
                xi, total = sectors.x[s, i], 0.0
                for c in range(CANDIDATES):
                    total += mask[c] * rs[c] * xi[c]
                cones.force[g, i] = sectors.force[s, i] + total


@_compiled
def _outputs(sectors, cones, data, work, h):  # type: ignore[no-untyped-def]
    """h += what the cones put out, but for their watched samples; their outputs go to zero."""
    d, n = data.x.shape
    part = np.empty(max(n, CANDIDATES))
    for g in range(work.used[1]):
        if cones.members[g] > 0:
            s = cones.sector[g]
            mask, hs = cones.mask[g], sectors.h[s]
            part[:CANDIDATES] = 0
            for i in range(d):
                xi, factor = sectors.x[s, i], cones.output[g, i]
                sectors.output[s, i] += factor
                for c in range(CANDIDATES):
                    part[c] += factor * xi[c]
            for c in range(CANDIDATES):
                hs[c] += mask[c] * part[c]
        cones.output[g] = 0
    for s in range(work.used[0]):
        if sectors.cones[s] > 0:
            for c in range(sectors.number[s]):
                h[sectors.candidates[s, c]] += sectors.h[s, c]
            far = sectors.far[s]
            part[:n] = 0
            for i in range(d):
                xi, factor = data.x[i], sectors.output[s, i]
                for k in range(n):
                    part[k] += factor * xi[k]
            for k in range(n):
                h[k] += far[k] * part[k]
        sectors.output[s] = 0
        sectors.h[s] = 0


@_compiled
def _step_block(lanes, off, force, output, samples, count, x, r, h, rate, zeros):  # type: ignore[no-untyped-def]
    """A step of every lane; output and h get its shares.

    Lanes that are off give none; their number is returned.
    """
    task = lanes, off, force, output, samples, count, x, r, h, rate, zeros
    one, two = zeros[:1], zeros + zeros
    if count <= 1:
        return _step_lanes(one, zeros, *task)
    if count == 2:
        return _step_lanes(one + one, two, *task)
    if count <= 4:
        return _step_lanes(one + one + one + one, two + two, *task)
    return _step_lanes(one + one + one + one + one, two + two + zeros, *task)


@_compiled
def _step_lanes(watched, xs, lanes, off, force, output, samples, count, x, r, h, rate, zeros):  # type: ignore[no-untyped-def]
    """The same with len(watched) samples, of which those beyond `count` are zeros."""
    d = len(zeros)
    pushes, sums, w, rs, shares = zeros, zeros, zeros, watched, watched
    moved = 0.0
    for i in range(d):
        pushes = tuple_setitem(pushes, i, force[i])
    for b in range(len(watched)):
        if b < count:
            rs = tuple_setitem(rs, b, r[samples[b]])
            for i in range(d):
                xs = tuple_setitem(xs, b * d + i, x[i, samples[b]])
    for lane in range(LANES):
        pull = pushes
        for b in range(len(watched)):
            chosen = rs[b] if lanes[(2 * d + 2 + b) * LANES + lane] > 0 else 0.0
            for i in range(d):
                pull = tuple_setitem(pull, i, pull[i] + chosen * xs[b * d + i])
        a = lanes[d * LANES + lane]
        dot, along, inner = 0.0, 0.0, 0.0
        for i in range(d):
            v = lanes[i * LANES + lane]
            inner += v * pull[i]
            v += rate * a * pull[i]
            lanes[i * LANES + lane] = v
            w = tuple_setitem(w, i, v)
            dot += v * v
            along += v * lanes[(d + 1 + i) * LANES + lane]
        a += rate * inner
        lanes[d * LANES + lane] = a
        left = 1.0 if dot > along * abs(along) * lanes[(2 * d + 1) * LANES + lane] else 0.0
        off[lane] = left
        moved += left
        a *= 1 - left
        for i in range(d):
            sums = tuple_setitem(sums, i, sums[i] + a * w[i])
        for b in range(len(watched)):
            z = 0.0
            for i in range(d):
                z += w[i] * xs[b * d + i]
            lanes[(2 * d + 2 + b) * LANES + lane] = z
            shares = tuple_setitem(shares, b, shares[b] + a * (z if z > 0 else 0.0))
    for i in range(d):
        output[i] += sums[i]
    for b in range(len(watched)):
        if b < count:
            h[samples[b]] += shares[b]
    return moved


@_compiled
def _largest(lanes, owner, force, samples, count, x, r):  # type: ignore[no-untyped-def]
    """max |n D|^2 over the lanes that have an owner."""
    d, largest = len(force), 0.0
    for lane in range(LANES):
        if owner[lane] >= 0:
            size = 0.0
            for i in range(d):
                pull = force[i]
                for b in range(count):
                    if lanes[(2 * d + 2 + b) * LANES + lane] > 0:
                        pull += r[samples[b]] * x[i, samples[b]]
                size += pull * pull
            if size > largest or not np.isfinite(size):
                largest = size
    return largest


@_compiled
def _turn(matrix, force, rate):  # type: ignore[no-untyped-def]
    """matrix <- (I + eta H) matrix."""
    d = len(force)
    for column in range(d + 1):
        last, inner = matrix[d, column], 0.0
        for i in range(d):
            inner += force[i] * matrix[i, column]
            matrix[i, column] += rate * force[i] * last
        matrix[d, column] += rate * inner


@_compiled
def _dream(cones, g, rate, turned):  # type: ignore[no-untyped-def]
    """A step of a cone asleep: its product, its moments, its output."""
    moments, force = cones.moments[g], cones.force[g]
    _turn(cones.product[g], force, rate)
    _turn(moments, force, rate)
    _turn(moments.T, force, rate)
    cones.output[g] += moments[: len(force), len(force)]
    cones.turned[g] = turned


@_compiled
def _wake(cones, blocks, work, g):  # type: ignore[no-untyped-def]
    """Bring the members of a cone asleep to where they are."""
    product = cones.product[g]
    d = len(product) - 1
    cones.asleep[g] = False
    new = np.empty((d + 1, LANES))
    for block in range(work.used[2]):
        if blocks.cone[block] == g and blocks.live[block] > 0:
            lanes = blocks.lanes[block]
            new[:] = 0
            for i in range(d + 1):
                for j in range(d + 1):
                    factor = product[i, j]
                    for lane in range(LANES):
                        new[i, lane] += factor * lanes[j * LANES + lane]
            for i in range(d + 1):
                for lane in range(LANES):
                    lanes[i * LANES + lane] = new[i, lane]


@_compiled
def _slack(lanes, lane, d):  # type: ignore[no-untyped-def]
    """How far |z_t - z| / |z| may grow before the neuron leaves what its axis certifies."""
    dot, along, a = 0.0, 0.0, lanes[d * LANES + lane]
    for i in range(d):
        w = lanes[i * LANES + lane]
        dot += w * w
        along += w * lanes[(d + 1 + i) * LANES + lane]
    free = np.sqrt(max(0.0, lanes[(2 * d + 1) * LANES + lane] - 1))
    off = np.sqrt(max(0.0, dot - along * along))
    return (free * along - off) / (np.sqrt(dot + a * a) * (1 + free)) * (1 - 1e-9)


@_compiled
def _doze(sectors, cones, blocks, work, g, moved, rate, nearness):  # type: ignore[no-untyped-def]
    """Try to put a quiet cone to sleep.

    Members that are near the end of their certificate are picked for a new one.
    """
    force, off = cones.force[g], work.off
    d = len(force)
    push = 0.0
    for i in range(d):
        push += force[i] * force[i]
    if 64 * rate * np.sqrt(push) > nearness:
        return moved
    slack, moments = 8.0, cones.moments[g]
    moments[:] = 0
    for block in range(work.used[2]):
        if blocks.cone[block] == g and blocks.live[block] > 0:
            lanes, low = blocks.lanes[block], 0
            for lane in range(LANES):
                off[lane] = 0
                if blocks.owner[block, lane] >= 0:
                    left = _slack(lanes, lane, d)
                    if left < nearness / 4:
                        off[lane] = 1
                        low += 1
                        for i in range(d):
                            cones.output[g, i] -= lanes[d * LANES + lane] * lanes[i * LANES + lane]
                    else:
                        slack = min(slack, left)
                        for i in range(d + 1):
                            for j in range(d + 1):
                                moments[i, j] += lanes[i * LANES + lane] * lanes[j * LANES + lane]
            if low:
                moved = _pick(sectors, cones, blocks, work, block, d, moved)
    if cones.members[g] > 0:
        cones.asleep[g] = True
        cones.turned[g] = 0
        cones.slack[g] = slack
        cones.product[g] = 0
        for i in range(d + 1):
            cones.product[g, i, i] = 1
    return moved


@_compiled
def _gather(sectors, cones, blocks, data, work, a, w, now, h):  # type: ignore[no-untyped-def]
    """Cones and blocks from a, w, and h; False where there was no room."""
    d = w.shape[1]
    work.used[:] = 0
    blocks.free[0] = 0
    h[:] = 0
    count = np.int64(0)
    for j in range(len(a)):
        size = 0.0
        for i in range(d):
            size += w[j, i] * w[j, i]
        if size > 0:  # else it never moves
            work.home[j] = -1
            work.lively[count] = j
            work.z[count, :d] = w[j]
            work.z[count, d] = a[j]
            count += 1
    if not _place(sectors, cones, blocks, data, work, count, now, h):
        return False
    _outputs(sectors, cones, data, work, h)
    return True


@_compiled
def _scatter(cones, blocks, work, a, w):  # type: ignore[no-untyped-def]
    d = w.shape[1]
    for g in range(work.used[1]):
        if cones.members[g] > 0 and cones.asleep[g]:
            _wake(cones, blocks, work, g)
    for block in range(work.used[2]):
        for lane in range(LANES):
            j = blocks.owner[block, lane]
            if blocks.live[block] > 0 and j >= 0:
                for i in range(d):
                    w[j, i] = blocks.lanes[block, i * LANES + lane]
                a[j] = blocks.lanes[block, d * LANES + lane]


@_compiled
def _step_asleep(sectors, cones, blocks, work, rate, n):  # type: ignore[no-untyped-def]
    """A step of the cones asleep.

    Returns (largest |n D|^2 of the cones that watch nothing, price of all sectors and cones,
    samples watched).
    """
    largest, price, watching = 0.0, 0.0, 0
    for s in range(work.used[0]):
        price += _SECTOR * n if sectors.cones[s] > 0 else 0.0
    for g in range(work.used[1]):
        if cones.members[g] > 0:
            price += _CONE
            watching += cones.watching[g]
            if cones.watching[g] == 0:
                size = 0.0
                for i in range(cones.force.shape[1]):
                    size += cones.force[g, i] ** 2
                if size > largest or not np.isfinite(size):
                    largest = size
                if cones.asleep[g]:
                    turned = (1 + cones.turned[g]) * (1 + rate * np.sqrt(size)) - 1
                    if turned < cones.slack[g]:
                        _dream(cones, g, rate, turned)
                    else:
                        _wake(cones, blocks, work, g)
    return largest, price, watching


@_compiled
def _run(a, w, data, sectors, cones, blocks, work, steps, tolerance, step_size, zeros):  # type: ignore[no-untyped-def]
    """(steps done, force, whether it paid); a and w, advanced in place, are left consistent."""
    d, n = data.x.shape
    rate, limit = step_size / n, (tolerance * n) ** 2
    r, h, largest, regroup = np.empty(n), np.zeros(n), 0.0, 64
    budget, spent = 0.7 * len(a) * (_SWEEP * n + _NEURON), 0.0
    work.nearness[:] = 1 / n
    work.since[:] = 0
    if not _gather(sectors, cones, blocks, data, work, a, w, np.int64(0), h):
        return 0, 1e300, False
    for step in range(steps):
        loss = 0.0
        for k in range(n):
            r[k] = data.y[k] - h[k]
            loss += r[k] * r[k]
            h[k] = 0
        if not np.isfinite(loss):
            _scatter(cones, blocks, work, a, w)
            return step, loss, True
        _forces(sectors, cones, data, work, r)
        largest, price, watching = _step_asleep(sectors, cones, blocks, work, rate, n)
        moved = np.int64(0)  # a literal 0 would compile the callees twice
        for block in range(work.used[2]):
            if blocks.live[block] > 0 and not cones.asleep[blocks.cone[block]]:
                g, lanes = blocks.cone[block], blocks.lanes[block]
                force, samples, count = cones.force[g], cones.samples[g], cones.watching[g]
                if count and (largest < limit or step == steps - 1):
                    largest = max(
                        largest,
                        _largest(lanes, blocks.owner[block], force, samples, count, data.x, r),
                    )
                if _step_block(
                    lanes, work.off, force, cones.output[g], samples, count, data.x, r, h, rate,
                    zeros,
                ):  # fmt: skip
                    moved = _pick(sectors, cones, blocks, work, block, d, moved)
                price += _LANE * LANES
        if step % _DOZE == _DOZE - 1:
            for g in range(work.used[1]):
                if cones.members[g] > 0 and cones.watching[g] == 0 and not cones.asleep[g]:
                    moved = _doze(sectors, cones, blocks, work, g, moved, rate, 1 / n)
        spent += price + _MOVE * moved
        placed = moved == 0 or _place(sectors, cones, blocks, data, work, moved, step + 1, h)
        if not placed or spent > budget * (step % 64 + 8) or (largest < limit):
            _scatter(cones, blocks, work, a, w)
            for index in range(moved):  # some of them are in no cone
                a[work.lively[index]], w[work.lively[index]] = work.z[index, d], work.z[index, :d]
            return step + 1, np.sqrt(largest) / n, largest < limit
        _outputs(sectors, cones, data, work, h)
        if step % 64 == 63:
            spent = 0.0
        if step == regroup and watching:
            regroup += min(regroup, _REGROUP)
            _scatter(cones, blocks, work, a, w)
            if not _gather(sectors, cones, blocks, data, work, a, w, step + 1, h):
                return step + 1, np.sqrt(largest) / n, False
    _scatter(cones, blocks, work, a, w)
    return steps, np.sqrt(largest) / n, True
