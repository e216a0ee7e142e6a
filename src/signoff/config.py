"""Settings, read once: `signoff.toml` in the project's folder, and `SIGNOFF_*` above it.

A project may also have a `langgraph.json`, for LangGraph's own tools. Its graphs, its folders and
its variables are taken over.
"""

from __future__ import annotations

import json
import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from signoff.domain.address import mailbox
from signoff.domain.duration import parse
from signoff.domain.errors import ConfigError, InvalidPolicy
from signoff.domain.session import SessionRules
from signoff.openid.settings import OpenIdSettings
from signoff.project.files import CONFIG_FILE, LANGGRAPH_FILE, LangGraphJson, SignoffToml

TABLES = ("breakpoints", "calendar", "policy", "user", "webhook")
"""Tables of `signoff.toml` that are no settings: `signoff.policies.reading` reads them."""

PREFIX = "SIGNOFF_"
"""What the names of Signoff's environment variables begin with."""

GONE = {
    "insecure": "whoever calls has an API key (`signoff keys create`) or signs in (`signoff users "
    "password`); on your own machine `signoff dev` takes neither"
}
"""Settings that there were, and what takes their place."""


def _duration(value: Any) -> timedelta:
    try:
        return parse(value)
    except InvalidPolicy as error:
        raise ValueError(error.message) from error


def _keys(value: Any) -> Any:
    return value.split() if isinstance(value, str) else value


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


Duration = Annotated[timedelta, BeforeValidator(_duration)]


def _address(value: str) -> str:
    if mailbox(value) is None:
        raise ValueError(f"{value!r:.80} is no e-mail address")
    return value


Address = Annotated[str, AfterValidator(_address)]


class Smtp(BaseModel):
    """`[smtp]`: the server that takes e-mails."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(min_length=1, description="The name of the server.")
    port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="Its port. None: 587, 465 with tls, 25 without either.",
    )
    security: Literal["starttls", "tls", "none"] = Field(
        default="starttls",
        description="How the connection is encrypted: starttls, tls or none. It is never less.",
    )
    user: str | None = Field(default=None, description="The name to sign in with, if it asks.")
    password: SecretStr | None = Field(
        default=None, description="The password; better in SIGNOFF_SMTP_PASSWORD."
    )
    sender: Address = Field(
        alias="from",
        description="Who e-mails are from, such as `Signoff <signoff@firm.com>`.",
    )
    reply_to: Address | None = Field(default=None, description="Where answers go.")
    timeout: Duration = Field(
        default=timedelta(seconds=20), description="How long the server may take for one e-mail."
    )


class Notifications(BaseModel):
    """`[notifications]`: what messages to people look like."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    templates: Path | None = Field(
        default=None, description="A folder with templates in place of Signoff's own."
    )
    contents: bool = Field(
        default=True,
        description="Show in messages what is asked; if not, only its title and where to look.",
    )
    mail_dir: Path | None = Field(
        default=None,
        description="Where e-mails are written to files as long as there is no [smtp]. `dev` "
        "writes them to `mail` in data_dir.",
    )


