"""Statistics of the first bias against hand cases, closed forms and SciPy."""

import numpy as np
import pytest
from scipy import stats

from simplicity import nets
from simplicity.loukas import rank_correlations, trajectory
from simplicity.loukas.single_sample import descend, passes

RNG = np.random.default_rng


def test_a_normalised_step_by_hand_with_its_own_epsilon_and_with_the_one_before():
    bias = np.array([[0.0, 0.0], [0.3, 0.4], [0.3, 0.4], [0.3, 1.4]])  # steps of length 0.5, 0, 1
    epsilon = np.array([0.5, 2.0, 4.0])
    np.testing.assert_allclose(trajectory.normalised(bias, epsilon, 0.1), [10, 0, 2.5])
    np.testing.assert_allclose(trajectory.normalised(bias, epsilon, 0.1, late=True), [10, 0, 5])
    fitted = np.array([0.5, 2.0, 0.0])  # no derivative, no step
    np.testing.assert_allclose(trajectory.normalised(bias, fitted, 0.1), [10, 0, 0])


def test_eps_of_the_step_before_is_off_by_so_many_units_of_rounding():
    bias, epsilon = np.array([[0.0], [1.0], [1.0], [1.5]]), np.array([1.0, 1.0, 2.0])
    # The last step, of length 0.5, is divided by 1 in place of 2: 0.25 more.
    unit = np.finfo(float).eps * (1.0 + 0.5) / 2.0
    assert trajectory.late_error(bias, epsilon, 1.0) == pytest.approx(0.25 / unit)
    assert trajectory.late_error(bias, np.zeros(3), 1.0) == 0


def test_the_trace_of_a_run_gives_the_statistics_of_the_compiled_loop():
    rng = RNG(0)
    x = rng.standard_normal((20, 6))
    start = nets.torch_default((6, 6, 9, 1), rng, identity=True)
    network, found = descend(
        start, x, np.sin(x[:, 0]), passes(20, 5, rng), step_size=0.02, window=20, trace=True
    )
    bias = trajectory.traced(found, network)
    for late, name in ((False, "trajectory"), (True, "late")):
        ours = trajectory.normalised(bias, found.traced_epsilon.values, 0.02, late=late)
        np.testing.assert_allclose(ours.reshape(5, 20).mean(axis=1), found[name], rtol=1e-9)
    length, epsilon = found.length.mean().item(), found.traced_epsilon.values
    floor = trajectory.rounding_floor(bias[:-1], length, 0.02, epsilon)
    assert (floor > 0).all() and floor.min() < 1e-12


def test_averaging_repeats_first_shortens_the_trajectory():
    there, back = np.array([[0.0], [1.0]]), np.array([[0.0], [-1.0]])
    one = np.ones(1)
    assert trajectory.normalised(there, one, 1.0) == trajectory.normalised(back, one, 1.0) == 1
    assert trajectory.normalised((there + back) / 2, one, 1.0) == 0


def test_epsilon_is_the_derivative_and_the_released_one_its_reciprocal():
    p, y, step = np.array([0.2, 0.9, 0.999]), np.array([0.0, 1.0, 1.0]), 1e-6

    def loss(q):
        return -y * np.log(q) - (1 - y) * np.log(1 - q)

    derivative = np.abs(loss(p + step) - loss(p - step)) / (2 * step)
    np.testing.assert_allclose(trajectory.epsilon_cross_entropy(p, y), derivative, rtol=1e-4)
    released = trajectory.released_epsilon_cross_entropy(p, y)
    np.testing.assert_allclose(released, 1 / derivative, rtol=1e-4)
    squares = trajectory.epsilon_squares(np.array([1.5, -1.0]), np.array([1.0, 1.0]))
    np.testing.assert_allclose(squares, [0.5, 2])


def test_the_first_epoch_below_a_loss_is_counted_from_one_and_may_not_exist():
    loss = np.array([0.5, 0.3, 0.31, 0.1])
    assert trajectory.first_below(loss, 0.31) == 2 and trajectory.first_below(loss, 0.3) == 4
    assert np.isnan(trajectory.first_below(loss, 0.1))
    values = np.array([1.0, 2.0, 3.0, 4.0])
    assert trajectory.at(values, 4.0) == 4 and np.isnan(trajectory.at(values, np.nan))
    assert trajectory.loss_at_explained_variance(np.array([-1.0, 1.0]), 0.9) == pytest.approx(0.05)


