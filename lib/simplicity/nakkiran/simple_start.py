"""Linear least squares from a simple start, in closed form.

Nakkiran et al. 2019, Lemma 1 and Theorem 1. Inputs are x_j = x_j(1) e_1 + e_{k_j} with all k_j
different (`nakkiran.one_hot`), so X X^T = I + x1 x1^T for the vector x1 of first coordinates. Its
eigenvalues are n + 1, once, and 1, n - 1 times. A weight vector is `first`, w(1), and `own`, the n
entries w(k_j); coordinates of unseen k keep w_0(k) for ever. Loss (1/2n) |X w - y|^2, time in
steps. The closed form is derived here, from what the paper's lemma and theorem state. Everything
costs O(n).
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import stats

from simplicity.data import streams
from simplicity.grid import config
from simplicity.nakkiran import one_hot
from simplicity.problems import doors, training_doors

Array = NDArray[np.floating]
DEVIATIONS = 4.0  # of a binomial: one draw in 16,000 is further away by chance


@config.settings
class Run:
    """The theorem's sample and start, which its experiments share."""

    n: int = config.param(1000, "numbers of samples", unit="samples", low=2, high=10**6)
    features_per_sample: int = config.param(200, "coordinates a sample", low=2, high=10**6)
    flip: float = config.param(0.1, "p, probability that x(1) is not the label", low=0, high=0.5)
    ratio: float = config.param(0.5, "|w_0(k)| in units of 1 - 2p", low=0, high=1e6)
    seed: int = config.param(0, "seed of sample and start", low=0, high=2**31 - 1)

    def own(self, keys: one_hot.Keys, signs: Generator) -> Array:
        """w_0(k) of these k: one size, random signs."""
        return size_of(self.flip, self.ratio) * one_hot.signs(keys, signs)


class Weights(NamedTuple):
    """w(1), and w(k_j) of each training sample (n,)."""

    first: float
    own: Array


def size_of(flip: Array | float, ratio: Array | float) -> Any:
    """|w_0(k)| from its ratio to the threshold 1 - 2p."""
    return ratio * (1 - 2 * flip)


class Unseen(NamedTuple):
    """Fresh samples whose k no training sample has: w_0(k), x(1) and y of each (q,)."""

    own: Array
    shared: Array
    y: Array


def draw(
    run: Run, fresh_samples: int, data: Generator | None = None, signs: Generator | None = None
) -> tuple[one_hot.Samples, Array, Unseen]:
    """A training set with its w_0(k) (n,), and fresh samples; w_0(k) have random signs."""
    data = data or streams.generator(run.seed, streams.DATA)
    signs = signs or streams.generator(run.seed, streams.INITIALISATION)
    features = run.n * run.features_per_sample
    seen = one_hot.training(run.n, features, run.flip, data)
    fresh = one_hot.fresh(fresh_samples, features, run.flip, data)
    own = run.own(np.concatenate([seen.key, fresh.key]), signs)
    new = one_hot.unseen(fresh.key, seen.key)
    return seen, own[: run.n], Unseen(own[run.n :][new], fresh.shared[new], fresh.y[new])


def _looked_at(start: Weights, shared: Array, y: Array) -> tuple[Weights, Array, Array]:
    """The start, shared coordinates and labels: one of each for a sample."""
    doors.kind("start", start, Weights)
    y, shared, own = doors.finite(y=(y, "n"), shared=(shared, "n"), own=(start.own, "n"))
    doors.number("first", start.first)
    return Weights(start.first, own), shared, y


def limit(start: Weights, shared: Array, y: Array) -> Weights:
    """w_0 + X^T (X X^T)^-1 (y - X w_0), the projection of w_0 onto the solutions of X w = y.

    w(1) = (w_0(1) + sum_j x_j(1) (y_j - w_0(k_j))) / (n + 1) and w(k_j) = y_j - w(1) x_j(1).
    """
    start, shared, y = _looked_at(start, shared, y)
    first = (start.first + float(shared @ (y - start.own))) / (len(y) + 1)
    return Weights(first, y - first * shared)


def at_step(start: Weights, shared: Array, y: Array, step: float, step_size: float) -> Weights:
    """Gradient descent after `step` steps, without taking them.

    The residual splits along x1, which shrinks by 1 - step_size (n + 1) / n a step, and across, by
    1 - step_size / n.
    """
    start, shared, y = _looked_at(start, shared, y)
    doors.number("step", step, low=0)
    training_doors.step(step_size)
    n = len(y)
    fast, slow = 1 - step_size * (n + 1) / n, 1 - step_size / n
    doors.stays_finite("step_size", fast, step)
    along, across = _split(y - start.first * shared - start.own, shared)
    gone, gone_across = 1 - fast**step, 1 - slow**step
    first = start.first + along * gone * n / (n + 1)
    return Weights(first, start.own + across * gone_across + along * shared * gone / (n + 1))


