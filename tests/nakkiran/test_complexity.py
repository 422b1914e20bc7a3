"""Growing complexity.

Tasks, rivals, leaving times, the dense loop and the experiments that use them.
"""

import dataclasses
from functools import partial

import numpy as np
import pytest
import torch
import xarray as xr
from scipy.special import ndtr

from simplicity.data import image_files
from simplicity.evidence import claims
from simplicity.evidence.claims import Estimate
from simplicity.grid import groups
from simplicity.grid.run import assemble
from simplicity.grid.run import run as run_all
from simplicity.nakkiran import complexity, dense, information, leaving, linear_phase, rivals
from simplicity.nakkiran.experiments import bad_start, disk, residual_staircase, staircase
from simplicity.nakkiran.pictures import complexity as plot
from simplicity.nets import modules
from simplicity.nets import train as general
from simplicity.nets.loop import Diverged
from simplicity.problems import Problem

RNG = partial(np.random.default_rng, 3)

# --- tasks


def test_points_of_the_disk_are_uniform() -> None:
    x = complexity.disk(20_000, RNG())
    radius = np.linalg.norm(x, axis=1)
    assert radius.max() <= 1
    assert np.mean(radius < 0.5) == pytest.approx(0.25, abs=0.015)
    assert np.abs(x.mean(axis=0)).max() < 0.02


def test_labels_by_hand() -> None:
    points = np.array([[0.0, 0.01], [0.0, -0.01], [np.pi / 12, 0.39], [np.pi / 12, 0.41]])
    assert complexity.above_curve(points).tolist() == [1, 0, 0, 1]
    x = np.array([[-1.0, 2.0, 1.0, 1.0, 1.0, -3.0], [1.0, -2.0, 1.0, 2.0, 1.0, 1.0]])
    found = [complexity.partial_sum(x, degree).tolist() for degree in (1, 2, 3)]
    assert found == [[0, 1], [1, 0], [0, 1]]
    assert complexity.cubic(x).tolist() == [0, 1]
    assert complexity.right_half(x).tolist() == [0, 1]


def test_the_first_step_of_the_staircase_has_the_accuracy_of_its_integral() -> None:
    """sign(x_1) errs where x_1 lies between 0 and -A, A the other terms.

    With probability E Phi(|A|) - 1/2.
    """
    rng = RNG()
    a, b, c, d, e = np.random.default_rng(9).standard_normal((5, 200_000))
    x = rng.standard_normal((200_000, 6))
    y = complexity.partial_sum(x, 3)
    expected = 1.5 - ndtr(np.abs(a * b + c * d * e)).mean()
    assert np.mean(complexity.partial_sum(x, 1) == y) == pytest.approx(expected, abs=0.004)
    assert 0.87 < np.mean(complexity.partial_sum(x, 2) == y) < 0.9


def test_monomials_are_all_products() -> None:
    found = complexity.monomials(np.array([[2.0, 3.0, 5.0]]), 2)
    assert sorted(found[0]) == sorted([2, 3, 5, 4, 6, 10, 9, 15, 25])
    with pytest.raises(ValueError, match="allowed 1 or 2"):
        complexity.monomials(np.zeros((1, 3)), 3)


# --- rivals


def test_a_logistic_regression_finds_a_linear_rule_and_misses_xor() -> None:
    x = RNG().standard_normal((2000, 2))
    y = complexity.right_half(x)
    assert np.mean(rivals.logistic(x, y)(x) == y) > 0.99
    xor = (x.prod(axis=1) > 0).astype(int)
    assert np.mean(rivals.logistic(x, xor)(x) == xor) < 0.65
    assert np.mean(rivals.tree(x, xor, RNG())(x) == xor) > 0.9
    assert np.mean(rivals.neighbours(x, xor, RNG())(x) == xor) > 0.9


