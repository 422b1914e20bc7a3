"""Tangent kernels of two-layer networks against automatic differentiation, their linear models
against exact kernels.
"""

import math

import numpy as np
import pytest
import torch
import xarray as xr
from numpy.testing import assert_allclose
from torch.func import jacrev, vmap

from outcomes import outcomes
from simplicity.evidence import claims
from simplicity.grid.groups import Runs
from simplicity.hu import deep_kernel, gaussian_moments, kernel, kernel_checks, kernel_operators
from simplicity.hu.experiments import gram_gap
from simplicity.nets import starts
from simplicity.nets.activations import ACTIVATIONS, NAMES, moments

EVERY = pytest.mark.parametrize("name", NAMES)

# zeta, E g phi'(g), vartheta_0, vartheta_1, vartheta_2, each known from another program to six
# digits
TABLE = {
    "erf": (0.651470, 0, 0, 0, 0),
    "tanh": (0.605706, 0, 0, 0, 0),
    "relu": (0.5, 0.398942, 0.398942, 0.398942, 0),
    "leaky relu": (0.55, 0.359048, 0.359048, 0.359048, 0),
    "sigmoid": (0.206621, 0, 0.5, 0, 0),
    "softplus": (0.5, 0.206621, 0.806059, 0.206621, 0.072112),
    "gelu": (0.5, 0.423142, 0.282095, 0.423142, 0.035262),
    "abs": (0, 0.797885, 0.797885, 0.797885, 0),
}


def samples(n: int, d: int, m: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)), rng.standard_normal((m, d))


@EVERY
def test_the_moments_are_those_of_the_table(name: str) -> None:
    assert_allclose(moments(name)[:5], TABLE[name], rtol=0, atol=1e-6)


@EVERY
def test_a_closed_form_is_what_quadrature_finds(name: str) -> None:
    found = gaussian_moments.closed_form(name)
    assert (found is None) == (name in ("tanh", "sigmoid", "softplus"))
    if found is not None:
        assert_allclose(found, moments(name), rtol=0, atol=1e-12)


@pytest.mark.parametrize("variance", [0.1, 2.5])
def test_the_closed_form_of_erf_holds_at_any_variance_and_the_others_do_not_claim_to(
    variance: float,
) -> None:
    found = gaussian_moments.closed_form("erf", variance)
    assert found is not None
    assert_allclose(found, moments("erf", variance), rtol=0, atol=1e-12)
    assert gaussian_moments.closed_form("relu", variance) is None


