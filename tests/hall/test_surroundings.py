"""What a user's shell, folder and environment hold harms no command, no build and no number."""

import gzip
import json
import os
import shutil
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from simplicity.cli import looking, main
from simplicity.grid import run, store
from simplicity.loukas import trajectory
from simplicity.nakkiran import least_squares
from simplicity.places import paths
from simplicity.problems import Problem
from simplicity.process import companion, machine, pool, surroundings, threads
from simplicity.site import kernels, sphinx_extension

ROOT = paths.root()
RUN = ["run", "excess_risk", "--preset", "TINY", "--dry-run"]

# --- variables

# Each of them ends a library's import, writes between our lines, or changes what is computed.
HARMFUL = {
    "NUMBA_NUM_THREADS": "0",
    "NUMBA_FUNCTION_CACHE_SIZE": "x",
    "NUMBA_CACHE_LOCATOR_CLASSES": "Nobody",
    "NUMBA_DEBUG": "1",
    "NUMBA_DUMP_IR": "1",
    "NUMBA_COLOR_SCHEME": "nobody",
    "OMP_DISPLAY_ENV": "VERBOSE",
    "OMP_NUM_THREADS": "many",
    "OMP_STACKSIZE": "much",
    "GOMP_DEBUG": "1",
    "KMP_SETTINGS": "1",
    "MKL_VERBOSE": "1",
    "ONEDNN_VERBOSE": "1",
    "DNNL_VERBOSE": "2",
    "OPENBLAS_VERBOSE": "2",
    "OPENBLAS_BLOCK_FACTOR": "2",
    "GOTO_NUM_THREADS": "x",
    "TORCH_LOGS": "everything",
    "TORCH_TRACE": "/nowhere",
    "TORCH_CPP_LOG_LEVEL": "INFO",
    "TORCHDYNAMO_VERBOSE": "1",
    "PYTORCH_JIT": "0",
    "TQDM_MININTERVAL": "soon",
    "TQDM_NCOLS": "wide",
    "SCIPY_ARRAY_API": "1",
    "SKLEARN_ASSUME_FINITE": "maybe",
    "SKLEARN_WORKING_MEMORY": "x",
    "MPLBACKEND": "nobody",
    "SOURCE_DATE_EPOCH": "yesterday",
    "PYTHONINSPECT": "1",
    "PYTHONOPTIMIZE": "1",
}
HARMLESS = {
    "OMP_NUM_THREADS": "4",
    "OPENBLAS_NUM_THREADS": "2,1",
    "NUMBA_NUM_THREADS": "1",
    "KMP_DUPLICATE_LIB_OK": "TRUE",
    "TQDM_DISABLE": "1",
    "NUMBA_CACHE_DIR": "/cache",
    "HOME": "/home/me",
    "LD_LIBRARY_PATH": "/lib",
    "CUDA_VISIBLE_DEVICES": "",
    "SIMPLICITY_WORKERS": "2",
    "DASK_CONFIG": "/etc/dask",
    "https_proxy": "http://proxy",
    "TMPDIR": "/scratch",
}


def test_a_command_leaves_out_what_harms_it_and_keeps_the_rest() -> None:
    given = HARMFUL | {"HOME": "/home/me"}
    surroundings.settle(given)
    assert set(given) - threads.DECIDING == {"HOME"}
    given = dict(HARMLESS)
    surroundings.settle(given)
    assert given == HARMLESS


@pytest.mark.parametrize("name", sorted(threads.DECIDING))
def test_what_decides_a_bit_is_left_to_the_arithmetic(name: str) -> None:
    given = {name: "anything"}
    surroundings.settle(given)
    assert given == {name: "anything"}


CODE = """
import json, os, sys
from simplicity.cli import main
code = main(["compare", "a", "a"])
names = [name for name in os.environ if name in json.loads(sys.argv[1])]
import numba, tqdm, matplotlib, torch
print(json.dumps([code, names, numba.config.DISABLE_JIT, numba.config.BOUNDSCHECK,
                  numba.config.DEBUGINFO_DEFAULT, os.environ["NUMBA_CACHE_DIR"]]))
"""


def test_the_libraries_load_in_silence_under_all_of_them_at_once(tmp_path: Path) -> None:
    (tmp_path / ".numba_config.yaml").write_text("disable_jit: 1\nboundscheck: 1\ndebuginfo: 1\n")
    harmful = HARMFUL | {"NUMBA_DISABLE_JIT": "1", "NUMBA_CACHE_DIR": "here"}
    harmful |= {"PYTHONINSPECT": "", "PYTHONPATH": str(paths.PACKAGE.parent), "GIT_DIR": "/nowhere"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", CODE, json.dumps(sorted(HARMFUL))],
        env=os.environ | harmful,
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
    )
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    code, left, *compiled, cache = json.loads(done.stdout)
    assert (code, left, compiled) == (2, [], [0, 0, 0])
    assert Path(cache).parent == tmp_path / "here"


