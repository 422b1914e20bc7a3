"""Committed records of full runs: `book/results/EXPERIMENT.nc.gz` beside `EXPERIMENT.json`.

The dataset is what `run` gave for the FULL preset, with the seconds of each cell. The JSON tells
how it was made (settings, versions, fingerprint, commit, device, seconds) and which outcome of
every check is expected, for FULL and for QUICK. A record is not dropped when code changes: `stale`
says so and the page shows it. A change of code that means not to change a value is carried
(`carry`): part of the cells are computed again, and the record is stamped anew where every byte is
equal.
"""

import dataclasses
import datetime
import functools
import gzip
import hashlib
import importlib.util
import json
import math
import warnings
from collections.abc import Collection, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import xarray as xr
from tqdm import tqdm

from simplicity.evidence.claims import Check
from simplicity.grid import outside, store
from simplicity.grid.groups import checks_of, preset, run_type, runs_of
from simplicity.grid.run import compute, run
from simplicity.places import paths
from simplicity.problems import Problem, no_such
from simplicity.process import machine, threads
from simplicity.process.pool import Submits

Outcomes = dict[str, dict[str, str]]
KIND_SECONDS = 60.0
CARRIED = 0.1  # of the cells, the cheapest, are computed again before a record is carried


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
    files = sorted(found, key=lambda path: path.stem)
    return {path.stem: f"{package}.{path.parts[-3]}.experiments.{path.stem}" for path in files}


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
    dataset, about = _files(module)
    if not dataset.is_file() or not about.is_file():
        return None
    told = json.loads(about.read_text("utf-8"))
    numbers = store.open_bytes(gzip.decompress(dataset.read_bytes()))
    return Record(numbers.assign_attrs(fingerprint=told["fingerprint"]), told)


def source(name: str) -> Path:
    """The file of an experiment, which need not be imported for that."""
    found = importlib.util.find_spec(_modules()[name])
    assert found is not None and found.origin is not None
    return Path(found.origin)


def content(name: str) -> bytes | None:
    """The bytes of the committed run, or None where there is none yet."""
    dataset, about = _files_of(name)
    return dataset.read_bytes() if dataset.is_file() and about.is_file() else None


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
    stored = [shelf.get(module, cell) for cell in runs_of(module, preset(module, "FULL"))]
    seconds = np.array([cell.seconds if cell else np.nan for cell in stored])
    content = {
        "experiment": store.name_of(module),
        "preset": "FULL",
        "config": dataclasses.asdict(preset(module, "FULL")),
        "fingerprint": store.fingerprint(module),
        "versions": store.versions(),
        "seconds": round(float(seconds.sum()), 1),
        "cells": len(seconds),
        "recorded": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "commit": machine.commit(paths.root()),
        "device": machine.cpu(),
        "arithmetic": threads.label(),
        "tiny": tiny(module),
        "criteria": criteria(checks_of(module, full)),
        "expected": {
            "FULL": outcomes(checks_of(module, full)),
            "QUICK": outcomes(checks_of(module, quick)),
        },
    }
    return _write(module, full.assign(seconds=("cell", seconds.astype(np.float32))), content)


def _write(module: ModuleType, full: xr.Dataset, content: dict[str, Any]) -> Path:
    dataset, about = _files(module)
    # no time stamp: the same record is the same file
    packed = gzip.compress(store.encode(full), mtime=0)
    store.write_atomically(dataset, packed)
    store.write_atomically(about, (json.dumps(content, indent=1, sort_keys=True) + "\n").encode())
    return about


