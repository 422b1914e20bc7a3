"""A cosine of four frequencies, learnt one sample at a time, and the first bias (L-F1, L-F2).

Loukas et al. 2021, their Task 1 and Figures 1a-c, 2a, 2b: N = 100 points, network 10-10-32-32-32-1
with W_1 = I, one sample a step in epochs, step size 0.001, 3000 epochs. Frequencies of a seed share
points, plane, start and order.

Every order in f is judged with a bootstrap over seeds: forty runs are no forty frequencies.
Controls change hardness without slope, slope without shape, or nothing that should matter.
"""

from typing import Any

import numpy as np
import xarray as xr
from scipy import stats

from simplicity.evidence import claims, over_seeds
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.loukas import cosine, criteria, lipschitz, trajectory
from simplicity.loukas.single_sample import descend
from simplicity.nets import FullyConnected

CLAIMS = ("L7", "L8", "L9", "L10", "L14", "L15", "L18")

PROBES = 36  # half of them evenly in the logarithm of the epoch, half evenly in the epoch
FRAMES = 14  # of the player, from `FIRST_FRAME` on
FIRST_FRAME = 100
END = 10  # epochs, as in the paper's Figure 2
EARLY = (100, 300, 1000)  # epochs
LOSSES = (0.05, 0.03, 0.02, 0.01)  # matched, with the 1/2
MATCHES = (*(f"loss {loss:g}" for loss in LOSSES), "R2 0.9")
EXPLAINED = 0.9
KERNEL_WIDTH = 3.0  # in the stretched plane, whose sides are 20
JUDGED_SEEDS = 10  # of the orders in f; all seeds serve the order within an f
ENOUGH_SEEDS = 10  # for a sign test, and for intervals that do not change with the set of seeds


PLAIN, CONTROLS = "plain", cosine.CONTROLS


@config.settings
class Run(cosine.Run):
    """A run on the task, or on what a control makes of it."""

    variant: str = config.param(PLAIN, "plain, or a control", choices=(PLAIN, *CONTROLS))
    n_test: int = config.param(30, "test points", unit="samples", low=1, high=10**6)
    epochs: int = config.param(3000, "epochs of N steps", unit="epochs", low=20, high=10**7)
    side: int = config.param(17, "points across where the function is kept", low=2, high=200)


GRID = Grid(
    Run,
    groups={
        PLAIN: {"frequency": cosine.FREQUENCIES},
        "control": {
            "variant": ("y times 4", "constant target"),
            "frequency": lambda run: CONTROLS[run.variant].frequency,
            "seeds": 2,
        },
    },
    quick={"seeds": 5},
    full={
        "control_variant": tuple(CONTROLS), "control_seeds": 10, "side": 2,
        "seeds": 20, "first_seed": 100,
    },
    tiny={
        "frequency": (0.25, 1.0), "control_seeds": 1, "side": 2, "n": 20, "epochs": 40, "seeds": 2,
    },
)  # fmt: skip


def task(run: Run) -> cosine.Cosine:
    """The run's sample: that of its frequency and seed, or what a control makes of it."""
    plain, control = cosine.task(run.frequency, run.n, run.seed, run.n_test), run.variant != PLAIN
    return cosine.changed(plain, CONTROLS[run.variant], run.seed) if control else plain


def looks(epochs: int) -> dict[str, list[int]]:
    """Epochs after which curves are kept: of two even scales, of the player, and early ones."""
    scales = {
        "log": np.geomspace(1, epochs, PROBES),
        "even": np.linspace(0, epochs, PROBES + 1)[1:],  # for shares of the time
        "frames": np.geomspace(min(FIRST_FRAME, epochs), epochs, FRAMES),
        "early": np.minimum(EARLY, epochs),
    }
    return {name: np.rint(scale).astype(int).tolist() for name, scale in scales.items()}


