"""Settings of experiments: frozen dataclasses whose fields carry help, unit and range.

What is here: `settings` (the class decorator), `param` (a field), `parse` (text or plain values to a validated object)
and `Problem`, the one error that a user's wrong input may end in. What is not: presets, which stand beside each
experiment's own `Config`.
"""

import dataclasses
import difflib
import math
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")
_MAX_SHOWN = 60


class Problem(ValueError):
    """Wrong input, told in one line: what it is about, what was given, what is allowed."""


class Stopped(Problem):
    """A run that something outside ended (a full disk, a lost cluster), told in one line; what was finished is kept."""


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

    `low` and `high` are inclusive; for a sequence they and `choices` hold for every element. The default is validated
    like any other value, so a preset cannot be out of range either.
    """
    allowed = None if choices is None else tuple(choices)
    metadata = {"help": help, "unit": unit, "low": low, "high": high, "choices": allowed}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass_transform(frozen_default=True, kw_only_default=True)
def settings(cls: type[T]) -> type[T]:
    """Make `cls` a frozen keyword-only dataclass that coerces and checks each value before anything uses it."""
    hints = typing.get_type_hints(cls)

    def check_all(self: Any) -> None:
        for field in dataclasses.fields(self):
            value = _coerce(hints[field.name], getattr(self, field.name), field)
            object.__setattr__(self, field.name, value)
        relation = getattr(self, "check", None)  # relations between fields, such as "at least one of"
        if relation is not None:
            relation()

    cls.__post_init__ = check_all  # type: ignore[attr-defined]
    return dataclasses.dataclass(frozen=True, kw_only=True)(cls)


def parse(cls: type[T], given: Mapping[str, Any], base: T | None = None) -> T:
    """`base` (or the defaults of `cls`) with the `given` values, each text or plain value; unknown names are refused."""
    names = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
    for name in given:
        if name not in names:
            raise Problem(unknown("parameter", name, names))
    if base is None:
        return cls(**given)
    return dataclasses.replace(base, **given)  # type: ignore[type-var]


def shared(cell: type, config: Any, but: Iterable[str] = ()) -> dict[str, Any]:
    """The values of `config` whose fields `cell` has under the same name, `but` those that the grid varies itself."""
    names = {field.name for field in dataclasses.fields(cell)} - set(but)
    return {field.name: getattr(config, field.name) for field in dataclasses.fields(config) if field.name in names}


def seeds(config: Any) -> range:
    """The seeds of a run: `seeds` of them from `first_seed` on."""
    return range(config.first_seed, config.first_seed + config.seeds)


def unknown(what: str, got: str, allowed: Iterable[str]) -> str:
    """The line for a name that does not exist, with the nearest one that does."""
    names = list(allowed)
    near = difflib.get_close_matches(str(got), names, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    return f"unknown {what}: got {shown(got)}, allowed {', '.join(names) or 'none'}{hint}"


def shown(value: Any) -> str:
    """A value on one line, cut to a readable length."""
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 3] + "..."


def describe(cls: type) -> list[dict[str, Any]]:
    """One plain object a field: name, type, default, help, unit, low, high, choices."""
    hints = typing.get_type_hints(cls)
    return [
        {"name": field.name, "type": _type_name(hints[field.name]), "default": field.default, **field.metadata}
        for field in dataclasses.fields(cls)
    ]


def _coerce(kind: Any, value: Any, field: dataclasses.Field) -> Any:
    if typing.get_origin(kind) is tuple:
        element = typing.get_args(kind)[0]
        items = _split(value)
        if not items:
            raise Problem(f"{field.name}: got an empty list, allowed at least one {_type_name(element)}")
        return tuple(_scalar(element, item, field) for item in items)
    return _scalar(kind, value, field)


def _split(value: Any) -> list[Any]:
    if isinstance(value, str):
        return [part for part in value.replace(" ", "").split(",") if part]
    if isinstance(value, Iterable) and not isinstance(value, Mapping):
        return list(value)
    return [value]


def _scalar(kind: type, value: Any, field: dataclasses.Field) -> Any:
    convert = _CONVERTERS[kind]
    try:
        result = convert(value)
    except (TypeError, ValueError, OverflowError):
        raise Problem(f"{field.name}: got {shown(value)}, allowed {_allowed(kind, field)}") from None
    if not _within(result, field.metadata):
        raise Problem(f"{field.name}: got {shown(value)}, allowed {_allowed(kind, field)}")
    return result


def _within(value: Any, rule: Mapping[str, Any]) -> bool:
    if isinstance(value, float) and not math.isfinite(value):
        return False
    if rule.get("choices") is not None and value not in rule["choices"]:
        return False
    low, high = rule.get("low"), rule.get("high")
    return (low is None or value >= low) and (high is None or value <= high)


def _allowed(kind: type, field: dataclasses.Field) -> str:
    rule = field.metadata
    if rule.get("choices") is not None:
        return "one of " + ", ".join(str(choice) for choice in rule["choices"])
    low, high = rule.get("low"), rule.get("high")
    noun = {int: "a whole number", float: "a finite number", bool: "true or false", str: "text"}[kind]
    if low is not None and high is not None:
        return f"{noun} from {low:g} to {high:g}"
    if low is not None:
        return f"{noun}, at least {low:g}"
    return noun if high is None else f"{noun}, at most {high:g}"


def _to_int(value: Any) -> int:
    if isinstance(value, bool):
        raise ValueError("a truth value is not a number")
    if isinstance(value, str):
        return int(value)
    number = int(value)
    if number != value:
        raise ValueError("not a whole number")
    return number


def _to_float(value: Any) -> float:
    if isinstance(value, bool):
        raise ValueError("a truth value is not a number")
    return float(value)


def _to_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    words = {"true": True, "1": True, "false": False, "0": False}
    if str(value).lower() not in words:
        raise ValueError("neither true nor false")
    return words[str(value).lower()]


def _to_str(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not text")
    return value


_CONVERTERS: dict[type, Callable[[Any], Any]] = {int: _to_int, float: _to_float, bool: _to_bool, str: _to_str}


def _type_name(kind: Any) -> str:
    if typing.get_origin(kind) is tuple:
        return f"list of {_type_name(typing.get_args(kind)[0])}"
    return kind.__name__
