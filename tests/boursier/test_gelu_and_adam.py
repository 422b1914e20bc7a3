"""The compiled optimisers against torch's own, against the plain engine, and against the exact
GeLU.
"""

from functools import partial

import numpy as np
import pytest
import torch
from scipy.special import ndtr

from simplicity import nets
from simplicity.boursier import gelu_and_adam, two_layer
from simplicity.nets import train
from simplicity.nets.loop import Diverged

TORCH = {"gd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


class Module(torch.nn.Module):
    """The same network for torch, with torch's own activations."""

    def __init__(self, start: nets.TwoLayer, activation: str) -> None:
        super().__init__()
        self.a, self.w = (torch.nn.Parameter(torch.tensor(part)) for part in start)
        self.activation = getattr(torch.nn.functional, activation)

    def forward(self, x):
        return self.activation(x @ self.w.T) @ self.a


def problem(dim: int = 5, scale: float = 1.0):
    rng = np.random.default_rng(3)
    x = rng.standard_normal((40, dim))
    return nets.dominated(12, dim, scale, rng), x, x[:, 0] + 0.5 * rng.standard_normal(40)


@pytest.mark.parametrize("rule", gelu_and_adam.RULES)
@pytest.mark.parametrize("activation", gelu_and_adam.ACTIVATIONS)
@pytest.mark.parametrize("dim", [2, 5, 6])
def test_it_follows_torch_step_by_step(activation, rule, dim):
    start, x, y = problem(dim)
    schedule = (0, 1, 2, 5, 20)
    ours, theirs = {}, {}
    gelu_and_adam.descend(
        start, x, y, activation=activation, rule=rule, step_size=0.01, schedule=schedule,
        precision="float64",
        probes={"ours": lambda net: ours.setdefault(len(ours), np.c_[net.a, net.w].copy()).sum()},
    )  # fmt: skip
    train.train(
        Module(start, activation), x, y, optimiser=partial(TORCH[rule], lr=0.01), schedule=schedule,
        probes={
            "theirs": lambda net: theirs.setdefault(
                len(theirs), np.c_[net.a.detach(), net.w.detach()].copy()
            ).sum()
        },
    )  # fmt: skip
    for index in range(len(schedule)):
        # The approximation of Phi is off by up to 1e-7; the ReLU has none.
        np.testing.assert_allclose(
            ours[index], theirs[index], rtol=0, atol=1e-6 if activation == "gelu" else 1e-12
        )
    assert np.abs(ours[4] - ours[0]).max() > 1e-2  # it did move


def test_plain_descent_is_that_of_the_faster_engine():
    start, x, y = problem()
    settings = {"step_size": 0.05, "schedule": (0, 100), "probes": {}, "precision": "float64"}
    ours, _ = gelu_and_adam.descend(start, x, y, activation="relu", rule="gd", **settings)
    theirs, _ = two_layer.descend(start, x, y, **settings)
    np.testing.assert_allclose(ours.w, theirs.w, rtol=0, atol=1e-10)


def test_one_step_of_gelu_by_hand():
    # One neuron a = 1, w = 1, one sample x = 1, y = 2: s = Phi(1), s' = Phi(1) + phi(1), residual 2
    # - Phi(1).
    start = nets.TwoLayer(np.array([1.0]), np.array([[1.0]]))
    network, _ = gelu_and_adam.descend(
        start, np.ones((1, 1)), np.array([2.0]), activation="gelu", rule="gd", step_size=0.1,
        schedule=(0, 1), probes={}, precision="float64",
    )  # fmt: skip
    below, density = ndtr(1.0), np.exp(-0.5) / np.sqrt(2 * np.pi)
    assert network.a[0] == pytest.approx(1 + 0.1 * (2 - below) * below, abs=1e-7)
    assert network.w[0, 0] == pytest.approx(1 + 0.1 * (2 - below) * (below + density), abs=1e-7)


def test_the_first_step_of_adam_moves_every_pulled_weight_by_the_step_size():
    start, x, y = problem()
    how = {"schedule": (0, 1), "probes": {}, "precision": "float64"}
    network, _ = gelu_and_adam.descend(
        start, x, y, activation="gelu", rule="adam", step_size=1e-3, **how
    )
    np.testing.assert_allclose(np.abs(network.w - start.w), 1e-3, rtol=1e-3)


@pytest.mark.parametrize(("kind", "within"), [(np.float64, 1e-7), (np.float32, 1e-6)])
def test_the_normal_distribution_is_as_near_as_its_docstring_says(kind, within):
    constants = tuple(kind(value) for value in gelu_and_adam._TAIL + gelu_and_adam._OTHERS)
    z = np.linspace(-9, 9, 2001)
    found = np.array([gelu_and_adam._normal(kind(value), constants) for value in z])
    np.testing.assert_allclose(
        found[:, 0], np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi), rtol=0, atol=within
    )
    np.testing.assert_allclose(found[:, 1], ndtr(z), rtol=0, atol=within)


@pytest.mark.parametrize("activation", gelu_and_adam.ACTIVATIONS)
def test_forward_is_torch_s(activation):
    start, x, _ = problem()
    with torch.no_grad():
        expected = Module(start, activation)(torch.tensor(x)).numpy()
    np.testing.assert_allclose(
        gelu_and_adam.forward(start, x, activation), expected, rtol=0, atol=1e-14
    )


def test_probes_follow_the_schedule_and_the_start_stays():
    start, x, y = problem()
    before = start.w.copy()
    how = {"schedule": (0, 3, 9), "probes": {"first": lambda net: net.a[0]}}
    network, run = gelu_and_adam.descend(
        start, x, y, activation="gelu", rule="adam", step_size=0.01, **how
    )
    np.testing.assert_array_equal(start.w, before)
    assert run.step.values.tolist() == [0, 3, 9] and int(run.stopped_at) == 9
    assert float(run["first"][0]) == pytest.approx(start.a[0], rel=1e-6)
    assert float(run["first"][2]) == network.a[0]
    assert network.w.shape == start.w.shape and network.w.dtype == np.float32


def test_a_diverged_run_names_the_step_and_the_settings():
    start, x, y = problem(scale=10.0)
    with pytest.raises(Diverged, match="step .*gelu, gd 50, n 40, m 12, d 5"):
        gelu_and_adam.descend(
            start, x, y, activation="gelu", rule="gd", step_size=50.0, schedule=(0, 200), probes={}
        )


def test_unknown_names_are_refused():
    start, x, y = problem()
    with pytest.raises(ValueError, match="tanh"):
        gelu_and_adam.descend(
            start, x, y, activation="tanh", rule="gd", step_size=0.1, schedule=(0, 1), probes={}
        )