def test_strictly_ordered_epochs_are_counted():
    curves = np.array([[0.0, 0.0, 2.0, 1.0], [1.0, 0.0, 1.0, 2.0], [2.0, 3.0, 3.0, 3.0]])
    # the second has a tie, the third a wrong order
    assert trajectory.strictly_ordered(curves) == 0.5


def test_rank_correlation_equals_scipy_and_is_undefined_for_a_constant():
    rng = RNG(1)
    x, y = rng.integers(4, size=30), rng.standard_normal(30)
    assert rank_correlations.spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic)
    assert np.isnan(rank_correlations.spearman(x, np.ones(30)))


def test_the_bootstrap_draws_seeds_and_contains_what_it_should():
    noise = RNG(2).standard_normal((10, 4))
    null = rank_correlations.spearman_over_seeds([1, 2, 3, 4], noise)
    assert null.low < 0 < null.high and null.missing == 0
    strong = rank_correlations.spearman_over_seeds([1, 2, 3, 4], noise + 10 * np.arange(4))
    assert strong.low > 0.9
    # seeds that are copies of one another say no more than one of them, and rows drawn singly would
    # say four times as much
    copies = rank_correlations.spearman_over_seeds([1, 2, 3, 4], np.tile(noise[:1], (10, 1)))
    single = stats.spearmanr([1, 2, 3, 4], noise[0]).statistic
    assert copies.low == copies.high == pytest.approx(single)


def test_shuffled_conditions_have_no_order_and_the_spread_of_a_permutation_test():
    values = RNG(2).standard_normal((10, 4)) + 10 * np.arange(4)
    found = rank_correlations.shuffled([1, 2, 3, 4], values, RNG(3))
    # Within a seed the ranks of conditions are exchangeable: a mean of ten independent correlations
    # of 4, each of variance 1/3.
    assert abs(found.mean()) < 0.01 and found.std() == pytest.approx(np.sqrt(1 / 3 / 10), rel=0.06)


def test_undefined_runs_are_left_out_and_counted():
    values = np.arange(12.0).reshape(3, 4)
    values[0, 3] = np.nan
    found = rank_correlations.spearman_over_seeds([1, 2, 3, 4], values)
    kept = np.isfinite(values)
    expected = stats.spearmanr(np.broadcast_to([1, 2, 3, 4], (3, 4))[kept], values[kept]).statistic
    assert found.missing == 1 and found.value == pytest.approx(expected)
    nothing = rank_correlations.spearman_over_seeds([1, 2], np.full((3, 2), np.nan))
    assert np.isnan(nothing.value) and np.isnan(nothing.low)


def test_a_correlation_within_conditions_does_not_see_their_order_and_draws_whole_seeds():
    rng = np.random.default_rng(0)
    apart = rng.standard_normal((40, 1)) * 0.01 + np.arange(4) * 10
    noise = rng.standard_normal((40, 4))
    level, test = apart + noise, apart + rng.standard_normal((40, 4))
    over_all = rank_correlations.spearman(level.ravel(), test.ravel())
    within = rank_correlations.spearman_within(level, test)
    assert over_all > 0.9 and within.low < 0 < within.high
    same = rank_correlations.spearman_within(level, apart + noise)
    assert same.value == pytest.approx(1)
    # All conditions of a seed share one number: forty runs are ten, and the interval is as wide.
    shared = rng.standard_normal((10, 1)) + np.zeros((10, 4))
    other = 0.5 * shared + rng.standard_normal((10, 1))
    four, one = (
        rank_correlations.spearman_within(shared[:, :k], other[:, :k] + np.zeros((10, k)))
        for k in (4, 1)
    )
    assert four.high - four.low == pytest.approx(one.high - one.low)


def test_an_exponent_is_recovered():
    assert trajectory.log_slope([1, 4, 16, 64], 3 / np.sqrt([1, 4, 16, 64])) == pytest.approx(-0.5)


def test_a_kernel_fit_of_a_smooth_function_has_its_slopes():
    x = RNG(4).uniform(-1, 1, (150, 2))
    slopes = trajectory.kernel_slopes(x, np.sin(2 * x[:, 0]), width=0.5, ridge=1e-9)
    inside = (abs(x) < 0.8).all(axis=1)
    np.testing.assert_allclose(slopes[inside], 2 * np.abs(np.cos(2 * x[inside, 0])), atol=0.02)
