"""House style: figures as inline SVG that follow the page's colours in light and in dark, and as
PNG for other readers.

Text stays text (searchable, in the page's own font), ink is the page's text colour, data colours
are mid-tones that read on white and on near-black. The same figure has the same bytes in every
build.
"""

import contextlib
import html
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import matplotlib.figure
import numpy as np
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogFormatter, NullFormatter
from matplotlib.transforms import Bbox
from numpy.typing import NDArray
from PIL import Image

from simplicity.pictures import pieces, strokes

Array = NDArray[np.floating]

BLUE, ORANGE, GREEN, PURPLE, RED = "#3d85c6", "#d97b1f", "#2e9e6b", "#8e6fc9", "#d0504f"
INK = "#010203"  # stands for the page's text colour in the SVG, and is black to the eye in the PNG
FAINT = 0.25  # opacity of helper lines
# thousands of small marks, drawn as one path each
DOTS, DOT_SIZE, DOT_OPACITY = "seed-dots", 2.6, 0.4
_SHORT_AXIS = 100  # the last of a log axis over its first, below which powers of ten are too few
_COLOURS = 48  # of the PNG; a figure has a dozen, their blends, and bands upon bands

_SETTINGS: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "simplicity",
    "figure.constrained_layout.use": True,
    "font.size": 10.5,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "lines.linewidth": 1.6,
    "lines.markersize": 4,
    "savefig.transparent": True,
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor"), INK),
    **dict.fromkeys(("xtick.color", "ytick.color"), INK),
}


@dataclass(frozen=True)
class Picture:
    """A finished figure with its description for those who do not see it; displays itself in a
    notebook.
    """

    svg: str
    png: bytes
    description: str

    @property
    def html(self) -> str:
        """The SVG with its description, as it stands in a page."""
        label = html.escape(self.description, quote=True)
        return f'<div class="simplicity-figure" role="img" aria-label="{label}">{self.svg}</div>'

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {"text/html": self.html, "image/png": self.png, "text/plain": self.description}


@contextlib.contextmanager
def _house_style() -> Iterator[None]:
    """Inside, matplotlib's own defaults and the house style, whatever the user has set."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        yield


@contextlib.contextmanager
def axes(
    columns: int = 1, *, height: float = 3.2, width: float = 7.4, **options: Any
) -> Iterator[tuple[Figure, Any]]:
    """A figure in the house style with a row of axes; nothing global is changed outside."""
    with _house_style():
        figure = Figure(figsize=(width, height))
        yield figure, figure.subplots(1, columns, squeeze=False, **options)[0]


def finish(figure: Figure, description: str) -> Picture:
    """Render once as SVG in the page's colours and once as PNG on white."""
    with _house_style():
        _clear_ticks(figure)
        vector = io.StringIO()
        figure.savefig(vector, format="svg", metadata={"Date": None, "Creator": None})
        text = pieces.inline(figure, vector.getvalue())
        return Picture(_inline(text), bitmap(figure), description)


def bitmap(figure: Figure) -> bytes:
    """A PNG on white, with a palette: a third of its size."""
    whole = io.BytesIO()
    figure.savefig(whole, format="png", dpi=90, transparent=False, metadata={"Software": None})
    return _of_few_colours(Image.open(whole))


def _of_few_colours(whole: Image.Image) -> bytes:
    found = io.BytesIO()
    few = whole.convert("RGB").quantize(_COLOURS, Image.Quantize.FASTOCTREE)
    few.save(found, format="png", optimize=True)
    return found.getvalue()


def _clear_ticks(figure: Figure) -> None:
    """Labels of ticks that can be read: 0.2 for 2 x 10^-1 on a short log axis, and none upon
    another.
    """
    every = [axis for panel in figure.axes for axis in (panel.xaxis, panel.yaxis)]
    for axis in every:
        if axis.get_scale() == "log" and isinstance(axis.get_minor_formatter(), LogFormatter):
            _clear_log_ticks(axis)
    FigureCanvasAgg(figure).draw()
    for axis in every:
        if isinstance(axis.get_major_locator(), FixedLocator):
            _drop_covered(axis)


def _clear_log_ticks(axis: Axis) -> None:
    low, high = sorted(axis.get_view_interval())
    short = high < _SHORT_AXIS * low and low >= 1e-4 and high <= 1e5
    if short:
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(FuncFormatter(_of_few) if short else NullFormatter())