@pytest.mark.parametrize(
    ("name", "given", "told"),
    [
        ("SIMPLICITY_STORE", "cells", "{here}/cells"),
        ("SIMPLICITY_DATA", "~/images", "{home}/images"),
        ("XDG_CACHE_HOME", "cache", "{here}/cache"),
        ("PYTHONPYCACHEPREFIX", "../compiled", "{above}/compiled"),
        ("NUMBA_CACHE_DIR", "/cache", "/cache"),
        ("PATH", "bin", "bin"),
    ],
)
def test_a_kernel_which_works_in_another_folder_is_told_whole_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, given: str, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    told = told.format(here=tmp_path, above=tmp_path.parent, home="/home/me")
    assert kernels.environment(tmp_path, {name: given})[name] == told


@pytest.mark.parametrize("name", ["random.py", "queue/__init__.py", "sitecustomize/x.py"])
def test_a_folder_with_a_module_named_as_pythons_own_is_out_of_a_kernels_search_path(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "in_the_way" / name).parent.mkdir(parents=True)
    (tmp_path / "in_the_way" / name).touch()
    (tmp_path / "fine" / "random").mkdir(parents=True)  # no module
    given = os.pathsep.join(str(tmp_path / one) for one in ("in_the_way", "fine"))
    found = kernels.environment(tmp_path, {"PYTHONPATH": given})["PYTHONPATH"].split(os.pathsep)
    assert found == [str(ROOT / "lib"), str(tmp_path / "fine")]


# --- the user's folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with files that Python would take for its own modules, and a start-up file
    that prints.
    """
    for name in ("random", "pickle", "queue", "struct", "tempfile", "numpy"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('not this one')\n")
    (tmp_path / "start").mkdir()
    (tmp_path / "start" / "sitecustomize.py").write_text("print('good morning')\n")
    monkeypatch.setenv("PYTHONPATH", f"{paths.PACKAGE.parent}{os.pathsep}{tmp_path / 'start'}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_workers_start_in_a_folder_whose_files_are_named_as_pythons_modules(folder: Path) -> None:
    with pool.process_pool(1, 100) as found:
        assert found.submit(os.getcwd).result(100) == str(folder)
    assert "PYTHONSAFEPATH" not in os.environ


def test_the_companion_answers_there_and_takes_no_print_for_an_answer(folder: Path) -> None:
    companion._companion.cache_clear()
    try:
        assert companion.call(os.getcwd) == str(folder)
        assert companion.call(print, "a word") is None
    finally:
        companion._companion().end()
        companion._companion.cache_clear()


def test_pools_start_where_python_leaves_assertions_out(folder: Path) -> None:
    for path in ("process/pool.py", "site/worker.py"):
        text = (paths.PACKAGE / path).read_text("utf-8")
        assert "assert pool" not in text and "assert found" not in text


# --- git


def test_a_commit_is_the_checkouts_own_whatever_git_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*words: str) -> None:
        named = ["-c", "user.name=x", "-c", "user.email=x@x"]
        subprocess.run(
            ["git", *named, "-C", str(tmp_path), *words], check=True, capture_output=True
        )

    git("init")
    git("commit", "--allow-empty", "-m", "around")
    (tmp_path / "unpacked" / "lib").mkdir(parents=True)
    assert machine.commit(tmp_path)
    assert machine.commit(tmp_path / "unpacked") is None  # an archive inside another's repository
    monkeypatch.setenv("GIT_DIR", str(tmp_path / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path))
    assert machine.commit(tmp_path / "unpacked") is None
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert machine.commit(tmp_path)


# --- make


FAKE = """#!/bin/sh
case "$*" in *version_info*) exec {python} "$@";; esac
echo "$@" >> words
env > variables
"""
SHELLS = {
    "PYTHONPATH": "/mine", "PYTHONHOME": "", "PYTHONOPTIMIZE": "2", "PYTHONSAFEPATH": "1",
    "PYTHONWARNINGS": "error", "PYTHONSTARTUP": "/mine", "PYTEST_ADDOPTS": "--collect-only",
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "GIT_DIR": "/nowhere", "GIT_WORK_TREE": "/nowhere",
    "PIP_TARGET": "/mine", "PIP_PREFIX": "/mine", "PIP_USER": "1", "SOURCE_DATE_EPOCH": "0",
    "MPLBACKEND": "nobody", "CDPATH": "/", "GREP_OPTIONS": "-v", "COLUMNS": "20",
    "FORCE_COLOR": "1", "NO_COLOR": "1", "PYTHONUTF8": "0", "MYPYPATH": "/mine",
    "BIN": "/mine", "STAMP": "/mine", "PIP_INDEX_URL": "https://ours", "https_proxy": "http://p",
    "PYTHONDONTWRITEBYTECODE": "1",
}  # fmt: skip


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with blanks in its name, with an environment whose Python notes what it is told."""
    folder = tmp_path / "a folder"
    (folder / ".venv" / "bin").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, folder / name)
    fake = folder / ".venv" / "bin" / "python"
    fake.write_text(FAKE.format(python=sys.executable))
    fake.chmod(0o755)
    (folder / ".venv" / "installed").write_text(f"{folder.resolve()}\n")
    return folder


