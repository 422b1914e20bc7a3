"""Grids of settings: which cells, where they stand in the dataset, what is refused; and the
command's own words.
"""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import toy_experiment as toy
from simplicity.boursier.experiments import optimization_threshold
from simplicity.cli import main, running
from simplicity.evidence import records
from simplicity.grid import groups, store, sweep
from simplicity.grid.run import run
from simplicity.problems import Problem


@pytest.fixture
def base(tmp_path: Path) -> toy.Config:
    return toy.Config(modes=("fine", "nan"), notes=str(tmp_path))


def test_every_point_holds_what_a_run_of_its_own_gives(base: toy.Config, tmp_path: Path) -> None:
    found = sweep.sweep(
        toy, base, {"first_seed": ["0", "5"], "index": [0, 1]}, store=tmp_path / "s", progress=False
    )
    dataset = found.dataset
    assert dataset is not None and found.failures == () and found.stored == 0
    assert dict(dataset.sizes) == {"first_seed": 2, "index": 2, "cell": 2, "probe": 3}
    assert dataset["first_seed"].values.tolist() == [0, 5] and dataset["index"].values.tolist() == [
        0,
        1,
    ]
    for seed in (0, 5):
        for index in (0, 1):
            config = toy.Config(modes=base.modes, notes=base.notes, first_seed=seed, index=index)
            alone = run(toy, config, store=tmp_path / "other", progress=False)
            point = dataset.sel(first_seed=seed, index=index)
            for name in alone.data_vars:
                np.testing.assert_array_equal(point[name].values, alone[name].values)
            assert point["mode"].values.tolist() == ["fine", "nan"]
            # more than the axis of that name
            assert point["cell_index"].values.tolist() == [index, index + 1]
            assert point["seed"].values.tolist() == [seed, seed]
    assert dataset["step"].dims == ("probe",)
    assert dataset["finished"].all()


def test_a_cell_of_several_points_is_computed_once(base: toy.Config, tmp_path: Path) -> None:
    sweep.sweep(toy, base, {"index": [0, 1]}, store=tmp_path / "s", progress=False)
    assert len(toy.calls(tmp_path)) == 4
    wider = sweep.sweep(
        toy, toy.Config(notes=base.notes), {"index": [0, 1], "seeds": [1, 2]}, store=tmp_path / "t"
    )
    assert len(toy.calls(tmp_path)) == 4 + 4  # four of the six places
    assert wider.dataset is not None and wider.dataset["finished"].values.sum() == 6


def test_points_with_fewer_cells_leave_gaps_that_are_no_numbers(
    base: toy.Config, tmp_path: Path
) -> None:
    config = toy.Config(notes=base.notes)
    dataset = sweep.sweep(
        toy, config, {"seeds": [1, 2]}, store=tmp_path / "s", progress=False
    ).dataset
    assert dataset is not None
    assert dataset["finished"].values.tolist() == [[True, False], [True, True]]
    assert np.isnan(dataset["total"].values).tolist() == [[False, True], [False, False]]
    # a whole number elsewhere
    assert np.isnan(dataset["count"].values).tolist() == [[False, True], [False, False]]
    np.testing.assert_array_equal(dataset["seed"].values, [[0, np.nan], [0, 1]])


def test_failed_cells_leave_gaps_and_keep_their_fields(base: toy.Config, tmp_path: Path) -> None:
    config = toy.Config(modes=("raise", "fine"), notes=base.notes)
    found = sweep.sweep(toy, config, {"index": [3, 7]}, store=tmp_path / "s", progress=False)
    assert len(found.failures) == 2 and found.dataset is not None
    assert found.dataset["finished"].values.tolist() == [[False, True]] * 2
    assert found.dataset["mode"].values.tolist() == ["raise", "fine"]
    assert np.isnan(found.dataset["total"].values).tolist() == [[True, False]] * 2
    again = sweep.sweep(toy, config, {"index": [3, 7]}, store=tmp_path / "s", progress=False)
    assert again.stored == 2 and len(toy.calls(tmp_path)) == 4 + 2


def test_without_any_finished_cell_there_is_no_dataset(tmp_path: Path) -> None:
    found = sweep.sweep(
        toy, toy.Config(modes=("raise",)), {"index": [0, 1]}, store=tmp_path, progress=False
    )
    assert found.dataset is None and len(found.failures) == 2


def test_a_swept_schedule_is_laid_along_the_axis_that_changes_it(tmp_path: Path) -> None:
    module = optimization_threshold
    swept = {"steps": [4, 300], "scale": [1e-3, 1e-2]}
    found = sweep.sweep(
        module, groups.preset(module, "TINY"), swept, store=tmp_path, progress=False
    ).dataset
    assert found is not None
    assert "steps" in found["step"].dims and found["step"].dims[-1] == "probe"
    assert (
        np.nanmax(found["step"].sel(steps=4).values) == 4
        and found["step"].sel(steps=300).values.max() == 300
    )
    np.testing.assert_array_equal(
        found["cell_scale"].sel(scale=1e-2).values,
        np.repeat([1e-2, 1e-2, 1, 1, 1e-2, 1e-2, 1, 1], 2),
    )
    xr.testing.assert_identical(store.open_bytes(store.encode(found)), found)


