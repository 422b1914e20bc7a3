"""Pictures of the measure itself.

Laws it is known for, its bias and coverage, and ten classes against their baselines.
"""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from simplicity.evidence.claims import cells_where
from simplicity.nakkiran.information import from_accuracy
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

Array = NDArray[np.floating]
_CASES = {
    "symmetric": (BLUE, "symmetric errors, independent of L's"),
    "one-sided": (ORANGE, "all errors on one class"),
    "unbalanced": (RED, "unbalanced labels"),
    "mixture": (GREEN, "F is L on a share q, else a coin"),
}
_METHODS = {
    "delta": (BLUE, "μ, delta method"),
    "bootstrap": (GREEN, "μ, bootstrap"),
    "bootstrap of mu / I": (PURPLE, "μ / I, bootstrap"),
}
_PAIR_COLOURS = (BLUE, ORANGE, PURPLE)


def laws(fresh: xr.Dataset, recorded: xr.Dataset) -> Picture:
    """Left I(F;Y) of samples against their accuracy, with 1 - h(a); right mu against I(F;Y).

    The mu are those of mixtures and of independent errors.
    """
    with axes(2, height=3.9) as (figure, (left, right)):
        for data, is_recorded in ((recorded, True), (fresh, False)):
            for case in ("symmetric", "one-sided", "unbalanced"):
                _samples(
                    left,
                    cells_where(data, case=case),
                    "hits",
                    "network",
                    _CASES[case][0],
                    is_recorded,
                )
            for case in ("mixture", "symmetric"):
                same = tuple(cells_where(data, case="mixture").accuracy.values.tolist())
                _samples(
                    right,
                    cells_where(data, case=case, accuracy=same),
                    "network",
                    "mu",
                    _CASES[case][0],
                    is_recorded,
                )
        grid = np.linspace(0.5, 1, 101)
        left.plot(grid, from_accuracy(grid), color=INK, lw=1)
        left.annotate("1 − h(a)", (0.9, float(from_accuracy(0.9))), (0.93, 0.4), fontsize=9.5)
        left.set(xlabel="accuracy a of F", ylabel="bits", title="I(F;Y)")
        end = 1.1 * float(cells_where(recorded, case="mixture").exact.sel(quantity="network").max())
        right.plot([0, end], [0, end], color=INK, lw=1)
        right.annotate("μ = I(F;Y)", (0.62 * end, 0.7 * end), ha="right", fontsize=9.5)
        right.set(xlabel="I(F;Y), bits", title="μ")
        _legend(figure, list(_CASES.values()))
        return finish(
            figure,
            "Information against accuracy on and off the curve 1 - h(a), and mu against "
            "information.",
        )


def _samples(panel: Axes, cells: xr.Dataset, x: str, y: str, colour: str, recorded: bool) -> None:
    """The samples that a recorded run kept, and one of each fresh cell.

    All of them would lie on each other.
    """
    count = None if recorded else 1
    across, up = (
        cells[name] if name in cells else cells.shown.sel(quantity=name) for name in (x, y)
    )
    seeds.marks(
        panel, across[:, :count].values.ravel(), up[:, :count].values.ravel(), colour, recorded
    )


def estimator(fresh: xr.Dataset, recorded: xr.Dataset) -> Picture:
    """Two classes.

    Left the bias of mu in units of k = 1 / (2 N ln 2), with Monte-Carlo intervals; right coverage
    against N.
    """
    with axes(2, height=3.9) as (figure, (left, right)):
        for data, is_recorded in ((recorded, True), (fresh, False)):
            _bias(left, cells_where(data, kind="binary"), is_recorded)
        for value, name in ((-1, "plug-in"), (0, "Miller–Madow")):
            left.axhline(value, color=INK, alpha=FAINT, lw=1)
            left.annotate(name, (4500, value + 0.04), ha="center", fontsize=9.5)
        left.set(
            xscale="log",
            xlabel="test points N",
            title="bias of μ in units of k, accuracies of F and L",
        )
        left.legend(loc="center right", handlelength=1)
        for index, (method, (colour, _)) in enumerate(_METHODS.items()):
            for data, is_recorded in ((recorded, True), (fresh, False)):
                cells = cells_where(data, kind="binary")
                shift = np.exp(0.06 * (index - 1) + seeds.spread(cells.sizes["cell"], 0.02))
                look = (
                    {"markersize": 3}
                    if is_recorded
                    else {"fillstyle": "none", "markersize": 6, "markeredgewidth": 1}
                )
                right.plot(
                    cells.n.values * shift,
                    cells.coverage.sel(interval=method).values,
                    "o",
                    color=colour,
                    **look,
                )
        right.axhline(0.95, color=INK, alpha=FAINT, lw=1)
        right.axhspan(0.93, 0.97, color=INK, alpha=0.06, lw=0)
        right.set(
            xscale="log",
            xlabel="test points N",
            ylim=(0.915, 0.985),
            title="coverage of nominal 95 % intervals",
        )
        for panel in (left, right):
            _thousands(panel, np.unique(cells_where(recorded, kind="binary").n.values))
        _legend(figure, list(_METHODS.values()))
        return finish(
            figure,
            "Bias of mu in units of k, and coverage of its intervals, against the number of test "
            "points.",
        )


