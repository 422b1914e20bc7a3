"""One run of a network beside its linear model, frame by frame: outputs, learned parts, losses."""

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from simplicity.hu.early_linear import LINE, REACH
from simplicity.hu.pictures.early_linear import CLOCK, MODEL, NETWORK
from simplicity.pictures import ticks
from simplicity.pictures.player import Panel, Player
from simplicity.pictures.style import INK
from simplicity.pictures.tracks import Dots, Line, Note, Track, nearest, points

Array = NDArray[np.floating]
_PLATEAU = 2.0  # in units of d log d / eta: network and model are still together


def over_time(line: xr.Dataset, spectrum: xr.Dataset) -> Player:
    """One run each: outputs along a line, parts along principal directions, and both losses.

    `line` and `spectrum` are single cells of `first_figure` with pictures.
    """
    panels = [_outputs(line), _components(spectrum), _losses(line)]
    about = "Network and linear model over training: outputs on a line, learned parts, and losses."
    start = nearest(line.clock, _PLATEAU)
    return Player(panels, _moments(line), about, "steps", milliseconds=450, start=start)


def _moments(line: xr.Dataset) -> list[str]:
    """The step of each frame, and its time on the clock."""
    return [
        f"step {int(step)}, {clock:.2g} times d log d / η"
        for step, clock in zip(line.step, line.clock, strict=True)
    ]


def _outputs(line: xr.Dataset) -> Panel:
    return Panel(
        "outputs on a line", (-REACH, REACH), (-1.9, 1.9), _output_tracks(line), "⟨x, u⟩", "",
        ticks.at(range(-3, 4)), ticks.at((-1, 0, 1)), width=300, height=300,
    )  # fmt: skip


def _output_tracks(line: xr.Dataset) -> list[Track]:
    """Labels, model and network at the places of the line."""
    places = np.linspace(-REACH, REACH, LINE)
    network, model = _of_both(line, "line", places)
    return [
        Dots("labels", points(places, line.line_label), INK, 2.0, 0.35),
        Line("network at the end", network[-1:], NETWORK, 1.2, 0.5, "3 3"),
        Line("linear model", model, MODEL, 2.2),
        Line("network", network, NETWORK, 2.2),
    ]


def _of_both(cell: xr.Dataset, what: str, places: ArrayLike) -> tuple[list[Array], list[Array]]:
    """Curves of the network and of the model at the places."""
    network, model = (points(places, cell[f"{what}_{name}"]) for name in ("network", "model"))
    return network, model


def _components(spectrum: xr.Dataset) -> Panel:
    wanted = np.abs(spectrum.wanted)
    top = 1.1 * float(wanted.max())
    return Panel(
        "learned, by principal direction", (-1, len(wanted)), (0, top),
        _component_tracks(spectrum, wanted), "direction by variance", "",
        ticks.at((1, 10, 20, 30, 40, 50), place=lambda part: part - 1),
        ticks.at(np.arange(0, top, 0.1), ".1f"), width=300, height=300,
    )  # fmt: skip


def _component_tracks(spectrum: xr.Dataset, wanted: xr.DataArray) -> list[Track]:
    """Of each direction the labels' part, and what model and network have learned of it."""
    parts = np.arange(len(wanted))
    network, model = _of_both(abs(spectrum), "learned", parts)
    return [
        Dots("labels' part", points(parts, wanted), INK, 2.6, 0.4, hollow=True),
        Line("linear model", model, MODEL, 1.4),
        Dots("network", network, NETWORK, 2.4),
    ]


def _losses(cell: xr.Dataset) -> Panel:
    clock = np.log10(cell.clock.values)
    ends = float(clock[0]), float(clock[-1])
    tracks = [*_loss_lines(cell, clock), _now(clock), *_loss_notes(cell, ends[0] + 0.1)]
    return Panel(
        "losses", ends, (0, 0.5), tracks, CLOCK, "",
        ticks.at((0.1, 1, 10, 50), place=np.log10), ticks.at((0, 0.1, 0.2, 0.3, 0.4, 0.5), ".1f"),
        width=280, height=300,
    )  # fmt: skip


def _loss_lines(cell: xr.Dataset, clock: Array) -> list[Track]:
    """Train and test losses of model and network, the test losses dashed."""
    return [
        Line(name, points(clock, cell[of]), colour, 1.6, dashes=dashes)
        for name, of, colour, dashes in (
            ("", "train_linear", MODEL, ""), ("", "test_linear", MODEL, "4 3"),
            ("", "train", NETWORK, ""), ("test loss", "test", NETWORK, "4 3"),
        )
    ]  # fmt: skip


def _now(clock: Array) -> Track:
    """An upright line at the time of the frame."""
    return Line("", [np.array([[x, 0.0], [x, 0.5]]) for x in clock], INK, 1.0, 0.5, "3 3")


def _loss_notes(cell: xr.Dataset, left: float) -> list[Track]:
    """Both test losses of the frame as numbers."""
    return [
        Note([f"{name}: {value:.3f}" for value in cell[of].values], (left, height))
        for height, name, of in ((0.04, "model", "test_linear"), (0.08, "network", "test"))
    ]
