"""Linear regions over the plane of a network's data, as in Loukas et al.'s Figure 6."""

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, LogNorm, Normalize, hsv_to_rgb, to_rgb
from numpy.typing import NDArray

from simplicity.pictures import ticks
from simplicity.pictures.style import BLUE, INK, ORANGE, Picture, axes, finish

Array = NDArray[np.floating]

# no bound, and a training point's own region: the same on either page
_DARK, _LIGHT = "#17171f", "#ffffff"
_SCALE = "Spectral_r"
_STEPS = (0.618034, 0.754878, 0.569840)  # from a number to the next, of hue, strength and light


def four(maps: xr.Dataset, target: Array, points: Array) -> Picture:
    """Ground truth, regions, local constants, the bound far from data, as maps over (v, u).

    `maps` is one cell of `empty_regions` with its maps, `target` (side, side) the cosine, `points`
    (n, 2) training points.
    """
    local, far = maps.map_local.values, maps.map_far.values
    norm = _common_scale(local, far)
    shown = {
        "ground truth, from −1 to 1": _truth(target),
        "linear regions; dots: training points": regions(maps.map_region.values),
        "local Lipschitz constant": _coloured(local, norm),
        "bound far from the data": _bounds(far, norm),
    }
    with axes(2, height=7.9, width=7.4) as (figure, _):
        figure.clear()
        panels = figure.subplots(2, 2, sharex=True, sharey=True)
        for panel, (title, colours) in zip(panels.flat, shown.items(), strict=True):
            _show(panel, colours, title)
        for panel in panels[0]:
            _dots(panel, points)
        label = "local Lipschitz constant, and its bound (log scale); "
        _bar(figure, panels[1], norm, label + "white: training region; black: no bound")
        return finish(
            figure,
            "Over the plane of the data: a cosine, the linear regions of a trained network, their "
            "slopes, and bounds.",
        )


def _dots(panel: Axes, points: Array) -> None:
    panel.plot(*points.T, "o", color="#26262e", markersize=1.7, markeredgewidth=0, alpha=0.85)


def _common_scale(local: Array, far: Array) -> LogNorm:
    """Of the local constants and of the bounds."""
    return _scale(np.concatenate([local[local > 0], far[_bounded(far)]]))


def _truth(target: Array) -> Array:
    """The colours of values from -1 to 1."""
    scale = LinearSegmentedColormap.from_list("truth", [BLUE, "#f4f1ea", ORANGE])
    return scale(Normalize(-1, 1)(target))[..., :3]


def _bounded(far: Array) -> NDArray[np.bool_]:
    """Where there is a bound and no training point in the region."""
    return np.isfinite(far) & (far > 0)


def _bounds(far: Array, norm: LogNorm) -> Array:
    """The colours of bounds: 0 stands for a training region, NaN for no bound."""
    colours = _coloured(np.where(_bounded(far), far, 1), norm)
    colours[far == 0], colours[np.isnan(far)] = to_rgb(_LIGHT), to_rgb(_DARK)
    return colours


def untrained(maps: xr.Dataset) -> Picture:
    """The same network before training: its regions, and its local constants on their own scale."""
    local = maps.map_local_start.values
    norm = _scale(local[local > 0])
    with axes(2, height=4.3, sharey=True) as (figure, (left, right)):
        _show(left, regions(maps.map_region_start.values), "untrained: linear regions")
        _show(right, _coloured(local, norm), "untrained: local Lipschitz constant")
        _bar(figure, [left, right], norm, "local Lipschitz constant (log scale)")
        return finish(
            figure,
            "Linear regions of the untrained network over the plane of the data, and their slopes.",
        )


def regions(number: Array) -> Array:
    """A colour for each number, (side, side, 3).

    Hues are far apart for numbers that follow each other.
    """
    hue, strength, light = (number.astype(int) * step % 1 for step in _STEPS)
    return hsv_to_rgb(np.stack([hue, 0.18 + 0.27 * strength, 0.70 + 0.26 * light], axis=-1))


def _scale(values: Array) -> LogNorm:
    """Logarithmic, over all but the most extreme of the values."""
    low, high = np.quantile(values, [0.01, 0.995]) if len(values) else (0.1, 1.0)
    return LogNorm(low, max(high, low * 1.01))


def _coloured(values: Array, norm: LogNorm) -> Array:
    """The scale's colours, (side, side, 3).

    What is below its least value, 0 too, has the colour of that.
    """
    found = matplotlib.colormaps[_SCALE](norm(np.maximum(values, float(norm.vmin or 0))))
    return np.asarray(found)[..., :3]


def _show(panel: Axes, colours: Array, title: str) -> None:
    panel.imshow(colours, origin="lower", extent=(-1, 1, -1, 1), interpolation="none")
    panel.set(title=title, xticks=[-1, 0, 1], yticks=[-1, 0, 1])
    panel.tick_params(length=2)
    panel.spines[:].set_visible(True)


def _bar(figure, panels, norm: LogNorm, label: str) -> None:  # type: ignore[no-untyped-def]
    where = {"location": "bottom", "aspect": 50, "fraction": 0.05, "pad": 0.03}
    bar = figure.colorbar(ScalarMappable(norm, _SCALE), ax=list(panels), **where)
    bar.set_label(label, color=INK)
    bar.outline.set_visible(False)
    ticks.only(bar.ax.xaxis, sorted([*ticks.PLAIN, 0.15, 0.3]))
