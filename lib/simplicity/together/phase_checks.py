"""When the simple phase ends: the six predictions, as checks of runs by condition.

First the properties that a run may have, then how many runs of a condition have to have them. What
was predicted, and how what was left open was decided, stands in `experiments.simple_phase_ends`;
the times are those of `together.ends`.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from simplicity.evidence import claims, over_seeds
from simplicity.evidence.claims import (
    Check,
    Criterion,
    Estimate,
    at_least,
    check,
    every_seed,
    no_seed,
)
from simplicity.grid.groups import Runs
from simplicity.together import ends, strata
from simplicity.together.ends import FACTORS, Array, Times, Truths
from simplicity.together.strata import LEARNABLE, STRATA

SHARE = 0.9  # of runs that have to have a property
TIED = 1.25  # factor between times that count as one
KEPT = 0.9  # of the largest mu
SURE = 0.3  # that the interval of an agreement has to be above
FEWEST = 60  # runs with both times
LOUD = 4.0

ALIGNING = strata.of_scale(0, 0.1)
SMALL = strata.of_scale(0, 0.3)
MODERATE = strata.of_scale(0, 1)
LARGE = (*strata.of_scale(1, 10), "tangent")
KERNEL = strata.of_scale(2, 10)
DIMS = ("tangent d 8", "tangent", "tangent d 30")
FREQUENCIES = ("frequency 1", "sinusoid .3", "frequency 3")


# --- properties of runs (runs,) at thresholds times k


def aligned_first(run: xr.Dataset, k: float) -> Truths:
    """Aligned before the loss has fallen by a tenth."""
    return ends.earlier(ends.begins(run, "boursier", k), ends.loss_falls(run))


def aligned(run: xr.Dataset, k: float) -> Truths:
    return ends.begins(run, "boursier", k).observed


def lost(run: xr.Dataset, k: float) -> Truths:
    """Aligned, and later no more."""
    return ends.ends(run, "boursier", k).observed


def gaps_near(run: xr.Dataset, k: float) -> Truths:
    """Hu's two ends within a factor of 2."""
    return ends.near(ends.ends(run, "dynamic", k), ends.ends(run, "static", k))


def gap_first(run: xr.Dataset, k: float) -> Truths:
    """The dynamic gap opens before the loss has fallen by a tenth."""
    return ends.earlier(ends.ends(run, "dynamic", k), ends.loss_falls(run))


def matched(run: xr.Dataset, k: float, *, rival: bool = False) -> Truths:
    """Whether F knew as much as L before it knew much beyond L, or never knew much beyond."""
    match, beyond_l = ends.begins(run, "nakkiran"), ends.exits(run, k, rival=rival)
    return ends.earlier(match, beyond_l) | ~beyond_l.observed


def kept(run: xr.Dataset, k: float) -> Truths:
    """mu at the end is near its largest value; k plays no part."""
    mu = run.mu.values
    return mu[:, -1] >= KEPT * mu.max(axis=1)


def beyond(run: xr.Dataset, k: float) -> Truths:
    return ends.exits(run, k).observed


def has_phase(run: xr.Dataset, k: float) -> Truths:
    return ends.begins(run, "nakkiran", k).observed


def slope_last(run: xr.Dataset, k: float) -> Truths:
    """No other end is known to be later, and each other that is defined is known to be earlier
    or tied."""
    loukas = ends.ends(run, "loukas", k)
    others = [ends.ends(run, lens, k) for lens in ("nakkiran", "static", "boursier")]
    fine = [ends.earlier(one, loukas, TIED) | one.missing for one in others]
    return np.all(fine, axis=0)


def small_order(run: xr.Dataset, k: float) -> Truths:
    """Boursier < Hu, static <= Loukas."""
    return _in_order(run, k, "boursier", "static", "loukas")


def bits_near(run: xr.Dataset, k: float) -> Truths:
    """Nakkiran's and Hu's static end within a factor of 2."""
    return ends.near(ends.ends(run, "nakkiran", k), ends.ends(run, "static", k))


def kernel_order(run: xr.Dataset, k: float) -> Truths:
    """Hu, static < Loukas <= Nakkiran."""
    return _in_order(run, k, "static", "loukas", "nakkiran")


def _in_order(run: xr.Dataset, k: float, *lenses: str) -> Truths:
    first, second, third = (ends.ends(run, lens, k) for lens in lenses)
    return ends.earlier(first, second) & ends.earlier(second, third)


# --- what is judged

Property = Callable[[xr.Dataset, float], Truths]


class Row(NamedTuple):
    """A check on a share of runs, the worst of the three thresholds, beside the share of others.

    The runs of the conditions `names` that have a property, and of those that `against` names and
    lists; there the property is `other` if one is given.
    """

    id: str
    statistic: str
    names: Sequence[str]
    has: Property
    rule: Criterion
    against: tuple[str, Sequence[str]]
    other: Property | None = None


