"""What an answer to a client may not contain unless compliance has read it."""

import re

RULES = {
    r"\bguarante\w*|\brisk[- ]free\b": "promises a return",
    r"\byou should (buy|sell|move|invest)\b": "recommends a product without a suitability check",
    r"\bborrow|\bleverage|\bon margin\b": "suggests to invest with borrowed money",
    r"\btax(es|[- ]free)?\b": "touches tax, for which we have no licence",
}


def problems(text: str) -> list[str]:
    """The reasons why an officer has to read a text; none if it may go out."""
    return [reason for rule, reason in RULES.items() if re.search(rule, text, re.IGNORECASE)]
