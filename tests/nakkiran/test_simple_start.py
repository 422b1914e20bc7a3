"""The theorem's model.

Closed forms against other people's solvers, iterates, and hand cases, on both sides of thresholds.
"""

import numpy as np
import pytest

from simplicity.data import streams
from simplicity.nakkiran import least_squares, leaving, one_hot, simple_start
from simplicity.nakkiran.experiments import simple_start as experiment
from simplicity.nakkiran.experiments import two_phases
from simplicity.nakkiran.simple_start import Weights

FEATURES = 120


def drawn(n: int = 30, flip: float = 0.2, seed: int = 0) -> tuple[one_hot.Samples, np.ndarray]:
    """A training set and a random start over all coordinates, (1 + FEATURES,)."""
    rng = streams.generator(seed, streams.DATA)
    return one_hot.training(n, FEATURES, flip, rng), rng.standard_normal(1 + FEATURES)


def start_of(samples: one_hot.Samples, w: np.ndarray) -> Weights:
    return Weights(float(w[0]), w[1 + samples.key])


def dense(samples: one_hot.Samples, w: np.ndarray, weights: tuple) -> np.ndarray:
    found = w.copy()
    found[0], found[1 + samples.key] = weights
    return found


def apart(found: tuple, end: Weights, tolerance: float) -> bool:
    return bool(max(abs(found[0] - end.first), np.abs(found[1] - end.own).max()) > tolerance)


# --- data


def test_training_samples_have_different_keys_and_inputs_of_squared_norm_two():
    samples, _ = drawn()
    assert len(set(samples.key.tolist())) == 30
    np.testing.assert_array_equal((one_hot.matrix(samples, FEATURES) ** 2).sum(axis=1), 2)


def test_the_shared_coordinate_disagrees_with_the_label_as_often_as_said():
    rng = streams.generator(0, streams.DATA)
    for flip in (0.0, 0.1, 0.4):
        samples = one_hot.fresh(40_000, 10**6, flip, rng)
        assert np.mean(samples.shared != samples.y) == pytest.approx(flip, abs=0.01)
        assert np.mean(samples.y) == pytest.approx(0, abs=0.02)


def test_fresh_keys_are_seen_as_often_as_the_law_says_and_recognised():
    rng = streams.generator(1, streams.DATA)
    trained, fresh = one_hot.training(300, 1000, 0.1, rng), one_hot.fresh(5000, 1000, 0.1, rng)
    unseen = one_hot.unseen(fresh.key, trained.key)
    np.testing.assert_array_equal(unseen, ~np.isin(fresh.key, trained.key))
    assert unseen.mean() == pytest.approx(0.7, abs=0.03)


def test_a_key_has_the_same_sign_wherever_it_comes_again():
    keys = np.array([7, 3, 7, 10**9, 3, 7])
    signs = one_hot.signs(keys, streams.generator(0, streams.INITIALISATION))
    assert set(np.abs(signs)) == {1}
    assert signs[0] == signs[2] == signs[5] and signs[1] == signs[4]


def test_contradicted_data_have_two_equal_inputs_with_opposite_labels_and_spare_the_original():
    samples, _ = drawn()
    before = [values.copy() for values in samples]
    found = one_hot.contradicted(samples)
    x = one_hot.matrix(found, FEATURES)
    np.testing.assert_array_equal(x[0], x[-1])
    assert found.y[0] == -found.y[-1]
    for kept, then in zip(samples, before, strict=True):
        np.testing.assert_array_equal(kept, then)


# --- Lemma 1


def test_one_sample_by_hand():
    # x = (1; 1), y = 1, w_0 = 0: the projection shares the label between both coordinates
    end = simple_start.limit(Weights(0.0, np.zeros(1)), np.ones(1), np.ones(1))
    assert end == (0.5, np.array([0.5]))


def test_the_limit_is_the_projection_of_the_start_onto_the_solutions():
    samples, w = drawn()
    x = one_hot.matrix(samples, FEATURES)
    projected = w + np.linalg.pinv(x) @ (samples.y - x @ w)
    found = dense(samples, w, simple_start.limit(start_of(samples, w), samples.shared, samples.y))
    np.testing.assert_allclose(found, projected, atol=1e-12)


