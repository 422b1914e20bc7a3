"""`two_layer.descend`, and the rules of `gelu_and_adam`, in torch on the processor or on a card.

The formulas are those of `two_layer` and `gelu_and_adam`, gradients written out. A step is one pass
over blocks of samples, since a sample's residual needs no other sample:

    z = x w^T,  r = y - phi(z) a,  A += phi(z)^T r,  P += (phi'(z) r)^T x     r (n,), z (rows, m)
    dL/da = -A / n,   dL/dw = -a P / n,   n D_j = P_j

Two matrix products each way, so that a card does what it is made for; nothing of size n x m is
stored but one block. In double precision the results are those of the compiled engines up to
rounding (1e-12 relative after tens of steps, more once a sample crosses a hyperplane); in single
precision up to its own. GeLU has the exact Phi here, so that it is within 1e-7 of `gelu_and_adam`,
which approximates it.

Nothing is looked at while a card computes: the stopping rule is a number on the device that turns
further steps to nothing, and is read every `_WATCHED` steps of the run; the run stops at the same
step as the compiled one.
"""

import contextlib
import itertools
import math
import os
import pickle
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.random import Generator
from torch import Tensor

from simplicity.boursier import driver, gelu_and_adam, rules
from simplicity.boursier.driver import Array, Probe
from simplicity.nets import TwoLayer, devices
from simplicity.problems import Problem, doors

Phi = Callable[[Tensor], tuple[Tensor, Tensor]]  # an activation and its derivative

_BLOCK = {"cpu": 1 << 17, "cuda": 1 << 27}  # hidden units at a time
_WATCHED = 100
_WHOLE = math.sqrt(2 * math.pi)  # the integral of exp(-z^2 / 2)


def descend(
    start: TwoLayer,
    x: Array,
    y: Array,
    *,
    step_size: float,
    schedule: Sequence[int],
    probes: Mapping[str, Probe],
    device: str = "cpu",
    tolerance: float = 0.0,
    precision: str = "float64",
    slope: float = 0.0,
    batch: int = 0,
    rng: Generator | None = None,
    activation: str = "relu",
    rule: str = "gd",
    checkpoint: Path | None = None,
    checkpoint_seconds: float = 60.0,
) -> tuple[TwoLayer, xr.Dataset]:
    """Train `start` on x (n, d), y (n,) on `device`: `two_layer.descend`, or `gelu_and_adam.RULES`.

    `slope` is that of the leaky ReLU, for GeLU 0. Other arguments, dataset and errors as of
    `two_layer.descend`; weights and probes are NumPy's. A device that is not there is a `Problem`.
    The state is written to a `checkpoint` every `checkpoint_seconds`, and the same call made again
    goes on from it with the same bits, as in `nets.train.train`.
    """
    where = devices.found(device)
    doors.choice("activation", activation, gelu_and_adam.ACTIVATIONS)
    doors.choice("rule", rule, gelu_and_adam.RULES)
    asked = driver.looked_at(
        start, x, y, step_size=step_size, schedule=schedule, probes=probes, precision=precision,
        tolerance=tolerance,
    )  # fmt: skip
    doors.number("slope", slope)
    order = driver.order(asked, batch, rng) or itertools.repeat(slice(None))
    state = _State(checkpoint, checkpoint_seconds)
    advance = _Advance(where, _activation(activation, slope), rule, order, state)
    probes = {name: state.once(name, probe) for name, probe in probes.items()}
    return driver.drive(advance, asked._replace(probes=probes))


