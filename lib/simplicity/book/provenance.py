"""Where a result came from: time, versions, commit, library digest, device; and the line that says so under a page.

Dates and seconds live here and in `provenance.json` only, so that two cold builds give the same `claims.json`.
"""

import datetime
import html
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from simplicity import __version__
from simplicity.threads import library_digest

PACKAGES = ("numpy", "torch", "numba", "scipy", "scikit-learn", "xarray", "matplotlib")


def record(root: Path, started: datetime.datetime, seconds: float) -> dict[str, Any]:
    """What is the same for every chapter run of this process, as plain values."""
    return {
        "started": started.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "seconds": round(seconds, 1),
        "simplicity": __version__,
        "library": library_digest(),
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
        "commit": commit(root),
        "device": {"cpu": cpu(), "cores": os.cpu_count(), "system": platform.system()},
    }


def commit(root: Path) -> str | None:
    """The checkout's commit, "+changes" if the tree differs from it, None without git."""
    try:
        head = _git(root, "rev-parse", "--short=12", "HEAD")
        return head + ("+changes" if _git(root, "status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):  # not Linux, or a kernel that does not tell
        return platform.processor() or platform.machine()


def line(run: dict[str, Any], payloads: list[dict[str, Any]]) -> str:
    """The foot of an executed page, as HTML."""
    versions = run["versions"]
    parts = [
        f"Executed {run['started'].replace('T', ' ').removesuffix('Z')} UTC in {run['seconds']:.0f} s",
        f"simplicity {run['simplicity']} ({run['library'][:12]})",
        f"Python {run['python']}",
        *(f"{name} {versions[name]}" for name in ("torch", "numpy", "numba")),
        f"commit {run['commit']}" if run["commit"] else "no commit known",
        *_named("preset", payloads, "preset"),
        *_named("seeds", payloads, "seeds"),
        *_named("experiment", payloads, "experiments"),
        f"on {run['device']['cpu']}, {run['device']['cores']} cores",
    ]
    return f'<p class="simplicity-provenance">{html.escape("; ".join(parts))}.</p>'


def _named(label: str, payloads: list[dict[str, Any]], key: str) -> list[str]:
    """One part that lists the distinct values of `key`, or none where no payload has it."""
    values: list[str] = []
    for payload in payloads:
        value = payload.get(key)
        values += value if isinstance(value, list) else [] if value is None else [str(value)]
    return [f"{label} {', '.join(dict.fromkeys(values))}"] if values else []