def measure(run: Run) -> xr.Dataset:
    """Curves over epochs, and what is judged: at the end, at early epochs, at matched loss.

    Levels are trajectories as means per step. Where steps are smaller, an epoch is as many times N
    steps.
    """
    data, slower = task(run), CONTROLS[run.variant].slower if run.variant in CONTROLS else 1
    step_size, kept = run.step_size / slower, looks(run.epochs)
    wanted = np.array(sorted(set().union(*kept.values())))
    places = cosine.square(run.side) @ data.basis.T

    def test_loss(network: FullyConnected) -> float:
        error = lipschitz.outputs(network, data.x_test) - data.y_test
        return np.mean(error**2).item() / 2

    _, found = descend(
        cosine.start(run.seed), data.x, data.y,
        cosine.in_epochs(run.n, run.epochs * slower, run.seed),
        step_size=step_size, window=run.n, schedule=(slower * wanted).tolist(),
        probes={
            "test": test_loss,
            "average": lambda network: lipschitz.local(network, data.x).mean(),
            "field": lambda network: lipschitz.outputs(network, places),
        },
        dims={"field": ("place",)},
    )  # fmt: skip
    found = found.assign(variance=found.variance / step_size**2)
    frame, moment = (np.searchsorted(wanted, kept[name]) for name in ("frames", "early"))
    variables = {
        "level_early": ("early", found.trajectory.values[slower * wanted[moment] - 1]),
        "test_early": ("early", found.test.values[moment]),
        "field": (("frame", "place"), found.field.values[frame].astype(np.float32)),
        "kernel_level": trajectory.kernel_slopes(data.x, data.y, KERNEL_WIDTH).mean(),
    }
    parts = _curves(found, slower * wanted) | _ends(found, slower) | _matched(found, data.y, slower)
    return xr.Dataset(parts | variables, {"epoch": ("probe", wanted)})


def _curves(found: xr.Dataset, ends: np.ndarray) -> dict[str, Any]:
    """Along `probe`; loss and level are means since the last, `raw` is the level of one epoch."""
    width, path = np.diff(ends, prepend=0), found.trajectory.values
    sums = {"loss": np.cumsum(found.loss.values), "level": np.cumsum(path)}
    curves = {
        name: np.diff(total[ends - 1], prepend=0) / width for name, total in sums.items()
    }
    curves |= {"raw": path[ends - 1], "test": found.test.values, "average": found.average.values}
    return {name: ("probe", values.astype(np.float32)) for name, values in curves.items()}


def _ends(found: xr.Dataset, slower: int) -> dict[str, Any]:
    """Scalars of the last ten epochs, and of the whole run."""
    last = found.isel(window=slice(-END, None)).mean("window")
    return {
        "loss_end": last.loss.values, "test_end": found.test.values[-1],
        "level_end": last.trajectory.values, "level_start": found.trajectory.values[0],
        "variance_end": last.variance.values, "distance_end": last.distance.values,
        "total_end": found.trajectory.values.sum() / slower,
        "rounding": found.rounding.values.max(),
        "late_error": np.median(np.abs(found.late.values / found.slope.values - 1)),
    }  # fmt: skip


def _matched(found: xr.Dataset, y: np.ndarray, slower: int) -> dict[str, Any]:
    """Along `match`: the first epoch below each loss of `MATCHES` or NaN, and what is then."""
    levels = [*LOSSES, trajectory.loss_at_explained_variance(y, EXPLAINED)]
    first = [trajectory.first_below(found.loss.values, level) for level in levels]
    path = found.trajectory.values
    sources = {
        "level": path, "variance": found.variance.values, "distance": found.distance.values,
        "total": np.cumsum(path) / slower,
    }  # fmt: skip
    at = {name: [trajectory.at(one, epoch) for epoch in first] for name, one in sources.items()}
    at["epochs"] = (np.array(first) / slower).tolist()
    return {f"{name}_at": ("match", values) for name, values in at.items()}


