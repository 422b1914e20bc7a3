"""What a lens is: a name, where it is blind, and a function that makes its look out of a task.

A look is made once, when the watching starts, and called at each time of the schedule. What a
lens cannot look at is refused when its look is made, before a step is taken.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from simplicity.lenses.task import Task
from simplicity.problems import Problem, shown


class Variable(NamedTuple):
    """What a measured number is, and its unit: 1 where it has none."""

    about: str
    unit: str = "1"


@dataclass(frozen=True)
class Look:
    """`now` measures, given what the loop handed over for this step; `before` is called a step ago.

    `cost` is what a look costs, in rows that go forward; `facts` are numbers and words that stay
    the same over the run.
    """

    now: Callable[[Any], Mapping[str, float]]
    variables: Mapping[str, Variable]
    cost: int
    facts: Mapping[str, float | str] = field(default_factory=dict)
    before: Callable[[], None] | None = None

    def done(self) -> "Look":
        """Its words and numbers alone."""
        return Look(dict, self.variables, 0, self.facts)


@dataclass(frozen=True)
class Lens:
    """A lens by its kind, with its layer where it has one, its paper, and where it is blind."""

    kind: str
    source: str
    blind: str
    prepare: Callable[[Task], Look]
    layer: str = ""

    def __repr__(self) -> str:
        return f'{self.kind}("{self.layer}")' if self.layer else f"{self.kind}()"


def named(layer: Any) -> str:
    """The name of a layer, which is text."""
    if not isinstance(layer, str):
        allowed = f"a name in model.named_modules(), such as {str(layer)[:20]!r}"
        raise Problem(f"layer: got {shown(layer)}, allowed {allowed}")
    return layer
