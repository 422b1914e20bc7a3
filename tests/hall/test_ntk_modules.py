"""Deep networks in NTK parametrisation: their start, their kernel, their symmetries."""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from simplicity.hu import deep_kernel
from simplicity.hu.kernel import deep_slope
from simplicity.nets import ntk_modules


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def kernel(module: nn.Module, x: torch.Tensor) -> NDArray[np.floating]:
    """Empirical NTK from one backward pass for each sample, (n, n)."""
    rows = []
    for one in x:
        module.zero_grad()
        module(one[None]).backward()
        rows.append(
            torch.cat([p.grad.ravel() for p in module.parameters() if p.grad is not None]).clone()
        )
    jacobian = torch.stack(rows).double()
    return (jacobian @ jacobian.T).numpy()


def images(n: int, side: int = 4, planes: int = 3) -> torch.Tensor:
    return torch.from_numpy(rng(1).standard_normal((n, planes, side, side))).float()


def networks() -> list[nn.Module]:
    shape = (3, 4, 4)
    return [
        ntk_modules.fully_connected((48, 8, 8), "erf", rng(0)),
        ntk_modules.convolutional(shape, 5, 2, "tanh", rng(0)),
        ntk_modules.convolutional(shape, 5, 2, "relu", rng(0), padding="zeros", head="pooling"),
    ]


@pytest.mark.parametrize("copied", networks())
def test_the_difference_of_two_copies_starts_at_zero_with_the_kernel_of_one(
    copied: nn.Module,
) -> None:
    x = images(6)
    pair = ntk_modules.difference(lambda: copied)
    assert torch.equal(pair(x), torch.zeros(6))
    assert kernel(pair, x) == pytest.approx(kernel(copied, x), rel=1e-4)


def test_a_network_with_one_hidden_layer_is_the_formula_written_out() -> None:
    module = ntk_modules.fully_connected((48, 7), "erf", rng(3))
    w, v = (weight.detach().numpy() for weight in module.weights)
    x = images(5)
    hidden = np.vectorize(math.erf)(x.numpy().reshape(5, -1) @ w.T / math.sqrt(48))
    assert module(x).detach().numpy() == pytest.approx(
        (hidden @ v.T)[:, 0] / math.sqrt(7), abs=1e-5
    )
    assert module(x).shape == (5,)


def test_a_convolution_is_a_sum_over_nine_neighbours_that_wraps_around() -> None:
    module = ntk_modules.convolutional((1, 4, 4), 2, 1, "erf", rng(3))
    w, v = (weight.detach().numpy() for weight in module.weights)
    x = images(1, planes=1)
    hidden = np.zeros((2, 4, 4))
    for c, i, j, a, b in np.ndindex(2, 4, 4, 3, 3):
        hidden[c, i, j] += w[c, 0, a, b] * float(x[0, 0, (i + a - 1) % 4, (j + b - 1) % 4]) / 3
    top = np.vectorize(math.erf)(hidden).ravel()
    assert float(module(x).detach()) == pytest.approx(top @ v[0] / math.sqrt(32), abs=1e-5)


def test_the_outputs_of_single_copies_have_the_variance_of_the_theory() -> None:
    x = torch.ones(1, 10)
    values = [
        float(ntk_modules.fully_connected((10, 64, 64), "erf", rng(seed))(x).detach())
        for seed in range(600)
    ]
    variance = 1.0
    for _ in range(2):
        variance = 2 / math.pi * math.asin(2 * variance / (1 + 2 * variance))
    assert np.var(values) == pytest.approx(variance, rel=0.2)  # relative error of 600 squares: 0.06


def test_a_wide_network_has_the_kernel_of_the_recursion() -> None:
    x = rng(2).standard_normal((6, 20))
    wide = ntk_modules.fully_connected((20, 1500, 1500), "erf", rng(0))
    assert kernel(wide, torch.from_numpy(x).float()) == pytest.approx(
        deep_kernel.connected(x, "erf", 2), abs=0.1
    )


@pytest.mark.parametrize("head", ["flatten", "pooling"])
def test_a_convolutional_network_of_many_channels_has_the_kernel_of_the_recursion(
    head: ntk_modules.Head,
) -> None:
    x = images(4)
    many = ntk_modules.convolutional((3, 4, 4), 250, 2, "erf", rng(0), head=head)
    limit = deep_kernel.convolutional(
        np.moveaxis(x.numpy().astype(float), 1, -1), "erf", 2, readout=head
    )
    assert kernel(many, x) == pytest.approx(limit, abs=0.15 * limit.max())


def test_the_kernel_s_slope_in_the_inner_product_is_that_of_the_linear_model() -> None:
    """On nearly orthogonal inputs Theta = (c_1/d) x.x' off the diagonal."""
    x = np.zeros((2, 400))
    x[0, :] = 1
    x[1, :] = np.where(np.arange(400) < 210, 1, -1)  # inner product 20: rho = 0.05
    wide = deep_kernel.connected(x, "erf", 3)
    assert wide[0, 1] == pytest.approx(0.05 * deep_slope("erf", 3), rel=0.01)
    inputs = torch.from_numpy(x).float()
    networks = [ntk_modules.fully_connected((400,) * 4, "erf", rng(s)) for s in range(6)]
    found = np.mean([kernel(network, inputs) for network in networks], axis=0)
    assert found[0, 1] == pytest.approx(0.05 * deep_slope("erf", 3), abs=0.03)


def test_circular_convolutions_and_pooling_do_not_see_a_shift_and_padding_with_zeros_does() -> None:
    x = images(3)
    moved = torch.roll(x, (1, 2), (2, 3))
    pooled, padded = (
        ntk_modules.convolutional((3, 4, 4), 6, 3, "erf", rng(0), padding=padding, head="pooling")
        for padding in ("circular", "zeros")
    )
    assert torch.allclose(pooled(x), pooled(moved), atol=1e-6)
    assert not torch.allclose(padded(x), padded(moved), atol=1e-3)
    flat = ntk_modules.convolutional((3, 4, 4), 6, 3, "erf", rng(0))
    assert not torch.allclose(flat(x), flat(moved), atol=1e-3)


def test_the_global_generator_of_torch_is_left_alone_and_the_own_one_decides() -> None:
    before = torch.get_rng_state()
    one, two = (ntk_modules.convolutional((1, 4, 4), 3, 2, "erf", rng(5)) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    other = ntk_modules.convolutional((1, 4, 4), 3, 2, "erf", rng(6))
    assert not torch.equal(next(other.parameters()), next(one.parameters()))
