"""How a chapter's kernel is started and ended: in this very environment, with nothing of the user's
own settings.

`environment` is the only maker of a kernel's environment variables, for the build, `simplicity
chapter` and `site`. It is a list of what a kernel may see. The other way, taking known settings
away, would let through the next one that nobody knew. Plain papermill starts kernels by itself, by
the rules of the user's own Jupyter; there only the figures are protected (`plot`).
"""

import contextlib
import importlib.util
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NoReturn

import psutil
from ipykernel.kernelspec import RESOURCES, get_kernel_dict
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from traitlets import default
from traitlets.config import Config

from simplicity.places import paths
from simplicity.problems import Problem, shown
from simplicity.process import surroundings

# Where things are, and nothing about how they look. MPLCONFIGDIR is only where matplotlib keeps its
# list of fonts: its settings are those of MATPLOTLIBRC below.
_KEPT = (
    "PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "TEMP", "TMP", "VIRTUAL_ENV", "CONDA_PREFIX",
    "XDG_CACHE_HOME", "MPLCONFIGDIR", "PYTHONHOME", "PYTHONNOUSERSITE", "PYTHONUSERBASE",
    "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX",
)  # fmt: skip
# Threads, instruction sets, devices, the loader of shared libraries and the library's own settings:
# what a run computes with.
_KEPT_FAMILIES = (
    "SIMPLICITY_", "NUMBA_", "OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "BLIS_", "VECLIB_",
    "ATEN_", "ONEDNN_", "DNNL_", "NPY_", "TORCH", "PYTORCH_", "CUDA_", "CUBLAS_", "CUDNN_",
    "NVIDIA_", "LD_", "DYLD_", "MALLOC_", "GLIBC_",
)  # fmt: skip
_FIXED = {
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "COLUMNS": "80",
    "LINES": "24",
    "PYTHONUTF8": "1",
    "PYTHONHASHSEED": "0",  # two builds show a set in the same order
    "JUPYTER_NO_CONFIG": "1",
}
_FOLDERS = {
    "IPYTHONDIR": "ipython",
    "JUPYTER_CONFIG_DIR": "config",
    "JUPYTER_DATA_DIR": "data",
    "JUPYTER_RUNTIME_DIR": "runtime",
}
_AT_EVERY_START = ("sitecustomize", "usercustomize")  # modules that every Python process runs
PATIENCE_SECONDS = 2.0  # that a worker may take to end
_homes: set[Path] = set()  # of the kernels that run
_SOCKET = "k-ipc-99"  # the longest name that jupyter_client makes from the connection file below


