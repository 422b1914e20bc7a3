"""a_j^2 - |w_j|^2 is conserved by the flow, and with it the sign of a_j (claim B23).

Boursier & Flammarion, section 2: both weights of a neuron are pulled by the same force, so the flow keeps a_j^2 - |w_j|^2,
and where that is not negative a_j cannot pass 0. Gradient descent drifts in proportion to its step size. Adam rescales each
coordinate by itself and conserves nothing. The step sizes are compared at the same time, steps times step size.
"""

import dataclasses
from functools import partial
from typing import Any

import numpy as np
import torch
import xarray as xr

from simplicity import nets
from simplicity.boursier import synthetic
from simplicity.boursier.two_layer import descend
from simplicity.data import streams
from simplicity.evidence.claims import (
    Check,
    Estimate,
    below,
    between,
    cells_where,
    check,
    control,
    every_seed,
    mean,
    share,
)
from simplicity.grid import config
from simplicity.grid.config import seeds, shared
from simplicity.nets import starts
from simplicity.nets.train import train

CLAIMS = ("B23",)

FINER = 10  # the second step size is the first divided by this
PROBES = 26  # in time, the same for both step sizes
# (optimiser, start): the claim's own setting, no conservation, conservation without domination.
RUNS = (("gradient descent", "dominated"), ("adam", "dominated"), ("gradient descent", "gaussian"))
JUDGED_WIDTH = (100, 500)


@config.settings
class Config:
    neurons: int = config.param(100, "hidden neurons", unit="neurons", low=1)
    n: int = config.param(80, "samples", unit="samples", low=1)
    dim: int = config.param(5, "input dimension", low=1)
    law: str = config.param("margin", "law of the inputs", choices=synthetic.LAWS)
    scale: float = config.param(0.1, "scale lambda of the initialisation", low=0)
    noise_variance: float = config.param(0.25, "sigma^2", low=0)
    coarse_step: float = config.param(0.02, "the larger of the two learning rates", low=0)
    coarse_steps: int = config.param(500, "steps of the larger learning rate", low=PROBES - 1)
    seeds: int = config.param(5, "seeds of each setting", low=1)
    first_seed: int = config.param(0, "the first of them", low=0)


QUICK = Config()
TINY = dataclasses.replace(QUICK, neurons=10, n=20, coarse_steps=50, seeds=2)
FULL = dataclasses.replace(QUICK, neurons=500, seeds=10)


@dataclasses.dataclass(frozen=True)
class Cell:
    optimiser: str
    kind: str
    step_size: float
    steps: int
    seed: int
    neurons: int
    n: int
    dim: int
    law: str
    scale: float
    noise_variance: float


def cells(config: Config) -> list[Cell]:
    return [
        Cell(
            optimiser=optimiser, kind=kind, step_size=config.coarse_step / finer, steps=config.coarse_steps * finer,
            seed=seed, **shared(Cell, config),
        )
        for seed in seeds(config)
        for optimiser, kind in RUNS
        for finer in (1, FINER)
    ]  # fmt: skip


def measure(cell: Cell) -> xr.Dataset:
    """`drift`: max_j |Q_j(t) - Q_j(0)| of Q_j = a_j^2 - |w_j|^2. `kept`: share of neurons whose a_j has its first sign."""
    task = synthetic.linear_task(cell.law, cell.n, cell.dim, cell.noise_variance, cell.seed)
    rng = streams.generator(cell.seed, streams.INITIALISATION)
    start = starts.STARTS[cell.kind](cell.neurons, cell.dim, cell.scale, rng)
    settings: dict[str, Any] = {
        "schedule": tuple(np.rint(np.linspace(0, cell.steps, PROBES)).astype(int).tolist()),
        "probes": {
            "drift": lambda network: float(np.abs(balance(network) - balance(start)).max()),
            "kept": lambda network: float(np.mean(np.sign(network.a) == np.sign(start.a))),
            "train_curve": lambda network: float(np.mean((nets.forward(network, task.x) - task.y) ** 2)),
        },
    }
    if cell.optimiser == "adam":
        # Fused, Adam takes the square root of the processor, which is exact; else one of MKL's, which differs between them.
        adam = partial(torch.optim.Adam, lr=cell.step_size, fused=True)
        _, run = train(start, task.x, task.y, optimiser=adam, **settings)
    else:
        _, run = descend(start, task.x, task.y, step_size=cell.step_size, **settings)
    fraction = ("probe", np.linspace(0, 1, PROBES))
    return run[["drift", "kept", "train_curve"]].drop_vars(["step", "time"]).assign_coords(fraction=fraction)


def balance(network: nets.TwoLayer) -> np.ndarray:
    """a_j^2 - |w_j|^2 of each neuron."""
    return network.a**2 - np.sum(network.w**2, axis=1)


def checks(dataset: xr.Dataset) -> list[Check]:
    runs = cells_where(dataset, neurons=JUDGED_WIDTH)
    flow = cells_where(runs, optimiser="gradient descent", kind="dominated")
    adam = cells_where(runs, optimiser="adam")
    free = cells_where(runs, optimiser="gradient descent", kind="gaussian")
    return [
        check(
            dataset, "B23", "identity", "mean over seeds of the drift at the larger step size / at a tenth of it, same time",
            drift_ratio(flow), between(8, 12),
            control("Adam, whose drift must not fall with the step size: the same ratio", drift_ratio(adam), below(1)),
        ),
        check(
            dataset, "B23", "theorem", "share of runs in which every a_j keeps its sign, gradient descent, dominated start",
            share((flow.kept.values == 1).all(axis=1)), every_seed(),
            control("a start that is not dominated: mean share of kept signs", _mean_kept(free), below(0.99)),
        ),
    ]  # fmt: skip


def drift_ratio(runs: xr.Dataset) -> Estimate:
    """Mean over seeds of the final drift at the larger step size over that at the smaller one."""
    found = []
    for seed in np.unique(runs.seed.values):
        pair = cells_where(runs, seed=seed).sortby("step_size")
        if pair.sizes["cell"] == 2:
            found.append(float(pair.drift[1, -1] / pair.drift[0, -1]))
    return mean(found)


def _mean_kept(runs: xr.Dataset) -> Estimate:
    return mean(runs.kept.values[:, -1])
