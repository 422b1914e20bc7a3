"""What is early in runs of `linear_images`: from half of the model's half-time to twice of it."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from simplicity.evidence import over_seeds
from simplicity.problems import doors

Array = NDArray[np.floating]


def reached(runs: xr.Dataset) -> xr.Dataset:
    """The runs that go on to twice the model's half-time."""
    return runs.isel(cell=2 * runs.half_time.values <= runs.step.values[:, -1])


def window(runs: xr.Dataset) -> xr.DataArray:
    """Which looks (cell, probe) are in the window."""
    return (runs.step >= runs.half_time / 2) & (runs.step <= 2 * runs.half_time)


def worst(runs: xr.Dataset, name: str, side: str) -> Array:
    """The `min` or `max` of a variable in the window, (cell,); NaN where nothing is in it."""
    doors.choice("side", side, ("min", "max"))
    return _in_window(runs, runs[name], side)


def _in_window(runs: xr.Dataset, values: xr.DataArray, side: str = "max") -> Array:
    return np.asarray(getattr(values.where(window(runs)), side)("probe"))


def largest_error(runs: xr.Dataset, times: float) -> Array:
    """The largest relative error in the window against the model at `times` its rate, (cell,)."""
    return _in_window(runs, runs.rate_relative.sel(times=times))


def nearest(runs: xr.Dataset, times: float) -> Array:
    """log of G(times) over the smaller of G(times/2) and G(2 times), (cell,).

    G(r) is the largest difference, in the window, of the losses on V_lin of the network and of the
    model at r times its rate. Negative where none of the others is nearer.
    """
    own, slow, fast = (_largest_gap(runs, rate) for rate in (times, times / 2, 2 * times))
    return np.log(own / np.minimum(slow, fast))


def _largest_gap(runs: xr.Dataset, times: float) -> Array:
    return _in_window(runs, np.abs(runs.inside - runs.rate_inside.sel(times=times)))


def for_want_of_width(runs: xr.Dataset, infinite: xr.Dataset) -> Array:
    """(c_inf - c) / (1 - c) by seed, with c the smallest correlation in the window."""
    finite, limit = (
        one.assign(near=("cell", worst(one, "correlation", "min"))) for one in (runs, infinite)
    )
    return over_seeds.paired(finite, limit, "near", lambda c, most: (most - c) / (1 - c))


def progress(runs: xr.Dataset, name: str) -> Array:
    """1 - loss / loss at the start, (cell, probe)."""
    values = runs[name].values
    return 1 - values / values[:, :1]


def after(runs: xr.Dataset, name: str) -> Array:
    """The part of a loss's fall that is after the window, (cell,); NaN where it does not fall."""
    gone = progress(runs, name)
    by_then, at_end = gone[np.arange(len(gone)), _last_look(runs)], gone[:, -1]
    return np.divide(at_end - by_then, at_end, out=np.full_like(at_end, np.nan), where=at_end > 0)


def _last_look(runs: xr.Dataset) -> NDArray[np.int_]:
    """The last look of each run that is not past the window, (cell,)."""
    return np.argmax(runs.step.values > 2 * runs.half_time.values[:, None], axis=1) - 1
