"""The top of a module as text (see `meaning`).

Its imports, and the statements that bind or change each name.
"""

import ast
import dataclasses
import pickle
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

# Methods that change what they are called on and nothing else.
FILLS = {
    "add", "append", "clear", "discard", "extend", "insert", "pop", "remove", "reverse",
    "setdefault", "sort", "update",
}  # fmt: skip

Function = ast.FunctionDef | ast.AsyncFunctionDef
Import = ast.Import | ast.ImportFrom
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
# of an imported name: the module, and the name in it if there is one
Source = tuple[str, str | None]


@dataclasses.dataclass(frozen=True)
class Module:
    """The top of a module.

    Where imported names come from, and what binds or changes each other name.

    `statements` are all, each with whether it is known to change something outside of the module;
    `loads` are names in full of which some are modules that it imports; `star` is a `from ...
    import *`.
    """

    imports: dict[str, Source]
    definitions: dict[str, list[ast.stmt]]
    statements: list[tuple[ast.stmt, bool]]
    loads: frozenset[str]
    star: str


def read(path: Path, package: str, settled: bool = False) -> Module:
    """A module from its file; where it is settled its effects are left out."""
    tree = ast.parse(b"" if path.is_dir() else path.read_bytes())
    statements = [part for one in tree.body if not is_idle(one) for part in _one_by_one(one)]
    running = [list(running_in(one)) for one in statements]
    bound = [_bound(one) for one in statements]
    sources: dict[str, set[Source]] = {}
    owned: set[str] = set()  # names that anything but one import binds
    for one, names in zip(statements, bound, strict=True):
        if not isinstance(one, Import):
            owned |= names
            continue
        for name, source in imported(one, package).items():
            sources.setdefault(name, set()).add(source)
            owned |= {name} if len(sources[name]) > 1 else set()
    touched = [_touched(*of_one, owned) for of_one in zip(statements, running, bound, strict=True)]
    nodes = [node for of_one in running for node in of_one]
    return Module(
        {name: source for name, (source, *_) in sources.items() if name not in owned},
        _definitions(statements, running, touched, settled, owned),
        [
            (one, effect)
            for one, (_, effect) in zip(statements, touched, strict=True)
            if not settled
        ],
        frozenset(name for node in nodes for name in loads(node, package)),
        next((ast.unparse(node) for node in nodes if _is_star(node)), ""),
    )


def _definitions(
    statements: Sequence[ast.stmt],
    running: Sequence[Sequence[ast.AST]],
    touched: Sequence[tuple[Collection[str], bool]],
    settled: bool,
    owned: Collection[str],
) -> dict[str, list[ast.stmt]]:
    """Name -> statements that bind or change it; one with an effect may change any of them."""
    places: dict[str, list[int]] = {}
    for place, (names, _) in enumerate(touched):
        for name in names:
            places.setdefault(name, []).append(place)
    definitions: dict[str, list[ast.stmt]] = {name: [] for name in owned}
    for place, (one, (names, effect)) in enumerate(zip(statements, touched, strict=True)):
        marks = _halfway(place, running[place], places, statements)
        for name in owned if effect and not settled else names:
            definitions[name] += [one, *marks]
    return definitions


def _halfway(
    place: int,
    running: Sequence[ast.AST],
    places: Mapping[str, Sequence[int]],
    statements: Sequence[ast.stmt],
) -> list[ast.stmt]:
    """Marks for names that a statement uses between two changes.

    They say how often the names were changed before.
    """
    halfway = [name for name, at in places.items() if at[0] < place < at[-1] and place not in at]
    if not halfway:
        return []
    used: set[str] = set()
    waiting = {node.id for node in running if isinstance(node, ast.Name)}
    while waiting:
        used |= waiting
        waiting = {
            one
            for name in waiting
            for at in places.get(name, ())
            for one in names_in(statements[at])
        } - used
    seen = sorted((places[name], name) for name in halfway if name in used)
    marks = [(name, sum(one < place for one in at)) for at, name in seen]
    return [
        ast.Expr(ast.Tuple([ast.Name(name, ast.Load()), ast.Constant(n)], ast.Load()))
        for name, n in marks
    ]


def is_idle(statement: ast.stmt) -> bool:
    """Is it a docstring, another constant, or `pass`?"""
    constant = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return constant or isinstance(statement, ast.Pass)


def is_for_scripts(statement: ast.stmt) -> bool:
    """Is it `if __name__ == "__main__":`, which starts runs and is no part of them?"""
    if not isinstance(statement, ast.If) or statement.orelse:
        return False
    return ast.unparse(statement.test) == "__name__ == '__main__'"


def _is_star(node: ast.AST) -> bool:
    return isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names)


def _one_by_one(statement: ast.stmt) -> list[ast.stmt]:
    """An import of several names as several imports."""
    if isinstance(statement, ast.Import):
        return [ast.Import([alias]) for alias in statement.names]
    if isinstance(statement, ast.ImportFrom):
        return [
            ast.ImportFrom(statement.module, [alias], statement.level) for alias in statement.names
        ]
    return [statement]


def imported(statement: Import, package: str) -> dict[str, Source]:
    """Name -> source of an import statement; `package` is what dots count from."""
    if isinstance(statement, ast.Import):
        named = (
            (one.asname, one.name) if one.asname else (one.name.partition(".")[0],) * 2
            for one in statement.names
        )
        return {name: (module, None) for name, module in named}
    source = _absolute(statement, package)
    return {one.asname or one.name: (source, one.name) for one in statement.names}


def _absolute(statement: ast.ImportFrom, package: str) -> str:
    parents = package.split(".")
    parents = parents[: len(parents) + 1 - statement.level] if statement.level else []
    return ".".join([*parents, *([statement.module] if statement.module else [])])


