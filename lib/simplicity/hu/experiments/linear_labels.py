"""Nothing non-linear is learned early, whatever the labels (claims H26, H27).

Hu et al. 2020: the theorems ask of labels only that they are bounded. y = sign(x_1 x_2) has no
linear part at all, so that a network which follows the linear model cannot learn it before T; in
two dimensions it may. Random labels stand beside those of a teacher, and beside a run ten times as
long.
"""

import numpy as np
import xarray as xr

from simplicity.evidence.claims import Check, above, below, between, control, mean
from simplicity.evidence.over_seeds import paired
from simplicity.grid.groups import Grid, Runs
from simplicity.hu import early_linear
from simplicity.hu.early_linear import HORIZON, Run

CLAIMS = ("H26", "H27")

LONG = 10 * HORIZON
MANY = 20_000

GRID = Grid(
    Run,
    groups={
        "main": {"labels": ("teacher", "random", "product")},
        "long": {"labels": "teacher", "horizon": LONG},
        "many": {"labels": "product", "n": (), "horizon": (HORIZON, LONG)},
        "low": {"labels": "product", "dim": 2},
    },
    quick={"step_size": early_linear.own_step, "seeds": 2},
    full={"many_n": MANY, "seeds": 5},
    tiny={"dim": 10, "n": 100, "width": 32},
)
measure = early_linear.compare


def checks(runs: Runs) -> list[Check]:
    given = runs.settings
    judge = early_linear.judge(runs, given.dim)
    product, plane = runs("main", labels="product"), runs["low"]
    early, late = (
        mean(loss_difference(runs("many", horizon=horizon))) for horizon in (HORIZON, LONG)
    )
    no_many = early_linear.low(given.dim) or ("" if given.many_n else "no run on so many samples")
    same, plane_loss = "in two dimensions: the same", mean(loss_difference(plane))
    learned = "in two dimensions: train loss of the network over the model's at T"
    return [
        judge(
            "H26.loss", "empirical",
            "y = sign(x_1 x_2): largest relative difference of the train losses up to T",
            mean(loss_difference(product)), below(0.02), control(same, plane_loss, above(0.02)),
        ),
        judge(
            "H26.gap", "empirical", "y = sign(x_1 x_2): D up to T over the labels' mean square",
            mean(largest_gap(product)), below(0.02),
            control(learned, mean(end_ratio(plane)), below(0.98)),
        ),
        *against_teacher(runs),
        judge(
            "H26.many", "empirical", f"the same, {max(given.many_n, default=MANY)} samples",
            early, below(0.02), control("ten times as long: the same", late, above(0.02)),
            unless=no_many,
        ),
    ]  # fmt: skip


def against_teacher(runs: Runs) -> list[Check]:
    """H27: as large with random labels as with a teacher's, where a longer run is larger."""
    judge = early_linear.judge(runs, runs.settings.dim)
    random, teacher, long = (
        cells.assign(rel=cells.rel_train, D=cells.gap_train.max("time"))
        for cells in (runs("main", labels="random"), runs("main", labels="teacher"), runs["long"])
    )
    return [
        judge(
            id, "theorem", f"{of} with random labels over {of} with a teacher's, training samples",
            mean(paired(random, teacher, of)), allowed,
            control(
                "a run ten times as long: the same ratio", mean(paired(long, teacher, of)), above(3)
            ),
        )
        # D scales with f_lin^2, which is smaller where the labels are random.
        for id, of, allowed in (("H27.rel", "rel", between(0.5, 2)), ("H27.gap", "D", below(2)))
    ]  # fmt: skip


def loss_difference(cells: xr.Dataset) -> np.ndarray:
    """max_t |L(t) / L_lin(t) - 1| on the training samples, one for each cell."""
    return np.abs(cells.train / cells.train_linear - 1).max("time").values


def end_ratio(cells: xr.Dataset) -> np.ndarray:
    """L / L_lin on the training samples at T."""
    return (cells.train / cells.train_linear).isel(time=-1).values


def largest_gap(cells: xr.Dataset) -> np.ndarray:
    """max_t D(t) on the training samples; the labels' mean square is 1."""
    return cells.gap_train.max("time").values
