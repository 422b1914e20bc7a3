"""The compiled convolutional network of single images against automatic differentiation and its own
contract.
"""

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

from simplicity.loukas import single_image
from simplicity.loukas.single_sample import passes
from simplicity.loukas.single_sample_autograd import descend_autograd
from simplicity.loukas.windows import STATISTICS
from simplicity.nets import modules
from simplicity.nets.loop import Diverged

RNG = np.random.default_rng


def problem(shape: tuple[int, int, int], precision: str = "float64"):
    rng = RNG(2)
    x, y = rng.uniform(-1, 1, (12, *shape)).astype(precision), rng.integers(2, size=12)
    module = modules.two_convolutions(shape, rng, (4, 12))
    for parameter in module.parameters():
        parameter.data *= 1.5  # so that something is learnt within a few steps
    return module.to(getattr(torch, precision)), x, y


def by_torch(module, x, y, order, step_size, window):
    settings = {"step_size": step_size, "window": window, "loss": "cross entropy"}
    return descend_autograd(module, module[0].bias, x, y, order, **settings)


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28)])
def test_two_hundred_steps_equal_automatic_differentiation_in_network_and_statistics(shape) -> None:
    module, x, y = problem(shape)
    other, start = copy.deepcopy(module), copy.deepcopy(module)
    order, rates = RNG(1).integers(12, size=200), np.array([0.1, 0.05])
    ours = single_image.descend(module, x, y, order, step_size=rates, window=100)
    theirs = by_torch(other, x, y, order, rates, 100)
    networks = (one.parameters() for one in (module, other, start))
    for one, two, before in zip(*networks, strict=True):
        np.testing.assert_allclose(one.detach(), two.detach(), rtol=0, atol=1e-12)
        assert not torch.equal(one, before)
    for name in STATISTICS:
        if name != "rounding":
            np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-9, err_msg=name)
    assert ours.rounding.max() < 8


def test_in_single_precision_it_stays_close() -> None:
    module, x, y = problem((3, 32, 32), "float32")
    other = copy.deepcopy(module)
    order = RNG(1).integers(12, size=50)
    ours = single_image.descend(module, x, y, order, step_size=0.05, window=50)
    theirs = by_torch(other, x, y, order, 0.05, 50)
    np.testing.assert_allclose(ours.trajectory, theirs.trajectory, rtol=1e-3)
    assert module[0].bias.dtype == torch.float32 and ours.rounding.max() < 8


def test_the_network_of_the_paper_has_as_many_parameters_and_sees_a_corner_of_25_by_25() -> None:
    module = modules.two_convolutions((3, 32, 32), RNG(0))
    assert sum(one.numel() for one in module.parameters()) == 1_080_577
    # nothing cut off
    whole = nn.Sequential(*(layer for layer in module if type(layer).__name__ != "_Corner"))
    x = torch.from_numpy(RNG(1).uniform(-1, 1, (4, 3, 32, 32)).astype(np.float32)).requires_grad_()
    torch.testing.assert_close(whole(x), module(x))
    (seen,) = torch.autograd.grad(whole(x).sum(), x)
    assert (seen[:, :, :25, :25] != 0).any()
    assert not seen[:, :, 25:].any() and not seen[:, :, :, 25:].any()
    with pytest.raises(ValueError, match="allowed 25 to 33"):
        # from there on the second pooling has more than one window
        modules.two_convolutions((3, 34, 34), RNG(0))
    bound = 1 / math.sqrt(3 * 32 * 32)
    assert 0.9 * bound < module[0].bias.abs().max() <= bound


def test_probes_see_the_running_network_and_change_nothing() -> None:
    module, x, y = problem((1, 28, 28))
    plain, start = copy.deepcopy(module), copy.deepcopy(module)
    order = passes(12, 4, RNG(1))
    seen = single_image.descend(
        module, x, y, order, step_size=0.05, window=12, schedule=(0, 2, 4),
        probes={"bias": lambda one: one[0].bias.detach().numpy().ravel().copy()},
        dims={"bias": ("neuron",)},
    )  # fmt: skip
    single_image.descend(plain, x, y, order, step_size=0.05, window=12)
    assert all(map(torch.equal, module.parameters(), plain.parameters()))
    np.testing.assert_array_equal(seen.bias[0], start[0].bias.detach().numpy().ravel())
    np.testing.assert_array_equal(seen.bias[2], module[0].bias.detach().numpy().ravel())
    assert seen.probe_step.values.tolist() == [0, 24, 48] and seen.sizes["window"] == 4


def test_broken_windows_and_divergence_are_told() -> None:
    module, x, y = problem((1, 28, 28))
    with pytest.raises(ValueError, match="whole windows of 7"):
        single_image.descend(module, x, y, np.zeros(12, int), step_size=0.1, window=7)
    single, x, y = problem((1, 28, 28), "float32")
    with pytest.raises(Diverged, match="step_size 1e"):
        single_image.descend(single, x, y, RNG(0).integers(12, size=60), step_size=1e38, window=20)
