"""Tangent kernels beside the kernels of linear models: heat maps, spectra, and the gap between them against d."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from simplicity.evidence.claims import cells_where
from simplicity.pictures.style import BLUE, GREEN, INK, ORANGE, PURPLE, RED, Picture, axes, finish

Array = NDArray[np.floating]
Of = Callable[[xr.Dataset], xr.DataArray]

_MIDDLE = "#f4f1ea"  # a value of 0 on either page
_SCALE = LinearSegmentedColormap.from_list("entries", [BLUE, _MIDDLE, ORANGE])


def heat_maps(rows: Sequence[tuple[str, Mapping[str, Array], int]]) -> Picture:
    """A row of three square maps for each (label, {title: matrix}, how many from the left share a scale); so do the rest.

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
                for panel, title, matrix in zip(row[part], list(maps)[part], matrices[part], strict=True):
                    panel.imshow(_SCALE(norm(matrix))[..., :3], interpolation="none")
                    panel.set(title=title, xticks=[], yticks=[])
                _bar(figure, row[part], norm)
            row[0].set_ylabel(label)
        return finish(figure, "Heat maps of tangent kernels, of the kernels of linear models, and of their differences.")


def spectra(found: Mapping[str, tuple[Array, Array, Array]], kept: Mapping[str, int]) -> Picture:
    """Eigenvalues times d/n, largest first: of the kernel, of the model the first `kept`, and |those of the difference|."""
    with axes(len(found), height=3.6, sharey=True) as (figure, panels):
        for panel, (name, (kernel, model, gap)) in zip(panels, found.items(), strict=True):
            for values, colour, width in ((model[: kept[name]], ORANGE, 3.4), (kernel, BLUE, 1.2), (gap, GREEN, 1.2)):
                panel.plot(np.arange(1, len(values) + 1), values, color=colour, lw=width, alpha=0.6 if width > 2 else 1)
            panel.set(xscale="log", yscale="log", xlabel="rank", title=f"{name}: eigenvalues × d/n")
        _legend(figure, [(BLUE, "kernel", "-"), (ORANGE, "linear model", "-"), (GREEN, "|difference|", "-")])
        return finish(figure, "Eigenvalues of the tangent kernel, of the linear model, and of their difference.")


def layers(fresh: xr.Dataset, recorded: xr.Dataset, widths: tuple[str, str, str], shrunk: str) -> Picture:
    """E against d of cells of `gram_gap`: first layer, second layer, and the norm feature; `widths` are narrow, wide, fixed."""
    narrow, wide, fixed = widths
    with axes(3, height=4.1, width=7.8) as (figure, (left, middle, right)):
        for name, colour in (("erf", BLUE), ("relu", ORANGE)):
            for layer, width, style, panel in (
                ("first", narrow, "-", left), ("first", fixed, ":", left),
                ("second", narrow, "--", middle), ("second", wide, "-", middle),
            ):  # fmt: skip
                chosen = {"layer": layer, "activation": name, "width": width, "inputs": "gaussian"}
                _law(panel, fresh, recorded, chosen, lambda one: one.gap, colour, style)
        chosen = {"layer": "second", "activation": "relu", "width": wide}
        for law, style in (("gaussian", "-"), (shrunk, "-.")):
            _law(right, fresh, recorded, chosen | {"inputs": law}, lambda one: one.gap, ORANGE, style)
            _law(right, fresh, recorded, chosen | {"inputs": law}, lambda one: one.naive, RED, style)
        left.set(title="first layer: E")
        middle.set(title="second layer: E")
        right.set(title="second, ReLU, m = n d: E")
        for panel in (left, middle, right):
            _log(panel, (16, 32, 64, 128, 256, 512))
        entries = [(BLUE, "erf", "-"), (ORANGE, "ReLU", "-"), (RED, "ReLU, naive", "-")]
        looks = [(INK, narrow.replace("m", "second, m", 1), "--"), (INK, "fixed m", ":"), (INK, "norms shrunk", "-.")]
        _legend(figure, entries + looks)
        return finish(figure, "Spectral gap between tangent kernel and linear model against the input dimension.")


