"""Stochastic gradient descent by automatic differentiation, one sample a step.

It trains any torch module and returns the dataset of `single_sample`.

The counterpart of `single_sample.descend`, which is hundreds of times faster on the networks that
it knows: here are convolutions, pooling, skip connections and other activations, and every
statistic comes from torch's derivatives and from numpy over the steps of a window, not from
formulas of a backward pass. What the first bias is, the caller says.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from simplicity.loukas.single_sample import LOSSES, Loss
from simplicity.loukas.windows import Notes, Probe
from simplicity.nets import FullyConnected
from simplicity.problems import Problem, doors, training_doors

Array = NDArray[np.floating]


def as_module(
    network: FullyConnected, *, train_first: bool = False, precision: str = "float64"
) -> nn.Sequential:
    """The same network in torch; its first bias is `module[0].bias`. Outputs are (n, 1)."""
    network = FullyConnected(*map(tuple, training_doors.layers(network)))
    doors.precision(precision)
    layers: list[nn.Module] = []
    for weight, bias in zip(*network, strict=True):
        layers += [_linear(weight, bias, getattr(torch, precision)), nn.ReLU()]
    layers[0].weight.requires_grad_(train_first)
    return nn.Sequential(*layers[:-1])


def _linear(weight: Array, bias: Array, dtype: torch.dtype) -> nn.Linear:
    """A layer of these numbers."""
    layer = nn.utils.skip_init(nn.Linear, weight.shape[1], weight.shape[0], dtype=dtype)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight))
        layer.bias.copy_(torch.from_numpy(bias))
    return layer


def descend_autograd(
    module: nn.Module, bias: nn.Parameter, x: NDArray, y: NDArray, order: NDArray[np.integer], *,
    step_size: ArrayLike, window: int, loss: Loss = "squares", batch: int = 1,
    schedule: Sequence[int] = (), probes: Mapping[str, Probe] | None = None,
    dims: Mapping[str, tuple[str, ...]] | None = None,
) -> xr.Dataset:  # fmt: skip
    """Train `module` itself on x (n, ...), y (n,).

    Arguments and dataset as of `single_sample.descend`, but for the trace.

    `bias` is the first bias b_1, any parameter of the module that every input passes: the slope at
    a visited point is then the gradient in x, whatever lies between. The module's outputs are f(x),
    logits for the cross-entropy.
    """
    x, y = _looked_at(module, bias, x, y, loss)
    notes = Notes.of(
        x, order, step_size=step_size, window=window, batch=batch, schedule=schedule,
        probes=probes, dims=dims,
    )  # fmt: skip
    inputs, targets = (_tensor(part, next(module.parameters()).dtype) for part in (x, y))
    origin = _numbers(bias)
    for now in notes.one_by_one():
        for row, rate in zip(notes.values[now], notes.rates[now], strict=True):
            steps = _Steps(module, bias, float(rate), loss)
            for chosen in notes.samples(now).reshape(window, batch):
                steps.take(inputs[chosen], targets[chosen])
            row[:], notes.before[0] = steps.statistics(origin, float(notes.before[0]))
        notes.check_finite(now)
        notes.look(now, module)
    return notes.table()


def _looked_at(
    module: nn.Module, bias: nn.Parameter, x: NDArray, y: NDArray, loss: str
) -> tuple[NDArray, NDArray]:
    """Inputs and targets, which fit to each other and to the loss; the bias is the module's."""
    training_doors.module(module)
    if not any(one is bias and one.requires_grad for one in module.parameters()):
        raise Problem(
            "bias: got another tensor, allowed a parameter of the module that requires a gradient"
        )
    doors.choice("loss", loss, LOSSES)
    x, y = training_doors.batch(x, y)
    doors.arrays(y=(y, "n"))
    if loss == "cross entropy":
        doors.zeros_and_ones("y", y)
    return x, y


