"""Real faults: killed workers, clients and schedulers, a full disk, damaged files. Each costs what
it must and no more.
"""

import contextlib
import dataclasses
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import distributed
import psutil
import pytest
import xarray as xr

import clients
import toy_experiment as toy
from simplicity.cli import main
from simplicity.evidence import records
from simplicity.grid import store as stores_module
from simplicity.grid.cluster import connected
from simplicity.grid.run import CellsFailed, run
from simplicity.grid.store import Store, open_bytes
from simplicity.places.paths import PACKAGE
from simplicity.problems import Problem

pytestmark = pytest.mark.fault
PATIENCE = 120.0


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
def client(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `simplicity sweep` of the toy in a process of its own; its cells note their calls in
    `tmp_path`.
    """
    started: list[subprocess.Popen[str]] = []

    def start(*words: object, store: Path | None = None, **more: str) -> subprocess.Popen[str]:
        command = clients.command(
            *words, "-p", f"notes={tmp_path}", "--store", store or tmp_path / "store"
        )
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen(command, env=clients.environment(**more), **pipes))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def stored(folder: Path) -> set[int]:
    """Numbers of the cells in a store."""
    entries = Store(folder, writable=False).entries()
    return {entry.cell["index"] for entry in entries if entry.cell is not None}


def indices(notes: Path) -> list[int]:
    return [index for index, *_ in toy.calls(notes)]


def unbroken(tmp_path: Path, config: toy.Config) -> xr.Dataset:
    """What a plain loop gives that nothing disturbs, and that does not wait either."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(toy.time, "sleep", lambda seconds: None)
        return run(toy, config, store=tmp_path / "unbroken", progress=False)


def same_bits(tmp_path: Path) -> bool:
    """Every file of the store that the fault met has the bytes of the unbroken one's, but for the
    seconds.
    """
    bodies = []
    for name in ("store", "unbroken"):
        files = sorted((tmp_path / name).rglob("*.cell"))
        bodies.append([(file.name, file.read_bytes().partition(b"\n")[2]) for file in files])
    return bodies[0] == bodies[1]


def told(process: subprocess.Popen[str]) -> tuple[int, str, list[str]]:
    """Exit code, output, and the lines on stderr that are not progress."""
    out, err = process.communicate(timeout=2 * PATIENCE)
    return (
        process.returncode,
        out,
        [
            line
            for line in err.splitlines()
            if line and "cell/s" not in line and "s/cell" not in line
        ],
    )


# --- workers and clients that die


def test_a_killed_worker_costs_its_own_cell_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMPLICITY_WORKERS", "2")
    config = toy.Config(modes=("fine", "die once", "fine", "fine"), notes=str(tmp_path))
    with pytest.raises(CellsFailed) as caught:
        run(toy, config, store=tmp_path / "store", progress=False)
    (failure,) = caught.value.failures
    assert failure.cell["mode"] == "die once"
    assert "ProcessExpired" in failure.reason and "ended by signal 9 (memory?)" in failure.reason
    assert caught.value.dataset is not None and caught.value.dataset["index"].values.tolist() == [
        0,
        2,
        3,
    ]

    monkeypatch.setenv("SIMPLICITY_WORKERS", "0")
    # the marker lets it live now
    again = run(toy, config, store=tmp_path / "store", progress=False)
    assert sorted(indices(tmp_path)) == [0, 1, 1, 2, 3]
    xr.testing.assert_identical(again, unbroken(tmp_path, config))


def test_a_killed_client_leaves_no_process_even_inside_a_compiled_loop(
    tmp_path: Path, client: Callable[..., subprocess.Popen[str]]
) -> None:
    process = client("-p", "modes=spin,wait", "-g", "index=0", "--workers", 2)
    until(lambda: len(toy.calls(tmp_path)) == 2 and (tmp_path / "spinning").exists())
    workers = [worker for *_, worker in toy.calls(tmp_path)]
    assert process.pid not in workers and all(alive(worker) for worker in workers)
    process.send_signal(signal.SIGKILL)
    process.wait()
    until(lambda: not any(alive(worker) for worker in workers))


KILLS, CELLS, WORKERS = 20, 60, 2


def test_sixty_cells_whose_client_is_killed_twenty_times_end_whole_with_the_same_bits(
    tmp_path: Path,
) -> None:
    """At random moments: of starting, computing, storing. Every fourth client has workers of its
    own, the others are loops.
    """
    rng, nest, ahead = random.Random(20), clients.Nest(), 3 * WORKERS
    numbers = ",".join(map(str, range(CELLS)))
    words = ["-p", "modes=slower", "-p", f"notes={tmp_path}", "-g", f"index={numbers}"]
    words += ["--store", tmp_path / "store"]
    seen, in_flight, killed_at_work = 0, 0, 0
    try:
        for kill in range(KILLS):
            pool = kill % 4 == 3
            process = nest.start(*words, *(["--workers", WORKERS] if pool else []))
            if rng.random() < 0.8:  # else: killed while it starts
                enough = seen + rng.randint(1, 3)
                until(
                    lambda count=enough, client=process: (
                        len(toy.calls(tmp_path)) >= count or not alive(client)
                    )
                )
            time.sleep(rng.uniform(0, 0.1))
            killed_at_work += len(toy.calls(tmp_path)) > seen
            os.kill(process, signal.SIGKILL)
            processes = {process, *(worker for *_, worker in toy.calls(tmp_path)[seen:])}
            until(lambda started=processes: not any(alive(one) for one in started))
            called = set(indices(tmp_path)[seen:])
            seen = len(toy.calls(tmp_path))
            lost = called - stored(tmp_path / "store")
            assert len(lost) <= (ahead if pool else 1)
            in_flight += len(lost)
        before = stored(tmp_path / "store")
        assert 0 < len(before) < CELLS and killed_at_work >= KILLS / 2
        last = nest.start(*words, "-o", tmp_path / "found.nc")
        until(lambda: not alive(last))
    finally:
        nest.close()
    assert stored(tmp_path / "store") == set(range(CELLS))
    assert len(indices(tmp_path)) == CELLS + in_flight  # nothing else was computed twice
    assert set(indices(tmp_path)[seen:]).isdisjoint(before)
    unbroken(tmp_path, toy.Config(modes=("slower",) * CELLS, notes=str(tmp_path)))
    assert same_bits(tmp_path)
    assert open_bytes((tmp_path / "found.nc").read_bytes())["finished"].values.sum() == CELLS


# --- the keyboard


@pytest.mark.parametrize(
    ("workers", "stop", "again"),
    [
        (0, signal.SIGINT, "Ctrl-C again"),
        (1, signal.SIGINT, "Ctrl-C again"),
        (0, signal.SIGTERM, "a second signal"),
        (1, signal.SIGHUP, "a second signal"),
    ],
)
def test_a_stop_is_clean_keeps_what_was_finished_and_says_how_to_go_on(
    tmp_path: Path,
    client: Callable[..., subprocess.Popen[str]],
    workers: int,
    stop: signal.Signals,
    again: str,
) -> None:
    process = client("-p", "modes=fine,wait", "-g", "index=0", "--workers", workers)
    until(lambda: len(toy.calls(tmp_path)) == 2 and stored(tmp_path / "store") == {0})
    process.send_signal(stop)
    code, _, lines = told(process)
    assert code == 130
    assert lines[0] == f"interrupted: stopping, what is finished is kept; {again} ends at once"
    go_on = (
        "go on with: simplicity sweep toy --preset TINY -p modes=fine,wait -g index=0 --workers "
        f"{workers} -p notes={tmp_path}"
    )
    assert lines[1:] == [
        f"error: interrupted; 1 of 2 cells are finished and stored; {go_on} --store "
        f"{tmp_path / 'store'}"
    ]
    until(lambda: not any(alive(worker) for *_, worker in toy.calls(tmp_path)))
    (tmp_path / "go").touch()
    run(
        toy,
        toy.Config(modes=("fine", "wait"), notes=str(tmp_path)),
        store=tmp_path / "store",
        progress=False,
    )
    assert indices(tmp_path) == [0, 1, 1]


@pytest.mark.parametrize(
    ("workers", "first", "second"),
    [
        (0, signal.SIGINT, signal.SIGINT),
        (1, signal.SIGINT, signal.SIGINT),
        (0, signal.SIGTERM, signal.SIGTERM),
        (0, signal.SIGINT, signal.SIGTERM),
    ],
)
def test_a_second_stop_ends_at_once_even_inside_a_compiled_loop(
    tmp_path: Path,
    client: Callable[..., subprocess.Popen[str]],
    workers: int,
    first: signal.Signals,
    second: signal.Signals,
) -> None:
    process = client("-p", "modes=fine,spin", "-g", "index=0", "--workers", workers)
    until((tmp_path / "spinning").exists)
    time.sleep(0.5)  # until it is in the loop
    process.send_signal(first)
    if workers == 0:  # the loop is deaf to the first
        time.sleep(0.5)
        assert process.poll() is None
    process.send_signal(second)
    code, _, lines = told(process)
    assert code == 130
    assert "Traceback" not in "".join(lines)
    until(lambda: not any(alive(worker) for *_, worker in toy.calls(tmp_path)))
    assert stored(tmp_path / "store") == {0}


# --- cells that misbehave


def test_a_cell_that_raises_one_without_numbers_and_one_without_end_are_told_and_the_others_kept(
    tmp_path: Path, client: Callable[..., subprocess.Popen[str]]
) -> None:
    modes = ("fine", "raise", "nan", "spin", "fine")
    process = client(
        "-p", f"modes={','.join(modes)}", "-g", "index=0", "--workers", 1, "--timeout", 8
    )
    code, out, lines = told(process)
    assert code == 1
    failed = sorted(line for line in lines if line.startswith("failed: "))
    assert len(failed) == 2
    assert "'mode': 'raise'" in failed[0]
    assert re.search(r"ValueError: told to fail at 1 \(toy_experiment.py:\d+\)$", failed[0])
    assert "'mode': 'spin'" in failed[1] and failed[1].endswith("TimeoutError: more than 8 s")
    assert lines[-1] == "error: 2 of 5 cells failed; the same command tries them again"
    assert "5 cells: 3 computed, 0 from the store, 2 failed" in out
    assert "note: curve ends early in 1 of 3 places" in out
    assert stored(tmp_path / "store") == {0, 2, 4}
    until(lambda: not any(alive(worker) for *_, worker in toy.calls(tmp_path)))


def test_a_time_limit_alone_asks_for_a_process_which_it_can_end(tmp_path: Path) -> None:
    config = toy.Config(modes=("spin",), notes=str(tmp_path))
    with pytest.raises(CellsFailed, match="TimeoutError"):
        run(toy, config, store=tmp_path / "store", progress=False, limit_seconds=1)
    assert [worker != os.getpid() for *_, worker in toy.calls(tmp_path)] == [True]


# --- disks and files


def test_a_full_disk_is_one_error_and_what_was_finished_stays(
    tmp_path: Path, client: Callable[..., subprocess.Popen[str]]
) -> None:
    process = client("-p", "modes=fine,full,fine", "-g", "index=0")
    code, _, lines = told(process)
    assert code == 1
    assert (
        len(lines) == 1
        and lines[0].startswith(f"error: cannot write {tmp_path}")
        and "File too large" in lines[0]
    )
    assert stored(tmp_path / "store") == {0}
    assert not list((tmp_path / "store").rglob(".part-*"))
    assert told(client("-p", "modes=fine,full,fine", "-g", "index=0"))[0] == 0
    assert indices(tmp_path) == [0, 1, 1, 2]


def test_a_store_that_cannot_be_written_is_one_error_before_anything_runs(
    tmp_path: Path, client: Callable[..., subprocess.Popen[str]]
) -> None:
    with tempfile.TemporaryDirectory() as name:  # tmp_path itself is closed to other users
        os.chmod(name, 0o555)
        code, _, lines = told(client("-g", "index=0", store=Path(name), UNPRIVILEGED="1"))
        assert code == 2
        assert lines == [f"error: store: got {name} (Permission denied), allowed a writable folder"]
        assert list(Path(name).iterdir()) == []
    assert toy.calls(tmp_path) == []


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-20] ^= 4
    path.write_bytes(content)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def replace(path: Path) -> None:
    path.unlink()
    path.mkdir()


