"""Times of ends by hand, and the concordance of censored times against a second implementation."""

import itertools
import math

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from simplicity.nakkiran import information
from simplicity.together import ends
from simplicity.together.ends import Times

CLOCK = np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0])
FLAT = {
    "loss": np.ones(6), "information": np.zeros(6), "beyond": np.zeros(6), "mu_rival": np.zeros(6),
    "nonlinear": np.zeros(6), "dynamic": np.zeros(6), "alignment": np.zeros(6),
    "relative": np.zeros(6),
}  # fmt: skip


def run_of(known: float = 0.4, **curves: list[float]) -> xr.Dataset:
    """One cell with these curves."""
    given = FLAT | {name: np.array(values) for name, values in curves.items()}
    made = xr.Dataset(
        {name: (("cell", "time"), values[None]) for name, values in given.items()},
        {"test_samples": ("cell", [8000])},
    )
    return made.assign(clock=(("cell", "time"), CLOCK[None]), linear_information=("cell", [known]))


def seen(value: float) -> Times:
    return Times(np.array([value]), np.array([True]))


def alike(found: Times, wanted: Times) -> bool:
    same = np.allclose(found.value, wanted.value, equal_nan=True)
    return same and np.array_equal(found.observed, wanted.observed)


def test_one_checkpoint_beyond_is_no_event_and_two_are_one() -> None:
    once = np.array([0, 1, 0, 0, 1, 1.0])
    # at the half between 8 and 16 in the logarithm
    assert ends.reached(CLOCK, once, 0.5, above=True) == pytest.approx(8 * 2**0.5)
    assert ends.reached(CLOCK, -once, -0.5, above=False) == pytest.approx(8 * 2**0.5)
    assert math.isinf(ends.reached(CLOCK, np.array([0, 1, 0, 1, 0, 1.0]), 0.5, above=True))
    assert ends.reached(CLOCK, np.ones(6), 0.5, above=True) == 1
    assert ends.reached(CLOCK, np.array([np.nan, np.nan, 1, 1, 0, 0]), 0.5, above=True) == 4


def test_the_loss_falls_by_a_tenth() -> None:
    run = run_of(loss=[1, 0.95, 0.85, 0.5, 0.1, 0.1])
    assert alike(ends.loss_falls(run), seen(2 * 2**0.5))
    never = Times(np.array([32.0]), np.array([False]))
    assert alike(ends.loss_falls(run_of()), never)


def test_a_phase_that_did_not_begin_has_no_end_and_one_that_does_not_end_is_censored() -> None:
    nothing = Times(np.array([np.nan]), np.array([False]))
    assert alike(ends.ends(run_of(alignment=[0.5, 0.8, 0.89, 0.6, 0.1, 0.1]), "boursier"), nothing)
    stays = run_of(alignment=[0.5, 0.95, 0.95, 0.75, 0.75, 0.75])
    assert alike(ends.ends(stays, "boursier"), Times(np.array([32.0]), np.array([False])))
    assert ends.ends(stays, "boursier", 0.5).observed.all()  # below .85
    leaves = run_of(alignment=[0.0, 1.0, 1.0, 1.0, 0.4, 0.4])
    assert alike(ends.begins(leaves, "boursier"), seen(2**0.9))
    assert alike(ends.ends(leaves, "boursier"), seen(8 * 2**0.5))


def test_the_gaps_open_after_they_were_closed() -> None:
    gap = [0.5, 0.01, 0.01, 0.05, 0.15, 0.3]
    assert alike(ends.ends(run_of(nonlinear=gap), "static"), seen(8 * 2**0.5))
    assert alike(ends.ends(run_of(dynamic=gap), "dynamic"), seen(8 * 2**0.5))
    assert ends.ends(run_of(nonlinear=gap), "static", 2.0).observed.tolist() == [False]
    assert alike(ends.ends(run_of(relative=[0, 1, 1, 1, 2, 2]), "loukas"), seen(8 * 2**0.5))
    assert alike(ends.ends(run_of(relative=[0, 1, 1, 1, 2, 2]), "loukas", 1.5), seen(8 * 2**0.75))


