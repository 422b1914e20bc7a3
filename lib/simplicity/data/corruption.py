"""Wrong labels: a share of any labels (`corrupt`, `redraw`), and the two classes of images with
some labels redrawn (`drawn`, `nested`) of Loukas et al. 2021, section 5, Task 2.
"""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from simplicity.problems import Problem, doors, shown

Array = NDArray[np.floating]
Labels = NDArray[np.int64]


class Pair(NamedTuple):
    """Images (n, channels, height, width) in [-1, 1], labels of 0 and 1; training and test."""

    x: Array
    y: Labels
    x_test: Array
    y_test: Labels


class Drawn(NamedTuple):
    """Which images, and their labels: 0 for the first class, 1 for the second."""

    chosen: NDArray[np.int64]
    y: Labels


def drawn(y: Labels, classes: tuple[int, int], count: int, rng: Generator) -> Drawn:
    """`count` random images of two classes, as evenly as they come; fewer where there are fewer."""
    (y,) = doors.labels(np.iinfo(np.int64).max, y=(y, "n"))
    doors.indices("classes", classes, 1_000_000_000, "2")
    doors.whole("count", count, 1)
    doors.generator(rng)
    chosen = rng.permutation(np.flatnonzero(np.isin(y, classes)))[:count]
    return Drawn(chosen, (y[chosen] == classes[1]).astype(np.int64))


def nested(y: Labels, share: float, rng: Generator) -> Labels:
    """round(share n) labels replaced by fair coins, so that about half as many end up wrong.

    Order and coins come from the generator before the share is looked at: with the same generator
    the labels redrawn at a smaller share are among those at a larger one, and get the same coins.
    The authors draw once for all repeats; ours differ from seed to seed.
    """
    (y,) = doors.labels(y=(y, "n"))
    doors.number("share", share, low=0, high=1)
    doors.generator(rng)
    order, coins = rng.permutation(len(y)), rng.integers(2, size=len(y))
    found = y.copy()
    chosen = order[: round(share * len(y))]
    found[chosen] = coins[chosen]
    return found


def scaled(x: NDArray[np.uint8], top: int, side: int) -> NDArray[np.float32]:
    """Pixels 0..top to [-1, 1], shape (n, channels, side, side).

    Small images are enlarged pixel by pixel, then padded dark.
    """
    doors.whole("top", top, 1)
    doors.whole("side", side, 1)
    x = doors.indices("x", x, top + 1, "n ... pixels pixels")
    if side < x.shape[-1]:
        raise Problem(f"side: got {side}, allowed {x.shape[-1]} or more, the images' own")
    found: NDArray[np.float32] = (2 * x.astype(np.float32) / np.float32(top) - 1).reshape(
        len(x), -1, *x.shape[-2:]
    )
    times = side // found.shape[-1]
    found = found.repeat(times, axis=-1).repeat(times, axis=-2)
    short = side - found.shape[-1]
    around = [(0, 0), (0, 0), (short // 2, short - short // 2), (short // 2, short - short // 2)]
    return np.pad(found, around, constant_values=-1)


class Corrupted(NamedTuple):
    """Labels (n,) and where they differ from the true ones (n,)."""

    y: Labels
    flipped: NDArray[np.bool_]

    @property
    def share(self) -> float:
        """The share of labels that ended up different."""
        return float(self.flipped.mean())


def corrupt(y: Labels, share: float, classes: int, rng: Generator) -> Corrupted:
    """Exactly round(share n) labels get another class, uniform over the classes - 1 others."""
    _labels(y, share, classes, rng)
    chosen = _chosen(len(y), share, rng)
    found = y.copy()
    found[chosen] = (y[chosen] + rng.integers(1, classes, size=len(chosen))) % classes
    return Corrupted(found, found != y)


def redraw(y: Labels, share: float, classes: int, rng: Generator) -> Corrupted:
    """round(share n) labels are drawn anew: about share (1 - 1/classes) n end up different."""
    _labels(y, share, classes, rng)
    chosen = _chosen(len(y), share, rng)
    found = y.copy()
    found[chosen] = rng.integers(classes, size=len(chosen))
    return Corrupted(found, found != y)


def _labels(y: Labels, share: float, classes: int, rng: Generator) -> None:
    doors.whole("classes", classes, 2, 1_000_000_000)
    doors.kind("y", y, np.ndarray)
    doors.labels(classes, y=(y, "n"))
    doors.real("share of corrupted labels", share)
    if not 0 <= share <= 1:
        raise Problem(
            f"share of corrupted labels: got {shown(share)}, allowed a number from 0 to 1"
        )
    doors.generator(rng)


def _chosen(n: int, share: float, rng: Generator) -> NDArray[np.int64]:
    return rng.choice(n, round(share * n), replace=False)
