"""Pictures of the measure itself.

Laws it is known for, its bias and coverage, and ten classes against their baselines.
"""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from numpy.typing import NDArray

from simplicity.grid.groups import cells_where
from simplicity.nakkiran.information import from_accuracy
from simplicity.pictures import legends, seeds, style, ticks
from simplicity.pictures.style import BLUE, GREEN, INK, ORANGE, PURPLE, RED, Picture, axes, finish

Array = NDArray[np.floating]
_CASES = {
    "symmetric": (BLUE, "symmetric errors, independent of L's", "o"),
    "one-sided": (ORANGE, "all errors on one class", "o"),
    "unbalanced": (RED, "unbalanced labels", "o"),
    "mixture": (GREEN, "F is L on a share q, else a coin", "o"),
}
_METHODS = {
    "delta": (BLUE, "μ, delta method", "o"),
    "bootstrap": (GREEN, "μ, bootstrap", "o"),
    "bootstrap of mu / I": (PURPLE, "μ / I, bootstrap", "o"),
}
_PAIR_COLOURS = (BLUE, ORANGE, PURPLE)
_MARKS: dict[bool, dict[str, Any]] = {  # of recorded runs, and of the page's own
    True: {"markersize": 3},
    False: {"fillstyle": "none", "markersize": 6, "markeredgewidth": 1},
}


def laws(fresh: xr.Dataset, recorded: xr.Dataset) -> Picture:
    """Left I(F;Y) of samples against their accuracy, with 1 - h(a); right mu against I(F;Y).

    The mu are those of mixtures and of independent errors.
    """
    with axes(2, height=3.9) as (figure, (left, right)):
        for data, is_recorded in ((recorded, True), (fresh, False)):
            for case in ("symmetric", "one-sided", "unbalanced"):
                _samples(left, data, "hits", "network", is_recorded, case=case)
            _mixtures(right, data, is_recorded)
        _curve(left)
        _diagonal(right, cells_where(recorded, case="mixture").exact.sel(quantity="network"))
        legends.below(figure, _CASES.values(), page="", recorded="")
        return finish(
            figure,
            "Information against accuracy on and off the curve 1 - h(a), and mu against "
            "information.",
        )


def _mixtures(panel: Axes, data: xr.Dataset, recorded: bool) -> None:
    """Those of mixtures, and of independent errors at the same accuracies."""
    same = tuple(cells_where(data, case="mixture").accuracy.values.tolist())
    for case in ("mixture", "symmetric"):
        _samples(panel, data, "network", "mu", recorded, case=case, accuracy=same)


def _curve(panel: Axes) -> None:
    """I(F;Y) of balanced labels and symmetric errors."""
    grid = np.linspace(0.5, 1, 101)
    panel.plot(grid, from_accuracy(grid), color=INK, lw=1)
    panel.annotate("1 − h(a)", (0.9, float(from_accuracy(0.9))), (0.93, 0.4), fontsize=9.5)
    panel.set(xlabel="accuracy a of F", ylabel="bits", title="I(F;Y)")


def _diagonal(panel: Axes, gained: xr.DataArray) -> None:
    """Where all that F knows is explained."""
    end = 1.1 * float(gained.max())
    panel.plot([0, end], [0, end], color=INK, lw=1)
    panel.annotate("μ = I(F;Y)", (0.62 * end, 0.7 * end), ha="right", fontsize=9.5)
    panel.set(xlabel="I(F;Y), bits", title="μ")


def _samples(panel: Axes, data: xr.Dataset, x: str, y: str, recorded: bool, **fields: Any) -> None:
    """The samples that a recorded run kept, and one of each fresh cell.

    All fresh samples would lie on each other.
    """
    cells = cells_where(data, **fields)
    count = None if recorded else 1
    across, up = (
        (cells[name] if name in cells else cells.shown.sel(quantity=name))[:, :count].values.ravel()
        for name in (x, y)
    )
    seeds.marks(panel, across, up, _CASES[fields["case"]][0], recorded)


