"""A cosine of four frequencies, learnt one sample at a time, and the trajectory of the first bias meanwhile (L-F1, L-F2).

Loukas et al. 2021, their Task 1 and Figures 1a-c, 2a, 2b: N = 100 points, network 10-10-32-32-32-1 with W_1 = I, one sample a
step in epochs, step size 0.001, 3000 epochs. Frequencies of a seed share points, plane, start and order.

Every order in f is judged with a bootstrap over seeds: forty runs are no forty frequencies. Controls change hardness without
slope, slope without shape, or nothing that should matter.
"""

import dataclasses
from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy import stats

from simplicity import nets
from simplicity.data import streams
from simplicity.evidence.claims import (
    Check,
    Criterion,
    Estimate,
    above,
    at_least,
    below,
    between,
    cells_where,
    check,
    control,
    exact,
    interval_above,
    interval_contains,
    largest,
    mean,
    no_control,
    not_testable,
    share,
    smallest,
)  # fmt: skip
from simplicity.grid import config
from simplicity.grid.config import seeds, shared
from simplicity.loukas import cosine, lipschitz, trajectory
from simplicity.loukas.cosine import FREQUENCIES
from simplicity.loukas.single_sample import descend, passes

CLAIMS = ("L-F1a", "L-F1b", "L-F1bp", "L-F1c", "L-F2a", "L-F2b", "L-FI")

SIZES = (10, 10, 32, 32, 32, 1)
PROBES = 36  # half of them evenly in the logarithm of the epoch, half evenly in the epoch
FRAMES = 14  # of the player, from `FIRST_FRAME` on
FIRST_FRAME = 100
END = 10  # epochs, as in the paper's Figure 2
EARLY = (100, 300, 1000)  # epochs
LOSSES = (0.05, 0.03, 0.02, 0.01)  # matched, with the 1/2
MATCHES = (*(f"loss {loss:g}" for loss in LOSSES), "R2 0.9")
JUDGED_N = 100
EXPLAINED = 0.9
KERNEL_WIDTH = 3.0  # in the stretched plane, whose sides are 20
JUDGED_SEEDS = 10  # of the orders in f; all seeds serve the order within an f
ENOUGH_SEEDS = 10  # for a sign test, and for intervals that do not change from one set of seeds to another


class Variant(NamedTuple):
    """What a row changes of the plain run at the given frequency."""

    frequency: float
    amplitude: float = 1.0
    labels: str = "cosine"
    rotated: bool = False
    slower: int = 1  # times smaller steps, times as many epochs


CONTROLS = {
    "y negated": Variant(0.25, amplitude=-1.0),
    "another plane": Variant(0.25, rotated=True),
    "y times 4": Variant(0.25, amplitude=4.0),
    "labels permuted": Variant(0.25, labels="permuted"),
    "constant target": Variant(0.25, labels="constant"),
    "half the step": Variant(0.5, slower=2),
}
PLAIN = "plain"


@config.settings
class Config:
    frequencies: tuple[float, ...] = config.param(FREQUENCIES, "frequencies f of the target", low=0, high=100)
    controls: tuple[str, ...] = config.param(tuple(CONTROLS), "controls", choices=CONTROLS)
    control_seeds: int = config.param(2, "seeds of the controls, at most", low=1, high=100_000)
    n: int = config.param(100, "training points N", unit="samples", low=2, high=10**6)
    n_test: int = config.param(30, "test points", unit="samples", low=1, high=10**6)
    step_size: float = config.param(0.001, "learning rate alpha", low=1e-12)
    epochs: int = config.param(3000, "epochs of N single steps", unit="epochs", low=20, high=10**7)
    side: int = config.param(2, "points across of the grid on which the function is kept for the player", low=2, high=200)
    seeds: int = config.param(5, "seeds", low=1, high=100_000)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config(controls=("y times 4", "constant target"), side=17)
TINY = dataclasses.replace(QUICK, frequencies=(0.25, 1.0), control_seeds=1, side=2, n=20, epochs=40, seeds=2)
FULL = dataclasses.replace(QUICK, controls=tuple(CONTROLS), side=2, control_seeds=10, seeds=20, first_seed=100)


