"""Training on corrupted labels: Figures 1d-f and 2c of Loukas et al. (2021).

Three readings, two networks.
"""

from collections.abc import Callable, Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
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


def curves(
    conditions: Runs, flipped: xr.Dataset | None = None, fresh: Runs | None = None
) -> Picture:
    """Figure 1d-f: mean and range over seeds.

    Dashed: all labels flipped. Circles: fresh runs. Both are means.
    """
    with axes(3, height=3.4, width=9.2) as (figure, panels):
        for panel, (name, title) in zip(panels, PANELS.items(), strict=True):
            for runs, colour in _coloured(conditions):
                seeds.mean_and_range(panel, *_line(runs, name), colour)
            for runs, colour in _coloured(fresh or {}):
                panel.plot(*_mean(runs, name), "o", color=colour, fillstyle="none", markersize=3)
            if flipped is not None:
                panel.plot(*_mean(flipped, name), color=INK, ls="--", lw=1)
            panel.set(xlabel="passes", title=title, ylim=(0, None))
        entries = [] if flipped is None else [(INK, "all flipped", "--")]
        page = None if fresh is None else ": mean"
        legends.below(figure, [*_shares(conditions), *entries], page=page, columns=6)
        return finish(
            figure,
            "Training loss, bias trajectory and test loss over passes, for each share of redrawn "
            "labels.",
        )


def released(conditions: Runs) -> Picture:
    """The trajectory with the paper's eps, and as the released code has it.

    The released code halves its loss.
    """
    with axes(2, height=3.2) as (figure, (left, right)):
        for runs, colour in _coloured(conditions):
            x, code = _mean(runs, "late_reciprocal")
            left.plot(*_mean(runs, "trajectory"), color=colour)
            right.plot(x, 0.5 * code, color=colour)
        left.set(xlabel="passes", yscale="log", title="as the paper defines it")
        right.set(xlabel="passes", yscale="log", title="as the released code computes it")
        legends.below(figure, _shares(conditions), columns=4)
        return finish(
            figure,
            "The trajectory over passes with the paper's normalisation and with the released "
            "code's.",
        )


def readings(settings: Mapping[str, Runs], columns: Mapping[str, int]) -> Picture:
    """For each setting three readings, a dot a seed.

    Trajectory at the end, slope of the logit, trajectory at matched confidence.

    `columns` says which of the matched levels belongs to each setting.
    """

    def mean_of_run(runs: xr.Dataset, _: str) -> NDArray:
        return runs.total.values[:, -1] / runs.passes.values[..., -1]

    def at_confidence(runs: xr.Dataset, setting: str) -> NDArray:
        return runs.matched_trajectory.values[:, columns[setting]]

    looks = {
        "trajectory, mean of the run": mean_of_run,
        "slope of the logit, end": lambda runs, _: runs.logit_slope.values[:, -1],
        "trajectory, same confidence": at_confidence,
    }
    with axes(3, height=3.6, width=9.2) as (figure, panels):
        for panel, (title, look) in zip(panels, looks.items(), strict=True):
            _seeds(panel, settings, look)
            panel.set(title=title, yscale="log")
        legends.below(figure, _shares(next(iter(settings.values()))), columns=4)
        return finish(
            figure,
            "Three readings of the same runs for each share of redrawn labels and each setting.",
        )


def restless(settings: Mapping[str, Runs]) -> Picture:
    """Figure 2c and the appendix' distance, last ten passes.

    The variance of the bias over alpha^2, and its distance to the start.
    """
    with axes(2, height=3.4) as (figure, (left, right)):
        _seeds(left, settings, lambda runs, _: runs.last_spread.values)
        _seeds(right, settings, lambda runs, _: runs.last_distance.values)
        left.set(title="variance of the bias / rate²", yscale="log")
        right.set(title="distance to the start", ylim=(0, None))
        legends.below(figure, _shares(next(iter(settings.values()))), columns=4)
        return finish(
            figure,
            "Variance of the first bias and its distance to the start, near the end of training.",
        )


def architectures(parts: Runs) -> Picture:
    """Loss on test images against the total trajectory, a dot a run.

    Lines join the two networks of a seed.
    """
    with axes(2, height=3.4) as (figure, (left, right)):
        ends = []
        for (name, runs), colour in zip(parts.items(), (BLUE, ORANGE), strict=True):
            ordered = runs.sortby("seed")
            level = ordered.trajectory.values
            ends.append((level.sum(axis=1), ordered.test_loss.values[:, -1]))
            left.plot(np.arange(1, level.shape[1] + 1), level.mean(axis=0), color=colour)
            right.plot(*ends[-1], "o", color=colour, label=name)
        total, loss = np.stack(ends, axis=1)
        right.plot(total, loss, color=INK, alpha=FAINT, lw=0.8, zorder=0)
        left.set(xlabel="passes", title="bias trajectory a step", ylim=(0, None))
        right.set(
            xlabel="total trajectory", title="test loss, nats", xlim=(0, None), ylim=(0, None)
        )
        legends.below(figure, zip((BLUE, ORANGE), parts, strict=True))
        return finish(
            figure,
            "Bias trajectories of two architectures, and test loss against total trajectory.",
        )


def _coloured(conditions: Runs) -> list[tuple[xr.Dataset, str]]:
    return list(zip(conditions.values(), COLOURS, strict=False))


def _shares(conditions: Runs) -> list[tuple[str, str]]:
    """Entries of a legend."""
    return list(zip(COLOURS, conditions, strict=False))


def _line(runs: xr.Dataset, name: str) -> tuple[NDArray, NDArray]:
    """Passes, and the values of each run, (cell, ...)."""
    if name == "test_loss":
        return runs.probe_epoch.values[0], runs.test_loss.values
    return np.atleast_2d(runs.passes.values)[0], runs[name].values


def _mean(runs: xr.Dataset, name: str) -> tuple[NDArray, NDArray]:
    passes, values = _line(runs, name)
    return passes, values.mean(axis=0)


def _seeds(
    panel: Axes, settings: Mapping[str, Runs], of: Callable[[xr.Dataset, str], NDArray]
) -> None:
    """A number of each run as a dot, with a bar at the mean of its setting and share."""
    for place, (setting, conditions) in enumerate(settings.items()):
        for index, (runs, colour) in enumerate(_coloured(conditions)):
            spot, values = place + 0.17 * (index - 1.5), of(runs, setting)
            panel.plot(np.full(len(values), spot), values, "o", ms=3, color=colour, alpha=0.6)
            panel.plot([spot - 0.06, spot + 0.06], [np.mean(values)] * 2, color=colour, lw=2)
    panel.set(xticks=range(len(settings)), xticklabels=list(settings))
