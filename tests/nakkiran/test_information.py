"""Performance correlation: exact tables, a second implementation by sums, bias and coverage of the
estimator by simulation.
"""

import itertools

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import mutual_info_score

from simplicity.data import streams
from simplicity.nakkiran import information

# axes F, Y, L; the worked example
TABLE = np.array([[[380, 60], [30, 20]], [[20, 40], [70, 380]]])


def joint(y_given: dict[tuple[int, int, int], float]) -> np.ndarray:
    """Large counts in exact proportion, from probabilities of (F, Y, L)."""
    found = np.zeros((2, 2, 2))
    for cell, probability in y_given.items():
        found[cell] += probability
    return np.round(found * 10**9).astype(np.int64)


def independent_errors(a: float, b: float) -> np.ndarray:
    """F and L of accuracies a and b, independent given a balanced Y."""
    return joint(
        {
            (f, y, s): 0.5 * (a if f == y else 1 - a) * (b if s == y else 1 - b)
            for f, y, s in itertools.product((0, 1), repeat=3)
        }
    )


def noisy_copy() -> np.ndarray:
    """L right with 0.8, and F with 0.9 what L is, else the other."""
    return joint(
        {
            (f, y, s): 0.5 * (0.8 if s == y else 0.2) * (0.9 if f == s else 0.1)
            for f, y, s in itertools.product((0, 1), repeat=3)
        }
    )


def by_sums(counts: np.ndarray) -> dict[str, float]:
    """The definitions written out as sums over cells, in place of entropies."""
    p = counts / counts.sum()
    network = beyond = 0.0
    for f, y, s in itertools.product(range(p.shape[0]), repeat=3):
        if p[f, y, s] > 0:
            network += p[f, y, s] * np.log2(p[f, y].sum() / (p[f].sum() * p[:, y].sum()))
            beyond += p[f, y, s] * np.log2(
                p[f, y, s] * p[:, :, s].sum() / (p[f, :, s].sum() * p[:, y, s].sum())
            )
    return {"network": network, "beyond": beyond, "mu": network - beyond}


# --- exact values


def test_the_worked_table_by_both_estimators():
    plain, corrected = (information.information(TABLE, name) for name in information.ESTIMATORS)
    by_hand = (0.500533, 0.278072, 0.342518, 0.242852, 0.257682)
    assert tuple(plain) == pytest.approx(by_hand, abs=1e-6)
    found = corrected.network, corrected.beyond, corrected.mu
    assert found == pytest.approx((0.499812, 0.241409, 0.258403), abs=1e-6)


def test_the_standard_error_of_the_worked_table():
    assert information.standard_error(TABLE) == pytest.approx(0.02173, abs=1e-5)


right = {(y, y, s): 0.5 * (0.8 if s == y else 0.2) for y in (0, 1) for s in (0, 1)}
CASES = {  # I(F;Y), I(L;Y), I(F;Y|L), mu
    "F = L": (
        joint({(s, y, s): p for (_, y, s), p in right.items()}),
        (0.278072, 0.278072, 0.0, 0.278072),
    ),
    "F = L with noise": (noisy_copy(), (0.173254, 0.278072, 0.0, 0.173254)),
    # 1 - h(0.68) = 1 - 0.68 * 0.556393 - 0.32 * 1.643856
    "independent given Y": (independent_errors(0.8, 0.8), (0.278072, 0.278072, 0.182453, 0.095619)),
    "exclusive or": (
        joint({(f, f ^ s, s): 0.25 for f in (0, 1) for s in (0, 1)}),
        (0.0, 0.0, 1.0, -1.0),
    ),
    "F = Y": (joint(right), (1.0, 0.278072, 0.721928, 0.278072)),
}


@pytest.mark.parametrize("name", CASES)
def test_exact_reference_cases(name):
    counts, expected = CASES[name]
    found = information.information(counts)
    assert (found.network, found.simple, found.beyond, found.mu) == pytest.approx(
        expected, abs=1e-6
    )


@pytest.mark.parametrize("classes", [2, 3])
def test_entropies_give_what_the_definitions_give_as_sums(classes):
    rng = streams.generator(0, streams.TEST)
    for _ in range(20):
        counts = rng.integers(0, 30, size=(classes,) * 3)
        found = information.information(counts)
        for name, value in by_sums(counts).items():
            assert getattr(found, name) == pytest.approx(value, abs=1e-12)


def test_mutual_information_agrees_with_another_library():
    rng = streams.generator(1, streams.TEST)
    f, y, simple = rng.integers(0, 3, size=(3, 500))
    found = information.information(information.table(f, y, simple, classes=3))
    for value, pair in (
        (found.network, (f, y)),
        (found.simple, (simple, y)),
        (found.shared, (f, simple)),
    ):
        assert value == pytest.approx(mutual_info_score(*pair) / np.log(2), abs=1e-12)