@pytest.mark.parametrize(
    ("swept", "line"),
    [
        (
            {"indx": ["0"]},
            r"unknown parameter: got 'indx' \(did you mean index\?\), allowed index, ",
        ),
        ({"index": []}, "index: got no values"),
        ({"index": ["x"]}, "index: got 'x', allowed a whole number"),
        ({"index": ["1", "01"]}, "index: got 1 twice, allowed once"),
        ({"index": ["1", "-1"]}, "index: got '-1', allowed a whole number, at least 0"),
        ({"modes": [("fine", "nan")]}, "modes: got .*allowed one element for each point"),
        (
            {"index": range(400), "first_seed": range(400)},
            "grid: got 160000 points, allowed at most 100000",
        ),
        ({"first_seed": [0, 2**31]}, "seed: got 2147483648, allowed a whole number up to"),
    ],
)
def test_a_wrong_grid_is_a_problem_before_anything_runs(
    base: toy.Config, tmp_path: Path, swept: dict[str, list[str]], line: str
) -> None:
    with pytest.raises(Problem, match=line):
        sweep.sweep(toy, base, swept, store=tmp_path / "s", progress=False)
    assert list(tmp_path.iterdir()) == []


# --- the command


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(records, "experiment", lambda name: toy)
    monkeypatch.setattr(records, "names", lambda: ["toy_experiment"])
    monkeypatch.setenv("SIMPLICITY_WORKERS", "0")
    monkeypatch.setattr("simplicity.grid.run.default_store", lambda: tmp_path / "default")
    monkeypatch.chdir(tmp_path)
    return tmp_path


WORDS = "sweep toy -g index=0,4 -g first_seed=0,1 --seeds 1 -p modes=fine,nan --store store".split()


