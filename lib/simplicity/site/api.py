"""`{api}`: public names of a module with their signatures and docstrings, read from the code.

    ```{api} simplicity.grid.groups
    Grid() Runs
    ```

A docstring is set as Markdown, which is how those of this library are written: `code` in
backticks, formulas as indented blocks. A module among the names is shown with its public functions,
a class with its public methods, and how it is made where the name has parentheses.
"""

import ast
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

WIDTH = 79  # of a signature's line


class Api(SphinxDirective):
    """`{api} MODULE`, with names in its body: a heading, a signature and the docstring for each."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        module = importlib.import_module(self.arguments[0])
        text = "\n\n".join(entry(module, name) for name in " ".join(self.content).split())
        return self.parse_text_to_nodes(text, allow_section_headings=True)


def entry(module: ModuleType, name: str) -> str:
    """Markdown for one name of a module: its heading, then what it is."""
    plain = name.removesuffix("()")
    return "\n\n".join([f"### {plain}", *parts(plain, getattr(module, plain), plain != name)])


def parts(name: str, of: Any, made: bool) -> Iterator[str]:
    """How it is made or called, its docstring, its members."""
    if inspect.isfunction(of) or made:
        yield code(signature(name, of))
    yield told(of)
    for inner, one in members(of):
        yield folded(inner, one)


def members(of: Any) -> list[tuple[str, Any]]:
    """The public functions of a module, the public methods and properties of a class."""
    if isinstance(of, ModuleType):
        public = filter(_public, vars(of).items())
        functions = (pair for pair in public if inspect.isfunction(pair[1]))
        return [pair for pair in functions if pair[1].__module__ == of.__name__]
    if inspect.isclass(of):
        return [pair for pair in vars(of).items() if _public(pair) and _is_member(pair[1])]
    return []


def _is_member(of: Any) -> bool:
    """Of a class: a method in any form, or a property."""
    return inspect.isfunction(of) or isinstance(of, (property, staticmethod, classmethod))


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
    """`name(a, *, b=1) -> c` as it stands in the code, on lines that a page holds.

    Of a class that is its `__init__`, or its fields where it has none.
    """
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(getattr(of, "__func__", of)))).body
    given, back = _given(tree), _back(tree)
    whole = f"{name}({', '.join(given)}){back}"
    if len(whole) <= WIDTH:
        return whole
    return "\n".join([f"{name}(", *(f"    {one}," for one in given), f"){back}"])


def _given(tree: ast.stmt) -> list[str]:
    """What a function takes, or the maker of a class."""
    if isinstance(tree, ast.ClassDef):
        made = [one for one in tree.body if getattr(one, "name", "") == "__init__"]
        return _given(made[0]) if made else _fields(tree)
    assert isinstance(tree, ast.FunctionDef)
    return _arguments(tree.args)


def _fields(tree: ast.ClassDef) -> list[str]:
    return [ast.unparse(one) for one in tree.body if isinstance(one, ast.AnnAssign)]


def _back(tree: ast.stmt) -> str:
    """What a function returns."""
    if isinstance(tree, ast.FunctionDef) and tree.returns:
        return f" -> {ast.unparse(tree.returns)}"
    return ""


def _arguments(given: ast.arguments) -> list[str]:
    """Each with its type and default, and the star before those that are given by name."""
    places = [*given.posonlyargs, *given.args]
    without = len(places) - len(given.defaults)
    found = _with_defaults(places, [*[None] * without, *given.defaults]) + _by_name(given)
    return [one for one in found if one not in ("self", "cls")]


def _by_name(given: ast.arguments) -> list[str]:
    """What stands from the star on."""
    found = []
    if given.vararg or given.kwonlyargs:
        found.append("*" + (ast.unparse(given.vararg) if given.vararg else ""))
    found += _with_defaults(given.kwonlyargs, given.kw_defaults)
    return found + (["**" + ast.unparse(given.kwarg)] if given.kwarg else [])


def _with_defaults(names: list[ast.arg], values: Sequence[ast.expr | None]) -> list[str]:
    return [
        ast.unparse(one) + ("" if value is None else f" = {ast.unparse(value)}")
        for one, value in zip(names, values, strict=True)
    ]


def code(text: str) -> str:
    return f"```python\n{text}\n```"
