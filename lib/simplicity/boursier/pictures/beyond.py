"""Pictures and tables beyond the theorem.

Variants of training, smooth activations, a ReLU teacher, orthogonal inputs.

Every seed is a mark or a thin line, because outcomes are bimodal near the threshold.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from simplicity.boursier.assumptions import Finding
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

_SHOWN = 500  # a curve is drawn from this part of the steps on; before that nothing has happened
_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, RED)


def variants(recorded: xr.Dataset, ns: Sequence[int], crossed: float) -> Picture:
    """rho of every variant of training, a row each and a panel for each n."""
    names = list(dict.fromkeys(recorded.variant.values.tolist()))
    with axes(len(ns), sharey=True, height=4.6) as (figure, panels):
        for panel, n in zip(panels, ns, strict=True):
            for row, name in enumerate(names):
                rho = cells_where(recorded, variant=name, n=n).rho.values
                colour = GREEN if np.median(rho) >= crossed else RED
                panel.plot(
                    rho,
                    row + seeds.spread(len(rho), 0.18),
                    "o",
                    color=colour,
                    markersize=3.5,
                    alpha=0.75,
                )
                panel.plot([np.median(rho)] * 2, [row - 0.32, row + 0.32], color=colour)
            panel.axvline(1, color=INK, alpha=FAINT, lw=0.8)
            panel.set(
                title=f"n = {n}",
                xlabel="ρ at the end",
                xlim=(-0.05, 1.25),
                ylim=(len(names) - 0.5, -0.5),
            )
        panels[0].set_yticks(range(len(names)), names)
        return finish(
            figure,
            "rho at the end of training for each variant, each seed a mark, the median a line.",
        )


def curves(
    panels: dict[str, tuple[xr.Dataset, dict[str, dict[str, Any]]]], along: str, label: str
) -> Picture:
    """rho on the way: title -> (runs, entry of the legend -> cell fields of one colour).

    Seeds are thin lines, their median a thick one.
    """
    with axes(len(panels), sharey=True, height=3.5) as (figure, drawn):
        for panel, (title, (dataset, entries)) in zip(drawn, panels.items(), strict=True):
            for colour, (name, fields) in zip(_COLOURS, entries.items(), strict=False):
                _lines(panel, cells_where(dataset, **fields), along, colour, name)
            panel.axhline(1, color=INK, alpha=FAINT, lw=0.8)
            end = float(dataset[along].max())
            panel.set(
                title=title,
                xlabel=label,
                xscale="log",
                xlim=(end / _SHOWN, 1.1 * end),
                ylim=(-0.05, 1.6),
            )
            panel.legend(loc="lower left")
        drawn[0].set_ylabel("train error / two-fit error  (ρ)")
        return finish(
            figure, "rho along training, a thin line for each seed and a thick one for the median."
        )


def smooth(fresh: Runs, recorded: Runs) -> Picture:
    """rho and excess risk against n, d = 5: GeLU from both scales, ReLU from the large one."""
    large = f"from scale {recorded.settings.unaligned_scale:g}"
    entries: dict[str, tuple[str, dict[str, Any], str]] = {
        "GeLU": ("descent", {}, GREEN),
        f"GeLU {large}": ("unaligned", {"activation": "gelu"}, RED),
        f"ReLU {large}": ("unaligned", {"activation": "relu"}, BLUE),
    }
    with axes(2, height=3.5) as (figure, (left, right)):
        for group, fields, colour in entries.values():
            page, record = (runs(group, **fields) for runs in (fresh, recorded))
            seeds.against(right, page, record, "n", "excess_risk", colour)
            # At n = 2d the two fits nearly interpolate themselves.
            page, record = (
                data.isel(cell=(data.n > 2 * data.dim).values) for data in (page, record)
            )
            seeds.against(left, page, record, "n", "rho", colour)
        for panel in (left, right):
            panel.set(xscale="log", xlabel="samples n")
            _ticks(panel, np.unique(recorded["descent"].n.values))
        left.axhline(1, color=INK, alpha=FAINT, lw=0.8)
        left.set(ylabel="ρ", ylim=(-0.05, 1.25))
        risk = 0.15 * recorded.settings.noise_variance
        right.axhline(risk, color=INK, alpha=FAINT, lw=0.8)
        right.set(ylabel="excess risk", yscale="log")
        colours = [(colour, name) for name, (_, _, colour) in entries.items()]
        seeds.legend(left, colours, fresh.dataset, recorded.dataset)
        return finish(
            figure, "rho and excess risk against n for networks with GeLU, each seed a mark."
        )


def budgets(recorded: Runs, probes: Sequence[int]) -> Picture:
    """rho against n in dimension 2 at several numbers of steps: ReLU, GeLU, GeLU with Adam."""
    titles = {"relu": "ReLU", "longer": "GeLU", "adam": "GeLU and Adam"}
    with axes(len(titles), sharey=True, height=3.3) as (figure, panels):
        for panel, (group, title) in zip(panels, titles.items(), strict=True):
            cells = recorded[group].sortby("n")
            cells = cells.isel(cell=(cells.n > 2 * cells.dim).values)
            steps = int(cells.steps.values.max(initial=0))
            ns = np.unique(cells.n.values)
            for probe, colour in zip(probes, _COLOURS, strict=False):
                rho = cells.rho_curve.values[:, probe]
                for seed in np.unique(cells.seed.values):
                    ours = cells.seed.values == seed
                    panel.plot(cells.n.values[ours], rho[ours], color=colour, lw=0.7, alpha=0.4)
                middle = [np.median(rho[cells.n.values == n]) for n in ns]
                panel.plot(
                    ns, middle, color=colour, label=f"{steps * float(cells.part[probe]):,.0f} steps"
                )
            panel.axhline(1, color=INK, alpha=FAINT, lw=0.8)
            panel.set(title=title, xlabel="samples n", xscale="log", ylim=(-0.05, 1.25))
            _ticks(panel, ns)
        panels[0].set_ylabel("train error / two-fit error  (ρ)")
        panels[0].legend(loc="lower right")
        return finish(
            figure, "rho against n at several numbers of steps, for ReLU, GeLU, and GeLU with Adam."
        )


def teacher(fresh: Runs, recorded: Runs) -> Picture:
    """A ReLU teacher: train and test error against n, and the risk beside that of a linear fit."""
    small = (fresh["small"], recorded["small"])
    unaligned = (fresh["unaligned"], recorded["unaligned"])
    variance = float(recorded.settings.noise_variance)
    with axes(2, height=3.5) as (figure, (left, right)):
        for name, colour in (("train_mse", BLUE), ("test_mse", ORANGE)):
            seeds.against(left, *small, "n", name, colour)
        seeds.against(left, *unaligned, "n", "train_mse", RED)
        left.axhline(variance, color=INK, alpha=0.55, lw=1, ls="--")
        place = (float(small[1].n.min()), variance)
        left.annotate(f"σ² = {variance:g}", place, va="bottom", fontsize=9)
        left.set(ylabel="mean square error", ylim=(-0.04, 1.3))
        for name, colour in (("excess_risk", GREEN), ("linear_excess_risk", PURPLE)):
            seeds.against(right, *small, "n", name, colour)
        right.set(yscale="log", ylabel="excess risk")
        for panel in (left, right):
            panel.set(xscale="log", xlabel="samples n")
            _ticks(panel, np.unique(small[1].n.values)[::2])
        entries = [(BLUE, "train"), (ORANGE, "test")]
        entries.append((RED, f"train, from scale {recorded.settings.unaligned_scale:g}"))
        entries += [(GREEN, "network"), (PURPLE, "one linear fit")]
        seeds.legend(left, entries, *small)
        return finish(
            figure, "Errors and excess risk against n with a teacher of five ReLU neurons."
        )


def effective_widths(fresh: Runs, recorded: Runs) -> Picture:
    """Number of direction groups against n, at the mild width and at the control's."""
    with axes(1, height=3.3) as (figure, (panel,)):
        shown = (
            ("narrow", "effective_width", BLUE),
            ("wide", "effective_width", RED),
            ("limit", "limit_width", GREEN),
        )
        for group, name, colour in shown:
            page, record = fresh[group], recorded[group]
            count = record.sizes["cell"]
            seeds.medians(panel, record, "n", name, colour)
            places = record.n.values * np.exp(seeds.spread(count, 0.04))
            aside = record[name].values + seeds.spread(count, 0.12)
            seeds.marks(panel, places, aside, colour, True)
            seeds.marks(panel, page.n.values, page[name].values, colour, False)
        panel.axhline(2, color=INK, alpha=FAINT, lw=0.8)
        panel.set(
            xscale="log",
            xlabel="samples and dimensions n",
            ylabel="groups of neurons",
            ylim=(0, None),
        )
        _ticks(panel, np.unique([*recorded["narrow"].n.values, *recorded["limit"].n.values])[::2])
        entries = [
            (BLUE, f"m = {recorded.settings.width}"),
            (RED, "m = 8 · 2ⁿ"),
            (GREEN, "m = n², limit"),
        ]
        without = (runs.dataset.drop_vars("width") for runs in (fresh, recorded))
        seeds.legend(panel, entries, *without)
        return finish(
            figure,
            "Groups of neurons against n for orthogonal inputs, at a mild and a large width.",
        )


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


def _lines(panel: Axes, cells: xr.Dataset, along: str, colour: str, name: str) -> None:
    """Seeds thin and their median thick, from the first step on: a log axis has no place for 0."""
    place = cells[along].values
    later = place > 0
    values = cells.rho_curve.values[:, later]
    panel.plot(place[later], values.T, color=colour, lw=0.7, alpha=0.4)
    panel.plot(place[later], np.median(values, axis=0), color=colour, label=name)


def _ticks(panel: Axes, values: np.ndarray) -> None:
    panel.set_xticks(values, [f"{value:g}" for value in values])
    panel.set_xticks([], minor=True)
