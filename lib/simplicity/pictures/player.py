"""The frame player: a few panels whose lines, dots and notes change from frame to frame, as the
reader scrubs.

Python draws one frame as inline SVG in the page's colours and puts the others beside it as data;
`player.js` of the book swaps them. Without the script (or on paper) the frame `start` stays, so it
has to tell the story. No dependency, the same bytes in every build, everything escaped. A
notebook outside the book shows the same still, and a PNG where HTML is not trusted.

    curves = Line("train", [curve_a, curve_b], colour=BLUE)
    panel = Panel("loss", xlim=(0, 1), ylim=(0, 1), tracks=(curves,))
    Player((panel,), ("n = 8", "n = 32"), "What is to be seen.", step_name="samples")
"""

import html
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from simplicity.nets.loop import evenly
from simplicity.pictures import style
from simplicity.pictures.ticks import Ticks
from simplicity.pictures.tracks import Array, Dots, Line, Note, Track, number

_IN_A_ROW = 3  # panels of the still picture; more stand in rows of two
# of a panel with axes, in its own units: left, right, top, bottom
_MARGINS = (46, 10, 26, 40)
_BARE = (6, 6, 26, 6)
_HARMLESS = str.maketrans({sign: f"\\u{ord(sign):04x}" for sign in "&<>"})  # can end no script


@dataclass(frozen=True)
class Panel:
    """One picture of the player, with linear axes that are drawn only if there are ticks.

    Give logarithms for a log axis.
    """

    title: str
    xlim: tuple[float, float]
    ylim: tuple[float, float]
    tracks: Sequence[Track]
    xlabel: str = ""
    ylabel: str = ""
    xticks: Ticks = ()
    yticks: Ticks = ()
    width: float = 360.0
    height: float = 300.0

    def place(self, points: Array) -> Array:
        """Data coordinates (k, 2) to the panel's units, y downwards."""
        x, y = np.asarray(points, dtype=float).reshape(-1, 2).T
        left, top, wide, high = self.frame
        across = left + wide * (x - self.xlim[0]) / (self.xlim[1] - self.xlim[0])
        down = top + high * (1 - (y - self.ylim[0]) / (self.ylim[1] - self.ylim[0]))
        return np.stack([across, down], axis=1)

    @property
    def has_axes(self) -> bool:
        return bool(self.xticks or self.yticks)

    @property
    def frame(self) -> tuple[float, float, float, float]:
        """Where the data are drawn: left, top, width, height."""
        left, right, top, bottom = _MARGINS if self.has_axes else _BARE
        return left, top, self.width - left - right, self.height - top - bottom

    def svg(self, first: int, start: int = 0) -> str:
        """The frame `start`; changing elements carry the index of their values, counted from
        `first`.
        """
        title = {"font-size": 14, "fill": "currentColor"}
        parts = [_text("title", self.title, (self.frame[0], 16), title), self._axes()]
        for track in self.tracks:
            index = {"data-track": first} if track.changes else {}
            parts.append(self._element(track, self._value(track, track.frame(start)), index))
            first += track.changes
        return f'<svg {self._size()} aria-hidden="true" focusable="false">{"".join(parts)}</svg>'

    def _size(self) -> str:
        """In proportion to its own width, so that panels of a row have one scale; below two thirds
        of it the row breaks.
        """
        wide, least = number(self.width), number(0.67 * self.width)
        return f'viewBox="0 0 {wide} {number(self.height)}" style="flex:{wide} 1 {least}px"'

    def values(self) -> list[list[str]]:
        """For each changing element its content in every frame."""
        changing = [track for track in self.tracks if track.changes]
        return [[self._value(track, frame) for frame in track.frames] for track in changing]

    def _value(self, track: Track, frame: Any) -> str:
        return frame if isinstance(track, Note) else track.content(self.place(frame))

    def _element(self, track: Track, value: str, index: dict[str, int]) -> str:
        look = track.attributes() | index
        if isinstance(track, Note):
            return _text(track.name, value, self.place(np.array(track.at))[0], look)
        return f"<path{_attributes({'data-name': track.name, 'd': value} | look)}/>"

    def _axes(self) -> str:
        if not self.has_axes:
            return ""
        left, top, wide, high = self.frame
        right, bottom = left + wide, top + high
        lines = _stroke(f"M{left} {top}V{bottom}H{right}", ' fill="none"')
        ticks = [*self._xticks(bottom), *self._yticks(left)]
        return "".join([lines, *ticks, *self._labels(right, bottom, top + high / 2)])

    def _labels(self, right: float, bottom: float, middle: float) -> list[str]:
        turned = f"rotate(-90 11 {number(middle)})"
        return [
            _label(self.xlabel, right, bottom + 32, "end", 12),
            _label(self.ylabel, 11, middle, "middle", 12, transform=turned),
        ]

    def _xticks(self, bottom: float) -> Iterator[str]:
        for value, label in self.xticks:
            x = self.place(np.array([value, self.ylim[0]]))[0, 0]
            yield _stroke(f"M{number(x)} {bottom}v4")
            yield _label(label, x, bottom + 15, "middle")

    def _yticks(self, left: float) -> Iterator[str]:
        for value, label in self.yticks:
            y = self.place(np.array([self.xlim[0], value]))[0, 1]
            yield _stroke(f"M{left} {number(y)}h-4")
            yield _label(label, left - 6, y + 4, "end")


