"""Where a long cell keeps its state: a run that dies does not start it from nothing.

`run` says where the cell's result will lie, `measure` asks for a path near it and gives that to the
engine. Outside a run, or on a machine that does not see the store, there is none, and the cell
simply runs through. The state is part of no result: a cell that was resumed has the same bits as
one that was not.
"""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path

_CELL: ContextVar[Path | None] = ContextVar("cell", default=None)
FOLDER, SUFFIX = "unfinished", ".state"


def path(part: str) -> Path | None:
    """The file for this part of the cell that is being measured; None where states are not kept."""
    cell = _CELL.get()
    return None if cell is None else cell.with_name(f"{cell.name}-{part}{SUFFIX}")


@contextlib.contextmanager
def of_cell(cell: Path | None) -> Iterator[None]:
    """Within, states of the cell of this file lie in `FOLDER` beside it, until it is measured."""
    place = (
        None
        if cell is None or not cell.parent.parent.is_dir()
        else cell.parent / FOLDER / cell.stem
    )
    token = _CELL.set(place)
    try:
        yield
        if place is not None:
            for left in place.parent.glob(f"{place.name}-*{SUFFIX}"):
                left.unlink(missing_ok=True)
    finally:
        _CELL.reset(token)
