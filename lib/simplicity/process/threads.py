"""One thread and one arithmetic for every process, and a numba cache that cannot outlive the code.

**Threads.** Sums and convolution gradients differ in their last bits between one and two threads,
so every cell runs on one.

**Arithmetic.** The libraries below numpy, torch and numba choose their code by the processor, and
each choice rounds differently. `portable` arithmetic, the default, gives the same bits on every
x86-64 processor with AVX2 (Intel since 2013, AMD since 2015): each library is told its instruction
set before it is loaded.

| library | what it decides by | set to |
| --- | --- | --- |
| OpenBLAS (numpy, scipy) | name of the core | Haswell |
| numpy's own loops | features of the processor | those up to AVX2 |
| torch's own loops | features of the processor | AVX2 |
| oneDNN (torch's convolutions) | features of the processor | AVX2, no reduced precision |
| MKL (torch's products) | maker and features of the processor | COMPATIBLE |
| LLVM (numba) | name and features of the processor | haswell, no vector library of Intel's |

MKL ignores a named instruction set on processors that are not Intel's and takes a path of its own
there; COMPATIBLE is the one mode that it promises to be the same everywhere. It is three to four
times slower in large products, so the engines that live in these take numpy's. Two things stay
outside: `torch.sqrt` of an array goes to a vector function of MKL that no setting makes equal (no
code here uses it; `x ** 0.5` is exact), and the C library's exp, tanh and erf, which numba calls.
The C library is therefore asked for a few values, and `label` names it where they differ.

`native` arithmetic (SIMPLICITY_ARITHMETIC=native) leaves all that to the libraries. Its results are
kept apart by the name of the processor, as they are on processors without AVX2 and on arm64, where
nothing can be promised.

**numba's cache.** Its disk cache looks only at the file of a compiled function itself: after an
edit of a compiled helper in another module it silently returns the old result. The cache folder is
therefore named after the digest of every module that imports numba and of what these import.
"""

import contextlib
import functools
import hashlib
import math
import os
import platform
import re
import struct
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from simplicity.places import paths
from simplicity.problems import Problem, shown
from simplicity.process import machine

THREADS = 1
ARITHMETIC = "SIMPLICITY_ARITHMETIC"
KINDS = ("portable", "native")
_LIBRARY = Path(__file__).resolve().parents[1]

_SETTINGS = {
    "OPENBLAS_CORETYPE": "Haswell",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "ONEDNN_DEFAULT_FPMATH_MODE": "STRICT",
    "MKL_CBWR": "COMPATIBLE",
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "+avx,+avx2,+bmi,+bmi2,+f16c,+fma,+lzcnt,+movbe,+popcnt",
    "NUMBA_ENABLE_AVX": "1",
    "NUMBA_OPT": "3",
    "NUMBA_LOOP_VECTORIZE": "1",
    "NUMBA_SLP_VECTORIZE": "0",
    "NUMBA_DISABLE_INTEL_SVML": "1",
}
# These would undo or contradict one of the above.
_REMOVED = (
    "NPY_ENABLE_CPU_FEATURES", "OPENBLAS_L2_SIZE", "OPENBLAS_BLOCK_FACTOR", "DNNL_MAX_CPU_ISA",
    "DNNL_DEFAULT_FPMATH_MODE", "MKL_ENABLE_INSTRUCTIONS", "MKL_DEBUG_CPU_TYPE", "SCIPY_ARRAY_API",
)  # fmt: skip
# Whether kernels are compiled at all is no choice of arithmetic. Said, not left out: numba also
# reads a file .numba_config.yaml of the working folder, over which only a variable wins.
_COMPILED = {"NUMBA_DISABLE_JIT": "0", "NUMBA_BOUNDSCHECK": "0", "NUMBA_DEBUGINFO": "0"}
DECIDING = frozenset({*_SETTINGS, *_REMOVED, *_COMPILED})  # of a bit of a result
_LOADED = ("numpy", "scipy", "torch", "numba")
_NEEDED = {"avx2", "fma", "bmi1", "bmi2", "f16c", "movbe", "abm", "popcnt"}
_LIBM = "ff04ee25"  # glibc 2.36 with FMA