@dataclasses.dataclass(frozen=True)
class Cell:
    variant: str
    frequency: float
    seed: int
    n: int
    n_test: int
    step_size: float
    epochs: int
    side: int


def cells(config: Config) -> list[Cell]:
    common = shared(Cell, config)
    found = [Cell(variant=PLAIN, frequency=f, seed=seed, **common) for seed in seeds(config) for f in config.frequencies]
    few = seeds(config)[: config.control_seeds]
    return found + [
        Cell(variant=v, frequency=CONTROLS[v].frequency, seed=seed, **common) for seed in few for v in config.controls
    ]


def task(cell: Cell) -> cosine.Cosine:
    """The cell's sample: the plain one of its frequency and seed, or what the variant makes of it."""
    plain, variant = cosine.task(cell.frequency, cell.n, cell.seed, cell.n_test), CONTROLS.get(cell.variant)
    if variant is None:
        return plain
    if variant.rotated:
        turned = np.linalg.qr(streams.generator(cell.seed, streams.OTHER).standard_normal((cosine.DIM, cosine.DIM)))[0]
        return plain._replace(x=plain.x @ turned, x_test=plain.x_test @ turned, basis=turned.T @ plain.basis)
    if variant.labels == "permuted":
        return plain._replace(y=streams.generator(cell.seed, streams.NOISE).permutation(plain.y))
    if variant.labels == "constant":
        return plain._replace(y=np.ones_like(plain.y), y_test=np.ones_like(plain.y_test))
    return plain._replace(y=variant.amplitude * plain.y, y_test=variant.amplitude * plain.y_test)


def schedule(epochs: int) -> tuple[int, ...]:
    """Epochs after which curves are kept, among them those of the player and the early ones."""
    log = np.rint(np.geomspace(1, epochs, PROBES)).astype(int)
    return tuple(sorted({*log.tolist(), *evenly(epochs), *frames(epochs), *early(epochs)}))


def evenly(epochs: int) -> list[int]:
    """Equally far apart, for shares of the time."""
    return np.rint(np.linspace(0, epochs, PROBES + 1)[1:]).astype(int).tolist()


def frames(epochs: int) -> list[int]:
    """Epochs of the player's frames."""
    return np.rint(np.geomspace(min(FIRST_FRAME, epochs), epochs, FRAMES)).astype(int).tolist()


def early(epochs: int) -> list[int]:
    return [min(epoch, epochs) for epoch in EARLY]


def grid(side: int) -> np.ndarray:
    """Points (u, v) of the square, (side^2, 2)."""
    line = (np.arange(side) + 0.5) / side * 2 - 1
    return np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)


def measure(cell: Cell) -> xr.Dataset:
    """Curves over epochs, and what is judged: at the end (means over ten epochs), at early epochs, at matched loss.

    Levels are trajectories as means per step. Where steps are smaller, an epoch is as many times N steps.
    """
    data, slower = task(cell), CONTROLS[cell.variant].slower if cell.variant in CONTROLS else 1
    epochs, wanted = cell.epochs * slower, np.array(schedule(cell.epochs))
    start = nets.torch_default(SIZES, streams.generator(cell.seed, streams.INITIALISATION), identity=True)
    places = grid(cell.side) @ data.basis.T
    probes = {
        "test": lambda network: np.mean((lipschitz.outputs(network, data.x_test) - data.y_test) ** 2) / 2,
        "average": lambda network: lipschitz.local(network, data.x).mean(),
        "field": lambda network: lipschitz.outputs(network, places),
    }
    _, run = descend(
        start, data.x, data.y, passes(cell.n, epochs, streams.generator(cell.seed, streams.BATCHES)),
        step_size=cell.step_size / slower, window=cell.n, schedule=(slower * wanted).tolist(), probes=probes,
        dims={"field": ("place",)},
    )  # fmt: skip
    run = run.assign(variance=run.variance / (cell.step_size / slower) ** 2)
    frame, moment = (np.searchsorted(wanted, part(cell.epochs)) for part in (frames, early))
    variables = (
        _curves(run, slower * wanted)
        | _ends(run, slower)
        | _matched(run, data.y, slower)
        | {
            "level_early": ("early", run.trajectory.values[slower * wanted[moment] - 1]),
            "test_early": ("early", run.test.values[moment]),
            "field": (("frame", "place"), run.field.values[frame].astype(np.float32)),
            "kernel_level": trajectory.kernel_slopes(data.x, data.y, KERNEL_WIDTH).mean(),
        }
    )
    return xr.Dataset(variables, {"epoch": ("probe", wanted)})


