"""Where the book lives, found from the package and never from the working folder."""

import os
import tempfile
from pathlib import Path

from simplicity.problems import Problem

PACKAGE = Path(__file__).resolve().parents[1]


def root() -> Path:
    """The checkout that this package was installed from (editable), or a one-line `Problem`."""
    top = PACKAGE.parents[1]
    if not (top / "_toc.yml").is_file() or not (top / "book").is_dir():
        raise Problem(
            f"book: {top} is not a checkout of the companion, install it with `pip install -e .` "
            "from one"
        )
    return top


def book() -> Path:
    return root() / "book"


def results() -> Path:
    """Committed records of full runs."""
    return book() / "results"


def cache() -> Path:
    """The user's own cache folder; a temporary one without a home, as in many containers."""
    from platformdirs import user_cache_path

    try:
        folder = user_cache_path("simplicity")
    except (RuntimeError, KeyError, OSError):  # no HOME, and no entry for this user either
        folder = Path("~")
    if folder.is_absolute():
        return folder
    return Path(tempfile.gettempdir()) / f"simplicity-{os.getuid()}"


def build() -> Path:
    """Everything generated; ignored by git."""
    return root() / "_build"
