"""Laws of (F, Y, L) that are known exactly: predictions of a network and of L, with their labels.

A `Rule` says how binary ones are drawn, `law` what their probabilities are, `CLOSED_FORMS` what
they know. `copying` and `filled` are laws with any number of classes, Y uniform: in the first L is
right with probability b, on a share of the inputs F copies L, elsewhere it errs by itself, so that
its accuracy is a, and a wrong prediction is uniform over the other classes. In the second all three
agree on a share of the inputs and are independent and uniform elsewhere.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from simplicity.nakkiran import information
from simplicity.nakkiran.information import from_accuracy
from simplicity.problems import doors

Array = NDArray[np.floating]
COPIED = 0.25  # share of the inputs on which F copies L
AGREE = 0.2  # of the law with every cell filled


class Rule(NamedTuple):
    """P(Y=1), P(L=1|Y) of shape (2,), and P(F=1|Y,L) of shape (2, 2)."""

    ones: float
    simple: Array
    network: Array


def rule(case: str, accuracy: float, share: float, simple: float, minority: float) -> Rule:
    """How Y, L and F are drawn. One-sided errors are all on Y = 1, at twice the mean error rate."""
    right = 0.5 if case == "exclusive or" else simple
    ones = minority if case == "unbalanced" else 0.5
    return Rule(ones, np.array([1 - right, right]), _network(case, accuracy, share))


def _network(case: str, accuracy: float, share: float) -> Array:
    """P(F=1|Y,L), rows Y; without a rule of its own F errs on both classes alike."""
    y, other = np.indices((2, 2)).astype(float)
    return {
        "exclusive or": np.abs(y - other),
        "equal": other,
        "coin": np.full((2, 2), 0.5),
        "perfect": y,
        "one-sided": y * (2 * accuracy - 1),
        "mixture": share * other + (1 - share) / 2,
    }.get(case, y * accuracy + (1 - y) * (1 - accuracy))


def law(of: Rule) -> Array:
    """P(F, Y, L), shape (2, 2, 2)."""
    p_y, p_l, p_f = (np.stack([1 - p, p]) for p in (np.array(of.ones), of.simple, of.network))
    return np.einsum("y,ly,fyl->fyl", p_y, p_l, p_f)


def sample(of: Rule, draws: int, points: int, rng: Generator) -> NDArray[np.integer]:
    """Tables (draws, 2, 2, 2) of predictions drawn point by point."""
    doors.kind("of", of, Rule)
    doors.whole("draws", draws, 1)
    doors.whole("points", points, 1)
    doors.generator(rng)
    return np.stack([_one_sample(of, points, rng) for _ in range(draws)])


def _one_sample(of: Rule, points: int, rng: Generator) -> NDArray[np.integer]:
    """One table, (2, 2, 2)."""
    first, second, third = rng.random((3, points), dtype=np.float32)
    y = (first < of.ones).view(np.int8)
    simple = (second < of.simple.astype(np.float32)[y]).view(np.int8)
    ones = of.network.astype(np.float32)[y, simple]
    return information.table(third < ones, y, simple)


def random_laws(draws: int, balanced: bool, rng: Generator) -> Array:
    """Laws (draws, 2, 2, 2), nearly empty to nearly uniform (Dirichlet, parameter 0.05 to 5)."""
    doors.whole("draws", draws, 1)
    doors.generator(rng)
    spread = 10 ** rng.uniform(np.log10(0.05), np.log10(5), draws)
    weights = np.maximum(rng.gamma(spread[:, None, None, None], size=(draws, 2, 2, 2)), 1e-300)
    axes = (1, 3) if balanced else (1, 2, 3)
    return weights / weights.sum(axis=axes, keepdims=True) / (2 if balanced else 1)


def mixed(share: float, simple: float = 0.8) -> float:
    """The accuracy of F that is L on a share of the inputs, and a coin elsewhere."""
    doors.number("share", share, low=0, high=1)
    doors.number("simple", simple, low=0, high=1)
    return share * simple + (1 - share) / 2


def _i(accuracy: float) -> float:
    return float(from_accuracy(accuracy))


def _independent(a: float, b: float) -> tuple[float, ...]:
    both = _i(a * b + (1 - a) * (1 - b))
    return _i(a), _i(b), both, _i(a) - both, both


def _mixture(b: float, q: float) -> tuple[float, ...]:
    return _i(mixed(q, b)), _i(b), _i((1 + q) / 2), 0.0, _i(mixed(q, b))


# Closed forms of I(F;Y), I(L;Y), I(F;L), I(F;Y|L), mu from the accuracies of F and L and the share
# q; h is 1 - from_accuracy.
CLOSED_FORMS: dict[str, Callable[[float, float, float], tuple[float, ...]]] = {
    "equal": lambda a, b, q: (_i(b), _i(b), 1.0, 0.0, _i(b)),
    "mixture": lambda a, b, q: _mixture(b, q),
    "symmetric": lambda a, b, q: _independent(a, b),
    "exclusive or": lambda a, b, q: (0.0, 0.0, 0.0, 1.0, -1.0),
    "perfect": lambda a, b, q: (1.0, _i(b), _i(b), 1 - _i(b), _i(b)),
}


def copying(classes: int, a: float, b: float) -> Array:
    """P(F, Y, L), (C, C, C): Y uniform, L of accuracy b, F = L on a share, of accuracy a in all."""
    alone = (a - COPIED * b) / (1 - COPIED)
    network, simple = (_confusion(classes, one) for one in (alone, b))  # (Y, F) and (Y, L)
    f = COPIED * np.eye(classes)[:, None, :] + (1 - COPIED) * network.T[:, :, None]
    return f * simple[None] / classes


def filled(classes: int) -> Array:
    """P(F, Y, L) = `AGREE` [F = Y = L] / C + (1 - `AGREE`) / C^3."""
    doors.whole("classes", classes, 1)
    found = np.full((classes,) * 3, (1 - AGREE) / classes**3)
    same = np.arange(classes)
    found[same, same, same] += AGREE / classes
    return found


def _confusion(classes: int, accuracy: float) -> Array:
    """P(prediction | Y), rows Y: right with this probability, else uniform over the others."""
    wrong = (1 - accuracy) / (classes - 1)
    return wrong + (accuracy - wrong) * np.eye(classes)
