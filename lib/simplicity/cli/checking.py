"""`simplicity check`: claims judged anew, on the published or on fresh seeds.

The published verdicts stand beside.
"""

import argparse
import collections
import csv
import dataclasses
import io
import secrets
import sys
from collections.abc import Sequence
from types import ModuleType

from simplicity.cli import options as words
from simplicity.cli import telling
from simplicity.evidence import claim_verdicts, ledger, records
from simplicity.evidence.claims import Check
from simplicity.grid.config import parse
from simplicity.grid.groups import checks_of, config_of
from simplicity.grid.run import CellsFailed
from simplicity.grid.store import name_of
from simplicity.places import files
from simplicity.problems import Problem
from simplicity.process.pool import limit_from

FRESH_FROM, FRESH_TO = 10_000_000, 2_000_000_000  # no published run has such a seed
AGREES, DIFFERS, OPEN = "agrees", "differs", "not judged"


@dataclasses.dataclass(frozen=True)
class Row:
    """One claim: its published verdict, what this run says, and the checks that differ."""

    claim: str
    published: str
    fresh: str
    agreement: str
    checks: int
    judged: int
    otherwise: tuple[str, ...]
    presets: tuple[str, ...] = ()


def check_claims(options: argparse.Namespace) -> int:
    """0 also where a check does not hold or differs; 1 where cells failed."""
    asked = _asked(options)
    words.check_running(options)
    output = words.output(options.output)
    found, failed = _fresh(options, asked, _within(options))
    rows = [row(claim, [one for one in found if one.claim == claim]) for claim in asked]
    if options.all:
        _tell_all(rows)
    else:
        _tell_one(rows[0], found)
    if output:
        files.write_text(output, _table(rows))
        print(f"table in {output}")
    return 1 if failed else 0


def _within(options: argparse.Namespace) -> float:
    """The seconds of a published run up to which FULL is run again; none where nothing is said."""
    given = options.full_within
    return 0.0 if given is None else limit_from(given, "full-within")


def _tell_one(about: Row, found: Sequence[Check]) -> None:
    told = [telling.lines(one) for one in found if one.claim == about.claim]
    print("\n".join(told) or _why_none(about.claim))
    print(f"published: {about.published}; the checks that both judge: {about.agreement}")


def _fresh(
    options: argparse.Namespace, asked: Sequence[str], within: float
) -> tuple[list[Check], bool]:
    """The checks of every experiment that judges one of the claims; whether cells of one failed."""
    given, cheap = _given(options), _cheap(within)
    found: list[Check] = []
    failed = False
    for module in ledger.judging(asked):
        preset = "FULL" if name_of(module) in cheap else options.preset
        try:
            found += _judged(module, preset, options, given)
        except CellsFailed as reason:
            failed = True
            print(f"error: {name_of(module)}: {reason}", file=sys.stderr)
    return found, failed


def _cheap(within: float) -> set[str]:
    """The experiments whose published run took no more seconds than `within`."""
    abouts = records.abouts()
    return {name for name, about in abouts.items() if float(about["seconds"]) <= within}


def _asked(options: argparse.Namespace) -> list[str]:
    """The ids of the claims that the words name."""
    _mend_fresh(options)
    if (options.claim is None) is not options.all:
        got = "a claim beside --all" if options.all else "no claim"
        raise Problem(f"check: got {got}, allowed an id, or --all")
    return ledger.ids() if options.all else [words.claim(options.claim)]


def _mend_fresh(options: argparse.Namespace) -> None:
    """In `check --fresh B10` the word is the claim, not a seed."""
    no_seed = options.fresh and not options.fresh.lstrip("-").isdigit()
    if options.claim is None and not options.all and no_seed:
        options.claim, options.fresh = options.fresh, ""


def _given(options: argparse.Namespace) -> dict[str, str]:
    """The seeds that are asked for; fresh ones are drawn here and told, to be asked for again."""
    found = {} if options.seeds is None else {"seeds": options.seeds}
    if options.fresh is None:
        return found
    seed = options.fresh or _drawn()
    again = "for the same ones again, or to go on after a stop"
    print(f"seeds from {seed} on; {again}: --fresh {seed}")
    return found | {"first_seed": seed}


def _drawn() -> str:
    """A first seed that no published run has."""
    return str(FRESH_FROM + secrets.randbelow(FRESH_TO - FRESH_FROM))


def _judged(
    module: ModuleType, preset: str, options: argparse.Namespace, given: dict[str, str]
) -> list[Check]:
    config = parse(config_of(module), given, words.preset(module, preset))
    dataset = words.computed(options, module, config)
    out = sys.stderr if options.all else sys.stdout  # of all claims it is progress
    print(f"{name_of(module)}, {preset}, {dataset.sizes['cell']} cells", file=out, flush=True)
    return [dataclasses.replace(one, preset=preset) for one in checks_of(module, dataset)]


def row(claim: str, found: Sequence[Check]) -> Row:
    """A claim's fresh checks beside the recorded ones, check by check, where both judge."""
    published = ledger.published(claim)
    recorded = {one.name: one.holds for one in published.checks}
    both = [one for one in found if None not in (one.holds, recorded.get(one.name))]
    otherwise = tuple(one.name for one in both if one.holds is not recorded[one.name])
    fresh = claim_verdicts.verdict(claim, both).verdict if both else OPEN
    agreement = (DIFFERS if otherwise else AGREES) if both else OPEN
    presets = tuple(sorted({one.preset for one in both}))
    counts = len(recorded), len(both)
    return Row(claim, published.verdict, fresh, agreement, *counts, otherwise, presets)


def _tell_all(rows: Sequence[Row]) -> None:
    for one in rows:
        print(_line(one))
    count = collections.Counter(one.agreement for one in rows)
    print(", ".join(f"{count[word]} {word}" for word in (AGREES, DIFFERS, OPEN)))


def _line(one: Row) -> str:
    what = f" ({', '.join(one.otherwise)})" if one.otherwise else ""
    judged = f"{one.judged} of {one.checks} checks"
    return f"{one.claim:6} {one.published:18} {one.fresh:18} {one.agreement}{what}, {judged}"


def _table(rows: Sequence[Row]) -> str:
    """The rows as CSV."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(Row.__dataclass_fields__)
    for one in rows:
        plain = dataclasses.astuple(one)[:-2]
        table.writerow([*plain, " ".join(one.otherwise), " ".join(one.presets)])
    return text.getvalue()


def _why_none(claim: str) -> str:
    found = ledger.published(claim)
    return f"no experiment: {found.verdict}, {found.reason}"
