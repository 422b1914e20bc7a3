"""A deep network on images beside the linear model of its theory; experiments on images share this.

Hu et al. 2020, Figure 3. With c_1 of `kernel.deep_slope` the model is f(x) = <beta, sqrt(c_1/d) x>,
trained from 0 by the same full-batch descent, L = 1/(2n) sum (f - y)^2 with y = +-1, at the same
step size. Images are centred and scaled to Tr Sigma = d; ||Sigma|| = O(1), which the theory also
asks for, does not hold on images.

The model's half-time is the first step at which it has lost half of the test loss that it ever
loses. Early is from half of it to twice of it: the window.
"""

import copy
import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.random import Generator
from numpy.typing import NDArray

from simplicity.data import streams
from simplicity.evidence import over_seeds
from simplicity.grid import config
from simplicity.hu import deep_kernel, full_batch
from simplicity.hu.kernel import deep_slope
from simplicity.hu.linear_descent import LinearDescent
from simplicity.hu.spans import Span, correlation, relative_error
from simplicity.nets import ntk_modules
from simplicity.problems import Problem, doors

Array = NDArray[np.floating]

ACTIVATION, DEPTH = "erf", 4  # hidden layers
# The last two by their kernels alone.
NETWORKS = ("connected", "flattened", "pooled", "infinite", "infinite flattened")
WINDOW = 7  # looks inside the window
PERMUTATIONS = 20  # of the labels that the control is fitted to
SIDE = 8  # of the model's weights as they are kept
_PAIRED = 1000  # images that are compared in pairs
_LONGEST = 100_000  # steps within which the model's lowest test loss is looked for

RATES = (0.25, 0.5, 1.0, 2.0)  # of models beside the network, in units of its own


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


class Sample(NamedTuple):
    """Images (n, planes, height, width) and labels of +-1, (n,)."""

    x: Array
    y: Array
    x_test: Array
    y_test: Array


def prepared(x: Array, y: NDArray, x_test: Array, y_test: NDArray) -> Sample:
    """Labels of 0 and 1 to +-1; the training images get mean 0 and mean square 1, Tr Sigma = d."""
    x, x_test = doors.finite(
        x=(x, "n planes height width"), x_test=(x_test, "q planes height width")
    )
    y, y_test = doors.labels(y=(y, str(len(x))), y_test=(y_test, str(len(x_test))))
    if not (x != x[0]).any():
        told = "x: got images that are all the same, allowed different ones, "
        raise Problem(told + "since their variance is the scale")
    middle = x.mean(axis=0)
    scale = 1 / np.sqrt(np.mean((x - middle) ** 2))
    return Sample(scale * (x - middle), 2.0 * y - 1, scale * (x_test - middle), 2.0 * y_test - 1)


