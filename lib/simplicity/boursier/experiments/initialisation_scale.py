"""The scale of the initialisation must be small, whatever n and the width (claim B9).

Boursier & Flammarion 2025, theorem 4.1: lambda* depends neither on n nor on m. Margin inputs, the same data and the same
directions at every scale. The number of steps is part of the question: rho is read at one budget and again at three times
that budget, from the same run.
"""

import dataclasses

import numpy as np
import xarray as xr

from simplicity.boursier import linear_teacher, synthetic
from simplicity.evidence.claims import Check, Estimate, above, below, cells_where, check, control, median
from simplicity.grid import config
from simplicity.grid.config import seeds, shared

CLAIMS = ("B9",)

LONGER = 3  # the second budget, in first budgets


@config.settings
class Config:
    scales: tuple[float, ...] = config.param(
        (1e-4, 1e-3, 1e-2, 0.1, 0.3, 1.0, 2.0), "scales lambda of the initialisation", low=1e-12
    )
    ns: tuple[int, ...] = config.param((120,), "numbers of samples", unit="samples", low=1, high=10**8)
    widths: tuple[int, ...] = config.param((200,), "numbers of hidden neurons", unit="neurons", low=1, high=10**7)
    law: str = config.param("margin", "law of the inputs", choices=synthetic.LAWS)
    dim: int = config.param(5, "input dimension", low=1, high=10**5)
    noise_variance: float = config.param(0.25, "sigma^2", low=0)
    step_size: float = config.param(0.1, "learning rate eta", low=1e-12)
    steps: int = config.param(20_000, "gradient steps of the first budget", low=1, high=10**9)
    precision: str = config.param("float32", "floating point of the training", choices=("float32", "float64"))
    seeds: int = config.param(3, "seeds of each setting", low=1, high=100_000)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config()
TINY = dataclasses.replace(QUICK, scales=(1e-3, 1.0), ns=(40,), widths=(20,), steps=200, seeds=2)
FULL = dataclasses.replace(QUICK, ns=(120, 240), widths=(200, 1000), seeds=10)


@dataclasses.dataclass(frozen=True)
class Cell:
    scale: float
    n: int
    width: int
    seed: int
    law: str
    dim: int
    noise_variance: float
    step_size: float
    steps: int
    precision: str


def cells(config: Config) -> list[Cell]:
    return [
        Cell(scale=scale, n=n, width=width, seed=seed, **shared(Cell, config))
        for seed in seeds(config)
        for scale in config.scales
        for n in config.ns
        for width in config.widths
    ]


def measure(cell: Cell) -> xr.Dataset:
    first = linear_teacher.train(cell)
    more = dataclasses.replace(cell, steps=(LONGER - 1) * cell.steps)
    second = linear_teacher.train(more, start=first.network)
    budgets = [first.outcome(), second.outcome().assign(stopped_at=second.trajectory["stopped_at"] + cell.steps)]
    steps = xr.DataArray([cell.steps, LONGER * cell.steps], dims="budget", name="budget")
    return xr.concat([found.drop_vars("force") for found in budgets], steps)


def checks(dataset: xr.Dataset) -> list[Check]:
    small, large = _medians(dataset, 1e-3), _medians(dataset, 1.0)
    return [
        check(
            dataset, "B9", "empirical", "median rho at scale 0.001, the smallest over all n and m, first budget",
            min(small, key=_value), above(0.95),
            control("scale 1: the largest median over all n and m", max(large, key=_value), below(0.5)),
        ),
    ]  # fmt: skip


def break_scales(dataset: xr.Dataset, budget: int = 0) -> dict[tuple[int, int], float]:
    """(n, m) -> the scale at which the median rho falls through 1/2, by interpolation in log scale; NaN if it never does."""
    found = {}
    for n, width in _pairs(dataset):
        part = cells_where(dataset, n=n, width=width).isel(budget=budget)
        values = np.unique(part.scale.values)
        rhos = np.array([np.median(cells_where(part, scale=value).rho) for value in values])
        crossing = np.flatnonzero((rhos[:-1] >= 0.5) & (rhos[1:] < 0.5))
        found[n, width] = float("nan")
        if len(crossing):
            i = int(crossing[0])
            found[n, width] = float(np.exp(np.interp(-0.5, -rhos[i : i + 2], np.log(values[i : i + 2]))))
    return found


def _pairs(dataset: xr.Dataset) -> list[tuple[int, int]]:
    return sorted({(int(n), int(width)) for n, width in zip(dataset.n.values, dataset.width.values, strict=True)})


def _medians(dataset: xr.Dataset, scale: float) -> list[Estimate]:
    parts = [cells_where(dataset, n=n, width=width, scale=scale) for n, width in _pairs(dataset)]
    return [median(part.rho.isel(budget=0).values) for part in parts]


def _value(estimate: Estimate) -> float:
    return estimate.value
