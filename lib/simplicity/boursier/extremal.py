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

from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from simplicity.boursier.alignment import d_n
from simplicity.problems import doors, training_doors

Array = NDArray[np.floating]
Mask = NDArray[np.bool_]

# radians: boundaries nearer than this are one, as those of x and -x are but for rounding
_TIE = 1e-12
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
        return (
            self.signs[:, None] * self.vectors / np.linalg.norm(self.vectors, axis=1, keepdims=True)
        )

    def ends(self, sign: int) -> Array:
        """Where neurons with a_j of this sign can end, (q, d).

        Maximisers of G_n for 1, minimisers for -1.

        Only those where s G_n > 0. A maximiser with G_n < 0 holds the direction of a neuron with
        a_j > 0 but shrinks it: on the unit ball of w_j / a_j it repels along the radius.
        """
        return self.directions[self.attracting & (self.signs == sign)]


class Sectors(NamedTuple):
    """The circle cut by the lines <w, x_k> = 0.

    Sector i lies between edges[i] and edges[i + 1], counter-clockwise.

    `edges` (s + 1,): angles, the last being the first plus 2 pi; `forces` (s, d): D_n inside each
    sector; `changes` (2n, d): what enters or leaves one sample at a time, of which
    changes[begins[i]:begins[i + 1]] happen at edges[i].
    """

    edges: Array
    forces: Array
    changes: Array
    begins: NDArray[np.intp]


def circle(angle: Array | float) -> Array:
    """Unit vectors (..., 2) at the given angles."""
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def exact(x: Array, y: Array) -> Extremal:
    """All extremal vectors for d = 2, in the order of their angle; O(n log n).

    Inside a sector G_n(w) = <w, D>, so its derivative along the circle, the component of D across
    w, is monotone: a critical point exists if and only if the derivative changes sign between the
    two ends, and then it is D/|D| or -D/|D|. On a boundary the derivative jumps, and a jump across
    zero is a critical point whose eta is the one that makes the derivative vanish.
    """
    x, y = _plane(x, y)
    pulls = _pulls(x, y)
    small = _NOTHING * float(np.sum(np.linalg.norm(pulls, axis=1)))
    sectors = _sectors(x, pulls)
    long = np.linalg.norm(sectors.forces, axis=1) > small
    inside, on_edge = _inside(sectors, long), _on_edges(sectors, small)
    order = np.argsort(np.concatenate([inside.places, on_edge.places]), kind="stable")
    boundary = np.repeat([False, True], [len(inside.places), len(on_edge.places)])
    _, vectors, signs, attracting = (
        np.concatenate(both)[order] for both in zip(inside, on_edge, strict=True)
    )
    return Extremal(vectors, signs, boundary[order], attracting, bool(np.any(~long)))


class _Found(NamedTuple):
    """Critical points of one kind: their angles, vectors and signs, and do they attract?"""

    places: Array
    vectors: Array
    signs: Array
    attracting: Mask


def _inside(sectors: Sectors, long: Mask) -> _Found:
    """Those inside a sector whose force is `long`: the derivative changes sign between its ends."""
    left, right = circle(sectors.edges[:-1]), circle(sectors.edges[1:])
    at_left, at_right = _across(left, sectors.forces), _across(right, sectors.forces)
    here = long & (at_left * at_right < 0)
    every = np.ones(int(here.sum()), dtype=bool)
    return _Found(sectors.edges[:-1][here], sectors.forces[here], np.sign(at_left[here]), every)


def _on_edges(sectors: Sectors, small: float) -> _Found:
    """Those on a boundary, across which the derivative jumps through 0."""
    left, behind = circle(sectors.edges[:-1]), np.roll(sectors.forces, 1, axis=0)
    # what crosses here is orthogonal to the edge
    along = np.sum(left * behind, axis=1)
    low, high = _jumps(sectors)
    here = (low < 0) & (high > 0) & (np.abs(along) > small)
    signs = np.sign(along)
    # s G_n rises up to the edge and falls after it
    top = (signs * _across(left, behind) > 0) & (signs * _across(left, sectors.forces) < 0)
    vectors = along[here, None] * left[here]
    return _Found(sectors.edges[:-1][here], vectors, signs[here], top[here])


