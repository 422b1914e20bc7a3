"""Deep networks on CIFAR-10 cats against horses beside their linear model (H22 to H25, H40 to H42).

Hu et al. 2020, Figure 3: 10,000 training and 2,000 test images. Images are averaged over 4 x 4
pixels to 8 x 8 x 3 (d = 192), or left at 32 x 32 x 3 (d = 3072), where 2,000 test images span
everything and the complement is empty: the fully connected network gets 8,000 there, of which 6,000
are training images that it does not see. The files of CIFAR-10 must be there (`simplicity data
fetch`); the small presets use scikit-learn's digits 3 against 8.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.random import Generator
from numpy.typing import NDArray

from simplicity.data import corruption, images, streams
from simplicity.evidence.claims import Check
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.hu import linear_images
from simplicity.hu.linear_images_checks import Case

CLAIMS = ("H22", "H23", "H24", "H25", "H40", "H41", "H42")

CLASSES = {"digits": (3, 8), "cifar10": (3, 7)}  # cat 3, horse 7
LARGE = 32
MOST = 12_000


class Setting(NamedTuple):
    """A network and the images it gets; `title` is its name in texts."""

    title: str
    network: str
    side: int
    n: int
    tests: int
    width: int
    steps: int


SETTINGS = {
    "narrow 8": Setting("fully connected, width 64", "connected", 8, 2000, 2000, 64, 60),
    "connected 8": Setting("fully connected, width 256", "connected", 8, 2000, 2000, 256, 60),
    "wide 8": Setting("fully connected, width 512", "connected", 8, 2000, 2000, 512, 60),
    "infinite 8": Setting("fully connected, infinitely wide", "infinite", 8, 2000, 2000, 1, 60),
    "long 8": Setting(
        "fully connected, width 256, 400 steps", "connected", 8, 5000, 2000, 256, 400
    ),
    "flattened 8": Setting("convolutional", "flattened", 8, 2000, 2000, 16, 60),
    "pooled 8": Setting("convolutional, pooled", "pooled", 8, 2000, 2000, 16, 60),
    "four channels 8": Setting("convolutional, 4 channels", "flattened", 8, 200, 200, 4, 60),
    "many channels 8": Setting("convolutional, 48 channels", "flattened", 8, 200, 200, 48, 60),
    "infinite flattened 8": Setting(
        "convolutional, infinitely wide", "infinite flattened", 8, 200, 200, 1, 60
    ),
    "connected 32": Setting("fully connected, width 256", "connected", 32, 2000, 8000, 256, 44),
}
TITLES = {name: f"{one.side} x {one.side} x 3, {one.title}" for name, one in SETTINGS.items()}
JUDGED = {"connected 8": "H22", "wide 8": "H22", "connected 32": "H22", "flattened 8": "H23"}


@config.settings
class Run(linear_images.Run):
    """A setting by name, and what follows from it."""

    setting: str = config.param(
        "infinite 8", "network and side of the images", choices=tuple(SETTINGS)
    )
    data: str = config.param(
        "digits", "images: CIFAR-10 cats / horses, or digits 3 / 8", choices=tuple(CLASSES)
    )
    side: int = config.param(8, "side of the images", low=1, high=LARGE)
    tests: int = config.param(1000, "test images", unit="samples", low=1, high=10**6)
    fewer: int = config.param(1, "times fewer images than planned", low=1, high=1000)


def planned(name: str) -> Callable[[Run], object]:
    """What a run's setting says of `name`; of images `fewer` times less."""
    return functools.partial(_planned, name)


def _planned(name: str, run: Run) -> object:
    found = getattr(SETTINGS[run.setting], name)
    return found // run.fewer if name in ("n", "tests") else found


