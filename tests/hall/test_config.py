"""Settings: text and plain values become the declared type, or one line says what is wrong."""

import dataclasses
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from simplicity import problems
from simplicity.grid import config
from simplicity.problems import Problem
from simplicity.site import sources


@config.settings
class Settings:
    ns: tuple[int, ...] = config.param((10, 20), "numbers", unit="samples", low=1, high=100)
    rate: float = config.param(0.5, "a rate", low=0, high=1)
    steps: int = config.param(3, "steps", low=1)
    law: str = config.param("gauss", "a law", choices=("gauss", "margin"))
    laws: tuple[str, ...] = config.param(("gauss",), "laws", choices=("gauss", "margin"))
    null: bool = config.param(False, "permuted labels")


@config.settings
class Related:
    low: int = config.param(1, "low")
    high: int = config.param(2, "high")

    def check(self) -> None:
        if self.low > self.high:
            raise Problem(f"low: got {self.low}, allowed at most high = {self.high}")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"steps": "7"}, 7),
        ({"steps": 7.0}, 7),
        ({"steps": np.array(7)}, 7),
        ({"steps": np.int32(7)}, 7),
        ({"rate": "1e-3"}, 0.001),
        ({"rate": 1}, 1.0),
        ({"rate": np.float32(0.25)}, 0.25),
        ({"null": "true"}, True),
        ({"null": "0"}, False),
        ({"null": "False"}, False),
        ({"law": "margin"}, "margin"),
        ({"ns": "10,20"}, (10, 20)),
        ({"ns": " 10, 20 ,"}, (10, 20)),
        ({"ns": [10, "20"]}, (10, 20)),
        ({"ns": 10}, (10,)),
        ({"laws": "margin,gauss"}, ("margin", "gauss")),
        ({"laws": ' "margin" , gauss'}, ("margin", "gauss")),
        ({"laws": '["margin", "gauss"]'}, ("margin", "gauss")),
        ({"law": " 'margin' "}, "margin"),
        ({"ns": "[10, 2e1]"}, (10, 20)),
    ],
)
def test_text_and_plain_values_become_the_declared_type(given: dict, expected: object) -> None:
    (name,) = given
    found = getattr(config.parse(Settings, given), name)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", "7.5"), ("steps", 7.5), ("steps", "many"), ("steps", ""), ("steps", True),
        ("steps", math.nan), ("steps", math.inf), ("steps", 0), ("steps", "-1"), ("steps", None),
        ("steps", "9" * 5000),
        ("rate", "nan"), ("rate", "inf"), ("rate", -math.inf), ("rate", -0.01), ("rate", 1.01),
        ("rate", True), ("rate", "half"), ("rate", None),
        ("null", "yes"), ("null", 2), ("null", ""), ("null", None),
        ("law", "laplace"), ("law", ""), ("law", 3), ("law", "Gauss"),
        ("ns", ""), ("ns", ","), ("ns", []), ("ns", "10,0"), ("ns", "10,101"), ("ns", "10,x"),
        ("ns", "10;20"), ("ns", {"10": 1}), ("ns", [10, None]), ("ns", [[10]]),
        ("laws", "gauss,laplace"), ("ns", "10 20"), ("ns", "[10"), ("ns", "[10, null]"),
        ("ns", "[[10]]"), ("ns", "[" * 5000),
        ("ns", '{"a": 1}'), ("ns", b"10"), ("ns", "[NaN]"), ("laws", '"gauss"margin'),
        ("rate", b"0.5"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_in_one_line_that_names_what_is_allowed(
    name: str, value: object
) -> None:
    with pytest.raises(Problem) as caught:
        config.parse(Settings, {name: value})
    line = str(caught.value)
    assert re.fullmatch(rf"{name}: got .+, allowed .+", line)
    assert len(line) < 200


# The table of `values.read`: text -> its value as int, float and bool; None where it is refused.
READ: dict[str, tuple[int | None, float | None, bool | None]] = {
    "7": (7, 7.0, None),
    " 7 ": (7, 7.0, None),
    "+7": (7, 7.0, None),
    "-7": (-7, -7.0, None),
    "007": (7, 7.0, None),
    "7.0": (7, 7.0, None),
    "7.": (7, 7.0, None),
    "1e3": (1000, 1000.0, None),
    "1E3": (1000, 1000.0, None),
    "9007199254740993": (9007199254740993, 9007199254740992.0, None),
    "9007199254740993.0": (None, 9007199254740992.0, None),
    "1e17": (None, 1e17, None),
    "0": (0, 0.0, False),
    "1": (1, 1.0, True),
    "1.0": (1, 1.0, None),
    "-0.0": (0, -0.0, None),
    ".5": (None, 0.5, None),
    "5e-1": (None, 0.5, None),
    "1e999": (None, None, None),
    "1e-999": (None, None, None),
    "0e-999": (0, 0.0, None),
    "0x10": (None, None, None),
    "1_000": (None, None, None),
    "1,000": (None, None, None),
    "1 000": (None, None, None),
    "1/2": (None, None, None),
    "٧": (None, None, None),
    "７": (None, None, None),
    "²": (None, None, None),
    "inf": (None, None, None),
    "-Infinity": (None, None, None),
    "nan": (None, None, None),
    "1j": (None, None, None),
    "--7": (None, None, None),
    "7e": (None, None, None),
    ".": (None, None, None),
    "e3": (None, None, None),
    "": (None, None, None),
    " ": (None, None, None),
    "True": (None, None, True),
    "true": (None, None, True),
    " TRUE ": (None, None, True),
    "False": (None, None, False),
    "false": (None, None, False),
    "yes": (None, None, None),
    "no": (None, None, None),
    "on": (None, None, None),
    "None": (None, None, None),
}
PLAIN: list[tuple[object, int | None, float | None, bool | None]] = [
    (7, 7, 7.0, None), (7.0, 7, 7.0, None), (7.5, None, 7.5, None), (1, 1, 1.0, True),
    (0, 0, 0.0, False), (True, None, None, True), (np.bool_(False), None, None, False),
    (np.int8(1), 1, 1.0, True), (1.0, 1, 1.0, None), (np.float32(0.5), None, 0.5, None),
    (np.array(3), 3, 3.0, None), (np.array([3]), None, None, None), (10**400, 10**400, None, None),
    (math.nan, None, None, None), (math.inf, None, None, None), (None, None, None, None),
    ([7], None, None, None), (b"7", None, None, None), (7j, None, None, None),
]  # fmt: skip


def taken(read: Callable[[type, object], object], value: object) -> list[object]:
    found: list[object] = []
    for kind in (int, float, bool):
        try:
            found.append(read(kind, value))
        except ValueError:
            found.append(None)
    assert all(
        one is None or type(one) is kind
        for one, kind in zip(found, (int, float, bool), strict=True)
    )
    return found


def by_run(kind: type, value: object) -> object:
    """As `simplicity run` and the kernel of a chapter read a setting."""
    made: Any = config.settings(
        type("Made", (), {"__annotations__": {"x": kind}, "x": config.param(kind(), "one")})
    )
    return config.parse(made, {"x": value}).x


def by_chapter(kind: type, value: object) -> object:
    """As `simplicity chapter` and `site` read a parameter."""
    return sources.checked("c", "x", value, {"x": kind()})


@pytest.mark.parametrize("by", [by_run, by_chapter])
@pytest.mark.parametrize("text", READ)
def test_a_text_means_the_same_to_a_run_and_to_a_chapter(
    text: str, by: Callable[[type, object], object]
) -> None:
    assert taken(by, text) == list(READ[text])


@pytest.mark.parametrize("by", [by_run, by_chapter])
@pytest.mark.parametrize("row", PLAIN, ids=repr)
def test_a_plain_value_means_the_same_to_a_run_and_to_a_chapter(
    row: tuple, by: Callable[[type, object], object]
) -> None:
    value, *expected = row
    assert taken(by, value) == expected


def test_text_is_taken_as_it_is_and_nothing_else_is_text() -> None:
    for by in (by_run, by_chapter):
        assert by(str, " a, b ") == " a, b "
        for value in (7, True, None, b"a"):
            with pytest.raises(Problem, match="allowed text"):
                by(str, value)


CHOICES = (
    "frozen",
    "frozen, epochs",
    "large start",
    "torch's start",
    "0-4 / 5-9",
    "W_1 = I",
    '"odd',
    "x",
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("frozen", ["frozen"]),
        ("frozen,x", ["frozen", "x"]),
        ("frozen, epochs", ["frozen, epochs"]),
        ("frozen, epochs,frozen , large start", ["frozen, epochs", "frozen", "large start"]),
        ("frozen,epochs", ["frozen", "epochs"]),
        ("torch's start,x", ["torch's start", "x"]),
        ("'x','large start'", ["x", "large start"]),
        ("\"frozen, epochs\", 'x'", ["frozen, epochs", "x"]),
        ('"torch\'s start"', ["torch's start"]),
        ('"odd,x', ['"odd', "x"]),
        ("  large start  ", ["large start"]),
        ("large  start", ["large  start"]),
        ("frozenx", ["frozenx"]),
        ('["frozen, epochs", 3, true]', ["frozen, epochs", 3, True]),
        ("a,,b", ["a", None, "b"]),
        (",", [None, None]),
        ("", [None]),
        ('""', [""]),
        ("'a", ["'a"]),
    ],
)
def test_a_list_is_taken_apart_at_its_commas_but_not_within_a_choice_or_quotes(
    text: str, expected: list
) -> None:
    assert config.split(text, CHOICES) == expected


