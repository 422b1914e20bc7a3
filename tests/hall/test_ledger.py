"""The ledger from records and from evidence, and the README's table made from it."""

import csv
import io
import json
import re

import jsonschema
import pytest
import xarray as xr

from simplicity.boursier.experiments import excess_risk
from simplicity.evidence import check_rows, claims, ledger, records
from simplicity.places import paths
from simplicity.problems import Problem
from simplicity.site import evidence


def ids() -> list[str]:
    with open(paths.book() / "claims.csv", newline="", encoding="utf-8") as file:
        return [row["id"] for row in csv.DictReader(file)]


def made_up(claim: str, value: float, bound: float, statistic: str = "a number") -> claims.Check:
    dataset = xr.Dataset(attrs={"preset": "QUICK"})
    control = claims.control("nothing", claims.exact(0.0), claims.below(1))
    return claims.check(
        dataset, claim, "empirical", statistic, claims.exact(value), claims.below(bound), control
    )


def test_there_is_one_row_for_each_of_the_claims_in_their_order_and_as_many_as_the_readme_says():
    rows = ledger.rows()
    (said,) = re.findall(
        r"Each of the (\d+) claims", (paths.root() / "README.md").read_text("utf-8")
    )
    assert [row["id"] for row in rows] == ids() and len(rows) == int(said) >= 101


def test_rows_are_plain_json_and_the_same_twice():
    assert json.dumps(ledger.rows(), allow_nan=False) == json.dumps(ledger.rows(), allow_nan=False)


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """An empty store, and a count of how often a record is judged."""
    monkeypatch.setenv("SIMPLICITY_STORE", str(tmp_path))
    ledger._full_checks.cache_clear()
    judged = []
    original = excess_risk.checks
    monkeypatch.setattr(
        excess_risk, "checks", lambda dataset: judged.append(dataset) or original(dataset)
    )
    yield tmp_path / "judged" / "excess_risk.json", judged
    ledger._full_checks.cache_clear()


def again():
    ledger._full_checks.cache_clear()
    return [check_rows.row_of(one) for one in ledger._full_checks("excess_risk")]


def test_a_record_is_judged_once_and_again_only_when_it_or_its_code_changes(kept, monkeypatch):
    path, judged = kept
    first = again()
    assert path.is_file() and len(judged) == 1
    assert again() == first and len(judged) == 1
    path.write_text('{"key": "other", "checks": []}')
    assert again() == first and len(judged) == 2
    path.write_bytes(b"torn")
    assert again() == first and len(judged) == 3
    monkeypatch.setattr(ledger.threads, "code_digest", lambda path: "another")
    assert again() == first and len(judged) == 4
    content = records.content("excess_risk")
    monkeypatch.setattr(ledger.records, "content", lambda name: content + b" ")
    assert again() == first and len(judged) == 5


def test_where_nothing_can_be_written_a_record_is_judged_all_the_same(kept):
    path, judged = kept
    path.parent.write_bytes(b"in the way")
    assert again() and len(judged) == 1


@pytest.mark.parametrize("older", ["a setting", "a measure"])
def test_a_record_of_former_code_is_named_with_its_mend(older, kept, monkeypatch):
    found = records.load(excess_risk)
    assert found is not None
    former = found.dataset.drop_vars("two_fits")
    if older == "a setting":
        config = json.loads(former.attrs["config"]) | {"sigma": 1.0}
        former = found.dataset.assign_attrs(config=json.dumps(config))
    monkeypatch.setattr(records, "load", lambda _: records.Record(former, found.about))
    told = {"a setting": "got other settings .*sigma", "a measure": "got none of"}[older]
    with pytest.raises(Problem, match=f"record of excess_risk: {told}.*record excess_risk"):
        ledger._applied(excess_risk)


def test_a_claim_without_any_check_is_pending(monkeypatch):
    monkeypatch.setattr(ledger, "full_checks", list)
    (row,) = (row for row in ledger.rows() if row["id"] == "H28")
    assert row["verdict"] == "pending" and row["checks"] == []


