"""A network that starts at the output zero, its training, and the linear model that it would be.

    f(x) = s_out sum_j a_j max(0, s_in <w_j, x> + b_j),   pairs of neurons with one (w, b) and a, -a

Start `small`: s_in = s_out = 1, |a_j| = lambda / sqrt(m) >= |(w_j, b_j)|, the dominated start of
Boursier & Flammarion 2025 on inputs (x, 1). Start `tangent`: w ~ N(0, 1), a = +-1, b = 0,
s_in = 1 / sqrt(d), s_out = k / sqrt(m), the parametrisation of Hu et al. 2020; k above 1 makes
it lazy. In the units of the small start k = 1 is lambda = m^(1/4). Start `deep`: tangent, with
another hidden layer of m neurons in between.

The explicit linear model is g(x) = <beta, x> + c, moved by the same batches as the network would
be if its kernel were s_0 + s_1 <x, x'> for ever,

    beta += eta s_1 mean_b (y - g) x,    c += eta s_0 mean_b (y - g)

where s_0, s_1 are the least-squares fit of the network's own kernel at its start,
K(x, x') = <df/dtheta(x), df/dtheta(x')>, to pairs of distinct training inputs (Hu et al. 2020,
whose theorem has their expectations).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor, nn

from simplicity.nets import dominated
from simplicity.problems import doors

Array = NDArray[np.floating]
Rows = NDArray[np.int64]
STARTS = ("small", "tangent", "deep")
KERNEL_ROWS = 100  # training inputs whose pairs give the kernel's slope


class Network(nn.Module):
    """Inputs (q, d) to outputs (q, 1); layers `first`, `last`, and `second` where there is one."""

    def __init__(self, layers: Sequence[nn.Linear], into: float, between: float, out: float):
        super().__init__()
        self.first = layers[0]
        self.second = layers[1] if len(layers) > 2 else None
        self.last = layers[-1]
        self.into, self.between, self.out = into, between, out

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.relu(self.first(self.into * x))
        if self.second is not None:
            hidden = torch.relu(self.second(self.between * hidden))
        output: Tensor = self.out * self.last(hidden)
        return output


def network(start: str, scale: float, width: int, dim: int, rng: Generator) -> Network:
    """A network of `width` neurons a layer, whose output is 0; `scale` is lambda, or k of a tangent
    start."""
    doors.choice("start", start, STARTS)
    doors.whole("width", width, 2)
    if start == "small":
        return _small(scale, width, dim, rng)
    # max(0, .) halves the second moment, which the factor sqrt(2 / m) undoes
    out = scale * (2 * (width // 2)) ** -0.5
    return Network(_tangent(start, width, dim, rng), dim**-0.5, (2 / width) ** 0.5, out)


def _small(scale: float, width: int, dim: int, rng: Generator) -> Network:
    half = width // 2
    a, w = dominated(half, dim + 1, scale * (half / width) ** 0.5, rng)
    first = _layer(np.tile(w[:, :dim], (2, 1)), np.tile(w[:, dim], 2))
    return Network([first, _of_pairs(a)], 1.0, 1.0, 1.0)


def _tangent(start: str, width: int, dim: int, rng: Generator) -> list[nn.Linear]:
    """The layers of a tangent start, or of a deep one."""
    layers, inputs, half = [], dim, width // 2
    if start == "deep":
        layers.append(_layer(rng.standard_normal((width, dim)), np.zeros(width)))
        inputs = width
    top = np.tile(rng.standard_normal((half, inputs)), (2, 1))
    layers.append(_layer(top, np.zeros(2 * half)))
    return [*layers, _of_pairs(rng.choice([-1.0, 1.0], half))]


def _of_pairs(a: Array) -> nn.Linear:
    """The last layer, a and -a of each pair."""
    return _layer(np.concatenate([a, -a])[None])


def _layer(weight: Array, bias: Array | None = None) -> nn.Linear:
    rows, columns = weight.shape
    found = nn.utils.skip_init(nn.Linear, columns, rows, bias=bias is not None)
    with torch.no_grad():
        found.weight.copy_(torch.from_numpy(weight))
        if bias is not None:
            found.bias.copy_(torch.from_numpy(bias))
    return found


class Slope(NamedTuple):
    """The kernel s_0 + s_1 <x, x'>."""

    constant: float
    linear: float


