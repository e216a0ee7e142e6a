"""Health: nobody has to say who asks, and readiness asks the database."""

from __future__ import annotations

import pytest

from signoff import Signoff
from signoff.service import health
from tests.api.conftest import Api, client_of, problem


async def test_the_server_is_up_and_ready(api: Api) -> None:
    async with api.client() as nobody:
        for path in ("/healthz", "/readyz"):
            response = await nobody.get(path)
            assert (response.status_code, response.json()) == (200, {"status": "ok"})
            assert (await nobody.head(path)).status_code == 200


async def test_a_database_that_does_not_answer_in_time_is_not_ready(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "TIMEOUT", 0.0)
    async with api.client() as nobody:
        problem(await nobody.get("/readyz"), 503, "database_unreachable")
        assert (await nobody.get("/healthz")).status_code == 200


async def test_a_desk_that_is_not_open_is_not_ready(database_url: str) -> None:
    app = Signoff(database_url, {}).asgi_app()
    async with client_of(app, {}) as nobody:
        assert (await nobody.get("/healthz")).status_code == 200
        problem(await nobody.get("/readyz"), 503, "database_not_ready")


async def test_an_application_served_by_itself_opens_and_closes_its_desk(
    database_url: str,
) -> None:
    desk = Signoff(database_url, {})
    app = desk.asgi_app()
    async with client_of(app, {}) as nobody:
        async with app.router.lifespan_context(app):
            assert (await nobody.get("/readyz")).status_code == 200
            async with app.router.lifespan_context(app):  # it is open already, and stays so
                pass
            assert (await nobody.get("/readyz")).status_code == 200
        assert (await nobody.get("/readyz")).status_code == 503