def checks(runs: Runs) -> list[claims.Check]:
    unless = criteria.elsewhere(
        runs, n=100, frequency=set(cosine.FREQUENCIES), control_variant=("constant target",)
    )
    many = unless or criteria.too_few(runs, ENOUGH_SEEDS)
    orders = [
        claims.check(
            runs, id, "empirical", f"rank correlation of f with {what}",
            order(runs, values), claims.interval_above(BOUNDS.get(id, 0.5)), control, unless=reason,
        )
        for reason, rows in ((unless, _orders(runs)), (many, _orders_over_many_seeds(runs)))
        for id, what, values, control in rows
    ]  # fmt: skip
    return [*orders, *_other_checks(runs, unless, many), *_test_checks(runs, many)]


Row = tuple[str, str, np.ndarray, claims.Control]  # id, what is ordered, its values, the control
BOUNDS = {"L7.epochs": 0.6, "L8.early": 0}  # of the interval of a rank correlation


def _orders(runs: Runs) -> list[Row]:
    """Orders in f that five seeds show as well."""
    level, early = by_seed(runs, "level_end"), by_seed(runs, "level_early")[..., 0]
    misfit = by_seed(runs, "variance_end") / (2 * by_seed(runs, "loss_end"))
    distance = matched(runs, "distance_at", "loss 0.03")
    constant, simple = runs("control", variant="constant target"), runs(PLAIN, frequency=0.25)
    stays = claims.mean((constant.level_end / constant.level_start).values)
    times = "y times 4, f = 0.25"
    of_misfit = [one.variance_end / one.loss_end for one in (constant, simple)]
    return [
        (
            "L8.end", "the level at the end", level,
            claims.control("constant target: level at the end over that of the first epoch",
                           stays, claims.between(0.5, 2)),
        ),
        (
            "L8.early", "the level at epoch 100", early,
            claims.no_control("the same statistic at the end has one"),
        ),
        (
            "L14.misfit", "the variance of b_1 / (2 alpha^2 loss), last ten epochs", misfit,
            claims.control("constant target: its median over that at f = 0.25",
                           _median_ratio(*of_misfit), claims.below(0.1)),
        ),
        (
            "L15.matched", "|b_1 - b_1(0)| at matched loss = 0.03", distance,
            claims.control(f"{times}: distance at the end over that of y (it has a unit)",
                           ratio(runs, "y times 4", "distance_end"), claims.above(1.5)),
        ),
    ]  # fmt: skip


def _orders_over_many_seeds(runs: Runs) -> list[Row]:
    """Those whose control is an interval of a difference, or a ratio of noisy numbers.

    Few of the runs at f = 1 reach the smallest loss; the variance of a single epoch is noise; at
    the end the distances of one f differ by a factor.
    """
    constant, simple = runs("control", variant="constant target"), runs(PLAIN, frequency=0.25)
    level, epochs = "the log level", "log epochs"
    half, times = "half the step, f = 0.5", "y times 4, f = 0.25"
    return [
        (
            "L7.epochs", "the epochs until R2 = 0.9 in training", epochs_to_fit(runs),
            _unchanged(runs, "y negated", epochs, "epochs_at", "R2 0.9"),
        ),
        (
            "L8.loss_3", "the level at matched loss = 0.03",
            matched(runs, "level_at", "loss 0.03"),
            claims.control(f"{times}: level at R2 = 0.9 over that of y (it has a unit)",
                           ratio(runs, "y times 4", "level_at", "R2 0.9"), claims.between(3, 5)),
        ),
        (
            "L8.loss_1", "the level at matched loss = 0.01",
            matched(runs, "level_at", "loss 0.01"),
            _unchanged(runs, "y negated", level, "level_at", "loss 0.01"),
        ),
        (
            "L8.fit", "the level at matched R2 = 0.9", matched(runs, "level_at", "R2 0.9"),
            _unchanged(runs, "another plane", level, "level_at", "R2 0.9"),
        ),
        (
            "L14.variance", "the variance of b_1 / alpha^2, last ten epochs",
            by_seed(runs, "variance_end"),
            claims.control(f"{half}: variance / alpha^2 at loss 0.01 over that of a whole step",
                           ratio(runs, "half the step", "variance_at", "loss 0.01"),
                           claims.between(0.8, 1.25)),
        ),
        (
            "L15.end", "|b_1 - b_1(0)|, last ten epochs", by_seed(runs, "distance_end"),
            claims.control("constant target: its median over that at f = 0.25",
                           _median_ratio(constant.distance_end, simple.distance_end),
                           claims.below(0.5)),
        ),
        (
            "L18.total", "the total trajectory of all epochs", by_seed(runs, "total_end"),
            _unchanged(runs, "y negated", "the log total", "total_end"),
        ),
    ]  # fmt: skip


