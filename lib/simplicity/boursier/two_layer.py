"""Gradient descent on a two-layer ReLU or leaky ReLU network without biases, compiled.

    h(x) = sum_j a_j phi(<w_j, x>)           phi(z) = max(z, slope z); a (m,), w (m, d), no factor
    L    = 1/(2n) sum_k (h(x_k) - y_k)^2     the loss WITH 1/2; every reported MSE is without it
    D_j  = 1/n sum_k phi'(<w_j, x_k>) (y_k - h(x_k)) x_k
    a_j <- a_j + eta <w_j, D_j>,   w_j <- w_j + eta a_j D_j      both from the old values

so one step advances the gradient flow's time by eta. phi'(0) = slope (0 for ReLU), one of the
choices that the Clarke subdifferential allows (Boursier & Flammarion 2025). A minibatch puts its
own samples in place of the n. A bias of each hidden neuron is one more input coordinate of ones
(`nets.with_ones`).

`descend` runs the compiled loop, `descend_autograd` the same in plain torch: slower, and
independent of every formula above but the first two lines. Here are no data, no measures: probes
are passed in.

How the loop is fast: fused over neurons, nothing of size n x m is stored but one bit a pair,
whether it is active. A step needs two products of d numbers for each pair, 4 d + 3 operations: what
a neuron is pulled by, from the bits, and, once it has moved, its outputs and the next bits. The
sums of a tile stay in registers (see `process.lanes`). They have one of two orders:

    by neurons   a vector holds neurons, whose sums over samples go one after another
    by samples   a vector of 32 bytes holds samples: full batches in portable arithmetic, d <= 7

The second is slower, and kept because most recorded runs have its bits. A leaky slope is free:

    phi(z) = (1 - slope) max(z, 0) + slope z,   so
    h(x)   = (1 - slope) h_relu(x) + slope <sum_j a_j w_j, x>

and its linear part is computed once a step. One thread; parallelism is over cells.
"""

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numba
import numpy as np
import xarray as xr
from numba.cpython.unsafe.tuple import tuple_setitem
from numpy.random import Generator
from numpy.typing import NDArray

from simplicity.nets import TwoLayer
from simplicity.nets.loop import Diverged, batches
from simplicity.problems import Problem, doors, training_doors
from simplicity.process import lanes

Array = NDArray[np.floating]
Probe = Callable[[TwoLayer], float]
Advance = Callable[[Array, Array, Array, Array, float, int, float], tuple[int, float]]

# the largest d whose sums go by samples in portable arithmetic, in the order of the recorded runs
_BY_SAMPLES = 7
# the largest d for which the sums of two neurons stay in 16 registers, if they go by samples
_TOGETHER = 4
_CHUNK = 12  # sums of a neuron that stay in registers at a time
_ONE, _PAIR, _FOUR, _EIGHT = ((0,) * count for count in (1, 2, 4, 8))  # shapes of tiles
_BATCHES = 1024  # minibatches handed to the compiled loop at a time
# Sums may be reordered and multiplications fused, which vectorises them; NaN and infinity keep
# their meaning, so that a diverged run is seen. The order is fixed once compiled: the same machine
# gives the same bits.
_FASTMATH = {"reassoc", "contract", "nsz", "arcp"}


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
    """Train `start` on x (n, d), y (n,).

    It ends after `schedule[-1]` steps, or when no neuron is pulled any more.

    `slope` is the activation's slope below 0. `batch` samples a step are the next of a permutation
    that `rng` draws anew for each pass (see `batches`); 0 is the full batch.

    The stopping rule is max_j |D_j| < `tolerance`, a certificate of a stationary point: an inactive
    neuron has D_j = 0, and a neuron that still could grow, however small it is, keeps the run
    going. Residuals have float32 noise near 1e-7 in single precision, so a tolerance below 1e-6 may
    never be met there. A minibatch certifies nothing: no tolerance then.

    Returns the final network and a dataset along `probe` with the coordinates `step` and `time` =
    step x step_size, one variable for each probe (NaN after a stop), and the scalars `stopped_at`
    (steps done) and `force` = max_j |D_j|.
    """
    doors.precision(precision)
    a, w, x, y = training_doors.task(start, x, y, precision)
    schedule = training_doors.descent(step_size, schedule, probes)
    doors.number("tolerance", tolerance, low=0)
    doors.number("slope", slope)
    training_doors.minibatches(batch, rng, len(x))
    if batch and tolerance:
        raise Problem(f"tolerance: got {tolerance:g} with minibatches of {batch}, allowed 0")
    order = batches(len(x), batch, rng) if 0 < batch < len(x) else None
    advance = _kernel(x.shape[1], precision, slope, order)
    return _drive(
        advance, TwoLayer(a, w), x, y, step_size, schedule, probes, tolerance, np.dtype(precision)
    )


