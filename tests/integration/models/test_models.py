# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Models of one's own, side by side on one host: fetched, left alone, embedding, ranking, drafted for, and counted in memory."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from light import LIGHT
from playbook_run import play

INVENTORY = "inventories/sandbox"
PORTS = {"chat": 8000, "mine": 8001, "embedder": 8002, "reranker": 8003, "drafted": 8004, "caller": 8005}
MIB = 1024**2


def post(host: Any, name: str, path: str, body: dict[str, Any]) -> Any:
    """JSON from a service, requested on the host itself."""
    url = f"http://127.0.0.1:{PORTS[name]}{path}"
    return json.loads(host.check_output("curl -sS --fail --max-time 120 --json %s %s", json.dumps(body), url))


def chat(host: Any, name: str, **more: Any) -> Any:
    """The answer of a service to one question."""
    messages = [{"role": "user", "content": "Who are you?"}]
    return post(host, name, "/v1/chat/completions", {"messages": messages, "max_tokens": 200, "temperature": 0, **more})


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The services of the host as a plan with a look at it resolves them, by name."""
    file = tmp_path_factory.mktemp("plan") / "plan.json"
    extra = json.dumps({"thor_plan_contact": True, "thor_plan_file": str(file)})
    run = play("playbooks/plan.yml", "-l", "thor08", "-e", extra, inventory=INVENTORY)
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
    plan = json.loads(file.read_text(encoding="utf-8"))
    return {one["name"]: one for one in plan["thor08"]["services"]}


def test_a_model_of_hugging_face_is_complete_and_pinned_by_its_commit(host: Any) -> None:
    manifest = json.loads(host.file("/models/sandbox/tiny-GGUF/.thor-manifest.json").content_string)
    assert (manifest["hub"], manifest["id"], manifest["revision"]) == ("huggingface", "sandbox/tiny-GGUF", "main")
    assert re.fullmatch(r"[0-9a-f]{40}", manifest["commit"])
    record = manifest["files"]["tiny-q8_0.gguf"]
    digest, _name = host.check_output("sha256sum /models/sandbox/tiny-GGUF/tiny-q8_0.gguf").split()
    assert (record["sha256"], record["trusted"]) == (digest, "hub")


def test_a_persons_model_is_served_and_left_as_it_was(host: Any) -> None:
    now = host.check_output("stat --format '%n %i %s %U %G %a %y %z' /models/mine /models/mine/*")
    assert now == host.file("/var/lib/thor-test-mine").content_string.strip()
    assert "second revision" in chat(host, "mine")["choices"][0]["message"]["content"]


def test_an_answer_has_the_name_that_the_source_gives(host: Any) -> None:
    assert chat(host, "chat")["model"] == "tiny-GGUF"
    assert chat(host, "mine")["model"] == "tiny-q8_0"


def test_a_tool_call_has_arguments_that_fit(host: Any) -> None:
    (call,) = chat(host, "caller", tools=[LIGHT])["choices"][0]["message"]["tool_calls"]
    assert call["function"]["name"] == "switch_light"
    assert json.loads(call["function"]["arguments"]) == {"room": "kitchen", "state": "on"}


def test_texts_about_the_same_are_near_each_other(host: Any) -> None:
    texts = ["The robot arm lifts the box.", "A robot lifts a box with its arm.", "Quarterly profits fell."]
    found = post(host, "embedder", "/v1/embeddings", {"input": texts, "model": "tiny-embedding-GGUF"})
    first, second, third = (one["embedding"] for one in sorted(found["data"], key=lambda one: one["index"]))
    near, far = (sum(one * other for one, other in zip(first, text, strict=True)) for text in (second, third))
    assert near > far


def test_the_document_that_answers_comes_first(host: Any) -> None:
    documents = ["Profits fell in the third quarter.", "To boil an egg takes eight minutes.", "A hammer drives nails."]
    body = {"query": "How long does it take to boil an egg?", "documents": documents}
    ranked = post(host, "reranker", "/v1/rerank", body)["results"]
    assert max(ranked, key=lambda one: one["relevance_score"])["index"] == 1


def test_a_draft_is_accepted_and_changes_no_answer(host: Any) -> None:
    drafted, plain = chat(host, "drafted"), chat(host, "chat")
    assert drafted["choices"][0]["message"] == plain["choices"][0]["message"]
    timings = drafted["timings"]
    assert 0 < timings["draft_n_accepted"] <= timings["draft_n"]


@pytest.mark.parametrize("name", PORTS)
def test_the_predicted_cache_is_what_llama_server_allocates(host: Any, services: dict[str, Any], name: str) -> None:
    """Its own lines of the journal: "KV buffer size =   16.00 MiB", one for each cache."""
    journal = host.check_output(f"journalctl --no-pager --boot --output cat -u thor-{name}.service")
    started = journal.rpartition("load_model: loading model")[2]
    sizes = [float(size) for size in re.findall(r"KV buffer size =\s+([0-9.]+) MiB", started)]
    assert sizes, started[-3000:]
    parts = services[name]["memory_parts"]
    assert (parts["kv_cache"] + parts.get("draft_cache", 0)) / MIB == pytest.approx(sum(sizes), abs=0.01 * len(sizes))


@pytest.mark.parametrize("name", PORTS)
def test_the_weights_in_the_sum_are_the_files_on_disk(host: Any, services: dict[str, Any], name: str) -> None:
    model = services[name]["argv"][services[name]["argv"].index("--model") + 1]
    assert services[name]["memory_parts"]["weights"] == host.file(model).size
