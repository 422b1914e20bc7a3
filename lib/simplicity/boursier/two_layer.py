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
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.random import Generator
from numpy.typing import NDArray

from simplicity.boursier import driver, two_layer_by_neurons, two_layer_by_samples
from simplicity.boursier.driver import Advance, Probe
from simplicity.nets import TwoLayer
from simplicity.problems import doors
from simplicity.process import lanes

Array = NDArray[np.floating]

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
    that `rng` draws anew for each pass (see `nets.loop.batches`); 0 is the full batch.

    The stopping rule is max_j |D_j| < `tolerance`, a certificate of a stationary point: an inactive
    neuron has D_j = 0, and a neuron that still could grow, however small it is, keeps the run
    going. Residuals have float32 noise near 1e-7 in single precision, so a tolerance below 1e-6 may
    never be met there. A minibatch certifies nothing: no tolerance then.

    Returns the final network and a dataset along `probe` with the coordinates `step` and `time` =
    step x step_size, one variable for each probe (NaN after a stop), and the scalars `stopped_at`
    (steps done) and `force` = max_j |D_j|.
    """
    asked = driver.looked_at(
        start, x, y, step_size=step_size, schedule=schedule, probes=probes, precision=precision,
        tolerance=tolerance,
    )  # fmt: skip
    doors.number("slope", slope)
    order = driver.order(asked, batch, rng)
    return driver.drive(kernel(asked.x.shape[1], slope, order), asked)


def kernel(dim: int, slope: float, order: Iterator[Any] | None) -> Advance:
    """The compiled loop for one dimension.

    It takes (a, w, X (d, n), y, step size, steps, tolerance) and returns (steps done, force).

    `a` and `w` are advanced in place. A loss or force that is not finite ends it and is returned as
    the force. With an `order` each step takes the samples that it names, else all.
    """
    if order is None and dim <= _BY_SAMPLES and not lanes.WIDE:
        return functools.partial(two_layer_by_samples.advance, slope=slope)
    return functools.partial(two_layer_by_neurons.advance, slope=slope, order=order)


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
    asked = driver.looked_at(
        start, x, y, step_size=step_size, schedule=schedule, probes=probes, precision=precision
    )
    doors.number("slope", slope)
    order = driver.order(asked, batch, rng) or itertools.repeat(slice(None))
    advance = functools.partial(_advance_autograd, slope=slope, order=order)
    return driver.drive(advance, asked)


def _advance_autograd(
    a: Array, w: Array, *task: Any, slope: float, order: Iterator[Any]
) -> tuple[int, float]:
    """(steps done, half the train MSE of the last: finite or not)."""
    import torch

    columns, y, step_size, steps, _ = task
    inputs, targets = torch.from_numpy(columns.T.copy()), torch.from_numpy(y)
    weights = [torch.from_numpy(part).requires_grad_() for part in (a, w)]
    for chosen in itertools.islice(order, steps):
        loss = _half_mse(weights, inputs[chosen], targets[chosen], slope)
        _move(weights, torch.autograd.grad(loss, weights), step_size)
    return steps, float(loss.detach())


def _move(weights: Sequence[Any], gradients: Sequence[Any], step_size: float) -> None:
    """One step of gradient descent, in place."""
    import torch

    with torch.no_grad():
        for part, gradient in zip(weights, gradients, strict=True):
            part -= step_size * gradient


def _half_mse(weights: Sequence[Any], x: Any, y: Any, slope: float) -> Any:
    """L of tensors."""
    import torch

    hidden = torch.nn.functional.leaky_relu(x @ weights[1].T, slope)
    return 0.5 * torch.mean((hidden @ weights[0] - y) ** 2)
