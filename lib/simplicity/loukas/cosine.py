"""Loukas et al.'s regression task: a cosine of the plane, in a turned plane of R^10 (their section 5, Task 1)."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simplicity.data import streams
from simplicity.problems import doors

Array = NDArray[np.floating]

FREQUENCIES = (0.25, 0.5, 0.75, 1.0)
DIM = 10
STRETCH = 10.0  # the authors' code stretches the embedding, which the text calls isometric; slopes are a tenth for it


class Cosine(NamedTuple):
    """A sample of the task. `plane` holds (u, v), (n, 2); `basis` (DIM, 2) maps them: x = (u, v) basis^T."""

    x: Array
    y: Array
    x_test: Array
    y_test: Array
    plane: Array
    basis: Array


def task(frequency: float, n: int, seed: int, n_test: int = 30) -> Cosine:
    """(u, v) uniform on [-1, 1]^2, y = cos(2 pi f u) cos(2 pi f v), x = (u, v) times ten in a plane drawn at random.

    The plane and the points depend on the seed alone, so that frequencies share them.
    """
    doors.number("frequency", frequency)
    doors.whole("n", n, 1)
    doors.whole("n_test", n_test, 1)
    rng = streams.generator(seed, streams.DATA)
    basis = STRETCH * np.linalg.qr(rng.standard_normal((DIM, DIM)))[0][:, :2]
    plane = rng.uniform(-1, 1, (n, 2))
    fresh = streams.generator(seed, streams.TEST).uniform(-1, 1, (n_test, 2))
    return Cosine(plane @ basis.T, value(plane, frequency), fresh @ basis.T, value(fresh, frequency), plane, basis)


def value(plane: Array, frequency: float) -> Array:
    """y at (u, v), shape (n, 2)."""
    (plane,) = doors.arrays(plane=(plane, "N 2"))
    return np.cos(2 * np.pi * frequency * plane).prod(axis=1)


def mean_slope(frequency: float, points: int = 400) -> float:
    """Mean of |dy/dx| over the square, in the coordinates of x: linear in f where 2 f is a whole number, by a fine grid."""
    doors.number("frequency", frequency)
    doors.whole("points", points, 1)
    line = (np.arange(points) + 0.5) / points * 2 - 1
    u, v = np.meshgrid(2 * np.pi * frequency * line, 2 * np.pi * frequency * line)
    return float(2 * np.pi * frequency * np.hypot(np.sin(u) * np.cos(v), np.cos(u) * np.sin(v)).mean() / STRETCH)
