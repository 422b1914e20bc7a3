"""Two classes of images with some labels redrawn (Loukas et al. 2021, section 5, Task 2)."""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from simplicity.problems import Problem, doors

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
