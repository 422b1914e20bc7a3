"""Each lens against something independent: the wings' own instruments, autograd written out, cases
known by hand.
"""

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from torch import Tensor, nn

from simplicity import lenses, nets
from simplicity.boursier import alignment
from simplicity.hu import high_dimensional, kernel, ntk
from simplicity.hu.linear_descent import FrozenKernel
from simplicity.lenses import hu, loukas, nakkiran
from simplicity.lenses.mirror import Mirror
from simplicity.loukas import lipschitz, single_sample, trajectory
from simplicity.nakkiran import information, rivals
from simplicity.nets import FullyConnected, TwoLayer, starts, with_ones
from simplicity.together import lenses as instruments

D = torch.float64


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def two_layer(network: TwoLayer, bias: bool = False) -> nn.Sequential:
    """The book's two-layer network as a module; with `bias` its last input is the constant one."""
    m, d = network.w.shape
    module = nn.Sequential(
        nn.Linear(d - bias, m, bias=bias), nn.ReLU(), nn.Linear(m, 1, bias=False)
    ).to(D)
    with torch.no_grad():
        module[0].weight.copy_(torch.from_numpy(network.w[:, : d - bias]))
        module[2].weight.copy_(torch.from_numpy(network.a[None]))
        if bias:
            module[0].bias.copy_(torch.from_numpy(network.w[:, -1]))
    return module


def seen(model: nn.Module, x: Any, y: Any, *chosen: lenses.Lens, **more: Any) -> xr.Dataset:
    """What the lenses see of a network that is not trained."""
    with lenses.watch(model, data=(x, y), lenses=chosen, **more) as record:
        pass
    return record.dataset.isel(time=-1)


def trained(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *chosen: lenses.Lens,
    rate: float,
    steps: int,
    loss: Any,
    **more: Any,
) -> xr.Dataset:
    """Full-batch gradient descent, watched."""
    rule = torch.optim.SGD(model.parameters(), lr=rate)
    with lenses.watch(model, data=(x, y), lenses=chosen, **more) as record:
        for _ in range(steps):
            rule.zero_grad()
            loss(model(x), y).backward()
            rule.step()
            record.step()
    return record.dataset


def half_square(output: Tensor, y: Tensor) -> Tensor:
    return 0.5 * torch.mean((output.reshape(-1) - y) ** 2)


# --- Boursier & Flammarion


@pytest.mark.parametrize("bias", [False, True])
def test_alignment_is_that_of_the_book_on_a_two_layer_network(bias: bool) -> None:
    network, x, y = (
        nets.dominated(30, 5, 0.3, np.random.default_rng(0)),
        normal(80, 5),
        normal(80, seed=1),
    )
    x = with_ones(x[:, :4]) if bias else x
    wanted = instruments.weights(network) @ instruments.towards(
        network, alignment.d_n(network.w, x, y)
    )
    found = seen(two_layer(network, bias), x[:, :4] if bias else x, y, lenses.alignment("0"))
    assert float(found.alignment) == pytest.approx(wanted, rel=1e-12)
    assert float(found.participation) == pytest.approx(
        1 / np.sum(instruments.weights(network) ** 2), rel=1e-12
    )


@pytest.mark.parametrize("steps", [1, 40])
def test_alignment_after_steps_is_that_of_the_engines_network(steps: int) -> None:
    network, x, y = (
        nets.dominated(20, 3, 0.1, np.random.default_rng(2)),
        normal(60, 3),
        normal(60, seed=3),
    )
    model = two_layer(network)
    tensors = torch.from_numpy(x), torch.from_numpy(y)
    found = trained(model, *tensors, lenses.alignment("0"), rate=0.1, steps=steps, loss=half_square)
    from simplicity.boursier import two_layer as engine

    after, _ = engine.descend(
        network, x, y, step_size=0.1, schedule=(steps,), probes={}, precision="float64"
    )
    wanted = instruments.weights(after) @ instruments.towards(after, alignment.d_n(after.w, x, y))
    assert float(found.alignment[-1]) == pytest.approx(wanted, rel=1e-9)


