"""The command line `simplicity`.

Wrong input ends with one line `error: WHAT, GOT, ALLOWED` on stderr and exit code 2, before
anything is written. A run in which cells failed, or that a full disk or a lost cluster stopped,
ends with 1 and keeps what was finished. What a command does is in the modules beside this one;
heavy imports wait until a command needs them.
"""

import argparse
import contextlib
import functools
import importlib
import importlib.metadata
import os
import re
import shlex
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from simplicity.cli.options import add_grid, add_parameters, add_running
from simplicity.places import files
from simplicity.problems import Problem, Stopped, no_such, shown
from simplicity.process import interrupts, surroundings, threads

FAILED, WRONG_INPUT = 1, 2
RESUMABLE = ("run", "check", "sweep", "record")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that `arguments` (or the process's own words) name; the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    files.use_utf8()
    surroundings.settle()
    try:
        if any("\0" in word for word in words):
            raise Problem("command: got a null character, allowed words without")
        options = _parsed(words)
        if getattr(options, "arithmetic", None) is not None:
            threads.choose(options.arithmetic)  # no library is loaded yet
        with interrupts.stoppable():
            code = int(_command(options.command)(options))
            if sys.stdout is not None:
                sys.stdout.flush()  # what fails now fails as it would have earlier
            return code
    except Problem as problem:
        return _report(problem, FAILED if isinstance(problem, Stopped) else WRONG_INPUT)
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] == "simplicity":
            raise
        return _report(
            f"simplicity: the package {missing.name} is missing, allowed with the extra `book`",
            WRONG_INPUT,
        )
    except BrokenPipeError:  # the reader of a pipe has seen enough
        _silence()
        return FAILED
    except OSError as reason:  # that no module has foreseen: a folder that has become unreadable
        _silence()
        what = "standard output" if reason.filename is None else reason.filename
        return _report(f"{what}: {reason.strerror or reason}", FAILED)
    except KeyboardInterrupt as stop:
        state = f"; {stop.args[0]}" if stop.args else ""
        again = f"; go on with: simplicity {shlex.join(words)}" if words[0] in RESUMABLE else ""
        return _report(f"interrupted{state}{again}", interrupts.INTERRUPTED)


def _parsed(words: Sequence[str]) -> argparse.Namespace:
    options, left = _parser().parse_known_args(words)
    if left:
        meant = _pair_meant(words, left)
        if meant:
            raise Problem(f"parameter: got {shown(meant[0])}, allowed {meant[1]}")
        rest = shown(" ".join(left))
        see = f"see simplicity {words[0]} --help"
        raise Problem(f"simplicity: got unrecognized arguments: {rest}; {see}")
    return options


def _pair_meant(words: Sequence[str], left: Sequence[str]) -> tuple[str, str] | None:
    """What was typed for NAME=VALUE in several words (`-p width 100`), and the right form."""
    for at, flag in enumerate(words):
        if flag not in ("-p", "--parameter", "-g", "--grid"):
            continue
        pair = list(words[at + 1 : at + 2])
        for word in words[at + 2 :]:
            apart = len(pair) == 1 and "=" not in pair[0]
            if (word not in left and not apart) or re.match("-[^0-9.]", word):
                break
            pair.append(word)
            if apart and word != "=":
                break
        if len(pair) > 1:
            right = re.sub(r"\s*=\s*", "=", " ".join(pair), count=1)
            right = right if "=" in right else right.replace(" ", "=", 1)
            return f"{flag} {' '.join(pair)}", f"{flag} {shlex.quote(right)}"
    return None


def _command(name: str) -> Any:
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(f"simplicity.cli.{module}"), function)


class _Parser(argparse.ArgumentParser):
    """argparse with our error contract: one line, code 2, and no usage text before it."""

    def error(self, message: str) -> NoReturn:
        raise Problem(f"{self.prog}: {message.replace(chr(10), ' ')}; see {self.prog} --help")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            what = action.dest if action.dest != argparse.SUPPRESS else "command"
            raise Problem(no_such(what, value, action.choices))


@functools.cache
def _parser() -> argparse.ArgumentParser:
    top = _Parser(
        prog="simplicity",
        description="Networks learn something simple first: run, check, record.",
        allow_abbrev=False,
    )
    version = f"simplicity {_version()}"
    top.add_argument("--version", action="version", version=version, help="the version")
    commands = top.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)
    _add_experiments(commands)
    _add_making(commands)
    _add_chapters(commands)
    _add_looking(commands)
    return top


def _version() -> str:
    try:
        return importlib.metadata.version("simplicity")
    except importlib.metadata.PackageNotFoundError:  # on the path, but never installed
        return "of this folder, not installed"


def _add(commands: Any, name: str, function: str, help: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=help, allow_abbrev=False)
    command.set_defaults(command=function)
    return command


