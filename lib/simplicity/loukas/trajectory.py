"""Statistics of the first bias along training, as defined and as in the released code.

Loukas et al. 2021, section 3.

    trajectory of an epoch   mean over its steps t of |b_1(t+1) - b_1(t)| / (alpha eps_t)
                             (the paper: their sum)
    eps_t                    |f - y| for the squared loss / 2, 1 / |1 - y - p| for the cross-entropy

The authors' released code divides the step that sample k causes by eps of sample k - 1, takes the
mean of b_1 and of eps over ten repeats before any norm, and for the cross-entropy uses the
reciprocal eps with half of the loss. Each has its function or its argument here, so that a picture
can show what it does.

Besides: when a run first reaches a loss, in how many epochs curves are ordered, an exponent, and
the slopes of a fit by a kernel, which nothing is trained for.
"""

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from simplicity.nets import FullyConnected
from simplicity.problems import doors, training_doors

Array = NDArray[np.floating]

_ULP = float(np.finfo(np.float64).eps)


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
