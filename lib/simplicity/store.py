"""One finished cell, one file: checked, atomic, keyed by everything that could change the result.

File layout: a line of JSON (checksum of the rest, seconds, the cell and its experiment), then the cell's dataset as NetCDF-3.
The seconds are outside the checked bytes, so the same cell computed twice has the same bytes.

The key hashes the experiment's name, the cell in canonical JSON, and a fingerprint: the sources that the cell's value depends
on, the versions of python, numpy, torch, numba and scipy, the threads, and the arithmetic (`threads`). A stored result never
outlives the code that made it, and a change of a figure or of a criterion recomputes nothing.
"""

import ast
import contextlib
import dataclasses
import functools
import hashlib
import importlib.metadata
import io
import json
import os
import platform
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import xarray as xr

from simplicity import files
from simplicity.config import Problem
from simplicity.threads import THREADS, label

_LIBRARY = Path(__file__).resolve().parent
_PACKAGE = __package__ or "simplicity"
_VERSIONED = ("numpy", "torch", "numba", "scipy")
_ROOTS = frozenset({"Cell", "measure"})

Names = frozenset[str] | None  # of a module; None stands for all of them
_SUFFIX, _PART = ".cell", files.PART
_ABANDONED_SECONDS = 3600.0
LONGEST_HEADER = 1_000_000

write_atomically = files.write


@dataclasses.dataclass(frozen=True)
class Stored:
    """What a file held: the dataset and the seconds that its computation took."""

    dataset: xr.Dataset
    seconds: float


@dataclasses.dataclass(frozen=True)
class Entry:
    """A file of the store as its header tells it; `damage` says what is wrong with it, if anything is."""

    path: Path
    experiment: str
    size: int
    cell: dict[str, Any] | None = None
    seconds: float | None = None
    damage: str = ""


