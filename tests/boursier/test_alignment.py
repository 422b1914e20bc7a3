"""Forces, fits and cosines against hand cases and independent formulas."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from simplicity import nets
from simplicity.boursier import alignment, ols

# Three samples in the plane; which are active depends on the direction alone.
X = np.array([[1.0, 0.0], [0.0, 2.0], [-1.0, -1.0]])
Y = np.array([3.0, 1.0, 6.0])


@pytest.mark.parametrize(
    ("direction", "force", "height"),
    [
        ((1.0, 1.0), (1.0, 2 / 3), (3 + 2) / 3),  # samples 1 and 2: (3 (1, 0) + 1 (0, 2)) / 3
        ((-1.0, -1.0), (-2.0, -2.0), 12 / 3),  # sample 3 alone: 6 (-1, -1) / 3
        ((1.0, -2.0), (-1.0, -2.0), (3 + 6) / 3),  # samples 1 and 3
        ((1.0, 0.0), (1.0, 0.0), 3 / 3),  # sample 2 lies on the boundary and counts as inactive
    ],
)
def test_d_n_and_g_n_by_hand(direction, force, height):
    w = np.array([direction])
    np.testing.assert_allclose(alignment.d_n(w, X, Y)[0], force)
    np.testing.assert_allclose(alignment.g_n(w, X, Y)[0], height)


def test_d_n_is_the_gradient_of_g_n_inside_a_sector():
    rng = np.random.default_rng(0)
    x, y, w = rng.standard_normal((20, 3)), rng.standard_normal(20), rng.standard_normal((4, 3))
    for axis in range(3):
        step = 1e-6 * np.eye(3)[axis]
        slope = (alignment.g_n(w + step, x, y) - alignment.g_n(w - step, x, y)) / 2e-6
        np.testing.assert_allclose(slope, alignment.d_n(w, x, y)[:, axis], atol=1e-8)


def test_d_n_subtracts_what_the_network_predicts():
    np.testing.assert_allclose(alignment.d_n(np.ones((1, 2)), X, Y, Y), [[0.0, 0.0]])


def test_the_two_fits_equal_two_separate_regressions():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((50, 3))
    y, axis = x[:, 0] + rng.standard_normal(50), np.eye(3)[0]
    fits = ols.two_ols(x, y, axis)
    for side, found in ((x[:, 0] > 0, fits.plus), (x[:, 0] < 0, fits.minus)):
        np.testing.assert_allclose(
            found, LinearRegression(fit_intercept=False).fit(x[side], y[side]).coef_
        )
        np.testing.assert_allclose(fits.predict(x[side]), x[side] @ found)


def test_an_empty_half_gives_the_zero_fit():
    fits = ols.two_ols(np.array([[1.0, 0.0]]), np.array([2.0]), np.array([1.0, 0.0]))
    np.testing.assert_allclose(fits.plus, [2.0, 0.0])
    np.testing.assert_allclose(fits.minus, [0.0, 0.0])


def test_rho_is_a_ratio_and_undefined_where_the_fits_interpolate():
    y = np.ones(4)
    assert ols.rho(0.1, 0.2, y) == 0.5
    assert np.isnan(ols.rho(0.0, 0.0, y))
    assert np.isfinite(ols.rho(0.0, 1e-11, y)) and np.isnan(ols.rho(0.0, 1e-13, y))


def test_signed_cosines_by_hand():
    fits = ols.TwoOls(np.array([1.0, 0.0]), np.array([0.0, 1.0]), np.array([1.0, 0.0]))
    # along beta_+; against beta_- with a negative a, which is aligned; at right angles; and 45
    # degrees off
    a = np.array([2.0, -1.0, 1.0, -3.0])
    w = np.array([[3.0, 0.0], [0.0, -2.0], [0.0, 1.0], [-1.0, -1.0]])
    cosine, weight = ols.cosines_to_fits(a, w, fits)
    np.testing.assert_allclose(cosine, [1, 1, 0, np.sqrt(0.5)])
    np.testing.assert_allclose(weight, [6, 2, 1, 3 * np.sqrt(2)])
    assert ols.weighted_mean(cosine[:3], weight[:3]) == pytest.approx(8 / 9)


def test_a_neuron_without_weights_has_cosine_zero_and_no_weight():
    fits = ols.TwoOls(np.array([1.0]), np.array([1.0]), np.array([1.0]))
    cosine, weight = ols.cosines_to_fits(np.array([1.0]), np.zeros((1, 1)), fits)
    assert cosine[0] == 0 and weight[0] == 0
    assert np.isnan(ols.weighted_mean(cosine, weight))


def test_the_two_fits_as_a_network_are_exactly_at_the_limit():
    rng = np.random.default_rng(3)
    x = np.column_stack(
        [np.repeat([-1, 1], 30) * rng.uniform(0.5, 1.5, 60), 0.2 * rng.uniform(-1, 1, 60)]
    )
    y, axis = x[:, 0] + 0.1 * rng.standard_normal(60), np.array([1.0, 0.0])
    fits = ols.two_ols(x, y, axis)
    network = nets.TwoLayer(np.array([1.0, -1.0]), np.stack([fits.plus, -fits.minus]))
    found = ols.against_two_ols(lambda points: nets.forward(network, points), x, y, x, y, axis)
    assert found["rho"] == pytest.approx(1)
    assert found["rms_two_ols"] < 1e-12 and found["rms_one_ols"] > 1e-4
    np.testing.assert_allclose(
        alignment.d_n(network.w, x, y, nets.forward(network, x)), 0, atol=1e-14
    )


def test_the_teacher_itself_has_no_excess_risk():
    rng = np.random.default_rng(4)
    x, axis = rng.standard_normal((200, 3)), np.eye(3)[0]
    y = x @ axis + rng.standard_normal(200)
    found = ols.against_two_ols(lambda points: points @ axis, x, y, x, y, axis)
    assert found["excess_risk"] == 0 and found["test_mse"] == pytest.approx(
        np.mean((y - x @ axis) ** 2)
    )
