"""Hu et al. 2020: early training is training a linear model.

Set-up: `early_linear` is a network beside its linear model, `linear_images` the same on images
(the model in `image_model`, what is early in `early_window`), `high_dimensional` inputs and labels;
`kernel_checks`, `early_linear_checks` and `linear_images_checks` what checks share.
Engines: `ntk` (with `erf_block`) and `full_batch` are gradient descent, `on_device` both on a card,
`linear_descent` the model's steps all at once.
Instruments: `kernel` of two layers, `deep_kernel` of many, `kernel_operators` without the matrix,
`gaussian_moments` in closed form, `spans` of the inputs.
"""

import simplicity.process  # noqa: F401
