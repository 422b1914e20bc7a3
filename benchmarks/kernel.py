"""Closed-form blocks of the tangent kernel beside per-sample Jacobians, and the matrix-free norm at
n = 20,000.

One thread, all in one run. First seconds for Theta_1 + Theta_2 of a two-layer erf network, n =
2,000, m = 512, d = 50: from the blocks, and from the Jacobian of every sample by torch.func (vmap
of grad), whose rows are then multiplied with each other; both in single precision, and their
largest difference. Weights are any 512, or the symmetric start, in which two neurons each are
alike, and the blocks need one of them: so it is in every experiment here. The Jacobians cannot
know. Then the norm of Theta - psi psi^T at n = 20,000, m = 256 in a process of its own: seconds,
and the most memory that the process had, beside what n x n numbers would take. `--record` also
writes the table of the page "What a step costs".
"""

import argparse
import functools
import math
import resource
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import torch
from torch import Tensor
from torch.func import grad, vmap

from simplicity.hu import kernel, kernel_operators
from simplicity.nets import starts
from simplicity.places import paths
from simplicity.process import machine, threads

N, WIDTH, DIM = 2000, 512, 50
LARGE_N, LARGE_WIDTH = 20_000, 256
REPEATS = 5


def problem(n: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, DIM), dtype=np.float32), rng.standard_normal(
        (width, DIM), dtype=np.float32
    )


def blocks(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    return kernel.first_block(x, w, "erf") + kernel.second_block(x, w, "erf")


def jacobians(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """One row of derivatives a sample, all weights of both layers: (n, m (d + 1)) numbers."""

    def f(inner: Tensor, outer: Tensor, sample: Tensor) -> Tensor:
        return outer @ torch.erf(inner @ sample / math.sqrt(DIM)) / math.sqrt(len(outer))

    parts = vmap(grad(f, (0, 1)), (None, None, 0))(
        torch.from_numpy(w), torch.ones(len(w)), torch.from_numpy(x)
    )
    flat = [part.reshape(len(x), -1) for part in parts]
    return sum(part @ part.T for part in flat).numpy()


def seconds(function: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    """The median over repeats, after one call that is not counted, and the result."""
    found = function()
    taken = []
    for _ in range(REPEATS):
        clock = time.process_time()
        found = function()
        taken.append(time.process_time() - clock)
    return statistics.median(taken), found


def large_norm(precision: str) -> tuple[float, float, float]:
    """E, seconds and gigabytes of this process."""
    with threads.one_thread():
        x, w = (part.astype(precision) for part in problem(LARGE_N, LARGE_WIDTH))
        clock = time.process_time()
        operator = kernel_operators.tangent_operator(x, w, "erf", "both")
        psi = kernel.features(x, "erf", "both").astype(precision)
        norm = kernel.spectral_norm(kernel_operators.gap_operator(operator, psi))
        taken = time.process_time() - clock
    return norm * DIM / LARGE_N, taken, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--record", action="store_true", help="write the table of the book as well")
    record, lines = (
        parser.parse_args().record,
        ["weights,blocks s,Jacobians s,ratio,largest difference"],
    )
    print(
        f"{machine.cpu()}, one thread; n = {N:,}, m = {WIDTH}, d = {DIM}, float32, processor "
        "seconds"
    )
    x, anything = problem(N, WIDTH)
    symmetric = starts.symmetric(WIDTH, DIM, np.random.default_rng(1)).w.astype(np.float32)
    for name, w, distinct in (
        ("any weights", anything, WIDTH),
        ("symmetric start", symmetric, WIDTH // 2),
    ):
        with threads.one_thread():
            slow, theirs = seconds(functools.partial(jacobians, x, w))
            fast, ours = seconds(functools.partial(blocks, x, w[:distinct]))
        apart = np.abs(ours - theirs).max()
        print(
            f"{name}: blocks {fast:.3f}, Jacobians {slow:.2f}, {slow / fast:.0f} times as fast; "
            f"apart by {apart:.0e}"
        )
        lines.append(f"{name},{fast:.3f},{slow:.2f},{slow / fast:.0f},{apart:.0e}")
    if record:
        (paths.book() / "kernel_cost.csv").write_text("\n".join(lines) + "\n", "utf-8")
    print(
        f"norm of the gap, n = {LARGE_N:,}, m = {LARGE_WIDTH}; n x n numbers: "
        f"{8 * LARGE_N**2 / 1e9:.1f} GB in float64"
    )
    for precision in ("float32", "float64"):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            gap, taken, memory = pool.submit(large_norm, precision).result()
        print(f"{precision}: E = {gap:.3f}, {taken:.1f} s, {memory:.2f} GB at most in the process")


if __name__ == "__main__":
    main()
