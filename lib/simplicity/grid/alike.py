"""Which definitions are as good as another that is equal, and which decorators note what they
decorate (see `meaning`).
"""

import ast

from simplicity.grid.definitions import Definition, Foreign
from simplicity.grid.names import Names
from simplicity.grid.statements import Function, Import

_VALUES = (
    ast.Constant, ast.Name, ast.Attribute, ast.Subscript, ast.Tuple, ast.Set, ast.UnaryOp,
    ast.BinOp, ast.unaryop, ast.operator, ast.keyword, ast.expr_context,
)  # fmt: skip
_PLAIN_CALLS = {"numpy.finfo"}.union(
    f"builtins.{name}" for name in ("bool", "float", "frozenset", "int", "range", "str", "tuple")
)


def is_alike(names: Names, statement: ast.stmt) -> bool:
    """Is an equal definition as good as this one?

    Functions and values are; what is made anew, as a class or a list, is another each time.
    """
    if isinstance(statement, Function):
        defaults = [one for one in (*statement.args.defaults, *statement.args.kw_defaults) if one]
        return all(_is_compiler(names, one) for one in statement.decorator_list) and all(
            _is_value(names, one) for one in defaults
        )
    if isinstance(statement, (ast.Assign, ast.AnnAssign)):
        return statement.value is not None and _is_value(names, statement.value)
    return isinstance(statement, Import)


def _is_value(names: Names, node: ast.expr) -> bool:
    return all(
        isinstance(one, _VALUES) or (isinstance(one, ast.Call) and _is_plain(names, one))
        for one in ast.walk(node)
    )


def _is_plain(names: Names, call: ast.Call) -> bool:
    found = names.chain(call.func)
    return isinstance(found, Foreign) and (
        found.dotted in _PLAIN_CALLS or found.dotted.startswith(("numba.", "math."))
    )


def _is_compiler(names: Names, decorator: ast.expr) -> bool:
    """Is it `numba.njit`, called or not, or a name of ours for that?"""
    found = names.chain(decorator.func if isinstance(decorator, ast.Call) else decorator)
    if not isinstance(found, Definition):
        return isinstance(found, Foreign) and found.dotted.startswith("numba.")
    statements = names.library.statements(found)
    if (
        len(statements) != 1
        or not isinstance(statements[0], ast.Assign)
        or found == names.definition
    ):
        return False
    value = statements[0].value
    return isinstance(value, ast.Call) and _is_compiler(Names(names.library, found), value)


def registers(names: Names, decorator: ast.expr) -> bool:
    """May it note what it decorates: a method of an object of ours, or a foreign register?"""
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    if isinstance(called, ast.Attribute) and isinstance(names.chain(called.value), Definition):
        return True
    found = names.chain(called)
    dotted = found.dotted if isinstance(found, Foreign) else ""
    return dotted.endswith(".register") or dotted.startswith("numba.extending.overload")
