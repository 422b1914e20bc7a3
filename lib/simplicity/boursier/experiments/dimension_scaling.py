"""How the threshold grows with the input dimension (claim B11).

Boursier & Flammarion 2025, theorem 4.1: n* is at most of order d^3 log d. Margin inputs; n50 is the
number of samples at which half of the seeds end at the theorem's limit, rho = 1, from a logistic
fit on log n; the exponent is the slope of log n50 on log d. An exponent of 1 is the simple
alternative: n50 proportional to d. The control has inputs that vary in a plane of R^d only: more
coordinates, but no more of what the samples have to determine.
"""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from simplicity.boursier import linear_teacher, ols, synthetic
from simplicity.boursier.criteria import at_limit
from simplicity.evidence.claims import Check, Estimate, check, exact, interval_above
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs, cells_where
from simplicity.nets import forward

Array = NDArray[np.floating]

CLAIMS = ("B11",)

RESAMPLES = 1000
ENOUGH_SEEDS = 20  # with five, one of two other sets of seeds left the band of the control
ENOUGH_DIMENSIONS = 3


@config.settings
class Run(linear_teacher.Run):
    """A run with so many samples for each dimension in which its inputs vary."""

    rank: int = config.param(2, "dimensions in which the inputs vary", low=2, high=10**5)
    ratio: float = config.param(11.0, "samples / these dimensions", low=1)


def _samples(run: Run) -> int:
    return round(run.ratio * run.rank)


GRID = Grid(
    Run,
    groups={
        "whole": {
            "dim": (2, 5, 10),
            "ratio": (4.0, 7.0, 11.0, 16.0, 24.0, 32.0),
            "rank": lambda run: run.dim,
            "n": _samples,
        },
        "plane": {"rank": 2, "n": _samples},
    },
    quick={"width": 50, "steps": 5_000, "seeds": 5},
    full={
        "dim": (2, 5, 10, 20), "width": 200, "steps": 20_000, "seeds": 20,
        "first_seed": 2_000_000,
    },
    tiny={"dim": (2, 4), "ratio": (4.0, 8.0), "width": 10, "steps": 200, "seeds": 2},
)  # fmt: skip


def measure(run: Run) -> xr.Dataset:
    """Inputs of dimension `rank`, with zeros up to `dim`; rho at the end of training."""
    task = synthetic.linear_task(run.law, run.n, run.rank, run.noise_variance, run.seed, n_test=1)
    x = np.pad(task.x, ((0, 0), (0, run.dim - run.rank)))
    network, trajectory = linear_teacher.descend(run, x, task.y)
    rho = linear_teacher.rho(ols.mse(forward(network, x), task.y), task)
    return xr.Dataset({"rho": rho, **trajectory[["stopped_at", "force"]]})


def checks(runs: Runs) -> list[Check]:
    enough = runs.seeds >= ENOUGH_SEEDS and len(runs.settings.dim) >= ENOUGH_DIMENSIONS
    needed = f"an exponent needs {ENOUGH_SEEDS} seeds and {ENOUGH_DIMENSIONS} dimensions"
    return [_grows(runs, "" if enough else needed)]


def _grows(runs: Runs, unless: str) -> Check:
    whole, plane = (
        exact(np.nan) if unless else exponent(runs[group]) for group in ("whole", "plane")
    )
    return check(
        runs, "B11.grows", "empirical", "exponent of n50 in d", whole, interval_above(0),
        ("inputs that vary in a plane of R^d: the same exponent", plane),
        unless=unless,
    )  # fmt: skip


def exponent(cells: xr.Dataset) -> Estimate:
    """Slope of log n50 on log d with a 95 % bootstrap interval over seeds.

    All runs of a seed leave or enter together.
    """
    cells = _whole_seeds(cells)
    dims, count = np.unique(cells.dim.values), len(np.unique(cells.seed.values))
    if len(dims) < 2:
        return exact(float("nan"))
    drawn = _draws(count)
    logs = np.stack([np.log(n50(cells_where(cells, dim=dim), drawn)) for dim in dims])
    return _of_resamples(np.polyfit(np.log(dims), logs, 1)[0], count)


def _draws(count: int) -> NDArray[np.integer]:
    """Indices of seeds: the seeds themselves, then resamples of them."""
    resamples = np.random.default_rng(0).integers(count, size=(RESAMPLES, count))
    return np.concatenate([np.arange(count)[None], resamples])


def _of_resamples(slopes: Array, count: int) -> Estimate:
    """The first slope, which is that of the seeds themselves, and the quantiles of the others."""
    if not np.isfinite(slopes).all():
        return exact(float("nan"))
    low, high = np.quantile(slopes[1:], (0.025, 0.975))
    return Estimate(float(slopes[0]), (float(low), float(high)), "bootstrap 95 %", count)


def _whole_seeds(cells: xr.Dataset) -> xr.Dataset:
    """The runs of seeds that have one at every (dim, n): a run that is missing is no failure."""
    places = len(np.unique(np.stack([cells.dim.values, cells.n.values]), axis=1).T)
    seeds, counts = np.unique(cells.seed.values, return_counts=True)
    return cells.isel(cell=np.isin(cells.seed.values, seeds[counts == places]))


def n50(cells: xr.Dataset, drawn: NDArray[np.integer] | None = None) -> Array:
    """The n at which half of the seeds succeed, for each row of `drawn`.

    Rows hold indices of seeds; the default is all of them, once. P(success) =
    1 / (1 + exp(-s (log n - log n50))). Half a success and half a failure are added at each n, so
    that the fit exists also where seeds change from none to all between two n. NaN where success
    does not become more frequent with n.
    """
    ns, table = _successes(cells)
    rows = np.arange(len(table))[None] if drawn is None else drawn
    share = (table[rows].sum(axis=1) + 0.5) / (rows.shape[1] + 1.0)  # (rows, n)
    return _half_way(np.log(ns), share)


def _half_way(place: Array, share: Array) -> Array:
    """exp of the place at which the fitted share is 1/2, for each row; NaN where it falls."""
    intercept, slope = _logistic(place, share)
    return np.exp(place.mean() - intercept / np.where(slope > 1e-6, slope, np.nan))


def _successes(cells: xr.Dataset) -> tuple[Array, Array]:
    """The numbers of samples (q,) and whether each seed ended at rho = 1 there, (seeds, q)."""
    ns, seeds = np.unique(cells.n.values), np.unique(cells.seed.values)
    table = np.zeros((len(seeds), len(ns)))
    rows, columns = np.searchsorted(seeds, cells.seed.values), np.searchsorted(ns, cells.n.values)
    table[rows, columns] = at_limit(cells)
    return ns.astype(float), table


def _logistic(place: Array, share: Array) -> tuple[Array, Array]:
    """Intercepts and slopes over place - its mean for shares (rows, n).

    By Newton's method; the log-likelihood is concave.
    """
    design = np.stack([np.ones_like(place), place - place.mean()], axis=1)
    weights = np.zeros((len(share), 2))
    for _ in range(40):
        step = _newton_step(weights, design, share)
        longest = np.abs(step).max(axis=1, keepdims=True)
        weights += step / np.maximum(1.0, longest / 2)  # bounded: no overshooting at first
    return weights[:, 0], weights[:, 1]


def _newton_step(weights: Array, design: Array, share: Array) -> Array:
    fitted = 1 / (1 + np.exp(-weights @ design.T))
    curvature = np.einsum("rq,qi,qj->rij", fitted * (1 - fitted), design, design)
    return np.linalg.solve(curvature, ((share - fitted) @ design)[:, :, None])[:, :, 0]
