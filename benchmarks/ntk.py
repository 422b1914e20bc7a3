"""Gradient descent in NTK parametrisation beside torch's automatic differentiation: one step, one
thread both, in one run.

Prints for each setting the milliseconds of a step for both, their ratio, and what the written-out
gradients achieve, counting 4 n m d operations of the two matrix products alone; beside it the share
of what a 2048 x 2048 product achieves in the same run, and that of the two products without
anything between them. Times are processor time. `--record` also writes the table of the page "What
a step costs"; `make bench` only prints.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch

from simplicity.hu import ntk
from simplicity.nets import starts
from simplicity.places import paths
from simplicity.process import machine, threads

SETTINGS = [
    (20_000, 256, 50, "erf", "float32"), (20_000, 256, 50, "erf", "float64"),
    (20_000, 256, 50, "relu", "float32"), (20_000, 256, 50, "tanh", "float32"),
    (4000, 256, 50, "erf", "float32"), (4000, 1024, 200, "erf", "float32"),
    (2000, 512, 50, "erf", "float32"), (2000, 2048, 50, "softplus", "float32"),
]  # fmt: skip
REPEATS = 5
ROWS = 512


def best(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Least processor seconds of a call."""
    work()
    found = []
    for _ in range(repeats):
        clock = time.process_time()
        work()
        found.append(time.process_time() - clock)
    return min(found)


def step(engine: Callable, n: int, m: int, d: int, activation: str, precision: str) -> float:
    """Seconds of a step: of three less of none, so that what a call costs by itself is taken
    off.
    """
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((n, d)), rng.choice([-1.0, 1.0], n)
    start = starts.symmetric(m, d, rng)

    def run(steps: int) -> float:
        options = {"activation": activation, "step_size": 1.0, "precision": precision}
        return best(lambda: engine(start, x, y, schedule=(0, steps), probes={}, **options), 3)

    return (run(4) - run(1)) / 3


def products(n: int, m: int, d: int, precision: str) -> float:
    """Seconds of the two matrix products of a step, in blocks of samples."""
    dtype = getattr(torch, precision)
    x, w, z = (
        torch.randn(n, d, dtype=dtype),
        torch.randn(d, m, dtype=dtype),
        torch.empty(ROWS, m, dtype=dtype),
    )
    into = torch.zeros(m, d, dtype=dtype)

    def work() -> None:
        for block in x.split(ROWS):
            into.addmm_(torch.mm(block, w, out=z[: len(block)]).T, block)

    return best(work)


def measured(
    n: int, m: int, d: int, activation: str, precision: str, limit: float
) -> dict[str, str]:
    """One row of the table; `limit` is what a large product achieves, in GFLOP/s."""
    slow, fast = (
        step(engine, n, m, d, activation, precision)
        for engine in (ntk.descend_autograd, ntk.descend)
    )
    work = 4 * n * m * d / 1e9
    return {
        "n": f"{n}", "m": f"{m}", "d": f"{d}", "activation": activation, "precision": precision,
        "autograd ms": f"{1e3 * slow:.1f}", "ours ms": f"{1e3 * fast:.1f}",
        "ratio": f"{slow / fast:.1f}", "GFLOP/s": f"{work / fast:.1f}",
        "percent of product": f"{100 * work / fast / limit:.0f}",
        "percent of it by products alone":
            f"{100 * work / products(n, m, d, precision) / limit:.0f}",
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--record", action="store_true", help="write the table of the book as well")
    record = parser.parse_args().record
    with threads.one_thread():
        square = {
            kind: torch.rand(2048, 2048, dtype=getattr(torch, kind))
            for kind in ("float32", "float64")
        }
        limit = {kind: 2 * 2048**3 / best(lambda a=a: a @ a) / 1e9 for kind, a in square.items()}
        shown = ", ".join(f"{value:.1f} GFLOP/s in {kind}" for kind, value in limit.items())
        print(f"{machine.cpu()}, one thread; a 2048 x 2048 product: {shown}")
        lines: list[str] = []
        for setting in SETTINGS:
            row = measured(*setting, limit[setting[-1]])
            lines += [",".join(row)] * (not lines) + [",".join(row.values())]
            print("\n".join(lines[-2:] if len(lines) == 2 else lines[-1:]), flush=True)
    if record:
        (paths.book() / "ntk_cost.csv").write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
