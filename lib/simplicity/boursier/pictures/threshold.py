"""Pictures of the optimization threshold.

Losses and rho against n, limits, cosines, scales, signs and risks.

Every seed is a mark, because outcomes are bimodal near the threshold.
"""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from simplicity.boursier import linear_teacher
from simplicity.boursier.pictures import panels
from simplicity.evidence.claims import cells_where
from simplicity.grid.groups import Runs
from simplicity.pictures import legends, seeds
from simplicity.pictures.style import BLUE, GREEN, INK, ORANGE, PURPLE, RED, Picture, axes, finish

LAW_TITLES = {
    "gaussian": "Gaussian inputs (no margin)",
    "margin": "margin inputs",
    "bounded margin": "bounded margin inputs",
}
_ERRORS = {"train_mse": (BLUE, "train error"), "test_mse": (ORANGE, "test error")}
_TOP = 1.3  # of the error axis
_HIGHEST = _TOP - 0.03  # where errors above the axis are drawn, as triangles


def losses(fresh: Runs, recorded: Runs) -> Picture:
    """Above: train and test MSE of the small start against n, with a line at sigma^2. Below: rho.

    A panel for each law; rho is that of the small start and of the control.
    """
    laws, settings = fresh.settings.law, recorded.settings
    kinds = {
        "small": (GREEN, f"ρ, scale {settings.scale:g}"),
        "unaligned": (RED, f"ρ, scale {settings.unaligned_scale:g}"),
    }
    with panels.sheet(6.4) as figure:
        upper, lower = figure.subplots(2, len(laws), sharey="row", squeeze=False)
        for law, above, below in zip(laws, upper, lower, strict=True):
            shown = (runs("small", law=law) for runs in (fresh, recorded))
            _errors(above, fresh.settings.noise_variance, *shown)
            above.set_title(LAW_TITLES[law])
            for group, (colour, _) in kinds.items():
                both = (fresh[group], recorded[group])
                panels.against(below, both, "n", "rho", colour, law=law)
            panels.level(below)
            below.set_ylim(-0.05, 1.2)
            for panel in (above, below):
                panels.log_samples(panel, fresh.dataset.n)
        upper[0].set_ylabel("mean square error")
        lower[0].set_ylabel(panels.RHO)
        entries = [*_ERRORS.values(), *kinds.values()]
        seeds.legend(upper[0], entries, fresh.dataset, recorded.dataset)
        about = "Train and test error, and rho from a small and a large start, against n."
        return finish(figure, about)


def _errors(panel: Axes, variance: float, fresh: xr.Dataset, recorded: xr.Dataset) -> None:
    """Every seed, an error above the frame as a triangle; a line at the noise variance."""
    for name, (colour, _) in _ERRORS.items():
        page, record = (part.assign(y=part[name].clip(max=_HIGHEST)) for part in (fresh, recorded))
        seeds.against(panel, page, record, "n", "y", colour)
        for part in (fresh, recorded):
            high = part.n[(part[name] > _HIGHEST).values]
            panel.plot(high, np.full(high.size, _HIGHEST), "^", color=colour, markersize=5)
    _sigma_line(panel, variance)
    panel.set_ylim(-0.04, _TOP)


def _sigma_line(panel: Axes, variance: float) -> None:
    panel.axhline(variance, color=INK, alpha=0.55, lw=1, ls="--")
    apart = [tick for tick in (0.0, 0.5, 0.75, 1.0, 1.25) if abs(tick - variance) > 0.1]
    labels = {tick: f"{tick:g}" for tick in apart} | {variance: f"σ² = {variance:g}"}
    panel.set_yticks(sorted(labels), [labels[tick] for tick in sorted(labels)])


