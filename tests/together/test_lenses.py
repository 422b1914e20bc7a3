"""Four instruments on one network.

Slopes against autograd, forces by hand, and checks on both sides of their criteria.
"""

import dataclasses
import json
import math

import numpy as np
import pytest
import torch
import xarray as xr

from simplicity.boursier import alignment
from simplicity.data import streams
from simplicity.grid import groups
from simplicity.hu import early_linear
from simplicity.nakkiran import information
from simplicity.nets import TwoLayer
from simplicity.nets.activations import ACTIVATIONS
from simplicity.together import lenses
from simplicity.together.experiments import four_lenses


def made(width: int = 12, dim: int = 5, seed: int = 0) -> TwoLayer:
    rng = np.random.default_rng(seed)
    return TwoLayer(rng.standard_normal(width), rng.standard_normal((width, dim)))


@pytest.mark.parametrize("activation", ["erf", "tanh", "relu", "sigmoid"])
def test_slopes_are_the_gradients_by_bias_and_input_of_autograd(activation: str) -> None:
    network, x = made(), np.random.default_rng(1).standard_normal((7, 5))
    v, w = (torch.from_numpy(part) for part in network)
    wanted = []
    for one in x:
        point, b = (
            torch.from_numpy(one).requires_grad_(),
            torch.zeros(12, dtype=torch.float64, requires_grad=True),
        )
        f = ACTIVATIONS[activation].value(w @ point / math.sqrt(5) + b) @ v / math.sqrt(12)
        wanted.append([float(part.norm()) for part in torch.autograd.grad(f, (b, point))])
    np.testing.assert_allclose(
        np.stack(lenses.slopes(network, x, activation), axis=1), wanted, rtol=1e-12
    )


def test_the_slope_is_within_its_bound_and_meets_it_where_all_neurons_are_one() -> None:
    x = np.random.default_rng(1).standard_normal((50, 5))
    found = lenses.slopes(made(), x, "erf")
    assert (found.inputs <= lenses.slope_bound(made()) * found.bias * (1 + 1e-12)).all()
    one = TwoLayer(np.ones(6), np.tile([3.0, 0.0, 4.0, 0.0, 0.0], (6, 1)))
    found = lenses.slopes(one, x, "erf")
    np.testing.assert_allclose(found.inputs, lenses.slope_bound(one) * found.bias)


def test_the_step_of_a_bias_over_rate_and_error_is_its_slope() -> None:
    network, x, y, rate = made(), np.random.default_rng(2).standard_normal((1, 5)), 0.3, 1e-3
    b = torch.zeros(12, dtype=torch.float64, requires_grad=True)
    v, w = (torch.from_numpy(part) for part in network)
    f = torch.erf(w @ torch.from_numpy(x[0]) / math.sqrt(5) + b) @ v / math.sqrt(12)
    ((f - y) ** 2 / 2).backward()
    step = rate * b.grad.norm() / (rate * abs(float(f.detach()) - y))
    assert float(step) == pytest.approx(lenses.slopes(network, x, "erf").bias[0], rel=1e-12)


def test_blocks_of_samples_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    network, x, y = made(), np.random.default_rng(3).standard_normal((40, 5)), np.ones(40)
    whole = lenses.slopes(network, x, "erf"), lenses.force(network, x, y, "erf")
    monkeypatch.setattr(lenses, "_BLOCK", 12 * 7)
    np.testing.assert_allclose(lenses.slopes(network, x, "erf"), whole[0], rtol=1e-12)
    np.testing.assert_allclose(lenses.force(network, x, y, "erf"), whole[1], rtol=1e-12)


def test_with_relu_the_force_is_that_of_the_alignment_chapter() -> None:
    network, rng = made(), np.random.default_rng(4)
    x, y = rng.standard_normal((30, 5)), rng.standard_normal(30)
    np.testing.assert_allclose(
        lenses.force(network, x, y, "relu") * math.sqrt(5),
        alignment.d_n(network.w, x, y),
        atol=1e-12,
    )