def loads(node: ast.AST, package: str) -> list[str]:
    """Names in full of which some are modules that an import brings."""
    if isinstance(node, ast.ImportFrom):
        source = _absolute(node, package)
        return [source, *(f"{source}.{alias.name}" for alias in node.names)]
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []


def _bound(statement: ast.stmt) -> set[str]:
    """The names of the module that a statement at its top binds; `_` is for what nobody wants."""
    inside = (node for node in ast.walk(statement) if isinstance(node, ast.Global))
    names = {name for node in here(statement) for name in binds(node)}
    return names.union(*(node.names for node in inside)) - {"_"}


def _touched(
    statement: ast.stmt, running: Sequence[ast.AST], bound: Collection[str], owned: Collection[str]
) -> tuple[frozenset[str], bool]:
    """The names of its module that a statement binds or changes, and has it any other effect?"""
    if isinstance(statement, Import) or is_for_scripts(statement):
        return frozenset(bound) & set(owned), False
    classes = [node for node in running if isinstance(node, ast.ClassDef)]
    local = {name for node in classes for one in node.body for name in _bound(one)}
    changed = {name for node in running for name in _changed(node)} - local
    called = any(
        isinstance(node, ast.Expr) and not is_idle(node) and not _is_filling(node)
        for node in running
    )
    filled = {name for node in running for name in _filled(node)}
    names = frozenset(bound).union(changed, filled) & set(owned)
    return names, called or not changed <= set(owned) or not names


def _changed(node: ast.AST) -> set[str]:
    """The names that a node may change without binding them: `TABLE[key] = 1`, `fill(TABLE)`."""
    if isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
        return names_in(_root(node))
    if isinstance(node, ast.Expr) and _is_filling(node):
        return names_in(_root(node.value.func))  # type: ignore[attr-defined]
    return names_in(node) if isinstance(node, ast.Expr) else set()


def _is_filling(node: ast.Expr) -> bool:
    """Is it like `TABLE.append(1)`?"""
    called = node.value.func if isinstance(node.value, ast.Call) else None
    return isinstance(called, ast.Attribute) and called.attr in FILLS


def _filled(node: Any) -> set[str]:
    """TABLE of `TABLE.append(x)`, or of a decorator `@TABLE.append`, given something or not."""
    calls = [node] if isinstance(node, ast.Call) else getattr(node, "decorator_list", [])
    called = [one.func if isinstance(one, ast.Call) else one for one in calls]
    return {
        name
        for one in called
        if isinstance(one, ast.Attribute) and (one.attr in FILLS or not isinstance(node, ast.Call))
        for name in names_in(_root(one))
    }


def copy_of(tree: Any) -> Any:
    return pickle.loads(pickle.dumps(tree))  # five times as fast as copy.deepcopy


def _root(node: ast.expr) -> ast.expr:
    """The a of `a.b[c].d`."""
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node


def names_in(node: ast.AST) -> set[str]:
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}


def run_at_import(statement: ast.stmt) -> list[ast.stmt]:
    """What of a statement at the top may call code of ours when the module is imported."""
    if isinstance(statement, Import) or is_for_scripts(statement):
        return []
    if not any(
        isinstance(one, (ast.Call, ast.ClassDef)) or getattr(one, "decorator_list", [])
        for one in running_in(statement)
    ):
        return []
    if isinstance(statement, Function):
        return [ast.Return(one) for one in parts(statement)]
    found = copy_of(statement)
    for node in ast.walk(found):
        if isinstance(node, Function):
            node.body = []
    return [found]


# --- scopes


def here(node: ast.AST) -> Iterator[ast.AST]:
    """A node and those inside it that belong to the same scope."""
    yield node
    for part in parts(node):
        yield from here(part)


def running_in(node: ast.AST) -> Iterator[ast.AST]:
    """A node and those inside it that run with it: all but the insides of functions."""
    yield node
    body = node.body if isinstance(node, ast.ClassDef) else []
    for part in [*parts(node), *body]:
        yield from running_in(part)


def parts(node: ast.AST) -> list[Any]:
    """The children of a node that belong to its scope."""
    if isinstance(node, ast.ClassDef):
        return [*node.decorator_list, *node.bases, *node.keywords]
    if isinstance(node, (Function, ast.Lambda)):
        defaults = [one for one in (*node.args.defaults, *node.args.kw_defaults) if one]
        if isinstance(node, ast.Lambda):
            return defaults
        notes = [one.annotation for one in parameters(node.args)] + [node.returns]
        return [*node.decorator_list, *defaults, *(one for one in notes if one)]
    if isinstance(node, Comprehension):
        values = [getattr(node, name) for name in ("key", "value", "elt") if hasattr(node, name)]
        return values + [part for one in node.generators for part in (one.iter, *one.ifs)]
    return list(ast.iter_child_nodes(node))


def binds(node: Any) -> Iterable[str]:
    """The names that a node binds itself."""
    if isinstance(node, (Function, ast.ClassDef)):
        return [node.name]
    if isinstance(node, Import):
        return [alias.asname or alias.name.partition(".")[0] for alias in node.names]
    if isinstance(node, ast.Name):
        return [] if isinstance(node.ctx, ast.Load) else [node.id]
    if isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)):
        return [node.name] if node.name else []
    return [node.rest] if isinstance(node, ast.MatchMapping) and node.rest else []


def parameters(arguments: ast.arguments) -> list[ast.arg]:
    """All parameters of a function, `*args` and `**kwargs` last."""
    stars = [one for one in (arguments.vararg, arguments.kwarg) if one is not None]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *stars]
