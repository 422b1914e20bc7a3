"""Pictures of the optimization threshold.

Losses and rho against n, limits, cosines, signs and risks.

Every seed is a mark, because outcomes are bimodal near the threshold.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from simplicity.boursier import linear_teacher
from simplicity.boursier.pictures import panels
from simplicity.grid.groups import Runs, cells_where
from simplicity.pictures import legends, seeds
from simplicity.pictures.style import BLUE, GREEN, INK, ORANGE, PURPLE, RED, Picture, axes, finish

LAW_TITLES = {
    "gaussian": "Gaussian inputs (no margin)",
    "margin": "margin inputs",
    "bounded margin": "bounded margin inputs",
}
_ERRORS = {"train_mse": (BLUE, "train error"), "test_mse": (ORANGE, "test error")}
_STARTS = {"small": GREEN, "unaligned": RED}
_LAWS = {"few": "bounded margin", "bounded": "bounded margin", "no_margin": "gaussian"}  # of groups
_FITS = (("two_fits", GREEN, "two fits, simulated"), ("one_fit", PURPLE, "one fit, simulated"))
_TOP = 1.3  # of the error axis
_HIGHEST = _TOP - 0.03  # where errors above the axis are drawn, as triangles


def losses(fresh: Runs, recorded: Runs) -> Picture:
    """Above: train and test MSE of the small start against n, with a line at sigma^2. Below: rho.

    A panel for each law; rho is that of the small start and of the control.
    """
    laws = fresh.settings.law
    with panels.sheet(6.4) as figure:
        upper, lower = figure.subplots(2, len(laws), sharey="row", squeeze=False)
        for law, above, below in zip(laws, upper, lower, strict=True):
            _losses_of_law(above, fresh, recorded, law)
            _rhos(below, fresh, recorded, law)
        upper[0].set_ylabel("mean square error")
        lower[0].set_ylabel(panels.RHO)
        entries = [*_ERRORS.values(), *_starts(recorded)]
        seeds.legend(upper[0], entries, fresh.dataset, recorded.dataset)
        about = "Train and test error, and rho from a small and a large start, against n."
        return finish(figure, about)


def _losses_of_law(panel: Axes, fresh: Runs, recorded: Runs, law: str) -> None:
    shown = (runs("small", law=law) for runs in (fresh, recorded))
    _errors(panel, fresh.settings.noise_variance, *shown)
    panel.set_title(LAW_TITLES[law])
    panels.log_samples(panel, fresh.dataset.n)


def _rhos(panel: Axes, fresh: Runs, recorded: Runs, law: str) -> None:
    """Of both starts, with inputs of one law."""
    for group, colour in _STARTS.items():
        panels.against(panel, (fresh[group], recorded[group]), "n", "rho", colour, law=law)
    panels.level(panel)
    panel.set_ylim(-0.05, 1.2)
    panels.log_samples(panel, fresh.dataset.n)


def _starts(runs: Runs) -> list[tuple[str, str]]:
    """Entries of the legend for both starts."""
    scales = (runs.settings.scale, runs.settings.unaligned_scale)
    found = zip(_STARTS.values(), scales, strict=True)
    return [(colour, f"ρ, scale {scale:g}") for colour, scale in found]


def _errors(panel: Axes, variance: float, fresh: xr.Dataset, recorded: xr.Dataset) -> None:
    """Every seed, an error above the frame as a triangle; a line at the noise variance."""
    for name, (colour, _) in _ERRORS.items():
        _within_frame(panel, fresh, recorded, name, colour)
        for part in (fresh, recorded):
            _triangles(panel, part.n[(part[name] > _HIGHEST).values], colour)
    _sigma_line(panel, variance)
    panel.set_ylim(-0.04, _TOP)


def _within_frame(
    panel: Axes, fresh: xr.Dataset, recorded: xr.Dataset, name: str, colour: str
) -> None:
    page, record = (part.assign(y=part[name].clip(max=_HIGHEST)) for part in (fresh, recorded))
    seeds.against(panel, page, record, "n", "y", colour)


def _triangles(panel: Axes, ns: xr.DataArray, colour: str) -> None:
    panel.plot(ns, np.full(ns.size, _HIGHEST), "^", color=colour, markersize=5)


def _sigma_line(panel: Axes, variance: float) -> None:
    """A line at the noise variance, which has its own tick in place of those near it."""
    panels.noise_level(panel, variance)
    apart = [tick for tick in (0.0, 0.5, 0.75, 1.0, 1.25) if abs(tick - variance) > 0.1]
    labels = {tick: f"{tick:g}" for tick in apart} | {variance: f"σ² = {variance:g}"}
    panel.set_yticks(*zip(*sorted(labels.items()), strict=True))


def learnt(runs: Mapping[str, Mapping[int, linear_teacher.Trained]]) -> Picture:
    """What networks say at their own training samples: a row a start, a panel for each n.

    Across <x, beta*>, upwards the given label (grey) and the network's output (coloured): where a
    network interpolates the two coincide, at the theorem's limit the outputs lie on two thin fans.
    """
    columns = len(next(iter(runs.values())))
    with panels.sheet(5.2) as figure:
        rows = figure.subplots(len(runs), columns, sharex=True, sharey=True, squeeze=False)
        for row, (title, networks), colour in zip(rows, runs.items(), (GREEN, RED), strict=True):
            _learnt_from(row, networks, colour)
            row[0].set_ylabel(title)
        for panel in rows[-1]:
            panel.set_xlabel("⟨x, β*⟩")
        about = (
            "Labels and outputs of networks at their training samples, "
            "for three numbers of samples and two starts."
        )
        return finish(figure, about)


def _learnt_from(
    row: Iterable[Axes], networks: Mapping[int, linear_teacher.Trained], colour: str
) -> None:
    """By the networks of one start."""
    for panel, (n, trained) in zip(row, networks.items(), strict=True):
        _outputs(panel, trained, colour)
        error = trained.train_error(trained.network)
        panel.set(title=f"n = {n}, train error {error:.2f}", ylim=(-3, 3), xlim=(-1.9, 1.9))


def _outputs(panel: Axes, trained: linear_teacher.Trained, colour: str) -> None:
    """A network's labels and outputs along the teacher."""
    task = trained.task
    along = task.x @ task.teacher / np.linalg.norm(task.teacher)
    panel.plot(along, task.y, "o", color=INK, alpha=0.25, markersize=2.6)
    panel.plot(along, trained.prediction(task.x), "o", color=colour, markersize=2.2)


