# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Verification against a server that examines the images it receives: the requests, and the checks of their answers."""

from __future__ import annotations

import base64
import json
import re
import socket
import struct
import threading
import time
import urllib.error
import urllib.request
import xml.etree.ElementTree as ET
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleActionFail
from ansible_collections.jetson.thor.plugins.module_utils.clients import sample_image, verify
from ansible_collections.jetson.thor.plugins.module_utils.observe import sockets
from ansible_collections.jetson.thor.plugins.plugin_utils import sound
from ansible_collections.jetson.thor.plugins.plugin_utils.report.junit import junit_xml

QUESTIONS = verify.Questions(prompt="Hi", max_tokens=8, timeout=5, sound_name="speech.ogg", sound=b"RIFF")


class Engine(ThreadingHTTPServer):
    """Answers chats and transcriptions; it fetches images that are named by URL, unless remote fetches are off."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.text: str | None = "Hello there."
        self.reasoning = ""
        self.fetches = True
        self.finish = "stop"
        self.asked: list[int] = []  # max_tokens
        self.refusal: tuple[int, str] | None = None
        self.delay = 0.0
        self.seen: list[bytes] = []  # images

    def service(self, **fields: Any) -> dict[str, Any]:
        """A service of this engine."""
        return {
            "name": "eyes",
            "unit": "thor-eyes.service",
            "api": "chat",
            "api_path": "/v1/chat/completions",
            "address": "127.0.0.1",
            "port": self.server_port,
            "served_name": "qwen3",
            "thinking": None,
            **fields,
        }


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Engine

    def do_POST(self) -> None:
        """Answer."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(self.server.delay)
        if self.server.refusal:
            self.reply(self.server.refusal[0], {"error": {"message": self.server.refusal[1]}})
        elif self.headers["Content-Type"].startswith("multipart/form-data"):
            self.reply(200, {"text": self.server.text})
        else:
            self.chat(json.loads(body))

    def chat(self, asked: dict[str, Any]) -> None:
        """A chat, with an image or without."""
        content = asked["messages"][0]["content"]
        self.server.asked.append(asked["max_tokens"])
        for part in content if isinstance(content, list) else []:
            if part["type"] == "image_url":
                url = part["image_url"]["url"]
                try:
                    if url.startswith("http") and not self.server.fetches:
                        raise OSError("no route")
                    with urllib.request.urlopen(url, timeout=5) as answer:
                        self.server.seen.append(answer.read())
                except OSError as error:
                    self.reply(500, {"error": {"message": f"Failed to download image: {error}"}})
                    return
        message = {"role": "assistant", "content": self.server.text, "reasoning_content": self.server.reasoning}
        usage = {"prompt_tokens": 1, "completion_tokens": 3}
        self.reply(
            200,
            {"model": "qwen3", "choices": [{"finish_reason": self.server.finish, "message": message}], "usage": usage},
        )

    def reply(self, status: int, document: dict[str, Any]) -> None:
        """Send a JSON document."""
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine() as engine:
        threading.Thread(target=engine.serve_forever, args=(0.01,), daemon=True).start()
        yield engine
        engine.shutdown()


def codes(results: list[dict[str, Any]]) -> list[list[str]]:
    return [[problem["code"] for problem in result["problems"]] for result in results]


def only(result: dict[str, Any]) -> dict[str, Any]:
    (problem,) = result["problems"]
    return dict(problem)


def test_the_test_image_is_a_png_of_two_colours() -> None:
    content = sample_image.picture()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", content[16:24])
    data = content[content.index(b"IDAT") + 4 :]
    lines = zlib.decompress(
        data[: struct.unpack(">I", content[content.index(b"IDAT") - 4 : content.index(b"IDAT")])[0]]
    )
    assert (width, height) == (224, 224) and len(lines) == 224 * (1 + 224 * 3)
    assert lines[1:4] == sample_image.RED and lines[1 + 223 * 3 : 1 + 224 * 3] == sample_image.BLUE
    assert len(content) < 2000


