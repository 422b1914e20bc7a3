"""`{changes}`: what criteria were, what came out, what they are now; from book/changes.csv."""

import csv
from collections.abc import Iterable, Mapping
from html import escape

from simplicity.evidence.ledger import badge
from simplicity.places import paths
from simplicity.site import markup
from simplicity.site.evidence import Row

FILE = "changes.csv"
COLUMNS = ("date", "claim", "what", "before", "outcome_before", "after", "why")
KINDS = ("statement", "criterion", "control", "setting", "seeds", "new row", "removed")
# what stands before the text of a column
TERMS = (("before", "before"), ("came out", "outcome_before"), ("now", "after"), ("why", "why"))
Change = dict[str, str]


def changes() -> list[Change]:
    """The rows of book/changes.csv, the oldest first."""
    with open(paths.book() / FILE, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def listed(found: Iterable[Change], rows: Mapping[str, Row], ledger: str) -> str:
    """A folded part a claim, in the order of claims.csv, with what changed and its verdict of
    today.
    """
    found = list(found)
    shown = ""
    for name, row in rows.items():
        own = [one for one in found if one["claim"] == name]
        shown += _folded(row, own, ledger) if own else ""
    return f'<div class="ledger">{shown}</div>'


def _folded(row: Row, changes: list[Change], ledger: str) -> str:
    name = escape(row["id"])
    kinds = ", ".join(dict.fromkeys(one["what"] for one in changes))
    return (
        f'<details class="claim" id="change-{name}"><summary><span class="id">{name}</span>'
        f'<span class="words">{markup.short(row)}{markup.reason(escape(kinds))}</span>'
        f"{badge(row['verdict'])}</summary>{''.join(map(_change, changes))}"
        f'<p><a href="{ledger}#claim-{name}">How it is judged today</a></p></details>'
    )


def _change(one: Change) -> str:
    title = f"{escape(one['what'])} <small>({escape(one['date'])})</small>"
    return markup.entries(title, ((term, one[name]) for term, name in TERMS), markup.told)
