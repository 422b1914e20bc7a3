"""How much of a network the linear model explains, in squares and in bits: the checks of H28 and
H48.

The criteria stand in `experiments.four_lenses`. Each claim has its runs, and runs in few dimensions
as a control.
"""

from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy import stats

from simplicity.data import streams
from simplicity.evidence import claims
from simplicity.evidence.claims import Check, Estimate, above, below, check
from simplicity.grid.groups import Runs
from simplicity.hu import early_linear_checks
from simplicity.hu.early_linear import PLATEAU
from simplicity.hu.early_linear_checks import on_plateau
from simplicity.nakkiran import information

ENOUGH = 20_000  # samples
NEAR = (0.5, 2.0)  # ratio of two times that count as one
EARLY = "on the plateau: smallest share"
ANOTHER = "another classifier as accurate as L: largest"
GROUPS = {"H28": ("kernel", "low"), "H48": ("curved", "low_curved")}


def checks(runs: Runs, claim: str) -> list[Check]:
    """Those of one claim."""
    return [
        *_shares(runs, claim),
        _kept(runs, claim),
        _rank_correlation(runs, claim),
        _halves(runs, claim),
    ]


def _few(runs: Runs) -> str:
    """Why not what needs a network that generalises beyond the linear model."""
    n, low = runs.settings.n, early_linear_checks.low(runs.settings.dim)
    return low or ("" if n >= ENOUGH else f"{n} samples, {ENOUGH} are needed")


class _Share(NamedTuple):
    """A share that the linear model explains, (cell, time): its level on the plateau, a control of
    that, and why its end cannot be tested."""

    word: str
    values: np.ndarray
    level: float
    control: tuple[str, Estimate]
    unless: str


def _main(runs: Runs, claim: str) -> xr.Dataset:
    return runs[GROUPS[claim][0]]


def _shares(runs: Runs, claim: str) -> list[Check]:
    """What the linear model explains of the network, on the plateau and at the end."""
    both = _squares(runs, claim), _in_bits(runs, claim)
    return [one for share in both for one in (_early(runs, claim, share), _end(runs, claim, share))]


def _squares(runs: Runs, claim: str) -> _Share:
    """That in squares, with the one in few dimensions for a control."""
    flat = GROUPS[claim][1]
    at_plane = f"d = {getattr(runs.settings, flat + '_dim')}: largest"
    of_plane = claims.largest(on_plateau(runs[flat], runs[flat].explained.values))
    values, low = _main(runs, claim).explained.values, early_linear_checks.low(runs.settings.dim)
    return _Share("squares", values, 0.98, (at_plane, of_plane), low)


def _in_bits(runs: Runs, claim: str) -> _Share:
    """That of decisions, with another classifier for a control."""
    run = _main(runs, claim)
    of_another = claims.largest(on_plateau(run, bits(run, 1)))
    return _Share("bits", bits(run), 0.9, (ANOTHER, of_another), _few(runs))


def _on_plateau(runs: Runs, claim: str, share: _Share) -> Estimate:
    return claims.smallest(on_plateau(_main(runs, claim), share.values))


def _early(runs: Runs, claim: str, share: _Share) -> Check:
    return check(
        runs, f"{claim}.{share.word}_early", "empirical",
        f"share explained in {share.word}, median on the plateau: smallest over seeds",
        _on_plateau(runs, claim, share), above(share.level), share.control,
        unless=early_linear_checks.low(runs.settings.dim),
    )  # fmt: skip


def _end(runs: Runs, claim: str, share: _Share) -> Check:
    return check(
        runs, f"{claim}.{share.word}_end", "empirical",
        f"share explained in {share.word} at the end: largest over seeds",
        claims.largest(share.values[:, -1]), below(0.9), (EARLY, _on_plateau(runs, claim, share)),
        unless=share.unless,
    )  # fmt: skip