def test_each_service_gets_its_representative_requests(engine: Engine, tmp_path: Path) -> None:
    services = [
        engine.service(name="chat"),
        engine.service(vision={"folder": str(tmp_path), "file_url": "file://{path}"}, remote_media=True),
        engine.service(name="ear", api="transcription", api_path="/inference"),
        engine.service(name="other", api="telepathy"),
    ]
    results = verify.verify_services(services, QUESTIONS)
    assert [(one["name"], one["request"], one["state"]) for one in results] == [
        ("chat", "chat", "ok"),
        ("eyes", "chat", "ok"),
        ("eyes", "image by URL", "ok"),
        ("eyes", "image by file", "ok"),
        ("ear", "transcription", "ok"),
        ("other", "telepathy", "unverified"),
    ]
    assert engine.seen == [sample_image.picture()] * 2
    assert list(tmp_path.iterdir()) == [], "nothing is left in the folder"
    assert results[0]["endpoint"].endswith("/v1/chat/completions") and results[4]["endpoint"].endswith("/inference")
    assert verify.verify_services([], QUESTIONS) == []


def test_requests_are_concurrent(engine: Engine, tmp_path: Path) -> None:
    engine.delay = 0.5
    see = {"vision": {"folder": str(tmp_path), "file_url": "file://{path}"}, "remote_media": True}
    services = [engine.service(name=f"s{number}", **see) for number in range(5)]
    begin = time.monotonic()
    results = verify.verify_services(services, QUESTIONS)
    assert len(results) == 15 and all(one["ok"] for one in results)
    assert time.monotonic() - begin < 2


def test_the_content_of_answers_is_checked_too(engine: Engine) -> None:
    engine.reasoning = "Hm."
    services = [
        engine.service(thinking=True),
        engine.service(thinking=False),
        engine.service(served_name="other"),
        engine.service(port=1),
    ]
    results = verify.verify_services(services, QUESTIONS)
    assert codes(results) == [[], ["THOR-ANSWER-THINKING"], ["THOR-ANSWER-WRONG"], ["THOR-ANSWER-MISSING"]]
    assert "journalctl -u thor-eyes.service" in results[3]["messages"][0]
    engine.text, engine.reasoning = "!" * 30, ""
    assert codes(verify.verify_services([engine.service()], QUESTIONS)) == [["THOR-ANSWER-WRONG"]]
    # Of a picture too. A model without trained weights may end as it likes.
    engine.text, engine.finish = "A picture of", "abort"
    looking = engine.service(vision={"folder": "", "file_url": ""}, remote_media=True)
    assert codes(verify.verify_services([looking, engine.service(trained=False)], QUESTIONS)) == [
        ["THOR-ANSWER-WRONG"]
    ] * 2 + [[]]


def test_an_answer_must_finish_and_a_thought_gets_more_tokens(engine: Engine) -> None:
    engine.finish, engine.text = "length", "Okay, the user wants me to"
    services = [engine.service(thinking=thinking) for thinking in (False, True, None)]
    results = verify.verify_services(services, QUESTIONS)
    assert codes(results) == [
        ["THOR-ANSWER-WRONG", "THOR-ANSWER-THINKING"],
        ["THOR-ANSWER-WRONG"],
        ["THOR-ANSWER-WRONG"],
    ]
    assert sorted(engine.asked) == [8, 48, 48]
    assert "Okay" in results[0]["answer"]
    # What is seen in a picture may take longer to tell.
    engine.text = "A picture of"
    vision = {"folder": "", "file_url": ""}
    looked = [
        one
        for one in verify.verify_services([engine.service(vision=vision, remote_media=True)], QUESTIONS)
        if "image" in one["request"]
    ]
    assert codes(looked) == [[]]
    # A model without trained weights does not know where to stop.
    assert codes(verify.verify_services([engine.service(trained=False)], QUESTIONS)) == [[]]
    engine.text, engine.finish = "\x1b[31mHello\ufffd", "stop"
    (result,) = verify.verify_services([engine.service(api="transcription")], QUESTIONS)
    assert codes([result]) == [["THOR-ANSWER-WRONG"]] and "\x1b" not in result["answer"]


@pytest.mark.parametrize("api", ["chat", "transcription"])
def test_only_an_untrained_model_may_answer_nonsense(engine: Engine, api: str) -> None:
    engine.text = ""
    services = [engine.service(api=api, trained=trained) for trained in (True, False)]
    assert codes(verify.verify_services(services, QUESTIONS)) == [["THOR-ANSWER-WRONG"], []]


def test_a_refused_recording_names_the_file(engine: Engine) -> None:
    engine.refusal = (400, "failed to read audio data")
    problem = only(verify.verify_services([engine.service(api="transcription")], QUESTIONS)[0])
    assert (problem["code"], problem["value"]) == ("THOR-AUDIO-FAILED", "speech.ogg")
    assert "HTTP 400: failed to read audio data" in problem["reason"] and "verify_audio_file" in problem["remedy"]