def _unchanged(runs: Runs, variant: str, what: str, name: str, match: str = "") -> claims.Control:
    """A control, here at f = 0.25, that must not move the log of a variable."""
    text = f"{variant}, f = 0.25: change of {what}"
    return claims.control(text, change(runs, variant, name, match), claims.interval_contains(0))


def _other_checks(runs: Runs, unless: str, many: str) -> list[claims.Check]:
    """Neighbours in f, pairs of runs, and the identity of step and slope."""
    plain, epochs = runs[PLAIN], epochs_to_fit(runs)
    tests = sign_tests(epochs)
    untrained = "fits by a kernel, which nothing trained: the same share, for their slopes"
    steps = "worst of all steps: | |db_1| / (alpha eps) - local Lipschitz constant |"
    before = "eps of the step before: smallest relative error of an epoch's mean"
    return [
        claims.check(
            runs, "L7.neighbours", "empirical",
            "largest p of sign tests that the larger of two neighbouring f takes more epochs",
            claims.exact(max(tests), len(epochs)) if tests else claims.mean([]), claims.below(0.05),
            _unchanged(runs, "another plane", "log epochs", "epochs_at", "R2 0.9"), unless=many,
        ),
        claims.check(
            runs, "L8.pairs", "empirical",
            "share of pairs of runs whose level at the end is larger at f = 1 than at f = 0.25",
            _larger(runs, "level_end"), claims.at_least(0.95),
            claims.control(f"{untrained} (the order is forced)",
                           _larger(runs, "kernel_level"), claims.at_least(0.95)),
            unless=unless,
        ),
        claims.check(
            runs, "L9.steps", "identity", f"{steps}, in units of the rounding of b_1",
            claims.largest(plain.rounding.values), claims.below(8),
            claims.control(f"{before}, median over epochs",
                           claims.smallest(plain.late_error.values), claims.above(0.1)),
        ),
    ]  # fmt: skip


def _test_checks(runs: Runs, unless: str) -> list[claims.Check]:
    """L10. All seeds: within one frequency ten runs say little."""
    groups = [runs(PLAIN, frequency=f) for f in runs.settings.frequency]
    pairs = [(one.level_end.values, one.test_end.values) for one in groups]
    within = trajectory.pooled_spearman(pairs)
    level, test = (permuted(runs, name) for name in ("level_early", "test_early"))
    misled = trajectory.spearman(level.ravel(), test.ravel()) if len(level) else np.nan
    misleading = (level[:, 1] < level[:, 0]) & (test[:, 1] > test[:, 0])
    worse = "share of seeds with a shorter trajectory and a worse test loss"
    return [
        claims.check(
            runs, "L10.across", "empirical",
            "rank correlation of level and test loss at the end, over all f",
            criteria.order(by_seed(runs, "level_end"), by_seed(runs, "test_end")),
            claims.interval_above(0.5),
            claims.control("true and permuted labels at f = 0.25, epoch 300: the same correlation",
                           claims.exact(misled, len(level)), claims.below(0)),
            unless=unless,
        ),
        claims.check(
            runs, "L10.within", "empirical", "the same within one f, pooled by Fisher's z",
            criteria.correlation(within, runs.seeds, "Fisher's z 95 %"), claims.interval_above(0),
            claims.control(f"permuted labels, epoch 300: {worse}",
                           claims.share(misleading), claims.at_least(0.9)),
            unless=unless,
        ),
    ]  # fmt: skip


