"""The chat model: one that follows a script, or the one that `SIGNOFF_EXAMPLE_MODEL` names."""

import os
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult

SCRIPT = {
    "log": "rm --force /var/log/app/*.1",
    "table": "psql prod -c 'drop table sessions'",
    "restart": "systemctl restart prod-web",
}
"""What the script answers with, by a word of the instruction."""


def chat_model() -> BaseChatModel:
    """The model; of a real one, its package and its key have to be there."""
    if name := os.environ.get("SIGNOFF_EXAMPLE_MODEL"):
        from langchain.chat_models import init_chat_model  # optional: pip install langchain

        return init_chat_model(name)
    return ScriptedOperator()


class ScriptedOperator(BaseChatModel):
    """Answers with the command of the script that fits, else with one that only looks."""

    @property
    def _llm_type(self) -> str:
        return "scripted-operator"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        said = messages[-1].text.lower()
        command = next((command for word, command in SCRIPT.items() if word in said), "df -h")
        return ChatResult(generations=[ChatGeneration(message=AIMessage(content=command))])
