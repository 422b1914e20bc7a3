"""Gradient and curvature against automatic differentiation, and the interpolator against what it
promises.
"""

import numpy as np
import pytest
import torch

from simplicity import nets
from simplicity.boursier import alignment, landscape, ols
from simplicity.boursier.two_layer import descend
from simplicity.nets.loop import Diverged


def problem(m: int = 6, n: int = 9, d: int = 3, seed: int = 0):
    rng = np.random.default_rng(seed)
    return tuple(rng.standard_normal(shape) for shape in (m, (m, d), (n, d), n))


def loss(flat: torch.Tensor, x: np.ndarray, y: np.ndarray, m: int) -> torch.Tensor:
    """1/(2n) sum_k (h(x_k) - y_k)^2 of a flat (a, w), by torch."""
    a, w = flat[:m], flat[m:].reshape(m, -1)
    return 0.5 * torch.mean((torch.relu(torch.from_numpy(x) @ w.T) @ a - torch.from_numpy(y)) ** 2)


def automatic(a, w, x, y):
    """Gradient and dense Hessian by torch."""
    flat = torch.from_numpy(np.concatenate([a, w.ravel()]))
    slope = torch.autograd.functional.jacobian(lambda v: loss(v, x, y, len(a)), flat)
    curvature = torch.autograd.functional.hessian(lambda v: loss(v, x, y, len(a)), flat)
    return slope.numpy(), curvature.numpy()


@pytest.mark.parametrize("shape", [(6, 9, 3), (1, 4, 2), (12, 5, 4)])
def test_gradient_and_hessian_are_those_of_automatic_differentiation(shape):
    a, w, x, y = problem(*shape)
    slope, curvature = automatic(a, w, x, y)
    found = landscape.gradient(a, w, x, y)
    np.testing.assert_allclose(np.concatenate([found.a, found.w.ravel()]), slope, atol=1e-13)
    assert landscape.gradient_norm(a, w, x, y) == pytest.approx(np.linalg.norm(slope))
    np.testing.assert_allclose(
        landscape.hessian(a, w, x, y) @ np.eye(len(slope)), curvature, atol=1e-13
    )


@pytest.mark.parametrize("seed", range(4))
def test_extreme_eigenvalues_are_those_of_the_dense_matrix(seed):
    a, w, x, y = problem(m=8, n=30, seed=seed)  # 30 samples activate every neuron
    eigenvalues = np.linalg.eigvalsh(automatic(a, w, x, y)[1])
    assert landscape.sharpness(a, w, x, y) == pytest.approx(eigenvalues[-1], rel=1e-8)
    assert landscape.least_eigenvalue(a, w, x, y) == pytest.approx(eigenvalues[0], rel=1e-6)
    pulls = np.linalg.norm(alignment.d_n(w, x, y, np.maximum(x @ w.T, 0) @ a), axis=1)
    assert 0 > eigenvalues[0] >= -pulls.max()


def test_one_neuron_by_hand():
    # h = a w x with x = 2, y = 3 at a = w = 1: e = -1, H = x^2 (w, a)(w, a)^T + e x [[0, 1], [1,
    # 0]] = [[4, 2], [2, 4]]
    a, w, x, y = np.array([1.0]), np.array([[1.0]]), np.array([[2.0]]), np.array([3.0])
    assert landscape.gradient_norm(a, w, x, y) == pytest.approx(np.sqrt(8))
    np.testing.assert_allclose(landscape.hessian(a, w, x, y) @ np.eye(2), [[4, 2], [2, 4]])


def test_a_neuron_that_no_sample_activates_has_no_part_in_the_least_eigenvalue():
    a, w = np.ones(3), np.array([[1.0, 0.2], [0.5, 1.0], [-1.0, -1.0]])
    x, y = np.abs(problem()[2][:, :2]), np.ones(9)
    np.testing.assert_array_equal(landscape.active(w, x), [True, True, False])
    alone = np.linalg.eigvalsh(automatic(a[:2], w[:2], x, y)[1])[0]
    assert landscape.least_eigenvalue(a, w, x, y) == pytest.approx(alone, rel=1e-6)


