"""Runs of an experiment whose numbers are made up, so that its judgement is seen on both sides."""

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import xarray as xr

from simplicity.grid.groups import Runs, runs_of
from simplicity.grid.run import assemble


def runs(module: ModuleType, settings: Any, values: Callable[[Any], Mapping[str, Any]]) -> Runs:
    """All runs that `settings` ask for, each with the variables that `values` makes for it."""
    parts = [(run, xr.Dataset(values(run))) for run in runs_of(module, settings)]
    whole = assemble(module, settings, parts)
    assert whole is not None
    return Runs(whole, module.GRID)
