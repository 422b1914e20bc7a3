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
from collections.abc import Mapping, Sequence
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
from simplicity.problems import Problem, no_such, shown
from simplicity.process.pool import Submits

MOST_POINTS = 100_000
Index = tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Plan:
    """The points of a sweep: the values along each axis, and each point's settings and cells."""

    axes: dict[str, tuple[Any, ...]]
    configs: dict[Index, Any]
    cells: dict[Index, tuple[Any, ...]]

    @functools.cached_property
    def distinct(self) -> list[Any]:
        """Every cell once."""
        return list(dict.fromkeys(cell for cells in self.cells.values() for cell in cells))


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
    configs = {
        index: parse(
            config_of(experiment),
            {name: axes[name][at] for name, at in zip(axes, index, strict=True)},
            base,
        )
        for index in np.ndindex(*(len(values) for values in axes.values()))
    }
    cells = {index: tuple(runs_of(experiment, config)) for index, config in configs.items()}
    found = Plan(axes, configs, cells)
    runs.check(stores.name_of(experiment), found.distinct)
    return found


def _values(experiment: ModuleType, base: Any, name: str, given: Sequence[Any]) -> tuple[Any, ...]:
    """The values of one axis as the setting's own type; a list's elements one by one."""
    names = [field.name for field in dataclasses.fields(config_of(experiment))]
    if name not in names:
        raise Problem(no_such("parameter", name, names))
    if not given:
        raise Problem(f"{name}: got no values, allowed at least one")
    values = []
    for value in given:
        coerced = getattr(parse(config_of(experiment), {name: value}, base), name)
        if isinstance(coerced, tuple):
            if len(coerced) != 1:
                raise Problem(
                    f"{name}: got {shown(value)}, allowed one element for each point of the grid"
                )
            (coerced,) = coerced
        if coerced in values:
            raise Problem(f"{name}: got {shown(coerced)} twice, allowed once")
        values.append(coerced)
    return tuple(values)


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
    parts: dict[Index, xr.Dataset] = {}
    places: dict[Index, list[int]] = {}
    for index, cells in points.cells.items():
        kept = [place for place, cell in enumerate(cells) if cell in finished]
        whole = runs.assemble(
            experiment,
            points.configs[index],
            [(cells[place], finished[cells[place]]) for place in kept],
        )
        if whole is not None:
            parts[index] = _apart(whole, cells[0], points.axes)
            places[index] = kept
    if not parts:
        return None
    first = next(iter(parts.values()))
    most = max(len(cells) for cells in points.cells.values())
    shape = tuple(len(values) for values in points.axes.values())
    laid = {
        name: _lay(name, parts, places, shape, most, tuple(points.axes)) for name in first.variables
    }
    laid |= _fields(points, shape, most)
    there = np.zeros((*shape, most), dtype=bool)
    for index, kept in places.items():
        there[index][kept] = True
    coordinates = {name: value for name, value in laid.items() if name not in first.data_vars}
    variables = {name: value for name, value in laid.items() if name in first.data_vars}
    attributes = {
        "experiment": stores.name_of(experiment),
        "config": json.dumps(dataclasses.asdict(base), sort_keys=True),
        "swept": json.dumps({name: list(values) for name, values in points.axes.items()}),
        "fingerprint": stores.fingerprint(experiment),
    }
    axes = {name: list(values) for name, values in points.axes.items()}
    return xr.Dataset(
        variables | {"finished": ((*axes, "cell"), there)}, _allowed(coordinates) | axes, attributes
    )


Laid = tuple[tuple[Any, ...], np.ndarray]


def _apart(part: xr.Dataset, cell: Any, axes: Mapping[str, tuple[Any, ...]]) -> xr.Dataset:
    """A point's dataset without the cells' fields.

    What has the name of an axis of the grid is called `cell_` NAME.
    """
    part = part.drop_vars([field.name for field in dataclasses.fields(cell)])
    return part.rename(
        {
            name: f"cell_{name}"
            for name in (*axes, "finished")
            if name in part.variables or name in part.dims
        }
    )


