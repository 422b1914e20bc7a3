"""Linear regions and what trained ones say about empty ones.

Loukas et al. 2021, section 3, Theorem 2. The Kronecker vector of an input is s(x) = s_{d-1}(x) x
... x s_1(x), the product of the 0/1 vectors that say which neurons of each hidden layer are on; it
has n_1 ... n_{d-1} entries. The gradient of f is linear in it, so s(x) = sum_i k_i s(x_i) gives
grad f(x) = sum_i k_i grad f(x_i), and |grad f(x)| <= sum_i |k_i| |grad f(x_i)|.

Nothing here forms a vector of that length. A layer without an active neuron makes s(x) = 0 whatever
the others do; else s(x) determines every layer's vector. So two inputs have the same s although
their layers differ exactly where each has a dead layer, and there the gradient is 0. Two rows of S,
whose columns are the s(x_i), are equal far more often than not: a row is the product of one row of
each layer, and only the different ones matter.

Patterns are those of `lipschitz.patterns`: for each hidden layer an array (n, n_l).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import linprog

from simplicity.problems import Problem, doors, training_doors

Array = NDArray[np.floating]
Bits = NDArray[np.bool_]
Patterns = Sequence[Bits]

# Residuals of 0/1 vectors: those outside of the span are further off by orders of magnitude.
_IN_SPAN = 1e-7
_USED = 1e-7  # of a coefficient that counts as one


class Far(NamedTuple):
    """The least sum_i |k_i| phi_i of each input, inf without a k, and how many k_i are not 0."""

    bound: Array
    combined: NDArray[np.int64]


class Met(NamedTuple):
    """Which regions are met: a number for each training point and then for each other input.

    `empty` (n,) says which of the other inputs lie in regions without a training point, `one` names
    one input of each of these.
    """

    region: NDArray[np.int64]
    empty: Bits
    one: NDArray[np.int64]


def joined(*parts: Patterns) -> tuple[Bits, ...]:
    """The patterns of several sets of inputs as those of one."""
    for part in parts:
        training_doors.patterns("patterns", part, len(parts[0]))
    return tuple(np.concatenate(layers) for layers in zip(*parts, strict=True))


def chosen(patterns: Patterns, index: NDArray) -> tuple[Bits, ...]:
    """The patterns of some of the inputs."""
    training_doors.patterns("patterns", patterns)
    return tuple(layer[index] for layer in patterns)


def numbered(patterns: Patterns) -> NDArray[np.int64]:
    """A number for each input, (n,), equal where and only where the Kronecker vectors are."""
    training_doors.patterns("patterns", patterns)
    bits = np.concatenate(patterns, axis=1) & _alive(patterns)[:, None]
    return np.unique(np.packbits(bits, axis=1), axis=0, return_inverse=True)[1].ravel()


def _alive(patterns: Patterns) -> Bits:
    """Which inputs have an active neuron in every layer."""
    return np.all([layer.any(axis=1) for layer in patterns], axis=0)


def representatives(patterns: Patterns) -> NDArray[np.int64]:
    """The index of one input of each region, sorted."""
    training_doors.patterns("patterns", patterns)
    return np.sort(_firsts(numbered(patterns)))


def _firsts(region: NDArray[np.int64]) -> NDArray[np.int64]:
    """The first input of each region, in the order of their numbers."""
    return np.unique(region, return_index=True)[1]


def met(seen: Patterns, new: Patterns) -> Met:
    """The regions of training points `seen` and of other inputs `new`."""
    region = numbered(joined(seen, new))
    trained, others = region[: len(seen[0])], region[len(seen[0]) :]
    empty = ~np.isin(others, trained)
    first = _firsts(others)
    return Met(region, empty, first[empty[first]])


def different_rows(patterns: Patterns) -> Bits:
    """The different rows, without zeros, of the matrix whose columns are s(x), (u, n)."""
    training_doors.patterns("patterns", patterns)
    found = np.ones((1, len(patterns[0])), dtype=bool)
    for layer in patterns:
        found = _products(found, np.unique(layer.T, axis=0))
    return found


def _products(rows: Bits, others: Bits) -> Bits:
    """The different products of a row of each, without zeros."""
    found = (rows[:, None] & others[None]).reshape(-1, rows.shape[1])
    packed = np.unique(np.packbits(found[found.any(axis=1)], axis=1), axis=0)
    return np.unpackbits(packed, axis=1, count=rows.shape[1]).astype(bool)


def gram(patterns: Patterns, others: Patterns) -> Array:
    """<s(x), s(x')> = prod_l <s_l(x), s_l(x')>, (n, n'): a product of products of layers."""
    training_doors.patterns("patterns", patterns)
    training_doors.patterns("others", others, len(patterns))
    parts = [a.astype(float) @ b.T.astype(float) for a, b in zip(patterns, others, strict=True)]
    return np.prod(parts, axis=0)


def rank(patterns: Patterns) -> int:
    """Rank of the matrix whose columns are s(x), from its Gram matrix of whole numbers."""
    training_doors.patterns("patterns", patterns)
    own = chosen(patterns, representatives(patterns))
    return int(np.linalg.matrix_rank(gram(own, own), hermitian=True))


def far_from_data(seen: Patterns, phi: Array, new: Patterns) -> Far:
    """Theorem 2: for each new x, min_k sum_i |k_i| phi_i subject to s(x) = sum_i k_i s(x_i).

    `seen` are n patterns with their phi (n,); of several in one region the least phi counts.
    Whether any k exists is a matter of linear algebra; where k is unique it is solved for, and
    where it is not HiGHS minimises.
    """
    training_doors.patterns("seen", seen)
    training_doors.patterns("new", new, len(seen))
    (phi,) = doors.finite(phi=(phi, str(len(seen[0]))))
    region = numbered(seen)
    weight, first = _least_phi(region, phi), _firsts(region)
    k, inside = _lightest(*_columns(chosen(seen, first), new), weight)
    used = (np.abs(k) > _USED).sum(axis=0)
    return Far(np.where(inside, weight @ np.abs(k), np.inf), np.where(inside, used, 0))


def _columns(seen: Patterns, new: Patterns) -> tuple[Array, Array]:
    """The vectors s(x) of both, as columns of their different rows."""
    rows = different_rows(joined(seen, new)).astype(float)
    known, wanted = np.split(rows, [len(seen[0])], axis=1)
    return known, wanted


def _lightest(known: Array, wanted: Array, weight: Array) -> tuple[Array, Bits]:
    """k of least weight with known k = wanted, and for which of `wanted` there is one."""
    k, inside, unique = _combined(known, wanted)
    if not unique:
        matrix = sparse.csr_array(known)
        for index in np.flatnonzero(inside):
            k[:, index] = _least(matrix, weight, wanted[:, index])
    return k, inside


def _least_phi(region: NDArray[np.int64], phi: Array) -> Array:
    """The least phi of each region."""
    least = np.full(region.max() + 1, np.inf)
    np.minimum.at(least, region, phi)
    return least


def _combined(known: Array, wanted: Array) -> tuple[Array, Bits, bool]:
    """k with known k = wanted, a column for each of `wanted`; whether there is one, and one alone.

    `known` (rows, points), `wanted` (rows, inputs).
    """
    left, sizes, right = _span(known)
    inside = np.linalg.norm(wanted - left @ (left.T @ wanted), axis=0) < _IN_SPAN
    k = right.T @ ((left.T @ wanted) / sizes[:, None])
    return k, inside, len(sizes) == known.shape[1]


def _span(matrix: Array) -> tuple[Array, Array, Array]:
    """The singular value decomposition, without the values that are 0 but for rounding."""
    left, sizes, right = np.linalg.svd(matrix, full_matrices=False)
    kept = sizes > 1e-9 * sizes.max(initial=1)
    return left[:, kept], sizes[kept], right[kept]


def _least(matrix: sparse.csr_array, weight: Array, wanted: Array) -> Array:
    """The k of least sum |k_i| phi_i with S k = s, which exists; k is split into its two signs."""
    both = sparse.hstack([matrix, -matrix], format="csr")
    found = linprog(np.tile(weight, 2), A_eq=both, b_eq=wanted, bounds=(0, None), method="highs")
    if found.x is None:
        allowed = "allowed a solution, which linear algebra has found"
        raise ArithmeticError(f"linear programme: got status {found.status}, {allowed}")
    return found.x[: len(weight)] - found.x[len(weight) :]


def exact_sum(columns: Bits, target: Bits, most: int = 4) -> tuple[int, ...] | None:
    """The fewest columns, at most `most`, whose sum is `target`, or None, by exhaustive search.

    This is Theorem 2's special case. `columns` (u, m) and `target` (u,) share the rows of
    `different_rows`. Of 0/1 vectors only disjoint ones add up to one. A zero target is the empty
    sum.
    """
    _bits(columns, target)
    doors.whole("most", most, 0)
    inside = _within(columns, target)
    for size in range(most + 1):
        found = _cover(columns, target, inside, size)
        if found is not None:
            return found
    return None


def _within(columns: Bits, target: Bits) -> NDArray[np.int64]:
    """The columns that are not zero and have nothing outside of the target."""
    outside = (columns & ~target[:, None]).any(axis=0)
    return np.flatnonzero(columns.any(axis=0) & ~outside)


def _bits(columns: Bits, target: Bits) -> None:
    """Truth values of the same rows."""
    fit = columns.ndim == 2 and target.shape == columns.shape[:1]
    if not fit or {columns.dtype.kind, target.dtype.kind} != {"b"}:
        got = f"{columns.dtype} {columns.shape} and {target.dtype} {target.shape}"
        raise Problem(f"columns, target: got {got}, allowed truth values (u, m) and (u,)")


def _cover(
    columns: Bits, left: Bits, allowed: NDArray[np.int64], size: int
) -> tuple[int, ...] | None:
    """Exactly `size` of the allowed columns, disjoint, that add up to what is left."""
    if size == 0 or not left.any():
        return () if size == 0 and not left.any() else None
    for one in allowed[columns[np.argmax(left), allowed]]:
        rest = _cover(columns, left & ~columns[:, one], _apart(columns, one, allowed), size - 1)
        if rest is not None:
            return (int(one), *rest)
    return None


def _apart(columns: Bits, one: int, allowed: NDArray[np.int64]) -> NDArray[np.int64]:
    """Those of the allowed columns that share no row with this one."""
    return allowed[~(columns[:, allowed] & columns[:, [one]]).any(axis=0)]
