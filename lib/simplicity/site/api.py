"""`{api}`: public names of a module with their signatures and docstrings, read from the code.

    ```{api} simplicity.lenses
    watch Record linear_gap
    ```

A docstring is set as Markdown, which is how those of this library are written: `code` in
backticks, formulas as indented blocks. A module among the names is shown with its public functions.
"""

import dataclasses
import importlib
import inspect
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

WIDTH = 79  # of a signature's line


class Api(SphinxDirective):
    """`{api} MODULE`, with names in its body: a heading, a signature and the docstring for each."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        module = importlib.import_module(self.arguments[0])
        found = nodes.section()
        text = "\n\n".join(entry(name, getattr(module, name)) for name in self.names())
        self.state.nested_parse(StringList(text.split("\n")), 0, found, match_titles=True)
        return found.children

    def names(self) -> list[str]:
        return " ".join(self.content).split()


def entry(name: str, of: Any) -> str:
    """Markdown for one name: its heading, then what it is."""
    return f"### `{name}`\n\n" + "\n\n".join(parts(name, of))


def parts(name: str, of: Any) -> Iterator[str]:
    """A module's docstring and functions; a class's and its methods'; a function's."""
    if not isinstance(of, ModuleType):
        yield code(signature(name, of))
    yield told(of)
    for inner, one in members(of):
        yield folded(f"{name}.{inner}", one)


def members(of: Any) -> list[tuple[str, Any]]:
    """The public functions of a module, the public methods and properties of a class."""
    if isinstance(of, ModuleType):
        own = [(name, one) for name, one in vars(of).items() if inspect.isfunction(one)]
        return [pair for pair in own if pair[1].__module__ == of.__name__ and _public(pair)]
    if not inspect.isclass(of):
        return []
    kinds = (property, staticmethod, classmethod)
    return [
        pair
        for pair in vars(of).items()
        if _public(pair) and (inspect.isfunction(pair[1]) or isinstance(pair[1], kinds))
    ]


def _public(pair: tuple[str, Any]) -> bool:
    return not pair[0].startswith("_") and bool(inspect.getdoc(pair[1]))


def folded(name: str, of: Any) -> str:
    """A member: its signature to be seen, its docstring to be opened."""
    shown = "" if isinstance(of, property) else code(signature(name, of)) + "\n\n"
    return f"`````{{dropdown}} {name}\n{shown}{told(of)}\n`````"


def told(of: Any) -> str:
    """The docstring, whose lines that begin like items of a list are joined to those before."""
    text = inspect.getdoc(of) or ""
    return re.sub(r"(?<=[^\n:])\n(?=(?:[-+]|\d+[.)]) (?![A-Z`*]))", " ", text)


def signature(name: str, of: Any) -> str:
    """`name(a, *, b=1) -> c` with types as they stand in the code, on lines that a page holds."""
    try:
        found = inspect.signature(of)
    except (TypeError, ValueError):
        return name
    if dataclasses.is_dataclass(of) or inspect.isclass(of):
        found = found.replace(return_annotation=inspect.Signature.empty)
    own = [one for key, one in found.parameters.items() if key not in ("self", "cls")]
    whole = _short(name + str(found.replace(parameters=own)))
    if len(whole) <= WIDTH:
        return whole
    body = [*_marked(own)]
    back = found.return_annotation is not inspect.Signature.empty
    end = f" -> {inspect.formatannotation(found.return_annotation)}" if back else ""
    return _short("\n".join([f"{name}(", *(f"    {line}," for line in body), f"){end}"]))


def _marked(parameters: list[inspect.Parameter]) -> Iterator[str]:
    """Parameters as they are written, with the star before the first that is named alone."""
    starred = False
    for one in parameters:
        if one.kind is one.VAR_POSITIONAL:
            starred = True
        if one.kind is one.KEYWORD_ONLY and not starred:
            starred = True
            yield "*"
        yield str(one)


def _short(text: str) -> str:
    """Without the modules of types."""
    return re.sub(r"\b(?:\w+\.)+(?=[A-Z]\w*)", "", text.replace("'", ""))


def code(text: str) -> str:
    return f"```python\n{text}\n```"
