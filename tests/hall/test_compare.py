"""Two results or two ledgers: equal ones are equal, and each kind of difference is seen and
measured.
"""

import copy
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from simplicity.cli import main
from simplicity.evidence import compare
from simplicity.grid import store
from simplicity.places import paths
from simplicity.problems import Problem

EXACT = compare.Tolerance()


def result(values: list[float], seeds: list[int] | None = None) -> xr.Dataset:
    fields = {
        "seed": ("cell", seeds or list(range(len(values)))),
        "law": ("cell", ["margin"] * len(values)),
    }
    return xr.Dataset(
        {"loss": ("cell", np.array(values, dtype=float))},
        fields,
        {"preset": "QUICK", "fingerprint": "f"},
    )


@pytest.mark.parametrize(
    ("one", "other", "rtol", "atol", "differ"),
    [
        (1.0, 1.0, 0, 0, False),
        (1.0, np.nextafter(1.0, 2), 0, 0, True),
        (1.0, 1.1, 0, 0.1001, False),
        (1.0, 1.1, 0, 0.0999, True),
        (100.0, 101.0, 0.01, 0, False),  # of the larger one
        (100.0, 101.1, 0.01, 0, True),
        (np.nan, np.nan, 0, 0, False),
        (np.nan, 1.0, 1, 1, True),
        (np.inf, np.inf, 0, 0, False),
        (np.inf, -np.inf, 1, 1, True),
        (np.inf, 1.0, 0.5, 1, True),
        (2, 3, 0, 0, True),
        ("a", "a", 0, 0, False),
        ("a", "b", 9, 9, True),
        (True, False, 9, 9, True),
    ],
)
def test_values_differ_beyond_the_tolerances_only(
    one: Any, other: Any, rtol: float, atol: float, differ: bool
) -> None:
    assert bool(compare.Tolerance(rtol, atol).differ(one, other)) is differ
    assert bool(compare.Tolerance(rtol, atol).differ(other, one)) is differ


def test_equal_results_have_no_differences_whatever_the_order_of_their_cells() -> None:
    found = compare.results(result([1, 2, 3]), result([3, 1, 2], [2, 0, 1]), EXACT)
    assert found.differences == found.notes == ()
    assert found.compared == "9 values of 3 variables"


def test_a_difference_is_counted_measured_and_placed() -> None:
    (line,) = compare.results(result([1, 2, 4]), result([1, 2.5, 4.25]), EXACT).differences
    assert (
        line == "loss: 2 of 3 values differ, by 0.5 at most (relative 0.2); the first at cell 1: "
        "2.0 and 2.5"
    )
    assert (
        compare.results(
            result([1, 2, 4]), result([1, 2.5, 4.25]), compare.Tolerance(0.21)
        ).differences
        == ()
    )


def test_cells_and_variables_of_one_side_only_are_differences() -> None:
    lines = compare.results(
        result([1, 2, 3]), result([2, 3, 4], [1, 2, 3]).assign(more=0.0), EXACT
    ).differences
    assert lines == (
        "1 cells only in the first, the first {'seed': 0, 'law': 'margin'}",
        "1 cells only in the second, the first {'seed': 3, 'law': 'margin'}",
        "more: only in the second",
    )


def test_other_settings_and_other_code_are_notes_and_other_shapes_differences() -> None:
    other = result([1.0]).assign_attrs(preset="FULL", fingerprint="g")
    found = compare.results(result([1.0]), other, EXACT)
    assert found.differences == ()
    assert found.notes == (
        "preset: 'QUICK' and 'FULL'",
        "the code or the versions that the cells depend on differ",
    )
    curves = [
        result([1.0]).assign(curve=(("cell", "probe"), np.zeros((1, size)))) for size in (2, 3)
    ]
    assert compare.results(*curves, EXACT).differences == (
        "curve: shapes {'cell': 1, 'probe': 2} and {'cell': 1, 'probe': 3}",
    )


CHECK = {
    "statistic": "rho", "preset": "FULL", "passed": True, "criterion": "below 1",
    "interval_kind": "t 95 %", "seeds": 5, "value": 0.5, "interval": [0.4, 0.6],
    "control": {"value": 3.0},
}  # fmt: skip
LEDGER = [
    {"id": "B1", "verdict": "holds", "checks": [CHECK]},
    {"id": "B2", "verdict": "pending", "checks": []},
]


