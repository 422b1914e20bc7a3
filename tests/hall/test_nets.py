"""Networks and initialisations against their definitions."""

import numpy as np
import pytest

from simplicity import nets


def test_forward_by_hand():
    network = nets.TwoLayer(np.array([2.0, -1.0]), np.array([[1.0, 0.0], [0.0, 1.0]]))
    np.testing.assert_allclose(
        nets.forward(network, np.array([[3.0, 1.0], [-3.0, 2.0], [0.0, -1.0]])), [5.0, -2.0, 0.0]
    )


def test_forward_in_blocks_equals_forward_at_once(monkeypatch):
    rng = np.random.default_rng(0)
    network, x = nets.dominated(8, 3, 1.0, rng), rng.standard_normal((50, 3))
    whole = nets.forward(network, x)
    monkeypatch.setattr(nets, "_BLOCK", 24)
    np.testing.assert_allclose(nets.forward(network, x), whole, rtol=1e-14)
    assert nets.forward(network, x[:0]).shape == (0,)


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_the_dominated_start_is_dominated_and_fills_the_ball(dim):
    width, scale = 20_000, 0.3
    network = nets.dominated(width, dim, scale, np.random.default_rng(0))
    unit = scale / np.sqrt(width)
    length = np.linalg.norm(network.w, axis=1) / unit
    np.testing.assert_allclose(np.abs(network.a), unit)
    assert length.max() <= 1
    # uniform in the ball: P(|w| <= r) = r^d, and no direction preferred
    assert np.mean(length <= 0.8) == pytest.approx(0.8**dim, abs=4 * np.sqrt(0.25 / width))
    assert np.abs(network.w.mean(axis=0) / unit).max() < 4 / np.sqrt(width)
    assert np.mean(network.a > 0) == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(width))


def test_one_sign_changes_the_signs_and_nothing_else():
    both = nets.dominated(50, 3, 1.0, np.random.default_rng(1))
    one = nets.dominated(50, 3, 1.0, np.random.default_rng(1), one_sign=True)
    assert np.all(one.a > 0) and np.any(both.a < 0)
    np.testing.assert_array_equal(np.abs(both.a), one.a)
    np.testing.assert_array_equal(both.w, one.w)


def test_the_scale_multiplies_the_same_directions():
    small = nets.dominated(10, 3, 1e-3, np.random.default_rng(2))
    large = nets.dominated(10, 3, 1.0, np.random.default_rng(2))
    np.testing.assert_allclose(1e3 * small.w, large.w)
