"""Verdicts: what a claim's checks amount to."""

from collections.abc import Sequence
from dataclasses import dataclass

from simplicity.evidence.claims import Check

HOLDS, IN_PART, FAILS = "holds", "holds in part", "does not hold"
NOT_TESTABLE, PENDING = "not testable", "pending"
VERDICTS = (HOLDS, IN_PART, FAILS, NOT_TESTABLE, PENDING)


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
    judged = [one.holds for one in checks if one.holds is not None]
    failed = [_why(one) for one in checks if one.holds is False]
    lacking = [f"not judged: {_lacking(one)}" for one in checks if one.holds is None]
    reason = "; ".join(failed + lacking)
    if not judged:
        return Verdict(claim, NOT_TESTABLE, reason or "no check was made", tuple(checks))
    if all(judged):
        return Verdict(claim, IN_PART if lacking else HOLDS, reason, tuple(checks))
    return Verdict(claim, IN_PART if any(judged) else FAILS, reason, tuple(checks))


def _lacking(one: Check) -> str:
    return f"{one.statistic} ({one.control.why})" if one.control.why else one.statistic


def _why(one: Check) -> str:
    if not one.passed:
        return f"{one.statistic}: {one.value:.3g}, criterion {one.criterion}"
    return f"control {one.control.what}: {one.control.value:.3g}, had to be {one.control.criterion}"
