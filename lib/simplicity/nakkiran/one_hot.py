"""The theorem's data: one coordinate that tells the label, and one of a sample's own.

Nakkiran et al. 2019, Theorem 1. y is uniform on {-1, +1}; x(1) = y with probability 1 - p and -y
otherwise; the other coordinates are a unit vector e_k with k uniform over `features`. So |x|^2 = 2
for every sample. With features much larger than n^2 all n training k differ, and that event is what
`training` draws from. Nothing of size `features` is ever made: a sample is its y, its x(1) and its
k.
"""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from simplicity.problems import doors

Array = NDArray[np.floating]
Keys = NDArray[np.integer]


class Samples(NamedTuple):
    """Labels y (n,), shared coordinates x(1) (n,), both +-1; index k (n,) of the other 1."""

    y: Array
    shared: Array
    key: Keys


def training(n: int, features: int, flip: float, rng: Generator) -> Samples:
    """n samples whose k all differ; `flip` is p."""
    _law(features, flip, rng)
    doors.whole("n", n, 1, features)
    return _with_keys(rng.choice(features, n, replace=False), flip, rng)


def fresh(n: int, features: int, flip: float, rng: Generator) -> Samples:
    """n samples of the law itself: k may be a training one, with probability n / features."""
    _law(features, flip, rng)
    doors.whole("n", n, 1)
    return _with_keys(rng.integers(features, size=n), flip, rng)


def _law(features: int, flip: float, rng: Generator) -> None:
    """What samples are drawn by."""
    doors.whole("features", features, 1)
    doors.number("flip", flip, low=0, high=1)
    doors.generator(rng)


def contradicted(samples: Samples) -> Samples:
    """The same with its last sample replaced, so that nothing interpolates it.

    The new one has the first one's input and the opposite label.
    """
    doors.arrays(y=(samples.y, "n"), shared=(samples.shared, "n"), key=(samples.key, "n"))
    opposite = -samples.y[0], samples.shared[0], samples.key[0]
    changed = zip(samples, opposite, strict=True)
    return Samples(*(np.append(part[:-1], last) for part, last in changed))


def unseen(key: Keys, trained: Keys) -> NDArray[np.bool_]:
    """Which of the `key` are not among those trained on, without a table of all features."""
    doors.arrays(key=(key, "N"), trained=(trained, "n"))
    known = np.sort(trained)
    return known[np.searchsorted(known, key) % len(known)] != key


def matrix(samples: Samples, features: int) -> Array:
    """The inputs as a dense (n, 1 + features) matrix, for small cases and other solvers."""
    doors.whole("features", features, 1)
    doors.indices("key", samples.key, features, str(len(samples.y)))
    own = np.arange(features) == np.asarray(samples.key)[:, None]
    return np.column_stack([samples.shared, own])


def signs(keys: Keys, rng: Generator) -> Array:
    """A random sign for each k, the same wherever the k comes again; shape of keys.

    The start w_0(k) is this times its size.
    """
    doors.generator(rng)
    unique, place = np.unique(keys, return_inverse=True)
    return _coins(len(unique), rng)[place]


def _with_keys(key: Keys, flip: float, rng: Generator) -> Samples:
    y = _coins(len(key), rng)
    return Samples(y, np.where(rng.random(len(key)) < flip, -y, y), key)


def _coins(n: int, rng: Generator) -> Array:
    return rng.choice((-1.0, 1.0), size=n)
