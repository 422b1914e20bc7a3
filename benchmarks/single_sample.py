"""The compiled single-sample loop beside torch's automatic differentiation, what its statistics
cost, and the exact Task 1.

One thread each, all in one run. First microseconds of a step on the network of Loukas et al.'s Task
1 (10-10-32-32-32-1, W_1 = I), and of larger ones, in the compiled loop and in plain torch, with
their ratio. Then the share of the statistics, which cannot be switched off: two loops are compiled
here in which the notes of a step, and in the second the slope too, are replaced by nothing. Last
the task itself: 4 frequencies x 10 seeds x 300,000 steps in one process and in two.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numba
import numpy as np

from simplicity import nets
from simplicity.data import streams
from simplicity.loukas import cosine, single_sample
from simplicity.loukas.single_sample import descend, passes
from simplicity.loukas.single_sample_autograd import as_module, descend_autograd
from simplicity.process import machine, threads

TASK = (10, 10, 32, 32, 32, 1)
NETWORKS = (TASK, (10, 10, 64, 64, 64, 1), (64, 64, 96, 96, 1))
REPEATS = 5
COMPILED_STEPS, TORCH_STEPS = 100_000, 500
SEEDS, EPOCHS = 10, 3000


def problem(sizes: tuple[int, ...]) -> tuple[nets.FullyConnected, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((100, sizes[0]))
    return nets.torch_default(sizes, rng, identity=True), x, np.sin(x[:, 0])


def compiled(sizes: tuple[int, ...], pick: Callable = statistics.median) -> float:
    """Seconds of a step, what `pick` takes of the repeats; the first call compiles and is not
    counted.
    """
    start, x, y = problem(sizes)
    order = passes(100, COMPILED_STEPS // 100, np.random.default_rng(1))
    found = []
    for _ in range(REPEATS + 1):
        clock = time.process_time()
        descend(start, x, y, order, step_size=1e-3, window=100)
        found.append((time.process_time() - clock) / COMPILED_STEPS)
    return pick(found[1:])


def torch_loop(sizes: tuple[int, ...]) -> float:
    start, x, y = problem(sizes)
    order = passes(100, TORCH_STEPS // 100, np.random.default_rng(1))
    found = []
    for _ in range(REPEATS + 1):
        module = as_module(start)
        clock = time.process_time()
        descend_autograd(module, module[0].bias, x, y, order, step_size=1e-3, window=100)
        found.append((time.process_time() - clock) / TORCH_STEPS)
    return statistics.median(found[1:])


def without_statistics() -> tuple[float, float]:
    """Seconds of a step of the task's network without the notes, and without notes and slope."""
    original = {name: getattr(single_sample, name) for name in ("note_step", "_slope", "_descend")}
    options = {
        "nogil": True,
        "fastmath": {"reassoc", "contract", "nsz", "arcp"},
        "error_model": "numpy",
    }
    compile_again = numba.njit(**options)
    found = []
    for replaced in (("note_step",), ("note_step", "_slope")):
        for name in replaced:
            setattr(single_sample, name, compile_again(_NOTHING[name]))
        single_sample._descend = compile_again(original["_descend"].py_func)
        found.append(compiled(TASK))
        for name, function in original.items():
            setattr(single_sample, name, function)
    return found[0], found[1]


def _no_note(row, old, new, origin, rate, loss, pulled, residual, epsilon, before, ulp):  # type: ignore[no-untyped-def]
    row[0] += loss


def _no_slope(w, sizes, delta, identity):  # type: ignore[no-untyped-def]
    return 0.0


_NOTHING = {"note_step": _no_note, "_slope": _no_slope}


def one_run(given: tuple[float, int]) -> float:
    """Task 1 exactly, one frequency and seed; its last training loss."""
    frequency, seed = given
    data = cosine.task(frequency, 100, seed)
    start = nets.torch_default(TASK, streams.generator(seed, streams.INITIALISATION), identity=True)
    order = passes(100, EPOCHS, streams.generator(seed, streams.BATCHES))
    return float(descend(start, data.x, data.y, order, step_size=1e-3, window=100)[1].loss[-1])


def whole_task(processes: int) -> float:
    """Seconds by the clock of all forty runs; processes are started and warm."""
    runs = [(frequency, seed) for frequency in cosine.FREQUENCIES for seed in range(SEEDS)]
    if processes == 1:
        one_run(runs[0])
        clock = time.perf_counter()
        for run in runs:
            one_run(run)
        return time.perf_counter() - clock
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        list(pool.map(one_run, runs[: 2 * processes]))
        clock = time.perf_counter()
        list(pool.map(one_run, runs))
        return time.perf_counter() - clock


def main() -> None:
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    with threads.one_thread():
        print(f"{machine.cpu()}, one thread; microseconds of a step, processor time")
        print(f"{'network':>22}{'compiled':>12}{'torch':>12}{'ratio':>12}")
        for sizes in NETWORKS:
            fast, slow = compiled(sizes), torch_loop(sizes)
            name = "-".join(map(str, sizes))
            print(
                f"{name:>22}{1e6 * fast:>12.2f}{1e6 * slow:>12.0f}{slow / fast:>12.0f}", flush=True
            )
        whole, (no_notes, bare) = compiled(TASK), without_statistics()
        print(
            f"statistics: {1 - no_notes / whole:.0%} of a step for the notes, "
            f"{1 - bare / whole:.0%} with the slope"
        )
        one, two = whole_task(1), whole_task(2)
        steps = len(cosine.FREQUENCIES) * SEEDS * EPOCHS * 100
        print(
            f"Task 1, {steps:,} steps: {one:.0f} s in one process, {two:.0f} s in two, "
            f"{one / two:.2f} times as fast"
        )


if __name__ == "__main__":
    main()
