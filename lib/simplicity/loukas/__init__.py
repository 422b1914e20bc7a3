"""Loukas et al. 2021: what the path of the first bias tells of the function that is learned.

Set-up: `cosine` is the regression task, `image_task` two classes of images and what is kept of a
run, `little_network` images for a little convolution, `criteria` what checks share,
`corruption_checks` those of wrong labels.
Engines, a sample a step: `single_sample`, `single_image` (convolutions; `single_image_steps` is
compiled), `single_sample_autograd` (the reference), `dropout`; `windows` is what all but `dropout`
keep.
Instruments: `trajectory` of the bias, `lipschitz` constants, linear `regions`, `steady` learners,
`rank_correlations` over runs.
"""

import simplicity.process  # noqa: F401
