"""Pictures of what a simple classifier explains.

Information over training, beside what accuracy alone forces.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from simplicity.evidence.claims import cells_where
from simplicity.nakkiran import information, linear_phase
from simplicity.nakkiran.explain import tables
from simplicity.pictures.style import (
    BLUE,
    FAINT,
    GREEN,
    INK,
    ORANGE,
    PURPLE,
    RED,
    Picture,
    axes,
    finish,
)

Array = NDArray[np.floating]
_CURVES = {"I(F;Y)": BLUE, "μ, linear": GREEN, "μ, forest": PURPLE, "μ, random R": ORANGE}


def dynamics(panels: Mapping[str, tuple[xr.Dataset, xr.Dataset | None]]) -> Picture:
    """I(F;Y) and mu with L, with the forest and with R over steps.

    {title: (recorded runs, this page's runs)}.
    """
    with axes(len(panels), height=4.1, sharey=True) as (figure, row):
        for panel, (title, (recorded, fresh)) in zip(row, panels.items(), strict=True):
            _information(panel, recorded, _steps(recorded))
            if fresh is not None:
                _means(panel, fresh, _steps(fresh), lw=0.9, ls=(0, (2, 1.5)))
            panel.set(xscale="symlog", xlabel="steps", title=title, xlim=(0, _steps(recorded)[-1]))
        row[0].set(ylabel="bits", ylim=(-0.02, 0.95))
        _accuracy_axis(row[-1])
        _legend(
            figure,
            [*_CURVES.items()],
            lines=[("recorded, mean and seeds", "-"), ("this page", (0, (2, 1.5)))],
        )
        return finish(
            figure, "What the network knows, and what simple classifiers explain of it, over steps."
        )


def images(
    panels: Mapping[str, tuple[xr.Dataset, float]], authors: Mapping[str, Sequence[dict[str, str]]]
) -> Picture:
    """As `dynamics` over epochs at the authors' rate, with points of the authors' curves.

    {title: (runs, epochs a step)}.
    """
    with axes(len(panels), height=4.1, sharey=True) as (figure, row):
        for panel, (title, (recorded, epochs)) in zip(row, panels.items(), strict=True):
            at = _steps(recorded) * epochs
            _information(panel, recorded, at)
            for point in authors[title]:
                colour = BLUE if point["quantity"] == "I" else GREEN
                panel.plot(
                    float(point["epoch"]),
                    float(point["bits"]),
                    "o",
                    color=colour,
                    fillstyle="none",
                    markersize=5.5,
                )
            panel.set(
                xscale="symlog", xlabel="epochs at the authors' rate", title=title, xlim=(0, at[-1])
            )
        row[0].set(ylabel="bits", ylim=(-0.02, 0.95))
        _accuracy_axis(row[-1])
        _legend(figure, [*_CURVES.items()], marks=[("authors, read off their figures", "o")])
        return finish(
            figure,
            "Convolutional networks on MNIST and CIFAR-10 beside the authors' recorded curves.",
        )


def shares(recorded: xr.Dataset) -> Picture:
    """Left mu / I(F;Y) over steps with different classifiers in the place of L.

    Right mu with the line and with the wave.
    """
    plain, two = (cells_where(recorded, kind=kind) for kind in ("plain", "two networks"))
    places = {
        "second network": (two, "other network", BLUE), "linear": (plain, "linear", GREEN),
        "forest": (plain, "forest", PURPLE),
    }  # fmt: skip
    with axes(2, height=3.9) as (figure, (left, right)):
        for part, name, colour in places.values():
            _ratios(left, tables(part, name), _steps(part), colour)
        _ratios(left, linear_phase.independent(tables(plain, "linear")), _steps(plain), ORANGE)
        kept, order = tables(plain, "linear"), _steps(plain)
        for table, colour in ((kept, GREEN), (tables(plain, "wave"), RED)):
            found = information.information(table)
            right.plot(order, found.mu.mean(axis=0), color=colour)
            right.axhline(found.simple.mean(), color=colour, lw=0.8, ls=":")
        right.plot(order, information.information(kept).network.mean(axis=0), color=BLUE)
        left.set(
            xscale="symlog", xlabel="steps", ylim=(0, 1.03), title="μ / I(F;Y)", xlim=(0, order[-1])
        )
        right.set(xscale="symlog", xlabel="steps", title="bits", xlim=(0, order[-1]))
        colours = {
            "second network": BLUE,
            "linear": GREEN,
            "forest": PURPLE,
            "random R": ORANGE,
            "sign of the wave": RED,
        }
        _legend(figure, [*colours.items()])
        return finish(
            figure,
            "Share of the network's information that classifiers explain, and the order of line "
            "and wave.",
        )


def _information(panel: Axes, runs: xr.Dataset, at: Array) -> None:
    """Each run faintly, their mean, and I(L;Y) as a dotted line."""
    network, explained = (_curve(runs, name) for name in ("I(F;Y)", "μ, linear"))
    for values, colour in ((network, BLUE), (explained, GREEN)):
        for one in values:
            panel.plot(at, one, color=colour, alpha=FAINT, lw=0.8)
    _means(panel, runs, at)
    line = information.information(tables(runs, "linear")).simple.mean()
    panel.axhline(line, color=INK, lw=0.8, ls=":")
    panel.annotate("I(L;Y)", (0, line), xytext=(4, 3), textcoords="offset points", fontsize=9)


def _means(panel: Axes, runs: xr.Dataset, at: Array, **look: Any) -> None:
    for name, colour in _CURVES.items():
        panel.plot(at, _curve(runs, name).mean(axis=0), color=colour, **look)


def _curve(runs: xr.Dataset, name: str) -> Array:
    """(run, probe) in bits."""
    linear = tables(runs, "linear")
    if name == "μ, forest":
        return information.information(tables(runs, "forest")).mu
    if name == "μ, random R":
        return information.information(linear_phase.independent(linear)).mu
    found = information.information(linear)
    return found.network if name == "I(F;Y)" else found.mu


def _ratios(panel: Axes, counts: Array, at: Array, colour: str) -> None:
    """The mean over runs of mu / I(F;Y).

    Where I(F;Y) is more than `linear_phase.LEAST_BITS` in all of them.
    """
    found = information.information(counts)
    enough = (found.network > linear_phase.LEAST_BITS).all(axis=0)
    panel.plot(
        at[enough], (found.mu[:, enough] / found.network[:, enough]).mean(axis=0), color=colour
    )


def _steps(runs: xr.Dataset) -> Array:
    """Of the checkpoints (probe,), which all runs of one kind share."""
    return runs.step.values if runs.step.ndim == 1 else runs.step.values[0]


def _accuracy_axis(panel: Axes) -> None:
    """On the right the accuracy of the bits, for balanced labels and symmetric errors."""
    ticks = np.array([0.5, 0.6, 0.7, 0.8, 0.9, 0.95])
    other = panel.twinx()
    other.set(ylim=panel.get_ylim(), ylabel="accuracy, for symmetric errors")
    other.set_yticks(information.from_accuracy(ticks), [f"{tick:g}" for tick in ticks])
    other.spines["right"].set_visible(True)


def _legend(
    figure: Figure,
    colours: Sequence[tuple[str, str]],
    lines: Sequence[tuple[str, Any]] = (),
    marks: Sequence[tuple[str, str]] = (),
) -> None:
    look: Any = {"fillstyle": "none", "markersize": 5.5}
    handles = [Line2D([], [], color=colour, label=label) for label, colour in colours]
    handles += [Line2D([], [], color=INK, ls=style, lw=1.2, label=label) for label, style in lines]
    handles += [
        Line2D([], [], color=INK, marker=mark, ls="", label=label, **look) for label, mark in marks
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, handlelength=1.6)
