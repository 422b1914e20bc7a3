"""Hu et al. 2020: early training is training a linear model."""

import simplicity.process  # noqa: F401
