"""The contract of an experiment: groups of runs of one kind, under three presets.

    class Run            frozen plain values of one run (`config.settings`), `seed` among them
    GRID = Grid(Run, groups=..., quick=..., full=..., tiny=...)
    measure(run)         -> an xarray.Dataset, the same variables and axes for every run
    checks(runs: Runs)   -> the Checks, which take their runs by the names of the groups

A group says which fields of its runs it fixes (a value), varies (a tuple) or derives (a function of
the run); what it does not name comes from the preset, and what no preset names from the class. The
first group is the main one.

    GRID = Grid(
        Run,
        groups={
            "settled": {"n": (120, 480)},
            "unaligned": {"scale": 1.0},
            "few": {"n": lambda run: run.dim},
        },
        quick={"width": 200, "seeds": 5},
        full={"width": 1000, "seeds": 30},
        tiny={"width": 20, "settled_n": (20,), "seeds": 2},
    )

What a user may give is in `Config`: every field of `Run` but the seed, `seeds` and `first_seed`,
and for each group but the main one what it names itself, as GROUP_FIELD. A field without a group
goes to the main group and to all that do not name it.
"""

import dataclasses
import functools
import itertools
import json
import typing
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import numpy as np
import xarray as xr

from simplicity.grid import config
from simplicity.problems import Problem

Values = Mapping[Any, Any]
PRESETS = ("TINY", "QUICK", "FULL")
_SEEDS = {
    "seeds": ("seeds, each with its own draws", 1, 10**5),
    "first_seed": ("the first of them", 0, 2**31 - 1),
}


class Grid:
    """Groups of runs of one kind, and what the presets change.

    QUICK is the default of everything else.

    `groups`: name -> fields. A tuple varies its field; a function derives it from the rest of the
    run; a tuple of names with a tuple of rows, `("n", "width"): ((10, 20), (40, 80))`, varies
    several together. `seeds` in a group: it takes that many at most. A group with an empty tuple
    has no runs.
    """

    def __init__(
        self,
        run: type,
        groups: Mapping[str, Values],
        quick: Values,
        full: Values | None = None,
        tiny: Values | None = None,
    ) -> None:
        self.run, self.groups, self.main = run, dict(groups), next(iter(groups))
        self._given = {"QUICK": dict(quick), "FULL": dict(full or {}), "TINY": dict(tiny or {})}
        self._fields = {field.name: field for field in dataclasses.fields(run)}
        self._types = typing.get_type_hints(run)
        for name in itertools.chain.from_iterable([self.groups, *self.groups.values()]):
            assert not isinstance(name, str) or name.isidentifier(), name

    # --- settings

    @functools.cached_property
    def Config(self) -> type:
        """The settings class of a whole run of the experiment: what a user may give."""
        space: dict[str, Any] = {"__annotations__": {}, "__module__": self.run.__module__}
        for name, (kind, default) in self._parameters().items():
            space["__annotations__"][name] = kind
            space[name] = default
        return config.settings(type("Config", (), space))

    def _parameters(self) -> dict[str, tuple[Any, Any]]:
        main, quick = self.groups[self.main], self._given["QUICK"]
        found = {}
        for name in dict.fromkeys([*main, *quick, *self._fields]):
            default = main.get(name, quick.get(name))
            if name in self._fields and name != "seed" and not callable(default):
                found[name] = self._parameter(name, name, quick.get(name, main.get(name)), "")
        for group, fields in self.groups.items():
            for name, value in fields.items() if group != self.main else ():
                if isinstance(name, str) and not callable(value):
                    full_name = f"{group}_{name}"
                    found[full_name] = self._parameter(
                        full_name, name, quick.get(full_name, value), f", group {group}"
                    )
        for name, (text, low, high) in _SEEDS.items():
            found[name] = (
                int,
                config.param(quick.get(name, 0 if low == 0 else 1), text, low=low, high=high),
            )
        return found

    def _parameter(self, name: str, field: str, value: Any, where: str) -> tuple[Any, Any]:
        """Type and declaration of a setting; it is a list if the groups or a preset make it one."""
        if field == "seeds":
            text, low, high = _SEEDS[field]
            return int, config.param(value, f"{text}, at most{where}", low=low, high=high)
        rule = dict(self._fields[field].metadata)
        default = self._fields[field].default if value is None else value
        listed = any(isinstance(given.get(name, default), tuple) for given in self._given.values())
        kind = self._types[field]
        rule["help"] += where
        metadata = rule | {"empty": bool(where)}
        if listed and not isinstance(default, tuple):
            default = (default,)
        kind = tuple[kind, ...] if listed else kind  # type: ignore[valid-type]
        return kind, dataclasses.field(default=default, metadata=metadata)

    @functools.cached_property
    def presets(self) -> dict[str, Any]:
        """TINY, QUICK and FULL as settings."""
        known = set(self.Config.__dataclass_fields__)  # type: ignore[attr-defined]
        for given in self._given.values():
            if unknown := {
                name for name in given if name not in known and not callable(given[name])
            }:
                raise TypeError(f"presets name {sorted(unknown)}, which no group and no run has")
        plain = {name: self._plain(name) for name in PRESETS}
        return {name: self.Config(**values) for name, values in plain.items()}

    def _plain(self, preset: str) -> dict[str, Any]:
        given = self._given["QUICK"] | self._given[preset]
        return {name: value for name, value in given.items() if not callable(value)}

    # --- runs

    def runs(self, settings: Any) -> list[Any]:
        """Every run of these settings once, seed by seed."""
        listed = [run for group in self.groups for run in self.of_group(group, settings)]
        return sorted(dict.fromkeys(listed), key=lambda run: run.seed)

    def of_group(self, group: str, settings: Any) -> list[Any]:
        """The runs of one group, seed by seed."""
        axes, derived = self._axes(group, settings)
        found = []
        for point in itertools.product(*axes.values()):
            values: dict[str, Any] = {}
            for name, value in zip(axes, point, strict=True):
                values |= (
                    {name: value} if isinstance(name, str) else dict(zip(name, value, strict=True))
                )
            found.append(self._completed(values, derived))
        return sorted(dict.fromkeys(found), key=lambda run: run.seed)

    def _axes(
        self, group: str, settings: Any
    ) -> tuple[dict[Any, tuple[Any, ...]], dict[str, Callable[[Any], Any]]]:
        own = self.groups[group]
        together = {one for name in own if not isinstance(name, str) for one in name}
        shared = {name: value for name, value in self._given["QUICK"].items() if callable(value)}
        shared |= {
            name: getattr(settings, name) for name in self._fields if hasattr(settings, name)
        }
        values: dict[Any, Any] = {
            name: value for name, value in shared.items() if name not in together
        }
        seeds = settings.seeds
        for name, value in own.items():
            if group != self.main or callable(value) or not isinstance(name, str):
                values[name] = (
                    getattr(settings, f"{group}_{name}", value) if isinstance(name, str) else value
                )
        if "seeds" in own:
            seeds = min(seeds, values.pop("seeds", own["seeds"]))
        values["seed"] = tuple(range(settings.first_seed, settings.first_seed + seeds))
        derived = {name: value for name, value in values.items() if callable(value)}
        axes = {
            name: value if isinstance(value, tuple) else (value,)
            for name, value in values.items()
            if name not in derived
        }
        return axes, derived

    def _completed(
        self, values: dict[str, Any], derived: Mapping[str, Callable[[Any], Any]]
    ) -> Any:
        run = self.run(**values)
        for name, value in derived.items():
            try:
                found = value(run)
            except (LookupError, ArithmeticError):
                raise Problem(
                    f"{name}: it does not follow from {run}, allowed settings from which it does"
                ) from None
            run = config.replaced(run, **{name: found})
        return run


