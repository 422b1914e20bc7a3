"""The linear phase of a training run, from the tables of its checkpoints.

Nakkiran et al. 2019, claims 1 and 2. Tables have the axes (..., probe, F, Y, L) and are counts, or
expected counts where a classifier was made noisier. F is the network at a checkpoint, L the simple
classifier, Y the label.
"""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from simplicity.nakkiran import information
from simplicity.problems import doors

Array = NDArray[np.floating]
SUSTAINED = 3
LEAST_BITS = 0.01  # below this much information the ratio mu / I is noise
GAINED = 1.5  # times I(L;Y): where runs of different ends are compared


def first_match(counts: ArrayLike, sustained: int = SUSTAINED) -> int | None:
    """T0 of one run; None without one.

    The first checkpoint from which I(F;Y) > I(L;Y) at `sustained` checkpoints in a row.

    The authors' T0 is the first epoch at which the average over runs exceeds 1 - h(accuracy of L).
    A network that is worse than chance has information too, and matches nothing.
    """
    counts = doors.counts(counts, "probe f y l")
    doors.whole("sustained", sustained, 1)
    found = information.information(counts)
    above = (found.network > found.simple) & (information.accuracies(counts)[0] > 0.5)
    return _first_run(above, sustained)


def averaged_match(counts: ArrayLike) -> int | None:
    """The authors' T0 for tables (seed, probe, F, Y, L).

    The first probe whose mean I(F;Y) exceeds the mean 1 - h(acc L).
    """
    counts = doors.counts(counts, "seed probe f y l")
    line = information.from_accuracy(information.accuracies(counts)[1]).mean(axis=0)
    return _first_run(information.information(counts).network.mean(axis=0) > line, 1)


class Reading(NamedTuple):
    """What the authors print or plot of a task, from averages over runs."""

    accuracy: float  # of L
    line: float  # 1 - h(accuracy of L), their I(L;Y)
    match: int | None  # T0, as a probe's index
    kept_at_match: float  # mu(T0) / line
    network_end: float  # I(F;Y)
    mu_end: float
    ratio_end: float  # mu / I(F;Y)


def as_authors(counts: ArrayLike) -> Reading:
    """Tables (seed, probe, F, Y, L) read as in the authors' code."""
    counts = doors.counts(counts, "seed probe f y l")
    found = information.information(counts)
    accuracy = float(information.accuracies(counts)[1].mean())
    line = float(information.from_accuracy(information.accuracies(counts)[1]).mean())
    at, mu, network = averaged_match(counts), found.mu.mean(axis=0), found.network.mean(axis=0)
    kept = float("nan") if at is None else float(mu[at] / line)
    return Reading(
        accuracy, line, at, kept, float(network[-1]), float(mu[-1]), float(mu[-1] / network[-1])
    )


def explained(counts: ArrayLike, until: int) -> float:
    """Mean of mu / I(F;Y) over the checkpoints up to `until`.

    Of those with more than `LEAST_BITS`; NaN where none has.
    """
    counts = doors.counts(counts, "probe f y l")
    doors.whole("until", until, 0, len(counts) - 1)
    found = information.information(np.asarray(counts)[: until + 1])
    enough = found.network > LEAST_BITS
    return (
        float(np.mean(found.mu[enough] / found.network[enough])) if enough.any() else float("nan")
    )


def independent(counts: ArrayLike) -> Array:
    """The same tables with R in L's place: as accurate, otherwise unrelated to F.

    `mu_null` by table.

    p(f, y, r) = p(f, y) a if r = y, and p(f, y) (1 - a) if not, with a the accuracy of L. Expected
    counts, no draw.
    """
    counts = doors.counts(counts, "... 2 2 2")
    n = np.asarray(counts, dtype=float)
    accuracy = information.accuracies(n)[1][..., None, None, None]
    same = np.eye(2)[None]  # (f, y, r): is r = y
    return n.sum(axis=-1, keepdims=True) * np.where(same, accuracy, 1 - accuracy)


def degraded(counts: ArrayLike, accuracy: ArrayLike) -> Array:
    """L made as inaccurate as `accuracy` (...).

    By flipping a share q of its predictions at random, in expectation.

    a' = a (1 - q) + (1 - a) q. An L that is already below stays as it is.
    """
    counts = doors.counts(counts, "... 2 2 2")
    doors.shares(accuracy=accuracy)
    n = np.asarray(counts, dtype=float)
    before = information.accuracies(n)[1]
    room = 2 * before - 1
    share = np.divide(before - np.asarray(accuracy), room, out=np.zeros_like(room), where=room > 0)
    q = np.clip(share, 0, 0.5)[..., None, None, None]
    return (1 - q) * n + q * n[..., ::-1]


def equally_accurate(counts: ArrayLike, other: ArrayLike) -> tuple[Array, Array]:
    """Tables of two classifiers on the same points, as accurate as each other.

    The more accurate one is made as inaccurate as the other.
    """
    first, second = (information.accuracies(tables)[1] for tables in (counts, other))
    return degraded(counts, second), degraded(other, first)


