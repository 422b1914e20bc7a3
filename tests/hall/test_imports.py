"""The shape of the library: who may import whom, short functions, a docstring where people look for
one.
"""

import ast
import re
from collections.abc import Iterator

import pytest

from simplicity.places import paths

PACKAGE = paths.PACKAGE
FILES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
TREES = {name: ast.parse(path.read_text("utf-8")) for name, path in FILES.items()}
LONGEST = 60
MOST_LINES = 400  # of a module
LONGER = {"boursier.cones"}  # one algorithm

# The hall, from its floor up: a room imports those before it. A wing imports the hall and itself;
# `lenses` is over them, and `together` over all.
HALL = [
    "problems",
    "places",
    "process",
    "data",
    "nets",
    "grid",
    "evidence",
    "pictures",
    "site",
    "cli",
]
WINGS = ["boursier", "hu", "loukas", "nakkiran"]
# has matplotlib list the fonts of a new machine before pages are made; draws nothing
FONTS = {"site.build"}
# `__init__` files that import nothing, or only what settles the arithmetic
BARE = {"__init__": [], "data": ["process"]} | {
    f"{wing}.experiments": ["process"] if wing == "nakkiran" else []
    for wing in [*WINGS, "together"]
}


def ours(tree: ast.AST) -> Iterator[str]:
    """Dotted names below the package of everything of ours that is imported, at any depth of the
    file.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (
            name.removeprefix("simplicity.") for name in names if name.startswith("simplicity.")
        )


def part(name: str) -> str:
    return name.partition(".")[0]


def allowed(room: str) -> set[str]:
    """The rooms whose modules a module of this room may import."""
    if room == "__main__":
        return {"cli"}
    if room in HALL:
        return {"__version__", *HALL[: HALL.index(room) + 1]}
    below = {"lenses": WINGS, "together": [*WINGS, "lenses"]}.get(room, [])
    return {*HALL, *below, room} - {"site", "cli"}


@pytest.mark.parametrize("name", [name for name in TREES if name != "__init__"])
def test_imports_go_one_way(name: str) -> None:
    assert {part(found) for found in ours(TREES[name])} <= allowed(part(name))


@pytest.mark.parametrize("name", [name for name in TREES if ".experiments." in name])
def test_an_experiment_imports_no_other_experiment(name: str) -> None:
    assert not [found for found in ours(TREES[name]) if ".experiments" in found]


@pytest.mark.parametrize("name", TREES)
def test_only_pictures_import_matplotlib(name: str) -> None:
    used = any(
        part(found) == "matplotlib"
        for node in ast.walk(TREES[name])
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for found in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
        )
    )
    assert not used or "pictures" in name.split(".") or name in FONTS


@pytest.mark.parametrize("name", TREES)
def test_no_import_is_relative(name: str) -> None:
    assert not [
        node for node in ast.walk(TREES[name]) if isinstance(node, ast.ImportFrom) and node.level
    ]


@pytest.mark.parametrize("name", BARE)
def test_the_init_files_of_parts_import_nothing_but_the_arithmetic(name: str) -> None:
    assert list(ours(TREES[name])) == BARE[name]


Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def definitions(tree: ast.Module) -> Iterator[Definition]:
    return (node for node in ast.walk(tree) if isinstance(node, Definition))


@pytest.mark.parametrize("name", TREES)
def test_no_function_is_longer_than_a_page(name: str) -> None:
    lengths = {
        node.name: (node.end_lineno or 0) - node.lineno + 1 for node in definitions(TREES[name])
    }
    functions = {
        node.name for node in definitions(TREES[name]) if not isinstance(node, ast.ClassDef)
    }
    assert not {
        function: lengths[function] for function in functions if lengths[function] > LONGEST
    }


@pytest.mark.parametrize("name", sorted(FILES.keys() - LONGER))
def test_no_module_is_longer_than_can_be_held_in_mind(name: str) -> None:
    assert len(FILES[name].read_text("utf-8").splitlines()) <= MOST_LINES


@pytest.mark.parametrize("name", TREES)
def test_every_module_has_a_docstring(name: str) -> None:
    assert ast.get_docstring(TREES[name])


CONTRACT = {"Config", "Cell", "cells", "measure", "checks"}  # told once, in `simplicity.grid.run`


def plain(node: Definition) -> bool:
    """A body of one statement says by itself what it does."""
    return not isinstance(node, ast.ClassDef) and len(node.body) == 1


@pytest.mark.parametrize("name", TREES)
def test_every_public_function_and_class_has_a_docstring_or_one_line(name: str) -> None:
    exempt = CONTRACT if ".experiments." in name else set()
    bare = [
        node.name
        for node in TREES[name].body
        if isinstance(node, Definition)
        and not node.name.startswith("_")
        and node.name not in exempt
        if not ast.get_docstring(node) and not plain(node)
    ]
    assert not bare


@pytest.mark.parametrize("wing", [*WINGS, "together"])
def test_the_map_of_a_wing_names_each_of_its_modules(wing):
    told = set(re.findall(r"`(\w+)`", ast.get_docstring(TREES[wing]) or ""))
    assert told == {path.stem for path in (PACKAGE / wing).glob("*.py")} - {"__init__"}
