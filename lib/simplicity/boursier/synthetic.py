"""Synthetic data of the linear-teacher setting (Boursier & Flammarion 2025, theorem 4.1).

Inputs are rows: `x` has shape (n, d), `y` shape (n,). The paper stores samples as columns. What
draws takes its random generator, and `linear_task` a seed; nothing is global. The teacher is
beta* = e_1 wherever a law singles out a direction.
"""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from simplicity.data import streams
from simplicity.problems import doors

Array = NDArray[np.floating]

MARGIN_LOW, MARGIN_HIGH = 0.5, 1.5
HEAVY = 2.5  # degrees of freedom of heavy-tailed noise: a variance and no fourth moment
# E u^2, u ~ U[0.5, 1.5]: 13/12
_MARGIN_VARIANCE = (MARGIN_LOW**2 + MARGIN_LOW * MARGIN_HIGH + MARGIN_HIGH**2) / 3


def gaussian(n: int, dim: int, rng: Generator) -> Array:
    """x ~ N(0, I): symmetric, but no margin, so the paper's theorem does not cover it."""
    _asked(n, dim, rng)
    return rng.standard_normal((n, dim))


def margin(n: int, dim: int, rng: Generator) -> Array:
    """First coordinate +-U[0.5, 1.5] / sqrt(13/12), the others N(0, 1).

    The covariance is I, |x_1| >= 0.48.

    The ratio |x_1| / |x| still comes arbitrarily close to 0; `bounded_margin` closes that gap.
    """
    _asked(n, dim, rng)
    x = rng.standard_normal((n, dim))
    x[:, 0] = _signed_first_coordinate(n, rng)
    return x


def bounded_margin(n: int, dim: int, rng: Generator) -> Array:
    """As `margin`, the other coordinates uniform on the sphere of radius sqrt(d - 1).

    |x_1| / |x| >= 0.23 at d = 5.

    Covariance I, symmetric law, a density on its support and a true margin: the theorem's
    assumptions as far as known.
    """
    x = margin(n, dim, rng)
    others = x[:, 1:]
    if dim > 1:
        others *= np.sqrt(dim - 1) / np.linalg.norm(others, axis=1, keepdims=True)
    return x


LAWS = {"gaussian": gaussian, "margin": margin, "bounded margin": bounded_margin}


class Task(NamedTuple):
    """Training samples, fresh samples of the same law, and the teacher's direction (d,).

    A teacher of several neurons has directions (k, d).
    """

    x: Array
    y: Array
    x_test: Array
    y_test: Array
    teacher: Array


def linear_task(
    law: str, n: int, dim: int, noise_variance: float, seed: int, n_test: int = 4000
) -> Task:
    """A draw of the linear-teacher setting.

    Training and test samples come from separate streams of `seed`.
    """
    doors.choice("law", law, LAWS)
    setting = (law, dim, noise_variance)
    train = _sample(*setting, n, streams.generator(seed, streams.DATA))
    test = _sample(*setting, n_test, streams.generator(seed, streams.TEST))
    return Task(*train, *test, first_axis(dim))


def _sample(
    law: str, dim: int, noise_variance: float, size: int, rng: Generator
) -> tuple[Array, Array]:
    """Inputs and noisy labels of the teacher e_1."""
    x = LAWS[law](size, dim, rng)
    return x, linear_labels(x, first_axis(dim), noise_variance, rng)


def mirrored(x: Array) -> Array:
    """The sample with its mirror image, (2n, d): symmetric in every draw, not only in law."""
    (x,) = doors.arrays(x=(x, "N d"))
    return np.concatenate([x, -x])


def first_axis(dim: int) -> Array:
    """The teacher's direction beta* = e_1."""
    doors.whole("dim", dim, 1)
    return np.eye(dim)[0]


def linear_labels(x: Array, teacher: Array, noise_variance: float, rng: Generator) -> Array:
    """y = <beta*, x> + noise, noise ~ N(0, sigma^2): equation (7) of the paper."""
    x, teacher = doors.arrays(x=(x, "N d"), teacher=(teacher, "d"))
    return x @ teacher + _noise(len(x), noise_variance, rng)


def null_labels(n: int, variance: float, rng: Generator) -> Array:
    """y ~ N(0, variance), independent of every input: there is nothing to learn."""
    doors.whole("n", n, 1)
    doors.number("variance", variance, low=0)
    doors.generator(rng)
    return np.sqrt(variance) * rng.standard_normal(n)


def heavy_noise(n: int, variance: float, rng: Generator) -> Array:
    """Student's t with `HEAVY` degrees of freedom, scaled to `variance`: E t^2 = nu / (nu - 2)."""
    doors.whole("n", n, 1)
    doors.number("variance", variance, low=0)
    doors.generator(rng)
    return np.sqrt(variance * (HEAVY - 2) / HEAVY) * rng.standard_t(HEAVY, n)


def relu_labels(
    x: Array, directions: Array, signs: Array, noise_variance: float, rng: Generator
) -> Array:
    """y = sum_k s_k max(0, <v_k, x>) + noise: a ReLU teacher.

    Directions (K, d), signs (K,).
    """
    x, directions, signs = doors.arrays(
        x=(x, "N d"), directions=(directions, "k d"), signs=(signs, "k")
    )
    return np.maximum(x @ directions.T, 0.0) @ signs + _noise(len(x), noise_variance, rng)


def _noise(n: int, noise_variance: float, rng: Generator) -> Array:
    doors.number("noise_variance", noise_variance, low=0)
    doors.generator(rng)
    return np.sqrt(noise_variance) * rng.standard_normal(n)


def _asked(n: int, dim: int, rng: Generator) -> None:
    """How many samples, of how many coordinates, from which generator."""
    doors.whole("n", n, 0)
    doors.whole("dim", dim, 1)
    doors.generator(rng)


def _signed_first_coordinate(n: int, rng: Generator) -> Array:
    size = rng.uniform(MARGIN_LOW, MARGIN_HIGH, n)
    return rng.choice([-1.0, 1.0], n) * size / np.sqrt(_MARGIN_VARIANCE)