def test_beyond_l_with_less_information_than_l_is_no_end() -> None:
    moved = run_of(information=[0.1, 0.3, 0.3, 0.3, 0.3, 0.3], beyond=[0, 0.3, 0.3, 0.3, 0.3, 0.3])
    assert ends.exits(moved).observed.all() and not ends.ends(moved, "nakkiran").observed.any()
    more = run_of(information=[0.1, 0.5, 0.5, 0.5, 0.6, 0.7], beyond=[0, 0.3, 0, 0.1, 0.3, 0.4])
    assert alike(ends.ends(more, "nakkiran"), seen(8 * 2**0.5))
    assert alike(ends.begins(more, "nakkiran"), seen(2**0.75))


def test_where_l_knows_nothing_the_lens_is_blind() -> None:
    blind = run_of(known=0.001, information=[0, 0, 0.5, 0.5, 0.5, 0.5], beyond=[0, 0, 1, 1, 1, 1])
    assert np.isnan(ends.begins(blind, "nakkiran").value).all()
    assert np.isnan(ends.ends(blind, "nakkiran").value).all()
    assert ends.exits(blind).observed.all()


def test_the_least_information_is_three_of_its_standard_errors() -> None:
    rng = np.random.default_rng(0)
    n, simple = 8000, 0.8
    bits = float(ends.significant(n))
    assert bits == pytest.approx(0.003246, rel=1e-3)
    # F carries a little beyond L: y is flipped a little less where f is 1
    y = rng.integers(2, size=(400, n))
    other = np.where(rng.random((400, n)) < simple, y, 1 - y)
    f = np.where(rng.random((400, n)) < 0.5 + 0.042, y, 1 - y)
    found = np.array(
        [
            information.information(information.table(*rows)).beyond
            for rows in zip(f, y, other, strict=True)
        ]
    )
    predicted = math.sqrt(2 * found.mean() / (n * math.log(2)))
    assert found.std() == pytest.approx(predicted, rel=0.15)


def test_what_is_known_of_an_order_and_of_a_ratio() -> None:
    first = Times(np.array([1.0, 3.0, 9.0, 9.0, np.nan]), np.array([1, 1, 0, 0, 0], bool))
    second = Times(np.array([2.0, 2.0, 2.0, 9.0, 2.0]), np.array([1, 1, 1, 0, 1], bool))
    assert ends.earlier(first, second).tolist() == [True, False, False, False, False]
    assert ends.earlier(second, first).tolist() == [False, True, True, False, False]
    assert ends.earlier(first, second, 2.0).tolist() == [True, True, False, False, False]
    assert ends.near(first, second).tolist() == [True, True, False, False, False]
    assert ends.near(first, second, 1.9).tolist() == [False, True, False, False, False]


def test_four_runs_by_hand() -> None:
    """Pairs of a, b, c, d; the last of the second times is later than 5.

    (a,b) same, (a,c) same, (b,c) opposite, (a,d) same, (b,d) same, (c,d) same: tau = 4/6. With c
    censored at 2.5 in the first times, (b,c) stays known and (c,d) does not: tau = 3/5.
    """
    second = Times(np.array([1.0, 3.0, 2.0, 5.0]), np.array([True, True, True, False]))
    first = Times(np.array([1.0, 2.0, 3.0, 4.0]), np.ones(4, bool))
    found = ends.agreement(first, second, ["s"] * 4)
    assert (found.tau, found.pairs, found.runs) == (pytest.approx(4 / 6), 6, 3)
    fewer = Times(np.array([1.0, 2.0, 2.5, 4.0]), np.array([True, True, False, True]))
    found = ends.agreement(fewer, second, ["s"] * 4)
    assert (found.tau, found.pairs, found.runs) == (pytest.approx(3 / 5), 5, 2)


def slowly(first: Times, second: Times, strata: list[int]) -> float:
    """Pair by pair, in words."""
    counted = []
    for i, j in itertools.combinations(range(len(strata)), 2):
        if strata[i] != strata[j]:
            continue
        signs = []
        for times in (first, second):
            sign = 0
            for low, high, one in ((i, j, -1), (j, i, 1)):
                before = times.value[low] < times.value[high]
                tied = times.value[low] == times.value[high] and not times.observed[high]
                if times.observed[low] and (before or tied):
                    sign = one
            signs.append(sign)
        counted.append(signs[0] * signs[1])
    same, opposite = counted.count(1), counted.count(-1)
    return (same - opposite) / (same + opposite)


