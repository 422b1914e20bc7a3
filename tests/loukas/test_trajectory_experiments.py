"""The experiments on the first bias: their settings, their judgement on both sides of each criterion, and their instruments."""

import dataclasses
import json

import numpy as np
import pytest
import torch
import xarray as xr

from simplicity import problems
from simplicity.evidence.claims import cells_where
from simplicity.grid import run
from simplicity.loukas import cosine
from simplicity.loukas.experiments import batch_order, bias_identity, cosine_task, released_statistic, window_average
from simplicity.loukas.pictures import trajectory as plot

F = cosine.FREQUENCIES
SEEDS = 10


def cosine_cell(**changes) -> cosine_task.Cell:
    (cell, *_) = cosine_task.cells(cosine_task.TINY)
    return dataclasses.replace(cell, **changes)


def made_up(level, seeds: int = SEEDS) -> xr.Dataset:
    """A run of the cosine task whose plain cells have `level(f, seed)` in every variable, and controls as they should be."""
    rows = [("plain", f, seed) for seed in range(seeds) for f in F]
    rows += [(name, variant.frequency, seed) for seed in range(seeds) for name, variant in cosine_task.CONTROLS.items()]
    factor = {"y times 4": 4.0, "constant target": 0.01}
    jitter = {"y negated", "another plane"}
    value = np.array(
        [level(f, seed) * factor.get(name, 1.0) * (1 + 0.1 * (-1) ** seed if name in jitter else 1.0) for name, f, seed in rows]
    )
    scalars = ("level_end", "loss_end", "test_end", "variance_end", "distance_end", "total_end", "rounding", "late_error")
    found = {name: ("cell", value) for name in scalars}
    constant = np.array([name == "constant target" for name, *_ in rows])
    permuted = np.array([name == "labels permuted" for name, *_ in rows])
    found |= {
        "level_start": ("cell", np.where(constant, value, 1.0)),
        "kernel_level": ("cell", np.array([f for _, f, _ in rows])),
        "loss_end": ("cell", np.ones(len(rows))),
        "level_early": (("cell", "early"), np.stack([np.where(permuted, value / 2, value)] * 3, axis=1)),
        "test_early": (("cell", "early"), np.stack([np.where(permuted, 9.0, 1 / value)] * 3, axis=1)),
    }
    found |= {
        f"{name}_at": (("cell", "match"), np.stack([value] * len(cosine_task.MATCHES), axis=1))
        for name in ("level", "variance", "distance", "total", "epochs")
    }
    names, frequencies, seeds_of = (np.array(column) for column in zip(*rows, strict=True))
    fields = {
        "variant": ("cell", names),
        "frequency": ("cell", frequencies),
        "seed": ("cell", seeds_of),
        "n": ("cell", [100] * len(rows)),
    }
    attributes = {"preset": "FULL", "config": json.dumps(dataclasses.asdict(cosine_task.FULL))}
    return xr.Dataset(found, fields, attributes)


def outcomes(dataset: xr.Dataset, claim: str) -> list[bool | None]:
    return [one.holds for one in cosine_task.checks(dataset) if one.claim == claim]


def test_a_level_that_rises_with_f_in_every_seed_passes_and_one_that_does_not_fails():
    noise = np.random.default_rng(0).uniform(0.95, 1.05, (SEEDS, 4))
    rising = made_up(lambda f, seed: f * noise[seed, F.index(f)])
    for claim in ("L-F1a", "L-F1b", "L-F2a", "L-F2b", "L-FI"):
        assert all(outcomes(rising, claim)), claim
    shuffled = made_up(lambda f, seed: noise[seed, F.index(f)])
    for claim in ("L-F1a", "L-F1b", "L-F2a", "L-F2b", "L-FI"):
        assert not any(outcomes(shuffled, claim)), claim


def test_an_order_that_is_reversed_at_the_early_epoch_leaves_the_claim_partly():
    rising = made_up(lambda f, seed: f * (1 + 0.001 * seed))
    rising["level_early"] = -rising["level_early"]
    found = {one.statistic: one.holds for one in cosine_task.checks(rising) if one.claim == "L-F1b"}
    assert [name for name, holds in found.items() if not holds] == ["rank correlation of f with the level at epoch 100"]


