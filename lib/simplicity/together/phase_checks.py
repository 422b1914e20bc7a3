"""When the simple phase ends: the six predictions, as checks of runs by condition.

First the properties that a run may have, then how many runs of a condition have to have them. What
was predicted, and how what was left open was decided, stands in `experiments.simple_phase_ends`;
the times are those of `together.ends`.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from simplicity.evidence import claims
from simplicity.evidence.claims import Check, Criterion, Estimate, at_least, fails
from simplicity.grid.groups import Runs
from simplicity.together import ends, strata
from simplicity.together.ends import FACTORS, Times
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


def aligned_first(run: xr.Dataset, k: float) -> NDArray[np.bool_]:
    """Aligned before the loss has fallen by a tenth."""
    return ends.earlier(ends.begins(run, "boursier", k), ends.loss_falls(run))


def aligned(run: xr.Dataset, k: float) -> NDArray[np.bool_]:
    return ends.begins(run, "boursier", k).observed


def lost(run: xr.Dataset, k: float) -> NDArray[np.bool_]:
    """Aligned, and later no more."""
    return ends.ends(run, "boursier", k).observed


def gaps_near(run: xr.Dataset, k: float) -> NDArray[np.bool_]:
    """Hu's two ends within a factor of 2."""
    return ends.near(ends.ends(run, "dynamic", k), ends.ends(run, "static", k))


def gap_first(run: xr.Dataset, k: float) -> NDArray[np.bool_]:
    """The dynamic gap opens before the loss has fallen by a tenth."""
    return ends.earlier(ends.ends(run, "dynamic", k), ends.loss_falls(run))


def matched(run: xr.Dataset, k: float, *, rival: bool = False) -> NDArray[np.bool_]:
    """Whether F knew as much as L before it knew much beyond L, or never knew much beyond."""
    match, beyond_l = ends.begins(run, "nakkiran"), ends.exits(run, k, rival=rival)
    return ends.earlier(match, beyond_l) | ~beyond_l.observed


def kept(run: xr.Dataset, k: float) -> NDArray[np.bool_]:
    """mu at the end is near its largest value; k plays no part."""
    mu = run.mu.values
    return np.asarray(mu[:, -1] >= KEPT * mu.max(axis=1), dtype=bool)


def beyond(run: xr.Dataset, k: float) -> NDArray[np.bool_]:
    return ends.exits(run, k).observed


def has_phase(run: xr.Dataset, k: float) -> NDArray[np.bool_]:
    return ends.begins(run, "nakkiran", k).observed


def slope_last(run: xr.Dataset, k: float) -> NDArray[np.bool_]:
    """No other end is known to be later, and each other that is defined is known to be earlier
    or tied."""
    loukas = ends.ends(run, "loukas", k)
    others = [ends.ends(run, lens, k) for lens in ("nakkiran", "static", "boursier")]
    fine = [ends.earlier(one, loukas, TIED) | np.isnan(one.value) for one in others]
    return np.asarray(np.all(fine, axis=0), dtype=bool)


def small_order(run: xr.Dataset, k: float) -> NDArray[np.bool_]:
    """Boursier < Hu, static <= Loukas."""
    boursier, static, loukas = (
        ends.ends(run, lens, k) for lens in ("boursier", "static", "loukas")
    )
    return ends.earlier(boursier, static) & ends.earlier(static, loukas)


def bits_near(run: xr.Dataset, k: float) -> NDArray[np.bool_]:
    """Nakkiran's and Hu's static end within a factor of 2."""
    return ends.near(ends.ends(run, "nakkiran", k), ends.ends(run, "static", k))


def kernel_order(run: xr.Dataset, k: float) -> NDArray[np.bool_]:
    """Hu, static < Loukas <= Nakkiran."""
    static, loukas, nakkiran = (
        ends.ends(run, lens, k) for lens in ("static", "loukas", "nakkiran")
    )
    return ends.earlier(static, loukas) & ends.earlier(loukas, nakkiran)


# --- what is judged


def checks(runs: Runs) -> list[Check]:
    return [
        *_aligned(runs),
        *_gaps(runs),
        *_explained(runs),
        *_slopes(runs),
        *_orders(runs),
        *_agreements(runs),
    ]


Property = Callable[[xr.Dataset, float], NDArray[np.bool_]]


def share(runs: Runs, names: Sequence[str], has: Property, k: float) -> Estimate:
    """The share of the runs of some conditions that have a property at thresholds times k."""
    run = runs.where(stratum=tuple(names))
    return claims.share(has(run, k)) if run.sizes["cell"] else claims.share([])


