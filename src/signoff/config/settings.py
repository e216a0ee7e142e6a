"""All settings there are."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from signoff.config.messages import Notifications, Smtp
from signoff.config.types import Duration
from signoff.domain.session import SessionRules
from signoff.openid.settings import OpenIdSettings

PREFIX = "SIGNOFF_"
"""What the names of Signoff's environment variables begin with."""


def _keys(value: Any) -> Any:
    return value.split() if isinstance(value, str) else value


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


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

    @property
    def groups_come(self) -> bool:
        """Whether people bring groups along when they sign in: there may be any some day."""
        return self.oidc is not None and self.oidc.groups_claim is not None

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
