"""A figure cut into its panels and the entries of its legend, so that a narrow page can stack them.

Matplotlib draws one sheet. Cut between the panels, from top to bottom, and shown side by side, the
pieces are that sheet; where the window is narrow they go below each other, each as large as there
is room. A figure whose panels cannot be told apart by a vertical cut stays whole.
"""

import re
from typing import NamedTuple

from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

POINTS = 72.0  # an inch
ROOM = 1.5  # points around an entry of the legend
PIXELS = 1.2  # of an entry's point: the size of the text beside a figure


class Piece(NamedTuple):
    """A part of the sheet, in points from its upper left corner.

    Groups of the SVG lie in it.
    """

    box: Bbox
    groups: tuple[str, ...]


def inline(figure: Figure, text: str) -> str:
    """The SVG of a drawn figure as several, or unchanged where it is one piece."""
    dpi = figure.dpi
    figure.set_dpi(POINTS)  # as the SVG was drawn
    figure.draw_without_rendering()
    panels, entries = _panels(figure), _entries(figure)
    figure.set_dpi(dpi)
    blocks = dict(
        re.findall(
            r'^(?=  <g id="((?:axes|legend)_\d+)">)(.*?^  </g>\n)', text, re.DOTALL | re.MULTILINE
        )
    )
    if (
        len(panels) < 2
        or len(figure.legends) > 1
        or figure.texts
        or len(blocks) != len(figure.axes) + len(figure.legends)
    ):
        return text
    defs = "".join(re.findall(r"^ <defs>\n.*?^ </defs>\n", text, re.DOTALL | re.MULTILINE)[-1:])
    found = [
        _svg(panel.box, "".join(blocks[name] for name in panel.groups), panel.box.width)
        for panel in panels
    ]
    found[0] = found[0].replace("</svg>", defs + "</svg>")
    found += ['<span class="break"></span>'] if entries else []
    name = _name(text)
    # panels may have others
    legend = "".join(block for group, block in blocks.items() if group.startswith("legend"))
    for number, box in enumerate(entries):
        content = f'<g id="{name}">{legend}</g>' if number == 0 else f'<use href="#{name}"/>'
        found.append(_svg(box, content, 0.0))
    return "\n".join(found)


def _name(text: str) -> str:
    """A name for the legend that no other figure of the page has.

    Clip paths have hashed names already.
    """
    clip = re.search(r'<clipPath id="(\w+)"', text)
    return f"legend-{clip[1] if clip else len(text)}"


def _svg(box: Bbox, content: str, grow: float) -> str:
    """A panel grows with its row, an entry of a legend does not."""
    view = " ".join(f"{one:.1f}" for one in (box.x0, box.y0, box.width, box.height))
    size = (
        f"flex: {grow:.0f} 1 {grow:.0f}px"
        if grow
        else f"flex: none; width: {box.width * PIXELS:.0f}px"
    )
    kind = "panel" if grow else "entry"
    return (
        f'<svg class="{kind}" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="{view}" '
        f'style="{size}">\n{content}</svg>'
    )


def _on_sheet(figure: Figure, box: Bbox) -> Bbox:
    """From points above the lower edge to points below the upper one."""
    height = figure.get_figheight() * POINTS
    return Bbox([[box.x0, height - box.y1], [box.x1, height - box.y0]])


def _panels(figure: Figure) -> list[Piece]:
    """Groups of axes that no vertical line can be drawn between, from the left.

    Each is as high as the highest.
    """
    boxes = [_on_sheet(figure, axes.get_tightbbox() or axes.bbox) for axes in figure.axes]
    groups: list[tuple[Bbox, list[str]]] = []
    for number in sorted(range(len(boxes)), key=lambda number: boxes[number].x0):
        box, name = boxes[number], f"axes_{number + 1}"
        if groups and box.x0 < groups[-1][0].x1:
            last, names = groups[-1]
            groups[-1] = (Bbox.union([last, box]), [*names, name])
        else:
            groups.append((box, [name]))
    if not groups:
        return []
    bottom = max(box.y1 for box, _ in groups) + ROOM
    cuts = [
        (left.x1 + right.x0) / 2 for (left, _), (right, _) in zip(groups, groups[1:], strict=False)
    ]
    edges = [0.0, *cuts, figure.get_figwidth() * POINTS]
    return [
        Piece(Bbox([[start, 0], [end, bottom]]), tuple(names))
        for start, end, (_, names) in zip(edges, edges[1:], groups, strict=False)
    ]


def _entries(figure: Figure) -> list[Bbox]:
    """The places of the entries of the figure's legend, each a sign and its words."""
    found = []
    for legend in figure.legends:
        for sign, words in zip(legend.legend_handles, legend.get_texts(), strict=True):
            assert sign is not None
            box = Bbox.union([sign.get_window_extent(), words.get_window_extent()])
            found.append(_on_sheet(figure, box).padded(ROOM))
    return found
