"""How many directions a trained network uses: its effective width (claim B22)."""

import numpy as np
from numpy.typing import NDArray

from simplicity.problems import doors

Array = NDArray[np.floating]


def effective_width(a: Array, w: Array, cosine: float = 0.99, share: float = 0.99) -> int:
    """The number of groups of neurons that carry `share` of the weight.

    The weight is sum_j |a_j| |w_j|, for a (m,), w (m, d).

    Neurons belong together when a_j has the same sign and the cosine of their w_j is above
    `cosine`. Groups are led by their heaviest neuron: the heaviest neuron left takes all near it,
    until what is left weighs less than 1 - `share`. A network without weight has none.
    """
    a, w = doors.arrays(a=(a, "m"), w=(w, "m d"))
    doors.number("cosine", cosine, low=-1, high=1)
    doors.number("share", share, above=0, high=1)
    size = np.linalg.norm(w, axis=1)
    weight = np.abs(a) * size
    direction = np.divide(w, size[:, None], out=np.zeros_like(w), where=size[:, None] > 0)
    left = np.arange(len(a))[weight > 0]
    total, groups = weight.sum(), 0
    while len(left) and weight[left].sum() > (1 - share) * total:
        leader = left[np.argmax(weight[left])]
        near = (direction[left] @ direction[leader] > cosine) & (
            np.sign(a[left]) == np.sign(a[leader])
        )
        near |= left == leader
        left, groups = left[~near], groups + 1
    return groups
