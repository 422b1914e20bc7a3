"""How much of what a network gets right a simpler classifier explains: performance correlation.

mu_Y(F; L) = I(F;Y) - I(F;Y | L), in bits (Nakkiran et al. 2019, Def. 1). F are hard predictions of
the network, Y labels, L predictions of the simple classifier, all on the same test points.
Everything follows from their table of counts, axes (..., F, Y, L), which is what a checkpoint
should keep: leading axes are checkpoints, seeds or bootstrap draws, and every function works on all
of them at once. mu is the co-information of three variables, so it is symmetric in them, at most
the least of I(F;Y), I(L;Y), I(F;L), at least -1 bit for binary ones, and blind to the renaming of
predictions: a network that is worse than chance has I(F;Y) > 0.

Two estimators: plug-in, and Miller-Madow, which adds (number of non-empty cells - 1) / (2 N ln 2)
to each entropy. No unbiased one exists. With C classes and N points, all cells filled and k = 1 /
(2 N ln 2), the plug-in values are off by (C-1)^2 k for I(F;Y), C (C-1)^2 k for I(F;Y|L), and
-(C-1)^3 k for mu. For two classes that is -k, 7e-5 bits at N = 10,000, far below the sampling
error. For ten it is -0.053 bits there, more than what is measured, and worse where cells are empty:
with N near the number of cells neither estimator can be trusted. Shuffled predictions then show
what mu is without any relation.
"""

import math
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from simplicity.problems import doors

Array = NDArray[np.floating]
Counts = NDArray[np.integer]
Estimator = Literal["plug-in", "miller-madow"]
ESTIMATORS: tuple[Estimator, ...] = ("plug-in", "miller-madow")

_NATS = float(np.log(2))  # a bit in nats
_ALL = (-3, -2, -1)  # axes of a table
_BUT_ONE = (-2, -1), (-3, -1), (-3, -2)  # but F, Y, L


class Information(NamedTuple):
    """In bits, each of the shape of the tables' leading axes."""

    network: Array  # I(F;Y)
    simple: Array  # I(L;Y)
    shared: Array  # I(F;L)
    beyond: Array  # I(F;Y|L)
    mu: Array  # I(F;Y) - I(F;Y|L)


def table(f: ArrayLike, y: ArrayLike, simple: ArrayLike, classes: int = 2) -> Counts:
    """Counts (..., classes, classes, classes) of (F, Y, L) from labels 0 to classes - 1.

    `f` (..., N) may hold many checkpoints over the same N test points; `y` and `simple` are (N,).
    """
    doors.whole("classes", classes, 1)
    labels, other, predictions = doors.labels(
        classes, y=(y, "N"), simple=(simple, "N"), f=(f, "... N")
    )
    cell = (predictions.astype(np.int64) * classes + labels) * classes + other
    counts = _counted(cell.reshape(-1, labels.size), classes**3)
    return counts.reshape(*predictions.shape[:-1], classes, classes, classes)


def _counted(values: Counts, most: int) -> Counts:
    """How often each number below `most` is in each row, one row after another."""
    shifted = values + most * np.arange(len(values))[:, None]
    return np.bincount(shifted.ravel(), minlength=len(values) * most)


def information(counts: ArrayLike, estimator: Estimator = "plug-in") -> Information:
    """All five quantities of tables (..., F, Y, L), by entropies.

    mu = H(F) + H(L) + H(Y) - H(FL) - H(FY) - H(LY) + H(FLY).
    """
    doors.choice("estimator", estimator, ESTIMATORS)
    n = doors.counts(counts)
    f, y, simple = (_entropy(n.sum(axis=axes), 1, estimator) for axes in _BUT_ONE)
    fy, fl, yl = (_entropy(n.sum(axis=axis), 2, estimator) for axis in (-1, -2, -3))
    network, shared, explained = f + y - fy, f + simple - fl, simple + y - yl
    beyond = fl + yl - simple - _entropy(n, 3, estimator)
    return Information(network, explained, shared, beyond, network - beyond)


