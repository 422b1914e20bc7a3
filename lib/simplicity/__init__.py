"""Networks learn something simple first: trajectories, measures and evidence for four papers.

Importing the package settles the arithmetic and prepares numba's cache folder (see `threads`), and nothing else; every module
is imported by name, for example `from simplicity.boursier.experiments import optimization_threshold`.
"""

from simplicity.process import threads

__version__ = "0.1.0"

threads.settle_arithmetic()
threads.set_numba_cache()
