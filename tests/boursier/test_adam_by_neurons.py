"""Momentum, Adam and AdamW by the fast kernels, against torch, the recorded engine, hand cases."""

from functools import partial

import numpy as np
import pytest
import torch

from simplicity import nets
from simplicity.boursier import adam_by_neurons, gelu_and_adam
from simplicity.nets.loop import Diverged
from simplicity.nets.train import train

TORCH = {
    "momentum": partial(torch.optim.SGD, momentum=0.9),
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
}


def problem(n: int = 30, dim: int = 5, width: int = 13):
    rng = np.random.default_rng(7)
    x = rng.standard_normal((n, dim))
    return nets.dominated(width, dim, 0.5, rng), x, x[:, 0] + 0.5 * rng.standard_normal(n)


class Leaky(torch.nn.Module):
    def __init__(self, network: nets.TwoLayer, slope: float) -> None:
        super().__init__()
        self.a, self.w = (torch.nn.Parameter(torch.from_numpy(part.copy())) for part in network)
        self.slope = slope

    def forward(self, x):
        return torch.nn.functional.leaky_relu(x @ self.w.T, self.slope) @ self.a


@pytest.mark.parametrize("rule", adam_by_neurons.RULES)
@pytest.mark.parametrize("dim", [5, 20])
@pytest.mark.parametrize(("batch", "slope"), [(0, 0.0), (0, 0.1), (8, 0.0), (29, 0.1)])
def test_every_rule_is_torchs(rule, dim, batch, slope):
    start, x, y = problem(dim=dim)
    settings = {"schedule": (0, 40, 100), "probes": {}, "batch": batch}
    rngs = [np.random.default_rng(3) if batch else None for _ in range(2)]
    ours, _ = adam_by_neurons.descend(
        start, x, y, rule=rule, step_size=0.003, slope=slope, rng=rngs[0], **settings
    )
    theirs, _ = train(
        Leaky(start, slope), x, y, optimiser=partial(TORCH[rule], lr=0.003), rng=rngs[1], **settings
    )
    np.testing.assert_allclose(ours.w, theirs.w.detach(), rtol=0, atol=1e-10)
    np.testing.assert_allclose(ours.a, theirs.a.detach(), rtol=0, atol=1e-10)
    assert np.abs(ours.w - start.w).max() > 1e-2  # it did move


@pytest.mark.parametrize("rule", ["adam", "adamw"])
def test_adam_is_that_of_the_recorded_engine(rule):
    start, x, y = problem()
    settings = {"rule": rule, "step_size": 0.01, "schedule": (0, 100), "probes": {}}
    ours, _ = adam_by_neurons.descend(start, x, y, **settings)
    theirs, _ = gelu_and_adam.descend(
        start, x, y, activation="relu", precision="float64", **settings
    )
    np.testing.assert_allclose(ours.w, theirs.w, rtol=0, atol=1e-10)
    np.testing.assert_allclose(ours.a, theirs.a, rtol=0, atol=1e-10)


def test_single_precision_follows_double_to_its_own_accuracy():
    start, x, y = problem()
    settings = {"rule": "momentum", "step_size": 0.01, "schedule": (0, 20), "probes": {}}
    single, _ = adam_by_neurons.descend(start, x, y, precision="float32", **settings)
    double, _ = adam_by_neurons.descend(start, x, y, **settings)
    assert single.w.dtype == np.float32
    np.testing.assert_allclose(single.w, double.w, rtol=0, atol=1e-6)


def test_two_steps_with_momentum_by_hand():
    # a = w = 1, x = 1, y = 3: g = -2 for both, v = -2, both 1.2. Then h = 1.44, r = 1.56,
    # g = -1.2 * 1.56 = -1.872, v = -1.8 - 1.872 = -3.672, both 1.2 + 0.3672 = 1.5672.
    start = nets.TwoLayer(np.array([1.0]), np.array([[1.0]]))
    network, _ = adam_by_neurons.descend(
        start, np.array([[1.0]]), np.array([3.0]), rule="momentum", step_size=0.1,
        schedule=(0, 2), probes={},
    )  # fmt: skip
    np.testing.assert_allclose(network.a, [1.5672], rtol=1e-14)
    np.testing.assert_allclose(network.w, [[1.5672]], rtol=1e-14)


def test_adams_first_step_is_the_rate_whatever_the_gradient():
    start = nets.TwoLayer(np.array([1.0]), np.array([[1.0]]))
    network, _ = adam_by_neurons.descend(
        start, np.array([[1.0]]), np.array([1e4]), rule="adam", step_size=0.1, schedule=(0, 1),
        probes={},
    )  # fmt: skip
    np.testing.assert_allclose(network.a, [1.1], rtol=1e-12)


def test_a_looked_at_run_is_the_same_run():
    start, x, y = problem()
    settings = {"rule": "adam", "step_size": 0.01, "probes": {}}
    whole, _ = adam_by_neurons.descend(start, x, y, schedule=(0, 50), **settings)
    pieces, _ = adam_by_neurons.descend(start, x, y, schedule=(0, 3, 7, 50), **settings)
    np.testing.assert_allclose(whole.w, pieces.w, rtol=0, atol=1e-13)


def test_a_run_that_diverges_says_so():
    start, x, y = problem()
    with pytest.raises(Diverged, match="step_size 50"):
        adam_by_neurons.descend(
            start, x, y, rule="momentum", step_size=50.0, schedule=(0, 1000), probes={}
        )


def test_another_rule_is_refused():
    start, x, y = problem()
    with pytest.raises(ValueError, match="rule: got 'sgd'"):
        adam_by_neurons.descend(start, x, y, rule="sgd", step_size=0.1, schedule=(0, 1), probes={})
