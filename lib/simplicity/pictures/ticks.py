"""Ticks as plain numbers, for a panel of matplotlib and for one of the frame player."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axis import Axis
from numpy.typing import ArrayLike

PLAIN = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20)

Ticks = Sequence[tuple[float, str]]


def only(axis: Axis, values: ArrayLike = PLAIN, form: str = "g") -> None:
    """Of the values those that lie within the axis are its ticks, and there are no others.

    What the axis spans must be known: draw first.
    """
    low, high = sorted(axis.get_view_interval())
    shown: list[Any] = [value for value in np.unique(values) if low <= value <= high]
    axis.set_ticks(shown, [f"{value:{form}}" for value in shown])
    axis.set_ticks([], minor=True)


def at(values: Iterable[float], form: str = "g", place: Callable[[float], float] = float) -> Ticks:
    """The values as a format says them, each at its place on the axis of a player's panel."""
    return [(place(value), f"{value:{form}}") for value in values]
