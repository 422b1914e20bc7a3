"""Stochastic gradient descent on fully connected ReLU networks, one sample a step.

And what the first bias does meanwhile.

    f(x) = W_d relu(... relu(W_1 x + b_1) ...) + b_d
    l = (f - y)^2 / 2, or, with p = sigmoid(f), - y log p - (1 - y) log(1 - p) in nats
    w(t + 1) = w(t) - alpha_t dl / dw    for the sample x(t) that `order` names, or a batch's mean

W_1 may be the identity, which is not trained (Loukas et al. 2021, section 5), or any matrix, which
is. The derivative of a ReLU at 0 is 0.

The loop keeps, for each window of steps, the statistics of `windows.STATISTICS`: a step of the bias
over alpha_t eps_t, where eps_t is the size of the loss's derivative as the paper defines it,
|f - y| for the squared loss and 1 / |1 - y - p| for the cross-entropy; the local Lipschitz constant
at the visited point; the spread of the bias in the window. `descend` is the compiled loop,
`descend_autograd` the same in plain torch for any module: hundreds of times slower, and independent
of every derivative here. Probes that need more than one sample are passed in and get the network at
scheduled steps.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
import xarray as xr
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from simplicity.loukas.windows import (
    Notes,
    Probe,
    Trace,
    close_window,
    compiled,
    keep_place,
    note_step,
    within,
)
from simplicity.nets import FullyConnected
from simplicity.problems import doors, training_doors
from simplicity.process import lanes

Array = NDArray[np.floating]
Loss = Literal["squares", "cross entropy"]
LOSSES: tuple[Loss, ...] = ("squares", "cross entropy")

_LANE = lanes.BYTES // 8
_ONE, _TILE = (0,), (0,) * (32 // _LANE)
_ULP = float(np.finfo(np.float64).eps)


def passes(n: int, count: int, rng: Generator) -> NDArray[np.int64]:
    """`count` permutations of range(n), one after another: epochs as in practice."""
    doors.whole("n", n, 1)
    doors.whole("count", count, 0)
    doors.generator(rng)
    return rng.permuted(np.broadcast_to(np.arange(n), (count, n)), axis=1).ravel()


def with_replacement(n: int, steps: int, rng: Generator) -> NDArray[np.int64]:
    """Independent uniform draws: what the theorems ask for."""
    doors.whole("n", n, 1)
    doors.whole("steps", steps, 0)
    doors.generator(rng)
    return rng.integers(n, size=steps)


def descend(
    start: FullyConnected, x: Array, y: Array, order: NDArray[np.integer], *,
    step_size: ArrayLike, window: int, loss: Loss = "squares", train_first: bool = False,
    batch: int = 1, origin: Array | None = None, schedule: Sequence[int] = (),
    probes: Mapping[str, Probe] | None = None,
    dims: Mapping[str, tuple[str, ...]] | None = None, trace: bool = False,
) -> tuple[FullyConnected, xr.Dataset]:  # fmt: skip
    """Train a copy of `start` on x (n, n_0), y (n,).

    One step for each `batch` entries of `order` (steps * batch,).

    `step_size` is one number or one for each window; `order` must fill whole windows. `train_first`
    says whether W_1 is trained. `origin` is b_1(0) where the run goes on from another. `schedule`
    names windows, 0 the start, after which the probes see the network.

    Returns the network and a dataset: the statistics along `window`, with `step` counted at its
    end, the probes along `probe` with `probe_step`, and with `trace` the `Trace` along `sample`.
    """
    start, x, y = _looked_at(start, x, y, loss)
    notes = Notes.of(
        x, order, step_size=step_size, window=window, batch=batch, schedule=schedule,
        probes=probes, dims=dims,
    )  # fmt: skip
    network = Padded.of(start)
    data = [np.ascontiguousarray(part, dtype=np.float64) for part in (x, y)]
    options = batch, loss == "cross entropy", train_first, network.has_identity and not train_first
    first = _first_bias(start, origin)
    kept = Trace.of(len(notes.order) // batch if trace else 0, len(first))
    for now in notes.stretches():
        _descend(
            *network, *data, notes.samples(now), notes.rates[now], window, *options, first,
            notes.before, notes.values[now], *(part[notes.steps(now)] for part in kept),
        )  # fmt: skip
        notes.check_finite(now)
        notes.look(now, network.plain())
    return network.plain(), notes.table(kept if trace else None)


def _looked_at(
    start: FullyConnected, x: Array, y: Array, loss: str
) -> tuple[FullyConnected, Array, Array]:
    """Network and samples, which the compiled code takes as they come."""
    doors.choice("loss", loss, LOSSES)
    x, y = training_doors.samples(x, y)
    if loss == "cross entropy":
        doors.zeros_and_ones("y", y)
    weights, biases = training_doors.layers(start, x.shape[1], finite=True)
    return FullyConnected(tuple(weights), tuple(biases)), x, y


def _first_bias(start: FullyConnected, origin: Array | None) -> Array:
    """b_1(0): the start's own, or `origin`, of as many neurons."""
    own = start.biases[0]
    (found,) = doors.finite(origin=(own if origin is None else origin, str(len(own))))
    return np.array(found, dtype=np.float64)


