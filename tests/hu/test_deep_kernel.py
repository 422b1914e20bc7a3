"""Kernels by recursion against quadrature, numerical derivatives, and wide finite networks under
automatic differentiation.
"""

import math

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch.func import jacrev, vmap
from torch.nn import functional

from simplicity.hu import deep_kernel, kernel
from simplicity.nets.activations import ACTIVATIONS, NAMES, moments

CLOSED = pytest.mark.parametrize("name", ["erf", "relu"])

# c_1 for 1 to 5 hidden layers, from numerical derivatives by another program
SLOPES = {
    "erf": (0.84883, 0.84035, 0.86999, 0.91677, 0.97349),
    "tanh": (0.73376, 0.64168, 0.59416, 0.56486, 0.54486),
}


def integral(name: str, k: float, q: float, r: float) -> tuple[float, float]:
    """E phi(u) phi(v) and E phi'(u) phi'(v) on a fine grid; the kinks of ReLU are met by its many
    points.
    """
    g = np.linspace(-9, 9, 3001)
    weight = np.exp(-0.5 * (g[:, None] ** 2 + g**2))
    weight /= weight.sum()
    u = np.sqrt(q) * g[:, None] + 0 * g
    v = k / np.sqrt(q) * g[:, None] + np.sqrt(r - k**2 / q) * g
    products = (
        function(torch.from_numpy(u)).numpy() * function(torch.from_numpy(v)).numpy()
        for function in ACTIVATIONS[name][:2]
    )
    value, slope = (float((weight * product).sum()) for product in products)
    return value, slope


@pytest.mark.parametrize("name", ["erf", "relu", "tanh"])
@pytest.mark.parametrize(("k", "q", "r"), [(0.3, 1.0, 1.0), (-0.5, 0.6, 1.7), (0.0, 2.0, 0.4)])
def test_the_expectations_are_those_of_a_double_integral(name, k, q, r) -> None:
    found = deep_kernel.dual_of(name)(np.array([[k]]), np.array([[q]]), np.array([[r]]))
    assert_allclose(
        [part.item() for part in found],
        integral(name, k, q, r),
        rtol=0,
        atol=2e-6 if name != "relu" else 2e-3,
    )


def test_relu_at_its_ends_by_hand() -> None:
    one = np.ones(1)
    for k, value, slope in ((1.0, 0.5, 0.5), (-1.0, 0.0, 0.0), (0.0, 1 / (2 * math.pi), 0.25)):
        found = deep_kernel.relu_dual(k * one, one, one)
        assert_allclose([part.item() for part in found], [value, slope], atol=1e-12)
    assert_allclose(deep_kernel.relu_dual(0 * one, 0 * one, one)[0], 0)


def test_the_series_of_erf_is_its_closed_form_on_the_diagonal_too() -> None:
    x = np.random.default_rng(0).standard_normal((12, 20))
    x[1] = x[0]
    k = x @ x.T / 20
    q = np.diag(k)
    series = deep_kernel.series_dual(
        *(lambda z, f=f: f(torch.from_numpy(z)).numpy() for f in ACTIVATIONS["erf"][:2])
    )
    for found, wanted in zip(
        series(k, q[:, None], q[None, :]),
        deep_kernel.erf_dual(k, q[:, None], q[None, :]),
        strict=True,
    ):
        assert_allclose(found, wanted, atol=1e-8)


def on_a_sphere(rho: float) -> np.ndarray:
    return np.array([[1.0, 0.0], [rho, math.sqrt(1 - rho**2)]]) * math.sqrt(2)


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("name", ["erf", "tanh"])
def test_c_1_is_the_derivative_of_the_kernel_at_orthogonal_inputs(name, depth) -> None:
    step = 1e-3
    ends = [deep_kernel.connected(on_a_sphere(rho), name, depth)[0, 1] for rho in (-step, step)]
    assert (ends[1] - ends[0]) / (2 * step) == pytest.approx(
        kernel.deep_slope(name, depth), abs=1e-5
    )
    assert kernel.deep_slope(name, depth) == pytest.approx(SLOPES[name][depth - 1], abs=5e-6)


