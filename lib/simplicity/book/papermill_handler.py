"""papermill reads and writes the book's text notebooks: `papermill jupytext://book/CHAPTER.md OUT.ipynb -p NAME VALUE`.

Here is only the translation between a text notebook and notebook JSON; papermill finds the class through the entry-point
group `papermill.io`. Strict parameter names and types are `execute`'s business.
"""

from pathlib import Path

import jupytext
import nbformat

SCHEME = "jupytext://"


def local(path: str) -> Path:
    return Path(path.removeprefix(SCHEME))


class JupytextHandler:
    """papermill registers the class itself, hence static methods only."""

    @staticmethod
    def read(path: str) -> str:
        notebook = jupytext.read(local(path))
        # papermill refuses a notebook that does not say its language, and text headers often leave it out.
        notebook.metadata.setdefault("kernelspec", {"name": "python3", "display_name": "Python 3"})
        notebook.metadata.kernelspec.setdefault("language", "python")
        return str(nbformat.writes(notebook))

    @staticmethod
    def write(buf: str, path: str) -> None:
        jupytext.write(nbformat.reads(buf, as_version=4), local(path))

    @staticmethod
    def listdir(path: str) -> list[str]:
        return [f"{SCHEME}{entry}" for entry in sorted(local(path).iterdir())]

    @staticmethod
    def pretty_path(path: str) -> str:
        return str(local(path))
