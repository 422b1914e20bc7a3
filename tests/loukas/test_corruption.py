"""Corrupted labels: their data, what is kept of a run, and how it is judged."""

import dataclasses
import functools
from typing import Any

import numpy as np
import pytest
import xarray as xr

from loukas import made_up
from simplicity.data import corruption
from simplicity.grid import groups
from simplicity.grid.groups import Runs
from simplicity.grid.run import assemble
from simplicity.loukas import corruption_checks, image_task
from simplicity.loukas.experiments import corrupted_digits, corrupted_images, two_architectures

RNG = np.random.default_rng


def test_redrawn_labels_are_nested_and_half_of_them_wrong() -> None:
    y = RNG(0).integers(2, size=20_000)
    found = [corruption.nested(y, share, RNG(5)) for share in (0.0, 0.2, 0.4, 0.6, 1.0)]
    np.testing.assert_array_equal(found[0], y)
    wrong = [one != y for one in found]
    np.testing.assert_allclose([one.mean() for one in wrong], [0, 0.1, 0.2, 0.3, 0.5], atol=0.01)
    for smaller, larger in zip(wrong[:-1], wrong[1:], strict=True):
        assert (smaller <= larger).all()


def test_images_are_scaled_enlarged_and_padded() -> None:
    x = np.array([[[0, 4], [8, 16]]], dtype=np.uint8)
    found = corruption.scaled(x, 16, 5)  # twice as large, and one more row and column
    assert found.shape == (1, 1, 5, 5) and found.dtype == np.float32
    enlarged = [[-1, -1, -0.5, -0.5]] * 2 + [[0, 0, 1, 1]] * 2
    np.testing.assert_array_equal(found[0, 0, :4, :4], enlarged)
    assert (found[0, 0, 4] == -1).all() and (found[0, 0, :, 4] == -1).all()
    chosen = corruption.drawn(np.array([3, 8, 1, 3, 8]), (3, 8), 10, RNG(0))
    assert sorted(chosen.chosen.tolist()) == [0, 1, 3, 4]
    np.testing.assert_array_equal(chosen.y, np.isin(chosen.chosen, (1, 4)))


def run_of(residual: list[float], trajectory: list[float]) -> xr.Dataset:
    count = len(residual)
    columns = {name: np.zeros(count) for name in image_task.KEPT if name != "variance"}
    columns |= {"residual": np.array(residual), "trajectory": np.array(trajectory)}
    columns["spread"] = np.arange(count, dtype=float)
    return xr.Dataset({name: ("epoch", values) for name, values in columns.items()})


def test_matched_confidence_is_read_between_two_passes_and_not_where_it_is_never_reached() -> None:
    one = run_of([0.5, 0.45, 0.35, 0.25], [1.0, 2.0, 4.0, 8.0])
    found = corruption_checks.thinned(one, points=3)
    # half-way between the second and third pass
    np.testing.assert_allclose(found.matched_trajectory, [3.0, np.nan, np.nan])
    np.testing.assert_allclose(found.matched_passes, [2.5, np.nan, np.nan])
    assert found.passes.values.tolist() == [1, 3, 4] and found.total.values.tolist() == [1, 7, 15]
    assert found.last_spread == 1.5  # the median of 0..3
    both = xr.concat([run_of([0.3, 0.1], [5.0, 6.0]), run_of([0.5, 0.3], [1.0, 3.0])], "cell")
    found = corruption_checks.thinned(both, points=2)
    np.testing.assert_allclose(found.matched_trajectory[:, 0], [5.0, 2.0])


