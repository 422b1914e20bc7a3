"""How far a run is: a bar on a terminal, a line a minute in a log, else nothing."""

import contextlib
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from tqdm import tqdm

from simplicity.grid import store as stores

LINE_SECONDS = 60  # between lines of progress where there is no terminal


@contextlib.contextmanager
def showing(
    total: int, done: int, experiment: ModuleType, wanted: bool, lines: bool
) -> Iterator[Any]:
    """What to call after each cell: moves a bar, on a terminal; without one see `lines`.

    The bar shows rate and time left.
    """
    terminal = sys.stderr.isatty()
    pause = 0.1 if terminal else LINE_SECONDS  # between two states of the bar
    with tqdm(
        total=total,
        initial=done,
        desc=stores.name_of(experiment),
        unit="cell",
        disable=not wanted or not (terminal or lines),
        file=sys.stderr if terminal else _Lines(),
        mininterval=pause,
        maxinterval=pause + 10,
    ) as bar:
        yield bar.update


class _Lines:
    """A file for tqdm that has each state of the bar on a line of its own, for a log."""

    def write(self, text: str) -> None:
        if text.strip():
            print(text.strip(), file=sys.stderr, flush=True)

    def flush(self) -> None:
        pass
