"""Committed records of full runs: `book/results/EXPERIMENT.nc.gz` beside `EXPERIMENT.json`.

The dataset is what `run` gave for the FULL preset, with the seconds of each cell. The JSON tells
how it was made (settings, versions, fingerprint, commit, device, seconds) and which outcome of
every check is expected, for FULL and for QUICK. A record is not dropped when code changes: `stale`
says so and the page shows it, and `recompute` carries it where no value changed.
"""

import dataclasses
import datetime
import functools
import gzip
import hashlib
import importlib
import json
from collections.abc import Collection, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import xarray as xr

from simplicity.evidence.claims import Check
from simplicity.grid import outside, store
from simplicity.grid.groups import checks_of, preset, runs_of
from simplicity.grid.run import run
from simplicity.places import files, paths
from simplicity.problems import Problem, no_such
from simplicity.process import machine, threads
from simplicity.process.pool import Submits

Outcomes = dict[str, dict[str, str]]


@dataclasses.dataclass(frozen=True)
class Record:
    """A recorded full run and what is known about how it was made."""

    dataset: xr.Dataset
    about: dict[str, Any]

    @property
    def expected(self) -> dict[str, Outcomes]:
        return self.about["expected"]


@functools.cache
def _modules() -> dict[str, str]:
    """Experiment -> its module. A wing is a package of ours with a package `experiments` in it."""
    package = paths.PACKAGE.name
    found = (path for path in paths.PACKAGE.glob("*/experiments/*.py") if path.stem != "__init__")
    by_name = sorted(found, key=lambda path: path.stem)
    return {path.stem: f"{package}.{path.parts[-3]}.experiments.{path.stem}" for path in by_name}


def names() -> list[str]:
    """All experiments, in alphabetical order."""
    return list(_modules())


def modules() -> list[str]:
    """Their modules, in the same order."""
    return list(_modules().values())


def experiment(name: str) -> ModuleType:
    """The module of an experiment: one of the book's, one that an installed package offers, or a
    file (`FILE.py`); else a `Problem` that names the ones there are.
    """
    if outside.is_file(name):
        return outside.from_file(Path(name))
    if name in _modules():
        return importlib.import_module(_modules()[name])
    offered = outside.installed()
    if name in offered:
        return outside.from_package(name)
    raise Problem(no_such("experiment", name, [*names(), *offered]))


def load(module: ModuleType) -> Record | None:
    """The committed record of an experiment, or None where there is none yet.

    Its fingerprint is the one in the JSON: where the rule of fingerprints changes, the file of
    numbers stays as it was recorded.
    """
    packed, about = _files(store.name_of(module))
    if not packed.is_file() or not about.is_file():
        return None
    told = json.loads(about.read_text("utf-8"))
    numbers = store.open_bytes(gzip.decompress(packed.read_bytes()))
    return Record(numbers.assign_attrs(fingerprint=told["fingerprint"]), told)


def source(name: str) -> Path:
    """The file of an experiment, which need not be imported for that."""
    return paths.PACKAGE.parent.joinpath(*_modules()[name].split(".")).with_suffix(".py")


def content(name: str) -> bytes | None:
    """The bytes of the committed run, or None where there is none yet."""
    packed, about = _files(name)
    return packed.read_bytes() if packed.is_file() and about.is_file() else None


def dataset(module: ModuleType) -> xr.Dataset:
    """The recorded full run itself, which a chapter draws over its fresh one."""
    record = load(module)
    if record is None:
        name = store.name_of(module)
        raise Problem(
            f"{name}: got no recorded run, allowed one made by `simplicity record {name}`"
        )
    return record.dataset


def abouts() -> dict[str, dict[str, Any]]:
    """Experiment -> what its record tells of itself; no dataset is read."""
    return {
        path.stem: json.loads(path.read_text("utf-8"))
        for path in sorted(paths.results().glob("*.json"))
    }


@functools.cache
def commits() -> dict[str, str]:
    """Experiment -> the commit that brought its record.

    Empty without git or with a history that was cut off.
    """
    return machine.last_commits(paths.root(), "book/results")


def seconds(claims: Collection[str]) -> float:
    """Processor seconds of the records that judge these claims; no dataset is read.

    Older records have seconds by the clock.
    """
    found = abouts().values()
    return sum(
        float(about["seconds"]) for about in found if set(claims) & set(about["expected"]["FULL"])
    )


