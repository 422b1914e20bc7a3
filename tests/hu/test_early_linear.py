"""The set-up of the experiments on early linear dynamics: laws, labels, clocks, and checks on both sides."""

import dataclasses
import math

import numpy as np
import pytest
import xarray as xr

from simplicity.data import streams
from simplicity.evidence.claims import cells_where
from simplicity.grid import run
from simplicity.hu import early_linear, high_dimensional
from simplicity.hu.early_linear import Cell
from simplicity.hu.experiments import (
    best_linear_fit,
    first_figure,
    kernel_exit,
    linear_closeness,
    linear_dimension,
    linear_horizon,
    linear_labels,
    linear_universality,
    norm_feature,
    step_limit,
)
from simplicity.hu.pictures import early_linear as plot


@pytest.mark.parametrize("law", high_dimensional.LAWS)
def test_laws_have_trace_d_and_the_variances_that_they_name(law: str) -> None:
    dim = 10
    wanted = high_dimensional.variances(law, dim)
    assert wanted.mean() == pytest.approx(1) and high_dimensional.moment(law, dim) == pytest.approx(np.mean(wanted**2))
    x = high_dimensional.inputs(law, 200_000, dim, np.random.default_rng(0))
    found = x.var(axis=0)
    # Without a fourth moment a sample variance converges slowly; the median over ten coordinates is near.
    assert np.median(found / wanted) == pytest.approx(1, abs=0.1 if law == "heavy tails" else 0.02)
    assert np.abs(x.mean(axis=0)).max() < 0.05 * np.sqrt(wanted.max())


def test_norms_can_be_equalised_in_part_or_whole() -> None:
    spread = {
        law: np.linalg.norm(high_dimensional.inputs(law, 5000, 50, np.random.default_rng(0)), axis=1).var()
        for law in ("gaussian", "nearly equal norm", "equal norm")
    }
    assert spread["equal norm"] < 1e-20
    assert spread["nearly equal norm"] / spread["gaussian"] == pytest.approx(0.1, rel=1e-6)


def test_labels_are_what_they_say() -> None:
    rng = np.random.default_rng(0)
    x = high_dimensional.inputs("small eigenvalues", 500, 6, rng)
    teacher = high_dimensional.Teacher(6, rng)
    given = {kind: high_dimensional.labels(kind, x, "small eigenvalues", teacher, rng) for kind in high_dimensional.LABELS}
    assert np.array_equal(given["product"], np.where(x[:, 0] * x[:, 1] > 0, 1, -1))
    np.testing.assert_allclose(given["norm"] ** 2, (x**2).sum(axis=1) / 6)
    assert np.array_equal(given["teacher"], np.sign(teacher(x))) and abs(given["random"].mean()) < 0.2
    white = x / np.sqrt(high_dimensional.variances("small eigenvalues", 6))
    assert np.array_equal(given["whitened teacher"], np.sign(teacher(white)))


def test_the_clock_and_the_step() -> None:
    cell = Cell(0, 50, 100, 8, 10.0)
    assert early_linear.horizon(cell) == round(1.5 * 50 * math.log(50) / 10) == 29
    assert early_linear.step_size("erf", 50) == 10 and early_linear.step_size("tanh", 20) == 4
    assert early_linear.step_size("relu", 50) == pytest.approx(0.8 * 2 * math.pi)
    assert early_linear.step_size("relu", 10) == 2
    assert early_linear.schedule(29)[0] == 1 and early_linear.schedule(29)[-1] == 29 and len(early_linear.schedule(3)) == 20
    assert early_linear.rates(dataclasses.replace(cell, layers="first")) == (10, 0)


def test_cells_of_different_width_share_their_data() -> None:
    narrow, wide = (early_linear.data(Cell(3, 10, 50, width, 1.0)) for width in (8, 64))
    assert all(np.array_equal(a, b) for a, b in zip(narrow, wide, strict=True))
    assert not np.array_equal(narrow.x[:, :], early_linear.data(Cell(4, 10, 50, 8, 1.0)).x)


def test_a_linear_network_is_its_linear_model() -> None:
    """At |z| of a hundredth erf is linear, so that the gap goes with the inputs' size: rel of a small step is tiny."""
    near = early_linear.compare(Cell(0, 30, 300, 2000, 6.0))
    far = early_linear.compare(Cell(0, 30, 300, 8, 6.0))
    assert near.rel_train < 0.03 < 0.1 < far.rel_train
    assert near.train[0] < 0.5 and near.train[-1] < near.train[0]


