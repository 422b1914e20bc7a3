"""Runs of an experiment that were not made: each came out as a test says."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import numpy as np
import xarray as xr

from simplicity.grid.groups import Runs

Outcome = Callable[[Any], Mapping[str, Any]]


def outcomes(
    experiment: ModuleType, outcome: Outcome, dims: Mapping[str, str] | None = None, **settings: Any
) -> Runs:
    """QUICK with `settings`; `outcome(run)` gives the values of a run, `dims` the axis of those
    that have one.
    """
    grid = experiment.GRID
    config = dataclasses.replace(grid.presets["QUICK"], **settings)
    rows = [(dataclasses.asdict(run), outcome(run)) for run in grid.runs(config)]
    fields = {name: ("cell", np.array([row[name] for row, _ in rows])) for name in rows[0][0]}
    axes = {name: ("cell", *(dims or {}).get(name, "").split()) for name in rows[0][1]}
    values = {
        name: (axes[name], np.array([found[name] for _, found in rows])) for name in rows[0][1]
    }
    attrs = {"config": json.dumps(dataclasses.asdict(config)), "preset": "custom"}
    return Runs(xr.Dataset(values, fields, attrs), grid)
