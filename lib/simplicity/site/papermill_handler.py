"""papermill reads and writes the book's text notebooks:
`papermill jupytext://book/CHAPTER.md OUT.ipynb -p NAME VALUE`.

Here is only the translation between a text notebook and notebook JSON; papermill finds the class
through the entry-point group `papermill.io`. Strict parameter names and types are `execute`'s
business, and so is a kernel without the user's own settings: papermill starts its kernels as the
user's Jupyter is set up.
"""

import contextlib
import warnings
from pathlib import Path

import jupytext
import nbformat

from simplicity.places import paths
from simplicity.problems import Problem

SCHEME = "jupytext://"


def expect_text_notebooks() -> None:
    """papermill says of every text notebook that its name has another ending, as if that were a
    fault.
    """
    said = r"The specified file \(jupytext://.*\) does not end in one of"
    warnings.filterwarnings("ignore", message=said)


expect_text_notebooks()  # papermill imports this module as it starts


def local(path: str) -> Path:
    """The file that an address means: from the working folder as usual, else from the checkout or
    its folder `book`.
    """
    given = Path(path.removeprefix(SCHEME))
    if given.is_absolute() or given.exists():
        return given
    with contextlib.suppress(Problem):
        for base in (paths.root(), paths.book()):
            if (base / given).is_file():
                return base / given
    return given


class JupytextHandler:
    """papermill registers the class itself, hence static methods only."""

    @staticmethod
    def read(path: str) -> str:
        notebook = jupytext.read(local(path))
        # papermill refuses a notebook that does not say its language, and text headers often leave
        # it out.
        notebook.metadata.setdefault("kernelspec", {"name": "python3", "display_name": "Python 3"})
        notebook.metadata.kernelspec.setdefault("language", "python")
        return str(nbformat.writes(notebook))

    @staticmethod
    def write(buf: str, path: str) -> None:
        jupytext.write(nbformat.reads(buf, as_version=4), Path(path.removeprefix(SCHEME)))

    @staticmethod
    def listdir(path: str) -> list[str]:
        return [f"{SCHEME}{entry}" for entry in sorted(local(path).iterdir())]

    @staticmethod
    def pretty_path(path: str) -> str:
        return str(local(path))
