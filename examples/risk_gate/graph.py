"""An operations assistant that asks only when it matters.

A model turns an instruction into a command; rules, not the model, say how risky that is. What is
harmless runs at once. What is not waits for a person, who sees the command and the reasons.
"""

import re
from typing import Any, Literal, NotRequired, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import Command
from machine import execute
from model import chat_model

from signoff import Action, ask, once


class Instruction(TypedDict):
    """What a run starts with, in plain words."""

    instruction: str


class State(Instruction):
    """The command on its way, and what became of it."""

    command: NotRequired[str]
    risks: list[str]
    status: Literal["done", "refused"]
    result: dict[str, Any]


RULES = {
    r"\b(drop|delete|truncate|rm)\b": "it deletes something",
    r"\bprod(uction)?\b": "it touches production",
    r"\b(grant|chmod|sudo)\b": "it changes who may do what",
    r"--force\b": "it overrides a safeguard",
}
"""What makes a command risky; two reasons are one too many to go on without asking."""

COMMAND = {
    "type": "object",
    "properties": {"command": {"type": "string", "minLength": 1}},
    "required": ["command"],
    "additionalProperties": False,
}


def plan(state: State) -> dict[str, Any]:
    """Have the model write the command."""
    prompt = f"Answer with one shell command and nothing else: {state['instruction']}"
    return {"command": chat_model().invoke(prompt).text.strip()}


def assess(state: State) -> dict[str, list[str]]:
    """Say why a command is risky; the same command always gets the same answer."""
    command = state["command"].lower()
    return {"risks": [reason for rule, reason in RULES.items() if re.search(rule, command)]}


def gate(state: State) -> Literal["human_gate", "run"]:
    """Ask a person only if there is reason to."""
    return "human_gate" if len(state["risks"]) > 1 else "run"


def human_gate(state: State) -> Command[Literal["run", "__end__"]]:
    """Show the command and why it is risky. Nothing was done yet, and nothing is until then."""
    decision = ask(
        f"Run {state['command'][:200]}?",
        show={name: state[name] for name in ("instruction", "command", "risks")},
        actions=[
            "approve",
            Action("edit", reply=COMMAND, label="Run this instead"),
            Action("reject", note="required"),
        ],
        topic="risky_command",
        priority="high",
    )
    match decision.action:
        case "approve":
            return Command(goto="run")
        case "edit":
            return Command(goto="run", update={"command": decision.values.command})
        case _:
            refused = {"status": "refused", "result": {"by": decision.by, "note": decision.note}}
            return Command(goto=END, update=refused)


def run(state: State) -> dict[str, Any]:
    """Run the command, once, whatever crashes and runs again."""
    return {"result": once("run", lambda key: execute(state["command"], key)), "status": "done"}


builder = StateGraph(State, input_schema=Instruction)
for node in (plan, assess, human_gate, run):
    builder.add_node(node)
builder.add_edge(START, "plan")
builder.add_edge("plan", "assess")
builder.add_conditional_edges("assess", gate)
builder.add_edge("run", END)

graph = builder.compile()
