"""`single_sample.descend` in single precision: one sample a step, all statistics.

The formulas, the order `order` of the samples, and the `STATISTICS` are those of `single_sample`;
weights, biases, activations and derivatives are float32, the means of a window float64. Vectors
hold twice as many neurons. A step's statistics carry float32 rounding: the norm of a step of the
bias is good to |b| eps / |step|, eps = 1.2e-7, which `rounding` counts in the same unit. The
recorded runs are in double precision and made by `single_sample`, whose code is not touched here:
this is its loop anew, without batches, trace and a trained first layer, and tested against it and
against automatic differentiation.
"""

from collections.abc import Mapping, Sequence

import numba
import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from simplicity.loukas import single_sample, windows
from simplicity.loukas.single_sample import Array, Loss, Padded
from simplicity.loukas.windows import Notes, Probe
from simplicity.nets import FullyConnected
from simplicity.process import lanes

_LANE = lanes.BYTES // 4
_ONE, _TILE = (0,), (0,) * (32 // _LANE)
_ULP = float(np.finfo(np.float32).eps)
_F = np.float32
_ZERO = np.float32(0)
# The folder of compiled kernels knows those of the library alone, and would keep an old one.
_OPTIONS = windows.OPTIONS | {"cache": False}
compiled = numba.njit(**_OPTIONS)
within = numba.njit(**_OPTIONS, forceinline=True)


def descend(
    start: FullyConnected, x: Array, y: Array, order: NDArray[np.integer], *,
    step_size: ArrayLike, window: int, loss: Loss = "squares", schedule: Sequence[int] = (),
    probes: Mapping[str, Probe] | None = None, dims: Mapping[str, tuple[str, ...]] | None = None,
) -> tuple[FullyConnected, xr.Dataset]:  # fmt: skip
    """Train a copy of `start`, whose W_1 stays, on x (n, n_0), y (n,) in float32.

    Arguments and dataset as of `single_sample.descend`; what fits together is not looked at.
    """
    notes = Notes.of(
        x, order, step_size=step_size, window=window, schedule=schedule, probes=probes, dims=dims
    )
    double = Padded.of(start, _LANE)
    network = Padded(double.weights.astype(_F), double.biases.astype(_F), double.sizes)
    first = network.biases[0, : network.sizes[1]].copy()
    inputs, targets = (np.ascontiguousarray(part, dtype=_F) for part in (x, y))
    options = loss == "cross entropy", double.has_identity
    for now in notes.stretches():
        _descend(
            *network, inputs, targets, notes.samples(now), notes.rates[now], window, *options,
            first, notes.before, notes.values[now],
        )  # fmt: skip
        notes.check_finite(now)
        notes.look(now, network.plain())
    return network.plain(), notes.table()


# By input, as in `single_sample`: active[l, :counts[l]] are the neurons whose rows count.


@within
def _choose(h, layer, size, active):  # type: ignore[no-untyped-def]
    count = 0
    for i in range(size):
        active[layer, count] = i
        count += not abs(h[layer, i]) <= _ZERO  # so that what is not a number counts
    return count


@within
def _whole(size):  # type: ignore[no-untyped-def]
    """`size` rounded up to vectors, and as many of these numbers as whole tiles have."""
    end = size + -size % _LANE
    return end, end - end % (_LANE * len(_TILE))


@within
def _forward(w, b, sizes, h, active, counts, identity):  # type: ignore[no-untyped-def]
    """Fills h from its first row x on, active and counts likewise, and returns f(x)."""
    last = len(sizes) - 2
    for layer in range(last + 1):
        counts[layer] = _choose(h, layer, sizes[layer], active)
        if layer == 0 and identity:
            for o in range(sizes[1]):
                h[1, o] = max(b[0, o] + h[0, o], _ZERO)
        else:
            end, wide = _whole(sizes[layer + 1])
            for o in range(0, wide, _LANE * len(_TILE)):
                _add_rows(w, b, layer, o, h, active, counts, layer < last, _TILE)
            for o in range(wide, end, _LANE):
                _add_rows(w, b, layer, o, h, active, counts, layer < last, _ONE)
    return h[last + 1, 0]


@within
def _add_rows(w, b, layer, o, h, active, counts, rectified, tile):  # type: ignore[no-untyped-def]
    """A tile of h[layer + 1] from o on."""
    width = h.shape[1]
    row = layer * width
    sums = lanes.load(b, row + o, _LANE, tile)
    for c in range(counts[layer]):
        i = active[layer, c]
        here = lanes.load(w, (row + i) * width + o, _LANE, tile)
        sums = lanes.outer(sums, here, lanes.spread(h, row + i, 0, _ONE))
    if rectified:
        sums = lanes.rectified(sums)
    lanes.store(h, row + width + o, _LANE, sums)


@within
def _backward(w, sizes, h, delta, active, counts, push, outer, rate):  # type: ignore[no-untyped-def]
    """delta = outer df / d(pre-activation); the weights above the first take a step of `rate`."""
    last = len(sizes) - 2
    delta[last + 1, 0] = outer
    for layer in range(last, 0, -1):
        for i in range(h.shape[1]):
            delta[layer, i] = _ZERO
            push[i] = -rate * h[layer, i]
        end, wide = _whole(sizes[layer + 1])
        for o in range(0, wide, _LANE * len(_TILE)):
            _pull_rows(w, layer, o, delta, active, counts, push, _TILE)
        for o in range(wide, end, _LANE):
            _pull_rows(w, layer, o, delta, active, counts, push, _ONE)


@within
def _pull_rows(w, layer, o, delta, active, counts, push, tile):  # type: ignore[no-untyped-def]
    """A tile of delta[layer + 1] from o on: its part of delta[layer], and its weights' step."""
    width = delta.shape[1]
    above = lanes.load(delta, (layer + 1) * width + o, _LANE, tile)
    for c in range(counts[layer]):
        i = active[layer, c]
        at = (layer * width + i) * width + o
        row = lanes.load(w, at, _LANE, tile)
        delta[layer, i] += lanes.inner(row, above)
        lanes.store(w, at, _LANE, lanes.outer(row, above, lanes.spread(push, i, 0, _ONE)))


@within
def _slope(w, sizes, delta, identity):  # type: ignore[no-untyped-def]
    """|W_1^T delta|."""
    total = _ZERO
    for i in range(sizes[0]):
        z = _ZERO
        if identity:
            z = delta[i]
        else:
            for o in range(sizes[1]):
                z += w[0, i, o] * delta[o]
        total += z * z
    return np.sqrt(total)


@within
def _move(b, sizes, delta, rate, middle, shift, origin):  # type: ignore[no-untyped-def]
    """The step of the biases, one pass over the first for what is said of it.

    shift += b_1 - middle; returns |b_1 - middle|^2, |b_1 - origin|^2, the square
    of the step's length and the largest |b_1|, all before the step.
    """
    square, distance, length, largest = _ZERO, _ZERO, _ZERO, _ZERO
    for j in range(sizes[1]):
        here = b[0, j]
        away, far = here - middle[j], here - origin[j]
        new = here - rate * delta[1, j]
        shift[j] += away
        square += away * away
        distance += far * far
        length += (new - here) * (new - here)
        largest = max(largest, abs(here))
        b[0, j] = new
    for layer in range(1, len(sizes) - 1):
        for j in range(sizes[layer + 1]):
            b[layer, j] -= rate * delta[layer + 1, j]
    return square, distance, length, largest


@compiled
def _note(row, about, rate, neurons, loss, pulled, residual, epsilon, before):  # type: ignore[no-untyped-def]
    """Adds a step to its window's sums: `windows.note_step` from `_move`'s numbers."""
    square, distance, length, largest = about
    length = np.sqrt(length) / rate
    row[0] += loss
    row[3] += length
    row[4] += epsilon
    row[6] += length * before
    row[7] += np.sqrt(distance)
    row[8] += square
    if before > 0:
        row[5] += length / before
    row[9] += residual
    if epsilon > 0:
        row[1] += length / epsilon
        row[2] += pulled / epsilon
        row[10] += pulled / residual if residual > 0 else 0.0
        row[11] = max(
            row[11],
            abs(length - pulled) * rate / (np.sqrt(neurons) * _ULP * (largest + rate * length)),
        )


@compiled
def _descend(  # type: ignore[no-untyped-def]
    w, b, sizes, x, y, order, rates, window, cross, identity, origin, previous, out
):
    """Advances w and b in place; a row of `out` for each window.

    `previous` holds eps of the step before, NaN at the start.
    """
    first, width, at = sizes[1], w.shape[2], 0
    h, delta = np.zeros((len(sizes), width), w.dtype), np.zeros((len(sizes), width), w.dtype)
    active, counts = np.zeros(h.shape, np.int64), np.zeros(len(sizes), np.int64)
    push, middle, shift = (
        np.zeros(width, w.dtype), np.empty(first, w.dtype), np.empty(first, np.float64),
    )  # fmt: skip
    for index in range(len(rates)):
        rate, row = np.float32(rates[index]), out[index]
        middle[:] = b[0, :first]
        shift[:] = 0
        for _ in range(window):
            chosen = order[at]
            at += 1
            for i in range(sizes[0]):
                h[0, i] = x[chosen, i]
            f = _forward(w, b, sizes, h, active, counts, identity)
            loss, outer, epsilon = single_sample.loss_derivative(f, y[chosen], cross)
            if not np.isfinite(loss):
                row[0] = np.nan
                return
            _backward(w, sizes, h, delta, active, counts, push, np.float32(outer), rate)
            pulled = _slope(w, sizes, delta[1], identity)
            about = _move(b, sizes, delta, rate, middle, shift, origin)
            before = previous[0] if previous[0] > 0 else np.float64(epsilon)
            _note(row, about, rates[index], first, loss, pulled, abs(outer), epsilon, before)
            previous[0] = epsilon
        windows.close_window(row, window, row[8], shift)
