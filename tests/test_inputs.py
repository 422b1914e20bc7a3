"""Generated parameters for every experiment and the command line: accepted with nothing run, or one line and code 2."""

import contextlib
import dataclasses
import io
import typing
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simplicity import config, records, run
from simplicity.cli import main
from simplicity.data import images

SETS = 500  # for each experiment
RUN = 20
EXPERIMENTS = [records.experiment(name) for name in records.names()]
ODD = [
    "", " ", "nan", "-inf", "1e999", "0x10", "1_0", "١", "true", "None", "[]", "1;2", "1,,2", "'; drop", "a\nb", "\x00",
    "\ud800",
    "__import__('os').system('touch gone')", "<script>", "${HOME}", "`id`", "../../x", "-p", "=", "9" * 400,
]  # fmt: skip
MODERATE = {"seeds": 20, "ns": 10**6}  # lists of cells stay short; the limits themselves are tried in test_cli


def fitting(field: dataclasses.Field, kind: typing.Any, cheap: bool) -> st.SearchStrategy[str]:
    """Texts for a field that should be accepted, but for relations between fields; `cheap` ones can also be run."""
    if typing.get_origin(kind) is tuple:
        element = fitting(field, typing.get_args(kind)[0], cheap)
        return st.lists(element, min_size=1, max_size=3).map(",".join)
    rule = field.metadata
    if rule["choices"] is not None:
        return st.sampled_from([str(choice) for choice in rule["choices"]])
    low, high = rule["low"], rule["high"]
    if kind is bool:
        return st.sampled_from(["true", "false", "1", "0"])
    if kind is str:
        return st.text(max_size=5)
    if kind is int:
        low = 0 if low is None else int(low)
        most = min(2**31 - 1 if high is None else int(high), MODERATE.get(field.name, 2**31 - 1))
        return st.integers(low, max(low, min(most, low + 25) if cheap else most)).map(str)
    low = 0.0 if low is None else low
    most = 1e9 if high is None else high
    return st.floats(max(low, 1e-3) if cheap else low, min(most, 1.0) if cheap else most).map(repr)


def beside(field: dataclasses.Field) -> st.SearchStrategy[str]:
    """Texts that no field, or not this one, should take: odd ones and those just past a limit."""
    past = [field.metadata["low"], field.metadata["high"]]
    numbers = [repr(limit + step) for limit, step in zip(past, (-1, 1), strict=True) if limit is not None]
    return st.sampled_from(ODD + numbers) | st.text(max_size=8) | st.floats().map(repr)


@st.composite
def parameters(draw: st.DrawFn, experiment: ModuleType, cheap: bool = False) -> dict[str, str]:
    hints = typing.get_type_hints(experiment.Config)
    fields = draw(st.lists(st.sampled_from(dataclasses.fields(experiment.Config)), max_size=4, unique_by=lambda f: f.name))
    found = {}
    for field in fields:
        good = cheap or draw(st.integers(0, 9)) > 0
        found[field.name] = draw(fitting(field, hints[field.name], cheap) if good else beside(field))
    if not cheap and draw(st.integers(0, 19)) == 0:
        found[draw(st.text(max_size=6) | st.sampled_from(["steps.", "__class__", "check", "<b>"]))] = "1"
    return found


def command(words: list[str]) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(words)
        except SystemExit as stop:  # `-h` among the words is help, and no error
            code = int(stop.code or 0)
    return code, out.getvalue(), err.getvalue()


def accepted(experiment: ModuleType, given: dict[str, str]) -> bool:
    """By the library: the cells are listed. A refusal is one line."""
    try:
        cells = experiment.cells(config.parse(experiment.Config, given, experiment.TINY))
        run.check(experiment.__name__, cells)
        return True
    except config.Problem as problem:
        assert "\n" not in str(problem)
        return False


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda module: module.__name__.rpartition(".")[2])
def test_any_parameters_are_accepted_with_nothing_run_or_refused_in_one_line(experiment: ModuleType, tmp_path: Path) -> None:
    name, store, outcomes = experiment.__name__.rpartition(".")[2], tmp_path / "store", set()

    def refuse(cell: object) -> None:
        raise AssertionError("nothing is to be run")

    @settings(max_examples=SETS, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(parameters(experiment))
    def holds(given: dict[str, str]) -> None:
        swept = next((key for key in given if key in {f.name for f in dataclasses.fields(experiment.Config)}), None)
        words = ["sweep", name, "--preset", "TINY", "--dry-run", "--store", str(store)]
        for key, value in given.items():
            words += [("--grid=" if key == swept else "--parameter=") + f"{key}={value}"]
        code, out, err = command(words if swept else [*words, "--grid=first_seed=0,1"])
        if swept is None or "," not in given[swept]:  # else: a point of the grid takes one element of a list
            assert code == (0 if accepted(experiment, given) else 2)
        if code == 2:
            assert out == "" and err.startswith("error: ") and err.count("\n") == 1 and err.endswith("\n")
        else:
            assert code == 0 and err == "" and "0 stored in" in out
        outcomes.add(code)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experiment, "measure", refuse)
        holds()
    assert outcomes == {0, 2}
    assert list(tmp_path.iterdir()) == []


def test_twenty_accepted_ones_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells may fail, a step size of 1 diverges; then they are told, and the code is 1."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(images.FOLDER, str(tmp_path / "none"))  # cells on real images fail, in one line
    codes: list[int] = []

    @settings(max_examples=3 * RUN, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(EXPERIMENTS).flatmap(lambda one: st.tuples(st.just(one), parameters(one, cheap=True))))
    def holds(drawn: tuple[ModuleType, dict[str, str]]) -> None:
        experiment, given = drawn
        given = {**given, "seeds": "1"}
        if len(codes) >= RUN or not accepted(experiment, given):
            return
        words = ["run", experiment.__name__.rpartition(".")[2], "--preset", "TINY", "--store", "store"]
        code, out, err = command(words + [f"-p{key}={value}" for key, value in given.items()])
        assert code in (0, 1), (given, err)
        assert (code == 1) == ("error: " in err)
        assert code == 1 or out
        codes.append(code)

    holds()
    assert len(codes) == RUN and codes.count(0) >= RUN / 2
    assert not (tmp_path / "gone").exists()