def test_weakening_is_flipping_at_random_in_expectation() -> None:
    rng = RNG()
    y = rng.integers(2, size=200_000)
    f, g = (information.flipped(y, accuracy, rng) for accuracy in (0.9, 0.85))
    counts = information.table(f, y, g)
    expected = linear_phase.degraded(counts, 0.7)
    flips = rng.random(y.size) < (np.mean(g == y) - 0.7) / (2 * np.mean(g == y) - 1)
    drawn = information.table(f, y, np.where(flips, 1 - g, g))
    assert information.accuracies(expected)[1] == pytest.approx(0.7)
    assert expected.sum() == pytest.approx(y.size)
    np.testing.assert_allclose(drawn, expected, rtol=0.03)


def test_weakening_leaves_a_worse_classifier_alone() -> None:
    counts = information.table(*(RNG().integers(2, size=(3, 100))))
    np.testing.assert_array_equal(linear_phase.degraded(counts, 0.99), counts)


def test_rivals_are_compared_at_the_lower_accuracy() -> None:
    rng = RNG()
    y = rng.integers(2, size=50_000)
    good, poor = (information.flipped(y, accuracy, rng) for accuracy in (0.9, 0.75))
    f = information.flipped(y, 0.8, rng)
    counts, rival = (information.table(f, y, one) for one in (good, poor))
    first, second = rivals.at_equal_accuracy(counts, rival)
    assert first == pytest.approx(second, abs=0.01)  # both err independently of F
    assert second == pytest.approx(information.information(rival).mu)


# --- leaving


def climbing(parts: np.ndarray, y: np.ndarray, g: np.ndarray) -> np.ndarray:
    """Tables of an F that is the label on a growing share of points and G elsewhere."""
    at = np.arange(len(y)) / len(y)
    return information.table(np.where(at < parts[:, None], y, g), y, g)


def test_a_classifier_is_left_when_more_than_a_part_of_it_is_known_beyond() -> None:
    rng = RNG()
    y = rng.integers(2, size=40_000)
    g = information.flipped(y, 0.8, rng)
    tables = climbing(np.linspace(0, 1, 21), y, g)
    found = information.information(tables)
    late, early = (float(leaving.steps(tables, np.arange(21), part)) for part in (0.5, 0.1))
    assert early < late < 20
    assert found.beyond[int(late)] > 0.5 * found.simple[0] > found.beyond[int(late) - 1]
    assert leaving.plateau(tables) == pytest.approx(1)  # the label itself keeps all of it


def test_a_copy_is_never_left_and_a_single_excursion_is_no_departure() -> None:
    rng = RNG()
    y = rng.integers(2, size=10_000)
    g = information.flipped(y, 0.8, rng)
    assert leaving.steps(climbing(np.zeros(6), y, g), np.arange(6)) == np.inf
    assert leaving.steps(climbing(np.array([0.0, 1, 1, 0, 0, 0]), y, g), np.arange(6)) == np.inf
    assert leaving.steps(climbing(np.array([0.0, 1, 1, 1, 0, 0]), y, g), np.arange(6) * 10) == 10


# --- the dense loop


def as_module(network: dense.Dense) -> torch.nn.Module:
    sizes = [weight.shape[0] for weight in network.weights]
    module = modules.fully_connected(sizes, RNG())
    layers = [layer for layer in module.modules() if isinstance(layer, torch.nn.Linear)]
    with torch.no_grad():
        for layer, weight, bias in zip(layers, *network, strict=True):
            layer.weight.copy_(torch.from_numpy(weight.T.copy()))
            layer.bias.copy_(torch.from_numpy(bias.copy()))
    return module


