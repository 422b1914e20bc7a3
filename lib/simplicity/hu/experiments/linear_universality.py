"""The linear model holds for other inputs and other activations (claims H18, H19).

Hu et al. 2020, assumptions on the inputs and on the activation. Inputs of independent signs and of an uneven spectrum stand
beside Gaussian ones; two laws break the assumption: entries without a fourth moment, and a covariance of which two directions
hold nearly all. Smooth and piecewise linear activations stand beside |z|, for which zeta = 0 and nothing linear is left.
"""

import dataclasses

import xarray as xr

from simplicity.evidence.claims import Check, above, below, cells_where, check, control, mean, settings_of
from simplicity.grid import config
from simplicity.grid.config import seeds
from simplicity.hu import early_linear
from simplicity.hu.early_linear import Cell
from simplicity.nets.activations import moments

CLAIMS = ("H18", "H19")

ENOUGH_SEEDS = 3  # of the control with two directions; one teacher in two and a half comes out below its bound
CLOSE, APART = 0.03, 0.2
LAWS = ("gaussian", "rademacher", "linear spectrum", "heavy tails", "spiked")
SPIKED_RATE = 0.1  # of the others' step: stability is set by the largest variance, about d / 2 times the mean
SMOOTH, PIECEWISE = ("erf", "tanh", "sigmoid", "softplus", "gelu"), ("relu", "leaky relu")


@config.settings
class Config:
    activations: tuple[str, ...] = config.param(
        ("erf", "tanh", "gelu", "relu", "abs"), "activations", choices=(*SMOOTH, *PIECEWISE, "abs")
    )
    dim: int = config.param(50, "input dimension", low=2, high=10**4)
    n: int = config.param(2000, "training samples", unit="samples", low=2, high=10**6)
    width: int = config.param(512, "hidden neurons where phi has mean 0", unit="neurons", low=2, high=10**5)
    wide: int = config.param(1024, "hidden neurons elsewhere", unit="neurons", low=2, high=10**5)
    seeds: int = config.param(1, "teachers, each with its data and network", low=1, high=10**5)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config()
TINY = dataclasses.replace(QUICK, activations=("erf", "relu", "abs"), dim=10, n=100, width=32, wide=32)
FULL = dataclasses.replace(QUICK, wide=2048, activations=(*SMOOTH, *PIECEWISE, "abs"), seeds=3)


def cells(config: Config) -> list[Cell]:
    found = []
    for seed in seeds(config):
        for name in config.activations:
            width = config.wide if moments(name).vartheta_0 > 1e-9 else config.width
            found.append(Cell(seed, config.dim, config.n, width, early_linear.step_size(name, config.dim), activation=name))
        rate = early_linear.step_size("erf", config.dim)
        for law in LAWS[1:]:
            step = rate * (SPIKED_RATE if law == "spiked" else 1)
            found.append(Cell(seed, config.dim, config.n, config.width, step, law=law))
    return found


def measure(cell: Cell) -> xr.Dataset:
    return early_linear.compare(cell)


def checks(dataset: xr.Dataset) -> list[Check]:
    """Each law against the law that breaks the same part of the assumption, each family of activations against |z|."""
    if not early_linear.high(settings_of(dataset)["dim"]):
        return []
    gaussian, other = cells_where(dataset, law="gaussian"), {law: cells_where(dataset, law=law) for law in LAWS[1:]}
    spectrum = control("two directions hold 98 % of the trace: rel", mean(other["spiked"].rel_train), above(APART))
    tails = control("t of 2.5 degrees of freedom: rel", mean(other["heavy tails"].rel_train), above(APART))
    none = control("|z|: rel", mean(cells_where(gaussian, activation="abs").rel_train), above(APART))
    found = [
        check(dataset, "H18", "empirical", "entries +-1: rel up to T", mean(other["rademacher"].rel_train), below(CLOSE), tails)
    ]
    if early_linear.count(dataset) >= ENOUGH_SEEDS:
        uneven = mean(other["linear spectrum"].rel_train)
        statistic = "variances from 0.1 to 1.9: rel up to T"
        found.append(check(dataset, "H18", "empirical", statistic, uneven, below(CLOSE), spectrum))
    for what, names in (("smooth", SMOOTH), ("piecewise linear", PIECEWISE)):
        means = [mean(cells_where(gaussian, activation=name).rel_train) for name in names if name in gaussian.activation.values]
        if means:
            statistic = f"{what} activations: largest rel up to T"
            found.append(check(dataset, "H19", "empirical", statistic, early_linear.worst(means), below(CLOSE), none))
    return found
