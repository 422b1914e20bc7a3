"""Measures: pure functions from arrays to numbers. Import the modules by name."""
