"""The ledger's page: a bar a paper, filters, and a row a claim that opens to its checks.

HTML, everything escaped.
"""

import collections
import re
from collections.abc import Callable, Iterable
from html import escape
from typing import Any

from simplicity.evidence.claim_verdicts import HOLDS, PENDING
from simplicity.evidence.claims import word
from simplicity.evidence.ledger import SIGNS, badge, number
from simplicity.site import wording
from simplicity.site.check_picture import picture
from simplicity.site.evidence import Row
from simplicity.site.formulas import inline

Link = Callable[[str], str | None]
KINDS = ("paper", "objection", "own question", "identity")
RUNS = {"FULL": "recorded", "QUICK": "small run", "TINY": "smallest run"}
FILTERS = ("paper", "verdict", "kind", "source")


def told(text: str) -> str:
    """A claim's words as HTML: what stands between dollars is a formula."""
    parts = re.split(r"\$([^$]+)\$", text)
    return "".join(inline(part) if place % 2 else escape(part) for place, part in enumerate(parts))


def summary(rows: Iterable[Row]) -> str:
    """How many claims of the papers hold.

    The book's own questions and identities are counted apart.
    """
    rows = list(rows)
    papers = [row for row in rows if _kind(row) in ("paper", "objection")]
    count = collections.Counter(row["verdict"] for row in papers)
    parts = [f"{count[verdict]}&nbsp;{badge(verdict)}" for verdict in SIGNS if count[verdict]]
    others = collections.Counter(
        _kind(row) for row in rows if _kind(row) not in ("paper", "objection")
    )
    beside = " and ".join(f"{count} {_several(kind, count)}" for kind, count in others.items())
    apart = f" Counted apart: {beside}." if beside else ""
    return (
        f'<p class="ledger-summary">{len(papers)} claims of the papers: '
        f"{', '.join(parts)}.{apart}</p>"
    )


def _several(kind: str, count: int) -> str:
    one, more = {
        "own question": ("question of the book's own", "questions of the book's own"),
        "identity": ("identity", "identities"),
    }[kind]
    return one if count == 1 else more


def _kind(row: Row) -> str:
    return row.get("kind") or "paper"


def counts(rows: Iterable[Row]) -> str:
    """How many claims of a paper have each verdict, in a line."""
    count = collections.Counter(
        row["verdict"] for row in rows if _kind(row) in ("paper", "objection")
    )
    shown = [f"{count[verdict]}&nbsp;{badge(verdict)}" for verdict in SIGNS if count[verdict]]
    return " ".join(f'<span class="counted">{one}</span>' for one in shown)


def not_holding(rows: Iterable[Row], ledger: str | None) -> str:
    """The papers' own claims that do not simply hold, each in a line with the reason."""
    items = ""
    for row in rows:
        if _kind(row) == "paper" and row["verdict"] not in (HOLDS, PENDING):
            name = escape(row["id"])
            shown = f'<a href="{ledger}#claim-{name}">{name}</a>' if ledger else name
            words = told(row.get("short") or row["claim"])
            items += (
                f'<li><span class="id">{shown}</span> <span>{words}</span>'
                f" {badge(row['verdict'])}</li>"
            )
    return f'<ul class="verdict-strip">{items}</ul>'


def bars(rows: Iterable[Row]) -> str:
    """For each paper its verdicts as a bar."""
    papers: dict[str, collections.Counter[str]] = {}
    for row in rows:
        papers.setdefault(row["paper"], collections.Counter())[row["verdict"]] += 1
    shown = ""
    for paper, count in papers.items():
        total = sum(count.values())
        pieces = "".join(
            f'<span class="verdict-{verdict.replace(" ", "-")}" '
            f'style="flex-grow: {count[verdict]}">'
            f'<span aria-hidden="true">{SIGNS[verdict]}</span>&nbsp;{count[verdict]}'
            f'<span class="visually-hidden"> {escape(verdict)}</span></span>'
            for verdict in SIGNS
            if count[verdict]
        )
        shown += (
            f'<div class="ledger-bar"><span>{escape(paper)}, {total} rows</span>'
            f'<span class="bar">{pieces}</span></div>'
        )
    return f'<div class="ledger-bars">{shown}</div>'


def filters(rows: Iterable[Row]) -> str:
    """Selects that a script brings to life; without one they are hidden and every row shows."""
    rows = list(rows)
    shown = ""
    for name in FILTERS:
        values = dict.fromkeys(_field(row, name) for row in rows)
        options = "".join(f"<option>{escape(value)}</option>" for value in values if value)
        shown += (
            f'<label>{name}<select data-filter="{name}">'
            f'<option value="">all</option>{options}</select></label>'
        )
    search = '<label>words<input type="search" data-filter="words"></label>'
    return f'<form class="ledger-filters" hidden>{shown}{search}<output></output></form>'


