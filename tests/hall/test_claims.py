"""From numbers to verdicts: intervals against tables, criteria on both sides, verdicts by hand."""

import dataclasses
import json
import math

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from simplicity.evidence import check_rows, claim_verdicts, claims
from simplicity.evidence.claims import Check, Control, Criterion, Estimate
from simplicity.grid.groups import cells_where

RUN = xr.Dataset(
    {"rho": ("cell", [0.5, 1.0, 2.0])}, {"n": ("cell", [10, 20, 20])}, {"preset": "TINY"}
)
NOTHING = claims.share([])


def one(value: float = 0.0, *, passed: bool | None = True, control: Control | None = None) -> Check:
    behaves = Control("changed", 3.0, "above 2", True)
    return Check(
        "B1",
        "empirical",
        f"value {value}",
        value,
        None,
        "none",
        1,
        "below 1",
        passed,
        "TINY",
        control or behaves,
    )


MISBEHAVES = Control("changed", 1.0, "above 2", False)
UNJUDGED = Control("changed", None, "above 2", None)


@pytest.mark.parametrize(
    ("hits", "total", "low", "high"),
    [
        (0, 10, 0.0, 0.3085),  # the tables of Clopper & Pearson, four decimals
        (10, 10, 0.6915, 1.0),
        (5, 10, 0.1871, 0.8129),
        (1, 20, 0.0013, 0.2487),
        (0, 1, 0.0, 0.975),
    ],
)
def test_the_interval_of_a_share_is_the_tabulated_one(
    hits: int, total: int, low: float, high: float
) -> None:
    found = claims.share([True] * hits + [False] * (total - hits))
    assert found.interval == pytest.approx((low, high), abs=5e-5)
    assert (found.value, found.seeds, found.interval_kind) == (
        hits / total,
        total,
        "Clopper-Pearson 95 %",
    )


@pytest.mark.parametrize("hits", [1, 3, 17, 29])
def test_the_interval_of_a_share_is_made_of_beta_quantiles(hits: int) -> None:
    found = claims.share(np.arange(30) < hits)
    low, high = stats.beta.ppf(0.025, hits, 31 - hits), stats.beta.ppf(0.975, hits + 1, 30 - hits)
    assert found.interval == pytest.approx((low, high), abs=1e-9)


def test_the_interval_of_five_values_is_students() -> None:
    found = claims.mean([1, 2, 3, 4, 5])
    half = 2.776445 * math.sqrt(2.5 / 5)  # t quantile 0.975 with 4 degrees of freedom, from a table
    assert found.interval == pytest.approx((3 - half, 3 + half), abs=1e-5)
    assert (found.value, found.seeds, found.interval_kind) == (3, 5, "t 95 %")


def test_rules_about_where_an_interval_lies():
    around, over, none = (
        Estimate(1.0, interval, "t 95 %", 9) for interval in ((-1.0, 3.0), (0.5, 1.5), None)
    )
    exceeds = claims.interval_above(0)
    assert exceeds.text == "interval above 0"
    assert [exceeds.holds(one) for one in (around, over, none)] == [False, True, False]


def test_below_five_values_the_range_is_given_and_called_a_range() -> None:
    assert claims.mean([4, 1, 2, 5]) == Estimate(3, (1, 5), "range", 4)
    assert claims.mean([4]) == Estimate(4, (4, 4), "range", 1)


def test_students_interval_covers_the_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    intervals = [claims.mean(sample).interval for sample in rng.standard_normal((1000, 7))]
    covered = sum(low <= 0 <= high for low, high in intervals)  # type: ignore[misc]
    assert abs(covered - 950) < 4 * math.sqrt(1000 * 0.95 * 0.05)


def test_the_interval_of_a_median_lies_at_order_statistics() -> None:
    found = claims.median(np.arange(10, 0, -1))
    # 1 - 2 P(Bin(10, 1/2) <= 1) = 0.979 for the second and the ninth; the third and the eighth give
    # 0.891 only
    assert found == Estimate(5.5, (2, 9), "order statistics 95 %", 10)


@pytest.mark.parametrize(("size", "kind"), [(5, "range"), (6, "order statistics 95 %")])
def test_six_values_are_the_fewest_with_an_interval_of_the_median(size: int, kind: str) -> None:
    found = claims.median(range(size))  # 1 - 2 / 2^5 = 0.9375 < 0.95 <= 1 - 2 / 2^6
    assert (found.interval, found.interval_kind) == ((0, size - 1), kind)


def test_values_that_are_not_finite_are_left_out_and_not_counted() -> None:
    assert claims.mean([1, math.nan, 3]).seeds == 2
    assert claims.median([1, math.nan, math.inf, 3]).value == 2


