# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""GGUF files: engines of folders that are started with such a file instead, and files that are split."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.jetson.thor.plugins.module_utils.models.split import parts_of
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.artifacts import has_file
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.draft import Draft
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.options import Flags
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import LocalArtifact

# Engines of which some versions load GGUF files, and the options that list the format in these versions. vLLM moved it to a plugin in
# 0.24.0 (docs/features/quantization/gguf.md), and packages and images lack that; SGLang recognizes the file (server_args.py).
DIALECTS = ("vllm", "sglang")
LISTING = ("--load-format", "--quantization")


def command(draft: Draft) -> list[str]:
    """The engine's own words, with the model's folder, or its file where that is what the engine loads."""
    words = draft.engine["command"]
    if _is_file(draft):
        words = [word.replace("{path}", "{file}") for word in words]
    return [draft.fill(word) for word in words]


def problems(draft: Draft) -> list[Problem]:
    """A file that the engine's version cannot load, and files of which parts are missing."""
    found = list(_parts(draft))
    if not _is_file(draft) or draft.flags is None or _loads(draft.flags):
        return found
    versions = [one for one, flags in draft.catalog.lists_of(draft.engine_name).items() if _loads(flags)]
    reason = f"{draft.label} loads no GGUF files, and {draft.artifact.file} is one."
    remedy = "Serve it with llama.cpp, or choose the same model as safetensors"
    remedy += f", or a version that loads them: {', '.join(versions)}." if versions else "."
    return [*found, Problem("THOR-MODEL-FORMAT", f"{draft.place} model", draft.profile["model"], reason, remedy)]


def _is_file(draft: Draft) -> bool:
    return draft.dialect in DIALECTS and (draft.artifact.file or "").endswith(".gguf")


def _loads(flags: Flags) -> bool:
    return any("gguf" in (flags.get(option, {}).get("choices") or ()) for option in LISTING)


def _parts(draft: Draft) -> Iterator[Problem]:
    """Engines are started with the first part and find the others beside it. What a folder of somebody's holds is seen on the device."""
    guessing = draft.speculative.model if draft.speculative else None
    for one in (draft.artifact, guessing):
        names = parts_of(one.file) if one and one.file else []
        if one is None or not names:
            continue
        where = f"thor_extra_models[{one.key!r}].file"
        if one.file != names[0]:
            reason = "That is a later part of a split file, and engines are started with the first."
            yield Problem("THOR-MODEL-PART", where, one.file, reason, f"Write {names[0]}.")
        elif not isinstance(one, LocalArtifact):
            files = (one, *draft.files)
            missing = [name for name in names if not any(has_file(other, f"{one.path}/{name}") for other in files)]
            if missing:
                reason = f"Nothing fetches {len(missing)} of its {len(names)} parts: {', '.join(missing[:3])}."
                remedy = "Add them to include, or leave include out: then all parts are fetched."
                yield Problem("THOR-MODEL-PART", where, one.file, reason, remedy)
