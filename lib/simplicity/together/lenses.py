"""What three papers look at in one two-layer network: its bias, slope, and neurons' directions.

    f(x) = (1/sqrt m) sum_r v_r phi(z_r)       z_r = <w_r, x> / sqrt d + b_r at b = 0
    df/db_r = v_r phi'(z_r) / sqrt m           its length: a first-layer bias's step over rate and
                                               |dloss/df|
    df/dx = (1/sqrt(m d)) sum_r v_r phi'(z_r) w_r = (W^T / sqrt d) df/db
                                               so |df/dx| <= s_1(W) / sqrt d |df/db|
    D_r = (1/(n sqrt d)) sum_k y_k phi'(z_rk) x_k
                                               the pull on w_r / v_r while the outputs are small

The first formula is the NTK parametrisation. The bias is that of Loukas et al. 2021, the
inequality the left half of their Theorem 1; D_r is the D_n(w, 0) of Boursier & Flammarion 2025 with
another phi. Networks are `TwoLayer` with `a` = v and `w`; inputs are rows, x (n, d).
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from simplicity.lenses import boursier
from simplicity.nets import TwoLayer
from simplicity.nets.activations import ACTIVATIONS
from simplicity.problems import doors, training_doors

Array = NDArray[np.floating]
ALIGNED = boursier.ALIGNED
_BLOCK = 1 << 18  # hidden units at a time: a megabyte in single precision


class Slopes(NamedTuple):
    """At each input: |df/db| and |df/dx|, each (n,)."""

    bias: Array
    inputs: Array


def slopes(network: TwoLayer, x: Array, activation: str) -> Slopes:
    """Lengths of f's gradients by the first layer's biases and by the input, for inputs (n, d)."""
    doors.choice("activation", activation, ACTIVATIONS)
    a, w, x = training_doors.network(network, x, "n d")
    blocks = [_slopes(TwoLayer(a, w), block, activation) for block in _blocks(x, len(w))]
    return Slopes(*map(np.concatenate, zip(*blocks, strict=True)))


def _slopes(network: TwoLayer, x: Array, activation: str) -> Slopes:
    m, d = network.w.shape
    by_bias = _slope(network.w, x, activation) * network.a / math.sqrt(m)
    by_input = by_bias @ network.w
    return Slopes(np.linalg.norm(by_bias, axis=1), np.linalg.norm(by_input, axis=1) / math.sqrt(d))


def slope_bound(network: TwoLayer) -> float:
    """s_1(W) / sqrt d: |df/dx| is at most this times |df/db|."""
    (w,) = doors.finite(w=(_looked_at(network).w, "m d"))
    return float(np.linalg.norm(w, 2)) / math.sqrt(w.shape[1])


def force(network: TwoLayer, x: Array, y: Array, activation: str) -> Array:
    """D_r (m, d), for which dw_r/dt = v_r D_r / sqrt m while the outputs are small."""
    doors.choice("activation", activation, ACTIVATIONS)
    network = _looked_at(network)
    w, x, y = doors.arrays(w=(network.w, "m d"), x=(x, "n d"), y=(y, "n"))
    m, d = network.w.shape
    found = np.zeros((m, d), network.w.dtype)
    for block, labels in zip(_blocks(x, m), _blocks(y, m), strict=True):
        found += _pull(w, block, labels, activation)
    return found / (len(x) * math.sqrt(d))


def _pull(w: Array, x: Array, y: Array, activation: str) -> Array:
    """sum_k y_k phi'(z_rk) x_k, (m, d)."""
    return _slope(w, x, activation).T @ (y.astype(x.dtype)[:, None] * x)


def cosines(first: Array, second: Array) -> Array:
    """Of each row with the other's row, (m,); 0 where one of them is 0.

    `second` may be one vector.
    """
    _rows(first, second)
    return boursier.cosines(np.asarray(first, np.float64), np.asarray(second, np.float64))


def towards(network: TwoLayer, direction: Array) -> Array:
    """sign(v_r) cos(w_r, direction_r), (m,): 1 where the neuron has turned to it.

    `direction` is (m, d) or (d,).
    """
    network = _looked_at(network)
    return np.asarray(np.sign(network.a) * cosines(network.w, direction))


def weights(network: TwoLayer) -> Array:
    """|v_r| |w_r| over its sum, (m,)."""
    network = _looked_at(network)
    size = np.abs(network.a).astype(np.float64) * np.linalg.norm(network.w, axis=1)
    return size / size.sum()


def linear_part(f: Array, x: Array) -> float:
    """How much of the mean of f^2 the best linear map of x explains; 1 for f = 0.

    1 - min_b mean (f - <b, x>)^2 / mean f^2.
    """
    x, f = doors.finite(x=(x, "n d"), f=(f, "n"))
    values = np.asarray(f, np.float64)
    power = _power(values)
    return 1 - _power(_rest(values, x)) / power if power > 0 else 1.0


def _rest(values: Array, x: Array) -> Array:
    """What least squares on x leaves."""
    return values - x @ np.linalg.lstsq(x, values, rcond=None)[0]


def _power(values: Array) -> float:
    return float(np.mean(values**2))


def _looked_at(network: TwoLayer) -> TwoLayer:
    """The network with shapes that fit to each other."""
    a, w = training_doors.pair(network)
    return TwoLayer(*doors.arrays(a=(a, "m"), w=(w, "m d")))


def _rows(first: Array, second: Array) -> None:
    """The rows of both are of one length, and as many, or the second is one vector."""
    if np.ndim(second) == 1 or np.ndim(first) == 1:
        doors.arrays(first=(first, "... d"), second=(second, "... d"))
    else:
        doors.same(first=first, second=second)


def _blocks(x: Array, width: int) -> list[Array]:
    rows = max(1, _BLOCK // width)
    return [x[k : k + rows] for k in range(0, len(x), rows)]


def _slope(w: Array, x: Array, activation: str) -> Array:
    """phi'(z) at inputs (n, d), (n, m)."""
    z = torch.from_numpy(x.astype(w.dtype, copy=False) @ w.T / math.sqrt(w.shape[1]))
    return np.asarray(ACTIVATIONS[activation].slope(z).numpy())
