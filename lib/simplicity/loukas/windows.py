"""What is kept of each window of steps by single samples: `STATISTICS`, and their dataset.

alpha_t and eps_t are those of `single_sample`. The compiled loops of this wing add each step to the
sums of its window (`note_step`) and divide them at its end (`close_window`). `Notes` hold what a
run keeps, and when its probes look.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numba
import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from simplicity.nets.loop import Diverged
from simplicity.problems import training_doors
from simplicity.process import lanes

Array = NDArray[np.floating]
Probe = Callable[[Any], Any]  # of a network

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

    @classmethod
    def of(cls, steps: int, neurons: int) -> "Trace":
        """Room for so many steps."""
        return cls(np.zeros((steps, neurons)), np.zeros(steps))


@dataclass(frozen=True)
class Notes:
    """What a run keeps while it goes: a row of `STATISTICS` for each window, and what probes find.

    `order` names a sample, or `batch` of them, for each step on `n` samples. `rates` are the step
    sizes of the windows. `before` is eps of the last step, NaN at the start.
    """

    order: NDArray[np.integer]
    rates: Array
    window: int
    batch: int
    n: int
    schedule: tuple[int, ...]
    probes: Mapping[str, Probe]
    dims: Mapping[str, tuple[str, ...]]
    values: Array
    before: Array
    found: dict[str, list[Any]]

    @classmethod
    def of(
        cls, x: Array, order: NDArray[np.integer], *, step_size: ArrayLike, window: int,
        batch: int = 1, schedule: Sequence[int] = (), probes: Mapping[str, Probe] | None = None,
        dims: Mapping[str, tuple[str, ...]] | None = None,
    ) -> "Notes":  # fmt: skip
        """Of a run to come on the samples x; the arguments as of `single_sample.descend`."""
        order, planned = training_doors.single_samples(
            x, order, step_size=step_size, window=window, batch=batch, given=schedule,
            looks=probes, dims=dims,
        )  # fmt: skip
        count = len(order) // batch // window
        values, before = np.zeros((count, len(NAMES))), np.full(1, np.nan)
        looks = probes or {}
        return cls(
            order, _of_each(step_size, count), window, batch, len(x), planned, looks, dims or {},
            values, before, {name: [] for name in looks},
        )  # fmt: skip

    def stretches(self) -> list[slice]:
        """The windows from each look to the next; none before the first."""
        return _up_to(sorted({0, *self.schedule, len(self.rates)}))

    def one_by_one(self) -> list[slice]:
        """Each window by itself; none before the first."""
        return _up_to(range(len(self.rates) + 1))

    def samples(self, now: slice) -> NDArray[np.integer]:
        """What the steps of these windows take, in order."""
        steps = self.steps(now)
        return self.order[steps.start * self.batch : steps.stop * self.batch]

    def steps(self, now: slice) -> slice:
        """The steps of these windows."""
        return slice(now.start * self.window, now.stop * self.window)

    def check_finite(self, now: slice) -> None:
        """Raise `Diverged` at the first of these windows whose mean loss is not a number."""
        finite = np.isfinite(self.values[now, 0])
        if not finite.all():
            at = now.start + int(np.argmin(finite))
            step, rate = (at + 1) * self.window, self.rates[at]
            raise Diverged(
                f"loss not finite before step {step}: step_size {rate:g}, n {self.n}, "
                "single samples"
            )

    def look(self, now: slice, network: Any) -> None:
        """What the probes find after these windows, if a look is due then."""
        if now.stop in self.schedule:
            for name, probe in self.probes.items():
                self.found[name].append(np.asarray(probe(network)))

    def table(self, trace: Trace | None = None) -> xr.Dataset:
        """The dataset of the run: statistics, probes and trace."""
        variables = self._statistics() | self._probed()
        if trace is not None:
            variables["traced_bias"] = ("sample", "neuron"), trace.bias
            variables["traced_epsilon"] = "sample", trace.epsilon
        return xr.Dataset(variables, self._coordinates())

    def _coordinates(self) -> dict[str, Any]:
        """The step at the end of each window, and of each look."""
        ends = self.window * np.arange(1, len(self.values) + 1)
        looks = self.window * np.asarray(self.schedule, dtype=int)
        return {"step": ("window", ends), "probe_step": ("probe", looks)}

    def _statistics(self) -> dict[str, Any]:
        return {name: ("window", column) for name, column in zip(NAMES, self.values.T, strict=True)}

    def _probed(self) -> dict[str, Any]:
        return {
            name: (("probe", *self.dims.get(name, ())), np.stack(column))
            for name, column in self.found.items()
            if column
        }


def _of_each(step_size: ArrayLike, count: int) -> Array:
    """The step sizes of `count` windows, (count,)."""
    return np.broadcast_to(np.asarray(step_size, dtype=np.float64), (count,)).copy()


def _up_to(ends: Sequence[int]) -> list[slice]:
    """Windows up to each of these ends, from the one before."""
    return list(map(slice, [0, *ends[:-1]], ends))


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
