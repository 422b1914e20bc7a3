"""Execute one chapter with papermill.

Strict parameters, all or nothing on disk, and a record of what ran.

What is not here: which chapters need it and in how many processes (`build`).
"""

import ast
import contextlib
import datetime
import logging
import os
import re
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat
import papermill
from papermill.exceptions import PapermillExecutionError

from simplicity.data import image_files
from simplicity.places import files, paths
from simplicity.problems import Problem, no_such, shown
from simplicity.problems.values import noun_of, read
from simplicity.site import kernels, provenance
from simplicity.site.papermill_handler import SCHEME

# it logs each file name; we check and report ourselves
logging.getLogger("papermill").setLevel(logging.ERROR)


class ChapterFailed(RuntimeError):
    """A cell failed: the message holds the chapter, the cell and the traceback."""


def execute(
    chapter: str, output: Path, parameters: Mapping[str, Any] | None = None, timeout: int = 900
) -> dict[str, Any]:
    """Run `chapter` (its file name without .md); returns its provenance.

    The executed notebook is written to `output`.

    `parameters` may be plain values or text. Unknown names and wrong types raise `Problem` before a
    kernel starts; `output` appears only when every cell has run. `timeout` is in seconds, for one
    cell.
    """
    source = find(chapter)
    defaults = parameters_of(source)
    values = {name: ast.literal_eval(entry["default"]) for name, entry in defaults.items()}
    given = {
        name: checked(chapter, name, value, defaults) for name, value in (parameters or {}).items()
    }
    output = Path(output)
    why = files.refusal(output)
    if why:
        raise Problem(f"output: got {output} ({why}), allowed a file in an existing folder")
    started, clock = datetime.datetime.now(datetime.UTC), time.perf_counter()
    notebook = run(chapter, source, given, timeout)
    seconds = time.perf_counter() - clock
    # papermill notes absolute paths, which would tell readers about this machine only.
    notebook.metadata.papermill.update(input_path=f"book/{source.name}", output_path=output.name)
    files.write_text(output, nbformat.writes(notebook))
    record = provenance.record(paths.root(), started, seconds)
    return {"chapter": chapter, "parameters": {"defaults": values, "given": given}, **record}


def find(chapter: str) -> Path:
    """The source of a chapter, or a `Problem` that names the chapters there are."""
    known = sorted(
        path.stem for path in paths.book().glob("*.md") if is_notebook(path.read_text("utf-8"))
    )
    if chapter not in known:
        where = "a file of book/ that is a chapter, without .md"
        raise Problem(no_such("chapter", chapter, known, where))
    return paths.book() / f"{chapter}.md"


def is_notebook(text: str) -> bool:
    """A chapter is a text notebook (jupytext and kernelspec header) with at least one code cell."""
    header = text.split("\n---", 1)[0] if text.startswith("---\n") else ""
    return "jupytext:" in header and "kernelspec:" in header and "\n```{code-cell}" in text


def parameters_of(source: Path) -> dict[str, dict[str, str]]:
    """Name -> {inferred_type_name, default, help} of the cell tagged `parameters`."""
    with _known_warnings():
        return dict(papermill.inspect_notebook(_address(source)))


def checked(chapter: str, name: str, value: Any, known: Mapping[str, Mapping[str, str]]) -> Any:
    """`value` as the type that the chapter declares for `name`."""
    if name not in known:
        raise Problem(no_such(f"parameter of {chapter}", name, known))
    kind = _KINDS.get(known[name]["inferred_type_name"])
    if kind is None:
        allowed = "a parameter whose type the chapter declares"
        raise Problem(f"{name}: got {shown(value)}, allowed {allowed}")
    try:
        return read(kind, value)
    except ValueError:
        raise Problem(f"{name}: got {shown(value)}, allowed {noun_of(kind)}") from None


_KINDS: dict[str, type] = {"int": int, "float": float, "bool": bool, "str": str}


def run(chapter: str, source: Path, given: dict[str, Any], timeout: int) -> nbformat.NotebookNode:
    """One kernel, started in the book's folder and ended with the run."""
    if os.environ.get(image_files.FOLDER):
        # a relative path means the folder that we were started in
        os.environ[image_files.FOLDER] = str(image_files.folder())
    with kernels.home() as config, _known_warnings():
        try:
            return papermill.execute_notebook(
                _address(source),
                None,
                parameters=given,
                kernel_name="python3",
                kernel_manager_class=kernels.Manager,
                config=config,
                cwd=str(source.parent),
                progress_bar=False,
                start_timeout=120,
                execution_timeout=timeout,
                iopub_timeout=60,  # of a busy machine; the default of 4 s can lose outputs
                raise_on_iopub_timeout=True,
                # a kernel is interrupted as it ends, and says so on stderr
                extra_arguments=["--log-level=CRITICAL"],
            )
        except PapermillExecutionError as error:
            if error.ename in ("Problem", "Stopped"):  # the chapter's own check of its parameters
                raise Problem(plain(error.evalue)) from None
            raise ChapterFailed(_report(chapter, error)) from None
        # timeouts, dead kernels: papermill and nbclient each raise types of their own
        except Exception as error:
            raise ChapterFailed(
                f"chapter {chapter}: {type(error).__name__}: {plain(str(error))}"
            ) from None
        except BaseException:  # interrupted, perhaps before the kernel was known to nbclient
            kernels.end()
            raise


def _report(chapter: str, error: PapermillExecutionError) -> str:
    indented = "\n".join(f"    {text}" for text in error.source.splitlines())
    trace = "\n".join(error.traceback)
    return plain(
        f"chapter {chapter}: cell {error.exec_count} failed\n{indented}\n{trace}\n{error.ename}: "
        f"{error.evalue}"
    )


def plain(text: str) -> str:
    """Without the colours of a notebook's traceback.

    Reports also go into files, mails and pages.
    """
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def _address(source: Path) -> str:
    """papermill fills {braces} in paths, so a folder with a brace in its name has them doubled."""
    return f"{SCHEME}{source}".replace("{", "{{").replace("}", "}}")


@contextlib.contextmanager
def _known_warnings() -> Iterator[None]:
    """Inside, papermill's remark that a text notebook does not end in .ipynb is not shown."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The specified file .* does not end in one of")
        yield
