"""Where the book lives, found from the package and never from the working folder."""

from pathlib import Path

from simplicity.config import Problem

PACKAGE = Path(__file__).resolve().parent


def root() -> Path:
    """The checkout that this package was installed from (editable), or a one-line `Problem`."""
    top = PACKAGE.parents[1]
    if not (top / "_toc.yml").is_file() or not (top / "book").is_dir():
        raise Problem(f"book: {top} is not a checkout of the companion, install it with `pip install -e .` from one")
    return top


def book() -> Path:
    return root() / "book"


def results() -> Path:
    """Committed records of full runs."""
    return book() / "results"


def build() -> Path:
    """Everything generated; ignored by git."""
    return root() / "_build"
