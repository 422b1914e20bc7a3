"""The shape of a definition: its statements, where every name became what it stands for (see
`meaning`).
"""

import ast
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from simplicity.grid.definitions import (
    DECLARED,
    EFFECTS,
    OTHER,
    REFERENCE,
    SELF,
    WHOLE,
    Definition,
    Foreign,
    Found,
    Reader,
    Shape,
    Unclear,
    definition_of,
    dotted,
    is_builtin,
)
from simplicity.grid.statements import (
    FILLS,
    Import,
    binds,
    copy_of,
    here,
    imported,
    is_idle,
    loads,
    parameters,
)

_LOADERS = {"importlib.import_module", "builtins.__import__"}
_DYNAMIC = {"builtins.globals", "builtins.eval", "builtins.exec"}  # may use any name of the module
_REFUSED = {"sys.modules", "builtins.__doc__"}
_REFUSED_ATTRIBUTES = {"__doc__", "__subclasses__"}
_SETTERS = {"builtins.setattr", "builtins.delattr"}


@dataclasses.dataclass(frozen=True)
class _Scope:
    """The names of a function, class or comprehension.

    `imports`: those that one import alone binds.
    """

    names: frozenset[str]
    imports: Mapping[str, Found] = dataclasses.field(default_factory=dict)
    globals: frozenset[str] = frozenset()
    is_class: bool = False


