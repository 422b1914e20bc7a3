"""What several figures of this wing draw in a panel: helper lines, ticks, marks of both runs."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from simplicity.evidence.claims import Estimate
from simplicity.grid.groups import cells_where
from simplicity.pictures import seeds, ticks
from simplicity.pictures.style import BLUE, FAINT, GREEN, INK, ORANGE, PURPLE, RED, axes

COLOURS = (BLUE, ORANGE, GREEN, PURPLE, RED)
RHO = "train error / two-fit error  (ρ)"


@contextlib.contextmanager
def sheet(height: float) -> Iterator[Figure]:
    """A figure without panels, for those that are no single row."""
    with axes(height=height) as (figure, (single,)):
        single.remove()
        yield figure


def against(
    panel: Axes, both: Iterable[xr.Dataset], x: str, y: str, colour: str, **fields: Any
) -> None:
    """`seeds.against` for the cells of the fresh and the recorded run with these fields."""
    page, record = (cells_where(cells, **fields) for cells in both)
    seeds.against(panel, page, record, x, y, colour)


def around(
    panel: Axes, place: float, width: float, fresh: ArrayLike, recorded: ArrayLike, colour: str
) -> None:
    """A mark for each value of both runs, within +-`width` of one place."""
    for values, old in ((np.asarray(recorded), True), (np.asarray(fresh), False)):
        seeds.marks(panel, place + seeds.spread(len(values), width), values, colour, old)


def by_seed(values: xr.DataArray) -> Any:
    """Values of cells as a table of a row a seed and a column an n, NaN where there is none."""
    return values.to_series().set_axis([values.seed.values, values.n.values]).unstack()


def estimates(
    panel: Axes, x: ArrayLike, found: Sequence[Estimate], colour: str, recorded: bool
) -> None:
    """Estimates at `x`: recorded ones as a line with their intervals as bars."""
    values = np.array([one.value for one in found])
    if not recorded:
        seeds.marks(panel, np.asarray(x), values, colour, False)
        return
    bars = np.abs(np.array([one.interval for one in found]).T - values)
    panel.errorbar(x, values, bars, color=colour, fmt="o-", markersize=2.6, lw=1.2, elinewidth=0.6)


def level(panel: Axes, value: float = 1) -> None:
    """A faint line across, by default where rho is 1."""
    panel.axhline(value, color=INK, alpha=FAINT, lw=0.8)


def criterion(panel: Axes, value: float, place: float, **look: Any) -> None:
    """A faint line across where a check draws its own, with a word at a place along it."""
    level(panel, value)
    panel.annotate("criterion", (place, value), va="bottom", alpha=0.7, fontsize=9, **look)


def noise_level(panel: Axes, variance: float) -> None:
    """A dashed line across at sigma^2."""
    panel.axhline(variance, color=INK, alpha=0.55, lw=1, ls="--")


def log_samples(panel: Axes, ns: ArrayLike) -> None:
    """A log axis of sample numbers, with these at its ticks."""
    panel.set(xscale="log", xlabel="samples n")
    ticks.only(panel.xaxis, ns)