@dataclass(frozen=True)
class Player:
    """Panels side by side (one below the other in a narrow window) over the same frames; displays
    itself in a notebook. The frame `start` is seen before anybody plays, on paper and in notebooks.
    """

    panels: Sequence[Panel]
    labels: Sequence[str]
    description: str
    step_name: str = "frame"
    milliseconds: int = 900  # a frame, while it plays
    start: int = 0

    def __post_init__(self) -> None:
        frames = len(self.labels)
        if not 0 <= self.start < frames:
            raise ValueError(f"start: {self.start} of {frames} frames")
        for track in self._tracks():
            has = len(track.frames)
            if has not in (1, frames):
                raise ValueError(f"{track.name or 'a note'}: {has} frames for {frames} labels")

    def _tracks(self) -> list[Track]:
        return [track for panel in self.panels for track in panel.tracks]

    def thinned(self, most: int) -> "Player":
        """The same with at most as many frames, evenly chosen: the first, the last and the one to
        begin with stay, which takes the place of the nearest between them.
        """
        if most < 3:
            raise ValueError(f"most: {most} frames, which may be fewer than have to stay")
        kept = np.array(evenly(len(self.labels) - 1, min(most, len(self.labels))))
        if self.start not in kept:
            between = kept[1:-1]
            between[np.abs(between - self.start).argmin()] = self.start
        return replace(
            self,
            panels=[
                replace(panel, tracks=[_at(track, kept.tolist()) for track in panel.tracks])
                for panel in self.panels
            ],
            labels=[self.labels[place] for place in kept],
            start=int(np.flatnonzero(kept == self.start)[0]),
        )

    def html(self) -> str:
        """The figure: drawings, controls (shown by the script), a legend, all frames as data."""
        drawings: list[str] = []
        values: list[list[str]] = []
        for panel in self.panels:
            drawings.append(panel.svg(len(values), self.start))
            values += panel.values()
        return (
            '<div class="simplicity-player" role="group" '
            f'aria-label="{html.escape(self.description)}" '
            f'data-milliseconds="{self.milliseconds}">'
            f'<div class="panels">{"".join(drawings)}</div>{self._legend()}{self._controls()}'
            f'<script type="application/json">{self._data(values)}</script></div>'
        )

    def _controls(self) -> str:
        """A button and a slider, and the name of the frame that is shown."""
        return (
            '<div class="controls" hidden><button type="button">Play</button>'
            f'<input type="range" min="0" max="{len(self.labels) - 1}" value="{self.start}" '
            f'step="1" aria-label="{html.escape(self.step_name)}">'
            f"</div><output>{html.escape(self.labels[self.start])}</output>"
        )

    def _data(self, values: list[list[str]]) -> str:
        """What changes, as JSON for the script."""
        frames = {"labels": list(self.labels), "values": values}
        return json.dumps(frames, ensure_ascii=False, separators=(",", ":")).translate(_HARMLESS)

    def _legend(self) -> str:
        named: dict[str, Line | Dots] = {}
        for track in self._tracks():
            if track.name and not isinstance(track, Note):
                named.setdefault(track.name, track)
        entries = [f"<li>{_swatch(track)}{html.escape(name)}</li>" for name, track in named.items()]
        return f'<ul class="legend">{"".join(entries)}</ul>' if entries else ""

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {"text/html": self.html(), "image/png": self.still(), "text/plain": self.description}

    def still(self) -> bytes:
        """The frame `start` as a PNG, for readers of a notebook whose HTML is not shown."""
        count = len(self.panels)
        columns = count if count <= _IN_A_ROW else 2
        rows = math.ceil(count / columns)
        with style.axes(columns, height=3.6 * rows) as (figure, axes):
            if rows > 1:
                figure.clear()
                axes = figure.subplots(rows, columns).ravel()
            for panel, ax in zip(self.panels, axes, strict=False):
                _paint(panel, ax, self.start)
            figure.suptitle(self.labels[self.start])
            return style.bitmap(figure)


