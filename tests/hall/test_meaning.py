"""What changes the meaning of a definition and what does not: small invented libraries, then the
real one.
"""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import numpy as np
import pytest

from simplicity.evidence import records
from simplicity.grid import definitions, groups, meaning, statements, store
from simplicity.places import paths

REAL = paths.PACKAGE
ROOTS = ("Cell", "measure")
REAL_ROOTS = ("Run", "measure")


def digest(folder: Path, text: str, names: tuple[str, ...] = ("measure",)) -> str:
    """The meaning of names in lib.main; `text` holds the files of lib, each below a line `## its
    name`, or main alone.
    """
    parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)
    files = dict(zip(parts[1::2], parts[2::2], strict=True)) | (
        {"main.py": parts[0]} if parts[0].strip() else {}
    )
    for name, content in files.items():
        path = folder / "lib" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return meaning.Library({"lib": folder / "lib"}).digest("lib.main", names)


# --- a small experiment, changed in one place or another

MAIN = '''"""An experiment."""

import dataclasses

import numpy as np

from lib import config, plot
from lib.engines import motor
from lib.tools import scale as rescale

LIMIT = 3
TABLE = {"a": 1, "b": 2}
TABLE["c"] = 3


@config.settings
class Config:
    n: int = config.param(3, low=1)


QUICK = Config(n=1)


@dataclasses.dataclass(frozen=True)
class Cell:
    """One cell."""

    n: int = 0
    name: str = "a"


def cells(config):
    return [Cell(n) for n in range(config.n)]


def measure(cell):
    """One cell."""
    # the motor runs
    start = motor.Start(cell.n, LIMIT)
    found = motor.drive(start.speed, steps=4)
    found = rescale(found)
    found = found + TABLE[cell.name]
    return np.sum(_twice(found))


def _twice(x):
    return x * 2


def checks(dataset):
    return plot.draw(dataset, 0.5)
'''
MOTOR = '''"""Engines."""

import numba

from lib import nets
from lib.constants import WIDTH

_FLAGS = {"reassoc", "nsz"}
_compiled = numba.njit(fastmath=_FLAGS, cache=True)


class Base:
    gain = 1.5


class Start(Base):
    def __init__(self, n, limit=7):
        self.speed = n * self.gain + limit


@_compiled
def drive(speed, *, steps, width=WIDTH):
    """Drive."""
    for step in range(steps):
        speed = nets.even(speed - width)
    return speed


@numba.njit(cache=True)
def unused(speed):
    return speed
'''
NETS = """def even(n):
    return True if n <= 0 else odd(n - 1)


def odd(n):
    return False if n <= 0 else even(n - OFFSET)


OFFSET = 1
"""
FILES = {
    "__init__.py": "",
    "main.py": MAIN,
    "engines/__init__.py": "",
    "engines/motor.py": MOTOR,
    "nets.py": NETS,
    "tools.py": "import numpy as np\n\nfrom lib import constants\n\n\n"
    "def scale(x):\n    return np.mean(x) / constants.SCALE\n",
    "constants.py": "WIDTH = 10\nSCALE = 2.5\n",
    "config.py": "_KNOWN = {}\n\n\ndef settings(cls):\n    return cls\n\n\n"
    "def param(default, low):\n    return default\n",
    "plot.py": "def draw(*arguments):\n    return arguments\n",
}


def digest_of(folder: Path, files: dict[str, str]) -> str:
    return digest(folder, "".join(f"## {name}\n{text}" for name, text in files.items()), ROOTS)


def edited(*edits: tuple[str, str, str]) -> dict[str, str]:
    """The files with (name, old, new) replaced."""
    files = dict(FILES)
    for name, old, new in edits:
        assert old in files[name], (name, old)
        files[name] = files[name].replace(old, new)
    return files


def moved(files: dict[str, str], old: str, new: str) -> dict[str, str]:
    return {new if name == old else name: text for name, text in files.items()}


