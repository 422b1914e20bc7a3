"""Execute one chapter with papermill: strict parameters, all or nothing on disk, and a record of
what ran.

What is not here: which chapters need it and in how many processes (`build`).
"""

import datetime
import logging
import os
import re
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
import papermill
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from simplicity.data import image_files
from simplicity.places import files, paths
from simplicity.problems import Problem
from simplicity.site import kernels, papermill_handler, provenance
from simplicity.site.sources import declared, find, typed

# it logs each file name; we check and report ourselves
logging.getLogger("papermill").setLevel(logging.ERROR)


class ChapterFailed(RuntimeError):
    """A cell failed: the message holds the chapter, the cell and the traceback."""


def said(error: Exception) -> str:
    """A refusal or a failure of ours as it is, what nobody foresaw with the name of its class."""
    known = isinstance(error, ChapterFailed | Problem)
    return str(error) if known else f"{type(error).__name__}: {error}"


def execute(
    chapter: str, output: Path, parameters: Mapping[str, Any] | None = None, timeout: int = 900
) -> dict[str, Any]:
    """Run `chapter` (its file name without .md) into the notebook `output`; returns its provenance.

    `parameters` may be plain values or text. Unknown names and wrong types raise `Problem` before a
    kernel starts; `output` appears only when every cell has run. `timeout` is in seconds, for one
    cell.
    """
    source = find(chapter)
    defaults = declared(source)
    given = typed(chapter, parameters or {}, defaults)
    output = _writable(Path(output))
    started, clock = datetime.datetime.now(datetime.UTC), time.perf_counter()
    notebook = run(chapter, source, given, timeout)
    seconds = time.perf_counter() - clock
    # papermill notes absolute paths, which would tell readers about this machine only.
    notebook.metadata.papermill.update(input_path=f"book/{source.name}", output_path=output.name)
    files.write_text(output, nbformat.writes(notebook))
    record = provenance.record(paths.root(), started, seconds)
    return {"chapter": chapter, "parameters": {"defaults": defaults, "given": given}, **record}


def _writable(output: Path) -> Path:
    why = files.refusal(output)
    if why:
        raise Problem(f"output: got {output} ({why}), allowed a file in an existing folder")
    return output


def run(chapter: str, source: Path, given: dict[str, Any], timeout: int) -> nbformat.NotebookNode:
    """One kernel, started in the book's folder and ended with the run."""
    if os.environ.get(image_files.FOLDER):
        # a relative path means the folder that we were started in
        os.environ[image_files.FOLDER] = str(image_files.folder())
    with kernels.home() as config, warnings.catch_warnings():
        papermill_handler.expect_text_notebooks()
        try:
            return _executed(source, given, timeout, config)
        except PapermillExecutionError as error:
            if error.ename in ("Problem", "Stopped"):  # the chapter's own check of its parameters
                raise Problem(plain(error.evalue)) from None
            raise ChapterFailed(_report(chapter, error)) from None
        # timeouts, dead kernels: papermill and nbclient each raise types of their own
        except Exception as error:
            raise ChapterFailed(plain(f"chapter {chapter}: {said(error)}")) from None
        except BaseException:  # interrupted, perhaps before the kernel was known to nbclient
            kernels.end()
            raise


def _executed(
    source: Path, given: dict[str, Any], timeout: int, config: Config
) -> nbformat.NotebookNode:
    """What papermill makes of it."""
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


def _report(chapter: str, error: PapermillExecutionError) -> str:
    indented = "\n".join(f"    {text}" for text in error.source.splitlines())
    trace = "\n".join(error.traceback)
    return plain(
        f"chapter {chapter}: cell {error.exec_count} failed\n{indented}\n{trace}\n{error.ename}: "
        f"{error.evalue}"
    )


def plain(text: str) -> str:
    """Without the colours of a traceback: reports also go into files, mails and pages."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def _address(source: Path) -> str:
    """papermill fills {braces} in paths, so a folder with a brace in its name has them doubled."""
    return f"{papermill_handler.SCHEME}{source}".replace("{", "{{").replace("}", "}}")
