"""Networks as plain arrays, and the initialisations of the papers.

A two-layer network without biases is h(x) = sum_j a_j max(0, <w_j, x>): no factor in front, the
scale sits in the initialisation (Boursier & Flammarion 2025).
"""

import simplicity.process  # noqa: F401

# isort: split
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from simplicity.problems import doors, training_doors

Array = NDArray[np.floating]
_BLOCK = 1 << 22  # numbers in one block of hidden activations, 32 MB in float64


class TwoLayer(NamedTuple):
    """Output weights `a` of shape (m,) and input weights `w` of shape (m, d)."""

    a: Array
    w: Array


class FullyConnected(NamedTuple):
    """A deep network: weights (n_l, n_{l-1}) and biases (n_l,), l = 1..d, with n_d = 1 output."""

    weights: tuple[Array, ...]
    biases: tuple[Array, ...]


def forward(network: TwoLayer, x: Array) -> Array:
    """h(x) for inputs (n, d), in the network's own precision; memory is flat in n, by blocks."""
    a, w, x = training_doors.network(network, x)
    network = TwoLayer(a, w)
    block = max(1, _BLOCK // max(1, len(network.a)))
    x = x.astype(network.w.dtype, copy=False)
    parts = [
        np.maximum(x[i : i + block] @ network.w.T, 0) @ network.a for i in range(0, len(x), block)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, network.w.dtype)


def with_ones(x: Array) -> Array:
    """Inputs (n, d) with a last coordinate 1, (n, d + 1): its weight is a hidden neuron's bias."""
    (x,) = doors.arrays(x=(x, "N d"))
    return np.column_stack([x, np.ones(len(x), x.dtype)])


def dominated(
    width: int, dim: int, scale: float, rng: Generator, *, one_sign: bool = False
) -> TwoLayer:
    """The authors' example of a dominated start.

    w~ is uniform in the unit ball, a~ = +-1, both times lambda / sqrt(m).

    |a_j| >= |w_j| holds for every neuron, so a_j keeps its sign along the flow. `one_sign` makes
    every a_j positive: the event of probability 2^-m on which the theorem says nothing.
    """
    training_doors.start(width, dim, rng, scale)
    direction = rng.standard_normal((width, dim))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    radius = rng.uniform(size=(width, 1)) ** (1 / dim)
    sign = rng.choice([-1.0, 1.0], width)
    factor = scale / np.sqrt(width)
    return TwoLayer(factor * (np.ones(width) if one_sign else sign), factor * radius * direction)


def torch_default(
    sizes: Sequence[int], rng: Generator, *, identity: bool = False
) -> FullyConnected:
    """Torch's own start: W_l and b_l uniform on +-1 / sqrt(n_{l-1}).

    `identity` puts W_1 = I (Loukas et al. 2021).
    """
    doors.sizes("sizes", sizes, 2)
    doors.generator(rng)
    weights, biases = [], []
    for before, after in zip(sizes[:-1], sizes[1:], strict=True):
        bound = 1 / np.sqrt(before)
        weights.append(rng.uniform(-bound, bound, (after, before)))
        biases.append(rng.uniform(-bound, bound, after))
    if identity:
        weights[0] = np.eye(sizes[1], sizes[0])
    return FullyConnected(tuple(weights), tuple(biases))
