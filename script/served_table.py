# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The table of what the collection's own profiles serve, for README.md: sizes, memory as the catalog computes it, abilities, speeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import entries, files
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.catalog import Catalog
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.inputs import Inputs
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.resolve import resolve
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import Service

# Who measured, by the beginning of a published speed's source.
NVIDIA = "jetson-ai-lab"
HEAD = [
    "| profile | model | engine | GB | GiB of memory | can | tok/s | status |",
    "|---|---|---|---:|---:|---|---|---|",
]


def rows(folder: Path) -> list[str]:
    """One row for each profile of the catalog in this folder."""
    catalog = _catalog(folder)
    return [*HEAD, *(_row(name, _service(name, catalog), catalog) for name in catalog.profiles)]


def memory(folder: Path) -> dict[str, str]:
    """GiB that each profile of the catalog in this folder needs, or that nobody knows yet."""
    catalog = _catalog(folder)
    return {name: _memory(_service(name, catalog)) for name in catalog.profiles}


def _catalog(folder: Path) -> Catalog:
    catalog, problems = entries.build(files.files(str(folder)), {})
    _stop_at(problems)
    catalog.flags = files.flags(str(folder))
    catalog.locks = files.locks(str(folder))
    return catalog


def _service(name: str, catalog: Catalog) -> Service:
    resolution = resolve(Inputs([name], allow_broken=True), catalog)
    _stop_at(resolution.problems)
    (service,) = resolution.services
    return service


def _stop_at(problems: Sequence[Problem]) -> None:
    """The catalog is the collection's own: an error in it is a defect."""
    if problems:
        raise ValueError("\n".join(problem.text() for problem in problems))


def _memory(service: Service) -> str:
    return "unknown" if service.memory_gib is None else f"{service.memory_gib:g}"


def _row(name: str, service: Service, catalog: Catalog) -> str:
    profile = catalog.profiles[name]
    model = catalog.models[profile["model"]]
    engine = catalog.engines[service.engine]["title"].partition(" (")[0]
    cells = [
        f"`{name}`",
        model.get("huggingface") or model.get("modelscope") or model["file"],
        f"{engine} {_version(service)}",
        _size(service.model.bytes),
        _memory(service),
        ", ".join(_abilities(service, model)),
        _speed(service, profile),
        service.status.state,
    ]
    return "| " + " | ".join(cells) + " |"


def _version(service: Service) -> str:
    """The version that the engine itself reports, and the catalog's name for it where that differs (a tag of an image)."""
    own, name = service.engine_version, service.version
    return f"{own} ({name})" if own and own != name else str(name)


def _size(size: int | None) -> str:
    """Bytes in GB; of a size that nobody has read, that."""
    return "unknown" if size is None else f"{size / 1e9:.2f}".rstrip("0").rstrip(".")


def _abilities(service: Service, model: Mapping[str, Any]) -> list[str]:
    """What a client may ask of it."""
    if service.api != "chat":
        return [service.api]
    thinking = model.get("thinking")
    found = [
        "thinking" if thinking != "never" else "",
        "tools" if service.tools else "",
        "vision" if service.vision else "",
    ]
    return [one for one in found if one] or ["chat"]


def _speed(service: Service, profile: Mapping[str, Any]) -> str:
    """Tokens a second of one client, and of eight, on a T5000; and who measured that."""
    reference = files.reference()
    post = next((row.get(service.engine) for row in reference["table"] if row["model"] == profile["model"]), None)
    if isinstance(post, int | float):
        return f"{post:g} (the post)"
    of_model = {
        row.concurrency: row.tokens_per_s
        for row in reference["rows"]
        if row.model == profile["model"]
        and row.engine == service.engine
        and row.module == "T5000"
        and row.source.startswith(NVIDIA)
        and (not row.speculative or profile.get("speculative"))
    }
    if 1 not in of_model:
        return ""
    eight = f", {of_model[8]:g} for 8 clients" if 8 in of_model else ""
    return f"{of_model[1]:g}{eight} (NVIDIA)"
