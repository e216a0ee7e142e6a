"""What the agent can do. Looking up is free; for the rest, the middleware asks first."""

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from langchain_core.tools import InjectedToolCallId, tool

INVOICES = {17: {"customer": "ada@customer.com", "amount": "49.90"}}

CallId = Annotated[str, InjectedToolCallId]
"""The id of the call, which the model does not see: the key under which the call has its effect."""


@tool
def find_invoice(number: int) -> str:
    """Find an invoice: its customer and its amount in EUR."""
    return json.dumps(INVOICES.get(number, "There is no such invoice."))


@tool
def refund(invoice: int, amount: Decimal, call_id: CallId) -> str:
    """Pay back so many EUR of an invoice."""
    write("refunds", {"invoice": invoice, "amount": str(amount)}, call_id)
    return f"Refunded {amount} EUR."


@tool
def ask_colleague(question: str) -> str:
    """Ask a colleague, who knows more."""
    raise NotImplementedError("a person answers in its place")


@tool
def send_email(to: str, text: str, call_id: CallId) -> str:
    """Write to somebody."""
    write("emails", {"to": to, "text": text}, call_id)
    return f"Sent to {to}."


def write(book: str, entry: dict[str, Any], key: str) -> None:
    """Enter something in a book of the outside world, once for each key."""
    folder = os.environ.get("SIGNOFF_EXAMPLE_FOLDER") or Path(__file__).parent
    path = Path(folder) / f"{book}.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    if all(json.loads(line)["key"] != key for line in lines):
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"key": key, **entry}) + "\n")
