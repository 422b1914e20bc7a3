"""The general training loop, full batch or minibatches.

Any torch module or a plain two-layer network, any torch optimiser.

    L = 1/(2n) sum_k (h(x_k) - y_k)^2         the default loss, WITH 1/2, as in `two_layer`

Probes and a schedule go in, the same kind of dataset as from `two_layer.descend` comes out. It is
tens of times slower than that loop and knows no formula of a gradient. No data, no measures, no
stopping rule.

Images are (n, channels, height, width). `channels_last` lays them and the weights of convolutions
out with the channels innermost, which is faster and sums in another order. A run of hours gets a
`checkpoint`: its state is written there every few minutes, and the same call made again goes on
from it with the same bits as if nothing had happened.
"""

import copy
import dataclasses
import itertools
import os
import pickle
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
import xarray as xr
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor, nn

from simplicity.nets import TwoLayer
from simplicity.nets.loop import Diverged, batches
from simplicity.problems import Problem, doors, training_doors

Array = NDArray[np.floating]
Model = TypeVar("Model", TwoLayer, nn.Module)
Optimiser = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
Loss = Callable[[Tensor, Tensor], Tensor]
Augment = Callable[[Tensor, int], Tensor]

CHECKPOINT_SECONDS = 120.0
# steps between two looks at the loss of another device, since each look waits for it
_WATCHED = 100


def half_mean_square(output: Tensor, target: Tensor) -> Tensor:
    """1/(2n) sum_k (h(x_k) - y_k)^2, for outputs and targets of one shape."""
    training_doors.outputs(output, target)
    return 0.5 * torch.mean((output - target) ** 2)


def cross_entropy(output: Tensor, target: Tensor) -> Tensor:
    """Binary: mean of log(1 + exp(h)) - y h in nats, for logits h (n,) and labels y (n,).

    Labels are 0 and 1, or shares between.
    """
    training_doors.outputs(output, target)
    return nn.functional.binary_cross_entropy_with_logits(output, target)


def train(
    start: Model, x: NDArray, y: NDArray, *, optimiser: Optimiser, schedule: Sequence[int],
    probes: Mapping[str, Callable[[Model], Any]], dims: Mapping[str, tuple[str, ...]] | None = None,
    loss: Loss = half_mean_square, batch: int = 0, rng: Generator | None = None,
    augment: Augment | None = None, precision: str = "float64", device: str = "cpu",
    channels_last: bool = False, checkpoint: Path | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> tuple[Model, xr.Dataset]:  # fmt: skip
    """Train a copy of `start` on x (n, ...), y (n, ...) for `schedule[-1]` steps.

    `optimiser` makes it of the parameters, as `partial(torch.optim.Adam, lr=1e-3, fused=True)`: the
    fused one has the same bits on every processor. `batch` samples a step are the next of a
    permutation that `rng` draws for each pass (`loop.batches`); 0 is the full batch. `augment`
    changes a step's inputs and gets its number, on which alone its randomness may depend. A probe
    gets what was given, a `TwoLayer` or the module; `dims` names the axes of what it returns.

    Returns the trained network and a dataset along `probe` with the coordinates `step` and `time` =
    step x learning rate, a variable for each probe, and the scalar `stopped_at`. A `checkpoint` of
    another call is not noticed if shapes agree: names must tell them apart (`checkpoints.path`).
    """
    start, x, y = _looked_at(start, x, y, loss, precision, device)
    schedule = _asked(optimiser, schedule, probes, dims, batch, rng, len(x))
    module = _module(start).to(device=device, dtype=getattr(torch, precision))
    if channels_last:
        _lay_out(module)
    inputs, targets = (
        torch.as_tensor(part, dtype=getattr(torch, precision), device=device) for part in (x, y)
    )
    loop = _Loop(module, optimiser(module.parameters()), loss, {name: [] for name in probes})
    if checkpoint is not None:
        loop.resume(checkpoint)
    order = itertools.islice(batches(len(x), batch, rng), loop.done, None)
    rate = float(loop.rule.param_groups[0]["lr"])
    saved = time.monotonic()
    for index, step in enumerate(schedule):
        while loop.done < step:
            chosen = next(order)
            seen = (
                inputs[chosen].contiguous(memory_format=torch.channels_last)
                if channels_last
                else inputs[chosen]
            )
            value = loop.step(
                seen if augment is None else augment(seen, loop.done), targets[chosen]
            )
            look = device == "cpu" or loop.done == step or loop.done % _WATCHED == 0
            if look and not torch.isfinite(value):
                settings = (
                    f"{type(loop.rule).__name__} {rate:g}, n {len(x)}, batch {batch or len(x)}"
                )
                raise Diverged(f"loss not finite at step {loop.done}: {settings}")
            if checkpoint is not None and time.monotonic() - saved > checkpoint_seconds:
                loop.save(checkpoint)
                saved = time.monotonic()
        for name, probe in probes.items():
            # else it was measured before the run was broken off
            if len(loop.values[name]) == index:
                with torch.no_grad():
                    loop.values[name].append(np.asarray(probe(_given(module, start))))
    return _given(module, start), _table(loop.values, dims or {}, schedule, rate)


def _asked(
    optimiser: Optimiser,
    schedule: Sequence[int],
    probes: Mapping[str, Callable[[Model], Any]],
    dims: Mapping[str, tuple[str, ...]] | None,
    batch: int,
    rng: Generator | None,
    n: int,
) -> tuple[int, ...]:
    """How to train; the schedule comes back in plain numbers."""
    doors.function("optimiser", optimiser)
    training_doors.probes(probes, dims)
    training_doors.minibatches(batch, rng, n)
    return training_doors.schedule(schedule)


def _looked_at(
    start: Model, x: NDArray, y: NDArray, loss: Loss, precision: str, device: str
) -> tuple[Model, NDArray, NDArray]:
    """Network and samples that fit to each other, as far as can be told without a step."""
    doors.precision(precision, (*doors.PRECISIONS, "float16", "bfloat16"))
    doors.function("loss", loss)
    x, y = training_doors.batch(x, y)
    if loss is cross_entropy and not (y.min() >= 0 and y.max() <= 1):
        raise Problem(
            f"y: got labels from {y.min():g} to {y.max():g}, allowed 0 to 1 for the cross-entropy"
        )
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, TypeError):
        raise Problem(
            f"device: got {device!r}, allowed one that torch finds here, such as cpu"
        ) from None
    if isinstance(start, nn.Module):
        training_doors.module(start)
        return start, x, y
    a, w, *_ = training_doors.task(start, x, y)
    return TwoLayer(a, w), x, y


