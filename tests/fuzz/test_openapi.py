"""Whatever a client may send by the OpenAPI document, with each role: schemathesis makes it up.

Half of what names something is replaced by what there is, so that it comes to more than a 404.
Every answer is one that the document has: its status, its media type, its content; none is a 500;
what does not fit the document is refused; and afterwards nothing is half done.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import strategies as st
from schemathesis import Case
from schemathesis.specs.openapi import checks

from signoff import Role, Signoff
from signoff.config import Settings
from tests.api.conftest import closed
from tests.fuzz.conftest import bounded
from tests.fuzz.world import KNOWN, SCENES, World

ENDLESS = {"/events", "/threads/{thread_id}/stream"}
"""Streams that go on for ever: of them, the heads are looked at."""

NOT_PROMISED = [
    checks.positive_data_acceptance,  # what is well formed may still not fit what there is
    checks.use_after_free,
    checks.ensure_resource_availability,
    checks.ignored_auth,  # tests/api/test_access.py
]


def strict(document: dict[str, Any]) -> dict[str, Any]:
    """The document with answers that have no more properties than it lists.

    It has its own copy of all schemas for them: what is sent may have more.
    """
    document = copy.deepcopy(document)
    schemas = document["components"]["schemas"]
    answers = {f"Answer{name}": _of_answers(closed(part)) for name, part in schemas.items()}
    schemas |= answers
    for item in document["paths"].values():
        for operation in item.values():
            operation["security"] = []  # who calls, the test says
            for answer in operation["responses"].values():
                for content in answer.get("content", {}).values():
                    content["schema"] = _of_answers(content.get("schema", {}))
    return document


def _of_answers(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_of_answers(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: part.replace("/schemas/", "/schemas/Answer") if key == "$ref" else _of_answers(part)
        for key, part in schema.items()
    }


DOCUMENT = Signoff(graphs={}, config=Settings()).asgi_app().openapi()
SCHEMA = schemathesis.openapi.from_dict(strict(DOCUMENT))


@pytest.fixture(autouse=True)
def whole(world: World) -> Iterator[None]:
    """After each route nothing is half done, and the audit holds."""
    yield
    world.check()


def with_known(value: Any, choose: random.Random, name: str = "") -> Any:
    """What was made up, where much of what names something names what there is."""
    if isinstance(value, list):
        return [with_known(each, choose, name) for each in value]
    if isinstance(value, dict):
        return {key: with_known(part, choose, key) for key, part in value.items()}
    if name in KNOWN and choose.random() < 0.8:
        return choose.choice(KNOWN[name])
    return value


def _says_nothing(given: Any) -> bool:
    """Whether a parameter is there and empty, as a client sends what it leaves out."""
    return isinstance(given, dict) and given.get("stream_mode") in ("", [""])


ROLES = [*Role, Role.REVIEWER, Role.OPERATOR, Role.ADMIN, Role.ADMIN, Role.ADMIN]


@SCHEMA.parametrize()
@SCHEMA.given(role=st.sampled_from(ROLES), seed=st.integers(0, 2**32))
@bounded(14)
def test_every_answer_is_one_that_the_document_has(
    case: Case, role: Role, seed: int, world: World
) -> None:
    choose = random.Random(seed)
    scene = choose.choice([*SCENES])
    not_promised = [*NOT_PROMISED]
    for where in ("path_parameters", "query", "body"):
        given = getattr(case, where)
        if isinstance(given, dict | list) and given:
            known = world.real(with_known(given, choose), scene)
            if known != given or _says_nothing(known):
                not_promised.append(checks.negative_data_rejection)  # it may fit by now
            setattr(case, where, known)
    sent = case.as_transport_kwargs(base_url=world.address, headers=world.headers(role))
    endless = case.path in ENDLESS
    with requests.request(**sent, stream=endless, timeout=20) as response:
        if endless and response.ok:
            response._content = b""
        case.validate_response(response, excluded_checks=not_promised)
        if response.status_code >= 400:
            assert response.json()["status"] == response.status_code
