"""How far mu from a finite test set can be trusted: bias and coverage by simulation (claim N2).

Tables of N test points are drawn from a known law of (F, Y, L). With k = 1 / (2 N ln 2) bits, C
classes and every cell filled, the plug-in mu is too small by (C-1)^3 k: by k for two classes, far
below the sampling error, and by 0.0526 bit for ten at N = 10,000, the control. A second law with
ten classes has what real classifiers have, cells that hardly ever occur; no formula covers it.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import stats

from simplicity.data import streams
from simplicity.evidence import claims
from simplicity.evidence.claims import Check, Estimate, between, check
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.nakkiran import information, laws

CLAIMS = ("N2",)

Array = NDArray[np.floating]

NATS = float(np.log(2))
TEN = 10
JUDGED_NS, CONTROL_N = (500, 1000, 2000, 10_000), 10_000
COVERED, ENOUGH_TABLES = (0.93, 0.97), 2000  # with fewer, a coverage of 0.95 may lie outside
ENOUGH_RESAMPLES = 1000  # with fewer, a percentile interval is too narrow by its own noise
NUMBERS_AT_ONCE = 2**22  # in one block of tables, 32 MB
KINDS = ("binary", "ten, filled", "ten")
METHODS = ("delta", "delta, miller-madow", "bootstrap", "bootstrap of mu / I")
MU = information.Information._fields.index("mu")


@config.settings
class Run:
    """One law and how many tables are drawn from it."""

    kind: str = config.param("binary", "the law", choices=KINDS)
    n: int = config.param(500, "test points", unit="points", low=10, high=10**8)
    accuracy: float = config.param(0.8, "accuracy a of F", low=0.5, high=1)
    simple: float = config.param(0.8, "accuracy b of L", low=0.5, high=1)
    tables: int = config.param(4000, "tables", unit="tables", low=2, high=10**6)
    resamples: int = config.param(0, "bootstrap draws of a table, or none", low=0, high=10**5)
    seed: int = config.param(0, "seed of the tables", low=0, high=2**31 - 1)


GRID = Grid(
    Run,
    groups={
        "binary": {"kind": "binary", "n": (500, 2000)},
        "more_accurate": {"kind": (), "accuracy": 0.9, "simple": (0.8, 0.7)},
        "ten": {
            "kind": ("ten", "ten, filled"), "n": CONTROL_N, "accuracy": 0.9, "tables": 200,
            "resamples": 0,
        },
        "ten_resampled": {"kind": (), "n": CONTROL_N, "accuracy": 0.9, "tables": 100},
    },
    quick={"seeds": 1},
    full={
        "n": JUDGED_NS, "more_accurate_kind": ("binary",), "resamples": 1000, "seeds": 2,
        "first_seed": 2_000_000, "ten_resampled_kind": ("ten, filled",),
        "ten_n": (900, 3000, 10_000, 30_000, 100_000, 300_000, 1_000_000), "ten_tables": 400,
    },
    tiny={"n": (200,), "ten_n": (500,), "tables": 100, "ten_tables": 10, "resamples": 20},
)  # fmt: skip


def law_of(run: Run) -> Array:
    """P(F, Y, L) of the run's kind."""
    if run.kind == "ten, filled":
        return laws.filled(TEN)
    return laws.copying(TEN if run.kind == "ten" else 2, run.accuracy, run.simple)


def measure(run: Run) -> xr.Dataset:
    """Means and deviations of both estimators over the tables, and how often intervals hold mu.

    `steadied` is mu less its first-order error, sum (p_table - p) g, whose expectation is zero: the
    same bias, far less noise. `coverage` is that of nominal 95 % intervals.
    """
    p = law_of(run)
    truth = np.array(information.information(p))
    plain, corrected, steadied, error, held = _drawn(run, p, truth)
    both = np.stack([plain, corrected])  # (estimator, table, quantity)
    return xr.Dataset(
        {
            "truth": ("quantity", truth),
            "bias": (("estimator", "quantity"), both.mean(axis=1) - truth),
            "deviation": (("estimator", "quantity"), both.std(axis=1, ddof=1)),
            "steadied": float(steadied.mean() - truth[MU]),
            "steadied_error": float(steadied.std(ddof=1) / np.sqrt(run.tables)),
            "mu_error": float(error.mean()),
            "coverage": ("interval", held.mean(axis=0)),
        },
        {
            "estimator": list(information.ESTIMATORS), "interval": list(METHODS),
            "quantity": list(information.Information._fields),
        },
    )  # fmt: skip