OFTEN, NEVER = at_least(SHARE), no_seed()
AT_KERNEL = "start at the kernel's scale", KERNEL
AT_SMALL = "lambda of 0.3 or less", SMALL
ROWS = (
    Row(
        "B40.small", "aligned before the loss has fallen by a tenth: share of runs",
        ALIGNING, aligned_first, OFTEN, AT_KERNEL,
    ),
    Row(
        "B40.large", "ever aligned, lambda of 1 or more: share of runs",
        (*LARGE, "lazy"), aligned, NEVER, ("lambda = 0.03", ALIGNING),
    ),
    Row(
        "B40.many", "alignment lost, noisy linear labels, 480 samples: share of runs",
        ("linear many",), lost, NEVER, ("20 samples", ("linear few",)),
    ),
    Row(
        "B40.few", "alignment lost, noisy linear labels, 20 samples: share of runs",
        ("linear few",), lost, every_seed(), ("480 samples", ("linear many",)),
    ),
    Row(
        "H45.near", "both gaps open within a factor of 2, lambda of 1 or more: share",
        LARGE, gaps_near, OFTEN, AT_SMALL,
    ),
    Row(
        "H45.small", "the dynamic gap opens before T10, lambda of 0.3 or less: share",
        SMALL, gap_first, OFTEN, AT_KERNEL,
    ),
    Row(
        "N35.match", "as informed as L before it is beyond L: share of runs",
        LEARNABLE, matched, at_least(1.0, "every run"),
        ("beyond a classifier as accurate as L that is not linear", LEARNABLE),
        lambda run, k: matched(run, k, rival=True),
    ),
    Row(
        "N35.kept", "mu at the end at least 0.9 of its largest value: share of runs",
        LEARNABLE, kept, OFTEN, ("a fifth of the labels flipped and fitted", ("flipped",)),
    ),
    Row(
        "N35.shuffled", "labels shuffled: share of runs that are beyond L",
        ("shuffled .3", "shuffled kernel"), beyond, NEVER,
        ("labels not shuffled", ("sinusoid .3", "sinusoid kernel")),
    ),
    Row(
        "N35.xor", "nothing linear in the labels: share of runs with a linear phase",
        ("xor",), has_phase, NEVER, ("sinusoid", ("sinusoid .3",)),
    ),
    Row(
        "L45.last", "Loukas's end is last or tied, lambda of 1 or less: share of runs",
        MODERATE, slope_last, OFTEN, AT_KERNEL,
    ),
    Row(
        "H46.small", "Boursier < Hu, static <= Loukas, lambda of 0.3 or less: share",
        SMALL, small_order, OFTEN, AT_KERNEL,
    ),
    Row(
        "H46.near", "Nakkiran within a factor of 2 of Hu, static, lambda of 1 or less",
        MODERATE, bits_near, OFTEN, AT_KERNEL,
    ),
    Row(
        "H46.kernel", "Hu, static < Loukas <= Nakkiran, start at the kernel's scale",
        KERNEL, kernel_order, OFTEN, AT_SMALL,
    ),
)  # fmt: skip


def checks(runs: Runs) -> list[Check]:
    return [
        *(_share_of_runs(runs, row) for row in ROWS),
        *(_dimension(runs, lens) for lens in ("static", "dynamic")),
        _frequency(runs),
        *_loud(runs),
        *(_agreement(runs, word) for word in PAIRS),
    ]


def share(runs: Runs, names: Sequence[str], has: Property, k: float) -> Estimate:
    """The share of the runs of some conditions that have a property at thresholds times k."""
    run = runs.where(stratum=tuple(names))
    return claims.share(has(run, k) if run.sizes["cell"] else [])


def _share_of_runs(runs: Runs, row: Row) -> Check:
    changed, others = row.against
    other = changed, share(runs, others, row.other or row.has, 1.0)
    found = _worst_share(runs, row)
    return check(runs, row.id, "empirical", row.statistic, found, row.rule, other)


def _worst_share(runs: Runs, row: Row) -> Estimate:
    """Of the thresholds: the largest share where no run may have the property."""
    shares = [share(runs, row.names, row.has, k) for k in FACTORS]
    worst = max if row.rule is NEVER else min
    return worst(shares, key=lambda one: one.value) if shares[0].seeds else shares[0]


def _dimension(runs: Runs, lens: str) -> Check:
    """log T on log d within each seed, T from the end of the run on where it is censored."""
    dims = {name: float(STRATA[name].dim) for name in DIMS}
    run = runs.where(stratum=DIMS)
    slopes = [_mean_slope(run, dims, ends.ends(run, lens, k).value) for k in FACTORS]
    at_first = _mean_slope(run, dims, ends.loss_falls(run).value)
    return check(
        runs, f"H45.{lens}", "empirical",
        f"the {lens} gap opens later in more dimensions: exponent of d",
        _worst(slopes), claims.interval_above(0), ("T10 in its place", at_first),
    )  # fmt: skip


