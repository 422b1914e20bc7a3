"""A vector over test inputs, split on the span of the inputs and its orthogonal complement.

The outputs of a linear model f(x) = <beta, x> on inputs X (q, d) are X beta, so they lie in the
column space of X, of dimension at most d, wherever beta is. What a network has outside of it no
linear model of the inputs has (Hu et al. 2020, section 6: V_lin and its complement).
"""

import numpy as np
from numpy.typing import NDArray

from simplicity.problems import doors

Array = NDArray[np.floating]
_LEAST = 1e-10  # of the largest eigenvalue of the Gram matrix: 1e-5 of the largest singular value


class Span:
    """The column space of X (q, d) inside R^q. Rows of a matrix are split one by one."""

    def __init__(self, x: Array) -> None:
        (x,) = doors.finite(x=(x, "q d"))
        tall = x.shape[0] >= x.shape[1]
        values, vectors = _eigen(x.T @ x if tall else x @ x.T)
        self.basis = x @ (vectors / np.sqrt(values)) if tall else vectors
        self.size = len(x)

    @property
    def rest(self) -> float:
        """The complement's share of the dimensions, and of the square of a vector blind to X."""
        return 1 - self.basis.shape[1] / self.size

    def inside(self, vectors: Array) -> Array:
        """|P v|^2 for rows (..., q)."""
        return _square(self._rows(vectors) @ self.basis)

    def outside(self, vectors: Array) -> Array:
        """|v - P v|^2 for rows (..., q)."""
        vectors = self._rows(vectors)
        return _square(vectors - (vectors @ self.basis) @ self.basis.T)

    def share(self, vectors: Array) -> Array:
        """|v - P v|^2 / |v|^2; 0 where v = 0."""
        return _ratio(self.outside(vectors), _square(self._rows(vectors)))

    def _rows(self, vectors: Array) -> Array:
        (vectors,) = doors.arrays(vectors=(vectors, f"... {self.size}"))
        return vectors


def _eigen(gram: Array) -> tuple[Array, Array]:
    """The eigenvalues that are not 0, and their vectors."""
    values, vectors = np.linalg.eigh(gram)
    kept = values > _LEAST * values[-1]
    return values[kept], vectors[:, kept]


def _square(rows: Array) -> Array:
    """Sum of squares along the last axis."""
    return (rows**2).sum(axis=-1)


def _ratio(above: Array, below: Array, otherwise: Array | float = 0.0) -> Array:
    """The ratio, and `otherwise` where nothing is below."""
    return np.divide(above, below, out=np.full_like(below, otherwise), where=below > 0)


def correlation(a: Array, b: Array) -> Array:
    """Pearson's, of the rows of two matrices (..., q); 0 where one of them is constant."""
    a, b = doors.same(a=a, b=b)
    a, b = (part - part.mean(axis=-1, keepdims=True) for part in (a, b))
    return _ratio((a * b).sum(axis=-1), np.sqrt(_square(a) * _square(b)))


def relative_error(a: Array, b: Array) -> Array:
    """|a - b| / |b| of rows (..., q); 0 where both are 0, and infinite where b alone is."""
    a, b = doors.same(a=a, b=b)
    gap, size = np.sqrt(_square(a - b)), np.sqrt(_square(b))
    return _ratio(gap, size, np.where(gap > 0, np.inf, 0.0))
