"""How large a step may be: of the order d where phi has mean 0, of order 1 where it has not (claim H15).

Linear stability of the descent at the start: step < 2 n / |Theta_0|. Where vartheta_0 = 0 the kernel's largest eigenvalue is of
order n/d, otherwise about vartheta_0^2 n, so that the limit grows with d or does not (Hu et al. 2020: eta << d, eta << 1). The
arithmetic is about the linearised network; here it is tried on whole runs of the network at multiples of the limit.
"""

import dataclasses

import numpy as np
import xarray as xr

from simplicity.evidence.claims import (
    Check,
    above,
    below,
    cells_where,
    check,
    control,
    every_seed,
    no_seed,
    settings_of,
    share,
)
from simplicity.grid import config
from simplicity.grid.config import seeds
from simplicity.hu import early_linear, kernel, ntk
from simplicity.nets.activations import ACTIVATIONS
from simplicity.nets.loop import Diverged

CLAIMS = ("H15",)

ENOUGH_SEEDS = 5  # with one, either outcome differs in one of ten other seed blocks
MULTIPLES = (0.5, 0.7, 0.8, 0.9, 1.0, 1.05, 1.1, 1.2, 1.5, 2.0, 3.0)  # of 2 n / |Theta_0|


@config.settings
class Config:
    dims: tuple[int, ...] = config.param((25, 100), "input dimensions", low=2, high=10**4)
    activations: tuple[str, ...] = config.param(("erf", "relu"), "activations", choices=tuple(ACTIVATIONS))
    n: int = config.param(500, "training samples", unit="samples", low=2, high=10**5)
    width: int = config.param(512, "hidden neurons", unit="neurons", low=2, high=10**5)
    steps: int = config.param(40, "steps of a run", low=1, high=10**5)
    seeds: int = config.param(1, "teachers, each with its data and network", low=1, high=10**5)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config()
TINY = dataclasses.replace(QUICK, dims=(5, 10), n=60, width=32, steps=10)
FULL = dataclasses.replace(QUICK, dims=(25, 50, 100, 200), n=1000, steps=200, seeds=5)


@dataclasses.dataclass(frozen=True)
class Cell:
    seed: int
    dim: int
    activation: str
    n: int
    width: int
    steps: int


def cells(config: Config) -> list[Cell]:
    common = {"n": config.n, "width": config.width, "steps": config.steps}
    return [Cell(seed, dim, name, **common) for seed in seeds(config) for dim in config.dims for name in config.activations]


def measure(cell: Cell) -> xr.Dataset:
    """`step_limit` = 2 n / |Theta_0| on the samples, and along `multiple` of it `largest`, the largest loss over the first.

    A run that diverges has no such number, NaN. `ratio` is the largest of the multiples up to which no run ever rose above its
    start, and `stable_up_to` that step.
    """
    plain = early_linear.Cell(cell.seed, cell.dim, cell.n, cell.width, 1.0, activation=cell.activation)
    found, start = early_linear.data(plain, 1), early_linear.network(plain)
    theta = kernel.first_block(found.x, start.w, cell.activation) + kernel.second_block(found.x, start.w, cell.activation)
    limit = 2 * cell.n / kernel.spectral_norm(theta)

    def loss(net: ntk.TwoLayer) -> float:
        return float(early_linear.square(ntk.forward(net, found.x, cell.activation) - found.y) / 2)

    largest = []
    for multiple in MULTIPLES:
        try:
            _, run = ntk.descend(
                start, found.x, found.y, activation=cell.activation, step_size=multiple * limit,
                schedule=tuple(range(cell.steps + 1)), probes={"loss": loss},
            )  # fmt: skip
            largest.append(float(run.loss.max() / run.loss[0]))
        except Diverged:
            largest.append(float("nan"))
    stable = np.minimum.accumulate(np.array(largest) <= 1 + 1e-6)
    return xr.Dataset(
        {
            "largest": ("multiple", np.array(largest)),
            "step_limit": limit,
            "stable_up_to": max([m for m, ok in zip(MULTIPLES, stable, strict=True) if ok], default=0.0) * limit,
            "ratio": max([m for m, ok in zip(MULTIPLES, stable, strict=True) if ok], default=0.0),
        }
    )


def checks(dataset: xr.Dataset) -> list[Check]:
    if early_linear.count(dataset) < ENOUGH_SEEDS or not early_linear.high(*settings_of(dataset)["dims"]):
        return []
    inside = (dataset.ratio.values >= 0.8) & (dataset.ratio.values <= 1.1)
    thrice = share((dataset.largest.values[:, -1] <= 1).tolist())
    erf, relu = (
        early_linear.mean_slope(cells_where(dataset, activation=name), "stable_up_to", "dim") for name in ("erf", "relu")
    )
    return [
        check(
            dataset, "H15", "empirical", "largest stable step in units of 2 n / |Theta_0|: share of runs in [0.8, 1.1]",
            share(inside.tolist()), every_seed(),
            control("three times the limit: share of runs whose loss never rises above its start", thrice, no_seed()),
        ),
        check(
            dataset, "H15", "theorem", "erf: slope of the log of the largest stable step on log d", erf, above(0.75),
            control("ReLU, whose mean is not 0: the same slope", relu, below(0.25)),
        ),
    ]  # fmt: skip