def test_the_force_is_the_first_step_of_a_small_network() -> None:
    rng = np.random.default_rng(5)
    x, y = rng.standard_normal((30, 5)), rng.standard_normal(30)
    network = TwoLayer(1e-6 * made().a, made().w)
    v, w = torch.from_numpy(network.a), torch.from_numpy(network.w).requires_grad_()
    f = torch.erf(torch.from_numpy(x) @ w.T / math.sqrt(5)) @ v / math.sqrt(12)
    ((f - torch.from_numpy(y)) ** 2).mean().div(2).backward()
    wanted = network.a[:, None] * lenses.force(network, x, y, "erf") / math.sqrt(12)
    np.testing.assert_allclose(-w.grad.numpy(), wanted, rtol=1e-4, atol=1e-12)


def test_angles_and_weights_by_hand() -> None:
    network = TwoLayer(np.array([2.0, -1.0, 0.0]), np.array([[3.0, 4.0], [0.0, -5.0], [1.0, 0.0]]))
    np.testing.assert_allclose(lenses.towards(network, np.array([0.0, 2.0])), [0.8, 1.0, 0.0])
    np.testing.assert_allclose(lenses.weights(network), [10 / 15, 5 / 15, 0])
    np.testing.assert_allclose(
        lenses.cosines(network.w, np.array([[3.0, 4.0], [0.0, 1.0], [0.0, 0.0]])), [1, -1, 0]
    )


def test_a_linear_map_is_linear_and_a_square_is_not() -> None:
    x = np.random.default_rng(6).standard_normal((4000, 3))
    assert lenses.linear_part(x @ [1.0, 2.0, -1.0], x) == pytest.approx(1)
    assert lenses.linear_part(x[:, 0] ** 2 - 1, x) < 0.02
    assert lenses.linear_part(x[:, 0] + (x[:, 1] ** 2 - 1) / math.sqrt(2), x) == pytest.approx(
        0.5, abs=0.05
    )
    assert lenses.linear_part(np.zeros(4000), x) == 1


CLOCK = np.geomspace(0.05, 51, 40)


def run_of(squares: np.ndarray, moved: np.ndarray, **settings: int) -> groups.Runs:
    """Runs with these shares (time,) and networks that are L, but on a part `moved` the label."""
    config = dataclasses.replace(four_lenses.GRID.presets["FULL"], small_seeds=1, **settings)
    rng = np.random.default_rng(0)
    cells = []
    for run in four_lenses.GRID.runs(config):
        if run.start == "kernel":
            y = rng.integers(2, size=4000)
            simple, coin = (np.where(rng.random(4000) < 0.85, y, 1 - y) for _ in range(2))
            f = np.where(rng.random(4000) < moved[:, None], y, simple)
            counts = np.stack([information.table(f, y, other) for other in (simple, coin)], axis=1)
            curves = {
                "explained": ("time", np.full(40, 0.95) if run.horizon == 5 else squares),
                "clock": ("time", CLOCK), "power": ("time", 1 - np.exp(-3 * CLOCK)),
                "counts": (("time", "other", "f", "y", "l"), counts),
            }  # fmt: skip
            cells.append(xr.Dataset(curves).assign_coords(dataclasses.asdict(run)))
    attrs = {"config": json.dumps(dataclasses.asdict(config)), "preset": "FULL"}
    made = xr.concat(cells, "cell", coords="all", data_vars="all").assign_attrs(attrs)
    return groups.Runs(made, four_lenses.GRID)


def later(low: float, high: float, at: float = 15.0) -> np.ndarray:
    """From `low` to `high`, half-way at the time `at`."""
    return low + (high - low) / (1 + (at / CLOCK) ** 4)


def test_a_network_that_leaves_the_linear_model_passes_and_one_that_stays_does_not() -> None:
    found = four_lenses.checks(run_of(later(0.99, 0.7), later(0.0, 0.6)))
    assert len(found) == 14 and all(one.holds for one in found), [
        one for one in found if not one.holds
    ]
    stays = four_lenses.checks(run_of(later(0.99, 0.97), later(0.0, 0.01)))
    assert [one.passed for one in stays][:4] == [True, False, True, False]
    assert {one.claim for one in stays[:7]} == {"H28"}