class Store:
    """A folder of finished cells; safe for several runs at once, since a file appears whole or not at all."""

    def __init__(self, folder: Path, writable: bool = True) -> None:
        self.folder = Path(folder)
        if not writable:  # to be looked at only
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder):
                pass
        except OSError as reason:
            raise Problem(f"store: got {self.folder} ({reason.strerror}), allowed a writable folder") from None
        for path in self.leftovers():
            with contextlib.suppress(OSError):
                path.unlink()

    def get(self, experiment: ModuleType, cell: Any) -> Stored | None:
        """The stored result, or None where there is none or the file is damaged (then `problems` says so)."""
        path = self.path(experiment, cell)
        try:
            return decode(path.read_bytes(), name_of(experiment), cell)
        except FileNotFoundError:
            return None
        except IsADirectoryError:
            self._report(path, Damaged("it is a folder, which is set aside"))
            return None
        except OSError as reason:
            raise Problem(f"cannot read {path}: {reason.strerror or reason}, allowed a readable file") from None
        except Damaged as damage:
            self._report(path, damage)
            return None

    def put(self, experiment: ModuleType, cell: Any, body: bytes, seconds: float) -> Stored:
        """Write a finished cell (NetCDF-3 bytes from `encode`) and return what was decoded from them."""
        path = self.path(experiment, cell)
        header = {"checksum": hashlib.sha256(body).hexdigest(), "seconds": round(seconds, 4), "cell": plain(cell)}
        header["experiment"] = name_of(experiment)
        content = json.dumps(header, sort_keys=True).encode() + b"\n" + body
        if path.is_dir():
            path.rename(tempfile.mktemp(".aside", f"{path.stem}-", path.parent))
        write_atomically(path, content)
        return decode(content)

    def path(self, experiment: ModuleType, cell: Any) -> Path:
        return self.folder / name_of(experiment) / (key(experiment, cell) + _SUFFIX)

    def entries(self, experiment: str = "*", whole: bool = False) -> Iterator[Entry]:
        """The files of one experiment or of all; with `whole` each is read to its end and checked, else its header is read."""
        for path in sorted(self.folder.glob(f"{experiment}/*{_SUFFIX}")):
            size = 0
            try:
                with open(path, "rb") as file:
                    size = os.fstat(file.fileno()).st_size
                    header = _header(file.readline(LONGEST_HEADER))
                    if whole:
                        file.seek(0)
                        decode(file.read())
                yield Entry(path, path.parent.name, size, header["cell"], float(header["seconds"]))
            except (Damaged, OSError) as reason:
                yield Entry(path, path.parent.name, size, damage=getattr(reason, "strerror", None) or str(reason))

    def leftovers(self) -> list[Path]:
        """What killed runs were writing; nothing that is being written takes an hour."""
        found = []
        for path in self.folder.glob(f"*/{_PART}*"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > _ABANDONED_SECONDS:
                    found.append(path)
        return found

    def _report(self, path: Path, damage: "Damaged") -> None:
        import warnings

        warnings.warn(f"stored file {path.name} is damaged ({damage}) and is computed anew", RuntimeWarning, stacklevel=3)


class Damaged(ValueError):
    """A stored file whose content is not what was written."""


def encode(dataset: xr.Dataset) -> bytes:
    """NetCDF-3 bytes (SciPy; int64 becomes int32, which is why a run returns what was decoded)."""
    return bytes(dataset.to_netcdf(None, engine="scipy", format="NETCDF3_64BIT"))


def decode(content: bytes, experiment: str = "", cell: Any = None) -> Stored:
    """A file's content checked and read; raises `Damaged`, also where it is another cell's than the one asked for."""
    head, separator, body = content.partition(b"\n")
    header = _header(head)
    if not separator or hashlib.sha256(body).hexdigest() != header["checksum"]:
        raise Damaged("its checksum does not match")
    if cell is not None and (header["experiment"], header["cell"]) != (experiment, json.loads(json.dumps(plain(cell)))):
        raise Damaged("it holds another cell")
    return Stored(open_bytes(body), float(header["seconds"]))


def _header(line: bytes) -> dict[str, Any]:
    try:
        header = json.loads(line)
        float(header["seconds"])
        return {name: header[name] for name in ("checksum", "seconds", "cell", "experiment")}
    except (ValueError, KeyError, TypeError):
        raise Damaged("its header cannot be read") from None


def is_current(experiment: ModuleType, entry: Entry) -> bool:
    """Would a run today use this file? Not if code or versions have changed since, or the experiment has no such cell."""
    try:
        return entry.path.stem == key(experiment, experiment.Cell(**(entry.cell or {})))
    except TypeError:
        return False


def open_bytes(body: bytes) -> xr.Dataset:
    with xr.open_dataset(io.BytesIO(body), engine="scipy") as dataset:
        return dataset.load()


def key(experiment: ModuleType, cell: Any) -> str:
    """The name of a cell's file: a hash of the experiment, the cell and the fingerprint."""
    parts = {"experiment": name_of(experiment), "cell": canonical(cell), "fingerprint": fingerprint(experiment)}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:40]


def canonical(cell: Any) -> dict[str, Any]:
    """Type and value of every field; floats in hexadecimal, so that no two numbers share a text."""
    fields = {
        field.name: [type(value).__name__, value.hex() if isinstance(value, float) else value]
        for field in dataclasses.fields(cell)
        for value in [getattr(cell, field.name)]
    }
    return {"type": type(cell).__name__, "fields": fields}


def plain(cell: Any) -> dict[str, Any]:
    """Name -> value of every field; values are plain, so that nothing is copied."""
    return {field.name: getattr(cell, field.name) for field in dataclasses.fields(cell)}


def name_of(experiment: ModuleType) -> str:
    return experiment.__name__.rpartition(".")[2]


@functools.cache
def fingerprint(experiment: ModuleType) -> str:
    """Digest of what the value of a cell depends on: sources (see `sources`), versions, thread count, arithmetic."""
    digest = hashlib.sha256()
    for name, code in sorted(sources(experiment).items()):
        digest.update(f"{name}\0{code}\0".encode())
    digest.update(json.dumps([versions(), THREADS, label()], sort_keys=True).encode())
    return digest.hexdigest()


@functools.cache
def versions() -> dict[str, str]:
    """Public versions of what results depend on."""
    found = {name: importlib.metadata.version(name).partition("+")[0] for name in _VERSIONED}
    return {"python": platform.python_version(), **found}


