"""The frame player: what Python writes, and what a browser makes of it."""

import dataclasses
import io
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import browser
from simplicity.pictures.player import Panel, Player
from simplicity.pictures.tracks import Dots, Line, Note
from simplicity.places import paths

NASTY = "</script><img src=x onerror=\"alert('no')\"> & 'more'"
STATIC = paths.book() / "_static"
needs_browser = pytest.mark.skipif(not browser.available(), reason="chromium is not installed")


def wave(phase: float, points: int = 50) -> np.ndarray:
    x = np.linspace(0, 1, points)
    return np.stack([x, np.sin(6 * x + phase)], axis=1)


def player(frames: int = 4, **changed: object) -> Player:
    ticks = ((0.0, "0"), (1.0, "1"))
    tracks = (
        Line("still", [wave(0)], opacity=0.3),
        Line("wave", [wave(k) for k in range(frames)], "#3d85c6"),
        Dots("marks", [wave(k, 2 + k) for k in range(frames)], hollow=True),
        Note([f"frame {k}" for k in range(frames)], at=(0, -1)),
    )
    panel = Panel(
        "a wave", (0, 1), (-1, 1), tracks, xticks=ticks, yticks=ticks, xlabel="x", ylabel="y"
    )
    made = Player(
        (panel,), [f"k = {k}" for k in range(frames)], "A wave that moves.", step_name="k"
    )
    return dataclasses.replace(made, **changed)  # type: ignore[arg-type]


def data(text: str) -> dict:
    found = re.search(r'<script type="application/json">(.*?)</script>', text, flags=re.DOTALL)
    assert found
    return json.loads(found[1])


def tree(text: str) -> ET.Element:
    """The snippet is well formed even as XML, once the attributes without a value have one."""
    return ET.fromstring(
        re.sub(r"<input ([^>]*)>", r"<input \1/>", text).replace(" hidden>", ' hidden="">')
    )


def test_the_same_player_has_the_same_bytes():
    assert player().html() == player().html()
    assert player().still() == player().still()


def test_the_first_frame_is_drawn_and_the_others_are_beside_it():
    root, values = tree(player().html()), data(player().html())["values"]
    changing = [element for element in root.iter() if "data-track" in element.attrib]
    assert [int(element.get("data-track", "")) for element in changing] == [0, 1, 2]
    assert [len(frames) for frames in values] == [4, 4, 4]
    assert [element.get("d") or element.text for element in changing] == [
        frames[0] for frames in values
    ]
    assert data(player().html())["labels"] == ["k = 0", "k = 1", "k = 2", "k = 3"]


def test_the_frame_to_begin_with_is_drawn_and_shown_as_chosen() -> None:
    root, values = tree(player(start=2).html()), data(player().html())["values"]
    changing = [element for element in root.iter() if "data-track" in element.attrib]
    assert [element.get("d") or element.text for element in changing] == [
        frames[2] for frames in values
    ]
    chosen = [element.get("value") for element in root.iter("input")]
    assert chosen == ["2"] and [element.text for element in root.iter("output")] == ["k = 2"]
    assert player(start=2).still() != player().still()
    with pytest.raises(ValueError, match="start: 4 of 4 frames"):
        player(start=4)


def test_several_panels_count_their_tracks_on():
    one = player().panels[0]
    root = tree(player(panels=(one, one)).html())
    assert [
        element.get("data-track") for element in root.iter() if "data-track" in element.attrib
    ] == list("012345")


def test_nothing_that_is_given_ends_up_as_markup():
    panel = Panel(
        NASTY,
        (0, 1),
        (0, 1),
        (Line(NASTY, [wave(0), wave(1)], NASTY), Note([NASTY, NASTY], at=(0, 0))),
        xlabel=NASTY,
    )
    text = Player((panel,), [NASTY, NASTY], NASTY, step_name=NASTY).html()
    assert text.count("<script") == text.count("</script>") == 1
    assert "<img" not in text
    assert data(text)["labels"] == [NASTY, NASTY]
    assert not [
        name for element in tree(text).iter() for name in element.attrib if name.startswith("on")
    ]


