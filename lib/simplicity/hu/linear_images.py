"""A deep network on images beside the linear model that its theory gives; experiments on images share this.

Hu et al. 2020, Figure 3. With c_1 of `kernel.deep_slope` the model is f(x) = <beta, sqrt(c_1/d) x>, trained from 0 by the same
full-batch descent, L = 1/(2n) sum (f - y)^2 with y = +-1, at the same step size. Images are centred and scaled to Tr Sigma = d;
||Sigma|| = O(1), which the theory also asks for, does not hold on images.

The model's half-time is the first step at which it has lost half of the test loss that it ever loses. Early is from half of it
to twice of it: the window.
"""

import copy
import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.random import Generator
from numpy.typing import NDArray

from simplicity.evidence.claims import Check, Criterion, above, below, check, control, interval_above, largest, mean
from simplicity.hu import deep_kernel, full_batch
from simplicity.hu.kernel import deep_slope
from simplicity.hu.linear_descent import LinearDescent
from simplicity.hu.spans import Span, correlation, relative_error
from simplicity.nets import ntk_modules
from simplicity.problems import Problem, doors

Array = NDArray[np.floating]

ACTIVATION, DEPTH = "erf", 4  # hidden layers
NETWORKS = ("connected", "flattened", "pooled", "infinite", "infinite flattened")  # the last two by their kernels alone
WINDOW = 7  # looks inside the window
PERMUTATIONS = 20  # of the labels that the control is fitted to
SIDE = 8  # of the model's weights as they are kept
_LONGEST = 100_000  # steps within which the model's lowest test loss is looked for

CLOSE, APART = 0.95, 0.5  # correlations: of a network that follows the model, and of one that does not
LITTLE = 0.25  # share of the complement
FAR = 0.5  # relative error


class Sample(NamedTuple):
    """Images (n, planes, height, width) and labels of +-1, (n,)."""

    x: Array
    y: Array
    x_test: Array
    y_test: Array


def prepared(x: Array, y: NDArray, x_test: Array, y_test: NDArray) -> Sample:
    """Labels of 0 and 1 to +-1; the training images' mean is taken off, and their mean square is 1: Tr Sigma = d."""
    x, x_test = doors.finite(x=(x, "n planes height width"), x_test=(x_test, "q planes height width"))
    y, y_test = doors.labels(y=(y, str(len(x))), y_test=(y_test, str(len(x_test))))
    if not (x != x[0]).any():
        raise Problem("x: got images that are all the same, allowed different ones, since their variance is the scale")
    middle = x.mean(axis=0)
    scale = 1 / np.sqrt(np.mean((x - middle) ** 2))
    return Sample(scale * (x - middle), 2.0 * y - 1, scale * (x_test - middle), 2.0 * y_test - 1)


