"""The tangent kernel of a two-layer network as a linear operator, for too many samples for n x n.

With S = phi'(Z) and Z = X W^T / sqrt d, both (n, m), and * between entries:

    Theta_1 u = (1/(m d)) sum over neurons of S * (X G^T),   G = (S * u)^T X,   (m, d)
    Theta_2 u = (1/m) phi(Z) (phi(Z)^T u)

since Theta_1 = (1/m) sum_r diag(S_r) (X X^T / d) diag(S_r), S_r a column of S. A product costs 4 n
m d operations and S, the one array of size n m for the first layer. v_r^2 = 1 throughout. Also
closed forms of the Gaussian moments, where there are any.
"""

import functools
import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator

from simplicity.hu.kernel import LAYERS, first_block, second_block
from simplicity.nets.activations import ACTIVATIONS, Moments
from simplicity.problems import doors

Array = NDArray[np.floating]
Product = Callable[[Array], Array]

_BELOW = {"relu": 0.0, "leaky relu": 0.1, "abs": -1.0}  # slope for z below 0
_BLOCK = 1 << 18  # entries of a block's temporary arrays


def tangent_operator(x: Array, w: Array, activation: str, layers: str) -> LinearOperator:
    """Theta_1, Theta_2 or their sum on x (n, d) for weights w (m, d), as an operator (n, n)."""
    doors.choice("activation", activation, ACTIVATIONS)
    doors.choice("layers", layers, LAYERS)
    x, w = doors.arrays(x=(x, "n d"), w=(w, "m d"))
    products: list[Product] = []
    hidden, phi = torch.from_numpy(x @ w.T / math.sqrt(x.shape[1])), ACTIVATIONS[activation]
    if layers != "second":
        products.append(functools.partial(_first, x, phi.slope(hidden).numpy()))
    if layers != "first":
        products.append(functools.partial(_second, phi.value(hidden).numpy()))
    return _symmetric(len(x), x.dtype, functools.partial(_summed, products))


def gap_operator(kernel: LinearOperator, psi: Array) -> LinearOperator:
    """`kernel` - psi psi^T for features psi (n, k)."""
    (psi,) = doors.arrays(psi=(psi, f"{kernel.shape[0]} k"))
    return _symmetric(len(psi), psi.dtype, lambda u: kernel @ u - psi @ (psi.T @ u))


def wide_block(x: Array, w: Array, activation: str, layer: str, *, neurons: int = 4096) -> Array:
    """Theta_1 ("first") or Theta_2 ("second"), (n, n), for w (m, d) where (n, m) is too large."""
    doors.choice("activation", activation, ACTIVATIONS)
    doors.choice("layer", layer, LAYERS[:2])
    doors.whole("neurons", neurons, 1)
    x, w = doors.arrays(x=(x, "n d"), w=(w, "m d"))
    block = first_block if layer == "first" else second_block
    found = np.zeros((len(x), len(x)), dtype=x.dtype)
    for start in range(0, len(w), neurons):
        part = w[start : start + neurons]
        found += block(x, part, activation) * (len(part) / len(w))
    return found


def closed_form(activation: str, variance: float = 1.0) -> Moments | None:
    """`activations.moments` without quadrature: erf at any variance, ReLU and its kin, GELU at 1.

    phi(z) = z for z >= 0 and a z below: zeta = (1 + a)/2, and E phi = E g phi' = (1 - a)/sqrt(2
    pi), E phi^2 = (1 + a^2)/2.
    """
    doors.choice("activation", activation, ACTIVATIONS)
    doors.number("variance", variance, low=0)
    if activation == "erf":
        return _of_erf(variance)
    if variance != 1:
        return None
    if activation in _BELOW:
        return _of_two_pieces(_BELOW[activation])
    return _of_gelu() if activation == "gelu" else None


def _of_erf(variance: float) -> Moments:
    share = 2 * variance / (1 + 2 * variance)
    zeta, second = 2 / math.sqrt(math.pi * (1 + 2 * variance)), 2 / math.pi * math.asin(share)
    return Moments(zeta, 0.0, 0.0, 0.0, 0.0, second)


def _of_gelu() -> Moments:
    root = 1 / math.sqrt(math.pi)
    second = 1 / 3 + 1 / (2 * math.pi * math.sqrt(3))
    return Moments(0.5, 0.75 * root, 0.5 * root, 0.75 * root, root / 16, second)


def _of_two_pieces(below: float) -> Moments:
    mean = (1 - below) / math.sqrt(2 * math.pi)
    return Moments((1 + below) / 2, mean, mean, mean, 0.0, (1 + below**2) / 2)


def _first(x: Array, slopes: Array, u: Array) -> Array:
    """Theta_1 u, in blocks of samples."""
    rows = max(1, _BLOCK // slopes.shape[1])
    blocks = [slice(start, start + rows) for start in range(0, len(x), rows)]
    pulled = np.zeros((slopes.shape[1], x.shape[1]), dtype=x.dtype)
    for block in blocks:
        pulled += slopes[block].T @ (u[block, None] * x[block])
    parts = [np.einsum("im,im->i", slopes[block], x[block] @ pulled.T) for block in blocks]
    return np.concatenate(parts) / pulled.size


def _second(values: Array, u: Array) -> Array:
    """Theta_2 u."""
    return values @ (values.T @ u) / values.shape[1]


def _summed(products: Sequence[Product], u: Array) -> Array:
    return np.add.reduce([product(u) for product in products])


def _symmetric(size: int, dtype: np.dtype, product: Product) -> LinearOperator:
    flat = functools.partial(_flat, product, dtype)
    return LinearOperator((size, size), matvec=flat, rmatvec=flat, dtype=dtype)


def _flat(product: Product, dtype: np.dtype, u: Array) -> Array:
    return product(u.ravel().astype(dtype, copy=False))