@pytest.mark.parametrize(
    "value", [("a,b", "c"), ('"', "'"), ("[", "b"), (" a",), ("",), ("a", ""), ("frozen", "epochs")]
)
def test_every_list_can_be_written_so_that_it_reads_as_itself(value: tuple[str, ...]) -> None:
    text = config.written(value, CHOICES)
    assert config.split(text, CHOICES) == list(value)


def test_a_long_list_is_taken_apart_at_once() -> None:
    assert config.split("7 , " * 100_000 + "7") == ["7"] * 100_001


@pytest.mark.parametrize("value", [0, 1])
def test_the_ends_of_a_range_belong_to_it(value: int) -> None:
    assert config.parse(Settings, {"rate": value}).rate == value


def test_an_unknown_name_is_refused_with_the_nearest_known_one() -> None:
    with pytest.raises(
        Problem, match=r"unknown parameter: got 'step' \(did you mean steps\?\), allowed ns, "
    ):
        config.parse(Settings, {"step": 3})


def test_what_is_not_given_comes_from_the_base() -> None:
    base = Settings(steps=9, law="margin")
    assert config.parse(Settings, {"steps": "4"}, base) == Settings(steps=4, law="margin")
    assert base.steps == 9


def test_a_preset_or_a_default_out_of_range_is_refused_too() -> None:
    with pytest.raises(Problem, match="rate: got 2, allowed a finite number from 0 to 1"):
        Settings(rate=2)
    with pytest.raises(Problem, match="steps"):
        dataclasses.replace(Settings(), steps=0)

    @config.settings
    class Impossible:
        steps: int = config.param(0, "steps", low=1)

    with pytest.raises(Problem, match="steps: got 0"):
        Impossible()


