# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Which service a request goes to: by the model that its body names, wherever and however it stands there."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from gateway_run import Answer, RunningGateway, running
from gateway_services import ALL, ONE, clients, services_on
from recording_engine import Engine

IMAGE = b"iVBORw0KGgo/+A" * 3_000_000  # 42 MB
FORM = {"Content-Type": "multipart/form-data; boundary=XX"}


def chat(gateway: RunningGateway, body: bytes | Iterator[bytes], key: str = ALL) -> Answer:
    return gateway.ask("POST", "/v1/chat/completions", key, body, {"Content-Type": "application/json"})


def form(gateway: RunningGateway, body: bytes, headers: dict[str, str] | None = None) -> Answer:
    return gateway.ask("POST", "/v1/audio/transcriptions", ALL, body, headers or FORM)


def part(name: str, content: bytes, file: str | None = None) -> bytes:
    named = f'Content-Disposition: form-data; name="{name}"' + (f'; filename="{file}"' if file else "")
    return f"--XX\r\n{named}\r\n\r\n".encode() + content + b"\r\n"


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=X", "application/x-www-form-urlencoded", None])
def test_what_is_read_as_json_here_is_no_form_for_the_engine(
    gateway: RunningGateway, engine: Engine, kind: str | None
) -> None:
    """One body can be both, with two models; llama.cpp skips what stands before the first boundary of a form (cpp-httplib)."""
    body = b'{"model": "qwen3", "x": "\r\n--X\r\nContent-Disposition: form-data; name=model\r\n\r\nembed\r\n--X--\r\n"}'
    gateway.ask("POST", "/v1/chat/completions", ALL, body, {"Content-Type": kind} if kind else {})
    assert (engine.asked[-1].body, engine.asked[-1].headers["content-type"]) == (body, "application/json")


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"qwen3"}',
        b' \n{ "messages" : [ {"role": "user", "content": "\\"model\\": \\"embed\\""} ] , "model"\t:\r\n"qwen3" } \n',
        b'{"tools": {"model": "embed"}, "list": [{"model": "embed"}], "model": "qwen3"}',
        b'{"a": "model", "model": "qwen3", "b": "model"}',
        b'{"a": "ends with \\\\", "model": "qwen3"}',
        b'{"a": "\\\\\\"", "model": "qwen3", "n": [1.5e3, true, null, {}]}',
        b'{"mod\\u0065l": "qw\\u0065n3"}',
        b'{"{": "}", "]": "[", "model": "qwen3"}',
    ],
)
def test_the_model_is_the_one_of_the_object_itself(gateway: RunningGateway, engine: Engine, body: bytes) -> None:
    assert chat(gateway, body).status == 200
    assert engine.asked[-1].body == body


def test_a_model_may_come_after_a_large_image(gateway: RunningGateway, engine: Engine) -> None:
    body = (
        b'{"messages": [{"content": [{"image_url": {"url": "data:image/png;base64,'
        + IMAGE
        + b'"}}]}], "model": "qwen3"}'
    )
    assert chat(gateway, body).status == 200
    assert engine.asked[-1].body == body
    assert chat(gateway, body.replace(b'"qwen3"', b'"other"')).error["code"] == "model_not_found"


def test_a_body_may_come_in_chunks(gateway: RunningGateway, engine: Engine) -> None:
    pieces = [b'{"x": "', b"y" * 300_000, b'", "mo', b"del", b'": "qwe', b'n3"}']
    assert chat(gateway, iter(pieces)).status == 200
    assert engine.asked[-1].body == b"".join(pieces)
    assert "transfer-encoding" not in engine.asked[-1].headers


def test_an_escaped_slash_is_a_slash(gateway: RunningGateway) -> None:
    assert "'a/b'" in chat(gateway, b'{"model": "a\\/b"}').error["message"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"model": "drives", "model": "qwen3"}', "names model twice"),
        (b'{"mod\\u0065l": "embed", "model": "qwen3"}', "names model twice"),
        (b'{"messages": []}', "names no model"),
        (b"{}", "names no model"),
        (b'{"model": 5}', "must be a text"),
        (b'{"model": null}', "must be a text"),
        (b'{"model": "' + b"x" * 600 + b'"}', "too long"),
        (b'{"model": "qwen3"', "middle of an object"),
        (b'{"model": "qwen3', "middle of a text"),
        (b'{"model": "qwen3\\"}', "middle of a text"),
        (b'{"model": "qwen3"} {"model": "embed"}', "goes on after"),
        (b'["model", "qwen3"]', "not a JSON object"),
        (b"", "not a JSON object"),
        (b'\xef\xbb\xbf{"model": "qwen3"}', "not a JSON object"),
        ('{"model": "qwen3"}'.encode("utf-16-le"), "not a JSON object"),
        ('{"model": "qwen3"}'.encode("utf-32-le"), "not a JSON object"),
    ],
)
def test_a_body_that_could_mean_something_else_is_refused(
    gateway: RunningGateway, engine: Engine, body: bytes, reason: str
) -> None:
    before = len(engine.asked)
    answer = chat(gateway, body)
    assert (answer.status, answer.error["code"], answer.error["param"]) == (400, "invalid_body", "model")
    assert reason in answer.error["message"] and len(engine.asked) == before


