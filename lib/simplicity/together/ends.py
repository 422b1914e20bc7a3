"""When each of four instruments says that the simple phase ends, and whether they agree over runs.

A time is the first of two checkpoints in a row beyond a level, found by straight lines between
checkpoints in the logarithm of the clock. A time that was not reached within the run is censored:
it is known to be later than the last checkpoint. A time that is not defined, because the phase
never began or the instrument is blind, is n/a (NaN).

    instrument  the phase begins                    it ends, at thresholds times k
    Nakkiran    I(F;Y) > I(L;Y)                     I(F;Y|L) > max(k/2 I(L;Y), 18 / (N ln 2))
    static      share not linear in x below .05     above .1 k
    dynamic     gap to the linear model below .1    above .1 k
    Boursier    alignment above .9                  below 1 - .3 k
    Loukas      at once                             |df/dx| over least squares' above 1 + .5 k

The two in the middle are Hu et al.'s; the gap is relative, mean (f - g)^2 / mean g^2. Nakkiran's
phase ends only where also I(F;Y) > I(L;Y): a network may be linear and have another threshold
than L, and its sign then knows something beyond L and less than L in all. That lens is blind where
I(L;Y) itself is not above 18 / (N ln 2).

18 / (N ln 2) bits are three standard errors: where F and Y are nearly independent given L, the
pointwise i = log2 p(y|f,l) / p(y|l) has E i = E e^2 / (2 ln 2) and E i^2 = E e^2 / (ln 2)^2 for
a small relative change e of the probability, so that the standard error of I is
sqrt(2 I / (N ln 2)), and I is above three of them from I = 18 / (N ln 2) on.

Agreement is the concordance of Kendall and Oakes (1982): of two runs of one stratum whose order is
known in both times, C pairs have the same order and D the opposite one, and tau = (C - D) / (C + D)
over all strata. The order of two runs is known if the earlier of both times was observed.
"""

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import stats

from simplicity.evidence.claims import CONFIDENCE, Estimate
from simplicity.problems import doors

Array = NDArray[np.floating]
Truths = NDArray[np.bool_]
Rows = NDArray[np.int64]

FACTORS = (0.5, 1.0, 2.0)  # by which every threshold is multiplied
FALL = 0.1  # of the loss, which sets the clock of a run
STEPS = 3.0  # standard errors
LENSES = ("nakkiran", "static", "dynamic", "boursier", "loukas")
RESAMPLES = 1000


class Times(NamedTuple):
    """Times (runs,) that were observed, or to which nothing was seen; NaN is n/a."""

    value: Array
    observed: Truths

    def over(self, other: "Times") -> "Times":
        """log(T / T10), with the same censoring; n/a where T10 was not observed."""
        base = np.where(other.observed, other.value, np.nan)
        return Times(np.log(self.value / base), self.observed & other.observed)

    def where(self, chosen: Rows) -> "Times":
        return Times(self.value[chosen], self.observed[chosen])

    @property
    def missing(self) -> Truths:
        """Which are not defined."""
        return np.isnan(self.value)

    @property
    def states(self) -> dict[str, int]:
        """How many were seen, were not reached in the run, and are not defined."""
        return {
            "seen": int(self.observed.sum()),
            "censored": int((~self.observed & ~self.missing).sum()),
            "n/a": int(self.missing.sum()),
        }


def reached(clock: Array, values: Array, level: float, *, above: bool, start: int = 0) -> float:
    """The first time from index `start` on at which two values in a row are above (below) a level,
    inf for never.

    >>> reached(np.array([1.0, 10.0, 100.0, 1000.0]), np.array([0.0, 1.0, 3.0, 3.0]), 2, above=True)
    31.622776601683793
    """
    beyond = values > level if above else values < level
    at = _twice(beyond, start)
    if at is None:
        return math.inf
    if at == 0 or not np.isfinite(values[at - 1]) or beyond[at - 1]:
        return float(clock[at])
    return _crossing(clock[at - 1 : at + 1], values[at - 1 : at + 1], level)


def _twice(beyond: Truths, start: int) -> int | None:
    """The first of two in a row, from an index on."""
    found = np.flatnonzero(beyond[start:-1] & beyond[start + 1 :])
    return start + int(found[0]) if len(found) else None


def _crossing(clock: Array, values: Array, level: float) -> float:
    """The time of a level between two values."""
    part = (level - values[0]) / (values[1] - values[0])
    low, high = np.log(clock[0]), np.log(clock[1])
    return float(np.exp(low + part * (high - low)))


def significant(test_samples: Array | float) -> Array:
    """Bits that are three standard errors, 18 / (N ln 2)."""
    return 2 * STEPS**2 / (np.asarray(test_samples, dtype=float) * math.log(2))


