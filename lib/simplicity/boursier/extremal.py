"""Extremal vectors of G_n, the largest force, D_n's distance to its population version.

Boursier & Flammarion 2025.

D is extremal if D in D_n(w) with w = D/|D| or w = -D/|D|, or D = 0: the critical points on the unit
sphere of G_n(w) = 1/n sum_k y_k max(0, <w, x_k>), the only directions that neurons can align with
before the loss moves. D_n(w) is the set {1/n sum_k eta_k y_k x_k : eta_k = 1 where <w, x_k> > 0, 0
where < 0, in [0, 1] where = 0}.

In the plane (d = 2) everything here is exact up to rounding: n inputs cut the circle into 2n
sectors on which D_n is constant. For d >= 3 `searched` and `searched_deviation` give what a search
has found, hence lower bounds. Inputs are rows: x (n, d), y (n,).
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from simplicity.boursier.alignment import d_n, on_sphere
from simplicity.boursier.sectors import Sectors, across, circle, cut, jumps
from simplicity.problems import doors, training_doors

Array = NDArray[np.floating]
Mask = NDArray[np.bool_]

_NOTHING = 1e-12  # of sum_k |y_k x_k| / n: a shorter D is zero but for rounding

_LAST = 60  # steps of a search in which a sample that is on a boundary shows itself
_CLIMBERS, _ROUNDS = 64, 300  # of the search for the largest force


class Extremal(NamedTuple):
    """Extremal vectors (q, d) other than 0, the sign s of each, and which need an inner eta.

    s is the sign in w = s D/|D|; an inner eta is one inside (0, 1).

    G_n(w) = s |D|. `attracting` are those where s G_n has a local maximum on the sphere: neurons
    whose a_j has the sign s can end there. All off the boundaries do, since G_n is linear around w;
    on one, the kink has to point the right way. `zero` tells apart whether D = 0 occurs, which is
    the case when all inputs lie on one side of a line through the origin.
    """

    vectors: Array
    signs: Array
    on_boundary: Mask
    attracting: Mask
    zero: bool

    @property
    def directions(self) -> Array:
        """The critical points w of G_n, (q, d)."""
        return self.signs[:, None] * on_sphere(self.vectors)

    def ends(self, sign: int) -> Array:
        """Where neurons with a_j of this sign can end, (q, d).

        Maximisers of G_n for 1, minimisers for -1.

        Only those where s G_n > 0. A maximiser with G_n < 0 holds the direction of a neuron with
        a_j > 0 but shrinks it: on the unit ball of w_j / a_j it repels along the radius.
        """
        return self.directions[self.attracting & (self.signs == sign)]


def in_plane(x: Array, y: Array) -> Extremal:
    """All extremal vectors for d = 2, in the order of their angle; O(n log n).

    Inside a sector G_n(w) = <w, D>, so its derivative along the circle, the component of D across
    w, is monotone: a critical point exists if and only if the derivative changes sign between the
    two ends, and then it is D/|D| or -D/|D|. On a boundary the derivative jumps, and a jump across
    zero is a critical point whose eta is the one that makes the derivative vanish.
    """
    x, y = _plane(x, y)
    pulls = _pulls(x, y)
    sectors, small = cut(x, pulls), _negligible(pulls)
    long = sectors.lengths > small
    found = _by_angle(_inside(sectors, long), _on_edges(sectors, small))
    return found.with_zero(not long.all())


class _Found(NamedTuple):
    """Critical points: their angles, and the same as in `Extremal`."""

    places: Array
    vectors: Array
    signs: Array
    on_boundary: Mask
    attracting: Mask

    def only(self, kept: Mask | NDArray[np.intp]) -> "_Found":
        """Those of a mask, or in an order."""
        every: list[Any] = [part[kept] for part in self]
        return _Found(*every)

    def with_zero(self, zero: bool) -> Extremal:
        """The same without angles, and whether D = 0 occurs."""
        return Extremal(self.vectors, self.signs, self.on_boundary, self.attracting, zero)


def _inside(sectors: Sectors, long: Mask) -> _Found:
    """Those inside a sector whose force is `long`: the derivative changes sign between its ends."""
    at_left = across(sectors.left, sectors.forces)
    at_right = across(circle(sectors.edges[1:]), sectors.forces)
    here = long & (at_left * at_right < 0)
    signs, off = np.sign(at_left), np.zeros(len(here), dtype=bool)
    return _Found(sectors.starts, sectors.forces, signs, off, ~off).only(here)


def _on_edges(sectors: Sectors, small: float) -> _Found:
    """Those on a boundary, across which the derivative jumps through 0."""
    # what crosses here is orthogonal to the edge
    along = np.sum(sectors.left * sectors.behind, axis=1)
    low, high = jumps(sectors)
    here = (low < 0) & (high > 0) & (np.abs(along) > small)
    signs, vectors = np.sign(along), along[:, None] * sectors.left
    return _Found(sectors.starts, vectors, signs, here, _tops(sectors, signs)).only(here)


def _tops(sectors: Sectors, signs: Array) -> Mask:
    """The edges which s G_n rises up to and falls after."""
    before, after = (across(sectors.left, one) for one in (sectors.behind, sectors.forces))
    return (signs * before > 0) & (signs * after < 0)


def _by_angle(*kinds: _Found) -> _Found:
    """All of them, in the order of their angle."""
    every: list[Any] = [np.concatenate(parts) for parts in zip(*kinds, strict=True)]
    found = _Found(*every)
    return found.only(np.argsort(found.places, kind="stable"))


def deviation(x: Array, y: Array, population: Array) -> float:
    """sup over |w| = 1 and the elements of D_n(w) of |D_n(w) - D|, exact for d = 2.

    D (2,) does not depend on w.

    The left side of theorem 3.1, before the expectation. D_n(w) at a boundary is the segment
    between its two sectors (a convex set), so the supremum is attained inside one.
    """
    x, y = _plane(x, y)
    (population,) = doors.finite(population=(population, "2"))
    return float(np.max(_distances(cut(x, _pulls(x, y)).forces, population)))


def searched_deviation(
    x: Array, y: Array, population: Array, rng: Generator, starts: int = 3, circles: int = 80
) -> float:
    """A lower bound of sup_w |D_n(w) - D| for d >= 2.

    By exact maximisation over great circles, one after another.

    From the best w so far along a random tangent: the circle is cut by the n hyperplanes into
    sectors, all of which are looked at, the one of w among them, so that the value never falls
    within a start. Exact for d = 2, which has only one circle.
    """
    x, y = _inputs(x, y)
    doors.columns(x, 2)
    (population,) = doors.finite(population=(population, str(x.shape[1])))
    doors.generator(rng)
    doors.whole("starts", starts, 1)
    doors.whole("circles", circles, 1)
    samples = x, _pulls(x, y)
    ends = [_climbed_distance(*samples, population, rng, circles) for _ in range(starts)]
    return float(max(ends))


def _climbed_distance(
    x: Array, pulls: Array, population: Array, rng: Generator, circles: int
) -> float:
    """|D_n(w) - D| at the end of one start."""
    w, distance = on_sphere(rng.standard_normal(population.shape)), 0.0
    for _ in range(circles):
        w, distance = _farthest_around(_circle_through(w, rng), x, pulls, population)
    return distance


def _circle_through(w: Array, rng: Generator) -> Array:
    """The plane of a random great circle through w: w and a direction across it, (2, d)."""
    tangent = rng.standard_normal(len(w))
    return np.stack([w, on_sphere(tangent - (tangent @ w) * w)])


def _farthest_around(
    plane: Array, x: Array, pulls: Array, population: Array
) -> tuple[Array, float]:
    """(w, |D_n(w) - D|) where the latter is largest on a great circle."""
    sectors = cut(x @ plane.T, pulls)
    distances = _distances(sectors.forces, population)
    winner = distances.argmax()
    return on_sphere(sectors.middle(winner) @ plane), distances[winner]


def searched(x: Array, y: Array, rng: Generator, starts: int = 16, steps: int = 400) -> Extremal:
    """Extremal vectors found from random starts by w <- (1 - c) w + c s D_n(w)/|D_n(w)|.

    s = 1 and s = -1, with falling c.

    Samples that keep entering and leaving at the end are taken to be on the boundary, and the
    candidate is solved for exactly; returned is only what fulfils the definition. Stable critical
    points alone attract, so that a number is a lower bound. Without D = 0.
    """
    x, y = _inputs(x, y)
    doors.generator(rng)
    doors.whole("starts", starts, 1)
    doors.whole("steps", steps, 1)
    pulls = _pulls(x, y)
    signs = np.repeat([1.0, -1.0], starts)
    w = on_sphere(rng.standard_normal((2 * starts, x.shape[1])))
    active, flips = _climbed(w, signs, x, pulls, steps)
    vectors = _solved(signs, active & ~flips, flips, x, pulls)
    kept = _distinct(vectors, _negligible(pulls))
    return _with_edges(vectors[kept], signs[kept], flips[kept], y)


def _solved(signs: Array, active: Mask, edges: Mask, x: Array, pulls: Array) -> Array:
    """`_solve` for each pattern."""
    patterns = zip(signs, active, edges, strict=True)
    return np.array([_solve(*pattern, x, pulls) for pattern in patterns])


def _with_edges(vectors: Array, signs: Array, edges: Mask, y: Array) -> Extremal:
    """Extremal vectors with the samples on whose boundary each lies.

    To either side of the boundary of x_k, s G_n departs from its value by s y_k times something
    positive.
    """
    uphill = signs[:, None] * y > 0
    on_boundary, repelling = np.stack([edges, edges & uphill]).max(axis=2)
    return Extremal(vectors, signs, on_boundary, ~repelling, False)


def _climbed(w: Array, signs: Array, x: Array, pulls: Array, steps: int) -> tuple[Mask, Mask]:
    """Which samples are active for each w after a search, and which were entering or leaving."""
    flips = np.zeros((len(w), len(x)), dtype=bool)
    active = w @ x.T > 0
    for step in range(steps):
        w = _climb(w, signs, active @ pulls, 0.5 * 0.985**step)
        before, active = active, w @ x.T > 0
        if step >= steps - _LAST:
            flips |= active != before
    return active, flips


def _climb(w: Array, signs: Array, forces: Array, rate: float) -> Array:
    """One step of each w along its force, or against it."""
    return on_sphere((1 - rate) * w + rate * signs[:, None] * on_sphere(forces))


def largest_force(x: Array, y: Array, directions: Array, rng: Generator) -> float:
    """|D_max|, the largest |D_n(w)| over all w: exact for d = 2, else a lower bound.

    For d > 2 it is searched from `directions` (q, d).

    D_n is a set where <w, x_k> = 0, but its elements there are convex combinations of those around,
    so none is longer.
    """
    x, y = training_doors.samples(x, y)
    doors.generator(rng)
    return deviation(x, y, np.zeros(2)) if x.shape[1] == 2 else search_force(x, y, directions, rng)


def search_force(x: Array, y: Array, directions: Array, rng: Generator) -> float:
    """The longest force of the given directions and their opposites, lengthened by random moves.

    The moves shrink; those that lengthen the force are kept.
    """
    x, y, directions = doors.finite(x=(x, "n d"), y=(y, "n"), directions=(directions, "q d"))
    doors.generator(rng)
    found = _pulled(on_sphere(np.concatenate([directions, -directions])), x, y).longest()
    for size in np.geomspace(1.0, 0.01, _ROUNDS):
        moved = on_sphere(found.w + size * rng.standard_normal(found.w.shape))
        found = found.or_longer(_pulled(moved, x, y))
    return float(found.length.max())


class _Pulled(NamedTuple):
    """Directions (q, d), and how long the force on each is (q,)."""

    w: Array
    length: Array

    def longest(self) -> "_Pulled":
        """`_CLIMBERS` of them at most, with the longest forces."""
        best = np.argsort(self.length)[-_CLIMBERS:]
        return _Pulled(self.w[best], self.length[best])

    def or_longer(self, other: "_Pulled") -> "_Pulled":
        """Of each pair the one with the longer force."""
        better = other.length > self.length
        w = np.where(better[:, None], other.w, self.w)
        return _Pulled(w, np.where(better, other.length, self.length))


def _pulled(w: Array, x: Array, y: Array) -> _Pulled:
    return _Pulled(w, np.linalg.norm(d_n(w, x, y), axis=1))


def _solve(sign: float, active: Mask, edge: Mask, x: Array, pulls: Array) -> Array:
    """The extremal vector with these samples active and those on the boundary, NaN without one.

    w is orthogonal to the x_k on the boundary, and so is D = D_others + sum_k eta_k y_k x_k / n,
    parallel to w: D is D_others without its part in their span, and eta follows. It counts if each
    eta is inside (0, 1) and w has the assumed pattern.
    """
    none = np.full(x.shape[1], np.nan)
    if edge.sum() >= x.shape[1]:
        return none
    vector, eta = _without_span(active @ pulls, pulls[edge])
    pattern = sign * (x @ vector) > 0
    fits = np.array_equal(pattern[~edge], active[~edge]) and _inner(eta)
    return vector if fits and np.linalg.norm(vector) > _negligible(pulls) else none


def _inner(eta: Array) -> bool:
    return bool(np.all((eta > 0) & (eta < 1)))


def _without_span(vector: Array, others: Array) -> tuple[Array, Array]:
    """The vector plus what makes it orthogonal to the others (k, d), and their shares in that."""
    shares = np.linalg.lstsq(others.T, -vector, rcond=None)[0]
    return vector + shares @ others, shares


def farthest(found: Extremal, population: Array) -> float:
    """The largest distance of an extremal vector other than 0 to D (d,); NaN without any.

    D is the population's only one.
    """
    (population,) = doors.finite(population=(population, str(found.vectors.shape[1])))
    distances = _distances(found.vectors, population)
    return float(distances.max()) if len(distances) else np.nan


def _distances(forces: Array, population: Array) -> Array:
    """|D - D_population| of each, (s,)."""
    return np.linalg.norm(forces - population, axis=1)


def widest_angle(found: Extremal) -> float:
    """Largest angle in radians between two extremal vectors other than 0.

    It is 0 for a single one, NaN without any.

    By differences of unit vectors, 2 arcsin(|u - v| / 2): the arc cosine cannot tell small angles
    from none.
    """
    unit = on_sphere(found.vectors)
    chords = np.linalg.norm(unit[:, None] - unit, axis=2)
    return float(2 * np.arcsin(min(1.0, chords.max() / 2))) if len(unit) else np.nan


def _inputs(x: Array, y: Array) -> list[Array]:
    """Finite samples, and an input other than 0: without one there is no boundary."""
    x, y = training_doors.samples(x, y)
    doors.not_all_zero("x", x)
    return [x, y]


def _plane(x: Array, y: Array) -> list[Array]:
    """The same in the plane, where alone everything is exact."""
    doors.arrays(x=(x, "n 2"))
    return _inputs(x, y)


def _pulls(x: Array, y: Array) -> Array:
    """y_k x_k / n, (n, d): what each sample adds to D_n where it is active."""
    return np.asarray(y, dtype=np.float64)[:, None] * np.asarray(x, dtype=np.float64) / len(y)


def _negligible(pulls: Array) -> float:
    """The length below which a sum of pulls is 0 but for rounding."""
    return _NOTHING * float(np.sum(np.linalg.norm(pulls, axis=1)))


def _distinct(vectors: Array, tolerance: float) -> list[int]:
    """Indices of the first of each cluster of equal vectors; vectors of NaN are none."""
    kept: list[int] = []
    for index, vector in enumerate(vectors):
        apart = _distances(vectors[kept], vector) > tolerance
        if np.isfinite(vector).all() and apart.all():
            kept.append(index)
    return kept
