"""Pictures of the end of the simple phase: a player of one run, curves by condition, ends by lens,
and pairs of ends."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from numpy.typing import NDArray

from simplicity.grid.groups import cells_where
from simplicity.pictures import ticks
from simplicity.pictures.legends import below
from simplicity.pictures.player import Panel, Player
from simplicity.pictures.style import BLUE, GREEN, INK, ORANGE, PURPLE, RED, Picture, axes, finish
from simplicity.pictures.tracks import Dots, Line, Note, Track, points
from simplicity.together import ends
from simplicity.together.ends import Times

Array = NDArray[np.floating]
LENSES = {
    "boursier": ("Boursier: alignment", GREEN),
    "static": ("Hu, static: not linear in x", BLUE),
    "dynamic": ("Hu, dynamic: gap to the model", PURPLE),
    "nakkiran": ("Nakkiran: bits beyond L", ORANGE),
    "loukas": ("Loukas: slope / least squares", RED),
}
_SHADES = (BLUE, ORANGE, GREEN, PURPLE, RED)
_MOST = 5.0  # that is drawn of an index
_HOLLOW: dict[str, Any] = {"fillstyle": "none", "mew": 0.8}


# --- one run


def one_run(run: xr.Dataset) -> Player:
    """One cell over its checkpoints: loss, and a panel for each instrument with the level at which
    its phase ends, the time (dotted) and the curve so far."""
    cell = run.expand_dims("cell") if "cell" not in run.dims else run
    clock = np.log10(cell.clock.values[0])
    panels = (_loss(cell, clock), *(_lens(cell, clock, lens) for lens in _INDICES))
    labels = [f"time {time:.3g}" for time in cell.clock.values[0]]
    about = (
        "One training run seen by the loss and by five indices of four papers, each with the time "
        "at which it says that the simple phase ends."
    )
    return Player(
        panels, labels, about, step_name="checkpoint", milliseconds=350, start=len(labels) - 1
    ).thinned(20)


# each with the level at which its phase ends, at thresholds times 1; that of the bits is of I(L;Y)
_INDICES = {
    "boursier": ("alignment", 0.7), "dynamic": ("dynamic", 0.1), "static": ("nonlinear", 0.1),
    "nakkiran": ("beyond", 0.5), "loukas": ("relative", 1.5),
}  # fmt: skip


def _loss(cell: xr.Dataset, clock: Array) -> Panel:
    end = _End(1 - ends.FALL, ends.loss_falls(cell), "T₁₀")
    return _curve("loss / loss at the output 0", clock, cell.loss.values[0], INK, end)


def _lens(cell: xr.Dataset, clock: Array, lens: str) -> Panel:
    name, colour = LENSES[lens]
    variable, level = _INDICES[lens]
    if lens == "nakkiran":
        level *= float(cell.linear_information.values[0])
    # a small start leaves the model of its kernel by orders of magnitude
    values = np.minimum(cell[variable].values[0], _MOST)
    return _curve(name, clock, values, colour, _End(level, ends.ends(cell, lens), "end"))


class _End(NamedTuple):
    """A level, and the word for the time at which a curve has passed it."""

    level: float
    time: Times
    word: str

    @property
    def said(self) -> str:
        value = self.time.value[0]
        if self.time.observed[0]:
            return f"{self.word} {value:.3g}"
        return f"{self.word}: n/a" if np.isnan(value) else f"{self.word}: not within the run"


def _curve(title: str, clock: Array, values: Array, colour: str, end: _End) -> Panel:
    x = float(clock[0]), float(clock[-1])
    y = min(0.0, float(np.nanmin(values))), max(1.08 * float(np.nanmax(values)), 1.2 * end.level)
    tracks: list[Track] = [Line("", points(x, (end.level, end.level)), INK, 0.9, 0.5, "2 3")]
    tracks += [*_so_far(clock, values, colour), *_time(end, y)]
    tracks.append(Note([end.said], (x[0] + 0.08, y[1] * 0.9), name=title))
    return Panel(
        title, (x[0], x[1] + 0.05), y, tracks, "time", "", _decades(*x),
        ticks.at(_round_ticks(y[1])), width=380.0, height=215.0,
    )  # fmt: skip


def _time(end: _End, upright: tuple[float, float]) -> list[Line]:
    """That at which the level is passed, if it is."""
    if not end.time.observed[0]:
        return []
    at = np.log10(end.time.value[0])
    return [Line("", points((at, at), upright), INK, 1.2, 0.8, "4 3")]


def _so_far(clock: Array, values: Array, colour: str) -> list[Track]:
    """The whole curve, thin, and what of it has been."""
    (curve,) = points(clock, values)
    return [
        Line("", [curve], colour, 1.4, 0.3),
        Line("", [curve[: k + 1] for k in range(len(curve))], colour, 2.4),
        Dots("", list(curve[:, None]), colour, 4.0),
    ]


def _decades(first: float, last: float) -> ticks.Ticks:
    powers = range(int(np.ceil(first)), int(np.floor(last)) + 1)
    return ticks.at((10.0**one for one in powers), place=np.log10)


def _round_ticks(top: float) -> list[float]:
    unit = next(one for one in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 100.0) if top / one <= 6)
    return [unit * k for k in range(int(top / unit) + 1)]


# --- curves by condition


class Shown(NamedTuple):
    """A panel: a variable, its title, the conditions with the names of their lines, the level and
    the end of the upright axis (None for none)."""

    variable: str
    title: str
    strata: Mapping[str, str]
    level: float | None = None
    top: float | None = None


def curves(run: xr.Dataset, panels: Sequence[Shown], description: str) -> Picture:
    """Curves of single runs, thin, and their median by condition, over the time in units of T10."""
    rows = -(-len(panels) // 2)
    with axes(1, height=3.1 * rows) as (figure, _):
        figure.clear()
        places = np.ravel(figure.subplots(rows, 2, squeeze=False))
        for place, shown in zip(places, panels, strict=False):
            _curves(place, run, shown)
        for place in places[len(panels) :]:
            place.set_axis_off()
        return finish(figure, description)


def _curves(panel: Axes, run: xr.Dataset, shown: Shown) -> None:
    for (name, label), colour in zip(shown.strata.items(), _SHADES, strict=False):
        part = cells_where(run, stratum=name)
        if part.sizes["cell"]:
            _condition(panel, part, shown.variable, colour, label)
    if shown.level is not None:
        panel.axhline(shown.level, color=INK, lw=0.8, ls=":")
    panel.set(xscale="log", title=shown.title, xlabel="time / T₁₀")
    if shown.top is not None:
        panel.set_ylim(0, shown.top)
    panel.legend(handlelength=1.2)


def _condition(panel: Axes, part: xr.Dataset, variable: str, colour: str, label: str) -> None:
    """The runs of one condition, and their median."""
    scale = ends.loss_falls(part)
    unit = np.where(scale.observed, scale.value, np.nan)
    clocks, values = part.clock.values, part[variable].values
    for clock, row, one in zip(clocks, values, unit, strict=True):
        panel.plot(clock / one, row, color=colour, lw=0.6, alpha=0.3)
    middle = np.nanmedian(values, axis=0)
    panel.plot(clocks[0] / np.nanmedian(unit), middle, color=colour, label=label)


# --- ends by condition


def by_condition(run: xr.Dataset, strata: Sequence[str]) -> Picture:
    """For each condition a row: the ends of all runs over T10 by lens, hollow where censored."""
    with axes(1, height=0.42 * len(strata) + 1.3) as (figure, (panel,)):
        for row, name in enumerate(strata):
            _lenses(panel, cells_where(run, stratum=name), row)
        panel.axvline(1, color=INK, lw=0.8, ls=":")
        panel.set(xscale="log", xlabel="time at which the phase ends / T₁₀")
        panel.set_yticks(range(len(strata)), strata)
        panel.set_ylim(len(strata) - 0.5, -0.5)
        below(figure, [(colour, name, "o") for name, colour in LENSES.values()])
        return finish(figure, "When each instrument says that the simple phase ends, run by run.")


def _lenses(panel: Axes, part: xr.Dataset, row: int) -> None:
    """The ends of one condition, lens by lens."""
    for place, (lens, (_, colour)) in enumerate(LENSES.items()):
        _row(panel, _over_t10(part, lens), row + 0.15 * (place - 2), colour)


def _row(panel: Axes, times: Times, height: float, colour: str) -> None:
    """The logarithms of times as marks at one height."""
    later = ~times.observed & ~times.missing
    for chosen, mark, look in (
        (times.observed, "o", {"ms": 3.2}), (later, ">", {"ms": 4, **_HOLLOW}),
    ):  # fmt: skip
        found = np.exp(times.value[chosen])
        panel.plot(found, np.full(len(found), height), mark, color=colour, **look)


def _over_t10(run: xr.Dataset, lens: str) -> Times:
    return ends.ends(run, lens).over(ends.loss_falls(run))


# --- pairs of ends


def pairs(run: xr.Dataset, chosen: Sequence[tuple[str, str]], strata: Sequence[str]) -> Picture:
    """log of one end over T10 against that of another, less the median of the condition; runs of
    which one is censored are hollow."""
    with axes(len(chosen), height=3.5) as (figure, panels):
        for panel, pair in zip(panels, chosen, strict=True):
            for name, colour in zip(strata, itertools.cycle(_SHADES), strict=False):
                _pair(panel, cells_where(run, stratum=name), pair, colour)
            first, second = (LENSES[lens][0].partition(":")[0] for lens in pair)
            panel.axline((0, 0), slope=1, color=INK, lw=0.8, ls=":")
            panel.set(xlabel=f"log T, {first}", ylabel=f"log T, {second}")
        about = "Ends of single runs, less the median of their condition, lens against lens."
        return finish(figure, about)


def _pair(panel: Axes, part: xr.Dataset, pair: tuple[str, str], colour: str) -> None:
    """The runs of one condition."""
    found = [_over_t10(part, lens) for lens in pair]
    x, y = (one.value - np.nanmedian(one.value) for one in found)
    seen = found[0].observed & found[1].observed
    panel.plot(x[seen], y[seen], "o", color=colour, ms=3.5, alpha=0.8)
    panel.plot(x[~seen], y[~seen], "o", color=colour, ms=3.5, **_HOLLOW)
