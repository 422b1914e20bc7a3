"""Line, then curve, then noise.

A disk under a sinusoidal rule with flipped labels (claims N13, N8).

200 points uniform in the unit disk, y = 1[x_2 > 0.4 sin(6 x_1)], a tenth of the labels flipped,
full-batch gradient descent until all of them, the wrong ones too, are fitted. Everything is scored
against clean labels on fresh points. L is a logistic regression on many clean points; the rival is
a vote of nearest neighbours on the network's own sample. Control: all labels of the sample by the
toss of a coin.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import xarray as xr

from simplicity.data import streams
from simplicity.evidence import claims
from simplicity.evidence.claims import Check, check
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.nakkiran import complexity, dense, information, plane, rivals
from simplicity.nakkiran.leaving import for_good
from simplicity.nets.loop import log_schedule

CLAIMS = ("N13", "N8")

PROBES = 60
SIMPLE = ("linear", "neighbours")
AGREES, KEPT = 0.9, 0.9
COIN = "coin-flip labels: the same"  # the control
ENOUGH_SEEDS = 5  # one random network is right about the rule far more, or less, often than half


@config.settings
class Run(plane.Run):
    """The disk, with flipped or random labels."""

    n: int = config.param(200, "training points", unit="samples", low=10, high=10**6)
    labels: str = config.param("true", "some flipped, or all by a coin", choices=("true", "random"))
    side: int = config.param(2, "grid points across on which the logit is kept", low=2, high=500)
    steps: int = config.param(20_000, "steps", low=10, high=10**8)


GRID = Grid(
    Run,
    groups={"flipped": {"labels": "true"}, "coin": {"labels": ()}},
    quick={"side": 41, "test_samples": 10_000, "seeds": 1},
    full={
        "coin_labels": ("random",), "side": 2, "hidden": 100, "steps": 60_000,
        "seeds": 10, "first_seed": 2_000_000,
    },
    tiny={"side": 3, "n": 50, "hidden": 20, "steps": 200, "test_samples": 500},
)  # fmt: skip


def measure(run: Run) -> xr.Dataset:
    """Count tables (probe, simple, F, Y, L) against clean labels, train accuracy, and logits.

    `memorised` is the first probe from which on train accuracy is 1, -1 if there is none.
    """
    x, y, _ = training_set(run)
    tested, schedule = (*test_set(run), simple(run)), log_schedule(run.steps, PROBES)
    counts, train, logit = [], [], []
    for network in along(run, schedule):
        counts.append(_counts(network, *tested))
        train.append(plane.share_of(network, x, y))
        logit.append(_logits(network, run.side))
    first = for_good(np.array(train) == 1)
    return xr.Dataset(
        {
            "counts": (("probe", "simple", "f", "y", "l"), np.array(counts, dtype=np.int32)),
            "train": ("probe", np.array(train, dtype=np.float32)),
            "step": ("probe", np.array(schedule)),
            "logit": (("probe", "vertical", "horizontal"), np.array(logit, dtype=np.float32)),
            "memorised": (*schedule, -1)[first],
        }
    )


def _counts(
    network: dense.Dense, points: np.ndarray, clean: np.ndarray, others: dict[str, np.ndarray]
) -> list[information.Counts]:
    """A table with each of `SIMPLE`."""
    f = dense.predict(network, points)
    return [information.table(f, clean, others[name]) for name in SIMPLE]


def _logits(network: dense.Dense, side: int) -> np.ndarray:
    """On the grid of `places`, (side, side)."""
    return dense.logits(network, places(side).reshape(-1, 2)).reshape(side, side)


def along(run: Run, schedule: Sequence[int]) -> Iterator[dense.Dense]:
    """The running network at each step of the schedule; look before the next is asked for."""
    x, y, _ = training_set(run)
    wanted = set(schedule)
    path = enumerate(dense.training(plane.start(run), x, y, [run.rate] * run.steps))
    return (network for step, network in path if step in wanted)


def training_set(run: Run) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points (n, 2), their labels as given to the network, and which of them are wrong."""
    x = complexity.disk(run.n, streams.generator(run.seed, streams.DATA))
    clean = complexity.above_curve(x)
    y = plane.given(run, clean) if run.labels == "true" else _coins(run)
    return x, y, y != clean


def _coins(run: Run) -> np.ndarray:
    return streams.generator(run.seed, streams.NOISE).integers(2, size=run.n)


def places(side: int) -> np.ndarray:
    """A square grid over [-1, 1]^2, (side, side, 2), rows by x_2."""
    across = np.linspace(-1, 1, side, dtype=np.float32)
    return np.stack(np.meshgrid(across, across), axis=-1)


