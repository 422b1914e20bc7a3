"""Full-batch descent on a two-layer network in NTK parametrisation, with gradients written out.

    f(x) = (1/sqrt m) sum_r v_r phi(<w_r, x> / sqrt d)
    L = 1/(2n) sum_k (f(x_k) - y_k)^2      (WITH 1/2),      Z = X W^T / sqrt d,   r = (f - y) / n
    grad_v = phi(Z)^T r / sqrt m,   grad_W = (phi'(Z) * v * r)^T X / sqrt(m d)

The sample k enters the gradient through r_k alone, which needs no other sample: one pass over
blocks of samples gives both the outputs and the gradient, and a block of hidden units stays in the
second cache. Nothing of size n x m is stored. The outputs and the loss are those before the step.
For erf in single precision the work between the two products is one compiled pass (`erf_block`).
One thread.

The two matrix products go through NumPy, everything between them through torch. NumPy's library
gives the same bits on every processor at full speed; torch's own products do so only in a mode that
is three times slower (see `threads`).

`descend_autograd` is the same in plain torch, without any formula of a gradient.
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from simplicity.hu import erf_block
from simplicity.nets import TwoLayer
from simplicity.nets.activations import ACTIVATIONS, Activation
from simplicity.nets.loop import Diverged
from simplicity.problems import doors, training_doors

Array = NDArray[np.floating]
Probes = Mapping[str, Callable[[TwoLayer], Any]]
Dims = Mapping[str, tuple[str, ...]]
Rates = tuple[float, float]  # of the first layer, and of the second
# steps on v (m,) and w (m, d) in place; the loss before the last of them
Advance = Callable[[Tensor, Tensor, int], Tensor]
# made from x (n, d), y (n,), the activation's name, the rates, and m
Engine = Callable[[Tensor, Tensor, str, Rates, int], Advance]

_BLOCK = 1 << 17  # hidden units of a block: half a megabyte in float32


def forward(network: TwoLayer, x: Array, activation: str) -> Array:
    """f(x) (n,) for inputs (n, d), in the network's precision, in blocks of samples."""
    doors.choice("activation", activation, ACTIVATIONS)
    a, w, x = map(training_doors.for_torch, training_doors.network(network, x, "n d"))
    value, v, scaled = ACTIVATIONS[activation].value, torch.from_numpy(a), w.T / math.sqrt(len(w.T))
    blocks = torch.from_numpy(x.astype(w.dtype, copy=False)).split(max(1, _BLOCK // len(v)))
    parts = [value(torch.from_numpy(block.numpy() @ scaled)) @ v for block in blocks]
    return (torch.cat(parts) / math.sqrt(len(v))).numpy()


def descend(
    start: TwoLayer,
    x: Array,
    y: Array,
    *,
    activation: str,
    step_size: float | Rates,
    schedule: Sequence[int],
    probes: Probes,
    dims: Dims | None = None,
    precision: str = "float32",
    engine: Engine | None = None,
) -> tuple[TwoLayer, xr.Dataset]:
    """Train a copy of `start` on x (n, d), y (n,) for `schedule[-1]` steps.

    `step_size` is that of both layers, or (first layer's, second layer's), where 0 leaves a layer
    alone. A probe gets the network and returns a number or an array, whose axes `dims` names. The
    steps are this module's own, unless another `engine` makes them.

    Returns the trained network and a dataset along `probe` with the coordinate `step`, one variable
    for each probe.
    """
    doors.choice("activation", activation, ACTIVATIONS)
    doors.precision(precision)
    a, w, x, y = map(training_doors.for_torch, training_doors.task(start, x, y, precision))
    step_size = training_doors.steps_of_layers(step_size)
    schedule, dims = training_doors.schedule(schedule), dims or {}
    training_doors.probes(probes, dims)
    inputs, targets = (_tensor(part, precision) for part in (x, y))
    rates = step_size if isinstance(step_size, tuple) else (step_size, step_size)
    advance = (engine or _Step)(inputs, targets, activation, rates, len(a))
    settings = f"step_size {step_size}, n {len(y)}, m {w.shape[0]}, d {w.shape[1]}"
    network = TwoLayer(*(np.array(part, dtype=precision, order="C") for part in (a, w)))
    values = _driven(advance, network, schedule, probes, settings)
    return network, _table(values, dims, schedule)


def descend_autograd(
    start: TwoLayer,
    x: Array,
    y: Array,
    *,
    activation: str,
    step_size: float | Rates,
    schedule: Sequence[int],
    probes: Probes,
    dims: Dims | None = None,
    precision: str = "float64",
) -> tuple[TwoLayer, xr.Dataset]:
    """The reference: the same trajectory by automatic differentiation of the loss."""
    return descend(
        start, x, y, activation=activation, step_size=step_size, schedule=schedule, probes=probes,
        dims=dims, precision=precision, engine=_ByAutograd,
    )  # fmt: skip


def _table(values: Mapping[str, list[Any]], dims: Dims, schedule: Sequence[int]) -> xr.Dataset:
    variables = {
        name: (("probe", *dims.get(name, ())), np.stack(found)) for name, found in values.items()
    }
    return xr.Dataset(variables, {"step": ("probe", np.asarray(schedule))})


def _tensor(array: Array, precision: str) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).to(getattr(torch, precision))


class _ByAutograd:
    """Steps down the gradient that torch finds."""

    def __init__(self, x: Tensor, y: Tensor, activation: str, rates: Rates, width: int) -> None:
        self.x, self.y, self.value, self.rates = x, y, ACTIVATIONS[activation].value, rates

    def __call__(self, v: Tensor, w: Tensor, steps: int) -> Tensor:
        loss = torch.zeros(())
        for _ in range(steps):
            layers = w.clone().requires_grad_(), v.clone().requires_grad_()
            loss = self._loss(*layers)
            gradients = torch.autograd.grad(loss, layers)
            w -= self.rates[0] * gradients[0]
            v -= self.rates[1] * gradients[1]
        return loss.detach()

    def _loss(self, inner: Tensor, outer: Tensor) -> Tensor:
        hidden = self.value(self.x @ inner.T / math.sqrt(self.x.shape[1]))
        return 0.5 * torch.mean((hidden @ outer / math.sqrt(len(outer)) - self.y) ** 2)


class _Step:
    """One pass over the samples in blocks, with buffers made once.

    erf in single precision is compiled, and then there is no activation.
    """

    def __init__(self, x: Tensor, y: Tensor, activation: str, rates: Rates, width: int) -> None:
        rows = min(len(x), max(1, _BLOCK // width))
        self.parts = list(zip(x.split(rows), y.split(rows), strict=True))
        compiled = activation == "erf" and x.dtype == torch.float32
        self.activation = None if compiled else ACTIVATIONS[activation]
        self.first, self.second = rates
        self.hidden, self.value, self.slope = (
            torch.empty(rows, width, dtype=x.dtype) for _ in range(3)
        )
        self.count = len(x)

    def __call__(self, v: Tensor, w: Tensor, steps: int) -> Tensor:
        loss = torch.zeros((), dtype=v.dtype)
        # A run that diverges is noticed by its loss.
        with np.errstate(over="ignore", invalid="ignore"):
            for _ in range(steps):
                loss = self._once(v, w)
                if not torch.isfinite(loss):
                    break
        return loss

    def _once(self, v: Tensor, w: Tensor) -> Tensor:
        width, dim = w.shape
        weights = v / math.sqrt(width)
        loss, outer, inner = self._summed(weights, w)
        if self.first:
            w.addcmul_(inner, weights[:, None], value=-self.first / (self.count * math.sqrt(dim)))
        if self.second:
            v.sub_(outer, alpha=self.second / (self.count * math.sqrt(width)))
        return loss / (2 * self.count)

    def _summed(self, weights: Tensor, w: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Over all samples: r^2, phi(Z) r and phi'(Z) r x; the last two where they are needed."""
        loss, outer, inner = w.new_zeros(()), torch.zeros_like(weights), torch.zeros_like(w)
        columns = np.ascontiguousarray(w.numpy().T) / math.sqrt(w.shape[1])
        for x, y in self.parts:
            hidden = self.hidden[: len(x)]
            np.matmul(x.numpy(), columns, out=hidden.numpy())
            slope, total = self._between(hidden, y, weights, outer)
            loss += total
            if self.first:
                inner += torch.from_numpy(slope.numpy().T @ x.numpy())
        return loss, outer, inner

    def _between(
        self, hidden: Tensor, y: Tensor, weights: Tensor, outer: Tensor
    ) -> tuple[Tensor, Tensor | float]:
        """phi'(Z) r and sum r^2 of a block; adds phi(Z)^T r to `outer`."""
        if self.activation is None:
            arrays = (part.numpy() for part in (hidden, weights, y, outer, self.value[0]))
            return hidden, float(erf_block.sweep(*arrays))
        value = self.activation.value(hidden, out=self.value[: len(hidden)])
        residual = torch.mv(value, weights).sub_(y)
        if self.second:
            outer.addmv_(value.T, residual)
        if not self.first:
            return hidden, residual @ residual
        slope = _slope(self.activation, hidden, value, self.slope[: len(hidden)])
        return slope.mul_(residual[:, None]), residual @ residual


def _slope(phi: Activation, hidden: Tensor, value: Tensor, out: Tensor) -> Tensor:
    """phi'(Z) in `out`, from phi(Z) where phi has that."""
    return phi.of_value(value, out=out) if phi.of_value else phi.slope(hidden, out=out)


def _driven(
    advance: Advance, network: TwoLayer, schedule: Sequence[int], probes: Probes, settings: str
) -> dict[str, list[Any]]:
    """What the probes find after each scheduled step; `network` is trained in place."""
    v, w = (torch.from_numpy(part) for part in network)
    values: dict[str, list[Any]] = {name: [] for name in probes}
    for before, step in itertools.pairwise((0, *schedule)):
        if step > before:
            loss = advance(v, w, step - before)
            if not all(part.isfinite().all() for part in (loss, w, v)):
                raise Diverged(f"loss not finite at step {step} or before: {settings}")
        for name, probe in probes.items():
            values[name].append(np.asarray(probe(network)))
    return values
