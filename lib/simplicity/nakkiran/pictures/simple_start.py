"""Pictures of the theorem's model.

Margins of a sample as a player over steps, the two phases, both thresholds.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from numpy.typing import NDArray

from simplicity.grid.groups import cells_where
from simplicity.nakkiran import simple_start
from simplicity.nakkiran.pictures import parts
from simplicity.pictures import legends, seeds, style, ticks
from simplicity.pictures.player import Panel, Player
from simplicity.pictures.style import BLUE, GREEN, INK, ORANGE, PURPLE, RED, Picture, axes, finish
from simplicity.pictures.tracks import Dots, Line, Track, points

Array = NDArray[np.floating]
_GROUPS = {
    "agrees": ("training sample, x(1) = y", BLUE),
    "disagrees": ("training sample, x(1) = −y", ORANGE),
    "unseen": ("new sample, unseen k", GREEN),
}
_SETTINGS = {
    "p = 0.1, |w₀(k)| = 0.4": (BLUE, {"flip": 0.1, "ratio": 0.5}),
    "p = 0: nothing to memorise": (GREEN, {"flip": 0.0, "ratio": 0.5}),
    "p = 0.1, |w₀(k)| = 1.2": (RED, {"flip": 0.1, "ratio": 1.5}),
}
_SIZES = {250: ORANGE, 1000: BLUE, 4000: PURPLE}
_THRESHOLD: dict[str, Any] = {"color": INK, "alpha": 0.5, "lw": 0.8, "ls": ":"}
_NAME: dict[str, Any] = {
    "rotation": 90, "ha": "right", "va": "center", "alpha": 0.8, "fontsize": 9,
}  # fmt: skip
_MARKS: dict[bool, dict[str, Any]] = {  # of recorded runs, and of the page's own
    True: {"markersize": 4.0},
    False: {"fillstyle": "none", "markersize": 7, "markeredgewidth": 1},
}


def memorising(margins: Mapping[str, Array], first: Array, steps: Array) -> Player:
    """Margins y f(x) over steps and w(1) (p,), at the p `steps`.

    Margins are {"agrees": (p, a), "disagrees": (p, b), "unseen": (p, c)}.

    Left each sample as a dot at its margin; right the shares that are correct, and w(1).
    """
    panels = [_dots(margins), _correct(margins, first, steps)]
    about = (
        "Margins of training samples and of new ones over gradient steps, "
        "and the shares that are correct."
    )
    after_one = int(np.argmax(steps >= 1))
    return parts.player(panels, "gradient steps", steps, about, after_one)


def _correct(margins: Mapping[str, Array], first: Array, steps: Array) -> Panel:
    """The shares over steps, and w(1)."""
    train = _accuracy(np.concatenate([margins["agrees"], margins["disagrees"]], axis=1))
    unseen = _accuracy(margins["unseen"])
    curves = {
        "correct in training": (train, ORANGE),
        "correct on unseen k": (unseen, GREEN),
        "w(1)": (first, INK),
    }
    told = [f"training {t:.0%}, unseen {u:.0%}" for t, u in zip(train, unseen, strict=True)]
    title, xlabel, heights = "shares correct, and w(1)", "1 + gradient steps", (1.15, 1.05, 1.09)
    return parts.shares(title, xlabel, steps, curves, told, heights, height=320)


def _accuracy(margins: Array) -> Array:
    """Of margins (p, n), (p,)."""
    return np.array([simple_start.accuracy(row) for row in margins])


def _dots(margins: Mapping[str, Array]) -> Panel:
    """Each sample as a dot at its margin, one column for each group."""
    tracks: list[Track] = [Line("", points([0.0, 3.0], [0.0, 0.0]), opacity=0.5, width=0.8)]
    for place, (group, (name, colour)) in enumerate(_GROUPS.items()):
        x = place + 0.5 + seeds.spread(margins[group].shape[1], 0.36)
        tracks.append(Dots(name, points(x, margins[group]), colour, radius=2.2, opacity=0.8))
    yticks = [(-1, "−1"), (0, "0"), (1, "1")]
    title = "margin y f(x) of each sample"
    return Panel(title, (0, 3), (-1.7, 1.45), tracks, yticks=yticks, height=320)


def phases(fresh: xr.Dataset, recorded: xr.Dataset) -> Picture:
    """Left accuracies over steps for the recorded n, averaged over seeds.

    Right the steps until all is memorised against n.
    """
    ns = np.unique(recorded.n.values)
    with axes(2, height=3.9) as (figure, (left, right)):
        _accuracies(left, recorded, ns)
        _memorised(right, fresh, recorded, ns)
        entries = [(colour, name) for name, (colour, _) in _SETTINGS.items()]
        legends.below(figure, entries, page="", recorded="")
        return finish(
            figure,
            "Train and test accuracy over gradient steps, and the number of steps to memorise "
            "against n.",
        )


def _accuracies(panel: Axes, recorded: xr.Dataset, ns: Array) -> None:
    """Solid on the sample, dotted on unseen k, the more opaque the more samples."""
    for colour, fields in list(_SETTINGS.values())[::2]:
        for n, alpha in zip(ns, (0.35, 0.55, 0.8, 1.0), strict=False):
            cells = cells_where(recorded, n=n, **fields)
            _both(panel, cells.mean("cell"), color=colour, alpha=alpha)
    panel.set(xscale="log", xlabel="gradient steps (0.5 stands for 0)")
    panel.set(title="share correct", ylim=(0.4, 1.03))


def _both(panel: Axes, mean: xr.Dataset, **look: Any) -> None:
    order = np.maximum(mean.step.values, 0.5)
    panel.plot(order, mean.train, **look)
    panel.plot(order, mean.unseen, ls=":", **look)


def _memorised(panel: Axes, fresh: xr.Dataset, recorded: xr.Dataset, ns: Array) -> None:
    """Against n, and the law of the first setting."""
    for colour, fields in _SETTINGS.values():
        page, record = (cells_where(data, **fields) for data in (fresh, recorded))
        seeds.against(panel, page, record, "n", "memorised", colour)
    panel.plot(ns, ns * np.log(1 + 0.8 + 0.4), color=INK, alpha=style.FAINT, lw=5)
    panel.set(xscale="log", xlabel="samples n")
    panel.set(title="steps until all is memorised", yscale="log")
    ticks.only(panel.xaxis, ns)


def thresholds(fresh: xr.Dataset, recorded: xr.Dataset) -> Picture:
    """Share of draws with unseen accuracy 1 - p.

    Against |w_0(k)| / (1 - 2p) and against w_0(1); lines: by the normal law.
    """
    with axes(2, height=3.9) as (figure, (left, right)):
        _by_size(left)
        _by_first(right)
        for data, is_recorded in ((recorded, True), (fresh, False)):
            cells = cells_where(data, kind="closed form", flip=0.1)
            _sizes(left, cells_where(cells, first=0.0), is_recorded)
            _shares(right, cells_where(cells, ratio=0.5, n=1000), "first", BLUE, is_recorded)
        entries = [(colour, f"n = {n}") for n, colour in _SIZES.items()]
        legends.below(figure, entries, page="", recorded="")
        return finish(
            figure,
            "Share of draws that generalise, against the size of the start and against its first "
            "weight.",
        )


def _by_size(panel: Axes) -> None:
    """The shares by the normal law against |w_0(k)|, and the threshold."""
    ratios = np.linspace(0.7, 1.3, 121)
    for n, colour in _SIZES.items():
        panel.plot(ratios, simple_start.share_above(n, 0.1, 0.8 * ratios), color=colour)
    panel.axvline(1, **_THRESHOLD)
    panel.set(xlabel="|w₀(k)| / (1 − 2p)", title="share of draws with accuracy 1 − p")
    panel.set(ylim=(-0.05, 1.05))


def _by_first(panel: Axes) -> None:
    """The same against w_0(1), with the theorem's own threshold beside."""
    firsts = np.linspace(-1000, 320, 200)
    by_law = [simple_start.share_above(1000, 0.1, np.array([0.4]), first)[0] for first in firsts]
    panel.plot(firsts, by_law, color=BLUE)
    lowest = simple_start.lowest_first(1000, 0.1, 0.4)
    for name, place in (("−(n + 1)(1 − 2p − c)", lowest), ("−n⁰·⁹⁹", -(1000**0.99))):
        panel.axvline(place, **_THRESHOLD)
        panel.annotate(name, (place - 45, 0.55), **_NAME)
    panel.set(xlabel="w₀(1), with |w₀(k)| = 0.4 and n = 1000", title="the same")
    panel.set(ylim=(-0.05, 1.05))


def _sizes(panel: Axes, cells: xr.Dataset, recorded: bool) -> None:
    """The draws near the threshold."""
    near = cells.isel(cell=cells.ratio >= 0.7)
    for n, colour in _SIZES.items():
        _shares(panel, cells_where(near, n=n), "ratio", colour, recorded)


def _shares(panel: Axes, cells: xr.Dataset, field: str, colour: str, recorded: bool) -> None:
    """The share of draws whose unseen accuracy is nearer to 1 - p than to 1/2, by a field."""
    if cells.sizes["cell"]:
        right = cells.unseen > (1.5 - cells.flip) / 2
        found = right.mean("draw").groupby(field).mean()
        panel.plot(found[field], found, "o", color=colour, **_MARKS[recorded])
