"""The gap between network and linear model shrinks as the dimension grows, at an equal clock (claim H10).

Hu et al. 2020, Figure 1c and the rate d^-Omega(alpha) of the theorems: n and m grow with d as 2 d^1.5, the step as d, and T is
1.5 d log d / step. The theorem gives no constant and no exponent beyond 1/4, the largest alpha it speaks of, so that a slope is
held against -1/4. The control keeps 16 neurons.
"""

import dataclasses

import xarray as xr

from simplicity.evidence.claims import (
    Check,
    cells_where,
    check,
    control,
    interval_below,
    interval_reaches,
    settings_of,
)
from simplicity.grid import config
from simplicity.grid.config import seeds
from simplicity.hu import early_linear
from simplicity.hu.early_linear import Cell

CLAIMS = ("H10",)

EXPONENT = -0.25
NARROW = 16
NARROW_UP_TO = 128  # at d = 256 a network of 16 neurons diverges with this step


@config.settings
class Config:
    dims: tuple[int, ...] = config.param((8, 16, 32, 64), "input dimensions", low=2, high=10**4)
    power: float = config.param(1.5, "n = m = 2 d^power", low=1, high=3)
    activation: str = config.param("erf", "activation", choices=("erf", "tanh"))
    seeds: int = config.param(5, "teachers, each with its data and network", low=1, high=10**5)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config()
TINY = dataclasses.replace(QUICK, dims=(6, 8), seeds=2)
FULL = dataclasses.replace(QUICK, dims=(8, 16, 32, 64, 128, 256), seeds=5)


def cells(config: Config) -> list[Cell]:
    found = []
    for seed in seeds(config):
        for dim in config.dims:
            size = 2 * round(dim**config.power)
            rate = early_linear.step_size(config.activation, dim)
            widths = (size, NARROW) if dim <= NARROW_UP_TO else (size,)
            found += [Cell(seed, dim, size, width, rate, activation=config.activation) for width in widths]
    return found


def measure(cell: Cell) -> xr.Dataset:
    return early_linear.compare(cell)


def checks(dataset: xr.Dataset) -> list[Check]:
    if not early_linear.high(max(settings_of(dataset)["dims"])):
        return []
    largest = dataset.assign(gap=dataset.gap_train.max("time"))
    grown, narrow = split(largest)
    found = []
    for name, what in (
        ("rel_train", "rel on log d, the training samples"),
        ("rel_test", "rel on log d, fresh samples"),
        ("gap", "D on log d, the training samples"),
    ):
        slope, flat = (early_linear.mean_slope(part, name, "dim") for part in (grown, narrow))
        same = control("16 neurons at every d: the same slope", flat, interval_reaches(0))
        found.append(check(dataset, "H10", "theorem", f"slope of log {what}", slope, interval_below(EXPONENT), same))
    return found


def split(dataset: xr.Dataset) -> tuple[xr.Dataset, xr.Dataset]:
    """Cells whose width grows with d, and those of 16 neurons."""
    return dataset.isel(cell=dataset.width.values != NARROW), cells_where(dataset, width=NARROW)
