"""Deep networks on CIFAR-10 cats against horses beside the linear model of their tangent kernel (claims H22 to H25).

Hu et al. 2020, Figure 3: 10,000 training and 2,000 test images. Images are averaged over 4 x 4 pixels to 8 x 8 x 3 (d = 192),
or left at 32 x 32 x 3 (d = 3072), where 2,000 test images span everything and the complement is empty: the fully connected
network gets 8,000 there, of which 6,000 are training images that it does not see. The files of CIFAR-10 must be there
(`simplicity data fetch`); the small presets use scikit-learn's digits 3 against 8.
"""

import dataclasses

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from simplicity.data import corruption, images, streams
from simplicity.evidence.claims import Check, cells_where
from simplicity.grid import config
from simplicity.grid.config import seeds, shared
from simplicity.hu import linear_images

CLAIMS = ("H22", "H23", "H24", "H25")

CLASSES = {"digits": (3, 8), "cifar10": (3, 7)}  # cat 3, horse 7
LARGE = 32
MOST = 12_000


@dataclasses.dataclass(frozen=True)
class Setting:
    """A network and the images it gets; `seeds` at most."""

    network: str
    side: int
    n: int
    tests: int
    width: int
    steps: int
    seeds: int = 5


SETTINGS = {
    "infinite 8": Setting("infinite", 8, 2000, 1000, 1, 60),
    "infinite flattened 8": Setting("infinite flattened", 8, 200, 200, 1, 60),
    "flattened 8": Setting("flattened", 8, 2000, 2000, 16, 60),
    "pooled 8": Setting("pooled", 8, 2000, 2000, 16, 60, seeds=3),
    "connected 8": Setting("connected", 8, 10_000, 2000, 256, 60, seeds=3),
    "wide 8": Setting("connected", 8, 2000, 2000, 1024, 60, seeds=2),
    "connected 32": Setting("connected", 32, 2000, 8000, 256, 44, seeds=2),
    "flattened 32": Setting("flattened", 32, 250, 1000, 16, 40, seeds=1),
    "pooled 32": Setting("pooled", 32, 250, 1000, 16, 40, seeds=1),
    "long 8": Setting("connected", 8, 10_000, 2000, 256, 400, seeds=2),
}


@config.settings
class Config:
    data: str = config.param("cifar10", "images: CIFAR-10 cats / horses, or digits 3 / 8", choices=tuple(CLASSES))
    settings: tuple[str, ...] = config.param(tuple(SETTINGS), "network and side of the images", choices=tuple(SETTINGS))
    rate: float = config.param(0.5, "learning rate in units of d / (c_1 lambda_max)", low=1e-6, high=1.9)
    fewer: int = config.param(1, "times fewer images than planned", low=1, high=1000)
    points: int = config.param(20, "looks along the run, beside those in the window", low=2, high=1000)
    shown: int = config.param(12, "test images whose outputs are kept", unit="samples", low=3, high=1000)
    seeds: int = config.param(5, "seeds of each setting, at most; the costly ones have fewer", low=1, high=100_000)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


FULL = Config()
QUICK = dataclasses.replace(FULL, data="digits", settings=("wide 8", "infinite 8"), fewer=20, seeds=1)
TINY = dataclasses.replace(QUICK, settings=("infinite 8",), points=4)


@dataclasses.dataclass(frozen=True)
class Cell:
    setting: str
    seed: int
    data: str
    network: str
    side: int
    n: int
    tests: int
    width: int
    rate: float
    steps: int
    points: int
    shown: int


def cells(config: Config) -> list[Cell]:
    found = []
    for name in config.settings:
        one = SETTINGS[name]
        found += [
            Cell(
                setting=name, seed=seed, network=one.network, side=one.side, n=one.n // config.fewer,
                tests=one.tests // config.fewer, width=one.width, steps=one.steps, **shared(Cell, config),
            )
            for seed in list(seeds(config))[: one.seeds]
        ]  # fmt: skip
    return found


