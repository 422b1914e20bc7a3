"""Definitions, what they refer to, and the digest of the graph that they are (see `meaning`)."""

import ast
import collections
import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

WHOLE = ""  # the name of a definition that stands for all of its module
EFFECTS = "!"  # and of one for the statements that change something outside of their module
# no name in a source is written so
REFERENCE, SELF, OTHER, DECLARED = "@", "@self", "@other", "@declared"


class Unclear(LookupError):
    """Code whose meaning cannot be told from its text."""


@dataclasses.dataclass(frozen=True)
class Definition:
    """A name at the top of one of our modules; `WHOLE` stands for every name of the module."""

    module: str
    name: str


@dataclasses.dataclass(frozen=True)
class Foreign:
    """A name that is not ours, in full: `numpy.linspace`, `builtins.sum`."""

    dotted: str


@dataclasses.dataclass(frozen=True)
class Ours:
    """A module or package of ours."""

    dotted: str


Found = Definition | Foreign | Ours


@dataclasses.dataclass(frozen=True)
class Shape:
    """The code of a definition without its references, and these in the order of their places.

    `alike`: two equal ones are as good as one, unless something changes them. `changes`: what its
    functions may change at the top of modules. `loads`: modules that its functions import.
    """

    text: str
    references: tuple[Definition, ...]
    alike: bool = True
    changes: frozenset[Any] = frozenset()
    loads: frozenset[str] = frozenset()


class Reader(Protocol):
    """What the shape of a definition asks of the modules around it (`meaning.Library`)."""

    declared: frozenset[Definition]
    refusing: frozenset[str]

    def package(self, dotted: str) -> str: ...

    def resolve(self, module: str, name: str) -> Found: ...

    def attribute(self, of: Foreign | Ours, name: str) -> Found | None: ...

    def imported(self, source: str, name: str | None) -> Found: ...

    def statements(self, definition: Definition) -> list[ast.stmt]: ...


def definition_of(found: Definition | Ours) -> Definition:
    return Definition(found.dotted, WHOLE) if isinstance(found, Ours) else found


def dotted(found: Found | None) -> str:
    """The full name of what is foreign; nothing of anything else."""
    return found.dotted if isinstance(found, Foreign) else ""


def is_builtin(found: Foreign | Ours) -> bool:
    return found.dotted.startswith("builtins.")


def closure(
    roots: Sequence[Definition], shape: Callable[[Definition], Shape]
) -> dict[Definition, Shape]:
    """What the roots reach, nearest first: an order that equal graphs share."""
    found: dict[Definition, Shape] = {}
    waiting = collections.deque(roots)
    while waiting:
        one = waiting.popleft()
        if one not in found:
            found[one] = shape(one)
            waiting.extend(found[one].references)
    return found


def digest_of(
    roots: Sequence[Definition], effects: Sequence[Definition], shape: Callable[[Definition], Shape]
) -> str:
    """The digest of what the roots reach, and the effects beside them.

    No name and no order of definitions is in it.
    """
    shapes = closure([*roots, *effects], shape)
    labels, finer = _refined(shapes)
    # Each pair ties a class to its shape and the classes that it refers to: the whole graph.
    pairs = sorted({(labels[one], finer[one]) for one in shapes})
    starts = [[labels[one] for one in roots], sorted(labels[one] for one in effects)]
    return _hash(json.dumps([starts, pairs]))


Labels = dict[Definition, str]


def _refined(shapes: Mapping[Definition, Shape]) -> tuple[Labels, Labels]:
    """The labels from which no class splits any more, and those of the next round."""
    texts = _texts(shapes)
    labels = texts
    while True:
        finer = {
            one: _hash(texts[one], *(labels[other] for other in found.references))
            for one, found in shapes.items()
        }
        if len(set(finer.values())) == len(set(labels.values())):
            return labels, finer
        labels = finer


def _texts(shapes: Mapping[Definition, Shape]) -> dict[Definition, str]:
    """Hashes of the texts, numbered where it matters which of two equal definitions is meant."""
    numbers = {one: str(number) for number, one in enumerate(_apart(shapes))}
    return {one: _hash(found.text, numbers.get(one, "")) for one, found in shapes.items()}


def _apart(shapes: Mapping[Definition, Shape]) -> list[Definition]:
    """Those that an equal one cannot stand for, in their order."""
    changed = {one for found in shapes.values() for one in found.changes}
    return [one for one, found in shapes.items() if one in changed or not found.alike]


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
