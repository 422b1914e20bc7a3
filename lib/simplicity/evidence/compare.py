"""Two results or two ledgers side by side: what differs, and by how much.

Results are the files of `run -o` and `sweep -o` and the committed records; ledgers are claims.json.
A value differs from another where |a - b| > atol + rtol max(|a|, |b|); two values that are no
numbers are equal. With both tolerances 0 nothing may differ.
"""

import dataclasses
import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
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

    def differ(self, one: Any, other: Any) -> np.ndarray:
        """Elementwise; of numbers with the tolerances, of anything else exactly."""
        one, other = np.asarray(one), np.asarray(other)
        if one.dtype.kind not in "iuf" or other.dtype.kind not in "iuf":
            return np.asarray(one != other)
        one, other = one.astype(float), other.astype(float)
        # infinities of one sign are equal, and their difference is no number
        with np.errstate(invalid="ignore"):
            near = np.abs(one - other) <= self.atol + self.rtol * np.maximum(
                np.abs(one), np.abs(other)
            )
        near &= np.isfinite(one) & np.isfinite(other)  # an infinity is far from everything else
        return ~(near | (one == other) | (np.isnan(one) & np.isnan(other)))


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The differences, a line each, and what was found besides without being one.

    Other settings and other code are none.
    """

    differences: tuple[str, ...]
    notes: tuple[str, ...]
    compared: str


def compare(one: Path, other: Path, tolerance: Tolerance) -> Comparison:
    """Read both files and hold them side by side.

    `Problem` where one cannot be read or they are of different kinds.
    """
    first, second = read(one), read(other)
    if isinstance(first, xr.Dataset) and isinstance(second, xr.Dataset):
        return results(first, second, tolerance)
    if isinstance(first, list) and isinstance(second, list):
        return ledgers(first, second, tolerance)
    raise Problem(f"compare: got a result and a ledger ({one}, {other}), allowed two of a kind")


def read(path: Path) -> xr.Dataset | list[dict[str, Any]]:
    """A result or a ledger; of a folder with a built site, its ledger."""
    try:
        path = path / "claims.json" if path.is_dir() else path
        content = path.read_bytes()
        content = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except (OSError, EOFError, ValueError, zlib.error) as reason:
        raise Problem(
            f"compare: got {path} ({getattr(reason, 'strerror', None) or reason}), allowed a "
            "readable file"
        ) from None
    try:
        if content[:3] == b"CDF":
            return store.open_bytes(content)
        rows = json.loads(content)
        if isinstance(rows, list) and all({"id", "verdict", "checks"} <= set(row) for row in rows):
            return rows
    except Exception:  # SciPy raises whatever a damaged file makes it stumble over
        pass
    raise Problem(
        f"compare: got {path}, allowed a result (NetCDF-3, also gzipped) or a ledger (claims.json)"
    )


def results(one: xr.Dataset, other: xr.Dataset, tolerance: Tolerance) -> Comparison:
    """Cells are matched by their fields where these tell them apart, else by their place."""
    notes = [
        f"{name}: {shown(one.attrs.get(name))} and {shown(other.attrs.get(name))}"
        for name in _LABELS
        if one.attrs.get(name) != other.attrs.get(name)
    ]
    if one.attrs.get("fingerprint") != other.attrs.get("fingerprint"):
        notes.append("the code or the versions that the cells depend on differ")
    lines = [
        f"{name}: only in the {which}" for name, which in _only(one.variables, other.variables)
    ]
    one, other, lost = _matched(one, other)
    names = [name for name in one.variables if name in other.variables]
    count = 0
    for name in names:
        count += one[name].size
        line = _difference(name, one[name], other[name], tolerance)
        lines += [line] if line else []
    return Comparison(
        tuple(lost + lines), tuple(notes), f"{count} values of {len(names)} variables"
    )


def _matched(one: xr.Dataset, other: xr.Dataset) -> tuple[xr.Dataset, xr.Dataset, list[str]]:
    fields = [
        name
        for name in one.coords
        if name in other.coords and one[name].dims == other[name].dims == ("cell",)
    ]
    if not fields or "swept" in one.attrs or "swept" in other.attrs:
        return one, other, []
    cells = [
        list(zip(*(side[name].values.tolist() for name in fields), strict=True))
        for side in (one, other)
    ]
    if any(len(set(side)) < len(side) for side in cells):
        return one, other, []
    places = [{cell: place for place, cell in enumerate(side)} for side in cells]
    both = [cell for cell in cells[0] if cell in places[1]]
    lost = [
        f"{len(mine)} cells only in the {which}, the first "
        f"{dict(zip(fields, mine[0], strict=True))}"
        for which, mine in (
            ("first", [cell for cell in cells[0] if cell not in places[1]]),
            ("second", [cell for cell in cells[1] if cell not in places[0]]),
        )
        if mine
    ]
    return (
        one.isel(cell=[places[0][cell] for cell in both]),
        other.isel(cell=[places[1][cell] for cell in both]),
        lost,
    )


def _difference(name: Any, one: xr.DataArray, other: xr.DataArray, tolerance: Tolerance) -> str:
    if one.shape != other.shape or one.dims != other.dims:
        return f"{name}: shapes {dict(one.sizes)} and {dict(other.sizes)}"
    apart = tolerance.differ(one.values, other.values)
    if not apart.any():
        return ""
    place = tuple(int(index) for index in np.argwhere(apart)[0])
    where = ", ".join(f"{dim} {index}" for dim, index in zip(one.dims, place, strict=True))
    text = f"{name}: {int(apart.sum())} of {apart.size} values differ"
    if one.dtype.kind in "iuf" and other.dtype.kind in "iuf":
        a, b = one.values.astype(float)[apart], other.values.astype(float)[apart]
        with np.errstate(invalid="ignore", divide="ignore"):
            gaps = np.abs(a - b)
            ratios = gaps / np.maximum(np.abs(a), np.abs(b))
        text += f", by {_largest(gaps)} at most (relative {_largest(ratios)})"
    return (
        f"{text}; the first at {where or 'the only one'}: "
        f"{one.values[place]!s} and {other.values[place]!s}"
    )


def _largest(values: np.ndarray) -> str:
    return "nan" if np.isnan(values).all() else f"{np.nanmax(values):.3g}"


def ledgers(
    one: list[dict[str, Any]], other: list[dict[str, Any]], tolerance: Tolerance
) -> Comparison:
    """Claim by claim: the verdict, and each check's outcome and numbers."""
    first, second = ({row["id"]: row for row in rows} for rows in (one, other))
    lines = [f"{claim}: only in the {which}" for claim, which in _only(first, second)]
    checks = 0
    for claim in (claim for claim in first if claim in second):
        a, b = first[claim], second[claim]
        if a["verdict"] != b["verdict"]:
            lines.append(f"{claim}: verdict {a['verdict']} and {b['verdict']}")
        mine, theirs = ({(c["preset"], c["statistic"]): c for c in row["checks"]} for row in (a, b))
        checks += len(mine)
        lines += [
            f"{claim}: {' '.join(key)}: only in the {which}" for key, which in _only(mine, theirs)
        ]
        for key in (key for key in mine if key in theirs):
            lines += [
                f"{claim}: {' '.join(key)}: {text}"
                for text in _check(mine[key], theirs[key], tolerance)
            ]
    return Comparison(tuple(lines), (), f"{checks} checks of {len(first)} claims")


def _check(one: Mapping[str, Any], other: Mapping[str, Any], tolerance: Tolerance) -> Iterator[str]:
    for name in ("passed", "criterion", "interval_kind", "seeds"):
        if one.get(name) != other.get(name):
            yield f"{name} {one.get(name)} and {other.get(name)}"
    for name, a, b in (
        ("value", one.get("value"), other.get("value")),
        ("interval", one.get("interval"), other.get("interval")),
        ("control", one["control"].get("value"), other["control"].get("value")),
    ):
        a, b = (np.asarray([] if side is None else side, dtype=float) for side in (a, b))
        if a.shape != b.shape or tolerance.differ(a, b).any():
            gap = f" (apart by {np.abs(a - b).max():.3g})" if a.shape == b.shape else ""
            yield f"{name} {a.tolist()} and {b.tolist()}{gap}"


def _only(one: Any, other: Any) -> Iterator[tuple[Any, str]]:
    yield from ((name, "first") for name in one if name not in other)
    yield from ((name, "second") for name in other if name not in one)