def test_damaged_files_are_told_computed_anew_and_no_other_cell_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = toy.Config(modes=("fine",) * 6, notes=str(tmp_path))
    before = run(toy, config, store=tmp_path / "store", progress=False)
    files = {
        path: json.loads(path.read_bytes().partition(b"\n")[0])["cell"]["index"]
        for path in stores(tmp_path)
    }
    damages = dict(
        zip(sorted(files, key=lambda path: files[path]), (cut, flip, empty, replace), strict=False)
    )
    for path, damage in damages.items():
        damage(path)
    assert main(["cache", "--verify", "--store", str(tmp_path / "store")]) == 1
    out = capsys.readouterr().out
    assert out.count("damaged: ") == 4 and all(str(path) in out for path in damages)
    with pytest.warns(RuntimeWarning, match="is damaged") as warned:
        after = run(toy, config, store=tmp_path / "store", progress=False)
    assert len(warned) == 4
    xr.testing.assert_identical(before, after)
    assert indices(tmp_path) == [*range(6), *range(4)]
    assert main(["cache", "--verify", "--store", str(tmp_path / "store")]) == 0


def stores(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "store").rglob("*.cell"))


def test_two_sweeps_on_one_store_at_once_do_not_harm_each_other(
    tmp_path: Path, client: Callable[..., subprocess.Popen[str]]
) -> None:
    words = ["-p", "modes=slow", "-g", "index=" + ",".join(map(str, range(20)))]
    both = [client(*words), client(*words)]
    assert [told(one)[0] for one in both] == [0, 0]
    assert stored(tmp_path / "store") == set(range(20))
    unbroken(tmp_path, toy.Config(modes=("slow",) * 20, notes=str(tmp_path)))
    assert same_bits(tmp_path)


