"""Closed forms of the Gaussian moments of activations, where there are any."""

import math

from simplicity.nets.activations import ACTIVATIONS, Moments
from simplicity.problems import doors

_BELOW = {"relu": 0.0, "leaky relu": 0.1, "abs": -1.0}  # slope for z below 0


def closed_form(activation: str, variance: float = 1.0) -> Moments | None:
    """`activations.moments` without quadrature: erf at any variance, ReLU and its kin, GELU at 1.

    phi(z) = z for z >= 0 and a z below: zeta = (1 + a)/2, and E phi = E g phi' = (1 - a)/sqrt(2
    pi), E phi^2 = (1 + a^2)/2.
    """
    doors.choice("activation", activation, ACTIVATIONS)
    doors.number("variance", variance, low=0)
    if activation == "erf":
        return _of_erf(variance)
    if variance != 1:
        return None
    if activation in _BELOW:
        return _of_two_pieces(_BELOW[activation])
    return _of_gelu() if activation == "gelu" else None


def _of_erf(variance: float) -> Moments:
    share = 2 * variance / (1 + 2 * variance)
    zeta, second = 2 / math.sqrt(math.pi * (1 + 2 * variance)), 2 / math.pi * math.asin(share)
    return Moments(zeta, 0.0, 0.0, 0.0, 0.0, second)


def _of_gelu() -> Moments:
    root = 1 / math.sqrt(math.pi)
    second = 1 / 3 + 1 / (2 * math.pi * math.sqrt(3))
    return Moments(0.5, 0.75 * root, 0.5 * root, 0.75 * root, root / 16, second)


def _of_two_pieces(below: float) -> Moments:
    mean = (1 - below) / math.sqrt(2 * math.pi)
    return Moments((1 + below) / 2, mean, mean, mean, 0.0, (1 + below**2) / 2)
