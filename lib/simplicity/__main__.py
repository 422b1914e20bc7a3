"""`python -m simplicity`, the same as the command `simplicity`."""

import sys

from simplicity.cli import main

if __name__ == "__main__":
    sys.exit(main())