def test_numbers_are_short_and_ink_is_the_colour_of_the_page():
    text = player().html()
    assert not re.search(r"\d\.\d\d", re.sub(r'opacity="[^"]*"', "", text))
    assert "-0 " not in text and "nan" not in text.lower()
    assert 'stroke="currentColor"' in text and "#010203" not in text


def test_a_player_of_thirty_frames_and_two_curves_of_sixty_points_is_small():
    tracks = tuple(Line(f"{k}", [wave(k + phase / 9, 60) for phase in range(30)]) for k in range(2))
    made = Player((Panel("", (0, 1), (-1, 1), tracks),), [str(k) for k in range(30)], "two waves")
    assert len(made.html()) < 50_000


def test_values_that_are_not_numbers_break_a_line_and_drop_a_dot():
    points = np.array([[0.0, 0.0], [np.nan, 0.0], [1.0, 1.0]])
    assert Line("", [points]).content(points) == "M0 0h0M1 1h0"
    assert Dots("", [points]).content(points) == "M0 0h0m1 1h0"


def test_a_second_mark_in_the_same_place_is_not_written():
    # the second is the first to a tenth of a pixel
    points = np.array([[1.0, 1.0], [1.01, 0.99], [2.0, 1.0]])
    assert Dots("", [points]).content(points) == "M1 1h0m1 0h0"


def test_a_panel_maps_its_limits_to_its_corners():
    bare = Panel("", (-2, 2), (0, 1), (), width=112, height=132)
    np.testing.assert_allclose(bare.place(np.array([[-2, 0], [2, 1]])), [[6, 126], [106, 26]])


def test_frames_and_labels_must_match():
    with pytest.raises(ValueError, match="wave: 4 frames for 3 labels"):
        player(labels=["a", "b", "c"])


def test_it_shows_itself_as_html_as_a_picture_and_in_words():
    bundle = player()._repr_mimebundle_()
    assert set(bundle) == {"text/html", "image/png", "text/plain"}
    assert bundle["image/png"].startswith(b"\x89PNG")


# --- in a browser


def document(*players: Player, script: bool = True) -> str:
    code = f"<script>{(STATIC / 'player.js').read_text('utf-8')}</script>" if script else ""
    style = (STATIC / "player.css").read_text("utf-8")
    body = "".join(one.html() for one in players)
    head = (
        '<meta charset="utf-8"><link rel="icon" href="data:,"><title>players</title>'
        f"<style>{style}</style>"
    )
    return f"<!DOCTYPE html><html><head>{head}{code}</head><body>{body}</body></html>"


@pytest.fixture(scope="module")
def page() -> Iterator[browser.Page]:
    with browser.open_page() as opened:
        yield opened


def load(page: browser.Page, folder: Path, *players: Player, script: bool = True) -> None:
    path = folder / "players.html"
    path.write_text(document(*players, script=script), "utf-8")
    assert page.load(path.as_uri()).errors == ()


def press(page: browser.Page, key: str) -> None:
    text = {" ": " "}.get(key, "")
    page.call(
        "Input.dispatchKeyEvent",
        type="keyDown",
        key=key,
        code="Space" if key == " " else key,
        text=text,
    )
    page.call("Input.dispatchKeyEvent", type="keyUp", key=key, code="Space" if key == " " else key)


def labels(page: browser.Page) -> list[str]:
    return page.ask("Array.from(document.querySelectorAll('output'), (one) => one.textContent)")


def later(page: browser.Page, milliseconds: int) -> str:
    """What the first player shows after a while."""
    shown = "document.querySelector('output').textContent"
    return page.ask(f"new Promise((done) => setTimeout(() => done({shown}), {milliseconds}))")


def wave_path(page: browser.Page) -> str:
    return page.ask("document.querySelector('[data-name=wave]').getAttribute('d')")


