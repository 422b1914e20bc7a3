"""The early phase: the largest force, its time tau, who is aligned, when the loss moves (Boursier & Flammarion, section 3).

All of it lives at h = 0, where a neuron feels D_n(w) = D_n(w, 0). With v = w_j / a_j the flow is dv/dt = D - <D, v> v on the
unit ball: v climbs G_n and ends at D/|D|. Neurons with a_j > 0 thus turn to maximisers of G_n on the unit circle, the others
to minimisers. Inputs are rows, x (n, d); everything is pure, in float64.
"""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from simplicity.measure.alignment import d_n

Array = NDArray[np.floating]

ALIGNED = 0.99  # a cosine above counts as aligned
DROP = 0.1  # of the loss: the plateau is over
_CLIMBERS, _ROUNDS = 64, 300


def tau(scale: float, force: float, eps: float) -> float:
    """tau = -eps ln(lambda) / |D_max|: the end of the early phase in the theorem's statement, 0 at lambda = 1."""
    return -eps * float(np.log(scale)) / force


def exit_ratio(time: float, scale: float, force: float) -> float:
    """time x |D_max| / ln(1/lambda): 1 if every neuron grew at the largest rate from the start; NaN at lambda = 1 (0/0)."""
    return time * force / -float(np.log(scale)) if scale < 1 else float("nan")


def left_plateau(losses: Array) -> int | None:
    """Index of the first probe at which the loss has lost a share `DROP` of its first value; None if it never does."""
    low = np.flatnonzero(losses <= (1 - DROP) * losses[0])
    return int(low[0]) if len(low) else None


def signed_cosine(a: Array, w: Array, x: Array, y: Array) -> Array:
    """sign(a_j) cos(w_j, D_n(w_j)) of each neuron, (m,): 1 is aligned with its own force; NaN where D_n(w_j) = 0."""
    force = d_n(w, x, y)
    lengths = np.linalg.norm(w, axis=1) * np.linalg.norm(force, axis=1)
    cosine = np.divide(np.sum(w * force, axis=1), lengths, out=np.full(len(lengths), np.nan), where=lengths > 0)
    return np.sign(a) * cosine


def aligned_share(a: Array, w: Array, x: Array, y: Array) -> float:
    """Share of the neurons with a force that have turned to it; those without any are `idle_share`."""
    cosine = signed_cosine(a, w, x, y)
    felt = np.isfinite(cosine)
    return float(np.mean(cosine[felt] > ALIGNED)) if felt.any() else float("nan")


def idle_share(a: Array, w: Array, x: Array, y: Array) -> float:
    """Share of neurons that no sample activates: the theorem's other case."""
    return float(np.mean(~np.isfinite(signed_cosine(a, w, x, y))))


def longest(w: Array, x: Array, y: Array) -> float:
    """max_j |D_n(w_j)| over the given directions."""
    return float(np.linalg.norm(d_n(w, x, y), axis=1).max())


def leading_force(a: Array, w: Array, x: Array, y: Array) -> float:
    """|D_n(w_j)| of the neuron with the largest |a_j|, the one that moves the loss first."""
    j = int(np.argmax(np.abs(a)))
    return longest(w[j : j + 1], x, y)


def largest_force(x: Array, y: Array, directions: Array, rng: Generator) -> float:
    """|D_max|, the largest |D_n(w)| over all w: exact for d = 2, searched from `directions` (q, d) otherwise.

    The search returns a lower bound. D_n is a set where <w, x_k> = 0, but its elements there are convex combinations of
    those of the sectors around, so none is longer.
    """
    if x.shape[1] == 2:
        return float(np.linalg.norm(sectors(x, y).force, axis=1).max())
    return search_force(x, y, directions, rng)


def search_force(x: Array, y: Array, directions: Array, rng: Generator) -> float:
    """The longest force of the given directions and their opposites, then random moves of shrinking size that lengthen it."""
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


class Sectors(NamedTuple):
    """The circle cut where a sample switches: from angle `start[i]` to `end[i]` the force is the constant `force[i]`."""

    start: Array
    end: Array
    force: Array


def sectors(x: Array, y: Array) -> Sectors:
    """All activation sectors of d = 2, in the order of their angles; the last one goes past 2 pi."""
    borders = np.arctan2(x[:, 1], x[:, 0])[:, None] + np.array([-0.5, 0.5]) * np.pi
    start = np.unique(borders % (2 * np.pi))
    end = np.append(start[1:], start[0] + 2 * np.pi)
    return Sectors(start, end, d_n(circle((start + end) / 2), x, y))


def circle(angle: Array) -> Array:
    """Unit vectors (q, 2) at the given angles (q,)."""
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def attractors(x: Array, y: Array) -> tuple[Array, Array]:
    """Angles of the local maximisers and of the local minimisers of G_n on the circle, where neurons of d = 2 end.

    In a sector G_n = |D| cos(angle - angle of D), so its derivative is -|D| sin(...). A maximiser lies inside a sector, where
    w points along D, or on a border at which the derivative falls through 0; minimisers are the maximisers for -y.
    """
    return _maximisers(sectors(x, y)), _maximisers(sectors(x, -y))


def _maximisers(part: Sectors) -> Array:
    towards = np.arctan2(part.force[:, 1], part.force[:, 0])
    inside = part.start + (towards - part.start) % (2 * np.pi)
    found = inside[(inside < part.end) & (np.linalg.norm(part.force, axis=1) > 0)]
    tangent = np.stack([-np.sin(part.start), np.cos(part.start)], axis=1)
    after = np.sum(part.force * tangent, axis=1)
    before = np.sum(np.roll(part.force, 1, axis=0) * tangent, axis=1)
    return np.sort(np.concatenate([found, part.start[(before > 0) & (after < 0)]]) % (2 * np.pi))
