"""Nakkiran et al. 2019: a linear classifier explains early performance, in bits.

Set-up: `explain` is a network with its simple classifiers, `explain_checks` their criteria; tasks
are in `complexity`, `plane`, `one_hot`; `rivals` are other simple classifiers.
Engines: `dense` trains small networks, `least_squares` the theorem's linear model.
Instruments: `information` in bits, `laws` that are known exactly, `linear_phase`, `leaving`,
`simple_start` in closed form.
"""
