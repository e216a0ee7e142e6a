"""`once()`: an effect that must not happen again just because a node runs again.

A node runs again from its top after every answer, after a crash and after a retry. What it does to
the world, such as sending a letter or moving money, therefore goes through `once()`.
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar, overload
from weakref import WeakValueDictionary

T = TypeVar("T")

RUN: Final = "__signoff"
"""In a config's `configurable`: the run of a desk, whose `effects` is the `EffectLog`."""

_MAX_KEY: Final = 200


@dataclass(frozen=True, slots=True)
class Begun:
    """What a log knows of an effect."""

    done: bool
    """Whether it happened before, and came to its end."""
    result: Any
    """What it returned then."""
    idempotency_key: str
    """The same for each attempt, and for no other effect."""


class EffectLog(Protocol):
    """Where the desk that executes a run keeps the effects of its thread.

    Its methods are called in its own event loop, and never for one key at the same time.
    """

    loop: asyncio.AbstractEventLoop

    async def begin(self, key: str) -> Begun:
        """What is known of this effect; if it is not done, it is about to be."""

    async def complete(self, key: str, result: Any) -> None:
        """Keep that the effect is done, and what it returned."""


@overload
def once(key: str, fn: Callable[..., Awaitable[T]]) -> Awaitable[T]: ...
@overload
def once(key: str, fn: Callable[..., Any]) -> Any: ...
def once(key: str, fn: Callable[..., Any]) -> Any:
    """Run `fn` once per thread and `key`; every other time, return what it returned then.

    In a node that is `async`, await the call; `fn` may be sync or async there. In any other node
    the call returns the result itself.

        receipt = once("payment", lambda key: bank.pay(invoice, idempotency_key=key))

    `fn` gets an idempotency key, the same in every attempt, or nothing if it takes no argument. A
    process can die after the effect and before that is noted: `fn` is run again then, and only
    whoever gets the idempotency key can tell. If `fn` raises, the error is passed on, nothing is
    noted, and the next call runs it again. What `fn` returns must be something that the graph
    could have in its state.

    Under plain LangGraph the result is kept by LangGraph's task cache: over a resume of the same
    visit to the node, as long as the calls of `once()` in it come in the same order. Another visit,
    in a loop, runs `fn` again, with the same idempotency key. And where the config limits
    `max_concurrency`, leave room: LangGraph counts the effect as a task beside the node that waits
    for it, and stalls when waiting nodes take up the limit.

    Args:
        key: Names the effect within its thread; 1 to 200 characters.
        fn: The effect.

    Raises:
        ValueError: The key is empty, too long, or has characters that cannot be kept.
        TypeError: `fn` takes something else than a key or nothing, or is async in a sync node.
        RuntimeError: Not inside a node of a running graph, or inside `fn` of the same key.
    """
    _check_key(key)
    effect = _taking_key(fn)
    config = _config()
    run = config["configurable"].get(RUN)
    if _in_async_node(config):
        if run is None:
            return _cached_async(config, key, effect)
        return _logged_async(run.effects, key, effect)
    if inspect.iscoroutinefunction(fn):
        raise _is_async(key)
    if run is None:
        return _cached(config, key, effect)
    return _logged(run.effects, key, effect)


def idempotency_key(thread_id: str, key: str) -> str:
    """The idempotency key of an effect: the same in every process, 32 hexadecimal digits."""
    return hashlib.sha256(f"{thread_id}\n{key}".encode()).hexdigest()[:32]


# --- what is called, and where -----------------------------------------------------------------


def _check_key(key: object) -> None:
    if not isinstance(key, str) or not key or len(key) > _MAX_KEY:
        raise ValueError(f"once(): a key is a text of 1 to {_MAX_KEY} characters, not {key!r:.80}")
    if "\x00" in key or (not key.isascii() and any("\ud800" <= c <= "\udfff" for c in key)):
        raise ValueError(f"once(): the key {key!r} has a NUL or a lone surrogate in it")


def _taking_key(fn: Callable[..., Any]) -> Callable[[str], Any]:
    if not callable(fn):
        raise TypeError(f"once(): the effect is a function, not {fn!r:.80}")
    try:
        signature = inspect.signature(fn)
    except ValueError:  # some built-in functions have none
        return fn
    for arguments, effect in ((("key",), fn), ((), lambda _: fn())):
        try:
            signature.bind(*arguments)
        except TypeError:
            continue
        return effect
    raise TypeError(
        f"once(): {fn!r:.80} must take the idempotency key as its one argument, or none at all"
    )


def _is_async(key: str) -> TypeError:
    return TypeError(f"once({key!r}): the effect is async; that needs an async node and `await`")


def _config() -> Mapping[str, Any]:
    # Not at the top: LangGraph takes half a second to import, which `import signoff` need not cost.
    from langgraph.config import get_config

    try:
        config: Mapping[str, Any] = get_config()
    except RuntimeError:
        config = {}
    if "checkpoint_ns" not in config.get("configurable", {}):
        raise RuntimeError("once() works inside a node of a running graph, and only there")
    return config


