"""The panel of learned functions of the plane, a square of dots for each frequency."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from simplicity.pictures import style
from simplicity.pictures.player import Panel
from simplicity.pictures.style import BLUE, ORANGE
from simplicity.pictures.tracks import Dots, Line, Note, Track

Array = NDArray[np.floating]
_BINS = (
    ("f(x) < −0.6", -9.0, -0.6, ORANGE, 0.95),
    ("−0.6 to −0.2", -0.6, -0.2, ORANGE, 0.4),
    ("0.2 to 0.6", 0.2, 0.6, BLUE, 0.4),
    ("f(x) > 0.6", 0.6, 9.0, BLUE, 0.95),
)
_CENTRES = np.array([(-1.15, 1.2), (1.15, 1.2), (-1.15, -1.25), (1.15, -1.25)])  # of the squares
HEIGHT = 372


def panel(names: Sequence[float], fields: Array, places: Array) -> Panel:
    """A square of dots for each frequency, coloured by the function's value."""
    centres = _CENTRES[: len(names)]
    tracks: list[Track] = [
        _lines(names, centres),
        *_dots(fields, places, centres),
        *map(_caption, names, centres),
    ]
    title = "the learned functions"
    return Panel(title, (-2.25, 2.25), (-2.3, 2.45), tracks, width=340, height=HEIGHT)


def _lines(names: Sequence[float], centres: Array) -> Line:
    """Edges and zeros of all squares."""
    zeros = np.concatenate([_zeros(f) + centre for f, centre in zip(names, centres, strict=True)])
    return Line("where the target is 0", [zeros], opacity=0.6, width=0.8, dashes="3 3")


def _caption(frequency: float, centre: Array) -> Note:
    """Above a square."""
    return Note([f"f = {frequency:g}"], (centre[0] - 1, centre[1] + 1.07), size=12)


def _dots(fields: Array, places: Array, centres: Array) -> Iterator[Dots]:
    """The places of all squares where the function's value lies in each of `_BINS`."""
    everywhere = np.concatenate([places + centre for centre in centres])
    values = np.swapaxes(fields, 0, 1).reshape(fields.shape[1], -1)
    for name, low, high, colour, opacity in _BINS:
        frames = [everywhere[(frame >= low) & (frame < high)] for frame in values]
        yield Dots(name, frames, colour, 3.9, opacity)


def _zeros(frequency: float) -> Array:
    """The square's edge and the lines u, v = (2k + 1) / (4 f), (k, 2), NaN between them."""
    most = int(2 * frequency) + 1
    inside = (2 * np.arange(-most, most) + 1) / (4 * frequency)
    places = (-1.0, *inside[np.abs(inside) < 0.999], 1.0)
    return style.joined([line for at in places for line in _cross(at)])


def _cross(at: float) -> tuple[Array, Array]:
    """The lines u = `at` and v = `at` over the square."""
    line = np.stack([np.full(2, at), [-1.0, 1.0]], axis=1)
    return line, line[:, ::-1]