def learnt(runs: Mapping[str, Mapping[int, linear_teacher.Trained]]) -> Picture:
    """What networks say at their own training samples: a row a start, a panel for each n.

    Across <x, beta*>, upwards the given label (grey) and the network's output (coloured): where a
    network interpolates the two coincide, at the theorem's limit the outputs lie on two thin fans.
    """
    columns = len(next(iter(runs.values())))
    with panels.sheet(5.2) as figure:
        rows = figure.subplots(len(runs), columns, sharex=True, sharey=True, squeeze=False)
        for row, (title, networks), colour in zip(rows, runs.items(), (GREEN, RED), strict=True):
            for panel, (n, trained) in zip(row, networks.items(), strict=True):
                task = trained.task
                along = task.x @ task.teacher / np.linalg.norm(task.teacher)
                panel.plot(along, task.y, "o", color=INK, alpha=0.25, markersize=2.6)
                panel.plot(along, trained.prediction(task.x), "o", color=colour, markersize=2.2)
                error = trained.train_error(trained.network)
                panel.set(title=f"n = {n}, train error {error:.2f}", ylim=(-3, 3), xlim=(-1.9, 1.9))
            row[0].set_ylabel(title)
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
    laws = [str(law) for law in dict.fromkeys(recorded.law.values)]
    others = {"--": narrower, ":": wider}
    with axes(len(laws), height=3.6, sharey=True) as (figure, row):
        for panel, law in zip(row, laws, strict=True):
            wide = cells_where(recorded, law=law)
            _errors(panel, float(wide.noise_variance[0]), wide.isel(cell=slice(0)), wide)
            for style, other in others.items():
                medians = cells_where(other, law=law).groupby("n").median()
                for name, (colour, _) in _ERRORS.items():
                    middle = medians[name].clip(max=_HIGHEST)
                    panel.plot(medians.n, middle, style, color=colour, lw=1.2, alpha=0.8)
            panels.log_samples(panel, recorded.n)
            panel.set_title(LAW_TITLES[law])
        row[0].set_ylabel("mean square error")
        lines = [
            (INK, f"medians at m = {int(other.width[0]):,}", style)
            for style, other in others.items()
        ]
        marks = f", m = {int(recorded.width[0]):,}: seeds, median"
        legends.below(figure, [*_ERRORS.values(), *lines], recorded=marks)
        about = (
            "Train and test error against n at m = 10,000, each seed a mark, and medians of "
            "narrower and wider networks."
        )
        return finish(figure, about)


_KINDS = {
    "rms_two_ols": (GREEN, "to the two fits"),
    "rms_one_ols": (PURPLE, "to one fit on all samples"),
}


def limits(
    fresh: Runs, recorded: Runs, shown: Mapping[str, xr.Dataset], bins: np.ndarray
) -> Picture:
    """Above: distance of the trained network to two fits and to one. Below: signed cosines.

    Their histograms are means over seeds weighted by |a| |w|, of the runs that are `shown` under
    their titles.
    """
    with panels.sheet(6.2) as figure:
        rows = figure.add_gridspec(2, len(shown), height_ratios=(3.2, 2))
        _distances(figure.add_subplot(rows[0, :]), fresh, recorded)
        first = None
        for column, (title, cells) in enumerate(shown.items()):
            panel = figure.add_subplot(rows[1, column], sharey=first)
            panel.stairs(cells.histogram.values.mean(axis=0), bins, fill=True, color=GREEN)
            panel.set(title=title, xlabel="signed cosine to own fit", xlim=(-1.02, 1.02))
            panel.tick_params(labelleft=first is None)
            first = first or panel
        assert first is not None
        first.set(ylabel="share of |a| |w|", ylim=(0, 1.02))
        about = "Distances of the network to least-squares fits, and histograms of the cosine."
        return finish(figure, about)


def _distances(panel: Axes, fresh: Runs, recorded: Runs) -> None:
    laws = {"few": "bounded margin", "bounded": "bounded margin", "no_margin": "gaussian"}
    places = [(group, n) for group in laws for n in np.unique(recorded[group].n.values).tolist()]
    for place, (group, n) in enumerate(places):
        for shift, (name, (colour, _)) in zip((-0.18, 0.18), _KINDS.items(), strict=True):
            page, record = (runs(group, n=n)[name] for runs in (fresh, recorded))
            panels.around(panel, place + shift, 0.13, page, record, colour)
    panels.level(panel, 0.01)
    end = (len(places) - 0.52, 0.01)
    panel.annotate("criterion", end, va="bottom", ha="right", alpha=0.7, fontsize=9)
    panel.set(yscale="log", ylabel="rms over fresh inputs", xticks=range(len(places)))
    panel.set_xticklabels([f"{laws[group]}\nn = {n}" for group, n in places])
    seeds.legend(panel, list(_KINDS.values()), fresh.dataset, recorded.dataset)


