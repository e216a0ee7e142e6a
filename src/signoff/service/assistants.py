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
    served = office.catalog.find(name_or_id)
    return schemas.schemas(served.name, served.graph)


async def subgraph_schemas(
    office: Office, name_or_id: str, namespace: str | None, *, recurse: bool
) -> dict[str, Any]:
    """The JSON Schemas of the graphs inside a graph, by where they are.

    Raises:
        GraphNotFound: There is none of this name or assistant id.
    """
    served = office.catalog.find(name_or_id)
    return await schemas.subgraphs(served, namespace, recurse=recurse)


def graph_drawing(office: Office, name_or_id: str, xray: int | bool) -> dict[str, Any]:
    """The nodes and edges of a graph; with `xray`, also those of the graphs inside.

    Raises:
        GraphNotFound: There is none of this name or assistant id.
    """
    return schemas.drawing(office.catalog.find(name_or_id), xray)
