"""What public engines and measures ask of their input: looked at once, before anything is computed.

Every function raises `problems.Problem`, one sentence of what, got and allowed. Where nothing had
to be changed, what comes back is the input itself, so that a look changes no bit of a result. What
costs more than a look at shapes says so; measures that probes call many times look at shapes alone.
What training is given besides (networks, schedules, probes) has its doors in `training_doors`.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from simplicity.problems import Problem, conversion, interval, shown, shown_with_type, unknown

PRECISIONS = ("float32", "float64")
_ROUNDING = 1e-9
MOST = 10**15  # of anything that is counted; no machine holds as many numbers
_DEEPEST = 10_000  # layers


# --- arrays


def arrays(**given: conversion.Given) -> list[NDArray[Any]]:
    """The arrays of numbers, each given with its shape: `x, y = arrays(x=(x, "n d"), y=(y, "n"))`.

    A lower-case letter is a size of at least 1, an upper-case one may be 0. A letter is the same
    size wherever it comes again, and `n+1` is one more. A number is that size, and `...` any axes.
    Lists, whole numbers and other precisions than float32 and float64 become float64. O(1) for
    arrays of these two.
    """
    return conversion.fitting(given, conversion.number_array)


def finite(*, precision: str = "float64", **given: conversion.Given) -> list[NDArray[Any]]:
    """As `arrays`, and every number is finite in this precision. O(data)."""
    found = arrays(**given)
    for name, array in zip(given, found, strict=True):
        conversion.check_finite(name, array, precision)
    return found


def same(**given: Any) -> list[NDArray[Any]]:
    """Arrays of numbers of one and the same shape; single numbers go with every shape. O(1)."""
    found = [conversion.number_array(name, value) for name, value in given.items()]
    shaped = [(name, array) for name, array in zip(given, found, strict=True) if array.ndim]
    for name, array in shaped[1:]:
        if array.shape != shaped[0][1].shape:
            raise Problem(
                f"{name}: got shape {array.shape}, allowed {shaped[0][1].shape} as {shaped[0][0]}"
            )
    return [
        array if array.ndim else value for array, value in zip(found, given.values(), strict=True)
    ]


def square(**given: Any) -> None:
    """The squares of all numbers have a finite sum. O(data)."""
    for name, value in given.items():
        array = conversion.number_array(name, value)
        with np.errstate(over="ignore", invalid="ignore"):
            fine = np.isfinite(np.sum(np.square(array, dtype=np.float64)))
        if not fine:
            raise Problem(
                f"{name}: got numbers whose squares have no finite sum in float64, allowed numbers "
                "up to about 1e150"
            )


def differing(name: str, values: Any) -> None:
    """Two numbers or more are not all the same. O(data)."""
    array = conversion.number_array(name, values)
    if array.size > 1 and array.min() == array.max():
        raise Problem(f"{name}: got {array.min():g} alone, allowed at least two different numbers")


def kind(name: str, value: Any, wanted: type) -> None:
    """A value of this class."""
    if not isinstance(value, wanted):
        raise Problem(
            f"{name}: got {shown_with_type(value)}, allowed one of type {wanted.__name__}"
        )


def two_parts(name: str, value: Any, parts: str) -> None:
    """A pair, which `parts` names."""
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise Problem(f"{name}: got {shown_with_type(value)}, allowed a pair of {parts}")


def columns(x: NDArray[Any], count: int) -> None:
    """At least `count` columns."""
    if x.shape[1] < count:
        raise Problem(f"x: got {x.shape[1]} columns, allowed {count} or more")


def not_all_zero(name: str, values: NDArray[Any]) -> None:
    """Some number is not 0. O(data)."""
    if not values.any():
        raise Problem(f"{name}: got nothing but 0, allowed at least one other number")


def signs(name: str, values: NDArray[Any]) -> None:
    """Nothing but -1 and 1. O(data)."""
    if not (np.abs(values) == 1).all():
        raise Problem(f"{name}: got other numbers, allowed -1 and 1 alone")


# --- labels, indices, counts


def labels(classes: int = 2, **given: conversion.Given) -> list[NDArray[Any]]:
    """Whole numbers from 0 to `classes` - 1, or truth values; shapes as in `arrays`. O(data)."""
    found = conversion.fitting(given, conversion.whole_array)
    for name, array in zip(given, found, strict=True):
        conversion.check_within(name, array, classes, "labels that are whole numbers")
    return found


def zeros_and_ones(name: str, y: NDArray[Any]) -> None:
    """Labels as numbers, each 0 or 1. O(data)."""
    if not ((y == 0) | (y == 1)).all():
        raise Problem(f"{name}: got labels from {y.min():g} to {y.max():g}, allowed 0 and 1 alone")


def indices(name: str, given: Any, size: int, axes: str = "N") -> NDArray[Any]:
    """Whole numbers from 0 to `size` - 1, as compiled code does not look. O(data)."""
    _no_truth_values(name, given)
    (found,) = conversion.fitting({name: (given, axes)}, conversion.whole_array)
    conversion.check_within(name, found, size, "whole numbers")
    return found


def counts(given: Any, axes: str = "... f y l", name: str = "counts") -> NDArray[Any]:
    """Tables of counts, or of expected counts, none of them empty. O(data)."""
    (found,) = conversion.fitting({name: (given, axes)}, conversion.real_array)
    conversion.check_finite(name, found)
    if found.size and found.min() < -_ROUNDING:
        raise Problem(f"{name}: got {found.min():g}, allowed no negative count")
    if not (found.sum(axis=(-3, -2, -1)) > 0).all():
        raise Problem(f"{name}: got a table without any point, allowed at least one in each")
    return found


# --- numbers and names


def number(
    name: str,
    value: Any,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    above: float = -math.inf,
    below: float = math.inf,
) -> None:
    """A finite number from `low` to `high`, both included, `above` and `below`, both excluded."""
    finite = _is_number(value) and math.isfinite(value)
    if not (finite and low <= value <= high and above < value < below):
        allowed = interval("a finite number", low, high, above, below)
        raise Problem(f"{name}: got {shown(value)}, allowed {allowed}")


def real(name: str, value: Any) -> None:
    """A number, which may be infinite or NaN, as of a run that left all bounds."""
    if not _is_number(value):
        raise Problem(f"{name}: got {shown(value)}, allowed a number")


def numbers(name: str, values: Any, **bounds: float) -> None:
    """One number or an array or list of them, each as in `number`. O(data)."""
    array = conversion.number_array(name, values)
    if array.size == 0:
        raise Problem(f"{name}: got none, allowed at least one number")
    if array.ndim == 0:
        number(name, array[()], **bounds)
        return
    for one in (array.min(), array.max()):  # of which NaN is both, if there is any
        number(f"{name} (one of {array.size})", float(one), **bounds)


def stays_finite(name: str, base: float, exponent: float) -> None:
    """base^exponent is a finite number."""
    if abs(base) > 1 and exponent * math.log(abs(base)) > 709:
        raise Problem(
            f"{name}: got one that grows by a factor {abs(base):g} in each of {exponent:g} steps, "
            "allowed one whose result is finite"
        )


def shares(**given: Any) -> None:
    """Numbers or arrays from 0 to 1, but for rounding; NaN stands for an undefined one. O(data)."""
    for name, value in given.items():
        array = conversion.number_array(name, value)
        if ((array < -_ROUNDING) | (array > 1 + _ROUNDING)).any():
            raise Problem(
                f"{name}: got {np.nanmin(array):g} to {np.nanmax(array):g}, allowed 0 to 1"
            )


def whole(name: str, value: Any, low: int, high: float = MOST) -> None:
    """A whole number from `low` to `high`; 2.0 is none, since it may be no index."""
    if not (_is_whole(value) and low <= value <= high):
        told = math.inf if high == MOST and not (_is_whole(value) and value > MOST) else high
        raise Problem(
            f"{name}: got {shown(value)}, allowed {interval('a whole number', low, told)}"
        )


def seed(name: str, value: Any) -> None:
    """A whole number from 0 on, however large."""
    if not (_is_whole(value) and value >= 0):
        raise Problem(f"{name}: got {shown(value)}, allowed a whole number, at least 0")


def depth(value: Any, low: int = 0) -> None:
    """A number of layers."""
    whole("depth", value, low, _DEEPEST)


def choice(name: str, value: Any, allowed: Iterable[str]) -> None:
    """One of the names, with the nearest one where it is none of them."""
    names = tuple(allowed)
    if not isinstance(value, str) or value not in names:
        raise Problem(unknown(name, value, names))


def precision(value: Any, allowed: Sequence[str] = PRECISIONS) -> None:
    """The name of a precision."""
    choice("precision", value, allowed)


def function(name: str, value: Any) -> None:
    """Something that can be called."""
    if not callable(value):
        raise Problem(f"{name}: got {shown(value)}, allowed a function")


def sizes(name: str, given: Any, least: int = 1) -> None:
    """Numbers of neurons, whole and from 1 on."""
    if isinstance(given, str) or not isinstance(given, Sequence) or len(given) < least:
        raise Problem(f"{name}: got {shown(given)}, allowed {least} whole numbers or more")
    for one in given:
        whole(name, one, 1)


def sides(name: str, shape: Sequence[int], least: int) -> None:
    """Images (channels, height, width) of no fewer than `least` pixels a side."""
    if min(shape[1:]) < least:
        raise Problem(f"{name}: got {shown(shape)}, allowed at least {least} pixels a side")


def generator(rng: Any, name: str = "rng") -> None:
    """NumPy's generator of random numbers: a seed is none."""
    if not isinstance(rng, Generator):
        raise Problem(
            f"{name}: got {shown(rng)}, allowed a numpy.random.Generator, such as default_rng(seed)"
        )


# --- behind the doors


def _no_truth_values(name: str, given: Any) -> None:
    if getattr(getattr(given, "dtype", None), "kind", "") == "b":
        raise Problem(f"{name}: got truth values, allowed whole numbers")


def _is_whole(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.bool_))


def _is_number(value: Any) -> bool:
    if isinstance(value, (int, float, np.integer, np.floating)):
        return not isinstance(value, bool)
    found = getattr(value, "dtype", None), getattr(value, "shape", None)
    return getattr(found[0], "kind", "") in tuple("fiu") and found[1] == ()