def test_cells_of_older_code_are_not_used_and_told_as_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = toy.Config(modes=("fine", "fine"), notes=str(tmp_path))
    with monkeypatch.context() as older:
        older.setattr("simplicity.grid.store.versions", lambda: {"numpy": "1.0"})
        stores_module.fingerprint.cache_clear()
        run(toy, config, store=tmp_path / "store", progress=False)
    stores_module.fingerprint.cache_clear()
    run(toy, config, store=tmp_path / "store", progress=False)
    assert indices(tmp_path) == [0, 1, 0, 1]
    monkeypatch.setattr(records, "names", lambda: ["toy_experiment"])
    monkeypatch.setattr(records, "experiment", lambda name: toy)
    assert main(["cache", "--store", str(tmp_path / "store")]) == 0
    (line,) = (
        line for line in capsys.readouterr().out.splitlines() if line.startswith("toy_experiment")
    )
    assert line.split()[1:3] == ["4", "2"]


# --- a cluster


@dataclasses.dataclass
class Cluster:
    """A scheduler and two workers, each a process of its own, on loopback."""

    address: str
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]]
    folder: Path

    def start_worker(self, **more: str) -> subprocess.Popen[bytes]:
        words = ["worker", self.address, "--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1"]
        process = _dask(*words, "--local-directory", str(self.folder), **more)
        self.workers.append(process)
        return process

    def close(self) -> None:
        for process in [*self.workers, self.scheduler]:
            for child in (
                psutil.Process(process.pid).children(recursive=True)
                if process.poll() is None
                else []
            ):
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()
            process.kill()
            process.wait()