def _of_runs(
    runs: Runs, id: str, statistic: str, names: Sequence[str], has: Property, rule: Criterion,
    against: str, others: Sequence[str], other: Property | None = None,
) -> Check:  # fmt: skip
    """A check on a share of runs, the worst of the three thresholds, beside the share of others."""
    shares = [share(runs, names, has, k) for k in FACTORS]
    worst = max if rule.text == claims.no_seed().text else min
    found = worst(shares, key=lambda one: one.value) if shares[0].seeds else shares[0]
    control = claims.control(against, share(runs, others, other or has, 1.0), fails(rule))
    return claims.check(runs, id, "empirical", statistic, found, rule, control)


def _aligned(runs: Runs) -> list[Check]:
    return [
        _of_runs(
            runs, "B40.small", "aligned before the loss has fallen by a tenth: share of runs",
            ALIGNING, aligned_first, at_least(SHARE), "start at the kernel's scale", KERNEL,
        ),
        _of_runs(
            runs, "B40.large", "ever aligned, lambda of 1 or more: share of runs",
            (*LARGE, "lazy"), aligned, claims.no_seed(), "lambda = 0.03", ALIGNING,
        ),
        _of_runs(
            runs, "B40.many", "alignment lost, noisy linear labels, 480 samples: share of runs",
            ("linear many",), lost, claims.no_seed(), "20 samples", ("linear few",),
        ),
        _of_runs(
            runs, "B40.few", "alignment lost, noisy linear labels, 20 samples: share of runs",
            ("linear few",), lost, claims.every_seed(), "480 samples", ("linear many",),
        ),
    ]  # fmt: skip


def _gaps(runs: Runs) -> list[Check]:
    return [
        _of_runs(
            runs, "H45.near", "both gaps open within a factor of 2, lambda of 1 or more: share",
            LARGE, gaps_near, at_least(SHARE), "lambda of 0.3 or less", SMALL,
        ),
        _of_runs(
            runs, "H45.small", "the dynamic gap opens before T10, lambda of 0.3 or less: share",
            SMALL, gap_first, at_least(SHARE), "start at the kernel's scale", KERNEL,
        ),
        *(_dimension(runs, lens) for lens in ("static", "dynamic")),
    ]  # fmt: skip


def _dimension(runs: Runs, lens: str) -> Check:
    """log T on log d within each seed, T from the end of the run on where it is censored."""
    rule = claims.interval_above(0)
    slopes = [
        claims.mean(_slopes_on_dim(runs, lambda run, k=k: ends.ends(run, lens, k).value))  # type: ignore[misc]
        for k in FACTORS
    ]
    control = claims.control(
        "T10 in its place",
        claims.mean(_slopes_on_dim(runs, lambda run: ends.loss_falls(run).value)),
        fails(rule),
    )
    return claims.check(
        runs, f"H45.{lens}", "empirical",
        f"the {lens} gap opens later in more dimensions: exponent of d",
        _worst(slopes), rule, control,
    )  # fmt: skip


def _slopes_on_dim(runs: Runs, of: Callable[[xr.Dataset], NDArray[np.floating]]) -> list[float]:
    return _slopes_on(runs, {name: STRATA[name].dim for name in DIMS}, of)


def _slopes_on(
    runs: Runs, along: dict[str, float], of: Callable[[xr.Dataset], NDArray[np.floating]]
) -> list[float]:
    """For each seed the least-squares slope of log of a number on log of what is varied; NaN where
    a condition is missing or n/a."""
    run = runs.where(stratum=tuple(along))
    if not run.sizes["cell"]:
        return []
    number = np.log(of(run))
    found = []
    for seed in np.unique(run.seed.values):
        at = run.seed.values == seed
        x = np.log([along[str(name)] for name in run.stratum.values[at]])
        whole = len(x) == len(along) and np.isfinite(number[at]).all()
        found.append(float(np.polyfit(x, number[at], 1)[0]) if whole else math.nan)
    return found


def _worst(estimates: Sequence[Estimate]) -> Estimate:
    """That whose interval reaches least far up."""
    known = [one for one in estimates if one.interval is not None]
    return min(known, key=lambda one: one.interval[0]) if known else estimates[0]  # type: ignore[index]


