"""Stochastic gradient descent, one image a step, compiled.

On the convolutional network of Loukas et al. (2021).

    `modules.two_convolutions`: x + b_1, relu, 5 x 5 convolution, relu, max-pooling by 3, again
    both, two full layers, a logit

The same steps and statistics as `single_sample_autograd.descend_autograd` takes on that module,
about ten times as fast on one core, because a single image leaves most of the network out (see
`single_image_steps`). Only the corner of the image that the network sees is kept (see
`modules.two_convolutions`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from torch import nn

from simplicity.loukas.single_image_steps import SIDE, Network, Work, advance
from simplicity.loukas.windows import Notes, Probe
from simplicity.problems import Problem, doors

Array = NDArray[np.floating]


def descend(
    module: nn.Sequential, x: Array, y: Array, order: NDArray[np.integer], *,
    step_size: ArrayLike, window: int, schedule: Sequence[int] = (),
    probes: Mapping[str, Probe] | None = None, dims: Mapping[str, tuple[str, ...]] | None = None,
) -> xr.Dataset:  # fmt: skip
    """Train `module` itself on images x (n, channels, height, width), labels y (n,).

    `modules.two_convolutions` made it.

    The loss is the cross-entropy, the precision the module's. Arguments and dataset as of
    `single_sample.descend`; probes get the module.
    """
    run = Run(
        module, x, y, order, step_size=step_size, window=window, schedule=schedule, probes=probes,
        dims=dims,
    )  # fmt: skip
    for now in run.notes.stretches():
        run.advance(now)
    return run.notes.table()


class Run:
    """A run of `descend`, whose arguments it takes: for who advances it by himself.

    `parameters` change in place, as `notes.values`, `notes.before` and `notes.found` do: together
    they are the state of the run.
    """

    def __init__(
        self, module: nn.Sequential, x: Array, y: Array, order: NDArray[np.integer], **plan: Any
    ) -> None:
        x, y = _looked_at(module, x, y)
        self.notes = Notes.of(x, order, **plan)
        self.module, self.parameters = module, _taken(module)
        self.inputs = _corner(x, self.parameters.b1.dtype)
        self.targets = y.astype(np.float64)
        self.origin = self.parameters.b1.ravel().copy()
        self.work = Work.of(self.parameters)

    def advance(self, now: slice) -> None:
        """These windows of `notes`, which are the next, and the look after them."""
        notes = self.notes
        advance(
            self.parameters, self.work, self.inputs, self.targets, notes.samples(now),
            notes.rates[now], notes.window, self.origin, notes.before, notes.values[now],
        )  # fmt: skip
        notes.check_finite(now)
        _give(self.parameters, self.module)
        notes.look(now, self.module)


def _looked_at(module: nn.Sequential, x: Array, y: Array) -> tuple[Array, Array]:
    """Images and labels, finite and as many of both; the module is the one compiled here."""
    _check_kind(module)
    axes = " ".join(map(str, _bias(module).shape))
    x, y = doors.finite(x=(x, f"n {axes}"), y=(y, "n"))
    doors.zeros_and_ones("y", y)
    return x, y


def _corner(x: Array, dtype: np.dtype) -> Array:
    """What the network sees of the images, channels last."""
    return np.ascontiguousarray(np.moveaxis(x, 1, -1)[:, :SIDE, :SIDE], dtype=dtype)


def _check_kind(module: nn.Sequential) -> None:
    """Two convolutions and two full layers, after a bias of the image's shape."""
    layers = _layers(module) if isinstance(module, nn.Sequential) else []
    kinds = [type(layer) for layer in layers]
    if kinds != [nn.Conv2d, nn.Conv2d, nn.Linear, nn.Linear] or _bias(module).dim() != 3:
        raise Problem(
            f"module: got a {type(module).__name__}, allowed one that `modules.two_convolutions` "
            "made"
        )


def _bias(module: nn.Sequential) -> nn.Parameter:
    """b_1, (channels, height, width)."""
    return next(module.parameters())


def _layers(module: nn.Sequential) -> list[nn.Conv2d | nn.Linear]:
    return [layer for layer in module if isinstance(layer, (nn.Conv2d, nn.Linear))]


def _taken(module: nn.Sequential) -> Network:
    """Copies of the parameters as `single_image_steps` lays them out."""
    found = [_bias(module).detach().numpy().transpose(1, 2, 0)[:SIDE, :SIDE]]
    for layer in _layers(module):
        found += [_channels_last(layer.weight), _own(layer).detach().numpy()]
    b1, w1, c1, w2, c2, w3, c3, w4, c4 = found
    parts = b1, w1.reshape(len(w1), -1), c1, w2.reshape(len(w2), 5, -1), c2, w3, c3, w4[0], c4
    return Network(*(np.array(part, order="C") for part in parts))


def _channels_last(weight: torch.Tensor) -> Array:
    """Of a convolution (out, rows, columns, into); a matrix as it is."""
    found = weight.detach().numpy()
    return np.moveaxis(found, 1, -1) if found.ndim == 4 else found


def _give(network: Network, module: nn.Sequential) -> None:
    """Writes the parameters back."""
    with torch.no_grad():
        _bias(module)[:, :SIDE, :SIDE] = torch.from_numpy(network.b1.transpose(2, 0, 1))
        for layer, weight, bias in zip(_layers(module), network[1::2], network[2::2], strict=True):
            layer.weight.copy_(_channels_first(weight, layer.weight.shape))
            _own(layer).copy_(torch.from_numpy(bias))


def _channels_first(weight: Array, shape: torch.Size) -> torch.Tensor:
    """The weight of this shape of which `_channels_last` made this."""
    if len(shape) == 4:
        out, into, rows, columns = shape
        weight = np.moveaxis(weight.reshape(out, rows, columns, into), -1, 1)
    return torch.from_numpy(np.ascontiguousarray(weight)).reshape(shape)


def _own(layer: nn.Conv2d | nn.Linear) -> torch.Tensor:
    """The bias of a layer, which all of them have."""
    assert layer.bias is not None
    return layer.bias
