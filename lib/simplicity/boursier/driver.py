"""What the engines of the wing share: what they are asked for, and the way from look to look."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.random import Generator
from numpy.typing import NDArray

from simplicity.nets import TwoLayer
from simplicity.nets.loop import Diverged, batches
from simplicity.problems import Problem, doors, training_doors

Array = NDArray[np.floating]
Probe = Callable[[TwoLayer], float]
Advance = Callable[[Array, Array, Array, Array, float, int, float], tuple[int, float]]

# the force that an engine without a stopping rule returns: finite, and below no tolerance
NO_FORCE = float(np.finfo(float).max)


class Descent(NamedTuple):
    """What every engine of this wing is asked for."""

    start: TwoLayer
    x: Array
    y: Array
    step_size: float
    schedule: Sequence[int]
    probes: Mapping[str, Probe]
    tolerance: float
    dtype: np.dtype


def looked_at(
    start: TwoLayer,
    x: Array,
    y: Array,
    *,
    step_size: float,
    schedule: Sequence[int],
    probes: Mapping[str, Probe],
    precision: str,
    tolerance: float = 0.0,
) -> Descent:
    """What an engine was asked for as a `Descent`, once it is known to be in order."""
    doors.precision(precision)
    a, w, x, y = training_doors.task(start, x, y, precision)
    schedule = training_doors.descent(step_size, schedule, probes)
    doors.number("tolerance", tolerance, low=0)
    dtype = np.dtype(precision)
    return Descent(TwoLayer(a, w), x, y, step_size, schedule, probes, tolerance, dtype)


def order(asked: Descent, batch: int, rng: Generator | None) -> Iterator[Any] | None:
    """Which samples each step takes; None where each takes all."""
    n = len(asked.x)
    training_doors.minibatches(batch, rng, n)
    if batch and asked.tolerance:
        raise Problem(f"tolerance: got {asked.tolerance:g} with minibatches of {batch}, allowed 0")
    return batches(n, batch, rng) if 0 < batch < n else None


def drive(advance: Advance, asked: Descent) -> tuple[TwoLayer, xr.Dataset]:
    """What every engine of this wing does between looks: `advance` to the next one, then look.

    `advance(a, w, columns, y, step_size, steps, tolerance)` moves a (m,) and w (m, d) in place, at
    most `steps` steps, on inputs as columns (d, n); it returns how many it took and the force
    max_j |D_j| before the last, or `NO_FORCE`. Fewer, or a force below `tolerance`, end the run.
    `asked` comes from `looked_at`. Raises `Diverged`.
    """
    course = _Course(advance, asked)
    values = np.array([course.look(step) for step in asked.schedule], dtype=float)
    return course.network, _table(asked, values.T.copy(), course.ended)


class _Course:
    """A run on its way: its network, how many steps are done, and what ended it."""

    def __init__(self, advance: Advance, asked: Descent) -> None:
        self.advance, self.asked = advance, asked
        a, w = (np.array(part, dtype=asked.dtype, order="C") for part in asked.start)
        self.network = TwoLayer(a, w)
        self.columns, self.y = (
            np.ascontiguousarray(part, dtype=asked.dtype) for part in (asked.x.T, asked.y)
        )
        self.done, self.force, self.stopped = 0, np.inf, False

    @property
    def ended(self) -> dict[str, float]:
        """How far the run came, and its last force."""
        return {"stopped_at": self.done, "force": float(self.force)}

    def look(self, step: int) -> list[float]:
        """What the probes say of this step; NaN where the run ended before."""
        if step > self.done and not self.stopped:
            self._go(step - self.done)
            self._check_finite()
        probes = self.asked.probes.values()
        if self.done != step:
            return [np.nan] * len(probes)
        return [probe(self.network) for probe in probes]

    def _go(self, count: int) -> None:
        """So many steps, or fewer where the run stops."""
        step_size, tolerance = self.asked.step_size, self.asked.tolerance
        taken, self.force = self.advance(
            *self.network, self.columns, self.y, step_size, count, tolerance
        )
        self.stopped = taken < count or self.force < tolerance
        self.done += taken

    def _check_finite(self) -> None:
        if not all(np.isfinite(part).all() for part in (self.force, *self.network)):
            raise Diverged(f"loss not finite at step {self.done}: {self._about()}")

    def _about(self) -> str:
        """The settings, for a message."""
        (n, dim), m = self.asked.x.shape, len(self.network.a)
        return f"step_size {self.asked.step_size:g}, n {n}, m {m}, d {dim}"


def _table(asked: Descent, values: Array, ended: Mapping[str, float]) -> xr.Dataset:
    """The probes' values (probe, look) along the looks, and how the run ended."""
    steps = np.asarray(asked.schedule)
    seen = {name: ("probe", row) for name, row in zip(asked.probes, values, strict=True)}
    times = {"step": ("probe", steps), "time": ("probe", steps * asked.step_size)}
    return xr.Dataset({**seen, **ended}, times)
