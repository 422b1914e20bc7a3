"""The linear phase of a training run, from the tables of its checkpoints.

Nakkiran et al. 2019, claims 1 and 2. Tables have the axes (..., probe, F, Y, L) and are counts, or
expected counts where a classifier was made noisier. F is the network at a checkpoint, L the simple
classifier, Y the label.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from simplicity.nakkiran import information
from simplicity.nakkiran.information import Information
from simplicity.problems import doors

Array = NDArray[np.floating]
SUSTAINED = 3
LEAST_BITS = 0.01  # below this much information the ratio mu / I is noise
OPEN = 0.1  # of the gap at the end: hardly open yet
_SAME = np.eye(2, dtype=bool)  # (y, r): is r = y
GAINED = 1.5  # times I(L;Y): where runs of different ends are compared


def first_match(counts: ArrayLike) -> int | None:
    """T0 of one run; None without one.

    The first checkpoint from which I(F;Y) > I(L;Y) at `SUSTAINED` checkpoints in a row.

    The authors' T0 is the first epoch at which the average over runs exceeds 1 - h(accuracy of L).
    A network that is worse than chance has information too, and matches nothing.
    """
    counts = doors.counts(counts, "probe f y l")
    found = information.information(counts)
    above = (found.network > found.simple) & _better_than_chance(counts)
    return _first_run(above, SUSTAINED)


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
    found, accuracy = information.information(counts), information.accuracies(counts)[1]
    line = float(information.from_accuracy(accuracy).mean())
    at, mu, network = averaged_match(counts), found.mu.mean(axis=0), found.network.mean(axis=0)
    kept = math.nan if at is None else float(mu[at] / line)
    end = float(network[-1]), float(mu[-1]), float(mu[-1] / network[-1])
    return Reading(float(accuracy.mean()), line, at, kept, *end)


def explained(counts: ArrayLike, until: int) -> float:
    """Mean of mu / I(F;Y) over the checkpoints up to `until`.

    Of those with more than `LEAST_BITS`; NaN where none has.
    """
    counts = doors.counts(counts, "probe f y l")
    doors.whole("until", until, 0, len(counts) - 1)
    found = information.information(counts[: until + 1])
    enough = found.network > LEAST_BITS
    return float(np.mean(found.mu[enough] / found.network[enough])) if enough.any() else math.nan


def independent(counts: ArrayLike) -> Array:
    """The same tables with R in L's place: as accurate, otherwise unrelated to F.

    `mu_null` by table.

    p(f, y, r) = p(f, y) a if r = y, and p(f, y) (1 - a) if not, with a the accuracy of L. Expected
    counts, no draw.
    """
    n = doors.counts(counts, "... 2 2 2")
    accuracy = _of_l(n)
    return n.sum(axis=-1, keepdims=True) * np.where(_SAME, accuracy, 1 - accuracy)


def degraded(counts: ArrayLike, accuracy: ArrayLike) -> Array:
    """L made as inaccurate as `accuracy` (...).

    By flipping a share q of its predictions at random, in expectation.

    a' = a (1 - q) + (1 - a) q. An L that is already below stays as it is.
    """
    n = doors.counts(counts, "... 2 2 2")
    doors.shares(accuracy=accuracy)
    q = _flips(_of_l(n), np.asarray(accuracy)[..., None, None, None])
    return (1 - q) * n + q * n[..., ::-1]


def _flips(before: Array, after: Array) -> Array:
    """The share of flips that take one accuracy to another below it."""
    room = 2 * before - 1
    share = np.divide(before - after, room, out=np.zeros_like(room), where=room > 0)
    return np.clip(share, 0, 0.5)


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
    counts = doors.counts(counts, "... 2 2 2")
    n = doors.indices("counts", counts, np.iinfo(np.int64).max, "...")
    doors.whole("draws", draws, 1)
    doors.generator(rng)
    both = n.sum(axis=-1, keepdims=True)
    right = rng.binomial(both, _of_l(n), size=(draws, *both.shape))
    return np.where(_SAME, right, both - right)


def retention(counts: ArrayLike) -> Array:
    """`information.retention_index` against independent errors, (...).

    Each is from the tables themselves.
    """
    found, null = information.information(counts), information.information(independent(counts))
    return information.retention_index(found.mu, null.mu, found.network, found.simple)


def where_gained(counts: ArrayLike) -> tuple[int, float] | None:
    """The first checkpoint with I(F;Y) >= `GAINED` I(L;Y), and how far before it that is met.

    The line from the checkpoint before reaches the level that far before it, in [0, 1]. None where
    no checkpoint has as much.

    At one level of information a retention index can be compared between runs. At the end of a
    good run it cannot fail: a perfect F has mu = I(L;Y) whatever L is.
    """
    counts = doors.counts(counts, "probe 2 2 2")
    found = information.information(counts)
    level = GAINED * found.simple
    enough = (found.network >= level) & _better_than_chance(counts)
    at = _first_run(enough, 1)
    return None if at is None else (at, _back(found.network[: at + 1], level[at]))


def _back(network: Array, level: float) -> float:
    """How far before its end a curve was at the level, as a share of its last piece."""
    rise = network[-1] - network[-2] if len(network) > 1 else 0.0
    return float((network[-1] - level) / rise) if rise > 0 else 0.0


def at_gained(counts: ArrayLike, values: Array) -> float:
    """A value of each checkpoint where `where_gained`, between two checkpoints by a line."""
    found = where_gained(counts)
    if found is None:
        return math.nan
    at, back = found
    return float((1 - back) * values[at] + back * values[max(at - 1, 0)])


class Phase(NamedTuple):
    """One run in numbers, in bits, ratios and indices without unit.

    Those that need T0, the first seven, are NaN where F never matches L.
    """

    match: float  # T0 as a checkpoint's index
    explained: float  # mean of mu / I(F;Y) up to T0
    explained_by_random: float  # the same with R in the place of L
    explained_by_other: float  # with the other classifier, L and it made equally accurate
    explained_when_equal: float  # with L, so made
    over_other: float  # mu with L - mu with the other at T0, equally accurate
    gap_at_match: float  # I(F;Y) on training points minus that on test points, at T0
    gap_end: float
    over_random_end: float  # mu - mu with R
    index_gained: float  # retention index where I(F;Y) = GAINED I(L;Y)
    kept_end: float  # mu / its own largest value
    ratio_end: float  # mu / I(F;Y)

    @property
    def lead(self) -> float:
        """What L explains up to T0 minus what R does."""
        return self.explained - self.explained_by_random

    @property
    def open_at_match(self) -> float:
        """The gap at T0 minus the share `OPEN` of the gap at the end."""
        return self.gap_at_match - OPEN * self.gap_end


def phase(counts: ArrayLike, other: ArrayLike, training: ArrayLike) -> Phase:
    """Findings for three tables (probe, F, Y, L).

    With L, with the other classifier on the same points, and with L on training points.
    """
    counts = doors.counts(counts, "probe 2 2 2")
    axes = f"{len(counts)} 2 2 2"
    other, training = doors.counts(other, axes, "other"), doors.counts(training, axes, "training")
    found, random = information.information(counts), independent(counts)
    gap = information.information(training).network - found.network
    return Phase(
        **_until_match(counts, random, other, gap),
        gap_end=float(gap[-1]),
        index_gained=at_gained(counts, retention(counts)),
        **_at_end(found, information.information(random)),
    )


def _at_end(found: Information, random: Information) -> dict[str, float]:
    """What is left of L at the last probe; `random` is with R in its place."""
    end = found.mu[-1]
    return {
        "over_random_end": float(end - random.mu[-1]),
        "kept_end": float(end / found.mu.max()),
        "ratio_end": float(end / found.network[-1]),
    }


def _until_match(counts: Array, random: Array, other: Array, gap: Array) -> dict[str, float]:
    """The numbers that need T0."""
    at = first_match(counts)
    if at is None:
        return dict.fromkeys(Phase._fields[:7], math.nan)
    ours, theirs = equally_accurate(counts, other)
    mu, mu_other = (information.information(part).mu[at] for part in (ours, theirs))
    return {
        "match": float(at),
        "explained": explained(counts, at),
        "explained_by_random": explained(random, at),
        "explained_by_other": explained(theirs, at),
        "explained_when_equal": explained(ours, at),
        "over_other": float(mu - mu_other),
        "gap_at_match": float(gap[at]),
    }


def _better_than_chance(counts: Array) -> NDArray[np.bool_]:
    return information.accuracies(counts)[0] > 0.5


def _of_l(counts: Array) -> Array:
    """The accuracy of L, with the axes of its table."""
    return information.accuracies(counts)[1][..., None, None, None]


def _first_run(above: NDArray[np.bool_], length: int) -> int | None:
    places = range(len(above) - length + 1)
    return next((at for at in places if above[at : at + length].all()), None)
