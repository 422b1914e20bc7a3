"""What is kept of each window of steps by single samples: `STATISTICS`, and their dataset.

alpha_t and eps_t are those of `single_sample`. The loops of this wing add each step to the sums of
its window (`note_step`) and divide them at its end (`close_window`).
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numba
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from simplicity.nets.loop import Diverged
from simplicity.process import lanes

Array = NDArray[np.floating]

# Means over the steps of a window but for the last; db = b_1(t + 1) - b_1(t).
STATISTICS = {
    "loss": "loss of the visited samples before the step",
    "trajectory": "|db| / (alpha eps)",
    "slope": "|W_1^T df/db_1|, the norm of the gradient of f (of p for the cross-entropy) "
    "in x at the visited point",
    "length": "|db| / alpha, not normalised",
    "epsilon": "eps of the visited samples",
    "late": "|db| / (alpha eps of the step before), as released",
    "late_reciprocal": "|db| / (alpha / eps of the step before), as released for the cross-entropy",
    "distance": "|b_1(t) - b_1(0)|",
    "variance": "mean over the window of |b_1(t) - its mean over the window|^2",
    "residual": "|dl/df|: |f - y|, or 1 - p of the given label",
    "logit_slope": "|W_1^T df/db_1| for f itself, the logit for the cross-entropy",
    "rounding": "largest | |db| / (alpha eps) - slope |, in units of what rounding b_1 may cause",
}
NAMES = tuple(STATISTICS)


class Trace(NamedTuple):
    """Every step: the bias before it (steps, n_1), and eps of its sample (steps,)."""

    bias: Array
    epsilon: Array


def table(
    values: Array,
    window: int,
    probes: Mapping[str, Sequence[Any]],
    dims: Mapping[str, tuple[str, ...]],
    schedule: Sequence[int],
    trace: Trace | None = None,
) -> xr.Dataset:
    """The dataset of a run: `STATISTICS` from `values` (window, statistic), probes and trace."""
    variables: dict[str, Any] = {
        name: ("window", column) for name, column in zip(NAMES, values.T, strict=True)
    }
    variables |= {
        name: (("probe", *dims.get(name, ())), np.stack(column))
        for name, column in probes.items()
        if column
    }
    if trace is not None:
        variables |= {
            "traced_bias": (("sample", "neuron"), trace.bias),
            "traced_epsilon": ("sample", trace.epsilon),
        }
    ends = window * np.arange(1, len(values) + 1)
    return xr.Dataset(
        variables,
        {
            "step": ("window", ends),
            "probe_step": ("probe", window * np.asarray(schedule, dtype=int)),
        },
    )


def check_finite(losses: Array, rates: Array, done: int, window: int, n: int) -> None:
    """Raise `Diverged` at the first window whose mean loss is not a number."""
    if not np.isfinite(losses).all():
        at = int(np.argmin(np.isfinite(losses)))
        step = (done + at + 1) * window
        raise Diverged(
            f"loss not finite before step {step}: step_size {rates[at]:g}, n {n}, single samples"
        )


OPTIONS: dict[str, Any] = {
    "nogil": True, "cache": True, "fastmath": lanes.FASTMATH, "error_model": "numpy",
}  # fmt: skip
compiled = numba.njit(**OPTIONS)
# A call counts anew who holds each of its arrays, a quarter of the time of steps this short.
# `note_step` stays a call: its sums would have another order.
within = numba.njit(**OPTIONS, forceinline=True)


@within
def keep_place(bias, old, middle, shift):  # type: ignore[no-untyped-def]
    """old = bias, shift += bias - middle; returns |bias - middle|^2."""
    square = 0.0
    for j in range(len(old)):
        old[j] = bias[j]
        away = bias[j] - middle[j]
        shift[j] += away
        square += away * away
    return square


@compiled
def close_window(row, window, squares, shift):  # type: ignore[no-untyped-def]
    """Means in place of sums, and the variance from the sums of `keep_place`.

    Squares and shift are about the first bias.
    """
    row[8] = squares
    row[:11] /= window
    for j in range(len(shift)):
        row[8] -= (shift[j] / window) ** 2


@compiled
def note_step(row, old, new, origin, rate, loss, pulled, residual, epsilon, before, ulp):  # type: ignore[no-untyped-def]
    """Adds a step to its window's sums.

    `pulled` is |W_1^T dl/db_1|, `ulp` the distance of 1 from the next number.
    """
    length, distance, largest = 0.0, 0.0, 0.0
    for j in range(len(old)):
        length += (new[j] - old[j]) ** 2
        distance += (old[j] - origin[j]) ** 2
        largest = max(largest, abs(old[j]))
    length = np.sqrt(length) / rate
    row[0] += loss
    row[3] += length
    row[4] += epsilon
    row[6] += length * before
    row[7] += np.sqrt(distance)
    if before > 0:
        row[5] += length / before
    row[9] += residual
    if epsilon > 0:
        row[1] += length / epsilon
        row[2] += pulled / epsilon
        row[10] += pulled / residual if residual > 0 else 0.0
        row[11] = max(
            row[11],
            abs(length - pulled) * rate / (np.sqrt(len(old)) * ulp * (largest + rate * length)),
        )