def measure(cell: Cell) -> xr.Dataset:
    """The network against its model along `probe`; `trained` and `tested` are how many images there were."""
    given = sample(cell)
    found = linear_images.follow(
        given, cell.network, width=cell.width, rate=cell.rate, steps=cell.steps, points=cell.points, shown=cell.shown,
        rng=streams.generator(cell.seed, streams.INITIALISATION), shuffle=streams.generator(cell.seed, streams.NOISE),
    )  # fmt: skip
    if found.sizes["plane"] == 1:  # digits are grey
        found = found.isel(plane=[0, 0, 0])
    return found.assign(trained=len(given.y), tested=len(given.y_test))


def sample(cell: Cell) -> linear_images.Sample:
    """Images of the two classes at random; test images beyond the data set's own are training images not trained on."""
    rng = streams.generator(cell.seed, streams.DATA)
    split = images.load(cell.data, rng)
    train, test = (corruption.drawn(part.y, CLASSES[cell.data], MOST, rng) for part in (split.train, split.test))
    own = min(cell.tests, len(test.y))
    unseen = slice(cell.n, cell.n + cell.tests - own)
    tested = np.concatenate([split.test.x[test.chosen[:own]], split.train.x[train.chosen[unseen]]])
    return linear_images.prepared(
        pixels(split.train.x[train.chosen[: cell.n]], split.train.top, cell.side), train.y[: cell.n],
        pixels(tested, split.train.top, cell.side), np.concatenate([test.y[:own], train.y[unseen]]),
    )  # fmt: skip


def pixels(x: NDArray[np.uint8], top: int, side: int) -> NDArray[np.float64]:
    """Means over squares of the images at `LARGE` x `LARGE`, (n, planes, side, side)."""
    times = LARGE // side
    squares = corruption.scaled(x, top, LARGE).reshape(len(x), -1, side, times, side, times)
    return squares.mean(axis=(3, 5)).astype(float)


def checks(dataset: xr.Dataset) -> list[Check]:
    """Of CIFAR-10 alone, the data of the paper."""
    if set(dataset.data.values.tolist()) != {"cifar10"}:
        return []
    found: list[Check] = []
    for name, claim in JUDGED.items():
        runs = cells_where(dataset, setting=name)
        if not runs.sizes["cell"]:
            continue
        where = f"CIFAR-10 {TITLES[name]}"
        pooled = cells_where(dataset, setting=f"pooled {name.rpartition(' ')[2]}")
        found += linear_images.close(dataset, where, runs, claim, pooled)
        found.append(linear_images.sized(dataset, where, runs, pooled))
        if runs.rest.values.min() > linear_images.APART:  # else there is little complement, or none
            found.append(linear_images.split(dataset, where, runs, claim))
    long = cells_where(dataset, setting="long 8")
    if long.sizes["cell"]:
        found += linear_images.later(dataset, f"CIFAR-10 {TITLES['long 8']}", long, "H22")
    return found


JUDGED = {"connected 8": "H22", "wide 8": "H22", "connected 32": "H22", "flattened 8": "H23", "flattened 32": "H23"}
TITLES = {
    "connected 8": "8 x 8 x 3, fully connected, width 256",
    "long 8": "8 x 8 x 3, fully connected, width 256, 400 steps",
    "wide 8": "8 x 8 x 3, fully connected, width 1024",
    "infinite 8": "8 x 8 x 3, fully connected, infinitely wide",
    "infinite flattened 8": "8 x 8 x 3, convolutional, infinitely wide",
    "flattened 8": "8 x 8 x 3, convolutional",
    "pooled 8": "8 x 8 x 3, convolutional, pooled",
    "connected 32": "32 x 32 x 3, fully connected, width 256",
    "flattened 32": "32 x 32 x 3, convolutional",
    "pooled 32": "32 x 32 x 3, convolutional, pooled",
}
