"""Watch a training loop through lenses, at times evenly spaced in the logarithm of the step.

The loop is the user's own, and says when a step is done. At scheduled steps a copy of the
network takes over its parameters, and the lenses look at the copy: parameters, buffers,
gradients and generators of random numbers are read and never written, so that a run has the same
bits with and without lenses.
"""

import functools
import math
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from simplicity.lenses import task as tasks
from simplicity.lenses.fitting import fitting
from simplicity.lenses.lens import Lens, Look
from simplicity.lenses.mirror import Forward, Mirror, first_line, plain, untouched
from simplicity.lenses.times import GUESSED, Times
from simplicity.problems import Problem, doors, shown

if TYPE_CHECKING:
    import xarray as xr

    from simplicity.pictures.style import Picture

_MAKERS = {"linear_explainability", "linear_gap", "bias_trajectory", "alignment"}


def watch(
    model: Any,
    *,
    data: Any,
    lenses: Iterable[Lens] | None = None,
    test: Any = None,
    loss: tasks.Loss | None = None,
    schedule: Sequence[int] | None = None,
    share: float = 1 / 20,
    forward: Forward = plain,
) -> "Record":
    """A record of the training of `model`, any torch module, through `lenses`.

    Use it in a `with` statement. Without `lenses` all four look, the last two at the first layer:
    one without a bias has no trajectory, and targets that are numbers no classes (`fitting`).

    `data` = (x, y) and `test` are arrays or tensors with rows: inputs (n, ...), and as y labels
    (n,) of whole numbers, one-hot rows (n, k), or numbers (n,), (n, 1) or (n, k). Without `test`
    the lenses that ask for fresh rows take those of `data`, and the dataset says so. `loss` is a
    function of outputs and y; by default half the mean square for numbers, the cross-entropy for
    labels (of a logit where there is one output). `forward(model, x)` is for networks that are
    not called on x alone; of what comes back a tensor, `.logits` or ["logits"] is taken.

    `schedule` are the steps at which is looked. By default these are 0, powers of two, and
    between them thirteen steps a decade, as far as all looks together cost no more than `share`
    of the passes of the training, counted in rows (`times`). A `share` of 1 is for runs of
    seconds. The last step of the loop is looked at in any case.

    Memory: a copy of the network, the rows of each lens (no more than 4000 of either data set),
    activations of 256 rows, and what a lens adds: `linear_gap` the parameters twice,
    `bias_trajectory` with a rate once. `record.seconds` says how long the looks took.

    Raises `Problem`, a ValueError of one sentence, for whatever the lenses cannot look at.
    """
    chosen = None if lenses is None else _chosen(lenses)
    doors.function("forward", forward)
    Times(schedule, share, 0)  # refused before anything is copied
    mirror = Mirror(model, forward)
    with untouched(mirror.device):
        task = tasks.task(mirror, data, test, loss)
        looks = [(lens, lens.prepare(task)) for lens in chosen or fitting(task)]
    times = Times(schedule, share, sum(look.cost for _, look in looks))
    return Record(mirror, looks, times, task.tested)


def _chosen(lenses: Any) -> list[Lens]:
    """The lenses that the user names: one, or several each once."""
    found = [_lens(one) for one in _several(lenses)]
    if not found:
        raise Problem("lenses: got none, allowed at least one")
    for name, times in Counter(map(repr, found)).items():
        if times > 1:
            raise Problem(f"lenses: got {name} twice, allowed each once")
    return found


def _several(lenses: Any) -> list[Any]:
    if isinstance(lenses, Lens):
        return [lenses]
    try:
        return list(lenses)
    except TypeError:
        raise Problem(f"lenses: got {shown(lenses)}, allowed a list of lenses") from None


def _lens(one: Any) -> Lens:
    """A lens itself, not the function that makes it."""
    if isinstance(one, Lens):
        return one
    name = getattr(one, "__name__", "")
    if name in _MAKERS:
        raise Problem(f"lenses: got the function {name}, allowed lenses, such as {name}()")
    raise Problem(f"lenses: got {shown(one)}, allowed lenses")


