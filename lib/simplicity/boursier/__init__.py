"""Boursier & Flammarion 2025: early alignment, extremal vectors, the optimization threshold.

Set-up: `synthetic` draws data, `linear_teacher` is one run, `criteria` what checks share.
Engines: `two_layer` is gradient descent (its steps in `two_layer_by_neurons` and
`two_layer_by_samples`), `cones` the same where neurons go together, `gelu_and_adam` is what the
name says, `adam_by_neurons` also momentum and minibatches, `on_device` all on a card,
`independent_batches` minibatches that are drawn by themselves; `driver` is what they share,
`rules` holds the constants of their rules.
Instruments: `alignment` (forces), `ols` (the theorem's two fits), `early`, `extremal`, `sectors`
(of a circle, with one force each), `landscape`, `assumptions`, `effective_width`,
`levenberg_marquardt`, `snapshots`.
"""

import simplicity.process  # noqa: F401