def test_a_fit_on_each_half_is_stationary_without_negative_curvature_and_a_point_beside_it_is_not():
    # with a margin, so that each fit is active on its own half alone
    _, _, x, y = problem(n=80, d=3)
    x[:, 0] += 4 * np.sign(x[:, 0])
    y = 3 * x[:, 0] + 0.1 * y
    fits = ols.two_ols(x, y, np.eye(3)[0])
    a, w = np.array([1.0, -1.0]), np.stack([fits.plus, -fits.minus])
    assert np.all((x @ w.T > 0) == np.stack([x[:, 0] > 0, x[:, 0] < 0], axis=1))
    assert landscape.gradient_norm(a, w, x, y) < 1e-12
    assert landscape.least_eigenvalue(a, w, x, y) > -1e-9
    assert landscape.gradient_norm(1.1 * a, w, x, y) > 1e-2


def test_balancing_changes_no_function_and_makes_both_layers_equal():
    a, w, x, _ = problem()
    a[2], w[3] = 0.0, 0.0
    found = landscape.balanced(a, w)
    np.testing.assert_allclose(
        nets.forward(found, x), nets.forward(nets.TwoLayer(a, w), x), atol=1e-13
    )
    np.testing.assert_allclose(np.abs(found.a), np.linalg.norm(found.w, axis=1), atol=1e-15)


def test_the_interpolator_fits_any_labels_with_enough_neurons_and_not_with_too_few():
    _, _, x, y = problem(n=40, d=4)
    errors = {}
    for width in (10, 200):
        a, w = landscape.random_feature_interpolator(width, x, y, np.random.default_rng(1))
        errors[width] = ols.mse(np.maximum(x @ w.T, 0) @ a, y)
    assert errors[200] < 1e-20 and errors[10] > 0.05


def test_the_least_norm_output_is_the_pseudo_inverse():
    _, w, x, y = problem(m=30, n=7)
    np.testing.assert_allclose(
        landscape.least_norm_output(w, x, y), np.linalg.pinv(np.maximum(x @ w.T, 0)) @ y, atol=1e-10
    )


def test_a_perturbation_has_its_size():
    a, w, _, _ = problem()
    moved = landscape.perturbed(a, w, 0.03, np.random.default_rng(0))
    size = np.sqrt(np.sum((moved.a - a) ** 2) + np.sum((moved.w - w) ** 2)) / np.sqrt(
        np.sum(a**2) + np.sum(w**2)
    )
    assert size == pytest.approx(0.03)


def test_a_random_point_has_the_wanted_loss():
    _, _, x, y = problem(n=20)
    start = landscape.random_feature_interpolator(100, x, y, np.random.default_rng(0))

    def error(a, w):
        return ols.mse(np.maximum(x @ w.T, 0) @ a, y)

    assert error(*landscape.at_loss(*start, error, 0.2, np.random.default_rng(1))) == pytest.approx(
        0.2
    )


@pytest.mark.parametrize(("share", "stays"), [(0.9, True), (1.1, False)])
def test_descent_leaves_an_interpolator_exactly_when_the_step_exceeds_two_over_sharpness(
    share, stays
):
    _, _, x, y = problem(n=20, d=4)
    start = landscape.random_feature_interpolator(80, x, y, np.random.default_rng(0))
    step_size = share * 2 / landscape.sharpness(*start, x, y)
    moved = landscape.perturbed(*start, 1e-6, np.random.default_rng(1))
    try:
        network, _ = descend(moved, x, y, step_size=step_size, schedule=(0, 3000), probes={})
        error = ols.mse(nets.forward(network, x), y)
    except Diverged:
        error = np.inf
    near = np.isfinite(error) and (
        np.linalg.norm(network.a - start.a) < 1e-4 * np.linalg.norm(start.a)
    )
    assert near == stays


def test_an_eigenvalue_has_the_same_bits_every_time():
    # 40 neurons on 20 samples: a spectrum on which the iteration restarts from random vectors of
    # its own.
    a, w, x, y = problem(m=40, n=20, d=5, seed=1)
    assert len({landscape.least_eigenvalue(a, w, x, y) for _ in range(5)}) == 1
