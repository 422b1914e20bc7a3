"""A deep network on images beside the linear model of its theory; experiments on images share this.

Hu et al. 2020, Figure 3. With c_1 of `kernel.deep_slope` the model is f(x) = <beta, sqrt(c_1/d) x>,
trained from 0 by the same full-batch descent, L = 1/(2n) sum (f - y)^2 with y = +-1, at the same
step size. Images are centred and scaled to Tr Sigma = d; ||Sigma|| = O(1), which the theory also
asks for, does not hold on images.

The model's half-time is the first step at which it has lost half of the test loss that it ever
loses. Early is from half of it to twice of it: the window.
"""

import copy
import functools
import math
from collections.abc import Callable, Iterable
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
from simplicity.nets import loop, ntk_modules
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
_IMAGES, _TEST_IMAGES = "n planes height width", "q planes height width"
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
    x, x_test = doors.finite(x=(x, _IMAGES), x_test=(x_test, _TEST_IMAGES))
    y, y_test = doors.labels(y=(y, str(len(x))), y_test=(y_test, str(len(x_test))))
    if not (x != x[0]).any():
        told = "x: got images that are all the same, allowed different ones, "
        raise Problem(told + "since their variance is the scale")
    middle = x.mean(axis=0)
    scale = 1 / np.sqrt(np.mean((x - middle) ** 2))
    return Sample(scale * (x - middle), 2.0 * y - 1, scale * (x_test - middle), 2.0 * y_test - 1)


def _look_at(sample: Sample) -> None:
    x, y, x_test, y_test = sample
    doors.finite(x=(x, _IMAGES), y=(y, "n"), x_test=(x_test, _TEST_IMAGES), y_test=(y_test, "q"))
    doors.not_all_zero("x", sample.x)


class Matching:
    """The linear model for a sample, its step size `rate` d/(c_1 lambda_max), and its outputs."""

    def __init__(self, sample: Sample, rate: float, rng: Generator) -> None:
        _look_at(sample)
        doors.number("rate", rate, above=0)
        doors.generator(rng)
        self.flat, self.flat_test = (x.reshape(len(x), -1) for x in (sample.x, sample.x_test))
        self.slope = math.sqrt(deep_slope(ACTIVATION, DEPTH) / self.flat.shape[1])
        self.y, self.y_test = sample.y, sample.y_test
        self.descent = LinearDescent(self.slope * self.flat, sample.y, 0.0)
        singular = self.descent.singular
        self.step_size = rate * len(self.y) / singular[0] ** 2
        self.descent.shrink = 1 - self.step_size * singular**2 / len(self.y)
        self.placebos = [self._placebo(rng.permutation(self.y)) for _ in range(PERMUTATIONS)]

    @property
    def top(self) -> float:
        """The largest eigenvalue of the images' covariance."""
        return self.descent.singular[0] ** 2 / (len(self.y) * self.slope**2)

    def _placebo(self, y: Array) -> LinearDescent:
        """The descent to other labels; it has the same decomposition."""
        one, singular = copy.copy(self.descent), self.descent.singular
        one.target = one.basis @ (one.psi.T @ y) / np.maximum(singular, 1e-12 * singular[0])
        return one

    def _at_rate(self, rate: float) -> LinearDescent:
        """The descent at `rate` times the step size."""
        one = copy.copy(self.descent)
        one.shrink = 1 - rate * (1 - self.descent.shrink)
        return one

    def _on_test(self, descent: LinearDescent, steps: tuple[int, ...]) -> Array:
        return descent.outputs(self.slope * self.flat_test, steps)

    def on_test(self, steps: Iterable[int]) -> Array:
        """Outputs after these steps, (steps, q)."""
        return self._on_test(self.descent, tuple(steps))

    def at_rates(self, steps: Iterable[int]) -> dict[float, Array]:
        """Outputs of the model at each of `RATES` times its step size, (steps, q)."""
        at = tuple(steps)
        return {rate: self._on_test(self._at_rate(rate), at) for rate in RATES}

    def of_placebos(self, steps: Iterable[int]) -> list[Array]:
        """Outputs of each model of permuted labels, (steps, q)."""
        at = tuple(steps)
        return [self._on_test(one, at) for one in self.placebos]

    def placebo_correlation(self, outputs: Array, steps: Iterable[int]) -> Array:
        """Mean |correlation| of outputs (steps, q) with models of permuted labels, (steps,)."""
        found = [correlation(outputs, one) for one in self.of_placebos(steps)]
        return np.mean(np.abs(found), axis=0)

    def weights(self, step: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """beta after `step` steps as an image of means over squares, (planes, SIDE, SIDE)."""
        planes, height, width = shape
        squares = self.descent.beta(step).reshape(planes, SIDE, height // SIDE, SIDE, width // SIDE)
        return squares.mean(axis=(2, 4)).astype(np.float32)

    def half_time(self) -> int:
        """Steps until half of the test loss is lost that is ever lost."""
        at = loop.geometrically(_LONGEST, 120)
        losses = self._losses(at)
        half = self._half(losses.min())
        reached = int(np.argmax(losses <= half))
        between = range(at[max(0, reached - 1)], at[reached] + 1)
        return next(step for step in between if self._losses([step])[0] <= half)

    def _losses(self, steps: Iterable[int]) -> Array:
        """Test losses after these steps."""
        return _loss(self.on_test(steps), self.y_test)

    def _half(self, lowest: float) -> float:
        """Half-way from the test loss at the start to the lowest one."""
        start = float(_loss(0 * self.y_test, self.y_test))
        if not lowest < start:
            told = f"half-time: the linear model never lowers the test loss {start:.3g}"
            raise ValueError(f"{told} on {len(self.y)} images")
        return (start + lowest) / 2


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
        losses.append(_loss(f[:n], y))
        if step in schedule:
            seen.append(f[n:])
        f = f - learning @ (f[:n] - y)
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
    return _in_window(runs, runs[name], side)


def _in_window(runs: xr.Dataset, values: xr.DataArray, side: str = "max") -> Array:
    return np.asarray(getattr(values.where(window(runs)), side)("probe"))


def largest_error(runs: xr.Dataset, times: float) -> Array:
    """The largest relative error in the window against the model at `times` its rate, (cell,)."""
    return _in_window(runs, runs.rate_relative.sel(times=times))


def nearest(runs: xr.Dataset, times: float) -> Array:
    """log of G(times) over the smaller of G(times/2) and G(2 times), (cell,).

    G(r) is the largest difference, in the window, of the losses on V_lin of the network and of the
    model at r times its rate. Negative where none of the others is nearer.
    """
    own, slow, fast = (_largest_gap(runs, rate) for rate in (times, times / 2, 2 * times))
    return np.log(own / np.minimum(slow, fast))


def _largest_gap(runs: xr.Dataset, times: float) -> Array:
    return _in_window(runs, np.abs(runs.inside - runs.rate_inside.sel(times=times)))


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
    by_then, at_end = gone[np.arange(len(gone)), _last_look(runs)], gone[:, -1]
    return np.divide(at_end - by_then, at_end, out=np.full_like(at_end, np.nan), where=at_end > 0)


def _last_look(runs: xr.Dataset) -> NDArray[np.int_]:
    """The last look of each run that is not past the window, (cell,)."""
    return np.argmax(runs.step.values > 2 * runs.half_time.values[:, None], axis=1) - 1
