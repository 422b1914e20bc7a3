"""The ledger's page: a bar a paper, filters, and a row a claim that opens to its checks.

HTML, everything escaped.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from html import escape
from typing import Any

from simplicity.evidence.claim_verdicts import HOLDS, PENDING
from simplicity.evidence.claims import word
from simplicity.evidence.ledger import OWN, SIGNS, badge, number
from simplicity.site import markup, wording
from simplicity.site.check_picture import picture
from simplicity.site.evidence import Row

Link = Callable[[str], str | None]
RUNS = {"FULL": "recorded", "QUICK": "small run", "TINY": "smallest run"}
FILTERS = ("paper", "verdict", "kind", "source")
# one and several of the claims that are not the papers'
_APART = {
    "own question": ("question of the book's own", "questions of the book's own"),
    "identity": ("identity", "identities"),
}


def kind(row: Row) -> str:
    return row.get("kind") or "paper"


def _counted(rows: Iterable[Row]) -> list[str]:
    """Each verdict with the number of the papers' claims that have it."""
    count = Counter(row["verdict"] for row in rows if kind(row) not in OWN)
    return [f"{count[verdict]}&nbsp;{badge(verdict)}" for verdict in SIGNS if count[verdict]]


def summary(rows: Iterable[Row]) -> str:
    """How many claims of the papers hold; the book's own questions and identities are counted
    apart.
    """
    rows = list(rows)
    papers = sum(kind(row) not in OWN for row in rows)
    return (
        f'<p class="ledger-summary">{papers} claims of the papers: '
        f"{', '.join(_counted(rows))}.{_apart(rows)}</p>"
    )


def _apart(rows: Iterable[Row]) -> str:
    """How many are not the papers'."""
    kinds = Counter(map(kind, rows))
    apart = [f"{kinds[one]} {_APART[one][kinds[one] > 1]}" for one in OWN if kinds[one]]
    return f" Counted apart: {' and '.join(apart)}." if apart else ""


def counts(rows: Iterable[Row]) -> str:
    """How many claims of a paper have each verdict, in a line."""
    return " ".join(f'<span class="counted">{one}</span>' for one in _counted(rows))


def not_holding(rows: Iterable[Row], ledger: str | None) -> str:
    """The papers' own claims that do not simply hold, each in a line."""
    those = (row for row in rows if kind(row) == "paper" and row["verdict"] not in (HOLDS, PENDING))
    return markup.strip(those, lambda row: markup.claim(row, ledger))


