"""Dog against airplane with corrupted labels, on the paper's convolutional network (L11 to L16).

Loukas et al. 2021, Task 2, Figures 1d-f and 2c: the network of `modules.two_convolutions`,
cross-entropy, one image a step, rate .0025 that falls tenfold every half of the run, labels redrawn
by a fair coin. Recorded with fewer images than theirs; the files of CIFAR-10 must be there
(`simplicity data fetch`). The small presets use scikit-learn's digits 3 against 8, enlarged.
"""

import numpy as np
import xarray as xr

from simplicity.data import corruption, streams
from simplicity.evidence import claims
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.loukas import corruption_checks, cosine, image_task, single_image
from simplicity.loukas.criteria import elsewhere

CLAIMS = ("L11", "L12", "L13", "L16", "L37", "L38", "L39")

DATA = {"digits": (3, 8), "cifar10": (0, 5)}  # airplane 0, dog 5: the first class is labelled 0
SIDE = 32
PROBES = 13
MATCHED = 0.4


@config.settings
class Run:
    """A run on images whose labels are partly redrawn."""

    data: str = config.param("digits", "digits 3 / 8, or CIFAR-10 airplane / dog", choices=DATA)
    corruption: float = config.param(0.0, "share of labels replaced by a coin", low=0, high=1)
    images: int = config.param(200, "training images", unit="samples", low=4, high=10_000)
    tests: int = config.param(100, "test images", unit="samples", low=4, high=2000)
    channels: int = config.param(8, "of the first convolution; four times as many follow", low=1)
    rate: float = config.param(0.01, "learning rate of SGD at the start", low=1e-12)
    epochs: int = config.param(30, "passes over the images", unit="epochs", low=2, high=10_000)
    seed: int = config.param(0, "seed of images, labels, start and order", low=0, high=2**31 - 1)

    @property
    def rates(self) -> np.ndarray:
        """The learning rate of each pass."""
        return self.rate * 10 ** (-2 * np.arange(self.epochs) / self.epochs)


GRID = Grid(
    Run,
    groups={"images": {"corruption": (0.0, 0.2, 0.4, 0.6)}},
    quick={},
    full={
        "data": "cifar10", "images": 1000, "tests": 2000, "channels": 96, "rate": 0.0025,
        "epochs": 100, "seeds": 5, "first_seed": 1_000_000,
    },
    tiny={"channels": 2, "images": 20, "tests": 10, "epochs": 3},
)  # fmt: skip


def measure(run: Run) -> xr.Dataset:
    """Statistics of every pass along `epoch`; scores on test and given labels at probes."""
    clean = image_task.pair(run.data, DATA[run.data], run.images, run.tests, SIDE, run.seed)
    noise = streams.generator(run.seed, streams.NOISE)
    given = corruption.nested(clean.y, run.corruption, noise).astype(np.float32)
    found = _train(run, clean, given)
    return image_task.summary(found, run.rates, np.mean(given != clean.y))


def _train(run: Run, pair: corruption.Pair, given: np.ndarray) -> xr.Dataset:
    """Statistics of each pass of the given labels, and scores at the probes."""
    return single_image.descend(
        image_task.convolutional(pair, run.channels, run.seed), pair.x, given,
        cosine.in_epochs(len(pair.x), run.epochs, run.seed),
        step_size=run.rates, window=len(pair.x),
        schedule=image_task.looks(run.epochs, PROBES),
        **image_task.watched(
            image_task.logits, (pair.x_test, pair.y_test), (pair.x, given)
        ),
    )  # fmt: skip


def checks(runs: Runs) -> list[claims.Check]:
    """Of CIFAR-10, the data of the paper, and with its network alone."""
    unless = elsewhere(runs, data="cifar10", channels=96, corruption=(0.0, 0.2, 0.4, 0.6))
    where = corruption_checks.Setting(runs, "cifar", "CIFAR-10 dog / airplane", {}, unless)
    return corruption_checks.judged(where, corruption_checks.thinned(runs["images"]), MATCHED, None)