GRID = Grid(
    Run,
    groups={  # the costly settings have fewer seeds
        "main": {"setting": ("infinite 8", "wide 8")},
        "three": {"setting": (), "seeds": 3},
    },
    quick={
        **{name: planned(name) for name in Setting._fields[1:]},
        "fewer": 20, "rate": 0.5, "points": 20, "shown": 12, "seeds": 1,
    },
    full={
        "data": "cifar10",
        "setting": (
            "narrow 8", "connected 8", "wide 8", "infinite 8", "flattened 8", "four channels 8",
            "many channels 8", "infinite flattened 8",
        ),
        "three_setting": ("pooled 8", "connected 32", "long 8"),
        "fewer": 1, "seeds": 5, "first_seed": 1_000_000,
    },
    tiny={"setting": ("infinite 8",), "points": 4},
)  # fmt: skip


def measure(run: Run) -> xr.Dataset:
    """The network against its model; `trained` and `tested` are how many images there were."""
    given = sample(run)
    found = linear_images.beside(run, given)
    planes = [0, 0, 0] if found.sizes["plane"] == 1 else [0, 1, 2]  # digits are grey
    return found.isel(plane=planes).assign(trained=len(given.y), tested=len(given.y_test))


def sample(run: Run) -> linear_images.Sample:
    """Images of the two classes; test images beyond the data's own are training images unseen."""
    rng = streams.generator(run.seed, streams.DATA)
    split = images.load(run.data, rng)
    (x, y), (x_test, y_test) = (of_classes(part, run, rng) for part in (split.train, split.test))
    own = min(run.tests, len(y_test))
    unseen = slice(run.n, run.n + run.tests - own)
    return linear_images.prepared(
        pixels(x[: run.n], split.train.top, run.side),
        y[: run.n],
        pixels(np.concatenate([x_test[:own], x[unseen]]), split.train.top, run.side),
        np.concatenate([y_test[:own], y[unseen]]),
    )


def of_classes(part: images.Images, run: Run, rng: Generator) -> tuple[NDArray, NDArray]:
    """Images of the two classes in a random order, and which of the two it is."""
    drawn = corruption.drawn(part.y, CLASSES[run.data], MOST, rng)
    return part.x[drawn.chosen], drawn.y


def pixels(x: NDArray[np.uint8], top: int, side: int) -> NDArray[np.float64]:
    """Means over squares of the images at `LARGE` x `LARGE`, (n, planes, side, side)."""
    times = LARGE // side
    squares = corruption.scaled(x, top, LARGE).reshape(len(x), -1, side, times, side, times)
    return squares.mean(axis=(3, 5)).astype(float)


def checks(runs: Runs) -> list[Check]:
    return [
        *(one for name, claim in JUDGED.items() for one in beside_model(runs, name, claim)),
        *case(runs, "long 8", "H22").later(),
        limit(runs, "H40.limit", "wide 8", "narrow 8", "infinite 8"),
        limit(runs, "H41.limit", "many channels 8", "four channels 8", "infinite flattened 8"),
    ]


def beside_model(runs: Runs, name: str, claim: str) -> list[Check]:
    """One network beside its model; pooling is the control of the convolutional one."""
    one = case(runs, name, claim)
    other = runs.where(setting="pooled 8") if claim == "H23" else None
    found = [one.moves(other), one.own(other), one.sized(), one.near(other)]
    if SETTINGS[name].tests > 2 * 3 * SETTINGS[name].side ** 2:
        found.append(one.split())  # else there is little complement, or none
    return found


def limit(runs: Runs, id: str, wide: str, narrow: str, infinite: str) -> Check:
    """H40, H41: infinite width lacks most of what a finite one lacks."""
    both = (runs.where(setting=name) for name in (narrow, infinite))
    return case(runs, wide, id).limited(id, *both)


def case(runs: Runs, name: str, claim: str) -> Case:
    """The runs of one setting; of CIFAR-10 alone, the data of the paper."""
    cells, where = runs.where(setting=name), f"CIFAR-10 {TITLES[name]}"
    return Case(runs, name.replace(" ", "_"), where, claim, cells, unjudged(runs, cells))


def unjudged(runs: Runs, cells: xr.Dataset) -> str:
    """Why there is nothing to judge; empty where there is."""
    if runs.settings.data != "cifar10":
        return "the criteria are of CIFAR-10"
    return "" if cells.sizes["cell"] else "no such run"
