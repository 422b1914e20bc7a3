"""The benchmarks' float32 loop against automatic differentiation and the float64 loop."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from simplicity import nets
from simplicity.loukas import single_sample
from simplicity.loukas.single_sample import passes
from simplicity.loukas.single_sample_autograd import as_module, descend_autograd
from simplicity.loukas.windows import STATISTICS
from simplicity.nets.loop import Diverged

sys.path.append(str(Path(__file__).parents[2] / "benchmarks" / "peers"))
single_precision = importlib.import_module("single_precision")

SIZES = [(10, 10, 32, 32, 32, 1), (3, 7, 40, 1), (20, 20, 5, 1), (2, 2, 1)]


def problem(sizes, identity, labels=False):
    rng = np.random.default_rng(5)
    x = rng.standard_normal((20, sizes[0]))
    y = (x[:, 0] > 0).astype(float) if labels else np.sin(x[:, 0])
    start = nets.torch_default(sizes, rng, identity=identity)
    return start, x, y, passes(20, 3, np.random.default_rng(1))


def assert_close(ours, theirs, names):
    for name in names:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=2e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("loss", single_sample.LOSSES)
def test_it_is_torchs_descent_in_single_precision(sizes, loss):
    identity = sizes[0] == sizes[1]
    start, x, y, order = problem(sizes, identity, loss == "cross entropy")
    settings = {"step_size": 0.05, "window": 20, "loss": loss}
    network, ours = single_precision.descend(start, x, y, order, **settings)
    module = as_module(start, precision="float32")
    theirs = descend_autograd(module, module[0].bias, x, y, order, **settings)
    for layer, (weight, bias) in enumerate(zip(*network, strict=True)):
        assert weight.dtype == np.float32
        reference = module[2 * layer]
        np.testing.assert_allclose(weight, reference.weight.detach(), rtol=0, atol=2e-6)
        np.testing.assert_allclose(bias, reference.bias.detach(), rtol=0, atol=2e-6)
    assert np.abs(network.biases[0] - start.biases[0]).max() > 1e-3  # it did move
    assert_close(ours, theirs, set(STATISTICS) - {"rounding"})


@pytest.mark.parametrize("sizes", SIZES)
def test_it_follows_the_loop_in_double_precision(sizes):
    start, x, y, order = problem(sizes, sizes[0] == sizes[1])
    settings = {"step_size": [0.05, 0.02, 0.01], "window": 20, "schedule": (0, 2, 3)}
    settings["probes"] = {"bias": lambda network: network.biases[0]}
    settings["dims"] = {"bias": ("neuron",)}
    network, ours = single_precision.descend(start, x, y, order, **settings)
    double, theirs = single_sample.descend(start, x, y, order, **settings)
    for single, other in zip(network.weights, double.weights, strict=True):
        np.testing.assert_allclose(single, other, rtol=0, atol=2e-6)
    np.testing.assert_allclose(ours.bias, theirs.bias, rtol=0, atol=2e-6)
    assert_close(ours, theirs, set(STATISTICS) - {"rounding"})
    if sizes[0] == sizes[1]:  # |db| = |W_1^T dl/db_1| where W_1 = I, up to rounding b_1
        assert ours.rounding.max() < 2


def test_one_step_by_hand():
    # f = w relu(x + b) + c with b = 1/2, w = 1, c = 0 on x = 1/2, y = 0: h = 1, f = 1, df/db = 1;
    # a step of 1/4 of (f - y)^2 / 2: w = 3/4, c = -1/4, b = 1/4, all exact in float32.
    start = nets.FullyConnected((np.eye(1), np.array([[1.0]])), (np.array([0.5]), np.array([0.0])))
    network, found = single_precision.descend(
        start, np.array([[0.5]]), np.array([0.0]), np.array([0]), step_size=0.25, window=1
    )
    assert network.weights[1] == 0.75 and network.biases[1] == -0.25 and network.biases[0] == 0.25
    assert found.loss == 0.5 and found.trajectory == 1 and found.slope == 1


def test_a_run_that_diverges_says_where():
    start, x, y, order = problem(SIZES[0], True)
    with pytest.raises(Diverged, match="step_size 1e"):
        single_precision.descend(start, x, y, order, step_size=1e6, window=20)