def digits(factor: float, flipped: float = 1.0, seeds: int = 8) -> Runs:
    """Made-up digits: what is measured is 1 at 0, `factor` at the other shares, `flipped` there."""
    settings = dataclasses.replace(corrupted_digits.GRID.presets["QUICK"], seeds=seeds)
    factors = {"clean": 1.0, "0.2": factor, "0.4": factor, "0.6": factor, "all flipped": flipped}
    rng = RNG(0)

    def values(run: corrupted_digits.Run) -> dict[str, Any]:
        size = factors[run.labels] * np.exp(0.02 * rng.standard_normal())
        curves = {name: ("epoch", np.full(3, size)) for name in ("loss", "total", "logit_slope")}
        scalars = {"last_spread": size, "last_distance": size, "test_loss": ("probe", [size])}
        return curves | scalars | {"matched_trajectory": ("matched", np.full(3, size))}

    return made_up.runs(corrupted_digits, settings, values)


def outcomes(found: Runs) -> dict[str, set[bool | None]]:
    checks = corrupted_digits.checks(found)
    return {
        claim: {one.passed for one in checks if one.claim == claim}
        for claim in corrupted_digits.CLAIMS
    }


def test_more_with_corruption_and_no_more_with_all_flipped_passes_and_each_fails_alone() -> None:
    larger = outcomes(digits(2.0))
    assert all(larger[claim] == {True} for claim in ("L11", "L12", "L13", "L16", "L37"))
    assert larger["L17"] == {True} and larger["L38"] == {False}  # 0.2, 0.4 and 0.6 are the same
    assert larger["L39"] == {False}  # what moves twice as much at twice the loss moves as it must
    smaller = outcomes(digits(0.5))
    assert all(smaller[claim] == {False} for claim in ("L11", "L12", "L13", "L16", "L17", "L37"))
    found = corrupted_digits.checks(digits(2.0, flipped=2.0))
    moved = [one for one in found if not one.control.why]
    assert moved and not any(one.control.passed for one in moved if one.claim != "L39")


@pytest.mark.parametrize(("factor", "holds"), [(1.05, False), (1.2, True)])
def test_a_twentieth_more_is_no_more_and_a_fifth_is(factor: float, holds: bool) -> None:
    checks = {one.id: one.passed for one in corrupted_digits.checks(digits(factor))}
    assert checks["L12.decayed_longer"] is holds


def test_few_seeds_judge_less() -> None:
    judged = {}
    for seeds in (4, 5, 8):
        found = corrupted_digits.checks(digits(2.0, seeds=seeds))
        judged[seeds] = {one.id.partition(".")[2] for one in found if one.seeds}
    settings = ("decayed", "memorised")
    everywhere = {f"{name}_{word}" for name in settings for word in ("slower", "longer")}
    assert judged[4] == set() and everywhere < judged[5] < judged[8]
    assert not any("matched" in word or "worse" in word or word == "decayed" for word in judged[5])
    assert {"decayed_matched", "decayed_worse", "decayed"} < judged[8]


@pytest.mark.parametrize("experiment", [corrupted_images, two_architectures])
def test_enlarged_digits_judge_nothing(experiment: Any) -> None:
    settings = experiment.GRID.presets["TINY"]
    parts = [(run, experiment.measure(run)) for run in groups.runs_of(experiment, settings)[:1]]
    checks = experiment.checks(Runs(assemble(experiment, settings, parts), experiment.GRID))
    assert checks and {one.passed for one in checks} == {None}
    assert all("seeds" in one.control.why or "data = " in one.control.why for one in checks)


def test_the_shorter_trajectory_and_the_lower_loss_agree_or_do_not() -> None:
    rng = RNG(1)

    def values(run: two_architectures.Run, agree: bool) -> dict[str, Any]:
        fully = run.architecture == "fully connected"
        loss = 1.0 + fully if agree else 2.0 - fully
        length = 1.0 + fully + rng.uniform(0, 0.2)
        return {
            "trajectory": ("epoch", [length]),
            "test_loss": ("probe", [loss + rng.uniform(0, 0.2)]),
        }

    full = two_architectures.GRID.presets["FULL"]
    for agree in (True, False):
        found = made_up.runs(two_architectures, full, functools.partial(values, agree=agree))
        (one,) = two_architectures.checks(found)
        assert one.passed is agree and one.value == float(agree)