def loss_falls(run: xr.Dataset) -> Times:
    """T10, the time at which the loss has fallen by a tenth."""
    found = [
        reached(clock, loss, 1 - FALL, above=False)
        for clock, loss in zip(run.clock.values, run.loss.values, strict=True)
    ]
    return _times(run, found)


def begins(run: xr.Dataset, lens: str, factor: float = 1.0) -> Times:
    """When the simple phase begins, in the eyes of a lens."""
    return _times(run, [_begin(one, lens, factor) for one in _cells(run, lens)])


def ends(run: xr.Dataset, lens: str, factor: float = 1.0) -> Times:
    """When it ends. The level at which it has begun is not multiplied, so that every factor looks
    at the same runs; it is no higher than that of the end.
    """
    return _times(run, [_end(one, lens, factor) for one in _cells(run, lens)])


def exits(run: xr.Dataset, factor: float = 1.0, *, rival: bool = False) -> Times:
    """When I(F;Y|L) alone is above its level, whatever F knows in all and whether L knows anything;
    with `rival` in the place of L a classifier as accurate that is not linear."""
    return _times(run, [_exit(one, factor, rival) for one in _cells(run, "nakkiran")])


Cell = dict[str, Array]


class _Rule(NamedTuple):
    """A lens that looks at one variable: at thresholds times k the phase begins at the level
    `origin` + k `begin`, or at once, and ends at `origin` + k `end`, away from the origin."""

    variable: str
    origin: float
    begin: float | None
    end: float

    @property
    def rises(self) -> bool:
        """Whether the phase ends above the level."""
        return self.end > 0

    def ends_at(self, k: float) -> float:
        return self.origin + self.end * k


_RULES = {
    "static": _Rule("nonlinear", 0.0, 0.05, 0.1),
    "dynamic": _Rule("dynamic", 0.0, 0.1, 0.1),
    "boursier": _Rule("alignment", 1.0, -0.1, -0.3),
    "loukas": _Rule("relative", 1.0, None, 0.5),
}
_BITS = ("information", "beyond", "mu_rival", "linear_information", "test_samples")


def _cells(run: xr.Dataset, lens: str) -> list[Cell]:
    """What a lens looks at, run by run."""
    doors.choice("lens", lens, LENSES)
    looked_at = _BITS if lens == "nakkiran" else (_RULES[lens].variable,)
    names = ("clock", *looked_at)
    columns = zip(*(run[name].values for name in names), strict=True)
    return [dict(zip(names, values, strict=True)) for values in columns]


def _begin(one: Cell, lens: str, k: float) -> float:
    if lens == "nakkiran":
        return _informed(one)
    rule = _RULES[lens]
    if rule.begin is None:
        return float(one["clock"][0])
    level = rule.origin + rule.begin * k
    return reached(one["clock"], one[rule.variable], level, above=not rule.rises)


def _end(one: Cell, lens: str, k: float) -> float:
    first = _begin(one, lens, min(k, 1.0) if lens == "dynamic" else 1.0)
    if not math.isfinite(first):
        return math.nan
    if lens == "nakkiran":
        return _left(one, k)
    rule, start = _RULES[lens], int(np.searchsorted(one["clock"], first))
    level = rule.ends_at(k)
    return reached(one["clock"], one[rule.variable], level, above=rule.rises, start=start)


def _informed(one: Cell) -> float:
    """When the network knows as much as L."""
    known = _known(one)
    if math.isnan(known):
        return math.nan
    return reached(one["clock"], one["information"], known, above=True)


def _left(one: Cell, k: float) -> float:
    """When the network knows much beyond L, and as much as L."""
    beyond = np.where(one["information"] >= _known(one), one["beyond"], np.nan)
    return reached(one["clock"], beyond, _level(one, k), above=True)


def _exit(one: Cell, k: float, rival: bool) -> float:
    """When the network knows much beyond L, or beyond its rival."""
    beyond = one["information"] - one["mu_rival"] if rival else one["beyond"]
    return reached(one["clock"], beyond, _level(one, k), above=True)


def _known(one: Cell) -> float:
    """I(L;Y), NaN where it is not significant."""
    known = float(one["linear_information"])
    return known if known > significant(one["test_samples"]) else math.nan


def _level(one: Cell, k: float) -> float:
    """That of I(F;Y|L)."""
    known, least = float(one["linear_information"]), float(significant(one["test_samples"]))
    return max(k / 2 * known, least)


def _times(run: xr.Dataset, found: Sequence[float]) -> Times:
    given = np.array(found, dtype=float)
    value = np.where(np.isinf(given), run.clock.values[:, -1], given)
    return Times(value, np.isfinite(given))