def test_the_gram_matrix_has_the_eigenvalues_that_the_rates_come_from():
    samples, _ = drawn()
    x = one_hot.matrix(samples, FEATURES)
    values = np.linalg.eigvalsh(x @ x.T)
    np.testing.assert_allclose(values, [1.0] * 29 + [31.0], atol=1e-10)


@pytest.mark.parametrize("step_size", [0.3, 1.0, 1.9])
def test_descent_step_by_step_is_the_closed_form_at_every_step_and_plain_matrix_descent(step_size):
    samples, w = drawn()
    x, plain = one_hot.matrix(samples, FEATURES), w.copy()
    start, given = start_of(samples, w), (samples.shared, samples.y)
    for steps in range(1, 21):
        plain = plain + step_size / 30 * x.T @ (samples.y - x @ plain)
        first, own, firsts, correct, losses = least_squares.descend(
            *start, *given, np.arange(30), step_size, steps
        )
        np.testing.assert_allclose(dense(samples, w, (first, own)), plain, atol=1e-12)
        at = simple_start.at_step(start, *given, steps, step_size)
        np.testing.assert_allclose(dense(samples, w, at), plain, atol=1e-12)
        assert firsts[-1] == first and len(firsts) == steps + 1
        assert losses[-1] == pytest.approx(np.mean((x @ plain - samples.y) ** 2) / 2)
        assert correct[-1] == simple_start.accuracy(simple_start.margins(first, own, *given))


@pytest.mark.parametrize(("factor", "converges"), [(0.97, True), (1.03, False)])
def test_gradient_descent_converges_just_below_its_largest_step_size_and_not_above(
    factor, converges
):
    samples, w = drawn()
    start, step_size = start_of(samples, w), factor * simple_start.largest_step(30)
    first, own, *_ = least_squares.descend(
        *start, samples.shared, samples.y, np.arange(30), step_size, 2000
    )
    end = simple_start.limit(start, samples.shared, samples.y)
    assert apart((first, own), end, 1e-9) is not converges
    assert np.isfinite(first)


@pytest.mark.parametrize(("step_size", "converges"), [(0.1, True), (0.95, True), (1.05, False)])
def test_single_sample_sgd_ends_at_the_same_point_below_step_size_one(step_size, converges):
    samples, w = drawn()
    start, rng = start_of(samples, w), streams.generator(0, streams.BATCHES)
    arrays = (samples.shared, samples.y, np.arange(30))
    first, own, firsts = least_squares.sgd(
        *start, *arrays, step_size=step_size, epochs=500, rng=rng
    )
    end = simple_start.limit(start, samples.shared, samples.y)
    assert apart((first, own), end, 1e-6) is not converges
    assert np.isfinite(firsts).all() and len(firsts) == 501


def test_no_loop_changes_the_start_it_was_given():
    samples, w = drawn()
    own, arrays = w[1 + samples.key], (samples.shared, samples.y, np.arange(30))
    before = own.copy()
    least_squares.descend(0.0, own, *arrays, 0.5, 3)
    least_squares.sgd(
        0.0, own, *arrays, step_size=0.1, epochs=1, rng=streams.generator(0, streams.BATCHES)
    )
    np.testing.assert_array_equal(own, before)


def test_contradictory_labels_leave_at_least_two_units_of_squared_error():
    samples = one_hot.contradicted(drawn()[0])
    keys, slot = np.unique(samples.key, return_inverse=True)
    first, own, *_ = least_squares.descend(
        0.0, np.zeros(len(keys)), samples.shared, samples.y, slot, 1.0, 3000
    )
    residual = samples.y - first * samples.shared - own[slot]
    assert np.sum(residual**2) == pytest.approx(2, abs=1e-6)


# --- Theorem 1


def test_the_accuracy_on_unseen_keys_has_three_levels_with_the_threshold_at_the_size_of_the_start():
    found = simple_start.population_accuracy(np.array([0.41, 0.39, -0.39, -0.41]), 0.4, 0.1)
    assert found.tolist() == [0.9, 0.5, 0.5, 0.1]