def test_participation_counts_equal_neurons_and_one_alone() -> None:
    x, y = normal(20, 3), normal(20, seed=1)
    equal = TwoLayer(np.ones(8), np.tile([1.0, 2.0, 3.0], (8, 1)))
    assert float(
        seen(two_layer(equal), x, y, lenses.alignment("0")).participation
    ) == pytest.approx(8)
    one = TwoLayer(np.eye(8)[0], equal.w)
    assert float(seen(two_layer(one), x, y, lenses.alignment("0")).participation) == pytest.approx(
        1
    )


def test_the_early_force_on_a_convolution_is_minus_its_gradient_at_outputs_zero() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 9, 3)).to(D)
    x, y = torch.from_numpy(normal(12, 2, 5, 5)), torch.arange(12) % 3
    found = seen(model, x, y, lenses.alignment("0"))
    wanted = torch.eye(3, dtype=D)[y] - 1 / 3
    gradient = torch.autograd.grad((wanted * model(x)).sum(), (model[0].weight, model[0].bias))
    force = torch.cat([gradient[0].reshape(4, -1), gradient[1][:, None]], dim=1)
    w = torch.cat([model[0].weight.reshape(4, -1), model[0].bias[:, None]], dim=1)
    cosine = nn.functional.cosine_similarity(w, force)
    leaving = model[3].weight.reshape(3, 4, 9).permute(1, 0, 2).reshape(4, -1).norm(dim=1)
    p = leaving * w.norm(dim=1) / (leaving * w.norm(dim=1)).sum()
    assert float(found.alignment) == pytest.approx(float((p * cosine).sum().detach()), rel=1e-10)


def test_a_small_start_aligns_and_a_lazy_one_does_not_turn() -> None:
    x = torch.from_numpy(normal(200, 4))
    y = x @ torch.tensor([1.0, -2.0, 0.5, 1.0], dtype=D)
    rng = np.random.default_rng(0)
    small = trained(
        two_layer(nets.dominated(50, 4, 1e-3, rng)),
        x,
        y,
        lenses.alignment("0"),
        rate=0.05,
        steps=60,
        loss=half_square,
    )
    assert small.alignment[0] < 0.6 and small.alignment.max() > 0.9
    lazy = trained(
        two_layer(nets.dominated(400, 4, 30.0, rng)), x, y, lenses.alignment("0"),
        lenses.linear_gap(), rate=1e-4, steps=60, loss=half_square,
    )  # fmt: skip
    assert abs(float(lazy.alignment[-1] - lazy.alignment[0])) < 0.1
    assert float(lazy.tangent_gap[-1]) < 0.02


# --- Loukas et al.


def deep(network: FullyConnected) -> nn.Sequential:
    layers: list[nn.Module] = []
    for weight, bias in zip(network.weights, network.biases, strict=True):
        layer = nn.Linear(weight.shape[1], weight.shape[0]).to(D)
        layer.weight.data, layer.bias.data = (
            torch.from_numpy(weight.copy()),
            torch.from_numpy(bias.copy()),
        )
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def network_and_data(n: int = 12) -> tuple[FullyConnected, np.ndarray, np.ndarray]:
    return (
        nets.torch_default((4, 6, 5, 1), np.random.default_rng(0)),
        normal(n, 4),
        normal(n, seed=1),
    )


def test_steps_of_the_bias_are_those_of_the_books_engine() -> None:
    network, x, y = network_and_data()
    order, rate = single_sample.passes(12, 2, np.random.default_rng(3)), 0.05
    _, run = single_sample.descend(
        network, x, y, order, step_size=rate, window=1, train_first=True, trace=True, loss="squares"
    )
    wanted = run.trajectory.values
    model = deep(network)
    rule = torch.optim.SGD(model.parameters(), lr=rate)
    given, targets = torch.from_numpy(x), torch.from_numpy(y)
    lens = lenses.bias_trajectory("0", rate=rate)
    with lenses.watch(model, data=(x, y), lenses=[lens], schedule=range(25)) as record:
        for one in order:
            rule.zero_grad()
            half_square(model(given[[one]]), targets[[one]]).backward()
            rule.step()
            record.step((given[[one]], targets[[one]]))
    np.testing.assert_allclose(record.dataset.bias_step[1:], wanted, rtol=1e-9)
    assert math.isnan(record.dataset.bias_step[0])


