"""The one error that wrong input ends in, told in a line.

What it is about, what was given, what is allowed.
"""

import difflib
import math
from collections.abc import Iterable
from typing import Any

_MAX_SHOWN = 60
MOST_NAMES = 12  # that a line may list
SHOWN_BY_LIST = "a name that `simplicity list` shows"
LONGEST_NAME = 200  # of which a nearest one is looked for


class Problem(ValueError):
    """Wrong input, told in one line: what it is about, what was given, what is allowed."""


class Stopped(Problem):
    """A run that something outside ended (a full disk, a lost cluster), told in one line.

    What was finished is kept.
    """


def unknown(what: str, got: str, allowed: Iterable[str]) -> str:
    """The line for a name that does not exist, with all that do (if many: `no_such`)."""
    # Its code belongs to the fingerprint of recorded runs on images, hence unchanged.
    names = list(allowed)
    near = difflib.get_close_matches(str(got), names, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    return f"unknown {what}: got {shown(got)}, allowed {', '.join(names) or 'none'}{hint}"


def no_such(what: str, got: str, allowed: Iterable[str], where: str = SHOWN_BY_LIST) -> str:
    """The line for a name that does not exist.

    The nearest that does exist comes first, then all of them, or `where` they are told if many.
    """
    names = list(allowed)
    near = nearest(got, names)
    hint = f" (did you mean {near}?)" if near else ""
    listed = ", ".join(names) or "none" if len(names) <= MOST_NAMES else where
    return f"unknown {what}: got {shown(got)}{hint}, allowed {listed}"


def nearest(got: Any, names: Iterable[str]) -> str | None:
    """The one of `names` that `got` is probably a slip of."""
    found = difflib.get_close_matches(str(got)[:LONGEST_NAME], list(names), n=1)
    return found[0] if found else None


def shown(value: Any) -> str:
    """A value on one line, cut to a readable length."""
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 3] + "..."


def interval(
    noun: str, low: float, high: float, above: float = -math.inf, below: float = math.inf
) -> str:
    """The noun with the bounds that there are: `a finite number, at least 0, below 1`."""
    parts = [
        f"{word} {bound:g}"
        for word, bound in (
            ("at least", low),
            ("above", above),
            ("at most", high),
            ("below", below),
        )
        if math.isfinite(bound)
    ]
    return ", ".join([noun, *parts])


def shown_with_type(value: Any) -> str:
    """The type of a value, and the value where it is short."""
    return (
        f"{type(value).__name__} {shown(value)}"
        if len(repr(value)) <= 40
        else f"a {type(value).__name__}"
    )
