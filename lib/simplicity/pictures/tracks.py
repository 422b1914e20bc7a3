"""What a panel of the frame player shows: lines, dots and notes, a content for each frame.

Contents are SVG in the panel's units, colours are the page's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simplicity.pictures import strokes
from simplicity.pictures.style import INK

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Line:
    """A polyline through points (k, 2) in the panel's coordinates; NaN breaks it.

    One array for each frame, or one for all.
    """

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
        dashes = {"stroke-dasharray": self.dashes} if self.dashes else {}
        look = {
            "fill": "none",
            "stroke": _colour(self.colour),
            "stroke-width": self.width,
            "opacity": self.opacity,
        }
        return {**look, "stroke-linejoin": "round", **dashes}


@dataclass(frozen=True)
class Dots:
    """Round marks at points (k, 2), as many as a frame likes; `hollow` ones show what is below."""

    name: str
    frames: Sequence[Array]
    colour: str = INK
    radius: float = 4.0
    opacity: float = 1.0
    hollow: bool = False

    def content(self, points: Array) -> str:
        """One path for all: lines of no length with round ends are discs.

        Circles are two arcs each.
        """
        r = number(self.radius)
        arcs = (
            f"a{r} {r} 0 1 1 {number(2 * self.radius)} 0a{r} {r} 0 1 1 -{number(2 * self.radius)} 0"
            if self.hollow
            else "h0"
        )
        shift = np.array([self.radius if self.hollow else 0.0, 0.0])
        kept = points[np.isfinite(points).all(axis=1)] - shift
        # one path: a second mark in its place adds nothing, and each is told from the one before
        drawn = list(dict.fromkeys(map(tuple, np.round(kept * 10).astype(int).tolist())))
        steps = ((x - u, y - v) for (u, v), (x, y) in zip(drawn, drawn[1:], strict=False))
        first = [f"M{strokes.pair(*drawn[0])}{arcs}"] if drawn else []
        return "".join(first + [f"m{strokes.pair(*step)}{arcs}" for step in steps])

    def attributes(self) -> dict[str, Any]:
        width = 1.8 if self.hollow else 2 * self.radius
        look = {
            "fill": "none",
            "stroke": _colour(self.colour),
            "stroke-width": width,
            "opacity": self.opacity,
        }
        return {
            **look,
            "style": "stroke-linecap:round",
        }  # not as an attribute: a style of Matplotlib's drawings would outweigh it


@dataclass(frozen=True)
class Note:
    """A line of text at a fixed place (x, y) of the panel, one for each frame or one for all."""

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


def _colour(colour: str) -> str:
    return "currentColor" if colour == INK else colour


def number(value: float) -> str:
    """One digit after the point, a tenth of a pixel or less; no trailing zero, no minus zero."""
    return f"{round(float(value), 1) + 0.0:.1f}".removesuffix(".0")