class Names(ast.NodeTransformer):
    """Replaces the names in the statements of a definition, and notes its references in order."""

    def __init__(self, library: Reader, definition: Definition, everywhere: bool = False) -> None:
        self.library = library
        self.definition = definition
        self.everywhere = everywhere  # are changes noted outside of functions, too?
        self.package = library.package(definition.module)
        self.references: list[Definition] = []
        self.changes: set[Any] = set()
        self.loads: set[str] = set()
        self.scopes: list[_Scope] = []

    def shape(self, statements: Sequence[ast.stmt], alike: bool = True) -> Shape:
        text = ast.dump(ast.Module(self._all(copy_of(statements)), []))
        changes, loaded = frozenset(self.changes), frozenset(self.loads)
        return Shape(text, tuple(self.references), alike, changes, loaded)

    def _all(self, statements: Sequence[ast.stmt]) -> list[Any]:
        return [found for one in statements if (found := self.visit(one)) is not None]

    # what names stand for

    def _found(self, name: str, leave_out: int = 0) -> Found | None:
        """What a name stands for here; None where it is local.

        Some of the innermost scopes may be left out.
        """
        for scope in self._seen(leave_out):
            if name in scope.globals:
                break
            if name in scope.imports:
                return scope.imports[name]
            if name in scope.names:
                return None
        return self.library.resolve(self.definition.module, name)

    def _seen(self, leave_out: int) -> list[_Scope]:
        """The scopes from the innermost; a method does not see the names of its class."""
        each = list(enumerate(self.scopes[::-1]))[leave_out:]
        return [scope for depth, scope in each if not (scope.is_class and depth)]

    def chain(self, node: ast.expr) -> Found | None:
        """What `a.b.c` stands for where `a` is a module or foreign; else None."""
        if isinstance(node, ast.Name):
            return self._found(node.id)
        if not isinstance(node, ast.Attribute):
            return None
        of = self.chain(node.value)
        if of is None or isinstance(of, Definition) or is_builtin(of):
            return None
        return self.library.attribute(of, node.attr)

    def _written(self, found: Found, context: ast.expr_context) -> ast.expr:
        if not isinstance(found, Foreign):
            return self._referred(definition_of(found), context)
        if found.dotted in _DYNAMIC:
            whole = self._referred(Definition(self.definition.module, WHOLE), context)
            return ast.Attribute(whole, found.dotted, context)
        if found.dotted in _REFUSED | _LOADERS:
            self._refuse(found.dotted.removeprefix("builtins."))
        return ast.Name(found.dotted, context)

    def _referred(self, definition: Definition, context: ast.expr_context) -> ast.expr:
        if definition in self.library.declared:
            return ast.Name(DECLARED, context)
        self.references.append(definition)
        return ast.Name(REFERENCE, context)

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
            return REFERENCE
        return SELF if name == self.definition.name else OTHER

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if not isinstance(node.ctx, ast.Load):
            return ast.Name(self._stored(node.id), node.ctx)
        found = self._found(node.id)
        return self._local(node) if found is None else self._written(found, node.ctx)

    def _local(self, node: ast.Name) -> ast.expr:
        """A class reads a name of its own from around where it has not bound it yet."""
        around = self._found(node.id, 1) if self.scopes[-1].is_class else None
        if around is None or (isinstance(around, Foreign) and is_builtin(around)):
            return node
        return ast.Attribute(self._written(around, node.ctx), REFERENCE + node.id, node.ctx)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if not isinstance(node.ctx, ast.Load):
            self._note_change(node.value)
            return self.generic_visit(node)
        if node.attr in _REFUSED_ATTRIBUTES:
            self._refuse(node.attr)
        found = self.chain(node)
        return self.generic_visit(node) if found is None else self._written(found, node.ctx)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        if not isinstance(node.ctx, ast.Load):
            self._note_change(node.value)
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Attribute) and node.func.attr in FILLS:
            self._note_change(node.func.value, stored=False)
        found = self.chain(node.func)
        if found in self.library.declared:
            first = map(self.visit, node.args[:1])
            return ast.Tuple([ast.Name(DECLARED, ast.Load()), *first], ast.Load())
        name = dotted(found)
        if name in _SETTERS and node.args:
            self._note_change(node.args[0])
        return self._loaded(node, name) if name in _LOADERS else self.generic_visit(node)

    def _loaded(self, node: ast.Call, loader: str) -> ast.expr:
        """The module that a call of a loader brings, where its name is written out."""
        given = node.args[0] if len(node.args) == 1 else None
        name = given.value if isinstance(given, ast.Constant) else None
        if not isinstance(name, str) or name.startswith("."):
            self._refuse(f"{loader.removeprefix('builtins.')} of a name that is not written out")
        self.loads.add(str(name))
        return self._written(self.library.imported(str(name), None), ast.Load())

    # what functions change

    def _note_change(self, node: ast.expr, stored: bool = True) -> None:
        """In a function: something is stored in a part of this, or a method of it is called."""
        if not self.everywhere and all(scope.is_class for scope in self.scopes):
            return
        while (found := self.chain(node)) is None and isinstance(
            node, (ast.Attribute, ast.Subscript)
        ):
            node = node.value
        if isinstance(found, Definition) or (stored and found is not None):
            self.changes.add(found)

    def visit_Expr(self, node: ast.Expr) -> Any:
        if is_idle(node) or self._only_refuses(node.value):
            return None
        if isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute):
            self._note_change(node.value.func.value, stored=False)
        return self.generic_visit(node)

    def _only_refuses(self, node: ast.expr) -> bool:
        """Is it, in a function, a call of a door whose answer nobody takes, and nothing else?

        Such a call ends the run or changes nothing, so that no value depends on it.
        """
        if not isinstance(node, ast.Call) or all(scope.is_class for scope in self.scopes):
            return False
        given = [*node.args, *node.keywords]
        parts = (part for one in given for part in ast.walk(one))
        return self._is_door(node.func) and all(map(self._only_reads, parts))

    def _is_door(self, node: ast.expr) -> bool:
        found = self.chain(node)
        return isinstance(found, Definition) and found.module in self.library.refusing

    def _only_reads(self, part: ast.AST) -> bool:
        if not isinstance(part, ast.Call):
            return isinstance(part, _LOOKED_AT)
        return dotted(self.chain(part.func)) in _READERS

    def visit_Pass(self, node: ast.Pass) -> None:
        return None

    def visit_Global(self, node: ast.Global) -> ast.AST:
        self.changes.update(self._found(name) for name in node.names)
        names = [self.visit(ast.Name(name, ast.Load())) for name in node.names]
        return ast.Expr(ast.Tuple(names, ast.Load()))

    # scopes

    def visit_Import(self, node: Import) -> Any:
        """Gone where a function imports a name of its own.

        An assignment where more binds the name.
        """
        self.loads.update(loads(node, self.package))
        found = self._imports(node)
        if self.scopes and all(name in self.scopes[-1].imports for name in found):
            return None
        values = [self._written(target, ast.Load()) for target in found.values()]
        targets: list[ast.expr] = [ast.Name(self._stored(name), ast.Store()) for name in found]
        return ast.Assign([ast.Tuple(targets, ast.Store())], ast.Tuple(values, ast.Load()))

    visit_ImportFrom = visit_Import

    def _imports(self, node: Import) -> dict[str, Found]:
        sources = imported(node, self.package)
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
        self._inside(node, self._scope(node.body, parameters(node.args)))
        return node

    visit_FunctionDef = _visit_function
    visit_AsyncFunctionDef = _visit_function

    def _visit_signature(self, node: Any) -> None:
        arguments = node.args
        arguments.defaults = [self.visit(one) for one in arguments.defaults]
        arguments.kw_defaults = [one and self.visit(one) for one in arguments.kw_defaults]
        for one in parameters(arguments):
            if one.annotation:
                one.annotation = self.visit(_unquoted(one.annotation))
        if getattr(node, "returns", None):
            node.returns = self.visit(_unquoted(node.returns))

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = _unquoted(node.annotation)
        return self.generic_visit(node)

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        self._visit_signature(node)
        self.scopes.append(self._scope([node.body], parameters(node.args)))
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
        nodes = [node for one in body for node in here(one)]
        top, around = _declared(nodes, ast.Global), _declared(nodes, ast.Nonlocal)
        imports = self._targets(node for node in nodes if isinstance(node, Import))
        other = (node for node in nodes if not isinstance(node, (Import, ast.Global, ast.Nonlocal)))
        names = {one.arg for one in parameters}.union(*map(binds, other))
        plain = {
            name: target
            for name, (target, *more) in imports.items()
            if not more and name not in names | top | around
        }
        return _Scope(frozenset((names | set(imports)) - top - around), plain, frozenset(top))

    def _targets(self, nodes: Iterable[Import]) -> dict[str, set[Found]]:
        """What each imported name stands for."""
        found: dict[str, set[Found]] = {}
        for node in nodes:
            for name, target in self._imports(node).items():
                found.setdefault(name, set()).add(target)
        return found

    def _visit_comprehension(self, node: Any) -> Any:
        first, *_ = node.generators
        first.iter = self.visit(first.iter)  # in the scope around
        targets = [part for one in node.generators for part in here(one.target)]
        self.scopes.append(_Scope(frozenset(name for part in targets for name in binds(part))))
        for one in node.generators:
            self._visit_generator(one, one is first)
        for part in ("key", "value", "elt"):
            if hasattr(node, part):
                setattr(node, part, self.visit(getattr(node, part)))
        self.scopes.pop()
        return node

    def _visit_generator(self, node: ast.comprehension, is_first: bool) -> None:
        node.target = self.visit(node.target)
        if not is_first:
            node.iter = self.visit(node.iter)
        node.ifs = [self.visit(test) for test in node.ifs]

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _visit_comprehension


# of what a door is given, where nothing but reading happens
_LOOKED_AT = (
    ast.Constant, ast.Name, ast.Attribute, ast.Tuple, ast.List, ast.JoinedStr, ast.FormattedValue,
    ast.Subscript, ast.UnaryOp, ast.BinOp, ast.unaryop, ast.operator, ast.keyword, ast.expr_context,
)  # fmt: skip
_READERS = {f"builtins.{name}" for name in ("abs", "float", "int", "len", "max", "min")}


def _declared(nodes: Iterable[ast.AST], kind: type[ast.Global | ast.Nonlocal]) -> set[str]:
    """The names of all statements `global`, or of all `nonlocal`."""
    return {name for node in nodes if isinstance(node, kind) for name in node.names}


def _unquoted(annotation: ast.expr) -> ast.expr:
    """The expression that an annotation in quotes stands for."""
    if not isinstance(annotation, ast.Constant) or not isinstance(annotation.value, str):
        return annotation
    try:
        return ast.parse(annotation.value, mode="eval").body
    except (SyntaxError, ValueError):
        return annotation
