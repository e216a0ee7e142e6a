"""Settings are read from `signoff.toml`, `langgraph.json` and the environment."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_settings import SettingsError

from signoff.config.settings import PREFIX, Settings
from signoff.domain.errors import ConfigError
from signoff.openid.settings import OpenIdSettings
from signoff.project.files import CONFIG_FILE, LANGGRAPH_FILE, LangGraphJson, SignoffToml

TABLES = ("breakpoints", "calendar", "policy", "user", "webhook")
"""Tables of `signoff.toml` that are no settings: `signoff.policies.reading` reads them."""

GONE = {
    "insecure": "whoever calls has an API key (`signoff keys create`) or signs in (`signoff users "
    "password`); on your own machine `signoff dev` takes neither"
}
"""Settings that there were, and what takes their place."""


def load(project: Path, *, file: Path | None = None) -> Settings:
    """The settings of the project in a folder; `file` names another `signoff.toml` than its own.

    Graphs and dependencies come from `langgraph.json` as well; a graph of the same name in
    `signoff.toml` wins.

    Raises:
        ConfigError: A file is not well formed, or a setting is unknown or has a wrong value; it
            says which, and in which line as far as that can be said. Or it is one that there was.
    """
    if file is not None and not file.exists():
        raise ConfigError(f"there is no file {file}")
    known = {*Settings.model_fields, *TABLES, *GONE}
    toml = SignoffToml.read(file or project / CONFIG_FILE, known=known)
    _refuse_what_is_gone(toml)
    langgraph = LangGraphJson.read(project / LANGGRAPH_FILE)
    given = {"dependencies": langgraph.dependencies, **toml.content}
    if isinstance(graphs := given.get("graphs", {}), dict):
        given["graphs"] = {**langgraph.graphs, **graphs}
    if isinstance(oidc := given.get("oidc", {}), dict) and (oidc := {**oidc, **_oidc_variables()}):
        given["oidc"] = oidc
    try:
        settings = Settings(**given)
    except ValidationError as error:
        raise ConfigError("; ".join(_explain(toml, each) for each in error.errors())) from error
    except SettingsError as error:
        # Pydantic's words are for programmers, but they name the field.
        named = re.search(r'field "(\w+)"', str(error))
        variable = f"{PREFIX}{named[1].upper()}" if named else str(error)
        raise ConfigError(f"{variable}: it is to be JSON") from error
    return settings.model_copy(
        update={
            **_in(project, settings, "data_dir", "audit_key", "encryption_keys_file"),
            "notifications": settings.notifications.model_copy(
                update=_in(project, settings.notifications, "templates", "mail_dir")
            ),
        }
    )


def _in(project: Path, settings: BaseModel, *names: str) -> dict[str, Path]:
    """Those of these paths that are set, from the project's folder."""
    places = {name: getattr(settings, name) for name in names}
    return {name: project / place for name, place in places.items() if place is not None}


def export_variables(project: Path) -> None:
    """Put the variables of the project's `langgraph.json` into this process's environment.

    They win over those that are set, as with LangGraph's own command line. Only a `SIGNOFF_*`
    variable that is set stays.

    Raises:
        ConfigError: The file, or the one with variables that it names, is not well formed.
    """
    for name, value in LangGraphJson.read(project / LANGGRAPH_FILE).variables().items():
        if not (name.startswith(PREFIX) and name in os.environ):
            os.environ[name] = value


def _refuse_what_is_gone(toml: SignoffToml) -> None:
    for name, instead in GONE.items():
        variable = f"{PREFIX}{name.upper()}"
        if os.environ.get(variable):
            raise ConfigError(f"the setting {variable} is gone: {instead}")
        if name in toml.content:
            raise ConfigError(f"{toml.where([name])}: the setting {name} is gone: {instead}")


def _oidc_variables() -> dict[str, Any]:
    """What the environment says of the OpenID provider, each setting by itself.

    Raises:
        ConfigError: What is to be a list or a table is no JSON.
    """
    found: dict[str, Any] = {}
    for name, field in OpenIdSettings.model_fields.items():
        variable = f"{PREFIX}OIDC_{name.upper()}"
        if text := os.environ.get(variable):
            try:
                structured = isinstance(field.get_default(call_default_factory=True), tuple | dict)
                found[name] = json.loads(text) if structured else text
            except json.JSONDecodeError as error:
                raise ConfigError(f"{variable}: it is to be JSON") from error
    return found


_WORDS = {"extra_forbidden": "there is no such setting", "missing": "this is needed"}
"""What Pydantic says in words for programmers."""


def _explain(toml: SignoffToml, error: Any) -> str:
    place = [str(each) for each in error["loc"]]
    message = _WORDS.get(error["type"], error["msg"].removeprefix("Value error, "))
    for variable in ("_".join(place[:2]), place[0]):
        if os.environ.get(variable := f"{PREFIX}{variable.upper()}"):
            return f"{variable}: {message}"
    return f"{toml.where(place)}: {'.'.join(place)}: {message}"
