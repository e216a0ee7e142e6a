"""The graphs that a desk serves, each compiled with the desk's checkpointer."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn, TypedDict
from uuid import UUID, uuid5

from langgraph.graph import StateGraph
from langgraph.pregel import Pregel

from signoff.domain.errors import ConfigError, GraphNotFound
from signoff.graph.saver import SignoffSaver

ASSISTANTS = UUID("6ba7b821-9dad-11d1-80b4-00c04fd430c8")
"""The namespace in which LangGraph's server derives an assistant's id from its graph's name."""

GraphLike = Any
"""A `StateGraph`, a compiled graph, or a function that returns one of these."""


def assistant_id(graph: str) -> UUID:
    """The id of a graph's one assistant: the same on every machine."""
    return uuid5(ASSISTANTS, graph)


@dataclass(frozen=True, slots=True)
class Served:
    """A graph under its name."""

    name: str
    graph: Pregel[Any, Any, Any, Any]
    saver: SignoffSaver

    @property
    def assistant_id(self) -> UUID:
        """The id of the graph's one assistant."""
        return assistant_id(self.name)


class Catalog(Mapping[str, Served]):
    """Graphs by name."""

    def __init__(
        self, graphs: Mapping[str, GraphLike], saver: Callable[[str], SignoffSaver]
    ) -> None:
        self._served: dict[str, Served] = {}
        for name, graph in graphs.items():
            own = saver(name)
            self._served[name] = Served(name, compile_graph(name, graph, own), own)
        self._by_id = {str(served.assistant_id): served for served in self._served.values()}

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


def compile_graph(name: str, graph: GraphLike, saver: SignoffSaver) -> Pregel[Any, Any, Any, Any]:
    """A graph with the desk's checkpointer in place of its own; its breakpoints are kept.

    Raises:
        ConfigError: It is no graph, or does not compile.
    """
    try:
        return _compiled(name, graph, saver)
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(
            f"graph {name!r} does not compile: {type(error).__name__}: {error}"
        ) from error


def _compiled(name: str, graph: GraphLike, saver: SignoffSaver) -> Pregel[Any, Any, Any, Any]:
    if isinstance(graph, StateGraph):
        return graph.compile(checkpointer=saver, name=name)
    if isinstance(graph, Pregel):
        return graph.copy({"checkpointer": saver})
    if callable(graph):
        return _compiled(name, _make(name, graph), saver)
    raise ConfigError(
        f"graph {name!r} is {type(graph).__name__}, not a StateGraph or its compile()"
    )


def load(
    project: Path, specs: Mapping[str, str], dependencies: Sequence[str] = ()
) -> dict[str, GraphLike]:
    """The graphs that ``{name: "./file.py:variable"}`` or ``"package.module:variable"`` name.

    `project` is the folder that files are relative to. It and each file's own folder are put on
    the import path, and so are those `dependencies` that are folders, as LangGraph's command line
    does.

    Raises:
        ConfigError: A spec, its file or its variable is wrong, or the file raises on import.
    """
    for dependency in dependencies:
        folder = (project / dependency).resolve()
        if folder.is_dir() and str(folder) not in sys.path:
            sys.path.append(str(folder))
    return {name: _load(project, name, spec) for name, spec in specs.items()}


def elsewhere(names: Iterable[str]) -> dict[str, GraphLike]:
    """Stand-ins for graphs that other processes execute: enough to start runs of them by name."""
    return dict.fromkeys(names, _stand_in)


class _Nothing(TypedDict):
    """The state of a graph that is never executed."""


def _stand_in() -> GraphLike:
    def executed_elsewhere(state: _Nothing) -> NoReturn:
        raise ConfigError("this process does not execute graphs")

    return StateGraph(_Nothing).add_node(executed_elsewhere).set_entry_point("executed_elsewhere")


def _load(project: Path, name: str, spec: str) -> GraphLike:
    target, colon, variable = spec.rpartition(":")
    if not colon or not target or not variable:
        raise ConfigError(f"graph {name!r}: {spec!r} is not of the form ./file.py:variable")
    try:
        module = (
            _from_file(project, (project / target).resolve())
            if target.endswith(".py")
            else _from_package(project, target)
        )
    except ConfigError:
        raise
    except (Exception, SystemExit) as error:
        raise ConfigError(
            f"graph {name!r}: importing {target} raised {type(error).__name__}: {error}"
            f"{_line(project, error)}"
        ) from error
    try:
        return getattr(module, variable)
    except AttributeError as error:
        raise ConfigError(f"graph {name!r}: {target} has no {variable!r}") from error


def _line(project: Path, error: BaseException) -> str:
    """Where in the project's own code an exception came from; a syntax error says so by itself."""
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(project.resolve())
    ]
    if not own or isinstance(error, SyntaxError):
        return ""
    file = Path(own[-1].filename).relative_to(project.resolve())
    return f" ({file}, line {own[-1].lineno})"


def _from_file(project: Path, file: Path) -> ModuleType:
    if not file.is_file():
        raise ConfigError(f"there is no file {file}")
    for folder in (str(project.resolve()), str(file.parent)):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    module_name = f"signoff_graphs.{file.stem}_{abs(hash(str(file))):x}"
    if module_name in sys.modules:
        return sys.modules[module_name]
    spec = importlib.util.spec_from_file_location(module_name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[module_name]
        raise
    return module


def _from_package(project: Path, target: str) -> ModuleType:
    if str(project.resolve()) not in sys.path:
        sys.path.insert(0, str(project.resolve()))
    return importlib.import_module(target)


def _make(name: str, factory: Callable[..., Any]) -> GraphLike:
    """Call a function that makes a graph, with an empty config if it takes one."""
    parameters = [
        parameter
        for parameter in inspect.signature(factory).parameters.values()
        if parameter.default is parameter.empty
    ]
    made = factory(*({} for _ in parameters))
    if inspect.isawaitable(made):
        if inspect.iscoroutine(made):
            made.close()
        raise ConfigError(f"graph {name!r} is made by an async function; make it in a sync one")
    return made
