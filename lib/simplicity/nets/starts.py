"""Further initialisations of the predecessor paper's code, beside the dominated one of `nets`.

All are (a_j, w_j) = lambda / sqrt(m) (a~_j, w~_j) with independent neurons.
"""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from simplicity import nets
from simplicity.nets import TwoLayer
from simplicity.problems import Problem, doors, training_doors

Start = Callable[[int, int, float, Generator], TwoLayer]


def balanced(width: int, dim: int, scale: float, rng: Generator) -> TwoLayer:
    """w~ ~ N(0, I), a~ = +-|w~| by a fair coin: a_j^2 - |w_j|^2 is 0, and the flow keeps it so."""
    training_doors.start(width, dim, rng, scale)
    w = scale / np.sqrt(width) * rng.standard_normal((width, dim))
    return TwoLayer(rng.choice([-1.0, 1.0], width) * np.linalg.norm(w, axis=1), w)


def gaussian(width: int, dim: int, scale: float, rng: Generator) -> TwoLayer:
    """w~ ~ N(0, I), a~ ~ N(0, 1), independent: where |a_j| < |w_j|, a_j may change sign."""
    training_doors.start(width, dim, rng, scale)
    factor = scale / np.sqrt(width)
    return TwoLayer(factor * rng.standard_normal(width), factor * rng.standard_normal((width, dim)))


def torch_default(width: int, dim: int, scale: float, rng: Generator) -> TwoLayer:
    """`torch.nn.Linear`'s default for both layers, without biases; it has no scale.

    w ~ U(+-1/sqrt d), a ~ U(+-1/sqrt m).
    """
    training_doors.start(width, dim, rng, scale)
    w = rng.uniform(-1, 1, (width, dim)) / np.sqrt(dim)
    return TwoLayer(rng.uniform(-1, 1, width) / np.sqrt(width), w)


STARTS: dict[str, Start] = {"dominated": nets.dominated, "balanced": balanced, "gaussian": gaussian}


def symmetric(width: int, dim: int, rng: Generator) -> TwoLayer:
    """NTK parametrisation (Hu et al. 2020): w_r ~ N(0, I), v_r = +-1 by a fair coin for the first
    half; the second half has the same w and the opposite v, so that f_0 = 0 everywhere. `width` is
    even.
    """
    doors.whole("width", width, 2)
    if width % 2:
        raise Problem(f"width: got {width}, allowed even numbers")
    half = independent(width // 2, dim, rng)
    return TwoLayer(np.concatenate([half.a, -half.a]), np.concatenate([half.w, half.w]))


def independent(width: int, dim: int, rng: Generator) -> TwoLayer:
    """The same without the pairing, w_r ~ N(0, I), v_r = +-1: its first output is of order 1."""
    training_doors.start(width, dim, rng)
    return TwoLayer(rng.choice([-1.0, 1.0], width), rng.standard_normal((width, dim)))
