"""The experiments whose papers had more machine, at the papers' sizes, on a card if there is one.

    python -m simplicity.together.paper_sizes --device cuda --out runs residual_staircase

Without names all of `SIZES` are run, one after the other. Each finished cell is kept in OUT/store,
and a cell that is broken off goes on from its state of a minute ago: the same command is typed
again. A cell of `cosine_task` has no state and begins anew. At the end of an experiment
OUT/EXPERIMENT.nc holds its dataset, whose attribute `engine` says what computed it, and its
verdicts are printed. Nothing of the book's own records is touched.

The experiments are those of the book with other settings; what trains is exchanged for the same in
torch on the device (`nets.train`, `boursier.on_device`, `hu.on_device`). A single image a step is
no work for a card: `corrupted_images` keeps its compiled loop, and gets the states. `cosine_task`
runs as in the book. One process, one cell at a time; `--preset tiny` tries everything in a minute.
"""

import argparse
import contextlib
import dataclasses
import functools
import os
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple
from unittest import mock

import numpy as np

from simplicity.problems import Problem, no_such
from simplicity.process import interrupts

SECONDS = 60.0  # between two states
_UNREADABLE = OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile  # a state's file, for all


class Size(NamedTuple):
    """For what claims; settings beyond FULL; what becomes of constants of the module."""

    claims: str
    settings: dict[str, Any]
    constants: dict[str, Callable[[Any], Any]] = {}


def _with_all_images(planned: dict[str, Any]) -> dict[str, Any]:
    """`linear_on_cifar.SETTINGS` with 10,000 images, but where few are the point of it."""
    return {name: one._replace(n=10_000) if one.n >= 1000 else one for name, one in planned.items()}


SIZES = {
    # N10 on images, Nakkiran et al. 2019, Figure 5: 32 x 32 pixels, padded by 4, width 64
    "residual_staircase": Size(
        "N10, N31",
        {"width": 64, "step_size": 0.01, "cifar10_steps": 23_400, "seeds": 4},
        {"SIDE": lambda _: 32, "PADDING": lambda _: 4},
    ),
    # Hu et al. 2020, Figure 3: 10,000 training images
    "linear_on_cifar": Size("H22 to H25", {}, {"SETTINGS": _with_all_images}),
    # Boursier & Flammarion 2025: width 10,000
    "smooth_activation": Size("B15, B16", {"width": 10_000}),
    # Loukas et al. 2021, Figures 1d to 1f and 2c: 10,000 images, eight repeats
    "corrupted_images": Size("L11 to L13, L16", {"images": 10_000, "seeds": 8}),
    # their Task 1, whose FULL is the paper's size
    "cosine_task": Size("L14, L15", {}),
}


def settings(experiment: ModuleType, name: str, preset: str) -> Any:
    """Those of the paper; of TINY or QUICK as they are."""
    from simplicity.grid.groups import preset as presets

    found = presets(experiment, preset.upper() if preset != "paper" else "FULL")
    return dataclasses.replace(found, **SIZES[name].settings) if preset == "paper" else found


@contextlib.contextmanager
def engines(
    name: str, device: str, seconds: float, constants: dict[str, Callable[[Any], Any]]
) -> Iterator[str]:
    """Within: the experiment trains on `device` and keeps states; what its engine is called."""
    from simplicity.evidence import records

    experiment = records.experiment(name)
    exchanged = _exchanged(experiment, device, seconds)
    with contextlib.ExitStack() as stack:
        if name in exchanged:
            stack.enter_context(mock.patch.object(*exchanged[name]))
        for constant, value in constants.items():
            changed = value(getattr(experiment, constant))
            stack.enter_context(mock.patch.object(experiment, constant, changed))
        yield f"torch on {device}" if name in _ON_DEVICE else "compiled loop"


_ON_DEVICE = ("residual_staircase", "linear_on_cifar", "smooth_activation")


def _exchanged(
    experiment: ModuleType, device: str, seconds: float
) -> dict[str, tuple[Any, str, Any]]:
    """What trains: whose attribute it is, and what takes its place."""
    from simplicity.boursier import gelu_and_adam, on_device
    from simplicity.hu import linear_images
    from simplicity.hu import on_device as hu_on_device
    from simplicity.nets import train

    images = _kept(hu_on_device.train_module, device, seconds)
    single = functools.partial(_one_image_a_step, seconds=seconds)
    return {
        "residual_staircase": (experiment, "train", _kept(train.train, device, seconds)),
        "linear_on_cifar": (linear_images, "full_batch", SimpleNamespace(descend=images)),
        "smooth_activation": (gelu_and_adam, "descend", _kept(on_device.descend, device, seconds)),
        "corrupted_images": (experiment, "single_image", SimpleNamespace(descend=single)),
    }


def _kept(engine: Callable[..., Any], device: str, seconds: float) -> Callable[..., Any]:
    """An engine on the device, with a state near the cell's file."""
    return functools.partial(_with_states, engine, device=device, checkpoint_seconds=seconds)


