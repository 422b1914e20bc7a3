"""Where in the loss landscape a two-layer ReLU network stands.

Gradient, curvature, and an interpolator of the same width.

    h(x) = sum_j a_j max(0, <w_j, x>)
    L    = 1/(2n) sum_k (h(x_k) - y_k)^2         the loss WITH 1/2, as in training

Everything holds for the activation pattern 1{<w_j, x_k> > 0} of the given weights, which is fixed
in a neighbourhood of almost every point: there L is smooth. Inputs are rows x (n, d); weights a
(m,), w (m, d), which is also their order in a flat vector of all m (d + 1). Pure functions in
float64; the Hessian, of size m (d + 1), is never formed.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.linalg import lstsq
from scipy.optimize import brentq
from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh

from simplicity.boursier.alignment import d_n, on_sphere
from simplicity.nets import TwoLayer
from simplicity.problems import Problem, doors, training_doors

Array = NDArray[np.floating]

_ACCURACY = 1e-8  # of an eigenvalue, as a share of the operator's norm
_BASIS = 60  # vectors that Lanczos keeps: dense spectra need more than the default 20


def gradient(a: Array, w: Array, x: Array, y: Array) -> TwoLayer:
    """(dL/da_j, dL/dw_j) = (-<w_j, D_j>, -a_j D_j) with the force D_j = D_n(w_j, theta)."""
    a, w, x, y = _point(a, w, x, y)
    force = d_n(w, x, y, np.maximum(x @ w.T, 0.0) @ a)
    return TwoLayer(-np.sum(w * force, axis=1), -a[:, None] * force)


def gradient_norm(a: Array, w: Array, x: Array, y: Array) -> float:
    """Euclidean norm of the gradient of L over all m (d + 1) weights."""
    return float(np.sqrt(sum(np.sum(part**2) for part in gradient(a, w, x, y))))


def hessian(a: Array, w: Array, x: Array, y: Array) -> LinearOperator:
    """The Hessian of L at the weights, (m (d + 1), m (d + 1)), as products with flat vectors.

    With s_jk the activation pattern, e_k = h(x_k) - y_k and a direction (alpha, omega),
        u_k = sum_j s_jk (alpha_j <w_j, x_k> + a_j <omega_j, x_k>)         the change of h(x_k)
        H_a = 1/n sum_k s_jk (<w_j, x_k> u_k + <omega_j, x_k> e_k)
        H_w = 1/n sum_k s_jk (a_j u_k + alpha_j e_k) x_k.
    The terms with u are the Gauss-Newton part, positive semidefinite; those with e pair a_j with
    w_j through the force on the neuron, -D_j, so that no eigenvalue lies below -max_j |D_j|.
    """
    x, y, a, w = doors.finite(x=(x, "n d"), y=(y, "n"), a=(a, "m"), w=(w, "m d"))
    doors.square(x=x, y=y, a=a, w=w)
    curvature = _Curvature(_double(a), _double(w), _double(x), y)
    return LinearOperator((w.size + a.size,) * 2, matvec=curvature.along, dtype=np.float64)


class _Curvature:
    """Products of the Hessian with directions; what all of them share is computed once."""

    def __init__(self, a: Array, w: Array, x: Array, y: Array) -> None:
        before = x @ w.T
        self.a, self.x = a, x
        self.pattern = (before > 0).astype(np.float64)
        self.hidden = self.pattern * before
        self.pull = self._gathered(self.hidden @ a - y)  # -n D_j
        doors.square(hidden=self.hidden, pull=self.pull)

    def along(self, direction: Array) -> Array:
        """The Hessian's product with a flat direction."""
        alpha, omega = np.split(direction.ravel(), [len(self.a)])
        omega = omega.reshape(self.pull.shape)
        change = self.hidden @ alpha + (self.pattern * (self.x @ omega.T)) @ self.a
        outer = self.hidden.T @ change + np.sum(omega * self.pull, axis=1)
        inner = self.a[:, None] * self._gathered(change) + alpha[:, None] * self.pull
        return np.concatenate([outer, inner.ravel()]) / len(self.x)

    def _gathered(self, values: Array) -> Array:
        """sum_k s_jk value_k x_k of each neuron."""
        return self.pattern.T @ (values[:, None] * self.x)


def sharpness(a: Array, w: Array, x: Array, y: Array) -> float:
    """Largest eigenvalue of the Hessian of L.

    A minimum where it exceeds 2/eta is unstable under steps of size eta.
    """
    return _largest(hessian(a, w, x, y))


def least_eigenvalue(a: Array, w: Array, x: Array, y: Array) -> float:
    """Smallest eigenvalue of the Hessian over the weights of neurons that some sample activates.

    The other neurons have no gradient and no curvature. Computed as c minus the largest eigenvalue
    of c - H with c the sharpness, because Lanczos resolves an eigenvalue to a share of the
    operator's norm, and next to 0 there are thousands.
    """
    a, w, x, y = _point(a, w, x, y)
    seen = active(w, x)
    if not seen.any():
        raise Problem("w: got no neuron that a sample activates, allowed at least one")
    operator = hessian(a[seen], w[seen], x, y)
    top = _largest(operator)
    return top - _largest(_below(top, operator))


def _below(top: float, operator: LinearOperator) -> LinearOperator:
    """top - H, whose largest eigenvalue belongs to H's smallest."""
    return LinearOperator(
        operator.shape, matvec=lambda v: top * v - operator.matvec(v), dtype=np.float64
    )


