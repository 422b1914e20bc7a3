"""What performance correlation is, on laws that are known exactly and on predictions drawn from them (claims N1, N3, N20).

Nakkiran et al. 2019, Definition 1 and Figure 3. A rule says P(Y=1), P(L=1|Y) and P(F=1|Y,L); its law of (F, Y, L) is held
against closed forms, and samples drawn by it against the law. Random laws test the bounds mu <= min of the informations and
mu >= -1, the symmetry of mu, and Fano's inequality, which puts every balanced law on or above the curve 1 - h(accuracy).
Controls: Y = F xor L, F independent of the rest, errors on one class only, unbalanced labels, independent errors.
"""

import dataclasses
import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import stats

from simplicity.data import streams
from simplicity.evidence.claims import (
    Check,
    Estimate,
    above,
    at_least,
    below,
    between,
    cells_where,
    check,
    control,
    largest,
    no_seed,
    share,
    smallest,
)  # fmt: skip
from simplicity.grid import config
from simplicity.grid.config import seeds, shared
from simplicity.nakkiran import information
from simplicity.nakkiran.information import from_accuracy

CLAIMS = ("N1", "N3", "N20")

Array = NDArray[np.floating]

CLOSE, ROUNDING = 1e-6, 1e-12  # references have six digits; sums of eight terms round at 1e-15
LEVEL = 0.05  # of the G-test: the share of true hypotheses that it rejects
SHOWN = 3  # samples of each cell that are kept one by one
WORKED = np.array([[[380, 60], [30, 20]], [[20, 40], [70, 380]]])  # counts, axes F, Y, L
# Of that table, computed elsewhere: I(F;Y), I(L;Y), I(F;L), I(F;Y|L), mu; by Miller-Madow I(F;Y), I(F;Y|L), mu; error of mu.
WORKED_PLAIN = (0.500533, 0.278072, 0.342518, 0.242852, 0.257682)
WORKED_CORRECTED = (0.499812, np.nan, np.nan, 0.241409, 0.258403)
WORKED_ERROR = 0.02173
RANDOM = ("random", "random, balanced")
CASES = ("equal", "mixture", "symmetric", "exclusive or", "perfect", "coin", "one-sided", "unbalanced", "worked", *RANDOM)
RESAMPLES = 1000


@config.settings
class Config:
    accuracies: tuple[float, ...] = config.param(
        (0.55, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99), "accuracies of F on the curve", low=0.5, high=1
    )
    control_accuracies: tuple[float, ...] = config.param((0.6, 0.7, 0.8, 0.9), "those off the curve", low=0.5, high=1)
    shares: tuple[float, ...] = config.param((0.1, 0.25, 0.5, 0.75, 0.9), "q, shares of inputs on which F is L", low=0, high=1)
    simple: float = config.param(0.8, "accuracy of L", low=0.5, high=1)
    minority: float = config.param(0.2, "P(Y = 1) of unbalanced labels", low=0.01, high=0.5)
    points: int = config.param(20_000, "test points of a sample", unit="points", low=10, high=10**7)
    draws: int = config.param(40, "samples, or random laws, of each setting and seed", low=1, high=10**5)
    seeds: int = config.param(5, "seeds of each setting", low=1, high=100_000)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config()
TINY = dataclasses.replace(QUICK, accuracies=(0.6, 0.8), control_accuracies=(0.8,), shares=(0.5,), points=500, draws=5, seeds=2)
FULL = dataclasses.replace(QUICK, draws=200, seeds=10)


class Rule(NamedTuple):
    """P(Y=1), P(L=1|Y) of shape (2,), and P(F=1|Y,L) of shape (2, 2)."""

    ones: float
    simple: Array
    network: Array


@dataclasses.dataclass(frozen=True)
class Cell:
    case: str
    accuracy: float  # of F
    share: float  # of the inputs on which F is L by construction; elsewhere F knows nothing of L but through Y
    simple: float
    minority: float
    seed: int
    points: int
    draws: int


def cells(config: Config) -> list[Cell]:
    b = config.simple
    settings = [("equal", b, 1.0), ("exclusive or", 0.5, 0.0), ("coin", 0.5, 0.0), ("perfect", 1.0, 0.0), ("worked", 0.5, 0.0)]
    settings += [(case, 0.5, 0.0) for case in RANDOM]
    settings += [("symmetric", a, 0.0) for a in dict.fromkeys((*config.accuracies, b))]
    settings += [(case, a, 0.0) for case in ("one-sided", "unbalanced") for a in config.control_accuracies]
    for q in dict.fromkeys((*config.shares, 0.8)):  # 0.8: the noise that flips a tenth of L
        a = q * b + (1 - q) / 2
        settings += [("mixture", a, q), ("symmetric", a, 0.0)]
    common = shared(Cell, config)
    return [
        Cell(case=case, accuracy=a, share=q, seed=seed, **common)
        for seed in seeds(config)
        for case, a, q in dict.fromkeys(settings)
    ]


