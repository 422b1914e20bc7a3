"""Steady learners: Corollaries 1 to 3 of Loukas et al. 2021 and the quantities of their Theorem 3.

A network is (tau, phi)-steady if |b_1(t+1) - b_1(t)| <= phi alpha_t eps_t at every step t >= tau.
The definition speaks of the sample of each step only. The theorems hide constants, and two terms
o(1) and gamma: here o(1) = gamma = 0, so what is computed from Theorem 3 illustrates it and cannot
test it. Logarithms are natural.
"""

import math

import numpy as np
from numpy.typing import NDArray

from simplicity.loukas import trajectory
from simplicity.problems import doors, training_doors

Array = NDArray[np.floating]
Numbers = Array | float


def normalised_steps(bias: Array, epsilon: Array, step_size: float) -> Array:
    """|b_1(t+1) - b_1(t)| / (alpha eps_t), (steps,).

    From the biases (steps + 1, n_1) before and after each step.
    """
    bias, epsilon = doors.arrays(bias=(bias, "steps+1 k"), epsilon=(epsilon, "steps"))
    training_doors.step(step_size)
    return trajectory.step_lengths(bias) / (step_size * epsilon)


def steadiness(normalised: Array, tau: int = 0) -> float:
    """The least phi for which a run is (tau, phi)-steady.

    That is the largest normalised step from step tau on.
    """
    (normalised,) = doors.arrays(normalised=(normalised, "steps"))
    doors.whole("tau", tau, 0, len(normalised) - 1)
    return float(normalised[tau:].max())


def variance(bias: Array) -> float:
    """Mean over steps of |b_1(t) - its mean|^2, left side of Corollary 2; (steps, n_1)."""
    (bias,) = doors.arrays(bias=(bias, "steps k"))
    return float(bias.var(axis=0).sum())


def variance_scale(
    step_size: float, slope: Array, epsilon_mean: Array, epsilon_variance: Array
) -> float:
    """Right side of Corollary 2 without its constant, with delta = 0 and sigma_1(W_1) = 1.

    (mean of alpha lambda_avg)^2 / c with c = mean of eps_var / eps_avg^4; slope and moments of eps
    over the training set at some steps of the interval, each (p,).
    """
    training_doors.step(step_size)
    slope, epsilon_mean, epsilon_variance = doors.arrays(
        slope=(slope, "p"),
        epsilon_mean=(epsilon_mean, "p"),
        epsilon_variance=(epsilon_variance, "p"),
    )
    return float((step_size * slope.mean()) ** 2 / (epsilon_variance / epsilon_mean**4).mean())


def distance_bound(step_size: float, steps: int, largest_epsilon: Array, slope: Array) -> Array:
    """Right side of Corollary 3 with delta = 0 and sigma_n(W_1) = 1.

    Sum over t < tau of alpha eps_max_t lambda_avg_t.

    `largest_epsilon` and `slope` are given once for every `steps` steps, (p,); the sum after each
    such stretch comes back.
    """
    training_doors.step(step_size)
    doors.whole("steps", steps, 1)
    largest_epsilon, slope = doors.arrays(
        largest_epsilon=(largest_epsilon, "p"), slope=(slope, "p")
    )
    return step_size * steps * np.cumsum(largest_epsilon * slope)


def dropout_constant(beta: Numbers, mu: Numbers, p_min: Numbers) -> Array:
    """Theorem 3's c = beta / (mu (1 - mu) p_min).

    Infinite where a neuron never fires (p_min = 0).
    """
    doors.numbers("mu", mu, above=0, below=1)
    beta, mu, p_min = (np.asarray(one, dtype=float) for one in (beta, mu, p_min))
    with np.errstate(divide="ignore"):
        return np.asarray(beta / (mu * (1 - mu) * p_min))


def lambda_steady(phi: Numbers, c: Numbers, neurons: Numbers) -> Array:
    """(phi c / 4) log(sum over l < d of n_l)."""
    return np.asarray(phi * np.asarray(c) * np.log(neurons) / 4)


def radius(margin: Numbers, bound: Numbers) -> Array:
    """r(X) = margin / (4 lambda), margin the least |1 - 2 f(x_i)|.

    With lambda_steady it is margin / (c log(sum n_l) phi).
    """
    return np.asarray(margin / (4 * np.asarray(bound, dtype=float)))


def covering_number(points: Array, radius: float) -> int:
    """How many balls of that radius certainly cover the points (n, D).

    As many as the cubes of diagonal 2 r that they lie in.
    """
    (points,) = doors.finite(points=(points, "n D"))
    doors.number("radius", radius, above=0)
    return _different_rows(_cubes(points, 2 * radius))


def _cubes(points: Array, diagonal: float) -> NDArray[np.int64]:
    """In which cube each point lies (n, D), counted from 0 along each axis."""
    box = np.floor(points * (math.sqrt(points.shape[1]) / diagonal)).astype(np.int64)
    return box - box.min(axis=0)


def _different_rows(box: NDArray[np.int64]) -> int:
    """How many rows of whole numbers from 0 on differ."""
    try:
        return len(np.unique(np.ravel_multi_index(tuple(box.T), tuple(box.max(axis=0) + 1))))
    except ValueError:  # more cubes in the box than a whole number can count
        return len(np.unique(box, axis=0))


def gap_bound(n: Numbers, covering: Numbers, delta: float) -> Array:
    """Theorem 3's bound of |er_emp - er_exp|, sqrt((4 log 2 Ncov + 2 log(1 / delta)) / N)."""
    doors.numbers("n", n, above=0)
    return np.sqrt(_twice_the_logarithm(covering, delta) / n)


def samples_needed(covering: Numbers, delta: float) -> Array:
    """The least N for which that bound is below 1."""
    return np.asarray(np.floor(_twice_the_logarithm(covering, delta)) + 1)


def _twice_the_logarithm(covering: Numbers, delta: float) -> Array:
    """4 log 2 Ncov + 2 log(1 / delta), of which both are made."""
    doors.number("delta", delta, above=0, below=1)
    return 4 * math.log(2) * np.asarray(covering, dtype=float) + 2 * math.log(1 / delta)
