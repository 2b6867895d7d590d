# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The architectures of models that an engine has, read in its sources; nothing is imported. Pure but for reading files.

vLLM and SGLang run others through the Transformers of their environment, where these can (model-impl: auto).
script/flags reads what is stored; what is not stored is read in the engine's own Python (asked_flags.py).
"""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

# vLLM takes a model for one of another kind of the same name (config/model.py, try_match_architecture_defaults).
SUFFIXES = (
    "ForCausalLM",
    "ForConditionalGeneration",
    "ChatModel",
    "LMHeadModel",
    "ForTextEncoding",
    "EmbeddingModel",
    "ForSequenceClassification",
    "ForTokenClassification",
    "ForAudioClassification",
    "ForImageClassification",
    "ForVideoClassification",
    "ClassificationModel",
    "ForRewardModeling",
    "RewardModel",
    "Model",
)
# In vLLM's registry: models that it no longer has, and those of other packages.
_NOT_THERE = {"_PREVIOUSLY_SUPPORTED_MODELS", "_OOT_SUPPORTED_MODELS"}
# A model that vLLM and SGLang can run through Transformers: PreTrainedModel.is_backend_compatible reads this attribute.
_BACKEND = re.compile(r"^    _supports_attention_backend\s*=\s*True", re.MULTILINE)
_EXPORTED = re.compile(r"^__all__ = \[(.*?)\]", re.MULTILINE | re.DOTALL)
_SERVED = re.compile(
    r"\w+(?:ForCausalLM|ForConditionalGeneration|ForSequenceClassification|ForTokenClassification|(?<!PreTrained)Model)"
)
_LLAMA_CPP = re.compile(r"\{\s*LLM_ARCH_\w+,\s*\"([\w.-]+)\"\s*\}")


def of_sources(engine: str, folder: Path) -> list[str]:
    """The architectures of an engine, sorted. ``folder``: of the Python package, or the sources of llama.cpp. Raises OSError."""
    if engine == "vllm":
        found = _of_vllm((folder / "model_executor/models/registry.py").read_text(encoding="utf-8-sig"))
    elif engine == "sglang":
        paths = sorted((folder / "srt/models").rglob("*.py"))
        found = (name for path in paths for name in _of_sglang(path.read_text(encoding="utf-8-sig")))
    else:
        text = (folder / "src/llama-arch.cpp").read_text(encoding="utf-8-sig")
        names = text.partition("LLM_ARCH_NAMES")[2].partition("};")[0]
        found = (name for name in _LLAMA_CPP.findall(names) if name not in ("clip", "(unknown)"))
    return sorted(set(found))


def of_transformers(folder: Path) -> list[str]:
    """The architectures that Transformers can run for an engine, sorted. ``folder``: of its package. Raises OSError."""
    found: set[str] = set()
    for path in sorted((folder / "models").glob("*/modeling_*.py")):
        source = path.read_text(encoding="utf-8-sig")
        if _BACKEND.search(source):
            names = " ".join(_EXPORTED.findall(source))
            found.update(name for name in re.findall(r"[\"'](\w+)[\"']", names) if _SERVED.fullmatch(name))
    return sorted(found)


def of_installed(engine: str) -> dict[str, list[str]]:
    """What an engine and its Transformers have, in the engine's own Python: ``architectures`` and ``transformers``, as far as known."""
    found: dict[str, list[str]] = {}
    for key, package in (("architectures", engine), ("transformers", "transformers")):
        with contextlib.suppress(OSError, ValueError, SyntaxError, ImportError):
            spec = importlib.util.find_spec(package)
            if spec and spec.submodule_search_locations:
                folder = Path(spec.submodule_search_locations[0])
                found[key] = of_sources(engine, folder) if package == engine else of_transformers(folder)
    return {key: names for key, names in found.items() if names}


def has(engine: str, known: Collection[str], names: Iterable[str]) -> bool:
    """Whether an engine has one of a model's architectures."""
    stems = {_stem(one) for one in known} if engine == "vllm" else set()
    return any(name in known or (engine == "vllm" and _stem(name) in stems) for name in names)


def _stem(name: str) -> str:
    return next((name.removesuffix(suffix) for suffix in SUFFIXES if name.endswith(suffix)), name)


def _of_vllm(source: str) -> Iterator[str]:
    """The keys of the registry's mappings."""
    for node in ast.parse(source).body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        names = {one.id for one in targets if isinstance(one, ast.Name)}
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        if isinstance(value, ast.Dict) and not names & _NOT_THERE and any(one.endswith("_MODELS") for one in names):
            yield from (key.value for key in value.keys if isinstance(key, ast.Constant) and isinstance(key.value, str))


def _of_sglang(source: str) -> Iterator[str]:
    """The classes that a file of models enters into the registry."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and any(
            isinstance(one, ast.Name) and one.id == "EntryClass" for one in node.targets
        ):
            entries = node.value.elts if isinstance(node.value, ast.List | ast.Tuple) else [node.value]
            yield from (one.id for one in entries if isinstance(one, ast.Name))
