"""The gap between network and linear model shrinks as d grows, at an equal clock (H10, H30).

Hu et al. 2020, Figure 1c and the rate d^-Omega(alpha) of the theorems: n and m grow with d as 2
d^1.5, the step as d, and T is 1.5 d log d / step. The claim is that the gap falls. Whether it falls
faster than d^-1/4, where 1/4 is the largest alpha that the theorem speaks of, is a question of
ours. The control keeps 16 neurons.
"""

from simplicity.evidence.claims import Check, interval_below, mean
from simplicity.evidence.over_seeds import slopes
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.hu import early_linear

CLAIMS = ("H10", "H30")


@config.settings
class Run(early_linear.Run):
    """A run whose samples, and mostly neurons, grow with d."""

    growth: float = config.param(1.5, "n = m = 2 d^growth", low=1, high=3)


def size(run: Run) -> int:
    return 2 * round(run.dim**run.growth)


GRID = Grid(
    Run,
    groups={
        "grown": {"dim": (8, 16, 32, 64), "width": size},
        "narrow": {"dim": (8, 16, 32, 64), "width": 16},
    },
    quick={"n": size, "step_size": early_linear.own_step, "seeds": 5},
    full={
        "dim": (8, 16, 32, 64, 128), "narrow_dim": (8, 16, 32, 64, 128), "first_seed": 1_000_000,
    },
    tiny={"dim": (6, 8), "narrow_dim": (6, 8), "seeds": 2},
)  # fmt: skip
measure = early_linear.compare


def checks(runs: Runs) -> list[Check]:
    judge = early_linear.judge(runs, max(runs.settings.dim))
    found = []
    for id, name, what, bound in (
        ("H10.train", "rel_train", "rel_T on log d, the training samples", 0),
        ("H10.fresh", "rel_test", "rel_T on log d, fresh samples", 0),
        ("H10.gap", "gap", "D on log d, the training samples", 0),
        ("H30.rate", "rel_train", "rel_T on log d, the training samples", -0.25),
    ):
        falls, flat = (
            mean(slopes(cells.assign(gap=cells.gap_train.max("time")), name, "dim"))
            for cells in (runs["grown"], runs["narrow"])
        )
        same = "16 neurons at every d: the same slope", flat
        statistic = f"slope of log {what}"
        found.append(judge(id, "theorem", statistic, falls, interval_below(bound), same))
    return found
