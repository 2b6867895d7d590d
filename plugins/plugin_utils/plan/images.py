# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What has to be done about the container images of a host. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.images import gpu_check, record
from ansible_collections.jetson.thor.plugins.module_utils.observe import toolkit
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import asked_options
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.step import Kind


def needed(services: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The images of container services, each once: reference, digest (or None), what others ``expected``, engine, version,
    bytes, how the ``entrypoint`` is used, ``extras`` (sets of Python packages that services need in it), the ``environments`` of
    their containers, and whose ``parser`` has to accept the ``argvs`` of the services, if no list of its options is stored.
    """
    found: dict[str, dict[str, Any]] = {}
    for service in services:
        reference = service.get("image")
        if not reference:
            continue
        image = found.setdefault(
            reference,
            {
                "reference": reference,
                "digest": None,
                "engine": service["engine"],
                "version": service["version"],
                "bytes": service.get("image_bytes"),
                "expected": service.get("image_expected") or None,
                "entrypoint": _entrypoint(service),
                "cuda_code": service.get("image_cuda_code"),
                "extras": [],
                "environments": [],
                "parser": None,
                "argvs": {},
                "wanted": {},
            },
        )
        if service.get("parser"):
            image["parser"] = service["parser"]
            image["argvs"][service["name"]] = service["argv"][1:]
            image["wanted"][service["name"]] = list(service["unlisted"])
        environment = dict(service["environment"])  # all of it: the catalog has added what every container gets
        if environment not in image["environments"]:
            image["environments"].append(environment)
        image["digest"] = image["digest"] or service.get("image_digest")
        packages = sorted(service.get("python_packages") or [])
        if packages and packages not in image["extras"]:
            image["extras"].append(packages)
    return list(found.values())


def _entrypoint(service: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the check of the image compares with its own configuration."""
    said = service.get("entrypoint")
    return {"how": said["how"], "words": list(said["words"])} if said else None


def work(
    services: Iterable[Mapping[str, Any]], host: Mapping[str, Any], require_gpu: bool = True, prune: bool = False
) -> dict[str, Any]:
    """``images``, all that the services need, each once, and ``todo``, what has to be done: kind, subject and reason."""
    wanted = needed(services)
    known = host.get("images") or {}
    version = (host.get("container_packages") or {}).get(toolkit.PACKAGES[0])
    todo = []
    for image in wanted:
        held = known.get(image["reference"])
        if not held or not held["present"] or image["digest"] not in (None, held["digest"]):
            todo.append((Kind.PULL, image["reference"], "it is not on the host"))
        elif not gpu_check.holds(
            held["proof"],
            require_gpu,
            host.get("l4t"),
            version,
            image["environments"],
            image["entrypoint"],
            image["cuda_code"],
            bool((host.get("toolchain") or {}).get("cuobjdump")),
        ):
            todo.append((Kind.CHECK, image["reference"], "GPU not verified in it yet"))
        elif record.lacking_extras(image, held.get("extras") or {}, lambda one: bool(one["present"])):
            todo.append((Kind.INSTALL, f"Python packages in {image['reference']}", "services need them"))
        elif why := asked_options.due(
            image["engine"], held["digest"], image["parser"], image["argvs"], image["wanted"], host
        ):
            todo.append((Kind.CHECK, f"options of {image['engine']} {image['version']}", why))
    return {
        "images": wanted,
        "todo": [
            *todo,
            *((Kind.REMOVE, name, "no service needs it") for name in (_unwanted(wanted, host) if prune else [])),
        ],
    }


def missing(services: Iterable[Mapping[str, Any]], host: Mapping[str, Any]) -> dict[str, int]:
    """The images that are pulled, with the bytes that they take on the disk (0: unknown)."""
    found = work(services, host)
    sizes = {image["reference"]: image["bytes"] or 0 for image in found["images"]}
    return {subject: sizes[subject] for kind, subject, _reason in found["todo"] if kind == Kind.PULL}


def _unwanted(wanted: Iterable[Mapping[str, Any]], host: Mapping[str, Any]) -> list[str]:
    """Images pulled by this collection that no service needs any more."""
    known = host.get("images") or {}
    references = {image["reference"] for image in wanted}
    keys = {(image["reference"], " ".join(packages)) for image in wanted for packages in image["extras"]}
    return [
        *(name for name in [*known, *(host.get("superseded_images") or [])] if name not in references),
        *(
            f"{name} with {key}"
            for name, held in known.items()
            for key, one in (held.get("extras") or {}).items()
            if one["id"] and (name, key) not in keys and name in references
        ),
    ]
