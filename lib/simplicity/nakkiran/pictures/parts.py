"""What several pictures of the wing share: shares over steps for a player, and the player."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from simplicity.pictures.player import Panel, Player
from simplicity.pictures.tracks import Line, Note, Track, points

Array = NDArray[np.floating]


def shares(
    title: str,
    xlabel: str,
    step: Array,
    curves: Mapping[str, tuple[Array, str]],
    told: Sequence[str],
    heights: tuple[float, float, float],
    height: float,
    size: float = Note.size,
) -> Panel:
    """Shares (p,) over 1 + `step` (p,) on a log axis, for the player.

    `curves` are values and colour by name, `told` is a line of text for each frame. `heights` are
    those of the axis, of the dashed line at the frame's step, and of the text, and `size` is the
    size of the text.
    """
    log = np.log10(1 + step)
    end = float(log[-1])
    top, now, note = heights
    tracks: list[Track] = [
        *(Line(name, points(log, values), colour) for name, (values, colour) in curves.items()),
        _now(log, now),
        Note(told, (end, note), anchor="end", size=size),
    ]
    decades = [(float(power), f"{10**power:g}") for power in range(int(end) + 1)]
    halves = [(value, f"{value:g}") for value in (0.0, 0.5, 1.0)]
    return Panel(title, (0, end), (0, top), tracks, xlabel, "", decades, halves, height=height)


def _now(at: Array, height: float) -> Line:
    """A dashed line at the place of each frame."""
    frames = [np.array([[x, 0.0], [x, height]]) for x in at]
    return Line("now", frames, opacity=0.5, width=1.0, dashes="3 3")


def player(panels: Sequence[Panel], name: str, step: Array, about: str, start: int) -> Player:
    """The panels over steps (p,), `name` of them; on paper the frame `start`."""
    labels = [f"step {int(one)}" for one in step]
    return Player(panels, labels, about, step_name=name, milliseconds=350, start=start)
