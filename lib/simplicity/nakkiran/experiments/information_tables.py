"""What performance correlation is, on laws known exactly and on samples of them (N1, N3, N20).

Nakkiran et al. 2019, Definition 1 and Figure 3. A rule says P(Y=1), P(L=1|Y), P(F=1|Y,L); its law
of (F, Y, L) is held against closed forms, and samples drawn by it against the law. Random laws test
the bounds mu <= min of the informations and the symmetry of mu, and Fano's inequality, which puts
every balanced law on or above the curve 1 - h(accuracy). Controls: errors on one class only,
unbalanced labels, independent errors, another estimator.
"""

import itertools
from typing import Any

import numpy as np
import xarray as xr
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import stats

from simplicity.data import streams
from simplicity.evidence import claims
from simplicity.evidence.claims import (
    Check,
    Estimate,
    at_least,
    below,
    between,
    check,
    largest,
    smallest,
)
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.nakkiran import information, laws
from simplicity.nakkiran.information import from_accuracy

CLAIMS = ("N1", "N3", "N20")

Array = NDArray[np.floating]

CLOSE, ROUNDING = 1e-6, 1e-12  # references have six digits; sums of eight terms round at 1e-15
LEVEL = 0.05  # of the G-test: the share of true hypotheses that it rejects
SHOWN = 3  # samples of each run that are kept one by one
WORKED = np.array([[[380, 60], [30, 20]], [[20, 40], [70, 380]]])  # counts, axes F, Y, L
# Of that table, computed elsewhere: I(F;Y), I(L;Y), I(F;L), I(F;Y|L), mu; by Miller-Madow I(F;Y),
# I(F;Y|L), mu; error of mu.
WORKED_PLAIN = (0.500533, 0.278072, 0.342518, 0.242852, 0.257682)
WORKED_CORRECTED = (0.499812, np.nan, np.nan, 0.241409, 0.258403)
WORKED_ERROR = 0.02173
RANDOM = ("random", "random, balanced")
CASES = (
    "equal", "mixture", "symmetric", "exclusive or", "perfect", "coin", "one-sided", "unbalanced",
    "worked", *RANDOM,
)  # fmt: skip
RESAMPLES = 1000
SHARES = (0.1, 0.25, 0.5, 0.75, 0.8, 0.9)  # 0.8: the noise that flips a tenth of L


@config.settings
class Run:
    """One law, or one kind of random laws, and how much is drawn from it."""

    case: str = config.param("symmetric", "the law", choices=CASES)
    accuracy: float = config.param(0.5, "accuracy of F", low=0.5, high=1)
    # Elsewhere F knows nothing of L but through Y.
    share: float = config.param(0.0, "q, share of inputs on which F is L", low=0, high=1)
    simple: float = config.param(0.8, "accuracy of L", low=0.5, high=1)
    minority: float = config.param(0.2, "P(Y = 1) of unbalanced labels", low=0.01, high=0.5)
    points: int = config.param(20_000, "test points of a sample", unit="points", low=10, high=10**7)
    draws: int = config.param(40, "samples, or random laws, of each run", low=1, high=10**5)
    seed: int = config.param(0, "seed of the draws", low=0, high=2**31 - 1)


GRID = Grid(
    Run,
    groups={
        "curve": {"case": "symmetric", "accuracy": (0.55, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)},
        "off_curve": {"case": ("one-sided", "unbalanced"), "accuracy": (0.6, 0.7, 0.8, 0.9)},
        "mixture": {
            "case": "mixture", "share": SHARES,
            "accuracy": lambda run: laws.mixed(run.share, run.simple),
        },
        "independent": {"case": "symmetric", "accuracy": tuple(map(laws.mixed, SHARES))},
        "equal": {"case": "equal", "accuracy": lambda run: run.simple, "share": 1.0},
        "perfect": {"case": "perfect", "accuracy": 1.0},
        "rest": {"case": ("exclusive or", "coin", "worked", *RANDOM), "accuracy": 0.5},
    },
    quick={"seeds": 5},
    full={"draws": 200, "seeds": 10, "first_seed": 2_000_000},
    tiny={
        "accuracy": (0.6, 0.8), "off_curve_accuracy": (0.8,), "mixture_share": (0.5, 0.8),
        "independent_accuracy": (laws.mixed(0.5), laws.mixed(0.8)), "points": 500, "draws": 5,
        "seeds": 2,
    },
)  # fmt: skip