def test_slopes_are_those_of_the_books_instruments() -> None:
    network, x, y = network_and_data(40)
    found = seen(deep(network), x, y, lenses.bias_trajectory("0", rows=40))
    constants = lipschitz.local(network, x)
    assert float(found.lipschitz) == pytest.approx(constants.mean(), rel=1e-12)
    assert float(found.lipschitz_sd) == pytest.approx(constants.std(), rel=1e-10)
    on = lipschitz.patterns(network, x)[0]
    by_bias = np.linalg.norm(lipschitz.gradients(network, x, layer=1) * on, axis=1)
    assert float(found.bias_slope) == pytest.approx(by_bias.mean(), rel=1e-12)
    fit = np.linalg.lstsq(with_ones(x), y, rcond=None)[0][:4]
    assert float(found.lipschitz_relative) == pytest.approx(
        constants.mean() / np.linalg.norm(fit), rel=1e-9
    )


def test_a_step_on_one_sample_is_the_slope_at_it_and_the_distance_adds_up() -> None:
    network, x, y = network_and_data()
    epsilon = trajectory.epsilon_squares(lipschitz.outputs(network, x[:1]), y[:1])
    model = deep(network)
    start = model[0].bias.detach().clone()
    with lenses.watch(
        model, data=(x[:1], y[:1]), lenses=[lenses.bias_trajectory("0", rate=lambda: 0.01)]
    ) as record:
        half_square(model(torch.from_numpy(x[:1])), torch.from_numpy(y[:1])).backward()
        torch.optim.SGD(model.parameters(), lr=0.01).step()
        record.step((x[:1], y[:1]))
    found = record.dataset
    moved = float((model[0].bias.detach() - start).norm())
    assert float(found.bias_step[1]) == pytest.approx(float(found.bias_slope[0]), rel=1e-9)
    assert float(found.bias_step[1]) == pytest.approx(moved / (0.01 * epsilon[0]), rel=1e-9)
    assert float(found.bias_distance[1]) == pytest.approx(moved, rel=1e-12)


