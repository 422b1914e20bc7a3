"""Pictures of the optimization threshold: loss against n, rho, limits, cosines, scales, signs and risks.

Fresh runs are drawn as open circles, recorded full runs as small dots with their median; every seed is a mark, because
outcomes are bimodal near the threshold.
"""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from simplicity.claims import cells_where
from simplicity.plot.style import BLUE, FAINT, GREEN, INK, ORANGE, PURPLE, RED, Picture, axes, finish

LAW_TITLES = {"gaussian": "Gaussian inputs (no margin)", "margin": "margin inputs", "bounded margin": "bounded margin inputs"}


def losses(fresh: xr.Dataset, recorded: xr.Dataset | None, scale: float) -> Picture:
    """Train and test MSE against n, one panel for each law, with a labelled line at sigma^2."""
    laws = [str(law) for law in dict.fromkeys(fresh.law.values)]
    with axes(len(laws), sharey=True) as (figure, panels):
        for panel, law in zip(panels, laws, strict=True):
            for name, colour in (("train_mse", BLUE), ("test_mse", ORANGE)):
                _against(panel, fresh, recorded, "n", name, colour, law=law, scale=scale)
            _sigma_line(panel, float(fresh.noise_variance[0]))
            _log_n(panel, fresh, recorded)
            panel.set(title=LAW_TITLES[law], ylim=(-0.04, 1.3))
        panels[0].set_ylabel("mean square error")
        colours = [Line2D([], [], color=BLUE, label="train"), Line2D([], [], color=ORANGE, label="test")]
        panels[-1].legend(handles=colours + _provenance(fresh, recorded), loc="upper right")
        return finish(figure, f"Train and test error against the number of samples at scale {scale:g}, each seed a mark.")


def rho_against_n(fresh: xr.Dataset, recorded: xr.Dataset | None, scales: tuple[float, float]) -> Picture:
    """rho against n from the small start and from the control's large one."""
    laws = [str(law) for law in dict.fromkeys(fresh.law.values)]
    with axes(len(laws), sharey=True) as (figure, panels):
        for panel, law in zip(panels, laws, strict=True):
            for scale, colour in zip(scales, (GREEN, RED), strict=True):
                _against(panel, fresh, recorded, "n", "rho", colour, law=law, scale=scale)
            panel.axhline(1, color=INK, alpha=FAINT, lw=0.8)
            _log_n(panel, fresh, recorded)
            panel.set(title=LAW_TITLES[law], ylim=(-0.05, 1.2))
        panels[0].set_ylabel("rho = train MSE / two-OLS MSE")
        handles = [
            Line2D([], [], color=colour, label=f"scale {scale:g}") for scale, colour in zip(scales, (GREEN, RED), strict=True)
        ]
        panels[0].legend(handles=handles + _provenance(fresh, recorded), loc="upper left", bbox_to_anchor=(0, 0.95))
        return finish(figure, "rho against the number of samples, from a small start and from a large one, each seed a mark.")


def distances(fresh: xr.Dataset, recorded: xr.Dataset | None) -> Picture:
    """Distance of the trained network to the two fits and to a single one, each seed a mark."""
    groups = [("bounded margin", int(n)) for n in np.unique(cells_where(fresh, law="bounded margin").n)]
    groups += [("gaussian", int(n)) for n in np.unique(cells_where(fresh, law="gaussian").n)]
    with axes(1) as (figure, (panel,)):
        for place, (law, n) in enumerate(groups):
            for shift, (name, colour) in zip((-0.18, 0.18), (("rms_two_ols", GREEN), ("rms_one_ols", PURPLE)), strict=True):
                for data, recorded_marks in ((recorded, True), (fresh, False)):
                    if data is not None:
                        values = cells_where(data, law=law, n=n)[name].values
                        _marks(panel, place + shift + _spread(len(values), 0.13), values, colour, recorded_marks)
        panel.axhline(0.01, color=INK, alpha=FAINT, lw=0.8)
        panel.annotate("criterion", (len(groups) - 0.55, 0.01), va="bottom", ha="right", alpha=0.7, fontsize=9)
        panel.set(yscale="log", ylabel="rms over fresh inputs", xticks=range(len(groups)))
        panel.set_xticklabels([f"{LAW_TITLES[law].removesuffix(' (no margin)')}\nn = {n}" for law, n in groups])
        colours = [
            Line2D([], [], color=GREEN, label="to the two fits"),
            Line2D([], [], color=PURPLE, label="to one fit on all samples"),
        ]
        panel.legend(handles=colours + _provenance(fresh, recorded), loc="lower left")
        return finish(figure, "Root mean square distance of the trained network to two least-squares fits and to a single one.")


