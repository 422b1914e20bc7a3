"""Cells -> executor -> store -> one dataset.

An experiment is a module with
    CLAIMS           the ids of claims.csv that it judges
    Config           frozen settings (`config.settings`) with `seeds`, `first_seed`; presets TINY, QUICK, FULL beside it
    Cell             frozen plain values: one n, one seed, ...
    cells(config)    -> the list of cells
    measure(cell)    -> an xarray.Dataset, the same variables and axes for every cell
    checks(dataset)  -> the Checks of one run
Parallelism, resuming and progress are here, once, for all of them.

Workers are processes started afresh (`spawn`; fork hangs once torch or numba have run), one thread each. A worker that dies
loses its own cell only; when this process dies its workers end themselves.
"""

import contextlib
import dataclasses
import importlib
import json
import math
import multiprocessing
import os
import sys
import threading
import time
import traceback
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Future, as_completed
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np
import xarray as xr
from platformdirs import user_cache_path
from tqdm import tqdm

from simplicity import config as settings
from simplicity import paths, threads
from simplicity import store as stores
from simplicity.config import Problem

PRESETS = ("TINY", "QUICK", "FULL")
WORKERS = "SIMPLICITY_WORKERS"
MOST_WORKERS = 512
CELL_LIMIT_SECONDS = 3600.0
LARGEST = 2**31 - 1


class Submits(Protocol):
    """All that `run` asks of an executor."""

    def submit(self, fn: Any, /, *args: Any) -> Future: ...


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
        super().__init__(f"{len(failures)} of {total} cells failed, the first {first.cell}: {first.reason}")


def run(
    experiment: ModuleType,
    config: Any,
    executor: Submits | None = None,
    store: Path | stores.Store | None = None,
    progress: bool = True,
) -> xr.Dataset:
    """Every cell of `config`, computed or read from the store, as one dataset along `cell`.

    `executor` is any `concurrent.futures` executor; without one, SIMPLICITY_WORKERS processes, or a plain loop in this
    process where that is 0 or unset. All give the same bits. Each cell is stored the moment it is finished. Raises
    `CellsFailed` once all others are done, `Problem` when the executor itself breaks.
    """
    _refuse_other_library(threads.digest_on_disk())
    cells = list(dict.fromkeys(experiment.cells(config)))  # a cell that the grid names twice is one cell
    _check(stores.name_of(experiment), cells)
    shelf = store if isinstance(store, stores.Store) else stores.Store(store or default_store())
    finished: dict[Any, xr.Dataset] = {}
    for cell in cells:
        found = shelf.get(experiment, cell)
        if found is not None:
            finished[cell] = found.dataset
    waiting = [cell for cell in cells if cell not in finished]
    failures: list[Failure] = []
    with _progress(len(cells), len(cells) - len(waiting), experiment, progress) as advance:
        for cell, outcome in _outcomes(experiment, waiting, executor):
            if isinstance(outcome, Failure):
                failures.append(outcome)
                tqdm.write(f"failed: {outcome.cell}: {outcome.reason}", file=sys.stderr)
            else:
                finished[cell] = shelf.put(experiment, cell, *outcome).dataset
            advance()
    whole = assemble(experiment, config, [(cell, finished[cell]) for cell in cells if cell in finished])
    if failures:
        raise CellsFailed(failures, len(cells), whole)
    assert whole is not None
    return whole


def _check(name: str, cells: Sequence[Any]) -> None:
    """There is a cell, and each whole number in it fits into the files (NetCDF-3 has 32 bits)."""
    if not cells:
        raise Problem(f"{name}: these settings make no cells, allowed at least one")
    for cell in cells:
        for field, value in stores.plain(cell).items():
            if isinstance(value, int) and not -LARGEST <= value <= LARGEST:
                raise Problem(f"{field}: got {settings.shown(value)}, allowed a whole number up to {LARGEST}")


def default_store() -> Path:
    """The book's own store inside a checkout, the user's cache outside one."""
    try:
        return paths.build() / "store"
    except Problem:
        return user_cache_path("simplicity") / "store"


def workers_from_environment() -> int:
    """How many processes the user asked for; 0, also when nothing is said, is the plain loop."""
    return workers_from(os.environ.get(WORKERS, "0"))


def workers_from(text: str) -> int:
    """A number of processes, or a `Problem`."""
    if not (text.isascii() and text.isdigit()) or len(text) > 9 or int(text) > MOST_WORKERS:
        raise Problem(f"workers: got {settings.shown(text)}, allowed a whole number from 0 to {MOST_WORKERS}")
    return int(text)


def preset_of(experiment: ModuleType, config: Any) -> str:
    """The name of the preset that `config` equals, else `custom`."""
    return next((name for name in PRESETS if getattr(experiment, name) == config), "custom")


def assemble(experiment: ModuleType, config: Any, parts: Sequence[tuple[Any, xr.Dataset]]) -> xr.Dataset | None:
    """One dataset along `cell` with a coordinate for each field of the cell; None without any part."""
    if not parts:
        return None
    first = parts[0][1]
    for cell, part in parts:
        same_axes = all(part.coords[name].equals(first.coords[name]) for name in first.coords if name in part.coords)
        if part.sizes != first.sizes or set(part.variables) != set(first.variables) or not same_axes:
            raise Problem(f"{stores.name_of(experiment)}: cell {cell} has other axes or variables than the first")
    variables = {
        name: (("cell", *first[name].dims), np.stack([part[name].values for _, part in parts])) for name in first.data_vars
    }
    fields = {
        field.name: ("cell", np.array([getattr(cell, field.name) for cell, _ in parts]))
        for field in dataclasses.fields(parts[0][0])
    }
    attributes = {
        "experiment": stores.name_of(experiment),
        "preset": preset_of(experiment, config),
        "config": json.dumps(dataclasses.asdict(config), sort_keys=True),
        "fingerprint": stores.fingerprint(experiment),
    }
    return xr.Dataset(variables, {**first.coords, **fields}, attributes)