def kernel_slope(net: nn.Module, x: Tensor) -> Slope:
    """The least-squares fit of the kernel at pairs of distinct rows of x (q, d)."""
    pairs = np.triu_indices(len(x), 1)
    jacobian = torch.stack([_gradient(net, one) for one in x])
    return _fitted(_gram(x)[pairs], _gram(jacobian)[pairs])


def _fitted(inner: Array, kernel: Array) -> Slope:
    """The fit of a kernel to inner products."""
    design = np.stack([np.ones_like(inner), inner], axis=1)
    constant, linear = np.linalg.lstsq(design, kernel, rcond=None)[0]
    return Slope(float(constant), float(linear))


def _gram(rows: Tensor) -> Array:
    flat: Array = rows.double().numpy()
    return flat @ flat.T


def _gradient(net: nn.Module, x: Tensor) -> Tensor:
    """That of the output by all parameters, at x (d,)."""
    found = torch.autograd.grad(net(x[None]).sum(), list(net.parameters()))
    return torch.cat([part.reshape(-1) for part in found])


class Linear:
    """The explicit linear model, in the network's own batches."""

    def __init__(self, slope: Slope, dim: int) -> None:
        self.slope = slope
        self.weights = np.zeros(dim + 1)  # beta, c

    def step(self, x: Array, y: Array, rate: float) -> None:
        """One step on a batch x (q, d), y (q,)."""
        missing = y - self.outputs(x)
        self.weights[:-1] += rate * self.slope.linear * (missing @ x) / len(x)
        self.weights[-1] += rate * self.slope.constant * missing.mean()

    def outputs(self, x: Array) -> Array:
        found: Array = x @ self.weights[:-1] + self.weights[-1]
        return found


def relative_gap(f: Array, g: Array) -> float:
    """mean (f - g)^2 / mean g^2, NaN for g = 0."""
    power = float(np.mean(g**2))
    return float(np.mean((f - g) ** 2)) / power if power > 0 else float("nan")


def batches(n: int, size: int, steps: int, rng: Generator) -> Rows:
    """Rows of each batch, (steps, size): passes in random order, whole batches alone; all rows in
    their order where a batch has them all."""
    if size >= n:
        return np.broadcast_to(np.arange(n), (steps, n))
    passes = -(-steps // (n // size))
    return np.concatenate([_one_pass(n, size, rng) for _ in range(passes)])[:steps]


def _one_pass(n: int, size: int, rng: Generator) -> Rows:
    each = n // size
    return rng.permutation(n)[: each * size].reshape(each, size)


def train(
    net: nn.Module,
    model: Linear,
    data: tuple[Tensor, Tensor],
    rows: Rows,
    rate: float,
    done: Callable[[int], None],
) -> None:
    """Gradient descent on 1/(2 q) sum (f - y)^2 over the batches `rows`; `done(t)` is called after
    step t."""
    x, y = data
    parameters = list(net.parameters())
    flat_x, flat_y = x.double().numpy(), y.double().numpy()[:, 0]
    order = torch.from_numpy(np.array(rows))
    for step, (at, place) in enumerate(zip(rows, order, strict=True), 1):
        _descend(parameters, _loss(net, x[place], y[place]), rate)
        model.step(flat_x[at], flat_y[at], rate)
        done(step)


def _loss(net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    found: Tensor = 0.5 * (net(x) - y).square().mean()
    return found


def _descend(parameters: Sequence[Tensor], loss: Tensor, rate: float) -> None:
    slopes = torch.autograd.grad(loss, parameters)
    with torch.no_grad():
        for parameter, slope in zip(parameters, slopes, strict=True):
            parameter.sub_(slope, alpha=rate)
