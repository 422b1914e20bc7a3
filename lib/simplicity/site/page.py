"""What every chapter does: parameters to experiments, run them, load their records, judge.

    page = Page("early-linear-dynamics", linear_closeness, linear_width, given=globals())
    fresh, full = page[linear_width]       the page's own runs and the recorded ones, as `Runs`
    page.say(slope=mean_slope, rel=0.031)  numbers for the text, by name: {glue:text}`slope`
    page.verdict()                         the table of checks; asserts that they are as committed

A parameter goes to each experiment that has it with the chapter's own default as its QUICK value,
so that a page with nothing changed is a QUICK run. Where two parameters share a name with different
meanings, `where` says what an experiment gets: `where={kernel_exit: {"dim": dim}}`.

Numbers of recorded checks need no code: a text has them by id, as {check}`H7.erf_fresh:.2f` and
{control}`H7.erf_fresh:.2f`.
"""

import dataclasses
from collections.abc import Mapping
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from IPython.display import display
from myst_nb import glue

from simplicity.evidence import ledger, records
from simplicity.evidence.claims import Estimate
from simplicity.grid import config
from simplicity.grid.groups import Runs
from simplicity.grid.run import run
from simplicity.grid.store import name_of
from simplicity.places import paths
from simplicity.problems import Problem, no_such
from simplicity.site.sources import declared


class Both(NamedTuple):
    """An experiment's fresh runs, made by the page with its parameters, and its recorded ones."""

    fresh: Runs
    full: Runs


class Page:
    """The runs of one chapter, of whose parameters `given` has the values under their names."""

    def __init__(
        self,
        chapter: str,
        *experiments: ModuleType,
        given: Mapping[str, Any] | None = None,
        where: Mapping[ModuleType, Mapping[str, Any]] | None = None,
    ) -> None:
        defaults = published(chapter)
        given = {name: value for name, value in (given or {}).items() if name in defaults}
        self.runs: dict[ModuleType, Both] = {}
        for module in experiments:
            settings = settings_for(module, given, defaults, (where or {}).get(module, {}))
            both = run(module, settings), records.dataset(module)
            self.runs[module] = Both(*(Runs(dataset, module.GRID) for dataset in both))

    def __getitem__(self, experiment: ModuleType) -> Both:
        if experiment not in self.runs:
            raise Problem(
                no_such("experiment of this page", name_of(experiment), map(name_of, self.runs))
            )
        return self.runs[experiment]

    def say(self, **numbers: Any) -> None:
        """Each number for the text under its name; an estimate as its value."""
        for name, value in numbers.items():
            told = value.value if isinstance(value, Estimate) else value
            glue(name, told if isinstance(told, str) else float(np.asarray(told)), display=False)

    def verdict(self) -> None:
        """Show all checks, fresh and recorded; fail where one came out otherwise than committed."""
        judgement = ledger.judge(*(both.fresh.dataset for both in self.runs.values()))
        display(judgement)
        print(judgement.assert_expected())


def settings_for(
    experiment: ModuleType,
    given: Mapping[str, Any],
    defaults: Mapping[str, Any],
    own: Mapping[str, Any],
) -> Any:
    """An experiment's QUICK settings with those `given` values that it takes, and its `own`."""
    quick = experiment.GRID.presets["QUICK"]
    known = dataclasses.asdict(quick)
    taken = {
        name: value
        for name, value in given.items()
        if name in known and same(known[name], defaults[name])
    }
    return config.parse(experiment.GRID.Config, taken | dict(own), quick)


def same(one: Any, other: Any) -> bool:
    """Are two settings the same, a list of one value being as good as the value?"""
    first, second = _values(one), _values(other)
    return first == second and [*map(type, first)] == [*map(type, second)]


def _values(setting: Any) -> tuple[Any, ...]:
    return tuple(setting) if isinstance(setting, (tuple, list)) else (setting,)


def published(chapter: str) -> dict[str, Any]:
    """The parameters of a chapter with the values that its source gives them."""
    return declared(paths.book() / f"{chapter}.md")
