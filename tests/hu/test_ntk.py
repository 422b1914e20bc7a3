"""Descent in NTK parametrisation, its activations and its linear model, against automatic
differentiation and closed forms.
"""

import math

import numpy as np
import pytest
import torch
from scipy.special import erf

from simplicity.hu import erf_block, kernel, ntk
from simplicity.hu.linear_descent import FrozenKernel, LinearDescent
from simplicity.nets import TwoLayer, activations, starts
from simplicity.nets.loop import Diverged

EVERY = pytest.mark.parametrize("name", activations.NAMES)


def data(n: int = 40, d: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)), rng.choice([-1.0, 1.0], n)


@EVERY
def test_slopes_are_the_derivatives_of_the_values(name: str) -> None:
    act = activations.ACTIVATIONS[name]
    z = torch.linspace(-3.05, 3, 200, dtype=torch.float64).requires_grad_()
    (slope,) = torch.autograd.grad(act.value(z).sum(), z)
    given = torch.empty(200, dtype=torch.float64)
    plain = z.detach()
    assert torch.allclose(act.slope(plain), slope, atol=1e-14) and torch.allclose(
        act.slope(plain, out=given), slope, atol=1e-14
    )
    assert torch.allclose(act.value(plain, out=given), act.value(plain), atol=1e-14)
    if act.of_value:
        assert torch.allclose(act.of_value(act.value(plain)), slope, atol=1e-14)


def test_moments_of_wider_arguments_have_their_closed_forms() -> None:
    for variance in (0.3, 1.0, 2.5):
        found = activations.moments("erf", variance)
        assert found.zeta == pytest.approx(2 / math.sqrt(math.pi * (1 + 2 * variance)), abs=1e-10)
        assert found.second == pytest.approx(
            2 / math.pi * math.asin(2 * variance / (1 + 2 * variance)), abs=1e-10
        )
        assert activations.moments("relu", variance).second == pytest.approx(
            variance / 2, abs=1e-10
        )


@EVERY
@pytest.mark.parametrize("rates", [0.5, (0.5, 0.0), (0.0, 0.5)])
def test_written_out_gradients_are_those_of_automatic_differentiation(
    name: str, rates: float | tuple[float, float]
) -> None:
    x, y = data()
    start = starts.symmetric(10, 6, np.random.default_rng(1))
    options = {
        "activation": name,
        "step_size": rates,
        "schedule": (0, 15),
        "probes": {},
        "precision": "float64",
    }
    ours, _ = ntk.descend(start, x, y, **options)
    theirs, _ = ntk.descend_autograd(start, x, y, **options)
    for mine, reference, before, rate in zip(
        ours, theirs, start, np.broadcast_to(rates, 2)[::-1], strict=True
    ):
        np.testing.assert_allclose(mine, reference, atol=1e-13)
        assert (rate == 0) == np.array_equal(mine, before)


def test_blocks_of_samples_change_only_the_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = data(101)
    start = starts.symmetric(10, 6, np.random.default_rng(1))
    for precision, close in (("float64", 1e-13), ("float32", 1e-5)):
        options = {
            "activation": "erf",
            "step_size": 1.0,
            "schedule": (0, 10),
            "probes": {},
            "precision": precision,
        }
        whole, _ = ntk.descend(start, x, y, **options)
        monkeypatch.setattr(ntk, "_BLOCK", 70)
        parts, _ = ntk.descend(start, x, y, **options)
        monkeypatch.undo()
        assert all(np.abs(a - b).max() < close for a, b in zip(whole, parts, strict=True))


def test_the_compiled_pass_for_erf_is_what_its_docstring_says() -> None:
    rng = np.random.default_rng(0)
    z = (3 * rng.standard_normal((50, 40))).astype(np.float32)
    z[0, :4] = 0, 30, -30, 4
    v, y = rng.standard_normal(40).astype(np.float32), rng.standard_normal(50).astype(np.float32)
    outer, row, given = np.zeros(40, np.float32), np.empty(40, np.float32), z.astype(float)
    total = erf_block.sweep(z, v, y, outer, row)
    residual = erf(given) @ v - y
    np.testing.assert_allclose(total, (residual**2).sum(), rtol=1e-5)
    np.testing.assert_allclose(outer, erf(given).T @ residual, atol=2e-4)
    np.testing.assert_allclose(
        z, residual[:, None] * 2 / math.sqrt(math.pi) * np.exp(-(given**2)), atol=1e-5
    )
    np.testing.assert_allclose(row, erf(given[-1]), atol=5e-7)


def test_single_precision_stays_near_double() -> None:
    x, y = data(300, 20)
    start = starts.symmetric(64, 20, np.random.default_rng(1))
    options = {"activation": "erf", "step_size": 4.0, "schedule": (0, 200), "probes": {}}
    single, double = (
        ntk.descend(start, x, y, precision=p, **options)[0] for p in ("float32", "float64")
    )
    gap = ntk.forward(single, x, "erf") - ntk.forward(double, x, "erf")
    assert np.abs(gap).max() < 1e-4


