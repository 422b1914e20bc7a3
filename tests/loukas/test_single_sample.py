"""The compiled loop of single samples against automatic differentiation, hand cases and its own
contract.
"""

import numpy as np
import pytest

from simplicity import nets
from simplicity.loukas import windows
from simplicity.loukas.single_sample import descend, passes, with_replacement
from simplicity.loukas.single_sample_autograd import as_module, descend_autograd
from simplicity.nets import FullyConnected
from simplicity.nets.loop import Diverged

RNG = np.random.default_rng


def problem(loss: str = "squares", identity: bool = True, sizes: tuple = (6, 6, 9, 5, 1)):
    rng = RNG(5)
    x = rng.standard_normal((20, sizes[0]))
    y = (x[:, 0] * x[:, 1] > 0).astype(float) if loss == "cross entropy" else np.sin(2 * x[:, 0])
    return nets.torch_default(sizes, rng, identity=identity), x, y


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("loss", ["squares", "cross entropy"])
@pytest.mark.parametrize("train_first", [False, True])
def test_two_thousand_steps_equal_automatic_differentiation_in_network_and_statistics(
    loss, train_first, batch
):
    start, x, y = problem(loss, identity=not train_first)
    order = with_replacement(20, 2000 * batch, RNG(1))
    rates = np.linspace(0.05, 0.02, 20)
    network, ours = descend(
        start, x, y, order, step_size=rates, window=100, loss=loss, train_first=train_first,
        batch=batch, schedule=(0, 3, 20),
        probes={"size": lambda one: np.linalg.norm(one.weights[1])},
    )  # fmt: skip
    module = as_module(start, train_first=train_first)
    theirs = descend_autograd(
        module, module[0].bias, x, y, order, step_size=rates, window=100, loss=loss, batch=batch,
        schedule=(0, 3, 20),
        probes={"size": lambda one: np.linalg.norm(one[2].weight.detach().numpy())},
    )  # fmt: skip
    for layer, (weight, bias) in enumerate(zip(*network, strict=True)):
        np.testing.assert_allclose(
            weight, module[2 * layer].weight.detach().numpy(), rtol=0, atol=1e-9
        )
        np.testing.assert_allclose(bias, module[2 * layer].bias.detach().numpy(), rtol=0, atol=1e-9)
    for name in [*windows.STATISTICS, "size", "step", "probe_step"]:
        if name != "rounding":
            np.testing.assert_allclose(
                ours[name], theirs[name], rtol=1e-6, atol=1e-12, err_msg=name
            )
    assert abs(network.weights[1] - start.weights[1]).max() > 1e-2  # it did learn
    assert (network.weights[0] == start.weights[0]).all() != train_first


