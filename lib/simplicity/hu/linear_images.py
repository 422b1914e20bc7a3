"""A deep network on images beside the linear model of its theory; experiments on images share this.

Hu et al. 2020, Figure 3. With c_1 of `kernel.deep_slope` the model is f(x) = <beta, sqrt(c_1/d) x>,
trained from 0 by the same full-batch descent, L = 1/(2n) sum (f - y)^2 with y = +-1, at the same
step size. Images are centred and scaled to Tr Sigma = d; ||Sigma|| = O(1), which the theory also
asks for, does not hold on images.

The model's half-time is the first step at which it has lost half of the test loss that it ever
loses. Early is from half of it to twice of it: the window (`early_window`).
"""

import functools
import math
from collections.abc import Callable

import numpy as np
import xarray as xr
from numpy.random import Generator
from numpy.typing import NDArray

from simplicity.data import streams
from simplicity.grid import config
from simplicity.hu import deep_kernel, full_batch
from simplicity.hu.early_linear import loss
from simplicity.hu.image_model import (
    ACTIVATION,
    DEPTH,
    IMAGES,
    RATES,
    TEST_IMAGES,
    Matching,
    Sample,
)
from simplicity.hu.spans import Span, correlation, relative_error
from simplicity.nets import ntk_modules
from simplicity.problems import Problem, doors

Array = NDArray[np.floating]

# The last two by their kernels alone.
NETWORKS = ("connected", "flattened", "pooled", "infinite", "infinite flattened")
WINDOW = 7  # looks inside the window
_PAIRED = 1000  # images that are compared in pairs


@config.settings
class Run:
    """A network on images, its descent, and what is kept of it."""

    network: str = config.param("connected", "network", choices=NETWORKS)
    n: int = config.param(600, "training images", unit="samples", low=1, high=10**6)
    width: int = config.param(256, "neurons or channels of a hidden layer", low=1, high=10_000)
    rate: float = config.param(
        0.2, "learning rate in units of d / (c_1 lambda_max)", low=1e-6, high=1.9
    )
    steps: int = config.param(300, "steps", low=2, high=10**6)
    points: int = config.param(14, "looks beside those in the window", low=2, high=1000)
    shown: int = config.param(
        50, "test images whose outputs are kept", unit="samples", low=3, high=1000
    )
    seed: int = config.param(0, "seed of images and weights", low=0, high=2**31 - 1)


def prepared(x: Array, y: NDArray, x_test: Array, y_test: NDArray) -> Sample:
    """Labels of 0 and 1 to +-1; the training images get mean 0 and mean square 1, Tr Sigma = d."""
    x, x_test = doors.finite(x=(x, IMAGES), x_test=(x_test, TEST_IMAGES))
    y, y_test = doors.labels(y=(y, str(len(x))), y_test=(y_test, str(len(x_test))))
    if not (x != x[0]).any():
        told = "x: got images that are all the same, allowed different ones, "
        raise Problem(told + "since their variance is the scale")
    middle = x.mean(axis=0)
    scale = 1 / np.sqrt(np.mean((x - middle) ** 2))
    return Sample(scale * (x - middle), 2.0 * y - 1, scale * (x_test - middle), 2.0 * y_test - 1)


def schedule(half: int, steps: int, points: int) -> NDArray[np.int_]:
    """Step 0, `points` steps up to the last, even in their logarithm, and `WINDOW` in the window.

    Some may repeat.
    """
    doors.whole("half", half, 1)
    doors.whole("steps", steps, 1)
    doors.whole("points", points, 1)
    whole = np.rint(np.geomspace(1, steps, points))
    window = np.rint(np.linspace(math.ceil(half / 2), 2 * half, WINDOW))
    return np.sort(np.concatenate([[0], whole, np.minimum(window, steps)])).astype(int)


def beside(run: Run, sample: Sample) -> xr.Dataset:
    """`follow` with the values and the streams of a run."""
    return follow(
        sample, run.network, width=run.width, rate=run.rate, steps=run.steps, points=run.points,
        shown=run.shown, rng=streams.generator(run.seed, streams.INITIALISATION),
        shuffle=streams.generator(run.seed, streams.NOISE),
    )  # fmt: skip


def follow(
    sample: Sample, network: str, *, width: int, rate: float, steps: int, points: int, shown: int,
    rng: Generator, shuffle: Generator,
) -> xr.Dataset:  # fmt: skip
    """Train one of `NETWORKS`; its outputs on the test images against the model's, along `probe`.

    `rng` draws the weights, `shuffle` permutes labels for the controls.
    """
    doors.choice("network", network, NETWORKS)
    model = Matching(sample, rate, shuffle)
    half = model.half_time()
    at = schedule(half, steps, points)
    once, back = np.unique(at, return_inverse=True)
    trained = _trained(sample, network, width, rng)
    losses, outputs = trained(step_size=model.step_size, schedule=tuple(once.tolist()))
    permuted = shuffle.permutation(sample.y_test)
    found = compared(model, outputs[back].astype(float), at, half, permuted, shuffle)
    weights, axes = model.weights(half, sample.x.shape[1:]), ("probe", "point")
    return found.assign(
        output=(axes, outputs[back][:, :shown].astype(np.float32)),
        linear_output=(axes, model.on_test(at)[:, :shown].astype(np.float32)),
        train=("probe", losses[at]), weights=(("plane", "row", "column"), weights),
    )  # fmt: skip