def beyond(deep: tuple[xr.Dataset, xr.Dataset], patches: tuple[xr.Dataset, xr.Dataset], laws: tuple[str, str, str]) -> Picture:
    """E against d, (fresh, recorded) of `deep_gap` in the left panel, of `patch_gap` for ReLU and for erf in the others."""
    with axes(3, height=4.1, width=7.8) as (figure, panels):
        for name, colour in (("erf", BLUE), ("tanh", PURPLE)):
            for variable, style in (("gap", "-"), ("gap_shallow", ":")):
                _law(panels[0], *deep, {"activation": name}, lambda one, variable=variable: one[variable], colour, style)  # type: ignore[misc]
        for name, panel in (("relu", panels[1]), ("erf", panels[2])):
            for law, colour in zip(laws, (GREEN, ORANGE, RED), strict=True):
                _law(panel, *patches, {"activation": name, "patch": law}, lambda one: one.gap, colour, "-")
        for panel, title in zip(panels, ("deep: E", "one convolution, ReLU: E", "one convolution, erf: E"), strict=True):
            panel.set(title=title)
            _log(panel, (32, 64, 128, 256))
        entries = [(BLUE, "erf, 4 layers", "-"), (PURPLE, "tanh, 5 layers", "-"), (INK, "c₁ of one layer", ":")]
        _legend(figure, entries + [(colour, law, "-") for law, colour in zip(laws, (GREEN, ORANGE, RED), strict=True)])
        return finish(figure, "Spectral gap against the input dimension, for deep networks and for one convolution.")


def entries(found: Mapping[str, tuple[Array, Array]], slope: float) -> Picture:
    """Off-diagonal entries of a kernel against those of another; a panel for each {title: (x, y)}, and the line y = slope x."""
    with axes(len(found), height=3.3, width=7.8) as (figure, panels):
        for panel, (title, (x, y)) in zip(panels, found.items(), strict=True):
            panel.plot(x, y, "o", color=BLUE, markersize=2.2, markeredgewidth=0, alpha=0.8)
            ends = np.array([x.min(), x.max()])
            panel.plot(ends, slope * ends, color=INK, lw=0.9, ls=":")
            panel.set(title=title, xlabel="x·x′ / d")
        return finish(figure, "Off-diagonal entries of deep convolutional kernels against those of the data kernel.")


def _law(
    panel: Axes, fresh: xr.Dataset, recorded: xr.Dataset, chosen: Mapping[str, str], of: Of, colour: str, style: str
) -> None:
    """Mean and range over the recorded seeds at each d, and the fresh seeds as circles."""
    cells = cells_where(recorded, **chosen)
    dims = np.unique(cells.dim.values)
    values = [of(cells_where(cells, dim=dim)).values for dim in dims]
    panel.plot(dims, [found.mean() for found in values], color=colour, ls=style, lw=1.4)
    panel.fill_between(dims, [v.min() for v in values], [v.max() for v in values], color=colour, alpha=0.15, lw=0)
    page = cells_where(fresh, **chosen)
    panel.plot(page.dim.values, of(page).values, "o", color=colour, fillstyle="none", markersize=3, markeredgewidth=0.7)


def _log(panel: Axes, ticks: Sequence[int]) -> None:
    panel.set(xscale="log", yscale="log", xlabel="input dimension d")
    low, high = panel.get_xlim()
    shown = [tick for tick in ticks if low <= tick <= high]
    panel.set_xticks(shown, [str(tick) for tick in shown])
    panel.set_xticks([], minor=True)
    low, high = panel.get_ylim()
    plain = [tick for tick in (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10) if low <= tick <= high]
    panel.set_yticks(plain, [f"{tick:g}" for tick in plain])
    panel.set_yticks([], minor=True)


def _legend(figure: Figure, entries: Sequence[tuple[str, str, str]]) -> None:
    handles = [Line2D([], [], color=colour, label=label, ls=style) for colour, label, style in entries]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, handlelength=1.8)


def _norm(matrices: Sequence[Array]) -> Normalize:
    apart = np.concatenate([matrix[~np.eye(len(matrix), dtype=bool)] for matrix in matrices])
    centre = float(np.median(apart)) if apart.min() * apart.max() > 0 else 0.0
    reach = float(np.abs(apart - centre).max())
    return Normalize(centre - reach, centre + reach, clip=True)


def _bar(figure: Figure, panels: Array, norm: Normalize) -> None:
    bar = figure.colorbar(ScalarMappable(norm, _SCALE), ax=list(panels), location="bottom", aspect=30, fraction=0.06, pad=0.04)
    bar.outline.set_visible(False)
    ends = [float(norm.vmin or 0), float((norm.vmin or 0) + (norm.vmax or 0)) / 2, float(norm.vmax or 0)]
    bar.set_ticks(ends, labels=[f"{value:.2g}".replace("-", "−") for value in ends])
