"""A small picture of a check: where its value, interval and control lie against the criterion."""

import math
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

WIDTH, HEIGHT, EDGE = 220, 34, 8
LINE, CONTROL_LINE = 11, 24  # heights of the value's and of the control's line
Place = Callable[[float], float]
LOG_FROM = 30.0  # largest over smallest number from which the axis is logarithmic


def picture(check: dict[str, Any]) -> str:
    """Inline SVG: the criterion as a band, the value as a dot in its interval, the control as a
    ring below.

    Empty where the criterion has no bound on the number line, or nothing was measured.
    """
    if check.get("band") is None or check["value"] is None:
        return ""
    return (
        f'<svg class="check-picture" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" role="img" aria-label="{escape(_label(check))}">'
        f"{''.join(_parts(check))}</svg>"
    )


def _parts(check: dict[str, Any]) -> list[str]:
    """The value's line, and the control's."""
    band, value, interval = check["band"], check["value"], check["interval"] or ()
    against, wanted = _of_control(check)
    numbers = (*band, value, against, *interval, *wanted)
    place = _axis([one for one in numbers if one is not None])
    parts = _line(place, LINE, ("criterion", "value"), band, value, interval)
    if against is not None:
        parts += _line(place, CONTROL_LINE, ("wanted", "control"), wanted, against)
    return parts


def _of_control(check: dict[str, Any]) -> tuple[float | None, Sequence[float | None]]:
    """The value, and the band where it has to lie."""
    control = check.get("control") or {}
    return control.get("value"), control.get("band") or ()


def _line(
    place: Place,
    height: int,
    names: tuple[str, str],
    band: Sequence[float | None],
    value: float,
    interval: Sequence[float] = (),
) -> list[str]:
    """A band, an interval and a dot at one height; `names` are those of the band and of the dot."""
    parts = [_band(band, place, height, names[0])] if band else []
    parts += [_interval(place(interval[0]), place(interval[1]), height)] if interval else []
    dot = f'<circle class="{names[1]}" cx="{place(value):.1f}" cy="{height}" r="3.5"/>'
    return [*parts, dot]


def _interval(low: float, high: float, height: int) -> str:
    return f'<line class="interval" x1="{low:.1f}" x2="{high:.1f}" y1="{height}" y2="{height}"/>'


def _label(check: dict[str, Any]) -> str:
    control = check.get("control") or {}
    told = f"value {check['value']:.3g}, criterion {check['criterion']}"
    if control.get("value") is not None:
        told += f"; control {control['value']:.3g}, had to be {control['criterion']}"
    return told


def _axis(numbers: list[float]) -> Place:
    """Number -> horizontal place; logarithmic where all are positive and far apart."""
    low, high = min(numbers), max(numbers)
    logarithmic = low > 0 and high / low >= LOG_FROM
    scale = math.log if logarithmic else float
    start, end = _with_margin(scale(low), scale(high))

    def place(number: float) -> float:
        return EDGE + (WIDTH - 2 * EDGE) * (scale(number) - start) / (end - start)

    return place


def _with_margin(start: float, end: float) -> tuple[float, float]:
    margin = 0.12 * (end - start) or 0.5 * abs(end) or 1.0
    return start - margin, end + margin


def _band(band: Sequence[float | None], place: Place, height: int, name: str) -> str:
    low, high = _edges(band, place)
    return (
        f'<rect class="{name}" x="{low:.1f}" width="{high - low:.1f}" y="{height - 6}" '
        'height="12"/>'
    )


def _edges(band: Sequence[float | None], place: Place) -> tuple[float, float]:
    low = 0.0 if band[0] is None else place(band[0])
    high = float(WIDTH) if band[1] is None else place(band[1])
    if high - low < 2:  # a single allowed value
        low, high = low - 1, high + 1
    return low, high
