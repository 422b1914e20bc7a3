"""Deep networks on digits beside the linear model of their tangent kernel (claims H22 to H25, H42).

Hu et al. 2020, Figure 3, with scikit-learn's digits of 8 x 8 pixels, even against odd, in place of
CIFAR-10 (which is in `linear_on_cifar`): data that need no file. Four hidden layers of erf, in NTK
parametrisation, as the difference of two copies; the control is the convolutional network with
global average pooling, whose kernel is linear in another thing than the pixels.
"""

import numpy as np
import xarray as xr

from simplicity.data import images, streams
from simplicity.evidence.claims import Check
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.hu import linear_images
from simplicity.hu.linear_images import NETWORKS
from simplicity.hu.linear_images_checks import Case

CLAIMS = ("H22", "H23", "H24", "H25", "H42")

KINDS = NETWORKS[:4]
TRAIN = 1400  # of 1797; the others are the test


@config.settings
class Run(linear_images.Run):
    """A network on digits."""

    network: str = config.param(KINDS[0], "network", choices=KINDS)
    n: int = config.param(600, "training images", unit="samples", low=20, high=TRAIN)


GRID = Grid(
    Run,
    groups={
        "dense": {"network": ("connected", "infinite")},
        "convolutional": {"network": ("flattened", "pooled"), "width": 16, "steps": 60},
    },
    quick={"seeds": 1},
    full={"seeds": 10, "first_seed": 1_000_000},
    tiny={
        "n": 60, "width": 32, "steps": 30, "convolutional_width": 4, "convolutional_steps": 20,
        "points": 4, "shown": 5,
    },
)  # fmt: skip


def measure(run: Run) -> xr.Dataset:
    """The network against its model along `probe`; `weights` are the model's at its half-time."""
    return linear_images.beside(run, sample(run.seed, run.n))


def sample(seed: int, n: int) -> linear_images.Sample:
    """`n` training images and 397 others; even digits are labelled +1."""
    split = images.digits(streams.generator(seed, streams.DATA), TRAIN)
    train = split.train.take(np.arange(n))
    x, x_test = (part.x[:, None].astype(float) for part in (train, split.test))
    return linear_images.prepared(x, train.y % 2 == 0, x_test, split.test.y % 2 == 0)


def checks(runs: Runs) -> list[Check]:
    """The fully connected network for H22, the flattened one for H23, both for the others.

    Of fewer than five seeds it is chance what comes out of small differences.
    """
    flat, pooled = (runs("convolutional", network=name) for name in ("flattened", "pooled"))
    dense = runs("dense", network="connected")
    return [
        *of_case(Case(runs, "digits", "digits, fully connected", "H22", dense), None),
        *of_case(Case(runs, "digits_flat", "digits, convolutional", "H23", flat), pooled),
    ]


def of_case(case: Case, pooled: xr.Dataset | None) -> list[Check]:
    """The checks of one network; `pooled` is a control."""
    strict = case._replace(needs=5)
    return [
        strict.moves(pooled), case.split(), *strict.later(), case.own(pooled), case.sized(),
        strict.near(pooled),
    ]  # fmt: skip
