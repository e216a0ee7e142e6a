"""The graphs that a desk serves, by name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from signoff.domain.errors import ConfigError, GraphNotFound

if TYPE_CHECKING:
    # A catalog of graphs that are executed elsewhere has no use for LangGraph, which loads slowly.
    from langgraph.pregel import Pregel

    from signoff.graph.saver import SignoffSaver

ASSISTANTS = UUID("6ba7b821-9dad-11d1-80b4-00c04fd430c8")
"""The namespace in which LangGraph's server derives an assistant's id from its graph's name."""

MAX_NAME = 255
"""Characters in the name of a graph, which stands in the paths of its pages and routes."""


def assistant_id(graph: str) -> UUID:
    """The id of a graph's one assistant: the same on every machine."""
    return uuid5(ASSISTANTS, graph)


class Served:
    """A graph under its name; without the graph, one that other processes execute.

    `breaks` says whether it, or a graph inside it, was compiled with breakpoints; `nodes` are its
    own and those of the graphs inside it, None if that is not known.

    Raises:
        ConfigError: No graph can have that name.
    """

    def __init__(
        self,
        name: str,
        graph: Pregel[Any, Any, Any, Any] | None = None,
        saver: SignoffSaver | None = None,
        *,
        breaks: bool = False,
        nodes: Collection[str] | None = None,
    ) -> None:
        if not 0 < len(name) <= MAX_NAME or not name.isprintable() or "/" in name:
            raise ConfigError(
                f"a graph's name has 1 to {MAX_NAME} printable characters and no slash, "
                f"not {name!r}"
            )
        self.name = name
        self.breaks = breaks
        self.nodes = nodes
        self._graph = graph
        self._saver = saver

    @property
    def assistant_id(self) -> UUID:
        """The id of the graph's one assistant."""
        return assistant_id(self.name)

    @property
    def graph(self) -> Pregel[Any, Any, Any, Any]:
        """The graph, compiled with `saver`.

        Raises:
            ConfigError: Only other processes have it.
        """
        if self._graph is None:
            raise ConfigError(f"this process does not execute graph {self.name!r}")
        return self._graph

    @property
    def saver(self) -> SignoffSaver:
        """The graph's checkpointer.

        Raises:
            ConfigError: Only other processes have the graph.
        """
        if self._saver is None:
            raise ConfigError(f"this process does not execute graph {self.name!r}")
        return self._saver

    def misses(self, nodes: str | Iterable[str] | None) -> str | None:
        """The first of these nodes that the graph does not have; ``"*"`` is all that it has.

        Of a graph that is executed elsewhere, nothing is known.
        """
        if self._graph is None or nodes in (None, "*"):
            return None
        return next((name for name in nodes or () if name not in self._graph.nodes), None)


class Catalog(Mapping[str, Served]):
    """Graphs by name."""

    def __init__(self, served: Iterable[Served]) -> None:
        self._served = {each.name: each for each in served}
        self._by_id = {str(each.assistant_id): each for each in self._served.values()}

    def __getitem__(self, name: str) -> Served:
        return self._served[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._served)

    def __len__(self) -> int:
        return len(self._served)

    def find(self, name_or_id: str) -> Served:
        """The graph with this name or assistant id.

        Raises:
            GraphNotFound: There is none.
        """
        served = self._served.get(name_or_id) or self._by_id.get(name_or_id)
        if served is None:
            names = ", ".join(self._served) or "none"
            raise GraphNotFound(f"No graph {name_or_id!r} is served here (served: {names}).")
        return served
