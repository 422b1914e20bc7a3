"""Where torch computes: the processor, or a card that it finds."""

import torch

from simplicity.problems import Problem, shown


def found(name: str) -> torch.device:
    """The device of this name, `cpu`, `cuda` or `cuda:1`; a `Problem` where there is none such."""
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError, TypeError):
        raise Problem(
            f"device: got {shown(name)}, allowed one that torch finds here, such as cpu"
        ) from None
    return torch.device(name)
