"""The graphs that are served, each of which is LangGraph's one assistant of that graph."""

from __future__ import annotations

from typing import Any

from signoff.graph import schemas
from signoff.service.office import Office


def graph_schemas(office: Office, name_or_id: str) -> dict[str, Any]:
    """The JSON Schemas of a graph.

    Raises:
        GraphNotFound: There is none of this name or assistant id.
    """
    return schemas.schemas(office.catalog.find(name_or_id))
