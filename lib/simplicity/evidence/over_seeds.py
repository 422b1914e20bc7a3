"""Statistics that are made seed by seed: slopes, pairs, values at one place.

Runs of one seed share data or start, so a seed is the unit of replication: reduce each to a number
here, then take `claims.mean`, `median` or `share` over the numbers. Values stand in the order of
the seeds, smallest first.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

Values = NDArray[np.floating]
Pair = Callable[[Any, Any], Any]


def each(cells: xr.Dataset, reduce: Callable[[xr.Dataset], float]) -> Values:
    """`reduce` of the cells of each seed."""
    seeds = cells["seed"].values
    parts = (cells.isel(cell=np.flatnonzero(seeds == seed)) for seed in np.unique(seeds))
    return np.array([float(reduce(part)) for part in parts])


def slopes(cells: xr.Dataset, name: str, along: str) -> Values:
    """For each seed the least-squares slope of log `name` on log `along`.

    It is NaN for a seed with one cell.

    log y = slope log x + constant, fitted over the seed's cells.
    """

    def slope(part: xr.Dataset) -> float:
        x, y = np.log(part[along].values.astype(float)), np.log(part[name].values)
        return float(np.polyfit(x, y, 1)[0]) if part.sizes["cell"] > 1 else math.nan

    return each(cells, slope)


def paired(one: xr.Dataset, other: xr.Dataset, name: str, pair: Pair = np.divide) -> Values:
    """For each seed that both have once, `pair` of the two values of `name`.

    `pair` is their ratio, or another function.
    """
    first, second = (
        dict(zip(part["seed"].values.tolist(), part[name].values.tolist(), strict=True))
        for part in (one, other)
    )
    return np.array(
        [pair(first[seed], second[seed]) for seed in sorted(first.keys() & second.keys())],
        dtype=float,
    )
