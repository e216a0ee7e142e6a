"""Which role each route takes. A route that is not listed here cannot be made.

`docs/reference/access.md` has the same table, with what else a route asks for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from signoff.domain.principal import Role

ROLES: Mapping[str, Role] = {
    "GET /requests": Role.VIEWER,
    "GET /requests/{request_id}": Role.VIEWER,
    "GET /requests/{request_id}/state": Role.VIEWER,
    "GET /requests/{request_id}/audit": Role.VIEWER,
    "GET /audit": Role.VIEWER,
    "GET /events": Role.VIEWER,
    "GET /stats": Role.VIEWER,
    "GET /preferences": Role.VIEWER,
    "PUT /preferences": Role.VIEWER,
    "DELETE /preferences": Role.VIEWER,
    "GET /deliveries": Role.OPERATOR,
    "GET /deliveries/{delivery_id}": Role.OPERATOR,
    "POST /deliveries/{delivery_id}/redelivery": Role.OPERATOR,
    "POST /requests/decisions": Role.REVIEWER,
    "POST /requests/{request_id}/decisions": Role.REVIEWER,
    "DELETE /requests/{request_id}/decisions": Role.REVIEWER,
    "PUT /requests/{request_id}/claim": Role.REVIEWER,
    "DELETE /requests/{request_id}/claim": Role.REVIEWER,
    "POST /requests/{request_id}/delegations": Role.REVIEWER,
    "POST /requests/{request_id}/comments": Role.REVIEWER,
    "POST /requests/{request_id}/withdrawal": Role.REVIEWER,
    "POST /requests/{request_id}/retry": Role.OPERATOR,
    "POST /assistants/search": Role.VIEWER,
    "POST /assistants/count": Role.VIEWER,
    "GET /assistants/{assistant_id}": Role.VIEWER,
    "GET /assistants/{assistant_id}/graph": Role.VIEWER,
    "GET /assistants/{assistant_id}/subgraphs": Role.VIEWER,
    "GET /assistants/{assistant_id}/subgraphs/{namespace}": Role.VIEWER,
    "GET /assistants/{assistant_id}/schemas": Role.VIEWER,
    "POST /threads": Role.OPERATOR,
    "POST /threads/search": Role.VIEWER,
    "POST /threads/count": Role.VIEWER,
    "GET /threads/{thread_id}": Role.VIEWER,
    "PATCH /threads/{thread_id}": Role.OPERATOR,
    "DELETE /threads/{thread_id}": Role.OPERATOR,
    "GET /threads/{thread_id}/state": Role.VIEWER,
    "POST /threads/{thread_id}/state": Role.ADMIN,
    "POST /threads/{thread_id}/state/checkpoint": Role.VIEWER,
    "GET /threads/{thread_id}/state/{checkpoint_id}": Role.VIEWER,
    "GET /threads/{thread_id}/history": Role.VIEWER,
    "POST /threads/{thread_id}/history": Role.VIEWER,
    "GET /threads/{thread_id}/runs": Role.VIEWER,
    "GET /threads/{thread_id}/runs/{run_id}": Role.VIEWER,
    "GET /threads/{thread_id}/runs/{run_id}/join": Role.VIEWER,
    "GET /threads/{thread_id}/runs/{run_id}/stream": Role.VIEWER,
    "GET /threads/{thread_id}/stream": Role.VIEWER,
    # Where they answer a question, with `command.resume`; to start a run takes an operator.
    "POST /threads/{thread_id}/runs": Role.REVIEWER,
    "POST /threads/{thread_id}/runs/wait": Role.REVIEWER,
    "POST /threads/{thread_id}/runs/stream": Role.REVIEWER,
    "POST /threads/{thread_id}/runs/{run_id}/cancel": Role.OPERATOR,
    "POST /runs": Role.OPERATOR,
    "POST /runs/wait": Role.OPERATOR,
    "POST /runs/stream": Role.OPERATOR,
}
"""The least role that a route takes."""


def role_of(methods: Iterable[str] | None, path: str) -> Role:
    """The role that a route takes.

    Raises:
        LookupError: Nobody has said which.
    """
    [method] = methods or ()
    return ROLES[f"{method} {path}"]
