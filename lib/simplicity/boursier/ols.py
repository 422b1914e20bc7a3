"""What neurons converge to: least squares on all samples, or on each half of them.

Boursier & Flammarion 2025, theorem 4.1. Inputs are rows: x (n, d), y (n,). Everything here is a
pure function in float64.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simplicity.boursier.alignment import signed_cosines
from simplicity.problems import doors

Array = NDArray[np.floating]

_NOTHING = 1e-12  # of the labels' mean square: an error that is rounding


def ols(x: Array, y: Array) -> Array:
    """Ordinary least squares without intercept, (d,); least-norm where it is not determined."""
    x, y = doors.arrays(x=(x, "N d"), y=(y, "N"))
    doors.finite(x=(x, "N d"), y=(y, "N"))
    return np.linalg.lstsq(x, y, rcond=None)[0]


class TwoOls(NamedTuple):
    """The theorem's limit: a least-squares fit where <x, beta*> > 0, another where it is < 0."""

    plus: Array
    minus: Array
    direction: Array

    def predict(self, x: Array) -> Array:
        return np.where(x @ self.direction > 0, x @ self.plus, x @ self.minus)


def two_ols(x: Array, y: Array, direction: Array) -> TwoOls:
    """beta_{n,+-} = (X_+- X_+-^T)^-1 X_+- Y_+- (theorem 4.1).

    The least-norm solution where a half has fewer than d samples.
    """
    x, y, direction = doors.arrays(x=(x, "n d"), y=(y, "n"), direction=(direction, "d"))
    positive = x @ direction > 0
    plus, minus = (ols(x[half], y[half]) for half in (positive, ~positive))
    return TwoOls(plus, minus, direction)


def mse(prediction: Array, y: Array) -> float:
    """Plain mean square error, without the 1/2 of the training loss."""
    prediction, y = doors.same(prediction=prediction, y=y)
    return float(np.mean((np.asarray(prediction, dtype=np.float64) - y) ** 2))


def rho(train_mse: float, two_ols_mse: float, y: Array) -> float:
    """Train MSE / train MSE of the two-OLS predictor: 0 is interpolation, 1 the theorem's limit.

    NaN where the two fits interpolate themselves (a half with at most d samples), since 0/0 says
    nothing.
    """
    doors.real("train_mse", train_mse)
    doors.number("two_ols_mse", two_ols_mse, low=0)
    (y,) = doors.arrays(y=(y, "n"))
    return train_mse / two_ols_mse if two_ols_mse > _NOTHING * float(np.mean(y**2)) else np.nan


def cosines_to_fits(a: Array, w: Array, fits: TwoOls) -> tuple[Array, Array]:
    """sign(a_j) cos(w_j, beta) and the weight |a_j| |w_j| of each neuron, (m,); a (m,), w (m, d).

    beta is beta_{n,+} for a_j > 0 and beta_{n,-} for a_j < 0: in the theorem's limit every neuron
    that carries weight is at 1. Unweighted, the count is swamped by neurons that never grew.
    """
    doors.kind("fits", fits, TwoOls)
    shapes = {"a": (a, "m"), "w": (w, f"m {len(fits.plus)}")}
    a, w = (np.asarray(part, dtype=np.float64) for part in doors.arrays(**shapes))
    targets = np.where(a[:, None] > 0, fits.plus, fits.minus)
    return signed_cosines(a, w, targets, nowhere=0.0), np.abs(a) * np.linalg.norm(w, axis=1)


def weighted_mean(values: Array, weights: Array) -> float:
    """sum v w / sum w; NaN where nothing carries weight."""
    values, weights = doors.same(values=values, weights=weights)
    total = np.sum(weights)
    return float(np.sum(values * weights) / total) if total > 0 else np.nan


def against_two_ols(
    predict: Callable[[Array], Array],
    x: Array,
    y: Array,
    x_test: Array,
    y_test: Array,
    teacher: Array,
) -> dict[str, float]:
    """A predictor held against the theorem's limit and against the teacher.

    `train_mse`, `test_mse`: plain MSE with noisy labels. `excess_risk` = E (h(x) - <beta*, x>)^2
    over the test inputs. `rho` = train MSE / that of the two OLS fits. `rms_two_ols`,
    `rms_one_ols`: root mean square over the test inputs of h minus the two fits, and minus a single
    fit on all samples.
    """
    doors.function("predict", predict)
    x, y, teacher = doors.finite(x=(x, "n d"), y=(y, "n"), teacher=(teacher, "d"))
    x_test, y_test = doors.finite(x_test=(x_test, f"n {x.shape[1]}"), y_test=(y_test, "n"))
    fits, train_mse, outside = two_ols(x, y, teacher), mse(predict(x), y), predict(x_test)
    limits = {"rms_two_ols": fits.predict(x_test), "rms_one_ols": x_test @ ols(x, y)}
    return {
        "train_mse": train_mse,
        "test_mse": mse(outside, y_test),
        "excess_risk": mse(outside, x_test @ teacher),
        "rho": rho(train_mse, mse(fits.predict(x), y), y),
        **{name: mse(outside, limit) ** 0.5 for name, limit in limits.items()},
    }
