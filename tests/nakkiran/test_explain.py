"""The linear phase against hand-made tables and closed forms; fits against another implementation.

The runs' own contracts.
"""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from simplicity.data import image_files, images, streams
from simplicity.evidence import claims
from simplicity.grid import groups, run
from simplicity.nakkiran import explain, explain_checks, information, linear_phase
from simplicity.nakkiran.experiments import digits_explained, images_explained, sinusoid
from simplicity.nets import modules
from simplicity.problems import Problem
from simplicity.process import threads

N = 40_000  # points of a table


def nested(f: float, line: float) -> np.ndarray:
    """Balanced labels, symmetric errors, F right wherever L is.

    Where F is worse than L, it is L with flips at random.
    """
    table = np.zeros((2, 2, 2))
    for y in (0, 1):
        table[y, y, y] = line
        table[y, y, 1 - y] = max(f - line, 0)
        table[1 - y, y, 1 - y] = 1 - max(f, line)
    if f < 1 - line:  # the opposite of a network that is better than L
        return nested(1 - f, line)[::-1]
    flips = max(line - f, 0) / (2 * line - 1)
    return ((1 - flips) * table + flips * table[::-1]) * N / 2


def h(p: float) -> float:
    return float(-p * np.log2(p) - (1 - p) * np.log2(1 - p))


# mu where F, of accuracy 0.9, is right wherever L, of accuracy 0.8, is.
MU_NESTED = 0.9 * h(0.1 / 0.9) + 1 - h(0.2) - h(0.1)


def run_of(*accuracies: float, line: float = 0.8) -> np.ndarray:
    return np.stack([nested(f, line) for f in accuracies])


@pytest.mark.parametrize(
    ("accuracies", "at"),
    [
        ((0.5, 0.7, 0.81, 0.9, 0.95), 2),
        ((0.5, 0.7, 0.79, 0.8, 0.8), None),  # as much as L is not more than L
        ((0.5, 0.85, 0.85, 0.7, 0.85, 0.85, 0.85), 4),  # twice and back is no match
        ((0.5, 0.85, 0.85), None),
        ((0.1, 0.1, 0.1, 0.5), None),  # worse than chance, and full of information
    ],
)
def test_the_match_lasts(accuracies: tuple[float, ...], at: int | None):
    assert linear_phase.first_match(run_of(*accuracies)) == at


def test_the_authors_average_runs_before_they_look():
    early, late = run_of(0.5, 0.9, 0.9, 0.9), run_of(0.5, 0.5, 0.7, 0.9)
    # The mean of 1 - h exceeds 1 - h(0.8) = 0.278 bit first where it is (0.531 + 0.119) / 2, at
    # index 2.
    reading = linear_phase.as_authors(np.stack([early, late]))
    assert reading.match == 2 and reading.accuracy == pytest.approx(0.8)
    assert reading.line == pytest.approx(0.278072, abs=1e-6)
    kept = (MU_NESTED + information.from_accuracy(0.7)) / 2  # of a noisy copy all is explained
    assert reading.kept_at_match == pytest.approx(float(kept) / 0.278072, abs=1e-5)
    assert linear_phase.as_authors(np.stack([late, late])[:, :3]).match is None


def test_what_is_explained_leaves_out_what_is_hardly_anything():
    tables = run_of(0.5, 0.51, 0.7, 0.9)  # 0, 0.0003, 0.119, 0.531 bit
    ratio = float(MU_NESTED / information.from_accuracy(0.9))
    assert linear_phase.explained(tables, 2) == pytest.approx(1)
    assert linear_phase.explained(tables, 3) == pytest.approx((1 + ratio) / 2)
    assert np.isnan(linear_phase.explained(tables, 1))


