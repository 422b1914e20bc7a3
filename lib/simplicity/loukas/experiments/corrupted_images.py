"""Dog against airplane with corrupted labels, one image a step, on the paper's convolutional network (claims F1d-f, F2c).

Loukas et al. 2021, Task 2, Figures 1d-f and 2c: the network of `modules.two_convolutions`, cross-entropy, batch 1, rate
.0025 that falls tenfold every half of the run, labels redrawn by a fair coin. Recorded with fewer images than theirs; the
files of CIFAR-10 must be there (`simplicity data fetch`). The small presets use scikit-learn's digits 3 against 8, enlarged.
"""

import dataclasses

import numpy as np
import torch
import xarray as xr
from torch import nn

from simplicity.data import corruption, images, streams
from simplicity.evidence.claims import Check, cells_where
from simplicity.grid import config
from simplicity.grid.config import seeds, shared
from simplicity.loukas import corruption_checks, single_image
from simplicity.loukas.single_sample import passes
from simplicity.nets import modules

CLAIMS = ("L-F1d", "L-F1e", "L-F1f", "L-F2c")

DATA = {"digits": (3, 8), "cifar10": (0, 5)}  # airplane 0, dog 5: the first class is labelled 0
SIDE = 32
PROBES = 13
MATCHED = 0.4


@config.settings
class Config:
    data: str = config.param("digits", "images: digits 3 / 8, or CIFAR-10 airplane / dog", choices=tuple(DATA))
    corruption: tuple[float, ...] = config.param((0.0, 0.2, 0.4, 0.6), "shares of labels replaced by a coin", low=0, high=1)
    images: int = config.param(200, "training images", unit="samples", low=4, high=10_000)
    tests: int = config.param(100, "test images", unit="samples", low=4, high=2000)
    channels: int = config.param(8, "of the first convolution; the second and the full layers have four times as many", low=1)
    rate: float = config.param(0.0025, "learning rate of SGD at the start", low=1e-12)
    epochs: int = config.param(30, "passes over the images", unit="epochs", low=2, high=10_000)
    seeds: int = config.param(1, "seeds of each share", low=1, high=100_000)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config(rate=0.01)
TINY = dataclasses.replace(QUICK, channels=2, images=20, tests=10, epochs=3)
FULL = dataclasses.replace(QUICK, data="cifar10", images=1000, tests=2000, channels=96, rate=0.0025, epochs=100, seeds=5)


@dataclasses.dataclass(frozen=True)
class Cell:
    data: str
    corruption: float
    seed: int
    images: int
    tests: int
    channels: int
    rate: float
    epochs: int


def cells(config: Config) -> list[Cell]:
    common = shared(Cell, config, but=("corruption",))
    return [Cell(corruption=share, seed=seed, **common) for seed in seeds(config) for share in config.corruption]


def measure(cell: Cell) -> xr.Dataset:
    """Statistics of every pass along `epoch`; loss and accuracy on clean test labels and on the given labels at probes."""
    pair = sample(cell)
    noise = streams.generator(cell.seed, streams.NOISE)
    given = corruption.nested(pair.y, cell.corruption, noise).astype(np.float32)
    widths = cell.channels, 4 * cell.channels
    module = modules.two_convolutions(pair.x.shape[1:], streams.generator(cell.seed, streams.INITIALISATION), widths)
    assert isinstance(module, nn.Sequential)
    rates = cell.rate * 10 ** (-2 * np.arange(cell.epochs) / cell.epochs)
    order = passes(len(pair.x), cell.epochs, streams.generator(cell.seed, streams.BATCHES))
    looks = tuple(np.unique(np.rint(np.linspace(0, cell.epochs, PROBES)).astype(int)).tolist())
    found = single_image.descend(
        module, pair.x, given, order, step_size=rates, window=len(pair.x), schedule=looks,
        probes={"test": lambda one: _score(one, pair.x_test, pair.y_test), "train": lambda one: _score(one, pair.x, given)},
        dims={"test": ("score",), "train": ("score",)},
    )  # fmt: skip
    return corruption_checks.summary(found, rates, np.mean(given != pair.y))


def sample(cell: Cell) -> corruption.Pair:
    """Images of two classes: training and test images from the two parts of the data set."""
    rng = streams.generator(cell.seed, streams.DATA)
    split = images.load(cell.data, rng)
    train = corruption.drawn(split.train.y, DATA[cell.data], cell.images, rng)
    test = corruption.drawn(split.test.y, DATA[cell.data], cell.tests, rng)
    return corruption.Pair(
        corruption.scaled(split.train.x[train.chosen], split.train.top, SIDE), train.y,
        corruption.scaled(split.test.x[test.chosen], split.test.top, SIDE), test.y,
    )  # fmt: skip


def _score(module: nn.Module, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(cross-entropy in nats, accuracy)."""
    logits = np.concatenate([_logits(module, x[i : i + 100]) for i in range(0, len(x), 100)])
    loss = np.logaddexp(0, logits) - y * logits
    return np.array([loss.mean(), np.mean((logits > 0) == (y > 0.5))])


def _logits(module: nn.Module, x: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return module(torch.from_numpy(x)).numpy()[:, 0]


def checks(dataset: xr.Dataset) -> list[Check]:
    """Of CIFAR-10, the data of the paper, and with its network alone."""
    if set(dataset.data.values.tolist()) != {"cifar10"} or set(dataset.channels.values.tolist()) != {FULL.channels}:
        return []
    runs = corruption_checks.thinned(dataset)
    clean, corrupted = (cells_where(runs, corruption=share) for share in (0.0, 0.2))
    if min(clean.sizes["cell"], corrupted.sizes["cell"]) == 0:
        return []
    readings = [*corruption_checks.READINGS.values(), corruption_checks.matched(MATCHED)]
    why = "all labels flipped is the same task by another name, and is judged on the digits"
    return corruption_checks.judged(dataset, "CIFAR-10 dog / airplane", clean, corrupted, None, readings, why)
