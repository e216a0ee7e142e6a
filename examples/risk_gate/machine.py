"""The machine of this example: it writes down what it is told to run, in `executed.jsonl`."""

import json
import os
from pathlib import Path
from typing import Any


def execute(command: str, key: str) -> dict[str, Any]:
    """Run a command. A key that is known already gets its first result back."""
    folder = os.environ.get("SIGNOFF_EXAMPLE_FOLDER") or Path(__file__).parent
    path = Path(folder) / "executed.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    for known in map(json.loads, lines):
        if known["key"] == key:
            return dict(known)
    result = {"key": key, "command": command, "exit_code": 0}
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(result) + "\n")
    return result
