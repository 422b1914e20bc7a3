"""Sums of normalised bias steps over a window against sums of lambda_avg: how fast sampling makes them equal (claim L-T1).

Loukas et al. 2021, Theorem 1: over T steps with replacement the two differ by delta a step, T being of the order of
(lambda_max / (sigma_n delta))^2, so their relative gap falls like T^(-1/2). W_1 = I, the cosine task at f = 0.5. Weights are
frozen (steps so small that nothing moves) or go on training. In epochs, as in all of the authors' runs, each sample comes once
and frozen weights leave no gap at all: there the theorem's law of sampling is not tested.
"""

import dataclasses

import numpy as np
import xarray as xr

from simplicity import nets
from simplicity.data import streams
from simplicity.evidence.claims import (
    Check,
    below,
    between,
    cells_where,
    check,
    control,
    interval_within,
    largest,
    mean,
)
from simplicity.grid import config
from simplicity.grid.config import seeds, shared
from simplicity.loukas import cosine, lipschitz, trajectory
from simplicity.loukas.single_sample import descend, passes, with_replacement

CLAIMS = ("L-T1",)

FREQUENCY = 0.5
JUDGED_N = 100
SIZES = (10, 10, 32, 32, 32, 1)
WINDOWS = (1, 2, 4, 8, 16, 32, 64)  # epochs
FROZEN = 1e-12  # a step size: 400,000 steps move b_1 by less than a millionth of a millionth
KINDS = ("frozen", "frozen, epochs", "frozen, one sample", "moving", "moving, epochs")


@config.settings
class Config:
    kinds: tuple[str, ...] = config.param(KINDS, "how samples are drawn, and whether weights move", choices=KINDS)
    n: int = config.param(100, "training points", unit="samples", low=2, high=10**6)
    pretrain: int = config.param(500, "epochs before, drawn with replacement", unit="epochs", low=1, high=10**6)
    blocks: int = config.param(32, "windows of 64 epochs", low=2, high=10**5)
    step_size: float = config.param(0.001, "learning rate alpha", low=1e-12)
    seeds: int = config.param(5, "seeds", low=1, high=100_000)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config(kinds=KINDS[:3])
TINY = dataclasses.replace(QUICK, n=10, pretrain=5, blocks=2, seeds=2)
FULL = dataclasses.replace(QUICK, kinds=KINDS, blocks=64, seeds=10, first_seed=100)


@dataclasses.dataclass(frozen=True)
class Cell:
    kind: str
    seed: int
    n: int
    pretrain: int
    blocks: int
    step_size: float


def cells(config: Config) -> list[Cell]:
    common = shared(Cell, config)
    return [Cell(kind=kind, seed=seed, **common) for seed in seeds(config) for kind in config.kinds]


def measure(cell: Cell) -> xr.Dataset:
    """`gap`, the rms over windows of (sum of normalised steps / sum of lambda_avg - 1), for each length, and its constant.

    `expected` is sd(lambda) / (mean(lambda) sqrt(n)), the rms gap of one epoch's worth of independent draws. The windows of a
    length do not overlap. lambda_avg is taken every four epochs, and in between on a line.
    """
    data = cosine.task(FREQUENCY, cell.n, cell.seed)
    start = nets.torch_default(SIZES, streams.generator(cell.seed, streams.INITIALISATION), identity=True)
    rng = streams.generator(cell.seed, streams.BATCHES)
    order = with_replacement(cell.n, cell.n * cell.pretrain, rng)
    network, _ = descend(start, data.x, data.y, order, step_size=cell.step_size, window=cell.n)
    epochs = cell.blocks * WINDOWS[-1]
    moving = cell.kind.startswith("moving")
    _, run = descend(
        network, data.x, data.y, _order(cell, epochs, rng), step_size=cell.step_size if moving else FROZEN, window=cell.n,
        schedule=range(0, epochs + 1, 4 if moving else epochs),
        probes={"average": lambda one: lipschitz.local(one, data.x).mean()},
    )  # fmt: skip
    # So small a step of b_1 is lost in its rounding; by L-L2 it is the slope, which is not.
    path = run.trajectory if moving else run.slope
    average = np.interp(np.arange(epochs + 1), run.probe_step.values / cell.n, run.average.values)
    average = (average[1:] + average[:-1]) / 2
    local = lipschitz.local(network, data.x)
    return xr.Dataset(
        {
            "gap": ("window", gaps(path.values, average)),
            "expected": local.std() / (local.mean() * np.sqrt(cell.n)),
        },
        {"length": ("window", list(WINDOWS))},
    )


def _order(cell: Cell, epochs: int, rng: np.random.Generator) -> np.ndarray:
    if cell.kind.endswith("epochs"):
        return passes(cell.n, epochs, rng)
    if cell.kind.endswith("one sample"):
        return np.full(cell.n * epochs, int(rng.integers(cell.n)))
    return with_replacement(cell.n, cell.n * epochs, rng)


def gaps(path: np.ndarray, average: np.ndarray) -> np.ndarray:
    """The rms relative gap of the sums over windows of each length; a path and lambda_avg for each epoch."""
    found = []
    for length in WINDOWS:
        sums = [part.reshape(-1, length).sum(axis=1) for part in (path, average)]
        found.append(np.sqrt(np.mean((sums[0] / sums[1] - 1) ** 2)))
    return np.array(found)


def exponents(dataset: xr.Dataset, kind: str) -> list[float]:
    """For each seed the slope of log gap on log window."""
    chosen = cells_where(dataset, kind=kind)
    return [trajectory.log_slope(WINDOWS, gap) for gap in chosen.gap.values]


def checks(dataset: xr.Dataset) -> list[Check]:
    dataset = cells_where(dataset, n=JUDGED_N)
    frozen, epochs = (cells_where(dataset, kind=kind) for kind in ("frozen", "frozen, epochs"))
    one_sample = mean(exponents(dataset, "frozen, one sample"))
    no_gap = largest(epochs.gap.values.ravel())
    return [
        check(
            dataset, "L-T1", "theorem", "frozen weights, with replacement: exponent of the rms gap in the window",
            mean(exponents(dataset, "frozen")), interval_within(-0.6, -0.4),
            control("the same sample at every step: its exponent", one_sample, between(-0.1, 0.1)),
        ),
        check(
            dataset, "L-T1", "theorem", "rms gap of one epoch's steps over sd(lambda) / (mean(lambda) sqrt(n))",
            mean((frozen.gap[:, 0] / frozen.expected).values), interval_within(0.8, 1.25),
            control("frozen weights in epochs, each sample once: the largest gap", no_gap, below(1e-5)),
        ),
    ]  # fmt: skip