def measure(run: Run) -> xr.Dataset:
    """What a law is, exactly, and what its samples, or the random laws, come out as.

    `exact` is NaN without one law. `shown`, `corrected` (Miller-Madow) and the two errors are those
    of the first samples; `within` counts the samples whose 95 % interval of I(F;Y) holds 1 - h(a),
    `passed` those in which I(F;Y|L) = 0 passes its G-test. The rest are extremes over all of them:
    `room` of mu, and of I(F;Y|L), below the least of the three informations, `least_mu`,
    `above_curve` = I(F;Y) - (1 - h), and `unlike`, the change when F, Y and L change places.
    `ratio_high` is the upper end of the percentile interval of mu / I(F;Y) of the first sample of a
    mixture.
    """
    rng = _rng(run)
    exact, tables = _law_and_tables(run, rng)
    ratio_high = _ratio_high(tables[0], rng) if run.case == "mixture" else np.nan
    found = information.information(tables)
    network_error = information.standard_error(with_label_as_simple(tables))
    off = found.network - from_accuracy(run.accuracy)
    return xr.Dataset(
        {
            "exact": ("quantity", exact),
            "shown": (("sample", "quantity"), information.stacked(tables[:SHOWN])),
            **_kept(tables[:SHOWN]),
            "network_error": ("sample", network_error[:SHOWN]),
            "within": int(np.sum(np.abs(off) <= stats.norm.ppf(0.975) * network_error)),
            "passed": int(np.sum(information.g_test(tables).p_value >= LEVEL)),
            **_extremes(tables, found),
            "ratio_high": ratio_high,
        },
        {"quantity": list(information.Information._fields), "name": ["mu", "beyond"]},
    )


def _rng(run: Run) -> Generator:
    """Shares are taken over settings too, so no two settings share their random numbers."""
    place = CASES.index(run.case), round(1e6 * run.accuracy)
    return np.random.default_rng([run.seed, streams.TEST, *place])


def _kept(first: NDArray[Any]) -> dict[str, Any]:
    """What is kept of single samples beside their informations."""
    return {
        "corrected": (("sample", "quantity"), information.stacked(first, "miller-madow")),
        "hits": ("sample", information.accuracies(first)[0]),
        "mu_error": ("sample", information.standard_error(first)),
    }


def _ratio_high(table: NDArray[Any], rng: Generator) -> float:
    """The upper end of the percentile interval of mu / I(F;Y)."""
    again = information.information(information.bootstrap(table, RESAMPLES, rng))
    return float(information.interval(again.mu / again.network)[1])


def _extremes(tables: NDArray[Any], found: information.Information) -> dict[str, Any]:
    """How near the tables come to each bound, and how far to what is no bound."""
    least = np.min([found.network, found.simple, found.shared], axis=0)
    curve = from_accuracy(information.accuracies(tables)[0])
    return {
        "room": ("name", [(least - one).min() for one in (found.mu, found.beyond)]),
        "least_mu": float(found.mu.min()),
        "above_curve": float((found.network - curve).min()),
        "unlike": ("name", [unlike(tables, one).max() for one in ("mu", "beyond")]),
    }


def _law_and_tables(run: Run, rng: Generator) -> tuple[Array, NDArray[Any]]:
    """All informations of the law, NaN without one, and the tables that are drawn."""
    nothing = np.full(5, np.nan)
    if run.case in RANDOM:
        return nothing, laws.random_laws(run.draws, run.case != "random", rng)
    if run.case == "worked":
        return nothing, np.broadcast_to(WORKED, (run.draws, 2, 2, 2))
    how = laws.rule(run.case, run.accuracy, run.share, run.simple, run.minority)
    exact = np.array(information.information(laws.law(how)))
    return exact, laws.sample(how, run.draws, run.points, rng)


