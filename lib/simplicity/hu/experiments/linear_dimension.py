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
from simplicity.hu import early_linear, early_linear_checks

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
    rel, training = "rel_T on log d", "the training samples"
    return [
        falls(runs, "H10.train", "rel_train", f"{rel}, {training}"),
        falls(runs, "H10.fresh", "rel_test", f"{rel}, fresh samples"),
        falls(runs, "H10.gap", "gap", f"D on log d, {training}"),
        falls(runs, "H30.rate", "rel_train", f"{rel}, {training}", bound=-0.25),
    ]


def falls(runs: Runs, id: str, name: str, what: str, bound: float = 0) -> Check:
    """The gap falls with d, as a power that is below `bound`."""
    grown, narrow = (
        mean(slopes(cells.assign(gap=cells.gap_train.max("time")), name, "dim"))
        for cells in (runs["grown"], runs["narrow"])
    )
    return early_linear_checks.judge(runs, max(runs.settings.dim))(
        id, "theorem", f"slope of log {what}", grown, interval_below(bound),
        ("16 neurons at every d: the same slope", narrow),
    )  # fmt: skip
