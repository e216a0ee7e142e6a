"""One table from errors to HTTP, one heading for each code, and nothing of a bug's insides."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
from psycopg import OperationalError
from structlog.testing import capture_logs

from signoff import answering
from signoff.answering import status_of
from signoff.domain import errors
from signoff.domain.errors import SignoffError
from signoff.service import read
from tests.api.conftest import Api, problem

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "errors.md"


def all_errors() -> list[type[SignoffError]]:
    """Every error that there is, of the domain and of HTTP."""
    return [
        each
        for module in (errors, answering)
        for _, each in inspect.getmembers(module, inspect.isclass)
        if issubclass(each, SignoffError) and each.__module__ == module.__name__
    ]


def test_every_code_is_that_of_one_error() -> None:
    codes = [error.code for error in all_errors()]
    assert sorted(set(codes)) == sorted(codes)


@pytest.mark.parametrize("error", all_errors())
def test_every_code_has_a_heading_with_its_status(error: type[SignoffError]) -> None:
    headings = re.findall(r"^### `(\w+)` — (\d{3})$", DOCUMENT.read_text(), re.MULTILINE)
    assert (error.code, str(status_of(error).value)) in headings


def test_every_heading_is_that_of_a_code() -> None:
    headings = re.findall(r"^### `(\w+)`", DOCUMENT.read_text(), re.MULTILINE)
    assert sorted(headings) == sorted(error.code for error in all_errors())


async def test_an_unknown_path_and_a_wrong_method_are_problems(api: Api) -> None:
    for path in ("/nowhere", "/requests/", "/threads/t/nowhere", "/%00"):
        problem(await api.http.get(path), 404, "route_not_found")
    for method, path, allowed in (
        ("DELETE", "/requests", "GET"),
        ("PUT", "/threads/t", "GET, PATCH, DELETE"),
        ("PATCH", "/threads/t/runs", "GET, POST"),
        ("GET", "/requests/x/decisions", "POST, DELETE"),
        ("POST", "/healthz", "GET, HEAD"),
    ):
        response = await api.http.request(method, path)
        problem(response, 405, "method_not_allowed")
        assert response.headers["allow"] == allowed
    problem(await api.http.get("/threads/search"), 404, "thread_not_found")


async def test_a_bug_is_a_problem_without_its_insides_and_is_logged(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("the password is swordfish")

    monkeypatch.setattr(read, "get_request", broken)
    with capture_logs() as logged:
        response = await api.http.get("/requests/x")
    problem(response, 500, "internal_error")
    assert "swordfish" not in response.text
    [line] = [each for each in logged if each["event"] == "a request failed"]
    assert "swordfish" in line["exception"]


async def test_a_database_out_of_reach_is_said_so(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(*_: object) -> None:
        raise OperationalError("connection to 10.0.0.1 lost")

    monkeypatch.setattr(read, "get_request", lost)
    response = await api.http.get("/requests/x")
    problem(response, 503, "database_unreachable")
    assert "10.0.0.1" not in response.text
    assert response.headers["retry-after"] == "1"