def _sizes(network: FullyConnected) -> NDArray[np.integer]:
    """Inputs, and the neurons of each layer."""
    return np.array([network.weights[0].shape[1], *(len(bias) for bias in network.biases)])


class Padded(NamedTuple):
    """Weights (layer, neuron below, neuron) and biases (layer, neuron) of a running network.

    `sizes` are those of its layers; as for the arrays see `_forward`.
    """

    weights: Array
    biases: Array
    sizes: NDArray[np.integer]

    @classmethod
    def of(cls, network: FullyConnected, lane: int = _LANE) -> "Padded":
        """A copy of the network in rows of whole vectors, `lane` numbers each."""
        sizes = _sizes(network)
        layers, width = len(network.biases), sizes.max() + -sizes.max() % lane
        weights, biases = np.zeros((layers, width, width)), np.zeros((layers, width))
        for layer, (weight, bias) in enumerate(zip(*network, strict=True)):
            weights[layer, : weight.shape[1], : weight.shape[0]] = weight.T
            biases[layer, : len(bias)] = bias
        return cls(weights, biases, sizes)

    @property
    def has_identity(self) -> bool:
        """Is W_1 = I?"""
        below, above = self.sizes[:2]
        return np.array_equal(self.weights[0, :below, :above], np.eye(below))

    def plain(self) -> FullyConnected:
        """A copy without the padding."""
        sizes, above = pairwise(self.sizes), self.sizes[1:]
        return FullyConnected(
            tuple(w[:n, :m].T.copy() for w, (n, m) in zip(self.weights, sizes, strict=True)),
            tuple(b[:m].copy() for b, m in zip(self.biases, above, strict=True)),
        )


# Layer by layer in arrays as large as the largest layer, rounded up to whole vectors by neurons of
# zeros: w[l, i, o] from neuron i below to neuron o, b[l, o], and h[l, i] with h[0] = x, delta
# likewise. By input, so that what an inactive neuron would add, or pull, is a row that is skipped:
# active[l, :counts[l]] are the others, found without a branch that could be guessed wrongly. A tile
# of a row stays in registers from its product to its step.


@within
def _choose(h, k, layer, size, active):  # type: ignore[no-untyped-def]
    """How many of h[k, layer] are not 0, which active[k, layer] then begins with."""
    count = 0
    for i in range(size):
        active[k, layer, count] = i
        count += not abs(h[k, layer, i]) <= 0  # so that what is not a number counts
    return count


@within
def _whole(size):  # type: ignore[no-untyped-def]
    """`size` rounded up to vectors, and as many of these numbers as whole tiles have."""
    end = size + -size % _LANE
    return end, end - end % (_LANE * len(_TILE))


