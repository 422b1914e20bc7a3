"""Checks as rows of plain values, as the ledger and the pages keep them in JSON."""

import math
from dataclasses import asdict
from typing import Any

import numpy as np

from simplicity.evidence.claims import Check, Control


def row_of(check: Check) -> dict[str, Any]:
    """Plain values for JSON; numbers that JSON does not know become null."""
    row = _plain(asdict(check)) | {"margin": _plain(check.margin)}
    unused = {"value", "criterion", "passed", "slack", "band"} if check.control.why else {"why"}
    row["control"] = {name: value for name, value in row["control"].items() if name not in unused}
    return row


def from_row(row: dict[str, Any]) -> Check:
    """The inverse of `row_of`."""
    given = {name: value for name, value in row.items() if name != "margin"}
    given["value"] = math.nan if row["value"] is None else row["value"]
    for name in ("interval", "band"):
        given[name] = _pair(row.get(name))
    return Check(**(given | {"control": _control(row["control"])}))


def _control(row: dict[str, Any]) -> Control:
    return Control(**(row | {"band": _pair(row["band"])} if "band" in row else row))


def _pair(values: Any) -> Any:
    return None if values is None else (values[0], values[1])


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
