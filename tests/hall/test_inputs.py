"""Generated parameters for every experiment and the command line: accepted with nothing run, or one
line and code 2.
"""

import contextlib
import dataclasses
import io
import math
import struct
import typing
from pathlib import Path
from random import Random
from types import ModuleType

import pytest

from simplicity import problems
from simplicity.cli import main
from simplicity.data import image_files
from simplicity.evidence import records
from simplicity.grid import config, groups, run

SETS = 500  # for each experiment
RUN = 20
EXPERIMENTS = [records.experiment(name) for name in records.names()]
ODD = [
    "", " ", "nan", "-inf", "1e999", "0x10", "1_0", "١", "true", "None", "[]", "1;2", "1,,2",
    "'; drop", "a\nb", "\x00", "\ud800", "__import__('os').system('touch gone')", "<script>",
    "${HOME}", "`id`", "../../x", "-p", "=", "9" * 400,
]  # fmt: skip
# lists of cells stay short; the limits themselves are tried in test_cli
MODERATE = {"seeds": 20, "ns": 10**6}


def fitting(draw: Random, field: dataclasses.Field, kind: typing.Any, cheap: bool) -> str:
    """A text for a field that should be accepted, but for relations between fields; a cheap one can
    also be run.
    """
    if typing.get_origin(kind) is tuple:
        (element, *_) = typing.get_args(kind)
        return ",".join(fitting(draw, field, element, cheap) for _ in range(draw.randint(1, 3)))
    rule = field.metadata
    if rule["choices"] is not None:
        return str(draw.choice(rule["choices"]))
    low, high = rule["low"], rule["high"]
    if kind is bool:
        return draw.choice(["true", "false", "1", "0"])
    if kind is str:
        return text(draw, 5)
    if kind is int:
        low = 0 if low is None else int(low)
        most = min(2**31 - 1 if high is None else int(high), MODERATE.get(field.name, 2**31 - 1))
        return str(whole(draw, low, max(low, min(most, low + 25) if cheap else most)))
    low = 0.0 if low is None else low
    most = 1e9 if high is None else high
    return repr(between(draw, max(low, 1e-3) if cheap else low, min(most, 1.0) if cheap else most))


def whole(draw: Random, low: int, high: int) -> int:
    """Its limits often, small ones more often than large ones."""
    near = min(high, low + 10 ** draw.randint(0, 9))
    return draw.choice([low, high, draw.randint(low, near), draw.randint(low, high)])


def between(draw: Random, low: float, high: float) -> float:
    """A limit, a whole number, or of any size between them."""
    size = math.exp(draw.uniform(math.log(max(low, 1e-300)), math.log(max(high, 1e-299))))
    drawn = draw.choice(
        [low, high, draw.uniform(low, high), float(round(draw.uniform(low, min(high, 1e15)))), size]
    )
    return min(max(drawn, low), high)


def text(draw: Random, longest: int) -> str:
    """Characters of all planes and kinds, surrogates and controls among them."""
    planes = [
        (32, 126),
        (0, 31),
        (127, 0x2FF),
        (0x300, 0xD7FF),
        (0xD800, 0xDFFF),
        (0xE000, 0x10FFFF),
    ]
    return "".join(chr(draw.randint(*draw.choice(planes))) for _ in range(draw.randint(0, longest)))


def any_float(draw: Random) -> float:
    """Any of 64 bits: infinities, NaN and subnormal numbers too."""
    (found,) = struct.unpack("d", draw.randbytes(8))
    return draw.choice(
        [found, 0.0, -0.0, 0.1, -1.5, 5e-324, math.inf, -math.inf, math.nan, 2.0**53 + 2]
    )


def beside(draw: Random, field: dataclasses.Field) -> str:
    """A text that no field, or not this one, should take: an odd one or one just past a limit."""
    past = [field.metadata["low"], field.metadata["high"]]
    numbers = [
        repr(limit + step) for limit, step in zip(past, (-1, 1), strict=True) if limit is not None
    ]
    return draw.choice([draw.choice(ODD + numbers), text(draw, 8), repr(any_float(draw))])


def parameters(draw: Random, experiment: ModuleType, cheap: bool = False) -> dict[str, str]:
    hints = typing.get_type_hints(groups.config_of(experiment))
    fields = dataclasses.fields(groups.config_of(experiment))
    found = {}
    for field in draw.sample(fields, draw.randint(0, min(4, len(fields)))):
        good = cheap or draw.randrange(10) > 0
        found[field.name] = (
            fitting(draw, field, hints[field.name], cheap) if good else beside(draw, field)
        )
    if not cheap and draw.randrange(20) == 0:
        found[draw.choice([text(draw, 6), "steps.", "__class__", "check", "<b>"])] = "1"
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
        cells = groups.runs_of(
            experiment,
            config.parse(groups.config_of(experiment), given, groups.preset(experiment, "TINY")),
        )
        run.check(experiment.__name__, cells)
        return True
    except problems.Problem as problem:
        assert "\n" not in str(problem)
        return False


@pytest.mark.parametrize(
    "experiment", EXPERIMENTS, ids=lambda module: module.__name__.rpartition(".")[2]
)
def test_any_parameters_are_accepted_with_nothing_run_or_refused_in_one_line(
    experiment: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, store, outcomes = experiment.__name__.rpartition(".")[2], tmp_path / "store", set()

    def refuse(cell: object) -> None:
        raise AssertionError("nothing is to be run")

    monkeypatch.setattr(experiment, "measure", refuse)
    draw = Random(name)  # a string seeds alike everywhere
    known = {field.name for field in dataclasses.fields(groups.config_of(experiment))}
    for _ in range(SETS):
        given = parameters(draw, experiment)
        swept = next((key for key in given if key in known), None)
        words = ["sweep", name, "--preset", "TINY", "--dry-run", "--store", str(store)]
        for key, value in given.items():
            words += [("--grid=" if key == swept else "--parameter=") + f"{key}={value}"]
        code, out, err = command(words if swept else [*words, "--grid=first_seed=0,1"])
        # A point of the grid takes one element of a list, and an axis has one; of blanks there is
        # none.
        if swept is None or ("," not in given[swept] and given[swept].strip().strip(" []")):
            assert code == (0 if accepted(experiment, given) else 2), given
        if code == 2:
            assert (
                out == ""
                and err.startswith("error: ")
                and err.count("\n") == 1
                and err.endswith("\n")
            ), given
        else:
            assert code == 0 and err == "" and "0 stored in" in out, given
        outcomes.add(code)
    assert outcomes == {0, 2}
    assert list(tmp_path.iterdir()) == []


def test_twenty_accepted_ones_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells may fail, a step size of 1 diverges; then they are told, and the code is 1."""
    monkeypatch.chdir(tmp_path)
    # cells on real images fail, in one line
    monkeypatch.setenv(image_files.FOLDER, str(tmp_path / "none"))
    draw, ran = Random(1), 0
    while ran < RUN:
        experiment = draw.choice(EXPERIMENTS)
        given = parameters(draw, experiment, cheap=True) | {"seeds": "1"}
        if not accepted(experiment, given):
            continue
        words = [
            "run",
            experiment.__name__.rpartition(".")[2],
            "--preset",
            "TINY",
            "--store",
            "store",
        ]
        code, out, err = command(words + [f"-p{key}={value}" for key, value in given.items()])
        assert code in (0, 1), (given, err)
        assert (code == 1) == ("error: " in err)
        assert code == 1 or out
        ran += 1
