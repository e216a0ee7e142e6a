"""Rules on what stands around a pause: the node runs again from its top with each answer."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator

from signoff.lint.finding import Flaw
from signoff.lint.source import (
    ONCE,
    PAUSES,
    Function,
    Source,
    blocks,
    leaves,
    own,
    position,
)

BUBBLES = frozenset({"langgraph.errors.GraphInterrupt", "langgraph.errors.GraphBubbleUp"})
BROAD = BUBBLES | {"Exception", "BaseException"}


# --- SO101: swallowed --------------------------------------------------------------------------


def swallowed(source: Source) -> Iterator[Flaw]:
    """A pause is an exception on its way to LangGraph: whoever catches all catches it."""
    for function in source.functions:
        for pause in source.pauses(function):
            for around, part in source.around(pause, function):
                if isinstance(around, ast.Try) and part in around.body:
                    yield from _catching(source, around, pause)
                elif isinstance(around, ast.With | ast.AsyncWith) and part in around.body:
                    yield from _suppressing(source, around, pause)


def _catching(source: Source, statement: ast.Try, pause: ast.Call) -> Iterator[Flaw]:
    for handler in statement.handlers:
        if not _catches(source, handler.type):
            continue
        if not _raises_again(handler):
            caught = "except" if handler.type is None else f"except {ast.unparse(handler.type)}"
            yield Flaw(
                handler,
                "SO101",
                f"`{caught}` swallows the pause of line {pause.lineno}, so that nobody is asked: "
                "catch what can go wrong, or put `except GraphBubbleUp: raise` before it",
            )
        return


def _suppressing(
    source: Source, statement: ast.With | ast.AsyncWith, pause: ast.Call
) -> Iterator[Flaw]:
    for item in statement.items:
        call = item.context_expr
        if (
            isinstance(call, ast.Call)
            and source.name(call.func) == "contextlib.suppress"
            and any(_catches(source, each) for each in call.args)
        ):
            yield Flaw(
                call,
                "SO101",
                f"`{ast.unparse(call)}` swallows the pause of line {pause.lineno}, so that "
                "nobody is asked: name what can go wrong",
            )


def _catches(source: Source, caught: ast.expr | None) -> bool:
    if isinstance(caught, ast.Tuple):
        return any(_catches(source, each) for each in caught.elts)
    return caught is None or source.name(caught).removeprefix("builtins.") in BROAD


def _raises_again(handler: ast.ExceptHandler) -> bool:
    raised = [each.exc for each in ast.walk(handler) if isinstance(each, ast.Raise)]
    return any(
        each is None or (isinstance(each, ast.Name) and each.id == handler.name) for each in raised
    )


# --- SO102: side effects -----------------------------------------------------------------------

EFFECTS = frozenset(
    {
        *(f"{library}.{verb}" for library in ("requests", "httpx") for verb in ("post", "put")),
        *(f"{library}.{verb}" for library in ("requests", "httpx") for verb in ("patch", "delete")),
        *("subprocess.run", "subprocess.call", "subprocess.check_call", "subprocess.check_output"),
        *("subprocess.Popen", "os.system", "os.remove", "os.unlink", "os.rename", "shutil.rmtree"),
        "shutil.move",
    }
)
EFFECT_NAMES = frozenset({"sendmail", "chat_postMessage", "publish", "charge", "refund", "commit"})
EFFECT_BEGINNINGS = ("send_", "notify_", "publish_", "charge_", "refund_", "transfer_", "email_")
WRITING_VERBS = frozenset({"post", "put", "patch", "delete"})
CLIENTS = ("client", "session", "http", "api")


def effects_before(source: Source) -> Iterator[Flaw]:
    """By their names: nobody can tell what a function does."""
    doing = {each.name for each in source.functions if any(_effects(source, each, ()))}
    for function in source.functions:
        pauses = source.pauses(function)
        for effect in _effects(source, function, doing - {function.name}) if pauses else ():
            later = [each for each in pauses if _comes_before(source, effect, each, function)]
            if later:
                yield Flaw(
                    effect,
                    "SO102",
                    f"{ast.unparse(effect.func)}() comes before the pause of line "
                    f"{later[0].lineno} and happens again when that is answered: put it into "
                    "`once()`, or into a node before this one",
                )


def _effects(source: Source, function: Function, doing: Collection[str]) -> Iterator[ast.Call]:
    for node in own(function):
        if not isinstance(node, ast.Call) or _is_repeatable(node):
            continue
        if _is_effect(source, node) or source.local(node) in doing:
            yield node


def _is_effect(source: Source, call: ast.Call) -> bool:
    name = source.name(call.func)
    if name in EFFECTS:
        return True
    last = call.func.attr if isinstance(call.func, ast.Attribute) else name.rpartition(".")[2]
    if last in EFFECT_NAMES or last.startswith(EFFECT_BEGINNINGS):
        return True
    if last in WRITING_VERBS and isinstance(call.func, ast.Attribute):
        return source.name(call.func.value).rpartition(".")[2].lower().endswith(CLIENTS)
    return False


def _is_repeatable(call: ast.Call) -> bool:
    """Whether the call itself says that it may be repeated: it has an idempotency key."""
    return any("idempoten" in ast.unparse(each).lower() for each in call.keywords)


def _comes_before(source: Source, effect: ast.Call, pause: ast.Call, function: Function) -> bool:
    """Whether an effect can have happened by the time of a pause, in one execution."""
    if effect is pause:
        return False
    way = list(source.around(effect, function))
    of_effect = dict(way)
    if pause in of_effect:
        return True  # it stands in what is asked
    shared, part = next(each for each in source.around(pause, function) if each[0] in of_effect)
    outer = [shared, *(around for around, _ in source.around(shared, function))]
    if any(isinstance(each, ast.For | ast.AsyncFor | ast.While) for each in outer):
        return True  # a later round asks, and the earlier ones are gone through again
    if position(effect) > position(pause) or _exclude(shared, of_effect[shared], part):
        return False
    inner = way[: [around for around, _ in way].index(shared)]
    return not any(
        inside in block and leaves(block)
        for around, inside in inner
        for block in blocks(around)
        if isinstance(inside, ast.stmt)
    )


def _exclude(around: ast.AST, one: ast.AST, other: ast.AST) -> bool:
    """Whether two parts of a statement are never executed both."""
    match around:
        case ast.If(body=body, orelse=orelse):
            return (one in body and other in orelse) or (one in orelse and other in body)
        case ast.IfExp(body=then, orelse=otherwise):
            return {one, other} == {then, otherwise}
        case ast.Match(cases=cases):
            return one in cases and other in cases and one is not other
        case ast.Try(handlers=handlers, orelse=orelse):
            return one in handlers and (other in handlers or other in orelse)
    return False


# --- SO103 to SO105: what changes from run to run ----------------------------------------------

CLOCKS = frozenset(
    {
        *("time.time", "time.time_ns", "time.monotonic", "time.perf_counter"),
        *("datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today"),
        "datetime.date.today",
    }
)
CHANGING = CLOCKS | {"uuid.uuid1", "uuid.uuid4", "os.urandom"}
CHANGING_MODULES = ("random.", "secrets.", "numpy.random.")


def changing_order(source: Source) -> Iterator[Flaw]:
    """Answers go to questions by their order: it has to be the same each time."""
    for function in source.functions:
        pauses = source.pauses(function)
        changing = _changing_names(source, function, clocks=False) if pauses else set()
        for pause in pauses:
            for around, part in source.around(pause, function):
                yield from _changing_tests(source, around, part, changing, pause)
                if (
                    isinstance(around, ast.For | ast.AsyncFor)
                    and part in around.body
                    and _is_set(source, around.iter, function)
                ):
                    yield Flaw(
                        around,
                        "SO103",
                        f"the pause of line {pause.lineno} is in a loop over a set, whose order "
                        "changes from process to process: sort it",
                    )


def _changing_tests(
    source: Source, around: ast.AST, part: ast.AST, changing: set[str], pause: ast.Call
) -> Iterator[Flaw]:
    """The conditions under which a pause is reached, at one level."""
    tests: list[ast.If | ast.While | ast.IfExp] = []
    if isinstance(around, ast.If | ast.While | ast.IfExp) and part is not around.test:
        tests.append(around)
    for block in blocks(around):
        before = block[: block.index(part)] if isinstance(part, ast.stmt) and part in block else []
        tests += [e for e in before if isinstance(e, ast.If) and any(map(leaves, blocks(e)))]
    for test in tests:
        if _changes(source, test.test, changing):
            yield Flaw(
                test,
                "SO103",
                f"whether the pause of line {pause.lineno} is reached depends on what is another "
                "when the node runs again: decide it in a node before, or keep it by `once()`",
            )


def changing_question(source: Source) -> Iterator[Flaw]:
    """An answer is used for the question that it was given to alone."""
    for function in source.functions:
        pauses = [each for each in source.pauses(function) if source.name(each.func) in PAUSES]
        changing = _changing_names(source, function, clocks=False) if pauses else set()
        for pause in pauses:
            given = [*pause.args, *(each.value for each in pause.keywords)]
            if any(_changes(source, each, changing) for each in given):
                yield Flaw(
                    pause,
                    "SO104",
                    "what is asked is another when the node runs again, so that its answer never "
                    "fits: take it from the state, or keep it by `once()`",
                )


def elapsed_time(source: Source) -> Iterator[Flaw]:
    """The clock is read anew when the node runs with the answer."""
    for function in source.functions:
        pauses = source.pauses(function)
        times = _changing_names(source, function, clocks=True) if pauses else set()
        for node in own(function) if times else ():
            if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Sub):
                continue
            if isinstance(node.right, ast.Name) and node.right.id in times:
                read = [n for n in own(function) if _assigns(n, node.right.id)]
                between = [p for p in pauses if position(p) < position(node)]
                if any(position(r) < position(p) for r in read for p in between):
                    yield Flaw(
                        node,
                        "SO105",
                        "this is about zero, as the node runs again with the answer: "
                        "`decision.waited` is how long the request was open",
                    )


def _assigns(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Assign) and any(
        isinstance(each, ast.Name) and each.id == name for each in node.targets
    )


def _changing_names(source: Source, function: Function, *, clocks: bool) -> set[str]:
    """The variables of a function that are another each time."""
    found: set[str] = set()
    while True:
        more = set(found)
        for node in own(function):
            if not isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr | ast.AugAssign):
                continue
            if node.value is None or not _changes(source, node.value, found, clocks=clocks):
                continue
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            parts = (part for target in targets for part in ast.walk(target))
            more |= {part.id for part in parts if isinstance(part, ast.Name)}
        if more == found:
            return found
        found = more


def _changes(
    source: Source, expression: ast.AST, changing: Collection[str], *, clocks: bool = False
) -> bool:
    """Whether a value is another each time; what `once()` or a pause returns is not."""
    if isinstance(expression, ast.Lambda):
        return False
    if isinstance(expression, ast.Call):
        name = source.name(expression.func)
        if name in ONCE or name in PAUSES:
            return False
        if name in (CLOCKS if clocks else CHANGING):
            return True
        if name.startswith(CHANGING_MODULES) and not clocks:
            return True
    if isinstance(expression, ast.Name):
        return expression.id in changing
    return any(
        _changes(source, each, changing, clocks=clocks) for each in ast.iter_child_nodes(expression)
    )


def _is_set(source: Source, expression: ast.expr, function: Function) -> bool:
    match expression:
        case ast.Set() | ast.SetComp():
            return True
        case ast.Call(func=called):
            if source.name(called) == "enumerate" and expression.args:
                return _is_set(source, expression.args[0], function)
            return source.name(called) in ("set", "frozenset")
        case ast.BinOp(op=ast.BitOr() | ast.BitAnd() | ast.Sub() | ast.BitXor(), left=left):
            return _is_set(source, left, function)
        case ast.Name(id=name):
            values = [
                e.value for e in own(function) if isinstance(e, ast.Assign) and _assigns(e, name)
            ]
            return bool(values) and all(
                not isinstance(each, ast.Name) and _is_set(source, each, function)
                for each in values
            )
    return False


# --- SO106: sleeping ---------------------------------------------------------------------------


def sleeping(source: Source) -> Iterator[Flaw]:
    """One loop serves all threads of a worker, and its heartbeat."""
    for function in source.functions:
        if isinstance(function, ast.AsyncFunctionDef):
            for node in own(function):
                if isinstance(node, ast.Call) and source.name(node.func) == "time.sleep":
                    yield Flaw(
                        node,
                        "SO106",
                        "time.sleep() stops all threads of this worker, which is taken for dead: "
                        "`await asyncio.sleep()`; and a deadline is `within=`",
                    )
