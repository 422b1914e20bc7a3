"""Boursier & Flammarion 2025: early alignment, extremal vectors, the optimization threshold."""

import simplicity.process  # noqa: F401
