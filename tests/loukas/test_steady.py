"""Corollaries and Theorem 3's arithmetic on cases done by hand, thresholds from both sides, Dropout
against torch.
"""

import math

import numpy as np
import pytest
import torch
import xarray as xr

from simplicity.data import streams
from simplicity.loukas import cosine, dropout, lipschitz, single_sample, steady
from simplicity.loukas.experiments import covering, dropout_bound, product_bound, steady_networks
from simplicity.nets import FullyConnected, torch_default


def test_steps_are_divided_by_rate_and_eps_and_the_largest_after_tau_is_phi():
    bias = np.array([[0.0, 0.0], [3.0, 4.0], [3.0, 4.0], [3.0, 5.0]])
    found = steady.normalised_steps(bias, np.array([5.0, 1.0, 0.5]), 0.1)
    np.testing.assert_allclose(found, [10.0, 0.0, 20.0])
    assert steady.steadiness(found) == 20
    assert steady.steadiness(found[:2], 0) == 10 and steady.steadiness(found[:2], 1) == 0


def test_a_run_is_steady_at_its_phi_and_not_just_below():
    rng = np.random.default_rng(0)
    bias, eps = rng.standard_normal((50, 3)).cumsum(axis=0), rng.random(49) + 0.1
    phi = steady.steadiness(steady.normalised_steps(bias, eps, 0.2), 10)
    steps = np.linalg.norm(np.diff(bias, axis=0), axis=1)[10:]
    bound = phi * 0.2 * eps[10:]
    assert (steps <= 1.0000001 * bound).all() and not (steps <= 0.999 * bound).all()


def test_variance_and_the_expression_of_corollary_2_by_hand():
    assert steady.variance(np.array([[0.0, 0.0], [2.0, 4.0]])) == 5.0
    # alpha lambda = 0.2 and c = 4 / 2^4 = 1/4
    scale = steady.variance_scale(0.1, np.full(3, 2.0), np.full(3, 2.0), np.full(3, 4.0))
    assert scale == pytest.approx(0.16)


def test_the_bound_of_corollary_3_adds_up_and_holds_for_any_path_that_keeps_its_premise():
    bound = steady.distance_bound(0.1, 10, np.array([1.0, 2.0]), np.array([3.0, 0.5]))
    np.testing.assert_allclose(bound, [3.0, 4.0])
    rng = np.random.default_rng(0)
    direction = rng.standard_normal((200, 4))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    eps, slope = rng.random(200), rng.random(200)
    path = np.cumsum(0.1 * (eps * slope)[:, None] * direction, axis=0)
    away = np.linalg.norm(path, axis=1)
    assert (away <= steady.distance_bound(0.1, 1, eps, slope)).all()
    assert away[0] > steady.distance_bound(0.1, 1, 0.99 * eps, slope)[0]


def test_theorem_3_in_numbers():
    c = steady.dropout_constant(1.0, 0.05, 0.1)
    assert c == pytest.approx(210.53, abs=0.01)
    radius = steady.radius(0.9, steady.lambda_steady(1.0, c, 100))
    assert radius == pytest.approx(0.9 / (c * math.log(100)))
    assert np.isinf(steady.dropout_constant(1.0, 0.2, 0.0))
    assert np.isfinite(steady.dropout_constant(1.0, 0.2, 1e-3))
    bound = steady.lambda_steady(0.5, steady.dropout_constant(1.0, 0.2, 0.3), 100)
    assert steady.radius(0.6, bound) == pytest.approx(0.0125, 0.01)


@pytest.mark.parametrize("balls", [1, 80, 10**6])
def test_the_bound_falls_below_one_at_the_number_of_samples_needed_and_not_before(balls):
    needed = steady.samples_needed(balls, 0.05)
    assert steady.gap_bound(needed, balls, 0.05) < 1 <= steady.gap_bound(needed - 1, balls, 0.05)


def test_the_radius_is_largest_at_its_best_confidence():
    mu = np.linspace(0.001, 0.499, 4999)
    bound = steady.lambda_steady(1.0, steady.dropout_constant(1.0, mu, 1.0), 100)
    radius = steady.radius(1 - 2 * mu, bound)
    assert mu[radius.argmax()] == pytest.approx((1 - 1 / math.sqrt(3)) / 2, abs=1e-3)


def test_boxes_of_a_segment_and_of_a_square_are_as_many_as_fit():
    line = np.stack([np.linspace(0, 1 - 1e-9, 100_001), np.zeros(100_001)], axis=1)
    assert steady.covering_number(line, 0.05 / math.sqrt(2) * 2) == 10
    across = np.linspace(0, 1 - 1e-9, 501)
    square = np.stack(np.meshgrid(across, across), axis=-1).reshape(-1, 2)
    assert steady.covering_number(square, 0.05 / math.sqrt(2) * 2) == 100
    assert steady.covering_number(square - 0.5, 10.0) <= 4


@pytest.mark.parametrize(("shape", "dimension"), [("curve", 1), ("surface", 2)])
def test_the_covering_numbers_of_the_random_domains_grow_with_their_dimension(shape, dimension):
    radii = np.array([0.08, 0.04, 0.02])
    points = covering.domain(shape, 0.02, streams.generator(0, streams.DATA))
    counted = np.array([steady.covering_number(points, radius) for radius in radii])
    found, _ = covering.power_law(radii, counted)
    assert found == pytest.approx(dimension, abs=0.12)


def run_of(kind: str, depth: int = 5):
    return product_bound.Run(depth=depth, kind=kind, seed=0, layer_width=16, inputs=10)


