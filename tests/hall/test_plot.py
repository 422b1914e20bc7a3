"""Figures as pages need them: in the page's colours, the same bytes twice, text untouched, every
seed a mark.
"""

import csv
import io
import re

import numpy as np
import pytest
import xarray as xr
from matplotlib.lines import Line2D
from PIL import Image

from simplicity.pictures import legends, seeds, strokes, style
from simplicity.places import paths
from simplicity.together.pictures import cost


def picture(description: str = "a line") -> style.Picture:
    with style.axes(1) as (figure, (panel,)):
        panel.plot([0, 1 / 3], [0, 1 / 7], color=style.BLUE)
        panel.set_title("scale 0.001, value 12.3456")
        return style.finish(figure, description)


def test_a_figure_has_the_same_bytes_twice():
    assert picture() == picture()


def test_ink_is_the_page_s_colour_and_text_keeps_its_digits_and_takes_the_page_s_font():
    svg = picture().svg
    assert svg.startswith("<svg") and "currentColor" in svg and style.INK not in svg
    assert "scale 0.001, value 12.3456" in svg and "font-family" not in svg and "DejaVu" not in svg


def test_coordinates_are_short():
    tags = picture().svg.replace("0.001", "").replace("12.3456", "")
    assert not re.search(r"\d\.\d{3,}|[1-9]\.\d\d", tags)


def test_the_svg_has_no_size_of_its_own_and_loads_nothing():
    svg = picture().svg
    head = svg[: svg.index(">")]
    assert "viewBox" in head and "width=" not in head and "height=" not in head
    assert 'href="http' not in svg and "<metadata" not in svg
    assert "<style" not in svg  # a rule of its own would reach the whole page


def test_the_description_is_escaped():
    shown = picture('a "quoted" <b>line</b>')._repr_mimebundle_()
    assert 'aria-label="a &quot;quoted&quot; &lt;b&gt;line&lt;/b&gt;"' in shown["text/html"]
    assert shown["image/png"].startswith(b"\x89PNG")


def test_nothing_global_is_changed():
    import matplotlib

    before = dict(matplotlib.rcParams)
    picture()
    assert dict(matplotlib.rcParams) == before


def runs(values: list[float]) -> xr.Dataset:
    places = [10.0, 10.0, 20.0, 20.0]
    fields = {"n": ("cell", places), "width": ("cell", [50] * 4)}
    return xr.Dataset({"loss": ("cell", values)}, fields)


def test_every_seed_is_a_mark_and_medians_skip_what_is_undefined():
    with style.axes(1) as (_, (panel,)):
        seeds.against(
            panel, runs([1, 2, 3, 4]), runs([1, 3, np.nan, np.nan]), "n", "loss", style.BLUE
        )
        line, recorded, fresh = panel.get_lines()
    np.testing.assert_array_equal(line.get_xydata(), [[10, 2]])
    assert len(recorded.get_xdata()) == 4
    np.testing.assert_array_equal(fresh.get_xydata(), [[10, 1], [10, 2], [20, 3], [20, 4]])


def test_recorded_seeds_are_one_path_with_a_dot_each():
    with style.axes(1) as (figure, (panel,)):
        # the second series shares the shape of its mark with the first
        for colour in (style.BLUE, style.RED):
            seeds.marks(panel, np.arange(50.0), np.arange(50.0) ** 2, colour, recorded=True)
        seeds.marks(panel, np.arange(3.0), np.arange(3.0), style.GREEN, recorded=False)
        svg = style.finish(figure, "dots").svg
    assert (
        svg.count("h0") == 100 and style.DOTS not in svg and style.BLUE in svg and style.RED in svg
    )
    used, defined = set(re.findall(r'href="#([^"]+)"', svg)), set(re.findall(r'id="([^"]+)"', svg))
    assert used <= defined


def test_a_band_is_the_range_of_the_runs_behind_its_line():
    runs_over_time = np.array([[1.0, 4.0], [3.0, np.nan], [8.0, 0.0]])
    with style.axes(1) as (_, (panel,)):
        seeds.mean_and_range(panel, [0, 1], runs_over_time, style.BLUE)
        seeds.mean_and_range(panel, [0, 1], runs_over_time, style.RED, middle=np.nanmedian)
        seeds.mean_and_range(panel, [0, 1], runs_over_time[:1], style.GREEN)
    np.testing.assert_array_equal(
        [line.get_ydata() for line in panel.lines], [[4, 2], [3, 2], [1, 4]]
    )
    bands = [set(band.get_paths()[0].vertices[:, 1]) for band in panel.collections]
    assert bands == [{1, 8, 0, 4}] * 2


def test_lines_keep_their_colours_in_the_png_however_many_bands_lie_upon_bands():
    rng, colours = np.random.default_rng(0), (style.GREEN, style.BLUE, style.ORANGE, style.RED)
    with style.axes(3) as (figure, panels):
        for panel in panels:
            for place, colour in enumerate(colours):
                paths = np.cumsum(rng.random((10, 50)), axis=1) * (1 + 0.4 * place)
                seeds.mean_and_range(panel, range(50), paths, colour)
        picture = style.finish(figure, "bands")
    pixels = np.array(Image.open(io.BytesIO(picture.png)).convert("RGB")).reshape(-1, 3).astype(int)
    for colour in colours:
        wanted = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
        assert np.abs(pixels - wanted).max(axis=1).min() <= 2, colour


