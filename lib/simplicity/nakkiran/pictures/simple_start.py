"""Pictures of the theorem's model.

Margins of a sample as a player over steps, the two phases, both thresholds.
"""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from simplicity.evidence.claims import cells_where
from simplicity.nakkiran import simple_start
from simplicity.pictures import seeds
from simplicity.pictures.player import Panel, Player
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
from simplicity.pictures.tracks import Dots, Line, Note

Array = NDArray[np.floating]
_HIGH, _LOW = 1.45, -1.7


def memorising(margins: Mapping[str, Array], first: Array, steps: Array) -> Player:
    """Margins y f(x) over steps and w(1) (p,), at the p `steps`.

    Margins are {"agrees": (p, a), "disagrees": (p, b), "unseen": (p, c)}.

    Left each sample as a dot at its margin; right the shares that are correct, and w(1).
    """
    log = np.log10(1 + steps)
    groups = {
        "agrees": ("training sample, x(1) = y", BLUE),
        "disagrees": ("training sample, x(1) = −y", ORANGE),
        "unseen": ("new sample, unseen k", GREEN),
    }
    tracks: list[Line | Dots | Note] = [
        Line("", [np.array([[0.0, 0.0], [3.0, 0.0]])], opacity=0.5, width=0.8)
    ]
    for place, (group, (name, colour)) in enumerate(groups.items()):
        x = place + 0.5 + seeds.spread(margins[group].shape[1], 0.36)
        frames = [np.stack([x, values], axis=1) for values in margins[group]]
        tracks.append(Dots(name, frames, colour, radius=2.2, opacity=0.8))
    left = Panel(
        "margin y f(x) of each sample", (0, 3), (_LOW, _HIGH), tracks,
        yticks=[(value, f"{value:g}".replace("-", "−")) for value in (-1, 0, 1)],
        width=360, height=320,
    )  # fmt: skip
    given = np.concatenate([margins["agrees"], margins["disagrees"]], axis=1)
    train = np.array([simple_start.accuracy(row) for row in given])
    unseen = np.array([simple_start.accuracy(row) for row in margins["unseen"]])
    curves = {
        "correct in training": (train, ORANGE),
        "correct on unseen k": (unseen, GREEN),
        "w(1)": (first, INK),
    }
    now = [np.array([[at, 0.0], [at, 1.05]]) for at in log]
    notes = [_now(t, u) for t, u in zip(train, unseen, strict=True)]
    right = Panel(
        "shares correct, and w(1)", (0, float(log[-1])), (0, 1.15),
        [
            *(
                Line(name, [np.stack([log, values], axis=1)], colour)
                for name, (values, colour) in curves.items()
            ),
            Line("now", now, opacity=0.5, width=1.0, dashes="3 3"),
            Note(notes, (float(log[-1]), 1.09), anchor="end"),
        ],
        "1 + gradient steps", "", _decades(float(log[-1])),
        [(value, f"{value:g}") for value in (0.0, 0.5, 1.0)], height=320,
    )  # fmt: skip
    about = (
        "Margins of training samples and of new ones over gradient steps, "
        "and the shares that are correct."
    )
    return Player(
        [left, right],
        [f"step {int(step)}" for step in steps],
        about,
        step_name="gradient steps",
        milliseconds=350,
        start=int(np.argmax(steps >= 1)),
    )


def _now(train: float, unseen: float) -> str:
    return f"training {train:.0%}, unseen {unseen:.0%}"


def _decades(end: float) -> list[tuple[float, str]]:
    return [(float(power), f"{10**power:g}") for power in range(int(end) + 1)]


_SETTINGS = {
    "p = 0.1, |w₀(k)| = 0.4": (BLUE, {"flip": 0.1, "ratio": 0.5}),
    "p = 0: nothing to memorise": (GREEN, {"flip": 0.0, "ratio": 0.5}),
    "p = 0.1, |w₀(k)| = 1.2": (RED, {"flip": 0.1, "ratio": 1.5}),
}


