"""The experiments on the first bias: their settings, their judgement on both sides of each
criterion, and their instruments.
"""

import dataclasses

import numpy as np
import pytest
import torch
import xarray as xr

from loukas import made_up
from simplicity import problems
from simplicity.grid import groups, run
from simplicity.grid.groups import Runs, cells_where
from simplicity.loukas import cosine, little_network
from simplicity.loukas.experiments import (
    batch_order,
    bias_identity,
    cosine_task,
    released_statistic,
    window_average,
)
from simplicity.loukas.pictures import learned_functions
from simplicity.loukas.pictures import trajectory as plot

F = cosine.FREQUENCIES
SEEDS = 10


QUICK = cosine_task.GRID.presets["QUICK"]
MADE_UP = {"control_variant": tuple(cosine.CONTROLS), "control_seeds": SEEDS, "seeds": SEEDS}
SCALARS = (
    "level_end", "test_end", "variance_end", "distance_end", "total_end", "rounding", "late_error",
)  # fmt: skip


def cosine_run(**changes) -> cosine_task.Run:
    (first, *_) = groups.runs_of(cosine_task, cosine_task.GRID.presets["TINY"])
    return dataclasses.replace(first, **changes)


def values_of(run: cosine_task.Run, level) -> dict:
    """`level(f, seed)` in every variable of a plain run, and controls as they should be."""
    factor = {"y times 4": 4.0, "constant target": 0.01}.get(run.variant, 1.0)
    if run.variant in ("y negated", "another plane"):
        factor = 1 + 0.1 * (-1) ** run.seed
    value = level(run.frequency, run.seed) * factor
    permuted = run.variant == "labels permuted"
    found = {name: value for name in SCALARS} | {
        "loss_end": 1.0,
        "level_start": value if run.variant == "constant target" else 1.0,
        "kernel_level": run.frequency,
        "level_early": ("early", np.full(3, value / 2 if permuted else value)),
        "test_early": ("early", np.full(3, 9.0 if permuted else 1 / value)),
        "slope_early": ("early", np.full(3, value)),
        "slope_end": -value,
    }
    matches = np.full(len(cosine_task.MATCHES), value)
    names = ("level", "variance", "distance", "total", "epochs")
    return found | {f"{name}_at": ("match", matches) for name in names}


def made_up_cosine(level, change=None) -> Runs:
    """The cosine task with `level(f, seed)` in every variable, where `change` may set others."""

    def values(run: cosine_task.Run) -> dict:
        found = values_of(run, level)
        return found | (change(run, found) if change else {})

    return made_up.runs(cosine_task, dataclasses.replace(QUICK, **MADE_UP), values)


def rising(f: float, seed: int) -> float:
    return f * (1 + 0.001 * seed)


def outcomes(runs: Runs, claim: str) -> list[bool | None]:
    return [one.holds for one in cosine_task.checks(runs) if one.claim == claim]


OF_ORDER = ("L7", "L8", "L14", "L15", "L18", "L33", "L36")


def test_a_level_that_rises_with_f_in_every_seed_passes_and_one_that_does_not_fails():
    noise = np.random.default_rng(0).uniform(0.95, 1.05, (SEEDS, 4))
    up = made_up_cosine(lambda f, seed: f * noise[seed, F.index(f)])
    for claim in OF_ORDER:
        assert all(outcomes(up, claim)), claim
    shuffled = made_up_cosine(lambda f, seed: noise[seed, F.index(f)])
    for claim in OF_ORDER:
        assert not any(outcomes(shuffled, claim)), claim


def failed(runs: Runs) -> list[str]:
    return [one.id for one in cosine_task.checks(runs) if one.holds is False]


def test_an_order_that_is_reversed_at_the_early_epoch_is_a_question_of_our_own():
    def reverse(run, found):
        early = {name: found[name] for name in ("level_early", "slope_early")}
        return {name: (dim, -values) for name, (dim, values) in early.items()}

    reversed_early = made_up_cosine(rising, reverse)
    found = failed(reversed_early)
    assert "L31.early" in found and "L8.end" not in found
    # The level still is the slope; only now the slope at the end tells it as well.
    (now,) = (one for one in cosine_task.checks(reversed_early) if one.claim == "L32")
    assert now.passed and now.control.passed is False


def test_a_control_that_has_the_order_too_is_no_control():
    def negated_is_larger(run, found):
        return {"level_end": 2 * found["level_end"]} if run.variant == "y negated" else {}

    assert "L8.end" in failed(made_up_cosine(rising, negated_is_larger))


