"""The command line: wrong input ends in one line and code 2 with nothing written; right input does
what it says.
"""

import functools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import toy_experiment as toy
from simplicity.cli import main
from simplicity.cli import options as words
from simplicity.evidence import ledger, records
from simplicity.grid import groups
from simplicity.grid.config import describe, elements, parse, written
from simplicity.grid.run import PRESETS
from simplicity.grid.store import open_bytes
from simplicity.places import paths

TINY = ["run", "excess_risk", "--preset", "TINY"]
TRAINED = ["run", "optimization_threshold", "--preset", "TINY"]
CHAPTER = ["chapter", "optimization-threshold", "-o", "{tmp}/new.ipynb"]

# What is wrong -> the words (`{tmp}` is a writable folder that holds `file` and `folder`) and a
# part of the line.
WRONG: dict[str, tuple[list[str], str]] = {
    "no command": ([], "required: COMMAND"),
    "unknown command": (
        ["rum"],
        "unknown command: got 'rum' (did you mean run?), allowed run, sweep, check, ",
    ),
    "abbreviated command": (["ru", "excess_risk"], "ru"),
    "unknown option": ([*TINY, "--fast"], "--fast"),
    "abbreviated option": ([*TINY, "--work", "1"], "--work"),
    "option without its value": ([*TINY, "--store"], "expected one argument"),
    "one word too many": (["list", "everything"], "everything"),
    "no experiment": (["run"], "required: experiment"),
    "unknown experiment": (
        ["run", "excess_rsk"],
        "unknown experiment: got 'excess_rsk' (did you mean excess_risk?), allowed",
    ),
    "experiment by path": (
        ["run", "../excess_risk"],
        "unknown experiment: got '../excess_risk' (did you mean excess_risk?), allowed ",
    ),
    "experiment that is a module of another kind": (["run", "os"], "unknown experiment"),
    "empty experiment": (["run", ""], "unknown experiment: got ''"),
    "unknown preset": (
        ["run", "excess_risk", "--preset", "SMALL"],
        "unknown preset: got 'SMALL', allowed TINY, QUICK, FULL",
    ),
    "preset in lower case": (["run", "excess_risk", "--preset", "tiny"], "unknown preset"),
    "preset that is another name of the module": (
        ["run", "excess_risk", "--preset", "Config"],
        "unknown preset",
    ),
    "unknown parameter": (
        [*TINY, "-p", "drws=3"],
        "unknown parameter: got 'drws' (did you mean draws?), allowed n, ",
    ),
    "parameter of another experiment": ([*TINY, "-p", "width=3"], "unknown parameter: got 'width'"),
    "parameter without a value": ([*TINY, "-p", "draws"], "got 'draws', allowed NAME=VALUE"),
    "parameter in two words": (
        [*TINY, "-p", "draws", "100"],
        "parameter: got '-p draws 100', allowed -p draws=100",
    ),
    "parameter in two words, first": (
        ["run", "-p", "draws", "100", "excess_risk"],
        "parameter: got '-p draws 100', allowed -p draws=100",
    ),
    "parameter in three words": (
        [*TINY, "-p", "draws", "=", "100"],
        "got '-p draws = 100', allowed -p draws=100",
    ),
    "negative parameter in two words": (
        [*TINY, "-p", "noise_variance", "-1"],
        "allowed -p noise_variance=-1",
    ),
    "value apart from its name": (
        [*TINY, "-p", "draws=", "100"],
        "got '-p draws= 100', allowed -p draws=100",
    ),
    "list in two words": ([*TINY, "-p", "n=60,", "120", "-p", "draws=3"], "allowed -p 'n=60, 120'"),
    "choice in two words": (
        ["run", "sinusoid", "-p", "kinds=large", "start"],
        "allowed -p 'kinds=large start'",
    ),
    "axis in two words": (
        ["sweep", "excess_risk", "-g", "draws", "3,4"],
        "got '-g draws 3,4', allowed -g draws=3,4",
    ),
    "parameter of a chapter in two words": (
        [*CHAPTER, "-p", "width", "100"],
        "got '-p width 100', allowed -p width=100",
    ),
    "blanks for commas": ([*TINY, "-p", "n=60 120"], "n: got '60 120', allowed a whole number"),
    "half a JSON list": (
        [*TINY, "-p", "n=[60"],
        "n: got '[60', allowed values between commas, or a JSON list",
    ),
    "choice without its blanks": (
        ["run", "sinusoid", "-p", "kind=largestart"],
        "'largestart' (did you mean large start?)",
    ),
    "axis without a value": (
        ["sweep", "excess_risk", "-g", "draws="],
        "draws: got '', allowed values between the commas",
    ),
    "axis with a gap": (
        ["sweep", "excess_risk", "-g", "draws=3,,4"],
        "draws: got '3,,4', allowed values between the commas",
    ),
    "unknown axis": (
        ["sweep", "excess_risk", "-g", "drws=3"],
        "unknown parameter: got 'drws' (did you mean draws?)",
    ),
    "unknown action": (
        ["data", "ftch"],
        "unknown action: got 'ftch' (did you mean fetch?), allowed fetch, verify",
    ),
    "parameter without a name": ([*TINY, "-p", "=3"], "allowed NAME=VALUE"),
    "parameter given twice": (
        [*TINY, "-p", "draws=3", "-p", "draws=3"],
        "parameter draws: got it twice",
    ),
    "text for a whole number": (
        [*TINY, "-p", "draws=many"],
        "draws: got 'many', allowed a whole number from 2 to",
    ),
    "fraction for a whole number": (
        [*TINY, "-p", "draws=3.5"],
        "draws: got '3.5', allowed a whole number",
    ),
    "nothing for a whole number": ([*TINY, "-p", "draws="], "draws: got ''"),
    "code for a whole number": ([*TINY, "-p", "draws=__import__('os')"], "draws: got "),
    "line break in a value": ([*TINY, "-p", "draws=3\nerror: x"], "draws: got '3\\nerror: x'"),
    "negative n": ([*TINY, "-p", "n=-60"], "n: got '-60', allowed a whole number from 2 to"),
    "one bad element of a list": ([*TINY, "-p", "n=60,0,120"], "n: got '0'"),
    "empty list": ([*TINY, "-p", "n="], "n: got an empty list"),
    "list of nothing": ([*TINY, "-p", "n=,,"], "n: got an empty list"),
    "more seeds than memory": (
        [*TINY, "-p", "seeds=99999999999"],
        "seeds: got '99999999999', allowed a whole number from 1 to",
    ),
    "no seeds": ([*TINY, "-p", "seeds=0"], "seeds: got '0', allowed a whole number from 1 to"),
    "seed beyond the files": (
        [*TINY, "-p", "first_seed=2147483648"],
        "first_seed: got '2147483648', allowed a whole number from 0 to",
    ),
    "negative variance": (
        [*TINY, "-p", "noise_variance=-0.25"],
        "noise_variance: got '-0.25', allowed a finite number",
    ),
    "nan": (
        [*TINY, "-p", "noise_variance=nan"],
        "noise_variance: got 'nan', allowed a finite number",
    ),
    "inf": ([*TINY, "-p", "noise_variance=inf"], "noise_variance: got 'inf'"),
    "number too large for a float": (
        [*TINY, "-p", "noise_variance=1e999"],
        "noise_variance: got '1e999'",
    ),
    "zero width": ([*TRAINED, "-p", "width=0"], "width: got '0', allowed a whole number from 1 to"),
    "value that is not a choice": (
        [*TRAINED, "-p", "precision=float16"],
        "precision: got 'float16' (did you mean",
    ),
    "element that is not a choice": (
        [*TRAINED, "-p", "law=gaussian,cauchy"],
        "law: got 'cauchy', allowed one of",
    ),
    "negative workers": (
        [*TINY, "--workers", "-1"],
        "workers: got '-1', allowed a whole number from 0 to",
    ),
    "workers in words": ([*TINY, "--workers", "two"], "workers: got 'two'"),
    "too many workers": ([*TINY, "--workers", "100000"], "workers: got '100000'"),
    "workers beyond any number": ([*TINY, "--workers", "9" * 5000], "workers: got "),
    "store is a file": (
        [*TINY, "--store", "{tmp}/file"],
        "store: got {tmp}/file (File exists), allowed a writable folder",
    ),
    "store below a file": (
        [*TINY, "--store", "{tmp}/file/store"],
        "store: got {tmp}/file/store (Not a directory)",
    ),
    "store that cannot be written": ([*TINY, "--store", "/proc/store"], "store: got /proc/store"),
    "output is a folder": (
        [*TINY, "-o", "{tmp}/folder"],
        "output: got the folder {tmp}/folder, allowed a file",
    ),
    "output in a folder that is not there": (
        [*TINY, "-o", "{tmp}/no/a.nc"],
        "output: got {tmp}/no/a.nc (No such file",
    ),
    "output below a file": (
        [*TINY, "-o", "{tmp}/file/a.nc"],
        "output: got {tmp}/file/a.nc (Not a directory)",
    ),
    "output that cannot be written": ([*TINY, "-o", "/proc/a.nc"], "output: got /proc/a.nc"),
    "record of an unknown experiment": (["record", "nothing"], "unknown experiment: got 'nothing'"),
    "record with wrong workers": (["record", "excess_risk", "--workers", "x"], "workers: got 'x'"),
    "record into a file": (
        ["record", "excess_risk", "--store", "{tmp}/file"],
        "store: got {tmp}/file",
    ),
    "chapter under an experiment's name": (
        ["chapter", "optimization_threshold", "-o", "{tmp}/new.ipynb"],
        "got 'optimization_threshold' (did you mean optimization-threshold?), allowed a file of "
        "book/",
    ),
    "unknown chapter": (
        ["chapter", "optimisation", "-o", "{tmp}/new.ipynb"],
        "unknown chapter: got 'optimisation'",
    ),
    "chapter that is a page without code": (
        ["chapter", "ledger", "-o", "{tmp}/new.ipynb"],
        "unknown chapter: got 'ledger'",
    ),
    "chapter by path": (["chapter", "../README", "-o", "{tmp}/new.ipynb"], "unknown chapter"),
    "chapter without output": (["chapter", "optimization-threshold"], "required: -o/--output"),
    "unknown parameter of a chapter": (
        [*CHAPTER, "-p", "widht=20"],
        "got 'widht' (did you mean width?), allowed width, ",
    ),
    "wrong type for a chapter": (
        [*CHAPTER, "-p", "width=wide"],
        "width: got 'wide', allowed a whole number",
    ),
    "nan for a chapter": (
        [*CHAPTER, "-p", "noise_variance=nan"],
        "noise_variance: got 'nan', allowed",
    ),
    "chapter into a folder": (
        ["chapter", "optimization-threshold", "-o", "{tmp}/folder"],
        "output: got the folder",
    ),
    "chapter into a folder that is not there": (
        ["chapter", "optimization-threshold", "-o", "{tmp}/no/a.ipynb"],
        "output: got",
    ),
}


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a file and a folder in it; what is not told where to go would show
    here.
    """
    (tmp_path / "file").write_text("text")
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIMPLICITY_WORKERS", "0")
    monkeypatch.setattr("simplicity.grid.run.default_store", lambda: tmp_path / "default")
    return tmp_path


def snapshot(*folders: Path) -> list[tuple[str, int, int]]:
    files = (
        path
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if "__pycache__" not in path.parts
    )
    return [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]


def check_refusal(code: int, out: str, err: str, part: str) -> None:
    assert code == 2
    assert out == ""
    assert err.startswith("error: ") and err.endswith("\n") and err.count("\n") == 1
    assert part in err
    assert "Traceback" not in err


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_ends_in_one_line_with_nothing_written(
    case: str, room: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words, part = WRONG[case]
    before = snapshot(room, paths.results())
    code = main([word.replace("{tmp}", str(room)) for word in words])
    check_refusal(code, *capsys.readouterr(), part.replace("{tmp}", str(room)))
    assert snapshot(room, paths.results()) == before
    assert os.environ["SIMPLICITY_WORKERS"] == "0"


@pytest.mark.parametrize("words", [TINY, ["record", "excess_risk"]], ids=["run", "record"])
def test_a_wrong_number_of_workers_in_the_environment_is_wrong_input(
    words: list[str],
    room: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SIMPLICITY_WORKERS", "all")
    check_refusal(
        main(words),
        *capsys.readouterr(),
        "workers: got 'all', allowed a whole number from 0 to 512",
    )
    assert not (room / "default").exists()


@pytest.mark.parametrize(
    "words", [["record", "excess_risk"], ["ledger"], ["ledger", "--json"], CHAPTER]
)
def test_outside_a_checkout_what_needs_the_book_ends_in_one_line(
    words: list[str],
    room: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(paths, "PACKAGE", room / "lib" / "simplicity")
    before = snapshot(room)
    code = main([word.replace("{tmp}", str(room)) for word in words])
    check_refusal(code, *capsys.readouterr(), f"book: {room} is not a checkout of the companion")
    assert snapshot(room) == before


@pytest.mark.parametrize(
    "case", ["unknown experiment", "store is a file", "output in a folder that is not there"]
)
def test_wrong_input_ends_the_same_way_in_a_process_of_its_own(case: str, room: Path) -> None:
    words, part = WRONG[case]
    installed = shutil.which("simplicity", path=str(Path(sys.executable).parent))
    assert installed
    before = snapshot(room)
    command = [installed, *(word.replace("{tmp}", str(room)) for word in words)]
    done = subprocess.run(command, capture_output=True, text=True)
    check_refusal(done.returncode, done.stdout, done.stderr, part.replace("{tmp}", str(room)))
    assert snapshot(room) == before


# --- right uses


def test_list_names_every_experiment_with_its_claims_and_parameters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["list"]) == 0
    text = capsys.readouterr().out
    for name in records.names():
        assert f"\n{name}  (" in "\n" + text
    assert "-p noise_variance=0.25  float: sigma^2" in text
    assert "-p n=60,120,480  list of int: samples" in text


@pytest.mark.parametrize("name", records.names())
def test_every_value_of_every_preset_can_be_typed_in_a_shell(name: str) -> None:
    module = records.experiment(name)
    for preset in PRESETS:
        settings = groups.preset(module, preset)
        for field in describe(groups.config_of(module)):
            value = getattr(settings, field["name"])
            (word,) = shlex.split(
                shlex.quote(f"{field['name']}={written(value, field['choices'])}")
            )
            given = words.parameters([word])
            assert getattr(parse(groups.config_of(module), given, settings), field["name"]) == value
            if value == ():
                continue  # an axis has values
            split = functools.partial(elements, groups.config_of(module))
            found = words.grid([word], {}, split)[field["name"]]
            each = [
                getattr(
                    parse(groups.config_of(module), {field["name"]: one}, settings), field["name"]
                )
                for one in found
            ]
            assert (
                each == [(one,) for one in value] if isinstance(value, tuple) else each == [value]
            )


@pytest.mark.parametrize("name", records.names())
def test_every_choice_of_a_list_can_be_typed_alone_in_quotes_and_in_json(name: str) -> None:
    module = records.experiment(name)
    for field in describe(groups.config_of(module)):
        for choice in field["choices"] or ():
            quote = '"' if "'" in str(choice) else "'"
            for text in (str(choice), f" {choice} ", f"{quote}{choice}{quote}"):
                assert elements(groups.config_of(module), field["name"], text) in (
                    [choice],
                    [[choice]],
                )
            if field["type"].startswith("list"):
                assert elements(groups.config_of(module), field["name"], json.dumps([choice])) == [
                    [choice]
                ]


def test_what_list_prints_can_be_pasted_behind_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    module, lines = None, 0
    for line in capsys.readouterr().out.splitlines():
        if line.startswith("    -p "):
            typed, *_ = re.split(
                "  (?:list of )?(?:int|float|str|bool): ", line.removeprefix("    -p ")
            )
            (pair,) = shlex.split(typed)
            (name,) = words.parameters([pair])
            expected = next(
                field["default"]
                for field in describe(groups.config_of(module))
                if field["name"] == name
            )
            assert (
                getattr(parse(groups.config_of(module), words.parameters([pair])), name) == expected
            )
            lines += 1
        elif not line.startswith(" "):
            module = records.experiment(line.split()[0])
    assert lines > 500


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert re.fullmatch(r"simplicity \d+\.\d+\.\d+\n", capsys.readouterr().out)


def test_list_as_json_can_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--json"]) == 0
    found = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert list(found) == records.names()
    entry = found["excess_risk"]
    assert entry["claims"] == ["B21"]
    assert entry["cells"] == {"TINY": 1, "QUICK": 3, "FULL": 5}
    assert {field["name"] for field in entry["parameters"]} >= {"seeds", "first_seed", "n"}


def test_a_run_takes_parameters_and_writes_what_it_found(
    room: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*TINY, "-p", "draws=20", "-p", "n=30,60", "--store", "new/store", "-o", "found.nc"]
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert "B21.rate  not judged: " in out and "2 cells in found.nc" in out
    assert "error" not in err
    found = open_bytes((room / "found.nc").read_bytes())
    assert found["n"].values.tolist() == [30, 60]
    assert found["draws"].values.tolist() == [20, 20]
    assert found.attrs["preset"] == "custom"
    assert len(list((room / "new" / "store").rglob("*.cell"))) == 2
    first = (room / "found.nc").read_bytes()
    assert main(words) == 0
    assert (room / "found.nc").read_bytes() == first


def test_without_a_word_the_default_store_is_used_and_no_file_written(
    room: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*TINY, "-p", "draws=20"]) == 0
    assert len(list((room / "default").rglob("*.cell"))) == 1
    assert sorted(path.name for path in room.iterdir()) == ["default", "file", "folder"]


def test_a_run_with_failing_cells_ends_with_one_and_keeps_the_others(
    room: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "experiment", lambda name: toy)
    assert (
        main(["run", "toy", "--preset", "TINY", "-p", "modes=fine,raise,fine", "-o", "found.nc"])
        == 1
    )
    out, err = capsys.readouterr()
    assert out == ""
    failed, last = [line for line in err.splitlines() if line.startswith(("failed", "error"))]
    assert failed.startswith("failed: {'index': 1, 'mode': 'raise'")
    assert last.startswith("error: 1 of 3 cells failed, the first {'index': 1, 'mode': 'raise'")
    assert open_bytes((room / "found.nc").read_bytes())["index"].values.tolist() == [0, 2]


def test_the_command_lines_word_on_workers_goes_before_the_environments(
    room: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMPLICITY_WORKERS", "all")
    assert main([*TINY, "-p", "draws=20", "--workers", "0"]) == 0


def test_the_ledger_as_json_has_one_row_a_claim(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ledger", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == len({row["id"] for row in rows}) == len(ledger.ids())
    for row in rows:
        always = {
            "id",
            "paper",
            "chapter",
            "claim",
            "verdict",
            "reason",
            "checks",
            "paper_value",
            "own",
            "unit",
            "records",
        }
        assert always <= set(row) <= always | set(ledger.FURTHER)
        assert (
            row["kind"] in ("paper", "own question", "identity", "objection")
            and row["source"]
            and row["short"]
        )
        assert (row["verdict"] == "pending") == (not row["checks"])
        assert row["paper_value"]["provenance"] in ("paper", "code", "review", "none")


def test_the_ledger_as_markdown_has_the_judged_claims(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ledger", "--json"]) == 0
    judged = [row["id"] for row in json.loads(capsys.readouterr().out) if row["checks"]]
    assert main(["ledger", "--markdown"]) == 0
    head, rule, *lines = capsys.readouterr().out.splitlines()
    assert (head, rule) == ("| claim | what it says | verdict |", "| --- | --- | --- |")
    assert [line.split(" | ")[0].removeprefix("| ") for line in lines] == judged


def test_the_ledger_as_text_has_one_line_a_claim(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ledger"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(ledger.ids())


def test_help_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["run", "--help"])
    assert caught.value.code == 0
    assert "--preset" in capsys.readouterr().out


def test_one_claim_is_checked_by_all_its_experiments_and_each_check_told(
    tmp_path: Path, capsys: Any
) -> None:
    assert main(["check", "b10", "--preset", "TINY", "--store", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    judging = [name for name in records.names() if "B10" in records.experiment(name).CLAIMS]
    assert len(judging) > 0
    for name in judging:
        assert f"{name}, TINY, " in out
    assert out.count("  B10.") >= 1


def test_a_claim_of_no_experiment_says_why_and_an_unknown_one_is_refused(capsys: Any) -> None:
    untested = sorted(
        set(ledger.ids())
        - {one for name in records.names() for one in records.experiment(name).CLAIMS}
    )
    for claim in untested[:1]:
        assert main(["check", claim]) == 0
        assert capsys.readouterr().out.startswith("no experiment: not testable")
    assert main(["check", "B999"]) == 2
    assert "unknown claim: got 'B999'" in capsys.readouterr().err
