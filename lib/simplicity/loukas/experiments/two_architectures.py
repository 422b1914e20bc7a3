"""Threes against sixes, one image a step: a fully connected network beside a convolutional one (claim FM).

A plot of the code of Loukas et al. 2021 whose place in the paper we have not seen: MNIST 3 against 6, 100 images a class
for training, batch 1, rate .002, 100 passes; 784-784-512-1 with identity first layer, and the convolutional network of
Task 2. Read as: on the same data, the architecture with the shorter trajectory has the lower test loss. The files of MNIST
must be there (`simplicity data fetch`); the small presets use scikit-learn's digits, enlarged. Control: twice the same
architecture.
"""

import dataclasses
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import nn

from simplicity import nets
from simplicity.data import corruption, images, streams
from simplicity.evidence.claims import Check, cells_where, check, control, interval_contains, share, sign_test
from simplicity.grid import config
from simplicity.grid.config import seeds, shared
from simplicity.loukas import corruption_checks, lipschitz, single_image, single_sample
from simplicity.nets import modules

CLAIMS = ("L-FM",)

CLASSES = (3, 6)
ARCHITECTURES = ("fully connected", "convolutional")
SIDE = 28
PROBES = 6
ENOUGH_SEEDS = 8  # a sign test over fewer cannot come out but when all agree, or not at all


@config.settings
class Config:
    data: str = config.param("digits", "images", choices=("digits", "mnist"))
    architectures: tuple[str, ...] = config.param(ARCHITECTURES, "networks", choices=ARCHITECTURES)
    images: int = config.param(200, "training images", unit="samples", low=4, high=10_000)
    tests: int = config.param(100, "test images", unit="samples", low=4, high=1800)
    hidden: int = config.param(64, "neurons of the fully connected network above the first layer", low=1, high=10**4)
    channels: int = config.param(8, "of the first convolution; the second and the full layers have four times as many", low=1)
    rate: float = config.param(0.01, "learning rate of SGD", low=1e-12)
    epochs: int = config.param(30, "passes over the images", unit="epochs", low=2, high=10_000)
    seeds: int = config.param(1, "seeds of each network", low=1, high=100_000)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config()
TINY = dataclasses.replace(QUICK, images=10, tests=10, hidden=4, channels=2, epochs=6)
FULL = dataclasses.replace(
    QUICK, data="mnist", images=200, tests=1800, hidden=512, channels=96, rate=0.002, epochs=100, seeds=10
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Cell:
    architecture: str
    seed: int
    data: str
    images: int
    tests: int
    hidden: int
    channels: int
    rate: float
    epochs: int


def cells(config: Config) -> list[Cell]:
    common = shared(Cell, config)
    return [Cell(architecture=name, seed=seed, **common) for seed in seeds(config) for name in config.architectures]


def measure(cell: Cell) -> xr.Dataset:
    """Statistics of every pass along `epoch`; loss and accuracy on test and training images at probes."""
    rng = streams.generator(cell.seed, streams.DATA)
    split = images.load(cell.data, rng)
    train = corruption.drawn(split.train.y, CLASSES, cell.images, rng)
    test = corruption.drawn(split.test.y, CLASSES, cell.tests, rng)
    x, x_test = (
        corruption.scaled(part.x[one.chosen], part.top, SIDE) for part, one in ((split.train, train), (split.test, test))
    )
    rates = np.full(cell.epochs, cell.rate)
    looks = tuple(np.unique(np.rint(np.linspace(0, cell.epochs, PROBES)).astype(int)).tolist())
    more: dict[str, Any] = {
        "order": single_sample.passes(len(x), cell.epochs, streams.generator(cell.seed, streams.BATCHES)),
        "step_size": rates, "window": len(x), "schedule": looks, "dims": {"test": ("score",), "train": ("score",)},
    }  # fmt: skip
    labels = train.y.astype(float)
    start = streams.generator(cell.seed, streams.INITIALISATION)
    if cell.architecture == "convolutional":
        module = modules.two_convolutions(x.shape[1:], start, (cell.channels, 4 * cell.channels))
        assert isinstance(module, nn.Sequential)
        found = single_image.descend(
            module, x, labels, probes={
                "test": lambda one: _score(_logits(one, x_test), test.y), "train": lambda one: _score(_logits(one, x), train.y),
            }, **more,
        )  # fmt: skip
    else:
        flat, flat_test = x.reshape(len(x), -1), x_test.reshape(len(x_test), -1)
        network = nets.torch_default((SIDE**2, SIDE**2, cell.hidden, 1), start, identity=True)
        _, found = single_sample.descend(
            network, flat, labels, loss="cross entropy", probes={
                "test": lambda one: _score(lipschitz.outputs(one, flat_test), test.y),
                "train": lambda one: _score(lipschitz.outputs(one, flat), train.y),
            }, **more,
        )  # fmt: skip
    return corruption_checks.summary(found, rates, 0.0)


def _logits(module: nn.Module, x: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return np.concatenate([module(torch.from_numpy(x[i : i + 100])).numpy()[:, 0] for i in range(0, len(x), 100)])


def _score(f: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(cross-entropy in nats, accuracy)."""
    return np.array([np.mean(np.logaddexp(0, f) - y * f), np.mean((f > 0) == (y > 0.5))])


def agreement(dataset: xr.Dataset) -> np.ndarray:
    """(seed,): has the architecture with the shorter total trajectory the lower test loss?"""
    first, second = (cells_where(dataset, architecture=name).sortby("seed") for name in ARCHITECTURES)
    return _agree(first, second)


def _agree(first: xr.Dataset, second: xr.Dataset) -> np.ndarray:
    length = second.trajectory.values.sum(axis=1) - first.trajectory.values.sum(axis=1)
    return np.sign(length) == np.sign(second.test_loss.values[:, -1] - first.test_loss.values[:, -1])


def checks(dataset: xr.Dataset) -> list[Check]:
    """The shorter trajectory and the lower test loss belong to the same architecture, on MNIST."""
    if set(dataset.data.values.tolist()) != {"mnist"}:
        return []
    parts = [cells_where(dataset, architecture=name).sortby("seed") for name in ARCHITECTURES]
    if min(part.sizes["cell"] for part in parts) < ENOUGH_SEEDS:
        return []
    again = [_agree(part.isel(cell=slice(0, None, 2)), part.isel(cell=slice(1, None, 2))) for part in parts]
    return [
        check(
            dataset, "L-FM", "empirical", "MNIST 3 / 6: share of seeds, the shorter trajectory has the lower test loss",
            share(agreement(dataset)), sign_test(),
            control("two runs of one architecture", share(np.concatenate(again)), interval_contains(0.5)),
        )
    ]  # fmt: skip
