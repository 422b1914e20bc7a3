"""A record as a picture: a panel for each lens, against the step of training."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from simplicity.pictures.style import BLUE, GREEN, INK, ORANGE, Picture, axes, finish

Draw = tuple[tuple[str, str, str, str], ...]  # variable, label, style, colour

_CURVES: dict[str, Draw] = {
    "linear_explainability": (
        ("information", "I(F;Y)", "-", BLUE), ("mu", "explained, μ", "--", BLUE),
        ("linear_information", "I(L;Y)", "-", INK), ("mu_rival", "μ, rival", "--", ORANGE),
        ("mu_null", "μ, chance", ":", INK),
    ),
    "linear_gap": (
        ("nonlinear", "not linear in the inputs", "-", BLUE),
        ("tangent_gap", "off the linearised start", "--", ORANGE),
    ),
    "bias_trajectory": (
        ("bias_slope", "step of the bias |∂f/∂b|", "--", ORANGE),
        ("bias_step", "step as taken", ":", INK),
        ("lipschitz", "Lipschitz constant |∂f/∂x|", "-", BLUE),
    ),
    "alignment": (
        ("alignment", "cosine with early force", "-", BLUE),
        ("aligned", "weight above 0.99", ":", GREEN),
    ),
}  # fmt: skip
_TITLES = {
    "linear_explainability": "bits known of the label",
    "linear_gap": "share that is not linear",
    "bias_trajectory": "slopes",
    "alignment": "alignment of neurons",
}


def panels(dataset: xr.Dataset) -> Picture:
    """Up to two panels a row, one for each lens; `dataset` is a record's."""
    chosen = _lenses(dataset)
    rows = -(-len(chosen) // 2)
    with axes(1, height=0.4 + 3.0 * rows) as (figure, _):
        figure.clear()
        grid: Any = figure.subplots(rows, min(2, len(chosen)), squeeze=False).ravel()
        for number, (panel, (name, layer)) in enumerate(zip(grid, chosen, strict=False), 1):
            _curves(panel, dataset, name, layer)
            _axes(panel, dataset, name)
            panel.set_title(f"{number}  {_TITLES[name]}" + (f", layer {layer}" if layer else ""))
        for panel in grid[len(chosen) :]:
            panel.set_axis_off()
        words = "; ".join(_TITLES[name] for name, _ in chosen)
        return finish(figure, f"Over the steps of training: {words}.")


def _lenses(dataset: xr.Dataset) -> list[tuple[str, str]]:
    """Kind and layer of each lens, in the order of the record."""
    names = dict.fromkeys(values.attrs["lens"] for values in dataset.data_vars.values())
    parts = (name.partition("(") for name in names)
    return [(kind, rest.rstrip(")").strip('"')) for kind, _, rest in parts]


def _curves(panel: Axes, dataset: xr.Dataset, name: str, layer: str) -> None:
    for variable, label, style, colour in _CURVES[name]:
        values = _of(dataset, variable, layer)
        if values is not None:
            panel.plot(dataset.step.values, values, style, color=colour, label=label)


def _axes(panel: Axes, dataset: xr.Dataset, name: str) -> None:
    _steps(panel, float(max([1, *dataset.step.values])))
    if name != "alignment":
        panel.set_ylim(bottom=0)
    if name == "linear_gap":
        panel.set_ylim(0, 1.02)
    panel.legend(handlelength=1.6)


def _steps(panel: Axes, last: float) -> None:
    """The lower axis: 0, then powers of ten."""
    panel.set_xscale("symlog", linthresh=1, linscale=0.3)
    ticks = [0.0, *(10.0**power for power in range(int(np.log10(last)) + 1))]
    panel.set_xticks(ticks, [f"{at:,.0f}".replace(",", " ") for at in ticks])
    panel.set(xlim=(0, last), xlabel="step")
    panel.minorticks_off()


def _of(dataset: xr.Dataset, variable: str, layer: str) -> np.ndarray | None:
    for name in (variable, f"{variable}_{layer.replace('.', '_')}"):
        if name in dataset and np.isfinite(dataset[name].values).any():
            return np.asarray(dataset[name].values)
    return None
