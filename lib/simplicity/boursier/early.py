"""The early phase: tau, who is aligned, when the loss moves (Boursier & Flammarion, section 3).

All of it lives at h = 0, where a neuron feels D_n(w) = D_n(w, 0). With v = w_j / a_j the flow is
dv/dt = D - <D, v> v on the unit ball: v climbs G_n and ends at D/|D|. Neurons with a_j > 0 thus
turn to maximisers of G_n on the unit sphere, the others to minimisers; which those are, and how
long the largest force is, `extremal` tells. Inputs are rows, x (n, d); everything is pure, in
float64.
"""

import numpy as np
from numpy.typing import NDArray

from simplicity.boursier.alignment import d_n, signed_cosines
from simplicity.problems import doors

Array = NDArray[np.floating]

ALIGNED = 0.99  # a cosine above counts as aligned
DROP = 0.1  # of the loss: the plateau is over
EPS = (0.25, 0.5)
# the moments of a run: tau with either eps between its ends
START, TAU_QUARTER, TAU_HALF, EXIT = range(4)


def tau(scale: float, force: float, eps: float) -> float:
    """tau = -eps ln(lambda) / |D_max|, the end of the theorem's early phase.

    It is 0 from lambda = 1 on.
    """
    doors.number("scale", scale, above=0)
    doors.number("force", force, above=0)
    doors.number("eps", eps)
    return max(0.0, -eps * float(np.log(scale)) / force)


def exit_ratio(time: float, scale: float, force: float) -> float:
    """time x |D_max| / ln(1/lambda); NaN from lambda = 1 on.

    It is 1 if every neuron grew at the largest rate from the start.
    """
    doors.number("scale", scale, above=0)
    return time * force / -float(np.log(scale)) if scale < 1 else float("nan")


def left_plateau(losses: Array) -> int | None:
    """The first probe at which the loss has lost a share `DROP` of its first value, or None."""
    (losses,) = doors.arrays(losses=(losses, "n"))
    low = np.flatnonzero(losses <= (1 - DROP) * losses[0])
    return int(low[0]) if len(low) else None


def cosines_to_force(a: Array, w: Array, x: Array, y: Array) -> Array:
    """sign(a_j) cos(w_j, D_n(w_j)), (m,).

    1 is aligned with its own force; NaN where D_n(w_j) = 0.
    """
    a, w, x, y = doors.arrays(a=(a, "m"), w=(w, "m d"), x=(x, "n d"), y=(y, "n"))
    return signed_cosines(a, w, d_n(w, x, y))


def aligned_share(a: Array, w: Array, x: Array, y: Array) -> float:
    """Share of the neurons with a force that have turned to it.

    Those without any are `idle_share`.
    """
    cosine = cosines_to_force(a, w, x, y)
    felt = np.isfinite(cosine)
    return float(np.mean(cosine[felt] > ALIGNED)) if felt.any() else float("nan")


def idle_share(a: Array, w: Array, x: Array, y: Array) -> float:
    """Share of neurons without a force, D_n = 0: the theorem's other case.

    No sample activates them, or none with a label that is not 0.
    """
    return float(np.mean(~np.isfinite(cosines_to_force(a, w, x, y))))


def largest_own_force(w: Array, x: Array, y: Array) -> float:
    """max_j |D_n(w_j)| over the given directions."""
    doors.arrays(w=(w, "m d"))
    return float(np.linalg.norm(d_n(w, x, y), axis=1).max())


def leading_force(a: Array, w: Array, x: Array, y: Array) -> float:
    """|D_n(w_j)| of the neuron with the largest |a_j|, the one that moves the loss first."""
    x, y, a, w = doors.arrays(x=(x, "n d"), y=(y, "n"), a=(a, "m"), w=(w, "m d"))
    j = int(np.argmax(np.abs(a)))
    return largest_own_force(w[j : j + 1], x, y)
