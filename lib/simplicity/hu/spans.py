"""A vector with one number for each test input, split on the span of the inputs and its orthogonal complement.

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
        values, vectors = np.linalg.eigh(x.T @ x if tall else x @ x.T)
        kept = values > _LEAST * values[-1]
        self.basis = x @ (vectors[:, kept] / np.sqrt(values[kept])) if tall else vectors[:, kept]
        self.size = len(x)

    @property
    def rest(self) -> float:
        """The complement's share of the dimensions: the expected one of the square of a vector blind to X."""
        return 1 - self.basis.shape[1] / self.size

    def inside(self, vectors: Array) -> Array:
        """|P v|^2 for rows (..., q)."""
        (vectors,) = doors.arrays(vectors=(vectors, f"... {self.size}"))
        return ((vectors @ self.basis) ** 2).sum(axis=-1)

    def outside(self, vectors: Array) -> Array:
        """|v - P v|^2 for rows (..., q)."""
        (vectors,) = doors.arrays(vectors=(vectors, f"... {self.size}"))
        apart = vectors - (vectors @ self.basis) @ self.basis.T
        return (apart**2).sum(axis=-1)

    def share(self, vectors: Array) -> Array:
        """|v - P v|^2 / |v|^2; 0 where v = 0."""
        (vectors,) = doors.arrays(vectors=(vectors, f"... {self.size}"))
        whole = (vectors**2).sum(axis=-1)
        return np.divide(self.outside(vectors), whole, out=np.zeros_like(whole), where=whole > 0)


def correlation(a: Array, b: Array) -> Array:
    """Pearson's, of the rows of two matrices (..., q); 0 where one of them is constant."""
    a, b = doors.same(a=a, b=b)
    a, b = (part - part.mean(axis=-1, keepdims=True) for part in (a, b))
    scale = np.sqrt((a**2).sum(axis=-1) * (b**2).sum(axis=-1))
    return np.divide((a * b).sum(axis=-1), scale, out=np.zeros_like(scale), where=scale > 0)


def relative_error(a: Array, b: Array) -> Array:
    """|a - b| / |b| of rows (..., q); 0 where both are 0, and infinite where b alone is."""
    a, b = doors.same(a=a, b=b)
    gap, size = (np.sqrt((part**2).sum(axis=-1)) for part in (a - b, b))
    return np.divide(gap, size, out=np.where(gap > 0, np.inf, 0.0), where=size > 0)
