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
    time, title = ends.loss_falls(cell), "loss / loss at the output 0"
    return _curve(title, clock, cell.loss.values[0], INK, 1 - ends.FALL, time, "T₁₀")


def _lens(cell: xr.Dataset, clock: Array, lens: str) -> Panel:
    name, colour = LENSES[lens]
    variable, level = _INDICES[lens]
    if lens == "nakkiran":
        level *= float(cell.linear_information.values[0])
    # a small start leaves the model of its kernel by orders of magnitude
    values = np.minimum(cell[variable].values[0], _MOST)
    return _curve(name, clock, values, colour, level, ends.ends(cell, lens), "end")


def _curve(
    title: str, clock: Array, values: Array, colour: str, level: float, time: Times, word: str
) -> Panel:
    top = max(1.08 * float(np.nanmax(values)), 1.2 * level)
    low = min(0.0, float(np.nanmin(values)))
    first, last = float(clock[0]), float(clock[-1])
    (curve,) = points(clock, values)
    tracks: list[Track] = [
        Line("", points((first, last), (level, level)), INK, 0.9, 0.5, "2 3"),
        Line("", [curve], colour, 1.4, 0.3),
        Line("", [curve[: k + 1] for k in range(len(curve))], colour, 2.4),
        Dots("", list(curve[:, None]), colour, 4.0),
    ]
    if time.observed[0]:
        at = np.log10(time.value[0])
        tracks.append(Line("", points((at, at), (low, top)), INK, 1.2, 0.8, "4 3"))
        said = f"{word} {time.value[0]:.3g}"
    else:
        said = f"{word}: n/a" if np.isnan(time.value[0]) else f"{word}: not within the run"
    tracks.append(Note([said], (first + 0.08, top * 0.9), name=title))
    decades = range(int(np.ceil(first)), int(np.floor(last)) + 1)
    return Panel(
        title, (first, last + 0.05), (low, top), tracks, "time", "",
        ticks.at((10.0**one for one in decades), place=np.log10), ticks.at(_round_ticks(top)),
        width=380.0, height=215.0,
    )  # fmt: skip


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
    with axes(1, height=3.1 * -(-len(panels) // 2)) as (figure, _):
        figure.clear()
        places = np.ravel(figure.subplots(-(-len(panels) // 2), 2, squeeze=False))
        for place, shown in zip(places, panels, strict=False):
            _curves(place, run, shown)
        for place in places[len(panels) :]:
            place.set_axis_off()
        return finish(figure, description)


def _curves(panel: Axes, run: xr.Dataset, shown: Shown) -> None:
    for (name, label), colour in zip(shown.strata.items(), _SHADES, strict=False):
        part = cells_where(run, stratum=name)
        if not part.sizes["cell"]:
            continue
        scale = ends.loss_falls(part)
        unit = np.where(scale.observed, scale.value, np.nan)
        values = part[shown.variable].values
        for clock, row, one in zip(part.clock.values, values, unit, strict=True):
            panel.plot(clock / one, row, color=colour, lw=0.6, alpha=0.3)
        middle = np.nanmedian(values, axis=0)
        panel.plot(part.clock.values[0] / np.nanmedian(unit), middle, color=colour, label=label)
    if shown.level is not None:
        panel.axhline(shown.level, color=INK, lw=0.8, ls=":")
    panel.set(xscale="log", title=shown.title, xlabel="time / T₁₀")
    if shown.top is not None:
        panel.set_ylim(0, shown.top)
    panel.legend(handlelength=1.2)


# --- ends by condition


def by_condition(run: xr.Dataset, strata: Sequence[str]) -> Picture:
    """For each condition a row: the ends of all runs over T10 by lens, hollow where censored."""
    with axes(1, height=0.42 * len(strata) + 1.3) as (figure, (panel,)):
        for row, name in enumerate(strata):
            part = cells_where(run, stratum=name)
            for place, (lens, (_, colour)) in enumerate(LENSES.items()):
                time, seen = _over_t10(part, lens)
                height = np.full(len(time), row + 0.15 * (place - 2))
                panel.plot(np.exp(time[seen]), height[seen], "o", color=colour, ms=3.2)
                later = ~seen & ~np.isnan(time)
                panel.plot(np.exp(time[later]), height[later], ">", color=colour, ms=4, **_HOLLOW)
        panel.axvline(1, color=INK, lw=0.8, ls=":")
        panel.set(xscale="log", xlabel="time at which the phase ends / T₁₀")
        panel.set_yticks(range(len(strata)), strata)
        panel.set_ylim(len(strata) - 0.5, -0.5)
        below(figure, [(colour, name, "o") for name, colour in LENSES.values()])
        return finish(figure, "When each instrument says that the simple phase ends, run by run.")


def _over_t10(run: xr.Dataset, lens: str) -> Times:
    return ends.ends(run, lens).over(ends.loss_falls(run))


# --- pairs of ends


def pairs(run: xr.Dataset, chosen: Sequence[tuple[str, str]], strata: Sequence[str]) -> Picture:
    """log of one end over T10 against that of another, less the median of the condition; runs of
    which one is censored are hollow."""
    with axes(len(chosen), height=3.5) as (figure, panels):
        for panel, pair in zip(panels, chosen, strict=True):
            for name, colour in zip(strata, itertools.cycle(_SHADES), strict=False):
                found = [_over_t10(cells_where(run, stratum=name), lens) for lens in pair]
                x, y = (one.value - np.nanmedian(one.value) for one in found)
                seen = found[0].observed & found[1].observed
                panel.plot(x[seen], y[seen], "o", color=colour, ms=3.5, alpha=0.8)
                panel.plot(x[~seen], y[~seen], "o", color=colour, ms=3.5, **_HOLLOW)
            names = [LENSES[lens][0].partition(":")[0] for lens in pair]
            panel.axline((0, 0), slope=1, color=INK, lw=0.8, ls=":")
            panel.set(xlabel=f"log T, {names[0]}", ylabel=f"log T, {names[1]}")
        about = "Ends of single runs, less the median of their condition, lens against lens."
        return finish(figure, about)
