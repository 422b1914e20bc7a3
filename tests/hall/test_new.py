"""`simplicity new`: what it writes runs at once, and it writes over nothing."""

import csv
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from simplicity.cli import main
from simplicity.grid import outside
from simplicity.places import paths
from simplicity.site import page
from test_book import SECTIONS


def test_a_file_of_ones_own_runs_and_passes_its_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new", "error_of_a_mean.py"]) == 0
    told = capfd.readouterr().out
    assert "simplicity run error_of_a_mean.py" in told
    assert main(["run", "error_of_a_mean.py", "--store", "store"]) == 0
    assert capfd.readouterr().out.startswith(
        "M1.rate  holds: exponent in n of the error of the mean = -0."
    )
    test = [sys.executable, *"-m pytest -q -p no:cacheprovider test_error_of_a_mean.py".split()]
    assert subprocess.run(test, cwd=tmp_path, capture_output=True).returncode == 0


def test_a_package_offers_the_experiment_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new", "error_of_a_mean.py", "--package"]) == 0
    project = tomllib.loads((tmp_path / "pyproject.toml").read_text("utf-8"))
    offered = project["project"]["entry-points"][outside.GROUP]
    assert offered == {"error_of_a_mean": "error_of_a_mean"}
    assert project["tool"]["setuptools"]["py-modules"] == ["error_of_a_mean"]


@pytest.mark.parametrize("name", ["error_of_a_mean.py", "test_error_of_a_mean.py"])
def test_what_it_writes_pleases_a_linter(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new", "error_of_a_mean.py"]) == 0
    linter = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--isolated",
        "--line-length",
        "100",
        "--select",
        "E,F,I,B,UP",
        name,
    ]
    if name == "error_of_a_mean.py":  # its imports stand as in the book, whose own the library is
        linter += ["--config", 'lint.isort.known-first-party=["simplicity"]']
    done = subprocess.run(linter, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["hux/mine"], "unknown wing: got 'hux' (did you mean hu?)"),
        (["hu/Mine"], "name: got Mine, allowed lower case"),
        (["hu/"], "name: got nothing"),
        (["hu/linear_width"], "experiment: got linear_width, which the book has"),
        (["there.py"], "new: there.py is there already"),
        (["new.py", "--claim", "B 1"], "claim: got B 1, allowed an id that no claim has"),
        (["hu/mine", "--package"], "package: got it with hu/mine, allowed with a FILE.py of yours"),
        (["hu/mine", "--claim", "B1"], "claim: got B1, allowed an id that no claim has"),
    ],
)
def test_wrong_words_end_in_one_line_and_write_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.py").write_text("")
    assert main(["new", *words]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1 and told in err
    assert [path.name for path in tmp_path.iterdir()] == ["there.py"]


def test_in_the_book_it_writes_experiment_test_chapter_and_their_entries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "book").mkdir()
    for name in ("_toc.yml", "book/claims.csv"):
        shutil.copy(paths.root() / name, tmp_path / name)
    before = yaml.safe_load((tmp_path / "_toc.yml").read_text())
    monkeypatch.setattr(paths, "PACKAGE", tmp_path / "lib" / "simplicity")
    assert main(["new", "hu/error_of_a_mean", "--claim", "H99"]) == 0
    experiment = (tmp_path / "lib/simplicity/hu/experiments/error_of_a_mean.py").read_text()
    assert 'CLAIMS = ("H99",)' in experiment and "$" not in experiment
    test = (tmp_path / "tests/hu/test_error_of_a_mean.py").read_text()
    assert "from simplicity.hu.experiments import error_of_a_mean as experiment" in test
    chapter = tmp_path / "book/error-of-a-mean.md"
    assert "```{claim} H99" in chapter.read_text() and "$0.6745/\\sqrt n$" in chapter.read_text()
    assert re.findall("^## (.*)", chapter.read_text(), re.MULTILINE) == SECTIONS
    assert page.declared(chapter) == {"repeats": 200, "seeds": 5, "first_seed": 0}
    after = yaml.safe_load((tmp_path / "_toc.yml").read_text())
    (part,) = [one for one in after["parts"] if one not in before["parts"]]
    assert part["chapters"][-1] == {"file": "book/error-of-a-mean"}
    with open(tmp_path / "book/claims.csv", newline="") as file:
        row = list(csv.DictReader(file))[-1]
    assert (row["id"], row["kind"], row["source"]) == (
        "H99",
        "own question",
        "our reading",
    ) and row["short"]
