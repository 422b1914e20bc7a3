"""The command line `simplicity`.

Wrong input ends with one line `error: WHAT, GOT, ALLOWED` on stderr and exit code 2, before anything is written. A run in which
cells failed ends with 1 and keeps the others. Heavy imports wait until a command needs them.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from simplicity.config import Problem, describe, parse, shown, unknown

WRONG_INPUT, FAILED = 2, 1


def main(arguments: Sequence[str] | None = None) -> int:
    try:
        options = _parser().parse_args(arguments)
        return int(options.command(options))
    except Problem as problem:
        return _report(problem, WRONG_INPUT)
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except KeyboardInterrupt:
        return _report("interrupted; finished cells are kept", 130)


def list_experiments(options: argparse.Namespace) -> int:
    """`simplicity list`"""
    from simplicity import records

    found = [_described(records.experiment(name)) for name in records.names()]
    if options.json:
        print(json.dumps(found, indent=1))
        return 0
    for entry in found:
        sizes = ", ".join(f"{preset} {count} cells" for preset, count in entry["cells"].items())
        print(f"{entry['name']}  ({', '.join(entry['claims'])})  {sizes}\n    {entry['about']}")
        for field in entry["parameters"]:
            print(f"    -p {field['name']}={_plain(field['default'])}  {field['type']}: {field['help']}")
    return 0


def run_experiment(options: argparse.Namespace) -> int:
    """`simplicity run`: 0 also where a claim does not hold; 1 where cells failed."""
    from simplicity import records, store
    from simplicity.run import CellsFailed, run

    module = records.experiment(options.experiment)
    config = parse(module.Config, _given(options.parameter), _preset(module, options.preset))
    _set_workers(options.workers)
    output = _output(options.output)
    try:
        dataset = run(module, config, store=options.store and Path(options.store))
    except CellsFailed as failed:
        if output and failed.dataset is not None:
            store.write_atomically(output, store.encode(failed.dataset))
        return _report(failed, FAILED)
    for one in module.checks(dataset):
        print(_line(one))
    if output:
        store.write_atomically(output, store.encode(dataset))
        print(f"{dataset.sizes['cell']} cells in {output}")
    return 0


def record_experiment(options: argparse.Namespace) -> int:
    """`simplicity record`"""
    from simplicity import paths, records, store
    from simplicity.run import CellsFailed, default_store

    module = records.experiment(options.experiment)
    paths.root()
    _set_workers(options.workers)
    shelf = store.Store(Path(options.store) if options.store else default_store())
    try:
        print(records.make(module, shelf))
    except CellsFailed as failed:
        return _report(failed, FAILED)
    return 0


def run_chapter(options: argparse.Namespace) -> int:
    """`simplicity chapter`"""
    from simplicity.book.execute import ChapterFailed, execute

    output = _output(options.output)
    assert output is not None
    try:
        about = execute(options.chapter, output, _given(options.parameter))
    except ChapterFailed as failed:
        print(failed, file=sys.stderr)
        return FAILED
    print(f"{output}: {about['seconds']:.0f} s")
    return 0


def show_ledger(options: argparse.Namespace) -> int:
    """`simplicity ledger`"""
    from simplicity import ledger

    rows = ledger.rows()
    if options.json:
        print(json.dumps(rows, indent=1, sort_keys=True, ensure_ascii=False))
    elif options.markdown:
        print(ledger.markdown(rows))
    else:
        for row in rows:
            print(
                f"{row['id']:8}{row['verdict']:18}{row['claim']}"
                + (f"  [{row['reason']}]" if row["checks"] and row["reason"] else "")
            )
    return 0


def image_data(options: argparse.Namespace) -> int:
    """`simplicity data`"""
    from simplicity import fetch

    return fetch.run(options)


class _Parser(argparse.ArgumentParser):
    """argparse with our error contract: one line, code 2, and no usage text before it."""

    def error(self, message: str) -> NoReturn:
        raise Problem(f"{self.prog}: {message.replace(chr(10), ' ')}; see {self.prog} --help")


def _parser() -> argparse.ArgumentParser:
    top = _Parser(
        prog="simplicity", description="Networks learn something simple first: run, check, record.", allow_abbrev=False
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)

    command = commands.add_parser("list", help="the experiments, their claims and parameters", allow_abbrev=False)
    command.add_argument("--json", action="store_true", help="as JSON, with units, ranges and choices")
    command.set_defaults(command=list_experiments)

    command = commands.add_parser("run", help="run an experiment and check its claims", allow_abbrev=False)
    command.add_argument("experiment", help="a name that `simplicity list` shows")
    command.add_argument("--preset", default="QUICK", help="TINY, QUICK or FULL (default QUICK)")
    _add_parameters(command)
    _add_running(command)
    command.add_argument("-o", "--output", metavar="FILE.nc", help="write the dataset as NetCDF")
    command.set_defaults(command=run_experiment)

    command = commands.add_parser("record", help="run FULL and write the committed record", allow_abbrev=False)
    command.add_argument("experiment", help="a name that `simplicity list` shows")
    _add_running(command)
    command.set_defaults(command=record_experiment)

    command = commands.add_parser("chapter", help="execute a chapter with papermill", allow_abbrev=False)
    command.add_argument("chapter", help="a file of book/ without .md, such as optimization-threshold")
    _add_parameters(command)
    command.add_argument("-o", "--output", required=True, metavar="OUT.ipynb", help="where the executed notebook goes")
    command.set_defaults(command=run_chapter)

    command = commands.add_parser("ledger", help="all claims and their verdicts, from the records", allow_abbrev=False)
    command.add_argument("--json", action="store_true", help="one object a claim, with its checks")
    command.add_argument("--markdown", action="store_true", help="the judged claims as a table")
    command.set_defaults(command=show_ledger)

    command = commands.add_parser("data", help="fetch or verify MNIST and CIFAR-10", allow_abbrev=False)
    command.add_argument("action", choices=("fetch", "verify"))
    command.add_argument("name", nargs="?", help="mnist or cifar10 (default: both)")
    command.set_defaults(command=image_data)
    return top


def _add_parameters(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "-p", "--parameter", action="append", default=[], metavar="NAME=VALUE", help="may be repeated; lists as 10,20"
    )


def _add_running(command: argparse.ArgumentParser) -> None:
    command.add_argument("--workers", metavar="N", help="processes; 0 is a plain loop (default: $SIMPLICITY_WORKERS or 0)")
    command.add_argument("--store", metavar="DIR", help="folder of finished cells (default: the book's own)")


def _given(pairs: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not name:
            raise Problem(f"parameter: got {shown(pair)}, allowed NAME=VALUE")
        if name in found:
            raise Problem(f"parameter {name}: got it twice, allowed once")
        found[name] = value
    return found


def _preset(module: ModuleType, name: str) -> Any:
    from simplicity.run import PRESETS

    if name not in PRESETS:
        raise Problem(unknown("preset", name, PRESETS))
    return getattr(module, name)


def _set_workers(text: str | None) -> None:
    """The command line's word goes before the environment's; either is checked before any work."""
    from simplicity.run import WORKERS, workers_from, workers_from_environment

    if text is None:
        workers_from_environment()
    else:
        os.environ[WORKERS] = str(workers_from(text))


def _output(text: str | None) -> Path | None:
    """A file that can be written, found out before any work is done."""
    if text is None:
        return None
    path = Path(text)
    if path.is_dir():
        raise Problem(f"output: got the folder {path}, allowed a file")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            return path
    except OSError as reason:
        raise Problem(f"output: got {path} ({reason.strerror}), allowed a file in a writable folder") from None


def _described(module: ModuleType) -> dict[str, Any]:
    from simplicity.run import PRESETS
    from simplicity.store import name_of

    return {
        "name": name_of(module),
        "about": (module.__doc__ or "").partition("\n")[0],
        "claims": list(module.CLAIMS),
        "cells": {preset: len(module.cells(getattr(module, preset))) for preset in PRESETS},
        "parameters": describe(module.Config),
    }


def _line(one: Any) -> str:
    from simplicity.ledger import number

    word = {True: "holds", False: "does not hold", None: "not judged"}[one.holds]
    interval = f" [{one.interval[0]:.4g}, {one.interval[1]:.4g}]" if one.interval else ""
    against = one.control.why or f"{one.control.what} = {number(one.control.value)} ({one.control.criterion})"
    return f"{one.claim}  {word}: {one.statistic} = {number(one.value)}{interval} ({one.criterion}); control: {against}"


def _plain(value: Any) -> str:
    return ",".join(str(item) for item in value) if isinstance(value, tuple) else str(value)


def _report(problem: object, code: int) -> int:
    print("error: " + " ".join(str(problem).split()), file=sys.stderr)
    return code
