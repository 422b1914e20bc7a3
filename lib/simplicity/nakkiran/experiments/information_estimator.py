"""How far mu from a finite test set can be trusted: bias and coverage by simulation (claim N2).

Tables of N test points are drawn from a known law of (F, Y, L). With k = 1 / (2 N ln 2) bits, C classes and every cell filled,
the plug-in mu is too small by (C-1)^3 k: by k for two classes, far below the sampling error, and by 0.0526 bit for ten at
N = 10,000, the control. A second law with ten classes has what real classifiers have, cells that hardly ever occur; no formula
covers it.

Laws: Y uniform, L right with probability b; on a share of the inputs F copies L, elsewhere it errs by itself, so that its
accuracy is a. With ten classes a wrong prediction is uniform over the nine others. `filled`: on a share of the inputs all
three agree, elsewhere they are independent and uniform.
"""

import dataclasses

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import stats

from simplicity.data import streams
from simplicity.evidence.claims import (
    Check,
    Estimate,
    above,
    below,
    between,
    cells_where,
    check,
    control,
    exact,
    largest,
    mean,
    no_control,
)
from simplicity.grid import config
from simplicity.grid.config import seeds
from simplicity.nakkiran import information

CLAIMS = ("N2",)

Array = NDArray[np.floating]

NATS = float(np.log(2))
PAIRS = ((0.8, 0.8), (0.9, 0.8), (0.9, 0.7))  # accuracies of F and of L
COPIED = 0.25  # share of the inputs on which F copies L
AGREE = 0.2  # of the law with every cell filled
TEN = 10
JUDGED_NS, CONTROL_N = (500, 1000, 2000, 10_000), 10_000
COVERED, ENOUGH_TABLES = (0.93, 0.97), 2000  # with fewer, a coverage of 0.95 leaves this range by chance
ENOUGH_RESAMPLES = 1000  # with fewer, a percentile interval is too narrow by its own noise
NUMBERS_AT_ONCE = 2**22  # in one block of tables, 32 MB
NEAR = (-1.1 * 9**3 / (2 * CONTROL_N * NATS), -0.9 * 9**3 / (2 * CONTROL_N * NATS))  # a tenth of 0.0526 bit, for higher orders


@config.settings
class Config:
    ns: tuple[int, ...] = config.param((500, 2000), "numbers of test points", unit="points", low=10, high=10**8)
    ten_ns: tuple[int, ...] = config.param((CONTROL_N,), "those with ten classes", unit="points", low=10, high=10**8)
    pairs: int = config.param(1, "how many of the three pairs of accuracies", low=1, high=len(PAIRS))
    tables: int = config.param(4000, "tables of each setting and seed", unit="tables", low=2, high=10**6)
    ten_tables: int = config.param(200, "those with ten classes", unit="tables", low=2, high=10**5)
    resamples: int = config.param(0, "bootstrap draws of each binary table, 0 for none", low=0, high=10**5)
    seeds: int = config.param(1, "seeds of each setting", low=1, high=100_000)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config()
