"""Exceptions made again from their `repr`."""

from __future__ import annotations

import pytest

from signoff.graph.failures import exception


class CardRefused(Exception):
    """One that builtins do not know."""


@pytest.mark.parametrize(
    "error",
    [
        ValueError("over the limit"),
        KeyError("amount"),
        OSError(2, "No such file"),
        CardRefused("it's over", 3, {"amount": [1.5, None]}),
        RuntimeError(),
    ],
    ids=repr,
)
def test_one_that_says_all_of_itself_is_the_same_again(error: Exception) -> None:
    made = exception(repr(error))
    assert (repr(made), str(made)) == (repr(error), str(error))
    if type(error) is not CardRefused:
        assert type(made) is type(error)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "over the limit",
        "<CardRefused at 0x7f>",
        "CardRefused(amount=3)",
        "ValueError(open('x'))",
        "os.system('true')",
        "print('x')",
        "UnicodeDecodeError('utf-8')",
        "ValueError(" * 300,
        "SystemExit(1)",
    ],
)
def test_text_that_says_less_stays_text(text: str) -> None:
    made = exception(text)
    assert made is None or repr(made) == text
    assert not isinstance(made, SystemExit)