def test_the_dead_network_is_constant_far_out_as_well_and_keeps_the_product():
    dead, alive = product_bound.make(run_of("dead")), product_bound.make(run_of("random"))
    x = 1e4 * np.random.default_rng(0).standard_normal((500, product_bound.DIM))
    assert lipschitz.local(dead, x).max() == 0 < lipschitz.local(alive, x).max()
    assert len(np.unique(lipschitz.outputs(dead, x))) == 1
    assert lipschitz.product_bound(dead) > 0.1


def test_the_linear_network_has_every_neuron_on_and_the_slope_of_its_product():
    network = product_bound.make(run_of("linear"))
    x = np.random.default_rng(0).standard_normal((100, product_bound.DIM))
    assert all(layer.all() for layer in lipschitz.patterns(network, x))
    np.testing.assert_allclose(
        lipschitz.local(network, x), lipschitz.product_bound(network), rtol=1e-12
    )


def test_without_dropout_the_loop_is_the_compiled_one():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((8, 2)), (rng.random(8) > 0.5).astype(float)
    start = torch_default((2, 5, 4, 1), rng)
    order = single_sample.passes(8, 3, rng)
    options = {"step_size": 0.1, "share": 0.0, "rescaled": False, "rng": rng}
    mine, steps = dropout.descend(start, x, y, order, **options)
    theirs, table = single_sample.descend(
        start, x, y, order, step_size=0.1, window=1, loss="cross entropy", train_first=True
    )
    parts = zip(mine.weights + mine.biases, theirs.weights + theirs.biases, strict=True)
    for one, other in parts:
        np.testing.assert_allclose(one, other, atol=1e-12)
    np.testing.assert_allclose(steps.normalised, table.trajectory, atol=1e-9)


@pytest.mark.parametrize("rescaled", [True, False])
def test_a_step_with_dropout_is_that_of_automatic_differentiation_under_the_same_masks(rescaled):
    x, y = np.array([[0.7, -0.4]]), np.array([1.0])
    start = torch_default((2, 6, 5, 1), np.random.default_rng(1))
    ours, rng = np.random.default_rng(7), np.random.default_rng(7)
    options = {"step_size": 0.5, "share": 0.5, "rescaled": rescaled, "rng": ours}
    network, steps = dropout.descend(start, x, y, np.array([0]), **options)
    masks = [(2.0 if rescaled else 1.0) * (rng.random(width) >= 0.5) for width in (6, 5)]
    weights, biases = ([torch.tensor(one, requires_grad=True) for one in part] for part in start)
    h = torch.tensor(x[0])
    for weight, bias, mask in zip(weights[:-1], biases[:-1], masks, strict=True):
        h = torch.tensor(mask) * torch.relu(weight @ h + bias)
    p = torch.sigmoid(weights[-1] @ h + biases[-1])[0]
    (-torch.log(p)).backward()
    for one, other in zip([*network.weights, *network.biases], [*weights, *biases], strict=True):
        np.testing.assert_allclose(one, (other - 0.5 * other.grad).detach().numpy(), atol=1e-12)
    assert steps.output[0] == pytest.approx(p.item())
    length = torch.linalg.vector_norm(biases[0].grad) * p  # eps = 1 / p
    assert steps.normalised[0] == pytest.approx(length.item())


def test_a_softer_network_has_the_larger_radius_unless_its_steadiness_is_kept():
    network = torch_default((2, 8, 1), np.random.default_rng(0))
    sharp = FullyConnected((network.weights[0], 40 * network.weights[1]), network.biases)
    x = np.random.default_rng(1).standard_normal((30, 2))
    now, held = dropout_bound._softened(sharp, x, 0.5)
    assert dropout_bound.never_falls(np.stack([now, held])).tolist() == [True, False]
    # by hand at temperature 2, from p and the derivative of the sigmoid
    logits = lipschitz.outputs(sharp, x) / 2
    p = 1 / (1 + np.exp(-logits))
    slope = [
        np.linalg.norm(sharp.weights[1][0] * (sharp.weights[0] @ one + sharp.biases[0] > 0))
        for one in x
    ]
    phi = max(p * (1 - p) * slope) / 2
    mu = min(p.min(), 1 - p.max())
    c = np.linalg.norm(sharp.weights[0], 2) / (mu * (1 - mu) * 0.5)
    assert now[1] == pytest.approx(np.abs(1 - 2 * p).min() / (c * np.log(8) * phi))


def test_a_slope_over_runs_is_found_with_its_interval_and_noise_has_none():
    rng = np.random.default_rng(0)
    x = rng.standard_normal(60)
    misfit = 0.7 * x + 0.5 * rng.standard_normal(60)

    def runs(logarithm):
        named = {"x": x, "misfit": misfit, "variance": logarithm}
        cells = {name: ("cell", np.exp(values)) for name, values in named.items()}
        return xr.Dataset(cells, {"seed": ("cell", np.repeat(np.arange(20), 3))})

    follows = runs(2 * x + 3 * misfit + 0.1 * rng.standard_normal(60))
    found = steady_networks.power(follows, "x")
    assert found.value == pytest.approx(2, abs=0.1) and found.interval[0] > 1.8
    # what goes along with x alone has no exponent of its own
    low, high = steady_networks.power(runs(3 * misfit + rng.standard_normal(60)), "x").interval
    assert low < 0 < high
    assert steady_networks.power(follows.isel(cell=slice(6)), "x").seeds == 0


def test_the_grid_has_rows_of_v_and_the_targets_slope_its_zeros():
    grid = cosine.square(4)
    np.testing.assert_allclose(grid[:2], [[-0.75, -0.75], [-0.25, -0.75]])
    # a top, a saddle, a zero line of the cosine of frequency 1/2
    points = np.array([[0.0, 0.0], [0.5, 0.5], [0.5, 0.0]])
    np.testing.assert_allclose(cosine.slope(points, 0.5), [0, 0, 1], atol=1e-12)
