"""The limit of training is one least-squares fit on each side of the teacher (claim B3, and B21 for its risk).

Boursier & Flammarion 2025, theorem 4.1. Bounded margin inputs, which meet the theorem's assumptions as far as they are
known; a fixed number of samples at which the theorem's probability 1 - O(d^2/n) is near 1, one at which it is not, and
one below the threshold. Controls: Gaussian inputs without a margin, and a single fit on all samples in place of two.
"""

import dataclasses

import numpy as np
import xarray as xr

from simplicity import config, linear_teacher
from simplicity.claims import (
    Check,
    above,
    at_least,
    below,
    between,
    cells_where,
    check,
    control,
    interval_within,
    mean,
    median,
    share,
)  # fmt: skip
from simplicity.config import seeds, shared

CLAIMS = ("B3", "B21")


@config.settings
class Config:
    ns: tuple[int, ...] = config.param((20, 120, 480), "numbers of samples", unit="samples", low=1, high=10**8)
    control_n: int = config.param(480, "samples of the Gaussian control", unit="samples", low=1)
    width: int = config.param(200, "hidden neurons", unit="neurons", low=1, high=10**7)
    dim: int = config.param(5, "input dimension", low=1, high=10**5)
    scale: float = config.param(1e-3, "scale lambda of the initialisation", low=0)
    noise_variance: float = config.param(0.25, "sigma^2", low=0)
    step_size: float = config.param(0.1, "learning rate eta", low=0)
    steps: int = config.param(20_000, "gradient steps at most", low=1, high=10**9)
    precision: str = config.param("float32", "floating point of the training", choices=("float32", "float64"))
    seeds: int = config.param(5, "seeds of each setting", low=1, high=100_000)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config()
TINY = dataclasses.replace(QUICK, ns=(20, 60), control_n=60, width=20, steps=300, seeds=2)
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
    settings = [("bounded margin", n) for n in config.ns] + [("gaussian", config.control_n)]
    return [Cell(law=law, n=n, seed=seed, **shared(Cell, config)) for seed in seeds(config) for law, n in settings]


def measure(cell: Cell) -> xr.Dataset:
    return linear_teacher.train(cell).outcome()


ENOUGH_SEEDS = 20  # below, the interval of a mean risk is wider than the factor 2 that it must tell apart


def checks(dataset: xr.Dataset) -> list[Check]:
    settled = cells_where(dataset, law="bounded margin", n=480)
    free = cells_where(dataset, law="gaussian", n=480)
    found = [
        check(
            dataset, "B3", "theorem", "share of seeds with |rho - 1| < 0.001 and rms to the two fits < 0.01, n = 480",
            share(reaches_limit(settled)), at_least(29 / 30, "at least 29 of 30"),
            control("Gaussian inputs, no margin: median rms to the two fits", median(free.rms_two_ols.values), above(0.02)),
        ),
        check(
            dataset, "B3", "theorem", "median rms to the two fits, n = 480",
            median(settled.rms_two_ols.values), below(0.01),
            control(
                "one fit on all samples: median rms to it, sqrt(d sigma^2 / n) = 0.051 expected",
                median(settled.rms_one_ols.values), between(0.035, 0.065),
            ),
        ),
    ]  # fmt: skip
    if settled.sizes["cell"] >= ENOUGH_SEEDS:
        found.append(_risk_check(dataset, settled))
    return found


def reaches_limit(cells: xr.Dataset) -> np.ndarray:
    """Per cell: is the trained network the two-OLS predictor, to 2 percent of sigma on fresh inputs?"""
    return ((np.abs(cells.rho - 1) < 1e-3) & (cells.rms_two_ols < 0.01)).values


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
