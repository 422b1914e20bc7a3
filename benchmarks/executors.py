"""What a cell costs beside its own work: plain loop, two processes of ours, two dask workers; all
in one run on this machine.

The cells keep a core busy for a given time. Overhead is the time between the end of a cell and the
begin of the next on the same worker: packing, travel, storing (synced to the disk), and waiting for
the next one. Prints for each size of cell and each executor the median overhead, the speed against
the loop without and with the start of the workers, and from how many cells on starting them pays (a
dask cluster is there before). `--record` also writes the table of the page "Scaling out".
"""

import argparse
import csv
import dataclasses
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any

import xarray as xr

HERE = Path(__file__).resolve().parent
SIZES = {0.01: 200, 0.1: 60, 1.0: 16}  # seconds of a cell -> how many
WORKERS = 2
CLAIMS = ()


@dataclasses.dataclass(frozen=True)
class Config:
    seconds: float
    count: int


TINY = QUICK = FULL = Config(0.0, 1)


@dataclasses.dataclass(frozen=True)
class Cell:
    index: int
    seconds: float


def cells(config: Config) -> list[Cell]:
    return [Cell(index, config.seconds) for index in range(config.count)]


def measure(cell: Cell) -> xr.Dataset:
    begin = time.time()
    while time.time() < begin + cell.seconds:
        pass
    return xr.Dataset(
        {
            "begin": begin,
            "end": time.time(),
            "worker": os.getpid(),
            "curve": ("probe", [0.0] * 1000),
        }
    )


@contextmanager
def cluster() -> Iterator[str]:
    """A scheduler and two workers; ended with the block."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "scheduler.json"
        dask = str(Path(sys.executable).with_name("dask"))
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]),
        }
        quiet: dict[str, Any] = {
            "env": environment,
            "stdout": subprocess.DEVNULL,
            "stderr": subprocess.DEVNULL,
        }
        local = ["--host", "127.0.0.1", "--no-dashboard"]
        started = [
            subprocess.Popen(
                [dask, "scheduler", *local, "--port", "0", "--scheduler-file", str(file)], **quiet
            )
        ]
        # it appears before it is written
        while not (file.exists() and file.read_text("utf-8").endswith("}")):
            time.sleep(0.05)
        address = json.loads(file.read_text("utf-8"))["address"]
        words = [dask, "worker", address, *local, "--nthreads", "1", "--local-directory", folder]
        started += [subprocess.Popen(words, **quiet) for _ in range(WORKERS)]
        try:
            yield address
        finally:
            for process in reversed(started):
                process.terminate()
                process.wait()


def timed(module: ModuleType, config: Config, executor: Any) -> tuple[float, float, float]:
    """Median overhead, seconds from the first begin to the last end, and seconds in all."""
    from simplicity.grid.run import run

    clock = time.time()
    with tempfile.TemporaryDirectory() as store:
        with executor as given:
            found = run(module, config, given, Path(store), progress=False)
    whole = time.time() - clock
    gaps = []
    for worker in set(found.worker.values.tolist()):
        mine = found.isel(cell=found.worker.values == worker).sortby("begin")
        gaps += (mine.begin.values[1:] - mine.end.values[:-1]).tolist()
    return statistics.median(gaps), float(found.end.max() - found.begin.min()), whole


def main() -> None:
    import executors as module  # by the name that workers import

    from simplicity.grid.cluster import connected
    from simplicity.places import paths
    from simplicity.process.pool import process_pool

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--record", action="store_true", help="write the table of the book as well")
    record = parser.parse_args().record
    rows = [("cell", "executor", "overhead ms", "speed", "with start", "pays from")]
    print(line(rows[0]))
    with cluster() as address:
        with connected(address, module) as given:  # the workers import
            timed(module, Config(0.0, 8), nullcontext(given))
        for seconds, count in SIZES.items():
            config = Config(seconds, count)
            _, loop, _ = base = timed(module, config, nullcontext())
            rows.append((f"{seconds:g} s", "loop", f"{1e3 * base[0]:.1f}", "1.00", "1.00", ""))
            print(line(rows[-1]), flush=True)
            for name, executor in (
                ("pool", process_pool(WORKERS)),
                ("dask", connected(address, module)),
            ):
                overhead, span, whole = timed(module, config, executor)
                saved = (loop - span) / count
                pays = (
                    f"{max(1, math.ceil((whole - span) / saved))} cells" if saved > 0 else "never"
                )
                ratios = f"{loop / span:.2f}", f"{loop / whole:.2f}"
                rows.append((f"{seconds:g} s", name, f"{1e3 * overhead:.1f}", *ratios, pays))
                print(line(rows[-1]), flush=True)
    if record:
        with open(paths.book() / "executors.csv", "w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)


def line(row: tuple[str, ...]) -> str:
    """One row of the table."""
    return "".join(f"{value:>13}" for value in row)


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    main()