def cosines(dataset: xr.Dataset, bins: np.ndarray, settings: list[dict[str, Any]], titles: list[str]) -> Picture:
    """Weighted histograms of the signed cosine, mean over seeds, one panel a setting."""
    with axes(len(settings), sharey=True, height=2.6) as (figure, panels):
        for panel, fields, title in zip(panels, settings, titles, strict=True):
            part = cells_where(dataset, **fields)
            panel.stairs(part.histogram.values.mean(axis=0), bins, fill=True, color=GREEN)
            panel.set(title=title, xlabel="signed cosine to the own fit", xlim=(-1.02, 1.02), ylim=(0, 1.02))
        panels[0].set_ylabel("share of the weight |a| |w|")
        return finish(figure, "Histograms over neurons of the signed cosine between input weights and the least-squares fits.")


def scale_sweep(fresh: xr.Dataset, recorded: xr.Dataset | None) -> Picture:
    """rho against the scale of the initialisation, at the first budget and at the longer one."""
    with axes(2, sharey=True) as (figure, panels):
        for index, panel in enumerate(panels):
            for data, recorded_marks in ((recorded, True), (fresh, False)):
                if data is not None:
                    _scale_panel(panel, data.isel(budget=index), recorded_marks)
            panel.axhline(1, color=INK, alpha=FAINT, lw=0.8)
            steps = int(fresh.budget[index])
            panel.set(xscale="log", xlabel="scale of the initialisation", title=f"after {steps:,} steps", ylim=(-0.05, 1.1))
        panels[0].set_ylabel("rho")
        panels[0].legend(loc="lower left")
        return finish(figure, "rho against the scale of the initialisation at two budgets of steps, for each n and width.")


def _scale_panel(panel: Axes, data: xr.Dataset, recorded: bool) -> None:
    pairs = sorted({(int(n), int(m)) for n, m in zip(data.n.values, data.width.values, strict=True)})
    colours = (BLUE, ORANGE, GREEN, PURPLE)
    for (n, width), colour in zip(pairs, colours, strict=False):
        part = cells_where(data, n=n, width=width)
        if recorded:
            scales = np.unique(part.scale.values)
            medians = [float(np.median(cells_where(part, scale=scale).rho)) for scale in scales]
            panel.plot(scales, medians, color=colour, label=f"n = {n}, m = {width}")
        _marks(panel, part.scale.values, part.rho.values, colour, recorded)


def signs(fresh: xr.Dataset, recorded: xr.Dataset | None) -> Picture:
    """Left: how often both signs occur; right: where the trained networks of one to three neurons end."""
    with axes(2) as (figure, (left, right)):
        whole = fresh if recorded is None else recorded
        tossed, trained = cells_where(whole, kind="draws"), cells_where(whole, kind="trained")
        width = np.linspace(1, float(tossed.width.max()), 100)
        left.plot(width, 1 - 2 ** (1 - width), color=INK, alpha=0.6, label="1 - 2^(1-m)")
        left.plot(tossed.width, tossed.mixed / tossed.draws, "o", color=BLUE, label="drawn")
        left.set(xlabel="neurons m", ylabel="share with both signs", ylim=(-0.05, 1.05))
        left.legend(loc="lower right")
        for mixed, colour, label in ((1, GREEN, "both signs"), (0, RED, "one sign")):
            part = cells_where(trained, mixed=mixed)
            right.plot(part.width + _spread(part.sizes["cell"], 0.25), part.rho, ".", color=colour, label=label)
        right.axhline(1, color=INK, alpha=FAINT, lw=0.8)
        right.set(xlabel="neurons m", ylabel="rho after training", xticks=np.unique(trained.width), ylim=(0, None))
        right.legend(loc="center right")
        return finish(figure, "Share of draws with both signs against the width, and rho of the trained small networks.")


