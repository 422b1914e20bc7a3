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

These are `two_layer_by_neurons` and `two_layer_by_samples`. The second is slower, and kept because
most recorded runs have its bits. A leaky slope is free:

    phi(z) = (1 - slope) max(z, 0) + slope z,   so
    h(x)   = (1 - slope) h_relu(x) + slope <sum_j a_j w_j, x>

and its linear part is computed once a step. One thread; parallelism is over cells.
"""

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.random import Generator
from numpy.typing import NDArray

from simplicity.boursier import two_layer_by_neurons, two_layer_by_samples
from simplicity.nets import TwoLayer
from simplicity.nets.loop import Diverged, batches
from simplicity.problems import Problem, doors, training_doors
from simplicity.process import lanes

Array = NDArray[np.floating]
Probe = Callable[[TwoLayer], float]
Advance = Callable[[Array, Array, Array, Array, float, int, float], tuple[int, float]]

# the largest d whose sums go by samples in portable arithmetic, in the order of the recorded runs
_BY_SAMPLES = 7


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
    a: Array, w: Array, *task: Any, slope: float, order: Iterator[Any]
) -> tuple[int, float]:
    import torch

    columns, y, step_size, steps, _ = task
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
        return functools.partial(two_layer_by_samples.advance, slope=slope)
    return functools.partial(two_layer_by_neurons.advance, slope=slope, order=order)