class Settings(BaseSettings):
    """All settings of a process.

    In `signoff.toml` they stand at the top level; `graphs`, `smtp`, `notifications` and `oidc` are
    tables. In the environment each is `SIGNOFF_` and its name in capitals, and wins over the file.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
    )

    database_url: str | None = Field(
        default=None,
        description="The PostgreSQL database. None starts an embedded one in `data_dir`.",
    )
    data_dir: Path = Field(
        default=Path(".signoff"), description="Where an embedded database keeps its files."
    )
    graphs: dict[str, str] = Field(
        default_factory=dict,
        description="The graphs to serve: a name and `./file.py:variable` or `package:variable`.",
    )
    dependencies: tuple[str, ...] = Field(
        default=(),
        description="Folders that graphs import modules from. What is no folder is passed over.",
    )
    concurrency: int = Field(
        default=64, ge=1, le=1000, description="Threads that one worker works on at a time."
    )
    connections: int = Field(
        default=12, ge=2, le=200, description="Database connections of one process."
    )
    takeover: Duration = Field(
        default=timedelta(seconds=15),
        description="After a worker's death, its threads go on elsewhere within this time.",
    )
    keep_streams: Duration = Field(
        default=timedelta(hours=1),
        description="How long what runs have streamed is kept for those who come back for it.",
    )
    encryption_keys: Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_keys)] = Field(
        default=(),
        description="Keys that what people and graphs say is encrypted with at rest, each 32 bytes "
        "in base64; the first encrypts, all decrypt. In the environment: with spaces between.",
    )
    encryption_keys_file: Path | None = Field(
        default=None, description="A file with such keys, one in a line, that follow on those."
    )
    encryption_strict: bool = Field(
        default=False,
        description="Refuse what is not encrypted, once `signoff encrypt` has gone through it all.",
    )
    audit_key: Path | None = Field(
        default=None,
        description="The file with the key that anchors of the audit are signed with.",
    )
    audit_public_keys: tuple[str, ...] = Field(
        default=(), description="Public keys that anchors may be signed with besides that one."
    )
    keep_audit: Duration | None = Field(
        default=None, description="How long entries of the audit are kept; None: for ever."
    )
    anchor_every: Duration = Field(
        default=timedelta(minutes=1), description="How often the audit is anchored."
    )
    shutdown_grace: Duration = Field(
        default=timedelta(seconds=10),
        description="How long a process that is told to stop lets its runs and calls end.",
    )
    host: str = Field(default="127.0.0.1", description="The address that the server listens on.")
    port: int = Field(default=8124, ge=0, le=65535, description="Its port; 0 takes a free one.")
    public_url: str | None = Field(
        default=None,
        description="The address that people reach the server at, such as "
        "https://signoff.firm.com: links in messages begin with it.",
    )
    link_lifetime: Duration = Field(
        default=timedelta(days=7),
        le=timedelta(days=30),
        description="How long one may decide by the link of a message.",
    )
    trusted_proxies: tuple[str, ...] = Field(
        default=(),
        description="Addresses or networks whose X-Forwarded-For and X-Forwarded-Proto hold.",
    )
    allowed_hosts: tuple[str, ...] = Field(
        default=(),
        description="Names that the server goes by, such as `*.firm.com`; none: whatever is asked.",
    )
    read_timeout: Duration = Field(
        default=timedelta(seconds=30),
        description="How long the head of a call may take to arrive, and then its body.",
    )
    max_connections: int = Field(
        default=1000, ge=1, description="Connections that a server takes; more get 503."
    )
    metrics: bool = Field(default=True, description="Serve figures for Prometheus.")
    metrics_host: str = Field(
        default="127.0.0.1", description="The address that `metrics_port` is on."
    )
    metrics_port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="A port for /metrics alone. None: a server has them on its own, a worker none.",
    )
    tracing: bool = Field(
        default=False, description="Send traces by OpenTelemetry; it takes `signoff[otel]`."
    )
    smtp: Smtp | None = Field(
        default=None, description="The server that takes e-mails. None: there are no e-mails."
    )
    smtp_password: SecretStr | None = Field(
        default=None, description="Its password, for the environment."
    )
    notifications: Notifications = Field(
        default_factory=Notifications, description="What messages to people look like."
    )
    outgoing_allowed: tuple[str, ...] = Field(
        default=(),
        description="Hosts and networks inside that webhooks and chats may be at, such as "
        '"hooks.firm.lan" or "10.1.0.0/16". Everything outside may be called anyway.',
    )
    delivery_timeout: Duration = Field(
        default=timedelta(seconds=30), description="How long one delivery of a message may take."
    )
    keep_messages: Duration = Field(
        default=timedelta(days=30),
        description="How long messages that were sent or given up are kept, once the request "
        "they tell of is closed.",
    )
    oidc: OpenIdSettings | None = Field(
        default=None, description="The OpenID provider that people sign in with."
    )
    session_idle: Duration = Field(
        default=SessionRules().idle,
        ge=timedelta(minutes=1),
        description="How long somebody stays signed in without doing anything.",
    )
    session_longest: Duration = Field(
        default=SessionRules().longest,
        ge=timedelta(minutes=1),
        description="How long somebody stays signed in in any case.",
    )
    session_rotation: Duration = Field(
        default=SessionRules().rotation,
        ge=timedelta(minutes=1),
        description="How old the token of a session becomes before it is replaced.",
    )
    key_rate: int = Field(
        default=6000, ge=1, description="Calls a minute with one API key that a server takes."
    )
    by: str | None = Field(
        default=None,
        description="Who acts on the command line. None: the user of the operating system.",
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)] = (
        Field(default="info", description="What is logged: debug, info, warning or error, and up.")
    )

    log_format: Literal["auto", "json", "text"] = Field(
        default="auto", description="json or text; auto: text in a terminal, else JSON."
    )

    @property
    def session_rules(self) -> SessionRules:
        """How long somebody stays signed in."""
        return SessionRules(
            idle=self.session_idle, longest=self.session_longest, rotation=self.session_rotation
        )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over what is passed in, which is the file."""
        return env_settings, init_settings


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
