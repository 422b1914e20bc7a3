"""One thread a process, and a cache of compiled code that cannot outlive the sources."""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import platformdirs
import pytest
import threadpoolctl
import torch

from simplicity.grid import run
from simplicity.places import paths
from simplicity.process import threads

PACKAGE = paths.PACKAGE


def in_use() -> list[int]:
    return [
        torch.get_num_threads(),
        *(pool["num_threads"] for pool in threadpoolctl.threadpool_info()),
    ]


@pytest.fixture
def two() -> Iterator[list[int]]:
    """Two threads in every pool, whatever the machine has."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    with threadpoolctl.threadpool_limits(2):
        assert set(in_use()) == {2}
        yield in_use()
    torch.set_num_threads(before)


def test_inside_there_is_one_thread_and_afterwards_as_many_as_before(two: list[int]) -> None:
    with threads.one_thread():
        assert set(in_use()) == {1}
        with threads.one_thread():
            assert set(in_use()) == {1}
        assert set(in_use()) == {1}
    assert in_use() == two


def test_an_error_inside_gives_the_threads_back_too(two: list[int]) -> None:
    with pytest.raises(KeyError), threads.one_thread():
        raise KeyError
    assert in_use() == two


def test_the_first_of_two_to_leave_does_not_give_the_other_more_threads(two: list[int]) -> None:
    inside, leave = threading.Event(), threading.Event()

    def stay() -> None:
        with threads.one_thread():
            inside.set()
            leave.wait()

    other = threading.Thread(target=stay)
    other.start()
    inside.wait()
    with threads.one_thread():
        leave.set()
        other.join()
        assert set(in_use()) == {1}
    assert in_use() == two


def test_a_thread_that_comes_while_another_is_inside_has_one_thread_too(two: list[int]) -> None:
    seen: list[list[int]] = []

    def look() -> None:
        with threads.one_thread():
            seen.append(in_use())

    with threads.one_thread():
        other = threading.Thread(target=look)
        other.start()
        other.join()
        assert set(in_use()) == {1}
    assert set(seen[0]) == {1}
    assert in_use() == two


# --- the digest of the library


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A small library whose digest is asked for."""
    (tmp_path / "inner" / "__pycache__").mkdir(parents=True)
    (tmp_path / "inner" / "one.py").write_text("A = 1\n")
    (tmp_path / "two.py").write_text("B = 2\n")
    monkeypatch.setattr(threads, "_LIBRARY", tmp_path)
    yield tmp_path
    threads.library_digest.cache_clear()


def digest() -> str:
    threads.library_digest.cache_clear()
    return threads.library_digest()


def test_the_digest_ignores_what_is_compiled(library: Path) -> None:
    before = digest()
    (library / "inner" / "__pycache__" / "one.cpython-311.pyc").write_bytes(b"1")
    (library / "inner" / "__pycache__" / "one.f-1.py311.nbi").write_bytes(b"1")
    (library / "two.pyc").write_bytes(b"1")
    assert digest() == before


def test_the_digest_sees_content_names_places_and_data(library: Path) -> None:
    found = {digest()}
    (library / "two.py").write_text("B = 3\n")
    found.add(digest())
    (library / "two.py").rename(library / "three.py")
    found.add(digest())
    (library / "three.py").rename(library / "inner" / "three.py")
    found.add(digest())
    (library / "house.mplstyle").write_text("")
    found.add(digest())
    assert len(found) == 5


def test_the_digest_does_not_see_the_ends_of_lines(library: Path) -> None:
    before = digest()
    (library / "two.py").write_bytes(b"B = 2\r\n")
    assert digest() == before


# --- the digest of the kernels

KERNEL = (
    "import numba\nfrom simplicity.inner import (\n    constants,\n)\nfrom simplicity.helper "
    "import help\n"
    "from simplicity.sizes import SIZE\n"
)


@pytest.fixture
def kernels(library: Path) -> Path:
    (library / "kernel.py").write_text(KERNEL)
    (library / "inner" / "constants.py").write_text("from simplicity import deep\nRATE = 1.0\n")
    (library / "helper.py").write_text("def help():\n    return 1\n")
    (library / "deep.py").write_text("DEEP = 1\n")
    (library / "sizes").mkdir()
    # a package may hold code as a module does
    (library / "sizes" / "__init__.py").write_text("SIZE = 1\n")
    (library / "looks.py").write_text("from simplicity import kernel\n")
    return library


@pytest.mark.parametrize(
    "name", ["kernel.py", "inner/constants.py", "helper.py", "deep.py", "sizes/__init__.py"]
)
def test_the_kernels_digest_sees_a_kernel_and_all_that_it_may_hold(
    kernels: Path, name: str
) -> None:
    before = threads.kernels_digest()
    (kernels / name).write_text((kernels / name).read_text() + "MORE = 2\n")
    assert threads.kernels_digest() != before


