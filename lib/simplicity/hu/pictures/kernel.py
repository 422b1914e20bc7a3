"""Tangent kernels beside the kernels of linear models: heat maps, spectra, and their gap."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from simplicity.grid.groups import Runs
from simplicity.pictures import seeds, ticks
from simplicity.pictures.legends import below
from simplicity.pictures.style import BLUE, GREEN, INK, ORANGE, PURPLE, RED, Picture, axes, finish

Array = NDArray[np.floating]

_MIDDLE = "#f4f1ea"  # a value of 0 on either page
_SCALE = LinearSegmentedColormap.from_list("entries", [BLUE, _MIDDLE, ORANGE])


def heat_maps(rows: Sequence[tuple[str, Mapping[str, Array], int]]) -> Picture:
    """A row of three maps for each (label, {title: matrix}, how many from the left share a scale).

    A scale reaches from its middle (0, or the median where all entries have one sign) to the
    farthest off-diagonal entry; the diagonal may lie outside and then has the colour of the end.
    """
    with axes(1, height=3.15 * len(rows)) as (figure, _):
        figure.clear()
        panels = figure.subplots(len(rows), 3, squeeze=False)
        for row, (label, maps, together) in zip(panels, rows, strict=True):
            _maps_of_a_row(figure, row, list(maps.items()), together)
            row[0].set_ylabel(label)
        about = "Heat maps of tangent kernels, kernels of linear models, and their differences."
        return finish(figure, about)


Titled = Sequence[tuple[str, Array]]


def _maps_of_a_row(figure: Figure, row: Array, titled: Titled, together: int) -> None:
    """Two groups of maps, each with a scale of its own."""
    _on_one_scale(figure, row[:together], titled[:together])
    _on_one_scale(figure, row[together:], titled[together:])


def _on_one_scale(figure: Figure, panels: Array, titled: Titled) -> None:
    """Maps that share a scale, and its bar."""
    norm = _norm([matrix for _, matrix in titled])
    for panel, (title, matrix) in zip(panels, titled, strict=True):
        panel.imshow(_SCALE(norm(matrix))[..., :3], interpolation="none")
        panel.set(title=title, xticks=[], yticks=[])
    _bar(figure, panels, norm)


def spectra(found: Mapping[str, tuple[Array, Array, Array]], kept: Mapping[str, int]) -> Picture:
    """Eigenvalues times d/n from the largest: kernel, model (the first `kept`), |difference|."""
    with axes(len(found), height=3.6, sharey=True) as (figure, panels):
        for panel, (name, (kernel, model, gap)) in zip(panels, found.items(), strict=True):
            _spectrum(panel, kernel, model[: kept[name]], gap)
            panel.set(xscale="log", yscale="log", xlabel="rank", title=f"{name}: eigenvalues × d/n")
        below(figure, [(BLUE, "kernel"), (ORANGE, "linear model"), (GREEN, "|difference|")])
        about = "Eigenvalues of the tangent kernel, of the linear model, and of their difference."
        return finish(figure, about)


def _spectrum(panel: Axes, kernel: Array, model: Array, gap: Array) -> None:
    _by_rank(panel, model, ORANGE, lw=3.4, alpha=0.6)
    _by_rank(panel, kernel, BLUE, lw=1.2)
    _by_rank(panel, gap, GREEN, lw=1.2)


def _by_rank(panel: Axes, values: Array, colour: str, lw: float, alpha: float = 1) -> None:
    panel.plot(np.arange(1, len(values) + 1), values, color=colour, lw=lw, alpha=alpha)


Both = tuple[Runs, Runs]  # fresh, recorded
_LAYER_DIMS, _BEYOND_DIMS = (16, 32, 64, 128, 256, 512), (32, 64, 128, 256)
_OF_LAYERS = (
    (BLUE, "erf", "-"), (ORANGE, "ReLU", "-"), (RED, "ReLU, naive", "-"),
    (INK, "second, m = n", "--"), (INK, "fixed m", ":"), (INK, "norms shrunk", "-."),
)  # fmt: skip


def layers(fresh: Runs, recorded: Runs) -> Picture:
    """E against d, runs of `gram_gap`: first layer, second layer, and with or without the norm."""
    both = fresh, recorded
    with axes(3, height=4.1, width=7.8) as (figure, (left, middle, right)):
        _of_width(left, both, "first", {"m = n": "-", "fixed m": ":"})
        _of_width(middle, both, "narrow", {"m = n": "--"})
        _of_width(middle, both, "wide", {"m = n d": "-"})
        _with_norms(right, both)
        _log(left, "first layer: E", _LAYER_DIMS)
        _log(middle, "second layer: E", _LAYER_DIMS)
        _log(right, "second, ReLU, m = n d: E", _LAYER_DIMS)
        below(figure, _OF_LAYERS)
        about = "Spectral gap between tangent kernel and linear model against the input dimension."
        return finish(figure, about)


def _of_width(panel: Axes, both: Both, group: str, widths: Mapping[str, str]) -> None:
    """Laws of erf and ReLU for Gaussian inputs at each width, {width: style}."""
    for width, style in widths.items():
        for name, colour in (("erf", BLUE), ("relu", ORANGE)):
            chosen = {"activation": name, "width": width, "inputs": "gaussian"}
            _law(panel, [runs(group, **chosen) for runs in both], "gap", colour, style)


def _with_norms(panel: Axes, both: Both) -> None:
    """ReLU's gap to the model with the norm and to the naive one, for two laws of the inputs."""
    for law, style in (("gaussian", "-"), ("norms shrunk", "-.")):
        chosen = [runs("wide", activation="relu", inputs=law) for runs in both]
        _law(panel, chosen, "gap", ORANGE, style)
        _law(panel, chosen, "naive", RED, style)


