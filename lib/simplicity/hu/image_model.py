"""The linear model that a deep network on images is held against, and the controls beside it.

`linear_images` tells what the model is.
"""

import copy
import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from simplicity.hu.early_linear import loss
from simplicity.hu.kernel import deep_slope
from simplicity.hu.linear_descent import LinearDescent
from simplicity.hu.spans import correlation
from simplicity.nets import loop
from simplicity.problems import doors

Array = NDArray[np.floating]

ACTIVATION, DEPTH = "erf", 4  # hidden layers
PERMUTATIONS = 20  # of the labels that the control is fitted to
SIDE = 8  # of the model's weights as they are kept
RATES = (0.25, 0.5, 1.0, 2.0)  # of models beside the network, in units of its own
IMAGES, TEST_IMAGES = "n planes height width", "q planes height width"  # shapes
_LONGEST = 100_000  # steps within which the model's lowest test loss is looked for


class Sample(NamedTuple):
    """Images (n, planes, height, width) and labels of +-1, (n,)."""

    x: Array
    y: Array
    x_test: Array
    y_test: Array


def _look_at(sample: Sample) -> None:
    x, y, x_test, y_test = sample
    doors.finite(x=(x, IMAGES), y=(y, "n"), x_test=(x_test, TEST_IMAGES), y_test=(y_test, "q"))
    doors.not_all_zero("x", sample.x)


class Matching:
    """The linear model for a sample, its step size `rate` d/(c_1 lambda_max), and its outputs."""

    def __init__(self, sample: Sample, rate: float, rng: Generator) -> None:
        _look_at(sample)
        doors.number("rate", rate, above=0)
        doors.generator(rng)
        self.flat, self.flat_test = (x.reshape(len(x), -1) for x in (sample.x, sample.x_test))
        self.slope = math.sqrt(deep_slope(ACTIVATION, DEPTH) / self.flat.shape[1])
        self.y, self.y_test = sample.y, sample.y_test
        self.descent = LinearDescent(self.slope * self.flat, sample.y, 0.0)
        singular = self.descent.singular
        self.step_size = rate * len(self.y) / singular[0] ** 2
        self.descent.shrink = 1 - self.step_size * singular**2 / len(self.y)
        self.placebos = [self._placebo(rng.permutation(self.y)) for _ in range(PERMUTATIONS)]

    @property
    def top(self) -> float:
        """The largest eigenvalue of the images' covariance."""
        return self.descent.singular[0] ** 2 / (len(self.y) * self.slope**2)

    def _placebo(self, y: Array) -> LinearDescent:
        """The descent to other labels; it has the same decomposition."""
        one, singular = copy.copy(self.descent), self.descent.singular
        one.target = one.basis @ (one.psi.T @ y) / np.maximum(singular, 1e-12 * singular[0])
        return one

    def _at_rate(self, rate: float) -> LinearDescent:
        """The descent at `rate` times the step size."""
        one = copy.copy(self.descent)
        one.shrink = 1 - rate * (1 - self.descent.shrink)
        return one

    def _on_test(self, descent: LinearDescent, steps: tuple[int, ...]) -> Array:
        return descent.outputs(self.slope * self.flat_test, steps)

    def on_test(self, steps: Iterable[int]) -> Array:
        """Outputs after these steps, (steps, q)."""
        return self._on_test(self.descent, tuple(steps))

    def at_rates(self, steps: Iterable[int]) -> dict[float, Array]:
        """Outputs of the model at each of `RATES` times its step size, (steps, q)."""
        at = tuple(steps)
        return {rate: self._on_test(self._at_rate(rate), at) for rate in RATES}

    def of_placebos(self, steps: Iterable[int]) -> list[Array]:
        """Outputs of each model of permuted labels, (steps, q)."""
        at = tuple(steps)
        return [self._on_test(one, at) for one in self.placebos]

    def placebo_correlation(self, outputs: Array, steps: Iterable[int]) -> Array:
        """Mean |correlation| of outputs (steps, q) with models of permuted labels, (steps,)."""
        found = [correlation(outputs, one) for one in self.of_placebos(steps)]
        return np.mean(np.abs(found), axis=0)

    def weights(self, step: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """beta after `step` steps as an image of means over squares, (planes, SIDE, SIDE)."""
        planes, height, width = shape
        squares = self.descent.beta(step).reshape(planes, SIDE, height // SIDE, SIDE, width // SIDE)
        return squares.mean(axis=(2, 4)).astype(np.float32)

    def half_time(self) -> int:
        """Steps until half of the test loss is lost that is ever lost."""
        at = loop.geometrically(_LONGEST, 120)
        losses = self._losses(at)
        half = self._half(losses.min())
        reached = int(np.argmax(losses <= half))
        between = range(at[max(0, reached - 1)], at[reached] + 1)
        return next(step for step in between if self._losses([step])[0] <= half)

    def _losses(self, steps: Iterable[int]) -> Array:
        """Test losses after these steps."""
        return loss(self.on_test(steps), self.y_test)

    def _half(self, lowest: float) -> float:
        """Half-way from the test loss at the start to the lowest one."""
        start = float(loss(0 * self.y_test, self.y_test))
        if not lowest < start:
            told = f"half-time: the linear model never lowers the test loss {start:.3g}"
            raise ValueError(f"{told} on {len(self.y)} images")
        return (start + lowest) / 2
