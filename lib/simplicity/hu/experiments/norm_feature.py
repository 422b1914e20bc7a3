"""A network with ReLU learns a function of the norm as the norm feature says (claims H17, H33).

Hu et al. 2020, Figure 2 and the feature h(x) = vartheta_0 + vartheta_1 s + vartheta_2 s^2, s =
|x|/sqrt d - 1. The naive model keeps vartheta_0 alone. The target |x|/sqrt d, uncentred, is ours:
the paper's is not known to us. Controls are inputs scaled to one norm, where both models are the
same, and an erf network, which has no such feature.
"""

import math

import numpy as np
import xarray as xr

from simplicity.evidence.claims import Check, Estimate, interval_above, mean
from simplicity.evidence.over_seeds import paired
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.hu import early_linear, early_linear_checks
from simplicity.hu.early_linear_checks import Judge

CLAIMS = ("H17", "H33")


@config.settings
class Run(early_linear.Run):
    """A run of so many steps of size 1."""

    steps: int = config.param(200, "steps of size 1", unit="steps", low=20, high=10**6)


def horizon(run: Run) -> float:
    return run.steps / (run.dim * math.log(run.dim))


GRID = Grid(
    Run,
    groups={
        "relu": {"activation": "relu", "width": (256, 1024)},
        "equal": {"activation": "relu", "width": 1024, "law": "nearly equal norm"},
        "erf": {"activation": "erf", "width": (256, 1024)},
    },
    quick={"labels": "norm", "step_size": lambda run: 1.0, "horizon": horizon, "seeds": 1},
    full={"width": (256, 1024, 4096), "n": 4000, "seeds": 5, "first_seed": 1_000_000},
    tiny={
        "width": (32, 64), "equal_width": 64, "erf_width": (32, 64), "dim": 10, "n": 100,
        "steps": 20,
    },
)  # fmt: skip


def measure(run: Run) -> xr.Dataset:
    """Along `time`, on fresh samples: errors of network and models, and their gaps.

    Half mean square errors `network`, `predicted`, `naive`; `to_predicted` and `to_naive` = mean (f
    - f_model)^2.
    """
    found, loss = early_linear.data(run), early_linear.loss
    steps = early_linear.schedule(early_linear.horizon(run))
    network = early_linear.on_fresh(run, found, steps)
    curves = {"step": np.array(steps, float), "network": loss(network, found.fresh_y)}
    for name in ("predicted", "naive"):
        model, psi = early_linear.linear_model(run, found, naive=name == "naive")
        outputs = model.outputs(psi, steps)
        curves[name] = loss(outputs, found.fresh_y)
        curves[f"to_{name}"] = early_linear.square(network - outputs)
    return early_linear.over_time(curves)


def checks(runs: Runs) -> list[Check]:
    judge = early_linear_checks.judge(runs, runs.settings.dim)
    return [nearer(runs, judge), nearer_with_width(runs, judge)]


def nearer(runs: Runs, judge: Judge) -> Check:
    """H17: the network is nearer to the predicted model than to the naive one."""
    wide = runs.settings.equal_width
    relu, shrunk = (times_nearer(cells) for cells in (runs("relu", width=wide), runs["equal"]))
    return judge(
        "H17.nearer", "empirical",
        f"gap to the naive model over that to the predicted one, m = {wide}",
        mean(relu.nearer), interval_above(3),
        ("variance of the norm shrunk ten times: the same", mean(shrunk.nearer)),
    )  # fmt: skip


def nearer_with_width(runs: Runs, judge: Judge) -> Check:
    """H33: the wider it is, the nearer."""
    statistic = "the same, m = {} over m = {}".format(*widths(runs))
    other = "erf, no norm feature: the same", growth(runs, "erf")
    grown = growth(runs, "relu")
    return judge("H33.width", "empirical", statistic, grown, interval_above(1), other, needs=2)


def widths(runs: Runs) -> tuple[int, int]:
    """The one that is judged, and the smallest."""
    return runs.settings.equal_width, min(runs.settings.width)


def growth(runs: Runs, group: str) -> Estimate:
    """How much nearer the predicted model is to the wide network than to the narrow one."""
    wide, few = (times_nearer(runs(group, width=m)) for m in widths(runs))
    return mean(paired(wide, few, "nearer"))


def times_nearer(cells: xr.Dataset) -> xr.Dataset:
    """Adds `nearer`, gap to the naive model over that to the predicted one at the last step."""
    return cells.assign(nearer=(cells.to_naive / cells.to_predicted).isel(time=-1))
