# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The sandbox's stand-in for vLLM and SGLang: the behaviour on which other tests rely."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.jetson.thor.plugins.module_utils.clients import answer_checks, api, chat
from ansible_collections.jetson.thor.plugins.module_utils.services.gpu_evidence import Evidence
from standin_runs import LISTS, QUESTION, Engine, Start

from tests.sandbox.engine import standin

SANDBOX = Path(__file__).resolve().parents[2] / "sandbox"
FLAGS = SANDBOX.parents[1] / "roles" / "catalog" / "files" / "flags"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--nosuch", "1"], "vllm: error: unrecognized arguments: --nosuch 1"),
        (["--port", "http"], "vllm serve: error: argument --port: invalid int value: 'http'"),
        (["--chat-template"], "error: argument --chat-template: expected one argument"),
        (["--load-format", "magic"], "argument --load-format: invalid choice: 'magic'"),
        (
            ["--override-generation-config", "{bad"],
            "argument --override-generation-config: Value {bad cannot be converted",
        ),
    ],
)
def test_the_parser_refuses_as_the_real_one_does(launch: Start, model: Path, argv: list[str], message: str) -> None:
    # before the options that launch adds, so that an option without a value stays without one
    process = launch("vllm", "serve", str(model), *argv).process
    _, stderr = process.communicate(timeout=20)
    assert process.returncode == 2
    assert message in stderr


