"""Binary tasks of which one knows a simple part and a complex one.

Nakkiran et al. 2019, Figures 1 and 5. Inputs are rows, labels 0 and 1. Nothing is global; a
generator is an argument.
"""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from simplicity.problems import Problem, doors

Array = NDArray[np.floating]
Labels = NDArray[np.int64]

HEIGHT, FREQUENCY = 0.4, 6.0  # of the curve in the disk
_TERMS = (slice(0, 1), slice(1, 3), slice(3, 6))  # coordinates of the products in the staircase


def disk(n: int, rng: Generator) -> Array:
    """Points (n, 2), uniform in the unit disk."""
    doors.whole("n", n, 1)
    doors.generator(rng)
    angle, radius = 2 * np.pi * rng.random(n), np.sqrt(rng.random(n))
    return radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def above_curve(x: Array) -> Labels:
    """1[x_2 > 0.4 sin(6 x_1)], (n,)."""
    (x,) = doors.arrays(x=(x, "N 2"))
    across, up = x.T
    return (up > HEIGHT * np.sin(FREQUENCY * across)).astype(np.int64)


def right_half(x: Array) -> Labels:
    """1[x_1 > 0], (n,): a linear rule."""
    (x,) = doors.arrays(x=(x, "N d"))
    return _positive(x[:, 0])


def partial_sum(x: Array, degree: int) -> Labels:
    """1[x_1 + x_2 x_3 + x_4 x_5 x_6 > 0] with the terms up to `degree`.

    G_1, G_2, and at 3 the staircase's label.
    """
    (x,) = doors.arrays(x=(x, "N d"))
    doors.whole("degree", degree, 1, 3)
    terms = _TERMS[:degree]
    doors.columns(x, terms[-1].stop)
    return _positive(np.sum([_product(x, term) for term in terms], axis=0))


def cubic(x: Array) -> Labels:
    """1[x_4 x_5 x_6 > 0]: the staircase's last term alone, of which lower degrees know nothing."""
    (x,) = doors.arrays(x=(x, "N d"))
    doors.columns(x, _TERMS[-1].stop)
    return _positive(_product(x, _TERMS[-1]))


def _product(x: Array, term: slice) -> Array:
    return x[:, term].prod(axis=1)


def _positive(values: Array) -> Labels:
    return (values > 0).astype(np.int64)


def monomials(x: Array, degree: int) -> Array:
    """All products of 1 to `degree` coordinates, up to 2, with repetition.

    (n, d) or (n, d + d (d + 1) / 2).
    """
    (x,) = doors.arrays(x=(x, "N d"))
    if degree == 1:
        return x
    if degree != 2:
        raise Problem(f"degree: got {degree}, allowed 1 or 2")
    rows, columns = np.triu_indices(x.shape[1])
    return np.concatenate([x, x[:, rows] * x[:, columns]], axis=1)
