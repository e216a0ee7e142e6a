"""The table `[oidc]` of `signoff.toml`: the OpenID provider that people sign in with."""

from __future__ import annotations

from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from signoff.domain.identity import EMAIL, Rules
from signoff.domain.principal import GROUP, Role

LOOPBACK = ("localhost", "127.0.0.1", "::1")


class OpenIdSettings(BaseModel):
    """How people sign in with an OpenID provider, and what its claims make of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer: str = Field(description="The provider's address, exactly as it names itself.")
    client_id: str = Field(min_length=1, description="What the provider knows Signoff as.")
    client_secret: SecretStr | None = Field(
        default=None, description="What Signoff shows it; None: a public client, by PKCE alone."
    )
    label: str | None = Field(
        default=None, description="What people call it: `Sign in with ...`. None: its host."
    )
    scopes: tuple[str, ...] = Field(
        default=("openid", "profile", "email"), description="What it is asked for."
    )
    name_claim: str = Field(
        default=EMAIL, min_length=1, description="The claim that is the name of a user."
    )
    trust_email: bool = Field(
        default=False,
        description="Take e-mail addresses of which it does not say whether they are verified.",
    )
    groups_claim: str | None = Field(default=None, description="The claim with somebody's groups.")
    roles_claim: str | None = Field(
        default=None, description="The claim that `roles` is about. None: the groups."
    )
    roles: dict[str, Role] = Field(
        default_factory=dict, description="Roles, by groups or values of `roles_claim`."
    )
    default_role: Role | Literal["none"] = Field(
        default=Role.REVIEWER, description="The role of all others; none: they are not let in."
    )
    graphs: dict[str, tuple[str, ...] | Literal["*"]] = Field(
        default_factory=dict, description="The graphs that a group may know of, by groups."
    )
    allowed_domains: tuple[str, ...] = Field(
        default=(), description="Whose e-mail addresses are let in; none: all."
    )
    allowed_groups: tuple[str, ...] = Field(
        default=(), description="Which groups are let in; none: all."
    )
    create_users: bool = Field(
        default=False, description="Make a user of whoever signs in and is none yet."
    )
    sign_out_there: bool = Field(
        default=True, description="Signing out goes on to the provider, if it knows how."
    )

    @field_validator("issuer")
    @classmethod
    def _address(cls, value: str) -> str:
        parts = urlsplit(value)
        if not is_trustworthy(value) or parts.query or parts.fragment:
            raise ValueError("it is an https:// address, or http:// on this machine")
        return value

    @field_validator("scopes")
    @classmethod
    def _with_openid(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return value if "openid" in value else ("openid", *value)

    @field_validator("allowed_domains")
    @classmethod
    def _domains(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(each.lower().removeprefix("@") for each in value)

    @field_validator("roles", "graphs", "allowed_groups", mode="before")
    @classmethod
    def _bare(cls, value: Any) -> Any:
        """Groups may be written ``group:legal`` as well."""
        if isinstance(value, dict):
            return {_bare(name): each for name, each in value.items()}
        return [_bare(each) for each in value] if isinstance(value, list) else value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.groups_claim is None:
            for name in ("allowed_groups", "graphs"):
                if getattr(self, name):
                    raise ValueError(f"{name} needs groups_claim: which claim has the groups")
            if self.roles and self.roles_claim is None:
                raise ValueError("roles needs groups_claim or roles_claim")
        if self.default_role == "none" and not self.roles:
            raise ValueError("with default_role none and no roles, nobody has a role")
        return self

    @property
    def name(self) -> str:
        """What people call it."""
        return self.label or urlsplit(self.issuer).netloc

    @property
    def rules(self) -> Rules:
        """How its claims are read."""
        return Rules(
            name_claim=self.name_claim,
            groups_claim=self.groups_claim,
            roles_claim=self.roles_claim,
            roles=self.roles,
            default_role=None if self.default_role == "none" else self.default_role,
            graphs={
                group: None if graphs == "*" else graphs for group, graphs in self.graphs.items()
            },
            domains=frozenset(self.allowed_domains),
            groups=frozenset(self.allowed_groups),
            trust_email=self.trust_email,
        )


def is_trustworthy(address: str) -> bool:
    """Whether nobody on the way can change what is said there: by https, or on this machine."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    if not parts.hostname or parts.username is not None:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)


def _bare(name: Any) -> Any:
    return name.removeprefix(GROUP) if isinstance(name, str) else name
