"""Drafting a contract with a chat model: what it is told, and what changed between two drafts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from difflib import unified_diff
from typing import TypedDict

from contract_model import TEMPLATE, chat_model
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

INSTRUCTIONS = """\
You draft contracts for a law firm. Fill in the template below with the terms that you are given.
Keep its clauses and their numbers. Where a reviewer gives feedback, redraft: apply each point to
the clause that it concerns, and record it in Schedule C. Answer with the contract and nothing else.
"""


class Terms(TypedDict, total=False):
    """What the parties agreed on commercially. What is left out gets the house's default."""

    provider_name: str
    services: str
    effective_date: str
    monthly_fee: str
    payment_days: int
    late_interest: str
    term_months: int
    notice_days: int
    confidentiality_years: int
    liability_cap: str
    governing_law: str


HOUSE_TERMS: Terms = {
    "provider_name": "Northlight Consulting Ltd",
    "services": "software engineering and advisory services",
    "effective_date": "the date of the last signature",
    "monthly_fee": "EUR 12,000",
    "payment_days": 30,
    "late_interest": "5 per cent",
    "term_months": 24,
    "notice_days": 90,
    "confidentiality_years": 3,
    "liability_cap": "the Fees paid or payable for that year",
    "governing_law": "England and Wales",
}


def draft_contract(
    client_name: str, terms: Terms, feedback: Sequence[str] = (), previous: str = ""
) -> str:
    """A contract for this client on these terms, with all the feedback so far worked in."""
    brief = {"client_name": client_name, **HOUSE_TERMS, **terms}
    conversation = [
        SystemMessage(f"{INSTRUCTIONS}\n{TEMPLATE}"),
        HumanMessage(json.dumps(brief, indent=2)),
        *([AIMessage(previous)] if previous else []),
        *[HumanMessage(note) for note in feedback],
    ]
    return chat_model().invoke(conversation).text


def redline(previous: str, draft: str) -> list[str]:
    """The lines that differ between two drafts, each marked with ``-`` or ``+``."""
    lines = unified_diff(previous.splitlines(), draft.splitlines(), n=0, lineterm="")
    return [line for line in list(lines)[2:] if not line.startswith("@@")]