def _add_experiments(commands: Any) -> None:
    preset = "TINY, QUICK or FULL (default QUICK)"
    for name, about in (
        (
            "run",
            "run an experiment and check its claims; a setting with several values is an axis of a "
            "grid",
        ),
        ("sweep", "the same, for a grid of settings"),
    ):
        command = _add(commands, name, "running:run_experiment", about)
        command.add_argument("experiment", help="a name that `simplicity list` shows, or a file")
        add_parameters(command)
        add_grid(command, required=name == "sweep")
        command.add_argument(
            "--seeds", metavar="K", help="seeds of each setting, short for -p seeds=K"
        )
        command.add_argument("--preset", default="QUICK", help=preset)
        add_running(command)
        command.add_argument(
            "--dry-run",
            action="store_true",
            help="say what there is to compute and how long it may take",
        )
        command.add_argument(
            "-o", "--output", metavar="FILE.nc", help="write one dataset, with the axes of the grid"
        )
        command.add_argument(
            "--csv",
            metavar="FILE.csv",
            help="write tidy tables: a row a cell, curves in files beside it",
        )

    about = (
        "judge a claim anew, or all of them: each check with its margin, beside what was published"
    )
    command = _add(commands, "check", "checking:check_claims", about)
    command.add_argument(
        "claim", nargs="?", help="an id that `simplicity ledger` shows, such as B10"
    )
    command.add_argument("--all", action="store_true", help="every claim, as a table")
    command.add_argument(
        "--fresh",
        nargs="?",
        const="",
        metavar="SEED",
        help="on seeds that no published run has, drawn now or from SEED on",
    )
    command.add_argument(
        "--seeds", metavar="K", help="seeds of each setting (default: those of the preset)"
    )
    command.add_argument("--preset", default="QUICK", help=preset)
    command.add_argument(
        "--full-within",
        metavar="SECONDS",
        help="run FULL wherever the published run took no more processor seconds than these",
    )
    command.add_argument("-o", "--output", metavar="FILE.csv", help="write the table")
    add_running(command)


def _add_making(commands: Any) -> None:
    command = _add(
        commands,
        "new",
        "new:make",
        "write an experiment, its test and its chapter, which run at once",
    )
    command.add_argument(
        "where",
        metavar="WING/NAME",
        help="boursier, loukas, nakkiran, hu or together; or a FILE.py of yours",
    )
    command.add_argument(
        "--claim", metavar="ID", help="the id of the claim (default: the next one of the wing)"
    )
    command.add_argument(
        "--package",
        action="store_true",
        help="with a FILE.py: a pyproject.toml that offers the experiment by its name",
    )

    command = _add(
        commands, "record", "running:record_experiment", "run FULL and write the committed record"
    )
    command.add_argument("experiment", help="a name that `simplicity list` shows")
    command.add_argument(
        "--carry",
        action="store_true",
        help="the code changed, no number did: compute the cheapest tenth "
        "and stamp the record anew where every byte is equal",
    )
    add_running(command)


def _add_chapters(commands: Any) -> None:
    name = "a file of book/ without .md, such as optimization-threshold"
    command = _add(
        commands,
        "chapter",
        "chapters:run_chapter",
        "execute a chapter, or a grid of it, with papermill",
    )
    command.add_argument("chapter", help=name)
    add_parameters(command)
    add_grid(command, required=False)
    command.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="OUT",
        help="the executed notebook; of a grid, the folder of its notebooks",
    )
    command.add_argument(
        "--workers", metavar="N", help="notebooks at a time (default: $SIMPLICITY_WORKERS or 1)"
    )
    command.add_argument(
        "--timeout", metavar="SECONDS", help="most seconds of a notebook (default: 3600)"
    )

    command = _add(
        commands,
        "site",
        "chapters:build_site",
        "build the site with a chapter's parameters changed",
    )
    command.add_argument("--chapter", required=True, help=name)
    add_parameters(command)
    command.add_argument(
        "-o",
        "--output",
        metavar="DIR",
        help="where the pages go (default: a folder of _build/variants)",
    )


def _add_looking(commands: Any) -> None:
    command = _add(
        commands, "list", "looking:list_experiments", "the experiments, their claims and parameters"
    )
    command.add_argument(
        "--json", action="store_true", help="as JSON, with units, ranges and choices"
    )

    command = _add(
        commands, "ledger", "looking:show_ledger", "all claims and their verdicts, from the records"
    )
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one object a claim, with its checks")
    form.add_argument("--markdown", action="store_true", help="the judged claims as a table")

    command = _add(
        commands,
        "compare",
        "looking:compare_files",
        "two results or two ledgers: what differs, by how much",
    )
    command.add_argument(
        "one", metavar="A", help="a NetCDF file (also .gz), a claims.json, or a built site"
    )
    command.add_argument("other", metavar="B", help="another of the same kind")
    command.add_argument("--rtol", default="0", metavar="R", help="relative tolerance (default 0)")
    command.add_argument("--atol", default="0", metavar="T", help="absolute tolerance (default 0)")

    command = _add(
        commands, "cache", "looking:show_cache", "what is stored: sizes, stale and damaged files"
    )
    command.add_argument(
        "--verify", action="store_true", help="read every file to its end and check it"
    )
    command.add_argument(
        "--store", metavar="DIR", help="folder of finished cells (default: the book's own)"
    )

    command = _add(commands, "data", "data:image_data", "fetch or verify MNIST and CIFAR-10")
    command.add_argument("action", choices=("fetch", "verify"))
    command.add_argument("name", nargs="?", help="mnist or cifar10 (default: both)")


def _silence() -> None:
    """What waits to be written to a standard stream, and cannot be, is not tried again at the end,
    where it would change the exit code.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError, OSError):
            try:
                stream.flush()
            except OSError:
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _report(problem: object, code: int) -> int:
    try:
        print("error: " + " ".join(str(problem).split()), file=sys.stderr, flush=True)
    except OSError:  # nobody can be told
        _silence()
    return code
