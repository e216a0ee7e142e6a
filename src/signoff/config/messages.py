"""The tables `[smtp]` and `[notifications]` of `signoff.toml`: how people are told."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from signoff.config.types import Address, Duration


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
