"""Plain numbers on a log axis."""

from collections.abc import Iterable

from matplotlib.axis import Axis

PLAIN = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20)


def plain(axis: Axis, places: Iterable[float] = PLAIN) -> None:
    """Ticks at those of the places that the axis shows, and none between them."""
    low, high = sorted(axis.get_view_interval())
    shown = [place for place in places if low <= place <= high]
    axis.set_ticks(shown, [f"{place:g}" for place in shown])
    axis.set_ticks([], minor=True)
