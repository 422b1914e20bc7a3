"""Nothing non-linear is learned early, and the agreement does not depend on the labels (claims H26, H27).

Hu et al. 2020: the theorems ask of labels only that they are bounded. y = sign(x_1 x_2) has no linear part at all, so that a
network which follows the linear model cannot learn it before T; in two dimensions it may. Random labels stand beside those of a
teacher, and beside a run ten times as long.
"""

import dataclasses

import numpy as np
import xarray as xr

from simplicity.evidence.claims import Check, above, below, between, cells_where, check, control, mean, settings_of
from simplicity.grid import config
from simplicity.grid.config import seeds
from simplicity.hu import early_linear
from simplicity.hu.early_linear import Cell

CLAIMS = ("H26", "H27")

LONGER = 10


@config.settings
class Config:
    dim: int = config.param(50, "input dimension", low=2, high=10**4)
    many: int = config.param(0, "training samples of a run on the product alone, 0: none", unit="samples", low=0, high=10**6)
    low_dim: int = config.param(2, "input dimension of the control", low=2, high=10**4)
    n: int = config.param(2000, "training samples", unit="samples", low=2, high=10**6)
    width: int = config.param(512, "hidden neurons", unit="neurons", low=2, high=10**5)
    seeds: int = config.param(2, "draws of data, teacher and network", low=1, high=10**5)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config()
TINY = dataclasses.replace(QUICK, dim=10, n=100, width=32)
FULL = dataclasses.replace(QUICK, many=20_000, seeds=5)


def cells(config: Config) -> list[Cell]:
    found = []
    for seed in seeds(config):
        plain = Cell(seed, config.dim, config.n, config.width, early_linear.step_size("erf", config.dim))
        found += [plain, *(dataclasses.replace(plain, labels=labels) for labels in ("random", "product"))]
        found.append(dataclasses.replace(plain, horizon=LONGER * plain.horizon))
        if config.many:
            product = dataclasses.replace(plain, labels="product", n=config.many)
            found += [product, dataclasses.replace(product, horizon=LONGER * plain.horizon)]
        small = early_linear.step_size("erf", config.low_dim)
        found.append(dataclasses.replace(plain, labels="product", dim=config.low_dim, step_size=small))
    return found


def measure(cell: Cell) -> xr.Dataset:
    return early_linear.compare(cell)


def checks(dataset: xr.Dataset) -> list[Check]:
    given = settings_of(dataset)
    if not early_linear.high(given["dim"]):
        return []
    usual = cells_where(dataset, n=given["n"])
    short = cells_where(usual, horizon=early_linear.HORIZON)
    product = cells_where(short, labels="product")
    high, low = (cells_where(product, dim=given[name]) for name in ("dim", "low_dim"))
    teacher, random = (cells_where(short, labels=labels) for labels in ("teacher", "random"))
    long = cells_where(usual, labels="teacher", horizon=LONGER * early_linear.HORIZON)
    difference = "y = sign(x_1 x_2): largest relative difference of the train losses up to T"
    learned = control("in two dimensions: train loss of the network over the model's at T", mean(end_ratio(low)), below(0.98))
    found = [
        check(
            dataset, "H26", "empirical", difference, mean(loss_difference(high)), below(0.02),
            control("in two dimensions: the same", mean(loss_difference(low)), above(0.02)),
        ),
        check(
            dataset, "H26", "empirical", "y = sign(x_1 x_2): D up to T over the labels' mean square", mean(largest_gap(high)),
            below(0.02), learned,
        ),
        _ratio(dataset, "rel", "rel_train", (random, teacher, long)),
        _ratio(dataset, "D", "gap", tuple(one.assign(gap=one.gap_train.max("time")) for one in (random, teacher, long))),
    ]  # fmt: skip
    if given["many"]:
        many = cells_where(dataset, n=given["many"])
        early, late = (cells_where(many, horizon=times * early_linear.HORIZON) for times in (1, LONGER))
        found.append(
            check(
                dataset, "H26", "empirical", f"the same, {given['many']} samples", mean(loss_difference(early)), below(0.02),
                control("ten times as long: the same", mean(loss_difference(late)), above(0.02)),
            )
        )  # fmt: skip
    return found


def _ratio(dataset: xr.Dataset, what: str, name: str, cells: tuple[xr.Dataset, ...]) -> Check:
    """H27: as large with random labels as with a teacher's, where a longer run is larger. D scales with f_lin^2."""
    random, teacher, long = cells
    allowed = between(0.5, 2) if what == "rel" else below(2)
    longer = control("a run ten times as long: the same ratio", mean(early_linear.paired(long, teacher, name)), above(3))
    statistic = f"{what} with random labels over {what} with a teacher's, training samples"
    return check(dataset, "H27", "theorem", statistic, mean(early_linear.paired(random, teacher, name)), allowed, longer)


def loss_difference(cells: xr.Dataset) -> np.ndarray:
    """max_t |L(t) / L_lin(t) - 1| on the training samples, one for each cell."""
    return np.abs(cells.train / cells.train_linear - 1).max("time").values


def end_ratio(cells: xr.Dataset) -> np.ndarray:
    """L / L_lin on the training samples at T."""
    return (cells.train / cells.train_linear).isel(time=-1).values


def largest_gap(cells: xr.Dataset) -> np.ndarray:
    """max_t D(t) on the training samples; the labels' mean square is 1."""
    return cells.gap_train.max("time").values
