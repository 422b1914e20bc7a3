"""One run under all four lenses."""
