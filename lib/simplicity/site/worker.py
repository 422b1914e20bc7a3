"""What a worker process of a build does: a module of its own, because a worker imports it anew and
everything with it.
"""

import contextlib
import hashlib
import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from pebble import ProcessPool

from simplicity.places import files
from simplicity.process import interrupts
from simplicity.process.pool import SAFE_PATH, SINGLE, end_with_parent, settings, start
from simplicity.site import kernels
from simplicity.site.execute import ChapterFailed, execute


@contextlib.contextmanager
def pool(workers: int) -> Iterator[ProcessPool]:
    """Processes for chapters, which end with their kernels when the block ends, however it ends;
    what waits is not begun.
    """
    before = set(multiprocessing.active_children())
    found = ProcessPool(workers, context=multiprocessing.get_context("spawn"), initializer=prepare)
    with settings(SAFE_PATH):
        try:
            with interrupts.blocked():
                start(found)
            yield found
        finally:
            found.stop()
            kernels.end_with_workers(set(multiprocessing.active_children()) - before)
            found.join()


@contextlib.contextmanager
def outcomes(
    function: Callable[..., float],
    tasks: Sequence[tuple],
    workers: int,
    limit_seconds: float | None = None,
) -> Iterator[Iterator[float | Exception]]:
    """What `function` returns for the arguments of each task, or what ended it, in their order.

    Each task has a process of its own, of which as many run at once as there are workers; none is
    left when the block ends.
    """
    with pool(min(workers, len(tasks))) as processes:
        futures = [
            processes.schedule(function, args=list(task), timeout=limit_seconds) for task in tasks
        ]
        yield map(_outcome, futures)


def _outcome(future: Future) -> float | Exception:
    try:
        return future.result()
    except Exception as error:  # whatever ended the worker, the others go on
        return error


def prepare() -> None:
    """One thread; and no life after the build."""
    # ignored from now on; a kernel would inherit the block
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    os.environ.update(SINGLE, NUMBA_NUM_THREADS=SINGLE["OMP_NUM_THREADS"])
    signal.signal(signal.SIGTERM, lambda number, frame: kernels.leave())
    end_with_parent(kernels.leave)


def work(folder: Path, chapter: str, key: str) -> float:
    """Execute a chapter into `folder`: the notebook first, then the record that makes it count;
    returns the seconds.
    """
    path = folder / f"{chapter}.ipynb"
    record = execute(chapter, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    entry = {"key": key, "notebook": digest, "provenance": record}
    files.write_text(folder / f"{chapter}.json", json.dumps(entry, indent=1, sort_keys=True))
    return float(record["seconds"])


def variant(path: Path, chapter: str, given: Mapping[str, Any], limit_seconds: float) -> float:
    """Execute a chapter with the given parameters into `path`; returns the seconds, at most
    `limit_seconds`.
    """
    with limited(chapter, limit_seconds):
        return float(execute(chapter, path, given, timeout=round(limit_seconds) + 1)["seconds"])


@contextlib.contextmanager
def limited(chapter: str, limit_seconds: float) -> Iterator[None]:
    """A notebook's time: when it is over, the kernel is ended, whatever it is doing, and with it
    the notebook.
    """
    over = threading.Event()
    timer = threading.Timer(limit_seconds, _end_kernels, (over,))
    timer.daemon = True
    timer.start()
    try:
        yield
    except ChapterFailed:
        if over.is_set():
            told = f"chapter {chapter}: it took more than {limit_seconds:g} s"
            raise ChapterFailed(told) from None
        raise
    finally:
        timer.cancel()


def _end_kernels(over: threading.Event) -> None:
    over.set()
    kernels.end()
