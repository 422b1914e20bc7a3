"""Two classes of images: the task, the authors' network, and what is noted and kept of a run."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import nn

from simplicity.data import corruption, images, streams
from simplicity.nets import loop, modules

Array = NDArray[np.floating]

KEPT = (
    "loss", "trajectory", "logit_slope", "residual", "length", "late_reciprocal", "distance",
    "variance", "rounding",
)  # fmt: skip


def pair(
    name: str, classes: tuple[int, int], count: int, tests: int, side: int, seed: int
) -> corruption.Pair:
    """Training and test images of two classes of a data set, `side` across."""
    rng = streams.generator(seed, streams.DATA)
    split = images.load(name, rng)
    train = corruption.drawn(split.train.y, classes, count, rng)
    test = corruption.drawn(split.test.y, classes, tests, rng)
    x, x_test = _scaled(split.train, train, side), _scaled(split.test, test, side)
    return corruption.Pair(x, train.y, x_test, test.y)


def _scaled(part: images.Images, drawn: corruption.Drawn, side: int) -> Array:
    """The images that were drawn from a part of a data set."""
    return corruption.scaled(part.x[drawn.chosen], part.top, side)


def convolutional(pair: corruption.Pair, channels: int, seed: int) -> nn.Sequential:
    """The authors' network; its second and its full layers are four times as wide."""
    start = streams.generator(seed, streams.INITIALISATION)
    module = modules.two_convolutions(pair.x.shape[1:], start, (channels, 4 * channels))
    assert isinstance(module, nn.Sequential)
    return module


def looks(epochs: int, count: int) -> tuple[int, ...]:
    """About so many passes, evenly over the run, with its first and last."""
    return loop.evenly(epochs, count)


def cross_entropy(f: Array, y: NDArray) -> Array:
    """(cross-entropy in nats, accuracy) of logits."""
    return np.array([np.mean(np.logaddexp(0, f) - y * f), np.mean((f > 0) == (y > 0.5))])


def logits(module: nn.Module, x: Array) -> Array:
    """The outputs of a torch module, a hundred images at a time."""
    with torch.no_grad():
        parts = [module(some) for some in torch.from_numpy(x).split(100)]
    return torch.cat(parts)[:, 0].numpy()


def watched(
    outputs: Callable[[Any, Array], Array],
    test: tuple[Array, NDArray],
    train: tuple[Array, NDArray],
    score: Callable[[Array, NDArray], Array] = cross_entropy,
) -> dict[str, Any]:
    """Probes for a loop: `score` of a network's outputs on test and training images and labels."""

    probes = {
        "test": lambda network: score(outputs(network, test[0]), test[1]),
        "train": lambda network: score(outputs(network, train[0]), train[1]),
    }
    return {"probes": probes, "dims": dict.fromkeys(probes, ("score",))}


def summary(found: xr.Dataset, rates: NDArray, flipped: float) -> xr.Dataset:
    """Statistics along `epoch`, one window each, and scores along `probe`; float32.

    `spread` is the variance over the squared rate, `flipped` the share of given labels that are
    wrong.
    """
    kept = found[list(KEPT)].rename(window="epoch", variance="spread")
    kept["spread"] = kept.spread / rates**2
    epoch = found.probe_step.values // int(found.step.values[0])
    table = kept.drop_vars("step").assign(_scores(found))
    table = table.assign(probe_epoch=("probe", epoch), flipped=flipped)
    return table.map(_in_single_precision)


def _scores(found: xr.Dataset) -> dict[str, tuple[str, Array]]:
    """What `watched` probes found, a variable each."""
    return {
        f"{name}_{what}": ("probe", found[name].values[:, column])
        for name in ("test", "train")
        for column, what in enumerate(("loss", "accuracy"))
    }


def _in_single_precision(part: xr.DataArray) -> xr.DataArray:
    return part.astype(np.float32) if part.dtype == np.float64 else part
