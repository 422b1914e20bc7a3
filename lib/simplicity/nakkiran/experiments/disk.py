"""Line, then curve, then noise: points of a disk under a sinusoidal rule with flipped labels (claim N13, and N8's share).

200 points uniform in the unit disk, y = 1[x_2 > 0.4 sin(6 x_1)], a tenth of the labels flipped, full-batch gradient descent
until all of them, the wrong ones too, are fitted. Everything is scored against clean labels on fresh points. L is a logistic
regression on many clean points; the rival is a vote of nearest neighbours on the network's own sample. Control: labels by the
toss of a coin.
"""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr

from simplicity.data import images, streams
from simplicity.evidence.claims import (
    Check,
    above,
    at_least,
    below,
    cells_where,
    check,
    control,
    every_seed,
    interval_above,
    interval_contains,
    mean,
    no_seed,
    share,
)  # fmt: skip
from simplicity.grid import config
from simplicity.grid.config import seeds, shared
from simplicity.nakkiran import complexity, dense, information, rivals
from simplicity.nets.loop import log_schedule

CLAIMS = ("N13", "N8")

PROBES = 60
LABELS = ("true", "random")
SIMPLE = ("linear", "neighbours")
HIDDEN = 3  # layers
AGREES, KEPT = 0.9, 0.9
ENOUGH_SEEDS = 5  # a random network of the plane is right about a linear rule far more, or less, often than half of the time


@config.settings
class Config:
    n: int = config.param(200, "training points", unit="samples", low=10, high=10**6)
    flip: float = config.param(0.1, "share of flipped labels", low=0, high=0.5)
    hidden: int = config.param(64, "neurons of each of three hidden layers", unit="neurons", low=1, high=10**4)
    labels: tuple[str, ...] = config.param(LABELS, "true: with some flipped; random: all by a coin", choices=LABELS)
    side: int = config.param(2, "points across of the grid on which the logit is kept for the picture", low=2, high=500)
    rate: float = config.param(0.1, "learning rate of full-batch gradient descent", low=1e-12)
    steps: int = config.param(20_000, "steps", low=10, high=10**8)
    test_samples: int = config.param(20_000, "fresh points, as many for L", unit="samples", low=100, high=10**7)
    seeds: int = config.param(1, "seeds", low=1, high=100_000)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config(labels=("true",), side=41, test_samples=10_000)
TINY = dataclasses.replace(QUICK, side=3, n=50, hidden=20, steps=200, test_samples=500)
FULL = dataclasses.replace(QUICK, labels=LABELS, side=2, hidden=100, steps=60_000, seeds=10, first_seed=100)


@dataclasses.dataclass(frozen=True)
class Cell:
    labels: str
    seed: int
    n: int
    flip: float
    hidden: int
    side: int
    rate: float
    steps: int
    test_samples: int


def cells(config: Config) -> list[Cell]:
    common = shared(Cell, config, but=("labels",))
    return [Cell(labels=labels, seed=seed, **common) for seed in seeds(config) for labels in config.labels]


def measure(cell: Cell) -> xr.Dataset:
    """Count tables (probe, simple, F, Y, L) against clean labels, the train accuracy, and when all labels are fitted for good.

    `memorised` is the first probe from which on train accuracy is 1, -1 where there is none.
    """
    x, y, _ = training_set(cell)
    points, clean = test_set(cell)
    others = simple(cell)
    schedule = log_schedule(cell.steps, PROBES)
    counts, train, drawn = [], [], []
    grid = places(cell.side)
    for network in along(cell, schedule):
        f = dense.predict(network, points)
        counts.append(np.stack([information.table(f, clean, others[name]) for name in SIMPLE]))
        drawn.append(dense.logits(network, grid.reshape(-1, 2)).reshape(cell.side, cell.side))
        train.append(np.mean(dense.predict(network, x) == y))
    fitted = np.array(train) == 1
    first = len(fitted) - int(np.argmin(fitted[::-1])) if not fitted.all() else 0
    return xr.Dataset(
        {
            "counts": (("probe", "simple", "f", "y", "l"), np.stack(counts).astype(np.int32)),
            "train": ("probe", np.array(train, dtype=np.float32)),
            "step": ("probe", np.array(schedule)),
            "logit": (("probe", "vertical", "horizontal"), np.array(drawn, dtype=np.float32)),
            "memorised": schedule[first] if fitted[-1] else -1,
        }
    )


def along(cell: Cell, schedule: Sequence[int]) -> Iterator[dense.Dense]:
    """The running network at each step of the schedule; look at it before the next is asked for."""
    x, y, _ = training_set(cell)
    start = dense.gaussian((2, *[cell.hidden] * HIDDEN), streams.generator(cell.seed, streams.INITIALISATION))
    wanted = set(schedule)
    for step, network in enumerate(dense.training(start, x, y, [cell.rate] * cell.steps)):
        if step in wanted:
            yield network


