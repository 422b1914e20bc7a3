"""Cells of a record computed again: how near they come, and which are computed.

A change of code that means not to change a value is carried (`carry`): part of the cells are
computed again, and the record is stamped anew where every byte is equal.
"""

import dataclasses
import math
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import xarray as xr
from tqdm import tqdm

from simplicity.evidence import records
from simplicity.evidence.claims import Check
from simplicity.evidence.records import Record
from simplicity.grid import store
from simplicity.grid.groups import checks_of, preset, run_type
from simplicity.grid.run import compute, run
from simplicity.places import paths
from simplicity.problems import Problem
from simplicity.process import machine

KIND_SECONDS = 60.0
CARRIED = 0.1  # of the cells, the cheapest, are computed again before a record is carried


def carry(module: ModuleType, share: float = CARRIED, progress: bool = True) -> Path:
    """Stamp a record with today's code and arithmetic if its `cheapest` cells come out again.

    Raises `Problem` where a bit differs, or where a criterion is another than when the record was
    made; then the record stays as it is.
    """
    name, record = store.name_of(module), records.load(module)
    if record is None:
        raise Problem(f"{name}: got no record, allowed one to carry")
    judged = checks_of(module, record.dataset)
    _refuse_other_criteria(name, changed_criteria(record, judged))
    again = cheapest(record, share)
    for index in tqdm(again, desc=name, disable=not progress, unit="cell"):
        _refuse_other_bytes(module, record, index)
    stamp = records.state(module, judged) | {
        "expected": {"FULL": records.outcomes(judged), "QUICK": _quick_outcomes(module, record)},
        "carried": {"cells": len(again), "commit": machine.commit(paths.root())},
    }
    stamped = record.dataset.assign_attrs(fingerprint=stamp["fingerprint"])
    return records.write(module, stamped, record.about | stamp)


def _refuse_other_criteria(name: str, changed: Sequence[str]) -> None:
    """A `Problem` where there is such a check; it names the first."""
    if changed:
        raise Problem(
            f"{name}: got another criterion of {changed[0]} than its record was made for, allowed "
            "the same one; record it anew, on seeds that were not used before"
        )


def _refuse_other_bytes(module: ModuleType, record: Record, index: int) -> None:
    """A `Problem` where a cell is not what was recorded."""
    different = unequal(one_cell(module, record, index), record.dataset.isel(cell=index))
    if different:
        raise Problem(
            f"{store.name_of(module)}: cell {index} differs from its record in "
            f"{', '.join(different)}, allowed equal bytes; record it anew"
        )


def _quick_outcomes(module: ModuleType, record: Record) -> records.Outcomes:
    """Those of the record, unless a check is new or has another name now.

    Then the QUICK run is made again.
    """
    before = record.expected["QUICK"]
    names = {name for claim in before.values() for name in claim}
    if names == {one.name for one in checks_of(module, record.dataset)}:
        return before
    return records.outcomes(checks_of(module, run(module, preset(module, "QUICK"), progress=False)))


def changed_criteria(record: Record, checks: Iterable[Check]) -> list[str]:
    """The checks that are held against something else than when the record was made."""
    before = record.about.get("criteria", {})
    return [name for name, now in records.criteria(checks).items() if before.get(name, now) != now]


def one_cell(module: ModuleType, record: Record, index: int) -> xr.Dataset:
    """One cell of a record, computed by the code and the arithmetic of today."""
    kind = run_type(module)
    cell = record.dataset.isel(cell=index)
    values = {field.name: cell[field.name].item() for field in dataclasses.fields(kind)}
    return store.open_bytes(compute(module.__name__, kind(**values))[0])


def cheapest(record: Record, share: float) -> list[int]:
    """The cheapest `share` of a record's cells, those of `cheap`, and the cheapest of each kind.

    Cells are of one kind where their fields that are words or truth values agree: a network's name,
    a target, a variant. A kind whose cheapest cell takes more than `KIND_SECONDS` is left out.
    """
    seconds = record.dataset["seconds"].values
    order = np.argsort(seconds, kind="stable")
    few = {int(index) for index in order[: math.ceil(share * len(seconds))]}
    kinds = _first_of_kinds(record.dataset, order)
    affordable = {index for index in kinds if seconds[index] <= KIND_SECONDS}
    return sorted(few | set(cheap(record)) | affordable)


def _first_of_kinds(dataset: xr.Dataset, order: np.ndarray) -> list[int]:
    """The cell of each kind that comes first in an order."""
    fields = [
        dataset[name].values
        for name in dataset.coords
        if dataset[name].dims == ("cell",) and dataset[name].dtype.kind not in "iuf"
    ]
    kinds: dict[tuple[Any, ...], int] = {}
    for index in order:
        kinds.setdefault(tuple(values[index] for values in fields), int(index))
    return list(kinds.values())


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
        for name, values in one.data_vars.items()
        if name not in other or not values.variable.equals(other[name].variable)
    ]


def far(one: xr.Dataset, record: Record, index: int) -> list[str]:
    """The variables in which `one` is further from cell `index` of the record than seeds are apart.

    For a cell that another arithmetic computed: rounding may move a value, and chaos may amplify
    that, but not past what another seed does. Seeds are the cells that differ from `index` in their
    seed alone, or where there are none all cells. A value that is the same for every seed may move
    by 1e-6 of the largest in its variable.
    """
    group = record.dataset.isel(cell=siblings(record.dataset, index))
    before = record.dataset.isel(cell=index)
    return [
        str(name)
        for name, values in one.data_vars.items()
        if _is_far(values.values, before[name].values, group[name].values)
    ]


def _is_far(values: np.ndarray, before: np.ndarray, seeds: np.ndarray) -> bool:
    if values.dtype.kind not in "iuf":
        return not np.array_equal(values, before)
    values, before, seeds = (part.astype(float) for part in (values, before, seeds))
    with np.errstate(invalid="ignore"):
        moved = np.abs(values - before) > _allowed(seeds)
    defined = ~np.isnan(seeds).any(axis=0)
    return bool((moved | (defined & (np.isnan(values) != np.isnan(before)))).any())


def _allowed(seeds: np.ndarray) -> np.ndarray:
    """How far a value may move: as far as seeds are apart, or by 1e-6 of the largest."""
    with np.errstate(invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a column of NaN has no spread
        spread = np.nan_to_num(np.nanmax(seeds, axis=0) - np.nanmin(seeds, axis=0))
        largest = np.nan_to_num(np.nanmax(np.abs(seeds)))
    return np.maximum(spread, 1e-6 * largest)


def replaced(record: Record, index: int, one: xr.Dataset) -> xr.Dataset:
    """The record's dataset with the values of `one` in the place of cell `index`."""
    found = record.dataset.copy(deep=True)
    for name in one.data_vars:
        found[name].values[index] = one[name].values
    return found


def siblings(dataset: xr.Dataset, index: int) -> np.ndarray:
    """Places of the cells with the same fields but for the seed.

    Of all cells where there is only one.
    """
    fields = [name for name in dataset.coords if dataset[name].dims == ("cell",) and name != "seed"]
    same = np.all([dataset[name].values == dataset[name].values[index] for name in fields], axis=0)
    same = np.broadcast_to(same, dataset.sizes["cell"])
    return np.flatnonzero(same if same.sum() > 1 else np.ones_like(same))
