"""The ledger on pages: `{verdict-strip} B1 B2`, `{claim} B1`, `{criteria} B1 B2`, `{ledger}`,
`{ledger-summary}`, `{cell-costs}`, `{arithmetic}`; in lines {verdict}`B1`, the value of a recorded
check and of its control by id, {check}`B3.limit:.2f` and {control}`B3.limit`, and the time that the
records of a paper took, {recorded-time}`PAPER`.
"""

import re
from collections.abc import Collection, Mapping
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole

from simplicity.evidence import records
from simplicity.evidence.ledger import SIGNS, badge
from simplicity.grid import store
from simplicity.places import paths
from simplicity.site import ledger_page, wording
from simplicity.site.evidence import Row, State
from simplicity.site.ledger_page import Link, told
from simplicity.site.wording import spoken

LOG = logging.getLogger(__name__)
MOST_LINES = 5  # of a strip with a line a claim


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown; a bar inside a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(one) for one in line)} |" for line in lines)


def _cell(text: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\|", text).replace("\n", " ")


def verdicts(rows: list[Row], ledger: str | None) -> str:
    """Claims with their verdicts inside a sentence, each id leading to its row of the ledger."""
    parts = []
    for row in rows:
        name = escape(row["id"])
        shown = _linked(name, ledger and f"{ledger}#claim-{name}")
        parts.append(f'<span class="claim-verdict">{shown}&nbsp;{badge(row["verdict"])}</span>')
    return " ".join(parts)


def duration(seconds: float) -> str:
    """As one says it: 48 s, 12 min, 2 h 5 min."""
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min" if minutes else f"{seconds:.0f} s"
    return f"{minutes // 60} h {minutes % 60} min"


def by_paper(rows: list[Row]) -> dict[str, list[Row]]:
    """The rows of each paper, in the order of the first claim of each."""
    papers: dict[str, list[Row]] = {}
    for row in rows:
        papers.setdefault(row["paper"], []).append(row)
    return papers


def _linked(shown: str, target: str | None) -> str:
    return f'<a href="{target}">{shown}</a>' if target else shown


def _state(directive: SphinxDirective | SphinxRole) -> State:
    state: State = directive.env.simplicity  # type: ignore[attr-defined]
    return state


def _page(directive: SphinxDirective | SphinxRole, name: str) -> str | None:
    if name not in _state(directive).pages:
        return None
    return escape(directive.env.app.builder.get_relative_uri(directive.env.docname, name))


def _verdicts(directive: SphinxDirective) -> Link:
    def link(chapter: str) -> str | None:
        page = _page(directive, f"book/{chapter}")
        return page and f"{page}#verdict"

    return link


def _known(place: SphinxDirective | SphinxRole, what: str, names: str) -> list[Row]:
    rows = _state(place).rows
    for name in (name for name in names.split() if name not in rows):
        LOG.warning(
            "%s: got %r, allowed an id of claims.csv", what, name, location=place.get_location()
        )
    return [rows[name] for name in names.split() if name in rows]


def strip(rows: list[Row], ledger: str | None, here: Collection[str] = ()) -> str:
    """A chapter's verdicts at a glance: a line a claim, or from six claims on a line a verdict.

    Each id leads to its claim on the page where it has one (`here`), else to its row of the ledger.
    """

    def shown(row: Row) -> str:
        name = escape(row["id"])
        target = f"#claim-{name}" if name in here else ledger and f"{ledger}#claim-{name}"
        return _linked(name, target)

    if len(rows) <= MOST_LINES:
        lines = (
            f'<span class="id">{shown(row)}</span> '
            f"<span>{told(row.get('short') or row['claim'])}</span>"
            f" {badge(row['verdict'])}"
            for row in rows
        )
        return f'<ul class="verdict-strip">{"".join(f"<li>{line}</li>" for line in lines)}</ul>'
    items = ""
    for verdict in SIGNS:
        those = " ".join(f"<span>{shown(row)}</span>" for row in rows if row["verdict"] == verdict)
        items += f"<li>{badge(verdict)} <span>{those}</span></li>" if those else ""
    return f'<ul class="verdict-strip by-verdict">{items}</ul>'


def claim_screen(row: Row, ledger: str | None) -> str:
    """A claim where the page takes it up: its sentence, verdict and source, and folded how it was
    judged.
    """
    name = escape(row["id"])
    source = "; ".join(escape(row[field]) for field in ("where", "source") if row.get(field))
    kind = row.get("kind") or "paper"
    source = source.removeprefix("our question; ") if kind == "own question" else source
    source = f"{escape(kind)}; {source}" if kind != "paper" else source
    shown = _linked(name, ledger and f"{ledger}#claim-{name}")
    reason = f'<p class="reason">{wording.reasons(row["reason"])}</p>' if row.get("reason") else ""
    return (
        f'<div class="claim-screen" id="claim-{name}"><p class="sentence">'
        f'<span class="id">{shown}</span>'
        f" {told(row['claim'])} {badge(row['verdict'])}</p>"
        + (f'<p class="source">{source}</p>' if source else "")
        + f"{reason}<details><summary>How we judged it</summary>"
        f"{ledger_page.judged(row)}</details></div>"
    )


class Strip(SphinxDirective):
    """`{verdict-strip} B1 B2`: the verdicts of a chapter in a list that leads to its claims."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        known = _known(self, "verdict-strip", self.arguments[0])
        page = Path(self.env.doc2path(self.env.docname)).read_text("utf-8")
        here = re.findall(r"^```\{claim\} (\w+)", page, re.MULTILINE)
        shown = strip(known, _page(self, "book/ledger"), here)
        return [nodes.raw("", shown, format="html")]


class ClaimScreen(SphinxDirective):
    """`{claim} B1`: a claim's sentence, verdict and source, and folded how it was judged."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        known = _known(self, "claim", self.arguments[0])
        shown = "".join(claim_screen(row, _page(self, "book/ledger")) for row in known)
        return [nodes.raw("", shown, format="html")]


class Verdict(SphinxRole):
    """A claim's id and verdict in a sentence; an id that claims.csv does not have is a warning."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        shown = verdicts(_known(self, "verdict", self.text), _page(self, "book/ledger"))
        return [nodes.raw("", shown, format="html")], []


def criteria(rows: list[Row]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the table of criteria: one row a check of the record, as Markdown."""
    found = []
    for row in rows:
        for check in recorded(row):
            control = check["control"]
            against = control.get("why") or f"{control['what']}: {control['criterion']}"
            told = (f"{check['statistic']}: {check['criterion']}", against)
            found.append(
                [f"`{check['id']}`" if check["id"] else row["id"], *map(plain_but_formulas, told)]
            )
    return ["check", "criterion", "the effect must vanish under"], found


def recorded(row: Row) -> list[dict[str, Any]]:
    """The checks of a claim's recorded full runs."""
    return [check for check in row["checks"] if check["preset"] == "FULL"]


def plain_but_formulas(text: str) -> str:
    """A check's words as Markdown: what stands between dollars is a formula, all else is set as
    HTML in which nothing means anything to Markdown.
    """
    parts = re.split(r"(\$[^$]+\$)", text)
    return "".join(
        part
        if part.startswith("$")
        else re.sub(r"([\\`*_{}\[\]|~^])", r"\\\1", wording.shown(part))
        for part in parts
    )


def check_value(rows: Mapping[str, Row], text: str, of_control: bool = False) -> str | None:
    """What {check}`ID:FORMAT` or {control}`ID:FORMAT` shows.

    Without a format the value with its interval.
    """
    name, _, form = text.partition(":")
    claim = rows.get(name.partition(".")[0])
    found = next((one for one in recorded(claim) if one["id"] == name), None) if claim else None
    value = found and (found["control"].get("value") if of_control else found["value"])
    if found is None or value is None:
        return None
    if form or of_control or found["interval"] is None:
        return spoken(format(value, form or ".3g"))
    low, high = found["interval"]
    return spoken(f"{value:.3g} ({found['interval_kind']}: {low:.3g} to {high:.3g})")


class Criteria(SphinxDirective):
    """`{criteria} B1 B2`: the checks of these claims, as the code has them.

    With their criteria and controls.
    """

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        head, rows = criteria(_known(self, "criteria", self.arguments[0]))
        holder = nodes.container(classes=["criteria"])
        self.state.nested_parse(
            StringList(table(head, rows).split("\n"), self.env.docname), self.content_offset, holder
        )
        return [holder]


class CheckValue(SphinxRole):
    """A recorded check's value, or its control's, by id; an id that no record has is a warning."""

    def __init__(self, of_control: bool = False) -> None:
        super().__init__()
        self.of_control = of_control

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        shown = check_value(_state(self).rows, self.text, self.of_control)
        if shown is None:
            LOG.warning(
                "check: got %r, allowed the id of a recorded check",
                self.text,
                location=self.get_location(),
            )
        return [nodes.Text(shown or self.text)], []


class RecordedTime(SphinxRole):
    """The time, cell after cell, of all recorded runs that judge claims of a paper.

    Papers are named as in claims.csv.
    """

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        claims = {row["id"] for row in _state(self).rows.values() if row["paper"] == self.text}
        if not claims:
            LOG.warning(
                "recorded-time: got %r, allowed a paper of claims.csv",
                self.text,
                location=self.get_location(),
            )
        return [nodes.Text(duration(records.seconds(claims)))], []


class Ledger(SphinxDirective):
    """`{ledger}`: every claim, a section a paper, with its checks folded away."""

    def run(self) -> list[nodes.Node]:
        rows = list(_state(self).rows.values())
        top = ledger_page.summary(rows) + ledger_page.bars(rows) + ledger_page.filters(rows)
        found: list[nodes.Node] = [nodes.raw("", top, format="html")]
        for paper, its_rows in by_paper(rows).items():
            section = nodes.section(
                "", nodes.title("", paper), ids=[nodes.make_id(paper)], names=[paper.lower()]
            )
            shown = ledger_page.table(its_rows, _verdicts(self))
            section += nodes.raw("", shown, format="html")
            found.append(section)
        return found


class PaperCounts(SphinxRole):
    """How many claims of a paper, named as in claims.csv, have each verdict."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        rows = [row for row in _state(self).rows.values() if row["paper"] == self.text]
        if not rows:
            LOG.warning(
                "paper-counts: got %r, allowed a paper of claims.csv",
                self.text,
                location=self.get_location(),
            )
        return [nodes.raw("", ledger_page.counts(rows), format="html")], []


class NotHolding(SphinxDirective):
    """`{not-holding}`: the papers' own claims that do not simply hold."""

    def run(self) -> list[nodes.Node]:
        rows = _state(self).rows.values()
        shown = ledger_page.not_holding(rows, _page(self, "book/ledger"))
        return [nodes.raw("", shown, format="html")]


class LedgerSummary(SphinxDirective):
    """`{ledger-summary}`: one line of counts."""

    def run(self) -> list[nodes.Node]:
        return [nodes.raw("", ledger_page.summary(_state(self).rows.values()), format="html")]


def cell_costs() -> str:
    """Seconds of a cell and size of its stored result in each recorded full run.

    And the core hours of all its cells.
    """
    heads = ("Experiment", "Cells", "Median seconds", "Longest", "All, core minutes", "KB a cell")
    body = ""
    for name in records.names():
        record = records.load(records.experiment(name))
        if record is not None:
            seconds = record.dataset["seconds"].values
            size = len(store.encode(record.dataset)) / len(seconds) / 1e3
            row = (len(seconds), np.median(seconds), seconds.max(), seconds.sum() / 60, size)
            body += (
                f'<tr><th scope="row">{escape(name)}</th>'
                + "".join(f"<td>{spoken(format(value, '.3g'))}</td>" for value in row)
                + "</tr>"
            )
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    return (
        f'<div class="ledger-wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


class CellCosts(SphinxDirective):
    """`{cell-costs}`: what a cell of each recorded run took, so that people can size theirs."""

    def run(self) -> list[nodes.Node]:
        for path in paths.results().glob("*.json"):
            self.env.note_dependency(str(path))
        return [nodes.raw("", cell_costs(), format="html")]


def arithmetic() -> str:
    """Each recorded run: whether its cells have the same bits everywhere, and its machine."""
    heads = ("Experiment", "What comes out again", "Recorded on", "Cells computed again since")
    body = ""
    for name in records.names():
        record = records.load(records.experiment(name))
        if record is not None:
            portable = record.about.get("arithmetic") == "portable"
            again = str(
                record.about.get("carried", {}).get("cells", "recorded with it" if portable else "")
            )
            row = ("equal bits" if portable else "within its seeds", record.about["device"], again)
            body += (
                f'<tr><th scope="row">{escape(name)}</th>'
                + "".join(f"<td>{escape(text)}</td>" for text in row)
                + "</tr>"
            )
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    return (
        f'<div class="ledger-wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


class Arithmetic(SphinxDirective):
    """`{arithmetic}`: which recorded runs have the same bits on every machine."""

    def run(self) -> list[nodes.Node]:
        for path in paths.results().glob("*.json"):
            self.env.note_dependency(str(path))
        return [nodes.raw("", arithmetic(), format="html")]