def deviation(x: Array, y: Array, population: Array) -> float:
    """sup over |w| = 1 and the elements of D_n(w) of |D_n(w) - D|, exact for d = 2.

    D (2,) does not depend on w.

    The left side of theorem 3.1, before the expectation. D_n(w) at a boundary is the segment
    between its two sectors (a convex set), so the supremum is attained inside one.
    """
    x, y = _plane(x, y)
    (population,) = doors.finite(population=(population, "2"))
    return float(np.max(np.linalg.norm(_sectors(x, _pulls(x, y)).forces - population, axis=1)))


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
    pulls, best = _pulls(x, y), 0.0
    for _ in range(starts):
        w = _on_sphere(rng.standard_normal((x.shape[1],)))
        for _ in range(circles):
            tangent = rng.standard_normal(len(w))
            plane = np.stack([w, _on_sphere(tangent - (tangent @ w) * w)])
            sectors = _sectors(x @ plane.T, pulls)
            distances = np.linalg.norm(sectors.forces - population, axis=1)
            winner = int(np.argmax(distances))
            middle: Array = circle(sectors.edges[winner : winner + 2].mean())
            w = _on_sphere(middle @ plane)
        best = max(best, float(distances[winner]))
    return best


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
    w = _on_sphere(rng.standard_normal((2 * starts, x.shape[1])))
    active, flips = _climbed(w, signs, x, pulls, steps)
    small = _NOTHING * float(np.sum(np.linalg.norm(pulls, axis=1)))
    patterns = zip(signs, active, flips, strict=True)
    vectors = np.array([_solve(s, on & ~edge, edge, x, pulls, small) for s, on, edge in patterns])
    kept = _distinct(vectors, small)
    edges, found = flips[kept], signs[kept]
    on_boundary: Mask = np.any(edges, axis=1, keepdims=True)[:, 0]
    # To either side of the boundary of x_k, s G_n departs from its value by s y_k times something
    # positive.
    attracting = ~np.any(edges & (found[:, None] * y > 0), axis=1)
    return Extremal(vectors[kept], found, on_boundary, attracting, False)


def _climbed(w: Array, signs: Array, x: Array, pulls: Array, steps: int) -> tuple[Mask, Mask]:
    """Which samples are active for each w after a search, and which were entering or leaving."""
    flips = np.zeros((len(w), len(x)), dtype=bool)
    active = w @ x.T > 0
    for step in range(steps):
        rate = 0.5 * 0.985**step
        w = _on_sphere((1 - rate) * w + rate * signs[:, None] * _on_sphere(active @ pulls))
        before, active = active, w @ x.T > 0
        if step >= steps - _LAST:
            flips |= active != before
    return active, flips


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
    w = np.concatenate([directions, -directions])
    w = w / np.linalg.norm(w, axis=1, keepdims=True)
    length = np.linalg.norm(d_n(w, x, y), axis=1)
    best = np.argsort(length)[-_CLIMBERS:]
    w, length = w[best], length[best]
    for size in np.geomspace(1.0, 0.01, _ROUNDS):
        moved = w + size * rng.standard_normal(w.shape)
        moved /= np.linalg.norm(moved, axis=1, keepdims=True)
        reached = np.linalg.norm(d_n(moved, x, y), axis=1)
        better = reached > length
        w, length = np.where(better[:, None], moved, w), np.where(better, reached, length)
    return float(length.max())


def _solve(sign: float, active: Mask, edge: Mask, x: Array, pulls: Array, small: float) -> Array:
    """The extremal vector with these samples active and those on the boundary, NaN without one.

    w is orthogonal to the x_k on the boundary, and so is D = D_others + sum_k eta_k y_k x_k / n,
    parallel to w: D is D_others without its part in their span, and eta follows. It counts if each
    eta is inside (0, 1) and w has the assumed pattern.
    """
    none = np.full(x.shape[1], np.nan)
    if edge.sum() >= x.shape[1]:
        return none
    others = active @ pulls
    eta = np.linalg.lstsq(pulls[edge].T, -others, rcond=None)[0]
    vector = others + eta @ pulls[edge]
    pattern = sign * (x @ vector) > 0
    fits = (
        np.linalg.norm(vector) > small
        and np.all((eta > 0) & (eta < 1))
        and np.array_equal(pattern[~edge], active[~edge])
    )
    return vector if fits else none


