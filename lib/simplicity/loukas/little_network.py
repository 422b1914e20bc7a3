"""A little convolutional network with a bias on its input, and images for it.

It is a function of W_1 x + b_1 whatever its parts are: convolution, pooling, a skip connection,
another activation. Loukas et al. 2021, section 2.
"""

from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from simplicity.data import streams

PARTS = ("conv", "max pool", "mean pool", "skip", "tanh", "leaky")
FIRST = "conv first"  # layer 1 is a convolution itself
SIDE, IMAGES = 8, 30


def images(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian images (IMAGES, 1, SIDE, SIDE), and for labels a sum over their upper half."""
    x = streams.generator(seed, streams.DATA).standard_normal((IMAGES, 1, SIDE, SIDE))
    return x, x[:, 0, :4].sum(axis=(1, 2)) / 4


class Network(nn.Module):
    """`first`, then `bias`, an activation, a convolution, the part in question, a head.

    The bias has a number for each pixel, or one that all share.
    """

    def __init__(self, kind: str, shared_bias: bool, seed: int) -> None:
        super().__init__()
        drawn = partial(_drawn, torch.Generator().manual_seed(seed))
        self.kind = kind
        self.kernel = drawn(4, 1, 3, 3, scale=0.3)
        if kind == "skip":
            self.mixed = drawn(4, 4, 3, 3, scale=0.2)
        self.head = drawn(64 if "pool" in kind else 256, scale=0.1)
        self.bias = drawn(1, *((1, 1) if shared_bias else (SIDE, SIDE)), scale=0.1)
        self.first_kernel = drawn(1, 1, 3, 3, scale=0.4).requires_grad_(False)

    def first(self, x: Tensor) -> Tensor:
        """W_1 x: the identity, or a convolution."""
        if self.kind != FIRST:
            return x
        return _convolved(x, self.first_kernel)

    def singular_values(self) -> np.ndarray:
        """The largest and the smallest of W_1."""
        return np.linalg.svd(self._matrix(), compute_uv=False)[[0, -1]]

    def _matrix(self) -> np.ndarray:
        """W_1, a row for each pixel of the input."""
        basis = torch.eye(SIDE * SIDE, dtype=torch.float64).reshape(-1, 1, SIDE, SIDE)
        with torch.no_grad():
            return self.first(basis).reshape(SIDE * SIDE, -1).numpy()

    def forward(self, x: Tensor) -> Tensor:
        h = _convolved(self._active(self.first(x) + self.bias), self.kernel)
        return self._part(self._active(h)).flatten(start_dim=1) @ self.head

    def _active(self, z: Tensor) -> Tensor:
        if self.kind == "tanh":
            return torch.tanh(z)
        return nn.functional.leaky_relu(z, 0.1 if self.kind == "leaky" else 0.0)

    def _part(self, h: Tensor) -> Tensor:
        """What the skip connection or the pooling makes of the hidden layer."""
        if self.kind == "skip":
            return h + self._active(_convolved(h, self.mixed))
        if self.kind == "max pool":
            return nn.functional.max_pool2d(h, 2)
        return nn.functional.avg_pool2d(h, 2) if self.kind == "mean pool" else h


def _convolved(images: Tensor, kernel: Tensor) -> Tensor:
    """Images of the same size."""
    return nn.functional.conv2d(images, kernel, padding=1)


def _drawn(generator: torch.Generator, *shape: int, scale: float) -> nn.Parameter:
    """Gaussian numbers times `scale`."""
    values = torch.randn(*shape, generator=generator, dtype=torch.float64)
    return nn.Parameter(scale * values)
