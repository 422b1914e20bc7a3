"""Extremal vectors concentrate on the population's as n grows, and with a margin two are left (claims B5, B6).

Boursier & Flammarion 2025, theorem 3.1: E sup_w |D_n(w) - D(w)| shrinks like sqrt(d log n / n). For symmetric inputs of
covariance I and y = <beta*, x> + noise, D(w) = beta*/2 for every w, so that w = +-beta* are the only population critical
directions. In the plane all extremal vectors are enumerated and the supremum is exact; in higher dimension both come from a
search, are lower bounds, and are reported without being judged. No network here, and no training.

Labels: `linear` is the teacher's; `heavy` has noise from Student's t with 1.2 degrees of freedom, whose variance is infinite,
in place of the normal one; `null` is N(0, 1) independent of the inputs, whose D is 0.
"""

import dataclasses
from typing import Any

import numpy as np
import xarray as xr

from simplicity.boursier import extremal, synthetic
from simplicity.data import streams
from simplicity.evidence.claims import (
    Check,
    Estimate,
    above,
    at_least,
    below,
    cells_where,
    check,
    control,
    interval_above,
    interval_contains,
    interval_within,
    mean,
    settings_of,
    share,
)  # fmt: skip
from simplicity.grid import config
from simplicity.grid.config import seeds

CLAIMS = ("B5", "B6")

LABELS = ("linear", "heavy", "null")
DEGREES = 1.2  # of freedom: a mean, so that D exists, and no variance; sup |D_n - D| then shrinks like n^-(1 - 1/1.2)
NULL_VARIANCE = 1.0


@config.settings
class Config:
    rate_ns: tuple[int, ...] = config.param(
        (50, 100, 200, 400, 800, 1600, 3200), "numbers of samples for the rate", unit="samples", low=2
    )
    count_ns: tuple[int, ...] = config.param(
        (8, 32, 64, 128, 256, 1024, 4096), "numbers of samples for the counts", unit="samples", low=2
    )
    search_dims: tuple[int, ...] = config.param((5, 10), "dimensions in which the vectors are searched", low=2)
    noise_variance: float = config.param(0.25, "sigma^2", low=0)
    noisy_variance: float = config.param(4.0, "sigma^2 of the noisy control", low=0)
    seeds: int = config.param(25, "draws of each setting of the counts", low=1)
    rate_seeds: int = config.param(20, "so many of them at most for the rate", low=1)
    search_seeds: int = config.param(1, "so many of them at most for the search", low=1)
    first_seed: int = config.param(0, "the first of them", low=0)


QUICK = Config()
TINY = dataclasses.replace(QUICK, rate_ns=(10, 20), count_ns=(6,), search_dims=(3,), seeds=2)
FULL = dataclasses.replace(QUICK, seeds=100, rate_seeds=40, search_seeds=10, first_seed=1000)  # seeds not looked at before


@dataclasses.dataclass(frozen=True)
class Cell:
    law: str
    labels: str
    noise_variance: float
    dim: int
    n: int
    seed: int


def cells(config: Config) -> list[Cell]:
    variance, every = config.noise_variance, seeds(config)
    linear = [(law, "linear", variance, 2) for law in ("gaussian", "margin")]
    heavy = [(law, "heavy", variance, 2) for law in ("gaussian", "margin")]
    noisy, null = ("gaussian", "linear", config.noisy_variance, 2), ("gaussian", "null", NULL_VARIANCE, 2)
    searched = [("gaussian", "linear", variance, dim) for dim in config.search_dims]
    parts = [
        ([*linear, noisy, null], config.count_ns, every),
        ([*linear, null, *heavy], config.rate_ns, every[: config.rate_seeds]),
        (searched, config.rate_ns, every[: config.search_seeds]),
    ]
    found = [Cell(*one, n, seed) for settings, ns, chosen in parts for seed in chosen for n in ns for one in settings]
    return list(dict.fromkeys(found))


def measure(cell: Cell) -> xr.Dataset:
    """`count` of extremal vectors other than 0, `on_boundary` those of them on a boundary, `zero`: is 0 one as well?

    `supremum` = sup_w |D_n(w) - D|; `farthest`, the largest distance of an extremal vector to D; `widest`, the largest angle
    between two of them in radians. For d > 2 all but `zero` (not looked for) are what the search found.
    """
    x, y = draw(cell)
    population = population_vector(cell)
    if cell.dim == 2:
        found, supremum = extremal.exact(x, y), extremal.deviation(x, y, population)
    else:
        rng = streams.generator(cell.seed, streams.INITIALISATION)
        found, supremum = extremal.searched(x, y, rng), extremal.searched_deviation(x, y, population, rng)
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


def draw(cell: Cell) -> tuple[np.ndarray, np.ndarray]:
    """The cell's inputs (n, d) and labels (n,)."""
    rng = streams.generator(cell.seed, streams.DATA)
    x, teacher = synthetic.LAWS[cell.law](cell.n, cell.dim, rng), synthetic.first_axis(cell.dim)
    if cell.labels == "null":
        return x, synthetic.null_labels(cell.n, cell.noise_variance, rng)
    if cell.labels == "heavy":
        return x, x @ teacher + np.sqrt(cell.noise_variance) * rng.standard_t(DEGREES, cell.n)
    return x, synthetic.linear_labels(x, teacher, cell.noise_variance, rng)


