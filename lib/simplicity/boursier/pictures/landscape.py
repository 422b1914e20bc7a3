"""What the threshold depends on, and where training ends.

Pictures: width, dimension, interpolators, step sizes.
"""

from collections.abc import Mapping
from typing import Any

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.lines import Line2D

from simplicity.boursier.criteria import at_limit
from simplicity.evidence.claims import cells_where, share
from simplicity.grid.groups import Runs
from simplicity.pictures import seeds
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

_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, RED)
Array = np.ndarray


def widths(fresh: Runs, recorded: Runs) -> Picture:
    """Left: share of seeds at the limit against n for each width.

    Right: train MSE against the width, from a small and from a large start.
    """
    settings = recorded.settings
    every, control_n = np.unique(settings.width), settings.unaligned_n
    with axes(2, height=3.6) as (figure, (left, right)):
        for runs in (recorded, fresh):
            for width in np.unique(runs.settings.width):
                aside = np.searchsorted(every, width) - (len(every) - 1) / 2
                colour, shift = _on_scale(every, width), 1 + 0.025 * aside
                _shares(left, runs("small", width=width), colour, runs is recorded, shift)
        left.set(title="start at scale 0.001", ylabel="share of seeds at ρ = 1", ylim=(-0.05, 1.05))
        _log(left, "n", np.unique(settings.n))
        for group, colour in (("unaligned", RED), ("small", GREEN)):
            page, record = (runs(group, n=control_n) for runs in (fresh, recorded))
            seeds.against(right, page, record, "width", "train_mse", colour)
        right.set(title=f"n = {control_n}", ylabel="train error", ylim=(0, None))
        decades = np.floor(np.log10(every.min())), np.ceil(np.log10(every.max()))
        _log(right, "width", 10.0 ** np.arange(decades[0], decades[1] + 1))
        large = f"start at scale {settings.unaligned_scale:g}"
        words = {"small start": (0.9, GREEN), large: (0.35, RED)}
        for word, (height, colour) in words.items():
            right.annotate(word, (0.98, height), xycoords="axes fraction", ha="right", color=colour)
        _legend(left, [(_on_scale(every, m), f"m = {m:,}") for m in every])
        about = "Share of seeds at the limit against n by width, and train error against the width."
        return finish(figure, about)


def dimensions(fresh: Runs, recorded: Runs, n50: Mapping[int, float], exponent: float) -> Picture:
    """Share of seeds at the limit against n and n / d for each dimension, and n50 against d.

    With lines of the recorded exponent, of slope 1 and of slope 3.
    """
    dims = np.unique(recorded.settings.dim)
    with axes(3, height=3.5, width=8.4) as (figure, (left, middle, right)):
        for runs in (recorded, fresh):
            for dim in np.unique(runs.settings.dim):
                part, colour = runs("whole", dim=dim), _colour(dims, dim)
                _shares(left, part, colour, runs is recorded)
                _shares(middle, part, colour, runs is recorded, shift=1 / dim)
        for dim in dims:
            right.plot(dim, n50[int(dim)], "o", color=_colour(dims, dim), markersize=6, zorder=3)
        centre = float(np.exp(np.log(dims).mean()))
        height = float(np.exp(np.mean(np.log([n50[int(dim)] for dim in dims]))))
        ends = np.array([dims.min(), dims.max()], dtype=float)
        for slope, style in ((exponent, "-"), (1.0, ":"), (3.0, "--")):
            right.plot(ends, height * (ends / centre) ** slope, style, color=INK, alpha=0.6, lw=1)
        right.set(xscale="log", yscale="log", xlabel="dimension d", ylabel="samples n50")
        right.set_title("half of the seeds succeed")
        _plain(right, dims)
        left.set(title="against n", ylabel="share of seeds at ρ = 1")
        middle.set(title="against n / d", xscale="log", xlabel="samples / dimension")
        _log(left, "n", np.array([10, 30, 100, 300]))
        _plain(middle, np.array([4, 8, 16, 32]))
        _legend(left, [(_colour(dims, dim), f"d = {dim}") for dim in dims])
        about = "Success against n and n / d for each dimension, and n50 against the dimension."
        return finish(figure, about)