def carry(module: ModuleType, share: float = CARRIED, progress: bool = True) -> Path:
    """Stamp a record with today's code and arithmetic.

    Only if its cheapest cells come out again to the last bit.

    Computed are the cheapest `share` of the cells and the cheapest of each kind (`cheapest`).
    Raises `Problem` where a value differs, or where a criterion is another than when the record was
    made; then the record stays as it is.
    """
    record = load(module)
    if record is None:
        raise Problem(f"{store.name_of(module)}: got no record, allowed one to carry")
    judged = checks_of(module, record.dataset)
    for check in changed_criteria(record, judged):
        raise Problem(
            f"{store.name_of(module)}: got another criterion of {check} than its record was made "
            "for, allowed the same one;"
            " record it anew, on seeds that were not used before"
        )
    again = cheapest(record, share)
    for index in tqdm(again, desc=store.name_of(module), disable=not progress, unit="cell"):
        different = unequal(recomputed(module, record, index), record.dataset.isel(cell=index))
        if different:
            raise Problem(
                f"{store.name_of(module)}: cell {index} differs from its record in "
                f"{', '.join(different)},"
                " allowed equal bytes; record it anew"
            )
    stamp = {
        "fingerprint": store.fingerprint(module),
        "versions": store.versions(),
        "arithmetic": threads.label(),
        "tiny": tiny(module),
        "criteria": criteria(judged),
        "expected": {"FULL": outcomes(judged), "QUICK": _quick_outcomes(module, record)},
        "carried": {"cells": len(again), "commit": machine.commit(paths.root())},
    }
    return _write(
        module, record.dataset.assign_attrs(fingerprint=stamp["fingerprint"]), record.about | stamp
    )


def _quick_outcomes(module: ModuleType, record: Record) -> Outcomes:
    """Those of the record, unless a check is new or has another name now.

    Then the QUICK run is made again.
    """
    before = record.expected["QUICK"]
    names = {name for claim in before.values() for name in claim}
    if names == {one.name for one in checks_of(module, record.dataset)}:
        return before
    return outcomes(checks_of(module, run(module, preset(module, "QUICK"), progress=False)))


def criteria(checks: Iterable[Check]) -> dict[str, list[str]]:
    """Id of the check -> what it is held against, and what its control is held against."""
    return {one.name: [one.criterion, one.control.criterion] for one in checks}


def changed_criteria(record: Record, checks: Iterable[Check]) -> list[str]:
    """The checks that are held against something else than when the record was made."""
    before = record.about.get("criteria", {})
    return [name for name, now in criteria(checks).items() if before.get(name, now) != now]


def recomputed(module: ModuleType, record: Record, index: int) -> xr.Dataset:
    """One cell of a record, computed by the code and the arithmetic of today."""
    kind = run_type(module)
    cell = record.dataset.isel(cell=index)
    values = {field.name: cell[field.name].item() for field in dataclasses.fields(kind)}
    return store.open_bytes(compute(module.__name__, kind(**values))[0])


def tiny(module: ModuleType) -> str:
    """Digest of every number of the TINY run.

    Two processors with the same arithmetic give the same one.
    """
    return digest(run(module, preset(module, "TINY"), progress=False))


def digest(dataset: xr.Dataset) -> str:
    """Over names, axes, types and bytes of a dataset's variables; attributes do not count."""
    found = hashlib.sha256()
    for name in sorted(map(str, dataset.data_vars)):
        values = np.ascontiguousarray(dataset[name].values)
        found.update(f"{name} {dataset[name].dims} {values.shape} {values.dtype.str}\0".encode())
        found.update(values.tobytes())
    return found.hexdigest()[:16]


def cheapest(record: Record, share: float) -> list[int]:
    """The cheapest `share` of a record's cells, those of `cheap`, and the cheapest of each kind.

    Cells are of one kind where their fields that are words or truth values agree: a network's name,
    a target, a variant. A kind whose cheapest cell takes more than `KIND_SECONDS` is left out.
    """
    dataset, seconds = record.dataset, record.dataset["seconds"].values
    order = np.argsort(seconds, kind="stable")
    fields = [
        name
        for name in dataset.coords
        if dataset[name].dims == ("cell",) and dataset[name].dtype.kind not in "iuf"
    ]
    kinds: dict[tuple[Any, ...], int] = {}
    for index in order:
        kinds.setdefault(tuple(dataset[name].values[index] for name in fields), int(index))
    few = {int(index) for index in order[: math.ceil(share * len(seconds))]}
    affordable = {index for index in kinds.values() if seconds[index] <= KIND_SECONDS}
    return sorted(few | set(cheap(record)) | affordable)


