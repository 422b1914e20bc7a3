"""What a worker process of a build does.

A module of its own, because a worker imports it anew and everything with it.
"""

import contextlib
import hashlib
import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pebble import ProcessPool

from simplicity.grid.store import write_atomically
from simplicity.process import interrupts
from simplicity.process.pool import SAFE_PATH, settings, start
from simplicity.site import kernels
from simplicity.site.execute import ChapterFailed, execute


@contextlib.contextmanager
def pool(workers: int) -> Iterator[ProcessPool]:
    """Processes for chapters.

    When the block ends, however it ends, they end with their kernels; what waits is not begun.
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


def prepare() -> None:
    """One thread; and no life after the build.

    A worker whose parent was killed would wait for work for ever.
    """
    # ignored from now on; a kernel would inherit the block
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    os.environ.update(
        OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1", NUMBA_NUM_THREADS="1"
    )
    signal.signal(signal.SIGTERM, lambda number, frame: kernels.leave())
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
            kernels.leave()

    threading.Thread(target=follow, daemon=True).start()


def work(folder: Path, chapter: str, key: str, timeout: int) -> float:
    """Execute a chapter into `folder`; returns the seconds.

    The notebook first, then the record that makes it count.
    """
    path = folder / f"{chapter}.ipynb"
    record = execute(chapter, path, timeout=timeout)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    entry = {"key": key, "notebook": digest, "provenance": record}
    write_atomically(
        folder / f"{chapter}.json", json.dumps(entry, indent=1, sort_keys=True).encode()
    )
    return float(record["seconds"])


def variant(path: Path, chapter: str, given: Mapping[str, Any], limit_seconds: float) -> float:
    """Execute a chapter with the given parameters into `path`; returns the seconds.

    In `limit_seconds` at most.
    """
    with limited(chapter, limit_seconds):
        return float(execute(chapter, path, given, timeout=round(limit_seconds) + 1)["seconds"])


@contextlib.contextmanager
def limited(chapter: str, limit_seconds: float) -> Iterator[None]:
    """A notebook's time: when it is over the kernel is ended, whatever it is doing.

    With it ends the notebook.
    """
    over = threading.Event()

    def end() -> None:
        over.set()
        kernels.end()

    timer = threading.Timer(limit_seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except ChapterFailed:
        if over.is_set():
            raise ChapterFailed(
                f"chapter {chapter}: it took more than {limit_seconds:g} s"
            ) from None
        raise
    finally:
        timer.cancel()
