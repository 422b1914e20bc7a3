"""An experiment in miniature whose cells can be told to misbehave; spawned workers import it by
name.
"""

import dataclasses
import os
import resource
import signal
import time
from pathlib import Path

import numpy as np
import xarray as xr

from simplicity.data import streams
from simplicity.evidence import claims
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs

CLAIMS = ("B1",)


@config.settings
class Config:
    index: int = config.param(0, "number of the first cell", low=0)
    modes: tuple[str, ...] = config.param(("fine",), "what each cell does")
    notes: str = config.param("", "folder in which cells note that they were called")
    seeds: int = config.param(1, "seeds of each mode", low=1)
    first_seed: int = config.param(0, "the first of them", low=0)


@dataclasses.dataclass(frozen=True)
class Run:
    index: int
    mode: str
    seed: int
    notes: str


class Numbered(Grid):
    """Every mode of the list is a run with a number, also where it stands there twice."""

    Config = Config
    presets = {"TINY": Config(), "QUICK": Config(seeds=2), "FULL": Config(seeds=3)}

    def runs(self, settings: Config) -> list[Run]:
        return [
            Run(index=index, mode=mode, seed=seed, notes=settings.notes)
            for seed in range(settings.first_seed, settings.first_seed + settings.seeds)
            for index, mode in enumerate(settings.modes, settings.index)
        ]


GRID = Numbered(Run, groups={"all": {}}, quick={})
TINY = GRID.presets["TINY"]


def measure(run: Run) -> xr.Dataset:
    folder = Path(run.notes)
    if run.notes:
        # short lines are appended whole
        with open(folder / "calls", "a", encoding="utf-8") as file:
            file.write(f"{run.index} {run.seed} {os.getpid()}\n")
    length = 3
    if run.mode == "raise":
        raise ValueError(f"told to fail\nat {run.index}")
    if run.mode == "die" or (run.mode == "die once" and _first_time(folder / "died")):
        os.kill(os.getpid(), signal.SIGKILL)
    if run.mode in ("slow", "slower"):
        time.sleep(0.05 if run.mode == "slow" else 0.1)
    if run.mode == "wait":
        while not (folder / "go").exists():
            time.sleep(0.01)
    if run.mode == "spin":
        _spin(folder / "spinning")
    if run.mode == "long":
        length = 4
    if run.mode == "full" and _first_time(folder / "full"):  # from now on no file may grow larger
        resource.setrlimit(resource.RLIMIT_FSIZE, (200, resource.RLIM_INFINITY))
    rng = streams.generator(run.seed, streams.DATA)
    x = rng.standard_normal((300, 300)) + run.index
    curve = np.cumsum(rng.standard_normal(length))
    if run.mode == "nan":
        curve[1:] = np.nan
    found = {"total": float(np.sum(x @ x)), "count": len(x), "curve": ("probe", curve)}
    return xr.Dataset(found, {"step": ("probe", np.arange(length))})


def checks(runs: Runs) -> list[claims.Check]:
    control = claims.no_control("a toy")
    return [
        claims.check(
            runs,
            "B1.count",
            "identity",
            "largest count",
            claims.exact(300),
            claims.below(301),
            control,
        )
    ]


def calls(notes: Path) -> list[tuple[int, int, int]]:
    """(index, seed, process) of every call of `measure` so far."""
    if not (notes / "calls").exists():
        return []
    lines = (notes / "calls").read_text("utf-8").splitlines()
    return [(int(a), int(b), int(c)) for a, b, c in (line.split() for line in lines)]


def _first_time(marker: Path) -> bool:
    try:
        marker.touch(exist_ok=False)
        return True
    except FileExistsError:
        return False


def _spin(started: Path) -> None:
    """A compiled loop without an end, as a kernel of ours: without the GIL, deaf to Python's
    signals.
    """
    import numba

    @numba.njit(nogil=True)
    def turn(x):  # type: ignore[no-untyped-def]
        while x < 2.0:
            x = x * 0.5 + 0.5
            if x > 0.99:
                x = 0.0
        return x

    turn(3.0)  # compiles, and returns at once
    started.touch()
    turn(0.0)