def stationary(fresh: xr.Dataset, recorded: xr.Dataset, kicks: tuple[float, ...]) -> Picture:
    """Gradient norms and train errors at n = 480, rho after a perturbation; each seed a mark."""
    with axes(3, height=3.5, width=8.4) as (figure, (left, middle, right)):
        gradients = (
            ("gradient_norm", GREEN, "end of\ntraining"),
            ("random_gradient_norm", RED, "random\npoint"),
        )
        errors = (
            ("train_mse", GREEN, "end of\ntraining"),
            ("own_features_mse", PURPLE, "own\nneurons"),
            ("interpolator_mse", BLUE, "random\nneurons"),
        )
        for panel, kinds in ((left, gradients), (middle, errors)):
            for place, (name, colour, _) in enumerate(kinds):
                for data in (recorded, fresh):
                    values = np.maximum(cells_where(data, n=480)[name].values, 1e-32)
                    seeds.marks(
                        panel,
                        place + seeds.spread(len(values), 0.2),
                        values,
                        colour,
                        data is recorded,
                    )
            panel.set(yscale="log", xlim=(-0.5, len(kinds) - 0.5), xticks=range(len(kinds)))
            panel.set_xticklabels([label for _, _, label in kinds])
        left.set_title("gradient norm")
        middle.set_title("train error")
        _level(left, 1e-6)
        _level(middle, 1e-10)
        ns = np.unique(recorded.n.values)
        for index in range(len(kicks)):
            for data in (recorded, fresh):
                for n in np.unique(data.n.values):
                    values = cells_where(data, n=n).kicked_rho.values[:, index]
                    spread = (
                        index
                        + 0.3 * (np.searchsorted(ns, n) - 0.5)
                        + seeds.spread(len(values), 0.1)
                    )
                    seeds.marks(
                        right,
                        spread,
                        values,
                        (ORANGE, GREEN)[int(np.searchsorted(ns, n)) % 2],
                        data is recorded,
                    )
        right.axhline(1, color=INK, alpha=FAINT, lw=0.8)
        right.set(title="ρ after a perturbation", xticks=range(len(kicks)), ylim=(-0.05, 1.1))
        right.set_xticklabels([f"{size:.0%}" for size in kicks])
        entries = [(colour, f"n = {n}") for n, colour in zip(ns, (ORANGE, GREEN), strict=False)]
        seeds.legend(right, entries, fresh, recorded)
        return finish(
            figure,
            "Gradient norms and train errors at the end of training and elsewhere; rho after "
            "perturbations.",
        )


def fixed_width(
    fresh: xr.Dataset, recorded: xr.Dataset, fresh_best: xr.Dataset, recorded_best: xr.Dataset
) -> Picture:
    """rho against n from the small start, of the best large start, and of the best polished fit.

    Where the width grows with n the explicit fit takes the place of the last two. The first two
    datasets carry the variables `rho_small`, `rho_large`, `rho_explicit`, the others
    `rho_polished`.
    """
    fixed = cells_where(recorded, growing=0)
    panels_of: list[tuple[str, dict[str, Any]]] = [
        (f"m = {width}", {"growing": 0, "width": int(width)})
        for width in np.unique(fixed.width.values)
    ]
    panels_of.append(("m = n", {"growing": 1}))
    with axes(len(panels_of), sharey=True, height=3.5, width=8.4) as (figure, panels):
        for panel, (title, fields) in zip(panels, panels_of, strict=True):
            second = ("rho_explicit", BLUE) if fields["growing"] else ("rho_large", RED)
            for name, colour in (("rho_small", GREEN), second):
                page, record = (cells_where(data, **fields) for data in (fresh, recorded))
                seeds.against(panel, page, record, "n", name, colour)
            if not fields["growing"]:
                of_page, of_record = (
                    cells_where(data, width=fields["width"]) for data in (fresh_best, recorded_best)
                )
                seeds.against(panel, of_page, of_record, "n", "rho_polished", PURPLE)
            panel.axhline(1, color=INK, alpha=FAINT, lw=0.8)
            panel.set(title=title, ylim=(-0.05, 1.6))
            _log(panel, "n", np.unique(cells_where(recorded, **fields).n.values))
        panels[0].set_ylabel("train error / two-fit error  (ρ)")
        entries = [
            (GREEN, "small start"),
            (RED, "best of the large starts"),
            (PURPLE, "best polished fit"),
            (BLUE, "explicit fit"),
        ]
        seeds.legend(panels[0], entries, fresh.drop_vars("width"), recorded.drop_vars("width"))
        return finish(
            figure,
            "rho of the small start and of the best fit found against n, at fixed widths and with "
            "m = n.",
        )


