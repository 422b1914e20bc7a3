"""One run under all four lenses.

`watched` trains a network that starts at zero, `strata` are the conditions of its runs; `lenses`
are three papers' looks at one network, `ends` when each says that the simple phase is over,
`phase_checks` the six predictions, and `share_checks` how much of a network the linear model
explains. `paper_sizes` runs what had more machine at its paper's size.
"""

import simplicity.process  # noqa: F401
