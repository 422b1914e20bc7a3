"""Linear least squares on sparse inputs, by gradient descent and single-sample SGD, step by step.

Inputs x_j = x_j(1) e_1 + e_{slot_j}, loss (1/2n) |X w - y|^2. `slot` (n,) says which of the q
entries of `own` belongs to a sample; two samples may share one. Weights are (w(1), own). Both loops
stop early once |w(1)| passes `DIVERGED`, so that what they return is finite.
"""

import numba
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from simplicity.problems import doors, training_doors

Array = NDArray[np.floating]
Slots = NDArray[np.int64]
Walk = tuple[float, Array, Array, Array, Array]
DIVERGED = 1e6
_compiled = numba.njit(nogil=True, cache=True)


def descend(
    first: float, own: Array, shared: Array, y: Array, slot: Slots, step_size: float, steps: int
) -> Walk:
    """Full-batch steps w <- w + (step_size / n) X^T (y - X w).

    Returns w(1), own (q,), and for the steps 0 to `steps` (each (steps + 1,)) w(1), the share of
    correct samples, and the loss; after a stop the last values stay.
    """
    arrays = _looked_at(first, own, shared, y, slot, step_size)
    doors.whole("steps", steps, 0)
    found: Walk = _descend(*arrays, step_size, steps)
    return found


def _looked_at(
    first: float, own: Array, shared: Array, y: Array, slot: Slots, step_size: float
) -> tuple[float, Array, Array, Array, Slots]:
    """The arguments of both loops.

    The compiled code does not look whether a `slot` is one of `own`.
    """
    doors.number("first", first)
    training_doors.step(step_size)
    y, shared, own = doors.finite(y=(y, "n"), shared=(shared, "n"), own=(own, "q"))
    slot = doors.indices("slot", slot, len(own), str(len(y)))
    # The compiled code takes such arrays alone.
    own, shared, y, slot = map(training_doors.for_torch, (own, shared, y, slot))
    return first, own, shared, y, slot


@_compiled
def _descend(
    first: float, own: Array, shared: Array, y: Array, slot: Slots, step_size: float, steps: int
) -> Walk:
    n, own = len(y), own.copy()
    firsts, correct, losses = np.empty(steps + 1), np.empty(steps + 1), np.empty(steps + 1)
    residual = np.empty(n)
    for step in range(steps + 1):
        right, loss = _look(first, own, shared, y, slot, residual)
        firsts[step], correct[step], losses[step] = first, right, loss
        if abs(first) > DIVERGED:
            firsts[step:], correct[step:], losses[step:] = first, right, loss
            break
        if step == steps:
            break
        slope = 0.0
        for j in range(n):
            slope += residual[j] * shared[j]
            own[slot[j]] += step_size / n * residual[j]
        first += step_size / n * slope
    return first, own, firsts, correct, losses


@_compiled
def _look(
    first: float, own: Array, shared: Array, y: Array, slot: Slots, residual: Array
) -> tuple[float, float]:
    """The share of correct samples and the loss; y - X w is written to `residual`."""
    right, square = 0.0, 0.0
    for j in range(len(y)):
        output = first * shared[j] + own[slot[j]]
        residual[j] = y[j] - output
        square += residual[j] ** 2
        margin = y[j] * output
        right += 1.0 if margin > 0 else (0.5 if margin == 0 else 0.0)
    return right / len(y), square / (2 * len(y))


def sgd(
    first: float,
    own: Array,
    shared: Array,
    y: Array,
    slot: Slots,
    *,
    step_size: float,
    epochs: int,
    rng: Generator,
) -> tuple[float, Array, Array]:
    """`epochs` times n steps w <- w + step_size x_j (y_j - <w, x_j>), j drawn with replacement.

    |x_j|^2 = 2: stable below 1.

    Returns w(1), own (q,), and w(1) after each epoch (epochs + 1,).
    """
    first, own, shared, y, slot = _looked_at(first, own, shared, y, slot, step_size)
    doors.whole("epochs", epochs, 0)
    doors.generator(rng)
    firsts = np.empty(epochs + 1)
    firsts[0] = first
    for epoch in range(1, epochs + 1):
        order = rng.integers(len(y), size=len(y))
        first, own = _epoch(first, own, shared, y, slot, order, step_size)
        firsts[epoch] = first
        if abs(first) > DIVERGED:
            firsts[epoch:] = first
            break
    return first, own, firsts


@_compiled
def _epoch(
    first: float, own: Array, shared: Array, y: Array, slot: Slots, order: Slots, step_size: float
) -> tuple[float, Array]:
    own = own.copy()
    for j in order:
        residual = y[j] - first * shared[j] - own[slot[j]]
        first += step_size * residual * shared[j]
        own[slot[j]] += step_size * residual
        if abs(first) > DIVERGED:
            break
    return first, own
