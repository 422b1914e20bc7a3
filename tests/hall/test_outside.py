"""Experiments of one's own: a file or a package's, run like the book's, and refused in one sentence
where they cannot be.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from simplicity import experiment
from simplicity.cli import main
from simplicity.grid import outside

MINE = """
import xarray as xr

from helper_of_mine import double
from simplicity.evidence import claims
from simplicity.grid import config
from simplicity.grid.groups import Grid


@config.settings
class Run:
    n: int = config.param(2, "a number", low=1)
    seed: int = config.param(0, "the seed", low=0)


GRID = Grid(Run, groups={"all": {}}, quick={"seeds": 3}, full={"seeds": 4}, tiny={"seeds": 2})


def measure(run):
    return xr.Dataset({"total": float(double(run.n) + run.seed)})


def checks(runs):
    control = claims.no_control("a toy")
    largest = claims.largest(runs["all"].total.values)
    few = claims.below(10)
    return [claims.check(runs, "M1.total", "identity", "largest total", largest, few, control)]
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    (tmp_path / "helper_of_mine.py").write_text("def double(n):\n    return 2 * n\n")
    (tmp_path / "experiment_of_mine.py").write_text(MINE)
    return tmp_path / "experiment_of_mine.py"


def simplicity(*words: object, at: Path) -> tuple[int, str, str]:
    code = "import sys; from simplicity.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)], cwd=at, capture_output=True, text=True
    )
    return done.returncode, done.stdout, done.stderr


def test_a_file_is_run_stored_and_swept_and_what_lies_beside_it_counts(mine: Path) -> None:
    run = ["run", "./experiment_of_mine.py", "--preset", "TINY", "--store", "store"]
    sweep = "sweep ./experiment_of_mine.py -g n=2,3 --preset TINY --store store --workers 1".split()
    code, out, err = simplicity(*run, at=mine.parent)
    assert (code, out) == (0, "M1.total  holds: largest total = 5 (below 10); control: a toy\n"), (
        err
    )
    code, out, err = simplicity(*sweep, at=mine.parent)
    assert code == 0 and "4 cells: 2 computed, 2 from the store, 0 failed" in out, err
    (mine.parent / "helper_of_mine.py").write_text("def double(n):\n    return 3 * n\n")
    assert "largest total = 7" in simplicity(*run, at=mine.parent)[1]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("none.py", None, "allowed a file that is there"),
        ("two words.py", MINE, "allowed a file whose name could be a variable's"),
        ("numpy.py", MINE, "which is the name of another module"),
        ("random.py", MINE, "which is the name of another module"),
        ("__main__.py", MINE, "which is the name of another module"),
        ("leaving_of_mine.py", "raise SystemExit(3)", "cannot be imported (SystemExit: 3)"),
        ("broken_of_mine.py", "1 / 0", "cannot be imported (ZeroDivisionError: division by zero)"),
        ("empty_of_mine.py", "", "got empty_of_mine.py without Run, GRID, measure"),
    ],
)
def test_what_cannot_be_an_experiment_is_refused_in_one_line(
    tmp_path: Path,
    name: str,
    text: str | None,
    told: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    if text is not None:
        (tmp_path / name).write_text(text)
    assert main(["run", str(tmp_path / name)]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: experiment: ") and told in err and err.count("\n") == 1


def test_a_package_offers_experiments_by_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(outside, "installed", lambda: {"offered": "toy_experiment"})
    assert main(["sweep", "offered", "-g", "index=0,1", "--preset", "TINY", "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith("2 cells: ")
    assert main(["run", "offerd"]) == 2
    assert "(did you mean offered?)" in capsys.readouterr().err


def test_python_takes_the_same_names_as_the_command(
    mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    own = experiment(str(mine))
    assert own.measure(own.Run(n=3)).total == 6
    monkeypatch.setattr(outside, "installed", lambda: {"offered": "toy_experiment"})
    assert experiment("offered").__name__ == "toy_experiment"
    assert experiment("two_phases").__name__.startswith("simplicity.nakkiran.")


def test_the_book_records_its_own_experiments_only(mine: Path) -> None:
    code, out, err = simplicity("record", mine, at=mine.parent)
    assert (code, out) == (2, "") and "allowed an experiment of the book" in err