def _explained(runs: Runs) -> list[Check]:
    return [
        _of_runs(
            runs, "N35.match", "as informed as L before it is beyond L: share of runs",
            LEARNABLE, matched, at_least(1.0, "every run"),
            "beyond a classifier as accurate as L that is not linear", LEARNABLE,
            lambda run, k: matched(run, k, rival=True),
        ),
        _of_runs(
            runs, "N35.kept", "mu at the end at least 0.9 of its largest value: share of runs",
            LEARNABLE, kept, at_least(SHARE), "a fifth of the labels flipped and fitted",
            ("flipped",),
        ),
        _of_runs(
            runs, "N35.shuffled", "labels shuffled: share of runs that are beyond L",
            ("shuffled .3", "shuffled kernel"), beyond, claims.no_seed(), "labels not shuffled",
            ("sinusoid .3", "sinusoid kernel"),
        ),
        _of_runs(
            runs, "N35.xor", "nothing linear in the labels: share of runs with a linear phase",
            ("xor",), has_phase, claims.no_seed(), "sinusoid", ("sinusoid .3",),
        ),
    ]  # fmt: skip


def _slopes(runs: Runs) -> list[Check]:
    steep = claims.interval_above(0)
    frequencies = {name: STRATA[name].frequency for name in FREQUENCIES}
    early, late = (
        claims.mean(_slopes_on(runs, frequencies, of))
        for of in (_slope_at_first, lambda run: run.lipschitz.values[:, -1])
    )
    louder = claims.interval_above(math.log(LOUD / 2))
    alike = claims.interval_within(-math.log(TIED), math.log(TIED))
    raw, relative = (claims.mean(_ratios(runs, name)) for name in ("lipschitz", "relative"))
    return [
        _of_runs(
            runs, "L45.last", "Loukas's end is last or tied, lambda of 1 or less: share of runs",
            MODERATE, slope_last, at_least(SHARE), "start at the kernel's scale", KERNEL,
        ),
        claims.check(
            runs, "L45.frequency", "empirical",
            "the slope at the end grows with the target's frequency: exponent", late, steep,
            claims.control("the slope at T10", early, fails(steep)),
        ),
        claims.check(
            runs, "L45.raw", "empirical", "log ratio of slopes at the end, labels times 4", raw,
            louder, claims.control("over the slope of least squares", relative, fails(louder)),
        ),
        claims.check(
            runs, "L45.relative", "empirical",
            "log ratio of slopes over least squares at the end, labels times 4", relative, alike,
            claims.control("slopes as they are", raw, fails(alike)),
        ),
    ]  # fmt: skip


def _slope_at_first(run: xr.Dataset) -> NDArray[np.floating]:
    """|df/dx| at T10, NaN where that was not reached."""
    times = ends.loss_falls(run)
    found = [
        np.interp(np.log(at), np.log(clock), slope) if seen else math.nan
        for at, seen, clock, slope in zip(
            *times, run.clock.values, run.lipschitz.values, strict=True
        )
    ]
    return np.array(found, dtype=float)


def _ratios(runs: Runs, name: str) -> list[float]:
    """For each seed log of a number at the end with loud labels over that with plain ones."""
    loud, plain = (runs.where(stratum=one) for one in ("loud", "sinusoid .3"))
    first, second = (
        dict(zip(run.seed.values.tolist(), run[name].values[:, -1].tolist(), strict=True))
        for run in (loud, plain)
    )
    return [math.log(first[seed] / second[seed]) for seed in sorted(first.keys() & second.keys())]


def _orders(runs: Runs) -> list[Check]:
    return [
        _of_runs(
            runs, "H46.small", "Boursier < Hu, static <= Loukas, lambda of 0.3 or less: share",
            SMALL, small_order, at_least(SHARE), "start at the kernel's scale", KERNEL,
        ),
        _of_runs(
            runs, "H46.near", "Nakkiran within a factor of 2 of Hu, static, lambda of 1 or less",
            MODERATE, bits_near, at_least(SHARE), "start at the kernel's scale", KERNEL,
        ),
        _of_runs(
            runs, "H46.kernel", "Hu, static < Loukas <= Nakkiran, start at the kernel's scale",
            KERNEL, kernel_order, at_least(SHARE), "lambda of 0.3 or less", SMALL,
        ),
    ]  # fmt: skip


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


def _agreements(runs: Runs) -> list[Check]:
    run = runs.where(stratum=LEARNABLE)
    rule = claims.interval_above(SURE)
    found = []
    for word, pair in PAIRS.items():
        estimates = [agreement(run, pair, k).estimate for k in FACTORS]
        against = agreement(run, pair, 1.0, "time").estimate
        # the fewest runs of the three thresholds decide whether there are enough
        fewest = min(estimates, key=lambda one: one.seeds)
        worst = fewest if fewest.seeds < FEWEST else _worst(estimates)
        found.append(
            claims.check(
                runs, f"H47.{word}", "empirical",
                f"rank correlation within conditions, {NAMES[pair[0]]} with {NAMES[pair[1]]}",
                worst, rule,
                claims.control("times of other runs, own T10", against, fails(rule)),
                needs=FEWEST,
            )
        )  # fmt: skip
    return found
