"""What public engines and measures ask of their input: looked at once, before anything is computed.

Every function raises `problems.Problem`, one sentence of what, got and allowed. Where nothing had
to be changed, what comes back is the input itself, so that a look changes no bit of a result. What
costs more than a look at shapes says so; measures that probes call many times look at shapes alone.
"""

import functools
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from simplicity.problems import Problem, shown, unknown

Given = tuple[Any, str]  # a value and its shape in letters
Layers = tuple[list[NDArray[Any]], list[NDArray[Any]]]
Sizes = dict[str, tuple[int, str]]  # letter -> size and the name of the array that has it

PRECISIONS = ("float32", "float64")
_ROUNDING = 1e-9
MOST = 10**15  # of anything that is counted; no machine holds as many numbers
_DEEPEST = 10_000  # layers
_KEPT = (np.dtype(np.float32), np.dtype(np.float64))


# --- arrays


def arrays(**given: Given) -> list[NDArray[Any]]:
    """The arrays of numbers, each given with its shape: `x, y = arrays(x=(x, "n d"), y=(y, "n"))`.

    A lower-case letter is a size of at least 1, an upper-case one may be 0. A letter is the same
    size wherever it comes again, and `n+1` is one more. A number is that size, and `...` any axes.
    Lists, whole numbers and other precisions than float32 and float64 become float64. O(1) for
    arrays of these two.
    """
    return _fitting(given, _number_array)


def finite(*, precision: str = "float64", **given: Given) -> list[NDArray[Any]]:
    """As `arrays`, and every number is finite in this precision. O(data)."""
    found = arrays(**given)
    for name, array in zip(given, found, strict=True):
        _finite(name, array, precision)
    return found


def samples(x: Any, y: Any, precision: str = "float64") -> list[NDArray[Any]]:
    """Finite inputs x (n, d) and one number y (n,) for each. O(data)."""
    return finite(x=(x, "n d"), y=(y, "n"), precision=precision)


def task(start: Any, x: Any, y: Any, precision: str = "float64") -> list[NDArray[Any]]:
    """[a, w, x, y] of a two-layer network (a (m,), w (m, d)) and samples, all finite. O(data)."""
    a, w = pair(start)
    shapes = {"x": (x, "n d"), "y": (y, "n"), "a": (a, "m"), "w": (w, "m d")}
    x, y, a, w = finite(**shapes, precision=precision)
    return [a, w, x, y]


def network(given: Any, x: Any, inputs: str = "N d") -> list[NDArray[Any]]:
    """[a, w, x] of a two-layer network (a (m,), w (m, d)) and inputs x (n, d). O(1)."""
    a, w = pair(given)
    return arrays(a=(a, "m"), w=(w, "m d"), x=(x, inputs))


def pair(given: Any) -> tuple[Any, Any]:
    """The two parts of a two-layer network."""
    try:
        a, w = given
    except (TypeError, ValueError):
        raise Problem(
            f"network: got {_seen(given)}, allowed a pair of a (m,) and w (m, d)"
        ) from None
    return a, w


def layers(given: Any, inputs: int | None = None, *, finite: bool = False) -> Layers:
    """A deep network of one output: weights (n_l, n_{l-1}) and biases (n_l,) that fit, as arrays.

    `finite` looks at each number, O(weights); without it the cost is O(layers).
    """
    try:
        weights, biases = (tuple(part) for part in given)
    except (TypeError, ValueError):
        raise Problem(
            f"network: got {_seen(given)}, allowed a pair of weights and biases"
        ) from None
    if not weights or len(weights) != len(biases):
        got = f"{len(weights)} weights and {len(biases)} biases"
        raise Problem(f"network: got {got}, allowed as many of both, at least one")
    found: Layers = ([], [])
    below = "k" if inputs is None else str(inputs)
    for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True), 1):
        names = {
            f"weights of layer {layer}": (weight, f"m {below}"),
            f"biases of layer {layer}": (bias, "m"),
        }
        for name, array, kept in zip(names, arrays(**names), found, strict=True):
            kept.append(array)
            if finite:
                _finite(name, array)
        below = str(len(found[1][-1]))
    if below != "1":
        raise Problem(f"network: got {below} outputs, allowed 1")
    return found