class _Advance:
    """Steps on a device; the data and Adam's moments stay there between two calls."""

    def __init__(
        self, device: torch.device, phi: Phi, rule: str, order: Iterator[Any], state: "_State"
    ) -> None:
        self.device, self.phi, self.rule, self.order = device, phi, rule, order
        self.state, self.taken = state, 0
        self.data: tuple[Tensor, ...] | None = None
        self.moments: list[tuple[Tensor, Tensor]] = []

    def __call__(self, a: Array, w: Array, *task: Any) -> tuple[int, float]:
        """(steps done, force), as a compiled loop of `two_layer`, whose arguments it takes."""
        columns, y, step_size, steps, tolerance = task
        self.data = self.data or self._there(np.ascontiguousarray(columns.T), y)
        before = self._passed_before(steps, a, w)
        if before == steps:
            return steps, self.state.force
        weights = self._there(a, w)
        self.moments = self.moments or _nothing_yet(weights)
        done, force = self._steps(weights, steps - before, step_size, tolerance)
        a[:], w[:] = (part.cpu().numpy() for part in weights)
        return before + done, force

    def _there(self, *arrays: Array) -> tuple[Tensor, ...]:
        """Copies on the device."""
        return tuple(torch.tensor(array, device=self.device) for array in arrays)

    def _passed_before(self, steps: int, a: Array, w: Array) -> int:
        """How many of the next steps were made before the run was broken off."""
        first = self.taken
        if first + steps < self.state.resumed:
            self.taken += steps
        elif first < self.state.resumed:
            self._resume(a, w)
        return self.taken - first

    def _resume(self, a: Array, w: Array) -> None:
        """Go to where the run was broken off, with its weights, moments and order of samples."""
        a[:], w[:], self.moments = self.state.weights(self.device)
        self.taken = self.state.resumed
        for _ in itertools.islice(self.order, self.taken):
            pass

    def _steps(
        self, weights: tuple[Tensor, ...], count: int, step_size: float, tolerance: float
    ) -> tuple[int, float]:
        """(steps done, force), at most `count` steps of the weights in place."""
        alive = torch.ones((), dtype=weights[0].dtype, device=self.device)
        done = torch.zeros_like(alive, dtype=torch.float64)
        force = torch.full_like(alive, math.inf)
        for _ in range(count):
            gradients, now = self._gradients(weights, *self._next_batch())
            self._move(weights, gradients, step_size, alive)
            done += alive
            # what was stopped keeps the force it was stopped for
            force = torch.where(alive > 0, now, force)
            alive = alive * ~(now < tolerance)
            if self.taken % _WATCHED == 0:
                if not (alive > 0 and torch.isfinite(now)):
                    break
                self.state.save(weights, self.moments, self.taken, now)
        return int(done), float(force)

    def _next_batch(self) -> tuple[Tensor, ...]:
        assert self.data is not None
        chosen = next(self.order)
        return tuple(part[chosen] for part in self.data)

    def _gradients(
        self, weights: tuple[Tensor, ...], x: Tensor, y: Tensor
    ) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """(dL/da, dL/dw), and max_j |D_j|."""
        outer, inner = weights
        rows = max(1, _BLOCK[self.device.type] // max(1, len(outer)))
        along, pull = torch.zeros_like(outer), torch.zeros_like(inner)
        for block in zip(x.split(rows), y.split(rows), strict=True):
            self._add_pulls(weights, *block, along, pull)
        force = pull.square().sum(dim=1).max().sqrt() / len(y)
        return (along / -len(y), pull * outer[:, None] / -len(y)), force

    def _add_pulls(
        self, weights: tuple[Tensor, ...], x: Tensor, y: Tensor, along: Tensor, pull: Tensor
    ) -> None:
        """What a block adds to A and P."""
        outer, inner = weights
        value, slope = self.phi(x @ inner.T)
        r = y - value @ outer
        along += value.T @ r
        pull += slope.mul_(r[:, None]).T @ x

    def _move(
        self,
        weights: tuple[Tensor, ...],
        gradients: tuple[Tensor, Tensor],
        step_size: float,
        alive: Tensor,
    ) -> None:
        """One step of the rule, or none where `alive` is 0."""
        self.taken += 1
        for part, gradient, moments in zip(weights, gradients, self.moments, strict=True):
            part.sub_(self._change(part, gradient, *moments) * alive, alpha=step_size)

    def _change(self, part: Tensor, gradient: Tensor, mean: Tensor, square: Tensor) -> Tensor:
        """What the rule takes from these weights, in step sizes."""
        if self.rule == "gd":
            return gradient
        return self._adam(gradient, mean, square) + rules.DECAY[self.rule] * part

    def _adam(self, gradient: Tensor, mean: Tensor, square: Tensor) -> Tensor:
        """Adam's mean over its root; renews the two moments in place."""
        beta1, beta2 = rules.BETA1, rules.BETA2
        mean.mul_(beta1).add_(gradient, alpha=1 - beta1)
        square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        root = (square / (1 - beta2**self.taken)).sqrt_().add_(rules.EPSILON)
        return mean / root / (1 - beta1**self.taken)


def _nothing_yet(weights: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Adam's moments before the first step."""
    return [(torch.zeros_like(part), torch.zeros_like(part)) for part in weights]


class _State:
    """What a run that is broken off goes on from: a file that is there whole or not at all."""

    def __init__(self, path: Path | None, seconds: float) -> None:
        self.path, self.seconds, self.saved = path, seconds, time.monotonic()
        self.kept = self._found()
        self.resumed = self.kept.get("taken", 0)
        # that of the last step that was made
        self.force = float(self.kept.get("force", driver.NO_FORCE))
        self.values: dict[str, list[float]] = self.kept.get("values", {})

    def _found(self) -> dict[str, Any]:
        """What the file holds: tensors and numbers alone, so that nothing in it is executed."""
        if self.path is not None and self.path.is_file():
            with contextlib.suppress(OSError, EOFError, RuntimeError, pickle.UnpicklingError):
                return torch.load(self.path, weights_only=True, map_location="cpu")
        return {}

    def save(
        self, weights: Sequence[Tensor], moments: Sequence[Any], taken: int, force: Tensor
    ) -> None:
        """Write the state, once `seconds` have passed since the last time."""
        if self.path is not None and time.monotonic() - self.saved >= self.seconds:
            state = {"weights": list(weights), "moments": list(moments), "taken": taken}
            _write(self.path, state | {"force": force, "values": self.values})
            self.saved = time.monotonic()

    def weights(self, device: torch.device) -> tuple[Array, Array, list[tuple[Tensor, Tensor]]]:
        outer, inner = (part.numpy() for part in self.kept["weights"])
        moments = [tuple(part.to(device) for part in pair) for pair in self.kept["moments"]]
        return outer, inner, moments

    def once(self, name: str, probe: Probe) -> Probe:
        """The probe, but for the looks that were taken before the run was broken off."""
        before = iter(self.values.setdefault(name, [])[:])

        def look(network: TwoLayer) -> float:
            for value in before:
                return value
            self.values[name].append(float(probe(network)))
            return self.values[name][-1]

        return look


def _write(path: Path, state: Mapping[str, Any]) -> None:
    """The whole file or none of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}")
    torch.save(state, part)
    part.replace(path)


def _activation(name: str, slope: float) -> Phi:
    """phi and phi' by name."""
    if slope and name == "gelu":
        raise Problem(f"slope: got {slope:g} with gelu, allowed 0")
    return _gelu if name == "gelu" else _leaky(slope)


def _leaky(below: float) -> Phi:
    """phi(z) and phi'(z), the latter `below` at 0."""

    def phi(z: Tensor) -> tuple[Tensor, Tensor]:
        slope = torch.where(z > 0, torch.ones_like(z), torch.full_like(z, below))
        return slope * z, slope

    return phi


def _gelu(z: Tensor) -> tuple[Tensor, Tensor]:
    """The same of the GeLU."""
    below = torch.special.ndtr(z)
    density = torch.exp(z * z / -2) / _WHOLE
    return z * below, below + z * density