def active(w: Array, x: Array) -> NDArray[np.bool_]:
    """Which neurons (m,) some sample activates."""
    w, x = doors.arrays(w=(w, "m d"), x=(x, "n d"))
    return np.any(_double(w) @ x.T > 0, axis=1)


def least_norm_output(w: Array, x: Array, y: Array) -> Array:
    """The shortest a (m,) among those with the least train MSE for fixed input weights w (m, d).

    Singular values below the rounding of the features count as 0: directions that are equal are not
    told apart by rounding.
    """
    x, y, w = doors.finite(x=(x, "n d"), y=(y, "n"), w=(w, "m d"))
    features = np.maximum(x @ _double(w).T, 0.0)
    rounding = max(features.shape) * np.finfo(np.float64).eps
    return lstsq(features, y, cond=rounding, lapack_driver="gelsy")[0]


def balanced(a: Array, w: Array) -> TwoLayer:
    """The same function with |a_j| = |w_j|: neuron (a, w) becomes (a c, w / c).

    Such weights have the least norm.
    """
    a, w = doors.arrays(a=(a, "m"), w=(w, "m d"))
    size = np.sqrt(np.abs(a) * np.linalg.norm(w, axis=1))
    return TwoLayer(np.sign(a) * size, size[:, None] * on_sphere(w))


def random_feature_interpolator(width: int, x: Array, y: Array, rng: Generator) -> TwoLayer:
    """Input weights uniform on the sphere, least-norm output weights on top, balanced.

    With as many active neurons as samples, and inputs of which no two are positive multiples of
    each other, it interpolates any labels. It shows what this width can represent; no training
    finds it.
    """
    doors.whole("width", width, 1)
    x, y = training_doors.samples(x, y)
    doors.generator(rng)
    w = on_sphere(rng.standard_normal((width, x.shape[1])))
    return balanced(least_norm_output(w, x, y), w)


def perturbed(a: Array, w: Array, size: float, rng: Generator) -> TwoLayer:
    """All weights moved in a Gaussian direction by `size` times their Frobenius norm."""
    a, w = doors.arrays(a=(a, "m"), w=(w, "m d"))
    doors.number("size", size)
    doors.generator(rng)
    ray = _Ray.drawn(TwoLayer(a, w), rng)
    return ray.at(size * _norm(a, w) / _norm(*ray.direction))


class _Ray(NamedTuple):
    """From weights along a direction in the space of all of them."""

    start: TwoLayer
    direction: TwoLayer

    @classmethod
    def drawn(cls, start: TwoLayer, rng: Generator) -> "_Ray":
        """Along a Gaussian direction."""
        return cls(start, TwoLayer(*(rng.standard_normal(part.shape) for part in start)))

    @property
    def unit(self) -> float:
        """As much of the direction as is as long as the start."""
        return _norm(*self.start) / _norm(*self.direction)

    def at(self, factor: float) -> TwoLayer:
        """The weights moved by `factor` times the direction."""
        parts = zip(self.start, self.direction, strict=True)
        return TwoLayer(*(part + factor * along for part, along in parts))


def at_loss(
    a: Array, w: Array, error: Callable[[Array, Array], float], wanted: float, rng: Generator
) -> TwoLayer:
    """A random point of a given loss.

    From (a, w), where `error` is less, along a Gaussian direction until it is `wanted`.
    """
    a, w = doors.finite(a=(a, "m"), w=(w, "m d"))
    doors.square(a=a, w=w)
    doors.function("error", error)
    doors.number("wanted", wanted)
    doors.generator(rng)
    ray = _Ray.drawn(TwoLayer(a, w), rng)
    _check_below(error(a, w), wanted)
    return ray.at(_crossing(ray, error, wanted) * ray.unit)


def _check_below(error: float, wanted: float) -> None:
    if not error < wanted:
        raise Problem(
            f"wanted: got {wanted:g}, allowed more than the error of the weights, {error:g}"
        )


def _crossing(ray: _Ray, error: Callable[[Array, Array], float], wanted: float) -> float:
    """How far the wanted error is, in norms of the start."""
    far, about = 1e-3, (ray, error, wanted)
    while _excess(far, *about) < 0:
        far *= 2
    return float(brentq(_excess, 0.0, far, args=about, xtol=1e-15, rtol=1e-12))


def _excess(size: float, ray: _Ray, error: Callable[[Array, Array], float], wanted: float) -> float:
    """How much the error is above the wanted one at `size` times the norm of the start."""
    return error(*ray.at(size * ray.unit)) - wanted


def _largest(operator: LinearOperator) -> float:
    """The largest eigenvalue, by Lanczos; the same weights give the same bits."""
    size, rng = operator.shape[0], np.random.default_rng(0)  # for the start, and restarts inside
    start = rng.standard_normal(size)
    how = {"v0": start, "ncv": min(size, _BASIS), "tol": _ACCURACY, "rng": rng}
    try:
        return float(eigsh(operator, k=1, which="LA", return_eigenvectors=False, **how)[0])
    except ArpackError:
        if (operator @ start).any():
            raise
        return 0.0  # an operator that is 0 leaves Lanczos without a direction


def _point(a: Array, w: Array, x: Array, y: Array) -> list[Array]:
    """[a, w, x, y], the weights in double precision."""
    a, w, x, y = doors.arrays(a=(a, "m"), w=(w, "m d"), x=(x, "n d"), y=(y, "n"))
    return [_double(a), _double(w), x, y]


def _norm(a: Array, w: Array) -> float:
    return float(np.sqrt(np.sum(a**2) + np.sum(w**2)))


def _double(values: Array) -> NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64)
