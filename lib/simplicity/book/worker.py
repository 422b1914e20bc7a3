"""What a worker process of a build does: a module of its own, because a worker imports it anew and everything with it."""

import hashlib
import json
import multiprocessing
import os
import threading
from pathlib import Path

from simplicity.book.execute import execute
from simplicity.store import write_atomically


def prepare() -> None:
    """One thread; and no life after the build: a worker whose parent was killed would wait for work for ever."""
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1", NUMBA_NUM_THREADS="1")
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
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