def _dask(*words: str, **more: str) -> subprocess.Popen[bytes]:
    command = [str(Path(sys.executable).with_name("dask")), *words]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, env=clients.environment(**more), **quiet)


@contextlib.contextmanager
def _started(folder: Path, workers: int) -> Iterator[Cluster]:
    file = folder / "scheduler.json"
    anywhere = "--port 0 --no-dashboard --dashboard-address 127.0.0.1:0"
    words = f"scheduler --host 127.0.0.1 {anywhere} --scheduler-file".split()
    found = Cluster("", _dask(*words, str(file)), [], folder)
    try:
        # it appears before it is written
        until(lambda: file.exists() and file.read_text().endswith("}"))
        found.address = json.loads(file.read_text())["address"]
        for _ in range(workers):
            found.start_worker()
        yield found
    finally:
        found.close()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with _started(tmp_path_factory.mktemp("cluster"), 2) as found:
        yield found


def test_two_hundred_cells_over_dask_with_a_worker_killed_twice_end_whole_with_the_same_bits(
    tmp_path: Path, cluster: Cluster, client: Callable[..., subprocess.Popen[str]]
) -> None:
    numbers = ",".join(map(str, range(200)))
    process = client("-p", "modes=slow", "-g", f"index={numbers}", "--scheduler", cluster.address)
    for count in (20, 100):
        until(lambda enough=count: len(toy.calls(tmp_path)) >= enough)
        os.kill(toy.calls(tmp_path)[-1][2], signal.SIGKILL)
    code, out, lines = told(process)
    assert (code, lines) == (0, [])
    assert "200 cells: 200 computed, 0 from the store, 0 failed" in out
    # what the killed had begun, and may have held ready
    assert 200 <= len(indices(tmp_path)) <= 204
    unbroken(tmp_path, toy.Config(modes=("slow",) * 200, notes=str(tmp_path)))
    assert same_bits(tmp_path)


