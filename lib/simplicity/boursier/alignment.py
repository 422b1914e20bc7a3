"""Where neurons are pulled, and what they converge to (Boursier & Flammarion 2025, theorem 4.1).

Inputs are rows: x (n, d), y (n,). Everything here is a pure function in float64.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simplicity.problems import doors

Array = NDArray[np.floating]


def d_n(w: Array, x: Array, y: Array, prediction: Array | float = 0.0) -> Array:
    """D_n(w, theta) = 1/n sum_k 1{<w, x_k> > 0} (y_k - h_theta(x_k)) x_k, (q, d), for w (q, d).

    The force on a neuron: dw_j/dt = a_j D_n(w_j, theta), da_j/dt = <w_j, D_n(w_j, theta)>. With
    `prediction` 0 it is D_n(w), the force at the start of a small initialisation. The paper's D_n
    is a set where <w, x_k> = 0; this is its element with eta_k = 0.
    """
    w, x, y = doors.arrays(w=(w, "Q d"), x=(x, "n d"), y=(y, "n"))
    _fits(prediction, y)
    active = w @ x.T > 0
    return active @ ((y - prediction)[:, None] * x) / len(y)


def g_n(w: Array, x: Array, y: Array) -> Array:
    """G_n(w) = 1/n sum_k y_k max(0, <w, x_k>) for directions w (q, d), (q,).

    Its subdifferential is D_n(., 0).
    """
    w, x, y = doors.arrays(w=(w, "Q d"), x=(x, "n d"), y=(y, "n"))
    return np.maximum(w @ x.T, 0.0) @ y / len(y)


def _fits(prediction: Array | float, y: Array) -> None:
    """A prediction is one number, or one for each sample."""
    if np.ndim(prediction):
        doors.same(prediction=prediction, y=y)


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
    return TwoOls(ols(x[positive], y[positive]), ols(x[~positive], y[~positive]), direction)


def ols(x: Array, y: Array) -> Array:
    """Ordinary least squares without intercept, (d,); least-norm where it is not determined."""
    x, y = doors.arrays(x=(x, "N d"), y=(y, "N"))
    doors.finite(x=(x, "N d"), y=(y, "N"))
    return np.linalg.lstsq(x, y, rcond=None)[0]


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
    return train_mse / two_ols_mse if two_ols_mse > 1e-12 * float(np.mean(y**2)) else float("nan")


def signed_cosines(a: Array, w: Array, fits: TwoOls) -> tuple[Array, Array]:
    """sign(a_j) cos(w_j, beta) and the weight |a_j| |w_j| of each neuron, (m,); a (m,), w (m, d).

    beta is beta_{n,+} for a_j > 0 and beta_{n,-} for a_j < 0: in the theorem's limit every neuron
    that carries weight is at 1. Unweighted, the count is swamped by neurons that never grew.
    """
    doors.kind("fits", fits, TwoOls)
    a, w = doors.arrays(a=(a, "m"), w=(w, f"m {len(fits.plus)}"))
    a, w = (np.asarray(part, dtype=np.float64) for part in (a, w))
    target = np.where(a[:, None] > 0, fits.plus, fits.minus)
    size = np.linalg.norm(w, axis=1)
    lengths = size * np.linalg.norm(target, axis=1)
    cosine = np.divide(
        np.sum(w * target, axis=1), lengths, out=np.zeros_like(lengths), where=lengths > 0
    )
    return np.sign(a) * cosine, np.abs(a) * size


def weighted_mean(values: Array, weights: Array) -> float:
    """sum v w / sum w; NaN where nothing carries weight."""
    values, weights = doors.same(values=values, weights=weights)
    total = float(np.sum(weights))
    return float(np.sum(values * weights)) / total if total > 0 else float("nan")


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
    fits, single = two_ols(x, y, teacher), ols(x, y)
    inside, outside = predict(x), predict(x_test)
    train_mse = mse(inside, y)
    return {
        "train_mse": train_mse,
        "test_mse": mse(outside, y_test),
        "excess_risk": mse(outside, x_test @ teacher),
        "rho": rho(train_mse, mse(fits.predict(x), y), y),
        "rms_two_ols": mse(outside, fits.predict(x_test)) ** 0.5,
        "rms_one_ols": mse(outside, x_test @ single) ** 0.5,
    }
