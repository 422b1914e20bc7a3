"""When a network leaves a simpler classifier G behind, and what it keeps of it.

Until T the network's I(F;Y) is explained by G, after T it knows more: T is the first probe from
which on I(F;Y | G) exceeds a part of I(G;Y) (Nakkiran et al. 2019, Remark 1). The part is the
companion's choice and sets the times, so the book shows two.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from simplicity.nakkiran import information
from simplicity.problems import Problem, doors

Array = NDArray[np.floating]

JUDGED, SHOWN = 0.25, 0.1
SUSTAINED = 3  # probes in a row, so that a wiggle at the threshold is no departure


def steps(counts: NDArray, step: NDArray, part: float = JUDGED) -> Array:
    """The first step (...,) from which on, for three probes, I(F;Y|G) > part I(G;Y); else infinite.

    Tables (..., probe, F, Y, G), steps (..., probe) or (probe,).
    """
    doors.number("part", part)
    counts = doors.counts(counts, "... probe f y g")
    _probes(counts, step)
    found = information.information(counts)
    lasting = _lasting(found.beyond > part * found.simple)
    begins = np.asarray(step)[..., : lasting.shape[-1]]
    return np.where(lasting, begins, np.inf).min(axis=-1)


def _lasting(holds: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where it holds for `SUSTAINED` probes from here on; the last probes have no place."""
    windows = np.lib.stride_tricks.sliding_window_view(holds, SUSTAINED, axis=-1)
    return np.logical_and.reduce(windows, axis=-1)


def _probes(counts: NDArray, step: NDArray) -> None:
    """Enough probes, and a step for each of them."""
    shape = counts.shape[:-3]
    if shape[-1] < SUSTAINED:
        raise Problem(f"counts: got {shape[-1]} probes, allowed {SUSTAINED} or more")
    (step,) = doors.arrays(step=(step, "... probe"))
    if step.shape not in (shape, shape[-1:]):
        allowed = f"{shape} or {shape[-1:]} as counts"
        raise Problem(f"step: got shape {step.shape}, allowed {allowed}")


def for_good(holds: NDArray[np.bool_]) -> int:
    """The first place from which on it holds everywhere; their number if it does not in the end."""
    broken = np.flatnonzero(~holds)
    return int(broken[-1]) + 1 if len(broken) else 0


def plateau(counts: NDArray) -> Array:
    """mu(F;G) at the last probe over I(G;Y), (...,): what is left of G in the end."""
    counts = doors.counts(counts, "... probe f y g")
    last = information.information(counts[..., -1, :, :, :])
    return last.mu / last.simple


def dataset(
    path: xr.Dataset, y: NDArray, simple: Mapping[str, NDArray], names: Sequence[str]
) -> xr.Dataset:
    """What a training run leaves: its tables with each simpler classifier, and its train accuracy.

    `path` has the predictions `test` (probe, point) and `train`; y (point,) are the labels,
    `simple` predictions (point,) by name. `counts` is (probe, simple, F, Y, G).
    """
    tables = [information.table(path.test.values, y, simple[name]) for name in names]
    counts = np.stack(tables, axis=1).astype(np.int32)
    return xr.Dataset(
        {
            "counts": (("probe", "simple", "f", "y", "g"), counts),
            "train": ("probe", path.train.values.astype(np.float32)),
            "step": ("probe", path.step.values),
        }
    )


Counts = Callable[[xr.Dataset, str], NDArray]


def readers(names: Sequence[str]) -> tuple[Counts, Callable[..., Array]]:
    """Functions of runs whose `counts` have an axis `simple` with these names, and of one of them.

    The count tables (cell, probe, F, Y, G), and `steps` of each cell; a third argument is the part.
    """

    def counts(cells: xr.Dataset, name: str) -> NDArray:
        return cells.counts.isel(simple=list(names).index(name)).values

    def times(cells: xr.Dataset, name: str, part: float = JUDGED) -> Array:
        return steps(counts(cells, name), cells.step.values, part)

    return counts, times