def _curves(run: xr.Dataset, ends: np.ndarray) -> dict:
    """Along `probe`: loss and level as means since the last probe, the level of that one epoch, test loss, lambda_avg."""
    width = np.diff(ends, prepend=0)
    found = {name: np.diff(np.cumsum(run[of].values)[ends - 1], prepend=0) / width for name, of in _MEANS.items()}
    found |= {"raw": run.trajectory.values[ends - 1], "test": run.test.values, "average": run.average.values}
    return {name: ("probe", values.astype(np.float32)) for name, values in found.items()}


_MEANS = {"loss": "loss", "level": "trajectory"}


def _ends(run: xr.Dataset, slower: int) -> dict:
    """Scalars of the last ten epochs, and of the whole run."""
    last = run.isel(window=slice(-END, None)).mean("window")
    return {
        "loss_end": last.loss.values,
        "test_end": run.test.values[-1],
        "level_end": last.trajectory.values,
        "level_start": run.trajectory.values[0],
        "variance_end": last.variance.values,
        "distance_end": last.distance.values,
        "total_end": run.trajectory.values.sum() / slower,
        "rounding": run.rounding.values.max(),
        "late_error": np.median(np.abs(run.late.values / run.slope.values - 1)),
    }


def _matched(run: xr.Dataset, y: np.ndarray, slower: int) -> dict:
    """Along `match`, in the order of `MATCHES`: the first epoch below the loss, NaN where there is none, and what is then."""
    levels = [*LOSSES, trajectory.loss_at_explained_variance(y, EXPLAINED)]
    first = [trajectory.first_below(run.loss.values, level) for level in levels]
    total = np.cumsum(run.trajectory.values) / slower
    sources = {"level": run.trajectory.values, "variance": run.variance.values, "distance": run.distance.values, "total": total}
    found = {f"{name}_at": [trajectory.at(values, epoch) for epoch in first] for name, values in sources.items()}
    return {name: ("match", values) for name, values in (found | {"epochs_at": np.array(first) / slower}).items()}


def checks(dataset: xr.Dataset) -> list[Check]:
    if not _as_judged(dataset):
        what, why = "orders in f", f"the criteria are for N = {JUDGED_N}, all four frequencies, and the constant target"
        return [_identity_check(dataset), not_testable(dataset, "L-F1b", "empirical", what, why)]
    found = [*_level_checks(dataset), _identity_check(dataset), _misfit_check(dataset), _matched_distance_check(dataset)]
    if len(set(dataset.seed.values.tolist())) >= ENOUGH_SEEDS:
        found += [*_speed_checks(dataset), *_full_level_checks(dataset), *_test_checks(dataset)]
        found += [_variance_check(dataset), _distance_check(dataset), _total_check(dataset)]
    return found


def _as_judged(dataset: xr.Dataset) -> bool:
    """Are these the runs that the criteria speak of?"""
    plain = cells_where(dataset, variant=PLAIN, n=JUDGED_N)
    return set(plain.frequency.values.tolist()) == set(FREQUENCIES) and "constant target" in dataset.variant.values


