"""`{changes}`: what criteria were, what came out, what they are now; from book/changes.csv."""

import csv
from collections.abc import Iterable, Mapping
from html import escape

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from simplicity.evidence.ledger import badge
from simplicity.places import paths
from simplicity.site.evidence import Row
from simplicity.site.ledger_page import told

FILE = "changes.csv"
COLUMNS = ("date", "claim", "what", "before", "outcome_before", "after", "why")
KINDS = ("statement", "criterion", "control", "setting", "seeds", "new row", "removed")
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
        if own:
            kinds = ", ".join(dict.fromkeys(one["what"] for one in own))
            head = (
                f'<summary><span class="id">{escape(name)}</span><span class="words">'
                f"{told(row.get('short') or row['claim'])}"
                f'<span class="reason">{escape(kinds)}</span></span>'
                f"{badge(row['verdict'])}</summary>"
            )
            link = f'<p><a href="{ledger}#claim-{escape(name)}">How it is judged today</a></p>'
            body = "".join(_change(one) for one in own)
            shown += (
                f'<details class="claim" id="change-{escape(name)}">{head}{body}{link}</details>'
            )
    return f'<div class="ledger">{shown}</div>'


def _change(one: Change) -> str:
    entries = [
        ("before", one["before"]),
        ("came out", one["outcome_before"]),
        ("now", one["after"]),
        ("why", one["why"]),
    ]
    terms = "".join(f"<dt>{term}</dt><dd>{told(text)}</dd>" for term, text in entries if text)
    return (
        f'<div class="check"><p>{escape(one["what"])} <small>({escape(one["date"])})</small></p>'
        f"<dl>{terms}</dl></div>"
    )


class Changes(SphinxDirective):
    """`{changes}`: every change of a statement, criterion, control or setting.

    Since the first verdicts.
    """

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(paths.book() / FILE))
        ledger = escape(self.env.app.builder.get_relative_uri(self.env.docname, "book/ledger"))
        rows = self.env.simplicity.rows  # type: ignore[attr-defined]
        shown = listed(changes(), rows, ledger)
        return [nodes.raw("", shown, format="html")]