@pytest.mark.parametrize("name", NAMES)
def test_one_layer_has_the_slope_of_the_features(name) -> None:
    assert kernel.deep_slope(name, 1) == pytest.approx(2 * moments(name).zeta ** 2)


# --- wide finite networks


def compared(networks: list[np.ndarray], exact: np.ndarray) -> None:
    """The mean over networks within five standard errors, and a hundredth for what a finite width
    leaves.
    """
    found = np.stack(networks)
    error = found.std(axis=0, ddof=1) / math.sqrt(len(found))
    scale = np.abs(exact).max()
    assert error.max() < 0.1 * scale
    assert np.all(np.abs(found.mean(axis=0) - exact) < 5 * error + 0.01 * scale)


def tangent(f, weights: list[torch.Tensor], x: torch.Tensor) -> np.ndarray:
    jacobians = vmap(jacrev(f), (None, 0))(weights, x)
    return sum(
        (part.reshape(len(x), -1) @ part.reshape(len(x), -1).T).numpy() for part in jacobians
    )


@CLOSED
def test_a_deep_network_s_kernel_is_that_of_wide_networks(name) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4, 6, generator=generator, dtype=torch.float64)
    phi = ACTIVATIONS[name].value

    def f(weights: list[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        for w in weights[:-1]:
            x = phi(w @ x / math.sqrt(w.shape[1]))
        return (weights[-1] @ x)[0] / math.sqrt(weights[-1].shape[1])

    sizes = (6, 256, 256, 256, 1)
    networks = []
    for _ in range(12):
        shapes = zip(sizes[1:], sizes[:-1], strict=True)
        weights = [
            torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in shapes
        ]
        networks.append(tangent(f, weights, x))
    compared(networks, deep_kernel.connected(x.numpy(), name, 3))


@CLOSED
@pytest.mark.parametrize(
    ("padding", "readout"),
    [("circular", "flatten"), ("zero", "flatten"), ("circular", "pooling"), ("zero", "pooling")],
)
def test_a_convolutional_network_s_kernel_is_that_of_wide_networks(name, padding, readout) -> None:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(3, 2, 4, 3, generator=generator, dtype=torch.float64)  # channels first
    phi = ACTIVATIONS[name].value

    def f(weights: list[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        a = x[None]
        for w in weights[:-1]:
            around = functional.pad(
                a, (1, 1, 1, 1), mode="circular" if padding == "circular" else "constant"
            )
            a = phi(functional.conv2d(around, w) / math.sqrt(w[0].numel()))
        if readout == "pooling":
            return weights[-1][:, 0, 0] @ a[0].mean(dim=(1, 2)) / math.sqrt(len(weights[-1]))
        return (weights[-1] * a[0]).sum() / math.sqrt(a.numel())

    shapes = ((96, 2, 3, 3), (96, 96, 3, 3), (96, 4, 3))
    networks = []
    for _ in range(10):
        weights = [
            torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in shapes
        ]
        networks.append(tangent(f, weights, x))
    images = x.permute(0, 2, 3, 1).numpy()
    exact = deep_kernel.convolutional(images, name, 2, padding=padding, readout=readout)
    compared(networks, exact)


@CLOSED
def test_one_convolution_on_signals_is_that_of_a_wide_network(name) -> None:
    rng = np.random.default_rng(0)
    x = rng.choice([-1.0, 1.0], (5, 12))
    # (n, d, q)
    patches = np.stack([np.roll(x, -shift, axis=1)[:, :4] for shift in range(12)], axis=1)
    act = ACTIVATIONS[name]
    w = rng.standard_normal((60_000, 4))
    z = torch.from_numpy(patches @ w.T / 2)
    values, slopes = act.value(z).numpy(), act.slope(z).numpy()
    # In the first layer's block <patch_i, patch_j> phi'(z_i) phi'(z_j) v_i v_j / q the mean over v
    # leaves i = j.
    second = np.einsum("nim,kim->nk", values, values, optimize=True)
    first = sum(
        (slopes[:, i] @ slopes[:, i].T) * (patches[:, i] @ patches[:, i].T / 4) for i in range(12)
    )
    assert_allclose((first + second) / (12 * len(w)), deep_kernel.hypercube(x, name, 4), atol=0.01)


# --- the same in two ways, and hand cases


@CLOSED
@pytest.mark.parametrize("patch", [1, 3, 4, 8])
def test_counting_disagreements_gives_the_recursion_s_kernel(name, patch) -> None:
    x = np.random.default_rng(0).choice([-1.0, 1.0], (9, 8))
    general = deep_kernel.convolutional(x[:, None, :, None], name, 1, (1, patch))
    assert_allclose(deep_kernel.hypercube(x, name, patch), general, rtol=0, atol=1e-12)


@CLOSED
def test_a_patch_of_the_whole_signal_is_a_fully_connected_layer(name) -> None:
    x = np.random.default_rng(0).choice([-1.0, 1.0], (9, 8))
    assert_allclose(
        deep_kernel.hypercube(x, name, 8), deep_kernel.connected(x, name, 1), rtol=1e-12
    )
    found = moments(name)
    psi = deep_kernel.hypercube_features(x, found.zeta, found.bend, found.vartheta_0, 8)
    assert_allclose(psi, kernel.features(x, name, "both"), rtol=1e-12)


@CLOSED
def test_images_of_one_pixel_are_vectors_and_zero_padding_shows_a_ninth_of_them(name) -> None:
    x = np.random.default_rng(0).standard_normal((5, 1, 1, 7))
    wanted = deep_kernel.connected(x[:, 0, 0], name, 3)
    for readout in ("flatten", "pooling"):
        assert_allclose(deep_kernel.convolutional(x, name, 3, readout=readout), wanted, rtol=1e-12)
    padded = deep_kernel.convolutional(x, name, 1, padding="zero")
    assert_allclose(padded, deep_kernel.connected(x[:, 0, 0] / 3, name, 1), rtol=1e-12)


def test_a_shift_of_all_images_is_not_seen_under_circular_padding_nor_one_of_one_under_pooling():
    x = np.random.default_rng(0).standard_normal((4, 4, 3, 2))
    moved = np.roll(x, (1, 2), (1, 2))
    one = np.concatenate([moved[:1], x[1:]])
    flat, pooled = (
        {key: deep_kernel.convolutional(images, "relu", 2, readout=readout) for key, images in
         (("x", x), ("all", moved), ("one", one))}
        for readout in ("flatten", "pooling")
    )  # fmt: skip
    assert_allclose(flat["all"], flat["x"], rtol=1e-12)
    assert_allclose(pooled["one"], pooled["x"], rtol=1e-12)
    assert np.abs(flat["one"] - flat["x"]).max() > 0.01
    bordered = [
        deep_kernel.convolutional(images, "relu", 2, padding="zero") for images in (x, moved)
    ]
    assert np.abs(bordered[0] - bordered[1]).max() > 0.01


def test_the_model_of_one_convolution_has_the_mean_of_the_kernel_up_to_1_over_q_squared() -> None:
    """Over independent signals a patch's disagreements are binomial; q^2 times what the constant is
    off by hardly moves.
    """
    found, off = moments("relu"), []
    for q in (16, 32, 64):
        shares = np.array([math.comb(q, k) for k in range(q + 1)]) / 2.0**q
        rho = 1 - 2 * np.arange(q + 1) / q
        values, slopes = deep_kernel.relu_dual(rho, np.ones(1), np.ones(1))
        psi = deep_kernel.hypercube_features(np.ones((1, 4)), 0.0, found.bend, found.vartheta_0, q)
        off.append(q**2 * (shares @ (values + slopes * rho) - (psi @ psi.T).item()))
    assert_allclose(off, 0.1, rtol=0.15)
