"""The set-up of the experiments on early linear dynamics: laws, labels, clocks, and checks on both
sides.
"""

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import xarray as xr

from simplicity.evidence.claims import mean
from simplicity.grid import groups, run
from simplicity.grid.groups import cells_where
from simplicity.hu import early_linear, early_linear_checks, high_dimensional
from simplicity.hu.early_linear import Run
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
    product_labels,
    step_limit,
)
from simplicity.hu.pictures.early_linear_frames import over_time
from simplicity.nets.activations import moments


@pytest.mark.parametrize("law", high_dimensional.LAWS)
def test_laws_have_trace_d_and_the_variances_that_they_name(law: str) -> None:
    dim = 10
    wanted = high_dimensional.variances(law, dim)
    assert wanted.mean() == pytest.approx(1) and high_dimensional.moment(law, dim) == pytest.approx(
        np.mean(wanted**2)
    )
    x = high_dimensional.inputs(law, 200_000, dim, np.random.default_rng(0))
    found = x.var(axis=0)
    # Without a fourth moment a sample variance converges slowly; the median over ten coordinates is
    # near.
    assert np.median(found / wanted) == pytest.approx(1, abs=0.1 if law == "heavy tails" else 0.02)
    assert np.abs(x.mean(axis=0)).max() < 0.05 * np.sqrt(wanted.max())


def test_norms_can_be_equalised_in_part_or_whole() -> None:
    spread = {
        law: np.linalg.norm(
            high_dimensional.inputs(law, 5000, 50, np.random.default_rng(0)), axis=1
        ).var()
        for law in ("gaussian", "nearly equal norm", "equal norm")
    }
    assert spread["equal norm"] < 1e-20
    assert spread["nearly equal norm"] / spread["gaussian"] == pytest.approx(0.1, rel=1e-6)


def test_labels_are_what_they_say() -> None:
    rng = np.random.default_rng(0)
    x = high_dimensional.inputs("small eigenvalues", 500, 6, rng)
    teacher = high_dimensional.Teacher(6, rng)
    given = {
        kind: high_dimensional.labels(kind, x, "small eigenvalues", teacher, rng)
        for kind in high_dimensional.LABELS
    }
    assert np.array_equal(given["product"], np.where(x[:, 0] * x[:, 1] > 0, 1, -1))
    np.testing.assert_allclose(given["norm"] ** 2, (x**2).sum(axis=1) / 6)
    assert (
        np.array_equal(given["teacher"], np.sign(teacher(x))) and abs(given["random"].mean()) < 0.2
    )
    white = x / np.sqrt(high_dimensional.variances("small eigenvalues", 6))
    assert np.array_equal(given["whitened teacher"], np.sign(teacher(white)))


def test_the_clock_and_the_step() -> None:
    cell = Run(dim=50, n=100, width=8, step_size=10.0)
    assert early_linear.horizon(cell) == round(1.5 * 50 * math.log(50) / 10) == 29
    assert early_linear.step_size("erf", 50) == 10 and early_linear.step_size("tanh", 20) == 4
    assert early_linear.step_size("relu", 50) == pytest.approx(0.8 * 2 * math.pi)
    assert early_linear.step_size("relu", 10) == 2
    assert early_linear.own_step(Run(activation="relu", dim=50)) == early_linear.step_size(
        "relu", 50
    )
    assert (
        early_linear.schedule(29)[0] == 1
        and early_linear.schedule(29)[-1] == 29
        and len(early_linear.schedule(3)) == 20
    )
    assert early_linear.rates(dataclasses.replace(cell, layers="first")) == (10, 0)


def test_cells_of_different_width_share_their_data() -> None:
    narrow, wide = (early_linear.data(Run(seed=3, dim=10, n=50, width=width)) for width in (8, 64))
    assert all(np.array_equal(a, b) for a, b in zip(narrow, wide, strict=True))
    assert not np.array_equal(
        narrow.x[:, :], early_linear.data(Run(seed=4, dim=10, n=50, width=8)).x
    )


