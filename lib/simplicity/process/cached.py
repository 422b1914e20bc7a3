"""The same bits from numba's cache as from the process that compiled.

A compiled function holds copies of the functions that it calls, optimised a second time, and sums
that may be reordered may come out in another order there. The first of a function's copies that a
process loads is the one that runs: its own where it was compiled in this process, since that comes
before its callers, but the copy in a caller where only the caller is read from the cache.
"""

from collections.abc import Mapping
from typing import Any

from numba.core.registry import CPUDispatcher

_settled: set[CPUDispatcher] = set()


def settle(names: Mapping[str, Any]) -> None:
    """Read all compiled functions of a module from the cache, each with its own copy.

    `names` are the module's, in which a function stands before its callers. What the cache does not
    hold is left to be compiled; a second call does nothing. For modules whose functions call each
    other and may reorder sums.
    """
    found: list[Any] = [one for one in names.values() if isinstance(one, CPUDispatcher)]
    for function in found:
        if function not in _settled:
            _settled.add(function)
            for signature in _held(function._cache, function.targetctx.codegen()):
                function.compile(signature)


def _held(cache: Any, codegen: Any) -> list[Any]:
    """Signatures of a function in the cache, made from this source for this processor."""
    index = cache._cache_file._load_index() if hasattr(cache, "_cache_file") else {}
    return [key[0] for key in index if key == cache._index_key(key[0], codegen)]