def grid(dataset: xr.Dataset, *fields: str) -> xr.Dataset:
    """A part of a run that is a full product of the given cell fields, unstacked to axes of those names."""
    others = [name for name in dataset.coords if dataset[name].dims == ("cell",) and name not in fields]
    for name in others:
        values = np.unique(dataset[name].values)
        if len(values) > 1:
            raise Problem(f"grid: {name} still takes {len(values)} values, allowed one; select it or name it as an axis")
    whole = math.prod(len(np.unique(dataset[name].values)) for name in fields)
    found = set(zip(*(dataset[name].values.tolist() for name in fields), strict=True))
    if not len(found) == dataset.sizes["cell"] == whole:
        raise Problem(f"grid: {dataset.sizes['cell']} cells, allowed each of the {whole} of {' x '.join(fields)} once")
    plain = dataset.drop_vars(others).assign_coords({name: dataset[name].values[0] for name in others})
    return plain.set_index(cell=list(fields)).unstack("cell") if len(fields) > 1 else plain.swap_dims(cell=fields[0])


def _refuse_other_library(digest: str) -> None:
    if digest != threads.library_digest():
        raise Problem("library: its files changed after they were imported, allowed the same ones; start again")


def compute(module: str, cell: Any, library: str = "") -> tuple[bytes, float]:
    """In a worker or in the loop: measure one cell on one thread; its bytes and its seconds.

    `library` is the digest that the caller runs; a worker that imported other sources would store under a wrong key.
    """
    if library:
        _refuse_other_library(library)
    experiment = importlib.import_module(module)
    start = time.perf_counter()
    with threads.one_thread():
        body = stores.encode(experiment.measure(cell))
    return body, time.perf_counter() - start


def _outcomes(
    experiment: ModuleType, cells: Sequence[Any], executor: Submits | None
) -> Iterator[tuple[Any, tuple[bytes, float] | Failure]]:
    workers = workers_from_environment() if executor is None else 0
    if executor is None and (workers == 0 or not cells):
        for cell in cells:
            try:
                yield cell, compute(experiment.__name__, cell)
            except Exception as reason:  # one cell's failure is told and the others go on
                yield cell, _failure(cell, reason)
        return
    with contextlib.ExitStack() as stack:
        pool = executor if executor is not None else stack.enter_context(process_pool(min(workers, len(cells))))
        yield from _from_pool(pool, experiment, cells)


def _from_pool(
    pool: Submits, experiment: ModuleType, cells: Iterable[Any]
) -> Iterator[tuple[Any, tuple[bytes, float] | Failure]]:
    futures: dict[Future, Any] = {}
    broken: BaseException | None = None
    for cell in cells:
        try:
            futures[pool.submit(compute, experiment.__name__, cell, threads.library_digest())] = cell
        except Exception as reason:  # an executor that broke, or was shut down, takes no more work
            broken = reason
            break
    waiting = set(futures)
    for future in as_completed(futures):
        waiting.remove(future)
        try:
            outcome: tuple[bytes, float] | Failure = future.result()
        except (BrokenExecutor, CancelledError) as reason:
            broken = reason
            break
        except Exception as reason:  # includes a worker that died or ran out of time: its cell only
            outcome = _failure(futures[future], reason)
        yield futures[future], outcome
    if broken is None:
        return
    for future in waiting:  # finished before the break, but not read yet
        if future.done() and not future.cancelled() and future.exception() is None:
            yield futures[future], future.result()
    raise Problem(f"executor: it broke ({type(broken).__name__}: {broken}), allowed a running one; finished cells are kept")


def _failure(cell: Any, reason: BaseException) -> Failure:
    last = traceback.extract_tb(reason.__traceback__)[-1:] if reason.__traceback__ else []
    where = f" ({Path(last[0].filename).name}:{last[0].lineno})" if last else ""
    return Failure(stores.plain(cell), f"{type(reason).__name__}: {reason}{where}".replace("\n", " "))


@contextlib.contextmanager
def process_pool(workers: int, limit_seconds: float = CELL_LIMIT_SECONDS) -> Iterator[Submits]:
    """`workers` spawned processes with a time limit for each cell; nothing stays behind when the block ends."""
    from pebble import ProcessPool

    context = multiprocessing.get_context("spawn")
    before = {name: os.environ.get(name) for name in _SINGLE}
    os.environ.update(_SINGLE)  # read by OpenMP and BLAS when a child starts
    pool = ProcessPool(max_workers=workers, context=context, initializer=_end_with_parent)
    try:
        yield _Pool(pool, limit_seconds)
        pool.close()
    except BaseException:
        pool.stop()
        raise
    finally:
        pool.join()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


_SINGLE = {name: str(threads.THREADS) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}


class _Pool:
    """pebble's pool with the one method that `run` needs."""

    def __init__(self, pool: Any, limit_seconds: float) -> None:
        self._pool, self._limit = pool, limit_seconds

    def submit(self, fn: Any, /, *args: Any) -> Future:
        return self._pool.schedule(fn, args=args, timeout=self._limit)


def _end_with_parent() -> None:
    """A worker whose parent was killed would live for ever; kernels release the GIL, so this thread always gets a turn."""

    def wait() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


@contextlib.contextmanager
def _progress(total: int, done: int, experiment: ModuleType, wanted: bool) -> Iterator[Any]:
    disable = None if wanted else True  # None: shown on a terminal only
    with tqdm(total=total, initial=done, desc=stores.name_of(experiment), unit="cell", disable=disable) as bar:
        yield bar.update
