"""The JSON Schemas of a graph: what it takes, keeps and returns."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, NotRequired, Required, get_args, get_origin, get_type_hints

from langgraph.pregel import Pregel
from pydantic import BaseModel, TypeAdapter, create_model
from typing_extensions import TypedDict, is_typeddict

from signoff.domain.jsontext import to_json
from signoff.graph.catalog import Served

JSONSchema = dict[str, Any]


def schemas(name: str, graph: Pregel[Any, Any, Any, Any]) -> dict[str, Any]:
    """A graph's schemas in the form of LangGraph's server; null where none can be made."""
    return {
        "graph_id": name,
        "input_schema": _made(graph.get_input_jsonschema) or _made(lambda: _input(graph)),
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


def _input(graph: Pregel[Any, Any, Any, Any]) -> JSONSchema | None:
    """The schema of a TypedDict, which Pydantic does not read before Python 3.12."""
    given = getattr(getattr(graph, "builder", None), "input_schema", None)
    return _schema_of(_readable(given)) if is_typeddict(given) else None


def _readable(kind: Any) -> Any:
    """A type in which Pydantic can read each TypedDict; what cannot be read is anything."""
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if not is_typeddict(kind):
        return kind if _made(partial(_schema_of, kind)) else Any
    hints = get_type_hints(kind, include_extras=True)
    fields = {name: _field(hint, kind.__total__) for name, hint in hints.items()}
    return TypedDict(kind.__name__, fields)  # type: ignore[operator]


def _field(hint: Any, required: bool) -> Any:
    while (origin := get_origin(hint)) in (Annotated, Required, NotRequired):
        required = origin is Required or (required and origin is not NotRequired)
        hint = get_args(hint)[0]
    return Required[_readable(hint)] if required else NotRequired[_readable(hint)]


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