def test_an_image_that_cannot_be_fetched_names_the_address(engine: Engine) -> None:
    url = "http://127.0.0.1:1/cat.jpg"
    questions = verify.Questions(prompt="Hi", max_tokens=8, timeout=5, image_url=url)
    see = {"vision": {"folder": None, "file_url": None}, "remote_media": True}
    results = verify.verify_services([engine.service(**see)], questions)
    assert codes(results) == [[], ["THOR-MEDIA-FAILED"]]
    assert only(results[1])["value"] == url and "Failed to download image" in only(results[1])["reason"]


def test_a_missing_folder_is_named(engine: Engine, tmp_path: Path) -> None:
    gone = str(tmp_path / "gone")
    see = {"vision": {"folder": gone, "file_url": "file://{path}"}, "remote_media": True}
    results = verify.verify_services([engine.service(**see)], QUESTIONS)
    assert (only(results[2])["code"], only(results[2])["value"]) == ("THOR-MEDIA-FOLDER", gone)


@pytest.mark.parametrize(("fetches", "found"), [(True, ["THOR-MEDIA-OPEN"]), (False, [])])
def test_a_forbidden_fetch_is_caught(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, fetches: bool, found: list[str]
) -> None:
    monkeypatch.setattr(sample_image, "own_address", lambda: "127.0.0.1")
    engine.fetches = fetches
    see = {"vision": {"folder": None, "file_url": None}, "remote_media": False}
    results = verify.verify_services([engine.service(**see)], QUESTIONS)
    assert [one["request"] for one in results] == ["chat", "image by URL (blocked)"]
    assert codes(results)[1] == found
    assert results[1]["ok"] == (not found)


def test_an_engine_that_the_kernel_blocks_does_not_answer_and_passes(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample_image, "own_address", lambda: "127.0.0.1")
    monkeypatch.setattr(verify, "BLOCKED_SECONDS", 0.5)
    see = {"vision": {"folder": None, "file_url": None}, "remote_media": False}
    engine.delay = 1.0
    results = verify.verify_services([engine.service(**see)], QUESTIONS)
    assert codes(results) == [[], []]
    assert results[1]["answer"] == "blocked, as it should be"


def test_a_missing_service_does_not_count_as_one_that_fetches_nothing(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample_image, "own_address", lambda: "127.0.0.1")
    see = {"vision": {"folder": None, "file_url": None}, "remote_media": False}
    results = verify.verify_services([engine.service(port=1, **see)], QUESTIONS)
    assert codes(results) == [["THOR-ANSWER-MISSING"]] * 2
    monkeypatch.setattr(sample_image, "own_address", lambda: None)
    assert verify.verify_services([engine.service(**see)], QUESTIONS)[1]["state"] == "unverified"


def test_a_hung_endpoint_ends_after_its_timeout(engine: Engine) -> None:
    engine.delay = 30
    begin = time.monotonic()
    questions = verify.Questions(prompt="Hi", max_tokens=8, timeout=0.5, sound=b"RIFF")
    results = verify.verify_services([engine.service(), engine.service(api="transcription")], questions)
    assert time.monotonic() - begin < 3
    assert codes(results) == [["THOR-ANSWER-MISSING"]] * 2
    assert all("did not answer within" in one["messages"][0] for one in results)


def test_the_recording_is_sent_only_to_transcription_services(tmp_path: Path) -> None:
    file = tmp_path / "a.wav"
    file.write_bytes(b"RIFF")
    args = {"audio_file": str(file), "prompt": "Hi", "audio": "not this"}
    assert sound.carry(args, [{"api": "chat"}], "verify_audio_file") == {"prompt": "Hi"}
    taken = sound.carry(args, [{"api": "transcription"}], "verify_audio_file")
    assert taken == {"prompt": "Hi", "audio_file": "a.wav", "audio": "UklGRg=="}


@pytest.mark.parametrize("given", [{}, {"audio_file": ""}, {"audio_file": None}])
def test_the_recording_of_the_collection_is_sent_by_default(given: dict[str, Any]) -> None:
    taken = sound.carry(given, [{"api": "transcription"}], "verify_audio_file")
    assert taken["audio_file"] == "speech.wav" and base64.b64decode(taken["audio"]) == sound.RECORDING.read_bytes()
    assert sound.carry(given, [{"api": "chat"}], "verify_audio_file") == {}


