"""Settings: text and plain values become the declared type, or one line says what is wrong."""

import dataclasses
import math
import re

import numpy as np
import pytest

from simplicity import config
from simplicity.config import Problem


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
        ("steps", "7.5"), ("steps", 7.5), ("steps", "many"), ("steps", ""), ("steps", True), ("steps", math.nan),
        ("steps", math.inf), ("steps", 0), ("steps", "-1"), ("steps", None), ("steps", "9" * 5000),
        ("rate", "nan"), ("rate", "inf"), ("rate", -math.inf), ("rate", -0.01), ("rate", 1.01), ("rate", True),
        ("rate", "half"), ("rate", None),
        ("null", "yes"), ("null", 2), ("null", ""), ("null", None),
        ("law", "laplace"), ("law", ""), ("law", 3), ("law", "Gauss"),
        ("ns", ""), ("ns", ","), ("ns", []), ("ns", "10,0"), ("ns", "10,101"), ("ns", "10,x"), ("ns", "10;20"),
        ("ns", {"10": 1}), ("ns", [10, None]), ("ns", [[10]]),
        ("laws", "gauss,laplace"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_in_one_line_that_names_what_is_allowed(name: str, value: object) -> None:
    with pytest.raises(Problem) as caught:
        config.parse(Settings, {name: value})
    line = str(caught.value)
    assert re.fullmatch(rf"{name}: got .+, allowed .+", line)
    assert len(line) < 200


@pytest.mark.parametrize("value", [0, 1])
def test_the_ends_of_a_range_belong_to_it(value: int) -> None:
    assert config.parse(Settings, {"rate": value}).rate == value


def test_an_unknown_name_is_refused_with_the_nearest_known_one() -> None:
    with pytest.raises(Problem, match=r"unknown parameter: got 'step', allowed ns, .*\(did you mean steps\?\)"):
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
        "name": "ns", "type": "list of int", "default": (10, 20), "help": "numbers", "unit": "samples",
        "low": 1, "high": 100, "choices": None,
    }  # fmt: skip
    assert found["laws"]["type"] == "list of str"
    assert found["law"]["choices"] == ("gauss", "margin")


def test_a_long_value_is_cut_when_shown() -> None:
    assert config.shown("x" * 58) == repr("x" * 58)
    assert config.shown("x" * 59) == repr("x" * 59)[:57] + "..."
    assert "\n" not in config.shown("a\nb")
