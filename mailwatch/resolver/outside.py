"""Which addresses out of the DNS are asked at all: strangers must not choose whom in here we talk to.

Whoever publishes a domain names its name servers, and the hosts of its policy and its logo. None of these is asked at
an address that means this host, its links, or everybody. Pages are not fetched from private networks either: senders
could not do it, so what is there is not what they get. Name servers may be in one, as where names are resolved
differently inside and outside; they get a question about a name that is not theirs to hide.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

HERE: Final = tuple(
    map(
        ip_network,
        ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "224.0.0.0/4", "240.0.0.0/4",
         "::/127", "fe80::/10", "fec0::/10", "ff00::/8"),
    )
)  # fmt: skip
"""This host, its links, groups and everybody (RFC 6890)."""
PRIVATE: Final = tuple(map(ip_network, ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")))
NAT64: Final = ip_network("64:ff9b::/96")
LOW: Final = 0xFFFFFFFF


def is_name_server(address: str) -> bool:
    """Whether a name server at this address is asked."""
    return not _within(address, HERE)


def is_web_server(address: str) -> bool:
    """Whether a page is fetched from this address."""
    return not _within(address, (*HERE, *PRIVATE))


def _within(text: str, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    address = _meant(ip_address(text))
    return any(address in each for each in networks if each.version == address.version)


def _meant(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that one of IPv6 stands for (RFC 4291 section 2.5.5, RFC 3056, RFC 6052)."""
    if isinstance(address, IPv4Address):
        return address
    if address in NAT64 or (int(address) >> 32 == 0 and int(address) > 1):
        return IPv4Address(int(address) & LOW)
    return address.ipv4_mapped or address.sixtofour or IPv6Address(address.packed)
