# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Who is let in: keys, rights and paths, asked of the real nginx."""

from __future__ import annotations

import contextlib
import http.client
import socket
import time
from pathlib import Path

import pytest
from gateway_run import RunningGateway, client, running
from gateway_services import ALL, ENGINE_KEY, EYES, LORA, ONE, clients, services_on
from recording_engine import Engine

CHAT = {"model": "qwen3", "messages": []}


def test_without_a_key_nothing_is_answered(gateway: RunningGateway) -> None:
    for path in ("/", "/v1/models", "/v1/chat/completions", "/metrics/gateway", "/nothing"):
        answer = gateway.ask("GET", path)
        assert (answer.status, answer.error["code"]) == (401, "missing_api_key")
        assert answer.headers["www-authenticate"] == "Bearer"


def test_a_wrong_key_is_refused(gateway: RunningGateway) -> None:
    answer = gateway.chat("wrong-" + "x" * 20)
    assert (answer.status, answer.error["code"], answer.error["type"]) == (
        401,
        "invalid_api_key",
        "authentication_error",
    )


@pytest.mark.parametrize("headers", [{"x-api-key": ALL}, {"Authorization": f"bearer   {ALL}"}])
def test_a_key_may_come_as_other_clients_send_it(gateway: RunningGateway, headers: dict[str, str]) -> None:
    assert gateway.ask("POST", "/v1/chat/completions", None, CHAT, headers).status == 200


def test_the_engine_sees_its_own_key_and_nothing_of_the_client_s(gateway: RunningGateway, engine: Engine) -> None:
    headers = {"Cookie": "a=b", "Origin": "https://elsewhere.example", "X-Api-Key": ALL, "X-Forwarded-For": "1.2.3.4"}
    assert gateway.ask("POST", "/v1/embeddings", ALL, {"model": "embed", "input": "x"}, headers).status == 200
    seen = engine.asked[-1]
    assert (seen.path, seen.headers["authorization"]) == ("/v1/embeddings", f"Bearer {ENGINE_KEY}")
    assert not {"cookie", "origin", "x-api-key", "x-forwarded-for"} & set(seen.headers)
    assert gateway.chat(ALL, "qwen3").status == 200
    assert "authorization" not in engine.asked[-1].headers and ALL not in str(engine.asked[-1])


def test_a_key_is_for_its_models_alone(gateway: RunningGateway) -> None:
    assert gateway.chat(ONE, "qwen3").status == gateway.chat(ONE, "drives").status == 200
    refused = gateway.ask("POST", "/v1/embeddings", ONE, {"model": "embed", "input": "x"})
    assert (refused.status, refused.error["code"], refused.error["param"]) == (403, "model_not_allowed", "model")
    assert gateway.ask("POST", "/vectors/v1/embeddings", ONE, {"input": "x"}).status == 403


def test_a_key_for_an_adapter_is_not_one_for_its_service(gateway: RunningGateway) -> None:
    assert gateway.chat(LORA, "drives").status == 200
    assert gateway.chat(LORA, "qwen3").status == 403
    assert gateway.ask("POST", "/chat/v1/chat/completions", LORA, CHAT).status == 403


def test_models_are_listed_as_far_as_the_key_reaches(gateway: RunningGateway) -> None:
    def listed(key: str, path: str = "/v1/models") -> list[str]:
        return [model["id"] for model in gateway.ask("GET", path, key).json()["data"]]

    assert listed(ALL) == ["qwen3", "drives", "whisper", "embed", "down", "big"]
    assert (listed(ONE), listed(LORA)) == (["qwen3", "drives"], ["drives"])
    assert (listed(ALL, "/vectors/v1/models"), listed(ONE, "/vectors/v1/models"), listed(EYES)) == (["embed"], [], [])