@pytest.mark.parametrize("role", ["bench", "verify"])
def test_no_role_names_a_recording_of_its_own(role: str) -> None:
    defaults = Path(__file__).resolve().parents[4] / "roles" / role / "defaults" / "main.yml"
    assert yaml.safe_load(defaults.read_text(encoding="utf-8"))[f"{role}_audio_file"] == ""


@pytest.mark.parametrize(("content", "reason"), [(None, "cannot be read"), (b"", "has 0 bytes")])
def test_an_unusable_recording_is_refused_by_its_variable(tmp_path: Path, content: bytes | None, reason: str) -> None:
    file = tmp_path / "a.wav"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(AnsibleActionFail, match=rf"THOR-AUDIO-FILE: verify_audio_file = .*a\.wav: .*{reason}"):
        sound.carry({"audio_file": str(file)}, [{"api": "transcription"}], "verify_audio_file")


def test_junit_xml_has_a_case_for_each_request(engine: Engine) -> None:
    engine.text = "\x00 <b>&amp;"
    results = verify.verify_services(
        [engine.service(name="chat", trained=False), engine.service(port=1), engine.service(api="x")], QUESTIONS
    )
    document = junit_xml(results, "thor01")
    suite = ET.fromstring(document)
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("3", "1", "1")
    cases = suite.findall("testcase")
    assert [case.get("classname") for case in cases] == ["thor01.chat", "thor01.eyes", "thor01.eyes"]
    failure = cases[1].find("failure")
    assert failure is not None and failure.get("type") == "THOR-ANSWER-MISSING"
    assert "nothing listens" in (failure.text or "") and cases[2].find("skipped") is not None
    assert re.search("<system-out>.? &lt;b&gt;&amp;amp;</system-out>", document)


@pytest.mark.parametrize(
    ("address", "listens", "named"),
    [
        ("127.0.0.1", ["127.0.0.1"], None),
        ("127.0.0.1", ["0.0.0.0"], "0.0.0.0"),
        ("127.0.0.1", ["0000:0000:0000:0000:0000:0000:0000:0000"], "::"),
        ("127.0.0.1", ["127.0.0.1", "192.168.1.5"], "192.168.1.5"),
        ("127.0.0.1", ["0000:0000:0000:0000:0000:ffff:7f00:0001"], None),
        ("::1", ["0000:0000:0000:0000:0000:0000:0000:0001"], None),
        ("192.168.1.5", ["192.168.1.5", "127.0.0.1"], None),
        ("192.168.1.5", ["0000:0000:0000:0000:0000:ffff:c0a8:0105"], None),
        ("192.168.1.5", ["0.0.0.0"], "0.0.0.0"),
        ("0.0.0.0", ["0.0.0.0"], None),
        ("0.0.0.0", ["0000:0000:0000:0000:0000:0000:0000:0000"], None),
        ("127.0.0.1", [], None),
    ],
)
def test_a_service_that_listens_on_other_addresses_is_detected(
    address: str, listens: list[str], named: str | None, engine: Engine
) -> None:
    service = engine.service(address=address)
    sockets = [{"address": one, "port": service["port"], "unit": service["unit"]} for one in listens]
    problem = verify.exposed(service, sockets)
    assert (problem.code if problem else None) == ("THOR-LISTENS-OPEN" if named else None)
    assert named is None or named in str(problem and problem.reason)
    # Another service's port, and another service at the same port, are no affair of this one.
    assert verify.exposed(service, [{**one, "port": 1} for one in sockets]) is None
    assert verify.exposed(service, [{**one, "unit": "thor-else.service"} for one in sockets]) is None


def test_an_open_port_fails_however_well_the_service_answers(engine: Engine) -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:
        service = engine.service(port=server.getsockname()[1], api="other")
        listening = [{**one, "unit": None} for one in sockets.listening()]
        results = {one["request"]: one for one in verify.verify_services([service], QUESTIONS, listening=listening)}
    assert results["where it listens"]["state"] == "failed"
    assert "THOR-LISTENS-OPEN" in results["where it listens"]["messages"][0]
    assert len(verify.verify_services([engine.service(api="other")], QUESTIONS, listening=sockets.listening())) == 1
