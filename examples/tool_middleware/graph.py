"""LangChain's `create_agent` with its `HumanInTheLoopMiddleware`, both ways. Nothing of Signoff.

`batched` pauses once for all calls of a message, `per_call` once for each of them.
"""

from typing import Any, Literal

from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from model import chat_model
from tools import ask_colleague, find_invoice, refund, send_email

PROMPT = (
    "You answer customers. Find the invoice, refund it, and at the same time ask a colleague what "
    "to say to the customer; then send them an e-mail with that. If a call is rejected, say so."
)

GATES: dict[str, Any] = {
    "refund": {"allowed_decisions": ["approve", "edit", "reject"]},
    "send_email": True,  # all of them
    "ask_colleague": {"allowed_decisions": ["respond"]},  # a tool that is a person
}


def agent(mode: Literal["batched", "per_call"]) -> Any:
    """The agent, which pauses in this way before it does what cannot be undone."""
    return create_agent(
        chat_model(),
        [find_invoice, refund, ask_colleague, send_email],
        system_prompt=PROMPT,
        middleware=[HumanInTheLoopMiddleware(GATES, interrupt_mode=mode)],
    )


batched = agent("batched")
per_call = agent("per_call")
