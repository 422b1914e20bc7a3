"""What is kept of runs with corrupted labels beside `image_task`, and how claims are judged."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import stats

from simplicity.evidence import claims, over_seeds
from simplicity.grid.groups import Runs

Array = NDArray[np.floating]

POINTS = 41
MATCHED = (0.4, 0.2, 0.1)  # mean of 1 - p of the given label
# of a log ratio: a tenth more. All labels flipped is no exact symmetry of a random start
MORE = 0.1
LAST = 10  # passes at the end that the paper's Figure 2 looks at


# --- what is kept of a run


def thinned(table: xr.Dataset, points: int = POINTS) -> xr.Dataset:
    """An `image_task.summary` at `points` passes only.

    So runs of different lengths have the same axes. The passes of a short run repeat. Added along
    `epoch`: `passes`, how many were finished, and `total`, the sum of `trajectory` up to there. For
    the end of the run, as in the paper's Figure 2: `last_spread` and `last_distance`, medians over
    the last ten passes. For a comparison at equal confidence: `matched_trajectory`,
    `matched_logit_slope` and `matched_passes` along `matched`, where the mean residual first falls
    to `MATCHED`, between two passes by a line; NaN where it never does.
    """
    at = np.rint(np.linspace(0, table.sizes["epoch"] - 1, points)).astype(int)
    whole = _with_totals(table)
    return whole.isel(epoch=at).merge(_at_confidence(whole))


def _with_totals(table: xr.Dataset) -> xr.Dataset:
    """And what `thinned` adds of the whole run and of its last passes."""
    last = table[["spread", "distance"]].isel(epoch=slice(-LAST, None)).median("epoch")
    return table.assign(
        total=table.trajectory.cumsum("epoch"),
        last_spread=last.spread,
        last_distance=last.distance,
        passes=("epoch", np.arange(1, table.sizes["epoch"] + 1)),
    )


def _at_confidence(whole: xr.Dataset) -> xr.Dataset:
    """The `matched` variables, for any axes before `epoch`."""
    names = ("trajectory", "logit_slope", "passes")
    dims = (*whole.residual.dims[:-1], "matched")
    crossing = _Crossing.of(whole.residual.values)
    return xr.Dataset(
        {f"matched_{name}": (dims, crossing.between(whole[name].values)) for name in names}
    )


class _Crossing(NamedTuple):
    """Where a residual (..., epoch) first falls to each of `MATCHED`, all (..., matched)."""

    before: NDArray[np.int64]
    after: NDArray[np.int64]
    part: Array  # of the way from one to the other
    there: NDArray[np.bool_]

    @classmethod
    def of(cls, residual: Array) -> "_Crossing":
        """Of these residuals, along a line between two passes."""
        levels = np.array(MATCHED, dtype=residual.dtype)
        under = residual[..., None, :] <= levels[:, None]
        after = under.argmax(axis=-1)
        before = np.maximum(after - 1, 0)
        high, low = _both(residual, before, after)
        part = np.divide(high - levels, high - low, out=np.zeros_like(high), where=high > low)
        return cls(before, after, part, np.asarray(under.any(axis=-1)))

    def between(self, values: Array) -> Array:
        """Values (..., epoch) there; NaN where the residual stays above."""
        line = np.broadcast_to(values, (*self.after.shape[:-1], values.shape[-1])).astype(float)
        one, other = _both(line, self.before, self.after)
        return np.where(self.there, (1 - self.part) * one + self.part * other, np.nan)


def _both(line: Array, *ends: NDArray[np.int64]) -> list[Array]:
    """The values of a line at each of these places along its last axis."""
    return [np.take_along_axis(line, end, axis=-1) for end in ends]


# --- how it is judged


class Reading(NamedTuple):
    """A number of each run, (cell,): its claim, what it is, and how it is read."""

    claim: str
    what: str
    of: Callable[[xr.Dataset], Array]


def _at_end(name: str) -> Callable[[xr.Dataset], Array]:
    return lambda runs: runs[name].values[:, -1]


def _per_loss(runs: xr.Dataset) -> Array:
    return runs.last_spread.values / (2 * runs.loss.values[:, -1])


READINGS = {
    "slower": Reading(
        "L11", "training loss averaged over the run", lambda runs: runs.loss.mean("epoch").values
    ),
    "longer": Reading("L12", "total trajectory", _at_end("total")),
    "worse": Reading("L13", "loss on clean test labels at the end", _at_end("test_loss")),
    "restless": Reading(
        "L16", "variance of the bias over alpha^2, last passes",
        lambda runs: runs.last_spread.values,
    ),
    "steeper": Reading("L37", "slope of the logit at the end", _at_end("logit_slope")),
    "misfit": Reading(
        "L39", "variance of the bias over alpha^2 and twice the training loss, last passes",
        _per_loss,
    ),
}  # fmt: skip
AMONG = {"longer": "L38", "restless": "L38"}  # is there an order among the corrupted?


def matched(level: float) -> Reading:
    """Trajectory where the mean residual first falls to one of `MATCHED`."""
    column = MATCHED.index(level)
    what = f"trajectory at matched confidence, where the mean of 1 - p is {level:g}"
    return Reading("L37", what, lambda runs: runs.matched_trajectory.values[:, column])


def log_ratios(first: xr.Dataset, second: xr.Dataset, reading: Reading) -> Array:
    """log(second / first) of the runs of two conditions, for each seed that both have."""
    one, two = map(reading.of, _of_common_seeds(first, second))
    return np.log(two / one)


def _of_common_seeds(*conditions: xr.Dataset) -> list[xr.Dataset]:
    """Of two conditions the runs whose seed the other has too, seed by seed."""
    common = np.intersect1d(*(runs.seed.values for runs in conditions))
    return [runs.isel(cell=np.isin(runs.seed.values, common)).sortby("seed") for runs in conditions]


class Setting(NamedTuple):
    """Where labels were redrawn: its name in ids and in words, and which runs are judged.

    `needs` is how many seeds a reading wants.
    """

    runs: Runs
    name: str
    where: str
    needs: Mapping[str, int]
    unless: str

    def check(
        self,
        word: str,
        claim: str,
        statistic: str,
        values: Array,
        rule: claims.Criterion,
        control: claims.Control | claims.Other,
        ending: str = "",
    ) -> claims.Check:
        """Of the mean over seeds of `values`, for a reading."""
        return claims.check(
            self.runs, f"{claim}.{self.name}_{word}{ending}", "empirical",
            f"{self.where}: {statistic}", claims.mean(values), rule, control,
            needs=self.needs.get(word, 0), unless=self.unless,
        )  # fmt: skip


def judged(
    setting: Setting, cells: xr.Dataset, level: float, flipped: xr.Dataset | None
) -> list[claims.Check]:
    """Does each reading grow when labels are redrawn? Seeds are the unit.

    First a fifth redrawn against none, as the mean over seeds of the log of the ratio; then all
    shares of `cells`, as the mean over seeds of the rank correlation with the share; then the
    corrupted ones alone. `level` is the confidence at which trajectories are matched. With all
    labels `flipped` in place of a fifth redrawn the criterion must fail, for that is the same task
    by another name.
    """
    fifth = [
        _fifth(setting, word, reading, cells, flipped)
        for word, reading in (READINGS | {"matched": matched(level)}).items()
    ]
    return fifth + _orders(setting, cells) + _orders_among(setting, cells)


def _orders(setting: Setting, cells: xr.Dataset) -> list[claims.Check]:
    """All shares."""
    rising, rank = claims.interval_above(0), "rank correlation with the share redrawn"
    fifth = claims.no_control("with all labels flipped the check of 0.2 against 0 fails")
    return [
        setting.check(
            word, READINGS[word].claim, f"{READINGS[word].what}, {rank}",
            rank_correlations(cells, READINGS[word].of), rising, fifth, "_order",
        )
        for word in ("slower", "longer", "worse", "restless")
    ]  # fmt: skip


def _orders_among(setting: Setting, cells: xr.Dataset) -> list[claims.Check]:
    """The corrupted ones alone."""
    rising, rank = claims.interval_above(0), "rank correlation with the share redrawn"
    redrawn = cells.isel(cell=cells.corruption.values > 0)
    others = claims.no_control("the settings differ, and the check fails in some")
    return [
        setting.check(
            word, claim, f"{READINGS[word].what}, {rank} among 0.2, 0.4 and 0.6",
            rank_correlations(redrawn, READINGS[word].of), rising, others,
        )
        for word, claim in AMONG.items()
    ]  # fmt: skip


def _fifth(
    setting: Setting, word: str, reading: Reading, cells: xr.Dataset, flipped: xr.Dataset | None
) -> claims.Check:
    """A fifth redrawn against none."""
    clean, corrupted = (cells.isel(cell=cells.corruption.values == share) for share in (0.0, 0.2))
    statistic = f"{reading.what}, log of the ratio of 0.2 redrawn to 0"
    ratios = log_ratios(clean, corrupted, reading)
    control = _all_flipped(setting, clean, flipped, reading)
    rule = claims.interval_above(MORE)
    return setting.check(word, reading.claim, statistic, ratios, rule, control)


def _all_flipped(
    setting: Setting, clean: xr.Dataset, flipped: xr.Dataset | None, reading: Reading
) -> claims.Control | claims.Other:
    """The control of a fifth, where it was run."""
    if flipped is None:
        return claims.no_control(
            f"not run on {setting.where}; on the digits the criterion fails with all labels flipped"
        )
    what = "all labels flipped, training and test, in place of a fifth redrawn"
    return what, claims.mean(log_ratios(clean, flipped, reading))


def rank_correlations(cells: xr.Dataset, of: Callable[[xr.Dataset], Array]) -> Array:
    """Of a reading with the share of redrawn labels, seed by seed."""

    return over_seeds.each(
        cells, lambda one: stats.spearmanr(one.corruption.values, of(one)).statistic
    )


def distances(cells: xr.Dataset) -> Array:
    """Of the first bias from its start, last passes, (cell,)."""
    return cells.last_distance.values


def told(runs: xr.Dataset) -> dict[str, float]:
    """What a page tells of one condition, means over its seeds; `released` is a median over them.

    Single points make the mean of the released statistic what they like.
    """
    return {name: float(values.mean()) for name, values in _numbers(runs).items()} | {
        "released": float(runs.late_reciprocal.mean("epoch").median()) / 2
    }


def _numbers(runs: xr.Dataset) -> dict[str, xr.DataArray]:
    """What `told` averages."""
    end = runs.isel(epoch=-1, probe=-1)
    numbers = {
        "loss": runs.loss, "level": end.total / end.passes, "total": end.total,
        "slope": end.logit_slope, "spread": runs.last_spread, "wrong": runs.flipped,
        "train": end.train_accuracy, "test": end.test_accuracy,
        "train_loss": end.train_loss, "test_loss": end.test_loss,
    }  # fmt: skip
    return numbers | {
        f"matched_{10 * level:g}": runs.matched_trajectory[:, column]
        for column, level in enumerate(MATCHED)
    }
