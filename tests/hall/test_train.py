"""The general loop against the two-layer engine, against a hand-made module, and its own
contract.
"""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from simplicity import nets
from simplicity.boursier.two_layer import descend_autograd
from simplicity.nets.loop import Diverged, evenly, geometrically
from simplicity.nets.train import train

SGD = partial(torch.optim.SGD, lr=0.05)


def problem(n: int = 30, dim: int = 5, width: int = 12):
    rng = np.random.default_rng(7)
    x = rng.standard_normal((n, dim))
    return nets.dominated(width, dim, 0.5, rng), x, x[:, 0] + 0.5 * rng.standard_normal(n)


def error(x, y):
    return {"error": lambda network: float(np.mean((nets.forward(network, x) - y) ** 2))}


def test_schedules_are_whole_increasing_and_keep_both_ends():
    assert evenly(10, 5) == (0, 2, 5, 8, 10)  # 2.5 goes to the even neighbour, as in IEEE 754
    assert evenly(9, 4, first=3) == (3, 5, 7, 9)
    assert evenly(2, 50) == (0, 1, 2)
    assert geometrically(1000, 4) == (1, 10, 100, 1000)
    assert geometrically(80, 5, first=5) == (5, 10, 20, 40, 80)
    assert geometrically(4, 50) == (1, 2, 3, 4)


def test_full_batch_sgd_is_gradient_descent():
    start, x, y = problem()
    schedule = (0, 3, 100)
    ours, table = train(start, x, y, optimiser=SGD, schedule=schedule, probes=error(x, y))
    theirs, other = descend_autograd(
        start, x, y, step_size=0.05, schedule=schedule, probes=error(x, y)
    )
    np.testing.assert_allclose(ours.w, theirs.w, rtol=0, atol=1e-12)
    np.testing.assert_allclose(ours.a, theirs.a, rtol=0, atol=1e-12)
    np.testing.assert_allclose(table.error, other.error, rtol=0, atol=1e-12)
    assert set(table.coords) == set(other.coords) and set(table.data_vars) <= set(other.data_vars)
    np.testing.assert_array_equal(table.time, other.time)


def test_a_batch_of_everything_is_the_full_batch():
    start, x, y = problem()
    settings = {"optimiser": SGD, "schedule": (0, 20), "probes": {}}
    whole, _ = train(start, x, y, **settings)
    batch, _ = train(start, x, y, batch=len(x), rng=np.random.default_rng(0), **settings)
    np.testing.assert_array_equal(whole.w, batch.w)


def test_minibatches_come_from_their_own_generator_and_a_pass_sees_each_sample_once():
    start, x, y = problem(n=10)
    seen = []

    def loss(output, target):
        seen.append(target.detach().numpy().copy())
        return 0.5 * torch.mean((output - target) ** 2)

    settings = {"optimiser": SGD, "schedule": (0, 6), "probes": {}, "batch": 4, "loss": loss}
    first, _ = train(start, x, y, rng=np.random.default_rng(1), **settings)
    assert [len(part) for part in seen] == [4, 4, 2, 4, 4, 2]
    np.testing.assert_allclose(np.sort(np.concatenate(seen[:3])), np.sort(y))
    again, _ = train(start, x, y, rng=np.random.default_rng(1), **settings)
    other, _ = train(start, x, y, rng=np.random.default_rng(2), **settings)
    np.testing.assert_array_equal(first.w, again.w)
    assert np.abs(first.w - other.w).max() > 1e-6


def test_minibatches_without_a_generator_are_refused():
    start, x, y = problem()
    with pytest.raises(ValueError, match="minibatches of 8 need their own generator"):
        train(start, x, y, optimiser=SGD, schedule=(0, 1), probes={}, batch=8)


def test_a_module_is_trained_as_a_copy_and_its_probes_see_it():
    # h(x) = w x with w = 0, one sample x = 2, y = 3: dL/dw = -6, so one step of 0.05 gives w = 0.3.
    module = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(module.weight)
    probe = {"weight": lambda now: float(now.weight[0, 0])}
    trained, table = train(
        module, np.array([[2.0]]), np.array([[3.0]]), optimiser=SGD, schedule=(0, 1), probes=probe
    )
    np.testing.assert_allclose(table.weight, [0, 0.3])
    assert isinstance(trained, nn.Linear) and trained.weight.dtype == torch.float64
    assert float(module.weight.detach()) == 0 and module.weight.dtype == torch.float32


def test_the_start_is_left_as_it_was_whatever_the_precision():
    start, x, y = problem()
    before = start.w.copy()
    network, _ = train(start, x, y, optimiser=SGD, schedule=(0, 5), probes={}, precision="float32")
    np.testing.assert_array_equal(start.w, before)
    assert network.w.dtype == np.float32


def test_adam_takes_steps_of_its_rate_whatever_the_size_of_the_gradient():
    start, x, y = problem()
    network, _ = train(
        start, x, 1e3 * y, optimiser=partial(torch.optim.Adam, lr=1e-3), schedule=(0, 1), probes={}
    )
    moved = np.abs(network.a - start.a)
    np.testing.assert_allclose(moved[moved > 0], 1e-3, rtol=1e-3)


def test_a_diverged_run_names_the_step_and_the_settings():
    start, x, y = problem()
    with pytest.raises(Diverged, match=r"not finite at step \d+: SGD 50, n 30, batch 30"):
        train(
            start, x, y, optimiser=partial(torch.optim.SGD, lr=50.0), schedule=(0, 1000), probes={}
        )
