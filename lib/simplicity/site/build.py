"""Execute the chapters that are new, several at once, and hand their outputs to the site's cache.

jupyter-cache looks only at a chapter's code cells: after a change of the library, of the packages
or of a recorded result it would silently show old figures. So the decision is made here, by a key
over all of these; the executed notebooks are kept in `_build/runs`, and jupyter-cache is only the
way by which they reach the pages.
"""

import contextlib
import functools
import hashlib
import importlib.metadata
import json
import os
import platform
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nbformat
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn, JupyterCacheAbstract
from myst_nb.core.read import read_myst_markdown_notebook
from sphinx_external_toc.api import SiteMap
from sphinx_external_toc.parsing import parse_toc_yaml

from simplicity.process.threads import label, library_digest
from simplicity.site import worker
from simplicity.site.execute import ChapterFailed, said
from simplicity.site.sources import is_notebook

Reader = Callable[[Path], nbformat.NotebookNode]
_IGNORED = re.compile(r"^/_static/|/\.|/__pycache__/|~$")


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [output for cell in notebook.cells for output in cell.get("outputs", ())]


def contents(root: Path) -> SiteMap:
    """The table of contents as Jupyter Book reads it."""
    return parse_toc_yaml(root / "_toc.yml")


def toc(root: Path) -> list[str]:
    """Document names in the order of the table of contents."""
    return list(contents(root))


def chapters(root: Path) -> list[str]:
    """Names of the executed pages: text notebooks of the table of contents that have code cells."""
    sources = (root / f"{name}.md" for name in toc(root))
    return [
        path.stem for path in sources if path.is_file() and is_notebook(path.read_text("utf-8"))
    ]


def read(source: Path) -> nbformat.NotebookNode:
    """The chapter as the site's own parser sees it, but for the site's configuration."""
    return read_myst_markdown_notebook(source.read_text("utf-8"), add_source_map=True, path=source)


def key(root: Path, chapter: str, reader: Reader = read) -> str:
    """Digest of everything that a chapter's outputs depend on."""
    parts = [_cells(reader(_source(root, chapter)))]
    parts += [library_digest(), label(), platform.python_version(), *_installed(root)]
    for path in (root / "requirements.lock", *_read_by_chapters(root)):
        parts.append(f"{path.relative_to(root)} {_digest(path)}")
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _cells(notebook: nbformat.NotebookNode) -> str:
    """All that a kernel gets of a chapter."""
    cells = [[cell.source, cell.metadata] for cell in code_cells(notebook)]
    return json.dumps([notebook.metadata.get("kernelspec"), cells], sort_keys=True)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read_by_chapters(root: Path) -> list[Path]:
    """All data of the book, whichever chapter reads it: tables, recorded results, and what else may
    be put there.

    Not data are texts and what only the site's pages use, of which Sphinx takes care, and leftovers
    of editors.
    """
    book = root / "book"
    return sorted(
        path
        for path in book.rglob("*")
        if path.suffix not in (".md", ".bib")
        and path.is_file()
        and not _IGNORED.search(f"/{path.relative_to(book).as_posix()}")
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
    """The record of the chapter's last run, or None, also where its notebook is not the one that it
    describes.
    """
    try:
        record = json.loads((runs(root) / f"{chapter}.json").read_text("utf-8"))
        digest = _digest(runs(root) / f"{chapter}.ipynb")
        return record if record["notebook"] == digest else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def executed(root: Path, chapter: str) -> nbformat.NotebookNode:
    return nbformat.read(runs(root) / f"{chapter}.ipynb", as_version=4)


def warm(root: Path, reader: Reader) -> None:
    """Execute every chapter whose key is new, each in a process of its own.

    All chapters are tried; then, if any failed, `ChapterFailed` tells about all of them.
    """
    new = _new(root, reader)
    if not new:
        return
    import matplotlib.font_manager  # noqa: F401  # on a new machine it makes its font list, and tells stderr: not a page's

    runs(root).mkdir(parents=True, exist_ok=True)
    failures = _executed_each(root, new)
    if failures:
        raise ChapterFailed("\n\n".join(failures))


def _new(root: Path, reader: Reader) -> dict[str, str]:
    """The chapters whose last run has another key, each with its key of today."""
    keys = {chapter: key(root, chapter, reader) for chapter in chapters(root)}
    return {name: one for name, one in keys.items() if (run_of(root, name) or {}).get("key") != one}


def _executed_each(root: Path, keys: Mapping[str, str]) -> list[str]:
    """Execute these chapters; what is to be told of those that failed."""
    tasks = [(runs(root), name, one) for name, one in keys.items()]
    failures = []
    with worker.outcomes(worker.work, tasks, os.cpu_count() or 1) as outcomes:
        for name, outcome in zip(keys, outcomes, strict=True):
            if isinstance(outcome, Exception):
                failures.append(_told(name, outcome))
                print(f"chapter {name}: failed", flush=True)
            else:
                print(f"chapter {name}: executed in {outcome:.0f} s", flush=True)
    return failures


def _told(chapter: str, error: Exception) -> str:
    """One failure, with the chapter's name."""
    return said(error) if isinstance(error, ChapterFailed) else f"chapter {chapter}: {said(error)}"


def merged(root: Path, chapter: str, reader: Reader) -> nbformat.NotebookNode:
    """The chapter's source with the outputs of its run: papermill's own marks on the cells would
    change cache keys.
    """
    notebook, run = reader(_source(root, chapter)), executed(root, chapter)
    if _code(run) != _code(notebook):
        seen = "jupytext and the site's parser see different code cells"
        raise ChapterFailed(f"chapter {chapter}: {seen}")
    for source, result in zip(code_cells(notebook), code_cells(run), strict=True):
        source.outputs, source.execution_count = result.outputs, result.execution_count
    notebook.metadata["language_info"] = run.metadata.get("language_info", {})
    return notebook


def _code(notebook: nbformat.NotebookNode) -> list[str]:
    return [cell.source.strip() for cell in code_cells(notebook)]


def fill(root: Path, folder: Path, reader: Reader) -> None:
    """Put every chapter's run into the jupyter-cache at `folder`, unless this very run is there."""
    cache = get_cache(str(folder))
    for chapter in chapters(root):
        entry = run_of(root, chapter)
        if entry is None:
            raise ChapterFailed(f"chapter {chapter}: it has no finished run")
        notebook = merged(root, chapter, reader)
        if not _is_cached(cache, notebook, entry["notebook"]):
            data = {"execution_seconds": entry["provenance"]["seconds"], "run": entry["notebook"]}
            bundle = CacheBundleIn(notebook, str(_source(root, chapter)), data=data)
            cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)


def _source(root: Path, chapter: str) -> Path:
    return root / "book" / f"{chapter}.md"


def _is_cached(cache: JupyterCacheAbstract, notebook: nbformat.NotebookNode, run: str) -> bool:
    with contextlib.suppress(KeyError):
        return bool(cache.match_cache_notebook(notebook).data.get("run") == run)
    return False
