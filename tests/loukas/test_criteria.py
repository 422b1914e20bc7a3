"""What criteria share: where they were written for, and seeds that have every frequency."""

import dataclasses

import numpy as np

from loukas import made_up
from simplicity.loukas import criteria
from simplicity.loukas.experiments import released_statistic

QUICK = released_statistic.GRID.presets["QUICK"]


def runs(**changes):
    settings = dataclasses.replace(QUICK, **changes)
    return made_up.runs(
        released_statistic, settings, lambda run: {"error": run.frequency + run.seed}
    )


def test_settings_that_a_criterion_was_not_written_for_are_named():
    found = runs(n=20, frequency=(0.25, 0.5))
    assert criteria.elsewhere(found, n=20, frequency=(0.25,)) == ""
    assert criteria.elsewhere(found, frequency={0.25, 0.5}) == ""
    assert criteria.elsewhere(found, frequency={0.25}) == "the criterion is for frequency = 0.25"
    told = criteria.elsewhere(found, n=100, frequency=(0.5, 1.0))
    assert told == "the criterion is for n = 100 and frequency = 0.5, 1.0"
    assert criteria.too_few(found, 1) == ""
    assert criteria.too_few(found, 3) == "1 seeds, 3 are needed"


def test_a_seed_without_all_frequencies_is_left_out():
    whole = runs(seeds=3, frequency=(0.25, 0.5))["blocks"]
    np.testing.assert_allclose(criteria.by_seed(whole, "error")[:, 0], [0.25, 1.25, 2.25])
    part = whole.isel(cell=slice(1, None))
    np.testing.assert_allclose(criteria.by_seed(part, "error"), [[1.25, 1.5], [2.25, 2.5]])
    nothing = whole.isel(cell=[])
    assert criteria.by_seed(nothing, "error").shape == (0, 1)
    assert criteria.order(np.array([]), criteria.by_seed(nothing, "error")).seeds == 0
