"""Where training stops interpolating is a matter of samples and not of the width (claim B10).

Boursier & Flammarion 2025: n* of theorem 4.1 is free of m, and the authors expect the same of their
figures at m = 10,000. Margin inputs; widths over four decades, up to ten times the paper's, share
data. Success is the theorem's limit, rho = 1. Where every seed succeeds or none does, widths agree
trivially, so that the judged n lie between. The control gives the widest network three times the
samples of the others, which the same comparison has to see. From scale 1 no width succeeds, and a
wider network fits more of the noise in the same number of steps; this is shown.
"""

import numpy as np
import xarray as xr
from scipy import stats

from simplicity.boursier import linear_teacher
from simplicity.boursier.criteria import at_limit
from simplicity.boursier.linear_teacher import Run
from simplicity.evidence.claims import Check, Estimate, check, exact, interval_within
from simplicity.evidence.over_seeds import each
from simplicity.grid.groups import Grid, Runs, cells_where

CLAIMS = ("B10",)

JUDGED = (80, 100, 120)  # numbers of samples at which some seeds succeed and some do not
FEW, MANY = 80, 240  # of the control
CONFIDENCE = 0.9  # an equivalence test at level 5 percent uses a 90 percent interval
WIDE = 10_000  # neurons from which on the engine of cones is the faster one, compiling it included

GRID = Grid(
    Run,
    groups={
        "small": {"width": (20, 200), "n": (40, 80, 120, 240)},
        "unaligned": {"scale": 1.0, "n": 120, "seeds": 5},
    },
    quick={"seeds": 5},
    full={"width": (10, 20, 50, 200, 1000, 10_000, 100_000), "n": (80, 100, 120, 240), "seeds": 40},
    tiny={
        "width": (10, 20),
        "n": (30, 60),
        "unaligned_n": 30,
        "unaligned_seeds": 2,
        "steps": 200,
        "seeds": 2,
    },
)


def measure(run: Run) -> xr.Dataset:
    return linear_teacher.end(run, "cones" if run.width >= WIDE else "sweep")


def checks(runs: Runs) -> list[Check]:
    judged, few, many = (runs("small", n=n) for n in (JUDGED, FEW, MANY))
    return [
        check(
            runs, "B10.widths", "empirical",
            "share of seeds at rho = 1, n = 80 to 120: a width's minus the largest width's, the "
            "difference farthest from 0",
            farthest(differences(judged)), interval_within(-0.2, 0.2),
            (f"n = {FEW}, and {MANY} at the largest width: the same difference",
             farthest(differences(few, many))),
            needs=40,  # with fewer the interval of a difference of shares exceeds the criterion
        ),
    ]  # fmt: skip


def differences(cells: xr.Dataset, others: xr.Dataset | None = None) -> dict[int, Estimate]:
    """Width -> share of successes minus that of the largest width, with a 90 % interval over seeds.

    Widths share the data of a seed, so each seed gives one paired difference, its mean over n. An n
    at which all widths and seeds agree is left out. The runs of the largest width are taken from
    `others` where these are given.
    """
    judged = cells_where(cells, n=_undecided(cells))
    shares, against = _shares(judged), _shares(judged if others is None else others)
    if not (shares and against):
        return {}
    del shares[max(shares)]
    best = against[max(against)]
    return {width: _interval(values - best) for width, values in shares.items()}


def _undecided(cells: xr.Dataset) -> tuple[int, ...]:
    """The n at which some succeed and some do not."""
    ns = np.unique(cells.n).tolist()
    return tuple(n for n in ns if 0 < at_limit(cells_where(cells, n=n)).mean() < 1)


def _shares(cells: xr.Dataset) -> dict[int, np.ndarray]:
    """Width -> the share of successes over n, one for each seed."""
    return {
        int(width): each(cells_where(cells, width=width), lambda part: float(at_limit(part).mean()))
        for width in np.unique(cells.width)
    }


def farthest(found: dict[int, Estimate]) -> Estimate:
    """The estimate whose interval reaches farthest from 0; nothing to judge where there is none."""
    reach = {width: max(np.abs(one.interval or (0.0,))) for width, one in found.items()}
    return found[max(reach, key=reach.__getitem__)] if reach else exact(float("nan"))


def _interval(values: np.ndarray) -> Estimate:
    if len(values) < 2:
        return exact(float("nan"))
    half = float(stats.t.ppf(0.5 + CONFIDENCE / 2, len(values) - 1) * stats.sem(values))
    centre = float(values.mean())
    return Estimate(centre, (centre - half, centre + half), "t 90 %, paired by seed", len(values))
