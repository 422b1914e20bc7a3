"""What a user's shell says to the libraries below us, beside the arithmetic (`threads`).

None of it is asked for by a command of ours, and some of it harms: a library that refuses to be
imported for a misspelt value (NUMBA_NUM_THREADS=0, TORCH_LOGS=all-of-it, TQDM_MININTERVAL=fast), or
that writes between our lines (ONEDNN_VERBOSE=1 on standard output, OMP_DISPLAY_ENV=TRUE on standard
error, where a chapter's kernel makes a warning of it, and that fails the build). So of the families
below a command keeps what is named here, and takes the rest away for itself and all that it starts.
The other way, taking known settings away, would let through the next one that nobody knew.

A process that only imports the library keeps what it has: there it is the user's own program.
"""

import os
import re
from collections.abc import MutableMapping
from pathlib import Path

from simplicity.process import threads

_FAMILIES = (
    "NUMBA_", "OMP_", "GOMP_", "KMP_", "MKL_", "MKLDNN_", "OPENBLAS_", "GOTO_", "BLIS_", "VECLIB_",
    "ATEN_", "ONEDNN_", "DNNL_", "NPY_", "NUMPY_", "SCIPY_", "SKLEARN_", "TORCH", "PYTORCH_",
    "TQDM_",
)  # fmt: skip
# Numbers of threads, where compiled code is kept, a workaround for two copies of OpenMP that some
# installations cannot be loaded without, and whether a bar of progress is drawn.
_KEPT = frozenset(
    {
        "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS", "NUMBA_NUM_THREADS", "NUMBA_CACHE_DIR", "KMP_DUPLICATE_LIB_OK",
        "TORCH_HOME", "TQDM_DISABLE",
    }
)  # fmt: skip
_COUNT = re.compile(r"[1-9][0-9]{0,3}(,[1-9][0-9]{0,3})*")
# Folders and files: a process that works in another folder would look for a relative one there.
_PLACES = frozenset(
    {
        "HOME", "TMPDIR", "TEMP", "TMP", "XDG_CACHE_HOME", "MPLCONFIGDIR", "PYTHONUSERBASE",
        "PYTHONPYCACHEPREFIX", "NUMBA_CACHE_DIR", "TORCH_HOME", "SIMPLICITY_STORE",
        "SIMPLICITY_DATA",
    }
)  # fmt: skip
_OTHERS = (
    "MPLBACKEND",  # matplotlib refuses to be imported for a name that it does not know
    "SOURCE_DATE_EPOCH",  # would be the year of the site, and no number ends the build
    "PYTHONOPTIMIZE",  # 2 leaves out the texts of which a page is made
    "PYTHONINSPECT",  # a command that has ended would ask for more
)


def settle(given: MutableMapping[str, str] | None = None) -> None:
    """Take from this process, and so from all that it starts, what harms a command of ours."""
    given = os.environ if given is None else given
    for name in list(given):
        if name in _OTHERS or not is_kept(name, given[name]):
            del given[name]


def is_kept(name: str, value: str) -> bool:
    """May a library below us see this variable? Also where it is of no library's family."""
    if not name.startswith(_FAMILIES):
        return True
    if name.endswith("_THREADS") and name in _KEPT:
        return _COUNT.fullmatch(value) is not None
    return name in _KEPT or name in threads.DECIDING


def absolute(name: str, value: str) -> str:
    """The value as it is to be told to a process in another folder."""
    if name not in _PLACES or not value or os.path.isabs(value):
        return value
    try:
        return os.path.abspath(Path(value).expanduser())
    except RuntimeError:  # ~ of nobody
        return os.path.abspath(value)
