"""The ledger on pages: `{verdict-strip} B1 B2`, `{claim} B1`, `{criteria} B1 B2`, `{ledger}`,
`{ledger-summary}`, `{not-holding}`, `{changes}`, `{cell-costs}`, `{arithmetic}`; in lines
{verdict}`B1`, the value of a recorded check and of its control by id, {check}`B3.limit:.2f` and
{control}`B3.limit`, and of a paper its {paper-counts}`PAPER` and the time that its records took,
{recorded-time}`PAPER`.
"""

import functools
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from docutils import nodes
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole

from simplicity.evidence import records
from simplicity.evidence.ledger import SIGNS, badge
from simplicity.grid import store
from simplicity.places import paths
from simplicity.site import changes_page, formulas, ledger_page, markup, wording
from simplicity.site.evidence import Row, state_of
from simplicity.site.wording import spoken

LOG = logging.getLogger(__name__)
MOST_LINES = 5  # of a strip with a line a claim
Place = SphinxDirective | SphinxRole


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown; a bar inside a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(one) for one in line)} |" for line in lines)


def _cell(text: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\|", text).replace("\n", " ")


def verdicts(rows: Iterable[Row], ledger: str | None) -> str:
    """Claims with their verdicts inside a sentence, each id leading to its row of the ledger."""
    return " ".join(
        f'<span class="claim-verdict">{markup.claim(row, ledger)}&nbsp;{badge(row["verdict"])}'
        "</span>"
        for row in rows
    )


def duration(seconds: float) -> str:
    """As one says it: 48 s, 12 min, 2 h 5 min."""
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min" if minutes else f"{seconds:.0f} s"
    return f"{minutes // 60} h {minutes % 60} min"


def recorded_time(rows: Iterable[Row]) -> str:
    """The time, cell after cell, of all recorded runs that judge these claims."""
    return duration(records.seconds({row["id"] for row in rows}))


def of_paper(rows: Mapping[str, Row], paper: str) -> list[Row]:
    """The claims of a paper, named as in claims.csv."""
    return [row for row in rows.values() if row["paper"] == paper]


def strip(rows: Sequence[Row], ledger: str | None, here: Collection[str] = ()) -> str:
    """A chapter's verdicts at a glance: a line a claim, or from six claims on a line a verdict.

    Each id leads to its claim on the page where it has one (`here`), else to its row of the ledger.
    """

    def link(row: Row) -> str:
        return markup.claim(row, "" if row["id"] in here else ledger)

    return markup.strip(rows, link) if len(rows) <= MOST_LINES else _by_verdict(rows, link)


def _by_verdict(rows: Sequence[Row], link: Callable[[Row], str]) -> str:
    items = ""
    for verdict in SIGNS:
        those = " ".join(f"<span>{link(row)}</span>" for row in rows if row["verdict"] == verdict)
        items += f"<li>{badge(verdict)} <span>{those}</span></li>" if those else ""
    return f'<ul class="verdict-strip by-verdict">{items}</ul>'


def claim_screen(row: Row, ledger: str | None) -> str:
    """A claim where the page takes it up: its sentence, verdict and source, and folded how it was
    judged.
    """
    return (
        f'<div class="claim-screen" id="claim-{escape(row["id"])}"><p class="sentence">'
        f'<span class="id">{markup.claim(row, ledger)}</span>'
        f" {markup.told(row['claim'])} {badge(row['verdict'])}</p>"
        f"{_paragraph('source', _source(row))}"
        f"{_paragraph('reason', wording.reasons(row.get('reason') or ''))}"
        "<details><summary>How we judged it</summary>"
        f"{ledger_page.judged(row)}</details></div>"
    )


def _paragraph(kind: str, shown: str) -> str:
    return f'<p class="{kind}">{shown}</p>' if shown else ""


def _source(row: Row) -> str:
    """Where a claim is from, and of what kind it is where it is none of a paper."""
    kind = ledger_page.kind(row)
    where = "; ".join(row[field] for field in ("where", "source") if row.get(field))
    where = where.removeprefix("our question; ")
    return escape(where if kind == "paper" else f"{kind}; {where}")


def criteria(rows: Iterable[Row]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the table of criteria: one row a check of the record, as Markdown."""
    found = [_criterion(row, check) for row in rows for check in recorded(row)]
    return ["check", "criterion", "the effect must vanish under"], found


def _criterion(row: Row, check: dict[str, Any]) -> list[str]:
    told = f"{check['statistic']}: {check['criterion']}", _against(check["control"])
    return [f"`{check['id']}`" if check["id"] else row["id"], *map(plain_but_formulas, told)]


def _against(control: dict[str, Any]) -> str:
    return str(control.get("why") or f"{control['what']}: {control['criterion']}")


def recorded(row: Row) -> list[dict[str, Any]]:
    """The checks of a claim's recorded full runs."""
    return [check for check in row["checks"] if check["preset"] == "FULL"]


def plain_but_formulas(text: str) -> str:
    """A check's words as Markdown: what stands between dollars is a formula, all else is set as
    HTML in which nothing means anything to Markdown.
    """

    def plain(part: str) -> str:
        return re.sub(r"([\\`*_{}\[\]|~^])", r"\\\1", wording.shown(part))

    return formulas.within(text, plain, lambda tex: f"${tex}$")


def check_value(rows: Mapping[str, Row], text: str, of_control: bool = False) -> str | None:
    """What {check}`ID:FORMAT` or {control}`ID:FORMAT` shows.

    Without a format the value with its interval.
    """
    name, _, form = text.partition(":")
    found = _check_named(rows, name)
    value = found.get("control", {}).get("value") if of_control else found.get("value")
    if value is None:
        return None
    if form or of_control or found["interval"] is None:
        return spoken(format(value, form or ".3g"))
    return spoken(f"{value:.3g} ({_interval(found)})")


def _interval(found: dict[str, Any]) -> str:
    low, high = found["interval"]
    return f"{found['interval_kind']}: {low:.3g} to {high:.3g}"


def _check_named(rows: Mapping[str, Row], name: str) -> dict[str, Any]:
    """The recorded check with this id; empty where there is none."""
    claim = rows.get(name.partition(".")[0], {"checks": ()})
    return next((one for one in recorded(claim) if one["id"] == name), {})


def cell_costs() -> str:
    """Seconds of a cell and size of its stored result in each recorded full run, and the core hours
    of all its cells.
    """
    heads = ("Experiment", "Cells", "Median seconds", "Longest", "All, core minutes", "KB a cell")
    return _of_records(heads, _costs)


def _costs(record: records.Record) -> list[str]:
    seconds = record.dataset["seconds"].values
    size = len(store.encode(record.dataset)) / len(seconds) / 1e3
    row = (len(seconds), np.median(seconds), seconds.max(), seconds.sum() / 60, size)
    return [spoken(format(value, ".3g")) for value in row]


def arithmetic() -> str:
    """Each recorded run: whether its cells have the same bits everywhere, and its machine."""
    heads = ("Experiment", "What comes out again", "Recorded on", "Cells computed again since")
    return _of_records(heads, _arithmetic)


def _arithmetic(record: records.Record) -> list[str]:
    portable = record.about.get("arithmetic") == "portable"
    again = record.about.get("carried", {}).get("cells", "recorded with it" if portable else "")
    comes = "equal bits" if portable else "within its seeds"
    return [escape(text) for text in (comes, record.about["device"], str(again))]


def _of_records(heads: Sequence[str], told: Callable[[records.Record], list[str]]) -> str:
    """A table with a line a recorded run: its name, and what is `told` of it."""
    known = ((name, records.load(records.experiment(name))) for name in records.names())
    rows = ([escape(name), *told(record)] for name, record in known if record is not None)
    return f'<div class="ledger-wide">{markup.table(heads, rows, named=True)}</div>'


def warn(place: Place, what: str, got: str, allowed: str) -> None:
    LOG.warning("%s: got %r, allowed %s", what, got, allowed, location=place.get_location())


def _rows(place: Place) -> dict[str, Row]:
    return state_of(place.env).rows


def _known(place: Place, what: str, names: str) -> list[Row]:
    rows = _rows(place)
    for name in names.split():
        if name not in rows:
            warn(place, what, name, "an id of claims.csv")
    return [rows[name] for name in names.split() if name in rows]


def _paper(role: SphinxRole, what: str) -> list[Row]:
    found = of_paper(_rows(role), role.text)
    if not found:
        warn(role, what, role.text, "a paper of claims.csv")
    return found


def _page(place: Place, name: str = "book/ledger") -> str | None:
    """Where the page is from here, or None where the site has none of that name."""
    if name not in state_of(place.env).pages:
        return None
    return escape(place.env.app.builder.get_relative_uri(place.env.docname, name))


def html(show: Callable[[SphinxDirective], str], arguments: bool = False) -> type[SphinxDirective]:
    """A directive that puts on the page what `show` makes of it."""

    class Shown(SphinxDirective):
        required_arguments = int(arguments)
        final_argument_whitespace = True

        def run(self) -> list[nodes.Node]:
            return [nodes.raw("", show(self), format="html")]

    return Shown


class Said(SphinxRole):
    """A role that puts into its sentence what `say` makes of it, HTML or plain words."""

    def __init__(self, say: Callable[[SphinxRole], str], is_html: bool = False) -> None:
        super().__init__()
        self.say, self.is_html = say, is_html

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        said = self.say(self)
        return [nodes.raw("", said, format="html") if self.is_html else nodes.Text(said)], []


def _strip(place: SphinxDirective) -> str:
    known = _known(place, "verdict-strip", place.arguments[0])
    page = Path(place.env.doc2path(place.env.docname)).read_text("utf-8")
    here = re.findall(r"^```\{claim\} (\w+)", page, re.MULTILINE)
    return strip(known, _page(place), here)


def _claims(place: SphinxDirective) -> str:
    known = _known(place, "claim", place.arguments[0])
    return "".join(claim_screen(row, _page(place)) for row in known)


def _changes(place: SphinxDirective) -> str:
    place.env.note_dependency(str(paths.book() / changes_page.FILE))
    return changes_page.listed(changes_page.changes(), _rows(place), _page(place) or "")


def _from_records(make: Callable[[], str], place: SphinxDirective) -> str:
    for path in paths.results().glob("*.json"):
        place.env.note_dependency(str(path))
    return make()


def _check(of_control: bool, role: SphinxRole) -> str:
    shown = check_value(_rows(role), role.text, of_control)
    if shown is None:
        warn(role, "check", role.text, "the id of a recorded check")
    return shown or role.text


class Criteria(SphinxDirective):
    """`{criteria} B1 B2`: the checks of these claims, as the code has them, with their criteria and
    controls.
    """

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        shown = table(*criteria(_known(self, "criteria", self.arguments[0])))
        return [nodes.container("", *self.parse_text_to_nodes(shown), classes=["criteria"])]


class Ledger(SphinxDirective):
    """`{ledger}`: every claim, a section a paper, with its checks folded away."""

    def run(self) -> list[nodes.Node]:
        rows = list(_rows(self).values())
        top = ledger_page.summary(rows) + ledger_page.bars(rows) + ledger_page.filters(rows)
        papers = ledger_page.by_paper(rows).items()
        return [nodes.raw("", top, format="html"), *(self._section(*one) for one in papers)]

    def _section(self, paper: str, rows: list[Row]) -> nodes.section:
        title, shown = nodes.title("", paper), ledger_page.table(rows, self._verdict)
        body = nodes.raw("", shown, format="html")
        return nodes.section("", title, body, ids=[nodes.make_id(paper)], names=[paper.lower()])

    def _verdict(self, chapter: str) -> str | None:
        page = _page(self, f"book/{chapter}")
        return page and f"{page}#verdict"


DIRECTIVES: dict[str, type[SphinxDirective]] = {
    "verdict-strip": html(_strip, arguments=True),
    "claim": html(_claims, arguments=True),
    "criteria": Criteria,
    "ledger": Ledger,
    "ledger-summary": html(lambda place: ledger_page.summary(_rows(place).values())),
    "not-holding": html(lambda place: ledger_page.not_holding(_rows(place).values(), _page(place))),
    "changes": html(_changes),
    "cell-costs": html(functools.partial(_from_records, cell_costs)),
    "arithmetic": html(functools.partial(_from_records, arithmetic)),
}
ROLES: dict[str, SphinxRole] = {
    "verdict": Said(lambda role: verdicts(_known(role, "verdict", role.text), _page(role)), True),
    "check": Said(functools.partial(_check, False)),
    "control": Said(functools.partial(_check, True)),
    "paper-counts": Said(lambda role: ledger_page.counts(_paper(role, "paper-counts")), True),
    "recorded-time": Said(lambda role: recorded_time(_paper(role, "recorded-time"))),
}
