"""What checks of runs beside their linear model share: the dimensions that are judged, and the
plateau.
"""

import functools
from collections.abc import Callable

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from simplicity.evidence.claims import Check, Judged, check
from simplicity.hu.early_linear import PLATEAU

Array = NDArray[np.floating]
Judge = Callable[..., Check]  # `check` of certain runs
LOWEST = 25  # the smallest dimension of which a criterion speaks


def low(*dims: int) -> str:
    """Why a run in these dimensions is not judged: the theory is about high ones. Else nothing."""
    smallest = min(dims, default=0)
    return f"d = {smallest}, {LOWEST} or more are meant" if smallest < LOWEST else ""


def judge(runs: Judged, *dims: int) -> Judge:
    """`check` of `runs` in these dimensions: in low ones nothing is judged."""
    return functools.partial(check, runs, unless=low(*dims))


def on_plateau(cells: xr.Dataset, values: Array) -> Array:
    """For each cell the median of its values (cell, time) over the plateau."""
    clock = cells.clock.values
    inside = (clock >= PLATEAU[0]) & (clock <= PLATEAU[1])
    return np.array([np.median(one[there]) for one, there in zip(values, inside, strict=True)])