def test_a_sweep_writes_its_dataset_and_tidy_tables(
    room: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*WORDS, "-o", "found.nc", "--csv", "found.csv"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("8 cells: 8 computed, 0 from the store, 0 failed; ")
    assert (
        "note: curve ends early in 4 of 8 places: training stopped there, the rest was never "
        "computed" in out
    )
    assert "grid of 2 index x 2 first_seed in found.nc" in out
    assert [line for line in err.splitlines() if "failed" in line] == []
    found = store.open_bytes((room / "found.nc").read_bytes())
    assert dict(found.sizes) == {"index": 2, "first_seed": 2, "cell": 2, "probe": 3}
    assert json.loads(found.attrs["swept"]) == {"index": [0, 4], "first_seed": [0, 1]}
    rows = list(csv.DictReader((room / "found.csv").read_text().splitlines()))
    assert len(rows) == 8 and {"index", "first_seed", "mode", "seed", "total", "count"} <= set(
        rows[0]
    )
    cell = found.sel(index=4, first_seed=1).isel(cell=1)
    (row,) = (
        row for row in rows if (row["index"], row["first_seed"], row["mode"]) == ("4", "1", "nan")
    )
    assert float(row["total"]) == float(cell["total"])
    curves = list(csv.DictReader((room / "found.probe.csv").read_text().splitlines()))
    assert (
        len(curves) == 24
        and {"probe", "step", "curve"} <= set(curves[0])
        and "total" not in curves[0]
    )
    assert main(WORDS) == 0
    assert capsys.readouterr().out.startswith("8 cells: 0 computed, 8 from the store, 0 failed; ")


def test_a_run_with_lists_is_that_sweep_and_its_table_has_the_same_rows(room: Path) -> None:
    assert main([*WORDS, "-o", "swept.nc", "--csv", "swept.csv"]) == 0
    words = ["run", "toy", *(word if word != "-g" else "-p" for word in WORDS[2:])]
    assert main([*words, "-o", "run.nc", "--csv", "run.csv"]) == 0
    assert (room / "run.nc").read_bytes() == (room / "swept.nc").read_bytes()
    assert (room / "run.csv").read_text() == (room / "swept.csv").read_text()


def test_cells_without_a_plain_value_and_with_an_axis_called_row_have_their_tables() -> None:
    plan = sweep.plan(toy, toy.Config(), {"index": [0, 4]})
    part = xr.Dataset({"loss": (("row", "step"), [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])})
    whole = sweep.assemble(toy, toy.Config(), plan, dict.fromkeys(plan.distinct, part))
    assert whole is not None
    tables = sweep.tables(whole)
    assert list(tables) == ["", "row.step"]
    assert tables[""]["index"].tolist() == [0, 4] and set(tables[""]["mode"]) == {"fine"}
    curves = tables["row.step"]
    assert (
        curves["row"].tolist() == [0, 0, 1, 1, 2, 2] * 2 and curves["step"].tolist() == [0, 1] * 6
    )
    assert curves["loss"].tolist() == [1, 2, 3, 4, 5, 6] * 2


def test_a_list_that_a_setting_takes_whole_is_one_run_and_it_writes_a_table_too(
    room: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "run toy --preset TINY -p modes=fine,slow --store store --csv run.csv".split()
    assert main(words) == 0
    assert capsys.readouterr().out.startswith("B1.count  holds: largest count = 300 ")
    table = pd.read_csv(room / "run.csv")
    assert table["mode"].tolist() == ["fine", "slow"] and table["count"].tolist() == [300, 300]


def test_a_dry_run_counts_and_estimates_and_writes_nothing(
    room: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*WORDS, "--dry-run"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert (
        out[0]
        == "8 cells: grid of 2 index x 2 first_seed; a cell that several points share counts once"
    )
    assert out[1:] == [
        "0 stored in store, 8 to compute",
        "no estimate: no cell of this experiment is stored yet",
    ]
    assert list(room.iterdir()) == []
    shelf = store.Store(room / "store")
    plan = sweep.plan(toy, toy.Config(modes=("fine", "nan")), {"index": [0, 4]})
    for cell, seconds in zip(plan.distinct, (1.0, 1.0, 2.0, 16.0), strict=True):
        shelf.put(toy, cell, store.encode(toy.measure(cell)), seconds)
    assert main([*WORDS, "--workers", "2", "--dry-run"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[1] == "4 stored in store, 4 to compute"
    each = "(4 stored cells: median 1.5 s, mean 5 s, longest 16 s)"
    assert out[2] == f"estimate: 3.0 s to 10.0 s with 2 at a time {each}"


def test_a_sweep_with_failing_cells_ends_with_one_and_keeps_the_others(
    room: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "sweep toy -g index=0,4 -p modes=raise,fine --seeds 1 -o found.nc".split()
    assert main(words) == 1
    out, err = capsys.readouterr()
    assert [line[:8] for line in err.splitlines() if line.startswith(("failed", "error"))] == [
        "failed: ",
        "failed: ",
        "error: 2",
    ]
    assert store.open_bytes((room / "found.nc").read_bytes())["finished"].values.sum() == 2


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["sweep", "toy"], "required: -g/--grid"),
        ([*WORDS, "-g", "index=1"], "parameter index: got it twice"),
        ([*WORDS, "-p", "index=1"], "index: got it as a parameter and on the grid"),
        ([*WORDS, "-p", "seeds=1"], "parameter seeds: got it twice"),
        (
            ["sweep", "toy", "-g", "index=1,,2"],
            "index: got '1,,2', allowed values between the commas",
        ),
        (["sweep", "toy", "-g", "index"], "parameter: got 'index', allowed NAME=VALUE"),
        ([*WORDS, "--timeout", "0"], "timeout: got '0', allowed seconds above 0"),
        ([*WORDS, "--timeout", "nan"], "timeout: got 'nan'"),
        ([*WORDS, "--timeout", "soon"], "timeout: got 'soon'"),
        (
            [*WORDS, "--scheduler", "127.0.0.1:8786"],
            "scheduler: got '127.0.0.1:8786', allowed tcp://HOST:PORT",
        ),
        (
            [*WORDS, "--scheduler", "tcp://x:1", "--workers", "2"],
            "workers: got them beside a scheduler",
        ),
        ([*WORDS, "--csv", "no/a.csv"], "output: got no/a.csv"),
        ([*WORDS, "-o", "a\0b"], "command: got a null character"),
    ],
)
def test_wrong_words_end_in_one_line(
    room: Path, words: list[str], part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1 and part in err
    assert list(room.iterdir()) == []


def test_what_is_not_finite_is_told_with_what_it_means() -> None:
    curves = [
        [1, 2, 3],
        [1, np.nan, np.nan],
        [1, np.nan, 3],
        [1, np.inf, np.nan],
        [np.nan] * 3,
        [np.nan] * 3,
    ]
    dataset = xr.Dataset(
        {
            "curve": (("axis", "cell", "probe"), np.array([curves])),
            "value": (("axis", "cell"), [[0.0, np.nan, 1.0, np.inf, 2.0, np.nan]]),
            "table": (
                ("axis", "cell", "a", "b"),
                np.where(np.arange(24) == 7, np.nan, 1.0).reshape(1, 6, 2, 2),
            ),
            "whole": (("axis", "cell"), [[1] * 6]),
        }
    ).assign(finished=(("axis", "cell"), [[True] * 5 + [False]]))
    why = "a run diverged, or it is not defined there"
    assert running._not_finite(dataset) == [
        "note: curve ends early in 1 of 5 places: training stopped there, the rest was never "
        "computed",
        f"note: curve is not finite in 3 of 5 places: {why}",
        f"note: value is not finite in 2 of 5 places: {why}",
        f"note: table is not finite in 1 of 5 places: {why}",
    ]
