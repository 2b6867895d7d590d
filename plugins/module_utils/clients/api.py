# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""How a request reaches an inference service, and how its answer comes back. Each API has a file of its own beside this one.

Standard library only: the module ``verify`` uses this file, and so does the supervisor, for readiness and liveness. Both must
mean the same by "it answers".

Requests go straight to the address and port that they are given, never through a proxy from the environment.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MAX_BODY = 4 * 1024 * 1024  # bytes; an answer of a few hundred tokens has some kilobytes
JSON = "application/json"
# The path of each API, unless the engine has another: OpenAI's, as far as there is one.
API_PATHS = {
    "chat": "/v1/chat/completions",
    "transcription": "/v1/audio/transcriptions",
    "embedding": "/v1/embeddings",
    # Jina's request at the path that llama.cpp (tools/server/server.cpp) and vLLM (entrypoints/pooling/scoring) have in common.
    "rerank": "/v1/rerank",
}

_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1", "*": "127.0.0.1"}
MOST = 2**53  # the last whole number up to which a double holds all of them


class ProbeError(Exception):
    """A request got no usable answer.

    ``kind`` is ``unreachable`` (no connection, or it broke), ``timeout``, ``status`` (an HTTP error; ``status`` holds
    it), ``shape`` (not an answer of this API) or ``unsupported`` (no request is known for the API).
    """

    def __init__(self, kind: str, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.status = status

    @property
    def hopeless(self) -> bool:
        """Whether the service understood and refused, so that repeating the request is pointless."""
        return self.kind == "unsupported" or self.status in (400, 401, 403, 405, 422, 501)


@dataclass(frozen=True)
class ToolCall:
    """A tool that an answer calls; ``arguments`` is JSON as the model wrote it."""

    name: str
    arguments: str


@dataclass(frozen=True)
class Answer:
    """One answer; ``seconds`` is that of the request, ``tokens_per_second`` that of generation.

    A transcription has a text and nothing else: ``model`` is empty, ``completion_tokens`` is None.
    """

    text: str
    seconds: float
    reasoning: str = ""
    finish: str = ""
    model: str = ""
    prompt_tokens: int = 0
    completion_tokens: int | None = None
    tokens_per_second: float | None = None
    tool_calls: tuple[ToolCall, ...] = ()


def reachable_address(address: str) -> str:
    """The address at which this machine reaches a service that listens on ``address``."""
    return _ANY_ADDRESS.get(address, address)


def where(address: str, port: int, path: str = "") -> str:
    """The URL of a service, for people and for requests."""
    host = reachable_address(address)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{path}"


# By port: the key that the engine there asks for, and that every request to it carries.
keys: dict[int, str] = {}


@contextlib.contextmanager
def exchange(
    address: str, port: int, path: str, *, content: bytes | None = None, kind: str = JSON, timeout: float
) -> Iterator[http.client.HTTPResponse]:
    """Send GET (or POST of ``content``, which is of the media type ``kind``); the answer, to be read inside; raise ProbeError.

    ``timeout`` bounds the whole exchange in seconds, reading included: a socket's own timeout starts again with every byte.
    """
    url = where(address, port, path)
    connection = http.client.HTTPConnection(reachable_address(address), port, timeout=timeout)
    expired = threading.Event()
    sockets: list[socket.socket] = []  # the connection drops its own once the headers have arrived

    def expire() -> None:
        expired.set()
        for sock in sockets:
            with contextlib.suppress(OSError):  # closed at the same moment
                sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(timeout, expire)
    timer.daemon = True
    timer.start()
    try:
        connection.connect()
        sockets.append(connection.sock)
        headers = {"Connection": "close", **({} if content is None else {"Content-Type": kind})}
        headers |= {"Authorization": f"Bearer {keys[port]}"} if keys.get(port) else {}
        connection.request("GET" if content is None else "POST", path, body=content, headers=headers)
        yield connection.getresponse()
        if expired.is_set():  # a truncated answer looks complete
            raise TimeoutError
    except (OSError, http.client.HTTPException) as error:
        if expired.is_set() or isinstance(error, TimeoutError):
            raise ProbeError("timeout", f"{url} did not answer within {timeout:.0f} s") from None
        if isinstance(error, ConnectionRefusedError):
            raise ProbeError("unreachable", f"nothing listens at {url}") from None
        raise ProbeError("unreachable", f"{url} broke the connection: {error or type(error).__name__}") from None
    finally:
        timer.cancel()
        connection.close()


def request(
    address: str,
    port: int,
    path: str,
    *,
    content: bytes | None = None,
    kind: str = JSON,
    timeout: float,
    most: int | None = None,
) -> tuple[int, bytes]:
    """One exchange, whole: the status and the body, of ``most`` bytes (MAX_BODY); raise ProbeError."""
    most = most or MAX_BODY
    with exchange(address, port, path, content=content, kind=kind, timeout=timeout) as response:
        body = response.read(most + 1)
    if len(body) > most:
        raise ProbeError("shape", f"{where(address, port, path)} answered more than {most} bytes")
    return response.status, body


def parse_json(content: bytes | str) -> Any:
    """JSON of an engine; raises ValueError also for JSON nested too deeply for Python."""
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def count(value: Any) -> int | None:
    """A count that an engine states; None if it is not a valid count."""
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST
    return value if is_count else None


def rate(value: Any) -> float | None:
    """A speed that an engine states; None if it is not valid. NaN and Infinity are not JSON, but Python reads them."""
    is_rate = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MOST
    return float(value) if is_rate else None


def error_text(status: int, content: bytes) -> str:
    """What the service said with an HTTP error, in one short line."""
    text = content.decode("utf-8", "replace")
    try:
        document = parse_json(text)
        inner = document.get("error", document) if isinstance(document, dict) else document
        if isinstance(inner, dict):
            inner = inner.get("message") or inner.get("detail") or inner
        text = inner if isinstance(inner, str) else json.dumps(inner)
    except ValueError:
        pass
    line = " ".join(text.split())[:200]
    return f"HTTP {status}" + (f": {line}" if line else "")


def text(value: Any) -> str:
    """A text that an engine states; empty if it is none."""
    return value if isinstance(value, str) else ""


def json_object(what: str, content: bytes) -> dict[str, Any]:
    """The body of an answer that must be a JSON object; raise ProbeError of kind ``shape``. ``what`` it should be is for the message."""
    try:
        document = parse_json(content)
    except ValueError:
        raise wrong_shape(what, "it is not JSON", content) from None
    return document if isinstance(document, dict) else {}


def prompt_tokens(document: Mapping[str, Any]) -> int | None:
    """How many tokens the service counts in a request (``usage``); None if it does not count."""
    usage = document.get("usage")
    return count(usage.get("prompt_tokens")) if isinstance(usage, dict) else None


def wrong_model(model: str, served_name: str) -> str | None:
    """Why the answer of ``model`` is not from the served one, or None."""
    return (
        None
        if model == served_name
        else f"the answer is from the model {model!r}, and {served_name!r} should be served"
    )


def wrong_shape(what: str, reason: str, content: bytes) -> ProbeError:
    """An answer that is not ``what`` it should be, with the reason and its beginning."""
    start = " ".join(content[:200].decode("utf-8", "replace").split())
    return ProbeError(
        "shape", f"the answer is not {'an' if what[0] in 'aeiou' else 'a'} {what}: {reason} (it begins: {start})"
    )


def post(
    service: Mapping[str, Any], content: bytes, kind: str, timeout: float, most: int | None = None
) -> tuple[bytes, float]:
    """The body of a good answer of the service's API, and the seconds that it took; raise ProbeError."""
    begin = time.monotonic()
    # What an older version of the collection has configured has no path, and all of it are chats.
    path = service.get("api_path") or API_PATHS["chat"]
    status, answer = request(
        service["address"], service["port"], path, content=content, kind=kind, timeout=timeout, most=most
    )
    if status != 200:
        raise ProbeError("status", error_text(status, answer), status)
    return answer, time.monotonic() - begin


def progress(config: Mapping[str, Any], timeout: float) -> list[Any] | None:
    """What the service's progress page shows now; None when it has none or it cannot be read.

    ``config["progress"]`` is ``{"path": "/slots", "match": "regex"}``: two looks that differ in what the expression
    finds mean that the engine has worked in between. Without a path it is the engine's output that tells, which is not for here.
    """
    page = config.get("progress")
    if not page or not page.get("path"):
        return None
    try:
        status, content = request(config["address"], config["port"], page["path"], timeout=timeout)
    except ProbeError:
        return None
    return re.findall(page["match"], content.decode("utf-8", "replace")) if status == 200 else None
