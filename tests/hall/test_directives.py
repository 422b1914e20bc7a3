"""What stands in a sentence of a page: verdicts with their links, and how long the records took."""

import json
import types

import pytest
from docutils import nodes
from docutils.utils import new_document

from simplicity.evidence import records
from simplicity.places import paths
from simplicity.site import directives, wording


def row(name: str, verdict: str = "holds") -> dict:
    return {
        "id": name,
        "verdict": verdict,
        "paper": "A paper",
        "chapter": "a-chapter",
        "claim": "a claim",
        "checks": [],
    }


def test_a_verdict_in_a_sentence_leads_to_its_row_of_the_ledger_and_is_escaped():
    shown = directives.verdicts([row("B1"), row("B2", "holds in part")], "ledger.html")
    assert shown.count('<span class="claim-verdict">') == 2
    assert (
        '<a href="ledger.html#claim-B1">B1</a>' in shown
        and "verdict-holds" in shown
        and "verdict-holds-in-part" in shown
    )
    assert "<b>" not in directives.verdicts([row("<b>")], "ledger.html")


def test_without_a_ledger_there_is_no_link():
    assert "<a " not in directives.verdicts([row("B1")], None)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (29, "29 s"),
        (31, "1 min"),
        (59 * 60, "59 min"),
        (3600, "1 h 0 min"),
        (7499, "2 h 5 min"),
    ],
)
def test_durations_are_said_as_people_say_them(seconds: float, said: str) -> None:
    assert directives.duration(seconds) == said


def test_the_time_of_the_records_is_that_of_those_that_judge_the_claims(tmp_path, monkeypatch):
    for name, seconds, claims in (
        ("one", 10.5, ["B1", "B2"]),
        ("two", 5.0, ["B3"]),
        ("other", 100.0, ["N1"]),
    ):
        about = {"seconds": seconds, "expected": {"FULL": {claim: {} for claim in claims}}}
        (tmp_path / f"{name}.json").write_text(json.dumps(about), "utf-8")
    monkeypatch.setattr(paths, "results", lambda: tmp_path)
    assert records.seconds({"B1", "B2", "B3"}) == 15.5
    assert records.seconds({"B2"}) == 10.5
    assert records.seconds(set()) == 0


def test_the_committed_records_have_taken_some_time():
    assert records.seconds({"B1"}) > 60


@pytest.mark.parametrize(
    ("names", "known", "warnings"),
    [("B1 B2", ["B1", "B2"], 0), ("B1 B99", ["B1"], 1), ("nonsense", [], 1)],
)
def test_an_id_that_is_not_in_the_table_of_claims_is_a_warning(names, known, warnings, monkeypatch):
    said = []
    monkeypatch.setattr(directives.LOG, "warning", lambda *words, **_: said.append(words))
    state = types.SimpleNamespace(rows={name: row(name) for name in ("B1", "B2")})
    place = types.SimpleNamespace(
        env=types.SimpleNamespace(simplicity=state), get_location=lambda: "here"
    )
    assert [one["id"] for one in directives._known(place, "verdict", names)] == known
    assert len(said) == warnings


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("3.2e-05", "3.2\u00a0×\u00a010⁻⁵"),
        ("1.16e+03", "1,160"),
        ("3e+06", "3\u00a0×\u00a010⁶"),
        ("0e+00", "0"),
        ("57%", "57 %"),
        ("-0.47", "−0.47"),
        ("0.5 (t 95 %: -1e-12 to 2)", "0.5 (t 95 %: −1\u00a0×\u00a010⁻¹² to 2)"),
    ],
)
def test_numbers_are_written_as_in_a_text(text, told):
    assert directives.spoken(text) == told


def test_a_check_is_told_by_its_id_with_its_interval_or_in_a_format():
    check = {
        "id": "B1.x",
        "preset": "FULL",
        "value": 0.25,
        "interval": [0.125, 0.5],
        "interval_kind": "range",
    }
    check["control"] = {"value": 3.0}
    rows = {"B1": {"checks": [check, check | {"preset": "QUICK", "value": 9.0}]}}
    assert directives.check_value(rows, "B1.x") == "0.25 (range: 0.125 to 0.5)"
    assert directives.check_value(rows, "B1.x:.1f") == "0.2"
    assert directives.check_value(rows, "B1.x", of_control=True) == "3"
    assert (
        directives.check_value(rows, "B1.y") is None
        and directives.check_value(rows, "B9.x") is None
    )


