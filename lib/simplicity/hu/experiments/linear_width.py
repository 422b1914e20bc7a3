"""The width need not be huge: the gap falls with it, and is small far below n (claim H14).

Hu et al. 2020 ask for m of the order d^{1 + alpha}, where earlier theorems on the tangent kernel
ask for powers of n.
"""

import xarray as xr

from simplicity.evidence.claims import Check, above, control, interval_below, mean
from simplicity.evidence.over_seeds import slopes
from simplicity.grid.groups import Grid, Runs
from simplicity.hu import early_linear
from simplicity.hu.early_linear import Run

CLAIMS = ("H14",)

NARROW = 16
FROM = 64  # the smallest width of the slope

GRID = Grid(
    Run,
    groups={"widths": {"width": (16, 32, 64, 128, 256, 512, 1024)}},
    quick={"step_size": early_linear.own_step, "seeds": 2},
    full={"width": (16, 32, 64, 128, 256, 512, 1024, 2048, 4096), "seeds": 5},
    tiny={"width": (16, 64, 128), "dim": 10, "n": 100},
)
measure = early_linear.compare


def checks(runs: Runs) -> list[Check]:
    judge = early_linear.judge(runs, runs.settings.dim)
    narrow = mean(runs("widths", width=NARROW).rel_train)
    # Of two seeds, two of ten other blocks have a mean below the control's bound.
    return [
        judge(
            "H14.slope", "empirical", "slope of log rel on log m, from 64 neurons on",
            mean(slopes(wide(runs), "rel_train", "width")), interval_below(-0.3),
            control("16 neurons: rel", narrow, above(0.05)), needs=5,
        )
    ]  # fmt: skip


def wide(runs: Runs) -> xr.Dataset:
    """The runs of which the slope is taken."""
    return runs("widths", width=tuple(width for width in runs.settings.width if width >= FROM))
