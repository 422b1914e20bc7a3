"""The rules by which a step follows from a gradient g, with torch's defaults for their constants.

    gd:        p <- p - eta g
    momentum:  v <- 0.9 v + g,   p <- p - eta v                               v = 0 at the start
    adam:      u <- 0.9 u + 0.1 g,   s <- 0.999 s + 0.001 g^2                 u = s = 0 at the start
               p <- (1 - eta decay) p - eta u / (1 - 0.9^t) / (sqrt(s / (1 - 0.999^t)) + 1e-8)

in step t = 1, 2, ...; AdamW is Adam with a decay of the weights.
"""

DECAY = {"gd": 0.0, "momentum": 0.0, "adam": 0.0, "adamw": 0.01}
MOMENTUM, BETA1, BETA2, EPSILON = 0.9, 0.9, 0.999, 1e-8
