"""Estimates, criteria and checks: how a number becomes evidence for or against a claim.

A `Check` is one statistic with its criterion, fixed before the run, and a negative control under
which the effect must vanish. A claim's verdict follows from its checks (`claim_verdicts`). Nothing
here knows an experiment.

An estimate over no cells at all (a sweep that left out what the criterion speaks of) makes a check
that is neither passed nor failed: `passed` is None and the verdict says what is missing.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import scipy  # whose `stats` takes half a second to load: only where something is judged
from numpy.typing import NDArray

Kind = Literal["identity", "theorem", "empirical"]
Band = tuple[float | None, float | None]
CONFIDENCE = 0.95
_ENOUGH_FOR_T = 5


class Judged(Protocol):
    """A run that is judged: a dataset, or its groups."""

    @property
    def attrs(self) -> dict[Any, Any]: ...


@dataclass(frozen=True)
class Estimate:
    """A statistic over seeds: its value, an interval, and what kind of interval.

    The interval is None for a single exact number.
    """

    value: float
    interval: tuple[float, float] | None
    interval_kind: str
    seeds: int


def share(outcomes: Iterable[bool]) -> Estimate:
    """The share of seeds with an outcome, with its Clopper-Pearson interval."""
    hits = np.asarray(list(outcomes), dtype=bool)
    if len(hits) == 0:
        return _NOTHING
    interval = _clopper_pearson(int(hits.sum()), len(hits))
    return Estimate(float(hits.mean()), interval, "Clopper-Pearson 95 %", len(hits))


def _clopper_pearson(hits: int, seeds: int) -> tuple[float, float]:
    found = scipy.stats.binomtest(hits, seeds).proportion_ci(CONFIDENCE, method="exact")
    return float(found.low), float(found.high)


def mean(values: Iterable[float]) -> Estimate:
    """The mean over seeds with its t interval; below five seeds with the range, which is told."""
    sample, left_out = _sample(values)
    if len(sample) == 0:
        return _NOTHING
    if len(sample) < _ENOUGH_FOR_T:
        return Estimate(float(sample.mean()), _range(sample), "range" + left_out, len(sample))
    half = float(scipy.stats.t.ppf(0.5 + CONFIDENCE / 2, len(sample) - 1) * scipy.stats.sem(sample))
    centre = float(sample.mean())
    return Estimate(centre, (centre - half, centre + half), "t 95 %" + left_out, len(sample))


def mean_on_one_test_set(values: Iterable[float], errors: Iterable[float]) -> Estimate:
    """The mean over a few runs scored on the same test points; their range, widened by its error.

    `errors` are each run's standard errors from the test sample. The points are common to the runs,
    so their error does not average out: 1.96 times the mean standard error is added on either side.
    """
    sample, left_out = _sample(values)
    if len(sample) == 0:
        return _NOTHING
    low, high = _range(sample)
    wider = float(scipy.stats.norm.ppf(0.5 + CONFIDENCE / 2)) * float(np.nanmean(list(errors)))
    kind = "range and test sample 95 %" + left_out
    return Estimate(float(sample.mean()), (low - wider, high + wider), kind, len(sample))


def median(values: Iterable[float]) -> Estimate:
    """The median over seeds with its order-statistic interval, or the range for too few seeds."""
    sample, left_out = _sample(values)
    if len(sample) == 0:
        return _NOTHING
    interval, kind = _of_median(sample)
    return Estimate(float(np.median(sample)), interval, kind + left_out, len(sample))


def _of_median(sample: NDArray[np.float64]) -> tuple[tuple[float, float], str]:
    """The interval, and of what kind it is."""
    low, high = scipy.stats.quantile_test(sample, p=0.5).confidence_interval(CONFIDENCE)
    if not np.isfinite([low, high]).all():
        return _range(sample), "range"
    return (float(low), float(high)), "order statistics 95 %"


def exact(value: float, seeds: int = 1) -> Estimate:
    """A number without sampling error: an identity, or the worst case of all draws."""
    return Estimate(float(value), None, "none", seeds) if math.isfinite(value) else _NOTHING


def largest(values: Iterable[float]) -> Estimate:
    """The largest over all draws, where a claim about each allows no average.

    NaN among them is nothing to judge.
    """
    found = np.asarray(list(values), dtype=float)
    return exact(found.max(), len(found)) if len(found) else _NOTHING


def smallest(values: Iterable[float]) -> Estimate:
    """The smallest over all draws, likewise."""
    found = np.asarray(list(values), dtype=float)
    return exact(found.min(), len(found)) if len(found) else _NOTHING


@dataclass(frozen=True)
class Criterion:
    """A rule as text and as a function of the estimate; the constructors below keep the two equal.

    `slack` is the distance to the nearest bound in the statistic's unit, positive where the rule
    holds; `band` is where the value (or its interval) has to lie, None for an end that is open.
    Both are None for a rule without a bound on the number line.
    """

    text: str
    holds: Callable[[Estimate], bool]
    slack: Callable[[Estimate], float] | None = None
    band: Band | None = None


def _rule(
    text: str, slack: Callable[[Estimate], float], band: Band, *, strict: bool = False
) -> Criterion:
    """Holds where the slack is positive or, unless `strict`, 0."""

    def holds(estimate: Estimate) -> bool:
        found = slack(estimate)
        return bool(found > 0 if strict else found >= 0)

    return Criterion(text, holds, slack, band)


def _ends(distance: Callable[[float, float], float]) -> Callable[[Estimate], float]:
    """A slack from the two ends of the interval; NaN without one."""
    return lambda estimate: math.nan if estimate.interval is None else distance(*estimate.interval)


def _smaller(one: float, other: float) -> float:
    """The smaller of two distances; NaN where one of them is."""
    return float(np.minimum(one, other))


def below(bound: float) -> Criterion:
    return _rule(f"below {bound:g}", lambda one: bound - one.value, (None, bound), strict=True)


def above(bound: float) -> Criterion:
    return _rule(f"above {bound:g}", lambda one: one.value - bound, (bound, None), strict=True)


def at_least(bound: float, text: str = "") -> Criterion:
    """Holds at the bound too; `text` says it in other words."""
    return _rule(text or f"at least {bound:g}", lambda one: one.value - bound, (bound, None))


def between(low: float, high: float) -> Criterion:
    """Holds where the value lies in [low, high]."""

    def slack(one: Estimate) -> float:
        return _smaller(one.value - low, high - one.value)

    return _rule(f"between {low:g} and {high:g}", slack, (low, high))


def interval_within(low: float, high: float) -> Criterion:
    """Holds where the whole interval lies in [low, high]."""
    slack = _ends(lambda least, most: _smaller(least - low, high - most))
    return _rule(f"interval inside [{low:g}, {high:g}]", slack, (low, high))


def interval_above(bound: float) -> Criterion:
    """Holds where the whole interval lies above `bound`."""
    slack = _ends(lambda low, high: low - bound)
    return _rule(f"interval above {bound:g}", slack, (bound, None), strict=True)


def interval_below(bound: float) -> Criterion:
    """Holds where the whole interval lies below `bound`."""
    slack = _ends(lambda low, high: bound - high)
    return _rule(f"interval below {bound:g}", slack, (None, bound), strict=True)


def interval_reaches(bound: float) -> Criterion:
    """Holds where the interval leaves `bound` or more possible: unlike `interval_below`."""
    slack = _ends(lambda low, high: high - bound)
    return _rule(f"interval reaches {bound:g} or more", slack, (bound, None))


def sign_test() -> Criterion:
    """Of a share of seeds, one-sided.

    As many or more of this sign have probability below 0.05 under a fair coin.
    """

    def holds(estimate: Estimate) -> bool:
        if estimate.seeds == 0:
            return False
        hits = round(estimate.value * estimate.seeds)
        test = scipy.stats.binomtest(hits, estimate.seeds, alternative="greater")
        return bool(test.pvalue < 0.05)

    return Criterion("one-sided sign test, p < 0.05", holds)


def every_seed() -> Criterion:
    return Criterion("every seed", lambda one: one.value == 1, None, (1.0, 1.0))


def no_seed() -> Criterion:
    return Criterion("no seed", lambda one: one.value == 0, None, (0.0, 0.0))


def fails(criterion: Criterion) -> Criterion:
    """What a control has to do: not meet the criterion of its own check."""
    slack = criterion.slack
    return Criterion(
        f"not {criterion.text}",
        lambda estimate: not criterion.holds(estimate),
        None if slack is None else lambda estimate: -slack(estimate),
    )


@dataclass(frozen=True)
class Control:
    """A negative control: what was changed, what came out, what had to; or `why` there is none."""

    what: str
    value: float | None = None
    criterion: str = ""
    passed: bool | None = None
    why: str = ""
    slack: float | None = None
    band: Band | None = None


def control(what: str, estimate: Estimate, criterion: Criterion) -> Control:
    """Hold a control's estimate against what had to come out.

    `passed` is None over no cells.
    """
    if estimate.seeds == 0:
        return Control(what, None, criterion.text, None, band=criterion.band)
    passed, slack = criterion.holds(estimate), _slack(estimate, criterion)
    return Control(what, estimate.value, criterion.text, passed, slack=slack, band=criterion.band)


def _slack(estimate: Estimate, criterion: Criterion) -> float | None:
    if criterion.slack is None or not estimate.seeds:
        return None
    found = criterion.slack(estimate)
    return float(found) if math.isfinite(found) else None


Other = tuple[str, Estimate]  # a control: what was changed, and what came out


def no_control(why: str) -> Control:
    return Control("none", why=why)


def word(holds: bool | None) -> str:
    return {True: "holds", False: "does not hold", None: "not judged"}[holds]


@dataclass(frozen=True)
class Check:
    """One statistic held against its criterion, with its control.

    `passed` is None where nothing could be judged.
    """

    claim: str
    kind: Kind
    statistic: str
    value: float
    interval: tuple[float, float] | None
    interval_kind: str
    seeds: int
    criterion: str
    passed: bool | None
    preset: str
    control: Control
    slack: float | None = None
    id: str = ""
    band: Band | None = None

    @property
    def name(self) -> str:
        """What tells it from the claim's other checks."""
        return self.id or self.statistic

    @property
    def margin(self) -> float | None:
        """The slack in half-widths of the interval; below 1 other seeds may well say otherwise."""
        low, high = self.interval or (0.0, 0.0)
        return None if self.slack is None or low == high else self.slack / ((high - low) / 2)

    @property
    def holds(self) -> bool | None:
        """Criterion met and control behaving.

        A criterion that failed fails the check whatever its control could show.
        """
        if not self.passed:
            return self.passed
        return True if self.control.why else self.control.passed

    @property
    def word(self) -> str:
        return word(self.holds)

    @property
    def outcome(self) -> str:
        """The word, and where the check does not hold, what failed: criterion or control."""
        if self.holds is False:
            return "criterion not met" if self.passed is False else "control misbehaves"
        return self.word