def _in_async_node(config: Mapping[str, Any]) -> bool:
    """Whether the caller can await. A running event loop does not tell: in notebooks there is one
    around `graph.invoke()` and its sync nodes. The kind of callbacks does."""
    from langchain_core.callbacks import AsyncCallbackManager

    if _running_loop() is None:
        return False
    return isinstance(config.get("callbacks"), AsyncCallbackManager)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


# --- with a desk -------------------------------------------------------------------------------

_locks: WeakValueDictionary[tuple[int, str], asyncio.Lock] = WeakValueDictionary()
_under_way: ContextVar[frozenset[tuple[int, str]]] = ContextVar("_under_way", default=frozenset())


async def _begin(effects: EffectLog, key: str) -> tuple[asyncio.Lock, Begun]:
    """Wait for the effect's turn, as parallel branches may come to it together. In the log's loop.

    The lock stays taken if there is something to do.
    """
    lock = _locks.get((id(effects), key))
    if lock is None:
        lock = _locks[id(effects), key] = asyncio.Lock()
    await lock.acquire()
    begun = None
    try:
        begun = await effects.begin(key)
    finally:
        if begun is None or begun.done:
            lock.release()
    return lock, begun


def _logged(effects: EffectLog, key: str, effect: Callable[[str], Any]) -> Any:
    def wait(coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, effects.loop).result()

    if _running_loop() is effects.loop:
        raise RuntimeError(
            f"once({key!r}) in a sync node would block the desk's event loop, which it needs: in an"
            " async node, call a graph with `await graph.ainvoke()`"
        )
    inside = _entered(effects, key)
    lock, begun = wait(_begin(effects, key))
    if begun.done:
        return begun.result
    token = _under_way.set(inside)
    try:
        result = _finished(key, effect(begun.idempotency_key))
        wait(effects.complete(key, result))
        return result
    finally:
        _under_way.reset(token)
        effects.loop.call_soon_threadsafe(lock.release)


async def _logged_async(effects: EffectLog, key: str, effect: Callable[[str], Any]) -> Any:
    async def wait(coroutine: Coroutine[Any, Any, Any]) -> Any:
        if asyncio.get_running_loop() is effects.loop:
            return await coroutine
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, effects.loop))

    inside = _entered(effects, key)
    lock, begun = await wait(_begin(effects, key))
    if begun.done:
        return begun.result
    token = _under_way.set(inside)
    try:
        result = effect(begun.idempotency_key)
        if inspect.isawaitable(result):
            result = await result
        # It happened: a run that is cancelled right now still notes it.
        await asyncio.shield(wait(effects.complete(key, result)))
        return result
    finally:
        _under_way.reset(token)
        effects.loop.call_soon_threadsafe(lock.release)


def _entered(effects: EffectLog, key: str) -> frozenset[tuple[int, str]]:
    inside = _under_way.get()
    if (id(effects), key) in inside:
        raise RuntimeError(f"once({key!r}) is called inside its own effect, and would wait forever")
    return inside | {(id(effects), key)}


def _finished(key: str, result: Any) -> Any:
    if inspect.isawaitable(result):
        if inspect.iscoroutine(result):
            result.close()
        raise _is_async(key)
    return result


# --- under plain LangGraph ---------------------------------------------------------------------


class _Recent:
    """Results of this process, by visit to a node: LangGraph's cache goes by the order of calls,
    which the retry of a node and a second call with the same key disturb."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._results: OrderedDict[tuple[str, ...], Any] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, visit: tuple[str, ...]) -> tuple[Any] | None:
        with self._lock:
            return (self._results[visit],) if visit in self._results else None

    def keep(self, visit: tuple[str, ...], result: Any) -> Any:
        with self._lock:
            self._results[visit] = result
            while len(self._results) > self._size:
                self._results.popitem(last=False)
        return result


_recent = _Recent(256)


def _cached(config: Mapping[str, Any], key: str, effect: Callable[[str], Any]) -> Any:
    from langgraph.func import task

    visit = _visit(config, key)

    def perform(idempotency_key: str) -> Any:
        known = _recent.get(visit)
        if known is not None:
            return known[0]
        return _recent.keep(visit, _finished(key, effect(idempotency_key)))

    perform.__name__ = _task_name(key)
    return task(perform)(idempotency_key(visit[0], key)).result()


async def _cached_async(config: Mapping[str, Any], key: str, effect: Callable[[str], Any]) -> Any:
    from langgraph.func import task

    visit = _visit(config, key)

    async def perform(idempotency_key: str) -> Any:
        known = _recent.get(visit)
        if known is not None:
            return known[0]
        result = effect(idempotency_key)
        return _recent.keep(visit, await result if inspect.isawaitable(result) else result)

    perform.__name__ = _task_name(key)
    return await task(perform)(idempotency_key(visit[0], key))


def _visit(config: Mapping[str, Any], key: str) -> tuple[str, str, str]:
    """One visit to a node: its namespace ends in the id of its task, which lasts over resumes."""
    configurable = config["configurable"]
    namespace = str(configurable["checkpoint_ns"])
    return str(configurable.get("thread_id") or namespace), namespace, key


def _task_name(key: str) -> str:
    """By its key, lest another order of calls mistake one effect for another; hashed, as LangGraph
    makes namespaces of it."""
    return f"once_{hashlib.sha256(key.encode()).hexdigest()[:12]}"
