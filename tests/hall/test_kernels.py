"""A kernel of the book sees nothing of the user's own settings; a signal ends what it should."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib
import nbformat
import pytest

from simplicity.pictures import style
from simplicity.places import paths
from simplicity.problems import Problem
from simplicity.site import execute, kernels

CHAPTER = """\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  name: another-kernel
---

# Surroundings

```{code-cell} ipython3
import json, locale, os, sys, time

import matplotlib

told = {
    "python": sys.executable,
    "started by": [
        name for name in ("started", "sitting") if name in globals() or name in sys.modules
    ],
    "optimised": sys.flags.optimize,
    "warnings": sys.warnoptions,
    "usetex": matplotlib.rcParams["text.usetex"],
    "inline": "inline" in matplotlib.get_backend(),
    "zone": time.tzname[0],
    "text": locale.getpreferredencoding().lower(),
    "columns": os.environ["COLUMNS"],
    "hash": os.environ["PYTHONHASHSEED"],
    "cores": os.environ["OPENBLAS_CORETYPE"],
}
print(json.dumps(told))
```
"""


def hostile(folder: Path) -> dict[str, str]:
    """What a user may have set, with the files that it names."""
    startup = folder / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00-first.py").write_text("started = True\n")
    (folder / "start.py").write_text("started = True\n")
    (folder / "site").mkdir()
    (folder / "site" / "sitecustomize.py").write_text(
        "import sys, json\nsys.modules['sitting'] = json\n"
    )
    for name in ("python3", "another-kernel"):
        kernel = folder / "jupyter" / "kernels" / name
        kernel.mkdir(parents=True)
        spec = {"argv": ["false", "{connection_file}"], "display_name": "x", "language": "python"}
        (kernel / "kernel.json").write_text(json.dumps(spec))
    (folder / "matplotlibrc").write_text("text.usetex: True\n")
    return {
        "IPYTHONDIR": str(folder / "ipython"),
        "PYTHONSTARTUP": str(folder / "start.py"),
        "PYTHONPATH": str(folder / "site"),
        "PYTHONWARNINGS": "error",
        "PYTHONOPTIMIZE": "2",
        "PYTHONHASHSEED": "7",
        "JUPYTER_PATH": str(folder / "jupyter"),
        "JUPYTER_DEFAULT_PROVISIONER_NAME": "nobody",
        "JUPYTER_PREFER_ENV_PATH": "0",
        "MATPLOTLIBRC": str(folder / "matplotlibrc"),
        "MPLBACKEND": "TkAgg",
        "DISPLAY": ":9",
        "LC_ALL": "C",
        "TZ": "Asia/Tokyo",
        "COLUMNS": "20",
        "FORCE_COLOR": "1",
        "OPENBLAS_CORETYPE": "Haswell",
        "XDG_RUNTIME_DIR": "",
    }


def test_a_chapter_runs_as_if_the_user_had_set_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("job-" * 20) / ("scratch-" * 10)  # no socket's path may be so long
    deep.mkdir(parents=True)
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "around.md").write_text(CHAPTER)
    monkeypatch.setattr(paths, "root", lambda: tmp_path)
    for name, value in hostile(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    execute.execute("around", tmp_path / "out.ipynb")
    (told,) = [
        cell.outputs[0].text
        for cell in nbformat.read(tmp_path / "out.ipynb", 4).cells
        if cell.get("outputs")
    ]
    assert json.loads(told) == {
        "python": sys.executable,
        "started by": [],
        "optimised": 0,
        "warnings": [],
        "usetex": False,
        "inline": True,
        "zone": "UTC",
        "text": "utf-8",
        "columns": "80",
        "hash": "0",
        "cores": "Haswell",
    }
    assert list(deep.iterdir()) == []


THROUGH = [
    "OPENBLAS_CORETYPE", "ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "MKL_CBWR", "NUMBA_CPU_NAME",
    "NUMBA_CPU_FEATURES", "NPY_DISABLE_CPU_FEATURES", "SIMPLICITY_ARITHMETIC", "SIMPLICITY_DATA",
    "SIMPLICITY_WORKERS", "NUMBA_CACHE_DIR", "OMP_NUM_THREADS", "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "PATH", "HOME",
    "LD_LIBRARY_PATH", "TMPDIR",
]  # fmt: skip
NOT_THROUGH = [
    "PYTHONSTARTUP", "PYTHONWARNINGS", "PYTHONOPTIMIZE", "PYTHONDEVMODE", "PYTHONINSPECT",
    "PYTHONBREAKPOINT", "JUPYTER_PATH", "MPLBACKEND", "DISPLAY", "WAYLAND_DISPLAY", "NO_COLOR",
    "FORCE_COLOR", "CLICOLOR_FORCE", "http_proxy", "HTTPS_PROXY", "LC_NUMERIC", "LANGUAGE",
    "TQDM_DISABLE", "PAPERMILL_X", "JPY_SESSION_NAME", "EDITOR",
]  # fmt: skip


@pytest.mark.parametrize("name", THROUGH)
def test_what_a_run_computes_with_reaches_the_kernel(tmp_path: Path, name: str) -> None:
    assert kernels.environment(tmp_path, {name: "/given"})[name] == "/given"


@pytest.mark.parametrize("name", NOT_THROUGH)
def test_how_things_look_to_the_user_does_not(tmp_path: Path, name: str) -> None:
    assert name not in kernels.environment(tmp_path, {name: "given"})


def test_folders_whose_code_every_python_runs_are_left_out_of_the_search_path(
    tmp_path: Path,
) -> None:
    for name in ("plain", "site", "user"):
        (tmp_path / name).mkdir()
    (tmp_path / "site" / "sitecustomize.py").touch()
    (tmp_path / "user" / "usercustomize").mkdir()
    given = os.pathsep.join(str(tmp_path / name) for name in ("site", "plain", "user", "missing"))
    found = kernels.environment(tmp_path, {"PYTHONPATH": given})["PYTHONPATH"].split(os.pathsep)
    assert found == [str(paths.root() / "lib"), str(tmp_path / "plain"), str(tmp_path / "missing")]


def test_a_kernels_own_folder_goes_with_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with kernels.home() as config:
        assert Path(config.KernelManager.connection_file).parent.is_dir()
    assert not Path(config.KernelManager.connection_file).parent.exists()
    monkeypatch.setattr(kernels, "_takes_sockets", lambda folder: False)
    with kernels.home() as config:
        assert config.KernelManager.transport == "tcp"
    assert list(tmp_path.iterdir()) == []


def test_no_place_for_temporary_files_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(**_: object) -> None:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setenv("TMPDIR", "/nowhere")
    monkeypatch.setattr(tempfile, "TemporaryDirectory", nowhere)
    with pytest.raises(
        Problem,
        match="^TMPDIR: got '/nowhere', allowed a folder that exists and can be written to$",
    ):
        with kernels.temporary("x-"):
            pass


def drawn() -> style.Picture:
    with style.axes() as (figure, (one,)):
        one.plot([1, 2], [3, 4], label="a line")
        one.legend()
    return style.finish(figure, "a line")


def test_a_figure_is_the_same_whatever_the_users_matplotlib_is_set_to() -> None:
    usual = drawn()
    users = {
        "text.usetex": True,
        "lines.linewidth": 9.0,
        "axes.grid": True,
        "font.size": 30.0,
        "savefig.bbox": "tight",
    }
    with matplotlib.rc_context(users):
        assert drawn() == usual
        assert matplotlib.rcParams["font.size"] == 30.0


LEAVING = """
import signal, sys, time
from simplicity.process import interrupts
undo = interrupts.leave("stopping")
try:
    print("ready", flush=True)
    time.sleep(60)
