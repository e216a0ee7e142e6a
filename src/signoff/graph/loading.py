"""Graphs as a project has them, loaded and compiled with the desk's checkpointer."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from langgraph.graph import START, StateGraph
from langgraph.pregel import Pregel

from signoff.domain.errors import ConfigError
from signoff.graph.catalog import Catalog, Served
from signoff.graph.saver import SignoffSaver

GraphLike = Any
"""A `StateGraph`, a compiled graph, or a function that returns one of these."""


def serve(graphs: Mapping[str, GraphLike], saver: Callable[[str], SignoffSaver]) -> Catalog:
    """These graphs, each compiled with a checkpointer of its own.

    Raises:
        ConfigError: One is no graph, or does not compile.
    """
    return Catalog(_served(name, graph, saver(name)) for name, graph in graphs.items())


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
        allowed = getattr(graph, "_serde_allowlist", None)  # of its state, for a strict reader
        strict = saver if allowed is None else saver.with_allowlist(allowed)
        return graph.copy({"checkpointer": strict})
    if callable(graph):
        return _compiled(name, _make(name, graph), saver)
    raise ConfigError(
        f"graph {name!r} is {type(graph).__name__}, not a StateGraph or its compile()"
    )


def _served(name: str, graph: GraphLike, saver: SignoffSaver) -> Served:
    compiled = compile_graph(name, graph, saver)
    inside = (inner for _, inner in compiled.get_subgraphs(recurse=True))
    everywhere = [compiled, *(each for each in inside if isinstance(each, Pregel))]
    breaks = any(each.interrupt_before_nodes or each.interrupt_after_nodes for each in everywhere)
    nodes = {node for each in everywhere for node in each.nodes} - {START}
    # LangGraph puts one in the saver's place that reads back the types of the graph's state.
    own = compiled.checkpointer if isinstance(compiled.checkpointer, SignoffSaver) else saver
    return Served(name, compiled, own, breaks=breaks, nodes=nodes)


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


def _load(project: Path, name: str, spec: str) -> GraphLike:
    target, colon, variable = spec.rpartition(":")
    if not colon or not target or not variable:
        raise ConfigError(f"graph {name!r}: {spec!r} is not of the form ./file.py:variable")
    if "/" in target and not target.endswith(".py"):
        raise ConfigError(f"graph {name!r}: {target} is no Python file")
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