def _lay(
    name: Any,
    parts: Mapping[Index, xr.Dataset],
    places: Mapping[Index, Sequence[int]],
    shape: Index,
    most: int,
    axes: tuple[str, ...],
) -> Laid:
    """One variable of all points, each cell at its place, gaps filled.

    What is the same at all points is laid once.
    """
    variables = {index: part[name].variable for index, part in parts.items()}
    first = next(iter(variables.values()))
    if "cell" not in first.dims and all(one.equals(first) for one in variables.values()):
        return first.dims, first.values
    sizes = [max(sizes) for sizes in zip(*(one.shape for one in variables.values()), strict=True)]
    sizes = [most if dim == "cell" else size for dim, size in zip(first.dims, sizes, strict=True)]
    full = len(variables) == math.prod(shape) and all(
        list(one.shape) == sizes for one in variables.values()
    )
    array = _empty(
        (*shape, *sizes), np.result_type(*(one.dtype for one in variables.values())), full
    )
    for index, one in variables.items():
        where = [
            places[index] if dim == "cell" else range(size)
            for dim, size in zip(first.dims, one.shape, strict=True)
        ]
        array[(*index, *np.ix_(*where))] = one.values  # type: ignore[index]  # `where` has ranges, not objects
    return (*axes, *first.dims), array


def _empty(shape: Sequence[int], kind: np.dtype, full: bool) -> np.ndarray:
    """Room for values.

    Whole numbers become floats where some are missing, as no whole number stands for `none`.
    """
    kind = kind if full or kind.kind not in "iub" else np.dtype(np.float64)
    return np.full(shape, np.nan if kind.kind == "f" else np.zeros((), kind), kind)


def _fields(points: Plan, shape: Index, most: int) -> dict[Any, Laid]:
    """The fields of all cells, finished or not, along `cell` and the axes that they depend on."""
    found: dict[Any, Laid] = {}
    for field in dataclasses.fields(points.distinct[0]):
        values = {
            index: np.array([getattr(cell, field.name) for cell in cells])
            for index, cells in points.cells.items()
        }
        full = all(len(one) == most for one in values.values())
        array = _empty(
            (*shape, most), np.result_type(*(one.dtype for one in values.values())), full
        )
        for index, one in values.items():
            array[index][: len(one)] = one
        dims = (*points.axes, "cell")
        for place in reversed(range(len(shape))):
            slices = np.moveaxis(array, place, 0)
            if all(
                np.array_equal(slices[0], one, equal_nan=array.dtype.kind == "f") for one in slices
            ):
                array, dims = slices[0], dims[:place] + dims[place + 1 :]
        own = points.axes.get(field.name)
        if own is None:
            found[field.name] = dims, array
        elif dims != (field.name, "cell") or any(
            (row != value).any() for row, value in zip(array, own, strict=True)
        ):
            found[f"cell_{field.name}"] = dims, array  # more than a repetition of the axis
    return found


def _allowed(coordinates: Mapping[Any, Laid]) -> dict[Any, Laid]:
    """Another name for a coordinate that names an axis and differs between points.

    It has several axes then.
    """
    return {
        f"{name}_values" if name in dims and len(dims) > 1 else name: (dims, array)
        for name, (dims, array) in coordinates.items()
    }


def remaining(experiment: ModuleType, points: Plan, folder: Path) -> tuple[int, list[float]]:
    """How many cells are stored in `folder`, and the seconds of the experiment's stored cells.

    Nothing is written.
    """
    shelf = stores.Store(folder, writable=False)
    there = sum(shelf.path(experiment, cell).is_file() for cell in points.distinct)
    return there, [
        entry.seconds
        for entry in shelf.entries(stores.name_of(experiment))
        if entry.seconds is not None
    ]


def tables(dataset: xr.Dataset) -> dict[str, pd.DataFrame]:
    """Tidy tables, a row an observation.

    Under "" the finished cells, under the name of an inner axis the values along it.
    """
    axes = list(json.loads(dataset.attrs["swept"]))
    flat = dataset.stack(row=[*axes, "cell"], create_index=False)
    flat = flat.isel(row=np.flatnonzero(flat["finished"].values)).drop_vars("finished")
    inner = {name: tuple(dim for dim in flat[name].dims if dim != "row") for name in flat.data_vars}
    fields = [
        *axes,
        *(
            name
            for name in flat.coords
            if flat[name].dims == ("row",) and name not in (*axes, "cell")
        ),
    ]
    found = {}
    for dims in dict.fromkeys([(), *inner.values()]):
        names = [name for name in inner if inner[name] == dims]
        part = (
            flat[names]
            .drop_vars("row", errors="ignore")
            .to_dataframe(dim_order=["row", *dims])
            .reset_index()
        )
        own = [name for name in part.columns if name not in (*fields, *names, "row")]
        found[".".join(str(dim) for dim in dims)] = part[
            list(dict.fromkeys([*fields, *own, *names]))
        ]
    return found
