"""What a definition means: a digest of its code in which every name became what it stands for.

A definition is a name at the top of a module with the statements that bind or change it. Its shape
is their syntax tree, where a name of our own became a reference to another definition and a foreign
name is written in full (`numpy.linspace`, however numpy was imported); docstrings are gone, and
names that are local to a function stay. Definitions and references are a directed graph, possibly
with circles. Two graphs have the same digest if they unfold to the same tree from their roots, so
that the digest depends on no module, file, alias, import style or order of definitions, nor on what
the definitions are called. Everything else counts: constants, operators, defaults, decorators,
annotations, keywords, foreign functions.

Two things need more than the tree. Where two definitions are equal but are objects that can be told
apart or changed (classes, generators, tables that something fills), it matters which of them is
meant: these are numbered in the order in which the roots reach them. And a statement at the top of
any module that gets imported may change how the rest works (`numpy.seterr(...)`, `nets.WIDTH = 5`,
a decorator that registers): such effects count beside the roots.

The digest is found by partition refinement (Hopcroft 1971): a definition's label is the hash of its
shape; then, again and again, of its shape and the labels of what it refers to, until no class
splits any more.

Not seen: what `__name__` and `__qualname__` say, files and environment read at run time, in which
order modules are imported, and what foreign calls in a bound value (`X = numpy.random.rand()`) change
elsewhere. Code that cannot be followed by reading it is refused (`Unclear`).
"""

import ast
import collections
import dataclasses
import hashlib
import json
import pickle
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

WHOLE = ""  # the name of a definition that stands for all of its module
EFFECTS = "!"  # and of one for the statements that change something outside of their module
_REFERENCE, _SELF, _OTHER = "@", "@self", "@other"  # no name in a source is written so

_LOADERS = {"importlib.import_module", "builtins.__import__"}
_DYNAMIC = {"builtins.globals", "builtins.eval", "builtins.exec"}  # may use any name of the module
_REFUSED = {"sys.modules", "builtins.__doc__"}
_REFUSED_ATTRIBUTES = {"__doc__", "__subclasses__"}
_SETTERS = {"builtins.setattr", "builtins.delattr"}
# Methods that change what they are called on and nothing else.
_FILLS = {
    "add", "append", "clear", "discard", "extend", "insert", "pop", "remove", "reverse", "setdefault", "sort", "update",
}  # fmt: skip

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_Import = ast.Import | ast.ImportFrom
_Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
_Source = tuple[str, str | None]  # of an imported name: the module, and the name in it if there is one


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
    """The code of a definition with its references taken out, and these in the order of their places.

    `alike`: two equal ones are as good as one, unless something changes them. `changes`: what its
    functions may change at the top of modules. `loads`: modules that its functions import.
    """

    text: str
    references: tuple[Definition, ...]
    alike: bool = True
    changes: frozenset[Any] = frozenset()
    loads: frozenset[str] = frozenset()


@dataclasses.dataclass(frozen=True)
class Module:
    """The top of a module: where imported names come from, and what binds or changes each other name.

    `statements` are all, each with whether it is known to change something outside of the module;
    `loads` are names in full of which some are modules that it imports; `star` is a `from ... import *`.
    """

    imports: dict[str, _Source]
    definitions: dict[str, list[ast.stmt]]
    statements: list[tuple[ast.stmt, bool]]
    loads: frozenset[str]
    star: str


