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
from simplicity.evidence import recompute, records
from simplicity.evidence.ledger import number
from simplicity.grid import sweep
from simplicity.grid.config import elements, parse
from simplicity.grid.groups import checks_of, config_of
from simplicity.grid.run import CellsFailed
from simplicity.grid.store import Store, encode
from simplicity.places import files, paths
from simplicity.problems import Problem
from simplicity.process import machine, pool


def run_experiment(options: argparse.Namespace) -> int:
    """`simplicity run` and `sweep`: 0 also where a claim does not hold; 1 where cells failed.

    The other cells are kept. A setting with several values is an axis of a grid of runs, which is
    then not judged; a setting that is a list itself is one only after `-g`.
    """
    module = records.experiment(options.experiment)
    seeds = [] if options.seeds is None else [f"seeds={options.seeds}"]
    given = words.parameters([*options.parameter, *seeds])
    fixed, swept = words.apart(module, given)
    swept |= words.grid(options.grid, given, partial(elements, config_of(module)))
    base = parse(config_of(module), fixed, words.preset(module, options.preset))
    words.check_running(options)
    output = words.output(options.output)
    table = words.table(options.csv, output)
    points = sweep.plan(module, base, swept)
    if options.dry_run:
        _tell_plan(module, points, words.store(options))
        return 0
    run = _sweep if swept else _judge
    return run(options, module, base, points, output, table)


def _judge(
    options: argparse.Namespace,
    module: ModuleType,
    config: Any,
    points: sweep.Plan,
    output: Path | None,
    table: Path | None,
) -> int:
    """One run and its checks."""
    try:
        dataset = words.computed(options, module, config)
    except CellsFailed as failed:
        if output and failed.dataset is not None:
            files.write(output, encode(failed.dataset))
        return _failed(str(failed))
    lines = [_line(one) for one in checks_of(module, dataset)]
    with words.told_apart(output):
        print(
            "\n".join(lines) or "nothing to judge in these settings: try more seeds or other values"
        )
        if output:
            files.write(output, encode(dataset))
            print(f"{dataset.sizes['cell']} cells in {output}")
        if table:
            parts = {
                cell: _of_cell(cell, dataset.isel(cell=place))
                for place, cell in enumerate(points.distinct)
            }
            whole = sweep.assemble(module, config, points, parts)
            assert whole is not None
            _write(whole, points, None, table)
    return 0


def _of_cell(cell: Any, part: xr.Dataset) -> xr.Dataset:
    """What `measure` gave for a cell: its part of a run without the cell's fields."""
    return part.drop_vars([field.name for field in dataclasses.fields(cell)])


def _sweep(
    options: argparse.Namespace,
    module: ModuleType,
    base: Any,
    points: sweep.Plan,
    output: Path | None,
    table: Path | None,
) -> int:
    """Every run of a grid of settings."""
    clock = time.perf_counter()
    limit = words.limit(options)
    with words.executor(options, module) as executor:
        found = sweep.sweep(
            module, base, points, executor, words.store(options), limit_seconds=limit, lines=True
        )
    seconds = duration(time.perf_counter() - clock)
    failed, total = len(found.failures), len(points.distinct)
    computed = f"{total - found.stored - failed} computed, {found.stored} from the store"
    with words.told_apart(output):
        print(f"{total} cells: {computed}, {failed} failed; {seconds}")
        if found.dataset is not None:
            _write(found.dataset, points, output, table)
    if failed:
        return _failed(f"{failed} of {total} cells failed; the same command tries them again")
    return 0


def _write(
    dataset: xr.Dataset, points: sweep.Plan, output: Path | None, table: Path | None
) -> None:
    for line in _not_finite(dataset):
        print(line)
    tables = _tables(dataset, table) if table else {}
    for path in tables:
        if output is not None and files.same(path, output):
            raise Problem(
                f"csv: got {table}, whose table {path} is the output as well, allowed another file"
            )
    if output:
        files.write(output, encode(dataset))
        print(f"{_shape(points)} in {output}")
    if table:
        _write_tables(table, tables)