def by_paper(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """The rows of each paper, in the order of the first claim of each."""
    papers: dict[str, list[Row]] = {}
    for row in rows:
        papers.setdefault(row["paper"], []).append(row)
    return papers


def bars(rows: Iterable[Row]) -> str:
    """For each paper its verdicts as a bar."""
    shown = "".join(
        f'<div class="ledger-bar"><span>{escape(paper)}, {len(those)} rows</span>'
        f'<span class="bar">{_pieces(those)}</span></div>'
        for paper, those in by_paper(rows).items()
    )
    return f'<div class="ledger-bars">{shown}</div>'


def _pieces(rows: Iterable[Row]) -> str:
    count = Counter(row["verdict"] for row in rows)
    return "".join(_piece(verdict, count[verdict]) for verdict in SIGNS if count[verdict])


def _piece(verdict: str, count: int) -> str:
    return (
        f'<span class="verdict-{verdict.replace(" ", "-")}" style="flex-grow: {count}">'
        f'<span aria-hidden="true">{SIGNS[verdict]}</span>&nbsp;{count}'
        f'<span class="visually-hidden"> {escape(verdict)}</span></span>'
    )


def filters(rows: Iterable[Row]) -> str:
    """Selects that a script brings to life; without one they are hidden and every row shows."""
    rows = list(rows)
    shown = "".join(_filter(name, (_field(row, name) for row in rows)) for name in FILTERS)
    search = '<label>words<input type="search" data-filter="words"></label>'
    return f'<form class="ledger-filters" hidden>{shown}{search}<output></output></form>'


def _filter(name: str, values: Iterable[str]) -> str:
    each = filter(None, dict.fromkeys(values))
    options = "".join(f"<option>{escape(value)}</option>" for value in each)
    return (
        f'<label>{name}<select data-filter="{name}">'
        f'<option value="">all</option>{options}</select></label>'
    )


def _field(row: Row, name: str) -> str:
    return kind(row) if name == "kind" else str(row.get(name) or "")


def table(rows: Iterable[Row], link: Link) -> str:
    """A row a claim: id, words, verdict, and why where it does not simply hold."""
    return f'<div class="ledger">{"".join(_row(row, link) for row in rows)}</div>'


def _row(row: Row, link: Link) -> str:
    name = escape(row["id"])
    data = "".join(f' data-{field}="{escape(_field(row, field))}"' for field in FILTERS)
    return (
        f'{_former(row)}<details class="claim" id="claim-{name}"{data}>'
        f'<summary><span class="id" id="{name}">{name}</span>'
        f'<span class="words">{_words(row)}</span>{badge(row["verdict"])}</summary>'
        f"{_about(row, link(row['chapter']))}{judged(row)}</details>"
    )


def _former(row: Row) -> str:
    """A mark under the id that the claim once had."""
    return f'<span id="claim-{escape(row["old_id"])}"></span>' if row.get("old_id") else ""


def _words(row: Row) -> str:
    """What the claim says, and why it does not simply hold."""
    reasons = wording.reasons(row.get("reason") or "")
    return markup.told(row["claim"]) + markup.reason(reasons)


def _about(row: Row, target: str | None) -> str:
    """Where the claim is taken up, where it is from, why it is asked, and the paper's number."""
    places = [_chapter(row, target), *_origin(row)]
    told = [f"{'; '.join(places)}.", escape(row.get("why") or ""), _paper_value(row)]
    return "".join(f"<p>{one}</p>" for one in told if one)


def _chapter(row: Row, target: str | None) -> str:
    chapter = escape(row["chapter"])
    return f'<a href="{target}">{chapter}</a>' if target else f"{chapter} (not written yet)"


def _origin(row: Row) -> list[str]:
    known = {
        "in the paper: ": row.get("where"),
        "source: ": row.get("source"),
        "": kind(row) if kind(row) != "paper" else "",
    }
    return [f"{label}{escape(text)}" for label, text in known.items() if text]


def _paper_value(row: Row) -> str:
    value = row.get("paper_value") or {}
    if not value.get("text"):
        return ""
    source = escape(str(value.get("provenance", "none")))
    return f"The paper's value: {escape(value['text'])} (source: {source})."


def judged(row: Row) -> str:
    """Each check of a claim once: as recorded, and beside it what the page's own small run says."""
    shown = "".join(check(*those) for those in _by_check(row).values())
    return shown + _records(row)


def _by_check(row: Row) -> dict[str, list[dict[str, Any]]]:
    """What each check of a claim found, the recorded run first."""
    found: dict[str, list[dict[str, Any]]] = {}
    for one in sorted(row["checks"], key=lambda one: one["preset"] != "FULL"):
        found.setdefault(one.get("id") or one["statistic"], []).append(one)
    return found


def check(one: dict[str, Any], *others: dict[str, Any]) -> str:
    """One check: its picture, its numbers in words, and those of other runs of the same check."""
    entries = [
        ("value", _value(one)),
        ("criterion", f"{one['criterion']}: {word(one['passed'])}{_margin(one)}"),
        ("control", _control(one.get("control") or {})),
        *(("small run", _outcome(other)) for other in others),
    ]
    return markup.entries(_title(one), entries, wording.shown, picture(one))


def _outcome(one: dict[str, Any]) -> str:
    return f"{_value(one)}: {word(one['passed'])}"


def _title(one: dict[str, Any]) -> str:
    name = f"<code>{escape(one['id'])}</code> " if one.get("id") else ""
    about = escape(f"({one['kind']}, {RUNS.get(one['preset'], 'own run')})")
    return f"{name}{wording.shown(one['statistic'])} <small>{about}</small>"


def _control(control: dict[str, Any]) -> str:
    if "criterion" in control:
        value, outcome = number(control["value"]), word(control.get("passed"))
        return f"{control['what']} = {value}; {control['criterion']}: {outcome}"
    return f"{control.get('what', 'none')}: {control.get('why', '')}" if control else ""


def _value(one: dict[str, Any]) -> str:
    if one.get("interval") is None:
        return number(one["value"])
    return f"{number(one['value'])} ({_interval(one)}), {one['seeds']} seeds"


def _interval(one: dict[str, Any]) -> str:
    low, high = one["interval"]
    return f"{one['interval_kind']}: {number(low)} to {number(high)}"


def _records(row: Row) -> str:
    """When the criteria were committed and when the runs that they judge."""
    lines = "".join(f"<li>{_record(one)}</li>" for one in row.get("records", ()))
    return f'<ul class="records">{lines}</ul>' if lines else ""


def _record(one: dict[str, Any]) -> str:
    before, after = (one[name] or "not known" for name in ("criterion_commit", "record_commit"))
    return (
        f"<code>{escape(one['experiment'])}</code>: {one['cells']} runs from seed "
        f"{one['first_seed']} on, recorded {escape(one['recorded'])}; code and criteria "
        f"<code>{escape(before)}</code>, record <code>{escape(after)}</code>"
    )


def _margin(one: dict[str, Any]) -> str:
    margin = one.get("margin")
    return "" if margin is None else f" by {margin:+.1f} half-widths of the interval"
