"""Training on corrupted labels: Figures 1d-f and 2c of Loukas et al. (2021).

Three readings, two networks.
"""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

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
    """Figure 1d-f: mean and standard deviation over seeds.

    Dashed: all labels flipped. Dots: fresh runs.
    """
    with axes(3, height=3.4, width=9.2) as (figure, panels):
        for panel, (name, title) in zip(panels, PANELS.items(), strict=True):
            for runs, colour in zip(conditions.values(), COLOURS, strict=False):
                x, values = _line(runs, name)
                panel.plot(x, values.mean(axis=0), color=colour)
                low, high = (
                    values.mean(axis=0) - values.std(axis=0),
                    values.mean(axis=0) + values.std(axis=0),
                )
                panel.fill_between(x, low, high, color=colour, alpha=FAINT, linewidth=0)
            for runs, colour in zip((fresh or {}).values(), COLOURS, strict=False):
                x, values = _line(runs, name)
                panel.plot(x, values.mean(axis=0), color=colour, ls="", marker=".")
            if flipped is not None:
                x, values = _line(flipped, name)
                panel.plot(x, values.mean(axis=0), color=INK, ls="--", lw=1)
            panel.set(xlabel="passes", title=title, ylim=(0, None))
        _below(figure, conditions, flipped is not None, fresh is not None)
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
        for runs, colour in zip(conditions.values(), COLOURS, strict=False):
            x, paper = _line(runs, "trajectory")
            _, code = _line(runs, "late_reciprocal")
            left.plot(x, paper.mean(axis=0), color=colour)
            right.plot(x, 0.5 * code.mean(axis=0), color=colour)
        left.set(xlabel="passes", yscale="log", title="as the paper defines it")
        right.set(xlabel="passes", yscale="log", title="as the released code computes it")
        _below(figure, conditions, False, False)
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
    titles = (
        "trajectory, mean of the run",
        "slope of the logit, end",
        "trajectory, same confidence",
    )
    with axes(3, height=3.6, width=9.2) as (figure, panels):
        for panel, title in zip(panels, titles, strict=True):
            panel.set(
                title=title, yscale="log", xticks=range(len(settings)), xticklabels=list(settings)
            )
        for place, (setting, conditions) in enumerate(settings.items()):
            for index, (runs, colour) in enumerate(zip(conditions.values(), COLOURS, strict=False)):
                spot = place + 0.17 * (index - 1.5)
                length = runs.total.values[:, -1] / runs.passes.values[..., -1]
                matched = runs.matched_trajectory.values[:, columns[setting]]
                for panel, values in zip(
                    panels, (length, runs.logit_slope.values[:, -1], matched), strict=True
                ):
                    _dots(panel, spot, values, colour)
        _below(figure, next(iter(settings.values())), False, False)
        return finish(
            figure,
            "Three readings of the same runs for each share of redrawn labels and each setting.",
        )


def restless(settings: Mapping[str, Runs]) -> Picture:
    """Figure 2c and the appendix' distance, last ten passes.

    The variance of the bias over alpha^2, and its distance to the start.
    """
    with axes(2, height=3.4) as (figure, (left, right)):
        for place, conditions in enumerate(settings.values()):
            for index, (runs, colour) in enumerate(zip(conditions.values(), COLOURS, strict=False)):
                spot = place + 0.17 * (index - 1.5)
                _dots(left, spot, runs.last_spread.values, colour)
                _dots(right, spot, runs.last_distance.values, colour)
        left.set(title="variance of the bias / rate²", yscale="log")
        right.set(title="distance to the start", ylim=(0, None))
        for panel in (left, right):
            panel.set(xticks=range(len(settings)), xticklabels=list(settings))
        _below(figure, next(iter(settings.values())), False, False)
        return finish(
            figure,
            "Variance of the first bias and its distance to the start, near the end of training.",
        )


def architectures(parts: Runs) -> Picture:
    """Loss on test images against the total trajectory, a dot a run.

    Lines join the two networks of a seed.
    """
    colours = (BLUE, ORANGE)
    with axes(2, height=3.4) as (figure, (left, right)):
        ends = []
        for (name, runs), colour in zip(parts.items(), colours, strict=True):
            ordered = runs.sortby("seed")
            total, loss = ordered.trajectory.values.sum(axis=1), ordered.test_loss.values[:, -1]
            ends.append((total, loss))
            right.plot(total, loss, ls="", marker="o", color=colour)
            values = ordered.trajectory.values
            left.plot(
                np.arange(1, values.shape[1] + 1), values.mean(axis=0), color=colour, label=name
            )
        for first, second in zip(
            zip(*ends[0], strict=True), zip(*ends[1], strict=True), strict=True
        ):
            right.plot(
                [first[0], second[0]],
                [first[1], second[1]],
                color=INK,
                alpha=FAINT,
                lw=0.8,
                zorder=0,
            )
        left.set(xlabel="passes", title="bias trajectory a step", ylim=(0, None))
        left.legend(loc="upper right")
        right.set(
            xlabel="total trajectory", title="test loss, nats", xlim=(0, None), ylim=(0, None)
        )
        return finish(
            figure,
            "Bias trajectories of two architectures, and test loss against total trajectory.",
        )


def _line(runs: xr.Dataset, name: str) -> tuple[NDArray, NDArray]:
    """Passes, and the values of each run, (cell, ...)."""
    if name == "test_loss":
        return runs.probe_epoch.values[0], runs.test_loss.values
    return np.atleast_2d(runs.passes.values)[0], runs[name].values


def _dots(panel: Axes, place: float, values: NDArray, colour: str) -> None:
    panel.plot(
        np.full(len(values), place), values, ls="", marker="o", ms=3, color=colour, alpha=0.6
    )
    panel.plot([place - 0.06, place + 0.06], [np.mean(values)] * 2, color=colour, lw=2)


def _below(figure: Figure, conditions: Runs, flipped: bool, fresh: bool) -> None:
    entries = [
        Line2D([], [], color=colour, label=name)
        for name, colour in zip(conditions, COLOURS, strict=False)
    ]
    if flipped:
        entries.append(Line2D([], [], color=INK, ls="--", lw=1, label="all flipped"))
    if fresh:
        entries.append(Line2D([], [], color=INK, ls="", marker=".", label="fresh runs"))
    figure.legend(handles=entries, loc="outside lower center", ncols=len(entries))