def estimator(fresh: xr.Dataset, recorded: xr.Dataset) -> Picture:
    """Two classes.

    Left the bias of mu in units of k = 1 / (2 N ln 2), with Monte-Carlo intervals; right coverage
    against N.
    """
    with axes(2, height=3.9) as (figure, (left, right)):
        for data, is_recorded in ((recorded, True), (fresh, False)):
            binary = cells_where(data, kind="binary")
            _bias(left, binary, is_recorded)
            _coverage(right, binary, is_recorded)
        _expected_bias(left)
        _expected_coverage(right)
        for panel in (left, right):
            panel.set(xscale="log", xlabel="test points N")
            ticks.only(panel.xaxis, np.unique(cells_where(recorded, kind="binary").n.values), ",")
        legends.below(figure, _METHODS.values(), page="", recorded="")
        return finish(
            figure,
            "Bias of mu in units of k, and coverage of its intervals, against the number of test "
            "points.",
        )


def _expected_bias(panel: Axes) -> None:
    for value, name in ((-1, "plug-in"), (0, "Miller–Madow")):
        panel.axhline(value, color=INK, alpha=style.FAINT, lw=1)
        panel.annotate(name, (4500, value + 0.04), ha="center", fontsize=9.5)
    panel.legend(loc="center right", handlelength=1)
    panel.set(title="bias of μ in units of k, accuracies of F and L")


def _expected_coverage(panel: Axes) -> None:
    panel.axhline(0.95, color=INK, alpha=style.FAINT, lw=1)
    panel.axhspan(0.93, 0.97, color=INK, alpha=0.06, lw=0)
    panel.set(title="coverage of nominal 95 % intervals", ylim=(0.915, 0.985))


def _bias(panel: Axes, binary: xr.Dataset, recorded: bool) -> None:
    """The steadied bias of each pair of accuracies.

    The same plus the mean correction for Miller-Madow.
    """
    pairs = np.unique(np.stack([binary.accuracy, binary.simple], axis=1), axis=0)
    for index, (colour, (a, b)) in enumerate(zip(_PAIR_COLOURS, pairs, strict=False)):
        part = cells_where(binary, accuracy=a, simple=b)
        label = f"{a:g} and {b:g}" if recorded else None
        look = {"fmt": "o", "color": colour, "elinewidth": 0.8, **_MARKS[recorded]}
        _with_errors(panel, part, _apart(part, 0.07 * (index - 1)), label, look)


def _with_errors(
    panel: Axes, part: xr.Dataset, x: Array, label: str | None, look: dict[str, Any]
) -> None:
    """Both estimators; the plug-in bears the label."""
    plain, corrected, error = _biases(part)
    panel.errorbar(x, plain, error, label=label, **look)
    panel.errorbar(x, corrected, error, **look)


def _biases(part: xr.Dataset) -> tuple[Array, Array, Array]:
    """Of the plug-in mu and of Miller-Madow's, and their 95 % errors, each (cell,), in k."""
    k = 1 / (2 * part.n.values * np.log(2))
    plain, corrected = (
        part.bias.sel(quantity="mu", estimator=name) for name in ("plug-in", "miller-madow")
    )
    steadied, added = part.steadied.values, (corrected - plain).values
    return steadied / k, (steadied + added) / k, 1.96 * part.steadied_error.values / k


def _apart(cells: xr.Dataset, shift: float) -> Array:
    """N of each cell (cell,), moved sideways, so that no mark hides another."""
    return cells.n.values * np.exp(shift + seeds.spread(cells.sizes["cell"], 0.02))


def _coverage(panel: Axes, binary: xr.Dataset, recorded: bool) -> None:
    """How often the intervals of each method hold the truth."""
    for index, (method, (colour, *_)) in enumerate(_METHODS.items()):
        covered = binary.coverage.sel(interval=method).values
        x = _apart(binary, 0.06 * (index - 1))
        panel.plot(x, covered, "o", color=colour, **_MARKS[recorded])