def _mean_slope(run: xr.Dataset, along: dict[str, float], values: Array) -> Estimate:
    """Over seeds, the least-squares slope of log of a number (runs,) on log of what is varied."""
    cells = run.assign(log=("cell", np.log(values)))
    return claims.mean(over_seeds.each(cells, functools.partial(_slope, along)))


def _slope(along: dict[str, float], part: xr.Dataset) -> float:
    """That of one seed; undefined where a condition is missing or n/a."""
    x, y = np.log([along[str(name)] for name in part.stratum.values]), part.log.values
    whole = len(x) == len(along) and np.isfinite(y).all()
    return float(np.polyfit(x, y, 1)[0]) if whole else math.nan


def _worst(estimates: Sequence[Estimate]) -> Estimate:
    """That whose interval reaches least far up."""
    known = [one for one in estimates if one.interval is not None]
    return min(known, key=lambda one: one.interval[0]) if known else estimates[0]  # type: ignore[index]


def _frequency(runs: Runs) -> Check:
    frequencies = {name: STRATA[name].frequency for name in FREQUENCIES}
    run = runs.where(stratum=FREQUENCIES)
    early = _mean_slope(run, frequencies, _slope_at_first(run))
    late = _mean_slope(run, frequencies, run.lipschitz.values[:, -1])
    return check(
        runs, "L45.frequency", "empirical",
        "the slope at the end grows with the target's frequency: exponent", late,
        claims.interval_above(0), ("the slope at T10", early),
    )  # fmt: skip


def _loud(runs: Runs) -> list[Check]:
    """Slopes as they are grow with the labels, those over least squares' do not."""
    raw, relative = (_log_ratio(runs, name) for name in ("lipschitz", "relative"))
    return [
        check(
            runs, "L45.raw", "empirical", "log ratio of slopes at the end, labels times 4", raw,
            claims.interval_above(math.log(LOUD / 2)),
            ("over the slope of least squares", relative),
        ),
        check(
            runs, "L45.relative", "empirical",
            "log ratio of slopes over least squares at the end, labels times 4", relative,
            claims.interval_within(-math.log(TIED), math.log(TIED)), ("slopes as they are", raw),
        ),
    ]  # fmt: skip


def _slope_at_first(run: xr.Dataset) -> Array:
    """|df/dx| at T10, NaN where that was not reached."""
    cells = zip(*ends.loss_falls(run), run.clock.values, run.lipschitz.values, strict=True)
    found = [
        np.interp(np.log(at), np.log(clock), slope) if seen else math.nan
        for at, seen, clock, slope in cells
    ]
    return np.array(found, dtype=float)


def _log_ratio(runs: Runs, name: str) -> Estimate:
    """Over seeds, log of a number at the end with loud labels over that with plain ones."""
    loud, plain = (runs.where(stratum=one).isel(time=-1) for one in ("loud", "sinusoid .3"))
    return claims.mean(over_seeds.paired(loud, plain, name, lambda one, two: math.log(one / two)))


PAIRS = {"bits": ("nakkiran", "static"), "slopes": ("static", "loukas")}
NAMES = {"nakkiran": "Nakkiran", "static": "Hu, static", "loukas": "Loukas"}


def agreement(
    run: xr.Dataset, pair: tuple[str, str], factor: float, shift: str = ""
) -> ends.Agreement:
    """How far two lenses agree over the runs of each condition. With `shift` "time" the second time
    is that of another run, over the run's own T10; with "both" T10 is the other run's too."""
    first, second = (ends.ends(run, lens, factor) for lens in pair)
    clock = ends.loss_falls(run)
    names = run.stratum.values.tolist()
    other: Times = ends.shifted(second, names) if shift == "time" else second
    other = other.over(clock)
    if shift == "both":
        other = ends.shifted(other, names)
    return ends.agreement(first.over(clock), other, names)


def _agreement(runs: Runs, word: str) -> Check:
    pair, run = PAIRS[word], runs.where(stratum=LEARNABLE)
    worst = _least_agreement(run, pair)
    by_chance = agreement(run, pair, 1.0, "time").estimate
    return check(
        runs, f"H47.{word}", "empirical",
        f"rank correlation within conditions, {NAMES[pair[0]]} with {NAMES[pair[1]]}", worst,
        claims.interval_above(SURE), ("times of other runs, own T10", by_chance), needs=FEWEST,
    )  # fmt: skip


def _least_agreement(run: xr.Dataset, pair: tuple[str, str]) -> Estimate:
    """Of the thresholds; the fewest runs decide whether there are enough."""
    estimates = [agreement(run, pair, k).estimate for k in FACTORS]
    fewest = min(estimates, key=lambda one: one.seeds)
    return fewest if fewest.seeds < FEWEST else _worst(estimates)
