"""Who may speak to the server: this machine's own pages, or whoever has the token.

A page of another site that is open in the same browser can reach 127.0.0.1 too. It is told apart by
what the browser adds: ``Origin`` to websockets and to whatever changes something, and where a
request comes from (``Sec-Fetch-Site``). A name that somebody made point to 127.0.0.1 (DNS
rebinding) is told apart by the ``Host`` header. A link from elsewhere leads to the page itself.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlencode

from ghostlap.base.hosts import is_loopback, is_same, name_of

Scope = MutableMapping[str, Any]
App = Callable[..., Awaitable[None]]

COOKIE = "ghostlap-token"
_FOREIGN = "Pages of another site may not speak to this server."
_SAFE_METHODS = frozenset({"GET", "HEAD"})
_POLICY = (
    "default-src 'self'; connect-src 'self'{sockets}; img-src 'self' blob: data:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_IN_A_POLICY = re.compile(r"[A-Za-z0-9.-]+(:\d+)?")
"""Hosts that a policy can name: not IPv6 addresses."""
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)


def new_token() -> str:
    """One that nobody can guess."""
    return secrets.token_urlsafe(24)


class Access:
    """Lets through to an ASGI application who may, and refuses others with a plain text.

    A token is asked for where other machines can reach the server; without one only whoever asks
    for a loopback address is let in.
    """

    def __init__(self, app: App, token: str | None) -> None:
        self._app, self._token = app, token

    async def __call__(self, scope: Scope, receive: App, send: App) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = _headers(scope)
        refusal = self._refusal(scope, headers)
        if refusal:
            await _refuse(scope, send, refusal)
        elif self._brings_token(scope) and scope["type"] == "http":
            await self._remember(scope, send)
        else:
            await self._app(scope, receive, _with_headers(send, headers["host"][0]))

    def _refusal(self, scope: Scope, headers: dict[str, list[str]]) -> str:
        """Why a request is refused; empty where it may pass."""
        hosts, origins = headers.get("host", []), headers.get("origin", [])
        if len(hosts) != 1 or not name_of(hosts[0]):
            return "A request must name one host."
        if self._token is None and not is_loopback(name_of(hosts[0])):
            return "This page is for its own machine: open it by http://127.0.0.1 and its port."
        changes = scope["type"] == "websocket" or scope["method"] not in _SAFE_METHODS
        if changes and origins and (len(origins) > 1 or not is_same(origins[0], hosts[0])):
            return _FOREIGN
        if _is_of_another_site(headers) and (changes or not _opens_the_page(scope, headers)):
            return _FOREIGN
        if self._token is not None and not (self._has_cookie(headers) or self._brings_token(scope)):
            return "Open the address that the terminal shows, with its token."
        return ""

    def _has_cookie(self, headers: dict[str, list[str]]) -> bool:
        for text in headers.get("cookie", []):
            try:
                cookie = SimpleCookie(text).get(COOKIE)
            except CookieError:
                continue
            if cookie is not None and self._is_token(cookie.value):
                return True
        return False

    def _brings_token(self, scope: Scope) -> bool:
        if self._token is None:
            return False
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
        return len(given) == 1 and self._is_token(given[0])

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "replace"), (self._token or "").encode())

    async def _remember(self, scope: Scope, send: App) -> None:
        """Keep the token in a cookie, and the address without it."""
        query = parse_qs(scope["query_string"].decode("latin-1"))
        query.pop("token")
        where = urlencode(query, doseq=True)
        path = scope["raw_path"].decode("latin-1").split("?")[0]
        location = "/" + path.lstrip("/") + (f"?{where}" if where else "")
        cookie = f"{COOKIE}={self._token}; Path=/; HttpOnly; SameSite=Strict"
        await _answer(
            send, 303, b"",
            [(b"location", location.encode("latin-1")), (b"set-cookie", cookie.encode())],
        )  # fmt: skip


def _headers(scope: Scope) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return found


def _is_of_another_site(headers: dict[str, list[str]]) -> bool:
    """Whether the browser says so; one that says nothing is an old one, or none."""
    return any(where in ("cross-site", "same-site") for where in headers.get("sec-fetch-site", []))


def _opens_the_page(scope: Scope, headers: dict[str, list[str]]) -> bool:
    return scope["path"] == "/" and headers.get("sec-fetch-mode") == ["navigate"]


def _policy(host: str) -> tuple[bytes, bytes]:
    """What a page may load: for Safari before 16, 'self' leaves out websockets."""
    sockets = f" ws://{host} wss://{host}" if _IN_A_POLICY.fullmatch(host) else ""
    return b"content-security-policy", _POLICY.format(sockets=sockets).encode()


async def _refuse(scope: Scope, send: App, why: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": why})
    else:
        await _answer(send, 403, why.encode(), [(b"content-type", b"text/plain; charset=utf-8")])


async def _answer(send: App, status: int, body: bytes, more: list[tuple[bytes, bytes]]) -> None:
    headers = [_policy(""), *_HEADERS, *more, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _with_headers(send: App, host: str) -> App:
    policy = _policy(host)

    async def sending(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", []), policy, *_HEADERS]}
        await send(message)

    return sending
