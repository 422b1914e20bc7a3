"""Every experiment keeps the contract, and every committed record can be computed again."""

import csv
import dataclasses
import functools
import inspect
import json
import os
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import xarray as xr

from simplicity.evidence import check_rows, claims, ledger, recompute, records
from simplicity.grid import config, groups, run, store
from simplicity.places import paths
from simplicity.process import threads

NAMES = records.names()
IDS = [
    row["id"]
    for row in csv.DictReader((paths.book() / "claims.csv").read_text("utf-8").splitlines())
]
RECORDED = [name for name in NAMES if records.content(name)]
EVERY = pytest.mark.parametrize("name", NAMES)
EACH_RECORD = pytest.mark.parametrize("name", RECORDED)
MOST_BYTES = 300_000  # of a record
# Thirteen claims and curves of 200 runs; six claims and curves of 250 runs.
LARGER = {"cosine_task": 450_000, "simple_phase_ends": 450_000}
OUTCOMES = {"holds", "criterion not met", "control misbehaves", "not judged"}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store for the TINY runs, which the workers of one test run share."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "tiny-store"


@functools.cache
def tiny(name: str, shelf: Path) -> xr.Dataset:
    module = records.experiment(name)
    return run.run(module, groups.preset(module, "TINY"), store=shelf, progress=False)


# Read, and judged whole, once in a process: every test of a record looks at the same.


@functools.cache
def record_of(name: str) -> tuple[ModuleType, records.Record]:
    module = records.experiment(name)
    record = records.load(module)
    assert record is not None
    return module, record


@functools.cache
def judged(name: str) -> tuple[claims.Check, ...]:
    module, record = record_of(name)
    return tuple(groups.checks_of(module, record.dataset))


def test_there_are_experiments() -> None:
    assert len(NAMES) >= 5


@EVERY
def test_the_claims_it_judges_are_in_the_table_of_claims(name: str) -> None:
    judged = records.experiment(name).CLAIMS
    assert judged and set(judged) <= set(IDS)
    assert len(set(judged)) == len(judged)


@EVERY
def test_it_offers_the_contract_and_nothing_hides_in_the_signatures(name: str) -> None:
    module = records.experiment(name)
    assert isinstance(module.GRID, groups.Grid) and module.Run is module.GRID.run
    for function, argument in (("measure", "run"), ("checks", "runs")):
        assert list(inspect.signature(getattr(module, function)).parameters) == [argument]
    assert store.name_of(module) == name


@EVERY
def test_its_settings_are_frozen_described_and_have_seeds(name: str) -> None:
    module = records.experiment(name)
    assert (
        dataclasses.is_dataclass(groups.config_of(module))
        and groups.config_of(module).__dataclass_params__.frozen
    )
    for field in config.describe(groups.config_of(module)):
        assert field["help"]
    assert {field["name"] for field in config.describe(groups.config_of(module))} >= {
        "seeds",
        "first_seed",
    }


@EVERY
def test_every_check_has_an_id_of_its_claim_and_no_preset_leaves_one_out(
    name: str, shelf: Path
) -> None:
    module = records.experiment(name)
    full = [one.id for one in judged(name)]
    small = [one.id for one in groups.checks_of(module, tiny(name, shelf))]
    assert all(re.fullmatch(r"[^.]+\.[\w-]+", one) for one in full)
    assert {one.partition(".")[0] for one in full} == set(module.CLAIMS)
    assert set(full) == set(small)


def test_ids_of_checks_are_unique_in_the_book() -> None:
    found = [one.id for one in ledger.full_checks()]
    assert len(found) == len(set(found)) > 100


@EVERY
def test_its_presets_are_valid_different_and_grow(name: str) -> None:
    module = records.experiment(name)
    presets = [groups.preset(module, preset) for preset in run.PRESETS]
    assert all(
        config.parse(groups.config_of(module), dataclasses.asdict(preset)) == preset
        for preset in presets
    )
    assert len(set(presets)) == 3
    assert [run.preset_of(module, preset) for preset in presets] == list(run.PRESETS)
    sizes = [len(groups.runs_of(module, preset)) for preset in presets]
    assert sizes == sorted(sizes)


