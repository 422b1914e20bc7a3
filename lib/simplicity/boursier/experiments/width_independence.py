"""The number of samples at which training stops interpolating does not depend on the width (claim B10).

Boursier & Flammarion 2025: n* of theorem 4.1 is free of m, and the authors expect the same of their figures at m = 10,000.
Margin inputs; widths over four decades, up to ten times the paper's, share data. Success is the theorem's limit, rho = 1.
Where every seed succeeds or none does, widths agree trivially, so that the judged n lie between. The control is a start at
scale 1, from which a wider network fits more of the noise in the same number of steps.
"""

import dataclasses

import numpy as np
import xarray as xr
from scipy import stats

from simplicity.boursier import linear_teacher, synthetic
from simplicity.evidence.claims import (
    Check,
    Estimate,
    below,
    cells_where,
    check,
    control,
    exact,
    interval_within,
    median,
    not_testable,
    settings_of,
)  # fmt: skip
from simplicity.grid import config
from simplicity.grid.config import seeds, shared

CLAIMS = ("B10",)

JUDGED = (80, 100, 120)  # numbers of samples at which some seeds succeed and some do not
ENOUGH_SEEDS = 40
CONFIDENCE = 0.9  # of the interval: an equivalence test at level 5 percent uses a 90 percent interval
AT_LIMIT = 1e-3
WIDE = 10_000  # neurons from which on the engine of cones is the faster one, compiling it included


@config.settings
class Config:
    widths: tuple[int, ...] = config.param((20, 200), "numbers of hidden neurons", unit="neurons", low=1, high=10**7)
    ns: tuple[int, ...] = config.param((40, 80, 120, 240), "numbers of samples", unit="samples", low=1, high=10**8)
    control_n: int = config.param(120, "samples of the control", unit="samples", low=1, high=10**8)
    control_scale: float = config.param(1.0, "scale of the control, too large to align", low=1e-12)
    control_seeds: int = config.param(5, "seeds of the control at each width", low=1, high=100_000)
    law: str = config.param("margin", "law of the inputs", choices=synthetic.LAWS)
    dim: int = config.param(5, "input dimension", low=1, high=10**5)
    scale: float = config.param(1e-3, "scale lambda of the initialisation", low=1e-12)
    noise_variance: float = config.param(0.25, "sigma^2", low=0)
    step_size: float = config.param(0.1, "learning rate eta", low=1e-12)
    steps: int = config.param(20_000, "gradient steps at most", low=1, high=10**9)
    precision: str = config.param("float32", "floating point of the training", choices=("float32", "float64"))
    seeds: int = config.param(5, "seeds of each setting", low=1, high=100_000)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config()
TINY = dataclasses.replace(QUICK, widths=(10, 20), ns=(30, 60), control_n=30, control_seeds=2, steps=200, seeds=2)
FULL = dataclasses.replace(QUICK, widths=(10, 20, 50, 200, 1000, 10_000, 100_000), ns=(80, 100, 120, 240), seeds=40)


@dataclasses.dataclass(frozen=True)
class Cell:
    width: int
    n: int
    scale: float
    seed: int
    law: str
    dim: int
    noise_variance: float
    step_size: float
    steps: int
    precision: str


def cells(config: Config) -> list[Cell]:
    common = shared(Cell, config, but=("scale",))
    settings = [(seed, n, config.scale) for seed in seeds(config) for n in config.ns]
    settings += [(seed, config.control_n, config.control_scale) for seed in seeds(config)[: config.control_seeds]]
    return [Cell(width=width, n=n, scale=scale, seed=seed, **common) for seed, n, scale in settings for width in config.widths]


def measure(cell: Cell) -> xr.Dataset:
    return linear_teacher.end(cell, "cones" if cell.width >= WIDE else "sweep")


def checks(dataset: xr.Dataset) -> list[Check]:
    statistic = "share of seeds at rho = 1, n = 80 to 120: a width's minus the largest width's, the difference farthest from 0"
    small, large = scales(dataset)
    judged = cells_where(dataset, scale=small, n=JUDGED)
    if len(np.unique(judged.seed.values)) < ENOUGH_SEEDS:
        why = f"a 90 % interval of a difference of shares is wider than the criterion below {ENOUGH_SEEDS} seeds"
        return [not_testable(dataset, "B10", "empirical", statistic, why)]
    return [
        check(
            dataset, "B10", "empirical", statistic, farthest(differences(judged)), interval_within(-0.2, 0.2),
            control(
                "scale 1, n = 120: median over seeds of train MSE at the largest width / at the smallest",
                _wide_to_narrow(cells_where(dataset, scale=large, n=120)), below(0.5),
            ),
        ),
    ]  # fmt: skip


def scales(dataset: xr.Dataset) -> tuple[float, float]:
    """The small scale of a run and that of its control."""
    settings = settings_of(dataset)
    return settings["scale"], settings["control_scale"]


def reached(cells: xr.Dataset) -> np.ndarray:
    """Per cell: did training end at the theorem's limit, |rho - 1| < 0.001?"""
    return (np.abs(cells.rho - 1) < AT_LIMIT).values


def differences(cells: xr.Dataset) -> dict[int, Estimate]:
    """Width -> share of successes minus that of the largest width, with a 90 % interval over seeds.

    Widths share the data of a seed, so each seed gives one paired difference, its mean over n. An n at which all widths and
    seeds agree is left out.
    """
    success = cells.assign(success=("cell", reached(cells)))
    undecided = [int(n) for n in np.unique(cells.n.values) if 0 < cells_where(success, n=n).success.mean() < 1]
    shares = {int(width): _by_seed(cells_where(success, width=width, n=tuple(undecided))) for width in np.unique(cells.width)}
    if not undecided:
        return {}
    widest = max(shares)
    return {width: _interval(values - shares[widest]) for width, values in shares.items() if width < widest}


def farthest(found: dict[int, Estimate]) -> Estimate:
    """The estimate whose interval reaches farthest from 0; nothing to judge where there is none."""
    if not found:
        return exact(float("nan"))
    return max(found.values(), key=lambda estimate: max(np.abs(estimate.interval or (0.0,))))


def _by_seed(cells: xr.Dataset) -> np.ndarray:
    """Mean success of each seed, in the order of the seeds."""
    return cells.success.astype(float).groupby(cells.seed).mean().values


def _interval(values: np.ndarray) -> Estimate:
    half = float(stats.t.ppf(0.5 + CONFIDENCE / 2, len(values) - 1) * stats.sem(values))
    centre = float(values.mean())
    return Estimate(centre, (centre - half, centre + half), "t 90 %, paired by seed", len(values))


def _wide_to_narrow(cells: xr.Dataset) -> Estimate:
    if not cells.sizes["cell"]:
        return exact(float("nan"))
    ends = [cells_where(cells, width=width).sortby("seed").train_mse.values for width in (cells.width.min(), cells.width.max())]
    return median(ends[1] / ends[0]) if len(ends[0]) == len(ends[1]) else exact(float("nan"))
