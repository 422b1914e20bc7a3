"""A check whose control is the same statistic of other runs."""

from simplicity.evidence import claims
from simplicity.evidence.claims import Check, Criterion, Estimate, Kind
from simplicity.grid.groups import Runs


def judged(
    runs: Runs,
    id: str,
    statistic: str,
    found: Estimate,
    criterion: Criterion,
    changed: str,
    other: Estimate,
    *,
    kind: Kind = "empirical",
    needs: int = 0,
    unless: str = "",
) -> Check:
    """`changed` says what is another in the control, whose estimate, `other`, must fail."""
    against = claims.control(changed, other, claims.fails(criterion))
    return claims.check(
        runs, id, kind, statistic, found, criterion, against, needs=needs, unless=unless
    )
