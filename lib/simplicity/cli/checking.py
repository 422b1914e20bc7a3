"""`simplicity check`: claims judged anew, on the published or on fresh seeds.

The published verdicts stand beside.
"""

import argparse
import csv
import dataclasses
import io
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from simplicity.cli import options as words
from simplicity.evidence import claim_verdicts, ledger, records
from simplicity.evidence.claims import Check
from simplicity.evidence.ledger import number
from simplicity.grid.config import parse
from simplicity.grid.groups import checks_of, config_of
from simplicity.grid.run import CellsFailed, run
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
    if (
        options.claim is None
        and not options.all
        and options.fresh
        and not options.fresh.lstrip("-").isdigit()
    ):
        options.claim, options.fresh = options.fresh, ""  # `check --fresh B10`
    if (options.claim is None) is not options.all:
        raise Problem(
            "check: got "
            + ("a claim beside --all" if options.all else "no claim")
            + ", allowed an id, or --all"
        )
    asked = ledger.ids() if options.all else [words.claim(options.claim)]
    words.check_running(options)
    output = words.output(options.output)
    within = 0.0 if options.full_within is None else limit_from(options.full_within, "full-within")
    given = _given(options)
    modules = [
        module
        for module in map(records.experiment, records.names())
        if set(asked) & set(module.CLAIMS)
    ]
    found: list[Check] = []
    failed: list[str] = []
    took = records.abouts()
    for module in modules:
        about = took.get(name_of(module))  # None for an experiment that is not recorded yet
        cheap = about is not None and float(about["seconds"]) <= within
        preset = "FULL" if cheap else options.preset
        try:
            found += _judged(module, preset, options, given)
        except CellsFailed as reason:
            failed.append(f"{name_of(module)}: {reason}")
            print(f"error: {failed[-1]}", file=sys.stderr)
    rows = [row(claim, [one for one in found if one.claim == claim]) for claim in asked]
    if not options.all:
        print(
            "\n".join(_told(one) for one in found if one.claim == asked[0]) or _why_none(asked[0])
        )
    _tell(rows, output, options.all)
    return 1 if failed else 0


def _given(options: argparse.Namespace) -> dict[str, str]:
    """The seeds that are asked for.

    Fresh ones are drawn here and told, so that the same can be asked for again.
    """
    found = {} if options.seeds is None else {"seeds": options.seeds}
    if options.fresh is None:
        return found
    seed = options.fresh or str(FRESH_FROM + secrets.randbelow(FRESH_TO - FRESH_FROM))
    print(
        f"seeds from {seed} on; for the same ones again, or to go on after a stop: --fresh {seed}"
    )
    return found | {"first_seed": seed}


def _judged(
    module: ModuleType, preset: str, options: argparse.Namespace, given: dict[str, str]
) -> list[Check]:
    config = parse(config_of(module), given, words.preset(module, preset))
    with words.executor(options, module) as executor:
        dataset = run(
            module, config, executor, words.store(options), limit_seconds=words.limit(options)
        )
    out = sys.stderr if options.all else sys.stdout  # of all claims it is progress
    print(f"{name_of(module)}, {preset}, {dataset.sizes['cell']} cells", file=out, flush=True)
    return [dataclasses.replace(one, preset=preset) for one in checks_of(module, dataset)]


def row(claim: str, found: Sequence[Check]) -> Row:
    """A claim's fresh checks beside the recorded ones, check by check, where both judge."""
    recorded = {one.name: one for one in ledger.full_checks() if one.claim == claim}
    both = [
        one
        for one in found
        if one.holds is not None and one.name in recorded and recorded[one.name].holds is not None
    ]
    otherwise = tuple(one.name for one in both if one.holds is not recorded[one.name].holds)
    published = (
        claim_verdicts.verdict(claim, list(recorded.values())).verdict
        if recorded
        else claim_verdicts.PENDING
    )
    fresh = claim_verdicts.verdict(claim, both).verdict if both else OPEN
    agreement = OPEN if not both else DIFFERS if otherwise else AGREES
    presets = tuple(sorted({one.preset for one in both}))
    return Row(claim, published, fresh, agreement, len(recorded), len(both), otherwise, presets)


def _tell(rows: Sequence[Row], output: Path | None, every: bool) -> None:
    if every:
        for one in rows:
            what = f" ({', '.join(one.otherwise)})" if one.otherwise else ""
            judged = f"{one.judged} of {one.checks} checks"
            print(
                f"{one.claim:6} {one.published:18} {one.fresh:18} {one.agreement}{what}, {judged}"
            )
    count = {word: sum(one.agreement == word for one in rows) for word in (AGREES, DIFFERS, OPEN)}
    if every:
        print(", ".join(f"{number} {word}" for word, number in count.items()))
    else:
        (one,) = rows
        print(f"published: {one.published}; the checks that both judge: {one.agreement}")
    if output:
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow([field.name for field in dataclasses.fields(Row)])
        table.writerows(
            [*dataclasses.astuple(one)[:-2], " ".join(one.otherwise), " ".join(one.presets)]
            for one in rows
        )
        files.write_text(output, text.getvalue())
        print(f"table in {output}")


def _why_none(claim: str) -> str:
    (found,) = (one for one in ledger.rows() if one["id"] == claim)
    return f"no experiment: {found['verdict']}, {found['reason']}"


def _told(one: Any) -> str:
    """A check in three lines.

    Outcome and statistic, value against its bound, control against its own.
    """
    interval = (
        f" [{one.interval[0]:.4g}, {one.interval[1]:.4g}] ({one.interval_kind})"
        if one.interval
        else ""
    )
    value = (
        f"    value {number(one.value)}{interval}, {one.seeds} seeds; criterion: "
        f"{one.criterion}{_margin(one)}"
    )
    control = one.control
    if one.holds is None and control.why:
        return f"  {one.id}  not judged: {one.statistic} ({control.why})"
    if control.why:
        return f"  {one.id}  {one.word}: {one.statistic}\n{value}\n    no control: {control.why}"
    slack = "" if control.slack is None else f", {control.slack:+.3g} from its bound"
    behaves = {True: "behaves", False: "misbehaves", None: "not judged"}[control.passed]
    against = (
        f"    control {behaves}: {control.what} = {number(control.value)} "
        f"({control.criterion}{slack})"
    )
    return f"  {one.id}  {one.word}: {one.statistic}\n{value}\n{against}"


def _margin(one: Any) -> str:
    if one.slack is None:
        return ""
    return f", {one.slack:+.3g} from its bound" + (
        "" if one.margin is None else f" = {one.margin:+.1f} half-intervals"
    )
