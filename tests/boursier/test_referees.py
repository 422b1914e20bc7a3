"""The referees' page: every request with its answer and what stands here, every claim of the paper,
no typed result.
"""

import csv
import re

from simplicity.places import paths

TEXT = (paths.book() / "referees.md").read_text("utf-8")
PARTS = re.split(r"^### ", TEXT, flags=re.MULTILINE)[1:]


def test_every_request_has_an_answer_and_something_here():
    assert len(PARTS) >= 21
    for part in PARTS:
        heads = re.findall(r"^(Asked|Answered|Here)$", part, flags=re.MULTILINE)
        assert heads == ["Asked", "Answered", "Here"]


def test_every_request_but_those_about_words_leads_somewhere():
    """A gap that is acknowledged and the order of the text are the only ones that no run can
    answer.
    """
    assert all(re.search(r"\{(ref|numref|verdict|recorded-time)\}", part) for part in PARTS)


def test_every_claim_of_the_paper_has_its_verdict_on_the_page_and_no_other():
    with open(paths.book() / "claims.csv", newline="", encoding="utf-8") as file:
        claims = {row["id"] for row in csv.DictReader(file) if row["paper"].startswith("Boursier")}
    shown = {name for names in re.findall(r"\{verdict\}`([^`]*)`", TEXT) for name in names.split()}
    assert shown == claims


def test_no_measured_number_is_typed():
    prose = re.sub(r"\[[\d.]+\]\(https[^)]*\)", "", TEXT)
    assert re.findall(r"\d+\.\d+", prose) == []