def record_experiment(options: argparse.Namespace) -> int:
    """`simplicity record`"""
    module = records.experiment(options.experiment)
    if module.__name__ not in records.modules():
        raise Problem(
            f"record: got {options.experiment}, allowed an experiment of the book; "
            "`simplicity run` keeps any other"
        )
    paths.root()
    words.check_running(options)
    if options.carry:
        print(recompute.carry(module))
        return 0
    shelf = Store(words.store(options))
    if str(machine.commit(paths.root())).endswith("+changes"):
        told = "the record will say that its code is in no commit; a criterion is committed first"
        print(f"note: {told}", file=sys.stderr)
    try:
        with words.executor(options, module) as executor:
            print(records.make(module, shelf, executor))
    except CellsFailed as failed:
        return _failed(str(failed))
    record = records.load(module)
    assert record is not None
    print("\n".join(map(_line, checks_of(module, record.dataset))))
    return 0


def duration(seconds: float) -> str:
    """Seconds in the unit that a person would use."""
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"


def _tell_plan(module: ModuleType, points: sweep.Plan, folder: Path) -> None:
    """What a sweep would do."""
    there, seconds = sweep.remaining(module, points, folder)
    total = len(points.distinct)
    shared = "; a cell that several points share counts once"
    print(f"{total} cells" + (f": {_shape(points)}{shared}" if points.axes else ""))
    print(f"{there} stored in {folder}, {total - there} to compute")
    if seconds:
        print(_estimate(seconds, total - there))
    else:
        print("no estimate: no cell of this experiment is stored yet")


def _estimate(seconds: Sequence[float], missing: int) -> str:
    """Cells differ in cost, hence an estimate from the median and one from the mean."""
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
    found = []
    for name, variable in dataset.data_vars.items():
        if variable.dtype.kind == "f":
            inner = [dim for dim in variable.dims if dim not in dataset["finished"].dims]
            odd = (~xr.apply_ufunc(np.isfinite, variable)).any(inner) & dataset["finished"]
            ended = odd & _ends_early(variable, inner)
            for cells, what, why in (
                (ended, "ends early", "training stopped there, the rest was never computed"),
                (odd & ~ended, "is not finite", "a run diverged, or it is not defined there"),
            ):
                if cells.any():
                    places = f"{int(cells.sum())} of {int(dataset['finished'].sum())} places"
                    found.append(f"note: {name} {what} in {places}: {why}")
    return found


def _tables(dataset: xr.Dataset, path: Path) -> dict[Path, str]:
    """The table under the file's own name, those of the curves beside it."""
    found = {}
    for inner, table in sweep.tables(dataset).items():
        name = f"{path.stem}.{inner}{path.suffix}" if inner else path.name
        found[path.with_name(name)] = table.to_csv(index=False)
    return found


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
    finite, values = np.isfinite(variable.values), variable.values
    falls_only = (np.diff(finite.astype(np.int8), axis=axis) <= 0).all(axis)
    ends = finite.take(0, axis) & falls_only & (finite | np.isnan(values)).all(axis)
    return xr.DataArray(ends, dims=[dim for dim in variable.dims if dim != inner[0]])


def _line(one: Any) -> str:
    control = one.control
    if one.holds is None and control.why:
        return f"{one.id}  not judged: {one.statistic} ({control.why})"
    interval = f" [{one.interval[0]:.4g}, {one.interval[1]:.4g}]" if one.interval else ""
    value = f"{one.statistic} = {number(one.value)}{interval} ({one.criterion})"
    against = f"{control.what} = {number(control.value)} ({control.criterion})"
    return f"{one.id}  {one.word}: {value}; control: {control.why or against}"


def _failed(text: str) -> int:
    print("error: " + " ".join(text.split()), file=sys.stderr)
    return 1