def test_test_loss_must_follow_the_level_and_within_one_frequency_it_is_our_question():
    noise = np.random.default_rng(1).uniform(0.9, 1.1, (SEEDS, 4))

    def level(f, seed):
        return f * noise[seed, F.index(f)]

    follows = made_up_cosine(level)
    assert outcomes(follows, "L10") == outcomes(follows, "L34") == [True]

    def falling(run, found):
        plain = run.variant == "plain"
        return {"test_end": run.frequency - found["level_end"] / 100 if plain else 1.0}

    only_across = made_up_cosine(level, falling)
    assert outcomes(only_across, "L10") == [True] and outcomes(only_across, "L34") == [False]


def test_of_neighbours_the_pair_with_the_least_share_counts():
    epochs = np.tile([1.0, 2.0, 3.0, 4.0], (10, 1))
    found = cosine_task.slower_share(epochs)
    assert (found.value, found.seeds) == (1, 10)
    epochs[:3, 1] = 9.0  # of ten seeds three in which the third is not slower than the second
    assert cosine_task.slower_share(epochs).value == 0.7
    assert cosine_task.slower_share(np.zeros((0, 4))).seeds == 0


def test_a_run_that_does_not_fit_counts_as_later_than_all_others():
    def never(run, found):
        name, epochs = found["epochs_at"]
        return {"epochs_at": (name, np.nan * epochs)} if run.frequency == 1.0 else {}

    assert "L7.epochs" not in failed(made_up_cosine(rising, never))


def test_the_smallest_run_makes_every_check_and_says_why_none_is_judged():
    few = dataclasses.replace(QUICK, **MADE_UP | {"seeds": 5, "control_seeds": 5})
    found = cosine_task.checks(made_up.runs(cosine_task, few, lambda run: values_of(run, rising)))
    reasons = {one.id: one.control.why for one in found if one.passed is None}
    assert len(found) == len({one.id for one in found}) == 16
    assert reasons["L18.total"] == "5 seeds, 10 are needed" and "L8.end" not in reasons
    fewer = dataclasses.replace(few, n=20)
    other = made_up.runs(cosine_task, fewer, lambda run: values_of(run, rising))
    judged = [one.id for one in cosine_task.checks(other) if one.passed is not None]
    assert judged == ["L9.steps"]


def test_variants_change_what_they_say():
    plain = cosine_task.task(cosine_run())
    negated = cosine_task.task(cosine_run(variant="y negated"))
    np.testing.assert_array_equal(negated.y, -plain.y)
    times = cosine_task.task(cosine_run(variant="y times 4"))
    np.testing.assert_array_equal(times.y_test, 4 * plain.y_test)
    permuted = cosine_task.task(cosine_run(variant="labels permuted"))
    np.testing.assert_array_equal(np.sort(permuted.y), np.sort(plain.y))
    np.testing.assert_array_equal(permuted.y_test, plain.y_test)
    assert (permuted.y != plain.y).any()
    turned = cosine_task.task(cosine_run(variant="another plane"))
    # the same points of another plane
    np.testing.assert_allclose(turned.x @ turned.x.T, plain.x @ plain.x.T, atol=1e-9)
    np.testing.assert_allclose(turned.plane @ turned.basis.T, turned.x, atol=1e-9)
    assert abs(turned.x - plain.x).max() > 0.1
    assert (cosine_task.task(cosine_run(variant="constant target")).y == 1).all()


def test_half_the_step_is_the_same_training_in_twice_the_steps():
    whole, half = (
        cosine_task.measure(cosine_run(variant=v, frequency=0.5, n=50, epochs=200))
        for v in ("plain", "half the step")
    )
    np.testing.assert_array_equal(whole.epoch, half.epoch)
    np.testing.assert_allclose(half.average, whole.average, rtol=0.15)
    assert half.total_end == pytest.approx(whole.total_end.item(), rel=0.1)


def test_curves_are_means_since_the_last_probe_and_add_up_to_the_total():
    found = cosine_task.measure(cosine_run(n=50, epochs=100))
    width = np.diff(found.epoch.values, prepend=0)
    assert (found.level.values * width).sum() == pytest.approx(found.total_end.item(), rel=1e-5)
    assert found.field.shape == (cosine_task.FRAMES, 4)


def test_every_sample_of_an_epoch_counts_so_the_level_is_lambda_avg_up_to_drift():
    found = cosine_task.measure(cosine_run(n=50, epochs=100))
    np.testing.assert_allclose(found.raw, found.average, rtol=0.2)


def test_gaps_of_windows_by_hand():
    path, average = np.ones(64), np.ones(64)
    path[0], path[1] = 2.0, 0.0
    found = window_average.gaps(path, average)
    assert found[0] == pytest.approx(np.sqrt(2 / 64)) and (found[1:] == 0).all()


def test_independent_draws_have_the_exponent_one_half_and_a_constant_gap_has_none():
    draws = np.random.default_rng(0).exponential(size=64 * 256)
    one, fixed = (
        window_average.gaps(part, np.ones_like(part)) for part in (draws, np.full(640, 1.5))
    )
    (half,), (none,) = (
        window_average.exponents(xr.Dataset({"gap": (("cell", "window"), gap[None])}))
        for gap in (one, fixed)
    )
    assert half == pytest.approx(-0.5, abs=0.08) and none == pytest.approx(0)


