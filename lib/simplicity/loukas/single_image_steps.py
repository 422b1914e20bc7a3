"""The compiled steps of `single_image`: its network forward and backward, one image at a time.

After the poolings only one place in nine of a map is pulled, where it is on, and its weights are
stepped where they are read; no gradient of the large layers is stored. Channels are innermost.
"""

from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simplicity.loukas.single_sample import loss_derivative
from simplicity.loukas.windows import close_window, compiled, keep_place, note_step, within

Array = NDArray[np.floating]

SIDE = 25  # of the corner of the image that is seen
_PLACES = 21 * 21  # of the first convolution


class Network(NamedTuple):
    """Parameters with channels innermost: w_1 (F, 25 C), w_2 (G, 5, 5 F).

    Rows of a patch come first, then columns and channels.
    """

    b1: Array
    w1: Array
    c1: Array
    w2: Array
    c2: Array
    w3: Array
    c3: Array
    w4: Array
    c4: Array


class Work(NamedTuple):
    """What a step needs room for."""

    h0: Array  # relu(x + b_1), (25, 25, C)
    patches: Array  # (441, 25 C)
    z1: Array  # (441, F)
    h1: Array  # after the first pooling, (7, 7 F)
    at1: NDArray[np.int32]  # where its maxima are, (49, F), -1 where off
    patches2: Array  # (9, 25 F)
    z2: Array  # (G, 9)
    h2: Array
    at2: NDArray[np.int32]
    h3: Array
    d0: Array  # dl / d(...) of the same
    d_patches: Array
    g1: Array
    d1: Array
    d2: Array

    @classmethod
    def of(cls, network: Network) -> "Work":
        """For this network."""
        (first, taps), second = network.w1.shape, len(network.w2)
        image, pooled, patches = network.b1.shape, (7, 7 * first), (_PLACES, taps)
        room = partial(np.zeros, dtype=network.b1.dtype)
        at1, at2 = np.zeros((49, first), np.int32), np.zeros(second, np.int32)
        return cls(
            room(image), room(patches), room((_PLACES, first)), room(pooled), at1,
            room((9, 25 * first)), room((second, 9)), room(second), at2, room(second),
            room(image), room(patches), room((first, taps)), room(pooled), room(second),
        )  # fmt: skip


@compiled
def _first_map(net, work, x):  # type: ignore[no-untyped-def]
    """h0, patches, z1 (without its bias), h1 and at1."""
    _first_bias(net, work, x)
    _cut(work.h0.reshape(SIDE, -1), x.shape[2], work.patches)
    np.dot(work.patches, net.w1.T, work.z1)
    _first_pooling(net, work)


@compiled
def _first_bias(net, work, x):  # type: ignore[no-untyped-def]
    """h0."""
    for r in range(SIDE):
        for c in range(SIDE):
            for k in range(x.shape[2]):
                z = x[r, c, k] + net.b1[r, c, k]
                work.h0[r, c, k] = z if z > 0 else 0


@compiled
def _cut(image, channels, patches):  # type: ignore[no-untyped-def]
    """The patches of 5 x 5 of an image (rows, columns and channels), a row each: im2col."""
    across, taps = len(image) - 4, 5 * channels
    for place in range(len(patches)):
        r, begin = place // across, place % across * channels
        for a in range(5):
            patches[place, a * taps : (a + 1) * taps] = image[r + a, begin : begin + taps]