def test_an_exact_number_has_no_interval() -> None:
    assert claims.exact(2, 7) == Estimate(2.0, None, "none", 7)


@pytest.mark.parametrize(
    ("criterion", "inside", "outside"),
    [
        (claims.below(1), 0.999, 1),
        (claims.above(1), 1.001, 1),
        (claims.at_least(1), 1, 0.999),
        (claims.at_least(29 / 30, "at least 29 of 30"), 29 / 30, 28 / 30),
        (claims.between(1, 2), 1, 0.999),
        (claims.between(1, 2), 2, 2.001),
        (claims.every_seed(), 1, 29 / 30),
        (claims.no_seed(), 0, 1 / 30),
    ],
    ids=lambda value: value.text if isinstance(value, claims.Criterion) else None,
)
def test_a_criterion_holds_on_one_side_of_its_bound(
    criterion: claims.Criterion, inside: float, outside: float
) -> None:
    assert criterion.holds(claims.exact(inside))
    assert not criterion.holds(claims.exact(outside))


@pytest.mark.parametrize(
    ("interval", "holds"),
    [((0.7, 1.3), True), ((0.69, 1.3), False), ((0.7, 1.31), False), (None, False)],
)
def test_an_interval_must_lie_inside_whole(
    interval: tuple[float, float] | None, holds: bool
) -> None:
    criterion = claims.interval_within(0.7, 1.3)
    assert criterion.text == "interval inside [0.7, 1.3]"
    assert criterion.holds(Estimate(1.0, interval, "t 95 %", 9)) is holds


def test_no_criterion_holds_for_nan() -> None:
    nan = Estimate(math.nan, (math.nan, math.nan), "t 95 %", 5)
    rules = [
        claims.below(1),
        claims.above(1),
        claims.at_least(1),
        claims.between(0, 1),
        claims.every_seed(),
        claims.no_seed(),
    ]
    assert not any(rule.holds(nan) for rule in [*rules, claims.interval_within(0, 1)])


def test_a_check_takes_its_preset_from_the_run() -> None:
    control = claims.control("n = 20", claims.exact(2), claims.above(1))
    found = claims.check(RUN, "B1", "theorem", "rho", claims.exact(0.5), claims.below(1), control)
    assert (found.preset, found.passed, found.criterion, found.holds) == (
        "TINY",
        True,
        "below 1",
        True,
    )
    assert control == Control("n = 20", 2.0, "above 1", True, slack=1.0, band=(1, None))
    bare = claims.check(
        xr.Dataset(), "B1", "theorem", "rho", claims.exact(0.5), claims.below(1), control
    )
    assert bare.preset == "custom"


@pytest.mark.parametrize(
    "empty", [claims.share([]), claims.mean([]), claims.median([math.nan]), claims.exact(math.nan)]
)
def test_a_statistic_over_no_cells_is_neither_passed_nor_failed(empty: Estimate) -> None:
    assert (empty.seeds, empty.interval) == (0, None)
    control = claims.control("changed", empty, claims.above(1))
    assert control == Control("changed", None, "above 1", None, band=(1, None))
    found = claims.check(
        RUN, "B1", "empirical", "rho", empty, claims.no_seed(), claims.no_control("none exists")
    )
    assert found.passed is None and found.holds is None


@pytest.mark.parametrize(
    ("passed", "control", "holds"),
    [
        (True, Control("changed", 3.0, "above 2", True), True),
        (True, MISBEHAVES, False),
        (True, UNJUDGED, None),
        (True, claims.no_control("arithmetic"), True),
        (False, Control("changed", 3.0, "above 2", True), False),
        (False, claims.no_control("arithmetic"), False),
        (None, Control("changed", 3.0, "above 2", True), None),
        (None, claims.no_control("arithmetic"), None),
    ],
)
def test_a_check_holds_when_its_criterion_is_met_and_its_control_behaves(
    passed: bool | None, control: Control, holds: bool | None
) -> None:
    assert one(passed=passed, control=control).holds is holds


GOOD, BAD, VAIN, OPEN = (
    one(1),
    one(2, passed=False),
    one(3, control=MISBEHAVES),
    one(4, passed=None),
)


@pytest.mark.parametrize(
    ("checks", "expected"),
    [
        ([GOOD], "holds"),
        ([GOOD, GOOD], "holds"),
        ([GOOD, BAD], "holds in part"),
        ([GOOD, VAIN], "holds in part"),
        ([GOOD, OPEN], "holds in part"),
        ([GOOD, BAD, OPEN], "holds in part"),
        ([BAD], "does not hold"),
        ([VAIN], "does not hold"),
        ([BAD, VAIN, OPEN], "does not hold"),
        ([OPEN], "not testable"),
        ([one(5, control=UNJUDGED)], "not testable"),
        ([], "not testable"),
    ],
)
def test_a_verdict_follows_from_its_checks(checks: list[Check], expected: str) -> None:
    found = claim_verdicts.verdict("B1", checks)
    assert (found.verdict, found.claim, found.checks) == (expected, "B1", tuple(checks))
    assert bool(found.reason) is (expected != "holds")