def environment(folder: Path, given: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment variables of a kernel whose own settings, all empty, lie in `folder`.

    Of what this process has (`given`), paths, threads and instruction sets are taken; everything
    else is fixed.
    """
    given = os.environ if given is None else given
    kept = {
        name: surroundings.absolute(name, value)
        for name, value in given.items()
        if name in _KEPT or name.startswith(_KEPT_FAMILIES)
    }
    settings = {name: str(folder / inner) for name, inner in _FOLDERS.items()}
    own = {"MATPLOTLIBRC": _figures(), "PYTHONPATH": os.pathsep.join(_search_path(given))}
    return kept | settings | own | _FIXED


def _figures() -> str:
    """matplotlib's settings as it came."""
    found = importlib.util.find_spec("matplotlib")
    assert found is not None and found.origin is not None
    return str(Path(found.origin).parent / "mpl-data" / "matplotlibrc")


def _search_path(given: Mapping[str, str]) -> list[str]:
    """The book's library and the user's PYTHONPATH, without folders whose code every Python process
    runs at its start, and without those in which a file has the name of a module of Python itself.
    """
    ours = str(paths.root() / "lib")
    users = [os.path.abspath(one) for one in given.get("PYTHONPATH", "").split(os.pathsep) if one]
    return [ours, *(one for one in users if one != ours and not _in_the_way(Path(one)))]


def _in_the_way(folder: Path) -> bool:
    """Would its modules be found in the place of Python's own, or at every start?"""
    try:
        found = {path.stem for path in folder.iterdir() if _is_module(path)}
    except OSError:  # nothing there, or no folder
        return False
    return not found.isdisjoint({*_AT_EVERY_START, *sys.stdlib_module_names})


def _is_module(path: Path) -> bool:
    if path.is_dir():
        return path.name in _AT_EVERY_START or (path / "__init__.py").is_file()
    return path.suffix == ".py"


class _Specs(KernelSpecManager):
    """One kernel, this Python, whatever kernels the user has installed under that name."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        about = get_kernel_dict()
        about["metadata"]["kernel_provisioner"] = {"provisioner_name": "local-provisioner"}
        return KernelSpec(resource_dir=RESOURCES, **about)


class Manager(AsyncKernelManager):
    """Starts the kernel of `_Specs` in `environment`; ends it at once after Ctrl-C."""

    @default("kernel_spec_manager")
    def _our_kernel(self) -> KernelSpecManager:
        return _Specs(parent=self)

    async def start_kernel(self, **options: Any) -> None:  # type: ignore[override]
        folder = Path(self.connection_file).parent
        await super().start_kernel(**options | {"env": environment(folder)})

    async def shutdown_kernel(self, now: bool = False, restart: bool = False) -> None:  # type: ignore[override]
        interrupted = isinstance(sys.exc_info()[1], KeyboardInterrupt | SystemExit)
        await super().shutdown_kernel(now=now or interrupted, restart=restart)


@contextlib.contextmanager
def home() -> Iterator[Config]:
    """A folder of one kernel's own, as the configuration of `Manager`; gone afterwards.

    Sockets in files: kernels that start at the same time would race for TCP ports. A socket's path
    may have about 100 characters, so the folder lies where that holds. Where it holds nowhere, the
    kernel listens on this machine's TCP ports.
    """
    with contextlib.ExitStack() as stack:
        folder = _short(stack)
        transport = "ipc" if _takes_sockets(folder) else "tcp"
        _homes.add(folder)
        stack.callback(_homes.discard, folder)
        yield Config(
            KernelManager={"transport": transport, "connection_file": str(folder / "k.json")}
        )


def _short(stack: contextlib.ExitStack) -> Path:
    """A temporary folder that takes sockets, or the last one that was tried; `stack` ends it."""
    prefix = _prefix(os.getppid())
    folder = stack.enter_context(temporary(prefix))
    for base in (os.environ.get("XDG_RUNTIME_DIR"), "/tmp"):
        if not _takes_sockets(folder) and base:
            with contextlib.suppress(OSError):
                folder = stack.enter_context(temporary(prefix, base))
    return folder


def _prefix(parent: int) -> str:
    """The folders of kernels whose process has this parent, which finds what its workers leave."""
    return f"simplicity-kernel-{parent}-"


def _takes_sockets(folder: Path) -> bool:
    """Whether its path is short enough for a socket, and the file system knows sockets."""
    path = folder / _SOCKET
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.bind(str(path))
        except OSError:
            return False
    path.unlink()
    return True


@contextlib.contextmanager
def temporary(prefix: str, base: str | None = None) -> Iterator[Path]:
    """A temporary folder; a `Problem` where no place for temporary files can be written to."""
    try:
        folder = tempfile.TemporaryDirectory(prefix=prefix, dir=base, ignore_cleanup_errors=True)
    except FileNotFoundError:
        if base is not None:
            raise
        got = shown(os.environ.get("TMPDIR", ""))
        allowed = "a folder that exists and can be written to"
        raise Problem(f"TMPDIR: got {got}, allowed {allowed}") from None
    with folder as name:
        yield Path(name)


def end() -> None:
    """End the kernels that this process and its workers have started: left alone they live on."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if any("ipykernel" in word for word in process.cmdline()):
                    process.kill()


def leave() -> NoReturn:
    """End this worker process with its kernels and their folders, whatever it is doing."""
    end()
    for folder in list(_homes):
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


def end_with_workers(workers: Iterable[BaseProcess]) -> None:
    """End these worker processes and everything that they have started: by their own hand, and by
    force where one hangs.
    """
    found = []
    for worker in workers:
        found += _started_by(worker)
        worker.terminate()
    left = psutil.wait_procs(found, PATIENCE_SECONDS)[1]
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, PATIENCE_SECONDS)
    _remove_homes(_prefix(os.getpid()))


def _started_by(worker: BaseProcess) -> list[psutil.Process]:
    """A worker and all processes below it."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(worker.pid)
        return [process, *process.children(recursive=True)]
    return []


def _remove_homes(prefix: str) -> None:
    """Also what a worker or a kernel has written to its last moment."""
    for base in {tempfile.gettempdir(), os.environ.get("XDG_RUNTIME_DIR") or "/tmp", "/tmp"}:
        for folder in Path(base).glob(f"{prefix}*"):
            shutil.rmtree(folder, ignore_errors=True)
