"""One finished cell, one file: keys, fingerprints, damage, and what happens when a write fails."""

import dataclasses
import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import xarray as xr

import toy_experiment as toy
from simplicity.grid import store
from simplicity.grid.run import run
from simplicity.places import files
from simplicity.problems import Problem

CELL = toy.Run(index=0, mode="fine", seed=0, notes="")
BODY = store.encode(xr.Dataset({"value": ("probe", [1.5, 2.5])}, {"step": ("probe", [0, 10])}))


@dataclasses.dataclass(frozen=True)
class Loose:
    """A cell with a field of any type."""

    value: Any


@dataclasses.dataclass(frozen=True)
class Other:
    value: Any


# --- keys


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0), (1, True), (1, "1"), (1.0, True), (1.0, "1.0"), (0.0, -0.0), (0, False),
        ("", None), (0.3, 0.1 + 0.2), (1e300, float("inf")), ((1,), (1, 1)),
    ],
)  # fmt: skip
def test_values_of_different_type_or_bits_have_different_keys(one: object, other: object) -> None:
    assert store.key(toy, Loose(one)) != store.key(toy, Loose(other))


def test_a_float_is_written_in_hexadecimal_beside_its_type() -> None:
    assert store.canonical(Loose(0.1)) == {
        "type": "Loose",
        "fields": {"value": ["float", "0x1.999999999999ap-4"]},
    }
    assert store.canonical(Loose(-0.0))["fields"]["value"] == ["float", "-0x0.0p+0"]
    assert store.canonical(Loose(3))["fields"]["value"] == ["int", 3]


def test_equal_cells_have_equal_keys_and_another_type_of_cell_another() -> None:
    assert store.key(toy, Loose(0.5)) == store.key(toy, Loose(1 / 2))
    assert store.key(toy, Loose(0.5)) != store.key(toy, Other(0.5))


def test_a_key_depends_on_the_experiment_and_on_the_fingerprint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = store.key(toy, CELL)
    monkeypatch.setattr(store, "name_of", lambda experiment: "namesake")
    assert store.key(toy, CELL) != before
    monkeypatch.undo()
    monkeypatch.setattr(store, "fingerprint", lambda experiment: "0" * 64)
    assert store.key(toy, CELL) != before


# --- fingerprints

