"""A copy of a network at which the lenses look: they never run the network that is trained.

The copy is in evaluation mode: dropout is off, and batch normalisation uses what it has
gathered. A network in half precision is looked at in single precision. Forward and backward
hooks are not copied, unless they are torch's own (weight and spectral normalisation): a hook may
write into what belongs to the training.
"""

import contextlib
import copy
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call

from simplicity.problems import Problem, nearest, shown

Forward = Callable[[nn.Module, Tensor], Any]
BLOCK = 256  # rows that are looked at together, which bounds the memory of activations
_HOOKS = (
    "_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks",
)  # fmt: skip
_HALF = (torch.float16, torch.bfloat16)
_SEED = 0  # of what a network draws while it is looked at: the same noise at each look


@contextlib.contextmanager
def untouched(device: torch.device) -> Iterator[None]:
    """Generators of torch, NumPy and Python are restored; inside, gradients on, autocast off."""
    cards = [device] if device.type == "cuda" else []
    states = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(cards, device_type="cuda"):
            _seed(cards)
            with torch.inference_mode(False), torch.enable_grad(), _no_autocast(device.type):
                yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])


def _seed(cards: list[torch.device]) -> None:
    """Of these devices and no other, as torch.manual_seed would."""
    random.seed(_SEED)
    np.random.seed(_SEED)
    torch.default_generator.manual_seed(_SEED)
    for card in cards:
        torch.cuda.default_generators[card.index or 0].manual_seed(_SEED)


def _no_autocast(kind: str) -> contextlib.AbstractContextManager[Any]:
    available = torch.amp.is_autocast_available(kind)
    return torch.autocast(kind, enabled=False) if available else contextlib.nullcontext()


def plain(model: nn.Module, x: Tensor) -> Any:
    """How a network is called where `watch` is told no other way."""
    return model(x)


class Mirror(nn.Module):
    """The copy; calling it on rows x (q, ...) gives outputs (q,) or (q, k) as a tensor."""

    def __init__(self, model: Any, forward: Forward) -> None:
        super().__init__()
        original = _whole(model)
        self.device, self.dtype = _place(original)
        self._sources = (original,)  # in a tuple, so that it is no part of this module
        self._forward = forward
        with untouched(self.device):
            self.model = _copied(original)
        self._settle()

    def _settle(self) -> None:
        """In evaluation mode, in single precision or more, and with a gradient by everything."""
        if self.dtype in _HALF:
            self.dtype = torch.float32
            self.model.float()
        for parameter in self.model.parameters():
            parameter.requires_grad_(parameter.is_floating_point())
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        # a network may change its inputs in place
        return tensor_of(self._forward(self.model, x.clone()))

    def refresh(self) -> Self:
        """Take over the parameters and buffers as they are now."""
        given = _numbers(self._sources[0])
        with torch.no_grad():
            for name, old in _numbers(self.model).items():
                old.copy_(_of_shape(old, name, given.get(name)))
        return self

    def tensors(self) -> dict[str, Tensor]:
        """Copies of the parameters, by the names that `torch.func.functional_call` takes."""
        return {name: one.detach().clone() for name, one in self.named_parameters()}

    def with_tensors(self, x: Tensor, tensors: dict[str, Tensor]) -> Tensor:
        """Outputs (q, k) with these parameters in place of its own."""
        return as_columns(functional_call(self, tensors, (x,)))

    def layer(self, lens: str, name: Any) -> nn.Module:
        """The layer of that name in `model.named_modules()`."""
        found = dict(self.model.named_modules())
        if name in found:
            return found[name]
        near = nearest(name, found)
        hint = f" (did you mean {near}?)" if near else ""
        allowed = "a name in model.named_modules()"
        raise Problem(f"{lens}: got the layer {shown(name)}{hint}, allowed {allowed}")

    def placed(self, given: Tensor) -> Tensor:
        """Inputs or targets on the network's device; real numbers in its precision."""
        if given.is_floating_point():
            given = given.to(self.dtype)
        return given.detach().to(self.device)

    def rows(self, x: Tensor) -> Tensor:
        """Outputs (q, k) without gradients, in blocks of rows."""
        with torch.no_grad():
            parts = [as_columns(self(block)) for block in x.split(BLOCK)]
        return torch.cat(parts)