def _bias(panel: Axes, binary: xr.Dataset, recorded: bool) -> None:
    """The steadied bias of each pair of accuracies.

    The same plus the mean correction for Miller-Madow.
    """
    pairs = sorted(
        set(zip(binary.accuracy.values.tolist(), binary.simple.values.tolist(), strict=True))
    )
    for index, (colour, (a, b)) in enumerate(zip(_PAIR_COLOURS, pairs, strict=False)):
        part = cells_where(binary, accuracy=a, simple=b)
        k = 1 / (2 * part.n.values * np.log(2))
        mu = part.bias.sel(quantity="mu")
        added = (mu.sel(estimator="miller-madow") - mu.sel(estimator="plug-in")).values
        x = part.n.values * np.exp(0.07 * (index - 1) + seeds.spread(len(k), 0.02))
        look = (
            {"markersize": 3}
            if recorded
            else {"fillstyle": "none", "markersize": 6, "markeredgewidth": 1}
        )
        for more in (0, added):
            y, error = (part.steadied.values + more) / k, 1.96 * part.steadied_error.values / k
            label = f"{a:g} and {b:g}" if recorded and more is not added else None
            panel.errorbar(x, y, error, fmt="o", color=colour, elinewidth=0.8, label=label, **look)


def multiclass(recorded: xr.Dataset, simulated: xr.Dataset) -> Picture:
    """Ten digits over steps: mu with its baselines, what L leaves.

    And against N both errors of a simulated mu.
    """
    with axes(3, height=3.6, width=8.2) as (figure, (left, middle, right)):
        ten, step = recorded.sel(classes=10), recorded.step.values
        plain = ten.found.sel(estimator="plug-in")
        shuffled = ten.shuffled.sel(estimator="plug-in")
        _line(left, step, plain.sel(quantity="network"), INK, "I(F;Y)")
        _line(left, step, plain.sel(quantity="mu"), BLUE, "μ")
        within = shuffled.sel(baseline="within the class", quantity="mu")
        _band(left, step, within, ORANGE, "independent errors")
        _band(left, step, shuffled.sel(baseline="over all points", quantity="mu"), RED, "shuffled")
        left.set(xlabel="steps", title="ten digits: μ, bits")
        _line(middle, step, plain.sel(quantity="beyond"), BLUE, "plug-in")
        corrected = ten.found.sel(estimator="miller-madow", quantity="beyond")
        _line(middle, step, corrected, PURPLE, "Miller–Madow")
        nothing = shuffled.sel(baseline="within L's class", quantity="beyond")
        _band(middle, step, nothing, GREEN, "plug-in, truth 0")
        middle.set(xlabel="steps", title="ten digits: I(F;Y|L), bits")
        part = cells_where(simulated, kind="ten")
        for name, label, colour in (
            ("plug-in", "plug-in, bias", BLUE),
            ("miller-madow", "Miller–Madow, bias", PURPLE),
        ):
            bias = np.abs(part.bias.sel(estimator=name, quantity="mu").values)
            right.plot(*_mean_by(part.n.values, bias), "o-", color=colour, label=label)
        right.plot(
            *_mean_by(part.n.values, part.mu_error.values),
            color=INK,
            ls=":",
            label="sampling error",
        )
        right.set(
            xscale="log", yscale="log", xlabel="test points N", title="simulated: error of μ, bits"
        )
        for panel in (left, middle):
            panel.set(xscale="log")
            _thousands(panel, 10 ** np.arange(1, 1 + int(np.log10(step[-1]))))
        middle.set(ylim=(0, 1.5 * float(plain.sel(quantity="beyond").max())))
        left.legend(loc="lower right", bbox_to_anchor=(1.02, 0.12), handlelength=1.2)
        middle.legend(loc="upper left", handlelength=1.2)
        right.legend(loc="lower left", handlelength=1.2)
        return finish(
            figure,
            "Ten classes: mu and what is left, with permutation baselines, over steps; errors of "
            "mu against N.",
        )


def _line(panel: Axes, step: Array, values: xr.DataArray, colour: str, label: str) -> None:
    panel.plot(step, values.values.T, color=colour, alpha=0.25, lw=0.6)
    panel.plot(step, values.mean("cell").values, color=colour, label=label)


def _band(panel: Axes, step: Array, values: xr.DataArray, colour: str, label: str) -> None:
    """The 95 % band of the permutations, averaged over splits, around its mean."""
    low, centre, high = (
        values.sel(statistic=name).mean("cell").values for name in ("low", "mean", "high")
    )
    panel.fill_between(step, low, high, color=colour, alpha=0.25, lw=0)
    panel.plot(step, centre, color=colour, ls="--", lw=1.2, label=label)


def _mean_by(x: Array, y: Array) -> tuple[Array, Array]:
    places = np.unique(x)
    return places, np.array([y[x == place].mean() for place in places])


def _thousands(panel: Axes, values: NDArray[Any]) -> None:
    panel.set_xticks(values, [f"{value:,}" for value in values])
    panel.set_xticks([], minor=True)


def _legend(figure: object, entries: list[tuple[str, str]]) -> None:
    handles = [
        Line2D([], [], color=colour, marker="o", ls="", label=label) for colour, label in entries
    ]
    handles.append(
        Line2D(
            [], [], color=INK, marker="o", ls="", fillstyle="none", markersize=6, label="this page"
        )
    )
    handles.append(Line2D([], [], color=INK, marker="o", ls="", markersize=3, label="recorded"))
    figure.legend(handles=handles, loc="outside lower center", ncols=3, handlelength=1.2)  # type: ignore[attr-defined]
