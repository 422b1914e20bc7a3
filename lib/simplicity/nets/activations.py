"""The activations of Hu et al. 2020: phi, phi', and the Gaussian moments of their theory.

phi and phi' act on torch tensors of any shape and precision; `out` takes the result in place of new
memory. phi'(0) is the mean of both sides for ReLU and its kin, which no run can tell from another
choice.
"""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from scipy import integrate, stats
from torch import Tensor

from simplicity.problems import doors

_TWO_OVER_ROOT_PI = 2 / math.sqrt(math.pi)
_REACH = 12.0  # beyond, the Gaussian density is below 1e-31


class Activation(NamedTuple):
    """phi and phi', each called as f(z) or f(z, out=tensor).

    f(z) is differentiable. `of_value` is phi' from phi(z).
    """

    value: Callable[..., Tensor]
    slope: Callable[..., Tensor]
    of_value: Callable[..., Tensor] | None = None


class Moments(NamedTuple):
    """Of g ~ N(0, 1): zeta = E phi'(g), bend = E g phi'(g), vartheta_0 = E phi(g), vartheta_1 = E g
    phi'(g), vartheta_2 = E (g^3/2 - g) phi'(g), second = E phi(g)^2 (Hu et al. 2020, section 3).
    """

    zeta: float
    bend: float
    vartheta_0: float
    vartheta_1: float
    vartheta_2: float
    second: float


def _erf_slope(z: Tensor, out: Tensor | None = None) -> Tensor:
    return torch.mul(z, z, out=out).neg_().exp_().mul_(_TWO_OVER_ROOT_PI)


def _tanh_of_value(value: Tensor, out: Tensor | None = None) -> Tensor:
    return torch.square(value, out=out).neg_().add_(1)


def _tanh_slope(z: Tensor, out: Tensor | None = None) -> Tensor:
    return _tanh_of_value(torch.tanh(z), out=out)


def _sigmoid_of_value(value: Tensor, out: Tensor | None = None) -> Tensor:
    return torch.square(value, out=out).neg_().add_(value)


def _sigmoid_slope(z: Tensor, out: Tensor | None = None) -> Tensor:
    return _sigmoid_of_value(torch.sigmoid(z), out=out)


def _softplus(z: Tensor, out: Tensor | None = None) -> Tensor:
    if out is None:
        return torch.nn.functional.softplus(z, threshold=40)
    return torch.abs(z, out=out).neg_().exp_().log1p_().add_(torch.clamp(z, min=0))


def _gelu(z: Tensor, out: Tensor | None = None) -> Tensor:
    return torch.special.ndtr(z, out=out).mul_(z)


def _gelu_slope(z: Tensor, out: Tensor | None = None) -> Tensor:
    density = torch.square(z).mul_(-0.5).exp_().mul_(z).mul_(1 / math.sqrt(2 * math.pi))
    return torch.special.ndtr(z, out=out).add_(density)


def _leaky(below: float) -> Activation:
    """z for z >= 0, `below` z for z < 0."""

    def value(z: Tensor, out: Tensor | None = None) -> Tensor:
        return torch.clamp(z, min=0, out=out).add_(torch.clamp(z, max=0), alpha=below)

    def slope(z: Tensor, out: Tensor | None = None) -> Tensor:
        return torch.sign(z, out=out).mul_((1 - below) / 2).add_((1 + below) / 2)

    return Activation(value, slope)


ACTIVATIONS: dict[str, Activation] = {
    "erf": Activation(torch.erf, _erf_slope),
    "tanh": Activation(torch.tanh, _tanh_slope, _tanh_of_value),
    "relu": _leaky(0.0),
    "leaky relu": _leaky(0.1),
    "sigmoid": Activation(torch.sigmoid, _sigmoid_slope, _sigmoid_of_value),
    "softplus": Activation(_softplus, torch.sigmoid),
    "gelu": Activation(_gelu, _gelu_slope),
    "abs": _leaky(-1.0),
}
NAMES = tuple(ACTIVATIONS)


def expectation(function: Callable[[float], float]) -> float:
    """E function(g), g ~ N(0, 1), by adaptive quadrature on either side of 0, a possible kink."""
    both = [
        integrate.quad(
            lambda g: function(g) * stats.norm.pdf(g), *half, epsabs=1e-13, epsrel=1e-12, limit=200
        )[0]
        for half in ((-_REACH, 0.0), (0.0, _REACH))
    ]
    return float(sum(both))


@functools.cache
def moments(name: str, variance: float = 1.0) -> Moments:
    """`Moments` of phi(s .), s^2 = `variance`, by quadrature; phi' at s g, not multiplied by s."""
    doors.choice("activation", name, ACTIVATIONS)
    doors.number("variance", variance, low=0)
    scale = math.sqrt(variance)
    act = ACTIVATIONS[name]

    def value(g: float) -> float:
        return float(act.value(torch.tensor([scale * g], dtype=torch.float64))[0])

    def slope(g: float) -> float:
        return float(act.slope(torch.tensor([scale * g], dtype=torch.float64))[0])

    bend = expectation(lambda g: g * slope(g))
    return Moments(
        expectation(slope), bend, expectation(value), bend,
        expectation(lambda g: (g**3 / 2 - g) * slope(g)), expectation(lambda g: value(g) ** 2),
    )  # fmt: skip


def apply(name: str, z: np.ndarray) -> np.ndarray:
    """phi(z) for an array."""
    doors.choice("activation", name, ACTIVATIONS)
    return ACTIVATIONS[name].value(torch.from_numpy(np.asarray(z))).numpy()
