"""Tells myst-nb that evidence in a cell's output is for the ledger, and not for the page."""

from typing import Any

from simplicity.evidence import ledger


class EvidenceRenderer:
    """For `myst_nb.mime_renderers`: None is "not mine", an empty list "nothing to show"."""

    mime_priority_overrides: list[tuple[str, str, int | None]] = []

    @staticmethod
    def handle_mime(renderer: Any, data: Any, inline: bool) -> list[Any] | None:
        return [] if data.mime_type == ledger.MIME else None
