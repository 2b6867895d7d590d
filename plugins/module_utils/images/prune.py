# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Removes images of ours that no service needs and nothing names."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from ansible_collections.jetson.thor.plugins.module_utils import referrers
from ansible_collections.jetson.thor.plugins.module_utils.docker_api import Docker, DockerError
from ansible_collections.jetson.thor.plugins.module_utils.images import derive, record, references


def unused(
    held: record.Record, wanted: Iterable[Mapping[str, Any]], texts: Mapping[str, str]
) -> tuple[list[dict[str, str]], dict[str, str]]:
    """Images that no service needs: those to remove, and, by name, those to keep with what names them."""
    names = {image["reference"] for image in wanted}
    needed = {held["images"][name]["digest"] for name in names if name in held["images"]}
    ours = [{"reference": name, "digest": entry["digest"]} for name, entry in held["images"].items()]
    remove, keep = [], {}
    for one in [image for image in ours if image["reference"] not in names] + held["superseded"]:
        if one["digest"] in needed:
            continue
        tag = one["reference"] if one["reference"] not in names else one["digest"]
        named = next((path for path, text in texts.items() if one["digest"] in text or tag in text), None)
        if named:
            keep[references.by_digest(one["reference"], one["digest"])] = f"{named} names it"
        else:
            remove.append(one)
    return remove, keep


def unused_derived(held: record.Record, wanted: Iterable[Mapping[str, Any]], texts: Iterable[str]) -> list[str]:
    """Ids of recorded derived images that no service needs and no file names, for example for a service yet to be switched."""
    keys = {(image["reference"], derive.key_of(packages)) for image in wanted for packages in image["extras"]}
    return [
        one["id"]
        for reference, entry in held["images"].items()
        for key, one in entry["extras"].items()
        if one["id"] and (reference, key) not in keys and not any(one["id"] in text for text in texts)
    ]


def prune(
    docker: Docker,
    held: record.Record,
    wanted: list[dict[str, Any]],
    texts: Mapping[str, str] | None = None,
    stay: Collection[str] = (),
) -> tuple[list[str], dict[str, str]]:
    """Remove unused images, from the record too; names of the removed ones, and of the kept ones with the reason.

    ``texts``: of what may name an image, if not of the host's own files. ``stay``: names of images that are not removed.
    """
    texts = referrers.texts() if texts is None else texts
    remove, kept = unused(held, wanted, texts)
    removed = []
    for one in remove:
        name = references.by_digest(one["reference"], one["digest"])
        if name in stay:
            continue
        try:
            if _remove(docker, one["reference"], name):
                removed.append(name)
        except DockerError as error:
            kept[name] = error.message
            continue
        if held["images"].get(one["reference"], {}).get("digest") == one["digest"]:
            del held["images"][one["reference"]]
        held["superseded"] = [other for other in held["superseded"] if other != one]
        record.write_record(held)
    for made in all_unused_derived(docker, held, wanted, list(texts.values())):
        if made in stay:
            continue
        try:
            docker.delete(f"/images/{made}")
        except DockerError as error:
            kept[made] = error.message
            continue
        removed.append(made)
        for entry in held["images"].values():
            entry["extras"] = {key: one for key, one in entry["extras"].items() if one["id"] != made}
        record.write_record(held)
    return removed, kept


def _remove(docker: Docker, reference: str, name: str) -> bool:
    """Remove our names of an image, which removes it unless somebody gave it another tag; whether it existed."""
    local, tagged = record.Local.ask(docker), references.tagged(reference)
    image = local.find(name)
    if image is None:
        return False
    for each in [*([tagged] if local.find(tagged) is image else []), name]:
        docker.delete(f"/images/{each}")
    return True


def all_unused_derived(
    docker: Docker, held: record.Record, wanted: Iterable[Mapping[str, Any]], texts: list[str]
) -> list[str]:
    """Recorded and unrecorded derived images that nothing needs."""
    recorded = {one["id"] for entry in held["images"].values() for one in entry["extras"].values()}
    query = urlencode({"filters": json.dumps({"reference": [derive.REPOSITORY]})})
    found = [str(image["Id"]) for image in docker.get(f"/images/json?{query}") or []]
    unrecorded = {one for one in found if one not in recorded and not any(one in text for text in texts)}
    return sorted({*unused_derived(held, wanted, texts), *unrecorded})
