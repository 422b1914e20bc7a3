"""How large a step may be: of the order d if phi has mean 0, of order 1 if not (claim H15).

Linear stability of the descent at the start: step < 2 n / |Theta_0|. Where vartheta_0 = 0 the
kernel's largest eigenvalue is of order n/d, otherwise about vartheta_0^2 n, so that the limit grows
with d or does not (Hu et al. 2020: eta << d, eta << 1). Here it is tried on whole runs of the
network at multiples of the limit, up to the horizon T = 1.5 d log d / step of the theorem, with
samples and width in proportion to d.
"""

import functools
import math

import numpy as np
import xarray as xr

from simplicity.evidence.claims import Check, Estimate, check, interval_above, mean
from simplicity.evidence.over_seeds import slopes
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.hu import early_linear, early_linear_checks, kernel, ntk
from simplicity.nets.loop import Diverged

CLAIMS = ("H15",)

ENOUGH_SEEDS = 5  # with one, either outcome differs in one of ten other seed blocks
MULTIPLES = (0.5, 0.7, 0.8, 0.9, 1.0, 1.05, 1.1, 1.2, 1.5, 2.0, 3.0)  # of 2 n / |Theta_0|


@config.settings
class Run(early_linear.Start):
    """A start, and runs up to T from it."""

    most: int = config.param(2000, "steps of a run at most", low=1, high=10**5)


GRID = Grid(
    Run,
    groups={
        "all": {
            "dim": (25, 50), "activation": ("erf", "relu"),
            "n": lambda run: 20 * run.dim, "width": lambda run: 10 * run.dim,
        },
    },
    quick={"seeds": 1},
    full={"dim": (25, 50, 100), "seeds": 5, "first_seed": 1_000_000},
    tiny={"dim": (5, 10), "most": 10},
)  # fmt: skip


def measure(run: Run) -> xr.Dataset:
    """Along `multiple` of `step_limit` = 2 n / |Theta_0|: `largest`, the largest loss up to T over
    the first.

    A run that diverges has no such number, NaN. `ratio` is the largest of the multiples up to which
    no run ever rose above its start, and `stable_up_to` that step.
    """
    found = early_linear.data(run, 1)
    limit = step_limit(run, found.x)
    largest = np.array([rise(run, found, multiple * limit) for multiple in MULTIPLES])
    stable = np.minimum.accumulate(largest <= 1 + 1e-6)
    ratio = max((one for one, ok in zip(MULTIPLES, stable, strict=True) if ok), default=0.0)
    scalars = {"step_limit": limit, "stable_up_to": ratio * limit, "ratio": ratio}
    return xr.Dataset({"largest": ("multiple", largest), **scalars})


def step_limit(run: Run, x: np.ndarray) -> float:
    """2 n / |Theta_0|."""
    w = early_linear.network(run).w
    theta = kernel.first_block(x, w, run.activation) + kernel.second_block(x, w, run.activation)
    return 2 * run.n / kernel.spectral_norm(theta)


def rise(run: Run, found: early_linear.Data, step: float) -> float:
    """The largest loss up to T over the first; NaN where the run diverges."""
    try:
        losses = descent(run, found, step)
    except Diverged:
        return math.nan
    risen = float(losses.max() / losses[0])
    return risen if math.isfinite(risen) else math.nan


def descent(run: Run, found: early_linear.Data, step: float) -> xr.DataArray:
    """The loss at each step up to T."""
    last = min(run.most, math.ceil(early_linear.HORIZON * run.dim * math.log(run.dim) / step))
    outputs = functools.partial(ntk.forward, x=found.x, activation=run.activation)
    _, seen = ntk.descend(
        early_linear.network(run), found.x, found.y, activation=run.activation, step_size=step,
        schedule=tuple(range(last + 1)),
        probes={"loss": lambda net: early_linear.loss(outputs(net), found.y)},
    )  # fmt: skip
    return seen.loss


def checks(runs: Runs) -> list[Check]:
    few = "" if runs.seeds >= ENOUGH_SEEDS else f"{runs.seeds} seeds, {ENOUGH_SEEDS} are needed"
    erf, relu = (slope(runs, name) for name in ("erf", "relu"))
    return [
        check(
            runs, "H15.slope", "theorem",
            "erf: slope of the log of the largest stable step on log d", erf,
            interval_above(0.5),  # nearer to order d than to order 1
            ("ReLU, whose mean is not 0", relu),
            unless=few or early_linear_checks.low(*runs.settings.dim),
        ),
    ]  # fmt: skip


def slope(runs: Runs, name: str) -> Estimate:
    return mean(slopes(runs("all", activation=name), "stable_up_to", "dim"))
