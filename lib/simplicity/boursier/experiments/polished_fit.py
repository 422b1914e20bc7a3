"""The last stage at a fixed width: a small start beside fits that are polished (claim B13).

Boursier & Flammarion 2025, as settled in the discussion of the paper: with infinitely many samples
the point at which training ends is a global minimum again, since nothing can fit noise any more.
The global minimum is not known here. Gradient descent from large starts is a poor upper bound of
its train MSE (`fixed_width`); the method of Levenberg and Marquardt from such starts is a better
one. Margin inputs. The control has fewer samples, where the best fit is far below the small start.
"""

import numpy as np
import xarray as xr

from simplicity import nets
from simplicity.boursier import levenberg_marquardt, linear_teacher, synthetic
from simplicity.boursier.criteria import behind_best, by_width, rho, worst_median
from simplicity.data import streams
from simplicity.evidence.claims import Check, below, check
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs

CLAIMS = ("B13",)

FEWER, MANY = 480, 7680  # samples: of the control, and many times as many as there are weights


@config.settings
class Run(linear_teacher.Run):
    """A small start beside polished ones."""

    starts: int = config.param(3, "starts that are polished", low=1, high=1000)
    large_scale: float = config.param(1.0, "scale of these starts", low=1e-12)
    polish_steps: int = config.param(
        levenberg_marquardt.STEPS, "steps of the polish at most", low=1, high=10**6
    )


GRID = Grid(
    Run,
    groups={"fixed": {"n": (480, 1920), "width": (20,)}},
    quick={"seeds": 5},
    full={
        "n": (FEWER, 1920, MANY), "width": (20, 50), "starts": 10, "seeds": 5,
        "first_seed": 2_000_000,
    },
    tiny={"n": (15, 40), "width": (4,), "starts": 2, "steps": 200, "polish_steps": 40, "seeds": 2},
)  # fmt: skip


def measure(run: Run) -> xr.Dataset:
    """Train MSE of the small start, of two fits, and of each polished start with its steps."""
    trained = linear_teacher.train(run)
    found = _polished(run, trained.task)
    return xr.Dataset(
        {
            "small": trained.train_error(trained.network),
            "polished": ("start", np.array([one.error for one in found])),
            "tried": ("start", np.array([one.steps for one in found])),
            "two_fits": linear_teacher.two_fit_error(trained.task),
            "stopped_at": trained.trajectory["stopped_at"],
        }
    )


def _polished(run: Run, task: synthetic.Task) -> list[levenberg_marquardt.Polished]:
    rng = streams.generator(run.seed, streams.INITIALISATION).spawn(1)[0]
    starts = [nets.dominated(run.width, run.dim, run.large_scale, rng) for _ in range(run.starts)]
    return [levenberg_marquardt.polish(start, task.x, task.y, run.polish_steps) for start in starts]


def checks(runs: Runs) -> list[Check]:
    fewer, many = (map(gap, by_width(runs("fixed", n=n))) for n in (FEWER, MANY))
    return [
        check(
            runs, "B13.many", "empirical",
            f"(small start - best polished fit) / sigma^2 at n = {MANY}, largest median over "
            "widths",
            worst_median(many, max), below(0.1),
            (f"n = {FEWER}: the same, smallest median over widths", worst_median(fewer, min)),
        ),
    ]  # fmt: skip


def relative(cells: xr.Dataset) -> xr.Dataset:
    """With `rho_polished`: the best polished train MSE over that of the two fits."""
    return cells.assign(rho_polished=rho(cells, cells.polished.min("start")))


def gap(cells: xr.Dataset) -> xr.DataArray:
    """(train MSE of the small start - least train MSE of a polished one) / sigma^2, at least 0."""
    return behind_best(cells, cells.polished.min("start"))