def sources(experiment: ModuleType) -> dict[str, str]:
    """Module name -> the part of its code that `measure` depends on, without docstrings and comments.

    From `Cell` and `measure` on, names are followed through our modules. An experiment's `Config`, presets and `checks`, and
    what else stands in a module that it uses, can change no cell and do not count. A module that is used other than by
    `module.name` counts whole.
    """
    wanted: dict[str, Names] = {experiment.__name__: _ROOTS}
    trees = {experiment.__name__: _parse(Path(str(experiment.__file__)))}
    while True:
        kept = {name: _reachable(trees[name], names) for name, names in wanted.items()}
        more = dict(wanted)
        for statements in kept.values():
            for name, names in _uses(statements):
                path = _module_path(name)
                if path is not None:
                    trees.setdefault(name, _parse(path))
                    more[name] = None if names is None or more.get(name, names) is None else names | (more.get(name) or names)
        if more == wanted:
            return {name: ast.dump(ast.Module(statements, [])) for name, statements in kept.items()}
        wanted = more


def _parse(path: Path) -> ast.Module:
    """The tree without docstrings: with one or without, the same code is the same tree."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            value = body[0].value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                body[:1] = [] if len(body) > 1 else [ast.Pass()]
    return tree


def _reachable(tree: ast.Module, names: Names) -> list[ast.stmt]:
    """The top-level statements that `names` lead to, in source order; of an import only the names in use. None: all."""
    if names is None:
        return tree.body
    kept: set[int] = set()
    wanted, seen = set(names), set[str]()
    while wanted - seen:
        seen |= wanted
        for index, statement in enumerate(tree.body):
            if index not in kept and _bound(statement) & seen:
                kept.add(index)
                wanted |= {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
    return [_only(tree.body[index], seen) for index in sorted(kept)]


def _only(statement: ast.stmt, names: set[str]) -> ast.stmt:
    if isinstance(statement, ast.ImportFrom):
        used = [alias for alias in statement.names if (alias.asname or alias.name) in names]
        return ast.ImportFrom(statement.module, used, statement.level)
    return statement


def _bound(statement: ast.stmt) -> set[str]:
    """The names that a top-level statement binds or may change: blocks are searched, `TABLE[key] = 1` changes TABLE."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {statement.name}
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return {(alias.asname or alias.name).partition(".")[0] for alias in statement.names}
    if isinstance(statement, ast.Expr):  # a bare call is there for its effect, on anything that it names
        return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
    inner = [node for node in ast.walk(statement) if isinstance(node, ast.stmt) and node is not statement]
    return set().union(_targets(statement), *(_bound(node) for node in inner))


def _targets(statement: ast.stmt) -> set[str]:
    """Names assigned to, and the names whose elements or attributes are."""
    stored = [node for node in ast.walk(statement) if isinstance(getattr(node, "ctx", None), ast.Store)]
    return {node.id for target in stored for node in ast.walk(target) if isinstance(node, ast.Name)}


def _uses(statements: list[ast.stmt]) -> Iterator[tuple[str, Names]]:
    """What the statements use of our modules: (module, names in it), or (module, None) for all of it."""
    nodes = [node for statement in statements for node in ast.walk(statement)]
    attributes = [node for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)]
    bases = {id(node.value) for node in attributes}
    bare = {node.id for node in nodes if isinstance(node, ast.Name) and id(node) not in bases}
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == _PACKAGE:
            for alias in node.names:
                module, name = f"{node.module}.{alias.name}", alias.asname or alias.name
                if _module_path(module) is None:
                    yield node.module, frozenset({alias.name})
                else:
                    found = {one.attr for one in attributes if isinstance(one.value, ast.Name) and one.value.id == name}
                    yield module, None if name in bare else frozenset(found)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names if alias.name.split(".")[0] == _PACKAGE)


def _module_path(name: str) -> Path | None:
    """The source of one of our modules; None for a name inside a module and for the packages' own `__init__`."""
    path = _LIBRARY.joinpath(*name.split(".")[1:]).with_suffix(".py")
    return path if path.is_file() and name != _PACKAGE else None
