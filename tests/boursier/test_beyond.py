"""What the experiments beyond the theorem compute, against hand cases, closed forms and torch."""

import dataclasses

import numpy as np
import pytest
import torch
import xarray as xr
from scipy import stats

from outcomes import outcomes
from simplicity import nets
from simplicity.boursier import effective_width, linear_teacher, synthetic, two_layer
from simplicity.boursier.assumptions import Finding
from simplicity.boursier.experiments import (
    orthogonal_inputs,
    relu_teacher,
    smooth_activation,
    training_variants,
)
from simplicity.boursier.pictures import beyond
from simplicity.grid.groups import Runs
from simplicity.nets import starts

# --- groups of neurons


def test_groups_by_hand():
    # Two neurons along e_1, one of the other sign along e_1, one along e_2: three groups.
    a, w = np.array([1.0, 2.0, -1.0, 1.0]), np.array([[1.0, 0], [3, 0], [1, 0], [0, 1]])
    assert effective_width.effective_width(a, w) == 3


@pytest.mark.parametrize(("last", "expected"), [(0.9, 1), (1.1, 2)])
def test_neurons_that_carry_less_than_a_hundredth_do_not_count(last, expected):
    w = np.array([[98.9, 0.0], [0.0, last]])
    assert effective_width.effective_width(np.ones(2), w) == expected


@pytest.mark.parametrize(("angle", "expected"), [(8.0, 1), (8.3, 2)])
# arccos 0.99 = 8.11 degrees
def test_directions_are_one_group_up_to_a_cosine_of_99_percent(angle, expected):
    turned = np.deg2rad(angle)
    w = np.array([[1.0, 0.0], [np.cos(turned), np.sin(turned)]])
    assert effective_width.effective_width(np.ones(2), w) == expected


def test_a_network_without_weight_has_no_group():
    assert effective_width.effective_width(np.zeros(3), np.ones((3, 2))) == 0


# --- variants of training


def run(variant: str, **fields) -> training_variants.Run:
    """The TINY run of a variant."""
    every = training_variants.GRID.runs(training_variants.GRID.presets["TINY"])
    return dataclasses.replace(next(one for one in every if one.variant == variant), **fields)


def test_the_plain_variant_has_the_samples_of_the_other_chapters():
    theirs = synthetic.linear_task("margin", 20, 5, 0.25, 0)
    for part, other in zip(training_variants.draw(run("plain")), theirs, strict=True):
        np.testing.assert_array_equal(part, other)


def test_mirrored_samples_are_mirrored_and_their_noise_is_not():
    task = training_variants.draw(run("mirrored inputs"))
    assert task.x.shape == (20, 5)
    np.testing.assert_array_equal(task.x[:10], -task.x[10:])
    assert np.abs(task.y[:10] + task.y[10:]).min() > 1e-4


def test_heavy_noise_has_the_stated_variance_and_tails():
    noise = synthetic.heavy_noise(2_000_000, 0.25, np.random.default_rng(0))
    # P(|t| > q) = 1/2 at q = 0.771 for 2.5 degrees of freedom, scaled by sqrt(0.25 * 0.5 / 2.5).
    law = stats.t(synthetic.HEAVY)
    quartile = law.ppf(0.75) * np.sqrt(0.25 / law.var())
    assert np.mean(np.abs(noise) > quartile) == pytest.approx(0.5, abs=2e-3)
    assert noise.var() == pytest.approx(0.25, rel=0.1)


def test_the_hidden_bias_starts_at_zero_beside_the_plain_start():
    biased, plain = (training_variants.initial(run(name)) for name in ("hidden bias", "plain"))
    np.testing.assert_array_equal(biased.w, np.column_stack([plain.w, np.zeros(len(plain.w))]))
    np.testing.assert_array_equal(biased.a, plain.a)


def test_the_default_start_has_the_law_of_torch_s_linear_layers():
    torch.manual_seed(0)
    ours = starts.torch_default(20_000, 5, 1e-3, np.random.default_rng(0))
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
    found = training_variants.predict(
        network, np.array([[1.0], [-1.0], [-4.0]]), training_variants.VARIANTS["hidden bias"]
    )
    np.testing.assert_allclose(found, [8.0, 4.0, 0.0])


def test_probes_lie_at_the_same_parts_of_a_longer_run_and_in_the_tail():
    once, twice = (np.array(training_variants.schedule(4000, longer)) for longer in (1, 2))
    np.testing.assert_array_equal(2 * once, twice)
    assert np.sum(once >= training_variants.TAIL * 4000) >= training_variants.TAIL_PROBES


