"""The chat model: one that follows a script, or the one that `SIGNOFF_EXAMPLE_MODEL` names."""

import json
import os
import re
from collections.abc import Sequence
from typing import Any, Self

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult


def chat_model() -> BaseChatModel:
    """The model; of a real one, its package and its key have to be there."""
    if name := os.environ.get("SIGNOFF_EXAMPLE_MODEL"):
        from langchain.chat_models import init_chat_model  # optional: pip install langchain

        return init_chat_model(name)
    return ScriptedBuyer()


class ScriptedBuyer(BaseChatModel):
    """Looks the product up, orders it, notifies two people at once, and says what it did."""

    @property
    def _llm_type(self) -> str:
        return "scripted-buyer"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Self:
        """The script knows its tools."""
        return self

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        message = next_message(messages)
        return ChatResult(generations=[ChatGeneration(message=message)])


def next_message(messages: Sequence[BaseMessage]) -> AIMessage:
    """What the script says next: it depends on what was asked, and on what the tools said."""
    wish = next(said.text for said in reversed(messages) if isinstance(said, HumanMessage))
    results = {said.name: said for said in messages if isinstance(said, ToolMessage)}
    lookup, order = results.get("lookup_product"), results.get("create_purchase_order")
    if lookup is None:
        return calling(len(messages), ("lookup_product", {"query": wish}))
    if not (found := json.loads(lookup.text)):
        return AIMessage("There is no such product.")
    if order is None:
        amount = re.search(r"\d+", wish)
        quantity = int(amount[0]) if amount else 1
        ordered = {"sku": found[0]["sku"], "quantity": quantity, "supplier": found[0]["supplier"]}
        return calling(len(messages), ("create_purchase_order", ordered))
    if order.status == "error":
        return AIMessage(f"Nothing was ordered. {order.text}")
    if "notify" not in results:
        return calling(
            len(messages),
            ("notify", {"recipient": "warehouse@firm.com", "text": f"Expect: {wish}"}),
            ("notify", {"recipient": "requester@firm.com", "text": order.text}),
        )
    notices = [said for said in messages if isinstance(said, ToolMessage) and said.name == "notify"]
    sent = sum(said.status == "success" for said in notices)
    return AIMessage(f"{order.text} {sent} of {len(notices)} people were notified.")


def calling(step: int, *calls: tuple[str, dict[str, Any]]) -> AIMessage:
    """A message that calls these tools; `step` makes their ids unique in the conversation."""
    numbered = enumerate(calls, 1)
    return AIMessage(
        content="",
        tool_calls=[
            {"name": n, "args": args, "id": f"{n}-{step}-{i}"} for i, (n, args) in numbered
        ],
    )