def population_vector(cell: Cell) -> np.ndarray:
    """D = Sigma beta*/2 = beta*/2 for a linear target under all our laws, 0 for labels that know nothing of the inputs."""
    return synthetic.first_axis(cell.dim) / 2 * (cell.labels != "null")


ENOUGH_SEEDS = 50  # below, an interval of the trend contains 0 for want of draws
RATE = "n = 50 to 3200, d = 2"


def checks(dataset: xr.Dataset) -> list[Check]:
    found = [_rate(dataset, law) for law in ("gaussian", "margin")]
    found += [_clustering(dataset, law) for law in ("gaussian", "margin")]
    margin = cells_where(dataset, law="margin", n=1024, **plain(dataset))
    noisy = cells_where(dataset, law="gaussian", n=1024, **plain(dataset, "noisy_variance"))
    found.append(
        check(
            dataset, "B6", "theorem", "share of draws with exactly 2 extremal vectors, margin inputs, n = 1024, d = 2",
            share(margin["count"].values == 2), at_least(0.95),
            control("Gaussian inputs, sigma = 2: the same share", share(noisy["count"].values == 2), below(0.7)),
        )
    )  # fmt: skip
    trend, null = (count_trend(cells_where(dataset, law="gaussian", **one)) for one in (plain(dataset), NULL))
    if trend.seeds >= ENOUGH_SEEDS:
        found.append(
            check(
                dataset, "B6", "theorem", "trend of the mean count in log n, Gaussian inputs, n = 64 to 4096, d = 2",
                trend, interval_contains(0),
                control("null labels: the same trend, which must grow", null, interval_above(0)),
            )
        )  # fmt: skip
    return found


NULL = {"labels": "null", "dim": 2}
HEAVY = {"labels": "heavy", "dim": 2}


def plain(dataset: xr.Dataset, variance: str = "noise_variance") -> dict[str, Any]:
    """The fields of the cells in the plane with a teacher, at one of the two noise levels of the run's settings."""
    return {"labels": "linear", "dim": 2, "noise_variance": settings_of(dataset)[variance]}


def exponent(cells: xr.Dataset, value: str) -> Estimate:
    """Mean over seeds of the slope of log `value` against log n, on the grid of the rate.

    The slopes are taken seed by seed because the control needs it: the mean of `value` under noise without a variance is one
    draw in disguise. Where the law of `value` only changes its scale with n, slope of the mean and mean of the slopes agree.
    """
    ns, table = _table(cells_where(cells, n=FULL.rate_ns), value)
    return mean(_slopes(ns, np.log(table)))


def exponent_of_mean(cells: xr.Dataset, value: str) -> float:
    """The slope of log(mean over seeds) against log n: the same where the value has a variance."""
    ns, table = _table(cells_where(cells, n=FULL.rate_ns), value)
    return float(_slopes(ns, np.log(table.mean(axis=0))[None])[0])


def count_trend(cells: xr.Dataset) -> Estimate:
    """Mean over seeds of the slope of the count against log n, n = 64 to 4096: how many vectors are gained by a factor e."""
    return mean(_slopes(*_table(cells_where(cells, n=tuple(n for n in FULL.count_ns if n >= 64)), "count")))


def _rate(dataset: xr.Dataset, law: str) -> Check:
    """The interval [-0.65, -0.38] holds -1/2, the rate, and -0.41, the slope of sqrt(log n / n) on this grid."""
    return check(
        dataset, "B5", "theorem", f"exponent in n of sup |D_n(w) - D|, {law} inputs, {RATE}",
        exponent(cells_where(dataset, law=law, **plain(dataset)), "supremum"), interval_within(-0.65, -0.38),
        control(
            f"noise with {DEGREES} degrees of freedom: the same exponent",
            exponent(cells_where(dataset, law=law, **HEAVY), "supremum"), above(-0.3),
        ),
    )  # fmt: skip


def _clustering(dataset: xr.Dataset, law: str) -> Check:
    """The same interval for what follows from the rate: the extremal vectors themselves come to D."""
    return check(
        dataset, "B5", "theorem", f"exponent in n of the largest distance of an extremal vector to D, {law} inputs, {RATE}",
        exponent(cells_where(dataset, law=law, **plain(dataset)), "farthest"), interval_within(-0.65, -0.38),
        control(
            "null labels: exponent of the largest angle between two extremal vectors, which must not shrink",
            exponent(cells_where(dataset, law="gaussian", **NULL), "widest"), above(-0.1),
        ),
    )  # fmt: skip


def _slopes(ns: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Least-squares slope against log n of each row of `table` (seeds, ns); none where there is only one n."""
    return np.polyfit(np.log(ns), table.T, 1)[0] if len(ns) > 1 and len(table) else np.array([])


def _table(cells: xr.Dataset, value: str) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of samples and `value` as (seeds, numbers), for the seeds that have all of them."""
    ns = np.unique(cells.n.values)
    rows = []
    n, seeds, values = cells.n.values, cells.seed.values, cells[value].values.astype(float)
    for seed in np.unique(seeds):
        own = seeds == seed
        if own.sum() == len(ns):
            rows.append(values[own][np.argsort(n[own], kind="stable")])
    return ns, np.array(rows).reshape(len(rows), len(ns))
