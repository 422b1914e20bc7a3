"""`simplicity chapter` and `site`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from simplicity.cli import options as words
from simplicity.places import files
from simplicity.problems import Problem
from simplicity.process.pool import LIMIT_SECONDS, workers_from, workers_from_environment


def run_chapter(options: argparse.Namespace) -> int:
    """`simplicity chapter`: one notebook, or with `-g` a folder of them; 1 where one failed."""
    limit = words.limit(options) or LIMIT_SECONDS
    workers = _workers(options)
    fixed = words.parameters(options.parameter)
    swept = words.grid(options.grid, fixed)
    if not swept:
        return _one(options.chapter, fixed, options.output, limit)
    from simplicity.site import variants

    folder, points = files.folder(options.output), variants.points(options.chapter, fixed, swept)
    found = variants.execute_grid(options.chapter, points, folder, max(1, workers), limit)
    return _tell([one.failure for one in found], folder)


def _tell(failures: Sequence[str], folder: Path) -> int:
    """How many notebooks there are, and how many failed (a failure is not empty)."""
    failed = sum(map(bool, failures))
    print(f"{len(failures)} notebooks, {failed} failed: {folder / 'index.html'}")
    return 1 if failed else 0


def _workers(options: argparse.Namespace) -> int:
    """How many notebooks run at a time."""
    return workers_from_environment() if options.workers is None else workers_from(options.workers)


def _one(chapter: str, fixed: dict[str, str], text: str, limit: float) -> int:
    """A single notebook."""
    from simplicity.site.execute import ChapterFailed
    from simplicity.site.worker import variant

    output = words.output(text)
    assert output is not None
    try:
        seconds = variant(output, chapter, fixed, limit)
    except ChapterFailed as failed:
        print(failed, file=sys.stderr)
        return 1
    with words.told_apart(output):
        print(f"{output}: {seconds:.0f} s")
    return 0


def _target(text: str) -> Path:
    """A folder for a whole site."""
    target = files.folder(text)
    if target.exists() and any(target.iterdir()):
        raise Problem(f"output: got {target}, allowed a folder that is new or empty")
    return target


def build_site(options: argparse.Namespace) -> int:
    """`simplicity site`"""
    from simplicity.site.execute import ChapterFailed
    from simplicity.site.variants import site

    target = _target(options.output) if options.output else None
    try:
        built = site(options.chapter, words.parameters(options.parameter), target)
    except ChapterFailed as failed:
        print(failed, file=sys.stderr)
        return 1
    print(built / "index.html")
    return 0