def test_invalid_utf_8_is_the_engine_s_to_refuse(gateway: RunningGateway, engine: Engine) -> None:
    assert chat(gateway, b'{"a": "\xff\xfe", "model": "qwen3"}').status == 400
    assert engine.asked[-1].body == b'{"a": "\xff\xfe", "model": "qwen3"}'
    unknown = chat(gateway, b'{"model": "\xffqwen3"}')
    assert (unknown.status, "?qwen3" in unknown.error["message"]) == (404, True)


@pytest.mark.parametrize("filler", [b'"","",', b'"\\"",', b"1,2,3,", b"[{},[]],", b"        "])
def test_a_body_of_many_small_pieces_is_read_to_its_end(gateway: RunningGateway, filler: bytes) -> None:
    body = b'{"a": [' + filler * (16_000_000 // len(filler)) + b'1], "model": "nosuch"}'
    assert chat(gateway, body).error["code"] == "model_not_found"


def test_by_its_path_a_service_takes_any_model(gateway: RunningGateway, engine: Engine) -> None:
    for body in ({"model": "gpt-4o"}, {}):
        assert gateway.ask("POST", "/chat/v1/chat/completions", ONE, body).status == 200
        assert json.loads(engine.asked[-1].body) == body


def test_a_recording_reaches_whisper_at_its_own_path(gateway: RunningGateway, engine: Engine) -> None:
    body = part("file", b"RIFF\r\n--X\r\n\r\n" * 1000, "model") + part("model", b"whisper") + b"--XX--\r\n"
    assert form(gateway, body).json() == {"text": "hello"}
    assert (engine.asked[-1].path, engine.asked[-1].body) == ("/inference", body)
    assert engine.asked[-1].headers["content-type"] == FORM["Content-Type"]


def test_the_field_model_may_come_after_a_large_file(gateway: RunningGateway, engine: Engine) -> None:
    body = part("file", IMAGE, "a.wav") + part("model", b"whisper") + b"--XX--\r\n"
    assert form(gateway, body).status == 200
    assert engine.asked[-1].body == body


def test_a_boundary_may_be_in_quotes(gateway: RunningGateway) -> None:
    headers = {"Content-Type": 'Multipart/Form-Data; charset=utf-8; Boundary="XX"'}
    body = part("model", b"whisper").replace(b"Content-Disposition", b"content-disposition") + b"--XX--"
    assert form(gateway, body, headers).status == 200


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (part("model", b"whisper") + part("model", b"whisper") + b"--XX--\r\n", "names model twice"),
        (part("file", b"model", "model") + b"--XX--\r\n", "names no model"),
        (part("file", b"RIFF", "a.wav"), "middle of a part"),
        (part("model", b"whisper") + b"--XX", "before its last boundary"),
        (b"--XX\r\nContent-Disposition: form-data", "no end of its header"),
        (part("model", b"x" * 1000) + b"--XX--\r\n", "too long"),
        (b"--YY--\r\n", "does not begin with its boundary"),
        (b"", "does not begin with its boundary"),
        (b'{"model": "whisper"}', "does not begin with its boundary"),
    ],
)
def test_a_form_that_cannot_be_read_is_refused(gateway: RunningGateway, body: bytes, reason: str) -> None:
    answer = form(gateway, body)
    assert (answer.status, answer.error["code"]) == (400, "invalid_body") and reason in answer.error["message"]


def test_a_recording_must_be_a_form(gateway: RunningGateway) -> None:
    answer = form(gateway, b'{"model": "whisper"}', {"Content-Type": "application/json"})
    assert answer.status == 400 and "multipart/form-data" in answer.error["message"]


def test_a_body_that_is_too_large_is_refused(gateway: RunningGateway, engine: Engine) -> None:
    before, huge = len(engine.asked), b"x" * (65 * 1024 * 1024)
    answer = chat(gateway, huge)
    assert (answer.status, answer.error["code"]) == (413, "request_too_large")
    assert len(engine.asked) == before


def test_a_body_in_chunks_has_the_same_limit(engine: Engine) -> None:
    with running(services_on(engine.server_port), clients(), body_bytes=1000) as gateway:
        assert chat(gateway, b'{"model": "qwen3", "x": "' + b"y" * 900 + b'"}').status == 200
        pieces = [b'{"model": "qwen3", "x": "', b"y" * 1000, b'"}']
        answer = chat(gateway, iter(pieces))
        assert (answer.status, answer.error["code"]) == (413, "request_too_large")
