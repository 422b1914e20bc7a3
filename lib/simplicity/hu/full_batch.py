"""Full-batch gradient descent of any torch module, its gradient summed over blocks of samples.

    L = 1/(2n) sum_k (h(x_k) - y_k)^2              WITH 1/2, as in `train`

The graph of one block is in memory at a time, where `train` holds that of the whole batch. Plain
steps alone: no momentum, no minibatches, no checkpoint.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from simplicity.nets.loop import Diverged
from simplicity.problems import Problem, doors, training_doors

Array = NDArray[np.floating]


def descend(
    module: nn.Module, x: Array, y: Array, x_test: Array, *,
    step_size: float, schedule: Sequence[int], block: int = 512,
) -> tuple[Array, Array]:  # fmt: skip
    """Train `module` itself on x (n, ...), y (n,), in its own precision.

    Returns the loss before each step and at the end, (schedule[-1] + 1,), and the outputs on
    `x_test` after the scheduled steps, (len(schedule), q).
    """
    inputs, targets, others = tensors(module, x, y, x_test)
    training_doors.step(step_size)
    schedule = training_doors.schedule(schedule, strict=True)
    doors.whole("block", block, 1)
    losses, seen = np.empty(schedule[-1] + 1), []
    for step in range(schedule[-1] + 1):
        if step in schedule:
            seen.append(outputs(module, others, block))
        losses[step] = _gradient(module, inputs, targets, block)
        if not np.isfinite(losses[step]):
            raise diverged(step, step_size, len(targets))
        _move(module, step_size)
    return losses, np.stack(seen)


def tensors(module: nn.Module, x: Array, y: Array, x_test: Array) -> tuple[torch.Tensor, ...]:
    """x (n, ...), y (n,) and x_test (q, ...), which fit, in the module's precision and place."""
    training_doors.module(module)
    x, y = training_doors.batch(x, y)
    doors.arrays(y=(y, "n"))
    (x_test,) = doors.finite(x_test=(x_test, " ".join(["q", *map(str, x.shape[1:])])))
    like, x_test = next(module.parameters()), training_doors.for_torch(x_test)
    return tuple(torch.as_tensor(part).to(like) for part in (x, y, x_test))


def diverged(step: int, step_size: float, n: int) -> Diverged:
    """The error of a loss that is not finite before this step."""
    return Diverged(f"loss not finite at step {step}: step_size {step_size:g}, n {n}")


def outputs(module: nn.Module, x: torch.Tensor, block: int = 512) -> Array:
    """h(x) (n,) in blocks."""
    training_doors.module(module, trained=False)
    doors.whole("block", block, 1)
    with torch.no_grad():
        found = torch.cat([module(part) for part in torch.as_tensor(x).split(block)])
    if found.shape != (len(x),):
        told = f"module: got outputs {tuple(found.shape)} for {len(x)} inputs"
        raise Problem(f"{told}, allowed one for each")
    return found.numpy()


def _move(module: nn.Module, step_size: float) -> None:
    """One step down the gradient that the parameters hold."""
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.grad is None:
                raise Problem(
                    "module: got a parameter without a gradient, allowed those that move the "
                    "outputs"
                )
            parameter.sub_(parameter.grad, alpha=step_size)


def _gradient(module: nn.Module, x: torch.Tensor, y: torch.Tensor, block: int) -> float:
    """Leaves the gradient of the loss in the parameters and returns the loss."""
    module.zero_grad()
    blocks = zip(x.split(block), y.split(block), strict=True)
    return sum(float(backward(module, *block, len(y))) for block in blocks)


def backward(module: nn.Module, x: torch.Tensor, y: torch.Tensor, count: int) -> torch.Tensor:
    """Adds the gradient of a block's part of the loss of `count` samples, and returns the part."""
    output = module(x)
    training_doors.outputs(output, y)
    loss = (output - y).square().sum() / (2 * count)
    loss.backward()
    return loss.detach()
