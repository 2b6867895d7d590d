# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The architectures of an engine, read in sources of the form of vLLM's, SGLang's and llama.cpp's."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.jetson.thor.plugins.module_utils import architectures

REGISTRY = """
_TEXT_GENERATION_MODELS = {"AForCausalLM": ("a", "AForCausalLM"), "BModel": ("b", "BForCausalLM")}
_MULTIMODAL_MODELS: dict[str, tuple[str, str]] = {"CForConditionalGeneration": ("c", "C")}
_VLLM_MODELS = {**_TEXT_GENERATION_MODELS, **_MULTIMODAL_MODELS}
_PREVIOUSLY_SUPPORTED_MODELS = {"GoneForCausalLM": "0.9.2"}
_OTHER = {"x": 1}
"""
LLAMA_CPP = """
static const std::map<llm_arch, const char *> LLM_ARCH_NAMES = {
    { LLM_ARCH_CLIP, "clip" }, // dummy
    { LLM_ARCH_LLAMA,  "llama" },
    { LLM_ARCH_QWEN35, "qwen35" },
    { LLM_ARCH_UNKNOWN, "(unknown)" },
};
static const std::map<llm_kv, const char *> LLM_KV_NAMES = { { LLM_ARCH_X, "no" } };
"""


def test_vllm(tmp_path: Path) -> None:
    place = tmp_path / "model_executor/models/registry.py"
    place.parent.mkdir(parents=True)
    place.write_text(REGISTRY)
    known = architectures.of_sources("vllm", tmp_path)
    assert known == ["AForCausalLM", "BModel", "CForConditionalGeneration"]
    assert architectures.has("vllm", known, ["AForSequenceClassification"])
    assert not architectures.has("vllm", known, ["GoneForCausalLM", "AAForCausalLM"])


def test_sglang(tmp_path: Path) -> None:
    place = tmp_path / "srt/models/deep"
    place.mkdir(parents=True)
    (place / "a.py").write_text("\ufeffEntryClass = AForCausalLM\nother = B\n", encoding="utf-8")
    (place.parent / "b.py").write_text("EntryClass = [BForCausalLM, CModel]\n")
    known = architectures.of_sources("sglang", tmp_path)
    assert known == ["AForCausalLM", "BForCausalLM", "CModel"]
    assert not architectures.has("sglang", known, ["AForSequenceClassification"])


def test_transformers(tmp_path: Path) -> None:
    """Only what an engine can run: the file says so, and its classes are those of whole models."""
    models = tmp_path / "models"
    for name, can in (("a", "True"), ("b", "False")):
        (models / name).mkdir(parents=True)
        (models / name / f"modeling_{name}.py").write_text(
            f"class X:\n    _supports_attention_backend = {can}\n"
            f'__all__ = [\n    "{name}ForCausalLM",\n    "{name}Model", "{name}PreTrainedModel", "{name}ForMaskedLM"]\n'
        )
    assert architectures.of_transformers(tmp_path) == ["aForCausalLM", "aModel"]


def test_what_cannot_be_read_is_left_out() -> None:
    """No such package is here; one that is here has no registry of models."""
    assert architectures.of_installed("no_such_engine") == {}
    assert "architectures" not in architectures.of_installed("json")


def test_llama_cpp(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/llama-arch.cpp").write_text(LLAMA_CPP)
    assert architectures.of_sources("llama.cpp", tmp_path) == ["llama", "qwen35"]
