"""One finished cell, one file: checked, atomic, keyed by everything that could change the result.

File layout: a line of JSON (checksum of the rest, seconds, the cell and its experiment), then the
cell's dataset as NetCDF-3. The seconds are outside the checked bytes, so the same cell computed
twice has the same bytes.

The key hashes the experiment's name, the cell in canonical JSON, and a fingerprint: what the code
means that the cell's value depends on, the versions of python, numpy, torch, numba and scipy, the
threads, and the arithmetic (`threads`). A stored result never outlives the code that made it, and a
change of a figure or of a criterion recomputes nothing.
"""

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
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import xarray as xr

from simplicity.grid import meaning
from simplicity.grid.definitions import Definition, Unclear
from simplicity.grid.groups import run_type
from simplicity.places import files
from simplicity.problems import Problem
from simplicity.process.threads import THREADS, label

_LIBRARY = Path(__file__).resolve().parents[1]
_PACKAGE = _LIBRARY.name
_VERSIONED = ("numpy", "torch", "numba", "scipy")
# What a setting's declaration does beside its default is to refuse values, and what the arithmetic
# and the processor are a fingerprint holds by themselves.
DECLARED = frozenset(
    Definition(f"{_PACKAGE}.{module}", name)
    for module, name in (
        ("grid.config", "settings"),
        ("grid.config", "param"),
        ("process.threads", "kind"),
        ("process.machine", "features"),
    )
)
# the doors, and what they are made of: see `meaning.Library`
REFUSING = frozenset(
    f"{_PACKAGE}.problems.{module}" for module in ("conversion", "doors", "training_doors")
)
_ROOTS = ("Run", "measure")
_INSTALLED = {"site-packages", "dist-packages"}

_SUFFIX, _PART = ".cell", files.PART
_ABANDONED_SECONDS = 3600.0
LONGEST_HEADER = 1_000_000


@dataclasses.dataclass(frozen=True)
class Stored:
    """What a file held: the dataset and the seconds that its computation took."""

    dataset: xr.Dataset
    seconds: float


@dataclasses.dataclass(frozen=True)
class Entry:
    """A file of the store as its header tells it; `damage` says what is wrong, if anything."""

    path: Path
    experiment: str
    size: int
    cell: dict[str, Any] | None = None
    seconds: float | None = None
    damage: str = ""


