"""What a definition means: a digest of its code in which every name is replaced by what the name stands for.

A definition is a name at the top of a module with the statements that bind or change it. Its shape is their syntax tree
without docstrings, where a name of our own became a reference to another definition and a foreign name is written in full
(`numpy.linspace`, however numpy was imported); names that are local to a function stay. Definitions and references are a
directed graph, possibly with circles. Two graphs have the same digest if they unfold to the same tree from their roots, so
that the digest depends on no module, file, alias, import style or order of definitions, nor on what the definitions are
called. Everything else counts: constants, operators, defaults, decorators, annotations, keywords, foreign functions.

The digest is found by partition refinement (Hopcroft 1971): a definition's label is the hash of its shape; then, again and
again, of its shape and the labels of what it refers to, until no class splits any more.
"""

import ast
import copy
import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

WHOLE = ""  # the name of a definition that stands for all of its module
_REFERENCE = "@"  # no name in a source is written so


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


@dataclasses.dataclass(frozen=True)
class Shape:
    """The code of a definition with its references taken out, and the references in the order of their places."""

    text: str
    references: tuple[Definition, ...]


@dataclasses.dataclass(frozen=True)
class Module:
    """The top of a module: where imported names come from, and the statements that bind or change each other name."""

    imports: dict[str, tuple[str, str | None]]
    definitions: dict[str, list[ast.stmt]]


class Library:
    """Modules of ours, read from their files; nothing is imported.

    `places` says where the top-level names that are ours lie: a package's folder, or the file of a single module.
    """

    def __init__(self, places: Mapping[str, Path]) -> None:
        self.places = {name: Path(place) for name, place in places.items()}
        self._modules: dict[str, Module | None] = {}
        self._shapes: dict[Definition, Shape] = {}

    def digest(self, module: str, names: Sequence[str]) -> str:
        """The meaning of some definitions of a module together, as 64 hexadecimal digits."""
        return _digest([self._named(self.resolve(module, name)) for name in names], self.shape)

    def closure(self, module: str, names: Sequence[str]) -> set[Definition]:
        """All definitions that the meaning of these depends on."""
        return set(_closure([self._named(self.resolve(module, name)) for name in names], self.shape))

    def shape(self, definition: Definition) -> Shape:
        if definition not in self._shapes:
            self._shapes[definition] = self._shape(definition)
        return self._shapes[definition]

    def module(self, dotted: str) -> Module | None:
        """One of our modules, read; None for what is not a module of ours."""
        if dotted not in self._modules:
            path = self.path(dotted)
            self._modules[dotted] = None if path is None else _read(path, self.package(dotted))
        return self._modules[dotted]

    def path(self, dotted: str) -> Path | None:
        """The file of a module of ours, the folder of a package without `__init__.py`; None for what is not ours."""
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

    def resolve(self, module: str, name: str) -> Definition | Foreign | Ours:
        """What a name at the top of a module of ours stands for."""
        read = self.module(module)
        assert read is not None, f"{module} is none of ours"
        if name in read.definitions:
            return Definition(module, name)
        if self.path(f"{module}.{name}") is not None:
            return Ours(f"{module}.{name}")
        if name in read.imports:
            return self.imported(*read.imports[name])
        return Foreign(f"builtins.{name}")

    def imported(self, source: str, name: str | None) -> Definition | Foreign | Ours:
        """What `import source` (no name) or `from source import name` brings."""
        if self.module(source) is None:
            return Foreign(source if name is None else f"{source}.{name}")
        return Ours(source) if name is None else self.resolve(source, name)

    def attribute(self, of: Foreign | Ours, name: str) -> Definition | Foreign | Ours:
        """What `of.name` stands for; a name that one of our modules gets while it runs stands for all of the module."""
        if isinstance(of, Foreign):
            return Foreign(f"{of.dotted}.{name}")
        found = self.resolve(of.dotted, name)
        return Definition(of.dotted, WHOLE) if isinstance(found, Foreign) and _is_builtin(found) else found

    def _named(self, found: Definition | Foreign | Ours) -> Definition:
        if isinstance(found, Foreign):
            raise LookupError(f"{found.dotted} is no definition of ours")
        return Definition(found.dotted, WHOLE) if isinstance(found, Ours) else found

    def _shape(self, definition: Definition) -> Shape:
        read = self.module(definition.module)
        assert read is not None
        if definition.name == WHOLE:
            names = sorted(read.definitions)
            return Shape(json.dumps(names), tuple(Definition(definition.module, name) for name in names))
        found = _Names(self, definition)
        statements = [found.visit(copy.deepcopy(one)) for one in read.definitions[definition.name]]
        return Shape(ast.dump(ast.Module(statements, [])), tuple(found.references))


