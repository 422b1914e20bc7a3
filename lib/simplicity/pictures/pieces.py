"""A figure cut into its panels and the entries of its legend, so that a narrow page can stack them.

Matplotlib draws one sheet. Cut between the panels, from top to bottom, and shown side by side, the
pieces are that sheet; where the window is narrow they go below each other, each as large as there
is room. A figure whose panels cannot be told apart by a vertical cut stays whole.
"""

import re
from itertools import pairwise
from typing import NamedTuple

from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

POINTS = 72.0  # an inch
ROOM = 1.5  # points around an entry of the legend
PIXELS = 1.2  # of an entry's point: the size of the text beside a figure
_GROUP = r'^(?=  <g id="((?:axes|legend)_\d+)">)(.*?^  </g>\n)'


class Piece(NamedTuple):
    """A part of the sheet, in points from its upper left corner, with its groups of the SVG."""

    box: Bbox
    groups: tuple[str, ...]


def inline(figure: Figure, text: str) -> str:
    """The SVG of a drawn figure as several, or unchanged where it is one piece."""
    panels, entries = _measured(figure)
    blocks = dict(re.findall(_GROUP, text, re.DOTALL | re.MULTILINE))
    several = len(panels) > 1 and len(figure.legends) < 2 and not figure.texts
    if not several or len(blocks) != len(figure.axes) + len(figure.legends):
        return text
    drawn = ["".join(blocks[name] for name in panel.groups) for panel in panels]
    drawn[0] += _shapes(text)
    found = [_svg(one.box, group, one.box.width) for one, group in zip(panels, drawn, strict=True)]
    return "\n".join(found + _legend(text, blocks, entries))


def _measured(figure: Figure) -> tuple[list[Piece], list[Bbox]]:
    """The panels and the entries of the legend, in points as the SVG was drawn."""
    dpi = figure.dpi
    figure.set_dpi(POINTS)
    figure.draw_without_rendering()
    found = _panels(figure), _entries(figure)
    figure.set_dpi(dpi)
    return found


def _shapes(text: str) -> str:
    """The shapes that all panels use."""
    shapes = re.findall(r"^ <defs>\n.*?^ </defs>\n", text, re.DOTALL | re.MULTILINE)
    return "".join(shapes[-1:])


def _legend(text: str, blocks: dict[str, str], entries: list[Bbox]) -> list[str]:
    """The entries of the figure's legend, each a view of the one that is drawn in the first."""
    if not entries:
        return []
    name = _name(text)
    # panels may have other legends
    whole = "".join(block for group, block in blocks.items() if group.startswith("legend"))
    uses = [f'<g id="{name}">{whole}</g>', *[f'<use href="#{name}"/>'] * (len(entries) - 1)]
    return ['<span class="break"></span>', *map(_svg, entries, uses)]


def _name(text: str) -> str:
    """A name that no other figure of the page has: clip paths have hashed ones already."""
    clip = re.search(r'<clipPath id="(\w+)"', text)
    return f"legend-{clip[1] if clip else len(text)}"


def _svg(box: Bbox, content: str, grow: float = 0.0) -> str:
    """A panel grows with its row, an entry of a legend does not."""
    view = " ".join(f"{one:.1f}" for one in (box.x0, box.y0, box.width, box.height))
    size = f"{grow:.0f} 1 {grow:.0f}px" if grow else f"none; width: {box.width * PIXELS:.0f}px"
    return (
        f'<svg class="{"panel" if grow else "entry"}" '
        f'xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="{view}" '
        f'style="flex: {size}">\n{content}</svg>'
    )


def _on_sheet(figure: Figure, box: Bbox) -> Bbox:
    """From points above the lower edge to points below the upper one."""
    height = figure.get_figheight() * POINTS
    return Bbox([[box.x0, height - box.y1], [box.x1, height - box.y0]])


def _panels(figure: Figure) -> list[Piece]:
    """Groups of axes that no vertical line can be drawn between, from the left, each as high as the
    highest.
    """
    groups = _groups(_axes(figure))
    if not groups:
        return []
    bottom = max(group.box.y1 for group in groups) + ROOM
    cuts = [(left.box.x1 + right.box.x0) / 2 for left, right in pairwise(groups)]
    edges = pairwise([0.0, *cuts, figure.get_figwidth() * POINTS])
    return [
        Piece(Bbox([[start, 0], [end, bottom]]), group.groups)
        for (start, end), group in zip(edges, groups, strict=True)
    ]


def _axes(figure: Figure) -> list[Piece]:
    """Each by itself, from the left."""
    boxes = [_on_sheet(figure, axes.get_tightbbox() or axes.bbox) for axes in figure.axes]
    pieces = [Piece(box, (f"axes_{number}",)) for number, box in enumerate(boxes, 1)]
    return sorted(pieces, key=lambda one: one.box.x0)


def _groups(pieces: list[Piece]) -> list[Piece]:
    """Those that overlap, seen from above, as one."""
    found: list[Piece] = []
    for one in pieces:
        if found and one.box.x0 < found[-1].box.x1:
            last = found.pop()
            one = Piece(Bbox.union([last.box, one.box]), last.groups + one.groups)
        found.append(one)
    return found


def _entries(figure: Figure) -> list[Bbox]:
    """The places of the entries of the figure's legend, each a sign and its words."""
    boxes = [
        Bbox.union([one.get_window_extent() for one in entry if one is not None])
        for legend in figure.legends
        for entry in zip(legend.legend_handles, legend.get_texts(), strict=True)
    ]
    return [_on_sheet(figure, box).padded(ROOM) for box in boxes]
