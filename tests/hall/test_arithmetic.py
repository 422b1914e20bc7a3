"""The same bits on every processor: what settles the arithmetic, what happens where it is too late,
and emulations.

An emulation is a process whose surroundings name another processor to the libraries, as a user's
shell or a cluster's module files may. Portable arithmetic must win over it; native arithmetic must
follow it, or the emulation would show nothing.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest

from simplicity.evidence import ledger, recompute, records
from simplicity.grid import groups, run, store
from simplicity.nakkiran.experiments import two_phases as experiment
from simplicity.places import paths
from simplicity.problems import Problem
from simplicity.process import companion, threads
from simplicity.site import evidence

HERE = Path(__file__).parents[1]
EMULATIONS = {
    "SkylakeX, default": {"OPENBLAS_CORETYPE": "SkylakeX", "ATEN_CPU_CAPABILITY": "default"},
    "Haswell, avx512": {"OPENBLAS_CORETYPE": "Haswell", "ATEN_CPU_CAPABILITY": "avx512"},
}
EACH = pytest.mark.parametrize("surroundings", EMULATIONS.values(), ids=EMULATIONS)
CHAPTER = "simple-start-theorem"


def emulated(surroundings: dict[str, str], *command: str, limit: float = 280.0) -> str:
    """Standard output of a command that starts without any of our own settings, in other
    surroundings.
    """
    ours = {threads.ARITHMETIC, "SIMPLICITY_WORKERS", *threads._SETTINGS}
    environment = {
        name: value for name, value in os.environ.items() if name not in ours
    } | surroundings
    done = subprocess.run(
        command, env=environment, capture_output=True, encoding="utf-8", timeout=limit
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def asked(surroundings: dict[str, str], *words: str) -> dict[str, Any]:
    return json.loads(
        emulated(surroundings, sys.executable, str(HERE / "emulated.py"), *words).splitlines()[-1]
    )


# --- what settles it


def state(environment: dict[str, str], code: str) -> list[Any]:
    base = {
        name: value
        for name, value in os.environ.items()
        if name not in {threads.ARITHMETIC, *threads._SETTINGS}
    }
    done = subprocess.run(
        [sys.executable, "-c", f"import json\n{code}"],
        env=base | environment,
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


LOADED = """
from simplicity.process import companion, threads
import numpy, numba, torch, os
from threadpoolctl import threadpool_info
blas = [one for one in threadpool_info() if one["internal_api"] == "openblas"]
cores = sorted({one["architecture"] for one in blas})
print(json.dumps([threads.kind(), threads.in_force(), cores,
                  torch.backends.cpu.get_cpu_capability(), numba.config.CPU_NAME,
                  os.environ.get("MKL_CBWR")]))
"""


@EACH
def test_the_libraries_take_what_is_portable_whatever_the_surroundings_say(
    surroundings: dict[str, str],
) -> None:
    wrong = {
        "MKL_CBWR": "AVX512",
        "NUMBA_CPU_NAME": "generic",
        "NPY_ENABLE_CPU_FEATURES": "X86_V4",
        "NUMBA_OPT": "0",
    }
    assert state(surroundings | wrong, LOADED) == [
        "portable",
        True,
        ["Haswell"],
        "AVX2",
        "haswell",
        "COMPATIBLE",
    ]


def test_native_arithmetic_leaves_the_surroundings_alone() -> None:
    given = {
        threads.ARITHMETIC: "native",
        "OPENBLAS_CORETYPE": "Nehalem",
        "ATEN_CPU_CAPABILITY": "default",
    }
    assert state(given, LOADED) == ["native", True, ["Nehalem"], "DEFAULT", None, None]


def test_a_native_process_below_a_portable_one_takes_its_settings_back() -> None:
    given = {**threads._SETTINGS, threads.ARITHMETIC: "native"}
    assert state(given, LOADED)[3:] != ["AVX2", "haswell", "COMPATIBLE"]


def test_numpy_loaded_first_is_noticed_where_it_took_more_than_is_portable() -> None:
    first = "import numpy\n" + LOADED
    assert state({"OPENBLAS_CORETYPE": "Nehalem"}, first)[1] is False
    same = {
        name: threads._SETTINGS[name] for name in ("OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES")
    }
    assert state(same, "import numpy\n" + LIGHT) is True


LIGHT = "from simplicity.process import threads\nprint(json.dumps(threads.in_force()))"


def test_a_setting_for_which_it_is_too_late_is_still_passed_on() -> None:
    code = """
import numpy, os
from simplicity import nets
print(json.dumps(os.environ["OPENBLAS_CORETYPE"]))
"""
    assert state({"OPENBLAS_CORETYPE": "Nehalem"}, code) == "Haswell"


SETTLING = [
    "data.streams", "nets", "grid.config", "evidence.claims", "site", "cli", "process.machine",
    "boursier.two_layer", "hu.ntk", "loukas.single_sample", "nakkiran.experiments.two_phases",
    "together.lenses",
]  # fmt: skip


@pytest.mark.parametrize("name", SETTLING)
def test_whatever_computes_for_the_book_settles_it_before_a_library_is_loaded(name: str) -> None:
    code = f"""
import importlib
importlib.import_module("simplicity.{name}")
from simplicity.process import threads
print(json.dumps(threads.in_force()))
"""
    assert state({"OPENBLAS_CORETYPE": "Nehalem"}, code) is True


def test_a_name_of_the_package_settles_it_before_a_library_is_loaded() -> None:
    code = """