_lock = threading.Lock()
_holders = 0
_blas_limits = contextlib.ExitStack()


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Inside, BLAS, OpenMP and torch use one thread; afterwards they use what they used before.

    Threads may be inside at the same time: BLAS has one setting for the whole process, which is
    restored when the last of them leaves; OpenMP and torch have one for each thread. torch takes
    seconds to import, so where it is not yet it stays so; one that is imported inside finds the
    environment asking for one thread, and keeps it.
    """
    from threadpoolctl import ThreadpoolController

    pools = ThreadpoolController()
    with (
        _one_torch_thread(),
        _one_blas_thread(pools),
        pools.select(user_api="openmp").limit(limits=THREADS),
    ):
        yield


@contextlib.contextmanager
def _one_torch_thread() -> Iterator[None]:
    torch = sys.modules.get("torch")
    if not torch:
        with settings({"OMP_NUM_THREADS": str(THREADS)}):
            yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def settings(given: Mapping[str, str]) -> Iterator[None]:
    """Inside, these environment variables; afterwards those that were."""
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


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
                # the first limit, which knows the original settings, is undone last
                _blas_limits.close()


def settle_arithmetic() -> None:
    """Set or clear the variables that choose the arithmetic, here and so for what starts from here.

    Called when `simplicity.process` is imported, which all that computes does first. What is loaded
    already keeps what it has; see `in_force`.
    """
    global _settled_early
    loaded = any(name in sys.modules for name in _LOADED)
    before = all(os.environ.get(name) == value for name, value in _SETTINGS.items())
    _settled_early = before or not loaded
    os.environ.update(_COMPILED)
    if kind() == "portable":
        os.environ.update(_SETTINGS)
        for name in _REMOVED:
            os.environ.pop(name, None)
    else:
        # as a parent process with portable arithmetic left them
        for name, value in _SETTINGS.items():
            if os.environ.get(name) == value:
                del os.environ[name]


_settled_early = False


def kind() -> str:
    """`portable` or `native`: what was asked for, where the processor has what portable takes."""
    asked = os.environ.get(ARITHMETIC, "portable")
    return "portable" if asked != "native" and _has_avx2() else "native"


def choose(asked: str) -> None:
    """Settle anew on `asked`, for a command that is told so before anything is loaded."""
    _check(asked)
    os.environ[ARITHMETIC] = asked
    settle_arithmetic()
    label.cache_clear()


def _check(asked: str) -> None:
    if asked not in KINDS:
        raise Problem(f"arithmetic: got {shown(asked)}, allowed {' or '.join(KINDS)}")


@functools.cache
def label() -> str:
    """The arithmetic as the key of a cell names it; others may differ in results' last bits."""
    _check(os.environ.get(ARITHMETIC, "portable"))
    if kind() == "portable":
        return "portable" if libm() == _LIBM else f"portable, C library {libm()}"
    features = hashlib.sha256(" ".join(sorted(machine.features())).encode()).hexdigest()[:8]
    return f"native, {machine.cpu()}, {platform.machine()} {features}, C library {libm()}"


def in_force() -> bool:
    """Was everything that this process has loaded loaded with the arithmetic that `label` names?

    Not where numpy was imported before this package on a processor with more than AVX2: such a
    process computes no cell.
    """
    return kind() == "native" or _settled_early or not _wider_numpy()


@functools.cache
def _wider_numpy() -> bool:
    """Does numpy use more than AVX2 here, or are torch or numba loaded without the settings?"""
    if any(name in sys.modules for name in ("torch", "numba")):
        return True
    import numpy as np
    from threadpoolctl import threadpool_info

    features = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    wider = any(name.startswith("AVX512") or name == "X86_V4" for name in features)
    cores = {
        one.get("architecture") for one in threadpool_info() if one["internal_api"] == "openblas"
    }
    return wider or bool(cores - {"Haswell"})


