"""Both contract reviews under plain LangGraph, with no desk, no server and no database."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

PROJECT = Path(__file__).parents[2] / "examples" / "contract_review"


def load(file: str) -> ModuleType:
    """A graph's file loaded by its path, as LangGraph's command line does."""
    spec = importlib.util.spec_from_file_location(f"example_{Path(file).stem}", PROJECT / file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass
class Review:
    """One contract under review, and the words that its graph understands."""

    module: ModuleType
    note: str
    by: str

    def __post_init__(self) -> None:
        self.graph = self.module.builder.compile(checkpointer=InMemorySaver())
        self.config: Any = {"configurable": {"thread_id": "contract-acme-2026-001"}}

    def start(self, **terms: Any) -> dict[str, Any]:
        return self.invoke({"client_name": "Acme GmbH", "terms": terms})

    def answer(self, action: str, note: str = "") -> dict[str, Any]:
        said = {"action": action, self.note: note, self.by: "jane@firm.com"}
        return self.invoke(Command(resume=said))

    def invoke(self, given: Any) -> dict[str, Any]:
        state: dict[str, Any] = self.graph.invoke(given, self.config)
        return state

    @property
    def waits(self) -> bool:
        return bool(self.graph.get_state(self.config).interrupts)


@pytest.fixture(autouse=True)
def register(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty register of contracts, and the example's folder on the import path."""
    path = tmp_path / "register.jsonl"
    monkeypatch.setenv("SIGNOFF_EXAMPLE_REGISTER", str(path))
    monkeypatch.delenv("SIGNOFF_EXAMPLE_MODEL", raising=False)
    monkeypatch.syspath_prepend(str(PROJECT))
    return path


@pytest.fixture
def with_signoff() -> Review:
    return Review(load("graph.py"), note="note", by="by")


@pytest.fixture
def without_signoff() -> Review:
    return Review(load("plain.py"), note="feedback", by="reviewer")


@pytest.fixture(params=["with_signoff", "without_signoff"])
def review(request: pytest.FixtureRequest) -> Review:
    """Each of the two graphs in turn."""
    chosen: Review = request.getfixturevalue(request.param)
    return chosen


def filed(register: Path) -> list[dict[str, Any]]:
    lines = register.read_text().splitlines() if register.exists() else []
    return [json.loads(line) for line in lines]


def test_the_first_draft_is_a_whole_contract_on_the_terms_given(review: Review) -> None:
    state = review.start(payment_days=60, governing_law="Germany")

    assert review.waits
    assert state["draft_version"] == 1
    assert len(state["draft"].split()) > 2000
    assert "${" not in state["draft"]
    assert "**Acme GmbH**, a company" in state["draft"]
    assert "within 60 days of its receipt" in state["draft"]
    assert "governed by the law of Germany" in state["draft"]


def test_an_approval_files_exactly_the_draft_that_was_approved(
    review: Review, register: Path
) -> None:
    draft = review.start()["draft"]

    state = review.answer("approve", "Fine with me.")

    [entry] = filed(register)
    assert not review.waits
    assert state["status"] == "approved"
    assert state["draft"] == draft
    assert state["approval"] == entry
    assert (entry["draft_version"], entry["approved_by"]) == (1, "jane@firm.com")
    assert entry["note"] == "Fine with me."
    assert [event["action"] for event in state["history"]] == ["draft", "approve"]


def test_the_feedback_of_each_round_is_in_the_next_draft(review: Review, register: Path) -> None:
    first = review.start()
    assert "within 30 days of its receipt" in first["draft"]

    second = review.answer("request_changes", "Payment within 45 days, please.")
    assert second["draft_version"] == 2
    assert "within 45 days of its receipt" in second["draft"]
    assert 'C.1 "Payment within 45 days, please."' in second["draft"]
    assert any(line.startswith("+8.2 ") and "45 days" in line for line in second["changes"])

    third = review.answer("request_changes", "Add an exit plan.\nLiability up to EUR 500,000.")
    assert third["draft_version"] == 3
    assert "within 45 days of its receipt" in third["draft"]
    assert "shall not exceed EUR 500,000" in third["draft"]
    assert 'C.2 "Add an exit plan. Liability up to EUR 500,000."' in third["draft"]

    done = review.answer("approve")
    assert [event["action"] for event in done["history"]] == [
        "draft",
        "request_changes",
        "draft",
        "request_changes",
        "draft",
        "approve",
    ]
    assert [entry["draft_version"] for entry in filed(register)] == [3]


def test_a_rejection_ends_without_a_contract(review: Review, register: Path) -> None:
    review.start()

    state = review.answer("reject", "Not with this client.")

    assert not review.waits
    assert state["status"] == "rejected"
    assert state["history"][-1]["note"] == "Not with this client."
    assert filed(register) == []


def test_the_same_conversation_always_gives_the_same_contract(review: Review) -> None:
    again = Review(review.module, review.note, review.by)
    for contract in (review, again):
        contract.start()
        contract.answer("request_changes", "Shorten the term.")

    drafts = [
        contract.graph.get_state(contract.config).values["draft"] for contract in (review, again)
    ]
    assert drafts[0] == drafts[1]


def test_filing_happens_once_even_if_the_node_runs_again(
    with_signoff: Review, register: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = with_signoff.module
    once, file_contract = module.once, module.file_contract
    filings = []

    def crash_after_the_effect(*args: Any) -> None:
        once(*args)
        raise ConnectionError("the process died here")

    def count(approval: dict[str, Any], *, key: str) -> dict[str, Any]:
        filings.append(key)
        entry: dict[str, Any] = file_contract(approval, key=key)
        return entry

    monkeypatch.setattr(module, "file_contract", count)
    with_signoff.start()
    with monkeypatch.context() as crash:
        crash.setattr(module, "once", crash_after_the_effect)
        with pytest.raises(ConnectionError):
            with_signoff.answer("approve")

    state = with_signoff.invoke(None)

    assert state["status"] == "approved"
    assert len(filings) == 1
    assert filed(register) == [state["approval"]]


def test_the_plain_graph_needs_no_signoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "signoff", None)  # importing it would raise

    review = Review(load("plain.py"), note="feedback", by="reviewer")
    review.start()

    assert review.answer("approve")["status"] == "approved"


def test_langgraph_json_names_both_graphs() -> None:
    graphs = json.loads((PROJECT / "langgraph.json").read_text())["graphs"]

    for target in graphs.values():
        file, _, name = target.partition(":")
        assert hasattr(load(file), name)

    assert sorted(graphs) == ["contract_review", "contract_review_plain"]