from simplicity import information
from simplicity.process import threads
print(json.dumps(threads.in_force()))
"""
    assert state({"OPENBLAS_CORETYPE": "Nehalem"}, code) is True


def test_an_unknown_word_for_the_arithmetic_is_refused() -> None:
    with pytest.raises(Problem, match="arithmetic: got 'fast', allowed portable or native"):
        threads.choose("fast")


def test_a_processor_without_avx2_is_native_whatever_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(threads, "_has_avx2", lambda: False)
    assert threads.kind() == "native"


def test_another_c_library_is_named_in_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "libm", lambda: "12345678")
    assert threads.label.__wrapped__().endswith("C library 12345678")


def test_nothing_takes_a_vector_function_that_no_setting_makes_equal() -> None:
    """torch.sqrt of an array, and the optimisers that call it: MKL's differs between processors by
    a rounding.
    """
    forbidden = re.compile(
        r"torch\.r?sqrt|\.r?sqrt_?\(\)|torch\.(std|var)\(|optim\.(Ada|RMS|Nadam|RAdam)\w*,(?!.*fused=True)"
    )
    library = paths.PACKAGE
    found = [
        path.name for path in library.rglob("*.py") if forbidden.search(path.read_text("utf-8"))
    ]
    # The first says so. The second is for cards, where no bits are promised, and makes no record.
    assert sorted(found) == ["on_device.py", "threads.py"]


# --- a process that was too late


CELL = groups.runs_of(experiment, groups.preset(experiment, "TINY"))[0]


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "in_force", lambda: False)


@pytest.mark.usefixtures("late")
def test_too_late_for_its_arithmetic_a_process_has_cells_computed_beside_it() -> None:
    beside, _ = run.compute(experiment.__name__, CELL)
    assert beside == store.encode(experiment.measure(CELL))


@pytest.mark.usefixtures("late")
def test_a_failure_beside_comes_back_with_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AttributeError) as caught:
        run.compute(experiment.__name__, "no cell")
    assert any("two_phases.py" in note for note in caught.value.__notes__)


@pytest.mark.usefixtures("late")
def test_a_companion_that_dies_is_told_and_replaced() -> None:
    run.compute(experiment.__name__, CELL)
    companion._companion()._process.kill()
    with pytest.raises(companion.Died) as caught:
        run.compute(experiment.__name__, CELL)
    assert caught.value.exitcode == -9
    assert run.compute(experiment.__name__, CELL)[0]


def test_a_companion_ends_with_its_parent() -> None:
    code = (
        "from simplicity.grid import run\nfrom simplicity.process import companion\n"
        "from simplicity.nakkiran.experiments import two_phases as e\n"
        "companion.call(run.compute, e.__name__, e.GRID.runs(e.GRID.presets['TINY'])[0])\n"
        "print(json.dumps(companion._companion()._process.pid), flush=True)\n"
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import json\n{code}"], capture_output=True, encoding="utf-8"
    )
    assert gone(int(done.stdout))


def gone(pid: int, patience: float = 10.0) -> bool:
    try:
        psutil.Process(pid).wait(patience)
    except psutil.NoSuchProcess:
        pass
    return not psutil.pid_exists(pid)


# --- other processors


@EACH
def test_the_smallest_runs_have_the_recorded_bits_under_another_processors_name(
    surroundings: dict[str, str],
) -> None:
    found = asked(surroundings, "tiny")
    assert found["label"] == "portable"
    expected = {
        name: records.load(records.experiment(name)).about["tiny"] for name in records.names()
    }
    assert found["found"] == expected


@pytest.mark.site
@EACH
def test_a_chapter_and_the_ledger_are_the_same_under_another_processors_name(
    surroundings: dict[str, str], tmp_path: Path
) -> None:
    state = evidence.collect(paths.root())
    words = ["chapter", CHAPTER, "-o", str(tmp_path / "out.ipynb")]
    code = "import sys; from simplicity.cli import main; sys.exit(main(sys.argv[1:]))"
    emulated(
        surroundings | {"SIMPLICITY_STORE": str(tmp_path / "store")},
        sys.executable,
        "-c",
        code,
        *words,
    )
    found = evidence.payloads_of(nbformat.read(tmp_path / "out.ipynb", as_version=4))
    assert [one["checks"] for one in found] == [one["checks"] for one in state.payloads[CHAPTER]]
    everywhere = [
        one for payloads in (state.payloads | {CHAPTER: found}).values() for one in payloads
    ]
    assert evidence.canonical(ledger.rows(everywhere)) == (
        paths.build() / "html" / "claims.json"
    ).read_text("utf-8")


FEW = ("linear_width", "linear_closeness", "gram_gap", "information_estimator")


def test_native_arithmetic_of_another_processor_rounds_otherwise_and_says_the_same() -> None:
    """The check that can fail: bits differ here, no value further than another seed's, no
    outcome.
    """
    older = {
        threads.ARITHMETIC: "native",
        "OPENBLAS_CORETYPE": "Nehalem",
        "ATEN_CPU_CAPABILITY": "default",
    }
    found = asked(older, "cells", *FEW)
    assert found["label"].startswith("native, ")
    assert any(one["unequal"] for one in found["found"].values())
    assert [
        name for name, one in found["found"].items() if one["far"] or not one["same outcomes"]
    ] == []


def test_a_value_as_far_off_as_another_seed_is_near_and_a_further_one_far() -> None:
    record = records.load(records.experiment("linear_width"))
    assert record is not None
    own, other = (
        record.dataset.isel(cell=index) for index in recompute.siblings(record.dataset, 0)[:2]
    )
    assert recompute.far(own, record, 0) == []
    spread = abs(own["gap_train"] - other["gap_train"])
    assert recompute.far(own.assign(gap_train=own["gap_train"] + 0.5 * spread), record, 0) == []
    assert recompute.far(own.assign(gap_train=own["gap_train"] + 100 * spread + 1), record, 0) == [
        "gap_train"
    ]