@pytest.mark.parametrize("sizes", [(3, 70, 33, 1), (40, 40, 32, 96, 1), (2, 1, 4, 1)])
@pytest.mark.parametrize("batch", [1, 3])
def test_so_do_layers_of_more_and_of_less_than_a_tile(sizes, batch):
    start, x, y = problem(identity=sizes[0] == sizes[1], sizes=sizes)
    order = with_replacement(20, 60 * batch, RNG(1))
    network, ours = descend(start, x, y, order, step_size=0.02, window=20, batch=batch)
    module = as_module(start)
    settings = {"step_size": 0.02, "window": 20, "batch": batch}
    theirs = descend_autograd(module, module[0].bias, x, y, order, **settings)
    for layer, pair in enumerate(zip(*network, strict=True)):
        for part, name in zip(pair, ("weight", "bias"), strict=True):
            expected = getattr(module[2 * layer], name).detach().numpy()
            np.testing.assert_allclose(part, expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(ours.slope, theirs.slope, rtol=1e-10)


def test_with_the_identity_a_step_of_the_bias_is_the_slope_up_to_rounding_and_else_it_is_not():
    start, x, y = problem()
    order = passes(20, 50, RNG(1))
    _, found = descend(start, x, y, order, step_size=0.05, window=20)
    assert found.rounding.max() < 8
    other, x, y = problem(identity=False)
    _, found = descend(other, x, y, order, step_size=0.05, window=20)
    assert found.rounding.max() > 1e6


def test_one_step_by_hand():
    # f(x) = 2 relu(x + 1) + 0.5 at x = 2, y = 5: f = 6.5, eps = 1.5, df/db_1 = 2, so db_1 = -0.1 *
    # 1.5 * 2 = -0.3, d w_2 = -0.1 * 1.5 * 3 = -0.45, d b_2 = -0.15. At x = -3 the neuron is off: f
    # = 0.35, eps = 0.65, only b_2 moves.
    start = FullyConnected((np.eye(1), np.array([[2.0]])), (np.array([1.0]), np.array([0.5])))
    x, y = np.array([[2.0], [-3.0]]), np.array([5.0, 1.0])
    network, found = descend(start, x, y, np.array([0, 1]), step_size=0.1, window=1, trace=True)
    np.testing.assert_allclose(np.concatenate(network.biases), [0.7, 0.35 + 0.065], rtol=1e-14)
    np.testing.assert_allclose(network.weights[1], [[1.55]], rtol=1e-14)
    np.testing.assert_allclose(found.trajectory, [2, 0], rtol=1e-13)
    np.testing.assert_allclose(found.slope, [2, 0], rtol=1e-13)
    np.testing.assert_allclose(found.length, [3, 0], rtol=1e-13)
    np.testing.assert_allclose(found.epsilon, [1.5, 0.65], rtol=1e-13)
    np.testing.assert_allclose(found.distance, [0, 0.3], rtol=1e-13)
    np.testing.assert_allclose(found.traced_bias[:, 0], [1.0, 0.7], rtol=1e-13)
    _, both = descend(start, x, y, np.array([0, 1]), step_size=0.1, window=2)
    np.testing.assert_allclose(both.variance, [0.15**2], rtol=1e-12)  # of 1.0 and 0.7
    np.testing.assert_allclose(both.loss, [(1.5**2 + 0.65**2) / 4], rtol=1e-13)
    # the code as released divides by eps of the step before; the first step has none before it
    _, two = descend(start, x, y, np.array([1, 0]), step_size=0.1, window=2)
    shorter = 0.5 - 0.1 * (0.5 - 1)  # b_2 after the first
    np.testing.assert_allclose(two.late, [(0 + 2 * (6 + shorter - 5) / 0.5) / 2], rtol=1e-13)


def test_a_run_cut_into_two_is_the_same_run():
    start, x, y = problem("cross entropy")
    order = passes(20, 10, RNG(1))
    settings = {"step_size": 0.05, "window": 20, "loss": "cross entropy"}
    whole, all_of_it = descend(start, x, y, order, **settings)
    half, _ = descend(start, x, y, order[:100], **settings)
    rest, second = descend(half, x, y, order[100:], **settings, origin=start.biases[0])
    np.testing.assert_array_equal(whole.weights[1], rest.weights[1])
    np.testing.assert_array_equal(all_of_it.distance[5:], second.distance)
    # what was given stays
    np.testing.assert_array_equal(start.biases[0], problem("cross entropy")[0].biases[0])


def test_probes_change_nothing_and_see_the_network_at_their_windows():
    start, x, y = problem()
    order = passes(20, 10, RNG(1))
    plain, _ = descend(start, x, y, order, step_size=0.05, window=20)
    seen, found = descend(
        start, x, y, order, step_size=0.05, window=20, schedule=(0, 4, 10),
        probes={"bias": lambda one: one.biases[0]}, dims={"bias": ("neuron",)},
    )  # fmt: skip
    np.testing.assert_array_equal(plain.weights[2], seen.weights[2])
    assert found.bias.dims == ("probe", "neuron")
    assert found.probe_step.values.tolist() == [0, 80, 200]
    np.testing.assert_array_equal(found.bias[0], start.biases[0])
    np.testing.assert_array_equal(found.bias[2], seen.biases[0])


def test_confident_mistakes_do_not_overflow_and_divergence_is_told():
    start = FullyConnected((np.eye(1), np.array([[400.0]])), (np.zeros(1), np.zeros(1)))
    one = np.ones((1, 1)), np.zeros(1), np.zeros(1, int)
    _, found = descend(start, *one, step_size=1e-9, window=1, loss="cross entropy")
    assert found.loss.item() == pytest.approx(400) and np.isfinite(found.epsilon.item())
    start, x, y = problem()
    told = r"not finite before step \d+: step_size 9, n 20, single samples"
    with pytest.raises(Diverged, match=told):
        descend(start, x, 10 * y, passes(20, 10, RNG(1)), step_size=9.0, window=20)
    with pytest.raises(ValueError, match="whole windows of 7 steps"):
        descend(start, x, y, passes(20, 10, RNG(1)), step_size=0.1, window=7)


def test_epochs_see_every_sample_once_and_replacement_does_not():
    order = passes(30, 4, RNG(0)).reshape(4, 30)
    assert (np.sort(order, axis=1) == np.arange(30)).all() and (order[0] != order[1]).any()
    drawn = with_replacement(30, 30, RNG(0))
    assert len(set(drawn.tolist())) < 30 and drawn.min() >= 0 and drawn.max() < 30
