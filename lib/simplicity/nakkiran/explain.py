"""A network and the simple classifiers that may explain it, on the same points.

Experiments on explainability share this. Nakkiran et al. 2019. L is logistic regression, fitted to
the same training sample by the recipe of the authors' code. Beside it stands a classifier that is
not linear and about as accurate as L: what holds of both says nothing about linearity.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import xarray as xr
from numpy.random import Generator
from numpy.typing import NDArray
from torch import nn

from simplicity.data import images, streams
from simplicity.grid import config
from simplicity.nakkiran import information
from simplicity.nets import modules
from simplicity.nets.train import cross_entropy, train
from simplicity.problems import Problem, doors, training_doors

Labels = NDArray[np.bool_]
Predict = Callable[[NDArray], Labels]

_train = partial(train, loss=cross_entropy, precision="float32")

TREES, MOST_SAMPLES = 30, 10_000  # a tree sees as many at most
LEAVES = tuple(
    np.unique(np.rint(np.geomspace(3, 2000, 32)).astype(int)).tolist()
)  # steps of a quarter


@config.settings
class Run:
    """A fully connected network with two hidden layers under plain SGD."""

    width: int = config.param(256, "neurons of both layers", unit="neurons", low=1, high=10_000)
    step_size: float = config.param(0.02, "learning rate eta", low=1e-9, high=100)
    batch: int = config.param(32, "samples of a step", unit="samples", low=1, high=10**6)
    epochs: int = config.param(20, "passes over the sample", unit="epochs", low=1, high=10**6)
    probes: int = config.param(32, "checkpoints, even in log(1 + step)", low=4, high=1000)
    seed: int = config.param(0, "seed of data and networks", low=0, high=2**31 - 1)

    def looked_at(self, n: int) -> tuple[int, ...]:
        """The steps of its checkpoints, of a sample of n."""
        return schedule(steps_of(n, self.batch, self.epochs), self.probes)


def generators(seed: int) -> tuple[Generator, Generator]:
    """Of a network's start and of the order of its batches."""
    start, order = (
        streams.generator(seed, one) for one in (streams.INITIALISATION, streams.BATCHES)
    )
    return start, order


class Samples(NamedTuple):
    """Inputs (n, ...) and labels (n,), for training and for testing."""

    x: NDArray
    y: Labels
    x_test: NDArray
    y_test: Labels


def of_images(
    train: images.Images, test: images.Images, pixels: Callable[[images.Images], NDArray]
) -> Samples:
    """The samples of a binary task on images, with `pixels` of each half."""
    return Samples(pixels(train), train.y > 0, pixels(test), test.y > 0)


class Recipe(NamedTuple):
    """Minibatch SGD with Nesterov momentum on the cross-entropy, as the authors fit L."""

    rate: float
    batch: int
    epochs: int


def logistic(x: NDArray, y: Labels, recipe: Recipe, rng: Generator) -> Predict:
    """Logistic regression on (n, ...) from weights N(0, 1 / d), no penalty; its predictions."""
    return _fitted(x, y, recipe, (), rng)


def settled(x: NDArray, y: Labels, recipe: Recipe, epochs: int, rng: Generator) -> Predict:
    """As `logistic`, then `epochs` more passes at a tenth of the rate and as many at a hundredth.

    At a constant rate the accuracy of L on CIFAR-10 goes up and down by four points from one pass
    to the next, for ever.
    """
    doors.whole("epochs", epochs, 0)
    return _fitted(x, y, recipe, ((10, epochs), (100, epochs)), rng)


def _fitted(
    x: NDArray, y: Labels, recipe: Recipe, slower: Sequence[tuple[int, int]], rng: Generator
) -> Predict:
    """L by the recipe, then for some epochs more at a rate that is so many times `slower`."""
    x, y = _looked_at(x, y, recipe)
    doors.generator(rng)
    module = modules.linear(x[0].size, rng)
    nesterov = partial(torch.optim.SGD, momentum=0.9, nesterov=True)
    for times, epochs in ((1, recipe.epochs), *slower):
        rule = partial(nesterov, lr=recipe.rate / times)
        steps = (steps_of(len(x), recipe.batch, epochs),)
        module, _ = _train(
            module, x, y, optimiser=rule, batch=recipe.batch, rng=rng, schedule=steps, probes={}
        )
    return partial(modules.predict, module)


def _looked_at(x: NDArray, y: Labels, recipe: Recipe) -> tuple[NDArray, Labels]:
    """Inputs and labels of 0 and 1, and a recipe of positive numbers."""
    x, y = training_doors.batch(x, y)
    doors.labels(y=(y, "n"))
    doors.number("rate", recipe.rate, above=0)
    doors.whole("batch", recipe.batch, 1)
    doors.whole("epochs", recipe.epochs, 1)
    return x, y


def _samples(samples: Samples) -> None:
    """Inputs and labels of both halves."""
    doors.finite(x=(samples.x, "n ..."), x_test=(samples.x_test, "q ..."))
    sizes = str(len(samples.x)), str(len(samples.x_test))
    doors.labels(y=(samples.y, sizes[0]), y_test=(samples.y_test, sizes[1]))


def forest(samples: Samples, accuracy: float, rng: Generator) -> Labels:
    """Predictions (n_test,) of the random forest whose accuracy is nearest to that given of L.

    Its number of leaves is chosen on the test points themselves: what it must share with L is the
    accuracy there, and nothing else is claimed for it. Where no forest is that accurate it is the
    largest.
    """
    _samples(samples)
    doors.number("accuracy", accuracy, low=0, high=1)
    doors.generator(rng)
    state = int(rng.integers(2**31))
    tried: list[tuple[float, Labels]] = []
    low, high = 0, len(LEAVES)
    while low < high:  # accuracy grows with the leaves, so bisect
        middle = (low + high) // 2
        predicted = _by_trees(samples, LEAVES[middle], state)
        found = float(np.mean(predicted == samples.y_test))
        tried.append((abs(found - accuracy), predicted))
        low, high = (middle + 1, high) if found < accuracy else (low, middle)
    return min(tried, key=lambda one: one[0])[1]