def multiclass(recorded: xr.Dataset, simulated: xr.Dataset) -> Picture:
    """Ten digits over steps: mu with its baselines, what L leaves.

    And against N both errors of a simulated mu.
    """
    ten = recorded.sel(classes=10)
    with axes(3, height=3.6, width=8.2) as (figure, (left, middle, right)):
        _with_baselines(left, ten)
        _left_by_l(middle, ten)
        for panel in (left, middle):
            panel.set(xscale="log", xlabel="steps")
            ticks.only(panel.xaxis, 10 ** np.arange(1, 1 + int(np.log10(ten.step[-1]))), ",")
        _simulated(right, cells_where(simulated, kind="ten"))
        left.legend(loc="lower right", bbox_to_anchor=(1.02, 0.12), handlelength=1.2)
        middle.legend(loc="upper left", handlelength=1.2)
        right.legend(loc="lower left", handlelength=1.2)
        return finish(
            figure,
            "Ten classes: mu and what is left, with permutation baselines, over steps; errors of "
            "mu against N.",
        )


def _with_baselines(panel: Axes, ten: xr.Dataset) -> None:
    """I(F;Y) and mu, and mu with two kinds of shuffled predictions."""
    plain = ten.found.sel(estimator="plug-in")
    shuffled = ten.shuffled.sel(estimator="plug-in", quantity="mu")
    _splits(panel, plain.sel(quantity="network"), INK, "I(F;Y)")
    _splits(panel, plain.sel(quantity="mu"), BLUE, "μ")
    _interval(panel, shuffled.sel(baseline="within the class"), ORANGE, "independent errors")
    _interval(panel, shuffled.sel(baseline="over all points"), RED, "shuffled")
    panel.set(title="ten digits: μ, bits")


def _left_by_l(panel: Axes, ten: xr.Dataset) -> None:
    """I(F;Y|L) by both estimators, and by the plug-in where its truth is zero."""
    plain, corrected = (
        ten.found.sel(quantity="beyond", estimator=name) for name in ("plug-in", "miller-madow")
    )
    nothing = ten.shuffled.sel(estimator="plug-in", quantity="beyond", baseline="within L's class")
    _splits(panel, plain, BLUE, "plug-in")
    _splits(panel, corrected, PURPLE, "Miller–Madow")
    _interval(panel, nothing, GREEN, "plug-in, truth 0")
    panel.set(title="ten digits: I(F;Y|L), bits", ylim=(0, 1.5 * float(plain.max())))


def _simulated(panel: Axes, cells: xr.Dataset) -> None:
    """Bias of both estimators and sampling error of mu against N."""
    bias = abs(cells.bias.sel(quantity="mu"))
    for values, look, colour, label in (
        (bias.sel(estimator="plug-in"), "o-", BLUE, "plug-in, bias"),
        (bias.sel(estimator="miller-madow"), "o-", PURPLE, "Miller–Madow, bias"),
        (cells.mu_error, ":", INK, "sampling error"),
    ):
        means = values.groupby("n").mean()
        panel.plot(means.n, means, look, color=colour, label=label)
    panel.set(xscale="log", yscale="log", xlabel="test points N")
    panel.set(title="simulated: error of μ, bits")


def _splits(panel: Axes, values: xr.DataArray, colour: str, label: str) -> None:
    """(cell, probe) over steps, each split and their mean."""
    panel.plot(values.step, values.T, color=colour, alpha=0.25, lw=0.6)
    panel.plot(values.step, values.mean("cell"), color=colour, label=label)


def _interval(panel: Axes, values: xr.DataArray, colour: str, label: str) -> None:
    """The mean of the permutations and, thin, the ends of their 95 %, averaged over splits."""
    low, centre, high = (
        values.sel(statistic=name).mean("cell") for name in ("low", "mean", "high")
    )
    for end in (low, high):
        panel.plot(values.step, end, color=colour, ls="--", lw=0.6)
    panel.plot(values.step, centre, color=colour, ls="--", lw=1.2, label=label)
