"""Which definitions are as good as another that is equal, and which decorators note what they
decorate (see `meaning`).
"""

import ast

from simplicity.grid.definitions import Definition, dotted
from simplicity.grid.names import Names
from simplicity.grid.statements import Function, Import, called_in, defaults

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
        compiled = all(_is_compiler(names, one) for one in statement.decorator_list)
        return compiled and all(_is_value(names, one) for one in defaults(statement.args))
    if isinstance(statement, (ast.Assign, ast.AnnAssign)):
        return statement.value is not None and _is_value(names, statement.value)
    return isinstance(statement, Import)


def _is_value(names: Names, node: ast.expr) -> bool:
    return all(
        isinstance(one, _VALUES) or (isinstance(one, ast.Call) and _is_plain(names, one))
        for one in ast.walk(node)
    )


def _is_plain(names: Names, call: ast.Call) -> bool:
    name = dotted(names.chain(call.func))
    return name in _PLAIN_CALLS or name.startswith(("numba.", "math."))


def _is_compiler(names: Names, decorator: ast.expr) -> bool:
    """Is it `numba.njit`, called or not, or a name of ours for that?"""
    found = names.chain(called_in(decorator))
    if not isinstance(found, Definition):
        return dotted(found).startswith("numba.")
    match names.library.statements(found):
        case [ast.Assign(value=ast.Call() as value)] if found != names.definition:
            return _is_compiler(Names(names.library, found), value)
    return False


def registers(names: Names, decorator: ast.expr) -> bool:
    """May it note what it decorates: a method of an object of ours, or a foreign register?"""
    called = called_in(decorator)
    if isinstance(called, ast.Attribute) and isinstance(names.chain(called.value), Definition):
        return True
    name = dotted(names.chain(called))
    return name.endswith(".register") or name.startswith("numba.extending.overload")
