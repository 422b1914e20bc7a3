"""`simplicity run` (and `sweep`, a word for it) and `record`."""

import argparse
import dataclasses
import statistics
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import xarray as xr

from simplicity.cli import options as words
from simplicity.cli import telling
from simplicity.evidence import recompute, records
from simplicity.grid import sweep
from simplicity.grid.config import elements, parse
from simplicity.grid.groups import checks_of, config_of
from simplicity.grid.run import CellsFailed
from simplicity.grid.store import Store, encode
from simplicity.places import files, paths
from simplicity.problems import Problem
from simplicity.process import machine, pool

UNITS = (("days", 86400), ("h", 3600), ("min", 60))
NOTHING = "nothing to judge in these settings: try more seeds or other values"


def run_experiment(options: argparse.Namespace) -> int:
    """`simplicity run` and `sweep`: 0 also where a claim does not hold; 1 where cells failed.

    The other cells are kept. A setting with several values is an axis of a grid of runs, which is
    then not judged; a setting that is a list itself is one only after `-g`.
    """
    module = records.experiment(options.experiment)
    base, swept = _settings(options, module)
    words.check_running(options)
    into = _outputs(options)
    planned = _Planned(base, sweep.plan(module, base, swept))
    if options.dry_run:
        _tell_plan(module, planned.points, words.store(options))
        return 0
    return (_sweep if swept else _judge)(options, module, planned, into)


@dataclasses.dataclass(frozen=True)
class _Planned:
    """The settings that all runs share, and the points of the grid with their cells."""

    base: Any
    points: sweep.Plan


@dataclasses.dataclass(frozen=True)
class _Outputs:
    """Where the dataset and the tables go."""

    dataset: Path | None
    table: Path | None

    def write(self, dataset: xr.Dataset | None, told: str = "") -> None:
        """Where a dataset is there and asked for."""
        if self.dataset and dataset is not None:
            files.write(self.dataset, encode(dataset))
            if told:
                print(f"{told} in {self.dataset}")

    def refuse_same(self, path: Path) -> None:
        """A `Problem` where one of the tables would be written over the dataset."""
        if self.dataset is not None and files.same(path, self.dataset):
            raise Problem(
                f"csv: got {self.table}, whose table {path} is the output as well, "
                "allowed another file"
            )


def _settings(options: argparse.Namespace, module: ModuleType) -> tuple[Any, dict[str, list[Any]]]:
    """The settings that have one value, and those that have several."""
    seeds = [] if options.seeds is None else [f"seeds={options.seeds}"]
    given = words.parameters([*options.parameter, *seeds])
    fixed, swept = words.apart(module, given)
    swept |= words.grid(options.grid, given, partial(elements, config_of(module)))
    return parse(config_of(module), fixed, words.preset(module, options.preset)), swept


def _outputs(options: argparse.Namespace) -> _Outputs:
    dataset = words.output(options.output)
    return _Outputs(dataset, words.table(options.csv, dataset))


def _judge(
    options: argparse.Namespace, module: ModuleType, planned: _Planned, into: _Outputs
) -> int:
    """One run and its checks."""
    try:
        dataset = words.computed(options, module, planned.base)
    except CellsFailed as failed:
        into.write(failed.dataset)
        return _failed(str(failed))
    with words.told_apart(into.dataset):
        print(_lines(module, dataset) or NOTHING)
        into.write(dataset, f"{dataset.sizes['cell']} cells")
        if into.table:
            whole = _as_sweep(module, planned, dataset)
            _write(whole, planned.points, _Outputs(None, into.table))
    return 0


def _as_sweep(module: ModuleType, planned: _Planned, dataset: xr.Dataset) -> xr.Dataset:
    """One run laid out as a sweep of it would be."""
    cells = enumerate(planned.points.distinct)
    parts = {cell: _of_cell(cell, dataset.isel(cell=place)) for place, cell in cells}
    whole = sweep.assemble(module, planned.base, planned.points, parts)
    assert whole is not None
    return whole


def _of_cell(cell: Any, part: xr.Dataset) -> xr.Dataset:
    """What `measure` gave for a cell: its part of a run without the cell's fields."""
    return part.drop_vars([field.name for field in dataclasses.fields(cell)])


def _sweep(
    options: argparse.Namespace, module: ModuleType, planned: _Planned, into: _Outputs
) -> int:
    """Every run of a grid of settings."""
    clock = time.perf_counter()
    found = _swept(options, module, planned)
    seconds = duration(time.perf_counter() - clock)
    failed, total = len(found.failures), len(planned.points.distinct)
    with words.told_apart(into.dataset):
        print(f"{_counted(found, total)}; {seconds}")
        if found.dataset is not None:
            _write(found.dataset, planned.points, into)
    if failed:
        return _failed(f"{failed} of {total} cells failed; the same command tries them again")
    return 0


def _counted(found: sweep.Sweep, total: int) -> str:
    failed = len(found.failures)
    computed = f"{total - found.stored - failed} computed, {found.stored} from the store"
    return f"{total} cells: {computed}, {failed} failed"


def _swept(options: argparse.Namespace, module: ModuleType, planned: _Planned) -> sweep.Sweep:
    limit = words.limit(options)
    with words.executor(options, module) as executor:
        where = executor, words.store(options)
        return sweep.sweep(
            module, planned.base, planned.points, *where, limit_seconds=limit, lines=True
        )


def _write(dataset: xr.Dataset, points: sweep.Plan, into: _Outputs) -> None:
    for line in _not_finite(dataset):
        print(line)
    tables = _tables(dataset, into)
    into.write(dataset, _shape(points))
    if into.table:
        _write_tables(into.table, tables)