SAME_EXPERIMENT = {
    "docstrings and comments": edited(
        ("main.py", '"""An experiment."""', '"""The experiment,\ntold better."""'),
        ("main.py", '    """One cell."""\n    #', "    #"),
        ("main.py", "# the motor runs", "# it runs"),
        ("engines/motor.py", '    """Drive."""\n', ""),
        ("nets.py", "def odd(n):\n", 'def odd(n):\n    """Odd."""\n'),
        ("constants.py", "= 10\n", '= 10\n"""Of a layer."""\n'),
    ),
    "formatting": edited(
        ("main.py", "x * 2", "(\n        x\n        * 2\n    )"),
        ("main.py", '"a": 1, "b": 2', "'a': 1,\n    'b': 2,\n"),
        ("engines/motor.py", "= 1.5", "= 1.50"),
    ),
    "a module renamed": moved(
        edited(("engines/motor.py", "import nets", "import networks as nets")),
        "nets.py",
        "networks.py",
    ),
    "a module moved into another package": moved(
        edited(("main.py", "from lib.engines import motor", "from lib.engines.fast import motor")),
        "engines/motor.py",
        "engines/fast/motor.py",
    ),
    "a function moved to another module": edited(
        ("main.py", "def _twice(x):\n    return x * 2\n", ""),
        ("main.py", "from lib.tools", "from lib.plot import _twice\nfrom lib.tools"),
        ("plot.py", "def draw", "def _twice(x):\n    return x * 2\n\n\ndef draw"),
    ),
    "the roots moved to another module": edited(
        ("main.py", MAIN, "from lib.body import Cell, measure\n")
    )
    | {"body.py": MAIN},
    "a function renamed": edited(("main.py", "_twice", "_doubled")),
    "a function renamed where it is imported": edited(
        ("tools.py", "scale(x)", "shrink(x)"), ("main.py", "import scale", "import shrink")
    ),
    "a constant renamed": edited(
        ("constants.py", "WIDTH", "BREADTH"),
        ("engines/motor.py", "WIDTH", "BREADTH"),
        ("main.py", "LIMIT", "BOUND"),
    ),
    "a class renamed": edited(
        ("engines/motor.py", "Base", "Common"),
        ("engines/motor.py", "class Start", "class First"),
        ("main.py", "motor.Start", "motor.First"),
    ),
    "functions that call each other renamed": edited(
        ("nets.py", "even", "straight"),
        ("nets.py", "odd", "crooked"),
        ("engines/motor.py", "nets.even", "nets.straight"),
    ),
    "a module split in two": edited(
        ("nets.py", NETS, NETS.partition("def odd")[0]),
        ("nets.py", "def even", "from lib.more import odd\n\n\ndef even"),
    )
    | {
        "more.py": "from lib import nets\n\n\ndef odd"
        + NETS.partition("def odd")[2].replace("else even", "else nets.even")
    },
    "two modules merged": edited(
        ("constants.py", "SCALE = 2.5\n", "SCALE = 2.5\n" + NETS),
        ("engines/motor.py", "from lib import nets\n", "from lib import constants\n"),
        ("engines/motor.py", "nets.even", "constants.even"),
    ),
    "order of definitions": edited(
        (
            "nets.py",
            NETS,
            "OFFSET = 1\n\n\ndef odd"
            + NETS.partition("def odd")[2].replace("OFFSET = 1\n", "")
            + NETS.partition("\n\ndef odd")[0],
        ),
        ("constants.py", "WIDTH = 10\nSCALE = 2.5\n", "SCALE = 2.5\nWIDTH = 10\n"),
    ),
    "from instead of attribute": edited(
        ("engines/motor.py", "from lib import nets", "from lib.nets import even"),
        ("engines/motor.py", "nets.even", "even"),
        ("main.py", "import numpy as np", "from numpy import sum as total"),
        ("main.py", "np.sum", "total"),
    ),
    "another alias": edited(
        ("main.py", "import motor", "import motor as m"),
        ("main.py", "motor.S", "m.S"),
        ("main.py", "motor.d", "m.d"),
        ("main.py", "numpy as np", "numpy"),
        ("main.py", "np.", "numpy."),
    ),
    "dotted imports": edited(
        ("main.py", "from lib.engines import motor", "import lib.engines.motor"),
        ("main.py", "motor.S", "lib.engines.motor.S"),
        ("main.py", "= motor.d", "= lib.engines.motor.d"),
        ("engines/motor.py", "from lib import nets", "import lib.nets as nets"),
    ),
    "relative imports": edited(
        ("main.py", "from lib.engines import motor", "from .engines import motor"),
        ("main.py", "from lib import", "from . import"),
        ("engines/motor.py", "from lib.constants", "from ..constants"),
        ("engines/motor.py", "from lib import", "from .. import"),
    ),
    "imports inside functions": edited(
        ("main.py", "import numpy as np\n", ""),
        ("main.py", "from lib.engines import motor\n", ""),
        (
            "main.py",
            "    start =",
            "    import numpy as np\n\n    from lib.engines import motor\n\n    start =",
        ),
    ),
    "a name brought by the package": edited(
        ("engines/__init__.py", "", "from lib.engines.motor import Start as Beginning, drive\n"),
        (
            "main.py",
            "from lib.engines import motor",
            "from lib import engines\nfrom lib.engines import Beginning",
        ),
        ("main.py", "motor.Start", "Beginning"),
        ("main.py", "motor.drive", "engines.drive"),
    ),
    "unrelated definitions": edited(
        ("main.py", "LIMIT = 3", "LIMIT = 3\nOTHER = np.zeros(3)"),
        ("nets.py", "OFFSET = 1", "OFFSET = 1\n\n\ndef more():\n    return OFFSET"),
        ("engines/motor.py", "def unused(speed)", "def unused(speed, more=1)"),
    )
    | {"new.py": "X = 1\n"},
    "checks, presets and settings": edited(
        ("main.py", "0.5", "0.6"),
        ("main.py", "n=1", "n=2"),
        ("main.py", "low=1", "low=0"),
        ("main.py", "range(config.n)", "range(2)"),
        ("plot.py", "return arguments", "return None"),
        ("config.py", "return default", "return default + 1"),
    ),
    "two equal helpers merged": edited(
        ("main.py", "_twice(found)", "motor.twice(found)"),
        ("main.py", "def _twice(x):\n    return x * 2\n", ""),
        ("engines/motor.py", "class Base", "def twice(x):\n    return x * 2\n\n\nclass Base"),
    ),
    "a run at the end of the file": edited(
        ("main.py", "0.5)\n", '0.5)\n\n\nif __name__ == "__main__":\n    print(measure(Cell()))\n')
    ),
    "names of parameters in quotes": edited(("main.py", "    n: int = 0", '    n: "int" = 0')),
}


@pytest.mark.parametrize("case", SAME_EXPERIMENT)
def test_an_experiment_told_in_other_words_means_the_same(tmp_path: Path, case: str) -> None:
    files = SAME_EXPERIMENT[case]
    assert files != FILES
    assert digest_of(tmp_path / "other", files) == digest_of(tmp_path / "one", FILES)


OTHER_EXPERIMENT = {
    "constant": edited(("main.py", "LIMIT = 3", "LIMIT = 4")),
    "constant of another type": edited(("main.py", "LIMIT = 3", "LIMIT = 3.0")),
    "constant inside a function": edited(("main.py", "x * 2", "x * 3")),
    "operator": edited(("main.py", "x * 2", "x + 2")),
    "comparison": edited(("nets.py", "True if n <= 0", "True if n < 0")),
    "default": edited(("engines/motor.py", "limit=7", "limit=8")),
    "default that is a name": edited(("engines/motor.py", "width=WIDTH", "width=nets.OFFSET")),
    "keyword": edited(("main.py", "steps=4", "steps=5")),
    "decorator gone": edited(("engines/motor.py", "@_compiled\n", "")),
    "another decorator": edited(("engines/motor.py", "@_compiled", "@numba.njit")),
    "flag of the compiler": edited(("engines/motor.py", '"nsz"', '"nnan"')),
    "flag of the compiler at its place": edited(
        ("engines/motor.py", "fastmath=_FLAGS", "fastmath=True")
    ),
    "another foreign function": edited(("main.py", "np.sum", "np.mean")),
    "a foreign alias for another module": edited(("main.py", "numpy as np", "numpy.ma as np")),
    "a name for another function of ours": edited(
        ("main.py", "scale as rescale", "grow as rescale"),
        ("tools.py", "def scale", "def grow(x):\n    return x\n\n\ndef scale"),
    ),
    "a statement gone": edited(("main.py", "    found = rescale(found)\n", "")),
    "statements swapped": edited(
        (
            "main.py",
            "    found = rescale(found)\n    found = found + TABLE[cell.name]\n",
            "    found = found + TABLE[cell.name]\n    found = rescale(found)\n",
        )
    ),
    "default of a field": edited(("main.py", "n: int = 0", "n: int = 1")),
    "annotation of a field": edited(("main.py", "n: int = 0", "n: float = 0")),
    "order of fields": edited(
        (
            "main.py",
            '    n: int = 0\n    name: str = "a"\n',
            '    name: str = "a"\n    n: int = 0\n',
        )
    ),
    "arguments of a class's decorator": edited(("main.py", "frozen=True", "frozen=True, eq=False")),
    "base class": edited(("engines/motor.py", "Start(Base)", "Start")),
    "attribute of a base class": edited(("engines/motor.py", "gain = 1.5", "gain = 1.6")),
    "entry of a table": edited(("main.py", '"b": 2', '"b": 3')),
    "entry of a table set later": edited(("main.py", 'TABLE["c"] = 3', 'TABLE["c"] = 4')),
    "a further change of a table": edited(
        ("main.py", 'TABLE["c"] = 3', 'TABLE["c"] = 3\nTABLE["a"] = 5')
    ),
    "deep in a circle": edited(("nets.py", "OFFSET = 1", "OFFSET = 2")),
    "at the end of a chain": edited(("constants.py", "SCALE = 2.5", "SCALE = 2.25")),
    "a global shadowed by a local": edited(
        ("main.py", "    start =", "    LIMIT = cell.n\n    start =")
    ),
    "an effect in the same module": edited(
        ("main.py", "LIMIT = 3", 'LIMIT = 3\nnp.seterr(all="ignore")')
    ),
    "an effect in a module that is used": edited(("nets.py", "OFFSET = 1", "OFFSET = 1\nprint()")),
    "an effect in a module that is imported": edited(
        ("plot.py", "def draw", 'import numpy\n\nnumpy.seterr(all="ignore")\n\n\ndef draw')
    ),
    "an effect in a package": edited(
        ("engines/__init__.py", "", "import torch\n\ntorch.set_default_dtype(torch.float64)\n")
    ),
    "a constant set from another module": edited(
        ("plot.py", "def draw", "from lib import nets\n\nnets.OFFSET = 3\n\n\ndef draw")
    ),
    "the arguments of the roots' class": edited(
        ("main.py", "class Cell:", "class Cell(config.Base):"),
        ("config.py", "_KNOWN", "class Base:\n    pass\n\n\n_KNOWN"),
    ),
}


