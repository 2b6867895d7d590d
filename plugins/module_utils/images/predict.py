# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What a run of engine_image would do to a host, and how its images are listed before and after."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import cuobjdump, referrers
from ansible_collections.jetson.thor.plugins.module_utils.images import ask, gpu_check, prune, record, references


def digest_for(image: Mapping[str, Any], held: record.Record, local: record.Local) -> str | None:
    """The digest that an image must have: the lock's, else the recorded one, else that of the local image with the tag."""
    return image["digest"] or recorded_digest(image, held) or local.digest_of(image["reference"])


def recorded_digest(image: Mapping[str, Any], held: record.Record) -> str | None:
    """The digest that this host recorded for an image."""
    entry = held["images"].get(image["reference"])
    return entry["digest"] if entry else None


def predict(spec: Mapping[str, Any], held: record.Record, local: record.Local) -> dict[str, list[str]]:
    """References to pull, to record (dockerd has them already), to check, to ask for options and to derive from, and names to prune."""
    todo: dict[str, list[str]] = {"pull": [], "record": [], "check": [], "ask": [], "derive": [], "prune": []}
    readable = cuobjdump.find() is not None
    for image in spec["images"]:
        reference = image["reference"]
        digest = digest_for(image, held, local)
        entry = held["images"].get(reference) or {}
        entry = entry if entry.get("digest") == digest else {}
        if digest is None or not local.has(reference, digest):
            todo["pull"].append(reference)
        elif not entry:
            todo["record"].append(reference)
        environments = gpu_check.environments_of(image)
        how = (environments, image.get("entrypoint"), image.get("cuda_code"), readable)
        if not gpu_check.holds(entry.get("proof"), spec["require_gpu"], spec["l4t"], spec["toolkit"], *how):
            todo["check"].append(reference)
        if ask.is_due(image, digest):
            todo["ask"].append(reference)
        if record.lacking_extras(image, entry.get("extras", {}), local.has_extra):
            todo["derive"].append(reference)
    if spec["prune"]:
        after = copy.deepcopy(held)
        for image in spec["images"]:
            if image["digest"]:
                record.note(after, image["reference"], image["digest"], None)
        texts = referrers.texts()
        remove, _kept = prune.unused(after, spec["images"], texts)
        todo["prune"] = [references.by_digest(one["reference"], one["digest"]) for one in remove]
        todo["prune"] += prune.unused_derived(held, spec["images"], list(texts.values()))
    return todo


def lines_after(todo: Mapping[str, list[str]], held: record.Record) -> list[str]:
    """The images of a host, one line each, as they will be after ``todo``."""
    names = {name: references.by_digest(name, entry["digest"]) for name, entry in held["images"].items()}
    lines = {
        name: f"{name} {held['images'][name]['digest']}" for name, full in names.items() if full not in todo["prune"]
    }
    lines |= {name: f"{name} (pulled)" for name in todo["pull"]}
    return sorted(
        [*lines.values(), *(f"{name} with its Python packages (if it lacks them)" for name in todo["derive"])]
    )


def lines_of(held: record.Record) -> list[str]:
    """The images of a host, one line each, derived ones too."""
    lines = []
    for name, entry in held["images"].items():
        lines.append(f"{name} {entry['digest']}")
        lines += [f"{name} with {key} {one['id']}" for key, one in entry["extras"].items() if one["id"]]
    return sorted(lines)


def diff_of(before: list[str], after: list[str]) -> dict[str, str]:
    """Two lists of images as Ansible shows a difference."""
    return {
        "before_header": "images",
        "after_header": "images",
        "before": "".join(f"{line}\n" for line in before),
        "after": "".join(f"{line}\n" for line in after),
    }
