"""The OpenAPI document. That its answers are the real ones is checked by every other test here."""

from __future__ import annotations

import re
from typing import Any

import httpx
from fastapi import FastAPI
from jsonschema import Draft202012Validator

from signoff.api.app import OPEN, SECURITY
from signoff.authentication import SESSION
from signoff.db.request_lists import SORTS
from tests.api.conftest import Api, problem


async def test_it_is_served_and_all_its_references_lead_somewhere(api: Api) -> None:
    document = (await api.http.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    for name, schema in document["components"]["schemas"].items():
        Draft202012Validator.check_schema(schema)
        assert name
    for reference in _references(document):
        found: Any = document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]


async def test_every_route_says_who_calls_what_it_does_and_how_it_refuses(api: Api) -> None:
    document = api.app.openapi()
    schemes = document["components"]["securitySchemes"]
    assert (schemes["session"]["in"], schemes["session"]["name"]) == ("cookie", SESSION)
    assert [set(each) for each in SECURITY] == [{name} for name in schemes]
    for path, item in document["paths"].items():
        for operation in item.values():
            assert operation["description"], path
            if path in OPEN:
                assert operation["security"] == []
                continue
            assert operation["security"] == SECURITY
            refusals = {"401", "403", "404", "422", "500", "503"}
            if "requestBody" in operation:
                refusals |= {"400", "413", "415"}
            assert refusals <= set(operation["responses"]), path
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    assert list(response["content"]) == ["application/problem+json"], path


async def test_the_sorts_of_requests_are_listed(api: Api) -> None:
    parameters = api.app.openapi()["paths"]["/requests"]["get"]["parameters"]
    [sort] = [each for each in parameters if each["name"] == "sort"]
    assert sort["schema"]["enum"] == list(SORTS)


def _references(part: Any) -> list[str]:
    if isinstance(part, list):
        return [found for each in part for found in _references(each)]
    if not isinstance(part, dict):
        return []
    below = [found for each in part.values() for found in _references(each)]
    return [part["$ref"], *below] if isinstance(part.get("$ref"), str) else below


async def test_it_can_be_read_and_tried_on_a_page_that_needs_no_other_host(api: Api) -> None:
    desk = FastAPI()
    desk.mount("/desk", api.app)
    transport = httpx.ASGITransport(desk)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as nobody:
        page = await nobody.get("/desk/docs")
        assert "default-src 'self'" in page.headers["content-security-policy"]
        files = re.findall('(?:src|href)="(?!data:)([^"]+)"', page.text)
        assert len(files) == 3
        for file in files:
            answer = await nobody.get(str(page.url.join(file)))
            assert answer.status_code == 200, file
            assert answer.headers["content-type"].startswith(("text/javascript", "text/css"))
        assert (await nobody.get(str(page.url.join("openapi.json")))).json()["paths"]
        problem(await nobody.get("/desk/docs/swagger-ui/nothing.js"), 404, "route_not_found")
