"""A process: its arithmetic and threads, our pool, Ctrl-C, states of long cells.

Importing this settles the arithmetic and prepares numba's cache folder, for this process and for
those that it starts (see `threads`). Each room in which something is computed imports it first, in
its `__init__`. Those that `lenses` need do not, so that a user's own training keeps its speed and
its bits: `problems`, `places`, `pictures`, and of the wing `nakkiran` all but its experiments.
"""

from simplicity.process import threads

threads.settle_arithmetic()
threads.set_numba_cache()