class Matching:
    """The linear model for a sample, its step size `rate` d/(c_1 lambda_max), and its outputs."""

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
        # Other targets, the same decomposition.
        self.placebos = [copy.copy(self.descent) for _ in range(PERMUTATIONS)]
        divisor = np.maximum(singular, 1e-12 * singular[0])
        for one in self.placebos:
            one.target = basis @ (psi.T @ rng.permutation(sample.y)) / divisor

    def on_test(self, steps: Iterable[int]) -> Array:
        """Outputs after these steps, (steps, q)."""
        return self.descent.outputs(self.slope * self.flat_test, tuple(steps))

    def at_rates(self, steps: Iterable[int]) -> dict[float, Array]:
        """Outputs of the model at each of `RATES` times its step size, (steps, q)."""
        at, found = tuple(steps), {}
        for rate in RATES:
            one = copy.copy(self.descent)
            one.shrink = 1 - rate * (1 - self.descent.shrink)
            found[rate] = one.outputs(self.slope * self.flat_test, at)
        return found

    def placebo_correlation(self, outputs: Array, steps: Iterable[int]) -> Array:
        """Mean |correlation| of outputs (steps, q) with models of permuted labels, (steps,)."""
        psi, at = self.slope * self.flat_test, tuple(steps)
        found = [correlation(outputs, one.outputs(psi, at)) for one in self.placebos]
        return np.mean(np.abs(found), axis=0)

    def weights(self, step: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """beta after `step` steps as an image of means over squares, (planes, SIDE, SIDE)."""
        planes, height, width = shape
        squares = self.descent.beta(step).reshape(planes, SIDE, height // SIDE, SIDE, width // SIDE)
        return squares.mean(axis=(2, 4)).astype(np.float32)

    def half_time(self) -> int:
        """Steps until half of the test loss is lost that is ever lost."""
        at = np.unique(np.rint(np.geomspace(1, _LONGEST, 120)).astype(int))
        losses = _loss(self.on_test(at), self.y_test)
        start = float(_loss(0 * self.y_test, self.y_test))
        if not losses.min() < start:
            told = f"half-time: the linear model never lowers the test loss {start:.3g}"
            raise ValueError(f"{told} on {len(self.y)} images")
        half = (start + losses.min()) / 2
        below_half = int(np.argmax(losses <= half))
        before = 1 if below_half == 0 else int(at[below_half - 1])
        found = range(before, int(at[below_half]) + 1)
        return next(step for step in found if _loss(self.on_test([step]), self.y_test)[0] <= half)


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
    if network.startswith("infinite"):
        kernel = _kernel(network, sample)
        losses, outputs = _infinitely_wide(model, kernel, tuple(once.tolist()))
    else:
        shape = sample.x.shape[1:]
        module = ntk_modules.difference(lambda: build(network, shape, width, rng)).float()
        losses, outputs = full_batch.descend(
            module, sample.x, sample.y, sample.x_test, step_size=model.step_size,
            schedule=tuple(once.tolist()),
        )  # fmt: skip
    permuted = shuffle.permutation(sample.y_test)
    found = compared(model, outputs[back].astype(float), at, half, permuted, shuffle)
    for name, values in (("output", outputs[back]), ("linear_output", model.on_test(at))):
        found[name] = (("probe", "point"), values[:, :shown].astype(np.float32))
    weights = model.weights(half, sample.x.shape[1:])
    return found.assign(train=("probe", losses[at]), weights=(("plane", "row", "column"), weights))


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
    q = 2 * len(y)
    blind = Span(random.standard_normal((len(y), span.basis.shape[1])))
    models = model.at_rates(at)
    early = at <= 2 * half
    placebos = [
        one.outputs(model.slope * model.flat_test, tuple(at[early])) for one in model.placebos
    ]
    along = {
        "correlation": correlation(outputs, linear),
        "permuted_correlation": model.placebo_correlation(outputs, at),
        "relative": relative_error(outputs, linear),
        "share": span.share(outputs),
        "linear_share": span.share(linear),
        "inside": span.inside(outputs - y) / q,
        "outside": span.outside(outputs - y) / q,
        "placebo_outside": span.outside(outputs - permuted) / q,
        "random_share": blind.share(outputs),
        "random_inside": blind.inside(outputs - y) / q,
        "random_outside": blind.outside(outputs - y) / q,
        "linear_inside": span.inside(linear - y) / q,
        "linear_outside": span.outside(linear - y) / q,
        "accuracy": np.mean((outputs > 0) == (y > 0), axis=1),
        "linear_accuracy": np.mean((linear > 0) == (y > 0), axis=1),
        "step": at.astype(float),
    }
    top = model.descent.singular[0] ** 2 / (len(model.y) * model.slope**2)
    alone = {
        "half_time": float(half), "top": top, "step_size": model.step_size, "rest": span.rest,
        "own": told_apart(outputs[early], linear[early]),
        "placebo_own": float(np.mean([told_apart(outputs[early], one) for one in placebos])),
    }  # fmt: skip
    beside = {
        "rate_relative": np.stack([relative_error(outputs, one) for one in models.values()]),
        "rate_inside": np.stack([span.inside(one - y) / q for one in models.values()]),
    }
    return xr.Dataset(
        {name: ("probe", values) for name, values in along.items()}
        | {name: (("times", "probe"), values) for name, values in beside.items()}
        | alone,
        coords={"times": list(RATES)},
    )


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


# --- runs, and what is early in them


def reached(runs: xr.Dataset) -> xr.Dataset:
    """The runs that go on to twice the model's half-time."""
    return runs.isel(cell=2 * runs.half_time.values <= runs.step.values[:, -1])


def window(runs: xr.Dataset) -> xr.DataArray:
    """Which looks (cell, probe) are in the window."""
    return (runs.step >= runs.half_time / 2) & (runs.step <= 2 * runs.half_time)


def worst(runs: xr.Dataset, name: str, side: str) -> Array:
    """The `min` or `max` of a variable in the window, (cell,); NaN where nothing is in it."""
    doors.choice("side", side, ("min", "max"))
    inside = runs[name].where(window(runs))
    return np.asarray(inside.min("probe") if side == "min" else inside.max("probe"))


def largest_error(runs: xr.Dataset, times: float) -> Array:
    """The largest relative error in the window against the model at `times` its rate, (cell,)."""
    errors = runs.rate_relative.sel(times=times)
    return np.asarray(errors.where(window(runs)).max("probe"))


def nearest(runs: xr.Dataset, times: float) -> Array:
    """log of G(times) over the smaller of G(times/2) and G(2 times), (cell,).

    G(r) is the largest difference, in the window, of the losses on V_lin of the network and of the
    model at r times its rate. Negative where none of the others is nearer.
    """

    def gap(rate: float) -> Array:
        apart = np.abs(runs.inside - runs.rate_inside.sel(times=rate))
        return np.asarray(apart.where(window(runs)).max("probe"))

    return np.log(gap(times) / np.minimum(gap(times / 2), gap(2 * times)))


def for_want_of_width(runs: xr.Dataset, infinite: xr.Dataset) -> Array:
    """(c_inf - c) / (1 - c) by seed, with c the smallest correlation in the window."""
    finite, limit = (
        one.assign(near=("cell", worst(one, "correlation", "min"))) for one in (runs, infinite)
    )
    return over_seeds.paired(finite, limit, "near", lambda c, most: (most - c) / (1 - c))


def progress(runs: xr.Dataset, name: str) -> Array:
    """1 - loss / loss at the start, (cell, probe)."""
    values = runs[name].values
    return 1 - values / values[:, :1]


def after(runs: xr.Dataset, name: str) -> Array:
    """The part of a loss's fall that is after the window, (cell,); NaN where it does not fall."""
    gone = progress(runs, name)
    ended = np.argmax(runs.step.values > 2 * runs.half_time.values[:, None], axis=1) - 1
    by_then, at_end = np.take_along_axis(gone, ended[:, None], axis=1)[:, 0], gone[:, -1]
    return np.divide(at_end - by_then, at_end, out=np.full_like(at_end, np.nan), where=at_end > 0)
