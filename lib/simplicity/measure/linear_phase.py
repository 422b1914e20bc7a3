"""The linear phase of a training run, from the tables of its checkpoints (Nakkiran et al. 2019, claims 1 and 2).

Tables have the axes (..., probe, F, Y, L) and are counts, or expected counts where a classifier was made noisier. F is the
network at a checkpoint, L the simple classifier, Y the label.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simplicity.measure import information

Array = NDArray[np.floating]
SUSTAINED = 3
LEAST_BITS = 0.01  # below this much information the ratio mu / I is noise


def first_match(counts: ArrayLike, sustained: int = SUSTAINED) -> int | None:
    """T0 of one run: the first checkpoint from which I(F;Y) > I(L;Y) at `sustained` checkpoints in a row; None without one.

    The authors' T0 is the first epoch at which the average over runs exceeds 1 - h(accuracy of L). A network that is worse than
    chance has information too, and matches nothing.
    """
    found = information.information(counts)
    above = (found.network > found.simple) & (information.accuracies(counts)[0] > 0.5)
    return _first_run(above, sustained)


def averaged_match(counts: ArrayLike) -> int | None:
    """The authors' T0 for tables (seed, probe, F, Y, L): the first probe whose mean I(F;Y) exceeds the mean 1 - h(acc L)."""
    line = information.from_accuracy(information.accuracies(counts)[1]).mean(axis=0)
    return _first_run(information.information(counts).network.mean(axis=0) > line, 1)


def explained(counts: ArrayLike, until: int) -> float:
    """Mean of mu / I(F;Y) over the checkpoints up to `until` that have more than `LEAST_BITS`; NaN where none has."""
    found = information.information(np.asarray(counts)[: until + 1])
    enough = found.network > LEAST_BITS
    return float(np.mean(found.mu[enough] / found.network[enough])) if enough.any() else float("nan")


def independent(counts: ArrayLike) -> Array:
    """The same tables with R in the place of L: as accurate as L, and otherwise unrelated to F. `mu_null` by table.

    p(f, y, r) = p(f, y) a if r = y, and p(f, y) (1 - a) if not, with a the accuracy of L. Expected counts, no draw.
    """
    n = np.asarray(counts, dtype=float)
    accuracy = information.accuracies(n)[1][..., None, None, None]
    same = np.eye(2)[None]  # (f, y, r): is r = y
    return n.sum(axis=-1, keepdims=True) * np.where(same, accuracy, 1 - accuracy)


def degraded(counts: ArrayLike, accuracy: ArrayLike) -> Array:
    """L made as inaccurate as `accuracy` (...) by flipping a share q of its predictions at random, in expectation.

    a' = a (1 - q) + (1 - a) q. An L that is already below stays as it is.
    """
    n = np.asarray(counts, dtype=float)
    before = information.accuracies(n)[1]
    room = 2 * before - 1
    share = np.divide(before - np.asarray(accuracy), room, out=np.zeros_like(room), where=room > 0)
    q = np.clip(share, 0, 0.5)[..., None, None, None]
    return (1 - q) * n + q * n[..., ::-1]


def equally_accurate(counts: ArrayLike, other: ArrayLike) -> tuple[Array, Array]:
    """Tables of two classifiers on the same points, the more accurate one made as inaccurate as the other."""
    first, second = (information.accuracies(tables)[1] for tables in (counts, other))
    return degraded(counts, second), degraded(other, first)


def retention(counts: ArrayLike) -> Array:
    """`information.retention_index` against independent errors, each from the tables themselves; (...)."""
    found, null = information.information(counts), information.information(independent(counts))
    return information.retention_index(found.mu, null.mu, found.network, found.simple)


def _first_run(above: NDArray[np.bool_], length: int) -> int | None:
    for index in range(len(above) - length + 1):
        if above[index : index + length].all():
            return index
    return None
