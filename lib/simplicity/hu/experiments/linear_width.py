"""The width need not be huge: the gap is small far below n (H14), and falls with it (H32).

Hu et al. 2020 ask for m of the order d^{1 + alpha}, where earlier theorems on the tangent kernel
ask for powers of n.
"""

import xarray as xr

from simplicity.evidence.claims import Check, below, interval_below, mean
from simplicity.evidence.over_seeds import slopes
from simplicity.grid.groups import Grid, Runs
from simplicity.hu import early_linear, early_linear_checks
from simplicity.hu.early_linear import Run
from simplicity.hu.early_linear_checks import Judge

CLAIMS = ("H14", "H32")

NARROW = 16
FROM, TO = 64, 1024  # the widths of the slope, all below the number of samples
JUDGED = 256

GRID = Grid(
    Run,
    groups={
        "widths": {"width": (16, 32, 64, 128, 256, 512, 1024)},
        "wrong": {"width": (64, 256, 1024), "factor": 0.7},
    },
    quick={"step_size": early_linear.own_step, "seeds": 2},
    full={
        "width": (16, 32, 64, 128, 256, 512, 1024, 2048, 4096), "seeds": 5,
        "first_seed": 1_000_000,
    },
    tiny={"width": (16, 64, 128), "wrong_width": (64, 128), "dim": 10, "n": 100},
)  # fmt: skip
measure = early_linear.compare


def checks(runs: Runs) -> list[Check]:
    judge = early_linear_checks.judge(runs, runs.settings.dim)
    return [few_neurons(runs, judge), falls(runs, judge)]


def few_neurons(runs: Runs, judge: Judge) -> Check:
    """H14: far fewer neurons than samples are enough."""
    few, narrow = (mean(runs("widths", width=width).rel_train) for width in (JUDGED, NARROW))
    return judge(
        "H14.few", "empirical", f"rel_T with {JUDGED} neurons, far fewer than samples", few,
        below(0.03), (f"{NARROW} neurons: the same", narrow),
    )  # fmt: skip


def falls(runs: Runs, judge: Judge) -> Check:
    """H32: the gap falls with the width."""
    slope, wrong = (
        mean(slopes(part, "rel_train", "width")) for part in (wide(runs), runs["wrong"])
    )
    return judge(
        "H32.slope", "empirical", f"slope of log rel_T on log m, {FROM} to {TO} neurons",
        slope, interval_below(-0.3), ("zeta times 0.7: the same", wrong), needs=5,
    )  # fmt: skip


def wide(runs: Runs) -> xr.Dataset:
    """The runs of which the slope is taken."""
    return runs("widths", width=tuple(m for m in runs.settings.width if FROM <= m <= TO))
