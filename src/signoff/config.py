"""Settings, read once: `signoff.toml` in the project's folder, and `SIGNOFF_*` above it."""

from __future__ import annotations

import json
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from signoff.domain.duration import parse
from signoff.domain.errors import ConfigError

CONFIG_FILE = "signoff.toml"
LANGGRAPH_FILE = "langgraph.json"


def _duration(value: Any) -> timedelta:
    return parse(value)


Duration = Annotated[timedelta, BeforeValidator(_duration)]


class Settings(BaseSettings):
    """All settings of a process.

    In `signoff.toml` they stand at the top level, except `graphs`, which is a table. In the
    environment each is `SIGNOFF_` and its name in capitals, and wins over the file.
    """

    model_config = SettingsConfigDict(env_prefix="SIGNOFF_", frozen=True, extra="ignore")

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
    shutdown_grace: Duration = Field(
        default=timedelta(seconds=10),
        description="How long a worker that is told to stop lets its runs end.",
    )
    host: str = Field(default="127.0.0.1", description="The address that the server listens on.")
    port: int = Field(default=8124, ge=0, le=65535, description="Its port; 0 takes a free one.")
    insecure: bool = Field(
        default=False,
        description="Let `serve` believe the header X-Signoff-Principal of whoever calls.",
    )
    log_level: str = Field(default="info", description="debug, info, warning or error.")

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
    """The settings of the project in a folder; graphs come from `langgraph.json` as well.

    Raises:
        ConfigError: A file is not well formed, or a setting is unknown or has a wrong value.
    """
    path = file or project / CONFIG_FILE
    given = _read_toml(path) if path.exists() else {}
    if file is not None and not path.exists():
        raise ConfigError(f"there is no file {path}")
    if unknown := sorted(given.keys() - Settings.model_fields.keys()):
        raise ConfigError(f"{path}: no such setting: {', '.join(unknown)}")
    given["graphs"] = {**_langgraph_json(project / LANGGRAPH_FILE), **given.get("graphs", {})}
    try:
        settings = Settings(**given)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()
        )
        raise ConfigError(f"{path}: {wrong}") from error
    if not settings.data_dir.is_absolute():
        settings = settings.model_copy(update={"data_dir": project / settings.data_dir})
    return settings


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{path}: {error}") from error


def _langgraph_json(path: Path) -> dict[str, str]:
    """The graphs of a `langgraph.json`; each is a path, or an object with a `path`."""
    if not path.exists():
        return {}
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        graphs = data.get("graphs", {})
        return {
            name: spec["path"] if isinstance(spec, dict) else str(spec)
            for name, spec in graphs.items()
        }
    except (ValueError, AttributeError, KeyError, OSError) as error:
        raise ConfigError(f"{path}: {error}") from error
