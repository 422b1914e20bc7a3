"""Training ends at one least-squares fit on each side of the teacher (claims B3, B4, and B21).

Boursier & Flammarion 2025, theorem 4.1. Bounded margin inputs, which meet the theorem's assumptions
as far as they are known; a number of samples far past the threshold, one a little past it, and a
few. Controls: Gaussian inputs without a margin, a single fit on all samples in place of two, and
a start at scale 1, from which directions do not gather.
"""

import numpy as np
import xarray as xr

from simplicity.boursier import linear_teacher, ols
from simplicity.boursier.criteria import at_limit
from simplicity.boursier.linear_teacher import Run
from simplicity.evidence.claims import (
    Check,
    at_least,
    below,
    check,
    interval_within,
    mean,
    median,
    share,
)
from simplicity.grid.groups import Grid, Runs

CLAIMS = ("B3", "B4", "B21")

GRID = Grid(
    Run,
    groups={
        "bounded": {"law": "bounded margin", "n": (120, 480)},
        "few": {"law": "bounded margin", "n": 20, "seeds": 20},
        "no_margin": {"law": "gaussian", "n": 480, "seeds": 10},
        "unaligned": {"law": "bounded margin", "n": 480, "scale": 1.0, "seeds": 10},
    },
    quick={"width": 200, "seeds": 5},
    full={"width": 1000, "seeds": 60, "first_seed": 2_000_000},
    tiny={
        "width": 20,
        "steps": 300,
        "seeds": 2,
        "n": (20, 60),
        "few_n": 20,
        "no_margin_n": 60,
        "unaligned_n": 60,
    },
)


def measure(run: Run) -> xr.Dataset:
    """The outcome, the weighted mean of the signed cosines, and the share of |a| |w| with a > 0."""
    trained = linear_teacher.train(run)
    cosines, weights = trained.cosines_to_fits()
    positive = ols.weighted_mean((trained.network.a > 0).astype(float), weights)
    cosine = ols.weighted_mean(cosines, weights)
    return trained.outcome().assign(cosine=cosine, positive=positive)


def checks(runs: Runs) -> list[Check]:
    settled, free, unaligned = runs("bounded", n=480), runs["no_margin"], runs["unaligned"]
    n, dim, variance = settled.n, settled.dim, settled.noise_variance
    two_fits, one_fit = 2 * dim * variance / (n - 2 * dim - 2), dim * variance / (n - dim - 1)
    # The theorem has a probability: its exception is of order d^2 / n = 0.05 at most.
    limit = at_least(29 / 30, "at least 29 of 30")
    near, priced = below(0.01), interval_within(0.7, 1.3)
    return [
        check(
            runs, "B3.limit", "theorem",
            "share of seeds with |rho - 1| < 0.001 and rms to the two fits < 0.01, n = 480",
            share(reaches_limit(settled)), limit,
            ("Gaussian inputs, no margin: the same share", share(reaches_limit(free))),
        ),
        check(
            runs, "B4.groups", "theorem",
            "share of seeds with weighted mean signed cosine > 0.99 and each sign with at least "
            "0.2 of the weight, n = 480",
            share(two_groups(settled)), limit,
            ("a start at scale 1: the same share", share(two_groups(unaligned))),
        ),
        check(
            runs, "B3.distance", "theorem", "median rms to the two fits, n = 480",
            median(settled.rms_two_ols.values), near,
            ("one fit on all samples: median rms to it, sqrt(d sigma^2 / n) = 0.051 expected",
             median(settled.rms_one_ols.values)),
            needs=20,
        ),
        check(
            runs, "B21.risk", "theorem",
            "mean excess risk of the trained network / (2 d sigma^2 / (n - 2d - 2)), n = 480",
            mean((settled.excess_risk / two_fits).values), priced,
            ("divided by the risk of one fit, d sigma^2 / (n - d - 1)",
             mean((settled.excess_risk / one_fit).values)),
            needs=20,
        ),
    ]  # fmt: skip


def reaches_limit(cells: xr.Dataset) -> np.ndarray:
    """Per cell: is the network the two-OLS predictor, to 2 percent of sigma on fresh inputs?"""
    return at_limit(cells) & (cells.rms_two_ols < 0.01).values


def two_groups(cells: xr.Dataset) -> np.ndarray:
    """Per cell: do neurons stand at their own fit, with a fifth of the weight on either sign?"""
    return ((cells.cosine > 0.99) & (cells.positive >= 0.2) & (cells.positive <= 0.8)).values
