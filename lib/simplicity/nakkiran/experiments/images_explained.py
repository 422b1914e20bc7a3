"""How much of what a convolutional network knows about real images a linear classifier explains (claims N4, N5, N7, N9, N19).

Nakkiran et al. 2019, Figure 4: MNIST 0-4 against 5-9 and CIFAR-10 animals against objects, with the network of the authors'
code. Their rate of 0.001 without momentum follows the gradient flow closely, so here the rate is larger by the `speed` and the
epochs are fewer by as much. The files of both must be there (`simplicity data fetch`); the small presets use
scikit-learn's digits, enlarged.
"""

import dataclasses

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from simplicity.data import images, streams
from simplicity.evidence.claims import Check, cells_where, no_control
from simplicity.grid import config
from simplicity.grid.config import seeds, shared
from simplicity.nakkiran import explain, explain_checks
from simplicity.nakkiran.explain import Recipe, Samples
from simplicity.nets import modules
from simplicity.problems import Problem
from simplicity.process import checkpoints

CLAIMS = ("N4", "N5", "N7", "N9", "N19")

DIGITS, MNIST, ANIMALS = "digits 0-4 / 5-9", "mnist 0-4 / 5-9", "cifar10 objects / animals"
JUDGED = {MNIST: "MNIST", ANIMALS: "CIFAR-10"}
SIMPLE = ("linear", "forest")
SLOW_RATE = 0.001  # the authors'
ENLARGED = 4  # the digits' pixels, to 32 x 32


@dataclasses.dataclass(frozen=True)
class Task:
    """Epochs at the authors' rate, how many times faster and shorter ours is, and passes in which L settles."""

    slow_epochs: int
    speed: int
    settling: int = 0


TASKS = {DIGITS: Task(3000, 100), MNIST: Task(50, 10), ANIMALS: Task(300, 20, settling=5)}


@config.settings
class Config:
    tasks: tuple[str, ...] = config.param((DIGITS,), "binary tasks", choices=tuple(TASKS))
    batch: int = config.param(64, "samples of a step", unit="samples", low=1, high=10**6)
    linear_batch: int = config.param(128, "the same for the linear classifier", unit="samples", low=1, high=10**6)
    linear_epochs: int = config.param(100, "passes of the linear classifier", unit="epochs", low=1, high=10**6)
    shorter: int = config.param(1, "times fewer epochs than planned", low=1, high=10**6)
    probes: int = config.param(18, "checkpoints", low=3, high=1000)
    scored: int = config.param(4000, "training points that are scored too", unit="samples", low=10, high=10**6)
    seeds: int = config.param(1, "seeds of each task", low=1, high=100_000)
    costly_seeds: int = config.param(2, "at most as many of CIFAR-10, whose cells take longest", low=1, high=100_000)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config()
TINY = dataclasses.replace(QUICK, linear_epochs=2, shorter=10, probes=3, scored=50)
FULL = dataclasses.replace(QUICK, tasks=(DIGITS, MNIST, ANIMALS), seeds=3)


@dataclasses.dataclass(frozen=True)
class Cell:
    task: str
    seed: int
    speed: int
    epochs: int
    settling: int
    batch: int
    linear_batch: int
    linear_epochs: int
    probes: int
    scored: int


def cells(config: Config) -> list[Cell]:
    return [
        Cell(
            task=name, seed=seed, speed=TASKS[name].speed, settling=TASKS[name].settling,
            epochs=max(1, TASKS[name].slow_epochs // (TASKS[name].speed * config.shorter)), **shared(Cell, config),
        )
        for seed in seeds(config)
        for name in config.tasks
        if name != ANIMALS or seed - config.first_seed < config.costly_seeds
    ]  # fmt: skip


def measure(cell: Cell) -> xr.Dataset:
    """Tables with L and with the forest at each checkpoint; `dropped` images of the test set are left out as not exact."""
    split = images.task(cell.task, streams.generator(cell.seed, streams.DATA))
    samples = Samples(_pixels(split.train), split.train.y > 0, _pixels(split.test), split.test.y > 0)
    recipe = Recipe(0.01, cell.linear_batch, cell.linear_epochs)
    rng = streams.generator(cell.seed, streams.SIMPLE)
    if cell.settling:
        line = explain.settled(samples.x, samples.y, recipe, cell.settling, rng)
    else:
        line = explain.logistic(samples.x, samples.y, recipe, rng)
    linear = line(samples.x_test)
    trees = explain.forest(samples, float(np.mean(linear == samples.y_test)), rng)
    simple = dict(zip(SIMPLE, (linear, trees), strict=True))
    start = modules.convolutional(samples.x.shape[1:], streams.generator(cell.seed, streams.INITIALISATION))
    _, tables = explain.follow(
        start, samples, simple, line(samples.x[: cell.scored]), rate=SLOW_RATE * cell.speed, batch=cell.batch,
        at=_schedule(explain.steps_of(len(samples.x), cell.batch, cell.epochs), cell.probes),
        order=streams.generator(cell.seed, streams.BATCHES), channels_last=True, checkpoint=checkpoints.path("network"),
    )  # fmt: skip
    return tables.assign(dropped=split.dropped[1], step=("probe", tables.step.values)).reset_coords("step")


def _schedule(steps: int, points: int) -> tuple[int, ...]:
    """Evenly spaced in the square root of the step: the linear phase is a tenth to a third of a run, not a thousandth."""
    if points**2 > steps:
        raise Problem(f"probes: got {points} for {steps} steps, allowed at most the square root of the steps")
    return tuple(np.rint(steps * np.linspace(0, 1, points) ** 2).astype(int).tolist())


def _pixels(found: images.Images) -> NDArray[np.float32]:
    """In [0, 1], (n, channels, height, width)."""
    x = found.pixels()
    if x.shape[-1] < 26:
        x = x.repeat(ENLARGED, axis=-1).repeat(ENLARGED, axis=-2)
    return x if x.ndim == 4 else x[:, None]


def checks(dataset: xr.Dataset) -> list[Check]:
    """Of the two data sets that the authors use."""
    found = []
    elsewhere = no_control("what nothing linear explains, and a start too large to match L, are on the sinusoid")
    for name, where in JUDGED.items():
        part = cells_where(dataset, task=name)
        if not part.sizes["cell"]:
            continue
        runs = explain_checks.Runs(part, where, one_test_set=True)
        found += explain_checks.explained(dataset, runs, elsewhere) + explain_checks.matched(dataset, runs, elsewhere)
        found += explain_checks.retained(dataset, runs) + explain_checks.alternatives(dataset, runs)
        if name == ANIMALS:  # on MNIST the authors' own curves part by a hundredth of a bit
            found += explain_checks.widens(dataset, runs, no_control("more samples than there are cannot be had"))
    return found
