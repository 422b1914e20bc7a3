"""The sphere's picture: an equal-area projection by hand, contours against G_n itself, neurons
where the run has them.
"""

import json
import re

import numpy as np
import pytest

from simplicity import nets
from simplicity.boursier import alignment, extremal, synthetic
from simplicity.boursier.pictures import early, sphere
from simplicity.boursier.snapshots import snapshots
from simplicity.data import streams
from simplicity.pictures.player import Player
from simplicity.pictures.tracks import Dots, Line


def uniform(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, 3))


def test_poles_are_centres_the_equator_is_the_rim_and_the_discs_meet_there_as_the_pages_of_a_book():
    w = np.array([[2.0, 0, 0], [-3.0, 0, 0], [0, 1.0, 0], [0, 0, -5.0]])
    front, back = (sphere.project(w, side) for side in (sphere.FRONT, sphere.BACK))
    np.testing.assert_allclose(front, [[0, 0], [np.nan, np.nan], [1, 0], [0, -1]])
    np.testing.assert_allclose(back, [[np.nan, np.nan], [0, 0], [-1, 0], [0, -1]])


def test_a_known_latitude():
    """At 60 degrees from the pole c = 1/2: half of the hemisphere's area lies within it, so the
    radius is sqrt(1/2).
    """
    w = np.array([0.5, np.sqrt(0.75), 0.0])
    np.testing.assert_allclose(sphere.project(w, sphere.FRONT), [np.sqrt(0.5), 0.0])


def test_equal_areas_stay_equal():
    places = sphere.project(uniform(40_000), sphere.FRONT)
    places = places[np.isfinite(places).all(axis=1)]
    square = np.sum(places**2, axis=1)
    assert len(places) == pytest.approx(20_000, rel=0.03)
    np.testing.assert_allclose(np.quantile(square, [0.1, 0.5, 0.9]), [0.1, 0.5, 0.9], atol=0.015)
    assert np.abs(places.mean(axis=0)).max() < 0.02


@pytest.mark.parametrize("side", [sphere.FRONT, sphere.BACK])
def test_lifting_undoes_the_projection_and_every_direction_is_on_one_disc(side: int) -> None:
    w = uniform(500) * np.array([side, 1, 1])
    unit = w / np.linalg.norm(w, axis=1, keepdims=True)
    here, there = sphere.project(w, side), sphere.project(w, -side)
    shown = np.isfinite(here).all(axis=1)
    np.testing.assert_array_equal(shown, np.isnan(there).all(axis=1))
    np.testing.assert_allclose(sphere.lift(here[shown], side), unit[shown], atol=1e-7)


@pytest.fixture(scope="module")
def run() -> tuple:
    task = synthetic.linear_task("gaussian", 12, 3, 0.25, seed=327)
    start = nets.dominated(100, 3, 1e-6, streams.generator(0, streams.INITIALISATION))
    schedule = range(0, 2001, 100)
    a, w = snapshots(start, task.x, task.y, step_size=0.02, schedule=schedule)
    found = extremal.searched(task.x, task.y, np.random.default_rng(0), starts=256)
    times = np.array(schedule) * 0.02
    return task.x, task.y, early.neuron_frames(a, w, times, task.x, task.y, found)


def test_contours_are_where_g_has_their_share_of_its_largest_value(run: tuple) -> None:
    x, y, _ = run
    largest = np.abs(
        alignment.g_n(
            uniform(50_000) / np.linalg.norm(uniform(50_000), axis=1, keepdims=True), x, y
        )
    ).max()
    drawn = 0
    for side in (sphere.FRONT, sphere.BACK):
        for level, line in sphere.contours(x, y, side).items():
            points = line[np.isfinite(line).all(axis=1)]
            drawn += len(points)
            if len(points):
                np.testing.assert_allclose(
                    alignment.g_n(sphere.lift(points, side), x, y) / largest, level, atol=0.02
                )
                assert np.linalg.norm(points, axis=1).max() <= 1 + 1e-9
    assert drawn > 300