def made(rng: np.random.Generator, runs: int, link: float) -> tuple[Times, Times]:
    common = rng.standard_normal(runs)
    found = []
    for _ in range(2):
        value = link * common + math.sqrt(1 - link**2) * rng.standard_normal(runs)
        ceiling = rng.normal(1.0, 0.5, runs)
        found.append(Times(np.minimum(value, ceiling), value < ceiling))
    return found[0], found[1]


def test_the_concordance_is_that_of_a_second_implementation() -> None:
    rng = np.random.default_rng(1)
    strata = [0] * 9 + [1] * 4 + [2]
    for _ in range(5):
        first, second = made(rng, 14, 0.5)
        first.value[3] = np.nan
        first.observed[3] = False
        found = ends.agreement(first, second, strata)
        assert found.tau == pytest.approx(slowly(first, second, strata))


def test_without_censoring_it_is_kendalls_tau() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((2, 30))
    every = np.ones(30, bool)
    found = ends.agreement(Times(x, every), Times(y, every), ["s"] * 30)
    assert found.tau == pytest.approx(stats.kendalltau(x, y).statistic)
    assert found.pairs == 30 * 29 // 2


def test_what_differs_between_strata_is_not_counted() -> None:
    level = np.repeat([0.0, 100.0], 10)
    rng = np.random.default_rng(3)
    times = [Times(level + rng.standard_normal(20), np.ones(20, bool)) for _ in range(2)]
    strata = ["a"] * 10 + ["b"] * 10
    inside = ends.agreement(*times, strata)
    pooled = ends.agreement(*times, ["s"] * 20)
    assert abs(inside.tau) < 0.4 < pooled.tau and inside.pairs == 90


def test_the_interval_covers_the_truth_about_as_often_as_it_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ends, "RESAMPLES", 200)
    rng = np.random.default_rng(4)
    truth = 2 / math.pi * math.asin(0.5)  # Kendall's tau of a Gaussian pair of correlation r: here
    link = math.sqrt(0.5)  # both share link^2 = r = 1/2
    strata = np.repeat(np.arange(6), 10).tolist()
    inside = 0
    for _ in range(100):
        common = rng.standard_normal(60)
        pair = [link * common + link * rng.standard_normal(60) for _ in range(2)]
        times = [Times(one, np.ones(60, bool)) for one in pair]
        low, high = ends.agreement(*times, strata).interval or (math.nan, math.nan)
        inside += low <= truth <= high
    assert 88 <= inside <= 100


def test_nothing_to_compare_is_no_number() -> None:
    nothing = Times(np.full(3, np.nan), np.zeros(3, bool))
    found = ends.agreement(nothing, nothing, ["s"] * 3)
    assert math.isnan(found.tau) and found.estimate.seeds == 0
    empty = Times(np.array([]), np.array([], bool))
    assert ends.agreement(empty, empty, []).pairs == 0


def test_times_of_other_runs_stay_in_their_stratum() -> None:
    times = Times(np.arange(6.0), np.array([1, 1, 1, 1, 0, 1], bool))
    found = ends.shifted(times, ["a", "b", "a", "b", "a", "a"])
    assert found.value.tolist() == [4, 3, 5, 1, 0, 2]
    assert found.observed.tolist() == [False, True, True, True, True, True]


def test_a_time_over_the_clock_keeps_its_censoring() -> None:
    times = Times(np.array([10.0, 10.0, 10.0]), np.array([True, False, True]))
    clock = Times(np.array([1.0, 1.0, 5.0]), np.array([True, True, False]))
    found = times.over(clock)
    np.testing.assert_allclose(found.value, [math.log(10), math.log(10), np.nan])
    assert found.observed.tolist() == [True, False, False]
    assert found.states == {"seen": 1, "censored": 1, "n/a": 1}
