"""The explorable: its numbers are the Python engine's, and a browser can ask it everything."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import browser
from simplicity import nets
from simplicity.boursier import alignment, extremal, ols
from simplicity.boursier.experiments import three_points
from simplicity.boursier.two_layer import descend
from simplicity.data import streams
from simplicity.places import paths

STATIC = paths.book() / "_static"
STEPS = 500
CORNERS = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not browser.available(), reason="chromium is not installed"),
]


def cloud(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = streams.generator(seed, streams.DATA)
    x = rng.standard_normal((n, 2))
    return x, x[:, 0] + 0.5 * rng.standard_normal(n)


SETTINGS = {
    "a noisy teacher from a small start": (*cloud(12), 20, 1e-3, 0.02),
    "XOR with an odd width": (CORNERS, CORNERS.prod(axis=1), 41, 1e-2, 0.05),
    "three points from a large start": (three_points.X, three_points.Y, 10, 1.0, 0.1),
}


@pytest.fixture(scope="module")
def opened() -> Iterator[browser.Page]:
    with browser.open_page() as page:
        yield page


@pytest.fixture
def page(opened: browser.Page, tmp_path: Path) -> browser.Page:
    opened.look(1000, 1200)
    return load(opened, tmp_path)


def load(page: browser.Page, folder: Path) -> browser.Page:
    """The page's own elements, style and script, without the theme around them."""
    body = (STATIC / "explorable.html").read_text("utf-8").replace("../_static", STATIC.as_uri())
    head = (
        '<meta charset="utf-8"><link rel="icon" href="data:,">'
        f'<link rel="stylesheet" href="{STATIC.as_uri()}/style.css">'
    )
    start = (
        "<script>window.seen = []; addEventListener('error', (event) => "
        "seen.push(event.message))</script>"
    )
    path = folder / "explorable.html"
    html = (
        f'<!DOCTYPE html><html lang="en" data-theme="light"><head>{head}{start}</head>'
        f"<body>{body}</body></html>"
    )
    path.write_text(html, "utf-8")
    seen = page.load(path.as_uri())
    assert seen.errors == ()
    assert [url for url in seen.requests if not url.startswith(("file:", "data:"))] == []
    return page


def core(page: browser.Page, expression: str, **values: Any) -> Any:
    """An expression in E, the explorable's functions, and in numbers from here: arrays become flat
    Float64Arrays.
    """
    given = {
        name: np.asarray(value, dtype=np.float64).ravel().tolist() for name, value in values.items()
    }
    names = "".join(
        f"const {name} = Float64Array.from({json.dumps(value)});" for name, value in given.items()
    )
    return page.ask(
        f"(() => {{ const E = window.simplicityExplorable; {names} return {expression}; }})()"
    )


def shown(page: browser.Page) -> dict[str, Any]:
    """What is drawn and said now."""
    return page.ask(
        "({loss: document.querySelector('.panels .loss').getAttribute('d'), said: "
        "document.querySelector('.said').textContent,"
        " points: Array.from(document.querySelectorAll('.point'), (one) => "
        "one.getAttribute('aria-label')),"
        " phases: Array.from(document.querySelectorAll('.phases li'), (one) => one.textContent),"
        " moment: Number(document.querySelector('[data-set=frame]').value), seen: window.seen,"
        " chosen: document.querySelector('.point[aria-pressed=true]').getAttribute('aria-label')})"
    )


def wait(page: browser.Page, milliseconds: int = 300) -> None:
    page.ask(f"new Promise((done) => setTimeout(done, {milliseconds}))")


def put(page: browser.Page, name: str, value: object) -> None:
    """As a reader's hand on the field would do it, and then the time to compute."""
    page.ask(
        "(() => "
        f"{{ const field = document.querySelector('[data-set={name}]'); "
        f"field.value = {str(value)!r};"
        " field.dispatchEvent(new Event('input', {bubbles: true})); })()"
    )
    wait(page, 600)


def press(page: browser.Page, key: str, text: str = "") -> None:
    code = {"Enter": 13, "Tab": 9, "ArrowRight": 39}.get(key, 0)
    page.call(
        "Input.dispatchKeyEvent",
        type="keyDown",
        key=key,
        code=key,
        text=text,
        windowsVirtualKeyCode=code,
    )
    page.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=key, windowsVirtualKeyCode=code)


def middle(page: browser.Page, selector: str) -> tuple[float, float]:
    box = page.ask(f"document.querySelector({selector!r}).getBoundingClientRect().toJSON()")
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def mouse(page: browser.Page, *steps: tuple[str, float, float]) -> None:
    for kind, x, y in steps:
        page.call(
            "Input.dispatchMouseEvent",
            type=f"mouse{kind}",
            x=x,
            y=y,
            button="left",
            buttons=1,
            clickCount=1,
        )


