"""Further initialisations of the predecessor paper's code, beside the dominated one of `nets`.

All are (a_j, w_j) = lambda / sqrt(m) (a~_j, w~_j) with independent neurons. They stand in a module of their own because
recorded runs depend on the whole of `nets`.
"""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from simplicity import nets
from simplicity.nets import TwoLayer

Start = Callable[[int, int, float, Generator], TwoLayer]


def balanced(width: int, dim: int, scale: float, rng: Generator) -> TwoLayer:
    """w~ ~ N(0, I), a~ = +-|w~| by a fair coin: a_j^2 - |w_j|^2 is 0, and the flow keeps it so."""
    w = scale / np.sqrt(width) * rng.standard_normal((width, dim))
    return TwoLayer(rng.choice([-1.0, 1.0], width) * np.linalg.norm(w, axis=1), w)


def gaussian(width: int, dim: int, scale: float, rng: Generator) -> TwoLayer:
    """w~ ~ N(0, I), a~ ~ N(0, 1), independent: some neurons have |a_j| < |w_j|, and their a_j may change sign."""
    factor = scale / np.sqrt(width)
    return TwoLayer(factor * rng.standard_normal(width), factor * rng.standard_normal((width, dim)))


STARTS: dict[str, Start] = {"dominated": nets.dominated, "balanced": balanced, "gaussian": gaussian}