def test_mu_is_symmetric_bounded_and_blind_to_renaming():
    rng = streams.generator(2, streams.TEST)
    for _ in range(50):
        counts = rng.integers(0, 40, size=(2, 2, 2))
        found = information.information(counts)
        for axes in itertools.permutations(range(3)):
            assert information.information(counts.transpose(axes)).mu == pytest.approx(
                found.mu, abs=1e-12
            )
        assert -1 <= found.mu <= min(found.network, found.simple, found.shared) + 1e-12
        assert information.information(counts[::-1]) == pytest.approx(found, abs=1e-12)


# --- tables


def test_a_table_counts_by_hand_and_has_the_axes_network_label_simple():
    counts = information.table([0, 1, 1, 1], [0, 0, 1, 1], [0, 1, 1, 1])
    assert (
        counts[0, 0, 0] == 1 and counts[1, 0, 1] == 1 and counts[1, 1, 1] == 2 and counts.sum() == 4
    )
    first, second = information.accuracies(counts)
    assert first == 0.75 and second == 0.75
    assert information.accuracies(information.table([1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 1])) == (
        0.25,
        0.75,
    )


def test_many_checkpoints_at_once_are_each_the_one_alone():
    rng = streams.generator(3, streams.TEST)
    f, y, simple = (rng.integers(0, 2, size=shape) for shape in ((5, 4, 300), 300, 300))
    counts = information.table(f, y, simple)
    assert counts.shape == (5, 4, 2, 2, 2)
    whole, test = information.information(counts), information.g_test(counts)
    errors = information.standard_error(counts)
    for place in itertools.product(range(5), range(4)):
        alone = information.table(f[place], y, simple)
        np.testing.assert_array_equal(counts[place], alone)
        for many, one in (
            (whole.mu, information.information(alone).mu),
            (errors, information.standard_error(alone)),
            (test.p_value, information.g_test(alone).p_value),
        ):
            assert many[place] == pytest.approx(float(one), abs=1e-12)


@pytest.mark.parametrize("bad", [[0, 1, 2], [0, 1, -1], [0.0, 1.0, 0.0], [0, 1]])
def test_what_is_no_label_of_these_classes_is_refused(bad):
    with pytest.raises(ValueError, match="allowed .*(whole numbers|N = 3)"):
        information.table(bad, [0, 1, 0], [0, 1, 0])


def test_an_unknown_estimator_is_refused():
    with pytest.raises(ValueError, match="allowed plug-in, miller-madow"):
        information.information(TABLE, "jackknife")


# --- formulas


def test_information_against_accuracy():
    at = {0.55: 0.0072, 0.573: 0.0154, 0.6: 0.0290, 0.7: 0.1187, 0.8: 0.2781}
    at |= {0.8721: 0.4483, 0.9: 0.5310, 0.99: 0.9192, 1: 1.0}
    np.testing.assert_allclose(information.from_accuracy(list(at)), list(at.values()), atol=5e-5)
    assert information.from_accuracy(0.5) == 0


def test_asymmetric_errors_leave_that_curve_upward_and_unbalanced_labels_may_leave_it_downward():
    # accuracy 0.8, balanced Y, all errors on Y = 1
    upward = joint({(0, 0, 0): 0.5, (0, 1, 0): 0.2, (1, 1, 0): 0.3})
    assert information.information(upward).network > information.from_accuracy(0.8) + 0.05
    downward = joint({(0, 0, 0): 0.9, (0, 1, 0): 0.1})  # accuracy 0.9 by always saying 0
    assert information.information(downward).network == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("a", "b"), [(0.8, 0.8), (0.9, 0.7), (0.97, 0.87)])
def test_the_null_is_the_mu_of_independent_errors(a, b):
    assert information.information(independent_errors(a, b)).mu == pytest.approx(
        float(information.mu_null(a, b)), abs=1e-6
    )


def test_the_retention_index_is_zero_at_the_null_one_at_the_most_and_undefined_without_room():
    null = information.mu_null(0.9, 0.8)
    network, simple = information.from_accuracy(0.9), information.from_accuracy(0.8)
    assert information.retention_index(null, null, network, simple) == 0
    assert information.retention_index(simple, null, network, simple) == pytest.approx(1)
    assert np.isnan(information.retention_index(simple, information.mu_null(1.0, 0.8), 1.0, simple))
    # the paper's recorded MNIST run at T0, by its sheet: mu .354, accuracies from I .46 and .446,
    # null .238, index .56
    assert information.retention_index(0.354, 0.238, 0.46, 0.446) == pytest.approx(0.56, abs=0.005)


def test_flipped_labels_have_the_accuracy_and_the_mu_of_the_null():
    rng = streams.generator(4, streams.TEST)
    y = rng.integers(0, 2, size=200_000)
    counts = information.table(
        information.flipped(y, 0.9, rng), y, information.flipped(y, 0.8, rng)
    )
    assert information.accuracies(counts) == pytest.approx((0.9, 0.8), abs=0.005)
    assert information.information(counts).mu == pytest.approx(
        float(information.mu_null(0.9, 0.8)), abs=0.006
    )


