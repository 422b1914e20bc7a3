"""Two results or two ledgers side by side: what differs, and by how much.

Results are the files of `run -o` and `sweep -o` and the committed records; ledgers are claims.json.
A value differs from another where |a - b| > atol + rtol max(|a|, |b|); two values that are no
numbers are equal. With both tolerances 0 nothing may differ.
"""

import contextlib
import dataclasses
import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from simplicity.grid import store
from simplicity.problems import Problem, shown

MOST_LINES = 40
# what a result says of itself and a reader wants to know
_LABELS = ("preset", "config", "swept", "experiment")


@dataclasses.dataclass(frozen=True)
class Tolerance:
    """How far two numbers may lie apart and count as equal."""

    rtol: float = 0.0
    atol: float = 0.0

    def __str__(self) -> str:
        return f"within |a - b| <= {self.atol:g} + {self.rtol:g} max(|a|, |b|)"

    def differ(self, one: Any, other: Any) -> np.ndarray:
        """Elementwise; of numbers with the tolerances, of anything else exactly."""
        one, other = np.asarray(one), np.asarray(other)
        if not _numbers(one, other):
            return np.asarray(one != other)
        one, other = one.astype(float), other.astype(float)
        near = self._near(one, other)
        return ~(near | (one == other) | (np.isnan(one) & np.isnan(other)))

    def _near(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Within the tolerances; an infinity is far from everything else."""
        # infinities of one sign are equal, and their difference is no number
        with np.errstate(invalid="ignore"):
            within = self.atol + self.rtol * np.maximum(np.abs(one), np.abs(other))
            near: np.ndarray = np.abs(one - other) <= within
        return near & np.isfinite(one) & np.isfinite(other)


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The differences, a line each; other settings and other code are notes and none of them."""

    differences: tuple[str, ...]
    notes: tuple[str, ...]
    compared: str


def compare(one: Path, other: Path, tolerance: Tolerance) -> Comparison:
    """Both files; a `Problem` where one cannot be read or they are of different kinds."""
    first, second = read(one), read(other)
    if isinstance(first, xr.Dataset) and isinstance(second, xr.Dataset):
        return results(first, second, tolerance)
    if isinstance(first, list) and isinstance(second, list):
        return ledgers(first, second, tolerance)
    raise Problem(f"compare: got a result and a ledger ({one}, {other}), allowed two of a kind")


def read(path: Path) -> xr.Dataset | list[dict[str, Any]]:
    """A result or a ledger; of a folder with a built site, its ledger."""
    path, content = _content(path)
    with contextlib.suppress(Exception):  # whatever a damaged file makes SciPy stumble over
        if content[:3] == b"CDF":
            return store.open_bytes(content)
        rows = json.loads(content)
        if isinstance(rows, list) and all({"id", "verdict", "checks"} <= set(row) for row in rows):
            return rows
    raise Problem(
        f"compare: got {path}, allowed a result (NetCDF-3, also gzipped) or a ledger (claims.json)"
    )


def _content(path: Path) -> tuple[Path, bytes]:
    """The file that is meant, and its bytes, unpacked."""
    try:
        path = path / "claims.json" if path.is_dir() else path
        content = path.read_bytes()
        return path, gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except (OSError, EOFError, ValueError, zlib.error) as reason:
        raise Problem(
            f"compare: got {path} ({getattr(reason, 'strerror', None) or reason}), allowed a "
            "readable file"
        ) from None


def results(one: xr.Dataset, other: xr.Dataset, tolerance: Tolerance) -> Comparison:
    """Cells are matched by their fields where these tell them apart, else by their place."""
    notes = tuple(_notes(one.attrs, other.attrs))
    lines = list(_only(one.variables, other.variables))
    one, other, lost = _matched(one, other)
    names = [name for name in one.variables if name in other.variables]
    for name in names:
        lines += _difference(name, one[name], other[name], tolerance)
    count = sum(one[name].size for name in names)
    return Comparison(tuple(lost + lines), notes, f"{count} values of {len(names)} variables")


def _notes(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    """What the results say of themselves, where that differs."""
    for name in _LABELS:
        if one.get(name) != other.get(name):
            yield f"{name}: {shown(one.get(name))} and {shown(other.get(name))}"
    if one.get("fingerprint") != other.get("fingerprint"):
        yield "the code or the versions that the cells depend on differ"


def _matched(one: xr.Dataset, other: xr.Dataset) -> tuple[xr.Dataset, xr.Dataset, list[str]]:
    """The cells that both have, in one order; and a line for those that only one of them has."""
    fields = _common_fields(one, other)
    if not fields or "swept" in one.attrs or "swept" in other.attrs:
        return one, other, []
    first, second = (
        pd.MultiIndex.from_arrays([side[name].values for name in fields], names=fields)
        for side in (one, other)
    )
    if not (first.is_unique and second.is_unique):
        return one, other, []
    both = first.intersection(second, sort=False)
    places = first.get_indexer(both), second.get_indexer(both)
    lost = _lost(first, second, "first") + _lost(second, first, "second")
    return one.isel(cell=places[0]), other.isel(cell=places[1]), lost


def _common_fields(one: xr.Dataset, other: xr.Dataset) -> list[Any]:
    return [
        name
        for name in one.coords
        if name in other.coords and one[name].dims == other[name].dims == ("cell",)
    ]


def _lost(cells: pd.MultiIndex, kept: pd.MultiIndex, which: str) -> list[str]:
    """A line for the cells that are not among those kept."""
    found = cells.difference(kept, sort=False).to_frame().to_dict("records")
    return [f"{len(found)} cells only in the {which}, the first {found[0]}"] if found else []


def _difference(
    name: Any, one: xr.DataArray, other: xr.DataArray, tolerance: Tolerance
) -> Iterator[str]:
    if one.shape != other.shape or one.dims != other.dims:
        yield f"{name}: shapes {dict(one.sizes)} and {dict(other.sizes)}"
        return
    apart = tolerance.differ(one.values, other.values)
    if apart.any():
        yield (
            f"{name}: {apart.sum()} of {apart.size} values differ"
            f"{_gap(one.values[apart], other.values[apart])}; the first at "
            f"{_values_at(tuple(np.argwhere(apart)[0].tolist()), one, other)}"
        )


def _values_at(place: tuple[int, ...], one: xr.DataArray, other: xr.DataArray) -> str:
    where = ", ".join(f"{dim} {index}" for dim, index in zip(one.dims, place, strict=True))
    return f"{where or 'the only one'}: {one.values[place]!s} and {other.values[place]!s}"


def _gap(one: np.ndarray, other: np.ndarray) -> str:
    """How far numbers lie apart, itself and relative to the larger; nothing of other values."""
    if not _numbers(one, other):
        return ""
    one, other = one.astype(float), other.astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        gaps = np.abs(one - other)
        ratios = gaps / np.maximum(np.abs(one), np.abs(other))
    return f", by {_largest(gaps)} at most (relative {_largest(ratios)})"


def _largest(values: np.ndarray) -> str:
    return "nan" if np.isnan(values).all() else f"{np.nanmax(values):.3g}"


def ledgers(
    one: list[dict[str, Any]], other: list[dict[str, Any]], tolerance: Tolerance
) -> Comparison:
    """Claim by claim: the verdict, and each check's outcome and numbers."""
    first, second = ({row["id"]: row for row in rows} for rows in (one, other))
    lines, count = list(_only(first, second)), 0
    for claim in first:
        if claim in second:
            differences = _claim(first[claim], second[claim], tolerance)
            lines += [f"{claim}: {text}" for text in differences]
            count += len(_checks(first[claim]))
    return Comparison(tuple(lines), (), f"{count} checks of {len(first)} claims")


def _checks(row: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {f"{one['preset']} {one['statistic']}": one for one in row["checks"]}


def _claim(one: Mapping[str, Any], other: Mapping[str, Any], tolerance: Tolerance) -> Iterator[str]:
    if one["verdict"] != other["verdict"]:
        yield f"verdict {one['verdict']} and {other['verdict']}"
    first, second = _checks(one), _checks(other)
    yield from _only(first, second)
    for name in first:
        if name in second:
            yield from (f"{name}: {text}" for text in _check(first[name], second[name], tolerance))


def _check(one: Mapping[str, Any], other: Mapping[str, Any], tolerance: Tolerance) -> Iterator[str]:
    for name in ("passed", "criterion", "interval_kind", "seeds"):
        if one.get(name) != other.get(name):
            yield f"{name} {one.get(name)} and {other.get(name)}"
    first, second = _measures(one), _measures(other)
    for name in first:
        yield from _measure(name, first[name], second[name], tolerance)


def _measure(name: str, a: np.ndarray, b: np.ndarray, tolerance: Tolerance) -> Iterator[str]:
    if a.shape != b.shape or tolerance.differ(a, b).any():
        gap = f" (apart by {np.abs(a - b).max():.3g})" if a.shape == b.shape else ""
        yield f"{name} {a.tolist()} and {b.tolist()}{gap}"


def _measures(check: Mapping[str, Any]) -> dict[str, np.ndarray]:
    found = {name: check.get(name) for name in ("value", "interval")}
    found["control"] = check["control"].get("value")
    return {name: np.array([] if one is None else one, float) for name, one in found.items()}


def _only(one: Any, other: Any) -> Iterator[str]:
    yield from (f"{name}: only in the first" for name in one if name not in other)
    yield from (f"{name}: only in the second" for name in other if name not in one)


def _numbers(*sides: np.ndarray) -> bool:
    return all(side.dtype.kind in "iuf" for side in sides)
