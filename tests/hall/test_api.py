"""The API page: signatures as in the code, docstrings, members, each public name once."""

import re
from collections.abc import Callable
from typing import Any

import pytest

import simplicity
from simplicity import lenses
from simplicity.places import paths
from simplicity.site import api


class Kept:
    """A class."""

    def __init__(self, a: int, *rest: str, b: "list[int]" = [], **more: Any) -> None:  # noqa: B006
        self.a = a

    def told(self, *, word: str = "x") -> str:
        """One."""
        return word

    def silent(self) -> None:
        pass

    @property
    def size(self) -> int:
        """Another."""
        return 1


class Pair(tuple):
    """Two numbers."""

    first: float
    second: float = 0.5


def long(
    first: Callable[[int], int], *, second: dict[str, list[int]] | None = None, third: str = "third"
) -> None:  # noqa: E501
    """More than a line."""


@pytest.mark.parametrize(
    ("of", "shown"),
    [
        (Kept, "f(a: int, *rest: str, b: 'list[int]' = [], **more: Any)"),
        (Kept.told, "f(*, word: str = 'x') -> str"),
        (Pair, "f(first: float, second: float = 0.5)"),
        (
            long,
            "f(\n    first: Callable[[int], int],\n    *,\n"
            "    second: dict[str, list[int]] | None = None,\n"
            "    third: str = 'third',\n) -> None",
        ),
    ],
)
def test_a_signature_is_as_it_stands_in_the_code(of: Any, shown: str) -> None:
    assert api.signature("f", of) == shown


def test_members_are_those_with_words() -> None:
    assert [name for name, _ in api.members(Kept)] == ["told", "size"]
    assert api.members(long) == []


def test_a_wrapped_line_that_looks_like_an_item_is_none() -> None:
    def wrapped() -> None:
        """The sum over l of (present -
        1) degrees and the rest
        - 2 of them.

        - An item.
        """

    assert api.told(wrapped) == (
        "The sum over l of (present - 1) degrees and the rest - 2 of them.\n\n- An item."
    )


def test_the_page_has_every_public_name_once() -> None:
    text = (paths.book() / "api.md").read_text("utf-8")
    shown = re.findall(r"^```\{api\} (\S+)\n(.*)\n```", text, flags=re.MULTILINE)
    names = {module: [] for module, _ in shown}
    for module, line in shown:
        names[module] += line.replace("()", "").split()
    assert sorted(names["simplicity.lenses"]) == sorted(lenses.__all__)
    assert sorted(names["simplicity"]) == sorted({*simplicity.__all__} - {"__version__", "lenses"})