def stacked(counts: ArrayLike, estimator: Estimator = "plug-in") -> Array:
    """All five quantities, (..., quantity)."""
    return np.stack(information(counts, estimator), axis=-1)


def accuracies(counts: ArrayLike) -> tuple[Array, Array]:
    """Accuracy of F and of L, each (...), of tables (..., F, Y, L).

    Information alone cannot tell F from its negation.
    """
    n = doors.counts(counts, "... c c c")
    return _same(n, -1), _same(n, -3)


def agreement(counts: ArrayLike) -> Array:
    """The share of points at which F and L say the same, (...), of tables (..., F, Y, L)."""
    return _same(doors.counts(counts, "... c c c"), -2)


def _same(n: Counts, apart: int) -> Array:
    """The share of points at which two of F, Y, L are equal: those but the one on this axis."""
    return np.trace(n.sum(axis=apart), axis1=-2, axis2=-1) / n.sum(axis=_ALL)


def from_accuracy(accuracy: ArrayLike) -> Array:
    """1 - h(a) in bits (the paper's Figure 3).

    I(F;Y) for balanced binary Y and errors that do not depend on Y.

    For balanced Y and other errors I(F;Y) is larger (Fano); for unbalanced Y it may be smaller. An
    axis, no estimate.
    """
    doors.shares(accuracy=accuracy)
    a = np.asarray(accuracy, dtype=float)
    return 1 + _x_log2(a) + _x_log2(1 - a)


def standard_error(counts: ArrayLike) -> Array:
    """Delta-method standard error of the plug-in mu from the finite test set, (...).

    sd_p(g) / sqrt(N).

    g(f, y, l) = log2[p(f,y) p(f,l) p(y,l) / (p(f) p(y) p(l) p(f,y,l))], whose mean is mu.
    """
    p, total = _probabilities(doors.counts(counts))
    g = _of_a_point(p)
    mean = (p * g).sum(axis=_ALL)
    return np.sqrt(np.maximum((p * g**2).sum(axis=_ALL) - mean**2, 0.0) / total)


def _of_a_point(p: Array) -> Array:
    """g(f, y, l) of `standard_error`; 0 where nothing is."""
    pair = sum(_safe_log2(p.sum(axis=axis, keepdims=True)) for axis in (-1, -2, -3))
    single = sum(_safe_log2(p.sum(axis=axes, keepdims=True)) for axes in _BUT_ONE)
    return np.where(p > 0, pair - single - _safe_log2(p), 0.0)


def bootstrap(counts: ArrayLike, draws: int, rng: Generator) -> Counts:
    """Tables drawn from each table's own shares, (draws, ..., F, Y, L).

    Multinomial with its N.

    Apply any statistic and take `interval` along axis 0; for ratios such as mu / I prefer this to
    the delta method. Checkpoints scored on the same test points are drawn independently of each
    other here: intervals of their differences are too wide.
    """
    n = doors.counts(counts)
    doors.numbers("counts", n, high=4e18)
    doors.whole("draws", draws, 1)
    doors.generator(rng)
    found = np.empty((draws, *n.shape), dtype=np.int64)
    for index in np.ndindex(n.shape[:-3]):
        found[:, *index] = _resampled(n[index], draws, rng)
    return found


def _resampled(n: Counts, draws: int, rng: Generator) -> Counts:
    """(draws, F, Y, L) from the shares of one table."""
    p, _ = _probabilities(n)
    shares = p.ravel()
    found = rng.multinomial(int(n.ravel().sum()), shares / shares.sum(), size=draws)
    return found.reshape(draws, *n.shape)


def interval(values: ArrayLike, confidence: float = 0.95) -> tuple[Array, Array]:
    """Percentile interval along axis 0, ignoring undefined draws."""
    (values,) = doors.arrays(values=(values, "draws ..."))
    doors.number("confidence", confidence, above=0, below=1)
    outside = (1 - confidence) / 2
    low, high = np.nanquantile(values, (outside, 1 - outside), axis=0)
    return low, high


