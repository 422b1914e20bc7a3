"""A chapter with other parameters: grids of notebooks whose kernels always end, an index page, a whole site."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest

from simplicity.book import variants, worker
from simplicity.book.execute import ChapterFailed
from simplicity.config import Problem
from simplicity.ledger import MIME
from test_build import Tree, book, tree  # noqa: F401  # fixtures: a copy of the book with one small chapter

pytestmark = pytest.mark.site
CHECK = {
    "claim": "B1", "kind": "identity", "statistic": "s", "value": 1.0, "interval": None, "interval_kind": "none", "seeds": 1,
    "criterion": "below 2", "passed": True, "preset": "custom", "control": {"what": "none", "why": "a toy"},
}  # fmt: skip


def kernels() -> list[psutil.Process]:
    children = psutil.Process().children(recursive=True)
    return [child for child in children if any("ipykernel" in word for word in child.cmdline())]


def test_a_grid_is_executed_told_and_linked_and_a_failing_point_costs_itself(book: Path, tmp_path: Path) -> None:  # noqa: F811
    given = variants.points("small", {"scale": "2"}, {"width": ["5", "-5"], "law": ["<b>bold</b>"]})
    assert given == [{"scale": 2.0, "width": width, "law": "<b>bold</b>"} for width in (5, -5)]
    fine, failed = variants.execute_grid("small", given, tmp_path / "grid", 2, 100)
    assert not fine.failure and "width must be positive" in failed.failure
    assert sorted(path.name for path in (tmp_path / "grid").iterdir()) == ["index.html", "small-1.ipynb"]
    injected = next(c for c in nbformat.read(fine.path, 4).cells if "injected-parameters" in c.metadata.get("tags", []))
    assert 'law = "<b>bold</b>"' in injected.source
    page = (tmp_path / "grid" / "index.html").read_text("utf-8")
    assert "<b>" not in page and page.count("&lt;b&gt;bold&lt;/b&gt;") == 2
    assert 'href="small-1.ipynb"' in page and "small-2.ipynb" not in page
    assert "failed: AssertionError: width must be positive" in page
    assert kernels() == []


ENDLESS = "\n```{code-cell} ipython3\nwhile True:\n    pass\n```\n"


def test_a_notebook_without_end_is_ended_with_its_kernel(book: Path, tmp_path: Path) -> None:  # noqa: F811
    source = book / "book" / "endless.md"
    source.write_text(
        (book / "book" / "small.md").read_text("utf-8").replace("\n## Verdict", ENDLESS + "\n## Verdict"), "utf-8"
    )
    try:
        (one,) = variants.execute_grid("endless", [{"width": 3}], tmp_path, 1, 15)
        assert one.failure == "chapter endless: it took more than 15 s"
        with pytest.raises(ChapterFailed, match="it took more than 3 s"), worker.limited("endless", 3):
            from simplicity.book.execute import execute

            execute("endless", tmp_path / "out.ipynb")
        assert kernels() == []
    finally:
        source.unlink()


CLIENT = """
import sys
from pathlib import Path
from simplicity.book import variants
if __name__ == "__main__":
    variants.execute_grid("endless", [{"width": 3}, {"width": 4}], Path(sys.argv[1]), 2, 1000)
"""


def test_a_killed_client_leaves_no_kernel(book: Path, tmp_path: Path) -> None:  # noqa: F811
    source = book / "book" / "endless.md"
    source.write_text(
        (book / "book" / "small.md").read_text("utf-8").replace("\n## Verdict", ENDLESS + "\n## Verdict"), "utf-8"
    )
    script = tmp_path / "client.py"
    script.write_text(CLIENT)
    client = subprocess.Popen([sys.executable, str(script), str(tmp_path / "grid")], env={**os.environ})
    try:
        limit = time.monotonic() + 120
        while len(kernels()) < 2:
            assert time.monotonic() < limit and client.poll() is None
            time.sleep(0.2)
        started = psutil.Process(client.pid).children(recursive=True)
        client.kill()
        client.wait()
        gone, alive = psutil.wait_procs(started, timeout=60)
        assert alive == []
    finally:
        client.kill()
        source.unlink()


@pytest.mark.parametrize(
    ("fixed", "swept", "told"),
    [
        ({}, {"wdith": ["3"]}, "unknown parameter of small: got 'wdith'"),
        ({"width": "x"}, {"scale": ["1"]}, "width: got 'x', allowed a value of type int"),
        ({}, {"width": ["3", "x"]}, "width: got 'x', allowed a value of type int"),
        ({}, {"width": ["3", "03"]}, "width: got 3 twice, allowed once"),
        ({}, {"width": [str(n) for n in range(1001)]}, "grid: got 1001 notebooks, allowed at most 1000"),
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
        output = nbformat.v4.new_output("display_data", {MIME: {"checks": [{**CHECK, "passed": passed}]}})
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("judge()", outputs=[output])])
        path = tmp_path / f"{number}.ipynb"
        nbformat.write(notebook, path)
        notebooks.append(variants.Notebook({"<i>": number}, path, 1.0))
    page = variants.index("small", notebooks)
    assert [found for found in re.findall(r"> ([a-z ]+)</span>|(not reproduced|reproduced)</span>", page)]
    assert page.index("verdict-reproduced") < page.index("verdict-not-reproduced")
    assert "<i>" not in page and "&lt;i&gt;" in page


def test_replaced_values_are_literals_that_nothing_can_break_out_of() -> None:
    text = 'first\n\n# Title\n\nwidth: int = 20  # neurons\nlaw: str = "gauss"\n'
    value = '"""\n```\n{eval} # '
    found = variants.replaced(text, {"width": 20, "law": "gauss"}, {"width": 5, "law": value})
    assert "\nwidth: int = 5  # neurons\n" in found
    (line,) = (line for line in found.splitlines() if line.startswith("law: str = "))
    assert eval(line.partition(" = ")[2]) == value
    assert "width = 5, published 20" in found and found.index("# Title") < found.index("{admonition} Not the published page")


def test_a_site_with_other_parameters_says_so_and_executes_only_the_changed_chapter(
    tree: Tree,  # noqa: F811
    tmp_path: Path,
) -> None:
    built = tree.build()
    assert built.returncode == 0, built.stderr
    before = (tree.root / "_build" / "html" / "claims.json").read_text("utf-8")
    words = [
        "site",
        "--chapter",
        "small",
        "-p",
        "scale=0.25",
        "-p",
        "law=<script>alert(1)</script>",
        "-o",
        str(tmp_path / "site"),
    ]
    command = [sys.executable, "-c", f"import sys; from simplicity.cli import main; sys.exit(main({words!r}))"]
    environment = {**os.environ, "PYTHONPATH": str(tree.root / "lib")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "site" / "book" / "small.html").read_text("utf-8")
    assert "Not the published page" in page and "<script>alert" not in page
    assert "scale = 0.25, published 0.5" in page
    value = 0.25 * (json.loads(json.dumps(3.0)) if "1.500" in tree.page("small") else 1.0)
    assert f"{value:.3f}" in page
    assert (tree.root / "_build" / "html" / "claims.json").read_text("utf-8") == before
