"""`simplicity chapter` and `site`."""

import argparse
import sys

from simplicity.commands import options as words


def run_chapter(options: argparse.Namespace) -> int:
    """`simplicity chapter`"""
    from simplicity.book.execute import ChapterFailed, execute

    output = words.output(options.output)
    assert output is not None
    try:
        about = execute(options.chapter, output, words.parameters(options.parameter))
    except ChapterFailed as failed:
        print(failed, file=sys.stderr)
        return 1
    print(f"{output}: {about['seconds']:.0f} s")
    return 0
