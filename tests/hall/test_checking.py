"""`simplicity check`: what fresh runs say, beside what was published."""

import csv
from pathlib import Path

import numpy as np
import pytest

from simplicity.cli import checking, main
from simplicity.evidence import claim_verdicts, claims, ledger, records
from simplicity.evidence.claims import Check
from simplicity.grid.store import name_of
from simplicity.places import paths
from simplicity.problems import Problem


def made(name: str, passed: bool | None) -> Check:
    control = claims.no_control("arithmetic" if passed is not None else "2 seeds, 5 are needed")
    return Check(
        "B1",
        "empirical",
        name,
        1.0,
        None,
        "none",
        3,
        "below 2",
        passed,
        "QUICK",
        control,
        id=f"B1.{name}",
    )


@pytest.mark.parametrize(
    ("fresh", "agreement", "judged", "otherwise"),
    [
        ([made("a", True), made("b", False)], "agrees", 2, ()),
        ([made("a", True), made("b", True)], "differs", 2, ("B1.b",)),
        ([made("a", True), made("b", None)], "agrees", 1, ()),
        ([made("a", None), made("b", None)], "not judged", 0, ()),
        ([made("a", False), made("c", True)], "differs", 1, ("B1.a",)),
    ],
)
def test_agreement_is_over_the_checks_that_both_runs_judge(
    monkeypatch: pytest.MonkeyPatch,
    fresh: list[Check],
    agreement: str,
    judged: int,
    otherwise: tuple[str, ...],
) -> None:
    recorded = [made("a", True), made("b", False)]
    monkeypatch.setattr(ledger, "full_checks", lambda claims: recorded)
    found = checking.row("B1", fresh)
    assert (found.agreement, found.judged, found.otherwise) == (agreement, judged, otherwise)
    assert (found.checks, found.published) == (2, claim_verdicts.IN_PART)


def test_a_claim_is_judged_where_the_record_of_another_experiment_is_too_old(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    theirs = {name_of(module) for module in ledger.judging(["B1"])}
    of_record = ledger._full_checks

    def older(name: str) -> tuple[Check, ...]:
        if name not in theirs:
            raise Problem(f"record of {name}: got other settings")
        return of_record(name)

    before = checking.row("B1", [])
    monkeypatch.setattr(ledger, "_full_checks", older)
    assert checking.row("B1", []) == before and before.checks > 0
    with pytest.raises(Problem):
        ledger.full_checks()


def test_no_published_run_has_a_fresh_seed():
    seeds = [
        seed
        for name in records.names()
        for seed in np.atleast_1d(
            records.dataset(records.experiment(name)).get("seed", -1)
        ).tolist()
    ]
    assert 0 < max(seeds) < checking.FRESH_FROM


def test_fresh_seeds_are_told_can_be_asked_for_again_and_are_none_of_the_published(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["check", "b21", "--preset", "TINY", "--store", str(tmp_path / "store")]
    words += ["-o", str(tmp_path / "table.csv")]
    assert main([*words, "--fresh"]) == 0
    first = capsys.readouterr().out
    seed = int(first.split("seeds from ")[1].split()[0])
    assert seed >= checking.FRESH_FROM and f"--fresh {seed}" in first
    assert main([*words, "--fresh", str(seed)]) == 0
    assert capsys.readouterr().out == first
    (row,) = csv.DictReader((tmp_path / "table.csv").read_text().splitlines())
    assert row["claim"] == "B21" and row["agreement"] in (
        checking.AGREES,
        checking.DIFFERS,
        checking.OPEN,
    )


def test_a_claim_after_fresh_is_the_claim_and_no_seed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "--preset", "TINY", "--store", str(tmp_path), "--fresh", "b21"]) == 0
    assert "  B21." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["check"], "check: got no claim, allowed an id, or --all"),
        (["check", "B1", "--all"], "check: got a claim beside --all"),
        (["check", "B1", "--fresh", "-1"], "first_seed: got '-1'"),
        (["check", "B1", "--seeds", "0"], "seeds: got '0'"),
    ],
)
def test_wrong_words_are_refused(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(("within", "preset"), [("3.4", "TINY"), ("3.5", "FULL")])
def test_full_runs_where_the_published_one_took_no_longer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], within: str, preset: str
) -> None:
    assert records.abouts()["two_phases"]["seconds"] == 3.5
    words = ["check", "N17", "--preset", "TINY", "--fresh", str(checking.FRESH_FROM)]
    words += ["--store", str(tmp_path / "store"), "-o", str(tmp_path / "table.csv")]
    assert main([*words, "--full-within", within]) == 0
    assert f"two_phases, {preset}, " in capsys.readouterr().out
    (row,) = csv.DictReader((tmp_path / "table.csv").read_text().splitlines())
    assert row["presets"] == (preset if row["judged"] != "0" else "")


def test_an_experiment_without_a_record_is_run_as_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {name: one for name, one in records.abouts().items() if name != "two_phases"}
    monkeypatch.setattr(records, "abouts", lambda: found)
    words = ["check", "N17", "--preset", "TINY", "--store", str(tmp_path / "store")]
    assert main([*words, "--full-within", "600"]) == 0
    assert "two_phases, TINY, " in capsys.readouterr().out


@pytest.mark.parametrize("within", ["0", "-1", "nan", "soon"])
def test_no_time_within_which_nothing_is_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], within: str
) -> None:
    words = ["check", "N17", "--full-within", within, "--store", str(tmp_path / "store")]
    assert main(words) == 2
    told = capsys.readouterr().err
    assert "full-within: got" in told and told.count("\n") == 1
    assert not (tmp_path / "store").exists()


def test_the_page_of_verdicts_counts_what_its_table_of_fresh_seeds_holds() -> None:
    table = (paths.root() / "book" / "fresh.csv").read_text("utf-8")
    rows = list(csv.DictReader(table.splitlines()))
    kinds = {one["id"]: one["kind"] for one in ledger.rows()}
    text = " ".join((paths.root() / "book" / "verdicts.md").read_text("utf-8").split())

    def ids(agreement: str, kind: str) -> list[str]:
        return [
            one["claim"]
            for one in rows
            if one["agreement"] == agreement and kinds[one["claim"]] == kind
        ]

    checks, judged = (sum(int(one[name]) for one in rows) for name in ("checks", "judged"))
    otherwise = [check for one in rows for check in one["otherwise"].split()]
    told = f"{judged} of {checks} could be judged. {judged - len(otherwise)} came out as published"
    assert f"{told} and {len(otherwise)} did not." in text
    assert all(f"| {check} |" in text for check in otherwise)
    agree, differ, left = (ids(word, "paper") for word in ("agrees", "differs", "not judged"))
    assert f"{len(agree)} that agree and none that differs" in text and differ == []
    assert f"{', '.join(left[:-1])} and {left[-1]} were not judged" in text
    assert f"All {len(ids('agrees', 'identity'))} agree" in text
    own = [len(ids(word, "own question")) for word in ("agrees", "differs", "not judged")]
    assert "{} agree, {} differ and {} were not judged".format(*own) in text