class _Steps:
    """What a window's steps were, in order, and the bias before the first and after each."""

    def __init__(self, module: nn.Module, bias: nn.Parameter, rate: float, loss: Loss) -> None:
        self.module, self.bias, self.rate = module, bias, rate
        self.cross = loss == "cross entropy"
        self.trained = [one for one in module.parameters() if one.requires_grad]
        self.biases = [_numbers(bias)]
        self.rows: list[tuple[float, float, float, float]] = []  # loss, pulled, residual, eps

    def take(self, x: Tensor, y: Tensor) -> None:
        """One step of plain gradient descent."""
        seen = x.clone().requires_grad_()
        output = self._outputs(seen)
        value = self._loss(output, y)
        *gradients, inward = torch.autograd.grad(value, [*self.trained, seen])
        residual, epsilon = self._sizes(output.detach(), y)
        self._move(gradients)
        # Of a batch the gradients add up: each sample's part has its own x.
        pulled = torch.linalg.vector_norm(inward.sum(dim=0))
        self.rows.append((float(value.detach()), float(pulled), residual, epsilon))
        self.biases.append(_numbers(self.bias))

    def _outputs(self, x: Tensor) -> Tensor:
        """f(x), one for each sample."""
        output = self.module(x)
        if output.numel() != len(x):
            got = f"got outputs {tuple(output.shape)} for {len(x)} inputs"
            raise Problem(f"module: {got}, allowed one for each")
        return output.reshape(len(x))

    def _loss(self, output: Tensor, y: Tensor) -> Tensor:
        if self.cross:
            return nn.functional.binary_cross_entropy_with_logits(output, y)
        return 0.5 * torch.mean((output - y) ** 2)

    def _move(self, gradients: Sequence[Tensor]) -> None:
        with torch.no_grad():
            for parameter, gradient in zip(self.trained, gradients, strict=True):
                parameter.add_(gradient, alpha=-self.rate)

    def _sizes(self, output: Tensor, y: Tensor) -> tuple[float, float]:
        """Means of |dl/df| and eps."""
        found = torch.sigmoid(output) if self.cross else output
        residual = torch.abs(found - y)
        epsilon = 1 / torch.abs(1 - y - found) if self.cross else residual
        return float(residual.mean()), float(epsilon.mean())

    def statistics(self, origin: Array, before: float) -> tuple[list[float], float]:
        """In the order of `STATISTICS`, and eps of the last step."""
        losses, pulled, residual, epsilon = map(np.array, zip(*self.rows, strict=True))
        seen = np.array(self.biases[:-1])
        length = np.linalg.norm(np.diff(self.biases, axis=0), axis=1) / self.rate
        last = _last(epsilon, before)
        averaged = (
            losses, _ratio(length, epsilon), _ratio(pulled, epsilon), length, epsilon,
            _ratio(length, last), length * last, np.linalg.norm(seen - origin, axis=1),
            ((seen - seen.mean(axis=0)) ** 2).sum(axis=1), residual, _ratio(pulled, residual),
        )  # fmt: skip
        excess = np.abs(length - pulled) * self.rate / self._floor(seen, length)
        return [*(float(one.mean()) for one in averaged), float(excess.max())], epsilon[-1]

    def _floor(self, seen: Array, length: Array) -> Array:
        """What rounding the bias may cause in the length of each step."""
        unit = np.sqrt(seen.shape[1]) * np.finfo(seen.dtype).eps
        return unit * (np.abs(seen).max(axis=1) + self.rate * length)


def _last(epsilon: Array, before: float) -> Array:
    """eps of the step before each; its own where that was 0 or there was none."""
    last = np.concatenate([[before if before > 0 else epsilon[0]], epsilon[:-1]])
    return np.where(last > 0, last, epsilon)


def _ratio(part: Array, whole: Array) -> Array:
    """0 where the whole is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole > 0, part / whole, 0.0)


def _tensor(values: NDArray, dtype: torch.dtype) -> Tensor:
    return torch.as_tensor(np.asarray(values), dtype=dtype)


def _numbers(bias: nn.Parameter) -> Array:
    """A copy, flat: a view would follow the parameter."""
    return bias.detach().cpu().numpy().ravel().copy()