SAMPLE = '''"""An experiment."""

import dataclasses

from simplicity import config, plot
from simplicity.engines import motor

LIMIT = 3
TABLE = {"a": 1}
TABLE["a"] = 2
COLOUR = "red"
try:
    from simplicity import fast as quick
except ImportError:
    quick = None
if LIMIT:

    def _offset():
        return 7


TINY = []
TINY.append(1)
WEIGHTS = []
WEIGHTS.append(1)


@dataclasses.dataclass(frozen=True)
class Run:
    """One cell."""

    n: int = 0


QUICK = Run(n=1)


def cells(settings):
    """All cells."""
    return [Run(n=LIMIT)]


def measure(cell):
    """One cell."""
    # the motor runs
    if quick:
        return quick.drive(cell)
    return _helper(motor.drive(cell.n)) + TABLE["a"]


def _helper(value):
    return value + 1 + _offset() + sum(WEIGHTS)


def checks(dataset):
    """Checks."""
    return plot.draw(dataset, COLOUR, 0.5)
'''
FILES = {
    "experiments/sample.py": SAMPLE,
    "config.py": "def settings():\n    return 1\n",
    "engines/__init__.py": '"""Engines."""\n',
    "engines/motor.py": "from simplicity import nets\n\n\n"
    'def drive(n):\n    """Drive."""\n    return nets.f(n)\n',
    "nets.py": "from simplicity.data import streams as s\n\n\ndef f(n):\n    return s.draw(n)\n",
    "data/streams.py": "def draw(n):\n    return n * 2\n",
    "fast.py": "def drive(cell):\n    return 0\n",
    "plot.py": "def draw(*arguments):\n    return arguments\n",
    "unrelated.py": "VALUE = 1\n",
}


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small library of our shape in place of the real one."""
    for name, text in FILES.items():
        path = tmp_path / "simplicity" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(store, "_LIBRARY", tmp_path / "simplicity")
    return tmp_path / "simplicity"


def fingerprint(tree: Path) -> str:
    store._own.cache_clear()  # which holds the files as they were when first read
    return store.fingerprint(
        module("simplicity.experiments.sample", tree / "experiments" / "sample.py")
    )


def module(name: str, file: Path) -> ModuleType:
    made = ModuleType(name)
    made.__file__ = str(file)
    return made


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("experiments/sample.py", "LIMIT = 3", "LIMIT = 4"),
        ("experiments/sample.py", "value + 1", "value + 2"),
        ("experiments/sample.py", "n: int = 0", "n: int = 1"),
        ("experiments/sample.py", "_helper(motor", "(motor"),
        ("experiments/sample.py", 'TABLE["a"] = 2', 'TABLE["a"] = 3'),
        ("experiments/sample.py", "import fast as quick", "import nets as quick"),
        ("experiments/sample.py", "return 7", "return 8"),
        ("experiments/sample.py", "WEIGHTS.append(1)", "WEIGHTS.append(2)"),
        ("engines/motor.py", "nets.f(n)", "nets.f(n + 1)"),
        ("nets.py", "s.draw(n)", "s.draw(-n)"),
        ("data/streams.py", "n * 2", "n * 3"),
        ("fast.py", "return 0", "return 1"),
    ],
)
def test_a_change_that_could_reach_a_cell_changes_the_fingerprint(
    tree: Path, name: str, old: str, new: str
) -> None:
    before = fingerprint(tree)
    edit(tree / name, old, new)
    assert fingerprint(tree) != before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("experiments/sample.py", '"""An experiment."""', '"""The experiment, told better."""'),
        (
            "experiments/sample.py",
            '    """One cell."""\n    #',
            '    """One cell, in\n    two lines."""\n    #',
        ),
        (
            "experiments/sample.py",
            "def _helper(value):\n",
            'def _helper(value):\n    """Help."""\n',
        ),
        ("experiments/sample.py", "# the motor runs", "# it runs"),
        ("experiments/sample.py", "    return value + 1", "\n    return value + (\n        1)"),
        ("experiments/sample.py", "Run(n=1)", "Run(n=2)"),
        ("experiments/sample.py", "TINY.append(1)", "TINY.append(2)"),
        ("experiments/sample.py", "COLOUR, 0.5", "COLOUR, 0.6"),
        ("experiments/sample.py", '"red"', '"blue"'),
        ("engines/motor.py", '"""Drive."""', '"""Drive on."""'),
        ("engines/__init__.py", "Engines", "All engines"),
        ("plot.py", "return arguments", "return None"),
        ("unrelated.py", "VALUE = 1", "VALUE = 2"),
    ],
)
def test_a_docstring_comment_preset_check_or_colour_does_not(
    tree: Path, name: str, old: str, new: str
) -> None:
    before = fingerprint(tree)
    edit(tree / name, old, new)
    assert fingerprint(tree) == before


@pytest.mark.parametrize("package", ["python", "numpy", "torch", "numba", "scipy"])
def test_another_version_of_what_computes_changes_the_fingerprint(
    tree: Path, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, versions = fingerprint(tree), store.versions()
    monkeypatch.setattr(store, "versions", lambda: versions | {package: "0.0.1"})
    assert fingerprint(tree) != before


def test_versions_are_public_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda name: "2.13.0+cpu")
    assert store.versions.__wrapped__()["torch"] == "2.13.0"


def test_the_closure_of_a_real_experiment_holds_its_engine_and_no_plot() -> None:
    from simplicity.boursier.experiments import two_ols_limit

    found = store.definitions_of(two_ols_limit)
    modules = {one.module.removeprefix("simplicity.") for one in found}
    assert modules >= {
        "boursier.experiments.two_ols_limit", "boursier.linear_teacher", "nets", "data.streams",
        "boursier.synthetic", "boursier.two_layer", "boursier.alignment",
    }  # fmt: skip
    assert not {module.partition(".")[0] for module in modules} & {
        "grid",
        "evidence",
        "pictures",
        "site",
    }
    # vectors of the kernel
    assert {module for module in modules if module.startswith("process")} == {"process.lanes"}
    own = {one.name for one in found if ".experiments." in one.module}
    assert own == {"measure"}


ELSEWHERE = {
    "mine.py": """
