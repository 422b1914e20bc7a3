"""Pictures and tables beyond the theorem: variants of training, smooth activations, a ReLU teacher, orthogonal inputs.

Every seed is a mark or a thin line, because outcomes are bimodal near the threshold.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from simplicity.boursier.assumptions import Finding
from simplicity.evidence.claims import cells_where
from simplicity.pictures import seeds
from simplicity.pictures.style import BLUE, FAINT, GREEN, INK, ORANGE, PURPLE, RED, Picture, axes, finish

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
                panel.plot(rho, row + seeds.spread(len(rho), 0.18), "o", color=colour, markersize=3.5, alpha=0.75)
                panel.plot([np.median(rho)] * 2, [row - 0.32, row + 0.32], color=colour)
            panel.axvline(1, color=INK, alpha=FAINT, lw=0.8)
            panel.set(title=f"n = {n}", xlabel="ρ at the end", xlim=(-0.05, 1.25), ylim=(len(names) - 0.5, -0.5))
        panels[0].set_yticks(range(len(names)), names)
        return finish(figure, "rho at the end of training for each variant, each seed a mark, the median a line.")


def curves(panels: dict[str, tuple[xr.Dataset, dict[str, dict[str, Any]]]], along: str, label: str) -> Picture:
    """rho on the way: title -> (runs, entry of the legend -> cell fields of one colour); seeds thin, their median thick."""
    with axes(len(panels), sharey=True, height=3.5) as (figure, drawn):
        for panel, (title, (dataset, entries)) in zip(drawn, panels.items(), strict=True):
            for colour, (name, fields) in zip(_COLOURS, entries.items(), strict=False):
                _lines(panel, cells_where(dataset, **fields), along, colour, name)
            panel.axhline(1, color=INK, alpha=FAINT, lw=0.8)
            end = float(dataset[along].max())
            panel.set(title=title, xlabel=label, xscale="log", xlim=(end / _SHOWN, 1.1 * end), ylim=(-0.05, 1.6))
            panel.legend(loc="lower left")
        drawn[0].set_ylabel("train error / two-fit error  (ρ)")
        return finish(figure, "rho along training, a thin line for each seed and a thick one for the median.")


def smooth(fresh: xr.Dataset, recorded: xr.Dataset, scales: tuple[float, float]) -> Picture:
    """rho and excess risk against n for GeLU: gradient descent from both scales, and Adam."""
    small, large = scales
    entries: dict[str, tuple[dict[str, Any], str]] = {
        "gradient descent": ({"rule": "gd", "scale": small}, GREEN),
        f"from scale {large:g}": ({"rule": "gd", "scale": large}, RED),
        "Adam": ({"rule": "adam"}, PURPLE),
    }
    with axes(2, height=3.5) as (figure, (left, right)):
        for fields, colour in entries.values():
            for panel, name in ((left, "rho"), (right, "excess_risk")):
                page, record = (cells_where(data, **fields) for data in (fresh, recorded))
                if name == "rho":  # at n = 2d the two fits nearly interpolate themselves
                    page, record = (data.isel(cell=(data.n > 2 * data.dim).values) for data in (page, record))
                seeds.against(panel, page, record, "n", name, colour)
        for panel in (left, right):
            panel.set(xscale="log", xlabel="samples n")
            _ticks(panel, np.unique(recorded.n.values)[::2])
        left.axhline(1, color=INK, alpha=FAINT, lw=0.8)
        left.set(ylabel="ρ", ylim=(-0.05, 1.25))
        right.axhline(0.15 * float(recorded.noise_variance[0]), color=INK, alpha=FAINT, lw=0.8)
        right.set(ylabel="excess risk", yscale="log")
        seeds.legend(left, [(colour, name) for name, (_, colour) in entries.items()], fresh, recorded)
        return finish(figure, "rho and excess risk against the number of samples for networks with GeLU, each seed a mark.")


def teacher(fresh: xr.Dataset, recorded: xr.Dataset, scales: tuple[float, float]) -> Picture:
    """A ReLU teacher: train and test error against n, and the excess risk beside that of a linear fit."""
    page, record = (cells_where(data, scale=scales[0]) for data in (fresh, recorded))
    unaligned, unaligned_record = (cells_where(data, scale=scales[1]) for data in (fresh, recorded))
    variance = float(recorded.noise_variance[0])
    with axes(2, height=3.5) as (figure, (left, right)):
        for name, colour in (("train_mse", BLUE), ("test_mse", ORANGE)):
            seeds.against(left, page, record, "n", name, colour)
        seeds.against(left, unaligned, unaligned_record, "n", "train_mse", RED)
        left.axhline(variance, color=INK, alpha=0.55, lw=1, ls="--")
        left.annotate(f"σ² = {variance:g}", (float(recorded.n.min()), variance), va="bottom", fontsize=9)
        left.set(ylabel="mean square error", ylim=(-0.04, 1.3))
        seeds.against(right, page, record, "n", "excess_risk", GREEN)
        seeds.against(right, page, record, "n", "linear_excess_risk", PURPLE)
        right.set(yscale="log", ylabel="excess risk")
        for panel in (left, right):
            panel.set(xscale="log", xlabel="samples n")
            _ticks(panel, np.unique(recorded.n.values)[::2])
        entries = [(BLUE, "train"), (ORANGE, "test"), (RED, f"train, from scale {scales[1]:g}")]
        entries += [(GREEN, "network"), (PURPLE, "one linear fit")]
        seeds.legend(left, entries, fresh, recorded)
        return finish(figure, "Errors and excess risk against the number of samples with a teacher of five ReLU neurons.")


def effective_widths(fresh: xr.Dataset, recorded: xr.Dataset, wide: tuple[np.ndarray, np.ndarray]) -> Picture:
    """Number of direction groups against n, at the mild width and at the control's; `wide` masks the cells of each run."""
    with axes(1, height=3.3) as (figure, (panel,)):
        for narrow, colour in ((True, BLUE), (False, RED)):
            page, record = (
                data.isel(cell=~mask if narrow else mask) for data, mask in zip((fresh, recorded), wide, strict=True)
            )
            shown = record.assign(effective_width=record.effective_width + seeds.spread(record.sizes["cell"], 0.12))
            seeds.medians(panel, record, "n", "effective_width", colour)
            places = record.n.values * np.exp(seeds.spread(record.sizes["cell"], 0.04))
            seeds.marks(panel, places, shown.effective_width.values, colour, True)
            seeds.marks(panel, page.n.values, page.effective_width.values, colour, False)
        panel.axhline(2, color=INK, alpha=FAINT, lw=0.8)
        panel.set(xscale="log", xlabel="samples and dimensions n", ylabel="groups of neurons", ylim=(0, None))
        _ticks(panel, np.unique(recorded.n.values))
        narrow_width = int(recorded.width.min())
        entries = [(BLUE, f"m = {narrow_width}"), (RED, "m = 8 · 2ⁿ")]
        seeds.legend(panel, entries, fresh.drop_vars("width"), recorded.drop_vars("width"))
        return finish(figure, "Groups of neurons against n for orthogonal inputs, at a mild width and at a very large one.")


def assumption_table(columns: Sequence[str], rows: Sequence[tuple[str, str, tuple[Finding, ...]]]) -> str:
    """Markdown: a row an assumption, a column a sample, each with its value and whether it holds."""
    body = [[what, bound, *(f"{one.value:.3g} {'✓' if one.holds else '✗'}" for one in found)] for what, bound, found in rows]
    return _markdown(["assumption", "bound", *columns], body)


def variant_table(rows: Sequence[tuple[str, float, float, float, str, int]], n: int) -> str:
    """Markdown: a row a variant, with rho at `n`, where it crosses, and how many seeds."""
    body = [[name, f"{mid:.3f}", f"{low:.3f} to {high:.3f}", where, f"{count}"] for name, mid, low, high, where, count in rows]
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
