"""Execute the chapters that are new, several at once, and hand their outputs to the site's cache.

jupyter-cache looks only at a chapter's code cells: after a change of the library, of the packages
or of a recorded result it would silently show old figures. So the decision is made here, by a key
over all of these; the executed notebooks are kept in `_build/runs`, and jupyter-cache is only the
way by which they reach the pages.
"""

import functools
import hashlib
import importlib.metadata
import json
import os
import platform
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import yaml
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from myst_nb.core.read import read_myst_markdown_notebook

from simplicity.grid.store import write_atomically
from simplicity.problems import Problem
from simplicity.process.threads import label, library_digest
from simplicity.site import worker
from simplicity.site.execute import ChapterFailed, is_notebook

Reader = Callable[[Path], nbformat.NotebookNode]
_IGNORED = re.compile(r"^/_static/|/\.|/__pycache__/|~$")


def toc(root: Path) -> list[str]:
    """Document names in the order of the table of contents."""

    def walk(node: dict[str, Any]) -> Iterable[str]:
        yield from (node[name] for name in ("root", "file") if name in node)
        for group in ("parts", "subtrees", "chapters", "sections", "entries"):
            for child in node.get(group, ()):
                yield from walk(child)

    return list(walk(yaml.safe_load((root / "_toc.yml").read_text("utf-8"))))


def chapters(root: Path) -> list[str]:
    """Names of the executed pages: text notebooks of the table of contents that have code cells."""
    sources = (root / f"{name}.md" for name in toc(root))
    return [
        path.stem for path in sources if path.is_file() and is_notebook(path.read_text("utf-8"))
    ]


def read(source: Path) -> nbformat.NotebookNode:
    """The chapter as the site's own parser sees it.

    The site passes a reader with its configuration instead.
    """
    return read_myst_markdown_notebook(source.read_text("utf-8"), add_source_map=True, path=source)


def key(root: Path, chapter: str, reader: Reader = read) -> str:
    """Digest of everything that a chapter's outputs depend on."""
    notebook = reader(root / "book" / f"{chapter}.md")
    cells = [[cell.source, cell.metadata] for cell in notebook.cells if cell.cell_type == "code"]
    parts = [json.dumps([notebook.metadata.get("kernelspec"), cells], sort_keys=True)]
    parts += [library_digest(), label(), platform.python_version(), *_installed(root)]
    for path in (root / "requirements.lock", *_read_by_chapters(root)):
        parts.append(f"{path.relative_to(root)} {hashlib.sha256(path.read_bytes()).hexdigest()}")
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _read_by_chapters(root: Path) -> list[Path]:
    """All data of the book, whichever chapter reads it.

    Tables, recorded results, and what else may be put there.

    Not data are texts and what only the site's pages use, of which Sphinx takes care, and leftovers
    of editors.
    """
    book = root / "book"
    found = (
        path for path in book.rglob("*") if path.suffix not in (".md", ".bib") and path.is_file()
    )
    return sorted(
        path for path in found if not _IGNORED.search(f"/{path.relative_to(book).as_posix()}")
    )


def _installed(root: Path) -> list[str]:
    """The versions of the lock's packages that are really there, by hand or by the lock."""
    names = re.findall(r"^[\w.-]+", (root / "requirements.lock").read_text("utf-8"), re.MULTILINE)
    return [f"{name} {_version(name)}" for name in names]


@functools.cache
def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "none"


def runs(root: Path) -> Path:
    return root / "_build" / "runs"


def run_of(root: Path, chapter: str) -> dict[str, Any] | None:
    """The record of the chapter's last run, or None.

    None also where its notebook is not the one it describes.
    """
    try:
        record = json.loads((runs(root) / f"{chapter}.json").read_text("utf-8"))
        digest = hashlib.sha256((runs(root) / f"{chapter}.ipynb").read_bytes()).hexdigest()
        return record if record["notebook"] == digest else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def executed(root: Path, chapter: str) -> nbformat.NotebookNode:
    return nbformat.read(runs(root) / f"{chapter}.ipynb", as_version=4)