def _paint(panel: Panel, ax: Any, start: int) -> None:
    _paint_axes(panel, ax)
    for track in panel.tracks:
        _paint_track(track, ax, track.frame(start))


def _paint_axes(panel: Panel, ax: Any) -> None:
    _, _, wide, high = panel.frame
    ax.set(title=panel.title, xlabel=panel.xlabel, ylabel=panel.ylabel, box_aspect=high / wide)
    ax.set(xlim=panel.xlim, ylim=panel.ylim)
    ax.set_xticks(*_split(panel.xticks))
    ax.set_yticks(*_split(panel.yticks))
    if not panel.has_axes:
        ax.axis("off")


def _paint_track(track: Track, ax: Any, frame: Any) -> None:
    if isinstance(track, Note):
        place = {"start": "left", "middle": "center", "end": "right"}[track.anchor]
        ax.text(*track.at, frame, ha=place, fontsize=9)
        return
    points = np.asarray(frame, dtype=float).reshape(-1, 2).T
    if isinstance(track, Line):
        dashes = ":" if track.dashes else "-"
        ax.plot(*points, dashes, color=track.colour, lw=track.width, alpha=track.opacity)
    else:
        look = {"facecolors": "none" if track.hollow else track.colour, "alpha": track.opacity}
        ax.scatter(*points, s=track.radius**2, edgecolors=track.colour, zorder=3, **look)


def _split(ticks: Ticks) -> tuple[list[float], list[str]]:
    return [value for value, _ in ticks], [label for _, label in ticks]


def _swatch(track: Line | Dots) -> str:
    content = "M1 6H17"
    if isinstance(track, Dots):
        track = replace(track, radius=min(track.radius, 5.0))
        content = track.content(np.array([[9.0, 6.0]]))
    drawn = _attributes({"d": content} | track.attributes())
    return f'<svg viewBox="0 0 18 12" aria-hidden="true"><path{drawn}/></svg>'


def _stroke(content: str, more: str = "") -> str:
    return f'<path d="{content}"{more} stroke="currentColor" stroke-width="0.8"/>'


def _label(text: str, x: float, y: float, anchor: str, size: int = 11, **more: str) -> str:
    look = {"font-size": size, "fill": "currentColor", **more, "text-anchor": anchor}
    return _text("", text, (x, y), look)


def _text(name: str, text: str, at: Sequence[float] | Array, attributes: dict[str, Any]) -> str:
    if not text and "data-track" not in attributes:
        return ""
    place = {"data-name": name, "x": number(float(at[0])), "y": number(float(at[1]))}
    return f"<text{_attributes(place | attributes)}>{html.escape(text)}</text>"


def _attributes(given: dict[str, Any]) -> str:
    """Those that have a value."""
    return "".join(
        f' {name}="{html.escape(str(value))}"' for name, value in given.items() if value != ""
    )


def _at(track: Any, kept: Sequence[int]) -> Any:
    """With these frames alone."""
    if not track.changes:
        return track
    return replace(track, frames=[track.frame(place) for place in kept])