def test_test_loss_must_follow_the_level_within_one_frequency():
    noise = np.random.default_rng(1).uniform(0.9, 1.1, (SEEDS, 4))
    both = made_up(lambda f, seed: f * noise[seed, F.index(f)])
    assert outcomes(both, "L-F1c") == [True, True]
    both["test_end"] = ("cell", np.where(both.variant == "plain", both.frequency - both.level_end / 100, 1.0))
    assert outcomes(both, "L-F1c") == [True, False]


def test_the_amplitude_control_needs_a_factor_near_four():
    rising = made_up(lambda f, seed: f * (1 + 0.001 * seed))
    times = (rising.variant == "y times 4").values
    rising["level_at"].values[times] /= 4
    failed = [one for one in cosine_task.checks(rising) if one.holds is False]
    assert [one.statistic for one in failed] == ["rank correlation of f with the level at matched loss = 0.03"]


def test_sign_tests_count_neighbours():
    epochs = np.tile([1.0, 2.0, 3.0, 4.0], (10, 1))
    assert cosine_task.sign_tests(epochs) == pytest.approx([2.0**-10] * 3)
    epochs[:5, 1] = 9.0
    assert max(cosine_task.sign_tests(epochs)) > 0.5


def test_a_run_that_does_not_fit_counts_as_later_than_all_others():
    rising = made_up(lambda f, seed: f * (1 + 0.001 * seed))
    rising["epochs_at"].values[(rising.frequency == 1.0).values] = np.nan
    assert outcomes(rising, "L-F1a")[0]


def test_variants_change_what_they_say():
    plain = cosine_task.task(cosine_cell())
    negated = cosine_task.task(cosine_cell(variant="y negated"))
    np.testing.assert_array_equal(negated.y, -plain.y)
    times = cosine_task.task(cosine_cell(variant="y times 4"))
    np.testing.assert_array_equal(times.y_test, 4 * plain.y_test)
    permuted = cosine_task.task(cosine_cell(variant="labels permuted"))
    np.testing.assert_array_equal(np.sort(permuted.y), np.sort(plain.y))
    np.testing.assert_array_equal(permuted.y_test, plain.y_test)
    assert (permuted.y != plain.y).any()
    turned = cosine_task.task(cosine_cell(variant="another plane"))
    np.testing.assert_allclose(turned.x @ turned.x.T, plain.x @ plain.x.T, atol=1e-9)  # the same points of another plane
    np.testing.assert_allclose(turned.plane @ turned.basis.T, turned.x, atol=1e-9)
    assert abs(turned.x - plain.x).max() > 0.1
    assert (cosine_task.task(cosine_cell(variant="constant target")).y == 1).all()


def test_half_the_step_is_the_same_training_in_twice_the_steps():
    whole, half = (
        cosine_task.measure(cosine_cell(variant=v, frequency=0.5, n=50, epochs=200)) for v in ("plain", "half the step")
    )
    np.testing.assert_array_equal(whole.epoch, half.epoch)
    np.testing.assert_allclose(half.average, whole.average, rtol=0.15)
    assert half.total_end == pytest.approx(whole.total_end.item(), rel=0.1)


def test_curves_are_means_since_the_last_probe_and_add_up_to_the_total():
    found = cosine_task.measure(cosine_cell(n=50, epochs=100))
    width = np.diff(found.epoch.values, prepend=0)
    assert (found.level.values * width).sum() == pytest.approx(found.total_end.item(), rel=1e-5)
    assert found.field.shape == (cosine_task.FRAMES, 4)


def test_every_sample_of_an_epoch_counts_so_the_level_is_lambda_avg_up_to_drift():
    found = cosine_task.measure(cosine_cell(n=50, epochs=100))
    np.testing.assert_allclose(found.raw, found.average, rtol=0.2)


def test_gaps_of_windows_by_hand():
    path, average = np.ones(64), np.ones(64)
    path[0], path[1] = 2.0, 0.0
    found = window_average.gaps(path, average)
    assert found[0] == pytest.approx(np.sqrt(2 / 64)) and (found[1:] == 0).all()


def test_independent_draws_have_the_exponent_one_half_and_a_constant_gap_has_none():
    draws = np.random.default_rng(0).exponential(size=64 * 256)
    one, fixed = (window_average.gaps(part, np.ones_like(part)) for part in (draws, np.full(640, 1.5)))
    made = xr.Dataset(
        {"gap": (("cell", "window"), np.stack([one, fixed]))}, {"kind": ("cell", ["frozen", "frozen, one sample"])}
    )
    assert window_average.exponents(made, "frozen") == pytest.approx([-0.5], abs=0.08)
    assert window_average.exponents(made, "frozen, one sample") == pytest.approx([0])


