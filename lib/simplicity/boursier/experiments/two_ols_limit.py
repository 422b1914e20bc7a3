"""The limit of training is one least-squares fit on each side of the teacher (claims B3, B4, and B21 for its risk).

Boursier & Flammarion 2025, theorem 4.1. Bounded margin inputs, which meet the theorem's assumptions as far as they are
known; a number of samples far past the threshold, one a little past it, and one below. Controls: Gaussian inputs without a
margin, a single fit on all samples in place of two, and a start at scale 1, from which directions do not gather.
"""

import dataclasses

import numpy as np
import xarray as xr

from simplicity.boursier import alignment, linear_teacher
from simplicity.evidence.claims import (
    Check,
    above,
    at_least,
    below,
    between,
    cells_where,
    check,
    control,
    every_seed,
    interval_within,
    mean,
    median,
    no_seed,
    settings_of,
    share,
)  # fmt: skip
from simplicity.grid import config
from simplicity.grid.config import seeds, shared

CLAIMS = ("B3", "B4", "B21")


@config.settings
class Config:
    ns: tuple[int, ...] = config.param((20, 120, 480), "numbers of samples", unit="samples", low=1, high=10**8)
    control_n: int = config.param(480, "samples of the Gaussian control", unit="samples", low=1)
    control_scale: float = config.param(1.0, "scale of the control, too large to align", low=1e-12)
    unaligned_n: int = config.param(120, "samples of the control from a large start", unit="samples", low=1, high=10**8)
    width: int = config.param(200, "hidden neurons", unit="neurons", low=1, high=10**7)
    dim: int = config.param(5, "input dimension", low=1, high=10**5)
    scale: float = config.param(1e-3, "scale lambda of the initialisation", low=1e-12)
    noise_variance: float = config.param(0.25, "sigma^2", low=0)
    step_size: float = config.param(0.1, "learning rate eta", low=1e-12)
    steps: int = config.param(20_000, "gradient steps at most", low=1, high=10**9)
    precision: str = config.param("float32", "floating point of the training", choices=("float32", "float64"))
    seeds: int = config.param(5, "seeds of each setting", low=1, high=100_000)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config()
TINY = dataclasses.replace(QUICK, ns=(20, 60), control_n=60, unaligned_n=20, width=20, steps=300, seeds=2)
FULL = dataclasses.replace(QUICK, width=1000, seeds=30)


@dataclasses.dataclass(frozen=True)
class Cell:
    law: str
    n: int
    seed: int
    width: int
    dim: int
    scale: float
    noise_variance: float
    step_size: float
    steps: int
    precision: str


def cells(config: Config) -> list[Cell]:
    settings = [("bounded margin", n, config.scale) for n in config.ns]
    settings += [("gaussian", config.control_n, config.scale), ("bounded margin", config.unaligned_n, config.control_scale)]
    common = shared(Cell, config, but=("scale",))
    return [Cell(law=law, n=n, scale=scale, seed=seed, **common) for seed in seeds(config) for law, n, scale in settings]


def measure(cell: Cell) -> xr.Dataset:
    """The outcome, the weighted mean of the signed cosines, and the share of the weight |a| |w| with a > 0."""
    run = linear_teacher.train(cell)
    fits = alignment.two_ols(run.task.x, run.task.y, run.task.teacher)
    cosines, weights = alignment.signed_cosines(*run.network, fits)
    positive = alignment.weighted_mean((run.network.a > 0).astype(float), weights)
    return run.outcome().assign(cosine=alignment.weighted_mean(cosines, weights), positive=positive)


ENOUGH_SEEDS = 20  # below, intervals of a mean risk and of a median distance are wider than what they must tell apart


def checks(dataset: xr.Dataset) -> list[Check]:
    small, large = scales(dataset)
    settled = cells_where(dataset, law="bounded margin", n=480, scale=small)
    free = cells_where(dataset, law="gaussian", n=480)
    unaligned = cells_where(dataset, scale=large)
    found = [
        check(
            dataset, "B3", "theorem", "share of seeds with |rho - 1| < 0.001 and rms to the two fits < 0.01, n = 480",
            share(reaches_limit(settled)), at_least(29 / 30, "at least 29 of 30"),
            control("Gaussian inputs, no margin: median rms to the two fits", median(free.rms_two_ols.values), above(0.02)),
        ),
        check(
            dataset, "B4", "theorem",
            "share of seeds with weighted mean signed cosine > 0.99 and each sign with at least 0.2 of the weight, n = 480",
            share(_two_groups(settled)), every_seed(),
            control("start at scale 1, n = 120: the same share", share(_two_groups(unaligned)), no_seed()),
        ),
    ]  # fmt: skip
    if settled.sizes["cell"] >= ENOUGH_SEEDS:
        found += [_distance_check(dataset, settled), _risk_check(dataset, settled)]
    return found


def scales(dataset: xr.Dataset) -> tuple[float, float]:
    """The small scale of a run and that of its control."""
    settings = settings_of(dataset)
    return settings["scale"], settings["control_scale"]


def _two_groups(cells: xr.Dataset) -> np.ndarray:
    return ((cells.cosine > 0.99) & (cells.positive >= 0.2) & (cells.positive <= 0.8)).values


def reaches_limit(cells: xr.Dataset) -> np.ndarray:
    """Per cell: is the trained network the two-OLS predictor, to 2 percent of sigma on fresh inputs?"""
    return ((np.abs(cells.rho - 1) < 1e-3) & (cells.rms_two_ols < 0.01)).values


def _distance_check(dataset: xr.Dataset, cells: xr.Dataset) -> Check:
    """FULL only: the control's median over five seeds leaves its band in one of ten other sets of seeds."""
    return check(
        dataset, "B3", "theorem", "median rms to the two fits, n = 480",
        median(cells.rms_two_ols.values), below(0.01),
        control(
            "one fit on all samples: median rms to it, sqrt(d sigma^2 / n) = 0.051 expected",
            median(cells.rms_one_ols.values), between(0.035, 0.065),
        ),
    )  # fmt: skip


def _risk_check(dataset: xr.Dataset, cells: xr.Dataset) -> Check:
    """FULL only. The trained network's excess risk over that of two fits, 2 d sigma^2 / (n - 2d - 2)."""
    n, dim, variance = cells.n, cells.dim, cells.noise_variance
    two_fits = 2 * dim * variance / (n - 2 * dim - 2)
    one_fit = dim * variance / (n - dim - 1)
    return check(
        dataset, "B21", "theorem", "mean excess risk of the trained network / (2 d sigma^2 / (n - 2d - 2)), n = 480",
        mean((cells.excess_risk / two_fits).values), interval_within(0.7, 1.3),
        control(
            "divided by the risk of one fit, d sigma^2 / (n - d - 1)",
            mean((cells.excess_risk / one_fit).values), above(1.5),
        ),
    )  # fmt: skip
