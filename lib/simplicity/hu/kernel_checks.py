"""The power of d with which a gap between kernels falls, fitted seed by seed: what the checks of three experiments share."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from simplicity.evidence.claims import Estimate, cells_where, mean

LABELS = {"erf": "erf", "relu": "ReLU"}  # activations as checks and figures call them
ENOUGH_SEEDS, ENOUGH_DIMS = 5, 4  # a t interval, and a slope through more than three points
LEAST_DIM = 16  # what a smaller run finds is no matter of large d


def slope(cells: xr.Dataset, of: str, over: str = "") -> Estimate:
    """Slope of log `of` (over `over`, where named) on log d, a least-squares line for each seed, and its mean over seeds.

    Nothing where there are fewer than five seeds or four dimensions.
    """
    return mean(slopes(cells, of, over))


def fall(cells: xr.Dataset, of: str) -> Estimate:
    """The exponent p of `of` ~ d^-p: minus the slope."""
    return mean(-value for value in slopes(cells, of))


def slopes(cells: xr.Dataset, of: str, over: str = "") -> Sequence[float]:
    """One slope a seed, in the order of the seeds."""
    large = cells.isel(cell=cells.dim.values >= LEAST_DIM)
    seeds = np.unique(large.seed.values)
    if len(seeds) < ENOUGH_SEEDS or len(np.unique(large.dim.values)) < ENOUGH_DIMS:
        return []
    found = []
    for seed in seeds:
        one = cells_where(large, seed=seed)
        values = one[of] / one[over] if over else one[of]
        found.append(float(np.polyfit(np.log(one.dim.values), np.log(values.values), 1)[0]))
    return found


def at_largest(cells: xr.Dataset, of: str) -> np.ndarray:
    """The values at the largest d, in the order of the seeds; none where slopes would not be judged either."""
    if not slopes(cells, of):
        return np.array([])
    return cells_where(cells, dim=cells.dim.values.max()).sortby("seed")[of].values
