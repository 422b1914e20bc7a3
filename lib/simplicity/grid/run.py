"""Cells -> executor -> store -> one dataset.

An experiment is a module with a `Grid` of runs, `measure` and `checks` (see `groups`). A cell is
one run of it. Parallelism, resuming and progress are here, once, for all of them.

Processes are `pool`'s business, a cluster is `cluster`'s, several settings at once are `sweep`'s.
"""

import contextlib
import dataclasses
import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Future, as_completed
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import xarray as xr
from tqdm import tqdm

from simplicity.grid import progress_bar
from simplicity.grid import store as stores
from simplicity.grid.groups import PRESETS, preset, runs_of
from simplicity.places import paths
from simplicity.problems import Problem, Stopped, shown
from simplicity.process import checkpoints, companion, pool, threads
from simplicity.process.pool import Submits

STORE = "SIMPLICITY_STORE"
LARGEST = 2**31 - 1


@dataclasses.dataclass(frozen=True)
class Failure:
    """A cell that did not finish, and why in one line."""

    cell: dict[str, Any]
    reason: str


class CellsFailed(RuntimeError):
    """Some cells failed; the others are finished, stored, and in `dataset` (None where none is)."""

    def __init__(self, failures: Sequence[Failure], total: int, dataset: xr.Dataset | None) -> None:
        self.failures, self.dataset = tuple(failures), dataset
        first = failures[0]
        super().__init__(
            f"{len(failures)} of {total} cells failed, the first {first.cell}: {first.reason}"
        )


@dataclasses.dataclass(frozen=True)
class Collected:
    """What became of a list of cells; `stored` is how many were there before."""

    finished: dict[Any, xr.Dataset]
    failures: tuple[Failure, ...]
    stored: int


def run(
    experiment: ModuleType,
    config: Any,
    executor: Submits | None = None,
    store: Path | stores.Store | None = None,
    progress: bool = True,
    limit_seconds: float | None = None,
) -> xr.Dataset:
    """Every cell of `config`, computed or read from the store, as one dataset along `cell`.

    `executor` is any `concurrent.futures` executor; without one, SIMPLICITY_WORKERS processes, or a
    plain loop in this process where that is 0 or unset. All give the same bits. Each cell is stored
    the moment it is finished. A cell may take `limit_seconds` in our own processes (an hour where
    nothing is said); a limit alone asks for one process, since a loop cannot stop a cell. Raises
    `CellsFailed` once all others are done, `Stopped` when the executor or the disk gives up.
    """
    cells = runs_of(experiment, config)
    found = collect(experiment, cells, executor, store, progress, limit_seconds)
    parts = [(cell, found.finished[cell]) for cell in cells if cell in found.finished]
    whole = assemble(experiment, config, parts)
    if found.failures:
        raise CellsFailed(found.failures, len(cells), whole)
    assert whole is not None
    return whole


def collect(
    experiment: ModuleType,
    cells: Sequence[Any],
    executor: Submits | None = None,
    store: Path | stores.Store | None = None,
    progress: bool = True,
    limit_seconds: float | None = None,
    lines: bool = False,
) -> Collected:
    """Each of the different `cells`, from the store or computed and stored at once.

    Arguments are as in `run`.

    Progress is a bar on a terminal; elsewhere nothing, or with `lines` a line a minute.
    """
    _refuse_changed_library()
    check(stores.name_of(experiment), cells)
    shelf = _shelf(store)
    finished = _stored(experiment, cells, shelf)
    waiting, stored = [cell for cell in cells if cell not in finished], len(finished)
    failures: list[Failure] = []
    found = _outcomes(experiment, waiting, shelf, executor, limit_seconds)
    with (
        progress_bar.showing(len(cells), stored, experiment, progress, lines) as advance,
        contextlib.closing(found) as outcomes,
        _told_when_interrupted(experiment, cells, shelf),
    ):
        for cell, outcome in outcomes:
            if isinstance(outcome, Failure):
                failures.append(outcome)
                tqdm.write(f"failed: {outcome.cell}: {outcome.reason}", file=sys.stderr)
            else:
                finished[cell] = shelf.put(experiment, cell, *outcome).dataset
            advance()
    return Collected(finished, tuple(failures), stored)


def _stored(
    experiment: ModuleType, cells: Sequence[Any], shelf: stores.Store
) -> dict[Any, xr.Dataset]:
    """The cells that are there before."""
    there = {cell: shelf.get(experiment, cell) for cell in cells}
    return {cell: one.dataset for cell, one in there.items() if one is not None}


@contextlib.contextmanager
def _told_when_interrupted(
    experiment: ModuleType, cells: Sequence[Any], shelf: stores.Store
) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt as stop:
        there = sum(shelf.path(experiment, cell).is_file() for cell in cells)
        stop.args = (f"{there} of {len(cells)} cells are finished and stored",)
        raise


