"""The book: executing chapters, building the site, reading text notebooks with papermill. Imports
nothing but `process` by itself.
"""

import sys

import simplicity.process  # noqa: F401

# One of nbformat's checks, which no notebook asks for, builds its grammars as soon as it is
# imported, which takes a second in every process.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
