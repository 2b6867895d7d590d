# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Runs on the sandbox's client: one call with OpenAI's own Python client; prints what came, or which of its exceptions, as JSON.

The argument is a JSON document: the base URL, the key, the file of the CA, and the name of the call with its parameters.
"""

from __future__ import annotations

import base64
import json
import ssl
import sys
import time
from collections.abc import Callable
from typing import Any

import openai


def chat(client: openai.OpenAI, **parameters: Any) -> dict[str, Any]:
    """One answer as a whole."""
    answer = client.chat.completions.create(**parameters)
    choice = answer.choices[0]
    calls = [(call.function.name, json.loads(call.function.arguments)) for call in choice.message.tool_calls or []]
    usage = answer.usage.prompt_tokens if answer.usage else None
    return {"text": choice.message.content, "calls": calls, "model": answer.model, "prompt_tokens": usage}


def stream(client: openai.OpenAI, **parameters: Any) -> dict[str, Any]:
    """One answer in pieces, and when each of them came."""
    begin, times, text = time.monotonic(), [], ""
    for piece in client.chat.completions.create(stream=True, **parameters):
        if piece.choices and piece.choices[0].delta.content:
            text += piece.choices[0].delta.content
            times.append(time.monotonic() - begin)
    return {"text": text, "times": times}


def embed(client: openai.OpenAI, **parameters: Any) -> dict[str, Any]:
    """How many numbers each vector has, and the cosine of the first two."""
    vectors = [one.embedding for one in client.embeddings.create(**parameters).data]
    dot, *norms = (sum(a * b for a, b in zip(*pair, strict=True)) for pair in _pairs(vectors))
    return {"sizes": [len(vector) for vector in vectors], "cosine": dot / (norms[0] * norms[1]) ** 0.5}


def _pairs(vectors: list[list[float]]) -> list[tuple[list[float], list[float]]]:
    first, second = vectors[0], vectors[-1]
    return [(first, second), (first, first), (second, second)]


def transcribe(client: openai.OpenAI, file: str, **parameters: Any) -> dict[str, Any]:
    """What was said in a file of the client."""
    with open(file, "rb") as sound:
        return {"text": client.audio.transcriptions.create(file=sound, **parameters).text}


def models(client: openai.OpenAI) -> dict[str, Any]:
    """What the key may see."""
    return {"models": [one.model_dump() for one in client.models.list()]}


def large(client: openai.OpenAI, megabytes: int, **parameters: Any) -> dict[str, Any]:
    """A question with a picture of this size."""
    data = base64.b64encode(bytes(megabytes * 750_000)).decode()
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}
    return chat(client, messages=[{"role": "user", "content": [picture]}], **parameters)


def often(client: openai.OpenAI, times: int, **parameters: Any) -> dict[str, Any]:
    """The same question again and again: what became of each."""
    return {"outcomes": [outcome(chat, client, parameters).get("error", {}).get("status", 200) for _ in range(times)]}


CALLS: dict[str, Callable[..., dict[str, Any]]] = {
    call.__name__: call for call in (chat, stream, embed, transcribe, models, large, often)
}


def outcome(call: Callable[..., dict[str, Any]], client: openai.OpenAI, parameters: dict[str, Any]) -> dict[str, Any]:
    """The call's answer, or the class of the client's exception with the gateway's error in it."""
    try:
        return call(client, **parameters)
    except openai.APIStatusError as error:
        kind = type(error).__name__
        headers = {
            name: error.response.headers.get(name) for name in ("retry-after", "content-type", "www-authenticate")
        }
        return {"error": {"class": kind, "status": error.status_code, "body": error.body, "headers": headers}}
    except openai.APIConnectionError as error:
        return {"error": {"class": type(error).__name__, "status": 0, "body": repr(error.__cause__), "headers": {}}}


def main() -> None:
    """Do one call."""
    asked = json.loads(sys.argv[1])
    trust = ssl.create_default_context(cafile=asked["ca"])
    client = openai.OpenAI(
        base_url=asked["url"],
        api_key=asked["key"],
        max_retries=0,
        timeout=60,
        http_client=openai.DefaultHttpxClient(verify=trust),
    )
    print(json.dumps(outcome(CALLS[asked["call"]], client, asked["parameters"])))


if __name__ == "__main__":
    main()