@functools.cache
def libm() -> str:
    """Digest of what the C library makes of a few hundred values."""
    names = "exp expm1 log1p sin cos tanh erf atan cbrt".split()
    functions = [getattr(math, name) for name in names]
    points = [index / 37 - 4 for index in range(300)]
    values = [function(abs(point)) for function in functions for point in points]
    return hashlib.sha256(struct.pack(f"<{len(values)}d", *values)).hexdigest()[:8]


@functools.cache
def _has_avx2() -> bool:
    return platform.machine() in ("x86_64", "AMD64") and machine.features() >= _NEEDED


@functools.cache
def library_digest() -> str:
    """`digest_on_disk` at the import of the package: the code that this process runs."""
    return digest_on_disk()


def digest_on_disk() -> str:
    """Hex digest over every source and data file of the library, names and bytes."""
    return _digest(
        path
        for path in _LIBRARY.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
    )


def kernels_digest() -> str:
    """Hex digest over the modules that import numba and what those import, which they may hold."""
    sources = _sources()
    return _digest(
        _with_imports((path for path, text in sources.items() if _NUMBA.search(text)), sources)
    )


def code_digest(module: Path) -> str:
    """Hex digest over a file of the library and all that it imports, as first asked for."""
    return _digest(_with_imports([module], _sources_once()))


def _with_imports(modules: Iterable[Path], sources: Mapping[Path, str]) -> set[Path]:
    found = set(modules)
    waiting = list(found)
    while waiting:
        more = _imported(sources[waiting.pop()], _LIBRARY) & sources.keys() - found
        found |= more
        waiting += more
    return found


def _sources() -> dict[Path, str]:
    return {path: path.read_text(encoding="utf-8") for path in _LIBRARY.rglob("*.py")}


@functools.cache
def _sources_once() -> dict[Path, str]:
    return _sources()


@functools.cache
def _imported(source: str, library: Path) -> frozenset[Path]:
    return frozenset[Path]().union(*(_modules(name, library) for name in _OURS.findall(source)))


_NUMBA = re.compile(r"^\s*(?:import|from)\s+numba\b", re.MULTILINE)
_OURS = re.compile(
    r"^\s*(?:import|from)\s+simplicity\b(.*?(?:\(.*?\)|$))", re.MULTILINE | re.DOTALL
)


def _modules(imported: str, library: Path) -> set[Path]:
    """The files that an import may name: `.nets import TwoLayer` nets.py or nets/__init__.py."""
    module, _, names = imported.partition("import")
    folder = library.joinpath(*module.strip().split(".")[1:])
    places = {folder, *(folder / name for name in re.findall(r"\w+", names))} - {library}
    return {file for place in places for file in (place.with_suffix(".py"), place / "__init__.py")}


def _digest(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(path.relative_to(_LIBRARY).as_posix().encode() + b"\0")
        # git on Windows may have changed the ends of lines
        content = path.read_bytes().replace(b"\r\n", b"\n")
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()


def set_numba_cache() -> None:
    """Point numba's cache at a folder that belongs to exactly these kernels and this arithmetic.

    Called when `simplicity.process` is imported, hence before any kernel is. A temporary folder
    stands in where none is writable: numba refuses to import a cached kernel otherwise.
    """
    folder = str(_numba_folder())
    os.environ["NUMBA_CACHE_DIR"] = folder  # for numba imported later, and for child processes
    if "numba" in sys.modules:
        sys.modules["numba"].config.CACHE_DIR = folder


def _numba_folder() -> Path:
    name, bases = kernels_digest()[:16], [paths.cache() / "numba"]
    if given := os.environ.get("NUMBA_CACHE_DIR"):
        # also for processes that work in another folder
        current = Path(os.path.abspath(os.path.expanduser(given)))
        if current.name == name:
            return current  # a parent process has chosen it already
        # the user's own choice, or the folder that a parent with other sources made inside it
        ours = re.fullmatch(r"[0-9a-f]{16}", current.name)
        bases.insert(0, current.parent if ours else current)
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
