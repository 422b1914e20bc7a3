"""Killed workers, a killed parent, cells without an end: each costs what it must and nothing more."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import xarray as xr

import toy_experiment as toy
from simplicity.pool import process_pool
from simplicity.run import CellsFailed, run

pytestmark = pytest.mark.fault
PATIENCE = 60.0

PARENT = """
import pathlib, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts background jobs with it ignored
import toy_experiment as toy
from simplicity.run import run
modes = sys.argv[2].split(",")
run(toy, toy.Config(modes=modes, notes=sys.argv[1]), store=pathlib.Path(sys.argv[1]) / "store", progress=False)
"""


def alive(process: int) -> bool:
    """Does it run? A dead process that nobody has waited for does not."""
    try:
        os.kill(process, 0)
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except FileNotFoundError:  # no /proc here, or it ended between the two lines
        return not Path("/proc/self").exists()


def until(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < limit, "waited in vain"
        time.sleep(0.02)


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[Callable[[str, int], subprocess.Popen]]:
    """Starts a run in a process of its own, to be killed."""
    started: list[subprocess.Popen] = []

    def start(modes: str, workers: int) -> subprocess.Popen:
        paths = [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "SIMPLICITY_WORKERS": str(workers)}
        command = [sys.executable, "-c", PARENT, str(tmp_path), modes]
        started.append(subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_a_killed_worker_costs_its_own_cell_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMPLICITY_WORKERS", "2")
    config = toy.Config(modes=("fine", "die once", "fine", "fine"), notes=str(tmp_path))
    with pytest.raises(CellsFailed) as caught:
        run(toy, config, store=tmp_path / "store", progress=False)
    (failure,) = caught.value.failures
    assert failure.cell["mode"] == "die once"
    assert "ProcessExpired" in failure.reason
    assert caught.value.dataset is not None and caught.value.dataset["index"].values.tolist() == [0, 2, 3]

    again = run(toy, config, store=tmp_path / "store", progress=False)  # the marker lets it live now
    assert sorted(index for index, *_ in toy.calls(tmp_path)) == [0, 1, 1, 2, 3]
    monkeypatch.setenv("SIMPLICITY_WORKERS", "0")
    xr.testing.assert_identical(again, run(toy, config, store=tmp_path / "other", progress=False))


def test_a_cell_without_an_end_is_stopped_by_the_limit_inside_a_compiled_loop(tmp_path: Path) -> None:
    config = toy.Config(modes=("fine", "spin"), notes=str(tmp_path))
    with process_pool(1, limit_seconds=8) as pool, pytest.raises(CellsFailed) as caught:
        run(toy, config, pool, tmp_path / "store", progress=False)
    (failure,) = caught.value.failures
    assert failure.cell["mode"] == "spin"
    assert failure.reason.startswith("TimeoutError")
    assert caught.value.dataset is not None and caught.value.dataset["mode"].values.tolist() == ["fine"]
    until(lambda: not any(alive(process) for *_, process in toy.calls(tmp_path)))


def test_a_killed_parent_leaves_no_process_even_inside_a_compiled_loop(
    tmp_path: Path, parent: Callable[[str, int], subprocess.Popen]
) -> None:
    process = parent("spin,wait", 2)
    until(lambda: len(toy.calls(tmp_path)) == 2)
    time.sleep(1.5)  # the loop is compiled by now
    workers = [worker for *_, worker in toy.calls(tmp_path)]
    assert process.pid not in workers and all(alive(worker) for worker in workers)
    process.send_signal(signal.SIGKILL)
    process.wait()
    until(lambda: not any(alive(worker) for worker in workers))


@pytest.mark.parametrize("workers", [0, 1])
def test_after_a_kill_in_the_middle_the_rerun_gives_the_same_bits_and_repeats_only_what_was_in_flight(
    tmp_path: Path, parent: Callable[[str, int], subprocess.Popen], workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes = ("fine", "nan", "wait", "fine")
    process = parent(",".join(modes), workers)
    until(lambda: len(toy.calls(tmp_path)) == 3 and len(list((tmp_path / "store").rglob("*.cell"))) == 2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (tmp_path / "go").touch()
    config = toy.Config(modes=modes, notes=str(tmp_path))
    again = run(toy, config, store=tmp_path / "store", progress=False)
    assert [index for index, *_ in toy.calls(tmp_path)] == [0, 1, 2, 2, 3]
    xr.testing.assert_identical(again, run(toy, config, store=tmp_path / "other", progress=False))
    assert not list((tmp_path / "store").rglob(".part-*"))


def test_an_interrupt_ends_the_workers_and_keeps_what_was_finished(
    tmp_path: Path, parent: Callable[[str, int], subprocess.Popen]
) -> None:
    process = parent("fine,wait", 1)
    until(lambda: len(toy.calls(tmp_path)) == 2 and len(list((tmp_path / "store").rglob("*.cell"))) == 1)
    process.send_signal(signal.SIGINT)
    process.wait(PATIENCE)
    assert process.returncode != 0
    until(lambda: not any(alive(worker) for *_, worker in toy.calls(tmp_path)))
    assert len(list((tmp_path / "store").rglob("*.cell"))) == 1
