"""On well-conditioned inputs the network reaches the best linear fit (claim H11).

Hu et al. 2020, the corollary for lambda_min(Sigma) of order 1: at T = c d log d / step the linear model has converged, and the
network is as close to least squares. Where Sigma has eigenvalues down to a thousandth, the model has not converged at T:
network and model agree while both are far from least squares. There the teacher sees whitened inputs; one that sees x itself
hardly depends on the slow directions, so that network and least squares stay within a few percent of each other.
"""

import dataclasses

import numpy as np
import xarray as xr

from simplicity.evidence.claims import Check, above, below, cells_where, check, control, mean, settings_of
from simplicity.grid import config
from simplicity.grid.config import seeds
from simplicity.hu import early_linear, ntk
from simplicity.hu.early_linear import Cell

CLAIMS = ("H11",)


@config.settings
class Config:
    dim: int = config.param(50, "input dimension", low=2, high=10**4)
    n: int = config.param(4000, "training samples", unit="samples", low=2, high=10**6)
    width: int = config.param(512, "hidden neurons", unit="neurons", low=2, high=10**5)
    horizon: float = config.param(2.0, "length of a run in units of d log d / step", low=1e-3)
    seeds: int = config.param(2, "teachers, each with its data and network", low=1, high=10**5)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config()
TINY = dataclasses.replace(QUICK, dim=10, n=100, width=32)
FULL = dataclasses.replace(QUICK, seeds=5)


def cells(config: Config) -> list[Cell]:
    found = []
    for seed in seeds(config):
        rate = early_linear.step_size("erf", config.dim)
        plain = Cell(seed, config.dim, config.n, config.width, rate, horizon=config.horizon)
        uneven = dataclasses.replace(plain, law="small eigenvalues", step_size=rate / 2)
        found += [plain, uneven, dataclasses.replace(uneven, labels="whitened teacher")]
    return found


def measure(cell: Cell) -> xr.Dataset:
    """At T on fresh samples: mean squares of network minus least squares, of model minus least squares, of network minus model,
    each over the mean square of least squares; and their errors."""
    found = early_linear.data(cell)
    last = early_linear.horizon(cell)
    net, _ = ntk.descend(
        early_linear.network(cell), found.x, found.y, activation=cell.activation, step_size=cell.step_size, schedule=(0, last),
        probes={},
    )  # fmt: skip
    network = ntk.forward(net, found.fresh, cell.activation)
    model, fresh = early_linear.linear_model(cell, found)
    descended = model.outputs(fresh, (last,))[0]
    best = found.fresh @ np.linalg.lstsq(found.x, found.y, rcond=None)[0]
    size = early_linear.square(best)
    return xr.Dataset(
        {
            "network_to_best": early_linear.square(network - best) / size,
            "model_to_best": early_linear.square(descended - best) / size,
            "network_to_model": early_linear.square(network - descended) / size,
            "network": early_linear.square(network - found.fresh_y) / 2,
            "best": early_linear.square(best - found.fresh_y) / 2,
        }
    )


def checks(dataset: xr.Dataset) -> list[Check]:
    if not early_linear.high(settings_of(dataset)["dim"]):
        return []
    well, badly = cells_where(dataset, law="gaussian"), cells_where(dataset, labels="whitened teacher")
    return [
        check(
            dataset, "H11", "theorem", "fresh samples: mean square of network - least squares over that of least squares, at T",
            mean(well.network_to_best), below(0.03),
            control("eigenvalues down to a thousandth: the same", mean(badly.network_to_best), above(0.1)),
        ),
        check(
            dataset, "H11", "theorem", "eigenvalues down to a thousandth: mean square of network - model over least squares",
            mean(badly.network_to_model), below(0.03),
            control("the same runs: of model - least squares", mean(badly.model_to_best), above(0.1)),
        ),
    ]  # fmt: skip