@EVERY
def test_its_cells_are_frozen_plain_values_each_once(name: str) -> None:
    module = records.experiment(name)
    for preset in run.PRESETS:
        cells = groups.runs_of(module, groups.preset(module, preset))
        assert len(set(cells)) == len({store.key(module, cell) for cell in cells}) == len(cells)
        assert type(cells[0]).__dataclass_params__.frozen
        for cell in cells:
            assert {type(value) for value in store.plain(cell).values()} <= {int, float, str, bool}
            assert isinstance(cell.seed, int)


@EVERY
def test_more_seeds_add_cells_and_change_none(name: str) -> None:
    module = records.experiment(name)
    two, three = (
        groups.runs_of(module, dataclasses.replace(groups.preset(module, "TINY"), seeds=seeds))
        for seeds in (2, 3)
    )
    assert set(two) < set(three)
    later = groups.runs_of(
        module, dataclasses.replace(groups.preset(module, "TINY"), seeds=1, first_seed=7)
    )
    assert {cell.seed for cell in later} == {7}


@EVERY
def test_the_smallest_preset_runs_and_says_what_it_is(name: str, shelf: Path) -> None:
    found = tiny(name, shelf)
    module = records.experiment(name)
    assert found.attrs["preset"] == "TINY"
    assert found.sizes["cell"] == len(groups.runs_of(module, groups.preset(module, "TINY")))
    fields = {
        field.name
        for field in dataclasses.fields(groups.runs_of(module, groups.preset(module, "TINY"))[0])
    }
    assert fields <= set(found.coords)
    assert all(found[field].dims == ("cell",) for field in fields)
    assert all(found[variable].dims[0] == "cell" for variable in found.data_vars)


@EVERY
def test_a_cell_has_the_same_variables_and_bits_whoever_was_measured_before(
    name: str, shelf: Path
) -> None:
    module = records.experiment(name)
    tiny(name, shelf)  # each after the one before it
    first, *_, last = groups.runs_of(module, groups.preset(module, "TINY")) * 2
    # the other way round
    found = {cell: run.compute(module.__name__, cell)[0] for cell in (last, first)}
    for cell, body in found.items():
        assert store.Store(shelf).path(module, cell).read_bytes().partition(b"\n")[2] == body
    one, other = (store.open_bytes(found[cell]) for cell in (last, first))
    assert {key: one[key].dims for key in one.variables} == {
        key: other[key].dims for key in other.variables
    }


@EVERY
def test_its_checks_speak_of_its_claims_with_a_control_or_a_reason_for_none(
    name: str, shelf: Path
) -> None:
    module = records.experiment(name)
    checks = groups.checks_of(module, tiny(name, shelf))
    # what cannot be judged in so few seeds, or without files, is FULL only
    assert checks or name in RECORDED
    for one in checks:
        assert one.claim in module.CLAIMS
        assert one.kind in ("identity", "theorem", "empirical")
        assert one.preset == "TINY"
        assert one.statistic and one.criterion and one.interval_kind
        assert one.control.why if one.control.what == "none" else one.control.criterion
        row = check_rows.row_of(one)
        again = check_rows.from_row(json.loads(json.dumps(row, allow_nan=False)))
        assert check_rows.row_of(again) == row
    statistics = [(one.claim, one.statistic) for one in checks]
    assert len(set(statistics)) == len(statistics)


@EVERY
def test_each_claim_has_a_check_in_the_full_preset(name: str) -> None:
    if name in RECORDED:
        assert {one.claim for one in judged(name)} == set(records.experiment(name).CLAIMS)