def scale_sweep(fresh: xr.Dataset, recorded: xr.Dataset) -> Picture:
    """rho against the scale of the initialisation, at the first budget and at the longer one."""
    every = zip(recorded.n.values.tolist(), recorded.width.values.tolist(), strict=True)
    colours = dict(zip(sorted(set(every)), (BLUE, ORANGE, GREEN, PURPLE), strict=False))
    with axes(2, sharey=True, height=3.5) as (figure, row):
        for index, panel in enumerate(row):
            both = fresh.isel(budget=index), recorded.isel(budget=index)
            for (n, width), colour in colours.items():
                panels.against(panel, both, "scale", "rho", colour, n=n, width=width)
            panels.level(panel)
            panel.set(xscale="log", xlabel="scale of the initialisation", ylim=(-0.05, 1.1))
            panel.set_title(f"after {int(recorded.budget[index]):,} steps")
        row[0].set_ylabel("ρ")
        entries = [(colour, f"n = {n}, m = {width:,}") for (n, width), colour in colours.items()]
        seeds.legend(row[0], entries, fresh, recorded)
        about = (
            "rho against the scale of the initialisation at two budgets of steps, for each n and "
            "width."
        )
        return finish(figure, about)


def signs(recorded: xr.Dataset) -> Picture:
    """Left: how often both signs occur; right: where the trained networks of a few neurons end."""
    tossed, trained = cells_where(recorded, kind="draws"), cells_where(recorded, kind="trained")
    with axes(2) as (figure, (left, right)):
        width = np.linspace(1, float(tossed.width.max()), 100)
        left.plot(width, 1 - 2 ** (1 - width), color=INK, alpha=0.6, label="1 − 2^(1−m)")
        aside = tossed.width + seeds.spread(tossed.sizes["cell"], 0.12)
        share = tossed.mixed / tossed.draws
        left.plot(aside, share, ".", color=BLUE, label="drawn, each seed")
        left.set(xlabel="neurons m", ylabel="share with both signs", ylim=(-0.05, 1.05))
        left.legend(loc="lower right")
        for mixed, colour, label in ((1, GREEN, "both signs"), (0, RED, "one sign")):
            part = cells_where(trained, mixed=mixed)
            aside = part.width + seeds.spread(part.sizes["cell"], 0.25)
            right.plot(aside, part.rho, ".", color=colour, label=label)
        panels.level(right)
        right.set(xlabel="neurons m", ylabel="ρ after training", ylim=(0, None))
        right.set_xticks(np.unique(trained.width))
        right.legend(loc="center right")
        about = (
            "Share of draws with both signs against the width, and rho of the trained small "
            "networks."
        )
        return finish(figure, about)


def risks(recorded: xr.Dataset, exact: np.ndarray, asymptotic: np.ndarray) -> Picture:
    """Excess risk of two fits and of one against n, and both relative to the asymptotic form."""
    fits = {"two_fits": (GREEN, "two fits"), "one_fit": (PURPLE, "one fit")}
    lines = {"two fits, exact mean": (exact, "-"), "2 d σ² / n": (asymptotic, ":")}
    n = recorded.n
    with axes(2) as (figure, (left, right)):
        for panel, unit in ((left, np.ones_like(asymptotic)), (right, asymptotic)):
            for name, (colour, words) in fits.items():
                value, bar = recorded[name] / unit, 3 * recorded[f"{name}_error"] / unit
                label = f"{words}, simulated"
                panel.errorbar(n, value, bar, fmt="o", color=colour, label=label)
            for label, (values, style) in lines.items():
                panel.plot(n, values / unit, style, color=INK, alpha=0.7, lw=1, label=label)
            panels.log_samples(panel, n)
        left.set(yscale="log", ylabel="excess risk")
        right.set(ylabel="excess risk / (2 d σ² / n)", ylim=(0, None))
        left.legend()
        about = "Excess risk of two least-squares fits and of one against the number of samples."
        return finish(figure, about)