class Store:
    """A folder of finished cells.

    Several runs at once are safe, since a file appears whole or not at all.
    """

    def __init__(self, folder: Path, writable: bool = True) -> None:
        self.folder = Path(folder)
        if not writable:  # to be looked at only
            return
        _make_writable(self.folder)
        for path in self.leftovers():
            with contextlib.suppress(OSError):
                path.unlink()

    def get(self, experiment: ModuleType, cell: Any) -> Stored | None:
        """The stored result, or None where there is none or the file is damaged.

        `problems` then says so.
        """
        path = self.path(experiment, cell)
        try:
            return decode(path.read_bytes(), name_of(experiment), cell)
        except FileNotFoundError:
            pass
        except IsADirectoryError:
            self._report(path, Damaged("it is a folder, which is set aside"))
        except Damaged as damage:
            self._report(path, damage)
        except OSError as reason:
            raise Problem(
                f"cannot read {path}: {reason.strerror or reason}, allowed a readable file"
            ) from None
        return None

    def put(self, experiment: ModuleType, cell: Any, body: bytes, seconds: float) -> Stored:
        """Write a finished cell (NetCDF-3 bytes from `encode`); returns what they decode to."""
        path, header = self.path(experiment, cell), _header_of(experiment, cell, body)
        header["seconds"] = round(seconds, 4)
        content = json.dumps(header, sort_keys=True).encode() + b"\n" + body
        _set_aside(path)
        files.write(path, content)
        return decode(content)

    def path(self, experiment: ModuleType, cell: Any) -> Path:
        return self.folder / name_of(experiment) / (key(experiment, cell) + _SUFFIX)

    def entries(self, experiment: str = "*", whole: bool = False) -> Iterator[Entry]:
        """The files of one experiment or of all.

        With `whole` each is read to its end and checked, else its header is read.
        """
        for path in sorted(self.folder.glob(f"{experiment}/*{_SUFFIX}")):
            yield _entry(path, whole)

    def leftovers(self) -> list[Path]:
        """What killed runs were writing; nothing that is being written takes an hour."""
        found = []
        for path in self.folder.glob(f"*/{_PART}*"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > _ABANDONED_SECONDS:
                    found.append(path)
        return found

    def _report(self, path: Path, damage: "Damaged") -> None:
        warnings.warn(
            f"stored file {path.name} is damaged ({damage}) and is computed anew",
            RuntimeWarning,
            stacklevel=3,
        )


class Damaged(ValueError):
    """A stored file whose content is not what was written."""


def _make_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as reason:
        raise Problem(
            f"store: got {folder} ({reason.strerror}), allowed a writable folder"
        ) from None


def _set_aside(path: Path) -> None:
    """A folder in the place of a file gets another name."""
    if path.is_dir():
        path.rename(tempfile.mktemp(".aside", f"{path.stem}-", path.parent))


def _entry(path: Path, whole: bool) -> Entry:
    """A file by its header, or read to its end."""
    name, size = path.parent.name, 0
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            header = _header(file.readline(LONGEST_HEADER))
            if whole:
                file.seek(0)
                decode(file.read())
        return Entry(path, name, size, header["cell"], float(header["seconds"]))
    except (Damaged, OSError) as reason:
        return Entry(path, name, size, damage=getattr(reason, "strerror", None) or str(reason))


def encode(dataset: xr.Dataset) -> bytes:
    """NetCDF-3 bytes (SciPy; int64 becomes int32, which is why a run returns what was decoded)."""
    return bytes(dataset.to_netcdf(None, engine="scipy", format="NETCDF3_64BIT"))


def decode(content: bytes, experiment: str = "", cell: Any = None) -> Stored:
    """A file's content checked and read.

    Raises `Damaged`, also where it is another cell's than the one asked for.
    """
    head, separator, body = content.partition(b"\n")
    header = _header(head)
    if not separator or hashlib.sha256(body).hexdigest() != header["checksum"]:
        raise Damaged("its checksum does not match")
    if cell is not None:
        _check_asked(header, experiment, cell)
    return Stored(open_bytes(body), float(header["seconds"]))


def _check_asked(header: dict[str, Any], experiment: str, cell: Any) -> None:
    asked = {"experiment": experiment, "cell": json.loads(json.dumps(plain(cell)))}
    if not asked.items() <= header.items():
        raise Damaged("it holds another cell")


def _header_of(experiment: ModuleType, cell: Any, body: bytes) -> dict[str, Any]:
    """What a file says of itself, but for the seconds."""
    return {
        "checksum": hashlib.sha256(body).hexdigest(),
        "cell": plain(cell),
        "experiment": name_of(experiment),
    }


def _header(line: bytes) -> dict[str, Any]:
    try:
        header = json.loads(line)
        float(header["seconds"])
        return {name: header[name] for name in ("checksum", "seconds", "cell", "experiment")}
    except (ValueError, KeyError, TypeError):
        raise Damaged("its header cannot be read") from None


def is_current(experiment: ModuleType, entry: Entry) -> bool:
    """Would a run today use this file?

    Not if code or versions have changed since, or the experiment has no such cell.
    """
    try:
        return entry.path.stem == key(experiment, run_type(experiment)(**(entry.cell or {})))
    except (TypeError, Problem):
        return False


def open_bytes(body: bytes) -> xr.Dataset:
    with xr.open_dataset(io.BytesIO(body), engine="scipy") as dataset:
        return dataset.load()


def key(experiment: ModuleType, cell: Any) -> str:
    """The name of a cell's file: a hash of the experiment, the cell and the fingerprint."""
    parts = {
        "experiment": name_of(experiment),
        "cell": canonical(cell),
        "fingerprint": fingerprint(experiment),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:40]


def canonical(cell: Any) -> dict[str, Any]:
    """Type and value of every field; floats in hexadecimal, so that no two numbers share a text."""
    fields = {name: _exactly(value) for name, value in plain(cell).items()}
    return {"type": type(cell).__name__, "fields": fields}


def _exactly(value: Any) -> list[Any]:
    return [type(value).__name__, value.hex() if isinstance(value, float) else value]


def plain(cell: Any) -> dict[str, Any]:
    """Name -> value of every field; values are plain, so that nothing is copied."""
    return {field.name: getattr(cell, field.name) for field in dataclasses.fields(cell)}


def name_of(experiment: ModuleType) -> str:
    return experiment.__name__.rpartition(".")[2]


@functools.cache
def fingerprint(experiment: ModuleType) -> str:
    """Digest of what a cell's value depends on: meaning, versions, thread count, arithmetic.

    The meaning is that of the experiment's `Run` and `measure` (see `meaning`): a moved or renamed
    module, a comment, a preset or a criterion changes no fingerprint; a changed constant, operator,
    default or library function does.
    """
    parts = [meaning_of(experiment), versions(), THREADS, label()]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def meaning_of(experiment: ModuleType) -> str:
    """Digest of what the code of a cell means."""
    try:
        return _library(experiment).digest(experiment.__name__, _ROOTS)
    except Unclear as reason:
        raise Problem(f"fingerprint: {reason}") from None


def definitions_of(experiment: ModuleType) -> set[Definition]:
    """All definitions that the value of a cell depends on."""
    return _library(experiment).closure(experiment.__name__, _ROOTS)


def _library(experiment: ModuleType) -> meaning.Library:
    """Our files as they are now.

    Those of this package as they were when they were first read, as they are imported once.
    """
    beside = _beside(experiment)
    return _read_with(beside, _LIBRARY) if beside else _own(_LIBRARY)


@functools.cache
def _own(library: Path) -> meaning.Library:
    return _read_with({}, library)


def _read_with(beside: dict[str, Path], library: Path) -> meaning.Library:
    # What an import of `process` does is to settle threads and arithmetic, which a fingerprint
    # holds by themselves.
    return meaning.Library(
        beside | {_PACKAGE: library},
        settled={_PACKAGE, f"{_PACKAGE}.process"},
        declared=DECLARED,
        drawn={"pictures"},
        refusing=REFUSING,
    )


def _beside(experiment: ModuleType) -> dict[str, Path]:
    """Where the code of an experiment that is not of this package lies.

    In its package or file, and in all that lies beside.
    """
    top = experiment.__name__.partition(".")[0]
    if top == _PACKAGE:
        return {}
    place = _place_of(experiment)
    beside = {} if _INSTALLED & set(place.parts) else _modules_in(place.parent)
    return beside | {top: place}


def _place_of(experiment: ModuleType) -> Path:
    """The folder of the package that it is in, or its own file."""
    file, inner = Path(str(experiment.__file__)).resolve(), experiment.__name__.count(".")
    return file.parents[inner - (file.name != "__init__.py")] if inner else file


def _modules_in(folder: Path) -> dict[str, Path]:
    """Modules and packages, by name."""
    names = {path.stem for path in folder.glob("*.py")}
    names |= {path.parent.name for path in folder.glob("*/*.py")}
    return {name: folder / name for name in names if name.isidentifier()}


@functools.cache
def versions() -> dict[str, str]:
    """Public versions of what results depend on."""
    found = {name: importlib.metadata.version(name).partition("+")[0] for name in _VERSIONED}
    return {"python": platform.python_version(), **found}