@pytest.mark.parametrize("setting", SETTINGS)
def test_its_steps_are_the_engines(page: browser.Page, setting: str) -> None:
    x, y, width, scale, step_size = SETTINGS[setting]
    start = nets.dominated(width, 2, scale, streams.generator(0, streams.INITIALISATION))
    losses = {"loss": lambda network: 0.5 * ols.mse(nets.forward(network, x), y)}
    network, table = descend(start, x, y, step_size=step_size, schedule=[STEPS], probes=losses)
    train = f"Array(500).fill().reduce((net) => E.step(net, x, y, {step_size}), {{a, w}})"
    told = f"((net) => [Array.from(net.a), Array.from(net.w), E.loss(net, x, y)])({train})"
    a, w, loss = core(page, told, a=start.a, w=start.w, x=x, y=y)
    assert np.abs(network.a).max() > 1.5 * np.abs(start.a).max()  # it has gone somewhere
    np.testing.assert_allclose(a, network.a, rtol=0, atol=1e-6 * np.abs(network.a).max())
    np.testing.assert_allclose(
        np.reshape(w, (-1, 2)), network.w, rtol=0, atol=1e-6 * np.abs(network.w).max()
    )
    assert loss == pytest.approx(float(table["loss"][-1]), rel=1e-6)


def test_its_force_and_the_directions_where_neurons_can_end_are_the_librarys(
    page: browser.Page,
) -> None:
    tasks = [cloud(n, seed) for n in (1, 2, 5, 12, 40) for seed in range(4)]
    for x, y in [*tasks, (CORNERS, CORNERS.prod(axis=1)), (three_points.X, three_points.Y)]:
        found = extremal.in_plane(x, y)
        for sign in (1, -1):
            asked = f"E.ends(x, y).filter((one) => one.sign === {sign}).map((one) => one.angle)"
            angles = np.array(core(page, asked, x=x, y=y))
            ours, theirs = extremal.circle(angles), found.ends(sign)
            assert len(ours) == len(theirs)
            assert all(np.abs(theirs - one).max(axis=1).min() < 1e-9 for one in ours)
        w = np.array([[0.3, -0.8]])
        np.testing.assert_allclose(
            core(page, "E.force(0.3, -0.8, x, y)", x=x, y=y), alignment.d_n(w, x, y)[0], atol=1e-12
        )


def test_the_first_picture_tells_the_story_without_a_click(page: browser.Page) -> None:
    first = shown(page)
    assert "the neurons point in 2 directions; the loss has not moved." in first["said"]
    assert [line.split(",")[0] for line in first["phases"]] == ["Alignment", "Plateau", "Fit"]
    assert len(first["points"]) == 12 and first["loss"].count("L") > 100
    wait(page)
    later = shown(page)
    assert later["said"] == first["said"]  # nothing moves by itself


def test_a_start_that_is_not_small_has_no_plateau_and_the_three_points_need_one(
    page: browser.Page,
) -> None:
    put(page, "law", "three")
    assert "28\u00a0% and hardly moves any more" in shown(page)["phases"][2]
    put(page, "scale", 0)
    assert "none" in shown(page)["phases"][1] and "the loss falls to 0" in shown(page)["phases"][2]
    put(page, "rate", 0)
    put(page, "scale", 0.5)
    put(page, "law", "xor")
    assert shown(page)["seen"] == []


@pytest.mark.parametrize("touch", [False, True], ids=["mouse", "finger"])
def test_a_point_that_is_dragged_changes_the_run(page: browser.Page, touch: bool) -> None:
    before = shown(page)
    x, y = middle(page, ".point")
    if touch:
        page.call("Emulation.setTouchEmulationEnabled", enabled=True)
        for kind, points in (
            ("Start", [{"x": x, "y": y}]),
            ("Move", [{"x": x + 50, "y": y + 40}]),
            ("End", []),
        ):
            page.call("Input.dispatchTouchEvent", type=f"touch{kind}", touchPoints=points)
        page.call("Emulation.setTouchEmulationEnabled", enabled=False)
    else:
        mouse(
            page,
            ("Pressed", x, y),
            ("Moved", x + 25, y + 20),
            ("Moved", x + 50, y + 40),
            ("Released", x + 50, y + 40),
        )
    wait(page)
    after = shown(page)
    assert middle(page, ".point") == pytest.approx((x + 50, y + 40), abs=1.5)
    assert after["loss"] != before["loss"] and after["points"][0] != before["points"][0]
    assert len(after["points"]) == 12 and after["seen"] == []


