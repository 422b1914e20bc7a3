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
import itertools
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
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
    full, abouts, papers = full_checks(), records.abouts(), _paper_values()
    found = []
    for claim in _table("claims.csv"):
        name = claim["id"]
        row = _row(claim, _of(name, full), _of(name, fresh))
        row["records"] = _records(name, abouts)
        row["paper_value"] = papers.get(name, {"text": "", "provenance": "none"})
        found.append(row)
    return found


def _paper_values() -> dict[str, dict[str, str]]:
    """Id of a claim -> the number in the paper that it speaks of."""
    return {row.pop("id"): row for row in _table("paper_values.csv")}


def _row(
    claim: Mapping[str, str], recorded: Sequence[Check], fresh: Sequence[Check]
) -> dict[str, Any]:
    """A claim with its verdict and the checks that speak of it."""
    found = _verdict(claim["id"], recorded, fresh)
    always = {name: claim[name] for name in ("id", "paper", "chapter", "claim")}
    further = {name: claim[name] for name in FURTHER if claim.get(name)}
    return (
        always
        | further
        | {
            "own": claim["kind"] in OWN,
            "unit": "seed",
            "verdict": found.verdict,
            "reason": found.reason,
            "checks": [check_rows.row_of(one) for one in (*recorded, *fresh)],
        }
    )


def _of(claim: str, checks: Iterable[Check]) -> list[Check]:
    return [one for one in checks if one.claim == claim]


def _verdict(claim: str, recorded: Sequence[Check], fresh: Sequence[Check]) -> Verdict:
    """From the recorded checks, and a fresh one only where no record has it.

    A claim may have several experiments.
    """
    known = {one.name for one in recorded}
    judged = [*recorded, *(one for one in fresh if one.name not in known)]
    if not judged:
        return Verdict(claim, claim_verdicts.PENDING, "not done yet", ())
    return claim_verdicts.verdict(claim, judged)


