"""Gradient descent on batches that are drawn independently of each other.

The batches of `two_layer` and `adam_by_neurons` are the next of a permutation: those of one pass
share no sample. Here a batch is drawn from all samples, without replacement within it.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import xarray as xr
from numpy.random import Generator
from numpy.typing import NDArray

from simplicity.boursier import driver
from simplicity.boursier.driver import Probe
from simplicity.nets import TwoLayer
from simplicity.problems import doors

Array = NDArray[np.floating]


def descend(
    start: TwoLayer,
    x: Array,
    y: Array,
    *,
    step_size: float,
    schedule: Sequence[int],
    probes: Mapping[str, Probe],
    batch: int,
    rng: Generator,
) -> tuple[TwoLayer, xr.Dataset]:
    """Train `start` on x (n, d), y (n,) in double precision, `batch` samples a step.

    A `batch` of 0, or of n or more, is every sample. Returns what `two_layer.descend` does, but for
    `force`, as there is no stopping rule.
    """
    asked = driver.looked_at(
        start, x, y, step_size=step_size, schedule=schedule, probes=probes, precision="float64"
    )
    doors.whole("batch", batch, 0)
    doors.generator(rng)
    advance = partial(_advance, batch=min(batch, len(asked.x)) or len(asked.x), rng=rng)
    network, found = driver.drive(advance, asked)
    return network, found.drop_vars("force")


def _advance(a: Array, w: Array, *task: Any, batch: int, rng: Generator) -> tuple[int, float]:
    """Steps by matrix products: a step is small, and there are not many of them."""
    columns, y, step_size, steps, _ = task
    x = np.ascontiguousarray(columns.T)
    for _ in range(steps):
        chosen = rng.choice(len(y), batch, replace=False, shuffle=False)
        _step(a, w, x[chosen], y[chosen], step_size)
    return steps, driver.NO_FORCE


def _step(a: Array, w: Array, x: Array, y: Array, step_size: float) -> None:
    """One step on one batch, in place."""
    z = x @ w.T
    hidden = np.maximum(z, 0)
    pull = (y - hidden @ a) / len(y) * step_size
    towards = ((z > 0) * pull[:, None]).T @ x
    a[:], w[:] = a + pull @ hidden, w + a[:, None] * towards
