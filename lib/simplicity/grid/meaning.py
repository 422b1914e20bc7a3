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

Not seen: a door that refuses from now on what a run holds (`Library.refusing`), what `__name__`
and `__qualname__` say, files and environment read at run time, in which order modules are imported,
and what foreign calls in a bound value (`X = numpy.random.rand()`) change elsewhere. Code that
cannot be followed by reading it is refused (`Unclear`).
"""

import ast
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from simplicity.grid.alike import is_alike, registers
from simplicity.grid.definitions import (
    EFFECTS,
    REFERENCE,
    WHOLE,
    Definition,
    Foreign,
    Found,
    Ours,
    Shape,
    Unclear,
    closure,
    definition_of,
    digest_of,
)
from simplicity.grid.names import Names
from simplicity.grid.statements import Module, Source, read, run_at_import


class Library:
    """Modules of ours, read from their files; nothing is imported.

    `places` says where the top-level names that are ours lie: a package's folder, or the file of a
    single module. The effects of the modules in `settled` do not count. Packages and modules whose
    own name is in `drawn` are told by name alone, as foreign ones are: a picture is drawn from a
    value and is no part of it. Of what is `declared` only
    the first argument of a call counts: the default of a setting, not its help and its range.
    Functions of the modules in `refusing` look at what they are given and refuse it or not: where
    one is called in a function and its answer is not taken, no value depends on the call.
    """

    def __init__(
        self,
        places: Mapping[str, Path],
        settled: Collection[str] = (),
        declared: Collection[Definition] = (),
        drawn: Collection[str] = (),
        refusing: Collection[str] = (),
    ) -> None:
        self.places = {name: Path(place) for name, place in places.items()}
        self.settled = frozenset(settled)
        self.declared = frozenset(declared)
        self.drawn = frozenset(drawn)
        self.refusing = frozenset(refusing)
        self._sought: set[Source] = set()
        self._paths: dict[str, Path | None] = {}
        self._modules: dict[str, Module | None] = {}
        self._shapes: dict[Definition, Shape] = {}
        self._effects: dict[str, list[ast.stmt]] = {}

    def digest(self, module: str, names: Sequence[str]) -> str:
        """The meaning of some definitions of a module together, as 64 hexadecimal digits."""
        roots = self._roots(module, names)
        return digest_of(roots, self._effects_around(roots), self.shape)

    def closure(self, module: str, names: Sequence[str]) -> set[Definition]:
        """All definitions that the meaning of these depends on."""
        roots = self._roots(module, names)
        return set(closure([*roots, *self._effects_around(roots)], self.shape))

    def shape(self, definition: Definition) -> Shape:
        if definition not in self._shapes:
            self._shapes[definition] = self._shape(definition)
        return self._shapes[definition]

    def module(self, dotted: str) -> Module | None:
        """One of our modules, read; None for what is not a module of ours."""
        if dotted not in self._modules:
            path = self.path(dotted)
            self._modules[dotted] = (
                None if path is None else read(path, self.package(dotted), dotted in self.settled)
            )
        return self._modules[dotted]

    def path(self, dotted: str) -> Path | None:
        """The file of a module, the folder of a package without `__init__.py`; None if not ours."""
        if dotted not in self._paths:
            self._paths[dotted] = self._path(dotted)
        return self._paths[dotted]

    def _path(self, dotted: str) -> Path | None:
        first, *rest = dotted.split(".")
        if first not in self.places or self.drawn & set(rest):
            return None
        return _file_of(self.places[first].joinpath(*rest))

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
                raise Unclear(
                    f"{inner}: got a module and another thing of that name, allowed one of them"
                )
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
        member = self._sought_member(source, name)
        if member is None and "__getattr__" in found.definitions:
            raise Unclear(
                f"{source}.{name}: got a name that `__getattr__` makes, allowed one in the text"
            )
        return member or Foreign(f"{source}.{name}")

    def _sought_member(self, source: str, name: str) -> Found | None:
        """`member`, once: an import of it on the way leads back to here."""
        if (source, name) in self._sought:
            raise Unclear(
                f"{source}.{name}: got imports in a circle, allowed a definition at their end"
            )
        self._sought.add((source, name))
        try:
            return self.member(source, name)
        finally:
            self._sought.remove((source, name))

    def attribute(self, of: Foreign | Ours, name: str) -> Found | None:
        """What `of.name` stands for; None for a name that one of our modules gets while it runs."""
        if isinstance(of, Foreign):
            return Foreign(f"{of.dotted}.{name}")
        return self.member(of.dotted, name)

    def _roots(self, module: str, names: Sequence[str]) -> list[Definition]:
        found = {name: self.resolve(module, name) for name in names}
        if foreign := [name for name, one in found.items() if isinstance(one, Foreign)]:
            raise Unclear(
                f"{module}: got no {' and no '.join(foreign)}, allowed a module that defines it"
            )
        return _definitions(found.values())

    def statements(self, definition: Definition) -> list[ast.stmt]:
        """The statements that bind or change a name; or a module's effects."""
        found = self._readable(definition.module)
        if definition.name == EFFECTS:
            return self.effects(definition.module)
        return found.definitions[definition.name]

    def _readable(self, module: str) -> Module:
        found = self.module(module)
        assert found is not None, f"{module} is none of ours"
        if found.star:
            raise Unclear(f"{module}: got `{found.star}`, allowed an import of names")
        return found

    # --- shapes

    def _shape(self, definition: Definition) -> Shape:
        if definition.name == WHOLE:
            return self._whole(definition.module, self._readable(definition.module))
        statements = self.statements(definition)
        names = Names(self, definition)
        alike = len(statements) == 1 and is_alike(names, statements[0])
        return names.shape(statements, alike)

    def _whole(self, module: str, found: Module) -> Shape:
        names = sorted({*found.definitions, *found.imports, *self._inner(module)})
        stands = [self.resolve(module, name) for name in names]
        told = [one.dotted if isinstance(one, Foreign) else REFERENCE for one in stands]
        return Shape(json.dumps([names, told]), tuple(_definitions(stands)))

    def _inner(self, module: str) -> set[str]:
        """The modules in a package."""
        path = self.path(module)
        assert path is not None
        # or a file, with nothing in it
        folder = path.parent if path.name == "__init__.py" else path
        names = {one.stem for one in folder.glob("*") if one.suffix == ".py" or one.is_dir()}
        return {name for name in names - {"__init__", "__pycache__"} if name.isidentifier()}

    # --- effects

    def _effects_around(self, roots: Sequence[Definition]) -> list[Definition]:
        """The effects of all modules that are imported where the roots are used."""
        found: list[Definition] = []
        while True:
            loaded = self._loaded(self._used([*roots, *found]))
            effects = [Definition(one, EFFECTS) for one in sorted(loaded) if self.effects(one)]
            more = [one for one in effects if one not in found]
            if not more:
                return found
            found += more

    def _used(self, roots: Sequence[Definition]) -> set[str]:
        """The modules whose definitions the roots reach, and those that these import."""
        shapes = closure(roots, self.shape)
        modules = {one.module for one in shapes}
        return modules.union(*(shape.loads for shape in shapes.values()))

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
            self._effects[module] = [
                one for one, known in statements if known or self._has_effect(module, one)
            ]
        return self._effects[module]

    def _has_effect(self, module: str, statement: ast.stmt) -> bool:
        """Does it run code of ours that changes a module's top, as a decorator that registers?"""
        run = run_at_import(statement)
        if not run:
            return False
        try:
            names = Names(self, Definition(module, EFFECTS), everywhere=True)
            if any(registers(names, one) for one in getattr(statement, "decorator_list", [])):
                return True
            return self._changes_outside(names.shape(run), module)
        except Unclear:  # of code that may have nothing to do with what is asked for
            return False

    def _changes_outside(self, found: Shape, module: str) -> bool:
        """Does code with this shape change another module, or use any of ours that changes one?"""
        if any(isinstance(one, Definition) and one.module != module for one in found.changes):
            return True
        return any(shape.changes for shape in closure(found.references, self.shape).values())


def _file_of(place: Path) -> Path | None:
    """A package's `__init__.py`, or the file of a module, or the folder; None where none is."""
    found = (place / "__init__.py", place.with_name(f"{place.name}.py"), place)
    return next((path for path in found if path.is_file()), place if place.is_dir() else None)


def _definitions(found: Iterable[Found]) -> list[Definition]:
    """What of it is ours."""
    return [definition_of(one) for one in found if not isinstance(one, Foreign)]