def unlike(tables: NDArray[Any], name: str) -> Array:
    """Range of a quantity over the six orders of the axes F, Y, L, (...)."""
    orders = [(0, *order) for order in itertools.permutations((1, 2, 3))]
    values = [getattr(information.information(tables.transpose(order)), name) for order in orders]
    return np.ptp(np.stack(values), axis=0)


def with_label_as_simple(tables: NDArray[Any]) -> NDArray[Any]:
    """Tables of (F, Y, Y): their mu is I(F;Y), so the error of their mu is that of I(F;Y)."""
    return tables.sum(axis=-1)[..., None] * np.eye(2, dtype=tables.dtype)


def checks(runs: Runs) -> list[Check]:
    """Of the definition (N1), of the curve 1 - h(a) (N3), and of mixtures (N20)."""
    definition = _closed_forms, _worked_informations, _worked_error, _upper_bound, _symmetry
    curve = _laws_on_curve, _samples_on_curve, _fano
    return [one(runs) for one in (*definition, *curve, _laws_of_mixtures, _samples_of_mixtures)]


def _closed_forms(runs: Runs) -> Check:
    return check(
        runs, "N1.laws", "identity",
        "five exact laws: largest distance of an information to its closed form",
        largest(distances(runs.dataset)), below(CLOSE),
        ("mixtures held against the closed form of independent errors",
         largest(distances(runs["mixture"], "symmetric"))),
    )  # fmt: skip


def _worked_informations(runs: Runs) -> Check:
    worked = runs("rest", case="worked")
    return check(
        runs, "N1.worked", "identity",
        "worked table of 1000 counts: largest distance of an information to its reference",
        largest(_worked(worked)), below(CLOSE),
        ("Miller-Madow in the place of plug-in: the largest distance",
         largest(np.abs(worked.corrected.values - WORKED_PLAIN).ravel())),
    )  # fmt: skip


def _worked_error(runs: Runs) -> Check:
    worked = runs("rest", case="worked")
    plain_error, network_error = (
        np.abs(worked[name].values.ravel() - WORKED_ERROR) for name in ("mu_error", "network_error")
    )
    return check(
        runs, "N1.error", "identity",
        "worked table: distance of the standard error of mu to its reference, five digits",
        largest(plain_error), below(1e-5),
        ("standard error of I(F;Y) in its place: the same distance", smallest(network_error)),
    )  # fmt: skip


def _upper_bound(runs: Runs) -> Check:
    mu, beyond = _of_mu_and_beyond(runs, "room")
    return check(
        runs, "N1.upper", "identity",
        "random laws: least room between mu and the smallest of I(F;Y), I(L;Y), I(F;L)",
        smallest(mu), at_least(-ROUNDING),
        ("random laws: least room between I(F;Y|L) and the same", smallest(beyond)),
    )  # fmt: skip


def _symmetry(runs: Runs) -> Check:
    mu, beyond = _of_mu_and_beyond(runs, "unlike")
    return check(
        runs, "N1.symmetry", "identity",
        "random laws: largest change of mu when F, Y and L change places",
        largest(mu), below(ROUNDING), ("the same of I(F;Y|L)", largest(beyond)),
    )  # fmt: skip


def _of_mu_and_beyond(runs: Runs, extreme: str) -> tuple[Array, Array]:
    """What holds of mu for random laws, and of I(F;Y|L) does not, each (cell,)."""
    found = runs("rest", case="random")[extreme]
    return found.sel(name="mu").values, found.sel(name="beyond").values


def _own_and_one_sided(runs: Runs) -> tuple[xr.Dataset, xr.Dataset]:
    """The laws of the curve, and laws with all errors on one class."""
    return runs.where(case="symmetric"), runs("off_curve", case="one-sided")


def _laws_on_curve(runs: Runs) -> Check:
    own, one_sided = map(excess, _own_and_one_sided(runs))
    return check(
        runs, "N3.laws", "identity",
        "exact laws, balanced, symmetric errors: largest |I(F;Y) - (1 - h(a))|",
        largest(np.abs(own)), below(CLOSE),
        ("all errors on one class: least I(F;Y) - (1 - h(a))", smallest(one_sided)),
    )  # fmt: skip