def _field(row: Row, name: str) -> str:
    return _kind(row) if name == "kind" else str(row.get(name) or "")


def table(rows: Iterable[Row], link: Link) -> str:
    """A row a claim: id, words, verdict, and why where it does not simply hold."""
    return f'<div class="ledger">{"".join(_row(row, link) for row in rows)}</div>'


def _row(row: Row, link: Link) -> str:
    name, target = escape(row["id"]), link(row["chapter"])
    data = "".join(f' data-{field}="{escape(_field(row, field), quote=True)}"' for field in FILTERS)
    reason = (
        f'<span class="reason">{wording.reasons(row["reason"])}</span>' if row.get("reason") else ""
    )
    head = (
        f'<summary><span class="id" id="{name}">{name}</span>'
        f'<span class="words">{told(row["claim"])}{reason}</span>'
        f"{badge(row['verdict'])}</summary>"
    )
    body = _about(row, target) + judged(row)
    former = f'<span id="claim-{escape(row["old_id"])}"></span>' if row.get("old_id") else ""
    return f'{former}<details class="claim" id="claim-{name}"{data}>{head}{body}</details>'


def _about(row: Row, target: str | None) -> str:
    chapter = escape(row["chapter"])
    parts = [f'<a href="{target}">{chapter}</a>' if target else f"{chapter} (not written yet)"]
    if row.get("where"):
        parts.append(f"in the paper: {escape(row['where'])}")
    if row.get("source"):
        parts.append(f"source: {escape(row['source'])}")
    if _kind(row) != "paper":
        parts.append(escape(_kind(row)))
    found = f"<p>{'; '.join(parts)}.</p>"
    if row.get("why"):
        found += f"<p>{escape(row['why'])}</p>"
    value = row.get("paper_value") or {}
    if value.get("text"):
        source = escape(str(value.get("provenance", "none")))
        found += f"<p>The paper's value: {escape(value['text'])} (source: {source}).</p>"
    return found


def judged(row: Row) -> str:
    """Each check of a claim once: as recorded, and beside it what the page's own small run says."""
    found: dict[str, list[dict[str, Any]]] = {}
    for one in row["checks"]:
        found.setdefault(one.get("id") or one["statistic"], []).append(one)
    shown = "".join(
        check(*sorted(those, key=lambda one: one["preset"] != "FULL")) for those in found.values()
    )
    return shown + _records(row)


def check(one: dict[str, Any], *others: dict[str, Any]) -> str:
    """One check: its picture, its numbers in words, and those of other runs of the same check."""
    control = one.get("control") or {}
    entries = [
        ("value", _value(one)),
        ("criterion", f"{one['criterion']}: {word(one['passed'])}{_margin(one)}"),
    ]
    if "criterion" in control:
        outcome = word(control.get("passed"))
        entries.append(
            (
                "control",
                f"{control['what']} = {number(control['value'])}; {control['criterion']}: "
                f"{outcome}",
            )
        )
    elif control:
        entries.append(("control", f"{control.get('what', 'none')}: {control.get('why', '')}"))
    entries += [("small run", f"{_value(other)}: {word(other['passed'])}") for other in others]
    listed = "".join(
        f"<dt>{escape(term)}</dt><dd>{wording.shown(text)}</dd>" for term, text in entries
    )
    name = f"<code>{escape(one['id'])}</code> " if one.get("id") else ""
    run = RUNS.get(one["preset"], "own run")
    statistic = wording.shown(one["statistic"])
    title = f"{name}{statistic} <small>({escape(one['kind'])}, {escape(run)})</small>"
    return f'<div class="check"><p>{title}</p>{picture(one)}<dl>{listed}</dl></div>'


def _value(one: dict[str, Any]) -> str:
    shown = number(one["value"])
    if one.get("interval") is not None:
        low, high = one["interval"]
        shown += f" ({one['interval_kind']}: {number(low)} to {number(high)}), {one['seeds']} seeds"
    return shown


def _records(row: Row) -> str:
    """When the criteria were committed and when the runs that they judge."""
    lines = "".join(f"<li>{_record(one)}</li>" for one in row.get("records", ()))
    return f'<ul class="records">{lines}</ul>' if lines else ""


def _record(one: dict[str, Any]) -> str:
    before, after = (
        escape(one[name] or "not known") for name in ("criterion_commit", "record_commit")
    )
    return (
        f"<code>{escape(one['experiment'])}</code>: {one['cells']} runs from seed "
        f"{one['first_seed']} on,"
        f" recorded {escape(one['recorded'])}; code and criteria <code>{before}</code>, record "
        f"<code>{after}</code>"
    )


def _margin(one: dict[str, Any]) -> str:
    margin = one.get("margin")
    return "" if margin is None else f" by {margin:+.1f} half-widths of the interval"