def at_paper_width(recorded: xr.Dataset, narrower: xr.Dataset, wider: xr.Dataset) -> Picture:
    """Train and test MSE of every seed at the paper's width.

    The medians of narrower and wider networks are lines.
    """
    laws, others = list(dict.fromkeys(recorded.law.values.tolist())), {"--": narrower, ":": wider}
    with axes(len(laws), height=3.6, sharey=True) as (figure, row):
        for panel, law in zip(row, laws, strict=True):
            _at_width(panel, cells_where(recorded, law=law))
            for style, other in others.items():
                _medians(panel, cells_where(other, law=law), style)
            panels.log_samples(panel, recorded.n)
            panel.set_title(LAW_TITLES[law])
        row[0].set_ylabel("mean square error")
        marks = f", {_width(recorded)}: seeds, median"
        legends.below(figure, [*_ERRORS.values(), *_of_medians(others)], recorded=marks)
        about = (
            "Train and test error against n at m = 10,000, each seed a mark, and medians of "
            "narrower and wider networks."
        )
        return finish(figure, about)


def _of_medians(others: Mapping[str, xr.Dataset]) -> list[tuple[str, str, str]]:
    """Entries of the legend for the lines."""
    return [(INK, f"medians at {_width(other)}", style) for style, other in others.items()]


def _at_width(panel: Axes, recorded: xr.Dataset) -> None:
    """Recorded errors alone."""
    nothing = recorded.isel(cell=slice(0))
    _errors(panel, float(recorded.noise_variance[0]), nothing, recorded)


def _medians(panel: Axes, cells: xr.Dataset, style: str) -> None:
    medians = cells.groupby("n").median()
    for name, (colour, _) in _ERRORS.items():
        middle = medians[name].clip(max=_HIGHEST)
        panel.plot(medians.n, middle, style, color=colour, lw=1.2, alpha=0.8)


def _width(cells: xr.Dataset) -> str:
    return f"m = {int(cells.width[0]):,}"


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
            panel = figure.add_subplot(rows[1, column], sharey=first, title=title)
            _cosines(panel, cells, bins)
            panel.tick_params(labelleft=first is None)
            first = first or panel
        figure.axes[1].set(ylabel="share of |a| |w|", ylim=(0, 1.02))
        about = "Distances of the network to least-squares fits, and histograms of the cosine."
        return finish(figure, about)


def _cosines(panel: Axes, cells: xr.Dataset, bins: np.ndarray) -> None:
    """The mean histogram of the signed cosine."""
    panel.stairs(cells.histogram.values.mean(axis=0), bins, fill=True, color=GREEN)
    panel.set(xlabel="signed cosine to own fit", xlim=(-1.02, 1.02))