def test_a_random_predictor_has_the_closed_form_and_is_what_is_drawn():
    table = np.rint(nested(0.9, 0.8)).astype(int)
    exact = information.information(linear_phase.independent(table))
    assert exact.mu == pytest.approx(float(information.mu_null(0.9, 0.8)), abs=1e-12)
    assert information.accuracies(linear_phase.independent(table))[1] == pytest.approx(0.8)
    drawn = linear_phase.redrawn(table, 400, np.random.default_rng(0))
    assert (drawn.sum(axis=-1) == table.sum(axis=-1)).all()
    expected = linear_phase.independent(table)
    np.testing.assert_allclose(drawn.mean(axis=0), expected, atol=5 * 100 / 20)  # sd 80 of a cell
    assert abs(float(linear_phase.retention(drawn).mean())) < 0.02
    null, *known = information.mu_null(0.9, 0.8), *information.from_accuracy([0.9, 0.8])
    index = float(information.retention_index(MU_NESTED, null, *known))
    assert float(linear_phase.retention(table)) == pytest.approx(index)


@pytest.mark.parametrize("to", [0.5, 0.65, 0.8])
def test_a_classifier_made_less_accurate_has_that_accuracy_and_the_information_of_noise(to: float):
    found = linear_phase.degraded(nested(0.9, 0.8), to)
    assert information.accuracies(found)[1] == pytest.approx(to)
    assert information.accuracies(found)[0] == pytest.approx(0.9)
    assert information.information(found).simple == pytest.approx(
        float(information.from_accuracy(to)), abs=1e-12
    )


def test_a_classifier_is_never_made_better():
    table = nested(0.9, 0.8)
    np.testing.assert_array_equal(linear_phase.degraded(table, 0.85), table)
    first, second = linear_phase.equally_accurate(table, nested(0.9, 0.7))
    np.testing.assert_array_equal(second, nested(0.9, 0.7))
    assert information.accuracies(first)[1] == pytest.approx(0.7)


def test_a_run_in_numbers():
    tables = run_of(0.5, 0.7, 0.85, 0.9, 0.95)
    found = linear_phase.phase(tables, tables, run_of(0.5, 0.7, 0.85, 0.9, 0.99))
    assert found.match == 2 and found.over_other == 0 and found.over_random_end > 0
    assert found.gap_end == pytest.approx(
        float(information.from_accuracy(0.99) - information.from_accuracy(0.95))
    )
    assert found.gap_at_match == 0 and found.kept_end == 1 and found.index_gained > 0.5
    assert found.open_at_match == pytest.approx(-0.1 * found.gap_end)
    assert found.explained_by_random < found.explained < 1
    assert found.lead == found.explained - found.explained_by_random
    never = linear_phase.phase(run_of(0.5, 0.6, 0.6, 0.6), tables[:4], tables[:4])
    assert np.isnan([never.match, never.explained, never.over_other, never.gap_at_match]).all()
    assert np.isfinite([never.gap_end, never.kept_end, never.ratio_end]).all()


def test_few_runs_on_one_test_set_carry_its_error():
    # Range [0.4, 0.6], and 1.96 x 0.1 on either side.
    found = claims.mean_on_one_test_set([0.4, 0.6], [0.05, 0.15])
    assert found.value == pytest.approx(0.5)
    assert found.interval == pytest.approx((0.204, 0.796), abs=1e-4)
    assert "test sample" in found.interval_kind and claims.mean_on_one_test_set([], []).seeds == 0
    # read once, the gap left out
    gaps = claims.mean_on_one_test_set(iter([0.4, np.nan, 0.6]), [0.05, np.nan, 0.15])
    assert gaps.interval == pytest.approx(found.interval)
    assert "1 undefined left out" in gaps.interval_kind


@pytest.mark.parametrize(("steps", "points"), [(3, 4), (15, 4), (150, 16), (10_000, 48)])
def test_checkpoints_are_as_many_as_asked_and_grow(steps: int, points: int):
    found = explain.schedule(steps, points)
    assert (len(found), found[0], found[-1]) == (points, 0, steps) and (np.diff(found) > 0).all()
    assert (np.diff(np.diff(found)) >= -1).all()  # ever wider apart, up to rounding


@pytest.mark.parametrize(("steps", "points"), [(3, 5), (10, 1)])
def test_more_checkpoints_than_steps_are_refused(steps: int, points: int):
    with pytest.raises(Problem, match=f"probes: got {points} for {steps} steps"):
        explain.schedule(steps, points)


