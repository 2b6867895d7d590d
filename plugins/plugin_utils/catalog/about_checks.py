# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What models say of themselves against what a service wants of them. Nothing is said of models that nobody has looked at."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import architectures
from ansible_collections.jetson.thor.plugins.module_utils.models.about import About
from ansible_collections.jetson.thor.plugins.module_utils.models.gguf import LAST_COMPARED
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import json_values
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.draft import Draft
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.kinds import BUILD
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import Service

# Options that are about images or videos in any case, and those that say so in their value (vLLM, SGLang).
OF_IMAGES = ("allowed-local-media-path", "allowed-media-domains", "mm-encoder-tp-mode")
NAMING_IMAGES = ("limit-mm-per-prompt", "media-io-kwargs", "mm-process-config")
# llama.cpp, common/speculative.cpp: SPEC_VOCAB_MAX_SIZE_DIFFERENCE. vLLM wants equal sizes (config/speculative.py).
MOST_DIFFERENCE = 128


def problems(draft: Draft, service: Service) -> list[Problem]:
    """Models that cannot be read, and what they cannot do."""
    unreadable = list(_unreadable(draft, service))
    if unreadable:
        return unreadable
    return [
        *_unknown_architecture(draft),
        *_no_rank_head(draft, service),
        *_no_images(draft),
        *_vocabularies(draft, service),
    ]


def _unreadable(draft: Draft, service: Service) -> Iterable[Problem]:
    said = draft.about
    if draft.dialect in ("vllm", "sglang") and said and said.format == "other" and service.model.file is None:
        reason = f"It has no config.json, without which {draft.engine_name} cannot read a model."
        remedy = "Name the repository that has the model for this engine, correct include, or serve its files with another engine."
        yield Problem("THOR-MODEL-UNREADABLE", f"{draft.place} model", service.model.key, reason, remedy)
    keys = [service.model.key, *(one.key for one in service.files)]
    for key in dict.fromkeys(keys):
        said = _about(draft, key)
        if said and said.fault:
            remedy = (
                "Correct what names the model (id, revision, file, include), or choose a copy of it that is complete."
            )
            yield Problem("THOR-MODEL-UNREADABLE", f"{draft.place} model", key, said.fault, remedy)


def unlisted(draft: Draft) -> tuple[str, ...]:
    """A model's architectures where no stored list says that the engine has one of them; empty where there is nothing to check.

    A model with its own code is left to the engine, and so is one that it is told to run through Transformers.
    """
    said = draft.about
    if said is None or said.code or draft.option("model-impl") == "transformers":
        return ()
    overridden = draft.option("hf-overrides") or draft.option("json-model-override-args")
    names = _architectures_in(overridden) or tuple(said.architectures)
    known = draft.catalog.architectures_of(draft.engine_name, draft.version)
    return () if known is not None and architectures.has(draft.engine_name, known, names) else names


def parser_of(draft: Draft) -> str | None:
    """Whose parser the device asks, because no stored list has the options, or what its Transformers can run; None otherwise."""
    parser: str | None = draft.engine.get("parser") if draft.kind != BUILD else None
    unknown = draft.catalog.transformers_of(draft.engine_name, draft.version) is None
    return parser if draft.flags is None or (unknown and _falls_back(draft) and unlisted(draft)) else None


def _falls_back(draft: Draft) -> bool:
    """Whether the engine runs a model that it lacks through its Transformers (vLLM and SGLang: model-impl: auto)."""
    return "--model-impl" in (draft.flags or {}) and draft.option("model-impl") in (None, "auto")


def _unknown_architecture(draft: Draft) -> Iterable[Problem]:
    """A model that neither the engine's version nor its Transformers know, by stored lists. Without them the engine is asked."""
    names = unlisted(draft)
    if not names or draft.catalog.architectures_of(draft.engine_name, draft.version) is None or parser_of(draft):
        return
    others = draft.catalog.transformers_of(draft.engine_name, draft.version) or ()
    if _falls_back(draft) and any(name in others for name in names):
        return  # what is known is in the plan (asked_options.py)
    reason = f"{draft.engine_name} {draft.version} does not know the architecture {' or '.join(names)} of the model."
    remedy = "Choose a version that knows it."
    if "--model-impl" in (draft.flags or {}):
        remedy += " If its Transformers can run the model, say so: options: {model-impl: transformers}."
    yield Problem("THOR-MODEL-ARCHITECTURE", f"{draft.place} model", draft.profile["model"], reason, remedy)


