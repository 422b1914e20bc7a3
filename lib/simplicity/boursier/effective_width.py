"""How many directions a trained network uses: its effective width (claim B22)."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from simplicity.boursier.alignment import on_sphere
from simplicity.nets import TwoLayer
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
    return sum(1 for _ in _groups(a, w, cosine, share))


def _groups(a: Array, w: Array, cosine: float, share: float) -> Iterator[NDArray[np.intp]]:
    """The neurons of each group, the one with the heaviest leader first."""
    weight = np.abs(a) * np.linalg.norm(w, axis=1)
    units = TwoLayer(np.sign(a), on_sphere(w))
    left = np.flatnonzero(weight > 0)
    while len(left) and weight[left].sum() > (1 - share) * weight.sum():
        near = _near(units, left, left[np.argmax(weight[left])], cosine)
        yield left[near]
        left = left[~near]


def _near(
    units: TwoLayer, left: NDArray[np.intp], leader: np.intp, cosine: float
) -> NDArray[np.bool_]:
    """Which of the neurons `left` belong to the leader, itself among them."""
    along = units.w[left] @ units.w[leader] > cosine
    return along & (units.a[left] == units.a[leader]) | (left == leader)
