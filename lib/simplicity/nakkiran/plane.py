"""Points of the plane with a share of flipped labels, and a small dense network on them.

The experiments `disk` and `bad_start` share this.

The network has three hidden layers and one logit (`nakkiran.dense`) and is trained by full-batch
gradient descent.
"""

import numpy as np

from simplicity.data import corruption, streams
from simplicity.grid import config
from simplicity.nakkiran import dense
from simplicity.nakkiran.complexity import Array, Labels

HIDDEN = 3  # layers


@config.settings
class Run:
    """The sample, the network, and gradient descent on it."""

    n: int = config.param(100, "training points", unit="samples", low=10, high=10**6)
    flip: float = config.param(0.1, "share of flipped labels", low=0, high=0.5)
    hidden: int = config.param(
        64, "neurons of each hidden layer", unit="neurons", low=1, high=10**4
    )
    rate: float = config.param(0.1, "learning rate of gradient descent", low=1e-12)
    steps: int = config.param(2000, "steps of gradient descent", low=1, high=10**8)
    test_samples: int = config.param(20_000, "fresh points", unit="samples", low=100, high=10**7)
    seed: int = config.param(0, "seed of data and start", low=0, high=2**31 - 1)


def start(run: Run) -> dense.Dense:
    """The random network before training."""
    rng = streams.generator(run.seed, streams.INITIALISATION)
    return dense.gaussian((2, *[run.hidden] * HIDDEN), rng)


def share_of(network: dense.Dense, points: Array, labels: Labels) -> float:
    """The share of points (n, 2) that the network labels so."""
    return float(np.mean(dense.predict(network, points) == labels))


def given(run: Run, clean: Labels) -> Labels:
    """The labels that the network is trained on: a share of the clean ones (n,) is flipped."""
    return corruption.corrupt(clean, run.flip, 2, streams.generator(run.seed, streams.NOISE)).y
