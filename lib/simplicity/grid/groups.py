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
from collections.abc import Callable, Iterable, Iterator, Mapping
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
        found = self._parameters()
        space = {name: default for name, (_, default) in found.items()}
        space["__annotations__"] = {name: kind for name, (kind, _) in found.items()}
        space["__module__"] = self.run.__module__
        return config.settings(type("Config", (), space))

    def _parameters(self) -> dict[str, tuple[Any, Any]]:
        """Setting -> its type and declaration."""
        found = {name: self._parameter(name, *given) for name, *given in self._given_by_name()}
        for name, (text, low, high) in _SEEDS.items():
            default = self._given["QUICK"].get(name, low)
            found[name] = int, config.param(default, text, low=low, high=high)
        return found

    def _given_by_name(self) -> Iterator[tuple[str, str, Any, str]]:
        """Setting, its field, its default (None: that of the field) and in words its group."""
        main, quick = self.groups[self.main], self._given["QUICK"]
        for name in dict.fromkeys([*main, *quick, *self._fields]):
            derived = callable(main.get(name, quick.get(name)))
            if name in self._fields and name != "seed" and not derived:
                yield name, name, quick.get(name, main.get(name)), ""
        for group in self.groups:
            if group != self.main:
                yield from self._given_in(group)

    def _given_in(self, group: str) -> Iterator[tuple[str, str, Any, str]]:
        """The same for what a group but the main one names itself."""
        for field, value in self.groups[group].items():
            if isinstance(field, str) and not callable(value):
                name = f"{group}_{field}"
                yield name, field, self._given["QUICK"].get(name, value), f", group {group}"

    def _parameter(self, name: str, field: str, value: Any, where: str) -> tuple[Any, Any]:
        """Type and declaration of a setting; it is a list if the groups or a preset make it one."""
        if field == "seeds":
            text, low, high = _SEEDS[field]
            return int, config.param(value, f"{text}, at most{where}", low=low, high=high)
        default = self._fields[field].default if value is None else value
        kind, rule = self._types[field], dict(self._fields[field].metadata)
        if self._is_list(name, default):
            kind = tuple[kind, ...]  # type: ignore[valid-type]
            default = default if isinstance(default, tuple) else (default,)
        rule |= {"help": rule["help"] + where, "empty": bool(where)}
        return kind, dataclasses.field(default=default, metadata=rule)

    def _is_list(self, name: str, default: Any) -> bool:
        each = (given.get(name, default) for given in self._given.values())
        return any(isinstance(value, tuple) for value in each)

    @functools.cached_property
    def presets(self) -> dict[str, Any]:
        """TINY, QUICK and FULL as settings."""
        return {name: self._preset(self._given["QUICK"] | self._given[name]) for name in PRESETS}

    def _preset(self, given: Values) -> Any:
        plain = {name: value for name, value in given.items() if not callable(value)}
        known = self.Config.__dataclass_fields__  # type: ignore[attr-defined]
        if unknown := plain.keys() - known.keys():
            raise TypeError(f"presets name {sorted(unknown)}, which no group and no run has")
        return self.Config(**plain)

    # --- runs

    def runs(self, settings: Any) -> list[Any]:
        """Every run of these settings once, seed by seed."""
        listed = [run for group in self.groups for run in self.of_group(group, settings)]
        return sorted(dict.fromkeys(listed), key=lambda run: run.seed)

    def of_group(self, group: str, settings: Any) -> list[Any]:
        """The runs of one group, seed by seed."""
        values = self._values(group, settings)
        derived = {name: value for name, value in values.items() if callable(value)}
        axes = [_along(name, value) for name, value in values.items() if name not in derived]
        found = [self._completed(_merged(point), derived) for point in itertools.product(*axes)]
        return sorted(dict.fromkeys(found), key=lambda run: run.seed)

    def _values(self, group: str, settings: Any) -> dict[Any, Any]:
        """What a group fixes, varies or derives: field (or fields together) -> value."""
        own = self.groups[group]
        together = {one for name in own if not isinstance(name, str) for one in name}
        shared = self._shared(settings)
        values: dict[Any, Any] = {name: shared[name] for name in shared if name not in together}
        values |= self._own(group, settings)
        seeds = min(settings.seeds, values.pop("seeds", own.get("seeds", settings.seeds)))
        values["seed"] = tuple(range(settings.first_seed, settings.first_seed + seeds))
        return values

    def _shared(self, settings: Any) -> dict[str, Any]:
        """What all groups have that do not name it."""
        derived = {name: value for name, value in self._given["QUICK"].items() if callable(value)}
        return derived | {
            name: getattr(settings, name) for name in self._fields if hasattr(settings, name)
        }

    def _own(self, group: str, settings: Any) -> dict[Any, Any]:
        """What a group names itself, with the value that it has in these settings."""
        found = {}
        for name, value in self.groups[group].items():
            if callable(value) or not isinstance(name, str):
                found[name] = value
            elif group != self.main:
                found[name] = getattr(settings, f"{group}_{name}", value)
        return found

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


def _merged(point: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: value for part in point for name, value in part.items()}


def _along(name: Any, value: Any) -> list[dict[str, Any]]:
    """The fields of a run at each place along one axis of a group."""
    listed = value if isinstance(value, tuple) else (value,)
    if isinstance(name, str):
        return [{name: one} for one in listed]
    return [dict(zip(name, row, strict=True)) for row in listed]


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
        self._groups: dict[str, np.ndarray] = {}

    def __getitem__(self, group: str) -> xr.Dataset:
        return self(group)

    def __call__(self, group: str, **part: Any) -> xr.Dataset:
        """The runs of a group whose fields equal the given values, in the dataset's order.

        A tuple stands for any of its values.
        """
        if group not in self._groups:
            self._groups[group] = self._in(group)
        return self.dataset.isel(cell=self._groups[group] & _mask(self.dataset, part))

    def _in(self, group: str) -> np.ndarray:
        """Which cells are of a group."""
        wanted = set(map(dataclasses.astuple, self.grid.of_group(group, self.settings)))
        return np.array([cell in wanted for cell in self._cells], dtype=bool)

    def where(self, **part: Any) -> xr.Dataset:
        """The runs of all groups whose fields equal the given values (see `cells_where`)."""
        return cells_where(self.dataset, **part)

    @property
    def seeds(self) -> int:
        """How many seeds there are."""
        return len(np.unique(self.dataset["seed"].values))


def cells_where(dataset: xr.Dataset, **fields: Any) -> xr.Dataset:
    """The cells whose fields equal the given values (a tuple: any of them); possibly none."""
    return dataset.isel(cell=_mask(dataset, fields))


def _mask(dataset: xr.Dataset, fields: Mapping[str, Any]) -> np.ndarray:
    mask = np.ones(dataset.sizes["cell"], dtype=bool)
    for name, wanted in fields.items():
        mask &= np.isin(dataset[name].values, wanted if isinstance(wanted, tuple) else (wanted,))
    return mask


# --- what the rest of the house asks of an experiment


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
