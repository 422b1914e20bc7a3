"""Loukas et al.'s regression task: a cosine of the plane, in a turned plane of R^10 (their Task 1).

What the experiments on it share is here too: the fields of a run, its start and its order of
samples.
"""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from simplicity import nets
from simplicity.data import streams
from simplicity.grid import config
from simplicity.loukas.single_sample import passes
from simplicity.problems import doors

Array = NDArray[np.floating]

FREQUENCIES = (0.25, 0.5, 0.75, 1.0)
DIM = 10
# The authors' code stretches the embedding, which the text calls isometric: slopes are a tenth.
STRETCH = 10.0
SIZES = (DIM, DIM, 32, 32, 32, 1)
_FINE = 400  # points across of a grid for means over the square


@config.settings
class Run:
    """A network on the task, trained one sample a step; experiments add what else they vary."""

    frequency: float = config.param(0.5, "frequency f of the target", low=0, high=100)
    n: int = config.param(100, "training points N", unit="samples", low=2, high=10**6)
    step_size: float = config.param(0.001, "learning rate alpha", low=1e-12)
    epochs: int = config.param(3000, "epochs of N samples", unit="epochs", low=1, high=10**7)
    seed: int = config.param(0, "seed of points, start and order", low=0, high=2**31 - 1)


def start(seed: int, sizes: tuple[int, ...] = SIZES) -> nets.FullyConnected:
    """The network as torch starts it, but for W_1 = I."""
    rng = streams.generator(seed, streams.INITIALISATION)
    return nets.torch_default(sizes, rng, identity=True)


def in_epochs(n: int, epochs: int, seed: int) -> NDArray[np.int64]:
    """The samples of all steps where each epoch takes every sample once."""
    return passes(n, epochs, streams.generator(seed, streams.BATCHES))


class Cosine(NamedTuple):
    """A sample of the task: `plane` (n, 2) holds (u, v), and x = (u, v) basis^T."""

    x: Array
    y: Array
    x_test: Array
    y_test: Array
    plane: Array
    basis: Array


def task(frequency: float, n: int, seed: int, n_test: int = 30) -> Cosine:
    """(u, v) uniform on [-1, 1]^2, y = cos(2 pi f u) cos(2 pi f v), x ten times (u, v) in R^10.

    The plane and the points depend on the seed alone, so that frequencies share them.
    """
    doors.number("frequency", frequency)
    doors.whole("n", n, 1)
    doors.whole("n_test", n_test, 1)
    basis, plane = _drawn(n, seed)
    fresh = streams.generator(seed, streams.TEST).uniform(-1, 1, (n_test, 2))
    y, y_test = value(plane, frequency), value(fresh, frequency)
    return Cosine(plane @ basis.T, y, fresh @ basis.T, y_test, plane, basis)


def _drawn(n: int, seed: int) -> tuple[Array, Array]:
    """The plane (10, 2) of a seed, and points (n, 2) of it."""
    rng = streams.generator(seed, streams.DATA)
    return STRETCH * _turn(rng)[:, :2], rng.uniform(-1, 1, (n, 2))


def _turn(rng: Generator) -> Array:
    """An orthogonal matrix of R^10."""
    return np.linalg.qr(rng.standard_normal((DIM, DIM)))[0]


class Variant(NamedTuple):
    """What a control changes of the plain task at the given frequency, or of its training."""

    frequency: float
    amplitude: float = 1.0
    labels: str = "cosine"
    rotated: bool = False
    slower: int = 1  # times smaller steps, times as many epochs


CONTROLS = {
    "y negated": Variant(0.25, amplitude=-1.0),
    "another plane": Variant(0.25, rotated=True),
    "y times 4": Variant(0.25, amplitude=4.0),
    "labels permuted": Variant(0.25, labels="permuted"),
    "constant target": Variant(0.25, labels="constant"),
    "half the step": Variant(0.5, slower=2),
}


def changed(plain: Cosine, variant: Variant, seed: int) -> Cosine:
    """The sample of a control, made of the plain one of its frequency and seed."""
    if variant.rotated:
        return _turned(plain, _turn(streams.generator(seed, streams.OTHER)))
    if variant.labels == "permuted":
        return plain._replace(y=streams.generator(seed, streams.NOISE).permutation(plain.y))
    if variant.labels == "constant":
        return _constant(plain)
    return _scaled(plain, variant.amplitude)


def _turned(plain: Cosine, turn: Array) -> Cosine:
    """The same labels in another plane."""
    x, x_test = plain.x @ turn, plain.x_test @ turn
    return plain._replace(x=x, x_test=x_test, basis=turn.T @ plain.basis)


def _constant(plain: Cosine) -> Cosine:
    """All labels are 1."""
    return plain._replace(y=np.ones_like(plain.y), y_test=np.ones_like(plain.y_test))


def _scaled(plain: Cosine, amplitude: float) -> Cosine:
    """All labels times the amplitude."""
    return plain._replace(y=amplitude * plain.y, y_test=amplitude * plain.y_test)


def square(side: int) -> Array:
    """A grid of points (u, v) over [-1, 1]^2, (side^2, 2), rows by v."""
    doors.whole("side", side, 1)
    line = (np.arange(side) + 0.5) / side * 2 - 1
    return np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)


def value(plane: Array, frequency: float) -> Array:
    """y at (u, v), shape (n, 2)."""
    (plane,) = doors.arrays(plane=(plane, "N 2"))
    return np.cos(2 * np.pi * frequency * plane).prod(axis=1)


def slope(plane: Array, frequency: float) -> Array:
    """|dy/d(u, v)| at (u, v), shape (n, 2), over 2 pi f."""
    (plane,) = doors.arrays(plane=(plane, "N 2"))
    u, v = (2 * np.pi * frequency * plane).T
    return np.hypot(np.sin(u) * np.cos(v), np.cos(u) * np.sin(v))


def mean_slope(frequency: float) -> float:
    """Mean of |dy/dx| over the square, in the coordinates of x, by a fine grid.

    It is linear in f where 2 f is a whole number.
    """
    doors.number("frequency", frequency)
    return float(2 * np.pi * frequency * slope(square(_FINE), frequency).mean() / STRETCH)