class Matching:
    """The linear model for a sample, its step size `rate` d/(c_1 lambda_max), and its outputs on the test images."""

    def __init__(self, sample: Sample, rate: float, rng: Generator) -> None:
        doors.finite(x=(sample.x, "n planes height width"), y=(sample.y, "n"))
        doors.finite(x_test=(sample.x_test, "q planes height width"), y_test=(sample.y_test, "q"))
        doors.not_all_zero("x", sample.x)
        doors.number("rate", rate, above=0)
        doors.generator(rng)
        self.flat, self.flat_test = (x.reshape(len(x), -1) for x in (sample.x, sample.x_test))
        self.slope = math.sqrt(deep_slope(ACTIVATION, DEPTH) / self.flat.shape[1])
        self.y, self.y_test = sample.y, sample.y_test
        psi = self.slope * self.flat
        self.descent = LinearDescent(psi, sample.y, 0.0)
        singular, basis = self.descent.singular, self.descent.basis
        self.step_size = rate * len(psi) / singular[0] ** 2
        self.descent.shrink = 1 - self.step_size * singular**2 / len(psi)
        self.placebos = [copy.copy(self.descent) for _ in range(PERMUTATIONS)]  # other targets, the same decomposition
        for one in self.placebos:
            one.target = basis @ (psi.T @ rng.permutation(sample.y)) / np.maximum(singular, 1e-12 * singular[0])

    def on_test(self, steps: Iterable[int]) -> Array:
        """Outputs after these steps, (steps, q)."""
        return self.descent.outputs(self.slope * self.flat_test, tuple(steps))

    def placebo_correlation(self, outputs: Array, steps: Iterable[int]) -> Array:
        """|correlation| of outputs (steps, q) with models fitted to permuted labels, mean over permutations, (steps,)."""
        psi, at = self.slope * self.flat_test, tuple(steps)
        return np.mean([np.abs(correlation(outputs, one.outputs(psi, at))) for one in self.placebos], axis=0)

    def weights(self, step: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """beta after `step` steps as an image of `SIDE` x `SIDE` pixels, each the mean of a square: (planes, SIDE, SIDE)."""
        planes, height, width = shape
        squares = self.descent.beta(step).reshape(planes, SIDE, height // SIDE, SIDE, width // SIDE)
        return squares.mean(axis=(2, 4)).astype(np.float32)

    def half_time(self) -> int:
        """Steps until half of the test loss is lost that is ever lost."""
        at = np.unique(np.rint(np.geomspace(1, _LONGEST, 120)).astype(int))
        losses = _loss(self.on_test(at), self.y_test)
        start = float(_loss(0 * self.y_test, self.y_test))
        if not losses.min() < start:
            raise ValueError(f"half-time: the linear model never lowers the test loss {start:.3g} on {len(self.y)} images")
        half = (start + losses.min()) / 2
        below_half = int(np.argmax(losses <= half))
        before = 1 if below_half == 0 else int(at[below_half - 1])
        found = range(before, int(at[below_half]) + 1)
        return next(step for step in found if _loss(self.on_test([step]), self.y_test)[0] <= half)


def schedule(half: int, steps: int, points: int) -> NDArray[np.int_]:
    """Step 0, `points` steps up to the last, evenly in their logarithm, and `WINDOW` in the window; some may repeat."""
    doors.whole("half", half, 1)
    doors.whole("steps", steps, 1)
    doors.whole("points", points, 1)
    whole = np.rint(np.geomspace(1, steps, points))
    window = np.rint(np.linspace(math.ceil(half / 2), 2 * half, WINDOW))
    return np.sort(np.concatenate([[0], whole, np.minimum(window, steps)])).astype(int)


def follow(
    sample: Sample, network: str, *, width: int, rate: float, steps: int, points: int, shown: int, rng: Generator,
    shuffle: Generator,
) -> xr.Dataset:  # fmt: skip
    """Train one of `NETWORKS` and hold its outputs on the test images against the model's, along `probe`.

    `rng` draws the weights, `shuffle` permutes labels for the controls. `width` are neurons or channels of a hidden layer.
    """
    doors.choice("network", network, NETWORKS)
    model = Matching(sample, rate, shuffle)
    half = model.half_time()
    at = schedule(half, steps, points)
    once, back = np.unique(at, return_inverse=True)
    if network.startswith("infinite"):
        losses, outputs = _infinitely_wide(model, _kernel(network, sample), tuple(once.tolist()))
    else:
        module = ntk_modules.difference(lambda: build(network, sample.x.shape[1:], width, rng)).float()
        losses, outputs = full_batch.descend(
            module, sample.x, sample.y, sample.x_test, step_size=model.step_size, schedule=tuple(once.tolist())
        )
    found = compared(model, outputs[back].astype(float), at, half, shuffle.permutation(sample.y_test))
    for name, values in (("output", outputs[back]), ("linear_output", model.on_test(at))):
        found[name] = (("probe", "point"), values[:, :shown].astype(np.float32))
    return found.assign(
        train=("probe", losses[at]), weights=(("plane", "row", "column"), model.weights(half, sample.x.shape[1:]))
    )


def build(
    network: str, shape: tuple[int, ...], width: int, rng: Generator
) -> ntk_modules.FullyConnected | ntk_modules.Convolutional:
    """One copy for images of this shape (planes, height, width)."""
    doors.choice("network", network, NETWORKS[:3])
    doors.whole("width", width, 1)
    doors.generator(rng)
    if network == "connected":
        return ntk_modules.fully_connected((math.prod(shape), *[width] * DEPTH), ACTIVATION, rng)
    planes, height, across = shape
    head: ntk_modules.Head = "pooling" if network == "pooled" else "flatten"
    return ntk_modules.convolutional((planes, height, across), width, DEPTH, ACTIVATION, rng, head=head)


def compared(model: Matching, outputs: Array, at: NDArray[np.int_], half: int, permuted: Array) -> xr.Dataset:
    """Outputs (probe, q) at the steps `at` against the model and the labels; `permuted` are test labels in another order.

    Losses `inside` and `outside` V_lin are |P (f - y)|^2 / (2q) and the rest, `placebo_outside` that for permuted test labels;
    `share` is the part of |f|^2 outside, `linear_share` of the model's, `permuted_share` of the permuted labels'.
    """
    span, y, linear = Span(model.flat_test), model.y_test, model.on_test(at)
    q = 2 * len(y)
    along = {
        "correlation": correlation(outputs, linear),
        "permuted_correlation": model.placebo_correlation(outputs, at),
        "relative": relative_error(outputs, linear),
        "share": span.share(outputs),
        "linear_share": span.share(linear),
        "inside": span.inside(outputs - y) / q,
        "outside": span.outside(outputs - y) / q,
        "placebo_outside": span.outside(outputs - permuted) / q,
        "linear_inside": span.inside(linear - y) / q,
        "linear_outside": span.outside(linear - y) / q,
        "accuracy": np.mean((outputs > 0) == (y > 0), axis=1),
        "linear_accuracy": np.mean((linear > 0) == (y > 0), axis=1),
        "step": at.astype(float),
    }
    top = model.descent.singular[0] ** 2 / (len(model.y) * model.slope**2)
    alone = {
        "half_time": float(half), "top": top, "step_size": model.step_size, "rest": span.rest,
        "permuted_share": span.share(permuted),
    }  # fmt: skip
    return xr.Dataset({name: ("probe", values) for name, values in along.items()} | alone)


def _kernel(network: str, sample: Sample) -> Array:
    """Theta of all images, training images first, for a network of infinite width."""
    both = np.concatenate([sample.x, sample.x_test])
    if network == "infinite":
        return deep_kernel.connected(both.reshape(len(both), -1), ACTIVATION, DEPTH)
    return deep_kernel.convolutional(np.moveaxis(both, 1, -1), ACTIVATION, DEPTH)


def _infinitely_wide(model: Matching, kernel: Array, at: tuple[int, ...]) -> tuple[Array, Array]:
    """Descent of a network whose kernel does not change: as `full_batch.descend`."""
    n = len(model.y)
    learning = model.step_size / n * kernel[:, :n]
    f, losses, seen = np.zeros(len(kernel)), [], []
    for step in range(at[-1] + 1):
        losses.append(_loss(f[:n], model.y))
        if step in at:
            seen.append(f[n:])
        f = f - learning @ (f[:n] - model.y)
    return np.array(losses), np.stack(seen)


def _loss(outputs: Array, y: Array) -> Array:
    return np.mean((outputs - y) ** 2, axis=-1) / 2


# --- checks


def close(dataset: xr.Dataset, where: str, runs: xr.Dataset, claim: str, pooled: xr.Dataset) -> list[Check]:
    """Correlation of the runs of one network, for its own claim (H22 or H23) and for H24.

    A run counts where it goes on to the window's end. Statistics are the worst of the window, averaged over seeds. The control
    is `pooled`; the fully connected network, of which it is no variant, is held against permuted labels.
    """
    early, name = reached(runs), f"{where}: smallest correlation with the linear model in the window"
    if claim == "H22":
        blind = mean(worst(early, "permuted_correlation", "max"))
        unlike = control("linear models fitted to permuted labels: largest mean |correlation|", blind, below(APART))
    else:
        apart = mean(worst(reached(pooled), "correlation", "max"))
        unlike = control("global average pooling: largest correlation", apart, below(APART))
    found = mean(worst(early, "correlation", "min"))
    return [check(dataset, one, "empirical", name, found, above(CLOSE), unlike) for one in (claim, "H24")]


def sized(dataset: xr.Dataset, where: str, runs: xr.Dataset, pooled: xr.Dataset) -> Check:
    """Relative error of the runs of one network, for H25."""
    far = mean(worst(reached(pooled), "relative", "min"))
    unlike = control("global average pooling: smallest relative error", far, above(FAR))
    found = mean(worst(reached(runs), "relative", "max"))
    name = f"{where}: largest relative error in the window"
    return check(dataset, "H25", "empirical", name, found, below(FAR), unlike)


def split(dataset: xr.Dataset, where: str, runs: xr.Dataset, claim: str) -> Check:
    """How much of the network's output is outside V_lin early."""
    early = reached(runs)
    blind = control(
        "permuted test labels, which know nothing of the inputs: their share", mean(early.permuted_share.values), above(APART)
    )
    value = mean(worst(early, "share", "max"))
    return check(
        dataset, claim, "empirical", f"{where}: largest share of the complement in the window", value, below(LITTLE), blind
    )


def later(dataset: xr.Dataset, where: str, runs: xr.Dataset, claim: str) -> list[Check]:
    """Does the network learn on the complement, and later than on V_lin?"""
    early = reached(runs)
    gained, placebo = (progress(early, name)[:, -1] for name in ("outside", "placebo_outside"))
    nothing = control("permuted test labels: the same", mean(placebo), Criterion("not above 0", lambda one: one.value <= 0))
    still = control(
        "the linear model: largest share of the complement", largest(early.linear_share.values.ravel()), below(1e-6)
    )
    return [
        check(
            dataset, claim, "empirical", f"{where}: part of the complement's loss that is gone at the end", mean(gained),
            interval_above(0), nothing,
        ),
        check(
            dataset, claim, "empirical", f"{where}: part of its final fall after the window, complement less V_lin",
            mean(after(early, "outside") - after(early, "inside")), interval_above(0), still,
        ),
    ]  # fmt: skip


def reached(runs: xr.Dataset) -> xr.Dataset:
    """The runs that go on to twice the model's half-time."""
    return runs.isel(cell=2 * runs.half_time.values <= runs.step.values[:, -1])


def window(runs: xr.Dataset) -> NDArray[np.bool_]:
    """Which looks (cell, probe) are in the window."""
    half, step = runs.half_time.values[:, None], runs.step.values
    return (step >= half / 2) & (step <= 2 * half)


def worst(runs: xr.Dataset, name: str, side: str) -> Array:
    """The `min` or `max` of a variable in the window, (cell,)."""
    doors.choice("side", side, ("min", "max"))
    inside = window(runs)
    if side == "min":
        return np.where(inside, runs[name].values, np.inf).min(axis=1, initial=np.inf)
    return np.where(inside, runs[name].values, -np.inf).max(axis=1, initial=-np.inf)


def progress(runs: xr.Dataset, name: str) -> Array:
    """1 - loss / loss at the start, (cell, probe)."""
    values = runs[name].values
    return 1 - values / values[:, :1]


def after(runs: xr.Dataset, name: str) -> Array:
    """The part of a loss's fall from the start to the end that comes after the window, (cell,); NaN where it does not fall."""
    gone = progress(runs, name)
    ended = np.argmax(runs.step.values > 2 * runs.half_time.values[:, None], axis=1) - 1
    by_then, at_end = np.take_along_axis(gone, ended[:, None], axis=1)[:, 0], gone[:, -1]
    return np.divide(at_end - by_then, at_end, out=np.full_like(at_end, np.nan), where=at_end > 0)
