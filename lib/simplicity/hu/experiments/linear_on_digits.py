"""Deep networks on digits beside the linear model of their tangent kernel (claims H22 to H25, on data that need no file).

Hu et al. 2020, Figure 3, with scikit-learn's digits of 8 x 8 pixels, even against odd, in place of CIFAR-10 (which is in
`linear_on_cifar`). Four hidden layers of erf, in NTK parametrisation, as the difference of two copies; the control is the
convolutional network with global average pooling, whose kernel is linear in another thing than the pixels.
"""

import dataclasses

import numpy as np
import xarray as xr

from simplicity.data import images, streams
from simplicity.evidence.claims import Check, cells_where
from simplicity.grid import config
from simplicity.grid.config import seeds, shared
from simplicity.hu import linear_images
from simplicity.hu.linear_images import NETWORKS

CLAIMS = ("H22", "H23", "H24", "H25")

KINDS = NETWORKS[:4]
ENOUGH_SEEDS = 5
TRAIN = 1400  # of 1797; the others are the test


@config.settings
class Config:
    networks: tuple[str, ...] = config.param(KINDS, "network, the last one by its kernel alone", choices=KINDS)
    n: int = config.param(600, "training images", unit="samples", low=20, high=TRAIN)
    width: int = config.param(256, "neurons of a hidden layer, fully connected", unit="neurons", low=1, high=10_000)
    channels: int = config.param(16, "channels of a hidden layer, convolutional", low=1, high=1000)
    rate: float = config.param(0.2, "learning rate in units of d / (c_1 lambda_max)", low=1e-6, high=1.9)
    steps: int = config.param(300, "steps of the fully connected network", low=2, high=10**6)
    few_steps: int = config.param(60, "steps of the convolutional ones", low=2, high=10**6)
    points: int = config.param(14, "looks along the run, beside those in the window", low=2, high=1000)
    shown: int = config.param(50, "test images whose outputs are kept", unit="samples", low=3, high=397)
    seeds: int = config.param(1, "seeds of each network", low=1, high=100_000)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config()
TINY = dataclasses.replace(QUICK, n=60, width=32, channels=4, steps=30, few_steps=20, points=4, shown=5)
FULL = dataclasses.replace(QUICK, seeds=10)


@dataclasses.dataclass(frozen=True)
class Cell:
    network: str
    seed: int
    n: int
    width: int
    rate: float
    steps: int
    points: int
    shown: int


def cells(config: Config) -> list[Cell]:
    dense = ("connected", "infinite")
    return [
        Cell(
            network=network, seed=seed, width=config.width if network in dense else config.channels,
            steps=config.steps if network in dense else config.few_steps,
            **shared(Cell, config, but=("width", "steps")),
        )
        for seed in seeds(config)
        for network in config.networks
    ]  # fmt: skip


def measure(cell: Cell) -> xr.Dataset:
    """The network against its model along `probe`; `weights` (row, column) are the model's after its half-time."""
    return linear_images.follow(
        sample(cell.seed, cell.n), cell.network, width=cell.width, rate=cell.rate, steps=cell.steps, points=cell.points,
        shown=cell.shown, rng=streams.generator(cell.seed, streams.INITIALISATION),
        shuffle=streams.generator(cell.seed, streams.NOISE),
    )  # fmt: skip


def sample(seed: int, n: int) -> linear_images.Sample:
    """`n` training images and 397 others; even digits are labelled +1."""
    split = images.digits(streams.generator(seed, streams.DATA), TRAIN)
    train = split.train.take(np.arange(n))
    x, x_test = (part.x[:, None].astype(float) for part in (train, split.test))
    return linear_images.prepared(x, train.y % 2 == 0, x_test, split.test.y % 2 == 0)


def checks(dataset: xr.Dataset) -> list[Check]:
    """The fully connected network for H22, the flattened one for H23, both for H24 and H25.

    Of fewer than `ENOUGH_SEEDS` it is chance where pooling comes out, and what permuted labels do on the complement of the
    convolutional network's outputs: there its correlation and its later part are not judged.
    """
    dense, flat, pooled = (cells_where(dataset, network=name) for name in ("connected", "flattened", "pooled"))
    enough = len(set(dataset.seed.values.tolist())) >= ENOUGH_SEEDS
    found: list[Check] = []
    for where, runs, claim in (("digits, fully connected", dense, "H22"), ("digits, convolutional", flat, "H23")):
        found.append(linear_images.sized(dataset, where, runs, pooled))
        found.append(linear_images.split(dataset, where, runs, claim))
        if enough or claim == "H22":
            found += linear_images.close(dataset, where, runs, claim, pooled)
            found += linear_images.later(dataset, where, runs, claim)
    return found
