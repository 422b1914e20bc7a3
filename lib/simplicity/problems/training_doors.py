"""What training asks of its input: network, samples, step sizes, schedule, probes, minibatches.

As in `problems.doors`, every function raises `problems.Problem`, and gives back the input itself
where nothing had to be changed.
"""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simplicity.problems import (
    Problem,
    conversion,
    doors,
    interval,
    shown,
    shown_with_type,
    unknown,
)

Layers = tuple[list[NDArray[Any]], list[NDArray[Any]]]


# --- networks and samples


def samples(x: Any, y: Any, precision: str = "float64") -> list[NDArray[Any]]:
    """Finite inputs x (n, d) and one number y (n,) for each. O(data)."""
    return doors.finite(x=(x, "n d"), y=(y, "n"), precision=precision)


def task(start: Any, x: Any, y: Any, precision: str = "float64") -> list[NDArray[Any]]:
    """[a, w, x, y] of a two-layer network (a (m,), w (m, d)) and samples, all finite. O(data)."""
    a, w = pair(start)
    shapes = {"x": (x, "n d"), "y": (y, "n"), "a": (a, "m"), "w": (w, "m d")}
    x, y, a, w = doors.finite(**shapes, precision=precision)
    return [a, w, x, y]


def start(width: Any, dim: Any, rng: Any, scale: Any = 1.0) -> None:
    """What the start of a two-layer network is drawn with."""
    doors.whole("width", width, 1)
    doors.whole("dim", dim, 1)
    doors.number("scale", scale)
    doors.generator(rng)


def network(given: Any, x: Any, inputs: str = "N d") -> list[NDArray[Any]]:
    """[a, w, x] of a two-layer network (a (m,), w (m, d)) and inputs x (n, d). O(1)."""
    a, w = pair(given)
    return doors.arrays(a=(a, "m"), w=(w, "m d"), x=(x, inputs))


def pair(given: Any) -> tuple[Any, Any]:
    """The two parts of a two-layer network."""
    try:
        a, w = given
    except (TypeError, ValueError):
        raise Problem(
            f"network: got {shown_with_type(given)}, allowed a pair of a (m,) and w (m, d)"
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
            f"network: got {shown_with_type(given)}, allowed a pair of weights and biases"
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
        for name, array, kept in zip(names, doors.arrays(**names), found, strict=True):
            kept.append(array)
            if finite:
                conversion.check_finite(name, array)
        below = str(len(found[1][-1]))
    if below != "1":
        raise Problem(f"network: got {below} outputs, allowed 1")
    return found


def batch(x: Any, y: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Finite x (n, ...) and y (n, ...) in their own precision, as torch takes them. O(data)."""
    found = conversion.fitting({"x": (x, "n ..."), "y": (y, "n ...")}, conversion.real_array)
    for name, array in zip("xy", found, strict=True):
        conversion.check_finite(name, array)
    return for_torch(found[0]), for_torch(found[1])


def for_torch(array: NDArray[Any]) -> NDArray[Any]:
    """The array, or a copy of a read-only one or one with negative strides, as torch wants."""
    fine = array.flags.writeable and all(stride >= 0 for stride in array.strides)
    return array if fine else np.array(array, order="K")


def outputs(output: Any, target: Any) -> None:
    """Outputs and targets have one shape, so that none is repeated. O(1), of tensors too."""
    if tuple(output.shape) != tuple(target.shape):
        raise Problem(
            f"outputs: got shape {tuple(output.shape)}, allowed {tuple(target.shape)} as the "
            "targets"
        )


def for_module(name: str, value: Any) -> None:
    """Numbers that torch takes: a tensor, an array or lists. O(1) for the first two."""
    if callable(getattr(value, "detach", None)):
        return
    if not isinstance(value, (np.ndarray, list, tuple)):
        raise Problem(f"{name}: got {shown_with_type(value)}, allowed an array or a tensor")
    conversion.real_array(name, value)


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


# --- step sizes and schedules


def step(value: Any) -> None:
    """A step size, positive, and one that float32 holds."""
    doors.number("step_size", value, above=0, high=1e38)


def steps_of_layers(value: Any) -> Any:
    """A step size for both layers, or a pair, of which one may be 0; a list becomes a tuple."""
    if not isinstance(value, (tuple, list)):
        step(value)
        return value
    if len(value) != 2 or not any(value):
        raise Problem(f"step_size: got {shown(value)}, allowed one number or two, not both 0")
    for one in value:
        doors.number("step_size", one, low=0, high=1e38)
    return tuple(value)


def steps_of_windows(value: Any, count: int) -> None:
    """A positive step size, or one for each of `count` windows. O(windows)."""
    array = conversion.number_array("step_size", value)
    if np.asarray(value).dtype.kind == "b":
        raise Problem(f"step_size: got {shown(value)}, allowed a finite number, above 0")
    if array.shape not in ((), (count,)):
        raise Problem(
            f"step_size: got shape {array.shape}, allowed one number or one for each of {count} "
            "windows"
        )
    if array.size:
        doors.numbers("step_size", array, above=0)


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
            f"{name}: got {shown(given)}, allowed {interval('whole numbers', 0, last)}, "
            f"{order}{some}"
        )
    _countable(name, found)
    return found


def descent(step_size: Any, given: Any, looks: Any) -> tuple[int, ...]:
    """What a full-batch run gets besides its samples; the schedule comes back in plain numbers."""
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
    doors.whole("window", window, 1)
    doors.whole("batch", batch, 1)
    order = doors.indices("order", order, len(x))
    steps = len(order) // batch
    if len(order) % batch or steps % window:
        raise Problem(
            f"order: got {len(order)} samples, allowed whole windows of {window} steps of {batch}"
        )
    steps_of_windows(step_size, steps // window)
    probes(looks or {}, dims, taken=("step", "probe_step", "window", "probe", "sample", "neuron"))
    return order, schedule(given, last=steps // window, strict=True, empty=True)


# --- probes, minibatches, modules


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


def minibatches(batch: Any, rng: Any, n: int) -> None:
    """The size of a minibatch, 0 for all samples, and the generator that smaller ones need."""
    doors.whole("batch", batch, 0)
    if 0 < batch < n and rng is None:
        raise Problem(
            f"rng: got none, allowed a numpy.random.Generator: minibatches of {batch} need their "
            "own generator"
        )
    if rng is not None:
        doors.generator(rng)


def module(given: Any, *, trained: bool = True) -> None:
    """A torch module with parameters, one of which can be `trained`; known by its methods alone."""
    if not callable(getattr(given, "parameters", None)) or not callable(given):
        raise Problem(f"module: got {shown_with_type(given)}, allowed a torch module")
    parameters = list(given.parameters())
    if not parameters:
        raise Problem("module: got one without parameters, allowed at least one parameter")
    if trained and not any(one.requires_grad for one in parameters):
        raise Problem(
            "module: got parameters none of which requires a gradient, allowed at least one that "
            "does"
        )


def _countable(name: str, given: Sequence[int]) -> None:
    if given and given[-1] > doors.MOST:
        raise Problem(f"{name}: got {given[-1]:g}, allowed {doors.MOST:g} at most")


def _whole_numbers(given: Any) -> tuple[int, ...] | None:
    """Numbers without a fraction as plain ones; None where one is something else."""
    try:
        each = tuple(given)
        if any(isinstance(one, (bool, np.bool_, str, bytes)) or int(one) != one for one in each):
            return None
        return tuple(int(one) for one in each)
    except (TypeError, ValueError, OverflowError):
        return None