@pytest.mark.parametrize("name", ["two.py", "looks.py", "new.py", "inner/one.py"])
def test_the_kernels_digest_does_not_see_what_no_kernel_imports(kernels: Path, name: str) -> None:
    before = threads.kernels_digest()
    (kernels / name).write_text("MORE = 2\n")
    assert threads.kernels_digest() == before


# --- the cache folder

FOLDER = """
import os
from simplicity.process import threads
import numba
digest = threads.kernels_digest()[:16]
print(os.environ["NUMBA_CACHE_DIR"], numba.config.CACHE_DIR, digest, sep="\\n")
"""


def folder(**environment: str) -> Path:
    """Where a fresh process puts compiled code."""
    base = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    done = subprocess.run(
        [sys.executable, "-c", FOLDER], env={**base, **environment}, capture_output=True, text=True
    )
    assert done.stderr == ""
    told, used, name = done.stdout.splitlines()
    assert told == used
    assert Path(used).name == name
    return Path(used)


def test_the_users_cache_folder_is_kept_as_the_parent(tmp_path: Path) -> None:
    assert folder(NUMBA_CACHE_DIR=str(tmp_path / "mine")).parent == tmp_path / "mine"


def test_a_folder_made_by_a_parent_with_other_sources_is_not_nested_into(tmp_path: Path) -> None:
    assert (
        folder(NUMBA_CACHE_DIR=str(tmp_path / "mine" / "0123456789abcdef")).parent
        == tmp_path / "mine"
    )


def test_without_a_word_of_the_user_it_is_in_the_users_cache(tmp_path: Path) -> None:
    assert folder(XDG_CACHE_HOME=str(tmp_path), HOME=str(tmp_path)).is_relative_to(tmp_path)


def test_where_no_folder_can_be_written_a_temporary_one_serves(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    closed = str(tmp_path / "file" / "cache")
    found = folder(NUMBA_CACHE_DIR=closed, XDG_CACHE_HOME=closed, HOME=closed, TMPDIR=str(tmp_path))
    assert found.parent.parent == tmp_path
    assert found.parent.name.startswith("simplicity-numba-")


HELPER = """
import numba

@numba.njit(nogil=True, cache=True)
def helper(x):
    return x + 1.0
"""
CALLER = """
import numba
from simplicity.trap_helper import helper

@numba.njit(nogil=True, cache=True)
def caller(x):
    return helper(x) * 2.0
"""
ASK = """
import simplicity.process  # as every room that computes does first
from simplicity.trap_caller import caller
print(caller(1.0), sum(caller.stats.cache_hits.values()))
"""


def test_an_edited_compiled_helper_in_another_module_is_seen(tmp_path: Path) -> None:
    copy = tmp_path / "simplicity"
    copy.mkdir()
    for name in ("process", "places", "problems"):
        shutil.copytree(PACKAGE / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PACKAGE / "__init__.py", copy / "__init__.py")
    (copy / "trap_caller.py").write_text(CALLER)
    (copy / "trap_helper.py").write_text(HELPER)
    environment = {
        **os.environ,
        "PYTHONPATH": str(tmp_path),
        "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
    }

    def ask() -> str:
        done = subprocess.run(
            [sys.executable, "-c", ASK],
            env=environment,
            capture_output=True,
            text=True,
            cwd=tmp_path,
        )
        assert done.stderr == ""
        return done.stdout.strip()

    assert ask() == "4.0 0"
    assert ask() == "4.0 1"  # the cache works
    (copy / "trap_helper.py").write_text(HELPER.replace("x + 1.0", "x + 5.0"))
    assert ask() == "12.0 0"


LATE = """
import os
from simplicity.process import threads
with threads.one_thread():
    import torch, threadpoolctl
    pools = threadpoolctl.threadpool_info()
    print(torch.get_num_threads(), *{pool["num_threads"] for pool in pools})
print(os.environ["OMP_NUM_THREADS"])
"""


def test_torch_imported_only_inside_uses_one_thread_too() -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, "-c", LATE], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["1 1", "2"]


# --- no home


@pytest.mark.parametrize("reason", [RuntimeError("no home"), KeyError("uid"), None])
def test_a_user_without_a_home_has_a_temporary_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: Exception | None
) -> None:
    def nowhere(name: str) -> Path:
        if reason is not None:
            raise reason
        return Path("~") / ".cache" / name

    monkeypatch.setattr(platformdirs, "user_cache_path", nowhere)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert paths.cache().parent == tmp_path
    assert run.default_store().is_absolute()