def linear_task(n: int = 2000) -> explain.Samples:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((2 * n, 6)).astype(np.float32)
    y = x.sum(axis=1) / np.sqrt(6) + 0.5 * np.sin(3 * x[:, 1]) > 0.3
    return explain.Samples(x[:n], y[:n], x[n:], y[n:])


def test_the_linear_classifier_is_that_of_another_implementation():
    from sklearn.linear_model import LogisticRegression

    task = linear_task()
    recipe = explain.Recipe(0.05, 32, 60)
    with threads.one_thread():
        ours = explain.logistic(task.x, task.y, recipe, np.random.default_rng(2))(task.x_test)
    theirs = LogisticRegression(C=1e6).fit(task.x, task.y).predict(task.x_test)
    assert np.mean(ours == theirs) > 0.98 and np.mean(ours == task.y_test) > 0.85


def test_the_forest_is_as_accurate_as_asked_where_it_can_be():
    task = linear_task()
    low, high, best = (
        np.mean(explain.forest(task, accuracy, np.random.default_rng(3)) == task.y_test)
        for accuracy in (0.78, 0.83, 1.0)
    )
    assert (low, high) == pytest.approx((0.78, 0.83), abs=0.02) and 0.85 < best < 1


def test_tables_have_every_test_point_and_every_scored_training_point():
    task = linear_task(300)
    module = modules.fully_connected((6, 8), np.random.default_rng(0))
    settings = {"rate": 0.1, "batch": 32, "order": np.random.default_rng(0)}
    simple = {"truth": task.y_test, "none": np.zeros(300, dtype=bool)}
    trained, found = explain.follow(module, task, simple, task.y[:100], at=(0, 3, 20), **settings)
    assert found.counts.dims == ("probe", "simple", "f", "y", "l")
    assert (found.counts.sum(["f", "y", "l"]) == 300).all()
    assert (found.train_counts.sum(["f", "y", "l"]) == 100).all()
    truth = found.counts.sel(simple="truth").values
    assert (truth[:, :, 0, 1] == 0).all() and (truth[:, :, 1, 0] == 0).all()
    settings["order"] = np.random.default_rng(0)
    other = explain.last(module, task.x, task.y, steps=20, **settings)
    ends = (modules.predict(one, task.x_test) for one in (trained, other))
    np.testing.assert_array_equal(*ends)


def test_the_sinusoids_line_and_wave_are_what_the_sheet_of_the_law_says():
    # P[sign <w, x> = y] is 0.6706 at (1.7, 1.7) and 0.771 at (1, 3): numerical integrals of the
    # law.
    for settings, agree in (({}, 0.6706), ({"amplitude": 1.0, "frequency": 3.0}, 0.771)):
        run_ = sinusoid.Run(dim=2, samples=200, test_samples=100_000, **settings)
        samples, _ = sinusoid.draw(run_)
        data = streams.generator(0, streams.DATA)
        line = samples.x_test @ np.linalg.qr(data.standard_normal((2, 2)))[0][:, 0]
        assert np.mean((line > 0) == samples.y_test) == pytest.approx(agree, abs=0.006)


def test_nothing_linear_is_in_a_product():
    run_ = sinusoid.Run(kind="product", dim=5, samples=200, test_samples=50_000)
    samples, _ = sinusoid.draw(run_)
    means = samples.x_test[samples.y_test].mean(axis=0)  # a linear classifier's signal
    assert np.abs(means).max() < 5 / np.sqrt(25_000)
    assert samples.y_test.mean() == pytest.approx(0.5, abs=0.01)


def test_the_authors_size_is_theirs_and_each_control_changes_what_it_says():
    full = dataclasses.replace(sinusoid.GRID.presets["FULL"], paper_size_kind=("paper size",))
    runs = {run.kind: run for run in sinusoid.GRID.runs(full)}
    plain = runs["plain"]
    size = {"dim": 100, "samples": 50_000, "step_size": 0.01, "epochs": 16}
    assert dataclasses.asdict(runs["paper size"]).items() >= size.items()
    assert runs["large start"].step_size == plain.step_size / 4**2  # a start times 4
    assert dataclasses.replace(runs["wave first"], kind="plain") == plain
    assert sinusoid.steps(plain) == 10_000


