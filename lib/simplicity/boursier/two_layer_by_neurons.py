"""Steps of `two_layer` by neurons: a vector holds neurons, whose sums over samples go one by one.

Shapes: w (d, m), x (n, d), marks (vectors of neurons, n). `work` is (marks, outputs (n, lane) by
lane, |n D_j|^2, the same as whole numbers). The public parts also serve `adam_by_neurons`, and
`residuals` `two_layer_by_samples`.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simplicity.process import lanes

Array = NDArray[np.floating]

CHUNK = 12  # sums of a neuron that stay in registers at a time
BATCHES = 1024  # minibatches handed to the compiled loop at a time


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
    order: Iterator[Any] | None,
) -> tuple[int, float]:
    """(steps done, force); a (m,) and w (m, d) are advanced in place, `columns` is X (d, n)."""
    number, dim = a.dtype.type, len(columns)
    outer, inner, inputs, work = packed(a, w, columns)
    constants = work, number(step_size), number(slope), len(a), (0,) * chunk(dim)
    task = outer, inner, inputs, y
    if order is None:
        done, force = _descend(*task, steps, number(tolerance), *constants)
    else:
        done, force = _in_batches(order, steps, task, constants)
    unpack(outer, inner, a, w)
    return done, float(force)


def _in_batches(
    order: Iterator[Any], steps: int, task: tuple[Array, ...], constants: tuple[Any, ...]
) -> tuple[int, np.floating]:
    """`_descend_batches`, so many minibatches at a time."""
    done, force = 0, task[0].dtype.type(0)
    while done < steps and np.isfinite(force):
        chosen, ends = next_batches(order, min(BATCHES, steps - done))
        taken, force = _descend_batches(*task, chosen, ends, *constants)  # type: ignore[call-arg]
        done += taken
    return done, force


def next_batches(order: Iterator[Any] | None, count: int) -> tuple[NDArray[np.int64], Array]:
    """The samples of the next `count` minibatches in a row, and where each of these ends.

    Both are empty, or as good as that, where every step takes all samples.
    """
    chosen = list(itertools.islice(order or (), count))
    ends = np.cumsum([len(batch) for batch in chosen] or [0])
    return np.concatenate([np.zeros(0, np.int64), *chosen]), ends


def chunk(dim: int) -> int:
    """Coordinates at a time, in chunks of equal size."""
    return -(-dim // -(-dim // CHUNK))


def packed(a: Array, w: Array, columns: Array) -> tuple[Array, Array, Array, tuple[Array, ...]]:
    """a, w and x in the shapes of the compiled loops, filled up with zeros, and their `work`."""
    dim, n = columns.shape
    rows, wide = filled(len(a), dim, a.dtype)
    outer, inner = _padded(a, (wide,)), _padded(w.T, (rows, wide))
    return outer, inner, _padded(columns.T, (n, rows)), _work(n, wide, a.dtype)


def _work(n: int, wide: int, dtype: np.dtype) -> tuple[Array, ...]:
    lane = lanes.BYTES // dtype.itemsize
    marks = np.zeros((wide // lane, n), f"u{max(1, lane // 8)}")
    sizes = np.zeros(wide, dtype)
    return marks, np.zeros((n, lane), dtype), sizes, sizes.view(f"i{dtype.itemsize}")


def filled(width: int, dim: int, dtype: np.dtype) -> tuple[int, int]:
    """Rows and columns of `inner`: whole chunks of coordinates, whole pairs of vectors."""
    return dim + -dim % chunk(dim), width + -width % (2 * lanes.BYTES // dtype.itemsize)


def _padded(part: Array, shape: tuple[int, ...]) -> Array:
    """The array in the first corner of one of zeros."""
    found = np.zeros(shape, part.dtype)
    found[tuple(map(slice, part.shape))] = part
    return found


def unpack(outer: Array, inner: Array, a: Array, w: Array) -> None:
    """Put the weights of the compiled loops back into a and w."""
    width, dim = w.shape
    a[:], w[:] = outer[:width], inner[:dim, :width].T


@lanes.compiled
def residuals(a, w, x, y, h, r, shift, slope):  # type: ignore[no-untyped-def]
    """r = y - h(x) from h = h_relu(x), then h = 0.

    shift = slope sum_k r_k x_k. Returns the sum of squares.
    """
    total = y.dtype.type(0)
    for k in range(len(y)):
        r[k] = y[k] - (1 - slope) * h[k]
        h[k] = 0
    if slope != 0:
        for i in range(len(x)):
            linear = y.dtype.type(0)
            for j in range(len(a)):
                linear += a[j] * w[j, i]
            for k in range(len(y)):
                r[k] -= slope * linear * x[i, k]
        for i in range(len(x)):
            shift[i] = 0
            for k in range(len(y)):
                shift[i] += slope * r[k] * x[i, k]
    for k in range(len(y)):
        total += r[k] * r[k]
    return total


@lanes.compiled
def _descend(a, w, x, y, steps, tolerance, work, step_size, slope, width, chunk):  # type: ignore[no-untyped-def]
    """(steps done, force): at most `steps` steps on all of x.

    `chunk` is a tuple as long as coordinates go together.
    """
    n = y.dtype.type(len(y))
    limit, largest = (tolerance * n) ** 2, y.dtype.type(0)
    buffers = new_buffers(w, len(y))
    forward(a, w, x, work)
    for step in range(steps):
        largest = _step(a, w, x, y, work, buffers, step_size / n, slope, width, chunk, True)
        if not np.isfinite(largest):
            return step, largest
        if largest < limit:
            return step + 1, np.sqrt(largest) / n
    return steps, np.sqrt(largest) / n


@lanes.compiled
def _descend_batches(a, w, x, y, chosen, ends, work, step_size, slope, width, chunk):  # type: ignore[no-untyped-def]
    """A step on each batch chosen[ends[i - 1] : ends[i]]; (steps done, force of the last)."""
    first, largest, n = 0, y.dtype.type(0), y.dtype.type(1)
    for step, end in enumerate(ends):
        n = y.dtype.type(end - first)
        inputs, targets = picked(x, y, chosen[first:end])
        buffers, first = new_buffers(w, end - first), end
        forward(a, w, inputs, work)
        largest = _step(
            a, w, inputs, targets, work, buffers, step_size / n, slope, width, chunk, False
        )
        if not np.isfinite(largest):
            return step, largest
    return len(ends), np.sqrt(largest) / n


@lanes.compiled
def picked(x, y, chosen):  # type: ignore[no-untyped-def]
    """The samples of a minibatch."""
    inputs, targets = np.empty((len(chosen), x.shape[1]), x.dtype), np.empty(len(chosen), y.dtype)
    for k in range(len(chosen)):
        inputs[k], targets[k] = x[chosen[k]], y[chosen[k]]
    return inputs, targets


@lanes.compiled
def new_buffers(w, n):  # type: ignore[no-untyped-def]
    """h, r, shift, the sums of two vectors of neurons, and what their a gain."""
    both = 2 * lanes.BYTES // w.itemsize
    h, r, shift = np.empty(n, w.dtype), np.empty(n, w.dtype), np.zeros(len(w), w.dtype)
    return h, r, shift, np.empty((len(w) + 1, both), w.dtype)


@lanes.compiled
def forward(a, w, x, work):  # type: ignore[no-untyped-def]
    """The outputs and marks of all neurons."""
    for j in range(0, len(a), 2 * work[1].shape[1]):
        add_lanes(a, w, j, x, work)


@lanes.compiled
def _step(a, w, x, y, work, buffers, rate, slope, width, chunk, more):  # type: ignore[no-untyped-def]
    """A step of every neuron, then its share of the next h if there are `more`.

    Returns max_j |n D_j|^2, or the loss.
    """
    outputs, sizes, whole = work[1:]
    h, r, shift, sums = buffers
    lane = outputs.shape[1]
    for k in range(len(y)):
        h[k] = 0
        for o in range(lane):
            h[k] += outputs[k, o]
            outputs[k, o] = 0
    loss = residuals(a, w.T, x.T, y, h, r, shift, slope)
    if not np.isfinite(loss):
        return loss
    for j in range(0, len(a), 2 * lane):
        pull_lanes(x, r, work[0], j // lane, sums, 0, chunk)
        pull_lanes(x, r, work[0], j // lane + 1, sums, lane, chunk)
        _update(a, w, j, sums, shift, rate, 1 - slope, sizes)
        if more:
            add_lanes(a, w, j, x, work)
    # what is not negative is ordered as whole numbers are, and what is not finite comes last
    top = whole[0]
    for j in range(width):
        top = max(top, whole[j])
    whole[0] = top
    return sizes[0]


@lanes.compiled
def pull_lanes(x, r, marks, group, sums, at, chunk):  # type: ignore[no-untyped-def]
    """sums[i, at + lane] = sum_k 1{<w_j, x_k> > 0} r_k x_ki for the vector of neurons `group`."""
    n, d = x.shape
    for i in range(0, d, len(chunk)):
        pull = lanes.zeros(r, chunk)
        for k in range(n):
            active = lanes.kept(
                marks, group * n + k, 0, lanes.spread(r, k, 0, lanes.ONE), lanes.ONE
            )
            pull = lanes.outer(pull, lanes.spread(x, k * d + i, 1, chunk), active)
        lanes.store(sums, i * sums.shape[1] + at, sums.shape[1], pull)


@lanes.compiled
def _update(a, w, j, sums, shift, rate, keep, sizes):  # type: ignore[no-untyped-def]
    """One step of as many neurons from j on as `sums` has columns.

    The last row of `sums` is used up.
    """
    count, inner = sums.shape[1], sums[len(w)]
    for o in range(count):
        inner[o] = 0
        sizes[j + o] = 0
    for i in range(len(w)):
        for o in range(count):
            force = keep * sums[i, o] + shift[i]
            inner[o] += w[i, j + o] * force
            sizes[j + o] += force * force
            w[i, j + o] += rate * a[j + o] * force
    for o in range(count):
        a[j + o] += rate * inner[o]


@lanes.compiled
def add_lanes(a, w, j, x, work):  # type: ignore[no-untyped-def]
    """The outputs and marks of two vectors of neurons from j on."""
    marks, outputs = work[:2]
    (n, d), m, lane = x.shape, w.shape[1], outputs.shape[1]
    outer, first = lanes.load(a, j, lane, lanes.PAIR), j // lane * n
    fours = n - n % 4
    for k in range(0, fours, 4):
        z = lanes.zeros(a, lanes.EIGHT)
        for i in range(d):
            z = lanes.outer(
                z,
                lanes.spread(x, k * d + i, d, lanes.FOUR),
                lanes.load(w, i * m + j, lane, lanes.PAIR),
            )
        lanes.rectify(z, outer, outputs, k * lane, lane, marks, first + k, n)
    for k in range(fours, n):
        z = lanes.zeros(a, lanes.PAIR)
        for i in range(d):
            z = lanes.outer(
                z,
                lanes.spread(x, k * d + i, d, lanes.ONE),
                lanes.load(w, i * m + j, lane, lanes.PAIR),
            )
        lanes.rectify(z, outer, outputs, k * lane, lane, marks, first + k, n)
