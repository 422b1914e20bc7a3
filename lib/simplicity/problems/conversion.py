"""Arrays as they are given: read as numbers, held against shapes in letters and against ranges.

What does not fit raises `problems.Problem`. The doors (`problems.doors`, `training_doors`) are made
of these.
"""

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simplicity.problems import Problem, shown_with_type

Given = tuple[Any, str]  # a value and its shape in letters
Sizes = dict[str, tuple[int, str]]  # letter -> size and the name of the array that has it

_KEPT = (np.dtype(np.float32), np.dtype(np.float64))


def fitting(given: Mapping[str, Given], convert: Any) -> list[NDArray[Any]]:
    """The values as arrays that `convert` makes, their sizes held against their letters."""
    sizes: Sizes = {}
    found = []
    for name, (value, spec) in given.items():
        array = convert(name, value)
        _fit(name, array.shape, _axes(spec), sizes)
        found.append(array)
    return found


@functools.cache
def _axes(spec: str) -> tuple[str, ...]:
    return tuple(spec.split())


def _fit(name: str, shape: tuple[int, ...], axes: tuple[str, ...], sizes: Sizes) -> None:
    """Hold a shape against its letters; sizes that are new are noted."""
    whole_axes = axes
    if "..." in axes:
        at, more = axes.index("..."), len(shape) - len(axes) + 1
        axes = (*axes[:at], *["..."] * more, *axes[at + 1 :])
    fits = len(axes) == len(shape)
    for axis, size in zip(axes, shape, strict=False) if fits else ():
        if axis == "...":
            continue
        if axis.isdigit():
            fits = fits and size == int(axis)
            continue
        letter, _, more_text = axis.partition("+")
        own = size - int(more_text or 0)
        if letter not in sizes:
            fits = fits and own >= (1 if letter.islower() else 0)
            sizes[letter] = (own, name)
        fits = fits and own == sizes[letter][0]
    if not fits:
        raise Problem(f"{name}: got shape {shape}, allowed {_shape_text(name, whole_axes, sizes)}")


def _shape_text(name: str, axes: tuple[str, ...], sizes: Sizes) -> str:
    text = f"({', '.join(axes)}{',' if len(axes) == 1 else ''})"
    letters = {axis.partition("+")[0] for axis in axes if not axis.isdigit()}
    known = [
        f"{letter} = {sizes[letter][0]} as in {sizes[letter][1]}"
        for letter in sorted(letters & sizes.keys())
    ]
    known = [one for one in known if not one.endswith(f" as in {name}")]
    least = [
        f"{letter} at least 1"
        for letter in sorted(letters)
        if letter.islower() and letter not in sizes
    ]
    least += [
        f"{a} at least 1"
        for a in sorted(letters & sizes.keys())
        if a.islower() and sizes[a][1] == name
    ]
    about = known or least
    return f"{text} with {', '.join(about)}" if about else text


def _plain_array(name: str, value: Any) -> NDArray[Any]:
    """What is given as an array, of any type."""
    if type(value) is np.ndarray:
        return value
    if getattr(value, "requires_grad", False):
        raise Problem(
            f"{name}: got a tensor that requires a gradient, allowed an array or a detached tensor"
        )
    if np.ma.is_masked(value):
        raise Problem(f"{name}: got an array with masked entries, allowed one without")
    try:
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError):
        raise Problem(
            f"{name}: got {shown_with_type(value)}, allowed an array of numbers"
        ) from None


def real_array(name: str, value: Any) -> NDArray[Any]:
    """An array of real numbers or truth values, of a type that torch knows as well."""
    array = _plain_array(name, value)
    if array.dtype.kind not in "fiub":
        got = array.dtype if isinstance(value, np.ndarray) else shown_with_type(value)
        raise Problem(f"{name}: got {got}, allowed an array of real numbers")
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        return array.astype(np.float64)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def number_array(name: str, value: Any) -> NDArray[Any]:
    """An array of float32 or float64."""
    array = real_array(name, value)
    return array if array.dtype in _KEPT else array.astype(np.float64)


def whole_array(name: str, value: Any) -> NDArray[Any]:
    """An array of whole numbers or truth values; an empty array of any type becomes one."""
    array = _plain_array(name, value)
    if array.dtype.kind not in "iub" and array.size:
        got = array.dtype if isinstance(value, np.ndarray) else shown_with_type(value)
        raise Problem(f"{name}: got {got}, allowed an array of whole numbers")
    return array if array.dtype.kind in "iub" else array.astype(np.int64)


def check_finite(name: str, array: NDArray[Any], precision: str = "float64") -> None:
    """Every number is finite, and a finite one in this precision. O(data)."""
    if not array.size:
        return
    with np.errstate(invalid="ignore"):
        largest = max(float(array.max()), -float(array.min()))
        fine = bool(np.isfinite(array.min()) and np.isfinite(largest))
    if not fine:
        wrong = int(np.count_nonzero(~np.isfinite(array)))
        raise Problem(
            f"{name}: got {wrong} of {array.size} numbers that are not finite, allowed finite "
            "numbers alone"
        )
    limit = float(np.finfo(precision).max)
    if largest > limit:
        raise Problem(
            f"{name}: got numbers up to {largest:g}, allowed {limit:.3g} at most, the largest of "
            f"{precision}"
        )


def check_within(name: str, array: NDArray[Any], size: int, what: str) -> None:
    """Every number is from 0 to `size` - 1. O(data)."""
    if array.size and not (array.min() >= 0 and array.max() < size):
        raise Problem(
            f"{name}: got {array.min()} to {array.max()}, allowed {what} from 0 to {size - 1}"
        )
