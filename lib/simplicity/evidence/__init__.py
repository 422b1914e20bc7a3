"""Claims, checks and verdicts; committed records and the ledger."""

import simplicity.process  # noqa: F401