class Library:
    """Modules of ours, read from their files; nothing is imported.

    `places` says where the top-level names that are ours lie: a package's folder, or the file of a
    single module. The effects of the modules in `settled` do not count.
    """

    def __init__(self, places: Mapping[str, Path], settled: Collection[str] = ()) -> None:
        self.places = {name: Path(place) for name, place in places.items()}
        self.settled = frozenset(settled)
        self._sought: set[_Source] = set()
        self._paths: dict[str, Path | None] = {}
        self._modules: dict[str, Module | None] = {}
        self._shapes: dict[Definition, Shape] = {}
        self._effects: dict[str, list[ast.stmt]] = {}

    def digest(self, module: str, names: Sequence[str]) -> str:
        """The meaning of some definitions of a module together, as 64 hexadecimal digits."""
        roots = self._roots(module, names)
        return _digest(roots, self._effects_around(roots), self.shape)

    def closure(self, module: str, names: Sequence[str]) -> set[Definition]:
        """All definitions that the meaning of these depends on."""
        roots = self._roots(module, names)
        return set(_closure([*roots, *self._effects_around(roots)], self.shape))

    def shape(self, definition: Definition) -> Shape:
        if definition not in self._shapes:
            self._shapes[definition] = self._shape(definition)
        return self._shapes[definition]

    def module(self, dotted: str) -> Module | None:
        """One of our modules, read; None for what is not a module of ours."""
        if dotted not in self._modules:
            path = self.path(dotted)
            self._modules[dotted] = None if path is None else read(path, self.package(dotted), dotted in self.settled)
        return self._modules[dotted]

    def path(self, dotted: str) -> Path | None:
        """The file of a module, the folder of a package without `__init__.py`; None if not ours."""
        if dotted not in self._paths:
            self._paths[dotted] = self._path(dotted)
        return self._paths[dotted]

    def _path(self, dotted: str) -> Path | None:
        first, *rest = dotted.split(".")
        if first not in self.places:
            return None
        place = self.places[first].joinpath(*rest)
        found = (place / "__init__.py", place.with_name(f"{place.name}.py"), place)
        return next((path for path in found if path.is_file()), place if place.is_dir() else None)

    def package(self, dotted: str) -> str:
        """The package that dots of a relative import in a module count from."""
        path = self.path(dotted)
        is_package = path is not None and (path.is_dir() or path.name == "__init__.py")
        return dotted if is_package else dotted.rpartition(".")[0]

    # --- names

    def resolve(self, module: str, name: str) -> Found:
        """What a name stands for in the code of a module of ours where it is not local."""
        return self.member(module, name) or Foreign(f"builtins.{name}")

    def member(self, module: str, name: str) -> Found | None:
        """What `module.name` stands for; None where the text of the module does not say."""
        found = self._readable(module)
        source, inner = found.imports.get(name), f"{module}.{name}"
        if self.path(inner) is not None:
            same = source in {(module, name), (inner, None), (inner, name)}
            if not same and (source or name in found.definitions):
                raise Unclear(f"{inner}: got a module and another thing of that name, allowed one of them")
            if source != (inner, name):
                return Ours(inner)
        if name in found.definitions:
            return Definition(module, name)
        return self.imported(*source) if source else None

    def imported(self, source: str, name: str | None) -> Found:
        """What `import source` (no name) or `from source import name` brings."""
        found = self.module(source)
        if found is None:
            return Foreign(source if name is None else f"{source}.{name}")
        if name is None:
            return Ours(source)
        if (source, name) in self._sought:
            raise Unclear(f"{source}.{name}: got imports in a circle, allowed a definition at their end")
        self._sought.add((source, name))
        try:
            member = self.member(source, name)
        finally:
            self._sought.remove((source, name))
        if member is None and "__getattr__" in found.definitions:
            raise Unclear(f"{source}.{name}: got a name that `__getattr__` makes, allowed one in the text")
        return member or Foreign(f"{source}.{name}")

    def attribute(self, of: Foreign | Ours, name: str) -> Found | None:
        """What `of.name` stands for; None for a name that one of our modules gets while it runs."""
        return Foreign(f"{of.dotted}.{name}") if isinstance(of, Foreign) else self.member(of.dotted, name)

    def _roots(self, module: str, names: Sequence[str]) -> list[Definition]:
        found = [(name, self.resolve(module, name)) for name in names]
        if foreign := [name for name, one in found if isinstance(one, Foreign)]:
            raise Unclear(f"{module}: got no {' and no '.join(foreign)}, allowed a module that defines it")
        return [_definition(one) for _, one in found if not isinstance(one, Foreign)]

    def _readable(self, module: str) -> Module:
        found = self.module(module)
        assert found is not None, f"{module} is none of ours"
        if found.star:
            raise Unclear(f"{module}: got `{found.star}`, allowed an import of names")
        return found

    # --- shapes

    def _shape(self, definition: Definition) -> Shape:
        found = self._readable(definition.module)
        if definition.name == WHOLE:
            return self._whole(definition.module, found)
        if definition.name == EFFECTS:
            statements = self.effects(definition.module)
        else:
            statements = found.definitions[definition.name]
        names = _Names(self, definition)
        alike = len(statements) == 1 and names.is_alike(statements[0])
        return names.shape(statements, alike)

    def _whole(self, module: str, found: Module) -> Shape:
        names = sorted({*found.definitions, *found.imports, *self._inner(module)})
        stands = [self.resolve(module, name) for name in names]
        told = [one.dotted if isinstance(one, Foreign) else _REFERENCE for one in stands]
        references = [_definition(one) for one in stands if not isinstance(one, Foreign)]
        return Shape(json.dumps([names, told]), tuple(references))

    def _inner(self, module: str) -> Iterator[str]:
        """The modules in a package."""
        path = self.path(module)
        assert path is not None
        if path.is_dir() or path.name == "__init__.py":
            folder = path if path.is_dir() else path.parent
            names = {one.stem for one in folder.iterdir() if one.suffix == ".py" or one.is_dir()}
            yield from (name for name in names - {"__init__"} if name.isidentifier() and name != "__pycache__")

    # --- effects

    def _effects_around(self, roots: Sequence[Definition]) -> list[Definition]:
        """The effects of all modules that are imported where the roots are used."""
        found: list[Definition] = []
        while True:
            shapes = _closure([*roots, *found], self.shape)
            modules = {one.module for one in shapes}.union(*(shape.loads for shape in shapes.values()))
            effects = [Definition(one, EFFECTS) for one in sorted(self._loaded(modules)) if self.effects(one)]
            if not (more := [one for one in effects if one not in found]):
                return found
            found += more

    def _loaded(self, modules: Iterable[str]) -> set[str]:
        """These modules of ours and all that they import, with the packages around."""
        found: set[str] = set()
        waiting = list(modules)
        while waiting:
            dotted = waiting.pop()
            if dotted not in found and (one := self.module(dotted)) is not None:
                found.add(dotted)
                waiting += [*one.loads, dotted.rpartition(".")[0]]
        return found

    def effects(self, module: str) -> list[ast.stmt]:
        """The statements at the top of a module that may change something outside of it."""
        if module not in self._effects:
            found = self.module(module)
            statements = [] if found is None or module in self.settled else found.statements
            self._effects[module] = [one for one, known in statements if known or self._has_effect(module, one)]
        return self._effects[module]

    def _has_effect(self, module: str, statement: ast.stmt) -> bool:
        """Does it run code of ours that changes the top of a module, as a decorator that registers?"""
        run = _run_at_import(statement)
        if not run:
            return False
        try:
            names = _Names(self, Definition(module, EFFECTS), everywhere=True)
            if any(names.registers(one) for one in getattr(statement, "decorator_list", [])):
                return True
            found = names.shape(run)
            if any(isinstance(one, Definition) and one.module != module for one in found.changes):
                return True
            return any(shape.changes for shape in _closure(found.references, self.shape).values())
        except Unclear:  # of code that may have nothing to do with what is asked for
            return False


