"""The state of threads and its history, in the shapes of LangGraph's server."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, StringConstraints

from signoff.api import engine_schemas
from signoff.api.route import WITH_BODY, Answer, Caller, Route, refusals
from signoff.api.wire import Before, CheckpointRef, selected
from signoff.service.read import MAX_PAGE
from signoff.service.state import Place, get_history, get_state
from signoff.service.update_state import update_state

router = APIRouter(tags=["state"], route_class=Route)

Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]

FIELDS = "|".join(engine_schemas.State.model_fields)

StateField = Annotated[str, StringConstraints(pattern=rf"^({FIELDS}|values\..+)$")]
"""A field of a state, or ``values.x`` for one of its values."""

Select = Annotated[list[StateField] | None, Query(description="Only these fields.")]


class StateAt(BaseModel):
    """A state to look at."""

    checkpoint: CheckpointRef
    subgraphs: bool = False
    select: list[StateField] | None = Field(default=None, description="Only these fields.")


class StateUpdate(BaseModel):
    """What to write into a thread's state."""

    values: Any = Field(description="As if the node had returned it.")
    as_node: str | None = Field(
        default=None, description="The node that it is written as; the last one, if that is clear."
    )
    checkpoint: CheckpointRef | None = Field(
        default=None, description="The place to go on from; the latest unless one is named."
    )
    checkpoint_id: str | None = None


class History(BaseModel):
    """Which states to list."""

    limit: int = Field(default=10, ge=1, le=MAX_PAGE)
    before: Before = Field(default=None, description="The id of a checkpoint, or a checkpoint.")
    metadata: dict[str, Any] | None = Field(
        default=None, description="Contained in the checkpoint's."
    )
    checkpoint: CheckpointRef = Field(
        default=CheckpointRef(), description="Whose `checkpoint_ns` names a subgraph."
    )
    select: list[StateField] | None = Field(default=None, description="Only these fields.")


@router.get(
    "/threads/{thread_id}/state",
    response_model=engine_schemas.State | engine_schemas.SelectedState,
    responses=refusals(),
)
async def latest_state(
    caller: Caller, thread_id: str, subgraphs: bool = False, select: Select = None
) -> Answer:
    """The state of a thread as it stands."""
    state = await get_state(caller.office, Place(thread_id=thread_id), subgraphs=subgraphs)
    return Answer(selected(state, select))


@router.post(
    "/threads/{thread_id}/state",
    response_model=engine_schemas.StateUpdated,
    responses=refusals(409, *WITH_BODY),
)
async def post_state(caller: Caller, thread_id: str, update: StateUpdate) -> Answer:
    """Write a new state. Open requests that it leaves behind are superseded; 409 during a run."""
    at = update.checkpoint or CheckpointRef()
    place = _place(thread_id, at, update.checkpoint_id)
    checkpoint = await update_state(
        caller.office, place, update.values, as_node=update.as_node, by=caller.by
    )
    return Answer({"checkpoint": checkpoint, "checkpoint_id": checkpoint["checkpoint_id"]})


@router.post(
    "/threads/{thread_id}/state/checkpoint",
    response_model=engine_schemas.State | engine_schemas.SelectedState,
    responses=refusals(*WITH_BODY),
)
async def state_at_checkpoint(caller: Caller, thread_id: str, at: StateAt) -> Answer:
    """The state of a thread, or of a subgraph in it, at a place of its history."""
    place = _place(thread_id, at.checkpoint)
    state = await get_state(caller.office, place, subgraphs=at.subgraphs)
    return Answer(selected(state, at.select))


@router.get(
    "/threads/{thread_id}/state/{checkpoint_id}",
    response_model=engine_schemas.State | engine_schemas.SelectedState,
    responses=refusals(),
)
async def state_at(
    caller: Caller,
    thread_id: str,
    checkpoint_id: str,
    subgraphs: bool = False,
    select: Select = None,
) -> Answer:
    """The state of a thread at a checkpoint."""
    place = Place(thread_id=thread_id, id=checkpoint_id)
    state = await get_state(caller.office, place, subgraphs=subgraphs)
    return Answer(selected(state, select))


@router.get(
    "/threads/{thread_id}/history",
    response_model=list[engine_schemas.State | engine_schemas.SelectedState],
    responses=refusals(),
)
async def history(
    caller: Caller,
    thread_id: str,
    limit: Limit = 10,
    before: Annotated[str | None, Query(description="The id of a checkpoint.")] = None,
) -> Answer:
    """The states of a thread, the latest first."""
    return await post_history(caller, thread_id, History(limit=limit, before=before))


@router.post(
    "/threads/{thread_id}/history",
    response_model=list[engine_schemas.State | engine_schemas.SelectedState],
    responses=refusals(*WITH_BODY),
)
async def post_history(caller: Caller, thread_id: str, wanted: History) -> Answer:
    """The states of a thread, or of a subgraph in it, the latest first."""
    states = await get_history(
        caller.office,
        _place(thread_id, wanted.checkpoint),
        before=wanted.before,
        metadata=wanted.metadata,
        limit=wanted.limit,
    )
    return Answer([selected(state, wanted.select) for state in states])


def _place(thread_id: str, at: CheckpointRef, checkpoint_id: str | None = None) -> Place:
    return Place(
        thread_id=thread_id,
        id=at.checkpoint_id or checkpoint_id,
        namespace=at.checkpoint_ns,
    )
