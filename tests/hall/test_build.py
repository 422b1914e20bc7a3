"""Executing and building, on a copy of the book with one small chapter: what fails keeps failing,
what changed is rerun.

The builds are real ones, in processes of their own, because only these show exit codes and survive
between builds.
"""

import contextlib
import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import psutil
import pytest
from click.testing import CliRunner
from papermill.cli import papermill

from simplicity.evidence import ledger
from simplicity.grid import run
from simplicity.places import paths
from simplicity.problems import Problem
from simplicity.site import (
    __main__,
    build,
    evidence,
    execute,
    papermill_handler,
    sources,
    sphinx_extension,
)

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
pytestmark = pytest.mark.site

CHAPTER = """\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# A small chapter

```{verdict-strip} B1
```

```{code-cell} ipython3
:tags: [parameters]

width: int = 20  # neurons
scale: float = 0.5  # of the initialisation
law: str = "gauss"  # of the inputs
null: bool = False  # permuted labels
```

```{code-cell} ipython3
from myst_nb import glue

from simplicity.novelty import VALUE

assert width > 0, "width must be positive"
glue("value", VALUE * scale, display=False)
glue("width", width)
```

## Verdict

It is {glue:text}`value:.3f`.
"""
INDEX = (
    "# Start\n\n```{ledger-summary}\n```\n\nThe chapter says {glue:text}`small.md::value:.3f`.\n"
)
TOC = "format: jb-book\nroot: book/index\nchapters:\n  - file: book/small\n  - file: book/ledger\n"


@dataclasses.dataclass(frozen=True)
class Tree:
    """A copy of the book, and a way to build it with the library that it holds."""

    root: Path

    def build(self) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "simplicity.site", "book"]
        environment = {**os.environ, "PYTHONPATH": str(self.root / "lib")}
        return subprocess.run(
            command, cwd=self.root, env=environment, capture_output=True, text=True
        )

    def start(self) -> subprocess.Popen[str]:
        """A build as a group of its own, with its own place for temporary files."""
        command = [sys.executable, "-m", "simplicity.site", "book"]
        (self.root / "tmp").mkdir(exist_ok=True)
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.root / "lib"),
            "TMPDIR": str(self.root / "tmp"),
        }
        pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(
            command, cwd=self.root, env=environment, start_new_session=True, **pipes
        )

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.root / name
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new), "utf-8")

    def page(self, name: str) -> str:
        return (self.root / "_build" / "html" / "book" / f"{name}.html").read_text("utf-8")


def kernels_of(client: subprocess.Popen[str]) -> list[psutil.Process]:
    """The kernels that a process and its workers run."""
    found = []
    for child in psutil.Process(client.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            found += [child] if any("ipykernel" in word for word in child.cmdline()) else []
    return found


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    # papermill would fill the braces in
    root = tmp_path_factory.mktemp("copy") / "a book {with braces}"
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "lib", root / "lib", ignore=ignored)
    (root / "lib" / "simplicity" / "novelty.py").write_text("VALUE = 1.0\n")
    shutil.copytree(ROOT / "book", root / "book", ignore=shutil.ignore_patterns("*.md", "katex"))
    for name in ("_config.yml", "requirements.lock"):
        shutil.copy(ROOT / name, root / name)
    (root / "_toc.yml").write_text(TOC)
    (root / "book" / "small.md").write_text(CHAPTER)
    (root / "book" / "index.md").write_text(INDEX)
    (root / "book" / "ledger.md").write_text("# The ledger\n\n```{ledger}\n```\n")
    judged = run.default_store() / "judged"
    if judged.is_dir():  # the copy's records are the same, so that they need not be judged again
        shutil.copytree(judged, root / "_build" / "store" / "judged")
    return Tree(root)


def test_a_failing_assertion_fails_the_build_twice_and_leaves_nothing_that_looks_finished(
    tree: Tree,
) -> None:
    tree.edit("book/small.md", "assert width > 0", "assert width < 0")
    for _ in range(2):
        done = tree.build()
        assert done.returncode != 0
        assert "chapter small: failed" in done.stdout
        assert "chapter small: cell 2 failed" in done.stderr
        assert "width must be positive" in done.stderr
        assert (
            "\x1b" not in done.stderr
            and "Extension error" not in done.stderr
            and "jupyter_book" not in done.stderr
        )
        assert not (tree.root / "_build" / "html" / "claims.json").exists()
        assert list((tree.root / "_build" / "runs").iterdir()) == []
    tree.edit("book/small.md", "assert width < 0", "assert width > 0")