def test_settings_are_frozen_hashable_and_equal_by_value() -> None:
    assert len({Settings(ns="10,20"), Settings(ns=[10, 20]), Settings()}) == 1  # type: ignore[arg-type]
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().steps = 4  # type: ignore[misc]
    with pytest.raises(TypeError):
        Settings(3)  # type: ignore[misc]


def test_a_relation_between_fields_is_checked_after_each_field() -> None:
    assert Related(low=2, high=2).low == 2
    with pytest.raises(Problem, match="allowed at most high = 2"):
        config.parse(Related, {"low": "3"})


def test_a_description_tells_name_type_default_and_range_of_each_field() -> None:
    found = {entry["name"]: entry for entry in config.describe(Settings)}
    assert list(found) == ["ns", "rate", "steps", "law", "laws", "null"]
    assert found["ns"] == {
        "name": "ns", "type": "list of int", "default": (10, 20), "help": "numbers",
        "unit": "samples", "low": 1, "high": 100, "choices": None,
    }  # fmt: skip
    assert found["laws"]["type"] == "list of str"
    assert found["law"]["choices"] == ("gauss", "margin")


@pytest.mark.parametrize("text", ["10,20", "10, 20,", "10,20 ,", "[10, 20]"])
def test_a_comma_at_the_end_counts_neither_in_a_list_nor_in_a_grid(text: str) -> None:
    assert config.listed("steps", text) in (["10", "20"], [10, 20])
    assert Settings(ns=text).ns == (10, 20)  # type: ignore[arg-type]
    for wrong in ("10,,20", ",10", ","):
        with pytest.raises(Problem, match="steps: got"):
            config.listed("steps", wrong)


def test_a_long_value_is_cut_when_shown() -> None:
    assert problems.shown("x" * 58) == repr("x" * 58)
    assert problems.shown("x" * 59) == repr("x" * 59)[:57] + "..."
    assert "\n" not in problems.shown("a\nb")
