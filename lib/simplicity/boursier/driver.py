"""What the engines of the wing share: the way from look to look, and the plain steps between."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from simplicity.boursier import two_layer_by_neurons, two_layer_by_samples
from simplicity.nets import TwoLayer
from simplicity.nets.loop import Diverged
from simplicity.process import lanes

Array = NDArray[np.floating]
Probe = Callable[[TwoLayer], float]
Advance = Callable[[Array, Array, Array, Array, float, int, float], tuple[int, float]]

# the largest d whose sums go by samples in portable arithmetic, in the order of the recorded runs
_BY_SAMPLES = 7


def drive(
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
    """What every engine of this wing does between looks: `advance` to the next one, then look.

    `advance(a, w, columns, y, step_size, steps, tolerance)` moves a (m,) and w (m, d) in place, at
    most `steps` steps, on inputs as columns (d, n); it returns how many it took and the force
    max_j |D_j| before the last. Fewer, or a force below `tolerance`, end the run. The input was
    looked at. Raises `Diverged`.
    """
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


def kernel(dim: int, precision: str, slope: float, order: Iterator[Any] | None) -> Advance:
    """The compiled loop for one dimension.

    It takes (a, w, X (d, n), y, step size, steps, tolerance) and returns (steps done, force).

    `a` and `w` are advanced in place. A loss or force that is not finite ends it and is returned as
    the force. With an `order` each step takes the samples that it names, else all.
    """
    if order is None and dim <= _BY_SAMPLES and not lanes.WIDE:
        return functools.partial(two_layer_by_samples.advance, slope=slope)
    return functools.partial(two_layer_by_neurons.advance, slope=slope, order=order)
