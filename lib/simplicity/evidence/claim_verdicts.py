"""Verdicts: what a claim's checks amount to."""

from collections.abc import Sequence, Set
from dataclasses import dataclass

from simplicity.evidence.claims import Check

HOLDS, IN_PART, FAILS = "holds", "holds in part", "does not hold"
NOT_TESTABLE, PENDING = "not testable", "pending"


@dataclass(frozen=True)
class Verdict:
    """What a claim's checks amount to, and in one line why it is not `holds`."""

    claim: str
    verdict: str
    reason: str
    checks: tuple[Check, ...]


def verdict(claim: str, checks: Sequence[Check]) -> Verdict:
    """`holds`, `holds in part` or `does not hold`, as all, some or none of the checks hold.

    A check holds if its criterion does and its control behaves.

    Checks that could not be judged leave `not testable` if nothing else was judged, and at most
    `holds in part` otherwise.
    """
    failed = [_why(one) for one in checks if one.holds is False]
    lacking = [f"not judged: {_lacking(one)}" for one in checks if one.holds is None]
    reason = "; ".join(failed + lacking)
    found = _of({one.holds for one in checks})
    if found == NOT_TESTABLE:
        reason = reason or "no check was made"
    return Verdict(claim, found, reason, tuple(checks))


def _of(outcomes: Set[bool | None]) -> str:
    """The verdict where some checks hold (True), some do not (False), some were not judged."""
    if outcomes <= {None}:
        return NOT_TESTABLE
    if True not in outcomes:
        return FAILS
    return HOLDS if outcomes == {True} else IN_PART


def _lacking(one: Check) -> str:
    return f"{one.statistic} ({one.control.why})" if one.control.why else one.statistic


def _why(one: Check) -> str:
    if not one.passed:
        return f"{one.statistic}: {one.value:.3g}, criterion {one.criterion}"
    return f"control {one.control.what}: {one.control.value:.3g}, had to be {one.control.criterion}"