def _definition(found: Definition | Ours) -> Definition:
    return Definition(found.dotted, WHOLE) if isinstance(found, Ours) else found


# --- the digest of a graph


def _closure(roots: Sequence[Definition], shape: Callable[[Definition], Shape]) -> dict[Definition, Shape]:
    """What the roots reach, nearest first: an order that equal graphs share."""
    found: dict[Definition, Shape] = {}
    waiting = collections.deque(roots)
    while waiting:
        one = waiting.popleft()
        if one not in found:
            found[one] = shape(one)
            waiting.extend(found[one].references)
    return found


def _digest(roots: Sequence[Definition], effects: Sequence[Definition], shape: Callable[[Definition], Shape]) -> str:
    shapes = _closure([*roots, *effects], shape)
    texts = _texts(shapes)
    labels = texts
    while True:
        finer = {one: _hash(texts[one], *(labels[other] for other in found.references)) for one, found in shapes.items()}
        if len(set(finer.values())) == len(set(labels.values())):
            break
        labels = finer
    # Each pair ties a class to its shape and the classes that it refers to: the whole graph.
    pairs = sorted({(labels[one], finer[one]) for one in shapes})
    starts = [[labels[one] for one in roots], sorted(labels[one] for one in effects)]
    return _hash(json.dumps([starts, pairs]))


def _texts(shapes: Mapping[Definition, Shape]) -> dict[Definition, str]:
    """Hashes of the texts, with a number where it matters which of two equal definitions is meant."""
    changed = frozenset[Any]().union(*(found.changes for found in shapes.values()))
    special = [one for one, found in shapes.items() if one in changed or not found.alike]
    numbers = {one: str(number) for number, one in enumerate(special)}
    return {one: _hash(found.text, numbers.get(one, "")) for one, found in shapes.items()}


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


