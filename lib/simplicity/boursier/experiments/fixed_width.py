"""With n a fixed width ends at a global minimum, a spurious point, a global minimum (claim B13).

Boursier & Flammarion 2025, as settled in the discussion of the paper: few samples are interpolated;
more are not although they could be; and for n far beyond the number of weights nothing can fit
noise any more, so that the spurious point approaches the best. The global minimum is not known
here. What is known is an upper bound: the least train MSE found by training from ten large starts,
by an explicit fit on random features, and by the small start itself. At many samples this bound is
too high to judge the third stage, which `polished_fit` does. Shown beside it is a width that grows
with n: there an interpolator exists at every n.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import xarray as xr

from simplicity import nets
from simplicity.boursier import landscape, linear_teacher
from simplicity.boursier.criteria import behind_best, by_width, rho, worst_median
from simplicity.data import streams
from simplicity.evidence.claims import Check, Estimate, below, check, every_seed, share
from simplicity.evidence.over_seeds import each
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs

CLAIMS = ("B13",)

RISING = (120, 480, 1920, 7680)  # numbers of samples over which the best found has to rise


@config.settings
class Run(linear_teacher.Run):
    """A small start beside large ones, and beside an explicit fit."""

    growing: bool = config.param(False, "does the width grow with n, m = n")
    large_starts: int = config.param(3, "starts at the large scale", low=1, high=1000)
    large_scale: float = config.param(1.0, "scale of these starts", low=1e-12)


GRID = Grid(
    Run,
    groups={
        "fixed": {"growing": False, "n": (10, 120, 480), "width": (20,)},
        "growing": {"growing": True, "n": (120, 480), "width": lambda run: run.n},
    },
    quick={"seeds": 5},
    full={
        "n": (10, 40, 120, 480, 1920, 7680),
        "width": (20, 50),
        "growing_n": (120, 480, 1920),
        "large_starts": 10,
    },
    tiny={"n": (15, 40), "growing_n": (15,), "large_starts": 2, "steps": 200, "seeds": 2},
)


def measure(run: Run) -> xr.Dataset:
    """Train MSE of the small start, of each large one, of the explicit fit, and of two fits.

    Where the width grows there are no large starts: the explicit fit is an interpolator, and
    nothing is below that.
    """
    trained = linear_teacher.train(run)
    task = trained.task
    rng = streams.generator(run.seed, streams.INITIALISATION).spawn(1)[0]
    large = np.full(run.large_starts, np.nan) if run.growing else _from_large(run, rng)
    explicit = landscape.random_feature_interpolator(run.width, task.x, task.y, rng)
    return xr.Dataset(
        {
            "small": trained.train_error(trained.network),
            "large": ("start", large),
            "explicit": trained.train_error(explicit),
            "two_fits": linear_teacher.two_fit_error(task),
            "stopped_at": trained.trajectory["stopped_at"],
        }
    )


def _from_large(run: Run, rng: np.random.Generator) -> np.ndarray:
    """The train MSE from each of the large starts."""
    count = range(run.large_starts)
    starts = [nets.dominated(run.width, run.dim, run.large_scale, rng) for _ in count]
    ends = [linear_teacher.train(run, start=start) for start in starts]
    return np.array([end.train_error(end.network) for end in ends])


def checks(runs: Runs) -> list[Check]:
    return [_rises(runs), _few(runs)]


def _rises(runs: Runs) -> Check:
    course = runs("fixed", n=RISING)
    return check(
        runs, "B13.rises", "empirical",
        "share of seeds whose best rho of the large starts rises at each n from 120 to 7680, at "
        "every width",
        _rising(course, best_large), every_seed(),
        ("the small start in the place of the large ones: the same share",
         _rising(course, lambda cells: rho(cells, cells.small))),
    )  # fmt: skip


def _few(runs: Runs) -> Check:
    few, middle = (map(gap, by_width(runs("fixed", n=n))) for n in (10, 120))
    return check(
        runs, "B13.few", "empirical",
        "(small start - best found) / sigma^2 at n = 10, largest median over widths",
        worst_median(few, max), below(0.1),
        ("n = 120: the same, smallest median over widths", worst_median(middle, min)),
    )  # fmt: skip


def best_large(cells: xr.Dataset) -> xr.DataArray:
    """rho of the best of the large starts: an upper bound of the global minimum's."""
    return rho(cells, cells.large.min("start"))


def relative(cells: xr.Dataset) -> xr.Dataset:
    """With `rho_small`, `rho_large` and `rho_explicit`: what each start or fit reached."""
    return cells.assign(
        rho_small=rho(cells, cells.small),
        rho_explicit=rho(cells, cells.explicit),
        rho_large=best_large(cells),
    )


def gap(cells: xr.Dataset) -> xr.DataArray:
    """(train MSE of the small start - least train MSE found) / sigma^2, at least 0."""
    return behind_best(cells, cells.large.min("start"), cells.explicit)


def _rising(cells: xr.Dataset, rhos: Callable[[xr.Dataset], xr.DataArray]) -> Estimate:
    """Does rho rise at each n of `RISING`, at every width, for each seed that has them all?"""
    found = each(cells, partial(_rises_everywhere, rhos))
    return share(found[np.isfinite(found)] > 0)


def _rises_everywhere(rhos: Callable[[xr.Dataset], xr.DataArray], part: xr.Dataset) -> float:
    """1 where it does for the runs of one seed, else 0; NaN where one is missing."""
    courses = [rhos(one.sortby("n")).values for one in by_width(part)]
    if any(len(course) != len(RISING) for course in courses):
        return np.nan
    return float(all(np.all(np.diff(course) > 0) for course in courses))
