"""The gap between network and linear model shrinks as d grows, at an equal clock (claim H10).

Hu et al. 2020, Figure 1c and the rate d^-Omega(alpha) of the theorems: n and m grow with d as
2 d^1.5, the step as d, and T is 1.5 d log d / step. The theorem gives no constant and no exponent
beyond 1/4, the largest alpha it speaks of, so that a slope is held against -1/4. The control keeps
16 neurons.
"""

from simplicity.evidence.claims import Check, control, interval_below, interval_reaches, mean
from simplicity.evidence.over_seeds import slopes
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.hu import early_linear

CLAIMS = ("H10",)


@config.settings
class Run(early_linear.Run):
    growth: float = config.param(1.5, "n = m = 2 d^growth", low=1, high=3)


def size(run: Run) -> int:
    return 2 * round(run.dim**run.growth)


GRID = Grid(
    Run,
    groups={
        "grown": {"dim": (8, 16, 32, 64), "width": size},
        # At d = 256 a network of 16 neurons diverges with this step.
        "narrow": {"dim": (8, 16, 32, 64), "width": 16},
    },
    quick={"n": size, "step_size": early_linear.own_step, "seeds": 5},
    full={"dim": (8, 16, 32, 64, 128, 256), "narrow_dim": (8, 16, 32, 64, 128)},
    tiny={"dim": (6, 8), "narrow_dim": (6, 8), "seeds": 2},
)
measure = early_linear.compare


def checks(runs: Runs) -> list[Check]:
    judge = early_linear.judge(runs, max(runs.settings.dim))
    found = []
    for id, name, what in (
        ("H10.train", "rel_train", "rel on log d, the training samples"),
        ("H10.fresh", "rel_test", "rel on log d, fresh samples"),
        ("H10.gap", "gap", "D on log d, the training samples"),
    ):
        falls, flat = (
            mean(slopes(cells.assign(gap=cells.gap_train.max("time")), name, "dim"))
            for cells in (runs["grown"], runs["narrow"])
        )
        same = control("16 neurons at every d: the same slope", flat, interval_reaches(0))
        statistic = f"slope of log {what}"
        found.append(judge(id, "theorem", statistic, falls, interval_below(-0.25), same))
    return found
