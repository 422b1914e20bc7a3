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
    training_doors.module(module)
    x, y = training_doors.batch(x, y)
    doors.arrays(y=(y, "n"))
    (x_test,) = doors.finite(x_test=(x_test, " ".join(["q", *map(str, x.shape[1:])])))
    x_test = training_doors.for_torch(x_test)
    training_doors.step(step_size)
    schedule = training_doors.schedule(schedule, strict=True)
    doors.whole("block", block, 1)
    dtype = next(module.parameters()).dtype
    inputs, targets, others = (torch.as_tensor(part).to(dtype) for part in (x, y, x_test))
    losses, seen = np.empty(schedule[-1] + 1), []
    for step in range(schedule[-1] + 1):
        if step in schedule:
            seen.append(outputs(module, others, block))
        losses[step] = _gradient(module, inputs, targets, block)
        if not np.isfinite(losses[step]):
            raise Diverged(f"loss not finite at step {step}: step_size {step_size:g}, n {len(y)}")
        with torch.no_grad():
            for parameter in module.parameters():
                if parameter.grad is None:
                    told = "module: got a parameter without a gradient"
                    raise Problem(f"{told}, allowed those that move the outputs")
                parameter.sub_(parameter.grad, alpha=step_size)
    return losses, np.stack(seen)


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


def _gradient(module: nn.Module, x: torch.Tensor, y: torch.Tensor, block: int) -> float:
    """Leaves the gradient of the loss in the parameters and returns the loss."""
    module.zero_grad()
    total = 0.0
    for inputs, targets in zip(x.split(block), y.split(block), strict=True):
        output = module(inputs)
        training_doors.outputs(output, targets)
        part = (output - targets).square().sum() / (2 * len(y))
        part.backward()
        total += float(part.detach())
    return total
