"""What a gradient step costs, against samples and against width."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from simplicity.pictures import ticks
from simplicity.pictures.style import BLUE, GREEN, INK, ORANGE, PURPLE, Picture, axes, finish

Rows = Sequence[dict[str, str]]
COLOURS = (BLUE, GREEN, ORANGE, PURPLE)
_SHOWN = (40, 160, 640, 2560)  # samples whose cost is drawn against the width


def steps(rows: Rows) -> Picture:
    """Milliseconds of a step of the plain network (float32, d = 5).

    Left against n for each m, right against m for some n.

    `rows` are those of `step_cost.csv`. Dotted: the time in which the machine's matrix product does
    as many operations.
    """
    limit = float(next(row["GFLOP/s"] for row in rows if row["what"] == "matrix product"))
    wanted = {"what": "plain", "precision": "float32", "d": "5"}
    chosen = [row for row in rows if wanted.items() <= row.items()]
    some = [row for row in chosen if int(row["n"]) in _SHOWN]
    with axes(2, height=3.4, sharey=True) as (figure, (left, right)):
        _steps(left, chosen, "n", "m", limit)
        _steps(right, some, "m", "n", limit)
        left.set(xlabel="samples n", ylabel="milliseconds of a step", ylim=(2e-4, 2e4))
        right.set_xlabel("hidden neurons m")
        _name_looks(left)
        for panel in (left, right):
            panel.set(xscale="log", yscale="log")
            panel.legend(loc="upper left", ncols=2, columnspacing=1)
        about = (
            "Milliseconds of a gradient step against samples and against width, compiled and by "
            "autograd."
        )
        return finish(figure, about)


def _name_looks(panel: Axes) -> None:
    """Entries of the legend for the two engines and the limit."""
    for style, label in (("-o", "compiled loop"), ("--s", "autograd"), (":", "limit")):
        panel.plot([], [], style, color=INK, label=label)


def _steps(panel: Axes, rows: Rows, along: str, by: str, limit: float) -> None:
    """Both engines and the limit along one size, in a colour for each value of the other."""
    values = sorted({int(row[by]) for row in rows})
    for value, colour in zip(values, COLOURS, strict=False):
        part = [row for row in rows if int(row[by]) == value]
        sizes = _engines(panel, sorted(part, key=lambda row: int(row[along])), along, colour)
        bound = [value * size * (4 * 5 + 3) / limit / 1e6 for size in sizes]
        panel.plot(sizes, bound, ":", color=colour, lw=1)
        panel.plot([], [], "-", color=colour, label=f"{by} = {value:,}")


def _engines(panel: Axes, rows: Rows, along: str, colour: str) -> list[int]:
    """Both engines along one size, whose values are given back."""
    sizes = [int(row[along]) for row in rows]
    for engine, look, alpha in (("compiled ms", "-o", 1), ("autograd ms", "--s", 0.55)):
        panel.plot(sizes, [float(row[engine]) for row in rows], look, color=colour, alpha=alpha)
    return sizes


PEERS = (
    ("ours", "-o", BLUE),
    ("JAX by hand", "--s", ORANGE),
    ("JAX grad", ":^", GREEN),
    ("torch autograd", "-.v", PURPLE),
)
ALONG = (
    ("two_layer", "n", "two layers: samples n"),
    ("two_layer", "m", "two layers: hidden neurons m"),
    ("two_layer", "d", "two layers: dimension d"),
    ("ntk_descent", "n", "tangent: samples n"),
    ("ntk_descent", "m", "tangent: hidden neurons m"),
    ("ntk_descent", "d", "tangent: dimension d"),
    ("single_sample", "m", "single samples: width"),
)


def growth(rows: Rows) -> tuple[Picture, Picture]:
    """Seconds of a step against each size of each engine, with its peers on the same axes.

    The first of two layers, the second of the tangent model's network and of single samples.

    `rows` are those of `cost_growth.csv`; along a size the others are those of most rows. Single
    samples in double precision, the rest in single.
    """
    return _growth(rows, ALONG[:3], "two layers"), _growth(rows, ALONG[3:], "the other engines")


def _growth(rows: Rows, along: Sequence[tuple[str, str, str]], title: str) -> Picture:
    with axes(4, height=2.6, width=8.6) as (figure, drawn):
        for panel, (engine, size, label) in zip(drawn, along, strict=False):
            _peers(panel, _along(rows, engine, size), size)
            panel.set_xlabel(label)
        drawn[0].set_ylabel("seconds of a step")
        if len(along) < len(drawn):
            _name_peers(drawn[-1])
        return finish(figure, f"Seconds of a gradient step against each size, {title} and peers.")


def _peers(panel: Axes, rows: Rows, size: str) -> None:
    """Every peer along one size."""
    sizes = [int(row[size]) for row in rows]
    for name, look, colour in PEERS:
        panel.plot(sizes, [float(row[name]) for row in rows], look, color=colour)
    panel.set(xscale="log", yscale="log")
    ticks.only(panel.xaxis, sizes)


def _name_peers(panel: Axes) -> None:
    """The legend, in a panel of its own."""
    for name, look, colour in PEERS:
        panel.plot([], [], look, color=colour, label=name)
    panel.set_axis_off()
    panel.legend(loc="center")


def _along(rows: Rows, engine: str, size: str) -> list[dict[str, str]]:
    """The rows of an engine that differ in one size alone, in its order."""
    precision = "float64" if engine == "single_sample" else "float32"
    found = [row for row in rows if row["engine"] == engine and row["precision"] == precision]
    for other in sorted(set("nmd") - {size}):
        values = [row[other] for row in found]
        found = [row for row in found if row[other] == max(values, key=values.count)]
    return sorted(found, key=lambda row: int(row[size]))
