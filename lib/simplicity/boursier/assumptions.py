"""Do the theorem's assumptions hold on a sample? (Boursier & Flammarion 2025, theorem 4.1)

A sample can refute an assumption about a law and never prove it. Each finding is a number, the
bound it is held against, and whether it holds; the bounds that are ours are named as such. One
inequality of the paper, numbered (8) there, asks in substance, as far as we recall, that the
covariance of the inputs be close to the identity, to the order of 1/sqrt(d). Its exact form is not
known to us, nor are the constants of the others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from simplicity.problems import Problem, doors

Array = NDArray[np.floating]

# of each test below: a sample that meets the assumption is refused once in a hundred
SIGNIFICANCE = 0.01
MARGIN = 0.4  # ours: c in |<x, beta*>| >= c |x| / sqrt(d)
LARGEST_SHARE = 0.25  # ours: of one sample in the sum of noise^4
_TINY = np.finfo(float).tiny  # in place of a divisor that is 0


class Finding(NamedTuple):
    """One assumption: what was measured, its value, its bound, and whether it holds."""

    what: str
    value: float
    bound: str
    holds: bool


@dataclass(frozen=True)
class Assumptions:
    """The findings on one sample; printed as a table."""

    findings: tuple[Finding, ...]

    @property
    def holds(self) -> bool:
        """Does everything hold that was looked at?"""
        return all(one.holds for one in self.findings)

    def __getitem__(self, what: str) -> Finding:
        return next(one for one in self.findings if one.what == what)

    def __str__(self) -> str:
        return "\n".join(map(_line, self.findings))


def assumptions(x: Array, noise: Array, teacher: Array, a: Array, w: Array) -> Assumptions:
    """All findings for x (n, d), noise y - <beta*, x> (n,), beta* (d,), start a (m,), w (m, d)."""
    x, noise, teacher = doors.finite(x=(x, "n d"), noise=(noise, "n"), teacher=(teacher, "d"))
    a, w = doors.finite(a=(a, "m"), w=(w, f"m {x.shape[1]}"))
    about_inputs = (symmetric(x), margin(x, teacher), isotropic(x))
    about_noise = (centred(noise), fourth_moment(noise))
    return Assumptions((*about_inputs, *about_noise, dominated(a, w), both_signs(a)))


def symmetric(x: Array) -> Finding:
    """Have x and -x the same law? Then odd functions have mean 0.

    The value is the largest |z| of the means of x_i and x_i^3 over i.

    z is a mean divided by its standard error without centring, which is exactly 0 on a mirrored
    sample; the bound is the normal quantile shared over the 2d functions. An asymmetry that leaves
    these means at 0 is not seen.
    """
    (x,) = doors.finite(x=(x, "n d"))
    odd = np.concatenate([x, x**3], axis=1)
    bound = float(stats.norm.isf(SIGNIFICANCE / (2 * odd.shape[1])))
    return _at_most("symmetric inputs", float(_scores(odd).max()), bound)


def _scores(values: Array) -> Array:
    """|z| of the mean of each column, without centring."""
    return np.abs(values.sum(axis=0)) / np.sqrt(np.maximum((values**2).sum(axis=0), _TINY))


def margin(x: Array, teacher: Array) -> Finding:
    """min_k |<x_k, beta*>| / |x_k|, for beta* of any length, against c / sqrt(d) with our c."""
    x, teacher = doors.finite(x=(x, "n d"), teacher=(teacher, "d"))
    doors.not_all_zero("teacher", teacher)
    if not x.any(axis=1).all():
        raise Problem("x: got an input that is 0, allowed others, since its margin is 0 / 0")
    along = x @ (teacher / np.linalg.norm(teacher))
    value = float(np.min(np.abs(along) / np.linalg.norm(x, axis=1)))
    return _at_least("margin", value, MARGIN / np.sqrt(x.shape[1]))


def isotropic(x: Array) -> Finding:
    """|X X^T / n - I| in operator norm, against 1 / sqrt(d).

    That is the substance of (8), with a constant 1 of ours.
    """
    (x,) = doors.finite(x=(x, "n d"))
    value = float(np.linalg.norm(x.T @ x / len(x) - np.eye(x.shape[1]), 2))
    return _at_most("covariance minus identity", value, 1 / np.sqrt(x.shape[1]))


def centred(noise: Array) -> Finding:
    """|mean| of the noise in standard errors."""
    (noise,) = doors.finite(noise=(noise, "n"))
    if len(noise) < 2:
        raise Problem("noise: got 1 sample, allowed 2 or more, since their spread is asked for")
    bound = float(stats.norm.isf(SIGNIFICANCE / 2))
    value = abs(float(np.mean(noise))) / _standard_error(noise)
    return _at_most("centred noise", value, bound)


def _standard_error(noise: Array) -> float:
    """That of the mean."""
    return max(float(np.std(noise, ddof=1)) / np.sqrt(len(noise)), _TINY)


def fourth_moment(noise: Array) -> Finding:
    """The largest sample's share of sum_k noise_k^4.

    It goes to 0 with n if and only if the fourth moment is finite.
    """
    (noise,) = doors.finite(noise=(noise, "n"))
    fourth = noise**4
    share = float(fourth.max() / max(fourth.sum(), _TINY))
    return _at_most("largest share of noise^4", share, LARGEST_SHARE)


def dominated(a: Array, w: Array) -> Finding:
    """min_j |a_j| / |w_j| against 1: inequality (3), by which every a_j keeps its sign."""
    a, w = doors.finite(a=(a, "m"), w=(w, "m d"))
    size = np.linalg.norm(w, axis=1)
    value = float(np.min(np.abs(a[size > 0]) / size[size > 0], initial=np.inf))
    return _at_least("dominated start", value, 1.0)


def both_signs(a: Array) -> Finding:
    """The number of neurons of the rarer sign of a_j: without one, the theorem says nothing."""
    (a,) = doors.finite(a=(a, "m"))
    return _at_least("neurons of the rarer sign", float(min(np.sum(a > 0), np.sum(a < 0))), 1.0)


def side_by_side(
    samples: Mapping[str, Assumptions],
) -> Sequence[tuple[str, str, tuple[Finding, ...]]]:
    """A row an assumption: name, bound, and finding on every sample, all of the same n and d."""
    if not samples:
        raise Problem("samples: got none, allowed at least one")
    reports = list(samples.values())
    return [
        (one.what, one.bound, tuple(report[one.what] for report in reports))
        for one in reports[0].findings
    ]


def _at_most(what: str, value: float, bound: float) -> Finding:
    return Finding(what, value, f"at most {bound:.3g}", bool(value <= bound))


def _at_least(what: str, value: float, bound: float) -> Finding:
    return Finding(what, value, f"at least {bound:.3g}", bool(value >= bound))


def _line(one: Finding) -> str:
    """One line of the printed table."""
    word = "holds" if one.holds else "does not hold"
    return f"{one.what:<26} {one.value:9.3g}  {one.bound:<18} {word}"