def _records(claim: str, abouts: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """The recorded runs that judge a claim: when, first seed, code and criteria."""
    kept = ("experiment", "cells", "recorded", "seconds", "arithmetic")
    return [
        {field: about.get(field) for field in kept}
        | {
            "first_seed": about["config"].get("first_seed", 0),
            "criterion_commit": about["commit"],
            "record_commit": records.commits().get(name),
        }
        for name, about in abouts.items()
        if claim in about["expected"]["FULL"]
    ]


def ids() -> list[str]:
    """The ids of all claims, in the order of claims.csv."""
    return [row["id"] for row in _table("claims.csv")]


def former_ids() -> dict[str, str]:
    """Id that a claim once had -> the one it has."""
    return {row["old_id"]: row["id"] for row in _table("claims.csv") if row.get("old_id")}


def full_checks(claims: Collection[str] | None = None) -> list[Check]:
    """`checks` of every experiment applied to its committed record; or of those experiments alone
    that judge one of the claims: the record of another may be too old for its criteria.
    """
    names = records.names() if claims is None else map(store.name_of, judging(claims))
    return [one for name in names for one in _full_checks(name)]


def judging(claims: Collection[str]) -> list[ModuleType]:
    """The experiments that judge one of the claims."""
    modules = map(records.experiment, records.names())
    return [module for module in modules if not set(module.CLAIMS).isdisjoint(claims)]


def published(claim: str) -> Verdict:
    """What the records say of one claim."""
    return _verdict(claim, _of(claim, full_checks([claim])), ())


@functools.cache
def _full_checks(name: str) -> tuple[Check, ...]:
    """Checks of a record take up to two seconds, so they are kept beside the finished cells."""
    content = records.content(name)
    if content is None:
        return ()
    path, key = default_store() / "judged" / f"{name}.json", _key(name, content)
    found = _kept(path, key)
    if found is None:
        found = _applied(records.experiment(name))
        _keep(path, key, found)
    return found


def _key(name: str, content: bytes) -> str:
    """Of all that the checks of a record depend on."""
    parts = [
        hashlib.sha256(content).hexdigest(),
        threads.code_digest(records.source(name)),
        threads.label(),
        store.versions(),
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _keep(path: Path, key: str, found: Iterable[Check]) -> None:
    kept = {"key": key, "checks": [check_rows.row_of(one) for one in found]}
    # a folder that cannot be written costs the seconds again, nothing else
    with contextlib.suppress(Problem):
        files.write_text(path, json.dumps(kept))


def _kept(path: Path, key: str) -> tuple[Check, ...] | None:
    # none yet, or a damaged one
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        found = json.loads(path.read_text("utf-8"))
        if found["key"] == key:
            return tuple(check_rows.from_row(row) for row in found["checks"])
    return None


def _applied(module: ModuleType) -> tuple[Check, ...]:
    record = records.load(module)
    try:
        return tuple(checks_of(module, record.dataset)) if record else ()
    # what the criteria speak of was not measured, or not a setting yet, when the record was made
    except (KeyError, Problem) as older:
        name = store.name_of(module)
        got = f"none of {older}" if isinstance(older, KeyError) else f"other settings ({older})"
        raise Problem(
            f"record of {name}: got {got}, allowed one made anew by `simplicity record {name}`"
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
        claims = sorted({one.claim for one in self.fresh + self.recorded}, key=ids().index)
        return [_verdict(one, _of(one, self.recorded), _of(one, self.fresh)) for one in claims]

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
            _assert_as_recorded(dataset)
        return "Every check of this page came out as committed, fresh and recorded."

    def payload(self) -> dict[str, Any]:
        return {
            "preset": "+".join(self.presets),
            "experiments": [str(dataset.attrs["experiment"]) for dataset in self.runs],
            "seeds": ", ".join(sorted({_seeds(dataset) for dataset in self.runs})),
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
    recorded = tuple(itertools.chain.from_iterable(map(_full_checks, names)))
    made = itertools.chain.from_iterable(map(checks_of, map(records.experiment, names), runs))
    return Judgement(runs, _others(made, recorded), recorded)


def _others(checks: Iterable[Check], known: Iterable[Check]) -> tuple[Check, ...]:
    """Those that are not known yet, with the same numbers."""
    rows = [check_rows.row_of(one) for one in known]
    return tuple(one for one in checks if check_rows.row_of(one) not in rows)


def _seeds(run: xr.Dataset) -> str:
    """How many there are, and the first."""
    return f"{len(set(run.seed.values.tolist()))} (from {run.seed.values.min()})"


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


def _assert_as_recorded(dataset: xr.Dataset) -> None:
    """A run and the record of its experiment give what is committed beside the record."""
    name, preset = str(dataset.attrs["experiment"]), str(dataset.attrs["preset"])
    module = records.experiment(name)
    record = records.load(module)
    if record is None:
        raise AssertionError(
            f"{name}: no record to expect anything of; run `simplicity record {name}`"
        )
    for label, data in ((preset, dataset), ("FULL", record.dataset)):
        found = records.outcomes(checks_of(module, data))
        _assert_same(f"{name}, {label}", found, record.expected[label])


def _assert_same(where: str, found: records.Outcomes, expected: records.Outcomes) -> None:
    now, then = _by_claim_and_name(found), _by_claim_and_name(expected)
    for one in sorted(now | then):
        if now.get(one) != then.get(one):
            raise AssertionError(
                f"{where}, {one[0]}: {one[1]}: now {now.get(one)}, expected {then.get(one)}"
            )


def _by_claim_and_name(outcomes: records.Outcomes) -> dict[tuple[str, str], str]:
    return {
        (claim, name): one for claim, checks in outcomes.items() for name, one in checks.items()
    }


def _table_html(judgement: Judgement) -> str:
    """A line a check: the record, this run, and the outcome of each.

    It is folded, for it may be long.
    """
    body = "".join(_claim_rows(found, judgement) for found in judgement.verdicts())
    heads = ("Check", "Criterion", "Recorded", "This run", "Outcome")
    head = "".join(f'<th scope="col">{title}</th>' for title in heads)
    count = len({one.name for one in judgement.recorded + judgement.fresh})
    return (
        f'<details class="judgement"><summary>{count} checks</summary>'
        f'<div class="judgement"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
        f'<ul class="records">{_notes(judgement.runs)}</ul></details>'
    )


def _notes(runs: Iterable[xr.Dataset]) -> str:
    """Where the records of these experiments come from."""
    modules = map(records.experiment, dict.fromkeys(str(run.attrs["experiment"]) for run in runs))
    return "".join(f"<li>{html.escape(records.note(module))}</li>" for module in modules)


def _claim_rows(found: Verdict, judgement: Judgement) -> str:
    recorded = {one.name: one for one in _of(found.claim, judgement.recorded)}
    fresh = {one.name: one for one in _of(found.claim, judgement.fresh)}
    return (
        f'<tr class="claim"><th scope="row">{found.claim}</th><td colspan="3"></td>'
        f"<td>{badge(found.verdict)}</td></tr>"
    ) + "".join(_check_row(recorded.get(name), fresh.get(name)) for name in recorded | fresh)


def _check_row(recorded: Check | None, fresh: Check | None) -> str:
    one = recorded or fresh
    assert one is not None
    outcome = one.outcome
    if fresh and fresh.outcome != outcome:
        outcome += f"; this run: {fresh.outcome}"
    shown = [html.escape(one.criterion), _value(recorded), _value(fresh), html.escape(outcome)]
    cells = "".join(f"<td>{text}</td>" for text in shown)
    title = html.escape(one.statistic, quote=True)
    return f'<tr><th scope="row" title="{title}">{html.escape(one.name)}</th>{cells}</tr>'


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
