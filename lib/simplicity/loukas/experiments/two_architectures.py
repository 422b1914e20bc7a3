"""Threes against sixes, one image a step: fully connected beside convolutional (claim L29).

A plot of the code of Loukas et al. 2021 whose place in the paper we have not seen: MNIST 3 against
6, 100 images a class for training, batch 1, rate .002, 100 passes; 784-784-512-1 with identity
first layer, and the convolutional network of Task 2. Read as: on the same data, the architecture
with the shorter trajectory has the lower test loss. The files of MNIST must be there (`simplicity
data fetch`); the small presets use scikit-learn's digits, enlarged. Control: twice the same
architecture.
"""

from typing import Any

import numpy as np
import xarray as xr

from simplicity.data import corruption
from simplicity.evidence import claims
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.loukas import cosine, image_task, lipschitz, single_image, single_sample
from simplicity.loukas.criteria import elsewhere

CLAIMS = ("L29",)

ARCHITECTURES = ("fully connected", "convolutional")
SIDE = 28
PROBES = 6


@config.settings
class Run:
    """A run of one of the two networks."""

    architecture: str = config.param("convolutional", "network", choices=ARCHITECTURES)
    data: str = config.param("digits", "images", choices=("digits", "mnist"))
    images: int = config.param(200, "training images", unit="samples", low=4, high=10_000)
    tests: int = config.param(100, "test images", unit="samples", low=4, high=1800)
    hidden: int = config.param(64, "neurons above the first layer", low=1, high=10**4)
    channels: int = config.param(8, "of the first convolution; four times as many follow", low=1)
    rate: float = config.param(0.01, "learning rate of SGD", low=1e-12)
    epochs: int = config.param(30, "passes over the images", unit="epochs", low=2, high=10_000)
    seed: int = config.param(0, "seed of images, start and order", low=0, high=2**31 - 1)


GRID = Grid(
    Run,
    groups={"pairs": {"architecture": ARCHITECTURES}},
    quick={},
    full={
        "data": "mnist", "images": 200, "tests": 1800, "hidden": 512, "channels": 96,
        "rate": 0.002, "epochs": 100, "seeds": 10, "first_seed": 2_000_000,
    },
    tiny={"images": 10, "tests": 10, "hidden": 4, "channels": 2, "epochs": 6},
)  # fmt: skip


def measure(run: Run) -> xr.Dataset:
    """Statistics of every pass along `epoch`; scores on test and training images at probes."""
    pair = image_task.pair(run.data, (3, 6), run.images, run.tests, SIDE, run.seed)
    train = {"convolutional": _convolutional, "fully connected": _fully_connected}
    options = _options(run, len(pair.x))
    found = train[run.architecture](run, pair, options)
    return image_task.summary(found, options["step_size"], 0.0)


def _options(run: Run, images: int) -> dict[str, Any]:
    """What training of both networks has in common."""
    return {
        "order": cosine.in_epochs(images, run.epochs, run.seed),
        "step_size": np.full(run.epochs, run.rate),
        "window": images,
        "schedule": image_task.looks(run.epochs, PROBES),
    }


def _convolutional(run: Run, pair: corruption.Pair, options: dict[str, Any]) -> xr.Dataset:
    module = image_task.convolutional(pair, run.channels, run.seed)
    watched = image_task.watched(image_task.logits, (pair.x_test, pair.y_test), (pair.x, pair.y))
    return single_image.descend(module, pair.x, pair.y.astype(float), **options, **watched)


def _fully_connected(run: Run, pair: corruption.Pair, options: dict[str, Any]) -> xr.Dataset:
    x, x_test = (part.reshape(len(part), -1) for part in (pair.x, pair.x_test))
    watched = image_task.watched(lipschitz.outputs, (x_test, pair.y_test), (x, pair.y))
    _, found = single_sample.descend(
        cosine.start(run.seed, (SIDE**2, SIDE**2, run.hidden, 1)), x, pair.y.astype(float),
        loss="cross entropy", **options, **watched,
    )  # fmt: skip
    return found


def agreement(first: xr.Dataset, second: xr.Dataset) -> np.ndarray:
    """(pair,): has the network with the shorter total trajectory the lower test loss?

    The runs of the two are paired by their order.
    """
    count = min(first.sizes["cell"], second.sizes["cell"])
    (length, loss), (other_length, other_loss) = (
        _length_and_loss(part.isel(cell=slice(count))) for part in (first, second)
    )
    return np.sign(other_length - length) == np.sign(other_loss - loss)


def _length_and_loss(runs: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """The total trajectory, and the test loss at the end."""
    return runs.trajectory.values.sum(axis=1), runs.test_loss.values[:, -1]


def checks(runs: Runs) -> list[claims.Check]:
    """The shorter trajectory and the lower test loss belong to the same architecture, on MNIST."""
    parts = [runs("pairs", architecture=name) for name in ARCHITECTURES]
    again = np.concatenate([_agreement_of_halves(part) for part in parts])
    return [
        claims.check(
            runs, "L29.shorter", "empirical",
            "MNIST 3 / 6: share of seeds, the shorter trajectory has the lower test loss",
            claims.share(agreement(*parts)), claims.sign_test(),
            ("a second run of the same architecture in place of the other one",
             claims.share(again)),
            # A sign test over fewer seeds cannot come out but when all agree, or not at all.
            needs=8, unless=elsewhere(runs, data="mnist"),
        )
    ]  # fmt: skip


def _agreement_of_halves(runs: xr.Dataset) -> np.ndarray:
    """Of the runs in even places with those in odd places."""
    return agreement(*(runs.isel(cell=slice(first, None, 2)) for first in (0, 1)))
