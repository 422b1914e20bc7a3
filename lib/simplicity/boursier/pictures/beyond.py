"""Pictures and tables beyond the theorem.

Variants of training, smooth activations, a ReLU teacher, orthogonal inputs.

Every seed is a mark or a thin line, because outcomes are bimodal near the threshold.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from simplicity.boursier.assumptions import Finding
from simplicity.boursier.pictures import panels
from simplicity.grid.groups import Runs, cells_where
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

Array = np.ndarray
_SHOWN = 500  # a curve is drawn from the end over this on; before that nothing has happened
_SEED: dict[str, Any] = {"lw": 0.7, "alpha": 0.4}  # a seed's line
Entries = Mapping[str, Mapping[str, Any]]  # entry of a legend -> cell fields
Shown = tuple[str, Any, str, str]
# Group, further fields, colour, in words.
_SMOOTH: tuple[Shown, ...] = (
    ("descent", {}, GREEN, "GeLU"),
    ("unaligned", {"activation": "gelu"}, RED, "GeLU from scale {:g}"),
    ("unaligned", {"activation": "relu"}, BLUE, "ReLU from scale {:g}"),
)
# Group, variable, colour, in words.
_TEACHER_ERRORS = (
    ("small", "train_mse", BLUE, "train"),
    ("small", "test_mse", ORANGE, "test"),
    ("unaligned", "train_mse", RED, "train, from scale {:g}"),
)
_TEACHER_RISKS = (
    ("small", "excess_risk", GREEN, "network"),
    ("small", "linear_excess_risk", PURPLE, "one linear fit"),
)
_WIDTHS = (
    ("narrow", "effective_width", BLUE, "m = {}"),
    ("wide", "effective_width", RED, "m = 8 · 2ⁿ"),
    ("limit", "limit_width", GREEN, "m = n², limit"),
)


def variants(recorded: xr.Dataset, ns: Sequence[int], crossed: float) -> Picture:
    """rho of every variant of training, a row each and a panel for each n."""
    names = list(dict.fromkeys(recorded.variant.values.tolist()))
    with axes(len(ns), sharey=True, height=4.6) as (figure, drawn):
        for panel, n in zip(drawn, ns, strict=True):
            for row, name in enumerate(names):
                _row(panel, row, cells_where(recorded, variant=name, n=n).rho.values, crossed)
            _of_rows(panel, len(names), n)
        drawn[0].set_yticks(range(len(names)), names)
        about = "rho at the end of training for each variant, each seed a mark, the median a line."
        return finish(figure, about)


def _row(panel: Axes, row: int, rho: Array, crossed: float) -> None:
    """Seeds and their median, green from `crossed` on."""
    middle, aside = np.median(rho), row + seeds.spread(len(rho), 0.18)
    colour = GREEN if middle >= crossed else RED
    panel.plot(rho, aside, "o", color=colour, markersize=3.5, alpha=0.75)
    panel.plot([middle] * 2, [row - 0.32, row + 0.32], color=colour)


def _of_rows(panel: Axes, count: int, n: int) -> None:
    """The first row above, and a line at rho = 1."""
    panel.axvline(1, color=INK, alpha=FAINT, lw=0.8)
    panel.set(title=f"n = {n}", xlabel="ρ at the end", xlim=(-0.05, 1.25))
    panel.set_ylim(count - 0.5, -0.5)


def curves(shown: Mapping[str, tuple[xr.Dataset, Entries]], along: str, label: str) -> Picture:
    """rho on the way: title -> (runs, entry of the legend -> cell fields of one colour).

    Seeds are thin lines, their median a thick one.
    """
    with axes(len(shown), sharey=True, height=3.5) as (figure, drawn):
        for panel, (title, (dataset, entries)) in zip(drawn, shown.items(), strict=True):
            _along(panel, dataset, entries, along)
            panel.set(title=title, xlabel=label)
        drawn[0].set_ylabel(panels.RHO)
        about = "rho along training, a thin line for each seed and a thick one for the median."
        return finish(figure, about)


def _along(panel: Axes, dataset: xr.Dataset, entries: Entries, along: str) -> None:
    """A colour for each entry, over the end of the way."""
    later = dataset.isel(probe=dataset[along].values > 0)  # a log axis has no place for 0
    for colour, (name, fields) in zip(panels.COLOURS, entries.items(), strict=False):
        rho = cells_where(later, **fields).rho_curve.values
        _courses(panel, later[along].values, rho, colour, name)
    _over_the_end(panel, float(later[along].max()))
    panel.legend(loc="lower left")


def _over_the_end(panel: Axes, end: float) -> None:
    panels.level(panel)
    panel.set(xscale="log", xlim=(end / _SHOWN, 1.1 * end), ylim=(-0.05, 1.6))


def _courses(panel: Axes, places: Array, rho: Array, colour: str, label: str) -> None:
    """Seeds and their median."""
    panel.plot(places, rho.T, color=colour, **_SEED)
    panel.plot(places, np.median(rho, axis=0), color=colour, label=label)


def smooth(fresh: Runs, recorded: Runs) -> Picture:
    """rho and excess risk against n, d = 5: GeLU from both scales, ReLU from the large one."""
    settings = recorded.settings
    with axes(2, height=3.5) as (figure, (left, right)):
        for group, fields, colour, _ in _SMOOTH:
            both = [runs(group, **fields) for runs in (fresh, recorded)]
            panels.against(right, both, "n", "excess_risk", colour)
            panels.against(left, map(_above_2d, both), "n", "rho", colour)
        for panel, height in ((left, 1), (right, 0.15 * settings.noise_variance)):
            panels.log_samples(panel, recorded["descent"].n)
            panels.level(panel, height)
        left.set(ylabel="ρ", ylim=(-0.05, 1.25))
        right.set(ylabel="excess risk", yscale="log")
        entries = _entries(_SMOOTH, settings.unaligned_scale)
        seeds.legend(left, entries, fresh.dataset, recorded.dataset)
        about = "rho and excess risk against n for networks with GeLU, each seed a mark."
        return finish(figure, about)


def _entries(shown: Iterable[Shown], told: float) -> list[tuple[str, str]]:
    """Of a legend: colours with their meaning, in which {} stands for what is `told`."""
    return [(colour, meaning.format(told)) for *_, colour, meaning in shown]


def _above_2d(cells: xr.Dataset) -> xr.Dataset:
    """The cells with n > 2d: at n = 2d the two fits nearly interpolate themselves."""
    return cells.isel(cell=(cells.n > 2 * cells.dim).values)


def budgets(recorded: Runs, probes: Sequence[int]) -> Picture:
    """rho against n in dimension 2 at several numbers of steps: ReLU, GeLU, GeLU with Adam."""
    titles = {"relu": "ReLU", "longer": "GeLU", "adam": "GeLU and Adam"}
    with axes(len(titles), sharey=True, height=3.3) as (figure, drawn):
        for panel, (group, title) in zip(drawn, titles.items(), strict=True):
            _at_probes(panel, _above_2d(recorded[group]), probes)
            panel.set(title=title, ylim=(-0.05, 1.25))
        drawn[0].set_ylabel(panels.RHO)
        drawn[0].legend(loc="lower right")
        about = "rho against n at several numbers of steps, for ReLU, GeLU, and GeLU with Adam."
        return finish(figure, about)


def _at_probes(panel: Axes, cells: xr.Dataset, probes: Sequence[int]) -> None:
    """A colour for each probe."""
    steps = cells.steps.values.max(initial=0) * cells.part.values
    for probe, colour in zip(probes, panels.COLOURS, strict=False):
        label = f"{steps[probe]:,.0f} steps"
        _against_samples(panel, cells.rho_curve.isel(probe=probe), colour, label)
    panels.level(panel)
    panels.log_samples(panel, cells.n)


def _against_samples(panel: Axes, values: xr.DataArray, colour: str, label: str) -> None:
    """Seeds and their median."""
    table = panels.by_seed(values)
    panel.plot(table.columns, table.T, color=colour, **_SEED)
    panel.plot(table.median(), color=colour, label=label)


def teacher(fresh: Runs, recorded: Runs) -> Picture:
    """A ReLU teacher: train and test error against n, and the risk beside that of a linear fit."""
    settings, small = recorded.settings, recorded["small"].n.values
    with axes(2, height=3.5) as (figure, (left, right)):
        _of_teacher(left, fresh, recorded, _TEACHER_ERRORS)
        _of_teacher(right, fresh, recorded, _TEACHER_RISKS)
        _noise_line(left, settings.noise_variance, small.min())
        left.set(ylabel="mean square error", ylim=(-0.04, 1.3))
        right.set(yscale="log", ylabel="excess risk")
        for panel in (left, right):
            panels.log_samples(panel, np.unique(small)[::2])
        entries = _entries(_TEACHER_ERRORS + _TEACHER_RISKS, settings.unaligned_scale)
        seeds.legend(left, entries, fresh.dataset, recorded.dataset)
        about = "Errors and excess risk against n with a teacher of five ReLU neurons."
        return finish(figure, about)


def _of_teacher(panel: Axes, fresh: Runs, recorded: Runs, shown: Iterable[Shown]) -> None:
    for group, name, colour, _ in shown:
        panels.against(panel, (fresh[group], recorded[group]), "n", name, colour)


def _noise_line(panel: Axes, variance: float, first: int) -> None:
    panels.noise_level(panel, variance)
    panel.annotate(f"σ² = {variance:g}", (first, variance), va="bottom", fontsize=9)


def effective_widths(fresh: Runs, recorded: Runs) -> Picture:
    """Number of direction groups against n, at the mild width and at the control's."""
    with axes(1, height=3.3) as (figure, (panel,)):
        for group, name, colour, _ in _WIDTHS:
            _groups_of_neurons(panel, fresh[group], recorded[group], name, colour)
        panels.level(panel, 2)
        ns = np.unique([*recorded["narrow"].n.values, *recorded["limit"].n.values])
        panels.log_samples(panel, ns[::2])
        panel.set(xlabel="samples and dimensions n", ylabel="groups of neurons", ylim=(0, None))
        without = (runs.dataset.drop_vars("width") for runs in (fresh, recorded))
        seeds.legend(panel, _entries(_WIDTHS, recorded.settings.width), *without)
        about = "Groups of neurons against n for orthogonal inputs, at a mild and a large width."
        return finish(figure, about)


