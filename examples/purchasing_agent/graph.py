"""An agent that buys things: it may look up what it likes, and asks before it spends or writes.

The loop is the usual one: the model calls tools until it has nothing left to do. Each call runs in
a branch of its own, so that several wait side by side, and none of them is done twice.
"""

from typing import Any, Literal

from langchain_core.messages import AIMessage, SystemMessage, ToolCall, ToolMessage
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Send
from model import chat_model
from tools import GATED, TOOLS

from signoff import Action, ask, once

PROMPT = SystemMessage(
    "You buy supplies. Look a product up, order it, then notify the warehouse and the requester. "
    "A call may be rejected: then say why, and do not try again."
)


def agent(state: MessagesState) -> dict[str, Any]:
    """Have the model say what to do next."""
    model = chat_model().bind_tools(list(TOOLS.values()))
    return {"messages": [model.invoke([PROMPT, *state["messages"]])]}


def next_calls(state: MessagesState) -> list[Send] | Literal["__end__"]:
    """A branch for each tool call of the last message; without any, the end."""
    last = state["messages"][-1]
    calls = last.tool_calls if isinstance(last, AIMessage) else []
    return [Send("call_tool", call) for call in calls] or END


def call_tool(call: ToolCall) -> dict[str, list[ToolMessage]]:
    """Call one tool, after a person has agreed where that is needed."""
    name, args, remark = call["name"], call["args"], ""
    if name in GATED:
        decision = ask(
            f"{GATED[name]}: {', '.join(f'{key} {value}' for key, value in args.items())}"[:300],
            show={"tool": name, "args": args},
            actions=[
                "approve",
                Action("edit", reply=TOOLS[name].tool_call_schema),
                Action("reject", note="required"),
            ],
            topic=name,
        )
        if decision.action == "reject":
            return answer(call, f"Rejected by {decision.by}: {decision.note}", status="error")
        if decision.action == "edit":
            args = dict(decision.values)
            remark = f" (changed by {decision.by}: {args})"
    result = once(
        f"{name}:{call['id']}",
        lambda key: TOOLS[name].invoke({**args, "key": key} if name in GATED else args),
    )
    return answer(call, f"{result}{remark}")


def answer(call: ToolCall, text: str, **status: Any) -> dict[str, list[ToolMessage]]:
    """What the model is told of a call."""
    return {"messages": [ToolMessage(text, tool_call_id=call["id"], name=call["name"], **status)]}


builder = StateGraph(MessagesState)
builder.add_node(agent)
builder.add_node(call_tool)
builder.add_edge(START, "agent")
builder.add_conditional_edges("agent", next_calls, ["call_tool", END])
builder.add_edge("call_tool", "agent")

graph = builder.compile()
