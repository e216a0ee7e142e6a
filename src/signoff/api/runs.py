"""Runs, in the shapes of LangGraph's server: start, resume or continue; wait, list, cancel."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal, TypeAlias

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from signoff.api import engine_schemas
from signoff.api.route import WITH_BODY, Answer, Caller, Route, refusals
from signoff.api.waiting import KEEP_ALIVE, answer_at_end
from signoff.api.wire import Unsupported, only, refuse, selected
from signoff.authentication import require
from signoff.domain.errors import InvalidInput
from signoff.domain.principal import Role
from signoff.domain.run import Run, RunStatus
from signoff.domain.webhook import url_problem
from signoff.graph.wish import STREAM_MODES, StreamMode
from signoff.render import RUN_STATUS, run_json
from signoff.service import read
from signoff.service.cancel import cancel_run
from signoff.service.decide import resume
from signoff.service.resuming import Terms, said
from signoff.service.sight import check_graph
from signoff.service.start_run import Order, start_run
from signoff.service.wait import watching

router = APIRouter(tags=["runs"], route_class=Route)

FIELDS = tuple(engine_schemas.Run.model_fields)


class RunConfig(BaseModel):
    """LangGraph's settings of one run."""

    model_config = ConfigDict(extra="forbid")

    configurable: dict[str, Any] = {}
    recursion_limit: int | None = Field(default=None, ge=1, le=10_000)
    tags: list[str] | None = None
    metadata: dict[str, Any] | None = None

    @field_validator("configurable")
    @classmethod
    def _goes_on_where_the_thread_stands(cls, configurable: dict[str, Any]) -> dict[str, Any]:
        for key in ("checkpoint_id", "checkpoint_ns", "checkpoint_map"):
            if configurable.get(key):
                refuse(key, "is not supported", within="/config/configurable")
        return configurable


class Command(BaseModel):
    """What to tell a thread that waits."""

    model_config = ConfigDict(extra="forbid")

    resume: Any = Field(
        default=None,
        description="The answer to the one question that waits, or answers by interrupt id. It is "
        "a decision by the caller, under the request's policy.",
    )
    update: Annotated[None, only(within="/command")] = None
    goto: Annotated[None, only(within="/command"), BeforeValidator(lambda goto: goto or None)] = (
        None  # that there is none, LangGraph's `Command` says by an empty list
    )


def _modes(value: Any) -> Any:
    given = [value] if isinstance(value, str) else value
    if given == [""]:
        return None  # so a client sends a parameter that it leaves out
    for mode in given if isinstance(given, list) else ():
        if mode not in STREAM_MODES:
            refuse("stream_mode", f"can only be of {', '.join(STREAM_MODES)}")
    return given


StreamModes: TypeAlias = Annotated[list[StreamMode] | None, BeforeValidator(_modes)]


def _webhook(value: Any) -> Any:
    if isinstance(value, str) and (problem := url_problem(value)) is not None:
        refuse("webhook", problem)
    return value


Webhook: TypeAlias = Annotated[str | None, BeforeValidator(_webhook)]

Nodes: TypeAlias = list[str] | Literal["*"] | None


