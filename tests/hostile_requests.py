"""Requests and messages that no page sends, for fuzzing the cockpit's server.

Plain hypothesis strategies, and the client that sends what they give and waits for the end.
"""

from __future__ import annotations

import json
import socket
from urllib.parse import quote_from_bytes

from hypothesis import strategies as st

NAMES: tuple[bytes, ...] = (
    b"made", b"a:drive-1", b"made-cut", b"generalist", b"train-1", b"", b".", b"..", b".trash",
    b"../made", b"..\\made", b"/etc/passwd", b"../../../../etc/passwd", b"made\0", b"\xff\xfe",
    b"\xed\xa0\x80", b"x" * 300, b"x" * 5000, b"made/IMG", b"%2e%2e", b"a:..", b":", b"C:\\x",
    "١٢".encode(), "ｍade".encode(), b"[/]", b"<script>", b"\r\nX: y", b"NaN",
)  # fmt: skip
ROWS: tuple[bytes, ...] = (
    b"0", b"1", b"4", b"5", b"-1", b"+1", b"00", b"9" * 5000, b"9" * 9, b"9" * 20, b"1e3", b"0x1",
    b"1_0", b"NaN", b"inf", b"", b"1.5", "٣".encode(), "²".encode(), b"1\0", b"1/../2",
)  # fmt: skip
QUERIES: tuple[bytes, ...] = (
    b"", b"camera=left", b"camera=", b"camera=center&camera=left", b"camera=%00", b"camera[]=x",
    b"run=generalist", b"run=..%2f..", b"run=%ff", b"run=" + b"x" * 3000, b"token=x&token=y",
    b"&&&==", b"%", b"a=" * 2000, b"camera=%ed%a0%80",
)  # fmt: skip
HEADERS: tuple[bytes, ...] = (
    b"Range: bytes=0-0", b"Range: bytes=-5,99-,x", b"Range: lines=1-2", b"Content-Type: text/xml",
    b"Content-Type: multipart/form-data; boundary=x", b"Accept: \xff", b"If-None-Match: *",
    b"If-Modified-Since: never", b"Expect: 100-continue", b"Expect: the worst",
    b"Cookie: ghostlap-token=\"\\", b"Cookie: " + b"\\" * 2000, b"X-Forwarded-Host: evil.com",
    b"X-HTTP-Method-Override: DELETE", b"Accept-Encoding: gzip;q=x", b"Upgrade: h2c",
    b"Upgrade: websocket\r\nConnection: upgrade", b"Transfer-Encoding: gzip", b"Origin: null",
    b"Origin: http://[", b"Origin: http://evil.com", b"TE: trailers", b"X: " + b"y" * 5000,
    b"Content-Length: 3", b"Transfer-Encoding: chunked", b"Content-Encoding: gzip",
)  # fmt: skip
HOSTS: tuple[bytes, ...] = (
    b"127.0.0.1", b"localhost:1", b"evil.com", b"", b"[", b"[::1]", b"a b", b"127.0.0.1:99999",
    b"127.0.0.1@evil.com", b"\xff", b"127.0.0.1.", b"0x7f.1", b"2130706433",
)  # fmt: skip
METHODS: tuple[bytes, ...] = (
    b"GET", b"GET", b"GET", b"POST", b"POST", b"POST", b"HEAD", b"PUT", b"DELETE", b"OPTIONS",
    b"PATCH", b"TRACE", b"CONNECT", b"get", b"BREW",
)  # fmt: skip

_BELOW_A_RECORDING = (b"rows", b"predictions", b"trash", b"restore", b"cut", b"frames", b"")
_PLAIN = (
    b"/", b"/static/app.js", b"/api/library", b"/api/trash/empty", b"/api/train", b"/ws", b"*",
    b"/api/train/", b"//", b"/api", b"http://127.0.0.1/api/library", b"/%", b"/static/%2e%2e/x",
)  # fmt: skip

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=10)
    | st.sampled_from([name.decode("utf-8", "replace") for name in NAMES])
    | st.sampled_from([0, 1, 2, 3, -1, 10**30, 10**400]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)

