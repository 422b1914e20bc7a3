"""The criteria on explainability, which several experiments put to their own runs (Nakkiran et al. 2019, claims 1 and 2).

Each function makes the checks of one claim in one setting from the numbers of its runs (`linear_phase.Phase`). Criteria and
their reasons are on the page; a run that never matches L has no T0, and what needs one is not judged there.
"""

import copy
from collections.abc import Callable, Iterable

import numpy as np
import xarray as xr

from simplicity.evidence.claims import (
    Check,
    Control,
    Estimate,
    at_least,
    below,
    between,
    check,
    control,
    every_seed,
    interval_above,
    interval_contains,
    mean,
    mean_on_one_test_set,
    no_control,
    share,
)  # fmt: skip
from simplicity.nakkiran import information, linear_phase
from simplicity.nakkiran.linear_phase import Phase

ENOUGH = 0.75  # of mu / I(F;Y): the authors' own recorded curves have .79 and .80 at T0
DRAWS = 200
BOOTSTRAP_DRAWS = 50  # a standard error to a tenth; each draw is read as a whole run
ENOUGH_SEEDS = 5  # for differences of hundredths of a bit

Statistic = Callable[[Phase], float]


class Runs:
    """The runs of one setting in numbers, with the forest as the other classifier.

    Where runs share their test points, each is also drawn anew from its own tables, and a mean carries the test sample's
    error. Those draws take checkpoints and classifiers as independent, which makes the error of a difference too large.
    """

    def __init__(self, dataset: xr.Dataset, where: str, one_test_set: bool = False) -> None:
        self.where = where
        tables = dataset.counts.transpose("cell", "probe", "simple", "f", "y", "l")
        training = dataset.train_counts.transpose("cell", "probe", "f", "y", "l").values
        self.linear, forest = (tables.sel(simple=name).values for name in ("linear", "forest"))
        parts = list(zip(self.linear, forest, training, strict=True))
        self.phases = [linear_phase.phase(*part) for part in parts]
        self._draws: list[list[Phase]] = []
        if one_test_set:
            rng = np.random.default_rng(0)
            drawn = [[information.bootstrap(table, BOOTSTRAP_DRAWS, rng) for table in part] for part in parts]
            self._draws = [[linear_phase.phase(*tables) for tables in zip(*part, strict=True)] for part in drawn]

    def mean(self, statistic: Statistic) -> Estimate:
        """Over the runs; those without T0 are left out of what needs it."""
        values = [statistic(phase) for phase in self.phases]
        if not self._draws:
            return mean(values)
        return mean_on_one_test_set(values, [float(np.nanstd([statistic(phase) for phase in draws])) for draws in self._draws])

    def redrawn(self) -> Control:
        """R drawn at random in the place of L: nothing beyond independent errors is retained."""
        rng = np.random.default_rng(0)
        tables = [linear_phase.redrawn(table[-1], DRAWS, rng) for table in self.linear]
        found = [float(np.nanmean(linear_phase.retention(table))) for table in tables]
        return control("R drawn anew in the place of L: its index", mean(found), between(-0.1, 0.1))

    def select(self, chosen: Iterable[bool]) -> "Runs":
        """Some of the runs."""
        found = copy.copy(self)
        kept = np.flatnonzero(list(chosen))
        found.linear, found.phases = self.linear[kept], [self.phases[index] for index in kept]
        found._draws = [self._draws[index] for index in kept] if self._draws else []
        return found


def explained(dataset: xr.Dataset, runs: Runs, unexplained: Control) -> list[Check]:
    """N4: nearly all of what F knows before T0 is explained by L, and far more than by R of equal accuracy."""
    return [
        check(
            dataset, "N4", "empirical", f"{runs.where}: mean of mu / I(F;Y) up to T0", runs.mean(lambda run: run.explained),
            at_least(ENOUGH),
            control("random R as accurate as L in its place", runs.mean(lambda run: run.explained_by_random), below(ENOUGH)),
        ),
        check(
            dataset, "N4", "empirical", f"{runs.where}: the same minus that of R, as accurate as L",
            runs.mean(lambda run: run.explained - run.explained_by_random), interval_above(0), unexplained,
        ),
    ]  # fmt: skip


def matched(dataset: xr.Dataset, runs: Runs, never: Control) -> list[Check]:
    """N5: F comes to know as much as L does."""
    found = share(np.isfinite([run.match for run in runs.phases]))
    return [check(dataset, "N5", "empirical", f"{runs.where}: share of runs with T0", found, every_seed(), never)]


def retained(dataset: xr.Dataset, runs: Runs, claim: str = "N7", random: Control | None = None) -> list[Check]:
    """N7, N8: what L explained stays explained, beyond what accuracy alone forces."""
    return [
        check(
            dataset, claim, "empirical", f"{runs.where}: retention index at the end", runs.mean(lambda run: run.index_end),
            interval_above(0.5), random or runs.redrawn(),
        ),
        check(
            dataset, claim, "empirical", f"{runs.where}: mu at the end over its largest value",
            runs.mean(lambda run: run.kept_end), at_least(0.9),
            no_control("where accuracy only rises, mu of any classifier keeps its largest value; the index has a control"),
        ),
    ]  # fmt: skip


def widens(dataset: xr.Dataset, runs: Runs, narrow: Control) -> list[Check]:
    """N9: training and test information part only late."""
    return [
        check(
            dataset, "N9", "empirical", f"{runs.where}: gap of information, training minus test, end minus T0, bits",
            runs.mean(lambda run: run.gap_end - run.gap_at_match), interval_above(0), narrow,
        ),
        check(
            dataset, "N9", "empirical", f"{runs.where}: the gap at T0, bits", runs.mean(lambda run: run.gap_at_match),
            interval_contains(0), no_control("that there is no gap yet is itself a null"),
        ),
    ]  # fmt: skip


def alternatives(dataset: xr.Dataset, runs: Runs, against_forest: bool = True) -> list[Check]:
    """N19: neither independent errors nor any classifier as accurate as L explain as much; the second with enough seeds."""
    found = [
        check(
            dataset, "N19", "empirical", f"{runs.where}: mu minus that of R at the end, bits",
            runs.mean(lambda run: run.over_random_end), interval_above(0), runs.redrawn(),
        ),
        check(
            dataset, "N19", "empirical", f"{runs.where}: mu minus that of an equally accurate forest at T0, bits",
            runs.mean(lambda run: run.over_other), interval_above(0),
            no_control("the forest is the control: equally accurate, on the same points, and not linear"),
        ),
    ]  # fmt: skip
    return found if against_forest else found[:1]
