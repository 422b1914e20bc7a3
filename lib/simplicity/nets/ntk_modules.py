"""Deep networks in NTK parametrisation as torch modules with one logit (Hu et al. 2020, section 4).

    h_0 = x,   h_l = phi(W_l h_{l-1} / sqrt(fan in)),   g(x) = <v, h_L> / sqrt(fan in)
    all weights N(0, 1), no bias

so that every layer is trained at one step size whatever its width. W_l is a matrix, or a 3 x 3
convolution whose fan in is 9 x channels. Modules map inputs (n, ...) to logits (n,); their random
numbers come from the generator that is given alone.
"""

import copy
import math
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from numpy.random import Generator
from torch import Tensor, nn

from simplicity.nets.activations import ACTIVATIONS
from simplicity.nets.modules import torch_generator
from simplicity.problems import doors

Padding = Literal["circular", "zeros"]
Head = Literal["flatten", "pooling"]
PADDINGS: tuple[Padding, ...] = ("circular", "zeros")
HEADS: tuple[Head, ...] = ("flatten", "pooling")
_KERNEL = 3


class FullyConnected(nn.Module):
    """Hidden layers of weights (m_l, m_{l-1}), then v (1, m_L)."""

    def __init__(self, sizes: Sequence[int], activation: str, rng: Generator) -> None:
        doors.sizes("sizes", sizes)
        doors.choice("activation", activation, ACTIVATIONS)
        super().__init__()
        numbers = torch_generator(rng)
        shapes = zip((*sizes[1:], 1), sizes, strict=True)
        self.weights = nn.ParameterList([torch.randn(shape, generator=numbers) for shape in shapes])
        self.activation = ACTIVATIONS[activation].value

    def forward(self, x: Tensor) -> Tensor:
        *hidden, last = self.weights
        h = x.flatten(1)
        for weight in hidden:
            h = self.activation(nn.functional.linear(h, _scaled(weight)))
        return nn.functional.linear(h, _scaled(last))[:, 0]


class Convolutional(nn.Module):
    """Hidden layers of weights (channels, channels before, 3, 3), then v.

    v is over all places, or over their mean.
    """

    def __init__(
        self, shape: tuple[int, int, int], channels: int, depth: int, activation: str,
        rng: Generator, padding: Padding, head: Head,
    ) -> None:  # fmt: skip
        doors.sizes("shape", shape, 3)
        doors.whole("channels", channels, 1)
        doors.depth(depth, 1)
        doors.choice("activation", activation, ACTIVATIONS)
        doors.choice("padding", padding, PADDINGS)
        doors.choice("head", head, HEADS)
        super().__init__()
        numbers = torch_generator(rng)
        planes, height, width = shape
        shapes = [
            (channels, before, _KERNEL, _KERNEL) for before in (planes, *[channels] * (depth - 1))
        ]
        last = channels if head == "pooling" else channels * height * width
        self.weights = nn.ParameterList(
            [torch.randn(one, generator=numbers) for one in (*shapes, (1, last))]
        )
        self.activation = ACTIVATIONS[activation].value
        self.mode = "circular" if padding == "circular" else "constant"
        self.pooling = head == "pooling"

    def forward(self, x: Tensor) -> Tensor:
        *hidden, last = self.weights
        h = x
        for weight in hidden:
            around = nn.functional.pad(h, (1, 1, 1, 1), mode=self.mode)
            h = self.activation(nn.functional.conv2d(around, _scaled(weight)))
        top = h.mean((2, 3)) if self.pooling else h.flatten(1)
        return nn.functional.linear(top, _scaled(last))[:, 0]


class Difference(nn.Module):
    """f = (g_a - g_b) / sqrt 2 of two copies with parameters of their own."""

    def __init__(self, copied: nn.Module) -> None:
        super().__init__()
        self.plus, self.minus = copied, copy.deepcopy(copied)

    def forward(self, x: Tensor) -> Tensor:
        return (self.plus(x) - self.minus(x)) / math.sqrt(2)


def fully_connected(sizes: Sequence[int], activation: str, rng: Generator) -> FullyConnected:
    """Layers of these sizes, inputs first, then one logit. Inputs (n, ...) are flattened."""
    return FullyConnected(sizes, activation, rng)


def convolutional(
    shape: tuple[int, int, int], channels: int, depth: int, activation: str, rng: Generator, *,
    padding: Padding = "circular", head: Head = "flatten",
) -> Convolutional:  # fmt: skip
    """`depth` layers of 3 x 3 convolutions on images (planes, height, width).

    The padding keeps their size.

    Head `flatten` reads all places with weights of their own; `pooling` takes their mean first. Its
    kernel is another one: linear in the channels' means and not in x.
    """
    return Convolutional(shape, channels, depth, activation, rng, padding, head)


def difference(build: Callable[[], nn.Module]) -> Difference:
    """Two equal copies of what `build` makes: f = 0 at the start, with the kernel of one copy."""
    doors.function("build", build)
    return Difference(build())


def _scaled(weight: Tensor) -> Tensor:
    return weight / math.sqrt(weight[0].numel())
