"""Full-batch gradient descent on a two-layer ReLU network without biases, as fast as one core allows.

    h(x) = sum_j a_j max(0, <w_j, x>)            a (m,), w (m, d), no factor in front
    L    = 1/(2n) sum_k (h(x_k) - y_k)^2         the loss WITH 1/2; every reported MSE is without it
    D_j  = 1/n sum_k 1{<w_j, x_k> > 0} (y_k - h(x_k)) x_k
    a_j <- a_j + eta <w_j, D_j>,   w_j <- w_j + eta a_j D_j      both from the old values

so one step advances the gradient flow's time by eta. ReLU'(0) = 0, one of the choices that the Clarke subdifferential
allows (Boursier & Flammarion 2025).

`descend` runs the compiled loop, `descend_autograd` the same in plain torch: slower, and independent of every formula
above but the first two lines. Here are no data, no measures: probes are passed in.

How the loop is fast: fused over neurons, nothing of size n x m is stored, a step reads X (n d numbers, in cache) twice for
each neuron. The dimension is a constant of the compiled code, so that the d sums live in registers (d <= 8; beyond
that, chunks of 4). One thread; parallelism is over cells.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numba
import numpy as np
import xarray as xr
from numba.cpython.unsafe.tuple import tuple_setitem
from numpy.typing import NDArray

from simplicity.nets import TwoLayer

Array = NDArray[np.floating]
Probe = Callable[[TwoLayer], float]
Advance = Callable[[Array, Array, Array, Array, float, int, float], tuple[int, float]]

_IN_REGISTERS = 8
_CHUNK = 4
# Sums may be reordered and multiplications fused, which vectorises them; NaN and infinity keep their meaning, so that a
# diverged run is seen. The order is fixed once compiled: the same machine gives the same bits.
_FASTMATH = {"reassoc", "contract", "nsz", "arcp"}


class Diverged(ArithmeticError):
    """The loss stopped being finite; the message names the step and the settings."""


def log_schedule(steps: int, points: int) -> tuple[int, ...]:
    """0, `steps`, and about `points` steps between them, evenly spaced in log(1 + step); strictly increasing."""
    return tuple(np.unique(np.rint(np.expm1(np.linspace(0, np.log1p(steps), points))).astype(int)).tolist())


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
) -> tuple[TwoLayer, xr.Dataset]:
    """Train `start` on x (n, d), y (n,) until `schedule[-1]` steps or until no neuron is pulled any more.

    The stopping rule is max_j |D_j| < `tolerance`, a certificate of a stationary point: an inactive neuron has D_j = 0, and a
    neuron that still could grow, however small it is, keeps the run going. Residuals have float32 noise near 1e-7 in
    single precision, so a tolerance below 1e-6 may never be met there.

    Returns the final network and a dataset along `probe` with the coordinates `step` and `time` = step x step_size, one
    variable for each probe (NaN after a stop), and the scalars `stopped_at` (steps done) and `force` = max_j |D_j|.
    """
    advance = _kernel(x.shape[1], precision)
    return _drive(advance, start, x, y, step_size, schedule, probes, tolerance, np.dtype(precision))


def descend_autograd(
    start: TwoLayer,
    x: Array,
    y: Array,
    *,
    step_size: float,
    schedule: Sequence[int],
    probes: Mapping[str, Probe],
    precision: str = "float64",
) -> tuple[TwoLayer, xr.Dataset]:
    """The reference: the same trajectory by torch's automatic differentiation of the loss. No stopping rule."""
    return _drive(_advance_autograd, start, x, y, step_size, schedule, probes, 0.0, np.dtype(precision))


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
    a: Array, w: Array, columns: Array, y: Array, step_size: float, steps: int, tolerance: float
) -> tuple[int, float]:
    import torch

    inputs, targets = torch.from_numpy(columns.T.copy()), torch.from_numpy(y)
    outer, inner = torch.from_numpy(a).requires_grad_(), torch.from_numpy(w).requires_grad_()
    for _ in range(steps):
        loss = 0.5 * torch.mean((torch.relu(inputs @ inner.T) @ outer - targets) ** 2)
        gradients = torch.autograd.grad(loss, (outer, inner))
        with torch.no_grad():
            outer -= step_size * gradients[0]
            inner -= step_size * gradients[1]
    return steps, float(loss.detach())  # stands in for the force: finite or not


def _kernel(dim: int, precision: str) -> Advance:
    """The compiled loop for one dimension: (a, w, X (d, n), y, step size, steps, tolerance) -> (steps done, force).

    `a` and `w` are advanced in place. A loss or force that is not finite ends it and is returned as the force.
    """
    zero = np.dtype(precision).type(0)
    extra = 0 if dim <= _IN_REGISTERS else -dim % _CHUNK  # rows of zeros change no sum

    def advance(
        a: Array, w: Array, columns: Array, y: Array, step_size: float, steps: int, tolerance: float
    ) -> tuple[int, float]:
        n = len(y)
        rate, limit = zero.dtype.type(step_size / n), zero.dtype.type((tolerance * n) ** 2)
        if dim <= _IN_REGISTERS:
            taken, largest = _fused(a, w, columns, y, rate, steps, limit, (zero,) * dim)
        else:
            inputs = np.concatenate([columns, np.zeros((extra, n), zero.dtype)])
            inner = np.concatenate([w, np.zeros((len(w), extra), zero.dtype)], axis=1)
            taken, largest = _chunked(a, inner, inputs, y, rate, steps, limit)
            w[:] = inner[:, :dim]
        return taken, float(np.sqrt(largest)) / n

    return advance