def descend_autograd(
    start: TwoLayer,
    x: Array,
    y: Array,
    *,
    step_size: float,
    schedule: Sequence[int],
    probes: Mapping[str, Probe],
    precision: str = "float64",
    slope: float = 0.0,
    batch: int = 0,
    rng: Generator | None = None,
) -> tuple[TwoLayer, xr.Dataset]:
    """The reference: the same trajectory by torch's automatic differentiation. No stopping rule."""
    doors.precision(precision)
    a, w, x, y = training_doors.task(start, x, y, precision)
    schedule = training_doors.descent(step_size, schedule, probes)
    doors.number("slope", slope)
    training_doors.minibatches(batch, rng, len(x))
    advance = functools.partial(_advance_autograd, slope=slope, order=batches(len(x), batch, rng))
    return _drive(
        advance, TwoLayer(a, w), x, y, step_size, schedule, probes, 0.0, np.dtype(precision)
    )


def _drive(
    advance: Advance,
    start: TwoLayer,
    x: Array,
    y: Array,
    step_size: float,
    schedule: Sequence[int],
    probes: Mapping[str, Probe],
    tolerance: float,
    dtype: np.dtype,
) -> tuple[TwoLayer, xr.Dataset]:
    a, w = (np.array(part, dtype=dtype, order="C") for part in start)
    columns, targets = np.ascontiguousarray(x.T, dtype=dtype), np.ascontiguousarray(y, dtype=dtype)
    values = np.full((len(probes), len(schedule)), np.nan)
    done, force, stopped = 0, np.inf, False
    for index, step in enumerate(schedule):
        if step > done and not stopped:
            taken, force = advance(a, w, columns, targets, step_size, step - done, tolerance)
            stopped = taken < step - done or force < tolerance
            done += taken
            if not (np.isfinite(force) and np.isfinite(a).all() and np.isfinite(w).all()):
                raise Diverged(
                    f"loss not finite at step {done}: step_size {step_size:g}, n {len(y)}, m "
                    f"{len(a)}, d {x.shape[1]}"
                )
        if done == step:
            values[:, index] = [probe(TwoLayer(a, w)) for probe in probes.values()]
    return TwoLayer(a, w), _table(values, probes, schedule, step_size, done, float(force))


def _table(
    values: Array,
    probes: Mapping[str, Probe],
    schedule: Sequence[int],
    step_size: float,
    done: int,
    force: float,
) -> xr.Dataset:
    steps = np.asarray(schedule)
    variables: dict[str, Any] = {
        name: ("probe", row) for name, row in zip(probes, values, strict=True)
    }
    variables |= {"stopped_at": done, "force": force}
    return xr.Dataset(variables, {"step": ("probe", steps), "time": ("probe", steps * step_size)})


def _advance_autograd(
    a: Array,
    w: Array,
    columns: Array,
    y: Array,
    step_size: float,
    steps: int,
    tolerance: float,
    *,
    slope: float,
    order: Iterator[Any],
) -> tuple[int, float]:
    import torch

    inputs, targets = torch.from_numpy(columns.T.copy()), torch.from_numpy(y)
    outer, inner = torch.from_numpy(a).requires_grad_(), torch.from_numpy(w).requires_grad_()
    for chosen in itertools.islice(order, steps):
        hidden = torch.nn.functional.leaky_relu(inputs[chosen] @ inner.T, slope)
        loss = 0.5 * torch.mean((hidden @ outer - targets[chosen]) ** 2)
        gradients = torch.autograd.grad(loss, (outer, inner))
        with torch.no_grad():
            outer -= step_size * gradients[0]
            inner -= step_size * gradients[1]
    return steps, float(loss.detach())  # stands in for the force: finite or not


