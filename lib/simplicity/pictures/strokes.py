"""Paths of straight lines in as few bytes as show the same: tenths of a point, steps in place of
places, and no point that lies on the line between its neighbours.
"""

import re
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 0.2  # points off the line that nobody sees
_SHORT = 200  # characters of a path that is not worth it, as those of marks
_STEP = re.compile(r"\s*([ML])\s*(-?[\d.]+)\s+(-?[\d.]+)\s*")
_STRAIGHT = re.compile(rf"(?:{_STEP.pattern})+(z?)\s*")
_USES = re.compile(r'<use ([^>]*) style="([^"]*)"/>(?:\s*<use [^>]* style="\2"/>)+')
_GROUP = re.compile(r"<g\b([^>]*?)(/?)>|</g>")


def number(value: int) -> str:
    """Tenths, without a zero before or behind the point."""
    whole, tenth = divmod(abs(value), 10)
    said = f"{whole or ''}.{tenth}" if tenth else f"{whole}"
    return f"-{said}" if value < 0 else said


def pair(x: int, y: int) -> str:
    """Two numbers."""
    return _parted([number(x), number(y)])


def line(points: NDArray[np.floating]) -> str:
    """A polyline through points (k, 2): its first place, and steps from there."""
    tenths = np.round(thinned(points) * 10).astype(int)
    steps = np.diff(tenths, axis=0)
    steps = steps[np.any(steps != 0, axis=1)]
    said = _parted(pair(x, y) for x, y in steps.tolist())
    return f"M{pair(*tenths[0].tolist())}" + (f"l{said}" if said else "h0")


def _parted(numbers: Iterable[str]) -> str:
    """One behind the other: a minus sign parts two as well as a space does."""
    return " ".join(numbers).replace(" -", "-")


def thinned(points: NDArray[np.floating]) -> NDArray[np.floating]:
    """The points without those that lie within the tolerance of the line drawn without them."""
    kept = np.zeros(len(points), dtype=bool)
    kept[[0, -1]] = True
    waiting = [(0, len(points) - 1)]
    while waiting:
        first, last = waiting.pop()
        if last - first < 2:
            continue
        far = _from_chord(points[first : last + 1])
        if far.max() > TOLERANCE:
            middle = first + 1 + int(far.argmax())
            kept[middle] = True
            waiting += [(first, middle), (middle, last)]
    return points[kept]


def _from_chord(points: NDArray[np.floating]) -> NDArray[np.floating]:
    """How far the inner points are from the line between the first and the last."""
    along, off = points[-1] - points[0], points[1:-1] - points[0]
    length = float(along @ along)
    part = np.clip(off @ along / length, 0, 1) if length else np.zeros(len(off))
    return np.linalg.norm(off - part[:, None] * along, axis=1)


def shorter(data: str) -> str:
    """The same for the data of an SVG path; curves and short paths stay as they are."""
    whole = _STRAIGHT.fullmatch(data) if len(data) > _SHORT else None
    if whole is None:
        return data
    runs, end = _runs(data), whole[whole.re.groups]
    return data if end and len(runs) > 1 else "".join(map(line, runs)) + end


def _runs(data: str) -> list[NDArray[np.floating]]:
    """The points of each unbroken line."""
    runs: list[list[tuple[float, float]]] = []
    for letter, x, y in _STEP.findall(data):
        if letter == "M":
            runs.append([])
        runs[-1].append((float(x), float(y)))
    return list(map(np.array, runs))


def unwrapped(svg: str) -> str:
    """Without groups that say nothing, and marks of one style in a group that says it once."""
    said: list[bool] = []

    def group(tag: re.Match[str]) -> str:
        if tag[0] == "</g>":
            return tag[0] if said.pop() else ""
        if tag[2]:
            return tag[0]
        said.append(bool(tag[1].strip()))
        return tag[0] if said[-1] else ""

    return _USES.sub(_marks, _GROUP.sub(group, svg))


def _marks(run: re.Match[str]) -> str:
    style = f'style="{run[2]}"'
    return f"<g {style}>{run[0].replace(f' {style}', '')}</g>"


def all_shorter(svg: str) -> str:
    """A drawing with all its paths shortened and its groups unwrapped."""
    shown = re.sub(r'(?<= d=")[^"]+', lambda data: shorter(data[0]), svg)
    return re.sub(r"\n\s*", "\n", unwrapped(shown)).replace("xlink:href", "href")
