"""Statistics of the first bias along training, as defined and as in the released code.

Loukas et al. 2021, section 3.

    trajectory of an epoch   mean over its steps t of |b_1(t+1) - b_1(t)| / (alpha eps_t)
                             (the paper: their sum)
    eps_t                    |f - y| for the squared loss / 2, 1 / |1 - y - p| for the cross-entropy

The authors' released code divides the step that sample k causes by eps of sample k - 1, takes the
mean of b_1 and of eps over ten repeats before any norm, and for the cross-entropy uses the
reciprocal eps with half of the loss. Each has its function or its argument here, so that a picture
can show what it does.

Besides: when a run first reaches a loss, and rank correlations over runs whose seeds are shared
between conditions.
"""

from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from simplicity.nets import FullyConnected
from simplicity.problems import Problem, doors, training_doors

Array = NDArray[np.floating]

DRAWS = 1000  # of a bootstrap
LOW, HIGH = 0.025, 0.975
_ULP = float(np.finfo(np.float64).eps)


class Correlation(NamedTuple):
    """A rank correlation, its 95 % interval, and how many undefined numbers were left out."""

    value: float
    low: float
    high: float
    missing: int = 0


def epsilon_squares(output: Array, y: Array) -> Array:
    """eps of (f - y)^2 / 2."""
    output, y = doors.same(output=output, y=y)
    return np.abs(output - y)


def epsilon_cross_entropy(p: Array, y: Array) -> Array:
    """eps of - y log p - (1 - y) log(1 - p) with respect to p.

    That is 1 / (probability of the given label).
    """
    p, y = doors.same(p=p, y=y)
    return 1 / np.abs(1 - y - p)


def released_epsilon_cross_entropy(p: Array, y: Array) -> Array:
    """The same as the released code has it: the probability of the given label, the reciprocal."""
    p, y = doors.same(p=p, y=y)
    return np.abs(1 - y - p)


def traced(found: xr.Dataset, end: FullyConnected) -> Array:
    """b_1 before, between and after the steps of a traced run, (steps + 1, n_1)."""
    return np.concatenate([found.traced_bias.values, end.biases[0][None]])


def step_lengths(bias: ArrayLike) -> Array:
    """|b(t+1) - b(t)|, (steps,), of biases (steps + 1, n_1) before, between and after the steps."""
    (bias,) = doors.arrays(bias=(bias, "N+1 k"))
    return np.linalg.norm(np.diff(bias, axis=0), axis=1)


def normalised(bias: Array, epsilon: Array, step_size: float, *, late: bool = False) -> Array:
    """|b(t+1) - b(t)| / (alpha eps_t), (steps,).

    Of biases (steps + 1, n_1) before, between and after the steps.

    `late` divides by eps of the step before, as released; the first step then has its own.
    """
    bias, epsilon = doors.arrays(bias=(bias, "steps+1 k"), epsilon=(epsilon, "steps"))
    training_doors.step(step_size)
    length = step_lengths(bias) / step_size
    used = _before(epsilon) if late else epsilon
    return np.divide(length, used, out=np.zeros_like(length), where=used > 0)


def _before(epsilon: Array) -> Array:
    """eps of the step before; the first step has its own."""
    return np.concatenate([epsilon[:1], epsilon[:-1]])


def late_error(bias: Array, epsilon: Array, step_size: float) -> float:
    """The largest change of a normalised step if eps of the step before stands in the place of its
    own, in units of `rounding_floor`.

    Biases (steps + 1, n_1) and eps (steps,); steps with eps = 0 have no floor and are left out.
    """
    bias, epsilon = doors.arrays(bias=(bias, "N+1 k"), epsilon=(epsilon, "N"))
    own, late = (normalised(bias, epsilon, step_size, late=one) for one in (False, True))
    length, known = step_lengths(bias) / step_size, epsilon > 0
    floor = rounding_floor(bias[:-1][known], length[known], step_size, epsilon[known])
    return float((np.abs(late - own)[known] / floor).max(initial=0))


