"""`simplicity chapter` and `site`."""

import argparse
import sys
from pathlib import Path

from simplicity.cli import options as words
from simplicity.places import files
from simplicity.problems import Problem
from simplicity.process.pool import (
    LIMIT_SECONDS,
    limit_from,
    workers_from,
    workers_from_environment,
)


def run_chapter(options: argparse.Namespace) -> int:
    """`simplicity chapter`: one notebook, or with `-g` a folder of them; 1 where one failed."""
    limit = LIMIT_SECONDS if options.timeout is None else limit_from(options.timeout)
    workers = (
        workers_from_environment() if options.workers is None else workers_from(options.workers)
    )
    fixed = words.parameters(options.parameter)
    swept = words.grid(options.grid, fixed)
    if swept:
        return _grid(options.chapter, fixed, swept, options.output, max(1, workers), limit)
    from simplicity.site.execute import ChapterFailed, execute
    from simplicity.site.worker import limited

    output = words.output(options.output)
    assert output is not None
    try:
        with limited(options.chapter, limit):
            about = execute(options.chapter, output, fixed, timeout=round(limit) + 1)
    except ChapterFailed as failed:
        print(failed, file=sys.stderr)
        return 1
    with words.told_apart(output):
        print(f"{output}: {about['seconds']:.0f} s")
    return 0


def _grid(
    chapter: str,
    fixed: dict[str, str],
    swept: dict[str, list[str]],
    output: str,
    workers: int,
    limit_seconds: float,
) -> int:
    from simplicity.site import variants

    folder = files.folder(output)
    found = variants.execute_grid(
        chapter, variants.points(chapter, fixed, swept), folder, workers, limit_seconds
    )
    failed = [one for one in found if one.failure]
    print(f"{len(found)} notebooks, {len(failed)} failed: {folder / 'index.html'}")
    return 1 if failed else 0


def build_site(options: argparse.Namespace) -> int:
    """`simplicity site`"""
    from simplicity.site.execute import ChapterFailed
    from simplicity.site.variants import site

    target = files.folder(options.output) if options.output else None
    if target is not None and target.exists() and any(target.iterdir()):
        raise Problem(f"output: got {target}, allowed a folder that is new or empty")
    try:
        built = site(options.chapter, words.parameters(options.parameter), target and Path(target))
    except ChapterFailed as failed:
        print(failed, file=sys.stderr)
        return 1
    print(built / "index.html")
    return 0
