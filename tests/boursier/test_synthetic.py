"""Synthetic data: laws held against their moments, labels by hand, streams that do not disturb each
other.
"""

import numpy as np
import pytest

from simplicity.boursier import synthetic
from simplicity.data import streams

MANY = 200_000
# standard errors; 15 moments of each law are looked at, so that a chance of 1e-5 remains
ERRORS = 5


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("law", synthetic.LAWS)
def test_every_law_has_mean_zero_and_the_identity_as_covariance(law: str) -> None:
    x = synthetic.LAWS[law](MANY, 5, rng())
    assert x.shape == (MANY, 5)
    assert np.all(np.abs(x.mean(axis=0)) < ERRORS * x.std(axis=0) / np.sqrt(MANY))
    products = x[:, :, None] * x[:, None, :]
    deviation = np.abs(products.mean(axis=0) - np.eye(5))
    assert np.all(deviation <= ERRORS * products.std(axis=0) / np.sqrt(MANY) + 1e-12)


@pytest.mark.parametrize("law", synthetic.LAWS)
def test_every_law_is_symmetric_in_the_first_coordinate(law: str) -> None:
    first = synthetic.LAWS[law](MANY, 5, rng(1))[:, 0]
    assert abs(np.mean(first > 0) - 0.5) < ERRORS * 0.5 / np.sqrt(MANY)
    assert abs(np.mean(first**3)) < ERRORS * np.std(first**3) / np.sqrt(MANY)


@pytest.mark.parametrize("law", synthetic.LAWS)
@pytest.mark.parametrize(("n", "dim"), [(0, 3), (1, 1), (7, 1), (7, 2), (3, 40)])
def test_every_law_has_any_size_and_finite_values(law: str, n: int, dim: int) -> None:
    x = synthetic.LAWS[law](n, dim, rng())
    assert x.shape == (n, dim)
    assert np.isfinite(x).all()


@pytest.mark.parametrize("law", ["margin", "bounded margin"])
def test_a_law_with_a_margin_keeps_the_first_coordinate_away_from_zero(law: str) -> None:
    first = np.abs(synthetic.LAWS[law](MANY, 5, rng(2))[:, 0])
    unit = np.sqrt(13 / 12)  # the root of E u^2 for u ~ U[0.5, 1.5]
    assert first.min() >= 0.5 / unit
    assert first.max() <= 1.5 / unit
    assert first.min() < 0.501 / unit and first.max() > 1.499 / unit


def test_the_gaussian_law_has_no_margin() -> None:
    assert np.abs(synthetic.gaussian(MANY, 5, rng(2))[:, 0]).min() < 1e-3


def ratio(x: np.ndarray) -> np.ndarray:
    return np.abs(x[:, 0]) / np.linalg.norm(x, axis=1)


@pytest.mark.parametrize("dim", [2, 5, 20])
def test_only_the_bounded_law_bounds_the_angle_to_the_teacher(dim: int) -> None:
    low = 0.5 / np.sqrt(13 / 12)
    bound = low / np.sqrt(low**2 + dim - 1)  # 0.2336 at d = 5
    bounded = ratio(synthetic.bounded_margin(MANY, dim, rng(3)))
    assert bounded.min() >= bound - 1e-12
    assert bounded.min() < bound + 1e-3
    assert ratio(synthetic.margin(MANY, dim, rng(3))).min() < bound
    assert dim != 5 or 0.23 < bound < 0.24


def test_the_other_coordinates_of_the_bounded_law_lie_on_a_sphere() -> None:
    rest = synthetic.bounded_margin(1000, 5, rng(4))[:, 1:]
    np.testing.assert_allclose(np.linalg.norm(rest, axis=1), 2.0, rtol=1e-12)


def test_mirrored_inputs_come_in_opposite_pairs() -> None:
    x = synthetic.gaussian(6, 3, rng())
    both = synthetic.mirrored(x)
    assert both.shape == (12, 3)
    assert np.array_equal(both[:6], x) and np.array_equal(both[6:], -x)
    np.testing.assert_array_equal(both.sum(axis=0).round(12), 0)


def test_the_teacher_is_the_first_axis() -> None:
    assert synthetic.first_axis(3).tolist() == [1, 0, 0]


def test_linear_labels_without_noise_are_the_inner_product() -> None:
    x = np.array([[1.0, 2.0], [-3.0, 0.5]])
    assert synthetic.linear_labels(x, np.array([2.0, -4.0]), 0.0, rng()).tolist() == [-6.0, -8.0]


def test_the_noise_of_linear_labels_has_its_variance_and_nothing_of_the_inputs() -> None:
    x = synthetic.gaussian(MANY, 2, rng(5))
    noise = synthetic.linear_labels(x, synthetic.first_axis(2), 0.25, rng(6)) - x[:, 0]
    assert abs(np.mean(noise)) < ERRORS * 0.5 / np.sqrt(MANY)
    assert abs(np.mean(noise**2) - 0.25) < ERRORS * 0.25 * np.sqrt(2 / MANY)
    assert np.all(np.abs(noise @ x) / MANY < ERRORS * 0.5 / np.sqrt(MANY))


