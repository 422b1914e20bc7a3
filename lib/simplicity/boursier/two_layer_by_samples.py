"""Steps of `two_layer` by samples: a vector of 32 bytes holds samples.

Shapes: w (m, d), x (d, n), n rounded up to whole vectors by samples of zeros, marks (m, vectors).
The sums have the order of a compiler's own vectors: whole ones first, then one sample after
another. The recorded runs with d <= 7 have its bits.
"""

import numpy as np
from numba.cpython.unsafe.tuple import tuple_setitem
from numpy.typing import NDArray

from simplicity.boursier.two_layer_by_neurons import residuals
from simplicity.process import lanes

Array = NDArray[np.floating]

# the largest d for which the sums of two neurons stay in 16 registers, if they go by samples
_TOGETHER = 4


def advance(
    a: Array,
    w: Array,
    columns: Array,
    y: Array,
    step_size: float,
    steps: int,
    tolerance: float,
    *,
    slope: float,
) -> tuple[int, float]:
    """(steps done, force); a (m,) and w (m, d) are advanced in place, `columns` is X (d, n)."""
    number, odd = a.dtype.type, len(a) % 2
    # A neuron of zeros in the last pair of an odd width stays one: its output is 0, and so are its
    # gradients.
    outer, inner = np.pad(a, (0, odd)), np.pad(w, ((0, odd), (0, 0)))
    inputs = np.pad(columns, ((0, 0), (0, -len(y) % (lanes.BYTES // a.itemsize))))
    rates = (number(tolerance), number(step_size), number(slope))
    zeros = (number(0),) * len(columns)
    done, force = _descend(outer, inner, inputs, y, steps, *rates, len(a), zeros)
    a[:], w[:] = outer[: len(a)], inner[: len(a)]
    return done, float(force)


@lanes.compiled
def _descend(a, w, x, y, steps, tolerance, step_size, slope, width, zeros):  # type: ignore[no-untyped-def]
    """(steps done, force): at most `steps` steps on all of x; `zeros` is a tuple of d zeros."""
    n = y.dtype.type(len(y))
    rate, limit = step_size / n, (tolerance * n) ** 2
    h, r = np.zeros_like(x[0]), np.zeros_like(x[0])
    shift, largest = np.zeros(len(x), y.dtype), zeros[0]
    marks = np.zeros((len(a), len(h) * y.itemsize // lanes.BYTES), np.uint8)
    for j in range(0, len(a), 2):
        _add_pair(a, w, j, x, h, marks, zeros)
    for step in range(steps):
        loss = residuals(a, w, x, y, h, r, shift, slope)
        if not np.isfinite(loss):
            return step, loss
        largest = zeros[0]
        for j in range(0, len(a), 2):
            if len(zeros) <= _TOGETHER:
                pull = _pull(j, x, r, len(y), marks, zeros, lanes.PAIR)
                size = _update(a, w, j, pull, 0, shift, rate, 1 - slope, zeros)
                other = _update(a, w, j + 1, pull, 1, shift, rate, 1 - slope, zeros)
            else:
                lone = _pull(j, x, r, len(y), marks, zeros, lanes.ONE)
                size = _update(a, w, j, lone, 0, shift, rate, 1 - slope, zeros)
                lone = _pull(j + 1, x, r, len(y), marks, zeros, lanes.ONE)
                other = _update(a, w, j + 1, lone, 0, shift, rate, 1 - slope, zeros)
            size = max(size, other) if j + 1 < width else size
            if not np.isfinite(size):
                return step, size
            largest = max(largest, size)
            _add_pair(a, w, j, x, h, marks, zeros)
        if largest < limit:
            return step + 1, np.sqrt(largest) / n
    return steps, np.sqrt(largest) / n


@lanes.compiled
def _pull(j, x, r, n, marks, zeros, neurons):  # type: ignore[no-untyped-def]
    """sum_k 1{<w_j, x_k> > 0} r_k x_k over n samples, a tuple by coordinate and neuron.

    For as many neurons from j on.
    """
    lane, row = lanes.BYTES // r.itemsize, marks.shape[1]
    whole = n // lane
    sums = lanes.zeros(r, zeros + zeros if len(neurons) == 2 else zeros)
    for v in range(whole):
        active = lanes.kept(marks, j * row + v, row, lanes.load(r, v * lane, 0, lanes.ONE), neurons)
        sums = lanes.outer(sums, lanes.load(x, v * lane, x.shape[1], zeros), active)
    pull = lanes.total(sums)
    for q in range(len(neurons)):
        for k in range(whole * lane, n):
            if marks[j + q, whole] >> (k - whole * lane) & 1:
                for i in range(len(zeros)):
                    at = i * len(neurons) + q
                    pull = tuple_setitem(pull, at, pull[at] + r[k] * x[i, k])
    return pull


@lanes.compiled
def _add_pair(a, w, j, x, h, marks, zeros):  # type: ignore[no-untyped-def]
    """h += the outputs of neurons j + 1 and j, and their marks."""
    lane, row, d = lanes.BYTES // h.itemsize, marks.shape[1], len(zeros)
    outer = lanes.spread(a, j + 1, -1, lanes.PAIR)
    fours = row - row % 4
    for v in range(0, fours, 4):
        z = lanes.zeros(h, lanes.EIGHT)
        for i in range(len(zeros)):
            inner = lanes.spread(w, (j + 1) * d + i, -d, lanes.PAIR)
            z = lanes.outer(z, lanes.load(x, i * x.shape[1] + v * lane, lane, lanes.FOUR), inner)
        lanes.rectify(z, outer, h, v * lane, lane, marks, (j + 1) * row + v, -row)
    for v in range(fours, row):
        z = lanes.zeros(h, lanes.PAIR)
        for i in range(len(zeros)):
            inner = lanes.spread(w, (j + 1) * d + i, -d, lanes.PAIR)
            z = lanes.outer(z, lanes.load(x, i * x.shape[1] + v * lane, lane, lanes.ONE), inner)
        lanes.rectify(z, outer, h, v * lane, lane, marks, (j + 1) * row + v, -row)


@lanes.compiled
def _update(a, w, j, pull, q, shift, rate, keep, zeros):  # type: ignore[no-untyped-def]
    """One step of neuron j; returns |n D_j|^2.

    n D_j is keep times the q-th of `pull`, plus shift.
    """
    outer, inner, size = a[j], rate * 0, rate * 0
    for i in range(len(zeros)):
        force = keep * pull[i * (len(pull) // len(zeros)) + q] + shift[i]
        inner += w[j, i] * force
        size += force * force
        w[j, i] += rate * outer * force
    a[j] = outer + rate * inner
    return size
