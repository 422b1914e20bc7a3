"""The one reading of values, text or plain, for runs, sweeps, chapters and the command line."""

import math
import numbers
import re
from collections.abc import Callable
from typing import Any

_WHOLE = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_EXACT = 2**53  # below, every whole number is a float
_TRUTH = {"true": True, "1": True, "false": False, "0": False}
_NOUNS = {int: "a whole number", float: "a finite number", bool: "true or false", str: "text"}


def noun_of(kind: type) -> str:
    """What a value of that kind is called."""
    return _NOUNS[kind]


def read(kind: type, value: Any) -> Any:
    """`value`, text or plain, as `kind` (int, float, bool or str); `ValueError` where it is none.

    Runs, sweeps and chapters all read with this. Text means what the plain value so written means:

    | kind            | taken                                       | refused                      |
    | --------------- | ------------------------------------------- | ---------------------------- |
    | a whole number  | `7`, `-7`, `+7`, `007`, ` 7 `; `7.0`, `1e3` | `7.5`, `0x10`, `1_000`,      |
    |                 | (whole, below 2^53: exact); 7, 7.0          | `1,000`, `1/2`, `٧` (no      |
    |                 |                                             | digit 0 to 9), True, nothing |
    | a finite number | `0.5`, `.5`, `5.`, `1e-3`, ` 0.5 `; 1, 0.5  | `inf`, `nan`, `1e999`,       |
    |                 |                                             | `1e-999` (would be 0),       |
    |                 |                                             | `0x10`, `1_000`, `٧`, True,  |
    |                 |                                             | nothing                      |
    | true or false   | `true`, `false`, in capitals too, `1`, `0`; | `yes`, `no`, `on`, `2`,      |
    |                 | True, False, 1, 0                           | `1.0`, nothing               |
    | text            | any text, as it is                          | numbers, truth values        |

    NumPy's scalars count as plain values.
    """
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        value = value.item()
    try:
        return _READERS[kind](value)
    except (TypeError, OverflowError) as wrong:
        raise ValueError(str(wrong)) from None


def _to_int(value: Any) -> int:
    if isinstance(value, str):
        text = value.strip()
        if _WHOLE.fullmatch(text):
            return int(text)
        value = _to_float(text)
        if abs(value) >= _EXACT:
            raise ValueError("not sure to be exact")
    number = int(_real(value))
    if number != value:
        raise ValueError("not a whole number")
    return number


def _to_float(value: Any) -> float:
    text = value.strip() if isinstance(value, str) else ""
    if text and not _NUMBER.fullmatch(text):
        raise ValueError("not a number")
    number = float(text or _real(value))
    vanished = number == 0 and re.search(r"[1-9]", re.split("[eE]", text)[0])
    if vanished or not math.isfinite(number):
        raise ValueError("beyond what a float holds")
    return number


def _real(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError("not a number")
    return value


def _to_bool(value: Any) -> bool:
    if isinstance(value, int) and value in (0, 1):
        return bool(value)
    if not isinstance(value, str) or value.strip().lower() not in _TRUTH:
        raise ValueError("neither true nor false")
    return _TRUTH[value.strip().lower()]


def _to_str(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not text")
    return value


_READERS: dict[type, Callable[[Any], Any]] = {
    int: _to_int,
    float: _to_float,
    bool: _to_bool,
    str: _to_str,
}