class Block(nn.Module):
    """x + relu(norm(conv(x))), its average over places, and a head."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)
        self.layer, self.head = nn.LayerNorm(3), nn.Linear(3, outputs)

    def forward(self, x: Tensor) -> Tensor:
        inner = x + torch.relu(self.norm(self.conv(x)))
        return self.head(self.layer(torch.tanh(inner).mean(dim=(2, 3))))


@pytest.mark.parametrize("outputs", [1, 3, 20])
@pytest.mark.parametrize("layer", ["conv", "norm", "layer", "head"])
def test_slopes_of_any_layer_are_those_of_autograd_row_by_row(layer: str, outputs: int) -> None:
    torch.manual_seed(1)
    model = Block(outputs).to(D)
    x = torch.from_numpy(normal(5, 3, 4, 4))
    y = torch.arange(5) % outputs if outputs > 1 else torch.from_numpy(normal(5, seed=2))
    found = seen(model, x, y, lenses.bias_trajectory(layer))
    model.eval()
    bias = model.get_submodule(layer).bias
    by_bias, by_input = [], []
    for one, label in zip(x, y, strict=True):
        f = model(one[None])[0]
        jacobian = torch.autograd.functional.jacobian(lambda at: model(at[None])[0], one).reshape(
            outputs, -1
        )
        unit = torch.ones(1, dtype=D)
        if outputs > 1:
            pull = torch.softmax(f, dim=0) - torch.eye(outputs, dtype=D)[label]
            unit = (pull / pull.norm()).detach()
        by_bias.append(float(torch.autograd.grad(f @ unit, bias)[0].norm().detach()))
        exact = torch.linalg.matrix_norm(jacobian, 2) if outputs <= 16 else (unit @ jacobian).norm()
        by_input.append(float(exact.detach()))
    assert float(found.bias_slope) == pytest.approx(np.mean(by_bias), rel=1e-9)
    assert float(found.lipschitz) == pytest.approx(np.mean(by_input), rel=1e-9)


def test_the_spectral_norm_is_that_of_numpy() -> None:
    matrices = normal(6, 3, 7)
    np.testing.assert_allclose(
        loukas.spectral(matrices), [np.linalg.norm(one, 2) for one in matrices], rtol=1e-10
    )


# --- Nakkiran et al.


def test_bits_are_those_of_the_books_instrument() -> None:
    x, model = normal(400, 3), nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1)).to(D)
    y = (x[:, 0] + 0.5 * normal(400, seed=1) > 0).astype(int)

    def simple(rows: np.ndarray) -> np.ndarray:
        return (rows[:, 0] + rows[:, 1] > 0).astype(int)

    found = seen(model, x, y, lenses.linear_explainability(simple=simple, estimator="plug-in"))
    f = (model(torch.from_numpy(x)).detach().numpy()[:, 0] > 0).astype(int)
    wanted = information.information(information.table(f, y, simple(x)))
    assert float(found.information) == pytest.approx(float(wanted.network), abs=1e-12)
    assert float(found.linear_information) == pytest.approx(float(wanted.simple), abs=1e-12)
    assert float(found.beyond) == pytest.approx(float(wanted.beyond), abs=1e-12)
    assert float(found.mu) == pytest.approx(float(wanted.mu), abs=1e-12)
    assert float(found.accuracy) == np.mean(f == y)


def test_logistic_regression_predicts_as_scikit_learns() -> None:
    x = normal(500, 4)
    y = (x @ [1.0, 2.0, 0.0, -1.0] + normal(500, seed=1) > 0).astype(int)
    ours, theirs = nakkiran._logistic(x, y, 2)(x), rivals.logistic(x, y)(x)
    assert np.mean(ours == theirs) > 0.995


def test_the_null_keeps_the_accuracy_and_has_the_mu_of_independent_errors() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(4000) % 2
    f, simple = (information.flipped(y, accuracy, rng) for accuracy in (0.9, 0.8))
    mixed = nakkiran.within_classes(simple, y, rng)
    assert np.mean(mixed == y) == np.mean(simple == y)
    found = information.information(information.table(f, y, mixed)).mu
    assert float(found) == pytest.approx(float(information.mu_null(0.9, 0.8)), abs=0.02)


def test_the_rival_is_as_accurate_and_not_linear() -> None:
    x = normal(1000, 2)
    y = (x[:, 0] + 2 * np.sin(2.5 * x[:, 1]) > 0).astype(int)
    linear = nakkiran._logistic(x[:500], y[:500], 2)(x[500:])
    wanted = float(np.mean(linear == y[500:]))
    found = nakkiran.rival(x[:500], y[:500], x[500:], y[500:], wanted)
    assert float(np.mean(found == y[500:])) == pytest.approx(wanted, abs=0.03)
    again = nakkiran._logistic(x[500:], found, 2)(x[500:])
    assert np.mean(again == found) < 0.9


def classifier(inputs: int = 2) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(inputs, 64), nn.ReLU(), nn.Linear(64, 1), nn.Flatten(0)).to(D)


def logistic_loss(output: Tensor, y: Tensor) -> Tensor:
    return nn.functional.binary_cross_entropy_with_logits(output, y.to(output.dtype))


def bits(
    x: np.ndarray, y: np.ndarray, fresh: np.ndarray, fresh_y: np.ndarray, steps: int = 300
) -> xr.Dataset:
    return trained(
        classifier(x.shape[1]), torch.from_numpy(x), torch.from_numpy(y),
        lenses.linear_explainability(), rate=1.0, steps=steps, loss=logistic_loss,
        test=(fresh, fresh_y), schedule=(0, 1, 2, 5, 10, 30, 100, 300),
    )  # fmt: skip


def test_the_xor_target_has_no_linear_phase() -> None:
    x, fresh = normal(500, 2), normal(1000, 2, seed=1)
    y, fresh_y = ((part[:, 0] * part[:, 1] > 0).astype(int) for part in (x, fresh))
    found = bits(x, y, fresh, fresh_y)
    assert (found.linear_information < 0.05).all()
    assert float(found.information[-1]) > 0.5 and float(found.beyond[-1]) > 0.5
    assert abs(float(found.mu[-1])) < 0.05


def test_what_a_network_learns_of_a_linear_target_is_explained() -> None:
    x, fresh = normal(500, 2), normal(1000, 2, seed=1)
    y, fresh_y = ((part @ [1.0, -1.0] > 0).astype(int) for part in (x, fresh))
    found = bits(x, y, fresh, fresh_y).isel(time=slice(3, None))
    assert (found.mu > 0.9 * found.information).all()
    assert (found.mu > found.mu_null - 0.01).all()


def test_of_shuffled_labels_nothing_is_known_on_fresh_rows() -> None:
    rng = np.random.default_rng(0)
    x, fresh = normal(300, 5), normal(1000, 5, seed=1)
    found = bits(x, rng.integers(2, size=300), fresh, rng.integers(2, size=1000))
    assert (abs(found.information) < 0.02).all() and (abs(found.linear_information) < 0.02).all()


def test_a_regression_is_thresholded() -> None:
    x, model = normal(300, 3), nn.Linear(3, 1).to(D)
    y = x @ [1.0, 2.0, 3.0]
    found = seen(model, x, y, lenses.linear_explainability(threshold=0.5))
    f = model(torch.from_numpy(x)).detach().numpy()[:, 0] > 0.5
    assert float(found.accuracy) == np.mean(f == (y > 0.5))


@pytest.mark.parametrize(
    ("low", "loss", "at"), [(0.0, None, 0.5), (-1.0, None, 0.0), (0.0, logistic_loss, 0.0)]
)
def test_labels_that_are_numbers_are_told_apart_where_both_pull_equally(
    low: float, loss: Any, at: float
) -> None:
    x, model = normal(200, 3), nn.Sequential(nn.Linear(3, 1), nn.Flatten(0)).to(D)
    y = np.where(normal(200, seed=1) > 0, 1.0, low)
    found = seen(model, x, y, lenses.linear_explainability(), loss=loss)
    f = np.where(model(torch.from_numpy(x)).detach().numpy() > at, 1.0, low)
    assert float(found.accuracy) == np.mean(f == y)


# --- Hu et al.


def test_the_linear_share_is_that_of_the_books_instrument() -> None:
    network, x, y = (
        nets.dominated(30, 5, 1.0, np.random.default_rng(0)),
        normal(200, 5),
        normal(200, seed=1),
    )
    found = seen(two_layer(network), x, y, lenses.linear_gap())
    f = nets.forward(network, x)
    centred, columns = f - f.mean(), x - x.mean(axis=0)
    wanted = (1 - instruments.linear_part(centred, columns)) * 199 / (200 - 5 - 1)
    assert float(found.nonlinear) == pytest.approx(wanted, rel=1e-9)
    assert float(found.output_power) == pytest.approx(np.mean(f**2), rel=1e-12)


def test_a_deep_linear_network_is_linear_in_its_inputs_and_a_layer_in_its_parameters() -> None:
    x = torch.from_numpy(normal(60, 5))
    y = x[:, 0]
    torch.manual_seed(0)
    deep_linear = nn.Sequential(nn.Linear(5, 7), nn.Linear(7, 7), nn.Linear(7, 1)).to(D)
    found = trained(deep_linear, x, y, lenses.linear_gap(), rate=0.1, steps=30, loss=half_square)
    assert (found.nonlinear < 1e-12).all() and float(found.tangent_gap[-1]) > 1e-3
    single = trained(
        nn.Linear(5, 1).to(D), x, y, lenses.linear_gap(), rate=0.1, steps=30, loss=half_square
    )
    assert (single.tangent_gap[1:] < 1e-12).all()


def test_a_network_without_a_linear_part_is_not_linear() -> None:
    class Even(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x**2)

    found = seen(
        Even(3, 1).to(D), normal(4000, 3), normal(4000, seed=1), lenses.linear_gap(rows=4000)
    )
    assert float(found.nonlinear) > 0.99


def test_where_inputs_have_more_dimensions_than_rows_the_share_is_not_biased() -> None:
    values = normal(100, 300)
    basis = hu.directions(values)
    assert basis.shape == (100, 25)
    shares = [hu.nonlinear(normal(100, 1, seed=seed), basis) for seed in range(40)]
    assert np.mean(shares) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("forward_mode", [True, False])
def test_the_linearised_start_is_the_jacobian_times_the_change(forward_mode: bool) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 2)).to(D)
    mirror, x = Mirror(model, lambda m, given: m(given)), torch.from_numpy(normal(7, 3))
    start = {name: one.detach().clone() for name, one in model.named_parameters()}
    jacobian = torch.func.jacrev(lambda p: torch.func.functional_call(model, p, (x,)))(start)
    along = hu._Along(mirror, mirror.tensors(), x)
    along.forward_mode = forward_mode
    with torch.no_grad():
        for one in model.parameters():
            one.add_(torch.randn_like(one))
    mirror.refresh()
    first, moved = along.outputs(mirror.tensors())
    wanted = sum(
        torch.einsum("qk...,...->qk", jacobian[name], one.detach() - start[name])
        for name, one in model.named_parameters()
    )
    np.testing.assert_allclose(moved, wanted.detach().numpy(), rtol=1e-10)  # type: ignore[union-attr]
    np.testing.assert_allclose(
        first, torch.func.functional_call(model, start, (x,)).detach().numpy(), rtol=1e-12
    )


class Ntk(nn.Module):
    """f(x) = (1/sqrt m) sum_r v_r erf(<w_r, x> / sqrt d)."""

    def __init__(self, network: TwoLayer) -> None:
        super().__init__()
        self.v, self.w = (nn.Parameter(torch.from_numpy(part.copy())) for part in network)

    def forward(self, x: Tensor) -> Tensor:
        m, d = self.w.shape
        return torch.erf(x @ self.w.T / math.sqrt(d)) @ self.v / math.sqrt(m)


def test_a_wide_network_follows_its_tangent_kernel_and_a_narrow_one_leaves_it() -> None:
    gaps, d, n = {}, 10, 60
    teacher = high_dimensional.Teacher(d, np.random.default_rng(9))
    x = high_dimensional.inputs("gaussian", n, d, np.random.default_rng(0))
    y = high_dimensional.labels("teacher", x, "gaussian", teacher, np.random.default_rng(1))
    for width in (8, 8192):
        network = starts.symmetric(width, d, np.random.default_rng(2))
        model = Ntk(network)
        found = trained(
            model,
            torch.from_numpy(x),
            torch.from_numpy(y),
            lenses.linear_gap(),
            rate=1.0,
            steps=60,
            loss=half_square,
        )
        gaps[width] = float(found.tangent_gap[-1])
    assert gaps[8] > 0.05 > 0.002 > gaps[8192]
    theta = kernel.first_block(x, network.w, "erf") + kernel.second_block(x, network.w, "erf")
    wanted = y + FrozenKernel(theta, y, 1.0).residual(60)
    outputs = ntk.forward(TwoLayer(*(p.detach().numpy() for p in (model.v, model.w))), x, "erf")
    assert np.mean((outputs - wanted) ** 2) < 0.002 * np.mean(wanted**2)


def test_two_looks_at_the_same_network_are_the_same() -> None:
    model = Block(3)
    x, y = torch.randn(40, 3, 4, 4), torch.arange(40) % 3
    chosen = (
        lenses.linear_explainability(), lenses.linear_gap(), lenses.bias_trajectory("conv"),
        lenses.alignment("conv", outgoing="head"),
    )  # fmt: skip
    first, second = (seen(copy.deepcopy(model), x, y, *chosen) for _ in range(2))
    assert first.identical(second)
