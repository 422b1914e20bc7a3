"""What the experiments with corrupted labels keep of a run, and how its claims are judged."""

from collections.abc import Callable, Iterable

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from simplicity.evidence.claims import (
    Check,
    Control,
    below,
    cells_where,
    check,
    control,
    every_seed,
    interval_within,
    mean,
    no_control,
    share,
)

KEPT = ("loss", "trajectory", "logit_slope", "residual", "length", "late_reciprocal", "distance", "variance", "rounding")
POINTS = 41
MATCHED = (0.4, 0.2, 0.1)  # mean of 1 - p of the given label
LAST = 10  # passes at the end that the paper's Figure 2 looks at


def summary(found: xr.Dataset, rates: NDArray, flipped: float) -> xr.Dataset:
    """Statistics along `epoch`, one window each, the variance over the squared rate, and scores along `probe`; float32.

    `flipped` is the share of given labels that are wrong.
    """
    kept = found[list(KEPT)].rename(window="epoch", variance="spread")
    kept["spread"] = kept.spread / rates**2
    scores = {
        f"{name}_{what}": ("probe", found[name].values[:, column])
        for name in ("test", "train")
        for column, what in enumerate(("loss", "accuracy"))
    }
    epoch = found.probe_step.values // int(found.step.values[0])
    table = kept.drop_vars("step").assign(scores).assign(probe_epoch=("probe", epoch), flipped=flipped)
    return table.map(lambda part: part.astype(np.float32) if part.dtype == np.float64 else part)


def thinned(table: xr.Dataset, points: int = POINTS) -> xr.Dataset:
    """`summary` at `points` passes only, so that runs of different lengths have the same axes; a short run's repeat.

    Added along `epoch`: `passes`, how many were finished, and `total`, the sum of `trajectory` up to there. For the end of the
    run, as in the paper's Figure 2: `last_spread` and `last_distance`, medians over the last ten passes. For a comparison at
    equal confidence: `matched_trajectory`, `matched_logit_slope` and `matched_passes` along `matched`, where the mean residual
    first falls to `MATCHED`, between two passes by a line; NaN where it never does.
    """
    count = table.sizes["epoch"]
    at = np.rint(np.linspace(0, count - 1, points)).astype(int)
    last = table[["spread", "distance"]].isel(epoch=slice(-LAST, None)).median("epoch")
    whole = table.assign(
        total=table.trajectory.cumsum("epoch"),
        last_spread=last.spread,
        last_distance=last.distance,
        passes=("epoch", np.arange(1, count + 1)),
    )
    return whole.isel(epoch=at).merge(_at_confidence(whole))


def _at_confidence(whole: xr.Dataset) -> xr.Dataset:
    """The `matched` variables, for any axes before `epoch`."""
    names = ("trajectory", "logit_slope", "passes")
    values = [np.broadcast_to(whole[name].values, whole.residual.shape).astype(float) for name in names]
    rows = whole.residual.values.reshape(-1, whole.sizes["epoch"])
    found = np.full((len(names), len(rows), len(MATCHED)), np.nan)
    for number, row in enumerate(rows):
        for column, level in enumerate(MATCHED):
            under = row <= level
            if under.any():
                after = int(under.argmax())
                before = max(after - 1, 0)
                fall = row[before] - row[after]
                part = (row[before] - level) / fall if fall > 0 else 0.0
                for name, value in enumerate(values):
                    line = value.reshape(len(rows), -1)[number]
                    found[name, number, column] = (1 - part) * line[before] + part * line[after]
    dims = (*whole.residual.dims[:-1], "matched")
    shape = (*whole.residual.shape[:-1], len(MATCHED))
    return xr.Dataset({f"matched_{name}": (dims, found[index].reshape(shape)) for index, name in enumerate(names)})


Reading = Callable[[xr.Dataset], NDArray[np.floating]]  # a number of each run, (cell,)

READINGS: dict[str, tuple[str, str, Reading]] = {  # claim, what it says, number
    "slower": ("L-F1d", "training loss averaged over the run", lambda runs: runs.loss.mean("epoch").values),
    "longer": ("L-F1e", "total trajectory", lambda runs: runs.total.values[:, -1]),
    "steeper": ("L-F1e", "slope of the logit at the end", lambda runs: runs.logit_slope.values[:, -1]),
    "worse": ("L-F1f", "loss on clean test labels at the end", lambda runs: runs.test_loss.values[:, -1]),
    "restless": ("L-F2c", "variance of the bias over alpha^2, last passes", lambda runs: runs.last_spread.values),
}
SAME = 0.5  # a ratio between 0.6 and 1.6; what a fifth of redrawn labels does is larger


def matched(level: float) -> tuple[str, str, Reading]:
    """Trajectory where the mean residual first falls to one of `MATCHED`."""
    column = MATCHED.index(level)
    what = f"trajectory at matched confidence, where the mean of 1 - p is {level:g}"
    return "L-F1e", what, lambda runs: runs.matched_trajectory.values[:, column]


def log_ratios(first: xr.Dataset, second: xr.Dataset, reading: Reading) -> NDArray[np.floating]:
    """log(second / first) of the runs of two conditions, paired by seed."""
    one, two = (reading(runs.sortby("seed")) for runs in (first, second))
    return np.log(two / one)


def judged(
    dataset: xr.Dataset, where: str, clean: xr.Dataset, corrupted: xr.Dataset, flipped: xr.Dataset | None,
    readings: Iterable[tuple[str, str, Reading]], why: str = "",
) -> list[Check]:  # fmt: skip
    """Clean labels against those with a fifth redrawn: larger in every seed. `flipped`: all labels turned, so no change.

    Without `flipped`, `why` says why there is no control.
    """

    def against(reading: Reading) -> Control:
        if flipped is None:
            return no_control(why)
        ratios = mean(log_ratios(clean, flipped, reading))
        return control(
            "all labels flipped, training and test: log of the ratio to clean labels", ratios, interval_within(-SAME, SAME)
        )

    return [
        check(
            dataset, claim, "empirical", f"{where}: share of seeds with more {what} at 0.2 than at 0",
            share(log_ratios(clean, corrupted, reading) > 0), every_seed(), against(reading),
        )
        for claim, what, reading in readings
    ]  # fmt: skip


def orders(dataset: xr.Dataset, settings: Iterable[xr.Dataset], what: str) -> Check:
    """Is there an order of the distance that all settings share? The smallest of their mean rank correlations."""
    found = [mean(rank_correlations(runs)) for runs in settings]
    smallest = min(found, key=lambda one: one.value)
    why = "no order is claimed, so that none can vanish; the squared loss, of which the paper does speak, stands beside it"
    return check(dataset, "L-FB2", "empirical", what, smallest, below(SAME), no_control(why))


def rank_correlations(runs: xr.Dataset) -> NDArray[np.floating]:
    """Of the distance at the end with the share of redrawn labels, seed by seed."""
    from scipy import stats

    found = []
    for seed in np.unique(runs.seed.values):
        own = cells_where(runs, seed=seed)
        found.append(float(stats.spearmanr(own.corruption.values, own.last_distance.values).statistic))
    return np.array(found)
