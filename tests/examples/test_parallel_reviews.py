"""The parallel reviews as they are served: in any order, section by section, round by round."""

from __future__ import annotations

import pytest

from signoff.domain.errors import Forbidden
from tests.examples.conftest import Example

ROB, RITA, TOM = "rob@firm.com", "rita@firm.com", "tom@firm.com"
SECTIONS = {
    "Revenue": {"text": "Up by 4 %.", "reviewer": ROB},
    "Risks": {"text": "None.", "reviewer": RITA},
    "Outlook": {"text": "Fine.", "reviewer": TOM},
}


def test_answers_reach_their_sections_in_any_order_and_the_others_wait_on(
    example: Example,
) -> None:
    example.start("parallel_reviews", "order", sections=SECTIONS)
    waiting = {request.title.partition(",")[0]: request for request in example.all_open("order")}
    assert waiting.keys() == SECTIONS.keys()
    with pytest.raises(Forbidden):
        example.decide(waiting["Outlook"], "approve", ROB)

    for number, (section, by) in enumerate(
        [("Outlook", TOM), ("Revenue", ROB), ("Risks", RITA)], 1
    ):
        done = example.decide(waiting[section], "approve", by)
        left = {request.id for request in example.all_open("order")}
        assert left <= {request.id for request in waiting.values()}
        assert len(left) == 3 - number
    assert (done["status"], done["values"]["status"]) == ("idle", "approved")
    said = {(each["section"], each["by"]) for each in done["values"]["reviews"]}
    assert said == {("Outlook", TOM), ("Revenue", ROB), ("Risks", RITA)}


def test_only_the_sections_that_need_it_go_into_the_next_round(example: Example) -> None:
    example.start("parallel_reviews", "rounds", sections=SECTIONS)
    people = {"Revenue": ROB, "Risks": RITA, "Outlook": TOM}
    for request in example.all_open("rounds"):
        section = request.title.partition(",")[0]
        if section == "Risks":
            example.decide(request, "request_changes", RITA, note="There are always some.")
        else:
            example.decide(request, "approve", people[section])

    again = example.open("rounds")
    assert again.title == "Risks, round 2"
    assert again.payload["show"]["text"] == "None. (Revised: There are always some.)"
    done = example.decide(again, "approve", RITA)
    assert (done["status"], done["values"]["status"]) == ("idle", "approved")
    assert [(r["section"], r["round"]) for r in done["values"]["reviews"]].count(("Risks", 2)) == 1
    assert len(done["values"]["reviews"]) == 4


def test_an_invitation_goes_out_once_for_each_review_however_often_branches_run_again(
    example: Example,
) -> None:
    invitations = example.effects / "invitations.txt"
    before = invitations.read_text().splitlines() if invitations.exists() else []
    example.start("parallel_reviews", "invited", sections=SECTIONS)
    for request in example.all_open("invited"):
        [reviewer] = request.policy["to"]
        example.decide(request, "approve", reviewer)
    invited = invitations.read_text().splitlines()[len(before) :]
    assert sorted(invited) == sorted(
        f"{section['reviewer']}: {title}, round 1" for title, section in SECTIONS.items()
    )
