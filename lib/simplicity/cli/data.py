"""`simplicity data`: fetch or verify image sets."""

import argparse

from simplicity.data import fetch


def image_data(options: argparse.Namespace) -> int:
    """`simplicity data fetch|verify [NAME]`"""
    for name in [options.name] if options.name else fetch.REMOTES:
        if options.action == "fetch":
            for path in fetch.fetch(name):
                print(path)
        for line in fetch.verify(name):
            print(line)
    return 0
