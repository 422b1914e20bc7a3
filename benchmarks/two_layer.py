"""The compiled two-layer engine beside torch's automatic differentiation: one step, one thread
both, in one run.

Prints a line for each setting: what is trained, n, m, d, precision, milliseconds of a step for
both, their ratio, and what the compiled loop achieves, counting the 4 d + 3 operations that each
sample and neuron needs in a step. Times are processor time, so that a busy machine disturbs them
less. First comes what the machine can do: a 2048 x 2048 product in float32.

`--record` also writes the table and the picture of the page "What a step costs"; `make bench` only
prints.
"""

import argparse
import csv
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from simplicity import nets
from simplicity.boursier import synthetic
from simplicity.boursier.two_layer import descend, descend_autograd
from simplicity.places import paths
from simplicity.process import machine, threads
from simplicity.together.pictures import cost


class Setting(NamedTuple):
    """What one line measures."""

    n: int
    m: int
    d: int
    what: str = "plain"
    slope: float = 0.0
    batch: int = 0
    precision: str = "float32"


DIMENSIONS = [
    Setting(1000, 10_000, d, precision=p)
    for d in (2, 3, 5, 10, 20, 50)
    for p in ("float32", "float64")
]
VARIANTS = [
    Setting(1000, 10_000, 5, "leaky slope 0.1", slope=0.1),
    Setting(1000, 10_000, 5, "hidden bias"),
    Setting(1000, 10_000, 5, "batch 32", batch=32),
    Setting(1000, 200, 5, "batch 32", batch=32),
    Setting(1000, 200, 5, "batch 8", batch=8),
]
SAMPLES_AND_WIDTHS = [
    Setting(n, m, 5) for m in (100, 1000, 10_000) for n in (10, 40, 160, 640, 2560)
]
_PRODUCT = {
    "what": "matrix product",
    "n": 2048,
    "m": 2048,
    "d": 2048,
    "precision": "float32",
} | dict.fromkeys(("autograd ms", "compiled ms", "ratio"), "")
REPEATS = 5
ENOUGH_SECONDS = 0.05  # of a repeat, by as many steps as that takes


def seconds_of_a_step(
    engine: Callable, setting: Setting, pick: Callable = statistics.median
) -> float:
    """What `pick` takes of the repeats, less the cost of a call without steps."""
    task = synthetic.linear_task("gaussian", setting.n, setting.d, 0.25, seed=0, n_test=1)
    x = nets.with_ones(task.x) if setting.what == "hidden bias" else task.x
    start = nets.dominated(setting.m, x.shape[1], 1e-3, np.random.default_rng(0))
    options: dict[str, Any] = {
        "slope": setting.slope,
        "batch": setting.batch,
        "precision": setting.precision,
    }

    def seconds(count: int) -> float:
        rng = np.random.default_rng(0)
        clock = time.process_time()
        engine(start, x, task.y, step_size=0.01, schedule=(0, count), probes={}, rng=rng, **options)
        return time.process_time() - clock

    seconds(1)  # compiles, or warms torch up
    steps = max(3, int(ENOUGH_SECONDS / max(seconds(4) / 4, 1e-6)))
    return pick((seconds(steps + 1) - seconds(1)) / steps for _ in range(REPEATS))


def product() -> float:
    """GFLOP/s of a 2048 x 2048 product in float32."""
    matrix = np.random.default_rng(0).random((2048, 2048), np.float32)
    best = np.inf
    for _ in range(REPEATS):
        clock = time.process_time()
        matrix @ matrix
        best = min(best, time.process_time() - clock)
    return 2 * 2048**3 / best / 1e9


def measured(setting: Setting) -> dict[str, Any]:
    """One row of the table."""
    slow, fast = seconds_of_a_step(descend_autograd, setting), seconds_of_a_step(descend, setting)
    dim = setting.d + (setting.what == "hidden bias")
    work = (setting.batch or setting.n) * setting.m * (4 * dim + 3)
    return {
        **{name: getattr(setting, name) for name in ("what", "n", "m", "d", "precision")},
        "autograd ms": f"{1e3 * slow:.3g}",
        "compiled ms": f"{1e3 * fast:.3g}",
        "ratio": f"{slow / fast:.1f}",
        "GFLOP/s": f"{work / fast / 1e9:.1f}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--record", action="store_true", help="write the table of the book as well")
    record = parser.parse_args().record
    with threads.one_thread():
        limit = product()
        rows = [_PRODUCT | {"GFLOP/s": f"{limit:.1f}"}]
        print(f"{machine.cpu()}, one thread; a 2048 x 2048 product in float32: {limit:.1f} GFLOP/s")
        for setting in DIMENSIONS + VARIANTS + SAMPLES_AND_WIDTHS:
            rows.append(measured(setting))
            if len(rows) == 2:
                print(
                    "".join(f"{name:>16}" if name == "what" else f"{name:>12}" for name in rows[0])
                )
            print(
                "".join(
                    f"{value:>16}" if name == "what" else f"{value:>12}"
                    for name, value in rows[-1].items()
                ),
                flush=True,
            )
    if record:
        write(rows)


def write(rows: list[dict[str, Any]]) -> None:
    """The page's table, and its picture drawn from the table as it was written."""
    table = paths.book() / "step_cost.csv"
    with open(table, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    with open(table, newline="", encoding="utf-8") as file:
        picture = cost.steps(list(csv.DictReader(file)))
    (paths.book() / "_static" / "step_cost.html").write_text(picture.html, "utf-8")


if __name__ == "__main__":
    main()
