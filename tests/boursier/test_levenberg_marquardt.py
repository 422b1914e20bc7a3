"""The method of Levenberg and Marquardt: derivatives, a second implementation, known minima."""

import numpy as np
import pytest
from scipy.optimize import least_squares

from outcomes import outcomes
from simplicity.boursier import landscape, levenberg_marquardt, ols
from simplicity.boursier.experiments import polished_fit
from simplicity.grid.groups import Runs
from simplicity.nets import TwoLayer, dominated, forward
from simplicity.problems import Problem


def drawn(n: int, m: int, d: int, noise: float, seed: int) -> tuple[TwoLayer, np.ndarray]:
    """A network of unit signs, its samples, and its outputs with noise: network, (x, y)."""
    rng = np.random.default_rng(seed)
    network = TwoLayer(rng.choice([-1.0, 1.0], m), rng.standard_normal((m, d)))
    x = rng.standard_normal((n, d))
    return network, np.column_stack([x, forward(network, x) + noise * rng.standard_normal(n)])


def outputs(network: TwoLayer, vectors: np.ndarray, x: np.ndarray) -> np.ndarray:
    """h(x) with `vectors` in the place of |a_j| w_j, neuron by neuron."""
    hidden = [max(0.0, float(v @ one)) for one in x for v in vectors.reshape(network.w.shape)]
    return np.array(hidden).reshape(len(x), -1) @ np.sign(network.a)


def test_the_derivatives_are_differences_and_the_network_is_linear_in_them() -> None:
    network, data = drawn(30, 4, 3, 0.1, seed=0)
    scaled = TwoLayer(2.5 * network.a, network.w / 2.5)  # the same function
    x, vectors = data[:, :3], network.w.ravel()
    found, small = levenberg_marquardt.jacobian(scaled, x), 1e-6
    for index, column in enumerate(found.T):
        change = np.zeros_like(vectors)
        change[index] = small
        ahead, behind = (outputs(network, vectors + sign * change, x) for sign in (1, -1))
        np.testing.assert_allclose(column, (ahead - behind) / (2 * small), atol=1e-8)
    np.testing.assert_allclose(found @ vectors, forward(scaled, x), rtol=1e-12)


def test_it_ends_where_another_implementation_ends() -> None:
    network, data = drawn(80, 3, 2, 0.2, seed=1)
    x, y = data[:, :2], data[:, 2]
    start = TwoLayer(network.a, network.w + 0.05 * np.random.default_rng(2).standard_normal((3, 2)))
    other = least_squares(
        lambda vectors: outputs(network, vectors, x) - y, start.w.ravel(), method="lm"
    )
    found = levenberg_marquardt.polish(start, x, y)
    assert found.error == pytest.approx(2 * other.cost / len(x), rel=1e-6)
    np.testing.assert_allclose(found.network.w.ravel(), other.x, rtol=1e-4)
    assert landscape.gradient_norm(*found.network, x, y) < 1e-5
    assert found.error < ols.mse(forward(network, x), y)  # below the teacher's own noise


def test_with_many_more_numbers_than_samples_it_interpolates() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((12, 3)), rng.standard_normal(12)
    found = levenberg_marquardt.polish(dominated(400, 3, 1.0, rng), x, y)
    assert found.error < 1e-20  # with 20 neurons this start ends at a kink, above 0.03


def test_the_error_is_that_of_the_network_and_never_above_the_start_s() -> None:
    network, data = drawn(40, 5, 3, 0.3, seed=4)
    x, y = data[:, :3], data[:, 3]
    rng = np.random.default_rng(5)
    for steps in (1, 5, 60):
        start = dominated(5, 3, 1.0, rng)
        found = levenberg_marquardt.polish(start, x, y, steps)
        assert found.steps <= steps
        assert found.error == pytest.approx(ols.mse(forward(found.network, x), y))
        assert found.error <= ols.mse(forward(start, x), y)
        np.testing.assert_array_equal(found.network.a, np.sign(start.a))


def test_from_a_stationary_point_it_does_not_move() -> None:
    x = np.array([[1.0], [2.0], [-1.0]])
    y = np.array([1.0, 2.5, 0.0])
    best = TwoLayer(np.ones(1), np.array([[6 / 5]]))  # least squares on the two positive inputs
    found = levenberg_marquardt.polish(best, x, y)
    np.testing.assert_allclose(found.network.w, best.w, rtol=1e-12)


def test_a_number_of_steps_that_is_none_is_refused() -> None:
    network, data = drawn(10, 2, 2, 0.1, seed=6)
    with pytest.raises(Problem, match="steps"):
        levenberg_marquardt.polish(network, data[:, :2], data[:, 2], 0)


def with_gap(many: float, fewer: float) -> Runs:
    """The small start is at 1; the better of two polished ones lies so far below it."""

    def found(run) -> dict:
        best = 1.0 - {480: fewer, 7680: many}[run.n] * (1 + (run.width == 50))
        return {"small": 1.0, "polished": [2.0, best], "tried": [9, 9], "two_fits": 1.0}

    settings = {"n": (480, 7680), "width": (20, 50), "noise_variance": 1.0, "seeds": 5}
    return outcomes(polished_fit, found, {"polished": "start", "tried": "start"}, **settings)


@pytest.mark.parametrize(
    ("many", "fewer", "passed", "behaves"),
    [(0.03, 0.2, True, True), (0.06, 0.2, False, True), (0.03, 0.09, True, False)],
)
def test_the_wider_network_decides_with_many_samples_and_the_narrower_with_few(
    many: float, fewer: float, passed: bool, behaves: bool
) -> None:
    (check,) = polished_fit.checks(with_gap(many, fewer))
    assert (check.passed, check.control.passed) == (passed, behaves)
    assert check.value == pytest.approx(2 * many)
