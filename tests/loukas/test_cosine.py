"""The cosine task against its definition."""

import numpy as np
import pytest

from simplicity.loukas import cosine


def test_points_lie_in_a_plane_ten_times_as_large_and_frequencies_share_them() -> None:
    one, two = cosine.task(0.5, 200, seed=3), cosine.task(1.0, 200, seed=3)
    np.testing.assert_array_equal(one.x, two.x)
    assert np.linalg.matrix_rank(one.x) == 2 and abs(one.plane).max() <= 1
    np.testing.assert_allclose(one.basis.T @ one.basis, 100 * np.eye(2), atol=1e-10)
    np.testing.assert_allclose(
        np.linalg.norm(one.x, axis=1), 10 * np.linalg.norm(one.plane, axis=1)
    )
    np.testing.assert_allclose(
        one.y, np.cos(np.pi * one.plane[:, 0]) * np.cos(np.pi * one.plane[:, 1])
    )
    assert one.x_test.shape == (30, 10) and (cosine.task(0.5, 200, seed=4).x != one.x).any()


@pytest.mark.parametrize(
    ("frequency", "expected"), [(0.25, 0.106), (0.5, 0.213), (0.75, 0.319), (1.0, 0.426)]
)
def test_the_mean_slope_is_that_of_finite_differences(frequency: float, expected: float) -> None:
    assert cosine.mean_slope(frequency) == pytest.approx(expected, abs=6e-4)
    plane, step = np.random.default_rng(0).uniform(-1, 1, (20_000, 2)), 1e-5
    ends = [
        cosine.value(plane + step * axis, frequency) - cosine.value(plane - step * axis, frequency)
        for axis in np.eye(2)
    ]
    assert np.hypot(*ends).mean() / (2 * step) / 10 == pytest.approx(
        cosine.mean_slope(frequency), rel=0.02
    )