def _speed_checks(dataset: xr.Dataset) -> list[Check]:
    """L-F1a, FULL only: the controls are intervals of a difference."""
    epochs = epochs_to_fit(dataset)
    moved = {name: change(dataset, name, "epochs_at", "R2 0.9") for name in ("y negated", "another plane")}
    return [
        check(
            dataset, "L-F1a", "empirical", "rank correlation of f with the epochs until R2 = 0.9 in training",
            order(dataset, epochs), interval_above(0.6),
            control("y negated, f = 0.25: change of log epochs", moved["y negated"], unchanged()),
        ),
        check(
            dataset, "L-F1a", "empirical", "largest p of sign tests that the larger of two neighbouring f takes more epochs",
            exact(max(sign_tests(epochs)), len(epochs)), below(0.05),
            control("another plane, f = 0.25: change of log epochs", moved["another plane"], unchanged()),
        ),
    ]  # fmt: skip


def _level_checks(dataset: xr.Dataset) -> list[Check]:
    """L-F1b at the end, where the order is forced, and at an early epoch."""
    ends = by_seed(dataset, "level_end")
    constant = cells_where(dataset, variant="constant target")
    return [
        check(
            dataset, "L-F1b", "empirical", "rank correlation of f with the level at the end",
            order(dataset, ends), interval_above(0.5),
            control("constant target: level at the end over that of the first epoch",
                    mean((constant.level_end / constant.level_start).values), between(0.5, 2)),
        ),
        check(
            dataset, "L-F1b", "empirical", "share of pairs of runs whose level at the end is larger at f = 1 than at f = 0.25",
            _longer(dataset, "level_end"), at_least(0.95),
            control("fits by a kernel, which nothing trained: the same share, for their slopes (the order is forced)",
                    _longer(dataset, "kernel_level"), at_least(0.95)),
        ),
        check(
            dataset, "L-F1b", "empirical", "rank correlation of f with the level at epoch 100",
            order(dataset, by_seed(dataset, "level_early")[..., 0]), interval_above(0),
            no_control("the same statistic at the end has one"),
        ),
    ]  # fmt: skip


def _full_level_checks(dataset: xr.Dataset) -> list[Check]:
    """L-F1b at matched fit, FULL only: few of the runs at f = 1 reach the smallest loss."""
    unit = ratio(dataset, "y times 4", "level_at", "R2 0.9")
    negated, turned = (
        change(dataset, "y negated", "level_at", "loss 0.01"),
        change(dataset, "another plane", "level_at", "R2 0.9"),
    )
    controls = {
        "loss 0.03": control("y times 4, f = 0.25: level at R2 = 0.9 over that of y (it has a unit)", unit, between(3, 5)),
        "loss 0.01": control("y negated, f = 0.25: change of the log level", negated, unchanged()),
        "R2 0.9": control("another plane, f = 0.25: change of the log level", turned, unchanged()),
    }
    return [
        check(
            dataset, "L-F1b", "empirical", f"rank correlation of f with the level at matched {name.replace(' ', ' = ')}",
            order(dataset, matched(dataset, "level_at", name)), interval_above(0.5), one,
        )
        for name, one in controls.items()
    ]  # fmt: skip


def _identity_check(dataset: xr.Dataset) -> Check:
    plain = cells_where(dataset, variant=PLAIN)
    return check(
        dataset, "L-F1bp", "identity",
        "worst of all steps: | |db_1| / (alpha eps) - local Lipschitz constant |, in units of the rounding of b_1",
        largest(plain.rounding.values), below(8),
        control("eps of the step before: smallest relative error of an epoch's mean, median over epochs",
                smallest(plain.late_error.values), above(0.1)),
    )  # fmt: skip


def _test_checks(dataset: xr.Dataset) -> list[Check]:
    """L-F1c, FULL only. All seeds: within one frequency ten runs say little."""
    plain = cells_where(dataset, variant=PLAIN)
    across = trajectory.spearman_over_seeds(*(by_seed(dataset, name) for name in ("level_end", "test_end")))
    groups = [cells_where(plain, frequency=f) for f in np.unique(plain.frequency.values)]
    within = trajectory.pooled_spearman([(one.level_end.values, one.test_end.values) for one in groups])
    level, test = (permuted(dataset, name)[..., EARLY.index(300)] for name in ("level_early", "test_early"))
    misled = exact(trajectory.spearman(level.ravel(), test.ravel()), len(level)) if len(level) else mean([])
    return [
        check(
            dataset, "L-F1c", "empirical", "rank correlation of level and test loss at the end, over all f",
            estimate(across, JUDGED_SEEDS), interval_above(0.5),
            control("true and permuted labels at f = 0.25, epoch 300: the same correlation", misled, below(0)),
        ),
        check(
            dataset, "L-F1c", "empirical", "the same within one f, pooled by Fisher's z",
            estimate(within, len(groups[0].seed), "Fisher's z 95 %"), interval_above(0),
            control("permuted labels, epoch 300: share of seeds with a shorter trajectory and a worse test loss",
                    share((level[:, 1] < level[:, 0]) & (test[:, 1] > test[:, 0])), at_least(0.9)),
        ),
    ]  # fmt: skip