# --- the top of a module


def read(path: Path, package: str, settled: bool = False) -> Module:
    """A module from its file; where it is settled its effects are left out."""
    tree = ast.parse(b"" if path.is_dir() else path.read_bytes())
    statements = [part for one in tree.body if not _is_idle(one) for part in _one_by_one(one)]
    running = [list(_running(one)) for one in statements]
    bound = [_bound(one) for one in statements]
    sources: dict[str, set[_Source]] = {}
    owned: set[str] = set()  # names that anything but one import binds
    for one, names in zip(statements, bound, strict=True):
        if not isinstance(one, _Import):
            owned |= names
            continue
        for name, source in _imported(one, package).items():
            sources.setdefault(name, set()).add(source)
            owned |= {name} if len(sources[name]) > 1 else set()
    touched = [_touched(*of_one, owned) for of_one in zip(statements, running, bound, strict=True)]
    nodes = [node for of_one in running for node in of_one]
    return Module(
        {name: source for name, (source, *_) in sources.items() if name not in owned},
        _definitions(statements, running, touched, settled, owned),
        [(one, effect) for one, (_, effect) in zip(statements, touched, strict=True) if not settled],
        frozenset(name for node in nodes for name in _loads(node, package)),
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
    """Marks for names that a statement uses between two changes: how often they were changed before."""
    halfway = [name for name, at in places.items() if at[0] < place < at[-1] and place not in at]
    if not halfway:
        return []
    used: set[str] = set()
    waiting = {node.id for node in running if isinstance(node, ast.Name)}
    while waiting:
        used |= waiting
        waiting = {one for name in waiting for at in places.get(name, ()) for one in _names(statements[at])} - used
    seen = sorted((places[name], name) for name in halfway if name in used)
    marks = [(name, sum(one < place for one in at)) for at, name in seen]
    return [ast.Expr(ast.Tuple([ast.Name(name, ast.Load()), ast.Constant(n)], ast.Load())) for name, n in marks]


def _is_idle(statement: ast.stmt) -> bool:
    constant = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return constant or isinstance(statement, ast.Pass)


def _is_for_scripts(statement: ast.stmt) -> bool:
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
        return [ast.ImportFrom(statement.module, [alias], statement.level) for alias in statement.names]
    return [statement]


def _imported(statement: _Import, package: str) -> dict[str, _Source]:
    """Name -> source of an import statement; `package` is what dots count from."""
    if isinstance(statement, ast.Import):
        named = ((one.asname, one.name) if one.asname else (one.name.partition(".")[0],) * 2 for one in statement.names)
        return {name: (module, None) for name, module in named}
    source = _absolute(statement, package)
    return {one.asname or one.name: (source, one.name) for one in statement.names}


def _absolute(statement: ast.ImportFrom, package: str) -> str:
    parents = package.split(".")
    parents = parents[: len(parents) + 1 - statement.level] if statement.level else []
    return ".".join([*parents, *([statement.module] if statement.module else [])])


def _loads(node: ast.AST, package: str) -> list[str]:
    """Names in full of which some are modules that an import brings."""
    if isinstance(node, ast.ImportFrom):
        source = _absolute(node, package)
        return [source, *(f"{source}.{alias.name}" for alias in node.names)]
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []


def _bound(statement: ast.stmt) -> set[str]:
    """The names of the module that a statement at its top binds; `_` is for what nobody wants."""
    inside = (node for node in ast.walk(statement) if isinstance(node, ast.Global))
    names = {name for node in _here(statement) for name in _binds(node)}
    return names.union(*(node.names for node in inside)) - {"_"}


def _touched(
    statement: ast.stmt, running: Sequence[ast.AST], bound: Collection[str], owned: Collection[str]
) -> tuple[frozenset[str], bool]:
    """The names of its module that a statement binds or changes, and has it any other effect?"""
    if isinstance(statement, _Import) or _is_for_scripts(statement):
        return frozenset(bound) & set(owned), False
    classes = [node for node in running if isinstance(node, ast.ClassDef)]
    local = {name for node in classes for one in node.body for name in _bound(one)}
    changed = {name for node in running for name in _changed(node)} - local
    called = any(isinstance(node, ast.Expr) and not _is_idle(node) and not _is_filling(node) for node in running)
    filled = {name for node in running for name in _filled(node)}
    names = frozenset(bound).union(changed, filled) & set(owned)
    return names, called or not changed <= set(owned) or not names


def _changed(node: ast.AST) -> set[str]:
    """The names that a node may change without binding them: `TABLE[key] = 1`, `fill(TABLE)`."""
    if isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
        return _names(_root(node))
    if isinstance(node, ast.Expr) and _is_filling(node):
        return _names(_root(node.value.func))  # type: ignore[attr-defined]
    return _names(node) if isinstance(node, ast.Expr) else set()


def _is_filling(node: ast.Expr) -> bool:
    """Is it like `TABLE.append(1)`?"""
    called = node.value.func if isinstance(node.value, ast.Call) else None
    return isinstance(called, ast.Attribute) and called.attr in _FILLS


def _filled(node: Any) -> set[str]:
    """TABLE of `TABLE.append(x)`, or of a decorator `@TABLE.append`, with what it is given or without."""
    calls = [node] if isinstance(node, ast.Call) else getattr(node, "decorator_list", [])
    called = [one.func if isinstance(one, ast.Call) else one for one in calls]
    return {
        name
        for one in called
        if isinstance(one, ast.Attribute) and (one.attr in _FILLS or not isinstance(node, ast.Call))
        for name in _names(_root(one))
    }


def _copy(tree: Any) -> Any:
    return pickle.loads(pickle.dumps(tree))  # five times as fast as copy.deepcopy


def _root(node: ast.expr) -> ast.expr:
    """The a of `a.b[c].d`."""
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node


def _names(node: ast.AST) -> set[str]:
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}


