"""Inputs of many coordinates, as the theory of early linear dynamics wants them, and labels.

x = Sigma^{1/2} z with Tr Sigma = d, z of independent entries of mean 0 and variance 1 (Hu et al.
2020, input assumption); beside them laws that break the assumption, as controls.
"""

import math

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.special import erf

from simplicity.problems import doors

Array = NDArray[np.floating]
TEACHER_WIDTH = 5
_DEGREES = 2.5  # of freedom of the heavy-tailed law: a variance, but no fourth moment
_SPIKES, _SPIKE_SHARE = 2, 0.98

WELL_BEHAVED = ("gaussian", "rademacher", "linear spectrum")
BREAKING = ("heavy tails", "spiked")
LAWS = (*WELL_BEHAVED, *BREAKING, "small eigenvalues", "equal norm", "nearly equal norm")
LABELS = ("teacher", "whitened teacher", "random", "product", "norm")


def variances(law: str, dim: int) -> Array:
    """The diagonal of Sigma, (d,), of mean 1.

    "linear spectrum": from 0.1 to 1.9; "small eigenvalues": evenly spaced logarithms over three
    decades; "spiked": two directions hold 98 percent of the trace; 1 for all others.
    """
    doors.choice("law", law, LAWS)
    doors.whole("dim", dim, 1)
    if law == "linear spectrum":
        return np.linspace(0.1, 1.9, dim)
    if law == "small eigenvalues":
        return _three_decades(dim)
    return _spiked(dim) if law == "spiked" else np.ones(dim)


def _three_decades(dim: int) -> Array:
    spread = np.geomspace(1e-3, 1, dim)
    return spread / spread.mean()


def _spiked(dim: int) -> Array:
    found = np.full(dim, (1 - _SPIKE_SHARE) * dim / max(1, dim - _SPIKES))
    found[:_SPIKES] = _SPIKE_SHARE * dim / _SPIKES
    return found


def moment(law: str, dim: int) -> float:
    """Tr(Sigma^2) / d, which enters the linear model's constant feature."""
    return float(np.mean(variances(law, dim) ** 2))


def inputs(law: str, n: int, dim: int, rng: Generator) -> Array:
    """n inputs (n, d) of one of `LAWS`.

    "heavy tails": Student's t of 2.5 degrees of freedom, scaled to variance 1; "equal norm":
    Gaussian, each scaled to |x| = sqrt d; "nearly equal norm": the variance of the norm is a tenth,
    |x| / sqrt d - 1 divided by sqrt 10.
    """
    doors.choice("law", law, LAWS)
    doors.whole("n", n, 1)
    doors.whole("dim", dim, 1)
    doors.generator(rng)
    if law == "rademacher":
        return rng.choice([-1.0, 1.0], (n, dim))
    if law == "heavy tails":
        return rng.standard_t(_DEGREES, (n, dim)) / math.sqrt(_DEGREES / (_DEGREES - 2))
    x = rng.standard_normal((n, dim)) * np.sqrt(variances(law, dim))
    return x * _factors(law, x) if law.endswith("equal norm") else x


def _factors(law: str, x: Array) -> Array:
    """What the inputs (n, d) of an equal or nearly equal norm are multiplied by, (n, 1)."""
    size = lengths(x)[:, None]
    wanted = 1 if law == "equal norm" else 1 + (size - 1) / math.sqrt(10)
    return wanted / size


def lengths(x: Array) -> Array:
    """|x| / sqrt d, (n,): near 1 in high dimensions."""
    (x,) = doors.arrays(x=(x, "N d"))
    return np.linalg.norm(x, axis=1) / math.sqrt(x.shape[1])


class Teacher:
    """f*(x) = sum_j a_j erf(<w_j, x> / sqrt d) with five neurons, a and w standard normal."""

    def __init__(self, dim: int, rng: Generator) -> None:
        doors.whole("dim", dim, 1)
        doors.generator(rng)
        self.w = rng.standard_normal((TEACHER_WIDTH, dim))
        self.a = rng.standard_normal(TEACHER_WIDTH)

    def __call__(self, x: Array) -> Array:
        (x,) = doors.arrays(x=(x, f"N {self.w.shape[1]}"))
        return np.asarray(erf(x @ self.w.T / math.sqrt(x.shape[1])) @ self.a)


def labels(kind: str, x: Array, law: str, teacher: Teacher, rng: Generator) -> Array:
    """y (n,): "teacher" sign f*(x); "whitened teacher" sign f*(Sigma^{-1/2} x), to which each
    direction matters alike; "random" fair coins +-1; "product" sign(x_1 x_2); "norm" |x| / sqrt d.
    """
    doors.choice("labels", kind, LABELS)
    doors.choice("law", law, LAWS)
    (x,) = doors.arrays(x=(x, "N d"))
    doors.generator(rng)
    if kind == "teacher":
        return np.sign(teacher(x))
    if kind == "whitened teacher":
        return np.sign(teacher(x / np.sqrt(variances(law, x.shape[1]))))
    if kind == "random":
        return rng.choice([-1.0, 1.0], len(x))
    if kind == "product":
        return np.sign(x[:, 0] * x[:, 1])
    return lengths(x)
