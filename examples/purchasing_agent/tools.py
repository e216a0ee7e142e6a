"""What the agent can do. Looking up is free; ordering and notifying are seen by a person first."""

import json
import os
from pathlib import Path
from typing import Annotated, Any

from langchain_core.tools import BaseTool, InjectedToolArg, tool

CATALOG = {
    "paper": {"sku": "PAP-A4", "price": 4, "supplier": "Northern Paper"},
    "toner": {"sku": "TON-12", "price": 60, "supplier": "Inkworks"},
}

Key = Annotated[str, InjectedToolArg]
"""An idempotency key, which the model neither sees nor chooses."""


@tool
def lookup_product(query: str) -> str:
    """Find a product: its sku, its price in EUR and its supplier."""
    found = [{"name": name, **facts} for name, facts in CATALOG.items() if name in query.lower()]
    return json.dumps(found)


@tool
def create_purchase_order(sku: str, quantity: int, supplier: str, key: Key) -> str:
    """Order so many of a product. This spends money."""
    order = {"sku": sku, "quantity": quantity, "supplier": supplier}
    return f"Ordered, number {write('orders', order, key)}."


@tool
def notify(recipient: str, text: str, key: Key) -> str:
    """Send somebody a message."""
    return f"Sent, number {write('messages', {'recipient': recipient, 'text': text}, key)}."


TOOLS: dict[str, BaseTool] = {
    each.name: each for each in (lookup_product, create_purchase_order, notify)
}
GATED = {"create_purchase_order": "Order", "notify": "Notify"}
"""The tools that ask first, with the word that the request begins with."""


def write(book: str, entry: dict[str, Any], key: str) -> int:
    """Enter something in a book of the outside world, `orders.jsonl` or `messages.jsonl`; its
    number. A key that is known already gets its first number back."""
    folder = os.environ.get("SIGNOFF_EXAMPLE_FOLDER") or Path(__file__).parent
    path = Path(folder) / f"{book}.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    for number, known in enumerate(map(json.loads, lines), 1):
        if known["key"] == key:
            return number
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"key": key, **entry}) + "\n")
    return len(lines) + 1
