"""Which addresses of a network are outside: those that a stranger may have us call."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Self

from signoff.domain.errors import ConfigError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_EVERYWHERE = IPv6Network("2000::/3")
"""The IPv6 addresses that are given out for the whole world (RFC 4291, section 2.4)."""

_NAT64 = IPv6Network("64:ff9b::/96")
"""IPv6 addresses that stand for an IPv4 one (RFC 6052)."""

_KEPT: tuple[Network, ...] = (
    # Kept for protocols (RFC 6890), of which older Pythons know only a part; Oracle's cloud has
    # had its metadata at 192.0.0.192.
    IPv4Network("192.0.0.0/24"),
    IPv4Network("192.88.99.0/24"),  # relays to IPv6 that are no more (RFC 7526)
    IPv4Network("168.63.129.16/32"),  # what Azure tells machines about themselves
    IPv6Network("3fff::/20"),  # documentation (RFC 9637)
)
"""Networks that are not outside, whatever the standard library says of them."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """What may be called though it is inside: these hosts, at whatever address, and networks."""

    hosts: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def read(cls, given: Iterable[str]) -> Self:
        """From names of hosts, addresses, and networks such as ``10.1.0.0/16``.

        Raises:
            ConfigError: One is none of these.
        """
        hosts, networks = set(), []
        for each in given:
            text = each.strip().lower().rstrip(".")
            try:
                networks.append(ip_network(text))
                continue
            except ValueError:
                pass
            if not text or any(mark in text for mark in "/:@*?# ") or text[0].isspace():
                raise ConfigError(
                    f"outgoing_allowed: {each!r:.80} is no host, address or network,"
                    " such as hooks.firm.com or 10.1.0.0/16"
                )
            hosts.add(text)
        return cls(frozenset(hosts), tuple(networks))

    def takes(self, host: str, address: str) -> bool:
        """Whether a host may be called at this address, which it has been found to have."""
        found = ip_address(address.partition("%")[0])
        if host.lower().rstrip(".") in self.hosts:
            return True
        if any(known.version == found.version and found in known for known in self.networks):
            return True
        return is_outside(found)


def is_outside(address: Address) -> bool:
    """Whether an address is one of the world's, and stands for no other one.

    Not this machine, private networks, those of a link (where clouds have their metadata), groups
    of receivers, or whatever else is kept for something.
    """
    if any(address in kept for kept in _KEPT if kept.version == address.version):
        return False
    if isinstance(address, IPv4Address):
        return address.is_global and not address.is_multicast
    if address in _NAT64:
        return is_outside(IPv4Address(int(address) & 0xFFFFFFFF))
    if address not in _EVERYWHERE or address.sixtofour or address.teredo:
        return False
    return address.is_global