def test_a_linear_network_is_its_linear_model() -> None:
    """At |z| of a hundredth erf is linear, so that the gap goes with the inputs' size: rel of a
    small step is tiny.
    """
    near = early_linear.compare(Run(dim=30, n=300, width=2000, step_size=6.0))
    far = early_linear.compare(Run(dim=30, n=300, width=8, step_size=6.0))
    assert near.rel_train < 0.03 < 0.1 < far.rel_train
    assert near.train[0] < 0.5 and near.train[-1] < near.train[0]


def test_a_summary_by_hand() -> None:
    found = early_linear.Data(
        np.zeros((2, 1)), np.array([1.0, -1.0]), np.zeros((1, 1)), np.array([1.0])
    )
    train = early_linear.Outputs(
        np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([[0.0, 0.0], [1.0, -1.0]])
    )
    fresh = early_linear.Outputs(np.array([[0.0], [3.0]]), np.array([[0.0], [1.0]]))
    table = early_linear.summary(found, (0, 5), train, fresh)
    np.testing.assert_allclose(table.gap_train, [0, 0.5])
    np.testing.assert_allclose(table.gap_test, [0, 1])  # cut at 1
    np.testing.assert_allclose([table.train[1], table.train_linear[1], table.test[1]], [0.25, 0, 2])
    assert table.rel_train == 0.5 and table.rel_test == 1


def test_the_worst_is_of_the_estimates_that_there_are() -> None:
    found = linear_universality.worst([mean([]), mean([1.0, 3.0]), mean([5.0])])
    assert found == mean([5.0]) and linear_universality.worst([]).seeds == 0


def test_leaving_a_plateau_by_hand() -> None:
    clock, rel = np.arange(6.0), np.array([9.0, 2, 1, 1.4, 3, 9])
    assert (
        linear_horizon.left(clock, rel, 2, 1.5) == 4 and linear_horizon.left(clock, rel, 2, 5) == 5
    )
    assert np.isnan(linear_horizon.left(clock, rel, 2, 10))


def test_parting_is_found_between_two_probes() -> None:
    clock = np.array([1.0, 2, 4, 8])
    assert linear_horizon.crossing(
        clock, np.array([0.01, 0.04, 0.06, 0.01]), 0.05
    ) == pytest.approx(3)
    assert linear_horizon.crossing(clock, np.array([0.2, 0.3, 0.1, 0.1]), 0.05) == 1
    assert np.isnan(linear_horizon.crossing(clock, np.full(4, 0.05), 0.05))


def test_the_horizon_is_watched_from_the_first_step_to_t_and_beyond() -> None:
    cell = Run(dim=25, n=60, width=16, step_size=5.0, horizon=10.0)
    found = linear_horizon.measure(cell)
    until = round(1.5 * 25 * math.log(25) / 5)
    assert found.step.values[0] == 1 and set(range(1, until + 1)) <= set(found.step.values)
    assert found.step.values[-1] == early_linear.horizon(cell)
    before = found.step.values <= until
    power = found.power.values[before][-1]
    assert found.rel_at_T == pytest.approx(found.gap_train.values[before].max() / power)
    assert found.rel_at_T > 0.05 and found.parted < 1.5  # 16 neurons part before T


def test_the_horizon_s_closeness_falls_where_the_width_grows_and_not_where_it_stays() -> None:
    dims = dict.fromkeys(("dim", "grown_dim", "fixed_dim"), (25, 50))
    checks = {
        one.id: one
        for one in groups.checks_of(
            linear_horizon,
            tiny(linear_horizon, slow_dim=50, slow_step_size=5.0, seeds=2, **dims),
        )
    }
    assert checks["H12.horizon"].value < 0 and checks["H12.clock"].holds
    assert checks["H31.parted"].passed is None  # two seeds


