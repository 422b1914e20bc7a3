"""What the pictures of this wing and of `together` share: points, ticks, and the nearest frame."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from matplotlib.axis import Axis
from numpy.typing import ArrayLike, NDArray

from simplicity.pictures.player import Ticks

Array = NDArray[np.floating]


def points(x: ArrayLike, y: ArrayLike) -> list[Array]:
    """A curve (points, 2) for each row of y (frames, points), or one for all frames."""
    return [np.stack([np.asarray(x), row], axis=1) for row in np.atleast_2d(np.asarray(y))]


def ticks(values: Iterable[float], form: str = "g", at: Callable[[float], float] = float) -> Ticks:
    """The values as a format says them, each at its place `at` on the axis of a player's panel."""
    return [(at(value), f"{value:{form}}") for value in values]


def nearest(values: ArrayLike, wanted: float) -> int:
    """Where the value is whose ratio to `wanted` is nearest to 1; a value of 0 is nowhere near."""
    ratios = np.maximum(np.asarray(values, dtype=float) / wanted, 1e-9)
    return int(np.argmin(np.abs(np.log(ratios))))


def only(axis: Axis, values: Iterable[float]) -> None:
    """Of the values those that lie within the axis are its ticks, and there are no others."""
    low, high = axis.get_view_interval()
    shown: list[Any] = [value for value in values if low <= value <= high]
    axis.set_ticks(shown, [f"{value:g}" for value in shown])
    axis.minorticks_off()
