"""Facts about this checkout and this machine, for provenance."""

import contextlib
import functools
import os
import platform
import subprocess
from pathlib import Path


def commit(root: Path) -> str | None:
    """The checkout's commit; "+changes" if its code or its lock differ, None without git."""
    try:
        head = _git(root, "rev-parse", "--short=12", "HEAD")
        deciding = ("lib", "book/*.md", "requirements.lock")
        changed = _git(root, "status", "--porcelain", "--", *deciding)
        return f"{head}+changes" if changed else head
    except (OSError, subprocess.CalledProcessError):
        return None


def last_commits(root: Path, folder: str) -> dict[str, str]:
    """Stem of each data file in a folder -> its last commit; empty without git's whole history."""
    try:
        if _git(root, "rev-parse", "--is-shallow-repository") != "false":
            return {}
        form = ("--name-only", "--format=:%h", "--abbrev=12")
        lines = _git(root, "log", *form, "--", f"{folder}/*.nc.gz").splitlines()
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
    return _told("model name") or platform.processor() or platform.machine()


@functools.cache
def features() -> frozenset[str]:
    """The processor's features by Linux's names; empty where the system does not tell."""
    return frozenset(_told("flags").split())


def _told(fact: str) -> str:
    """What Linux says of the first processor; empty elsewhere, or where it does not tell."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            if line.startswith(fact):
                return line.partition(":")[2].strip()
    return ""


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
