"""Paths of straight lines in as few bytes as show the same: tenths of a point, steps in place of
places, and no point that lies on the line between its neighbours.
"""

import re

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
    sign, whole, tenth = "-" if value < 0 else "", abs(value) // 10, abs(value) % 10
    return f"{sign}{whole}" if not tenth else f"{sign}{whole or ''}.{tenth}"


def pair(x: int, y: int) -> str:
    """Two numbers; a minus sign parts them as well as a space does."""
    second = number(y)
    return number(x) + (second if second.startswith("-") else f" {second}")


def line(points: NDArray[np.floating]) -> str:
    """A polyline through points (k, 2): its first place, and steps from there."""
    tenths = np.round(thinned(points) * 10).astype(int)
    steps = np.diff(tenths, axis=0)
    steps = steps[np.any(steps != 0, axis=1)]
    said = "".join(
        text if text.startswith("-") or not place else f" {text}"
        for place, text in enumerate(pair(x, y) for x, y in steps.tolist())
    )
    return f"M{pair(*tenths[0].tolist())}" + (f"l{said}" if said else "h0")


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
    runs: list[list[tuple[float, float]]] = []
    for letter, x, y in _STEP.findall(data):
        if letter == "M":
            runs.append([])
        runs[-1].append((float(x), float(y)))
    if whole[whole.re.groups] and len(runs) > 1:
        return data
    return "".join(line(np.array(run)) for run in runs) + whole[whole.re.groups]


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

    def marks(run: re.Match[str]) -> str:
        return f'<g style="{run[2]}">{run[0].replace(f" style={chr(34)}{run[2]}{chr(34)}", "")}</g>'

    return _USES.sub(marks, _GROUP.sub(group, svg))


def all_shorter(svg: str) -> str:
    """A drawing with all its paths shortened and its groups unwrapped."""
    shown = re.sub(r'(?<= d=")[^"]+', lambda data: shorter(data[0]), svg)
    return re.sub(r"\n\s*", "\n", unwrapped(shown)).replace("xlink:href", "href")