def test_a_legend_says_in_the_book_s_words_what_lines_circles_and_dots_are():
    with style.axes(1) as (figure, _):
        entries = [(style.BLUE, "train"), (style.RED, "test", ":"), (style.GREEN, "own", "^")]
        legends.below(figure, entries, page=", m = 9", recorded=": seeds, median")
    (drawn,) = figure.legends
    lines = drawn.get_lines()
    assert [text.get_text() for text in drawn.get_texts()] == [
        "train", "test", "own", "this page, m = 9", "recorded: seeds, median",
    ]  # fmt: skip
    assert [line.get_linestyle() for line in lines] == ["-", ":", "None", "None", "-"]
    assert [line.get_marker() for line in lines] == ["None", "None", "^", "o", "o"]
    assert [line.get_fillstyle() for line in lines[3:]] == ["none", "full"]


@pytest.mark.parametrize("count", [0, 1, 7, 100])
def test_the_spread_stays_within_its_width(count):
    assert (
        np.all(np.abs(seeds.spread(count, 0.2)) <= 0.2) and len(seeds.spread(count, 0.2)) == count
    )


def test_the_picture_of_the_cost_of_a_step_is_that_of_its_committed_table():
    with open(paths.book() / "step_cost.csv", newline="", encoding="utf-8") as file:
        picture = cost.steps(list(csv.DictReader(file)))
    assert (paths.book() / "_static" / "step_cost.html").read_text("utf-8") == picture.html


def test_the_pictures_of_growth_are_drawn_from_their_table():
    with open(paths.book() / "cost_growth.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    text = "\n".join(picture.html for picture in cost.growth(rows))
    assert (paths.book() / "_static" / "cost_growth.html").read_text("utf-8") == text
    for engine, size, _ in cost.ALONG:
        found = cost._along(rows, engine, size)
        assert len({row[size] for row in found}) == len(found) >= 3, (engine, size)
        assert all(float(row[name]) > 0 for row in found for name, *_ in cost.PEERS)


def pieces_of(columns: int, words: tuple[str, ...] = ()) -> style.Picture:
    with style.axes(columns) as (figure, panels):
        for number, panel in enumerate(panels):
            panel.plot([0, 1, 2], [1, 10, 100], color=style.BLUE)
            panel.set(title=f"panel {number}", xlabel="n", ylabel="value")
        if words:
            handles = [Line2D([], [], color=style.RED, label=word) for word in words]
            figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return style.finish(figure, "panels")


def test_panels_stand_in_pieces_of_their_own_that_together_are_the_sheet():
    svg = pieces_of(3).svg
    boxes = [tuple(map(float, found.split())) for found in re.findall(r'viewBox="([^"]+)"', svg)]
    assert svg.count('class="panel"') == len(boxes) == 3
    assert [box[0] for box in boxes] == sorted(box[0] for box in boxes)
    assert boxes[0][0] == 0 and abs(sum(box[2] for box in boxes) - 7.4 * 72) < 0.5
    for number, piece in enumerate(svg.split("<svg")[1:]):
        assert [f"panel {other}" in piece for other in range(3)] == [
            other == number for other in range(3)
        ]


def test_each_entry_of_a_legend_is_a_piece_as_large_as_its_sign_and_words():
    svg = pieces_of(2, ("one", "another of many words", "third")).svg
    widths = [float(found) for found in re.findall(r"flex:none;width:(\d+)px", svg)]
    assert svg.count('class="entry"') == len(widths) == 3
    assert widths[1] > 1.5 * widths[0] and max(widths) < 300
    assert svg.count("<use href=") >= 2


def test_one_panel_is_one_sheet_with_its_legend():
    svg = pieces_of(1, ("one",)).svg
    assert svg.count("<svg") == 1 and "one" in svg


def test_of_labels_that_would_lie_upon_each_other_the_last_stays_and_short_log_axes_are_plain():
    with style.axes(1, width=2.0) as (figure, (panel,)):
        panel.plot([0, 1, 2, 3, 30], [0.2, 0.5, 0.9, 1.5, 2.0])
        panel.set(yscale="log")
        panel.set_xticks([0, 1, 2, 3, 30], ["1280", "2560", "5120", "10240", "20480"])
        svg = style.finish(figure, "labels").svg
    told = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    assert "20480" in told and "10240" in told and "5120" not in told and "1280" not in told
    assert {"0.2", "0.5", "1", "2"} <= set(told)


def test_a_path_has_steps_in_tenths_and_no_point_on_the_line_between_its_neighbours():
    x = np.linspace(0, 100, 101)
    bent = np.stack([x, np.where(x < 50, 0.0, x - 50.04)], axis=1)
    assert strokes.line(bent) == "M0 0l50 0 50 50"
    assert strokes.line(np.array([[0.0, 1.0], [0.5, 0.25]])) == "M0 1l.5-.8"
    curve = np.stack([x, 5 * np.sin(x / 10)], axis=1)
    kept = strokes.thinned(curve)
    assert len(kept) < len(curve) / 2
    assert np.abs(np.interp(x, *kept.T) - curve[:, 1]).max() < 2 * strokes.TOLERANCE
    data = "".join(f"{'L' if k else 'M'} {a:.1f} {b:.1f} \n" for k, (a, b) in enumerate(bent))
    assert strokes.shorter(data) == "M0 0l50 0 50 50"
    assert strokes.shorter(f"{data} z") == "M0 0l50 0 50 50z"
    assert strokes.shorter("M 0 0 C 1 1 2 2 3 3" + " " * 300) == "M 0 0 C 1 1 2 2 3 3" + " " * 300


def test_groups_that_say_nothing_go_and_marks_of_one_style_say_it_once():
    mark = '<use xlink:href="#m" x="{}" y="2" style="fill:red"/>'
    text = f'<g><g style="a"><g>{mark.format(1)}\n{mark.format(3)}</g></g></g>'
    assert strokes.unwrapped(text) == (
        '<g style="a"><g style="fill:red"><use xlink:href="#m" x="1" y="2"/>\n'
        '<use xlink:href="#m" x="3" y="2"/></g></g>'
    )