def rule(case: str, accuracy: float, share: float, simple: float, minority: float) -> Rule:
    """How Y, L and F are drawn. One-sided errors are all on Y = 1: its error rate is twice the mean one."""
    y, other = np.array([0.0, 1.0])[:, None], np.array([0.0, 1.0])[None, :]
    flips, here = np.array([1 - simple, simple]), np.ones((2, 2))
    symmetric = (y * accuracy + (1 - y) * (1 - accuracy)) * here
    if case == "exclusive or":
        return Rule(0.5, np.full(2, 0.5), np.abs(y - other))
    network = {
        "equal": other * here,
        "coin": 0.5 * here,
        "perfect": y * here,
        "one-sided": y * (2 * accuracy - 1) * here,
        "mixture": (share * other + (1 - share) / 2) * here,
    }.get(case, symmetric)
    return Rule(minority if case == "unbalanced" else 0.5, flips, network)


def law(of: Rule) -> Array:
    """P(F, Y, L), shape (2, 2, 2)."""
    p_y, p_l, p_f = (np.stack([1 - p, p]) for p in (np.array(of.ones), of.simple, of.network))
    return np.einsum("y,ly,fyl->fyl", p_y, p_l, p_f)


def sample(of: Rule, draws: int, points: int, rng: Generator) -> NDArray[np.integer]:
    """Tables (draws, 2, 2, 2) of predictions drawn point by point."""
    found = []
    for _ in range(draws):
        first, second, third = rng.random((3, points), dtype=np.float32)
        y = (first < of.ones).view(np.int8)
        simple = (second < of.simple.astype(np.float32)[y]).view(np.int8)
        found.append(information.table(third < of.network.astype(np.float32).ravel()[2 * y + simple], y, simple))
    return np.stack(found)


def random_laws(draws: int, balanced: bool, rng: Generator) -> Array:
    """Laws (draws, 2, 2, 2) from nearly empty to nearly uniform ones (Dirichlet, parameter 0.05 to 5)."""
    spread = 10 ** rng.uniform(np.log10(0.05), np.log10(5), draws)
    weights = np.maximum(rng.gamma(spread[:, None, None, None], size=(draws, 2, 2, 2)), 1e-300)
    axes = (1, 3) if balanced else (1, 2, 3)
    return weights / weights.sum(axis=axes, keepdims=True) / (2 if balanced else 1)


def measure(cell: Cell) -> xr.Dataset:
    """What one setting's law is, exactly, and what its samples, or its random laws, come out as.

    `exact` is NaN without one law. `shown`, `corrected` (Miller-Madow) and the two errors are those of the first samples;
    `within` counts the samples whose 95 % interval of I(F;Y) holds 1 - h(a), `passed` those in which I(F;Y|L) = 0 passes its
    G-test. The rest are extremes over all of them: `room` of mu, and of I(F;Y|L), below the least of the three informations,
    `least_mu`, `above_curve` = I(F;Y) - (1 - h), and `unlike`, the change when F, Y and L change places. `ratio_high` is the
    upper end of the percentile interval of mu / I(F;Y) of the first sample of a mixture.
    """
    # Shares are taken over settings as well, so no two settings may share their random numbers.
    rng = np.random.default_rng([cell.seed, streams.TEST, CASES.index(cell.case), round(1e6 * cell.accuracy)])
    exact, ratio_high = np.full(5, np.nan), np.nan
    tables: NDArray[Any]
    if cell.case in RANDOM:
        tables = random_laws(cell.draws, cell.case != "random", rng)
    elif cell.case == "worked":
        tables = np.broadcast_to(WORKED, (cell.draws, 2, 2, 2))
    else:
        how = rule(cell.case, cell.accuracy, cell.share, cell.simple, cell.minority)
        exact, tables = np.array(information.information(law(how))), sample(how, cell.draws, cell.points, rng)
    if cell.case == "mixture":
        again = information.information(information.bootstrap(tables[0], RESAMPLES, rng))
        ratio_high = float(information.interval(again.mu / again.network)[1])
    found, first = information.information(tables), tables[:SHOWN]
    network_error = information.standard_error(with_label_as_simple(tables))
    off = found.network - from_accuracy(cell.accuracy)
    hits = information.accuracies(tables)[0]
    least = np.minimum(np.minimum(found.network, found.simple), found.shared)
    return xr.Dataset(
        {
            "exact": ("quantity", exact),
            "shown": (("sample", "quantity"), np.stack(found, axis=-1)[:SHOWN]),
            "corrected": (("sample", "quantity"), np.stack(information.information(first, "miller-madow"), axis=-1)),
            "hits": ("sample", hits[:SHOWN]),
            "mu_error": ("sample", information.standard_error(first)),
            "network_error": ("sample", network_error[:SHOWN]),
            "within": int(np.sum(np.abs(off) <= stats.norm.ppf(0.975) * network_error)),
            "passed": int(np.sum(information.g_test(tables).p_value >= LEVEL)),
            "room": ("name", np.array([(least - values).min() for values in (found.mu, found.beyond)])),
            "least_mu": float(found.mu.min()),
            "above_curve": float((found.network - from_accuracy(hits)).min()),
            "unlike": ("name", np.array([unlike(tables, name).max() for name in ("mu", "beyond")])),
            "ratio_high": ratio_high,
        },
        {"quantity": list(information.Information._fields), "name": ["mu", "beyond"]},
    )


