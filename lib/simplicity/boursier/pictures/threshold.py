"""Pictures of the optimization threshold.

Losses and rho against n, limits, cosines, scales, signs and risks.

Every seed is a mark, because outcomes are bimodal near the threshold.
"""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from simplicity.boursier import linear_teacher
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

LAW_TITLES = {
    "gaussian": "Gaussian inputs (no margin)",
    "margin": "margin inputs",
    "bounded margin": "bounded margin inputs",
}
_TOP = 1.3  # of the error axis; the few errors above are arrows


def losses(fresh: Runs, recorded: Runs) -> Picture:
    """Above: train and test MSE of the small start against n, with a line at sigma^2. Below: rho.

    A panel for each law; rho is that of the small start and of the control.
    """
    laws, settings = fresh.settings.law, recorded.settings
    kinds = {
        "small": (GREEN, f"ρ, scale {settings.scale:g}"),
        "unaligned": (RED, f"ρ, scale {settings.unaligned_scale:g}"),
    }
    with axes(1, height=6.4) as (figure, (single,)):
        single.remove()
        upper, lower = figure.subplots(2, len(laws), sharey="row", squeeze=False)
        for law, above, below in zip(laws, upper, lower, strict=True):
            _errors(above, *(runs("small", law=law) for runs in (fresh, recorded)))
            _sigma_line(above, fresh.settings.noise_variance)
            above.set(title=LAW_TITLES[law], ylim=(-0.04, _TOP))
            for group, (colour, _) in kinds.items():
                page, record = (runs(group, law=law) for runs in (fresh, recorded))
                seeds.against(below, page, record, "n", "rho", colour)
            below.axhline(1, color=INK, alpha=FAINT, lw=0.8)
            below.set(ylim=(-0.05, 1.2))
            for panel in (above, below):
                _log_n(panel, fresh.dataset)
        upper[0].set_ylabel("mean square error")
        lower[0].set_ylabel("train error / two-fit error  (ρ)")
        entries = [(BLUE, "train error"), (ORANGE, "test error"), *kinds.values()]
        seeds.legend(upper[0], entries, fresh.dataset, recorded.dataset)
        about = "Train and test error, and rho from a small and a large start, against n."
        return finish(figure, about)


def learnt(runs: Mapping[str, Mapping[int, linear_teacher.Trained]]) -> Picture:
    """What networks say at their own training samples: a row a start, a panel for each n.

    Across <x, beta*>, upwards the given label (grey) and the network's output (coloured): where a
    network interpolates the two coincide, at the theorem's limit the outputs lie on two thin fans.
    """
    colours = (GREEN, RED)
    with axes(1, height=5.2) as (figure, (single,)):
        single.remove()
        rows = figure.subplots(
            len(runs), len(next(iter(runs.values()))), sharex=True, sharey=True, squeeze=False
        )
        for panels, (title, row), colour in zip(rows, runs.items(), colours, strict=True):
            for panel, (n, trained) in zip(panels, row.items(), strict=True):
                task = trained.task
                along = task.x @ task.teacher / np.linalg.norm(task.teacher)
                panel.plot(along, task.y, "o", color=INK, alpha=0.25, markersize=2.6)
                panel.plot(along, trained.prediction(task.x), "o", color=colour, markersize=2.2)
                error = trained.train_error(trained.network)
                panel.set(title=f"n = {n}, train error {error:.2f}", ylim=(-3, 3), xlim=(-1.9, 1.9))
            panels[0].set_ylabel(title)
        for panel in rows[-1]:
            panel.set_xlabel("⟨x, β*⟩")
        about = (
            "Labels and outputs of networks at their training samples, "
            "for three numbers of samples and two starts."
        )
        return finish(figure, about)


def at_paper_width(recorded: xr.Dataset, narrower: xr.Dataset, wider: xr.Dataset) -> Picture:
    """Train and test MSE of every seed at the paper's width.

    The medians of narrower and wider networks are lines.
    """
    laws = _laws(recorded)
    errors = (("train_mse", BLUE, "train error"), ("test_mse", ORANGE, "test error"))
    others = ((narrower, "--"), (wider, ":"))
    with axes(len(laws), height=3.6, sharey=True) as (figure, panels):
        for panel, law in zip(panels, laws, strict=True):
            wide = cells_where(recorded, law=law)
            _errors(panel, wide.isel(cell=slice(0)), wide)
            for other, style in others:
                medians = cells_where(other, law=law).groupby("n").median()
                for name, colour, _ in errors:
                    panel.plot(
                        medians.n,
                        medians[name].clip(max=_TOP - 0.03),
                        style,
                        color=colour,
                        lw=1.2,
                        alpha=0.8,
                    )
            _sigma_line(panel, float(recorded.noise_variance[0]))
            _log_n(panel, recorded)
            panel.set(title=LAW_TITLES[law], ylim=(-0.04, _TOP))
        panels[0].set_ylabel("mean square error")
        handles = [
            Line2D([], [], color=colour, marker="o", markersize=3, label=label)
            for _, colour, label in errors
        ]
        for other, style in others:
            handles.append(
                Line2D(
                    [],
                    [],
                    color=INK,
                    ls=style,
                    lw=1.2,
                    label=f"medians at m = {int(other.width[0]):,}",
                )
            )
        figure.legend(handles=handles, loc="outside lower center", ncols=4)
        return finish(
            figure,
            "Train and test error against n at m = 10,000, each seed a mark, and medians of "
            "narrower and wider networks.",
        )


