"""The runs of the experiment on the end of the simple phase, condition by condition.

Inputs are x ~ N(0, I_d). Labels are 1 and -1 by the sign of

    sinusoid   x_1 + A sin(F x_2), A = 1.7                 (Nakkiran et al. 2019, their code)
    staircase  x_1 + x_2 x_3 + x_4 x_5 x_6                 (Nakkiran et al. 2019, Figure 1)
    cubic      x_1 + 0.35 (x_2^3 - 3 x_2)
    xor        x_1 x_2                                     nothing in it is linear

and `linear` has numbers, x_1 + noise of variance 1/4, as Boursier & Flammarion 2025 have: the sign
of a linear function would be no linear target.
"""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from simplicity.nakkiran import complexity
from simplicity.problems import doors

Array = NDArray[np.floating]
TARGETS = ("sinusoid", "staircase", "cubic", "xor", "linear")
WAVE = 1.7  # amplitude of the sinusoid
BEND = 0.35  # of the cubic
NOISE = 0.25  # variance of the noise of linear labels


class Stratum(NamedTuple):
    """What runs of one condition have in common.

    `rate` is the step size in units of the clock, which is step size times steps, divided by d in
    the tangent parametrisation; `horizon` is the length in these units. Strata of one `draw` share
    inputs and starts. `flipped` labels of the training set are wrong; `shuffled` ones are
    permuted; `loud` is their size.
    """

    target: str
    start: str
    scale: float
    rate: float
    horizon: float
    draw: int
    dim: int = 15
    n: int = 4000
    frequency: float = 1.7
    loud: float = 1.0
    flipped: float = 0.0
    shuffled: bool = False


SMALL = 0.1  # step size of small starts
LARGE = 0.01  # of those at the kernel's scale
TANGENT = 0.1  # of tangent ones
WIDTH = 200
KERNEL = WIDTH**0.25  # lambda at which a small start has the size of a tangent one

STRATA = {
    "sinusoid .03": Stratum("sinusoid", "small", 0.03, SMALL, 300, 1),
    "sinusoid .3": Stratum("sinusoid", "small", 0.3, SMALL, 250, 2),
    "sinusoid 1": Stratum("sinusoid", "small", 1.0, SMALL, 250, 3),
    "sinusoid kernel": Stratum("sinusoid", "small", KERNEL, LARGE, 90, 4),
    "staircase .03": Stratum("staircase", "small", 0.03, SMALL, 300, 5),
    "staircase .3": Stratum("staircase", "small", 0.3, SMALL, 250, 6),
    "staircase 1": Stratum("staircase", "small", 1.0, SMALL, 250, 7),
    "staircase kernel": Stratum("staircase", "small", KERNEL, LARGE, 90, 8),
    "cubic .3": Stratum("cubic", "small", 0.3, SMALL, 250, 9),
    "cubic kernel": Stratum("cubic", "small", KERNEL, LARGE, 90, 10),
    "slow": Stratum("sinusoid", "small", 0.3, SMALL / 2, 250, 11),
    "tangent": Stratum("sinusoid", "tangent", 1.0, TANGENT, 250, 12),
    "deep": Stratum("sinusoid", "deep", 1.0, TANGENT, 250, 13),
    # what follows has noise, or is a control, or varies one thing of another stratum
    "tangent d 8": Stratum("sinusoid", "tangent", 1.0, TANGENT, 250, 12, dim=8),
    "tangent d 30": Stratum("sinusoid", "tangent", 1.0, TANGENT, 250, 12, dim=30),
    "lazy": Stratum("sinusoid", "tangent", 8.0, TANGENT, 250, 12),
    "frequency 1": Stratum("sinusoid", "small", 0.3, SMALL, 250, 2, frequency=1.0),
    "frequency 3": Stratum("sinusoid", "small", 0.3, SMALL, 250, 2, frequency=3.0),
    "loud": Stratum("sinusoid", "small", 0.3, SMALL / 4, 250 / 4, 2, loud=4.0),
    "linear many": Stratum("linear", "small", 0.1, SMALL, 600, 14, dim=5, n=480),
    "linear few": Stratum("linear", "small", 0.1, SMALL, 600, 15, dim=5, n=20),
    "shuffled .3": Stratum("sinusoid", "small", 0.3, SMALL, 250, 16, n=500, shuffled=True),
    "shuffled kernel": Stratum("sinusoid", "small", KERNEL, LARGE, 90, 17, n=500, shuffled=True),
    "flipped": Stratum("sinusoid", "small", 1.0, SMALL, 250, 18, n=500, flipped=0.2),
    "xor": Stratum("xor", "small", 0.3, SMALL, 250, 19),
}
LEARNABLE = tuple(STRATA)[:13]  # without noise


def of_scale(low: float, high: float, names: tuple[str, ...] = LEARNABLE) -> tuple[str, ...]:
    """Names of two-layer strata in the units of the small start, lambda from `low` to `high`."""
    small = (name for name in names if STRATA[name].start == "small")
    return tuple(name for name in small if low <= STRATA[name].scale <= high)


def values(stratum: Stratum, x: Array) -> Array:
    """The function (n,) whose sign is the label, or which is the label without noise."""
    doors.choice("target", stratum.target, TARGETS)
    if stratum.target == "sinusoid":
        return sinusoid(x, stratum.frequency)
    if stratum.target == "cubic":
        return cubic(x)
    if stratum.target == "xor":
        return np.asarray(x[:, 0] * x[:, 1])
    if stratum.target == "staircase":
        return np.asarray(complexity.partial_sum(x, 3) - 0.5)
    return np.asarray(x[:, 0])


def sinusoid(x: Array, frequency: float) -> Array:
    """x_1 + 1.7 sin(F x_2), (n,)."""
    return np.asarray(x[:, 0] + WAVE * np.sin(frequency * x[:, 1]))


def cubic(x: Array) -> Array:
    """x_1 + 0.35 (x_2^3 - 3 x_2), (n,)."""
    return np.asarray(x[:, 0] + BEND * (x[:, 1] ** 3 - 3 * x[:, 1]))


def drawn(stratum: Stratum, n: int, rng: Generator) -> tuple[Array, Array]:
    """Inputs (n, d) and labels (n,), without flips.

    Shuffled labels are so for testing as well: any direction of the inputs knows a little of labels
    that follow a rule.
    """
    x = rng.standard_normal((n, stratum.dim))
    y = values(stratum, x)
    if stratum.target == "linear":
        return x, y + NOISE**0.5 * rng.standard_normal(n)
    return x, _signs(stratum, y, rng)


def _signs(stratum: Stratum, y: Array, rng: Generator) -> Array:
    signs = np.where(y > 0, 1.0, -1.0)
    return stratum.loud * (rng.permutation(signs) if stratum.shuffled else signs)


def taught(stratum: Stratum, y: Array, rng: Generator) -> Array:
    """The labels that the network is trained on, (n,)."""
    wrong = rng.random(len(y)) < stratum.flipped
    return np.where(wrong, -y, y)