def training_set(cell: Cell) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points (n, 2), their labels as given to the network, and which of them are wrong."""
    rng = streams.generator(cell.seed, streams.DATA)
    x = complexity.disk(cell.n, rng)
    clean = complexity.above_curve(x)
    noise = streams.generator(cell.seed, streams.NOISE)
    y = noise.integers(2, size=cell.n) if cell.labels == "random" else images.corrupt(clean, cell.flip, 2, noise).y
    return x, y, y != clean


def places(side: int) -> np.ndarray:
    """A square grid over [-1, 1]^2, (side, side, 2), rows by x_2."""
    across = np.linspace(-1, 1, side, dtype=np.float32)
    return np.stack(np.meshgrid(across, across), axis=-1)


def test_set(cell: Cell) -> tuple[np.ndarray, np.ndarray]:
    """Fresh points and their clean labels."""
    x = complexity.disk(cell.test_samples, streams.generator(cell.seed, streams.TEST))
    return x, complexity.above_curve(x)


def simple(cell: Cell) -> dict[str, np.ndarray]:
    """Predictions of `SIMPLE` on the test points: L from as many other clean points, the neighbours from the sample."""
    points, _ = test_set(cell)
    rng = np.random.default_rng([cell.seed, streams.TEST, 1])
    many = complexity.disk(cell.test_samples, rng)
    x, y, _ = training_set(dataclasses.replace(cell, labels="true"))
    found = rivals.logistic(many, complexity.above_curve(many)), rivals.neighbours(x, y, rng)
    return {name: predict(points) for name, predict in zip(SIMPLE, found, strict=True)}


def curves(cells: xr.Dataset) -> dict[str, np.ndarray]:
    """Over steps (cell, probe): accuracies on clean labels, agreement with L, mu(F; L), I(F;Y), mu of independent errors."""
    counts = cells.counts.isel(simple=0).values
    own, linear = information.accuracies(counts)
    together = np.trace(counts.sum(axis=-2), axis1=-2, axis2=-1) / counts.sum(axis=(-3, -2, -1))
    found = information.information(counts)
    null = information.mu_null(own, linear)
    return {
        "clean": own, "linear": linear, "agreement": together, "mu": found.mu, "network": found.network, "null": null,
        "index": information.retention_index(found.mu, null, found.network, found.simple),
    }  # fmt: skip


def checks(dataset: xr.Dataset) -> list[Check]:
    """The three phases (N13), and whether what L explains is kept where the sample is interpolated (N8)."""
    if len(set(dataset.seed.values.tolist())) < ENOUGH_SEEDS or set(LABELS) - set(dataset.labels.values.tolist()):
        return []
    true, coin = (cells_where(dataset, labels=labels).sortby("seed") for labels in LABELS)
    ours, random = curves(true), curves(coin)
    line, peak = ours["agreement"].argmax(axis=1), ours["clean"].argmax(axis=1)
    fitted = true.memorised.values >= 0
    row = np.arange(true.sizes["cell"])
    steps = true.step.values
    order = (steps[row, line] < steps[row, peak]) & (steps[row, peak] < true.memorised.values) & fitted
    final = ours["mu"][fitted, -1] / ours["mu"][fitted].max(axis=1)
    return [
        check(
            dataset, "N13", "empirical", "agreement with L at its peak, the first phase",
            mean(ours["agreement"][row, line]), above(AGREES),
            control(
                "coin-flip labels: accuracy on clean labels at the same step",
                mean(random["clean"][row, line]), interval_contains(0.5),
            ),
        ),
        check(
            dataset, "N13", "empirical", "share of seeds: agreement with L peaks, then accuracy, then all is fitted",
            share(order), every_seed(),
            control(
                "coin-flip labels: share of seeds that ever beat L's accuracy by 0.05",
                share(random["clean"].max(axis=1) > random["linear"][:, 0] + 0.05), no_seed(),
            ),
        ),
        check(
            dataset, "N13", "empirical", "accuracy on clean labels at the end, all wrong labels fitted, minus that of L",
            mean((ours["clean"][:, -1] - ours["linear"][:, -1])[fitted]), interval_above(0),
            control(
                "coin-flip labels: accuracy on clean labels at the end", mean(random["clean"][:, -1]), interval_contains(0.5)
            ),
        ),
        check(
            dataset, "N8", "empirical", "disk with flipped labels, train accuracy 1: mu(F; L) at the end over its peak",
            mean(final), at_least(KEPT),
            control("coin-flip labels: mean mu(F; L) at the end, bits", mean(random["mu"][:, -1]), below(0.05)),
        ),
    ]  # fmt: skip