def _groups_of_neurons(
    panel: Axes, fresh: xr.Dataset, recorded: xr.Dataset, name: str, colour: str
) -> None:
    """As `seeds.against`, with marks moved in both directions: many agree in both numbers."""
    count = recorded.sizes["cell"]
    seeds.medians(panel, recorded, "n", name, colour)
    places = recorded.n.values * np.exp(seeds.spread(count, 0.04))
    aside = recorded[name].values + seeds.spread(count, 0.12)
    seeds.marks(panel, places, aside, colour, True)
    seeds.marks(panel, fresh.n.values, fresh[name].values, colour, False)


def assumption_table(
    columns: Sequence[str], rows: Sequence[tuple[str, str, tuple[Finding, ...]]]
) -> str:
    """Markdown: a row an assumption, a column a sample; each value, and whether it holds."""
    body = [[what, bound, *map(_told, found)] for what, bound, found in rows]
    return _markdown(["assumption", "bound", *columns], body)


def _told(one: Finding) -> str:
    return f"{one.value:.3g} {'✓' if one.holds else '✗'}"


def variant_table(rows: Sequence[tuple[str, float, float, float, str, int]], n: int) -> str:
    """Markdown: a row a variant, with rho at `n`, where it crosses, and how many seeds."""
    body = [
        [name, f"{mid:.3f}", f"{low:.3f} to {high:.3f}", where, f"{count}"]
        for name, mid, low, high, where, count in rows
    ]
    return _markdown(["training", f"median ρ, n = {n}", "range", "crosses at n =", "seeds"], body)


def _markdown(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *body])
