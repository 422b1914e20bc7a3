"""A cosine of four frequencies, learnt one sample at a time, and its first bias (L7 to L15).

Loukas et al. 2021, their Task 1 and Figures 1a-c, 2a, 2b: N = 100 points, network 10-10-32-32-32-1
with W_1 = I, one sample a step in epochs, step size 0.001, 3000 epochs. Frequencies of a seed share
points, plane, start and order.

Every order in f is judged with a bootstrap over seeds: eighty runs are no eighty frequencies.
Controls put a change that should not matter in the place of a higher frequency.
"""

from collections.abc import Callable
from functools import partial
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

    @property
    def slower(self) -> int:
        """How many times smaller steps are; an epoch is then as many times N steps."""
        return CONTROLS[self.variant].slower if self.variant in CONTROLS else 1

    @property
    def step(self) -> float:
        """The step size of the variant."""
        return self.step_size / self.slower


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
    plain = cosine.task(run.frequency, run.n, run.seed, run.n_test)
    if run.variant == PLAIN:
        return plain
    return cosine.changed(plain, CONTROLS[run.variant], run.seed)


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

    Levels are trajectories as means per step.
    """
    data, kept = task(run), looks(run.epochs)
    wanted = np.array(sorted(set().union(*kept.values())))
    ends = run.slower * wanted
    network, found = _train(run, data, ends)
    frame, early = (np.searchsorted(wanted, kept[name]) for name in ("frames", "early"))
    others = _early(found, ends, early) | {
        "slope_end": found.away.values[-1],
        "field": (("frame", "place"), found.field.values[frame].astype(np.float32)),
        "kernel_level": trajectory.kernel_slopes(data.x, data.y, KERNEL_WIDTH).mean(),
        "late_error": _late_error(run, network, found),
    }
    found = found.assign(variance=found.variance / run.step**2)
    judged = _ends(found, run.slower) | _matched(found, data.y, run.slower)
    return xr.Dataset(_curves(found, ends) | judged | others, {"epoch": ("probe", wanted)})


def _train(run: Run, data: cosine.Cosine, ends: np.ndarray) -> tuple[FullyConnected, xr.Dataset]:
    """The network, and the statistics of all epochs with probes at these `ends`."""
    return descend(
        cosine.start(run.seed), data.x, data.y,
        cosine.in_epochs(run.n, run.epochs * run.slower, run.seed),
        step_size=run.step, window=run.n, schedule=ends.tolist(), trace=True,
        probes=_probes(run, data), dims={"field": ("place",)},
    )  # fmt: skip


def _probes(run: Run, data: cosine.Cosine) -> dict[str, Callable[[FullyConnected], Any]]:
    """Test loss; mean slope at the training points and at fresh ones; the function on a grid."""
    places = cosine.square(run.side) @ data.basis.T
    away = streams.generator(run.seed, streams.OTHER).uniform(-1, 1, (FRESH, 2)) @ data.basis.T
    return {
        "test": partial(_test_loss, data),
        "average": partial(_mean_slope, data.x),
        "away": partial(_mean_slope, away),
        "field": lambda network: lipschitz.outputs(network, places),
    }


def _test_loss(data: cosine.Cosine, network: FullyConnected) -> float:
    error = lipschitz.outputs(network, data.x_test) - data.y_test
    return np.mean(error**2).item() / 2


def _mean_slope(x: np.ndarray, network: FullyConnected) -> float:
    return lipschitz.local(network, x).mean()


def _late_error(run: Run, network: FullyConnected, found: xr.Dataset) -> float:
    """How far off steps are with eps of the step before."""
    bias = trajectory.traced(found, network)
    return trajectory.late_error(bias, found.traced_epsilon.values, run.step)


def _early(found: xr.Dataset, ends: np.ndarray, at: np.ndarray) -> dict[str, Any]:
    """Along `early`, at these of the probes: level of the epoch, test loss, slope."""
    values = {
        "level": found.trajectory.values[ends[at] - 1],
        "test": found.test.values[at], "slope": found.away.values[at],
    }  # fmt: skip
    return {f"{name}_early": ("early", one) for name, one in values.items()}


def _curves(found: xr.Dataset, ends: np.ndarray) -> dict[str, Any]:
    """Along `probe`; loss and level are means since the last, `raw` is the level of one epoch."""
    level, loss = found.trajectory.values, found.loss.values
    curves = {
        "loss": _since_last(loss, ends), "level": _since_last(level, ends),
        "raw": level[ends - 1], "test": found.test.values, "average": found.average.values,
    }  # fmt: skip
    return {name: ("probe", values.astype(np.float32)) for name, values in curves.items()}


def _since_last(values: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """The mean over the epochs since the probe before."""
    return np.diff(np.cumsum(values)[ends - 1], prepend=0) / np.diff(ends, prepend=0)


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
    path, first = found.trajectory.values, _first_epochs(found, y)
    sources = {
        "level": path, "variance": found.variance.values, "distance": found.distance.values,
        "total": np.cumsum(path) / slower,
    }  # fmt: skip
    at = {name: [trajectory.at(one, epoch) for epoch in first] for name, one in sources.items()}
    at["epochs"] = (np.array(first) / slower).tolist()
    return {f"{name}_at": ("match", values) for name, values in at.items()}


def _first_epochs(found: xr.Dataset, y: np.ndarray) -> list[float]:
    """Along `match`, counted from one."""
    levels = [*LOSSES, trajectory.loss_at_explained_variance(y, EXPLAINED)]
    return [trajectory.first_below(found.loss.values, level) for level in levels]


def checks(runs: Runs) -> list[claims.Check]:
    """Orders in f, neighbours in f, the identity of step and slope, and level and test loss."""
    return [
        *(_order_check(runs, *row) for row in ORDERS),
        _early_check(runs), _slope_check(runs), _neighbours_check(runs), _steps_check(runs),
        _test_check(runs, "L10.across", _ACROSS, criteria.order),
        _test_check(runs, "L34.within", _WITHIN, criteria.within),
    ]  # fmt: skip


def _unless(runs: Runs) -> str:
    return criteria.elsewhere(
        runs, n=100, frequency=set(cosine.FREQUENCIES), control_variant=("y negated",)
    )


def _many(runs: Runs) -> str:
    """The same of checks that want many seeds."""
    return _unless(runs) or criteria.too_few(runs, ENOUGH_SEEDS)


_RISING = claims.interval_above(0)
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


def _order_check(runs: Runs, id: str, what: str, name: str, match: str) -> claims.Check:
    return claims.check(
        runs, id, "empirical", f"rank correlation of f with {what}",
        order(runs, _ordered(runs, name, match)), _RISING, (NEGATED, _negated(runs, name, match)),
        unless=_unless(runs) if id in SOON else _many(runs),
    )  # fmt: skip


def _early_check(runs: Runs) -> claims.Check:
    """L31: the order at epoch 100."""
    return claims.check(
        runs, "L31.early", "empirical", "rank correlation of f with the level at epoch 100",
        order(runs, _at_100(runs, "level")), _RISING, (NEGATED, _negated(runs, "level_early")),
        unless=_many(runs),
    )  # fmt: skip


def _slope_check(runs: Runs) -> claims.Check:
    """L32: what the level measures at epoch 100."""
    early = _at_100(runs, "level")
    return claims.check(
        runs, "L32.now", "empirical",
        "rank correlation of the level with the mean slope at fresh points, epoch 100",
        criteria.order(_at_100(runs, "slope"), early), _RISING,
        ("the slope of the same networks at the end, in place of the one now",
         criteria.order(by_seed(runs, "slope_end"), early)), unless=_many(runs),
    )  # fmt: skip


def _neighbours_check(runs: Runs) -> claims.Check:
    negated = _or_never(pair(runs, "y negated", "epochs_at", "R2 0.9"))
    return claims.check(
        runs, "L7.neighbours", "empirical",
        "share of seeds in which the larger of two neighbouring f takes more epochs, the least",
        slower_share(epochs_to_fit(runs)), claims.sign_test(),
        (NEGATED, slower_share(negated)), unless=_many(runs),
    )  # fmt: skip


def _steps_check(runs: Runs) -> claims.Check:
    plain = runs[PLAIN]
    steps = "worst of all steps: | |db_1| / (alpha eps) - local Lipschitz constant |"
    return claims.check(
        runs, "L9.steps", "identity", f"{steps}, in units of the rounding of b_1",
        claims.largest(plain.rounding.values), claims.below(8),
        ("eps of the step before: the same, least of all runs",
         claims.smallest(plain.late_error.values)),
    )  # fmt: skip


_ACROSS = "rank correlation of level and test loss at the end, over all f"  # as in the paper
_WITHIN = "the same within one f, mean over the f"
_Correlation = Callable[[np.ndarray, np.ndarray], claims.Estimate]


def _test_check(runs: Runs, id: str, statistic: str, correlation: _Correlation) -> claims.Check:
    """The level against the test loss, at the end and for the control at epoch 100."""
    return claims.check(
        runs, id, "empirical", statistic,
        correlation(by_seed(runs, "level_end"), by_seed(runs, "test_end")), _RISING,
        ("the same runs at epoch 100, before they have fitted",
         correlation(_at_100(runs, "level"), _at_100(runs, "test"))), unless=_many(runs),
    )  # fmt: skip


# --- statistics


def by_seed(runs: Runs, name: str) -> np.ndarray:
    """A variable of the plain runs, (seeds, frequencies, ...)."""
    return criteria.by_seed(_with_misfit(runs[PLAIN]), name)


def _at_100(runs: Runs, name: str) -> np.ndarray:
    """A variable at the first of the early epochs, (seeds, frequencies)."""
    return by_seed(runs, f"{name}_early")[..., 0]


def _with_misfit(cells: xr.Dataset) -> xr.Dataset:
    """With `misfit`, the variance over twice the loss."""
    return cells.assign(misfit=cells.variance_end / (2 * cells.loss_end))


def matched(runs: Runs, name: str, match: str) -> np.ndarray:
    """The same at matched loss or explained variance; NaN where a run does not get there."""
    return by_seed(runs, name)[..., MATCHES.index(match)]


def epochs_to_fit(runs: Runs) -> np.ndarray:
    """Epochs until R2 = 0.9; a run that does not get there counts as later than all that do."""
    return _or_never(matched(runs, "epochs_at", "R2 0.9"))


def _or_never(epochs: np.ndarray) -> np.ndarray:
    return np.nan_to_num(epochs, nan=NEVER)


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
    chosen = _of_common_seeds(
        runs(PLAIN, frequency=CONTROLS[variant].frequency), runs("control", variant=variant)
    )
    values = np.stack([_with_misfit(one)[name].values for one in chosen], axis=1)
    return values[..., MATCHES.index(match)] if match else values


def _of_common_seeds(*parts: xr.Dataset) -> list[xr.Dataset]:
    common = np.intersect1d(*(part.seed.values for part in parts))
    return [part.isel(cell=np.isin(part.seed.values, common)).sortby("seed") for part in parts]