def test_an_unknown_model_is_told_with_the_known_ones(gateway: RunningGateway) -> None:
    answer = gateway.chat(ONE, 'gpt-4"\\\x01ü')
    assert (answer.status, answer.error["code"], answer.error["param"]) == (404, "model_not_found", "model")
    assert "qwen3, drives" in answer.error["message"] and "embed" not in answer.error["message"]


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/index.html", "/metrics", "/slots", "/load", "/props", "/docs", "/openapi.json", "/health", "/v1"),
        *("/v1/", "/v1/slots", "/v1/chat", "/v1/chat/completions/", "/v1/../slots", "/chat/metrics", "/chat/v1/slots"),
        *("/v1/load_lora_adapter", "/v1/%2e%2e/slots", "/nosuch/v1/models", "/chat/v1/../slots", "/v1/responses/1"),
    ],
)
def test_no_other_path_reaches_an_engine(gateway: RunningGateway, engine: Engine, path: str) -> None:
    before = len(engine.asked)
    for method, body in (("GET", None), ("POST", CHAT)):
        answer = gateway.ask(method, path, ALL, body)
        assert (answer.status, answer.error["code"]) == (404, "unknown_path")
    assert len(engine.asked) == before


def test_a_service_answers_what_it_is_for(gateway: RunningGateway) -> None:
    answer = gateway.ask("POST", "/v1/embeddings", ALL, {"model": "qwen3", "input": "x"})
    assert (answer.status, answer.error["code"]) == (404, "unknown_path")
    assert gateway.ask("GET", "/v1/chat/completions", ALL).status == 405
    assert gateway.ask("POST", "/v1/models", ALL, {}).status == 405


@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "DELETE", "HEAD", "TRACE", "CONNECT", "NOSUCH"])
def test_other_methods_are_refused(gateway: RunningGateway, method: str) -> None:
    answer = gateway.ask(method, "/v1/models", ALL, headers={"Origin": "https://elsewhere.example"})
    assert answer.status in {400, 405}
    assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_other_web_pages_may_not_read_an_answer(gateway: RunningGateway) -> None:
    for body in (CHAT, {**CHAT, "stream": 2}):
        answer = gateway.ask("POST", "/v1/chat/completions", ALL, body, {"Origin": "https://elsewhere.example"})
        assert answer.status == 200 and not [name for name in answer.headers if name.startswith("access-control-")]


def test_the_key_is_checked_before_the_body_is_read(gateway: RunningGateway) -> None:
    with contextlib.closing(gateway.connection(5)) as connection:
        connection.putrequest("POST", "/v1/chat/completions")
        connection.putheader("Content-Length", "50000000")
        connection.endheaders(b"{")  # the rest never comes
        assert connection.getresponse().status == 401


@pytest.mark.parametrize(("key", "begins"), [(ALL, b"HTTP/1.1 100 "), ("wrong-" + "x" * 20, b"HTTP/1.1 401 ")])
def test_a_client_that_asks_first_is_told_before_it_sends(gateway: RunningGateway, key: str, begins: bytes) -> None:
    head = ["POST /v1/chat/completions HTTP/1.1", "Host: a", f"Authorization: Bearer {key}", "Expect: 100-continue"]
    with socket.create_connection(("127.0.0.1", gateway.port), 5) as plain:
        tls = gateway.context.wrap_socket(plain, server_hostname="localhost")
        tls.sendall("\r\n".join([*head, "Content-Length: 17", "", ""]).encode())
        assert tls.recv(4096).startswith(begins)


def test_the_body_of_a_refused_request_is_no_request(gateway: RunningGateway, engine: Engine) -> None:
    before = len(engine.asked)
    inner = f'POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {ALL}\r\nContent-Length: 17\r\n\r\n{{"model":"qwen3"}}'
    with contextlib.closing(gateway.connection()) as connection:
        connection.request("POST", "/v1/chat/completions", inner.encode())
        response = connection.getresponse()
        assert response.status == 401
        response.read()
        with contextlib.suppress(http.client.HTTPException, OSError):
            connection.request("GET", "/v1/models", headers={"Authorization": f"Bearer {ALL}"})
            assert b'"object": "list"' in connection.getresponse().read()
    assert len(engine.asked) == before


