# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""OpenAI's own Python client, from another machine, through TLS with a key: what it gets, and how it is refused."""

from __future__ import annotations

from typing import Any

import client_machine
import gateway_scene
import pytest
from gateway_scene import Door
from light import LIGHT

HELLO = {"messages": [{"role": "user", "content": "Who are you?"}], "temperature": 0, "max_tokens": 200}
ANSWER = "Hello from the sandbox!"
# One pixel of red.
RED = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mP4z8AAAAMBAQD3A0FDAAAAAElFTkSuQmCC"


@pytest.fixture(scope="module", autouse=True)
def _client() -> None:
    gateway_scene.set_up()


@pytest.fixture(scope="module")
def robot() -> Door:
    """A client that may use everything."""
    return Door(gateway_scene.key("robot7"))


def test_a_question_is_answered_and_the_answer_names_its_model(robot: Door) -> None:
    answer = robot.call("chat", model="chat", **HELLO)
    assert ANSWER in answer["text"], answer
    assert answer["model"] == "chat"


def test_an_answer_arrives_in_pieces_while_it_is_made(robot: Door) -> None:
    # Long enough to see it: the tiny model makes some thousand tokens a second.
    answer = robot.call("stream", model="chat", **{**HELLO, "max_tokens": 2500}, extra_body={"ignore_eos": True})
    assert ANSWER in answer["text"]
    assert len(answer["times"]) > 1000
    assert answer["times"][-1] - answer["times"][0] > 0.2 * answer["times"][-1], "they came all at once"


def test_a_function_is_called(robot: Door) -> None:
    answer = robot.call("chat", model="caller", tools=[LIGHT], **HELLO)
    assert answer["calls"] == [["switch_light", {"room": "kitchen", "state": "on"}]]


def test_a_picture_is_seen(robot: Door) -> None:
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{RED}"}}
    question = {"type": "text", "text": "What do you see?"}
    sizes = [
        robot.call("chat", model="eyes", max_tokens=16, messages=[{"role": "user", "content": content}])[
            "prompt_tokens"
        ]
        for content in ([question], [picture, question])
    ]
    assert sizes[1] - sizes[0] == 16, "a picture is 16 tokens from the projector"


def test_speech_is_transcribed_by_whisper_under_openais_path(robot: Door) -> None:
    client_machine.check("curl -sS --fail -o jfk.wav http://hub.test:8080/files/jfk.wav")
    text = robot.call("transcribe", file="jfk.wav", model="speech")["text"]
    assert "ask not what your country can do for you" in " ".join(text.lower().replace(",", "").split())


def test_texts_become_vectors_that_compare_them(robot: Door) -> None:
    near, far = (
        robot.call("embed", model="embedder", encoding_format="float", input=["the red door", other])
        for other in ("a red door", "quick brown foxes")
    )
    assert near["sizes"] == [512, 512]
    assert near["cosine"] > far["cosine"] + 0.1


def test_the_list_has_the_models_that_a_key_may_use_and_what_they_can_do(robot: Door) -> None:
    models = {one["id"]: one for one in robot.call("models")["models"]}
    assert {"chat", "caller", "eyes", "embedder", "speech"} <= set(models)
    assert models["eyes"]["vision"] is True and models["chat"]["vision"] is False
    assert models["caller"]["tools"] is True
    assert [models[name]["api"] for name in ("embedder", "speech")] == ["embedding", "transcription"]
    only = Door(gateway_scene.key("camera")).call("models")["models"]
    assert [one["id"] for one in only] == ["eyes"]


def test_each_service_has_a_path_of_its_own(robot: Door) -> None:
    own = Door(robot.key, f"https://{gateway_scene.NAME}/chat/v1")
    assert ANSWER in own.call("chat", model="whatever-it-is-called", **HELLO)["text"]


@pytest.mark.parametrize("wrong", ["wrong-" + "0" * 30, "robot7"])
def test_a_wrong_key_is_refused(wrong: str) -> None:
    kind, status, error = Door(wrong).refused("chat", model="chat", **HELLO)
    assert (kind, status) == ("AuthenticationError", 401)
    assert wrong not in str(error)


def test_without_a_key_the_models_are_not_listed_either() -> None:
    answer = client_machine.check(
        f"curl -sS --cacert thor-ca.crt -w '\\n%{{http_code}}' https://{gateway_scene.NAME}/v1/models"
    )
    assert answer.endswith("401") and '"error"' in answer


def test_a_key_is_refused_for_another_model() -> None:
    kind, status, error = Door(gateway_scene.key("camera")).refused("chat", model="chat", **HELLO)
    assert (kind, status) == ("PermissionDeniedError", 403)
    assert "chat" in error["message"]


def test_an_unknown_model_is_refused_with_those_that_the_key_may_use() -> None:
    kind, status, error = Door(gateway_scene.key("camera")).refused("chat", model="gpt-5", **HELLO)
    assert (kind, status) == ("NotFoundError", 404)
    assert "eyes" in error["message"] and "speech" not in error["message"]


def test_too_large_a_body_is_refused(robot: Door) -> None:
    kind, status, _error = robot.refused("large", megabytes=12, model="eyes")
    assert (kind, status) == ("APIStatusError", 413)


def test_too_many_requests_are_refused_until_time_has_passed() -> None:
    hasty = Door(gateway_scene.key("hasty"))
    outcomes = hasty.call("often", times=8, model="chat", messages=[{"role": "user", "content": "Hi"}], max_tokens=1)
    assert outcomes["outcomes"][0] == 200
    assert outcomes["outcomes"][-1] == 429
    error = hasty.call("chat", model="chat", **HELLO)["error"]
    assert (error["class"], error["status"]) == ("RateLimitError", 429)
    assert int(error["headers"]["retry-after"]) >= 1


@pytest.mark.parametrize(
    "path", ["/slots", "/metrics", "/chat/metrics", "/chat/slots", "/chat/", "/", "/docs", "/speech/inference"]
)
def test_the_consoles_of_engines_are_not_reachable(robot: Door, path: str) -> None:
    url = f"https://{gateway_scene.NAME}{path}"
    header = f"Authorization: Bearer {robot.key}"
    answer = client_machine.check(
        f"curl -sS --path-as-is --cacert thor-ca.crt -w '\\n%{{http_code}}' -H '{header}' {url}"
    )
    assert answer.endswith("\n404") and '"error"' in answer


def test_another_machine_reaches_no_plain_http() -> None:
    for port in (80, 8000, 8001, 8002, 8003, 8080):
        done: Any = client_machine.run(f"curl -sS --max-time 5 http://{gateway_scene.NAME}:{port}/v1/models")
        assert done.returncode == 7, f"port {port}: {done.stdout}{done.stderr}"


def test_certificates_of_others_are_not_trusted(robot: Door) -> None:
    client_machine.write("other-ca.crt", client_machine.check("cat /etc/ssl/certs/ca-certificates.crt"))
    done = client_machine.run(f"curl -sS --cacert other-ca.crt https://{gateway_scene.NAME}/v1/models")
    assert done.returncode == 60, "the certificate is the CA's, not anybody's"
    assert robot.call("models")["models"]
