"""The chat model: one that follows a script, or the one that `SIGNOFF_EXAMPLE_MODEL` names."""

import json
import os
import re
from collections.abc import Sequence
from typing import Any, Self
from uuid import uuid4

from langchain.chat_models import init_chat_model
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult


def chat_model() -> BaseChatModel:
    """The model; of a real one, its package and its key have to be there."""
    if name := os.environ.get("SIGNOFF_EXAMPLE_MODEL"):
        return init_chat_model(name)
    return ScriptedClerk()


class ScriptedClerk(BaseChatModel):
    """Finds the invoice, refunds it and asks a colleague at once, and writes to the customer."""

    @property
    def _llm_type(self) -> str:
        return "scripted-clerk"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Self:
        """The script knows its tools."""
        return self

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=next_message(messages))])


def next_message(messages: Sequence[BaseMessage]) -> AIMessage:
    """What the script says next: it depends on what was asked, and on what the tools said."""
    wish = next(said.text for said in reversed(messages) if isinstance(said, HumanMessage))
    number = re.search(r"\d+", wish)
    results = {said.name: said for said in messages if isinstance(said, ToolMessage)}
    if number is None:
        return AIMessage("Which invoice?")
    if (found := results.get("find_invoice")) is None:
        return calling(("find_invoice", {"number": int(number[0])}))
    if not isinstance(invoice := json.loads(found.text), dict):
        return AIMessage(invoice)
    if (refund := results.get("refund")) is None:
        return calling(
            ("refund", {"invoice": int(number[0]), "amount": invoice["amount"]}),
            ("ask_colleague", {"question": f"What do I tell {invoice['customer']}?"}),
        )
    if (email := results.get("send_email")) is None:
        refused = refund.status == "error"
        # The middleware has the model know of an edit, ahead of what the tool says.
        text = "We cannot refund this." if refused else refund.text.splitlines()[-1]
        words = f"{text} {results['ask_colleague'].text}"
        return calling(("send_email", {"to": invoice["customer"], "text": words}))
    return AIMessage(f"{refund.text} {email.text}")


def calling(*calls: tuple[str, dict[str, Any]]) -> AIMessage:
    """A message that calls these tools."""
    named = [{"name": name, "args": args, "id": f"{name}-{uuid4()}"} for name, args in calls]
    return AIMessage(content="", tool_calls=named)