def test_a_summary_by_hand() -> None:
    found = early_linear.Data(np.zeros((2, 1)), np.array([1.0, -1.0]), np.zeros((1, 1)), np.array([1.0]))
    train = early_linear.Outputs(np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([[0.0, 0.0], [1.0, -1.0]]))
    fresh = early_linear.Outputs(np.array([[0.0], [3.0]]), np.array([[0.0], [1.0]]))
    table = early_linear.summary(found, (0, 5), train, fresh)
    np.testing.assert_allclose(table.gap_train, [0, 0.5])
    np.testing.assert_allclose(table.gap_test, [0, 1])  # cut at 1
    np.testing.assert_allclose([table.train[1], table.train_linear[1], table.test[1]], [0.25, 0, 2])
    assert table.rel_train == 0.5 and table.rel_test == 1


def frame(**fields: list) -> xr.Dataset:
    return xr.Dataset({"rel_train": ("cell", fields.pop("rel"))}, {name: ("cell", values) for name, values in fields.items()})


def test_slopes_and_ratios_by_hand() -> None:
    cells = frame(rel=[1.0, 0.5, 2.0, 0.5], dim=[10, 20, 10, 20], seed=[0, 0, 1, 1])
    assert early_linear.slopes(cells, "rel_train", "dim") == pytest.approx([-1, -2])
    assert early_linear.mean_slope(cells, "rel_train", "dim").interval == pytest.approx((-2, -1))
    over = frame(rel=[6.0, 4.0, 9.0], seed=[1, 0, 7])
    assert early_linear.paired(over, frame(rel=[2.0, 3.0], seed=[0, 1])) == [2, 2]


def test_leaving_a_plateau_by_hand() -> None:
    clock, rel = np.arange(6.0), np.array([9.0, 2, 1, 1.4, 3, 9])
    assert linear_horizon.left(clock, rel, 2, 1.5) == 4 and linear_horizon.left(clock, rel, 2, 5) == 5
    assert np.isnan(linear_horizon.left(clock, rel, 2, 10))


def test_half_the_loss_is_found_between_two_steps() -> None:
    cells = xr.Dataset(
        {"train": (("cell", "time"), [[0.5, 0.3, 0.2], [0.5, 0.4, 0.3]]), "step": (("cell", "time"), [[0, 10, 20]] * 2)},
        {"step_size": ("cell", [2.0, 1.0])},
    )
    found = linear_horizon.half(cells)
    assert found.half_steps[0] == pytest.approx(15) and found.half[0] == pytest.approx(30) and np.isnan(found.half[1])


