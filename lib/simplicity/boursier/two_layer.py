"""Gradient descent on a two-layer ReLU or leaky ReLU network without biases, as fast as one core allows.

    h(x) = sum_j a_j phi(<w_j, x>)               phi(z) = max(z, slope z); a (m,), w (m, d), no factor in front
    L    = 1/(2n) sum_k (h(x_k) - y_k)^2         the loss WITH 1/2; every reported MSE is without it
    D_j  = 1/n sum_k phi'(<w_j, x_k>) (y_k - h(x_k)) x_k
    a_j <- a_j + eta <w_j, D_j>,   w_j <- w_j + eta a_j D_j      both from the old values

so one step advances the gradient flow's time by eta. phi'(0) = slope (0 for ReLU), one of the choices that the Clarke
subdifferential allows (Boursier & Flammarion 2025). A minibatch puts its own samples in place of the n. A bias of each
hidden neuron is one more input coordinate of ones (`nets.with_ones`).

`descend` runs the compiled loop, `descend_autograd` the same in plain torch: slower, and independent of every formula
above but the first two lines. Here are no data, no measures: probes are passed in.

How the loop is fast: fused over neurons, nothing of size n x m is stored, a step reads X (n d numbers, in cache) twice for
each pair of neurons. Up to d = 7 the dimension is a constant of the compiled code, so that a pair's sums live in registers;
beyond that, coordinates come in chunks of 4 and samples in blocks that stay in the first cache. A leaky slope is free:

    phi(z) = (1 - slope) max(z, 0) + slope z,   so   h(x) = (1 - slope) h_relu(x) + slope <sum_j a_j w_j, x>

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
from simplicity.problems import Problem, doors

Array = NDArray[np.floating]
Probe = Callable[[TwoLayer], float]
Advance = Callable[[Array, Array, Array, Array, float, int, float], tuple[int, float]]

_IN_REGISTERS = 7  # the largest d for which the compiler still vectorises two neurons' unrolled sums
_CHUNK = 4
_BLOCK = 4096  # bytes of one neuron's pre-activations at a time
_BATCHES = 1024  # minibatches handed to the compiled loop at a time
# Sums may be reordered and multiplications fused, which vectorises them; NaN and infinity keep their meaning, so that a
# diverged run is seen. The order is fixed once compiled: the same machine gives the same bits.
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
    """Train `start` on x (n, d), y (n,) until `schedule[-1]` steps or until no neuron is pulled any more.

    `slope` is the activation's slope below 0. `batch` samples a step are the next of a permutation that `rng` draws anew for
    each pass (see `batches`); 0 is the full batch.

    The stopping rule is max_j |D_j| < `tolerance`, a certificate of a stationary point: an inactive neuron has D_j = 0, and a
    neuron that still could grow, however small it is, keeps the run going. Residuals have float32 noise near 1e-7 in
    single precision, so a tolerance below 1e-6 may never be met there. A minibatch certifies nothing: no tolerance then.

    Returns the final network and a dataset along `probe` with the coordinates `step` and `time` = step x step_size, one
    variable for each probe (NaN after a stop), and the scalars `stopped_at` (steps done) and `force` = max_j |D_j|.
    """
    doors.precision(precision)
    a, w, x, y = doors.task(start, x, y, precision)
    schedule = doors.descent(step_size, schedule, probes)
    doors.number("tolerance", tolerance, low=0)
    doors.number("slope", slope)
    doors.minibatches(batch, rng, len(x))
    if batch and tolerance:
        raise Problem(f"tolerance: got {tolerance:g} with minibatches of {batch}, allowed 0")
    order = batches(len(x), batch, rng) if 0 < batch < len(x) else None
    advance = _kernel(x.shape[1], precision, slope, order)
    return _drive(advance, TwoLayer(a, w), x, y, step_size, schedule, probes, tolerance, np.dtype(precision))


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
    """The reference: the same trajectory by torch's automatic differentiation of the loss. No stopping rule."""
    doors.precision(precision)
    a, w, x, y = doors.task(start, x, y, precision)
    schedule = doors.descent(step_size, schedule, probes)
    doors.number("slope", slope)
    doors.minibatches(batch, rng, len(x))
    advance = functools.partial(_advance_autograd, slope=slope, order=batches(len(x), batch, rng))
    return _drive(advance, TwoLayer(a, w), x, y, step_size, schedule, probes, 0.0, np.dtype(precision))


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
                    f"loss not finite at step {done}: step_size {step_size:g}, n {len(y)}, m {len(a)}, d {x.shape[1]}"
                )
        if done == step:
            values[:, index] = [probe(TwoLayer(a, w)) for probe in probes.values()]
    return TwoLayer(a, w), _table(values, probes, schedule, step_size, done, float(force))


