"""What the threshold depends on and where training ends: the statistics of B10 to B14 on made-up
outcomes and small runs.
"""

import dataclasses
import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from outcomes import outcomes
from simplicity import nets
from simplicity.boursier import criteria, linear_teacher, ols, synthetic
from simplicity.boursier.experiments import (
    at_the_threshold,
    dimension_scaling,
    fixed_width,
    paper_width,
    spurious_point,
    step_size_sweep,
    ten_times_wider,
    width_independence,
)
from simplicity.boursier.two_layer import descend_autograd
from simplicity.grid.groups import Runs

# --- width (B10)


def by_width(outcome, seeds: int = 40, ns=(80, 100, 120, 240)) -> Runs:
    """`outcome(width, n, seed)` is whether the run succeeds; at n = 240 all do."""

    def found(run) -> dict:
        reached = run.scale < 1 and (run.n == 240 or outcome(run.width, run.n, run.seed))
        return {"rho": 1.0 if reached else 0.8, "train_mse": 1 / run.width}

    return outcomes(
        width_independence, found, width=(20, 200, 1000), n=ns, unaligned_n=120, seeds=seeds
    )


def test_equal_outcomes_at_every_width_differ_by_nothing():
    (check,) = width_independence.checks(by_width(lambda width, n, seed: seed % 4 > 0))
    assert check.value == 0 and check.interval == (0.0, 0.0)
    assert check.passed and check.control.value == pytest.approx(-1 / 4) and check.control.passed


def test_the_control_misbehaves_where_more_samples_do_not_matter_either():
    (check,) = width_independence.checks(by_width(lambda width, n, seed: n > 80 or seed > 0))
    assert check.passed and check.control.value == pytest.approx(-1 / 40)
    assert check.control.passed is False


