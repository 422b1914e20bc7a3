"""Cells through every kind of executor: the same bits, each cell once, and failures that cost
themselves only.
"""

import json
import multiprocessing
import os
import random
import threading
from concurrent.futures import (
    BrokenExecutor,
    CancelledError,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import toy_experiment as toy
from simplicity.grid import store
from simplicity.grid.run import CellsFailed, assemble, preset_of, run
from simplicity.problems import Problem
from simplicity.process.pool import process_pool, workers_from_environment


@pytest.fixture
def config(tmp_path: Path) -> toy.Config:
    return toy.Config(modes=("fine", "nan"), notes=str(tmp_path), seeds=2)


@pytest.fixture
def expected(config: toy.Config, tmp_path: Path) -> xr.Dataset:
    """What the plain loop gives."""
    return run(toy, config, store=tmp_path / "loop", progress=False)


class Shuffled:
    """An executor that finishes its work in another order than it got it."""

    def __init__(self) -> None:
        self.work: list[tuple[Future, Any, tuple]] = []

    def submit(self, fn: Any, /, *args: Any) -> Future:
        future: Future = Future()
        self.work.append((future, fn, args))
        if len(self.work) == 4:
            threading.Thread(target=self.finish).start()
        return future

    def finish(self) -> None:
        for future, fn, args in random.Random(1).sample(self.work, 4):
            future.set_result(fn(*args))


# --- the same bits


def test_the_loop_gives_one_dataset_with_a_coordinate_for_each_field(expected: xr.Dataset) -> None:
    assert expected["index"].values.tolist() == [0, 1, 0, 1]
    assert expected["mode"].values.tolist() == ["fine", "nan", "fine", "nan"]
    assert expected["seed"].values.tolist() == [0, 0, 1, 1]
    assert expected["curve"].dims == ("cell", "probe")
    assert expected["step"].values.tolist() == [0, 1, 2]
    assert np.isfinite(expected["curve"]).values.tolist() == 2 * [[True] * 3, [True, False, False]]


def test_the_dataset_says_what_it_is(config: toy.Config, expected: xr.Dataset) -> None:
    assert expected.attrs["experiment"] == "toy_experiment"
    assert expected.attrs["preset"] == "custom"
    assert expected.attrs["fingerprint"] == store.fingerprint(toy)
    assert json.loads(expected.attrs["config"])["modes"] == ["fine", "nan"]


@pytest.mark.parametrize("workers", [1, 2])
def test_our_pool_gives_the_same_bits_as_the_loop(
    config: toy.Config,
    expected: xr.Dataset,
    tmp_path: Path,
    workers: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SIMPLICITY_WORKERS", str(workers))
    found = run(toy, config, store=tmp_path / "pool", progress=False)
    xr.testing.assert_identical(found, expected)
    # and this one, for `expected`
    assert len({process for *_, process in toy.calls(tmp_path)}) in range(2, workers + 2)


def test_threads_give_the_same_bits_as_the_loop(
    config: toy.Config, expected: xr.Dataset, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(3) as executor:
        xr.testing.assert_identical(
            run(toy, config, executor, tmp_path / "threads", progress=False), expected
        )


def test_the_standard_process_pool_gives_the_same_bits_as_the_loop(
    config: toy.Config, expected: xr.Dataset, tmp_path: Path
) -> None:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        xr.testing.assert_identical(
            run(toy, config, executor, tmp_path / "processes", progress=False), expected
        )


def test_cells_that_finish_in_another_order_stand_in_their_own(
    config: toy.Config, expected: xr.Dataset, tmp_path: Path
) -> None:
    xr.testing.assert_identical(
        run(toy, config, Shuffled(), tmp_path / "shuffled", progress=False), expected
    )


def test_files_in_the_store_are_the_same_from_loop_and_executor(
    config: toy.Config, expected: xr.Dataset, tmp_path: Path
) -> None:
    run(toy, config, Shuffled(), tmp_path / "shuffled", progress=False)
    bodies = []
    for folder in ("loop", "shuffled"):
        files = sorted((tmp_path / folder).rglob("*.cell"))
        bodies.append([(file.name, file.read_bytes().partition(b"\n")[2]) for file in files])
    assert bodies[0] == bodies[1]
    assert len(bodies[0]) == 4


# --- each cell once


def test_a_rerun_computes_nothing_and_gives_the_same_bits(
    config: toy.Config, expected: xr.Dataset, tmp_path: Path
) -> None:
    before = len(toy.calls(tmp_path))
    xr.testing.assert_identical(run(toy, config, store=tmp_path / "loop", progress=False), expected)
    assert len(toy.calls(tmp_path)) == before == 4


def test_a_larger_run_computes_only_what_is_new(
    config: toy.Config, expected: xr.Dataset, tmp_path: Path
) -> None:
    larger = toy.Config(modes=config.modes, notes=config.notes, seeds=3)
    found = run(toy, larger, store=tmp_path / "loop", progress=False)
    assert [seed for _, seed, _ in toy.calls(tmp_path)] == [0, 0, 1, 1, 2, 2]
    xr.testing.assert_equal(found.isel(cell=slice(4)), expected)


def test_equal_cells_are_computed_once_and_stand_once(tmp_path: Path) -> None:
    class Doubled(toy.Numbered):
        def runs(self, settings: toy.Config) -> list[toy.Run]:
            return super().runs(settings) * 2

    twice = type("Twice", (), {**vars(toy), "GRID": Doubled(toy.Run, {"all": {}}, {})})
    twice.__name__ = toy.__name__
    found = run(twice, toy.Config(notes=str(tmp_path)), store=tmp_path / "store", progress=False)  # type: ignore[arg-type]
    assert found.sizes["cell"] == 1
    assert len(toy.calls(tmp_path)) == 1


# --- failures


def test_a_failing_cell_is_named_and_the_others_finish(tmp_path: Path) -> None:
    config = toy.Config(modes=("fine", "raise", "fine"), notes=str(tmp_path))
    with pytest.raises(CellsFailed) as caught:
        run(toy, config, store=tmp_path / "store", progress=False)
    (failure,) = caught.value.failures
    assert failure.cell == {"index": 1, "mode": "raise", "seed": 0, "notes": str(tmp_path)}
    assert failure.reason.startswith("ValueError: told to fail at 1 (toy_experiment.py:")
    assert str(caught.value).startswith(
        "1 of 3 cells failed, the first {'index': 1, 'mode': 'raise'"
    )
    assert caught.value.dataset is not None
    assert caught.value.dataset["index"].values.tolist() == [0, 2]


def test_a_failed_cell_is_tried_again_and_the_finished_ones_are_not(tmp_path: Path) -> None:
    config = toy.Config(modes=("fine", "raise"), notes=str(tmp_path))
    for _ in range(2):
        with pytest.raises(CellsFailed):
            run(toy, config, store=tmp_path / "store", progress=False)
    assert [index for index, *_ in toy.calls(tmp_path)] == [0, 1, 1]


def test_when_every_cell_fails_there_is_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(CellsFailed) as caught:
        run(toy, toy.Config(modes=("raise", "raise")), store=tmp_path, progress=False)
    assert caught.value.dataset is None
    assert len(caught.value.failures) == 2


def test_a_failing_cell_in_a_worker_is_told_as_in_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMPLICITY_WORKERS", "1")
    with pytest.raises(CellsFailed) as caught:
        run(toy, toy.Config(modes=("raise", "fine")), store=tmp_path, progress=False)
    assert [failure.cell["mode"] for failure in caught.value.failures] == ["raise"]
    assert caught.value.failures[0].reason.startswith("ValueError: told to fail at 0")
    assert caught.value.dataset is not None and caught.value.dataset["mode"].values.tolist() == [
        "fine"
    ]


def test_settings_that_make_no_cells_are_a_problem(tmp_path: Path) -> None:
    class Nothing(toy.Numbered):
        def runs(self, settings: toy.Config) -> list[toy.Run]:
            return []

    empty = type("Empty", (), {**vars(toy), "GRID": Nothing(toy.Run, {"all": {}}, {})})
    empty.__name__ = toy.__name__
    with pytest.raises(
        Problem, match="toy_experiment: these settings make no cells, allowed at least one"
    ):
        run(empty, toy.TINY, store=tmp_path, progress=False)  # type: ignore[arg-type]


@pytest.mark.parametrize(("seed", "fits"), [(2**31 - 1, True), (2**31, False)])
def test_a_whole_number_that_the_files_cannot_hold_is_a_problem_before_anything_runs(
    tmp_path: Path, seed: int, fits: bool
) -> None:
    config = toy.Config(first_seed=seed, notes=str(tmp_path))
    if fits:
        found = run(toy, config, store=tmp_path / "store", progress=False)
        assert store.open_bytes(store.encode(found))["seed"].values.tolist() == [seed]
        return
    with pytest.raises(
        Problem, match="seed: got 2147483648, allowed a whole number up to 2147483647"
    ):
        run(toy, config, store=tmp_path / "store", progress=False)
    assert list(tmp_path.iterdir()) == []


def test_cells_of_different_shape_are_a_problem(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="other axes or variables than the first"):
        run(toy, toy.Config(modes=("fine", "long")), store=tmp_path, progress=False)


# --- foreign executors that break


class Breaks:
    """Finishes some cells, then breaks in a given way; `late` cells are left unfinished for
    ever.
    """

    def __init__(self, reason: BaseException, fine: int) -> None:
        self.reason, self.fine, self.given = reason, fine, 0

    def submit(self, fn: Any, /, *args: Any) -> Future:
        self.given += 1
        future: Future = Future()
        if self.given <= self.fine:
            future.set_result(fn(*args))
        elif self.given == self.fine + 1:
            future.set_exception(self.reason)
        return future


@pytest.mark.parametrize(
    "reason", [BrokenExecutor("gone"), CancelledError()], ids=["broken", "cancelled"]
)
def test_a_broken_executor_is_one_problem_and_finished_cells_are_kept(
    tmp_path: Path, reason: BaseException
) -> None:
    config = toy.Config(modes=("fine",) * 8, notes=str(tmp_path))
    with pytest.raises(
        Problem, match=rf"executor: it broke \({type(reason).__name__}.*finished cells are kept"
    ):
        run(toy, config, Breaks(reason, fine=5), tmp_path / "store", progress=False)
    assert len(list((tmp_path / "store").rglob("*.cell"))) == 5
    run(toy, config, store=tmp_path / "store", progress=False)
    assert sorted(index for index, *_ in toy.calls(tmp_path)) == list(range(8))


def test_an_executor_that_takes_no_more_work_is_one_problem_and_finished_cells_are_kept(
    tmp_path: Path,
) -> None:
    class Closing(ThreadPoolExecutor):
        def submit(self, fn: Any, /, *args: Any, **options: Any) -> Future:
            future = super().submit(fn, *args, **options)
            self.shutdown(wait=False)
            return future

    config = toy.Config(seeds=3, notes=str(tmp_path))
    with pytest.raises(
        Problem, match="executor: it broke .*cannot schedule new futures after shutdown"
    ):
        run(toy, config, Closing(1), tmp_path / "store", progress=False)
    assert len(list((tmp_path / "store").rglob("*.cell"))) == 1


def test_threads_that_cannot_start_are_one_problem(tmp_path: Path) -> None:
    def refuse() -> None:
        raise RuntimeError("no")

    with (
        ThreadPoolExecutor(1, initializer=refuse) as executor,
        pytest.raises(Problem, match="executor: it broke"),
    ):
        run(toy, toy.Config(seeds=2), executor, tmp_path, progress=False)


# --- presets, workers


def test_a_preset_is_recognised_by_its_values() -> None:
    assert preset_of(toy, toy.Config(modes="fine", seeds="2")) == "QUICK"  # type: ignore[arg-type]
    assert preset_of(toy, toy.Config(seeds=7)) == "custom"
    assert preset_of(toy, toy.TINY) == "TINY"


@pytest.mark.parametrize(("text", "workers"), [("0", 0), ("1", 1), ("512", 512), ("002", 2)])
def test_the_environment_says_how_many_workers(
    text: str, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert workers_from_environment() == 0
    monkeypatch.setenv("SIMPLICITY_WORKERS", text)
    assert workers_from_environment() == workers


@pytest.mark.parametrize("text", ["-1", "513", "two", "", "1.0", " 1", "1e2", "²", "٣", "9" * 5000])
def test_a_wrong_number_of_workers_is_a_problem_before_anything_runs(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMPLICITY_WORKERS", text)
    with pytest.raises(Problem, match="workers: got .+, allowed a whole number from 0 to 512"):
        run(toy, toy.Config(notes=str(tmp_path)), store=tmp_path / "store", progress=False)
    assert toy.calls(tmp_path) == []


def test_a_pool_leaves_the_environment_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    before = dict(os.environ)
    with process_pool(1):
        assert os.environ["OMP_NUM_THREADS"] == os.environ["MKL_NUM_THREADS"] == "1"
    assert dict(os.environ) == before


def test_the_pool_is_not_started_when_there_is_nothing_to_compute(
    config: toy.Config, expected: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMPLICITY_WORKERS", "2")
    monkeypatch.setattr("simplicity.process.pool.process_pool", None)
    xr.testing.assert_identical(run(toy, config, store=tmp_path / "loop", progress=False), expected)


def test_without_parts_there_is_no_dataset() -> None:
    assert assemble(toy, toy.TINY, []) is None