def warm(
    root: Path, processes: int | None = None, reader: Reader = read, timeout: int = 900
) -> list[str]:
    """Execute every chapter whose key is new, each in a process of its own.

    Returns the names of those that were executed.

    All chapters are tried; then, if any failed, `ChapterFailed` tells about all of them.
    """
    keys = {chapter: key(root, chapter, reader) for chapter in chapters(root)}
    new = [name for name in keys if (run_of(root, name) or {}).get("key") != keys[name]]
    failures = []
    if new:
        import matplotlib.font_manager  # noqa: F401  # on a new machine it makes its font list, and tells stderr: not a page's

        runs(root).mkdir(parents=True, exist_ok=True)
        workers = min(len(new), processes or os.cpu_count() or 1)
        with worker.pool(workers) as pool:
            futures = {
                name: pool.schedule(worker.work, args=[runs(root), name, keys[name], timeout])
                for name in new
            }
            for name, future in futures.items():
                try:
                    print(f"chapter {name}: executed in {future.result():.0f} s", flush=True)
                except Exception as error:  # whatever ended the worker, the other chapters go on
                    print(f"chapter {name}: failed", flush=True)
                    failures.append(_told(name, error))
    if failures:
        raise ChapterFailed("\n\n".join(failures))
    return new


def _told(chapter: str, error: Exception) -> str:
    """One failure, with the chapter's name.

    A refusal as its line, what nobody foresaw with the name of its class.
    """
    if isinstance(error, ChapterFailed):
        return str(error)
    return (
        f"chapter {chapter}: "
        f"{error if isinstance(error, Problem) else f'{type(error).__name__}: {error}'}"
    )


def merged(root: Path, chapter: str, reader: Reader = read) -> nbformat.NotebookNode:
    """The chapter's source with the outputs of its run.

    Papermill's own marks on the cells would change cache keys.
    """
    notebook = reader(root / "book" / f"{chapter}.md")
    run = executed(root, chapter)
    ran = [cell for cell in run.cells if cell.cell_type == "code"]
    ours = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if [cell.source.strip() for cell in ran] != [cell.source.strip() for cell in ours]:
        raise ChapterFailed(
            f"chapter {chapter}: jupytext and the site's parser see different code cells"
        )
    for source, result in zip(ours, ran, strict=True):
        source.outputs, source.execution_count = result.outputs, result.execution_count
    notebook.metadata["language_info"] = run.metadata.get("language_info", {})
    return notebook


def fill(root: Path, folder: Path, reader: Reader = read) -> None:
    """Put every chapter's run into the jupyter-cache at `folder`.

    Unless exactly this run is there already.
    """
    cache = get_cache(str(folder))
    for chapter in chapters(root):
        entry = run_of(root, chapter)
        if entry is None:
            raise ChapterFailed(f"chapter {chapter}: it has no finished run")
        notebook = merged(root, chapter, reader)
        try:
            if cache.match_cache_notebook(notebook).data.get("run") == entry["notebook"]:
                continue
        except KeyError:
            pass
        data = {"execution_seconds": entry["provenance"]["seconds"], "run": entry["notebook"]}
        bundle = CacheBundleIn(notebook, str(root / "book" / f"{chapter}.md"), data=data)
        cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)


def notebooks(root: Path, folder: Path) -> list[Path]:
    """Write every chapter as an .ipynb without outputs, for Jupyter.

    In this environment, and in any folder.
    """
    written = []
    for chapter in chapters(root):
        notebook = jupytext.read(root / "book" / f"{chapter}.md")
        notebook.metadata["kernelspec"] = {
            "name": "python3",
            "display_name": "Python 3",
            "language": "python",
        }
        write_atomically(folder / f"{chapter}.ipynb", nbformat.writes(notebook).encode())
        written.append(folder / f"{chapter}.ipynb")
    return written
