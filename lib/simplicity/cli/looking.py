"""`simplicity list`, `ledger`, `compare`, `cache`: what there is; nothing is changed."""

import argparse
import ast
import contextlib
import importlib.util
import itertools
import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from simplicity.problems import Problem, Stopped, shown
from simplicity.problems.values import read

if TYPE_CHECKING:
    from simplicity.grid.store import Entry, Store


def list_experiments(options: argparse.Namespace) -> int:
    """`simplicity list`"""
    found = _all_described()
    if options.json:
        print(json.dumps(found, indent=1))
        return 0
    for entry in found:
        _tell_experiment(entry)
    return 0


def _tell_experiment(entry: dict[str, Any]) -> None:
    sizes = ", ".join(f"{preset} {count} cells" for preset, count in entry["cells"].items())
    print(f"{entry['name']}  ({', '.join(entry['claims'])})  {sizes}\n    {entry['about']}")
    for field in entry["parameters"]:
        print(f"    -p {_typed(field)}  {field['type']}: {field['help']}")


def _all_described() -> list[dict[str, Any]]:
    """Every experiment of the book.

    To ask them all is to import them all, which takes seconds: what they said is kept in the user's
    cache for as long as no file of the library changes.
    """
    from simplicity.places import paths
    from simplicity.process import threads

    kept = paths.cache() / "list" / f"{threads.library_digest()}.json"
    with contextlib.suppress(OSError, ValueError):
        if importlib.util.find_spec("xarray"):  # else the right answer is that it is missing
            return list(json.loads(kept.read_text("utf-8")))
    from simplicity.evidence import records

    found = [_described(records.experiment(name)) for name in records.names()]
    _keep(kept, json.dumps(found))
    return found


def _keep(path: Path, text: str) -> None:
    """In the place of what was kept of an earlier library."""
    from simplicity.places import files

    with contextlib.suppress(OSError, Stopped):  # a cache that cannot be written is none
        for old in path.parent.glob("*.json"):
            old.unlink(missing_ok=True)
        files.write_text(path, text)


def show_ledger(options: argparse.Namespace) -> int:
    """`simplicity ledger`"""
    from simplicity.evidence import ledger

    rows = ledger.rows()
    if options.json:
        print(json.dumps(rows, indent=1, sort_keys=True, ensure_ascii=False))
    elif options.markdown:
        print(ledger.markdown(rows))
    else:
        for row in rows:
            print(_verdict(row))
    return 0


def _verdict(row: dict[str, Any]) -> str:
    """A claim's line in the ledger."""
    why = f"  [{row['reason']}]" if row["checks"] and row["reason"] else ""
    return f"{row['id']:8}{row['verdict']:18}{row.get('short') or row['claim']}{why}"


def compare_files(options: argparse.Namespace) -> int:
    """`simplicity compare`: 1 where something differs by more than the tolerances."""
    from simplicity.evidence import compare

    rtol, atol = _tolerance("rtol", options.rtol), _tolerance("atol", options.atol)
    within = compare.Tolerance(rtol, atol)
    found = compare.compare(Path(options.one), Path(options.other), within)
    _tell_some(found.notes, found.differences, compare.MOST_LINES)
    print(f"{found.compared}, {within}: {len(found.differences) or 'no'} differences")
    return 1 if found.differences else 0


def _tell_some(notes: Sequence[str], differences: Sequence[str], most: int) -> None:
    """All notes, and `most` differences."""
    for line in [*(f"note: {line}" for line in notes), *differences[:most]]:
        print(line)
    if len(differences) > most:
        print(f"and {len(differences) - most} differences more")


def show_cache(options: argparse.Namespace) -> int:
    """`simplicity cache`: 1 where a file is damaged."""
    shelf = _store(options)
    entries = list(shelf.entries(whole=options.verify))
    _tell_entries(entries)
    damaged = [f"damaged: {entry.path}: {entry.damage}" for entry in entries if entry.damage]
    how = "" if options.verify else " by their headers (--verify reads them whole)"
    found = f"{len(entries)} files in {shelf.folder}, {len(damaged)} damaged{how}"
    print(*damaged, f"{found}{_unfinished(shelf)}", sep="\n")
    return 1 if damaged else 0


def _store(options: argparse.Namespace) -> "Store":
    """A store that is there, to be read only."""
    from simplicity.cli import options as words
    from simplicity.grid.store import Store

    shelf = Store(words.store(options), writable=False)
    if not shelf.folder.is_dir():
        raise Problem(f"store: got {shelf.folder}, allowed a folder that is there")
    return shelf


def _unfinished(shelf: "Store") -> str:
    left = len(shelf.leftovers())
    return f", {left} left unfinished by killed runs" if left else ""


def _tell_entries(entries: Sequence["Entry"]) -> None:
    """The table of the cells, a line an experiment."""
    print(f"{'experiment':32}{'cells':>8}{'stale':>8}{'MB':>10}{'core hours':>12}")
    for name, group in itertools.groupby(entries, lambda entry: entry.experiment):
        print(_cells_line(name, list(group)))


def _cells_line(name: str, entries: Sequence["Entry"]) -> str:
    """An experiment's cells in a line of the table."""
    size = sum(entry.size for entry in entries) / 1e6
    hours = sum(entry.seconds or 0.0 for entry in entries) / 3600
    return f"{name:32}{len(entries):8}{sum(map(_is_stale, entries)):8}{size:10.1f}{hours:12.2f}"


def _is_stale(entry: "Entry") -> bool:
    """No experiment has it, or one whose code is another now."""
    from simplicity.evidence import records
    from simplicity.grid.store import is_current

    if entry.damage:
        return False
    known = entry.experiment in records.names()
    return not known or not is_current(records.experiment(entry.experiment), entry)


def _tolerance(name: str, text: str) -> float:
    try:
        value = read(float, text)
    except ValueError:
        value = -1.0
    if value < 0:
        raise Problem(f"{name}: got {shown(text)}, allowed a finite number, at least 0")
    return value


def _described(module: ModuleType) -> dict[str, Any]:
    from simplicity.grid.config import describe
    from simplicity.grid.groups import PRESETS, config_of, preset, runs_of
    from simplicity.grid.store import name_of

    return {
        "name": name_of(module),
        "about": _about(module),
        "claims": list(module.CLAIMS),
        "cells": {name: len(runs_of(module, preset(module, name))) for name in PRESETS},
        "parameters": describe(config_of(module)),
    }


def _about(module: ModuleType) -> str:
    """The first line of its text, also where Python was told to leave such texts out (`-OO`)."""
    text, file = module.__doc__, getattr(module, "__file__", None)
    if text is None and file is not None:
        text = ast.get_docstring(ast.parse(Path(file).read_text("utf-8")))
    return (text or "").partition("\n")[0]


def _typed(field: dict[str, Any]) -> str:
    """NAME=VALUE as one types it in a shell."""
    from simplicity.grid.config import written

    default = field["default"]  # JSON, in which it may have been kept, has no tuples
    default = tuple(default) if isinstance(default, list) else default
    return shlex.quote(f"{field['name']}={written(default, field['choices'])}")
