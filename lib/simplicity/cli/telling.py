"""A check in words: in a line as `simplicity run` tells it, in three as `simplicity check` does."""

from simplicity.evidence.claims import Check, Control
from simplicity.evidence.ledger import number


def line(one: Check) -> str:
    """Its outcome, value and control."""
    control = one.control
    if one.holds is None and control.why:
        return _not_judged(one)
    against = control.why or f"{control.what} = {number(control.value)} ({control.criterion})"
    value = f"{one.statistic} = {number(one.value)}{_interval(one)} ({one.criterion})"
    return f"{one.id}  {one.word}: {value}; control: {against}"


def lines(one: Check) -> str:
    """Its outcome; its value against the bound; its control against its own."""
    if one.holds is None and one.control.why:
        return f"  {_not_judged(one)}"
    first = f"  {one.id}  {one.word}: {one.statistic}"
    return "\n".join([first, _value(one), _control(one.control)])


def _not_judged(one: Check) -> str:
    return f"{one.id}  not judged: {one.statistic} ({one.control.why})"


def _interval(one: Check) -> str:
    """Nothing where there is none."""
    return f" [{one.interval[0]:.4g}, {one.interval[1]:.4g}]" if one.interval else ""


def _value(one: Check) -> str:
    value, margin = f"{number(one.value)}{_interval(one)}", _slack(one)
    if one.interval:
        value += f" ({one.interval_kind})"
    if margin and one.margin is not None:
        margin += f" = {one.margin:+.1f} half-intervals"
    return f"    value {value}, {one.seeds} seeds; criterion: {one.criterion}{margin}"


def _slack(one: Check | Control) -> str:
    """How far a check or a control is from its bound."""
    return "" if one.slack is None else f", {one.slack:+.3g} from its bound"


def _control(control: Control) -> str:
    if control.why:
        return f"    no control: {control.why}"
    behaves = {True: "behaves", False: "misbehaves", None: "not judged"}[control.passed]
    value = f"{control.what} = {number(control.value)} ({control.criterion}{_slack(control)})"
    return f"    control {behaves}: {value}"
