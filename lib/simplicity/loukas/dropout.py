"""Single-sample gradient descent on the cross-entropy with Dropout of hidden neurons.

The network of a step is h_l = m_l relu(W_l h_{l-1} + b_l) with a fresh 0/1 mask m_l for each hidden
layer, and its logit goes through a sigmoid. `rescaled` divides m_l by the probability of staying,
as torch does; without it the whole network has larger activations than those it was trained with. A
loop of numpy, tens of microseconds a step.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from simplicity.nets import FullyConnected
from simplicity.nets.loop import Diverged
from simplicity.problems import doors, training_doors

Array = NDArray[np.floating]


class Steps(NamedTuple):
    """Of each step |db_1| / (alpha eps), eps = 1 / |1 - y - p|, and the thinned network's p."""

    normalised: Array
    output: Array

    def note(self, step: int, pull: Array, p: float, label: float) -> None:
        """Of a step whose dl/db_1 is `pull`; 1 / eps is the probability of the given label."""
        self.normalised[step] = np.linalg.norm(pull) * abs(1 - label - p)
        self.output[step] = p


def descend(
    start: FullyConnected,
    x: Array,
    y: Array,
    order: NDArray[np.integer],
    *,
    step_size: float,
    share: float,
    rescaled: bool,
    rng: Generator,
    after_epoch: Callable[[FullyConnected], None] | None = None,
) -> tuple[FullyConnected, Steps]:
    """Train a copy of `start` on x (n, n_0), y (n,) in {0, 1}; `share` is left out.

    `after_epoch` sees the running network after every n steps.
    """
    start, x, y = _looked_at(start, x, y)
    order = doors.indices("order", order, len(x))
    _check_options(step_size, share, rng, after_epoch)
    network, factor = _Running.of(start), 1 / (1 - share) if rescaled else 1.0
    found = Steps(np.empty(len(order)), np.empty(len(order)))
    for step, index in enumerate(order):
        masks = [factor * stay for stay in network.staying(share, rng)]
        h, gates = network.hidden(masks, x[index])
        p = network.probability(h[-1])
        if not np.isfinite(p):
            settings = f"step_size {step_size:g}, n {len(y)}, Dropout {share:g}"
            raise Diverged(f"output not finite before step {step}: {settings}")
        pull = network.step(h, gates, p - y[index], step_size)
        found.note(step, pull, p, y[index])
        if after_epoch is not None and (step + 1) % len(y) == 0:
            after_epoch(network.plain())
    return network.plain(), found


def _looked_at(start: FullyConnected, x: Array, y: Array) -> tuple[FullyConnected, Array, Array]:
    """Network, samples and labels, which fit to each other."""
    x, y = training_doors.samples(x, y)
    doors.zeros_and_ones("y", y)
    layers = training_doors.layers(start, x.shape[1], finite=True)
    return FullyConnected(*map(tuple, layers)), x, y


def _check_options(
    step_size: float, share: float, rng: Generator,
    after_epoch: Callable[[FullyConnected], None] | None,
) -> None:  # fmt: skip
    training_doors.step(step_size)
    doors.number("share", share, low=0, below=1)
    doors.generator(rng)
    if after_epoch is not None:
        doors.function("after_epoch", after_epoch)


class _Running(NamedTuple):
    """A network that changes in place."""

    weights: list[Array]
    biases: list[Array]

    @classmethod
    def of(cls, start: FullyConnected) -> "_Running":
        """A copy."""
        return cls([w.copy() for w in start.weights], [b.copy() for b in start.biases])

    def plain(self) -> FullyConnected:
        """The same arrays."""
        return FullyConnected(tuple(self.weights), tuple(self.biases))

    def staying(self, share: float, rng: Generator) -> list[NDArray[np.bool_]]:
        """The hidden neurons of each layer that are not left out."""
        return [rng.random(len(bias)) >= share for bias in self.biases[:-1]]

    def hidden(self, masks: list[Array], x: Array) -> tuple[list[Array], list[Array]]:
        """x and the activations of the thinned hidden layers, and dh/dz of each of these."""
        h, gates = [x], []
        for weight, bias, mask in zip(self.weights[:-1], self.biases[:-1], masks, strict=True):
            z = weight @ h[-1] + bias
            gates.append(mask * (z > 0))
            h.append(gates[-1] * z)
        return h, gates

    def probability(self, h: Array) -> float:
        """Of label 1, from the last hidden layer."""
        return float(1 / (1 + np.exp(-(self.weights[-1] @ h + self.biases[-1])[0])))

    def step(self, h: list[Array], gates: list[Array], error: float, step_size: float) -> Array:
        """Every layer's step, from dl/df = `error`; returns dl/db_1."""
        delta = np.array([error])
        for layer in range(len(self.weights) - 1, -1, -1):
            back = self.weights[layer].T @ delta
            self.weights[layer] -= step_size * delta[:, None] * h[layer]
            self.biases[layer] -= step_size * delta
            if layer:
                delta = gates[layer - 1] * back
        return delta