def _architectures_in(overrides: Any) -> tuple[str, ...]:
    """What options name in place of the model's own architectures."""
    found = json_values.decoded(overrides)
    names = found.get("architectures") if isinstance(found, Mapping) else None
    return tuple(str(one) for one in names) if isinstance(names, list) else ()


def _no_rank_head(draft: Draft, service: Service) -> Iterable[Problem]:
    """llama.cpp does not refuse it: it would answer every request with meaningless scores."""
    if (
        service.api != "rerank"
        or draft.about is None
        or draft.about.rank_head is not False
        or draft.about.format != "gguf"
    ):
        return
    reason = (
        f"{draft.artifact.file} has no head that ranks (no tensor cls.output.weight), and llama.cpp would answer with meaningless "
        "scores."
    )
    remedy = "Choose a GGUF file that was converted as a reranker, or serve the model with vLLM."
    yield Problem("THOR-MODEL-NO-RANK", f"{draft.place} model", service.model.key, reason, remedy)


def _no_images(draft: Draft) -> Iterable[Problem]:
    said = draft.about
    # A model with its own code may see in a way that its configuration does not show.
    if said is None or said.format != "safetensors" or said.vision or said.code or draft.model.get("vision"):
        return
    for name in (*OF_IMAGES, *NAMING_IMAGES):
        value = draft.option(name)
        if value in (None, False) or (name in NAMING_IMAGES and not _names_images(value)):
            continue
        reason = "The model sees no images: its config.json has no part for them, or it lacks the configuration of a processor."
        remedy = "Remove the option, or choose a model that sees."
        yield Problem("THOR-MODEL-NO-VISION", draft.where("options", name), value, reason, remedy)


def _names_images(value: Any) -> bool:
    """Whether a value such as {"image": 2, "audio": 1} allows any image or video."""
    found = json_values.decoded(value)
    if isinstance(found, str):  # image=2, as older versions write it
        return bool(re.search(r"(image|video)\s*=\s*[1-9]", found))
    return isinstance(found, Mapping) and any(found.get(kind) for kind in ("image", "video"))


def _vocabularies(draft: Draft, service: Service) -> Iterable[Problem]:
    """A model that drafts for another one has to know the same tokens. Other methods translate, or have no tokens of their own."""
    asked = service.speculative
    if asked is None or asked.model is None or asked.method != "draft" or draft.about is None:
        return
    said = _about(draft, asked.model.key)
    own, other = draft.about.vocabulary, said.vocabulary if said else None
    if not own or not other:
        return
    reason = _difference(own, other, MOST_DIFFERENCE if draft.about.format == "gguf" else 0)
    if reason:
        remedy = "Choose a smaller model of the same family, or another method of speculation."
        yield Problem("THOR-DRAFT-VOCABULARY", f"{draft.place} speculative.model", asked.model.key, reason, remedy)


def _difference(own: Mapping[str, Any], other: Mapping[str, Any], most: int) -> str:
    sizes = (own["size"], other["size"])
    if abs(sizes[0] - sizes[1]) > most:
        return (
            f"It has {sizes[1]:,} tokens and the model it drafts for {sizes[0]:,}, so their answers cannot be compared."
        )
    digests = (own["digest"], other["digest"])
    is_comparable = sizes[0] == sizes[1] or min(sizes) >= LAST_COMPARED
    if None not in digests and digests[0] != digests[1] and is_comparable:
        return "Its tokens are not those of the model it drafts for, so their answers cannot be compared."
    return ""


def _about(draft: Draft, key: str) -> About | None:
    facts = draft.inputs.about.get(key)
    return About.from_facts(facts) if facts else None
