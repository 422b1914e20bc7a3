"""Rank correlations over runs whose seeds are shared between conditions, with their intervals."""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from simplicity.problems import Problem, doors

Array = NDArray[np.floating]

DRAWS = 1000  # of a bootstrap
LOW, HIGH = 0.025, 0.975


class Correlation(NamedTuple):
    """A rank correlation, its 95 % interval, and how many undefined numbers were left out."""

    value: float
    low: float
    high: float
    missing: int = 0


def spearman(x: ArrayLike, y: ArrayLike) -> float:
    """Spearman's rank correlation; NaN where either is constant."""
    x, y = doors.arrays(x=(x, "n"), y=(y, "n"))
    return float(_correlations(_floats(x)[None], _floats(y)[None])[0])


def spearman_over_seeds(x: ArrayLike, values: ArrayLike) -> Correlation:
    """Rank correlation of the conditions' `x` (k,) with `values` (seeds, k), over all runs at once.

    The interval is a percentile bootstrap that draws whole seeds, since all conditions of a seed
    share their data: k is no number of independent runs. Undefined values are left out.
    """
    given, found = _by_condition(x, values)
    draws = _bootstrapped(given, found)
    missing = int(np.isnan(found).sum())
    return Correlation(_defined(given.ravel(), found.ravel()), *_middle(draws), missing)


def _bootstrapped(x: Array, y: Array) -> Array:
    """The correlation of x and y, both (seeds, k), for each draw of seeds."""
    chosen = _drawn_seeds(len(y))
    if np.isnan(y).any():
        return np.array([_defined(x[one].ravel(), y[one].ravel()) for one in chosen])
    return _correlations(x[chosen].reshape(DRAWS, -1), y[chosen].reshape(DRAWS, -1))


def _drawn_seeds(count: int) -> NDArray[np.int64]:
    """With replacement, (`DRAWS`, count); the same in each call."""
    return np.random.default_rng(0).integers(count, size=(DRAWS, count))


def shuffled(x: ArrayLike, values: ArrayLike, rng: Generator) -> Array:
    """Draws (`DRAWS`,) of the correlation with the conditions shuffled within each seed.

    That is its law where x says nothing.
    """
    given, found = _by_condition(x, values)
    doors.generator(rng)
    mixed = rng.permuted(np.broadcast_to(given, (DRAWS, *given.shape)), axis=-1)
    return _correlations(mixed.reshape(DRAWS, -1), np.tile(found.ravel(), (DRAWS, 1)))


def spearman_within(x: ArrayLike, values: ArrayLike) -> Correlation:
    """Mean over conditions of the rank correlation over seeds of x and `values`, each (seeds, k).

    Conditions of a seed share its data, so the interval draws whole seeds and not single runs.
    """
    x, values = doors.arrays(x=(x, "seeds k"), values=(values, "seeds k"))
    value = _mean_correlation(x, values, np.arange(len(x))[None])[0]
    draws = _mean_correlation(x, values, _drawn_seeds(len(x)))
    return Correlation(float(value), *_middle(draws))


def _mean_correlation(x: Array, values: Array, chosen: NDArray[np.int64]) -> Array:
    """Mean over conditions of the correlation over seeds, for each draw of seeds (draws, seeds)."""
    columns = zip(_floats(x).T, _floats(values).T, strict=True)
    return np.mean([_correlations(one[chosen], other[chosen]) for one, other in columns], axis=0)


def _middle(draws: Array) -> tuple[float, float]:
    """The ends of the middle 95 % of the draws that are numbers."""
    draws = draws[np.isfinite(draws)]
    if not len(draws):
        return np.nan, np.nan
    low, high = np.quantile(draws, [LOW, HIGH]).tolist()
    return low, high


def _by_condition(x: ArrayLike, values: ArrayLike) -> tuple[Array, Array]:
    """`x`, given for each condition or for each run, and `values`: both (seeds, k)."""
    (found,) = doors.arrays(values=(values, "seeds k"))
    (given,) = doors.arrays(x=(x, "..."))
    if given.shape not in (found.shape, found.shape[1:]):
        raise Problem(
            f"x: got shape {given.shape}, allowed {found.shape[1:]} or {found.shape} as values"
        )
    return np.broadcast_to(_floats(given), found.shape), _floats(found)


def _defined(x: Array, y: Array) -> float:
    kept = np.isfinite(y)
    return spearman(x[kept], y[kept]) if kept.sum() > 1 else float("nan")


def _correlations(x: Array, y: Array) -> Array:
    """Spearman's correlation of each row, (rows,)."""
    a, b = _centred_ranks(x), _centred_ranks(y)
    size = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return np.divide((a * b).sum(axis=1), size, out=np.full(len(x), np.nan), where=size > 0)


def _centred_ranks(rows: Array) -> Array:
    ranks = stats.rankdata(rows, axis=1)
    return ranks - ranks.mean(axis=1, keepdims=True)


def _floats(values: ArrayLike) -> Array:
    return np.asarray(values, dtype=float)