def test_wrong_keys_are_slowed_down_by_address(own_gateway: RunningGateway) -> None:
    assert own_gateway.chat(ALL, "qwen3").status == 200
    answers = [own_gateway.chat(f"wrong-{number}-{'x' * 20}") for number in range(15)]
    assert [answer.status for answer in answers] == [401] * 10 + [429] * 5
    assert answers[-1].error["code"] == "too_many_wrong_keys" and 1 <= int(answers[-1].headers["retry-after"]) <= 120
    # A client that had come from there goes on; a key that is used there for the first time is not told from a wrong one.
    assert own_gateway.chat(ALL, "qwen3").status == 200
    assert own_gateway.chat(ONE, "qwen3").status == 429
    # Other addresses are not concerned.
    connection = http.client.HTTPSConnection(
        "localhost", own_gateway.port, context=own_gateway.context, source_address=("127.0.0.2", 0)
    )
    with contextlib.closing(connection):
        connection.request("GET", "/v1/models", headers={"Authorization": f"Bearer {ONE}"})
        assert connection.getresponse().status == 200


def test_a_right_key_is_not_told_while_the_minute_before_wears_off(own_gateway: RunningGateway) -> None:
    """The minute before counts by a part; where that leaves less than room for one more wrong key, a right one is refused as well."""
    minute = 10  # seconds, for the sake of this test
    limits = Path(own_gateway.gateway.paths.configuration, "lua", "limits.lua")
    limits.write_text(limits.read_text(encoding="utf-8").replace("MINUTE = 60", f"MINUTE = {minute}"), encoding="utf-8")
    own_gateway.stop()
    own_gateway.start()
    wrong = "wrong-" + "x" * 20
    for right in (ALL, ONE, LORA):  # a slow machine gets another try
        if time.time() % minute > minute / 2:
            time.sleep(minute - time.time() % minute + 0.1)
        while own_gateway.ask("GET", "/v1/models", wrong).status == 401:
            pass
        time.sleep(minute - time.time() % minute + 0.1)  # nearly all of the ten still count
        told = [own_gateway.ask("GET", "/v1/models", key).status for key in (wrong, right, wrong)]
        if time.time() % minute < minute * 0.1:
            break
    assert told == [429] * 3


def test_on_loopback_it_may_do_without_tls(engine: Engine) -> None:
    with running(services_on(engine.server_port), clients(), certificate="", key="") as gateway:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)) as connection:
            connection.request("GET", "/v1/models", headers={"Authorization": f"Bearer {ALL}"})
            response = connection.getresponse()
            assert response.status == 200 and b'"qwen3"' in response.read()
        with socket.create_connection(("127.0.0.1", gateway.port)) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert b'"code": "bad_request"' in plain.recv(4096)


def test_plain_http_is_refused_in_shape(gateway: RunningGateway) -> None:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)) as connection:
        connection.request("GET", "/v1/models")
        response = connection.getresponse()
        assert response.status == 400 and b'"code": "https_required"' in response.read()


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00nonsense\r\n\r\n",
        b"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 9000 + b"\r\n\r\n",
        b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: a\r\n\r\n",
        b"POST /v1/models HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/models HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /found-by-nginx HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
def test_what_nginx_itself_refuses_is_refused_in_shape(gateway: RunningGateway, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port)) as plain:
        tls = gateway.context.wrap_socket(plain, server_hostname="localhost")
        tls.sendall(sent)
        answer = tls.recv(4096)
    assert b" 4" in answer[:13] or b" 505 " in answer[:13]
    assert b'{"error": {"message": ' in answer


def test_another_key_needs_no_new_start(own_gateway: RunningGateway) -> None:
    new = "new-" + "n" * 20
    before = own_gateway.process and own_gateway.process.pid
    own_gateway.reload(clients=(client("all", new, models=None),))
    assert (own_gateway.chat(ALL, "qwen3").status, own_gateway.chat(new, "qwen3").status) == (401, 200)
    assert own_gateway.process and own_gateway.process.pid == before