def rounding_floor(
    bias: ArrayLike, length: ArrayLike, step_size: float, epsilon: ArrayLike
) -> Array:
    """What rounding b_1 to double precision may change in a normalised step.

    ulp(|b_1| + |step|) sqrt(n_1) / (alpha eps).

    `bias` (..., n_1), `length` |b(t+1) - b(t)| / alpha and `epsilon` (...).
    """
    training_doors.step(step_size)
    (b,) = doors.arrays(bias=(bias, "... n"))
    length, epsilon = doors.same(length=length, epsilon=epsilon)
    largest = np.abs(b).max(axis=-1, initial=0.0) + step_size * np.asarray(length)
    return np.sqrt(b.shape[-1]) * _ULP * largest / (step_size * np.asarray(epsilon))


def first_below(loss: Array, level: float) -> float:
    """The first epoch, counted from one, whose loss is below `level`; NaN where there is none."""
    (loss,) = doors.arrays(loss=(loss, "epochs"))
    below = loss < level
    return float(np.argmax(below) + 1) if below.any() else float("nan")


def at(values: Array, epoch: float) -> float:
    """The value of an epoch counted from one; NaN for no epoch."""
    (values,) = doors.arrays(values=(values, "epochs"))
    if not np.isfinite(epoch):
        return float("nan")
    doors.number("epoch", epoch, low=1, high=len(values))
    return float(values[int(epoch) - 1])


def loss_at_explained_variance(y: Array, share: float) -> float:
    """The loss (f - y)^2 / 2 in the mean at which 1 - mse / Var(y) is `share`."""
    (y,) = doors.arrays(y=(y, "n"))
    doors.number("share", share, high=1)
    return (1 - share) * float(np.var(y)) / 2


def strictly_ordered(curves: Array) -> float:
    """Share of the epochs in which the curves (k, epochs) lie in strictly increasing order of k."""
    (curves,) = doors.arrays(curves=(curves, "k epochs"))
    return float((np.diff(curves, axis=0) > 0).all(axis=0).mean())


def spearman(x: ArrayLike, y: ArrayLike) -> float:
    """Spearman's rank correlation; NaN where either is constant."""
    x, y = doors.arrays(x=(x, "n"), y=(y, "n"))
    return float(_correlations(_floats(x)[None], _floats(y)[None])[0])


def spearman_over_seeds(x: ArrayLike, values: ArrayLike) -> Correlation:
    """Rank correlation of the conditions' `x` (k,) with `values` (seeds, k), over all runs at once.

    The interval is a percentile bootstrap that draws whole seeds, since all conditions of a seed
    share their data: k is no number of independent runs. Undefined values are left out.
    """
    given, found = _by_condition(x, values)
    draws = _bootstrapped(given, found)
    missing = int(np.isnan(found).sum())
    return Correlation(_defined(given.ravel(), found.ravel()), *_middle(draws), missing)


def _bootstrapped(x: Array, y: Array) -> Array:
    """The correlation of x and y, both (seeds, k), for each draw of seeds."""
    chosen = _drawn_seeds(len(y))
    if np.isnan(y).any():
        return np.array([_defined(x[one].ravel(), y[one].ravel()) for one in chosen])
    return _correlations(x[chosen].reshape(DRAWS, -1), y[chosen].reshape(DRAWS, -1))


def _drawn_seeds(count: int) -> NDArray[np.int64]:
    """With replacement, (`DRAWS`, count); the same in each call."""
    return np.random.default_rng(0).integers(count, size=(DRAWS, count))


def shuffled(x: ArrayLike, values: ArrayLike, rng: Generator) -> Array:
    """Draws (`DRAWS`,) of the correlation with the conditions shuffled within each seed.

    That is its law where x says nothing.
    """
    given, found = _by_condition(x, values)
    doors.generator(rng)
    mixed = rng.permuted(np.broadcast_to(given, (DRAWS, *given.shape)), axis=-1)
    return _correlations(mixed.reshape(DRAWS, -1), np.tile(found.ravel(), (DRAWS, 1)))