class RunCreate(BaseModel):
    """A run to start; without input and command it goes on from where the thread stands."""

    assistant_id: str = Field(description="The graph's name or its assistant id.")
    input: Any = None
    command: Command | None = None
    config: RunConfig | None = None
    context: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    interrupt_before: Nodes = None
    interrupt_after: Nodes = None
    multitask_strategy: Annotated[
        Literal["enqueue", "reject"] | None, only("enqueue", "reject")
    ] = Field(default=None, description="While a run is under way: wait for it, or 409.")
    if_not_exists: Literal["create", "reject"] | None = None
    durability: Annotated[Literal["sync", "async"] | None, only("sync", "async")] = Field(
        default=None, description="`exit` could lose a pause that somebody has seen."
    )
    checkpoint_during: Annotated[Literal[True] | None, only(True)] = None
    on_disconnect: Annotated[Literal["continue"] | None, only("continue")] = None
    stream_mode: StreamModes = Field(
        default=None,
        description="What the run streams, for whoever follows it or its thread. Without it "
        "`values`; but `runs/wait` streams nothing, and an answer goes on as the run that asked.",
    )
    stream_subgraphs: bool | None = Field(
        default=None, description="Also what subgraphs stream, as `mode|namespace`."
    )
    stream_resumable: bool | None = Field(default=None, description="Every stream is.")
    strict_resume: bool | None = Field(
        default=None, description="An answer to what does not wait is always refused."
    )
    checkpoint: Unsupported = None
    checkpoint_id: Unsupported = None
    webhook: Webhook = Field(
        default=None,
        description="An address to call with the run and the state when it pauses or ends, and "
        "when the runs do that go on from there.",
    )
    after_seconds: Unsupported = None
    on_completion: Annotated[Literal["keep"] | None, only("keep")] = None
    feedback_keys: Unsupported = None
    langsmith_tracer: Unsupported = None

    @property
    def resumes(self) -> bool:
        """Whether it answers what the thread waits for."""
        return self.command is not None and "resume" in self.command.model_fields_set


@router.post(
    "/threads/{thread_id}/runs",
    response_model=engine_schemas.Run,
    responses=refusals(409, *WITH_BODY),
)
async def create_run(caller: Caller, request: Request, thread_id: str, order: RunCreate) -> Answer:
    """Start a run in the background."""
    if order.stream_mode is None and not order.resumes:
        order = order.model_copy(update={"stream_mode": ["values"]})
    run = replace(await begin(caller, thread_id, order), status=RunStatus.QUEUED)
    # Where this process has begun it with the commit, that is told to whoever asks again.
    return Answer(run_json(run), headers={"content-location": location(request, run)})


@router.post(
    "/threads/{thread_id}/runs/wait",
    response_model=dict[str, Any],
    responses=refusals(409, *WITH_BODY),
)
async def wait_for_new_run(
    caller: Caller, request: Request, thread_id: str, order: RunCreate
) -> Response:
    """Start a run, and answer with the state in which it ends or pauses.

    A pause has `__interrupt__` besides the state's values; a run that fails has `__error__` alone.
    """
    async with watching(caller.office, caller.desk.notices, thread_id) as watch:
        run = await begin(caller, thread_id, order)
        headers = _headers(request, run)
        return await answer_at_end(caller, watch, run.id, headers, look=False)


@router.get(
    "/threads/{thread_id}/runs",
    response_model=list[engine_schemas.Run | engine_schemas.SelectedRun],
    responses=refusals(),
)
async def list_runs(
    caller: Caller,
    thread_id: str,
    limit: Annotated[int, Query(ge=1, le=read.MAX_PAGE)] = 10,
    offset: Annotated[int, Query(ge=0, le=read.MAX_OFFSET)] = 0,
    status: engine_schemas.RunStatus | None = None,
    select: Annotated[list[Literal[FIELDS]] | None, Query()] = None,  # type: ignore[valid-type]
) -> Answer:
    """A thread's runs, the newest first."""
    meant = None
    if status is not None:
        meant = [own for own, word in RUN_STATUS.items() if word == status]
    runs = await read.list_runs(caller.office, thread_id, status=meant, limit=limit, offset=offset)
    return Answer([selected(run_json(run), select) for run in runs])


@router.get(
    "/threads/{thread_id}/runs/{run_id}", response_model=engine_schemas.Run, responses=refusals()
)
async def get_run(caller: Caller, thread_id: str, run_id: str) -> Answer:
    """One run as it stands."""
    return Answer(run_json(await read.get_run(caller.office, thread_id, run_id)))


