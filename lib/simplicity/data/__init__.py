"""Data sets: generators that take a random generator and return arrays. Import the modules by
name.
"""

import simplicity.process  # noqa: F401