def stale(module: ModuleType, record: Record) -> bool:
    """Has the code (or a version) that the cells depend on changed since the record was made?"""
    return record.about["fingerprint"] != store.fingerprint(module)


def make(module: ModuleType, shelf: store.Store, executor: Submits | None = None) -> Path:
    """Run FULL and QUICK (resumable: what is stored is not computed again) and write the record."""
    full = run(module, preset(module, "FULL"), executor, shelf)
    quick = run(module, preset(module, "QUICK"), executor, shelf)
    judged = checks_of(module, full)
    spent = _seconds(module, shelf)
    about = state(module, judged) | {
        "experiment": store.name_of(module),
        "preset": "FULL",
        "config": dataclasses.asdict(preset(module, "FULL")),
        "seconds": round(float(spent.sum()), 1),
        "cells": len(spent),
        **_here_and_now(),
        "expected": {"FULL": outcomes(judged), "QUICK": outcomes(checks_of(module, quick))},
    }
    return write(module, full.assign(seconds=("cell", spent.astype(np.float32))), about)


def _seconds(module: ModuleType, shelf: store.Store) -> np.ndarray:
    """What each cell of the FULL run took."""
    stored = [shelf.get(module, cell) for cell in runs_of(module, preset(module, "FULL"))]
    return np.array([cell.seconds if cell else np.nan for cell in stored])


def _here_and_now() -> dict[str, Any]:
    return {
        "recorded": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "commit": machine.commit(paths.root()),
        "device": machine.cpu(),
    }


def state(module: ModuleType, judged: Iterable[Check]) -> dict[str, Any]:
    """The code, the arithmetic and the criteria of today, as a record tells them."""
    return {
        "fingerprint": store.fingerprint(module),
        "versions": store.versions(),
        "arithmetic": threads.label(),
        "tiny": tiny(module),
        "criteria": criteria(judged),
    }


def write(module: ModuleType, full: xr.Dataset, told: dict[str, Any]) -> Path:
    """Both files of a record; the path of the second."""
    packed, about = _files(store.name_of(module))
    # no time stamp: the same record is the same file
    files.write(packed, gzip.compress(store.encode(full), mtime=0))
    files.write(about, (json.dumps(told, indent=1, sort_keys=True) + "\n").encode())
    return about


def criteria(checks: Iterable[Check]) -> dict[str, list[str]]:
    """Id of the check -> what it is held against, and what its control is held against."""
    return {one.name: [one.criterion, one.control.criterion] for one in checks}


def tiny(module: ModuleType) -> str:
    """Digest of every number of the TINY run.

    Two processors with the same arithmetic give the same one.
    """
    return digest(run(module, preset(module, "TINY"), progress=False))


def digest(numbers: xr.Dataset) -> str:
    """Over names, axes, types and bytes of a dataset's variables; attributes do not count."""
    found = hashlib.sha256()
    for name in sorted(map(str, numbers.data_vars)):
        found.update(_bytes(name, numbers[name]))
    return found.hexdigest()[:16]


def _bytes(name: str, variable: xr.DataArray) -> bytes:
    values = np.ascontiguousarray(variable.values)
    head = f"{name} {variable.dims} {values.shape} {values.dtype.str}\0"
    return head.encode() + values.tobytes()


def note(module: ModuleType) -> str:
    """Where the recorded run comes from, and whether it still speaks for this code."""
    name, record = store.name_of(module), load(module)
    if record is None:
        return f"{name}: no recorded run yet."
    changed = "have changed since" if stale(module, record) else "have not changed since"
    return (
        f"{name}: {_made(record.about)}; the code and the package versions it depends on {changed}."
    )


def _made(about: dict[str, Any]) -> str:
    """When a record was made, and what that took."""
    return (
        f"recorded {about['recorded']}, {about['cells']} cells that took "
        f"{about['seconds']:.0f} s one by one ({about['device']})"
    )


def outcomes(checks: list[Check]) -> Outcomes:
    """Claim -> id of the check -> its outcome.

    `holds`, `criterion not met`, `control misbehaves` or `not judged`.
    """
    found: Outcomes = {}
    for one in checks:
        found.setdefault(one.claim, {})[one.name] = one.outcome
    return found


def _files(name: str) -> tuple[Path, Path]:
    base = paths.results() / name
    return base.with_suffix(".nc.gz"), base.with_suffix(".json")
