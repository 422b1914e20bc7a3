"""Claims, checks and verdicts; committed records and the ledger."""
