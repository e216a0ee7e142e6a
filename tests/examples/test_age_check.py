"""The age check as it is served: bad answers are refused, senseless ones asked again."""

from __future__ import annotations

from typing import Any

import pytest

from signoff.domain.errors import InvalidAnswer
from tests.examples.conftest import Example

ADA = {"name": "Ada", "today": "2026-03-02"}


@pytest.mark.parametrize(
    ("values", "pointer"),
    [
        ({"age": "old", "born_in": 1990}, "/values/age"),
        ({"age": 200, "born_in": 1990}, "/values/age"),
        ({"age": 36}, "/values/born_in"),
    ],
)
def test_a_bad_answer_is_refused_where_it_is_sent(
    example: Example, values: dict[str, Any], pointer: str
) -> None:
    thread = f"bad-{len(values)}-{values['age']}"
    example.start("age_check", thread, **ADA)
    with pytest.raises(InvalidAnswer) as refused:
        example.answer(thread, "answer", values=values)
    assert [error.pointer for error in refused.value.errors] == [pointer]
    assert len(example.requests(thread)) == 1
    assert example.answer(thread, "answer", values={"age": 36, "born_in": 1990})["values"] == {
        **ADA,
        "age": 36,
        "tries": 1,
    }


def test_it_asks_again_until_the_answer_makes_sense(example: Example) -> None:
    example.start("age_check", "again", **ADA)
    for age in (12, 90):
        example.answer("again", "answer", values={"age": age, "born_in": 1990})
        problem = example.open("again").payload["show"]["problem"]
        assert problem == f"Who was born in 1990 is not {age}. Please look again."
    done = example.answer("again", "answer", values={"age": 35, "born_in": 1990})
    assert (done["status"], done["values"]["age"], done["values"]["tries"]) == ("idle", 35, 3)
    assert [request.state for request in example.requests("again")] == ["decided"] * 3


def test_the_documentations_own_loop_asks_again_too(example: Example) -> None:
    example.start("age_check_plain", "plain")
    for answer in ("old", -3, True):
        asked = example.open("plain")
        example.decide(asked, "respond", values={"value": answer})
        again = example.open("plain")
        assert again.id != asked.id
        assert again.title == f"{answer!r} is not a valid age. What is your age?"
    done = example.answer("plain", "respond", values={"value": 36})
    assert (done["status"], done["values"]) == ("idle", {"age": 36})
