"""The top of a module as text: its imports, and what binds or changes each name (see `meaning`)."""

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
    """Where imported names come from, and what binds or changes each other name.

    `statements` are all, each with whether it is known to change something outside of the module;
    `loads` are names in full of which some are modules that it imports; `star` is a `from ...
    import *`.
    """

    imports: dict[str, Source]
    definitions: dict[str, list[ast.stmt]]
    statements: list[tuple[ast.stmt, bool]]
    loads: frozenset[str]
    star: str


@dataclasses.dataclass(frozen=True)
class _Top:
    """A statement at the top, what runs with it, and the names of the module that it binds."""

    node: ast.stmt
    running: list[ast.AST]
    bound: set[str]


def read(path: Path, package: str, settled: bool = False) -> Module:
    """A module from its file; where it is settled its effects are left out."""
    tops = _tops(path)
    imports, owned = _bindings(tops, package)
    touched = [_touched(one, owned) for one in tops]
    effects = [(one.node, effect) for one, (_, effect) in zip(tops, touched, strict=True)]
    if settled:
        effects, touched = [], [(names, False) for names, _ in touched]
    nodes = [node for one in tops for node in one.running]
    loaded = frozenset(name for node in nodes for name in loads(node, package))
    star = next((ast.unparse(node) for node in nodes if _is_star(node)), "")
    return Module(imports, _definitions(tops, touched, owned), effects, loaded, star)


def _tops(path: Path) -> list[_Top]:
    """The statements of a file that do something; a folder has none."""
    tree = ast.parse(b"" if path.is_dir() else path.read_bytes())
    statements = [part for one in tree.body if not is_idle(one) for part in _one_by_one(one)]
    return [_Top(one, list(running_in(one)), _bound(one)) for one in statements]


def _bindings(tops: Sequence[_Top], package: str) -> tuple[dict[str, Source], set[str]]:
    """The names that one import alone binds, with their sources; all others that are bound."""
    owned: set[str] = set()
    owned.update(*(one.bound for one in tops if not isinstance(one.node, Import)))
    sources = _sources((one.node for one in tops if isinstance(one.node, Import)), package)
    owned |= {name for name, found in sources.items() if len(found) > 1}
    return {name: source for name, (source, *_) in sources.items() if name not in owned}, owned


def _sources(nodes: Iterable[Import], package: str) -> dict[str, set[Source]]:
    """What each name is imported from."""
    sources: dict[str, set[Source]] = {}
    for node in nodes:
        for name, source in imported(node, package).items():
            sources.setdefault(name, set()).add(source)
    return sources


def _definitions(
    tops: Sequence[_Top],
    touched: Sequence[tuple[Collection[str], bool]],
    owned: Collection[str],
) -> dict[str, list[ast.stmt]]:
    """Name -> statements that bind or change it; one with an effect may change any of them."""
    places = _places(touched)
    definitions: dict[str, list[ast.stmt]] = {name: [] for name in owned}
    for place, (names, effect) in enumerate(touched):
        marks = _halfway(place, tops, places)
        for name in owned if effect else names:
            definitions[name] += [tops[place].node, *marks]
    return definitions


def _places(touched: Sequence[tuple[Collection[str], bool]]) -> dict[str, list[int]]:
    """Name -> where it is bound or changed."""
    places: dict[str, list[int]] = {}
    for place, (names, _) in enumerate(touched):
        for name in names:
            places.setdefault(name, []).append(place)
    return places


def _halfway(
    place: int, tops: Sequence[_Top], places: Mapping[str, Sequence[int]]
) -> list[ast.stmt]:
    """Marks for names that a statement uses between two changes.

    They say how often the names were changed before.
    """
    halfway = [name for name, at in places.items() if at[0] < place < at[-1] and place not in at]
    if not halfway:
        return []
    used = _used(place, tops, places)
    changed = sorted((places[name], name) for name in halfway if name in used)
    return [_mark(name, sum(one < place for one in at)) for at, name in changed]


def _mark(name: str, times: int) -> ast.stmt:
    pair: list[ast.expr] = [ast.Name(name, ast.Load()), ast.Constant(times)]
    return ast.Expr(ast.Tuple(pair, ast.Load()))


