"""The legend below the panels of a figure: one look and one wording for the whole book.

A line of the book is a colour with a meaning; an open circle belongs to the page's own runs, a
dot to recorded ones.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.lines import Line2D

from simplicity.pictures.style import DOT_SIZE, INK

_LINES = ("-", "--", "-.", ":")
PAGE, RECORDED = "this page", "recorded"


def below(
    figure: Any,
    entries: Iterable[tuple[str, str] | tuple[str, str, str]] = (),
    *,
    page: str | None = None,
    recorded: str | None = None,
    more: Sequence[Artist] = (),
    columns: int | None = None,
) -> None:
    """Entries under all panels of a figure.

    `entries`: (colour, label) for a line, or (colour, label, look) with the style of a line or a
    marker. `page` and `recorded`: what follows the words for an open circle and for a dot ("" for
    nothing, None where the figure has no such marks); `more`: handles of another kind.
    """
    handles = [*(_handle(*entry) for entry in entries), *more, *_marks(page, recorded)]
    wide = columns or (2 if len(handles) <= 4 else 3)
    figure.legend(handles=handles, loc="outside lower center", ncols=wide, handlelength=1.4)


def _marks(page: str | None, recorded: str | None) -> Iterator[Line2D]:
    """The open circle and the dot, where the figure has them."""
    if page is not None:
        yield _handle(INK, PAGE + page, "o", fillstyle="none", markersize=5)
    if recorded is not None:
        line = {"ls": "-", "lw": 1} if "median" in recorded else {}
        yield _handle(INK, RECORDED + recorded, "o", markersize=DOT_SIZE, **line)


def _handle(colour: str, label: str, look: str = "-", **more: Any) -> Line2D:
    style = {"ls": look} if look in _LINES else {"ls": "", "marker": look}
    return Line2D([], [], color=colour, label=label, **(style | more))