finally:
    print("cleaned", flush=True)
    if sys.argv[1:] == ["slow"]:
        time.sleep(60)
"""


ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def leaving(*words: str, ignored: signal.Signals | None = None) -> subprocess.Popen[str]:
    """A process started as from a terminal, whatever the tests' own parent ignores (`nohup`)."""

    def start() -> None:
        for number in ENDING:
            signal.signal(number, signal.SIG_IGN if number is ignored else signal.SIG_DFL)

    command = [sys.executable, "-c", LEAVING, *words]
    found = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=start
    )
    assert found.stdout is not None and found.stdout.readline() == "ready\n"
    return found


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_leaves_with_one_line_and_130(number: signal.Signals) -> None:
    process = leaving()
    process.send_signal(number)
    assert process.communicate() == ("cleaned\n", "\nstopping\n")
    assert process.returncode == 130


def test_the_second_signal_ends_at_once() -> None:
    process = leaving("slow")
    process.send_signal(signal.SIGTERM)
    assert process.stdout is not None and process.stdout.readline() == "cleaned\n"
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode == 130


@pytest.mark.parametrize("ignored", [signal.SIGHUP, signal.SIGINT])
def test_a_signal_that_was_ignored_stays_so(ignored: signal.Signals) -> None:
    process = leaving(ignored=ignored)
    process.send_signal(ignored)
    process.send_signal(signal.SIGTERM)
    assert process.communicate()[1] == "\nstopping\n"