def test_set(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Fresh points and their clean labels."""
    x = complexity.disk(run.test_samples, streams.generator(run.seed, streams.TEST))
    return x, complexity.above_curve(x)


def simple(run: Run) -> dict[str, np.ndarray]:
    """Predictions of `SIMPLE` on the test points: L from as many other clean points."""
    points, _ = test_set(run)
    rng = np.random.default_rng([run.seed, streams.TEST, 1])
    line = _linear(run, rng)
    x, y, _ = training_set(dataclasses.replace(run, labels="true"))
    return {"linear": line(points), "neighbours": rivals.neighbours(x, y, rng)(points)}


def _linear(run: Run, rng: np.random.Generator) -> rivals.Classifier:
    many = complexity.disk(run.test_samples, rng)
    return rivals.logistic(many, complexity.above_curve(many))


def curves(cells: xr.Dataset) -> dict[str, np.ndarray]:
    """Over steps (cell, probe): accuracies on clean labels, agreement with L, and informations.

    `mu` is mu(F; L), `network` I(F;Y), `null` mu of independent errors, `index` the retention
    index.
    """
    counts = cells.counts.isel(simple=0).values
    own, linear = information.accuracies(counts)
    found = information.information(counts)
    null = information.mu_null(own, linear)
    return {
        "clean": own,
        "linear": linear,
        "agreement": information.agreement(counts),
        "mu": found.mu,
        "network": found.network,
        "null": null,
        "index": information.retention_index(found.mu, null, found.network, found.simple),
    }


def checks(runs: Runs) -> list[Check]:
    """The three phases (N13), and whether what L explains is kept by a fitted network (N8)."""
    true, coin = (runs[group].sortby("seed") for group in ("flipped", "coin"))
    judge = partial(check, runs, unless=_lacking(runs, coin))
    phases = [one(judge, true, coin) for one in (_line, _order, _concept)]
    return [*phases, _kept(judge, true)]


def _line(judge: Callable[..., Check], true: xr.Dataset, coin: xr.Dataset) -> Check:
    """N13: first a line."""
    ours, random = (claims.mean(curves(one)["agreement"].max(axis=1)) for one in (true, coin))
    return judge(
        "N13.line", "empirical", "agreement with L at its peak, the first phase",
        ours, claims.above(AGREES), (COIN, random),
    )  # fmt: skip


def _order(judge: Callable[..., Check], true: xr.Dataset, coin: xr.Dataset) -> Check:
    """N13: then the curve, then the noise."""
    ours, random = (claims.share(in_order(one, curves(one))) for one in (true, coin))
    return judge(
        "N13.order", "empirical",
        "share of seeds: agreement with L peaks, then accuracy, then all is fitted, if ever",
        ours, claims.every_seed(), (COIN, random),
    )  # fmt: skip


def _concept(judge: Callable[..., Check], true: xr.Dataset, coin: xr.Dataset) -> Check:
    """N13: and the noise leaves the curve."""
    ours, random = (curves(one)["clean"][:, -1] for one in (true, coin))
    return judge(
        "N13.concept", "empirical", "accuracy on clean labels at the end, all wrong labels fitted",
        claims.mean(ours[true.memorised.values >= 0]), claims.interval_above(0.5),
        (COIN, claims.mean(random)),
    )  # fmt: skip


def _kept(judge: Callable[..., Check], true: xr.Dataset) -> Check:
    """N8: where the wrong labels are fitted too."""
    mu = curves(true)["mu"][true.memorised.values >= 0]
    return judge(
        "N8.disk", "empirical",
        "disk with flipped labels, train accuracy 1: mu(F; L) at the end over its peak",
        claims.mean(mu[:, -1] / mu.max(axis=1)), claims.at_least(KEPT),
        claims.no_control("this is where it fails; with true labels the digits keep it"),
    )  # fmt: skip


def _lacking(runs: Runs, coin: xr.Dataset) -> str:
    """Why nothing can be judged."""
    if runs.seeds < ENOUGH_SEEDS:
        return f"{runs.seeds} seeds, {ENOUGH_SEEDS} are needed"
    return "" if coin.sizes["cell"] else "the control, coin-flip labels, was not run"


def in_order(cells: xr.Dataset, found: dict[str, np.ndarray]) -> np.ndarray:
    """(cell,): does agreement with L peak before accuracy on clean labels, and that before all
    given labels are fitted? A run that never fits them all counts as one that does so later.
    """
    row, step = np.arange(cells.sizes["cell"]), cells.step.values
    line, peak = (step[row, found[name].argmax(axis=1)] for name in ("agreement", "clean"))
    return (line < peak) & (peak < _memorised(cells))


def _memorised(cells: xr.Dataset) -> np.ndarray:
    """(cell,): the step from which on all is fitted, infinite without one."""
    return np.where(cells.memorised.values >= 0, cells.memorised.values, np.inf)