def batch(x: Any, y: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Finite x (n, ...) and y (n, ...) in their own precision, as torch takes them. O(data)."""
    found = _fitting({"x": (x, "n ..."), "y": (y, "n ...")}, _real_array)
    for name, array in zip("xy", found, strict=True):
        _finite(name, array)
    return for_torch(found[0]), for_torch(found[1])


def for_torch(array: NDArray[Any]) -> NDArray[Any]:
    """The array itself, or a copy of one that is read-only or has negative strides.

    Torch takes the one with a warning, and the other not at all.
    """
    fine = array.flags.writeable and all(stride >= 0 for stride in array.strides)
    return array if fine else np.array(array, order="K")


def same(**given: Any) -> list[NDArray[Any]]:
    """Arrays of numbers of one and the same shape; single numbers go with every shape. O(1)."""
    found = [_number_array(name, value) for name, value in given.items()]
    shaped = [(name, array) for name, array in zip(given, found, strict=True) if array.ndim]
    for name, array in shaped[1:]:
        if array.shape != shaped[0][1].shape:
            raise Problem(
                f"{name}: got shape {array.shape}, allowed {shaped[0][1].shape} as {shaped[0][0]}"
            )
    return [
        array if array.ndim else value for array, value in zip(found, given.values(), strict=True)
    ]


def outputs(output: Any, target: Any) -> None:
    """Outputs and targets have one shape, so that none is repeated. O(1), of tensors too."""
    if tuple(output.shape) != tuple(target.shape):
        raise Problem(
            f"outputs: got shape {tuple(output.shape)}, allowed {tuple(target.shape)} as the "
            "targets"
        )


def square(**given: Any) -> None:
    """The squares of all numbers have a finite sum. O(data)."""
    for name, value in given.items():
        array = _number_array(name, value)
        with np.errstate(over="ignore", invalid="ignore"):
            fine = np.isfinite(np.sum(np.square(array, dtype=np.float64)))
        if not fine:
            raise Problem(
                f"{name}: got numbers whose squares have no finite sum in float64, allowed numbers "
                "up to about 1e150"
            )


def differing(name: str, values: Any) -> None:
    """Two numbers or more are not all the same. O(data)."""
    array = _number_array(name, values)
    if array.size > 1 and array.min() == array.max():
        raise Problem(f"{name}: got {array.min():g} alone, allowed at least two different numbers")


def kind(name: str, value: Any, wanted: type) -> None:
    """A value of this class."""
    if not isinstance(value, wanted):
        raise Problem(f"{name}: got {_seen(value)}, allowed one of type {wanted.__name__}")


def two_parts(name: str, value: Any, parts: str) -> None:
    """A pair, which `parts` names."""
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise Problem(f"{name}: got {_seen(value)}, allowed a pair of {parts}")


def for_module(name: str, value: Any) -> None:
    """Numbers that torch takes: a tensor, an array or lists. O(1) for the first two."""
    if callable(getattr(value, "detach", None)):
        return
    if not isinstance(value, (np.ndarray, list, tuple)):
        raise Problem(f"{name}: got {_seen(value)}, allowed an array or a tensor")
    _real_array(name, value)


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


def labels(classes: int = 2, **given: Given) -> list[NDArray[Any]]:
    """Whole numbers from 0 to `classes` - 1, or truth values; shapes as in `arrays`. O(data)."""
    found = _fitting(given, _whole_array)
    for name, array in zip(given, found, strict=True):
        _within(name, array, classes, "labels that are whole numbers")
    return found


def zeros_and_ones(name: str, y: NDArray[Any]) -> None:
    """Labels as numbers, each 0 or 1. O(data)."""
    if not ((y == 0) | (y == 1)).all():
        raise Problem(f"{name}: got labels from {y.min():g} to {y.max():g}, allowed 0 and 1 alone")


def indices(name: str, given: Any, size: int, axes: str = "N") -> NDArray[Any]:
    """Whole numbers from 0 to `size` - 1, as compiled code does not look. O(data)."""
    _no_truth_values(name, given)
    (found,) = _fitting({name: (given, axes)}, _whole_array)
    _within(name, found, size, "whole numbers")
    return found


def counts(given: Any, axes: str = "... f y l", name: str = "counts") -> NDArray[Any]:
    """Tables of counts, or of expected counts, none of them empty. O(data)."""
    (found,) = _fitting({name: (given, axes)}, _real_array)
    _finite(name, found)
    if found.size and found.min() < -_ROUNDING:
        raise Problem(f"{name}: got {found.min():g}, allowed no negative count")
    if not (found.sum(axis=(-3, -2, -1)) > 0).all():
        raise Problem(f"{name}: got a table without any point, allowed at least one in each")
    return found


def patterns(name: str, given: Any, count: int | None = None) -> None:
    """Activation patterns: layers (n, n_l) of truth values, at least one. O(layers)."""
    shapes: list[tuple[int, ...]] = [getattr(layer, "shape", ()) for layer in given]
    kinds = {getattr(getattr(layer, "dtype", None), "kind", "") for layer in given}
    flat = any(len(shape) != 2 for shape in shapes)
    if not shapes or flat or kinds != {"b"} or len({shape[0] for shape in shapes}) != 1:
        raise Problem(
            f"{name}: got shapes {shown(shapes)}, allowed layers (n, n_l) of truth values for the "
            "same n inputs"
        )
    if count is not None and len(shapes) != count:
        raise Problem(f"{name}: got {len(shapes)} layers, allowed {count}")


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
    if (
        not _is_number(value)
        or not math.isfinite(value)
        or not (low <= value <= high and above < value < below)
    ):
        raise Problem(
            f"{name}: got {shown(value)}, allowed "
            f"{_interval('a finite number', low, high, above, below)}"
        )


def real(name: str, value: Any) -> None:
    """A number, which may be infinite or NaN, as of a run that left all bounds."""
    if not _is_number(value):
        raise Problem(f"{name}: got {shown(value)}, allowed a number")


def numbers(name: str, values: Any, **bounds: float) -> None:
    """One number or an array or list of them, each as in `number`. O(data)."""
    array = _number_array(name, values)
    if array.ndim == 0:
        return number(name, array[()], **bounds)
    if array.size == 0:
        raise Problem(f"{name}: got none, allowed at least one number")
    for one in (array.min(), array.max()):  # of which NaN is both, if there is any
        number(f"{name} (one of {array.size})", float(one), **bounds)
    return None


def step(value: Any) -> None:
    """A step size, positive, and one that float32 holds."""
    number("step_size", value, above=0, high=1e38)


def stays_finite(name: str, base: float, exponent: float) -> None:
    """base^exponent is a finite number."""
    if abs(base) > 1 and exponent * math.log(abs(base)) > 709:
        raise Problem(
            f"{name}: got one that grows by a factor {abs(base):g} in each of {exponent:g} steps, "
            "allowed one whose result is finite"
        )


def steps_of_layers(value: Any) -> Any:
    """A step size for both layers, or a pair, of which one may be 0; a list becomes a tuple."""
    if not isinstance(value, (tuple, list)):
        step(value)
        return value
    if len(value) != 2 or not any(value):
        raise Problem(f"step_size: got {shown(value)}, allowed one number or two, not both 0")
    for one in value:
        number("step_size", one, low=0, high=1e38)
    return tuple(value)


def steps_of_windows(value: Any, count: int) -> None:
    """A positive step size, or one for each of `count` windows. O(windows)."""
    array = _number_array("step_size", value)
    if np.asarray(value).dtype.kind == "b":
        raise Problem(f"step_size: got {shown(value)}, allowed a finite number, above 0")
    if array.shape not in ((), (count,)):
        raise Problem(
            f"step_size: got shape {array.shape}, allowed one number or one for each of {count} "
            "windows"
        )
    if array.size:
        numbers("step_size", array, above=0)


def shares(**given: Any) -> None:
    """Numbers or arrays from 0 to 1, but for rounding; NaN stands for an undefined one. O(data)."""
    for name, value in given.items():
        array = _number_array(name, value)
        if ((array < -_ROUNDING) | (array > 1 + _ROUNDING)).any():
            raise Problem(
                f"{name}: got {np.nanmin(array):g} to {np.nanmax(array):g}, allowed 0 to 1"
            )


def whole(name: str, value: Any, low: int, high: float = MOST) -> None:
    """A whole number from `low` to `high`; 2.0 is none, since it may be no index."""
    if not (_is_whole(value) and low <= value <= high):
        told = math.inf if high == MOST and not (_is_whole(value) and value > MOST) else high
        raise Problem(
            f"{name}: got {shown(value)}, allowed {_interval('a whole number', low, told)}"
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


def schedule(
    given: Any,
    *,
    name: str = "schedule",
    last: float = math.inf,
    strict: bool = False,
    empty: bool = False,
) -> tuple[int, ...]:
    """Whole numbers from 0 to `last` that never fall, or rise where `strict`, as plain ones."""
    found = _whole_numbers(given)
    wrong = found is None or (not found and not empty)
    if found and not wrong:
        falls = any(b < a + strict for a, b in itertools.pairwise(found))
        wrong = falls or found[0] < 0 or found[-1] > last
    if found is None or wrong:
        order = "each larger than the one before" if strict else "none below the one before"
        some = "" if empty else ", at least one"
        raise Problem(
            f"{name}: got {shown(given)}, allowed {_interval('whole numbers', 0, last)}, "
            f"{order}{some}"
        )
    _countable(name, found)
    return found


def descent(step_size: Any, given: Any, looks: Any) -> tuple[int, ...]:
    """Step size, schedule and probes of a full-batch run.

    The schedule comes back in plain numbers.
    """
    step(step_size)
    probes(looks, taken=("step", "time", "probe", "stopped_at", "force", "plain_steps"))
    return schedule(given)


def single_samples(
    x: NDArray[Any],
    order: Any,
    *,
    step_size: Any,
    window: int,
    batch: int,
    given: Any,
    looks: Any,
    dims: Any,
) -> tuple[NDArray[Any], tuple[int, ...]]:
    """What a run by single samples gets; back come its order, and its schedule, of windows."""
    whole("window", window, 1)
    whole("batch", batch, 1)
    order = indices("order", order, len(x))
    steps = len(order) // batch
    if len(order) % batch or steps % window:
        raise Problem(
            f"order: got {len(order)} samples, allowed whole windows of {window} steps of {batch}"
        )
    steps_of_windows(step_size, steps // window)
    probes(looks or {}, dims, taken=("step", "probe_step", "window", "probe", "sample", "neuron"))
    return order, schedule(given, last=steps // window, strict=True, empty=True)


def probes(
    given: Any, dims: Any = None, taken: Iterable[str] = ("step", "time", "stopped_at", "probe")
) -> None:
    """Functions by name; `dims` speaks of them alone where there are any; no name is taken."""
    if not isinstance(given, Mapping) or not all(callable(one) for one in given.values()):
        raise Problem(f"probes: got {shown(given)}, allowed functions by name")
    for name in given:
        if name in set(taken):
            raise Problem(
                f"probes: got the name {shown(name)}, allowed others, since the result has it"
            )
    for name in (dims or {}) if given else {}:
        if name not in given:
            raise Problem(unknown("probe in dims", name, given))


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


def minibatches(batch: Any, rng: Any, n: int) -> None:
    """The size of a minibatch, 0 for all samples, and the generator that smaller ones need."""
    whole("batch", batch, 0)
    if 0 < batch < n and rng is None:
        raise Problem(
            f"rng: got none, allowed a numpy.random.Generator: minibatches of {batch} need their "
            "own generator"
        )
    if rng is not None:
        generator(rng)


def module(given: Any, *, trained: bool = True) -> None:
    """A torch module with parameters, one of which can be `trained`; known by its methods alone."""
    if not callable(getattr(given, "parameters", None)) or not callable(given):
        raise Problem(f"module: got {_seen(given)}, allowed a torch module")
    parameters = list(given.parameters())
    if not parameters:
        raise Problem("module: got one without parameters, allowed at least one parameter")
    if trained and not any(one.requires_grad for one in parameters):
        raise Problem(
            "module: got parameters none of which requires a gradient, allowed at least one that "
            "does"
        )


# --- behind the doors


def _fitting(given: Mapping[str, Given], convert: Any) -> list[NDArray[Any]]:
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
        raise Problem(f"{name}: got {_seen(value)}, allowed an array of numbers") from None


def _real_array(name: str, value: Any) -> NDArray[Any]:
    """An array of real numbers or truth values, of a type that torch knows as well."""
    array = _plain_array(name, value)
    if array.dtype.kind not in "fiub":
        got = array.dtype if isinstance(value, np.ndarray) else _seen(value)
        raise Problem(f"{name}: got {got}, allowed an array of real numbers")
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        return array.astype(np.float64)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _number_array(name: str, value: Any) -> NDArray[Any]:
    array = _real_array(name, value)
    return array if array.dtype in _KEPT else array.astype(np.float64)


def _whole_array(name: str, value: Any) -> NDArray[Any]:
    array = _plain_array(name, value)
    if array.dtype.kind not in "iub" and array.size:
        got = array.dtype if isinstance(value, np.ndarray) else _seen(value)
        raise Problem(f"{name}: got {got}, allowed an array of whole numbers")
    return array if array.dtype.kind in "iub" else array.astype(np.int64)


def _no_truth_values(name: str, given: Any) -> None:
    if getattr(getattr(given, "dtype", None), "kind", "") == "b":
        raise Problem(f"{name}: got truth values, allowed whole numbers")


def _countable(name: str, given: Sequence[int]) -> None:
    if given and given[-1] > MOST:
        raise Problem(f"{name}: got {given[-1]:g}, allowed {MOST:g} at most")


def _finite(name: str, array: NDArray[Any], precision: str = "float64") -> None:
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


def _within(name: str, array: NDArray[Any], size: int, what: str) -> None:
    if array.size and not (array.min() >= 0 and array.max() < size):
        raise Problem(
            f"{name}: got {array.min()} to {array.max()}, allowed {what} from 0 to {size - 1}"
        )


def _whole_numbers(given: Any) -> tuple[int, ...] | None:
    """Numbers without a fraction as plain ones; None where one is something else."""
    try:
        each = tuple(given)
        if any(isinstance(one, (bool, np.bool_, str, bytes)) or int(one) != one for one in each):
            return None
        return tuple(int(one) for one in each)
    except (TypeError, ValueError, OverflowError):
        return None


def _is_whole(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.bool_))


def _is_number(value: Any) -> bool:
    if isinstance(value, (int, float, np.integer, np.floating)):
        return not isinstance(value, bool)
    found = getattr(value, "dtype", None), getattr(value, "shape", None)
    return getattr(found[0], "kind", "") in tuple("fiu") and found[1] == ()


def _interval(
    noun: str, low: float, high: float, above: float = -math.inf, below: float = math.inf
) -> str:
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


def _seen(value: Any) -> str:
    """The type of a value, and the value where it is short."""
    return (
        f"{type(value).__name__} {shown(value)}"
        if len(repr(value)) <= 40
        else f"a {type(value).__name__}"
    )