def test_a_click_adds_a_point_and_a_click_on_the_curve_goes_there(page: browser.Page) -> None:
    x, y = middle(page, "[data-part=plane]")
    mouse(page, ("Pressed", x + 12, y + 70), ("Released", x + 12, y + 70))
    assert len(shown(page)["points"]) == 13
    page.ask("document.querySelector('[data-do=remove]').click()")
    assert len(shown(page)["points"]) == 12
    wait(page, 600)
    box = page.ask("document.querySelector('[data-part=loss]').getBoundingClientRect().toJSON()")
    x, y = box["x"] + 0.6 * box["width"], box["y"] + 0.5 * box["height"]
    mouse(page, ("Pressed", x, y), ("Released", x, y))
    place = page.ask("document.querySelector('.here').getBoundingClientRect().toJSON()")
    assert place["x"] + place["width"] / 2 == pytest.approx(x, abs=4)


def test_keys_move_choose_relabel_and_remove_points(page: browser.Page) -> None:
    page.ask("document.querySelector('.point[tabindex=\"0\"]').focus()")
    before = shown(page)
    seen = []
    for key in ("ArrowRight", "ArrowUp", "+", "PageDown", "-"):
        press(page, key)
        seen.append(shown(page)["chosen"])
    assert len({before["chosen"], *seen}) == 6
    assert [text.split(" ")[1] for text in seen] == ["1", "1", "1", "2", "2"]
    press(page, "Delete")
    assert len(shown(page)["points"]) == 11
    assert page.ask("document.activeElement.matches('.point[aria-pressed=true]')")
    assert shown(page)["loss"] != before["loss"]
    for _ in range(20):
        press(page, "Backspace")
    assert len(shown(page)["points"]) == 1 and shown(page)["seen"] == []


def test_buttons_work_from_the_keyboard_and_every_field_has_a_name(page: browser.Page) -> None:
    page.ask("document.querySelector('[data-do=reset]').focus()")
    press(page, "Enter", "\r")
    assert shown(page)["moment"] == 0
    page.ask("document.querySelector('[data-do=step]').focus()")
    press(page, "Enter", "\r")
    assert shown(page)["moment"] == 1
    page.ask("document.querySelector('[data-set=frame]').focus()")
    press(page, "ArrowRight")
    assert shown(page)["moment"] == 2
    page.ask("document.querySelector('[data-do=play]').focus()")
    press(page, "Enter", "\r")
    assert page.ask("document.activeElement.textContent") == "Pause"
    wait(page, 700)
    press(page, "Enter", "\r")
    paused = shown(page)["moment"]
    wait(page)
    assert paused == shown(page)["moment"] > 5
    fields = (
        "Array.from(document.querySelectorAll('input, select, button'), "
        "(one) => one.labels?.[0] ?? one)"
    )
    assert all(page.ask(f"{fields}.map((one) => one.textContent.trim())"))


def test_where_less_motion_is_asked_for_the_button_goes_to_the_next_phase(
    page: browser.Page, tmp_path: Path
) -> None:
    page.call(
        "Emulation.setEmulatedMedia",
        features=[{"name": "prefers-reduced-motion", "value": "reduce"}],
    )
    try:
        load(page, tmp_path)
        page.ask("document.querySelector('[data-do=reset]').click()")
        assert page.ask("document.querySelector('[data-do=play]').textContent") == "Next phase"
        page.ask("document.querySelector('[data-do=play]').click()")
        moment = shown(page)["moment"]
        wait(page)
        assert 0 < moment == shown(page)["moment"]
    finally:
        page.call("Emulation.setEmulatedMedia", features=[])


def test_it_fits_a_phone_and_is_a_still_on_paper(page: browser.Page, tmp_path: Path) -> None:
    page.look(360, 740)
    load(page, tmp_path)
    for law in ("teacher", "xor", "three"):
        put(page, "law", law)
        assert page.ask("document.documentElement.scrollWidth") <= 360
    heights = (
        "['.controls', '.panels', '.said'].map((one) => "
        "document.querySelector(one).getBoundingClientRect().height)"
    )
    page.call("Emulation.setEmulatedMedia", media="print")
    try:
        controls, panels, said = page.ask(heights)
        assert controls == 0 and panels > 100 and said > 10
    finally:
        page.call("Emulation.setEmulatedMedia", media="")


def test_without_the_script_no_dead_control_shows(page: browser.Page, tmp_path: Path) -> None:
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        load(page, tmp_path)
        assert page.ask("document.querySelector('.controls').getBoundingClientRect().height") == 0
        assert (
            page.ask(
                "document.querySelector('.simplicity-explorable p').getBoundingClientRect().height"
            )
            > 0
        )
    finally:
        page.call("Emulation.setScriptExecutionDisabled", value=False)
