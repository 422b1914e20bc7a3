"""Tangent kernels of infinitely wide networks, fully connected and convolutional, by recursion.

NTK parametrisation, no biases, all weights N(0, 1) and trained: a layer is z = W a / sqrt(fan in).
With K the covariance of a layer's inputs, q and q' its two diagonal entries, and (u, v) Gaussian
with these,

    A = E phi(u) phi(v),   D = E phi'(u) phi'(v)
    K_{l+1} = A(K_l),      Theta_{l+1} = A(K_l) + D(K_l) * Theta_l,   Theta_1 = K_1

A convolution averages A and D * Theta over its patch, position by position; the readout averages
over positions (flatten), or over pairs of positions (global average pooling). These are the
conventions of the library neural-tangents; ReLU is not scaled.
"""

import functools
import math
from collections.abc import Callable
from typing import Literal

import numba
import numpy as np
from numpy.typing import NDArray

from simplicity.problems import doors

Array = NDArray[np.floating]
Function = Callable[[Array], Array]
Dual = Callable[[Array, Array, Array], tuple[Array, Array]]
Padding = Literal["circular", "zero"]
Readout = Literal["flatten", "pooling"]
PADDINGS: tuple[Padding, ...] = ("circular", "zero")
READOUTS: tuple[Readout, ...] = ("flatten", "pooling")

# Of the quadrature and of the Hermite series of an activation without a closed form.
_NODES, _DEGREES = 120, 60


def erf_dual(k: Array, q: Array, r: Array) -> tuple[Array, Array]:
    """A and D of erf for covariances `k` and variances `q`, `r`, which broadcast."""
    scale = (1 + 2 * q) * (1 + 2 * r)
    return 2 / math.pi * np.arcsin(2 * k / np.sqrt(scale)), 4 / math.pi / np.sqrt(scale - 4 * k**2)


def relu_dual(k: Array, q: Array, r: Array) -> tuple[Array, Array]:
    """The same for ReLU; a variance of 0 (a patch that is all padding) gives 0."""
    root = np.sqrt(q * r)
    cosine = _ratio(k, root)
    angle = np.arccos(cosine)
    share = (math.pi - angle) / (2 * math.pi)
    return root * (np.sqrt(1 - cosine**2) / (2 * math.pi) + share * cosine), share


def _ratio(k: Array, root: Array) -> Array:
    """k / root in [-1, 1], 0 where the root is."""
    nothing = np.zeros(np.broadcast(k, root).shape)
    return np.clip(np.divide(k, root, out=nothing, where=root > 0), -1, 1)


DUALS: dict[str, Dual] = {"erf": erf_dual, "relu": relu_dual}


def series_dual(value: Function, slope: Function) -> Dual:
    """A and D for any smooth phi by its Hermite series, for `q` (n, 1) and `r` (1, p).

    A = sum_k a_k(q) a_k(r) rho^k with a_k(q) = E phi(sqrt(q) g) h_k(g), rho = k / sqrt(q r), h_k
    the normalised polynomials; D likewise with phi'. Where rho = 1 the series is slow, and the sum
    is taken by quadrature in its place (n = p, diagonal).
    """
    doors.function("value", value)
    doors.function("slope", slope)
    return functools.partial(_by_series, value, slope)


def _by_series(
    value: Function, slope: Function, k: Array, q: Array, r: Array
) -> tuple[Array, Array]:
    nodes, _ = _quadrature()
    # The root is 0 where an input is 0, whose phi is phi(0): there rho plays no part.
    rho = _ratio(k, np.sqrt(q * r))
    left, right = np.sqrt(q[:, :1]) * nodes, np.sqrt(r[:1].T) * nodes
    return _series(value, left, right, rho), _series(slope, left, right, rho)


def _series(function: Function, left: Array, right: Array, rho: Array) -> Array:
    """E function(u) function(v) for correlations `rho` (n, p).

    `left` (n, nodes) and `right` (p, nodes) are the places of the quadrature for u and v. The
    series ends after `_DEGREES` terms. What is cut off is largest near rho = 1 and near rho = -1,
    and at -1 itself too: only rho = 1 is taken by quadrature.
    """
    _, weights = _quadrature()
    same = np.isclose(rho, 1, rtol=0, atol=1e-12)
    basis = _hermite()[: _degrees(float(np.max(np.abs(rho), where=~same, initial=0)))]
    a, b = ((function(part) * weights) @ basis.T for part in (left, right))
    found = _horner(a, b, rho)
    rows, columns = np.nonzero(same)
    found[same] = np.sum(function(left[rows]) * function(right[columns]) * weights, axis=1)
    return found