def _run_at_import(statement: ast.stmt) -> list[ast.stmt]:
    """What of a statement at the top may call code of ours when the module is imported."""
    if isinstance(statement, _Import) or _is_for_scripts(statement):
        return []
    if not any(isinstance(one, (ast.Call, ast.ClassDef)) or getattr(one, "decorator_list", []) for one in _running(statement)):
        return []
    if isinstance(statement, _Function):
        return [ast.Return(one) for one in _parts(statement)]
    found = _copy(statement)
    for node in ast.walk(found):
        if isinstance(node, _Function):
            node.body = []
    return [found]


# --- scopes


def _here(node: ast.AST) -> Iterator[ast.AST]:
    """A node and those inside it that belong to the same scope."""
    yield node
    for part in _parts(node):
        yield from _here(part)


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """A node and those inside it that run with it: all but the insides of functions."""
    yield node
    body = node.body if isinstance(node, ast.ClassDef) else []
    for part in [*_parts(node), *body]:
        yield from _running(part)


def _parts(node: ast.AST) -> list[Any]:
    """The children of a node that belong to its scope."""
    if isinstance(node, ast.ClassDef):
        return [*node.decorator_list, *node.bases, *node.keywords]
    if isinstance(node, (_Function, ast.Lambda)):
        defaults = [one for one in (*node.args.defaults, *node.args.kw_defaults) if one]
        if isinstance(node, ast.Lambda):
            return defaults
        notes = [one.annotation for one in _parameters(node.args)] + [node.returns]
        return [*node.decorator_list, *defaults, *(one for one in notes if one)]
    if isinstance(node, _Comprehension):
        values = [getattr(node, name) for name in ("key", "value", "elt") if hasattr(node, name)]
        return values + [part for one in node.generators for part in (one.iter, *one.ifs)]
    return list(ast.iter_child_nodes(node))


def _binds(node: Any) -> Iterable[str]:
    """The names that a node binds itself."""
    if isinstance(node, (_Function, ast.ClassDef)):
        return [node.name]
    if isinstance(node, _Import):
        return [alias.asname or alias.name.partition(".")[0] for alias in node.names]
    if isinstance(node, ast.Name):
        return [] if isinstance(node.ctx, ast.Load) else [node.id]
    if isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)):
        return [node.name] if node.name else []
    return [node.rest] if isinstance(node, ast.MatchMapping) and node.rest else []


def _parameters(arguments: ast.arguments) -> list[ast.arg]:
    stars = [one for one in (arguments.vararg, arguments.kwarg) if one is not None]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *stars]


@dataclasses.dataclass(frozen=True)
class _Scope:
    """The names of a function, class or comprehension; `imports`: those that one import alone binds."""

    names: frozenset[str]
    imports: Mapping[str, Found] = dataclasses.field(default_factory=dict)
    globals: frozenset[str] = frozenset()
    is_class: bool = False


