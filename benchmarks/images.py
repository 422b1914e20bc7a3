"""A step of the convolutional network of the image tasks beside a plain torch loop; threads,
processes, layout of the channels, and what probes cost.

The plain loop is what one writes by hand: the same network, channels last, the same optimiser, and
nothing else. It bounds what `nets.train` can reach, whose convolutions are torch's too.

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

TURNS = 5
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


def plain_milliseconds(shape: tuple[int, int, int]) -> float:
    """Of a step of a loop by hand in channels last, by the clock, one thread."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    module = modules.convolutional(shape, rng).to(memory_format=torch.channels_last)
    x = torch.from_numpy(rng.random((4 * BATCH, *shape), dtype=np.float32))
    x = x.contiguous(memory_format=torch.channels_last)
    y = torch.from_numpy((rng.random(4 * BATCH) < 0.5).astype(np.float32))
    optimiser = torch.optim.SGD(module.parameters(), lr=1e-3)
    for step in range(5 + STEPS):
        if step == 5:
            start = time.perf_counter()
        chosen = torch.from_numpy(rng.permutation(4 * BATCH)[:BATCH])
        optimiser.zero_grad()
        cross_entropy(module(x[chosen]), y[chosen]).backward()
        optimiser.step()
    return 1000 * (time.perf_counter() - start) / STEPS


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
        f"{'':10}{'by hand':>10}{'1 thread':>10}{'planes':>10}{'2 threads':>11}{'2 x 1 thread':>14}"
        f"{'gain':>7}{'probes':>9}"
    )
    for name, shape in SHAPES.items():
        # by turns, the least of each
        turns = [(plain_milliseconds(shape), milliseconds(shape, 1, True)) for _ in range(TURNS)]
        plain, one = map(min, zip(*turns, strict=True))
        planes, two = (milliseconds(shape, *how) for how in ((1, False), (2, True)))
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
            f"{name:10}{plain:8.1f}ms{one:8.1f}ms{planes:8.1f}ms{two:9.1f}ms{both / 2:12.1f}ms"
            f"{two / (both / 2):7.2f}{probes:8.1%}"
        )
    print(
        "2 x 1 thread: milliseconds for each step of either of two runs; gain: over one run with "
        "two threads"
    )


if __name__ == "__main__":
    main()
