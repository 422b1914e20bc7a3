"""What the experiments beyond the theorem compute, against hand cases, closed forms and torch."""

import dataclasses

import numpy as np
import pytest
import torch
import xarray as xr
from outcomes import outcomes

from simplicity import nets
from simplicity.boursier import groups, linear_teacher, synthetic, two_layer
from simplicity.boursier.assumptions import Finding
from simplicity.boursier.experiments import orthogonal_inputs, relu_teacher, smooth_activation, training_variants
from simplicity.boursier.pictures import beyond
from simplicity.grid.groups import Runs

# --- groups of neurons


def test_groups_by_hand():
    # Two neurons along e_1, one of the other sign along e_1, one along e_2: three groups.
    a, w = np.array([1.0, 2.0, -1.0, 1.0]), np.array([[1.0, 0], [3, 0], [1, 0], [0, 1]])
    assert groups.effective_width(a, w) == 3


@pytest.mark.parametrize(("last", "expected"), [(0.9, 1), (1.1, 2)])
def test_neurons_that_carry_less_than_a_hundredth_do_not_count(last, expected):
    assert groups.effective_width(np.array([1.0, 1.0]), np.array([[98.9, 0.0], [0.0, last]])) == expected


@pytest.mark.parametrize(("angle", "expected"), [(8.0, 1), (8.3, 2)])
def test_directions_are_one_group_up_to_a_cosine_of_99_percent(angle, expected):  # arccos 0.99 = 8.11 degrees
    turned = np.deg2rad(angle)
    assert groups.effective_width(np.ones(2), np.array([[1.0, 0.0], [np.cos(turned), np.sin(turned)]])) == expected


def test_a_network_without_weight_has_no_group():
    assert groups.effective_width(np.zeros(3), np.ones((3, 2))) == 0


# --- variants of training


def run(variant: str, **fields) -> training_variants.Run:
    """The TINY run of a variant."""
    every = training_variants.GRID.runs(training_variants.GRID.presets["TINY"])
    return dataclasses.replace(next(one for one in every if one.variant == variant), **fields)


def test_the_plain_variant_has_the_samples_of_the_other_chapters():
    ours, theirs = training_variants.draw(run("plain")), synthetic.linear_task("margin", 20, 5, 0.25, 0)
    for part, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(part, other)


def test_mirrored_samples_are_mirrored_and_their_noise_is_not():
    task = training_variants.draw(run("mirrored inputs"))
    assert task.x.shape == (20, 5)
    np.testing.assert_array_equal(task.x[:10], -task.x[10:])
    assert np.abs(task.y[:10] + task.y[10:]).min() > 1e-4


def test_heavy_noise_has_the_stated_variance_and_tails():
    noise = training_variants.heavy_noise(2_000_000, 0.25, np.random.default_rng(0))
    # P(|t| > q) = 1/2 at q = 0.771 for 2.5 degrees of freedom, scaled by sqrt(0.25 * 0.5 / 2.5).
    from scipy import stats

    quartile = stats.t.ppf(0.75, training_variants.HEAVY) * np.sqrt(0.25 / stats.t.var(training_variants.HEAVY))
    assert np.mean(np.abs(noise) > quartile) == pytest.approx(0.5, abs=2e-3)
    assert noise.var() == pytest.approx(0.25, rel=0.1)


def test_the_hidden_bias_starts_at_zero_beside_the_plain_start():
    biased, plain = (training_variants.initial(run(name)) for name in ("hidden bias", "plain"))
    np.testing.assert_array_equal(biased.w, np.column_stack([plain.w, np.zeros(len(plain.w))]))
    np.testing.assert_array_equal(biased.a, plain.a)


def test_the_default_start_has_the_law_of_torch_s_linear_layers():
    torch.manual_seed(0)
    ours = training_variants.torch_default(20_000, 5, 1e-3, np.random.default_rng(0))
    inner, outer = torch.nn.Linear(5, 20_000, bias=False), torch.nn.Linear(20_000, 1, bias=False)
    for mine, theirs in ((ours.w, inner.weight), (ours.a, outer.weight)):
        theirs = theirs.detach().numpy()
        assert np.abs(mine).max() == pytest.approx(np.abs(theirs).max(), rel=1e-3)
        assert mine.std() == pytest.approx(theirs.std(), rel=0.02)


