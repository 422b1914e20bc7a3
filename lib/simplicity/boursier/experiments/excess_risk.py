"""The price of two fits instead of one: excess risk about 2 d sigma^2 / n (claim B21).

A consequence of Boursier & Flammarion 2025, theorem 4.1, derived here: each half of the samples is fitted by
least squares with risk d sigma^2 / (n_half - d - 1) for Gaussian inputs (inverse Wishart), and x x^T does not see the sign
that splits the samples. With a binomial number of samples in a half the exact mean is a finite sum. No network here.
"""

import dataclasses

import numpy as np
import xarray as xr
from scipy import stats

from simplicity.boursier import alignment, synthetic
from simplicity.data import streams
from simplicity.evidence.claims import Check, Estimate, above, below, between, cells_where, check, control, exact
from simplicity.grid import config
from simplicity.grid.config import seeds, shared

CLAIMS = ("B21",)


@config.settings
class Config:
    ns: tuple[int, ...] = config.param((60, 120, 480), "numbers of samples", unit="samples", low=2, high=10**8)
    dim: int = config.param(5, "input dimension", low=1, high=10**5)
    noise_variance: float = config.param(0.25, "sigma^2", low=0)
    draws: int = config.param(2000, "data sets for each n", low=2, high=10**8)
    seeds: int = config.param(1, "independent repetitions of all draws", low=1, high=100_000)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config()
TINY = dataclasses.replace(QUICK, ns=(60,), draws=50)
FULL = dataclasses.replace(QUICK, ns=(60, 120, 240, 480, 960), draws=10_000)


@dataclasses.dataclass(frozen=True)
class Cell:
    n: int
    seed: int
    draws: int
    dim: int
    noise_variance: float


def cells(config: Config) -> list[Cell]:
    return [Cell(n=n, seed=seed, **shared(Cell, config)) for seed in seeds(config) for n in config.ns]


def measure(cell: Cell) -> xr.Dataset:
    """Mean and standard error over draws of the excess risk of two fits and of one.

    For covariance I and a fit beta the risk over fresh inputs is exact, |beta - beta*|^2; of two fits it is the mean of the
    two halves, since a half of the inputs has second moment I as well.
    """
    rng = streams.generator(cell.seed, streams.DATA)
    teacher = synthetic.first_axis(cell.dim)
    risks = np.array([_risks(cell, teacher, rng) for _ in range(cell.draws)])
    error = risks.std(axis=0, ddof=1) / np.sqrt(cell.draws)
    return xr.Dataset(
        {
            "two_fits": risks[:, 0].mean(),
            "two_fits_error": error[0],
            "one_fit": risks[:, 1].mean(),
            "one_fit_error": error[1],
        }
    )


def _risks(cell: Cell, teacher: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    x = synthetic.gaussian(cell.n, cell.dim, rng)
    y = synthetic.linear_labels(x, teacher, cell.noise_variance, rng)
    fits = alignment.two_ols(x, y, teacher)
    halves = (np.sum((fits.plus - teacher) ** 2) + np.sum((fits.minus - teacher) ** 2)) / 2
    return float(halves), float(np.sum((alignment.ols(x, y) - teacher) ** 2))


def checks(dataset: xr.Dataset) -> list[Check]:
    large, small = cells_where(dataset, n=480), cells_where(dataset, n=60)
    deviation = np.abs(dataset.two_fits - expected_risk(dataset)) / dataset.two_fits_error
    return [
        check(
            dataset, "B21", "identity", "simulated risk of two fits, largest distance to its exact mean in standard errors",
            exact(float(deviation.max()), int(dataset.draws.max())), below(3),
            control(
                "one fit on all samples: its risk over that of two, n = 480",
                _mean_of(large.one_fit / large.two_fits), between(0.45, 0.55),
            ),
        ),
        check(
            dataset, "B21", "identity", "simulated risk of two fits / (2 d sigma^2 / n), n = 480",
            _mean_of(large.two_fits / asymptotic_risk(large)), between(0.9, 1.1),
            control(
                "n = 60, too few samples for the asymptotic form",
                _mean_of(small.two_fits / asymptotic_risk(small)), above(1.1),
            ),
        ),
    ]  # fmt: skip


def asymptotic_risk(cells: xr.Dataset) -> xr.DataArray:
    """2 d sigma^2 / n."""
    return 2 * cells.dim * cells.noise_variance / cells.n


def expected_risk(cells: xr.Dataset) -> np.ndarray:
    """E d sigma^2 / (n_half - d - 1) with n_half ~ Bin(n, 1/2); halves of at most d + 1 samples have no mean and no weight."""
    return np.array(
        [_expected(int(n), int(d), float(v)) for n, d, v in zip(cells.n, cells.dim, cells.noise_variance, strict=True)]
    )


def _expected(n: int, dim: int, variance: float) -> float:
    if n / 2 < dim + 10:
        return float("nan")  # so few samples that a half often determines no fit, and its mean is no guide
    half = np.arange(dim + 2, n + 1)
    weight = stats.binom.pmf(half, n, 0.5)
    return float(np.sum(weight * dim * variance / (half - dim - 1)) / np.sum(weight))


def _mean_of(values: xr.DataArray | np.ndarray) -> Estimate:
    return exact(float(np.mean(values)) if values.size else float("nan"), int(values.size))
