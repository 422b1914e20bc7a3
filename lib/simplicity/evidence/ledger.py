"""The ledger: every claim of claims.csv with its verdict; a chapter's judgement of its runs.

A claim's verdict comes from its FULL checks, applied anew at each build to the committed records;
the fresh QUICK checks stand beside them. The evidence travels in the outputs of executed notebooks
under the type `MIME`.
"""

import contextlib
import csv
import dataclasses
import functools
import hashlib
import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import xarray as xr

from simplicity.evidence import check_rows, claim_verdicts, records
from simplicity.evidence.claim_verdicts import Verdict
from simplicity.evidence.claims import Check
from simplicity.grid import store
from simplicity.grid.groups import checks_of
from simplicity.grid.run import default_store
from simplicity.places import files, paths
from simplicity.problems import Problem
from simplicity.process import threads

MIME = "application/vnd.simplicity.checks+json"
# columns of claims.csv that a claim may leave empty
FURTHER = ("old_id", "where", "source", "kind", "short", "why")
OWN = ("own question", "identity")  # kinds of claims that are not counted among the papers'
SIGNS = {
    claim_verdicts.HOLDS: "✓",
    claim_verdicts.IN_PART: "◐",
    claim_verdicts.FAILS: "✗",
    claim_verdicts.NOT_TESTABLE: "∅",
    claim_verdicts.PENDING: "…",
}


def rows(payloads: Sequence[dict[str, Any]] = ()) -> list[dict[str, Any]]:
    """One plain object for each id of claims.csv, in its order.

    `payloads` are those of executed chapters.
    """
    fresh = [check_rows.from_row(row) for payload in payloads for row in payload["checks"]]
    papers = {row.pop("id"): row for row in _table("paper_values.csv")}
    abouts = records.abouts()
    found = []
    for row in _table("claims.csv"):
        recorded = [one for one in full_checks() if one.claim == row["id"]]
        quick = [one for one in fresh if one.claim == row["id"]]
        judged = _judged(recorded, quick)
        verdict = claim_verdicts.verdict(row["id"], judged) if judged else None
        found.append(
            {name: row[name] for name in ("id", "paper", "chapter", "claim")}
            | {"own": row["kind"] in OWN, "unit": "seed"}
            | {name: row[name] for name in FURTHER if row.get(name)}
            | {
                "verdict": verdict.verdict if verdict else claim_verdicts.PENDING,
                "reason": verdict.reason if verdict else "not done yet",
                "checks": [check_rows.row_of(one) for one in recorded + quick],
                "records": _records(row["id"], abouts),
                "paper_value": papers.get(row["id"], {"text": "", "provenance": "none"}),
            }
        )
    return found


