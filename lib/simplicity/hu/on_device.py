"""`ntk.descend` and `full_batch.descend` in torch alone, on the processor or on a card.

The formulas are those of `ntk` and `full_batch`. `ntk` hands its products to NumPy and erf to a
compiled pass, for bits that no processor changes; a card has neither, and here all is torch's, in
larger blocks. The results agree up to rounding: 1e-12 relative in double precision after tens of
steps, 1e-5 in single, where erf is compiled there to 3e-7.
"""

import dataclasses
import functools
import math
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn

from simplicity.hu import full_batch, ntk
from simplicity.hu.ntk import Array, Dims, Probes, Rates
from simplicity.nets import TwoLayer, devices
from simplicity.nets.activations import ACTIVATIONS
from simplicity.nets.train import _Loop, half_mean_square
from simplicity.problems import doors, training_doors

_BLOCK = {"cpu": 1 << 17, "cuda": 1 << 27}  # hidden units at a time
_ROWS = {"cpu": 512, "cuda": 4096}  # images at a time


def descend(
    start: TwoLayer,
    x: Array,
    y: Array,
    *,
    activation: str,
    step_size: float | Rates,
    schedule: Sequence[int],
    probes: Probes,
    device: str = "cpu",
    dims: Dims | None = None,
    precision: str = "float32",
) -> tuple[TwoLayer, xr.Dataset]:
    """Train a copy of `start` on x (n, d), y (n,) on `device`: `ntk.descend`.

    Arguments, dataset and errors are the same; weights and probes are NumPy's. A device that is not
    there is a `Problem`.
    """
    engine = functools.partial(_Step, devices.found(device))
    return ntk.descend(
        start, x, y, activation=activation, step_size=step_size, schedule=schedule, probes=probes,
        dims=dims, precision=precision, engine=engine,
    )  # fmt: skip


class _Step:
    """As `ntk`'s: steps on the host's tensors in place, made on the device."""

    def __init__(
        self, where: torch.device, x: Tensor, y: Tensor, activation: str, rates: Rates, width: int
    ) -> None:
        rows = max(1, _BLOCK[where.type] // width)
        self.parts = list(zip(x.to(where).split(rows), y.to(where).split(rows), strict=True))
        self.where, self.phi, (self.first, self.second) = where, ACTIVATIONS[activation], rates
        self.count, self.root = len(x), math.sqrt(x.shape[1])

    def __call__(self, v: Tensor, w: Tensor, steps: int) -> Tensor:
        there, loss = (v.to(self.where), w.to(self.where)), torch.zeros(())
        for _ in range(steps):
            loss = self._once(*there)
        for part, found in zip((v, w), there, strict=True):
            part.copy_(found)
        return loss.cpu()

    def _once(self, v: Tensor, w: Tensor) -> Tensor:
        weights = v / math.sqrt(len(v))
        loss, along, pull = self._summed(weights, w)
        w.sub_(pull * weights[:, None], alpha=self.first / (self.count * self.root))
        v.sub_(along, alpha=self.second / (self.count * math.sqrt(len(v))))
        return loss / (2 * self.count)

    def _summed(self, weights: Tensor, w: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Over all samples: r^2, phi(Z) r and phi'(Z) r x."""
        loss, along, pull = w.new_zeros(()), torch.zeros_like(weights), torch.zeros_like(w)
        for x, y in self.parts:
            hidden = x @ w.T / self.root
            value = self.phi.value(hidden)
            residual = value @ weights - y
            loss += residual @ residual
            along += value.T @ residual
            pull += self.phi.slope(hidden).mul_(residual[:, None]).T @ x
        return loss, along, pull


def train_module(
    module: nn.Module, x: Array, y: Array, x_test: Array, *, step_size: float,
    schedule: Sequence[int], block: int = 0, device: str = "cpu", checkpoint: Path | None = None,
    checkpoint_seconds: float = 60.0,
) -> tuple[Array, Array]:  # fmt: skip
    """`full_batch.descend` on `device`, resumable: the loss before each step, outputs on `x_test`.

    `module` itself is trained and lies on `device` afterwards. Of `block` samples a graph is in
    memory at a time (0: as fits the device). `checkpoint` is as of `nets.train.train`.
    """
    where = devices.found(device)
    samples = full_batch.tensors(module, x, y, x_test)
    training_doors.step(step_size)
    schedule = training_doors.schedule(schedule, strict=True)
    doors.whole("block", block, 0)
    rule = torch.optim.SGD(module.to(where).parameters(), lr=step_size)
    values: dict[str, list[Array]] = {"loss": [], "seen": []}
    loop = _InBlocks(module, rule, half_mean_square, values, rows=block or _ROWS[where.type])
    inputs, targets, others = (part.to(where) for part in samples)
    kept = _Kept(loop, checkpoint, checkpoint_seconds)
    while loop.done <= schedule[-1]:
        if loop.unseen(schedule):
            values["seen"].append(loop.outputs(others))
        value = loop.step(inputs, targets)
        if not torch.isfinite(value):
            raise full_batch.diverged(loop.done - 1, step_size, len(targets))
        values["loss"].append(np.asarray(float(value)))
        kept.when_due()
    return np.array(values["loss"], dtype=float), np.stack(values["seen"])


@dataclasses.dataclass
class _InBlocks(_Loop):
    """The gradient of the whole sample, summed over blocks of `rows`."""

    rows: int = 512

    def unseen(self, schedule: Sequence[int]) -> bool:
        """Whether a look is wanted that was not taken before the run was broken off."""
        return self.done in schedule and len(self.values["seen"]) == schedule.index(self.done)

    def step(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """One step; returns the loss before it."""
        self.rule.zero_grad()
        total = torch.zeros((), dtype=torch.float64, device=inputs.device)
        for block in zip(inputs.split(self.rows), targets.split(self.rows), strict=True):
            total += full_batch.backward(self.module, *block, len(targets))
        self.rule.step()
        self.done += 1
        return total

    def outputs(self, x: Tensor) -> Array:
        """h(x) (n,) on the host."""
        with torch.no_grad():
            return torch.cat([self.module(part) for part in x.split(self.rows)]).cpu().numpy()


class _Kept:
    """The state of a loop in a file, from which the loop goes on; nothing without a file."""

    def __init__(self, loop: _InBlocks, path: Path | None, seconds: float) -> None:
        self.loop, self.path, self.seconds = loop, path, seconds
        if path is not None:
            loop.resume(path)
        self.saved = time.monotonic()

    def when_due(self) -> None:
        """Saves the state where the last one is older than `seconds`."""
        if self.path is not None and time.monotonic() - self.saved > self.seconds:
            self.loop.save(self.path)
            self.saved = time.monotonic()