def _samples_on_curve(runs: Runs) -> Check:
    own, one_sided = map(on_curve, _own_and_one_sided(runs))
    return check(
        runs, "N3.samples", "identity",
        "simulated predictions: share of samples with 1 - h(a) in the 95 % interval of I(F;Y)",
        own, between(0.93, 0.97), ("all errors on one class: the same share", one_sided),
    )  # fmt: skip


def _fano(runs: Runs) -> Check:
    balanced = runs("rest", case="random, balanced")
    unbalanced = runs("off_curve", case="unbalanced")
    return check(
        runs, "N3.fano", "identity",
        "random laws with balanced labels: least I(F;Y) - (1 - h(a)), which Fano bounds by 0",
        smallest(balanced.above_curve.values), at_least(-ROUNDING),
        ("unbalanced labels, symmetric errors: the largest", largest(excess(unbalanced))),
    )  # fmt: skip


def _laws_of_mixtures(runs: Runs) -> Check:
    off, off_independent = (np.abs(ratios(runs[group]) - 1) for group in ("mixture", "independent"))
    return check(
        runs, "N20.laws", "identity",
        "F is L on a share q, a coin elsewhere: largest |mu / I(F;Y) - 1| of the exact laws",
        largest(off), below(CLOSE),
        ("independent errors, same accuracies: the least", smallest(off_independent)),
    )  # fmt: skip


def _samples_of_mixtures(runs: Runs) -> Check:
    return check(
        runs, "N20.samples", "identity",
        "simulated mixtures: share of samples in which I(F;Y|L) = 0 passes its G-test at 5 %",
        passing(runs["mixture"]), between(1 - LEVEL - 0.02, 1 - LEVEL + 0.02),
        ("independent errors, same accuracies: the same share", passing(runs["independent"])),
    )  # fmt: skip


def distances(cells: xr.Dataset, other: str = "") -> Array:
    """Of every law with a closed form, all five quantities: |exact - closed form|.

    The closed form is that of the law itself, or that of an `other` case with its settings.
    """
    columns = (cells[name].values.tolist() for name in ("case", "accuracy", "simple", "share"))
    found = [
        np.abs(exact - laws.CLOSED_FORMS[other or case](*settings))
        for exact, case, *settings in zip(cells.exact.values, *columns, strict=True)
        if case in laws.CLOSED_FORMS
    ]
    return np.array(found).ravel()


def _worked(worked: xr.Dataset) -> Array:
    """|value - reference| of all informations that have one."""
    pairs = (worked.shown, WORKED_PLAIN), (worked.corrected, WORKED_CORRECTED)
    apart = np.array([np.abs(found.values - reference) for found, reference in pairs])
    return apart[~np.isnan(apart)]


def excess(cells: xr.Dataset) -> Array:
    """Of each law: I(F;Y) - (1 - h(a)), bits."""
    return _exact(cells, "network") - from_accuracy(cells.accuracy.values)


def ratios(cells: xr.Dataset) -> Array:
    """mu / I(F;Y) of each law."""
    return _exact(cells, "mu") / _exact(cells, "network")


def _exact(cells: xr.Dataset, quantity: str) -> Array:
    return cells.exact.sel(quantity=quantity).values


def on_curve(cells: xr.Dataset) -> Estimate:
    """The share of samples whose I(F;Y) is within 1.96 delta-method errors of 1 - h(a)."""
    return _share_of_draws(cells, "within")


def passing(cells: xr.Dataset) -> Estimate:
    """1 - mu/I stays below what sampling alone gives, 4.32 / (N I), in this share of samples."""
    return _share_of_draws(cells, "passed")


def _share_of_draws(cells: xr.Dataset, count: str) -> Estimate:
    """A count in each cell as a share of all their draws."""
    hits, draws = int(cells[count].sum()), int(cells.draws.sum())
    return claims.share(np.arange(draws) < hits)