def _records(claim: str, abouts: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """The recorded runs that judge a claim: when, first seed, code and criteria."""
    found = []
    for name, about in abouts.items():
        if claim in about["expected"]["FULL"]:
            kept = {
                field: about.get(field)
                for field in ("experiment", "cells", "recorded", "seconds", "arithmetic")
            }
            commits = {
                "criterion_commit": about["commit"],
                "record_commit": records.commits().get(name),
            }
            found.append(kept | {"first_seed": about["config"].get("first_seed", 0)} | commits)
    return found


def ids() -> list[str]:
    """The ids of all claims, in the order of claims.csv."""
    return [row["id"] for row in _table("claims.csv")]


def former_ids() -> dict[str, str]:
    """Id that a claim once had -> the one it has."""
    return {row["old_id"]: row["id"] for row in _table("claims.csv") if row.get("old_id")}


def _judged(recorded: Sequence[Check], fresh: Sequence[Check]) -> list[Check]:
    """The recorded checks, and a fresh one only where no record has it.

    A claim may have several experiments.
    """
    known = {one.name for one in recorded}
    return [*recorded, *(one for one in fresh if one.name not in known)]


def full_checks() -> list[Check]:
    """`checks` of every experiment applied to its committed record."""
    found: list[Check] = []
    for name in records.names():
        found += _full_checks(name)
    return found


@functools.cache
def _full_checks(name: str) -> tuple[Check, ...]:
    """Checks of a record take up to two seconds, so they are kept beside the finished cells."""
    content = records.content(name)
    if content is None:
        return ()
    kept = default_store() / "judged" / f"{name}.json"
    parts = [
        hashlib.sha256(content).hexdigest(),
        threads.code_digest(records.source(name)),
        threads.label(),
        store.versions(),
    ]
    key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    found = _kept(kept, key)
    if found is None:
        found = _applied(records.experiment(name))
        # a folder that cannot be written costs the seconds again, nothing else
        with contextlib.suppress(Problem):
            files.write_text(
                kept, json.dumps({"key": key, "checks": [check_rows.row_of(one) for one in found]})
            )
    return found


def _kept(path: Path, key: str) -> tuple[Check, ...] | None:
    try:
        found = json.loads(path.read_text("utf-8"))
        return (
            tuple(check_rows.from_row(row) for row in found["checks"])
            if found["key"] == key
            else None
        )
    except (OSError, ValueError, KeyError, TypeError):  # none yet, or a damaged one
        return None


def _applied(module: ModuleType) -> tuple[Check, ...]:
    record = records.load(module)
    try:
        return tuple(checks_of(module, record.dataset)) if record else ()
    # what the criteria speak of was not measured yet when the record was made
    except KeyError as missing:
        name = store.name_of(module)
        raise Problem(
            f"record of {name}: got none of {missing}, allowed one made anew by "
            f"`simplicity record {name}`"
        ) from None


@dataclasses.dataclass(frozen=True)
class Judgement:
    """A chapter's fresh checks beside those of the records.

    It is displayed as a table that carries its evidence.
    """

    runs: tuple[xr.Dataset, ...]
    fresh: tuple[Check, ...]
    recorded: tuple[Check, ...]

    @property
    def presets(self) -> list[str]:
        return sorted({str(dataset.attrs["preset"]) for dataset in self.runs})

    def verdicts(self) -> list[Verdict]:
        """From the FULL checks where there are any, in the order of claims.csv."""
        order = ids()
        found = []
        for claim in sorted({one.claim for one in self.fresh + self.recorded}, key=order.index):
            recorded = [one for one in self.recorded if one.claim == claim]
            found.append(
                claim_verdicts.verdict(
                    claim, _judged(recorded, [one for one in self.fresh if one.claim == claim])
                )
            )
        return found

    def assert_expected(self) -> str:
        """Every outcome is the one committed beside the record.

        With parameters other than a preset's nothing is asserted.
        """
        if not set(self.presets) <= {"QUICK", "FULL"}:
            return (
                "Other parameters than the published ones: the verdicts above are shown, "
                "nothing is asserted."
            )
        for dataset in self.runs:
            name, preset = str(dataset.attrs["experiment"]), str(dataset.attrs["preset"])
            record = records.load(records.experiment(name))
            if record is None:
                raise AssertionError(
                    f"{name}: no record to expect anything of; run `simplicity record {name}`"
                )
            module = records.experiment(name)
            for label, data in ((preset, dataset), ("FULL", record.dataset)):
                _compare(
                    name, label, records.outcomes(checks_of(module, data)), record.expected[label]
                )
        return "Every check of this page came out as committed, fresh and recorded."

    def payload(self) -> dict[str, Any]:
        seeds = sorted(
            {f"{len(set(d.seed.values.tolist()))} (from {d.seed.values.min()})" for d in self.runs}
        )
        return {
            "preset": "+".join(self.presets),
            "experiments": [str(dataset.attrs["experiment"]) for dataset in self.runs],
            "seeds": ", ".join(seeds),
            "checks": [check_rows.row_of(one) for one in self.fresh],
        }

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        text = "\n".join(
            f"{found.claim}: {found.verdict} {found.reason}".rstrip() for found in self.verdicts()
        )
        return {MIME: self.payload(), "text/html": _table_html(self), "text/plain": text}


def judge(*runs: xr.Dataset) -> Judgement:
    """Check fresh runs, and beside them the records of the same experiments.

    A record itself may stand in for a run.
    """
    names = [str(dataset.attrs["experiment"]) for dataset in runs]
    recorded = [one for name in names for one in _full_checks(name)]
    known = [check_rows.row_of(one) for one in recorded]
    fresh = [
        one
        for name, dataset in zip(names, runs, strict=True)
        for one in checks_of(records.experiment(name), dataset)
    ]
    return Judgement(
        runs, tuple(one for one in fresh if check_rows.row_of(one) not in known), tuple(recorded)
    )


def badge(verdict: str) -> str:
    """Sign and word beside the colour, so that the colour is never the only carrier."""
    sign = f'<span aria-hidden="true">{SIGNS[verdict]}</span>'
    return (
        f'<span class="verdict verdict-{verdict.replace(" ", "-")}">'
        f"{sign} {html.escape(verdict)}</span>"
    )


def number(value: float | None) -> str:
    """A measured number in a table: four significant digits."""
    return "none" if value is None or value != value else f"{value:.4g}"


def markdown(found: Sequence[dict[str, Any]]) -> str:
    """The judged claims as the table of the README."""
    lines = ["| claim | what it says | verdict |", "| --- | --- | --- |"]
    lines += [
        f"| {row['id']} | {row.get('short') or row['claim']} | {row['verdict']} |"
        for row in found
        if row["checks"]
    ]
    return "\n".join(lines)


def _compare(name: str, preset: str, found: records.Outcomes, expected: records.Outcomes) -> None:
    for claim in sorted(set(found) | set(expected)):
        now, then = found.get(claim, {}), expected.get(claim, {})
        for statistic in sorted(set(now) | set(then)):
            if now.get(statistic) != then.get(statistic):
                raise AssertionError(
                    f"{name}, {preset}, {claim}: {statistic}: now {now.get(statistic)}, expected "
                    f"{then.get(statistic)}"
                )


def _table_html(judgement: Judgement) -> str:
    """A line a check: the record, this run, and the outcome of each.

    It is folded, for it may be long.
    """
    body = ""
    for found in judgement.verdicts():
        body += (
            f'<tr class="claim"><th scope="row">{found.claim}</th><td colspan="3"></td>'
            f"<td>{badge(found.verdict)}</td></tr>"
        )
        recorded, fresh = (
            {one.name: one for one in part if one.claim == found.claim}
            for part in (judgement.recorded, judgement.fresh)
        )
        for name in recorded | fresh:
            body += _check_row(recorded.get(name), fresh.get(name))
    heads = ("Check", "Criterion", "Recorded", "This run", "Outcome")
    head = "".join(f'<th scope="col">{title}</th>' for title in heads)
    table = (
        f'<div class="judgement"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )
    names = dict.fromkeys(str(dataset.attrs["experiment"]) for dataset in judgement.runs)
    notes = "".join(
        f"<li>{html.escape(records.note(records.experiment(name)))}</li>" for name in names
    )
    count = len({one.name for one in judgement.recorded + judgement.fresh})
    return (
        f'<details class="judgement"><summary>{count} checks</summary>{table}'
        f'<ul class="records">{notes}</ul></details>'
    )


def _check_row(recorded: Check | None, fresh: Check | None) -> str:
    one = recorded or fresh
    assert one is not None
    name = html.escape(one.name if one.id else one.statistic)
    outcome = (
        one.outcome
        if fresh is None or fresh.outcome == one.outcome
        else f"{one.outcome}; this run: {fresh.outcome}"
    )
    shown = [html.escape(one.criterion), _value(recorded), _value(fresh), html.escape(outcome)]
    title = html.escape(one.statistic, quote=True)
    return (
        f'<tr><th scope="row" title="{title}">{name}</th>'
        + "".join(f"<td>{text}</td>" for text in shown)
        + "</tr>"
    )


def _value(one: Check | None) -> str:
    if one is None or not one.seeds:
        return "none"
    if one.interval is None:
        return number(one.value)
    return (
        f"{number(one.value)} <small>[{number(one.interval[0])}, {number(one.interval[1])}], "
        f"{one.seeds} seeds</small>"
    )


def _table(name: str) -> list[dict[str, str]]:
    with open(paths.book() / name, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