def test_a_verdict_names_what_failed_what_misbehaved_and_what_was_not_judged() -> None:
    reason = claim_verdicts.verdict("B1", [GOOD, BAD, VAIN, OPEN]).reason
    assert (
        reason
        == "value 2: 2, criterion below 1; control changed: 1, had to be above 2; not judged: "
        "value 4"
    )


@pytest.mark.parametrize(
    "check",
    [
        one(0.1 + 0.2),
        one(control=MISBEHAVES),
        one(control=UNJUDGED),
        one(control=claims.no_control("arithmetic")),
        dataclasses.replace(one(), interval=(0.25, 0.75), interval_kind="t 95 %", seeds=5),
    ],
)
def test_a_check_survives_the_way_through_json(check: Check) -> None:
    text = json.dumps(check_rows.row_of(check), allow_nan=False)
    assert check_rows.from_row(json.loads(text)) == check


def test_a_row_has_the_fields_of_the_ledger_and_null_for_what_json_does_not_know() -> None:
    row = check_rows.row_of(one(math.nan, passed=None))
    assert list(row) == [
        "claim", "kind", "statistic", "value", "interval", "interval_kind", "seeds", "criterion",
        "passed", "preset", "control", "slack", "id", "band", "margin",
    ]  # fmt: skip
    assert row["value"] is None and math.isnan(check_rows.from_row(row).value)
    assert set(row["control"]) == {"what", "value", "criterion", "passed", "slack", "band"}
    assert check_rows.row_of(one(control=claims.no_control("arithmetic")))["control"] == {
        "what": "none",
        "why": "arithmetic",
    }


@pytest.mark.parametrize(("value", "misses"), [(0.9, False), (1.0, True), (1.1, True)])
def test_a_control_behaves_where_it_fails_the_criterion_of_its_check(
    value: float, misses: bool
) -> None:
    found = claims.control("other", claims.exact(value), claims.fails(claims.below(1)))
    assert (found.passed, found.criterion) == (misses, "not below 1")
    assert found.slack == pytest.approx(value - 1)


RULES = [
    claims.below(2), claims.above(2), claims.at_least(2), claims.between(2, 3),
    claims.interval_within(2, 3), claims.interval_above(2), claims.interval_below(2),
]  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.text)
@pytest.mark.parametrize("at", [1.0, 2.5, 4.0])
def test_a_criterion_holds_just_where_its_band_has_the_interval_and_its_slack_is_positive(
    rule: Criterion, at: float
) -> None:
    estimate = Estimate(at, (at - 0.1, at + 0.1), "range", 3)
    low, high = rule.band or (None, None)
    inside = (low is None or low <= at - 0.1) and (high is None or at + 0.1 <= high)
    assert rule.slack is not None
    assert rule.holds(estimate) is inside is (rule.slack(estimate) > 0)


def test_what_a_run_cannot_judge_is_said_with_the_reason() -> None:
    few = claims.mean([1.0, 2.0])
    plain = (RUN, "B1.rho", "empirical", "rho", few, claims.below(3), claims.no_control("none"))
    judged = claims.check(*plain, needs=2)  # type: ignore[arg-type]
    assert (judged.holds, judged.claim, judged.id, judged.name) == (True, "B1", "B1.rho", "B1.rho")
    lacking = claims.check(*plain, needs=3)  # type: ignore[arg-type]
    assert (lacking.holds, lacking.control.why, lacking.criterion) == (
        None,
        "2 seeds, 3 are needed",
        "below 3",
    )
    aside = claims.check(*plain, unless="the theorem is about d >= 25")  # type: ignore[arg-type]
    assert (aside.passed, aside.control.why) == (None, "the theorem is about d >= 25")
    found = claim_verdicts.verdict("B1", [judged, lacking])
    assert found.verdict == claim_verdicts.IN_PART and "2 seeds, 3 are needed" in found.reason


def test_numbers_of_numpy_become_plain_in_a_row() -> None:
    row = check_rows.row_of(one(np.float32(0.5), passed=np.bool_(True)))  # type: ignore[arg-type]
    assert (type(row["value"]), type(row["passed"])) == (float, bool)


@pytest.mark.parametrize(
    ("fields", "rho"),
    [
        ({"n": 20}, [1.0, 2.0]),
        ({"n": (10, 20)}, [0.5, 1.0, 2.0]),
        ({"n": 30}, []),
        ({}, [0.5, 1.0, 2.0]),
    ],
)
def test_cells_are_selected_by_their_fields_possibly_none(fields: dict, rho: list[float]) -> None:
    assert cells_where(RUN, **fields).rho.values.tolist() == rho