@pytest.mark.parametrize(("rule", "made"), [("gd", torch.optim.SGD), ("adam", torch.optim.Adam)])
def test_the_dense_loop_does_what_autograd_does(rule: str, made: type) -> None:
    rng = RNG()
    x, y = rng.standard_normal((40, 2)), rng.integers(2, size=40)
    start, rate = dense.gaussian((2, 12, 12), rng), 0.05 if rule == "gd" else 0.003
    *_, network = dense.training(start, x, y, [rate] * 30, rule)  # type: ignore[arg-type]
    optimiser, loss = partial(made, lr=rate), general.cross_entropy
    module, _ = general.train(
        as_module(start), x, y, optimiser=optimiser, schedule=[30], probes={}, loss=loss
    )
    expected = module(torch.from_numpy(x)).detach().numpy()
    found = dense.logits(network, x.astype(np.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_the_dense_loop_keeps_its_start_and_yields_every_step() -> None:
    start = dense.gaussian((2, 5), RNG())
    before = [part.copy() for part in start.weights]
    x = RNG().standard_normal((10, 2))
    first, *rest = (
        dense.kept(network) for network in dense.training(start, x, np.arange(10) % 2, [0.1] * 4)
    )
    assert len(rest) == 4
    np.testing.assert_array_equal(start.weights[0], before[0])
    np.testing.assert_allclose(first.weights[0], before[0].astype(np.float32))
    assert not np.array_equal(rest[-1].weights[0], first.weights[0])


def test_a_run_that_diverges_says_where() -> None:
    x = 1e3 * RNG().standard_normal((10, 2))
    with np.errstate(all="ignore"), pytest.raises(Diverged, match="at step"):
        list(dense.training(dense.gaussian((2, 5, 5), RNG()), x, np.arange(10) % 2, [1e6] * 200))


def test_the_start_has_the_stated_scales() -> None:
    network = dense.gaussian((100, 400), RNG())
    assert network.weights[0].std() == pytest.approx(0.1, rel=0.02)
    assert network.biases[0].std() == pytest.approx(1 / 20, rel=0.1)
    assert network.biases[-1].tolist() == [0]


# --- experiments


def test_images_are_averaged_or_doubled_to_one_size() -> None:
    x = np.arange(2 * 3 * 32 * 32, dtype=float).reshape(2, 3, 32, 32)
    small = residual_staircase.to_side(x)
    assert small.shape == (2, 3, 16, 16)
    assert small[1, 2, 3, 5] == x[1, 2, 6:8, 10:12].mean()
    digit = np.arange(64.0).reshape(1, 1, 8, 8)
    assert residual_staircase.to_side(digit)[0, 0, 4:6, 2:4].tolist() == [[17, 17], [17, 17]]


def test_standardised_images_have_mean_0_and_variance_1_and_a_constant_one_is_0() -> None:
    constant = np.full((1, 3, 16, 16), 0.7)
    found = residual_staircase.standardised(
        np.concatenate([RNG().random((2, 3, 16, 16)), constant])
    )
    np.testing.assert_allclose(found[:2].mean(axis=(1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(found[:2].std(axis=(1, 2, 3)), 1, atol=1e-5)
    np.testing.assert_allclose(found[2], 0, atol=1e-4)


def test_cropping_shifts_and_mirrors_and_depends_on_the_step_alone() -> None:
    x = torch.arange(1.0, 257.0).reshape(1, 1, 16, 16).repeat(200, 2, 1, 1)
    once, again, other = (
        residual_staircase.cropped(x, step, seed=0, index=1) for step in (5, 5, 6)
    )
    assert torch.equal(once, again) and not torch.equal(once, other)
    padded = np.pad(x[0, 0].numpy(), 2)
    windows = [padded[i : i + 16, j : j + 16] for i in range(5) for j in range(5)]
    allowed = {window.tobytes() for plain in windows for window in (plain, plain[:, ::-1])}
    drawn = {image[0].numpy().tobytes() for image in once}
    assert drawn <= allowed and len(drawn) > 30
    assert torch.equal(once[:, 0], once[:, 1])  # both channels alike


def test_without_files_the_image_run_ends_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    monkeypatch.setenv(image_files.FOLDER, str(tmp_path))
    with pytest.raises(Problem, match="cifar10: got no") as problem:
        residual_staircase.measure(residual_staircase.Run(data="cifar10"))
    assert "\n" not in str(problem.value)


def test_the_authors_curves_leave_in_their_order() -> None:
    times = [residual_staircase.authors_time(name) for name in residual_staircase.AUTHORS_MU]
    assert times == sorted(times) and 2000 < times[0] < 3000 < times[1] < times[2] < 7500


def test_a_schedule_starts_at_0_and_ends_with_the_last_step() -> None:
    found = residual_staircase.schedule(2000)
    assert (found[0], found[-1]) == (0, 2000)
    assert found == sorted(set(found)) and len(found) <= residual_staircase.PROBES


def test_a_width_with_strides_that_torch_gets_wrong_is_refused() -> None:
    with pytest.raises(Problem, match="width: got 12, allowed a multiple of 8"):
        residual_staircase.Run(width=12)


def test_a_sign_test_is_passed_from_its_critical_number_on() -> None:
    rule = claims.sign_test()
    outcomes = [rule.holds(Estimate(k / 20, None, "", 20)) for k in (14, 15)]
    assert outcomes == [False, True]  # P(>= 14 of 20) = 0.058, P(>= 15) = 0.021


def test_each_start_is_continued_in_both_ways_and_is_the_same_before() -> None:
    run = bad_start.Run(n=20, extra=20, hidden=40, adam_steps=400, steps=20, small_steps=10)
    x, y = bad_start.sample(run)
    (good, bad), fitted = bad_start.starts(run, x, y)
    assert fitted[1] > 0.8 and bad_start.share_of(good, x, y) == fitted[0]
    found = bad_start.measure(run)
    at = bad_start.STARTS.index
    for name, one in (("good", good), ("bad", bad)):
        others = [at(other) for other in bad_start.STARTS if other.startswith(name)]
        assert len(others) == 2
        assert set(found.start_train.values[others]) == {bad_start.share_of(one, x, y)}


@pytest.mark.parametrize(("lead", "holds"), [(0.05, True), (0.0, False)])
def test_a_lead_is_one_and_a_lead_of_both_is_none(lead: float, holds: bool) -> None:
    """Made up: the bad start ends lower by `lead` after small steps alone, the good one never."""
    settings = dataclasses.replace(bad_start.GRID.presets["QUICK"], seeds=10)
    rng = np.random.default_rng(0)
    parts = []
    for one in groups.runs_of(bad_start, settings):
        ends = 0.9 - lead * (np.array(bad_start.STARTS) == "bad") + 0.001 * rng.standard_normal(4)
        parts.append((one, xr.Dataset({"end_test": ("start", ends)})))
    found = groups.checks_of(bad_start, assemble(bad_start, settings, parts))
    by_id = {one.id: one.holds for one in found}
    # the control of N22 needs a lead
    assert by_id == {"N18.lead": holds, "N18.alone": holds, "N22.erased": holds}


def test_wrong_labels_of_the_disk_are_a_tenth_or_a_half() -> None:
    runs = [disk.Run(n=400, labels=labels) for labels in ("true", "random")]
    shares = [disk.training_set(run)[2].mean() for run in runs]
    assert shares[0] == pytest.approx(0.1) and shares[1] == pytest.approx(0.5, abs=0.1)


def test_a_disk_without_random_labels_says_that_its_control_is_missing() -> None:
    settings = disk.GRID.Config(n=20, hidden=5, steps=100, test_samples=100, side=2, seeds=5)
    found = groups.checks_of(disk, run_all(disk, settings, progress=False))
    assert {one.control.why for one in found} == {"the control, coin-flip labels, was not run"}
    assert {one.holds for one in found} == {None}


def test_phases_are_in_order_also_where_labels_are_never_all_fitted() -> None:
    """Made up: agreement peaks at step 1, accuracy at step 2; fitted at 3, never, and at 2."""
    cells = xr.Dataset({"step": (("cell", "probe"), np.tile([0, 1, 2, 3], (3, 1)))})
    cells["memorised"] = ("cell", [3, -1, 2])
    found = {"agreement": np.eye(4)[[1] * 3], "clean": np.eye(4)[[2] * 3]}
    assert disk.in_order(cells, found).tolist() == [True, True, False]
    backwards = {"agreement": found["clean"], "clean": found["agreement"]}
    assert not disk.in_order(cells, backwards).any()


def two_steps(noise: float) -> xr.Dataset:
    """Made up: from a coin F becomes G_1, then G_2, then half the label; a share is a coin."""
    rng, n, names = np.random.default_rng(0), 20_000, staircase.SIMPLE
    y, coin = rng.integers(2, size=(2, n))
    two = information.flipped(y, 0.88, rng)
    one = information.flipped(two, 0.8, rng)
    path = []
    for low, high, most in ((coin, one, 1), (one, two, 1), (two, y, 0.5)):
        for share in np.linspace(0.1, most, 8):
            chosen = np.where(rng.random(n) < share, high, low)
            path.append(np.where(rng.random(n) < noise, rng.integers(2, size=n), chosen))
    simple = {name: (one if name[-1] == "1" else two) for name in names}
    for i, like in (("1", one), ("2", two)):
        simple[f"noise {i}"] = information.flipped(y, float(np.mean(like == y)), rng)
    tables = np.stack([information.table(np.stack(path), y, simple[one]) for one in names], axis=1)
    shape = ("cell", "probe", "simple", "f", "y", "g")
    return xr.Dataset(
        {"counts": (shape, tables[None]), "step": (("cell", "probe"), np.arange(24)[None])}
    )


def test_steps_are_explained_and_kept_and_predictions_as_accurate_are_not() -> None:
    cells, names, noise = two_steps(0.02), ("fitted 1", "fitted 2"), ("noise 1", "noise 2")
    assert staircase.explained(cells, names) > 0.9 > 0.75 > staircase.explained(cells, noise)
    assert staircase.lead(cells, names) > 0.05 > abs(staircase.lead(cells, noise))
    assert abs(staircase.lead(cells, names, np.random.default_rng(1))) < 0.05
    one, two = (staircase.times(cells, name) for name in names)
    assert one < two and not two < one


def test_the_noise_of_the_staircase_is_as_accurate_as_what_it_replaces() -> None:
    found = staircase.measure(staircase.GRID.of_group("stairs", staircase.GRID.presets["TINY"])[0])
    accuracy = information.accuracies(found.counts.values)[1][0]
    at = staircase.SIMPLE.index
    assert accuracy[at("noise 1")] == pytest.approx(accuracy[at("fitted 1")], abs=0.1)
    assert accuracy[at("exact 1")] < accuracy[at("exact 2")] < 1


# --- pictures


def test_a_boundary_is_drawn_where_the_logit_changes_sign() -> None:
    grid = disk.places(21)
    line = plot._contour(np.linspace(-1, 1, 21), grid[..., 1] - 0.25)
    inside = line[np.isfinite(line).all(axis=1)]
    np.testing.assert_allclose(inside[:, 1], 0.25, atol=1e-6)
    assert np.isnan(plot._contour(np.linspace(-1, 1, 21), np.ones((21, 21)))).all()


def test_a_network_that_knows_no_more_than_the_largest_rival_is_not_judged():
    """G is right on 700 of 1000, F on 900 or on 720 of them, whatever G says."""

    def cells(right: float) -> xr.Dataset:
        eye = np.eye(2)
        table = np.empty((2, 2, 2))
        for y in (0, 1):
            f, g = (np.where(eye[y], a, 1 - a) for a in (right, 0.7))
            table[:, y, :] = 500 * np.outer(f, g)
        counts = np.broadcast_to(table.round(), (1, 1, len(residual_staircase.SIMPLE), 2, 2, 2))
        return xr.Dataset({"counts": (("cell", "probe", "simple", "f", "y", "g"), counts)})

    assert residual_staircase.outgrown(cells(0.9)) == ""  # 0.531 bit over 0.119
    assert "1.22 times" in residual_staircase.outgrown(cells(0.72))  # 0.1445 bit over 0.1187
