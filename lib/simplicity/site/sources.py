"""The sources of chapters: which there are, and what parameters each declares."""

import ast
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simplicity.places import paths
from simplicity.problems import Problem, no_such, shown
from simplicity.problems.values import noun_of, read

_TAGGED = re.compile(r"^:?tags: \[[^\]]*\bparameters\b", re.MULTILINE)
_KINDS: dict[str, type] = {kind.__name__: kind for kind in (int, float, bool, str)}


def is_notebook(text: str) -> bool:
    """A chapter is a text notebook (jupytext and kernelspec header) with at least one code cell."""
    header = text.split("\n---", 1)[0] if text.startswith("---\n") else ""
    return "jupytext:" in header and "kernelspec:" in header and "\n```{code-cell}" in text


def find(chapter: str) -> Path:
    """The source of a chapter, or a `Problem` that names the chapters there are."""
    sources = {path.stem: path for path in sorted(paths.book().glob("*.md"))}
    known = [name for name, path in sources.items() if is_notebook(path.read_text("utf-8"))]
    if chapter not in known:
        where = "a file of book/ that is a chapter, without .md"
        raise Problem(no_such("chapter", chapter, known, where))
    return sources[chapter]


def declared(source: Path) -> dict[str, Any]:
    """Name -> value of the typed assignments in a chapter's cell tagged `parameters`."""
    code = _tagged_cell(source.read_text("utf-8"))
    lines = [line for line in code.splitlines() if "=" in line and line[:1] not in (":", "#", " ")]
    return dict(map(_parameter, lines))


def _tagged_cell(text: str) -> str:
    cells = text.split("```{code-cell}")
    return next((cell.partition("```")[0] for cell in cells if _TAGGED.search(cell)), "")


def _parameter(line: str) -> tuple[str, Any]:
    (one,) = ast.parse(line).body
    kind = _KINDS.get(ast.unparse(one.annotation)) if isinstance(one, ast.AnnAssign) else None
    if kind is None:
        raise Problem(f"parameters: got {shown(line)}, allowed typed ones as in `width: int = 20`")
    return one.target.id, read(kind, ast.literal_eval(one.value))  # type: ignore[attr-defined]


def typed(chapter: str, given: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of a chapter as the types that it declares with its `known` values."""
    return {name: checked(chapter, name, value, known) for name, value in given.items()}


def checked(chapter: str, name: str, value: Any, known: Mapping[str, Any]) -> Any:
    """`value` as the type of the chapter's own for `name`; a `Problem` where it is of another."""
    if name not in known:
        raise Problem(no_such(f"parameter of {chapter}", name, known))
    kind = type(known[name])
    try:
        return read(kind, value)
    except ValueError:
        raise Problem(f"{name}: got {shown(value)}, allowed {noun_of(kind)}") from None
