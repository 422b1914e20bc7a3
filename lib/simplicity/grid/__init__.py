"""Grids of cells: settings, runs, the store of finished cells, what a result is as old as,
clusters.
"""

import simplicity.process  # noqa: F401