def _horner(a: Array, b: Array, rho: Array) -> Array:
    """sum_k a_k b_k rho^k of coefficients (n, degrees), (p, degrees): one array of rho's size."""
    total = np.zeros_like(rho)
    for degree in range(a.shape[1] - 1, -1, -1):
        total *= rho
        if np.any(np.abs(a[:, degree]) > 1e-12):  # odd phi has every other coefficient 0
            total += np.outer(a[:, degree], b[:, degree])
    return total


@functools.cache
def _quadrature() -> tuple[Array, Array]:
    """Nodes and weights of a Gaussian mean."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    return nodes, weights / weights.sum()


def _degrees(largest: float) -> int:
    """As many as change a sum with |rho| <= `largest` in the twelfth digit, at most `_DEGREES`."""
    if largest == 0:
        return 1
    if largest > 0.99:
        return _DEGREES
    return min(_DEGREES, 2 + math.ceil(math.log(1e-13) / math.log(largest)))


def tanh_dual() -> Dual:
    """Of tanh, by its series."""
    return series_dual(np.tanh, lambda z: 1 - np.tanh(z) ** 2)


@functools.cache
def _hermite() -> Array:
    """Normalised Hermite polynomials at the nodes, (degrees, nodes)."""
    nodes, _ = _quadrature()
    rows = [np.ones_like(nodes), nodes]
    for degree in range(1, _DEGREES - 1):
        rows.append((nodes * rows[-1] - math.sqrt(degree) * rows[-2]) / math.sqrt(degree + 1))
    return np.stack(rows)


def dual_of(activation: str) -> Dual:
    """erf and relu in closed form, tanh by its series."""
    doors.choice("activation", activation, (*DUALS, "tanh"))
    return tanh_dual() if activation == "tanh" else DUALS[activation]


def connected(x: Array, activation: str, depth: int) -> Array:
    """Theta of a fully connected network with `depth` hidden layers on inputs x (n, d), (n, n)."""
    (x,) = doors.finite(x=(x, "n d"))
    doors.square(x=x)
    doors.depth(depth)
    dual = dual_of(activation)
    covariance = theta = x @ x.T / x.shape[1]
    for _ in range(depth):
        variance = np.diag(covariance)
        covariance, slopes = dual(covariance, variance[:, None], variance[None, :])
        theta = covariance + slopes * theta
    return theta


def convolutional(
    x: Array,
    activation: str,
    depth: int,
    patch: tuple[int, int] = (3, 3),
    padding: Padding = "circular",
    readout: Readout = "flatten",
) -> Array:
    """Theta, (n, n), of `depth` convolutions, erf or ReLU, on x (n, height, width, channels).

    Zero padding averages over the whole patch, zeros included. Pooling follows the covariances of
    all pairs of positions: (height width)^2 numbers for each pair of images.
    """
    doors.choice("activation", activation, DUALS)
    doors.choice("padding", padding, PADDINGS)
    doors.choice("readout", readout, READOUTS)
    (x,) = doors.finite(x=(x, "n height width channels"))
    doors.depth(depth)
    doors.sizes("patch", patch, 2)
    spread = functools.partial(_patches, patch=patch, padding=padding, pairs=readout == "pooling")
    theta = _convolved(spread(_COVARIANCES[readout](x)), DUALS[activation], depth, spread)
    return theta.reshape(len(x), len(x), -1).mean(axis=2)


def _convolved(covariance: Array, dual: Dual, depth: int, spread: Function) -> Array:
    """Theta at each position or pair of them; the last layer's outputs are not averaged again."""
    theta = covariance
    for layer in range(depth):
        covariance, slopes = dual(covariance, *_own_variances(covariance))
        theta = slopes * theta
        if layer < depth - 1:
            covariance, theta = spread(covariance), spread(theta)
        theta = covariance + theta
    return theta