@pytest.mark.parametrize("name", training_variants.VARIANTS)
def test_a_slug_is_an_identifier(name):
    assert ("middle_" + training_variants.slug(name)).isidentifier()


@pytest.mark.parametrize("name", training_variants.VARIANTS)
def test_every_variant_trains(name):
    found = training_variants.measure(run(name, n=60, steps=300, longer=2))
    assert 0 < float(found.train_mse) < 1.0  # the labels' own mean square is near 1.25
    assert np.isfinite(found.rho_curve).all() and 0 < int(found.stopped_at) <= 600


def table_of(rhos: dict[int, list[float]], variant: str = "plain") -> xr.Dataset:
    rows = [(n, seed, rho) for n, values in rhos.items() for seed, rho in enumerate(values)]
    n, seed, rho = (np.array(column) for column in zip(*rows, strict=True))
    fields = {
        "n": ("cell", n),
        "seed": ("cell", seed),
        "variant": ("cell", [variant] * len(rows)),
        "steps": ("cell", [20_000] * len(rows)),
        "longer": ("cell", [1] * len(rows)),
    }
    return xr.Dataset({"rho": ("cell", rho), "tail_rho": ("cell", rho)}, fields)


@pytest.mark.parametrize(
    ("medians", "expected"),
    [((0.1, 0.95, 0.91), 20), ((0.95, 0.2, 0.9), 40), ((1.0, 1.0, 0.89), None), ((1, 1, 1), 10)],
)
def test_a_variant_crosses_where_it_stays_across(medians, expected):
    dataset = table_of({n: [0.0, rho, 2.0] for n, rho in zip((10, 20, 40), medians, strict=True)})
    assert training_variants.crossing(dataset, "plain") == expected
    ((name, mid, low, high, where, seeds),) = training_variants.table(dataset, 40)
    assert (name, mid, low, high, seeds) == ("plain", medians[2], 0.0, 2.0, 3)
    assert where == ("not up to 40" if expected is None else str(expected))


def floors_of(
    passes: float, independent: float, large: float, floor: float = 0.004, **settings
) -> Runs:
    """Runs whose distance to plain descent goes like (step size) to a given power."""
    power = {training_variants.INDEPENDENT: independent, training_variants.LARGE: large}

    def found(run) -> dict:
        far = floor * float(run.longer) ** -power.get(run.variant, passes)
        rho = 1.0 if run.variant == "plain" else 1 + far
        rho += 0.4 * (run.variant == training_variants.LARGE)
        return {"rho": rho, "tail_rho": rho}

    return outcomes(training_variants, found, n=(60, 480), **settings)


@pytest.mark.parametrize(
    ("passes", "independent", "floor", "failing"),
    [
        (2.0, 1.0, 0.004, set()),
        (1.0, 1.0, 0.004, {"B31.passes", "B31.independent"}),
        (2.0, 2.0, 0.004, {"B31.passes", "B31.independent"}),
        (0.3, 1.0, 0.004, {"B17.limit", "B31.passes"}),
        (2.0, 1.0, 0.06, {"B17.floor"}),
    ],
)
def test_minibatches_are_judged_by_the_height_of_their_floor_and_by_its_exponent(
    passes, independent, floor, failing
):
    checks = training_variants.checks(floors_of(passes, independent, 0.0, floor, steps=20_000))
    assert {one.id for one in checks if not one.holds} == failing


def test_exponents_are_those_of_the_runs_seed_by_seed():
    runs = floors_of(2.0, 1.0, 0.0, steps=20_000)
    found = training_variants.exponents(runs, "floors", training_variants.BY_PASSES)
    np.testing.assert_allclose(found, [2.0] * 5)


def test_the_exponent_of_a_floor_needs_a_long_tail():
    checks = training_variants.checks(floors_of(2.0, 1.0, 0.0, steps=4000))
    assert [one.control.why for one in checks[1:]] == ["4000 steps, 20000 are needed"] * 3


def test_independent_batches_of_all_samples_are_plain_descent():
    plain, alone = (run(name, n=20, steps=200) for name in ("plain", training_variants.INDEPENDENT))
    # 20 samples are one batch of 32
    ours, theirs = (training_variants.measure(one) for one in (alone, plain))
    np.testing.assert_allclose(ours.rho_curve, theirs.rho_curve, atol=1e-4)


@pytest.mark.parametrize(("passes", "low", "high"), [(True, 3.0, 5.0), (False, 1.6, 2.5)])
def test_batches_that_make_up_a_pass_leave_a_floor_that_falls_faster_than_the_step_size(
    passes, low, high
):
    """What the page says of linear least squares: a ratio near 4 for permutations, 2 for
    independent batches.
    """
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


