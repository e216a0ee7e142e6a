"""Assistants over HTTP: one for each graph."""

from __future__ import annotations

import pytest

from signoff.graph.catalog import assistant_id
from tests.api.conftest import Api, problem


async def test_each_graph_is_an_assistant_found_by_name_or_id(api: Api) -> None:
    found = await api.http.post("/assistants/search", json={})
    names = [assistant["graph_id"] for assistant in found.json()]
    assert names == ["drafts", "failing", "gate", "nested", "pair", "single"]
    assert found.headers["x-pagination-total"] == "6"
    for graph in ("drafts", str(assistant_id("drafts"))):
        assistant = (await api.http.get(f"/assistants/{graph}")).json()
        assert assistant["assistant_id"] == str(assistant_id("drafts"))
        assert assistant["graph_id"] == "drafts"


async def test_the_search_narrows_sorts_and_pages(api: Api) -> None:
    async def names(**search: object) -> list[str]:
        response = await api.http.post("/assistants/search", json=search)
        return [assistant["graph_id"] for assistant in response.json()]

    assert await names(graph_id="pair") == ["pair"]
    assert await names(name="ING") == ["failing", "single"]
    assert await names(sort_order="desc", limit=2, offset=1) == ["pair", "nested"]
    assert await names(metadata={"created_by": "system"}, limit=1) == ["drafts"]
    assert await names(metadata={"created_by": {"x": []}}) == []
    response = await api.http.post("/assistants/search", json={"select": ["name"], "limit": 1})
    assert response.json() == [{"name": "drafts"}]
    problem(await api.http.post("/assistants/search", json={"limit": 0}), 422, "invalid_input")


async def test_a_graph_shows_its_schemas(api: Api) -> None:
    schemas = (await api.http.get("/assistants/drafts/schemas")).json()
    assert schemas["graph_id"] == "drafts"
    assert set(schemas["state_schema"]["properties"]) == {
        "topic",
        "text",
        "decision",
        "policy",
        "finished",
        "log",
    }


@pytest.mark.parametrize("name", ["nothing", "7d1c53a1-9d4e-4f3f-8a43-0f2b1d6c5e90", "%00"])
async def test_an_unknown_assistant_is_not_found(api: Api, name: str) -> None:
    problem(await api.http.get(f"/assistants/{name}"), 404, "graph_not_found")
    problem(await api.http.get(f"/assistants/{name}/schemas"), 404, "graph_not_found")