def record_experiment(options: argparse.Namespace) -> int:
    """`simplicity record`"""
    module = _of_book(options.experiment)
    paths.root()
    words.check_running(options)
    if options.carry:
        print(recompute.carry(module))
        return 0
    try:
        _record(options, module)
    except CellsFailed as failed:
        return _failed(str(failed))
    print(_lines(module, records.dataset(module)))
    return 0


def _of_book(name: str) -> ModuleType:
    module = records.experiment(name)
    if module.__name__ not in records.modules():
        raise Problem(
            f"record: got {name}, allowed an experiment of the book; "
            "`simplicity run` keeps any other"
        )
    return module


def _record(options: argparse.Namespace, module: ModuleType) -> None:
    """Run it and write its record."""
    shelf = Store(words.store(options))
    if str(machine.commit(paths.root())).endswith("+changes"):
        told = "the record will say that its code is in no commit; a criterion is committed first"
        print(f"note: {told}", file=sys.stderr)
    with words.executor(options, module) as executor:
        print(records.make(module, shelf, executor))


def duration(seconds: float) -> str:
    """Seconds in the unit that a person would use."""
    for unit, length in UNITS:
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"


def _tell_plan(module: ModuleType, points: sweep.Plan, folder: Path) -> None:
    """What a sweep would do."""
    there, seconds = sweep.remaining(module, points, folder)
    missing = len(points.distinct) - there
    print(_cells(points))
    print(f"{there} stored in {folder}, {missing} to compute")
    print(_estimate(seconds, missing))


def _cells(points: sweep.Plan) -> str:
    """How many there are, and of what grid."""
    shape = f": {_shape(points)}; a cell that several points share counts once"
    return f"{len(points.distinct)} cells{shape if points.axes else ''}"


def _estimate(seconds: Sequence[float], missing: int) -> str:
    """Cells differ in cost, hence an estimate from the median and one from the mean."""
    if not seconds:
        return "no estimate: no cell of this experiment is stored yet"
    workers = max(1, pool.workers_from_environment())
    median, mean = statistics.median(seconds), statistics.fmean(seconds)
    low, high = (duration(missing * each / workers) for each in sorted((median, mean)))
    each = f"median {median:.3g} s, mean {mean:.3g} s, longest {max(seconds):.3g} s"
    stored = f"{len(seconds)} stored cells: {each}"
    return f"estimate: {low} to {high} with {workers} at a time ({stored})"


def _shape(points: sweep.Plan) -> str:
    return "grid of " + " x ".join(f"{len(values)} {name}" for name, values in points.axes.items())


def _not_finite(dataset: xr.Dataset) -> list[str]:
    """What is not finite, in words: curves may end early, other values are to be looked at."""
    finished = dataset["finished"]
    total = int(finished.sum())
    return [
        f"note: {name} {what} in {int(cells.sum())} of {total} places: {why}"
        for name, variable in dataset.data_vars.items()
        if variable.dtype.kind == "f"
        for cells, what, why in _odd(variable, finished)
        if cells.any()
    ]


def _odd(variable: xr.DataArray, finished: xr.DataArray) -> list[tuple[xr.DataArray, str, str]]:
    """The finished cells whose curve ends early, and those with other values that are not finite;
    each with what is so, and why that may be.
    """
    inner = [dim for dim in variable.dims if dim not in finished.dims]
    odd = (~xr.apply_ufunc(np.isfinite, variable)).any(inner) & finished
    ended = odd & _ends_early(variable, inner)
    return [
        (ended, "ends early", "training stopped there, the rest was never computed"),
        (odd & ~ended, "is not finite", "a run diverged, or it is not defined there"),
    ]


def _tables(dataset: xr.Dataset, into: _Outputs) -> dict[Path, str]:
    """The table under the file's own name, those of the curves beside it."""
    if into.table is None:
        return {}
    tables = sweep.tables(dataset).items()
    found = {_beside(into.table, inner): table.to_csv(index=False) for inner, table in tables}
    for path in found:
        into.refuse_same(path)
    return found


def _beside(path: Path, inner: str) -> Path:
    """The file of the curves along the axes `inner`."""
    return path.with_name(f"{path.stem}.{inner}{path.suffix}") if inner else path


def _write_tables(path: Path, tables: dict[Path, str]) -> None:
    """Write and tell them; the curves of an earlier sweep into the same file go."""
    curves = [target.name for target in tables if target != path]
    together = files.Together(path)
    together.plan(curves)
    for target, text in tables.items():
        files.write_text(target, text)
    together.finish(curves)
    for target in tables:
        print(f"table in {target}")


def _ends_early(variable: xr.DataArray, inner: list[Any]) -> xr.DataArray:
    """Where a curve begins with numbers and has nothing but NaN after its last."""
    if len(inner) != 1:
        return xr.zeros_like(variable.any(inner), dtype=bool)
    axis = variable.get_axis_num(inner[0])
    ends = _numbers_then_nan(np.moveaxis(variable.values, axis, -1))
    return xr.DataArray(ends, dims=[dim for dim in variable.dims if dim != inner[0]])


def _numbers_then_nan(values: np.ndarray) -> np.ndarray:
    """Along the last axis."""
    finite = np.isfinite(values)
    falls_only = (finite[..., 1:] <= finite[..., :-1]).all(-1)
    result: np.ndarray = finite[..., 0] & falls_only & (finite | np.isnan(values)).all(-1)
    return result


def _lines(module: ModuleType, dataset: xr.Dataset) -> str:
    """Its checks, a line each."""
    return "\n".join(map(telling.line, checks_of(module, dataset)))


def _failed(text: str) -> int:
    print("error: " + " ".join(text.split()), file=sys.stderr)
    return 1