def spearman_within(x: ArrayLike, values: ArrayLike) -> Correlation:
    """Mean over conditions of the rank correlation over seeds of x and `values`, each (seeds, k).

    Conditions of a seed share its data, so the interval draws whole seeds and not single runs.
    """
    x, values = doors.arrays(x=(x, "seeds k"), values=(values, "seeds k"))
    value = _mean_correlation(x, values, np.arange(len(x))[None])[0]
    draws = _mean_correlation(x, values, _drawn_seeds(len(x)))
    return Correlation(float(value), *_middle(draws))


def _mean_correlation(x: Array, values: Array, chosen: NDArray[np.int64]) -> Array:
    """Mean over conditions of the correlation over seeds, for each draw of seeds (draws, seeds)."""
    columns = zip(_floats(x).T, _floats(values).T, strict=True)
    return np.mean([_correlations(one[chosen], other[chosen]) for one, other in columns], axis=0)


def log_slope(x: ArrayLike, y: ArrayLike) -> float:
    """Exponent of y in x: the least-squares slope of log y on log x."""
    x, y = doors.arrays(x=(x, "n"), y=(y, "n"))
    log_x, log_y = _logarithms("x", x), _logarithms("y", y)
    doors.differing("x", x)
    return float(np.polyfit(log_x, log_y, 1)[0])


def _logarithms(name: str, values: Array) -> Array:
    """Of positive numbers."""
    doors.numbers(name, values, above=0)
    return np.log(_floats(values))


def kernel_slopes(x: Array, y: Array, width: float, ridge: float = 1e-6) -> Array:
    """|gradient| at x (n, n_0) of the ridge fit with kernel exp(-|x - x'|^2 / (2 width^2)).

    Nothing is trained.
    """
    x, y = training_doors.samples(x, y)
    doors.number("width", width, above=1e-150, below=1e150)
    doors.number("ridge", ridge, low=0)
    apart = x[:, None, :] - x[None, :, :]
    kernel = _gaussian(apart, width)
    coefficients = np.linalg.solve(kernel + ridge * np.eye(len(x)), y)
    gradient = -np.einsum("ij,ijk->ik", kernel * coefficients, apart) / width**2
    return np.linalg.norm(gradient, axis=1)


def _gaussian(apart: Array, width: float) -> Array:
    """exp(-|difference|^2 / (2 width^2))."""
    return np.exp(-(apart**2).sum(axis=-1) / (2 * width**2))


def _floats(values: ArrayLike) -> Array:
    return np.asarray(values, dtype=float)


def _middle(draws: Array) -> tuple[float, float]:
    """The ends of the middle 95 % of the draws that are numbers."""
    draws = draws[np.isfinite(draws)]
    if not len(draws):
        return np.nan, np.nan
    low, high = np.quantile(draws, [LOW, HIGH]).tolist()
    return low, high


def _by_condition(x: ArrayLike, values: ArrayLike) -> tuple[Array, Array]:
    """`x`, given for each condition or for each run, and `values`: both (seeds, k)."""
    (found,) = doors.arrays(values=(values, "seeds k"))
    (given,) = doors.arrays(x=(x, "..."))
    if given.shape not in (found.shape, found.shape[1:]):
        raise Problem(
            f"x: got shape {given.shape}, allowed {found.shape[1:]} or {found.shape} as values"
        )
    return np.broadcast_to(_floats(given), found.shape), _floats(found)


def _defined(x: Array, y: Array) -> float:
    kept = np.isfinite(y)
    return spearman(x[kept], y[kept]) if kept.sum() > 1 else float("nan")


def _correlations(x: Array, y: Array) -> Array:
    """Spearman's correlation of each row, (rows,)."""
    a, b = _centred_ranks(x), _centred_ranks(y)
    size = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return np.divide((a * b).sum(axis=1), size, out=np.full(len(x), np.nan), where=size > 0)


def _centred_ranks(rows: Array) -> Array:
    ranks = stats.rankdata(rows, axis=1)
    return ranks - ranks.mean(axis=1, keepdims=True)