def without(dataset: xr.Dataset, name: str) -> list[xr.Dataset]:
    """The run without the smallest or the largest value of one field, as if other settings had left
    it out.
    """
    found = []
    for field in dataclasses.fields(groups.run_type(records.experiment(name))):
        present = np.unique(dataset[field.name].values)
        if len(present) > 1:
            found += [
                dataset.isel(cell=dataset[field.name].values != value)
                for value in (present[0], present[-1])
            ]
    return found


@EVERY
def test_a_run_that_left_something_out_is_judged_or_not_judged_but_no_error(
    name: str, shelf: Path
) -> None:
    module = records.experiment(name)
    wholes = [(tiny(name, shelf), groups.checks_of(module, tiny(name, shelf)))]
    if name in RECORDED:
        wholes.append((record_of(name)[1].dataset, list(judged(name))))
    for whole, whole_checks in wholes:
        ids = {one.id for one in whole_checks}
        for part in without(whole, name):
            checks = groups.checks_of(module, part)
            assert {one.id for one in checks} == ids
            for one in checks:
                assert one.holds in (True, False, None)
                assert one.seeds > 0 or one.passed is None


# Where TINY has what is spoken of: settings that have not, or no runs at all.
NOTHING = {
    "digits_explained", "dropout_bound", "orthogonal_inputs", "simple_phase_ends", "sinusoid",
    "staircase",
}  # fmt: skip
ELSEWHERE: dict[str, dict[str, Any]] = {
    "initialisation_scale": {"scale": (0.5,)},
    "linear_on_digits": {"network": ("infinite",), "convolutional_network": ()},
    "optimization_threshold": {"n": (15,), "unaligned_n": (15,)},
}


@EVERY
def test_a_run_without_what_the_criteria_speak_of_is_not_judged(name: str, shelf: Path) -> None:
    module = records.experiment(name)
    dataset = tiny(name, shelf)
    if name in ELSEWHERE:
        settings = dataclasses.replace(groups.preset(module, "TINY"), **ELSEWHERE[name])
        dataset = run.run(module, settings, store=shelf, progress=False)
    if name in NOTHING:
        dataset = dataset.isel(cell=[])
    evidence = [one for one in groups.checks_of(module, dataset) if one.kind != "identity"]
    assert [one.statistic for one in evidence if one.holds is not None] == []


# --- committed records


def test_every_record_is_one_of_an_experiment() -> None:
    found = {path.name for path in paths.results().iterdir()}
    assert found == {f"{name}.{suffix}" for name in RECORDED for suffix in ("nc.gz", "json")}


@EACH_RECORD
def test_a_record_tells_how_it_was_made(name: str) -> None:
    module, record = record_of(name)
    about = record.about
    assert config.parse(groups.config_of(module), about["config"]) == groups.preset(module, "FULL")
    assert about["experiment"] == record.dataset.attrs["experiment"] == name
    assert about["preset"] == record.dataset.attrs["preset"] == "FULL"
    assert about["fingerprint"] == record.dataset.attrs["fingerprint"]
    assert set(about["versions"]) == {"python", "numpy", "torch", "numba", "scipy"}
    assert (
        about["cells"]
        == record.dataset.sizes["cell"]
        == len(groups.runs_of(module, groups.preset(module, "FULL")))
    )
    assert about["seconds"] == pytest.approx(
        float(record.dataset["seconds"].sum()), abs=0.1, rel=1e-3
    )
    assert about["device"] and about["recorded"] and about["commit"]
    assert set(about["expected"]) == {"FULL", "QUICK"}


@EACH_RECORD
def test_a_record_is_small(name: str) -> None:
    files = (paths.results() / f"{name}.{suffix}" for suffix in ("nc.gz", "json"))
    assert sum(path.stat().st_size for path in files) <= LARGER.get(name, MOST_BYTES)


@EACH_RECORD
def test_a_record_names_no_folder_or_person(name: str) -> None:
    text = (paths.results() / f"{name}.json").read_text("utf-8")
    leaves = "".join(str(value) for value in _leaves({**json.loads(text), "expected": None}))
    assert "/" not in leaves.replace(" / ", "")  # "first / last five" is the name of a task


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for inner in value.values() for leaf in _leaves(inner)]
    return (
        [leaf for inner in value for leaf in _leaves(inner)] if isinstance(value, list) else [value]
    )