@router.get(
    "/threads/{thread_id}/runs/{run_id}/join",
    response_model=dict[str, Any],
    responses=refusals(),
)
async def join_run(caller: Caller, request: Request, thread_id: str, run_id: str) -> Response:
    """Wait for a run, and answer with the state in which it ends or pauses, as `runs/wait` does."""
    run = await read.get_run(caller.office, thread_id, run_id)
    async with watching(caller.office, caller.desk.notices, thread_id) as watch:
        headers = _headers(request, run)
        return await answer_at_end(caller, watch, run.id, headers, look=True)


@router.post(
    "/threads/{thread_id}/runs/{run_id}/cancel",
    status_code=202,
    response_class=Response,
    responses={**refusals(409), 204: {"description": "Cancelled, and it has stopped"}},
)
async def cancel(
    caller: Caller,
    thread_id: str,
    run_id: str,
    wait: Annotated[bool, Query(description="Answer once it has stopped.")] = False,
    action: Literal["interrupt", "rollback"] = "interrupt",
) -> Response:
    """Stop a run, and withdraw what it asks; 409 if it has ended."""
    if action == "rollback":
        refuse("action", "can only be interrupt")
    async with watching(caller.office, caller.desk.notices, thread_id) as watch:
        await cancel_run(caller.office, thread_id, run_id, by=caller.by)
        while wait and not (await watch.look(run_id)).ended:
            await watch.until_ended(run_id, within=KEEP_ALIVE)
    return Response(status_code=204 if wait else 202)


async def begin(caller: Caller, thread_id: str, order: RunCreate) -> Run:
    """Start, continue or resume as it is ordered."""
    if order.command is not None and order.resumes:
        return await _resume(caller, thread_id, order, order.command.resume)
    require(caller.principal, Role.OPERATOR)
    config = order.config or RunConfig()
    return await start_run(
        caller.office,
        Order(
            graph=check_graph(caller.office, caller.principal, order.assistant_id),
            thread_id=thread_id,
            by=caller.by,
            input=order.input,
            config=config.model_dump(exclude={"metadata"}, exclude_none=True),
            context=order.context,
            metadata={**(config.metadata or {}), **(order.metadata or {})},
            options=order.model_dump(include=OPTIONS, exclude_none=True),
            create=order.if_not_exists == "create",
            enqueue=order.multitask_strategy != "reject",
            graphs=caller.principal.graphs,
        ),
    )


STREAMING = {"stream_mode", "stream_subgraphs", "webhook"}
"""What a run that answers a question may have of its own; else that of the one that asked."""

OPTIONS = {"durability", "interrupt_before", "interrupt_after", "multitask_strategy", *STREAMING}
"""What is kept of a run's settings as it came."""

OF_THE_START = {"context", "interrupt_before", "interrupt_after"}
"""What a resume goes on with as the thread was started, besides the config."""


async def _resume(caller: Caller, thread_id: str, order: RunCreate, answer: Any) -> Run:
    if order.input not in (None, {}):
        raise InvalidInput.of("input", "and command exclude each other")
    if order.multitask_strategy == "reject":
        refuse("multitask_strategy", "can only be enqueue with command.resume")
    config = order.config or RunConfig()
    as_started = {"config": config.model_dump(exclude={"metadata"}, exclude_none=True)}
    as_started |= order.model_dump(include=OF_THE_START, exclude_none=True)
    terms = Terms(
        options=order.model_dump(include=STREAMING, exclude_none=True),
        metadata={**(config.metadata or {}), **(order.metadata or {})},
        as_started={name: given for name, given in as_started.items() if said(given)},
    )
    graph = check_graph(caller.office, caller.principal, order.assistant_id)
    return await resume(caller.office, thread_id, answer, by=caller.by, graph=graph, terms=terms)


def _headers(request: Request, run: Run) -> dict[str, str]:
    where = location(request, run)
    return {"location": f"{where}/join", "content-location": where}


def location(request: Request, run: Run) -> str:
    """The path of a run, as whoever called sees it."""
    root: str = request.scope.get("root_path", "")
    return f"{root}/threads/{run.thread_id}/runs/{run.id}"
