"""Extremal vectors gather at the population's, and with a margin two are left (B5, B6, B29).

Boursier & Flammarion 2025, theorem 3.1: E sup_w |D_n(w) - D(w)| shrinks like sqrt(d log n / n). For
symmetric inputs of covariance I and y = <beta*, x> + noise, D(w) = beta*/2 for every w, so that
w = +-beta* are the only population critical directions. In the plane all extremal vectors are
enumerated and the supremum is exact; in higher dimension both come from a search, are lower bounds,
and are reported without being judged. No network here, and no training.

Labels: `linear` is the teacher's; `heavy` has noise from Student's t with 1.2 degrees of freedom,
whose variance is infinite, in place of the normal one; `null` is normal and independent of the
inputs, whose D is 0.
"""

import numpy as np
import xarray as xr

from simplicity.boursier import extremal, synthetic
from simplicity.data import streams
from simplicity.evidence.claims import (
    Check,
    Estimate,
    at_least,
    check,
    interval_within,
    mean,
    share,
)
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs, cells_where

CLAIMS = ("B5", "B6", "B29")

# Of freedom: a mean, so that D exists, and no variance; then sup |D_n - D| ~ n^-(1 - 1/1.2).
DEGREES = 1.2
RATE = (50, 100, 200, 400, 800, 1600, 3200)  # numbers of samples for the rate
TREND = (64, 128, 256, 1024, 4096)  # and for the trend of the count
# What shrinks at the rate, by the last part of its check's name. The vectors follow from the force.
GATHERS = {
    "": ("sup |D_n(w) - D|", "supremum"),
    "_vectors": ("the largest distance of an extremal vector to D", "farthest"),
}


@config.settings
class Run:
    """One draw of a sample."""

    law: str = config.param("gaussian", "law of the inputs", choices=synthetic.LAWS)
    labels: str = config.param("linear", "kind of labels", choices=("linear", "heavy", "null"))
    noise_variance: float = config.param(0.25, "sigma^2", low=0)
    dim: int = config.param(2, "input dimension", low=2)
    n: int = config.param(128, "samples", unit="samples", low=2)
    seed: int = config.param(0, "seed of the draw", low=0)


GRID = Grid(
    Run,
    groups={
        "counted": {"law": ("gaussian", "margin"), "n": (8, 32, *TREND)},
        "noisy": {"law": "gaussian", "noise_variance": 4.0},
        "noisy_margin": {"law": "margin", "n": (1024,), "noise_variance": 4.0},
        "null": {"law": "gaussian", "labels": "null", "noise_variance": 1.0},
        "rate": {"n": RATE, "seeds": 20},
        "heavy_rate": {"labels": "heavy", "n": RATE, "seeds": 20},
        "null_rate": {
            "law": "gaussian", "labels": "null", "noise_variance": 1.0, "n": RATE, "seeds": 20,
        },
        "searched": {"law": "gaussian", "dim": (5, 10), "n": RATE, "seeds": 1},
    },
    quick={"seeds": 25},
    full={  # seeds not looked at before
        "seeds": 200, "first_seed": 1_000_000, "searched_seeds": 3,
        **{f"{group}_seeds": 40 for group in ("rate", "heavy_rate", "null_rate")},
    },
    tiny={
        "n": (6,), "noisy_margin_n": (6,), "searched_dim": (3,), "seeds": 2,
        **{f"{group}_n": (10, 20) for group in ("rate", "heavy_rate", "null_rate", "searched")},
    },
)  # fmt: skip


def measure(run: Run) -> xr.Dataset:
    """The extremal vectors of a draw, and how far D_n lies from D.

    `count`: without 0; `on_boundary`: of them on a boundary; `zero`: is 0 one as well?

    `supremum` = sup_w |D_n(w) - D|; `farthest`, the largest distance of an extremal vector to D;
    `widest`, the largest angle between two of them in radians. For d > 2 all but `zero` (not looked
    for) are what the search found.
    """
    population = population_vector(run)
    found, supremum = _found(run, population)
    return xr.Dataset(
        {
            "count": np.int16(len(found.signs)),
            "on_boundary": np.int16(found.on_boundary.sum()),
            "zero": np.int8(found.zero),
            "supremum": np.float32(supremum),
            "farthest": np.float32(extremal.farthest(found, population)),
            "widest": np.float32(extremal.widest_angle(found)),
        }
    )


