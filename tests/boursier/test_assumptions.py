"""Each assumption is told on both sides of its bound, by hand where a hand can."""

import numpy as np
import pytest
from scipy import stats

from simplicity import nets
from simplicity.boursier import assumptions, synthetic
from simplicity.nets import starts

N, DIM = 480, 5
BETA = synthetic.first_axis(DIM)


def rng(seed: int = 0):
    return np.random.default_rng(seed)


def test_a_mirrored_sample_is_exactly_symmetric():
    x = np.abs(rng().standard_normal((40, 3)))
    assert assumptions.symmetric(synthetic.mirrored(x)).value == pytest.approx(0, abs=1e-12)
    assert not assumptions.symmetric(x).holds


def test_symmetry_is_refused_about_once_in_a_hundred_when_it_holds():
    samples = (synthetic.gaussian(200, DIM, rng(seed)) for seed in range(1000))
    refused = [not assumptions.symmetric(x).holds for x in samples]
    assert stats.binomtest(sum(refused), 1000, assumptions.SIGNIFICANCE).pvalue > 1e-3


def test_an_asymmetry_of_the_third_moment_alone_is_seen():
    # Two-point law with mean 0: 2 with probability 1/3, -1 with 2/3. The mean of x^3 is 2.
    x = np.where(rng().uniform(size=(N, 1)) < 1 / 3, 2.0, -1.0)
    x -= x.mean()
    assert not assumptions.symmetric(x).holds


@pytest.mark.parametrize(("shift", "holds"), [(1e-9, True), (-1e-9, False)])
def test_the_margin_is_told_on_both_sides(shift, holds):
    ratio = assumptions.MARGIN / np.sqrt(2) + shift
    x = np.array([[ratio, np.sqrt(1 - ratio**2)], [-3.0, 0.0]])
    found = assumptions.margin(x, np.array([2.0, 0.0]))  # the length of beta* does not matter
    assert found.value == pytest.approx(ratio) and found.holds is holds


def test_only_the_bounded_margin_law_has_a_margin():
    laws = synthetic.LAWS.items()
    margins = {law: assumptions.margin(draw(N, DIM, rng(1)), BETA) for law, draw in laws}
    assert {law for law, found in margins.items() if found.holds} == {"bounded margin"}
    assert margins["bounded margin"].value >= 0.233


@pytest.mark.parametrize("dim", [2, 5, 10, 20])
def test_the_bounded_margin_law_meets_the_margin_in_every_dimension(dim):
    x = synthetic.bounded_margin(2000, dim, rng())
    assert assumptions.margin(x, synthetic.first_axis(dim)).holds


@pytest.mark.parametrize(("excess", "holds"), [(0.49, True), (0.51, False)])
def test_the_distance_of_the_covariance_by_hand(excess, holds):
    # Four dimensions, bound 1/2: x_k = sqrt(4 (1 + excess)) e_1 and sqrt(4) e_i, so X X^T / n =
    # diag(1 + excess, 1, 1, 1).
    x = 2 * np.diag([np.sqrt(1 + excess), 1.0, 1.0, 1.0])
    found = assumptions.isotropic(x)
    assert found.value == pytest.approx(excess) and found.holds is holds


def test_the_mean_of_the_noise_is_told_on_both_sides():
    noise = rng().standard_normal(N)
    noise = (noise - noise.mean()) / noise.std(ddof=1)
    assert assumptions.centred(noise + 2.5 / np.sqrt(N)).holds
    assert not assumptions.centred(noise + 2.65 / np.sqrt(N)).holds


def test_the_fourth_moment_by_hand():
    assert assumptions.fourth_moment(np.array([1.0, -1, 1, -1])).value == 0.25
    assert assumptions.fourth_moment(np.array([1.0, -1, 1, -1])).holds
    assert not assumptions.fourth_moment(np.array([1.0, -1, 1])).holds


@pytest.mark.parametrize(("freedom", "most"), [(1e9, 0.0), (1.2, 1.0)])
def test_heavy_tails_are_seen_and_normal_noise_passes(freedom, most):
    drawn = (stats.t.rvs(freedom, size=N, random_state=seed) for seed in range(50))
    refused = [not assumptions.fourth_moment(noise).holds for noise in drawn]
    assert np.mean(refused) == pytest.approx(most, abs=0.1)


@pytest.mark.parametrize(("outer", "holds"), [(5.0, True), (-5.0, True), (4.999, False)])
def test_domination_by_hand(outer, holds):
    w = np.array([[3.0, 4.0], [0.0, 1.0], [0.0, 0.0]])
    found = assumptions.dominated(np.array([outer, 7.0, 0.1]), w)
    assert found.value == pytest.approx(abs(outer) / 5) and found.holds is holds


def test_the_starts_are_told_apart():
    for name, holds in (("dominated", True), ("gaussian", False)):
        assert assumptions.dominated(*starts.STARTS[name](200, DIM, 1e-3, rng())).holds is holds


@pytest.mark.parametrize(
    ("signs", "holds"), [([1, 1, -1], True), ([1, 1, 1], False), ([-1, -1, -1], False)]
)
def test_both_signs_are_needed(signs, holds):
    assert assumptions.both_signs(np.array(signs, dtype=float)).holds is holds


def report(law: str) -> assumptions.Assumptions:
    x = synthetic.LAWS[law](N, DIM, rng(2))
    return assumptions.assumptions(
        x, 0.5 * rng(3).standard_normal(N), BETA, *nets.dominated(50, DIM, 1e-3, rng(4))
    )


def test_bounded_margin_data_meet_all_and_gaussian_data_lack_the_margin():
    assert report("bounded margin").holds
    found = report("gaussian")
    assert [one.what for one in found.findings if not one.holds] == ["margin"] and not found.holds


def test_the_table_prints_what_holds_and_what_does_not():
    text = str(report("gaussian"))
    assert len(text.splitlines()) == 7
    assert "margin" in text and text.count("does not hold") == 1 and "at least 0.179" in text


def test_samples_stand_side_by_side():
    rows = assumptions.side_by_side({law: report(law) for law in ("gaussian", "bounded margin")})
    assert [row[0] for row in rows] == [one.what for one in report("gaussian").findings]
    assert [found.holds for found in dict((row[0], row[2]) for row in rows)["margin"]] == [
        False,
        True,
    ]
