"""The criteria on explainability, which several experiments put to their own runs.

Each function makes the checks of one claim in one setting (Nakkiran et al. 2019, claims 1 and 2)
from the numbers of its runs (`linear_phase.Phase`). Criteria and their reasons are on the page; a
run that never matches L has no T0, and what needs one is not judged there.
"""

import copy
import itertools
from collections.abc import Iterable
from operator import attrgetter

import numpy as np
import xarray as xr
from numpy.random import Generator
from numpy.typing import NDArray

from simplicity.evidence import claims
from simplicity.evidence.claims import Check, Control, Criterion, Estimate, no_control
from simplicity.grid.groups import Runs
from simplicity.nakkiran import information, linear_phase
from simplicity.nakkiran.explain import tables
from simplicity.nakkiran.linear_phase import Phase

ENOUGH = 0.75  # of mu / I(F;Y): the authors' own recorded curves have .79 and .80 at T0
KEPT = 0.9  # of the largest mu: does not shrink much
BOOTSTRAP_DRAWS = 50  # a standard error to a tenth; each draw is read as a whole run
ENOUGH_SEEDS = 5  # for differences of hundredths of a bit
# Why there is no control in other settings.
ON_SINUSOID = "a start too large to match L is on the sinusoid"


def fitted(cells: xr.Dataset, share: float = 1.0) -> NDArray[np.bool_]:
    """Which runs end with at least this share of their given labels predicted."""
    return information.accuracies(_training(cells)[:, -1])[0] >= share


def _training(cells: xr.Dataset) -> NDArray[np.integer]:
    """Counts on training points, (cell, probe, f, y, l)."""
    return cells.train_counts.transpose("cell", "probe", "f", "y", "l").values


class Setting:
    """The runs of one setting in numbers, with the forest as the other classifier.

    `where` names it in statistics, `word` in ids. If runs share their test points (`one_test_set`),
    each is also drawn anew from its own tables, and a mean carries the test sample's error. Those
    draws take checkpoints and classifiers as independent, which makes the error of a difference too
    large. `unless` says why nothing can be judged, and is empty if it can. Statistics are names of
    a `Phase`'s numbers.
    """

    def __init__(
        self, cells: xr.Dataset, where: str, word: str = "", *, one_test_set: bool = False
    ) -> None:
        self.where, self.word = where, word
        self.unless = "" if cells.sizes["cell"] else f"{where}: no run"
        self.linear, forest = (tables(cells, name) for name in ("linear", "forest"))
        parts = list(zip(self.linear, forest, _training(cells), strict=True))
        self.phases = [linear_phase.phase(*part) for part in parts]
        rng = np.random.default_rng(0)
        self._draws = [_drawn_anew(part, rng) for part in parts] if one_test_set else []

    def mean(self, name: str) -> Estimate:
        """Over the runs; those without T0 are left out of what needs it."""
        value = attrgetter(name)
        values = map(value, self.phases)
        if not self._draws:
            return claims.mean(values)
        errors = (float(np.nanstd([*map(value, draws)])) for draws in self._draws)
        return claims.mean_on_one_test_set(values, errors)

    def told(self, name: str) -> str:
        """The mean with its interval, for a page."""
        found = self.mean(name)
        return "{:.3f} [{:.3f}, {:.3f}]".format(found.value, *found.interval or (np.nan, np.nan))

    def matched(self) -> Estimate:
        """The share of runs with T0."""
        return claims.share(np.isfinite([run.match for run in self.phases]))

    def by_chance(self, name: str) -> Estimate:
        """The statistic with R in the place of L: drawn anew, as accurate as L, unrelated to F.

        One draw a run, so that seeds stay the unit.
        """
        rng = np.random.default_rng(0)
        drawn = [linear_phase.redrawn(table, 1, rng)[0] for table in self.linear]
        return claims.mean(getattr(linear_phase.phase(one, one, one), name) for one in drawn)

    def select(self, chosen: Iterable[bool], where: str) -> "Setting":
        """Some of the runs."""
        found, kept = copy.copy(self), list(chosen)
        found.where, found.linear = where, self.linear[kept]
        found.phases = list(itertools.compress(self.phases, kept))
        found._draws = list(itertools.compress(self._draws, kept))
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
        return claims.check(
            runs, id, "empirical", f"{self.where}: {statistic}", found, rule, against,
            unless=self.unless or unless,
        )  # fmt: skip


