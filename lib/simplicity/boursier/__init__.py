"""Boursier & Flammarion 2025: early alignment, extremal vectors, the optimization threshold.

Set-up: `synthetic` draws data, `linear_teacher` is one run, `criteria` what checks share.
Engines: `two_layer` is gradient descent (its steps in `two_layer_by_neurons` and
`two_layer_by_samples`), `cones` the same where neurons go together, `optimisers` Adam and GeLU,
`moments` momentum and minibatches, `on_device` all on a card, `independent_batches` minibatches
that are drawn by themselves; `driver` is what they share.
Instruments: `alignment` (forces, the theorem's two fits), `early`, `extremal`, `landscape`,
`assumptions`, `groups` (effective width), `polish` (Levenberg and Marquardt), `snapshots`.
"""

import simplicity.process  # noqa: F401