class Record:
    """What the lenses saw. `step` is called last in each pass of the loop, inside the block."""

    def __init__(
        self, mirror: Mirror, looks: list[tuple[Lens, Look]], times: Times, tested: bool
    ) -> None:
        self._mirror: Mirror | None = mirror
        self._looks = looks
        self._times = times
        self._tested = tested
        self._state = "before"
        self._done, self._samples, self._rows = 0, 0, 0
        self._next = False  # whether the next step is looked at
        self._steps: list[int] = []
        self._seen: list[int] = []
        self._values: dict[str, list[float]] = {name: [] for name in self._variables()}
        self.seconds = 0.0  # how long the lenses have looked, without the set-up

    def __enter__(self) -> Self:
        if self._state != "before":
            raise Problem("record: got a second with block, allowed one for each call of watch")
        self._state = "inside"
        if self._times.due(0, 0):
            self._look(None)
        self._look_ahead()
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None and self._steps[-1:] != [self._done]:
            self._look(None)
        self._state = "after"
        self._mirror = None  # the copy is free; lenses keep words and numbers alone
        self._looks = [(lens, look.done()) for lens, look in self._looks]

    def step(self, batch: Any = None) -> None:
        """Say that a step of the training is done; `batch` = (x, y) are its samples.

        They are needed by `bias_trajectory` with a rate alone; else they are counted where they
        have a length.
        """
        if self._state != "inside":
            got = f"a call {self._state} the with block"
            raise Problem(f"record.step: got {got}, allowed inside it")
        self._count(_size(batch))
        if self._next:
            self._look(batch)
        self._look_ahead()

    def _count(self, size: int) -> None:
        self._done += 1
        self._samples += size
        self._rows += size or GUESSED

    @property
    def blind(self) -> dict[str, str]:
        """For each lens where it is blind or does not apply."""
        return {repr(lens): lens.blind for lens, _ in self._looks}

    @property
    def dataset(self) -> "xr.Dataset":
        """What was seen so far, along `time` with `step` and `samples`; also after an error."""
        import xarray as xr

        curves = {
            name: (
                "time", list(self._values[name]),
                {"long_name": about, "units": unit, "lens": repr(lens), "source": lens.source},
            )
            for name, (lens, about, unit) in self._variables().items()
        }  # fmt: skip
        times = {"step": ("time", list(self._steps)), "samples": ("time", list(self._seen))}
        return xr.Dataset(curves, times, self._attributes())

    def _attributes(self) -> dict[str, float | str]:
        """What is told of the whole record: its lenses, where they are blind, and their facts."""
        fresh = "test" if self._tested else "those of data, as no test was given"
        found: dict[str, float | str] = {"lenses": ", ".join(self.blind), "fresh_rows": fresh}
        for lens, look in self._looks:
            name = self._name(lens.kind, lens)
            found[f"blind_{name}"] = lens.blind
            found |= {f"{name}_{fact}": value for fact, value in look.facts.items()}
        return found

    def to_netcdf(self, path: str | Path) -> None:
        """Write the dataset as NetCDF-3; the file is there whole or not at all."""
        from simplicity.places import files

        content = self.dataset.to_netcdf(None, engine="scipy", format="NETCDF3_64BIT")
        files.write(Path(path), bytes(content))

    def plot(self) -> "Picture":
        """A panel for each lens, against the step."""
        return plot(self.dataset)

    def summary(self) -> str:
        """What each lens saw first and last, and where it is blind, in plain sentences."""
        if not self._steps:
            return "Nothing has been seen yet."
        lines = [f"{len(self._steps)} looks from step {self._steps[0]} to step {self._steps[-1]}."]
        for lens, _ in self._looks:
            lines += [f"{lens!r} ({lens.source}):", *self._sentences(lens), f"  {lens.blind}"]
        return "\n".join(lines)

    def _sentences(self, lens: Lens) -> Iterator[str]:
        """One for each variable of a lens."""
        for name, (owner, about, unit) in self._variables().items():
            if owner is lens:
                first, last = self._values[name][0], self._values[name][-1]
                of = "" if unit == "1" else f" {unit}"
                yield f"  {name}, {about}: from {first:.3g} to {last:.3g}{of}."

    def __repr__(self) -> str:
        names = ", ".join(self.blind)
        return f"<record of {len(self._steps)} looks up to step {self._done}: {names}>"

    def _variables(self) -> dict[str, tuple[Lens, str, str]]:
        """Name -> lens, meaning, unit."""
        return {
            self._name(name, lens): (lens, one.about, one.unit)
            for lens, look in self._looks
            for name, one in look.variables.items()
        }

    def _name(self, name: str, lens: Lens) -> str:
        """With its layer where the same kind of lens looks at several."""
        several = [other.kind for other, _ in self._looks].count(lens.kind) > 1
        return f"{name}_{lens.layer.replace('.', '_')}" if several else name

    def _look(self, batch: Any) -> None:
        """All lenses, now. A look that fails is told and leaves NaN: it must not end a training."""
        self._times.looked()
        self._steps.append(self._done)
        self._seen.append(self._samples)
        looks = [(lens, functools.partial(look.now, batch)) for lens, look in self._looks]
        for (lens, look), found in zip(self._looks, self._on_the_copy(looks), strict=True):
            self._keep(lens, {name: found.get(name, math.nan) for name in look.variables})

    def _keep(self, lens: Lens, found: Mapping[str, float]) -> None:
        for name, value in found.items():
            self._values[self._name(name, lens)].append(float(value))

    def _look_ahead(self) -> None:
        """What lenses need from before a step that will be looked at."""
        self._next = self._times.due(self._done + 1, self._rows)
        ahead = [(lens, look.before) for lens, look in self._looks if look.before is not None]
        if ahead and self._next:
            self._on_the_copy(ahead)

    def _on_the_copy(self, looks: Sequence[tuple[Lens, Callable[[], Any]]]) -> list[Any]:
        """What each lens finds at the network as it is now, nothing where it fails."""
        clock, found = time.perf_counter(), []
        assert self._mirror is not None
        with untouched(self._mirror.device):
            fresh = self._tried("lenses", self._mirror.refresh)
            for lens, look in looks:
                found.append(self._tried(repr(lens), look) if fresh is not None else {})
        self.seconds += time.perf_counter() - clock
        return [{} if one is None else one for one in found]

    def _tried(self, what: str, look: Callable[[], Any]) -> Any:
        """What is found; an error is told in a warning, at the user's line, and gives None."""
        try:
            return look()
        except Exception as reason:
            told = f"{what} could not look at step {self._done}: {first_line(reason)}"
            warnings.warn(told, RuntimeWarning, stacklevel=5)
            return None


def plot(dataset: "xr.Dataset") -> "Picture":
    """A panel for each lens of a record's dataset, as it is or read back from its file."""
    from simplicity.lenses import pictures

    return pictures.panels(dataset)


def _size(batch: Any) -> int:
    """The number of samples, 0 where it cannot be told."""
    first = next(iter(batch), None) if isinstance(batch, (tuple, list)) else batch
    shape = getattr(first, "shape", ())
    return int(shape[0]) if shape else 0
