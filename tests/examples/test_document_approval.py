"""The document approval as it is served: in stages, and by all departments at once."""

from __future__ import annotations

import json
from itertools import permutations
from typing import Any

import pytest

from signoff.domain.errors import Forbidden
from tests.examples.conftest import Example

ANN, MAX, LEA, EVE = "ann@firm.com", "max@firm.com", "lea@firm.com", "eve@firm.com"
FAY, SAM = "fay@firm.com", "sam@firm.com"
DOCUMENT = {"title": "Travel policy", "text": "Fly economy.", "author": ANN}


def begin(example: Example, thread: str, graph: str = "document_approval") -> None:
    assert example.start(graph, thread, by=ANN, **DOCUMENT)["status"] == "interrupted"


def published(example: Example) -> list[dict[str, Any]]:
    path = example.effects / "published.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def signed(state: dict[str, Any]) -> list[tuple[str, int, str, str]]:
    return [(s["stage"], s["version"], s["action"], s["by"]) for s in state["signatures"]]


def test_a_document_is_published_once_after_all_three_stages_in_their_order(
    example: Example,
) -> None:
    begin(example, "ladder")
    for stage, by in [("manager", MAX), ("legal", LEA), ("executive", EVE)]:
        request = example.open("ladder")
        assert (request.title, request.node) == (f"Travel policy, v1: {stage}", stage)
        assert request.deadline is not None
        for stranger in {MAX, LEA, EVE} - {by}:
            with pytest.raises(Forbidden, match=f"group:{stage}"):
                example.decide(request, "approve", stranger)
        example.decide(request, "approve", by)

    state = example.values("ladder")
    assert state["status"] == "published"
    assert state["published"]["signed_by"] == [MAX, LEA, EVE]
    assert published(example).count(state["published"]) == 1


def test_the_manager_may_skip_legal(example: Example) -> None:
    begin(example, "skip")
    assert "escalate" in [action.name for action in example.open("skip").actions]
    example.answer("skip", "escalate", MAX)
    request = example.open("skip")
    assert request.node == "executive"
    assert "escalate" not in [action.name for action in request.actions]
    example.decide(request, "approve", EVE)
    assert example.values("skip")["published"]["signed_by"] == [MAX, EVE]


def test_a_revision_starts_over_and_earlier_signatures_do_not_count(example: Example) -> None:
    begin(example, "revision")
    example.answer("revision", "approve", MAX)
    example.answer("revision", "request_changes", LEA, note="Name the exceptions.")

    asked = example.open("revision")
    assert (asked.node, asked.payload["show"]["feedback"]["note"]) == (
        "revise",
        "Name the exceptions.",
    )
    with pytest.raises(Forbidden):
        example.decide(asked, "resubmit", MAX, values={"text": "Fly first class."})
    example.decide(asked, "resubmit", ANN, values={"text": "Fly economy, up to six hours."})

    again = example.open("revision")
    assert (again.node, again.title) == ("manager", "Travel policy, v2: manager")
    assert again.payload["show"]["text"] == "Fly economy, up to six hours."
    example.decide(again, "escalate", MAX)
    example.answer("revision", "approve", EVE)

    state = example.values("revision")
    assert (state["published"]["version"], state["published"]["signed_by"]) == (2, [MAX, EVE])
    assert signed(state) == [
        ("manager", 1, "approve", MAX),
        ("legal", 1, "request_changes", LEA),
        ("manager", 2, "escalate", MAX),
        ("executive", 2, "approve", EVE),
    ]


@pytest.mark.parametrize("stage", ["manager", "legal", "executive"])
def test_any_stage_may_end_it(example: Example, stage: str) -> None:
    thread, people = f"no-{stage}", {"manager": MAX, "legal": LEA, "executive": EVE}
    begin(example, thread)
    while (request := example.open(thread)).node != stage:
        example.decide(request, "approve", people[request.node])
    done = example.decide(request, "reject", people[stage], note="No.")
    assert (done["status"], done["values"]["status"]) == ("idle", "rejected")
    assert example.all_open(thread) == []
    assert "published" not in done["values"]


def test_an_author_may_give_up(example: Example) -> None:
    begin(example, "withdrawn")
    example.answer("withdrawn", "request_changes", MAX, note="Why?")
    assert example.answer("withdrawn", "withdraw", ANN)["values"]["status"] == "withdrawn"


def test_whoever_started_it_does_not_sign_it(example: Example) -> None:
    example.start("document_approval", "own", by=MAX, **DOCUMENT)
    with pytest.raises(Forbidden, match="four_eyes"):
        example.answer("own", "approve", MAX)


@pytest.mark.parametrize("order", list(permutations([LEA, FAY, SAM]))[::2])
def test_departments_answer_in_any_order_and_the_graph_goes_on_after_the_last(
    example: Example, order: list[str]
) -> None:
    thread = "-".join(["joined", *(name.partition("@")[0] for name in order)])
    group = {LEA: "legal", FAY: "finance", SAM: "security"}
    begin(example, thread, "parallel_approval")
    waiting = {request.node: request for request in example.all_open(thread)}
    assert waiting.keys() == {"legal", "finance", "security"}
    for number, by in enumerate(order, 1):
        done = example.decide(waiting[group[by]], "approve", by)
        left = {request.id for request in example.all_open(thread)}
        assert left == {waiting[group[other]].id for other in order[number:]}
    assert (done["status"], done["values"]["status"]) == ("idle", "published")
    assert done["values"]["published"]["signed_by"] == sorted(order)
    assert published(example).count(done["values"]["published"]) == 1


def test_one_department_is_enough_to_stop_it_and_all_are_heard(example: Example) -> None:
    begin(example, "against", "parallel_approval")
    waiting = {request.node: request for request in example.all_open("against")}
    example.decide(waiting["finance"], "reject", FAY, note="Too expensive.")
    assert example.values("against").get("status") is None
    example.decide(waiting["legal"], "approve", LEA)
    done = example.decide(waiting["security"], "approve", SAM)
    assert done["values"]["status"] == "rejected"
    assert len(done["values"]["opinions"]) == 3
