"""On well-conditioned inputs the network reaches the best linear fit (claim H11).

Hu et al. 2020, the corollary for lambda_min(Sigma) of order 1: at T = c d log d / step the linear
model has converged, and the network is as close to least squares. Where Sigma has eigenvalues down
to a thousandth, the model has not converged at T: network and model agree while both are far from
least squares. There the teacher sees whitened inputs; one that sees x itself hardly depends on the
slow directions, so that network and least squares stay within a few percent of each other.
"""

import xarray as xr

from simplicity.evidence.claims import Check, below, mean
from simplicity.grid.groups import Grid, Runs
from simplicity.hu import early_linear, early_linear_checks
from simplicity.hu.early_linear import Run

CLAIMS = ("H11",)


def half_step(run: Run) -> float:
    return early_linear.own_step(run) / 2


GRID = Grid(
    Run,
    groups={
        "well": {"law": "gaussian", "labels": "teacher"},
        "badly": {
            "law": "small eigenvalues",
            "labels": ("teacher", "whitened teacher"),
            "step_size": half_step,
        },
    },
    quick={"n": 4000, "horizon": 2.0, "step_size": early_linear.own_step, "seeds": 2},
    full={"seeds": 5, "first_seed": 1_000_000},
    tiny={"dim": 10, "n": 100, "width": 32},
)


def measure(run: Run) -> xr.Dataset:
    """At T on fresh samples: how far network, model and least squares are from each other.

    Mean squares of the differences over the mean square of least squares; and half mean square
    errors, `network` and `best`.
    """
    found = early_linear.data(run)
    _, fresh = early_linear.follow(run, found, (early_linear.horizon(run),))
    network, model = fresh.network[0], fresh.model[0]
    best = found.fresh @ early_linear.least_squares(found)
    pairs = {
        "network_to_best": (network, best),
        "model_to_best": (model, best),
        "network_to_model": (network, model),
    }
    square, y = early_linear.square, found.fresh_y
    apart = {name: square(one - other) / square(best) for name, (one, other) in pairs.items()}
    losses = {"network": early_linear.loss(network, y), "best": early_linear.loss(best, y)}
    return xr.Dataset(apart | losses)


def checks(runs: Runs) -> list[Check]:
    judge = early_linear_checks.judge(runs, runs.settings.dim)
    well, badly = runs["well"], runs("badly", labels="whitened teacher")
    to_best, close = mean(badly.network_to_best), below(0.03)
    best = "fresh samples: mean square of network - least squares over that of least squares, at T"
    small = "eigenvalues down to a thousandth"
    return [
        judge(
            "H11.best", "theorem", best, mean(well.network_to_best), close,
            (f"{small}: the same", to_best),
        ),
        judge(
            "H11.model", "theorem", f"{small}: mean square of network - model over least squares",
            mean(badly.network_to_model), close,
            ("the same runs, with least squares for the model", to_best),
        ),
    ]  # fmt: skip