def mu_null(a: ArrayLike, b: ArrayLike) -> Array:
    """mu of two classifiers that err independently given Y, in bits.

    1 - h(ab + (1-a)(1-b)) for accuracies a and b.

    For balanced binary Y and symmetric errors. This much of mu is forced by the two accuracies
    alone, and all of it as one of them goes to 1; so a plateau of mu means little unless it lies
    above. It is also an easy null: examples differ in difficulty, and any two decent classifiers
    err together.
    """
    doors.shares(a=a, b=b)
    first, second = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    return from_accuracy(first * second + (1 - first) * (1 - second))


def retention_index(mu: ArrayLike, null: ArrayLike, network: ArrayLike, simple: ArrayLike) -> Array:
    """(mu - mu_null) / (min(I(F;Y), I(L;Y)) - mu_null).

    0 for independent errors, 1 for all that can be kept.

    The companion's own index, not the paper's. NaN where independence leaves no room, as at
    accuracy 1.
    """
    base = np.asarray(null, dtype=float)
    room, excess = np.minimum(network, simple) - base, mu - base
    undefined = np.full(np.broadcast(excess, room).shape, np.nan)
    return np.divide(excess, room, out=undefined, where=room > 1e-12)


class GTest(NamedTuple):
    """G = 2 N ln(2) I(F;Y|L), its degrees of freedom, and its p-value, each (...).

    The p-value is the chance of more under I(F;Y|L) = 0.
    """

    g: Array
    freedom: Array
    p_value: Array


def g_test(counts: ArrayLike) -> GTest:
    """Is F independent of Y given L?

    Chi-square with sum over l of (F's present - 1)(Y's present - 1) degrees of freedom.

    Binary tables, all cells possible: two degrees, so the 95 % limit of the plug-in I(F;Y|L) is
    4.32 / N bits.
    """
    n = doors.counts(counts)
    freedom = _freedom(n)
    g = 2 * _NATS * n.sum(axis=_ALL) * np.maximum(information(n).beyond, 0.0)
    return GTest(g, freedom, np.where(freedom > 0, stats.chi2.sf(g, np.maximum(freedom, 1)), 1.0))


def _freedom(n: Counts) -> NDArray[Any]:
    present_f, present_y = ((n.sum(axis=axis) > 0).sum(axis=-2) for axis in (-2, -3))
    return (np.maximum(present_f - 1, 0) * np.maximum(present_y - 1, 0)).sum(axis=-1)


def flipped(y: ArrayLike, accuracy: float, rng: Generator) -> NDArray[np.int64]:
    """Binary predictions R (N,) that equal y with probability `accuracy`.

    They know nothing else: `mu_null` by experiment.
    """
    (y,) = doors.labels(y=(y, "N"))
    doors.number("accuracy", accuracy, low=0, high=1)
    doors.generator(rng)
    labels = y.astype(np.int64)
    return np.where(rng.random(len(y)) < accuracy, labels, 1 - labels)


def _entropy(counts: Counts, axes: int, estimator: Estimator) -> Array:
    """Entropy in bits over the last `axes` axes."""
    leading = counts.shape[: counts.ndim - axes]
    n = counts.reshape(*leading, math.prod(counts.shape[len(leading) :]))
    plain = -_x_log2(n / n.sum(axis=-1, keepdims=True)).sum(axis=-1)
    return plain if estimator == "plug-in" else plain + _correction(n)


def _correction(n: Counts) -> Array:
    """Miller's and Madow's, of cells (..., cell)."""
    return ((n > 0).sum(axis=-1) - 1) / (2 * n.sum(axis=-1) * _NATS)


def _probabilities(n: Counts) -> tuple[Array, Array]:
    total = n.sum(axis=_ALL)
    return n / total[..., None, None, None], total


def _safe_log2(p: Array) -> Array:
    return np.log2(p, out=np.zeros_like(p), where=p > 0)


def _x_log2(p: Array) -> Array:
    """p log2 p with 0 log 0 = 0."""
    return p * _safe_log2(p)