def test_null_labels_have_their_variance_and_nothing_of_the_inputs() -> None:
    x, y = synthetic.gaussian(MANY, 3, rng(7)), synthetic.null_labels(MANY, 4.0, rng(8))
    assert abs(np.mean(y**2) - 4) < ERRORS * 4 * np.sqrt(2 / MANY)
    for feature in (x, np.abs(x), np.maximum(x, 0), x**2):
        scale = np.sqrt(np.mean(feature**2, axis=0))
        assert np.all(np.abs(y @ feature) / MANY < ERRORS * 2 * scale / np.sqrt(MANY))


def test_a_relu_teacher_by_hand() -> None:
    x = np.array([[1.0, 1.0], [1.0, -2.0], [-1.0, -1.0]])
    directions, signs = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([2.0, -1.0])
    # 2 max(0, x_1) - max(0, x_2)
    assert synthetic.relu_labels(x, directions, signs, 0.0, rng()).tolist() == [1.0, 2.0, 0.0]


def test_a_relu_teacher_with_both_signs_of_a_direction_is_linear() -> None:
    x, v = synthetic.gaussian(50, 4, rng(9)), rng(10).standard_normal(4)
    both = synthetic.relu_labels(x, np.array([v, -v]), np.array([1.0, -1.0]), 0.0, rng())
    np.testing.assert_allclose(both, x @ v, atol=1e-12)
    noisy = synthetic.relu_labels(x, np.array([v, -v]), np.array([1.0, -1.0]), 0.25, rng(11))
    np.testing.assert_allclose(noisy, synthetic.linear_labels(x, v, 0.25, rng(11)), atol=1e-12)


# --- streams


def test_a_stream_gives_the_same_numbers_whatever_was_drawn_before() -> None:
    fresh = streams.generator(3, streams.DATA).random(4)
    np.random.default_rng().random(7)
    streams.generator(3, streams.NOISE).random(9)
    assert np.array_equal(streams.generator(3, streams.DATA).random(4), fresh)


def test_the_first_numbers_of_a_stream_are_fixed_for_good() -> None:
    expected = np.random.Generator(np.random.PCG64(np.random.SeedSequence([0, 0]))).random(3)
    assert np.array_equal(streams.generator(0, streams.DATA).random(3), expected)
    named = ("DATA", "INITIALISATION", "BATCHES", "TEST", "NOISE")
    assert [getattr(streams, name) for name in named] == [0, 1, 2, 3, 4]


def test_seeds_and_streams_are_all_different() -> None:
    first = {streams.generator(seed, stream).random() for seed in range(20) for stream in range(5)}
    assert len(first) == 100


@pytest.mark.parametrize("law", synthetic.LAWS)
def test_a_task_depends_on_its_seed_and_on_no_global_state(law: str) -> None:
    one = synthetic.linear_task(law, 30, 5, 0.25, seed=4)
    np.random.seed(1)
    again = synthetic.linear_task(law, 30, 5, 0.25, seed=4)
    other = synthetic.linear_task(law, 30, 5, 0.25, seed=5)
    assert all(np.array_equal(left, right) for left, right in zip(one, again, strict=True))
    assert not np.array_equal(one.x, other.x) and not np.array_equal(one.y, other.y)


def test_training_size_and_noise_leave_the_test_inputs_and_test_size_the_training_set() -> None:
    one = synthetic.linear_task("gaussian", 30, 5, 0.25, seed=4)
    other = synthetic.linear_task("gaussian", 60, 5, 1.0, seed=4)
    small = synthetic.linear_task("gaussian", 30, 5, 0.25, seed=4, n_test=10)
    assert np.array_equal(one.x_test, other.x_test)
    assert np.array_equal(one.x, small.x) and np.array_equal(one.y, small.y)
    assert (len(one.y_test), len(small.y_test)) == (4000, 10)


def test_the_noise_only_scales_with_its_variance() -> None:
    quiet, one, four = (
        synthetic.linear_task("margin", 50, 5, variance, seed=2) for variance in (0.0, 1.0, 4.0)
    )
    assert np.array_equal(quiet.x, four.x)
    assert np.array_equal(quiet.y, quiet.x[:, 0])
    np.testing.assert_allclose(four.y - quiet.y, 2 * (one.y - quiet.y), atol=1e-12)


def test_training_and_test_samples_are_independent() -> None:
    task = synthetic.linear_task("gaussian", 4000, 5, 0.25, seed=6)
    assert not set(task.x.ravel()) & set(task.x_test.ravel())
    correlation = (task.x * task.x_test).mean(axis=0)
    assert np.all(np.abs(correlation) < ERRORS / np.sqrt(4000))
    noise = task.y - task.x @ task.teacher, task.y_test - task.x_test @ task.teacher
    assert abs(np.mean(noise[0] * noise[1])) < ERRORS * 0.25 / np.sqrt(4000)
