# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Files that options name are fetched with the service, or refused."""

from __future__ import annotations

from typing import Any

import pytest
from real_catalog import CHAT, only, run

ADAPTER = {"url": "https://example.org/a.gguf", "path": "adapters", "file": "a.gguf", "bytes": 5}
FOLDER = {"modelscope": "me/lora", "bytes": 5}
LLAMA = "/models/Qwen/Qwen3-8B-GGUF"


def test_templates_in_the_model_folder_or_as_text_are_accepted() -> None:
    for template in ("{{ messages }}", "chatml", "/models/Qwen/Qwen3-8B/own.jinja"):
        assert not run({"profile": "qwen3-8b-sglang", "options": {"chat-template": template}}).problems
    outside = {"profile": "qwen3-8b-sglang", "options": {"chat-template": "/models/Qwen/Qwen3-8B/../x.jinja"}}
    assert only(run(outside)).code == "THOR-TEMPLATE-MISSING"
    native = {"profile": CHAT, "options": {"jinja": True, "chat-template-file": "/etc/mine.jinja"}}
    assert not run(native).problems


@pytest.mark.parametrize(
    ("profile", "options", "culprit"),
    [
        (CHAT, {"lora": "/models/adapters/a.gguf"}, None),
        (CHAT, {"lora": "/models/adapters/b.gguf"}, "/models/adapters/b.gguf"),
        (CHAT, {"lora": "/models/adapters/a.gguf,/models/no.gguf"}, "/models/no.gguf"),
        (CHAT, {"lora-scaled": "/models/adapters/a.gguf:0.5"}, None),
        (CHAT, {"lora-scaled": "/models/no.gguf:0.5"}, "/models/no.gguf"),
        (CHAT, {"lora": "/opt/mine/a.gguf"}, "/opt/mine/a.gguf"),
        (CHAT, {"lora": "/srv/none.gguf"}, "/srv/none.gguf"),
        (CHAT, {"lora": "/models/../srv/none.gguf"}, "/models/../srv/none.gguf"),
        (CHAT, {"spec-draft-model": "/srv/none.gguf"}, "/srv/none.gguf"),
        ("whisper-large-v3-turbo-whisper-cpp", {"vad": True, "vad-model": "/srv/no.bin"}, "/srv/no.bin"),
        (CHAT, {"mmproj": "/models/none.gguf"}, "/models/none.gguf"),
        (CHAT, {"grammar-file": "/models/none.gbnf"}, "/models/none.gbnf"),
        (CHAT, {"json-schema-file": "/root/none.json"}, "/root/none.json"),
        (CHAT, {"grammar-file": "/srv/mine.gbnf"}, None),
        ("qwen3-8b-vllm", {"tokenizer": "/models/none"}, "/models/none"),
        ("qwen3-8b-vllm", {"tokenizer": "{path}"}, None),
        ("qwen3-8b-sglang", {"tokenizer-path": "/models/none"}, "/models/none"),
        (CHAT, {"lora": "/root/a.gguf"}, "/root/a.gguf"),
        (CHAT, {"lora": "a.gguf"}, "a.gguf"),
        (CHAT, {"lora": "{path}/no.gguf"}, f"{LLAMA}/no.gguf"),
        (CHAT, {"control-vector": "/models/no.gguf"}, "/models/no.gguf"),
        (CHAT, {"spec-draft-model": "/models/no.gguf"}, "/models/no.gguf"),
        ("qwen3-8b-vllm", {"enable-lora": True, "lora-modules": ["sql=/models/me/lora"]}, None),
        ("qwen3-8b-vllm", {"enable-lora": True, "lora-modules": ["sql=/models/me/lora/sub"]}, None),
        ("qwen3-8b-vllm", {"enable-lora": True, "lora-modules": ["sql=/models/me/other"]}, "/models/me/other"),
        ("qwen3-8b-vllm", {"enable-lora": True, "lora-modules": ["sql=/opt/lora"]}, "/opt/lora"),
        ("qwen3-8b-vllm", {"enable-lora": True, "lora-modules": ["sql=me/hub-name"]}, "me/hub-name"),
        (
            "qwen3-8b-vllm",
            {"enable-lora": True, "lora-modules": ['{"name": "sql", "path": "/models/no", "base_model_name": "x"}']},
            "/models/no",
        ),
        ("qwen3-8b-vllm", {"default-mm-loras": {"audio": "/models/no"}}, "/models/no"),
        ("qwen3-8b-vllm", {"speculative-config": {"model": "/models/no", "num_speculative_tokens": 2}}, "/models/no"),
        # A model that the image or a package brings along.
        ("qwen3-8b-vllm", {"speculative-config": {"model": "/opt/mtp", "num_speculative_tokens": 2}}, None),
        ("qwen3-8b-vllm", {"speculative-config": {"model": "/srv/mtp", "num_speculative_tokens": 2}}, "/srv/mtp"),
        ("qwen3-8b-vllm", {"speculative-config": {"method": "ngram", "num_speculative_tokens": 2}}, None),
        ("qwen3-8b-sglang", {"lora-paths": ["sql=/models/me/lora", "/models/no"]}, "/models/no"),
        ("whisper-large-v3-turbo-whisper-cpp", {"vad": True, "vad-model": "/models/no.bin"}, "/models/no.bin"),
    ],
)
def test_an_adapter_is_fetched_or_refused(profile: str, options: dict[str, Any], culprit: str | None) -> None:
    extra = {"models": {"adapter": ADAPTER, "folder": FOLDER}, "profiles": {profile: {"files": ["adapter", "folder"]}}}
    result = run({"profile": profile, "options": options}, extra=extra)
    if culprit is None:
        assert not result.problems
        return
    problem = only(result)
    assert (problem.code, problem.value) == ("THOR-ADAPTER-MISSING", culprit)
    assert f"options['{list(options)[-1]}']" in problem.variable and "thor_extra_models" in problem.remedy


def test_a_service_names_files_of_its_own() -> None:
    models = {
        "mine": {"huggingface": "a/b"},
        "template": {"url": "https://h/t", "path": "templates", "file": "t.jinja"},
    }
    entry = {"model": "mine", "engine": "vllm", "options": {"chat-template": "/models/templates/t.jinja"}}
    problem = only(run(entry, extra={"models": models}))
    assert problem.code == "THOR-TEMPLATE-MISSING" and "files, of the service" in problem.remedy
    (service,) = run({**entry, "files": ["template"]}, extra={"models": models}).services
    assert [one.key for one in service.files] == ["template"]
    wrong = run({**entry, "files": ["templat"]}, extra={"models": models}).problems[0]
    assert (wrong.code, wrong.variable) == ("THOR-MODEL-UNKNOWN", "thor_profiles[0].files")