@EACH_RECORD
def test_the_cells_of_a_record_are_those_of_its_settings(name: str) -> None:
    module, record = record_of(name)
    cells = groups.runs_of(module, config.parse(groups.config_of(module), record.about["config"]))
    fields = [field.name for field in dataclasses.fields(cells[0])]
    recorded = list(zip(*(record.dataset[name].values.tolist() for name in fields), strict=True))
    assert len(recorded) == len(set(recorded)) and set(recorded) == set(
        map(dataclasses.astuple, cells)
    )


@EACH_RECORD
def test_the_checks_of_a_record_come_out_as_committed(name: str) -> None:
    _, record = record_of(name)
    checks = judged(name)
    assert records.criteria(checks) == record.about["criteria"], (
        "a criterion does not change after its record"
    )
    found = records.outcomes(checks)
    assert found == record.expected["FULL"]
    words = {
        word
        for outcomes in record.expected.values()
        for claim in outcomes.values()
        for word in claim.values()
    }
    assert words <= OUTCOMES
    assert set(record.expected["QUICK"]) <= set(found)


def test_a_criterion_of_another_text_is_told_and_a_new_check_is_not() -> None:
    run = xr.Dataset(attrs={"preset": "FULL"})
    control = claims.control("nothing", claims.exact(0.0), claims.above(1))
    one = claims.check(
        run, "B1.a", "empirical", "a number", claims.exact(1.0), claims.above(0.5), control
    )
    record = records.Record(run, {"criteria": records.criteria([one])})
    other = claims.check(
        run, "B1.b", "empirical", "another", claims.exact(1.0), claims.above(2), control
    )
    assert recompute.changed_criteria(record, [one, other]) == []
    weaker = claims.check(
        run, "B1.a", "empirical", "a number", claims.exact(1.0), claims.above(0.4), control
    )
    assert recompute.changed_criteria(record, [weaker]) == ["B1.a"]


# Recomputed in the tests: cells of at most so many seconds. `make records` does the cheapest cell
# of every record.
SECONDS = float("inf") if os.environ.get("SIMPLICITY_RECORDS") == "all" else 2.0


def affordable(record: records.Record) -> list[int]:
    seconds = record.dataset["seconds"].values
    return [index for index in recompute.cheap(record) if seconds[index] <= SECONDS]


@EACH_RECORD
def test_the_smallest_run_has_the_recorded_bits(name: str, shelf: Path) -> None:
    """On a processor that portable arithmetic reaches; elsewhere the next test says how near the
    numbers are.
    """
    _, record = record_of(name)
    if threads.label() == "portable":
        assert records.digest(tiny(name, shelf)) == record.about["tiny"]
    else:
        assert record.about["tiny"]


@EACH_RECORD
def test_a_cheap_cell_of_a_record_comes_out_again(name: str) -> None:
    """With the same arithmetic to the last bit; else no further off than another seed, and every
    outcome as before.
    """
    module, record = record_of(name)
    for index in affordable(record):
        found = recompute.one_cell(module, record, index)
        assert set(found.data_vars) == set(record.dataset.data_vars) - {"seconds"}
        if record.about["arithmetic"] == threads.label():
            assert recompute.unequal(found, record.dataset.isel(cell=index)) == []
        else:
            assert recompute.far(found, record, index) == []
            assert (
                records.outcomes(groups.checks_of(module, recompute.replaced(record, index, found)))
                == record.expected["FULL"]
            )


@EACH_RECORD
def test_numbers_of_a_record_are_finite_or_said_to_be_missing(name: str) -> None:
    _, record = record_of(name)
    for variable in record.dataset.data_vars:
        values = record.dataset[variable].values
        assert not np.isinf(values).any()
        assert not np.isnan(values).all()
