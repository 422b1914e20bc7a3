"""The early phase on the sphere (d = 3).

Neurons as directions on two hemispheres, G_n as contour lines, a player over time.

Each hemisphere is a disc of its own in Lambert's equal-area projection, so that directions spread
evenly on the sphere are spread evenly on the drawing. The first disc is centred at the first axis,
the teacher's direction in all our tasks, the other at its opposite and mirrored, so that the two
meet at their rims as the pages of an open book.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from simplicity.boursier import alignment, sectors
from simplicity.boursier.alignment import on_sphere
from simplicity.boursier.pictures import early
from simplicity.pictures import style
from simplicity.pictures.player import Panel, Player
from simplicity.pictures.tracks import Dots, Line, Track

Array = NDArray[np.floating]
FRONT, BACK = 1, -1
_TITLES = {FRONT: "towards β*", BACK: "away from β*"}
_LEVELS = np.array([-0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75])  # of max |G_n|
_RIM = sectors.circle(np.linspace(0, 2 * np.pi, 91))
_SIDE, _HEIGHT, _LIMIT = 220.0, 236.0, 1.06
_STRIDE = 0.04  # of the disc's radius, two to three pixels: a neuron's path is drawn no finer


def project(w: Array, side: int) -> Array:
    """Directions (..., 3) on the disc (..., 2) of one hemisphere; NaN for those on the other.

    With c = w_1 / |w| the radius is sqrt(1 - |c|): the share of the hemisphere within it is its
    square.
    """
    unit = w / np.linalg.norm(w, axis=-1, keepdims=True)
    depth, across = side * unit[..., :1], unit[..., 1:]
    placed = on_sphere(across) * np.sqrt(np.maximum(1 - depth, 0)) * np.array([side, 1.0])
    return np.where(depth >= 0, placed, np.nan)


def lift(places: Array, side: int) -> Array:
    """The directions (..., 3) of places (..., 2) on a disc: undoes `project`."""
    square = np.sum(places**2, axis=-1, keepdims=True)
    return np.concatenate(
        [side * (1 - square), places * np.array([side, 1.0]) * np.sqrt(2 - square)], axis=-1
    )


def contours(x: Array, y: Array, side: int) -> dict[float, Array]:
    """Lines of equal G_n on one disc, by their share of max |G_n| on the sphere.

    Points (k, 2), NaN between pieces.
    """
    grid = _grid()
    heights = {one: _heights(lift(grid, one), x, y) for one in (FRONT, BACK)}
    height = heights[side] / max(np.abs(one).max() for one in heights.values())
    drawn = Figure().subplots().contour(grid[..., 0], grid[..., 1], height, levels=_LEVELS)
    lines = map(style.joined, drawn.allsegs)
    return dict(zip(_LEVELS.tolist(), lines, strict=True))


def _grid() -> Array:
    """Places on a disc, (radii, angles, 2)."""
    radius, angle = np.meshgrid(
        np.linspace(0, 1, 61), np.linspace(0, 2 * np.pi, 121), indexing="ij"
    )
    return radius[..., None] * sectors.circle(angle)


def _heights(w: Array, x: Array, y: Array) -> Array:
    """G_n of directions (..., 3)."""
    return alignment.g_n(w.reshape(-1, 3), x, y).reshape(w.shape[:-1])


def turning(
    frames: dict[str, Array], x: Array, y: Array, moments: Mapping[str, float], every: int
) -> Player:
    """`early.neuron_frames` of d = 3 as a player.

    Both hemispheres, and beside them the loss and the share aligned.
    """
    index = np.arange(0, len(frames["time"]), every)
    discs = [_hemisphere(frames, x, y, side, index) for side in (FRONT, BACK)]
    curves = early.over_time(frames, index, moments, width=1.2 * _SIDE, height=_HEIGHT)
    about = (
        "Neurons of a network in three dimensions as directions on two hemispheres, turning to the "
        "extremal directions"
    )
    return early.player([*discs, curves], frames, index, about)


def _hemisphere(
    frames: dict[str, Array], x: Array, y: Array, side: int, index: NDArray[np.intp]
) -> Panel:
    """A disc with the neurons of both signs over the contours."""
    tracks: list[Track] = [Line("", [_RIM], opacity=0.6, width=1.0), *_contours(x, y, side)]
    for sign in early.SIDES:
        tracks += _neurons(frames, sign, side, index)
    limits = (-_LIMIT, _LIMIT)
    return Panel(_TITLES[side], limits, limits, tracks, width=_SIDE, height=_HEIGHT)


def _contours(x: Array, y: Array, side: int) -> Iterator[Line]:
    for level, line in contours(x, y, side).items():
        name, look = _level(level)
        yield Line(name, [line], **look)


def _neurons(
    frames: dict[str, Array], sign: int, side: int, index: NDArray[np.intp]
) -> Iterator[Track]:
    """The neurons of one sign of a_j: their paths, where they may end, where they are."""
    ends, colour, word = early.SIDES[sign]
    places = project(early.of_sign(frames, sign), side)
    yield early.paths(early.before_exit(frames, places), _STRIDE, colour)
    yield Dots(f"{ends[:-1]} of Gₙ", [project(frames[ends], side)], colour, radius=7, hollow=True)
    neurons = list(places[index])
    yield Dots(f"neurons with {word}", neurons, colour, radius=2.2, opacity=0.8)


def _level(level: float) -> tuple[str, dict[str, Any]]:
    """The legend's word for a contour and how it looks: dashed below zero."""
    if level == 0:
        return "Gₙ = 0", {"opacity": 0.55, "width": 1.0}
    look = {"opacity": 0.3, "width": 0.8}
    return ("Gₙ > 0", look) if level > 0 else ("Gₙ < 0", look | {"dashes": "2 3"})