def _by_trees(samples: Samples, leaves: int, state: int) -> Labels:
    """Predictions (n_test,) of a forest whose trees have so many leaves at most."""
    from sklearn.ensemble import RandomForestClassifier

    flat, test = (x.reshape(len(x), -1) for x in (samples.x, samples.x_test))
    seen = min(len(flat), MOST_SAMPLES)
    trees = RandomForestClassifier(
        TREES, max_leaf_nodes=leaves, max_samples=seen, random_state=state, n_jobs=1
    )
    return trees.fit(flat, samples.y).predict(test).astype(bool)


def follow(
    start: nn.Module,
    samples: Samples,
    simple: Mapping[str, Labels],
    on_training: Labels,
    *,
    rate: float,
    batch: int,
    at: Sequence[int],
    order: Generator,
    channels_last: bool = False,
    checkpoint: Path | None = None,
) -> tuple[nn.Module, xr.Dataset]:
    """Train by plain SGD on the cross-entropy.

    Returns the tables of F and Y with each simple classifier, at the steps `at`.

    `simple` has predictions (n_test,) by name, `on_training` those of L on the first training
    points, which are scored too. Variables `counts` (probe, simple, f, y, l) and `train_counts`
    (probe, f, y, l).
    """
    _samples(samples)
    _simple(samples, simple, on_training)
    few = len(on_training)
    tested = partial(_tables, samples.x_test, samples.y_test, list(simple.values()))
    module, table = _train(
        start, samples.x, samples.y, optimiser=partial(torch.optim.SGD, lr=rate), batch=batch,
        rng=order, schedule=at, channels_last=channels_last, checkpoint=checkpoint,
        probes={
            "counts": tested,
            "train_counts": partial(_table, samples.x[:few], samples.y[:few], on_training),
        },
        dims={"counts": ("simple", "f", "y", "l"), "train_counts": ("f", "y", "l")},
    )  # fmt: skip
    counts = table[["counts", "train_counts"]].astype(np.int32).drop_vars("time")
    return module, counts.assign_coords(simple=list(simple))


def _simple(samples: Samples, simple: Mapping[str, Labels], on_training: Labels) -> None:
    """Predictions of at least one classifier, and of L on no more than the training points."""
    doors.labels(on_training=(on_training, "n"))
    for name, predicted in simple.items():
        doors.labels(2, **{name: (predicted, str(len(samples.x_test)))})
    if not simple or len(on_training) > len(samples.x):
        got = f"{len(simple)} classifiers and {len(on_training)} predictions for {len(samples.x)}"
        got, allowed = f"{got} training points", "at least one and no more predictions than points"
        raise Problem(f"simple, on_training: got {got}, allowed {allowed}")


def _table(x: NDArray, y: Labels, simple: Labels, module: nn.Module) -> NDArray:
    return information.table(modules.predict(module, x), y, simple)


def _tables(x: NDArray, y: Labels, simple: Sequence[Labels], module: nn.Module) -> NDArray:
    """With each of the simple classifiers."""
    predicted = modules.predict(module, x)
    return np.stack([information.table(predicted, y, one) for one in simple])


def tables(cells: xr.Dataset, name: str) -> NDArray:
    """Counts with one of the simple classifiers, (cell, probe, f, y, l)."""
    return cells.counts.sel(simple=name).transpose("cell", "probe", "f", "y", "l").values


def simple_ones(
    samples: Samples, fitted: Callable[[Generator], Predict], seed: int
) -> tuple[Predict, dict[str, Labels]]:
    """L, which `fitted` makes, and by name its predictions on test points and the forest's."""
    rng = streams.generator(seed, streams.SIMPLE)
    line = fitted(rng)
    linear = line(samples.x_test)
    trees = forest(samples, float(np.mean(linear == samples.y_test)), rng)
    return line, {"linear": linear, "forest": trees}


def last(
    start: nn.Module,
    x: NDArray,
    y: Labels,
    *,
    rate: float,
    batch: int,
    steps: int,
    order: Generator,
) -> nn.Module:
    """The network that `follow` would end with, without looking on the way."""
    rule = partial(torch.optim.SGD, lr=rate)
    return _train(
        start, x, y, optimiser=rule, batch=batch, rng=order, schedule=(steps,), probes={}
    )[0]


def schedule(steps: int, points: int) -> tuple[int, ...]:
    """0, `steps` and what lies between, `points` different steps.

    As evenly spaced in log(1 + step) as whole numbers can be.
    """
    if not 2 <= points <= steps + 1:
        raise Problem(f"probes: got {points} for {steps} steps, allowed 2 to {steps + 1}")
    found = [0]
    for left in range(points - 1, 0, -1):
        found.append(_after(found[-1], steps, left))
    return tuple(found)


def _after(step: int, end: int, left: int) -> int:
    """The next of the `left` steps from `step` to `end`, even in log(1 + step)."""
    ahead = (1 + step) * ((1 + end) / (1 + step)) ** (1 / left) - 1
    return max(step + 1, round(ahead))


def steps_of(n: int, batch: int, epochs: int) -> int:
    """Steps of whole passes, the last batch of a pass being smaller where it must."""
    doors.whole("n", n, 1)
    doors.whole("batch", batch, 1)
    doors.whole("epochs", epochs, 0)
    return epochs * -(-n // batch)
