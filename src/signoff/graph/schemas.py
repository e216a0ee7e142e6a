"""The JSON Schemas of a graph: what it takes, keeps and returns."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

from langgraph.pregel import Pregel
from pydantic import BaseModel, TypeAdapter, create_model

from signoff.domain.jsontext import to_json
from signoff.graph.catalog import Served

JSONSchema = dict[str, Any]


def schemas(name: str, graph: Pregel[Any, Any, Any, Any]) -> dict[str, Any]:
    """A graph's schemas in the form of LangGraph's server; null where none can be made."""
    return {
        "graph_id": name,
        "input_schema": _made(graph.get_input_jsonschema),
        "output_schema": _made(graph.get_output_jsonschema),
        "state_schema": _made(lambda: _state(graph)),
        "config_schema": None,
        "context_schema": _made(graph.get_context_jsonschema),
    }


async def subgraphs(served: Served, namespace: str | None, *, recurse: bool) -> dict[str, Any]:
    """The schemas of the graphs inside a graph, by where they are: all, or those there.

    A graph that is executed elsewhere, such as a `RemoteGraph`, is left out: it tells none.
    """
    inside = served.graph.aget_subgraphs(namespace=namespace, recurse=recurse)
    return {
        path: schemas(served.name, graph)
        async for path, graph in inside
        if isinstance(graph, Pregel)
    }


def drawing(served: Served, xray: int | bool) -> dict[str, Any]:
    """The nodes and edges of a graph; with `xray`, those of the graphs inside, so many levels."""
    drawn: Any = to_json(served.graph.get_graph(xray=xray).to_json())
    return dict(drawn)


def _state(graph: Pregel[Any, Any, Any, Any]) -> JSONSchema:
    channels = graph.channels
    fields: dict[str, Any] = {}
    for name in graph.stream_channels_list:
        kind = getattr(channels[name], "UpdateType", Any)
        fields[name] = (kind if _made(partial(_schema_of, kind)) else Any, None)
    state: type[BaseModel] = create_model("State", **fields)
    return state.model_json_schema()


def _schema_of(kind: Any) -> JSONSchema:
    return TypeAdapter(kind).json_schema()


def _made(schema: Callable[[], JSONSchema | None]) -> JSONSchema | None:
    """A schema; None for types that have none, which are many in the states of graphs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return schema()
        except Exception:
            return None