@pytest.mark.parametrize(
    ("name", "activation"),
    [
        ("plain", torch.relu),
        ("leaky ReLU, slope 0.1", lambda z: torch.nn.functional.leaky_relu(z, 0.1)),
        ("GeLU", torch.nn.functional.gelu),
    ],
)
def test_predictions_are_torch_s(name, activation):
    rng = np.random.default_rng(1)
    network, x = nets.dominated(30, 5, 1.0, rng), rng.standard_normal((7, 5))
    expected = activation(torch.tensor(x) @ torch.tensor(network.w).T) @ torch.tensor(network.a)
    found = training_variants.predict(network, x, training_variants.VARIANTS[name])
    np.testing.assert_allclose(found, expected.numpy(), rtol=0, atol=1e-14)


def test_a_biased_network_is_not_odd_around_the_origin():
    network = nets.TwoLayer(np.array([2.0]), np.array([[1.0, 3.0]]))  # 2 max(0, x + 3)
    found = training_variants.predict(network, np.array([[1.0], [-1.0], [-4.0]]), training_variants.VARIANTS["hidden bias"])
    np.testing.assert_allclose(found, [8.0, 4.0, 0.0])


def test_probes_lie_at_the_same_parts_of_a_longer_run_and_in_the_tail():
    once, twice = (np.array(training_variants.schedule(4000 * longer, longer)) for longer in (1, 2))
    np.testing.assert_array_equal(2 * once, twice)
    assert np.sum(once >= training_variants.TAIL * 4000) >= training_variants.TAIL_PROBES


@pytest.mark.parametrize("name", training_variants.VARIANTS)
def test_a_slug_is_an_identifier(name):
    assert ("middle_" + training_variants.slug(name)).isidentifier()


@pytest.mark.parametrize("name", training_variants.VARIANTS)
def test_every_variant_trains(name):
    long = 300 * training_variants.VARIANTS[name].longer
    found = training_variants.measure(run(name, n=60, steps=long))
    assert 0 < float(found.train_mse) < 1.0  # the labels' own mean square is near 1.25
    assert np.isfinite(found.rho_curve).all() and 0 < int(found.stopped_at) <= long


def table_of(rhos: dict[int, list[float]], variant: str = "plain") -> xr.Dataset:
    rows = [(n, seed, rho) for n, values in rhos.items() for seed, rho in enumerate(values)]
    n, seed, rho = (np.array(column) for column in zip(*rows, strict=True))
    fields = {
        "n": ("cell", n),
        "seed": ("cell", seed),
        "variant": ("cell", [variant] * len(rows)),
        "steps": ("cell", [20_000] * len(rows)),
    }
    return xr.Dataset({"rho": ("cell", rho), "tail_rho": ("cell", rho)}, fields)


@pytest.mark.parametrize(
    ("medians", "expected"), [((0.1, 0.95, 0.91), 20), ((0.95, 0.2, 0.9), 40), ((1.0, 1.0, 0.89), None), ((1, 1, 1), 10)]
)
def test_a_variant_crosses_where_it_stays_across(medians, expected):
    dataset = table_of({n: [0.0, rho, 2.0] for n, rho in zip((10, 20, 40), medians, strict=True)})
    assert training_variants.crossing(dataset, "plain") == expected
    ((name, mid, low, high, where, seeds),) = training_variants.table(dataset, 40)
    assert (name, mid, low, high, seeds) == ("plain", medians[2], 0.0, 2.0, 3)
    assert where == ("not up to 40" if expected is None else str(expected))


def test_floors_pair_seeds_and_skip_those_without_a_plain_run():
    plain, noisy = table_of({480: [1.0, 0.5]}), table_of({480: [1.1, 0.4, 9.0]}, "SGD, batch 8")
    found = training_variants.floors(xr.concat([plain, noisy], "cell"), "SGD, batch 8")
    np.testing.assert_allclose(found, [0.1, 0.1])