def phases(fresh: xr.Dataset, recorded: xr.Dataset) -> Picture:
    """Left accuracies over steps for the recorded n, averaged over seeds.

    Right the steps until all is memorised against n.
    """
    with axes(2, height=3.9) as (figure, (left, right)):
        for colour, fields in list(_SETTINGS.values())[::2]:
            cells = cells_where(recorded, **fields)
            for n, alpha in zip(np.unique(cells.n.values), (0.35, 0.55, 0.8, 1.0), strict=False):
                one = cells_where(cells, n=n).mean("cell")
                order = np.maximum(one.step.values, 0.5)
                left.plot(order, one.train, color=colour, alpha=alpha)
                left.plot(order, one.unseen, color=colour, alpha=alpha, ls=":")
        for colour, fields in _SETTINGS.values():
            page, record = (cells_where(data, **fields) for data in (fresh, recorded))
            seeds.against(right, page, record, "n", "memorised", colour)
        ns = np.unique(recorded.n.values)
        right.plot(ns, ns * np.log(1 + 0.8 + 0.4), color=INK, alpha=FAINT, lw=5)
        left.set(
            xscale="log",
            xlabel="gradient steps (0.5 stands for 0)",
            ylim=(0.4, 1.03),
            title="share correct",
        )
        right.set(
            xscale="log", yscale="log", xlabel="samples n", title="steps until all is memorised"
        )
        _plain_ticks(right, ns)
        _under(figure, [(colour, name) for name, (colour, _) in _SETTINGS.items()])
        return finish(
            figure,
            "Train and test accuracy over gradient steps, and the number of steps to memorise "
            "against n.",
        )


def thresholds(fresh: xr.Dataset, recorded: xr.Dataset) -> Picture:
    """Share of draws with unseen accuracy 1 - p.

    Against |w_0(k)| / (1 - 2p) and against w_0(1); lines: by the normal law.
    """
    colours = dict(zip((250, 1000, 4000), (ORANGE, BLUE, PURPLE), strict=True))
    with axes(2, height=3.9) as (figure, (left, right)):
        for n, colour in colours.items():
            fields = {"kind": "closed form", "flip": 0.1, "first": 0.0, "n": n}
            grid = np.linspace(0.7, 1.3, 121)
            left.plot(grid, simple_start.share_above(n, 0.1, 0.8 * grid), color=colour)
            for data, is_recorded in ((recorded, True), (fresh, False)):
                _shares(left, cells_where(data, **fields), "ratio", colour, is_recorded, 0.7)
        fields = {"kind": "closed form", "flip": 0.1, "ratio": 0.5, "n": 1000}
        grid = np.linspace(-1000, 320, 200)
        right.plot(
            grid,
            [simple_start.share_above(1000, 0.1, np.array([0.4]), first)[0] for first in grid],
            color=BLUE,
        )
        for data, is_recorded in ((recorded, True), (fresh, False)):
            _shares(right, cells_where(data, **fields), "first", BLUE, is_recorded, -np.inf)
        lines = {
            "−(n + 1)(1 − 2p − c)": simple_start.lowest_first(1000, 0.1, 0.4),
            "−n⁰·⁹⁹": -(1000**0.99),
        }
        for name, place in lines.items():
            right.axvline(place, color=INK, alpha=0.5, lw=0.8, ls=":")
            right.annotate(
                name,
                (place - 45, 0.55),
                rotation=90,
                ha="right",
                va="center",
                alpha=0.8,
                fontsize=9,
            )
        left.axvline(1, color=INK, alpha=0.5, lw=0.8, ls=":")
        left.set(
            xlabel="|w₀(k)| / (1 − 2p)",
            ylim=(-0.05, 1.05),
            title="share of draws with accuracy 1 − p",
        )
        right.set(
            xlabel="w₀(1), with |w₀(k)| = 0.4 and n = 1000", ylim=(-0.05, 1.05), title="the same"
        )
        _under(figure, [(colour, f"n = {n}") for n, colour in colours.items()])
        return finish(
            figure,
            "Share of draws that generalise, against the size of the start and against its first "
            "weight.",
        )


def _shares(
    panel: Axes, cells: xr.Dataset, field: str, colour: str, recorded: bool, low: float
) -> None:
    """The share of draws whose unseen accuracy is nearer to 1 - p than to 1/2.

    At each value of a field from `low` on.
    """
    for value in np.unique(cells[field].values):
        part = cells_where(cells, **{field: value})
        if value >= low:
            middle = (1.5 - part.flip.values[:, None]) / 2
            look = (
                {"markersize": 4.0}
                if recorded
                else {"fillstyle": "none", "markersize": 7, "markeredgewidth": 1}
            )
            panel.plot(value, float((part.unseen > middle).mean()), "o", color=colour, **look)


def _plain_ticks(panel: Axes, values: Array) -> None:
    panel.set_xticks(values, [f"{value:g}" for value in values])
    panel.set_xticks([], minor=True)


def _under(figure: object, entries: list[tuple[str, str]]) -> None:
    handles = [Line2D([], [], color=colour, label=label) for colour, label in entries]
    handles.append(
        Line2D(
            [], [], color=INK, marker="o", ls="", fillstyle="none", markersize=6, label="this page"
        )
    )
    handles.append(Line2D([], [], color=INK, marker="o", ls="", markersize=3.5, label="recorded"))
    figure.legend(handles=handles, loc="outside lower center", ncols=3, handlelength=1.4)  # type: ignore[attr-defined]