def _drawn(run: Run, p: Array, truth: Array) -> Iterator[Array]:
    """What `_part` says of its tables, of all tables."""
    rng, blocks = _rng(run), _blocks(run.tables, p.size * max(1, run.resamples))
    parts = [_part(run, p, truth, count, rng) for count in blocks]
    return map(np.concatenate, zip(*parts, strict=True))


def _rng(run: Run) -> np.random.Generator:
    """Settings are compared with each other, so no two of them share their random numbers."""
    accuracies = round(1e6 * run.accuracy), round(1e6 * run.simple)
    return np.random.default_rng(
        [run.seed, streams.TEST, run.n, KINDS.index(run.kind), *accuracies]
    )


def _blocks(tables: int, size: int) -> list[int]:
    most = max(1, NUMBERS_AT_ONCE // size)
    return [min(most, tables - start) for start in range(0, tables, most)]


def _part(
    run: Run, p: Array, truth: Array, count: int, rng: np.random.Generator
) -> tuple[Array, ...]:
    """Of `count` tables: plug-in, Miller-Madow, steadied mu, error of mu, and which intervals hold.

    The first two are (table, quantity), the last is (table, method).
    """
    counts = rng.multinomial(run.n, p.ravel(), size=count).reshape(count, *p.shape)
    plain, corrected = (information.stacked(counts, name) for name in information.ESTIMATORS)
    error = information.standard_error(counts)
    within = stats.norm.ppf(0.975) * error
    held = [np.abs(one[:, MU] - truth[MU]) <= within for one in (plain, corrected)]
    again = _bootstrap_holds(counts, truth, run.resamples, rng)
    steadied = plain[:, MU] - _first_order_error(counts / run.n, p)
    return plain, corrected, steadied, error, np.column_stack([*held, again])


def _first_order_error(shares: Array, p: Array) -> Array:
    """Of mu in each table (table,), whose expectation is zero."""
    return ((shares - p) * weights(p)).sum(axis=(1, 2, 3))


def _bootstrap_holds(
    counts: information.Counts, truth: Array, draws: int, rng: np.random.Generator
) -> NDArray[Any]:
    """(table, 2): does the percentile interval hold the true mu, and the true mu / I(F;Y)?

    NaN without draws.
    """
    if not draws:
        return np.full((len(counts), 2), np.nan)
    found = information.information(_again(counts, draws, rng))
    ratio = truth[MU] / truth[0]
    held = _holds(found.mu, truth[MU]), _holds(found.mu / found.network, ratio)
    return np.stack(held, axis=-1)


def _again(counts: information.Counts, draws: int, rng: np.random.Generator) -> information.Counts:
    """(draw, *counts): each table drawn anew from its own shares."""
    total = int(counts[0].sum())
    shares = counts.reshape(len(counts), -1) / total
    found = rng.multinomial(total, shares, size=(draws, len(counts)))
    return found.reshape(draws, *counts.shape)


def _holds(values: Array, true: float) -> NDArray[np.bool_]:
    low, high = information.interval(values)
    return (low <= true) & (true <= high)


def weights(p: Array) -> Array:
    """g(f, y, l), the derivative of mu; p > 0.

    g = log2[p(fy) p(fl) p(yl) / (p(f) p(y) p(l) p(fyl))].
    """
    pairs = [np.log2(p.sum(axis=axis, keepdims=True)) for axis in range(3)]
    singles = [np.log2(p.sum(axis=axes, keepdims=True)) for axes in ((1, 2), (0, 2), (0, 1))]
    return sum(pairs) - sum(singles) - np.log2(p)


def expected_bias(n: Any, classes: int) -> Any:
    """Of the plug-in mu, in bits, if every cell is filled: -(C-1)^3 / (2 N ln 2)."""
    return -((classes - 1) ** 3) / (2 * n * NATS)


def checks(runs: Runs) -> list[Check]:
    resampled = partial(_coverage, runs, group="ten_resampled")
    of_mu = "nominal 95 % intervals of mu"
    return [
        _first_order(runs),
        _coverage(runs, "N2.delta", f"{of_mu}, delta method", "delta", group="ten"),
        resampled("N2.bootstrap", f"{of_mu}, percentile bootstrap", "bootstrap"),
        resampled("N2.ratio", "mu / I(F;Y), percentile bootstrap", "bootstrap of mu / I"),
    ]


def _judged(runs: Runs) -> xr.Dataset:
    return runs.where(kind="binary", n=JUDGED_NS)


def _first_order(runs: Runs) -> Check:
    """The bias is what the expansion in 1 / N says."""
    plain, corrected = (
        claims.mean(relative_bias(_judged(runs), name)) for name in information.ESTIMATORS
    )
    return check(
        runs, "N2.bias", "identity",
        "two classes: bias of the plug-in mu, its first-order noise removed, over -k, mean over"
        " settings",
        plain, claims.interval_within(0.8, 1.25),
        ("Miller-Madow in the place of plug-in: the same", corrected),
        unless=_few(_judged(runs), "tables", ENOUGH_TABLES, "tables"),
    )  # fmt: skip


def _coverage(runs: Runs, id: str, what: str, method: str, group: str) -> Check:
    """How often intervals hold the truth; the control are ten classes, of this group."""
    binary, ten = _judged(runs), runs(group, kind="ten, filled", n=CONTROL_N)
    return check(
        runs, id, "identity", f"two classes: coverage of {what}, furthest from 95 %",
        worst(binary, method), between(*COVERED),
        ("ten classes, N = 10,000: the same", worst(ten, method)),
        unless=_rough(binary, method),
    )  # fmt: skip


def _rough(binary: xr.Dataset, method: str) -> str:
    """Why the coverage of such intervals cannot be judged."""
    few = _few(binary, "tables", ENOUGH_TABLES, "tables")
    if few or method == "delta":
        return few
    return _few(binary, "resamples", ENOUGH_RESAMPLES, "bootstrap draws")


def _few(cells: xr.Dataset, field: str, needed: int, what: str) -> str:
    """Why these were drawn too seldom; empty if they were not."""
    return "" if (cells[field] >= needed).all() else f"fewer than {needed} {what}"


def relative_bias(binary: xr.Dataset, estimator: str) -> Array:
    """(cell,): the bias of mu over -k, with the first-order noise of the tables removed."""
    apart = _bias(binary, estimator) - _bias(binary, "plug-in")
    return (binary.steadied.values + apart) / expected_bias(binary.n.values, 2)


def worst(cells: xr.Dataset, method: str) -> Estimate:
    """The coverage furthest from 95 % over settings and seeds."""
    values = cells.coverage.sel(interval=method).values
    if not len(values):
        return claims.mean([])
    return claims.exact(float(values[np.argmax(np.abs(values - 0.95))]), len(values))


def trusted_from(cells: xr.Dataset, estimator: str) -> int | None:
    """The smallest N from which on delta-method intervals of mu hold the truth as often as said."""
    held = cells.coverage.sel(interval="delta" if estimator == "plug-in" else "delta, miller-madow")
    found = None
    for n in sorted(set(cells.n.values.tolist()), reverse=True):
        if not COVERED[0] <= held.values[cells.n.values == n].mean() <= COVERED[1]:
            break
        found = n
    return found


def _bias(cells: xr.Dataset, estimator: str) -> Array:
    return cells.bias.sel(estimator=estimator, quantity="mu").values
