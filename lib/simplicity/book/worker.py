"""What a worker process of a build does: a module of its own, because a worker imports it anew and everything with it."""

import contextlib
import hashlib
import json
import multiprocessing
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil

from simplicity.book.execute import ChapterFailed, execute
from simplicity.store import write_atomically


def prepare() -> None:
    """One thread; and no life after the build: a worker whose parent was killed would wait for work for ever."""
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1", NUMBA_NUM_THREADS="1")
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
            end_kernels()
            os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def work(folder: Path, chapter: str, key: str, timeout: int) -> float:
    """Execute a chapter into `folder`: the notebook first, then the record that makes it count. Returns the seconds."""
    path = folder / f"{chapter}.ipynb"
    record = execute(chapter, path, timeout=timeout)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    entry = {"key": key, "notebook": digest, "provenance": record}
    write_atomically(folder / f"{chapter}.json", json.dumps(entry, indent=1, sort_keys=True).encode())
    return float(record["seconds"])


def variant(path: Path, chapter: str, given: Mapping[str, Any], limit_seconds: float) -> float:
    """Execute a chapter with the given parameters into `path`, in `limit_seconds` at most. Returns the seconds."""
    with limited(chapter, limit_seconds):
        return float(execute(chapter, path, given, timeout=round(limit_seconds) + 1)["seconds"])


@contextlib.contextmanager
def limited(chapter: str, limit_seconds: float) -> Iterator[None]:
    """A notebook's time: when it is over the kernel is ended, whatever it is doing, and with it the notebook."""
    over = threading.Event()

    def end() -> None:
        over.set()
        end_kernels()

    timer = threading.Timer(limit_seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except ChapterFailed:
        if over.is_set():
            raise ChapterFailed(f"chapter {chapter}: it took more than {limit_seconds:g} s") from None
        raise
    finally:
        timer.cancel()


def end_kernels() -> None:
    """End the kernels that this process and its workers have started: left alone they live on, in memory and at work."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if any("ipykernel" in word for word in process.cmdline()):
                    process.kill()