@needs_browser
@pytest.mark.browser
@pytest.mark.parametrize("focus", ["input", "button"])
def test_keys_move_the_frame_of_the_focused_player_only(
    page: browser.Page, tmp_path: Path, focus: str
) -> None:
    load(page, tmp_path, player(), player())
    page.ask(f"document.querySelectorAll('.simplicity-player {focus}')[0].focus()")
    before = wave_path(page)
    seen = []
    for key in ("ArrowRight", "ArrowUp", "ArrowLeft", "End", "ArrowRight", "Home", "ArrowDown"):
        press(page, key)
        seen.append(labels(page))
    assert seen == [[f"k = {k}", "k = 0"] for k in (1, 2, 1, 3, 3, 0, 0)]
    press(page, "ArrowRight")
    values = data(player().html())["values"]
    assert before == values[0][0] and wave_path(page) == values[0][1]
    assert page.ask("document.querySelector('input').value") == "1"
    assert page.ask("document.querySelector('input').getAttribute('aria-valuetext')") == "k = 1"


@needs_browser
@pytest.mark.browser
@pytest.mark.parametrize("focus", ["input", "button"])
def test_the_space_bar_plays_to_the_end_and_pauses(
    page: browser.Page, tmp_path: Path, focus: str
) -> None:
    load(page, tmp_path, player(milliseconds=60))
    page.ask(f"document.querySelector('{focus}').focus()")
    assert later(page, 300) == "k = 0"
    press(page, " ")
    assert page.ask("document.querySelector('button').textContent") == "Pause"
    assert later(page, 600) == "k = 3"
    assert page.ask("document.querySelector('button').textContent") == "Play"
    press(page, " ")
    press(page, " ")
    shown = labels(page)
    assert later(page, 300) == shown[0]


@needs_browser
@pytest.mark.browser
def test_where_less_motion_is_asked_for_the_button_goes_one_frame_on(
    page: browser.Page, tmp_path: Path
) -> None:
    page.call(
        "Emulation.setEmulatedMedia",
        features=[{"name": "prefers-reduced-motion", "value": "reduce"}],
    )
    try:
        load(page, tmp_path, player(milliseconds=30))
        assert page.ask("document.querySelector('button').textContent") == "Next"
        page.ask("document.querySelector('button').click()")
        assert later(page, 300) == "k = 1"
    finally:
        page.call("Emulation.setEmulatedMedia", features=[])


@needs_browser
@pytest.mark.browser
def test_a_finger_drags_through_the_frames(page: browser.Page, tmp_path: Path) -> None:
    load(page, tmp_path, player())
    for share, label in ((0.34, "k = 1"), (0.99, "k = 3"), (0.01, "k = 0")):
        page.ask(
            "(() => { const svg = document.querySelector('.panels svg'), box = "
            "svg.getBoundingClientRect();"
            f" const at = {{bubbles: true, clientX: box.left + {share} * box.width}};"
            " svg.dispatchEvent(new PointerEvent('pointerdown', at)); })()"
        )
        assert labels(page) == [label]


@needs_browser
@pytest.mark.browser
def test_without_the_script_the_first_frame_stays_and_no_dead_control_shows(
    page: browser.Page, tmp_path: Path
) -> None:
    load(page, tmp_path, player(), script=False)
    assert labels(page) == ["k = 0"]
    assert page.ask("document.querySelector('.controls').getBoundingClientRect().height") == 0
    assert page.ask("document.querySelector('.panels svg').getBoundingClientRect().height") > 100


@needs_browser
@pytest.mark.browser
def test_play_runs_from_the_first_frame_where_another_is_shown_to_begin_with(
    page: browser.Page, tmp_path: Path
) -> None:
    load(page, tmp_path, player(start=2, milliseconds=60_000))
    assert labels(page) == ["k = 2"]
    page.ask("document.querySelector('button').click()")
    assert labels(page) == ["k = 0"]
    load(page, tmp_path, player(start=2))
    page.ask("document.querySelector('input').focus()")
    press(page, "ArrowRight")
    assert labels(page) == ["k = 3"]


