"""Full-batch training of a small dense ReLU network with one logit, with gradients written out.

    h = W_k relu(... relu(x W_1 + b_1) ...) + b_k
    L = (1/n) sum_j [log(1 + exp(h_j)) - y_j h_j]      in nats

For hundreds of points in the plane the general loop (`nets.train`) spends most of its time outside
the matrix products; this one is three to five times as fast. Plain gradient descent or Adam. No
data, no measures, no schedule: `training` is a generator, and who iterates looks when it likes.
float32, one thread.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.special import expit

from simplicity.nets.loop import Diverged
from simplicity.problems import doors, training_doors

Array = NDArray[np.floating]
RULES = ("gd", "adam")
_BETAS, _EPSILON = (0.9, 0.999), 1e-8  # Adam's usual constants


class Dense(NamedTuple):
    """Weights (inputs, outputs) and biases (outputs,), by layer; the last has one output."""

    weights: tuple[Array, ...]
    biases: tuple[Array, ...]


def gaussian(sizes: Sequence[int], rng: Generator) -> Dense:
    """W ~ N(0, 1 / fan in), hidden b ~ N(0, 1 / width), no bias of the logit.

    The start of Nakkiran et al.'s 2-D pictures.
    """
    doors.sizes("sizes", sizes)
    doors.generator(rng)
    weights = [rng.standard_normal((a, b)) / np.sqrt(a) for a, b in pairwise((*sizes, 1))]
    biases = [rng.standard_normal(size) / np.sqrt(size) for size in sizes[1:]]
    return Dense(tuple(weights), (*biases, np.zeros(1)))


def logits(network: Dense, x: Array) -> Array:
    """h(x), (n,)."""
    return _forward(network, _looked_at(network, x))[-1][:, 0]


def predict(network: Dense, x: Array) -> NDArray[np.bool_]:
    """Hard predictions (n,), logit above 0."""
    x = _looked_at(network, x).astype(network.weights[0].dtype, copy=False)
    return _forward(network, x)[-1][:, 0] > 0


def training(
    start: Dense, x: Array, y: Array, rates: Iterable[float], rule: Literal["gd", "adam"] = "gd"
) -> Iterator[Dense]:
    """The network before the first step and after every step, one for each of `rates`.

    x (n, d), y (n,) 0 or 1.

    What is yielded is the running network itself, which the next step changes: look, do not keep
    (`kept` makes a copy).
    """
    x, y = training_doors.samples(x, y, "float32")
    doors.zeros_and_ones("y", y)
    start = Dense(*_checked(start, x.shape[1], finite=True))
    doors.choice("rule", rule, RULES)
    if isinstance(rates, (Sequence, np.ndarray)) and len(rates):
        doors.numbers("rates", rates, above=0)
    return _training(start, x, y, rates, rule)


def _training(
    start: Dense, x: Array, y: Array, rates: Iterable[float], rule: str
) -> Iterator[Dense]:
    flat, network = _views(start)
    slope, gradient = _views(start)  # each step writes it anew
    means = np.zeros_like(flat), np.zeros_like(flat)
    inputs, targets = x.astype(np.float32), y.astype(np.float32)[:, None]
    yield network
    for step, rate in enumerate(rates, 1):
        if not _gradient(network, inputs, targets, gradient):
            settings = f"dense network, {rule} {rate:g}, n {len(x)}"
            raise Diverged(f"loss not finite at step {step}: {settings}")
        flat -= np.float32(rate) * slope if rule == "gd" else _adam(slope, *means, rate, step)
        yield network


def _adam(slope: Array, first: Array, second: Array, rate: float, step: int) -> Array:
    """What Adam takes off the weights; its two means move."""
    first += (1 - _BETAS[0]) * (slope - first)
    second += (1 - _BETAS[1]) * (slope * slope - second)
    size = np.sqrt(second / (1 - _BETAS[1] ** step)) + _EPSILON
    return np.float32(rate / (1 - _BETAS[0] ** step)) * first / size


def kept(network: Dense) -> Dense:
    """A copy that training does not change."""
    doors.kind("network", network, Dense)
    return Dense(
        tuple(part.copy() for part in network.weights),
        tuple(part.copy() for part in network.biases),
    )


def _checked(
    network: Dense, inputs: int, *, finite: bool = False
) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    """Weights and biases that fit to so many inputs; here a weight is (inputs, outputs)."""
    doors.two_parts("network", network, "weights and biases")
    weights, biases = network
    turned = [np.asarray(weight).T for weight in weights]
    looked_at = training_doors.layers((turned, biases), inputs, finite=finite)
    return tuple(weight.T for weight in looked_at[0]), tuple(looked_at[1])


def _looked_at(network: Dense, x: Array) -> Array:
    """The inputs (n, d) as an array of numbers; their count fits to the network."""
    (x,) = doors.arrays(x=(x, "N d"))
    _checked(network, x.shape[1])
    return x


def _views(network: Dense) -> tuple[Array, Dense]:
    """All of it in one vector, and a network whose arrays are its pieces.

    So an update is one operation.
    """
    parts = (*network.weights, *network.biases)
    flat = np.concatenate([part.ravel() for part in parts], dtype=np.float32)
    ends = np.cumsum([part.size for part in parts])[:-1]
    cut = zip(np.split(flat, ends), parts, strict=True)
    pieces = [piece.reshape(part.shape) for piece, part in cut]
    layers = len(network.weights)
    return flat, Dense(tuple(pieces[:layers]), tuple(pieces[layers:]))


def _forward(network: Dense, x: Array) -> list[Array]:
    """Inputs, hidden activations and logits (n, 1)."""
    *hidden, last = zip(*network, strict=True)
    layers = [x]
    for weight, bias in hidden:
        z = _affine(layers[-1], weight, bias)
        layers.append(np.maximum(z, 0, out=z))
    return [*layers, _affine(layers[-1], *last)]


def _affine(x: Array, weight: Array, bias: Array) -> Array:
    z = x @ weight
    z += bias
    return z


def _gradient(network: Dense, x: Array, y: Array, into: Dense) -> bool:
    """Writes the gradient; False where it is not finite."""
    *layers, last = _forward(network, x)
    delta = (expit(last) - y) / np.float32(len(x))
    finite = bool(np.isfinite(delta).all())
    if finite:
        _backwards(network, layers, delta, into)
    return finite


def _backwards(network: Dense, layers: list[Array], delta: Array, into: Dense) -> None:
    """From the slope `delta` in the last layer's outputs down to the first layer's weights."""
    for index in reversed(range(len(layers))):
        np.matmul(layers[index].T, delta, out=into.weights[index])
        delta.sum(axis=0, out=into.biases[index])
        if index:
            delta = delta @ network.weights[index].T
            delta *= layers[index] > 0
