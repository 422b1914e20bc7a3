"""How the threshold grows with the input dimension (claim B11).

Boursier & Flammarion 2025, theorem 4.1: n* is at most of order d^3 log d. Margin inputs; n50 is the number of samples at which
half of the seeds end at the theorem's limit, rho = 1, from a logistic fit on log n; the exponent is the slope of log n50
on log d. An exponent of 1 is the simple alternative: n50 proportional to d. The control has inputs that vary in a plane of
R^d only: more coordinates, but no more of what the samples have to determine.
"""

import dataclasses

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from simplicity.boursier import alignment, linear_teacher, synthetic, two_layer
from simplicity.evidence.claims import (
    Check,
    Criterion,
    Estimate,
    cells_where,
    check,
    control,
    exact,
    interval_above,
    interval_within,
    no_control,
    not_testable,
)  # fmt: skip
from simplicity.grid import config
from simplicity.grid.config import seeds, shared
from simplicity.nets import TwoLayer, forward

Array = NDArray[np.floating]

CLAIMS = ("B11",)

RESAMPLES = 1000
ENOUGH_SEEDS, ENOUGH_DIMENSIONS = 20, 3  # with five seeds one of two other sets left the band of the control
AT_LIMIT = 1e-3
PLANE = 2  # dimensions in which the control's inputs vary


@config.settings
class Config:
    dims: tuple[int, ...] = config.param((2, 5, 10), "input dimensions", low=2, high=10**5)
    ratios: tuple[float, ...] = config.param((4.0, 7.0, 11.0, 16.0, 24.0, 32.0), "numbers of samples, in dimensions", low=1)
    width: int = config.param(50, "hidden neurons", unit="neurons", low=1, high=10**7)
    law: str = config.param("margin", "law of the inputs", choices=synthetic.LAWS)
    scale: float = config.param(1e-3, "scale lambda of the initialisation", low=1e-12)
    noise_variance: float = config.param(0.25, "sigma^2", low=0)
    step_size: float = config.param(0.1, "learning rate eta", low=1e-12)
    steps: int = config.param(5_000, "gradient steps at most", low=1, high=10**9)
    precision: str = config.param("float32", "floating point of the training", choices=("float32", "float64"))
    seeds: int = config.param(5, "seeds of each setting", low=1, high=100_000)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config()
TINY = dataclasses.replace(QUICK, dims=(2, 4), ratios=(4.0, 8.0), width=10, steps=200, seeds=2)
FULL = dataclasses.replace(QUICK, dims=(2, 5, 10, 20), width=200, steps=20_000, seeds=20)


@dataclasses.dataclass(frozen=True)
class Cell:
    dim: int
    rank: int
    n: int
    seed: int
    width: int
    law: str
    scale: float
    noise_variance: float
    step_size: float
    steps: int
    precision: str


def cells(config: Config) -> list[Cell]:
    spaces = [(dim, dim) for dim in config.dims] + [(dim, PLANE) for dim in config.dims if dim > PLANE]
    return [
        Cell(dim=dim, rank=rank, n=round(ratio * rank), seed=seed, **shared(Cell, config))
        for seed in seeds(config)
        for dim, rank in spaces
        for ratio in config.ratios
    ]


def measure(cell: Cell) -> xr.Dataset:
    """Inputs of dimension `rank`, with zeros up to `dim`; rho at the end of training."""
    task = synthetic.linear_task(cell.law, cell.n, cell.rank, cell.noise_variance, cell.seed, n_test=1)
    x = np.pad(task.x, ((0, 0), (0, cell.dim - cell.rank)))
    network, trajectory = two_layer.descend(
        linear_teacher.initial(cell),
        x,
        task.y,
        step_size=cell.step_size,
        schedule=(0, cell.steps),
        probes={},
        tolerance=linear_teacher.TOLERANCE,
        precision=cell.precision,
    )
    rho = _rho(network, x, task)
    return xr.Dataset({"rho": rho, "stopped_at": trajectory["stopped_at"], "force": trajectory["force"]})


def _rho(network: TwoLayer, x: Array, task: synthetic.Task) -> float:
    fits = alignment.two_ols(task.x, task.y, task.teacher)
    error = alignment.mse(forward(network, x), task.y)
    return alignment.rho(error, alignment.mse(fits.predict(task.x), task.y), task.y)


