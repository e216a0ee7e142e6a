"""The JSON Schemas of a graph: what it takes, keeps and returns."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

from pydantic import BaseModel, TypeAdapter, create_model

from signoff.graph.catalog import Served

JSONSchema = dict[str, Any]


def schemas(served: Served) -> dict[str, Any]:
    """The graph's schemas in the form of LangGraph's server; null where none can be made."""
    graph = served.graph
    return {
        "graph_id": served.name,
        "input_schema": _made(graph.get_input_jsonschema),
        "output_schema": _made(graph.get_output_jsonschema),
        "state_schema": _made(lambda: _state(served)),
        "config_schema": None,
        "context_schema": _made(graph.get_context_jsonschema),
    }


def _state(served: Served) -> JSONSchema:
    channels = served.graph.channels
    fields: dict[str, Any] = {}
    for name in served.graph.stream_channels_list:
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
