"""One number of samples past the threshold, at which the start decides (claim B1).

Boursier & Flammarion 2025, abstract and Figure 1: few samples are fitted; beyond the threshold
training may end with a positive loss although the network could fit every label. At 120 samples
in five dimensions the same network with a start at scale 1 still fits them, so that the width and
the number of steps are not the reason.
"""

import xarray as xr

from simplicity.boursier import linear_teacher
from simplicity.boursier.criteria import not_interpolated
from simplicity.boursier.linear_teacher import Run
from simplicity.evidence.claims import Check, check, every_seed, share
from simplicity.grid.groups import Grid, Runs

CLAIMS = ("B1",)

AT = 120  # samples

GRID = Grid(
    Run,
    groups={
        "small": {"law": ("gaussian", "margin"), "n": AT},
        "unaligned": {"law": ("gaussian", "margin"), "n": AT, "scale": 1.0},
    },
    quick={"width": 200, "seeds": 3},
    full={"width": 500, "seeds": 20, "first_seed": 1_000_000},
    tiny={"n": 20, "unaligned_n": 20, "width": 20, "steps": 300, "seeds": 2},
)


def measure(run: Run) -> xr.Dataset:
    return linear_teacher.train(run).outcome()


def checks(runs: Runs) -> list[Check]:
    rule = every_seed()
    found = []
    for law in ("margin", "gaussian"):
        small, unaligned = (runs(group, law=law, n=AT) for group in ("small", "unaligned"))
        found.append(check(
            runs, f"B1.past_{law}", "empirical",
            f"share of seeds with train MSE > 0.1 sigma^2, {law} inputs, n = {AT}",
            share(not_interpolated(small)), rule,
            ("a start at scale 1", share(not_interpolated(unaligned))),
        ))  # fmt: skip
    return found