import helper
from tools import gauge
class Run: pass
def measure(cell): return helper.f(cell) + gauge.g(cell)
""",
    "helper.py": "from simplicity import nets\ndef f(cell): return nets.f(cell)\n",
    "tools/gauge.py": "def g(cell): return 1\n",
    "unrelated.py": "X = 1\n",
    "inner/__init__.py": "",
    "inner/mine.py": """
import helper
from inner.near import h
class Run: pass
def measure(cell): return helper.f(cell) + h(cell)
""",
    "inner/near.py": "def h(cell): return 1\n",
}


@pytest.fixture
def elsewhere(tree: Path) -> Path:
    """Experiments that are not of this package, as a user has them."""
    for name, text in ELSEWHERE.items():
        path = tree.parent / "work" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    store._own.cache_clear()
    return tree.parent / "work"


@pytest.mark.parametrize(
    ("experiment", "name", "counts"),
    [
        ("mine", "mine.py", True), ("mine", "helper.py", True), ("mine", "tools/gauge.py", True),
        ("mine", "unrelated.py", False), ("inner.mine", "inner/mine.py", True),
        ("inner.mine", "inner/near.py", True), ("inner.mine", "helper.py", True),
        ("inner.mine", "mine.py", False), ("mine", "../simplicity/nets.py", True),
        ("mine", "../simplicity/config.py", False), ("__main__", "helper.py", True),
    ],
)  # fmt: skip
def test_what_lies_beside_an_experiment_counts_if_it_is_used(
    elsewhere: Path, experiment: str, name: str, counts: bool
) -> None:
    file = elsewhere / ("mine" if experiment == "__main__" else experiment.replace(".", "/"))
    before = store.fingerprint(module(experiment, file.with_suffix(".py")))
    path = elsewhere / name
    path.write_text(path.read_text().replace("return ", "return 7 + ").replace("X = 1", "X = 2"))
    # another module, as after a new import
    after = store.fingerprint(module(experiment, file.with_suffix(".py")))
    assert (after != before) == counts


def test_an_installed_experiment_is_read_and_what_is_installed_beside_it_is_not(
    elsewhere: Path,
) -> None:
    installed = elsewhere.rename(elsewhere.parent / "site-packages")
    before = store.fingerprint(module("inner.mine", installed / "inner/mine.py"))
    edit(installed / "helper.py", "nets.f(cell)", "0")
    assert store.fingerprint(module("inner.mine", installed / "inner/mine.py")) == before
    edit(installed / "inner/near.py", "1", "2")
    assert store.fingerprint(module("inner.mine", installed / "inner/mine.py")) != before


def test_code_that_cannot_be_followed_is_one_problem(elsewhere: Path) -> None:
    (elsewhere / "helper.py").write_text("from math import *\ndef f(cell): return sin(cell)\n")
    with pytest.raises(
        Problem, match=r"fingerprint: helper: got `from math import \*`, allowed an import of names"
    ):
        store.fingerprint(module("mine", elsewhere / "mine.py"))


# --- files


def test_what_is_put_is_what_is_got(tmp_path: Path) -> None:
    shelf = store.Store(tmp_path)
    assert shelf.get(toy, CELL) is None
    put, got = shelf.put(toy, CELL, BODY, 1.25), shelf.get(toy, CELL)
    assert got is not None and got.seconds == put.seconds == 1.25
    xr.testing.assert_identical(got.dataset, put.dataset)
    assert [path.suffix for path in (tmp_path / "toy_experiment").iterdir()] == [".cell"]


def test_the_seconds_are_outside_the_checked_bytes(tmp_path: Path) -> None:
    shelf = store.Store(tmp_path)
    written = []
    for seconds in (1.0, 2.0):
        shelf.put(toy, CELL, BODY, seconds)
        written.append(shelf.path(toy, CELL).read_bytes())
    heads, bodies = zip(*(content.split(b"\n", 1) for content in written), strict=True)
    assert bodies[0] == bodies[1] == BODY
    assert {**json.loads(heads[0]), "seconds": 0} == {**json.loads(heads[1]), "seconds": 0}


def test_the_header_tells_a_person_what_the_file_holds(tmp_path: Path) -> None:
    shelf = store.Store(tmp_path)
    shelf.put(toy, CELL, BODY, 1.0)
    header = json.loads(shelf.path(toy, CELL).read_bytes().split(b"\n", 1)[0])
    assert header["experiment"] == "toy_experiment"
    assert header["cell"] == {"index": 0, "mode": "fine", "seed": 0, "notes": ""}


DAMAGE = {
    "empty": lambda content: b"",
    "cut in the middle": lambda content: content[: len(content) // 2],
    "cut by one byte": lambda content: content[:-1],
    "cut in the header": lambda content: content[:20],
    "longer by one byte": lambda content: content + b"\0",
    "one bit of the body": lambda content: content[:-5] + bytes([content[-5] ^ 1]) + content[-4:],
    "one digit of the checksum": lambda content: re.sub(
        rb'("checksum": ")(.)',
        lambda found: found[1] + (b"1" if found[2] == b"0" else b"0"),
        content,
    ),
    "zeros": lambda content: bytes(len(content)),
    "header is not JSON": lambda content: b"{checksum}\n" + content.partition(b"\n")[2],
    "header is not text": lambda content: b"\xff\xfe\x00\n" + content.partition(b"\n")[2],
    "header is a list": lambda content: b"[1]\n" + content.partition(b"\n")[2],
    "header lacks the checksum": lambda content: b'{"seconds": 1}\n' + content.partition(b"\n")[2],
    "no line end": lambda content: content.partition(b"\n")[0],
    "another file": lambda content: b"\x89HDF\r\n\x1a\n" + content,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_noticed_and_computed_anew(tmp_path: Path, damage: str) -> None:
    config = toy.Config(modes=("fine",), notes=str(tmp_path))
    before = run(toy, config, store=tmp_path / "store", progress=False)
    (path,) = (tmp_path / "store").rglob("*.cell")
    whole = path.read_bytes()
    path.write_bytes(DAMAGE[damage](whole))
    assert path.read_bytes() != whole
    with pytest.warns(RuntimeWarning, match=f"stored file {path.name} is damaged .* computed anew"):
        after = run(toy, config, store=tmp_path / "store", progress=False)
    xr.testing.assert_identical(before, after)
    assert len(toy.calls(tmp_path)) == 2
    assert path.read_bytes().partition(b"\n")[2] == whole.partition(b"\n")[2]


def test_reading_does_not_touch_a_file(tmp_path: Path) -> None:
    shelf = store.Store(tmp_path)
    shelf.put(toy, CELL, BODY, 1.0)
    before = shelf.path(toy, CELL).stat()
    shelf.get(toy, CELL)
    after = shelf.path(toy, CELL).stat()
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)


@pytest.mark.parametrize("call", ["fsync", "replace", "chmod", "fdopen"])
def test_a_write_that_fails_leaves_no_part_and_the_old_content(
    tmp_path: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "file"
    files.write(path, b"old")
    monkeypatch.setattr(os, call, full)
    with pytest.raises(
        Problem, match="cannot write .*No space left on device; what was finished stays readable"
    ):
        files.write(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupted_write_leaves_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(handle: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        files.write(tmp_path / "file", b"new")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_in_the_middle_of_a_run_is_one_problem_and_earlier_cells_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = toy.Config(seeds=3, notes=str(tmp_path))
    replaced: list[object] = []
    replace = os.replace

    def replace_twice(*arguments: Any) -> None:
        if len(replaced) == 2:
            raise OSError(28, "No space left on device")
        replaced.append(arguments)
        replace(*arguments)

    monkeypatch.setattr(os, "replace", replace_twice)
    with pytest.raises(Problem, match="No space left"):
        run(toy, config, store=tmp_path / "store", progress=False)
    monkeypatch.undo()
    run(toy, config, store=tmp_path / "store", progress=False)
    assert [seed for _, seed, _ in toy.calls(tmp_path)] == [0, 1, 2, 2]


SMALL_DISK = """
import pathlib, resource, sys
from simplicity.grid import store
from simplicity.problems import Problem
import toy_experiment as toy
folder = pathlib.Path(sys.argv[1])
shelf = store.Store(folder)
cells = [toy.Run(index=i, mode="fine", seed=0, notes="") for i in range(2)]
shelf.put(toy, cells[0], store.encode(toy.measure(cells[0])), 1.0)
resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))
try:
    shelf.put(toy, cells[1], store.encode(toy.measure(cells[1])), 1.0)
