"""The criteria on explainability, which several experiments put to their own runs.

Each function makes the checks of one claim in one setting (Nakkiran et al. 2019, claims 1 and 2)
from the numbers of its runs (`linear_phase.Phase`). Criteria and their reasons are on the page; a
run that never matches L has no T0, and what needs one is not judged there.
"""

import copy
from collections.abc import Callable, Iterable

import numpy as np
import xarray as xr

from simplicity.evidence import claims
from simplicity.evidence.claims import (
    Check,
    Control,
    Criterion,
    Estimate,
    at_least,
    between,
    control,
    interval_above,
    no_control,
)
from simplicity.grid.groups import Runs
from simplicity.nakkiran import information, linear_phase
from simplicity.nakkiran.explain import tables
from simplicity.nakkiran.linear_phase import Phase

ENOUGH = 0.75  # of mu / I(F;Y): the authors' own recorded curves have .79 and .80 at T0
DRAWS = 200
BOOTSTRAP_DRAWS = 50  # a standard error to a tenth; each draw is read as a whole run
ENOUGH_SEEDS = 5  # for differences of hundredths of a bit
# Why there is no control in other settings.
ON_SINUSOID = "what nothing linear explains, and a start too large to match L, are on the sinusoid"

Statistic = Callable[[Phase], float]


class Setting:
    """The runs of one setting in numbers, with the forest as the other classifier.

    `where` names it in statistics, `word` in ids. If runs share their test points (`one_test_set`),
    each is also drawn anew from its own tables, and a mean carries the test sample's error. Those
    draws take checkpoints and classifiers as independent, which makes the error of a difference too
    large. `unless` says why nothing can be judged, and is empty if it can.
    """

    def __init__(
        self, cells: xr.Dataset, where: str, word: str = "", *, one_test_set: bool = False,
        unless: str = "",
    ) -> None:  # fmt: skip
        self.where, self.word, self.unless = where, word, unless
        if not cells.sizes["cell"]:
            self.unless = unless or f"{where}: no run"
        training = cells.train_counts.transpose("cell", "probe", "f", "y", "l").values
        self.linear, forest = (tables(cells, name) for name in ("linear", "forest"))
        parts = list(zip(self.linear, forest, training, strict=True))
        self.phases = [linear_phase.phase(*part) for part in parts]
        self._draws: list[list[Phase]] = []
        if one_test_set:
            rng = np.random.default_rng(0)
            for part in parts:
                drawn = [information.bootstrap(table, BOOTSTRAP_DRAWS, rng) for table in part]
                phases = [linear_phase.phase(*one) for one in zip(*drawn, strict=True)]
                self._draws.append(phases)

    def mean(self, statistic: Statistic) -> Estimate:
        """Over the runs; those without T0 are left out of what needs it."""
        values = [statistic(phase) for phase in self.phases]
        if not self._draws:
            return claims.mean(values)
        errors = [np.nanstd([statistic(phase) for phase in draws]) for draws in self._draws]
        return claims.mean_on_one_test_set(values, map(float, errors))

    def redrawn(self) -> Control:
        """R drawn at random in the place of L: nothing beyond independent errors is retained."""
        rng = np.random.default_rng(0)
        drawn = [linear_phase.redrawn(table[-1], DRAWS, rng) for table in self.linear]
        found = [float(np.nanmean(linear_phase.retention(table))) for table in drawn]
        name = "R drawn anew in the place of L: its index"
        return control(name, claims.mean(found), between(-0.1, 0.1))

    def select(self, chosen: Iterable[bool], where: str) -> "Setting":
        """Some of the runs."""
        found = copy.copy(self)
        kept = np.flatnonzero(list(chosen))
        found.where, found.linear = where, self.linear[kept]
        found.phases = [self.phases[index] for index in kept]
        found._draws = [self._draws[index] for index in kept] if self._draws else []
        return found

    def few(self) -> str:
        """Why these are too few runs for small differences; empty if they are not."""
        seeds = len(self.phases)
        return "" if seeds >= ENOUGH_SEEDS else f"{seeds} seeds, {ENOUGH_SEEDS} are needed"

    def judge(
        self, runs: Runs, id: str, statistic: str, found: Estimate, rule: Criterion,
        against: Control, unless: str = "",
    ) -> Check:  # fmt: skip
        """A check of this setting; `id` is its claim and what tells it from the claim's others."""
        claim, _, what = id.partition(".")
        id = f"{claim}.{self.word}_{what}" if what else f"{claim}.{self.word}"
        name = f"{self.where}: {statistic}"
        unless = self.unless or unless
        return claims.check(runs, id, "empirical", name, found, rule, against, unless=unless)