TINY = dataclasses.replace(QUICK, ns=(200,), ten_ns=(500,), tables=100, ten_tables=10, resamples=20)
FULL = dataclasses.replace(
    QUICK, ns=JUDGED_NS, ten_ns=(900, 3000, 10_000, 30_000, 100_000, 300_000, 1_000_000), pairs=len(PAIRS), ten_tables=400,
    resamples=1000, seeds=2,
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Cell:
    kind: str
    n: int
    accuracy: float
    simple: float
    tables: int
    resamples: int
    seed: int


def cells(config: Config) -> list[Cell]:
    binary = [("binary", n, a, b, config.tables, config.resamples) for n in config.ns for a, b in PAIRS[: config.pairs]]
    ten = [(kind, n, 0.9, 0.8, config.ten_tables, 0) for n in config.ten_ns for kind in ("ten, filled", "ten")]
    return [Cell(*setting, seed) for seed in seeds(config) for setting in binary + ten]


def law(classes: int, a: float, b: float, copied: float = COPIED) -> Array:
    """P(F, Y, L), (C, C, C): Y uniform, L of accuracy b, F = L on the share `copied`, and of accuracy a altogether."""
    alone = (a - copied * b) / (1 - copied)
    network, simple = (_confusion(classes, accuracy) for accuracy in (alone, b))  # (Y, F) and (Y, L)
    f = copied * np.eye(classes)[:, None, :] + (1 - copied) * network.T[:, :, None]
    return f * simple[None] / classes


def filled(classes: int, agree: float = AGREE) -> Array:
    """P(F, Y, L) = agree [F = Y = L] / C + (1 - agree) / C^3."""
    found = np.full((classes,) * 3, (1 - agree) / classes**3)
    same = np.arange(classes)
    found[same, same, same] += agree / classes
    return found


def _confusion(classes: int, accuracy: float) -> Array:
    """P(prediction | Y), rows Y: right with this probability, else uniform over the others."""
    wrong = (1 - accuracy) / (classes - 1)
    return wrong + (accuracy - wrong) * np.eye(classes)


def law_of(cell: Cell) -> Array:
    """P(F, Y, L) of the cell's kind."""
    if cell.kind == "ten, filled":
        return filled(TEN)
    return law(TEN if cell.kind == "ten" else 2, cell.accuracy, cell.simple)


def measure(cell: Cell) -> xr.Dataset:
    """Means and deviations of both estimators over the tables, and how often nominal 95 % intervals hold the truth.

    `steadied` is mu less its first-order error, sum (p_table - p) g, whose expectation is zero: the same bias, far less noise.
    """
    p = law_of(cell)
    # Settings are compared with each other, so no two of them may share their random numbers.
    labels = (cell.n, KINDS.index(cell.kind), round(1e6 * cell.accuracy), round(1e6 * cell.simple))
    rng = np.random.default_rng([cell.seed, streams.TEST, *labels])
    truth = np.array(information.information(p))
    parts = [_part(cell, p, truth, count, rng) for count in _blocks(cell.tables, p.size * max(1, cell.resamples))]
    plain, corrected, steadied, error, held = (np.concatenate([part[i] for part in parts]) for i in range(5))
    both = np.stack([plain, corrected])  # (estimator, table, quantity)
    return xr.Dataset(
        {
            "truth": ("quantity", truth),
            "bias": (("estimator", "quantity"), both.mean(axis=1) - truth),
            "deviation": (("estimator", "quantity"), both.std(axis=1, ddof=1)),
            "steadied": float(steadied.mean() - truth[MU]),
            "steadied_error": float(steadied.std(ddof=1) / np.sqrt(cell.tables)),
            "mu_error": float(error.mean()),
            "coverage": ("interval", held.mean(axis=0)),
        },
        {"estimator": list(ESTIMATORS), "quantity": list(information.Information._fields), "interval": list(METHODS)},
    )


KINDS = ("binary", "ten, filled", "ten")
ESTIMATORS = ("plug-in", "miller-madow")
METHODS = ("delta", "delta, miller-madow", "bootstrap", "bootstrap of mu / I")
MU = information.Information._fields.index("mu")


def _blocks(tables: int, size: int) -> list[int]:
    most = max(1, NUMBERS_AT_ONCE // size)
    return [min(most, tables - start) for start in range(0, tables, most)]


def _part(cell: Cell, p: Array, truth: Array, count: int, rng: np.random.Generator) -> tuple[Array, ...]:
    """Of `count` tables: plug-in, Miller-Madow (table, quantity), steadied mu, error of mu, and (table, method) who held."""
    counts = rng.multinomial(cell.n, p.ravel(), size=count).reshape(count, *p.shape)
    plain, corrected = (np.stack(information.information(counts, name), axis=-1) for name in ("plug-in", "miller-madow"))
    error = information.standard_error(counts)
    held = np.full((count, len(METHODS)), np.nan)
    for method, values in enumerate((plain, corrected)):
        held[:, method] = np.abs(values[:, MU] - truth[MU]) <= stats.norm.ppf(0.975) * error
    if cell.resamples:
        held[:, 2:] = _bootstrap_holds(counts, truth, cell.resamples, rng)
    first_order = ((counts / cell.n - p) * weights(p)).sum(axis=(1, 2, 3))
    return plain, corrected, plain[:, MU] - first_order, error, held


def _bootstrap_holds(counts: information.Counts, truth: Array, draws: int, rng: np.random.Generator) -> Array:
    """(table, 2): does the percentile interval hold the true mu, and the true mu / I(F;Y)?"""
    shares = counts.reshape(len(counts), -1) / counts[0].sum()
    again = rng.multinomial(int(counts[0].sum()), shares, size=(draws, len(counts)))
    found = information.information(again.reshape(draws, *counts.shape))
    held = []
    for values, true in ((found.mu, truth[MU]), (found.mu / found.network, truth[MU] / truth[0])):
        low, high = information.interval(values)
        held.append((low <= true) & (true <= high))
    return np.stack(held, axis=-1)


def weights(p: Array) -> Array:
    """g(f, y, l) = log2[p(fy) p(fl) p(yl) / (p(f) p(y) p(l) p(fyl))], the derivative of mu; every p must be positive."""
    pairs = [np.log2(p.sum(axis=axis, keepdims=True)) for axis in range(3)]
    singles = [np.log2(p.sum(axis=axes, keepdims=True)) for axes in ((1, 2), (0, 2), (0, 1))]
    return sum(pairs) - sum(singles) - np.log2(p)


def expected_bias(n: int, classes: int) -> float:
    """Of the plug-in mu, in bits, where every cell is filled: -(C-1)^3 / (2 N ln 2)."""
    return -((classes - 1) ** 3) / (2 * n * NATS)


def checks(dataset: xr.Dataset) -> list[Check]:
    binary = cells_where(dataset, kind="binary", n=JUDGED_NS)
    ten = cells_where(dataset, kind="ten, filled", n=CONTROL_N)
    found = [
        check(
            dataset, "N2", "identity", "two classes: largest distance of the plug-in's bias to -k, in Monte-Carlo errors",
            largest(distances(binary, "plug-in")), below(3),
            control("ten classes, N = 10,000: mean bias, bits", mean(_bias(ten, "plug-in")), between(*NEAR)),
        ),
        check(
            dataset, "N2", "identity", "two classes: largest distance of Miller-Madow's bias to 0, in Monte-Carlo errors",
            largest(distances(binary, "miller-madow")), below(3),
            control(
                "ten classes, N = 10,000, plug-in: distance of the bias to 0, in sampling errors",
                largest(np.abs(_bias(ten, "plug-in") / ten.mu_error.values)), above(1),
            ),
        ),
    ]  # fmt: skip
    if binary.sizes["cell"] and int(binary.tables.min()) >= ENOUGH_TABLES:
        found.append(_coverage_check(dataset, binary, ten, "delta", "delta method"))
    if binary.sizes["cell"] and int(binary.tables.min()) >= ENOUGH_TABLES and int(binary.resamples.min()) >= ENOUGH_RESAMPLES:
        found.append(_coverage_check(dataset, binary, ten, "bootstrap", "percentile bootstrap"))
        statistic = "two classes: coverage of mu / I(F;Y), percentile bootstrap, furthest from 95 %"
        estimate, none = worst(binary, "bootstrap of mu / I"), no_control("that of mu has one")
        found.append(check(dataset, "N2", "identity", statistic, estimate, between(*COVERED), none))
    return found


def _coverage_check(dataset: xr.Dataset, binary: xr.Dataset, ten: xr.Dataset, method: str, name: str) -> Check:
    return check(
        dataset, "N2", "identity", f"two classes: coverage of nominal 95 % intervals of mu, {name}, furthest from 95 %",
        worst(binary, method), between(*COVERED),
        control("ten classes, N = 10,000, delta method: coverage", worst(ten, "delta"), below(0.5)),
    )  # fmt: skip


def distances(binary: xr.Dataset, estimator: str) -> Array:
    """Per setting, over all its seeds: |bias - its formula| of mu in Monte-Carlo errors; the formula is -k or 0."""
    found = []
    for n, a, b in sorted(set(zip(binary.n.values, binary.accuracy.values, binary.simple.values, strict=True))):
        part = cells_where(binary, n=n, accuracy=a, simple=b)
        expected = expected_bias(int(n), 2) if estimator == "plug-in" else 0.0
        spread = part.deviation.sel(estimator=estimator, quantity="mu").values
        error = np.sqrt(np.mean(spread**2) / part.tables.values.sum())
        found.append(abs(np.mean(_bias(part, estimator)) - expected) / error)
    return np.array(found)


def worst(cells: xr.Dataset, method: str) -> Estimate:
    """The coverage furthest from 95 % over settings and seeds."""
    values = cells.coverage.sel(interval=method).values
    return exact(float(values[np.argmax(np.abs(values - 0.95))]), len(values)) if len(values) else mean([])


def trusted_from(dataset: xr.Dataset, kind: str, estimator: str) -> int | None:
    """The smallest N of the grid from which on delta-method intervals of mu hold the truth as often as they say."""
    part, found = cells_where(dataset, kind=kind), None
    method = "delta" if estimator == "plug-in" else "delta, miller-madow"
    for n in sorted({int(n) for n in part.n.values}, reverse=True):
        held = cells_where(part, n=n).coverage.sel(interval=method).values.mean()
        if not COVERED[0] <= held <= COVERED[1]:
            break
        found = n
    return found


def _bias(cells: xr.Dataset, estimator: str) -> Array:
    return cells.bias.sel(estimator=estimator, quantity="mu").values