def steps_in_n(places: dict[str, float], early: float = 1.0) -> Runs:
    """Runs of which rho is 0 below a place and 1 above; `early` is the factor to its place at a
    tenth of the steps.
    """
    ns = tuple(2**k for k in range(3, 11))

    def found(run) -> dict:
        kinds = {
            "adam": run.rule == "adam",
            "relu": run.activation == "relu",
            "large": run.scale == 1,
        }
        kind = next((kind for kind, is_it in kinds.items() if is_it), "gelu")
        factor = early if kind == "gelu" else 1.0
        end, before = (float(run.n >= places[kind] * part) for part in (1.0, factor))
        at_a_tenth = smooth_activation.TENTH + 1
        curve = [before] * at_a_tenth + [end] * (smooth_activation.END + 1 - at_a_tenth)
        return {"rho": end, "excess_risk": 0.01, "train_mse": 0.2, "rho_curve": curve}

    given = {f"{group}_{name}": value for group in smooth_activation.IN_PLANE for name, value in
             (("n", ns), ("steps", 60_000), ("seeds", 5))}  # fmt: skip
    return outcomes(smooth_activation, found, {"rho_curve": "probe"}, seeds=5, **given)


@pytest.mark.parametrize(("early", "expected"), [(1.0, 0.0), (0.25, np.log(4))])
def test_the_shift_of_a_step_is_the_logarithm_of_its_factor(early, expected):
    runs = steps_in_n({"gelu": 64, "relu": 64, "adam": 64, "large": 64}, early)
    np.testing.assert_allclose(
        smooth_activation.shift_with_steps(runs["longer"]), [expected] * 5, atol=1e-12
    )


def test_transitions_are_compared_within_a_seed():
    cells = steps_in_n({"gelu": 64, "relu": 64, "adam": 64, "large": 64}, 0.25)["longer"]
    seeds = cells.seed.values
    first, last = (cells.isel(cell=np.isin(seeds, few)) for few in ((0, 1, 2), (2, 3)))
    # the one seed that both have, moved by a factor of its own
    moved = last.copy(deep=True)
    moved["rho_curve"] = moved.rho_curve.where(moved.seed == 2, 0)
    assert smooth_activation.shift_between(first, moved).tolist() == [0.0]
    gap = first.isel(cell=(first.seed.values != 2) | (first.n.values != 64))
    assert smooth_activation.shift_between(gap, last).size == 0


@pytest.mark.parametrize(
    ("adam", "early", "holding"),
    [
        (128, 0.5, {"B32.moves", "B33.adam"}),
        (64, 0.5, {"B32.moves"}),
        (128, 1.0, {"B33.adam"}),
        (32, 1.0, set()),
    ],
)
def test_a_transition_that_moves_is_told_from_one_that_stays(adam, early, holding):
    runs = steps_in_n({"gelu": 64, "relu": 64, "adam": adam, "large": 64}, early)
    checks = {one.id: one for one in smooth_activation.checks(runs)}
    assert {
        name for name in ("B32.moves", "B33.adam", "B34.moves") if checks[name].holds
    } == holding


def test_the_last_fall_is_the_part_lost_over_the_last_decade():
    curve = np.linspace(2, 1, len(smooth_activation.PARTS))[None]
    found = smooth_activation.last_fall(xr.Dataset({"rho_curve": (("cell", "probe"), curve)}))
    np.testing.assert_allclose(found, 1 - 1 / curve[0, smooth_activation.TENTH])
    np.testing.assert_allclose(
        np.array(smooth_activation.PARTS)[[*smooth_activation.BUDGETS]], [0.1, 10**-0.5, 1]
    )


@pytest.mark.parametrize("steps", [17, 200, 4000])
def test_the_schedule_increases_and_ends_with_the_steps_where_they_are_enough(steps):
    found = smooth_activation.schedule(steps)
    assert len(found) == len(smooth_activation.PARTS)
    assert found[-1] == steps and np.all(np.diff(found) > 0)


def test_a_run_of_too_few_steps_for_the_schedule_is_refused():
    assert smooth_activation.Run(steps=17).steps == 17
    with pytest.raises(ValueError, match="steps: got 16"):
        smooth_activation.Run(steps=16)


# --- a ReLU teacher