def _split(residual: Array, shared: Array) -> tuple[float, Array]:
    """Along x1, in units of it, and across (n,)."""
    along = float(shared @ residual) / len(shared)
    return along, residual - along * shared


def largest_step(n: int) -> float:
    """2n / (n + 1): gradient descent converges below this step size and diverges above it."""
    doors.whole("n", n, 1)
    return 2 * n / (n + 1)


def _sample(n: int, flip: float) -> None:
    """At least one sample, and p a share."""
    doors.whole("n", n, 1)
    doors.number("flip", flip, low=0, high=1)


def expected_first(n: int, flip: float, first: float = 0.0) -> float:
    """Mean of the limit's w(1): (n (1 - 2p) + w_0(1)) / (n + 1).

    Over samples and random signs of w_0(k).
    """
    _sample(n, flip)
    doors.number("first", first)
    return (n * (1 - 2 * flip) + first) / (n + 1)


def spread(n: int, flip: float, size: float) -> float:
    """Standard deviation of the limit's w(1) for |w_0(k)| = size with random signs.

    sqrt(n (4p(1-p) + size^2)) / (n + 1).
    """
    _sample(n, flip)
    doors.number("size", size, low=-1e150, high=1e150)
    return float(np.sqrt(n * (4 * flip * (1 - flip) + size**2))) / (n + 1)


def lowest_first(n: int, flip: float, size: float) -> float:
    """The least w_0(1) from which w(1) still ends above `size` on average.

    It is the theorem's condition at finite n.

    w_0(1) > -(n + 1)(1 - 2p - size), up to O(1). The theorem's own -n^0.99 is weaker until n^-0.01
    < 1 - 2p - size.
    """
    _sample(n, flip)
    doors.number("size", size)
    return -(n + 1) * (1 - 2 * flip - size)


def enough_samples(flip: float, size: float) -> float:
    """log10 of the n from which w_0(1) >= -n^0.99 implies the condition of `lowest_first`.

    n = (1 - 2p - size)^-100.
    """
    doors.number("flip", flip, low=0, high=1)
    threshold = 1 - 2 * flip
    doors.number("size", size, below=threshold)
    return -100 * float(np.log10(threshold - size))


def margins(first: Array | float, own: Array, shared: Array, y: Array) -> Array:
    """y f(x) of samples; positive is correct.

    They have shared coordinates and weights `own` on their own coordinates.
    """
    first, own, shared, y = doors.same(first=first, own=own, shared=shared, y=y)
    return y * (first * shared + own)


def accuracy(margin: Array) -> float:
    """Share of positive margins; one of 0 is a coin toss and counts half."""
    (margin,) = doors.arrays(margin=(margin, "n"))
    return float(np.mean(margin > 0) + np.mean(margin == 0) / 2)


def population_accuracy(first: Array | float, size: Array | float, flip: Array | float) -> Array:
    """Probability of a correct prediction on an unseen k where |w_0(k)| = size with random signs.

    1 - p if w(1) > size, p if w(1) < -size, else 1/2: then the sign of w_0(k) decides, which knows
    nothing of y.
    """
    first, size, flip = _floats(first, size, flip)
    return np.where(first > size, 1 - flip, np.where(first < -size, flip, 0.5))


def near(
    accuracy: Array | float, expected: Array | float, n_test: Array | float
) -> NDArray[np.bool_]:
    """Is an accuracy on n_test samples within four standard deviations of the expected one?"""
    found, rate, n = _floats(accuracy, expected, n_test)
    return np.abs(found - rate) <= DEVIATIONS * np.sqrt(rate * (1 - rate) / n)


def _floats(*values: Array | float) -> list[Array]:
    return [np.asarray(one, dtype=float) for one in values]


def share_above(n: int, flip: float, size: Array, first: float = 0.0) -> Array:
    """Probability over samples that the limit's w(1) exceeds `size` (any shape).

    By the normal approximation: the sigmoid.
    """
    (size,) = doors.arrays(size=(size, "..."))
    sizes = size.ravel()
    spreads = [spread(n, flip, one) for one in sizes.tolist()]
    return stats.norm.sf(sizes, expected_first(n, flip, first), spreads)
