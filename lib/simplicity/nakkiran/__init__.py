"""Nakkiran et al. 2019: a linear classifier explains early performance, in bits."""
