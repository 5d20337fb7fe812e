"""Whom a server on this machine is spoken to by: names of hosts, and the pages of other sites.

A page that is open in a browser here reaches 127.0.0.1 too, wherever it comes from. It is told
apart by the ``Origin`` and ``Sec-Fetch-Site`` that browsers add, and a name that somebody made
point to 127.0.0.1 (DNS rebinding) by the ``Host``.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

_OWN_SITES = frozenset({"same-origin", "none"})
"""``none`` is what a person typed into the browser."""


def name_of(host: str) -> str:
    """The name in ``name:port``, lower case; empty where that is none."""
    try:
        parts = urlsplit(f"//{host}")
        is_plain = parts.netloc == host and "@" not in host and parts.port != 0
        return (parts.hostname or "").rstrip(".") if is_plain else ""
    except ValueError:
        return ""


def is_loopback(name: str) -> bool:
    """Whether a host's name means this machine alone."""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def is_same(origin: str, host: str) -> bool:
    """Whether a page of an origin comes from a host, port and all."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()


def is_foreign(
    hosts: Sequence[str], origins: Sequence[str], sites: Sequence[str], own_address: str
) -> bool:
    """Whether a request comes from a page that is not this server's own.

    What is no browser sends none of its headers, as a rule, and is no page.

    Args:
        hosts, origins, sites: the values of ``Host``, ``Origin`` and ``Sec-Fetch-Site``.
        own_address: by which the server was reached. It serves no pages under a name, so only
            addresses are its own: a page cannot choose what those mean.
    """
    if not origins and not sites:
        return False
    if len(hosts) != 1 or len(origins) > 1 or len(sites) > 1:
        return True
    name = name_of(hosts[0])
    is_own = is_loopback(name) or (bool(name) and name == own_address)
    return not (
        is_own
        and all(is_same(origin, hosts[0]) for origin in origins)
        and all(site in _OWN_SITES for site in sites)
    )
