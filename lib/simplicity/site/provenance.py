"""Where a result came from, and the line that says so under a page: time, versions, commit, library
digest, device.

Dates and seconds live here and in `provenance.json` only, so that two cold builds give the same
`claims.json`.
"""

import datetime
import functools
import html
import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

from simplicity import __version__
from simplicity.process import machine
from simplicity.process.threads import library_digest

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
        "commit": machine.commit(root),
        "device": {"cpu": machine.cpu(), "cores": os.cpu_count(), "system": platform.system()},
    }


def line(run: dict[str, Any], payloads: list[dict[str, Any]]) -> str:
    """The foot of an executed page, as HTML."""
    parts = [
        f"Executed {_when(run)} in {run['seconds']:.0f} s",
        *_code(run),
        *_named("preset", payloads, "preset"),
        *_named("seeds", payloads, "seeds"),
        *_named("experiment", payloads, "experiments"),
        f"on {run['device']['cpu']}, {run['device']['cores']} cores",
    ]
    return _foot("; ".join(parts))


def _code(run: dict[str, Any]) -> list[str]:
    """What was executed."""
    return [
        _library(run),
        f"Python {run['python']}",
        *(f"{name} {run['versions'][name]}" for name in ("torch", "numpy", "numba")),
        f"commit {run['commit']}" if run["commit"] else "no commit known",
    ]


@functools.cache
def built(root: Path) -> str:
    """The foot of a page without code, as HTML: when and from what it was made."""
    made = record(root, datetime.datetime.now(datetime.UTC), 0.0)
    return _foot(
        f"Built {_when(made)} from commit {made['commit'] or 'unknown'}, {_library(made)}; "
        "any verdicts here are those of the chapters' runs"
    )


def _foot(text: str) -> str:
    return f'<p class="simplicity-provenance">{html.escape(text, quote=False)}.</p>'


def _when(run: dict[str, Any]) -> str:
    return f"{run['started'].replace('T', ' ').removesuffix('Z')} UTC"


def _library(run: dict[str, Any]) -> str:
    return f"simplicity {run['simplicity']} ({run['library'][:12]})"


def _named(label: str, payloads: list[dict[str, Any]], key: str) -> list[str]:
    """One part that lists the distinct values of `key`, or none where no payload has it."""
    each = (payload.get(key, []) for payload in payloads)
    values = [one for value in each for one in (value if isinstance(value, list) else [value])]
    return [f"{label} {', '.join(dict.fromkeys(values))}"] if values else []
