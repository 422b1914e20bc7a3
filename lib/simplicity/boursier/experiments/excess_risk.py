"""The price of two fits instead of one: excess risk about 2 d sigma^2 / n (claim B21).

A consequence of Boursier & Flammarion 2025, theorem 4.1, derived here: each half of the samples is
fitted by least squares with risk d sigma^2 / (n_half - d - 1) for Gaussian inputs (inverse
Wishart), and x x^T does not see the sign that splits the samples. With a binomial number of samples
in a half the exact mean is a finite sum. No network here.
"""

import numpy as np
import xarray as xr
from scipy import stats

from simplicity.boursier import ols, synthetic
from simplicity.data import streams
from simplicity.evidence.claims import Check, Estimate, below, between, check, exact
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs

CLAIMS = ("B21",)


@config.settings
class Run:
    """Many data sets of one size, without a network."""

    n: int = config.param(120, "samples", unit="samples", low=2, high=10**8)
    dim: int = config.param(5, "input dimension", low=1, high=10**5)
    noise_variance: float = config.param(0.25, "sigma^2", low=0)
    draws: int = config.param(2000, "data sets for each n", low=2, high=10**8)
    seed: int = config.param(0, "seed of all draws", low=0, high=2**31 - 1)


GRID = Grid(
    Run,
    groups={"simulated": {"n": (60, 120, 480)}},
    quick={"seeds": 1},
    full={"n": (60, 120, 240, 480, 960), "draws": 10_000, "first_seed": 2_000_000},
    tiny={"n": (60,), "draws": 50},
)


def measure(run: Run) -> xr.Dataset:
    """Mean and standard error over draws of the excess risk of two fits and of one.

    For covariance I and a fit beta the risk over fresh inputs is exact, |beta - beta*|^2; of two
    fits it is the mean of the two halves, since a half of the inputs has second moment I as well.
    """
    rng = streams.generator(run.seed, streams.DATA)
    teacher = synthetic.first_axis(run.dim)
    risks = np.array([_risks(run, teacher, rng) for _ in range(run.draws)])
    error = risks.std(axis=0, ddof=1) / np.sqrt(run.draws)
    return xr.Dataset(
        {
            "two_fits": risks[:, 0].mean(),
            "two_fits_error": error[0],
            "one_fit": risks[:, 1].mean(),
            "one_fit_error": error[1],
        }
    )


def _risks(run: Run, teacher: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    x = synthetic.gaussian(run.n, run.dim, rng)
    y = synthetic.linear_labels(x, teacher, run.noise_variance, rng)
    fits = ols.two_ols(x, y, teacher)
    halves = (np.sum((fits.plus - teacher) ** 2) + np.sum((fits.minus - teacher) ** 2)) / 2
    return float(halves), float(np.sum((ols.ols(x, y) - teacher) ** 2))


def checks(runs: Runs) -> list[Check]:
    every, large = runs["simulated"], runs("simulated", n=480)
    near, right = below(3), between(0.9, 1.1)
    return [
        check(
            runs, "B21.exact", "identity",
            "simulated risk of two fits, largest distance to its exact mean in standard errors",
            _farthest(every, "two_fits"), near,
            ("the risk of one fit on all samples in the place of that of two",
             _farthest(every, "one_fit")),
        ),
        check(
            runs, "B21.rate", "identity", "simulated risk of two fits / (2 d sigma^2 / n), n = 480",
            _mean_of(large.two_fits / asymptotic_risk(large)), right,
            ("the risk of one fit on all samples in the place of that of two",
             _mean_of(large.one_fit / asymptotic_risk(large))),
        ),
    ]  # fmt: skip


def asymptotic_risk(cells: xr.Dataset) -> xr.DataArray:
    """2 d sigma^2 / n."""
    return 2 * cells.dim * cells.noise_variance / cells.n


def expected_risk(cells: xr.Dataset) -> np.ndarray:
    """E d sigma^2 / (n_half - d - 1) with n_half ~ Bin(n, 1/2).

    Halves of at most d + 1 samples have no mean and no weight.
    """
    settings = zip(cells.n.values, cells.dim.values, cells.noise_variance.values, strict=True)
    return np.array([_expected(int(n), int(dim), float(variance)) for n, dim, variance in settings])


def _expected(n: int, dim: int, variance: float) -> float:
    if n / 2 < dim + 10:
        return float("nan")  # a half often determines no fit, and its mean is no guide
    half = np.arange(dim + 2, n + 1)
    weight = stats.binom.pmf(half, n, 0.5)
    return float(np.sum(weight * dim * variance / (half - dim - 1)) / np.sum(weight))


def _farthest(cells: xr.Dataset, risk: str) -> Estimate:
    """The largest distance of a simulated risk to the exact mean of two fits, in its standard
    errors.
    """
    distance = np.abs(cells[risk].values - expected_risk(cells)) / cells[f"{risk}_error"].values
    return exact(distance.max(initial=-np.inf), cells.draws.values.max(initial=0))


def _mean_of(values: xr.DataArray) -> Estimate:
    return exact(float(np.mean(values)) if values.size else float("nan"), int(values.size))