def test_a_cell_that_kills_every_worker_is_tried_three_times_and_one_without_end_once(
    tmp_path: Path, cluster: Cluster, client: Callable[..., subprocess.Popen[str]]
) -> None:
    modes = "fine,die,spin,fine"
    process = client(
        "-p", f"modes={modes}", "-g", "index=0", "--scheduler", cluster.address, "--timeout", 8
    )
    code, _, lines = told(process)
    failed = sorted(line.partition("}: ")[2] for line in lines if line.startswith("failed: "))
    assert failed == [
        "RuntimeError: its worker died, 3 times in all",
        "TimeoutError: more than 8 s",
    ]
    assert (
        code == 1 and lines[-1] == "error: 2 of 4 cells failed; the same command tries them again"
    )
    # 2: one death was a neighbour's
    assert 2 <= indices(tmp_path).count(1) <= 3 and indices(tmp_path).count(2) == 1
    assert stored(tmp_path / "store") == {0, 3}


def test_a_worker_with_other_code_is_one_error_before_any_cell_runs(
    tmp_path: Path, cluster: Cluster, client: Callable[..., subprocess.Popen[str]]
) -> None:
    other = tmp_path / "lib"
    shutil.copytree(PACKAGE, other / "simplicity", ignore=shutil.ignore_patterns("__pycache__"))
    with open(other / "simplicity" / "nets" / "__init__.py", "a") as file:
        file.write("\nOTHER = 1\n")
    worker = cluster.start_worker(PYTHONPATH=f"{other}{os.pathsep}{Path(__file__).parents[1]}")
    try:
        with distributed.Client(cluster.address, set_as_default=False) as dask:
            dask.wait_for_workers(3, timeout=PATIENCE)
        code, _, lines = told(client("-g", "index=0", "--scheduler", cluster.address))
        assert code == 2 and len(lines) == 1
        assert (
            lines[0].startswith("error: workers: tcp://127.0.0.1:")
            and lines[0].count("tcp://") == 1
        )
        assert "library " in lines[0] and lines[0].endswith(
            "allowed the same code and versions as here"
        )
        assert toy.calls(tmp_path) == []
    finally:
        worker.terminate()
        worker.wait()


def test_without_a_scheduler_there_is_one_error(
    tmp_path: Path, client: Callable[..., subprocess.Popen[str]]
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(Problem, match=f"scheduler: got {address} .*allowed one that answers"):
        with connected(address, toy, patience=1):
            raise AssertionError("nobody is there")


def test_a_killed_scheduler_is_one_error_and_finished_cells_are_kept(
    tmp_path: Path, client: Callable[..., subprocess.Popen[str]]
) -> None:
    """Its own: tests may come in any order, and none after this one could use the common
    scheduler.
    """
    with _started(tmp_path, 1) as cluster:
        process = client(
            "-p", "modes=fine,wait", "-g", "index=0,2,4", "--scheduler", cluster.address
        )
        until(lambda: len(stored(tmp_path / "store")) >= 1 and len(toy.calls(tmp_path)) >= 2)
        before = stored(tmp_path / "store")
        cluster.scheduler.kill()
        code, _, lines = told(process)
        assert code == 1 and len(lines) == 1
        broke = (
            "error: executor: it broke (BrokenExecutor: "
            f"the scheduler at {cluster.address} is gone)"
        )
        assert lines[0] == f"{broke}, allowed a running one; finished cells are kept"
        assert stored(tmp_path / "store") >= before