def _trained(
    sample: Sample, network: str, width: int, rng: Generator
) -> Callable[..., tuple[Array, Array]]:
    """The descent of this network on the sample, as `full_batch.descend` is."""
    if network.startswith("infinite"):
        return functools.partial(_infinitely_wide, _kernel(network, sample), sample.y)
    shape = sample.x.shape[1:]
    module = ntk_modules.difference(lambda: build(network, shape, width, rng)).float()
    return functools.partial(full_batch.descend, module, sample.x, sample.y, sample.x_test)


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
    return ntk_modules.convolutional(
        (planes, height, across), width, DEPTH, ACTIVATION, rng, head=head
    )


def compared(
    model: Matching, outputs: Array, at: NDArray[np.int_], half: int, permuted: Array,
    random: Generator,
) -> xr.Dataset:  # fmt: skip
    """Outputs (probe, q) at the steps `at` against the model, the labels, and permuted labels.

    Losses `inside` and `outside` V_lin are |P (f - y)|^2 / (2q) and the rest, `placebo_outside`
    that for permuted test labels; `share` is the part of |f|^2 outside, `linear_share` of the
    model's, and `random_...` are the same with a random span of as many dimensions. Along `rate`
    are the models at `RATES` times the step size. `own` is `told_apart` up to the window's end,
    `placebo_own` with the models of permuted labels in the place of the model.
    """
    span, y, linear = Span(model.flat_test), model.y_test, model.on_test(at)
    blind = Span(random.standard_normal((len(y), span.basis.shape[1])))
    along = {
        "correlation": correlation(outputs, linear),
        "permuted_correlation": model.placebo_correlation(outputs, at),
        "relative": relative_error(outputs, linear),
        **_split(span, outputs, y, ""),
        **_split(span, linear, y, "linear_"),
        **_split(blind, outputs, y, "random_"),
        "placebo_outside": span.outside(outputs - permuted) / (2 * len(y)),
        "accuracy": _accuracy(outputs, y),
        "linear_accuracy": _accuracy(linear, y),
        "step": at.astype(float),
    }
    found = xr.Dataset({name: ("probe", values) for name, values in along.items()})
    found = found.assign(half_time=float(half), step_size=model.step_size, rest=span.rest)
    early = at[at <= 2 * half]
    own, rates = _own(model, outputs[: len(early)], early), _beside_rates(model, span, outputs, at)
    return found.assign(own).assign(rates).assign(top=model.top).assign_coords(times=list(RATES))


def _split(span: Span, outputs: Array, y: Array, word: str) -> dict[str, Array]:
    """Share of the outputs outside the span, and the parts of their loss in and outside it."""
    return {
        f"{word}share": span.share(outputs),
        f"{word}inside": span.inside(outputs - y) / (2 * len(y)),
        f"{word}outside": span.outside(outputs - y) / (2 * len(y)),
    }


def _accuracy(outputs: Array, y: Array) -> Array:
    return np.mean((outputs > 0) == (y > 0), axis=1)


def _own(model: Matching, outputs: Array, at: NDArray[np.int_]) -> dict[str, float]:
    """`told_apart` by the model, and its mean over models of permuted labels."""
    placebos = [told_apart(outputs, one) for one in model.of_placebos(at)]
    return {
        "own": told_apart(outputs, model.on_test(at)),
        "placebo_own": float(np.mean(placebos)),
    }


def _beside_rates(
    model: Matching, span: Span, outputs: Array, at: NDArray[np.int_]
) -> dict[str, tuple[tuple[str, str], Array]]:
    """Relative errors against the models at `RATES`, and their losses in the span."""
    models, y = model.at_rates(at).values(), model.y_test
    relative = np.stack([relative_error(outputs, one) for one in models])
    inside = np.stack([span.inside(one - y) / (2 * len(y)) for one in models])
    axes = ("times", "probe")
    return {"rate_relative": (axes, relative), "rate_inside": (axes, inside)}


def told_apart(outputs: Array, linear: Array) -> float:
    """Share of pairs of different images (i, j) with the curve of i among `outputs` (looks, q)
    nearer to that of i among `linear` than to that of j, by the sum of squares; 1/2 is chance. Of
    the first `_PAIRED` images.
    """
    outputs, linear = doors.same(outputs=outputs[:, :_PAIRED], linear=linear[:, :_PAIRED])
    squares = (outputs**2).sum(axis=0)[:, None] + (linear**2).sum(axis=0) - 2 * outputs.T @ linear
    own = np.diagonal(squares)[:, None]
    q = len(squares)
    nearer = (own < squares).sum() + 0.5 * ((own == squares).sum() - q)
    return float(nearer / (q * (q - 1)))


def _kernel(network: str, sample: Sample) -> Array:
    """Theta of all images, training images first, for a network of infinite width."""
    both = np.concatenate([sample.x, sample.x_test])
    if network == "infinite":
        return deep_kernel.connected(both.reshape(len(both), -1), ACTIVATION, DEPTH)
    return deep_kernel.convolutional(np.moveaxis(both, 1, -1), ACTIVATION, DEPTH)


def _infinitely_wide(
    kernel: Array, y: Array, step_size: float, schedule: tuple[int, ...]
) -> tuple[Array, Array]:
    """Descent of a network whose kernel does not change: as `full_batch.descend`."""
    n = len(y)
    learning = step_size / n * kernel[:, :n]
    f, losses, seen = np.zeros(len(kernel)), [], []
    for step in range(schedule[-1] + 1):
        losses.append(loss(f[:n], y))
        if step in schedule:
            seen.append(f[n:])
        f = f - learning @ (f[:n] - y)
    return np.array(losses), np.stack(seen)