def _table(
    values: Array, probes: Mapping[str, Probe], schedule: Sequence[int], step_size: float, done: int, force: float
) -> xr.Dataset:
    steps = np.asarray(schedule)
    variables: dict[str, Any] = {name: ("probe", row) for name, row in zip(probes, values, strict=True)}
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
    """The compiled loop for one dimension: (a, w, X (d, n), y, step size, steps, tolerance) -> (steps done, force).

    `a` and `w` are advanced in place. A loss or force that is not finite ends it and is returned as the force. With an
    `order` each step takes the samples that it names, else all.
    """
    number = np.dtype(precision).type
    zeros = (number(0),) * dim if dim <= _IN_REGISTERS else None
    extra = 0 if zeros else -dim % _CHUNK  # rows of zeros change no sum

    def advance(
        a: Array, w: Array, columns: Array, y: Array, step_size: float, steps: int, tolerance: float
    ) -> tuple[int, float]:
        # A neuron of zeros in the last pair of an odd width stays one: its output is 0, and so are its gradients.
        odd = len(a) % 2
        outer, inner = np.pad(a, (0, odd)), np.pad(w, ((0, odd), (0, extra)))
        inputs = np.pad(columns, ((0, extra), (0, 0)))
        constants = number(step_size), number(slope), len(a), zeros
        if order is None:
            done, force = _descend(outer, inner, inputs, y, steps, number(tolerance), *constants)
        else:
            done, force = 0, number(0)
            while done < steps and np.isfinite(force):
                chosen = list(itertools.islice(order, min(_BATCHES, steps - done)))
                ends = np.cumsum([len(batch) for batch in chosen])
                taken, force = _descend_batches(outer, inner, inputs, y, np.concatenate(chosen), ends, *constants)
                done += taken
        a[:], w[:] = outer[: len(a)], inner[: len(a), :dim]
        return done, float(force)

    return advance


_compiled = numba.njit(nogil=True, cache=True, fastmath=_FASTMATH, error_model="numpy")


@_compiled
def _descend_batches(a, w, x, y, chosen, ends, step_size, slope, width, zeros):  # type: ignore[no-untyped-def]
    """A step on each batch chosen[ends[i - 1] : ends[i]]; (steps done, force of the last)."""
    first, force = 0, y.dtype.type(0)
    for step, end in enumerate(ends):
        batch = chosen[first:end]
        part = np.empty((x.shape[0], len(batch)), x.dtype)
        for i in range(x.shape[0]):
            for k in range(len(batch)):
                part[i, k] = x[i, batch[k]]
        _, force = _descend(a, w, part, y[batch], 1, y.dtype.type(0), step_size, slope, width, zeros)
        if not np.isfinite(force):
            return step, force
        first = end
    return len(ends), force


@_compiled
def _descend(a, w, x, y, steps, tolerance, step_size, slope, width, zeros):  # type: ignore[no-untyped-def]
    """(steps done, force): at most `steps` steps on all of x; `zeros` is a tuple of d zeros, or None for the chunks."""
    n = y.dtype.type(len(y))
    rate, limit = step_size / n, (tolerance * n) ** 2
    h, r, shift, largest = np.zeros_like(y), np.empty_like(y), np.zeros(len(x), y.dtype), y.dtype.type(0)
    if zeros is None:
        _forward_in_chunks(a, w, x, h)
    else:
        _forward_in_registers(a, w, x, h, zeros)
    for step in range(steps):
        loss = _residuals(a, w, x, y, h, r, shift, slope)
        if not np.isfinite(loss):
            return step, loss
        if zeros is None:
            largest = _sweep_in_chunks(a, w, x, r, h, shift, rate, 1 - slope, width)
        else:
            largest = _sweep_in_registers(a, w, x, r, h, shift, rate, 1 - slope, width, zeros)
        if not np.isfinite(largest):
            return step, largest
        if largest < limit:
            return step + 1, np.sqrt(largest) / n
    return steps, np.sqrt(largest) / n


