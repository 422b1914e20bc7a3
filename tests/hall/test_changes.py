"""The table of changes: its rows are whole, speak of claims that there are, and are shown claim by
claim.
"""

import csv
import datetime

import pytest

from simplicity.evidence import ledger
from simplicity.places import paths
from simplicity.site import changes_page

ROWS = changes_page.changes()


def test_every_row_is_whole_and_speaks_of_a_claim() -> None:
    with open(paths.book() / changes_page.FILE, newline="", encoding="utf-8") as file:
        assert tuple(next(csv.reader(file))) == changes_page.COLUMNS
    for row in ROWS:
        # a comma outside of quotes makes one more
        assert set(row) == set(changes_page.COLUMNS), row
        assert row["claim"] in ledger.ids() and row["what"] in changes_page.KINDS, row
        assert datetime.date.fromisoformat(row["date"]) and row["after"] and row["why"], row
        assert row["what"] == "new row" or row["before"], row


def test_a_row_that_is_new_is_a_question_of_the_books_own_or_an_identity() -> None:
    new = {row["claim"] for row in ROWS if row["what"] == "new row"}
    kinds = {row["id"]: row["kind"] for row in ledger.rows()}
    assert {kinds[claim] for claim in new} <= {"own question", "identity"}


@pytest.mark.parametrize("claim", ["B8", "N18"])
def test_changes_are_shown_with_what_came_out_before(claim: str) -> None:
    rows = {row["id"]: row for row in ledger.rows()}
    shown = changes_page.listed(ROWS, rows, "ledger.html")
    assert f'id="change-{claim}"' in shown and f'href="ledger.html#claim-{claim}"' in shown
    (first, *_) = (row for row in ROWS if row["claim"] == claim)
    assert first["outcome_before"].split(":")[0] in shown
    assert shown.count("<details") == len({row["claim"] for row in ROWS})