def test_neurons_of_three_dimensions_turn_to_the_directions_that_the_search_has_found(
    run: tuple,
) -> None:
    _, _, frames = run
    assert len(frames["maximisers"]) == len(frames["minimisers"]) == 2
    assert frames["aligned"][0] < 0.1 and frames["aligned"][-1] > 0.95
    assert frames["loss"][-1] == pytest.approx(frames["loss"][0], rel=1e-3)


def test_the_player_has_every_neuron_on_one_of_the_discs_and_the_last_ones_in_the_rings(
    run: tuple,
) -> None:
    x, y, frames = run
    made = sphere.turning(frames, x, y, {"τ½": 10.0}, every=2)
    front, back, curves = made.panels
    assert len(made.labels) == 11 and made.labels[0] == "t = 0.0"
    shown = [tracks_of(panel, Dots, "neurons with") for panel in (front, back)]
    for frame in range(11):
        places = np.concatenate([track.frames[frame] for tracks in shown for track in tracks])
        assert np.isfinite(places).all(axis=1).sum() == 100
        assert np.nanmax(np.linalg.norm(places, axis=1)) <= 1 + 1e-9
    for panel in (front, back):
        for word, sign in (("maximiser", "a > 0"), ("minimiser", "a < 0")):
            (rings,), (neurons,) = (
                tracks_of(panel, Dots, word),
                tracks_of(panel, Dots, f"neurons with {sign}"),
            )
            assert rings.hollow and len(rings.frames) == 1
            ends, last = (
                one[np.isfinite(one).all(axis=1)] for one in (rings.frames[0], neurons.frames[-1])
            )
            if len(last):
                apart = np.linalg.norm(last[:, None] - ends[None], axis=2).min(axis=1)
                assert np.median(apart) < 0.03
    assert "τ½" in [
        track.frames[0]
        for track in curves.tracks
        if not track.name and isinstance(track.frames[0], str)
    ]


def test_the_paths_tell_the_story_in_the_first_frame(run: tuple) -> None:
    x, y, frames = run
    made = sphere.turning(frames, x, y, {}, every=2)
    paths = [track for panel in made.panels[:2] for track in tracks_of(panel, Line, "path")]
    assert len(paths) == 4 and all(len(track.frames) == 1 for track in paths)
    steps = np.concatenate(
        [np.linalg.norm(np.diff(track.frames[0], axis=0), axis=1) for track in paths]
    )
    assert np.nanmin(steps) >= 0.04 - 1e-12 and np.isfinite(steps).sum() > 300


def test_a_path_is_thinned_and_keeps_its_breaks():
    straight = np.stack([np.linspace(0, 1, 101), np.zeros(101)], axis=1)
    gap = np.full((1, 2), np.nan)
    places = np.concatenate([straight, gap, straight + 1])[:, None]
    path = early.paths(places, 0.095, "#000000").frames[0]
    np.testing.assert_allclose(path[:11, 0], np.linspace(0, 1, 11))
    assert np.isnan(path[11]).all() and np.isnan(path[-1]).all() and len(path) == 2 * 11 + 2


def test_the_player_is_small_and_the_same_twice(run: tuple) -> None:
    x, y, frames = run
    text, again = (sphere.turning(frames, x, y, {}, every=1).html() for _ in range(2))
    assert text == again and len(text) < 80_000
    found = re.search(r'<script type="application/json">(.*?)</script>', text, flags=re.DOTALL)
    assert found and len(json.loads(found[1])["labels"]) == 21


def tracks_of(panel: object, kind: type, name: str) -> list:
    return [
        track for track in panel.tracks if isinstance(track, kind) and track.name.startswith(name)
    ]  # type: ignore[attr-defined]


def test_a_path_ends_at_the_exit_or_with_the_run(run: tuple) -> None:
    _, _, frames = run
    # this one has not left yet
    assert len(early.before_exit(frames, frames["position"])) == len(frames["time"])
    falling = {**frames, "loss": np.linspace(1, 0, 21)}
    # the loss is down a tenth at the third
    assert len(early.before_exit(falling, frames["position"])) == 2


def test_it_is_a_player(run: tuple) -> None:
    x, y, frames = run
    made = sphere.turning(frames, x, y, {}, every=4)
    assert isinstance(made, Player) and made._repr_mimebundle_()["image/png"].startswith(b"\x89PNG")