# --- statistics


def by_seed(runs: Runs, name: str) -> np.ndarray:
    """A variable of the plain runs, (seeds, frequencies, ...), the first ten seeds."""
    return criteria.by_seed(runs[PLAIN], name)[:JUDGED_SEEDS]


def matched(runs: Runs, name: str, match: str) -> np.ndarray:
    """The same at matched loss or explained variance; NaN where a run does not get there."""
    return by_seed(runs, name)[..., MATCHES.index(match)]


def epochs_to_fit(runs: Runs) -> np.ndarray:
    """Epochs until R2 = 0.9; a run that does not get there counts as later than all that do."""
    return np.nan_to_num(matched(runs, "epochs_at", "R2 0.9"), nan=1e9)


def order(runs: Runs, values: np.ndarray) -> claims.Estimate:
    """Rank correlation with f of (seeds, frequencies)."""
    return criteria.order(np.unique(runs[PLAIN].frequency.values), values)


def sign_tests(epochs: np.ndarray) -> list[float]:
    """For each two neighbouring frequencies the one-sided p that the larger one takes longer."""
    later = np.diff(epochs, axis=1) > 0
    tests = [(int(pair.sum()), len(pair)) for pair in later.T if len(pair)]
    return [float(stats.binomtest(*one, alternative="greater").pvalue) for one in tests]


def change(runs: Runs, variant: str, name: str, match: str = "") -> claims.Estimate:
    """The mean over seeds of the log of a control's value over that of the plain run at its f."""
    parts = runs("control", variant=variant), runs(PLAIN, frequency=CONTROLS[variant].frequency)
    at = {"match": MATCHES.index(match)} if match else {}
    one, other = (part.isel(at) for part in parts)
    return claims.mean(np.log(over_seeds.paired(one, other, name)))


def ratio(runs: Runs, variant: str, name: str, match: str = "") -> claims.Estimate:
    """The geometric mean of the control's values over the plain ones."""
    found = change(runs, variant, name, match)
    return claims.exact(np.exp(found.value), found.seeds) if found.seeds else found


def permuted(runs: Runs, name: str) -> np.ndarray:
    """An early variable at epoch 300, f = 0.25, with true and with permuted labels, (seeds, 2)."""
    parts = runs(PLAIN, frequency=0.25), runs("control", variant="labels permuted")
    common = np.intersect1d(*(part.seed.values for part in parts))
    chosen = (part.isel(cell=np.isin(part.seed.values, common)).sortby("seed") for part in parts)
    return np.stack([part[name].values[:, EARLY.index(300)] for part in chosen], axis=1)


def _median_ratio(one: xr.DataArray, other: xr.DataArray) -> claims.Estimate:
    if not (one.size and other.size):
        return claims.mean([])
    return claims.exact(float(np.median(one) / np.median(other)), one.size)


def _larger(runs: Runs, name: str) -> claims.Estimate:
    """The share of pairs of runs, at f = 1 and at f = 0.25, in which the former is larger."""
    values, frequencies = by_seed(runs, name), np.unique(runs[PLAIN].frequency.values).tolist()
    if not len(values) or not {0.25, 1.0} <= set(frequencies):
        return claims.mean([])
    simple, hard = (values[:, frequencies.index(f)] for f in (0.25, 1.0))
    return claims.exact(float((hard[:, None] > simple[None, :]).mean()), len(values))
