"""The grid of an experiment: which runs groups and presets make, and how criteria find them
again.
"""

import dataclasses
import json

import numpy as np
import pytest
import xarray as xr

from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.problems import Problem


@config.settings
class Run:
    n: int = config.param(10, "samples", low=1)
    width: int = config.param(4, "neurons", low=1)
    law: str = config.param("flat", "law of the inputs", choices=("flat", "steep"))
    scale: float = config.param(0.5, "scale", low=0)
    seed: int = config.param(0, "the seed", low=0)


GRID = Grid(
    Run,
    groups={
        "main": {"law": "flat", "n": (10, 20)},
        "steep": {"law": "steep", "n": 20},
        "few": {"n": lambda run: run.width, "seeds": 1},
        "pairs": {("n", "width"): ((1, 2), (3, 4)), "scale": 1.0},
        "wide": {"width": ()},
    },
    quick={"width": 5, "seeds": 2},
    full={"wide_width": (100, 200), "seeds": 3},
    tiny={"n": (7,), "steep_n": 8},
)


def made(group: str, settings: object) -> set[tuple[object, ...]]:
    return {
        (one.n, one.width, one.law, one.scale, one.seed) for one in GRID.of_group(group, settings)
    }


def test_groups_fix_vary_derive_and_vary_together() -> None:
    quick = GRID.presets["QUICK"]
    assert made("main", quick) == {(n, 5, "flat", 0.5, seed) for n in (10, 20) for seed in (0, 1)}
    assert made("steep", quick) == {(20, 5, "steep", 0.5, seed) for seed in (0, 1)}
    assert made("few", quick) == {(5, 5, "flat", 0.5, 0)}
    assert made("pairs", quick) == {
        (n, m, "flat", 1.0, seed) for n, m in ((1, 2), (3, 4)) for seed in (0, 1)
    }
    assert made("wide", quick) == set()


def test_presets_change_the_main_group_or_a_group_by_name() -> None:
    tiny, full = GRID.presets["TINY"], GRID.presets["FULL"]
    assert {n for n, *_ in made("main", tiny)} == {7}
    assert {n for n, *_ in made("steep", tiny)} == {8}
    assert {(width, seed) for _, width, _, _, seed in made("wide", full)} == {
        (m, s) for m in (100, 200) for s in range(3)
    }


def test_a_users_value_goes_to_all_groups_that_do_not_name_the_field() -> None:
    given = config.parse(
        GRID.Config, {"width": "9", "n": "30", "first_seed": "4"}, GRID.presets["QUICK"]
    )
    assert made("main", given) == {(30, 9, "flat", 0.5, seed) for seed in (4, 5)}
    assert made("steep", given) == {(20, 9, "steep", 0.5, seed) for seed in (4, 5)}
    assert made("few", given) == {(9, 9, "flat", 0.5, 4)}
    assert {width for _, width, *_ in made("pairs", given)} == {2, 4}


def test_settings_are_checked_like_the_fields_of_a_run() -> None:
    with pytest.raises(Problem, match="steep_n: got '0', allowed a whole number, at least 1"):
        config.parse(GRID.Config, {"steep_n": "0"})
    with pytest.raises(Problem, match="law: got 'flt' .did you mean flat"):
        config.parse(GRID.Config, {"law": "flt"})
    with pytest.raises(Problem, match="did you mean width"):
        config.parse(GRID.Config, {"widht": "3"})
    assert config.parse(GRID.Config, {"wide_width": ""}).wide_width == ()
    names = [field["name"] for field in config.describe(GRID.Config)]
    assert len(set(names)) == len(names) and "seed" not in names and "few_n" not in names


def test_a_preset_that_names_what_is_not_there_is_a_mistake_of_the_author() -> None:
    with pytest.raises(TypeError, match="widht"):
        Grid(Run, groups={"main": {}}, quick={"widht": 3}).presets  # noqa: B018


def test_every_run_stands_once_seed_by_seed() -> None:
    runs = GRID.runs(GRID.presets["FULL"])
    assert len(set(runs)) == len(runs)
    assert [one.seed for one in runs] == sorted(one.seed for one in runs)


def dataset(runs: list[Run], settings: object) -> xr.Dataset:
    fields = {
        field.name: ("cell", [getattr(run, field.name) for run in runs])
        for field in dataclasses.fields(Run)
    }
    attributes = {"config": json.dumps(dataclasses.asdict(settings))}  # type: ignore[call-overload]
    return xr.Dataset({"value": ("cell", np.arange(len(runs)) * 1.0)}, fields, attributes)


def test_criteria_find_their_runs_by_group_whatever_the_order_and_what_is_missing() -> None:
    settings = GRID.presets["QUICK"]
    listed = GRID.runs(settings)
    runs = Runs(dataset(listed[::-1], settings), GRID)
    assert runs("main", n=20).n.values.tolist() == [20, 20]
    assert runs("main", n=(10, 20)).sizes["cell"] == 4
    assert set(runs["steep"].law.values.tolist()) == {"steep"}
    assert runs["wide"].sizes["cell"] == 0
    assert runs.where(law="steep").sizes["cell"] == 2 and runs.seeds == 2
    without = Runs(dataset([one for one in listed if one.law == "flat"], settings), GRID)
    assert without["steep"].sizes["cell"] == 0 and without["main"].sizes["cell"] == 4


def test_a_run_that_two_groups_name_belongs_to_both() -> None:
    grid = Grid(Run, groups={"all": {"n": (1, 2)}, "two": {"n": 2}}, quick={})
    settings = grid.presets["QUICK"]
    runs = Runs(dataset(grid.runs(settings), settings), grid)
    assert runs.dataset.sizes["cell"] == 2
    assert runs("all", n=2).equals(runs["two"])


def test_what_cannot_be_derived_from_a_users_values_is_a_problem() -> None:
    grid = Grid(Run, groups={"all": {"scale": lambda run: {"flat": 1.0}[run.law]}}, quick={})
    assert [run.scale for run in grid.runs(grid.presets["QUICK"])] == [1.0]
    with pytest.raises(Problem, match="scale: it does not follow from"):
        grid.runs(config.parse(grid.Config, {"law": "steep"}))