def _kept(runs: Runs, claim: str) -> Check:
    run = _main(runs, claim)
    return check(
        runs, f"{claim}.kept", "empirical",
        "kept of L at the end, retention index: smallest over seeds",
        claims.smallest(kept(run)), above(0.5), (ANOTHER, claims.largest(kept(run, 1))),
        unless=_few(runs),
    )  # fmt: skip


def _rank_correlation(runs: Runs, claim: str) -> Check:
    run = _main(runs, claim)
    both = run.explained.values, bits(run)
    ranks, shuffled = (together(run, *both, shuffled=one) for one in (False, True))
    return check(
        runs, f"{claim}.together", "empirical",
        "rank correlation of both shares from the plateau on",
        claims.mean(ranks), claims.interval_above(0.5),
        ("one of them shuffled in time", claims.mean(shuffled)), unless=_few(runs),
    )  # fmt: skip


def _halves(runs: Runs, claim: str) -> Check:
    run = _main(runs, claim)
    squares, falls = fallen(run, run.explained.values), fallen(run, bits(run))
    return check(
        runs, f"{claim}.halves", "empirical",
        "both have fallen by half within a factor of 2 in time: share of seeds",
        claims.share(near(squares, falls)), claims.every_seed(),
        (
            "the time at which half of the linear model is learnt",
            claims.share(near(_half_learnt(run), falls)),
        ),
        unless=_few(runs),
    )  # fmt: skip


def _half_learnt(run: xr.Dataset) -> list[float]:
    """For each seed the time at which the linear model has half of its power."""
    powers = zip(run.clock.values, run.power.values, strict=True)
    return [first_beyond(clock, power, power[-1] / 2) for clock, power in powers]


def bits(run: xr.Dataset, other: int = 0) -> np.ndarray:
    """mu_Y(F; other) / I(F;Y), (cell, time), NaN where the network knows nothing.

    `other` is 0 for L and 1 for R.
    """
    found = information.information(run.counts.values[:, :, other])
    nothing = np.full_like(found.mu, np.nan)
    return np.divide(found.mu, found.network, out=nothing, where=found.network > 1e-3)


def kept(run: xr.Dataset, other: int = 0) -> np.ndarray:
    """Retention index at the last time, (cell,)."""
    counts = run.counts.values[:, -1, other]
    found = information.information(counts)
    null = information.mu_null(*information.accuracies(counts))
    return information.retention_index(found.mu, null, found.network, found.simple)


def together(
    run: xr.Dataset, first: np.ndarray, second: np.ndarray, *, shuffled: bool = False
) -> list[float]:
    """For each seed Spearman's rank correlation of two series over time, from the plateau on."""
    found = []
    for seed, clock, one, two in zip(run.seed.values, run.clock.values, first, second, strict=True):
        at = np.flatnonzero(clock >= PLATEAU[0])
        other = streams.generator(int(seed), streams.OTHER).permutation(at) if shuffled else at
        found.append(float(stats.spearmanr(one[at], two[other]).statistic))
    return found


def fallen(run: xr.Dataset, values: np.ndarray) -> list[float]:
    """For each seed the clock at which a share is first below the middle of plateau and end.

    NaN if it does not fall.
    """
    seeds = zip(run.clock.values, values, on_plateau(run, values), strict=True)
    return [_falls(clock, row, level) for clock, row, level in seeds]


def _falls(clock: np.ndarray, row: np.ndarray, level: float) -> float:
    if row[-1] >= level:
        return float("nan")
    after = clock >= PLATEAU[0]
    return first_beyond(clock[after], -row[after], -(level + row[-1]) / 2)


def first_beyond(clock: np.ndarray, values: np.ndarray, level: float) -> float:
    """The first time at which `values` are above `level`, NaN for never."""
    at = np.flatnonzero(values > level)
    return float(clock[at[0]]) if len(at) else float("nan")


def near(first: list[float], second: list[float]) -> list[bool]:
    """Whether two times of each seed are within the factors `NEAR`; NaN is near nothing."""
    return [NEAR[0] <= one / two <= NEAR[1] for one, two in zip(first, second, strict=True)]
