"""Gradient descent in NTK parametrisation beside torch's automatic differentiation: one step, one thread both, in one run.

Prints for each setting the milliseconds of a step for both, their ratio, and what the written-out gradients achieve, counting
4 n m d operations of the two matrix products alone; beside it the share of what a 2048 x 2048 product achieves in the same
run, and that of the two products without anything between them. Times are processor time.
"""

import time
from collections.abc import Callable

import numpy as np
import torch

from simplicity import machine, starts, threads
from simplicity.engines import ntk

SETTINGS = [
    (20_000, 256, 50, "erf", "float32"), (20_000, 256, 50, "erf", "float64"), (20_000, 256, 50, "relu", "float32"),
    (20_000, 256, 50, "tanh", "float32"), (4000, 256, 50, "erf", "float32"), (4000, 1024, 200, "erf", "float32"),
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
    """Seconds of a step: of three less of none, so that what a call costs by itself is taken off."""
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
    x, w, z = torch.randn(n, d, dtype=dtype), torch.randn(d, m, dtype=dtype), torch.empty(ROWS, m, dtype=dtype)
    into = torch.zeros(m, d, dtype=dtype)

    def work() -> None:
        for block in x.split(ROWS):
            into.addmm_(torch.mm(block, w, out=z[: len(block)]).T, block)

    return best(work)


def main() -> None:
    with threads.one_thread():
        square = {kind: torch.rand(2048, 2048, dtype=getattr(torch, kind)) for kind in ("float32", "float64")}
        limit = {kind: 2 * 2048**3 / best(lambda a=a: a @ a) / 1e9 for kind, a in square.items()}
        shown = ", ".join(f"{value:.1f} GFLOP/s in {kind}" for kind, value in limit.items())
        print(f"{machine.cpu()}, one thread; a 2048 x 2048 product: {shown}")
        print(f"{'n':>7}{'m':>6}{'d':>5}{'phi':>10}{'':>9}{'autograd ms':>13}{'ours ms':>9}{'ratio':>7}{'GFLOP/s':>9}"
              f"{'of product':>12}{'products alone':>16}")  # fmt: skip
        for n, m, d, activation, precision in SETTINGS:
            slow, fast = (step(engine, n, m, d, activation, precision) for engine in (ntk.descend_autograd, ntk.descend))
            alone = 4 * n * m * d / products(n, m, d, precision) / 1e9
            speed = 4 * n * m * d / fast / 1e9
            line = f"{n:>7}{m:>6}{d:>5}{activation:>10}{precision:>9}{1e3 * slow:>13.1f}{1e3 * fast:>9.1f}{slow / fast:>7.1f}"
            most = limit[precision]
            print(f"{line}{speed:>9.1f}{100 * speed / most:>11.0f}%{100 * alone / most:>15.0f}%", flush=True)


if __name__ == "__main__":
    main()
