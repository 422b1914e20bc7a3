"""What the executed chapters say: evidence in their outputs, ledger rows made from it, files beside
the site.
"""

import csv
import dataclasses
import hashlib
import io
import itertools
import json
from pathlib import Path
from typing import Any

from simplicity.evidence import ledger
from simplicity.places import files
from simplicity.site import build

Row = dict[str, Any]
Payload = dict[str, Any]
FILES = ("claims.json", "claims.schema.json", "checks.csv", "provenance.json")
SCHEMA = Path(ledger.__file__).with_name("claims.schema.json")
COLUMNS = (
    "claim", "paper", "kind", "source", "verdict", "id", "preset", "statistic", "value", "low",
    "high", "seeds", "criterion", "passed", "control", "control_value", "control_criterion",
    "control_passed",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class State:
    """One build's evidence; the directives and the pages read it, nothing changes it."""

    rows: dict[str, Row]  # claim id -> row, in the order of claims.csv
    runs: dict[str, dict[str, Any]]  # chapter -> provenance of its run
    payloads: dict[str, list[Payload]]  # chapter -> its evidence
    pages: frozenset[str]  # document names in the table of contents


def state_of(env: Any) -> State:
    """The evidence of the build that has this Sphinx environment."""
    state: State = env.simplicity
    return state


def collect(root: Path) -> State:
    """What the executed chapters of the book say, and the ledger made from it."""
    entries = {chapter: build.run_of(root, chapter) for chapter in build.chapters(root)}
    runs = {chapter: entry["provenance"] for chapter, entry in entries.items() if entry is not None}
    payloads = {chapter: payloads_of(build.executed(root, chapter)) for chapter in runs}
    rows = ledger.rows(list(itertools.chain.from_iterable(payloads.values())))
    return State({row["id"]: row for row in rows}, runs, payloads, frozenset(build.toc(root)))


def payloads_of(notebook: Any) -> list[Payload]:
    """The evidence in the outputs of an executed notebook."""
    found = (output.get("data", {}) for output in build.outputs(notebook))
    return [data[ledger.MIME] for data in found if ledger.MIME in data]


def canonical(value: Any) -> str:
    """The same text for the same content, whatever order it was made in."""
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def digest(state: State) -> str:
    """Changes with everything that any page could show of the evidence."""
    shown = [list(state.rows.values()), state.runs, sorted(state.pages)]
    return hashlib.sha256(canonical(shown).encode()).hexdigest()


def write(state: State, folder: Path) -> None:
    """Write the ledger, its schema, the table of checks and the provenance into `folder`."""
    rows = list(state.rows.values())
    texts = (canonical(rows), SCHEMA.read_text("utf-8"), table(rows), canonical(state.runs))
    for name, text in zip(FILES, texts, strict=True):
        files.write_text(folder / name, text)


def table(rows: list[Row]) -> str:
    """CSV with a line a check."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(_line(row, check) for row in rows for check in row["checks"])
    return text.getvalue()


def _line(row: Row, check: dict[str, Any]) -> dict[str, Any]:
    about = {name: row.get(name) for name in ("paper", "kind", "source", "verdict")}
    low, high = check["interval"] or (None, None)
    against = {f"control_{name}": value for name, value in check["control"].items()}
    own = {"low": low, "high": high, "control": check["control"]["what"]}
    return check | about | against | own


def remove(folder: Path) -> None:
    """While a build runs, and after one that failed, no file speaks for the site."""
    for name in FILES:
        (folder / name).unlink(missing_ok=True)
