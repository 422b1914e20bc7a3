"""Pictures of what a simple classifier explains.

Information over training, beside what accuracy alone forces.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from simplicity.grid.groups import cells_where
from simplicity.nakkiran import information, linear_phase
from simplicity.nakkiran.explain import tables
from simplicity.pictures import legends, style
from simplicity.pictures.style import BLUE, GREEN, INK, ORANGE, PURPLE, RED, Picture, axes, finish

Array = NDArray[np.floating]
_CURVES = {"I(F;Y)": BLUE, "μ, linear": GREEN, "μ, forest": PURPLE, "μ, random R": ORANGE}
_SHARES = {"second network": BLUE, "linear": GREEN, "forest": PURPLE, "random R": ORANGE}
_TICKS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)  # of accuracy
_PAGE: dict[str, Any] = {"lw": 0.9, "ls": (0, (2, 1.5))}
_AUTHORS: dict[str, Any] = {"ls": "", "marker": "o", "fillstyle": "none", "markersize": 5.5}


def dynamics(panels: Mapping[str, tuple[xr.Dataset, xr.Dataset | None]]) -> Picture:
    """I(F;Y) and mu with L, with the forest and with R over steps.

    `panels` is {title: (recorded runs, this page's runs)}.
    """
    with axes(len(panels), height=4.1, sharey=True) as (figure, row):
        for panel, (title, runs) in zip(row, panels.items(), strict=True):
            _over_steps(panel, *runs)
            panel.set(xlabel="steps", title=title)
        _bits_and_accuracy(row)
        page = Line2D([], [], color=INK, label="this page", **_PAGE)
        entries = [*_entries(_CURVES), (INK, "recorded, mean and seeds")]
        legends.below(figure, entries, more=[page], columns=4)
        return finish(
            figure, "What the network knows, and what simple classifiers explain of it, over steps."
        )


def _over_steps(panel: Axes, recorded: xr.Dataset, fresh: xr.Dataset | None) -> None:
    """Recorded runs, and dashed the means of the page's own."""
    _information(panel, recorded, _steps(recorded))
    if fresh is not None:
        _means(panel, fresh, _steps(fresh), **_PAGE)


def images(
    panels: Mapping[str, tuple[xr.Dataset, float]], authors: Mapping[str, Sequence[dict[str, str]]]
) -> Picture:
    """As `dynamics` over epochs at the authors' rate, with points of the authors' curves.

    `panels` is {title: (runs, epochs a step)}.
    """
    with axes(len(panels), height=4.1, sharey=True) as (figure, row):
        for panel, (title, (recorded, epochs)) in zip(row, panels.items(), strict=True):
            _information(panel, recorded, _steps(recorded) * epochs)
            _rings(panel, authors[title])
            panel.set(xlabel="epochs at the authors' rate", title=title)
        _bits_and_accuracy(row)
        rings = Line2D([], [], color=INK, label="authors, read off their figures", **_AUTHORS)
        legends.below(figure, _entries(_CURVES), more=[rings], columns=4)
        return finish(
            figure,
            "Convolutional networks on MNIST and CIFAR-10 beside the authors' recorded curves.",
        )


def _rings(panel: Axes, points: Sequence[dict[str, str]]) -> None:
    """The authors' own points."""
    for point in points:
        colour = BLUE if point["quantity"] == "I" else GREEN
        panel.plot(float(point["epoch"]), float(point["bits"]), color=colour, **_AUTHORS)


def shares(recorded: xr.Dataset) -> Picture:
    """Left mu / I(F;Y) over steps with different classifiers in the place of L.

    Right mu with the line and with the wave.
    """
    plain, two = (cells_where(recorded, kind=kind) for kind in ("plain", "two networks"))
    at = _steps(plain)
    with axes(2, height=3.9) as (figure, (left, right)):
        _in_place_of_l(left, plain, two)
        _line_and_wave(right, plain)
        for panel in (left, right):
            panel.set(xscale="symlog", xlabel="steps", xlim=(0, at[-1]))
        legends.below(figure, _entries(_SHARES | {"sign of the wave": RED}))
        return finish(
            figure,
            "Share of the network's information that classifiers explain, and the order of line "
            "and wave.",
        )


def _in_place_of_l(panel: Axes, plain: xr.Dataset, two: xr.Dataset) -> None:
    """The shares that different classifiers explain."""
    line, forest = (tables(plain, name) for name in ("linear", "forest"))
    counts = tables(two, "other network"), line, forest, linear_phase.independent(line)
    for table, colour in zip(counts, _SHARES.values(), strict=True):
        _ratios(panel, table, _steps(plain), colour)
    panel.set(ylim=(0, 1.03), title="μ / I(F;Y)")


def _line_and_wave(panel: Axes, plain: xr.Dataset) -> None:
    """What both explain; dotted, all that each could."""
    at = _steps(plain)
    for name, colour in (("linear", GREEN), ("wave", RED)):
        found = information.information(tables(plain, name))
        panel.plot(at, found.mu.mean(axis=0), color=colour)
        panel.axhline(found.simple.mean(), color=colour, lw=0.8, ls=":")
    panel.plot(at, found.network.mean(axis=0), color=BLUE)  # the same in both tables
    panel.set(title="bits")


def _information(panel: Axes, runs: xr.Dataset, at: Array) -> None:
    """Each run faintly, their mean, and I(L;Y) as a dotted line."""
    curves = _curves(runs)
    for name in ("I(F;Y)", "μ, linear"):
        panel.plot(at, curves[name].T, color=_CURVES[name], alpha=style.FAINT, lw=0.8)
    _means(panel, runs, at)
    _level(panel, information.information(tables(runs, "linear")).simple.mean())
    panel.set(xscale="symlog", xlim=(0, at[-1]))


def _level(panel: Axes, line: float) -> None:
    """All that L could explain."""
    panel.axhline(line, color=INK, lw=0.8, ls=":")
    panel.annotate("I(L;Y)", (0, line), xytext=(4, 3), textcoords="offset points", fontsize=9)


def _means(panel: Axes, runs: xr.Dataset, at: Array, **look: Any) -> None:
    for name, values in _curves(runs).items():
        panel.plot(at, values.mean(axis=0), color=_CURVES[name], **look)


def _curves(runs: xr.Dataset) -> dict[str, Array]:
    """(run, probe) in bits, by the names of `_CURVES`."""
    linear, forest = (tables(runs, name) for name in ("linear", "forest"))
    found = information.information(linear)
    others = forest, linear_phase.independent(linear)
    explained = (information.information(table).mu for table in others)
    return dict(zip(_CURVES, (found.network, found.mu, *explained), strict=True))


def _ratios(panel: Axes, counts: Array, at: Array, colour: str) -> None:
    """The mean over runs of mu / I(F;Y).

    Where I(F;Y) is more than `linear_phase.LEAST_BITS` in all of them.
    """
    found = information.information(counts)
    enough = (found.network > linear_phase.LEAST_BITS).all(axis=0)
    ratios = found.mu[:, enough] / found.network[:, enough]
    panel.plot(at[enough], ratios.mean(axis=0), color=colour)


def _steps(runs: xr.Dataset) -> Array:
    """Of the checkpoints (probe,), which all runs of one kind share."""
    return runs.step.values if runs.step.ndim == 1 else runs.step.values[0]


def _bits_and_accuracy(row: Sequence[Axes]) -> None:
    """Left the bits, right their accuracy, for balanced labels and symmetric errors."""
    row[0].set(ylabel="bits", ylim=(-0.02, 0.95))
    other = row[-1].twinx()
    other.set(ylim=row[-1].get_ylim(), ylabel="accuracy, for symmetric errors")
    other.set_yticks(information.from_accuracy(_TICKS), [f"{tick:g}" for tick in _TICKS])
    other.spines["right"].set_visible(True)


def _entries(colours: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(colour, name) for name, colour in colours.items()]