# --- the shape of a definition


class _Names(ast.NodeTransformer):
    """Replaces the names in the statements of a definition, and notes its references in order."""

    def __init__(self, library: Library, definition: Definition, everywhere: bool = False) -> None:
        self.library = library
        self.definition = definition
        self.everywhere = everywhere  # are changes noted outside of functions, too?
        self.package = library.package(definition.module)
        self.references: list[Definition] = []
        self.changes: set[Any] = set()
        self.loads: set[str] = set()
        self.scopes: list[_Scope] = []

    def shape(self, statements: Sequence[ast.stmt], alike: bool = True) -> Shape:
        found = ast.Module(self._all(_copy(statements)), [])
        return Shape(ast.dump(found), tuple(self.references), alike, frozenset(self.changes), frozenset(self.loads))

    def _all(self, statements: Sequence[ast.stmt]) -> list[Any]:
        return [found for one in statements if (found := self.visit(one)) is not None]

    # what names stand for

    def _found(self, name: str, leave_out: int = 0) -> Found | None:
        """What a name stands for here, some of the innermost scopes left out; None where it is local."""
        for depth, scope in enumerate(self.scopes[::-1][leave_out:], leave_out):
            if scope.is_class and depth:  # a method does not see the names of its class
                continue
            if name in scope.globals:
                break
            if name in scope.imports:
                return scope.imports[name]
            if name in scope.names:
                return None
        return self.library.resolve(self.definition.module, name)

    def _chain(self, node: ast.expr) -> Found | None:
        """What `a.b.c` stands for where `a` is a module or foreign; else None."""
        if isinstance(node, ast.Name):
            return self._found(node.id)
        if not isinstance(node, ast.Attribute):
            return None
        of = self._chain(node.value)
        return None if of is None or isinstance(of, Definition) or _is_builtin(of) else self.library.attribute(of, node.attr)

    def _written(self, found: Found, context: ast.expr_context) -> ast.expr:
        if not isinstance(found, Foreign):
            return self._referred(_definition(found), context)
        if found.dotted in _DYNAMIC:
            whole = self._referred(Definition(self.definition.module, WHOLE), context)
            return ast.Attribute(whole, found.dotted, context)
        if found.dotted in _REFUSED | _LOADERS:
            self._refuse(found.dotted.removeprefix("builtins."))
        return ast.Name(found.dotted, context)

    def _referred(self, definition: Definition, context: ast.expr_context) -> ast.expr:
        self.references.append(definition)
        return ast.Name(_REFERENCE, context)

    def _refuse(self, got: str) -> None:
        where = f"{self.definition.module}.{self.definition.name}".removesuffix(f".{EFFECTS}")
        raise Unclear(f"{where}: got {got}, allowed code that says by name what it uses")

    def _stored(self, name: str) -> str:
        """How a name is written where it is bound."""
        found = self._found(name)
        if found is None:
            return name
        if self.scopes:  # by `global`
            self.references += [found] if isinstance(found, Definition) else []
            return _REFERENCE
        return _SELF if name == self.definition.name else _OTHER

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if not isinstance(node.ctx, ast.Load):
            return ast.Name(self._stored(node.id), node.ctx)
        found = self._found(node.id)
        if found is not None:
            return self._written(found, node.ctx)
        around = self._found(node.id, 1) if self.scopes[-1].is_class else None
        if around is None or (isinstance(around, Foreign) and _is_builtin(around)):
            return node
        # A class reads a name of its own from around where it has not bound it yet.
        return ast.Attribute(self._written(around, node.ctx), _REFERENCE + node.id, node.ctx)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if not isinstance(node.ctx, ast.Load):
            self._note_change(node.value)
            return self.generic_visit(node)
        if node.attr in _REFUSED_ATTRIBUTES:
            self._refuse(node.attr)
        found = self._chain(node)
        return self.generic_visit(node) if found is None else self._written(found, node.ctx)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        if not isinstance(node.ctx, ast.Load):
            self._note_change(node.value)
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Attribute) and node.func.attr in _FILLS:
            self._note_change(node.func.value, stored=False)
        found = self._chain(node.func)
        dotted = found.dotted if isinstance(found, Foreign) else ""
        if dotted in _SETTERS and node.args:
            self._note_change(node.args[0])
        if dotted not in _LOADERS:
            return self.generic_visit(node)
        name = node.args[0].value if len(node.args) == 1 and isinstance(node.args[0], ast.Constant) else None
        if not isinstance(name, str) or name.startswith("."):
            self._refuse(f"{dotted.removeprefix('builtins.')} of a name that is not written out")
        self.loads.add(str(name))
        return self._written(self.library.imported(str(name), None), ast.Load())

    # what functions change

    def _note_change(self, node: ast.expr, stored: bool = True) -> None:
        """In a function: something is stored in a part of this, or a method of it is called."""
        if not self.everywhere and all(scope.is_class for scope in self.scopes):
            return
        while (found := self._chain(node)) is None and isinstance(node, (ast.Attribute, ast.Subscript)):
            node = node.value
        if isinstance(found, Definition) or (stored and found is not None):
            self.changes.add(found)

    def visit_Expr(self, node: ast.Expr) -> Any:
        if _is_idle(node):
            return None
        if isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute):
            self._note_change(node.value.func.value, stored=False)
        return self.generic_visit(node)

    def visit_Pass(self, node: ast.Pass) -> None:
        return None

    def visit_Global(self, node: ast.Global) -> ast.AST:
        self.changes.update(self._found(name) for name in node.names)
        names = [self.visit(ast.Name(name, ast.Load())) for name in node.names]
        return ast.Expr(ast.Tuple(names, ast.Load()))

    # scopes

    def visit_Import(self, node: _Import) -> Any:
        """Gone where a function imports a name of its own; an assignment where more binds the name."""
        self.loads.update(_loads(node, self.package))
        found = self._imports(node)
        if self.scopes and all(name in self.scopes[-1].imports for name in found):
            return None
        values = [self._written(target, ast.Load()) for target in found.values()]
        targets: list[ast.expr] = [ast.Name(self._stored(name), ast.Store()) for name in found]
        return ast.Assign([ast.Tuple(targets, ast.Store())], ast.Tuple(values, ast.Load()))

    visit_ImportFrom = visit_Import

    def _imports(self, node: _Import) -> dict[str, Found]:
        sources = _imported(node, self.package)
        return {name: self.library.imported(*source) for name, source in sources.items()}

    def visit_ExceptHandler(self, node: Any) -> ast.AST:
        node.name = node.name and self._stored(node.name)
        return self.generic_visit(node)

    visit_MatchAs = visit_MatchStar = visit_ExceptHandler

    def _visit_function(self, node: Any) -> Any:
        node.decorator_list = [self.visit(one) for one in node.decorator_list]
        self._visit_signature(node)
        if node.name == "__init_subclass__":  # runs wherever a class is made of this one
            self.changes.add(node.name)
        node.name = self._stored(node.name)
        self._inside(node, self._scope(node.body, _parameters(node.args)))
        return node

    visit_FunctionDef = _visit_function
    visit_AsyncFunctionDef = _visit_function

    def _visit_signature(self, node: Any) -> None:
        arguments = node.args
        arguments.defaults = [self.visit(one) for one in arguments.defaults]
        arguments.kw_defaults = [one and self.visit(one) for one in arguments.kw_defaults]
        for one in _parameters(arguments):
            if one.annotation:
                one.annotation = self.visit(_unquoted(one.annotation))
        if getattr(node, "returns", None):
            node.returns = self.visit(_unquoted(node.returns))

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = _unquoted(node.annotation)
        return self.generic_visit(node)

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        self._visit_signature(node)
        self.scopes.append(self._scope([node.body], _parameters(node.args)))
        node.body = self.visit(node.body)
        self.scopes.pop()
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.decorator_list = [self.visit(one) for one in node.decorator_list]
        node.bases = [self.visit(one) for one in node.bases]
        node.keywords = [self.visit(one) for one in node.keywords]
        if any(one.arg == "metaclass" for one in node.keywords):
            self.changes.add("metaclass")  # runs wherever a class is made of this one
        node.name = self._stored(node.name)
        # An import in a class makes an attribute, as an assignment does.
        self._inside(node, dataclasses.replace(self._scope(node.body), imports={}, is_class=True))
        return node

    def _inside(self, node: Any, scope: _Scope) -> None:
        self.scopes.append(scope)
        node.body = self._all(node.body)
        self.scopes.pop()

    def _scope(self, body: Sequence[ast.AST], parameters: Iterable[ast.arg] = ()) -> _Scope:
        names = {one.arg for one in parameters}
        imports: dict[str, set[Found]] = {}
        elsewhere: dict[type, set[str]] = {ast.Global: set(), ast.Nonlocal: set()}
        for node in (node for one in body for node in _here(one)):
            if isinstance(node, _Import):
                for name, target in self._imports(node).items():
                    imports.setdefault(name, set()).add(target)
            elif isinstance(node, (ast.Global, ast.Nonlocal)):
                elsewhere[type(node)].update(node.names)
            else:
                names.update(_binds(node))
        outside = elsewhere[ast.Global] | elsewhere[ast.Nonlocal]
        plain = {name: target for name, (target, *more) in imports.items() if not more and name not in names | outside}
        return _Scope(frozenset((names | set(imports)) - outside), plain, frozenset(elsewhere[ast.Global]))

    def _visit_comprehension(self, node: Any) -> Any:
        first, *_ = node.generators
        first.iter = self.visit(first.iter)  # in the scope around
        names = {name for one in node.generators for part in _here(one.target) for name in _binds(part)}
        self.scopes.append(_Scope(frozenset(names)))
        for one in node.generators:
            one.target = self.visit(one.target)
            if one is not first:
                one.iter = self.visit(one.iter)
            one.ifs = [self.visit(test) for test in one.ifs]
        for part in ("key", "value", "elt"):
            if hasattr(node, part):
                setattr(node, part, self.visit(getattr(node, part)))
        self.scopes.pop()
        return node

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _visit_comprehension

    # whether two equal definitions are as good as one

    def is_alike(self, statement: ast.stmt) -> bool:
        """Functions and values are; what is made anew, as a class or a list, is another each time."""
        if isinstance(statement, _Function):
            defaults = [one for one in (*statement.args.defaults, *statement.args.kw_defaults) if one]
            return all(map(self._is_compiler, statement.decorator_list)) and all(map(self._is_value, defaults))
        if isinstance(statement, (ast.Assign, ast.AnnAssign)):
            return statement.value is not None and self._is_value(statement.value)
        return isinstance(statement, _Import)

    def _is_value(self, node: ast.expr) -> bool:
        return all(isinstance(one, _VALUES) or (isinstance(one, ast.Call) and self._is_plain(one)) for one in ast.walk(node))

    def _is_plain(self, call: ast.Call) -> bool:
        found = self._chain(call.func)
        return isinstance(found, Foreign) and (found.dotted in _PLAIN_CALLS or found.dotted.startswith(("numba.", "math.")))

    def _is_compiler(self, decorator: ast.expr) -> bool:
        """Is it `numba.njit`, called or not, or a name of ours for that?"""
        found = self._chain(decorator.func if isinstance(decorator, ast.Call) else decorator)
        if not isinstance(found, Definition):
            return isinstance(found, Foreign) and found.dotted.startswith("numba.")
        statements = self.library._readable(found.module).definitions[found.name]
        if len(statements) != 1 or not isinstance(statements[0], ast.Assign) or found == self.definition:
            return False
        value = statements[0].value
        return isinstance(value, ast.Call) and _Names(self.library, found)._is_compiler(value)

    def registers(self, decorator: ast.expr) -> bool:
        """May it note what it decorates: a method of an object of ours, or a foreign register?"""
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        if isinstance(called, ast.Attribute) and isinstance(self._chain(called.value), Definition):
            return True
        found = self._chain(called)
        dotted = found.dotted if isinstance(found, Foreign) else ""
        return dotted.endswith(".register") or dotted.startswith("numba.extending.overload")


_VALUES = (
    ast.Constant, ast.Name, ast.Attribute, ast.Subscript, ast.Tuple, ast.Set, ast.UnaryOp,
    ast.BinOp, ast.unaryop, ast.operator, ast.keyword, ast.expr_context,
)  # fmt: skip
_PLAIN_CALLS = {"numpy.finfo"}.union(
    f"builtins.{name}" for name in ("bool", "float", "frozenset", "int", "range", "str", "tuple")
)


def _is_builtin(found: Foreign | Ours) -> bool:
    return found.dotted.startswith("builtins.")


def _unquoted(annotation: ast.expr) -> ast.expr:
    """The expression that an annotation in quotes stands for."""
    if not isinstance(annotation, ast.Constant) or not isinstance(annotation.value, str):
        return annotation
    try:
        return ast.parse(annotation.value, mode="eval").body
    except (SyntaxError, ValueError):
        return annotation