@pytest.mark.parametrize(("value", "verdict"), [(0.5, "holds"), (1.5, "does not hold")])
def test_evidence_of_a_page_makes_the_verdict_where_there_is_no_record(value, verdict, monkeypatch):
    monkeypatch.setattr(ledger, "full_checks", list)
    payload = {"checks": [check_rows.row_of(made_up("H28", value, 1.0))]}
    (row,) = (row for row in ledger.rows([payload]) if row["id"] == "H28")
    assert row["verdict"] == verdict and len(row["checks"]) == 1


def test_a_record_outweighs_the_fresh_run_which_is_listed_beside_it():
    before = next(row for row in ledger.rows() if row["id"] == "B3")
    failing = {"checks": [check_rows.row_of(made_up(before["checks"][0]["id"], 2.0, 1.0))]}
    after = next(row for row in ledger.rows([failing]) if row["id"] == "B3")
    assert after["verdict"] == before["verdict"] != "pending"
    assert len(after["checks"]) == len(before["checks"]) + 1


def test_every_full_check_of_a_judged_claim_has_a_control_or_says_why_not():
    for row in ledger.rows():
        for check in row["checks"]:
            assert check["control"].get("why") or check["control"]["criterion"]


def judgement_of(preset: str) -> ledger.Judgement:
    dataset = records.dataset(excess_risk)
    return ledger.judge(dataset.assign_attrs(preset=preset))


def test_a_judgement_carries_its_checks_and_escapes_what_it_shows():
    bundle = judgement_of("custom")._repr_mimebundle_()
    assert [check["claim"] for check in bundle[ledger.MIME]["checks"]] == ["B21", "B21"]
    assert "sigma^2" in bundle["text/html"] and "<script" not in bundle["text/html"]


def test_a_record_that_stands_in_for_a_run_is_no_second_evidence():
    judgement = judgement_of("FULL")
    assert not judgement.fresh and [one.claim for one in judgement.recorded] == ["B21", "B21"]
    assert [found.claim for found in judgement.verdicts()] == ["B21"]


def test_expected_outcomes_are_asserted_for_presets_and_not_for_other_parameters():
    assert "as committed" in judgement_of("FULL").assert_expected()
    assert "nothing is asserted" in judgement_of("custom").assert_expected()


def test_a_changed_outcome_is_an_error_that_names_both(monkeypatch):
    record = records.load(excess_risk)
    other = json.loads(json.dumps(record.about).replace('"holds"', '"criterion not met"'))
    monkeypatch.setattr(records, "load", lambda module: records.Record(record.dataset, other))
    with pytest.raises(
        AssertionError, match="excess_risk, FULL, B21: .*now holds, expected criterion not met"
    ):
        judgement_of("FULL").assert_expected()


def test_the_readme_shows_the_ledger_as_it_is():
    table = ledger.markdown(ledger.rows())
    assert table.count("\n") > 5
    assert table in (paths.root() / "README.md").read_text("utf-8")


def test_paper_values_are_sourced_and_belong_to_claims():
    with open(paths.book() / "paper_values.csv", newline="", encoding="utf-8") as file:
        values = list(csv.DictReader(file))
    assert {row["id"] for row in values} <= set(ids())
    assert {row["provenance"] for row in values} <= {"paper", "code", "review"}


def test_the_ledger_keeps_to_its_schema_which_refuses_another_verdict():
    schema = json.loads(evidence.SCHEMA.read_text("utf-8"))
    rows = json.loads(evidence.canonical(ledger.rows()))
    jsonschema.validate(rows, schema)
    for field, wrong in (("verdict", "reproduced"), ("unit", "run"), ("id", "b1")):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate([rows[0] | {field: wrong}], schema)


def test_the_table_of_checks_has_a_line_a_check_with_the_values_of_its_row():
    rows = ledger.rows()
    lines = list(csv.DictReader(io.StringIO(evidence.table(rows))))
    checks = [(row, one) for row in rows for one in row["checks"]]
    assert len(lines) == len(checks) > 100
    for line, (row, one) in zip(lines, checks, strict=True):
        assert (line["claim"], line["verdict"], line["id"]) == (
            row["id"],
            row["verdict"],
            one["id"],
        )
        assert one["value"] is None or float(line["value"]) == one["value"]
