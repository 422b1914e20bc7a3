"""Grids of cells: settings, runs, the store of finished cells, the age of results, clusters."""
