"""The outside world of this example: packs that were handed out, in `dispensed.jsonl`."""

import json
import os
from pathlib import Path
from typing import Any


def dispense_pack(patient: str, label: str, key: str) -> dict[str, Any]:
    """Hand out a pack. A key that is known already gets its first result back."""
    folder = os.environ.get("SIGNOFF_EXAMPLE_FOLDER") or Path(__file__).parent
    path = Path(folder) / "dispensed.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    for known in map(json.loads, lines):
        if known["key"] == key:
            return dict(known)
    pack = {"key": key, "patient": patient, "label": label}
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(pack) + "\n")
    return pack
