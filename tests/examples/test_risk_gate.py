"""The risk gate as it is served: what is harmless runs, what is not is asked."""

from __future__ import annotations

import json

import pytest

from signoff.domain.errors import InvalidAnswer
from tests.examples.conftest import Example


def executed(example: Example) -> list[str]:
    path = example.effects / "executed.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line)["command"] for line in lines]


@pytest.mark.parametrize(
    ("instruction", "command"),
    [
        ("How full are the disks?", "df -h"),
        ("Restart the web server.", "systemctl restart prod-web"),
    ],
)
def test_what_is_harmless_runs_without_anyone_being_asked(
    example: Example, instruction: str, command: str
) -> None:
    thread = command.replace(" ", "-")
    done = example.start("risk_gate", thread, instruction=instruction)
    assert (done["status"], done["values"]["status"]) == ("idle", "done")
    assert example.requests(thread) == []
    assert executed(example).count(command) == 1


def test_a_risky_command_waits_and_runs_once_when_it_is_approved(example: Example) -> None:
    example.start("risk_gate", "logs", instruction="Clean up the logs.")
    request = example.open("logs")
    assert request.payload["show"] == {
        "instruction": "Clean up the logs.",
        "command": "rm --force /var/log/app/*.1",
        "risks": ["it deletes something", "it overrides a safeguard"],
    }
    assert (request.priority, request.deadline is not None) == ("high", True)
    assert "rm --force /var/log/app/*.1" not in executed(example)
    assert example.decide(request, "approve")["values"]["status"] == "done"
    assert executed(example).count("rm --force /var/log/app/*.1") == 1


def test_another_command_can_be_run_instead_and_a_bad_one_is_refused(example: Example) -> None:
    example.start("risk_gate", "edited", instruction="Drop the sessions table.")
    request = example.open("edited")
    with pytest.raises(InvalidAnswer):
        example.decide(request, "edit", values={"command": ""})
    staging = "psql staging -c 'drop table sessions'"
    done = example.decide(request, "edit", values={"command": staging})
    assert done["values"]["result"]["command"] == staging
    assert [each for each in executed(example) if "sessions" in each] == [staging]


def test_what_is_refused_never_runs(example: Example) -> None:
    example.start("risk_gate", "refused", instruction="Drop the sessions table.")
    before = executed(example)
    done = example.answer("refused", "reject", by="jane@firm.com", note="Not on a Friday.")
    assert done["values"]["status"] == "refused"
    assert done["values"]["result"] == {"by": "jane@firm.com", "note": "Not on a Friday."}
    assert executed(example) == before