@compiled
def _first_pooling(net, work):  # type: ignore[no-untyped-def]
    """h1 and at1 from z1."""
    first = len(net.w1)
    for cell in range(49):
        corner = cell // 7 * 63 + cell % 7 * 3
        best, at = work.h1[cell // 7, cell % 7 * first : (cell % 7 + 1) * first], work.at1[cell]
        best[:] = work.z1[corner]
        at[:] = corner
        for k in range(1, 9):
            place = corner + k // 3 * 21 + k % 3
            _keep_larger(best, at, work.z1[place], place)
        for o in range(first):
            z = best[o] + net.c1[o]
            best[o] = z if z > 0 else 0
            at[o] = at[o] if z > 0 else -1


@within
def _keep_larger(best, at, row, place):  # type: ignore[no-untyped-def]
    """The larger of best and row, and where it is."""
    for o in range(len(best)):
        larger = row[o] > best[o]
        best[o] = row[o] if larger else best[o]
        at[o] = place if larger else at[o]


@compiled
def _second_map(net, work):  # type: ignore[no-untyped-def]
    """z2 (without its bias), h2 and at2."""
    _cut(work.h1, len(net.w1), work.patches2)
    np.dot(net.w2.reshape(len(net.w2), -1), work.patches2.T, work.z2)
    for o in range(len(net.w2)):
        at = np.argmax(work.z2[o])
        z = work.z2[o, at] + net.c2[o]
        work.h2[o] = z if z > 0 else 0
        work.at2[o] = at if z > 0 else -1


@compiled
def _top(net, work):  # type: ignore[no-untyped-def]
    """h3, and the logit."""
    f = net.c4[0]
    for o in range(len(net.w3)):
        z, row = net.c3[o], net.w3[o]
        for i in range(len(row)):
            z += row[i] * work.h2[i]
        work.h3[o] = z if z > 0 else 0
        f += net.w4[o] * work.h3[o]
    return f


@compiled
def _down_the_top(net, work, outer, rate):  # type: ignore[no-untyped-def]
    """d2 = dl/dh2 where on; full layers take their step."""
    work.d2[:] = 0
    for o in range(len(net.w3)):
        if work.h3[o] > 0:
            pull, row = outer * net.w4[o], net.w3[o]
            net.w4[o] -= rate * outer * work.h3[o]
            net.c3[o] -= rate * pull
            size = rate * pull
            for i in range(len(row)):
                work.d2[i] += pull * row[i]
                row[i] -= size * work.h2[i]
    net.c4[0] -= rate * outer
    for o in range(len(work.d2)):
        work.d2[o] = work.d2[o] if work.at2[o] >= 0 else 0


@compiled
def _down_the_second_map(net, work, rate):  # type: ignore[no-untyped-def]
    """d1 = dl/dh1; the second convolution takes its step."""
    first = len(net.w1)
    work.d1[:] = 0
    for o in range(len(net.w2)):
        pull, at = work.d2[o], work.at2[o]
        if pull != 0:
            net.c2[o] -= rate * pull
            size, begin = rate * pull, at % 3 * first
            for a in range(5):
                row = net.w2[o, a]
                above, below = work.d1[at // 3 + a], work.h1[at // 3 + a]
                back, seen = above[begin : begin + 5 * first], below[begin : begin + 5 * first]
                for i in range(len(row)):
                    back[i] += pull * row[i]
                    row[i] -= size * seen[i]


@compiled
def _down_the_first_map(net, work, rate):  # type: ignore[no-untyped-def]
    """d0 = dl/db_1; the first convolution takes its step."""
    _pull_patches(net, work, rate)
    for o in range(len(net.w1)):
        for i in range(net.w1.shape[1]):
            net.w1[o, i] -= rate * work.g1[o, i]
    _gather(work.d_patches, work.d0)
    for r in range(SIDE):
        for c in range(SIDE):
            for k in range(work.d0.shape[2]):
                work.d0[r, c, k] = work.d0[r, c, k] if work.h0[r, c, k] > 0 else 0


@compiled
def _pull_patches(net, work, rate):  # type: ignore[no-untyped-def]
    """g1 and d_patches, where the pooled maxima are on; c1 takes its step."""
    first = len(net.w1)
    work.g1[:] = 0
    work.d_patches[:] = 0
    for cell in range(49):
        for o in range(first):
            place, pull = work.at1[cell, o], work.d1[cell // 7, cell % 7 * first + o]
            if place >= 0 and pull != 0:
                net.c1[o] -= rate * pull
                for i in range(net.w1.shape[1]):
                    work.g1[o, i] += pull * work.patches[place, i]
                    work.d_patches[place, i] += pull * net.w1[o, i]


@compiled
def _gather(patches, image):  # type: ignore[no-untyped-def]
    """The sum over patches in the places of the image: what `_cut` does, transposed."""
    channels, taps = image.shape[2], 5 * image.shape[2]
    image[:] = 0
    flat = image.reshape(SIDE, SIDE * channels)
    for place in range(_PLACES):
        r, begin = place // 21, place % 21 * channels
        for a in range(5):
            flat[r + a, begin : begin + taps] += patches[place, a * taps : (a + 1) * taps]


@compiled
def advance(net, work, x, y, order, rates, window, origin, previous, out):  # type: ignore[no-untyped-def]
    """As `single_sample._descend`, for the cross-entropy; the step of b_1 is taken here."""
    bias, back = net.b1.reshape(-1), work.d0.reshape(-1)
    old, middle, shift = np.empty(len(bias), bias.dtype), np.empty(len(bias)), np.empty(len(bias))
    ulp = 2.220446049250313e-16 if bias.itemsize == 8 else 1.1920928955078125e-07
    for index in range(len(rates)):
        rate, row, squares = bias.dtype.type(rates[index]), out[index], 0.0
        middle[:] = bias
        shift[:] = 0
        for step in range(window):
            chosen = order[index * window + step]
            _first_map(net, work, x[chosen])
            _second_map(net, work)
            loss, outer, epsilon = loss_derivative(_top(net, work), y[chosen], True)
            if not np.isfinite(loss):
                row[0] = np.nan
                return
            squares += keep_place(bias, old, middle, shift)
            _down_the_top(net, work, bias.dtype.type(outer), rate)
            _down_the_second_map(net, work, rate)
            _down_the_first_map(net, work, rate)
            pulled = 0.0
            for j in range(len(bias)):
                pulled += back[j] * back[j]
                bias[j] -= rate * back[j]
            before = previous[0] if previous[0] > 0 else epsilon
            note_step(
                row,
                old,
                bias,
                origin,
                rates[index],
                loss,
                np.sqrt(pulled),
                abs(outer),
                epsilon,
                before,
                ulp,
            )
            previous[0] = epsilon
        close_window(row, window, squares, shift)
