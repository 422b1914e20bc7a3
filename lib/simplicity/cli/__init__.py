"""The command line `simplicity`.

Wrong input ends with one line `error: WHAT, GOT, ALLOWED` on stderr and exit code 2, before
anything is written. A run in which cells failed, or that a full disk or a lost cluster stopped,
ends with 1 and keeps what was finished. What a command does is in the modules beside this one;
heavy imports wait until a command needs them.
"""

import argparse
import contextlib
import importlib
import os
import re
import shlex
import sys
from collections.abc import Sequence
from typing import Any

from simplicity.cli.commands import PAIRS, RESUMABLE, parser
from simplicity.places import files
from simplicity.problems import Problem, Stopped, shown
from simplicity.process import interrupts, surroundings, threads

FAILED, WRONG_INPUT = 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that `arguments` (or the process's own words) name; the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    files.use_utf8()
    surroundings.settle()
    try:
        return _run(words)
    except Problem as problem:
        return _report(problem, FAILED if isinstance(problem, Stopped) else WRONG_INPUT)
    except ModuleNotFoundError as missing:
        return _report(_missing_package(missing), WRONG_INPUT)
    except BrokenPipeError:  # the reader of a pipe has seen enough
        _silence()
        return FAILED
    except OSError as reason:  # that no module has foreseen: a folder that has become unreadable
        _silence()
        return _report(_failed_file(reason), FAILED)
    except KeyboardInterrupt as stop:
        return _report(_interrupted(stop, words), interrupts.INTERRUPTED)


def _missing_package(missing: ModuleNotFoundError) -> str:
    """What to install; a missing module of our own is a fault, not a word for the user."""
    if (missing.name or "").partition(".")[0] == "simplicity":
        raise missing
    return f"simplicity: the package {missing.name} is missing, allowed with the extra `book`"


def _failed_file(reason: OSError) -> str:
    what = "standard output" if reason.filename is None else reason.filename
    return f"{what}: {reason.strerror or reason}"


def _interrupted(stop: KeyboardInterrupt, words: Sequence[str]) -> str:
    """How far the command came, and how to go on."""
    told = ["interrupted", *stop.args[:1]]
    if words[0] in RESUMABLE:
        told.append(f"go on with: simplicity {shlex.join(words)}")
    return "; ".join(told)


def _run(words: Sequence[str]) -> int:
    options = _parsed(words)
    if getattr(options, "arithmetic", None) is not None:
        threads.choose(options.arithmetic)  # no library is loaded yet
    with interrupts.stoppable():
        code = int(_command(options.command)(options))
        if sys.stdout is not None:
            sys.stdout.flush()  # what fails now fails as it would have earlier
        return code


def _parsed(words: Sequence[str]) -> argparse.Namespace:
    if any("\0" in word for word in words):
        raise Problem("command: got a null character, allowed words without")
    options, left = parser().parse_known_args(words)
    if left:
        raise Problem(_not_understood(words, left))
    return options


def _not_understood(words: Sequence[str], left: Sequence[str]) -> str:
    """The error of words that no option takes."""
    meant = _pair_meant(words, left)
    if meant:
        return f"parameter: got {shown(meant[0])}, allowed {meant[1]}"
    rest = shown(" ".join(left))
    return f"simplicity: got unrecognized arguments: {rest}; see simplicity {words[0]} --help"


def _pair_meant(words: Sequence[str], left: Sequence[str]) -> tuple[str, str] | None:
    """What was typed for NAME=VALUE in several words (`-p width 100`), and the right form."""
    for at, flag in enumerate(words):
        typed = _pair(words[at + 1 :], left) if flag in PAIRS else []
        if len(typed) > 1:
            return " ".join([flag, *typed]), f"{flag} {shlex.quote(_with_sign(typed))}"
    return None


def _with_sign(typed: Sequence[str]) -> str:
    """`width = 100` and `width 100` as `width=100`."""
    right = re.sub(r"\s*=\s*", "=", " ".join(typed), count=1)
    return right if "=" in right else right.replace(" ", "=", 1)


def _pair(words: Sequence[str], left: Sequence[str]) -> list[str]:
    """The words after a flag that were meant as its one: those left over, and what follows a name
    without a value.
    """
    pair = list(words[:1])
    for word in words[1:]:
        apart = len(pair) == 1 and "=" not in pair[0]
        if (word not in left and not apart) or re.match("-[^0-9.]", word):
            break
        pair.append(word)
        if apart and word != "=":
            break
    return pair


def _command(name: str) -> Any:
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(f"simplicity.cli.{module}"), function)


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
