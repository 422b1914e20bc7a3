"""A start that is not simple: the same train accuracy, a worse end (claim N18).

100 points of the plane under a linear rule, a tenth of the labels flipped. The good start has learnt for 100 steps from a
random network. The bad one has first fitted, with Adam, the same points with 12 percent of their given labels flipped again,
and 500 more points with coin-flip labels; on the given labels it is right about as often as the good one. Then both train on
the given labels alone. Control: a bad start that has fitted its 600 points only in part.
"""

import dataclasses
from collections import deque
from collections.abc import Iterable

import numpy as np
import xarray as xr

from simplicity.data import images, streams
from simplicity.evidence.claims import (
    Check,
    check,
    control,
    interval_above,
    interval_contains,
    mean,
    share,
    sign_test,
)
from simplicity.grid import config
from simplicity.grid.config import seeds, shared
from simplicity.nakkiran import complexity, dense

CLAIMS = ("N18",)

STARTS = ("good", "bad", "under-fitted")
HIDDEN = 3  # layers
ENOUGH_SEEDS = 8  # a sign test over fewer cannot come out but when all agree, or not at all
_LOOK = 10  # steps between two looks at how much is fitted


@config.settings
class Config:
    n: int = config.param(100, "training points", unit="samples", low=10, high=10**6)
    flip: float = config.param(0.1, "share of flipped labels", low=0, high=0.5)
    hidden: int = config.param(64, "neurons of each of three hidden layers", unit="neurons", low=1, high=10**4)
    extra: int = config.param(500, "points with coin-flip labels", unit="samples", low=0, high=10**6)
    again: float = config.param(0.12, "share of the given labels that the bad start learns flipped", low=0, high=0.5)
    good_steps: int = config.param(100, "steps of the good start", low=0, high=10**7)
    adam_steps: int = config.param(2000, "steps of Adam for the bad start", low=1, high=10**7)
    adam_rate: float = config.param(0.003, "its learning rate, which falls to 0 as a cosine", low=1e-12)
    enough: float = config.param(0.83, "share fitted at which the under-fitted start stops", low=0.5, high=1)
    rate: float = config.param(0.1, "learning rate of gradient descent", low=1e-12)
    steps: int = config.param(2000, "steps of gradient descent from either start", low=1, high=10**8)
    test_samples: int = config.param(20_000, "fresh points", unit="samples", low=100, high=10**7)
    seeds: int = config.param(1, "seeds", low=1, high=100_000)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config()
TINY = dataclasses.replace(QUICK, hidden=20, extra=50, adam_steps=50, steps=50, test_samples=500)
FULL = dataclasses.replace(QUICK, hidden=100, adam_steps=6000, steps=5000, seeds=20)


@dataclasses.dataclass(frozen=True)
class Cell:
    seed: int
    n: int
    flip: float
    hidden: int
    extra: int
    again: float
    good_steps: int
    adam_steps: int
    adam_rate: float
    enough: float
    rate: float
    steps: int
    test_samples: int


def cells(config: Config) -> list[Cell]:
    common = shared(Cell, config)
    return [Cell(seed=seed, **common) for seed in seeds(config)]


def measure(cell: Cell) -> xr.Dataset:
    """For each start the share fitted of its own sample, and accuracies on given and fresh clean labels, before and after."""
    x, y = sample(cell)
    fresh = streams.generator(cell.seed, streams.TEST).standard_normal((cell.test_samples, 2))
    clean = complexity.right_half(fresh)
    networks, fitted = starts(cell, x, y)
    ends = [last(dense.training(start, x, y, [cell.rate] * cell.steps)) for start in networks]
    found = {"fitted": fitted}
    for when, group in (("start", networks), ("end", ends)):
        found[f"{when}_train"] = [np.mean(dense.predict(one, x) == y) for one in group]
        found[f"{when}_test"] = [np.mean(dense.predict(one, fresh) == clean) for one in group]
    return xr.Dataset({name: ("start", np.array(values, dtype=np.float64)) for name, values in found.items()})


def sample(cell: Cell) -> tuple[np.ndarray, np.ndarray]:
    """Points N(0, I) (n, 2) and their given labels, some of them flipped."""
    x = streams.generator(cell.seed, streams.DATA).standard_normal((cell.n, 2))
    return x, images.corrupt(complexity.right_half(x), cell.flip, 2, streams.generator(cell.seed, streams.NOISE)).y


def starts(cell: Cell, x: np.ndarray, y: np.ndarray) -> tuple[list[dense.Dense], list[float]]:
    """The networks of `STARTS`, from one random network, and the share that each fits of what it has been given."""
    random = dense.gaussian((2, *[cell.hidden] * HIDDEN), streams.generator(cell.seed, streams.INITIALISATION))
    good = last(dense.training(random, x, y, [cell.rate] * cell.good_steps))
    rng = np.random.default_rng([cell.seed, streams.NOISE, 1])
    more = np.concatenate([x, rng.standard_normal((cell.extra, 2))])
    labels = np.concatenate([images.corrupt(y, cell.again, 2, rng).y, rng.integers(2, size=cell.extra)])
    rates = 0.5 * cell.adam_rate * (1 + np.cos(np.pi * np.arange(cell.adam_steps) / cell.adam_steps))
    partial = None
    for step, network in enumerate(dense.training(random, more, labels, rates.tolist(), "adam")):
        if partial is None and step % _LOOK == 0 and share_of(network, more, labels) >= cell.enough:
            partial = dense.kept(network)
    networks = [good, network, network if partial is None else partial]
    return networks, [share_of(good, x, y), *(share_of(one, more, labels) for one in networks[1:])]


def share_of(network: dense.Dense, x: np.ndarray, y: np.ndarray) -> float:
    """The share of points that the network labels as given."""
    return float(np.mean(dense.predict(network, x) == y))


def last(path: Iterable[dense.Dense]) -> dense.Dense:
    """The network after the last step."""
    return deque(path, maxlen=1).pop()


def difference(dataset: xr.Dataset, start: str = "bad") -> np.ndarray:
    """For each seed the final test accuracy from the good start minus that from another."""
    return dataset.end_test.isel(start=0).values - dataset.end_test.isel(start=STARTS.index(start)).values


def checks(dataset: xr.Dataset) -> list[Check]:
    if dataset.sizes["cell"] < ENOUGH_SEEDS:
        return []
    against = control(
        "under-fitted bad start: the same mean difference", mean(difference(dataset, "under-fitted")), interval_contains(0)
    )
    return [
        check(
            dataset, "N18", "empirical", "share of seeds that end with better test accuracy from the good start",
            share(difference(dataset) > 0), sign_test(), against,
        ),
        check(
            dataset, "N18", "empirical", "final test accuracy, good start minus bad start, paired",
            mean(difference(dataset)), interval_above(0), against,
        ),
    ]  # fmt: skip