def redrawn(counts: ArrayLike, draws: int, rng: Generator) -> Array:
    """`independent` by experiment, (draws, ..., F, Y, R).

    R is the label with a probability of the accuracy of L.
    """
    counts = doors.indices(
        "counts", doors.counts(counts, "... 2 2 2"), np.iinfo(np.int64).max, "..."
    )
    doors.whole("draws", draws, 1)
    doors.generator(rng)
    n = np.asarray(counts)
    both = n.sum(axis=-1)
    accuracy = np.broadcast_to(information.accuracies(n)[1][..., None, None], both.shape)
    right = rng.binomial(both, accuracy, size=(draws, *both.shape))
    wrong = both - right
    zero, one = (
        np.stack([right, wrong], axis=-1),
        np.stack([wrong, right], axis=-1),
    )  # r = 0, 1 where y = 0; where y = 1
    return np.stack([zero[..., 0, :], one[..., 1, :]], axis=-2)


def retention(counts: ArrayLike) -> Array:
    """`information.retention_index` against independent errors, (...).

    Each is from the tables themselves.
    """
    found, null = information.information(counts), information.information(independent(counts))
    return information.retention_index(found.mu, null.mu, found.network, found.simple)


def where_gained(counts: ArrayLike, times: float = GAINED) -> tuple[int, float] | None:
    """The first checkpoint with I(F;Y) >= `times` I(L;Y), and how far before it that is met.

    The line from the checkpoint before reaches the level that far before it, in [0, 1]. None where
    no checkpoint has as much.

    At one level of information a retention index can be compared between runs. At the end of a
    good run it cannot fail: a perfect F has mu = I(L;Y) whatever L is.
    """
    counts = doors.counts(counts, "probe 2 2 2")
    found = information.information(counts)
    level = times * found.simple
    enough = (found.network >= level) & (information.accuracies(counts)[0] > 0.5)
    at = _first_run(enough, 1)
    if not at:
        return None if at is None else (0, 0.0)
    rise = found.network[at] - found.network[at - 1]
    return at, float((found.network[at] - level[at]) / rise) if rise > 0 else 0.0


def at_gained(counts: ArrayLike, values: Array) -> float:
    """A value of each checkpoint where `where_gained`, between two checkpoints by a line."""
    found = where_gained(counts)
    if found is None:
        return float("nan")
    at, back = found
    return float((1 - back) * values[at] + back * values[max(at - 1, 0)])


class Phase(NamedTuple):
    """One run in numbers, in bits, ratios and indices without unit.

    Those that need T0 are NaN where F never matches L.
    """

    match: float  # T0 as a checkpoint's index
    explained: float  # mean of mu / I(F;Y) up to T0
    explained_by_random: float  # the same with R in the place of L
    explained_by_other: float  # with the other classifier, L and it made equally accurate
    explained_when_equal: float  # with L, so made
    kept_at_match: float  # mu / I(L;Y) at T0
    over_random: float  # mu - mu with R at T0
    over_other: float  # mu with L - mu with the other at T0, equally accurate
    over_random_end: float
    over_other_end: float
    index_gained: float  # retention index where I(F;Y) = GAINED I(L;Y)
    index_end: float  # at the end
    index_end_other: float  # of the other classifier
    kept_end: float  # mu / its own largest value
    ratio_end: float  # mu / I(F;Y)
    gap_at_match: float  # I(F;Y) on training points minus that on test points, at T0
    gap_end: float
    matched_information: float  # largest I(F;Y) of the run over I(L;Y)


def phase(counts: ArrayLike, other: ArrayLike, training: ArrayLike) -> Phase:
    """Findings for three tables (probe, F, Y, L).

    With L, with the other classifier on the same points, and with L on training points.
    """
    counts = doors.counts(counts, "probe 2 2 2")
    other = doors.counts(other, f"{len(counts)} 2 2 2", "other")
    training = doors.counts(training, f"{len(counts)} 2 2 2", "training")
    n, m = np.asarray(counts, dtype=float), np.asarray(other, dtype=float)
    random = independent(n)
    ours, theirs = equally_accurate(n, m)
    mu, mu_random, mu_ours, mu_theirs = (
        information.information(part).mu for part in (n, random, ours, theirs)
    )
    found = information.information(n)
    gap = information.information(training).network - found.network
    at = first_match(n)
    none = float("nan")

    def at_match(values: Array) -> float:
        return none if at is None else float(values[at])

    def until(part: Array) -> float:
        return none if at is None else explained(part, at)

    return Phase(
        match=none if at is None else float(at),
        explained=until(n),
        explained_by_random=until(random),
        explained_by_other=until(theirs),
        explained_when_equal=until(ours),
        kept_at_match=at_match(mu / found.simple),
        over_random=at_match(mu - mu_random),
        over_other=at_match(mu_ours - mu_theirs),
        over_random_end=float(mu[-1] - mu_random[-1]),
        over_other_end=float(mu_ours[-1] - mu_theirs[-1]),
        index_gained=at_gained(n, retention(n)),
        index_end=float(retention(n)[-1]),
        index_end_other=float(retention(m)[-1]),
        kept_end=float(mu[-1] / mu.max()),
        ratio_end=float(mu[-1] / found.network[-1]),
        gap_at_match=at_match(gap),
        gap_end=float(gap[-1]),
        matched_information=float(found.network.max() / found.simple[0]),
    )


def _first_run(above: NDArray[np.bool_], length: int) -> int | None:
    for index in range(len(above) - length + 1):
        if above[index : index + length].all():
            return index
    return None