_PATCHES = (("half", "q = d/2", GREEN), ("eighth", "q = d/8", ORANGE), ("three", "q = 3", RED))
_BEYOND = (
    (BLUE, "erf, 4 layers", "-"), (PURPLE, "tanh, 5 layers", "-"),
    (INK, "c₁ of one layer", ":"), (INK, "c₁ / (L + 1)", "--"),
    *((colour, law, "-") for _, law, colour in _PATCHES),
)  # fmt: skip


def beyond(deep: Both, patches: Both) -> Picture:
    """E against d, (fresh, recorded): `deep_gap` left, `patch_gap` for ReLU and for erf."""
    with axes(3, height=4.1, width=7.8) as (figure, (left, middle, right)):
        _of_depth(left, deep)
        _of_patches(middle, patches, "relu")
        _of_patches(right, patches, "erf")
        _log(left, "deep: E", _BEYOND_DIMS)
        _log(middle, "one convolution, ReLU: E", _BEYOND_DIMS)
        _log(right, "one convolution, erf: E", _BEYOND_DIMS)
        below(figure, _BEYOND)
        about = "Spectral gap against the input dimension, of deep networks and of one convolution."
        return finish(figure, about)


def _of_depth(panel: Axes, deep: Both) -> None:
    """The gap with c₁ as derived, with that of one layer, and without the factor L + 1."""
    for name, colour in (("erf", BLUE), ("tanh", PURPLE)):
        for variable, style in (("gap", "-"), ("gap_shallow", ":"), ("gap_last", "--")):
            _law(panel, [runs[name] for runs in deep], variable, colour, style)


def _of_patches(panel: Axes, patches: Both, activation: str) -> None:
    """The gap for each size of a patch."""
    for group, _, colour in _PATCHES:
        _law(panel, [runs(group, activation=activation) for runs in patches], "gap", colour)


def entries(found: Mapping[str, tuple[Array, Array]], slope: float) -> Picture:
    """Entries y of a kernel against x of another, {title: (x, y)}, and the line y = slope x."""
    with axes(len(found), height=3.3, width=7.8) as (figure, panels):
        for panel, (title, (x, y)) in zip(panels, found.items(), strict=True):
            panel.plot(x, y, "o", color=BLUE, markersize=2.2, markeredgewidth=0, alpha=0.8)
            _line(panel, x, slope)
            panel.set(title=title, xlabel="x·x′ / d")
        about = "Entries of deep convolutional kernels against those of the data kernel."
        return finish(figure, about)


def _line(panel: Axes, x: Array, slope: float) -> None:
    """y = slope x, as far as x reaches."""
    ends = np.array([x.min(), x.max()])
    panel.plot(ends, slope * ends, color=INK, lw=0.9, ls=":")


_CIRCLES: dict[str, Any] = {"fillstyle": "none", "markersize": 3, "markeredgewidth": 0.7}


def _law(panel: Axes, both: Sequence[xr.Dataset], name: str, colour: str, style: str = "-") -> None:
    """Mean and range over the recorded seeds at each d, and the fresh seeds as circles."""
    fresh, recorded = both
    by_seed = _by_seed(recorded, name)
    seeds.mean_and_range(panel, by_seed.dim, by_seed.values, colour, style)
    panel.plot(fresh.dim, fresh[name], "o", color=colour, **_CIRCLES)


def _by_seed(cells: xr.Dataset, name: str) -> xr.DataArray:
    """A variable (seed, dim)."""
    return cells.set_index(cell=["seed", "dim"])[name].unstack("cell").transpose("seed", "dim")


def _log(panel: Axes, title: str, dims: Sequence[int]) -> None:
    panel.set(xscale="log", yscale="log", xlabel="input dimension d", title=title)
    ticks.only(panel.xaxis, dims)
    ticks.only(panel.yaxis, (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10))


def _norm(matrices: Sequence[Array]) -> Normalize:
    apart = np.concatenate([_off_diagonal(matrix) for matrix in matrices])
    centre = _middle(apart)
    reach = float(np.abs(apart - centre).max())
    return Normalize(centre - reach, centre + reach, clip=True)


def _middle(entries: Array) -> float:
    """The median where all entries have one sign, else 0."""
    return float(np.median(entries)) if entries.min() * entries.max() > 0 else 0.0


def _off_diagonal(matrix: Array) -> Array:
    return matrix[~np.eye(len(matrix), dtype=bool)]


def _bar(figure: Figure, panels: Array, norm: Normalize) -> None:
    bar = figure.colorbar(
        ScalarMappable(norm, _SCALE), ax=list(panels),
        location="bottom", aspect=30, fraction=0.06, pad=0.04,
    )  # fmt: skip
    bar.outline.set_visible(False)
    values, told = _ends_and_middle(norm)
    bar.set_ticks(values, labels=told)


def _ends_and_middle(norm: Normalize) -> tuple[list[float], list[str]]:
    """Three values of a scale, as numbers and as text with a minus sign."""
    low, high = float(norm.vmin or 0), float(norm.vmax or 0)
    values = [low, (low + high) / 2, high]
    return values, [f"{value:.2g}".replace("-", "−") for value in values]