@pytest.mark.parametrize("first", [0.5, 0.3, -0.3, -0.5])
def test_those_levels_are_what_a_sample_of_unseen_keys_gives(first):
    fresh = one_hot.fresh(40_000, 10**9, 0.1, streams.generator(0, streams.TEST))
    own = 0.4 * one_hot.signs(fresh.key, streams.generator(0, streams.INITIALISATION))
    found = simple_start.accuracy(simple_start.margins(first, own, fresh.shared, fresh.y))
    assert simple_start.near(found, simple_start.population_accuracy(first, 0.4, 0.1), 40_000)


def test_mean_and_deviation_of_the_end_are_those_of_many_draws():
    n, flip, size, first = 60, 0.15, 0.6, -12.0
    rng, ends = streams.generator(0, streams.DATA), []
    for _ in range(4000):
        samples = one_hot.training(n, 10 * n, flip, rng)
        start = Weights(first, size * rng.choice((-1.0, 1.0), n))
        ends.append(simple_start.limit(start, samples.shared, samples.y).first)
    deviation, mean = (
        simple_start.spread(n, flip, size),
        simple_start.expected_first(n, flip, first),
    )
    assert np.mean(ends) == pytest.approx(mean, abs=4 * deviation / np.sqrt(4000))
    assert np.std(ends) == pytest.approx(deviation, rel=0.05)
    above = simple_start.share_above(n, flip, np.array([size]), first)[0]
    assert np.mean(np.array(ends) > size) == pytest.approx(above, abs=0.05)


def test_the_finite_condition_on_the_first_weight_is_where_the_mean_end_meets_the_size():
    n, flip, size = 1000, 0.1, 0.4
    low = simple_start.lowest_first(n, flip, size)
    assert low == pytest.approx(-400.4)
    assert simple_start.expected_first(n, flip, low) == pytest.approx(size, abs=2e-3)


def test_the_theorems_own_condition_suffices_only_at_an_astronomical_n():
    # n^-0.01 = 1 - 2p - c = 0.5 at n = 2^100
    assert simple_start.enough_samples(0.1, 0.3) == pytest.approx(100 * np.log10(2))


def test_a_margin_of_zero_counts_half_and_near_means_four_binomial_deviations():
    assert simple_start.accuracy(np.array([1.0, 0.0, -1.0, 2.0])) == 0.625
    # 10,000 samples at 0.9: a deviation is 0.003
    near = simple_start.near(np.array([0.9119, 0.9121, 0.8881, 0.8879]), 0.9, 10_000)
    assert near.tolist() == [True, False, True, False]


def test_an_end_is_told_apart_draw_by_draw_on_both_sides_of_the_threshold():
    found = experiment.measure(experiment.Run(n=200, ratio=1.0, draws=40)).expand_dims("cell")
    found = found.assign_coords(flip=("cell", [0.1]), ratio=("cell", [1.0]))
    assert experiment.predicted(found).all()
    # the threshold itself: some draws fall on either side
    assert 0.2 < experiment.generalised(found).mean() < 0.8
    assert (found.train == 1).all()


# --- two phases


def test_the_simple_weight_is_there_after_one_step_and_the_sample_after_n_times_a_logarithm():
    found = two_phases.measure(two_phases.Run(n=400, test_samples=1000))
    assert int(found.settled) == 1
    # the last sample to be memorised starts at margin -(w(1) + |w_0(k)|) and loses a share 1/n of
    # its error a step
    expected = 400 * np.log(1 + float(found.limit) + 0.4)
    assert int(found.memorised) == pytest.approx(expected, rel=0.02)
    clean = two_phases.measure(two_phases.Run(n=400, flip=0.0, test_samples=1000))
    assert int(clean.memorised) == int(clean.settled) == 1


def test_for_good_is_after_the_last_exception():
    assert leaving.for_good(np.array([False, True, False, True, True])) == 3
    assert leaving.for_good(np.array([True, True])) == 0
    assert leaving.for_good(np.array([True, False])) == 2
