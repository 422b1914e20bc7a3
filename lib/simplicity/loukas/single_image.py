"""Stochastic gradient descent, one image a step, compiled.

On the convolutional network of Loukas et al. (2021).

    `modules.two_convolutions`: x + b_1, relu, 5 x 5 convolution, relu, max-pooling by 3, again
    both, two full layers, a logit

The same steps and statistics as `single_sample_autograd.descend_autograd` takes on that module,
about ten times as fast on one core, because a single image leaves most of the network out: after
the poolings only one place in nine of a map is pulled, where it is on, and its weights are stepped
where they are read; no gradient of the large layers is stored. Channels are innermost, and only the
corner of the image that the network sees is kept (see the module).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from torch import nn

from simplicity.loukas.single_sample import loss_derivative
from simplicity.loukas.windows import (
    STATISTICS,
    check_finite,
    close_window,
    compiled,
    keep_place,
    note_step,
    table,
)
from simplicity.problems import Problem, doors, training_doors

Array = NDArray[np.floating]
Probe = Callable[[nn.Module], Any]

_SIDE = 25  # of the corner that is seen
_PLACES = 21 * 21  # of the first convolution


class _Network(NamedTuple):
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


def descend(
    module: nn.Sequential,
    x: Array,
    y: Array,
    order: NDArray[np.integer],
    *,
    step_size: ArrayLike,
    window: int,
    schedule: Sequence[int] = (),
    probes: Mapping[str, Probe] | None = None,
    dims: Mapping[str, tuple[str, ...]] | None = None,
) -> xr.Dataset:
    """Train `module` itself on images x (n, channels, height, width), labels y (n,).

    `modules.two_convolutions` made it.

    The loss is the cross-entropy, the precision the module's. Arguments and dataset as of
    `single_sample.descend`; probes get the module.
    """
    x, y = _looked_at(module, x, y)
    order, schedule = training_doors.single_samples(
        x,
        order,
        step_size=step_size,
        window=window,
        batch=1,
        given=schedule,
        looks=probes,
        dims=dims,
    )
    network = _taken(module)
    inputs = np.ascontiguousarray(np.moveaxis(x, 1, -1)[:, :_SIDE, :_SIDE], dtype=network.b1.dtype)
    count = len(order) // window
    rates = np.broadcast_to(np.asarray(step_size, dtype=np.float64), (count,)).copy()
    values, before, origin = (
        np.zeros((count, len(STATISTICS))),
        np.full(1, np.nan),
        network.b1.ravel().copy(),
    )
    found: dict[str, list[Any]] = {name: [] for name in probes or {}}
    work, done = _Work.of(network), 0
    for end in sorted({0, *schedule, count}):
        part = order[done * window : end * window]
        _descend(
            network, work, inputs, y.astype(np.float64), part, rates[done:end], window, origin,
            before, values[done:end],
        )  # fmt: skip
        check_finite(values[done:end, 0], rates[done:end], done, window, len(y))
        done = end
        if end in schedule:
            _give(network, module)
            for name, probe in (probes or {}).items():
                found[name].append(np.asarray(probe(module)))
    _give(network, module)
    return table(values, window, found, dims or {}, schedule)


def _looked_at(module: nn.Sequential, x: Array, y: Array) -> tuple[Array, Array]:
    """Images and labels, finite and as many of both; the module is the one compiled here."""
    kinds = [type(layer) for layer in module] if isinstance(module, nn.Sequential) else []
    whole = [kind for kind in kinds if kind in (nn.Conv2d, nn.Linear)] == [
        nn.Conv2d,
        nn.Conv2d,
        nn.Linear,
        nn.Linear,
    ]
    if not whole or _bias(module).dim() != 3:
        raise Problem(
            f"module: got a {type(module).__name__}, allowed one that `modules.two_convolutions` "
            "made"
        )
    axes = " ".join(map(str, _bias(module).shape))
    x, y = doors.finite(x=(x, f"n {axes}"), y=(y, "n"))
    doors.zeros_and_ones("y", y)
    return x, y


def _bias(module: nn.Sequential) -> nn.Parameter:
    """b_1, (channels, height, width)."""
    return next(module.parameters())


def _layers(module: nn.Sequential) -> list[nn.Conv2d | nn.Linear]:
    return [layer for layer in module if isinstance(layer, (nn.Conv2d, nn.Linear))]


def _taken(module: nn.Sequential) -> _Network:
    """Copies of the parameters in this module's layout."""
    found = [_bias(module).detach().numpy().transpose(1, 2, 0)[:_SIDE, :_SIDE]]
    for layer in _layers(module):
        weight = layer.weight.detach().numpy()
        found += [
            np.moveaxis(weight, 1, -1) if weight.ndim == 4 else weight,
            _own(layer).detach().numpy(),
        ]
    first, second = found[1], found[3]
    found[1] = first.reshape(len(first), -1)
    found[3] = second.reshape(len(second), second.shape[1], -1)
    found[7] = found[7][0]
    return _Network(*(np.array(part, order="C") for part in found))


