"""Addresses of people and rooms in chats, written as Apprise has them: ``slack://...``.

They hold secrets, so they are never shown or logged as they are. Only those listed here are taken:
Apprise also knows ways to write to this machine's own log or to any host, which are none of these.
"""

from __future__ import annotations

import re
from hashlib import sha256

EMAIL = "email"
"""The channel of e-mail addresses."""

WEBHOOK = "webhook"
"""The channel of `[[webhook]]` tables; its addresses are their names."""

RUN = "run"
"""The channel of what runs end with; its addresses are those that they were started with."""

SERVICES: dict[str, str] = {
    "cliq": "cliq",
    "dingtalk": "dingtalk",
    "discord": "discord",
    "feishu": "feishu",
    "gchat": "google-chat",
    "ilert": "ilert",
    "incidentio": "incident.io",
    "lark": "lark",
    "line": "line",
    "opsgenie": "opsgenie",
    "pagerduty": "pagerduty",
    "pbul": "pushbullet",
    "pover": "pushover",
    "signl4": "signl4",
    "slack": "slack",
    "splunk": "splunk",
    "squadcast": "squadcast",
    "tgram": "telegram",
    "threema": "threema",
    "twilio": "sms",
    "vonage": "sms",
    "webex": "webex",
    "wecombot": "wecom",
    "whatsapp": "whatsapp",
    "wxteams": "webex",
    "zoom": "zoom",
    "zulip": "zulip",
}
"""Services at hosts of their own, by the scheme of an address: what the channel is called."""

HOSTED: dict[str, str] = {
    "gotify": "gotify",
    "gotifys": "gotify",
    "matrix": "matrix",
    "matrixs": "matrix",
    "mmost": "mattermost",
    "mmosts": "mattermost",
    "nctalk": "nextcloud",
    "nctalks": "nextcloud",
    "ntfy": "ntfy",
    "ntfys": "ntfy",
    "rocket": "rocket.chat",
    "rockets": "rocket.chat",
    "signal": "signal",
    "signals": "signal",
    "synology": "synology",
    "synologys": "synology",
    "workflow": "teams",
    "workflows": "teams",
}
"""Those at a host that the address names: outgoing calls to it are checked."""

CHATS: frozenset[str] = frozenset({*SERVICES.values(), *HOSTED.values()})
"""All channels of such addresses."""

CHANNELS: frozenset[str] = CHATS | {EMAIL}
"""All channels that reach people."""

_MAILBOX = re.compile(r"(?:([^<>\r\n\0]*)<)?([^<>@\s,;:]+@[^<>@\s,;:]+)(?(1)>)")
_SCHEME = re.compile(r"([a-z0-9]+)://.", re.ASCII | re.IGNORECASE)


def mailbox(text: str) -> tuple[str, str] | None:
    """The name, which may be empty, and the address of an e-mail address; None if it is none."""
    found = _MAILBOX.fullmatch(text.strip(" "))
    return None if found is None else ((found[1] or "").strip().strip('"'), found[2])


def scheme_of(address: str) -> str:
    """The scheme of an address, in small letters; empty if it has none."""
    found = _SCHEME.match(address)
    return found[1].lower() if found else ""


def channel_of(address: str) -> str:
    """What the channel of an address is called.

    Raises:
        ValueError: It is none of those that are taken.
    """
    scheme = scheme_of(address)
    channel = SERVICES.get(scheme) or HOSTED.get(scheme)
    if channel is None:
        raise ValueError(f"{scheme or 'that'} is no way to reach people")
    return channel


def masked(channel: str, address: str) -> str:
    """An address as it may be shown: e-mail as it is, of others only where they lead.

    The end is of its SHA-256, so that one can be told from another.
    """
    if channel == EMAIL:
        return address
    return f"{scheme_of(address)}://…{sha256(address.encode()).hexdigest()[:6]}"