def _drawn_anew(tables: Iterable[NDArray], rng: Generator) -> list[Phase]:
    """A run's numbers with its test points drawn again, `BOOTSTRAP_DRAWS` times."""
    drawn = [information.bootstrap(table, BOOTSTRAP_DRAWS, rng) for table in tables]
    return [linear_phase.phase(*one) for one in zip(*drawn, strict=True)]


def _random(found: Estimate, rule: Criterion) -> Control:
    """R, of which an estimate is `found`, must fail the rule."""
    what = "R drawn anew in the place of L, as accurate as L"
    return claims.control(what, found, claims.fails(rule))


def explained(runs: Runs, setting: Setting) -> list[Check]:
    """N4: nearly all of what F knows before T0 is explained by L, far more than by R."""
    rule, more = claims.at_least(ENOUGH), claims.interval_above(0)
    return [
        setting.judge(
            runs, "N4", "mean of mu / I(F;Y) up to T0", setting.mean("explained"), rule,
            _random(setting.mean("explained_by_random"), rule),
        ),
        setting.judge(
            runs, "N4.lead", "the same minus what R explains", setting.mean("lead"), more,
            _random(setting.by_chance("lead"), more),
        ),
    ]  # fmt: skip


def matched(runs: Runs, setting: Setting, never: Control, unless: str = "") -> list[Check]:
    """N5: F comes to know as much as L does."""
    rule, name = claims.every_seed(), "share of runs with T0"
    return [setting.judge(runs, "N5", name, setting.matched(), rule, never, unless)]


def retained(
    runs: Runs, setting: Setting, other: Setting | None = None, forgets: Control | None = None,
    unless: str = "",
) -> list[Check]:  # fmt: skip
    """N7: what L explained stays explained when F knows half as much again.

    The index is judged at this level and not at the end, where a good F has mu near I(L;Y) whatever
    L is. `other` are runs of a network that never was linear, `forgets` a control of the second
    check.
    """
    rule = claims.interval_above(0.5)
    found = setting.mean("index_gained")
    name = f"retention index where I(F;Y) = {linear_phase.GAINED:g} I(L;Y)"
    against = _not_linear(setting, other, rule)
    forgets = forgets or no_control("on the sinusoid it fails with flipped labels")
    return [
        setting.judge(runs, "N7.index", name, found, rule, against, unless),
        kept(runs, "N7.peak", setting, forgets, unless),
    ]


def _not_linear(setting: Setting, other: Setting | None, rule: Criterion) -> Control:
    """The retention index of the other runs, or without any, of R."""
    if other is None:
        return _random(setting.by_chance("index_gained"), rule)
    wave = "a network that first learns the wave alone"
    return claims.control(wave, other.mean("index_gained"), claims.fails(rule))


def kept(runs: Runs, id: str, setting: Setting, against: Control, unless: str = "") -> Check:
    """The second check of N7; N8 in runs alone that end with their training labels fitted."""
    name, rule = "mu at the end over its largest value", claims.at_least(KEPT)
    return setting.judge(runs, id, name, setting.mean("kept_end"), rule, against, unless)


def widens(runs: Runs, setting: Setting, unless: str = "") -> Check:
    """N9: training and test information part only after T0."""
    return setting.judge(
        runs, "N9.part",
        "gap of information, training minus test, at T0 minus a tenth of that at the end, bits",
        setting.mean("open_at_match"), claims.interval_below(0),
        no_control("a question of the book's own; the settings differ"), unless,
    )  # fmt: skip


def alternatives(runs: Runs, setting: Setting, unless: str = "") -> list[Check]:
    """N19 and N21: independent errors, and a classifier as accurate as L, explain less.

    `unless` is of the second.
    """
    more, random = claims.interval_above(0), "over_random_end"
    is_control = "the forest is the control: equally accurate, on the same points, and not linear"
    return [
        setting.judge(
            runs, "N19.random", "mu minus that of R at the end, bits",
            setting.mean(random), more, _random(setting.by_chance(random), more),
        ),
        setting.judge(
            runs, "N21.forest", "mu minus that of an equally accurate forest at T0, bits",
            setting.mean("over_other"), more, no_control(is_control), unless,
        ),
    ]  # fmt: skip