def _kernel(dim: int, precision: str, slope: float, order: Iterator[Any] | None) -> Advance:
    """The compiled loop for one dimension.

    It takes (a, w, X (d, n), y, step size, steps, tolerance) and returns (steps done, force).

    `a` and `w` are advanced in place. A loss or force that is not finite ends it and is returned as
    the force. With an `order` each step takes the samples that it names, else all.
    """
    if order is None and dim <= _BY_SAMPLES and not lanes.WIDE:
        return functools.partial(_advance_by_samples, slope=slope)
    return functools.partial(_advance_by_neurons, slope=slope, order=order)


def _advance_by_samples(
    a: Array,
    w: Array,
    columns: Array,
    y: Array,
    step_size: float,
    steps: int,
    tolerance: float,
    *,
    slope: float,
) -> tuple[int, float]:
    number, odd = a.dtype.type, len(a) % 2
    # A neuron of zeros in the last pair of an odd width stays one: its output is 0, and so are its
    # gradients.
    outer, inner = np.pad(a, (0, odd)), np.pad(w, ((0, odd), (0, 0)))
    inputs = np.pad(columns, ((0, 0), (0, -len(y) % (lanes.BYTES // a.itemsize))))
    constants = (
        number(tolerance),
        number(step_size),
        number(slope),
        len(a),
        (number(0),) * len(columns),
    )
    done, force = _descend_by_samples(outer, inner, inputs, y, steps, *constants)
    a[:], w[:] = outer[: len(a)], inner[: len(a)]
    return done, float(force)


def _advance_by_neurons(
    a: Array,
    w: Array,
    columns: Array,
    y: Array,
    step_size: float,
    steps: int,
    tolerance: float,
    *,
    slope: float,
    order: Iterator[Any] | None,
) -> tuple[int, float]:
    number, (dim, n) = a.dtype.type, columns.shape
    chunk = -(-dim // -(-dim // _CHUNK))  # coordinates at a time, in chunks of equal size
    rows, lane = dim + -dim % chunk, lanes.BYTES // a.itemsize
    wide = len(a) + -len(a) % (2 * lane)
    outer, inner, inputs = (
        np.zeros(wide, a.dtype),
        np.zeros((rows, wide), a.dtype),
        np.zeros((n, rows), a.dtype),
    )
    outer[: len(a)], inner[:dim, : len(a)], inputs[:, :dim] = a, w.T, columns.T
    marks, sizes = np.zeros((wide // lane, n), f"u{max(1, lane // 8)}"), np.zeros(wide, a.dtype)
    work = marks, np.zeros((n, lane), a.dtype), sizes, sizes.view(f"i{a.itemsize}")
    constants = number(step_size), number(slope), len(a), (0,) * chunk
    if order is None:
        done, force = _descend_by_neurons(
            outer, inner, inputs, y, steps, number(tolerance), work, *constants
        )
    else:
        done, force = 0, number(0)
        while done < steps and np.isfinite(force):
            chosen = list(itertools.islice(order, min(_BATCHES, steps - done)))
            ends = np.cumsum([len(batch) for batch in chosen])
            taken, force = _descend_batches(
                outer, inner, inputs, y, np.concatenate(chosen), ends, work, *constants
            )
            done += taken
    a[:], w[:] = outer[: len(a)], inner[:dim, : len(a)].T
    return done, float(force)


_compiled = numba.njit(nogil=True, cache=True, fastmath=_FASTMATH, error_model="numpy")


@_compiled
def _residuals(a, w, x, y, h, r, shift, slope):  # type: ignore[no-untyped-def]
    """r = y - h(x) from h = h_relu(x), then h = 0.

    shift = slope sum_k r_k x_k. Returns the sum of squares.
    """
    total = y.dtype.type(0)
    for k in range(len(y)):
        r[k] = y[k] - (1 - slope) * h[k]
        h[k] = 0
    if slope != 0:
        for i in range(len(x)):
            linear = y.dtype.type(0)
            for j in range(len(a)):
                linear += a[j] * w[j, i]
            for k in range(len(y)):
                r[k] -= slope * linear * x[i, k]
        for i in range(len(x)):
            shift[i] = 0
            for k in range(len(y)):
                shift[i] += slope * r[k] * x[i, k]
    for k in range(len(y)):
        total += r[k] * r[k]
    return total


# Lanes are samples: w (m, d), x (d, n), n rounded up to whole vectors of 32 bytes by samples of
# zeros, marks (m, vectors). The sums have the order of a compiler's own vectors: whole ones first,
# then one sample after another.


@_compiled
def _descend_by_samples(a, w, x, y, steps, tolerance, step_size, slope, width, zeros):  # type: ignore[no-untyped-def]
    """(steps done, force): at most `steps` steps on all of x; `zeros` is a tuple of d zeros."""
    n = y.dtype.type(len(y))
    rate, limit = step_size / n, (tolerance * n) ** 2
    h, r, shift, largest = (
        np.zeros_like(x[0]),
        np.zeros_like(x[0]),
        np.zeros(len(x), y.dtype),
        y.dtype.type(0),
    )
    marks = np.zeros((len(a), len(h) * y.itemsize // lanes.BYTES), np.uint8)
    for j in range(0, len(a), 2):
        _add_pair(a, w, j, x, h, marks, zeros)
    for step in range(steps):
        loss = _residuals(a, w, x, y, h, r, shift, slope)
        if not np.isfinite(loss):
            return step, loss
        largest = zeros[0]
        for j in range(0, len(a), 2):
            if len(zeros) <= _TOGETHER:
                pull = _pull(j, x, r, len(y), marks, zeros, _PAIR)
                size = _update(a, w, j, pull, 0, shift, rate, 1 - slope, zeros)
                other = _update(a, w, j + 1, pull, 1, shift, rate, 1 - slope, zeros)
            else:
                lone = _pull(j, x, r, len(y), marks, zeros, _ONE)
                size = _update(a, w, j, lone, 0, shift, rate, 1 - slope, zeros)
                lone = _pull(j + 1, x, r, len(y), marks, zeros, _ONE)
                other = _update(a, w, j + 1, lone, 0, shift, rate, 1 - slope, zeros)
            size = max(size, other) if j + 1 < width else size
            if not np.isfinite(size):
                return step, size
            largest = max(largest, size)
            _add_pair(a, w, j, x, h, marks, zeros)
        if largest < limit:
            return step + 1, np.sqrt(largest) / n
    return steps, np.sqrt(largest) / n


@_compiled
def _pull(j, x, r, n, marks, zeros, neurons):  # type: ignore[no-untyped-def]
    """sum_k 1{<w_j, x_k> > 0} r_k x_k over n samples, a tuple by coordinate and neuron.

    For as many neurons from j on.
    """
    lane, row = lanes.BYTES // r.itemsize, marks.shape[1]
    whole = n // lane
    sums = lanes.zeros(r, zeros + zeros if len(neurons) == 2 else zeros)
    for v in range(whole):
        active = lanes.kept(marks, j * row + v, row, lanes.load(r, v * lane, 0, _ONE), neurons)
        sums = lanes.outer(sums, lanes.load(x, v * lane, x.shape[1], zeros), active)
    pull = lanes.total(sums)
    for q in range(len(neurons)):
        for k in range(whole * lane, n):
            if marks[j + q, whole] >> (k - whole * lane) & 1:
                for i in range(len(zeros)):
                    at = i * len(neurons) + q
                    pull = tuple_setitem(pull, at, pull[at] + r[k] * x[i, k])
    return pull


@_compiled
def _add_pair(a, w, j, x, h, marks, zeros):  # type: ignore[no-untyped-def]
    """h += the outputs of neurons j + 1 and j, and their marks."""
    lane, row, d = lanes.BYTES // h.itemsize, marks.shape[1], len(zeros)
    outer = lanes.spread(a, j + 1, -1, _PAIR)
    fours = row - row % 4
    for v in range(0, fours, 4):
        z = lanes.zeros(h, _EIGHT)
        for i in range(len(zeros)):
            inner = lanes.spread(w, (j + 1) * d + i, -d, _PAIR)
            z = lanes.outer(z, lanes.load(x, i * x.shape[1] + v * lane, lane, _FOUR), inner)
        lanes.rectify(z, outer, h, v * lane, lane, marks, (j + 1) * row + v, -row)
    for v in range(fours, row):
        z = lanes.zeros(h, _PAIR)
        for i in range(len(zeros)):
            inner = lanes.spread(w, (j + 1) * d + i, -d, _PAIR)
            z = lanes.outer(z, lanes.load(x, i * x.shape[1] + v * lane, lane, _ONE), inner)
        lanes.rectify(z, outer, h, v * lane, lane, marks, (j + 1) * row + v, -row)


@_compiled
def _update(a, w, j, pull, q, shift, rate, keep, zeros):  # type: ignore[no-untyped-def]
    """One step of neuron j; returns |n D_j|^2.

    n D_j is keep times the q-th of `pull`, plus shift.
    """
    outer, inner, size = a[j], rate * 0, rate * 0
    for i in range(len(zeros)):
        force = keep * pull[i * (len(pull) // len(zeros)) + q] + shift[i]
        inner += w[j, i] * force
        size += force * force
        w[j, i] += rate * outer * force
    a[j] = outer + rate * inner
    return size


# Lanes are neurons: w (d, m), x (n, d), marks (vectors of neurons, n). `work` is (marks, outputs
# (n, lane) by lane, |n D_j|^2, the same as whole numbers).


@_compiled
def _descend_by_neurons(a, w, x, y, steps, tolerance, work, step_size, slope, width, chunk):  # type: ignore[no-untyped-def]
    """(steps done, force): at most `steps` steps on all of x.

    `chunk` is a tuple as long as coordinates go together.
    """
    n = y.dtype.type(len(y))
    limit, largest = (tolerance * n) ** 2, y.dtype.type(0)
    buffers = _buffers(w, len(y))
    _forward(a, w, x, work)
    for step in range(steps):
        largest = _step(a, w, x, y, work, buffers, step_size / n, slope, width, chunk, True)
        if not np.isfinite(largest):
            return step, largest
        if largest < limit:
            return step + 1, np.sqrt(largest) / n
    return steps, np.sqrt(largest) / n


@_compiled
def _descend_batches(a, w, x, y, chosen, ends, work, step_size, slope, width, chunk):  # type: ignore[no-untyped-def]
    """A step on each batch chosen[ends[i - 1] : ends[i]]; (steps done, force of the last)."""
    first, largest, n = 0, y.dtype.type(0), y.dtype.type(1)
    for step, end in enumerate(ends):
        n = y.dtype.type(end - first)
        inputs, targets = (
            np.empty((end - first, x.shape[1]), x.dtype),
            np.empty(end - first, y.dtype),
        )
        for k in range(end - first):
            inputs[k], targets[k] = x[chosen[first + k]], y[chosen[first + k]]
        _forward(a, w, inputs, work)
        largest = _step(
            a,
            w,
            inputs,
            targets,
            work,
            _buffers(w, end - first),
            step_size / n,
            slope,
            width,
            chunk,
            False,
        )
        if not np.isfinite(largest):
            return step, largest
        first = end
    return len(ends), np.sqrt(largest) / n


@_compiled
def _buffers(w, n):  # type: ignore[no-untyped-def]
    """h, r, shift, the sums of two vectors of neurons, and what their a gain."""
    both = 2 * lanes.BYTES // w.itemsize
    return (
        np.empty(n, w.dtype),
        np.empty(n, w.dtype),
        np.zeros(len(w), w.dtype),
        np.empty((len(w) + 1, both), w.dtype),
    )


@_compiled
def _forward(a, w, x, work):  # type: ignore[no-untyped-def]
    for j in range(0, len(a), 2 * work[1].shape[1]):
        _add(a, w, j, x, work)


@_compiled
def _step(a, w, x, y, work, buffers, rate, slope, width, chunk, more):  # type: ignore[no-untyped-def]
    """A step of every neuron, then its share of the next h if there are `more`.

    Returns max_j |n D_j|^2, or the loss.
    """
    outputs, sizes, whole = work[1:]
    h, r, shift, sums = buffers
    lane = outputs.shape[1]
    for k in range(len(y)):
        h[k] = 0
        for o in range(lane):
            h[k] += outputs[k, o]
            outputs[k, o] = 0
    loss = _residuals(a, w.T, x.T, y, h, r, shift, slope)
    if not np.isfinite(loss):
        return loss
    for j in range(0, len(a), 2 * lane):
        _pull_lanes(x, r, work[0], j // lane, sums, 0, chunk)
        _pull_lanes(x, r, work[0], j // lane + 1, sums, lane, chunk)
        _update_lanes(a, w, j, sums, shift, rate, 1 - slope, sizes)
        if more:
            _add(a, w, j, x, work)
    # what is not negative is ordered as whole numbers are, and what is not finite comes last
    top = whole[0]
    for j in range(width):
        top = max(top, whole[j])
    whole[0] = top
    return sizes[0]


@_compiled
def _pull_lanes(x, r, marks, group, sums, at, chunk):  # type: ignore[no-untyped-def]
    """sums[i, at + lane] = sum_k 1{<w_j, x_k> > 0} r_k x_ki for the vector of neurons `group`."""
    n, d = x.shape
    for i in range(0, d, len(chunk)):
        pull = lanes.zeros(r, chunk)
        for k in range(n):
            active = lanes.kept(marks, group * n + k, 0, lanes.spread(r, k, 0, _ONE), _ONE)
            pull = lanes.outer(pull, lanes.spread(x, k * d + i, 1, chunk), active)
        lanes.store(sums, i * sums.shape[1] + at, sums.shape[1], pull)


@_compiled
def _update_lanes(a, w, j, sums, shift, rate, keep, sizes):  # type: ignore[no-untyped-def]
    """One step of as many neurons from j on as `sums` has columns.

    The last row of `sums` is used up.
    """
    count, inner = sums.shape[1], sums[len(w)]
    for o in range(count):
        inner[o] = 0
        sizes[j + o] = 0
    for i in range(len(w)):
        for o in range(count):
            force = keep * sums[i, o] + shift[i]
            inner[o] += w[i, j + o] * force
            sizes[j + o] += force * force
            w[i, j + o] += rate * a[j + o] * force
    for o in range(count):
        a[j + o] += rate * inner[o]


@_compiled
def _add(a, w, j, x, work):  # type: ignore[no-untyped-def]
    """The outputs and marks of two vectors of neurons from j on."""
    marks, outputs = work[:2]
    (n, d), m, lane = x.shape, w.shape[1], outputs.shape[1]
    outer, first = lanes.load(a, j, lane, _PAIR), j // lane * n
    fours = n - n % 4
    for k in range(0, fours, 4):
        z = lanes.zeros(a, _EIGHT)
        for i in range(d):
            z = lanes.outer(
                z, lanes.spread(x, k * d + i, d, _FOUR), lanes.load(w, i * m + j, lane, _PAIR)
            )
        lanes.rectify(z, outer, outputs, k * lane, lane, marks, first + k, n)
    for k in range(fours, n):
        z = lanes.zeros(a, _PAIR)
        for i in range(d):
            z = lanes.outer(
                z, lanes.spread(x, k * d + i, d, _ONE), lanes.load(w, i * m + j, lane, _PAIR)
            )
        lanes.rectify(z, outer, outputs, k * lane, lane, marks, first + k, n)
