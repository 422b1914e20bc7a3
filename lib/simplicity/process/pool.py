"""Our own processes: one thread each, a time limit a cell, none that outlives its parent.

Workers are started afresh (`spawn`; fork hangs once torch or numba have run). pebble's pool loses
only the cell of a worker that dies, where the standard one breaks as a whole, and can stop a cell
inside a compiled loop.
"""

import contextlib
import functools
import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Protocol

from simplicity.problems import Problem, shown
from simplicity.problems.values import read
from simplicity.process import interrupts, threads
from simplicity.process.threads import settings

WORKERS = "SIMPLICITY_WORKERS"
MOST_WORKERS = 512
LIMIT_SECONDS = 3600.0  # for one cell
LONGEST_LIMIT = 1e7
PATIENCE = 0.2  # seconds that a worker has to end by itself; nothing is lost when it is killed
# A worker starts in the user's folder: a file random.py there is not Python's own.
SAFE_PATH = {"PYTHONSAFEPATH": "1"}
# Read by OpenMP and BLAS when they are loaded.
SINGLE = {
    name: str(threads.THREADS)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
}


class Submits(Protocol):
    """All that `run` asks of an executor."""

    def submit(self, fn: Any, /, *args: Any) -> Future: ...


def workers_from_environment() -> int:
    """How many processes the user asked for; 0, also when nothing is said, is the plain loop."""
    return workers_from(os.environ.get(WORKERS, "0"))


def workers_from(text: str) -> int:
    """A number of processes, or a `Problem`."""
    if not (text.isascii() and text.isdigit()) or len(text) > 9 or int(text) > MOST_WORKERS:
        raise Problem(
            f"workers: got {shown(text)}, allowed a whole number from 0 to {MOST_WORKERS}"
        )
    return int(text)


def limit_from(text: str, name: str = "timeout") -> float:
    """The most seconds of one cell, or of what else has this name, or a `Problem`."""
    try:
        limit = float(read(float, text))
    except ValueError:
        limit = 0.0
    if not 0 < limit <= LONGEST_LIMIT:
        raise Problem(
            f"{name}: got {shown(text)}, allowed seconds above 0, at most {LONGEST_LIMIT:g}"
        )
    return limit


@contextlib.contextmanager
def process_pool(
    workers: int, limit_seconds: float = LIMIT_SECONDS, first: Callable[[], None] | None = None
) -> Iterator[Submits]:
    """`workers` spawned processes with a time limit for each cell; none outlives the block.

    Each calls `first` (imports, say) before the clock of its first cell starts.
    """
    from pebble import CONSTS, ProcessPool

    _check_main()
    CONSTS.term_timeout = PATIENCE
    context = multiprocessing.get_context("spawn")
    with settings(SINGLE | SAFE_PATH):  # read when a child starts
        pool = ProcessPool(
            max_workers=workers, context=context, initializer=_prepare, initargs=[first]
        )
        try:
            with interrupts.blocked():  # ending them is our task
                start(pool)
            yield _Pool(pool, limit_seconds)
            pool.close()
        except BaseException:
            pool.stop()
            raise
        finally:
            pool.join()


def start(pool: Any) -> None:
    """Start pebble's pool, which starts when it is asked whether it runs."""
    if not pool.active:
        raise RuntimeError("the pool of processes does not start")


def _check_main() -> None:
    """A `Problem` where each worker would run the user's script, and so start workers itself.

    A worker imports the script that its parent was started with; the guard keeps it from more than
    that.
    """
    allowed = (
        'allowed with `if __name__ == "__main__":` above what starts a run, '
        "since each worker imports the script"
    )
    # this is such a worker, at the import
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        got = "a script that starts a run when it is imported"
        print(f"error: workers: got {got}, {allowed}", file=sys.stderr)
        os._exit(1)
    main = sys.modules["__main__"]
    path = getattr(main, "__file__", None)
    # a notebook, a module, or code given as a word
    if path is None or getattr(main, "__spec__", None) is not None:
        return
    with contextlib.suppress(OSError, UnicodeDecodeError):
        if "__name__" not in Path(path).read_text("utf-8"):
            raise Problem(f"workers: got the script {Path(path).name} without a guard, {allowed}")


class _Pool:
    """pebble's pool with the one method that `run` needs."""

    def __init__(self, pool: Any, limit_seconds: float) -> None:
        self._pool, self._limit = pool, limit_seconds

    def submit(self, fn: Any, /, *args: Any) -> Future:
        return self._pool.schedule(fn, args=args, timeout=self._limit)


def _prepare(first: Callable[[], None] | None) -> None:
    """In a worker: an end with its parent, and `first`."""
    end_with_parent(functools.partial(os._exit, 1))
    if first is not None:
        # the first cell will meet it again, and be told as failed
        with contextlib.suppress(Exception):
            first()


def end_with_parent(end: Callable[[], object]) -> None:
    """In a worker: call `end` when its parent has gone.

    A worker whose parent was killed would live for ever; kernels release the GIL, so the thread
    always gets a turn.
    """
    threading.Thread(target=_await_parent, args=(end,), daemon=True).start()


def _await_parent(end: Callable[[], object]) -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        end()
