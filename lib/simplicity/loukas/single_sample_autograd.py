"""Stochastic gradient descent by automatic differentiation, one sample a step.

Any torch module, the same dataset.

The counterpart of `single_sample.descend`, which is hundreds of times faster on the networks that
it knows: here are convolutions, pooling, skip connections and other activations, and every
statistic comes from torch's derivatives and from numpy over the steps of a window, not from
formulas of a backward pass. What the first bias is, the caller says.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from simplicity.loukas.single_sample import LOSSES, Loss
from simplicity.loukas.windows import STATISTICS, check_finite, table
from simplicity.nets import FullyConnected
from simplicity.problems import Problem, doors, training_doors

Array = NDArray[np.floating]
Probe = Callable[[nn.Module], Any]


def as_module(
    network: FullyConnected, *, train_first: bool = False, precision: str = "float64"
) -> nn.Sequential:
    """The same network in torch; its first bias is `module[0].bias`. Outputs are (n, 1)."""
    network = FullyConnected(*map(tuple, training_doors.layers(network)))
    doors.precision(precision)
    layers: list[nn.Module] = []
    for weight, bias in zip(*network, strict=True):
        layer = nn.utils.skip_init(
            nn.Linear, weight.shape[1], weight.shape[0], dtype=getattr(torch, precision)
        )
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(weight))
            layer.bias.copy_(torch.from_numpy(bias))
        layers += [layer, nn.ReLU()]
    layers[0].weight.requires_grad_(train_first)
    return nn.Sequential(*layers[:-1])


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
    order, schedule = training_doors.single_samples(
        x, order, step_size=step_size, window=window, batch=batch, given=schedule,
        looks=probes, dims=dims,
    )  # fmt: skip
    parameter = next(module.parameters())
    inputs, targets = (torch.as_tensor(np.asarray(part), dtype=parameter.dtype) for part in (x, y))
    trained = [one for one in module.parameters() if one.requires_grad]
    count = len(order) // batch // window
    rates = np.broadcast_to(np.asarray(step_size, dtype=np.float64), (count,))
    values = np.zeros((count, len(STATISTICS)))
    found: dict[str, list[Any]] = {name: [] for name in probes or {}}
    origin, before = _numbers(bias), float("nan")
    for index in range(count + 1):
        if index in schedule:
            for name, probe in (probes or {}).items():
                found[name].append(np.asarray(probe(module)))
        if index == count:
            break
        steps = _Steps([_numbers(bias)])
        for step in range(index * window, (index + 1) * window):
            chosen = order[step * batch : (step + 1) * batch]
            steps.take(
                module, bias, trained, inputs[chosen], targets[chosen], float(rates[index]), loss
            )
        values[index], before = (
            steps.statistics(float(rates[index]), origin, before),
            steps.epsilons[-1],
        )
        check_finite(values[index : index + 1, 0], rates[index : index + 1], index, window, len(y))
    return table(values, window, found, dims or {}, schedule)


class _Steps:
    """What a window's steps were, in order, and the bias before the first and after each."""

    def __init__(self, biases: list[Array]) -> None:
        self.losses: list[float] = []
        self.pulled: list[float] = []
        self.residuals: list[float] = []
        self.epsilons: list[float] = []
        self.biases = biases

    def take(
        self,
        module: nn.Module,
        bias: nn.Parameter,
        trained: list[nn.Parameter],
        x: Tensor,
        y: Tensor,
        rate: float,
        loss: Loss,
    ) -> None:
        """One step of plain gradient descent."""
        seen = x.clone().requires_grad_()
        output = module(seen)
        if output.numel() != len(x):
            raise Problem(
                f"module: got outputs {tuple(output.shape)} for {len(x)} inputs, allowed one for "
                "each"
            )
        output = output.reshape(len(x))
        each = (
            torch.nn.functional.binary_cross_entropy_with_logits
            if loss == "cross entropy"
            else _half_square
        )
        value = each(output, y)
        *gradients, inward = torch.autograd.grad(value, [*trained, seen])
        with torch.no_grad():
            found = torch.sigmoid(output) if loss == "cross entropy" else output
            epsilon = (
                1 / torch.abs(1 - y - found) if loss == "cross entropy" else torch.abs(found - y)
            )
            for parameter, gradient in zip(trained, gradients, strict=True):
                parameter.add_(gradient, alpha=-rate)
        self.losses.append(float(value.detach()))
        self.epsilons.append(float(epsilon.detach().mean()))
        self.residuals.append(float(torch.abs(found.detach() - y).mean()))
        # Of a batch the gradients add up: each sample's part has its own x.
        self.pulled.append(float(torch.linalg.vector_norm(inward.sum(dim=0))))
        self.biases.append(_numbers(bias))

    def statistics(self, rate: float, origin: Array, before: float) -> list[float]:
        """In the order of `STATISTICS`."""
        bias, epsilon, pulled, residual = map(
            np.array, (self.biases, self.epsilons, self.pulled, self.residuals)
        )
        length = np.linalg.norm(np.diff(bias, axis=0), axis=1) / rate
        with np.errstate(divide="ignore", invalid="ignore"):
            path, slope = (np.where(epsilon > 0, part / epsilon, 0.0) for part in (length, pulled))
            steep = np.where(residual > 0, pulled / residual, 0.0)
            last = np.concatenate([[before if before > 0 else epsilon[0]], epsilon[:-1]])
            last = np.where(last > 0, last, epsilon)
            late = np.where(last > 0, length / last, 0.0)
        floor = (
            np.sqrt(bias.shape[1])
            * np.finfo(bias.dtype).eps
            * (np.abs(bias[:-1]).max(axis=1) + rate * length)
        )
        excess = np.abs(length - pulled) * rate / floor
        spread = ((bias[:-1] - bias[:-1].mean(axis=0)) ** 2).sum(axis=1).mean()
        distance = np.linalg.norm(bias[:-1] - origin, axis=1).mean()
        means = [
            np.mean(self.losses),
            path.mean(),
            slope.mean(),
            length.mean(),
            epsilon.mean(),
            late.mean(),
        ]
        more = [
            (length * last).mean(),
            distance,
            spread,
            residual.mean(),
            steep.mean(),
            excess.max(),
        ]
        return [*map(float, means), *map(float, more)]


def _half_square(output: Tensor, target: Tensor) -> Tensor:
    return 0.5 * torch.mean((output - target) ** 2)


def _numbers(bias: nn.Parameter) -> Array:
    """A copy, flat: a view would follow the parameter."""
    return bias.detach().cpu().numpy().ravel().copy()
