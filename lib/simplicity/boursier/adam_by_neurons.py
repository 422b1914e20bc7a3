"""Gradient descent with momentum, Adam or AdamW on a two-layer network, by the steps by neurons.

    h(x) = sum_j a_j phi(<w_j, x>)         phi(z) = max(z, slope z); a (m,), w (m, d): `two_layer`
    L    = 1/(2n) sum_k (h(x_k) - y_k)^2   the loss WITH 1/2,   g = dL/dp for each weight p

All weights move from the old values, by the rule as in `rules`. A minibatch puts its own samples in
place of the n.

The passes over neurons and samples are those of `two_layer` by neurons, one bit a pair; only what a
neuron does with its pull differs, and is work on m d numbers, not on n m d. The recorded runs with
Adam are made by `gelu_and_adam`, whose sums have another order and which knows GeLU; against it and
against torch this one is tested.
"""

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.random import Generator

from simplicity.boursier import driver, rules, two_layer_by_neurons
from simplicity.boursier.driver import Array, Probe
from simplicity.nets import TwoLayer
from simplicity.problems import doors
from simplicity.process import lanes

RULES = ("momentum", "adam", "adamw")


def descend(
    start: TwoLayer,
    x: Array,
    y: Array,
    *,
    rule: str,
    step_size: float,
    schedule: Sequence[int],
    probes: Mapping[str, Probe],
    precision: str = "float64",
    slope: float = 0.0,
    batch: int = 0,
    rng: Generator | None = None,
) -> tuple[TwoLayer, xr.Dataset]:
    """Train `start` on x (n, d), y (n,) for `schedule[-1]` steps of `rule`, one of `RULES`.

    Arguments and dataset as of `two_layer.descend`; there is no stopping rule, and `force` is that
    of the last step's samples. Raises `Diverged` where the loss or a weight stops being finite.
    """
    doors.choice("rule", rule, RULES)
    asked = driver.looked_at(
        start, x, y, step_size=step_size, schedule=schedule, probes=probes, precision=precision
    )
    doors.number("slope", slope)
    advance = _Advance(rule, slope, asked, driver.order(asked, batch, rng))
    return driver.drive(advance, asked)


class _Advance:
    """Steps whose memory, two numbers for each weight, outlives a call."""

    def __init__(
        self, rule: str, slope: float, asked: driver.Descent, order: Iterator[Any] | None
    ) -> None:
        self.rule, self.order, self.taken = rule, order, 0
        width, dim = asked.start.w.shape
        rows, wide = two_layer_by_neurons.filled(width, dim, asked.dtype)
        # The last row is that of the outer weights.
        self.memory = np.zeros((2, rows + 1, wide), asked.dtype)
        self.how = {
            "adam": rule != "momentum", "slope": asked.dtype.type(slope), "width": width,
            "chunk": (0,) * two_layer_by_neurons.chunk(dim),
        }  # fmt: skip

    def __call__(self, a: Array, w: Array, *task: Any) -> tuple[int, float]:
        """(steps done, force), as a compiled loop of `two_layer`, whose arguments it takes."""
        columns, y, step_size, steps, _ = task
        outer, inner, inputs, work = two_layer_by_neurons.packed(a, w, columns)
        run = functools.partial(
            _descend, outer, inner, inputs, y, work=work, memory=self.memory, **self.how
        )
        done, force = 0, 0.0
        while done < steps and np.isfinite(force):
            count = min(two_layer_by_neurons.BATCHES, steps - done)
            taken, force = run(**self._next(step_size, count))
            done, self.taken = done + taken, self.taken + taken
        two_layer_by_neurons.unpack(outer, inner, a, w)
        return done, float(force)

    def _next(self, step_size: float, count: int) -> dict[str, Array]:
        """What the next steps take: their samples, and the rates of each."""
        chosen, ends = two_layer_by_neurons.next_batches(self.order, count)
        rates = self._rates(step_size, count).astype(self.memory.dtype)
        return {"chosen": chosen, "ends": ends, "rates": rates}

    def _rates(self, step_size: float, count: int) -> Array:
        """For each step: what a weight keeps, the rate, and what the second moment is divided by.

        In double precision, since 1 - 0.999^t loses half its digits in single.
        """
        t = self.taken + np.arange(1, count + 1)
        if self.rule == "momentum":
            return np.tile([1.0, step_size, 1.0], (count, 1))
        kept = np.full(count, 1 - step_size * rules.DECAY[self.rule])
        return np.stack([kept, step_size / (1 - rules.BETA1**t), 1 - rules.BETA2**t], axis=1)