# --- the digest of a graph


def _closure(roots: Sequence[Definition], shape: Callable[[Definition], Shape]) -> dict[Definition, Shape]:
    found: dict[Definition, Shape] = {}
    waiting = list(roots)
    while waiting:
        one = waiting.pop()
        if one not in found:
            found[one] = shape(one)
            waiting.extend(found[one].references)
    return found


def _digest(roots: Sequence[Definition], shape: Callable[[Definition], Shape]) -> str:
    shapes = _closure(roots, shape)
    labels = {one: _hash(found.text) for one, found in shapes.items()}
    while True:
        finer = {
            one: _hash(found.text, *(labels[other] for other in found.references))
            for one, found in shapes.items()
        }
        if len(set(finer.values())) == len(set(labels.values())):
            break
        labels = finer
    # Each pair ties a class to its shape and to the classes that it refers to: together they are the whole graph.
    pairs = sorted({(labels[one], finer[one]) for one in shapes})
    return _hash(json.dumps([[labels[root] for root in roots], pairs]))


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


# --- the top of a module


def _read(path: Path, package: str) -> Module:
    tree = ast.parse("" if path.is_dir() else path.read_text(encoding="utf-8"))
    _drop_docstrings(tree)
    imports: dict[str, tuple[str, str | None]] = {}
    statements: list[ast.stmt] = []
    for statement in tree.body:
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            imports.update(_imported(statement, package))
        else:
            statements.append(statement)
    owned = set().union(*(_bound(one) for one in statements))
    imports = {name: source for name, source in imports.items() if name not in owned}
    definitions: dict[str, list[ast.stmt]] = {name: [] for name in owned}
    for one in statements:
        # What touches no name of the module is there for its effect: it may change how any of them works.
        for name in (_bound(one) | _changed(one)) & owned or owned:
            definitions[name].append(one)
    return Module(imports, definitions)


def _drop_docstrings(tree: ast.AST) -> None:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            value = body[0].value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                body[:1] = [] if len(body) > 1 or isinstance(node, ast.Module) else [ast.Pass()]


def _imported(statement: ast.Import | ast.ImportFrom, base: str) -> dict[str, tuple[str, str | None]]:
    """Name -> (module, name in it or None) of an import statement; `base` is the package that dots count from."""
    if isinstance(statement, ast.Import):
        return {
            alias.asname or alias.name.partition(".")[0]: (alias.name if alias.asname else alias.name.partition(".")[0], None)
            for alias in statement.names
        }
    parents = base.split(".")[: len(base.split(".")) + 1 - statement.level] if statement.level else []
    source = ".".join([*parents, *([statement.module] if statement.module else [])])
    return {alias.asname or alias.name: (source, alias.name) for alias in statement.names}


def _bound(statement: ast.stmt) -> set[str]:
    """The names that a statement binds in the scope where it stands, blocks searched."""
    return set(_binds(statement))


def _binds(node: ast.AST) -> Iterator[str]:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield node.name
        return
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
        return
    if isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
        yield node.id
    elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
        yield node.name
    elif isinstance(node, ast.MatchMapping) and node.rest:
        yield node.rest
    if isinstance(node, (ast.Lambda, *_COMPREHENSIONS)):
        inner = (one for one in ast.walk(node) if isinstance(one, ast.NamedExpr))
        yield from (one.target.id for one in inner)  # := binds around a comprehension
        return
    for child in ast.iter_child_nodes(node):
        yield from _binds(child)