def _by_position(x: Array) -> Array:
    """Covariance of two images at one position, (n, n, height, width)."""
    return np.einsum("nabc,mabc->nmab", x, x, optimize=True) / x.shape[3]


def _by_pairs(x: Array) -> Array:
    """The same at two positions, (n, n, height, width, height, width)."""
    return np.einsum("nabc,mdec->nmabde", x, x, optimize=True) / x.shape[3]


_COVARIANCES: dict[Readout, Function] = {"flatten": _by_position, "pooling": _by_pairs}


def _own_variances(covariance: Array) -> tuple[Array, Array]:
    """Variance of every image at every position, which broadcast as q and as r."""
    same = np.einsum("nn...->n...", covariance)
    if covariance.ndim == 4:
        return same[:, None], same[None]
    own = np.einsum("nabab->nab", same)
    return own[:, None, :, :, None, None], own[None, :, None, None]


def _patches(field: Array, patch: tuple[int, int], padding: Padding, pairs: bool) -> Array:
    """Mean over the patch around each position; both positions of a pair move together.

    An even patch begins at its centre.
    """
    for axis, size in zip((2, 3), patch, strict=True):
        moved = (axis, axis + 2) if pairs else (axis,)
        offsets = range(-((size - 1) // 2), size // 2 + 1)
        field = sum(_shift(field, offset, moved, padding) for offset in offsets) / size  # type: ignore[assignment]
    return field


def _shift(field: Array, offset: int, axes: tuple[int, ...], padding: Padding) -> Array:
    found = np.roll(field, (-offset,) * len(axes), axes)
    if padding == "zero" and offset:
        for axis in axes:
            np.moveaxis(found, axis, 0)[_outside(offset)] = 0
    return found


def _outside(offset: int) -> slice:
    """The places that a shift fills from the other end."""
    return slice(-offset, None) if offset > 0 else slice(None, -offset)


def hypercube(x: Array, activation: str, patch: int) -> Array:
    """Theta, (n, n), of one circular convolution, flattened, on signals x in {-1, 1}^d (n, d).

    f(x) = 1/sqrt(m d) sum_r <v_r, phi(w_r * x / sqrt q)>. The covariance of two patches is (q - 2
    disagreements) / q, so the kernel takes q + 1 values, and one sliding count over the positions
    finds them.
    """
    doors.choice("activation", activation, DUALS)
    (x,) = doors.arrays(x=(x, "n d"))
    doors.signs("x", x)
    doors.whole("patch", patch, 1, x.shape[1])
    found = np.empty((len(x), len(x)))
    _slide(np.ascontiguousarray(x > 0), patch, _by_disagreements(activation, patch), found)
    return found


def _by_disagreements(activation: str, patch: int) -> Array:
    """The kernel of two patches that disagree at 0, 1, ..., q places, (q + 1,)."""
    rho = 1 - 2 * np.arange(patch + 1) / patch
    values, slopes = DUALS[activation](rho, np.ones(1), np.ones(1))
    return values + slopes * rho


def hypercube_features(x: Array, zeta: float, bend: float, mean: float, patch: int) -> Array:
    """psi(x) = [sqrt(2/d) zeta x, sqrt(3/(2 q)) nu, vartheta_0], (n, d + 2)."""
    (x,) = doors.arrays(x=(x, "n d"))
    doors.whole("patch", patch, 1)
    for name, value in {"zeta": zeta, "bend": bend, "mean": mean}.items():
        doors.number(name, value)
    ones = np.ones((len(x), 1))
    linear, even = math.sqrt(2 / x.shape[1]) * zeta * x, math.sqrt(1.5 / patch) * bend * ones
    return np.hstack([linear, even, mean * ones])


@numba.njit(nogil=True, cache=True)
def _slide(x: NDArray[np.bool_], patch: int, table: Array, found: Array) -> None:
    n, d = x.shape
    for i in range(n):
        for j in range(i + 1):
            apart = 0
            for p in range(patch):
                apart += x[i, p] != x[j, p]
            total = 0.0
            for p in range(d):
                total += table[apart]
                ahead = p + patch
                if ahead >= d:
                    ahead -= d
                apart += int(x[i, ahead] != x[j, ahead]) - int(x[i, p] != x[j, p])
            found[i, j] = total / d
            found[j, i] = total / d
