"""What every training loop shares: when it is looked at, and how it ends where it diverges."""

from collections.abc import Iterator

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from simplicity.problems import doors, training_doors


class Diverged(ArithmeticError):
    """The loss stopped being finite; the message names the step and the settings."""


def log_schedule(steps: int, points: int) -> tuple[int, ...]:
    """0, `steps`, about `points` steps between, evenly in log(1 + step); strictly increasing."""
    doors.whole("steps", steps, 0)
    doors.whole("points", points, 1)
    return tuple(
        np.unique(np.rint(np.expm1(np.linspace(0, np.log1p(steps), points))).astype(int)).tolist()
    )


def evenly(last: int, points: int, first: int = 0) -> tuple[int, ...]:
    """`points` whole steps from `first` to `last`, evenly spaced; each once.

    Strictly increasing; fewer where there are not as many whole steps.
    """
    return _whole(np.linspace(first, last, points))


def geometrically(last: int, points: int, first: int = 1) -> tuple[int, ...]:
    """`points` whole steps from `first` to `last`, each by about the same factor above the one
    before; each once.

    Strictly increasing; fewer where there are not as many whole steps. `first` is at least 1.
    """
    return _whole(np.geomspace(first, last, points))


def _whole(steps: NDArray[np.floating]) -> tuple[int, ...]:
    return tuple(np.unique(np.rint(steps).astype(int)).tolist())


def batches(n: int, batch: int, rng: Generator | None) -> Iterator[NDArray[np.int64] | slice]:
    """Which samples each step takes, for ever.

    Slices of a permutation of range(n) that `rng` draws anew for each pass.

    The last batch of a pass may be smaller. A `batch` of 0, or of n or more, is every sample in its
    own order.
    """
    doors.whole("n", n, 1)
    doors.whole("batch", batch, 0)
    training_doors.minibatches(batch, rng, max(n, batch + 1) if batch else n)
    return _batches(n, batch, rng)


def _batches(n: int, batch: int, rng: Generator | None) -> Iterator[NDArray[np.int64] | slice]:
    while True:
        if rng is None or not 0 < batch < n:
            yield slice(None)
            continue
        order = rng.permutation(n)
        for first in range(0, n, batch):
            yield order[first : first + batch]