CLAIM = {
    "id": "B1", "claim": "It is $x^2$ & more.", "short": "It is <more>", "verdict": "holds in part",
    "reason": "one failed", "where": "Theorem 1", "source": "paper", "checks": [],
}  # fmt: skip


def test_a_strip_has_the_short_words_and_leads_to_the_ledger():
    shown = directives.strip([CLAIM], "ledger.html")
    assert '<a href="ledger.html#claim-B1">B1</a>' in shown and "It is &lt;more&gt;" in shown
    assert "<a " not in directives.strip([CLAIM], None)


def test_from_six_claims_on_a_strip_has_a_line_a_verdict_and_leads_to_the_claims_of_the_page():
    rows = [
        CLAIM | {"id": f"B{k}", "verdict": "holds" if k % 2 else "does not hold"}
        for k in range(1, 7)
    ]
    shown = directives.strip(rows, "ledger.html", here=["B1"])
    # what holds comes first
    assert shown.count("<li>") == 2 and shown.index("B5") < shown.index("B2")
    assert (
        '<a href="#claim-B1">B1</a>' in shown and '<a href="ledger.html#claim-B2">B2</a>' in shown
    )
    assert directives.strip(rows[:5], None).count("<li>") == 5


def test_a_check_is_shown_once_with_the_small_run_beside_the_record():
    check = {
        "id": "B1.a", "claim": "B1", "kind": "empirical", "statistic": "a share", "value": 0.9,
        "interval": None, "interval_kind": "none", "seeds": 10, "criterion": "above 0.5",
        "passed": True, "preset": "FULL", "control": {"what": "none", "why": "a reason"},
        "slack": 0.4, "band": [0.5, None], "margin": None,
    }  # fmt: skip
    small = check | {"preset": "QUICK", "value": 0.4, "passed": False}
    shown = directives.ledger_page.judged({"checks": [small, check]})
    assert shown.count('class="check"') == 1
    assert (
        "<dt>value</dt><dd>0.9</dd>" in shown
        and "<dt>small run</dt><dd>0.4: does not hold</dd>" in shown
    )


def test_a_claim_on_a_page_has_its_formula_its_source_and_why_it_holds_in_part():
    shown = directives.claim_screen(CLAIM, None)
    assert 'id="claim-B1"' in shown and r"\(x^2\)</span>" in shown and "&amp; more" in shown
    assert "Theorem 1; paper" in shown and "one failed" in shown


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("m = n^2, at least 0.9", "<i>m</i> = <i>n</i><sup>2</sup>, at least 0.9"),
        ("risk < 0.15 sigma^2", "risk &lt; 0.15 <i>σ</i><sup>2</sup>"),
        (
            "mu(F; L) over lambda_steady",
            "<i>μ</i>(<i>F</i>; <i>L</i>) over <i>λ</i><sub>steady</sub>",
        ),
        (
            "|W_T - W_0|_F",
            "|<i>W</i><sub><i>T</i></sub> − <i>W</i><sub>0</sub>|<sub><i>F</i></sub>",
        ),
        ("a teacher's, static <= Loukas", "a teacher's, static ≤ Loukas"),
        ("below 1e-12", "below 1\u00a0×\u00a010⁻¹²"),
        ("in [-0.5, 8 x 8]", "in [−0.5, 8 × 8]"),
    ],
)
def test_the_words_of_a_check_are_set_as_one_writes_them(text, told):
    assert wording.shown(text) == told


def test_reasons_that_differ_in_a_value_alone_are_one():
    said = "; ".join(f"control the model: {v}, had to be not below 0.5" for v in ("0.3", "0.4"))
    assert wording.reasons(said) == "control the model: 0.3, 0.4, had to be not below 0.5"
    assert wording.reasons("not judged: n < 2") == "not judged: <i>n</i> &lt; 2"


def test_numbers_on_a_page_are_written_as_in_a_text_and_code_stays():
    document = new_document("page")
    line = nodes.paragraph("", "from 1e-140 to ")
    line += nodes.inline("", "-3e-17", classes=["pasted-text"])
    line += [nodes.Text(", CIFAR-10, "), nodes.literal("", "1e-5"), nodes.math("", "1e-5")]
    document += line
    wording.Numbers(document).run()
    said = line.astext().replace("\u00a0", " ")
    assert said == "from 1 × 10⁻¹⁴⁰ to −3 × 10⁻¹⁷, CIFAR-10, 1e-51e-5"