def unlike(tables: NDArray[Any], name: str) -> Array:
    """Range of a quantity over the six orders of the axes F, Y, L, (...)."""
    orders = [(0, *order) for order in itertools.permutations((1, 2, 3))]
    values = [getattr(information.information(tables.transpose(order)), name) for order in orders]
    return np.ptp(np.stack(values), axis=0)


def with_label_as_simple(tables: NDArray[Any]) -> NDArray[Any]:
    """Tables of (F, Y, Y): their mu is I(F;Y), and so the error of their mu is that of I(F;Y)."""
    return tables.sum(axis=-1)[..., None] * np.eye(2, dtype=tables.dtype)


def _independent(a: float, b: float) -> tuple[float, ...]:
    both = float(from_accuracy(a * b + (1 - a) * (1 - b)))
    return float(from_accuracy(a)), float(from_accuracy(b)), both, float(from_accuracy(a)) - both, both


# Closed forms of I(F;Y), I(L;Y), I(F;L), I(F;Y|L), mu from the accuracies of F and L and the share q; h is 1 - from_accuracy.
CLOSED_FORMS: dict[str, Callable[[float, float, float], tuple[float, ...]]] = {
    "equal": lambda a, b, q: (_i(b), _i(b), 1.0, 0.0, _i(b)),
    "mixture": lambda a, b, q: (_i(q * b + (1 - q) / 2), _i(b), _i((1 + q) / 2), 0.0, _i(q * b + (1 - q) / 2)),
    "symmetric": lambda a, b, q: _independent(a, b),
    "exclusive or": lambda a, b, q: (0.0, 0.0, 0.0, 1.0, -1.0),
    "perfect": lambda a, b, q: (1.0, _i(b), _i(b), 1 - _i(b), _i(b)),
}


def _i(accuracy: float) -> float:
    return float(from_accuracy(accuracy))


def checks(dataset: xr.Dataset) -> list[Check]:
    return _definition(dataset) + _curve(dataset) + _mixtures(dataset)


def _definition(dataset: xr.Dataset) -> list[Check]:
    cases = {case: cells_where(dataset, case=case) for case in ("exclusive or", "coin", "worked", "random")}
    xor = _exact(cases["exclusive or"], "mu")
    random, worked = cases["random"], cases["worked"]
    return [
        check(
            dataset, "N1", "identity", "five exact laws: largest distance of an information to its closed form",
            largest(distances(dataset)), below(CLOSE),
            control("Y = F xor L: mu", smallest(xor), between(-1 - CLOSE, -1 + CLOSE)),
        ),
        check(
            dataset, "N1", "identity", "worked table of 1000 counts: largest distance of an information to its reference",
            largest(_worked(worked)), below(CLOSE),
            control("F a coin: largest |mu|", largest(np.abs(_exact(cases["coin"], "mu"))), below(CLOSE)),
        ),
        check(
            dataset, "N1", "identity", "worked table: distance of the standard error of mu to its reference, five digits",
            largest(np.abs(worked.mu_error.values.ravel() - WORKED_ERROR)), below(1e-5),
            control(
                "standard error of I(F;Y) in its place: the same distance",
                smallest(np.abs(worked.network_error.values.ravel() - WORKED_ERROR)), above(1e-5),
            ),
        ),
        check(
            dataset, "N1", "identity", "random laws: least room between mu and the smallest of I(F;Y), I(L;Y), I(F;L)",
            smallest(random.room.sel(name="mu").values), at_least(-ROUNDING),
            control(
                "random laws: least room between I(F;Y|L) and the same",
                smallest(random.room.sel(name="beyond").values), below(-0.01),
            ),
        ),
        check(
            dataset, "N1", "identity", "random laws and Y = F xor L: least mu",
            smallest([*random.least_mu.values, *xor]), at_least(-1 - ROUNDING),
            control("without Y = F xor L: least mu", smallest(random.least_mu.values), above(-1 + CLOSE)),
        ),
        check(
            dataset, "N1", "identity", "random laws: largest change of mu when F, Y and L change places",
            largest(random.unlike.sel(name="mu").values), below(ROUNDING),
            control("the same of I(F;Y|L)", largest(random.unlike.sel(name="beyond").values), above(0.01)),
        ),
    ]  # fmt: skip


