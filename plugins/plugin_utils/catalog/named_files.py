# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Files that options name beside the model: adapters and second models, which the engine would look for in vain."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import HubArtifact, UrlArtifact

MODELS = "/models/"
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
# Second models and their like. They may also have names for which an engine looks elsewhere: of those nothing is known here.
SECOND = ("spec-draft-model", "model-draft", "speculative-draft-model-path", "speculative-config", "vad-model")
# What may lie elsewhere on the device of a native engine, of which nothing is known here, or have a name of a hub.
OTHERS = ("mmproj", "grammar-file", "json-schema-file", "tokenizer", "tokenizer-path")
# Keys of JSON that hold a path.
PATH_KEYS = ("path", "lora_path", "model")


def problems(
    chosen: Mapping[str, Any], place: str, kind: str, artifacts: Sequence[HubArtifact | UrlArtifact]
) -> Iterable[Problem]:
    """Paths of adapters, second models and their like that nothing brings to the place where the engine looks for them."""
    for option in (*ADAPTERS, *SECOND, *OTHERS):
        value = chosen.get(option)
        for path in dict.fromkeys(_paths(value, option)) if value not in (None, True, False) else ():
            reason = _wrong(path, option, kind, artifacts)
            if reason:
                remedy = (
                    "Add it to thor_extra_models, name that entry in the profile's files (thor_extra_profiles), and write the path "
                    "below /models that it gets."
                )
                yield Problem("THOR-ADAPTER-MISSING", f"{place}.options[{option!r}]", path, reason, remedy)


def unseen(folder: str, kind: str) -> bool:
    """Whether a service cannot see a path (the unit has ProtectHome and PrivateTmp)."""
    if f"{folder}/".startswith(MODELS):
        return False
    hidden = ("/home/", "/root/", "/run/user/", "/tmp/", "/var/tmp/")
    return kind == "container" or not folder.startswith("/") or f"{folder}/".startswith(hidden)


def _wrong(path: str, option: str, kind: str, artifacts: Sequence[HubArtifact | UrlArtifact]) -> str:
    if not path.startswith("/"):
        return (
            "That is no absolute path: the engine would look for it in its own folder, or fetch it by itself."
            if option in ADAPTERS
            else ""
        )
    found = posixpath.normpath(path)
    if unseen(found, kind):
        return "The service does not see this path: a container has only /models, and a unit of ours no homes."
    if option not in OTHERS and not found.startswith(MODELS):
        return "It does not lie below /models, where the files of services are fetched to, checked and kept."
    if found.startswith(MODELS) and not any(_brings(one, found) for one in artifacts):
        return "Nothing brings it there: it is none of the files of the service's model, nor of the profile's files."
    return ""


def _brings(artifact: HubArtifact | UrlArtifact, path: str) -> bool:
    """Whether a path is a file that the artifact brings, or the folder of such files."""
    if isinstance(artifact, UrlArtifact):
        return path == f"{artifact.path}/{artifact.file}"
    inside = f"{path}/".removeprefix(f"{artifact.path}/")
    return not inside or (
        inside != f"{path}/"
        and any(fnmatchcase(inside.rstrip("/"), pattern) or pattern.startswith(inside) for pattern in artifact.include)
    )


def _paths(value: Any, option: str) -> Iterable[str]:
    """The paths in the value of an option."""
    if isinstance(value, Mapping):
        named = [value[key] for key in PATH_KEYS if key in value]
        # vLLM's default-mm-loras: a path by each modality.
        for one in named if option != "default-mm-loras" else value.values():
            yield from _paths(one, option)
    elif isinstance(value, list):
        for one in value:
            yield from _paths(one, option)
    elif isinstance(value, str) and value.lstrip().startswith(("{", "[")):
        try:
            decoded = json.loads(value)
        except ValueError:
            return
        yield from _paths(decoded, option)
    elif isinstance(value, str):
        for word in value.split(","):
            path = word.split("=", 1)[-1].strip()
            yield re.sub(r":[-+]?\d*\.?\d+$", "", path) if option.endswith("-scaled") else path