@pytest.mark.parametrize(("full", "half", "holds"), [(0.02, 0.01, True), (0.04, 0.01, False), (0.2, 0.1, False)])
def test_minibatches_are_judged_by_the_ratio_of_their_floors_and_by_their_height(full, half, holds):
    floor = {"plain": 0.0, "SGD, batch 32": full, "SGD, batch 32, half the step": half, "SGD, batch 8": full}

    def found(run) -> dict:
        rho = 0.1 if "scale 1" in run.variant else 1 + floor.get(run.variant, 0.0)
        return {"rho": rho, "tail_rho": rho}

    checks = training_variants.checks(outcomes(training_variants, found, n=(60, 120, 480), steps=20_000))
    assert len(checks) == 2 and all(one.holds for one in checks) is holds


def test_the_ratio_of_floors_needs_a_long_tail():
    runs = outcomes(training_variants, lambda run: {"rho": 1.0, "tail_rho": 0.9}, steps=4000)
    assert training_variants.checks(runs)[1].control.why == "4000 steps, 20000 are needed"


@pytest.mark.parametrize(("passes", "low", "high"), [(True, 3.0, 5.0), (False, 1.6, 2.5)])
def test_batches_that_make_up_a_pass_leave_a_floor_that_falls_faster_than_the_step_size(passes, low, high):
    """What the page says of linear least squares: a ratio near 4 for permutations, 2 for independent batches."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((480, 5))
    y = x[:, 0] + 0.5 * rng.standard_normal(480)
    best = np.linalg.lstsq(x, y, rcond=None)[0]
    scatter, least = x.T @ x / 480, np.mean((x @ best - y) ** 2)
    floor = {}
    for rate in (0.1, 0.05):
        w, found = best.copy(), []
        for _ in range(int(60 / rate)):
            order = rng.permutation(480) if passes else rng.integers(0, 480, 480)
            for chosen in order.reshape(15, 32):
                w = w - rate * x[chosen].T @ (x[chosen] @ w - y[chosen]) / 32
                found.append((w - best) @ scatter @ (w - best) / least)
        floor[rate] = np.mean(found[len(found) // 4 :])
    assert low < floor[0.1] / floor[0.05] < high


# --- GeLU and Adam


def curves(last: float) -> Runs:
    """Runs whose rho goes from 1 at a tenth of 1000 steps to `last` under Adam, and stays elsewhere."""

    def found(run) -> dict:
        end = last if run.rule == "adam" else 1.0
        return {"rho": end, "excess_risk": 0.01, "train_mse": 0.2, "rho_curve": [2.0, 1.5, 1.0, end]}

    settings = {"costly_n": (1280,), "adam_n": (160, 2560), "seeds": 3}
    runs = outcomes(smooth_activation, found, {"rho_curve": "probe"}, **settings)
    return Runs(runs.dataset.assign_coords(step=("probe", [0, 10, 100, 1000])), runs.grid)


def test_the_last_fall_is_the_part_lost_over_the_last_decade():
    np.testing.assert_allclose(smooth_activation.last_fall(curves(0.7)("adam", n=2560)), [0.3] * 3)


@pytest.mark.parametrize(("last", "judged"), [(0.96, True), (0.94, False)])
def test_adam_is_judged_only_where_rho_has_stopped_falling(last, judged):
    adam = [one for one in smooth_activation.checks(curves(last)) if one.claim == "B16"]
    assert [one.passed for one in adam if "2560" in one.statistic] == [True if judged else None]
    assert judged or all("still falls by 6%" in one.control.why for one in adam)


def test_the_last_decade_starts_at_a_probe():
    assert 400 in smooth_activation.schedule(4000) and smooth_activation.schedule(4000)[-1] == 4000


# --- a ReLU teacher


def test_the_teacher_s_noise_is_what_the_clean_labels_lack():
    task, clean = relu_teacher.draw(linear_teacher.Run(law="gaussian", n=30, seed=0))
    assert np.var(task.y_test - clean) == pytest.approx(0.25, rel=0.1)
    np.testing.assert_allclose(np.linalg.norm(task.teacher, axis=1), 1.0)
    by_hand = [sum(s * max(0.0, v @ x) for s, v in zip(relu_teacher.SIGNS, task.teacher, strict=True)) for x in task.x_test[:5]]
    np.testing.assert_allclose(clean[:5], by_hand)


def test_another_scale_keeps_the_samples():
    settings = dataclasses.replace(relu_teacher.GRID.presets["TINY"], n=(30,), unaligned_n=(30,), seeds=1)
    runs = relu_teacher.GRID.runs(settings)
    assert {one.scale for one in runs} == {1e-3, 1.0}
    np.testing.assert_array_equal(*(relu_teacher.draw(one)[0].y for one in runs))


# --- orthogonal inputs


@pytest.mark.parametrize("n", [2, 8])
def test_inputs_are_orthogonal_and_labels_balanced(n):
    x, y = orthogonal_inputs.samples(n)
    np.testing.assert_allclose(x @ x.T, n * np.eye(n), atol=1e-12)
    assert y.sum() == 0 and set(np.abs(y)) == {1.0}


def test_a_covering_start_by_hand():
    x, y = orthogonal_inputs.samples(4)
    first = [1.0, 1.0, -1.0, -1.0]  # active on both positive samples
    for last, covered in (([-1.0, -1.0, 1.0, 1.0], True), ([1.0, 1.0, 1.0, -1.0], False)):
        start = nets.TwoLayer(np.array([1.0, -1.0]), np.array([first, last]))
        assert orthogonal_inputs.covers(start, x, y) is covered


def test_a_wide_network_ends_with_one_group_for_each_sign_and_fits():
    found = orthogonal_inputs.measure(orthogonal_inputs.Run(n=4, width=128))
    assert int(found.effective_width) == 2 and bool(found.covered) and float(found.train_mse) < 1e-10


def test_neurons_end_along_the_samples_of_their_sign_that_were_active_at_the_start():
    # One neuron of each sign: the first active on one positive and one negative sample, the second on both negative ones.
    x, y = orthogonal_inputs.samples(4)
    start = nets.TwoLayer(1e-6 * np.ones(2) * [1, -1], 1e-7 * np.array([[1.0, -1, -1, 1], [-1, -1, 1, 1]]))
    network, _ = two_layer.descend(start, x, y, step_size=0.1, schedule=(0, 5000), probes={})
    directions = network.w / np.linalg.norm(network.w, axis=1, keepdims=True)
    np.testing.assert_allclose(directions, [[1, 0, 0, 0], [0, 0, np.sqrt(0.5), np.sqrt(0.5)]], atol=1e-5)


def test_odd_numbers_of_samples_are_refused():
    with pytest.raises(ValueError, match="n: got 5, allowed even"):
        orthogonal_inputs.GRID.runs(dataclasses.replace(orthogonal_inputs.GRID.presets["QUICK"], n=(4, 5)))


def test_the_slope_is_per_doubling():
    fields = {"n": ("cell", [4, 8, 16] * 2), "seed": ("cell", [0, 0, 0, 1, 1, 1])}
    dataset = xr.Dataset({"effective_width": ("cell", [2.0, 4, 6, 2, 2, 2])}, fields)
    np.testing.assert_allclose(orthogonal_inputs.slopes(dataset), [2.0, 0.0], atol=1e-12)


# --- tables


def test_tables_are_markdown_with_a_sign_beside_each_value():
    rows = [("margin", "at least 0.179", (Finding("margin", 0.0012, "", False), Finding("margin", 0.25, "", True)))]
    text = beyond.assumption_table(["Gaussian", "bounded"], rows)
    assert text.splitlines()[-1] == "| margin | at least 0.179 | 0.0012 ✗ | 0.25 ✓ |"
    text = beyond.variant_table([("plain", 1.0, 0.99, 1.01, "120", 5)], 480)
    assert text.splitlines()[-1] == "| plain | 1.000 | 0.990 to 1.010 | 120 | 5 |"