def not_testable(runs: Judged, id: str, kind: Kind, statistic: str, why: str) -> Check:
    """A check that this run cannot make; the reason (too few seeds, say) is in the criterion."""
    rule = Criterion(f"cannot be judged here: {why}", bool)
    return check(runs, id, kind, statistic, _NOTHING, rule, no_control(why))


def check(
    runs: Judged,
    id: str,
    kind: Kind,
    statistic: str,
    estimate: Estimate,
    criterion: Criterion,
    against: Control | Other,
    *,
    needs: int = 0,
    unless: str = "",
) -> Check:
    """Hold `estimate`, computed from `runs`, against `criterion`.

    `against` is the control: a pair has to miss the same criterion, else `control` makes it.

    `id` is CLAIM.WORD, unique in the book (`B3.limit`). A criterion may need a number of seeds, and
    a run may be one of which it does not speak: `unless` says why, and is empty where it does. Then
    the check is made and not judged.
    """
    if needs > estimate.seeds and not unless:
        unless = f"{estimate.seeds} seeds, {needs} are needed"
    if unless:
        estimate, against = _NOTHING, no_control(unless)
    elif not isinstance(against, Control):
        against = control(*against, fails(criterion))
    passed = criterion.holds(estimate) if estimate.seeds else None
    claim, _, word = id.partition(".")
    return Check(
        claim, kind, statistic, estimate.value, estimate.interval, estimate.interval_kind,
        estimate.seeds, criterion.text, passed, str(runs.attrs.get("preset", "custom")), against,
        _slack(estimate, criterion), id if word else "", criterion.band,
    )  # fmt: skip


_NOTHING = Estimate(float("nan"), None, "none", 0)


def _sample(values: Iterable[float]) -> tuple[NDArray[np.float64], str]:
    """The defined values, and a remark for the interval's name where some seeds have none."""
    given = np.asarray(list(values), dtype=float)
    sample = given[np.isfinite(given)]
    lost = len(given) - len(sample)
    return sample, f", {lost} undefined left out" if lost else ""


def _range(sample: NDArray[np.float64]) -> tuple[float, float]:
    return float(sample.min()), float(sample.max())
