"""The width need not be huge: the gap falls with the width, and is small far below the number of samples (claim H14).

Hu et al. 2020 ask for m of the order d^{1 + alpha}, where earlier theorems on the tangent kernel ask for powers of n.
"""

import dataclasses

import xarray as xr

from simplicity.evidence.claims import Check, above, cells_where, check, control, interval_below, mean, settings_of
from simplicity.grid import config
from simplicity.grid.config import seeds
from simplicity.hu import early_linear
from simplicity.hu.early_linear import Cell

CLAIMS = ("H14",)

NARROW = 16
ENOUGH_SEEDS = 5  # of sixteen neurons; with two, two of ten other seed blocks have a mean below the control's bound
FROM = 64  # the smallest width of the slope


@config.settings
class Config:
    widths: tuple[int, ...] = config.param(
        (16, 32, 64, 128, 256, 512, 1024), "hidden neurons", unit="neurons", low=2, high=10**5
    )
    dim: int = config.param(50, "input dimension", low=2, high=10**4)
    n: int = config.param(2000, "training samples", unit="samples", low=2, high=10**6)
    seeds: int = config.param(2, "teachers, each with its data and network", low=1, high=10**5)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config()
TINY = dataclasses.replace(QUICK, widths=(16, 64, 128), dim=10, n=100)
FULL = dataclasses.replace(QUICK, widths=(16, 32, 64, 128, 256, 512, 1024, 2048, 4096), seeds=5)


def cells(config: Config) -> list[Cell]:
    rate = early_linear.step_size("erf", config.dim)
    return [Cell(seed, config.dim, config.n, width, rate) for seed in seeds(config) for width in config.widths]


def measure(cell: Cell) -> xr.Dataset:
    return early_linear.compare(cell)


def checks(dataset: xr.Dataset) -> list[Check]:
    if early_linear.count(dataset) < ENOUGH_SEEDS or not early_linear.high(settings_of(dataset)["dim"]):
        return []
    slope = early_linear.mean_slope(dataset.isel(cell=dataset.width.values >= FROM), "rel_train", "width")
    narrow = control("16 neurons: rel", mean(cells_where(dataset, width=NARROW).rel_train), above(0.05))
    return [
        check(dataset, "H14", "empirical", "slope of log rel on log m, from 64 neurons on", slope, interval_below(-0.3), narrow)
    ]