@_compiled
def _residuals(a, w, x, y, h, r, shift, slope):  # type: ignore[no-untyped-def]
    """r = y - h(x) from h = h_relu(x), then h = 0; shift = slope sum_k r_k x_k. Returns the sum of squares."""
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


# Two neurons at a time, so that each sample that is loaded serves both.


@_compiled
def _rows(w, j, zeros):  # type: ignore[no-untyped-def]
    """The weights of neurons j and j + 1 as tuples."""
    first, second = zeros, zeros
    for i in range(len(zeros)):
        first, second = tuple_setitem(first, i, w[j, i]), tuple_setitem(second, i, w[j + 1, i])
    return first, second


@_compiled
def _pull(first, second, x, r, zeros):  # type: ignore[no-untyped-def]
    """sum_k 1{<row, x_k> > 0} r_k x_k for two rows, as tuples."""
    zero, pull, other = zeros[0], zeros, zeros
    for k in range(len(r)):
        z0, z1 = zero, zero
        for i in range(len(zeros)):
            z0 += first[i] * x[i, k]
            z1 += second[i] * x[i, k]
        r0 = r[k] if z0 > zero else zero
        r1 = r[k] if z1 > zero else zero
        for i in range(len(zeros)):
            pull = tuple_setitem(pull, i, pull[i] + r0 * x[i, k])
            other = tuple_setitem(other, i, other[i] + r1 * x[i, k])
    return pull, other


@_compiled
def _add(a0, a1, first, second, x, h, zeros):  # type: ignore[no-untyped-def]
    """h += a0 max(0, <first, x>) + a1 max(0, <second, x>)."""
    zero = zeros[0]
    for k in range(len(h)):
        z0, z1 = zero, zero
        for i in range(len(zeros)):
            z0 += first[i] * x[i, k]
            z1 += second[i] * x[i, k]
        h[k] += a0 * (z0 if z0 > zero else zero) + a1 * (z1 if z1 > zero else zero)


@_compiled
def _update(a, w, j, pull, shift, rate, keep):  # type: ignore[no-untyped-def]
    """One step of neuron j, whose n D_j is keep pull + shift; returns |n D_j|^2."""
    outer, inner, size = a[j], rate * 0, rate * 0
    for i in range(len(pull)):
        force = keep * pull[i] + shift[i]
        inner += w[j, i] * force
        size += force * force
        w[j, i] += rate * outer * force
    a[j] = outer + rate * inner
    return size


@_compiled
def _forward_in_registers(a, w, x, h, zeros):  # type: ignore[no-untyped-def]
    for j in range(0, len(a), 2):
        first, second = _rows(w, j, zeros)
        _add(a[j], a[j + 1], first, second, x, h, zeros)


@_compiled
def _sweep_in_registers(a, w, x, r, h, shift, rate, keep, width, zeros):  # type: ignore[no-untyped-def]
    """A step of every neuron, each followed by its share of the next h; max_j |n D_j|^2, or the first that is not finite."""
    largest = zeros[0]
    for j in range(0, len(a), 2):
        first, second = _rows(w, j, zeros)
        pull, other = _pull(first, second, x, r, zeros)
        size = _update(a, w, j, pull, shift, rate, keep)
        size = max(size, _update(a, w, j + 1, other, shift, rate, keep)) if j + 1 < width else size
        if not np.isfinite(size):
            return size
        largest = max(largest, size)
        first, second = _rows(w, j, zeros)
        _add(a[j], a[j + 1], first, second, x, h, zeros)
    return largest