def _variance_check(dataset: xr.Dataset) -> Check:
    """FULL only: the variance of a single epoch is noise, and so is its ratio in a few seeds."""
    slow = ratio(dataset, "half the step", "variance_at", "loss 0.01")
    return check(
        dataset, "L-F2a", "empirical", "rank correlation of f with the variance of b_1 / alpha^2, last ten epochs",
        order(dataset, by_seed(dataset, "variance_end")), interval_above(0.5),
        control("half the step, f = 0.5: variance / alpha^2 at loss 0.01 over that of a whole step", slow, between(0.8, 1.25)),
    )  # fmt: skip


def _misfit_check(dataset: xr.Dataset) -> Check:
    per_loss = by_seed(dataset, "variance_end") / (2 * by_seed(dataset, "loss_end"))
    constant, simple = (cells_where(dataset, **where) for where in _CONSTANT_AND_SIMPLE)
    still = _median_ratio(constant.variance_end / constant.loss_end, simple.variance_end / simple.loss_end)
    return check(
        dataset, "L-F2a", "empirical", "rank correlation of f with the variance of b_1 / (2 alpha^2 loss), last ten epochs",
        order(dataset, per_loss), interval_above(0.5),
        control("constant target: its median over that at f = 0.25", still, below(0.1)),
    )  # fmt: skip


def _distance_check(dataset: xr.Dataset) -> Check:
    """FULL only: at the end runs of one f differ by a factor."""
    constant, simple = (cells_where(dataset, **where) for where in _CONSTANT_AND_SIMPLE)
    return check(
        dataset, "L-F2b", "empirical", "rank correlation of f with |b_1 - b_1(0)|, last ten epochs",
        order(dataset, by_seed(dataset, "distance_end")), interval_above(0.5),
        control(
            "constant target: its median over that at f = 0.25",
            _median_ratio(constant.distance_end, simple.distance_end), below(0.5),
        ),
    )  # fmt: skip


def _matched_distance_check(dataset: xr.Dataset) -> Check:
    return check(
        dataset, "L-F2b", "empirical", "rank correlation of f with |b_1 - b_1(0)| at matched loss = 0.03",
        order(dataset, matched(dataset, "distance_at", "loss 0.03")), interval_above(0.5),
        control(
            "y times 4, f = 0.25: distance at the end over that of y (it has a unit)",
            ratio(dataset, "y times 4", "distance_end"), above(1.5),
        ),
    )  # fmt: skip


def _median_ratio(one: xr.DataArray, other: xr.DataArray) -> Estimate:
    if not (one.size and other.size):
        return mean([])
    return exact(float(np.median(one) / np.median(other)), one.size)


_CONSTANT_AND_SIMPLE = ({"variant": "constant target"}, {"variant": PLAIN, "frequency": 0.25})


def _total_check(dataset: xr.Dataset) -> Check:
    """FULL only: its control is an interval of a difference."""
    return check(
        dataset, "L-FI", "empirical", "rank correlation of f with the total trajectory of all epochs",
        order(dataset, by_seed(dataset, "total_end")), interval_above(0.5),
        control("y negated, f = 0.25: change of the log total", change(dataset, "y negated", "total_end"), unchanged()),
    )  # fmt: skip


