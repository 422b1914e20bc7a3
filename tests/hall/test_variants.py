"""A chapter with other parameters: grids of notebooks whose kernels always end, an index page, a
whole site.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest

from simplicity.evidence.ledger import MIME
from simplicity.problems import Problem
from simplicity.site import variants

# `book` and `tree` are fixtures: a copy of the book with one small chapter.
from test_build import ENDLESS, TOC, Tree, book, kernels_of, tree  # noqa: F401

pytestmark = pytest.mark.site
CHECK = {
    "claim": "B1", "kind": "identity", "statistic": "s", "value": 1.0, "interval": None,
    "interval_kind": "none", "seeds": 1, "criterion": "below 2", "passed": True, "preset": "custom",
    "control": {"what": "none", "why": "a toy"},
}  # fmt: skip


def start(tree: Tree, *words: object) -> subprocess.Popen[str]:  # noqa: F811
    """The command `simplicity` with the library of the copy."""
    command = [
        sys.executable,
        "-c",
        "import sys; from simplicity.cli import main; sys.exit(main())",
        *map(str, words),
    ]
    environment = {**os.environ, "PYTHONPATH": str(tree.root / "lib")}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_a_grid_is_executed_told_and_linked_and_a_failing_point_costs_itself(
    tree: Tree,  # noqa: F811
    tmp_path: Path,
) -> None:
    grid = "-p scale=2 -g width=5,-5 -g law=<b>bold</b> --workers 2 -o".split()
    client = start(tree, "chapter", "small", *grid, tmp_path / "grid")
    out, err = client.communicate()
    assert client.returncode == 1, err
    assert "2 notebooks, 1 failed" in out
    listed = [".index.html.files", "index.html", "small-1.ipynb"]
    assert sorted(path.name for path in (tmp_path / "grid").iterdir()) == listed
    notebook = nbformat.read(tmp_path / "grid" / "small-1.ipynb", 4)
    (injected,) = (
        cell for cell in notebook.cells if "injected-parameters" in cell.metadata.get("tags", [])
    )
    assert 'law = "<b>bold</b>"' in injected.source
    page = (tmp_path / "grid" / "index.html").read_text("utf-8")
    assert "<b>" not in page and page.count("&lt;b&gt;bold&lt;/b&gt;") == 2
    assert 'href="small-1.ipynb"' in page and "small-2.ipynb" not in page
    assert "failed: AssertionError: width must be positive" in page


def point(path: Path, chapter: str, given: dict[str, object], limit: float) -> float:
    if given["width"] == 13:
        raise Problem("told to fail")
    nbformat.write(nbformat.v4.new_notebook(), path)
    return 1.0


class Loop:
    """Runs each point at once, in the place of the pool of processes."""

    @classmethod
    @contextlib.contextmanager
    def pool(cls, workers: int) -> Iterator["Loop"]:
        yield cls()

    def schedule(self, function: Callable[..., float], args: list[Any], timeout: float) -> Future:
        future: Future = Future()
        try:
            future.set_result(function(*args))
        except Problem as problem:
            future.set_exception(problem)
        return future


def test_a_smaller_grid_clears_what_the_larger_one_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(variants.worker, "pool", Loop.pool)
    monkeypatch.setattr(variants.worker, "variant", point)
    folder = tmp_path / "grid"

    def grid(chapter: str, *widths: int) -> list[str]:
        variants.execute_grid(chapter, [{"width": width} for width in widths], folder, 1, 10.0)
        return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))

    assert grid("small", 1, 2, 3) == [
        "index.html",
        "small-1.ipynb",
        "small-2.ipynb",
        "small-3.ipynb",
    ]
    (folder / "small-9.ipynb").write_text("mine", "utf-8")
    (folder / "small-2.ipynb").write_text("changed by hand", "utf-8")
    assert grid("small", 4) == ["index.html", "small-1.ipynb", "small-2.ipynb", "small-9.ipynb"]
    (folder / "small-2.ipynb").unlink()
    # no old notebook for a failed point
    assert grid("small", 13, 5) == ["index.html", "small-2.ipynb", "small-9.ipynb"]
    assert grid("other", *range(20, 31))[:2] == ["index.html", "other-01.ipynb"]
    assert (
        not (folder / "small-2.ipynb").exists()
        and (folder / "small-9.ipynb").read_text("utf-8") == "mine"
    )


def test_a_grid_broken_off_has_a_page_of_what_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(path: Path, chapter: str, given: dict[str, object], limit: float) -> float:
        if given["width"] == 2:
            raise KeyboardInterrupt
        return point(path, chapter, given, limit)

    class Later(Loop):
        def schedule(
            self, function: Callable[..., float], args: list[Any], timeout: float
        ) -> Future:
            future: Future = Future()
            future.result = lambda timeout=None: function(*args)  # type: ignore[method-assign]
            return future

    monkeypatch.setattr(variants.worker, "pool", Later.pool)
    monkeypatch.setattr(variants.worker, "variant", broken)
    with pytest.raises(KeyboardInterrupt):
        variants.execute_grid("small", [{"width": width} for width in (1, 2, 3)], tmp_path, 1, 10.0)
    page = (tmp_path / "index.html").read_text("utf-8")
    assert page.count("not executed yet") == 2 and 'href="small-1.ipynb"' in page


@pytest.mark.parametrize("before", ["nothing", "an empty folder", "an earlier site"])
def test_a_site_takes_the_place_of_an_earlier_one_as_a_whole(tmp_path: Path, before: str) -> None:
    (tmp_path / "html").mkdir()
    (tmp_path / "html" / "index.html").write_text("new", "utf-8")
    target = tmp_path / "deep" / "site"
    if before != "nothing":
        target.mkdir(parents=True)
    if before == "an earlier site":
        (target / "old.html").write_text("old", "utf-8")
    variants._place(tmp_path / "html", target)
    assert [path.name for path in target.iterdir()] == ["index.html"]
    assert [path.name for path in target.parent.iterdir()] == ["site"]


@pytest.fixture
def endless(tree: Tree) -> Iterator[Tree]:  # noqa: F811
    """The copy with one more chapter, which never ends."""
    source = tree.root / "book" / "endless.md"
    text = (tree.root / "book" / "small.md").read_text("utf-8")
    source.write_text(text.replace("\n## Verdict", ENDLESS + "\n## Verdict"), "utf-8")
    yield tree
    source.unlink()


@pytest.mark.parametrize("words", [["-g", "width=3"], []], ids=["grid", "one"])
def test_a_notebook_without_end_is_ended_with_its_kernel(
    endless: Tree, tmp_path: Path, words: list[str]
) -> None:
    client = start(endless, "chapter", "endless", *words, "-o", tmp_path / "out", "--timeout", 8)
    seen: set[psutil.Process] = set()
    while client.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess):
            seen |= set(kernels_of(client))
        time.sleep(0.2)
    out, err = client.communicate()
    assert client.returncode == 1
    assert "chapter endless: it took more than 8 s" in out + err
    assert seen and not any(
        one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in seen
    )
    assert not (tmp_path / "out").is_file()


def test_a_killed_client_leaves_no_kernel(endless: Tree, tmp_path: Path) -> None:
    client = start(
        endless, "chapter", "endless", "-g", "width=3,4", "-o", tmp_path / "grid", "--workers", 2
    )
    limit = time.monotonic() + 120
    while len(kernels_of(client)) < 2:
        assert time.monotonic() < limit and client.poll() is None
        time.sleep(0.2)
    started = psutil.Process(client.pid).children(recursive=True)
    client.kill()
    client.communicate()
    assert psutil.wait_procs(started, timeout=60)[1] == []


INTERRUPTED = {
    "one": (["chapter", "endless", "-o", "{out}"], signal.SIGINT, 1),
    "grid": (
        ["chapter", "endless", "-g", "width=3,4,5", "-o", "{out}", "--workers", "2"],
        signal.SIGHUP,
        2,
    ),
    "site": (["site", "--chapter", "endless", "-p", "width=3", "-o", "{out}"], signal.SIGTERM, 1),
    "site, killed": (
        ["site", "--chapter", "endless", "-p", "width=3", "-o", "{out}"],
        signal.SIGKILL,
        1,
    ),
}


@pytest.mark.parametrize("case", INTERRUPTED)
def test_an_interrupted_command_ends_with_all_that_it_started(
    endless: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    words, stop, running = INTERRUPTED[case]
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (endless.root / "_toc.yml").write_text(TOC + "  - file: book/endless\n")
    client = start(endless, *(word.format(out=tmp_path / "out") for word in words))
    while len(kernels_of(client)) < running:
        assert client.poll() is None
        time.sleep(0.2)
    started = psutil.Process(client.pid).children(recursive=True)
    client.send_signal(stop)
    _, err = client.communicate()
    (endless.root / "_toc.yml").write_text(TOC)
    assert psutil.wait_procs(started, timeout=60)[1] == []
    # No notebook and no site; a grid has had its page from the start, which says that nothing was
    # executed.
    assert {path.name for path in (tmp_path / "out").rglob("*")} <= {
        "index.html",
        ".index.html.files",
    }
    assert not (tmp_path / "out").is_file()
    if stop != signal.SIGKILL:
        assert client.returncode == 130
        assert err.endswith("error: interrupted\n") and "Traceback" not in err
        assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("fixed", "swept", "told"),
    [
        ({}, {"wdith": ["3"]}, "unknown parameter of small: got 'wdith'"),
        ({"width": "x"}, {"scale": ["1"]}, "width: got 'x', allowed a whole number"),
        ({}, {"width": ["3", "x"]}, "width: got 'x', allowed a whole number"),
        ({}, {"width": ["3", "03"]}, "width: got 3 twice, allowed once"),
        (
            {},
            {"width": [str(n) for n in range(1001)]},
            "grid: got 1001 notebooks, allowed at most 1000",
        ),
    ],
)
def test_wrong_grids_are_refused(
    book: Path,  # noqa: F811
    fixed: dict[str, str],
    swept: dict[str, list[str]],
    told: str,
) -> None:
    with pytest.raises(Problem) as refused:
        variants.points("small", fixed, swept)
    assert str(refused.value).startswith(told)


def test_the_page_shows_each_notebooks_own_verdicts(tmp_path: Path) -> None:
    notebooks = []
    for number, passed in enumerate([True, False]):
        output = nbformat.v4.new_output(
            "display_data", {MIME: {"checks": [{**CHECK, "passed": passed}]}}
        )
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell("judge()", outputs=[output])]
        )
        path = tmp_path / f"{number}.ipynb"
        nbformat.write(notebook, path)
        notebooks.append(variants.Notebook({"<i>": number}, path, 1.0))
    page = variants.index("small", notebooks)
    assert [
        found
        for found in re.findall(r"> ([a-z ]+)</span>|(not reproduced|reproduced)</span>", page)
    ]
    assert page.index("verdict-holds") < page.index("verdict-does-not-hold")
    assert "<i>" not in page and "&lt;i&gt;" in page


def test_replaced_values_are_literals_that_nothing_can_break_out_of() -> None:
    text = 'first\n\n# Title\n\nwidth: int = 20  # neurons\nlaw: str = "gauss"\n'
    value = '"""\n```\n{eval} # '
    found = variants.replaced(text, {"width": 20, "law": "gauss"}, {"width": 5, "law": value})
    assert "\nwidth: int = 5  # neurons\n" in found
    (line,) = (line for line in found.splitlines() if line.startswith("law: str = "))
    assert eval(line.partition(" = ")[2]) == value
    assert "width = 5, published 20" in found and found.index("# Title") < found.index(
        "{admonition} Not the published page"
    )


def test_a_site_with_other_parameters_says_so_and_executes_only_the_changed_chapter(
    tree: Tree,  # noqa: F811
    tmp_path: Path,
) -> None:
    built = tree.build()
    assert built.returncode == 0, built.stderr
    before = (tree.root / "_build" / "html" / "claims.json").read_text("utf-8")
    words = ["-p", "scale=0.25", "-p", "law=<script>alert(1)</script>", "-o", tmp_path / "site"]
    client = start(tree, "site", "--chapter", "small", *words)
    out, err = client.communicate()
    assert client.returncode == 0, err
    assert out == f"{tmp_path / 'site' / 'index.html'}\n"
    assert err.startswith("building a copy of the book\nchapter small: executed in ")
    page = (tmp_path / "site" / "book" / "small.html").read_text("utf-8")
    assert "Not the published page" in page and "<script>alert" not in page
    assert "scale = 0.25, published 0.5" in page
    assert "0.500" in tree.page("small") and "It is" in page and "0.250" in page
    assert (tree.root / "_build" / "html" / "claims.json").read_text("utf-8") == before
