"""How much of what a convolutional network knows about real images a linear classifier explains.

Nakkiran et al. 2019, Figure 4 (N4, N5, N7, N9, N19, N21): MNIST 0-4 against 5-9 and CIFAR-10
animals against objects, with the network of the authors' code. Their rate of 0.001 without momentum
follows the gradient flow closely, so here the rate is larger by the `speed` and the epochs are
fewer by as much. The files of both must be there (`simplicity data fetch`); the small presets use
scikit-learn's digits, enlarged.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.random import Generator
from numpy.typing import NDArray

from simplicity.data import images, streams
from simplicity.evidence.claims import Check, no_control
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.nakkiran import explain, explain_checks
from simplicity.nakkiran.explain import Recipe, Samples
from simplicity.nakkiran.explain_checks import Setting
from simplicity.nets import modules
from simplicity.problems import Problem
from simplicity.process import checkpoints

CLAIMS = ("N4", "N5", "N7", "N9", "N19", "N21")

DIGITS, MNIST, ANIMALS = "digits 0-4 / 5-9", "mnist 0-4 / 5-9", "cifar10 objects / animals"
SLOW_RATE = 0.001  # the authors'
ENLARGED = 4  # the digits' pixels, to 32 x 32


class Task(NamedTuple):
    """Epochs at the authors' rate, how much faster and shorter ours is, L's passes to settle."""

    slow_epochs: int
    speed: int
    settling: int = 0


TASKS = {DIGITS: Task(3000, 100), MNIST: Task(50, 10), ANIMALS: Task(300, 20, settling=5)}


@config.settings
class Run:
    """One task, and how its network and L are trained."""

    task: str = config.param(DIGITS, "binary task", choices=TASKS)
    batch: int = config.param(64, "samples of a step", unit="samples", low=1, high=10**6)
    linear_batch: int = config.param(128, "the same for L", unit="samples", low=1, high=10**6)
    linear_epochs: int = config.param(100, "passes of L", unit="epochs", low=1, high=10**6)
    shorter: int = config.param(1, "times fewer epochs than planned", low=1, high=10**6)
    probes: int = config.param(18, "checkpoints", low=3, high=1000)
    scored: int = config.param(4000, "training points that are scored too", low=10, high=10**6)
    seed: int = config.param(0, "seed of networks and batches", low=0, high=2**31 - 1)

    @property
    def epochs(self) -> int:
        """Passes of the network over the sample."""
        task = TASKS[self.task]
        return max(1, task.slow_epochs // (task.speed * self.shorter))


GRID = Grid(
    Run,
    groups={
        "digits": {"task": DIGITS},
        "mnist": {"task": ()},
        "cifar10": {"task": (), "seeds": 2},  # whose runs take longest
    },
    quick={"seeds": 1},
    full={"mnist_task": (MNIST,), "cifar10_task": (ANIMALS,), "seeds": 3, "first_seed": 1_000_000},
    tiny={"linear_epochs": 2, "shorter": 10, "probes": 3, "scored": 50},
)


def measure(run: Run) -> xr.Dataset:
    """Tables with L and with the forest at each checkpoint.

    `dropped` images of the test set are left out because their pixels are not exact.
    """
    split = images.task(run.task, streams.generator(run.seed, streams.DATA))
    samples = explain.of_images(split.train, split.test, _pixels)
    line, simple = explain.simple_ones(samples, _linear(run, samples), run.seed)
    start, order = explain.generators(run.seed)
    at = _schedule(explain.steps_of(len(samples.x), run.batch, run.epochs), run.probes)
    _, tables = explain.follow(
        modules.convolutional(samples.x.shape[1:], start), samples, simple,
        line(samples.x[: run.scored]), rate=SLOW_RATE * TASKS[run.task].speed, batch=run.batch,
        at=at, order=order, channels_last=True, checkpoint=checkpoints.path("network"),
    )  # fmt: skip
    steps = ("probe", tables.step.values)
    return tables.assign(dropped=split.dropped[1], step=steps).reset_coords("step")


def _linear(run: Run, samples: Samples) -> Callable[[Generator], explain.Predict]:
    """How L is fitted."""
    settling = TASKS[run.task].settling
    recipe = Recipe(0.01, run.linear_batch, run.linear_epochs)
    if settling:
        return partial(explain.settled, samples.x, samples.y, recipe, settling)
    return partial(explain.logistic, samples.x, samples.y, recipe)


def _schedule(steps: int, points: int) -> tuple[int, ...]:
    """Even in the square root of the step: the linear phase is a tenth to a third of a run."""
    if points**2 > steps:
        allowed = "at most the square root of the steps"
        raise Problem(f"probes: got {points} for {steps} steps, allowed {allowed}")
    return tuple(np.rint(steps * np.linspace(0, 1, points) ** 2).astype(int).tolist())


def _pixels(found: images.Images) -> NDArray[np.float32]:
    """In [0, 1], (n, channels, height, width)."""
    x = found.pixels()
    if x.shape[-1] < 26:
        x = x.repeat(ENLARGED, axis=-1).repeat(ENLARGED, axis=-2)
    return x if x.ndim == 4 else x[:, None]


def checks(runs: Runs) -> list[Check]:
    """Of the two data sets that the authors use."""
    mnist, cifar = (
        Setting(runs[group], name, group, one_test_set=True)
        for group, name in (("mnist", "MNIST"), ("cifar10", "CIFAR-10"))
    )
    # On MNIST the authors' own curves part by a hundredth of a bit.
    widens = explain_checks.widens(runs, cifar, cifar.few())
    return [*_of_both(runs, mnist), *_of_both(runs, cifar), widens]


def _of_both(runs: Runs, setting: Setting) -> list[Check]:
    """Of each data set."""
    return [
        *explain_checks.explained(runs, setting),
        *explain_checks.matched(runs, setting, no_control(explain_checks.ON_SINUSOID)),
        *explain_checks.retained(runs, setting),
        *explain_checks.alternatives(runs, setting),
    ]
