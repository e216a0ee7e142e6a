"""The chat model: one that follows a script, or the one that `SIGNOFF_EXAMPLE_MODEL` names."""

import os
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult

SCRIPT = {
    "cost": (
        "The World Index fund costs 0.22 % a year, taken from its assets. There is no entry fee. "
        "The key information document lists all costs."
    ),
    "pension": (
        "You should move your whole pension into the Global Growth fund. It has returned 7 % a "
        "year since 2012, and that is as good as guaranteed. If you borrow on top of it, more."
    ),
    "gift": (
        "You can give each of your children 400,000 EUR every ten years tax-free. A savings plan "
        "in their names keeps it apart from yours."
    ),
}
"""What the script answers with, by a word of the question."""

OTHERWISE = (
    "What a fund has returned says nothing about what it will return. Its factsheet shows how far "
    "its price has swung. Your adviser goes through it with you."
)


def chat_model() -> BaseChatModel:
    """The model; of a real one, its package and its key have to be there."""
    if name := os.environ.get("SIGNOFF_EXAMPLE_MODEL"):
        from langchain.chat_models import init_chat_model  # optional: pip install langchain

        return init_chat_model(name)
    return ScriptedAdviser()


class ScriptedAdviser(BaseChatModel):
    """Answers as the script has it for the question."""

    @property
    def _llm_type(self) -> str:
        return "scripted-adviser"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        asked = messages[-1].text.lower()
        answer = next((answer for word, answer in SCRIPT.items() if word in asked), OTHERWISE)
        return ChatResult(generations=[ChatGeneration(message=AIMessage(content=answer))])
