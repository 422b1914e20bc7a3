"""What three experiments share: samples against d, and the power of d with which a gap falls.

On n = 2 d^1.25 inputs the bounds n / d^(1 + alpha), alpha < 1/4, ask that the gap E in units of n/d
falls like d^-alpha for each alpha, which is an exponent of 1/4. A gap that is no smaller than a
share of the data kernel falls as well, and slower: ||X X^T / d|| d/n is about (1 + u)^2 with
u = sqrt(d/n), which goes like d^-1/8, so that its exponent u / (4 (1 + u)) is at most 1/8. So an
exponent above 0 tells nothing, and one above 1/4 does.
"""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from simplicity.data import streams
from simplicity.evidence import over_seeds
from simplicity.evidence.claims import Check, Estimate, Judged, Other, check, interval_above, mean
from simplicity.grid import config
from simplicity.nets.activations import ACTIVATIONS

LABELS = {"erf": "erf", "relu": "ReLU"}  # activations as checks and figures call them
LARGEST_ALPHA = 0.25  # the largest exponent that the theorem speaks of
ENOUGH_SEEDS, ENOUGH_DIMS = 5, 4  # a t interval, and a slope through more than three points
LEAST_DIM = 16  # what a smaller run finds is no matter of large d
Array = NDArray[np.floating]


@config.settings
class Run:
    """One kernel on n = samples d^power inputs, an even number."""

    activation: str = config.param("erf", "activation", choices=tuple(ACTIVATIONS))
    dim: int = config.param(64, "input dimension d", low=2, high=2000)
    samples: float = config.param(2.0, "n over d^power", low=0.1, high=100)
    power: float = config.param(1.25, "exponent of d in n", low=1.0, high=2.0)
    seed: int = config.param(0, "seed", low=0, high=2**31 - 1)

    @property
    def n(self) -> int:
        return 2 * round(self.samples * self.dim**self.power / 2)


def gaussian(run: Run) -> Array:
    """The run's inputs, standard normal, (n, d)."""
    return streams.generator(run.seed, streams.DATA).standard_normal((run.n, run.dim))


def falls(
    runs: Judged, id: str, where: str, cells: xr.Dataset, other: Other, *,
    least: float = LARGEST_ALPHA, needs: int = 0,
) -> Check:  # fmt: skip
    """The gap `gap` falls as a power of d, with an exponent above `least`."""
    return check(
        runs, id, "theorem", f"{where}: exponent p of E ~ d^-p", fall(cells, "gap"),
        interval_above(least), other, needs=needs, unless=unjudged(cells),
    )  # fmt: skip


def slope(cells: xr.Dataset, of: str) -> Estimate:
    """Slope of log `of` on log d by seed, and its mean over seeds.

    Nothing where there are fewer than five seeds or four dimensions.
    """
    return mean(slopes(cells, of))


def fall(cells: xr.Dataset, of: str) -> Estimate:
    """The exponent p of `of` ~ d^-p: minus the slope."""
    return mean(-slopes(cells, of))


def slopes(cells: xr.Dataset, of: str) -> Array:
    """One slope a seed, in the order of the seeds."""
    large = cells.isel(cell=cells.dim.values >= LEAST_DIM)
    return over_seeds.slopes(large, of, "dim") if _enough(large) else np.array([])


def _enough(cells: xr.Dataset) -> bool:
    seeds, dims = (len(np.unique(cells[name].values)) for name in ("seed", "dim"))
    return seeds >= ENOUGH_SEEDS and dims >= ENOUGH_DIMS


def at_largest(cells: xr.Dataset, of: str) -> Array:
    """The values at the largest d, in the order of the seeds; none where slopes have none."""
    if not len(slopes(cells, of)):
        return np.array([])
    return cells.isel(cell=cells.dim.values == cells.dim.values.max()).sortby("seed")[of].values


def unjudged(cells: xr.Dataset) -> str:
    """Why there are no slopes; empty where there are."""
    wanted = f"{ENOUGH_SEEDS} seeds and {ENOUGH_DIMS} dimensions from {LEAST_DIM} on are needed"
    return "" if len(slopes(cells, "gap")) else wanted