def _with_states(
    engine: Callable[..., Any], *data: Any, checkpoint: Path | None = None, **given: Any
) -> Any:
    from simplicity.process import checkpoints

    return engine(*data, checkpoint=checkpoint or checkpoints.path("network"), **given)


def _one_image_a_step(
    module: Any, x: Any, y: Any, order: Any, *, step_size: Any, window: int,
    schedule: Sequence[int], probes: Any, dims: Any, seconds: float = SECONDS,
) -> Any:  # fmt: skip
    """`single_image.descend`, window by window, with a state every `seconds`."""
    from simplicity.loukas import single_image
    from simplicity.process import checkpoints

    run = single_image.Run(
        module, x, y, order, step_size=step_size, window=window, schedule=schedule, probes=probes,
        dims=dims,
    )  # fmt: skip
    notes = run.notes
    state = _State(run.parameters, notes.values, notes.before, notes.found)
    place, saved = checkpoints.path("network"), time.monotonic()
    done = state.resumed(place)
    for now in notes.one_by_one()[done:]:
        run.advance(now)
        done += 1
        if place is not None and now.stop < len(notes.rates) and time.monotonic() - saved > seconds:
            state.save(place, done)
            saved = time.monotonic()
    return notes.table()


class _State(NamedTuple):
    """What such a run changes in place: a network's arrays, statistics by window, the gradient
    before, and what the probes found."""

    network: Any
    values: Any
    before: Any
    found: dict[str, list[Any]]

    def resumed(self, place: Path | None) -> int:
        """How many of the windows one by one, that before the first included, are done.

        A file that cannot be read is none.
        """
        if place is None or not place.is_file():
            return 0
        with contextlib.suppress(*_UNREADABLE), open(place, "rb") as file:
            return self._take(dict(np.load(file, allow_pickle=False)))
        return 0

    def _take(self, left: dict[str, Any]) -> int:
        """Nothing is changed where a part is missing or has another shape."""
        parts = {"values": self.values, "before": self.before} | self.network._asdict()
        fitting = [(part, np.broadcast_to(left[name], part.shape)) for name, part in parts.items()]
        found = {name: list(left[f"probe {name}"]) for name in self.found}
        done = int(left["closed"])
        for part, kept in fitting:
            part[...] = kept
        self.found.update(found)
        return done

    def save(self, place: Path, done: int) -> None:
        """The file is there whole or not at all."""
        place.parent.mkdir(parents=True, exist_ok=True)
        beside = place.with_name(f"{place.name}.{os.getpid()}")
        with open(beside, "wb") as file:
            np.savez(file, closed=done, **self._content())
        beside.replace(place)

    def _content(self) -> dict[str, Any]:
        seen = {f"probe {name}": np.stack(kept) for name, kept in self.found.items() if kept}
        numbers = {"values": self.values, "before": self.before}
        return numbers | seen | self.network._asdict()


def record(name: str, device: str, out: Path, preset: str, seconds: float = SECONDS) -> Path:
    """Run one experiment and write its dataset; the path of the file."""
    from simplicity.evidence import records
    from simplicity.grid.groups import checks_of
    from simplicity.grid.run import run
    from simplicity.grid.store import Store, encode
    from simplicity.places import files

    experiment = records.experiment(name)
    config = settings(experiment, name, preset)
    constants = SIZES[name].constants if preset == "paper" else {}
    # the store knows no engine: results of different ones lie in different folders
    shelf = Store(out / "store" / device.replace(":", "_") / preset)
    with (
        mock.patch.dict(os.environ, {"SIMPLICITY_WORKERS": "0"}),
        engines(name, device, seconds, constants) as engine,
    ):
        dataset = run(experiment, config, store=shelf)
        about = {constant: str(getattr(experiment, constant)) for constant in constants}
    path = out / f"{name}.nc"
    files.write(path, encode(dataset.assign_attrs({"engine": engine} | about)))
    _tell(checks_of(experiment, dataset))
    return path


def _tell(checks: Sequence[Any]) -> None:
    for one in checks:
        print(f"{one.id:24} {one.outcome}")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m simplicity.together.paper_sizes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="EXPERIMENT", help=", ".join(SIZES))
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:1")
    parser.add_argument("--out", type=Path, default=Path("paper_sizes"), help="a folder")
    parser.add_argument("--preset", default="paper", choices=("paper", "quick", "tiny"))
    return parser.parse_args(arguments)


def _record_all(options: argparse.Namespace) -> None:
    """One experiment after the other, once all of them are known."""
    from simplicity.nets import devices

    devices.found(options.device)
    for name in options.names:
        if name not in SIZES:
            raise Problem(no_such("experiment", name, SIZES))
    for name in options.names or SIZES:
        print(f"{name} ({SIZES[name].claims})", file=sys.stderr)
        print(record(name, options.device, options.out, options.preset))


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code."""
    options = _options(arguments)
    try:
        _record_all(options)
    except (Problem, ArithmeticError, OSError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2 if isinstance(problem, ValueError) else 1
    except KeyboardInterrupt:
        print("interrupted; the same command goes on", file=sys.stderr)
        return interrupts.INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
