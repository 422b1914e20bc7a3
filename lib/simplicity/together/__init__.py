"""One run under all four lenses."""

import simplicity.process  # noqa: F401
