"""Facts about this checkout and this machine, for provenance."""

import functools
import os
import platform
import subprocess
from pathlib import Path


def commit(root: Path) -> str | None:
    """The checkout's commit; "+changes" if its code or its lock differ, None without git."""
    try:
        head = _git(root, "rev-parse", "--short=12", "HEAD")
        return head + (
            "+changes"
            if _git(root, "status", "--porcelain", "--", "lib", "book/*.md", "requirements.lock")
            else ""
        )
    except (OSError, subprocess.CalledProcessError):
        return None


def last_commits(root: Path, folder: str) -> dict[str, str]:
    """Stem of each data file in a folder -> the commit that changed it last.

    Empty without git or its whole history.
    """
    try:
        if _git(root, "rev-parse", "--is-shallow-repository") != "false":
            return {}
        lines = _git(
            root, "log", "--name-only", "--format=:%h", "--abbrev=12", "--", f"{folder}/*.nc.gz"
        ).splitlines()
    except (OSError, subprocess.CalledProcessError):
        return {}
    found: dict[str, str] = {}
    commit = ""
    for line in filter(None, lines):
        if line.startswith(":"):
            commit = line[1:]
        else:
            found.setdefault(Path(line).name.removesuffix(".nc.gz"), commit)
    return found


def cpu() -> str:
    """The processor's name as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
        return next(
            line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")
        )
    except (OSError, StopIteration):  # not Linux, or a kernel that does not tell
        return platform.processor() or platform.machine()


@functools.cache
def features() -> frozenset[str]:
    """The processor's features by Linux's names; empty where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
        return frozenset(
            next(line.split(":", 1)[1] for line in lines if line.startswith("flags")).split()
        )
    except (OSError, StopIteration):
        return frozenset()


def _git(root: Path, *words: str) -> str:
    """What git says of the checkout at `root`, and of none around it or that a variable names."""
    environment = {name: value for name, value in os.environ.items() if name[:4] != "GIT_"}
    environment["GIT_CEILING_DIRECTORIES"] = str(root.resolve().parent)
    done = subprocess.run(
        ["git", "-C", str(root), *words],
        check=True,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        env=environment,
    )
    return done.stdout.strip()
