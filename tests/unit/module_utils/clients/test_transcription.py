# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Requests to a transcription service, and the shape of its answers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.clients import api, transcription
from answering_server import Server, running, service


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as server:
        yield server


@pytest.mark.parametrize("path", ["/inference", "/v1/audio/transcriptions"])
def test_a_recording_is_sent_as_a_form_to_the_path_of_the_service(server: Server, path: str) -> None:
    server.content = b'{"text": " And so, my fellow Americans.\\n"}'
    listener = service(server, api="transcription", api_path=path, served_name="whisper")
    answer = transcription.transcribe(listener, "speech.wav", b"RIFF\r\n--\0", timeout=5)
    assert answer.text.strip() == "And so, my fellow Americans."
    assert answer.completion_tokens is None and answer.model == ""
    asked, body = server.asked[0]
    assert asked == path
    boundary = body.split(b"\r\n")[0]
    parts = [part.split(b"\r\n\r\n", 1) for part in body.split(boundary)[1:-1]]
    values = {head.split(b'name="')[1].split(b'"')[0]: value[:-2] for head, value in parts}
    assert values == {b"model": b"whisper", b"response_format": b"json", b"temperature": b"0", b"file": b"RIFF\r\n--\0"}
    assert b'filename="speech.wav"' in body
    assert body.endswith(boundary + b"--\r\n")


@pytest.mark.parametrize(
    ("content", "reason"), [(b"<html>", "not JSON"), (b'{"error": "x"}', "no text"), (b'["x"]', "no text")]
)
def test_a_malformed_transcription_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(api.ProbeError, match=reason) as caught:
        transcription.parse(content, 1.0)
    assert caught.value.kind == "shape"
