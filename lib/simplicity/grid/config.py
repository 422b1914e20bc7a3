"""Settings of experiments: frozen dataclasses whose fields carry help, unit and range.

What is here: `settings` (the class decorator), `param` (a field), `parse` (text or plain values to
a validated object), `split` (the one reading of lists, which runs, sweeps and chapters share) and
`written` (their inverse). What is not: presets, which stand in each experiment's grid.
"""

import contextlib
import dataclasses
import functools
import json
import math
import re
import typing
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, dataclass_transform

from simplicity.problems import Problem, nearest, no_such, shown
from simplicity.problems.values import noun_of, read

T = TypeVar("T")
# a field, the type of its value (in a list: of an element), and whether it is a list
Declared = tuple[dataclasses.Field, type, bool]
_BLANKS = re.compile(r"\s*")
_END = re.compile(r"\s*(?:,|\Z)")
_QUOTED = re.compile(r"""(["'])(.*?)\1\s*(?:,|\Z)""", re.DOTALL)


def param(
    default: Any,
    help: str,
    *,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    choices: Iterable[Any] | None = None,
) -> Any:
    """A field of a settings class.

    `low` and `high` are inclusive; for a sequence they and `choices` hold for every element. The
    default is validated like any other value, so a preset cannot be out of range either.
    """
    allowed = None if choices is None else tuple(choices)
    metadata = {"help": help, "unit": unit, "low": low, "high": high, "choices": allowed}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass_transform(frozen_default=True, kw_only_default=True)
def settings(cls: type[T]) -> type[T]:
    """Make `cls` a frozen keyword-only dataclass.

    Each value is coerced and checked before anything uses it.
    """

    def check_all(self: Any) -> None:
        _check(self, _declared(type(self)))  # type: ignore[arg-type]

    cls.__post_init__ = check_all  # type: ignore[attr-defined]
    return dataclasses.dataclass(frozen=True, kw_only=True)(cls)


def replaced(base: T, **given: Any) -> T:
    """`base` with other values, as `dataclasses.replace` makes it; values that stay are not checked
    again.
    """
    declared = _declared(type(base))  # type: ignore[arg-type]
    found = object.__new__(type(base))
    for name in declared:
        object.__setattr__(found, name, given[name] if name in given else getattr(base, name))
    _check(found, {name: declared[name] for name in given})
    return found


def parse(cls: type[T], given: Mapping[str, Any], base: T | None = None) -> T:
    """`base` (or the defaults of `cls`) with the `given` values, each text or plain.

    Unknown names are refused.
    """
    _known(cls, given)
    return cls(**given) if base is None else replaced(base, **given)


def describe(cls: type) -> list[dict[str, Any]]:
    """One plain object a field: name, type, default, help, unit, low, high, choices."""
    hints = typing.get_type_hints(cls)
    return [
        {
            "name": field.name,
            "type": _type_name(hints[field.name]),
            "default": field.default,
            **field.metadata,
        }
        for field in dataclasses.fields(cls)
    ]


def elements(cls: type, name: str, text: str) -> list[Any]:
    """The values of the setting `name` that a grid's `text` lists, each as `parse` takes it."""
    field, _, is_list = _known(cls, [name])[name]
    found = listed(name, text, field.metadata.get("choices") or ())
    # One element each: a comma inside shall not split it a second time.
    return [[one] if is_list and isinstance(one, str) else one for one in found]


def listed(name: str, text: str, choices: Iterable[Any] = ()) -> list[Any]:
    """`split`, with a `Problem` where `text` is no list or has nothing between two commas.

    One may end it.
    """
    found = _between_commas(name, text, choices)
    if not found:
        raise Problem(f"{name}: got {shown(text)}, allowed values between the commas")
    return found


def _between_commas(name: str, text: str, choices: Iterable[Any]) -> list[Any]:
    try:
        found = split(text, choices)
    except ValueError:
        allowed = "values between commas, or a JSON list"
        raise Problem(f"{name}: got {shown(text)}, allowed {allowed}") from None
    while found and found[-1] is None:  # a comma at the end
        found.pop()
    if None in found:
        raise Problem(f"{name}: got {shown(text)}, allowed values between the commas")
    return found


def split(text: str, choices: Iterable[Any] = ()) -> list[Any]:
    """The elements of a list as one types it; None stands for nothing between two commas.

    Raises `ValueError` where the text starts with a bracket and is no JSON list.

    | text                  | elements                                                   |
    | --------------------- | ---------------------------------------------------------- |
    | `10, 20`              | `10` and `20`: blanks around a comma do not count          |
    | `large start,product` | blanks inside stay                                         |
    | `SGD, batch 32,Adam`  | one of the `choices` is taken whole, the longest that fits |
    | `"a, b",'c'`          | an element in quotes is taken as it is, without them       |
    | `["a, b", 3]`         | a JSON list                                                |
    | `10 20`               | one element: commas separate, blanks do not                |
    """
    if text.lstrip().startswith("["):
        return _json_list(text)
    known = sorted((choice for choice in choices if isinstance(choice, str)), key=len, reverse=True)
    found, at = [], 0
    while at <= len(text):
        element, at = _next(text, at, known)
        found.append(element)
    return found


def _next(text: str, at: int, known: Iterable[str]) -> tuple[str | None, int]:
    """The element that starts at `at`, and where the next one does (beyond the end if none)."""
    blanks = _BLANKS.match(text, at)
    start = blanks.end() if blanks else at
    found = _whole(text, start, known)
    if found:
        return found
    comma = text.find(",", start)
    stop = len(text) if comma < 0 else comma
    return text[start:stop].strip() or None, stop + 1