except Problem as problem:
    print(problem)
parts = list(folder.rglob("*part*"))
print(shelf.get(toy, cells[0]) is not None, shelf.get(toy, cells[1]), len(parts))
"""


@pytest.mark.fault
def test_when_the_system_refuses_more_bytes_the_earlier_cells_stay_readable(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SMALL_DISK, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}, capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.stderr == ""
    problem, state = done.stdout.splitlines()
    assert problem.startswith(f"cannot write {tmp_path}") and "File too large" in problem
    assert state == "True None 0"


@pytest.mark.parametrize("place", ["a file", "below a file", "not writable"])
def test_a_folder_that_cannot_be_used_is_one_problem(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    folder = {
        "a file": tmp_path / "file",
        "below a file": tmp_path / "file" / "store",
        "not writable": Path("/proc/store"),
    }
    with pytest.raises(Problem, match=r"store: got .* \(.+\), allowed a writable folder"):
        store.Store(folder[place])


def test_a_file_in_the_way_of_an_experiments_folder_is_one_problem(tmp_path: Path) -> None:
    (tmp_path / "toy_experiment").write_text("")
    with pytest.raises(Problem, match="cannot (read|write) "):
        run(toy, toy.TINY, store=tmp_path, progress=False)


def test_a_folder_in_the_place_of_a_cell_is_told_set_aside_and_the_cell_computed(
    tmp_path: Path,
) -> None:
    config = toy.Config(notes=str(tmp_path))
    before = run(toy, config, store=tmp_path / "store", progress=False)
    (path,) = (tmp_path / "store").rglob("*.cell")
    path.unlink()
    path.mkdir()
    (path / "somebody's").write_text("notes")
    with pytest.warns(
        RuntimeWarning, match="is damaged .it is a folder, which is set aside. and is computed anew"
    ):
        after = run(toy, config, store=tmp_path / "store", progress=False)
    xr.testing.assert_identical(before, after)
    assert path.is_file()
    (aside,) = (tmp_path / "store").rglob("somebody's")
    assert aside.read_text() == "notes" and aside.parent.suffix == ".aside"


def test_a_file_that_holds_another_cell_is_damaged(tmp_path: Path) -> None:
    shelf = store.Store(tmp_path)
    shelf.put(toy, CELL, BODY, 1.0)
    other = dataclasses.replace(CELL, seed=1)
    shelf.path(toy, CELL).rename(shelf.path(toy, other))
    with pytest.warns(RuntimeWarning, match="it holds another cell"):
        assert shelf.get(toy, other) is None


def test_what_a_killed_run_left_unfinished_goes_after_an_hour(tmp_path: Path) -> None:
    shelf = store.Store(tmp_path)
    shelf.put(toy, CELL, BODY, 1.0)
    folder = shelf.path(toy, CELL).parent
    for name, age in ((".part-old", 3700), (".part-new", 3500)):
        (folder / name).write_bytes(b"half")
        os.utime(folder / name, (time.time() - age,) * 2)
    assert [path.name for path in shelf.leftovers()] == [".part-old"]
    store.Store(tmp_path)
    assert sorted(path.name for path in folder.iterdir() if path.suffix != ".cell") == [".part-new"]


def test_entries_tell_what_the_headers_say_and_with_whole_what_is_damaged(tmp_path: Path) -> None:
    shelf = store.Store(tmp_path)
    for seed in range(3):
        shelf.put(toy, dataclasses.replace(CELL, seed=seed), BODY, 0.5 + seed)
    content = shelf.path(toy, CELL).read_bytes()
    shelf.path(toy, CELL).write_bytes(content[:-1] + b"x")
    by_header, whole = (
        sorted(shelf.entries(whole=one), key=lambda entry: str(entry.cell)) for one in (False, True)
    )
    assert [entry.damage for entry in by_header] == ["", "", ""]
    assert [entry.seconds for entry in by_header] == [0.5, 1.5, 2.5]
    assert {entry.damage for entry in whole} == {"", "its checksum does not match"}
    assert list(shelf.entries("another")) == []
    assert all(store.is_current(toy, entry) for entry in by_header)


@pytest.mark.parametrize("cell", [{"n": 1}, {**store.plain(CELL), "seed": 9}, None])
def test_a_file_that_a_run_today_would_not_use_is_not_current(
    tmp_path: Path, cell: dict | None
) -> None:
    shelf = store.Store(tmp_path)
    shelf.put(toy, CELL, BODY, 1.0)
    (entry,) = shelf.entries()
    assert store.is_current(toy, entry)
    assert not store.is_current(toy, dataclasses.replace(entry, cell=cell))


def test_many_writers_and_readers_of_one_cell_do_not_harm_each_other(tmp_path: Path) -> None:
    shelf, wrong = store.Store(tmp_path), []
    shelf.put(toy, CELL, BODY, 0.0)

    def work(writer: bool) -> None:
        try:
            for turn in range(30):
                if writer:
                    shelf.put(toy, CELL, BODY, float(turn))
                found = shelf.get(toy, CELL)
                assert found is not None and found.dataset["value"].values.tolist() == [1.5, 2.5]
        except BaseException as reason:
            wrong.append(reason)

    threads = [threading.Thread(target=work, args=(index % 2 == 0,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(list(tmp_path.rglob("*.*"))) == 1


TWO_RUNS = """
import pathlib, sys
from simplicity.grid.run import run
import toy_experiment as toy
folder = pathlib.Path(sys.argv[1])
run(toy, toy.Config(seeds=4, notes=str(folder)), store=folder / "store", progress=False)
"""


def test_two_processes_on_one_store_do_not_harm_each_other(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "SIMPLICITY_WORKERS": "0",
    }
    command = [sys.executable, "-c", TWO_RUNS, str(tmp_path)]
    both = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) for _ in range(2)]
    assert [one.communicate()[1] for one in both] == [b"", b""]
    assert len(list((tmp_path / "store").rglob("*.*"))) == 4
    before = len(toy.calls(tmp_path))
    again = run(
        toy, toy.Config(seeds=4, notes=str(tmp_path)), store=tmp_path / "store", progress=False
    )
    fresh = run(
        toy, toy.Config(seeds=4, notes=str(tmp_path)), store=tmp_path / "other", progress=False
    )
    xr.testing.assert_identical(again, fresh)
    assert len(toy.calls(tmp_path)) == before + 4


def test_what_is_decoded_equals_what_was_encoded_up_to_the_width_of_whole_numbers() -> None:
    given = xr.Dataset(
        {"whole": 2**31 - 1, "real": ("probe", [0.1, np.nan, -np.inf]), "word": "margin"}
    )
    found = store.open_bytes(store.encode(given))
    xr.testing.assert_equal(found, given.assign(whole=np.int32(2**31 - 1)))
    assert found["whole"].dtype == np.int32
