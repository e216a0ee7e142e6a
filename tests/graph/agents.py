"""LangChain agents whose model follows a script, and tools that note how they were called."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Self

from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool
from pydantic import BaseModel

Call = tuple[str, dict[str, Any]]

ASKED = {"messages": [{"role": "user", "content": "Go on."}]}


class Scripted(BaseChatModel):
    """Says one message of the script after the other, and then that it is done."""

    script: list[list[Call]]

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Self:
        """The script knows its tools."""
        return self

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        turn = sum(isinstance(message, AIMessage) for message in messages)
        said = AIMessage("Done.")
        if turn < len(self.script):
            calls = [
                {"name": name, "args": args, "id": f"call-{turn}-{n}"}
                for n, (name, args) in enumerate(self.script[turn])
            ]
            said = AIMessage("", tool_calls=calls)
        return ChatResult(generations=[ChatGeneration(message=said)])


class Address(BaseModel):
    """Where money goes."""

    iban: str
    bic: str | None = None


class World:
    """What the tools have done."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        calls = self.calls

        @tool
        def pay(
            amount: Decimal, to: Address, times: int, on: date, factor: float = 1.0, *, now: bool
        ) -> str:
            """Pay somebody."""
            given = {"amount": amount, "to": to, "times": times, "on": on, "factor": factor}
            calls.append(("pay", {**given, "now": now}))
            return f"paid {amount}"

        @tool
        def notify(to: str, text: str = "") -> str:
            """Tell somebody."""
            calls.append(("notify", {"to": to, "text": text}))
            return f"told {to}"

        @tool
        def look_up(what: str) -> str:
            """Find something out, which is free."""
            calls.append(("look_up", {"what": what}))
            return f"{what} found"

        self.tools = [pay, notify, look_up]

    def agent(self, *script: list[Call], mode: Any = "batched", **gates: Any) -> Any:
        """An agent of LangChain, whose calls of `pay` and `notify` are asked about."""
        gated: dict[str, Any] = {"pay": True, "notify": True} | {
            name: {"allowed_decisions": allowed} for name, allowed in gates.items()
        }
        return create_agent(
            Scripted(script=list(script)),
            self.tools,
            middleware=[HumanInTheLoopMiddleware(gated, interrupt_mode=mode)],
        )