@within
def _forward(w, b, sizes, h, k, active, counts, identity):  # type: ignore[no-untyped-def]
    """Fills h[k] from its first row x on, active and counts likewise, and returns f(x)."""
    last = len(sizes) - 2
    for layer in range(last + 1):
        counts[k, layer] = _choose(h, k, layer, sizes[layer], active)
        if layer == 0 and identity:
            for o in range(sizes[1]):
                h[k, 1, o] = max(b[0, o] + h[k, 0, o], 0.0)
        else:
            end, wide = _whole(sizes[layer + 1])
            for o in range(0, wide, _LANE * len(_TILE)):
                _add_rows(w, b, layer, o, h, k, active, counts, layer < last, _TILE)
            for o in range(wide, end, _LANE):
                _add_rows(w, b, layer, o, h, k, active, counts, layer < last, _ONE)
    return h[k, last + 1, 0]


@within
def _add_rows(w, b, layer, o, h, k, active, counts, rectified, tile):  # type: ignore[no-untyped-def]
    """A tile of h[k, layer + 1] from o on."""
    width = h.shape[2]
    row = (k * h.shape[1] + layer) * width
    sums = lanes.load(b, layer * width + o, _LANE, tile)
    for c in range(counts[k, layer]):
        i = active[k, layer, c]
        here = lanes.load(w, (layer * width + i) * width + o, _LANE, tile)
        sums = lanes.outer(sums, here, lanes.spread(h, row + i, 0, _ONE))
    if rectified:
        sums = lanes.rectified(sums)
    lanes.store(h, row + width + o, _LANE, sums)


@within
def _backward(w, sizes, h, delta, k, active, counts, push, outer, rate):  # type: ignore[no-untyped-def]
    """delta = outer df / d(pre-activation), in the places of h.

    The weights above the first take a step of `rate`.
    """
    last = len(sizes) - 2
    delta[k, last + 1, 0] = outer
    for layer in range(last, 0, -1):
        for i in range(h.shape[2]):
            delta[k, layer, i] = 0
            push[i] = -rate * h[k, layer, i]
        end, wide = _whole(sizes[layer + 1])
        for o in range(0, wide, _LANE * len(_TILE)):
            _pull_rows(w, layer, o, delta, k, active, counts, push, rate != 0, _TILE)
        for o in range(wide, end, _LANE):
            _pull_rows(w, layer, o, delta, k, active, counts, push, rate != 0, _ONE)


@within
def _pull_rows(w, layer, o, delta, k, active, counts, push, moves, tile):  # type: ignore[no-untyped-def]
    """A tile of delta[k, layer + 1] from o on: its part of delta[k, layer], and its step.

    The step is that of its weights.
    """
    width = delta.shape[2]
    above = lanes.load(delta, (k * delta.shape[1] + layer + 1) * width + o, _LANE, tile)
    for c in range(counts[k, layer]):
        i = active[k, layer, c]
        at = (layer * width + i) * width + o
        row = lanes.load(w, at, _LANE, tile)
        delta[k, layer, i] += lanes.inner(row, above)
        if moves:
            lanes.store(w, at, _LANE, lanes.outer(row, above, lanes.spread(push, i, 0, _ONE)))


@within
def _step(w, sizes, h, delta, k, active, counts, rate, begin, end):  # type: ignore[no-untyped-def]
    """A step of `rate` of the weights of the layers begin..end - 1, the first being 0."""
    for layer in range(begin, end):
        for c in range(counts[k, layer]):
            i = active[k, layer, c]
            size = rate * h[k, layer, i]
            for o in range(sizes[layer + 1]):
                w[layer, i, o] -= size * delta[k, layer + 1, o]


@within
def _slope(w, sizes, delta, identity):  # type: ignore[no-untyped-def]
    """|W_1^T delta_1|."""
    total = 0.0
    for i in range(sizes[0]):
        if identity:
            z = delta[i]
        else:
            z = 0.0
            for o in range(sizes[1]):
                z += w[0, i, o] * delta[o]
        total += z * z
    return np.sqrt(total)