def explained(runs: Runs, setting: Setting, unexplained: Control) -> list[Check]:
    """N4: nearly all of what F knows before T0 is explained by L, far more than by R."""
    by_random = setting.mean(lambda run: run.explained_by_random)
    lead = setting.mean(lambda run: run.explained - run.explained_by_random)
    return [
        setting.judge(
            runs, "N4", "mean of mu / I(F;Y) up to T0",
            setting.mean(lambda run: run.explained), at_least(ENOUGH),
            control("random R as accurate as L in its place", by_random, claims.below(ENOUGH)),
        ),
        setting.judge(
            runs, "N4.lead", "the same minus that of R, as accurate as L",
            lead, interval_above(0), unexplained,
        ),
    ]  # fmt: skip


def matched(runs: Runs, setting: Setting, never: Control, unless: str = "") -> list[Check]:
    """N5: F comes to know as much as L does."""
    found = claims.share(np.isfinite([run.match for run in setting.phases]))
    rule, name = claims.every_seed(), "share of runs with T0"
    return [setting.judge(runs, "N5", name, found, rule, never, unless)]


def retained(
    runs: Runs, setting: Setting, claim: str = "N7", random: Control | None = None, unless: str = ""
) -> list[Check]:
    """N7, N8: what L explained stays explained, beyond what accuracy alone forces."""
    no_other = no_control(
        "where accuracy only rises, mu of any classifier keeps its largest value; "
        "the index has a control"
    )
    return [
        setting.judge(
            runs, f"{claim}.index", "retention index at the end",
            setting.mean(lambda run: run.index_end), interval_above(0.5),
            random or setting.redrawn(), unless,
        ),
        setting.judge(
            runs, f"{claim}.peak", "mu at the end over its largest value",
            setting.mean(lambda run: run.kept_end), at_least(0.9), no_other, unless,
        ),
    ]  # fmt: skip


def widens(runs: Runs, setting: Setting, narrow: Control, unless: str = "") -> list[Check]:
    """N9: training and test information part only late."""
    return [
        setting.judge(
            runs, "N9.widens", "gap of information, training minus test, end minus T0, bits",
            setting.mean(lambda run: run.gap_end - run.gap_at_match), interval_above(0),
            narrow, unless,
        ),
        setting.judge(
            runs, "N9.none", "the gap at T0, bits",
            setting.mean(lambda run: run.gap_at_match), claims.interval_contains(0),
            no_control("that there is no gap yet is itself a null"), unless,
        ),
    ]  # fmt: skip


def alternatives(runs: Runs, setting: Setting, unless: str = "") -> list[Check]:
    """N19: neither independent errors nor any classifier as accurate as L explain as much.

    `unless` is of the second.
    """
    is_control = "the forest is the control: equally accurate, on the same points, and not linear"
    return [
        setting.judge(
            runs, "N19.random", "mu minus that of R at the end, bits",
            setting.mean(lambda run: run.over_random_end), interval_above(0), setting.redrawn(),
        ),
        setting.judge(
            runs, "N19.forest", "mu minus that of an equally accurate forest at T0, bits",
            setting.mean(lambda run: run.over_other), interval_above(0),
            no_control(is_control), unless,
        ),
    ]  # fmt: skip
