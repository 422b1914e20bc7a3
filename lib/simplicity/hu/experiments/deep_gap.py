"""The tangent kernel of a deep, infinitely wide network beside c_1 X X^T / d, against d (claim H20; Hu et al. 2020, section 4).

E = ||Theta - (c_1/d) X X^T|| d/n on n = 2 d^1.25 Gaussian inputs, with Theta from the recursion: no weights are drawn.
Four hidden layers of erf and five of tanh. c_1 = (L + 1) prod zeta_l^2; the control takes that of one hidden layer.
"""

import dataclasses

import numpy as np
import xarray as xr

from simplicity.data import streams
from simplicity.evidence.claims import Check, below, between, cells_where, check, control, interval_above, mean
from simplicity.grid import config
from simplicity.grid.config import seeds, shared
from simplicity.hu import deep_kernel, kernel
from simplicity.hu.kernel_checks import at_largest, fall, slope

CLAIMS = ("H20",)

DEPTHS = {"erf": 4, "tanh": 5}  # hidden layers


@config.settings
class Config:
    depth_dims: tuple[int, ...] = config.param((32, 48, 64, 96), "input dimensions d", low=2, high=1000)
    samples: float = config.param(2.0, "n over d^power", low=0.1, high=100)
    power: float = config.param(1.25, "exponent of d in the number of samples", low=1.0, high=2.0)
    seeds: int = config.param(5, "seeds of each setting", low=1, high=100_000)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config()
TINY = dataclasses.replace(QUICK, depth_dims=(4, 8), seeds=1)
FULL = dataclasses.replace(QUICK, depth_dims=(32, 48, 64, 96, 128, 192, 256), first_seed=100)


@dataclasses.dataclass(frozen=True)
class Cell:
    activation: str
    depth: int
    dim: int
    seed: int
    samples: float
    power: float


def cells(config: Config) -> list[Cell]:
    return [
        Cell(activation=name, depth=depth, dim=dim, seed=seed, **shared(Cell, config))
        for seed in seeds(config)
        for name, depth in DEPTHS.items()
        for dim in config.depth_dims
    ]


def measure(cell: Cell) -> xr.Dataset:
    """E with c_1 and with that of one layer; the slope of Theta's off-diagonal entries on those of X X^T / d, over both."""
    n = 2 * round(cell.samples * cell.dim**cell.power / 2)
    x = streams.generator(cell.seed, streams.DATA).standard_normal((n, cell.dim))
    theta, data = deep_kernel.connected(x, cell.activation, cell.depth), x @ x.T / cell.dim
    values = {}
    for name, depth in (("gap", cell.depth), ("gap_shallow", 1)):
        difference = theta - kernel.deep_slope(cell.activation, depth) * data
        values[name] = cell.dim / n * kernel.spectral_norm(difference)
    apart = ~np.eye(n, dtype=bool)
    fitted = np.polyfit(data[apart], theta[apart], 1)[0]
    values |= {
        "slope": fitted / kernel.deep_slope(cell.activation, cell.depth),
        "slope_shallow": fitted / kernel.deep_slope(cell.activation, 1),
        "linear": np.corrcoef(data[apart], theta[apart])[0, 1] ** 2,
    }
    return xr.Dataset(values)


def checks(dataset: xr.Dataset) -> list[Check]:
    tanh = cells_where(dataset, activation="tanh")
    shallow = control(
        "five layers of tanh, c_1 of one layer: slope of log(E / E with c_1) on log d",
        slope(tanh, "gap_shallow", over="gap"), interval_above(0),
    )  # fmt: skip
    found = [
        check(
            dataset, "H20", "theorem", f"{depth} hidden layers, {name}: exponent p of E ~ d^-p",
            fall(cells_where(dataset, activation=name), "gap"), interval_above(0), shallow,
        )
        for name, depth in DEPTHS.items()
    ]  # fmt: skip
    statistic = "5 hidden layers, tanh: slope of the off-diagonal entries on x.x'/d, over c_1, at the largest d"
    return [
        *found,
        check(
            dataset, "H20", "theorem", statistic, mean(at_largest(tanh, "slope")), between(0.95, 1.05),
            control("over c_1 of one layer", mean(at_largest(tanh, "slope_shallow")), below(0.8)),
        ),
    ]  # fmt: skip