_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def _changed(statement: ast.stmt) -> set[str]:
    """The names that a statement may change without binding them: `TABLE[key] = 1`, or a bare call that is given them."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {name for one in statement.decorator_list for name in _registry(one)}
    if isinstance(statement, ast.Expr):
        return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
    stored = [one for one in ast.walk(statement) if isinstance(getattr(one, "ctx", None), (ast.Store, ast.Del))]
    found = {node.id for one in stored for node in ast.walk(one) if isinstance(node, ast.Name)}
    blocks = (one for one in ast.walk(statement) if isinstance(one, ast.Expr))
    return found.union(*(_changed(one) for one in blocks))


def _registry(decorator: ast.expr) -> Iterator[str]:
    """TABLE of a decorator `@TABLE.add` or `@TABLE.add(...)`, which may change the table."""
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    while isinstance(called, ast.Attribute):
        called = called.value
        if isinstance(called, ast.Name):
            yield called.id


# --- names


@dataclasses.dataclass(frozen=True)
class _Scope:
    """The names of a function, class or comprehension; `imports` are those that an import alone binds there."""

    names: frozenset[str]
    imports: dict[str, Any]
    is_class: bool = False


class _Names(ast.NodeTransformer):
    """Replaces the names in the statements of a definition, and notes its references in the order of their places."""

    def __init__(self, library: Library, definition: Definition) -> None:
        self.library = library
        self.definition = definition
        self.references: list[Definition] = []
        self.scopes: list[_Scope] = []

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if not isinstance(node.ctx, ast.Load) and self._is_top(node.id):
            return ast.Name(self._own(node.id), node.ctx)
        return self._written(self._found(node.id), node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        return self._written(self._chain(node), node) if isinstance(node.ctx, ast.Load) else self.generic_visit(node)

    def _chain(self, node: ast.expr) -> Any:
        """What `a.b.c` stands for where `a` is a module or foreign; else None."""
        if isinstance(node, ast.Name):
            return self._found(node.id)
        if not isinstance(node, ast.Attribute):
            return None
        of = self._chain(node.value)
        return self.library.attribute(of, node.attr) if isinstance(of, (Foreign, Ours)) and not _is_builtin(of) else None

    def _written(self, found: Any, node: Any) -> ast.AST:
        if isinstance(found, Foreign):
            return ast.Name(found.dotted, node.ctx)
        if isinstance(found, (Definition, Ours)):
            self.references.append(found if isinstance(found, Definition) else Definition(found.dotted, WHOLE))
            return ast.Name(_REFERENCE, node.ctx)
        return node if isinstance(node, ast.Name) else self.generic_visit(node)

    def _found(self, name: str) -> Any:
        """What a name stands for here; None where it is local."""
        for depth, scope in enumerate(reversed(self.scopes)):
            if scope.is_class and depth:  # a method does not see the names of its class
                continue
            if name in scope.imports:
                return scope.imports[name]
            if name in scope.names:
                return None
        return self.library.resolve(self.definition.module, name)

    def _is_top(self, name: str) -> bool:
        return not any(name in scope.names for scope in self.scopes)

    def _own(self, name: str) -> str:
        return "_self" if name == self.definition.name else "_other"

    def visit_Global(self, node: ast.Global) -> ast.AST:
        names = [self.visit(ast.Name(name, ast.Load())) for name in node.names]
        return ast.Expr(ast.Tuple(names, ast.Load()))

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> Any:
        """Gone where a function imports under a name of its own; an assignment where more than one thing binds the name."""
        found = self._imports(node)
        plain = self.scopes and all(name in self.scopes[-1].imports for name in found)
        if plain:
            return ast.Pass()
        values = [(name, self._written(target, ast.Name(name, ast.Load()))) for name, target in found.items()]
        targets = [self.visit(ast.Name(name, ast.Store())) for name, _ in values]
        return ast.Assign([ast.Tuple(targets, ast.Store())], ast.Tuple([value for _, value in values], ast.Load()))

    visit_ImportFrom = visit_Import

    def _imports(self, node: ast.Import | ast.ImportFrom) -> dict[str, Any]:
        found = _imported(node, self.library.package(self.definition.module))
        return {name: self.library.imported(*source) for name, source in found.items()}

    def _visit_function(self, node: Any) -> ast.AST:
        node.decorator_list = [self.visit(one) for one in node.decorator_list]
        self._visit_signature(node)
        node.name = self._own(node.name) if self._is_top(node.name) else node.name
        self._inside(node, self._scope(node.body, _parameters(node.args)))
        return node  # type: ignore[no-any-return]

    visit_FunctionDef = _visit_function
    visit_AsyncFunctionDef = _visit_function

    def _visit_signature(self, node: Any) -> None:
        arguments = node.args
        arguments.defaults = [self.visit(one) for one in arguments.defaults]
        arguments.kw_defaults = [one and self.visit(one) for one in arguments.kw_defaults]
        for one in _parameters(arguments):
            if one.annotation:
                one.annotation = self.visit(one.annotation)
        if getattr(node, "returns", None):
            node.returns = self.visit(node.returns)

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        self._visit_signature(node)
        self.scopes.append(self._scope([], _parameters(node.args)))
        node.body = self.visit(node.body)
        self.scopes.pop()
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.decorator_list = [self.visit(one) for one in node.decorator_list]
        node.bases = [self.visit(one) for one in node.bases]
        node.keywords = [self.visit(one) for one in node.keywords]
        node.name = self._own(node.name) if self._is_top(node.name) else node.name
        scope = self._scope(node.body, [])
        self._inside(node, dataclasses.replace(scope, is_class=True))
        return node

    def _inside(self, node: Any, scope: _Scope) -> None:
        self.scopes.append(scope)
        node.body = [self.visit(one) for one in node.body]
        self.scopes.pop()

    def _scope(self, body: Sequence[ast.stmt], parameters: Iterable[ast.arg]) -> _Scope:
        names = {one.arg for one in parameters}
        imports: dict[str, list[Any]] = {}
        for statement in _flat(body):
            if isinstance(statement, (ast.Import, ast.ImportFrom)):
                for name, target in self._imports(statement).items():
                    imports.setdefault(name, []).append(target)
            elif isinstance(statement, (ast.Global, ast.Nonlocal)):
                continue
            else:
                names |= set(_own_binds(statement))
        outside = {name for one in _flat(body) if isinstance(one, (ast.Global, ast.Nonlocal)) for name in one.names}
        plain = {name: found[0] for name, found in imports.items() if name not in names and len(set(found)) == 1}
        return _Scope(frozenset((names | set(imports)) - outside), plain)

    def _visit_comprehension(self, node: Any) -> ast.AST:
        first, *rest = node.generators
        first.iter = self.visit(first.iter)  # in the scope around
        names = {name for one in node.generators for name in _binds(one.target)}
        self.scopes.append(_Scope(frozenset(names), {}))
        for one in node.generators:
            one.target = self.visit(one.target)
            if one is not first:
                one.iter = self.visit(one.iter)
            one.ifs = [self.visit(test) for test in one.ifs]
        for part in ("key", "value", "elt"):
            if hasattr(node, part):
                setattr(node, part, self.visit(getattr(node, part)))
        self.scopes.pop()
        return node  # type: ignore[no-any-return]

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _visit_comprehension


def _is_builtin(found: Foreign | Ours) -> bool:
    return found.dotted.startswith("builtins.")


def _parameters(arguments: ast.arguments) -> list[ast.arg]:
    stars = [one for one in (arguments.vararg, arguments.kwarg) if one is not None]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *stars]


def _flat(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a scope with those of its blocks, but not those of functions and classes inside."""
    for statement in body:
        yield statement
        if not isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            inner = [node for node in _blocks(statement)]
            yield from _flat(inner)


def _blocks(statement: ast.stmt) -> Iterator[ast.stmt]:
    for child in ast.iter_child_nodes(statement):
        if isinstance(child, ast.stmt):
            yield child
        elif isinstance(child, (ast.ExceptHandler, ast.match_case)):
            yield from child.body


def _own_binds(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement binds itself, without what the statements in its blocks bind."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield statement.name
        return
    for child in ast.iter_child_nodes(statement):
        if isinstance(child, ast.ExceptHandler):
            yield from [child.name] if child.name else []
        elif isinstance(child, ast.match_case):
            yield from _binds(child.pattern)
        elif not isinstance(child, ast.stmt):
            yield from _binds(child)
