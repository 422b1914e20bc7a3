"""A step of the convolutional network of the image tasks: threads, processes, layout of the
channels, and what probes cost.

Two runs side by side with one thread each against one run with two threads, all in one go. The
images are random: only their shape counts.

    python benchmarks/images.py
"""

import multiprocessing
import time

import numpy as np
import torch

from simplicity.nets import modules
from simplicity.nets.train import cross_entropy, train

STEPS, BATCH, TEST, PROBES_A_RUN, STEPS_A_RUN = 40, 64, 2000, 18, 9375
SHAPES = {"MNIST": (1, 28, 28), "CIFAR-10": (3, 32, 32)}


def milliseconds(shape: tuple[int, int, int], threads: int, channels_last: bool) -> float:
    """Of a step, by the clock, after a few steps to warm up."""
    torch.set_num_threads(threads)
    rng = np.random.default_rng(0)
    x, y = rng.random((4 * BATCH, *shape), dtype=np.float32), rng.random(4 * BATCH) < 0.5
    marks: list[float] = []
    train(
        modules.convolutional(shape, rng), x, y,
        optimiser=lambda parameters: torch.optim.SGD(parameters, lr=1e-3), loss=cross_entropy,
        batch=BATCH, rng=rng, precision="float32", channels_last=channels_last,
        schedule=(5, 5 + STEPS),
        probes={"mark": lambda _: marks.append(time.perf_counter()) or 0.0},
    )  # fmt: skip
    return 1000 * (marks[1] - marks[0]) / STEPS


def probe_milliseconds(shape: tuple[int, int, int]) -> float:
    """Of predicting one image."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    module, x = modules.convolutional(shape, rng), rng.random((TEST, *shape), dtype=np.float32)
    start = time.perf_counter()
    modules.predict(module, x)
    return 1000 * (time.perf_counter() - start) / TEST


def main() -> None:
    print(
        f"{'':10}{'1 thread':>10}{'planes':>10}{'2 threads':>11}{'2 x 1 thread':>14}"
        f"{'gain':>7}{'probes':>9}"
    )
    for name, shape in SHAPES.items():
        one, planes, two = (milliseconds(shape, *how) for how in ((1, True), (1, False), (2, True)))
        with multiprocessing.get_context("spawn").Pool(2) as pool:
            both = max(pool.starmap(milliseconds, [(shape, 1, True)] * 2))
        # A run's probes see the test set and 4000 training images.
        probes = (
            PROBES_A_RUN
            * (14_000 if name == "MNIST" else 12_000)
            * probe_milliseconds(shape)
            / (STEPS_A_RUN * one)
        )
        print(
            f"{name:10}{one:8.1f}ms{planes:8.1f}ms{two:9.1f}ms{both / 2:12.1f}ms"
            f"{two / (both / 2):7.2f}{probes:8.1%}"
        )
    print(
        "2 x 1 thread: milliseconds for each step of either of two runs; gain: over one run with "
        "two threads"
    )


if __name__ == "__main__":
    main()