def _errors(panel: Axes, fresh: xr.Dataset, recorded: xr.Dataset) -> None:
    """Train and test MSE of every seed; an error above the frame is a triangle."""
    for name, colour in (("train_mse", BLUE), ("test_mse", ORANGE)):
        page, record = (
            part.assign(shown=part[name].clip(max=_TOP - 0.03)) for part in (fresh, recorded)
        )
        seeds.against(panel, page, record, "n", "shown", colour)
        for part in (fresh, recorded):
            high = part.isel(cell=part[name].values > _TOP - 0.03)
            panel.plot(
                high.n, np.full(high.sizes["cell"], _TOP - 0.03), "^", color=colour, markersize=5
            )


_KINDS = (
    ("rms_two_ols", GREEN, "to the two fits"),
    ("rms_one_ols", PURPLE, "to one fit on all samples"),
)


def limits(
    fresh: Runs, recorded: Runs, shown: Mapping[str, xr.Dataset], bins: np.ndarray
) -> Picture:
    """Above: distance of the trained network to two fits and to one. Below: signed cosines.

    Their histograms are means over seeds weighted by |a| |w|, of the runs that are `shown` under
    their titles.
    """
    with axes(1, height=6.2) as (figure, (single,)):
        single.remove()
        rows = figure.add_gridspec(2, len(shown), height_ratios=(3.2, 2))
        _distances(figure.add_subplot(rows[0, :]), fresh, recorded)
        first = None
        for column, (title, cells) in enumerate(shown.items()):
            panel = figure.add_subplot(rows[1, column], sharey=first)
            panel.stairs(cells.histogram.values.mean(axis=0), bins, fill=True, color=GREEN)
            limits = {"xlim": (-1.02, 1.02), "ylim": (0, 1.02)}
            panel.set(title=title, xlabel="signed cosine to own fit", **limits)
            panel.tick_params(labelleft=first is None)
            first = first or panel
        assert first is not None
        first.set_ylabel("share of |a| |w|")
        about = "Distances of the network to least-squares fits, and histograms of the cosine."
        return finish(figure, about)


def _distances(panel: Axes, fresh: Runs, recorded: Runs) -> None:
    places = [
        (group, n)
        for group in ("few", "bounded", "no_margin")
        for n in np.unique(recorded[group].n.values).tolist()
    ]
    for place, (group, n) in enumerate(places):
        for shift, (name, colour, _) in zip((-0.18, 0.18), _KINDS, strict=True):
            for runs in (recorded, fresh):
                values = runs(group, n=n)[name].values
                aside = place + shift + seeds.spread(len(values), 0.13)
                seeds.marks(panel, aside, values, colour, runs is recorded)
    panel.axhline(0.01, color=INK, alpha=FAINT, lw=0.8)
    end = (len(places) - 0.52, 0.01)
    panel.annotate("criterion", end, va="bottom", ha="right", alpha=0.7, fontsize=9)
    panel.set(yscale="log", ylabel="rms over fresh inputs", xticks=range(len(places)))
    laws = {"no_margin": "gaussian"}
    labels = [f"{laws.get(group, 'bounded margin')}\nn = {n}" for group, n in places]
    panel.set_xticklabels(labels)
    entries = [(colour, label) for _, colour, label in _KINDS]
    seeds.legend(panel, entries, fresh.dataset, recorded.dataset)