def test_a_bracket_counts_both_sides():
    slope, sigma = np.ones(4), np.array([[2.0, 0.5]] * 4)
    found = bias_identity._bracket(np.array([0.4, 0.5, 2.0, 2.1]), slope, np.ones(4), sigma)
    assert found == {"lower": 1, "upper": 1, "points": 4}
    fitted = bias_identity._bracket(np.array([0.4, 0.5, 2.0, 2.1]), slope, np.zeros(4), sigma)
    assert fitted["points"] == 0


@pytest.mark.parametrize("kind", bias_identity.PARTS)
def test_the_little_networks_are_functions_of_x_plus_b(kind):
    unshared, shared = (bias_identity.Network(kind, one, seed=1) for one in (False, True))
    x = torch.randn(1, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    for network, same in ((unshared, True), (shared, False)):
        by_x, by_b = torch.autograd.grad(network(x).sum(), [x, network.bias])
        assert (by_x.shape[2:] == by_b.shape[1:]) is same
        if same:
            torch.testing.assert_close(by_x[0], by_b)


def test_the_upper_half_of_the_bracket_fails_for_a_wide_layer_and_not_for_a_narrow_one():
    cell = bias_identity.cells(bias_identity.QUICK)[0]
    narrow, wide = (bias_identity.measure(dataclasses.replace(cell, kind=f"start n_1 = {w}", steps=50)) for w in (10, 128))
    assert narrow.upper == 0 and wide.upper == wide.points and narrow.lower == wide.lower == 0


def test_batches_are_compared_seed_by_seed():
    rows = [(label, f, seed) for seed in range(6) for label, f in (("cosine", 0.25), ("cosine", 0.75), ("y negated", 0.25))]
    labels, frequency, seed = (np.array(column) for column in zip(*rows, strict=True))
    level = seed + np.where(frequency == 0.75, 0.1, 0.0) + np.where(labels == "y negated", 0.01 * (-1.0) ** seed, 0.0)
    same = {name: ("cell", np.full(len(rows), value)) for name, value in (("batch", 16), ("rate", "scaled"), ("n", 100))}
    fields = {"labels": ("cell", labels), "frequency": ("cell", frequency), "seed": ("cell", seed), **same}
    found = xr.Dataset({name: ("cell", level) for name in ("level_end", "level_at")}, fields, {"preset": "FULL"})
    assert [one.holds for one in batch_order.checks(found)] == [True, True]
    found["level_end"] = -found.level_end
    assert [one.holds for one in batch_order.checks(found)] == [False, True]


def test_too_few_steps_for_a_window_of_batches_are_refused():
    with pytest.raises(problems.Problem, match="at least 25 steps of 16 samples"):
        batch_order.cells(dataclasses.replace(batch_order.QUICK, n=2, epochs=40))


def test_one_repeat_has_nothing_to_average():
    (cell, *_) = released_statistic.cells(dataclasses.replace(released_statistic.TINY, repeats=1))
    found = released_statistic.measure(cell)
    defined, late, averaged, released = found.total_end.values
    assert averaged == pytest.approx(defined) and released == pytest.approx(late)
    assert late != pytest.approx(defined, rel=0.05) and 0 < found.error < 8
    several = released_statistic.measure(dataclasses.replace(cell, repeats=3))
    assert several.total_end.values[2] < several.total_end.values[0]


def test_the_player_has_a_frame_for_each_epoch_and_says_which_trajectory_is_longest():
    settings = dataclasses.replace(cosine_task.TINY, controls=("constant target",), side=3, seeds=1)
    parts = [(cell, cosine_task.measure(cell)) for cell in cosine_task.cells(settings)]
    whole = run.assemble(cosine_task, settings, parts)
    plain = cells_where(whole, variant="plain").sortby("frequency")
    epochs = cosine_task.frames(settings.epochs)
    player = plot.learning(plain, epochs, plain.field.values, cosine_task.grid(3))
    last = plain.level.values[:, -1]
    longest = plain.frequency.values[np.argmax(last)]
    assert len(player.labels) == len(epochs) and f"longest first: f = {longest:g}," in player.html()
    assert plot._zeros(0.5).shape == (4 * 6, 2)  # both edges and u, v = -1/2, 1/2