def test_the_teacher_s_noise_is_what_the_clean_labels_lack():
    task, clean = relu_teacher.draw(linear_teacher.Run(law="gaussian", n=30, seed=0))
    assert np.var(task.y_test - clean) == pytest.approx(0.25, rel=0.1)
    np.testing.assert_allclose(np.linalg.norm(task.teacher, axis=1), 1.0)
    by_hand = [
        sum(s * max(0.0, v @ x) for s, v in zip(relu_teacher.SIGNS, task.teacher, strict=True))
        for x in task.x_test[:5]
    ]
    np.testing.assert_allclose(clean[:5], by_hand)


def test_another_scale_keeps_the_samples():
    tiny = relu_teacher.GRID.presets["TINY"]
    runs = relu_teacher.GRID.runs(dataclasses.replace(tiny, n=(30,), unaligned_n=(30,), seeds=1))
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
    assert int(found.effective_width) == 2 and bool(found.covered)
    assert float(found.train_mse) < 1e-10


def test_neurons_end_along_the_samples_of_their_sign_that_were_active_at_the_start():
    # One neuron of each sign: the first active on one positive and one negative sample, the second
    # on both negative ones.
    x, y = orthogonal_inputs.samples(4)
    start = nets.TwoLayer(
        1e-6 * np.ones(2) * [1, -1], 1e-7 * np.array([[1.0, -1, -1, 1], [-1, -1, 1, 1]])
    )
    network, _ = two_layer.descend(start, x, y, step_size=0.1, schedule=(0, 5000), probes={})
    directions = network.w / np.linalg.norm(network.w, axis=1, keepdims=True)
    np.testing.assert_allclose(
        directions, [[1, 0, 0, 0], [0, 0, np.sqrt(0.5), np.sqrt(0.5)]], atol=1e-5
    )


def test_a_race_by_hand():
    """Eight samples, four of each sign, one neuron that has all four negative ones, and three of
    sign +.

    Active on 3, on 2 and 2 positive samples. The first arrives at 1/sqrt 3; the second shares one
    sample with it and has 1 - sqrt(2/3) to go with one left; it has the sample that was missing,
    the third has not.
    """
    x, y = orthogonal_inputs.samples(8)
    positive = [[1, 1, 1, 0], [0, 0, 1, 1], [1, 1, 0, 0], [0, 0, 0, 0]]
    negative = [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]]
    active = np.hstack([positive, negative])
    start = nets.TwoLayer(np.array([1.0, 1.0, 1.0, -1.0]), 2.0 * active - 1)
    assert orthogonal_inputs.race(start, x, y) == (3, 3)


def test_neurons_that_tie_arrive_together():
    x, y = orthogonal_inputs.samples(4)
    start = nets.TwoLayer(
        np.array([1.0, 1.0, -1.0]), np.array([[1.0, -1, -1, -1], [-1, 1.0, -1, -1], [-1, -1, 1, 1]])
    )
    assert orthogonal_inputs.race(start, x, y) == (3, 2)


@pytest.mark.parametrize("seed", range(3))
def test_training_from_a_tiny_scale_ends_with_the_groups_of_the_race(seed):
    run = orthogonal_inputs.Run(n=8, width=64, tiny_scale=1e-140, seed=seed)
    found = orthogonal_inputs.measure(run)
    assert found.effective_width == found.limit_width


def test_odd_numbers_of_samples_are_refused():
    settings = dataclasses.replace(orthogonal_inputs.GRID.presets["QUICK"], n=(4, 5))
    with pytest.raises(ValueError, match="n: got 5, allowed even"):
        orthogonal_inputs.GRID.runs(settings)


def test_the_slope_is_per_doubling():
    fields = {"n": ("cell", [4, 8, 16] * 2), "seed": ("cell", [0, 0, 0, 1, 1, 1])}
    dataset = xr.Dataset({"effective_width": ("cell", [2.0, 4, 6, 2, 2, 2])}, fields)
    np.testing.assert_allclose(orthogonal_inputs.slopes(dataset), [2.0, 0.0], atol=1e-12)


# --- tables


def test_tables_are_markdown_with_a_sign_beside_each_value():
    found = (Finding("margin", 0.0012, "", False), Finding("margin", 0.25, "", True))
    rows = [("margin", "at least 0.179", found)]
    text = beyond.assumption_table(["Gaussian", "bounded"], rows)
    assert text.splitlines()[-1] == "| margin | at least 0.179 | 0.0012 ✗ | 0.25 ✓ |"
    text = beyond.variant_table([("plain", 1.0, 0.99, 1.01, "120", 5)], 480)
    assert text.splitlines()[-1] == "| plain | 1.000 | 0.990 to 1.010 | 120 | 5 |"