def test_shares_that_fall_at_other_times_are_told_apart() -> None:
    found = four_lenses.checks(run_of(later(0.99, 0.7, at=8.0), later(0.0, 0.6, at=40.0)))
    for halves in (one for one in found if "by half" in one.statistic):
        assert halves.passed is False and halves.value == 0


def test_a_network_that_forgets_the_linear_model_does_not_keep_it() -> None:
    forgetful = run_of(later(0.99, 0.7), later(0.0, 0.6))
    counts = forgetful.dataset.counts.values
    counts[:, -1, 0] = counts[:, -1, 1]  # in the end it has no more to do with L than with R
    found = four_lenses.checks(forgetful)
    for kept in (one for one in found if "retention" in one.statistic):
        assert kept.passed is False and abs(kept.value) < 0.2


def test_with_few_samples_only_the_early_half_is_judged() -> None:
    found = four_lenses.checks(run_of(later(0.99, 0.7), later(0.0, 0.6), n=4000))
    whys = [""] * 3 + ["4000 samples, 20000 are needed"] * 4
    assert [one.control.why for one in found] == 2 * whys


def test_a_low_dimension_is_nothing_to_judge() -> None:
    found = four_lenses.checks(run_of(later(0.99, 0.7), later(0.0, 0.6), dim=4))
    assert [one.passed for one in found] == [None] * 14
    assert {one.control.why for one in found} == {"d = 4, 25 or more are meant"}


def tiny(group: str) -> four_lenses.Run:
    return four_lenses.GRID.of_group(group, four_lenses.GRID.presets["TINY"])[0]


def test_the_run_is_that_of_early_linear_dynamics() -> None:
    cell = tiny("kernel")
    setting = four_lenses.setting_of(cell)
    found = four_lenses.measure(cell)
    steps = tuple(found.step.values.astype(int).tolist())
    drawn = early_linear.data(setting, cell.test_samples)
    wanted = early_linear.summary(drawn, steps, *early_linear.follow(setting, drawn, steps))
    np.testing.assert_allclose(found.explained, 1 - wanted.gap_test / wanted.power_test)
    np.testing.assert_allclose(found.test, wanted.test)


def test_the_small_start_is_small_dominated_and_takes_larger_steps() -> None:
    small = tiny("small")
    setting = four_lenses.setting_of(small)
    network = four_lenses.start_of(small, setting)
    assert np.allclose(np.abs(network.a), small.small)
    assert (np.linalg.norm(network.w, axis=1) <= small.small * (1 + 1e-12)).all()
    assert setting.step_size == small.faster * early_linear.step_size("erf", small.dim)
    other = four_lenses.setting_of(tiny("kernel"))
    assert early_linear.horizon(setting) == early_linear.horizon(other)


def test_the_random_classifier_is_right_as_often_as_the_linear_one() -> None:
    cell = four_lenses.Run()
    rng = streams.generator(0, streams.TEST)
    limit = rng.standard_normal(20_000)
    y = np.where(rng.random(20_000) < 0.9, np.sign(limit), -np.sign(limit))
    found = four_lenses.tables(cell, limit[None], y, limit)
    first, second = (information.accuracies(found[0, k])[1] for k in (0, 1))
    assert first == pytest.approx(second, abs=0.01)
    assert information.information(found[0, 1]).mu < information.information(found[0, 0]).mu


def test_the_curved_teacher_has_the_same_inputs_and_labels_by_hand() -> None:
    one, other = (
        four_lenses.data_of(cell, four_lenses.setting_of(cell))
        for cell in (tiny("kernel"), tiny("curved"))
    )
    np.testing.assert_array_equal(one.x, other.x)
    assert set(np.unique(other.y)) == {-1, 1} and np.mean(one.y == other.y) < 0.9
    x = np.array([[0.6, 1.0], [0.8, 1.0], [-0.6, -1.0], [-0.1, 2.0]])  # 2^3 - 3 * 2 = 2, 1 - 3 = -2
    assert four_lenses.curved(x).tolist() == [-1, 1, 1, 1]


def test_each_control_has_to_miss_the_criterion_of_its_row() -> None:
    for one in four_lenses.checks(run_of(later(0.99, 0.7), later(0.0, 0.6))):
        assert one.control.criterion == f"not {one.criterion}"