def test_what_cannot_be_tested_here_is_not_judged_and_says_why():
    one = claims.not_testable(
        xr.Dataset(attrs={"preset": "FULL"}),
        "B16",
        "empirical",
        "rho at the end",
        "rho still falls",
    )
    assert one.passed is None and one.holds is None
    found = claim_verdicts.verdict("B16", [one])
    assert found.verdict == "not testable" and "rho still falls" in found.reason
    assert check_rows.from_row(check_rows.row_of(one)).control == one.control


def test_the_worst_of_all_draws_and_nothing_where_one_is_undefined_or_none_is_there():
    assert claims.largest([1.0, 3.0, 2.0]) == claims.exact(3.0, 3)
    assert claims.smallest([1.0, 3.0, 2.0]) == claims.exact(1.0, 3)
    for worst in (claims.largest, claims.smallest):
        assert np.isnan(worst([]).value) and np.isnan(worst([1.0, np.nan]).value)


def estimate(value: float, low: float, high: float) -> Estimate:
    return Estimate(value, (low, high), "t 95 %", 10)


@pytest.mark.parametrize(
    ("criterion", "given", "slack"),
    [
        (claims.below(0.5), estimate(0.3, 0.2, 0.4), 0.2),
        (claims.below(0.5), estimate(0.6, 0.5, 0.7), -0.1),
        (claims.above(0.5), estimate(0.6, 0.5, 0.7), 0.1),
        (claims.at_least(0.5), estimate(0.5, 0.4, 0.6), 0.0),
        (claims.between(0.0, 1.0), estimate(0.9, 0.8, 1.0), 0.1),
        (claims.between(0.0, 1.0), estimate(1.2, 1.0, 1.4), -0.2),
        (claims.interval_within(0.0, 1.0), estimate(0.5, 0.25, 0.75), 0.25),
        (claims.interval_within(0.0, 1.0), estimate(0.9, 0.75, 1.05), -0.05),
        (claims.interval_above(0.5), estimate(0.8, 0.7, 0.9), 0.2),
        (claims.interval_below(0.5), estimate(0.3, 0.2, 0.4), 0.1),
        (claims.interval_reaches(0.5), estimate(0.3, 0.2, 0.4), -0.1),
    ],
)
def test_the_slack_is_the_distance_to_the_bound_with_the_sign_of_the_outcome(
    criterion: claims.Criterion, given: Estimate, slack: float
) -> None:
    assert criterion.slack is not None
    assert criterion.slack(given) == pytest.approx(slack)
    assert slack == 0 or criterion.holds(given) == (slack > 0)


def test_the_margin_counts_half_widths_of_the_interval() -> None:
    dataset = xr.Dataset(attrs={"preset": "QUICK"})
    control = claims.control("nothing", estimate(0.9, 0.8, 1.0), claims.above(0.5))
    one = claims.check(
        dataset, "B1", "empirical", "s", estimate(0.3, 0.2, 0.4), claims.below(0.5), control
    )
    assert one.slack == pytest.approx(0.2) and one.margin == pytest.approx(2.0)
    assert one.control.slack == pytest.approx(0.4)
    whole = claims.check(
        dataset, "B1", "empirical", "s", claims.exact(0.3), claims.below(0.5), control
    )
    assert whole.slack == pytest.approx(0.2) and whole.margin is None
    every = claims.check(
        dataset, "B1", "empirical", "s", claims.share([True] * 5), claims.every_seed(), control
    )
    assert every.slack is None and every.margin is None
    nothing = claims.check(
        dataset, "B1", "empirical", "s", claims.mean([]), claims.below(0.5), control
    )
    assert nothing.slack is None and nothing.passed is None


@pytest.mark.parametrize(("came_out", "behaves"), [(3.0, True), (2.5, True), (1.9, False)])
def test_a_pair_is_a_control_that_has_to_miss_the_criterion_of_its_check(
    came_out: float, behaves: bool
) -> None:
    rule = claims.below(2)
    pair = claims.check(
        RUN, "B1.a", "empirical", "x", claims.exact(1), rule, ("changed", claims.exact(came_out))
    )
    told = claims.control("changed", claims.exact(came_out), claims.fails(rule))
    assert pair == claims.check(RUN, "B1.a", "empirical", "x", claims.exact(1), rule, told)
    assert pair.control.criterion == "not below 2" and pair.holds is behaves
    unjudged = claims.check(
        RUN, "B1.a", "empirical", "x", claims.exact(1), rule,
        ("changed", claims.exact(came_out)), unless="too short",
    )  # fmt: skip
    assert unjudged.holds is None and unjudged.control.why == "too short"