# --- the estimator

TRUTH = TABLE / TABLE.sum()


def draws(truth: np.ndarray, n: int, count: int, seed: int = 0) -> np.ndarray:
    rng = streams.generator(seed, streams.TEST)
    return rng.multinomial(n, truth.ravel(), size=count).reshape(count, *truth.shape)


@pytest.mark.parametrize("n", [500, 2000])
def test_the_bias_of_the_plug_in_follows_the_degrees_of_freedom_and_miller_madow_takes_it_away(n):
    exact, k = information.information(TABLE), 1 / (2 * n * np.log(2))
    counts = draws(TRUTH, n, 20_000)
    plain, better = information.information(counts), information.information(counts, "miller-madow")
    for name, expected in {"network": k, "beyond": 2 * k, "mu": -k}.items():
        for values, bias in ((getattr(plain, name), expected), (getattr(better, name), 0.0)):
            error = values.std() / np.sqrt(len(values))
            assert values.mean() - getattr(exact, name) == pytest.approx(
                bias, abs=3 * error + 0.1 * k
            )


def test_with_ten_classes_the_bias_is_as_large_as_a_signal():
    uniform = np.full((10, 10, 10), 1e-3)
    mu = information.information(draws(uniform, 10_000, 40)).mu
    assert mu.mean() == pytest.approx(-(9**3) / (2 * 10_000 * np.log(2)), rel=0.06)


@pytest.mark.parametrize("n", [900, 2000, 10_000])
def test_nominal_intervals_cover_the_truth_as_often_as_they_say(n):
    counts, exact = draws(TRUTH, n, 4000, seed=1), float(information.information(TABLE).mu)
    found = information.information(counts).mu
    covered = np.abs(found - exact) <= stats.norm.ppf(0.975) * information.standard_error(counts)
    assert 0.93 <= covered.mean() <= 0.97


def test_bootstrap_intervals_of_mu_and_of_its_share_cover_the_truth_too():
    tables, rng = draws(TRUTH, 2000, 300, seed=2), streams.generator(2, streams.BATCHES)
    again = information.information(information.bootstrap(tables, 200, rng))
    exact = information.information(TABLE)
    for values, truth in (
        (again.mu, exact.mu),
        (again.mu / again.network, exact.mu / exact.network),
    ):
        low, high = information.interval(values)
        assert 0.9 <= np.mean((low <= truth) & (truth <= high)) <= 0.98


def test_a_bootstrap_keeps_each_total_and_has_the_spread_of_the_delta_method():
    tables = np.stack([TABLE, 4 * TABLE])
    again = information.bootstrap(tables, 2000, streams.generator(0, streams.BATCHES))
    assert again.shape == (2000, 2, 2, 2, 2)
    np.testing.assert_array_equal(again.sum(axis=(-3, -2, -1)), np.tile([1000, 4000], (2000, 1)))
    np.testing.assert_allclose(
        information.information(again).mu.std(axis=0), information.standard_error(tables), rtol=0.08
    )


def test_the_g_test_rejects_as_often_as_it_says_and_sees_what_is_there():
    null = noisy_copy() / 10**9  # I(F;Y|L) = 0
    found = information.g_test(draws(null, 2000, 4000))
    assert (found.freedom == 2).all()
    assert np.mean(found.p_value < 0.05) == pytest.approx(0.05, abs=0.015)
    assert information.g_test(TABLE).p_value < 1e-12
    # the 95 % limit of the plug-in is 4.32 / N
    limit = stats.chi2.isf(0.05, 2) / (2 * np.log(2))
    assert limit == pytest.approx(4.32, abs=0.005)


def test_the_g_test_loses_a_degree_for_what_never_happens():
    perfect = np.zeros((2, 2, 2), dtype=int)
    perfect[0, 0, 0] = perfect[1, 1, 1] = 50
    found = information.g_test(perfect)
    assert found.freedom == 0 and found.p_value == 1


def test_permuted_predictions_show_the_bias_of_many_classes_and_none_worth_naming_for_two():
    rng = streams.generator(5, streams.TEST)
    y = rng.integers(0, 10, size=900)
    f, simple = (
        np.where(rng.random(900) < 0.9, y, rng.integers(0, 10, size=900)) for _ in range(2)
    )
    shuffled = rng.permuted(np.tile(f, (50, 1)), axis=1)
    many = information.information(information.table(shuffled, y, simple, 10)).mu
    few = information.information(information.table(shuffled % 2, y % 2, simple % 2, 2)).mu
    assert abs(many.mean()) > 5 * many.std() and abs(many.mean()) > 0.05
    assert abs(few.mean()) < 0.005