def _found(run: Run, population: np.ndarray) -> tuple[extremal.Extremal, float]:
    """The extremal vectors and the supremum: enumerated in the plane, else searched for."""
    x, y = draw(run)
    if run.dim == 2:
        return extremal.in_plane(x, y), extremal.deviation(x, y, population)
    rng = streams.generator(run.seed, streams.INITIALISATION)
    return extremal.searched(x, y, rng), extremal.searched_deviation(x, y, population, rng)


def draw(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """The run's inputs (n, d) and labels (n,)."""
    rng = streams.generator(run.seed, streams.DATA)
    x = synthetic.LAWS[run.law](run.n, run.dim, rng)
    return x, _labels(run, x, rng)


def _labels(run: Run, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if run.labels == "null":
        return synthetic.null_labels(run.n, run.noise_variance, rng)
    teacher = synthetic.first_axis(run.dim)
    if run.labels == "heavy":
        return x @ teacher + np.sqrt(run.noise_variance) * rng.standard_t(DEGREES, run.n)
    return synthetic.linear_labels(x, teacher, run.noise_variance, rng)


def population_vector(run: Run) -> np.ndarray:
    """D = Sigma beta*/2 = beta*/2 for a linear target under all our laws; 0 for null labels."""
    return synthetic.first_axis(run.dim) / 2 * (run.labels != "null")


def checks(runs: Runs) -> list[Check]:
    gather = [_gathers(runs, law, word) for word in GATHERS for law in ("gaussian", "margin")]
    return [*gather, _two(runs), _trend(runs)]


def _two(runs: Runs) -> Check:
    margin, without = (runs("counted", law=law, n=1024) for law in ("margin", "gaussian"))
    return check(
        runs, "B6.two", "theorem",
        "share of draws with exactly 2 extremal vectors, margin inputs, n = 1024, d = 2",
        share(margin["count"].values == 2), at_least(0.95),
        ("Gaussian inputs, the same noise: the same share", share(without["count"].values == 2)),
    )  # fmt: skip


def _trend(runs: Runs) -> Check:
    return check(
        runs, "B29.trend", "empirical",
        "trend of the mean count in log n, Gaussian inputs, n = 64 to 4096, d = 2",
        count_trend(runs("counted", law="gaussian")), interval_within(-0.15, 0.15),
        ("null labels: the same trend", count_trend(runs["null"])),
        needs=200,  # with fewer draws the interval is as wide as the band
    )  # fmt: skip


def _gathers(runs: Runs, law: str, word: str) -> Check:
    """The interval holds -1/2, the rate, and -0.41, the slope of sqrt(log n / n) on this grid."""
    what, name = GATHERS[word]
    return check(
        runs, f"B5.{law}{word}", "theorem",
        f"exponent in n of {what}, {law} inputs, n = 50 to 3200, d = 2",
        exponent(runs("rate", law=law), name), interval_within(-0.65, -0.38),
        (f"noise with {DEGREES} degrees of freedom: the same exponent",
         exponent(runs("heavy_rate", law=law), name)),
    )  # fmt: skip


def exponent(cells: xr.Dataset, value: str) -> Estimate:
    """Mean over seeds of the slope of log `value` against log n, on the grid of the rate.

    The slopes are taken seed by seed because the control needs it: the mean of `value` under noise
    without a variance is one draw in disguise. Where the law of `value` only changes its scale with
    n, slope of the mean and mean of the slopes agree.
    """
    ns, table = _table(cells, value, RATE)
    return mean(_slopes(ns, np.log(table)))


def exponent_of_mean(cells: xr.Dataset, value: str) -> float:
    """The slope of log(mean over seeds) against log n: the same where the value has a variance."""
    ns, table = _table(cells, value, RATE)
    return float(_slopes(ns, np.log(table.mean(axis=0))[None])[0])


def count_trend(cells: xr.Dataset) -> Estimate:
    """Mean over seeds of the slope of the count against log n: vectors gained by a factor e."""
    return mean(_slopes(*_table(cells, "count", TREND)))


def _slopes(ns: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Least-squares slope against log n of each row of `table` (seeds, ns); none with one n."""
    if len(ns) < 2 or not len(table):
        return np.array([])
    return np.polyfit(np.log(ns), table.T, 1)[0]


def _table(cells: xr.Dataset, value: str, grid: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The n of `grid` that there are; `value` as (seeds, ns) for the seeds that have them all."""
    cells = cells_where(cells, n=grid).sortby("n")
    ns, seeds, values = np.unique(cells.n), cells.seed.values, cells[value].values.astype(float)
    rows = [values[seeds == seed] for seed in np.unique(seeds)]
    whole = [row for row in rows if len(row) == len(ns)]
    return ns, np.array(whole).reshape(len(whole), len(ns))