def farthest(found: Extremal, population: Array) -> float:
    """The largest distance of an extremal vector other than 0 to D (d,); NaN without any.

    D is the population's only one.
    """
    (population,) = doors.finite(population=(population, str(found.vectors.shape[1])))
    if not len(found.signs):
        return float("nan")
    return float(np.max(np.linalg.norm(found.vectors - population, axis=1)))


def widest_angle(found: Extremal) -> float:
    """Largest angle in radians between two extremal vectors other than 0.

    It is 0 for a single one, NaN without any.

    By differences of unit vectors, 2 arcsin(|u - v| / 2): the arc cosine cannot tell small angles
    from none.
    """
    if not len(found.signs):
        return float("nan")
    unit = _on_sphere(found.vectors)
    chords = np.linalg.norm(unit[:, None] - unit[None], axis=2)
    return float(2 * np.arcsin(min(1.0, chords.max() / 2)))


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


def _sectors(plane: Array, pulls: Array) -> Sectors:
    """Walk once around the circle; `plane` (n, 2) are the inputs projected on it, `pulls` (n, d).

    Sample k is active where w is within a right angle of it: it enters at its angle - pi/2 and
    leaves at + pi/2. The walk starts in the widest gap, so that no tie is split, and each D_n is
    the sum of all that has entered and left.
    """
    seen = np.any(plane != 0, axis=1)  # an input that is orthogonal to the plane is active nowhere
    plane, pulls = plane[seen], pulls[seen]
    angle = np.arctan2(plane[:, 1], plane[:, 0])
    events = np.mod(np.concatenate([angle - np.pi / 2, angle + np.pi / 2]), 2 * np.pi)
    order = np.argsort(events, kind="stable")
    gaps = np.diff(events[order], append=events[order[0]] + 2 * np.pi)
    first = (int(np.argmax(gaps)) + 1) % len(order)
    order, gaps = np.roll(order, -first), np.roll(gaps, -first)
    changes = np.concatenate([pulls, -pulls])[order]
    start = plane @ circle(events[order[0]] - gaps[-1] / 2) > 0
    forces = pulls[start].sum(axis=0) + np.cumsum(changes, axis=0)
    ends = np.flatnonzero(gaps > _TIE)  # the last event of each boundary
    begins = np.concatenate([[0], ends[:-1] + 1])
    edges = events[order[0]] + np.concatenate([[0.0], np.cumsum(gaps)])
    return Sectors(np.append(edges[begins], edges[-1]), forces[ends], changes, begins)


def _jumps(sectors: Sectors) -> tuple[Array, Array]:
    """Least and largest derivative of G_n along the circle at each edge (d = 2).

    Over every eta in [0, 1].
    """
    left = circle(sectors.edges[:-1])
    sizes = np.diff(sectors.begins, append=len(sectors.changes))
    jumps = _across(np.repeat(left, sizes, axis=0), sectors.changes)
    before = _across(left, np.roll(sectors.forces, 1, axis=0))
    low, high = (
        np.add.reduceat(clip(jumps, 0.0), sectors.begins) for clip in (np.minimum, np.maximum)
    )
    return before + low, before + high


def _distinct(vectors: Array, tolerance: float) -> list[int]:
    """Indices of the first of each cluster of equal vectors; vectors of NaN are none."""
    kept: list[int] = []
    for index, vector in enumerate(vectors):
        if np.isfinite(vector).all() and all(
            np.linalg.norm(vector - vectors[other]) > tolerance for other in kept
        ):
            kept.append(index)
    return kept


def _across(direction: Array, vector: Array) -> Array:
    """Component of `vector` (s, 2) along the counter-clockwise tangent of `direction` (s, 2)."""
    return direction[:, 0] * vector[:, 1] - direction[:, 1] * vector[:, 0]


def _on_sphere(vectors: Array) -> Array:
    """Along the last axis; a vector 0 stays 0."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
