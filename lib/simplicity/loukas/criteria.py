"""What the criteria of several experiments share: where they were written for, and correlations."""

from typing import Any

import numpy as np
import xarray as xr

from simplicity.evidence.claims import Estimate, mean
from simplicity.grid.groups import Runs
from simplicity.loukas.rank_correlations import (
    Correlation,
    spearman_over_seeds,
    spearman_within,
)
from simplicity.problems import doors


def elsewhere(runs: Runs, **written: Any) -> str:
    """Why these runs are not those that criteria were written for; empty where they are.

    A setting must have the value that is named, all values of a tuple, or those of a set and no
    others.
    """
    other = [
        _told(name, wanted)
        for name, wanted in written.items()
        if not _is_as_written(getattr(runs.settings, name), wanted)
    ]
    return f"the criterion is for {' and '.join(other)}" if other else ""


def _told(name: str, wanted: Any) -> str:
    return f"{name} = {', '.join(map(str, sorted(_several(wanted))))}"


def _is_as_written(given: Any, wanted: Any) -> bool:
    values, found = _several(wanted), _several(given)
    return values == found if isinstance(wanted, set) else values <= found


def _several(value: Any) -> set[Any]:
    return set(value) if isinstance(value, (tuple, set)) else {value}


def too_few(runs: Runs, needed: int) -> str:
    """Why runs with so few seeds are not judged; empty where there are enough.

    For estimates that count runs, of which a seed has several; else `needs` of a check says it.
    """
    return f"{runs.seeds} seeds, {needed} are needed" if runs.seeds < needed else ""


def _estimate(found: Correlation, runs: int, drawn: str) -> Estimate:
    """A rank correlation over so many runs, with a remark on those left out."""
    if not np.isfinite(found.low):
        return mean([])
    remark = f", {found.missing} runs do not get there" if found.missing else ""
    kind = f"bootstrap over {drawn} 95 %{remark}"
    return Estimate(found.value, (found.low, found.high), kind, runs)


def by_seed(cells: xr.Dataset, name: str) -> np.ndarray:
    """A variable of the seeds that have runs of all frequencies, (seeds, frequencies, ...)."""
    columns = max(1, len(np.unique(cells.frequency.values)))
    whole = _of_whole_seeds(cells, columns)
    values = _ordered(whole)[name].values
    return values.reshape(-1, columns, *values.shape[1:])


def _ordered(cells: xr.Dataset) -> xr.Dataset:
    """By seed, and for each seed by frequency."""
    return cells.isel(cell=np.lexsort((cells.frequency.values, cells.seed.values)))


def _of_whole_seeds(cells: xr.Dataset, columns: int) -> xr.Dataset:
    """The cells of the seeds that have so many."""
    seeds, counts = np.unique(cells.seed.values, return_counts=True)
    return cells.isel(cell=np.isin(cells.seed.values, seeds[counts == columns]))


def order(x: np.ndarray, values: np.ndarray, drawn: str = "seeds") -> Estimate:
    """Rank correlation of (seeds, k) with x, (k,) or as they; whole seeds are resampled."""
    doors.kind("values", values, np.ndarray)
    if not len(values) or values.shape[1] < 2:
        return mean([])
    return _estimate(spearman_over_seeds(x, values), len(values), drawn)


def within(x: np.ndarray, values: np.ndarray) -> Estimate:
    """Rank correlation of x and `values`, each (seeds, k), inside the k conditions.

    Whole seeds are resampled.
    """
    x, values = doors.arrays(x=(x, "seeds k"), values=(values, "seeds k"))
    if len(x) < 4:
        return mean([])
    return _estimate(spearman_within(x, values), len(x), "seeds")