def _give(network: _Network, module: nn.Sequential) -> None:
    """Writes the parameters back."""
    with torch.no_grad():
        _bias(module)[:, :_SIDE, :_SIDE] = torch.from_numpy(network.b1.transpose(2, 0, 1).copy())
        parts = iter(network[1:])
        for layer in _layers(module):
            weight, bias = next(parts), next(parts)
            if layer.weight.dim() == 4:
                out, into, rows, columns = layer.weight.shape
                weight = np.moveaxis(weight.reshape(out, rows, columns, into), -1, 1)
            layer.weight.copy_(
                torch.from_numpy(np.array(weight, order="C")).reshape(layer.weight.shape)
            )
            _own(layer).copy_(torch.from_numpy(bias.copy()))


def _own(layer: nn.Conv2d | nn.Linear) -> torch.Tensor:
    """The bias of a layer, which all of them have."""
    assert layer.bias is not None
    return layer.bias


class _Work(NamedTuple):
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
    def of(cls, network: _Network) -> "_Work":
        """For this network."""
        first, second, dtype = len(network.w1), len(network.w2), network.b1.dtype

        def empty(*shape: int) -> Array:
            return np.zeros(shape, dtype)

        taps = network.w1.shape[1]
        return cls(
            empty(*network.b1.shape), empty(_PLACES, taps), empty(_PLACES, first),
            empty(7, 7 * first), np.zeros((49, first), np.int32), empty(9, 25 * first),
            empty(second, 9), empty(second), np.zeros(second, np.int32), empty(second),
            empty(*network.b1.shape), empty(_PLACES, taps), empty(first, taps), empty(7, 7 * first),
            empty(second),
        )  # fmt: skip


@compiled
def _first_map(net, work, x):  # type: ignore[no-untyped-def]
    """h0, patches, z1 (without its bias), h1 and at1."""
    channels, taps = x.shape[2], 5 * x.shape[2]
    for r in range(_SIDE):
        for c in range(_SIDE):
            for k in range(channels):
                z = x[r, c, k] + net.b1[r, c, k]
                work.h0[r, c, k] = z if z > 0 else 0
    flat = work.h0.reshape(_SIDE, _SIDE * channels)
    for place in range(_PLACES):
        r, c = place // 21, place % 21
        for a in range(5):
            work.patches[place, a * taps : (a + 1) * taps] = flat[
                r + a, c * channels : c * channels + taps
            ]
    np.dot(work.patches, net.w1.T, work.z1)
    first = len(net.w1)
    for cell in range(49):
        corner = cell // 7 * 63 + cell % 7 * 3
        best, at = work.h1[cell // 7, cell % 7 * first : (cell % 7 + 1) * first], work.at1[cell]
        best[:] = work.z1[corner]
        at[:] = corner
        for k in range(1, 9):
            place = corner + k // 3 * 21 + k % 3
            row = work.z1[place]
            for o in range(first):
                larger = row[o] > best[o]
                best[o] = row[o] if larger else best[o]
                at[o] = place if larger else at[o]
        for o in range(first):
            z = best[o] + net.c1[o]
            best[o] = z if z > 0 else 0
            at[o] = at[o] if z > 0 else -1


@compiled
def _second_map(net, work):  # type: ignore[no-untyped-def]
    """z2 (without its bias), h2 and at2."""
    first, taps = len(net.w1), 5 * len(net.w1)
    for place in range(9):
        for a in range(5):
            begin = place % 3 * first
            work.patches2[place, a * taps : (a + 1) * taps] = work.h1[
                place // 3 + a, begin : begin + taps
            ]
    np.dot(net.w2.reshape(len(net.w2), 5 * taps), work.patches2.T, work.z2)
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
    first, channels = len(net.w1), work.d0.shape[2]
    taps = 5 * channels
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
    for o in range(first):
        for i in range(net.w1.shape[1]):
            net.w1[o, i] -= rate * work.g1[o, i]
    work.d0[:] = 0
    flat = work.d0.reshape(_SIDE, _SIDE * channels)
    for place in range(_PLACES):
        r, c = place // 21, place % 21
        for a in range(5):
            flat[r + a, c * channels : c * channels + taps] += work.d_patches[
                place, a * taps : (a + 1) * taps
            ]
    for r in range(_SIDE):
        for c in range(_SIDE):
            for k in range(channels):
                work.d0[r, c, k] = work.d0[r, c, k] if work.h0[r, c, k] > 0 else 0


@compiled
def _descend(net, work, x, y, order, rates, window, origin, previous, out):  # type: ignore[no-untyped-def]
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
