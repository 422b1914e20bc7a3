"""The shape of the library: who may import whom, short functions, a docstring where people look for one."""

import ast
from collections.abc import Iterator

import pytest

from simplicity import paths

PACKAGE = paths.PACKAGE
FILES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
TREES = {name: ast.parse(path.read_text("utf-8")) for name, path in FILES.items()}
LONGEST = 60

# Part -> the parts that it may import; `threads` holds constants and settings of the process, and imports nothing.
ALLOWED = {
    "config": set(),
    "threads": {"config", "machine", "paths"},
    "doors": {"config"},
    "paths": {"config"},
    "files": {"config"},
    "machine": set(),
    "companion": {"run"},
    "checkpoints": set(),
    "modules": {"config", "doors"},
    "activations": {"doors"},
    "ntk_modules": {"activations", "doors", "modules"},
    "data": {"config", "doors", "data"},
    "nets": {"doors"},
    # Further initialisations, apart from `nets` so that recorded runs keep their fingerprints.
    "starts": {"config", "doors", "nets"},
    "measure": {"config", "doors", "nets", "activations", "measure"},
    "claims": {"config"},
    "meaning": set(),
    "store": {"config", "files", "meaning", "threads"},
    "pool": {"config", "threads"},
    "engines": {"config", "doors", "nets", "activations", "engines"},
    "linear_teacher": {"doors", "data", "nets", "engines", "measure"},  # a set-up that several experiments share
    "explain": {"config", "doors", "modules", "engines", "measure"},
    "explain_checks": {"claims", "measure"},
    "kernel_checks": {"claims"},
    "threshold_checks": {"claims"},
    "corruption_checks": {"claims", "measure"},
    "early_linear": {"doors", "activations", "data", "nets", "starts", "engines", "measure", "claims"},
    "linear_images": {"config", "doors", "ntk_modules", "engines", "measure", "claims"},
    "experiments": {
        "config",
        "data",
        "nets",
        "modules",
        "starts",
        "engines",
        "measure",
        "claims",
        "linear_teacher",
        "checkpoints",
        "explain",
        "explain_checks",
        "corruption_checks",
        "kernel_checks",
        "threshold_checks",
        "activations",
        "ntk_modules",
        "early_linear",
        "linear_images",
    },
    "run": {"config", "store", "threads", "paths", "pool", "checkpoints", "companion"},
    "sweep": {"config", "store", "run", "pool"},
    "cluster": {"config", "store", "threads", "pool", "cluster"},
    "records": {"config", "store", "run", "pool", "paths", "claims", "experiments", "machine", "threads"},
}
FONTS = {"book.build"}  # has matplotlib list the fonts of a new machine before pages are made; draws nothing
BARE = ["__init__", "experiments", "engines", "measure", "data"]  # `__init__` files that import nothing


def ours(tree: ast.AST) -> Iterator[str]:
    """Dotted names below the package of everything of ours that is imported, at any depth of the file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name.removeprefix("simplicity.") for name in names if name.startswith("simplicity."))


def part(name: str) -> str:
    return name.partition(".")[0]


@pytest.mark.parametrize("name", [name for name in TREES if part(name) in ALLOWED])
def test_imports_go_one_way(name: str) -> None:
    assert {part(found) for found in ours(TREES[name])} <= ALLOWED[part(name)]


@pytest.mark.parametrize("name", [name for name in TREES if name.startswith("experiments.")])
def test_an_experiment_imports_no_other_experiment(name: str) -> None:
    assert not [found for found in ours(TREES[name]) if part(found) == "experiments"]


def test_within_the_data_builders_only_the_streams_are_shared() -> None:
    within = {found for name in TREES if part(name) == "data" for found in ours(TREES[name]) if part(found) == "data"}
    assert within <= {"data.streams"}


@pytest.mark.parametrize("name", TREES)
def test_only_plot_imports_matplotlib(name: str) -> None:
    used = any(
        part(found) == "matplotlib"
        for node in ast.walk(TREES[name])
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for found in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""])
    )
    assert not used or part(name) == "plot" or name in FONTS


@pytest.mark.parametrize("name", TREES)
def test_no_import_is_relative(name: str) -> None:
    assert not [node for node in ast.walk(TREES[name]) if isinstance(node, ast.ImportFrom) and node.level]


@pytest.mark.parametrize("name", BARE)
def test_the_init_files_of_parts_import_nothing_and_the_packages_own_only_threads(name: str) -> None:
    imports = [node for node in ast.walk(TREES[name]) if isinstance(node, (ast.Import, ast.ImportFrom))]
    assert [ast.unparse(node) for node in imports] == (["from simplicity import threads"] if name == "__init__" else [])


Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def definitions(tree: ast.Module) -> Iterator[Definition]:
    return (node for node in ast.walk(tree) if isinstance(node, Definition))


@pytest.mark.parametrize("name", TREES)
def test_no_function_is_longer_than_a_page(name: str) -> None:
    lengths = {node.name: (node.end_lineno or 0) - node.lineno + 1 for node in definitions(TREES[name])}
    functions = {node.name for node in definitions(TREES[name]) if not isinstance(node, ast.ClassDef)}
    assert not {function: lengths[function] for function in functions if lengths[function] > LONGEST}


@pytest.mark.parametrize("name", TREES)
def test_every_module_has_a_docstring(name: str) -> None:
    assert ast.get_docstring(TREES[name])


CONTRACT = {"Config", "Cell", "cells", "measure", "checks"}  # told once, in `simplicity.run`


def plain(node: Definition) -> bool:
    """A body of one statement says by itself what it does."""
    return not isinstance(node, ast.ClassDef) and len(node.body) == 1


@pytest.mark.parametrize("name", TREES)
def test_every_public_function_and_class_has_a_docstring_or_one_line(name: str) -> None:
    exempt = CONTRACT if part(name) == "experiments" else set()
    bare = [
        node.name
        for node in TREES[name].body
        if isinstance(node, Definition) and not node.name.startswith("_") and node.name not in exempt
        if not ast.get_docstring(node) and not plain(node)
    ]
    assert not bare
