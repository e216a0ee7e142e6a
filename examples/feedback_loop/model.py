"""The chat model: one that follows a script, or the one that `SIGNOFF_EXAMPLE_MODEL` names."""

import os
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult


def chat_model() -> BaseChatModel:
    """The model; of a real one, its package and its key have to be there."""
    if name := os.environ.get("SIGNOFF_EXAMPLE_MODEL"):
        from langchain.chat_models import init_chat_model  # optional: pip install langchain

        return init_chat_model(name)
    return ScriptedWriter()


class ScriptedWriter(BaseChatModel):
    """Always writes the same about a topic, and a sentence more for each piece of feedback."""

    @property
    def _llm_type(self) -> str:
        return "scripted-writer"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        topic, *notes = (said.text for said in messages if isinstance(said, HumanMessage))
        post = [f"There is a lot to say about {topic}.", "Most of it was said before."]
        post += [f"Version {n} heeds this: {note}" for n, note in enumerate(notes, 2)]
        message = AIMessage(content=" ".join(post))
        return ChatResult(generations=[ChatGeneration(message=message)])