def cheap(record: Record) -> list[int]:
    """The cheapest cell of all, and the cheapest of those that trained."""
    seconds = record.dataset["seconds"].values
    trained = np.ones(len(seconds), dtype=bool)
    if "stopped_at" in record.dataset:
        stopped = record.dataset["stopped_at"].values.reshape(len(seconds), -1).max(axis=1)
        trained = stopped > 0
    return sorted({int(np.argmin(seconds)), int(np.argmin(np.where(trained, seconds, np.inf)))})


def unequal(one: xr.Dataset, other: xr.Dataset) -> list[str]:
    """The variables of `one` that `other` lacks or holds with another bit; NaN equals NaN."""
    return [
        str(name)
        for name in one.data_vars
        if name not in other
        or not np.array_equal(one[name].values, other[name].values, equal_nan=_numeric(one[name]))
    ]


def far(one: xr.Dataset, record: Record, index: int) -> list[str]:
    """The variables in which `one` is too far from cell `index` of the record.

    That is further than the record's seeds are from each other.

    For a cell that another arithmetic computed: rounding may move a value, and chaos may amplify
    that, but not past what another seed does. Seeds are the cells that differ from `index` in their
    seed alone, or where there are none all cells. A value that is the same for every seed may move
    by 1e-6 of the largest in its variable.
    """
    group = record.dataset.isel(cell=_siblings(record.dataset, index))
    found = []
    for name in one.data_vars:
        values, before = (
            np.asarray(part[name].values) for part in (one, record.dataset.isel(cell=index))
        )
        if not _numeric(one[name]) and values.dtype.kind not in "iu":
            found += [str(name)] if not np.array_equal(values, before) else []
            continue
        seeds = group[name].values.astype(float)
        with np.errstate(invalid="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a column of NaN has no spread
            spread = np.nan_to_num(np.nanmax(seeds, axis=0) - np.nanmin(seeds, axis=0))
            largest = np.nan_to_num(np.nanmax(np.abs(seeds)))
            moved = np.abs(values.astype(float) - before) > np.maximum(spread, 1e-6 * largest)
        if (
            moved.any()
            or (np.isnan(seeds).any(axis=0) < (np.isnan(values) != np.isnan(before))).any()
        ):
            found.append(str(name))
    return found


def replaced(record: Record, index: int, one: xr.Dataset) -> xr.Dataset:
    """The record's dataset with the values of `one` in the place of cell `index`."""
    found = record.dataset.copy(deep=True)
    for name in one.data_vars:
        found[name].values[index] = one[name].values
    return found


def _siblings(dataset: xr.Dataset, index: int) -> np.ndarray:
    """Places of the cells with the same fields but for the seed.

    Of all cells where there is only one.
    """
    fields = [name for name in dataset.coords if dataset[name].dims == ("cell",) and name != "seed"]
    same = np.all([dataset[name].values == dataset[name].values[index] for name in fields], axis=0)
    same = np.broadcast_to(same, dataset.sizes["cell"])
    return np.flatnonzero(same if same.sum() > 1 else np.ones_like(same))


def _numeric(values: xr.DataArray) -> bool:
    return values.dtype.kind == "f"


def note(module: ModuleType) -> str:
    """Where the recorded run comes from, and whether it still speaks for this code."""
    name, record = store.name_of(module), load(module)
    if record is None:
        return f"{name}: no recorded run yet."
    about = record.about
    state = "have changed since" if stale(module, record) else "have not changed since"
    return (
        f"{name}: recorded {about['recorded']}, {about['cells']} cells that took "
        f"{about['seconds']:.0f} s one by one"
        f" ({about['device']}); the code and the package versions it depends on {state}."
    )


def outcomes(checks: list[Check]) -> Outcomes:
    """Claim -> id of the check -> its outcome.

    `holds`, `criterion not met`, `control misbehaves` or `not judged`.
    """
    found: Outcomes = {}
    for one in checks:
        found.setdefault(one.claim, {})[one.name] = one.outcome
    return found


def _files(module: ModuleType) -> tuple[Path, Path]:
    return _files_of(store.name_of(module))


def _files_of(name: str) -> tuple[Path, Path]:
    base = paths.results() / name
    return base.with_suffix(".nc.gz"), base.with_suffix(".json")