STYLES = ((GREEN, 3.2), (BLUE, 2.4), (ORANGE, 1.3), (RED, 0.7))


def step_sizes(recorded: xr.Dataset) -> Picture:
    """Train error over time from the small start and from an interpolator.

    A line a seed, a colour a step size.
    """
    with axes(2, height=3.5) as (figure, (left, right)):
        for panel, start in ((left, "small"), (right, "interpolator")):
            part = cells_where(recorded, start=start)
            # One colour a step in both panels; where curves coincide, a wide one lies below a thin
            # one.
            styles = zip(np.unique(recorded.step_size.values), STYLES, strict=False)
            for step_size, (colour, thick) in styles:
                if step_size not in part.step_size.values:
                    continue
                chosen = cells_where(part, step_size=step_size)
                for index in range(chosen.sizes["cell"]):
                    time, curve = (
                        chosen.time_of_probe[index].values,
                        np.maximum(chosen.train_curve[index].values, 1e-20),
                    )
                    panel.plot(time[time > 0], curve[time > 0], color=colour, lw=thick, alpha=0.5)
                panel.plot([], [], color=colour, label=f"step {step_size:g}")
            panel.set(xscale="log", xlabel="time = steps × step size")
            panel.legend(loc="lower left" if start == "small" else "best")
        left.set(title="from the small start, n = 480", ylabel="train error", ylim=(0, None))
        right.set(title="from an interpolator, n = 480", yscale="log", ylim=(1e-20, 1e3))
        return finish(
            figure,
            "Train error over time from a small start and from an interpolator at several step "
            "sizes.",
        )


def _shares(
    panel: Axes, cells: xr.Dataset, colour: str, recorded: bool, shift: float = 1.0
) -> None:
    """The share of seeds at each n with its 95 % interval, at n times `shift`.

    Recorded shares have a line and bars.
    """
    ns = np.unique(cells.n.values)
    found = [share(at_limit(cells_where(cells, n=n))) for n in ns]
    values = np.array([one.value for one in found])
    if not recorded:
        panel.plot(ns * shift, values, "o", color=colour, fillstyle="none", markersize=5, zorder=3)
        return
    bars = np.abs(np.array([one.interval for one in found]).T - values)
    panel.errorbar(
        ns * shift, values, bars, color=colour, marker="o", markersize=2.6, lw=1.2, elinewidth=0.6
    )


def _legend(panel: Axes, entries: list[tuple[str, str]]) -> None:
    """Under the panels: colours with their meaning, and what circles and bars are."""
    handles: list[Any] = [Line2D([], [], color=colour, label=label) for colour, label in entries]
    handles.append(
        Line2D(
            [],
            [],
            color=INK,
            marker="o",
            ls="",
            fillstyle="none",
            markersize=5,
            label="this page's seeds",
        )
    )
    handles.append(
        Line2D([], [], color=INK, marker="o", lw=1, markersize=2.6, label="recorded, 95 % interval")
    )
    panel.figure.legend(
        handles=handles, loc="outside lower center", ncols=(len(handles) + 1) // 2, handlelength=1.4
    )


def _colour(places: Array, place: Any) -> str:
    return _COLOURS[int(np.searchsorted(places, place)) % len(_COLOURS)]


def _on_scale(places: Array, place: Any) -> str:
    """From blue to light green with the place's rank.

    The ends of the scale would fade on a dark or a light page.
    """
    rank = np.searchsorted(places, place) / max(1, len(places) - 1)
    return to_hex(matplotlib.colormaps["viridis"](0.3 + 0.5 * rank))


def _level(panel: Axes, value: float) -> None:
    panel.axhline(value, color=INK, alpha=FAINT, lw=0.8)
    panel.annotate(
        "criterion",
        (0.02, value),
        xycoords=("axes fraction", "data"),
        va="bottom",
        alpha=0.7,
        fontsize=9,
    )


def _log(panel: Axes, what: str, ticks: Array) -> None:
    panel.set(xscale="log", xlabel={"n": "samples n", "width": "neurons m"}[what])
    _plain(panel, ticks)


def _plain(panel: Axes, ticks: Array) -> None:
    panel.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    panel.set_xticks([], minor=True)
