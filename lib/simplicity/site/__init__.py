"""The book: executing chapters, building the site, reading text notebooks with papermill. Imports
nothing but `process` by itself.
"""

import simplicity.process  # noqa: F401
