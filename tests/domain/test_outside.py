"""Which addresses may be called: those of the world, and what is allowed besides."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from signoff.domain.errors import ConfigError
from signoff.domain.outside import Allowed, is_outside

INSIDE = [
    "127.0.0.1",
    "127.8.9.10",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.5.4",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "198.18.0.1",
    "192.0.2.1",
    "224.0.0.1",
    "239.1.2.3",
    "240.0.0.1",
    "255.255.255.255",
    "192.0.0.192",
    "192.88.99.1",
    "168.63.129.16",
    "64:ff9b::c000:c0",
    "3fff::1",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2002:808:808::",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", INSIDE)
def test_nothing_inside_may_be_called_however_it_is_written(address: str) -> None:
    assert not is_outside(ip_address(address))
    assert not Allowed().takes("hooks.example.com", address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
def test_what_is_outside_may(address: str) -> None:
    assert is_outside(ip_address(address))
    assert Allowed().takes("example.com", address)


def test_an_address_of_one_link_is_inside() -> None:
    assert not Allowed().takes("router", "fe80::1%eth0")


def test_hosts_and_networks_may_be_allowed() -> None:
    allowed = Allowed.read(["Hooks.firm.lan.", "10.1.0.0/16", "127.0.0.1", "fd00::/8"])
    assert allowed.takes("hooks.firm.lan", "192.168.1.1")
    assert allowed.takes("HOOKS.firm.lan.", "192.168.1.1")
    assert allowed.takes("x", "10.1.2.3")
    assert allowed.takes("x", "fd12::1")
    assert not allowed.takes("hooks.firm.lan.evil.com", "192.168.1.1")
    assert not allowed.takes("x", "10.2.0.1")
    assert not allowed.takes("x", "127.0.0.2")
    assert not allowed.takes("x", "::ffff:10.1.2.3")


@pytest.mark.parametrize("text", ["", "http://x", "10.0.0.0/33", "a b", "*.firm.com", "x:80"])
def test_what_is_no_host_and_no_network_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="outgoing_allowed"):
        Allowed.read([text])