@within
def loss_derivative(f, target, cross):  # type: ignore[no-untyped-def]
    """(l, dl/df, eps) for the output or logit f."""
    if not cross:
        return 0.5 * (f - target) ** 2, f - target, abs(f - target)
    margin = f if target > 0.5 else -f
    right = 1 / (1 + np.exp(-margin))  # p of the given label
    wrong = 1 / (1 + np.exp(margin))  # 1 - p, without cancellation
    loss = max(-margin, 0.0) + np.log1p(np.exp(-abs(margin)))
    return loss, -wrong if target > 0.5 else wrong, 1 / right


@within
def _look(  # type: ignore[no-untyped-def]
    w, b, sizes, x, y, order, at, h, delta, active, counts, pull, push, rate, cross, identity
):
    """Forward and backward; pull = sum of dl/db_1. Returns means of l, |dl/df| and eps.

    A lone sample moves w_2..w_d.
    """
    loss, residual, epsilon, batch = 0.0, 0.0, 0.0, len(h)
    for j in range(len(pull)):
        pull[j] = 0
    for k in range(batch):
        chosen = order[at + k]
        for i in range(sizes[0]):
            h[k, 0, i] = x[chosen, i]
        f = _forward(w, b, sizes, h, k, active, counts, identity)
        value, outer, size = loss_derivative(f, y[chosen], cross)
        loss += value
        residual += abs(outer)
        epsilon += size
        _backward(w, sizes, h, delta, k, active, counts, push, outer, rate if batch == 1 else 0.0)
        for j in range(sizes[1]):
            pull[j] += delta[k, 1, j]
    return loss / batch, residual / batch, epsilon / batch


@within
def _move(w, b, sizes, h, delta, active, counts, rate, train_first):  # type: ignore[no-untyped-def]
    """The rest of a step: biases and the first layer, and after a batch all.

    A batch is seen whole before it moves anything.
    """
    batch, layers = len(h), len(sizes) - 1
    for k in range(batch):
        for layer in range(layers):
            for j in range(sizes[layer + 1]):
                b[layer, j] -= rate / batch * delta[k, layer + 1, j]
        if batch > 1 or train_first:
            begin, end = 0 if train_first else 1, layers if batch > 1 else 1
            _step(w, sizes, h, delta, k, active, counts, rate / batch, begin, end)


@compiled
def _descend(  # type: ignore[no-untyped-def]
    w, b, sizes, x, y, order, rates, window, batch, cross, train_first, identity, origin,
    previous, out, trace, traced_epsilon,
):  # fmt: skip
    """Advances w and b in place; a row of `out` for each window.

    `previous` holds eps of the step before, NaN at the start.
    """
    first, at, bias = sizes[1], 0, b[0]
    width = w.shape[2]
    h, delta = np.zeros((batch, len(sizes), width)), np.zeros((batch, len(sizes), width))
    active, counts = np.zeros(h.shape, np.int64), np.zeros(h.shape[:2], np.int64)
    push = np.zeros(width)
    old, middle, shift, pull = np.empty(first), np.empty(first), np.empty(first), np.empty(first)
    for index in range(len(rates)):
        rate, row, squares = rates[index], out[index], 0.0
        middle[:] = b[0, :first]
        shift[:] = 0
        for step in range(window):
            loss, residual, epsilon = _look(
                w, b, sizes, x, y, order, at, h, delta, active, counts, pull, push, rate, cross,
                identity,
            )  # fmt: skip
            at += batch
            if not np.isfinite(loss):
                row[0] = np.nan
                return
            pulled = _slope(w, sizes, pull, identity) / batch
            squares += keep_place(bias, old, middle, shift)
            _move(w, b, sizes, h, delta, active, counts, rate, train_first)
            before = previous[0] if previous[0] > 0 else epsilon
            note_step(row, old, bias, origin, rate, loss, pulled, residual, epsilon, before, _ULP)
            if len(trace):
                trace[index * window + step] = old
                traced_epsilon[index * window + step] = epsilon
            previous[0] = epsilon
        close_window(row, window, squares, shift)