def checks(dataset: xr.Dataset) -> list[Check]:
    names = ("exponent of n50 in d", "exponent of n50 in d, against the theorem's d^3")
    whole, plane = spaces(dataset)
    enough = len(np.unique(whole.seed.values)) >= ENOUGH_SEEDS and len(np.unique(whole.dim.values)) >= ENOUGH_DIMENSIONS
    if not enough:
        why = f"an exponent needs {ENOUGH_SEEDS} seeds and {ENOUGH_DIMENSIONS} dimensions"
        return [not_testable(dataset, "B11", "empirical", name, why) for name in names]
    found = exponent(whole)
    return [
        check(
            dataset, "B11", "empirical", names[0], found, interval_above(0),
            control("inputs that vary in a plane of R^d: the same exponent", exponent(plane), interval_within(-0.3, 0.3)),
        ),
        check(
            dataset, "B11", "empirical", names[1], found, _interval_below(3),
            no_control("the comparison with an upper bound is no effect that could vanish"),
        ),
    ]  # fmt: skip


def _interval_below(bound: float) -> Criterion:
    text = f"interval below {bound:g}"
    return Criterion(text, lambda estimate: estimate.interval is not None and estimate.interval[1] < bound)


def spaces(dataset: xr.Dataset) -> tuple[xr.Dataset, xr.Dataset]:
    """The cells whose inputs fill their space, and those (with the plane itself) whose inputs vary in a plane."""
    whole = dataset.isel(cell=dataset["rank"].values == dataset.dim.values)
    return whole, cells_where(dataset, rank=PLANE)


def reached(cells: xr.Dataset) -> NDArray[np.bool_]:
    """Per cell: did training end at the theorem's limit, |rho - 1| < 0.001?"""
    return (np.abs(cells.rho - 1) < AT_LIMIT).values


def exponent(cells: xr.Dataset) -> Estimate:
    """Slope of log n50 on log d with a 95 % bootstrap interval over seeds; all runs of a seed leave or enter together."""
    dims = np.unique(cells.dim.values)
    if len(dims) < 2:
        return exact(float("nan"))
    rng = np.random.default_rng(0)
    seeds = np.unique(cells.seed.values)
    drawn = np.concatenate([np.arange(len(seeds))[None], rng.integers(len(seeds), size=(RESAMPLES, len(seeds)))])
    logs = np.stack([np.log(n50(cells_where(cells, dim=dim), drawn)) for dim in dims])  # (d, 1 + resamples)
    slopes = np.polyfit(np.log(dims), logs, 1)[0]
    if not np.isfinite(slopes).all():
        return exact(float("nan"))
    low, high = np.quantile(slopes[1:], (0.025, 0.975))
    return Estimate(float(slopes[0]), (float(low), float(high)), "bootstrap 95 %", len(seeds))


def n50(cells: xr.Dataset, drawn: NDArray[np.integer] | None = None) -> Array:
    """The n at which half of the seeds succeed, for each row of `drawn` (rows of indices of seeds; default: all, once).

    P(success) = 1 / (1 + exp(-s (log n - log n50))). Half a success and half a failure are added at each n, so that the fit
    exists also where seeds change from none to all between two n. NaN where success does not become more frequent with n.
    """
    ns, table = successes(cells)
    rows = np.arange(len(table))[None] if drawn is None else drawn
    share = (table[rows].sum(axis=1) + 0.5) / (rows.shape[1] + 1.0)  # (rows, n)
    place = np.log(ns)
    intercept, slope = _logistic(place, share)
    return np.exp(place.mean() - intercept / np.where(slope > 1e-6, slope, np.nan))


def successes(cells: xr.Dataset) -> tuple[Array, Array]:
    """The numbers of samples (q,) and whether each seed ended at rho = 1 there, (seeds, q)."""
    ns, seeds = np.unique(cells.n.values), np.unique(cells.seed.values)
    table = np.zeros((len(seeds), len(ns)))
    rows, columns = np.searchsorted(seeds, cells.seed.values), np.searchsorted(ns, cells.n.values)
    table[rows, columns] = reached(cells)
    return ns.astype(float), table


def _logistic(place: Array, share: Array) -> tuple[Array, Array]:
    """Intercepts and slopes over place - its mean for shares (rows, n), by Newton's method; the log-likelihood is concave."""
    design = np.stack([np.ones_like(place), place - place.mean()], axis=1)
    weights = np.zeros((len(share), 2))
    for _ in range(40):
        fitted = 1 / (1 + np.exp(-weights @ design.T))
        curvature = np.einsum("rq,qi,qj->rij", fitted * (1 - fitted), design, design)
        step = np.linalg.solve(curvature, ((share - fitted) @ design)[:, :, None])[:, :, 0]
        weights += step / np.maximum(1.0, np.abs(step).max(axis=1, keepdims=True) / 2)  # bounded: no overshooting at first
    return weights[:, 0], weights[:, 1]