_compiled = numba.njit(nogil=True, cache=True, fastmath=_FASTMATH, error_model="numpy")


@_compiled
def _residuals(h, y, r):  # type: ignore[no-untyped-def]
    """r = y - h, h = 0; returns the sum of squares."""
    total = y.dtype.type(0)
    for k in range(len(y)):
        r[k] = y[k] - h[k]
        total += r[k] * r[k]
        h[k] = 0
    return total


@_compiled
def _pull(row, x, r, zeros):  # type: ignore[no-untyped-def]
    """n D_j = sum_k 1{<row, x_k> > 0} r_k x_k, as a tuple."""
    zero, force = zeros[0], zeros
    for k in range(len(r)):
        z = zero
        for i in range(len(row)):
            z += row[i] * x[i, k]
        active = r[k] if z > zero else zero
        for i in range(len(row)):
            force = tuple_setitem(force, i, force[i] + active * x[i, k])
    return force


@_compiled
def _add_neuron(outer, row, x, h):  # type: ignore[no-untyped-def]
    """h += outer max(0, <row, x>)."""
    zero = h.dtype.type(0)
    for k in range(len(h)):
        z = zero
        for i in range(len(row)):
            z += row[i] * x[i, k]
        h[k] += outer * (z if z > zero else zero)


@_compiled
def _fused(a, w, x, y, rate, steps, limit, zeros):  # type: ignore[no-untyped-def]
    """For d <= 8: a neuron's weights and force are tuples, which the compiler keeps in registers."""
    h, r = np.zeros_like(y), np.empty_like(y)
    largest = zeros[0]
    for j in range(len(a)):
        row = zeros
        for i in range(len(row)):
            row = tuple_setitem(row, i, w[j, i])
        _add_neuron(a[j], row, x, h)
    for step in range(steps):
        loss = _residuals(h, y, r)
        if not np.isfinite(loss):
            return step, loss
        largest = zeros[0]
        for j in range(len(a)):
            row = zeros
            for i in range(len(row)):
                row = tuple_setitem(row, i, w[j, i])
            force = _pull(row, x, r, zeros)
            outer, inner, size = a[j], zeros[0], zeros[0]
            for i in range(len(row)):
                inner += row[i] * force[i]
                size += force[i] * force[i]
                row = tuple_setitem(row, i, row[i] + rate * outer * force[i])
                w[j, i] = row[i]
            if not np.isfinite(size):
                return step, size
            a[j] = outer + rate * inner
            largest = max(largest, size)
            _add_neuron(a[j], row, x, h)
        if largest < limit:
            return step + 1, largest
    return steps, largest


@_compiled
def _project(row, x, z):  # type: ignore[no-untyped-def]
    """z = <row, x_k> for all k, four coordinates at a time."""
    z[:] = 0
    for c in range(0, len(row), _CHUNK):
        w0, w1, w2, w3 = row[c], row[c + 1], row[c + 2], row[c + 3]
        for k in range(len(z)):
            z[k] += w0 * x[c, k] + w1 * x[c + 1, k] + w2 * x[c + 2, k] + w3 * x[c + 3, k]


@_compiled
def _gather(pull, x, force):  # type: ignore[no-untyped-def]
    """force = sum_k pull_k x_k, four coordinates at a time."""
    zero = pull.dtype.type(0)
    for c in range(0, len(force), _CHUNK):
        s0, s1, s2, s3 = zero, zero, zero, zero
        for k in range(len(pull)):
            s0 += pull[k] * x[c, k]
            s1 += pull[k] * x[c + 1, k]
            s2 += pull[k] * x[c + 2, k]
            s3 += pull[k] * x[c + 3, k]
        force[c], force[c + 1], force[c + 2], force[c + 3] = s0, s1, s2, s3


@_compiled
def _add_projected(outer, z, h):  # type: ignore[no-untyped-def]
    for k in range(len(h)):
        h[k] += outer * (z[k] if z[k] > 0 else z[k] * 0)


@_compiled
def _chunked(a, w, x, y, rate, steps, limit):  # type: ignore[no-untyped-def]
    """For d > 8, d a multiple of 4: the same step with pre-activations of one neuron in a buffer."""
    h, r, z = np.zeros_like(y), np.empty_like(y), np.empty_like(y)
    force, zero = np.empty(w.shape[1], w.dtype), w.dtype.type(0)
    largest = zero
    for j in range(len(a)):
        _project(w[j], x, z)
        _add_projected(a[j], z, h)
    for step in range(steps):
        loss = _residuals(h, y, r)
        if not np.isfinite(loss):
            return step, loss
        largest = zero
        for j in range(len(a)):
            _project(w[j], x, z)
            for k in range(len(y)):
                z[k] = r[k] if z[k] > zero else zero
            _gather(z, x, force)
            inner, size, outer = zero, zero, a[j]
            for i in range(len(force)):
                inner += w[j, i] * force[i]
                size += force[i] * force[i]
                w[j, i] += rate * outer * force[i]
            if not np.isfinite(size):
                return step, size
            a[j] = outer + rate * inner
            largest = max(largest, size)
            _project(w[j], x, z)
            _add_projected(a[j], z, h)
        if largest < limit:
            return step + 1, largest
    return steps, largest
