"""Tangent kernels beside the kernels of linear models: heat maps, spectra, and their gap."""

from collections.abc import Mapping, Sequence

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
            matrices = list(maps.values())
            for part in (slice(0, together), slice(together, None)):
                norm = _norm(matrices[part])
                drawn = zip(row[part], list(maps)[part], matrices[part], strict=True)
                for panel, title, matrix in drawn:
                    panel.imshow(_SCALE(norm(matrix))[..., :3], interpolation="none")
                    panel.set(title=title, xticks=[], yticks=[])
                _bar(figure, row[part], norm)
            row[0].set_ylabel(label)
        about = "Heat maps of tangent kernels, kernels of linear models, and their differences."
        return finish(figure, about)


def spectra(found: Mapping[str, tuple[Array, Array, Array]], kept: Mapping[str, int]) -> Picture:
    """Eigenvalues times d/n from the largest: kernel, model (the first `kept`), |difference|."""
    with axes(len(found), height=3.6, sharey=True) as (figure, panels):
        for panel, (name, (kernel, model, gap)) in zip(panels, found.items(), strict=True):
            for values, colour, width, alpha in (
                (model[: kept[name]], ORANGE, 3.4, 0.6),
                (kernel, BLUE, 1.2, 1), (gap, GREEN, 1.2, 1),
            ):  # fmt: skip
                ranks = np.arange(1, len(values) + 1)
                panel.plot(ranks, values, color=colour, lw=width, alpha=alpha)
            panel.set(xscale="log", yscale="log", xlabel="rank", title=f"{name}: eigenvalues × d/n")
        below(figure, [(BLUE, "kernel"), (ORANGE, "linear model"), (GREEN, "|difference|")])
        about = "Eigenvalues of the tangent kernel, of the linear model, and of their difference."
        return finish(figure, about)


def layers(fresh: Runs, recorded: Runs) -> Picture:
    """E against d, runs of `gram_gap`: first layer, second layer, and with or without the norm."""
    with axes(3, height=4.1, width=7.8) as (figure, (left, middle, right)):
        for panel, group, width, style in (
            (left, "first", "m = n", "-"), (left, "first", "fixed m", ":"),
            (middle, "narrow", "m = n", "--"), (middle, "wide", "m = n d", "-"),
        ):  # fmt: skip
            for name, colour in (("erf", BLUE), ("relu", ORANGE)):
                chosen = {"activation": name, "width": width, "inputs": "gaussian"}
                both = [runs(group, **chosen) for runs in (fresh, recorded)]
                _law(panel, both, "gap", colour, style)
        for law, style in (("gaussian", "-"), ("norms shrunk", "-.")):
            both = [runs("wide", activation="relu", inputs=law) for runs in (fresh, recorded)]
            _law(right, both, "gap", ORANGE, style)
            _law(right, both, "naive", RED, style)
        titles = ("first layer: E", "second layer: E", "second, ReLU, m = n d: E")
        for panel, title in zip((left, middle, right), titles, strict=True):
            _log(panel, title, (16, 32, 64, 128, 256, 512))
        entries = [(BLUE, "erf", "-"), (ORANGE, "ReLU", "-"), (RED, "ReLU, naive", "-")]
        looks = [(INK, "second, m = n", "--"), (INK, "fixed m", ":"), (INK, "norms shrunk", "-.")]
        below(figure, entries + looks)
        about = "Spectral gap between tangent kernel and linear model against the input dimension."
        return finish(figure, about)


def beyond(deep: tuple[Runs, Runs], patches: tuple[Runs, Runs]) -> Picture:
    """E against d, (fresh, recorded): `deep_gap` left, `patch_gap` for ReLU and for erf."""
    laws = (("half", "q = d/2", GREEN), ("eighth", "q = d/8", ORANGE), ("three", "q = 3", RED))
    with axes(3, height=4.1, width=7.8) as (figure, panels):
        for name, colour in (("erf", BLUE), ("tanh", PURPLE)):
            for variable, style in (("gap", "-"), ("gap_shallow", ":"), ("gap_last", "--")):
                _law(panels[0], [runs[name] for runs in deep], variable, colour, style)
        for name, panel in (("relu", panels[1]), ("erf", panels[2])):
            for group, _, colour in laws:
                both = [runs(group, activation=name) for runs in patches]
                _law(panel, both, "gap", colour)
        titles = ("deep: E", "one convolution, ReLU: E", "one convolution, erf: E")
        for panel, title in zip(panels, titles, strict=True):
            _log(panel, title, (32, 64, 128, 256))
        entries = [
            (BLUE, "erf, 4 layers", "-"), (PURPLE, "tanh, 5 layers", "-"),
            (INK, "c₁ of one layer", ":"), (INK, "c₁ / (L + 1)", "--"),
            *((colour, law, "-") for _, law, colour in laws),
        ]  # fmt: skip
        below(figure, entries)
        about = "Spectral gap against the input dimension, of deep networks and of one convolution."
        return finish(figure, about)


def entries(found: Mapping[str, tuple[Array, Array]], slope: float) -> Picture:
    """Entries y of a kernel against x of another, {title: (x, y)}, and the line y = slope x."""
    with axes(len(found), height=3.3, width=7.8) as (figure, panels):
        for panel, (title, (x, y)) in zip(panels, found.items(), strict=True):
            panel.plot(x, y, "o", color=BLUE, markersize=2.2, markeredgewidth=0, alpha=0.8)
            ends = np.array([x.min(), x.max()])
            panel.plot(ends, slope * ends, color=INK, lw=0.9, ls=":")
            panel.set(title=title, xlabel="x·x′ / d")
        about = "Entries of deep convolutional kernels against those of the data kernel."
        return finish(figure, about)


def _law(panel: Axes, both: Sequence[xr.Dataset], name: str, colour: str, style: str = "-") -> None:
    """Mean and range over the recorded seeds at each d, and the fresh seeds as circles."""
    fresh, recorded = both
    by_seed = recorded.set_index(cell=["seed", "dim"])[name].unstack("cell")
    values = by_seed.transpose("seed", "dim").values
    seeds.mean_and_range(panel, by_seed.dim, values, colour, style)
    circles = panel.plot(fresh.dim, fresh[name], "o", color=colour, fillstyle="none", markersize=3)
    circles[0].set_markeredgewidth(0.7)


def _log(panel: Axes, title: str, dims: Sequence[int]) -> None:
    panel.set(xscale="log", yscale="log", xlabel="input dimension d", title=title)
    ticks.only(panel.xaxis, dims)
    ticks.only(panel.yaxis, (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10))


def _norm(matrices: Sequence[Array]) -> Normalize:
    apart = np.concatenate([matrix[~np.eye(len(matrix), dtype=bool)] for matrix in matrices])
    centre = float(np.median(apart)) if apart.min() * apart.max() > 0 else 0.0
    reach = float(np.abs(apart - centre).max())
    return Normalize(centre - reach, centre + reach, clip=True)


def _bar(figure: Figure, panels: Array, norm: Normalize) -> None:
    colours = ScalarMappable(norm, _SCALE)
    bar = figure.colorbar(
        colours, ax=list(panels), location="bottom", aspect=30, fraction=0.06, pad=0.04
    )
    bar.outline.set_visible(False)
    low, high = float(norm.vmin or 0), float(norm.vmax or 0)
    ends = [low, (low + high) / 2, high]
    bar.set_ticks(ends, labels=[f"{value:.2g}".replace("-", "−") for value in ends])
