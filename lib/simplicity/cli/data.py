"""`simplicity data`."""

import argparse

from simplicity.data import fetch


def image_data(options: argparse.Namespace) -> int:
    """`simplicity data fetch|verify [NAME]`"""
    return fetch.run(options)