def test_theta_of_moved_output_weights_is_a_product_of_jacobians() -> None:
    import torch

    rng = np.random.default_rng(0)
    x, net = rng.standard_normal((5, 3)), kernel_exit.TwoLayer(rng.standard_normal(4), rng.standard_normal((4, 3)))
    v, w = (torch.from_numpy(part) for part in net)

    def outputs(v: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        return torch.erf(torch.from_numpy(x) @ w.T / math.sqrt(3)) @ v / 2

    by_v, by_w = torch.autograd.functional.jacobian(outputs, (v, w))
    jacobian = torch.cat([by_v, by_w.reshape(5, -1)], dim=1)
    np.testing.assert_allclose(kernel_exit.theta(x, net, "erf"), jacobian @ jacobian.T, atol=1e-13)


def test_a_line_runs_through_its_point_in_the_direction_of_least_squares() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((100, 4))
    places = first_figure.line(x, x @ [2.0, 0, 0, 0], np.array([0.5, 1, 2, 3]))
    np.testing.assert_allclose(places[0], [-3, 1, 2, 3], atol=1e-12)
    np.testing.assert_allclose(places[-1], [3, 1, 2, 3], atol=1e-12)


def outcomes(module: object, **options: object) -> dict[str, bool | None]:
    settings = dataclasses.replace(module.TINY, **options)  # type: ignore[attr-defined]
    found = run.run(module, settings, progress=False)  # type: ignore[arg-type]
    return {f"{one.claim}: {one.statistic}": one.holds for one in module.checks(found)}  # type: ignore[attr-defined]


def test_best_fit_and_its_control_behave_at_small_size() -> None:
    assert all(outcomes(best_linear_fit, dim=30, n=600, width=512).values())


def test_closeness_fails_where_the_network_is_narrow() -> None:
    good = outcomes(linear_closeness, dim=30, n=600, width=512)
    bad = outcomes(linear_closeness, dim=30, n=600, width=18)
    judged = "H5: first layer, erf: rel on the training samples up to T"
    assert good[judged] and not bad[judged]


def test_nothing_is_judged_in_few_dimensions() -> None:
    assert early_linear.high(25, 50) and not early_linear.high(24, 50)
    assert outcomes(best_linear_fit) == {} and outcomes(linear_labels) == {}


def test_steps_below_the_limit_are_stable_and_three_times_it_is_not() -> None:
    (cell, *_) = step_limit.cells(dataclasses.replace(step_limit.QUICK, dims=(20,), n=200, width=256, steps=20))
    found = step_limit.measure(cell)
    half, thrice = (float(found.largest[step_limit.MULTIPLES.index(multiple)]) for multiple in (0.5, 3.0))
    assert half <= 1 and not thrice <= 1 and 0.8 <= found.ratio <= 1.2  # a run that diverges has no number
    assert found.stable_up_to == pytest.approx(float(found.ratio * found.step_limit))


def test_only_the_first_seed_keeps_pictures() -> None:
    found = run.run(first_figure, dataclasses.replace(first_figure.TINY, seeds=2), progress=False)
    shown = cells_where(found, frames=True)
    assert shown.sizes["cell"] == 2 and np.abs(shown.line_network).sum() > 0
    assert np.abs(cells_where(found, frames=False).line_network).sum() == 0
    plain = shown.isel(cell=0)
    x = early_linear.data(Cell(0, 10, 100, 32, 2.0), 50)
    left = np.linalg.svd(x.x, full_matrices=False)[0]
    np.testing.assert_allclose(plain.wanted.values[:10], left.T @ x.y / 10, atol=1e-6)
    player = plot.over_time(plain, shown.isel(cell=1), 3.0)
    assert len(player.labels) == first_figure.PROBES and "d log d" in player.labels[0]


def test_the_truth_on_the_line_is_the_teachers() -> None:
    setting = Cell(2, 5, 10, 8, 1.0)
    x = np.random.default_rng(0).standard_normal((9, 5))
    teacher = high_dimensional.Teacher(5, streams.generator(2, streams.OTHER))
    assert np.array_equal(first_figure.truth(setting, x), np.sign(teacher(x)))


def test_erf_has_no_norm_feature_so_that_both_models_are_one() -> None:
    found = run.run(norm_feature, norm_feature.TINY, progress=False)
    assert norm_feature.times_nearer(cells_where(found, activation="erf")) == pytest.approx(1)
    assert norm_feature.times_nearer(cells_where(found, activation="relu", law="gaussian")).min() > 1


def test_every_activation_and_law_of_the_universality_is_run() -> None:
    cells = linear_universality.cells(linear_universality.FULL)
    assert {cell.law for cell in cells} == set(linear_universality.LAWS)
    assert {cell.activation for cell in cells} == {*linear_universality.SMOOTH, *linear_universality.PIECEWISE, "abs"}
    wide = {cell.activation for cell in cells if cell.width == linear_universality.FULL.wide}
    assert wide == {"sigmoid", "softplus", "gelu", "relu", "leaky relu", "abs"}


def test_labels_are_judged_on_both_sides() -> None:
    found = run.run(linear_labels, dataclasses.replace(linear_labels.TINY, dim=25), progress=False)
    checks = {one.statistic: one for one in linear_labels.checks(found)}
    assert len(checks) == 4 and all(one.passed is not None and one.control.passed is not None for one in checks.values())
    product = cells_where(found, labels="product", dim=25)
    assert linear_labels.largest_gap(product) == pytest.approx(product.gap_train.max("time").values)


def test_dimension_splits_off_the_narrow_networks() -> None:
    found = run.run(linear_dimension, linear_dimension.TINY, progress=False)
    grown, narrow = linear_dimension.split(found)
    assert set(narrow.width.values) == {16} and grown.sizes["cell"] == narrow.sizes["cell"] == 4