def check(name: str, cells: Sequence[Any]) -> None:
    """There is a cell, and each whole number in it fits into the files (NetCDF-3 has 32 bits)."""
    if not cells:
        raise Problem(f"{name}: these settings make no cells, allowed at least one")
    for field, value in (pair for cell in cells for pair in stores.plain(cell).items()):
        if isinstance(value, int) and abs(value) > LARGEST:
            raise Problem(f"{field}: got {shown(value)}, allowed a whole number up to {LARGEST}")


def _shelf(store: Path | stores.Store | None) -> stores.Store:
    return store if isinstance(store, stores.Store) else stores.Store(store or default_store())


def default_store() -> Path:
    """The folder that SIMPLICITY_STORE names.

    Else the book's own inside a checkout and the user's cache outside one.
    """
    given = os.environ.get(STORE)
    if given:
        return _expanded(given)
    try:
        return paths.build() / "store"
    except Problem:
        return paths.cache() / "store"


def _expanded(given: str) -> Path:
    try:
        return Path(given).expanduser()
    except RuntimeError as reason:  # no home, or no user of that name
        raise Problem(f"{STORE}: got {shown(given)} ({reason}), allowed a folder") from None


def preset_of(experiment: ModuleType, config: Any) -> str:
    """The name of the preset that `config` equals, else `custom`."""
    return next((name for name in PRESETS if preset(experiment, name) == config), "custom")


def check_axes(experiment: ModuleType, parts: Sequence[tuple[Any, xr.Dataset]]) -> None:
    """All cells have the axes and variables of the first."""
    for cell, part in parts:
        if not _same_axes(part, parts[0][1]):
            raise Problem(
                f"{stores.name_of(experiment)}: cell {cell} has other axes or variables than the "
                "first"
            )


def _same_axes(one: xr.Dataset, other: xr.Dataset) -> bool:
    if one.sizes != other.sizes or set(one.variables) != set(other.variables):
        return False
    return all(one.coords[name].equals(axis) for name, axis in other.coords.items())


def assemble(
    experiment: ModuleType, config: Any, parts: Sequence[tuple[Any, xr.Dataset]]
) -> xr.Dataset | None:
    """One dataset along `cell` with a coordinate for each field; None without any part."""
    if not parts:
        return None
    check_axes(experiment, parts)
    cells, each = zip(*parts, strict=True)
    coordinates = {**each[0].coords, **_fields(cells)}
    return xr.Dataset(_stacked(each), coordinates, _attributes(experiment, config))


def _stacked(parts: Sequence[xr.Dataset]) -> dict[Any, tuple[tuple[Any, ...], np.ndarray]]:
    """Every variable of the cells along `cell`."""
    first = parts[0]
    return {
        name: (("cell", *first[name].dims), np.stack([part[name].values for part in parts]))
        for name in first.data_vars
    }


def _fields(cells: Sequence[Any]) -> dict[str, tuple[str, np.ndarray]]:
    """What the cells are, field by field."""
    return {
        field.name: ("cell", np.array([getattr(cell, field.name) for cell in cells]))
        for field in dataclasses.fields(cells[0])
    }


def _attributes(experiment: ModuleType, config: Any) -> dict[str, str]:
    """What a dataset says of where it is from."""
    return {
        "experiment": stores.name_of(experiment),
        "preset": preset_of(experiment, config),
        "config": json.dumps(dataclasses.asdict(config), sort_keys=True),
        "fingerprint": stores.fingerprint(experiment),
    }


def _refuse_changed_library() -> None:
    if threads.library_digest() != threads.digest_on_disk():
        raise Problem(
            "library: its files changed after they were imported, allowed the same ones; start "
            "again"
        )


def compute(
    module: str, cell: Any, library: str = "", fingerprint: str = "", stored: Path | None = None
) -> tuple[bytes, float]:
    """In a worker or in the loop: measure one cell on one thread.

    Returns its bytes and its processor seconds.

    `library` and `fingerprint` are those of the caller, who stores the result under them: a worker
    that imported other sources or has other packages refuses. `stored` is the file that the caller
    will write; a long cell keeps its state near it. A process that was too late for its arithmetic
    has the cell computed beside it.
    """
    if not threads.in_force():
        return companion.call(compute, module, cell, library, fingerprint, stored)
    experiment = importlib.import_module(module)
    if library:
        _refuse_other_code(experiment, library, fingerprint)
    # of this thread alone: what other work the machine has must not count
    start = time.thread_time()
    with threads.one_thread(), checkpoints.of_cell(stored):
        body = _measured(experiment, cell)
    return body, time.thread_time() - start


