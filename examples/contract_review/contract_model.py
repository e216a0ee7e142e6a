"""The chat model that drafts: a scripted one by default, a real one if you name it.

``SIGNOFF_EXAMPLE_MODEL=openai:gpt-4.1`` (anything LangChain's ``init_chat_model`` understands)
switches to a real model; its package and its key have to be there. The scripted one needs neither
and always writes the same contract for the same conversation, which suits a demo and a test.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult

TEMPLATE = Path(__file__).with_name("contract_template.md").read_text(encoding="utf-8")


def chat_model() -> BaseChatModel:
    """The model that ``SIGNOFF_EXAMPLE_MODEL`` names, or the scripted one."""
    name = os.environ.get("SIGNOFF_EXAMPLE_MODEL")
    if not name:
        return ScriptedDrafter()
    from langchain.chat_models import init_chat_model  # optional: pip install langchain

    return init_chat_model(name)


class ScriptedDrafter(BaseChatModel):
    """A chat model that follows a script instead of thinking.

    It reads the conversation as a lawyer's assistant would: the first human message holds the
    terms as JSON, every later one a reviewer's feedback. It fills in the house template, changes
    the clauses it knows how to change, and records every point of feedback in Schedule C.
    """

    @property
    def _llm_type(self) -> str:
        return "scripted-drafter"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        brief, *feedback = [said.text for said in messages if isinstance(said, HumanMessage)]
        contract = AIMessage(content=write_contract(json.loads(brief), feedback))
        return ChatResult(generations=[ChatGeneration(message=contract)])


def write_contract(terms: Mapping[str, Any], feedback: Sequence[str]) -> str:
    """The house template with these terms, as changed by each point of feedback in turn."""
    terms = dict(terms)
    points = []
    for number, note in enumerate(feedback, start=1):
        changes = list(changes_asked_for(note))
        terms |= {change.term: change.value for change in changes}
        points.append(negotiated_point(number, note, [change.clause for change in changes]))
    negotiated = "\n\n".join(points) or "None."
    return Template(TEMPLATE).substitute(terms, negotiated_points=negotiated)


@dataclass(frozen=True)
class Change:
    """A term of the contract, the clause it stands in, and its new value."""

    term: str
    clause: str
    value: str


@dataclass(frozen=True)
class Rule:
    """How the script recognises that a sentence of feedback asks for another value of a term."""

    term: str
    clause: str
    asks_for: str
    wording: str = "{}"


MONEY = r"(?:EUR|USD|GBP|CHF|€|\$|£) ?\d[\d,.]*\b(?: million)?"
PLACE = r"(?-i:(?:the )?[A-Z]\w+(?: (?:and |of )?[A-Z]\w+)*)\b(?! law)"

RULES = (
    Rule("term_months", "2.1", r"\binitial term\b\D*(\d+)[ -]months?\b"),
    Rule("payment_days", "8.2", r"\b(?:pa(?:y|id)\w*|invoices?)\b\D*(\d+)[ -]days?\b"),
    Rule("confidentiality_years", "10.5", r"\bconfidential\w*\b\D*(\d+)[ -]years?\b"),
    Rule("liability_cap", "13.3", rf"\bliab\w*\b.*?({MONEY})"),
    Rule(
        "liability_cap",
        "13.3",
        r"\bliab\w*\b\D*(\d+) ?(?:%|per ?cent)",
        "{} per cent of the Fees paid or payable for that year",
    ),
    Rule("notice_days", "15.1", r"\bnotice\b\D*(\d+)[ -]days?\b"),
    Rule(
        "governing_law",
        "18.1",
        rf"\b(?:(?:govern\w+|jurisdiction)\b.*?(?:\b(?:of|by|to|be)|:)|laws? of) ({PLACE})",
    ),
)


def changes_asked_for(feedback: str) -> Iterator[Change]:
    """The changes that the script understands in a piece of feedback, sentence by sentence."""
    for sentence in re.split(r"[;!?\n]|\.(?=\s|$)", feedback):
        for rule in RULES:
            if found := re.search(rule.asks_for, sentence, re.IGNORECASE):
                yield Change(rule.term, rule.clause, rule.wording.format(found[1]))


def negotiated_point(number: int, feedback: str, clauses: list[str]) -> str:
    """One entry of Schedule C: what was asked, in its own words, and what became of it."""
    quote = " ".join(feedback.split())
    match list(dict.fromkeys(clauses)):
        case []:
            effect = "as stated; it prevails over the clauses above."
        case [clause]:
            effect = f"and clause {clause} reads accordingly."
        case [*others, last]:
            effect = f"and clauses {', '.join(others)} and {last} read accordingly."
    return f'C.{number} "{quote}" The Parties agree to this {effect}'
