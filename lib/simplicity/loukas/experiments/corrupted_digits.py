"""Digits 3 against 8 with corrupted labels, one image a step, on a fully connected network (claims F1d-f, F2c, FB2).

The task of Loukas et al. 2021, Figures 1d-f and 2c, on scikit-learn's digits: identity first layer, cross-entropy, batch 1.
Two settings: `decayed`, a small network whose rate falls tenfold each half of the run and which does not memorise corrupted
labels, as in their figure, and `memorised`, a wider one at a constant rate which does. Control: all labels flipped, training
and test, is the same task by another name. `squares` is the first with the squared loss, for the distance.
"""

import dataclasses
from typing import Any

import numpy as np
import xarray as xr

from simplicity import nets
from simplicity.data import corruption, images, streams
from simplicity.evidence.claims import Check, cells_where
from simplicity.grid import config
from simplicity.grid.config import seeds
from simplicity.loukas import corruption_checks, lipschitz, single_sample
from simplicity.nets import FullyConnected

CLAIMS = ("L-F1d", "L-F1e", "L-F1f", "L-F2c", "L-FB2")

CLASSES = (3, 8)
CORRUPTION = {"clean": 0.0, "0.2": 0.2, "0.4": 0.4, "0.6": 0.6, "all flipped": 0.0}
FLIPPED = "all flipped"
TRAIN = 240
PROBES = 21
MATCHED = 0.2
FEWEST_SEEDS, ENOUGH_SEEDS = 5, 8  # for what came out alike in ten other blocks of five seeds; for the rest


@dataclasses.dataclass(frozen=True)
class Setting:
    """Width of the two layers above the first, rate at the start, by what power of ten it falls, passes, and the loss."""

    hidden: int
    rate: float
    decades: float
    epochs: int
    squares: bool = False


DECAYED, MEMORISED, SQUARES = "decayed", "memorised", "squares"
SETTINGS = {
    DECAYED: Setting(32, 0.01, 2.0, 100),
    MEMORISED: Setting(96, 0.02, 0.0, 200),
    SQUARES: Setting(32, 0.01, 2.0, 100, squares=True),
}


@config.settings
class Config:
    settings: tuple[str, ...] = config.param((DECAYED, MEMORISED), "how it is trained", choices=tuple(SETTINGS))
    labels: tuple[str, ...] = config.param(tuple(CORRUPTION), "share of labels redrawn", choices=tuple(CORRUPTION))
    shorter: int = config.param(1, "times fewer passes than planned, 20 at least", low=1, high=100)
    seeds: int = config.param(5, "seeds of each share", low=1, high=100_000)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config()
TINY = dataclasses.replace(QUICK, shorter=5, seeds=1)
FULL = dataclasses.replace(QUICK, settings=tuple(SETTINGS), seeds=10)


@dataclasses.dataclass(frozen=True)
class Cell:
    setting: str
    labels: str
    seed: int
    corruption: float
    hidden: int
    rate: float
    decades: float
    epochs: int
    squares: bool


def cells(config: Config) -> list[Cell]:
    def cell(name: str, labels: str, seed: int) -> Cell:
        planned = SETTINGS[name]
        epochs = max(PROBES - 1, planned.epochs // config.shorter)
        more: dict[str, Any] = {"epochs": epochs, "hidden": planned.hidden, "rate": planned.rate, "decades": planned.decades}
        return Cell(setting=name, labels=labels, seed=seed, corruption=CORRUPTION[labels], squares=planned.squares, **more)

    return [cell(name, labels, seed) for seed in seeds(config) for name in config.settings for labels in config.labels]


def measure(cell: Cell) -> xr.Dataset:
    """Statistics at `corruption_checks.POINTS` passes along `epoch`; loss and accuracy, test and given labels, at probes."""
    pair = sample(cell.seed)
    given = corruption.nested(pair.y, cell.corruption, streams.generator(cell.seed, streams.NOISE))
    wrong = np.mean(given != pair.y)
    y_test = pair.y_test
    if cell.labels == FLIPPED:
        given, y_test = 1 - given, 1 - y_test
    sizes = (pair.x.shape[1], pair.x.shape[1], cell.hidden, cell.hidden, 1)
    start = nets.torch_default(sizes, streams.generator(cell.seed, streams.INITIALISATION), identity=True)
    rates = cell.rate * 10 ** (-cell.decades * np.arange(cell.epochs) / cell.epochs)
    order = single_sample.passes(len(pair.x), cell.epochs, streams.generator(cell.seed, streams.BATCHES))
    loss: single_sample.Loss = "squares" if cell.squares else "cross entropy"
    looks = tuple(np.unique(np.rint(np.linspace(0, cell.epochs, PROBES)).astype(int)).tolist())
    _, found = single_sample.descend(
        start, pair.x, given.astype(float), order, step_size=rates, window=len(pair.x), loss=loss, schedule=looks,
        probes={
            "test": lambda one: score(one, pair.x_test, y_test, loss),
            "train": lambda one: score(one, pair.x, given, loss),
        },
        dims={"test": ("score",), "train": ("score",)},
    )  # fmt: skip
    return corruption_checks.thinned(corruption_checks.summary(found, rates, float(wrong)))


def sample(seed: int) -> corruption.Pair:
    """240 digits for training and the others of the two classes for test; pixels in [0, 1], (n, 64)."""
    rng = streams.generator(seed, streams.DATA)
    whole = images.digits(rng, train=0).test
    x, y = whole.pixels().reshape(len(whole.y), -1), whole.y
    first = corruption.drawn(y, CLASSES, len(y), rng)
    parts = first.chosen[:TRAIN], first.chosen[TRAIN:]
    return corruption.Pair(x[parts[0]], first.y[:TRAIN], x[parts[1]], first.y[TRAIN:])


def score(network: FullyConnected, x: np.ndarray, y: np.ndarray, loss: single_sample.Loss) -> np.ndarray:
    """(loss, accuracy)."""
    f = lipschitz.outputs(network, x)
    if loss == "squares":
        return np.array([np.mean(0.5 * (f - y) ** 2), np.mean((f > 0.5) == (y > 0.5))])
    return np.array([np.mean(np.logaddexp(0, f) - y * f), np.mean((f > 0) == (y > 0.5))])


def checks(dataset: xr.Dataset) -> list[Check]:
    """Of both settings with the cross-entropy; test loss, distance and matched confidence with many seeds alone."""
    found, many = [], len(set(dataset.seed.values.tolist())) >= ENOUGH_SEEDS
    if len(set(dataset.seed.values.tolist())) < FEWEST_SEEDS or set(CORRUPTION) - set(dataset.labels.values.tolist()):
        return []
    for setting in (DECAYED, MEMORISED):
        runs = cells_where(dataset, setting=setting)
        if not runs.sizes["cell"]:
            return []
        clean, corrupted, flipped = (cells_where(runs, labels=labels) for labels in ("clean", "0.2", FLIPPED))
        judged = [one for one in corruption_checks.READINGS.values() if many or one[0] != "L-F1f"]
        if many:
            judged.append(corruption_checks.matched(MATCHED))
        found += corruption_checks.judged(dataset, f"digits, {setting}", clean, corrupted, flipped, judged)
    if many:
        both = [_redrawn(cells_where(dataset, setting=setting)) for setting in (DECAYED, MEMORISED)]
        what = "digits: the smaller of two settings' rank correlations of the distance with the share redrawn"
        found.append(corruption_checks.orders(dataset, both, what))
    return found


def _redrawn(runs: xr.Dataset) -> xr.Dataset:
    return runs.isel(cell=runs.labels.values != FLIPPED)
