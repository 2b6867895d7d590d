# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The transcription API: its form, the shape of its answer, and the smallest request."""

from __future__ import annotations

import io
import secrets
import wave
from collections.abc import Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.clients import api

SAMPLE_RATE = 16000  # Hz; what Whisper works with


def parse(content: bytes, seconds: float) -> api.Answer:
    """Read the body of a transcription in JSON; raise ProbeError of kind ``shape`` if it is not one."""
    document = api.json_object("transcription", content)
    if not isinstance(document.get("text"), str):
        raise api.wrong_shape("transcription", "it has no text", content)
    return api.Answer(text=document["text"], seconds=seconds)


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


def transcribe(service: Mapping[str, Any], name: str, sound: bytes, *, timeout: float) -> api.Answer:
    """Have a service write down what is said in ``sound``, the content of the file ``name``; raise ProbeError.

    The form is that of OpenAI's API, which whisper-server also takes; it has no use for the model's name.
    """
    fields = {"model": service["served_name"], "response_format": "json", "temperature": "0"}
    return parse(*api.post(service, *form(fields, name, sound), timeout))


def smallest(config: Mapping[str, Any], timeout: float) -> None:
    """A second of silence, whatever the model hears in it; raise ProbeError."""
    transcribe(config, "silence.wav", silence(), timeout=timeout)