def make(folder: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "-C", str(folder), *words],
        env={"PATH": os.environ["PATH"], **more},
        capture_output=True,
        encoding="utf-8",
    )


def test_make_passes_on_nothing_that_a_shell_has_set_for_other_programs(checkout: Path) -> None:
    done = make(checkout, "book", **SHELLS)
    assert done.returncode == 0, done.stderr
    assert (checkout / "words").read_text() == "-m simplicity.site book\n"
    lines = (checkout / "variables").read_text().splitlines()
    told = dict(line.split("=", 1) for line in lines if "=" in line)
    kept = {name: told[name] for name in SHELLS if name in told}
    assert kept.pop("BIN") == ".venv/bin" and kept.pop("STAMP") == ".venv/installed"
    assert kept == {
        "PIP_USER": "0",
        "PYTHONUTF8": "1",
        "PIP_INDEX_URL": "https://ours",
        "https_proxy": "http://p",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def test_make_refuses_an_environment_that_was_moved_and_loses_nothing(checkout: Path) -> None:
    moved = checkout.with_name("moved")
    checkout.rename(moved)
    done = make(moved, "book")
    assert done.returncode == 2 and not (moved / "words").exists()
    assert done.stderr.startswith(
        f"error: .venv: got one made for {checkout.resolve()}, allowed one of this folder: "
        "remove the folder .venv\n"
    )
    assert make(moved, "clean").returncode == 0 and not (moved / ".venv").exists()


def test_make_refuses_an_environment_whose_python_is_gone_or_of_another_version(
    checkout: Path,
) -> None:
    fake = checkout / ".venv" / "bin" / "python"
    fake.write_text("#!/bin/sh\necho 'error: .venv: got Python 3.9' >&2; exit 1\n")
    done = make(checkout, "test")
    assert done.returncode == 2 and done.stderr.startswith("error: .venv: got Python 3.9")
    fake.unlink()
    fake.symlink_to("/nowhere/python3")
    done = make(checkout, "test")
    assert done.returncode == 2 and done.stderr.startswith(
        "error: .venv: got one whose Python is gone, allowed one that starts: remove the folder"
    )


def test_make_goes_on_with_an_environment_made_by_hand_and_notes_where_it_is(
    checkout: Path,
) -> None:
    (checkout / ".venv" / "installed").unlink()
    assert make(checkout, "env", "PYTHON=nobody").returncode == 0
    assert "install" in (checkout / "words").read_text()
    assert (checkout / ".venv" / "installed").read_text() == f"{checkout.resolve()}\n"


# --- words that a user types


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["compare", "a.nc", "n" * 300], "File name too long"),
        (["compare", "a.nc", "flipped.nc.gz"], "allowed a readable file"),
        (["cache", "--store", "n" * 300], "File name too long"),
        (["cache", "--store", ""], "store: got nothing"),
        (["cache", "--store", "a.nc"], "store: got a.nc (File exists), allowed a writable folder"),
        ([*RUN, "--store", ""], "store: got nothing, allowed a writable folder"),
        ([*RUN, "--store", "n" * 300], "store: got nnn"),
        ([*RUN, "--store", "a.nc"], "store: got a.nc (File exists)"),
        ([*RUN, "--store", "nowhere"], "store: got nowhere (File exists)"),
        ([*RUN, "--store", "/dev/null"], "store: got /dev/null (File exists)"),
        ([*RUN, "--scheduler", "tcp://h:99999"], "scheduler: got 'tcp://h:99999'"),
        ([*RUN, "--scheduler", "tcp://h:0"], "scheduler: got 'tcp://h:0'"),
        (["ledger", "--json", "--markdown"], "not allowed with argument"),
        (["new", "numpy.py"], "name: got numpy, a module of Python or of an installed package"),
        (["new", "far/random.py"], "name: got random, a module of Python"),
        ([*RUN, "-p", "n=480,,960"], "allowed values between the commas"),
        ([*RUN, "-p", "n=,480"], "allowed values between the commas"),
        ([*RUN, "-g", "n=480,,960"], "allowed values between the commas"),
        ([*RUN, "-g", "n=,"], "allowed values between the commas"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence_and_leaves_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.nc").write_bytes(store.encode(xr.Dataset({"a": ("cell", [1.0])})))
    packed = bytearray(gzip.compress((tmp_path / "a.nc").read_bytes()))
    packed[14:20] = b"\xff" * 6
    (tmp_path / "flipped.nc.gz").write_bytes(packed)
    (tmp_path / "nowhere").symlink_to("not there")
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1 and told in err
    assert {path.name for path in tmp_path.iterdir()} == {"a.nc", "flipped.nc.gz", "nowhere"}


def test_a_store_in_the_home_of_nobody_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMPLICITY_STORE", "~nobody-of-that-name/cells")
    with pytest.raises(Problem, match="SIMPLICITY_STORE: got '~nobody.* allowed a folder$"):
        run.default_store()


def test_an_experiment_is_told_about_where_python_leaves_texts_out(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text('"""About one.\n\nMore."""\n', "utf-8")
    bare = types.ModuleType("one")
    bare.__file__ = str(tmp_path / "one.py")
    assert looking._about(bare) == "About one."
    assert looking._about(types.ModuleType("two", "About two.\nMore.")) == "About two."
    assert looking._about(types.ModuleType("three")) == ""


def test_no_site_is_built_where_python_leaves_texts_out(monkeypatch: pytest.MonkeyPatch) -> None:
    sphinx_extension._refuse_without_texts()
    monkeypatch.setattr(sphinx_extension.sys, "flags", types.SimpleNamespace(optimize=2))
    with pytest.raises(Problem, match="^PYTHONOPTIMIZE: got 2, allowed 0 or 1, since "):
        sphinx_extension._refuse_without_texts()


# --- standard output that cannot be written

FULL = [sys.executable, "-P", "-c", "import sys; from simplicity.cli import main; sys.exit(main())"]


@pytest.mark.parametrize(
    ("shell", "code", "said"),
    [
        ('"$@" cache --store . > /dev/full', 1, "error: standard output: No space left on device"),
        ('"$@" cache --store . | true; exit ${PIPESTATUS[0]}', 1, ""),
        ('"$@" cache --store . >&-', 0, ""),
        ('"$@" cache --store nowhere 2> /dev/full', 2, ""),
        ('"$@" cache --store nowhere 2>&-', 2, ""),
    ],
)
def test_output_that_nobody_takes_ends_in_at_most_a_line(
    tmp_path: Path, shell: str, code: int, said: str
) -> None:
    environment = os.environ | {"PYTHONPATH": str(paths.PACKAGE.parent)}
    done = subprocess.run(
        ["bash", "-c", shell, "bash", *FULL],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
    )
    assert (done.returncode, done.stderr.strip()) == (code, said)


# --- arrays as other libraries hand them over


def test_least_squares_takes_arrays_that_may_not_be_written_or_run_backwards() -> None:
    y = np.where(np.arange(6) % 2, 1.0, -1.0)
    given = {"own": np.zeros(6), "shared": y / 2, "y": y, "slot": np.arange(6)}
    sizes = {"step_size": 0.1, "steps": 5}
    usual = least_squares.descend(0.1, **given, **sizes)
    locked = {name: array.copy() for name, array in given.items()}
    for array in locked.values():
        array.flags.writeable = False
    backwards = {name: array[::-1].copy()[::-1] for name, array in given.items()}
    for other in (locked, backwards):
        for one, two in zip(usual, least_squares.descend(0.1, **other, **sizes), strict=True):
            np.testing.assert_array_equal(one, two)


def test_normalised_steps_take_lists_and_their_floor_refuses_what_is_no_array() -> None:
    bias = np.random.default_rng(0).random((6, 3)).cumsum(0)
    epsilon = np.arange(1.0, 6.0)
    found = trajectory.late_error(bias, epsilon, 0.1)
    assert found > 0 and trajectory.late_error(bias.tolist(), epsilon.tolist(), 0.1) == found
    for wrong in (None, "x", [[1.0], [2.0, 3.0]], bias.astype(complex), np.zeros((3, 0)), 1.0):
        with pytest.raises(Problem, match="^bias: got .*, allowed "):
            trajectory.rounding_floor(wrong, 1.0, 0.1, 1.0)
    with pytest.raises(Problem, match="^epsilon: got .*, allowed "):
        trajectory.late_error(bias, epsilon[:3], 0.1)
