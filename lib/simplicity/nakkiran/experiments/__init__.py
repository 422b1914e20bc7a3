"""Experiments: one module each with a `Grid` of runs, `measure` and `checks`."""

import simplicity.process  # noqa: F401
