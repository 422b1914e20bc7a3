"""Training on corrupted labels: Figures 1d-f and 2c of Loukas et al. (2021).

Three readings, two networks.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from simplicity.pictures import legends, seeds
from simplicity.pictures.style import BLUE, FAINT, GREEN, INK, ORANGE, RED, Picture, axes, finish

COLOURS = (GREEN, BLUE, ORANGE, RED)  # simple to complex, as in the paper
PANELS = {
    "loss": "training loss, nats",
    "trajectory": "bias trajectory a step",
    "test_loss": "test loss, nats",
}

Runs = Mapping[str, xr.Dataset]  # the runs of each share of redrawn labels, in their order
Reading = Callable[[xr.Dataset, str], NDArray]  # of the runs of a setting, which is named


def curves(
    conditions: Runs, flipped: xr.Dataset | None = None, fresh: Runs | None = None
) -> Picture:
    """Figure 1d-f: mean and range over seeds.

    Dashed: all labels flipped. Circles: fresh runs. Both are means.
    """
    with axes(3, height=3.4, width=9.2) as (figure, panels):
        for panel, name in zip(panels, PANELS, strict=True):
            _curve(panel, name, conditions, flipped, fresh or {})
            panel.set(xlabel="passes", title=PANELS[name], ylim=(0, None))
        entries = [] if flipped is None else [(INK, "all flipped", "--")]
        page = None if fresh is None else ": mean"
        legends.below(figure, [*_shares(conditions), *entries], page=page, columns=6)
        return finish(
            figure,
            "Training loss, bias trajectory and test loss over passes, for each share of redrawn "
            "labels.",
        )


def _curve(
    panel: Axes, name: str, conditions: Runs, flipped: xr.Dataset | None, fresh: Runs
) -> None:
    """One of `PANELS`."""
    for runs, colour in _coloured(conditions):
        seeds.mean_and_range(panel, *_line(runs, name), colour)
    for runs, colour in _coloured(fresh):
        panel.plot(*_mean(runs, name), "o", color=colour, fillstyle="none", markersize=3)
    if flipped is not None:
        panel.plot(*_mean(flipped, name), color=INK, ls="--", lw=1)


def released(conditions: Runs) -> Picture:
    """The trajectory with the paper's eps, and as the released code has it.

    The released code halves its loss.
    """
    with axes(2, height=3.2) as (figure, (left, right)):
        _level(left, conditions, "trajectory", 1.0)
        _level(right, conditions, "late_reciprocal", 0.5)
        left.set(title="as the paper defines it")
        right.set(title="as the released code computes it")
        legends.below(figure, _shares(conditions), columns=4)
        return finish(
            figure,
            "The trajectory over passes with the paper's normalisation and with the released "
            "code's.",
        )


def _level(panel: Axes, conditions: Runs, name: str, factor: float) -> None:
    """The mean over runs of a statistic, times a factor, over passes."""
    for runs, colour in _coloured(conditions):
        passes, values = _mean(runs, name)
        panel.plot(passes, factor * values, color=colour)
    panel.set(xlabel="passes", yscale="log")


def readings(settings: Mapping[str, Runs], columns: Mapping[str, int]) -> Picture:
    """For each setting three readings, a dot a seed.

    Trajectory at the end, slope of the logit, trajectory at matched confidence.

    `columns` says which of the matched levels belongs to each setting.
    """
    looks: dict[str, Reading] = {
        "trajectory, mean of the run": _mean_of_run,
        "slope of the logit, end": lambda runs, _: runs.logit_slope.values[:, -1],
        "trajectory, same confidence": partial(_at_confidence, columns=columns),
    }
    with axes(3, height=3.6, width=9.2) as (figure, panels):
        for panel, (title, look) in zip(panels, looks.items(), strict=True):
            _seeds(panel, settings, look)
            panel.set(title=title, yscale="log")
        _shares_below(figure, settings)
        return finish(
            figure,
            "Three readings of the same runs for each share of redrawn labels and each setting.",
        )


def _at_confidence(runs: xr.Dataset, setting: str, columns: Mapping[str, int]) -> NDArray:
    return runs.matched_trajectory.values[:, columns[setting]]


def _mean_of_run(runs: xr.Dataset, _: str) -> NDArray:
    return runs.total.values[:, -1] / runs.passes.values[..., -1]


def restless(settings: Mapping[str, Runs]) -> Picture:
    """Figure 2c and the appendix' distance, last ten passes.

    The variance of the bias over alpha^2, and its distance to the start.
    """
    with axes(2, height=3.4) as (figure, (left, right)):
        _seeds(left, settings, lambda runs, _: runs.last_spread.values)
        _seeds(right, settings, lambda runs, _: runs.last_distance.values)
        left.set(title="variance of the bias / rate²", yscale="log")
        right.set(title="distance to the start", ylim=(0, None))
        _shares_below(figure, settings)
        return finish(
            figure,
            "Variance of the first bias and its distance to the start, near the end of training.",
        )


def architectures(parts: Runs) -> Picture:
    """Loss on test images against the total trajectory, a dot a run.

    Lines join the two networks of a seed.
    """
    colours = BLUE, ORANGE
    ordered = [runs.sortby("seed") for runs in parts.values()]
    with axes(2, height=3.4) as (figure, (left, right)):
        _levels(left, ordered, colours)
        _totals(right, ordered, colours)
        legends.below(figure, zip(colours, parts, strict=True))
        return finish(
            figure,
            "Bias trajectories of two architectures, and test loss against total trajectory.",
        )


def _levels(panel: Axes, parts: Sequence[xr.Dataset], colours: Sequence[str]) -> None:
    """The mean trajectory of each architecture over passes."""
    for runs, colour in zip(parts, colours, strict=True):
        level = runs.trajectory.values.mean(axis=0)
        panel.plot(np.arange(1, len(level) + 1), level, color=colour)
    panel.set(xlabel="passes", title="bias trajectory a step", ylim=(0, None))


def _totals(panel: Axes, parts: Sequence[xr.Dataset], colours: Sequence[str]) -> None:
    """Test loss against total trajectory, with a line for each seed."""
    ends = [(runs.trajectory.values.sum(axis=1), runs.test_loss.values[:, -1]) for runs in parts]
    for end, colour in zip(ends, colours, strict=True):
        panel.plot(*end, "o", color=colour)
    total, loss = np.stack(ends, axis=1)
    panel.plot(total, loss, color=INK, alpha=FAINT, lw=0.8, zorder=0)
    panel.set(xlabel="total trajectory", title="test loss, nats", xlim=(0, None), ylim=(0, None))


def _coloured(conditions: Runs) -> list[tuple[xr.Dataset, str]]:
    return list(zip(conditions.values(), COLOURS, strict=False))


def _shares(conditions: Runs) -> list[tuple[str, str]]:
    """Entries of a legend."""
    return list(zip(COLOURS, conditions, strict=False))


def _shares_below(figure: Figure, settings: Mapping[str, Runs]) -> None:
    legends.below(figure, _shares(next(iter(settings.values()))), columns=4)


def _line(runs: xr.Dataset, name: str) -> tuple[NDArray, NDArray]:
    """Passes, and the values of each run, (cell, ...)."""
    if name == "test_loss":
        return runs.probe_epoch.values[0], runs.test_loss.values
    return np.atleast_2d(runs.passes.values)[0], runs[name].values


def _mean(runs: xr.Dataset, name: str) -> tuple[NDArray, NDArray]:
    passes, values = _line(runs, name)
    return passes, values.mean(axis=0)


def _seeds(panel: Axes, settings: Mapping[str, Runs], of: Reading) -> None:
    """A number of each run as a dot, with a bar at the mean of its setting and share."""
    for place, (setting, conditions) in enumerate(settings.items()):
        for index, (runs, colour) in enumerate(_coloured(conditions)):
            _dots(panel, place + 0.17 * (index - 1.5), of(runs, setting), colour)
    panel.set(xticks=range(len(settings)), xticklabels=list(settings))


def _dots(panel: Axes, spot: float, values: NDArray, colour: str) -> None:
    panel.plot(np.full(len(values), spot), values, "o", ms=3, color=colour, alpha=0.6)
    panel.plot([spot - 0.06, spot + 0.06], [np.mean(values)] * 2, color=colour, lw=2)