@pytest.mark.parametrize(
    "path", sorted(FLAGS.glob("vllm-*.json")) + sorted(FLAGS.glob("sglang-*.json")), ids=lambda path: path.stem
)
def test_it_accepts_exactly_the_stored_options(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = json.loads(path.read_text(encoding="utf-8"))
    values = {"whole": "2", "count": "2", "number": "0.5", "fraction": "0.5", "json": "{}"}
    head = ["serve", "/models/m"] if flags["engine"] == "vllm" else ["--model-path", "/models/m"]
    parse = standin.parse_vllm if flags["engine"] == "vllm" else standin.parse_sglang
    first, second = list(head), list(head)
    for name, entry in flags["options"].items():
        if name in ("--help", "--version"):
            continue
        value = str(entry["choices"][0]) if entry["choices"] else values.get(entry.get("kind", ""), "text")
        first += [name] if entry["takes"] == "none" else [name, value]
        second += [name, value, value] if entry["takes"] == "many" else [name] if entry["takes"] == "optional" else []
        second += [entry["negation"]] if entry["negation"] else []
    for argv in (first, second):
        assert parse(flags, argv).path
    with pytest.raises(SystemExit) as ended:
        parse(flags, [*head, "--no-such-option"])
    assert ended.value.code == 2
    assert "unrecognized arguments: --no-such-option" in capsys.readouterr().err


def test_sglang_needs_a_model(launch: Start) -> None:
    process = launch("sglang").process
    assert "the following arguments are required: --model-path/--model" in process.communicate(timeout=20)[1]
    assert process.returncode == 2


def test_vllm_accepts_underscores_and_negations(launch: Start, model: Path) -> None:
    engine = launch("vllm", "serve", str(model), "--served_model_name", "qwen3", "other", "--no-enforce-eager")
    engine.wait()
    names = [card["id"] for card in engine.ask("/v1/models")[1]["data"]]
    assert names == ["qwen3", "other"]


@pytest.mark.parametrize(
    ("change", "argv", "message"),
    [
        (lambda folder: (folder / "config.json").unlink(), [], "it has no config.json"),
        (lambda folder: (folder / "model.safetensors").unlink(), [], "Cannot find any model weights"),
        (lambda _: None, ["--chat-template", "/nosuch.jinja"], "appears path-like, but doesn't exist!"),
        (lambda _: None, ["--gpu-memory-utilization", "7"], "must be above 0 and at most 1"),
    ],
)
def test_bad_values_that_the_parser_accepts_end_it_with_code_1(
    launch: Start, model: Path, change: Callable[[Path], None], argv: list[str], message: str
) -> None:
    change(model)
    process = launch("vllm", "serve", str(model), *argv).process
    assert message in process.communicate(timeout=20)[1]
    assert process.returncode == 1


def test_health_is_green_before_it_can_answer(launch: Start, model: Path) -> None:
    engine = launch("vllm", "serve", str(model), "--served-model-name", "qwen3", STANDIN_LOAD_SECONDS="2")
    for _ in range(400):
        with contextlib.suppress(api.ProbeError):
            status, _ = engine.ask("/health")
            break
        time.sleep(0.01)
    assert status == 200
    assert engine.ask("/v1/chat/completions", {"model": "qwen3", **QUESTION})[0] == 503
    engine.wait()


def test_vllm_overrides_the_models_values(vllm: Engine) -> None:
    sampling = vllm.chat()["standin"]["sampling"]
    assert sampling == {"repetition_penalty": 1.2, "temperature": 0.8, "top_p": 0.95, "top_k": 20, "min_p": 0.0}
    assert vllm.chat(temperature=0)["standin"]["sampling"]["temperature"] == 0


def test_vllm_without_the_models_values(launch: Start, model: Path) -> None:
    engine = launch("vllm", "serve", str(model), "--served-model-name", "qwen3", "--generation-config", "vllm")
    engine.wait()
    assert engine.chat()["standin"]["sampling"]["temperature"] == 1.0


def test_sglangs_preferred_values_reach_only_generate(sglang: Engine) -> None:
    chat = sglang.chat()["standin"]["sampling"]
    assert (chat["temperature"], chat["top_p"], chat["repetition_penalty"]) == (0.6, 0.95, 1.0)
    status, answer = sglang.ask("/generate", {"text": "Hi", "sampling_params": {"max_new_tokens": 2}})
    assert status == 200
    assert answer["standin"]["sampling"]["temperature"] == 0.7
    assert answer["meta_info"]["completion_tokens"] == 2


@pytest.mark.parametrize(
    ("argv", "knows", "temperature"),
    [([], True, 0.6), (["--sampling-defaults", "openai"], True, 1.0), ([], False, 0.7)],
)
def test_whether_sglangs_chat_reads_the_models_values_depends_on_its_version(
    launch: Start, model: Path, monkeypatch: pytest.MonkeyPatch, argv: list[str], knows: bool, temperature: float
) -> None:
    if not knows:
        monkeypatch.delitem(LISTS["sglang"]["options"], "--sampling-defaults")
    engine = launch("sglang", "--model-path", str(model), "--served-model-name", "qwen3", *argv)
    engine.wait()
    assert engine.chat()["standin"]["sampling"]["temperature"] == temperature


def test_it_thinks_unless_the_template_prevents_it(launch: Start, vllm: Engine, model: Path) -> None:
    def text(engine: Engine, **more: Any) -> str:
        return str(engine.chat(**more)["choices"][0]["message"]["content"])

    assert text(vllm).startswith("<think>")
    assert "</think>" in text(vllm)
    assert "<think>" not in text(vllm, chat_template_kwargs={"enable_thinking": False})
    template = SANDBOX / "files" / "qwen3_nonthinking.jinja"
    silent = launch("vllm", "serve", str(model), "--served-model-name", "qwen3", "--chat-template", str(template))
    silent.wait()
    assert "think" not in text(silent)
    assert text(silent, chat_template_kwargs={"enable_thinking": True}).startswith("Hello")


def test_the_answer_has_the_expected_form_and_counts_tokens(vllm: Engine) -> None:
    answer = chat.ask(vllm.service, "Who are you?", max_tokens=3, timeout=10)
    assert (answer.finish, answer.completion_tokens) == ("length", 3)
    assert api.wrong_model(answer.model, "qwen3") is None
    assert answer_checks.wrong_text(answer) is None
    metrics = vllm.ask("/metrics")[1]
    counts = dict(re.findall(r'^vllm:(\w+)\{engine="0",model_name="qwen3"\} (\S+)$', metrics, re.MULTILINE))
    # one token for the readiness request
    assert float(counts["generation_tokens_total"]) == 4
    assert float(counts["prompt_tokens_total"]) > 0


def test_a_model_of_another_name_is_not_found(vllm: Engine) -> None:
    status, answer = vllm.ask("/v1/chat/completions", {**QUESTION, "model": "other"})
    assert (status, answer["error"]["message"]) == (404, "The model `other` does not exist.")


def test_each_writes_errors_in_its_own_format(vllm: Engine, sglang: Engine) -> None:
    told = {"message": "max_tokens must be at least 1, got -1.", "type": "BadRequestError", "param": None, "code": 400}
    asked = {**QUESTION, "model": "qwen3", "max_tokens": -1}
    assert vllm.ask("/v1/chat/completions", asked) == (400, {"error": told})
    assert sglang.ask("/v1/chat/completions", asked) == (400, {"object": "error", **told})
    assert vllm.ask("/nosuch") == sglang.ask("/nosuch") == (404, {"detail": "Not Found"})
    for engine in (vllm, sglang):
        with pytest.raises(api.ProbeError, match="HTTP 400: max_tokens must be"):
            chat.ask(engine.service, "Hi", max_tokens=-1, timeout=5)


def test_a_stream_contains_the_same_words(vllm: Engine) -> None:
    whole = vllm.chat()["choices"][0]["message"]["content"]
    _, stream = vllm.ask(
        "/v1/chat/completions", {**QUESTION, "stream": True, "stream_options": {"include_usage": True}}
    )
    events = [line.removeprefix("data: ") for line in stream.splitlines() if line]
    assert events.pop() == "[DONE]"
    chunks = [json.loads(event) for event in events]
    assert "".join(one["choices"][0]["delta"].get("content", "") for one in chunks if one["choices"]) == whole
    assert chunks[-1]["usage"]["completion_tokens"] > 0


def test_each_has_its_own_paths(vllm: Engine, sglang: Engine) -> None:
    assert vllm.ask("/generate", {"text": "Hi"})[0] == 404
    assert vllm.ask("/health_generate")[0] == 404
    assert sglang.ask("/health_generate")[0] == 200
    assert sglang.ask("/get_model_info")[1]["is_generation"] is True
    assert sglang.ask("/metrics")[0] == 404


def test_the_cache_is_filled_once(launch: Start, model: Path, vllm: Engine) -> None:
    assert vllm.ask("/standin")[1]["cache"] == "compiled"
    again = launch("vllm", "serve", str(model), "--served-model-name", "qwen3")
    again.wait()
    assert again.ask("/standin")[1]["cache"] == "hit"


def test_a_running_answer_is_finished_before_it_ends(launch: Start, model: Path) -> None:
    engine = launch("vllm", "serve", str(model), "--served-model-name", "qwen3", STANDIN_TOKEN_SECONDS="0.01")
    engine.wait()
    answers: list[Any] = []
    asking = threading.Thread(target=lambda: answers.append(engine.chat(ignore_eos=True, max_tokens=100)))
    asking.start()
    time.sleep(0.3)
    engine.process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    with pytest.raises(api.ProbeError, match="nothing listens"):
        engine.ask("/health")
    asking.join(10)
    assert answers[0]["usage"]["completion_tokens"] == 100
    assert engine.process.wait(10) == 0


@pytest.mark.parametrize(("fault", "verdict"), [("", "used"), ("cpu", "unused")])
def test_its_log_proves_a_gpu_like_the_real_ones(launch: Start, model: Path, fault: str, verdict: str) -> None:
    engines = yaml.safe_load((FLAGS.parent / "engines.yml").read_text(encoding="utf-8"))["engines"]
    argvs = {"vllm": ["serve", str(model)], "sglang": ["--model-path", str(model)]}
    for kind, argv in argvs.items():
        engine = launch(kind, *argv, "--served-model-name", "qwen3", STANDIN_FAULT=fault)
        engine.wait()
        engine.process.kill()
        output, _ = engine.process.communicate()
        evidence = Evidence(engines[kind]["gpu"])
        for line in output.splitlines():
            evidence.read(line)
        assert evidence.verdict()[0] == verdict, output
        assert "KV " in output


def test_faults(vllm: Engine) -> None:
    def post(path: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", vllm.port, timeout=10)
        with contextlib.suppress(ConnectionError, http.client.HTTPException):
            connection.request("POST", path)
            connection.getresponse().read()
        connection.close()

    def kind() -> str:
        with pytest.raises(api.ProbeError) as caught:
            chat.ask(vllm.service, "Hi", max_tokens=1, timeout=0.5)
        return caught.value.kind

    post("/standin/hang")
    assert kind() == "timeout"
    assert vllm.ask("/health")[0] == 200
    post("/standin/silent")
    with pytest.raises(api.ProbeError):
        api.request("127.0.0.1", vllm.port, "/health", timeout=0.5)
    post("/standin/errors")
    assert kind() == "status"
    post("/standin/mend")
    assert vllm.chat()["usage"]["completion_tokens"]
    post("/standin/exit?code=7")
    assert vllm.process.wait(10) == 7
