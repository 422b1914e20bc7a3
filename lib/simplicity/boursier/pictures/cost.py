"""What a gradient step costs, against samples and against width."""

from collections.abc import Sequence

from simplicity.pictures.style import BLUE, GREEN, INK, ORANGE, PURPLE, Picture, axes, finish

ENGINES = (("compiled ms", "-", "o"), ("autograd ms", "--", "s"))
COLOURS = (BLUE, GREEN, ORANGE, PURPLE)


def steps(rows: Sequence[dict[str, str]]) -> Picture:
    """Milliseconds of a step of the plain network (float32, d = 5).

    Left against n for each m, right against m for some n.

    `rows` are those of `step_cost.csv`. Dotted: the time in which the machine's matrix product does
    as many operations.
    """
    limit = float(next(row["GFLOP/s"] for row in rows if row["what"] == "matrix product"))
    chosen = [
        row
        for row in rows
        if row["what"] == "plain" and row["precision"] == "float32" and row["d"] == "5"
    ]
    widths = sorted({int(row["m"]) for row in chosen})
    samples = [n for n in sorted({int(row["n"]) for row in chosen}) if n in (40, 160, 640, 2560)]
    with axes(2, height=3.4, sharey=True) as (figure, panels):
        for panel, along, by, values in (
            (panels[0], "n", "m", widths),
            (panels[1], "m", "n", samples),
        ):
            for value, colour in zip(values, COLOURS, strict=False):
                part = sorted(
                    (row for row in chosen if int(row[by]) == value),
                    key=lambda row: int(row[along]),
                )
                for engine, style, mark in ENGINES:
                    places, times = (
                        [int(row[along]) for row in part],
                        [float(row[engine]) for row in part],
                    )
                    panel.plot(
                        places, times, style + mark, color=colour, alpha=1 if style == "-" else 0.55
                    )
                bound = [value * int(row[along]) * (4 * 5 + 3) / limit / 1e6 for row in part]
                panel.plot([int(row[along]) for row in part], bound, ":", color=colour, lw=1)
                panel.plot([], [], "-", color=colour, label=f"{by} = {value:,}")
            panel.set(
                xscale="log",
                yscale="log",
                xlabel={"n": "samples n", "m": "hidden neurons m"}[along],
            )
            panel.legend(loc="upper left", ncols=2, columnspacing=1)
        panels[0].set(ylabel="milliseconds of a step", ylim=(2e-4, 2e4))
        for style, label in (("-o", "compiled loop"), ("--s", "autograd"), (":", "limit")):
            panels[0].plot([], [], style, color=INK, label=label)
        panels[0].legend(loc="upper left", ncols=2, columnspacing=1)
        return finish(
            figure,
            "Milliseconds of a gradient step against samples and against width, compiled and by "
            "autograd.",
        )


PEERS = (
    ("ours", "-", "o", BLUE),
    ("JAX by hand", "--", "s", ORANGE),
    ("JAX grad", ":", "^", GREEN),
    ("torch autograd", "-.", "v", PURPLE),
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


def growth(rows: Sequence[dict[str, str]]) -> tuple[Picture, Picture]:
    """Seconds of a step against each size of each engine, with its peers on the same axes.

    The first of two layers, the second of the tangent model's network and of single samples.

    `rows` are those of `cost_growth.csv`; along a size the others are those of most rows. Single
    samples in double precision, the rest in single.
    """
    return _growth(rows, ALONG[:3], "two layers"), _growth(rows, ALONG[3:], "the other engines")


def _growth(
    rows: Sequence[dict[str, str]], along: Sequence[tuple[str, str, str]], title: str
) -> Picture:
    with axes(4, height=2.6, width=8.6) as (figure, panels):
        for place, (engine, size, label) in zip(panels, along, strict=False):
            chosen = _along(rows, engine, size)
            for name, style, mark, colour in PEERS:
                found = [float(row[name]) for row in chosen]
                place.plot([int(row[size]) for row in chosen], found, style + mark, color=colour)
            place.set(xscale="log", yscale="log", xlabel=label)
            sizes = [int(row[size]) for row in chosen]
            place.set_xticks(sizes, [str(one) for one in sizes])
            place.set_xticks([], minor=True)
        panels[0].set_ylabel("seconds of a step")
        if len(along) < len(panels):
            for name, style, mark, colour in PEERS:
                panels[-1].plot([], [], style + mark, color=colour, label=name)
            panels[-1].set_axis_off()
            panels[-1].legend(loc="center")
        return finish(figure, f"Seconds of a gradient step against each size, {title} and peers.")


def _along(rows: Sequence[dict[str, str]], engine: str, size: str) -> list[dict[str, str]]:
    """The rows of an engine that differ in one size alone, in its order."""
    precision = "float64" if engine == "single_sample" else "float32"
    found = [row for row in rows if row["engine"] == engine and row["precision"] == precision]
    for other in sorted(set("nmd") - {size}):
        values = [row[other] for row in found]
        found = [row for row in found if row[other] == max(values, key=values.count)]
    return sorted(found, key=lambda row: int(row[size]))