def test_a_loss_is_compared_with_itself_on_the_plateau() -> None:
    cells = xr.Dataset(
        {name: (("cell", "time"), [values]) for name, values in (
            ("clock", [1.0, 2, 4, 50]), ("train", [0.5, 0.2, 0.4, 0.06]),
            ("train_linear", [0.5, 0.25, 0.5, 0.5]),
        )}
    )  # fmt: skip
    assert first_figure.later(cells, "train") == pytest.approx([0.2])
    assert first_figure.losses_apart(cells, "train") == pytest.approx([0.2])


def test_half_the_loss_is_found_between_two_steps() -> None:
    cells = xr.Dataset(
        {
            "train": (("cell", "time"), [[0.5, 0.3, 0.2], [0.5, 0.4, 0.3]]),
            "step": (("cell", "time"), [[0, 10, 20]] * 2),
        },
        {"step_size": ("cell", [2.0, 1.0])},
    )
    found = linear_horizon.half(cells)
    assert (
        found.half_steps[0] == pytest.approx(15)
        and found.half[0] == pytest.approx(30)
        and np.isnan(found.half[1])
    )


def test_theta_of_moved_output_weights_is_a_product_of_jacobians() -> None:
    import torch

    rng = np.random.default_rng(0)
    x, net = (
        rng.standard_normal((5, 3)),
        kernel_exit.TwoLayer(rng.standard_normal(4), rng.standard_normal((4, 3))),
    )
    v, w = (torch.from_numpy(part) for part in net)

    def outputs(v: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        return torch.erf(torch.from_numpy(x) @ w.T / math.sqrt(3)) @ v / 2

    by_v, by_w = torch.autograd.functional.jacobian(outputs, (v, w))
    jacobian = torch.cat([by_v, by_w.reshape(5, -1)], dim=1)
    np.testing.assert_allclose(kernel_exit.theta(x, net, "erf"), jacobian @ jacobian.T, atol=1e-13)


def test_a_line_runs_through_its_point_in_its_direction() -> None:
    places = early_linear.line(np.array([1.0, 0, 0, 0]), np.array([0.5, 1, 2, 3]))
    np.testing.assert_allclose(places[0], [-3, 1, 2, 3], atol=1e-12)
    np.testing.assert_allclose(places[-1], [3, 1, 2, 3], atol=1e-12)


def tiny(module: object, **options: object) -> xr.Dataset:
    settings = dataclasses.replace(groups.preset(module, "TINY"), **options)  # type: ignore[arg-type]
    return run.run(module, settings, progress=False)  # type: ignore[arg-type]


def outcomes(module: object, **options: object) -> dict[str, bool | None]:
    return {one.id: one.holds for one in groups.checks_of(module, tiny(module, **options))}  # type: ignore[arg-type]


def test_best_fit_and_its_control_behave_at_small_size() -> None:
    assert all(outcomes(best_linear_fit, dim=30, n=600, width=512).values())


def test_closeness_fails_where_the_network_is_narrow() -> None:
    good = outcomes(linear_closeness, dim=30, n=600, width=512)
    bad = outcomes(linear_closeness, dim=30, n=600, width=18)
    assert good["H5.erf"] and not bad["H5.erf"]
    assert good["H7.erf"] is None  # nothing was run so wide


def test_nothing_is_judged_in_few_dimensions() -> None:
    assert not early_linear_checks.low(25, 50) and early_linear_checks.low(24, 50).startswith(
        "d = 24"
    )
    for module in (best_linear_fit, linear_labels):
        assert set(outcomes(module).values()) == {None}


def test_steps_below_the_limit_are_stable_and_three_times_it_is_not() -> None:
    found = step_limit.measure(step_limit.Run(dim=20, n=200, width=256))
    half, thrice = (
        float(found.largest[step_limit.MULTIPLES.index(multiple)]) for multiple in (0.5, 3.0)
    )
    # a run that diverges has no number
    assert half <= 1 and not thrice <= 1 and 0.8 <= found.ratio <= 1.5
    assert found.stable_up_to == pytest.approx(float(found.ratio * found.step_limit))


def test_samples_and_width_grow_with_the_dimension_where_steps_are_tried() -> None:
    cells = step_limit.GRID.runs(step_limit.GRID.presets["FULL"])
    assert {(cell.dim, cell.n, cell.width) for cell in cells} == {
        (d, 20 * d, 10 * d) for d in (25, 50, 100)
    }


def test_rows_of_a_multivariate_t_have_variance_one_and_no_fixed_length() -> None:
    rng = np.random.default_rng(0)
    factors = linear_universality.row_factors(200_000, rng)
    # The median of s^2 = 1/2 / chi^2 is 1/2 over the median of chi^2 with 2.5 degrees of freedom.
    assert np.median(factors**2) == pytest.approx(0.5 / scipy.stats.chi2(2.5).median(), rel=0.02)
    drawn = linear_universality.Run(rows="heavy-tailed", dim=50, n=400)
    plain = early_linear.data(drawn)
    heavy = linear_universality.with_heavy_rows(drawn, plain)
    lengths = [np.linalg.norm(one.x, axis=1) / np.sqrt(50) for one in (plain, heavy)]
    assert lengths[0].std() < 0.2 < lengths[1].std()
    directions = [one.x / np.linalg.norm(one.x, axis=1, keepdims=True) for one in (plain, heavy)]
    np.testing.assert_allclose(*directions, atol=1e-12)


def test_only_the_first_seed_keeps_pictures() -> None:
    grid = first_figure.GRID
    high = grid.of_group("high", grid.presets["FULL"])
    assert [one.frames for one in high] == [True] + [False] * (len(high) - 1)
    found = tiny(first_figure, seeds=2)
    shown = cells_where(found, frames=True)
    assert shown.sizes["cell"] == 2 and np.abs(shown.line_network).sum() > 0
    assert np.abs(cells_where(found, frames=False).line_network).sum() == 0
    plain = shown.isel(cell=0)
    x = early_linear.data(Run(dim=10, n=100, width=32), 50)
    left = np.linalg.svd(x.x, full_matrices=False)[0]
    np.testing.assert_allclose(plain.wanted.values[:10], left.T @ x.y / 10, atol=1e-6)
    player = over_time(plain, shown.isel(cell=1))
    assert len(player.labels) == first_figure.PROBES and "d log d" in player.labels[0]


def test_a_run_s_labels_are_those_of_its_teacher() -> None:
    setting = Run(seed=2, dim=5, n=10, width=8)
    found = early_linear.data(setting)
    assert np.array_equal(found.y, np.sign(early_linear.teacher_of(setting)(found.x)))


def test_erf_has_no_norm_feature_so_that_both_models_are_one() -> None:
    found = norm_feature.times_nearer(tiny(norm_feature))
    assert cells_where(found, activation="erf").nearer.values == pytest.approx(1)
    assert cells_where(found, activation="relu", law="gaussian").nearer.min() > 1


def test_every_activation_and_law_of_the_universality_is_run() -> None:
    grid = linear_universality.GRID
    cells = grid.runs(grid.presets["FULL"])
    assert {cell.law for cell in cells} == {"gaussian", *linear_universality.LAWS}
    assert {cell.activation for cell in cells} == {
        *linear_universality.SMOOTH,
        *linear_universality.PIECEWISE,
        "abs",
    }
    for cell in cells:  # wider where phi has a mean
        assert (cell.width == 2048) == (abs(moments(cell.activation).vartheta_0) > 1e-9)


def test_labels_are_judged_on_both_sides() -> None:
    found = tiny(linear_labels, dim=25)
    checks = {one.id: one for one in groups.checks_of(linear_labels, found)}
    assert checks.pop("H36.many").passed is None  # nothing was run on so many samples
    assert len(checks) == 3 and all(one.passed is not None for one in checks.values())


def relu_kernel(cosine: float) -> float:
    """The tangent kernel of both layers at inputs of length sqrt d, by the arc-cosine formulas."""
    angle = math.acos(cosine)
    return (math.sin(angle) + 2 * cosine * (math.pi - angle)) / (2 * math.pi)


@pytest.mark.parametrize(("dim", "near"), [(16, 0.08), (64, 0.03), (400, 0.005)])
def test_the_product_s_eigenvalue_is_that_of_the_arc_cosine_kernel(dim: int, near: float) -> None:
    """Funk and Hecke: on the sphere it is a mean of the kernel times the polynomial of degree 2."""

    def mean_of(function: Callable[[float], float]) -> float:
        def weighed(t: float) -> float:
            return function(t) * (1 - t * t) ** ((dim - 3) / 2)

        return scipy.integrate.quad(weighed, -1, 1, epsabs=1e-14, limit=500, points=[0])[0]

    second = mean_of(lambda t: relu_kernel(t) * (dim * t * t - 1) / (dim - 1))
    eigenvalue = second / mean_of(lambda t: 1.0)
    # a short time s, at which the share is (4/pi^2) 2 lambda s
    share = product_labels.expected(np.array(dim), 1e-6) / (1e-6 * dim * math.log(dim))
    assert eigenvalue * 8 / math.pi**2 == pytest.approx(share, rel=near)


def test_the_shares_expected_fall_up_to_t_and_rise_in_the_control() -> None:
    dims = np.array([16.0, 32, 64])
    early, late = (
        np.polyfit(np.log(dims), np.log(product_labels.expected(dims, horizon)), 1)[0]
        for horizon in (1.5, 1.5 * dims / 16)
    )
    assert early == pytest.approx(-0.65, abs=0.01) and late == pytest.approx(0.25, abs=0.01)
    assert product_labels.expected(np.array(1e6), 1.5) == pytest.approx(
        18 / math.pi**3 * math.log(1e6) / 1e6, rel=1e-3
    )
    assert product_labels.expected(np.array(16.0), 1e6) == pytest.approx(4 / math.pi**2)


def test_a_wide_relu_network_learns_of_the_product_what_is_expected_and_erf_nothing() -> None:
    run = Run(dim=12, n=6000, width=1024, step_size=2.0, labels="product", activation="relu")
    found = product_labels.measure(run)
    wanted = product_labels.expected(np.array(12.0), np.arange(1, 21) / 20 * 1.5)
    assert found.share == found.explained[-1] == pytest.approx(wanted[-1], rel=0.15)
    assert found.explained.values[9] == pytest.approx(wanted[9], rel=0.2)
    assert product_labels.measure(dataclasses.replace(run, activation="erf")).share < 0.002


def test_the_share_of_the_product_is_judged_where_something_is_learnt_of_it() -> None:
    sizes = {"dim": (12, 25), "late_dim": (12, 25)}
    (relu,), (erf,) = (
        groups.checks_of(product_labels, tiny(product_labels, activation=activation, **sizes))
        for activation in ("relu", "erf")
    )
    assert relu.value < 0 and relu.holds and relu.control.value is not None
    assert relu.control.value > 0 and erf.passed is None


def test_the_control_of_the_product_differs_in_its_time_alone_which_grows_as_d() -> None:
    grid = product_labels.GRID
    early, late = (grid.of_group(group, grid.presets["FULL"]) for group in ("early", "late"))
    assert [dataclasses.replace(one, horizon=1.5 * one.dim / 16) for one in early] == late
    assert {(one.dim, one.n, one.width) for one in early} == {
        (16, 1024, 128), (32, 4096, 362), (64, 16384, 1024),
    }  # fmt: skip
    assert len(early) == 30 and min(one.seed for one in early) == 3_000_000


def test_widths_grow_with_the_dimension_but_for_the_control() -> None:
    grid = linear_dimension.GRID
    grown, narrow = (grid.of_group(group, grid.presets["FULL"]) for group in ("grown", "narrow"))
    assert {one.width for one in narrow} == {16} and max(one.dim for one in narrow) == 128
    assert all(one.seed >= 1_000_000 for one in grown)
    assert all(one.width == one.n == 2 * round(one.dim**1.5) for one in grown)
