"""The form of the checks of this wing and of `together`: a control has to miss its own check's
criterion.
"""

from simplicity.evidence import claims
from simplicity.evidence.claims import Check, Criterion, Estimate, Judged, Kind

Other = tuple[str, Estimate]  # a control: what was changed, and what came out


def judged(
    runs: Judged, id: str, kind: Kind, statistic: str, found: Estimate,
    criterion: Criterion, other: Other, *, needs: int = 0, unless: str = "",
) -> Check:  # fmt: skip
    """`claims.check` with a control that must not meet the same criterion."""
    control = claims.control(*other, claims.fails(criterion))
    return claims.check(
        runs, id, kind, statistic, found, criterion, control, needs=needs, unless=unless
    )
