"""Gradient descent with momentum, Adam or AdamW on a two-layer network, by the fast kernels.

    h(x) = sum_j a_j phi(<w_j, x>)         phi(z) = max(z, slope z); a (m,), w (m, d): `two_layer`
    L    = 1/(2n) sum_k (h(x_k) - y_k)^2   the loss WITH 1/2,   g = dL/dp for each weight p
    momentum:  v <- 0.9 v + g,   p <- p - eta v                               v = 0 at the start
    Adam:      u <- 0.9 u + 0.1 g,   s <- 0.999 s + 0.001 g^2                 u = s = 0 at the start
               p <- (1 - eta decay) p - eta u / (1 - 0.9^t) / (sqrt(s / (1 - 0.999^t)) + 1e-8)

in step t = 1, 2, ...; these are torch's rules with its defaults, `decay` being 0 for Adam and 0.01
for AdamW. All weights move from the old values. A minibatch puts its own samples in place of the n.

The passes over neurons and samples are those of `two_layer` by neurons, one bit a pair; only what a
neuron does with its pull differs, and is work on m d numbers, not on n m d. The recorded runs with
Adam are made by `optimisers`, whose sums have another order and which knows GeLU; against it and
against torch this one is tested.
"""

import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.random import Generator

from simplicity.boursier import driver, two_layer_by_neurons
from simplicity.boursier.driver import Array, Probe
from simplicity.nets import TwoLayer
from simplicity.nets.loop import batches
from simplicity.problems import doors, training_doors
from simplicity.process import lanes

RULES = {"momentum": 0.0, "adam": 0.0, "adamw": 0.01}  # with torch's default weight decay
_MOMENTUM, _BETA1, _BETA2, _EPSILON = 0.9, 0.9, 0.999, 1e-8


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
    doors.precision(precision)
    a, w, x, y = training_doors.task(start, x, y, precision)
    schedule = training_doors.descent(step_size, schedule, probes)
    doors.number("slope", slope)
    training_doors.minibatches(batch, rng, len(x))
    order = batches(len(x), batch, rng) if 0 < batch < len(x) else None
    advance = _Advance(len(a), x.shape[1], np.dtype(precision), rule, slope, order)
    return driver.drive(
        advance, TwoLayer(a, w), x, y, step_size, schedule, probes, 0.0, np.dtype(precision)
    )


class _Advance:
    """Steps whose memory, two numbers for each weight, outlives a call."""

    def __init__(
        self,
        width: int,
        dim: int,
        dtype: np.dtype,
        rule: str,
        slope: float,
        order: Iterator[Any] | None,
    ) -> None:
        rows = dim + -dim % two_layer_by_neurons.chunk(dim)
        wide = width + -width % (2 * lanes.BYTES // dtype.itemsize)
        # The last row is that of the outer weights.
        self.memory = np.zeros((2, rows + 1, wide), dtype)
        self.rule, self.slope, self.order, self.taken = rule, slope, order, 0

    def __call__(self, a: Array, w: Array, *task: Any) -> tuple[int, float]:
        """(steps done, force), as a compiled loop of `two_layer`, whose arguments it takes."""
        columns, y, step_size, steps, _ = task
        dim = len(columns)
        outer, inner, inputs, work = two_layer_by_neurons.packed(a, w, columns)
        run = functools.partial(
            _descend, outer, inner, inputs, y, work=work, memory=self.memory,
            adam=self.rule != "momentum", slope=a.dtype.type(self.slope), width=len(a),
            chunk=(0,) * two_layer_by_neurons.chunk(dim),
        )  # fmt: skip
        done, force = 0, 0.0
        while done < steps and np.isfinite(force):
            count = min(two_layer_by_neurons.BATCHES, steps - done)
            chosen = [] if self.order is None else list(itertools.islice(self.order, count))
            flat = np.concatenate(chosen) if chosen else np.zeros(0, np.int64)
            ends = np.cumsum([len(one) for one in chosen] or [0])
            taken, force = run(
                chosen=flat, ends=ends, rates=self._rates(step_size, count).astype(a.dtype)
            )
            done, self.taken = done + taken, self.taken + taken
        a[:], w[:] = outer[: len(a)], inner[:dim, : len(a)].T
        return done, float(force)

    def _rates(self, step_size: float, count: int) -> Array:
        """For each step: what a weight keeps, the rate, and what the second moment is divided by.

        In double precision, since 1 - 0.999^t loses half its digits in single.
        """
        t = self.taken + np.arange(1, count + 1)
        if self.rule == "momentum":
            return np.stack([np.ones(count), np.full(count, step_size), np.ones(count)], axis=1)
        kept = np.full(count, 1 - step_size * RULES[self.rule])
        return np.stack([kept, step_size / (1 - _BETA1**t), 1 - _BETA2**t], axis=1)


@lanes.compiled
def _descend(a, w, x, y, chosen, ends, rates, work, memory, adam, slope, width, chunk):  # type: ignore[no-untyped-def]
    """(steps done, force of the last): one step for each row of `rates`, in place.

    On chosen[ends[i - 1] : ends[i]] where samples are `chosen`, else on all of x.
    """
    kind, first, largest, n = y.dtype.type, 0, y.dtype.type(0), y.dtype.type(len(y))
    constants = (
        kind(_MOMENTUM), kind(_BETA1), kind(1 - _BETA1), kind(_BETA2), kind(1 - _BETA2),
        kind(_EPSILON),
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
