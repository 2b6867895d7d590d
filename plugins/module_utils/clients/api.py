# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Requests to an inference service, and the shape of their answers.

Standard library only: the module ``verify`` uses this file, and so does the supervisor, for readiness and liveness. Both must
mean the same by "it answers".

Requests go straight to the address and port that they are given, never through a proxy from the environment.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import re
import secrets
import socket
import threading
import time
import wave
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MAX_BODY = 4 * 1024 * 1024  # bytes; an answer of a few hundred tokens has some kilobytes
JSON = "application/json"
# The path of each API, unless the engine has another: OpenAI's paths.
API_PATHS = {"chat": "/v1/chat/completions", "transcription": "/v1/audio/transcriptions"}
SAMPLE_RATE = 16000  # Hz; what Whisper works with

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
        return self.kind == "unsupported" or self.status in (400, 401, 403, 405, 422)


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
    address: str, port: int, path: str, *, content: bytes | None = None, kind: str = JSON, timeout: float
) -> tuple[int, bytes]:
    """One exchange, whole: the status and the body; raise ProbeError."""
    with exchange(address, port, path, content=content, kind=kind, timeout=timeout) as response:
        body = response.read(MAX_BODY + 1)
    if len(body) > MAX_BODY:
        raise ProbeError("shape", f"{where(address, port, path)} answered more than {MAX_BODY} bytes")
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


def _wrong_shape(what: str, reason: str, content: bytes) -> ProbeError:
    start = " ".join(content[:200].decode("utf-8", "replace").split())
    return ProbeError("shape", f"the answer is not a {what}: {reason} (it begins: {start})")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def parse_chat(content: bytes, seconds: float) -> Answer:
    """Read the body of a chat completion; raise ProbeError of kind ``shape`` if it is not one."""

    def wrong(reason: str) -> ProbeError:
        return _wrong_shape("chat completion", reason, content)

    try:
        document = parse_json(content)
    except ValueError:
        raise wrong("it is not JSON") from None
    choices = document.get("choices") if isinstance(document, dict) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise wrong("it has no choices")
    message = choices[0].get("message")
    if not isinstance(message, dict) or message.get("role") != "assistant":
        raise wrong("choices[0].message does not have the role assistant")
    text = message.get("content") or ""
    # llama.cpp and older vLLM say reasoning_content, newer vLLM says reasoning
    reasoning = message.get("reasoning_content") or message.get("reasoning") or ""
    usage = document.get("usage")
    if not isinstance(text, str) or not isinstance(reasoning, str):
        raise wrong("choices[0].message.content is not a text")
    tokens = count(usage.get("completion_tokens")) if isinstance(usage, dict) else None
    if tokens is None:
        raise wrong("it has no valid usage.completion_tokens")
    timings = document.get("timings")
    speed = rate(timings.get("predicted_per_second")) if isinstance(timings, dict) else None
    if speed is None:
        # of the whole request, including the prompt: a lower bound if the engine reports no timings
        speed = tokens / seconds if seconds > 0 and tokens else None
    return Answer(
        text=text,
        reasoning=reasoning,
        finish=_text(choices[0].get("finish_reason")),
        model=_text(document.get("model")),
        prompt_tokens=count(usage.get("prompt_tokens")) or 0,
        completion_tokens=tokens,
        seconds=seconds,
        tokens_per_second=speed,
    )


def parse_transcription(content: bytes, seconds: float) -> Answer:
    """Read the body of a transcription in JSON; raise ProbeError of kind ``shape`` if it is not one."""
    try:
        document = parse_json(content)
    except ValueError:
        raise _wrong_shape("transcription", "it is not JSON", content) from None
    if not isinstance(document, dict) or not isinstance(document.get("text"), str):
        raise _wrong_shape("transcription", "it has no text", content)
    return Answer(text=document["text"], seconds=seconds)