@dataclasses.dataclass
class _Loop:
    """What changes during a run, and how it is saved."""

    module: nn.Module
    rule: torch.optim.Optimizer
    loss: Loss
    values: dict[str, list[NDArray]]
    done: int = 0

    def step(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """One step on these samples; returns the loss before it."""
        self.rule.zero_grad()
        value = self.loss(self.module(inputs), targets)
        value.backward()
        self.rule.step()
        self.done += 1
        return value.detach()

    def save(self, path: Path) -> None:
        """The file is there whole or not at all."""
        values = {
            name: [torch.from_numpy(np.array(value)) for value in found]
            for name, found in self.values.items()
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{os.getpid()}")
        state = {
            "module": self.module.state_dict(),
            "rule": self.rule.state_dict(),
            "values": values,
            "done": self.done,
        }
        torch.save(state, part)
        part.replace(path)

    def resume(self, path: Path) -> None:
        """Go on from the saved state; a file that is damaged or of another network is none."""
        if not path.is_file():
            return
        before = copy.deepcopy((self.module.state_dict(), self.rule.state_dict()))
        try:
            # tensors and numbers alone: nothing in the file is executed
            state = torch.load(path, weights_only=True)
            self.module.load_state_dict(state["module"])
            self.rule.load_state_dict(state["rule"])
            self.values |= {
                name: [value.numpy() for value in state["values"][name]] for name in self.values
            }
            self.done = int(state["done"])
        except (
            OSError,
            EOFError,
            RuntimeError,
            KeyError,
            TypeError,
            ValueError,
            pickle.UnpicklingError,
        ):
            self.module.load_state_dict(before[0])
            self.rule.load_state_dict(before[1])


def _lay_out(module: nn.Module) -> None:
    """Convolutions' weights with the channels innermost; their inputs have to follow."""
    for weight in module.parameters():
        if weight.dim() == 4:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)


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


def _table(
    values: Mapping[str, Sequence[Any]],
    dims: Mapping[str, tuple[str, ...]],
    schedule: Sequence[int],
    rate: float,
) -> xr.Dataset:
    steps = np.asarray(schedule)
    variables: dict[str, Any] = {
        name: (("probe", *dims.get(name, ())), np.stack(found)) for name, found in values.items()
    }
    return xr.Dataset(
        variables | {"stopped_at": schedule[-1]},
        {"step": ("probe", steps), "time": ("probe", steps * rate)},
    )
