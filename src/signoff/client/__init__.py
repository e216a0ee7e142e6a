"""A client of a desk's HTTP API: `Client`, and `AsyncClient` with the same methods to await.

It speaks of requests, decisions, the audit, messages and preferences. Threads, runs and assistants
have the shapes of LangGraph's server, and LangGraph's own SDK is their client.

    with Client("http://127.0.0.1:8124", api_key="signoff_...") as desk:
        for request in desk.requests(state="open").items:
            desk.decide(request.id, "approve", digest=request.digest)

What the desk refuses is raised as the exceptions that the library raises (`signoff.errors`); what
goes wrong on the way, as those of httpx.
"""

from signoff.api.engine_schemas import State
from signoff.api.schemas import (
    Action,
    AuditEntry,
    AuditPage,
    DeliveryPage,
    Outcome,
    Preferences,
    Request,
    RequestPage,
    SentMessage,
    Vote,
)
from signoff.client.awaiting import AsyncClient
from signoff.client.blocking import Client
from signoff.client.calls import AuditFilters, Ballot, DeliveryFilters, Filters

__all__ = [
    "Action",
    "AsyncClient",
    "AuditEntry",
    "AuditFilters",
    "AuditPage",
    "Ballot",
    "Client",
    "DeliveryFilters",
    "DeliveryPage",
    "Filters",
    "Outcome",
    "Preferences",
    "Request",
    "RequestPage",
    "SentMessage",
    "State",
    "Vote",
]
