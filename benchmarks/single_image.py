"""A step of the convolutional network of single images, compiled and by automatic differentiation:
one thread, one run.

The images are random: only their shape counts. Both keep the same statistics.

    python benchmarks/single_image.py
"""

import time
from collections.abc import Callable

import numpy as np
import torch

from simplicity.loukas import single_image
from simplicity.loukas.single_sample_autograd import descend_autograd
from simplicity.nets import modules
from simplicity.process import threads

SHAPES = {"CIFAR-10": (3, 32, 32), "MNIST": (1, 28, 28)}
STEPS, SLOW_STEPS = 200, 50


def milliseconds(take: Callable[[int], object], steps: int) -> float:
    """Of a step, in processor time, after a few to warm up."""
    take(5)
    start = time.process_time()
    take(steps)
    return 1000 * (time.process_time() - start) / steps


def main() -> None:
    print(f"{'images':10}{'precision':11}{'compiled':>10}{'autograd':>10}{'ratio':>7}")
    for name, shape in SHAPES.items():
        for precision in ("float32", "float64"):
            rng = np.random.default_rng(0)
            x = rng.uniform(-1, 1, (64, *shape)).astype(precision)
            y = rng.integers(2, size=64).astype(precision)
            module = modules.two_convolutions(shape, rng).to(getattr(torch, precision))
            order = rng.integers(64, size=STEPS)

            def compiled(steps: int, module=module, x=x, y=y, order=order) -> object:  # type: ignore[no-untyped-def]
                return single_image.descend(
                    module, x, y, order[:steps], step_size=1e-3, window=steps
                )

            def plain(steps: int, module=module, x=x, y=y, order=order) -> object:  # type: ignore[no-untyped-def]
                return descend_autograd(
                    module,
                    module[0].bias,
                    x,
                    y,
                    order[:steps],
                    step_size=1e-3,
                    window=steps,
                    loss="cross entropy",
                )

            ours, theirs = milliseconds(compiled, STEPS), milliseconds(plain, SLOW_STEPS)
            print(f"{name:10}{precision:11}{ours:8.2f}ms{theirs:8.2f}ms{theirs / ours:7.1f}")


if __name__ == "__main__":
    with threads.one_thread():
        main()