@pytest.mark.parametrize("case", OTHER_EXPERIMENT)
def test_an_experiment_that_may_compute_something_else_means_another_thing(
    tmp_path: Path, case: str
) -> None:
    assert digest_of(tmp_path / "other", OTHER_EXPERIMENT[case]) != digest_of(
        tmp_path / "one", FILES
    )


# --- pairs of short texts: two below each other, or one with <<this|or this>> at one place

SAME = {
    "an import in one function or at the top": """
from lib.a import f
def measure(c):
    return f(c)
## a.py
def f(c): return c
==
def measure(c):
    import lib.a
    return lib.a.f(c)
## a.py
def f(c): return c
""",
    "an import in a block or at the top of a function": """
def measure(c):
    if c:
        from lib import a
        return a.f(c)
## a.py
def f(c): return c
==
def measure(c):
    from lib.a import f as g
    if c:
        return g(c)
## a.py
def f(c): return c
""",
    "pass and strings that stand alone": """
def measure(c):
    'What it does.'
    pass
    return c
==
def measure(c):
    return c
    'the end'
""",
    "a name of a module in a class's attribute": """
class A:
    size = SIZE
SIZE = 3
def measure(c): return A.size
==
class A:
    size = LENGTH
LENGTH = 3
def measure(c): return A.size
""",
    "a method named as a function of the module": """
def f(c): return c
class A:
    def f(self): return f(self)
measure = A
==
def g(c): return c
class A:
    def f(self): return g(self)
measure = A
""",
    "a package that brings a function named as its module": """
from lib.p import f
def measure(c): return f(c)
## p/__init__.py
from lib.p.f import f
## p/f.py
def f(c): return c
==
from lib.f import f
def measure(c): return f(c)
## f.py
def f(c): return c
""",
    "a module by its name in a text": """
import importlib
def measure(c): return importlib.import_module('numpy').sum(c)
==
from importlib import import_module as load
def measure(c): return load('numpy').sum(c)
""",
    "annotations in quotes": """
class A: pass
def measure(c: A) -> A:
    x: A = c
    return x
==
class B: pass
def measure(c: 'B') -> 'B':
    x: 'B' = c
    return x
""",
    "a value that goes into an unrelated table": """
N = 1
def measure(c): return N
==
N = 1
T = []
T.append(N)
def measure(c): return N
""",
    "a table inside an unrelated class": """
def measure(c): return c
==
class A:
    t = {}
    t['x'] = 1
    t.update(y=2)
def measure(c): return c
""",
    "a name that except binds at the top": """
try:
    N = 1
except OSError as e:
    N = e
def measure(c): return N
==
try:
    M = 1
except OSError as x:
    M = x
def measure(c): return M
""",
    "a name that the rest of a pattern hides": """
e = 1
def measure(c):
    match c:
        case {**e}: return e
==
e = 2
def measure(c):
    match c:
        case {**e}: return e
""",
    "names that locals hide": """
e = 1
def measure(c, e):
    f = lambda e: e
    return e, f, [e for e in c]
==
e = 2
def measure(c, e):
    f = lambda e: e
    return e, f, [e for e in c]
""",
    "a global that a function sets": """
def setup():
    global X
    X = 1
setup()
def measure(c): return X
==
def setup():
    global Y
    Y = 1
setup()
def measure(c): return Y
""",
    "names of the module that no local name can be taken for": """
X = 3
def measure(c):
    global X
    X = c
==
Y = 3
def measure(c):
    global Y
    Y = c
""",
    "two equal values made one": """
A = {'x', 'y'}
B = {'x', 'y'}
def measure(c): return f(A, c) + f(B, c)
def f(a, c): return c in a
==
A = {'x', 'y'}
def measure(c): return f(A, c) + f(A, c)
def f(a, c): return c in a
""",
    "two equal compiled functions made one": """
import numba
jit = numba.njit(cache=True)
@jit
def f(c): return c
@jit
def g(c): return c
def measure(c): return f(c) + g(c)
==
import numba
jit = numba.njit(cache=True)
@jit
def f(c): return c
def measure(c): return f(c) + f(c)
""",
    "an unused name that nobody wants in a loop": """
T = [0]
for _ in range(3):
    T.append(1)
def measure(c): return T
==
S = [0]
for _ in range(3):
    S.append(1)
def measure(c): return S
""",
    "a table of which the module of another name fills": """
from lib.a import T
def measure(c): return T
## a.py
T = []
@T.append
def f(c): return c
==
from lib.b import T
def measure(c): return T
## b.py
T = []
@T.append
def g(c): return c
""",
    "a run in the file": """
N = 3
def measure(c): return N
if __name__ == '__main__':
    print(measure(1))
==
N = 3
def measure(c): return N
if __name__ == '__main__':
    print(measure(2), N)
""",
    "an import on trial": """
try:
    from lib import a as q
except ImportError:
    q = None
def measure(c): return q
## a.py
X = 1
==
try:
    from lib import b as r
except ImportError:
    r = None
def measure(c): return r
## b.py
X = 1
""",
}
OTHER = {
    "which of two local names": "def measure(a, b): return <<a - b|b - a>>",
    "kind of a parameter": "def measure(a, <<b|*, b>>=1): return a",
    "name of a parameter": """
def measure(a): return f(<<b=a)
def f(b): return b|c=a)
def f(c): return c>>
""",
    "keyword-only default": """
def measure(a, *, b=N): return b
N = <<1|2>>
""",
    "a default that is named as its parameter": """
N = <<1|2>>
def measure(N=N): return N
""",
    "a default of a lambda": """
N = <<1|2>>
measure = lambda N=N: N
""",
    "a name that a lambda binds": """
y = <<1|3>>
def measure(c):
    f = lambda: (y := 2)
    return y
""",
    "a name that a comprehension binds": """
y = <<1|3>>
def measure(c):
    [y for y in c]
    return y
""",
    "the first range of a comprehension": """
y = [<<1|2>>]
def measure(c): return [y for y in y]
""",
    "a class's name in a comprehension inside it": """
n = <<1|5>>
class A:
    n = 2
    m = [n for _ in range(3)]
def measure(c): return A
""",
    "a class's name that a method does not see": """
n = <<1|5>>
class A:
    n = 2
    def f(self): return n
def measure(c): return A().f()
""",
    "a class that reads a name before it binds it": """
n = <<1|5>>
class A:
    n = n
def measure(c): return A.n
""",
    "a function that a class imports": """
class A:
    from lib.a import <<f|g as f>>
def measure(c): return A.f
## a.py
def f(s): return 1
def g(s): return 2
""",
    "a metaclass": """
class M(type):
    x = <<1|2>>
class A(metaclass=M): pass
measure = A
""",
    "a global inside a function whose surroundings have the name": """
x = <<1|3>>
def measure(c):
    x = 2
    def f():
        global x
        return x
    return f()
""",
    "which global is set": """
a = 0
b = 0
def measure(c):
    global a, b
    <<a = 1
    b|b = 1
    a>> = 2
    return a - 2 * b
""",
    "a global that only another function sets": """
def setup():
    global X
    X = <<1|2>>
setup()
def measure(c): return X
""",
    "a nonlocal made local": """
def measure(c):
    n = 0
    def f():
        <<nonlocal n
        n|n>> = 1
    f()
    return n
""",
    "a name that except binds": """
e = 1
def measure(c):
    try: pass
    except <<OSError as e|OSError>>: pass
    return e
""",
    "a name that a pattern binds": """
e = 1
def measure(c):
    match c:
        case [<<e|_>>]: pass
    return e
""",
    "a name that a guard binds": """
def measure(c):
    match c:
        case 1 if (<<e := 2|2>>): return e
        case _: return e
e = 1
""",
    "a class in a pattern": """
class A: n = <<1|2>>
def measure(c):
    match c:
        case A(): return 1
""",
    "a star argument": """
N = 1
def measure(*<<N|M>>): return N
""",
    "a name deleted in a function": """
N = 1
def measure(c):
    return <<N
    del N|N>>
""",
    "an import in a function for something else": """
def measure(c):
    from lib.a import <<f|g as f>>
    return f(c)
## a.py
def f(c): return 1
def g(c): return 2
""",
    "an import that shadows a name in one function only": """
from lib import a
def measure(c):<<|
    from lib import b as a
   >> return a.f(c)
## a.py
def f(c): return 1
## b.py
def f(c): return 2
""",
    "which of two imports a block takes": """
def measure(c):
    if c:
        from lib.a import <<f
    else:
        from lib.a import g as|g as f
    else:
        from lib.a import>> f
    return f(c)
## a.py
def f(c): return 1
def g(c): return 2
""",
    "an imported name bound anew": """
from lib.a import f
f = abs(f)
def measure(c): return f
## a.py
f = <<1|2>>
""",
    "a name imported twice": """
from lib.a import f
X = f
from lib.b import f
def measure(c): return X
## a.py
f = <<1|2>>
## b.py
f = 3
""",
    "an optional module that appears": """
try:
    from lib import a
except ImportError:
    a = None
def measure(c): return <<a|a
## a.py
X = 1>>
""",
    "inside a module that a block imports": """
if True:
    from lib import a
def measure(c): return a.f(c)
## a.py
def f(c): return <<1|2>>
""",
    "a module passed on": """
from lib import a
def measure(c): return getattr(a, c)
## a.py
def f(c): return <<1|2>>
""",
    "a name in a module passed on": """
from lib import a
def measure(c): return getattr(a, c)
## a.py
def <<f|g>>(c): return 1
""",
    "a name that a module passed on imports": """
from lib import a
def measure(c): return getattr(a, c)
## a.py
from lib.b import f
## b.py
def f(c): return <<1|2>>
""",
    "a module in a package passed on": """
from lib import p
def measure(c): return getattr(p, c).f
## p/__init__.py
## p/a.py
def f(c): return <<1|2>>
""",
    "which attribute of a module is not in its text": """
from lib import a
def measure(c): return a.<<x|y>>
## a.py
N = 1
""",
    "a module that is loaded by its name": """
import importlib
def measure(c): return importlib.import_module('lib.a').f(c)
## a.py
def f(c): return <<1|2>>
""",
    "a name looked up among all": """
def f(): return <<1|2>>
def measure(c): return globals()[c]()
""",
    "code in a text": """
def f(): return <<1|2>>
def measure(c): return eval(c)
""",
    "a function in an f-string": """
def f(c): return <<1|2>>
def measure(c): return f'{f(c)}'
""",
    "the first of two definitions of a name": """
def f(c): return <<1|2>>
X = f(0)
def f(c): return 3
def measure(c): return X + f(c)
""",
    "augmented assignment at the top": """
T = [1]
T += [<<2|3>>]
def measure(c): return T
""",
    "a method that fills a table": """
T = [1]
T.append(<<2|3>>)
def measure(c): return T
""",
    "order of two changes of a table": """
T = [1]
T.append(<<2)
T.append(3|3)
T.append(2>>)
def measure(c): return T
""",
    "a value taken before or after a change": """
T = [1]
<<X = T[0]
T[0] = 2|T[0] = 2
X = T[0]>>
def measure(c): return X + T[0]
""",
    "a value computed before or after a change": """
T = [1]
def f(): return T[0]
<<X = f()
T[0] = 2|T[0] = 2
X = f()>>
def measure(c): return X + T[0]
""",
    "a value computed before or after an effect": """
import torch
<<X = torch.zeros(1)
torch.set_default_dtype(torch.float64|torch.set_default_dtype(torch.float64)
X = torch.zeros(1>>)
def measure(c): return X
""",
    "an effect that names a constant": """
import numpy as np
SEED = 1
<<def|np.random.seed(SEED)
def>> measure(c): return np.random.rand()
""",
    "an effect whose value nobody wants": """
import numpy as np
<<def|_ = np.random.seed(1)
def>> measure(c): return np.random.rand()
""",
    "an effect in a block": """
import numpy as np
<<def|if True:
    for k in ('all',):
        np.seterr(**{k: 'ignore'})
def>> measure(c): return c
""",
    "a method of an object with an effect": """
class S:
    def apply(self): pass
SET = S()
<<def|SET.apply()
def>> measure(c): return c
""",
    "an effect in a module that a function imports": """
def measure(c):
    import lib.a
    return c
## a.py
import numpy as <<np|np
np.seterr(all='ignore')>>
""",
    "what a function with an effect does": """
from lib import a
def measure(c): return c
## a.py
from lib.b import setup
setup()
## b.py
def setup(): return <<1|2>>
""",
    "what a decorator registers in a table": """
T = []
@T.append
def f(c): return <<1|2>>
def measure(c): return T[0](c)
""",
    "what a function registers": """
T = {}
def add(name):
    def note(f):
        T[name] = f
        return f
    return note
@add('f')
def f(c): return <<1|2>>
def measure(c): return T[c]()
""",
    "what another module registers": """
from lib import a, b
def measure(c): return b.T[c]()
## a.py
from lib import b
@b.add
def f(c): return <<1|2>>
## b.py
T = {}
def add(f):
    T[f.__name__] = f
    return f
""",
    "what another module registers in an object": """
from lib import a, b
def measure(c): return b.T.all[c]()
## a.py
from lib import b
@b.T.add
def f(c): return <<1|2>>
## b.py
class Table:
    def __init__(self): self.all = []
    def add(self, f): self.all.append(f)
T = Table()
""",
    "a value whose making registers": """
from lib import a, b
def measure(c): return b.T
## a.py
from lib.b import add
X = add(<<1|2>>)
## b.py
T = []
def add(x):
    T.append(x)
    return x
""",
    "a class that its base registers": """
from lib import a, b
def measure(c): return b.B.all
## a.py
from lib.b import B
class A(B):
    x = <<1|2>>
## b.py
class B:
    all = []
    def __init_subclass__(cls): cls.all.append(cls)
""",
    "a class that its metaclass registers": """
from lib import a, b
def measure(c): return b.M.all
## a.py
from lib.b import B
class A(B):
    x = <<1|2>>
## b.py
class M(type):
    all = []
    def __init__(cls, *a): cls.all.append(cls)
class B(metaclass=M): pass
""",
    "another module that changes a table": """
from lib import a, b
def measure(c): return b.T
## a.py
from lib.b import T
T.append(<<1|2>>)
## b.py
T = []
""",
    "another module that sets an attribute": """
from lib import a, b
def measure(c): return b.f.n
## a.py
import lib.b
lib.b.f.n = <<1|2>>
## b.py
def f(): pass
""",
    "an attribute of a function": """
def f(c): return f.n
f.n = <<1|2>>
def measure(c): return f(c)
""",
    "an import that only a global keeps": """
def setup():
    global f
    from lib.a import <<f|g as f>>
setup()
def measure(c): return f(c)
## a.py
def f(c): return 1
def g(c): return 2
""",
    "whether an import or a value comes last": """
def measure(c):
    <<f = 1
    from lib.a import f|from lib.a import f
    f = 1>>
    return f
## a.py
def f(c): return 1
""",
    "an effect in a package around": """
import lib.p.a
def measure(c): return c
## p/__init__.py
print(<<1|2>>)
## p/a.py
""",
    "an attribute of a module set in a loop": """
from lib import a, b
def measure(c): return b.N
## a.py
from lib import b
for k in (1, 2):
    b.N = k + <<1|2>>
## b.py
N = 0
""",
    "a global set by a function for a value": """
from lib import a, b
def measure(c): return b.N
## a.py
from lib import b
X = b.setup(<<1|2>>)
## b.py
N = 0
def setup(n):
    global N
    N = n
""",
    "an object told by a function for a value": """
from lib import a, b
def measure(c): return b.T.n
## a.py
from lib import b
X = b.f(<<1|2>>)
## b.py
class Table:
    def note(self, n): self.n = n
T = Table()
def f(n): T.note(n)
""",
    "a decorator of a builtin's name": """
staticmethod = staticmethod(<<1|2>>)
@staticmethod
def f(c): return c
def measure(c): return f(c)
""",
    "what a value takes out of a table": """
T = [1, 2]
X = <<T.pop(|len(T>>)
def measure(c): return T
""",
    "what a value takes out of another module's table": """
from lib import a, b
def measure(c): return b.T
## a.py
from lib import b
X = <<b.T.pop(|len(b.T>>)
## b.py
T = [1, 2]
""",
    "an attribute set by a function for a value": """
from lib import a, b
def measure(c): return b.N
## a.py
from lib import b
def f(n): setattr(b, 'N', n)
X = f(<<1|2>>)
## b.py
N = 0
""",
    "what a foreign decorator registers": """
import numpy as np, numba.extending
def measure(c): return np.clip(c)
@numba.extending.overload(np.clip)
def f(c): return lambda c: <<1|2>>
""",
    "an effect where the file is not a script": """
def measure(c): return c
if __name__ == '__main__':
    print()
else:
    print(<<1|2>>)
""",
    "a case of a generic function": """
import functools
from lib import a, b
def measure(c): return b.f(c)
## a.py
from lib import b
@b.f.register
def g(c: int): return <<1|2>>
## b.py
import functools
@functools.singledispatch
def f(c): return 0
""",
    "which of two equal generators": """
import numpy as np
A = np.random.default_rng(0)
B = np.random.default_rng(0)
def measure(c): return A.random() - <<A|B>>.random()
""",
    "which of two equal classes": """
class A(Exception): pass
class B(Exception): pass
def f(): raise A
def measure(c):
    try: f()
    except <<A|B>>: return 1
""",
    "which of two equal tables that are filled": """
A = {1}
B = {1}
def f(c): A.add(c)
def measure(c):
    f(c)
    return <<A|B>>
""",
    "which of two equal cached functions": """
import functools
@functools.cache
def f(c): return [c]
@functools.cache
def g(c): return [c]
def measure(c): return f(c) is <<f|g>>(c)
""",
    "which of the names that one statement binds": """
A, B = 1, 2
def measure(c): return <<A|B>>
""",
    "a local name like one of the module": """
def measure(c):
    <<_other = 1
    global X
    X = 2
    return _other|global X
    X = 1
    X = 2
    return X>>
""",
    "the name of a foreign attribute": """
import numpy as np
def measure(c): return np.linalg.<<norm|det>>(c)
""",
    "an attribute of one of our classes": """
class A: x, y = 1, 2
def measure(c): return A.<<x|y>>
""",
    "an attribute set in another module while it runs": """
from lib import a
def measure(c):
    a.<<N|M>> = 1
    return a.f()
## a.py
N = 0
M = 0
def f(): return N
""",
    "a builtin that a module defines for itself": """
def <<measure|sum(c): return 0
def measure>>(c): return sum(c)
""",
}