@pytest.mark.parametrize(("lost", "passed"), [(2, True), (8, False)])
def test_widths_are_equivalent_up_to_a_few_seeds_of_forty(lost, passed):
    # 2 of 40: -0.05 with half-width 0.06; 8 of 40: -0.2 with half-width 0.11
    (check,) = width_independence.checks(
        by_width(
            lambda width, n, seed: seed % 4 > 0 and not (width == 20 and seed % 40 < lost * 4 // 3)
        )
    )
    assert check.passed is passed and check.value < 0


def test_the_difference_by_hand_and_numbers_of_samples_without_a_difference_left_out():
    # At n = 80 width 20 loses one of two seeds, at n = 120 all succeed everywhere.
    data = by_width(
        lambda width, n, seed: n == 120 or not (width == 20 and seed == 0), seeds=2, ns=(80, 120)
    )
    found = width_independence.differences(data["small"])
    assert found[20].value == pytest.approx(-0.5) and found[200].value == 0
    assert 1000 not in found


def test_few_seeds_are_not_judged():
    (check,) = width_independence.checks(by_width(lambda width, n, seed: seed % 4 > 0, seeds=39))
    assert check.passed is None and "40 are needed" in check.control.why


# --- dimension (B11)


class Given(Runs):
    """Groups that are given and not selected; numbers of samples need not be those of a grid."""

    def __init__(self, dims, **groups: xr.Dataset) -> None:
        self.groups, self.settings = groups, SimpleNamespace(dim=dims)
        self.dataset, self.attrs = groups["whole"], {"preset": "custom"}

    def __call__(self, group: str, **part) -> xr.Dataset:
        return self.groups[group]


def by_dimension(exponent: float, seeds: int = 400, dims=(2, 5, 10, 20)) -> Given:
    """Success with probability 1 / (1 + (n50 / n)^4), n50 = 8 d^exponent, on a grid around it; a
    plane that never changes.
    """
    rng = np.random.default_rng(0)

    def group(ranks) -> xr.Dataset:
        rows, rho = [], []
        for dim, rank in ranks:
            middle = 8 * rank**exponent
            for n, seed in itertools.product(
                np.rint(middle * np.geomspace(0.3, 3, 6)).astype(int), range(seeds)
            ):
                rows.append({"dim": dim, "n": int(n), "seed": seed})
                rho.append(1.0 if rng.uniform() < 1 / (1 + (middle / n) ** 4) else 0.5)
        fields = {name: ("cell", [row[name] for row in rows]) for name in rows[0]}
        return xr.Dataset({"rho": ("cell", rho)}, fields)

    return Given(dims, whole=group([(d, d) for d in dims]), plane=group([(d, 2) for d in dims]))


def test_half_of_the_seeds_is_found_where_it_was_put():
    data = by_dimension(1.3)["whole"]
    for dim in (2, 20):
        part = data.isel(cell=data.dim.values == dim)
        assert dimension_scaling.n50(part)[0] == pytest.approx(8 * dim**1.3, rel=0.05)


@pytest.mark.parametrize(("exponent", "passed"), [(1.3, True), (3.4, True), (0.0, False)])
def test_the_exponent_is_recovered_and_judged_on_both_sides(exponent, passed):
    (check,) = dimension_scaling.checks(by_dimension(exponent, seeds=60))
    assert check.value == pytest.approx(exponent, abs=0.12)
    assert check.interval[0] < exponent < check.interval[1]
    assert check.passed is passed
    assert check.control.passed and abs(check.control.value) < 0.1


def test_a_run_that_is_missing_is_no_failure():
    whole = by_dimension(1.3, seeds=20)["whole"]
    lost = (whole.seed.values == 3) & (whole.dim.values == 5) & (whole.n.values > 60)
    without = whole.isel(cell=whole.seed.values != 3)
    assert lost.any() and not lost.all()
    found = dimension_scaling.exponent(whole.isel(cell=~lost))
    assert found == dimension_scaling.exponent(without) and found.seeds == 19


def test_the_worst_of_medians_is_nothing_where_a_part_is_empty():
    full, empty = xr.DataArray([1.0, 2.0, 4.0]), xr.DataArray(np.zeros(0))
    assert criteria.worst_median([full, full + 1], max).value == 3
    for parts in ([empty, full], [full, empty], []):
        assert criteria.worst_median(parts, max).seeds == 0


def test_few_dimensions_are_not_judged():
    (check,) = dimension_scaling.checks(by_dimension(1.3, seeds=20, dims=(2, 5)))
    assert check.passed is None and "3 dimensions" in check.control.why


def test_success_that_does_not_depend_on_n_has_no_n50():
    rows = list(itertools.product((10, 20, 40), range(4)))
    fields = {"n": ("cell", [n for n, _ in rows]), "seed": ("cell", [seed for _, seed in rows])}
    data = xr.Dataset({"rho": ("cell", [1.0, 1.0, 0.5, 0.5] * 3)}, fields)
    assert np.isnan(dimension_scaling.n50(data)[0])


def test_inputs_in_a_plane_of_a_larger_space_train_as_in_the_plane():
    # Gradients are combinations of inputs: coordinates in which no input varies stay as they
    # started.
    task = synthetic.linear_task("margin", 30, 2, 0.25, seed=1)
    padded = np.pad(task.x, ((0, 0), (0, 4)))
    wide = nets.dominated(12, 6, 0.3, np.random.default_rng(0))
    flat = nets.TwoLayer(wide.a, wide.w[:, :2])
    runs = [
        descend_autograd(start, x, task.y, step_size=0.1, schedule=(0, 200), probes={})[0]
        for start, x in ((wide, padded), (flat, task.x))
    ]
    np.testing.assert_allclose(runs[0].w[:, :2], runs[1].w, atol=1e-9)
    np.testing.assert_array_equal(runs[0].w[:, 2:], wide.w[:, 2:])


# --- stationary points (B12)

POINT = {
    "train_mse": 0.24, "gradient_norm": 1e-9, "least_eigenvalue": -1e-9, "interpolator_mse": 1e-27,
    "own_features_mse": 0.24, "random_gradient_norm": 5.0, "random_least_eigenvalue": -0.2,
}  # fmt: skip


def at_point(**changed) -> Runs:
    """Three seeds, one of them changed."""
    return outcomes(spurious_point, lambda run: POINT | (changed if run.seed == 2 else {}), seeds=3)


def test_a_spurious_stationary_point_passes():
    assert all(check.holds for check in spurious_point.checks(at_point()))


@pytest.mark.parametrize(
    ("changed", "failing"),
    [
        ({"gradient_norm": 1e-5}, 0),
        ({"random_gradient_norm": 1e-7}, 0),
        ({"least_eigenvalue": -1e-4}, 1),
        ({"random_least_eigenvalue": 0.0}, 1),
        ({"interpolator_mse": 1e-8}, 2),
        ({"own_features_mse": 1e-12}, 2),
    ],
)
def test_one_seed_that_is_otherwise_fails_its_check(changed, failing):
    holds = [check.holds for check in spurious_point.checks(at_point(**changed))]
    assert holds == [index != failing for index in range(3)]


def test_the_control_point_has_the_loss_of_the_end_of_training():
    run = spurious_point.GRID.runs(spurious_point.GRID.presets["TINY"])[0]
    found = spurious_point.measure(run)
    assert float(found.random_mse) == pytest.approx(float(found.train_mse), rel=1e-6)
    assert float(found.interpolator_mse) < 1e-20


# --- fixed width (B13)


def at_fixed_width(best) -> Runs:
    """`best(n)` is rho of the best large start; the small start is at the limit but for n = 10,
    where it is the best.
    """

    def found(run) -> dict:
        return {
            "small": best(10) if run.n == 10 else 1.0,
            "large": [np.nan, np.nan] if run.growing else [2.0, best(run.n)],
            "explicit": 1e-20 if run.growing else 1.2,
            "two_fits": 1.0,
        }

    ns = (10, 120, 480, 1920, 7680)
    settings = {"n": ns, "growing_n": ns[1:4], "noise_variance": 1.0, "seeds": 5}
    return outcomes(fixed_width, found, {"large": "start"}, **settings)


def closing(n: int) -> float:
    return float(np.clip(1 - 30 / n, 0, 1))


def test_a_gap_that_opens_and_closes_passes():
    rises, few = fixed_width.checks(at_fixed_width(closing))
    assert rises.holds and few.holds and few.value == 0
    assert (rises.seeds, rises.control.value) == (5, 0)  # a seed has both widths


@pytest.mark.parametrize(
    ("best", "failing"),
    [
        (lambda n: closing(n) if n != 480 else 0.0, 0),  # falls once
        (lambda n: 0.99 if n > 100 else 0.0, 0),  # does not rise
    ],
)
def test_other_courses_fail(best, failing):
    holds = [check.holds for check in fixed_width.checks(at_fixed_width(best))]
    assert not holds[failing]


def test_the_gap_is_to_the_best_of_all_that_was_found_and_never_negative():
    data = at_fixed_width(lambda n: 3.0)
    assert (fixed_width.gap(data.dataset).values >= 0).all()
    np.testing.assert_allclose(fixed_width.gap(data["growing"]), 1.0)


def test_rho_is_undefined_where_two_fits_interpolate_themselves():
    data = xr.Dataset({"small": ("cell", [1e-12, 0.1]), "two_fits": ("cell", [1e-30, 0.2])})
    np.testing.assert_allclose(criteria.rho(data, data.small), [np.nan, 0.5])


# --- step sizes (B14)


def by_step(**changed) -> Runs:
    known = {"interpolator 0.005": 1e-14, "interpolator 0.02": np.nan} | changed

    def found(run) -> dict:
        error = known.get(f"{run.start} {run.step_size}", 0.25)
        return {"rho": error / 0.25, "train_mse": error}

    return outcomes(step_size_sweep, found, seeds=3, step_size=(0.005, 0.02))


@pytest.mark.parametrize(
    ("changed", "holds"),
    [
        ({}, [True, True]),
        ({"small 0.005": 0.2}, [False, True]),
        ({"small 0.02": 0.2}, [True, True]),  # no interpolator is stable there, so it is not judged
        ({"interpolator 0.005": 0.25}, [False, False]),  # goes where the small start goes
        ({"interpolator 0.005": 1e-5}, [True, False]),
        ({"interpolator 0.02": 1e-14}, [True, False]),  # the control: stays above 2 / sharpness
    ],
)
def test_what_happens_at_each_start_is_judged(changed, holds):
    assert [check.holds for check in step_size_sweep.checks(by_step(**changed))] == holds


@pytest.mark.parametrize(
    ("small", "unaligned", "holds"), [(0.2, 0.0, True), (0.02, 0.0, False), (0.2, 0.2, False)]
)
def test_at_the_threshold_both_starts_are_judged_at_one_n(small, unaligned, holds):
    def found(run) -> dict:
        return {"train_mse": unaligned if run.scale == 1.0 else small}

    checks = at_the_threshold.checks(outcomes(at_the_threshold, found))
    assert [one.holds for one in checks] == [holds, holds]


def tiny_runs(group: str, **settings) -> list[step_size_sweep.Run]:
    grid = step_size_sweep.GRID
    return grid.of_group(group, dataclasses.replace(grid.presets["TINY"], seeds=1, **settings))


def test_a_diverged_run_has_no_error_and_does_not_count_as_staying():
    (run,) = tiny_runs("interpolator", interpolator_step_size=(5.0,), interpolator_time=200.0)
    found = step_size_sweep.measure(run)
    assert int(found.diverged) == 1 and np.isnan(found.train_mse)
    assert not np.isinf(found.train_curve).any()
    assert not step_size_sweep.stays(found.expand_dims("cell"))[0]


def test_an_error_past_all_bounds_is_a_divergence_too(monkeypatch):
    (run,) = tiny_runs("interpolator", interpolator_step_size=(0.005,))
    monkeypatch.setattr(step_size_sweep.ols, "mse", lambda *_: 10 * step_size_sweep.DIVERGED)
    found = step_size_sweep.measure(run)
    assert int(found.diverged) == 1 and np.isnan(found.train_mse)


def test_the_small_start_at_three_steps_ends_at_one_point():
    small = tiny_runs("small", n=480, time=400.0)
    found = [float(step_size_sweep.measure(run).rho) for run in small]
    task = linear_teacher.draw(small[0])
    assert len(found) == 3 and np.ptp(found) < 1e-6
    # and a network that interpolated would have had rho = 0
    assert ols.rho(0.0, 1.0, task.y) == 0


# --- the paper's own width (B1, B2)


def at_paper_width(few_rho: float = 0.2, excess: float = 0.01, few_excess: float = 0.2) -> Runs:
    """Two seeds at n = 640 that end on the limit, the first again in double precision, and with 80
    samples a control.
    """

    def found(run) -> dict:
        if run.n == 80:
            return {"rho": few_rho, "excess_risk": few_excess, "train_mse": 0.05, "stopped_at": 100}
        error = 0.2 if run.precision == "float64" else 0.22
        return {"rho": 0.9, "excess_risk": excess, "train_mse": error, "stopped_at": 100}

    ns = {"n": (80, 640), "unaligned_n": (), "double_n": (640,)}
    return outcomes(paper_width, found, seeds=2, **ns)


def test_the_runs_at_the_papers_width_are_judged_with_their_control():
    (test,) = paper_width.checks(at_paper_width())
    assert test.holds and test.seeds == 2  # the one in double precision is no further seed
    assert [check.holds for check in paper_width.checks(at_paper_width(excess=0.04))] == [False]
    misled = at_paper_width(few_rho=0.9, few_excess=0.01)  # the control does as well
    assert [check.holds for check in paper_width.checks(misled)] == [False]


def test_the_gap_between_the_precisions_is_that_of_the_same_seed():
    # a law each
    np.testing.assert_allclose(
        paper_width.precision_gap(at_paper_width()).gap, [0.22 / 0.2 - 1] * 2
    )


# --- ten times the paper's width (B1, B2)


@pytest.mark.parametrize("law", ["margin", "gaussian"])
def test_both_engines_end_a_run_alike_and_as_the_run_that_is_looked_at(law):
    run = linear_teacher.Run(law=law, n=60, width=300, steps=1000, precision="float64")
    watched = linear_teacher.train(run).outcome()
    for engine in linear_teacher.ENGINES:
        ended = linear_teacher.end(run, engine)
        for name in ("train_mse", "test_mse", "rho", "force"):
            np.testing.assert_allclose(
                ended[name], watched[name], rtol=1e-6 if name == "force" else 1e-9, err_msg=name
            )
        assert ended.stopped_at == watched.stopped_at
        assert (ended.plain_steps < ended.stopped_at) == (engine == "cones")


def test_wide_networks_go_by_cones_and_narrow_ones_by_the_sweep(monkeypatch):
    asked = []
    monkeypatch.setattr(
        linear_teacher, "end", lambda run, engine: asked.append((run.width, engine))
    )
    for width in (9_999, 10_000):
        width_independence.measure(linear_teacher.Run(width=width))
    assert set(asked) == {(9_999, "sweep"), (10_000, "cones")}


def ten_times_as_wide(rho: float = 0.9) -> Runs:
    """Two seeds at n = 640 that end on the limit, a control at n = 80, and runs that the plain
    sweep made as well.
    """

    def found(run) -> dict:
        if run.n == 80:
            return {"rho": 0.2, "excess_risk": 0.2, "train_mse": 0.05}
        if run.n == 640:
            return {"rho": rho, "excess_risk": 0.01, "train_mse": 0.22}
        errors = {"gaussian": 0.11 if run.engine == "cones" else 0.1, "margin": 0.2}
        return {"rho": 0.7, "excess_risk": 0.01, "train_mse": errors[run.law]}

    return outcomes(ten_times_wider, found, n=(80, 160, 640), seeds=2)


def test_the_widest_runs_are_judged_with_their_control_and_the_engines_compared_run_by_run():
    (test,) = ten_times_wider.checks(ten_times_as_wide())
    assert test.holds and test.seeds == 2
    assert not ten_times_wider.checks(ten_times_as_wide(rho=0.5))[0].holds
    found = ten_times_wider.engine_gap(ten_times_as_wide())
    np.testing.assert_allclose([found["gaussian"], found["margin"]], [0.1, 0], atol=1e-12)
