"""One thread a process, and a numba cache that cannot outlive the code.

Sums and convolution gradients differ in their last bits between one and two threads, so every cell runs on one.
numba's disk cache looks only at the file of a compiled function itself: after an edit of a compiled helper in another
module it silently returns the old result. The cache folder is therefore named after the digest of the whole library.
"""

import contextlib
import functools
import hashlib
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

THREADS = 1
_LIBRARY = Path(__file__).resolve().parent


_lock = threading.Lock()
_holders = 0
_blas_limits = contextlib.ExitStack()


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Inside, BLAS, OpenMP and torch use one thread; afterwards they use what they used before.

    Threads may be inside at the same time: BLAS has one setting for the whole process, which is restored when the last of
    them leaves; OpenMP and torch have one for each thread. torch takes seconds to import, so where it is not yet it stays so;
    one that is imported inside finds the environment asking for one thread, and keeps it.
    """
    from threadpoolctl import ThreadpoolController

    pools = ThreadpoolController()
    with _one_torch_thread(), _one_blas_thread(pools), pools.select(user_api="openmp").limit(limits=THREADS):
        yield


@contextlib.contextmanager
def _one_torch_thread() -> Iterator[None]:
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else os.environ.get("OMP_NUM_THREADS")
    if torch:
        torch.set_num_threads(THREADS)
    else:
        os.environ["OMP_NUM_THREADS"] = str(THREADS)
    try:
        yield
    finally:
        if torch:
            torch.set_num_threads(before)
        elif before is None:
            os.environ.pop("OMP_NUM_THREADS", None)
        else:
            os.environ["OMP_NUM_THREADS"] = str(before)


@contextlib.contextmanager
def _one_blas_thread(pools: Any) -> Iterator[None]:
    global _holders
    with _lock:
        _holders += 1
        _blas_limits.enter_context(pools.select(user_api="blas").limit(limits=THREADS))
    try:
        yield
    finally:
        with _lock:
            _holders -= 1
            if _holders == 0:
                _blas_limits.close()  # the first limit, which knows the original settings, is undone last


@functools.cache
def library_digest() -> str:
    """`digest_on_disk` when it was first asked for, which is the import of the package: the code that this process runs."""
    return digest_on_disk()


def digest_on_disk() -> str:
    """Hex digest over every source and data file of the library (names and bytes), compiled leftovers excluded."""
    digest = hashlib.sha256()
    for path in sorted(_LIBRARY.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc":
            digest.update(path.relative_to(_LIBRARY).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def set_numba_cache() -> None:
    """Point numba's cache at a folder that belongs to exactly these sources.

    Called when the package is imported, hence before any kernel is. A temporary folder stands in where none is
    writable: numba refuses to import a cached kernel otherwise.
    """
    folder = str(_numba_folder())
    os.environ["NUMBA_CACHE_DIR"] = folder  # for numba imported later, and for child processes
    if "numba" in sys.modules:
        sys.modules["numba"].config.CACHE_DIR = folder


def _numba_folder() -> Path:
    name = library_digest()[:16]
    current = os.environ.get("NUMBA_CACHE_DIR", "")
    if current and Path(current).name == name:
        return Path(current)  # a parent process has chosen it already
    from platformdirs import user_cache_path

    bases = [user_cache_path("simplicity") / "numba"]
    if current:  # the user's own choice, or the folder that a parent with other sources made inside it
        ours = re.fullmatch(r"[0-9a-f]{16}", Path(current).name)
        bases.insert(0, Path(current).parent if ours else Path(current))
    for base in bases:
        if _writable(base / name):
            return base / name
    return Path(tempfile.mkdtemp(prefix="simplicity-numba-")) / name


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
