"""A circle cut by the lines <w, x_k> = 0 into sectors, on each of which D_n(w) is constant.

In the plane (d = 2) this is all of the sphere; for d >= 3 it is a great circle.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

# radians: boundaries nearer than this are one, as those of x and -x are but for rounding
_TIE = 1e-12


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

    @property
    def starts(self) -> Array:
        """The angle at which each sector starts, (s,)."""
        return self.edges[:-1]

    @property
    def left(self) -> Array:
        """The same as directions, (s, 2)."""
        return circle(self.starts)

    @property
    def lengths(self) -> Array:
        """|D_n| inside each sector, (s,)."""
        return np.linalg.norm(self.forces, axis=1)

    def middle(self, sector: np.intp) -> Array:
        """The direction in the middle of a sector, (2,)."""
        return circle(self.edges[sector : sector + 2].mean())

    @property
    def behind(self) -> Array:
        """D_n in the sector before each, (s, d)."""
        return np.roll(self.forces, 1, axis=0)


def circle(angle: Array | float) -> Array:
    """Unit vectors (..., 2) at the given angles."""
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def cut(plane: Array, pulls: Array) -> Sectors:
    """Walk once around the circle; `plane` (n, 2) are the inputs projected on it, `pulls` (n, d).

    Sample k is active where w is within a right angle of it: it enters at its angle - pi/2 and
    leaves at + pi/2. The walk starts in the widest gap, so that no tie is split, and each D_n is
    the sum of all that has entered and left.
    """
    seen = np.any(plane != 0, axis=1)  # an input that is orthogonal to the plane is active nowhere
    plane, pulls = plane[seen], pulls[seen]
    order, first, gaps = _walk(_events(plane))
    changes = np.concatenate([pulls, -pulls])[order]
    before = pulls[plane @ circle(first - gaps[-1] / 2) > 0].sum(axis=0)
    forces = before + np.cumsum(changes, axis=0)
    ends = np.flatnonzero(gaps > _TIE)  # the last event of each boundary
    begins = np.concatenate([[0], ends[:-1] + 1])
    return Sectors(_edges(first, gaps, begins), forces[ends], changes, begins)


def _edges(first: float, gaps: Array, begins: NDArray[np.intp]) -> Array:
    """The angle of each boundary, and of the first once more."""
    places = first + np.concatenate([[0.0], np.cumsum(gaps)])
    return np.append(places[begins], places[-1])


def _events(plane: Array) -> Array:
    """The angles at which each sample enters, then those at which each leaves, in [0, 2 pi)."""
    angle = np.arctan2(plane[:, 1], plane[:, 0])
    return np.mod(np.concatenate([angle - np.pi / 2, angle + np.pi / 2]), 2 * np.pi)


def _walk(events: Array) -> tuple[NDArray[np.intp], float, Array]:
    """(order, angle of the first, gaps): around the circle from behind the widest gap."""
    order = np.argsort(events, kind="stable")
    gaps = np.diff(events[order], append=events[order[0]] + 2 * np.pi)
    back = -1 - int(gaps.argmax())
    order = np.roll(order, back)
    return order, events[order[0]], np.roll(gaps, back)


def jumps(sectors: Sectors) -> tuple[Array, Array]:
    """Least and largest derivative of G_n along the circle at each edge (d = 2).

    Over every eta in [0, 1].
    """
    before, steps = across(sectors.left, sectors.behind), _steps(sectors)
    falls, rises = np.minimum(steps, 0.0), np.maximum(steps, 0.0)
    low, high = (np.add.reduceat(part, sectors.begins) for part in (falls, rises))
    return before + low, before + high


def _steps(sectors: Sectors) -> Array:
    """What each sample's entering or leaving adds to the derivative, (2n,)."""
    sizes = np.diff(sectors.begins, append=len(sectors.changes))
    return across(np.repeat(sectors.left, sizes, axis=0), sectors.changes)


def across(direction: Array, vector: Array) -> Array:
    """Component of `vector` (s, 2) along the counter-clockwise tangent of `direction` (s, 2)."""
    return direction[:, 0] * vector[:, 1] - direction[:, 1] * vector[:, 0]