def form(fields: Mapping[str, str], name: str, content: bytes) -> tuple[bytes, str]:
    """A form with one file, ``file``, as multipart/form-data (RFC 7578): the body and its media type."""
    boundary = f"thor-{secrets.token_hex(16)}"
    parts = [
        *((f'form-data; name="{key}"', "text/plain; charset=utf-8", value.encode()) for key, value in fields.items()),
        (f'form-data; name="file"; filename="{name}"', "application/octet-stream", content),
    ]
    body = b"".join(
        f"--{boundary}\r\nContent-Disposition: {disposition}\r\nContent-Type: {kind}\r\n\r\n".encode() + value + b"\r\n"
        for disposition, kind, value in parts
    )
    return body + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def silence(seconds: float = 1.0) -> bytes:
    """Silence as a WAV file, one channel of 16 bits: enough for a request that only needs an answer."""
    stream = io.BytesIO()
    with wave.open(stream, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(SAMPLE_RATE)
        sound.writeframes(bytes(2 * int(seconds * SAMPLE_RATE)))
    return stream.getvalue()


def _post(service: Mapping[str, Any], content: bytes, kind: str, timeout: float) -> tuple[bytes, float]:
    """The body of a good answer of the service's API, and the seconds that it took; raise ProbeError."""
    begin = time.monotonic()
    # What an older version of the collection has configured has no path, and all of it are chats.
    path = service.get("api_path") or API_PATHS["chat"]
    status, answer = request(service["address"], service["port"], path, content=content, kind=kind, timeout=timeout)
    if status != 200:
        raise ProbeError("status", error_text(status, answer), status)
    return answer, time.monotonic() - begin


def chat(
    service: Mapping[str, Any], prompt: str, *, image: str | None = None, max_tokens: int, timeout: float
) -> Answer:
    """Ask a service with the OpenAI chat API one question, about the image at the URL ``image`` if there is one; raise ProbeError.

    Of ``service`` the keys ``address``, ``port``, ``api_path`` and ``served_name`` are read.
    """
    content: Any = prompt
    if image is not None:
        content = [{"type": "image_url", "image_url": {"url": image}}, {"type": "text", "text": prompt}]
    body = {
        "model": service["served_name"],
        "messages": [{"role": "user", "content": content}],
        "max_tokens": max_tokens,
        "temperature": 0,
        "stream": False,
    }
    return parse_chat(*_post(service, json.dumps(body).encode(), JSON, timeout))


def transcribe(service: Mapping[str, Any], name: str, sound: bytes, *, timeout: float) -> Answer:
    """Have a service write down what is said in ``sound``, the content of the file ``name``; raise ProbeError.

    The form is that of OpenAI's API, which whisper-server also takes; it has no use for the model's name.
    """
    fields = {"model": service["served_name"], "response_format": "json", "temperature": "0"}
    return parse_transcription(*_post(service, *form(fields, name, sound), timeout))


def _smallest_chat(config: Mapping[str, Any], timeout: float) -> None:
    answer = chat(config, "Hi", max_tokens=1, timeout=timeout)
    wrong = wrong_model(answer, config["served_name"])
    if wrong:
        raise ProbeError("shape", wrong)


def _smallest_transcription(config: Mapping[str, Any], timeout: float) -> None:
    transcribe(config, "silence.wav", silence(), timeout=timeout)


# The smallest real request of each API: what "it has answered" means for readiness and liveness.
SMALLEST_REQUEST: dict[str, Callable[[Mapping[str, Any], float], None]] = {
    "chat": _smallest_chat,
    "transcription": _smallest_transcription,
}


def ready(config: Mapping[str, Any], timeout: float) -> None:
    """Send the smallest real request of the service's API; return when it was answered, raise ProbeError otherwise.

    ``config`` is the service's ``/etc/thor/services/<name>.json``: at least ``api``, ``api_path``, ``address``, ``port``
    and ``served_name``.
    """
    ask = SMALLEST_REQUEST.get(config["api"])
    if ask is None:
        known = ", ".join(sorted(SMALLEST_REQUEST))
        raise ProbeError("unsupported", f"no request is known for the API {config['api']!r} (known: {known})")
    ask(config, timeout)


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


def wrong_model(answer: Answer, served_name: str) -> str | None:
    """Why the answer is not from the served model, or None."""
    if answer.model != served_name:
        return f"the answer is from the model {answer.model!r}, and {served_name!r} should be served"
    return None