def by_seed(dataset: xr.Dataset, name: str) -> np.ndarray:
    """A variable of the plain runs, (seeds, frequencies, ...), the first ten seeds."""
    plain = cells_where(dataset, variant=PLAIN)
    plain = plain.isel(cell=np.lexsort((plain.frequency.values, plain.seed.values)))
    values = plain[name].values
    frequencies = len(np.unique(plain.frequency.values))
    return values.reshape(-1, frequencies, *values.shape[1:])[:JUDGED_SEEDS]


def matched(dataset: xr.Dataset, name: str, match: str) -> np.ndarray:
    """The same at matched loss or explained variance, (seeds, frequencies); NaN where a run does not get there."""
    return by_seed(dataset, name)[..., MATCHES.index(match)]


def epochs_to_fit(dataset: xr.Dataset) -> np.ndarray:
    """Epochs until R2 = 0.9; a run that does not get there counts as later than all that do."""
    return np.nan_to_num(matched(dataset, "epochs_at", "R2 0.9"), nan=1e9)


def order(dataset: xr.Dataset, values: np.ndarray) -> Estimate:
    """Rank correlation with f of (seeds, frequencies)."""
    frequencies = np.unique(cells_where(dataset, variant=PLAIN).frequency.values)
    return estimate(trajectory.spearman_over_seeds(frequencies, values), len(values))


def estimate(found: trajectory.Correlation, runs: int, kind: str = "bootstrap over seeds 95 %") -> Estimate:
    """The correlation as an estimate, with a remark on runs that were left out."""
    if not np.isfinite(found.low):
        return mean([])
    remark = f", {found.missing} runs do not get there" if found.missing else ""
    return Estimate(found.value, (found.low, found.high), kind + remark, runs)


def sign_tests(epochs: np.ndarray) -> list[float]:
    """For each pair of neighbouring frequencies the one-sided p that the larger one takes longer, over seeds."""
    later = np.diff(epochs, axis=1) > 0
    return [float(stats.binomtest(int(pair.sum()), len(pair), alternative="greater").pvalue) for pair in later.T]


def paired(dataset: xr.Dataset, variant: str, name: str, match: str = "") -> np.ndarray:
    """Per seed the log of a control's value over that of the plain run at its frequency."""
    one = cells_where(dataset, variant=variant)
    other = cells_where(dataset, variant=PLAIN, frequency=CONTROLS[variant].frequency, seed=tuple(one.seed.values.tolist()))
    values = [part.isel(cell=np.argsort(part.seed.values))[name].values for part in (one, other)]
    ours, plain = (part[:, MATCHES.index(match)] if match else part for part in values)
    return np.log(ours / plain)


def change(dataset: xr.Dataset, variant: str, name: str, match: str = "") -> Estimate:
    """The mean of those logs with its interval."""
    return mean(paired(dataset, variant, name, match))


def ratio(dataset: xr.Dataset, variant: str, name: str, match: str = "") -> Estimate:
    """The geometric mean of the control's values over the plain ones."""
    found = change(dataset, variant, name, match)
    return exact(np.exp(found.value), found.seeds) if found.seeds else found


def unchanged() -> Criterion:
    return interval_contains(0)


def permuted(dataset: xr.Dataset, name: str) -> np.ndarray:
    """A variable with true and with permuted labels at f = 0.25, (seeds, 2, ...)."""
    one = cells_where(dataset, variant="labels permuted")
    other = cells_where(dataset, variant=PLAIN, frequency=0.25, seed=tuple(one.seed.values.tolist()))
    values = [part.isel(cell=np.argsort(part.seed.values))[name].values for part in (other, one)]
    return np.stack(values, axis=1)


def _longer(dataset: xr.Dataset, name: str) -> Estimate:
    """The share of pairs of runs, one at f = 1 and one at f = 0.25, in which the former is larger; the first ten seeds."""
    values = by_seed(dataset, name)
    frequencies = np.unique(cells_where(dataset, variant=PLAIN).frequency.values)
    if not {0.25, 1.0} <= set(frequencies.tolist()):
        return mean([])
    simple, hard = (values[:, frequencies.tolist().index(f)] for f in (0.25, 1.0))
    return exact(float((hard[:, None] > simple[None, :]).mean()), len(values))
