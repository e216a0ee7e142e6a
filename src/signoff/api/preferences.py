"""How whoever calls wishes to be told of requests."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import ConfigDict

from signoff.api import schemas
from signoff.api.route import WITH_BODY, Answer, Caller, Route, refusals
from signoff.domain.errors import InvalidInput, InvalidPolicy
from signoff.project import preferences as tables
from signoff.service import preferences

router = APIRouter(tags=["preferences"], route_class=Route)


class ChosenNotify(schemas.Notify):
    """Of what to be told, and in which ways."""

    model_config = ConfigDict(extra="forbid")


class ChosenQuiet(schemas.Quiet):
    """When rather not."""

    model_config = ConfigDict(extra="forbid")


class ChosenPreferences(schemas.Preferences):
    """What to choose; what is left out is as it is for whoever has chosen nothing."""

    model_config = ConfigDict(extra="forbid")

    notify: ChosenNotify = ChosenNotify()
    quiet: ChosenQuiet | None = None


@router.get("/preferences", response_model=schemas.Preferences, responses=refusals())
async def get_preferences(caller: Caller) -> Answer:
    """How one is told: as one has chosen, else as is said for one."""
    user = await preferences.get(caller.office, caller.by)
    return Answer(user.wishes.to_json())


@router.put("/preferences", response_model=schemas.Preferences, responses=refusals(*WITH_BODY))
async def choose(caller: Caller, body: ChosenPreferences) -> Answer:
    """Choose how one is told."""
    try:
        chosen = tables.read(body.model_dump(mode="json", exclude_unset=True))
    except InvalidPolicy as error:
        raise InvalidInput(error.message, error.errors) from error
    user = await preferences.choose(caller.office, caller.by, chosen)
    return Answer(user.wishes.to_json())


@router.delete("/preferences", response_model=schemas.Preferences, responses=refusals())
async def forget(caller: Caller) -> Answer:
    """Go back to what is said for one."""
    user = await preferences.choose(caller.office, caller.by, None)
    return Answer(user.wishes.to_json())