def test_a_warning_fails_the_build_twice_and_a_changed_library_reaches_every_page(
    tree: Tree,
) -> None:
    claims = tree.root / "_build" / "html" / "claims.json"
    first = tree.build()
    assert first.returncode == 0, first.stderr
    assert "chapter small: executed" in first.stdout
    assert len(json.loads(claims.read_text("utf-8"))) == len(ledger.ids())
    assert "0.500" in tree.page("small") and "0.500" in tree.page("index")

    tree.edit("book/index.md", "# Start", "# Start\n\n```{verdict-strip} B999\n```")
    for _ in range(2):  # nothing is executed: the chapter and all that it depends on are unchanged
        done = tree.build()
        assert done.returncode != 0
        assert "verdict-strip: got 'B999', allowed an id of claims.csv" in done.stderr
        assert "executed" not in done.stdout
        assert not claims.exists()

    tree.edit("book/index.md", "B999", "B1")
    tree.edit("lib/simplicity/novelty.py", "1.0", "3.0")
    changed = tree.build()
    assert changed.returncode == 0, changed.stderr
    assert "chapter small: executed" in changed.stdout
    assert "1.500" in tree.page("small") and "1.500" in tree.page("index")
    assert claims.exists()


@pytest.fixture
def book(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The copy as this process's own book; its kernels find the copy's library."""
    monkeypatch.setattr(paths, "root", lambda: tree.root)
    monkeypatch.setenv("PYTHONPATH", str(tree.root / "lib"))
    yield tree.root


def test_parameters_reach_the_injected_cell_and_the_record(book: Path, tmp_path: Path) -> None:
    record = execute.execute("small", tmp_path / "out.ipynb", {"width": "100", "scale": 2})
    notebook = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    injected = [
        cell for cell in notebook.cells if "injected-parameters" in cell.metadata.get("tags", [])
    ]
    assert [line for line in injected[0].source.splitlines() if "=" in line] == [
        "width = 100",
        "scale = 2.0",
    ]
    assert record["parameters"]["given"] == {"width": 100, "scale": 2.0}
    assert record["parameters"]["defaults"] == {
        "width": 20,
        "scale": 0.5,
        "law": "gauss",
        "null": False,
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", record["started"])
    assert str(book) not in (tmp_path / "out.ipynb").read_text("utf-8")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"wdith": 3},
            "unknown parameter of small: got 'wdith' (did you mean width?), allowed width, scale, "
            "law, null",
        ),
        ({"width": 1.5}, "width: got 1.5, allowed a whole number"),
        ({"width": True}, "width: got True, allowed a whole number"),
        ({"width": "many"}, "width: got 'many', allowed a whole number"),
        ({"scale": "nan"}, "scale: got 'nan', allowed a finite number"),
        ({"scale": [1.0]}, "scale: got [1.0], allowed a finite number"),
        ({"law": 3}, "law: got 3, allowed text"),
        ({"null": "perhaps"}, "null: got 'perhaps', allowed true or false"),
    ],
)
def test_wrong_parameters_are_refused_before_anything_is_written(
    book: Path, tmp_path: Path, given: dict[str, object], told: str
) -> None:
    with pytest.raises(Problem) as refused:
        execute.execute("small", tmp_path / "out.ipynb", given)
    assert str(refused.value) == told
    assert list(tmp_path.iterdir()) == []


def test_a_parameter_is_of_the_type_beside_it_and_one_without_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "own.md"
    cell = "```{code-cell}\n:tags: [parameters]\n\nrate: float = 1  # of learning\n```\n"
    source.write_text(cell, "utf-8")
    rate = sources.declared(source)["rate"]
    assert rate == 1 and isinstance(rate, float)
    source.write_text(cell.replace(": float", ""), "utf-8")
    with pytest.raises(Problem, match="^parameters: got 'rate = 1  # of learning', allowed typed"):
        sources.declared(source)


def test_an_unknown_chapter_and_a_missing_folder_are_refused(book: Path, tmp_path: Path) -> None:
    with pytest.raises(
        Problem, match=r"unknown chapter: got 'smal' \(did you mean small\?\), allowed small"
    ):
        execute.execute("smal", tmp_path / "out.ipynb")
    with pytest.raises(Problem, match="output: got .* allowed a file in an existing folder"):
        execute.execute("small", tmp_path / "nowhere" / "out.ipynb")


def test_a_failing_cell_leaves_no_file_and_tells_the_cell(book: Path, tmp_path: Path) -> None:
    with pytest.raises(
        execute.ChapterFailed,
        match="(?s)chapter small: cell 3 failed.*assert width > 0.*width must be",
    ):
        execute.execute("small", tmp_path / "out.ipynb", {"width": -1})
    assert list(tmp_path.iterdir()) == []


# pytest has its own list
@pytest.mark.filterwarnings("ignore:The specified file .* does not end in one of:UserWarning")
def test_papermill_reads_a_text_notebook_and_tells_its_parameters(
    book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(book)
    address, shell = "jupytext://book/small.md", CliRunner()
    ran = shell.invoke(
        papermill, [address, str(tmp_path / "out.ipynb"), "-p", "width", "100", "--cwd", "book"]
    )
    assert ran.exit_code == 0, ran.output
    assert "width = 100" in (tmp_path / "out.ipynb").read_text("utf-8")
    told = shell.invoke(papermill, ["--help-notebook", address])
    assert told.exit_code == 0, told.output
    assert re.search(r"width: int \(default 20\)\s+neurons", told.output)
    assert "Unknown type" not in told.output


def test_papermill_works_from_any_folder_and_without_words_that_look_like_faults(
    book: Path, tmp_path: Path
) -> None:
    words = "jupytext://small.md out.ipynb -p scale nan --no-progress-bar".split()
    command = [str(BIN / "papermill"), *words]
    environment = {**os.environ, "PYTHONPATH": str(book / "lib")}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "UserWarning" not in done.stderr
    ran = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    assert any("scale = float('nan')" in cell.source for cell in ran.cells)


@pytest.mark.parametrize("name", ["small.md", "book/small.md"])
def test_an_address_means_the_working_folder_then_the_checkout_then_its_book(
    book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    address = f"{papermill_handler.SCHEME}{name}"
    assert papermill_handler.local(address) == book / "book" / "small.md"
    Path("book").mkdir()
    Path(name).write_text("another")
    assert papermill_handler.local(address) == Path(name)
    assert papermill_handler.local("jupytext://nowhere.md") == Path("nowhere.md")


def test_a_chapters_own_refusal_is_its_line(book: Path, tmp_path: Path) -> None:
    text = (book / "book" / "small.md").read_text("utf-8")
    refusing = text.replace(
        "assert width > 0,", "from simplicity.problems import Problem\nif width < 1: raise Problem("
    )
    (book / "book" / "refusing.md").write_text(
        refusing.replace('be positive"', 'be positive")'), "utf-8"
    )
    with pytest.raises(Problem) as refused:
        execute.execute("refusing", tmp_path / "out.ipynb", {"width": -1})
    assert str(refused.value) == "width must be positive"
    assert build._told("refusing", refused.value) == "chapter refusing: width must be positive"
    assert list(tmp_path.iterdir()) == []
    (book / "book" / "refusing.md").unlink()


def test_a_chapters_key_sees_the_books_data_and_what_is_installed(
    book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def key_with(path: str, content: str) -> str:
        target = book / "book" / path
        before = target.read_bytes() if target.exists() else None
        target.parent.mkdir(exist_ok=True)
        target.write_text(content, "utf-8")
        found = build.key(book, "small")
        target.unlink() if before is None else target.write_bytes(before)
        return found

    now = build.key(book, "small")
    for path in (
        "authors_curves.csv",
        "paper_values.csv",
        "claims.csv",
        "new.csv",
        "results/new.json",
    ):
        assert key_with(path, "1") != now, path
    for path in (
        "references.bib",
        "another.md",
        "_static/style.css",
        ".authors_curves.csv.swp",
        "claims.csv~",
    ):
        assert key_with(path, "1") == now, path
    assert build.key(book, "small") == now
    installed = build._version
    monkeypatch.setattr(
        build, "_version", lambda name: "0.0" if name == "matplotlib" else installed(name)
    )
    assert build.key(book, "small") != now


def test_a_page_that_shows_a_table_is_read_again_when_the_table_changes(tmp_path: Path) -> None:
    (tmp_path / "index.md").write_text("# Start\n\n```{csv-table} Told\n:file: table.csv\n```\n")
    words = "-m sphinx -C -q -D extensions=myst_nb -D root_doc=index . site".split()
    command = [sys.executable, *words]
    for value in ("first", "second"):
        (tmp_path / "table.csv").write_text(f"{value},2\n")
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert value in (tmp_path / "site" / "index.html").read_text("utf-8")


ENDLESS = "\n```{code-cell} ipython3\nwhile True:\n    pass\n```\n"


def test_ctrl_c_ends_a_build_with_all_that_it_started_and_keeps_what_is_finished(
    tree: Tree,
) -> None:
    text = (tree.root / "book" / "small.md").read_text("utf-8")
    # the last one has to wait
    names = [f"endless-{number}" for number in range(1 + (os.cpu_count() or 1))]
    for name in names:
        (tree.root / "book" / f"{name}.md").write_text(
            text.replace("\n## Verdict", ENDLESS + "\n## Verdict"), "utf-8"
        )
    (tree.root / "_toc.yml").write_text(TOC + "".join(f"  - file: book/{name}\n" for name in names))
    shutil.rmtree(build.runs(tree.root), ignore_errors=True)
    client = tree.start()
    while (
        len(kernels_of(client)) < len(names) - 1
        or not (build.runs(tree.root) / "small.json").exists()
    ):
        assert client.poll() is None
        time.sleep(0.2)
    started = psutil.Process(client.pid).children(recursive=True)
    os.killpg(client.pid, signal.SIGINT)  # as a terminal does, under `make` too
    out, err = client.communicate()
    assert client.returncode == 130
    assert err.strip() == "interrupted: chapters that are finished are kept"
    assert "endless" not in out
    assert psutil.wait_procs(started, timeout=20)[1] == []
    assert sorted(path.name for path in build.runs(tree.root).iterdir()) == [
        "small.ipynb",
        "small.json",
    ]
    assert list((tree.root / "tmp").iterdir()) == []
    for name in names:
        (tree.root / "book" / f"{name}.md").unlink()
    (tree.root / "_toc.yml").write_text(TOC)


@pytest.mark.parametrize("unfinished", [True, False])
def test_after_an_unfinished_build_every_page_is_read_again(unfinished: bool) -> None:
    state = evidence.State({}, {}, {}, frozenset())
    env = SimpleNamespace(
        simplicity=state, simplicity_digest=evidence.digest(state), found_docs={"a", "b"}
    )
    app = SimpleNamespace(simplicity_reread=unfinished)
    assert sphinx_extension._outdated(app, env, set(), set(), set()) == (
        {"a", "b"} if unfinished else set()
    )


def test_notebooks_have_every_cell_no_output_and_a_kernel_that_jupyter_knows(
    book: Path, tmp_path: Path
) -> None:
    (written,) = __main__.write("notebooks", book, tmp_path)
    notebook = nbformat.read(written, as_version=4)
    assert written.name == "small.ipynb"
    assert notebook.metadata.kernelspec.name == "python3"
    assert sum(cell.cell_type == "code" for cell in notebook.cells) == 2
    assert not any(cell.get("outputs") for cell in notebook.cells)


def test_a_damaged_run_does_not_count(book: Path) -> None:
    record, notebook = build.runs(book) / "part.json", build.runs(book) / "part.ipynb"
    notebook.parent.mkdir(parents=True, exist_ok=True)
    notebook.write_text("half a noteb")
    record.write_text(json.dumps({"key": "k", "notebook": "0" * 64, "provenance": {}}))
    assert build.run_of(book, "part") is None
    record.unlink()
    assert build.run_of(book, "part") is None
    notebook.unlink()
