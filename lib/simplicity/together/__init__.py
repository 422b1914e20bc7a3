"""One run under all four lenses.

`watched` trains a network that starts at zero, `strata` are the conditions of its runs; `lenses`
are three papers' looks at one network, `ends` when each says that the simple phase is over, and
`phase_checks` the six predictions. `paper_sizes` runs what had more machine at its paper's size.
"""

import simplicity.process  # noqa: F401
