"""The register of approved contracts: the outside world of this example.

It stands for the e-mail that is sent, the payment that is made, the record in another system:
something that cannot be taken back and must not happen twice.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4


def register_path() -> Path:
    """One line of JSON for each filed contract; ``SIGNOFF_EXAMPLE_REGISTER`` names another file."""
    default = Path(__file__).with_name("register.jsonl")
    return Path(os.environ.get("SIGNOFF_EXAMPLE_REGISTER") or default)


def file_contract(approval: dict[str, Any], *, key: str | None = None) -> dict[str, Any]:
    """Enter an approved contract in the register; returns the entry.

    A key that the register knows already gets its first entry back, as good APIs do with an
    idempotency key: this is what closes the gap between an effect and the note that it was done.
    """
    for entry in entries():
        if key is not None and entry["key"] == key:
            return entry
    entry = {
        "number": f"MSA-{uuid4().hex[:8].upper()}",
        "filed_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "key": key,
        **approval,
    }
    with register_path().open("a", encoding="utf-8") as register:
        register.write(json.dumps(entry) + "\n")
    return entry


def entries() -> list[dict[str, Any]]:
    """All that was ever filed, oldest first."""
    path = register_path()
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]