bodies = st.one_of(
    st.just(b""),
    st.dictionaries(
        st.sampled_from(["from", "to", "recordings", "epochs", "init", "x"]), json_values
    ).map(lambda values: json.dumps(values).encode()),
    json_values.map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=50),
    st.sampled_from([
        b"[" * 50_000, b'{"a":' * 10_000, b'{"from": ' + b"9" * 5000 + b"}", b'{"x": "\\ud800"}',
        b"x" * 70_000, b'{"from": 1, "from": []}', b"\xef\xbb\xbf{}", b"{}garbage", b"\0" * 100,
        b'{"epochs": 1e999, "recordings": ["made"]}', b" " * 66_000 + b"{}",
    ]),
)  # fmt: skip


@st.composite
def targets(draw: st.DrawFn) -> bytes:
    """What a request line asks for."""
    if draw(st.booleans()):
        path = draw(st.sampled_from(_PLAIN))
    else:
        name = draw(st.sampled_from(NAMES) | st.binary(max_size=20))
        path = b"/api/recordings/" + _in_a_path(draw, name)
        below = draw(st.sampled_from(_BELOW_A_RECORDING))
        path += b"/" + below
        if below == b"frames":
            path += b"/" + _in_a_path(draw, draw(st.sampled_from(ROWS))) + b".jpg"
    query = draw(st.sampled_from(QUERIES))
    return path + (b"?" + query if query else b"")


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A request, whole but for what its own headers say about its body; it is the connection's
    last."""
    body = draw(bodies)
    host = draw(st.just(b"127.0.0.1") | st.sampled_from(HOSTS))
    lines = [
        draw(st.sampled_from(METHODS)) + b" " + draw(targets()) + b" HTTP/1.1",
        b"Host: " + host,
        *draw(st.lists(st.sampled_from(HEADERS), max_size=3)),
        b"Connection: close",
    ]
    if draw(st.integers(0, 9)):
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


messages = st.one_of(
    st.text(max_size=50),
    st.binary(max_size=50),
    st.builds(
        lambda kind, fields: json.dumps({"type": kind, **fields}),
        st.sampled_from(
            ["take", "leave", "input", "mode", "record", "reset", "pilot", "track", "speed_limit",
             "saliency", "cameras", "pause", "seen", "ping", "hello", "state", ""]
        ),
        st.dictionaries(
            st.sampled_from(
                ["n", "keys", "steering", "throttle", "mode", "on", "run", "track", "conditions",
                 "seed", "direction", "mph", "frame", "t"]
            ),
            json_values
            | st.sampled_from(
                [True, False, "manual", "autonomous", "lake", "random:١", "good", ["left"], ["up"],
                 "fixed", "seed", 1, 20, -0.5, "../x"]
            ),
            max_size=4,
        ),
    ),
)  # fmt: skip
"""What may be sent on the page's websocket."""


def _in_a_path(draw: st.DrawFn, name: bytes) -> bytes:
    """Percent-encoded throughout, or where it must be, once or twice."""
    encoded = quote_from_bytes(name, safe=draw(st.sampled_from(["", "/", "/:.%"])))
    if draw(st.integers(0, 5)) == 0:
        encoded = quote_from_bytes(encoded.encode(), safe="")
    return encoded.encode()


def answer_of(port: int, request: bytes, patience_s: float) -> bytes:
    """All that the server at a port of this machine sends until it ends the connection.

    Raises:
        TimeoutError: it has not ended it in time.
    """
    answer = b""
    with socket.create_connection(("127.0.0.1", port), patience_s) as sent_by:
        try:
            sent_by.sendall(request)
            while some := sent_by.recv(65536):
                answer += some
        except ConnectionError:  # refused before all of it was sent
            pass
    return answer