@needs_browser
@pytest.mark.browser
def test_it_fits_a_window_of_400_pixels(page: browser.Page, tmp_path: Path) -> None:
    one = player().panels[0]
    page.look(400, 800)
    load(page, tmp_path, player(panels=(one, one)))
    assert page.ask("document.documentElement.scrollWidth") <= 400
    tops = page.ask(
        "Array.from(document.querySelectorAll('.panels svg'), (one) => "
        "one.getBoundingClientRect().top)"
    )
    assert tops[1] > tops[0] + 100


@needs_browser
@pytest.mark.browser
def test_panels_of_a_row_have_one_scale_and_break_only_where_they_must(
    page: browser.Page, tmp_path: Path
) -> None:
    one = dataclasses.replace(player().panels[0], width=220, height=236)
    wide = dataclasses.replace(one, width=264)
    boxes = (
        "Array.from(document.querySelectorAll('.panels svg'), "
        "(one) => one.getBoundingClientRect().toJSON())"
    )
    page.look(740, 600)
    load(page, tmp_path, player(panels=(one, one, wide)))
    first, second, third = page.ask(boxes)
    assert first["top"] == second["top"] == third["top"]
    assert first["height"] == pytest.approx(third["height"], abs=1) and third["width"] / first[
        "width"
    ] == pytest.approx(1.2, abs=0.01)
    page.look(400, 800)
    load(page, tmp_path, player(panels=(one, one, wide)))
    first, second, third = page.ask(boxes)
    assert first["top"] == second["top"] and third["top"] > first["bottom"] and third["width"] > 300


@pytest.mark.parametrize(("panels", "shape"), [(3, "wide"), (4, "high")])
def test_a_still_of_many_panels_has_rows_of_two(panels: int, shape: str) -> None:
    still = Image.open(io.BytesIO(player(panels=player().panels * panels).still()))
    assert (still.width > 1.5 * still.height) == (shape == "wide")


@needs_browser
@pytest.mark.browser
def test_paper_shows_four_stills_and_afterwards_the_reader_is_where_she_was(
    page: browser.Page, tmp_path: Path
) -> None:
    load(page, tmp_path, player(frames=7))
    page.ask("document.querySelector('input').focus()")
    press(page, "ArrowRight")
    page.ask("window.dispatchEvent(new Event('beforeprint'))")
    stills = "Array.from(document.querySelectorAll('.stills p'), (one) => one.textContent)"
    assert page.ask(stills) == ["k = 0", "k = 2", "k = 4", "k = 6"]
    waves = "Array.from(document.querySelectorAll('.stills [data-name=wave]'), (one) => "
    drawn = page.ask(f"{waves}one.getAttribute('d'))")
    assert drawn == [data(player(frames=7).html())["values"][0][k] for k in (0, 2, 4, 6)]
    assert labels(page) == ["k = 1"]
    page.ask("window.dispatchEvent(new Event('afterprint'))")
    assert page.ask(stills) == []
    press(page, "ArrowRight")
    assert labels(page) == ["k = 2"]


def test_a_player_may_have_fewer_frames_and_keeps_its_first_its_last_and_its_start():
    few = player(frames=9, start=3).thinned(4)
    assert list(few.labels) == ["k = 0", "k = 3", "k = 5", "k = 8"] and few.start == 1
    assert few.html().count("frame 5") == 1 and "frame 4" not in few.html()
    assert player(frames=3).thinned(9).html() == player(frames=3).html()


@pytest.mark.parametrize(
    ("start", "kept"), [(1, [0, 1, 5, 8]), (7, [0, 3, 7, 8]), (8, [0, 3, 5, 8])]
)
def test_a_start_near_an_end_takes_the_place_of_a_frame_between(
    start: int, kept: list[int]
) -> None:
    few = player(frames=9, start=start).thinned(4)
    assert (
        list(few.labels) == [f"k = {k}" for k in kept] and few.labels[few.start] == f"k = {start}"
    )
    with pytest.raises(ValueError, match="most: 2 frames"):
        player(frames=9, start=start).thinned(2)
