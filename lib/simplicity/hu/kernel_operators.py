"""The tangent kernel of a two-layer network as a linear operator, for too many samples for n x n.

With S = phi'(Z) and Z = X W^T / sqrt d, both (n, m), and * between entries:

    Theta_1 u = (1/(m d)) sum over neurons of S * (X G^T),   G = (S * u)^T X,   (m, d)
    Theta_2 u = (1/m) phi(Z) (phi(Z)^T u)

since Theta_1 = (1/m) sum_r diag(S_r) (X X^T / d) diag(S_r), S_r a column of S. A product costs 4 n
m d operations and S, the one array of size n m for the first layer. v_r^2 = 1 throughout.
"""

import functools
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator

from simplicity.hu.kernel import LAYERS, first_block, preactivations, second_block
from simplicity.nets.activations import ACTIVATIONS
from simplicity.problems import doors

Array = NDArray[np.floating]
Product = Callable[[Array], Array]

_BLOCK = 1 << 18  # entries of a block's temporary arrays


def tangent_operator(x: Array, w: Array, activation: str, layers: str) -> LinearOperator:
    """Theta_1, Theta_2 or their sum on x (n, d) for weights w (m, d), as an operator (n, n)."""
    doors.choice("layers", layers, LAYERS)
    x, w, hidden = preactivations(x, w, activation)
    products: list[Product] = []
    phi = ACTIVATIONS[activation]
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