def _of_few(value: float, _: int | None) -> str:
    """The label of a minor tick of a log axis: of those that begin with 2 or 5."""
    return f"{value:g}" if f"{value:e}"[0] in "25" else ""


def _drop_covered(axis: Axis) -> None:
    """Blank each label that lies upon a later one, as wide as the page's font may draw it."""
    labels = axis.get_ticklabels()
    told, kept = [label.get_text() for label in labels], list[Bbox]()
    before = list(told)
    for place, label in reversed(list(enumerate(labels))):
        box = label.get_window_extent().expanded(1.35, 1.1)
        if told[place] and any(box.overlaps(other) for other in kept):
            told[place] = ""
        elif told[place]:
            kept.append(box)
    if told != before:
        axis.set_ticks(axis.get_majorticklocs(), told)


def _inline(text: str) -> str:
    """The <svg> elements alone: no fixed size, no font of their own, ink in the page's colour."""
    svg = text[text.index("<svg") :]
    for pattern, instead in _REPLACED:
        svg = pattern.sub(instead, svg)
    return strokes.all_shorter(svg.replace(INK, "currentColor"))


def _one_path(group: re.Match[str]) -> str:
    """Marks of one colour as the round ends of strokes without length: 15 bytes a mark in place of
    120.
    """
    # a mark's shape may serve later series as well
    shared, clip, marks = group[1] or "", group[2], group[3]
    places = re.findall(r'<use [^>]*x="([^"]*)" y="([^"]*)"', marks)
    colour = re.search(r"fill: (#\w+)", marks)
    if not places or colour is None:
        return shared
    path = "".join(f"M{float(x):.1f} {float(y):.1f}h0" for x, y in places)
    return f'{shared}<path {clip} d="{path}" style="{_DOTS_STYLE.format(colour[1])}"/>'


_DOTS_STYLE = (
    f"fill:none;stroke:{{}};stroke-width:{DOT_SIZE};"
    f"stroke-opacity:{DOT_OPACITY};stroke-linecap:round"
)


def _shorten(tag: re.Match[str]) -> str:
    """Coordinates to tenths of a point, no turn by nothing, no names without a use (`line2d_7`)."""
    # its transform scales pixels to points, and a tenth off is a picture beside its frame
    if tag[0].startswith("<image"):
        return tag[0]
    # an opacity of 0.25 stays
    text = re.sub(r"-?0\.\d{3,}", lambda number: f"{float(number[0]):.2f}", tag[0])
    text = re.sub(r"-?[1-9]\d*\.\d{2,}", lambda number: f"{float(number[0]):.1f}", text)
    text = re.sub(r' transform="rotate\(-?0 [^"]*"| id="[A-Za-z][\w.]*_\d+"', "", text)
    return text.replace("; ", ";").replace(": ", ":")


_Change = str | Callable[[re.Match[str]], str]
# of Matplotlib's SVG, in this order
_REPLACED: tuple[tuple[re.Pattern[str], _Change], ...] = (
    (re.compile(r'(<svg[^>]*?) width="[^"]*" height="[^"]*"'), r"\1"),
    (re.compile(r"<metadata>.*?</metadata>", re.DOTALL), ""),
    # its rule for `*` would reach the whole page; on the root element it is inherited by the
    # figure alone
    (re.compile(r"<defs>\s*<style[^>]*>[^<]*</style>\s*</defs>"), ""),
    (re.compile("<svg"), '<svg stroke-linejoin="round" stroke-linecap="butt"'),
    (re.compile(r"font: ([\d.]+px)[^;\"]*"), r"font-size: \1"),
    (re.compile(r"font-family: [^;\"]*;? ?"), ""),
    (
        re.compile(
            rf'<g id="{DOTS}">\s*(<defs>.*?</defs>)?\s*<g (clip-path="[^"]*")>(.*?)</g>\s*</g>',
            re.DOTALL,
        ),
        _one_path,
    ),
    (re.compile(r"<!--.*?-->", re.DOTALL), ""),
    # in tags only: what stands between them is text to read
    (re.compile(r"<[^>]*>"), _shorten),
)


def joined(pieces: Sequence[Array]) -> Array:
    """Pieces (k, 2) one after another with a NaN after each, as one broken line."""
    gap = np.full((1, 2), np.nan)
    return np.concatenate(
        [part for piece in pieces for part in (piece.reshape(-1, 2), gap)] or [gap]
    )
