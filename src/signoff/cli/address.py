"""Where a server listens."""

from __future__ import annotations

import ipaddress
import socket

from signoff.domain.errors import ConfigError

BACKLOG = 2048
"""How many callers may wait to be let in."""


class AddressTaken(ConfigError):
    """Nobody can listen there, or somebody else does."""


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens there."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def bind(host: str, port: int) -> socket.socket:
    """A socket with this address, which was free. It does not listen yet: see `listen`.

    Raises:
        AddressTaken: There is no such address here, or it is taken.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise AddressTaken(f"there is no address {host!r}: {error.strerror}") from error
    family, kind, protocol, _, address = min(found, key=lambda each: each[0] != socket.AF_INET)
    bound = socket.socket(family, kind, protocol)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise _taken(host, port, error) from error
    return bound


def listen(bound: socket.socket) -> None:
    """Have callers wait at this socket; of several that were bound at once, one can.

    Raises:
        AddressTaken: Somebody else has begun to listen there.
    """
    try:
        bound.listen(BACKLOG)
    except OSError as error:
        host, port = bound.getsockname()[:2]
        raise _taken(host, port, error) from error


def _taken(host: str, port: int, error: OSError) -> AddressTaken:
    return AddressTaken(
        f"cannot listen on {host} port {port}: {error.strerror}; --port names another, "
        "--port 0 takes a free one"
    )


def url_of(bound: socket.socket) -> str:
    """The address of a server that listens on this socket."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def refuse_strangers(host: str) -> None:
    """Return if only this machine reaches a server that listens there.

    Raises:
        ConfigError: Others might.
    """
    if not is_loopback(host):
        raise ConfigError(
            f"`signoff dev` serves this machine alone, and {host} is not on loopback: use "
            "127.0.0.1, ::1 or localhost, or `signoff serve`"
        )
