"""A network with ReLU learns a function of the norm as the linear model with the norm feature does (claim H17).

Hu et al. 2020, Figure 2 and the feature h(x) = vartheta_0 + vartheta_1 s + vartheta_2 s^2, s = |x|/sqrt d - 1. The naive model
keeps vartheta_0 alone. The target |x|/sqrt d, uncentred, is ours: the paper's is not known to us. Controls are inputs scaled to
one norm, where both models are the same, and an erf network, which has no such feature.
"""

import dataclasses
import math

import numpy as np
import xarray as xr

from simplicity.evidence.claims import (
    Check,
    above,
    below,
    between,
    cells_where,
    check,
    control,
    interval_above,
    mean,
    settings_of,
)
from simplicity.grid import config
from simplicity.grid.config import seeds
from simplicity.hu import early_linear, ntk
from simplicity.hu.early_linear import Cell

CLAIMS = ("H17",)

TIMES = 20


@config.settings
class Config:
    widths: tuple[int, ...] = config.param((256, 1024), "hidden neurons", unit="neurons", low=2, high=10**5)
    width: int = config.param(1024, "the width that is judged", unit="neurons", low=2, high=10**5)
    dim: int = config.param(50, "input dimension", low=2, high=10**4)
    n: int = config.param(2000, "training samples", unit="samples", low=2, high=10**6)
    steps: int = config.param(200, "steps of size 1", unit="steps", low=20, high=10**6)
    seeds: int = config.param(1, "draws of data and network", low=1, high=10**5)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config()
TINY = dataclasses.replace(QUICK, widths=(32, 64), width=64, dim=10, n=100, steps=20)
FULL = dataclasses.replace(QUICK, widths=(256, 1024, 4096), n=4000, seeds=5)


def cells(config: Config) -> list[Cell]:
    found = []
    for seed in seeds(config):
        unit = config.steps / (config.dim * math.log(config.dim))
        plain = Cell(seed, config.dim, config.n, config.width, 1.0, labels="norm", activation="relu", horizon=unit)
        found += [dataclasses.replace(plain, width=width) for width in config.widths]
        found += [dataclasses.replace(plain, law="nearly equal norm"), dataclasses.replace(plain, activation="erf")]
    return found


def measure(cell: Cell) -> xr.Dataset:
    """Along `time`, on fresh samples: half mean square errors `network`, `predicted`, `naive`, and the gaps `to_predicted` and
    `to_naive` = mean (f - f_model)^2."""
    found = early_linear.data(cell)
    steps = early_linear.schedule(early_linear.horizon(cell), TIMES)
    outputs = {"outputs": lambda net: ntk.forward(net, found.fresh, cell.activation)}
    _, run = ntk.descend(
        early_linear.network(cell), found.x, found.y, activation=cell.activation, step_size=cell.step_size, schedule=steps,
        probes=outputs, dims={"outputs": ("k",)},
    )  # fmt: skip
    values: dict[str, np.ndarray] = {"network": run.outputs.values}
    for name in ("predicted", "naive"):
        model, fresh = early_linear.linear_model(cell, found, naive=name == "naive")
        values[name] = model.outputs(fresh, steps)
    curves: dict[str, np.ndarray] = {name: early_linear.square(output - found.fresh_y) / 2 for name, output in values.items()}
    curves |= {f"to_{name}": early_linear.square(values["network"] - values[name]) for name in ("predicted", "naive")}
    return xr.Dataset({name: ("time", curve) for name, curve in curves.items()}).assign(step=("time", np.array(steps, float)))


def checks(dataset: xr.Dataset) -> list[Check]:
    given = settings_of(dataset)
    if not early_linear.high(given["dim"]):
        return []
    relu = cells_where(dataset, activation="relu", law="gaussian")
    nearer = relu.assign(nearer=("cell", times_nearer(relu)))
    judged = cells_where(relu, width=given["width"])
    same = mean(times_nearer(cells_where(dataset, law="nearly equal norm")))
    erf = cells_where(dataset, activation="erf")
    widths = sorted(given["widths"])
    narrow, wide = (cells_where(nearer, width=width) for width in (widths[0], widths[-1]))
    return [
        check(
            dataset, "H17", "empirical", f"gap to the naive model over that to the predicted one, m = {given['width']}",
            mean(times_nearer(judged)), interval_above(3),
            control("variance of the norm shrunk ten times: the same", same, below(3)),
        ),
        check(
            dataset, "H17", "empirical", f"the same, m = {widths[-1]} over m = {widths[0]}",
            mean(early_linear.paired(wide, narrow, "nearer")), above(1),
            control("erf, no norm feature: gap to the naive model over that to the predicted one",
                    mean(times_nearer(erf)), between(0.999, 1.001)),
        ),
    ]  # fmt: skip


def times_nearer(cells: xr.Dataset) -> np.ndarray:
    """Gap to the naive model over the gap to the predicted one at the last step."""
    return (cells.to_naive / cells.to_predicted).values[:, -1]