def _used(place: int, tops: Sequence[_Top], places: Mapping[str, Sequence[int]]) -> set[str]:
    """The names that a statement uses, itself or by what changes these."""
    used: set[str] = set()
    waiting = {node.id for node in tops[place].running if isinstance(node, ast.Name)}
    while waiting:
        used |= waiting
        changes = {at for name in waiting for at in places.get(name, ())}
        waiting = {one for at in changes for one in names_in(tops[at].node)} - used
    return used


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


def _touched(top: _Top, owned: Collection[str]) -> tuple[frozenset[str], bool]:
    """The names of its module that a statement binds or changes, and has it any other effect?"""
    if isinstance(top.node, Import) or is_for_scripts(top.node):
        return frozenset(top.bound) & set(owned), False
    changed = {name for node in top.running for name in _changed(node)} - _of_classes(top)
    filled = {name for node in top.running for name in _filled(node)}
    names = frozenset(top.bound).union(changed, filled) & set(owned)
    calls = any(isinstance(node, ast.Expr) and _calls(node) for node in top.running)
    return names, calls or not changed <= set(owned) or not names


def _of_classes(top: _Top) -> set[str]:
    """The names that classes bind within themselves."""
    classes = [node for node in top.running if isinstance(node, ast.ClassDef)]
    return {name for node in classes for one in node.body for name in _bound(one)}


def _calls(node: ast.Expr) -> bool:
    """May it do anything but fill a name?"""
    return not is_idle(node) and not _is_filling(node)


def _changed(node: ast.AST) -> set[str]:
    """The names that a node may change without binding them: `TABLE[key] = 1`, `fill(TABLE)`."""
    if isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
        return names_in(_root(node))
    if isinstance(node, ast.Expr) and _is_filling(node):
        return names_in(_root(node.value.func))  # type: ignore[attr-defined]
    return names_in(node) if isinstance(node, ast.Expr) else set()


def _is_filling(node: ast.Expr) -> bool:
    """Is it like `TABLE.append(1)`?"""
    called = called_in(node.value)
    return called is not node.value and isinstance(called, ast.Attribute) and called.attr in FILLS


def _filled(node: Any) -> set[str]:
    """TABLE of `TABLE.append(x)`, or of a decorator `@TABLE.append`, given something or not."""
    is_call = isinstance(node, ast.Call)
    nodes = [node] if is_call else getattr(node, "decorator_list", [])
    return {
        name
        for one in map(called_in, nodes)
        if isinstance(one, ast.Attribute) and (one.attr in FILLS or not is_call)
        for name in names_in(_root(one))
    }


def called_in(node: ast.expr) -> ast.expr:
    """The f of `f(x)`; another expression is itself, as a decorator is that is given nothing."""
    return node.func if isinstance(node, ast.Call) else node


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
    if not any(map(_may_call, running_in(statement))):
        return []
    if isinstance(statement, Function):
        return [ast.Return(one) for one in parts(statement)]
    return [_without_bodies(statement)]


def _may_call(node: ast.AST) -> bool:
    return isinstance(node, (ast.Call, ast.ClassDef)) or bool(getattr(node, "decorator_list", []))


def _without_bodies(statement: ast.stmt) -> Any:
    """A copy in which functions are empty."""
    found = copy_of(statement)
    for node in ast.walk(found):
        if isinstance(node, Function):
            node.body = []
    return found


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
    if isinstance(node, Function):
        return _parts_of_function(node)
    if isinstance(node, ast.Lambda):
        return defaults(node.args)
    if isinstance(node, Comprehension):
        return _parts_of_comprehension(node)
    return list(ast.iter_child_nodes(node))


def _parts_of_function(node: Function) -> list[Any]:
    notes = [one.annotation for one in parameters(node.args)] + [node.returns]
    return [*node.decorator_list, *defaults(node.args), *filter(None, notes)]


def _parts_of_comprehension(node: Comprehension) -> list[Any]:
    values = [getattr(node, name) for name in ("key", "value", "elt") if hasattr(node, name)]
    return values + [part for one in node.generators for part in (one.iter, *one.ifs)]


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


def defaults(arguments: ast.arguments) -> list[ast.expr]:
    return [one for one in (*arguments.defaults, *arguments.kw_defaults) if one]


def parameters(arguments: ast.arguments) -> list[ast.arg]:
    """All parameters of a function, `*args` and `**kwargs` last."""
    stars = [one for one in (arguments.vararg, arguments.kwarg) if one is not None]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *stars]