def distances(dataset: xr.Dataset) -> Array:
    """Of every law with a closed form, all five quantities: |exact - closed form|."""
    found = []
    for cell in (dataset.isel(cell=index) for index in range(dataset.sizes["cell"])):
        formula = CLOSED_FORMS.get(str(cell.case.values))
        if formula:
            expected = formula(float(cell.accuracy), float(cell.simple), float(cell.share))
            found.append(np.abs(cell.exact.values - expected))
    return np.array(found).ravel()


def _worked(worked: xr.Dataset) -> Array:
    plain = np.abs(worked.shown.values - np.array(WORKED_PLAIN))
    corrected = np.abs(worked.corrected.values - np.array(WORKED_CORRECTED))
    return np.concatenate([plain.ravel(), corrected[..., ~np.isnan(WORKED_CORRECTED)].ravel()])


def _curve(dataset: xr.Dataset) -> list[Check]:
    own, one_sided, unbalanced, balanced = (
        cells_where(dataset, case=case) for case in ("symmetric", "one-sided", "unbalanced", "random, balanced")
    )
    return [
        check(
            dataset, "N3", "identity", "exact laws, balanced, symmetric errors: largest |I(F;Y) - (1 - h(a))|",
            largest(np.abs(excess(own))), below(CLOSE),
            control("all errors on one class: least I(F;Y) - (1 - h(a))", smallest(excess(one_sided)), above(0.01)),
        ),
        check(
            dataset, "N3", "identity", "simulated predictions: share of samples with 1 - h(a) in the 95 % interval of I(F;Y)",
            on_curve(own), between(0.93, 0.97),
            control("all errors on one class: the same share", on_curve(one_sided), no_seed()),
        ),
        check(
            dataset, "N3", "identity", "random laws with balanced labels: least I(F;Y) - (1 - h(a)), which Fano bounds by 0",
            smallest(balanced.above_curve.values), at_least(-ROUNDING),
            control("unbalanced labels, symmetric errors: the largest", largest(excess(unbalanced)), below(-0.01)),
        ),
    ]  # fmt: skip


def excess(cells: xr.Dataset) -> Array:
    """Of each law: I(F;Y) - (1 - h(a)), bits."""
    return _exact(cells, "network") - from_accuracy(cells.accuracy.values)


def on_curve(cells: xr.Dataset) -> Estimate:
    """The share of samples whose I(F;Y) is within 1.96 delta-method errors of 1 - h(a)."""
    return _share_of_draws(cells, "within")


def _share_of_draws(cells: xr.Dataset, count: str) -> Estimate:
    """A count in each cell as a share of all their draws."""
    hits, draws = int(cells[count].sum()), int(cells.draws.sum())
    return share([True] * hits + [False] * (draws - hits))


def _mixtures(dataset: xr.Dataset) -> list[Check]:
    mixture = cells_where(dataset, case="mixture")
    same = tuple(np.unique(mixture.accuracy.values).tolist())
    independent = cells_where(dataset, case="symmetric", accuracy=same)
    return [
        check(
            dataset, "N20", "identity", "F is L on a share q, a coin elsewhere: largest |mu / I(F;Y) - 1| of the exact laws",
            largest(np.abs(ratios(mixture) - 1)), below(CLOSE),
            control("independent errors, same accuracies: largest mu / I(F;Y)", largest(ratios(independent)), below(0.9)),
        ),
        check(
            dataset, "N20", "identity", "simulated mixtures: share of samples in which I(F;Y|L) = 0 passes its G-test at 5 %",
            passing(mixture), between(1 - LEVEL - 0.02, 1 - LEVEL + 0.02),
            control("independent errors, q of at least a quarter: the same share", _detectable(independent), below(0.05)),
        ),
    ]  # fmt: skip


def ratios(cells: xr.Dataset) -> Array:
    """mu / I(F;Y) of each law."""
    return _exact(cells, "mu") / _exact(cells, "network")


def passing(cells: xr.Dataset) -> Estimate:
    """1 - mu/I stays below what sampling alone gives, 4.32 / (N I), in this share of samples."""
    return _share_of_draws(cells, "passed")


def _detectable(independent: xr.Dataset) -> Estimate:
    """Without the weakest mixture, whose network knows too little for any dependence to be seen."""
    return passing(independent.isel(cell=independent.accuracy.values > 0.56))


def _exact(cells: xr.Dataset, quantity: str) -> Array:
    return cells.exact.sel(quantity=quantity).values
