# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Requests to an inference service, and what their answers must look like.

Standard library only: the file is a module utility of the collection (module ``verify``) and is also deployed as it is
to ``/opt/thor/lib/probe.py``, where ``thor-serve`` uses it for readiness and liveness. Both must mean the same by "it
answers".

Requests go straight to the address and port that they are given, never through a proxy of the environment.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

MAX_BODY = 4 * 1024 * 1024  # bytes; an answer of a few hundred tokens has some kilobytes

_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1", "*": "127.0.0.1"}
_EMPTY_THINKING = re.compile(r"<think>\s*</think>")


class ProbeError(Exception):
    """A request got no usable answer.

    ``kind`` is ``unreachable`` (no connection, or it broke), ``timeout``, ``status`` (an HTTP error; ``status`` holds
    it), ``shape`` (an answer that is none of this API) or ``unsupported`` (no request is known for the API).
    """

    def __init__(self, kind: str, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.status = status

    @property
    def hopeless(self) -> bool:
        """Whether the service understood and refused, so that asking again the same way will not help."""
        return self.kind == "unsupported" or self.status in (400, 401, 403, 405, 422)


@dataclass(frozen=True)
class Answer:
    """One answer of a chat API; ``seconds`` is that of the request, ``tokens_per_second`` that of generation."""

    text: str
    reasoning: str
    finish: str
    model: str
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    tokens_per_second: float | None


def reachable_address(address: str) -> str:
    """The address at which this machine reaches a service that listens on ``address``."""
    return _ANY_ADDRESS.get(address, address)


def request(
    address: str, port: int, path: str, *, body: Mapping[str, Any] | None = None, timeout: float
) -> tuple[int, bytes]:
    """Send GET (or POST of ``body`` as JSON) and return the status and the body; raise ProbeError.

    ``timeout`` bounds the whole exchange in seconds: a socket's own timeout starts again with every byte.
    """
    host = reachable_address(address)
    where = f"http://{f'[{host}]' if ':' in host else host}:{port}{path}"
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    expired = threading.Event()
    sockets: list[socket.socket] = []  # the connection forgets its own as soon as the answer's head has come

    def expire() -> None:
        expired.set()
        for sock in sockets:
            with contextlib.suppress(OSError):  # closed in the same moment
                sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(timeout, expire)
    timer.daemon = True
    timer.start()
    try:
        connection.connect()
        sockets.append(connection.sock)
        if body is None:
            connection.request("GET", path, headers={"Connection": "close"})
        else:
            headers = {"Content-Type": "application/json", "Connection": "close"}
            connection.request("POST", path, body=json.dumps(body).encode(), headers=headers)
        response = connection.getresponse()
        content = response.read(MAX_BODY + 1)
        if expired.is_set():
            raise TimeoutError
        if len(content) > MAX_BODY:
            raise ProbeError("shape", f"{where} answered more than {MAX_BODY} bytes")
        return response.status, content
    except (OSError, http.client.HTTPException) as error:
        if expired.is_set() or isinstance(error, TimeoutError):
            raise ProbeError("timeout", f"{where} did not answer within {timeout:.0f} s") from None
        if isinstance(error, ConnectionRefusedError):
            raise ProbeError("unreachable", f"nothing listens at {where}") from None
        raise ProbeError("unreachable", f"{where} broke the connection: {error or type(error).__name__}") from None
    finally:
        timer.cancel()
        connection.close()


def error_text(status: int, content: bytes) -> str:
    """What the service said with an HTTP error, in one short line."""
    text = content.decode("utf-8", "replace")
    try:
        document = json.loads(text)
        inner = document.get("error", document) if isinstance(document, dict) else document
        if isinstance(inner, dict):
            inner = inner.get("message") or inner.get("detail") or inner
        text = inner if isinstance(inner, str) else json.dumps(inner)
    except ValueError:
        pass
    line = " ".join(text.split())[:200]
    return f"HTTP {status}" + (f": {line}" if line else "")


def parse_chat(content: bytes, seconds: float) -> Answer:
    """Read the body of a chat completion; raise ProbeError of kind ``shape`` when it is none."""

    def wrong(reason: str) -> ProbeError:
        start = " ".join(content[:200].decode("utf-8", "replace").split())
        return ProbeError("shape", f"the answer is no chat completion: {reason} (it begins: {start})")

    try:
        document = json.loads(content)
    except ValueError:
        raise wrong("it is not JSON") from None
    choices = document.get("choices") if isinstance(document, dict) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise wrong("it has no choices")
    message = choices[0].get("message")
    if not isinstance(message, dict) or message.get("role") != "assistant":
        raise wrong("choices[0].message is not one of the role assistant")
    text = message.get("content") or ""
    # llama.cpp and older vLLM say reasoning_content, newer vLLM says reasoning
    reasoning = message.get("reasoning_content") or message.get("reasoning") or ""
    usage = document.get("usage")
    if not isinstance(text, str) or not isinstance(reasoning, str):
        raise wrong("choices[0].message.content is not a text")
    if not isinstance(usage, dict) or not isinstance(usage.get("completion_tokens"), int):
        raise wrong("it has no usage.completion_tokens")
    tokens: int = usage["completion_tokens"]
    prompt_tokens = usage.get("prompt_tokens")
    timings = document.get("timings")
    speed = timings.get("predicted_per_second") if isinstance(timings, dict) else None
    if not isinstance(speed, (int, float)):
        # of the whole request, the prompt included: a lower bound where the engine tells no timings
        speed = tokens / seconds if seconds > 0 and tokens else None
    return Answer(
        text=text,
        reasoning=reasoning,
        finish=str(choices[0].get("finish_reason") or ""),
        model=str(document.get("model") or ""),
        prompt_tokens=prompt_tokens if isinstance(prompt_tokens, int) else 0,
        completion_tokens=tokens,
        seconds=seconds,
        tokens_per_second=speed,
    )


def chat(address: str, port: int, served_name: str, prompt: str, *, max_tokens: int, timeout: float) -> Answer:
    """Ask a service with the OpenAI chat API one question; raise ProbeError."""
    body = {
        "model": served_name,
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": max_tokens,
        "temperature": 0,
        "stream": False,
    }
    begin = time.monotonic()
    status, content = request(address, port, "/v1/chat/completions", body=body, timeout=timeout)
    if status != 200:
        raise ProbeError("status", error_text(status, content), status)
    return parse_chat(content, time.monotonic() - begin)


def _smallest_chat(config: Mapping[str, Any], timeout: float) -> None:
    answer = chat(config["address"], config["port"], config["served_name"], "Hi", max_tokens=1, timeout=timeout)
    wrong = wrong_model(answer, config["served_name"])
    if wrong:
        raise ProbeError("shape", wrong)


# The smallest real request of each API: what "it has answered" means for readiness and liveness.
SMALLEST_REQUEST: dict[str, Callable[[Mapping[str, Any], float], None]] = {"chat": _smallest_chat}


def ready(config: Mapping[str, Any], timeout: float) -> None:
    """Send the smallest real request of the service's API; return when it was answered, raise ProbeError otherwise.

    ``config`` is the service's ``/etc/thor/services/<name>.json``: at least ``api``, ``address``, ``port`` and
    ``served_name``.
    """
    ask = SMALLEST_REQUEST.get(config["api"])
    if ask is None:
        known = ", ".join(sorted(SMALLEST_REQUEST))
        raise ProbeError("unsupported", f"no request is known for the API {config['api']!r} (known: {known})")
    ask(config, timeout)


def progress(config: Mapping[str, Any], timeout: float) -> list[Any] | None:
    """What the service's progress page shows now; None when it has none or it cannot be read.

    ``config["progress"]`` is ``{"path": "/slots", "match": "regex"}``: two looks that differ in what the expression
    finds mean that the engine has worked in between.
    """
    page = config.get("progress")
    if not page:
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


def wrong_text(answer: Answer) -> str | None:
    """Why the answer's text is none, or None."""
    written = (answer.text + answer.reasoning).strip()
    if not answer.completion_tokens or not written:
        return f"the answer is empty ({answer.completion_tokens} tokens, finish reason {answer.finish!r})"
    if len(written) >= 8 and set(written) == {"!"}:
        # token 0 of Qwen's vocabulary, which is what NaN logits decode to: vllm#27364
        return "the answer is nothing but exclamation marks: the engine computes garbage"
    return None


def thinking(answer: Answer) -> str | None:
    """How the answer shows that the model has thought, or None. A block with nothing in it is no thinking."""
    if answer.reasoning.strip():
        return f"the answer carries reasoning ({answer.reasoning.strip()[:60]!r})"
    text = _EMPTY_THINKING.sub("", answer.text)
    for tag in ("<think>", "</think>"):
        if tag in text:
            return f"the answer's text has {tag}"
    return None
