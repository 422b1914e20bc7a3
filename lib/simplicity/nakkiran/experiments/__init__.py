"""Experiments: one module each with `Config`, `cells`, `measure` and `checks`."""