def risks(dataset: xr.Dataset, exact: np.ndarray, asymptotic: np.ndarray) -> Picture:
    """Excess risk of two fits and of one against n, with the closed forms."""
    with axes(1, width=5.2) as (figure, (panel,)):
        for name, colour, label in (("two_fits", GREEN, "two fits"), ("one_fit", PURPLE, "one fit")):
            error = 3 * dataset[f"{name}_error"]
            panel.errorbar(dataset.n, dataset[name], error, fmt="o", color=colour, label=f"{label}, simulated")
        panel.plot(dataset.n, exact, color=INK, alpha=0.7, lw=1, label="two fits, exact mean")
        panel.plot(dataset.n, asymptotic, color=INK, alpha=0.7, lw=1, ls=":", label="2 d sigma² / n")
        panel.set(xscale="log", yscale="log", xlabel="samples n", ylabel="excess risk")
        _plain_ticks(panel, np.unique(dataset.n.values))
        panel.legend()
        return finish(figure, "Excess risk of two least-squares fits and of one against the number of samples.")


def _against(panel: Axes, fresh: xr.Dataset, recorded: xr.Dataset | None, x: str, y: str, colour: str, **fields: Any) -> None:
    if recorded is not None:
        part = cells_where(recorded, **fields)
        places = np.unique(part[x].values)
        panel.plot(places, [np.nanmedian(cells_where(part, **{x: place})[y]) for place in places], color=colour)
        _marks(panel, part[x].values * np.exp(_spread(part.sizes["cell"], 0.05)), part[y].values, colour, True)
    part = cells_where(fresh, **fields)
    _marks(panel, part[x].values, part[y].values, colour, False)


def _marks(panel: Axes, x: np.ndarray, y: np.ndarray, colour: str, recorded: bool) -> None:
    if recorded:
        panel.plot(x, y, ".", color=colour, alpha=0.45, markersize=3.5, markeredgewidth=0, zorder=1)
    else:
        panel.plot(x, y, "o", color=colour, fillstyle="none", markersize=5, markeredgewidth=1, zorder=3)


def _spread(count: int, width: float) -> np.ndarray:
    """Fixed sideways places for marks that would hide each other."""
    return width * (np.arange(count) * 0.618034 % 1 - 0.5) * 2


def _sigma_line(panel: Axes, variance: float) -> None:
    panel.axhline(variance, color=INK, alpha=0.55, lw=1, ls="--")
    ticks = [tick for tick in (0.0, 0.5, 0.75, 1.0, 1.25) if abs(tick - variance) > 0.1] + [variance]
    panel.set_yticks(sorted(ticks), [f"σ² = {tick:g}" if tick == variance else f"{tick:g}" for tick in sorted(ticks)])


def _log_n(panel: Axes, fresh: xr.Dataset, recorded: xr.Dataset | None) -> None:
    panel.set(xscale="log", xlabel="samples n")
    _plain_ticks(panel, np.unique(fresh.n.values)[::2] if recorded is not None else np.unique(fresh.n.values))


def _plain_ticks(panel: Axes, values: np.ndarray) -> None:
    panel.set_xticks(values, [f"{value:g}" for value in values])
    panel.set_xticks([], minor=True)


def _provenance(fresh: xr.Dataset, recorded: xr.Dataset | None) -> list[Line2D]:
    width = int(np.median(fresh.width))
    found = [
        Line2D([], [], color=INK, marker="o", ls="", fillstyle="none", markersize=5, label=f"this page, m = {width}"),
    ]
    if recorded is not None:
        wide = int(np.median(recorded.width))
        found.append(Line2D([], [], color=INK, marker=".", lw=1, markersize=4, label=f"recorded, m = {wide}: seeds, median"))
    return found
