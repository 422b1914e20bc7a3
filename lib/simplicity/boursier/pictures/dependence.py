"""What the threshold depends on, and where training ends.

Pictures: width, dimension, scale of the start, interpolators, step sizes.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

from simplicity.boursier.criteria import at_limit, pairs
from simplicity.boursier.pictures import panels
from simplicity.evidence.claims import share
from simplicity.grid.groups import Runs, cells_where
from simplicity.pictures import legends, seeds, ticks
from simplicity.pictures.style import BLUE, GREEN, INK, ORANGE, PURPLE, RED, Picture, axes, finish

Array = np.ndarray
Both = tuple[xr.Dataset, xr.Dataset]  # fresh and recorded
_SHARE = "share of seeds at ρ = 1"
# Variable -> colour, in words.
_GRADIENTS = {
    "gradient_norm": (GREEN, "end of\ntraining"),
    "random_gradient_norm": (RED, "random\npoint"),
}
_END_ERRORS = {
    "train_mse": (GREEN, "end of\ntraining"),
    "own_features_mse": (PURPLE, "own\nneurons"),
    "interpolator_mse": (BLUE, "random\nneurons"),
}
_FITS = {
    "rho_small": (GREEN, "small start"),
    "rho_large": (RED, "best of the large starts"),
    "rho_polished": (PURPLE, "best polished fit"),
    "rho_explicit": (BLUE, "explicit fit"),
}


def widths(fresh: Runs, recorded: Runs) -> Picture:
    """Left: share of seeds at the limit against n for each width.

    Right: train MSE against the width, from a small and from a large start.
    """
    every = np.unique(recorded.settings.width)
    with axes(2, height=3.6) as (figure, (left, right)):
        for runs in (recorded, fresh):
            _shares_by_width(left, runs, every, runs is recorded)
        left.set(title=f"start at scale {recorded.settings.scale:g}", ylabel=_SHARE)
        left.set_ylim(-0.05, 1.05)
        panels.log_samples(left, recorded.settings.n)
        _errors(right, fresh, recorded)
        _powers_of_ten(right, every)
        _legend(figure, [(_on_scale(every, m), f"m = {m:,}") for m in every])
        about = "Share of seeds at the limit against n by width, and train error against the width."
        return finish(figure, about)


def _shares_by_width(panel: Axes, runs: Runs, every: Array, recorded: bool) -> None:
    """The widths of a run, each with its place among `every`."""
    for width in np.unique(runs.settings.width):
        aside = np.searchsorted(every, width) - (len(every) - 1) / 2
        colour, shift = _on_scale(every, width), 1 + 0.025 * aside
        _shares(panel, runs("small", width=width), colour, recorded, shift)


def _powers_of_ten(panel: Axes, values: Array) -> None:
    """As ticks, around these values."""
    powers = np.log10(values)
    ticks.only(panel.xaxis, 10.0 ** np.arange(np.floor(powers[0]), np.ceil(powers[-1]) + 1))


def _errors(panel: Axes, fresh: Runs, recorded: Runs) -> None:
    """Train MSE against the width, of both starts."""
    n, large = recorded.settings.unaligned_n, recorded.settings.unaligned_scale
    starts = (
        ("unaligned", RED, f"start at scale {large:g}", 0.35),
        ("small", GREEN, "small start", 0.9),
    )
    for group, colour, word, height in starts:
        panels.against(panel, (fresh[group], recorded[group]), "width", "train_mse", colour, n=n)
        panel.annotate(word, (0.98, height), xycoords="axes fraction", ha="right", color=colour)
    panel.set(title=f"n = {n}", ylabel="train error", ylim=(0, None))
    panel.set(xscale="log", xlabel="neurons m")


def dimensions(fresh: Runs, recorded: Runs, n50: Mapping[int, float], exponent: float) -> Picture:
    """Share of seeds at the limit against n and n / d for each dimension, and n50 against d.

    With lines of the recorded exponent, of slope 1 and of slope 3.
    """
    dims = np.unique(recorded.settings.dim)
    with axes(3, height=3.5, width=8.4) as (figure, (left, middle, right)):
        for runs in (recorded, fresh):
            _shares_by_dimension(left, runs, dims, runs is recorded, 0)
            _shares_by_dimension(middle, runs, dims, runs is recorded, 1)
        panels.log_samples(left, (10, 30, 100, 300))
        left.set(title="against n", ylabel=_SHARE)
        middle.set(title="against n / d", xscale="log", xlabel="samples / dimension")
        ticks.only(middle.xaxis, (4, 8, 16, 32))
        _half(right, dims, np.array([n50[int(dim)] for dim in dims]), exponent)
        _legend(figure, [(_colour(dims, dim), f"d = {dim}") for dim in dims])
        about = "Success against n and n / d for each dimension, and n50 against the dimension."
        return finish(figure, about)


def _shares_by_dimension(panel: Axes, runs: Runs, dims: Array, recorded: bool, power: int) -> None:
    """Against n / d^power."""
    for dim in np.unique(runs.settings.dim):
        part, colour = runs("whole", dim=dim), _colour(dims, dim)
        _shares(panel, part, colour, recorded, 1 / dim**power)


def _half(panel: Axes, dims: Array, n50: Array, exponent: float) -> None:
    """n50 against d, and three slopes through its middle."""
    for dim, needed in zip(dims, n50, strict=True):
        panel.plot(dim, needed, "o", color=_colour(dims, dim), markersize=6, zorder=3)
    for slope, style in ((exponent, "-"), (1.0, ":"), (3.0, "--")):
        _power(panel, dims, n50, slope, style)
    panel.set(xscale="log", yscale="log", xlabel="dimension d", ylabel="samples n50")
    panel.set_title("half of the seeds succeed")
    ticks.only(panel.xaxis, dims)


def _power(panel: Axes, dims: Array, n50: Array, slope: float, style: str) -> None:
    """A power of d through the middle of n50."""
    centre, height = (float(np.exp(np.log(values).mean())) for values in (dims, n50))
    ends = np.array([dims.min(), dims.max()], dtype=float)
    panel.plot(ends, height * (ends / centre) ** slope, style, color=INK, alpha=0.6, lw=1)


def scale_sweep(fresh: xr.Dataset, recorded: xr.Dataset) -> Picture:
    """rho against the scale of the initialisation, at the first budget and at the longer one."""
    colours = dict(zip(pairs(recorded), (BLUE, ORANGE, GREEN, PURPLE), strict=False))
    with axes(2, sharey=True, height=3.5) as (figure, row):
        for index, panel in enumerate(row):
            _by_scale(panel, fresh.isel(budget=index), recorded.isel(budget=index), colours)
        row[0].set_ylabel("ρ")
        entries = [(colour, f"n = {n}, m = {width:,}") for (n, width), colour in colours.items()]
        seeds.legend(row[0], entries, fresh, recorded)
        about = (
            "rho against the scale of the initialisation at two budgets of steps, for each n and "
            "width."
        )
        return finish(figure, about)


def _by_scale(
    panel: Axes, fresh: xr.Dataset, recorded: xr.Dataset, colours: Mapping[tuple[int, int], str]
) -> None:
    """At one budget, a colour for each n and width."""
    for (n, width), colour in colours.items():
        panels.against(panel, (fresh, recorded), "scale", "rho", colour, n=n, width=width)
    panels.level(panel)
    panel.set(xscale="log", xlabel="scale of the initialisation", ylim=(-0.05, 1.1))
    panel.set_title(f"after {int(recorded.budget):,} steps")


def stationary(fresh: xr.Dataset, recorded: xr.Dataset, kicks: tuple[float, ...]) -> Picture:
    """Gradient norms and train errors at n = 480, rho after a perturbation; each seed a mark."""
    colours = dict(zip(np.unique(recorded.n.values).tolist(), (ORANGE, GREEN), strict=False))
    at_480 = cells_where(fresh, n=480), cells_where(recorded, n=480)
    with axes(3, height=3.5, width=8.4) as (figure, (left, middle, right)):
        _at_the_end(left, _GRADIENTS, *at_480, 1e-6)
        _at_the_end(middle, _END_ERRORS, *at_480, 1e-10)
        left.set_title("gradient norm")
        middle.set_title("train error")
        _after_kicks(right, colours, fresh, recorded)
        right.set_xticks(range(len(kicks)), [f"{size:.0%}" for size in kicks])
        entries = [(colour, f"n = {n}") for n, colour in colours.items()]
        seeds.legend(right, entries, fresh, recorded)
        about = (
            "Gradient norms and train errors at the end of training and elsewhere; rho after "
            "perturbations."
        )
        return finish(figure, about)


def _at_the_end(
    panel: Axes,
    kinds: dict[str, tuple[str, str]],
    fresh: xr.Dataset,
    recorded: xr.Dataset,
    criterion: float,
) -> None:
    """Values of these runs, a kind a place, and the criterion as a line."""
    for place, (name, (colour, _)) in enumerate(kinds.items()):
        page, record = (np.maximum(data[name].values, 1e-32) for data in (fresh, recorded))
        panels.around(panel, place, 0.2, page, record, colour)
    panel.set(yscale="log", xlim=(-0.5, len(kinds) - 0.5))
    panel.set_xticks(range(len(kinds)), [label for _, label in kinds.values()])
    panels.criterion(panel, criterion, 0.02, xycoords=("axes fraction", "data"))


def _after_kicks(
    panel: Axes, colours: dict[int, str], fresh: xr.Dataset, recorded: xr.Dataset
) -> None:
    """rho after each kick, one beside the other for each n."""
    for aside, (n, colour) in zip((-0.15, 0.15), colours.items(), strict=False):
        page, record = (cells_where(data, n=n).kicked_rho.values.T for data in (fresh, recorded))
        for place in range(len(record)):
            panels.around(panel, place + aside, 0.1, page[place], record[place], colour)
    panels.level(panel)
    panel.set(title="ρ after a perturbation", ylim=(-0.05, 1.1))


def fixed_width(
    fresh: xr.Dataset, recorded: xr.Dataset, fresh_best: xr.Dataset, recorded_best: xr.Dataset
) -> Picture:
    """rho against n from the small start, of the best large start, and of the best polished fit.

    Where the width grows with n the explicit fit takes the place of the last two. The first two
    datasets carry the variables `rho_small`, `rho_large`, `rho_explicit`, the others
    `rho_polished`.
    """
    both, best = (fresh, recorded), (fresh_best, recorded_best)
    widths = np.unique(cells_where(recorded, growing=0).width.values).tolist()
    with axes(len(widths) + 1, sharey=True, height=3.5, width=8.4) as (figure, drawn):
        for panel, width in zip(drawn, widths, strict=False):
            _at_width(panel, both, best, width)
        _fits(drawn[-1], both, ("rho_small", "rho_explicit"), growing=1)
        _frame(drawn[-1], "m = n", cells_where(recorded, growing=1).n)
        drawn[0].set_ylabel(panels.RHO)
        without = (data.drop_vars("width") for data in both)
        seeds.legend(drawn[0], list(_FITS.values()), *without)
        about = (
            "rho of the small start and of the best fit found against n, at fixed widths and with "
            "m = n."
        )
        return finish(figure, about)


def _at_width(panel: Axes, both: Both, best: Both, width: int) -> None:
    _fits(panel, both, ("rho_small", "rho_large"), growing=0, width=width)
    _fits(panel, best, ("rho_polished",), width=width)
    _frame(panel, f"m = {width}", cells_where(both[1], growing=0, width=width).n)


def _fits(panel: Axes, both: Both, names: Iterable[str], **fields: Any) -> None:
    for name in names:
        panels.against(panel, both, "n", name, _FITS[name][0], **fields)


def _frame(panel: Axes, title: str, ns: xr.DataArray) -> None:
    panels.level(panel)
    panel.set(title=title, ylim=(-0.05, 1.6))
    panels.log_samples(panel, ns)


# Where curves coincide, a wide one lies below a thin one.
STYLES = ((GREEN, 3.2), (BLUE, 2.4), (ORANGE, 1.3), (RED, 0.7))


def step_sizes(recorded: xr.Dataset) -> Picture:
    """Train error over time from the small start and from an interpolator.

    A line a seed, a colour a step size, which is the same in both panels.
    """
    with axes(2, height=3.5) as (figure, (left, right)):
        _by_step_size(left, recorded, "small")
        _by_step_size(right, recorded, "interpolator")
        left.legend(loc="lower left")
        right.legend(loc="best")
        left.set(title="from the small start, n = 480", ylabel="train error", ylim=(0, None))
        right.set(title="from an interpolator, n = 480", yscale="log", ylim=(1e-20, 1e3))
        about = (
            "Train error over time from a small start and from an interpolator at several step "
            "sizes."
        )
        return finish(figure, about)


def _by_step_size(panel: Axes, recorded: xr.Dataset, start: str) -> None:
    for step_size, (colour, thick) in zip(np.unique(recorded.step_size), STYLES, strict=False):
        chosen = cells_where(recorded, start=start, step_size=step_size)
        _over_time(panel, chosen, color=colour, lw=thick)
        if chosen.sizes["cell"]:
            panel.plot([], [], color=colour, label=f"step {step_size:g}")
    panel.set(xscale="log", xlabel="time = steps × step size")


def _over_time(panel: Axes, cells: xr.Dataset, **look: Any) -> None:
    """The train error of each cell, without its start: a log axis has no place for 0."""
    for time, curve in zip(cells.time_of_probe.values, cells.train_curve.values, strict=True):
        later = time > 0
        panel.plot(time[later], np.maximum(curve[later], 1e-20), alpha=0.5, **look)


def _shares(
    panel: Axes, cells: xr.Dataset, colour: str, recorded: bool, shift: float = 1.0
) -> None:
    """The share of seeds at each n with its 95 % interval, at n times `shift`."""
    ns = np.unique(cells.n.values)
    found = [share(at_limit(cells_where(cells, n=n))) for n in ns]
    panels.estimates(panel, ns * shift, found, colour, recorded)


def _legend(figure: Any, entries: list[tuple[str, str]]) -> None:
    columns = (len(entries) + 3) // 2
    legends.below(figure, entries, page="", recorded=", 95 % interval", columns=columns)


def _colour(places: Array, place: Any) -> str:
    return panels.COLOURS[int(np.searchsorted(places, place)) % len(panels.COLOURS)]


def _on_scale(places: Array, place: Any) -> str:
    """From blue to light green with the place's rank.

    The ends of the scale would fade on a dark or a light page.
    """
    rank = np.searchsorted(places, place) / max(1, len(places) - 1)
    return to_hex(matplotlib.colormaps["viridis"](0.3 + 0.5 * rank))
