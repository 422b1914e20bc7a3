"""The compiled two-layer engine beside torch's automatic differentiation: one step, one thread both, in one run.

Prints a line for each setting: n, m, d, precision, milliseconds of a step for both, their ratio, and what the compiled loop
achieves, counting 6 d + 3 floating-point operations for each sample and neuron.
"""

import statistics
import time
from collections.abc import Callable

import numpy as np

from simplicity import nets, threads
from simplicity.data import synthetic
from simplicity.engines.two_layer import descend, descend_autograd

SETTINGS = [  # n, m, d
    (1000, 10_000, 5),
    (100, 10_000, 5),
    (1000, 1000, 5),
    (1000, 10_000, 2),
    (1000, 10_000, 10),
    (1000, 10_000, 20),
]
REPEATS = 5


def seconds_of_a_step(engine: Callable, n: int, width: int, dim: int, precision: str, steps: int) -> float:
    """Median over repeats; the cost of a call without steps is taken off."""
    task = synthetic.linear_task("gaussian", n, dim, 0.25, seed=0, n_test=1)
    start = nets.dominated(width, dim, 1e-3, np.random.default_rng(0))

    def seconds(count: int) -> float:
        clock = time.perf_counter()
        engine(start, task.x, task.y, step_size=0.1, schedule=(0, count), probes={}, precision=precision)
        return time.perf_counter() - clock

    seconds(1)  # compiles, or warms torch up
    return statistics.median((seconds(steps + 1) - seconds(1)) / steps for _ in range(REPEATS))


def main() -> None:
    print(f"{'n':>6}{'m':>8}{'d':>4}  {'precision':10}{'autograd ms':>12}{'compiled ms':>12}{'ratio':>8}{'GFLOP/s':>9}")
    with threads.one_thread():
        for n, width, dim in SETTINGS:
            for precision in ("float32", "float64"):
                slow = seconds_of_a_step(descend_autograd, n, width, dim, precision, steps=3)
                fast = seconds_of_a_step(descend, n, width, dim, precision, steps=30)
                rate = n * width * (6 * dim + 3) / fast / 1e9
                row = f"{n:6}{width:8}{dim:4}  {precision:10}{1e3 * slow:12.2f}{1e3 * fast:12.2f}{slow / fast:8.1f}{rate:9.1f}"
                print(row, flush=True)


if __name__ == "__main__":
    main()