@EVERY
def test_both_blocks_are_those_of_automatic_differentiation(name: str) -> None:
    x, w = samples(6, 4, 10)
    v = np.random.default_rng(1).choice([-1.0, 1.0], 10)
    outer, inner = torch.from_numpy(v), torch.from_numpy(w)

    def f(w: torch.Tensor, v: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        z = w @ x / 2
        smooth = {
            "relu": torch.relu,
            "leaky relu": lambda z: torch.where(z > 0, z, 0.1 * z),
            "abs": torch.abs,
        }
        return v @ smooth.get(name, ACTIVATIONS[name].value)(z) / math.sqrt(10)

    jacobians = vmap(jacrev(f, (0, 1)), (None, None, 0))(inner, outer, torch.from_numpy(x))
    blocks = kernel.first_block(x, w, name), kernel.second_block(x, w, name)
    for jacobian, block in zip(jacobians, blocks, strict=True):
        flat = jacobian.reshape(6, -1).numpy()
        assert_allclose(block, flat @ flat.T, rtol=1e-10, atol=1e-12)


@EVERY
def test_the_symmetric_start_has_the_kernel_of_one_copy(name: str) -> None:
    x, _ = samples(5, 3, 1)
    w = starts.symmetric(12, 3, np.random.default_rng(2)).w
    for block in (kernel.first_block, kernel.second_block):
        assert_allclose(block(x, w, name), block(x, w[:6], name), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("layers", kernel.LAYERS)
@EVERY
def test_the_operator_is_the_dense_matrix_also_over_several_blocks(
    name, layers, monkeypatch
) -> None:
    monkeypatch.setattr(kernel_operators, "_BLOCK", 70)
    x, w = samples(23, 4, 10)
    dense = {"first": kernel.first_block(x, w, name), "second": kernel.second_block(x, w, name)}
    whole = dense["first"] + dense["second"] if layers == "both" else dense[layers]
    operator = kernel_operators.tangent_operator(x, w, name, layers)
    assert_allclose(operator @ np.eye(23), whole, rtol=1e-10, atol=1e-12)
    psi = kernel.features(x, name, layers)
    gap = kernel_operators.gap_operator(operator, psi)
    assert_allclose(kernel.spectral_norm(gap), np.linalg.norm(whole - psi @ psi.T, 2), rtol=1e-6)


def test_the_operator_keeps_single_precision() -> None:
    x, w = (part.astype(np.float32) for part in samples(20, 4, 10))
    operator = kernel_operators.tangent_operator(x, w, "erf", "both")
    assert operator.dtype == (operator @ x[:, 0]).dtype == np.float32
    dense = kernel.first_block(x, w, "erf") + kernel.second_block(x, w, "erf")
    assert_allclose(kernel.spectral_norm(operator), np.linalg.norm(dense, 2), rtol=1e-5)


@pytest.mark.parametrize("layer", ["first", "second"])
def test_a_kernel_summed_over_parts_of_the_neurons_is_the_whole_one(layer) -> None:
    x, w = samples(7, 3, 25)
    block = {"first": kernel.first_block, "second": kernel.second_block}[layer]
    assert_allclose(
        kernel_operators.wide_block(x, w, "gelu", layer, neurons=8), block(x, w, "gelu"), rtol=1e-12
    )


def test_the_spectral_norm_finds_the_eigenvalue_farthest_from_0_on_either_side() -> None:
    for values in ([1.0, 2.0, -5.0, 3.0], [1.0, 2.0, 5.0, -3.0]):
        basis = np.linalg.qr(np.random.default_rng(0).standard_normal((4, 4)))[0]
        assert kernel.spectral_norm(basis @ np.diag(values) @ basis.T) == pytest.approx(5)


# --- features


def exact(name: str, rho: float, norm: float = 1.0, other: float = 1.0) -> dict[str, float]:
    """E phi phi' and E phi' phi' rho for |x|^2/d = norm^2, |x'|^2/d = other^2, <x, x'>/d = rho, by
    quadrature.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(100)
    g, h = np.meshgrid(nodes, nodes)
    weight = np.outer(weights, weights) / weights.sum() ** 2
    u, v = norm * g, other * (rho / norm / other * g + math.sqrt(1 - (rho / norm / other) ** 2) * h)
    act = ACTIVATIONS[name]
    second = (
        weight * (act.value(torch.from_numpy(u)) * act.value(torch.from_numpy(v))).numpy()
    ).sum()
    first = (
        weight * (act.slope(torch.from_numpy(u)) * act.slope(torch.from_numpy(v))).numpy()
    ).sum() * rho
    return {"first": first, "second": second, "both": first + second}


def pair(norm: float, other: float, rho: float, d: int = 100) -> np.ndarray:
    """Two inputs with these norms over sqrt d and this covariance."""
    x = np.zeros((2, d))
    x[0, 0] = norm * math.sqrt(d)
    x[1, :2] = math.sqrt(d) * np.array([rho / norm, math.sqrt(other**2 - (rho / norm) ** 2)])
    return x


@pytest.mark.parametrize("layers", kernel.LAYERS)
@pytest.mark.parametrize("name", ["erf", "tanh", "sigmoid", "softplus", "gelu"])
def test_the_features_are_the_exact_kernel_to_second_order_in_the_covariance(name, layers) -> None:
    """With rho^2 in place of its mean, moment/d, what is left falls like rho^3: it is a quarter or
    less when rho is halved.
    """
    left = []
    for rho in (0.1, 0.05):
        psi = kernel.features(pair(1, 1, rho), name, layers, moment=100 * rho**2)
        left.append(abs(psi[0] @ psi[1] - exact(name, rho)[layers]))
    assert left[0] < 0.1**3
    assert left[1] < left[0] / 4 + 1e-12


@pytest.mark.parametrize("name", ["sigmoid", "softplus", "gelu"])
def test_with_the_norm_feature_the_kernel_is_exact_to_second_order_and_the_naive_one_to_none(name):
    left, naive = [], []
    for s in (0.1, 0.05):
        x = pair(1 + s, 1 - s / 2, 0)
        h, plain = kernel.norm_feature(x, name), kernel.norm_feature(x, name, naive=True)
        wanted = exact(name, 0, 1 + s, 1 - s / 2)["second"]
        left.append(abs(h[0] * h[1] - wanted))
        naive.append(abs(plain[0] * plain[1] - wanted))
    assert left[1] < left[0] / 6 + 1e-14
    if name != "sigmoid":  # whose mean does not depend on the norm
        assert naive[1] > naive[0] / 3 and naive[1] > 50 * left[1]


def test_for_relu_the_norm_feature_is_exact() -> None:
    x = samples(5, 3, 1)[0]
    assert_allclose(
        kernel.norm_feature(x, "relu"),
        np.linalg.norm(x, axis=1) / math.sqrt(2 * math.pi * 3),
        rtol=1e-12,
    )


@pytest.mark.parametrize("layers", kernel.LAYERS)
def test_where_norms_are_equal_or_the_mean_is_0_the_naive_model_is_the_model(layers) -> None:
    signs = np.random.default_rng(0).choice([-1.0, 1.0], (6, 9))
    for x, names in ((signs, NAMES), (samples(6, 9, 1)[0], ("erf", "tanh"))):
        for name in names:
            ours, naive = (kernel.features(x, name, layers, naive=naive) for naive in (False, True))
            assert_allclose(ours, naive, atol=1e-12)


def test_features_of_both_layers_add_up_to_those_of_each() -> None:
    x = samples(6, 9, 1)[0]
    first, second, both = (
        psi @ psi.T
        for psi in (kernel.features(x, "gelu", layers, moment=1.7) for layers in kernel.LAYERS)
    )
    assert_allclose(first + second, both, rtol=1e-12)


@pytest.mark.parametrize("name", ["erf", "relu"])
def test_the_blocks_of_many_neurons_are_the_infinite_kernel(name) -> None:
    x, w = samples(5, 8, 400_000)
    found = kernel_operators.wide_block(x, w, name, "first") + kernel_operators.wide_block(
        x, w, name, "second"
    )
    assert_allclose(found, deep_kernel.connected(x, name, 1), rtol=0, atol=0.02)


# --- what the experiments do with it


def test_shrunk_norms_vary_a_tenth_as_much_along_the_same_rays() -> None:
    x, moved = (
        gram_gap.inputs(gram_gap.Run(dim=8, inputs=law))
        for law in (gram_gap.GAUSSIAN, gram_gap.SHRUNK)
    )
    norms = [np.linalg.norm(part, axis=1) for part in (x, moved)]
    assert np.var(norms[1]) == pytest.approx(np.var(norms[0]) / 10)
    assert_allclose(moved / norms[1][:, None], x / norms[0][:, None], rtol=1e-12)


@pytest.mark.parametrize(("width", "neurons"), [("m = n", 64), ("m = n d", 1024), ("fixed m", 16)])
def test_the_sizes_of_a_cell_are_the_laws_of_the_text(width: str, neurons: int) -> None:
    one = gram_gap.Run(width=width, dim=16)
    assert (one.n, one.m) == (64, neurons)


def gaps(power: float, dims: tuple[int, ...], seeds: int) -> xr.Dataset:
    grid = [(d, s) for s in range(seeds) for d in dims]
    noise = np.random.default_rng(0).normal(0, 1e-3, len(grid))
    values = [(1 + s) * d**power for d, s in grid] * np.exp(noise)
    fields = {"dim": ("cell", [d for d, _ in grid]), "seed": ("cell", [s for _, s in grid])}
    return xr.Dataset({"gap": ("cell", values)}, fields)


def test_the_fitted_exponent_is_that_of_the_law_whatever_each_seed_s_factor() -> None:
    cells = gaps(-0.4, (16, 32, 64, 128), 5)
    found = kernel_checks.fall(cells, "gap")
    assert (
        found.value == pytest.approx(0.4, abs=0.002)
        and found.seeds == 5
        and found.interval_kind.startswith("t")
    )
    assert kernel_checks.slope(cells, "gap").value == pytest.approx(-0.4, abs=0.002)
    assert kernel_checks.at_largest(cells, "gap") == pytest.approx(
        np.arange(1, 6) * 128**-0.4, rel=0.01
    )


@pytest.mark.parametrize(
    ("dims", "seeds"), [((16, 32, 64), 5), ((16, 32, 64, 128), 4), ((4, 8, 12, 16, 32, 64), 5)]
)
def test_too_few_seeds_or_large_dimensions_are_nothing_to_judge(dims, seeds) -> None:
    cells = gaps(-0.4, dims, seeds)
    assert (
        kernel_checks.fall(cells, "gap").seeds == 0
        and len(kernel_checks.at_largest(cells, "gap")) == 0
    )
    assert kernel_checks.unjudged(cells) and not kernel_checks.unjudged(
        gaps(-0.4, (16, 32, 64, 128), 5)
    )
    assert isinstance(kernel_checks.slope(cells, "gap"), claims.Estimate)


def test_a_gap_that_stays_a_share_of_the_data_kernel_falls_and_not_by_the_criterion() -> None:
    """Its exponent by the norm of a Wishart matrix, against the norm itself and the bound 1/8."""
    norms = {}
    for d in (64, 512):
        x = kernel_checks.gaussian(kernel_checks.Run(dim=d))
        u = np.sqrt(d / len(x))
        norms[d] = np.linalg.norm(x, 2) ** 2 / len(x)  # ||X X^T / d|| d/n
        assert norms[d] == pytest.approx((1 + u) ** 2, rel=0.05)
    exponent = -np.log(norms[512] / norms[64]) / np.log(8)
    middle = np.sqrt(0.5) * 181 ** (-1 / 8)  # u half-way
    assert exponent == pytest.approx(middle / (4 * (1 + middle)), abs=0.02)
    assert 0 < exponent < 1 / 8 < kernel_checks.LARGEST_ALPHA


def kernels(power: float, other: float) -> Runs:
    """The gap falls like d^-power, without the norm feature it goes like d^other."""

    def found(run) -> dict:
        noise = 1 + 1e-3 * np.sin(run.seed + run.dim)
        return {"gap": run.dim**-power * noise, "naive": run.dim**other * noise, "model": 1.0}

    settings = {"dim": (16, 32, 64, 128), "wide_dim": (16, 32, 64, 128), "seeds": 10}
    return outcomes(gram_gap, found, **settings)


@pytest.mark.parametrize(
    ("power", "other", "passed", "behaves"),
    [(0.3, 0.4, True, True), (0.3, -0.1, False, True), (-0.2, 0.4, True, False)],
)
def test_the_norm_feature_is_missed_if_the_gap_grows_without_it_and_not_with_it(
    power: float, other: float, passed: bool, behaves: bool
) -> None:
    check = gram_gap.norm(kernels(power, other))
    assert (check.passed, check.control.passed) == (passed, behaves)
    assert check.value == pytest.approx(other, abs=0.01)


def test_the_gap_without_the_norm_feature_is_the_one_derived() -> None:
    """E of the matrix that the naive model lacks, by its entries, against its closed form."""
    x = np.random.default_rng(0).standard_normal((3000, 256))
    found = moments("relu")
    both = [kernel.features(x, "relu", "second", naive=naive) for naive in (False, True)]
    lacking = np.linalg.norm(both[0] @ both[0].T - both[1] @ both[1].T, 2) * 256 / 3000
    derived = found.vartheta_0 * found.vartheta_1 * np.sqrt(256 / 2)
    assert lacking == pytest.approx(derived, rel=0.1)
