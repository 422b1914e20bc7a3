"""The tangent kernel of a two-layer network beside a linear model's (Hu et al. 2020, section 3).

    f(x) = (1/sqrt m) sum_r v_r phi(<w_r, x> / sqrt d)   in NTK parametrisation, w_r ~ N(0, I)
    Theta_1 = (1/m) phi'(Z) phi'(Z)^T * X X^T / d,   Theta_2 = (1/m) phi(Z) phi(Z)^T
    with v_r = +-1 and Z = X W^T / sqrt d   (n, m)

`features` are psi(x) of the linear model f_lin(x) = <beta, psi(x)> whose descent from 0 with the
same step mimics the network's; psi psi^T is the kernel. Inputs are rows, x (n, d).
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor

from simplicity.hu.high_dimensional import lengths
from simplicity.nets.activations import ACTIVATIONS, moments
from simplicity.problems import doors

Array = NDArray[np.floating]
LAYERS = ("first", "second", "both")


def norm_feature(x: Array, activation: str, *, naive: bool = False) -> Array:
    """h(x) = vartheta_0 + vartheta_1 s + vartheta_2 s^2 with s = |x|/sqrt d - 1; (n,).

    `naive` keeps vartheta_0 alone.
    """
    doors.choice("activation", activation, ACTIVATIONS)
    (x,) = doors.arrays(x=(x, "n d"))
    found = moments(activation)
    if naive:
        return np.full(len(x), found.vartheta_0)
    excess = lengths(x) - 1
    return found.vartheta_0 + found.vartheta_1 * excess + found.vartheta_2 * excess**2


def features(
    x: Array, activation: str, layers: str, *,
    moment: float = 1.0, naive: bool = False, factor: float = 1.0,
) -> Array:  # fmt: skip
    """psi(x), (n, d + 1) for the first layer, (n, d + 2) for the second or both.

        first:  [zeta x, nu] / sqrt d
        second: [zeta x / sqrt d, nu / sqrt(2 d), h(x)]
        both:   [sqrt(2/d) zeta x, sqrt(3/(2 d)) nu, h(x)]

    with nu = E[g phi'(g)] sqrt(moment), moment = Tr(Sigma^2)/d.

    `naive` leaves the norm out of h, `factor` multiplies zeta: both are controls.
    """
    doors.choice("activation", activation, ACTIVATIONS)
    doors.choice("layers", layers, LAYERS)
    (x,) = doors.arrays(x=(x, "n d"))
    doors.number("moment", moment, low=0)
    doors.number("factor", factor)
    found, d = moments(activation), x.shape[1]
    zeta, nu = factor * found.zeta, np.full(len(x), found.bend * math.sqrt(moment))
    if layers == "first":
        return np.column_stack([zeta * x, nu]) / math.sqrt(d)
    slope, constant = (1.0, 0.5) if layers == "second" else (2.0, 1.5)
    linear, even = math.sqrt(slope / d) * zeta * x, math.sqrt(constant / d) * nu
    return np.column_stack([linear, even, norm_feature(x, activation, naive=naive)])


def deep_slope(activation: str, depth: int) -> float:
    """c_1 of a network with `depth` hidden layers, psi(x) = sqrt(c_1/d) x: for odd phi.

    c_1 = (L + 1) prod_l zeta_l^2, zeta_l = E phi'(sqrt(q_{l-1}) g), q_0 = 1, q_l = E
    phi(sqrt(q_{l-1}) g)^2. One hidden layer gives 2 zeta^2, the slope of `features(..., "both")`.
    """
    doors.choice("activation", activation, ACTIVATIONS)
    doors.depth(depth)
    variance, product = 1.0, 1.0
    for _ in range(depth):
        found = moments(activation, variance)
        product *= found.zeta**2
        variance = found.second
    return (depth + 1) * product


def first_block(x: Array, w: Array, activation: str) -> Array:
    """Theta_1 on the samples for weights w (m, d), of which v_r^2 = 1; (n, n)."""
    x, w, hidden = preactivations(x, w, activation)
    slopes = ACTIVATIONS[activation].slope(hidden).numpy()
    return (slopes @ slopes.T) * (x @ x.T) / (len(w) * x.shape[1])


def second_block(x: Array, w: Array, activation: str) -> Array:
    """Theta_2 on the samples, (n, n)."""
    *_, hidden = preactivations(x, w, activation)
    values = ACTIVATIONS[activation].value(hidden).numpy()
    return values @ values.T / len(w)


def spectral_norm(matrix: Array | LinearOperator) -> float:
    """Largest |eigenvalue| of a symmetric matrix or operator, to 1e-6, by Lanczos."""
    if not isinstance(matrix, LinearOperator):
        (matrix,) = doors.finite(matrix=(matrix, "n n"))
    start = np.random.default_rng(0).standard_normal((matrix.shape[0],))
    if len(start) == 1:
        return float(np.abs(matrix @ np.ones(1))[0])
    if _is_nothing(matrix, start):
        return 0.0
    found = eigsh(matrix, k=1, which="LM", v0=start, tol=1e-6, return_eigenvectors=False)
    return float(abs(found[0]))


def _is_nothing(matrix: Array | LinearOperator, start: Array) -> bool:
    """Whether it is 0; of an operator, whether it makes 0 of a vector drawn at random."""
    seen = matrix @ start if isinstance(matrix, LinearOperator) else matrix
    return not seen.any()


def preactivations(x: Array, w: Array, activation: str) -> tuple[Array, Array, Tensor]:
    """Samples and weights as arrays, and Z of them."""
    doors.choice("activation", activation, ACTIVATIONS)
    x, w = doors.arrays(x=(x, "n d"), w=(w, "m d"))
    return x, w, torch.from_numpy(x @ w.T / math.sqrt(x.shape[1]))
