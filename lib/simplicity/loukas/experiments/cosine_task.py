"""A cosine of four frequencies, learnt one sample at a time, and its first bias (L7 to L15).

Loukas et al. 2021, their Task 1 and Figures 1a-c, 2a, 2b: N = 100 points, network 10-10-32-32-32-1
with W_1 = I, one sample a step in epochs, step size 0.001, 3000 epochs. Frequencies of a seed share
points, plane, start and order.

Every order in f is judged with a bootstrap over seeds: eighty runs are no eighty frequencies.
Controls put a change that should not matter in the place of a higher frequency.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from simplicity.data import streams
from simplicity.evidence import claims
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.loukas import cosine, criteria, lipschitz, trajectory
from simplicity.loukas.single_sample import descend
from simplicity.nets import FullyConnected

CLAIMS = ("L7", "L8", "L9", "L10", "L14", "L15", "L18", "L31", "L32", "L33", "L34", "L35", "L36")

PROBES = 36  # half of them evenly in the logarithm of the epoch, half evenly in the epoch
FRAMES = 14  # of the player, from `FIRST_FRAME` on
FIRST_FRAME = 100
END = 10  # epochs, as in the paper's Figure 2
EARLY = (100, 300, 1000)  # epochs
LOSSES = (0.05, 0.03, 0.02, 0.01)  # matched, with the 1/2
MATCHES = (*(f"loss {loss:g}" for loss in LOSSES), "R2 0.9")
EXPLAINED = 0.9
KERNEL_WIDTH = 3.0  # in the stretched plane, whose sides are 20
ENOUGH_SEEDS = 10  # for a sign test, and for intervals that do not change with the set of seeds
FRESH = 200  # points that were not trained on, where the slope is looked at


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
            "variant": ("y negated", "constant target"),
            "frequency": lambda run: CONTROLS[run.variant].frequency,
            "seeds": 5,
        },
    },
    quick={"seeds": 5},
    full={
        "control_variant": tuple(CONTROLS), "control_seeds": 20, "side": 2,
        "seeds": 20, "first_seed": 2_000_000,
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
    network, found = descend(
        cosine.start(run.seed), data.x, data.y,
        cosine.in_epochs(run.n, run.epochs * slower, run.seed),
        step_size=step_size, window=run.n, schedule=(slower * wanted).tolist(), trace=True,
        probes=_probes(run, data), dims={"field": ("place",)},
    )  # fmt: skip
    bias = trajectory.traced(found, network)
    late = trajectory.late_error(bias, found.traced_epsilon.values, step_size)
    found = found.assign(variance=found.variance / step_size**2)
    frame, moment = (np.searchsorted(wanted, kept[name]) for name in ("frames", "early"))
    variables = {
        "level_early": ("early", found.trajectory.values[slower * wanted[moment] - 1]),
        "test_early": ("early", found.test.values[moment]),
        "slope_early": ("early", found.away.values[moment]),
        "slope_end": found.away.values[-1],
        "field": (("frame", "place"), found.field.values[frame].astype(np.float32)),
        "kernel_level": trajectory.kernel_slopes(data.x, data.y, KERNEL_WIDTH).mean(),
        "late_error": late,
    }
    parts = _curves(found, slower * wanted) | _ends(found, slower) | _matched(found, data.y, slower)
    return xr.Dataset(parts | variables, {"epoch": ("probe", wanted)})


def _probes(run: Run, data: cosine.Cosine) -> dict[str, Callable[[FullyConnected], Any]]:
    """Test loss; mean slope at the training points and at fresh ones; the function on a grid."""
    places = cosine.square(run.side) @ data.basis.T
    away = streams.generator(run.seed, streams.OTHER).uniform(-1, 1, (FRESH, 2)) @ data.basis.T

    def test_loss(network: FullyConnected) -> float:
        error = lipschitz.outputs(network, data.x_test) - data.y_test
        return np.mean(error**2).item() / 2

    return {
        "test": test_loss,
        "average": lambda network: lipschitz.local(network, data.x).mean(),
        "away": lambda network: lipschitz.local(network, away).mean(),
        "field": lambda network: lipschitz.outputs(network, places),
    }


def _curves(found: xr.Dataset, ends: np.ndarray) -> dict[str, Any]:
    """Along `probe`; loss and level are means since the last, `raw` is the level of one epoch."""
    width, path = np.diff(ends, prepend=0), found.trajectory.values
    sums = {"loss": np.cumsum(found.loss.values), "level": np.cumsum(path)}
    curves = {name: np.diff(total[ends - 1], prepend=0) / width for name, total in sums.items()}
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
        runs, n=100, frequency=set(cosine.FREQUENCIES), control_variant=("y negated",)
    )
    many = unless or criteria.too_few(runs, ENOUGH_SEEDS)
    rule = claims.interval_above(0)
    orders = [
        claims.check(
            runs, id, "empirical", f"rank correlation of f with {what}",
            order(runs, _ordered(runs, name, match)), rule, (NEGATED, _negated(runs, name, match)),
            unless=unless if id in SOON else many,
        )
        for id, what, name, match in ORDERS
    ]  # fmt: skip
    return [
        *orders, *_early_checks(runs, many), *_other_checks(runs, many), *_test_checks(runs, many)
    ]  # fmt: skip


NEGATED = "f = 0.25, and the same with y negated in place of a higher f"
SOON = ("L8.end", "L35.misfit", "L36.matched")  # orders that five seeds show as well
NEVER = 1e9  # epochs of a run that does not get there: more than of all that do

# Orders in f: of the paper at the end of training, and ours at equal loss or fit; id, what is
# ordered, its variable and where it is matched. Few of the runs at f = 1 reach the smallest loss,
# the variance of a single epoch is noise, and at the end the distances of one f differ by a factor:
# these want many seeds.
ORDERS = (
    ("L7.epochs", "the epochs until R2 = 0.9 in training", "epochs_at", "R2 0.9"),
    ("L8.end", "the level, last ten epochs", "level_end", ""),
    ("L33.loss_3", "the level at training loss 0.03", "level_at", "loss 0.03"),
    ("L33.loss_1", "the level at training loss 0.01", "level_at", "loss 0.01"),
    ("L33.fit", "the level at R2 = 0.9", "level_at", "R2 0.9"),
    ("L14.variance", "the variance of b_1 / alpha^2, last ten epochs", "variance_end", ""),
    ("L35.misfit", "the variance of b_1 / (2 alpha^2 loss), last ten epochs", "misfit", ""),
    ("L15.end", "|b_1 - b_1(0)|, last ten epochs", "distance_end", ""),
    ("L36.matched", "|b_1 - b_1(0)| at training loss 0.03", "distance_at", "loss 0.03"),
    ("L18.total", "the total trajectory of all epochs", "total_end", ""),
)


def _ordered(runs: Runs, name: str, match: str) -> np.ndarray:
    """(seeds, frequencies)."""
    if name == "epochs_at":
        return epochs_to_fit(runs)
    return matched(runs, name, match) if match else by_seed(runs, name)


def _negated(runs: Runs, name: str, match: str = "") -> claims.Estimate:
    """The order of a control: a second condition that changes no slope, y negated at f = 0.25."""
    values = pair(runs, "y negated", name, match)
    return criteria.order(np.array([0.0, 1.0]), values if values.ndim == 2 else values[..., 0])


def _early_checks(runs: Runs, many: str) -> list[claims.Check]:
    """L31 and L32: the order at epoch 100, and what the level measures there."""
    early, now = (by_seed(runs, name)[..., 0] for name in ("level_early", "slope_early"))
    rule = claims.interval_above(0)
    return [
        claims.check(
            runs, "L31.early", "empirical", "rank correlation of f with the level at epoch 100",
            order(runs, early), rule, (NEGATED, _negated(runs, "level_early")), unless=many,
        ),
        claims.check(
            runs, "L32.now", "empirical",
            "rank correlation of the level with the mean slope at fresh points, epoch 100",
            criteria.order(now, early), rule,
            ("the slope of the same networks at the end, in place of the one now",
             criteria.order(by_seed(runs, "slope_end"), early)), unless=many,
        ),
    ]  # fmt: skip


def _other_checks(runs: Runs, many: str) -> list[claims.Check]:
    """Neighbours in f, and the identity of step and slope."""
    plain = runs[PLAIN]
    negated = np.nan_to_num(pair(runs, "y negated", "epochs_at", "R2 0.9"), nan=NEVER)
    steps = "worst of all steps: | |db_1| / (alpha eps) - local Lipschitz constant |"
    return [
        claims.check(
            runs, "L7.neighbours", "empirical",
            "share of seeds in which the larger of two neighbouring f takes more epochs, the least",
            slower_share(epochs_to_fit(runs)), claims.sign_test(),
            (NEGATED, slower_share(negated)), unless=many,
        ),
        claims.check(
            runs, "L9.steps", "identity", f"{steps}, in units of the rounding of b_1",
            claims.largest(plain.rounding.values), claims.below(8),
            ("eps of the step before: the same, least of all runs",
             claims.smallest(plain.late_error.values)),
        ),
    ]  # fmt: skip


def _test_checks(runs: Runs, unless: str) -> list[claims.Check]:
    """L10, over all f as in the paper, and L34, within one f."""
    rule = claims.interval_above(0)
    levels, tests = by_seed(runs, "level_end"), by_seed(runs, "test_end")
    level, test = (by_seed(runs, name)[..., 0] for name in ("level_early", "test_early"))
    early = "the same runs at epoch 100, before they have fitted"
    return [
        claims.check(
            runs, "L10.across", "empirical",
            "rank correlation of level and test loss at the end, over all f",
            criteria.order(levels, tests), rule, (early, criteria.order(level, test)),
            unless=unless,
        ),
        claims.check(
            runs, "L34.within", "empirical", "the same within one f, mean over the f",
            criteria.within(levels, tests), rule, (early, criteria.within(level, test)),
            unless=unless,
        ),
    ]  # fmt: skip


# --- statistics


def by_seed(runs: Runs, name: str) -> np.ndarray:
    """A variable of the plain runs, (seeds, frequencies, ...)."""
    return criteria.by_seed(_with_misfit(runs[PLAIN]), name)


def _with_misfit(cells: xr.Dataset) -> xr.Dataset:
    """With `misfit`, the variance over twice the loss."""
    return cells.assign(misfit=cells.variance_end / (2 * cells.loss_end))


def matched(runs: Runs, name: str, match: str) -> np.ndarray:
    """The same at matched loss or explained variance; NaN where a run does not get there."""
    return by_seed(runs, name)[..., MATCHES.index(match)]


def epochs_to_fit(runs: Runs) -> np.ndarray:
    """Epochs until R2 = 0.9; a run that does not get there counts as later than all that do."""
    return np.nan_to_num(matched(runs, "epochs_at", "R2 0.9"), nan=NEVER)


def order(runs: Runs, values: np.ndarray) -> claims.Estimate:
    """Rank correlation with f of (seeds, frequencies)."""
    return criteria.order(np.unique(runs[PLAIN].frequency.values), values)


def slower_share(epochs: np.ndarray) -> claims.Estimate:
    """Share of seeds in which the second of two neighbours takes longer, (seeds, conditions).

    Of several pairs of neighbours the one with the least share.
    """
    later = np.diff(epochs, axis=1) > 0
    return claims.share(min(later.T.tolist(), key=sum, default=[]))


def pair(runs: Runs, variant: str, name: str, match: str = "") -> np.ndarray:
    """A variable of the plain runs at a control's f and of the control, (seeds, 2, ...)."""
    parts = runs(PLAIN, frequency=CONTROLS[variant].frequency), runs("control", variant=variant)
    common = np.intersect1d(*(part.seed.values for part in parts))
    chosen = [part.isel(cell=np.isin(part.seed.values, common)).sortby("seed") for part in parts]
    values = np.stack([_with_misfit(one)[name].values for one in chosen], axis=1)
    return values[..., MATCHES.index(match)] if match else values