@lanes.compiled
def _descend(a, w, x, y, chosen, ends, rates, work, memory, adam, slope, width, chunk):  # type: ignore[no-untyped-def]
    """(steps done, force of the last): one step for each row of `rates`, in place.

    On chosen[ends[i - 1] : ends[i]] where samples are `chosen`, else on all of x.
    """
    kind, first, largest, n = y.dtype.type, 0, y.dtype.type(0), y.dtype.type(len(y))
    constants = (
        kind(rules.MOMENTUM), kind(rules.BETA1), kind(1 - rules.BETA1), kind(rules.BETA2),
        kind(1 - rules.BETA2), kind(rules.EPSILON),
    )  # fmt: skip
    inputs, targets, buffers = x, y, two_layer_by_neurons.new_buffers(w, len(y))
    if len(chosen) == 0:
        two_layer_by_neurons.forward(a, w, x, work)
    for step in range(len(rates)):
        if len(chosen):
            end = ends[step]
            n = kind(end - first)
            inputs, targets = two_layer_by_neurons.picked(x, y, chosen[first:end])
            buffers, first = two_layer_by_neurons.new_buffers(w, end - first), end
            two_layer_by_neurons.forward(a, w, inputs, work)
        largest = _step(
            a, w, inputs, targets, work, buffers, memory, adam, rates[step], constants, slope,
            width, chunk, len(chosen) == 0,
        )  # fmt: skip
        if not np.isfinite(largest):
            return step, largest
    return len(rates), np.sqrt(largest) / n


@lanes.compiled
def _step(  # type: ignore[no-untyped-def]
    a, w, x, y, work, buffers, memory, adam, rates, constants, slope, width, chunk, more
):
    """A step of every neuron, as of `two_layer_by_neurons`."""
    outputs, sizes, whole = work[1:]
    h, r, shift, sums = buffers
    lane = outputs.shape[1]
    for k in range(len(y)):
        h[k] = 0
        for o in range(lane):
            h[k] += outputs[k, o]
            outputs[k, o] = 0
    loss = two_layer_by_neurons.residuals(a, w.T, x.T, y, h, r, shift, slope)
    if not np.isfinite(loss):
        return loss
    for j in range(0, len(a), 2 * lane):
        two_layer_by_neurons.pull_lanes(x, r, work[0], j // lane, sums, 0, chunk)
        two_layer_by_neurons.pull_lanes(x, r, work[0], j // lane + 1, sums, lane, chunk)
        # each neuron's n D_j, from which its gradients follow
        for o in range(2 * lane):
            sizes[j + o] = 0
            sums[len(w), o] = 0
        for i in range(len(w)):
            for o in range(2 * lane):
                force = (1 - slope) * sums[i, o] + shift[i]
                sums[len(w), o] -= w[i, j + o] * force / len(y)
                sizes[j + o] += force * force
                sums[i, o] = -a[j + o] * force / len(y)
        for i in range(len(w)):
            _change(w[i, j : j + 2 * lane], sums[i], memory[:, i, j : j + 2 * lane], adam, rates,
                    constants)  # fmt: skip
        _change(a[j : j + 2 * lane], sums[len(w)], memory[:, len(w), j : j + 2 * lane], adam,
                rates, constants)  # fmt: skip
        if more:
            two_layer_by_neurons.add_lanes(a, w, j, x, work)
    # what is not negative is ordered as whole numbers are, and what is not finite comes last
    top = whole[0]
    for j in range(width):
        top = max(top, whole[j])
    whole[0] = top
    return sizes[0]


@lanes.compiled
def _change(weights, gradients, memory, adam, rates, constants):  # type: ignore[no-untyped-def]
    """One step of a row of weights and of what it remembers, in place."""
    mass, beta1, rest1, beta2, rest2, epsilon = constants
    kept, rate, corrected = rates
    for o in range(len(weights)):
        g = gradients[o]
        if adam:
            u = beta1 * memory[0, o] + rest1 * g
            s = beta2 * memory[1, o] + rest2 * g * g
            memory[0, o], memory[1, o] = u, s
            weights[o] = kept * weights[o] - rate * u / (np.sqrt(s / corrected) + epsilon)
        else:
            v = mass * memory[0, o] + g
            memory[0, o] = v
            weights[o] -= rate * v
