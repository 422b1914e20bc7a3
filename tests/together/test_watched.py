"""The networks, their training and the linear model beside it, against autograd-free arithmetic."""

import numpy as np
import pytest
import torch

from simplicity.problems import Problem
from simplicity.together import strata, watched
from simplicity.together.strata import STRATA


def made(start: str, scale: float = 1.0, width: int = 8, dim: int = 3) -> watched.Network:
    net = watched.network(start, scale, width, dim, np.random.default_rng(0))
    return net.double()


@pytest.mark.parametrize("start", watched.STARTS)
def test_the_output_is_zero_at_the_start_and_its_slope_too(start: str) -> None:
    x = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    output = made(start)(x)
    assert output.shape == (5, 1) and float(output.detach().abs().max()) < 1e-14
    (slope,) = torch.autograd.grad(output.sum(), x)
    assert float(slope.abs().max()) < 1e-14


def test_a_small_start_is_dominated_and_in_pairs() -> None:
    net = made("small", 0.3)
    w = torch.cat([net.first.weight, net.first.bias[:, None]], dim=1).detach().numpy()
    a = net.last.weight.detach().numpy()[0]
    np.testing.assert_allclose(np.abs(a), 0.3 / 8**0.5)
    assert (np.linalg.norm(w, axis=1) <= np.abs(a) * (1 + 1e-12)).all()
    np.testing.assert_array_equal(w[:4], w[4:])
    np.testing.assert_array_equal(a[:4], -a[4:])


def test_in_balanced_units_a_tangent_start_has_the_size_of_the_fourth_root_of_the_width() -> None:
    """|a_j| |w_j| of f = sum a_j max(0, <w_j, x>) on average: lambda^2 / m of the small start."""
    width, dim = 2000, 50
    net = made("tangent", 1.0, width, dim)
    a = net.out * net.last.weight.detach().numpy()[0]
    w = net.into * net.first.weight.detach().numpy()
    size = np.abs(a) * np.linalg.norm(w, axis=1)
    assert size.mean() == pytest.approx(width**0.5 / width, rel=0.05)
    assert pytest.approx(200**0.25) == strata.KERNEL


@pytest.mark.parametrize("start", ["small", "tangent"])
def test_a_step_is_that_of_gradient_descent_by_hand(start: str) -> None:
    net = made(start)
    rng = np.random.default_rng(1)
    with torch.no_grad():  # away from the output 0
        net.last.weight.add_(torch.from_numpy(0.1 * rng.standard_normal((1, 8))))
    w, b, a = (
        one.detach().numpy().copy() for one in (net.first.weight, net.first.bias, net.last.weight)
    )
    x, y, rate = rng.standard_normal((6, 3)), rng.standard_normal(6), 0.3
    z = net.into * x @ w.T + b
    missing = net.out * np.maximum(z, 0) @ a[0] - y
    back = missing[:, None] * (z > 0) * a * net.out / 6
    model = watched.Linear(watched.Slope(0.0, 0.0), 3)
    told: list[int] = []
    data = (torch.from_numpy(x), torch.from_numpy(y)[:, None])
    watched.train(net, model, data, np.arange(6)[None], rate, told.append)
    assert told == [1]
    np.testing.assert_allclose(net.first.weight.detach(), w - rate * net.into * back.T @ x)
    np.testing.assert_allclose(net.first.bias.detach(), b - rate * back.sum(axis=0))
    wanted = a[0] - rate * net.out * np.maximum(z, 0).T @ missing / 6
    np.testing.assert_allclose(net.last.weight.detach().numpy()[0], wanted)


def test_the_kernel_of_a_linear_network_is_its_own_fit() -> None:
    net = torch.nn.Linear(4, 1).double()  # K(x, x') = <x, x'> + 1
    found = watched.kernel_slope(net, torch.randn(20, 4, dtype=torch.float64))
    assert found == pytest.approx((1, 1))