@pytest.mark.parametrize("case", SAME)
def test_these_mean_the_same(tmp_path: Path, case: str) -> None:
    one, other = SAME[case].split("\n==\n")
    assert digest(tmp_path / "one", one) == digest(tmp_path / "other", other)


@pytest.mark.parametrize("case", OTHER)
def test_these_differ_in_meaning(tmp_path: Path, case: str) -> None:
    one, other = (
        re.sub(r"<<(.*)\|(.*)>>", rf"\{which}", OTHER[case], flags=re.DOTALL) for which in (1, 2)
    )
    assert one != other
    assert digest(tmp_path / "one", one) != digest(tmp_path / "other", other)


REFUSED = {
    "a star import": (
        """
from math import *
def measure(c): return sin(c)
""",
        "from math import \\*",
    ),
    "a star import in a module that is used": (
        """
from lib.a import f
def measure(c): return f(c)
## a.py
from math import *
def f(c): return 1
""",
        "lib.a: got `from math",
    ),
    "a star import in a block": (
        """
try:
    from math import *
except ImportError: pass
def measure(c): return sin(c)
""",
        "from math import \\*",
    ),
    "a module loaded by a name that is computed": (
        """
import importlib
def measure(c): return importlib.import_module(c.name)
""",
        "import_module of a name",
    ),
    "a module loaded by a relative name": (
        """
import importlib
def measure(c): return importlib.import_module('.a', 'lib')
""",
        "import_module of a name",
    ),
    "a module loaded by a builtin": (
        "def measure(c): return __import__(c.name)",
        "__import__ of a name",
    ),
    "a loader passed on": (
        """
import importlib
def measure(c): return list(map(importlib.import_module, c))
""",
        "got importlib.import_module",
    ),
    "the table of modules": (
        """
import sys
def measure(c): return sys.modules[__name__]
""",
        "got sys.modules",
    ),
    "a docstring that is read": (
        """
def measure(c):
    'x'
    return measure.__doc__
""",
        "got __doc__",
    ),
    "the module's docstring": (
        """
'x'
def measure(c): return __doc__
""",
        "got __doc__",
    ),
    "all subclasses": (
        """
class A: pass
def measure(c): return A.__subclasses__()
""",
        "got __subclasses__",
    ),
    "a name made on demand": (
        """
from lib.a import x
def measure(c): return x
## a.py
def __getattr__(name): return 1
""",
        "`__getattr__` makes",
    ),
    "a module and a function of one name": (
        """
from lib import p
def measure(c): return p.f
## p/__init__.py
def f(c): return 1
## p/f.py
X = 1
""",
        "lib.p.f: got a module and another thing",
    ),
    "imports in a circle": (
        """
from lib.a import x
def measure(c): return x
## a.py
from lib.main import x
""",
        "in a circle",
    ),
    "no such definition": ("def measured(c): return 1", "got no measure"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_followed_is_refused(tmp_path: Path, case: str) -> None:
    text, message = REFUSED[case]
    with pytest.raises(definitions.Unclear, match=message):
        digest(tmp_path, text)


def test_what_is_not_used_is_not_refused(tmp_path: Path) -> None:
    text = "def measure(c): return 1\ndef other(c): return __import__(c), measure.__doc__"
    other = "from lib import a\ndef measure(c): return 1\n## a.py\nfrom math import *"
    assert digest(tmp_path / "one", text) == digest(tmp_path / "other", other)


def test_a_picture_is_told_by_its_name_alone(tmp_path: Path) -> None:
    main = "def measure():\n    return 1\n\ndef plot():\n    from lib import pictures\n"
    digests = {}
    for drawn in ((), ("pictures",)):
        for colour, drawing in (("1", "line"), ("2", "line"), ("1", "dots")):
            folder = tmp_path / f"{len(drawn)}{colour}{drawing}" / "lib"
            (folder / "pictures").mkdir(parents=True)
            (folder / "__init__.py").write_text("")
            (folder / "pictures" / "__init__.py").write_text(f"def line():\n    return {colour}\n")
            (folder / "main.py").write_text(f"{main}    return pictures.{drawing}()\n")
            library = meaning.Library({"lib": folder}, drawn=drawn)
            digests[drawn, colour, drawing] = library.digest("lib.main", ("measure", "plot"))
    assert digests[("pictures",), "1", "line"] == digests[("pictures",), "2", "line"]
    assert digests[("pictures",), "1", "line"] != digests[("pictures",), "1", "dots"]
    assert digests[(), "1", "line"] != digests[(), "2", "line"]


LOOK = "from lib import doors\n\ndef measure(x, doors_of):\n"
SAME_LOOKS = {
    "none": "    return x + 1\n",
    "one": "    doors.finite(x)\n    return x + 1\n",
    "another, by keyword": "    doors.small(name=x.size, shape=(x, 'n'))\n    return x + 1\n",
    "with arithmetic": "    doors.finite(max(len(x), 2 * x.shape[1]) - 1)\n    return x + 1\n",
    "imported by name": "    from lib.doors import small\n    small(x)\n    return x + 1\n",
}
OTHER_LOOKS = {
    "its answer is taken": "    x = doors.finite(x)\n    return x + 1\n",
    "something runs for what it is given": "    doors.finite(x.pop())\n    return x + 1\n",
    "a name like a builtin's": "    len = x.pop\n    doors.finite(len(x))\n    return x + 1\n",
    "something is bound for it": "    doors.finite(y := x)\n    return x + 1\n",
    "it is called for each of some": "    [doors.finite(one) for one in x]\n    return x + 1\n",
    "a parameter of another name": "    doors_of.finite(x)\n    return x + 1\n",
    "another module": "    from lib import other\n    other.finite(x)\n    return x + 1\n",
    "the rest differs": "    doors.finite(x)\n    return x + 2\n",
    "it is named and not called": "    doors.finite\n    return x + 1\n",
}


def looking(folder: Path, body: str, refusing: tuple[str, ...] = ("lib.doors",)) -> str:
    place = folder / "lib"
    place.mkdir(parents=True)
    for name in ("__init__", "doors", "other"):
        (place / f"{name}.py").write_text(
            "" if name == "__init__" else "def finite(x):\n    return x\n\nsmall = finite\n"
        )
    (place / "main.py").write_text(LOOK + body)
    return meaning.Library({"lib": place}, refusing=refusing).digest("lib.main", ("measure",))


@pytest.mark.parametrize("case", SAME_LOOKS)
def test_a_refusal_whose_answer_nobody_takes_changes_no_value(tmp_path: Path, case: str) -> None:
    bare = looking(tmp_path / "bare", SAME_LOOKS["none"])
    assert looking(tmp_path / "looks", SAME_LOOKS[case]) == bare
    if case != "none":
        assert looking(tmp_path / "counted", SAME_LOOKS[case], refusing=()) != bare


@pytest.mark.parametrize("case", OTHER_LOOKS)
def test_what_may_do_more_than_refuse_counts(tmp_path: Path, case: str) -> None:
    bare = looking(tmp_path / "bare", SAME_LOOKS["none"])
    assert looking(tmp_path / "other", OTHER_LOOKS[case]) != bare


def test_a_door_that_nobody_takes_the_answer_of_changes_nothing_that_it_is_given() -> None:
    """The public functions of the doors store nothing in what they look at, as their text says."""
    trees = [
        ast.parse(REAL.parent.joinpath(*module.split(".")).with_suffix(".py").read_text("utf-8"))
        for module in store.REFUSING
    ]
    functions = [one for tree in trees for one in tree.body if isinstance(one, ast.FunctionDef)]
    for function in (one for one in functions if not one.name.startswith("_")):
        given = {one.arg for one in function.args.args + function.args.kwonlyargs}
        stored = {
            ast.unparse(node.value)
            for node in ast.walk(function)
            if isinstance(node, (ast.Subscript, ast.Attribute))
            and not isinstance(node.ctx, ast.Load)
        }
        assert not stored & given, f"{function.name} stores in {stored & given}"


def test_no_value_of_a_cell_comes_from_a_picture() -> None:
    """Only `Record.plot` leads there, which no `measure` calls."""
    followed = meaning.Library({"simplicity": REAL}, settled=SETTLED, declared=store.DECLARED)
    for name in records.names():
        module = records.experiment(name).__name__
        found = followed.closure(module, ("Run", "measure"))
        drawn = {one for one in found if "pictures" in one.module.split(".")}
        plots = {
            one for one in found if one.name == "plot" and one.module.endswith("lenses.record")
        }
        assert not drawn or plots, name


def test_the_effects_of_a_settled_module_do_not_count(tmp_path: Path) -> None:
    files = {
        "lib/__init__.py": "import numpy as np\nN = 1\nnp.seterr(all='ignore')\n",
        "lib/main.py": "import lib\ndef measure(c): return lib.N\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    found = []
    for settled in ((), ("lib",)):
        found.append(
            meaning.Library({"lib": tmp_path / "lib"}, settled).digest("lib.main", ("measure",))
        )
    (tmp_path / "lib/__init__.py").write_text("N = 1\n")
    assert (
        meaning.Library({"lib": tmp_path / "lib"}).digest("lib.main", ("measure",))
        == found[1]
        != found[0]
    )


# --- the real library

SETTLED = {"simplicity", "simplicity.process"}


@pytest.fixture(scope="module")
def real() -> meaning.Library:
    return meaning.Library({"simplicity": REAL}, settled=SETTLED, declared=store.DECLARED)


@pytest.fixture(scope="module")
def experiments() -> list[str]:
    found = records.modules()
    assert len(found) >= 65
    return found


@pytest.fixture(scope="module")
def digests(real: meaning.Library, experiments: list[str]) -> dict[str, str]:
    return {name: real.digest(name, REAL_ROOTS) for name in experiments}


MOVES = {
    "simplicity.nets.starts": "simplicity.networks",
    "simplicity.nets.activations": "simplicity.data.nonlinear.activations",
    "simplicity.data.streams": "simplicity.randomness",
    "simplicity.boursier.two_layer": "simplicity.loops.shallow",
    "simplicity.boursier.gelu_and_adam": "simplicity.engines.rules",
    "simplicity.boursier.alignment": "simplicity.alignment",
    "simplicity.nakkiran.information": "simplicity.quantities.bits",
    "simplicity.grid.config": "simplicity.settings.kinds",
    "simplicity.nakkiran.experiments.staircase": "simplicity.nakkiran.stairs",
}


def retold(text: str) -> str:
    """A file in which the imports say where the moved modules now lie."""
    if not any(old.rpartition(".")[2] in text for old in MOVES):
        return text
    lines = text.splitlines(keepends=True)
    for node in reversed(
        [
            node
            for node in ast.walk(ast.parse(text))
            if isinstance(node, (ast.Import, ast.ImportFrom))
        ]
    ):
        told = ast.unparse(node) if isinstance(node, ast.Import) else "; ".join(each_moved(node))
        for old, new in MOVES.items() if isinstance(node, ast.Import) else ():
            told = re.sub(rf"import {old}\b", f"import {new}", told)
        if told != ast.unparse(node):
            assert node.end_lineno is not None
            lines[node.lineno - 1 : node.end_lineno] = [" " * node.col_offset + told + "\n"]
    return "".join(lines)


def each_moved(node: ast.ImportFrom) -> Iterator[str]:
    assert node.level == 0
    for alias in node.names:
        whole = f"{node.module}.{alias.name}"
        if whole in MOVES:
            package, _, name = MOVES[whole].rpartition(".")
            yield f"from {package} import {name} as {alias.asname or alias.name}"
        else:
            yield (
                f"from {MOVES.get(str(node.module), node.module)} "
                f"import {alias.name} as {alias.asname or alias.name}"
            )


@pytest.mark.parametrize(
    ("text", "equal"),
    [
        ('kinds.param(3, "in other words", low=1)', True),
        ('kinds.param(3, "a number", low=0, high=9)', True),
        ('kinds.param(4, "a number", low=1)', False),
    ],
)
def test_of_a_setting_its_default_counts_and_not_its_help_or_range(
    tmp_path: Path, text: str, equal: bool
) -> None:
    kinds = (
        "def settings(cls):\n    return cls\n\n\n"
        "def param(default, help, **rule):\n    return default\n"
    )
    (tmp_path / "kinds.py").write_text(kinds)

    def digest_with(declaration: str) -> str:
        (tmp_path / "main.py").write_text(
            f"import kinds\n\n\n@kinds.settings\nclass Run:\n    n: int = {declaration}\n"
        )
        declared = {definitions.Definition("kinds", name) for name in ("settings", "param")}
        places = {name: tmp_path / f"{name}.py" for name in ("main", "kinds")}
        return meaning.Library(places, declared=declared).digest("main", ["Run"])

    before = digest_with('kinds.param(3, "a number", low=1)')
    assert (digest_with(text) == before) is equal


def test_moved_and_renamed_modules_leave_every_experiment_what_it_was(
    tmp_path: Path, digests: dict[str, str]
) -> None:
    for path in REAL.rglob("*.py"):
        module = ".".join(("simplicity", *path.relative_to(REAL).with_suffix("").parts))
        place = tmp_path.joinpath(*MOVES.get(module, module).split(".")).with_suffix(".py")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(retold(path.read_text("utf-8")), "utf-8")
    declared = {
        definitions.Definition(MOVES.get(one.module, one.module), one.name)
        for one in store.DECLARED
    }
    moved = meaning.Library(
        {"simplicity": tmp_path / "simplicity"}, settled=SETTLED, declared=declared
    )
    for old in MOVES:
        assert moved.path(old) is None and moved.path(MOVES[old]) is not None
    found = {name: moved.digest(MOVES.get(name, name), REAL_ROOTS) for name in digests}
    assert found == digests


# Kinds of change: each changes a node of a tree and says so, or leaves it.
def constant(node: ast.AST) -> bool:
    if not isinstance(node, ast.Constant) or not isinstance(node.value, (int, float)):
        return False
    node.value = node.value + 1
    return True


def operator(node: ast.AST) -> bool:
    if not isinstance(node, ast.BinOp):
        return False
    node.op = ast.Add() if isinstance(node.op, ast.Sub) else ast.Sub()
    return True


def default(node: ast.AST) -> bool:
    if not isinstance(node, ast.arguments) or not node.defaults:
        return False
    node.defaults[-1] = ast.Constant("another")
    return True


def argument(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call) or not node.args:
        return False
    del node.args[-1]
    return True


def attribute(node: ast.AST) -> bool:
    if not isinstance(node, ast.Attribute) or node.attr.startswith("_"):
        return False
    node.attr += "_of_another_kind"
    return True


def further_statement(node: ast.AST) -> bool:
    if not isinstance(node, ast.FunctionDef):
        return False
    node.body.insert(0, ast.parse("further = 1").body[0])
    return True


def missing_statement(node: ast.AST) -> bool:
    if not isinstance(node, ast.FunctionDef) or len(node.body) < 3:
        return False
    del node.body[-2]
    return True


CHANGES = (constant, operator, default, argument, attribute, further_statement, missing_statement)


def told_beside(body: ast.stmt) -> set[ast.AST]:
    """What a declaration of a setting says beside its default, which does not count."""
    declared = [
        node
        for node in ast.walk(body)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "config.param"
    ]
    beside = [part for call in declared for part in (*call.args[1:], *call.keywords)]
    return {*declared, *(node for part in beside for node in ast.walk(part))}


def change_one(body: ast.stmt, change: Callable[[ast.AST], bool], rng: np.random.Generator) -> bool:
    """Change one place of a definition that can be changed so and counts, drawn at random."""
    beside = told_beside(body)
    nodes = [node for node in ast.walk(body) if node not in beside]
    return any(change(nodes[at]) for at in rng.permutation(len(nodes)))


def changed(
    real: meaning.Library, definition: definitions.Definition, text: str, folder: Path
) -> meaning.Library:
    """The library with another text in place of one module; what was read of the others is
    shared.
    """
    place = folder / "changed.py"
    place.write_text(text, "utf-8")
    library = meaning.Library(real.places, real.settled, real.declared)
    library._modules = real._modules | {
        definition.module: statements.read(place, real.package(definition.module))
    }
    library._shapes = {
        one: shape for one, shape in real._shapes.items() if one.module != definition.module
    }
    library._effects = {
        one: found for one, found in real._effects.items() if one != definition.module
    }
    return library


def differs(library: meaning.Library, name: str, before: str, change: Callable[..., bool]) -> bool:
    """Whether an experiment means something else."""
    try:
        return library.digest(name, REAL_ROOTS) != before
    except definitions.Unclear:
        # An attribute that its module does not have may be anything, which is refused.
        if change is not attribute:
            raise
        return True


def test_a_change_reaches_exactly_the_experiments_that_use_what_was_changed(
    tmp_path: Path, real: meaning.Library, digests: dict[str, str]
) -> None:
    uses = {name: real.closure(name, REAL_ROOTS) for name in digests}
    code = [one for one in set().union(*uses.values()) if "FunctionDef(" in real.shape(one).text]
    code.sort(key=lambda one: (one.module, one.name))
    rng = np.random.default_rng(20)
    counts: list[int] = []
    while len(counts) < 24:
        change = CHANGES[len(counts) % len(CHANGES)]
        definition = code[rng.integers(len(code))]
        path = real.path(definition.module)
        assert path is not None
        tree = ast.parse(path.read_text("utf-8"))
        bodies = [one for one in tree.body if getattr(one, "name", "") == definition.name]
        if not bodies or not change_one(bodies[0], change, rng):
            continue
        library = changed(real, definition, ast.unparse(tree), tmp_path)
        others = {
            name for name, before in digests.items() if differs(library, name, before, change)
        }
        assert others == {name for name, used in uses.items() if definition in used}, (
            change.__name__,
            definition,
        )
        counts.append(len(others))
    assert min(counts) == 1 and max(counts) > 10


def test_what_runs_for_a_cell_is_among_what_it_is_said_to_use() -> None:
    ran: set[tuple[str, int]] = set()

    def note(frame: FrameType, event: str, argument: object) -> None:
        if event == "call":
            ran.add((frame.f_code.co_filename, frame.f_code.co_firstlineno))

    for name in ("covering", "excess_risk"):
        experiment = records.experiment(name)
        cell = groups.runs_of(experiment, groups.preset(experiment, "TINY"))[0]
        experiment.measure(cell)  # what is imported on the way is imported now
        ran.clear()
        sys.setprofile(note)
        try:
            experiment.measure(cell)
        finally:
            sys.setprofile(None)
        ours = [(Path(file), line) for file, line in ran if Path(file).is_relative_to(REAL)]
        used = {(one.module, one.name) for one in store.definitions_of(experiment)}
        doors = REAL / "problems"  # a call of one whose answer is not taken is not said to be used
        assert len(ours) > 5
        assert {
            defined_at(file, line) for file, line in ours if not file.is_relative_to(doors)
        } <= used


def defined_at(file: Path, line: int) -> tuple[str, str]:
    """Module and name of what is defined at the top of a file around a line."""
    (found,) = [
        one
        for one in ast.parse(file.read_text("utf-8")).body
        if first_line(one) <= line <= (one.end_lineno or 0)
    ]
    module = ".".join(("simplicity", *file.relative_to(REAL).with_suffix("").parts)).removesuffix(
        ".__init__"
    )
    if isinstance(found, ast.Assign):
        return module, ast.unparse(found.targets[0])
    return module, found.name  # type: ignore[attr-defined]


def first_line(statement: ast.stmt) -> int:
    return min(
        [statement.lineno, *(one.lineno for one in getattr(statement, "decorator_list", []))]
    )


SEEDED = """
import sys, pathlib
from simplicity.grid import meaning
print(meaning.Library({"lib": pathlib.Path(sys.argv[1])}).digest("lib.main", ("measure",)))
"""


SETS = """
from lib import a, b
A, B, C, D = [1], [2], [3], [4]
X = [A, B, C, D]
A[0] = B[0] = C[0] = D[0] = 5
try:
    N, M = a.n, b.n
except OSError:
    pass
print()
def measure(c): return X, A, B, C, D, N
## a.py
n = 1
print()
## b.py
n = 2
print()
"""


def test_a_digest_does_not_depend_on_the_order_of_sets(tmp_path: Path) -> None:
    before = digest(tmp_path, SETS)
    for seed in ("1", "2"):
        command = [sys.executable, "-c", SEEDED, str(tmp_path / "lib")]
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(REAL.parent)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == before
