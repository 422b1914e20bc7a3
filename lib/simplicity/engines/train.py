"""The general training loop: any torch module or a plain two-layer network, any torch optimiser, full batch or minibatches.

    L = 1/(2n) sum_k (h(x_k) - y_k)^2         the default loss, WITH 1/2, as in `two_layer`

Probes and a schedule go in, the same kind of dataset as from `two_layer.descend` comes out. It is tens of times slower than
that loop and knows no formula of a gradient. No data, no measures, no stopping rule.
"""

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
import xarray as xr
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor, nn

from simplicity.engines.two_layer import Diverged, batches
from simplicity.nets import TwoLayer

Array = NDArray[np.floating]
Model = TypeVar("Model", TwoLayer, nn.Module)
Optimiser = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
Loss = Callable[[Tensor, Tensor], Tensor]


def half_mean_square(output: Tensor, target: Tensor) -> Tensor:
    """1/(2n) sum_k (h(x_k) - y_k)^2."""
    return 0.5 * torch.mean((output - target) ** 2)


def train(
    start: Model,
    x: Array,
    y: Array,
    *,
    optimiser: Optimiser,
    schedule: Sequence[int],
    probes: Mapping[str, Callable[[Model], float]],
    loss: Loss = half_mean_square,
    batch: int = 0,
    rng: Generator | None = None,
    precision: str = "float64",
    device: str = "cpu",
) -> tuple[Model, xr.Dataset]:
    """Train a copy of `start` on x (n, ...), y (n, ...) for `schedule[-1]` steps.

    `optimiser` makes the optimiser from the parameters, such as `partial(torch.optim.Adam, lr=1e-3)`. `batch` samples a step
    are the next of a permutation that `rng` draws anew for each pass (`two_layer.batches`); 0 is the full batch. A probe gets
    what was given: a `TwoLayer` of arrays, or the module.

    Returns the trained network and a dataset along `probe` with the coordinates `step` and `time` = step x learning rate, one
    variable for each probe, and the scalar `stopped_at`.
    """
    module = _module(start).to(device, getattr(torch, precision))
    inputs, targets = (torch.as_tensor(part, dtype=getattr(torch, precision), device=device) for part in (x, y))
    rule = optimiser(module.parameters())
    rate = float(rule.param_groups[0]["lr"])
    order = batches(len(x), batch, rng)
    values = np.full((len(probes), len(schedule)), np.nan)
    done = 0
    for index, step in enumerate(schedule):
        while done < step:
            done += 1
            value = _step(module, rule, loss, inputs, targets, next(order))
            if not np.isfinite(value):
                settings = f"{type(rule).__name__} {rate:g}, n {len(x)}, batch {batch or len(x)}"
                raise Diverged(f"loss not finite at step {done}: {settings}")
        with torch.no_grad():
            values[:, index] = [probe(_given(module, start)) for probe in probes.values()]
    return _given(module, start), _table(values, probes, schedule, rate)


def _step(module: nn.Module, rule: torch.optim.Optimizer, loss: Loss, inputs: Tensor, targets: Tensor, chosen: Any) -> float:
    """One step on the chosen samples; returns the loss before it."""
    rule.zero_grad()
    value = loss(module(inputs[chosen]), targets[chosen])
    value.backward()
    rule.step()
    return float(value.detach())


class _Plain(nn.Module):
    """A `TwoLayer` as a module."""

    def __init__(self, network: TwoLayer) -> None:
        super().__init__()
        self.a, self.w = (nn.Parameter(torch.from_numpy(np.array(part))) for part in network)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x @ self.w.T) @ self.a


def _module(start: TwoLayer | nn.Module) -> nn.Module:
    """A module of its own: what was given stays as it was."""
    return copy.deepcopy(start) if isinstance(start, nn.Module) else _Plain(start)


def _given(module: nn.Module, start: Model) -> Model:
    """The network in the form in which it was given."""
    if isinstance(start, nn.Module):
        return module
    return TwoLayer(*(part.detach().cpu().numpy().copy() for part in module.parameters()))


def _table(values: Array, probes: Mapping[str, Any], schedule: Sequence[int], rate: float) -> xr.Dataset:
    steps = np.asarray(schedule)
    variables: dict[str, Any] = {name: ("probe", row) for name, row in zip(probes, values, strict=True)}
    return xr.Dataset(variables | {"stopped_at": schedule[-1]}, {"step": ("probe", steps), "time": ("probe", steps * rate)})
