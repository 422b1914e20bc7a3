"""What experiments hold their runs against, one answer a cell, and the checks that they share."""

import functools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from simplicity.boursier import ols, synthetic
from simplicity.evidence.claims import Check, Estimate, below, check, every_seed, median, share
from simplicity.evidence.over_seeds import Values, paired
from simplicity.grid.groups import Runs, cells_where

Answers = NDArray[np.bool_]

PAST = 640  # samples at which every seed is past the threshold, Gaussian inputs, d = 5
BEFORE = 80  # and at which none is, while two least-squares fits would meet the bound on the risk
LONG = 20_000  # steps from which on the end of training, or of its tail, is judged
_AT_LIMIT = 1e-3


def at_limit(cells: xr.Dataset) -> Answers:
    """Did training end at the theorem's limit, |rho - 1| < 0.001?"""
    return (np.abs(cells.rho - 1) < _AT_LIMIT).values


def not_interpolated(cells: xr.Dataset, error: str = "train_mse") -> Answers:
    """Is the error no interpolator's, above 0.1 sigma^2?"""
    return (cells[error] > 0.1 * cells.noise_variance).values


def low_risk(cells: xr.Dataset) -> Answers:
    """Is the excess risk below 0.15 sigma^2?"""
    return (cells.excess_risk < 0.15 * cells.noise_variance).values


def refuses_noise(cells: xr.Dataset) -> Answers:
    """Is the risk low while the train error stays near that of the two fits?"""
    return low_risk(cells) & (cells.rho > 0.8).values


def by_width(cells: xr.Dataset) -> list[xr.Dataset]:
    """The cells of each width, the narrowest first."""
    return [cells_where(cells, width=width) for width in np.unique(cells.width.values)]


def pairs(cells: xr.Dataset) -> list[tuple[int, int]]:
    """n and width of the cells, each pair once, in order."""
    return sorted(set(zip(cells.n.values.tolist(), cells.width.values.tolist(), strict=True)))


def rho(cells: xr.Dataset, error: xr.DataArray) -> xr.DataArray:
    """A train MSE over that of the two fits; NaN where these interpolate: 0/0 says nothing."""
    return error / cells.two_fits.where(cells.two_fits > 1e-12)


def behind_best(cells: xr.Dataset, *others: xr.DataArray) -> xr.DataArray:
    """(train MSE of the small start - the least of it and of the others) / sigma^2, at least 0."""
    best = functools.reduce(np.fmin, (*others, cells.small))
    return (cells.small - best) / cells.noise_variance


def worst_median(parts: Iterable[xr.DataArray], worst: Callable[..., Estimate]) -> Estimate:
    """The medians of the parts, and of these the `worst`, which is `max` or `min`.

    Where a part is empty there is nothing to judge.
    """
    found = [median(part.values) for part in parts]
    if not all(estimate.seeds for estimate in found):
        return median([])
    return worst(found, key=lambda estimate: estimate.value, default=median([]))


def too_short(steps: int) -> str:
    """Why a run of so few steps is not judged, empty where it is."""
    return "" if steps >= LONG else f"{steps} steps, {LONG} are needed"


def behind(one: xr.Dataset, other: xr.Dataset) -> Values:
    """For each seed the train error of `one` minus that of `other`, in units of sigma^2."""
    one, other = (part.assign(share=part.train_mse / part.noise_variance) for part in (one, other))
    return paired(one, other, "share", np.subtract)


def linear_fit_not_interpolated(cells: xr.Dataset) -> Answers:
    """`not_interpolated` of one least-squares fit to the cell's samples."""
    each = (cells.isel(cell=index) for index in range(cells.sizes["cell"]))
    errors = np.array([_linear_fit_error(cell) for cell in each])
    return errors > 0.1 * cells.noise_variance.values


def _linear_fit_error(cell: xr.Dataset) -> float:
    """The train error of one least-squares fit to the samples, drawn again from their seed."""
    drawn = (str(cell.law.values), int(cell.n), int(cell.dim), float(cell.noise_variance))
    task = synthetic.linear_task(*drawn, int(cell.seed), n_test=1)
    return ols.mse(task.x @ ols.ols(task.x, task.y), task.y)


def few_samples(runs: Runs, id: str, statistic: str, few: xr.Dataset, **judged: Any) -> Check:
    """`few` samples are interpolated; `judged`: what the check needs, as in `claims.check`.

    The share of the control is P(chi2 with n - d degrees of freedom > 0.1 n).
    """
    return check(
        runs, id, "empirical", statistic, share(not_interpolated(few)), below(0.1),
        ("a linear fit to the same samples in place of the network",
         share(linear_fit_not_interpolated(few))),
        **judged,
    )  # fmt: skip


def past_threshold(
    runs: Runs, word: str, small: xr.Dataset, unaligned: xr.Dataset | None = None, at: str = ""
) -> Check:
    """`B2.word`: the `small` starts on Gaussian inputs at n = 640.

    The control are starts at scale 1, `unaligned`, with the same inputs; where there are none, the
    small starts with 80 samples. `at` says in the statistics which networks these are.
    """
    gaussian = cells_where(small, law="gaussian")
    many, before = (cells_where(gaussian, n=n) for n in (PAST, BEFORE))
    changed, others = (
        (f"n = {BEFORE}", before) if unaligned is None else ("starts at scale 1", unaligned)
    )
    return check(
        runs, f"B2.{word}", "empirical",
        "share of seeds with excess risk < 0.15 sigma^2 and rho > 0.8, Gaussian, "
        f"n = {PAST}{at}",
        share(refuses_noise(many)), every_seed(),
        (f"{changed}: the same share", share(refuses_noise(others))),
    )  # fmt: skip