def earlier(first: Times, second: Times, slack: float = 1.0) -> Truths:
    """Whether the first is known to be before `slack` times the second, (runs,).

    What is not known, because both are censored or one is n/a, is False.
    """
    known = first.observed & ~second.missing
    return known & (first.value < slack * second.value)


def near(first: Times, second: Times, within: float = 2.0) -> Truths:
    """Whether both were observed, within a factor of each other, (runs,)."""
    both = first.observed & second.observed
    ratio = np.where(both, first.value / second.value, np.inf)
    return (ratio <= within) & (ratio >= 1 / within)


# --- agreement


def order(times: Times) -> NDArray[np.int64]:
    """Signs (runs, runs): 1 where row is known to be later than column, -1 where earlier, 0 where
    it is not known.

    >>> order(Times(np.array([1.0, 2.0, 1.5]), np.array([True, True, False])))
    array([[ 0, -1, -1],
           [ 1,  0,  0],
           [ 1,  0,  0]])
    """
    later = _later(times).astype(np.int64)
    return later - later.T


def _later(times: Times) -> Truths:
    """Whether row is known to be later than column, (runs, runs)."""
    value, observed = times
    tied = np.equal(value[:, None], value[None]) & ~observed[:, None]
    return observed[None] & ((value[:, None] > value[None]) | tied)


class Agreement(NamedTuple):
    """tau over strata with its interval, and how many pairs of runs were compared."""

    tau: float
    interval: tuple[float, float] | None
    pairs: int
    runs: int

    @property
    def estimate(self) -> Estimate:
        kind = "whole runs drawn anew within strata 95 %"
        if not self.pairs:
            return Estimate(math.nan, None, "none", 0)
        return Estimate(self.tau, self.interval, kind, self.runs)


def agreement(first: Times, second: Times, strata: Sequence[object]) -> Agreement:
    """Concordance of two times over pairs of runs of one stratum (see the module), with an interval
    by drawing whole runs anew within each stratum; `runs` counts those with both times observed.
    """
    tables = _tables(first, second, strata)
    runs = int(np.sum(first.observed & second.observed))
    if not tables:
        return Agreement(math.nan, None, 0, runs)
    pairs = int(sum(np.abs(table).sum() for table in tables)) // 2
    return Agreement(*_with_interval(tables), pairs, runs)


def _tables(first: Times, second: Times, strata: Sequence[object]) -> list[Rows]:
    """For strata with runs that can be compared: 1 where both orders are the same, -1 where not."""
    both = (order(first.where(at)) * order(second.where(at)) for at in _members(strata))
    return [table for table in both if table.any()]


def _members(strata: Sequence[object]) -> list[Rows]:
    """The runs of each stratum, by number."""
    labels = np.array([str(one) for one in strata])
    return [np.flatnonzero(labels == one) for one in dict.fromkeys(labels.tolist())]


def _with_interval(tables: Sequence[Rows]) -> tuple[float, tuple[float, float]]:
    """tau, and its interval."""
    tau, whole = functools.partial(_tau, tables), [np.arange(len(table)) for table in tables]
    drawn = stats.bootstrap(
        whole, tau, n_resamples=RESAMPLES, vectorized=True, axis=-1, method="percentile",
        confidence_level=CONFIDENCE, rng=np.random.default_rng(0),
    )  # fmt: skip
    low, high = drawn.confidence_interval
    return float(tau(*whole)), (float(low), float(high))


def _tau(tables: Sequence[Rows], *drawn: Rows, axis: int = -1) -> Array:
    """tau of the runs (..., n) that are drawn of each stratum, by their numbers in its table."""
    rows = [np.moveaxis(one, axis, -1) for one in drawn]
    total = compared = np.zeros(rows[0].shape[:-1])
    for one, table in zip(rows, tables, strict=True):
        often = _often(one, len(table))
        total = total + _over_pairs(often, table)
        compared = compared + _over_pairs(often, np.abs(table))
    # a draw in which nothing can be compared says nothing for an agreement
    return np.divide(total, compared, out=np.zeros(total.shape), where=compared > 0)


def _often(drawn: Rows, runs: int) -> Array:
    """How often each of so many runs is among those drawn, (..., runs)."""
    return np.asarray((drawn[..., None] == np.arange(runs)).sum(axis=-2).astype(float))


def _over_pairs(often: Array, table: Rows) -> Array:
    """The sum of a table (n, n) over pairs of runs that are drawn so often (..., n)."""
    return np.asarray(np.einsum("...i,ij,...j", often, table, often))


def shifted(times: Times, strata: Sequence[object]) -> Times:
    """Each run gets the time of another run of its stratum, half of the stratum further on."""
    source = np.arange(len(strata))
    for at in _members(strata):
        source[at] = np.roll(at, len(at) // 2)
    return times.where(source)