def as_columns(found: Tensor) -> Tensor:
    """Outputs (q,) as (q, 1)."""
    return found[:, None] if found.dim() == 1 else found


def doubles(found: Tensor) -> NDArray[np.float64]:
    """A tensor's numbers in double precision, as an array."""
    return np.asarray(found.detach().cpu().double().numpy())


def described(name: str, layer: nn.Module) -> str:
    """A layer in an error."""
    return f"the layer {name} ({type(layer).__name__})"


def first_line(reason: BaseException) -> str:
    """What an error says first, or the name of its class."""
    return (str(reason).splitlines() or [type(reason).__name__])[0]


def tensor_of(found: Any) -> Tensor:
    """The tensor in what a network returns: itself, its `.logits`, or its entry "logits"."""
    if isinstance(found, Tensor):
        return found
    inner = found.get("logits") if isinstance(found, Mapping) else getattr(found, "logits", None)
    if isinstance(inner, Tensor):
        return inner
    way = "a tensor or an object with .logits, or watch(..., forward=lambda model, x: ...)"
    raise Problem(f"model: got a {type(found).__name__} as its output, allowed {way}")


def _whole(model: Any) -> nn.Module:
    """The module itself, out of the wrappers of torch.compile and of parallel training."""
    if isinstance(model, type):
        raise Problem(f"model: got the class {model.__name__}, allowed a torch.nn.Module")
    if not isinstance(model, nn.Module):
        raise Problem(f"model: got a {type(model).__name__}, allowed a torch.nn.Module")
    model = getattr(model, "_orig_mod", model)
    wrapped = isinstance(model, (nn.DataParallel, nn.parallel.DistributedDataParallel))
    return model.module if wrapped else model


def _place(model: nn.Module) -> tuple[torch.device, torch.dtype]:
    """The one device and the precision of a network's parameters."""
    parameters = list(model.parameters())
    if any(isinstance(one, nn.parameter.UninitializedParameter) for one in parameters):
        raise Problem(
            "model: got a lazy layer without a shape yet, allowed one that has seen a batch"
        )
    floating = [one for one in parameters if one.is_floating_point()]
    if not floating:
        raise Problem("model: got one without parameters, allowed at least one parameter")
    return _device(parameters), floating[0].dtype


def _device(parameters: list[nn.Parameter]) -> torch.device:
    """That of all parameters."""
    places = sorted({str(one.device) for one in parameters})
    if len(places) > 1 or places == ["meta"]:
        raise Problem(f"model: got parameters on {', '.join(places)}, allowed one device")
    return parameters[0].device


def _copied(model: nn.Module) -> nn.Module:
    try:
        found = copy.deepcopy(model)
    except Exception as reason:  # a lock, an open file, a tensor with a history
        got = f"one that cannot be copied ({first_line(reason)[:100]})"
        raise Problem(f"model: got {got}, allowed one that copy.deepcopy takes") from reason
    for module in found.modules():
        _drop_hooks(module)
    return found


def _drop_hooks(module: nn.Module) -> None:
    """All that are not torch's own."""
    for name in _HOOKS:
        hooks = getattr(module, name, {})
        for key in [key for key, hook in hooks.items() if not _of_torch(hook)]:
            del hooks[key]


def _of_torch(hook: Any) -> bool:
    return (getattr(hook, "__module__", None) or type(hook).__module__).startswith("torch.")


def _of_shape(old: Tensor, name: str, new: Tensor | None) -> Tensor:
    """The new tensor, which has the shape of the old one."""
    if new is None or new.shape != old.shape:
        got = f"another shape of {name} than at the start"
        raise Problem(f"model: got {got}, allowed the same")
    return new


def _numbers(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by name."""
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}