def scale_sweep(fresh: xr.Dataset, recorded: xr.Dataset) -> Picture:
    """rho against the scale of the initialisation, at the first budget and at the longer one."""
    pairs = sorted(
        {(int(n), int(m)) for n, m in zip(recorded.n.values, recorded.width.values, strict=True)}
    )
    colours = dict(zip(pairs, (BLUE, ORANGE, GREEN, PURPLE), strict=False))
    with axes(2, sharey=True, height=3.5) as (figure, panels):
        for index, panel in enumerate(panels):
            for (n, width), colour in colours.items():
                page, record = (
                    cells_where(data.isel(budget=index), n=n, width=width)
                    for data in (fresh, recorded)
                )
                seeds.against(panel, page, record, "scale", "rho", colour)
            panel.axhline(1, color=INK, alpha=FAINT, lw=0.8)
            panel.set(xscale="log", xlabel="scale of the initialisation", ylim=(-0.05, 1.1))
            panel.set_title(f"after {int(recorded.budget[index]):,} steps")
        panels[0].set_ylabel("ρ")
        entries = [(colour, f"n = {n}, m = {width:,}") for (n, width), colour in colours.items()]
        seeds.legend(panels[0], entries, fresh, recorded)
        return finish(
            figure,
            "rho against the scale of the initialisation at two budgets of steps, for each n and "
            "width.",
        )


def signs(recorded: xr.Dataset) -> Picture:
    """Left: how often both signs occur; right: where the trained networks of a few neurons end."""
    tossed, trained = cells_where(recorded, kind="draws"), cells_where(recorded, kind="trained")
    with axes(2) as (figure, (left, right)):
        width = np.linspace(1, float(tossed.width.max()), 100)
        left.plot(width, 1 - 2 ** (1 - width), color=INK, alpha=0.6, label="1 − 2^(1−m)")
        share = (tossed.mixed / tossed.draws).values
        left.plot(
            tossed.width + seeds.spread(len(share), 0.12),
            share,
            ".",
            color=BLUE,
            label="drawn, each seed",
        )
        left.set(xlabel="neurons m", ylabel="share with both signs", ylim=(-0.05, 1.05))
        left.legend(loc="lower right")
        for mixed, colour, label in ((1, GREEN, "both signs"), (0, RED, "one sign")):
            part = cells_where(trained, mixed=mixed)
            right.plot(
                part.width + seeds.spread(part.sizes["cell"], 0.25),
                part.rho,
                ".",
                color=colour,
                label=label,
            )
        right.axhline(1, color=INK, alpha=FAINT, lw=0.8)
        right.set(
            xlabel="neurons m",
            ylabel="ρ after training",
            xticks=np.unique(trained.width),
            ylim=(0, None),
        )
        right.legend(loc="center right")
        return finish(
            figure,
            "Share of draws with both signs against the width, and rho of the trained small "
            "networks.",
        )


def risks(recorded: xr.Dataset, exact: np.ndarray, asymptotic: np.ndarray) -> Picture:
    """Excess risk of two fits and of one against n, and both relative to the asymptotic form."""
    with axes(2) as (figure, (left, right)):
        for panel, unit in ((left, np.ones_like(asymptotic)), (right, asymptotic)):
            for name, colour, label in (
                ("two_fits", GREEN, "two fits"),
                ("one_fit", PURPLE, "one fit"),
            ):
                error = 3 * recorded[f"{name}_error"] / unit
                panel.errorbar(
                    recorded.n,
                    recorded[name] / unit,
                    error,
                    fmt="o",
                    color=colour,
                    label=f"{label}, simulated",
                )
            panel.plot(
                recorded.n, exact / unit, color=INK, alpha=0.7, lw=1, label="two fits, exact mean"
            )
            panel.plot(
                recorded.n,
                asymptotic / unit,
                color=INK,
                alpha=0.7,
                lw=1,
                ls=":",
                label="2 d σ² / n",
            )
            panel.set(xscale="log", xlabel="samples n")
            _plain_ticks(panel, np.unique(recorded.n.values))
        left.set(yscale="log", ylabel="excess risk")
        right.set(ylabel="excess risk / (2 d σ² / n)", ylim=(0, None))
        left.legend()
        return finish(
            figure,
            "Excess risk of two least-squares fits and of one against the number of samples.",
        )


def _laws(dataset: xr.Dataset) -> list[str]:
    return [str(law) for law in dict.fromkeys(dataset.law.values)]


def _sigma_line(panel: Axes, variance: float) -> None:
    panel.axhline(variance, color=INK, alpha=0.55, lw=1, ls="--")
    ticks = sorted(
        [tick for tick in (0.0, 0.5, 0.75, 1.0, 1.25) if abs(tick - variance) > 0.1] + [variance]
    )
    panel.set_yticks(
        ticks, [f"σ² = {tick:g}" if tick == variance else f"{tick:g}" for tick in ticks]
    )


def _log_n(panel: Axes, fresh: xr.Dataset) -> None:
    panel.set(xscale="log", xlabel="samples n")
    _plain_ticks(panel, np.unique(fresh.n.values))


def _plain_ticks(panel: Axes, values: np.ndarray) -> None:
    panel.set_xticks(values, [f"{value:g}" for value in values])
    panel.set_xticks([], minor=True)