def test_a_neuron_by_hand() -> None:
    """f = v relu(w x), x = 1, y = 1, w = 2, v = 1: r = 1, v <- 1 - 0.1 * 2, w <- 2 - 0.1 * 1."""
    net, run = ntk.descend(
        TwoLayer(np.array([1.0]), np.array([[2.0]])), np.ones((1, 1)), np.ones(1),
        activation="relu", step_size=0.1, schedule=(0, 1),
        probes={"both": lambda one: np.array([one.a[0], one.w[0, 0]])}, dims={"both": ("which",)},
        precision="float64",
    )  # fmt: skip
    assert (net.a[0], net.w[0, 0]) == pytest.approx((0.8, 1.9))
    np.testing.assert_allclose(run.both, [[1, 2], [0.8, 1.9]])


def test_a_step_that_is_too_large_is_an_error_that_names_it() -> None:
    x, y = data()
    with pytest.raises(Diverged, match="step_size .*, n 40, m 10, d 6"):
        ntk.descend(
            starts.symmetric(10, 6, np.random.default_rng(0)),
            x,
            y,
            activation="relu",
            step_size=1e6,
            schedule=(0, 50),
            probes={},
        )


def test_a_symmetric_start_is_zero_everywhere_and_needs_an_even_width() -> None:
    net = starts.symmetric(8, 5, np.random.default_rng(0))
    x, _ = data(30, 5)
    for name in activations.NAMES:
        assert np.abs(ntk.forward(net, x, name)).max() < 1e-15
    assert np.array_equal(net.w[:4], net.w[4:]) and np.array_equal(net.a[:4], -net.a[4:])
    with pytest.raises(ValueError, match="width: got 7"):
        starts.symmetric(7, 5, np.random.default_rng(0))


def test_the_descent_of_a_linear_model_at_once_is_that_in_steps() -> None:
    x, y = data(30, 4)
    psi = np.column_stack([x, x[:, :1]])  # one direction without variance: it is never learned
    model, beta = LinearDescent(psi, y, 0.3), np.zeros(5)
    for _ in range(17):
        beta -= 0.3 / 30 * psi.T @ (psi @ beta - y)
    np.testing.assert_allclose(model.beta(17), beta, atol=1e-12)
    np.testing.assert_allclose(model.outputs(psi, (0, 17)), [np.zeros(30), psi @ beta], atol=1e-12)
    np.testing.assert_allclose(
        psi @ model.beta(10**6), psi @ np.linalg.lstsq(psi, y, rcond=None)[0], atol=1e-9
    )


def test_a_linear_model_is_stable_up_to_two_over_its_curvature() -> None:
    x, y = data(30, 4)
    limit = 2 * 30 / np.linalg.norm(x, 2) ** 2
    assert LinearDescent(x, y, 0.99 * limit).stable and not LinearDescent(x, y, 1.01 * limit).stable


def test_a_very_wide_network_follows_its_frozen_kernel_and_a_narrow_one_does_not() -> None:
    x, y = data(20, 5)
    ends = {}
    for width in (16, 1 << 15):
        start = starts.symmetric(width, 5, np.random.default_rng(0))
        theta = kernel.first_block(x, start.w, "erf") + kernel.second_block(x, start.w, "erf")
        net, _ = ntk.descend(
            start,
            x,
            y,
            activation="erf",
            step_size=1.0,
            schedule=(0, 40),
            probes={},
            precision="float64",
        )
        ends[width] = np.abs(
            ntk.forward(net, x, "erf") - y - FrozenKernel(theta, y, 1.0).residual(40)
        ).max()
    assert ends[1 << 15] < 0.01 < 0.1 < ends[16]


def test_features_by_hand() -> None:
    """ReLU at |x| = 2 sqrt d: s = 1, h = 2 / sqrt(2 pi); zeta = 1/2, nu = 1 / sqrt(2 pi)."""
    x = np.array([[2.0, 2.0]])
    root = 1 / math.sqrt(2 * math.pi)
    np.testing.assert_allclose(
        kernel.features(x, "relu", "first"), [np.array([1, 1, root]) / math.sqrt(2)], atol=1e-12
    )
    np.testing.assert_allclose(
        kernel.features(x, "relu", "second"), [[0.5**0.5, 0.5**0.5, root / 2, 2 * root]], atol=1e-12
    )
    np.testing.assert_allclose(
        kernel.features(x, "relu", "both"), [[1, 1, root * 0.75**0.5, 2 * root]], atol=1e-12
    )
    naive = kernel.features(x, "relu", "both", naive=True, factor=2.0, moment=4.0)
    np.testing.assert_allclose(naive, [[2, 2, 2 * root * 0.75**0.5, root]], atol=1e-12)


def test_the_slope_of_a_deep_kernel_is_that_of_one_layer_at_depth_one() -> None:
    assert kernel.deep_slope("erf", 1) == pytest.approx(2 * activations.moments("erf").zeta ** 2)
    assert [kernel.deep_slope("tanh", depth) for depth in (2, 5)] == pytest.approx(
        [0.64168, 0.54486], abs=1e-5
    )
