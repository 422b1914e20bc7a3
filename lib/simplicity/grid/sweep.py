"""A grid of settings: all points' cells in one run.

One dataset has the swept settings as axes.

The grid times the experiment's own cells. A cell that several points share (a control, for example)
is computed once. The result has an axis for each swept setting, then `cell` with each point's cells
in the order of the experiment, then the measures' own axes. `finished` tells which cells are there:
a point may have fewer cells than another, and some may have failed.
"""

import dataclasses
import functools
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from simplicity.grid import run as runs
from simplicity.grid import store as stores
from simplicity.grid.config import parse
from simplicity.grid.groups import config_of, runs_of
from simplicity.problems import Problem, shown
from simplicity.process.pool import Submits

MOST_POINTS = 100_000
ROW = "a finished cell"  # the axis of a table
Index = tuple[int, ...]
Parts = dict[Index, xr.Dataset]
Laid = tuple[tuple[Any, ...], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Plan:
    """The points of a sweep: the values along each axis, and each point's cells."""

    axes: dict[str, tuple[Any, ...]]
    cells: dict[Index, list[Any]]

    @functools.cached_property
    def places(self) -> dict[Index, Any]:
        """Every cell by its place: along the axes its point's, then its own in the point."""
        return {
            (*index, at): cell
            for index, cells in self.cells.items()
            for at, cell in enumerate(cells)
        }

    @functools.cached_property
    def distinct(self) -> list[Any]:
        """Every cell once."""
        return list(dict.fromkeys(self.places.values()))

    @functools.cached_property
    def sizes(self) -> dict[str, int]:
        """How long the axes are, and `cell`: as long as the point with the most cells needs."""
        lengths = {name: len(values) for name, values in self.axes.items()}
        return lengths | {"cell": max(map(len, self.cells.values()))}


@dataclasses.dataclass(frozen=True)
class Sweep:
    """What came out: the dataset, the failures, and how many cells were stored before.

    The dataset is None where no cell finished.
    """

    dataset: xr.Dataset | None
    failures: tuple[runs.Failure, ...]
    stored: int


def plan(experiment: ModuleType, base: Any, swept: Mapping[str, Sequence[Any]]) -> Plan:
    """The points for `swept` (setting -> values, text or plain) around `base`.

    Nothing is run.

    Without any there is one point, and no axis. A setting that is a list takes one element a point.
    Raises `Problem` where any point's settings are refused.
    """
    axes = {name: _values(experiment, base, name, given) for name, given in swept.items()}
    points = math.prod(len(values) for values in axes.values())
    if points > MOST_POINTS:
        raise Problem(f"grid: got {points} points, allowed at most {MOST_POINTS}")
    cells = {}
    for index, point in _points(axes):
        cells[index] = runs_of(experiment, parse(config_of(experiment), point, base))
    found = Plan(axes, cells)
    runs.check(stores.name_of(experiment), found.distinct)
    return found


def _points(axes: Mapping[str, Sequence[Any]]) -> Iterator[tuple[Index, dict[str, Any]]]:
    """Each place on the axes, and the values there."""
    for index in np.ndindex(*map(len, axes.values())):
        each = zip(axes.items(), index, strict=True)
        yield index, {name: values[at] for (name, values), at in each}


def _values(experiment: ModuleType, base: Any, name: str, given: Sequence[Any]) -> tuple[Any, ...]:
    """The values of one axis as the setting's own type; a list's elements one by one."""
    if not given:
        raise Problem(f"{name}: got no values, allowed at least one")
    values: list[Any] = []
    for value in given:
        one = _element(name, value, parse(config_of(experiment), {name: value}, base))
        if one in values:
            raise Problem(f"{name}: got {shown(one)} twice, allowed once")
        values.append(one)
    return tuple(values)


def _element(name: str, value: Any, settings: Any) -> Any:
    """What the `settings` made of a value; of a list its only element."""
    found = getattr(settings, name)
    if not isinstance(found, tuple):
        return found
    if len(found) != 1:
        raise Problem(f"{name}: got {shown(value)}, allowed one element for each point of the grid")
    return found[0]


def sweep(
    experiment: ModuleType,
    base: Any,
    swept: Plan | Mapping[str, Sequence[Any]],
    executor: Submits | None = None,
    store: Path | stores.Store | None = None,
    progress: bool = True,
    limit_seconds: float | None = None,
    lines: bool = False,
) -> Sweep:
    """Every cell of every point, as `run` computes and stores them, and what came out."""
    points = swept if isinstance(swept, Plan) else plan(experiment, base, swept)
    found = runs.collect(
        experiment, points.distinct, executor, store, progress, limit_seconds, lines
    )
    return Sweep(assemble(experiment, base, points, found.finished), found.failures, found.stored)


def assemble(
    experiment: ModuleType, base: Any, points: Plan, finished: Mapping[Any, xr.Dataset]
) -> xr.Dataset | None:
    """One dataset with the swept settings as its first axes; None where nothing is finished."""
    for cells in points.cells.values():
        runs.check_axes(experiment, [(cell, finished[cell]) for cell in cells if cell in finished])
    parts = {
        place: _renamed(finished[cell], points.axes)
        for place, cell in points.places.items()
        if cell in finished
    }
    if not parts:
        return None
    axes = {name: list(values) for name, values in points.axes.items()}
    attributes = {
        "experiment": stores.name_of(experiment),
        "config": json.dumps(dataclasses.asdict(base), sort_keys=True),
        "swept": json.dumps(axes),
        "fingerprint": stores.fingerprint(experiment),
    }
    coordinates = _coordinates(points, parts) | _fields(points) | axes
    return xr.Dataset(_measured(points, parts), coordinates, attributes)


def _renamed(part: xr.Dataset, axes: Iterable[str]) -> xr.Dataset:
    """A cell's dataset where what has the name of an axis of the grid is called `cell_` NAME."""
    taken = {*part.variables, *part.dims} & {*axes, "finished"}
    return part.rename({name: f"cell_{name}" for name in taken})


def _measured(points: Plan, parts: Parts) -> dict[Any, Laid]:
    """What was measured, along the axes and `cell`; `finished` tells which cells are there."""
    there = np.zeros(tuple(points.sizes.values()), dtype=bool)
    for place in parts:
        there[place] = True
    found = {name: _laid(points.sizes, _each(parts, name)) for name in _first(parts).data_vars}
    return found | {"finished": (tuple(points.sizes), there)}


def _coordinates(points: Plan, parts: Parts) -> dict[Any, Laid]:
    """Those of what was measured, once where all points agree, else along the axes.

    All cells of a point agree. Where several axes are needed, none may have the coordinate's name.
    """
    heads = {place[:-1]: part for place, part in reversed(parts.items())}
    axes = {name: len(values) for name, values in points.axes.items()}
    each = ((name, _each(heads, name)) for name in _first(parts).coords)
    return dict(_coordinate(name, values, axes) for name, values in each)


def _coordinate(
    name: Any, each: Mapping[Index, xr.Variable], axes: Mapping[str, int]
) -> tuple[Any, Laid]:
    """One of them, under the name that it then has."""
    first = next(iter(each.values()))
    if all(one.equals(first) for one in each.values()):
        return name, (first.dims, first.values)
    return f"{name}_values" if name in first.dims else name, _laid(axes, each)


def _fields(points: Plan) -> dict[Any, Laid]:
    """The fields of all cells, finished or not, along `cell` and the axes that they depend on."""
    found: dict[Any, Laid] = {}
    for field in dataclasses.fields(points.distinct[0]):
        laid = _field(points, field.name)
        if field.name not in points.axes:
            found[field.name] = laid.dims, laid.values
        elif not _repeats(laid, field.name, points):
            found[f"cell_{field.name}"] = laid.dims, laid.values
    return found


def _field(points: Plan, name: str) -> xr.Variable:
    values = {at: xr.Variable((), getattr(cell, name)) for at, cell in points.places.items()}
    return _along_fewest(xr.Variable(*_laid(points.sizes, values)), points.axes)


def _repeats(laid: xr.Variable, name: str, points: Plan) -> bool:
    """Does a field say no more than the axis of its name?"""
    if laid.dims != (name, "cell"):
        return False
    return not (laid.values.T != np.array(points.axes[name])).any()


def _along_fewest(laid: xr.Variable, axes: Iterable[str]) -> xr.Variable:
    """Without the axes along which nothing changes."""
    for axis in axes:
        one = laid.isel({axis: 0})
        laid = one if one.set_dims(laid.sizes).equals(laid) else laid
    return laid


def _laid(axes: Mapping[str, int], each: Mapping[Index, xr.Variable]) -> Laid:
    """Variables, each at its place along these axes, with gaps filled.

    Whole numbers become floats where some are missing, as no whole number stands for `none`.
    """
    sizes = [max(lengths) for lengths in zip(*(one.shape for one in each.values()), strict=True)]
    array = _gaps((*axes.values(), *sizes), list(each.values()))
    for place, one in each.items():
        where: Any = (*place, *map(slice, one.shape), ...)
        array[where] = one.values
    return (*axes, *next(iter(each.values())).dims), array


def _gaps(shape: tuple[int, ...], to_come: Sequence[xr.Variable]) -> np.ndarray:
    """An array of this shape for these variables, with nothing but gaps in it."""
    kind = np.result_type(*{one.dtype for one in to_come})
    if kind.kind in "iub" and sum(one.size for one in to_come) < math.prod(shape):
        kind = np.dtype(np.float64)
    return np.full(shape, np.nan if kind.kind == "f" else np.zeros((), kind), kind)


def _each(parts: Parts, name: Any) -> dict[Index, xr.Variable]:
    return {place: part.variables[name] for place, part in parts.items()}


def _first(parts: Parts) -> xr.Dataset:
    return next(iter(parts.values()))


def remaining(experiment: ModuleType, points: Plan, folder: Path) -> tuple[int, list[float]]:
    """How many cells are stored in `folder`, and the seconds of the experiment's stored cells.

    Nothing is written.
    """
    shelf = stores.Store(folder, writable=False)
    there = sum(shelf.path(experiment, cell).is_file() for cell in points.distinct)
    entries = shelf.entries(stores.name_of(experiment))
    return there, [entry.seconds for entry in entries if entry.seconds is not None]


def tables(dataset: xr.Dataset) -> dict[str, pd.DataFrame]:
    """Tidy tables, a row an observation.

    Under "" the finished cells, under the name of an inner axis the values along it.
    """
    axes = list(json.loads(dataset.attrs["swept"]))
    flat = _flat(dataset, axes)
    inner = {name: tuple(dim for dim in one.dims if dim != ROW) for name, one in flat.items()}
    found = {}
    for dims in dict.fromkeys([(), *inner.values()]):
        names = [name for name in inner if inner[name] == dims]
        found[".".join(map(str, dims))] = _table(flat, axes, names, [ROW, *dims])
    return found


def _flat(dataset: xr.Dataset, axes: Sequence[str]) -> xr.Dataset:
    """The finished cells one below the other."""
    flat = dataset.stack({ROW: [*axes, "cell"]}, create_index=False)
    return flat.isel({ROW: np.flatnonzero(flat["finished"].values)}).drop_vars("finished")


def _table(
    flat: xr.Dataset, axes: Sequence[str], names: Sequence[Any], dims: Sequence[Any]
) -> pd.DataFrame:
    """The axes of the grid, the cells' fields, the places along the inner axes, and the values."""
    fields = _along(flat, dims[0])
    fields.sort(key=lambda name: name not in axes)
    part = flat[[*fields, *names]].to_dataframe(dim_order=dims).reset_index()
    own = part.columns.difference([dims[0], *fields, *names], sort=False)
    return part[[*fields, *own, *names]]


def _along(flat: xr.Dataset, row: Any) -> list[Any]:
    """The coordinates that have one value a row."""
    return [name for name, one in flat.coords.items() if one.dims == (row,)]