@_compiled
def _project(w, j, x, begin, z0, z1):  # type: ignore[no-untyped-def]
    """z0 = <w_j, x_k>, z1 = <w_{j+1}, x_k> for the block of samples from `begin` on, four coordinates at a time."""
    z0[:] = 0
    z1[:] = 0
    end = begin + len(z0)
    for c in range(0, len(x), _CHUNK):
        p0, p1, p2, p3 = w[j, c], w[j, c + 1], w[j, c + 2], w[j, c + 3]
        q0, q1, q2, q3 = w[j + 1, c], w[j + 1, c + 1], w[j + 1, c + 2], w[j + 1, c + 3]
        x0, x1, x2, x3 = x[c, begin:end], x[c + 1, begin:end], x[c + 2, begin:end], x[c + 3, begin:end]
        for k in range(len(z0)):
            z0[k] += p0 * x0[k] + p1 * x1[k] + p2 * x2[k] + p3 * x3[k]
            z1[k] += q0 * x0[k] + q1 * x1[k] + q2 * x2[k] + q3 * x3[k]


@_compiled
def _gather(z0, z1, x, begin, pull):  # type: ignore[no-untyped-def]
    """pull[0] += sum_k z0_k x_k and pull[1] += sum_k z1_k x_k over the same block, four coordinates at a time."""
    zero, end = z0.dtype.type(0), begin + len(z0)
    for c in range(0, len(x), _CHUNK):
        s0, s1, s2, s3 = zero, zero, zero, zero
        t0, t1, t2, t3 = zero, zero, zero, zero
        x0, x1, x2, x3 = x[c, begin:end], x[c + 1, begin:end], x[c + 2, begin:end], x[c + 3, begin:end]
        for k in range(len(z0)):
            s0 += z0[k] * x0[k]
            s1 += z0[k] * x1[k]
            s2 += z0[k] * x2[k]
            s3 += z0[k] * x3[k]
            t0 += z1[k] * x0[k]
            t1 += z1[k] * x1[k]
            t2 += z1[k] * x2[k]
            t3 += z1[k] * x3[k]
        for row, sums in enumerate(((s0, s1, s2, s3), (t0, t1, t2, t3))):
            for i in range(_CHUNK):
                pull[row, c + i] += sums[i]


@_compiled
def _add_blocks(a, w, j, x, z, h):  # type: ignore[no-untyped-def]
    """h += the outputs of neurons j and j + 1."""
    zero, a0, a1 = h.dtype.type(0), a[j], a[j + 1]
    for begin in range(0, len(h), z.shape[1]):
        part = h[begin : begin + z.shape[1]]
        z0, z1 = z[0, : len(part)], z[1, : len(part)]
        _project(w, j, x, begin, z0, z1)
        for k in range(len(part)):
            part[k] += a0 * (z0[k] if z0[k] > zero else zero) + a1 * (z1[k] if z1[k] > zero else zero)


@_compiled
def _pull_blocks(w, j, x, z, r, pull):  # type: ignore[no-untyped-def]
    """pull = sum_k 1{<row, x_k> > 0} r_k x_k for the rows j and j + 1 of w."""
    zero = r.dtype.type(0)
    pull[:] = 0
    for begin in range(0, len(r), z.shape[1]):
        part = r[begin : begin + z.shape[1]]
        z0, z1 = z[0, : len(part)], z[1, : len(part)]
        _project(w, j, x, begin, z0, z1)
        for k in range(len(part)):
            z0[k] = part[k] if z0[k] > zero else zero
            z1[k] = part[k] if z1[k] > zero else zero
        _gather(z0, z1, x, begin, pull)


@_compiled
def _forward_in_chunks(a, w, x, h):  # type: ignore[no-untyped-def]
    z = np.empty((2, min(len(h), _BLOCK // h.itemsize)), h.dtype)
    for j in range(0, len(a), 2):
        _add_blocks(a, w, j, x, z, h)


@_compiled
def _sweep_in_chunks(a, w, x, r, h, shift, rate, keep, width):  # type: ignore[no-untyped-def]
    """As in registers, with pre-activations and sums in small buffers."""
    z, pull = np.empty((2, min(len(h), _BLOCK // h.itemsize)), h.dtype), np.empty((2, len(x)), h.dtype)
    largest = rate * 0
    for j in range(0, len(a), 2):
        _pull_blocks(w, j, x, z, r, pull)
        size = _update(a, w, j, pull[0], shift, rate, keep)
        size = max(size, _update(a, w, j + 1, pull[1], shift, rate, keep)) if j + 1 < width else size
        if not np.isfinite(size):
            return size
        largest = max(largest, size)
        _add_blocks(a, w, j, x, z, h)
    return largest