def test_the_slope_of_a_wide_network_is_that_of_the_arc_cosine_law() -> None:
    """With tiny w and sum_j a_j^2 = 1 the kernel is P(both active) (<x, x'> + 1).

    P is (pi - angle) / (2 pi), near 1/4 + c / (2 pi) for the cosine c = <x, x'> / d. So the slope
    in <x, x'> is 1/4 + 1 / (2 pi d), and the mean of the rest is 1/4 + E <x, x'>^2 / (2 pi d),
    which is 1/4 + 1 / (2 pi).
    """
    width, dim = 400, 100
    net = made("small", 1.0, width, dim)
    with torch.no_grad():
        net.first.weight.mul_(1e-3)
        net.first.bias.zero_()
    x = torch.from_numpy(np.random.default_rng(2).standard_normal((60, dim)))
    found = watched.kernel_slope(net, x)
    assert found.linear == pytest.approx(1 / 4 + 1 / (200 * np.pi), rel=0.05)
    assert found.constant == pytest.approx(1 / 4 + 1 / (2 * np.pi), rel=0.1)


def test_the_linear_model_moves_as_a_network_of_its_kernel_would() -> None:
    """A linear network with inputs (x, 1) scaled has the kernel s_1 <x, x'> + s_0 for ever."""
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((12, 3)), rng.standard_normal(12)
    slope = watched.Slope(0.7, 0.2)
    model = watched.Linear(slope, 3)
    features = np.column_stack([x * slope.linear**0.5, np.full(12, slope.constant**0.5)])
    theta = np.zeros(4)
    for _ in range(7):
        model.step(x, y, 0.5)
        theta += 0.5 * features.T @ (y - features @ theta) / 12
    np.testing.assert_allclose(model.outputs(x), features @ theta)
    assert watched.relative_gap(2 * y, y) == pytest.approx(1)
    assert np.isnan(watched.relative_gap(y, 0 * y))


def test_a_pass_has_each_sample_once_and_a_whole_batch_has_all() -> None:
    rows = watched.batches(10, 3, 7, np.random.default_rng(4))
    assert rows.shape == (7, 3)
    for first in (0, 3):
        assert len(np.unique(rows[first : first + 3])) == 9
    whole = watched.batches(4, 9, 2, np.random.default_rng(4))
    assert whole.tolist() == [[0, 1, 2, 3]] * 2


def test_an_unknown_start_is_refused() -> None:
    with pytest.raises(Problem, match="start"):
        made("large")


def test_labels_follow_their_rules() -> None:
    x = np.zeros((2, 15))
    x[:, 0], x[:, 1] = [0.5, -0.5], [0.0, 1.0]
    values = {name: strata.values(STRATA[name], x).tolist() for name in ("sinusoid .3", "xor")}
    assert values["sinusoid .3"] == pytest.approx([0.5, -0.5 + 1.7 * np.sin(1.7)])
    assert values["xor"] == [0, -0.5]
    cubic = strata.values(STRATA["cubic .3"], x)
    assert cubic.tolist() == pytest.approx([0.5, -0.5 + 0.35 * (1 - 3)])
    x[:, 2], x[:, 3:6] = 2.0, 1.0
    assert strata.values(STRATA["staircase .3"], x).tolist() == [
        0.5,
        0.5,
    ]  # .5 + 0 + 1, -.5 + 2 + 1


def test_labels_are_loud_shuffled_or_flipped() -> None:
    rng = np.random.default_rng
    plain = strata.drawn(STRATA["sinusoid .3"], 1000, rng(0))
    loud = strata.drawn(STRATA["loud"], 1000, rng(0))
    np.testing.assert_array_equal(loud[0], plain[0])
    np.testing.assert_array_equal(loud[1], 4 * plain[1])
    y = plain[1]
    assert np.array_equal(strata.taught(STRATA["sinusoid .3"], y, rng(1)), y)
    mixed = strata.drawn(STRATA["shuffled .3"], 1000, rng(0))[1]
    assert mixed.sum() == y.sum() and 0.4 < np.mean(mixed == y) < 0.6
    assert np.mean(strata.taught(STRATA["flipped"], y, rng(1)) != y) == pytest.approx(0.2, abs=0.04)


def test_conditions_by_scale() -> None:
    assert strata.of_scale(0, 0.1) == ("sinusoid .03", "staircase .03")
    assert set(strata.of_scale(2, 10)) == {"sinusoid kernel", "staircase kernel", "cubic kernel"}
    assert not any(STRATA[name].flipped or STRATA[name].shuffled for name in strata.LEARNABLE)
    # runs of a condition in which agreement is judged have data of their own
    draws = [STRATA[name].draw for name in strata.LEARNABLE]
    assert len(set(draws)) == len(draws)