class Runs:
    """A dataset of finished runs with its groups by name.

    `runs["few"]`, or a part of one, `runs("main", n=480)`.

    What was not run, or failed, is not there: a group may be empty. `settings` are those of the
    whole run.
    """

    def __init__(self, dataset: xr.Dataset, grid: Grid) -> None:
        self.dataset, self.grid = dataset, grid
        self.attrs = dataset.attrs
        self.settings: Any = config.parse(grid.Config, json.loads(dataset.attrs["config"]))
        names = [field.name for field in dataclasses.fields(grid.run)]
        self._cells = list(zip(*(dataset[name].values.tolist() for name in names), strict=True))
        self._groups: dict[str, list[Any]] = {}

    def __getitem__(self, group: str) -> xr.Dataset:
        return self(group)

    def __call__(self, group: str, **part: Any) -> xr.Dataset:
        """The runs of a group whose fields equal the given values, in the dataset's order.

        A tuple stands for any of its values.
        """
        if group not in self._groups:
            self._groups[group] = self.grid.of_group(group, self.settings)
        allowed = {
            name: value if isinstance(value, tuple) else (value,) for name, value in part.items()
        }
        wanted = {
            dataclasses.astuple(run)
            for run in self._groups[group]
            if all(getattr(run, name) in values for name, values in allowed.items())
        }
        return self.dataset.isel(
            cell=[place for place, cell in enumerate(self._cells) if cell in wanted]
        )

    def where(self, **part: Any) -> xr.Dataset:
        """The runs of all groups whose fields equal the given values (see `cells_where`)."""
        return cells_where(self.dataset, **part)

    @property
    def seeds(self) -> int:
        """How many seeds there are."""
        return len(np.unique(self.dataset["seed"].values))


def cells_where(dataset: xr.Dataset, **fields: Any) -> xr.Dataset:
    """The cells whose fields equal the given values (a tuple: any of them); possibly none."""
    mask = np.ones(dataset.sizes["cell"], dtype=bool)
    for name, wanted in fields.items():
        mask &= np.isin(dataset[name].values, wanted if isinstance(wanted, tuple) else (wanted,))
    return dataset.isel(cell=mask)


# --- what the rest of the house asks of an experiment


def declared(experiment: ModuleType) -> bool:
    """Does a module declare its runs as a `Grid`?"""
    return isinstance(getattr(experiment, "GRID", None), Grid)


def config_of(experiment: ModuleType) -> type:
    """The class of an experiment's settings."""
    found: type = experiment.GRID.Config
    return found


def preset(experiment: ModuleType, name: str) -> Any:
    """The settings of a preset."""
    return experiment.GRID.presets[name]


def run_type(experiment: ModuleType) -> type:
    """The class of an experiment's runs."""
    found: type = experiment.GRID.run
    return found


def runs_of(experiment: ModuleType, settings: Any) -> list[Any]:
    """The runs that settings ask for, each once."""
    return list(dict.fromkeys(experiment.GRID.runs(settings)))


def checks_of(experiment: ModuleType, dataset: xr.Dataset) -> list[Any]:
    """The checks of a run of an experiment."""
    return list(experiment.checks(Runs(dataset, experiment.GRID)))