def test_ledgers_are_compared_claim_by_claim() -> None:
    assert compare.ledgers(LEDGER, copy.deepcopy(LEDGER), EXACT).differences == ()
    other = copy.deepcopy(LEDGER)
    other[0]["verdict"] = "holds in part"
    other[0]["checks"][0] |= {
        "passed": False,
        "value": 0.75,
        "interval": None,
        "control": {"value": 3.0},
    }
    other[1]["id"] = "B3"
    assert compare.ledgers(LEDGER, other, EXACT).differences == (
        "B2: only in the first",
        "B3: only in the second",
        "B1: verdict holds and holds in part",
        "B1: FULL rho: passed True and False",
        "B1: FULL rho: value 0.5 and 0.75 (apart by 0.25)",
        "B1: FULL rho: interval [0.4, 0.6] and []",
    )


def test_the_command_reads_results_records_and_ledgers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    body = store.encode(result([1, 2]))
    (tmp_path / "a.nc").write_bytes(body)
    (tmp_path / "b.nc.gz").write_bytes(gzip.compress(body))
    (tmp_path / "c.nc").write_bytes(store.encode(result([1, 2.5])))
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "claims.json").write_text(json.dumps(LEDGER))
    assert main(["compare", str(tmp_path / "a.nc"), str(tmp_path / "b.nc.gz")]) == 0
    assert (
        capsys.readouterr().out
        == "6 values of 3 variables, within |a - b| <= 0 + 0 max(|a|, |b|): no differences\n"
    )
    assert main(["compare", str(tmp_path / "a.nc"), str(tmp_path / "c.nc")]) == 1
    assert "loss: 1 of 2 values differ" in capsys.readouterr().out
    assert main(["compare", str(tmp_path / "a.nc"), str(tmp_path / "c.nc"), "--rtol", "0.3"]) == 0
    assert main(["compare", str(tmp_path / "site"), str(tmp_path / "site" / "claims.json")]) == 0
    record = next(paths.results().glob("*.nc.gz"))
    assert main(["compare", str(record), str(record)]) == 0


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["{tmp}/none", "{tmp}/a.nc"], "got {tmp}/none (No such file or directory)"),
        (["{tmp}/text", "{tmp}/a.nc"], "got {tmp}/text, allowed a result"),
        (["{tmp}/cut.nc", "{tmp}/a.nc"], "got {tmp}/cut.nc, allowed a result"),
        (["{tmp}/cut.gz", "{tmp}/a.nc"], "got {tmp}/cut.gz"),
        (["{tmp}/l.json", "{tmp}/a.nc"], "got a result and a ledger"),
        (["{tmp}/a.nc", "{tmp}/a.nc", "--rtol", "-1"], "rtol: got '-1', allowed a finite number"),
        (["{tmp}/a.nc", "{tmp}/a.nc", "--atol", "nan"], "atol: got 'nan'"),
    ],
)
def test_wrong_files_and_tolerances_end_in_one_line(
    tmp_path: Path, words: list[str], part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    body = store.encode(result([1, 2]))
    (tmp_path / "a.nc").write_bytes(body)
    (tmp_path / "cut.nc").write_bytes(body[:40])
    (tmp_path / "cut.gz").write_bytes(gzip.compress(body)[:40])
    (tmp_path / "text").write_text("{}")
    (tmp_path / "l.json").write_text(json.dumps(LEDGER))
    assert main(["compare", *(word.replace("{tmp}", str(tmp_path)) for word in words)]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: compare: ") or "tol: " in err
    assert err.count("\n") == 1 and part.replace("{tmp}", str(tmp_path)) in err


def test_files_of_two_kinds_are_refused_by_the_library_too(tmp_path: Path) -> None:
    (tmp_path / "l.json").write_text("[]")
    (tmp_path / "a.nc").write_bytes(store.encode(result([1])))
    with pytest.raises(Problem, match="allowed two of a kind"):
        compare.compare(tmp_path / "l.json", tmp_path / "a.nc", EXACT)