def _refuse_other_code(experiment: ModuleType, library: str, fingerprint: str) -> None:
    if threads.library_digest() != library or stores.fingerprint(experiment) != fingerprint:
        raise Problem(
            "worker: its code or package versions differ from the caller's, allowed the same ones"
        )


def _measured(experiment: ModuleType, cell: Any) -> bytes:
    """What `measure` gives; its failure with the line where it happened, which is known here only:
    a traceback does not travel between processes.
    """
    try:
        return stores.encode(experiment.measure(cell))
    except Exception as reason:
        last = traceback.extract_tb(reason.__traceback__)[-1]
        reason.add_note(f"({Path(last.filename).name}:{last.lineno})")
        raise


def warm(module: str) -> None:
    """In a worker: what every cell needs and only the first would wait for, imports above all."""
    stores.fingerprint(importlib.import_module(module))
    with threads.one_thread():
        stores.open_bytes(stores.encode(xr.Dataset({"value": 0.0})))


Outcome = tuple[bytes, float] | Failure


def _outcomes(
    experiment: ModuleType,
    cells: Sequence[Any],
    shelf: stores.Store,
    executor: Submits | None,
    limit_seconds: float | None,
) -> Generator[tuple[Any, Outcome], None, None]:
    if executor is not None:
        yield from _from_executor(executor, experiment, cells, shelf)
        return
    workers = pool.workers_from_environment() or int(limit_seconds is not None)
    if workers and cells:
        limit, first = limit_seconds or pool.LIMIT_SECONDS, partial(warm, experiment.__name__)
        with pool.process_pool(min(workers, len(cells)), limit, first) as ours:
            yield from _from_executor(ours, experiment, cells, shelf)
        return
    yield from _one_by_one(experiment, cells, shelf)


def _one_by_one(
    experiment: ModuleType, cells: Sequence[Any], shelf: stores.Store
) -> Iterator[tuple[Any, Outcome]]:
    """In this process."""
    for cell in cells:
        try:
            yield cell, compute(experiment.__name__, cell, stored=shelf.path(experiment, cell))
        except Exception as reason:  # one cell's failure is told and the others go on
            yield cell, _failure(cell, reason)


def _from_executor(
    executor: Submits, experiment: ModuleType, cells: Sequence[Any], shelf: stores.Store
) -> Iterator[tuple[Any, Outcome]]:
    futures, broken = _submitted(executor, experiment, cells, shelf)
    for future in as_completed(list(futures)):
        cell = futures.pop(future)  # so that a long run does not hold every result twice
        try:
            outcome: Outcome = future.result()
        except (BrokenExecutor, CancelledError) as reason:
            broken = reason
            break
        except Exception as reason:  # includes a worker that died or ran out of time: its cell only
            outcome = _failure(cell, reason)
        yield cell, outcome
    if broken is not None:
        yield from _finished(futures)  # before the break, but not read yet
        told = f"{type(broken).__name__}: {broken}".removesuffix(": ")
        kept = "finished cells are kept"
        raise Stopped(f"executor: it broke ({told}), allowed a running one; {kept}")


def _submitted(
    executor: Submits, experiment: ModuleType, cells: Sequence[Any], shelf: stores.Store
) -> tuple[dict[Future, Any], BaseException | None]:
    """The cells that the executor took, and why it did not take the rest."""
    futures: dict[Future, Any] = {}
    name, code = experiment.__name__, (threads.library_digest(), stores.fingerprint(experiment))
    for cell in cells:
        try:
            future = executor.submit(compute, name, cell, *code, shelf.path(experiment, cell))
        except Exception as reason:  # an executor that broke, or was shut down, takes no more work
            return futures, reason
        futures[future] = cell
    return futures, None


def _finished(futures: Mapping[Future, Any]) -> Iterator[tuple[Any, Outcome]]:
    for future, cell in futures.items():
        if future.done() and not future.cancelled() and future.exception() is None:
            yield cell, future.result()


def _failure(cell: Any, reason: BaseException) -> Failure:
    words = [f"{type(reason).__name__}:", _why(reason), *getattr(reason, "__notes__", ())]
    return Failure(stores.plain(cell), " ".join(" ".join(words).split()))


def _why(reason: BaseException) -> str:
    text = str(reason)
    if isinstance(reason, TimeoutError) and len(reason.args) == 2:  # pebble's, with the limit
        text = f"more than {reason.args[1]:g} s"
    return text + _signal(-getattr(reason, "exitcode", 0))


def _signal(number: int) -> str:
    """Which signal ended the process, if one did."""
    if number <= 0:
        return ""
    return f", its process was ended by signal {number}" + " (memory?)" * (number == 9)
