"""Where a result came from, and the line that says so under a page.

Time, versions, commit, library digest, device.

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
    versions = run["versions"]
    parts = [
        f"Executed {run['started'].replace('T', ' ').removesuffix('Z')} UTC in "
        f"{run['seconds']:.0f} s",
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


@functools.cache
def built(root: Path) -> str:
    """The foot of a page without code, as HTML: when and from what it was made."""
    made = record(root, datetime.datetime.now(datetime.UTC), 0.0)
    when, commit = made["started"].replace("T", " ").removesuffix("Z"), made["commit"] or "unknown"
    text = (
        f"Built {when} UTC from commit {commit}, simplicity {made['simplicity']} "
        f"({made['library'][:12]})"
    )
    return (
        f'<p class="simplicity-provenance">{html.escape(text)}; '
        "any verdicts here are those of the chapters' runs.</p>"
    )


def _named(label: str, payloads: list[dict[str, Any]], key: str) -> list[str]:
    """One part that lists the distinct values of `key`, or none where no payload has it."""
    values: list[str] = []
    for payload in payloads:
        value = payload.get(key)
        values += value if isinstance(value, list) else [] if value is None else [str(value)]
    return [f"{label} {', '.join(dict.fromkeys(values))}"] if values else []