def _distances(panel: Axes, fresh: Runs, recorded: Runs) -> None:
    """To two fits and to one, a place for each law and n."""
    places = _places(recorded)
    for place, (group, n) in enumerate(places):
        _both_distances(panel, place, *(runs(group, n=n) for runs in (fresh, recorded)))
    panels.criterion(panel, 0.01, len(places) - 0.52, ha="right")
    panel.set(yscale="log", ylabel="rms over fresh inputs")
    panel.set_xticks(range(len(places)), [f"{_LAWS[group]}\nn = {n}" for group, n in places])
    seeds.legend(panel, list(_KINDS.values()), fresh.dataset, recorded.dataset)


def _places(runs: Runs) -> list[tuple[str, int]]:
    """Each group with each of its n."""
    return [(group, n) for group in _LAWS for n in np.unique(runs[group].n.values).tolist()]


def _both_distances(panel: Axes, place: int, fresh: xr.Dataset, recorded: xr.Dataset) -> None:
    for shift, (name, (colour, _)) in zip((-0.18, 0.18), _KINDS.items(), strict=True):
        panels.around(panel, place + shift, 0.13, fresh[name], recorded[name], colour)


def signs(recorded: xr.Dataset) -> Picture:
    """Left: how often both signs occur; right: where the trained networks of a few neurons end."""
    tossed, trained = (cells_where(recorded, kind=kind) for kind in ("draws", "trained"))
    with axes(2) as (figure, (left, right)):
        _tossed(left, tossed)
        _by_signs(right, trained)
        left.legend(loc="lower right")
        right.legend(loc="center right")
        about = (
            "Share of draws with both signs against the width, and rho of the trained small "
            "networks."
        )
        return finish(figure, about)


def _tossed(panel: Axes, tossed: xr.Dataset) -> None:
    """The law of the share of draws with both signs, and what was drawn."""
    width = np.linspace(1, float(tossed.width.max()), 100)
    panel.plot(width, 1 - 2 ** (1 - width), color=INK, alpha=0.6, label="1 − 2^(1−m)")
    _by_width(panel, tossed, tossed.mixed / tossed.draws, BLUE, "drawn, each seed", 0.12)
    panel.set(xlabel="neurons m", ylabel="share with both signs", ylim=(-0.05, 1.05))


def _by_signs(panel: Axes, trained: xr.Dataset) -> None:
    """Where networks with both signs end, and those with one."""
    for mixed, colour, label in ((1, GREEN, "both signs"), (0, RED, "one sign")):
        part = cells_where(trained, mixed=mixed)
        _by_width(panel, part, part.rho, colour, label, 0.25)
    panels.level(panel)
    panel.set(xlabel="neurons m", ylabel="ρ after training", ylim=(0, None))
    panel.set_xticks(np.unique(trained.width))


def _by_width(
    panel: Axes, cells: xr.Dataset, values: xr.DataArray, colour: str, label: str, spread: float
) -> None:
    aside = cells.width + seeds.spread(cells.sizes["cell"], spread)
    panel.plot(aside, values, ".", color=colour, label=label)


def risks(recorded: xr.Dataset, exact: np.ndarray, asymptotic: np.ndarray) -> Picture:
    """Excess risk of two fits and of one against n, and both relative to the asymptotic form."""
    with axes(2) as (figure, (left, right)):
        for panel, unit in ((left, np.ones_like(asymptotic)), (right, asymptotic)):
            _simulated(panel, recorded, unit)
            _closed_form(panel, recorded.n, exact / unit, "-", "two fits, exact mean")
            _closed_form(panel, recorded.n, asymptotic / unit, ":", "2 d σ² / n")
            panels.log_samples(panel, recorded.n)
        left.set(yscale="log", ylabel="excess risk")
        right.set(ylabel="excess risk / (2 d σ² / n)", ylim=(0, None))
        left.legend()
        about = "Excess risk of two least-squares fits and of one against the number of samples."
        return finish(figure, about)


def _simulated(panel: Axes, recorded: xr.Dataset, unit: np.ndarray) -> None:
    """The simulated risks in a unit, with three standard errors."""
    for name, colour, label in _FITS:
        value, bar = recorded[name] / unit, 3 * recorded[f"{name}_error"] / unit
        panel.errorbar(recorded.n, value, bar, fmt="o", color=colour, label=label)


def _closed_form(panel: Axes, n: xr.DataArray, values: np.ndarray, style: str, label: str) -> None:
    panel.plot(n, values, style, color=INK, alpha=0.7, lw=1, label=label)
