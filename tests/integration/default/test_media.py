# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Speech is transcribed and pictures are seen, by engines that were built here from their sources.

The speech model is a real one (Whisper tiny.en), so it understands a real sample.
"""

from __future__ import annotations

import json
from typing import Any

SAMPLE = (
    "http://hub.test:8080/files/jfk.wav"  # samples/jfk.wav of whisper.cpp: 11 seconds of Kennedy's inaugural address
)
EYES = "http://127.0.0.1:8001/v1/chat/completions"
PICTURE = "/models/pictures/red.png"
# One pixel of red.
RED = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mP4z8AAAAMBAQD3A0FDAAAAAElFTkSuQmCC"


def transcribe(host: Any, *form: str) -> str:
    """The transcription of the sample, requested on the host as in the reference post."""
    host.check_output(f"test -s /tmp/jfk.wav || curl -sS --fail -o /tmp/jfk.wav {SAMPLE}")
    fields = " ".join(f"-F {field}" for field in ("file=@/tmp/jfk.wav", "response_format=json", *form))
    answer = json.loads(host.check_output(f"curl -sS --fail --max-time 60 http://127.0.0.1:8080/inference {fields}"))
    return " ".join(answer["text"].lower().replace(",", "").split())


def test_whisper_was_built_from_the_pinned_source(host: Any) -> None:
    tree = host.check_output("readlink -e /opt/thor/engines/whisper.cpp/1.8.5")
    build = json.loads(host.file(f"{tree}/build.json").content_string)
    assert build["inputs"]["source"] == "sha256:5df897e5dd9d9f16804fc937bd85b9f5880a0b29a55f8843585e0e03d76195e5"
    assert "--inference-path" in build["options"]
    assert "not found" not in host.check_output(f"ldd {tree}/bin/whisper-server")


def test_a_real_sample_is_transcribed(host: Any) -> None:
    text = transcribe(host)
    assert text.startswith("and so my fellow americans ask not what your country can do for you")
    assert "what you can do for your country" in text


def look(host: Any, url: str) -> Any:
    """The engine's answer about a picture: status and document."""
    picture = {"type": "image_url", "image_url": {"url": url}}
    question = {"type": "text", "text": "What do you see?"}
    body = {"model": "tiny", "messages": [{"role": "user", "content": [picture, question]}], "max_tokens": 16}
    answer = host.check_output(f"curl -sS --max-time 60 -w '\\n%{{http_code}}' --json '{json.dumps(body)}' {EYES}")
    content, _, status = answer.rpartition("\n")
    return int(status), json.loads(content)


def test_a_picture_is_seen_by_address_and_by_file(host: Any) -> None:
    host.check_output(f"mkdir -p /models/pictures && echo {RED} | base64 -d >{PICTURE}")
    try:
        plain = json.loads(
            host.check_output(
                f"""curl -sS --fail --json '{{"messages": [{{"role": "user", "content": "What do you see?"}}]}}' {EYES}"""
            )
        )
        for url in ("http://hub.test:8080/files/red.png", "file:///pictures/red.png", f"data:image/png;base64,{RED}"):
            status, answer = look(host, url)
            assert status == 200, answer
            # A picture is 16 tokens from the projector.
            assert answer["usage"]["prompt_tokens"] == plain["usage"]["prompt_tokens"] + 16, url
    finally:
        host.check_output("rm -r /models/pictures")


def test_files_outside_the_folder_stay_unread(host: Any) -> None:
    for url in ("file:///../etc/hostname", "file:///etc/hostname"):
        status, answer = look(host, url)
        assert status == 400, answer


def test_verification_leaves_nothing_in_the_folder(host: Any) -> None:
    assert host.check_output("find /models -name 'thor-verify-*'") == ""
