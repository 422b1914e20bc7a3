"""What a panel of the frame player shows: lines, dots and notes, a content for each frame.

Contents are SVG in the panel's units, colours are the page's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simplicity.pictures import strokes
from simplicity.pictures.style import INK

Array = NDArray[np.floating]


class _Frames:
    """A content for each frame of the player, or one for all."""

    frames: Sequence[Any]

    @property
    def changes(self) -> bool:
        return len(self.frames) > 1

    def frame(self, number: int) -> Any:
        return self.frames[number if self.changes else 0]


@dataclass(frozen=True)
class Line(_Frames):
    """A polyline through points (k, 2) in the panel's coordinates; NaN breaks it."""

    name: str
    frames: Sequence[Array]
    colour: str = INK
    width: float = 1.6
    opacity: float = 1.0
    dashes: str = ""

    def content(self, points: Array) -> str:
        """The path's data, in the panel's units."""
        known = np.isfinite(points).all(axis=1)
        ends = np.flatnonzero(np.diff(known.astype(int))) + 1
        runs = zip(np.split(points, ends), np.split(known, ends), strict=True)
        return "".join(strokes.line(run) for run, there in runs if len(run) and there[0])

    def attributes(self) -> dict[str, Any]:
        more = {"stroke-linejoin": "round", "stroke-dasharray": self.dashes}
        return _look(self.colour, self.width, self.opacity) | more


@dataclass(frozen=True)
class Dots(_Frames):
    """Round marks at points (k, 2), as many as a frame likes; `hollow` ones show what is below."""

    name: str
    frames: Sequence[Array]
    colour: str = INK
    radius: float = 4.0
    opacity: float = 1.0
    hollow: bool = False

    def content(self, points: Array) -> str:
        """One path for all: lines of no length with round ends are discs, two arcs are a circle."""
        known = points[np.isfinite(points).all(axis=1)]
        edge = self.radius if self.hollow else 0.0
        tenths = np.round((known - [edge, 0.0]) * 10).astype(int)
        # a second mark in its place adds nothing, and each is told from the one before
        _, first = np.unique(tenths, axis=0, return_index=True)
        steps = np.diff(tenths[np.sort(first)], axis=0, prepend=np.zeros((1, 2), dtype=int))
        marks = [f"{strokes.pair(*step)}{self._mark()}" for step in steps.tolist()]
        return f"M{'m'.join(marks)}" if marks else ""

    def _mark(self) -> str:
        """A disc, or a circle that begins at its left edge."""
        if not self.hollow:
            return "h0"
        r, across = number(self.radius), number(2 * self.radius)
        return f"a{r} {r} 0 1 1 {across} 0a{r} {r} 0 1 1 -{across} 0"

    def attributes(self) -> dict[str, Any]:
        width = 1.8 if self.hollow else 2 * self.radius
        # as a style: one of Matplotlib's drawings would outweigh an attribute
        return _look(self.colour, width, self.opacity) | {"style": "stroke-linecap:round"}


@dataclass(frozen=True)
class Note(_Frames):
    """A line of text at a fixed place (x, y) of the panel."""

    frames: Sequence[str]
    at: tuple[float, float]
    anchor: str = "start"
    size: float = 13.0
    opacity: float = 0.85
    name: str = ""

    def attributes(self) -> dict[str, Any]:
        return {
            "text-anchor": self.anchor,
            "font-size": self.size,
            "opacity": self.opacity,
            "fill": "currentColor",
        }


Track = Line | Dots | Note


def _look(colour: str, width: float, opacity: float) -> dict[str, Any]:
    stroke = "currentColor" if colour == INK else colour
    return {"fill": "none", "stroke": stroke, "stroke-width": width, "opacity": opacity}


def number(value: float) -> str:
    """One digit after the point, a tenth of a pixel or less; no trailing zero, no minus zero."""
    return f"{round(float(value), 1) + 0.0:.1f}".removesuffix(".0")


def points(x: ArrayLike, y: ArrayLike) -> list[Array]:
    """A curve (points, 2) for each row of y (frames, points), or one for all frames."""
    return [np.stack([np.asarray(x), row], axis=1) for row in np.atleast_2d(np.asarray(y))]


def nearest(values: ArrayLike, wanted: float) -> int:
    """Where the value is whose ratio to `wanted` is nearest to 1; a value of 0 is nowhere near."""
    ratios = np.maximum(np.asarray(values, dtype=float) / wanted, 1e-9)
    return int(np.argmin(np.abs(np.log(ratios))))
