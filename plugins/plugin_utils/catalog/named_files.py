# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Files beside the model that options name: the engine would look in vain for one that nothing fetches."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import json_values, option_names
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.artifacts import MODELS_ROOT, has_file
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.draft import Draft
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import AnyArtifact, HubArtifact, UrlArtifact

MODELS = f"{MODELS_ROOT}/"
# Options that name a file with a chat template: vLLM's and SGLang's, llama.cpp's.
TEMPLATE_OPTIONS = ("chat-template", "chat-template-file")
# Of llama.cpp (FILE, or FILE:SCALE, with commas between them), vLLM and SGLang (NAME=PATH, or JSON).
ADAPTERS = (
    "lora",
    "lora-scaled",
    "control-vector",
    "control-vector-scaled",
    "lora-modules",
    "lora-paths",
    "default-mm-loras",
)
# Second models and the like. They may also be names that an engine looks up elsewhere, of which nothing is known here.
SECOND_MODELS = ("spec-draft-model", "model-draft", "speculative-draft-model-path", "speculative-config", "vad-model")
# Folders of what an image or a package brings along, which may be such a model: nobody fetches or checks it.
INSTALLED = ("/opt/", "/usr/")
# What may also be elsewhere on the device of a native engine, of which nothing is known here, or be a name on a hub.
OTHERS = ("mmproj", "grammar-file", "json-schema-file", "tokenizer", "tokenizer-path")
# Keys of JSON that hold a path.
PATH_KEYS = ("path", "lora_path", "model")


def template_problems(draft: Draft) -> list[Problem]:
    """Chat templates that nothing fetches to where the engine looks for them.

    A container sees /models and no other folder of the device. A native engine sees other folders too, of which nothing is known here.
    """
    problems: list[Problem] = []
    for option in TEMPLATE_OPTIONS:
        value = draft.option(option)
        # Both options also accept the text of a template, or the name of a built-in one.
        if not isinstance(value, str) or "{" in value or not ("/" in value or value.endswith(".jinja")):
            continue
        path = posixpath.normpath(value)
        if not draft.is_container and not path.startswith(MODELS):
            continue
        is_fetched = path.startswith(f"{draft.artifact.path}/") or any(
            path == f"{one.path}/{one.file}" for one in draft.files
        )
        if not is_fetched:
            reason = "Nothing fetches this file: it is not one of the service's files and not in its model's folder."
            remedy = "Add it to thor_extra_models (url, path, file) and name that entry in files, of the service or of its profile."
            problems.append(Problem("THOR-TEMPLATE-MISSING", draft.where("options", option), value, reason, remedy))
    return problems


def adapter_problems(draft: Draft) -> list[Problem]:
    """Paths of adapters, second models and the like that nothing fetches to where the engine looks for them."""
    remedy = (
        "Add it to thor_extra_models, name that entry in files, of the service or of its profile, and write the path "
        "below /models that it gets."
    )
    problems: list[Problem] = []
    known, accepts = draft.known_flags, draft.accepts
    options = {
        option_names.identity(name, known, accepts): name for name in reversed((*ADAPTERS, *SECOND_MODELS, *OTHERS))
    }
    for option in reversed(options.values()):
        value = draft.filled_option(option)
        paths = dict.fromkeys(_paths(value, option)) if value not in (None, True, False) else ()
        problems += [
            Problem("THOR-ADAPTER-MISSING", draft.where("options", option), path, reason, remedy)
            for path in paths
            if (reason := _wrong(path, option, draft))
        ]
    return problems


def is_hidden(folder: str, in_container: bool) -> bool:
    """Whether a service cannot see a path (the unit has ProtectHome and PrivateTmp)."""
    if f"{folder}/".startswith(MODELS):
        return False
    hidden = ("/home/", "/root/", "/run/user/", "/tmp/", "/var/tmp/")
    return in_container or not folder.startswith("/") or f"{folder}/".startswith(hidden)


def _wrong(path: str, option: str, draft: Draft) -> str:
    if not path.startswith("/"):
        is_path = option in ADAPTERS
        reason = (
            "The path is not absolute: the engine would look in its own working directory, or download it by itself."
        )
        return reason if is_path else ""
    found = posixpath.normpath(path)
    if is_hidden(found, in_container=False):
        return "The service cannot see this path: its unit hides home folders, /tmp and /var/tmp."
    if any(_brings(one, found) for one in (draft.artifact, *draft.files)):
        return ""
    if option in SECOND_MODELS and found.startswith(INSTALLED):
        return ""
    if is_hidden(found, draft.is_container):
        return "The service cannot see this path: a container sees only /models and the folders of its models."
    if option not in OTHERS and not found.startswith(MODELS):
        return "It is not below /models, where the files of services are fetched, checked and kept."
    if found.startswith(MODELS):
        return "Nothing fetches it: it is neither one of the model's files nor named in files."
    return ""


def _brings(artifact: AnyArtifact, path: str) -> bool:
    """Whether a path is a file of the artifact, or a folder of such files."""
    if has_file(artifact, path) or (path == artifact.path and not isinstance(artifact, UrlArtifact)):
        return True
    inside = f"{path}/".removeprefix(f"{artifact.path}/")
    if not isinstance(artifact, HubArtifact) or inside == f"{path}/":
        return False
    return any(pattern.startswith(inside) for pattern in artifact.include)


def _paths(value: Any, option: str) -> Iterable[str]:
    """The paths in the value of an option."""
    if isinstance(value, Mapping):
        named = [value[key] for key in PATH_KEYS if key in value]
        # vLLM's default-mm-loras has a path for each modality.
        for one in named if option != "default-mm-loras" else value.values():
            yield from _paths(one, option)
    elif isinstance(value, list):
        for one in value:
            yield from _paths(one, option)
    elif isinstance(value, str) and value.lstrip().startswith(("{", "[")):
        decoded = json_values.decoded(value)
        if not isinstance(decoded, str):
            yield from _paths(decoded, option)
    elif isinstance(value, str):
        for word in value.split(","):
            path = word.split("=", 1)[-1].strip()
            yield re.sub(r":[-+]?\d*\.?\d+$", "", path) if option.endswith("-scaled") else path