@pytest.mark.parametrize(("eps", "points"), [(1.0, 4), (0.0, 0)])
def test_a_bracket_counts_both_sides_and_no_step_of_a_fitted_sample(eps: float, points: int):
    path, ones = np.array([0.4, 0.5, 2.0, 2.1]), np.ones(4)
    steps = {"trajectory": path, "slope": ones, "epsilon": eps * ones}
    found = xr.Dataset({name: ("window", values) for name, values in steps.items()})
    counts = bias_identity._bracket(found, np.array([[2.0, 0.5]] * 4))
    # two lie below 1 / sigma_min, one of them below 1 / sigma_1 as well
    expected = {"lower": 1, "upper": 1, "swapped": 2}
    assert counts == {name: min(one, points) for name, one in expected.items()} | {"points": points}


@pytest.mark.parametrize("kind", little_network.PARTS)
def test_the_little_networks_are_functions_of_x_plus_b(kind):
    unshared, shared = (little_network.Network(kind, one, seed=1) for one in (False, True))
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(1, 1, 8, 8, dtype=torch.float64, generator=rng, requires_grad=True)
    for network, same in ((unshared, True), (shared, False)):
        by_x, by_b = torch.autograd.grad(network(x).sum(), [x, network.bias])
        assert (by_x.shape[2:] == by_b.shape[1:]) is same
        if same:
            torch.testing.assert_close(by_x[0], by_b)


def test_the_upper_half_of_the_bracket_fails_for_a_wide_layer_and_not_for_a_narrow_one():
    narrow, wide = (
        bias_identity.measure(bias_identity.Run(kind=f"start n_1 = {width}", steps=50))
        for width in (10, 128)
    )
    assert narrow.upper == 0 and wide.upper == wide.points and narrow.lower == wide.lower == 0


@pytest.mark.parametrize("sign", [1, -1])
def test_batches_are_compared_seed_by_seed(sign: int):
    def values(run: batch_order.Run) -> dict:
        level = 1.0 + run.seed + (0.1 if run.frequency == 0.75 else 0.0)
        level += 0.01 * (-1.0) ** run.seed if run.labels == "y negated" else 0.0  # no side
        return {"level_end": level**sign, "level_at": level}

    settings = dataclasses.replace(batch_order.GRID.presets["QUICK"], seeds=6)
    found = batch_order.checks(made_up.runs(batch_order, settings, values))
    assert [one.holds for one in found] == [sign > 0, True, None]
    assert found[1].value == pytest.approx(np.mean([np.log1p(0.1 / (1 + k)) for k in range(6)]))


def test_runs_at_the_step_of_single_samples_make_as_many_updates():
    assert batch_order.Run(batch=16, rate="same", epochs=30).passes == 480
    assert batch_order.Run(batch=16, rate="scaled", epochs=30).passes == 30


def test_too_few_steps_for_a_window_of_batches_are_refused():
    settings = dataclasses.replace(batch_order.GRID.presets["QUICK"], n=2, epochs=40)
    with pytest.raises(problems.Problem, match="at least 25 steps of 16 samples"):
        groups.runs_of(batch_order, settings)


def test_one_repeat_has_nothing_to_average():
    one = released_statistic.Run(frequency=0.25, n=20, epochs=60, repeats=1)
    found = released_statistic.measure(one)
    defined, late, averaged, released = found.total_end.values
    assert averaged == pytest.approx(defined) and released == pytest.approx(late)
    assert late != pytest.approx(defined, rel=0.05) and 0 < found.error < 8
    several = released_statistic.measure(dataclasses.replace(one, repeats=3))
    assert several.total_end.values[2] < several.total_end.values[0]


def test_the_player_has_a_frame_for_each_epoch_and_says_which_trajectory_is_longest():
    tiny = cosine_task.GRID.presets["TINY"]
    settings = dataclasses.replace(tiny, control_variant=("constant target",), side=3, seeds=1)
    parts = [(one, cosine_task.measure(one)) for one in groups.runs_of(cosine_task, settings)]
    whole = run.assemble(cosine_task, settings, parts)
    plain = cells_where(whole, variant="plain").sortby("frequency")
    epochs = cosine_task.looks(settings.epochs)["frames"]
    player = plot.learning(plain, epochs, plain.field.values, cosine.square(3))
    last = plain.level.values[:, -1]
    longest = plain.frequency.values[np.argmax(last)]
    assert len(player.labels) == len(epochs) and f"longest first: f = {longest:g}," in player.html()
    assert learned_functions._zeros(0.5).shape == (4 * 6, 2)  # both edges and u, v = -1/2, 1/2
