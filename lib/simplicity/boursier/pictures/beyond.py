"""Pictures and tables beyond the theorem.

Variants of training, smooth activations, a ReLU teacher, orthogonal inputs.

Every seed is a mark or a thin line, because outcomes are bimodal near the threshold.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from simplicity.boursier.assumptions import Finding
from simplicity.boursier.pictures import panels
from simplicity.evidence.claims import cells_where
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

_SHOWN = 500  # a curve is drawn from the end over this on; before that nothing has happened
_SEED = {"lw": 0.7, "alpha": 0.4}  # a seed's line


def variants(recorded: xr.Dataset, ns: Sequence[int], crossed: float) -> Picture:
    """rho of every variant of training, a row each and a panel for each n."""
    names = list(dict.fromkeys(recorded.variant.values.tolist()))
    with axes(len(ns), sharey=True, height=4.6) as (figure, drawn):
        for panel, n in zip(drawn, ns, strict=True):
            for row, name in enumerate(names):
                rho = cells_where(recorded, variant=name, n=n).rho.values
                middle, aside = np.median(rho), row + seeds.spread(len(rho), 0.18)
                colour = GREEN if middle >= crossed else RED
                panel.plot(rho, aside, "o", color=colour, markersize=3.5, alpha=0.75)
                panel.plot([middle] * 2, [row - 0.32, row + 0.32], color=colour)
            panel.axvline(1, color=INK, alpha=FAINT, lw=0.8)
            panel.set(title=f"n = {n}", xlabel="ρ at the end", xlim=(-0.05, 1.25))
            panel.set_ylim(len(names) - 0.5, -0.5)
        drawn[0].set_yticks(range(len(names)), names)
        about = "rho at the end of training for each variant, each seed a mark, the median a line."
        return finish(figure, about)


def curves(
    shown: dict[str, tuple[xr.Dataset, dict[str, dict[str, Any]]]], along: str, label: str
) -> Picture:
    """rho on the way: title -> (runs, entry of the legend -> cell fields of one colour).

    Seeds are thin lines, their median a thick one.
    """
    with axes(len(shown), sharey=True, height=3.5) as (figure, drawn):
        for panel, (title, (dataset, entries)) in zip(drawn, shown.items(), strict=True):
            later = dataset[along].values > 0  # a log axis has no place for 0
            place, end = dataset[along].values[later], float(dataset[along].max())
            for colour, (name, fields) in zip(panels.COLOURS, entries.items(), strict=False):
                rho = cells_where(dataset, **fields).rho_curve.values[:, later]
                panel.plot(place, rho.T, color=colour, **_SEED)
                panel.plot(place, np.median(rho, axis=0), color=colour, label=name)
            panels.level(panel)
            panel.set(title=title, xlabel=label, xscale="log", xlim=(end / _SHOWN, 1.1 * end))
            panel.set_ylim(-0.05, 1.6)
            panel.legend(loc="lower left")
        drawn[0].set_ylabel(panels.RHO)
        about = "rho along training, a thin line for each seed and a thick one for the median."
        return finish(figure, about)


def smooth(fresh: Runs, recorded: Runs) -> Picture:
    """rho and excess risk against n, d = 5: GeLU from both scales, ReLU from the large one."""
    settings = recorded.settings
    large = f"from scale {settings.unaligned_scale:g}"
    entries: dict[str, tuple[str, dict[str, Any], str]] = {
        "GeLU": ("descent", {}, GREEN),
        f"GeLU {large}": ("unaligned", {"activation": "gelu"}, RED),
        f"ReLU {large}": ("unaligned", {"activation": "relu"}, BLUE),
    }
    with axes(2, height=3.5) as (figure, (left, right)):
        for group, fields, colour in entries.values():
            page, record = (runs(group, **fields) for runs in (fresh, recorded))
            panels.against(right, (page, record), "n", "excess_risk", colour)
            panels.against(left, map(_above_2d, (page, record)), "n", "rho", colour)
        for panel, height in ((left, 1), (right, 0.15 * settings.noise_variance)):
            panels.log_samples(panel, recorded["descent"].n)
            panels.level(panel, height)
        left.set(ylabel="ρ", ylim=(-0.05, 1.25))
        right.set(ylabel="excess risk", yscale="log")
        colours = [(colour, name) for name, (_, _, colour) in entries.items()]
        seeds.legend(left, colours, fresh.dataset, recorded.dataset)
        about = "rho and excess risk against n for networks with GeLU, each seed a mark."
        return finish(figure, about)


def _above_2d(cells: xr.Dataset) -> xr.Dataset:
    """The cells with n > 2d: at n = 2d the two fits nearly interpolate themselves."""
    return cells.isel(cell=(cells.n > 2 * cells.dim).values)


def budgets(recorded: Runs, probes: Sequence[int]) -> Picture:
    """rho against n in dimension 2 at several numbers of steps: ReLU, GeLU, GeLU with Adam."""
    titles = {"relu": "ReLU", "longer": "GeLU", "adam": "GeLU and Adam"}
    with axes(len(titles), sharey=True, height=3.3) as (figure, drawn):
        for panel, (group, title) in zip(drawn, titles.items(), strict=True):
            cells = _above_2d(recorded[group])
            steps = cells.steps.values.max(initial=0) * cells.part.values
            for probe, colour in zip(probes, panels.COLOURS, strict=False):
                rho = panels.by_seed(cells.rho_curve.isel(probe=probe))
                panel.plot(rho.columns, rho.T, color=colour, **_SEED)
                panel.plot(rho.median(), color=colour, label=f"{steps[probe]:,.0f} steps")
            panels.level(panel)
            panels.log_samples(panel, cells.n)
            panel.set(title=title, ylim=(-0.05, 1.25))
        drawn[0].set_ylabel(panels.RHO)
        drawn[0].legend(loc="lower right")
        about = "rho against n at several numbers of steps, for ReLU, GeLU, and GeLU with Adam."
        return finish(figure, about)


def teacher(fresh: Runs, recorded: Runs) -> Picture:
    """A ReLU teacher: train and test error against n, and the risk beside that of a linear fit."""
    variance = float(recorded.settings.noise_variance)
    large = f"train, from scale {recorded.settings.unaligned_scale:g}"
    with axes(2, height=3.5) as (figure, (left, right)):
        shown = (
            (left, "small", "train_mse", BLUE, "train"),
            (left, "small", "test_mse", ORANGE, "test"),
            (left, "unaligned", "train_mse", RED, large),
            (right, "small", "excess_risk", GREEN, "network"),
            (right, "small", "linear_excess_risk", PURPLE, "one linear fit"),
        )
        for panel, group, name, colour, _ in shown:
            panels.against(panel, (fresh[group], recorded[group]), "n", name, colour)
        small = recorded["small"].n.values
        left.axhline(variance, color=INK, alpha=0.55, lw=1, ls="--")
        left.annotate(f"σ² = {variance:g}", (small.min(), variance), va="bottom", fontsize=9)
        left.set(ylabel="mean square error", ylim=(-0.04, 1.3))
        right.set(yscale="log", ylabel="excess risk")
        for panel in (left, right):
            panels.log_samples(panel, np.unique(small)[::2])
        entries = [(colour, label) for _, _, _, colour, label in shown]
        seeds.legend(left, entries, fresh["small"], recorded["small"])
        about = "Errors and excess risk against n with a teacher of five ReLU neurons."
        return finish(figure, about)


def effective_widths(fresh: Runs, recorded: Runs) -> Picture:
    """Number of direction groups against n, at the mild width and at the control's."""
    shown = (
        ("narrow", "effective_width", BLUE, f"m = {recorded.settings.width}"),
        ("wide", "effective_width", RED, "m = 8 · 2ⁿ"),
        ("limit", "limit_width", GREEN, "m = n², limit"),
    )
    with axes(1, height=3.3) as (figure, (panel,)):
        for group, name, colour, _ in shown:
            page, record = fresh[group], recorded[group]
            count = record.sizes["cell"]
            seeds.medians(panel, record, "n", name, colour)
            places = record.n.values * np.exp(seeds.spread(count, 0.04))
            aside = record[name].values + seeds.spread(count, 0.12)
            seeds.marks(panel, places, aside, colour, True)
            seeds.marks(panel, page.n.values, page[name].values, colour, False)
        panels.level(panel, 2)
        ns = np.unique([*recorded["narrow"].n.values, *recorded["limit"].n.values])
        panels.log_samples(panel, ns[::2])
        panel.set(xlabel="samples and dimensions n", ylabel="groups of neurons", ylim=(0, None))
        entries = [(colour, label) for _, _, colour, label in shown]
        without = (runs.dataset.drop_vars("width") for runs in (fresh, recorded))
        seeds.legend(panel, entries, *without)
        about = "Groups of neurons against n for orthogonal inputs, at a mild and a large width."
        return finish(figure, about)


def assumption_table(
    columns: Sequence[str], rows: Sequence[tuple[str, str, tuple[Finding, ...]]]
) -> str:
    """Markdown: a row an assumption, a column a sample; each value, and whether it holds."""
    body = [
        [what, bound, *(f"{one.value:.3g} {'✓' if one.holds else '✗'}" for one in found)]
        for what, bound, found in rows
    ]
    return _markdown(["assumption", "bound", *columns], body)


def variant_table(rows: Sequence[tuple[str, float, float, float, str, int]], n: int) -> str:
    """Markdown: a row a variant, with rho at `n`, where it crosses, and how many seeds."""
    body = [
        [name, f"{mid:.3f}", f"{low:.3f} to {high:.3f}", where, f"{count}"]
        for name, mid, low, high, where, count in rows
    ]
    return _markdown(["training", f"median ρ, n = {n}", "range", "crosses at n =", "seeds"], body)


def _markdown(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *body])