def _whole(text: str, start: int, known: Iterable[str]) -> tuple[str, int] | None:
    """A known choice, or what stands in quotes: commas within it do not count."""
    for choice in known:
        if text.startswith(choice, start):
            end = _END.match(text, start + len(choice))
            if end:
                return choice, _after(text, end.end())
    quoted = _QUOTED.match(text, start)
    return (quoted[2], _after(text, quoted.end())) if quoted else None


def _after(text: str, end: int) -> int:
    """Past a comma another element follows, past the end of the text none."""
    return end if text[end - 1 : end] == "," else len(text) + 1


def _json_list(text: str) -> list[Any]:
    try:
        found = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deep") from None
    if not isinstance(found, list) or any(one is None for one in found):
        raise ValueError("no list of values")
    return found


def written(value: Any, choices: Iterable[Any] | None = None) -> str:
    """A setting's value as text that `parse` (and `elements`, one by one) read as that value."""
    if not isinstance(value, tuple):
        return _word(value)
    words = [_word(item) for item in value]
    text = ",".join(words)
    with contextlib.suppress(ValueError):
        if split(text, choices or ()) == words:
            return text
    return json.dumps(list(value), ensure_ascii=False)


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _known(cls: type, names: Iterable[str]) -> dict[str, Declared]:
    """What is declared, which these names have to be."""
    declared = _declared(cls)
    for name in names:
        if name not in declared:
            raise Problem(no_such("parameter", name, declared))
    return declared


@functools.cache
def _declared(cls: type) -> dict[str, Declared]:
    hints = typing.get_type_hints(cls)
    return {field.name: (field, *_kind(hints[field.name])) for field in dataclasses.fields(cls)}


def _kind(hint: Any) -> tuple[type, bool]:
    """The type of a value (in a list: of an element), and whether it is a list."""
    is_list = typing.get_origin(hint) is tuple
    return (typing.get_args(hint)[0] if is_list else hint), is_list


def _check(given: Any, declared: Mapping[str, Declared]) -> None:
    for name, (field, kind, is_list) in declared.items():
        before = getattr(given, name)
        value = (_tuple if is_list else _scalar)(kind, before, field)
        if value is not before:
            object.__setattr__(given, name, value)
    if hasattr(given, "check"):  # relations between fields, such as "at least one of"
        given.check()


def _tuple(element: type, value: Any, field: dataclasses.Field) -> tuple[Any, ...]:
    items = _items(value, field)
    if not items and not field.metadata.get("empty"):
        raise Problem(
            f"{field.name}: got an empty list, allowed at least one {_type_name(element)}"
        )
    return tuple(_scalar(element, item, field) for item in items)


def _items(value: Any, field: dataclasses.Field) -> list[Any]:
    if isinstance(value, str):
        return _between_commas(field.name, value, field.metadata.get("choices") or ())
    if isinstance(value, Iterable) and not isinstance(value, Mapping | bytes | bytearray):
        return list(value)
    return [value]


def _scalar(kind: type, value: Any, field: dataclasses.Field) -> Any:
    if type(value) is kind and _within(value, field.metadata):
        return value  # as nearly always: every run of a grid is checked, and grids are large
    choices = field.metadata.get("choices")
    given = _chosen(value, choices) if kind is str and choices is not None else value
    with contextlib.suppress(ValueError):
        result = read(kind, given)
        if _within(result, field.metadata):
            return result
    got = f"{shown(value)}{_hint(value, choices)}"
    raise Problem(f"{field.name}: got {got}, allowed {_allowed(kind, field)}")


def _hint(value: Any, choices: Iterable[Any] | None) -> str:
    near = nearest(value, map(str, choices)) if choices is not None else None
    return f" (did you mean {near}?)" if near else ""


def _chosen(value: Any, choices: Iterable[Any]) -> Any:
    """The choice that a text names, also with blanks or quotes around it; else the text itself."""
    if not isinstance(value, str) or value in choices:
        return value
    trimmed = value.strip()
    quoted = _QUOTED.fullmatch(trimmed)
    for text in (trimmed, quoted[2] if quoted else trimmed):
        if text in choices:
            return text
    return value


def _within(value: Any, rule: Mapping[str, Any]) -> bool:
    if isinstance(value, float) and not math.isfinite(value):
        return False
    choices, low, high = rule.get("choices"), rule.get("low"), rule.get("high")
    if choices is not None and value not in choices:
        return False
    return (low is None or value >= low) and (high is None or value <= high)


def _allowed(kind: type, field: dataclasses.Field) -> str:
    rule = field.metadata
    if rule.get("choices") is not None:
        return "one of " + ", ".join(_in_a_line(str(choice)) for choice in rule["choices"])
    return _between(noun_of(kind), rule.get("low"), rule.get("high"))


def _between(noun: str, low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f"{noun} from {_bound(low)} to {_bound(high)}"
    if low is not None:
        return f"{noun}, at least {_bound(low)}"
    return noun if high is None else f"{noun}, at most {_bound(high)}"


def _in_a_line(choice: str) -> str:
    """In quotes where commas or blanks would hide its ends."""
    return json.dumps(choice, ensure_ascii=False) if re.search(r"[,\s]", choice) else choice


def _bound(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:g}"


def _type_name(kind: Any) -> str:
    if typing.get_origin(kind) is tuple:
        return f"list of {_type_name(typing.get_args(kind)[0])}"
    return kind.__name__