def test_a_network_that_learns_the_wave_first_starts_from_it():
    """At its start the network agrees with the sign of the wave, and not with the task's line."""
    small = {"dim": 2, "samples": 500, "width": 32, "epochs": 60, "probes": 6, "test_samples": 2000}
    found = sinusoid.measure(sinusoid.Run(kind="wave first", **small))
    wave, line = (found.counts.sel(simple=name).values[0] for name in ("wave", "linear"))
    f_is_wave = np.einsum("fys->fs", wave)
    assert (f_is_wave[0, 0] + f_is_wave[1, 1]) / wave.sum() > 0.8
    assert information.information(wave).mu > 3 * information.information(line).mu


def test_information_is_compared_where_it_is_half_as_much_again():
    """Two checkpoints with the line between them: a network that is L, then one that knows all."""
    copy, perfect = np.zeros((2, 2, 2)), np.zeros((2, 2, 2))
    for y in (0, 1):
        for right, share in ((True, 800), (False, 200)):
            simple = y if right else 1 - y
            copy[simple, y, simple] = share
            perfect[y, y, simple] = share
    tables = np.stack([copy, perfect])
    found = information.information(tables)
    at, back = linear_phase.where_gained(tables)
    level = 1.5 * found.simple[0]
    between = (1 - back) * found.network[1] + back * found.network[0]
    assert at == 1 and between == pytest.approx(level)
    assert linear_phase.at_gained(tables, found.network) == pytest.approx(level)
    assert linear_phase.where_gained(tables[:1]) is None
    assert np.isnan(linear_phase.at_gained(tables[:1], found.network[:1]))


def test_an_experiment_on_images_without_its_files_ends_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(image_files.FOLDER, str(tmp_path))
    tiny = images_explained.GRID.presets["TINY"]
    config = dataclasses.replace(tiny, mnist_task=(images_explained.MNIST,))
    with pytest.raises(run.CellsFailed, match="mnist: got no train-images-idx3-ubyte"):
        run.run(images_explained, config, store=tmp_path / "store", progress=False)


def test_fewer_epochs_by_as_much_as_the_rate_is_larger():
    for name, task in images_explained.TASKS.items():
        assert images_explained.Run(task=name).epochs * task.speed == task.slow_epochs


def test_digits_are_enlarged_to_what_the_network_takes():
    pixels = np.arange(64, dtype=np.uint8).reshape(1, 8, 8)
    small = images.Images(pixels, np.zeros(1, dtype=np.int64), 16)
    found = images_explained._pixels(small)
    assert found.shape == (1, 1, 32, 32)
    np.testing.assert_array_equal(found[0, 0, ::4, ::4], small.x[0] / np.float32(16))


def test_what_few_seeds_cannot_judge_is_said():
    tiny = digits_explained.GRID.presets["TINY"]
    dataset = run.run(digits_explained, tiny, progress=False)
    few = {one.id: one.control.why for one in groups.checks_of(digits_explained, dataset)}
    lacking = {id for id, why in few.items() if why == "2 seeds, 5 are needed"}
    words = {"N7.digits_index", "N7.digits_peak", "N8.digits_peak"}
    assert lacking == words | {"N21.digits_forest"} and len(few) == 8
    more = run.run(digits_explained, dataclasses.replace(tiny, seeds=5), progress=False)
    found = {one.id: one for one in groups.checks_of(digits_explained, more)}
    assert list(found) == list(few) and "seeds" not in found["N7.digits_index"].control.why
    # None got to accuracy 1 in two passes.
    assert [one.passed for one in found.values() if one.claim == "N8"] == [None]


def test_a_setting_without_runs_says_so_and_a_part_of_one_is_one():
    dataset = run.run(digits_explained, digits_explained.GRID.presets["TINY"], progress=False)
    setting = explain_checks.Setting(dataset, "digits")
    assert len(setting.select([True, False], "one of them").phases) == 1
    nothing = explain_checks.Setting(dataset.isel(cell=slice(0)), "digits", one_test_set=True)
    assert nothing.unless == "digits: no run" and nothing.mean("match").seeds == 0
